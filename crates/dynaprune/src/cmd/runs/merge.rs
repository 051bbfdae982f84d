//! `runs merge`.

use super::profiles_in;
use crate::failure::BadInput;
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
    /// Only this profile [default: all that the other folder has]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = Workspace::find()?.results(args.results.as_deref());
    let mut profiles = profiles_in(&args.other);
    profiles.retain(|profile| args.profile.as_ref().is_none_or(|wanted| wanted == profile));
    if profiles.is_empty() {
        let message = format!("no results in `{}`", args.other.display());
        return Err(BadInput::new(message)
            .hint("the folder is the one that holds those of the profiles")
            .into());
    }
    let (mut conflicts, mut left_out) = (0, 0);
    for profile in profiles {
        let results = Results::new(&folder, &profile);
        let other = Results::new(&args.other, &profile);
        let (came, differ) = results.take_over(&other)?;
        eprintln!("{profile}: {came} runs came");
        for error in other.damaged()? {
            eprintln!("{profile}: a run was left out: {error}");
            left_out += 1;
        }
        for (id, difference) in &differ {
            eprintln!("{profile}: run {id} is in both with other numbers, ours stays: {difference}");
        }
        conflicts += differ.len();
    }
    match conflicts {
        0 if left_out == 0 => Ok(()),
        0 => Err(anyhow!("{left_out} runs were left out: their files are damaged")),
        runs => Err(anyhow!(
            "{runs} runs are in both with other numbers: a run is a function of its spec and the code\n\n\
             hint: `cargo xtask reproduce --from-run ID` says which of them this code gives"
        )),
    }
}
