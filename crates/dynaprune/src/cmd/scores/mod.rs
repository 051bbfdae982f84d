//! `scores`: score tables that are there.

mod compare;

use anyhow::Result;

/// What to do with score tables.
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// Says how far scores agree: Spearman's rank correlation, and overlap of the kept sets
    Compare(compare::Args),
}

/// Runs the verb.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Compare(args) => compare::run(args),
    }
}
