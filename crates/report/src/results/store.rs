use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::columns::Row;
use super::parquet::{self, Contents};
use super::{EpochRow, RunRow, SelectionRow, TraceRow};
use crate::Error;

/// The folder with a profile's `runs.parquet` and the files beside it.
///
/// A profile without results is an empty one. A run counts as finished once it has a row in `runs.parquet`; its other rows are
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

    /// Where the kept sets are: `<results>/<profile>/selections.parquet`.
    #[must_use]
    pub fn selections_path(&self) -> PathBuf {
        self.folder.join("selections.parquet")
    }

    /// Where the traced samples are: `<results>/<profile>/traces.parquet`.
    #[must_use]
    pub fn traces_path(&self) -> PathBuf {
        self.folder.join("traces.parquet")
    }

    /// All kept sets of all runs that record them, sorted by run and epoch; none if there is no file yet.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn selections(&self) -> Result<Vec<SelectionRow>, Error> {
        Ok(read_or_empty(&self.selections_path())?.rows)
    }

    /// All traced samples of all runs that record them, sorted by run and position; none if there is no file yet.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn traces(&self) -> Result<Vec<TraceRow>, Error> {
        Ok(read_or_empty(&self.traces_path())?.rows)
    }

    /// Adds runs; a run whose `run_id` is already there is replaced, with all its rows.
    ///
    /// All files are rewritten, each atomically. Other processes that add to the same folder wait, where the platform can
    /// lock a folder.
    ///
    /// # Errors
    /// As for [`Results::runs`]; if the folder or a file cannot be written; or if a file has columns unknown to this version,
    /// which rewriting would lose.
    pub fn add(&self, new: &RunRows) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let folder = File::open(&self.folder);
        if let Ok(folder) = &folder {
            let _ = folder.lock();
        }

        let replaced: BTreeSet<&str> = new.runs.iter().map(|run| run.run_id.as_str()).collect();
        let mut runs = Merged::new(&self.runs_path(), &replaced, &new.runs, |row| &row.run_id)?;
        let mut epochs = Merged::new(&self.epochs_path(), &replaced, &new.epochs, |row| &row.run_id)?;
        let mut selections = Merged::new(&self.selections_path(), &replaced, &new.selections, |row| &row.run_id)?;
        let mut traces = Merged::new(&self.traces_path(), &replaced, &new.traces, |row| &row.run_id)?;

        epochs
            .rows
            .sort_by(|a, b| (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch)));
        epochs.write()?;
        let by_epoch = |a: &SelectionRow, b: &SelectionRow| (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch));
        selections.rows.sort_by(by_epoch);
        selections.write()?;
        traces
            .rows
            .sort_by(|a, b| (&a.run_id, a.position).cmp(&(&b.run_id, b.position)));
        traces.write()?;
        runs.rows.sort_by(|a, b| {
            (&a.dataset, &a.method, &a.method_label)
                .cmp(&(&b.dataset, &b.method, &b.method_label))
                .then(a.pruned_fraction.total_cmp(&b.pruned_fraction))
                .then((a.seed, &a.run_id).cmp(&(b.seed, &b.run_id)))
        });
        // Always, so that adding nothing shows whether the folder can be written.
        parquet::write(&runs.path, &runs.rows)
    }
}

/// What runs leave behind: rows of each file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRows {
    /// Rows of `runs.parquet`.
    pub runs: Vec<RunRow>,
    /// Rows of `epochs.parquet`.
    pub epochs: Vec<EpochRow>,
    /// Rows of `selections.parquet`, of runs that select more than once.
    pub selections: Vec<SelectionRow>,
    /// Rows of `traces.parquet`, of runs that score their samples.
    pub traces: Vec<TraceRow>,
}

/// The rows of a file with those of some runs replaced.
struct Merged<R> {
    path: PathBuf,
    rows: Vec<R>,
    is_changed: bool,
}

impl<R: Row> Merged<R> {
    fn new(path: &Path, replaced: &BTreeSet<&str>, new: &[R], run_id: fn(&R) -> &str) -> Result<Self, Error> {
        let mut rows: Vec<R> = read_for_rewriting(path)?;
        let before = rows.len();
        rows.retain(|row| !replaced.contains(run_id(row)));
        let is_changed = rows.len() < before || !new.is_empty();
        rows.extend_from_slice(new);
        Ok(Self {
            path: path.to_owned(),
            rows,
            is_changed,
        })
    }

    fn write(&self) -> Result<(), Error> {
        match self.is_changed {
            true => parquet::write(&self.path, &self.rows),
            false => Ok(()),
        }
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
