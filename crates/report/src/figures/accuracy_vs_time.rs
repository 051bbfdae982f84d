//! Last-epoch test accuracy against the cost of a run relative to full data: a row for each data set, with wall-clock time
//! on the left, where any compares, and counted operations, which no other program can slow down, on the right. Where some
//! method falls far below full data, a second row enlarges what is near it.

use std::fmt::Write as _;

use super::costs::{NO_SECONDS, SAME_COST, TIME_TESTS, any_compares, verdicts, with_pairs};
use super::data::{Cell, Cost, Data, Line, OPERATIONS, SECONDS, count, dataset_title, percent};
use super::findings::{signed, with_half_width};
use super::{Drawing, FigureKind, near_full, numbers};
use crate::plot::axes::{Axis, Panel, padded_range};
use crate::plot::layout::{self, Format};
use crate::plot::legend::Sample;
use crate::plot::placement::Taken;
use crate::plot::scene::{Align, Point, Scene, Text};
use crate::plot::theme::{FRONT, MARKER_RADIUS, NOTE_SIZE, QUIET, REFERENCE};
use crate::statistics::Summary;
use crate::{Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-time",
    axes: 0,
    fits_a_column: true,
    needs_history: false,
    make,
};

/// A speed-up by two, as claimed.
const HALF: f64 = 0.5;

/// A cost that is drawn.
#[derive(Clone, Copy)]
struct Drawn {
    label: &'static str,
    heading: &'static str,
    cost: Cost,
}

/// What a panel shows, and where.
struct Place<'a> {
    row: usize,
    column: usize,
    dataset: &'a str,
    full: &'a Cell<'a>,
    drawn: Drawn,
    /// The axis of accuracies, if it is a part of all.
    enlarged: Option<Axis>,
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
        ("Pareto front; numbers: s in %".to_owned(), Sample::Line(FRONT)),
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
    words.notes.extend(data.sizes());
    words.notes.extend(data.mixed_machines());
    let costs: Vec<Drawn> = COSTS
        .into_iter()
        .filter(|drawn| !drawn.cost.is_time || any_compares(data, drawn.cost))
        .collect();
    if costs.len() < COSTS.len() {
        words.notes.push(NO_SECONDS.to_owned());
    }
    let panels = panels(data, &costs)?;
    let rows = panels.last().map_or(1, |place| place.row + 1);
    let (columns, rows) = match data.format {
        Format::Page => (costs.len(), rows),
        Format::Column => (1, panels.len()),
    };
    let (mut scene, grid) = layout::begin(&words, &legend, data.format, columns, rows);
    let mut labelled = None;
    for (index, place) in panels.into_iter().enumerate() {
        let Place {
            row,
            column,
            dataset,
            full,
            drawn,
            enlarged,
        } = place;
        let (x, whole) = axes(data, dataset, full, drawn);
        let is_enlarged = enlarged.is_some();
        let mut y = enlarged.unwrap_or(whole);
        // One label serves a row.
        if grid.is_side_by_side() && labelled == Some(row) {
            y.label.clear();
        }
        labelled = Some(row);
        let inside = match data.format {
            Format::Page => grid.panel(column, row),
            Format::Column => grid.panel(0, index),
        };
        let panel = Panel { inside, x, y };
        draw(&mut scene, data, dataset, full, drawn, &panel);
        if grid.has_headings() {
            let mut heading = format!("{}: {}", dataset_title(dataset), drawn.heading);
            if is_enlarged {
                heading = format!("{heading}, {}", near_full::HEADING);
            }
            panel.heading(&mut scene, &heading);
        }
    }
    let findings = data.datasets.iter().map(|dataset| {
        let full = data.full(dataset);
        full.map_or_else(String::new, |full| statements(data, dataset, full))
    });
    let findings = findings.collect();
    Ok(Drawing {
        scene: Some(scene),
        findings,
        numbers: numbers::by_fraction(data),
    })
}

/// The panels by row and column; in a column of a paper they follow each other.
fn panels<'a>(data: &'a Data, costs: &[Drawn]) -> Result<Vec<Place<'a>>, Error> {
    let mut panels = Vec::new();
    let mut row = 0;
    for &dataset in &data.datasets {
        let full = data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?;
        let near = near_full::axis(data, dataset);
        for enlarged in std::iter::once(None).chain(near.map(Some)) {
            for (column, &drawn) in costs.iter().enumerate() {
                let is_empty = |y: &Axis| !any_within(data, dataset, full, drawn, y);
                if !enlarged.as_ref().is_some_and(is_empty) {
                    panels.push(Place {
                        row,
                        column,
                        dataset,
                        full,
                        drawn,
                        enlarged: enlarged.clone(),
                    });
                }
            }
            row += 1;
        }
    }
    Ok(panels)
}

/// Whether a panel with this axis would show anything but full data.
fn any_within(data: &Data, dataset: &str, full: &Cell, drawn: Drawn, y: &Axis) -> bool {
    let pruned = data.lines_of(dataset).filter(|line| !line.is_baseline());
    let (low, high) = y.range;
    pruned
        .flat_map(|line| &line.points)
        .filter_map(|point| place(point, full, drawn))
        .any(|(_, accuracy)| (low..=high).contains(&accuracy))
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
        Axis::round(near_full::ACCURACY, range, 7),
    )
}

