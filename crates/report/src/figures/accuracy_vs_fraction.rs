//! Last-epoch test accuracy against the pruned fraction: a panel for each data set, a line for each method. Where some method
//! falls far below full data, a second panel enlarges what is near it.

use super::data::{Cell, Data, FULL_SHORT, Line, counted, dataset_title};
use super::findings::{self, Against};
use super::{Drawing, FigureKind, near_full, numbers};
use crate::Error;
use crate::plot::axes::{Axis, Panel, band_of, padded_range};
use crate::plot::layout;
use crate::plot::legend::Sample;
use crate::plot::scene::Scene;
use crate::statistics::Summary;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-fraction",
    axes: 0,
    fits_a_column: true,
    needs_history: false,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    check_counted(data)?;
    let axes: Vec<(Axis, Axis)> = data.datasets.iter().map(|dataset| axes(data, dataset)).collect();
    let near: Vec<Option<Axis>> = data
        .datasets
        .iter()
        .map(|dataset| near_full::axis(data, dataset))
        .collect();
    let mut words = data.words();
    words.notes.extend(data.sizes());
    let cut = |((dataset, (_, y)), near): ((&&str, &(Axis, Axis)), &Option<Axis>)| {
        is_cut(data, dataset, y) || near.as_ref().is_some_and(|y| is_cut(data, dataset, y))
    };
    if data.datasets.iter().zip(&axes).zip(&near).any(cut) {
        words.notes.push("Bands that reach beyond a panel are cut.".to_owned());
    }
    let mut legend = data.legend();
    legend.baseline_marker = false;
    if data.has_bands() {
        legend
            .others
            .push(("95 % interval of the mean".to_owned(), Sample::Band));
    }

    let rows = if near.iter().any(Option::is_some) { 2 } else { 1 };
    let (mut scene, grid) = layout::begin(&words, &legend, data.format, data.datasets.len(), rows);
    for (index, (((x, y), near), dataset)) in axes.into_iter().zip(near).zip(&data.datasets).enumerate() {
        let title = dataset_title(dataset);
        let panels = [
            Some((y, title.to_owned())),
            near.map(|y| (y, format!("{title}, {}", near_full::HEADING))),
        ];
        for (row, (y, heading)) in panels.into_iter().flatten().enumerate() {
            let panel = Panel {
                inside: grid.panel(index, row),
                x: x.clone(),
                y,
            };
            draw(&mut scene, data, dataset, &panel);
            if grid.has_headings() {
                panel.heading(&mut scene, &heading);
            }
        }
    }

    let mut tables = vec![
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
    // A static set counted from a dynamic run is to be held against that run.
    let mut pairs: Vec<(&str, &str)> = data
        .lines
        .iter()
        .filter_map(|line| Some((line.label, counted(line.label)?)))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let is_counted: Vec<_> = pairs
        .iter()
        .map(|(label, _)| move |line: &Line| line.label == *label)
        .collect();
    tables.extend(
        pairs
            .iter()
            .zip(&is_counted)
            .map(|((_, reference), counts)| Against { reference, counts }),
    );
    let text = findings::comparisons(data, &tables, |dataset| data.pruned_fractions(dataset));
    Ok(Drawing {
        scene: Some(scene),
        findings: text,
        numbers: numbers::by_fraction(data),
    })
}

/// Refuses a picture without the static sets counted from a dynamic run, where they are planned: they are what it is about.
fn check_counted(data: &Data) -> Result<(), Error> {
    let is_planned = data
        .input
        .planned
        .iter()
        .any(|run| counted(&run.method_label).is_some());
    let is_drawn = data.lines.iter().any(|line| counted(line.label).is_some());
    if is_planned && !is_drawn {
        return Err(Error::NothingToCompare {
            figure: data.input.id.to_owned(),
            reason: "no run on a set of most-kept samples has a result".to_owned(),
        });
    }
    Ok(())
}

fn axes(data: &Data, dataset: &str) -> (Axis, Axis) {
    let means: Vec<f64> = accuracies(data, dataset).iter().map(|summary| summary.mean).collect();
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
    let range = padded_range(&means, &bands(data, dataset), (0.0, 100.0));
    (x, Axis::round(near_full::ACCURACY, range, 7))
}

fn accuracies(data: &Data, dataset: &str) -> Vec<Summary> {
    data.lines_of(dataset)
        .flat_map(|line| &line.points)
        .map(Cell::accuracy)
        .collect()
}

/// The intervals that are drawn.
fn bands(data: &Data, dataset: &str) -> Vec<(f64, f64)> {
    accuracies(data, dataset).iter().filter_map(band_of).collect()
}

/// Whether a band reaches beyond the axis.
fn is_cut(data: &Data, dataset: &str, y: &Axis) -> bool {
    let (low, high) = y.range;
    bands(data, dataset).iter().any(|&(from, to)| from < low || to > high)
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, panel: &Panel) {
    panel.draw(scene);
    for line in data.lines_of(dataset) {
        panel.band(scene, &line_points(line, panel).collect::<Vec<_>>(), line.style.color);
    }
    for line in data.lines_of(dataset) {
        let points: Vec<_> = line_points(line, panel).map(|(x, summary)| (x, summary.mean)).collect();
        panel.line_inside(scene, &points, line.style.stroke());
        if !line.is_baseline() {
            let (low, high) = panel.y.range;
            let cells = points.iter().zip(&line.points);
            for (&point, cell) in cells.filter(|((_, y), _)| (low..=high).contains(y)) {
                let (style, at) = (line.style, panel.at(point));
                scene.marker(at, data.marker_radius(cell), style.marker, style.filled(), style.color);
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
