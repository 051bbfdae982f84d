//! What a run leaves besides its row and its epochs: kept sets, traced samples; and what they are compared with.

use crate::{SelectionRow, TraceRow};

/// What figures on the samples themselves read.
///
/// A position is a sample's place in the training set of the runs, from 0, the same in all runs on the same data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Rows of `selections.parquet`; those of runs that were not planned are ignored.
    pub selections: Vec<SelectionRow>,
    /// Rows of `traces.parquet`; those of runs that were not planned are ignored.
    pub traces: Vec<TraceRow>,
    /// What methods that choose once keep, for kept sets to be compared with.
    pub static_sets: Vec<StaticSet>,
    /// The traced samples as pictures.
    pub images: Vec<SampleImage>,
}

/// The samples that a run keeps by a score made before training.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticSet {
    /// The data set's registered name.
    pub dataset: String,
    /// As in legends: `el2n@10`.
    pub label: String,
    /// The share of the samples that the run leaves out.
    pub pruned_fraction: f64,
    /// The run's seed, which decides between equal scores.
    pub seed: u64,
    /// The number of samples that it chose from.
    pub train_samples: u32,
    /// The positions kept.
    pub selected: Vec<u32>,
}

/// A training image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleImage {
    /// The data set's registered name.
    pub dataset: String,
    /// Its position in the training set.
    pub position: u32,
    /// Its class, in words.
    pub class: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: u32,
    /// Row by row from the top, the channels of a pixel together.
    pub pixels: Vec<u8>,
}
