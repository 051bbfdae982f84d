//! Rows to files and back, and figures, tables and pages from them.

mod figures;
mod formats;
mod history;
mod made_up;
mod results;
mod settings;
mod tables;

use std::fs;

use dynaprune_report::FigureFiles;

/// Asserts that all files of two figures have the same bytes.
fn assert_same_bytes(one: &FigureFiles, other: &FigureFiles) {
    for (one, other) in [
        (one.png.as_ref().unwrap(), other.png.as_ref().unwrap()),
        (one.svg.as_ref().unwrap(), other.svg.as_ref().unwrap()),
        (&one.parquet, &other.parquet),
        (&one.csv, &other.csv),
        (&one.page, &other.page),
    ] {
        let same = fs::read(one).unwrap() == fs::read(other).unwrap();
        assert!(same, "{} differs", one.display());
    }
}
