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
//!
//! # From two texts to a run
//! ```
//! use dynaprune_spec::{Catalog, DatasetEntry, Entry, FigureEntry, MethodEntry, OptionKind, OptionSpec, Profile, Recipe};
//!
//! let entry = |name: &str| Entry { name: name.to_owned(), options: Vec::new() };
//! let c = OptionKind::Float { default: 1.0, min: 0.0, max: 10.0 };
//! let c = OptionSpec { name: "c".to_owned(), kind: c, only_with: None };
//! let ucb = Entry { options: vec![c], ..entry("ucb") };
//! let catalog = Catalog {
//!     datasets: vec![DatasetEntry { entry: entry("digits"), train_samples: Some(1437), test_samples: Some(360) }],
//!     models: vec![entry("cnn")],
//!     methods: vec![MethodEntry { entry: ucb, pruned: true, scored: true, averages: true, static_scores: false, rounds: |_| true }],
//!     scorers: Vec::new(),
//!     figures: vec![FigureEntry { name: "accuracy-vs-fraction".to_owned(), axes: 0 }],
//! };
//!
//! let folder = std::env::temp_dir().join(format!("dynaprune-spec-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let (recipe, profile) = (folder.join("mine.toml"), folder.join("small.toml"));
//! std::fs::write(&recipe, r#"
//!     title = "Two weights of the bonus"
//!     claim = "c matters"
//!     how_to_read = "higher is better"
//!     figure = "accuracy-vs-fraction"
//!     datasets = ["digits"]
//!     methods = [{ name = "ucb", c = [0.5, 1] }]
//!     pruned_fractions = [0.7]
//! "#)?;
//! std::fs::write(&profile, r#"
//!     summary = "a few epochs"
//!     seeds = 2
//!     model = "cnn"
//!     training = { epochs = 4, batch_size = 32, learning_rate = 0.1, schedule = { kind = "constant" } }
//!     selection = { selection_period = 2 }
//! "#)?;
//! let (recipe, profile) = (Recipe::load(&recipe, &catalog)?, Profile::load(&profile, &catalog)?);
//! let cells = recipe.cells(&profile, None, &|_| Err("no tables of scores here".to_owned()))?;
//! // Two methods, one fraction, two seeds.
//! assert_eq!(cells.len(), 4);
//! assert_eq!(cells[0].label(), "digits ucb s=0.7 seed 0");
//! assert_eq!(cells[0].kept(1437), 431);
//! assert_ne!(cells[0].id(), cells[1].id());
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`recipe_schema`] and [`profile_schema`] make JSON Schemas of the same catalog, for editors.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod catalog;
mod cell;
mod changes;
mod choice;
mod error;
mod profile;
mod recipe;
mod schema;
mod static_scores;
mod table;
mod training;

pub use catalog::{Catalog, DatasetEntry, Entry, FigureEntry, MethodEntry, OptionKind, OptionSpec};
pub use cell::{Cell, DatasetSpec, FULL_SHORT, RunId, kept};
pub use changes::SelectionChanges;
pub use choice::{Choice, Value};
pub use error::{Error, Place, Result};
pub use profile::{Profile, ScoringRuns};
pub use recipe::{Method, MethodScores, Recipe};
pub use schema::{profile_schema, recipe_schema};
pub use static_scores::{Measurement, ScoreSpec, Scorer, StaticScores, TableId};
pub use training::{Budget, FirstRound, Precision, Schedule, Score, ScoreSource, Scoring, Selection, Training};
