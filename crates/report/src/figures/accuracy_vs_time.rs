//! Last-epoch test accuracy against the cost of a run relative to full data: a row for each data set, with wall-clock time
//! on the left, where any compares, and counted operations, which no other program can slow down, on the right.

use std::fmt::Write as _;

use super::data::{Cell, Cost, Data, Line, OPERATIONS, SECONDS, dataset_title, percent};
use super::findings::{signed, with_half_width};
use super::{Drawing, FigureKind, numbers};
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
    fits_a_column: true,
    needs_history: false,
    make,
};

/// Costs within one percent count as equal: two runs on the same number of samples never take exactly the same time.
pub(super) const SAME_COST: f64 = 1.01;

/// What is said where wall-clock time is left out.
pub(super) const NO_SECONDS: &str = "Seconds are not drawn: no pruned run was timed on the same device with as many threads as a \
                                     timed run on full data.";

/// A speed-up by two, as claimed.
const HALF: f64 = 0.5;

/// A cost that is drawn.
#[derive(Clone, Copy)]
struct Drawn {
    label: &'static str,
    heading: &'static str,
    cost: Cost,
}

const COSTS: [Drawn; 2] = [
    Drawn {
        label: "Scoring + selection + training time (full data = 1)",
        heading: "wall-clock time",
        cost: SECONDS,
    },
    Drawn {
        label: "Scoring + training operations (full data = 1)",
        heading: "counted operations",
        cost: OPERATIONS,
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
    let mut words = data.words();
    words.notes.extend(data.mixed_machines());
    let costs: Vec<Drawn> = COSTS
        .into_iter()
        .filter(|drawn| !drawn.cost.is_time || any_compares(data, drawn.cost))
        .collect();
    if costs.len() < COSTS.len() {
        words.notes.push(NO_SECONDS.to_owned());
    }
    let (mut scene, grid) = layout::begin(&words, &legend, data.format, costs.len(), data.datasets.len());
    let mut findings = String::new();
    for (row, &dataset) in data.datasets.iter().enumerate() {
        let full = data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?;
        for (column, &cost) in costs.iter().enumerate() {
            let (x, mut y) = axes(data, dataset, full, cost);
            if column > 0 && grid.is_side_by_side() {
                y.label.clear();
            }
            let panel = Panel {
                inside: grid.panel(column, row),
                x,
                y,
            };
            draw(&mut scene, data, dataset, full, cost, &panel);
            if grid.has_headings() {
                panel.heading(&mut scene, &format!("{}: {}", dataset_title(dataset), cost.heading));
            }
        }
        findings += &statements(data, dataset, full);
    }
    Ok(Drawing {
        scene: Some(scene),
        findings,
        numbers: numbers::by_fraction(data),
    })
}

/// Whether the cost of any pruned run compares with that of full data.
pub(super) fn any_compares(data: &Data, cost: Cost) -> bool {
    data.datasets.iter().any(|dataset| {
        let pruned = data.lines_of(dataset).filter(|line| !line.is_baseline());
        let mut points = pruned.flat_map(|line| &line.points);
        data.full(dataset)
            .is_some_and(|full| points.any(|point| point.relative(full, cost).is_some()))
    })
}

/// A cell's place in a panel, if its cost compares with that of full data.
fn place(point: &Cell, full: &Cell, drawn: Drawn) -> Option<Point> {
    let cost = point.relative(full, drawn.cost)?;
    Some((cost.mean, point.accuracy().mean))
}

fn axes(data: &Data, dataset: &str, full: &Cell, drawn: Drawn) -> (Axis, Axis) {
    let points: Vec<&Cell> = data.lines_of(dataset).flat_map(|line| &line.points).collect();
    let means: Vec<f64> = points.iter().map(|point| point.accuracy().mean).collect();
    let intervals: Vec<(f64, f64)> = points.iter().filter_map(|point| point.accuracy().interval()).collect();
    let largest = points
        .iter()
        .filter_map(|point| place(point, full, drawn))
        .map(|(cost, _)| cost)
        .fold(1.0, f64::max);
    let range = padded_range(&means, &intervals, (0.0, 100.0));
    (
        Axis::round(drawn.label, (0.0, 1.06 * largest), 6),
        Axis::round("Test accuracy after the last epoch (%)", range, 7),
    )
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, full: &Cell, drawn: Drawn, panel: &Panel) {
    let at = |point: &Cell| place(point, full, drawn);
    panel.draw(scene);

    let front = pareto_front(data, dataset, at);
    let path: Vec<Point> = front.iter().filter_map(|(_, point)| at(point)).collect();
    panel.line(scene, &staircase(&path), FRONT);
    let mut taken = Taken::default();
    let ((left, right), (bottom, top)) = (panel.x.range, panel.y.range);
    for reference in [
        [(HALF, bottom), (HALF, top)],
        [(left, full.accuracy().mean), (right, full.accuracy().mean)],
    ] {
        panel.line(scene, &reference, REFERENCE);
        taken.line(&reference.map(|point| panel.at(point)));
    }
    for line in data.lines_of(dataset) {
        for point in &line.points {
            let Some((x, y)) = at(point) else { continue };
            if let Some((low, high)) = point.accuracy().interval() {
                taken.line(&panel.whisker(scene, (x, low), (x, high), line.style.color));
            }
            if let Some((low, high)) = point.relative(full, drawn.cost).and_then(|cost| cost.interval()) {
                taken.line(&panel.whisker(scene, (low, y), (high, y), line.style.color));
            }
        }
        let points: Vec<Point> = line.points.iter().filter_map(at).collect();
        panel.line(scene, &points, line.style.stroke());
        taken.line(&points.iter().map(|&point| panel.at(point)).collect::<Vec<_>>());
    }
    // Full data last: it is one marker among many.
    let (baseline, pruned): (Vec<_>, Vec<_>) = data.lines_of(dataset).partition(|line| line.is_baseline());
    for line in pruned.into_iter().chain(baseline) {
        for point in line.points.iter().filter_map(at) {
            let (style, at) = (line.style, panel.at(point));
            scene.marker(at, MARKER_RADIUS, style.marker, style.filled(), style.color);
            taken.marker(at, MARKER_RADIUS + 1.0);
        }
    }

    // The reference lines' own words come last, so that they make way for the data.
    for (_, point) in front.iter().filter(|(_, point)| point.pruned_fraction > 0.0) {
        let label = Text::new(percent(point.pruned_fraction), (0.0, 0.0), NOTE_SIZE).bold();
        if let Some(text) = at(point).and_then(|at| taken.place(label, panel.at(at), &panel.inside)) {
            scene.text(text);
        }
    }
    let (x, _) = panel.at((HALF, bottom));
    let places = [
        (x - 6.0, Align::Right, "2× faster"),
        (x + 6.0, Align::Left, "← 2× faster"),
    ];
    let heights = [panel.inside.bottom - 8.0, panel.inside.top + 16.0];
    let mut candidates = places
        .into_iter()
        .flat_map(|(x, align, words)| heights.map(|y| Text::new(words, (x, y), NOTE_SIZE).color(QUIET).align(align)));
    let fits = |text: &Text| panel.inside.contains(&text.bounds()) && taken.is_free(&text.bounds());
    if let Some(text) = candidates.find(fits) {
        scene.text(text);
    }
}

/// The cells that no other beats in accuracy at the same or a lower cost, by rising cost.
fn pareto_front<'a>(
    data: &'a Data,
    dataset: &'a str,
    at: impl Fn(&Cell) -> Option<Point>,
) -> Vec<(&'a Line<'a>, &'a Cell<'a>)> {
    let all = data
        .lines_of(dataset)
        .flat_map(|line| line.points.iter().map(move |point| (line, point)));
    let mut cells: Vec<_> = all
        .filter_map(|(line, point)| Some((at(point)?, (line, point))))
        .collect();
    let points: Vec<Point> = cells.iter().map(|(at, _)| *at).collect();
    cells.retain(|(at, _)| !is_beaten(*at, &points));
    cells.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0));
    cells.into_iter().map(|(_, cell)| cell).collect()
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
        let cost = |point: &Cell, cost| point.relative(full, cost).map(|relative| relative.mean);
        let operations = |point: &Cell| cost(point, OPERATIONS).unwrap_or(f64::INFINITY);
        let _ = match good.min_by(|a, b| operations(a).total_cmp(&operations(b))) {
            None => writeln!(text, "| {} | none | | | |", line.label),
            Some(point) => writeln!(
                text,
                "| {} | {} % | {} | {:.2} | {} |",
                line.label,
                percent(point.pruned_fraction),
                cost(point, SECONDS).map_or_else(|| "?".to_owned(), |time| format!("{time:.2}")),
                operations(point),
                signed(point.accuracy().mean - accuracy),
            ),
        };
    }
    for cost in COSTS {
        let front = pareto_front(data, dataset, |point| place(point, full, cost));
        let name = |(line, point): &(&Line, &Cell)| match point.pruned_fraction {
            0.0 => line.label.to_owned(),
            s => format!("{} {} %", line.label, percent(s)),
        };
        let names: Vec<String> = front.iter().map(name).collect();
        let _ = match names.as_slice() {
            [] => writeln!(text, "\nNothing here compares in {}.", cost.heading),
            names => writeln!(
                text,
                "\nPareto front in {}, cheapest first: {}.",
                cost.heading,
                names.join(", ")
            ),
        };
    }
    text += &static_costs(data, dataset, full);
    text + "\nCosts within 1 % count as equal. These are means; whether two neighbours differ is for their intervals to say.\n\n"
}

