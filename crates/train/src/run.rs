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

use crate::engine::{Engine, Sample, Split};
use crate::error::{Error, Result};
use crate::history::{History, traced_positions};
use crate::pruning::{self, Pruning};
use crate::record::{Clock, EpochRecord, RunRecord, Watch};
use crate::schedule;
use dynaprune_datasets::{Dataset, class_balanced_subset};
use dynaprune_ops::column;
use dynaprune_random::{Purpose, Stream};
use dynaprune_spec::Cell;

const SHUFFLE: Purpose = Purpose::new("shuffle");

/// Runs a cell.
///
/// `dataset` is the whole data set; the run takes the subset that the cell names. `scores` are those
/// of a `static` method. Work runs on the current rayon pool; the result does not depend on its size.
///
/// # Errors
/// If the cell does not fit the data set, or names a network or method that does not exist.
pub fn run(cell: &Cell, dataset: &Dataset, scores: Option<&Scores>, watch: &mut dyn Watch) -> Result<RunRecord> {
    let mut clock = Clock::start();
    let mut run = Run::new(cell, dataset, scores.map(|scores| scores.scores))?;
    if let Some(scores) = scores {
        run.record.scoring_seconds = scores.seconds;
        run.record.scoring_flops = scores.flops;
    }
    clock.charge(&mut run.record.other_seconds);
    let epochs = run.epochs();
    for epoch in 0..epochs {
        let mut record = EpochRecord {
            epoch: epoch + 1,
            ..EpochRecord::default()
        };
        run.select(epoch, &mut record, &mut clock)?;
        run.train(epoch, &mut record, &mut |_, _| {})?;
        clock.charge(&mut record.training_seconds);
        run.record.diverged = !record.train_loss.is_finite();
        let last = epoch + 1 == epochs || run.record.diverged;
        if last || (epoch + 1).is_multiple_of(cell.training.evaluate_every) {
            run.test(&mut record)?;
            // The last step of an epoch shows in no training loss.
            run.record.diverged |= record.test_loss.is_some_and(|loss| !loss.is_finite());
            clock.charge(&mut record.evaluation_seconds);
        }
        watch.epoch_finished(&record, epochs);
        clock.charge(&mut record.other_seconds);
        run.add(record);
        if last || run.record.diverged {
            break;
        }
    }
    run.look_back()?;
    clock.charge(&mut run.record.evaluation_seconds);
    Ok(run.finish())
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
}

