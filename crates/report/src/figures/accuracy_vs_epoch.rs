//! Test accuracy against the epoch at one pruned fraction, not smoothed: a panel for each data set, a line for each method.
//!
//! If the recipe planned several pruned fractions, the largest is shown.

use std::fmt::Write as _;

use super::data::{Cell, Data, FULL_SHORT, Line, dataset_title, joined, percent};
use super::findings::{self, Against};
use super::numbers::{self, Numbers};
use super::{Drawing, FigureKind, over_epochs};
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::layout;
use crate::plot::legend::Sample;
use crate::plot::scene::Scene;
use crate::statistics::Summary;
use crate::{Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-epoch",
    axes: 0,
    fits_a_column: true,
    needs_history: false,
    make,
};

const COLUMNS: [&str; 9] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "epoch",
    "n",
    "test_accuracy_mean",
    "test_accuracy_std",
    "test_accuracy_half_width",
];

/// A method's accuracy at each evaluated epoch, in percent.
struct Curve<'a> {
    line: &'a Line<'a>,
    pruned_fraction: f64,
    points: Vec<(u32, Summary)>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let fractions = data.datasets.iter().filter_map(|dataset| fraction(data, dataset));
    let shown = joined(fractions.map(|s| format!("{} %", percent(s))));
    let mut words = data.words();
    let subtitle = match shown.as_str() {
        "" => "Full data; each evaluated epoch, not smoothed".to_owned(),
        shown => format!("s = {shown} for every method but full data; each evaluated epoch, not smoothed"),
    };
    words.subtitles.insert(0, subtitle);
    let mut all = Vec::new();
    for &dataset in &data.datasets {
        let curves = curves(data, dataset);
        let axes = axes(&curves).ok_or_else(|| Error::NothingToDraw {
            figure: data.input.id.to_owned(),
            planned: data.input.planned.len(),
        })?;
        all.push((curves, axes));
    }
    fn points<'a>(curves: &'a [Curve]) -> impl Iterator<Item = &'a [(u32, Summary)]> {
        curves.iter().map(|curve| &*curve.points)
    }
    if all
        .iter()
        .any(|(curves, (_, y))| over_epochs::are_cut(points(curves), y.range))
    {
        words.notes.push(over_epochs::CUT.to_owned());
    }
    let mut legend = data.legend();
    if over_epochs::have_bands(all.iter().flat_map(|(curves, _)| points(curves))) {
        legend
            .others
            .push(("95 % interval of the mean".to_owned(), Sample::Band));
    }

    let (mut scene, grid) = layout::begin(&words, &legend, data.format, data.datasets.len(), 1);
    let mut rows = Vec::new();
    let mut text = String::new();
    for (index, (&dataset, (curves, (x, y)))) in data.datasets.iter().zip(all).enumerate() {
        let panel = Panel {
            inside: grid.panel(index, 0),
            x,
            y,
        };
        draw(&mut scene, &curves, &panel);
        if grid.has_headings() {
            panel.heading(&mut scene, dataset_title(dataset));
        }
        text += &statements(dataset, &curves);
        rows.extend(curves.iter().flat_map(numbers));
    }
    let shown = |dataset: &str| fraction(data, dataset).into_iter().collect();
    let tables = [
        Against {
            reference: "random-static",
            counts: &|line| line.method != FULL_SHORT,
        },
        Against {
            reference: FULL_SHORT,
            counts: &|_| true,
        },
    ];
    text += &findings::comparisons(data, &tables, shown);
    Ok(Drawing {
        scene: Some(scene),
        findings: text,
        numbers: Numbers::new(&COLUMNS, rows),
    })
}

/// The pruned fraction that is shown.
fn fraction(data: &Data, dataset: &str) -> Option<f64> {
    data.pruned_fractions(dataset).last().copied()
}

