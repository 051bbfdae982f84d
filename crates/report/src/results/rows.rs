use super::ColumnInfo;
use super::columns::{Row, rows};

rows! {
    /// A finished run: a row of `runs.parquet`.
    ///
    /// Accuracies are fractions (0 to 1), times are seconds of wall clock, costs are counted floating-point operations (a
    /// multiplication and an addition are two). A run is finished when it has a row; a run that diverged has one too, with
    /// `diverged` set and perhaps NaN among its losses.
    pub struct RunRow {
        /// The run's identity: 16 hexadecimal digits, a hash of its checked spec.
        pub run_id: String,
        /// The profile (`smoke`, `laptop`, ...), also the name of the folder.
        pub profile: String,
        /// The data set's registered name.
        pub dataset: String,
        /// The network's registered name.
        pub model: String,
        /// The pruning method's registered name.
        pub method: String,
        /// The method's name with those options that differ from their defaults; a line of a plot.
        pub method_label: String,
        /// The share s of the training samples *removed* each epoch, 0 for full data.
        pub pruned_fraction: f64,
        /// The run's seed.
        pub seed: u64,
        /// Epochs trained.
        pub epochs: u32,
        /// Optimiser steps taken.
        pub steps: u64,
        /// Samples trained on, counted each time; divided by `train_samples`, the epochs on full data it amounts to.
        pub samples_seen: u64,
        /// Different samples trained on at least once.
        pub unique_samples_seen: u64,
        /// Training samples N of the (perhaps reduced) data set.
        pub train_samples: u64,
        /// Samples K = round((1 - s) N) kept for an epoch.
        pub kept_samples: u64,
        /// Test samples.
        pub test_samples: u64,
        /// The network's parameters.
        pub parameters: u64,
        /// Test accuracy after the last epoch: the accuracy that is reported.
        pub test_accuracy_last: f64,
        /// The best test accuracy of any evaluated epoch; it was chosen on the test set.
        pub test_accuracy_best: f64,
        /// Accuracy on all N training samples after the last epoch, evaluation mode, not augmented.
        pub train_accuracy_last: f64,
        /// Mean cross-entropy on all N training samples after the last epoch.
        pub train_loss_last: f64,
        /// Seconds spent scoring samples, including any scoring before training.
        pub scoring_seconds: f64,
        /// Seconds spent choosing samples from their scores.
        pub selection_seconds: f64,
        /// Seconds spent training: forward, backward, optimiser, batches.
        pub training_seconds: f64,
        /// Seconds spent on the test set and on the final pass over the training set.
        pub evaluation_seconds: f64,
        /// Seconds that belong to none of the others.
        pub other_seconds: f64,
        /// Seconds from start to end.
        pub total_seconds: f64,
        /// Floating-point operations of scoring; NaN if the scores are of a table that does not say.
        pub scoring_flops: f64,
        /// Floating-point operations of training.
        pub training_flops: f64,
        /// Floating-point operations of evaluation.
        pub evaluation_flops: f64,
        /// Whether the loss became infinite or NaN: the run's accuracies then mean nothing.
        pub diverged: bool,
        /// The device that ran it.
        pub device: String,
        /// The number format of training, for example `f32`.
        pub precision: String,
        /// CPU threads used; 0 if the run was stopped and continued with another number.
        pub threads: u32,
        /// The version of the code that ran it.
        pub code_version: String,
        /// When it started, UTC, ISO 8601: `2026-01-31T12:00:00Z`.
        pub started_at: String,
        /// The checked spec of the run as canonical JSON; `run_id` is its hash.
        pub spec: String,
    }
}

rows! {
    /// A finished epoch of a run: a row of `epochs.parquet`.
    pub struct EpochRow {
        /// The run, as in `runs.parquet`.
        pub run_id: String,
        /// Finished epochs, from 1.
        pub epoch: u32,
        /// Samples trained on in this epoch.
        pub samples: u64,
        /// Optimiser steps in this epoch.
        pub steps: u64,
        /// The learning rate of the epoch's last step.
        pub learning_rate: f64,
        /// Mean training loss over the samples of this epoch, as they were trained on (augmented).
        pub train_loss: f64,
        /// Training accuracy over the samples of this epoch, as they were trained on (augmented).
        pub train_accuracy: f64,
        /// Test accuracy after this epoch; null if it was not evaluated.
        pub test_accuracy: Option<f64>,
        /// Mean test cross-entropy after this epoch; null if it was not evaluated.
        pub test_loss: Option<f64>,
        /// Seconds spent scoring samples.
        pub scoring_seconds: f64,
        /// Seconds spent choosing samples.
        pub selection_seconds: f64,
        /// Seconds spent training.
        pub training_seconds: f64,
        /// Seconds spent evaluating.
        pub evaluation_seconds: f64,
        /// Seconds that belong to none of the others.
        pub other_seconds: f64,
    }
}

impl RunRow {
    /// The columns of `runs.parquet`, in their order.
    pub const COLUMNS: &'static [ColumnInfo] = <Self as Row>::COLUMNS;

    /// How many passes over the full training set the run's training amounts to.
    #[must_use]
    pub fn full_epoch_equivalents(&self) -> f64 {
        self.samples_seen as f64 / self.train_samples as f64
    }

    /// Seconds that a user of the method pays: scoring, selection and training, without evaluation.
    #[must_use]
    pub fn method_seconds(&self) -> f64 {
        self.scoring_seconds + self.selection_seconds + self.training_seconds
    }

    /// Floating-point operations that a user of the method pays: scoring and training, without evaluation.
    #[must_use]
    pub fn method_flops(&self) -> f64 {
        self.scoring_flops + self.training_flops
    }
}

impl EpochRow {
    /// The columns of `epochs.parquet`, in their order.
    pub const COLUMNS: &'static [ColumnInfo] = <Self as Row>::COLUMNS;
}
