//! What a run leaves behind.

use crate::error::{Error, Result};
use crate::history::{KeptSet, Trace};
use crate::snapshot::{Snapshot, of_length};
use std::time::{Duration, Instant};

/// One epoch: a pass over the samples kept at the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochRecord {
    /// Finished epochs, 1 after the first.
    pub epoch: u32,
    /// Samples trained on.
    pub samples: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean loss of the samples trained on, as they were trained on (augmented, smoothed labels).
    pub train_loss: f64,
    /// Share of the samples trained on that were classified right as they were trained on.
    pub train_accuracy: f64,
    /// Share of the test samples classified right, if the epoch ended with an evaluation.
    pub test_accuracy: Option<f64>,
    /// Mean cross-entropy of the test samples, likewise.
    pub test_loss: Option<f64>,
    /// Seconds spent scoring every sample.
    pub scoring_seconds: f64,
    /// Seconds spent choosing the kept set.
    pub selection_seconds: f64,
    /// Seconds spent in training steps, batches included.
    pub training_seconds: f64,
    /// Seconds spent on the test set.
    pub evaluation_seconds: f64,
    /// Seconds spent on anything else.
    pub other_seconds: f64,
}

impl EpochRecord {
    /// Counts, with flags for what may be missing.
    fn counts(&self) -> [u64; 5] {
        let flag = |value: Option<f64>| u64::from(value.is_some());
        let epoch = u64::from(self.epoch);
        let (accuracy, loss) = (flag(self.test_accuracy), flag(self.test_loss));
        [epoch, self.samples, self.steps, accuracy, loss]
    }

    fn values(&self) -> [f64; 10] {
        [
            self.learning_rate,
            self.train_loss,
            self.train_accuracy,
            self.test_accuracy.unwrap_or_default(),
            self.test_loss.unwrap_or_default(),
            self.scoring_seconds,
            self.selection_seconds,
            self.training_seconds,
            self.evaluation_seconds,
            self.other_seconds,
        ]
    }

    fn of(counts: &[u64], values: &[f64]) -> Self {
        let if_there = |flag: u64, value: f64| (flag != 0).then_some(value);
        Self {
            epoch: counts[0] as u32,
            samples: counts[1],
            steps: counts[2],
            learning_rate: values[0],
            train_loss: values[1],
            train_accuracy: values[2],
            test_accuracy: if_there(counts[3], values[3]),
            test_loss: if_there(counts[4], values[4]),
            scoring_seconds: values[5],
            selection_seconds: values[6],
            training_seconds: values[7],
            evaluation_seconds: values[8],
            other_seconds: values[9],
        }
    }

    /// Writes records into `snapshot` under `name`.
    pub(crate) fn save(records: &[Self], name: &str, snapshot: &mut Snapshot) {
        let counts = records.iter().flat_map(Self::counts);
        let values = records.iter().flat_map(Self::values);
        snapshot.put(format!("{name}.counts"), counts.collect::<Vec<_>>());
        snapshot.put(format!("{name}.values"), values.collect::<Vec<_>>());
    }

    /// The records that were saved under `name`: `count` of them.
    pub(crate) fn saved(count: usize, name: &str, snapshot: &Snapshot) -> Result<Vec<Self>> {
        let (counts, values) = (format!("{name}.counts"), format!("{name}.values"));
        let counts = of_length(&counts, snapshot.u64s(&counts)?, 5 * count)?;
        let values = of_length(&values, snapshot.f64s(&values)?, 10 * count)?;
        let rows = counts.chunks_exact(5).zip(values.chunks_exact(10));
        Ok(rows.map(|(counts, values)| Self::of(counts, values)).collect())
    }
}

