//! How far the kept sets change during training, and what they share with the sets that static scores keep: a panel for the
//! overlap with the set before, and one for each static score; a line for each method.
//!
//! If the recipe planned several pruned fractions, the largest is shown.

use std::fmt::Write as _;

use super::data::{Data, continued, dataset_title, joined, percent};
use super::kept_sets::{COUNTED, Chosen, Group, NOT_COUNTED, Recorded, in_percent};
use super::numbers::{self, Numbers};
use super::{Drawing, FigureKind, StaticRanking, findings, over_epochs};
use crate::plot::axes::{Axis, Panel};
use crate::plot::fonts;
use crate::plot::layout;
use crate::plot::legend::{Legend, Sample};
use crate::plot::scene::Scene;
use crate::plot::theme::{LABEL_SIZE, REFERENCE};
use crate::statistics::Summary;
use crate::{Error, SelectionRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "turnover",
    summary: "overlap of successive kept sets, and with the sets static scores keep",
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
    /// The set of the same size that a static score keeps, by the share of the kept set that it has too.
    Ranking(&'a StaticRanking),
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
        .chain(without_ranking(data, &recorded))
        .collect();
    let mut words = data.words();
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

/// The planned scores that no ranking is there for.
fn without_ranking(data: &Data, recorded: &Recorded) -> Option<String> {
    let datasets = recorded.datasets();
    let rankings = &data.input.history.static_rankings;
    let lacks = data.input.planned.iter().filter(|planned| {
        let is_there =
            |ranking: &StaticRanking| (&ranking.dataset, &ranking.label) == (&planned.dataset, &planned.method_label);
        planned.method == "static" && datasets.contains(&&*planned.dataset) && !rankings.iter().any(is_there)
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
    let rankings = data.input.history.static_rankings.iter();
    let rankings = rankings
        .filter(|ranking| ranking.dataset == dataset)
        .map(Compared::Ranking);
    let panel = |compared: Compared<'a>| -> Vec<Curve<'a>> {
        let groups = recorded.groups_of(dataset).filter(|group| compared.fits(group));
        groups.map(|group| Curve::of(group, compared)).collect()
    };
    let panels = std::iter::once(Compared::Previous).chain(rankings).map(panel);
    panels
        .enumerate()
        .filter(|(index, panel)| *index == 0 || !panel.is_empty())
        .map(|(_, panel)| panel)
        .collect()
}

impl Compared<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Previous => "previous",
            Self::Ranking(ranking) => &ranking.label,
        }
    }

    fn heading(&self) -> String {
        match self {
            Self::Previous => "With the kept set before".to_owned(),
            Self::Ranking(ranking) => format!("With the static set of {}", ranking.label),
        }
    }

    fn axis(&self) -> &'static str {
        match self {
            Self::Previous => "Overlap: in both / in either set",
            Self::Ranking(_) => "Overlap: share of the kept set",
        }
    }

    /// Whether it speaks of the same samples.
    fn fits(&self, group: &Group) -> bool {
        match self {
            Self::Previous => true,
            Self::Ranking(ranking) => ranking.scores.len() == group.samples() as usize,
        }
    }

    /// What two independent random sets of K out of N samples have in common: the share K / N of either, and so, with the
    /// expected numbers in both and in either, a Jaccard index of about K / (2 N - K).
    fn expected(&self, group: &Group) -> f64 {
        let (kept, samples) = (f64::from(group.kept()), f64::from(group.samples()));
        match self {
            Self::Previous => kept / (2.0 * samples - kept),
            Self::Ranking(_) => kept / samples,
        }
    }

    /// The overlap at each epoch.
    fn overlaps(&self, chosen: &Chosen) -> Vec<(u32, f64)> {
        match self {
            Self::Previous => {
                let pairs = chosen.rounds.windows(2);
                pairs.map(|pair| (pair[1].epoch, pair[1].jaccard(pair[0]))).collect()
            }
            Self::Ranking(ranking) => {
                let Some(first) = chosen.rounds.first() else {
                    return Vec::new();
                };
                let top = SelectionRow {
                    selected: SelectionRow::bits(&top(&ranking.scores, first.kept_samples), ranking.scores.len()),
                    ..(*first).clone()
                };
                chosen.rounds.iter().map(|set| (set.epoch, shared(set, &top))).collect()
            }
        }
    }
}

/// The share of a set that another has too.
fn shared(set: &SelectionRow, other: &SelectionRow) -> f64 {
    f64::from(set.common(other)) / f64::from(set.kept_samples)
}

/// The positions of the `kept` highest scores; infinity is the highest, and of equal scores the earlier position comes first.
fn top(scores: &[f32], kept: u32) -> Vec<u32> {
    let key = |position: u32| match scores[position as usize] {
        score if score.is_nan() => f32::NEG_INFINITY,
        // Both zeros are equal.
        score => score + 0.0,
    };
    let mut positions: Vec<u32> = (0..scores.len() as u32).collect();
    positions.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    positions.truncate(kept as usize);
    positions
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
    let _ = writeln!(
        text,
        "Means over the seeds ± half of the 95 % t interval, not adjusted for the number of comparisons. {COUNTED}: \
         {NOT_COUNTED}.\n"
    );
    for panels in panels {
        let Some((successive, rankings)) = panels.split_first() else {
            continue;
        };
        let Some(first) = successive.first() else { continue };
        let dataset = dataset_title(first.group.line.dataset);
        text += &turnover_table(dataset, successive);
        text += &static_table(dataset, rankings);
        text += &persistence(recorded, first.group.line.dataset);
    }
    text
}

