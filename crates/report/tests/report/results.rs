//! `runs.parquet`, `epochs.parquet` and the files of scores: what is written is read back, and every other file is refused
//! with a reason.

use std::fs;
use std::path::Path;

use dynaprune_report::{
    EpochRow, Error, Results, RunRow, RunRows, ScoreFile, ScoreRow, ScoringRunRow, SelectionRow, Stored, TraceRow,
};
use polars::prelude::{DataFrame, NamedFrom as _, ParquetReader, ParquetWriter, SerReader as _, Series};

use crate::made_up;

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
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(
        names(one.folder()).len(),
        4,
        "two files, the lock and the cells: {:?}",
        names(one.folder())
    );
    for run in &runs {
        let cells = [&one, &other].map(|results| fs::read(results.cell_path(&run.run_id)).unwrap());
        assert!(cells[0] == cells[1], "the cells of {} differ", run.run_id);
    }
    assert_eq!(names(&one.folder().join("cells")).len(), runs.len());
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

/// Damage anywhere is an error, or changes nothing that is read, but never a panic.
#[test]
fn damage_to_a_file_is_noticed_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, _) = made_up::laptop(1);
    let results = results(folder.path());
    results.add(&rows(&runs[..2], &[])).unwrap();
    // No cells from which the rows could come.
    fs::remove_dir_all(results.folder().join("cells")).unwrap();
    let whole = fs::read(results.runs_path()).unwrap();
    let expected = results.runs().unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 1000) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(results.runs_path(), bytes).unwrap();
        if let Ok(runs) = results.runs() {
            assert_eq!(runs, expected, "the change of byte {at} was read");
        }
    }
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
    assert!(matches!(error, Error::Columns { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("`: expected columns `score`, `presentations`,"),
        "{error}"
    );
}

#[test]
fn all_columns_that_differ_are_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.parquet");
    ScoreRow::write(&path, &made_up::score_rows(9)).unwrap();
    alter(&path, |frame| {
        frame
            .with_column(Series::new("score".into(), vec![0.5f64; 9]).into())
            .unwrap();
        drop(frame.drop_in_place("label").unwrap());
        drop(frame.drop_in_place("split").unwrap());
    });
    let message = ScoreRow::read(&path).unwrap_err().to_string();
    let expected = "scores.parquet`: expected columns `split`, `label`; expected column `score` to hold float, found double; found \
                    only: dataset, sample, score, scorer";
    assert!(message.contains(expected), "{message}");
    // It has a `spec_hash`: it is one of ours, which has all columns.
    assert_eq!(ScoreFile::read(&path).unwrap_err().to_string(), message);
}

fn column(name: &str, values: impl IntoIterator<Item = i64>) -> Series {
    Series::new(name.into(), values.into_iter().collect::<Vec<_>>())
}

/// The frame of these columns in a file `mine.parquet`.
fn own(columns: Vec<Series>) -> Result<ScoreFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.parquet");
    let height = columns.first().map_or(0, |column| column.len());
    let columns = columns.into_iter().map(Into::into).collect();
    write(&path, DataFrame::new(height, columns).unwrap());
    ScoreFile::read(&path).map_err(|error| error.to_string())
}

#[test]
fn a_table_of_another_program_needs_samples_and_scores_only() {
    let file = own(vec![column("sample", [7, 2, 5]), column("score", [1, 30, 2])]).unwrap();
    let rows: Vec<(u32, f32)> = file.rows.iter().map(|row| (row.sample, row.score)).collect();
    assert_eq!(rows, [(2, 30.0), (5, 2.0), (7, 1.0)]);
    let row = &file.rows[0];
    assert_eq!((row.scorer.as_str(), row.split.as_str()), ("mine", "train"));
    assert!(
        row.scoring_seconds.is_nan() && row.scoring_flops.is_nan(),
        "nobody said"
    );
    assert!(!file.has_labels && !file.names_scorer);

    let said = [
        Series::new("score".into(), [0.5f32, 0.25]),
        Series::new("label".into(), [3u32, 1]),
        Series::new("scorer".into(), ["margin", "margin"]),
        Series::new("scoring_flops".into(), [1.5e9, 1.5e9]),
        Series::new("scoring_seconds".into(), [Some(2.0), None]),
    ];
    let file = own([vec![column("sample", [0, 1])], said.to_vec()].concat());
    let message = file.unwrap_err();
    let expected = "mine.parquet`: expected one value in all rows in column `scoring_seconds`, found another in row 1";
    assert!(message.ends_with(expected), "{message}");
    let file = own([vec![column("sample", [0, 1])], said[..4].to_vec()].concat()).unwrap();
    let row = &file.rows[1];
    assert_eq!(
        (row.scorer.as_str(), row.label, row.scoring_flops),
        ("margin", 1, 1.5e9)
    );
    assert!(file.has_labels && file.names_scorer);
}

