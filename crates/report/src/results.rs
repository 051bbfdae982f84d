//! The results of a profile: a row a run in `runs.parquet`, a row a run and epoch in `epochs.parquet`, a row a kept set in
//! `selections.parquet`, a row a traced sample and round in `traces.parquet`, a row a sample in each table of scores.

mod cells;
mod columns;
pub(crate) mod parquet;
mod rows;
mod score_file;
mod scores;
mod selections;
mod store;

pub use cells::Stored;
pub use columns::ColumnInfo;
pub use rows::{EpochRow, RunRow};
pub use score_file::ScoreFile;
pub use scores::{ScoreRow, ScoringRunRow};
pub use selections::{SelectionRow, TraceRow};
pub use store::{Results, RunRows};
