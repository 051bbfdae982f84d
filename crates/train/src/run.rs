//! The training loop under pruning.
//!
//! ```text
//! for epoch t = 0 .. T-1:
//!     if t mod T_p = 0: score every sample; observe
//!     if due: S = select K samples
//!     train one epoch on S, shuffled and augmented
//!     evaluate
//! ```
//! Everything random comes from streams named by the seed, the epoch and the sample, so that a run
//! is a function of its cell.

use crate::engine::{Engine, Passes, Sample, Split, Steps};
use crate::error::{Error, Result};
use crate::history::{History, bits, traced_positions};
use crate::pruning::{self, Pruning};
use crate::record::{Clock, EpochRecord, RunRecord, Watch};
use crate::schedule;
use crate::snapshot::{Snapshot, of_length, wrong};
use candle_core::Device;
use dynaprune_datasets::{Dataset, class_balanced_subset};
use dynaprune_ops::column;
use dynaprune_random::{Purpose, Stream};
use dynaprune_spec::Cell;

const SHUFFLE: Purpose = Purpose::new("shuffle");

/// Runs a cell on the CPU, from its beginning or from a state that `watch` has kept of it.
///
/// `dataset` is the whole data set; the run takes the subset that the cell names. `scores` are those
/// of a `static` method. Work runs on the current rayon pool; the result does not depend on its size, nor, but for the
/// seconds, on how often the run was stopped.
///
/// # Errors
/// If the cell does not fit the data set, or names a network or method that does not exist; [`Error::Stopped`] if `watch`
/// stopped it.
pub fn run(cell: &Cell, dataset: &Dataset, scores: Option<&Scores>, watch: &mut dyn Watch) -> Result<RunRecord> {
    run_on(&Device::Cpu, cell, dataset, scores, watch)
}

/// As [`run`], on any device: the CPU, or a GPU from `dynaprune_ops::cuda::device` (feature `cuda`).
///
/// The states that it keeps are the same on every device: a run may go on elsewhere, though not with the same bits.
///
/// # Errors
/// As [`run`], or if the device does not compute in the cell's precision.
pub fn run_on(
    device: &Device,
    cell: &Cell,
    dataset: &Dataset,
    scores: Option<&Scores>,
    watch: &mut dyn Watch,
) -> Result<RunRecord> {
    let mut clock = Clock::start();
    let static_scores = scores.map(|scores| scores.scores);
    let (mut run, is_resumed) = begun(device, cell, dataset, static_scores, watch, Run::restore)?;
    if let Some(scores) = scores.filter(|_| !is_resumed) {
        run.record.scoring_seconds = scores.seconds;
        run.record.scoring_flops = scores.flops;
    }
    clock.charge(&mut run.record.other_seconds);
    while run.stage != Stage::Over {
        if !run.advance(watch, &mut clock)? {
            let snapshot = run.snapshot()?;
            let (epoch, step) = (snapshot.epoch, snapshot.step);
            watch.keep(snapshot);
            return Err(Error::Stopped { epoch, step });
        }
        let epoch = run.record.epochs.len() as u32;
        if run.stage == Stage::Select && watch.keeps(epoch) {
            watch.keep(run.snapshot()?);
            clock.charge(&mut run.record.other_seconds);
        }
    }
    Ok(run.finish())
}

/// A run that goes on from the newest state that `watch` has kept and that `restore` finds fit, and whether there was one.
pub(crate) fn begun<'a>(
    device: &Device,
    cell: &'a Cell,
    dataset: &'a Dataset,
    static_scores: Option<&[f32]>,
    watch: &mut dyn Watch,
    mut restore: impl FnMut(&mut Run<'a>, &Snapshot) -> Result<()>,
) -> Result<(Run<'a>, bool)> {
    while let Some(snapshot) = watch.saved() {
        let mut run = Run::new(device, cell, dataset, static_scores)?;
        match restore(&mut run, &snapshot) {
            Ok(()) => return Ok((run, true)),
            Err(error) => watch.refused(&error),
        }
    }
    Ok((Run::new(device, cell, dataset, static_scores)?, false))
}

/// Scores made before training, and what they cost: the run is charged with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores<'a> {
    /// A number for each sample of the run's training set, see [`training_samples`]; the highest are kept.
    pub scores: &'a [f32],
    /// Seconds that making them took.
    pub seconds: f64,
    /// Floating-point operations that making them took.
    pub flops: f64,
}

