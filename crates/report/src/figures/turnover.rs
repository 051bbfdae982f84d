//! How far the kept sets change during training, and what they share with the sets that static scores keep: a panel for the
//! overlap with the set before, and one for each static score; a line for each method.
//!
//! If the recipe planned several pruned fractions, the largest is shown.

use std::fmt::Write as _;

use super::data::{Data, continued, count, counted as counted_from, dataset_title, joined, percent};
use super::kept_sets::{COUNTED, Chosen, Group, NOT_COUNTED, Recorded, in_percent};
use super::numbers::{self, Numbers};
use super::{Drawing, FigureKind, StaticSet, findings, over_epochs};
use crate::plot::axes::{Axis, Panel};
use crate::plot::fonts;
use crate::plot::layout;
use crate::plot::legend::{Legend, Sample};
use crate::plot::scene::Scene;
use crate::plot::theme::{LABEL_SIZE, REFERENCE};
use crate::statistics::{Decision, FEWEST, LEVEL, Summary, Test};
use crate::{Error, SelectionRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "turnover",
    axes: 0,
    fits_a_column: true,
    needs_history: true,
    make,
};

const COLUMNS: [&str; 11] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "compared_with",
    "epoch",
    "n",
    "overlap_mean",
    "overlap_std",
    "overlap_half_width",
    "random_overlap",
];

/// What each kept set is compared with.
#[derive(Clone, Copy)]
enum Compared<'a> {
    /// The kept set before it, by Jaccard's index.
    Previous,
    /// The set that the method called `label` keeps at the same pruned fraction with the same seed, by the share of the kept
    /// set that it has too.
    Static { label: &'a str, sets: &'a [StaticSet] },
}

/// A method's overlap at the first epoch trained on each kept set.
struct Curve<'a> {
    group: &'a Group<'a>,
    compared: Compared<'a>,
    points: Vec<(u32, Summary)>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let recorded = Recorded::of(data).at_largest_fraction().or_nothing_to_draw()?;
    let datasets = recorded.datasets();
    let notes: Vec<String> = recorded
        .gaps("the kept sets")
        .into_iter()
        .chain(without_set(data, &recorded))
        .chain(recorded.other_fractions())
        .collect();
    let mut words = data.words_of(&recorded.seeds());
    let fractions = joined(
        recorded
            .groups
            .iter()
            .map(|group| format!("{} %", percent(group.pruned_fraction))),
    );
    words
        .subtitles
        .insert(0, format!("s = {fractions}; {}", continued(COUNTED)));
    words.notes.extend(notes.iter().cloned());

    let panels: Vec<Vec<Vec<Curve>>> = datasets
        .iter()
        .map(|dataset| curves(data, &recorded, dataset))
        .collect();
    let points = || panels.iter().flatten().flatten().map(|curve| &*curve.points);
    if over_epochs::are_cut(points(), (0.0, 1.0)) {
        words.notes.push(over_epochs::CUT.to_owned());
    }
    let legend = legend(data, &recorded, over_epochs::have_bands(points()));
    let columns = if panels.iter().all(|panels| panels.len() == 1) {
        1
    } else {
        2
    };
    let rows = panels.iter().map(|panels| panels.len().div_ceil(columns)).sum();
    let (mut scene, grid) = layout::begin(&words, &legend, data.format, columns, rows);
    let mut row = 0;
    for (dataset, panels) in datasets.iter().zip(&panels) {
        let x = x_axis(panels);
        for (index, curves) in panels.iter().enumerate() {
            let Some(first) = curves.first() else { continue };
            let panel = Panel {
                inside: grid.panel(index % columns, row + index / columns),
                x: x.clone(),
                y: Axis::with_ticks(
                    first.compared.axis(),
                    (0.0, 1.0),
                    (0..=5).map(|fifths| f64::from(fifths) / 5.0).collect(),
                ),
            };
            draw(&mut scene, curves, &panel);
            let dataset = match datasets.len() {
                1 => String::new(),
                _ => format!("{}: ", dataset_title(dataset)),
            };
            if grid.has_headings() {
                let heading = format!("{dataset}{}", first.compared.heading());
                let limit = panel.inside.width() + 20.0;
                panel.heading(&mut scene, &fonts::cut(&heading, LABEL_SIZE, true, limit));
            }
        }
        row += panels.len().div_ceil(columns);
    }
    Ok(Drawing {
        scene: Some(scene),
        findings: statements(&recorded, &panels, &notes),
        numbers: Numbers::new(&COLUMNS, panels.iter().flatten().flatten().flat_map(numbers)),
    })
}

