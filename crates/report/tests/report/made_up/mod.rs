//! Made-up but plausible results, for tests and for looking at plots; no run ever gave these numbers.
#![allow(dead_code, reason = "every test uses another part")]

pub(crate) mod history;
pub(crate) mod settings;

use dynaprune_report::{
    AgreementInput, EpochRow, FigureInput, History, Planned, RunRow, ScoreColumn, ScoreRow, ScoringRunRow,
};

/// What to make up.
pub(crate) struct Grid<'a> {
    pub(crate) profile: &'a str,
    pub(crate) datasets: &'a [&'a str],
    pub(crate) methods: &'a [&'a str],
    pub(crate) pruned_fractions: &'a [f64],
    pub(crate) seeds: u64,
    pub(crate) epochs: u32,
    pub(crate) train_samples: u64,
}

pub(crate) const MAIN_METHODS: &[&str] = &[
    "full",
    "random-static",
    "random-dynamic",
    "uncertainty",
    "epsilon-greedy",
    "ucb",
];

/// A figure of each kind: its id, kind and title.
pub(crate) const FIGURES: &[(&str, &str, &str)] = &[
    (
        "fig1",
        "accuracy-vs-fraction",
        "{dataset}: test accuracy when part of the data is left out",
    ),
    (
        "fig3",
        "accuracy-vs-time",
        "{dataset}: test accuracy against the cost of training",
    ),
    ("fig6", "accuracy-vs-epoch", "{dataset}: test accuracy during training"),
];

/// Whether a kind of figure draws the main grid, as made up here.
pub(crate) fn draws(kind: &str) -> bool {
    FIGURES.iter().any(|(_, name, _)| *name == kind)
}

static NO_HISTORY: History = History {
    selections: Vec::new(),
    traces: Vec::new(),
    static_sets: Vec::new(),
    images: Vec::new(),
};

/// A figure of these runs; what else a test is about it sets itself.
pub(crate) fn input<'a>(planned: &'a [Planned], runs: &'a [RunRow]) -> FigureInput<'a> {
    FigureInput {
        id: "fig",
        kind: "",
        title: "Made-up numbers",
        claims: &[],
        claim: "",
        how_to_read: "",
        axes: &[],
        profile: "laptop",
        profile_summary: "few samples",
        command: "",
        notes: &[],
        planned,
        runs,
        epochs: &[],
        history: &NO_HISTORY,
    }
}

/// The plan that exactly these runs fulfil.
pub(crate) fn planned(runs: &[RunRow]) -> Vec<Planned> {
    let planned = |run: &RunRow| Planned {
        run_id: run.run_id.clone(),
        dataset: run.dataset.clone(),
        method: run.method.clone(),
        method_label: run.method_label.clone(),
        pruned_fraction: run.pruned_fraction,
        seed: run.seed,
        settings: Default::default(),
    };
    runs.iter().map(planned).collect()
}

/// The grid of a small run on CIFAR-10.
pub(crate) fn laptop(seeds: u64) -> (Vec<RunRow>, Vec<EpochRow>) {
    rows(&Grid {
        profile: "laptop",
        datasets: &["cifar10"],
        methods: MAIN_METHODS,
        pruned_fractions: &[0.3, 0.5, 0.7],
        seeds,
        epochs: 60,
        train_samples: 10_000,
    })
}

/// The rows of all cells of a grid, `full` once a data set and seed.
pub(crate) fn rows(grid: &Grid) -> (Vec<RunRow>, Vec<EpochRow>) {
    let mut runs = Vec::new();
    let mut epochs = Vec::new();
    for dataset in grid.datasets {
        for method in grid.methods {
            let fractions = if *method == "full" {
                &[0.0]
            } else {
                grid.pruned_fractions
            };
            for &pruned_fraction in fractions {
                for seed in 0..grid.seeds {
                    let id = hash(&format!("{} {dataset} {method} {pruned_fraction} {seed}", grid.profile));
                    let (run, its_epochs) = run(grid, dataset, method, pruned_fraction, seed, id);
                    runs.push(run);
                    epochs.extend(its_epochs);
                }
            }
        }
    }
    (runs, epochs)
}

