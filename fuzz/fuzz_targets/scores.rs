//! `ScoreRow::read` and `ScoringRunRow::read`: tables of scores, Parquet.
#![no_main]

use std::fs;

use dynaprune_fuzz::{let_panics_be_caught, scratch};
use dynaprune_report::{ScoreRow, ScoringRunRow};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: let_panics_be_caught(), |bytes: &[u8]| {
    let folder = scratch();
    let path = folder.path().join("scores.parquet");
    fs::write(&path, bytes).expect("room for the input");

    // What was read and written again is read as the same.
    let again = folder.path().join("again.parquet");
    if let Ok(rows) = ScoreRow::read(&path) {
        ScoreRow::write(&again, &rows).expect("rows that were read can be written");
        let there = ScoreRow::read(&again).expect("rows that were written can be read");
        assert_eq!(format!("{rows:?}"), format!("{there:?}"));
    }
    if let Ok(rows) = ScoringRunRow::read(&path) {
        ScoringRunRow::write(&again, &rows).expect("rows that were read can be written");
        let there = ScoringRunRow::read(&again).expect("rows that were written can be read");
        assert_eq!(format!("{rows:?}"), format!("{there:?}"));
    }
});
