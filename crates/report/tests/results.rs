//! `runs.parquet`, `epochs.parquet` and the files of scores: what is written is read back, and every other file is refused
//! with a reason.

mod made_up;

use std::fs;
use std::path::Path;

use dynaprune_report::{EpochRow, Error, Results, RunRow, RunRows, ScoreRow, ScoringRunRow, SelectionRow, TraceRow};
use polars::prelude::{DataFrame, NamedFrom as _, ParquetReader, ParquetWriter, SerReader as _, Series};

fn results(folder: &Path) -> Results {
    Results::new(folder, "laptop")
}

fn write(path: &Path, mut frame: DataFrame) {
    ParquetWriter::new(fs::File::create(path).unwrap())
        .finish(&mut frame)
        .unwrap();
}

fn read(path: &Path) -> DataFrame {
    ParquetReader::new(fs::File::open(path).unwrap()).finish().unwrap()
}

/// Applies a change to the frame in a file that was written by this crate.
fn alter(path: &Path, change: impl FnOnce(&mut DataFrame)) {
    let mut frame = read(path);
    change(&mut frame);
    write(path, frame);
}

fn rows(runs: &[RunRow], epochs: &[EpochRow]) -> RunRows {
    RunRows {
        runs: runs.to_vec(),
        epochs: epochs.to_vec(),
        ..RunRows::default()
    }
}

fn written(folder: &Path) -> (Results, Vec<RunRow>, Vec<EpochRow>) {
    let (runs, epochs) = made_up::laptop(2);
    let results = results(folder);
    results.add(&rows(&runs, &epochs)).unwrap();
    (results, runs, epochs)
}

#[test]
fn a_profile_without_files_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(results(folder.path()).runs().unwrap(), []);
    assert_eq!(results(folder.path()).epochs().unwrap(), []);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn rows_come_back_as_written_and_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let (results, mut runs, mut epochs) = written(folder.path());
    runs.sort_by(|a, b| {
        (&a.dataset, &a.method)
            .cmp(&(&b.dataset, &b.method))
            .then(a.pruned_fraction.total_cmp(&b.pruned_fraction))
            .then(a.seed.cmp(&b.seed))
    });
    epochs.sort_by(|a, b| (&a.run_id, a.epoch).cmp(&(&b.run_id, b.epoch)));
    assert_eq!(results.runs().unwrap(), runs);
    assert_eq!(results.epochs().unwrap(), epochs);
}

#[test]
fn the_bytes_depend_on_the_rows_alone() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, mut runs, epochs) = written(first.path());
    runs.reverse();
    let other = results(second.path());
    for run in &runs {
        let its_epochs: Vec<EpochRow> = epochs
            .iter()
            .filter(|row| row.run_id == run.run_id)
            .rev()
            .cloned()
            .collect();
        other.add(&rows(std::slice::from_ref(run), &its_epochs)).unwrap();
    }
    assert_eq!(fs::read(one.runs_path()).unwrap(), fs::read(other.runs_path()).unwrap());
    assert_eq!(
        fs::read(one.epochs_path()).unwrap(),
        fs::read(other.epochs_path()).unwrap()
    );
    let names: Vec<_> = fs::read_dir(one.runs_path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "temporary files were left: {names:?}");
}

#[test]
fn a_run_is_replaced_with_all_its_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, epochs) = written(folder.path());
    let run = RunRow {
        test_accuracy_last: 0.125,
        epochs: 1,
        ..runs[3].clone()
    };
    let epoch = EpochRow {
        run_id: run.run_id.clone(),
        test_accuracy: None,
        ..epochs[0].clone()
    };
    results
        .add(&rows(std::slice::from_ref(&run), std::slice::from_ref(&epoch)))
        .unwrap();

    let now = results.runs().unwrap();
    assert_eq!(now.len(), runs.len());
    assert_eq!(now.iter().find(|row| row.run_id == run.run_id), Some(&run));
    let its_epochs: Vec<EpochRow> = results
        .epochs()
        .unwrap()
        .into_iter()
        .filter(|row| row.run_id == run.run_id)
        .collect();
    assert_eq!(its_epochs, [epoch]);
}