fn run(grid: &Grid, dataset: &str, method: &str, pruned_fraction: f64, seed: u64, id: u64) -> (RunRow, Vec<EpochRow>) {
    let run_id = format!("{id:016x}");
    let (ceiling, scale) = if dataset == "cifar100" {
        (0.48, 1.5)
    } else {
        (0.805, 1.0)
    };
    // What the method loses at s = 1, and how fast it gets there.
    let (loss, power) = match method {
        "random-static" => (0.36, 2.3),
        "random-dynamic" => (0.22, 2.5),
        "uncertainty" => (0.41, 2.6),
        "epsilon-greedy" => (0.33, 2.9),
        "ucb" => (0.24, 2.8),
        "forget" => (0.33, 3.6),
        "el2n@10" => (0.52, 4.2),
        "grand@10" => (0.58, 3.3),
        _ => (0.30, 2.0),
    };
    let noise = |step: u64| 2.0 * (mix(id ^ mix(step)) >> 11) as f64 / (1u64 << 53) as f64 - 1.0;
    let last = (ceiling - scale * loss * pruned_fraction.powf(power) + 0.006 * noise(0)).max(0.01);

    let samples = grid.train_samples;
    let kept = ((1.0 - pruned_fraction) * samples as f64).round() as u64;
    let scores = matches!(method, "uncertainty" | "epsilon-greedy" | "ucb");
    // Seconds and operations of scoring before training, in epochs on full data.
    let before = match method {
        "forget" => f64::from(grid.epochs),
        "el2n@10" => f64::from(grid.epochs) * 0.4,
        "grand@10" => f64::from(grid.epochs) * 0.7,
        _ => 0.0,
    };
    let epoch_seconds = 9.0 * kept as f64 / 10_000.0;
    let epochs: Vec<EpochRow> = (1..=grid.epochs)
        .map(|epoch| {
            let t = f64::from(epoch) / f64::from(grid.epochs);
            let learning_rate = 0.1 * 0.2f64.powi([0.3, 0.6, 0.8].iter().filter(|&&at| t > at).count() as i32);
            let wobble = 0.05 * (learning_rate / 0.1).sqrt() * noise(u64::from(epoch));
            let progress = 1.0 - 0.75 * (-4.5 * t).exp() - 0.8 * learning_rate;
            EpochRow {
                run_id: run_id.clone(),
                epoch,
                samples: kept,
                steps: kept.div_ceil(128),
                learning_rate,
                train_loss: 2.3 * (-5.0 * t).exp() + 0.01,
                train_accuracy: (0.1 + 0.9 * progress).min(1.0),
                test_accuracy: Some(if epoch == grid.epochs {
                    last
                } else {
                    (last * progress + wobble).max(0.01)
                }),
                test_loss: Some(2.3 * (-3.0 * t).exp() + 0.6),
                scoring_seconds: if scores && (epoch - 1) % 3 == 0 {
                    samples as f64 / 10_000.0 * 2.6
                } else {
                    0.0
                },
                selection_seconds: if scores { 0.001 } else { 0.0 },
                training_seconds: epoch_seconds * (1.0 + 0.04 * noise(1000 + u64::from(epoch))),
                evaluation_seconds: 1.1,
                other_seconds: 0.02,
            }
        })
        .collect();
    let sum = |of: fn(&EpochRow) -> f64| epochs.iter().map(of).sum::<f64>();
    let flops = 0.21e9 * f64::from(grid.epochs);
    let run = RunRow {
        run_id,
        profile: grid.profile.to_owned(),
        dataset: dataset.to_owned(),
        model: "resnet18".to_owned(),
        method: registered(method).to_owned(),
        method_label: method.to_owned(),
        pruned_fraction,
        seed,
        epochs: grid.epochs,
        steps: epochs.iter().map(|row| row.steps).sum(),
        samples_seen: epochs.iter().map(|row| row.samples).sum(),
        unique_samples_seen: if matches!(registered(method), "static" | "random-static") {
            kept
        } else {
            samples
        },
        train_samples: samples,
        kept_samples: kept,
        test_samples: 10_000,
        parameters: 701_466,
        test_accuracy_last: last,
        test_accuracy_best: last + 0.004,
        train_accuracy_last: (last + 0.21).min(0.9987),
        train_loss_last: 0.011,
        scoring_seconds: before * 9.0 * samples as f64 / 10_000.0 + sum(|row| row.scoring_seconds),
        selection_seconds: sum(|row| row.selection_seconds),
        training_seconds: sum(|row| row.training_seconds),
        evaluation_seconds: sum(|row| row.evaluation_seconds),
        other_seconds: sum(|row| row.other_seconds),
        total_seconds: sum(|row| row.scoring_seconds + row.training_seconds + 1.121),
        scoring_flops: (if scores { flops / 9.0 } else { 0.21e9 * before }) * samples as f64,
        training_flops: flops * kept as f64,
        evaluation_flops: flops / 3.0 * 10_000.0,
        diverged: false,
        device: "cpu: 2 threads of a made-up processor".to_owned(),
        precision: "f32".to_owned(),
        threads: 2,
        code_version: "0.1.0 (made up)".to_owned(),
        started_at: "2026-01-31T12:00:00Z".to_owned(),
        spec: spec(method),
    };
    (run, epochs)
}

/// The method that a label belongs to.
fn registered(label: &str) -> &str {
    let is_score = ["forget", "el2n", "grand", "input-norm"]
        .iter()
        .any(|score| label.starts_with(score));
    if is_score {
        "static"
    } else {
        label.split(' ').next().unwrap_or(label)
    }
}

