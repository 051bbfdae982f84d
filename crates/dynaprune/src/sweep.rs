//! Makes scoring runs, score tables and runs, beside any number of other processes that make the same.
//!
//! Each run is claimed before it is made, stored whole as soon as it has ended, and kept in checkpoints while it goes on. What
//! others make is waited for. A run that fails leaves its error and the sweep goes on.

use crate::counts;
use crate::failure::{DeviceLost, Stopped};
use crate::failures::Failures;
use crate::keeper::{Keeper, identity, specs_of};
use crate::lease::{self, Claim, Lease, Leases};
use crate::library::Library;
use crate::machine::Compute;
use crate::plan::{Plan, Planned, PlannedScoring, Tables, is_whole};
use crate::progress::{Progress, RunWatch};
use crate::rows::{Provenance, rows};
use crate::score_store::{self, ScoreStore, Scored};
use crate::signals::Stop;
use crate::work::Work;
use anyhow::{Result, anyhow};
use dynaprune_report::{Results, RunRows, Stored};
use dynaprune_spec::{Cell, Measurement, ScoreSpec, StaticScores, TableId};
use dynaprune_train::checkpoint::Checkpoints;
use dynaprune_train::{Error, Watch as _};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait before looking again at what others make: at first,
const WAIT: Duration = Duration::from_millis(100);
/// and at most; each wait is half as long again as the one before.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How runs are made.
pub(crate) struct Settings<'a> {
    /// Whether runs that failed before are tried again.
    pub(crate) retry_failed: bool,
    /// Epochs between checkpoints, if that was asked for.
    pub(crate) checkpoint_every: Option<u32>,
    pub(crate) stop: &'a Stop,
    pub(crate) compute: Compute,
    pub(crate) by: Provenance,
}

/// A sweep over the runs of a profile.
pub(crate) struct Sweep<'a> {
    library: &'a mut Library,
    results: &'a Results,
    store: &'a ScoreStore,
    settings: Settings<'a>,
    leases: Leases,
    failures: Failures,
    progress: Progress,
    /// What failed, in this sweep or before, in words.
    failed: Vec<String>,
    /// Scoring runs that failed, or whose tables cannot be read.
    unscored: BTreeSet<String>,
    /// Runs of this sweep that have ended one way or the other.
    ended: BTreeSet<String>,
}

/// How an attempt to make something went.
enum Attempt {
    /// It is there, or never will be: there is no need to try again.
    Over,
    /// Another process makes it.
    Held(String),
    /// It needs something that is not there yet.
    Waits(String),
}

/// Something that a run needs was there when the sweep was planned, and is not any more: another process has begun afresh.
#[derive(Debug)]
pub(crate) struct Gone(String);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, and nobody makes it", self.0)
    }
}

impl std::error::Error for Gone {}

/// What a scoring run is claimed by: all that can be measured in a training run is measured under one claim.
pub(crate) fn scoring_claim(measurement: &Measurement) -> String {
    format!("scoring-{}", measurement.cell.id())
}

