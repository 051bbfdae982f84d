//! The results of a profile: a row a run in `runs.parquet`, a row a run and epoch in `epochs.parquet`.

mod columns;
mod parquet;
mod rows;
mod store;

pub use columns::ColumnInfo;
pub use rows::{EpochRow, RunRow};
pub use store::Results;
