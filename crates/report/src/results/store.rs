use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::cells::{Cells, Stored, difference};
use super::columns::Row;
use super::parquet::{self, Contents};
use super::{EpochRow, RunRow, SelectionRow, TraceRow};
use crate::Error;

/// The folder with a profile's results.
///
/// Every finished run is a file of its own below `cells/`, stored at once and whole ([`Results::store`]), so that any number
/// of processes may add to the same folder. `runs.parquet` and the files beside it hold the rows of all of them; they are
/// made from the cells now and then ([`Results::collect`]) and can always be made again ([`Results::rebuild`]). What is read
/// is both together: the rows of the Parquet files and of the cells that have not been collected yet. A profile without
/// results is an empty one.
#[derive(Clone, Debug)]
pub struct Results {
    folder: PathBuf,
    cells: Cells,
}

impl Results {
    /// The results of `profile` below the folder `results`. Touches nothing on the disk.
    #[must_use]
    pub fn new(results: &Path, profile: &str) -> Self {
        let folder = results.join(profile);
        Self {
            cells: Cells::new(folder.join("cells")),
            folder,
        }
    }

    /// The profile's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
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

    /// Where the finished run `run_id` is stored: `<results>/<profile>/cells/<run_id>.tar`.
    #[must_use]
    pub fn cell_path(&self, run_id: &str) -> PathBuf {
        self.cells.path(run_id)
    }

    /// All runs, sorted by data set, method, pruned fraction and seed; none if there are no results yet.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or lacks a column or holds another type in it. A damaged cell is left out, see
    /// [`Results::damaged`].
    pub fn runs(&self) -> Result<Vec<RunRow>, Error> {
        Ok(self.all()?.runs)
    }

    /// All epochs of all runs, sorted by run and epoch; none if there are no results yet.
    ///
    /// # Errors
    /// As for [`Results::runs`]; if `epochs.parquet` is missing beside the runs whose epochs it had.
    pub fn epochs(&self) -> Result<Vec<EpochRow>, Error> {
        self.check_epochs()?;
        self.with_new(
            &self.epochs_path(),
            |new| new.epochs,
            |row| &row.run_id,
            EpochRow::by_place,
        )
    }

