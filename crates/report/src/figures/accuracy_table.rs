//! Last-epoch test accuracies as mean and standard deviation over seeds, beside published ones.
//!
//! Published numbers are of full-scale runs. Only at full scale is a difference from them shown: a reduced profile can neither
//! match nor miss them.

use std::fmt::Write as _;

use super::data::{Data, FULL_SHORT, Line, count, dataset_title, is_reduced, percent};
use super::findings::signed;
use super::numbers::{self, Numbers, optional};
use super::{Drawing, FigureKind, provenance};
use crate::published::{self, DATA_DIET, INFOBATCH, SETA, Source};
use crate::statistics::Summary;
use crate::{Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-table",
    axes: 0,
    fits_a_column: false,
    needs_history: false,
    make,
};

const COLUMNS: [&str; 10] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "n",
    "test_accuracy_mean",
    "test_accuracy_std",
    "test_accuracy_half_width",
    "published_infobatch",
    "published_data_diet",
];

/// What a data set's table has at one method and pruned fraction.
struct Row<'a> {
    dataset: &'a str,
    method: &'a str,
    label: &'a str,
    pruned_fraction: f64,
    ours: Ours,
    /// By [`INFOBATCH`] or [`SETA`], in percent.
    infobatch: Option<f64>,
    /// By [`DATA_DIET`], in percent.
    data_diet: Option<f64>,
}

enum Ours {
    /// From 0 to 1, and in percent.
    Ran { fraction: Summary, percent: Summary },
    /// Planned, but without a result.
    Missing,
    /// Only published.
    NotRun,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let mut text = String::new();
    let mut all = Vec::new();
    for &dataset in &data.datasets {
        let rows = rows(data, dataset);
        let _ = writeln!(text, "### {}\n\n{}", dataset_title(dataset), table(data, &rows));
        all.extend(rows);
    }
    text += &explanation(data, &all);
    Ok(Drawing {
        scene: None,
        findings: text,
        numbers: Numbers::new(&COLUMNS, all.iter().map(numbers_of)),
    })
}

/// What was planned for a data set, in planned order with s rising, and behind it what is published of methods not run here.
fn rows<'a>(data: &Data<'a>, dataset: &'a str) -> Vec<Row<'a>> {
    let mut cells: Vec<(&str, &str, f64)> = Vec::new();
    for planned in data.input.planned.iter().filter(|planned| planned.dataset == dataset) {
        let cell = (
            planned.method.as_str(),
            planned.method_label.as_str(),
            planned.pruned_fraction,
        );
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    let mut labels: Vec<&str> = Vec::new();
    for (_, label, _) in &cells {
        if !labels.contains(label) {
            labels.push(label);
        }
    }
    let place = |label: &str| labels.iter().position(|other| *other == label);
    cells.sort_by(|a, b| place(a.1).cmp(&place(b.1)).then(a.2.total_cmp(&b.2)));

    let mut rows: Vec<Row> = Vec::new();
    for &(method, label, pruned_fraction) in &cells {
        let line = data.line(dataset, label);
        let name = line.map_or_else(Names::default, Names::of);
        let published = |source: &Source, name: Option<&str>| {
            name.and_then(|name| published::accuracy(source, dataset, name, pruned_fraction))
        };
        rows.push(Row {
            dataset,
            method,
            label,
            pruned_fraction,
            ours: match line.and_then(|line| line.at(pruned_fraction)) {
                Some(cell) => Ours::Ran {
                    fraction: cell.summary(|run| run.test_accuracy_last),
                    percent: cell.accuracy(),
                },
                None => Ours::Missing,
            },
            infobatch: published(&INFOBATCH, name.infobatch),
            data_diet: published(&DATA_DIET, name.data_diet),
        });
    }
    for (method, source) in [("InfoBatch", &INFOBATCH), ("SeTa", &SETA)] {
        for pruned_fraction in data.pruned_fractions(dataset) {
            if let Some(accuracy) = published::accuracy(source, dataset, method, pruned_fraction) {
                rows.push(Row {
                    dataset,
                    method,
                    label: method,
                    pruned_fraction,
                    ours: Ours::NotRun,
                    infobatch: Some(accuracy),
                    data_diet: None,
                });
            }
        }
    }
    rows
}

/// What the sources call a method of ours; `None` if they do not have it. A variant with other options is not theirs.
#[derive(Default)]
struct Names {
    infobatch: Option<&'static str>,
    data_diet: Option<&'static str>,
}

impl Names {
    fn of(line: &Line) -> Self {
        let (infobatch, data_diet) = match line.label {
            "full" => (Some("full data"), None),
            "random-static" => (Some("static random"), Some("random static")),
            "random-dynamic" => (Some("dynamic random"), None),
            "epsilon-greedy" => (Some("epsilon-greedy"), None),
            "ucb" => (Some("UCB"), None),
            label if line.method == "static" => (None, scored(label, line)),
            _ => (None, None),
        };
        Self { infobatch, data_diet }
    }
}

/// EL2N or GraNd in their original definitions, taken after the same share of the training as published: an epoch of 20 in 200.
fn scored(label: &str, line: &Line) -> Option<&'static str> {
    let (scorer, epoch) = label.split_once('@')?;
    // Options that differ from the original definition stand behind the epoch, and are no number.
    let epoch: u32 = epoch.parse().ok()?;
    let run = line.points.first()?.runs.first()?;
    let same_share = 20 * epochs(run) == published::EPOCHS * epoch;
    match (scorer, epoch) {
        ("grand", 0) => Some("GraNd@init"),
        ("el2n", _) if same_share => Some("EL2N@20"),
        ("grand", _) if same_share => Some("GraNd@20"),
        _ => None,
    }
}

