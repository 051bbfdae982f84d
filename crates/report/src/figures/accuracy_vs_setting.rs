//! Last-epoch test accuracy, and below it the cost relative to full data, against a setting of a method: a column for each
//! data set, a line for each method and combination of its other settings. Methods without the setting are horizontal lines.

use std::fmt::Write as _;

use super::data::{Cell, Data, OPERATIONS, dataset_title};
use super::findings::with_half_width;
use super::numbers::{self, Numbers};
use super::settings::{Arranged, Reference, Series, SeriesPoint};
use super::{Drawing, FigureKind};
use crate::Error;
use crate::plot::axes::{Axis, Panel, band_of, number, padded_range};
use crate::plot::layout;
use crate::plot::legend::Sample;
use crate::plot::scene::Scene;
use crate::plot::theme::{Dash, MARKER_RADIUS, MethodStyle, Stroke};
use crate::statistics::Summary;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-vs-setting",
    axes: 1,
    fits_a_column: true,
    needs_history: false,
    make,
};

/// Costs nearer than this, in units of full data's, lie on each other in the plot.
const COINCIDE: f64 = 0.005;

#[derive(Clone, Copy)]
enum Quantity {
    Accuracy,
    Cost,
}

/// A line of a panel.
struct Line {
    style: MethodStyle,
    stroke: Stroke,
    /// A method without the setting has one point, which stands for all values.
    is_reference: bool,
    /// Value of the setting and what was measured there.
    points: Vec<(f64, Summary)>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let arranged = Arranged::new(data, KIND.axes)?;
    let mut words = data.words();
    let mut findings = String::new();
    let mut panels = Vec::new();
    for (column, &dataset) in data.datasets.iter().enumerate() {
        let full = data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?;
        for (row, quantity) in [Quantity::Accuracy, Quantity::Cost].into_iter().enumerate() {
            let lines = lines(&arranged, dataset, full, quantity);
            let heading = format!("{}: {}", dataset_title(dataset), quantity.heading());
            panels.push((column, row, heading, quantity.y(&lines), lines));
        }
        for note in coinciding(&arranged, dataset, full) {
            if !words.notes.contains(&note) {
                words.notes.push(note);
            }
        }
        findings += &statements(&arranged, dataset, full);
    }
    if panels.iter().any(|(.., y, lines)| is_cut(lines, y)) {
        words.notes.push("Bands that reach beyond a panel are cut.".to_owned());
    }
    findings += &arranged.unnamed();
    findings += &arranged.comparisons(data);

    let (mut scene, grid) = layout::begin(&words, &legend(data, &arranged), data.format, data.datasets.len(), 2);
    for (column, row, heading, y, lines) in panels {
        let panel = Panel {
            inside: grid.panel(column, row),
            x: x_axis(&arranged),
            y,
        };
        draw(&mut scene, &panel, &lines);
        panel.heading(&mut scene, &heading);
    }
    Ok(Drawing {
        scene: Some(scene),
        findings,
        numbers: numbers_of(data, &arranged),
    })
}

impl Quantity {
    fn heading(self) -> &'static str {
        match self {
            Self::Accuracy => "test accuracy",
            Self::Cost => "counted operations",
        }
    }

    fn of(self, cell: &Cell, full: &Cell) -> Option<Summary> {
        match self {
            Self::Accuracy => Some(cell.accuracy()),
            Self::Cost => cell.relative(full, OPERATIONS),
        }
    }

    fn y(self, lines: &[Line]) -> Axis {
        let points = || lines.iter().flat_map(|line| &line.points).map(|(_, summary)| summary);
        let means: Vec<f64> = points().map(|summary| summary.mean).collect();
        match self {
            Self::Accuracy => {
                let intervals: Vec<(f64, f64)> = points().filter_map(Summary::interval).collect();
                let (low, high) = padded_range(&means, &intervals, (0.0, 100.0));
                // A single line needs no thousandths.
                let missing = (1.0 - (high - low)).max(0.0) / 2.0;
                let range = (low - missing, high + missing);
                Axis::round("Test accuracy after the last epoch (%)", range, 7)
            }
            Self::Cost => {
                let highest = means.into_iter().fold(1.0, f64::max);
                Axis::round("Scoring + training (full data = 1)", (0.0, 1.06 * highest), 6)
            }
        }
    }
}

