//! `runs rm`.

use super::Where;
use crate::failure::BadInput;
use crate::failures::Failures;
use crate::lease::{Claim, Holder, Leases};
use crate::signals::Stop;
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

/// Whether it is the id of a run or of a scoring run: nothing else may become part of a path.
fn is_id(text: &str) -> bool {
    let hash = text.strip_prefix("scoring-").unwrap_or(text);
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(wrong) = args.ids.iter().find(|id| !is_id(id)) {
        let message = format!("expected an id of 16 hexadecimal digits, found `{wrong}`");
        return Err(BadInput::new(message).hint("`cargo xtask runs list` lists them").into());
    }
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
            let tell = |by: &Holder| eprintln!("note: {}", by.awaited());
            let _lease = match leases.claim_patiently(id, &Stop::default(), tell)? {
                Claim::Ours(lease) => lease,
                Claim::Held(by) => {
                    return Err(anyhow!("run {id} is being made by {by}: it stays"));
                }
            };
            results.remove(&BTreeSet::from([id]))?;
            failures.forget(id)?;
            let again = results.folder().join("checkpoints").join(format!("again-{id}"));
            for folder in [&checkpoints, &again] {
                if folder.is_dir() {
                    let cannot = |error| anyhow!("cannot remove `{}`: {error}", folder.display());
                    fs::remove_dir_all(folder).map_err(cannot)?;
                }
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

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn only_ids_become_paths() {
        assert!(is_id("0123456789abcdef") && is_id("scoring-0123456789abcdef"));
        for text in [
            "",
            "..",
            "../..",
            "0123",
            "0123456789abcdeg",
            "scoring-",
            "again-0123456789abcdef",
            "/0123456789abcde",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