    /// All kept sets of all runs that record them, sorted by run and epoch; none if there are no results yet.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn selections(&self) -> Result<Vec<SelectionRow>, Error> {
        self.with_new(
            &self.selections_path(),
            |new| new.selections,
            |row| &row.run_id,
            SelectionRow::by_place,
        )
    }

    /// All traced samples of all runs that record them, sorted by run and position; none if there are no results yet.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn traces(&self) -> Result<Vec<TraceRow>, Error> {
        self.with_new(
            &self.traces_path(),
            |new| new.traces,
            |row| &row.run_id,
            TraceRow::by_place,
        )
    }

    /// Stores a finished run, unless it is there already. Nothing else is touched: any number of processes may do it at the
    /// same time.
    ///
    /// # Errors
    /// If `run` has not one row in `runs`, or the folder cannot be written or is full; nothing is stored then.
    pub fn store(&self, run: &RunRows) -> Result<Stored, Error> {
        self.cells.store(only_id(run)?, run)
    }

    /// Stores a finished run in place of what there is of it.
    ///
    /// # Errors
    /// As for [`Results::store`] and [`Results::collect`]; what was there is still there then.
    pub fn replace(&self, run: &RunRows) -> Result<(), Error> {
        let id = only_id(run)?;
        let _lock = self.lock()?;
        self.adopt()?;
        // Without its row it is read from its cell, the old one or the new one.
        self.forget(&BTreeSet::from([id]))?;
        self.cells.replace(id, run)
    }

    /// Removes runs, finished or not there, and says how many were there.
    ///
    /// # Errors
    /// As for [`Results::collect`].
    pub fn remove(&self, run_ids: &BTreeSet<&str>) -> Result<usize, Error> {
        let _lock = self.lock()?;
        let there = self
            .runs()?
            .iter()
            .filter(|run| run_ids.contains(run.run_id.as_str()))
            .count();
        self.forget(run_ids)?;
        for id in run_ids {
            self.cells.remove(id)?;
        }
        Ok(there)
    }

    /// Sets runs aside that are to be made afresh: they count as not made, and their cells are renamed to
    /// `<run_id>.tar.replaced`.
    ///
    /// # Errors
    /// As for [`Results::collect`].
    pub fn set_aside(&self, run_ids: &BTreeSet<&str>) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.adopt()?;
        self.forget(run_ids)?;
        run_ids.iter().try_for_each(|id| self.cells.set_aside(id))
    }

    /// Makes ready for storing runs: shows whether the folder can be written, removes what dead processes left half written,
    /// and gives the runs of the Parquet files that have no cell one, so that these files can be made again.
    ///
    /// # Errors
    /// As for [`Results::collect`].
    pub fn prepare(&self) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.cells.probe()?;
        self.cells.sweep();
        dynaprune_files::sweep(&self.folder);
        self.adopt()
    }

    /// Adds the finished runs that are not in the Parquet files yet to them, each file whole or not at all. Others that do the
    /// same wait, where the platform can lock a folder. Gives the number of runs added.
    ///
    /// # Errors
    /// As for [`Results::runs`]; if the folder or a file cannot be written; or if a file has columns unknown to this version,
    /// which rewriting would lose.
    pub fn collect(&self) -> Result<usize, Error> {
        if self.new_cells()?.runs.is_empty() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        self.collect_locked()
    }

    fn collect_locked(&self) -> Result<usize, Error> {
        let new = self.new_cells()?;
        if !new.runs.is_empty() {
            self.merge(&new)?;
        }
        Ok(new.runs.len())
    }

    /// Makes the Parquet files again from the cells, and gives the number of runs, and what was wrong with cells that are damaged
    /// and were set aside. A run that the Parquet files hold gets its cell from there first if it has none or a damaged one, if
    /// they can be read.
    ///
    /// # Errors
    /// If there are no cells; if a file cannot be written, or has columns unknown to this version; the files are as they were
    /// then.
    pub fn rebuild(&self) -> Result<(usize, Vec<Error>), Error> {
        if !self.folder.join("cells").is_dir() && !self.runs_path().is_file() {
            return Err(self.no_cells());
        }
        let _lock = self.lock()?;
        let mut collected = match self.adopt().and_then(|()| self.collected_rows()) {
            Ok(rows) => rows.by_run(),
            // It is to be made again.
            Err(Error::Damaged { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let (mut all, mut damaged) = (RunRows::default(), Vec::new());
        for id in self.cells.ids()? {
            match self.cells.read(&id) {
                Ok(rows) => all.extend(rows),
                Err(Error::Damaged { path, reason }) => {
                    let reason = match collected.remove(&id) {
                        Some(rows) => {
                            self.cells.store(&id, &rows)?;
                            all.extend(rows);
                            format!("{reason}: stored again from the Parquet files")
                        }
                        None => {
                            self.cells.set_aside_damaged(&id)?;
                            format!("{reason}: set aside, the run counts as not made")
                        }
                    };
                    damaged.push(Error::Damaged { path, reason });
                }
                Err(error) => return Err(error),
            }
        }
        if all.runs.is_empty() {
            return Err(self.no_cells());
        }
        check_columns::<RunRow>(&self.runs_path())?;
        check_columns::<EpochRow>(&self.epochs_path())?;
        check_columns::<SelectionRow>(&self.selections_path())?;
        check_columns::<TraceRow>(&self.traces_path())?;
        Ok((self.write(all)?, damaged))
    }

    fn no_cells(&self) -> Error {
        Error::NoCells {
            folder: self.folder.clone(),
        }
    }

    /// Takes over the finished runs of other results, which are given as their folder. Gives how many came, and what differs
    /// of those that are here with other numbers: ours stay.
    ///
    /// # Errors
    /// As for [`Results::collect`], of either folder.
    pub fn take_over(&self, other: &Self) -> Result<(usize, Vec<(String, String)>), Error> {
        self.prepare()?;
        let theirs = other.everything()?;
        let ours: BTreeMap<String, RunRows> = self.everything()?;
        let (mut came, mut conflicts) = (0, Vec::new());
        for (id, rows) in theirs {
            match ours.get(&id) {
                Some(here) => conflicts.extend(difference(here, &rows).map(|difference| (id, difference))),
                None => match self.store(&rows)? {
                    Stored::Now => came += 1,
                    // Another process has made it meanwhile.
                    Stored::Before => {}
                    Stored::Otherwise(difference) => conflicts.push((id, difference)),
                },
            }
        }
        self.collect()?;
        Ok((came, conflicts))
    }

    /// Adds runs as [`Results::replace`] does each, and collects them.
    ///
    /// # Errors
    /// As for [`Results::collect`].
    pub fn add(&self, new: &RunRows) -> Result<(), Error> {
        let _lock = self.lock()?;
        self.adopt()?;
        self.forget(&new.runs.iter().map(|run| run.run_id.as_str()).collect())?;
        for (id, rows) in new.by_run() {
            self.cells.replace(&id, &rows)?;
        }
        self.merge(new)
    }

    /// The runs whose kept sets are recorded.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn with_selections(&self) -> Result<BTreeSet<String>, Error> {
        // The cells first: what is collected between the two looks is in the file then.
        let new = self.new_cells()?.selections.into_iter().map(|row| row.run_id);
        let mut ids: BTreeSet<String> = new.collect();
        ids.extend(parquet::texts(&self.selections_path(), "run_id").map_err(hinted)?);
        Ok(ids)
    }

    /// Takes those of the runs out of the Parquet files whose cells have kept sets that these files lack, as when
    /// `selections.parquet` was removed: what collects next puts them there again, whole.
    ///
    /// # Errors
    /// As for [`Results::collect`].
    pub fn uncollect(&self, run_ids: &BTreeSet<&str>) -> Result<(), Error> {
        let _lock = self.lock()?;
        let (collected, recorded) = (self.collected()?, self.with_selections()?);
        let mut lacking = run_ids.clone();
        lacking.retain(|id| collected.contains(*id) && !recorded.contains(*id));
        lacking.retain(|id| matches!(self.cell(id), Ok(Some(rows)) if !rows.selections.is_empty()));
        match lacking.is_empty() {
            true => Ok(()),
            false => self.forget(&lacking),
        }
    }

    /// The cells that are damaged, with what is wrong: their runs count as not made, and making them again sets them aside.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn damaged(&self) -> Result<Vec<Error>, Error> {
        let collected = self.collected()?;
        let ids = self.cells.ids()?;
        let new = ids.iter().filter(|id| !collected.contains(*id));
        let errors = new.filter_map(|id| self.cells.read(id).err());
        Ok(errors.filter(|error| matches!(error, Error::Damaged { .. })).collect())
    }

    /// Whether the run is finished: its cell is there. Cheaper than reading results; a run that is only in a Parquet file,
    /// because this folder was not written to since, is not found.
    #[must_use]
    pub fn has_cell(&self, run_id: &str) -> bool {
        self.cells.path(run_id).is_file()
    }

    /// All rows of the run's cell, if it has one that is not damaged.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn cell(&self, run_id: &str) -> Result<Option<RunRows>, Error> {
        match self.cells.read(run_id) {
            Ok(rows) => Ok(Some(rows)),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All rows of the run, if it is finished.
    ///
    /// # Errors
    /// As for [`Results::runs`].
    pub fn run(&self, run_id: &str) -> Result<Option<RunRows>, Error> {
        match self.cell(run_id)? {
            Some(rows) => Ok(Some(rows)),
            None => Ok(self.everything()?.remove(run_id)),
        }
    }

    /// What the Parquet files hold.
    fn collected_rows(&self) -> Result<RunRows, Error> {
        self.check_epochs()?;
        Ok(RunRows {
            runs: read_or_empty(&self.runs_path())?.rows,
            epochs: read_or_empty(&self.epochs_path())?.rows,
            selections: read_or_empty(&self.selections_path())?.rows,
            traces: read_or_empty(&self.traces_path())?.rows,
        })
    }

    /// Shows whether `epochs.parquet` is there if `runs.parquet` has runs with epochs: it would be begun with those of new runs
    /// alone.
    fn check_epochs(&self) -> Result<(), Error> {
        let path = self.epochs_path();
        if path.is_file() {
            return Ok(());
        }
        let runs = read_or_empty::<RunRow>(&self.runs_path())?.rows;
        let runs = runs.iter().filter(|run| run.epochs > 0).count();
        // Looked for once more: it is written before the runs.
        if runs == 0 || path.is_file() {
            return Ok(());
        }
        let reason = format!("expected the epochs of {runs} runs in `runs.parquet`, found no such file");
        Err(hinted(Error::Damaged { path, reason }))
    }

    /// Every run with all its rows.
    fn everything(&self) -> Result<BTreeMap<String, RunRows>, Error> {
        Ok(RunRows {
            runs: self.runs()?,
            epochs: self.epochs()?,
            selections: self.selections()?,
            traces: self.traces()?,
        }
        .by_run())
    }

    /// The runs that `runs.parquet` holds.
    fn collected(&self) -> Result<BTreeSet<String>, Error> {
        let rows = read_or_empty::<RunRow>(&self.runs_path())?.rows;
        Ok(rows.into_iter().map(|row| row.run_id).collect())
    }

    /// The rows of the whole cells that are not collected.
    fn new_cells(&self) -> Result<RunRows, Error> {
        let ids = self.cells.ids()?;
        let mut new = RunRows::default();
        if ids.is_empty() {
            return Ok(new);
        }
        let collected = self.collected()?;
        for id in ids.iter().filter(|id| !collected.contains(*id)) {
            match self.cells.read(id) {
                Ok(rows) => new.extend(rows),
                Err(Error::Damaged { .. }) => {}
                // Removed in the meantime.
                Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(new)
    }

    /// The collected runs with those that are not.
    fn all(&self) -> Result<RunRows, Error> {
        let mut all = self.new_cells()?;
        all.runs.extend(read_or_empty::<RunRow>(&self.runs_path())?.rows);
        all.runs.sort_by(RunRow::by_place);
        // A run may have been collected between the two looks.
        all.runs.dedup_by(|a, b| a.run_id == b.run_id);
        Ok(all)
    }

    fn with_new<R: Row>(
        &self,
        path: &Path,
        of: fn(RunRows) -> Vec<R>,
        run_id: fn(&R) -> &str,
        order: fn(&R, &R) -> Ordering,
    ) -> Result<Vec<R>, Error> {
        let new = self.new_cells()?;
        let ids: BTreeSet<&str> = new.runs.iter().map(|run| run.run_id.as_str()).collect();
        let mut rows = read_or_empty::<R>(path)?.rows;
        rows.retain(|row| !ids.contains(run_id(row)));
        drop(ids);
        if !new.runs.is_empty() {
            rows.extend(of(new));
            rows.sort_by(order);
        }
        Ok(rows)
    }

    /// Makes a cell of every run of the Parquet files that has none.
    fn adopt(&self) -> Result<(), Error> {
        self.check_epochs()?;
        let cells = self.cells.ids()?;
        if self.collected()?.is_subset(&cells) {
            return Ok(());
        }
        for (id, rows) in self.collected_rows()?.by_run() {
            if !cells.contains(&id) {
                self.cells.store(&id, &rows)?;
            }
        }
        Ok(())
    }

    /// Keeps other processes from rewriting files of this folder, which is made if it is missing, until the answer is dropped.
    fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let path = self.folder.join(".lock");
        dynaprune_files::lock(&path).map_err(Error::write(&path))
    }

    /// Takes the rows of runs out of the files; the runs first, so that a run that is there has its other rows. Those of a run
    /// that is not there, as a crash between the files leaves them, go too.
    fn forget(&self, run_ids: &BTreeSet<&str>) -> Result<(), Error> {
        let runs = without(&self.runs_path(), run_ids, |row: &RunRow| &row.run_id)?;
        let epochs = without(&self.epochs_path(), run_ids, |row: &EpochRow| &row.run_id)?;
        let selections = without(&self.selections_path(), run_ids, |row: &SelectionRow| &row.run_id)?;
        let traces = without(&self.traces_path(), run_ids, |row: &TraceRow| &row.run_id)?;
        runs.map_or(Ok(()), |rows| parquet::write(&self.runs_path(), &rows))?;
        epochs.map_or(Ok(()), |rows| parquet::write(&self.epochs_path(), &rows))?;
        selections.map_or(Ok(()), |rows| parquet::write(&self.selections_path(), &rows))?;
        traces.map_or(Ok(()), |rows| parquet::write(&self.traces_path(), &rows))
    }

    /// Rewrites the files with the rows of `new` runs, in place of any rows of the same.
    fn merge(&self, new: &RunRows) -> Result<(), Error> {
        self.check_epochs()?;
        let replaced: BTreeSet<&str> = new.runs.iter().map(|run| run.run_id.as_str()).collect();
        self.write(RunRows {
            runs: merged(&self.runs_path(), &replaced, &new.runs, |row| &row.run_id)?,
            epochs: merged(&self.epochs_path(), &replaced, &new.epochs, |row| &row.run_id)?,
            selections: merged(&self.selections_path(), &replaced, &new.selections, |row| &row.run_id)?,
            traces: merged(&self.traces_path(), &replaced, &new.traces, |row| &row.run_id)?,
        })?;
        Ok(())
    }

    /// Writes the files; the runs last, so that a run that is there has its other rows.
    fn write(&self, all: RunRows) -> Result<usize, Error> {
        let all = all.sorted();
        // Also without rows: where it is missing it was lost.
        parquet::write(&self.epochs_path(), &all.epochs)?;
        write_if_needed(&self.selections_path(), &all.selections)?;
        write_if_needed(&self.traces_path(), &all.traces)?;
        // Always, so that adding nothing shows whether the folder can be written.
        parquet::write(&self.runs_path(), &all.runs)?;
        Ok(all.runs.len())
    }
}

/// The one run that these are the rows of.
fn only_id(run: &RunRows) -> Result<&str, Error> {
    match run.runs.as_slice() {
        [row] => Ok(&row.run_id),
        others => Err(Error::NotOneRun { found: others.len() }),
    }
}

impl RunRow {
    fn by_place(a: &Self, b: &Self) -> Ordering {
        (&a.dataset, &a.method, &a.method_label)
            .cmp(&(&b.dataset, &b.method, &b.method_label))
            .then(a.pruned_fraction.total_cmp(&b.pruned_fraction))
            .then((a.seed, &a.run_id).cmp(&(b.seed, &b.run_id)))
    }
}

impl EpochRow {
    fn by_place(a: &Self, b: &Self) -> Ordering {
        (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch))
    }
}

impl SelectionRow {
    fn by_place(a: &Self, b: &Self) -> Ordering {
        (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch))
    }
}

