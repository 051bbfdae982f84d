//! Experiment specs: TOML to checked types, cells and their ids.
//!
//! A [`Recipe`] says which figure is drawn from which grid of runs, a [`Profile`] at which scale; the
//! two together give [`Cell`]s. A cell holds everything that the numbers of one run depend on, and
//! its [`RunId`] is a hash of that, so a result is found again whoever asks for it.
//!
//! What the names in a spec may be is not known here: a [`Catalog`], filled from the registries of
//! the other crates, is passed in. Every mistake is shown in its place:
//!
//! ```text
//! unknown method `ubc`, expected one of: `full`, `random-static`, `ucb`
//!  --> fig1.toml:7:12
//!   |
//! 7 | methods = ["ubc"]
//!   |            ^^^^^
//!
//! hint: did you mean `ucb`?
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod catalog;
mod cell;
mod changes;
mod choice;
mod error;
mod profile;
mod recipe;
mod static_scores;
mod table;
mod training;

pub use catalog::{Catalog, DatasetEntry, Entry, MethodEntry, OptionKind, OptionSpec};
pub use cell::{Cell, DatasetSpec, FULL_SHORT, RunId, kept};
pub use changes::SelectionChanges;
pub use choice::{Choice, Value};
pub use error::{Error, Place, Result};
pub use profile::{Profile, ScoringRuns};
pub use recipe::{Method, MethodScores, Recipe};
pub use static_scores::{Measurement, ScoreSpec, Scorer, StaticScores, TableId};
pub use training::{Budget, FirstRound, Precision, Schedule, Score, ScoreSource, Scoring, Selection, Training};