#[test]
fn a_table_of_another_program_is_refused_with_a_reason() {
    let message = |columns: Vec<Series>| own(columns).unwrap_err();
    let check = |columns: Vec<Series>, expected: &str| {
        let message = message(columns);
        assert!(message.ends_with(&format!("mine.parquet`: {expected}")), "{message}");
    };
    let (samples, scores) = (|| column("sample", [0, 1]), || column("score", [1, 2]));
    check(
        vec![column("index", [0, 1]), Series::new("score".into(), ["a", "b"])],
        "expected a column `sample`; expected column `score` to hold numbers, found string; found only: index, score",
    );
    check(
        vec![column("index", [0, 1])],
        "expected columns `sample`, `score`; found only: index",
    );
    check(
        vec![Series::new("sample".into(), [0.0, 1.0]), scores()],
        "expected column `sample` to hold integers, found double",
    );
    check(
        vec![column("sample", [0, -1]), scores()],
        "expected numbers that count from 0 in column `sample`, found -1 in row 1",
    );
    check(
        vec![column("sample", [4, 4]), scores()],
        "expected each sample once in column `sample`, found 4 twice",
    );
    check(
        vec![samples(), Series::new("score".into(), [Some(1.0), None])],
        "expected a value in column `score`, found null in row 1",
    );
    check(
        vec![samples(), scores(), column("scoring_flops", [-1, -1])],
        "expected a cost of 0 or more in column `scoring_flops`, found -1",
    );
    check(
        vec![
            samples(),
            scores(),
            Series::new("dataset".into(), ["digits", "cifar10"]),
        ],
        "expected one value in all rows in column `dataset`, found another in row 1",
    );
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

fn one(run: &RunRow, epochs: &[EpochRow]) -> RunRows {
    let of_run = |row: &&EpochRow| row.run_id == run.run_id;
    rows(
        std::slice::from_ref(run),
        &epochs.iter().filter(of_run).cloned().collect::<Vec<_>>(),
    )
}

#[test]
fn a_stored_run_is_read_before_and_after_it_is_collected() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    let results = results(folder.path());
    results.add(&one(&runs[0], &epochs)).unwrap();
    assert_eq!(results.store(&one(&runs[1], &epochs)).unwrap(), Stored::Now);
    assert_eq!(results.store(&one(&runs[1], &epochs)).unwrap(), Stored::Before);
    let before = (results.runs().unwrap(), results.epochs().unwrap());
    assert_eq!((before.0.len(), before.1.len()), (2, 2 * epochs.len() / runs.len()));
    assert_eq!(results.collect().unwrap(), 1);
    assert_eq!(results.collect().unwrap(), 0);
    assert_eq!((results.runs().unwrap(), results.epochs().unwrap()), before);
    fs::remove_dir_all(results.folder().join("cells")).unwrap();
    assert_eq!((results.runs().unwrap(), results.epochs().unwrap()), before);
    // Only a run may be stored as one.
    let error = results.store(&rows(&runs[..2], &[])).unwrap_err();
    assert_eq!(error.to_string(), "expected the rows of one run, found 2");
}

