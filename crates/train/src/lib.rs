//! The training loop under data pruning: rounds, epochs, evaluation, schedules, and where the time
//! went.
//!
//! [`run`] takes a checked cell and a data set and gives a [`RunRecord`]. One sample's way: its u8
//! pixels are normalised and augmented into a batch (`dynaprune-datasets`), the network's forward
//! pass tells its loss (`dynaprune-models`), the loss is observed by the selector
//! (`dynaprune-selectors`), and the selector says whether the next epochs train on it.
//!
//! ```
//! use dynaprune_datasets::{Options, find};
//! use dynaprune_spec::Cell;
//! use dynaprune_train::run;
//!
//! // A cell usually comes from a recipe and a profile; this is one as it is stored with its result.
//! let cell = Cell::from_json(r#"{
//!     "profile": "example", "seed": 0, "pruned_fraction": 0.7,
//!     "dataset": {"name": "digits", "options": {}, "train_samples": 200, "test_samples": 100, "subset_seed": 0},
//!     "model": {"name": "cnn", "options": {"width": 4}},
//!     "method": {"name": "ucb", "options": {"c": 1.0, "first_variance": "zero"}},
//!     "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.05, "momentum": 0.9, "nesterov": true,
//!         "weight_decay": 0.0005, "label_smoothing": 0.0, "schedule": {"kind": "constant"}, "crop_padding": 1,
//!         "horizontal_flip": false, "budget": "epochs", "precision": "f32", "evaluate_every": 6},
//!     "selection": {"selection_period": 2, "class_balance": false, "scoring": {"score": "loss",
//!         "score_source": "forward-pass", "first_round": "random", "ema_weight": 0.8}}
//! }"#)?;
//! let digits = find("digits")?.load("data".as_ref(), &Options::new())?;
//! let record = run(&cell, &digits, None, &mut ())?;
//! assert_eq!((record.kept, record.samples_seen), (60, 360));
//! // A selection every two epochs, each with 60 of the 200 samples.
//! let epochs: Vec<u32> = record.kept_sets.iter().map(|set| set.epoch).collect();
//! assert_eq!(epochs, [1, 3, 5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`measure`] makes scoring runs: training on full data that scorers watch.
//!
//! What is charged to whom: a pass that scores every sample is *scoring*; updating statistics of
//! such a pass is part of it; choosing K samples is *selection*; batches, forward, backward and
//! optimiser steps are *training*; the test set and the last look at the training set are
//! *evaluation*; building the network and reporting progress are *other*.
//!
//! A loop of one's own needs none of this crate: `examples/own_loop.rs` takes the selectors into plain candle
//! (`cargo run --release --example own_loop`).
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod checkpoint;
mod engine;
mod error;
mod history;
mod pruning;
mod record;
mod run;
mod schedule;
mod scoring;
mod snapshot;

pub use error::{Error, Result};
pub use history::{KeptSet, ScoreSummary, Trace, traced_positions};
pub use record::{EpochRecord, RunRecord, Watch};
pub use run::{Scores, check, run, run_on, training_samples};
pub use scoring::{Measured, epochs_watched, measure, measure_on, own_passes};
pub use snapshot::{Array, Snapshot};
