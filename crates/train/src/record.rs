//! What a run leaves behind.

use crate::history::{KeptSet, Trace};
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

/// Watches a run from outside.
pub trait Watch {
    /// An epoch has ended; `epochs` is how many there will be.
    fn epoch_finished(&mut self, record: &EpochRecord, epochs: u32) {
        let _ = (record, epochs);
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