fn draw(scene: &mut Scene, data: &Data, dataset: &str, full: &Cell, drawn: Drawn, panel: &Panel) {
    let at = |point: &Cell| place(point, full, drawn);
    // An enlarged panel shows some of the points.
    let shown = |point: &Cell| at(point).filter(|(_, y)| (panel.y.range.0..=panel.y.range.1).contains(y));
    panel.draw(scene);

    let front = pareto_front(data, dataset, at);
    let path: Vec<Point> = front.iter().filter_map(|(_, point)| at(point)).collect();
    panel.line_inside(scene, &staircase(&path), FRONT);
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
            let Some((x, y)) = shown(point) else { continue };
            if let Some((low, high)) = point.accuracy().interval() {
                taken.line(&panel.whisker(scene, (x, low), (x, high), line.style.color));
            }
            if let Some((low, high)) = point.relative(full, drawn.cost).and_then(|cost| cost.interval()) {
                taken.line(&panel.whisker(scene, (low, y), (high, y), line.style.color));
            }
        }
        let points: Vec<Point> = line.points.iter().filter_map(at).collect();
        panel.line_inside(scene, &points, line.style.stroke());
        taken.line(&points.iter().map(|&point| panel.at(point)).collect::<Vec<_>>());
    }
    // Full data last: it is one marker among many.
    let (baseline, pruned): (Vec<_>, Vec<_>) = data.lines_of(dataset).partition(|line| line.is_baseline());
    for line in pruned.into_iter().chain(baseline) {
        let cells = line.points.iter().filter_map(|cell| Some((cell, shown(cell)?)));
        for (cell, point) in cells {
            let (style, at) = (line.style, panel.at(point));
            scene.marker(at, data.marker_radius(cell), style.marker, style.filled(), style.color);
            taken.marker(at, MARKER_RADIUS + 1.0);
        }
    }

    // The reference lines' own words come last, so that they make way for the data.
    for (_, point) in front.iter().filter(|(_, point)| point.pruned_fraction > 0.0) {
        let label = Text::new(percent(point.pruned_fraction), (0.0, 0.0), NOTE_SIZE).bold();
        if let Some(text) = shown(point).and_then(|at| taken.place(label, panel.at(at), &panel.inside)) {
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
        let shown = |cost: Option<f64>| cost.map_or_else(|| "?".to_owned(), |cost| format!("{cost:.2}"));
        let _ = match good.min_by(|a, b| operations(a).total_cmp(&operations(b))) {
            None => writeln!(text, "| {} | none | | | |", line.label),
            Some(point) => writeln!(
                text,
                "| {} | {} % | {} | {} | {} |",
                line.label,
                percent(point.pruned_fraction),
                shown(cost(point, SECONDS)),
                shown(cost(point, OPERATIONS)),
                signed(point.accuracy().mean - accuracy),
            ),
        };
    }
    let compared = |cost| {
        let points = data.lines_of(dataset).flat_map(|line| &line.points);
        points.filter(|point| place(point, full, cost).is_some()).count()
    };
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
                "\nPareto front in {}, of the {} that compare, cheapest first: {}.",
                cost.heading,
                count(compared(cost), "setting"),
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
    let lines = data.lines_of(dataset).filter(|line| line.method == "static");
    let cells: Vec<(&Line, &Cell)> = lines
        .flat_map(|line| line.points.iter().map(move |point| (line, point)))
        .collect();
    if cells.is_empty() {
        return String::new();
    }
    let costs = COSTS.map(|drawn| -> Vec<Option<Summary>> {
        cells
            .iter()
            .map(|(_, point)| point.relative(full, drawn.cost))
            .collect()
    });
    let [time, operations] = [0, 1].map(|index| verdicts(&costs[index], COSTS[index].cost));
    // For each cost, settings that cost more by their verdict, by their mean, and settings whose cost is known.
    let counts = [(&time, &costs[0]), (&operations, &costs[1])].map(|(verdicts, costs)| {
        let more = verdicts.iter().filter(|verdict| **verdict == "more").count();
        let above = costs.iter().flatten().filter(|cost| cost.mean > 1.0).count();
        (more, above, costs.iter().flatten().count())
    });
    let mut rows = String::new();
    for (index, (line, point)) in cells.iter().enumerate() {
        let mean = |of: fn(&RunRow) -> f64| point.summary(of).mean;
        let scoring = mean(|run| run.scoring_flops) / mean(RunRow::method_flops);
        let scoring = match scoring.is_finite() {
            true => format!("{:.0} %", 100.0 * scoring),
            false => "?".to_owned(),
        };
        let seconds = costs[0][index].map_or_else(
            || "?".to_owned(),
            |cost| format!("{}, {}", with_half_width(&cost, 2), with_pairs(&cost, time[index])),
        );
        let counted = costs[1][index].map_or_else(
            || "?".to_owned(),
            |cost| format!("{:.2}, {}", cost.mean, operations[index]),
        );
        let _ = writeln!(
            rows,
            "| {} | {} % | {scoring} | {seconds} | {counted} |",
            line.label,
            percent(point.pruned_fraction),
        );
    }
    let counted = COSTS
        .iter()
        .zip(counts)
        .map(|(cost, (more, above, known))| match known {
            0 => format!("in {} none compares", cost.heading),
            known if cost.cost.is_time => format!(
                "in {} the mean of {above} of {known} settings is above 1, and {more} are found to cost more",
                cost.heading
            ),
            known => format!("in {} {more} of {known} settings cost more", cost.heading),
        });
    format!(
        "\n{}: static pruning with its scoring counted, against training on all data: {}. {TIME_TESTS}\n\n\
         | method | s | scoring's share of the operations | relative time | relative operations |\n|---|---|---|---|---|\n{rows}",
        dataset_title(dataset),
        counted.collect::<Vec<_>>().join(", "),
    )
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
