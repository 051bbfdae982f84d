//! Epochs of the profiles' networks on this GPU: how long they take, beside PyTorch, and what pruning really saves.

use super::peer::{self, Peer};
use crate::machine::Compute;
use anyhow::Result;
use dynaprune_datasets::{Dataset, Images};
use dynaprune_random::{Purpose, Stream};
use dynaprune_spec::{
    Budget, Cell, Choice, DatasetSpec, FirstRound, Precision, Schedule, Score, ScoreSource, Scoring, Selection,
    Training, Value,
};
use dynaprune_train::{EpochRecord, RunRecord, run_on};
use serde::Serialize;
use std::collections::BTreeMap;

const PIXELS: Purpose = Purpose::new("cuda-check pixels");

/// The size of CIFAR-10, with images of noise: their content costs nothing.
const TRAIN: usize = 50_000;
const TEST: usize = 1_000;
const CLASSES: u32 = 10;

/// Epochs of a timed run; the first is not counted.
const EPOCHS: u32 = 5;
const PERIOD: u32 = 2;

/// What epochs take, in seconds: medians without the first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Speed {
    pub(super) network: String,
    pub(super) batch_size: u32,
    pub(super) precision: &'static str,
    pub(super) samples: usize,
    /// An epoch of training on all samples.
    pub(super) full: f64,
    /// An epoch of training on half of them, chosen anew every other epoch.
    pub(super) half: f64,
    /// The share of such epochs of all but training: selection, and what is recorded.
    pub(super) bookkeeping: f64,
    /// As `half`, with `ucb`: without its passes that score all samples.
    pub(super) ucb: f64,
    /// The shares of its epochs that these passes take, with the averages that are kept of them, and all else but training.
    pub(super) ucb_scoring: f64,
    pub(super) ucb_bookkeeping: f64,
    /// (full − half) / (full / 2): 1 if half the samples take half the time.
    pub(super) realised: f64,
    /// Floating-point operations a second of the full epoch.
    pub(super) flops_per_second: f64,
    pub(super) peers: Vec<Peer>,
}

/// A network that is timed, with the width and the batches that its profile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Network {
    /// The paper's: width 64, batches of 128
    Resnet18,
    /// That of the profile `fast`: width 32, batches of 512
    Resnet9,
}

impl Network {
    pub(super) const ALL: [Self; 2] = [Self::Resnet18, Self::Resnet9];

    /// Its name, its width and the size of its batches.
    const fn parts(self) -> (&'static str, i64, u32) {
        match self {
            Self::Resnet18 => ("resnet18", 64, 128),
            Self::Resnet9 => ("resnet9", 32, 512),
        }
    }
}