/// Whether static pruning on scores costs more than training on all data, once its scoring is counted; empty without such
/// a method.
fn static_costs(data: &Data, dataset: &str, full: &Cell) -> String {
    let mut rows = String::new();
    // For each cost, settings that cost more, and settings whose cost is known.
    let mut counts = COSTS.map(|_| (0, 0));
    for line in data.lines_of(dataset).filter(|line| line.method == "static") {
        for point in &line.points {
            let mean = |of: fn(&RunRow) -> f64| point.summary(of).mean;
            let scoring = mean(|run| run.scoring_flops) / mean(RunRow::method_flops);
            let costs = COSTS.map(|drawn| point.relative(full, drawn.cost));
            for ((more, known), cost) in counts.iter_mut().zip(&costs) {
                *more += usize::from(cost.as_ref().is_some_and(|cost| verdict(cost) == "more"));
                *known += usize::from(cost.is_some());
            }
            let [time, operations] = costs.map(|cost| match cost {
                Some(cost) => format!("{}, {}", with_half_width(&cost, 2), verdict(&cost)),
                None => "?".to_owned(),
            });
            let s = percent(point.pruned_fraction);
            let _ = writeln!(
                rows,
                "| {} | {s} % | {:.0} % | {time} | {operations} |",
                line.label,
                100.0 * scoring
            );
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let counted = COSTS.iter().zip(counts).map(|(cost, (more, known))| match known {
        0 => format!("in {} none compares", cost.heading),
        known => format!("in {} {more} of {known} settings cost more", cost.heading),
    });
    format!(
        "\n{}: static pruning with its scoring counted, against training on all data: {}.\n\n\
         | method | s | scoring's share of the operations | relative time | relative operations |\n|---|---|---|---|---|\n{rows}",
        dataset_title(dataset),
        counted.collect::<Vec<_>>().join(", "),
    )
}

/// Whether a relative cost, with its interval if it has one, is `more` or `less` than that of full data.
pub(super) fn verdict(cost: &Summary) -> &'static str {
    let (low, high) = cost.interval().unwrap_or((cost.mean, cost.mean));
    if low > SAME_COST {
        "more"
    } else if SAME_COST * high < 1.0 {
        "less"
    } else if high <= SAME_COST && SAME_COST * low >= 1.0 {
        "equal"
    } else {
        "undecided"
    }
}

#[cfg(test)]
mod tests {
    use super::{is_beaten, staircase, verdict};
    use crate::statistics::Summary;

    #[test]
    fn a_cost_is_compared_with_that_of_full_data() {
        let of = |values: &[f64]| verdict(&Summary::of(values).unwrap());
        assert_eq!([of(&[1.2]), of(&[0.8]), of(&[1.005])], ["more", "less", "equal"]);
        assert_eq!(
            [of(&[1.2, 1.21]), of(&[1.2, 0.9]), of(&[1.0001, 0.9999])],
            ["more", "undecided", "equal"]
        );
    }

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
