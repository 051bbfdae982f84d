//! Runs that are stopped anywhere and go on from their checkpoints.

use crate::digits;
use dynaprune_spec::{Cell, Measurement, ScoreSpec};
use dynaprune_train::checkpoint::Checkpoints;
use dynaprune_train::{EpochRecord, Error, Measured, RunRecord, Scores, Snapshot, Watch, measure, run};
use std::cell::Cell as Counter;
use std::fs;
use std::path::{Path, PathBuf};

const TRAINING: &str = r#""training":{"epochs":4,"batch_size":32,"learning_rate":0.1,"momentum":0.9,"nesterov":true,
    "weight_decay":0.0005,"label_smoothing":0.1,"schedule":{"kind":"cosine","warmup_epochs":0,"final_factor":0.0},"crop_padding":1,
    "horizontal_flip":true,"budget":"BUDGET","precision":"f32","evaluate_every":2}"#;

const DATA: &str = r#""profile":"test","dataset":{"name":"digits","options":{},"train_samples":150,"test_samples":70,
    "subset_seed":0},"model":{"name":"cnn","options":{"width":2}}"#;

/// A cell of a method with its options as JSON; `scoring` is its score source, if it has scores.
fn cell(method: &str, options: &str, scoring: Option<&str>, budget: &str) -> Cell {
    let training = TRAINING.replace("BUDGET", budget);
    let (period, scoring) = match scoring {
        Some(source) => (
            "2",
            format!(r#"{{"score":"loss","score_source":"{source}","first_round":"random","ema_weight":0.8}}"#),
        ),
        None => ("null", "null".to_owned()),
    };
    let fraction = if method == "full" { 0.0 } else { 0.6 };
    let json = format!(
        r#"{{{DATA},"method":{{"name":"{method}","options":{options}}},"pruned_fraction":{fraction:?},"seed":3,{training},
        "selection":{{"selection_period":{period},"class_balance":false,"scoring":{scoring}}}}}"#
    );
    Cell::from_json(&json).unwrap()
}

/// Keeps checkpoints, and stops a run when it has been asked `patience` times.
struct Stopping {
    checkpoints: Checkpoints,
    asked: Counter<u32>,
    patience: u32,
    every_epoch: bool,
    /// Checkpoints still to be asked for.
    fresh: bool,
    epochs: Vec<u32>,
    damaged: Vec<String>,
}

impl Stopping {
    fn new(folder: &Path, patience: u32) -> Self {
        Self {
            checkpoints: Checkpoints::new(folder.to_owned(), "a run".to_owned()),
            asked: Counter::new(0),
            patience,
            every_epoch: true,
            fresh: true,
            epochs: Vec::new(),
            damaged: Vec::new(),
        }
    }
}

impl Watch for Stopping {
    fn epoch_finished(&mut self, record: &EpochRecord, _: u32) {
        self.epochs.push(record.epoch);
    }

    fn saved(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.fresh) {
            self.checkpoints.refuse();
        }
        let damaged = &mut self.damaged;
        Some(
            self.checkpoints
                .newest(|error| damaged.push(error.to_string()))?
                .snapshot,
        )
    }

    fn refused(&mut self, error: &Error) {
        self.damaged.push(error.to_string());
    }

    fn keeps(&mut self, _: u32) -> bool {
        self.every_epoch
    }

    fn keep(&mut self, snapshot: Snapshot) {
        self.checkpoints.keep(&snapshot, "note").unwrap();
    }

    fn stops(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.patience
    }
}

/// A record without its seconds.
fn timeless(mut record: RunRecord) -> RunRecord {
    let clear = |epoch: &mut EpochRecord| {
        epoch.scoring_seconds = 0.0;
        epoch.selection_seconds = 0.0;
        epoch.training_seconds = 0.0;
        epoch.evaluation_seconds = 0.0;
        epoch.other_seconds = 0.0;
    };
    record.epochs.iter_mut().for_each(clear);
    record.scoring_seconds = 0.0;
    record.selection_seconds = 0.0;
    record.training_seconds = 0.0;
    record.evaluation_seconds = 0.0;
    record.other_seconds = 0.0;
    record.total_seconds = 0.0;
    record
}