/// Times a network in bf16; the paper's with PyTorch, if there is one.
pub(super) fn measure(compute: &Compute, network: Network, python: Option<&str>) -> Result<Speed> {
    let dataset = noise(TRAIN, TEST);
    let (name, width, _) = network.parts();
    let full = timed(compute, &cell(network, "full", 0.0), &dataset)?;
    let half = timed(compute, &cell(network, "random-dynamic", 0.5), &dataset)?;
    let ucb = timed(compute, &cell(network, "ucb", 0.5), &dataset)?;
    let of = |record: &RunRecord, seconds: fn(&EpochRecord) -> f64| {
        let mut all: Vec<f64> = record.epochs.iter().skip(1).map(seconds).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let (full_seconds, half_seconds) = (of(&full, |e| e.training_seconds), of(&half, |e| e.training_seconds));
    let sum = |record: &RunRecord, seconds: fn(&EpochRecord) -> f64| -> f64 {
        record.epochs.iter().skip(1).map(seconds).sum()
    };
    let share = |record: &RunRecord, seconds: fn(&EpochRecord) -> f64| {
        let all = |e: &EpochRecord| e.scoring_seconds + e.selection_seconds + e.training_seconds + e.other_seconds;
        sum(record, seconds) / sum(record, all)
    };
    let bookkeeping = |e: &EpochRecord| e.selection_seconds + e.other_seconds;
    let cell = cell(network, "full", 0.0);
    let peers = match python {
        Some(python) if network == Network::Resnet18 => peer::measure(python, cell.training.batch_size),
        _ => Vec::new(),
    };
    Ok(Speed {
        network: format!("{name} of width {width}"),
        batch_size: cell.training.batch_size,
        precision: cell.training.precision.word(),
        samples: TRAIN,
        full: full_seconds,
        half: half_seconds,
        bookkeeping: share(&half, bookkeeping),
        ucb: of(&ucb, |e| e.training_seconds),
        ucb_scoring: share(&ucb, |e| e.scoring_seconds),
        ucb_bookkeeping: share(&ucb, bookkeeping),
        realised: (full_seconds - half_seconds) / (full_seconds / 2.0),
        flops_per_second: full.training_flops / f64::from(EPOCHS) / full_seconds,
        peers,
    })
}

fn timed(compute: &Compute, cell: &Cell, dataset: &Dataset) -> Result<RunRecord> {
    Ok(run_on(&compute.device, cell, dataset, None, &mut ())?)
}

fn cell(network: Network, method: &str, pruned_fraction: f64) -> Cell {
    let (name, width, batch_size) = network.parts();
    let options = BTreeMap::from([("width".to_owned(), Value::Int(width))]);
    let is_dynamic = pruned_fraction > 0.0;
    let is_scored = method == "ucb";
    let method_options = match is_scored {
        true => BTreeMap::from([
            ("c".to_owned(), Value::Float(1.0)),
            ("first_variance".to_owned(), Value::Text("zero".to_owned())),
        ]),
        false => BTreeMap::new(),
    };
    Cell {
        profile: "cuda-check".to_owned(),
        dataset: DatasetSpec {
            name: "noise".to_owned(),
            options: BTreeMap::new(),
            train_samples: None,
            test_samples: None,
            subset_seed: 0,
        },
        model: Choice {
            name: name.to_owned(),
            options,
        },
        method: Choice {
            name: method.to_owned(),
            options: method_options,
        },
        pruned_fraction,
        seed: 0,
        training: Training {
            epochs: EPOCHS,
            batch_size,
            learning_rate: 0.01,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            schedule: Schedule::Constant,
            crop_padding: 4,
            horizontal_flip: true,
            budget: Budget::Epochs,
            precision: Precision::Bf16,
            evaluate_every: EPOCHS,
        },
        selection: Selection {
            selection_period: is_dynamic.then_some(PERIOD),
            class_balance: false,
            // A pass over all samples before each choice, as profiles have it.
            scoring: is_scored.then_some(Scoring {
                score: Score::Loss,
                score_source: ScoreSource::ForwardPass,
                first_round: FirstRound::Random,
                ema_weight: 0.8,
            }),
            static_scores: None,
        },
    }
}

fn noise(train: usize, test: usize) -> Dataset {
    let images = |count: usize, step: u64| {
        let mut stream = Stream::new(0, PIXELS, step);
        let words = count * 32 * 32 * 3 / 8;
        let pixels = (0..words).flat_map(|_| stream.next_u64().to_le_bytes()).collect();
        let labels = (0..count).map(|_| stream.below(CLASSES) as u16).collect();
        Images {
            height: 32,
            width: 32,
            channels: 3,
            pixels,
            labels,
        }
    };
    Dataset {
        name: "noise".to_owned(),
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        train: images(train, 0),
        test: images(test, 1),
        checksum: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Compute;

    #[test]
    fn what_is_timed_can_be_run() {
        let dataset = noise(12, 4);
        for network in Network::ALL {
            for (method, pruned_fraction) in [("full", 0.0), ("random-dynamic", 0.5), ("ucb", 0.5)] {
                let mut cell = cell(network, method, pruned_fraction);
                // The CPU has no bf16, and a narrow network does.
                cell.training.precision = Precision::F32;
                cell.model.options.insert("width".to_owned(), Value::Int(1));
                let record = timed(&Compute::cpu(), &cell, &dataset).unwrap();
                assert_eq!(record.epochs.len(), EPOCHS as usize, "{method}");
                assert_eq!(
                    record.epochs[0].samples,
                    if pruned_fraction > 0.0 { 6 } else { 12 },
                    "{method}"
                );
                assert_eq!(record.scoring_flops > 0.0, method == "ucb", "{method}");
            }
        }
    }
}
