//! What a spec may name, gathered from the registries of the other crates.

use crate::figure;
use dynaprune_datasets::{self as datasets, DATASETS, DatasetInfo};
use dynaprune_models::{MODELS, ModelInfo};
use dynaprune_scorers::{self as scorers, SCORERS, ScorerInfo};
use dynaprune_selectors::{self as selectors, Cadence, Family, METHODS, MethodInfo};
use dynaprune_spec::{Catalog, Choice, DatasetEntry, Entry, FULL_SHORT, MethodEntry, OptionKind, OptionSpec, Value};

/// The widest network a spec may ask for.
const MAX_WIDTH: i64 = 1024;

/// All registered names with their options.
pub(crate) fn catalog() -> Catalog {
    Catalog {
        datasets: DATASETS.iter().map(dataset).collect(),
        models: MODELS.iter().map(model).collect(),
        methods: METHODS.iter().map(method).chain([full_short()]).collect(),
        scorers: SCORERS.iter().map(scorer).collect(),
        figures: figure::kinds(),
    }
}

/// A method's options as the selectors take them.
pub(crate) fn method_options(choice: &Choice) -> selectors::Options {
    let value = |value: &Value| match value {
        Value::Int(value) => selectors::Value::Int(*value),
        Value::Float(value) => selectors::Value::Float(*value),
        Value::Text(value) => selectors::Value::Text(value.clone()),
    };
    let options = choice.options.iter();
    options.map(|(name, option)| (name.clone(), value(option))).collect()
}

/// The options of a method that are not at their defaults, by name.
pub(crate) fn changed_options(choice: &Choice) -> Vec<(&str, &Value)> {
    let known = selectors::method(&choice.name).map_or(&[][..], |info| info.options);
    let default = |name: &str| {
        let option = known.iter().find(|option| option.name == name)?;
        method_option(option.kind).default_value()
    };
    let options = choice.options.iter().map(|(name, value)| (name.as_str(), value));
    options
        .filter(|(name, value)| default(name).as_ref() != Some(*value))
        .collect()
}

/// A scorer as legends name it: its name, `@` and the epoch it looks at, and what is not as in its original definition:
/// `el2n@20`, `forget never_learned=zero`.
pub(crate) fn scorer_label(choice: &Choice) -> String {
    let mut label = choice.name.clone();
    if let Ok(epoch) = choice.int("epoch") {
        label += &format!("@{epoch}");
    }
    let options = scorers::scorer(&choice.name).map_or(&[][..], |info| info.options);
    for option in options.iter().filter(|option| option.name != "epoch") {
        let usual = match option.kind {
            scorers::OptionKind::Word(words) => words.first().map(|&word| Value::Text(word.to_owned())),
            scorers::OptionKind::Number { default: usual, .. }
            | scorers::OptionKind::Protocol { original: usual, .. } => Some(Value::Int(i64::from(usual))),
        };
        if let Some(value) = choice
            .options
            .get(option.name)
            .filter(|value| usual.as_ref() != Some(*value))
        {
            label += &format!(" {}={value}", option.name);
        }
    }
    label
}

fn scorer(info: &ScorerInfo) -> Entry {
    let most = i64::from(u32::MAX);
    let option = |option: &scorers::OptionInfo| OptionSpec {
        name: option.name.to_owned(),
        kind: match option.kind {
            scorers::OptionKind::Word(words) => OptionKind::Choice {
                default: words.first().map_or_else(String::new, |&word| word.to_owned()),
                allowed: words.iter().map(|&word| word.to_owned()).collect(),
            },
            scorers::OptionKind::Number { default, min } => OptionKind::Int {
                default: i64::from(default),
                min: i64::from(min),
                max: most,
            },
            scorers::OptionKind::Protocol { min, .. } => OptionKind::Profile {
                // A forget score needs runs of full length, so a profile says apart how many.
                key: match (info.needs, option.name) {
                    (scorers::Needs::Correctness, "runs") => "forget_runs".to_owned(),
                    _ => option.name.to_owned(),
                },
                min: i64::from(min),
                max: if option.name == "runs" { 1000 } else { most },
            },
        },
        only_with: option.only_with.map(|(name, word)| (name.to_owned(), word.to_owned())),
    };
    Entry {
        name: info.name.to_owned(),
        options: info.options.iter().map(option).collect(),
    }
}

fn dataset(info: &DatasetInfo) -> DatasetEntry {
    let kind = |kind| match kind {
        datasets::OptionKind::Int { default, min, max } => OptionKind::Int { default, min, max },
        datasets::OptionKind::Float { default, min, max } => OptionKind::Float { default, min, max },
    };
    let options = info.options.iter().map(|option| OptionSpec {
        name: option.name.to_owned(),
        kind: kind(option.kind),
        only_with: None,
    });
    let fixed = info.options.is_empty();
    DatasetEntry {
        entry: Entry {
            name: info.name.to_owned(),
            options: options.collect(),
        },
        train_samples: fixed.then_some(info.train_samples),
        test_samples: fixed.then_some(info.test_samples),
    }
}

fn model(info: &ModelInfo) -> Entry {
    let width = OptionSpec {
        name: "width".to_owned(),
        kind: OptionKind::Int {
            default: info.default_width as i64,
            min: 1,
            max: MAX_WIDTH,
        },
        only_with: None,
    };
    Entry {
        name: info.name.to_owned(),
        options: vec![width],
    }
}

fn method(info: &MethodInfo) -> MethodEntry {
    let options = info.options.iter().map(|option| OptionSpec {
        name: option.name.to_owned(),
        kind: method_option(option.kind),
        only_with: None,
    });
    MethodEntry {
        entry: Entry {
            name: info.name.to_owned(),
            options: options.collect(),
        },
        pruned: info.family != Family::Baseline,
        scored: info.scored,
        averages: info.averages,
        static_scores: info.static_scores,
        rounds: |choice| {
            let cadence = selectors::method(&choice.name).and_then(|info| info.cadence(&method_options(choice)));
            matches!(cadence, Ok(Cadence::EveryRound))
        },
    }
}

/// The control, which is full data to a selector: only its schedule differs.
fn full_short() -> MethodEntry {
    MethodEntry {
        entry: Entry {
            name: FULL_SHORT.to_owned(),
            options: Vec::new(),
        },
        pruned: true,
        scored: false,
        averages: false,
        static_scores: false,
        rounds: |_| false,
    }
}

fn method_option(kind: selectors::OptionKind) -> OptionKind {
    match kind {
        selectors::OptionKind::Float { default, min, max } => OptionKind::Float { default, min, max },
        selectors::OptionKind::Choice { default, allowed } => OptionKind::Choice {
            default: default.to_owned(),
            allowed: allowed.iter().map(|&word| word.to_owned()).collect(),
        },
    }
}
