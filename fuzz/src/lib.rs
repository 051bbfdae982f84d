//! What several fuzz targets share.

use std::path::Path;

use tempfile::TempDir;

/// A folder for one input, in memory where the system has such a place; it is removed when it goes out of scope.
///
/// # Panics
/// If no folder can be made.
#[must_use]
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary folder")
}

/// Lets the code under test catch panics of libraries, as it does outside of libFuzzer, whose hook aborts; those of a
/// library are not shown.
///
/// A panic that nobody catches goes through the fuzz target, and libFuzzer aborts there.
pub fn let_panics_be_caught() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_ours = |path: &str| ["/crates/", "fuzz_targets/"].iter().any(|part| path.contains(part));
        if panic.location().is_none_or(|location| is_ours(location.file())) {
            shown(panic);
        }
    }));
}

/// A catalog with an option of each kind.
#[cfg(feature = "spec")]
pub mod catalog {
    use std::sync::LazyLock;

    use dynaprune_spec::{Catalog, DatasetEntry, Entry, FigureEntry, MethodEntry, OptionKind, OptionSpec};

    /// The catalog.
    pub static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog {
        datasets: vec![
            dataset(entry("digits", &[]), Some(1437), Some(360)),
            dataset(
                entry("synthetic", &[("samples", int(600, 10, 100_000))]),
                None,
                Some(100),
            ),
        ],
        models: vec![
            entry("cnn", &[("width", int(4, 1, 64))]),
            entry("resnet", &[("depth", int(18, 1, 50))]),
        ],
        methods: vec![
            method("full", &[], false, false, false),
            method("full-short", &[], true, false, false),
            method("random-dynamic", &[], true, false, false),
            method("static", &[], true, false, true),
            method(
                "ucb",
                &[
                    ("c", float(1.0, 0.0, 10.0)),
                    ("first_variance", words("zero", &["zero", "one"])),
                ],
                true,
                true,
                false,
            ),
        ],
        scorers: vec![
            entry("input-norm", &[]),
            entry(
                "grand",
                &[
                    (
                        "epoch",
                        OptionKind::Profile {
                            key: "epoch".to_owned(),
                            min: 0,
                            max: 1_000_000,
                        },
                    ),
                    (
                        "runs",
                        OptionKind::Profile {
                            key: "runs".to_owned(),
                            min: 1,
                            max: 1000,
                        },
                    ),
                    ("parameters", words("all", &["all", "last-layer"])),
                ],
            ),
            Entry {
                name: "forget".to_owned(),
                options: vec![
                    option("never_learned", words("most", &["most", "zero", "value"])),
                    OptionSpec {
                        only_with: Some(("never_learned".to_owned(), "value".to_owned())),
                        ..option("value", float(0.5, -1.0, 1.0))
                    },
                ],
            },
        ],
        figures: [("accuracy-vs-fraction", 0), ("accuracy-heat-map", 2)]
            .map(|(name, axes)| FigureEntry {
                name: name.to_owned(),
                axes,
            })
            .into(),
    });

    fn option(name: &str, kind: OptionKind) -> OptionSpec {
        OptionSpec {
            name: name.to_owned(),
            kind,
            only_with: None,
        }
    }

    fn entry(name: &str, options: &[(&str, OptionKind)]) -> Entry {
        let options = options.iter().map(|(name, kind)| option(name, kind.clone()));
        Entry {
            name: name.to_owned(),
            options: options.collect(),
        }
    }

    fn dataset(entry: Entry, train_samples: Option<usize>, test_samples: Option<usize>) -> DatasetEntry {
        DatasetEntry {
            entry,
            train_samples,
            test_samples,
        }
    }

    fn method(
        name: &str,
        options: &[(&str, OptionKind)],
        pruned: bool,
        scored: bool,
        static_scores: bool,
    ) -> MethodEntry {
        MethodEntry {
            entry: entry(name, options),
            pruned,
            scored,
            averages: scored,
            static_scores,
            rounds: |choice| matches!(choice.name.as_str(), "ucb" | "random-dynamic"),
        }
    }

    fn int(default: i64, min: i64, max: i64) -> OptionKind {
        OptionKind::Int { default, min, max }
    }

    fn float(default: f64, min: f64, max: f64) -> OptionKind {
        OptionKind::Float { default, min, max }
    }

    fn words(default: &str, allowed: &[&str]) -> OptionKind {
        let allowed = allowed.iter().copied().map(str::to_owned);
        OptionKind::Choice {
            default: default.to_owned(),
            allowed: allowed.collect(),
        }
    }

    /// A profile that goes with it.
    pub const PROFILE: &str = r#"
summary = "a few epochs"
seeds = 2
model = "cnn"
training = { epochs = 20, batch_size = 32, learning_rate = 0.1, schedule = { kind = "constant" } }
selection = { selection_period = 2 }
"#;

    /// A recipe that goes with it.
    pub const RECIPE: &str = r#"