/// The training set of a cell: indices into the training split of `dataset`, ascending.
///
/// # Errors
/// If the cell asks for more samples than there are.
pub fn training_samples(cell: &Cell, dataset: &Dataset) -> Result<Vec<u32>> {
    subset(
        cell,
        dataset,
        &dataset.train.labels,
        cell.dataset.train_samples,
        "training",
    )
}

/// All samples, or a class-balanced subset of `count`.
fn subset(cell: &Cell, dataset: &Dataset, labels: &[u16], count: Option<usize>, split: &str) -> Result<Vec<u32>> {
    match count {
        None => Ok((0..labels.len() as u32).collect()),
        Some(count) if count <= labels.len() => Ok(class_balanced_subset(
            labels,
            dataset.classes.len(),
            count,
            cell.dataset.subset_seed,
        )),
        Some(count) => Err(Error::Dataset {
            dataset: cell.dataset.name.clone(),
            reason: format!(
                "expected at most {} {split} samples, found {count} in the spec",
                labels.len()
            ),
        }),
    }
}

/// A run in the making.
pub(crate) struct Run<'a> {
    cell: &'a Cell,
    pub(crate) engine: Engine<'a>,
    pub(crate) pruning: Pruning,
    /// Each position's image in the training split.
    pub(crate) train: Vec<u32>,
    test: Vec<u32>,
    seen: Vec<bool>,
    steps: u64,
    /// The steps of the whole run, if they are held fixed and not the epochs.
    fixed_steps: Option<u64>,
    history: History,
    record: RunRecord,
    stage: Stage,
    /// The epoch that has begun.
    open: OpenEpoch,
}

/// What a run does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Begin an epoch: score and select, if it is time to.
    Select = 0,
    /// Train, from the open epoch's next step on.
    Train = 1,
    /// Look at the test set, if it is time to, and end the epoch.
    Test = 2,
    /// Look at the training set.
    LookBack = 3,
    /// Nothing.
    Over = 4,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Select, Self::Train, Self::Test, Self::LookBack, Self::Over];
}