/// Runs `go` until it is not stopped any more; also gives the number of stops and the epochs that were told of.
fn through_stops<R>(
    folder: &Path,
    patience: u32,
    mut go: impl FnMut(&mut Stopping) -> Result<R, Error>,
) -> (R, u32, Vec<u32>) {
    let (mut stops, mut epochs) = (0, Vec::new());
    loop {
        let mut watch = Stopping::new(folder, patience);
        let result = go(&mut watch);
        assert!(watch.damaged.is_empty(), "{:?}", watch.damaged);
        epochs.extend(watch.epochs);
        match result {
            Ok(result) => return (result, stops, epochs),
            Err(Error::Stopped { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// In passes of at most five batches every stop leads a little on.
#[test]
fn a_stopped_run_is_bit_equal_to_one_that_was_not() {
    let digits = digits();
    let ucb1 = r#"{"c":1.0}"#;
    let ucb = r#"{"c":1.0,"first_variance":"zero"}"#;
    let epsilon = r#"{"epsilon":0.1}"#;
    let uncertainty = "{}";
    let cases = [
        ("full", "{}", None, "epochs"),
        ("random-dynamic", "{}", None, "steps"),
        ("random-static", "{}", None, "epochs"),
        ("uncertainty", uncertainty, Some("training"), "epochs"),
        ("epsilon-greedy", epsilon, Some("forward-pass"), "epochs"),
        ("ucb", ucb, Some("forward-pass"), "steps"),
        ("ucb1", ucb1, Some("forward-pass"), "epochs"),
        ("static", "{}", None, "epochs"),
    ];
    for (method, options, scoring, budget) in cases {
        let cell = cell(method, options, scoring, budget);
        let table: Vec<f32> = (0..150).map(|i| (i * 37 % 150) as f32).collect();
        let scores = Scores {
            scores: &table,
            seconds: 1.0,
            flops: 5.0,
        };
        let scores = (method == "static").then_some(&scores);
        let whole = timeless(run(&cell, &digits, scores, &mut ()).unwrap());
        for patience in [5, 7, 11] {
            let folder = tempfile::tempdir().unwrap();
            let (record, stops, epochs) =
                through_stops(folder.path(), patience, |watch| run(&cell, &digits, scores, watch));
            assert_eq!(timeless(record), whole, "{method}, stopped {stops} times");
            let expected: Vec<u32> = (1..=whole.epochs.len() as u32).collect();
            assert_eq!(epochs, expected, "{method}: every epoch ends once");
            assert!(stops >= 1, "{method} was never stopped");
            let files = folder.path().read_dir().unwrap().count();
            assert!(
                files <= 4,
                "{method}: the last two checkpoints are kept, found {files} files"
            );
        }
    }
}

#[test]
fn a_stopped_scoring_run_measures_the_same() {
    let digits = digits();
    let training = TRAINING.replace("BUDGET", "epochs");
    let scorers = [
        r#"{"name":"forget","options":{"counted_on":"training","never_learned":"infinity","runs":1}}"#,
        r#"{"name":"forget","options":{"counted_on":"clean-pass","never_learned":"infinity","runs":1}}"#,
        r#"{"name":"el2n","options":{"measured":"checkpoint","epoch":2,"runs":1}}"#,
        r#"{"name":"el2n","options":{"measured":"training","from_epoch":2,"epoch":3,"runs":1}}"#,
        r#"{"name":"grand","options":{"parameters":"all","epoch":0,"runs":1}}"#,
        r#"{"name":"grand","options":{"parameters":"last-layer","epoch":3,"runs":1}}"#,
    ];
    let measurements: Vec<Measurement> = scorers
        .iter()
        .map(|scorer| {
            let spec = ScoreSpec::from_json(&format!("{{{DATA},{training},\"scorer\":{scorer}}}")).unwrap();
            spec.measurements().remove(0)
        })
        .collect();
    let timeless = |mut all: Vec<Measured>| {
        all.iter_mut().for_each(|measured| measured.seconds = 0.0);
        all
    };
    let whole = timeless(measure(&measurements, &digits, &mut ()).unwrap());
    for patience in [6, 13, 31] {
        let folder = tempfile::tempdir().unwrap();
        let (measured, stops, _) =
            through_stops(folder.path(), patience, |watch| measure(&measurements, &digits, watch));
        assert_eq!(timeless(measured), whole, "stopped {stops} times");
        assert!(stops >= 1);
    }
}

/// A run that was stopped in its fourth epoch, and its whole record.
fn stopped(folder: &Path) -> (Cell, RunRecord) {
    let cell = cell("random-dynamic", "{}", None, "epochs");
    let whole = timeless(run(&cell, &digits(), None, &mut ()).unwrap());
    let mut watch = Stopping::new(folder, 10);
    assert!(matches!(
        run(&cell, &digits(), None, &mut watch),
        Err(Error::Stopped { epoch: 3, step: 1 })
    ));
    (cell, whole)
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(end));
    files.sort();
    files
}

#[test]
fn every_damage_to_a_checkpoint_is_found_and_the_one_before_is_used() {
    let template = tempfile::tempdir().unwrap();
    let (cell, whole) = stopped(template.path());
    let newest = |end: &str| files(template.path(), end).pop().unwrap();
    let (numbers, manifest) = (newest("safetensors"), newest("json"));
    let mut damages: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for path in [&numbers, &manifest] {
        let bytes = fs::read(path).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            damages.push((path.clone(), bytes[..length].to_vec()));
        }
        for place in 0..40 {
            let mut flipped = bytes.clone();
            let at = place * (bytes.len() - 1) / 39;
            flipped[at] ^= 1 << (place % 8);
            damages.push((path.clone(), flipped));
        }
    }
    for (path, bytes) in damages {
        let folder = tempfile::tempdir().unwrap();
        for file in files(template.path(), "") {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        fs::write(folder.path().join(path.file_name().unwrap()), &bytes).unwrap();
        let mut watch = Stopping::new(folder.path(), u32::MAX);
        let record = run(&cell, &digits(), None, &mut watch).unwrap();
        assert_eq!(watch.damaged.len(), 1, "{}: {} bytes", path.display(), bytes.len());
        assert_eq!(watch.epochs, [4], "it went on from the third epoch's end");
        assert_eq!(timeless(record), whole);
    }
}

#[test]
fn a_checkpoint_of_another_run_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (cell, whole) = stopped(folder.path());
    let mut watch = Stopping::new(folder.path(), u32::MAX);
    watch.checkpoints = Checkpoints::new(folder.path().to_owned(), "another".to_owned());
    let record = run(&cell, &digits(), None, &mut watch).unwrap();
    assert_eq!(
        (watch.epochs.as_slice(), watch.damaged.len()),
        ([1, 2, 3, 4].as_slice(), 2)
    );
    assert!(
        watch.damaged[0].ends_with("it is of another run"),
        "{}",
        watch.damaged[0]
    );
    assert_eq!(timeless(record), whole);
}

/// A state with every sum right that does not fit: a run of the same name with another network.
#[test]
fn a_state_that_does_not_fit_is_refused_and_the_run_begins() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cell, _) = stopped(folder.path());
    cell.model
        .options
        .insert("width".to_owned(), dynaprune_spec::Value::Int(3));
    let whole = timeless(run(&cell, &digits(), None, &mut ()).unwrap());
    let mut watch = Stopping::new(folder.path(), u32::MAX);
    let record = run(&cell, &digits(), None, &mut watch).unwrap();
    assert_eq!(watch.damaged.len(), 2);
    assert!(
        watch.damaged[0].starts_with("saved network: expected"),
        "{}",
        watch.damaged[0]
    );
    assert_eq!(timeless(record), whole);
}