/// The epochs of the protocol, which the scoring runs follow; the run itself makes more passes under a budget of steps.
fn epochs(run: &RunRow) -> u32 {
    let training = provenance::section(run, &["training"]);
    let epochs = training.and_then(|training| training.get("epochs")?.as_u64());
    epochs
        .and_then(|epochs| u32::try_from(epochs).ok())
        .unwrap_or(run.epochs)
}

fn table(data: &Data, rows: &[Row]) -> String {
    let has = |of: fn(&Row) -> Option<f64>| rows.iter().any(|row| of(row).is_some());
    let (infobatch, data_diet) = (has(|row| row.infobatch), has(|row| row.data_diet));
    let differences = infobatch && !is_reduced(data.input.profile);
    let mut head = vec!["method", "s", "test accuracy (%)", "n"];
    let columns = [
        (infobatch, "published [1]"),
        (differences, "ours − [1]"),
        (data_diet, "published [2]"),
    ];
    head.extend(columns.iter().filter(|(shown, _)| *shown).map(|(_, name)| *name));
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let (ours, n) = match &row.ours {
            Ours::Ran { percent, .. } => (mean_and_std(percent), percent.n.to_string()),
            Ours::Missing => ("no result".to_owned(), "0".to_owned()),
            Ours::NotRun => ("not run".to_owned(), String::new()),
        };
        let mut cells = vec![
            row.label.to_owned(),
            format!("{} %", percent(row.pruned_fraction)),
            ours,
            n,
        ];
        let published = |value: Option<f64>, decimals: usize| value.map(|value| format!("{value:.decimals$}"));
        let difference = match (&row.ours, row.infobatch) {
            (Ours::Ran { percent, .. }, Some(theirs)) => Some(signed(percent.mean - theirs)),
            _ => None,
        };
        let values = [published(row.infobatch, 1), difference, published(row.data_diet, 2)];
        let shown = columns.iter().zip(values).filter(|((shown, _), _)| *shown);
        cells.extend(shown.map(|(_, value)| value.unwrap_or_default()));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// `94.31 ± 0.42`, the standard deviation; for one seed only the value.
fn mean_and_std(summary: &Summary) -> String {
    match summary.std {
        Some(std) => format!("{:.2} ± {std:.2}", summary.mean),
        None => format!("{:.2}", summary.mean),
    }
}

/// What the tables hold, whose numbers stand beside ours, and what may be concluded.
fn explanation(data: &Data, rows: &[Row]) -> String {
    let mut text = String::from(
        "Test accuracy after the last epoch, in percent: mean ± sample standard deviation over n seeds; one seed has no \
         deviation. s is the share of the training samples removed.",
    );
    if rows.iter().any(|row| row.label == FULL_SHORT) {
        text += " `full-short` is the control: all data, on a schedule shortened to the steps of runs pruned by s.";
    }
    text.push_str("\n\n");
    let infobatch = rows.iter().any(|row| row.infobatch.is_some());
    let data_diet = rows.iter().any(|row| row.data_diet.is_some());
    if !infobatch && !data_diet {
        text += "Nothing is published of these data sets to stand beside it.\n";
        return text;
    }
    if is_reduced(data.input.profile) {
        let _ = writeln!(
            text,
            "**The published numbers are of full-scale runs: those of the reduced profile `{}` are neither a match nor a miss, and \
             no difference is shown.**\n",
            data.input.profile
        );
    } else {
        text +=
            "The published runs follow other protocols than these; a difference holds that of the protocols too.\n\n";
    }
    if infobatch {
        let _ = writeln!(
            text,
            "- [1] {}. Of `SeTa` only the latter has numbers.",
            INFOBATCH.details
        );
    }
    if data_diet {
        let _ = writeln!(text, "- [2] {}.", DATA_DIET.details);
    }
    let unpublished = rows.iter().filter(|row| row.infobatch.or(row.data_diet).is_none());
    let _ = writeln!(
        text,
        "\nWhere nothing is published ({} here), the place is empty. EL2N and GraNd count as the same method only in their original \
         definitions and after the same share of the training (epoch 20 of 200).",
        count(unpublished.count(), "cell")
    );
    text
}

fn numbers_of(row: &Row) -> Vec<String> {
    let mut cells = vec![row.dataset.to_owned(), row.method.to_owned(), row.label.to_owned()];
    cells.push(row.pruned_fraction.to_string());
    match &row.ours {
        Ours::Ran { fraction, .. } => cells.extend(numbers::summary(fraction)),
        _ => cells.extend(["0".to_owned(), String::new(), String::new(), String::new()]),
    }
    // Published as percentages with one or two decimals: no digits are made up by the division.
    let fraction = |percent: Option<f64>| optional(percent.map(|percent| (100.0 * percent).round() / 1e4));
    cells.extend([fraction(row.infobatch), fraction(row.data_diet)]);
    cells
}