fn curves<'a>(data: &'a Data<'a>, dataset: &str) -> Vec<Curve<'a>> {
    let shown = fraction(data, dataset);
    let cell = |line: &'a Line<'a>| {
        let wanted = if line.is_baseline() {
            line.points.first()
        } else {
            line.at(shown?)
        };
        wanted.map(|cell| (line, cell))
    };
    let lines: Vec<&'a Line<'a>> = data.lines.iter().filter(|line| line.dataset == dataset).collect();
    let curve = |(line, cell): (&'a Line<'a>, &Cell)| Curve {
        line,
        pruned_fraction: cell.pruned_fraction,
        points: by_epoch(data, cell),
    };
    lines
        .into_iter()
        .filter_map(cell)
        .map(curve)
        .filter(|curve| !curve.points.is_empty())
        .collect()
}

/// The mean over the seeds at each epoch that all of them evaluated, in percent.
fn by_epoch(data: &Data, cell: &Cell) -> Vec<(u32, Summary)> {
    let of_run = |run: &&RunRow| -> Vec<(u32, f64)> {
        let epochs = data.evaluated_epochs(&run.run_id).into_iter();
        epochs.map(|(epoch, accuracy)| (epoch, 100.0 * accuracy)).collect()
    };
    over_epochs::over_seeds(&cell.runs.iter().map(of_run).collect::<Vec<_>>())
}

/// The axes that show all curves; `None` if there is none.
fn axes(curves: &[Curve]) -> Option<(Axis, Axis)> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let means: Vec<f64> = points().map(|(_, summary)| summary.mean).collect();
    let last = points().map(|(epoch, _)| *epoch).max()?;
    Some((
        over_epochs::axis(last),
        Axis::round("Test accuracy (%)", padded_range(&means, &[], (0.0, 100.0)), 9),
    ))
}

fn draw(scene: &mut Scene, curves: &[Curve], panel: &Panel) {
    panel.draw(scene);
    let drawn: Vec<_> = curves.iter().map(|curve| (curve.line.style, &*curve.points)).collect();
    over_epochs::lines(scene, &drawn, panel);
    over_epochs::markers(scene, &drawn, panel);
}

fn statements(dataset: &str, curves: &[Curve]) -> String {
    let goal = curves
        .iter()
        .find(|curve| curve.line.label == "random-static")
        .and_then(|curve| curve.points.last());
    let mut text = format!(
        "{}: mean test accuracy over the seeds; the highest is that of the mean, which may be below the mean of each run's \
         *best*.{}\n\n",
        dataset_title(dataset),
        match goal {
            Some(_) => " An epoch on all samples takes as long as several on a part of them.",
            None => "",
        }
    );
    let reach = goal.map_or_else(String::new, |(_, goal)| {
        format!(
            " first epoch at or above {:.2} % (where random-static ends) |",
            goal.mean
        )
    });
    let _ = writeln!(
        text,
        "| method | after the last epoch (%) | highest of any epoch (%) |{reach}"
    );
    let _ = writeln!(text, "|---|---|---|{}", if goal.is_some() { "---|" } else { "" });
    for curve in curves {
        let Some((_, last)) = curve.points.last() else { continue };
        let best = curve
            .points
            .iter()
            .map(|(_, summary)| summary.mean)
            .fold(f64::NEG_INFINITY, f64::max);
        let reached = goal.map_or_else(String::new, |(_, goal)| {
            let first = curve.points.iter().find(|(_, summary)| summary.mean >= goal.mean);
            first.map_or_else(|| " never |".to_owned(), |(epoch, _)| format!(" {epoch} |"))
        });
        let last = findings::with_half_width(last, 2);
        let _ = writeln!(text, "| {} | {last} | {best:.2} |{reached}", curve.line.label);
    }
    text.push('\n');
    text
}

fn numbers<'a>(curve: &'a Curve) -> impl Iterator<Item = Vec<String>> + 'a {
    curve.points.iter().map(|(epoch, summary)| {
        let line = curve.line;
        let mut row = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
        row.extend([curve.pruned_fraction.to_string(), epoch.to_string()]);
        row.extend(numbers::summary(summary));
        row
    })
}
