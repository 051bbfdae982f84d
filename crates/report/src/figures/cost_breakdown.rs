//! Where the cost goes: a stacked bar for each method and pruned fraction, in units of training on full data. A column for each
//! data set; counted operations above, seconds below where any compare.

use std::fmt::Write as _;

use super::costs::{NO_SECONDS, TIME_TESTS, any_compares, compares, exact_verdict, verdicts, with_pairs};
use super::data::{
    Cell, Cost, Data, Line, OPERATIONS, OPERATIONS_WITHOUT_SCORING, SECONDS, SECONDS_WITHOUT_SCORING, dataset_title,
    percent,
};
use super::findings::with_half_width;
use super::numbers::{Numbers, optional};
use super::{Drawing, FigureKind};
use crate::plot::axes::{Axis, Panel};
use crate::plot::bars::{Bar, Group, Rows};
use crate::plot::layout::{self, BEFORE_LEGEND, LEGEND_WIDTH, MARGIN};
use crate::plot::legend::{Legend, Sample};
use crate::plot::scene::{Rectangle, Text};
use crate::plot::theme::{Color, EVALUATION, NOTE_SIZE, QUIET, REFERENCE, SCORING, SELECTION, TRAINING};
use crate::statistics::Summary;
use crate::{Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "cost-breakdown",
    axes: 0,
    fits_a_column: false,
    needs_history: false,
    make,
};

/// Stands in place of a bar that does not compare with full data.
const UNKNOWN: &str = "?";
/// Axes reach at least so far.
const SHORTEST_AXIS: f64 = 1.2;
/// Bars longer than this are broken, so that they do not make the others unreadable.
const LONGEST_AXIS: f64 = 3.5;
/// The part of an axis that is left for the number at a bar's end, in pixels.
const NUMBER: f64 = 38.0;

const ONE_PANEL: f64 = 500.0;
const PANEL: f64 = 390.0;
const COLUMN_GAP: f64 = 26.0;
const ABOVE_PANEL: f64 = 26.0;
const BELOW_PANEL: f64 = 54.0;
const ROW_GAP: f64 = 20.0;
/// How far below a heading stands why there is no panel.
const EMPTY_LINE: f64 = 14.0;

/// Something that is spent.
struct Part {
    name: &'static str,
    flops: fn(&RunRow) -> f64,
    seconds: fn(&RunRow) -> f64,
    color: Color,
}

/// In the order of the bars. Evaluation comes last, since no method is charged with it.
const PARTS: [Part; 4] = [
    Part {
        name: "training",
        flops: |run| run.training_flops,
        seconds: |run| run.training_seconds,
        color: TRAINING,
    },
    Part {
        name: "scoring",
        flops: |run| run.scoring_flops,
        seconds: |run| run.scoring_seconds,
        color: SCORING,
    },
    Part {
        name: "selection",
        // Choosing compares numbers; there is nothing to multiply.
        flops: |_| 0.0,
        seconds: |run| run.selection_seconds,
        color: SELECTION,
    },
    Part {
        name: "evaluation",
        flops: |run| run.evaluation_flops,
        seconds: |run| run.evaluation_seconds,
        color: EVALUATION,
    },
];

/// A row of panels.
#[derive(Clone, Copy)]
struct Measure {
    heading: &'static str,
    label: &'static str,
    cost: Cost,
    without_scoring: Cost,
}

const MEASURES: [Measure; 2] = [
    Measure {
        heading: "counted operations",
        label: "Operations (training on full data = 1)",
        cost: OPERATIONS,
        without_scoring: OPERATIONS_WITHOUT_SCORING,
    },
    Measure {
        heading: "seconds",
        label: "Seconds (training on full data = 1)",
        cost: SECONDS,
        without_scoring: SECONDS_WITHOUT_SCORING,
    },
];

