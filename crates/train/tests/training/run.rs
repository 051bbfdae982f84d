//! Whole runs on the embedded digits.

use crate::digits;
use dynaprune_spec::{
    Budget, Cell, Choice, DatasetSpec, FirstRound, Precision, Schedule, Score, ScoreSource, Scoring, Selection,
    Training, Value,
};
use dynaprune_train::{EpochRecord, RunRecord, Watch, run};
use std::collections::BTreeMap;

const EPOCHS: u32 = 6;
const SAMPLES: usize = 250;
const BATCH: u32 = 32;

fn choice(name: &str, options: &[(&str, Value)]) -> Choice {
    let options: BTreeMap<String, Value> = options.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    Choice {
        name: name.to_owned(),
        options,
    }
}

fn cell(method: &str, pruned_fraction: f64) -> Cell {
    let scored = matches!(method, "uncertainty" | "epsilon-greedy" | "ucb" | "ucb1");
    Cell {
        profile: "test".to_owned(),
        dataset: DatasetSpec {
            name: "digits".to_owned(),
            options: BTreeMap::new(),
            train_samples: Some(SAMPLES),
            test_samples: Some(150),
            subset_seed: 0,
        },
        model: choice("cnn", &[("width", Value::Int(4))]),
        method: choice(method, &[]),
        pruned_fraction,
        seed: 0,
        training: Training {
            epochs: EPOCHS,
            batch_size: BATCH,
            learning_rate: 0.1,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            schedule: Schedule::Step {
                milestones: vec![4],
                factor: 0.2,
            },
            crop_padding: 1,
            horizontal_flip: false,
            budget: Budget::Epochs,
            precision: Precision::F32,
            evaluate_every: 1,
        },
        selection: Selection {
            selection_period: scored.then_some(2),
            class_balance: false,
            static_scores: None,
            scoring: scored.then_some(Scoring {
                score: Score::Loss,
                score_source: ScoreSource::ForwardPass,
                first_round: FirstRound::Random,
                ema_weight: 0.8,
            }),
        },
    }
}

fn go(cell: &Cell) -> RunRecord {
    run(cell, &digits(), None, &mut ()).unwrap()
}

/// Everything of a record but its times.
fn numbers(record: &RunRecord) -> Vec<u64> {
    let epochs = record.epochs.iter().flat_map(|e| {
        let test = [e.test_accuracy.unwrap_or(-1.0), e.test_loss.unwrap_or(-1.0)];
        [
            e.train_loss,
            e.train_accuracy,
            e.learning_rate,
            e.samples as f64,
            e.steps as f64,
        ]
        .into_iter()
        .chain(test)
    });
    let run = [
        record.train_accuracy_last,
        record.train_loss_last,
        record.test_accuracy_last,
        record.test_accuracy_best,
    ];
    epochs
        .chain(run)
        .map(f64::to_bits)
        .chain([record.unique_samples_seen])
        .collect()
}

#[test]
fn a_run_is_a_function_of_its_cell_whatever_the_threads() {
    for method in ["full", "random-dynamic", "ucb"] {
        let cell = cell(method, if method == "full" { 0.0 } else { 0.5 });
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            numbers(&pool.install(|| go(&cell)))
        };
        let once = with(1);
        for threads in [1, 2, 3] {
            assert_eq!(with(threads), once, "{method} with {threads} threads");
        }
        let other = Cell {
            seed: 1,
            ..cell.clone()
        };
        assert_ne!(numbers(&go(&other)), once, "{method} with another seed");
    }
}

#[test]
fn full_data_learns_the_digits() {
    let mut cell = cell("full", 0.0);
    cell.dataset.train_samples = None;
    cell.training.epochs = 12;
    cell.training.schedule = Schedule::Step {
        milestones: vec![8],
        factor: 0.2,
    };
    let record = go(&cell);
    assert!(record.test_accuracy_last > 0.9, "{}", record.test_accuracy_last);
    assert!(record.train_accuracy_last > 0.95, "{}", record.train_accuracy_last);
    assert!(record.test_accuracy_best >= record.test_accuracy_last);
    assert_eq!(record.unique_samples_seen, record.train_samples);
}

