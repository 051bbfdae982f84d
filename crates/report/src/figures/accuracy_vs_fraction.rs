//! Last-epoch test accuracy against the pruned fraction: a panel for each data set, a line for each method.

use super::data::{Data, Line};
use super::{Drawing, FigureKind, csv, findings};
use crate::Error;
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::legend::Sample;
use crate::plot::page_frame;
use crate::plot::scene::{Rectangle, Scene};
use crate::plot::theme::MARKER_RADIUS;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-fraction",
    summary: "last-epoch test accuracy against the pruned fraction, a line a method",
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    let layout = super::layout::Layout::new(data.datasets.len(), 1);
    let mut words = data.words();
    let panels: Vec<Panel> = data.datasets.iter().map(|dataset| panel(data, dataset)).collect();
    if panels.iter().zip(&data.datasets).any(|(panel, dataset)| is_cut(data, dataset, panel)) {
        words.notes.push("Bands that reach beyond a panel are cut.".to_owned());
    }
    let (mut scene, area) = page_frame::begin(&words, layout.width(), layout.height());
    for (index, (mut panel, dataset)) in panels.into_iter().zip(&data.datasets).enumerate() {
        panel.inside = layout.panel(&area, index, 0);
        draw(&mut scene, data, dataset, &panel);
        if data.datasets.len() > 1 {
            panel.heading(&mut scene, super::data::dataset_title(dataset));
        }
    }
    let mut legend = data.legend();
    if data.has_intervals() {
        legend.others.push(("95 % interval of the mean".to_owned(), Sample::Band));
    }
    legend.draw(&mut scene, layout.legend(&area), layout.legend_width());

    let mut text = findings::differences(data, "random-static", |_| true);
    text += &findings::differences(data, "random-dynamic", |line| line.label != "random-static");
    Ok(Drawing { scene, findings: text, csv: csv::by_fraction(data) })
}

fn panel(data: &Data, dataset: &str) -> Panel {
    let means: Vec<f64> = points(data, dataset).map(|(_, summary)| summary.mean).collect();
    let intervals: Vec<(f64, f64)> = points(data, dataset).filter_map(|(_, summary)| summary.interval()).collect();
    let fractions: Vec<f64> = data.pruned_fractions(dataset).iter().map(|s| 100.0 * s).collect();
    let (first, last) = (fractions.first().copied().unwrap_or(0.0), fractions.last().copied().unwrap_or(100.0));
    let margin = if last > first { 0.06 * (last - first) } else { 10.0 };
    Panel {
        inside: Rectangle { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 },
        x: Axis::with_ticks(
            "Pruned fraction s: samples left out of each epoch (%)",
            (first - margin, last + margin),
            fractions,
        ),
        y: Axis::round("Test accuracy after the last epoch (%)", padded_range(&means, &intervals, (0.0, 100.0)), 7),
    }
}

fn points<'a>(data: &'a Data, dataset: &str) -> impl Iterator<Item = (f64, crate::statistics::Summary)> + 'a {
    let lines = data.lines_of(dataset).flat_map(|line| &line.points);
    lines.map(|point| (100.0 * point.pruned_fraction, point.accuracy())).collect::<Vec<_>>().into_iter()
}

fn is_cut(data: &Data, dataset: &str, panel: &Panel) -> bool {
    let (low, high) = panel.y.range;
    points(data, dataset).filter_map(|(_, summary)| summary.interval()).any(|(from, to)| from < low || to > high)
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, panel: &Panel) {
    panel.draw(scene);
    for line in data.lines_of(dataset) {
        let ends: Vec<(f64, f64, f64)> = line_points(line, panel)
            .filter_map(|(x, summary)| summary.interval().map(|(low, high)| (x, low, high)))
            .collect();
        panel.band(scene, &ends, line.style.color);
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
fn line_points<'a>(line: &'a Line, panel: &Panel) -> impl Iterator<Item = (f64, crate::statistics::Summary)> + 'a {
    let (left, right) = panel.x.range;
    let across = line.is_baseline();
    line.points.iter().flat_map(move |point| {
        let xs = if across { vec![left, right] } else { vec![100.0 * point.pruned_fraction] };
        xs.into_iter().map(move |x| (x, point.accuracy()))
    })
}
