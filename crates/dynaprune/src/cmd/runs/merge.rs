//! `runs merge`.

use super::{profile_with_results, profiles_in};
use crate::failure::BadInput;
use crate::score_store::ScoreStore;
use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use dynaprune_report::Results;
use std::path::PathBuf;

/// The options of `runs merge`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The other results folder, which is only read
    #[arg(value_name = "DIR")]
    other: PathBuf,
    /// Only this profile, by its name or the path of its TOML file [default: all that the other folder has]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = Workspace::find()?.results(args.results.as_deref());
    let known = profiles_in(&args.other);
    if known.is_empty() {
        let message = format!("no results in `{}`", args.other.display());
        return Err(BadInput::new(message)
            .hint("the folder is the one that holds those of the profiles")
            .into());
    }
    let profiles = match &args.profile {
        Some(asked) => vec![profile_with_results(asked, &args.other)?],
        None => known,
    };
    let (mut conflicts, mut left_out) = (Vec::new(), 0);
    for profile in profiles {
        let results = Results::new(&folder, &profile);
        let other = Results::new(&args.other, &profile);
        let (came, differ) = results.take_over(&other)?;
        let tables = ScoreStore::new(&folder, &profile).take_over(&ScoreStore::new(&args.other, &profile))?;
        match tables.came {
            0 => eprintln!("{profile}: {came} runs came"),
            tables => eprintln!("{profile}: {came} runs and {tables} score tables came"),
        }
        let damaged = other.damaged()?;
        let damaged = damaged.iter().map(|error| format!("a run was left out: {error}"));
        let unread = tables.left_out.iter();
        let unread = unread.map(|error| format!("a score table was left out: {error}"));
        for what in damaged.chain(unread) {
            eprintln!("{profile}: {what}");
            left_out += 1;
        }
        for (id, difference) in &differ {
            eprintln!("{profile}: run {id} is in both with other numbers, ours stays: {difference}");
        }
        for (name, difference) in &tables.conflicts {
            eprintln!("{profile}: score table {name} is in both with other scores, ours stays: {difference}");
        }
        conflicts.push((differ.len(), tables.conflicts.len()));
    }
    let runs: usize = conflicts.iter().map(|(runs, _)| runs).sum();
    let tables: usize = conflicts.iter().map(|(_, tables)| tables).sum();
    match (runs, tables) {
        (0, 0) if left_out == 0 => Ok(()),
        (0, 0) => Err(anyhow!(
            "{left_out} runs or score tables were left out: their files are damaged"
        )),
        (0, tables) => Err(anyhow!(
            "{tables} score tables are in both with other scores: a table is a function of its spec and the code\n\n\
             hint: `cargo xtask score SCORER --profile P --results elsewhere` makes one anew, and `runs merge elsewhere` compares it"
        )),
        (runs, tables) => {
            let tables = match tables {
                0 => String::new(),
                tables => format!(", {tables} score tables with other scores"),
            };
            Err(anyhow!(
                "{runs} runs are in both with other numbers{tables}: a run is a function of its spec and the code\n\n\
                 hint: `cargo xtask reproduce --from-run ID` says which of them this code gives"
            ))
        }
    }
}
