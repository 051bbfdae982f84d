//! A small catalog, and specs that are right.

use dynaprune_spec::{
    Catalog, Choice, DatasetEntry, Entry, FigureEntry, MethodEntry, OptionKind, OptionSpec, Profile, Recipe, Result,
    Value,
};
use std::path::PathBuf;

pub(crate) const RECIPE: &str = r#"title = "Accuracy against the pruned fraction"
claims = ["A3", "A5"]
claim = "dynamic beats static"
how_to_read = "higher is better"
figure = "accuracy-by-fraction"
datasets = ["cifar10"]
methods = ["full", "random-static", "random-dynamic", { name = "ucb", c = 0.5 }]
pruned_fractions = [0.7, 0.3]
"#;

pub(crate) const PROFILE: &str = r#"summary = "a test"
seeds = 2

[model]
name = "resnet18"
width = 16

[training]
epochs = 100
batch_size = 64
learning_rate = 0.1

[training.schedule]
kind = "step"
milestones = [30, 60, 80]
factor = 0.2

[selection]
selection_period = 5
"#;

pub(crate) fn catalog() -> Catalog {
    let option = |name: &str, kind| OptionSpec {
        name: name.to_owned(),
        kind,
        only_with: None,
    };
    let entry = |name: &str, options: Vec<OptionSpec>| Entry {
        name: name.to_owned(),
        options,
    };
    let dataset = |name: &str, train, test| DatasetEntry {
        entry: entry(name, vec![]),
        train_samples: Some(train),
        test_samples: Some(test),
    };
    let width = |default| {
        vec![option(
            "width",
            OptionKind::Int {
                default,
                min: 1,
                max: 1024,
            },
        )]
    };
    let method = |name: &str, options, pruned, scored, rounds| MethodEntry {
        entry: entry(name, options),
        pruned,
        scored,
        averages: scored,
        static_scores: name == "static",
        rounds,
    };
    let number = |default, max| OptionKind::Float { default, min: 0.0, max };
    // The first is the default.
    let words = |words: [&str; 2]| OptionKind::Choice {
        default: words[0].to_owned(),
        allowed: words.map(str::to_owned).into(),
    };
    Catalog {
        datasets: vec![
            dataset("digits", 1_437, 360),
            dataset("cifar10", 50_000, 10_000),
            dataset("cifar100", 50_000, 10_000),
        ],
        models: vec![entry("cnn", width(16)), entry("resnet18", width(64))],
        methods: vec![
            method("full", vec![], false, false, |_| false),
            method("random-static", vec![], true, false, |_| false),
            method("static", vec![], true, false, |_| false),
            method(
                "random-dynamic",
                vec![option("redraw", words(["epoch", "period"]))],
                true,
                false,
                redraws_by_period,
            ),
            method(
                "epsilon-greedy",
                vec![option("epsilon", number(0.1, 1.0))],
                true,
                true,
                |_| true,
            ),
            method(
                "ucb",
                vec![
                    option("c", number(1.0, 1e6)),
                    option("first_variance", words(["zero", "square"])),
                ],
                true,
                true,
                |_| true,
            ),
        ],
        scorers: vec![
            entry(
                "el2n",
                vec![
                    option("measured", words(["checkpoint", "training"])),
                    OptionSpec {
                        only_with: Some(("measured".to_owned(), "training".to_owned())),
                        ..option(
                            "from_epoch",
                            OptionKind::Int {
                                default: 1,
                                min: 1,
                                max: 1000,
                            },
                        )
                    },
                    option("epoch", profile_decides("epoch", 0)),
                    option("runs", profile_decides("runs", 1)),
                ],
            ),
            entry("input-norm", vec![]),
        ],
        figures: [
            ("accuracy-by-fraction", 0),
            ("accuracy-by-time", 0),
            ("accuracy-by-setting", 1),
            ("accuracy-by-settings", 2),
        ]
        .map(|(name, axes)| FigureEntry {
            name: name.to_owned(),
            axes,
        })
        .into(),
    }
}

fn profile_decides(key: &str, min: i64) -> OptionKind {
    OptionKind::Profile {
        key: key.to_owned(),
        min,
        max: 1000,
    }
}

fn redraws_by_period(choice: &Choice) -> bool {
    choice.options.get("redraw") == Some(&Value::Text("period".to_owned()))
}

/// A file of this text in a folder of its own, which lives as long as the first value.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

pub(crate) fn recipe(text: &str) -> Result<Recipe> {
    let (_folder, path) = file("fig.toml", text);
    Recipe::load(&path, &catalog())
}

pub(crate) fn profile(text: &str) -> Result<Profile> {
    let (_folder, path) = file("trial.toml", text);
    Profile::load(&path, &catalog())
}

/// No recipe here names a file of scores.
pub(crate) fn no_table(path: &std::path::Path) -> std::result::Result<dynaprune_spec::TableId, String> {
    Err(format!("no table at {}", path.display()))
}

/// `text` with the only occurrence of `from` replaced.
pub(crate) fn edited(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` should occur once in\n{text}");
    text.replace(from, to)
}
