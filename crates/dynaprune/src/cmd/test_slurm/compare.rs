//! Whether two folders of results say the same.

use anyhow::{Result, bail};
use dynaprune_report::{Results, RunRows, ScoreRow};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

/// Compares all rows of a profile in both folders, bit by bit, but for the columns that say when and where they were made. Returns
/// the number of runs.
///
/// # Errors
/// If a file cannot be read, or a row differs; the message names it.
pub(super) fn same(one: &Path, other: &Path, profile: &str) -> Result<usize> {
    let all = |folder: &Path| -> Result<RunRows> {
        let results = Results::new(folder, profile);
        Ok(RunRows {
            runs: results.runs()?,
            epochs: results.epochs()?,
            selections: results.selections()?,
            traces: results.traces()?,
        })
    };
    let (runs, other_runs) = (all(one)?, all(other)?);
    if let Some(difference) = runs.difference(&other_runs) {
        bail!("runs: {difference}");
    }

    let tables = |folder: &Path| -> BTreeSet<String> {
        let entries = folder
            .join(profile)
            .join("scores")
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".parquet")).collect()
    };
    let names = tables(one);
    rows("score tables", names.clone(), tables(other))?;
    for name in &names {
        let table = |folder: &Path| ScoreRow::read(&folder.join(profile).join("scores").join(name));
        let (table, other_table) = (table(one)?, table(other)?);
        rows(name, table.iter().map(score), other_table.iter().map(score))?;
    }
    if runs.runs.is_empty() {
        bail!("runs: expected some, found none");
    }
    Ok(runs.runs.len())
}

fn score(row: &ScoreRow) -> ScoreRow {
    ScoreRow {
        scoring_seconds: 0.0,
        device: String::new(),
        threads: 0,
        code_version: String::new(),
        made_at: String::new(),
        ..row.clone()
    }
}

/// Compares rows as they are printed: numbers are printed so that they can be told apart from all others, and NaN is NaN.
fn rows<T: Debug>(what: &str, one: impl IntoIterator<Item = T>, other: impl IntoIterator<Item = T>) -> Result<()> {
    let lines = |rows: Vec<T>| -> Vec<String> { rows.iter().map(|row| format!("{row:?}")).collect() };
    let one = lines(one.into_iter().collect());
    let other = lines(other.into_iter().collect());
    if one.len() != other.len() {
        bail!("{what}: expected {} rows, found {}", one.len(), other.len());
    }
    match one.iter().zip(&other).position(|(one, other)| one != other) {
        Some(at) => bail!("{what}, row {at}: expected\n{}\nfound\n{}", one[at], other[at]),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_are_the_same_bit_by_bit() {
        assert!(rows("x", [f64::NAN, 0.1], [f64::NAN, 0.1]).is_ok());
        assert!(rows("x", [0.1], [0.1 + f64::EPSILON / 16.0]).is_err());
        let error = rows("x", [0.0], [-0.0]).unwrap_err().to_string();
        assert_eq!(error, "x, row 0: expected\n0.0\nfound\n-0.0");
        let error = rows("x", [1], []).unwrap_err().to_string();
        assert_eq!(error, "x: expected 1 rows, found 0");
    }
}
