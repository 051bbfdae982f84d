//! Last-epoch test accuracy against the cost of a run relative to full data: a row for each data set, with wall-clock time
//! on the left and counted operations, which no other program can slow down, on the right.

use std::fmt::Write as _;

use super::data::{Cell, Data, Line, dataset_title, percent};
use super::findings::{signed, with_half_width};
use super::{Drawing, FigureKind, csv};
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::layout;
use crate::plot::legend::Sample;
use crate::plot::placement::Taken;
use crate::plot::scene::{Align, Point, Scene, Text};
use crate::plot::theme::{FRONT, MARKER_RADIUS, NOTE_SIZE, QUIET, REFERENCE};
use crate::statistics::Summary;
use crate::{Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-time",
    summary: "last-epoch test accuracy against total time and counted operations, relative to full data",
    make,
};

/// Costs within one percent count as equal: two runs on the same number of samples never take exactly the same time.
const SAME_COST: f64 = 1.01;

/// A speed-up by two, as claimed.
const HALF: f64 = 0.5;

/// A cost of a run: everything a user of the method pays, evaluation left out.
#[derive(Clone, Copy)]
struct Cost {
    label: &'static str,
    heading: &'static str,
    of: fn(&RunRow) -> f64,
}

const COSTS: [Cost; 2] = [
    Cost {
        label: "Scoring + selection + training time (full data = 1)",
        heading: "wall-clock time",
        of: RunRow::method_seconds,
    },
    Cost {
        label: "Scoring + training operations (full data = 1)",
        heading: "counted operations",
        of: RunRow::method_flops,
    },
];

fn make(data: &Data) -> Result<Drawing, Error> {
    let mut legend = data.legend();
    legend.others = vec![
        ("Pareto front; labels give s in %".to_owned(), Sample::Line(FRONT)),
        (
            "full-data accuracy; half of its cost".to_owned(),
            Sample::Line(REFERENCE),
        ),
    ];
    if data.has_intervals() {
        legend
            .others
            .push(("whiskers: 95 % interval of the mean".to_owned(), Sample::Whisker));
    }
    let (mut scene, grid) = layout::begin(&data.words(), &legend, COSTS.len(), data.datasets.len());
    let mut findings = String::new();
    for (row, &dataset) in data.datasets.iter().enumerate() {
        let full = data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?;
        for (column, cost) in COSTS.into_iter().enumerate() {
            let (x, mut y) = axes(data, dataset, full, cost);
            if column > 0 {
                y.label.clear();
            }
            let panel = Panel {
                inside: grid.panel(column, row),
                x,
                y,
            };
            draw(&mut scene, data, dataset, full, cost, &panel);
            panel.heading(&mut scene, &format!("{}: {}", dataset_title(dataset), cost.heading));
        }
        findings += &statements(data, dataset, full);
    }
    Ok(Drawing {
        scene,
        findings,
        csv: csv::by_fraction(data),
    })
}

/// The cost of a cell's runs relative to the mean of full data.
fn relative(point: &Cell, full: &Cell, cost: Cost) -> Summary {
    let one = full.summary(cost.of).mean;
    point.summary(|run| (cost.of)(run) / one)
}

fn axes(data: &Data, dataset: &str, full: &Cell, cost: Cost) -> (Axis, Axis) {
    let points: Vec<&Cell> = data.lines_of(dataset).flat_map(|line| &line.points).collect();
    let means: Vec<f64> = points.iter().map(|point| point.accuracy().mean).collect();
    let intervals: Vec<(f64, f64)> = points.iter().filter_map(|point| point.accuracy().interval()).collect();
    let largest = points
        .iter()
        .map(|point| relative(point, full, cost).mean)
        .fold(1.0, f64::max);
    let range = padded_range(&means, &intervals, (0.0, 100.0));
    (
        Axis::round(cost.label, (0.0, 1.06 * largest), 6),
        Axis::round("Test accuracy after the last epoch (%)", range, 7),
    )
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, full: &Cell, cost: Cost, panel: &Panel) {
    let at = |point: &Cell| (relative(point, full, cost).mean, point.accuracy().mean);
    panel.draw(scene);

    let front = pareto_front(data, dataset, at);
    let path: Vec<Point> = front.iter().map(|(_, point)| at(point)).collect();
    panel.line(scene, &staircase(&path), FRONT);
    let mut taken = Taken::default();
    let ((left, right), (bottom, top)) = (panel.x.range, panel.y.range);
    for reference in [[(HALF, bottom), (HALF, top)], [(left, at(full).1), (right, at(full).1)]] {
        panel.line(scene, &reference, REFERENCE);
        taken.line(&reference.map(|point| panel.at(point)));
    }
    for line in data.lines_of(dataset) {
        for point in &line.points {
            let (x, y) = at(point);
            if let Some((low, high)) = point.accuracy().interval() {
                taken.line(&panel.whisker(scene, (x, low), (x, high), line.style.color));
            }
            if let Some((low, high)) = relative(point, full, cost).interval() {
                taken.line(&panel.whisker(scene, (low, y), (high, y), line.style.color));
            }
        }
        let points: Vec<Point> = line.points.iter().map(at).collect();
        panel.line(scene, &points, line.style.stroke());
        taken.line(&points.iter().map(|&point| panel.at(point)).collect::<Vec<_>>());
    }
    // Full data last: it is one marker among many.
    let (baseline, pruned): (Vec<_>, Vec<_>) = data.lines_of(dataset).partition(|line| line.is_baseline());
    for line in pruned.into_iter().chain(baseline) {
        for point in &line.points {
            let (style, at) = (line.style, panel.at(at(point)));
            scene.marker(at, MARKER_RADIUS, style.marker, style.filled(), style.color);
            taken.marker(at, MARKER_RADIUS + 1.0);
        }
    }

    // The reference lines' own words come last, so that they make way for the data.
    for (_, point) in front.iter().filter(|(_, point)| point.pruned_fraction > 0.0) {
        let label = Text::new(percent(point.pruned_fraction), (0.0, 0.0), NOTE_SIZE).bold();
        if let Some(text) = taken.place(label, panel.at(at(point)), &panel.inside) {
            scene.text(text);
        }
    }
    let (x, _) = panel.at((HALF, bottom));
    let words = Text::new("2× faster", (0.0, 0.0), NOTE_SIZE).color(QUIET);
    for y in [panel.inside.bottom - 8.0, panel.inside.top + 16.0] {
        let beside = Text {
            at: (x - 6.0, y),
            ..words.clone()
        }
        .align(Align::Right);
        if taken.is_free(&beside.bounds()) {
            scene.text(beside);
            break;
        }
    }
}