/// As much of a spec as pages quote.
fn spec(method: &str) -> String {
    let scoring = r#"{"score":"loss","score_source":"forward-pass","first_round":"random","ema_weight":0.8}"#;
    let (period, scoring, options) = match method {
        "uncertainty" => ("3", scoring, "{}"),
        "epsilon-greedy" => ("3", scoring, r#"{"epsilon":0.1}"#),
        "ucb" => ("3", scoring, r#"{"c":1.0,"first_variance":"zero"}"#),
        "random-dynamic" => ("null", "null", r#"{"redraw":"epoch"}"#),
        _ => ("null", "null", "{}"),
    };
    format!(
        r#"{{"dataset":{{"name":"cifar10","subset_seed":0}},"model":{{"name":"resnet18","options":{{"width":16}}}},"method":{{"name":"{method}","options":{options}}},"training":{{"epochs":60,"batch_size":128,"learning_rate":0.1,"schedule":{{"kind":"step","milestones":[18,36,48],"factor":0.2}},"horizontal_flip":true}},"selection":{{"selection_period":{period},"class_balance":false,"scoring":{scoring}}}}}"#
    )
}

/// Labels of scores, short ones first.
pub(crate) const SCORES: &[&str] = &[
    "forget",
    "el2n@10",
    "grand@10",
    "grand@0",
    "input-norm",
    "el2n@20",
    "random",
    "grand@10 parameters=last-layer",
    "forget never_learned=presentations measured_on=clean",
];

pub(crate) fn scores(labels: &[&str]) -> Vec<ScoreColumn> {
    let score = |label: &&str| ScoreColumn {
        label: (*label).to_owned(),
        details: "mean over 3 runs; made up".to_owned(),
    };
    labels.iter().map(score).collect()
}

/// Correlations and overlaps such as forget, EL2N and GraNd have.
pub(crate) fn agreement<'a>(scores: &'a [ScoreColumn], pruned_fractions: &[f64]) -> AgreementInput<'a> {
    let trained = |score: &ScoreColumn| !["grand@0", "input-norm", "random"].contains(&score.label.as_str());
    let rho = |a: &ScoreColumn, b: &ScoreColumn| {
        let noise = |score: &ScoreColumn| (hash(&score.label) >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        match (trained(a), trained(b)) {
            _ if a == b => 1.0,
            (true, true) => 0.9 + 0.2 * noise(a) * noise(b),
            (false, false) if a.label != "random" && b.label != "random" => 0.96,
            _ => 0.6 * noise(a) * noise(b),
        }
    };
    let matrix = |of: &dyn Fn(f64) -> f64| -> Vec<Vec<f64>> {
        let row = |a| scores.iter().map(|b| of(rho(a, b))).collect();
        scores.iter().map(row).collect()
    };
    AgreementInput {
        title: "{dataset}: how far scores agree",
        dataset: "cifar10",
        profile: "laptop",
        profile_summary: "few samples",
        notes: "*These numbers are made up.*",
        command: "dynaprune agreement --made-up",
        scores,
        samples: 6_000,
        spearman: matrix(&|rho| rho),
        overlaps: pruned_fractions
            .iter()
            .map(|&s| (s, matrix(&|rho| (1.0 - s) + s * rho.max(0.0))))
            .collect(),
        published: &[],
    }
}

/// A table of scores with a sample that was never learned.
pub(crate) fn score_rows(samples: u32) -> Vec<ScoreRow> {
    let row = |sample| ScoreRow {
        dataset: "cifar10".to_owned(),
        split: "train".to_owned(),
        sample,
        label: sample % 10,
        score: if sample == 7 { f32::INFINITY } else { any(sample) },
        scorer: "forget".to_owned(),
        variant: "never-learned-infinity".to_owned(),
        runs: 3,
        epoch: 60,
        model: "resnet18".to_owned(),
        profile: "laptop".to_owned(),
        spec_hash: "0123456789abcdef".to_owned(),
        dataset_checksum: format!("{:064x}", hash("cifar10")),
        scoring_seconds: 1234.5,
        scoring_flops: 1.25e15,
        device: "cpu: 2 threads of a made-up processor".to_owned(),
        threads: 2,
        code_version: "0.1.0 (made up)".to_owned(),
        made_at: "2026-01-31T12:00:00Z".to_owned(),
        spec: spec("full"),
    };
    (0..samples).map(row).collect()
}

/// What a scoring run measured.
pub(crate) fn scoring_run_rows(samples: u32) -> Vec<ScoringRunRow> {
    let row = |sample| ScoringRunRow {
        sample,
        score: any(sample),
        presentations: 60,
        learned: sample != 7,
        dataset_checksum: "0123456789abcdef".to_owned(),
        seconds: 411.5,
        flops: 0.4e15,
        device: "cpu: 2 threads of a made-up processor".to_owned(),
        threads: 2,
        code_version: "0.1.0 (made up)".to_owned(),
        made_at: "2026-01-31T12:00:00Z".to_owned(),
        spec: spec("full"),
    };
    (0..samples).map(row).collect()
}

/// Any number from 0 to 1, of all bits.
fn any(sample: u32) -> f32 {
    (mix(u64::from(sample)) >> 40) as f32 / (1u32 << 24) as f32
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
