//! `schema`: the JSON Schemas with which editors complete and check recipes and profiles.

use crate::catalog::catalog;
use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use dynaprune_spec::{profile_schema, recipe_schema};
use std::fs;
use std::path::PathBuf;

/// The options of `schema`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a file does not know what this program knows
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let files: [(PathBuf, String); 2] = [
        (workspace.recipe_schema(), recipe_schema(&catalog)),
        (workspace.profile_schema(), profile_schema(&catalog)),
    ];
    if args.check {
        let stale = files
            .iter()
            .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text));
        let stale: Vec<String> = stale.map(|(path, _)| format!("  {}", path.display())).collect();
        return match stale.as_slice() {
            [] => Ok(()),
            stale => Err(anyhow!(
                "not as this program would write them:\n{}\n\nhint: `cargo xtask schema` writes them",
                stale.join("\n")
            )),
        };
    }
    for (path, text) in &files {
        fs::write(path, text).map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
