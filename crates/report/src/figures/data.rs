//! The planned runs and their results, arranged as lines of a plot.

use std::collections::{BTreeMap, BTreeSet};

use super::score_trajectories::FLOOR as SCORE_FLOOR;
use super::{FigureInput, Planned};
use crate::plot::axes::band_of;
use crate::plot::layout::{Format, Words};
use crate::plot::legend::Legend;
pub(super) use crate::plot::theme::FULL_SHORT;
use crate::plot::theme::{MARKER_RADIUS, MethodStyle};
use crate::statistics::Summary;
use crate::{EpochRow, RunRow};

/// The profile at full scale; all others are reduced.
const PAPER_PROFILE: &str = "paper";

/// The words in the corner of every picture.
pub(super) const FOOTER: &str = "dynaprune, a reconstruction from the abstract of arXiv 2111.12621";

pub(super) struct Data<'a> {
    pub(super) input: &'a FigureInput<'a>,
    /// What the picture is made for.
    pub(super) format: Format,
    /// Data sets with a line, in planned order.
    pub(super) datasets: Vec<&'a str>,
    /// The lines of all data sets, in planned order.
    pub(super) lines: Vec<Line<'a>>,
    /// Planned runs without a result.
    pub(super) missing: Vec<&'a Planned>,
    /// Planned runs that diverged.
    pub(super) diverged: Vec<&'a Planned>,
}

/// A method on a data set.
pub(super) struct Line<'a> {
    pub(super) dataset: &'a str,
    pub(super) method: &'a str,
    pub(super) label: &'a str,
    pub(super) style: MethodStyle,
    /// By pruned fraction, ascending; every point has a run.
    pub(super) points: Vec<Cell<'a>>,
}

/// The runs of a method, data set and pruned fraction, one a seed.
pub(super) struct Cell<'a> {
    pub(super) pruned_fraction: f64,
    pub(super) runs: Vec<&'a RunRow>,
}

/// What a run costs those who use the method: evaluation is left out.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) of: fn(&RunRow) -> f64,
    /// Whether it is wall-clock time, which compares only between runs of one machine that were timed.
    pub(super) is_time: bool,
}

pub(super) const SECONDS: Cost = Cost {
    of: RunRow::method_seconds,
    is_time: true,
};

/// As if scores were free.
pub(super) const SECONDS_WITHOUT_SCORING: Cost = Cost {
    of: |run| run.selection_seconds + run.training_seconds,
    is_time: true,
};

/// As if scores were free.
pub(super) const OPERATIONS_WITHOUT_SCORING: Cost = Cost {
    of: |run| run.training_flops,
    is_time: false,
};

pub(super) const OPERATIONS: Cost = Cost {
    of: RunRow::method_flops,
    is_time: false,
};

impl<'a> Data<'a> {
    pub(super) fn new(input: &'a FigureInput<'a>) -> Self {
        let rows: BTreeMap<&str, &RunRow> = input.runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
        let mut data = Self {
            input,
            format: Format::default(),
            datasets: Vec::new(),
            lines: Vec::new(),
            missing: Vec::new(),
            diverged: Vec::new(),
        };
        let mut styles = Styles::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for planned in input.planned {
            // A run that is planned twice is still one.
            if !seen.insert(&planned.run_id) {
                continue;
            }
            if !data.datasets.contains(&planned.dataset.as_str()) {
                data.datasets.push(&planned.dataset);
            }
            let style = styles.of(&planned.method, &planned.method_label);
            match rows.get(planned.run_id.as_str()) {
                None => data.missing.push(planned),
                Some(run) if run.diverged || !run.test_accuracy_last.is_finite() => data.diverged.push(planned),
                Some(run) => data.put(planned, run, style),
            }
        }
        let Data { datasets, lines, .. } = &mut data;
        datasets.retain(|dataset| lines.iter().any(|line| line.dataset == *dataset));
        for line in lines {
            line.points
                .sort_by(|a, b| a.pruned_fraction.total_cmp(&b.pruned_fraction));
            for point in &mut line.points {
                point.runs.sort_by_key(|run| run.seed);
            }
        }
        data
    }

