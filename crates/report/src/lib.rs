//! Results of runs, and what is made of them: Parquet files, statistics, plots and gallery pages.
//!
//! [`Results`] keeps runs, epochs, kept sets and traced samples ([`RunRow`], [`EpochRow`], [`SelectionRow`], [`TraceRow`]) in
//! four Parquet files a profile;
//! [`ScoreRow`] and [`ScoringRunRow`] are the rows of score tables and of the runs they are made from;
//! [`FigureInput::write`] makes a picture and its page from the rows, [`AgreementInput::write`] from how far scores agree;
//! [`gallery`] makes the pages over them; [`statistics`] says how sure a mean is.
//! `docs/formats.md` describes the files.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

// The made-up results of the tests name this crate as its users do.
#[cfg(test)]
extern crate self as dynaprune_report;

mod atomic;
mod error;
pub mod figures;
pub mod gallery;
#[cfg(test)]
#[path = "../tests/made_up/mod.rs"]
mod made_up;
mod plot;
mod published;
pub mod results;
pub mod statistics;

pub use error::Error;
pub use figures::{
    AgreementFiles, AgreementInput, FIGURES, FigureFiles, FigureInput, FigureKind, History, Planned, Published,
    Rendered, SampleImage, ScoreColumn, Setting, StaticRanking,
};
pub use results::{EpochRow, Results, RunRow, RunRows, ScoreRow, ScoringRunRow, SelectionRow, TraceRow};
