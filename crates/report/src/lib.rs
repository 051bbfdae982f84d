//! Results of runs, and what is made of them: Parquet files, statistics, plots and gallery pages.
//!
//! [`Results`] keeps every finished run as a file of its own, a cell, and collects runs, epochs, kept sets and traced samples
//! ([`RunRow`], [`EpochRow`], [`SelectionRow`], [`TraceRow`]) in four Parquet files a profile;
//! [`ScoreRow`] and [`ScoringRunRow`] are the rows of score tables and of the runs they are made from, [`ScoreFile`] reads
//! score tables of other programs too;
//! [`FigureInput::write`] makes a picture and its page from the rows, [`AgreementInput::render`] from how far scores agree;
//! [`gallery`] makes the pages over them; [`statistics`] says how sure a mean is.
//! `docs/formats.md` describes the files.
//!
//! ```
//! use dynaprune_report::{Results, RunRow, RunRows, statistics::Summary};
//!
//! # let folder = std::env::temp_dir().join(format!("dynaprune-report-{}", std::process::id()));
//! // The accuracies of three seeds, as any program may keep them beside ours.
//! let run = |seed: u64, accuracy: f64| RunRow {
//!     run_id: format!("{seed:016x}"), profile: "mine".into(), dataset: "digits".into(), model: "cnn".into(),
//!     method: "ucb".into(), method_label: "ucb".into(), pruned_fraction: 0.7, seed,
//!     test_accuracy_last: accuracy, test_accuracy_best: accuracy,
//!     // and the other columns
//!     ..RunRow::default()
//! };
//! let results = Results::new(&folder, "mine");
//! let runs = vec![run(0, 0.74), run(1, 0.72), run(2, 0.76)];
//! results.add(&RunRows { runs, ..RunRows::default() })?;
//!
//! // From `mine/runs.parquet`, which pandas, polars and DuckDB read too.
//! let accuracies: Vec<f64> = results.runs()?.iter().map(|run| run.test_accuracy_last).collect();
//! let summary = Summary::of(&accuracies).ok_or("no run")?;
//! assert_eq!((summary.n, (100.0 * summary.mean).round()), (3, 74.0));
//! assert!(summary.half_width.is_some_and(|half_width| half_width > 0.04));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

// The made-up results of the tests name this crate as its users do.
#[cfg(test)]
extern crate self as dynaprune_report;

pub mod csv;
mod error;
pub mod figures;
mod files;
pub mod gallery;
#[cfg(test)]
#[path = "../tests/report/made_up/mod.rs"]
mod made_up;
mod plot;
mod published;
pub mod results;
pub mod statistics;

pub use error::Error;
pub use figures::{
    Agreement, AgreementInput, FIGURES, FigureFiles, FigureInput, FigureKind, History, Planned, Published, Rendered,
    SampleImage, ScoreColumn, Setting, StaticSet,
};
pub use results::{
    EpochRow, Results, RunRow, RunRows, ScoreFile, ScoreRow, ScoringRunRow, SelectionRow, Stored, TraceRow,
};
