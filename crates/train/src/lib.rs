//! The training loop under data pruning: rounds, epochs, evaluation, schedules, and where the time
//! went.
//!
//! [`run`] takes a checked cell and a data set and gives a [`RunRecord`]. One sample's way: its u8
//! pixels are normalised and augmented into a batch (`dynaprune-datasets`), the network's forward
//! pass tells its loss (`dynaprune-models`), the loss is observed by the selector
//! (`dynaprune-selectors`), and the selector says whether the next epochs train on it.
//!
//! [`measure`] makes scoring runs: training on full data that scorers watch.
//!
//! What is charged to whom: a pass that scores every sample is *scoring*; updating statistics of
//! such a pass is part of it; choosing K samples is *selection*; batches, forward, backward and
//! optimiser steps are *training*; the test set and the last look at the training set are
//! *evaluation*; building the network and reporting progress are *other*.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod engine;
mod error;
mod history;
mod pruning;
mod record;
mod run;
pub mod schedule;
mod scoring;

pub use error::{Error, Result};
pub use history::{KeptSet, ScoreSummary, Trace, traced_positions};
pub use record::{EpochRecord, RunRecord, Watch};
pub use run::{Scores, run, training_samples};
pub use scoring::{Measured, epochs_watched, measure, own_passes};
