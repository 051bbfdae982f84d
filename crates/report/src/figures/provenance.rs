//! How runs were made, as their rows and their specs say.

use serde_json::{Map, Value};

use super::data::{Data, count, joined, thousands};
use crate::RunRow;

/// The network of a run with its options: `resnet18 (width 16)`.
pub(super) fn model(run: &RunRow) -> String {
    match section(run, &["model", "options"]) {
        Some(options) if !options.is_empty() => format!("{} ({})", run.model, pairs(&options, " ")),
        _ => run.model.clone(),
    }
}

/// What a reader needs to judge the runs: `(what, value)`.
pub(super) fn facts(data: &Data) -> Vec<(String, String)> {
    let all = |of: fn(&RunRow) -> String| joined(data.runs().map(of));
    let mut facts = vec![
        ("data".to_owned(), all(samples)),
        (
            "network".to_owned(),
            all(|run| format!("{}, {} parameters", model(run), thousands(run.parameters))),
        ),
        (
            "training".to_owned(),
            all(|run| {
                section(run, &["training"])
                    .map(|it| pairs(&it, " = "))
                    .unwrap_or_default()
            }),
        ),
    ];
    facts.extend(by_method(data, "selection", selection));
    facts.extend(by_method(data, "options", |run| section(run, &["method", "options"])));
    facts.extend([
        ("precision".to_owned(), all(|run| run.precision.clone())),
        ("time".to_owned(), time(data)),
        ("device".to_owned(), all(|run| run.device.clone())),
        ("threads".to_owned(), all(threads)),
        ("code version".to_owned(), code_version(data)),
        ("run on".to_owned(), days(data)),
    ]);
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn samples(run: &RunRow) -> String {
    let (train, test) = (thousands(run.train_samples), thousands(run.test_samples));
    let seed = section(run, &["dataset"]).and_then(|dataset| dataset.get("subset_seed").cloned());
    let seed = seed.map_or_else(String::new, |seed| format!(" (subset_seed = {seed})"));
    format!("{}: {train} training and {test} test samples{seed}", run.dataset)
}

/// The CPU threads of a run; one that was stopped and continued may have had several numbers of them.
pub(super) fn threads(run: &RunRow) -> String {
    match run.threads {
        0 => "varying".to_owned(),
        threads => threads.to_string(),
    }
}

/// The versions that made the runs, and how many runs were made by code that no version names.
fn code_version(data: &Data) -> String {
    let versions = joined(data.runs().map(|run| run.code_version.clone()));
    match data.runs().filter(|run| run.code_version.contains("-dirty")).count() {
        0 => versions,
        dirty => format!(
            "{versions} (`-dirty`: with changes that are in no commit; {})",
            count(dirty, "run")
        ),
    }
}

/// `41 s`, `12 min` or `3.4 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// The time that the runs took.
pub(super) fn time(data: &Data) -> String {
    let (mut seconds, mut timed, mut all) = (0.0, 0, 0);
    for run in data.runs() {
        all += 1;
        if run.total_seconds.is_finite() {
            timed += 1;
            seconds += run.total_seconds;
        }
    }
    match timed {
        0 => format!("{}, not timed", count(all, "run")),
        1 if all == 1 => format!("1 run, {} with the scoring it is charged with", duration(seconds)),
        _ if timed == all => format!(
            "{all} runs, {} in all, each with the scoring it is charged with",
            duration(seconds)
        ),
        _ => format!("{all} runs; the {timed} that were timed took {}", duration(seconds)),
    }
}

/// The first and the last day.
fn days(data: &Data) -> String {
    let started = || data.runs().map(|run| run.started_at.as_str());
    let day = |time: Option<&str>| time.unwrap_or_default().chars().take(10).collect::<String>();
    let (first, last) = (day(started().min()), day(started().max()));
    if first == last {
        first
    } else {
        format!("{first} to {last}")
    }
}

/// A row for each group of methods that share a section of their specs.
fn by_method(data: &Data, what: &str, section: fn(&RunRow) -> Option<Map<String, Value>>) -> Vec<(String, String)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for run in data.runs() {
        let text = section(run).map(|it| pairs(&it, " = ")).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|(other, _)| *other == text) {
            Some((_, labels)) if labels.contains(&run.method_label) => {}
            Some((_, labels)) => labels.push(run.method_label.clone()),
            None => groups.push((text, vec![run.method_label.clone()])),
        }
    }
    groups
        .into_iter()
        .map(|(text, labels)| (format!("{what}: {}", labels.join(", ")), text))
        .collect()
}

/// How a run selects. Of a run whose selections it counts only the method is named: the rest is as in the run itself.
fn selection(run: &RunRow) -> Option<Map<String, Value>> {
    let mut selection = section(run, &["selection"])?;
    if let Some(of) = selection
        .get_mut("static_scores")
        .and_then(|scores| scores.get_mut("of"))
    {
        let method = of.pointer("/method/name").and_then(Value::as_str).unwrap_or_default();
        *of = Value::String(format!("{method} at the same s and seed"));
    }
    Some(selection)
}

/// An object in the run's spec.
pub(super) fn section(run: &RunRow, path: &[&str]) -> Option<Map<String, Value>> {
    let mut value: Value = serde_json::from_str(&run.spec).ok()?;
    for name in path {
        value = value.get_mut(name)?.take();
    }
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// The members of an object as text, nested ones in parentheses.
fn pairs(object: &Map<String, Value>, between: &str) -> String {
    let member = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Null => return None,
            Value::Object(inner) => format!("({})", pairs(inner, between)),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{name}{between}{value}"))
    };
    object.iter().filter_map(member).collect::<Vec<_>>().join(", ")
}
