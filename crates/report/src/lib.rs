//! Results of runs, and what is made of them: Parquet files, statistics, plots and gallery pages.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod atomic;
mod error;
pub mod figures;
mod plot;
pub mod results;
pub mod statistics;

pub use error::Error;
pub use figures::{FIGURES, FigureFiles, FigureInput, FigureKind, Planned};
pub use results::{EpochRow, Results, RunRow};