#[test]
fn not_a_number_and_infinity_survive() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, _) = made_up::laptop(1);
    let run = RunRow {
        train_loss_last: f64::NAN,
        test_accuracy_best: f64::INFINITY,
        diverged: true,
        ..runs[0].clone()
    };
    results(folder.path()).add(&rows(&[run], &[])).unwrap();
    let back = &results(folder.path()).runs().unwrap()[0];
    assert!(back.train_loss_last.is_nan() && back.test_accuracy_best == f64::INFINITY && back.diverged);
}

#[test]
fn a_missing_column_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (results, ..) = written(folder.path());
    alter(&results.runs_path(), |frame| drop(frame.drop_in_place("seed").unwrap()));
    let error = results.runs().unwrap_err();
    assert!(matches!(error, Error::MissingColumn { column: "seed", .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("runs.parquet`: expected a column `seed`, found only: run_id, profile"),
        "{message}"
    );
}

#[test]
fn a_missing_nullable_column_reads_as_null() {
    let folder = tempfile::tempdir().unwrap();
    let (results, ..) = written(folder.path());
    alter(&results.epochs_path(), |frame| {
        drop(frame.drop_in_place("test_loss").unwrap())
    });
    assert!(results.epochs().unwrap().iter().all(|row| row.test_loss.is_none()));
}

#[test]
fn another_type_is_named_with_the_expected_one() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, _) = written(folder.path());
    alter(&results.runs_path(), |frame| {
        frame
            .with_column(Series::new("seed".into(), vec!["zero"; runs.len()]).into())
            .unwrap();
    });
    let message = results.runs().unwrap_err().to_string();
    assert!(
        message.ends_with("runs.parquet`: expected column `seed` to hold uint64, found string"),
        "{message}"
    );
}

#[test]
fn a_null_is_named_with_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, _) = written(folder.path());
    alter(&results.runs_path(), |frame| {
        let values: Vec<Option<f64>> = (0..runs.len()).map(|row| (row != 4).then_some(0.5)).collect();
        frame
            .with_column(Series::new("test_accuracy_last".into(), values).into())
            .unwrap();
    });
    let message = results.runs().unwrap_err().to_string();
    assert!(
        message.ends_with("expected a value in column `test_accuracy_last`, found null in row 4"),
        "{message}"
    );
}

#[test]
fn an_unknown_column_is_ignored_by_reading_but_never_lost_by_adding() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, epochs) = written(folder.path());
    alter(&results.runs_path(), |frame| {
        frame
            .with_column(Series::new("energy_joules".into(), vec![1.0; runs.len()]).into())
            .unwrap();
    });
    assert_eq!(results.runs().unwrap().len(), runs.len());
    let before = fs::read(results.runs_path()).unwrap();
    let error = results.add(&rows(&runs[..1], &epochs[..1])).unwrap_err();
    assert!(
        matches!(&error, Error::UnknownColumns { columns, .. } if columns == "energy_joules"),
        "{error}"
    );
    assert_eq!(fs::read(results.runs_path()).unwrap(), before);
}

#[test]
fn files_that_are_not_parquet_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (results, ..) = written(folder.path());
    let whole = fs::read(results.runs_path()).unwrap();
    for (bytes, what) in [
        (&[][..], "empty"),
        (b"run_id,seed\n1,2\n", "csv"),
        (&whole[..whole.len() / 2], "cut off"),
    ] {
        fs::write(results.runs_path(), bytes).unwrap();
        let error = results.runs().unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
        assert!(
            results.add(&RunRows::default()).is_err(),
            "{what}: a damaged file was overwritten"
        );
    }
}

/// Damage anywhere is an error, or harmless, but never a panic.
#[test]
fn a_damaged_file_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, _) = made_up::laptop(1);
    let results = results(folder.path());
    results.add(&rows(&runs[..2], &[])).unwrap();
    let whole = fs::read(results.runs_path()).unwrap();
    let mut refused = 0;
    let tried = (0..whole.len()).step_by(whole.len() / 500);
    for at in tried.clone() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(results.runs_path(), bytes).unwrap();
        refused += usize::from(results.runs().is_err());
    }
    assert!(
        refused > tried.len() / 3,
        "only {refused} of {} damages were noticed",
        tried.len()
    );
}