/// Something to make.
enum Task<'p> {
    Scoring(&'p PlannedScoring),
    Table(&'p ScoreSpec),
    Run(&'p Planned),
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(
        library: &'a mut Library,
        results: &'a Results,
        store: &'a ScoreStore,
        settings: Settings<'a>,
        progress: Progress,
    ) -> Self {
        Self {
            leases: Leases::new(results.folder()),
            failures: Failures::new(results.folder()),
            library,
            results,
            store,
            settings,
            progress,
            failed: Vec::new(),
            unscored: BTreeSet::new(),
            ended: BTreeSet::new(),
        }
    }

    /// Makes the scoring runs and the tables that are still to be made.
    ///
    /// # Errors
    /// As [`Sweep::runs`].
    pub(crate) fn tables(mut self, tables: &Tables) -> Result<Vec<String>> {
        let tasks = scoring_tasks(tables);
        self.begin_afresh(tables, &[])?;
        let no_file = |_: &TableId| Err(anyhow!("no table is read from a file here"));
        self.work(tasks, &no_file)?;
        self.progress.close();
        Ok(self.failed)
    }

    /// Makes what the plan still needs, and gives what failed, in words. `file` finds a score table that a recipe names.
    ///
    /// # Errors
    /// [`Stopped`] if the process was asked to end; [`DeviceLost`] if its device fails; [`Gone`] if it is to be planned once
    /// more; if results cannot be read or stored.
    pub(crate) fn runs(mut self, plan: &Plan, file: &dyn Fn(&TableId) -> Result<PathBuf>) -> Result<Vec<String>> {
        self.begin_afresh(&plan.tables, &plan.runs)?;
        let mut tasks = scoring_tasks(&plan.tables);
        tasks.extend(plan.to_do().map(Task::Run));
        self.work(tasks, file)?;
        self.progress.close();
        Ok(self.failed)
    }

    /// If all is to be made afresh: sets results aside and forgets scores, checkpoints and failures. From then on it is a sweep
    /// like any other, and goes on as any other if it is stopped.
    fn begin_afresh(&mut self, tables: &Tables, runs: &[Planned]) -> Result<()> {
        if !tables.afresh {
            return Ok(());
        }
        self.store.forget(&tables.specs)?;
        self.results
            .set_aside(&runs.iter().map(|run| run.id.as_str()).collect())?;
        let scoring = tables.scoring.iter().map(PlannedScoring::id);
        for id in scoring.chain(runs.iter().map(|run| run.id.clone())) {
            Checkpoints::new(self.results.folder().join("checkpoints").join(&id), String::new()).clear();
            self.failures.forget(&id)?;
        }
        Ok(())
    }

    fn work(&mut self, mut left: Vec<Task>, file: &dyn Fn(&TableId) -> Result<PathBuf>) -> Result<()> {
        let (mut told, mut wait) = (false, WAIT);
        while !left.is_empty() {
            let before = left.len();
            let (mut later, mut holder, mut needs) = (Vec::new(), None, None);
            for task in left {
                self.settings.stop.check()?;
                let attempt = match &task {
                    Task::Scoring(scoring) => self.scoring_run(scoring)?,
                    Task::Table(spec) => self.table(spec)?,
                    Task::Run(run) => self.run(run, file)?,
                };
                match attempt {
                    Attempt::Over => continue,
                    Attempt::Held(by) => holder = Some(by),
                    Attempt::Waits(what) => needs = Some(what),
                }
                later.push(task);
            }
            left = later;
            if left.len() < before {
                wait = WAIT;
                continue;
            }
            match (holder, needs) {
                (Some(by), _) if !told => {
                    let runs = left.len();
                    self.progress.note(&format!("{runs} to wait for, made by others: {by}"));
                    told = true;
                }
                (None, Some(needs)) => return Err(Gone(needs).into()),
                _ => {}
            }
            std::thread::sleep(wait);
            wait = (wait + wait / 2).min(LONGEST_WAIT);
        }
        Ok(())
    }

    /// Makes a scoring run, or what others have left of it.
    fn scoring_run(&mut self, run: &PlannedScoring) -> Result<Attempt> {
        let (id, label) = (run.id(), run.label());
        let Some(first) = run.measurements.first() else {
            return Ok(Attempt::Over);
        };
        if let Some(attempt) = self.failed_before(&id, &label, run.work) {
            self.unscored
                .extend(run.measurements.iter().map(|m| m.id().to_string()));
            return Ok(attempt);
        }
        // Measurements of one training run are made together, or one process after the other.
        let lease = match self.leases.claim(&scoring_claim(first))? {
            Claim::Ours(lease) => lease,
            Claim::Held(holder) => return Ok(Attempt::Held(holder.to_string())),
        };
        self.forget_failure(&id)?;
        look_anew(&self.results.folder().join("scores/runs"));
        let missing = run
            .measurements
            .iter()
            .filter(|measurement| !self.store.has_run(measurement));
        let missing: Vec<Measurement> = missing.cloned().collect();
        if missing.is_empty() {
            self.progress.skip(run.work);
            return Ok(Attempt::Over);
        }
        let dataset = self.library.get(&first.cell.dataset)?;
        let watch = self.progress.begin(label.clone(), run.epochs(), run.work);
        let spec: Vec<String> = missing.iter().map(Measurement::to_json).collect();
        let folder = self.results.folder().join("checkpoints").join(&id);
        let mut keeper = Keeper::new(
            watch,
            &self.progress,
            Checkpoints::new(folder, identity(&spec, dataset, None)),
            self.settings.checkpoint_every,
            (self.settings.stop, &lease),
            &self.settings.by.starting_now(),
        );
        let measured = without_panic(|| {
            dynaprune_train::measure_on(&self.settings.compute.device, &missing, dataset, &mut keeper)
        });
        let measured = match measured {
            Ok(measured) => measured,
            Err(reason) => {
                let stopped = keeper.stops();
                let watch = keeper.close_unfinished();
                let attempt = self.ended_without_result(&id, &label, &reason, stopped, watch, &lease)?;
                if matches!(attempt, Attempt::Over) {
                    self.unscored.extend(missing.iter().map(|m| m.id().to_string()));
                }
                return Ok(attempt);
            }
        };
        let by = keeper.made();
        for (measurement, measured) in missing.iter().zip(&measured) {
            self.store.keep(measurement, measured, dataset, by)?;
        }
        let watch = keeper.close();
        self.failures.forget(&id)?;
        // Each measurement is charged with all the training it watched.
        let seconds = measured.iter().map(|measured| measured.seconds).fold(0.0, f64::max);
        self.progress.end(watch, "scored", seconds);
        Ok(Attempt::Over)
    }

    /// Puts a table together from its scoring runs.
    fn table(&mut self, spec: &ScoreSpec) -> Result<Attempt> {
        if self.store.has(spec) {
            return Ok(Attempt::Over);
        }
        let measurements = spec.measurements();
        if measurements.iter().any(|m| self.unscored.contains(m.id().as_str())) {
            return Ok(Attempt::Over);
        }
        match measurements.iter().find(|measurement| !self.store.has_run(measurement)) {
            Some(missing) => Ok(Attempt::Waits(format!(
                "score table {} needs scoring run {}",
                spec.id(),
                missing.id()
            ))),
            None => {
                let made = self.store.combine(spec, self.library.get(&spec.dataset)?);
                if let Err(error) = made {
                    self.unscored.extend(measurements.iter().map(|m| m.id().to_string()));
                    self.set_aside_if_damaged(&error);
                    self.failed.push(format!("score table {}: {error}", spec.id()));
                }
                Ok(Attempt::Over)
            }
        }
    }

    /// Renames the file of scores that an error is about, if it is damaged and ours, so that the next sweep makes it again.
    /// Says whether it did.
    fn set_aside_if_damaged(&self, error: &anyhow::Error) -> bool {
        match error.downcast_ref() {
            Some(dynaprune_report::Error::Damaged { path, .. }) if self.store.has_file(path) => {
                let note = format!("`{}` is set aside: the same command makes it again", path.display());
                self.progress.note(&note);
                // Another process may have done it.
                let _ = ScoreStore::set_aside(path);
                true
            }
            _ => false,
        }
    }

    /// Makes a run.
    fn run(&mut self, run: &Planned, file: &dyn Fn(&TableId) -> Result<PathBuf>) -> Result<Attempt> {
        let cell = &run.cell;
        if self.is_stored(run)? {
            return Ok(self.skip(run));
        }
        let label = run.label();
        if let Some(attempt) = self.failed_before(&run.id, &label, run.work) {
            self.ended.insert(run.id.clone());
            return Ok(attempt);
        }
        match self.needs(run)? {
            Needs::Nothing => {}
            Needs::Waits(what) => return Ok(Attempt::Waits(what)),
            Needs::Never(why) => return Ok(self.leave_out(run, why)),
        }
        let lease = match self.leases.claim(&run.id)? {
            Claim::Ours(lease) => lease,
            Claim::Held(holder) => return Ok(Attempt::Held(holder.to_string())),
        };
        // It may have been finished between the two looks.
        look_anew(&self.results.folder().join("cells"));
        if self.is_stored(run)? {
            return Ok(self.skip(run));
        }
        self.forget_failure(&run.id)?;
        let scores = match self.scores(run, file) {
            Ok(Scores::None) => None,
            Ok(Scores::There(scored)) => Some(*scored),
            Ok(Scores::Never(why)) => return Ok(self.leave_out(run, why)),
            // The run itself has not failed: once they can be read it is made.
            Err(error) => {
                if self.set_aside_if_damaged(&error) {
                    let measurements = ScoreSpec::of(cell).map(|spec| spec.measurements());
                    let ids = measurements.into_iter().flatten().map(|m| m.id().to_string());
                    self.unscored.extend(ids);
                }
                self.failed.push(format!("{label} ({}): {error:#}", run.id));
                return Ok(self.skip(run));
            }
        };
        let by = self.settings.by.starting_now();
        if scores.as_ref().is_some_and(|scored| scored.spoils_time(&by)) {
            let text = format!("{label}: its scores were not timed here, so it has no total time");
            self.progress.note(&text);
        }
        // What another machine took is no cost here.
        let scores = scores.map(|scored| scored.timed_by(&by));
        let scores = scores.as_ref().map(Scored::scores);
        let dataset = self.library.get(&cell.dataset)?;
        let watch = self.progress.begin(label.clone(), cell.training.epochs, run.work);
        let folder = self.results.folder().join("checkpoints").join(&run.id);
        let identity = identity(&[cell.to_json()], dataset, scores.as_ref());
        let checkpoints = Checkpoints::new(folder, identity);
        let every = self.settings.checkpoint_every;
        let mut keeper = Keeper::new(
            watch,
            &self.progress,
            checkpoints,
            every,
            (self.settings.stop, &lease),
            &by,
        );
        let clock = std::time::Instant::now();
        let record = without_panic(|| {
            dynaprune_train::run_on(
                &self.settings.compute.device,
                cell,
                dataset,
                scores.as_ref(),
                &mut keeper,
            )
        });
        let record = match record {
            Ok(record) => record,
            Err(reason) => {
                let stopped = keeper.stops();
                let watch = keeper.close_unfinished();
                return self.ended_without_result(&run.id, &label, &reason, stopped, watch, &lease);
            }
        };
        let rows = rows(cell, &run.method, &record, keeper.made());
        // A cell that lacks what this version records is replaced; a damaged one is set aside.
        if self.results.cell(&run.id)?.is_some() && !self.is_stored(run)? {
            self.results.replace(&rows)?;
        } else if let Stored::Otherwise(difference) = self.results.store(&rows)? {
            let text = format!("{label}: another process has stored other numbers, which stay: {difference}");
            self.progress.note(&text);
        }
        let watch = keeper.close();
        self.failures.forget(&run.id)?;
        self.ended.insert(run.id.clone());
        let outcome = match record.diverged {
            true => "diverged".to_owned(),
            false => format!(
                "test {:.2} %, train {:.2} %",
                100.0 * record.test_accuracy_last,
                100.0 * record.train_accuracy_last
            ),
        };
        self.progress.end(watch, &outcome, clock.elapsed().as_secs_f64());
        Ok(Attempt::Over)
    }

    /// Whether the run's cell is there, can be read, and has all that this version records.
    fn is_stored(&self, run: &Planned) -> Result<bool> {
        Ok(self.results.cell(&run.id)?.is_some_and(|rows| is_whole(&rows)))
    }

    /// The result of a run whose selections another one counts, if it is whole.
    fn counted(&self, of: &Cell) -> Result<Option<RunRows>> {
        let id = of.id().to_string();
        // Every finished run has a cell here. One that was damaged after it was collected has its rows in the Parquet files.
        match self.results.has_cell(&id) {
            true => Ok(self.results.run(&id)?.filter(is_whole)),
            false => Ok(None),
        }
    }

    fn leave_out(&mut self, run: &Planned, why: &str) -> Attempt {
        self.progress.note(&format!("{}: left out, {why}", run.label()));
        self.skip(run)
    }

    fn skip(&mut self, run: &Planned) -> Attempt {
        self.progress.skip(run.work);
        self.ended.insert(run.id.clone());
        Attempt::Over
    }

    /// Whether what a run needs is there.
    fn needs(&self, run: &Planned) -> Result<Needs> {
        Ok(match &run.cell.selection.static_scores {
            None | Some(StaticScores::Table(_)) => Needs::Nothing,
            Some(StaticScores::Scorer(_)) => match ScoreSpec::of(&run.cell) {
                Some(spec) if !self.store.has(&spec) => {
                    let measurements = spec.measurements();
                    match measurements.iter().any(|m| self.unscored.contains(m.id().as_str())) {
                        true => Needs::Never("its scores could not be made or read"),
                        false => Needs::Waits(format!("{} needs score table {}", run.label(), spec.id())),
                    }
                }
                _ => Needs::Nothing,
            },
            Some(StaticScores::SelectionCounts { of }) => {
                let id = of.id().to_string();
                match self.counted(of)? {
                    Some(_) => Needs::Nothing,
                    None if self.ended.contains(&id) => Needs::Never("the run that it counts failed"),
                    None => Needs::Waits(format!("{} needs run {id}", run.label())),
                }
            }
        })
    }

    /// The scores that a run needs, which are there.
    fn scores(&mut self, run: &Planned, file: &dyn Fn(&TableId) -> Result<PathBuf>) -> Result<Scores> {
        let cell = &run.cell;
        let path = match &cell.selection.static_scores {
            None => return Ok(Scores::None),
            Some(StaticScores::SelectionCounts { of }) => {
                let id = of.id().to_string();
                let counted = self.counted(of)?;
                let counted = counted.ok_or_else(|| anyhow!("run {id}, whose selections it counts, has no result"))?;
                let dataset = self.library.get(&cell.dataset)?;
                return Ok(match counts::of(of, dataset, &counted)? {
                    Some(scored) => Scores::There(Box::new(scored)),
                    None => Scores::Never("the run that it counts diverged"),
                });
            }
            Some(StaticScores::Table(id)) => file(id)?,
            Some(StaticScores::Scorer(_)) => match ScoreSpec::of(cell) {
                Some(spec) => self.store.table_path(&spec),
                None => return Ok(Scores::None),
            },
        };
        let dataset = self.library.get(&cell.dataset)?;
        Ok(Scores::There(Box::new(score_store::read_for(&path, cell, dataset)?)))
    }

    /// What there is to do about a run that failed before: nothing, unless it is to be tried again.
    fn failed_before(&mut self, id: &str, label: &str, work: Work) -> Option<Attempt> {
        if self.settings.retry_failed {
            return None;
        }
        let failure = self.failures.of(id)?;
        self.failed.push(format!("{label} ({id}), before: {}", failure.error));
        self.progress.skip(work);
        Some(Attempt::Over)
    }

    /// Forgets that a run failed that is tried again now: it is ours.
    fn forget_failure(&self, id: &str) -> Result<()> {
        match self.settings.retry_failed {
            true => self.failures.forget(id),
            false => Ok(()),
        }
    }

    /// A run has no result: because it was to stop, because another process took it over, or because it failed. What fails with
    /// the device is not the run's fault, and all that this process would make after it would fail too.
    fn ended_without_result(
        &mut self,
        id: &str,
        label: &str,
        reason: &str,
        stopped: bool,
        watch: RunWatch,
        lease: &Lease,
    ) -> Result<Attempt> {
        if self.settings.stop.is_asked() && stopped {
            return Err(Stopped.into());
        }
        if lease.is_lost() {
            self.progress
                .note(&format!("{label}: another process has taken it over"));
            return Ok(Attempt::Held("another process".to_owned()));
        }
        self.progress.fail(watch, reason);
        if let Some(lost) = self.settings.compute.lost() {
            let first = reason.lines().next().unwrap_or_default();
            return Err(DeviceLost {
                run: format!("{label}: {first}"),
                device: self.settings.compute.name.clone(),
                reason: lost,
            }
            .into());
        }
        self.failed(id, label, reason, Work::default())
    }

    /// Keeps that a run failed; `work` is what is left out because of that.
    fn failed(&mut self, id: &str, label: &str, reason: &str, work: Work) -> Result<Attempt> {
        self.failures.keep(id, label, reason)?;
        self.failed.push(format!("{label} ({id}): {reason}"));
        self.ended.insert(id.to_owned());
        self.progress.skip(work);
        Ok(Attempt::Over)
    }
}

/// Removes what processes that died have left: claims, and checkpoints of what is finished. What cannot be removed stays.
pub(crate) fn tidy(results: &Results, store: &ScoreStore) {
    let mut leases = Leases::new(results.folder());
    let gone = lease::holders(results.folder())
        .into_iter()
        .filter(|(_, holder)| holder.is_gone());
    // Taking it over and giving it up removes it.
    gone.for_each(|(id, _)| drop(leases.claim(&id)));
    for folder in ["leases", "failed", "scores", "scores/runs"] {
        dynaprune_files::sweep(&results.folder().join(folder));
    }
    let checkpoints = results.folder().join("checkpoints");
    for folder in checkpoints
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        dynaprune_files::sweep(&folder);
        let id = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let measured = |identity: String| specs_of(&identity).all(|measurement| store.has_run_of(measurement));
        let is_finished = match id.starts_with("scoring-") {
            true => Checkpoints::run_in(&folder).is_some_and(measured),
            // A run may be made again in the place of a cell that is damaged, or of one that lacks something.
            false => results
                .cell(id)
                .is_ok_and(|cell| cell.is_some_and(|rows| is_whole(&rows))),
        };
        if is_finished && matches!(leases.claim(id), Ok(Claim::Ours(_))) {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

/// Opens a folder of which a file is looked for again. A network file system asks its server anew what is in it then; it
/// would else take a file that was not there for missing, for as long as a minute.
fn look_anew(folder: &Path) {
    let _ = folder.read_dir();
}

/// What a run needs before it can begin.
enum Needs {
    Nothing,
    /// Something that is still to be made.
    Waits(String),
    /// Something that will never be there.
    Never(&'static str),
}

/// The scores of a run.
enum Scores {
    /// It needs none.
    None,
    There(Box<Scored>),
    /// There are none.
    Never(&'static str),
}

fn scoring_tasks(tables: &Tables) -> Vec<Task<'_>> {
    let scoring = tables.scoring.iter().map(Task::Scoring);
    scoring.chain(tables.specs.iter().map(Task::Table)).collect()
}

/// The result, or the error or panic in words.
fn without_panic<T>(compute: impl FnOnce() -> Result<T, Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(compute)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("no message")))
        }
    }
}
