//! One run, completely described.

use crate::choice::{Choice, Value};
use crate::error::{Error, Result};
use crate::training::{Budget, Selection, Training};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run: everything that its numbers depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The profile it belongs to.
    pub profile: String,
    /// The data.
    pub dataset: DatasetSpec,
    /// The network.
    pub model: Choice,
    /// The method of choosing samples.
    pub method: Choice,
    /// Share of the training samples removed, s, in [0, 1).
    pub pruned_fraction: f64,
    /// The seed of everything random, but for the choice of the subset of the data.
    pub seed: u64,
    /// The training protocol.
    pub training: Training,
    /// How samples are selected.
    pub selection: Selection,
}

/// The data of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The data set's name.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, Value>,
    /// N, if not all training samples: a class-balanced, seeded subset.
    pub train_samples: Option<usize>,
    /// Test samples, if not all: likewise.
    pub test_samples: Option<usize>,
    /// The seed of both subsets; the same for all runs, so that they share their data.
    pub subset_seed: u64,
}

/// The name of a cell, a score table or a measurement: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The name of what this canonical JSON describes.
    #[must_use]
    pub fn of(json: &str) -> Self {
        Self(blake3::hash(json.as_bytes()).to_hex()[..16].to_owned())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Cell {
    /// The cell's name: the first 16 hexadecimal digits of the BLAKE3 hash of its JSON. It does not
    /// depend on how the spec was written (comments, order of keys, defaults spelled out).
    #[must_use]
    pub fn id(&self) -> RunId {
        RunId::of(&self.to_json())
    }

    /// The canonical JSON: fixed order of fields, no white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with text keys and finite numbers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Cell::to_json`] wrote.
    ///
    /// # Errors
    /// If it is not the JSON of a cell.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| Error::Json(e.to_string()))
    }

    /// Whether it is the control [`FULL_SHORT`]: full data, as many steps as a run at its pruned fraction.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.method.name == FULL_SHORT
    }

    /// The samples of `samples` that an epoch trains on: K, see [`kept`]; all of them for [`FULL_SHORT`].
    #[must_use]
    pub fn kept(&self, samples: usize) -> usize {
        match self.is_shortened() {
            true => samples,
            false => kept(samples, self.pruned_fraction),
        }
    }

    /// The optimiser steps of the whole run, if they are held fixed and not the epochs: those of full data under the budget
    /// `steps`; those of a run that keeps K samples for [`FULL_SHORT`].
    #[must_use]
    pub fn fixed_steps(&self, samples: usize) -> Option<u64> {
        let steps = |samples: usize| samples.div_ceil(self.training.batch_size.max(1) as usize) as u64;
        let epochs = u64::from(self.training.epochs);
        match (self.training.budget, self.is_shortened()) {
            (Budget::Steps, _) => Some(epochs * steps(samples)),
            (Budget::Epochs, true) => Some(epochs * steps(kept(samples, self.pruned_fraction))),
            (Budget::Epochs, false) => None,
        }
    }

    /// What a person would call it: `cifar10 ucb s=0.7 seed 0`.
    #[must_use]
    pub fn label(&self) -> String {
        format!(
            "{} {} s={} seed {}",
            self.dataset.name, self.method.name, self.pruned_fraction, self.seed
        )
    }
}

/// The method that is a control of all others: full data on a schedule shortened to the steps of a run that is pruned.
pub const FULL_SHORT: &str = "full-short";

/// K, the samples kept of `samples` when the share `pruned_fraction` is removed: (1 - s) N, rounded
/// half away from zero.
#[must_use]
pub fn kept(samples: usize, pruned_fraction: f64) -> usize {
    // 0.7 * 10 is 7.000000000000001 in binary: the product s * N is nearer to what was meant.
    let removed = pruned_fraction * samples as f64;
    ((samples as f64 - removed) + 1e-9).round() as usize
}