/// An epoch that has begun and how far it is.
#[derive(Debug, Default)]
struct OpenEpoch {
    record: EpochRecord,
    /// Steps that have been taken.
    step: usize,
    /// Sums over the samples trained on.
    loss: f64,
    correct: f64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        device: &Device,
        cell: &'a Cell,
        dataset: &'a Dataset,
        static_scores: Option<&[f32]>,
    ) -> Result<Self> {
        check(cell)?;
        let train = training_samples(cell, dataset)?;
        let test = subset(cell, dataset, &dataset.test.labels, cell.dataset.test_samples, "test")?;
        Pruning::check(cell, train.len(), static_scores)?;
        let labels: Vec<u16> = train.iter().map(|&i| dataset.train.labels[i as usize]).collect();
        let pruning = Pruning::new(cell, &labels, static_scores)?;
        if pruning.kept() == 0 {
            return Err(Error::Dataset {
                dataset: cell.dataset.name.clone(),
                reason: format!(
                    "none of {} samples are kept at s = {}",
                    train.len(),
                    cell.pruned_fraction
                ),
            });
        }
        let passes = Passes {
            train: train.len(),
            kept: pruning.kept(),
            test: test.len(),
        };
        let engine = Engine::new(cell, dataset, passes, device)?;
        let record = RunRecord {
            train_samples: train.len() as u64,
            kept: pruning.kept() as u64,
            test_samples: test.len() as u64,
            parameters: engine.net().graph().parameter_count() as u64,
            ..RunRecord::default()
        };
        let traced = traced_positions(&train, dataset, cell.dataset.subset_seed);
        let history = History::new(&traced, &train, &labels);
        let seen = vec![false; train.len()];
        Ok(Self {
            fixed_steps: cell.fixed_steps(train.len()),
            history,
            cell,
            engine,
            pruning,
            train,
            test,
            seen,
            steps: 0,
            record,
            stage: Stage::Select,
            open: OpenEpoch::default(),
        })
    }

    /// Takes up the next stage. False if `watch` stopped it: the state is then one to go on from.
    fn advance(&mut self, watch: &mut dyn Watch, clock: &mut Clock) -> Result<bool> {
        let epoch = self.record.epochs.len() as u32;
        match self.stage {
            Stage::Select => {
                self.open(epoch + 1);
                if !self.select(epoch, &|| watch.stops(), clock)? {
                    return Ok(false);
                }
                self.stage = Stage::Train;
            }
            Stage::Train => {
                let is_whole = self.train(epoch, &|| watch.stops(), &mut |_, _| {})?;
                clock.charge(&mut self.open.record.training_seconds);
                if !is_whole {
                    return Ok(false);
                }
                self.stage = Stage::Test;
            }
            Stage::Test => return self.end_epoch(epoch, watch, clock),
            Stage::LookBack => {
                if !self.look_back(&|| watch.stops())? {
                    return Ok(false);
                }
                clock.charge(&mut self.record.evaluation_seconds);
                self.stage = Stage::Over;
            }
            Stage::Over => {}
        }
        Ok(true)
    }

    /// Begins the epoch `epoch`, the first being 1.
    pub(crate) fn open(&mut self, epoch: u32) {
        self.open = OpenEpoch::default();
        self.open.record.epoch = epoch;
    }

    /// The epoch that has begun.
    pub(crate) fn opened(&mut self) -> &mut EpochRecord {
        &mut self.open.record
    }

    /// Looks at the test set, if epoch `epoch`, the first being 0, ends with that, and adds the epoch to the record.
    fn end_epoch(&mut self, epoch: u32, watch: &mut dyn Watch, clock: &mut Clock) -> Result<bool> {
        let epochs = self.epochs();
        let diverged = !self.open.record.train_loss.is_finite();
        let last = epoch + 1 == epochs || diverged;
        if last || (epoch + 1).is_multiple_of(self.cell.training.evaluate_every) {
            if !self.test(&|| watch.stops())? {
                return Ok(false);
            }
            clock.charge(&mut self.open.record.evaluation_seconds);
        }
        // The last step of an epoch shows in no training loss.
        let test_loss = self.open.record.test_loss;
        self.record.diverged = diverged || test_loss.is_some_and(|loss| !loss.is_finite());
        watch.epoch_finished(&self.open.record, epochs);
        clock.charge(&mut self.open.record.other_seconds);
        let record = std::mem::take(&mut self.open).record;
        self.add(record);
        self.stage = match last || self.record.diverged {
            true => Stage::LookBack,
            false => Stage::Select,
        };
        Ok(true)
    }

    /// All that has changed since the run began.
    fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = self.training_snapshot(self.record.epochs.len() as u32)?;
        snapshot.put("stage", vec![self.stage as u64]);
        self.history.save(self.train.len(), &mut snapshot);
        self.record.save(&mut snapshot);
        Ok(snapshot)
    }

    /// Goes on from a snapshot.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.restore_training(snapshot)?;
        let [stage] = snapshot.u64s_exactly("stage")?;
        let known = Stage::ALL.into_iter().find(|known| *known as u64 == stage);
        self.stage = known.ok_or_else(|| wrong("stage", &stage.to_string(), "0 to 4"))?;
        self.history.restore(self.train.len(), snapshot)?;
        self.record.restore(snapshot)
    }

    /// What training changes: network, selector, and how far it is.
    pub(crate) fn training_snapshot(&self, epoch: u32) -> Result<Snapshot> {
        let mut snapshot = Snapshot {
            epoch,
            step: self.open.step as u64,
            ..Snapshot::default()
        };
        self.engine.save(&mut snapshot)?;
        self.pruning.save(&mut snapshot);
        let seen = (0..).zip(&self.seen).filter(|(_, seen)| **seen);
        let seen: Vec<u32> = seen.map(|(position, _)| position).collect();
        snapshot.put("seen", bits(self.seen.len(), &seen));
        snapshot.put("steps", vec![self.steps]);
        EpochRecord::save(std::slice::from_ref(&self.open.record), "open", &mut snapshot);
        snapshot.put("open.sums", vec![self.open.loss, self.open.correct]);
        Ok(snapshot)
    }

    /// Goes on from a [`Run::training_snapshot`].
    pub(crate) fn restore_training(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.engine.restore(snapshot)?;
        self.pruning.restore(snapshot)?;
        let seen = of_length("seen", snapshot.u8s("seen")?, self.seen.len().div_ceil(8))?;
        for (position, has) in self.seen.iter_mut().enumerate() {
            *has = seen[position / 8] >> (position % 8) & 1 == 1;
        }
        [self.steps] = snapshot.u64s_exactly("steps")?;
        let open = EpochRecord::saved(1, "open", snapshot)?;
        let [loss, correct] = snapshot.f64s_exactly("open.sums")?;
        self.open = OpenEpoch {
            record: open.into_iter().next().unwrap_or_default(),
            step: snapshot.step as usize,
            loss,
            correct,
        };
        Ok(())
    }

    /// Passes over the kept samples. With a fixed number of steps, as many as it takes.
    fn epochs(&self) -> u32 {
        let Some(total_steps) = self.fixed_steps else {
            return self.cell.training.epochs;
        };
        let steps = |samples: usize| samples.div_ceil(self.engine.batch_size()) as u64;
        let whole = u64::from(self.pruning.full_epochs()) * steps(self.train.len());
        match total_steps.checked_sub(whole) {
            Some(rest) => self.pruning.full_epochs() + rest.div_ceil(steps(self.pruning.kept())) as u32,
            None => total_steps.div_ceil(steps(self.train.len())) as u32,
        }
    }

    /// Scores and selects, if it is time to. False if it was stopped: nothing has changed then.
    fn select(&mut self, epoch: u32, stops: &dyn Fn() -> bool, clock: &mut Clock) -> Result<bool> {
        let Some(scored) = self.pruning.score(epoch, &mut self.engine, &self.train, stops)? else {
            return Ok(false);
        };
        self.record.scoring_flops += scored as f64 * self.engine.net().graph().forward_flops();
        clock.charge(&mut self.open.record.scoring_seconds);
        let selected = self.pruning.select(epoch)?;
        clock.charge(&mut self.open.record.selection_seconds);
        if selected && self.pruning.is_dynamic() {
            let scores = (scored > 0).then(|| self.pruning.observed());
            self.history.add(epoch + 1, self.pruning.selected(), scores);
            clock.charge(&mut self.open.record.other_seconds);
        }
        Ok(true)
    }

    /// The open epoch's training, from its next step on; the first epoch is 0. `each` gets every sample's position and what
    /// its step tells of it. False if it was stopped between two steps.
    pub(crate) fn train(
        &mut self,
        epoch: u32,
        stops: &dyn Fn() -> bool,
        each: &mut dyn FnMut(u32, Sample),
    ) -> Result<bool> {
        let mut order = self.pruning.selected().to_vec();
        Stream::new(self.cell.seed, SHUFFLE, u64::from(epoch)).shuffle(&mut order);
        let score = self.pruning.training_score();
        let batch = self.engine.batch_size();
        let steps = order.len().div_ceil(batch);
        let taken = self.open.step;
        // With a fixed number of steps the last pass may end early.
        let allowed = self
            .fixed_steps
            .map_or(u64::MAX, |total| total.saturating_sub(self.steps));
        let due = (steps.saturating_sub(taken) as u64).min(allowed) as usize;
        let factors: Vec<f64> = (0..due)
            .map(|i| self.factor(epoch, taken + i, steps, i as u64))
            .collect();
        let positions = order.get(taken * batch..).unwrap_or_default();
        let indices: Vec<u32> = positions.iter().map(|&p| self.train[p as usize]).collect();
        let steps = Steps {
            indices: &indices,
            factors: &factors,
            epoch,
        };
        let learning_rate = self.cell.training.learning_rate;
        let (open, pruning, seen, total) = (&mut self.open, &mut self.pruning, &mut self.seen, &mut self.steps);
        let mut batches = positions.chunks(batch).zip(&factors);
        let mut scores = Vec::with_capacity(batch);
        let done = self.engine.train(steps, stops, &mut |samples| {
            let Some((positions, factor)) = batches.next() else {
                return Ok(());
            };
            scores.clear();
            for (&position, sample) in positions.iter().zip(samples) {
                each(position, sample);
                open.loss += f64::from(sample[column::LOSS]);
                open.correct += f64::from(sample[column::CORRECT]);
                if let Some(score) = score {
                    scores.push(pruning::value(score, sample));
                }
                seen[position as usize] = true;
            }
            if score.is_some() {
                pruning.observe(positions, &scores)?;
            }
            *total += 1;
            open.step += 1;
            open.record.steps += 1;
            open.record.samples += positions.len() as u64;
            open.record.learning_rate = learning_rate * factor;
            Ok(())
        })?;
        if done < due {
            return Ok(false);
        }
        let OpenEpoch {
            record, loss, correct, ..
        } = &mut self.open;
        record.train_loss = *loss / record.samples as f64;
        record.train_accuracy = *correct / record.samples as f64;
        Ok(true)
    }

    /// The factor on the learning rate at a step, `ahead` steps from now. With a fixed number of steps the schedule is
    /// stretched over the passes, so that it ends with the last step.
    fn factor(&self, epoch: u32, step: usize, steps: usize, ahead: u64) -> f64 {
        let epochs = f64::from(self.cell.training.epochs);
        let position = match self.fixed_steps {
            None => f64::from(epoch) + step as f64 / steps as f64,
            Some(total) => (self.steps + ahead) as f64 * epochs / total as f64,
        };
        schedule::factor(&self.cell.training.schedule, position, epochs)
    }

    /// Looks at the test set. False if it was stopped.
    fn test(&mut self, stops: &dyn Fn() -> bool) -> Result<bool> {
        let Some((accuracy, loss)) = accuracy_and_loss(&mut self.engine, Split::Test, &self.test, stops)? else {
            return Ok(false);
        };
        self.record.evaluation_flops += self.test.len() as f64 * self.engine.net().graph().forward_flops();
        self.open.record.test_accuracy = Some(accuracy);
        self.open.record.test_loss = Some(loss);
        self.record.test_accuracy_last = accuracy;
        self.record.test_accuracy_best = self.record.test_accuracy_best.max(accuracy);
        Ok(true)
    }

    /// The last pass over the whole training set: how well the network fits what it was shown a
    /// part of. False if it was stopped.
    fn look_back(&mut self, stops: &dyn Fn() -> bool) -> Result<bool> {
        let Some((accuracy, loss)) = accuracy_and_loss(&mut self.engine, Split::Train, &self.train, stops)? else {
            return Ok(false);
        };
        self.record.evaluation_flops += self.train.len() as f64 * self.engine.net().graph().forward_flops();
        self.record.train_accuracy_last = accuracy;
        self.record.train_loss_last = loss;
        self.record.diverged |= !loss.is_finite();
        Ok(true)
    }

    fn add(&mut self, epoch: EpochRecord) {
        let graph = self.engine.net().graph();
        let total = &mut self.record;
        total.steps += epoch.steps;
        total.samples_seen += epoch.samples;
        total.training_flops += epoch.samples as f64 * (graph.forward_flops() + graph.backward_flops());
        total.scoring_seconds += epoch.scoring_seconds;
        total.selection_seconds += epoch.selection_seconds;
        total.training_seconds += epoch.training_seconds;
        total.evaluation_seconds += epoch.evaluation_seconds;
        total.other_seconds += epoch.other_seconds;
        total.epochs.push(epoch);
    }

    fn finish(mut self) -> RunRecord {
        let total = &mut self.record;
        (total.kept_sets, total.traces) = self.history.finish();
        total.unique_samples_seen = self.seen.iter().filter(|&&seen| seen).count() as u64;
        total.total_seconds = total.scoring_seconds
            + total.selection_seconds
            + total.training_seconds
            + total.evaluation_seconds
            + total.other_seconds;
        self.record
    }
}