impl TraceRow {
    fn by_place(a: &Self, b: &Self) -> Ordering {
        (&a.run_id, a.position).cmp(&(&b.run_id, b.position))
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

impl RunRows {
    /// Where another making of the same run differs: the first column with what is here and what came, in words. When and where
    /// it was made, by which version and how long it took do not count.
    #[must_use]
    pub fn difference(&self, new: &Self) -> Option<String> {
        difference(self, new)
    }

    /// The rows in the order of the files.
    pub(super) fn sorted(mut self) -> Self {
        self.epochs.sort_by(EpochRow::by_place);
        self.selections.sort_by(SelectionRow::by_place);
        self.traces.sort_by(TraceRow::by_place);
        self.runs.sort_by(RunRow::by_place);
        self
    }

    fn extend(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.epochs.extend(other.epochs);
        self.selections.extend(other.selections);
        self.traces.extend(other.traces);
    }

    /// The rows of each run, which must have one among `runs`.
    fn by_run(&self) -> BTreeMap<String, Self> {
        let mut all: BTreeMap<String, Self> = BTreeMap::new();
        for run in &self.runs {
            all.entry(run.run_id.clone()).or_default().runs = vec![run.clone()];
        }
        for row in &self.epochs {
            all.entry(row.run_id.clone())
                .and_modify(|rows| rows.epochs.push(row.clone()));
        }
        for row in &self.selections {
            all.entry(row.run_id.clone())
                .and_modify(|rows| rows.selections.push(row.clone()));
        }
        for row in &self.traces {
            all.entry(row.run_id.clone())
                .and_modify(|rows| rows.traces.push(row.clone()));
        }
        all
    }
}

/// The rows of a file without those of some runs; `None` if it has none of theirs.
fn without<R: Row>(path: &Path, run_ids: &BTreeSet<&str>, run_id: fn(&R) -> &str) -> Result<Option<Vec<R>>, Error> {
    let mut rows: Vec<R> = read_for_rewriting(path)?;
    let all = rows.len();
    rows.retain(|row| !run_ids.contains(run_id(row)));
    Ok((rows.len() < all).then_some(rows))
}

/// The rows of a file with those of some runs replaced.
fn merged<R: Row>(path: &Path, replaced: &BTreeSet<&str>, new: &[R], run_id: fn(&R) -> &str) -> Result<Vec<R>, Error> {
    let mut rows: Vec<R> = read_for_rewriting(path)?;
    rows.retain(|row| !replaced.contains(run_id(row)));
    rows.extend_from_slice(new);
    Ok(rows)
}

/// A file that would have no rows is not begun.
fn write_if_needed<R: Row>(path: &Path, rows: &[R]) -> Result<(), Error> {
    if rows.is_empty() && !path.exists() {
        return Ok(());
    }
    let bytes = parquet::to_bytes(path, rows)?;
    match fs::read(path) {
        Ok(there) if there == bytes => Ok(()),
        _ => crate::files::write(path, &bytes),
    }
}

fn read_or_empty<R: Row>(path: &Path) -> Result<Contents<R>, Error> {
    match parquet::read(path) {
        Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Contents {
            rows: Vec::new(),
            unknown_columns: Vec::new(),
        }),
        result => result.map_err(hinted),
    }
}

/// Adds to the error of a damaged file how it is made again, if it can be.
fn hinted(error: Error) -> Error {
    let Error::Damaged { path, reason } = error else {
        return error;
    };
    let cells = path.parent().map(|folder| folder.join("cells"));
    let cells = cells.and_then(|cells| cells.read_dir().ok()).map_or(0, Iterator::count);
    let reason = match cells {
        0 => reason,
        cells => format!(
            "{reason}\n\nhint: `cargo xtask runs rebuild` makes it again from the {cells} files in `cells` beside it"
        ),
    };
    Error::Damaged { path, reason }
}

/// Refuses a readable file with columns that rewriting would lose.
fn check_columns<R: Row>(path: &Path) -> Result<(), Error> {
    match read_for_rewriting::<R>(path) {
        Err(error @ Error::UnknownColumns { .. }) => Err(error),
        _ => Ok(()),
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