impl Part {
    fn of(&self, measure: Measure) -> fn(&RunRow) -> f64 {
        if measure.cost.is_time { self.seconds } else { self.flops }
    }
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let mut fulls = Vec::new();
    for &dataset in &data.datasets {
        fulls.push(data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?);
    }
    let mut words = data.words();
    words.notes.extend(data.mixed_machines());
    let measures: Vec<Measure> = MEASURES
        .into_iter()
        .filter(|&measure| !measure.cost.is_time || any_compares(data, measure.cost))
        .collect();
    if measures.len() < MEASURES.len() {
        words.notes.push(NO_SECONDS.to_owned());
    }

    let groups = groups(data);
    let names: Vec<Group> = groups.iter().map(Named::group).collect();
    let rows = Rows::new(&names);
    let panel_width = if fulls.len() == 1 { ONE_PANEL } else { PANEL };
    let columns = fulls.len() as f64;
    let panels_width = columns * panel_width + (columns - 1.0) * COLUMN_GAP;
    let width = 2.0 * MARGIN + rows.left() + panels_width + BEFORE_LEGEND + LEGEND_WIDTH;
    let row_height = ABOVE_PANEL + rows.height() + BELOW_PANEL;
    let height = measures.len() as f64 * (row_height + ROW_GAP) - ROW_GAP;
    let legend = legend(data, &measures);
    let height = height.max(ABOVE_PANEL + legend.height(LEGEND_WIDTH));
    // For each row of panels and each data set, the bars of each group.
    let bars_of = |measure: Measure| {
        let on = |(dataset, full): (&&str, &&Cell)| -> Vec<Vec<Bar>> {
            let bars = groups.iter().map(|named| named.bars(data, dataset, full, measure));
            bars.collect()
        };
        data.datasets.iter().zip(&fulls).map(on).collect::<Vec<_>>()
    };
    let bars: Vec<_> = measures.iter().map(|&measure| bars_of(measure)).collect();
    let all: Vec<&Bar> = bars.iter().flatten().flatten().flatten().collect();
    let limit = axis_end(&all);
    words.notes.push(bar_notes(&all, limit));

    let (scene, _) = layout::between_words(&words, width.ceil(), height, |scene, area| {
        let right = area.right - LEGEND_WIDTH;
        legend.draw(scene, (right, area.top + ABOVE_PANEL), LEGEND_WIDTH);
        for (row, (&measure, bars)) in measures.iter().zip(&bars).enumerate() {
            for (column, (&dataset, bars)) in data.datasets.iter().zip(bars).enumerate() {
                let left = area.left + rows.left() + column as f64 * (panel_width + COLUMN_GAP);
                let top = area.top + row as f64 * (row_height + ROW_GAP) + ABOVE_PANEL;
                let inside = Rectangle {
                    left,
                    top,
                    right: left + panel_width,
                    bottom: top + rows.height(),
                };
                let panel = panel(inside, measure, limit);
                if column == 0 {
                    rows.draw_names(scene, &inside);
                }
                panel.heading(scene, &format!("{}: {}", dataset_title(dataset), measure.heading));
                if measure.cost.is_time && !compares(data, dataset, measure.cost) {
                    let at = (left, top + EMPTY_LINE);
                    scene.text(Text::new("not timed, or not beside full data", at, NOTE_SIZE).color(QUIET));
                    continue;
                }
                panel.draw(scene);
                rows.draw_bars(scene, &panel, bars, limit, (1.0, REFERENCE));
            }
        }
    });
    Ok(Drawing {
        scene: Some(scene),
        findings: statements(data, &fulls),
        numbers: numbers(data),
    })
}

/// A method's name and the pruned fractions that are planned for it.
struct Named<'a> {
    label: &'a str,
    /// Ascending.
    fractions: Vec<f64>,
}

/// In planned order.
fn groups<'a>(data: &Data<'a>) -> Vec<Named<'a>> {
    let mut groups: Vec<Named> = Vec::new();
    for run in data.input.planned {
        let (label, s) = (run.method_label.as_str(), run.pruned_fraction);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) if group.fractions.contains(&s) => {}
            Some(group) => group.fractions.push(s),
            None => groups.push(Named {
                label,
                fractions: vec![s],
            }),
        }
    }
    for group in &mut groups {
        group.fractions.sort_by(f64::total_cmp);
    }
    groups
}

