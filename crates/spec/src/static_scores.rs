//! Scores made before training, which `static` methods rank samples by.

use crate::cell::{Cell, DatasetSpec, RunId};
use crate::choice::{Choice, Value};
use crate::error::{Error, Result};
use crate::training::{Budget, Selection, Training};
use serde::{Deserialize, Serialize};

/// The seed of the first scoring run. Training runs have seeds below it, so no network is trained on what it scored itself.
const FIRST_SEED: u64 = 1000;

/// Options that only say how the measurements of scoring runs are put together.
const COMBINING: [&str; 2] = ["runs", "never_learned"];

/// Where the scores of a `static` method come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StaticScores {
    /// A scorer with all its options: its scores are made by scoring runs of the same protocol.
    Scorer(Choice),
    /// A table of scores that is there already.
    Table(TableId),
    /// How many epochs a run trained on each sample: the run of a dynamic method at the same pruned fraction, with the same
    /// seed.
    SelectionCounts {
        /// That run.
        of: Box<Cell>,
    },
}

/// A table of scores, told by what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableId {
    /// The BLAKE3 hash of the file, hexadecimal.
    pub hash: String,
    /// What legends call it; no part of what identifies a run, and so not of its JSON.
    #[serde(skip)]
    pub label: String,
}

/// A scorer as a spec names it; what the profile decides may still be open.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorer {
    /// Its name and the options that are known.
    pub choice: Choice,
    /// The options that the profile decides, each with its key in the profile's table `[scoring]`.
    pub open: Vec<(String, String)>,
}

/// A score table, completely described: everything that its numbers depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSpec {
    /// The profile it belongs to.
    pub profile: String,
    /// The data; only training samples are scored, so nothing of the test samples is in it.
    pub dataset: DatasetSpec,
    /// The network.
    pub model: Choice,
    /// The training protocol of the scoring runs.
    pub training: Training,
    /// The scorer with all its options.
    pub scorer: Choice,
}

/// What one scoring run tells of every sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The training run, on full data, that is watched.
    pub cell: Cell,
    /// The scorer, without the options that only say how runs are put together.
    pub scorer: Choice,
}

impl ScoreSpec {
    /// The scores that a cell's method needs of its own scoring runs, if it needs any.
    #[must_use]
    pub fn of(cell: &Cell) -> Option<Self> {
        let Some(StaticScores::Scorer(scorer)) = &cell.selection.static_scores else {
            return None;
        };
        let (profile, dataset, model) = (cell.profile.clone(), cell.dataset.clone(), cell.model.clone());
        Some(Self::new(profile, dataset, model, &cell.training, scorer.clone()))
    }

    pub(crate) fn new(
        profile: String,
        dataset: DatasetSpec,
        model: Choice,
        training: &Training,
        scorer: Choice,
    ) -> Self {
        // What changes no score is made equal, so that it makes no other table.
        let dataset = DatasetSpec {
            test_samples: None,
            ..dataset
        };
        let training = Training {
            budget: Budget::Epochs,
            evaluate_every: training.epochs,
            ..training.clone()
        };
        Self {
            profile,
            dataset,
            model,
            training,
            scorer,
        }
    }

    /// The table's name: the first 16 hexadecimal digits of the BLAKE3 hash of its JSON.
    #[must_use]
    pub fn id(&self) -> RunId {
        RunId::of(&self.to_json())
    }

    /// The canonical JSON: fixed order of fields, no white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`ScoreSpec::to_json`] wrote.
    ///
    /// # Errors
    /// If it is not the JSON of a score table.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| Error::Json(e.to_string()))
    }

    /// Scoring runs, at least 1.
    #[must_use]
    pub fn runs(&self) -> u32 {
        match self.scorer.options.get("runs") {
            Some(Value::Int(runs)) => u32::try_from(*runs).unwrap_or(1).max(1),
            _ => 1,
        }
    }

    /// What each scoring run measures, in order. Run r of every scorer of the same protocol has the same training run, so
    /// that scorers can share it.
    #[must_use]
    pub fn measurements(&self) -> Vec<Measurement> {
        let mut scorer = self.scorer.clone();
        scorer.options.retain(|name, _| !COMBINING.contains(&name.as_str()));
        let of = |run| Measurement {
            cell: self.cell(FIRST_SEED + u64::from(run)),
            scorer: scorer.clone(),
        };
        (0..self.runs()).map(of).collect()
    }

    fn cell(&self, seed: u64) -> Cell {
        Cell {
            profile: self.profile.clone(),
            dataset: self.dataset.clone(),
            model: self.model.clone(),
            method: Choice {
                name: "full".to_owned(),
                options: Default::default(),
            },
            pruned_fraction: 0.0,
            seed,
            training: self.training.clone(),
            selection: Selection {
                selection_period: None,
                class_balance: false,
                scoring: None,
                static_scores: None,
            },
        }
    }
}

impl Measurement {
    /// Its name: the first 16 hexadecimal digits of the BLAKE3 hash of its JSON.
    #[must_use]
    pub fn id(&self) -> RunId {
        RunId::of(&self.to_json())
    }

    /// The canonical JSON: fixed order of fields, no white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