#[test]
fn a_run_that_comes_again_with_other_numbers_is_told_and_the_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    let results = results(folder.path());
    results.store(&one(&runs[0], &epochs)).unwrap();
    let mut again = one(&runs[0], &epochs);
    (again.runs[0].total_seconds, again.runs[0].device) = (1e9, "another".to_owned());
    assert_eq!(
        results.store(&again).unwrap(),
        Stored::Before,
        "when and where do not count"
    );
    again.runs[0].test_accuracy_last = 0.125;
    let Stored::Otherwise(difference) = results.store(&again).unwrap() else {
        panic!("the difference was not seen");
    };
    assert!(difference.contains("test_accuracy_last: 0.125"), "{difference}");
    assert_eq!(results.runs().unwrap(), runs[..1]);
    results.replace(&again).unwrap();
    assert_eq!(results.runs().unwrap(), again.runs);
}

#[test]
fn the_files_are_made_again_from_the_cells_whatever_happened_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let (results, ..) = written(folder.path());
    let paths = [results.runs_path(), results.epochs_path()];
    let whole = paths.each_ref().map(|path| fs::read(path).unwrap());
    for damage in [None, Some(&b"PAR1 not PAR1"[..]), Some(&whole[0][..whole[0].len() / 2])] {
        for path in &paths {
            match damage {
                None => fs::remove_file(path).unwrap(),
                Some(bytes) => fs::write(path, bytes).unwrap(),
            }
        }
        let (runs, damaged) = results.rebuild().unwrap();
        assert!(runs > 0 && damaged.is_empty());
        assert_eq!(paths.each_ref().map(|path| fs::read(path).unwrap()), whole);
    }
    let empty = Results::new(folder.path(), "empty");
    assert!(matches!(empty.rebuild(), Err(Error::NoCells { .. })));
}

#[test]
fn every_damage_to_a_cell_is_noticed_and_the_run_can_be_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    let results = results(folder.path());
    let run = one(&runs[0], &epochs);
    results.store(&run).unwrap();
    let path = results.cell_path(&runs[0].run_id);
    let whole = fs::read(&path).unwrap();
    let mut damages: Vec<Vec<u8>> = [0, 1, 511, 512, 600, whole.len() / 2]
        .map(|length| whole[..length].to_vec())
        .into();
    for place in 0..400 {
        let mut bytes = whole.clone();
        bytes[place * (whole.len() - 1) / 399] ^= 1 << (place % 8);
        damages.push(bytes);
    }
    for bytes in damages {
        fs::write(&path, &bytes).unwrap();
        match results.cell(&runs[0].run_id).unwrap() {
            // Padding between the files of the archive.
            Some(rows) => assert_eq!(rows, run),
            None => {
                assert_eq!(results.damaged().unwrap().len(), 1);
                assert_eq!(results.runs().unwrap(), []);
                assert_eq!(results.store(&run).unwrap(), Stored::Now);
            }
        }
        assert_eq!(results.store(&run).unwrap(), Stored::Before);
        assert_eq!(results.runs().unwrap(), run.runs);
    }
}

#[test]
fn a_cell_with_holes_is_damaged_and_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let results = results(folder.path());
    // A sparse file of 8 GB in an archive of 1,536 bytes.
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::GNUSparse);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize = *b"77777777777\0";
    (gnu.sparse[0].offset, gnu.sparse[0].numbytes) = (*b"77777777777\0", *b"00000000000\0");
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "manifest.json", std::io::empty())
        .unwrap();
    let path = results.cell_path("0123456789abcdef");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, archive.into_inner().unwrap()).unwrap();
    assert_eq!(results.cell("0123456789abcdef").unwrap(), None);
    let damaged = results.damaged().unwrap();
    assert!(
        damaged[0]
            .to_string()
            .ends_with("is damaged: `manifest.json` is no plain file"),
        "{}",
        damaged[0]
    );
}