/// The planned scores that no kept set is there for.
fn without_set(data: &Data, recorded: &Recorded) -> Option<String> {
    let datasets = recorded.datasets();
    let sets = &data.input.history.static_sets;
    let lacks = data.input.planned.iter().filter(|planned| {
        let is_there = |set: &StaticSet| (&set.dataset, &set.label) == (&planned.dataset, &planned.method_label);
        // What counts another run's selections has no table.
        planned.method == "static"
            && counted_from(&planned.method_label).is_none()
            && datasets.contains(&&*planned.dataset)
            && !sets.iter().any(is_there)
    });
    let named = lacks.map(|planned| format!("{} ({})", planned.method_label, dataset_title(&planned.dataset)));
    let named = joined(named).replace(" / ", ", ");
    (!named.is_empty()).then(|| format!("No table of scores yet, so no panel, for {named}."))
}

fn legend(data: &Data, recorded: &Recorded, has_bands: bool) -> Legend {
    let mut legend = data.legend();
    legend
        .methods
        .retain(|(label, _)| recorded.groups.iter().any(|group| group.line.label == label));
    if has_bands {
        let band = ("95 % interval of the mean".to_owned(), Sample::Band);
        legend.others.push(band);
    }
    let random = "Two random sets of this size, in expectation";
    legend.others.push((random.to_owned(), Sample::Line(REFERENCE)));
    legend
}

/// The curves of a data set, by panel.
fn curves<'a>(data: &'a Data<'a>, recorded: &'a Recorded<'a>, dataset: &str) -> Vec<Vec<Curve<'a>>> {
    let sets = &*data.input.history.static_sets;
    let mut labels: Vec<&str> = Vec::new();
    for set in sets.iter().filter(|set| set.dataset == dataset) {
        if !labels.contains(&&*set.label) {
            labels.push(&set.label);
        }
    }
    let statics = labels.into_iter().map(|label| Compared::Static { label, sets });
    let panel = |compared: Compared<'a>| -> Vec<Curve<'a>> {
        let groups = recorded.groups_of(dataset).filter(|group| compared.fits(group));
        groups.map(|group| Curve::of(group, compared)).collect()
    };
    let panels = std::iter::once(Compared::Previous).chain(statics).map(panel);
    panels
        .enumerate()
        .filter(|(index, panel)| *index == 0 || !panel.is_empty())
        .map(|(_, panel)| panel)
        .collect()
}

impl<'a> Compared<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Previous => "previous",
            Self::Static { label, .. } => label,
        }
    }

    fn heading(&self) -> String {
        match self {
            Self::Previous => "With the kept set before".to_owned(),
            Self::Static { label, .. } => format!("With the static set of {label}"),
        }
    }

    fn axis(&self) -> &'static str {
        match self {
            Self::Previous => "Overlap: in both / in either set",
            Self::Static { .. } => "Overlap: share of the kept set",
        }
    }

    /// Whether there is something to compare each run with, among the same samples.
    fn fits(&self, group: &Group) -> bool {
        match self {
            Self::Previous => true,
            Self::Static { .. } => group.runs.iter().all(|chosen| {
                let set = self.set_of(chosen);
                set.is_some_and(|set| set.train_samples == group.samples() && !set.selected.is_empty())
            }),
        }
    }

    /// The static set of a run's seed and pruned fraction.
    fn set_of(&self, chosen: &Chosen) -> Option<&'a StaticSet> {
        let Self::Static { label, sets } = self else {
            return None;
        };
        let planned = chosen.planned;
        sets.iter().find(|set| {
            (&*set.label, &set.dataset, set.seed) == (*label, &planned.dataset, planned.seed)
                && set.pruned_fraction == planned.pruned_fraction
        })
    }

    /// What two independent random sets of K out of N samples have in common: the share K / N of either, and so, with the
    /// expected numbers in both and in either, a Jaccard index of about K / (2 N - K).
    fn expected(&self, group: &Group) -> f64 {
        let (kept, samples) = (f64::from(group.kept()), f64::from(group.samples()));
        match self {
            Self::Previous => kept / (2.0 * samples - kept),
            Self::Static { .. } => kept / samples,
        }
    }

    /// The overlap at each epoch.
    fn overlaps(&self, chosen: &Chosen) -> Vec<(u32, f64)> {
        match self {
            Self::Previous => {
                let pairs = chosen.rounds.windows(2);
                pairs.map(|pair| (pair[1].epoch, pair[1].jaccard(pair[0]))).collect()
            }
            Self::Static { .. } => {
                let (Some(first), Some(set)) = (chosen.rounds.first(), self.set_of(chosen)) else {
                    return Vec::new();
                };
                let fixed = SelectionRow {
                    selected: SelectionRow::bits(&set.selected, set.train_samples as usize),
                    ..(*first).clone()
                };
                chosen
                    .rounds
                    .iter()
                    .map(|set| (set.epoch, shared(set, &fixed)))
                    .collect()
            }
        }
    }
}