fn x_axis(arranged: &Arranged) -> Axis {
    let axis = &arranged.axes[0];
    Axis::at_values(axis.title(), axis.values.clone())
}

/// References first, so that the series lie above them.
fn lines(arranged: &Arranged, dataset: &str, full: &Cell, quantity: Quantity) -> Vec<Line> {
    let references = arranged.references_of(dataset).map(|reference| Line {
        style: reference.style,
        stroke: reference_stroke(reference),
        is_reference: true,
        points: quantity
            .of(&reference.cell, full)
            .map(|summary| (f64::NAN, summary))
            .into_iter()
            .collect(),
    });
    let series = arranged.series_of(dataset).map(|series| Line {
        style: series.style,
        stroke: series.style.stroke(),
        is_reference: false,
        points: series
            .points
            .iter()
            .filter_map(|point| Some((point.x(), quantity.of(&point.cell, full)?)))
            .collect(),
    });
    references.chain(series).collect()
}

/// Whether an interval reaches beyond the axis.
fn is_cut(lines: &[Line], y: &Axis) -> bool {
    let intervals = lines.iter().flat_map(|line| &line.points);
    intervals
        .filter_map(|(_, summary)| band_of(summary))
        .any(|(low, high)| low < y.range.0 || high > y.range.1)
}

fn draw(scene: &mut Scene, panel: &Panel, lines: &[Line]) {
    panel.draw(scene);
    let (left, right) = panel.x.range;
    let points = |line: &Line| match line.points[..] {
        [(_, summary)] if line.is_reference => vec![(left, summary), (right, summary)],
        _ => line.points.clone(),
    };
    for line in lines {
        panel.band(scene, &points(line), line.style.color);
    }
    // Dashed lines last among the references: those that lie on a solid one let it show.
    let (references, series): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.is_reference);
    let (solid, dashed): (Vec<_>, Vec<_>) = references.into_iter().partition(|line| line.stroke.dash == Dash::Solid);
    for line in solid.into_iter().chain(dashed) {
        let means: Vec<_> = points(line).iter().map(|&(x, summary)| (x, summary.mean)).collect();
        panel.line(scene, &means, line.stroke);
    }
    for line in series {
        let means: Vec<_> = line.points.iter().map(|&(x, summary)| (x, summary.mean)).collect();
        panel.line(scene, &means, line.stroke);
        for point in means {
            let (style, at) = (line.style, panel.at(point));
            scene.marker(at, MARKER_RADIUS, style.marker, style.filled(), style.color);
        }
    }
}

/// Thinner than a line through points, and with another dash for each pruned fraction of a method.
fn reference_stroke(reference: &Reference) -> Stroke {
    let stroke = reference.style.stroke();
    // Other than a dash of the style, by which static methods are told.
    let others = [Dash::Dotted, Dash::Mixed];
    Stroke {
        width: if reference.rank > others.len() { 1.0 } else { 1.8 },
        dash: match reference.rank.checked_sub(1) {
            None => stroke.dash,
            Some(rank) => others[rank % others.len()],
        },
        ..stroke
    }
}

fn legend(data: &Data, arranged: &Arranged) -> crate::plot::legend::Legend {
    let mut legend = data.legend();
    legend.methods.clear();
    let setting = arranged.axes[0].setting;
    for dataset in &data.datasets {
        for series in arranged.series_of(dataset) {
            if legend.methods.iter().all(|(label, _)| *label != series.label) {
                legend.methods.push((series.label.clone(), series.style));
            }
        }
        for reference in arranged.references_of(dataset) {
            if legend.others.iter().all(|(label, _)| *label != reference.label) {
                let line = Sample::Line(reference_stroke(reference));
                legend.others.push((reference.label.clone(), line));
            }
        }
    }
    if !legend.others.is_empty() {
        legend.others_heading = Some(format!("Without {setting}"));
    }
    if data.has_bands() {
        legend
            .others
            .push(("95 % interval of the mean".to_owned(), Sample::Band));
    }
    legend
}

/// Which reference lines of the costs hide each other.
fn coinciding(arranged: &Arranged, dataset: &str, full: &Cell) -> Vec<String> {
    let mut groups: Vec<(f64, Vec<&str>)> = Vec::new();
    for reference in arranged.references_of(dataset) {
        let Some(cost) = Quantity::Cost.of(&reference.cell, full) else {
            continue;
        };
        match groups
            .iter_mut()
            .find(|(other, _)| (cost.mean - other).abs() < COINCIDE)
        {
            Some((_, labels)) => labels.push(&reference.label),
            None => groups.push((cost.mean, vec![&reference.label])),
        }
    }
    let several = groups.into_iter().filter(|(_, labels)| labels.len() > 1);
    several
        .map(|(cost, labels)| {
            format!(
                "{} cost the same, {cost:.2}: their lines lie on each other.",
                enumerated(&labels)
            )
        })
        .collect()
}