#[test]
fn results_of_two_machines_are_brought_together_and_conflicts_are_told() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (runs, epochs) = made_up::laptop(1);
    let (ours, theirs) = (results(first.path()), results(second.path()));
    ours.store(&one(&runs[0], &epochs)).unwrap();
    ours.store(&one(&runs[1], &epochs)).unwrap();
    let mut other = one(&runs[1], &epochs);
    other.runs[0].train_loss_last = 9.0;
    theirs.store(&other).unwrap();
    theirs.add(&one(&runs[2], &epochs)).unwrap();
    let (came, conflicts) = ours.take_over(&theirs).unwrap();
    assert_eq!(
        (came, conflicts.len(), conflicts[0].0.as_str()),
        (1, 1, runs[1].run_id.as_str())
    );
    assert!(conflicts[0].1.contains("train_loss_last"), "{}", conflicts[0].1);
    let mut expected = runs[..3].to_vec();
    expected.sort_by_key(|run| run.run_id.clone());
    let mut found = ours.runs().unwrap();
    found.sort_by_key(|run| run.run_id.clone());
    assert_eq!(found, expected);
    let ids = std::collections::BTreeSet::from([runs[0].run_id.as_str(), "0000000000000000"]);
    assert_eq!(ours.remove(&ids).unwrap(), 1);
    assert_eq!(ours.runs().unwrap().len(), 2);
    assert_eq!(ours.epochs().unwrap().len(), 2 * epochs.len() / runs.len());
}

/// Runs that are only in the Parquet files, as those of a repository are, outlive a merge and a rebuild.
#[test]
fn nothing_is_lost_where_there_were_no_cells() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (runs, epochs) = made_up::laptop(1);
    let (ours, theirs) = (results(first.path()), results(second.path()));
    ours.add(&rows(&runs[..2], &one(&runs[0], &epochs).epochs)).unwrap();
    fs::remove_dir_all(ours.folder().join("cells")).unwrap();
    theirs.store(&one(&runs[2], &epochs)).unwrap();
    assert_eq!(ours.take_over(&theirs).unwrap(), (1, Vec::new()));
    fs::remove_file(ours.cell_path(&runs[0].run_id)).unwrap();
    assert_eq!(ours.rebuild().unwrap().0, 3);
    assert_eq!(ours.runs().unwrap().len(), 3);

    // A damaged cell of a run that is nowhere else is set aside and named.
    let path = ours.cell_path(&runs[2].run_id);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..700]).unwrap();
    fs::write(ours.runs_path(), b"PAR1").unwrap();
    let (rebuilt, damaged) = ours.rebuild().unwrap();
    assert_eq!((rebuilt, damaged.len()), (2, 1));
    assert!(damaged[0].to_string().contains(&runs[2].run_id), "{}", damaged[0]);
}

/// The Parquet files have what a cell had that was damaged after it was collected.
#[test]
fn a_damaged_cell_is_stored_again_from_the_parquet_files() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, _) = written(folder.path());
    let paths = [results.runs_path(), results.epochs_path()];
    let whole = paths.each_ref().map(|path| fs::read(path).unwrap());
    let cell = results.cell_path(&runs[0].run_id);
    let bytes = fs::read(&cell).unwrap();
    fs::write(&cell, &bytes[..700]).unwrap();
    let (rebuilt, damaged) = results.rebuild().unwrap();
    assert_eq!((rebuilt, damaged.len()), (runs.len(), 1));
    let text = damaged[0].to_string();
    assert!(text.ends_with(": stored again from the Parquet files"), "{text}");
    assert!(fs::read(&cell).unwrap() == bytes);
    assert!(paths.each_ref().map(|path| fs::read(path).unwrap()) == whole);
    assert_eq!(
        fs::read(cell.with_added_extension("damaged")).unwrap(),
        bytes[..700],
        "what was damaged is kept"
    );
}

/// New runs must not begin a file that has lost those of all others.
#[test]
fn missing_epochs_are_told_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, epochs) = written(folder.path());
    let whole = fs::read(results.epochs_path()).unwrap();
    let mut new = one(&runs[0], &epochs);
    new.runs[0].run_id = "0123456789abcdef".to_owned();
    new.epochs
        .iter_mut()
        .for_each(|row| row.run_id = "0123456789abcdef".to_owned());
    fs::remove_file(results.epochs_path()).unwrap();
    results.store(&new).unwrap();
    for error in [
        results.epochs().unwrap_err(),
        results.prepare().unwrap_err(),
        results.collect().unwrap_err(),
    ] {
        let text = error.to_string();
        let expected = format!("expected the epochs of {} runs in `runs.parquet`", runs.len());
        assert!(
            text.contains("epochs.parquet` is damaged: ") && text.contains(&expected),
            "{text}"
        );
        assert!(text.contains("hint: `cargo xtask runs rebuild`"), "{text}");
    }
    assert!(!results.epochs_path().exists());
    results
        .remove(&std::collections::BTreeSet::from(["0123456789abcdef"]))
        .unwrap();
    results.rebuild().unwrap();
    assert!(fs::read(results.epochs_path()).unwrap() == whole);
}