#[test]
fn pruned_runs_see_k_samples_an_epoch() {
    let kept = 75; // (1 - 0.7) * 250
    for method in [
        "random-static",
        "random-dynamic",
        "uncertainty",
        "epsilon-greedy",
        "ucb",
        "ucb1",
    ] {
        let record = go(&cell(method, 0.7));
        assert_eq!(record.kept, kept, "{method}");
        assert!(record.epochs.iter().all(|e| e.samples == kept), "{method}");
        assert_eq!(
            record.steps,
            u64::from(EPOCHS) * kept.div_ceil(u64::from(BATCH)),
            "{method}"
        );
        assert_eq!(record.samples_seen, u64::from(EPOCHS) * kept, "{method}");
        match method {
            "random-static" => assert_eq!(record.unique_samples_seen, kept),
            _ => assert!(
                record.unique_samples_seen > kept,
                "{method}: {}",
                record.unique_samples_seen
            ),
        }
    }
}

/// Rounds begin with epochs 0, 2 and 4; the first is drawn without scores.
#[test]
fn scoring_is_counted_for_each_round_that_needs_it() {
    let ucb = go(&cell("ucb", 0.5));
    let passes = |record: &RunRecord| {
        // Evaluation looks at the 150 test samples each epoch, and once at the training set.
        let per_sample = record.evaluation_flops / (f64::from(EPOCHS) * 150.0 + SAMPLES as f64);
        record.scoring_flops / (per_sample * SAMPLES as f64)
    };
    assert_eq!(passes(&ucb).round(), 2.0);

    let mut scores_first = cell("ucb", 0.5);
    scores_first.selection.scoring.as_mut().unwrap().first_round = FirstRound::Scores;
    assert_eq!(passes(&go(&scores_first)).round(), 3.0);

    let mut training = cell("ucb", 0.5);
    training.selection.scoring.as_mut().unwrap().score_source = ScoreSource::Training;
    assert_eq!(go(&training).scoring_flops, 0.0);
    assert_eq!(go(&cell("random-dynamic", 0.5)).scoring_flops, 0.0);
}

#[test]
fn a_full_first_round_trains_on_everything_for_a_period() {
    let mut cell = cell("ucb", 0.5);
    cell.selection.scoring.as_mut().unwrap().first_round = FirstRound::Full;
    let samples: Vec<u64> = go(&cell).epochs.iter().map(|e| e.samples).collect();
    assert_eq!(samples, [250, 250, 125, 125, 125, 125]);
}

#[test]
fn a_step_budget_takes_as_many_steps_as_full_data() {
    let mut cell = cell("random-dynamic", 0.7);
    cell.training.budget = Budget::Steps;
    let record = go(&cell);
    assert_eq!(
        record.steps,
        u64::from(EPOCHS) * (SAMPLES as u64).div_ceil(u64::from(BATCH))
    );
    let last = record.epochs.last().unwrap();
    assert!(
        (last.learning_rate - 0.02).abs() < 1e-12,
        "the schedule ends with the steps: {}",
        last.learning_rate
    );
}

/// 48 steps: two passes over all 250 samples take 16, passes over 125 take 4 each.
#[test]
fn a_step_budget_counts_a_full_first_round() {
    let mut cell = cell("ucb", 0.5);
    cell.training.budget = Budget::Steps;
    cell.selection.scoring.as_mut().unwrap().first_round = FirstRound::Full;
    let record = go(&cell);
    let steps: Vec<u64> = record.epochs.iter().map(|e| e.steps).collect();
    assert_eq!(steps, [8, 8, 4, 4, 4, 4, 4, 4, 4, 4]);
    assert!(!record.diverged);
}

#[test]
fn times_add_up() {
    let r = go(&cell("ucb", 0.5));
    let parts = r.scoring_seconds + r.selection_seconds + r.training_seconds + r.evaluation_seconds + r.other_seconds;
    assert_eq!(r.total_seconds, parts);
    assert!(r.scoring_seconds > 0.0 && r.selection_seconds > 0.0 && r.training_seconds > 0.0);
}

#[test]
fn a_run_that_diverges_says_so_and_ends() {
    let mut cell = cell("full", 0.0);
    cell.training.learning_rate = 1e30;
    let record = go(&cell);
    assert!(record.diverged);
    assert!(record.epochs.len() < EPOCHS as usize);
}

