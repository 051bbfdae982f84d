//! `runs show`.

use super::{Where, find};
use crate::output::print;
use anyhow::{Result, anyhow};
use serde_json::Value;

/// The options of `runs show`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run's id, or the beginning of it
    id: String,
    #[command(flatten)]
    place: Where,
    /// One JSON object with the run, its epochs, kept sets and traces, instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (results, row) = find(&args.id, &args.place)?;
    let rows = results
        .run(&row.run_id)?
        .ok_or_else(|| anyhow!("run {} was removed meanwhile", row.run_id))?;
    if args.json {
        let object = |fields: Vec<(&'static str, Value)>| -> Value {
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let mut run = object(row.fields());
        run["epochs_in_order"] = rows.epochs.iter().map(|row| object(row.fields())).collect();
        run["selections"] = rows.selections.iter().map(|row| object(row.fields())).collect();
        run["traces"] = rows.traces.iter().map(|row| object(row.fields())).collect();
        return print(&format!("{}\n", serde_json::to_string_pretty(&run)?));
    }
    let mut text = String::new();
    for (name, value) in row.fields() {
        match (name, &value) {
            ("spec", Value::String(json)) => {
                let spec: Value = serde_json::from_str(json).unwrap_or(Value::Null);
                text += &format!("spec\n{}\n", serde_json::to_string_pretty(&spec)?);
            }
            (_, Value::String(value)) => text += &format!("{name:<22} {value}\n"),
            (_, Value::Null) => text += &format!("{name:<22} (none)\n"),
            _ => text += &format!("{name:<22} {value}\n"),
        }
    }
    text += "\nepoch  samples  learning rate  train loss  train %  test %  test loss\n";
    for epoch in &rows.epochs {
        let or_dash = |value: Option<f64>, digits: usize, scale: f64| {
            value.map_or("-".to_owned(), |value| format!("{:.digits$}", scale * value))
        };
        text += &format!(
            "{:>5}  {:>7}  {:>13.6}  {:>10.4}  {:>7.2}  {:>6}  {:>9}\n",
            epoch.epoch,
            epoch.samples,
            epoch.learning_rate,
            epoch.train_loss,
            100.0 * epoch.train_accuracy,
            or_dash(epoch.test_accuracy, 2, 100.0),
            or_dash(epoch.test_loss, 4, 1.0)
        );
    }
    let (sets, traces) = (rows.selections.len(), rows.traces.len());
    text += &format!(
        "\n{sets} kept sets, {traces} traced samples\nstored in {}\n",
        results.folder().display()
    );
    print(&text)
}