    fn put(&mut self, planned: &'a Planned, run: &'a RunRow, style: MethodStyle) {
        let is_same = |line: &Line| line.dataset == planned.dataset && line.label == planned.method_label;
        let index = self.lines.iter().position(is_same).unwrap_or_else(|| {
            let (method, label) = (planned.method.as_str(), planned.method_label.as_str());
            self.lines.push(Line {
                dataset: &planned.dataset,
                method,
                label,
                style,
                points: Vec::new(),
            });
            self.lines.len() - 1
        });
        let points = &mut self.lines[index].points;
        match points
            .iter_mut()
            .find(|point| point.pruned_fraction == planned.pruned_fraction)
        {
            Some(point) => point.runs.push(run),
            None => points.push(Cell {
                pruned_fraction: planned.pruned_fraction,
                runs: vec![run],
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All drawn runs.
    pub(super) fn runs(&self) -> impl Iterator<Item = &'a RunRow> {
        self.lines
            .iter()
            .flat_map(|line| &line.points)
            .flat_map(|point| point.runs.iter().copied())
    }

    pub(super) fn lines_of(&self, dataset: &str) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter().filter(move |line| line.dataset == dataset)
    }

    /// The line with this label on the data set.
    pub(super) fn line(&self, dataset: &str, label: &str) -> Option<&Line<'a>> {
        self.lines_of(dataset).find(|line| line.label == label)
    }

    /// The runs on all samples of the data set.
    pub(super) fn full(&self, dataset: &str) -> Option<&Cell<'a>> {
        self.lines_of(dataset)
            .find(|line| line.method == "full")?
            .points
            .first()
    }

    /// The pruned fractions above 0 that were drawn on the data set, ascending.
    pub(super) fn pruned_fractions(&self, dataset: &str) -> Vec<f64> {
        let points = self.lines_of(dataset).flat_map(|line| &line.points);
        let mut fractions: Vec<f64> = points.map(|point| point.pruned_fraction).filter(|s| *s > 0.0).collect();
        fractions.sort_by(f64::total_cmp);
        fractions.dedup();
        fractions
    }

    /// The epochs of a run that were evaluated: `(epoch, test accuracy)`.
    pub(super) fn evaluated_epochs(&self, run_id: &str) -> Vec<(u32, f64)> {
        let of_run = |row: &&EpochRow| row.run_id == run_id;
        let mut epochs: Vec<(u32, f64)> = self
            .input
            .epochs
            .iter()
            .filter(of_run)
            .filter_map(|row| Some((row.epoch, row.test_accuracy?)))
            .collect();
        epochs.sort_by_key(|(epoch, _)| *epoch);
        epochs
    }

    /// The legend's entries for methods, each once.
    pub(super) fn legend(&self) -> Legend {
        let mut legend = Legend {
            methods: Vec::new(),
            others: Vec::new(),
            others_heading: None,
            baseline_marker: true,
        };
        for line in &self.lines {
            if legend.methods.iter().all(|(label, _)| label != line.label) {
                legend.methods.push((line.label.to_owned(), line.style));
            }
        }
        legend
    }

    /// Title, origin and notes, as they stand round the plot.
    pub(super) fn words(&self) -> Words {
        self.words_of(&self.seeds())
    }

    /// The same for a plot of other seeds than all that have results.
    pub(super) fn words_of(&self, seeds: &str) -> Words {
        Words {
            title: self.title(),
            subtitles: vec![self.origin(seeds), scale(self.input.profile)],
            notes: self.gaps(),
            footer: FOOTER.to_owned(),
        }
    }

    /// The recipe's title. It always names the data set, which the recipe cannot know.
    pub(super) fn title(&self) -> String {
        match self.input.title {
            title if title.contains("{dataset}") => self.text(title),
            title => self.text(&format!("{{dataset}}: {}", continued(title))),
        }
    }

    /// A text of the recipe, with the data sets' names filled in, and the least score that a logarithmic axis shows.
    pub(super) fn text(&self, text: &str) -> String {
        let names: Vec<&str> = self.datasets.iter().map(|name| dataset_title(name)).collect();
        text.replace("{dataset}", &names.join(" and "))
            .replace("{score_floor}", &format!("{SCORE_FLOOR:e}"))
    }