#[test]
fn a_watcher_sees_every_epoch() {
    struct Count(Vec<u32>);
    impl Watch for Count {
        fn epoch_finished(&mut self, record: &EpochRecord, epochs: u32) {
            assert_eq!(epochs, EPOCHS);
            self.0.push(record.epoch);
        }
    }
    let mut count = Count(Vec::new());
    run(&cell("random-static", 0.9), &digits(), None, &mut count).unwrap();
    assert_eq!(count.0, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |cell: &Cell| run(cell, &digits(), None, &mut ()).unwrap_err().to_string();
    let mut unknown = cell("full", 0.0);
    unknown.model.name = "resnet7".to_owned();
    assert!(refused(&unknown).starts_with("unknown network `resnet7`, expected one of: cnn, resnet8"));
    let mut large = cell("full", 0.0);
    large.dataset.train_samples = Some(5000);
    assert!(
        refused(&large).contains("found 5000 in the spec"),
        "{}",
        refused(&large)
    );
    let mut none = cell("random-static", 0.999);
    none.dataset.train_samples = Some(10);
    assert_eq!(
        refused(&none),
        "data set `digits`: none of 10 samples are kept at s = 0.999"
    );
    let changed = |change: fn(&mut Cell)| {
        let mut cell = cell("ucb", 0.5);
        change(&mut cell);
        refused(&cell)
    };
    assert_eq!(
        changed(|cell| cell.selection.selection_period = Some(0)),
        "option `selection_period` of `selection`: expected at least 1, found 0"
    );
    assert_eq!(
        changed(|cell| cell.training.epochs = 0),
        "option `epochs` of `training`: expected at least 1, found 0"
    );
    assert_eq!(
        changed(|cell| cell.pruned_fraction = f64::NAN),
        "option `pruned_fraction` of `cell`: expected a number from 0 to below 1, found NaN"
    );
}

/// Rounds begin with epochs 1, 3 and 5 as users count them; the first is drawn without scores.
#[test]
fn kept_sets_and_traces_are_what_was_trained_on() {
    let ucb = go(&cell("ucb", 0.5));
    let rounds: Vec<(u32, bool)> = ucb
        .kept_sets
        .iter()
        .map(|set| (set.epoch, set.scores.is_some()))
        .collect();
    assert_eq!(rounds, [(1, false), (3, true), (5, true)]);
    let mut seen = vec![false; SAMPLES];
    for set in &ucb.kept_sets {
        assert_eq!(set.positions.len() as u64, ucb.kept);
        set.positions
            .iter()
            .for_each(|&position| seen[position as usize] = true);
    }
    assert_eq!(
        seen.iter().filter(|&&seen| seen).count() as u64,
        ucb.unique_samples_seen
    );

    // A hundred samples, ten of each class, scored in both rounds.
    assert_eq!(ucb.traces.len(), 100);
    for class in 0..10 {
        assert_eq!(ucb.traces.iter().filter(|trace| trace.label == class).count(), 10);
    }
    let scores = ucb.kept_sets[2].scores.unwrap();
    for trace in &ucb.traces {
        assert_eq!(trace.epochs, [3, 5]);
        assert!((scores.min..=scores.max).contains(&f64::from(trace.scores[1])));
    }

    let random = go(&cell("random-dynamic", 0.5));
    let epochs: Vec<u32> = random.kept_sets.iter().map(|set| set.epoch).collect();
    assert_eq!(epochs, [1, 2, 3, 4, 5, 6]);
    assert!(random.traces.is_empty());
    assert!(go(&cell("random-static", 0.5)).kept_sets.is_empty());
}

/// With s = 0.7 a pruned run has 6 epochs of ceil(75 / 32) = 3 steps; full data has 8 an epoch.
#[test]
fn the_short_control_sees_all_data_in_as_many_steps_as_a_pruned_run() {
    let pruned = go(&cell("random-static", 0.7));
    let short = go(&cell("full-short", 0.7));
    assert_eq!((pruned.steps, short.steps), (18, 18));
    let steps: Vec<u64> = short.epochs.iter().map(|epoch| epoch.steps).collect();
    assert_eq!(steps, [8, 8, 2]);
    assert_eq!(short.kept as usize, SAMPLES);
    assert_eq!(short.unique_samples_seen as usize, SAMPLES);
    assert!(short.kept_sets.is_empty());
    // The milestone at epoch 4 of 6 comes after 12 of the 18 steps: in the second pass.
    let rates: Vec<f64> = short.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(rates, [0.1, 0.1 * 0.2, 0.1 * 0.2]);
    // Where nothing is pruned it is full data.
    let whole = Cell {
        pruned_fraction: 0.0,
        ..cell("full-short", 0.0)
    };
    assert_eq!(numbers(&go(&whole)), numbers(&go(&cell("full", 0.0))));
}