/// Refuses numbers with which the loop would not end or not begin, as [`run`] does. What recipes and profiles give is checked
/// before; a cell may also come from elsewhere.
///
/// # Errors
/// [`Error::Option`] names the number, what was expected and what was found.
pub fn check(cell: &Cell) -> Result<()> {
    let wrong = |part: &str, option: &str, found: String, expected: &str| {
        Err(Error::Option {
            name: part.to_owned(),
            option: option.to_owned(),
            reason: format!("expected {expected}, found {found}"),
        })
    };
    if !(0.0..1.0).contains(&cell.pruned_fraction) {
        let found = cell.pruned_fraction.to_string();
        return wrong("cell", "pruned_fraction", found, "a number from 0 to below 1");
    }
    let numbers = [
        ("training", "epochs", Some(cell.training.epochs)),
        ("training", "batch_size", Some(cell.training.batch_size)),
        ("training", "evaluate_every", Some(cell.training.evaluate_every)),
        ("selection", "selection_period", cell.selection.selection_period),
    ];
    match numbers.into_iter().find(|(_, _, number)| *number == Some(0)) {
        Some((part, option, _)) => wrong(part, option, "0".to_owned(), "at least 1"),
        None => Ok(()),
    }
}

/// Accuracy and mean cross-entropy of a pass in evaluation mode; nothing if it was stopped.
fn accuracy_and_loss(
    engine: &mut Engine,
    split: Split,
    indices: &[u32],
    stops: &dyn Fn() -> bool,
) -> Result<Option<(f64, f64)>> {
    let (mut correct, mut loss) = (0.0, 0.0);
    let is_whole = engine.look(split, indices, stops, |sample: Sample| {
        correct += f64::from(sample[column::CORRECT]);
        loss += f64::from(sample[column::CROSS_ENTROPY]);
    })?;
    let count = indices.len() as f64;
    Ok(is_whole.then_some((correct / count, loss / count)))
}