    /// What the numbers come from: data set, network, samples, epochs, and how many seeds.
    fn origin(&self, seeds: &str) -> String {
        let datasets: Vec<&str> = self.datasets.iter().map(|name| dataset_title(name)).collect();
        let samples = joined(self.runs().map(|run| thousands(run.train_samples)));
        let epochs = self.epochs();
        let model = joined(self.runs().map(super::provenance::model));
        format!(
            "{} · {model} · {samples} training samples · {epochs} · {seeds}",
            datasets.join(", ")
        )
    }

    /// `30 epochs (full-short 27 to 4)`: the control's follow from s.
    fn epochs(&self) -> String {
        let (short, others): (Vec<_>, Vec<_>) = self.runs().partition(|run| run.method == FULL_SHORT);
        let of_short = || short.iter().map(|run| run.epochs);
        let shortened = match (of_short().max(), of_short().min()) {
            (Some(longest), Some(shortest)) if longest > shortest => format!("{FULL_SHORT} {longest} to {shortest}"),
            (Some(epochs), _) => format!("{FULL_SHORT} {epochs}"),
            _ => String::new(),
        };
        if others.is_empty() {
            return joined(short.iter().map(|run| run.epochs.to_string())) + " epochs";
        }
        let epochs = joined(others.iter().map(|run| run.epochs.to_string()));
        match shortened.as_str() {
            "" => format!("{epochs} epochs"),
            shortened => format!("{epochs} epochs ({shortened})"),
        }
    }

    /// The number of seeds behind each point.
    fn seeds(&self) -> String {
        let (low, high) = self.seed_counts();
        seeds(low, high)
    }

    fn seed_counts(&self) -> (usize, usize) {
        let counts = || {
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|point| point.runs.len())
        };
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// How large the marker of a point is: smaller if it has fewer seeds than others.
    pub(super) fn marker_radius(&self, point: &Cell) -> f64 {
        match point.runs.len() < self.seed_counts().1 {
            true => 0.7 * MARKER_RADIUS,
            false => MARKER_RADIUS,
        }
    }

    /// What the size of markers says, if they differ.
    pub(super) fn sizes(&self) -> Option<String> {
        let (low, high) = self.seed_counts();
        (low < high).then(|| format!("Small points have fewer than {high} seeds."))
    }

    /// Whether any point has a band.
    pub(super) fn has_bands(&self) -> bool {
        let mut points = self.lines.iter().flat_map(|line| &line.points);
        points.any(|point| band_of(&point.accuracy()).is_some())
    }

    /// Whether any point has an interval.
    pub(super) fn has_intervals(&self) -> bool {
        self.seed_counts().1 > 1
    }

