//! `docs/formats.md` describes the files as they are.

use std::fs;
use std::path::Path;

use dynaprune_report::results::ColumnInfo;
use dynaprune_report::{EpochRow, RunRow, ScoreRow, ScoringRunRow, SelectionRow, TraceRow};

use crate::made_up;

fn documentation() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn every_column_is_documented_in_its_place() {
    let text = documentation();
    for (heading, columns) in [
        ("runs.parquet", RunRow::COLUMNS),
        ("epochs.parquet", EpochRow::COLUMNS),
        ("selections.parquet", SelectionRow::COLUMNS),
        ("traces.parquet", TraceRow::COLUMNS),
        ("scores/*.parquet", ScoreRow::COLUMNS),
        ("scores/runs/*.parquet", ScoringRunRow::COLUMNS),
    ] {
        let (_, section) = text.split_once(&format!("\n## `{heading}`")).unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = columns.iter().map(|ColumnInfo { name, kind, nullable }| {
            format!("| `{name}` | {kind}{} |", if *nullable { ", null" } else { "" })
        });
        assert_eq!(rows.len(), columns.len(), "{heading}");
        for (row, start) in rows.iter().zip(expected) {
            assert!(row.starts_with(&start), "expected `{start}`, found `{row}`");
        }
    }
}

#[test]
fn the_columns_of_the_agreement_are_documented() {
    let scores = made_up::scores(&made_up::SCORES[..2]);
    let folder = tempfile::tempdir().unwrap();
    let files = made_up::agreement(&scores, &[0.5])
        .render(&folder.path().join("agreement"))
        .and_then(|agreement| agreement.write())
        .unwrap();
    let csv = fs::read_to_string(files.csv).unwrap();
    let columns: Vec<String> = csv
        .lines()
        .next()
        .unwrap()
        .split(',')
        .map(|name| format!("`{name}`"))
        .collect();
    let row = format!("| agreement of scores | {}", columns.join(", "));
    assert!(documentation().contains(&row), "`{row}` is not in docs/formats.md");
}