#[test]
fn kept_sets_that_the_parquet_files_have_lost_come_back_from_the_cells() {
    let folder = tempfile::tempdir().unwrap();
    let (results, runs, epochs) = written(folder.path());
    let set = |run: &RunRow| SelectionRow {
        run_id: run.run_id.clone(),
        epoch: 1,
        train_samples: 20,
        kept_samples: 2,
        selected: SelectionRow::bits(&[0, 19], 20),
        ..SelectionRow::default()
    };
    for run in &runs[..2] {
        let rows = RunRows {
            selections: vec![set(run)],
            ..one(run, &epochs)
        };
        results.replace(&rows).unwrap();
    }
    results.collect().unwrap();
    let read = || {
        (
            results.runs().unwrap(),
            results.epochs().unwrap(),
            results.selections().unwrap(),
        )
    };
    let whole = read();
    assert_eq!(whole.2.len(), 2);
    fs::remove_file(results.selections_path()).unwrap();
    assert!(results.with_selections().unwrap().is_empty());
    // The third has none that could be lost.
    let ids = runs[..3].iter().map(|run| run.run_id.as_str()).collect();
    results.uncollect(&ids).unwrap();
    assert_eq!(read(), whole);
    assert_eq!(results.collect().unwrap(), 2);
    assert_eq!(read(), whole);
    results.uncollect(&ids).unwrap();
    assert_eq!(results.collect().unwrap(), 0, "all is there");
}

/// As a crash leaves it between the files when a run is removed, or as files come together that were not written together.
#[test]
fn rows_of_a_run_that_is_not_there_go_when_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    let results = results(folder.path());
    results.add(&one(&runs[0], &epochs)).unwrap();
    results.add(&one(&runs[1], &epochs)).unwrap();
    let before = fs::read(results.epochs_path()).unwrap();
    let removed = std::collections::BTreeSet::from([runs[1].run_id.as_str()]);
    assert_eq!(results.remove(&removed).unwrap(), 1);
    fs::write(results.epochs_path(), before).unwrap();
    assert_eq!(results.remove(&removed).unwrap(), 0);
    let left = results.epochs().unwrap();
    assert!(left.iter().all(|row| row.run_id == runs[0].run_id) && !left.is_empty());
}

/// As a crash leaves it between the files when a run is replaced.
#[test]
fn a_run_that_is_half_replaced_has_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    let results = results(folder.path());
    results.add(&one(&runs[0], &epochs)).unwrap();
    results.add(&one(&runs[1], &epochs)).unwrap();
    let epochs_before = fs::read(results.epochs_path()).unwrap();
    let mut again = one(&runs[0], &epochs);
    again.runs[0].train_loss_last = 7.0;
    results.replace(&again).unwrap();
    // The runs are rewritten first; the epochs are as they were.
    fs::write(results.epochs_path(), epochs_before).unwrap();
    assert_eq!(results.epochs().unwrap().len(), 2 * epochs.len() / runs.len());
    results.collect().unwrap();
    assert_eq!(results.run(&runs[0].run_id).unwrap().unwrap(), again);
    assert_eq!(results.epochs().unwrap().len(), 2 * epochs.len() / runs.len());
}

#[test]
fn many_that_store_and_collect_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, epochs) = made_up::laptop(1);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (runs, epochs, results) = (&runs, &epochs, results(folder.path()));
            scope.spawn(move || {
                for run in runs.iter().skip(worker).step_by(4) {
                    results.store(&one(run, epochs)).unwrap();
                    results.collect().unwrap();
                }
            });
        }
    });
    let results = results(folder.path());
    fs::remove_dir_all(results.folder().join("cells")).unwrap();
    assert_eq!(
        (results.runs().unwrap().len(), results.epochs().unwrap().len()),
        (runs.len(), epochs.len())
    );
}