/// The share of a set that another has too.
fn shared(set: &SelectionRow, other: &SelectionRow) -> f64 {
    f64::from(set.common(other)) / f64::from(set.kept_samples)
}

impl<'a> Curve<'a> {
    fn of(group: &'a Group<'a>, compared: Compared<'a>) -> Self {
        let runs: Vec<Vec<(u32, f64)>> = group.runs.iter().map(|chosen| compared.overlaps(chosen)).collect();
        let points = over_epochs::over_seeds(&runs);
        Self {
            group,
            compared,
            points,
        }
    }

    /// A mean over part of each run's epochs, over the seeds; `None` if a run has none.
    fn mean(&self, counts: impl Fn(u32, u32) -> bool) -> Option<Summary> {
        let of_run = |chosen: &Chosen| {
            let overlaps = self.compared.overlaps(chosen).into_iter();
            let counted: Vec<f64> = overlaps
                .filter(|(epoch, _)| counts(*epoch, chosen.run.epochs))
                .map(|(_, overlap)| overlap)
                .collect();
            Some(Summary::of(&counted)?.mean)
        };
        Summary::of(&self.group.runs.iter().map(of_run).collect::<Option<Vec<f64>>>()?)
    }

    /// The last overlap minus the first, paired by seed.
    fn change(&self) -> Option<Summary> {
        let of_run = |chosen: &Chosen| {
            let overlaps = self.compared.overlaps(chosen);
            Some(overlaps.last()?.1 - overlaps.first()?.1)
        };
        Summary::of(&self.group.runs.iter().map(of_run).collect::<Option<Vec<f64>>>()?)
    }
}

fn x_axis(panels: &[Vec<Curve>]) -> Axis {
    let points = panels.iter().flatten().flat_map(|curve| &curve.points);
    over_epochs::axis(points.map(|(epoch, _)| *epoch).max().unwrap_or(1))
}

fn draw(scene: &mut Scene, curves: &[Curve], panel: &Panel) {
    panel.draw(scene);
    let lines: Vec<_> = curves
        .iter()
        .map(|curve| (curve.group.line.style, &*curve.points))
        .collect();
    over_epochs::lines(scene, &lines, panel);
    let mut drawn: Vec<f64> = Vec::new();
    for expected in curves.iter().map(|curve| curve.compared.expected(curve.group)) {
        if !drawn.contains(&expected) {
            let (left, right) = panel.x.range;
            panel.line(scene, &[(left, expected), (right, expected)], REFERENCE);
            drawn.push(expected);
        }
    }
    over_epochs::markers(scene, &lines, panel);
}

