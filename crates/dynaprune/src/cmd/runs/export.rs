//! `runs export`.

use super::Where;
use anyhow::Result;
use clap::ValueEnum;
use dynaprune_report::csv;
use serde_json::Value;
use std::io::{BufWriter, ErrorKind, Write as _, stdout};

/// The options of `runs export`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Where,
    /// Which rows
    #[arg(long, value_enum, default_value_t = Rows::Runs)]
    rows: Rows,
    /// How they are written; Parquet is what results are kept in
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    Runs,
    Epochs,
    Selections,
    Traces,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut rows: Vec<Vec<(&str, Value)>> = Vec::new();
    for (_, results) in args.place.all()? {
        match args.rows {
            Rows::Runs => rows.extend(results.runs()?.iter().map(|row| row.fields())),
            Rows::Epochs => rows.extend(results.epochs()?.iter().map(|row| row.fields())),
            Rows::Selections => rows.extend(results.selections()?.iter().map(|row| row.fields())),
            Rows::Traces => rows.extend(results.traces()?.iter().map(|row| row.fields())),
        }
    }
    let mut out = BufWriter::new(stdout().lock());
    let write = move || -> std::io::Result<()> {
        if args.format == Format::Csv
            && let Some(first) = rows.first()
        {
            let names: Vec<&str> = first.iter().map(|(name, _)| *name).collect();
            writeln!(out, "{}", names.join(","))?;
        }
        for row in rows {
            match args.format {
                Format::Csv => {
                    let fields: Vec<String> = row.iter().map(|(_, value)| field(value)).collect();
                    writeln!(out, "{}", fields.join(","))?;
                }
                Format::Jsonl => {
                    let row = row.into_iter().map(|(name, value)| (name.to_owned(), value));
                    writeln!(out, "{}", Value::Object(row.collect()))?;
                }
            }
        }
        out.flush()
    };
    match write() {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// A value as a field of CSV.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => csv::field(text),
        other => csv::field(&other.to_string()),
    }
}
