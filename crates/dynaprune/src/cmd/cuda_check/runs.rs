//! A whole run on a GPU and on the CPU, as sweeps make them: batches that are cut out of the data set on the device, a step that
//! is captured and replayed, the smaller last batch, and GraNd.

use super::largest;
use anyhow::{Result, anyhow};
use candle_core::Device;
use dynaprune_datasets::{Dataset, Options, find};
use dynaprune_spec::{Cell, Choice, Measurement, Value};
use dynaprune_train::{RunRecord, measure_on, run_on};
use serde::Serialize;
use std::path::Path;

/// 4 whole batches and one of 44 samples in each epoch, with another learning rate at every step.
const CELL: &str = r#"{
    "profile": "cuda-check", "seed": 0, "pruned_fraction": 0,
    "dataset": {"name": "digits", "options": {}, "train_samples": 300, "test_samples": 100, "subset_seed": 0},
    "model": {"name": "resnet9", "options": {"width": 8}}, "method": {"name": "full", "options": {}},
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.05, "momentum": 0.9, "nesterov": true,
        "weight_decay": 0.0005, "label_smoothing": 0.1, "crop_padding": 1, "horizontal_flip": true, "budget": "epochs",
        "schedule": {"kind": "one-cycle", "warmup_fraction": 0.2, "start_factor": 0.04, "final_factor": 0.001},
        "precision": "f32", "evaluate_every": 1},
    "selection": {"selection_period": null, "class_balance": false, "scoring": null}
}"#;

/// How the runs on the two compare.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub(super) network: String,
    pub(super) precision: &'static str,
    pub(super) epochs: u32,
    pub(super) samples: usize,
    pub(super) batch_size: u32,
    /// |on the GPU − on the CPU| / on the CPU of the first epoch's mean loss.
    pub(super) first_loss_error: f64,
    pub(super) first_loss_tolerance: f64,
    /// The largest of all mean losses: of the epochs' training, of the test set, and of the last look at the training set.
    pub(super) loss_error: f64,
    pub(super) loss_tolerance: f64,
    /// The largest |on the GPU − on the CPU| of the accuracies that belong to them.
    pub(super) accuracy_error: f64,
    pub(super) accuracy_tolerance: f64,
    /// ‖on the GPU − on the CPU‖ / ‖on the CPU‖ of the samples' GraNd before training, and after an epoch.
    pub(super) norm_errors: [f64; 2],
    pub(super) norm_tolerances: [f64; 2],
    /// Whether a second run on the GPU gave the same bits.
    pub(super) reproducible: bool,
    /// The CPU's mean losses of the first and the last epoch's training: that it learns.
    pub(super) first_loss: f64,
    pub(super) last_loss: f64,
}

impl Run {
    pub(super) fn is_right(&self) -> bool {
        self.first_loss_error <= self.first_loss_tolerance
            && self.loss_error <= self.loss_tolerance
            && self.accuracy_error <= self.accuracy_tolerance
            && self
                .norm_errors
                .iter()
                .zip(self.norm_tolerances)
                .all(|(error, tolerance)| *error <= tolerance)
            && self.reproducible
            && self.last_loss < self.first_loss
    }
}

/// What is compared of a run.
#[derive(Debug, PartialEq)]
struct Found {
    losses: Vec<f64>,
    accuracies: Vec<f64>,
    /// GraNd before training, and after an epoch.
    norms: [Vec<f32>; 2],
}

/// Makes the run on both. Rounding errors grow along the way, as in `training`: the first epoch is held to what they may do at
/// first, the rest to staying near.
pub(super) fn compare(device: &Device) -> Result<Run> {
    let cell = Cell::from_json(CELL)?;
    let digits = find("digits")?.load(Path::new(""), &Options::new())?;
    let expected = make(&Device::Cpu, &cell, &digits)?;
    let (found, again) = (make(device, &cell, &digits)?, make(device, &cell, &digits)?);
    let losses: Vec<f64> = relative(&expected.losses, &found.losses);
    let accuracies = expected.accuracies.iter().zip(&found.accuracies);
    let accuracies: Vec<f64> = accuracies.map(|(a, b)| (a - b).abs()).collect();
    let norm_error = |epoch: usize| distance(&expected.norms[epoch], &found.norms[epoch]);
    Ok(Run {
        network: format!("{} of width {}", cell.model.name, cell.model.int("width")?),
        precision: cell.training.precision.word(),
        epochs: cell.training.epochs,
        samples: cell.dataset.train_samples.unwrap_or(digits.train.len()),
        batch_size: cell.training.batch_size,
        first_loss_error: losses.first().copied().unwrap_or(f64::NAN),
        first_loss_tolerance: 1e-4,
        loss_error: largest(&losses),
        loss_tolerance: 1e-2,
        accuracy_error: largest(&accuracies),
        accuracy_tolerance: 3e-2,
        norm_errors: [norm_error(0), norm_error(1)],
        norm_tolerances: [1e-4, 1e-2],
        reproducible: found == again,
        first_loss: expected.losses.first().copied().unwrap_or(f64::NAN),
        // Behind it there are the test set's, and that of the last look at the training set.
        last_loss: expected.losses.iter().rev().nth(2).copied().unwrap_or(f64::NAN),
    })
}

fn make(device: &Device, cell: &Cell, digits: &Dataset) -> Result<Found> {
    let record = run_on(device, cell, digits, None, &mut ())?;
    let grand = |epoch: i64| Measurement {
        cell: cell.clone(),
        scorer: Choice {
            name: "grand".to_owned(),
            options: [
                ("epoch".to_owned(), Value::Int(epoch)),
                ("parameters".to_owned(), Value::Text("all".to_owned())),
            ]
            .into(),
        },
    };
    let measured = measure_on(device, &[grand(0), grand(1)], digits, &mut ())?;
    let [before, after] = <[_; 2]>::try_from(measured).map_err(|_| anyhow!("expected two measurements"))?;
    Ok(Found {
        losses: of_epochs(
            &record,
            |epoch| [Some(epoch.train_loss), epoch.test_loss],
            record.train_loss_last,
        ),
        accuracies: of_epochs(
            &record,
            |epoch| [Some(epoch.train_accuracy), epoch.test_accuracy],
            record.train_accuracy_last,
        ),
        norms: [before.scores, after.scores],
    })
}

/// Two numbers of each epoch, and that of the last look at the training set.
fn of_epochs(
    record: &RunRecord,
    numbers: impl Fn(&dynaprune_train::EpochRecord) -> [Option<f64>; 2],
    last: f64,
) -> Vec<f64> {
    let epochs = record
        .epochs
        .iter()
        .flat_map(numbers)
        .map(|number| number.unwrap_or(f64::NAN));
    epochs.chain([last]).collect()
}

fn relative(expected: &[f64], found: &[f64]) -> Vec<f64> {
    expected.iter().zip(found).map(|(a, b)| ((a - b) / a).abs()).collect()
}

fn distance(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() {
        return f64::INFINITY;
    }
    let off: f64 = expected.iter().zip(found).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let size: f64 = expected.iter().map(|a| f64::from(*a).powi(2)).sum();
    (off / size).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself_and_learns() {
        let run = compare(&Device::Cpu).unwrap();
        assert_eq!(
            (run.loss_error, run.accuracy_error, run.norm_errors),
            (0.0, 0.0, [0.0; 2])
        );
        assert!(run.is_right(), "{run:?}");
        let wrong = Run {
            norm_errors: [0.0, f64::NAN],
            ..run
        };
        assert!(!wrong.is_right());
    }
}
