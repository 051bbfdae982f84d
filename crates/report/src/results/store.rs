use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::columns::Row;
use super::parquet::{self, Contents};
use super::{EpochRow, RunRow};
use crate::Error;

/// The folder with a profile's `runs.parquet` and `epochs.parquet`.
///
/// A profile without results is an empty one. A run counts as finished once it has a row in `runs.parquet`; its epochs are
/// written first, so that a finished run always has them.
#[derive(Clone, Debug)]
pub struct Results {
    folder: PathBuf,
}

impl Results {
    /// The results of `profile` below the folder `results`. Touches nothing on the disk.
    #[must_use]
    pub fn new(results: &Path, profile: &str) -> Self {
        Self {
            folder: results.join(profile),
        }
    }

    /// Where the runs are: `<results>/<profile>/runs.parquet`.
    #[must_use]
    pub fn runs_path(&self) -> PathBuf {
        self.folder.join("runs.parquet")
    }

    /// Where the epochs are: `<results>/<profile>/epochs.parquet`.
    #[must_use]
    pub fn epochs_path(&self) -> PathBuf {
        self.folder.join("epochs.parquet")
    }

    /// All runs, sorted by data set, method, pruned fraction and seed; none if there is no file yet.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or lacks a column or holds another type in it.
    pub fn runs(&self) -> Result<Vec<RunRow>, Error> {
        Ok(read_or_empty(&self.runs_path())?.rows)
    }

    /// All epochs of all runs, sorted by run and epoch; none if there is no file yet.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn epochs(&self) -> Result<Vec<EpochRow>, Error> {
        Ok(read_or_empty(&self.epochs_path())?.rows)
    }

    /// Adds runs with their epochs; a run whose `run_id` is already there is replaced, with all its epochs.
    ///
    /// Both files are rewritten, each atomically. Other processes that add to the same folder wait, where the platform can
    /// lock a folder.
    ///
    /// # Errors
    /// As for [`Results::runs`]; if the folder or a file cannot be written; or if a file has columns unknown to this version,
    /// which rewriting would lose.
    pub fn add(&self, runs: &[RunRow], epochs: &[EpochRow]) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let folder = File::open(&self.folder);
        if let Ok(folder) = &folder {
            let _ = folder.lock();
        }

        let replaced: BTreeSet<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();

        let mut all_epochs: Vec<EpochRow> = read_for_rewriting(&self.epochs_path())?;
        let mut all_runs: Vec<RunRow> = read_for_rewriting(&self.runs_path())?;
        all_epochs.retain(|row| !replaced.contains(row.run_id.as_str()));
        all_epochs.extend_from_slice(epochs);
        all_epochs.sort_by(|a, b| (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch)));
        parquet::write(&self.epochs_path(), &all_epochs)?;

        all_runs.retain(|row| !replaced.contains(row.run_id.as_str()));
        all_runs.extend_from_slice(runs);
        all_runs.sort_by(|a, b| {
            (&a.dataset, &a.method, &a.method_label)
                .cmp(&(&b.dataset, &b.method, &b.method_label))
                .then(a.pruned_fraction.total_cmp(&b.pruned_fraction))
                .then((a.seed, &a.run_id).cmp(&(b.seed, &b.run_id)))
        });
        parquet::write(&self.runs_path(), &all_runs)
    }
}

fn read_or_empty<R: Row>(path: &Path) -> Result<Contents<R>, Error> {
    match parquet::read(path) {
        Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Contents {
            rows: Vec::new(),
            unknown_columns: Vec::new(),
        }),
        result => result,
    }
}

fn read_for_rewriting<R: Row>(path: &Path) -> Result<Vec<R>, Error> {
    let contents = read_or_empty(path)?;
    if contents.unknown_columns.is_empty() {
        Ok(contents.rows)
    } else {
        Err(Error::UnknownColumns {
            path: path.to_owned(),
            columns: contents.unknown_columns.join(", "),
        })
    }
}