impl Named<'_> {
    fn group(&self) -> Group {
        let label = |&s: &f64| match s {
            0.0 => String::new(),
            s => format!("{} %", percent(s)),
        };
        Group {
            name: self.label.to_owned(),
            labels: self.fractions.iter().map(label).collect(),
        }
    }

    fn bars(&self, data: &Data, dataset: &str, full: &Cell, measure: Measure) -> Vec<Bar> {
        let line = data.line(dataset, self.label);
        let bar = |&s: &f64| match line.and_then(|line| line.at(s)) {
            Some(point) => bar(point, full, measure),
            None => Bar {
                text: "no result".to_owned(),
                ..Bar::default()
            },
        };
        self.fractions.iter().map(bar).collect()
    }
}

fn bar(point: &Cell, full: &Cell, measure: Measure) -> Bar {
    let Some(total) = point.relative(full, measure.cost) else {
        return Bar {
            text: UNKNOWN.to_owned(),
            ..Bar::default()
        };
    };
    let part = |part: &Part| (relative(point, full, measure, part).unwrap_or(0.0), part.color);
    Bar {
        parts: PARTS.iter().map(part).collect(),
        text: format!("{:.2}", total.mean),
    }
}

/// The mean of a part in units of full data's whole cost.
fn relative(point: &Cell, full: &Cell, measure: Measure, part: &Part) -> Option<f64> {
    let summary = point.relative_part(full, measure.cost, part.of(measure))?;
    Some(summary.mean)
}

/// How far the axes reach: to the end of the longest bar, if that is not too long.
fn axis_end(bars: &[&Bar]) -> f64 {
    let longest = bars.iter().map(|bar| bar.length()).fold(SHORTEST_AXIS, f64::max);
    longest.min(LONGEST_AXIS)
}

/// Bars end at `limit`; beyond it there is room for their numbers.
fn panel(inside: Rectangle, measure: Measure, limit: f64) -> Panel {
    let step = if limit > 1.6 { 0.5 } else { 0.2 };
    let ticks = (0..).map(|index| f64::from(index) * step);
    let end = limit * inside.width() / (inside.width() - NUMBER);
    Panel {
        inside,
        x: Axis::with_ticks(
            measure.label,
            (0.0, end),
            ticks.take_while(|&tick| tick <= end).collect(),
        ),
        y: Axis::with_ticks("", (0.0, 1.0), Vec::new()),
    }
}

fn legend(data: &Data, measures: &[Measure]) -> Legend {
    let mut legend = data.legend();
    legend.methods.clear();
    for part in &PARTS {
        // Without seconds nothing is spent on selection.
        let is_spent = measures.iter().any(|measure| measure.cost.is_time) || part.name != "selection";
        let name = match part.name {
            "evaluation" => "evaluation (charged to no method)".to_owned(),
            name => name.to_owned(),
        };
        if is_spent {
            legend.others.push((name, Sample::Bar(part.color)));
        }
    }
    legend
        .others
        .push(("training on full data".to_owned(), Sample::Line(REFERENCE)));
    legend
}

/// What stands under the plot about its bars.
fn bar_notes(bars: &[&Bar], limit: f64) -> String {
    let mut notes = vec!["Numbers: training, scoring and selection together; evaluation comes on top.".to_owned()];
    if bars.iter().any(|bar| bar.text == UNKNOWN) {
        notes.push("?: not timed, or on another machine than full data.".to_owned());
    }
    if bars.iter().any(|bar| bar.length() > limit) {
        notes.push("Broken bars are longer than drawn.".to_owned());
    }
    notes.join(" ")
}

/// A setting that is compared with full data.
struct Setting<'a> {
    line: &'a Line<'a>,
    cell: &'a Cell<'a>,
    full: &'a Cell<'a>,
}

/// The settings' costs in one measure.
struct Compared {
    measure: Measure,
    totals: Vec<Option<Summary>>,
    without_scoring: Vec<Option<Summary>>,
    verdicts: Vec<&'static str>,
}