/// `a, b and c`
fn enumerated(labels: &[&str]) -> String {
    match labels {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn statements(arranged: &Arranged, dataset: &str, full: &Cell) -> String {
    let axis = &arranged.axes[0];
    let series: Vec<_> = arranged.series_of(dataset).collect();
    let references: Vec<_> = arranged.references_of(dataset).collect();
    let mut text = format!(
        "{}: test accuracy after the last epoch (%, mean ± half of the 95 % t interval) and, after the semicolon, the cost \
         in counted operations relative to full data.\n\n| {} |",
        dataset_title(dataset),
        axis.setting
    );
    let cell = |cell: &Cell| {
        let cost = Quantity::Cost.of(cell, full);
        let cost = cost.map_or_else(|| "?".to_owned(), |cost| format!("{:.2}", cost.mean));
        format!("{}; {cost}", with_half_width(&cell.accuracy(), 2))
    };
    for one in &series {
        let _ = write!(text, " {} |", one.label);
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(series.len()));
    for &value in &axis.values {
        let _ = write!(text, "| {} |", number(value));
        for one in &series {
            let point = one.points.iter().find(|point| point.x() == value);
            let shown = point.map_or_else(|| one.gap(&[value]), |point| cell(&point.cell));
            let _ = write!(text, " {shown} |");
        }
        text.push('\n');
    }
    for reference in references {
        let across = vec![cell(&reference.cell); series.len()];
        let _ = writeln!(text, "| *{}* | {} |", reference.label, across.join(" | "));
    }
    text.push('\n');
    for one in &series {
        let best = best(one);
        let texts: Vec<String> = best
            .iter()
            .map(|best| {
                let accuracy = with_half_width(&best.cell.accuracy(), 2);
                format!("{} = {}, {accuracy} %", axis.setting, number(best.x()))
            })
            .collect();
        let single = match best.iter().all(|best| best.cell.runs.len() == 1) {
            true => "; n = 1",
            false => "",
        };
        let (label, all) = (&one.label, one.points.len());
        let _ = match texts.as_slice() {
            [] => Ok(()),
            [best] => writeln!(
                text,
                "- Best mean of {label}: {best} (the best of {all}, chosen on the test set{single})."
            ),
            equal => writeln!(
                text,
                "- Best mean of {label}, equal at {} of {all} values: {} (chosen on the test set{single}).",
                equal.len(),
                equal.join("; ")
            ),
        };
    }
    text + "\n"
}

/// The points with the highest mean: several if they are equal.
fn best<'a, 'b>(series: &'b Series<'a>) -> Vec<&'b SeriesPoint<'a>> {
    let mean = |point: &SeriesPoint| point.cell.accuracy().mean;
    let highest = series.points.iter().map(mean).fold(f64::NEG_INFINITY, f64::max);
    // Sums over seeds round; no test set is large enough for so small a difference.
    let is_highest = |point: &&SeriesPoint| highest - mean(point) < 1e-9;
    series.points.iter().filter(is_highest).collect()
}

/// A row for each point; references have no value.
fn numbers_of(data: &Data, arranged: &Arranged) -> Numbers {
    let header = [
        "dataset",
        "method",
        "series",
        "method_label",
        "setting",
        "value",
        "pruned_fraction",
        "n",
        "test_accuracy_mean",
        "test_accuracy_std",
        "test_accuracy_half_width",
        "relative_flops",
    ];
    let row = |dataset: &str, names: [&str; 3], value: String, cell: &Cell| {
        let mut row = vec![dataset.to_owned()];
        row.extend(names.map(str::to_owned));
        row.extend([arranged.axes[0].setting.to_owned(), value]);
        row.push(cell.pruned_fraction.to_string());
        row.extend(numbers::summary(&cell.summary(|run| run.test_accuracy_last)));
        let cost = data
            .full(dataset)
            .and_then(|full| Quantity::Cost.of(cell, full))
            .map(|cost| cost.mean);
        row.push(numbers::optional(cost));
        row
    };
    let references = arranged.references.iter().map(|reference| {
        let names = [reference.method, &reference.label, reference.method_label];
        row(reference.dataset, names, String::new(), &reference.cell)
    });
    let series = arranged.series.iter().flat_map(|series| {
        series.points.iter().map(move |point| {
            let names = [series.method, &series.label, point.method_label];
            row(series.dataset, names, point.x().to_string(), &point.cell)
        })
    });
    Numbers::new(&header, references.chain(series))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Drawing, Error, enumerated};
    use crate::figures::settings::tests::draw;
    use crate::figures::tests::check_texts;
    use crate::made_up::settings::{Ablation, ablation, epsilons, numbers, periods, words};
    use crate::plot::scene::Shape;

    const KIND: &str = "accuracy-vs-setting";

    fn check_refused(drawing: Result<Drawing, Error>) {
        assert!(matches!(drawing, Err(Error::NothingToCompare { .. })));
    }

    #[test]
    fn no_text_is_clipped_or_covered() {
        for datasets in [&["cifar10"][..], &["cifar10", "cifar100"]] {
            for seeds in [1, 3] {
                let cases = [
                    ("selection_period", periods(datasets, seeds)),
                    ("epsilon", epsilons(datasets, seeds)),
                ];
                for (axis, (planned, mut runs)) in cases {
                    check_texts(&draw(KIND, &[axis], &planned, &runs).unwrap().scene.unwrap(), axis);
                    let mut index = 0;
                    runs.retain(|run| (index += 1, run.method == "full" || index % 3 != 0).1);
                    check_texts(&draw(KIND, &[axis], &planned, &runs).unwrap().scene.unwrap(), axis);
                    // One value of the method's setting so far, then none: nothing to compare.
                    let first = runs.iter().position(|run| run.method_label.contains('=')).unwrap();
                    let label = runs[first].method_label.clone();
                    runs.retain(|run| run.method == "full" || run.method_label == label);
                    check_refused(draw(KIND, &[axis], &planned, &runs));
                    runs.retain(|run| run.method == "full");
                    check_refused(draw(KIND, &[axis], &planned, &runs));
                }
            }
        }
    }

    #[test]
    fn no_text_is_clipped_or_covered_with_any_number_of_values_and_series() {
        let values: Vec<f64> = (0..9).map(|index| 0.02 * f64::from(index * index)).collect();
        let sources = ["forward-pass", "training"];
        let scores = ["loss", "entropy", "el2n", "one-minus-max-probability"];
        for (values, sources, scores) in [
            (&values[..1], &sources[..1], &scores[..1]),
            (&values[..9], &sources[..], &scores[..2]),
            (&values[1..9], &sources[..], &scores[..]),
        ] {
            let (planned, runs) = ablation(&Ablation {
                datasets: &["cifar10"],
                method: "ucb",
                settings: &[
                    ("score_source", &words(sources)),
                    ("score", &words(scores)),
                    ("c", &numbers(values)),
                ],
                pruned_fractions: &[0.5, 0.7],
                seeds: 1,
            });
            check_texts(&draw(KIND, &["c"], &planned, &runs).unwrap().scene.unwrap(), "c");
        }
    }

    #[test]
    fn reference_lines_of_several_fractions_look_different() {
        for pruned_fractions in [&[0.7][..], &[0.5, 0.7], &[0.3, 0.5, 0.7]] {
            let (planned, runs) = ablation(&Ablation {
                datasets: &["cifar10"],
                method: "ucb",
                settings: &[("c", &numbers(&[1.0, 0.0, 3.0]))],
                pruned_fractions,
                seeds: 1,
            });
            let scene = draw(KIND, &["c"], &planned, &runs).unwrap().scene.unwrap();
            let looks: BTreeSet<String> = scene
                .shapes
                .iter()
                .filter_map(|shape| match shape {
                    Shape::Line { stroke, .. } if stroke.width == 1.8 => Some(format!("{stroke:?}")),
                    _ => None,
                })
                .collect();
            // `full`, and three methods at each fraction.
            assert_eq!(looks.len(), 1 + 3 * pruned_fractions.len(), "{looks:?}");
        }
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(
            [
                enumerated(&["a"]),
                enumerated(&["a", "b"]),
                enumerated(&["a", "b", "c"])
            ],
            ["a", "a and b", "a, b and c"]
        );
    }
}
