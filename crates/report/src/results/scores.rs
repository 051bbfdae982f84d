use std::fs;
use std::path::Path;

use super::columns::{Row, rows};
use super::{ColumnInfo, parquet};
use crate::Error;

rows! {
    /// The score of a sample: a row of a score table, `<results>/<profile>/scores/*.parquet`.
    ///
    /// A table holds the scores of one scorer for all samples that a run of the profile may train on, sorted by `sample`.
    /// Everything but `sample`, `label` and `score` is the same in every row: a row alone says where its score is from.
    pub struct ScoreRow {
        /// The data set's registered name.
        pub dataset: String,
        /// Its split, `train`.
        pub split: String,
        /// The sample's index in the whole split, from 0; a reduced data set has some of them.
        pub sample: u32,
        /// The sample's class, from 0.
        pub label: u32,
        /// The score, larger for a sample that is worth more; may be infinite, never NaN.
        pub score: f32,
        /// The scorer's registered name.
        pub scorer: String,
        /// The variant of the scorer: the options that say how it counts, or empty.
        pub variant: String,
        /// Scoring runs that the score is made from; 0 for a score that needs no training.
        pub runs: u32,
        /// Epochs of training before the measurement; 0 for the initial network or none.
        pub epoch: u32,
        /// The registered name of the network that was trained for the score.
        pub model: String,
        /// The profile whose protocol the scoring runs follow.
        pub profile: String,
        /// The table's identity: 16 hexadecimal digits, a hash of `spec`.
        pub spec_hash: String,
        /// The hash over all bytes of the data set, hexadecimal.
        pub dataset_checksum: String,
        /// Seconds of all scoring runs together: training and passes over the samples, as if no other scorer had shared
        /// them; NaN if they were not kept.
        pub scoring_seconds: f64,
        /// Floating-point operations of all scoring runs together, likewise.
        pub scoring_flops: f64,
        /// The device that made the scoring runs; several are separated by semicolons.
        pub device: String,
        /// CPU threads used; 0 if scoring runs differ in it.
        pub threads: u32,
        /// The version of the code that made the scoring runs; several are separated by semicolons.
        pub code_version: String,
        /// When it was made, UTC, ISO 8601: `2026-01-31T12:00:00Z`.
        pub made_at: String,
        /// The checked spec of the table as canonical JSON.
        pub spec: String,
    }
}

rows! {
    /// What one scoring run measured for a sample: a row of `<results>/<profile>/scores/runs/*.parquet`.
    ///
    /// Scoring runs are kept so that a table that was interrupted goes on with the next run. From `dataset_checksum` on, all columns
    /// are the same in every row.
    pub struct ScoringRunRow {
        /// The sample's index in the whole split, from 0; a reduced data set has some of them.
        pub sample: u32,
        /// What the scorer measured in this run; for `forget` the number of forgetting events.
        pub score: f32,
        /// How often the sample was presented, for scorers that count it; else 0.
        pub presentations: u32,
        /// Whether the sample was ever classified correctly when presented, for scorers that count it; else true.
        pub learned: bool,
        /// The hash over all bytes of the data set, hexadecimal.
        pub dataset_checksum: String,
        /// Seconds of the run: training and this scorer's passes over the samples; NaN if they were not kept.
        pub seconds: f64,
        /// Floating-point operations of the run, likewise.
        pub flops: f64,
        /// The device that ran it.
        pub device: String,
        /// CPU threads used.
        pub threads: u32,
        /// The version of the code that ran it.
        pub code_version: String,
        /// When it was made, UTC, ISO 8601: `2026-01-31T12:00:00Z`.
        pub made_at: String,
        /// What was measured, as canonical JSON.
        pub spec: String,
    }
}

macro_rules! file {
    ($Row:ident) => {
        impl $Row {
            /// The columns of the file, in their order.
            pub const COLUMNS: &'static [ColumnInfo] = <Self as Row>::COLUMNS;

            /// The rows of a file.
            ///
            /// # Errors
            /// If the file cannot be read, is damaged, or lacks a column or holds another type in it.
            pub fn read(path: &Path) -> Result<Vec<Self>, Error> {
                Ok(parquet::read(path)?.rows)
            }

            /// Replaces the file atomically and makes its folder if needed. The same rows give the same bytes.
            ///
            /// # Errors
            /// If the folder or the file cannot be written.
            pub fn write(path: &Path, rows: &[Self]) -> Result<(), Error> {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(Error::write(folder))?;
                }
                parquet::write(path, rows)
            }
        }
    };
}

file!(ScoreRow);
file!(ScoringRunRow);