impl Compared {
    fn new(settings: &[Setting], measure: Measure) -> Self {
        let cost = |cost: Cost| -> Vec<Option<Summary>> {
            let relative = |setting: &Setting| setting.cell.relative_part(setting.full, measure.cost, cost.of);
            settings.iter().map(relative).collect()
        };
        let totals = cost(measure.cost);
        Self {
            verdicts: verdicts(&totals, measure.cost),
            without_scoring: cost(measure.without_scoring),
            measure,
            totals,
        }
    }

    /// A setting's part of a row of the table: without scoring, with it, and the verdict.
    fn columns(&self, index: usize) -> String {
        let (Some(total), Some(without)) = (&self.totals[index], &self.without_scoring[index]) else {
            return " ? | ? | ? |".to_owned();
        };
        match self.measure.cost.is_time {
            true => format!(
                " {} | {} | {} |",
                with_half_width(without, 2),
                with_half_width(total, 2),
                with_pairs(total, self.verdicts[index])
            ),
            false => format!(" {:.2} | {:.2} | {} |", without.mean, total.mean, self.verdicts[index]),
        }
    }

    /// Which of some settings cost more than full data.
    fn statement(&self, settings: &[Setting], some: std::ops::Range<usize>) -> String {
        let heading = self.measure.heading;
        let known = self.totals[some.clone()].iter().flatten().count();
        let more: Vec<usize> = some.clone().filter(|&index| self.verdicts[index] == "more").collect();
        let mut names: Vec<(&str, Vec<String>)> = Vec::new();
        for &index in &more {
            let (label, s) = (
                settings[index].line.label,
                percent(settings[index].cell.pruned_fraction),
            );
            match names.last_mut().filter(|(last, _)| *last == label) {
                Some((_, fractions)) => fractions.push(s),
                None => names.push((label, vec![s])),
            }
        }
        let names: Vec<String> = names
            .iter()
            .map(|(label, s)| format!("{label} at s = {} %", s.join(", ")))
            .collect();
        match (known, more.len()) {
            (0, _) => format!("- In {heading} nothing compares with full data.\n"),
            (_, 0) if self.measure.cost.is_time => match self.verdicts[some].contains(&"less") {
                true => format!(
                    "- In {heading}, none of {known} settings is found to cost more than training on full data.\n"
                ),
                false => format!("- In {heading} nothing is decided of {known} settings.\n"),
            },
            (_, 0) => format!("- In {heading}, none of {known} settings costs more than training on full data.\n"),
            (_, count) => {
                let mut text = format!(
                    "- In {heading}, {count} of {known} settings cost more than training on full data: {}.",
                    names.join("; ")
                );
                if !self.measure.cost.is_time {
                    let costs = self.without_scoring[some].iter().flatten();
                    let without = costs.filter(|cost| exact_verdict(cost.mean) == "more").count();
                    let _ = write!(text, " Without scoring, {without} would.");
                }
                text + "\n"
            }
        }
    }
}

