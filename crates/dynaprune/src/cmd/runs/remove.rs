//! `runs rm`.

use super::Where;
use crate::failure::BadInput;
use crate::failures::Failures;
use crate::lease::{Claim, Leases};
use anyhow::{Result, anyhow};
use std::collections::BTreeSet;
use std::fs;

/// The options of `runs rm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ids in full, so that none is removed by mistake
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    place: Where,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut unknown: BTreeSet<&str> = args.ids.iter().map(String::as_str).collect();
    for (profile, results) in args.place.all()? {
        let (failures, mut leases) = (Failures::new(results.folder()), Leases::new(results.folder()));
        let there: BTreeSet<String> = results.runs()?.into_iter().map(|run| run.run_id).collect();
        for id in args.ids.iter().map(String::as_str) {
            let checkpoints = results.folder().join("checkpoints").join(id);
            let damaged = results.cell_path(id).is_file() && !there.contains(id);
            if !there.contains(id) && !damaged && !checkpoints.is_dir() && failures.of(id).is_none() {
                continue;
            }
            let _lease = match leases.claim(id)? {
                Claim::Ours(lease) => lease,
                Claim::Held(by) => {
                    return Err(anyhow!(
                        "run {id} is being made by process {} on {}: it stays",
                        by.pid,
                        by.host
                    ));
                }
            };
            results.remove(&BTreeSet::from([id]))?;
            failures.forget(id)?;
            if checkpoints.is_dir() {
                fs::remove_dir_all(&checkpoints)
                    .map_err(|error| anyhow!("cannot remove `{}`: {error}", checkpoints.display()))?;
            }
            unknown.remove(id);
            eprintln!("removed {id} from {profile}");
        }
    }
    match unknown.first() {
        None => Ok(()),
        Some(id) => Err(BadInput::new(format!("no run has the id `{id}`"))
            .hint("`cargo xtask runs list` lists them")
            .into()),
    }
}