fn statements(recorded: &Recorded, panels: &[Vec<Vec<Curve>>], notes: &[String]) -> String {
    let mut text = String::new();
    for note in notes {
        let _ = writeln!(text, "**{note}**\n");
    }
    // In the order in which the tables below ask for them.
    let mut members: Vec<(Summary, f64)> = Vec::new();
    for panels in panels {
        members.extend(panels.iter().flatten().filter_map(|curve| Some((curve.change()?, 0.0))));
        if let Some(first) = panels.iter().flatten().next() {
            members.extend(persistent(recorded, first.group.line.dataset).map(|(_, shared, random)| (shared, random)));
        }
    }
    let mut tests = Test::family(&members).into_iter();
    let tested = tests.as_slice().iter().filter(|test| test.adjusted_p.is_some()).count();
    let decided = match tested {
        0 => format!("Fewer than {FEWEST} seeds decide nothing."),
        _ => format!(
            "What rises or falls, or is more or less than random, is decided by p, of the t-test, adjusted with Holm's method for \
             the {} tested here: it has to be below {LEVEL}.",
            count(tested, "comparison")
        ),
    };
    let _ = writeln!(
        text,
        "Means over n seeds ± half of the 95 % t interval of that mean alone. {decided} {COUNTED}: {NOT_COUNTED}.\n"
    );
    for panels in panels {
        let Some((successive, statics)) = panels.split_first() else {
            continue;
        };
        let Some(first) = successive.first() else { continue };
        let dataset = first.group.line.dataset;
        text += &turnover_table(dataset_title(dataset), successive, &mut tests);
        text += &static_table(dataset_title(dataset), statics, &mut tests);
        text += &persistence(recorded, dataset, &mut tests);
    }
    text
}

fn turnover_table(dataset: &str, curves: &[Curve], tests: &mut impl Iterator<Item = Test>) -> String {
    let mut text = format!(
        "{dataset}: overlap of each kept set with the one before (samples in both over samples in either). *Late*: mean over the \
         last quarter of the epochs. *Random*: two independent random sets of this size, about K / (2N − K).\n\n\
         | method | s | n | first | last | last − first | late | random |\n|---|---|---|---|---|---|---|---|\n"
    );
    for curve in curves {
        let late = curve.mean(|epoch, epochs| 4 * epoch > 3 * epochs);
        let _ = writeln!(text, "| {} | {} |", curve.group.line.label, row(curve, tests, late));
    }
    text.push('\n');
    text
}

/// A curve's cells from s to random; `mean` is one of them.
fn row(curve: &Curve, tests: &mut impl Iterator<Item = Test>, mean: Option<Summary>) -> String {
    let group = curve.group;
    let at = |point: Option<&(u32, Summary)>| cell(point.map(|(_, summary)| *summary));
    let change = curve.change().and_then(|_| tests.next());
    format!(
        "{} % | {} | {} | {} | {} | {} | {:.3}",
        percent(group.pruned_fraction),
        group.runs.len(),
        at(curve.points.first()),
        at(curve.points.last()),
        change.map_or_else(|| "?".to_owned(), |change| verdict(&change)),
        cell(mean),
        curve.compared.expected(group),
    )
}

/// A change and what it decides: `+0.120 ± 0.040 (p = 0.012), rises`.
fn verdict(change: &Test) -> String {
    let mean = format!("{:+.3}", change.summary.mean).replace('-', "−");
    let half_width = change.summary.half_width;
    let half_width = half_width.map_or_else(String::new, |half_width| format!(" ± {half_width:.3}"));
    format!("{mean}{half_width}{}", decided(change, ["rises", "falls"]))
}

/// What a test decides, its p-value before it: `above` or `below` in the figure's words.
fn decided(test: &Test, [above, below]: [&str; 2]) -> String {
    let p = test
        .adjusted_p
        .map_or_else(String::new, |p| format!(" ({})", findings::p_value(p)));
    let word = match test.decision() {
        Decision::Above => above,
        Decision::Below => below,
        Decision::Undecided => test.verdict(),
    };
    format!("{p}, {word}")
}

fn cell(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "?".to_owned(), |summary| findings::with_half_width(&summary, 3))
}