/// What the bars say, for each data set; all seconds are tested as one family.
fn statements(data: &Data, fulls: &[&Cell]) -> String {
    let mut settings = Vec::new();
    let mut parts = Vec::new();
    for (&dataset, &full) in data.datasets.iter().zip(fulls) {
        let first = settings.len();
        for line in data.lines_of(dataset).filter(|line| !line.is_baseline()) {
            settings.extend(line.points.iter().map(|cell| Setting { line, cell, full }));
        }
        parts.push((dataset, first..settings.len()));
    }
    let compared = MEASURES.map(|measure| Compared::new(&settings, measure));
    let mut text = String::new();
    for (dataset, part) in parts {
        let _ = writeln!(text, "{}, in units of training on full data:\n", dataset_title(dataset));
        for compared in &compared {
            text += &compared.statement(&settings, part.clone());
        }
        text += "\n| method | s | operations without scoring | with scoring | against full data | seconds without scoring | \
                 with scoring | against full data |\n|---|---|---|---|---|---|---|---|\n";
        for index in part {
            let setting = &settings[index];
            let _ = write!(
                text,
                "| {} | {} % |",
                setting.line.label,
                percent(setting.cell.pruned_fraction)
            );
            for compared in &compared {
                text += &compared.columns(index);
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text + TIME_TESTS + "\n"
}

/// A row for each part of each bar.
fn numbers(data: &Data) -> Numbers {
    let header = [
        "dataset",
        "method",
        "method_label",
        "pruned_fraction",
        "n",
        "part",
        "flops",
        "relative_flops",
        "seconds",
        "relative_seconds",
    ];
    let mut rows = Vec::new();
    for line in &data.lines {
        let full = data.full(line.dataset);
        for point in &line.points {
            for part in &PARTS {
                let mut row = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
                row.extend([point.pruned_fraction.to_string(), point.runs.len().to_string()]);
                row.push(part.name.to_owned());
                for measure in MEASURES {
                    let mean = point.summary(part.of(measure)).mean;
                    row.push(optional(Some(mean).filter(|mean| mean.is_finite())));
                    row.push(optional(full.and_then(|full| relative(point, full, measure, part))));
                }
                rows.push(row);
            }
        }
    }
    Numbers::new(&header, rows)
}

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, SECONDS};
    use crate::RunRow;
    use crate::figures::data::Cell;
    use crate::figures::settings::tests::draw;
    use crate::figures::tests::check_texts;
    use crate::made_up::settings::costs;

    #[test]
    fn no_text_is_clipped_or_covered() {
        let fractions: Vec<f64> = (1..=9).map(|tenths| f64::from(tenths) / 10.0).collect();
        for datasets in [&["cifar10"][..], &["cifar10", "cifar100"]] {
            for (count, seeds) in [(1, 1), (3, 2), (9, 1)] {
                let (planned, mut runs) = costs(datasets, &fractions[..count], seeds);
                let check = |runs: &[RunRow], what: &str| {
                    let drawing = draw("cost-breakdown", &[], &planned, runs).unwrap();
                    check_texts(drawing.scene.as_ref().unwrap(), what);
                };
                check(&runs, "all");
                let mut index = 0;
                runs.retain(|run| (index += 1, run.method == "full" || index % 3 != 0).1);
                check(&runs, "with gaps");
                for run in runs.iter_mut().step_by(3) {
                    run.device = "cuda: another made-up machine with a name that is not short".to_owned();
                }
                check(&runs, "of two machines");
                for run in &mut runs {
                    run.training_seconds = f64::NAN;
                }
                check(&runs, "without seconds");
                runs.retain(|run| run.method == "full");
                check(&runs, "full data alone");
            }
        }
    }

    #[test]
    fn parts_are_of_the_runs_whose_whole_is_known() {
        let (_, runs) = costs(&["cifar10"], &[0.5], 2);
        let full: Vec<&RunRow> = runs.iter().filter(|run| run.method == "full").collect();
        let mut forget: Vec<RunRow> = runs
            .iter()
            .filter(|run| run.method == "static")
            .take(2)
            .cloned()
            .collect();
        let one = |seconds| (90.0 * seconds, 0.0);
        (forget[0].training_seconds, forget[0].selection_seconds) = one(0.5);
        (forget[1].training_seconds, forget[1].selection_seconds) = one(0.7);
        // Its scores were made elsewhere.
        forget[1].scoring_seconds = f64::NAN;
        let cell = |runs: Vec<_>| Cell {
            pruned_fraction: 0.5,
            runs,
        };
        let mut timed = full[0].clone();
        (timed.training_seconds, timed.scoring_seconds, timed.selection_seconds) = (90.0, 0.0, 0.0);
        let (full, forget) = (cell(vec![&timed]), cell(forget.iter().collect()));
        let training = forget
            .relative_part(&full, SECONDS, |run| run.training_seconds)
            .unwrap();
        assert_eq!((training.n, training.mean), (1, 0.5));
        // Evaluation is in units of training on full data, as everything else: 0.06 of it.
        let evaluation = forget
            .relative_part(&full, OPERATIONS, |run| run.evaluation_flops)
            .unwrap();
        assert!(
            evaluation.n == 2 && (evaluation.mean - 0.06).abs() < 1e-12,
            "{evaluation:?}"
        );
    }
}