impl<'a> Run<'a> {
    pub(crate) fn new(cell: &'a Cell, dataset: &'a Dataset, static_scores: Option<&[f32]>) -> Result<Self> {
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
        let engine = Engine::new(cell, dataset, train.len().max(test.len()))?;
        let record = RunRecord {
            train_samples: train.len() as u64,
            kept: pruning.kept() as u64,
            test_samples: test.len() as u64,
            parameters: engine.net().graph().parameter_count() as u64,
            ..RunRecord::default()
        };
        let traced = traced_positions(&train, dataset, cell.dataset.subset_seed)?;
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
        })
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

    fn select(&mut self, epoch: u32, record: &mut EpochRecord, clock: &mut Clock) -> Result<()> {
        let scored = self.pruning.score(epoch, &mut self.engine, &self.train)?;
        self.record.scoring_flops += scored as f64 * self.engine.net().graph().forward_flops();
        clock.charge(&mut record.scoring_seconds);
        let selected = self.pruning.select(epoch)?;
        clock.charge(&mut record.selection_seconds);
        if selected && self.pruning.is_dynamic() {
            let scores = (scored > 0).then(|| self.pruning.observed());
            self.history.add(epoch + 1, self.pruning.selected(), scores);
            clock.charge(&mut record.other_seconds);
        }
        Ok(())
    }

    /// An epoch of training, the first being 0; `each` gets every sample's position and what its step tells of it.
    pub(crate) fn train(
        &mut self,
        epoch: u32,
        record: &mut EpochRecord,
        each: &mut dyn FnMut(u32, Sample),
    ) -> Result<()> {
        let mut order = self.pruning.selected().to_vec();
        Stream::new(self.cell.seed, SHUFFLE, u64::from(epoch)).shuffle(&mut order);
        let score = self.pruning.training_score();
        let batch = self.engine.batch_size();
        let steps = order.len().div_ceil(batch);
        let indices: Vec<u32> = order.iter().map(|&p| self.train[p as usize]).collect();
        let mut scores = Vec::with_capacity(batch);
        let (mut loss, mut correct) = (0.0, 0.0);
        let mut batches = indices.chunks(batch).peekable();
        for (step, positions) in order.chunks(batch).enumerate() {
            // With a fixed number of steps the last pass may end early.
            if self.fixed_steps == Some(self.steps) {
                break;
            }
            let indices = batches.next().unwrap_or_default();
            let last = self.fixed_steps == Some(self.steps + 1);
            let next = batches.peek().copied().filter(|_| !last).unwrap_or_default();
            scores.clear();
            let factor = self.factor(epoch, step, steps);
            let mut at = positions.iter();
            self.engine.train(indices, next, epoch, factor, |sample| {
                if let Some(&position) = at.next() {
                    each(position, sample);
                }
                loss += f64::from(sample[column::LOSS]);
                correct += f64::from(sample[column::CORRECT]);
                if let Some(score) = score {
                    scores.push(pruning::value(score, sample));
                }
            })?;
            if score.is_some() {
                self.pruning.observe(positions, &scores)?;
            }
            for &p in positions {
                self.seen[p as usize] = true;
            }
            self.steps += 1;
            record.steps += 1;
            record.samples += positions.len() as u64;
            record.learning_rate = self.cell.training.learning_rate * factor;
        }
        record.train_loss = loss / record.samples as f64;
        record.train_accuracy = correct / record.samples as f64;
        Ok(())
    }
    /// The factor on the learning rate at a step. With a fixed number of steps the schedule is
    /// stretched over the passes, so that it ends with the last step.
    fn factor(&self, epoch: u32, step: usize, steps: usize) -> f64 {
        let epochs = f64::from(self.cell.training.epochs);
        let position = match self.fixed_steps {
            None => f64::from(epoch) + step as f64 / steps as f64,
            Some(total) => self.steps as f64 * epochs / total as f64,
        };
        schedule::factor(&self.cell.training.schedule, position, epochs)
    }

    fn test(&mut self, record: &mut EpochRecord) -> Result<()> {
        let (accuracy, loss) = accuracy_and_loss(&mut self.engine, Split::Test, &self.test)?;
        self.record.evaluation_flops += self.test.len() as f64 * self.engine.net().graph().forward_flops();
        record.test_accuracy = Some(accuracy);
        record.test_loss = Some(loss);
        self.record.test_accuracy_last = accuracy;
        self.record.test_accuracy_best = self.record.test_accuracy_best.max(accuracy);
        Ok(())
    }

    /// The last pass over the whole training set: how well the network fits what it was shown a
    /// part of.
    fn look_back(&mut self) -> Result<()> {
        let (accuracy, loss) = accuracy_and_loss(&mut self.engine, Split::Train, &self.train)?;
        self.record.evaluation_flops += self.train.len() as f64 * self.engine.net().graph().forward_flops();
        self.record.train_accuracy_last = accuracy;
        self.record.train_loss_last = loss;
        self.record.diverged |= !loss.is_finite();
        Ok(())
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

/// Accuracy and mean cross-entropy of a pass in evaluation mode.
fn accuracy_and_loss(engine: &mut Engine, split: Split, indices: &[u32]) -> Result<(f64, f64)> {
    let (mut correct, mut loss) = (0.0, 0.0);
    engine.look(split, indices, |sample: Sample| {
        correct += f64::from(sample[column::CORRECT]);
        loss += f64::from(sample[column::CROSS_ENTROPY]);
    })?;
    let count = indices.len() as f64;
    Ok((correct / count, loss / count))
}
