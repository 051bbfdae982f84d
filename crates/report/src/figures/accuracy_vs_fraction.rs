//! Last-epoch test accuracy against the pruned fraction: a panel for each data set, a line for each method.

use super::data::{Cell, Data, FULL_SHORT, Line, counted, dataset_title};
use super::findings::{self, Against};
use super::{Drawing, FigureKind, numbers};
use crate::Error;
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::layout;
use crate::plot::legend::Sample;
use crate::plot::scene::Scene;
use crate::plot::theme::MARKER_RADIUS;
use crate::statistics::Summary;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-fraction",
    summary: "last-epoch test accuracy against the pruned fraction, a line a method",
    fits_a_column: true,
    needs_history: false,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    let axes: Vec<(Axis, Axis)> = data.datasets.iter().map(|dataset| axes(data, dataset)).collect();
    let mut words = data.words();
    if axes
        .iter()
        .zip(&data.datasets)
        .any(|((_, y), dataset)| is_cut(data, dataset, y))
    {
        words.notes.push("Bands that reach beyond a panel are cut.".to_owned());
    }
    let mut legend = data.legend();
    legend.baseline_marker = false;
    if data.has_intervals() {
        legend
            .others
            .push(("95 % interval of the mean".to_owned(), Sample::Band));
    }

    let (mut scene, grid) = layout::begin(&words, &legend, data.format, data.datasets.len(), 1);
    for (index, ((x, y), dataset)) in axes.into_iter().zip(&data.datasets).enumerate() {
        let panel = Panel {
            inside: grid.panel(index, 0),
            x,
            y,
        };
        draw(&mut scene, data, dataset, &panel);
        if grid.has_headings() {
            panel.heading(&mut scene, dataset_title(dataset));
        }
    }

    let shown = |dataset: &str| data.pruned_fractions(dataset);
    let tables = [
        Against {
            reference: "random-static",
            counts: &|line| line.method != FULL_SHORT,
        },
        Against {
            reference: "random-dynamic",
            counts: &|line| line.method != FULL_SHORT && line.label != "random-static",
        },
        Against {
            reference: FULL_SHORT,
            counts: &|_| true,
        },
    ];
    let mut text = findings::comparisons(data, &tables, shown);
    // A static set counted from a dynamic run is to be held against that run: a family of its own.
    for (label, counted) in data
        .lines
        .iter()
        .filter_map(|line| Some((line.label, counted(line.label)?)))
    {
        let against = Against {
            reference: counted,
            counts: &|line| line.label == label,
        };
        text += &findings::comparisons(data, &[against], shown);
    }
    Ok(Drawing {
        scene: Some(scene),
        findings: text,
        numbers: numbers::by_fraction(data),
    })
}

fn axes(data: &Data, dataset: &str) -> (Axis, Axis) {
    let accuracies = accuracies(data, dataset);
    let means: Vec<f64> = accuracies.iter().map(|summary| summary.mean).collect();
    let intervals: Vec<(f64, f64)> = accuracies.iter().filter_map(Summary::interval).collect();
    let fractions: Vec<f64> = data.pruned_fractions(dataset).iter().map(|s| 100.0 * s).collect();
    let (first, last) = (
        fractions.first().copied().unwrap_or(0.0),
        fractions.last().copied().unwrap_or(100.0),
    );
    let margin = if last > first { 0.06 * (last - first) } else { 10.0 };
    let range = (first - margin, last + margin);
    let x = Axis::with_ticks(
        "Pruned fraction s: samples left out of each epoch (%)",
        range,
        fractions,
    );
    let range = padded_range(&means, &intervals, (0.0, 100.0));
    (x, Axis::round("Test accuracy after the last epoch (%)", range, 7))
}

fn accuracies(data: &Data, dataset: &str) -> Vec<Summary> {
    data.lines_of(dataset)
        .flat_map(|line| &line.points)
        .map(Cell::accuracy)
        .collect()
}

/// Whether an interval reaches beyond the axis.
fn is_cut(data: &Data, dataset: &str, y: &Axis) -> bool {
    let (low, high) = y.range;
    accuracies(data, dataset)
        .iter()
        .filter_map(Summary::interval)
        .any(|(from, to)| from < low || to > high)
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, panel: &Panel) {
    panel.draw(scene);
    for line in data.lines_of(dataset) {
        panel.band(scene, &line_points(line, panel).collect::<Vec<_>>(), line.style.color);
    }
    for line in data.lines_of(dataset) {
        let points: Vec<_> = line_points(line, panel).map(|(x, summary)| (x, summary.mean)).collect();
        panel.line(scene, &points, line.style.stroke());
        if !line.is_baseline() {
            for &point in &points {
                let (style, at) = (line.style, panel.at(point));
                scene.marker(at, MARKER_RADIUS, style.marker, style.filled(), style.color);
            }
        }
    }
}

/// The points of a line; full data, which has no s, runs across the panel.
fn line_points<'a>(line: &'a Line, panel: &Panel) -> impl Iterator<Item = (f64, Summary)> + 'a {
    let (left, right) = panel.x.range;
    let across = line.is_baseline();
    line.points.iter().flat_map(move |point| {
        let xs = if across {
            vec![left, right]
        } else {
            vec![100.0 * point.pruned_fraction]
        };
        xs.into_iter().map(move |x| (x, point.accuracy()))
    })
}