fn turnover_table(dataset: &str, curves: &[Curve]) -> String {
    let mut text = format!(
        "{dataset}: overlap of each kept set with the one before (samples in both over samples in either). *Late*: mean over the \
         last quarter of the epochs. *Random*: two independent random sets of this size, about K / (2N − K).\n\n\
         | method | s | n | first | last | last − first | late | random |\n|---|---|---|---|---|---|---|---|\n"
    );
    for curve in curves {
        let group = curve.group;
        let at = |point: Option<&(u32, Summary)>| cell(point.map(|(_, summary)| *summary));
        let late = curve.mean(|epoch, epochs| 4 * epoch > 3 * epochs);
        let _ = writeln!(
            text,
            "| {} | {} % | {} | {} | {} | {} | {} | {:.3} |",
            group.line.label,
            percent(group.pruned_fraction),
            group.runs.len(),
            at(curve.points.first()),
            at(curve.points.last()),
            curve.change().map_or_else(|| "?".to_owned(), |change| verdict(&change)),
            cell(late),
            curve.compared.expected(group),
        );
    }
    text.push('\n');
    text
}

/// A change and what it decides: `+0.120 ± 0.040, rises`.
fn verdict(change: &Summary) -> String {
    let mean = format!("{:+.3}", change.mean).replace('-', "−");
    match change.interval() {
        None => format!("{mean} (n = 1: no interval, undecided)"),
        Some((low, high)) => {
            let word = match (low > 0.0, high < 0.0) {
                (true, _) => "rises",
                (_, true) => "falls",
                _ => "undecided",
            };
            format!("{mean} ± {:.3}, {word}", (high - low) / 2.0)
        }
    }
}

fn cell(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "?".to_owned(), |summary| findings::with_half_width(&summary, 3))
}

fn static_table(dataset: &str, panels: &[Vec<Curve>]) -> String {
    if panels.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{dataset}: share of each kept set that is also among the K samples of the highest static score; of equal scores the \
         first by position are taken. *Mean*: over all rounds. *Random*: K / N.\n\n\
         | score | method | first | last | last − first | mean | random |\n|---|---|---|---|---|---|---|\n"
    );
    for curve in panels.iter().flatten() {
        let at = |point: Option<&(u32, Summary)>| cell(point.map(|(_, summary)| *summary));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.3} |",
            curve.compared.name(),
            curve.group.line.label,
            at(curve.points.first()),
            at(curve.points.last()),
            curve.change().map_or_else(|| "?".to_owned(), |change| verdict(&change)),
            cell(curve.mean(|_, _| true)),
            curve.compared.expected(curve.group),
        );
    }
    text.push('\n');
    text
}

/// How much of the last kept set was in the first one.
fn persistence(recorded: &Recorded, dataset: &str) -> String {
    let mut text = format!(
        "{}: the last kept set beside the first that counts. A static property of the data set would make them the same \
         (100 %).\n\n",
        dataset_title(dataset)
    );
    for group in recorded.groups_of(dataset).filter(|group| group.rounds() > 1) {
        let of_run = |chosen: &Chosen| match (chosen.rounds.first(), chosen.rounds.last()) {
            (Some(first), Some(last)) => shared(last, first),
            _ => f64::NAN,
        };
        let shared = group.summary(of_run);
        let random = 100.0 * group.kept_share();
        let in_percent = in_percent(&shared);
        let verdict = match in_percent.interval() {
            None => "n = 1: no interval, undecided",
            Some((low, _)) if low > random => "more than random",
            Some((_, high)) if high < random => "fewer than random",
            Some(_) => "undecided",
        };
        let _ = writeln!(
            text,
            "- `{}` at s = {} %: of its last kept set, {} % were in its first; two random sets share {random:.1} % ({verdict}).",
            group.line.label,
            percent(group.pruned_fraction),
            findings::with_half_width(&in_percent, 1),
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
    use super::{top, verdict};
    use crate::statistics::Summary;

    #[test]
    fn the_highest_scores_are_kept_and_ties_go_to_the_first() {
        let scores = [1.0, f32::INFINITY, 0.5, 1.0, f32::NAN, -0.0, 0.0, 1.0];
        assert_eq!(top(&scores, 1), [1]);
        assert_eq!(top(&scores, 3), [1, 0, 3]);
        assert_eq!(top(&scores, 6), [1, 0, 3, 7, 2, 5]);
        assert_eq!(top(&scores, 8), [1, 0, 3, 7, 2, 5, 6, 4]);
    }

    #[test]
    fn a_change_is_decided_by_its_interval_alone() {
        let check = |values: &[f64], expected| assert_eq!(verdict(&Summary::of(values).unwrap()), expected);
        check(&[0.125], "+0.125 (n = 1: no interval, undecided)");
        // t(0.975, 2) = 4.3027, and the deviation is 0.01.
        check(&[0.29, 0.3, 0.31], "+0.300 ± 0.025, rises");
        check(&[-0.29, -0.3, -0.31], "−0.300 ± 0.025, falls");
        check(&[-0.01, 0.0, 0.01], "+0.000 ± 0.025, undecided");
    }
}
