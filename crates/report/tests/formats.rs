//! `docs/formats.md` describes the files as they are.

use std::fs;
use std::path::Path;

use dynaprune_report::results::ColumnInfo;
use dynaprune_report::{EpochRow, RunRow};

#[test]
fn every_column_is_documented_in_its_place() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let text = fs::read_to_string(path).unwrap();
    let (before, epochs) = text.split_once("\n## `epochs.parquet`").unwrap();
    let (_, runs) = before.split_once("\n## `runs.parquet`").unwrap();
    let (epochs, _) = epochs.split_once("\n## ").unwrap();
    for (section, columns) in [(runs, RunRow::COLUMNS), (epochs, EpochRow::COLUMNS)] {
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = columns.iter().map(|ColumnInfo { name, kind, nullable }| {
            format!("| `{name}` | {kind}{} |", if *nullable { ", null" } else { "" })
        });
        assert_eq!(rows.len(), columns.len());
        for (row, start) in rows.iter().zip(expected) {
            assert!(row.starts_with(&start), "expected `{start}`, found `{row}`");
        }
    }
}