/// The cells that no other beats in accuracy at the same or a lower cost, by rising cost.
fn pareto_front<'a>(
    data: &'a Data,
    dataset: &'a str,
    at: impl Fn(&Cell) -> Point,
) -> Vec<(&'a Line<'a>, &'a Cell<'a>)> {
    let all = data
        .lines_of(dataset)
        .flat_map(|line| line.points.iter().map(move |point| (line, point)));
    let mut cells: Vec<_> = all.collect();
    let points: Vec<Point> = cells.iter().map(|(_, point)| at(point)).collect();
    cells.retain(|(_, point)| !is_beaten(at(point), &points));
    cells.sort_by(|(_, a), (_, b)| at(a).0.total_cmp(&at(b).0));
    cells
}

/// Whether another point is more accurate and costs no more, or too little more to matter.
fn is_beaten((cost, accuracy): Point, points: &[Point]) -> bool {
    points
        .iter()
        .any(|other| other.1 > accuracy && other.0 <= SAME_COST * cost)
}

/// The best accuracy for every cost: a step at each point.
fn staircase(points: &[Point]) -> Vec<Point> {
    let mut steps = Vec::with_capacity(2 * points.len());
    for (index, &(x, y)) in points.iter().enumerate() {
        if index > 0 {
            steps.push((x, points[index - 1].1));
        }
        steps.push((x, y));
    }
    steps
}

fn statements(data: &Data, dataset: &str, full: &Cell) -> String {
    let accuracy = full.accuracy().mean;
    let mut text = format!(
        "{}: full data reaches {} %. The cheapest setting of each method whose mean is at most one point below it:\n\n\
         | method | s | relative time | relative operations | difference (points) |\n|---|---|---|---|---|\n",
        dataset_title(dataset),
        with_half_width(&full.accuracy(), 2),
    );
    for line in data.lines_of(dataset).filter(|line| !line.is_baseline()) {
        let good = line
            .points
            .iter()
            .filter(|point| point.accuracy().mean >= accuracy - 1.0);
        let seconds = |point: &Cell| relative(point, full, COSTS[0]).mean;
        let _ = match good.min_by(|a, b| seconds(a).total_cmp(&seconds(b))) {
            None => writeln!(text, "| {} | none | | | |", line.label),
            Some(point) => writeln!(
                text,
                "| {} | {} % | {:.2} | {:.2} | {} |",
                line.label,
                percent(point.pruned_fraction),
                seconds(point),
                relative(point, full, COSTS[1]).mean,
                signed(point.accuracy().mean - accuracy),
            ),
        };
    }
    for cost in COSTS {
        let at = |point: &Cell| (relative(point, full, cost).mean, point.accuracy().mean);
        let front = pareto_front(data, dataset, at);
        let name = |(line, point): &(&Line, &Cell)| match point.pruned_fraction {
            0.0 => line.label.to_owned(),
            s => format!("{} {} %", line.label, percent(s)),
        };
        let names: Vec<String> = front.iter().map(name).collect();
        let _ = writeln!(
            text,
            "\nPareto front in {}, cheapest first: {}.",
            cost.heading,
            names.join(", ")
        );
    }
    text + "\nCosts within 1 % count as equal. These are means; whether two neighbours differ is for their intervals to say.\n\n"
}

#[cfg(test)]
mod tests {
    use super::{is_beaten, staircase};

    #[test]
    fn a_point_is_beaten_at_the_same_or_a_lower_cost_only() {
        let points = [(0.3, 70.0), (0.302, 72.0), (0.5, 71.0), (0.6, 75.0)];
        assert_eq!(
            points.map(|point| is_beaten(point, &points)),
            [true, false, true, false]
        );
    }

    #[test]
    fn a_staircase_never_promises_more_than_was_measured() {
        assert_eq!(
            staircase(&[(0.3, 70.0), (0.6, 75.0)]),
            [(0.3, 70.0), (0.6, 70.0), (0.6, 75.0)]
        );
    }
}
