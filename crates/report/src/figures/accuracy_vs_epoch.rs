//! Test accuracy against the epoch at one pruned fraction: a panel for each data set, a line for each method.
//!
//! If the recipe planned several pruned fractions, the largest is shown.

use std::fmt::Write as _;

use super::data::{Cell, Data, Line, dataset_title, percent};
use super::layout::Layout;
use super::{Drawing, FigureKind, csv, findings};
use crate::Error;
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::legend::Sample;
use crate::plot::page_frame;
use crate::plot::scene::{Rectangle, Scene};
use crate::plot::theme::{MARKER_RADIUS, Stroke};
use crate::statistics::Summary;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-epoch",
    summary: "test accuracy against the epoch at one pruned fraction, not smoothed",
    make,
};

/// Markers on a curve, so that it can be told apart without colour.
const MARKERS: usize = 7;

/// A method's accuracy at each evaluated epoch, in percent.
struct Curve<'a> {
    line: &'a Line<'a>,
    points: Vec<(u32, Summary)>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let layout = Layout::new(data.datasets.len(), 1);
    let mut words = data.words();
    let shown: Vec<String> =
        data.datasets.iter().filter_map(|dataset| fraction(data, dataset)).map(|s| format!("{} %", percent(s))).collect();
    let shown = super::data::joined(shown.into_iter());
    words.subtitles.insert(0, format!("Pruned fraction s = {shown} for every method but full data; one point an evaluated epoch, not smoothed"));
    let (mut scene, area) = page_frame::begin(&words, layout.width(), layout.height());

    let mut rows = Vec::new();
    let mut text = String::new();
    for (index, &dataset) in data.datasets.iter().enumerate() {
        let curves = curves(data, dataset);
        let mut panel = panel(&curves);
        panel.inside = layout.panel(&area, index, 0);
        draw(&mut scene, &curves, &panel);
        if data.datasets.len() > 1 {
            panel.heading(&mut scene, dataset_title(dataset));
        }
        text += &statements(dataset, &curves);
        rows.extend(curves.iter().flat_map(numbers));
    }
    let mut legend = data.legend();
    if data.has_intervals() {
        legend.others.push(("95 % interval of the mean".to_owned(), Sample::Band));
    }
    legend.draw(&mut scene, layout.legend(&area), layout.legend_width());

    let header = ["dataset", "method", "method_label", "pruned_fraction", "epoch", "n"];
    let header = [&header[..], &["test_accuracy_mean", "test_accuracy_std", "test_accuracy_half_width"]].concat();
    let differences = findings::differences(data, "random-static", |_| true);
    Ok(Drawing { scene, findings: text + &differences, csv: csv::table(&header, rows) })
}

/// The pruned fraction that is shown.
fn fraction(data: &Data, dataset: &str) -> Option<f64> {
    data.pruned_fractions(dataset).last().copied()
}

fn curves<'a>(data: &'a Data<'a>, dataset: &str) -> Vec<Curve<'a>> {
    let shown = fraction(data, dataset);
    let cell = |line: &'a Line<'a>| {
        let wanted = if line.is_baseline() { line.points.first() } else { line.at(shown?) };
        wanted.map(|cell| (line, cell))
    };
    let lines: Vec<&'a Line<'a>> = data.lines.iter().filter(|line| line.dataset == dataset).collect();
    let curves = lines.into_iter().filter_map(cell).map(|(line, cell)| Curve { line, points: by_epoch(data, cell) });
    curves.filter(|curve| !curve.points.is_empty()).collect()
}

/// The mean over the seeds at each epoch that all of them evaluated.
fn by_epoch(data: &Data, cell: &Cell) -> Vec<(u32, Summary)> {
    let runs: Vec<Vec<(u32, f64)>> = cell.runs.iter().map(|run| data.evaluated_epochs(&run.run_id)).collect();
    let Some(first) = runs.first() else { return Vec::new() };
    let at = |epoch: u32| -> Option<Vec<f64>> {
        let of_run = |run: &Vec<(u32, f64)>| {
            run.iter().find(|(other, _)| *other == epoch).map(|(_, accuracy)| 100.0 * accuracy)
        };
        runs.iter().map(of_run).collect()
    };
    first.iter().filter_map(|&(epoch, _)| Some((epoch, Summary::of(&at(epoch)?)?))).collect()
}

fn panel(curves: &[Curve]) -> Panel {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let means: Vec<f64> = points().map(|(_, summary)| summary.mean).collect();
    let last = points().map(|(epoch, _)| *epoch).max().unwrap_or(1);
    let mut x = Axis::round("Epoch", (0.0, f64::from(last)), 6);
    x.range.1 = f64::from(last) * 1.015;
    x.ticks.retain(|tick| *tick <= x.range.1);
    Panel {
        inside: Rectangle { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 },
        x,
        y: Axis::round("Test accuracy (%)", padded_range(&means, &[], (0.0, 100.0)), 7),
    }
}

fn draw(scene: &mut Scene, curves: &[Curve], panel: &Panel) {
    panel.draw(scene);
    for curve in curves {
        let ends = curve.points.iter().filter_map(|(epoch, summary)| {
            summary.interval().map(|(low, high)| (f64::from(*epoch), low, high))
        });
        panel.band(scene, &ends.collect::<Vec<_>>(), curve.line.style.color);
    }
    for curve in curves {
        let points: Vec<_> = curve.points.iter().map(|(epoch, summary)| (f64::from(*epoch), summary.mean)).collect();
        panel.line(scene, &points, Stroke { width: 1.7, ..curve.line.style.stroke() });
    }
    for (index, curve) in curves.iter().enumerate() {
        let every = curve.points.len().div_ceil(MARKERS).max(1);
        let first = index * every / curves.len();
        let style = curve.line.style;
        for (epoch, summary) in curve.points.iter().skip(first).step_by(every) {
            let at = panel.at((f64::from(*epoch), summary.mean));
            scene.marker(at, 0.85 * MARKER_RADIUS, style.marker, style.filled(), style.color);
        }
    }
}

fn statements(dataset: &str, curves: &[Curve]) -> String {
    let goal = curves.iter().find(|curve| curve.line.label == "random-static").and_then(|curve| curve.points.last());
    let mut text = format!("{}: mean test accuracy over the seeds.\n\n", dataset_title(dataset));
    let reach = goal.map_or_else(String::new, |(_, goal)| {
        format!(" first epoch at or above {:.2} % (where random-static ends) |", goal.mean)
    });
    let _ = writeln!(text, "| method | after the last epoch (%) | highest of any epoch (%) |{reach}");
    let _ = writeln!(text, "|---|---|---|{}", if goal.is_some() { "---|" } else { "" });
    for curve in curves {
        let Some((_, last)) = curve.points.last() else { continue };
        let best = curve.points.iter().map(|(_, summary)| summary.mean).fold(f64::NEG_INFINITY, f64::max);
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
    let cell = curve.line;
    let fraction = if cell.is_baseline() { cell.points.first() } else { cell.points.last() };
    let fraction = fraction.map_or_else(String::new, |point| point.pruned_fraction.to_string());
    curve.points.iter().map(move |(epoch, summary)| {
        let mut row = vec![cell.dataset.to_owned(), cell.method.to_owned(), cell.label.to_owned(), fraction.clone()];
        row.push(epoch.to_string());
        row.extend(csv::summary(summary));
        row
    })
}
