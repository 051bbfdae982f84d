//! The results of a profile: a row a run in `runs.parquet`, a row a run and epoch in `epochs.parquet`, a row a sample in
//! each table of scores.

mod columns;
mod parquet;
mod rows;
mod scores;
mod store;

pub use columns::ColumnInfo;
pub use rows::{EpochRow, RunRow};
pub use scores::{ScoreRow, ScoringRunRow};
pub use store::Results;