title = "A title"
claim = "c matters"
how_to_read = "higher is better"
figure = "accuracy-vs-fraction"
datasets = ["digits", { name = "synthetic", samples = 1000 }]
methods = [
    "full", "full-short",
    { name = "ucb", c = [0.5, 1], selection_period = 4 },
    { name = "static", scorer = "grand" },
    { name = "static", scores = "table.parquet" },
    { name = "static", counts_of = "ucb" },
]
pruned_fractions = [0.3, 0.7]
"#;
}

/// A made-up run with all its rows.
#[cfg(feature = "report")]
pub mod made_up {
    use dynaprune_report::{EpochRow, RunRow, RunRows, ScoreRow, ScoringRunRow, SelectionRow, TraceRow};

    /// The run's id.
    pub const RUN: &str = "0123456789abcdef";

    /// The rows.
    #[must_use]
    pub fn run() -> RunRows {
        let run_id = RUN.to_owned();
        let run = RunRow {
            run_id: run_id.clone(),
            profile: "mine".to_owned(),
            dataset: "digits".to_owned(),
            model: "cnn".to_owned(),
            method: "ucb".to_owned(),
            method_label: "ucb".to_owned(),
            pruned_fraction: 0.7,
            seed: 1,
            epochs: 2,
            steps: 4,
            samples_seen: 12,
            unique_samples_seen: 9,
            train_samples: 20,
            kept_samples: 6,
            test_samples: 10,
            parameters: 100,
            test_accuracy_last: 0.5,
            test_accuracy_best: 0.6,
            train_accuracy_last: 0.7,
            train_loss_last: 1.5,
            scoring_seconds: 0.1,
            selection_seconds: 0.2,
            training_seconds: 0.3,
            evaluation_seconds: 0.4,
            other_seconds: 0.5,
            total_seconds: 1.5,
            scoring_flops: 1e6,
            training_flops: 2e6,
            evaluation_flops: 3e6,
            diverged: false,
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            threads: 1,
            code_version: "0".to_owned(),
            started_at: "2026-01-31T12:00:00Z".to_owned(),
            spec: "{}".to_owned(),
        };
        let epoch = |epoch| EpochRow {
            run_id: run_id.clone(),
            epoch,
            samples: 6,
            steps: 2,
            learning_rate: 0.1,
            train_loss: 1.5,
            train_accuracy: 0.5,
            test_accuracy: (epoch == 2).then_some(0.5),
            test_loss: (epoch == 2).then_some(f64::NAN),
            scoring_seconds: 0.1,
            selection_seconds: 0.2,
            training_seconds: 0.3,
            evaluation_seconds: 0.4,
            other_seconds: 0.5,
        };
        let selection = |epoch| SelectionRow {
            run_id: run_id.clone(),
            epoch,
            train_samples: 20,
            kept_samples: 6,
            selected: SelectionRow::bits(&[1, 2, 3, 5, 8, epoch + 12], 20),
            score_mean: (epoch == 2).then_some(0.5),
            ..SelectionRow::default()
        };
        let trace = |position| TraceRow {
            run_id: run_id.clone(),
            position,
            sample: 2 * position,
            label: 1,
            epochs: vec![1, 2],
            scores: vec![0.5; position as usize],
        };
        RunRows {
            runs: vec![run],
            epochs: [1, 2].map(epoch).to_vec(),
            selections: [1, 2].map(selection).to_vec(),
            traces: [0, 2, 7].map(trace).to_vec(),
        }
    }

    /// A table of scores.
    #[must_use]
    pub fn scores() -> Vec<ScoreRow> {
        let row = |sample| ScoreRow {
            dataset: "digits".to_owned(),
            split: "train".to_owned(),
            sample,
            label: sample % 3,
            score: 1.0 / (1.0 + sample as f32),
            scorer: "el2n".to_owned(),
            variant: String::new(),
            runs: 10,
            epoch: 1,
            model: "cnn".to_owned(),
            profile: "mine".to_owned(),
            spec_hash: RUN.to_owned(),
            dataset_checksum: "00".to_owned(),
            scoring_seconds: f64::NAN,
            scoring_flops: 1e6,
            device: "cpu".to_owned(),
            threads: 1,
            code_version: "0".to_owned(),
            made_at: "2026-01-31T12:00:00Z".to_owned(),
            spec: "{}".to_owned(),
        };
        (0..20).map(row).collect()
    }

    /// What a scoring run measured.
    #[must_use]
    pub fn scoring_run() -> Vec<ScoringRunRow> {
        let row = |sample| ScoringRunRow {
            sample,
            score: sample as f32,
            presentations: 4,
            learned: sample % 2 == 0,
            dataset_checksum: "00".to_owned(),
            seconds: 0.5,
            flops: 1e6,
            device: "cpu".to_owned(),
            threads: 1,
            code_version: "0".to_owned(),
            made_at: "2026-01-31T12:00:00Z".to_owned(),
            spec: "{}".to_owned(),
        };
        (0..20).map(row).collect()
    }
}