    /// Runs as `ucb s = 70 % (seeds 0, 2)`, a few at most; with their data sets if several are planned.
    pub(super) fn names(&self, runs: &[&Planned]) -> String {
        const SHOWN: usize = 6;
        let of_first = |run: &Planned| {
            self.input
                .planned
                .first()
                .is_some_and(|first| first.dataset == run.dataset)
        };
        let has_one_dataset = self.input.planned.iter().all(of_first);
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for run in runs {
            let dataset = match has_one_dataset {
                true => String::new(),
                false => format!("{} ", dataset_title(&run.dataset)),
            };
            let fraction = if run.pruned_fraction > 0.0 {
                format!(" s = {} %", percent(run.pruned_fraction))
            } else {
                String::new()
            };
            let name = format!("{dataset}{}{fraction}", run.method_label);
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, seeds)) => seeds.push(run.seed.to_string()),
                None => groups.push((name, vec![run.seed.to_string()])),
            }
        }
        let text = |(name, seeds): &(String, Vec<String>)| {
            format!(
                "{name} ({} {})",
                if seeds.len() == 1 { "seed" } else { "seeds" },
                seeds.join(", ")
            )
        };
        let mut shown: Vec<String> = groups.iter().take(SHOWN).map(text).collect();
        if groups.len() > SHOWN {
            shown.push(format!("and {}", count(groups.len() - SHOWN, "other setting")));
        }
        shown.join("; ")
    }

    /// What is not drawn, and why.
    pub(super) fn gaps(&self) -> Vec<String> {
        let all = self.input.planned.len();
        let note = |runs: &[&Planned], what: &str| {
            (!runs.is_empty()).then(|| format!("{what} {} of {all} planned runs: {}.", runs.len(), self.names(runs)))
        };
        let missing = note(&self.missing, "No result yet for");
        let diverged = note(&self.diverged, "Diverged, so not drawn,");
        let notes = self.input.notes.iter().cloned();
        let gaps = missing.into_iter().chain(diverged);
        gaps.chain(self.unknown_costs()).chain(notes).collect()
    }

    /// That costs are not known, of runs on scores whose table does not say them.
    fn unknown_costs(&self) -> Option<String> {
        let is_unknown = |line: &&Line| {
            let mut runs = line.points.iter().flat_map(|point| &point.runs);
            runs.any(|run| !run.method_flops().is_finite())
        };
        let labels: Vec<String> = self
            .lines
            .iter()
            .filter(is_unknown)
            .map(|line| line.label.to_owned())
            .collect();
        let labels = joined(labels.into_iter()).replace(" / ", ", ");
        (!labels.is_empty()).then(|| {
            format!("What the scores of {labels} cost is not known, as their table does not say: these runs have no whole cost here.")
        })
    }

    /// That not all seconds compare, if the drawn runs were not all timed, or not all made on the same device with as many
    /// threads.
    pub(super) fn mixed_machines(&self) -> Option<String> {
        let mut machines: Vec<(String, usize)> = Vec::new();
        for run in self.runs() {
            let machine = match run.method_seconds().is_finite() {
                true => format!("{} ({})", run.device, count(run.threads as usize, "thread")),
                false => "machines that did other work meanwhile, or with scores made on another machine (not timed)"
                    .to_owned(),
            };
            match machines.iter_mut().find(|(other, _)| *other == machine) {
                Some((_, runs)) => *runs += 1,
                None => machines.push((machine, 1)),
            }
        }
        let made = machines
            .iter()
            .map(|(machine, runs)| format!("{} on {machine}", count(*runs, "run")));
        let made: Vec<String> = made.collect();
        let untimed = self.runs().any(|run| !run.method_seconds().is_finite());
        (made.len() > 1 || untimed).then(|| {
            format!(
                "Seconds are compared only with those of full data on the same machine: there are {}. Counted operations \
                 compare always.",
                made.join("; ")
            )
        })
    }
}

impl Line<'_> {
    pub(super) fn at(&self, pruned_fraction: f64) -> Option<&Cell<'_>> {
        self.points
            .iter()
            .find(|point| point.pruned_fraction == pruned_fraction)
    }

    /// Whether it is full data, which has no pruned fraction.
    pub(super) fn is_baseline(&self) -> bool {
        self.method == "full"
    }
}

impl Cell<'_> {
    /// The mean and interval over seeds of a quantity.
    pub(super) fn summary(&self, of: impl Fn(&RunRow) -> f64) -> Summary {
        summary(&self.runs.iter().map(|run| of(run)).collect::<Vec<_>>())
    }

    /// A cost of the runs, each relative to that of full data: for seconds paired by seed, and only on the same machine;
    /// operations are counted and do not depend on the seed. `None` if none compares.
    pub(super) fn relative(&self, full: &Cell, cost: Cost) -> Option<Summary> {
        self.relative_part(full, cost, cost.of)
    }

    /// A part of a cost, or what comes on top of it, in units of the whole cost of full data, as [`Cell::relative`]. Runs whose
    /// whole cost is unknown are left out, so that all parts are of the same runs.
    pub(super) fn relative_part(&self, full: &Cell, cost: Cost, part: fn(&RunRow) -> f64) -> Option<Summary> {
        let same =
            |a: &RunRow, b: &RunRow| !cost.is_time || (a.seed, &a.device, a.threads) == (b.seed, &b.device, b.threads);
        let relative = |run: &&RunRow| {
            let full = full
                .runs
                .iter()
                .filter(|other| same(run, other))
                .map(|other| (cost.of)(other));
            let one = Summary::of(&full.filter(|one| one.is_finite()).collect::<Vec<_>>())?.mean;
            let is_known = ((cost.of)(run) / one).is_finite();
            Some(part(run) / one).filter(|relative| is_known && relative.is_finite())
        };
        let values: Vec<f64> = self.runs.iter().filter_map(relative).collect();
        Summary::of(&values)
    }

    /// Last-epoch test accuracy in percent.
    pub(super) fn accuracy(&self) -> Summary {
        self.summary(|run| 100.0 * run.test_accuracy_last)
    }

    /// Last-epoch test accuracy in percent, by seed.
    pub(super) fn accuracies(&self) -> Vec<(u64, f64)> {
        self.runs
            .iter()
            .map(|run| (run.seed, 100.0 * run.test_accuracy_last))
            .collect()
    }
}

