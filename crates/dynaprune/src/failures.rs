//! Runs that failed: `failed/<id>.json` keeps the error, so that the run is not tried again until it is asked for.

use crate::rows::now;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The failed runs of a profile.
pub(crate) struct Failures {
    folder: PathBuf,
}

/// What is kept of a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The run as a person would call it.
    pub(crate) run: String,
    /// What went wrong.
    pub(crate) error: String,
    /// When, UTC, ISO 8601.
    pub(crate) at: String,
    /// The version of the code that tried.
    pub(crate) code_version: String,
    /// How often it has failed.
    pub(crate) attempts: u32,
}

impl Failures {
    /// Those below `<results>/<profile>`. Touches nothing on the disk.
    pub(crate) fn new(profile_folder: &Path) -> Self {
        Self {
            folder: profile_folder.join("failed"),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// How the run failed, if it did. A file that cannot be read is a failure without a reason.
    pub(crate) fn of(&self, id: &str) -> Option<Failure> {
        let path = self.path(id);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            text => text.map_err(|error| error.to_string()),
        };
        let failure = text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        Some(failure.unwrap_or_else(|error| Failure {
            run: id.to_owned(),
            error: format!("`{}` cannot be read: {error}", path.display()),
            at: String::new(),
            code_version: String::new(),
            attempts: 1,
        }))
    }

    /// All of them by run.
    pub(crate) fn all(&self) -> BTreeMap<String, Failure> {
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
        ids.filter(|id| !id.starts_with('.'))
            .filter_map(|id| Some((id.clone(), self.of(&id)?)))
            .collect()
    }

    /// Keeps that the run has failed.
    pub(crate) fn keep(&self, id: &str, run: &str, error: &str) -> Result<()> {
        let failure = Failure {
            run: run.to_owned(),
            error: error.to_owned(),
            at: now(),
            code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
            attempts: self.of(id).map_or(0, |before| before.attempts) + 1,
        };
        let cannot = |error: std::io::Error| anyhow!("cannot write `{}`: {error}", self.path(id).display());
        fs::create_dir_all(&self.folder).map_err(cannot)?;
        dynaprune_files::write(&self.path(id), &serde_json::to_vec_pretty(&failure)?).map_err(cannot)
    }

    /// Forgets that the run has failed.
    pub(crate) fn forget(&self, id: &str) -> Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(anyhow!("cannot remove `{}`: {error}", self.path(id).display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_counted_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::new(folder.path());
        assert!(failures.all().is_empty() && failures.of("a").is_none());
        failures.keep("a", "digits ucb", "no memory").unwrap();
        failures.keep("a", "digits ucb", "no memory again").unwrap();
        let failure = failures.of("a").unwrap();
        assert_eq!((failure.error.as_str(), failure.attempts), ("no memory again", 2));
        assert_eq!(failures.all().into_keys().collect::<Vec<_>>(), ["a"]);
        failures.forget("a").unwrap();
        failures.forget("a").unwrap();
        assert!(failures.all().is_empty());
        fs::write(folder.path().join("failed/b.json"), "{half").unwrap();
        assert!(failures.of("b").unwrap().error.contains("cannot be read"));
    }
}
