//! Whether two folders of results say the same.

use anyhow::{Result, bail};
use dynaprune_report::{EpochRow, Results, RunRow, ScoreRow};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

/// Compares all rows of a profile in both folders, bit by bit, but for the columns that say when and where they were made. Returns
/// the number of runs.
///
/// # Errors
/// If a file cannot be read, or a row differs; the message names it.
pub(super) fn same(one: &Path, other: &Path, profile: &str) -> Result<usize> {
    let both = [one, other].map(|folder| Results::new(folder, profile));
    let [runs, other_runs] = both.each_ref().map(Results::runs);
    let (runs, other_runs) = (runs?, other_runs?);
    rows("runs", runs.iter().map(run), other_runs.iter().map(run))?;
    let [epochs, other_epochs] = both.each_ref().map(Results::epochs);
    rows(
        "epochs",
        epochs?.into_iter().map(epoch),
        other_epochs?.into_iter().map(epoch),
    )?;
    let [selections, other_selections] = both.each_ref().map(Results::selections);
    rows("selections", selections?, other_selections?)?;
    let [traces, other_traces] = both.each_ref().map(Results::traces);
    rows("traces", traces?, other_traces?)?;

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
    if runs.is_empty() {
        bail!("runs: expected some, found none");
    }
    Ok(runs.len())
}

fn run(row: &RunRow) -> RunRow {
    RunRow {
        device: String::new(),
        threads: 0,
        code_version: String::new(),
        started_at: String::new(),
        scoring_seconds: 0.0,
        selection_seconds: 0.0,
        training_seconds: 0.0,
        evaluation_seconds: 0.0,
        other_seconds: 0.0,
        total_seconds: 0.0,
        ..row.clone()
    }
}

fn epoch(row: EpochRow) -> EpochRow {
    EpochRow {
        scoring_seconds: 0.0,
        selection_seconds: 0.0,
        training_seconds: 0.0,
        evaluation_seconds: 0.0,
        other_seconds: 0.0,
        ..row
    }
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