/// Gives each label a style, the same wherever it occurs in a figure.
#[derive(Default)]
struct Styles<'a> {
    given: Vec<(&'a str, &'a str, MethodStyle)>,
}

impl<'a> Styles<'a> {
    fn of(&mut self, method: &'a str, label: &'a str) -> MethodStyle {
        if let Some((.., style)) = self.given.iter().find(|(_, other, _)| *other == label) {
            return *style;
        }
        let plain = MethodStyle::of(method, label, 0);
        let variant = self
            .given
            .iter()
            .filter(|(other, known, _)| *other == method && MethodStyle::of(other, known, 0) == plain);
        let style = MethodStyle::of(method, label, variant.count());
        self.given.push((method, label, style));
        style
    }
}

/// The mean and interval of values; NaN without any.
pub(super) fn summary(values: &[f64]) -> Summary {
    Summary::of(values).unwrap_or(Summary {
        n: 0,
        mean: f64::NAN,
        std: None,
        half_width: None,
    })
}

/// How many seeds there are, from the fewest to the most.
pub(super) fn seeds(low: usize, high: usize) -> String {
    match (low, high) {
        (1, 1) => "n = 1 seed, so no intervals".to_owned(),
        _ if low == high => format!("n = {low} seeds"),
        _ => format!("n = {low} to {high} seeds"),
    }
}

/// The label of the method that a static set is counted from: `ucb` of `counts of ucb`, `ucb c=2` of `counts of (ucb c=2)`.
pub(super) fn counted(label: &str) -> Option<&str> {
    let counted = label.strip_prefix("counts of ")?;
    let bare = counted.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
    Some(bare.unwrap_or(counted))
}

pub(super) fn is_reduced(profile: &str) -> bool {
    profile != PAPER_PROFILE
}

/// The scale of a profile, as it stands above a plot.
pub(super) fn scale(profile: &str) -> String {
    if is_reduced(profile) {
        format!("Reduced scale (profile {profile}), not the full protocol")
    } else {
        format!("Full scale (profile {profile})")
    }
}

/// `1 run`, `2 runs`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The data set's name as it is usually printed.
pub(super) fn dataset_title(name: &str) -> &str {
    match name {
        "cifar10" => "CIFAR-10",
        "cifar100" => "CIFAR-100",
        "mnist" => "MNIST",
        "fashion-mnist" => "Fashion-MNIST",
        other => other,
    }
}

/// `12345` as `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The different texts among `texts`, in order, joined by slashes.
pub(super) fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for text in texts {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different.join(" / ")
}

/// A fraction as a percentage without needless digits: 0.7 as `70`, 0.125 as `12.5`.
pub(super) fn percent(fraction: f64) -> String {
    let rounded = (fraction * 1e4).round() / 1e2;
    format!("{rounded}")
}

/// A sentence that goes on behind a colon: its first letter is small, unless it begins an abbreviation.
pub(super) fn continued(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, percent, thousands};

    #[test]
    fn a_static_set_names_what_it_is_counted_from() {
        assert_eq!(counted("counts of ucb"), Some("ucb"));
        assert_eq!(counted("counts of (ucb c=2)"), Some("ucb c=2"));
        assert_eq!(counted("ucb"), None);
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1000, 50_000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "50,000", "1,234,567"]
        );
        assert_eq!([0.7, 0.3, 0.125, 0.0].map(percent), ["70", "30", "12.5", "0"]);
    }
}