fn static_table(dataset: &str, panels: &[Vec<Curve>], tests: &mut impl Iterator<Item = Test>) -> String {
    if panels.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{dataset}: share of each kept set that is also in the set that the static score keeps with the same seed: the K samples \
         of the highest score, and of equal scores those that the seed draws. *Mean*: over all rounds. *Random*: K / N.\n\n\
         | score | method | s | n | first | last | last − first | mean | random |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for curve in panels.iter().flatten() {
        let (score, label) = (curve.compared.name(), curve.group.line.label);
        let _ = writeln!(
            text,
            "| {score} | {label} | {} |",
            row(curve, tests, curve.mean(|_, _| true))
        );
    }
    text.push('\n');
    text
}

/// The groups with more than one round: how much of the last kept set was in the first one, and how much two random sets
/// have in common, in percent.
fn persistent<'a>(
    recorded: &'a Recorded<'a>,
    dataset: &'a str,
) -> impl Iterator<Item = (&'a Group<'a>, Summary, f64)> + 'a {
    let groups = recorded.groups_of(dataset).filter(|group| group.rounds() > 1);
    groups.map(|group| {
        let of_run = |chosen: &Chosen| match (chosen.rounds.first(), chosen.rounds.last()) {
            (Some(first), Some(last)) => shared(last, first),
            _ => f64::NAN,
        };
        (group, in_percent(&group.summary(of_run)), 100.0 * group.kept_share())
    })
}

/// How much of the last kept set was in the first one.
fn persistence(recorded: &Recorded, dataset: &str, tests: &mut impl Iterator<Item = Test>) -> String {
    let mut text = format!(
        "{}: the last kept set beside the first that counts. A static property of the data set would make them the same \
         (100 %).\n\n",
        dataset_title(dataset)
    );
    for ((group, shared, random), test) in persistent(recorded, dataset).zip(tests) {
        let _ = writeln!(
            text,
            "- `{}` at s = {} %: of its last kept set, {} % were in its first (n = {}); two random sets share {random:.1} %{}.",
            group.line.label,
            percent(group.pruned_fraction),
            findings::with_half_width(&shared, 1),
            shared.n,
            decided(&test, ["more than random", "fewer than random"]),
        );
    }
    text.push('\n');
    text
}

fn numbers<'a>(curve: &'a Curve) -> impl Iterator<Item = Vec<String>> + 'a {
    let (group, line) = (curve.group, curve.group.line);
    curve.points.iter().map(move |(epoch, summary)| {
        let mut row = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
        row.push(group.pruned_fraction.to_string());
        row.extend([curve.compared.name().to_owned(), epoch.to_string()]);
        row.extend(numbers::summary(summary));
        row.push(curve.compared.expected(group).to_string());
        row
    })
}

#[cfg(test)]
mod tests {
    use super::verdict;
    use crate::statistics::{Summary, Test};

    #[test]
    fn a_change_is_decided_by_its_adjusted_p_value() {
        let summary = |values: &[f64]| Summary::of(values).unwrap();
        let alone = |values: &[f64]| verdict(&Test::family(&[(summary(values), 0.0)])[0]);
        assert_eq!(alone(&[0.125]), "+0.125, undecided (n = 1)");
        // t(0.975, 2) = 4.3027, and the deviation is 0.01: t = 52, p = 1 - 52 / sqrt(52^2 + 2).
        assert_eq!(alone(&[0.29, 0.3, 0.31]), "+0.300 ± 0.025 (p < 0.001), rises");
        assert_eq!(alone(&[-0.29, -0.3, -0.31]), "−0.300 ± 0.025 (p < 0.001), falls");
        assert_eq!(alone(&[-0.01, 0.0, 0.01]), "+0.000 ± 0.025 (p = 1), undecided");
        assert_eq!(alone(&[0.5, 0.5, 0.5]), "+0.500 ± 0.000, undecided (no spread)");
        // t = 3 sqrt(3), p = 1 - sqrt(27 / 29) = 0.0351: enough alone, not for one of two.
        let values = [0.02, 0.03, 0.04];
        assert_eq!(alone(&values), "+0.030 ± 0.025 (p = 0.035), rises");
        let two = Test::family(&[(summary(&values), 0.0), (summary(&values), 0.0)]);
        assert_eq!(verdict(&two[1]), "+0.030 ± 0.025 (p = 0.070), undecided");
    }
}