#[test]
fn scores_come_back_as_written_with_infinity() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("laptop/scores");
    let (table, run) = (folder.join("a.parquet"), folder.join("runs/b.parquet"));
    let (scores, measured) = (made_up::score_rows(50), made_up::scoring_run_rows(50));
    ScoreRow::write(&table, &scores).unwrap();
    ScoringRunRow::write(&run, &measured).unwrap();
    assert_eq!(ScoreRow::read(&table).unwrap(), scores);
    assert_eq!(ScoringRunRow::read(&run).unwrap(), measured);
    assert_eq!(scores[7].score, f32::INFINITY);

    let before = fs::read(&table).unwrap();
    ScoreRow::write(&table, &scores).unwrap();
    assert_eq!(fs::read(&table).unwrap(), before);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "temporary files were left");
}

/// What a table repeats in every row takes no room: 6,000 scores and samples of 4 bytes are 48 kB.
#[test]
fn a_score_table_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    ScoreRow::write(&path, &made_up::score_rows(6_000)).unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 100_000, "{size} bytes");
    assert_eq!(ScoreRow::read(&path).unwrap().len(), 6_000);
}

#[test]
fn files_of_scores_that_differ_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    let message = || ScoreRow::read(&path).unwrap_err().to_string();
    assert!(message().starts_with("cannot read `"), "{}", message());

    ScoreRow::write(&path, &made_up::score_rows(9)).unwrap();
    alter(&path, |frame| {
        frame
            .with_column(Series::new("score".into(), vec![0.5f64; 9]).into())
            .unwrap();
    });
    assert!(
        message().ends_with("scores.parquet`: expected column `score` to hold float, found double"),
        "{}",
        message()
    );
    alter(&path, |frame| drop(frame.drop_in_place("score").unwrap()));
    let start = "scores.parquet`: expected a column `score`, found only: dataset, split, sample, label, scorer";
    assert!(message().contains(start), "{}", message());
    let error = ScoringRunRow::read(&path).unwrap_err();
    assert!(matches!(error, Error::MissingColumn { column: "score", .. }), "{error}");
}

#[test]
fn kept_sets_and_traces_come_back_and_go_with_their_run() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, _) = written(folder.path());
    assert!(results.selections().unwrap().is_empty() && results.traces().unwrap().is_empty());
    let set = |run: &RunRow, epoch: u32, positions: &[u32], score: Option<f64>| SelectionRow {
        run_id: run.run_id.clone(),
        epoch,
        train_samples: 20,
        kept_samples: positions.len() as u32,
        selected: SelectionRow::bits(positions, 20),
        score_mean: score,
        score_std: score,
        score_min: score,
        score_median: score,
        score_max: score,
    };
    let trace = |run: &RunRow, position: u32, epochs: &[u32]| TraceRow {
        run_id: run.run_id.clone(),
        position,
        sample: 2 * position,
        label: 3,
        epochs: epochs.to_vec(),
        scores: epochs.iter().map(|&epoch| epoch as f32 / 3.0).collect(),
    };
    let mut selections = vec![
        set(&runs[0], 1, &[0, 19], None),
        set(&runs[0], 6, &[1, 7, 8], Some(0.25)),
        set(&runs[1], 1, &[], None),
    ];
    let mut traces = vec![
        trace(&runs[0], 4, &[6, 11]),
        trace(&runs[0], 5, &[]),
        trace(&runs[1], 4, &[6]),
    ];
    let new = RunRows {
        runs: runs[..2].to_vec(),
        // Backwards, to be sorted.
        selections: selections.iter().rev().cloned().collect(),
        traces: traces.iter().rev().cloned().collect(),
        ..RunRows::default()
    };
    results.add(&new).unwrap();
    let by_run = |a: &String, b: &String| a.cmp(b);
    selections.sort_by(|a, b| by_run(&a.run_id, &b.run_id));
    traces.sort_by(|a, b| by_run(&a.run_id, &b.run_id));
    assert_eq!(results.selections().unwrap(), selections);
    assert_eq!(results.traces().unwrap(), traces);

    // A run that is made again without them leaves none of its old ones behind.
    results.add(&rows(&runs[..1], &[])).unwrap();
    let left = |run_id: &String| *run_id == runs[1].run_id;
    assert!(results.selections().unwrap().iter().all(|row| left(&row.run_id)));
    assert_eq!(results.traces().unwrap().len(), 1);
}
