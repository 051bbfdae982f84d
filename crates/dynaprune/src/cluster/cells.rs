//! What becomes of single runs: which of them a process is making now, and which failed.
//!
//! Both are files in the folder of the results, so that every machine sees them: claims in `leases/`, errors in `failed/`.

use crate::failures::{Failure, Failures};
use crate::lease::holders;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The holder of a claim rewrites it every few seconds; one that is older is of a process that is gone.
const GONE_AFTER: Duration = Duration::from_secs(120);

/// Runs by what is going on with them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cells {
    /// Those that are being made, also scoring runs.
    pub(crate) running: BTreeSet<String>,
    /// Why each of the others failed.
    pub(crate) failed: BTreeMap<String, Failure>,
}

impl Cells {
    /// What the folder of a profile's results says at the time `now`.
    pub(crate) fn read(results: &Path, profile: &str, now: SystemTime) -> Self {
        let folder = results.join(profile);
        let is_alive = |id: &str| {
            let path = folder.join("leases").join(format!("{id}.json"));
            let written = path.metadata().and_then(|metadata| metadata.modified());
            // Clocks differ: what was written in the future was written just now.
            written.is_ok_and(|written| now.duration_since(written).unwrap_or_default() < GONE_AFTER)
        };
        let holders = holders(&folder).into_iter();
        let running = holders.filter(|(id, holder)| !holder.is_gone() && is_alive(id));
        Self {
            running: running.map(|(id, _)| id).collect(),
            failed: Failures::new(&folder).all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{Claim, Leases};

    #[test]
    fn a_claim_counts_as_long_as_it_is_rewritten() {
        let results = tempfile::tempdir().unwrap();
        let folder = results.path().join("smoke");
        let at = |now| Cells::read(results.path(), "smoke", now);
        assert_eq!(at(SystemTime::now()), Cells::default());
        let Claim::Ours(lease) = Leases::new(&folder).claim("aa").unwrap() else {
            panic!("held by another");
        };
        Failures::new(&folder).keep("bb", "digits ucb", "no room").unwrap();
        let cells = at(SystemTime::now());
        assert_eq!(cells.running, BTreeSet::from(["aa".to_owned()]));
        assert_eq!((cells.failed.len(), cells.failed["bb"].error.as_str()), (1, "no room"));
        assert!(at(SystemTime::now() + 2 * GONE_AFTER).running.is_empty());
        drop(lease);
        assert!(at(SystemTime::now()).running.is_empty());
    }
}
