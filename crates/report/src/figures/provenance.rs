//! How runs were made, as their rows and their specs say.

use serde_json::{Map, Value};

use super::data::{Data, joined, thousands};
use crate::RunRow;

/// The network of a run with its options: `resnet18 (width 16)`.
pub(super) fn model(run: &RunRow) -> String {
    let spec: Value = serde_json::from_str(&run.spec).unwrap_or_default();
    let options = spec.get("model").and_then(Value::as_object).map(|model| {
        let named = model.get("options").and_then(Value::as_object).unwrap_or(model);
        pairs(named, " ", &["name", "options"])
    });
    match options {
        Some(options) if !options.is_empty() => format!("{} ({options})", run.model),
        _ => run.model.clone(),
    }
}

/// What a reader needs to judge the runs: `(what, value)`.
pub(super) fn facts(data: &Data) -> Vec<(&'static str, String)> {
    let all = |of: fn(&RunRow) -> String| joined(data.runs().map(of));
    let section = |name: &'static str| {
        let of = |run: &RunRow| {
            let spec: Value = serde_json::from_str(&run.spec).unwrap_or_default();
            spec.get(name).and_then(Value::as_object).map(|section| pairs(section, " = ", &[])).unwrap_or_default()
        };
        joined(data.runs().map(of).filter(|text| !text.is_empty()))
    };
    let mut facts = vec![
        ("data", all(|run| format!("{}: {} training and {} test samples", run.dataset, thousands(run.train_samples), thousands(run.test_samples)))),
        ("network", all(|run| format!("{}, {} parameters", model(run), thousands(run.parameters)))),
        ("training", section("training")),
        ("selection", section("selection")),
        ("precision", all(|run| run.precision.clone())),
        ("device", all(|run| run.device.clone())),
        ("threads", all(|run| run.threads.to_string())),
        ("code version", all(|run| run.code_version.clone())),
        ("run", {
            let started = || data.runs().map(|run| run.started_at.as_str());
            let day = |time: Option<&str>| time.unwrap_or_default().chars().take(10).collect::<String>();
            joined([day(started().min()), day(started().max())].into_iter())
        }),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The members of an object as text, nested ones in parentheses.
fn pairs(object: &Map<String, Value>, between: &str, without: &[&str]) -> String {
    let member = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Null => return None,
            Value::Object(inner) => format!("({})", pairs(inner, " = ", &[])),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{name}{between}{value}"))
    };
    let members = object.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    members.filter_map(member).collect::<Vec<_>>().join(", ")
}