/// A finished run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRecord {
    /// The epochs in order.
    pub epochs: Vec<EpochRecord>,
    /// Optimiser steps.
    pub steps: u64,
    /// Samples trained on, counted each time.
    pub samples_seen: u64,
    /// Different samples trained on.
    pub unique_samples_seen: u64,
    /// N, the samples of the training set.
    pub train_samples: u64,
    /// K, the samples kept for an epoch.
    pub kept: u64,
    /// Samples of the test set.
    pub test_samples: u64,
    /// Test accuracy after the last epoch, 0 to 1.
    pub test_accuracy_last: f64,
    /// The best test accuracy of any evaluated epoch, 0 to 1.
    pub test_accuracy_best: f64,
    /// Accuracy on all N training samples after the last epoch, in evaluation mode and without
    /// augmentation, 0 to 1.
    pub train_accuracy_last: f64,
    /// Mean cross-entropy of the same pass.
    pub train_loss_last: f64,
    /// Seconds spent scoring every sample.
    pub scoring_seconds: f64,
    /// Seconds spent choosing the kept sets.
    pub selection_seconds: f64,
    /// Seconds spent in training steps.
    pub training_seconds: f64,
    /// Seconds spent on evaluation: the test set, and the last pass over the training set.
    pub evaluation_seconds: f64,
    /// Seconds spent on anything else.
    pub other_seconds: f64,
    /// Seconds of the whole run.
    pub total_seconds: f64,
    /// Floating-point operations of scoring, counted from the network's shapes.
    pub scoring_flops: f64,
    /// Floating-point operations of training.
    pub training_flops: f64,
    /// Floating-point operations of evaluation.
    pub evaluation_flops: f64,
    /// Trainable numbers of the network.
    pub parameters: u64,
    /// Whether the loss stopped being a number; the run ended with that epoch.
    pub diverged: bool,
    /// The kept sets of a method that selects more than once, in order.
    pub kept_sets: Vec<KeptSet>,
    /// The scores of the traced samples in each round that scored all samples, by round.
    pub traces: Vec<Trace>,
}

impl RunRecord {
    /// Writes what changes during a run into `snapshot`: the epochs and the sums.
    pub(crate) fn save(&self, snapshot: &mut Snapshot) {
        EpochRecord::save(&self.epochs, "epochs", snapshot);
        let counts = vec![self.steps, self.samples_seen, u64::from(self.diverged)];
        snapshot.put("totals.counts", counts);
        let values = vec![
            self.test_accuracy_last,
            self.test_accuracy_best,
            self.scoring_seconds,
            self.selection_seconds,
            self.training_seconds,
            self.evaluation_seconds,
            self.other_seconds,
            self.scoring_flops,
            self.training_flops,
            self.evaluation_flops,
        ];
        snapshot.put("totals.values", values);
    }

    /// Goes on from what was saved.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let epochs = EpochRecord::saved(snapshot.epoch as usize, "epochs", snapshot)?;
        let [steps, samples_seen, diverged] = snapshot.u64s_exactly("totals.counts")?;
        let values: [f64; 10] = snapshot.f64s_exactly("totals.values")?;
        (self.epochs, self.steps, self.samples_seen) = (epochs, steps, samples_seen);
        self.diverged = diverged != 0;
        [
            self.test_accuracy_last,
            self.test_accuracy_best,
            self.scoring_seconds,
            self.selection_seconds,
            self.training_seconds,
            self.evaluation_seconds,
            self.other_seconds,
            self.scoring_flops,
            self.training_flops,
            self.evaluation_flops,
        ] = values;
        Ok(())
    }
}

/// Watches a run from outside, and keeps its state.
pub trait Watch {
    /// An epoch has ended; `epochs` is how many there will be.
    fn epoch_finished(&mut self, record: &EpochRecord, epochs: u32) {
        let _ = (record, epochs);
    }

    /// A state of the same run to go on from, the newest first; asked again, the one before it. `None` begins the run.
    fn saved(&mut self) -> Option<Snapshot> {
        None
    }

    /// The state that was asked for last does not fit the run.
    fn refused(&mut self, error: &Error) {
        let _ = error;
    }

    /// Whether the state is to be kept, now that `epoch` epochs have been finished.
    fn keeps(&mut self, epoch: u32) -> bool {
        let _ = epoch;
        false
    }

    /// Keeps the state.
    fn keep(&mut self, snapshot: Snapshot) {
        let _ = snapshot;
    }

    /// Whether the run is to stop here: it then keeps its state and ends with [`Error::Stopped`]. Asked before every batch.
    fn stops(&self) -> bool {
        false
    }
}

/// Looks away.
impl Watch for () {}

/// Where the time goes: every moment between two calls of [`Clock::charge`] is charged to one account.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { last: Instant::now() }
    }

    /// Adds the time since the last call to `account`, in seconds.
    pub(crate) fn charge(&mut self, account: &mut f64) {
        let now = Instant::now();
        let since: Duration = now - self.last;
        *account += since.as_secs_f64();
        self.last = now;
    }
}
