//! The kept sets of methods that choose repeatedly, as far as they are recorded.
//!
//! Counted are the rounds that chose as the method does: the first round of a method that goes by scores is drawn at random or
//! takes all samples (`first_round`), so it is left out unless it had scores as well. `random-dynamic` has no scores, and all of
//! its draws count.

use std::collections::BTreeMap;

use super::data::{Data, Line, percent, seeds, summary};
use super::{Planned, Setting};
use crate::plot::theme::Family;
use crate::statistics::Summary;
use crate::{Error, RunRow, SelectionRow};

/// What every picture and page of such a figure says of the rounds.
pub(super) const COUNTED: &str = "Of scored methods, rounds count from the first that had scores";

/// Why, for the page.
pub(super) const NOT_COUNTED: &str = "before it they train on a random draw or on all samples (`first_round`)";

/// All that is recorded of the drawn runs.
pub(super) struct Recorded<'a> {
    data: &'a Data<'a>,
    /// By data set, method and pruned fraction, in planned order; each has a run.
    pub(super) groups: Vec<Group<'a>>,
    /// Runs that are not in a group.
    without: Vec<&'a Planned>,
}

/// The recorded runs of a method at a pruned fraction. They have the same number of samples, of kept samples and of rounds.
pub(super) struct Group<'a> {
    pub(super) line: &'a Line<'a>,
    pub(super) pruned_fraction: f64,
    /// By seed.
    pub(super) runs: Vec<Chosen<'a>>,
}

/// What a run chose.
pub(super) struct Chosen<'a> {
    pub(super) run: &'a RunRow,
    pub(super) planned: &'a Planned,
    /// The counted rounds by epoch, at least one.
    pub(super) rounds: Vec<&'a SelectionRow>,
}

/// How often a sample was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frequency {
    Never,
    Sometimes,
    Always,
}

impl<'a> Recorded<'a> {
    pub(super) fn of(data: &'a Data<'a>) -> Self {
        let mut sets: BTreeMap<&str, Vec<&SelectionRow>> = BTreeMap::new();
        for row in &data.input.history.selections {
            sets.entry(&row.run_id).or_default().push(row);
        }
        let planned: BTreeMap<&str, &Planned> = data.input.planned.iter().map(|run| (&*run.run_id, run)).collect();
        let mut recorded = Self {
            data,
            groups: Vec::new(),
            without: Vec::new(),
        };
        for line in data.lines.iter().filter(|line| line.style.family == Family::Dynamic) {
            for cell in &line.points {
                let mut group = Group {
                    line,
                    pruned_fraction: cell.pruned_fraction,
                    runs: Vec::new(),
                };
                for &run in &cell.runs {
                    let Some(&planned) = planned.get(&*run.run_id) else {
                        continue;
                    };
                    let rounds = counted(planned, sets.remove(&*run.run_id).unwrap_or_default());
                    let chosen = Chosen { run, planned, rounds };
                    match group.fits(&chosen) {
                        true => group.runs.push(chosen),
                        false => recorded.without.push(planned),
                    }
                }
                if !group.runs.is_empty() {
                    recorded.groups.push(group);
                }
            }
        }
        recorded
    }

    /// Only the largest pruned fraction of each data set that has a recorded run.
    pub(super) fn at_largest_fraction(mut self) -> Self {
        let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
        for group in &self.groups {
            let fraction = largest.entry(group.line.dataset).or_insert(group.pruned_fraction);
            *fraction = fraction.max(group.pruned_fraction);
        }
        let is_shown = |dataset: &str, s: f64| largest.get(dataset).is_none_or(|&shown| shown == s);
        self.groups
            .retain(|group| is_shown(group.line.dataset, group.pruned_fraction));
        self.without.retain(|run| is_shown(&run.dataset, run.pruned_fraction));
        self
    }

    /// That the shown pruned fractions are not all that are planned for the methods of the groups.
    pub(super) fn other_fractions(&self) -> Option<String> {
        let in_order = |fractions: &mut Vec<f64>| {
            fractions.sort_by(f64::total_cmp);
            fractions.dedup();
        };
        let is_shown = |run: &&Planned| {
            let mut groups = self.groups_of(&run.dataset);
            groups.any(|group| group.line.label == run.method_label)
        };
        let planned = self.data.input.planned.iter().filter(is_shown);
        let mut planned: Vec<f64> = planned.map(|run| run.pruned_fraction).collect();
        let mut shown: Vec<f64> = self.groups.iter().map(|group| group.pruned_fraction).collect();
        in_order(&mut planned);
        in_order(&mut shown);
        let listed = |fractions: &[f64]| {
            let texts: Vec<String> = fractions.iter().map(|&s| percent(s)).collect();
            texts.join(", ")
        };
        (planned.len() > shown.len()).then(|| {
            format!(
                "Of the planned pruned fractions, {} %, only s = {} % is shown.",
                listed(&planned),
                listed(&shown)
            )
        })
    }

    /// Leaves out runs that lack something else; they are named with those that lack kept sets.
    pub(super) fn only(mut self, has: impl Fn(&Chosen) -> bool) -> Self {
        for group in &mut self.groups {
            let (with, without): (Vec<_>, Vec<_>) = std::mem::take(&mut group.runs).into_iter().partition(&has);
            group.runs = with;
            self.without.extend(without.iter().map(|chosen| chosen.planned));
        }
        self.groups.retain(|group| !group.runs.is_empty());
        self
    }

    /// Only methods that choose by scores: others cannot have a record of any.
    pub(super) fn scored(mut self) -> Self {
        let is_scored = |planned: &Planned| planned.settings.contains_key("score");
        let has_scores = |group: &Group| group.runs.iter().any(|chosen| is_scored(chosen.planned));
        self.groups.retain(has_scores);
        self.without.retain(|planned| is_scored(planned));
        self
    }

    /// Itself, unless there is nothing in it.
    pub(super) fn or_nothing_to_draw(self) -> Result<Self, Error> {
        match self.groups.is_empty() {
            false => Ok(self),
            true => Err(Error::NothingToDraw {
                figure: self.data.input.id.to_owned(),
                planned: self.data.input.planned.len(),
            }),
        }
    }

    /// How many seeds the groups have.
    pub(super) fn seeds(&self) -> String {
        let counts = || self.groups.iter().map(|group| group.runs.len());
        seeds(counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }

    /// The data sets with a group, in planned order.
    pub(super) fn datasets(&self) -> Vec<&'a str> {
        let datasets = self.data.datasets.iter().copied();
        datasets
            .filter(|dataset| self.groups_of(dataset).next().is_some())
            .collect()
    }

    /// The runs of a method on a data set at a pruned fraction.
    pub(super) fn runs_of(&self, line: &Line, pruned_fraction: f64) -> &[Chosen<'a>] {
        let mut groups = self.groups_of(line.dataset);
        let group = groups.find(|group| group.line.label == line.label && group.pruned_fraction == pruned_fraction);
        group.map_or(&[], |group| &group.runs)
    }

    pub(super) fn groups_of(&self, dataset: &str) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(move |group| group.line.dataset == dataset)
    }

    /// That runs are not drawn because `what` is not recorded.
    pub(super) fn gaps(&self, what: &str) -> Option<String> {
        (!self.without.is_empty()).then(|| {
            format!(
                "No usable record of {what}, as older versions left none, so not drawn here, {} of {} planned runs: {}.",
                self.without.len(),
                self.data.input.planned.len(),
                self.data.names(&self.without)
            )
        })
    }
}

/// The rounds that chose as the method does, by epoch.
fn counted<'a>(planned: &Planned, mut sets: Vec<&'a SelectionRow>) -> Vec<&'a SelectionRow> {
    sets.sort_by_key(|set| set.epoch);
    let first = match planned.settings.get("first_round") {
        None => 0,
        Some(Setting::Word(word)) if word == "scores" => 0,
        Some(_) => 1,
    };
    sets.into_iter().skip(first).collect()
}

impl Group<'_> {
    fn fits(&self, other: &Chosen) -> bool {
        let shape = |chosen: &Chosen| (chosen.samples(), chosen.kept(), chosen.rounds.len());
        !other.rounds.is_empty() && self.runs.first().is_none_or(|first| shape(first) == shape(other))
    }

    /// R, the counted rounds of each run.
    pub(super) fn rounds(&self) -> u32 {
        self.runs.first().map_or(0, |chosen| chosen.rounds.len() as u32)
    }

    /// N.
    pub(super) fn samples(&self) -> u32 {
        self.runs.first().map_or(0, Chosen::samples)
    }

    /// K.
    pub(super) fn kept(&self) -> u32 {
        self.runs.first().map_or(0, Chosen::kept)
    }

    /// K / N, the probability that a random choice takes a sample.
    pub(super) fn kept_share(&self) -> f64 {
        f64::from(self.kept()) / f64::from(self.samples())
    }

    /// The mean over the seeds.
    pub(super) fn summary(&self, of: impl Fn(&Chosen) -> f64) -> Summary {
        summary(&self.runs.iter().map(of).collect::<Vec<_>>())
    }
}

impl Chosen<'_> {
    fn samples(&self) -> u32 {
        self.rounds.first().map_or(0, |set| set.train_samples)
    }

    fn kept(&self) -> u32 {
        self.rounds.first().map_or(0, |set| set.kept_samples)
    }

    /// How many of the counted rounds selected each sample, by position.
    pub(super) fn counts(&self) -> Vec<u32> {
        counts(&self.rounds)
    }
}

/// How many of the rounds selected each sample, by position.
pub(super) fn counts(rounds: &[&SelectionRow]) -> Vec<u32> {
    let samples = rounds.first().map_or(0, |set| set.train_samples);
    let mut counts = vec![0; samples as usize];
    for set in rounds {
        for (position, count) in (0..).zip(&mut counts) {
            *count += u32::from(set.has(position));
        }
    }
    counts
}

impl Frequency {
    pub(super) const ALL: [Self; 3] = [Self::Never, Self::Sometimes, Self::Always];

    /// That of a sample selected in `count` of so many rounds.
    pub(super) fn of(count: u32, rounds: u32) -> Self {
        match count {
            0 => Self::Never,
            count if count >= rounds => Self::Always,
            _ => Self::Sometimes,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Sometimes => "sometimes",
            Self::Always => "always",
        }
    }

    /// The share of the samples that have it.
    pub(super) fn share(self, counts: &[u32], rounds: u32) -> f64 {
        let members = counts.iter().filter(|&&count| Self::of(count, rounds) == self).count();
        members as f64 / counts.len() as f64
    }
}

/// A summary of shares in percent.
pub(super) fn in_percent(summary: &Summary) -> Summary {
    Summary {
        n: summary.n,
        mean: 100.0 * summary.mean,
        std: summary.std.map(|std| 100.0 * std),
        half_width: summary.half_width.map(|half_width| 100.0 * half_width),
    }
}

#[cfg(test)]
mod tests {
    use super::{Frequency, Recorded};
    use crate::figures::data::Data;
    use crate::figures::tests::check_texts;
    use crate::figures::{FIGURES, FigureInput, History};
    use crate::made_up::history::{FIGURES as KINDS, images, kept_and_traced, planned, static_sets};
    use crate::made_up::{self, Grid};
    use crate::{Planned, RunRow};

    fn input<'a>(planned: &'a [Planned], runs: &'a [RunRow], history: &'a History) -> FigureInput<'a> {
        FigureInput {
            title: "{dataset}: a title that is so long that it has to be broken, since many data sets are named in it",
            history,
            ..made_up::input(planned, runs)
        }
    }

    fn grid<'a>(datasets: &'a [&'a str], methods: &'a [&'a str], pruned_fractions: &'a [f64], seeds: u64) -> Grid<'a> {
        Grid {
            profile: "laptop",
            datasets,
            methods,
            pruned_fractions,
            seeds,
            epochs: 40,
            train_samples: 300,
        }
    }

    #[test]
    fn no_text_is_clipped_or_covered() {
        let methods = [
            "random-dynamic",
            "uncertainty",
            "epsilon-greedy",
            "ucb (c = 2, ema_weight = 0.5, first_variance = square)",
        ];
        let fractions: Vec<f64> = (1..=9).map(|tenths| f64::from(tenths) / 10.0).collect();
        let long = [
            "el2n@10",
            "forget never_learned=presentations measured_on=clean",
            "grand@10",
        ];
        for datasets in [&["cifar10"][..], &["cifar10", "cifar100"]] {
            for (count, seeds, methods) in [
                (1, 1, &methods[3..]),
                (2, 2, &methods[..2]),
                (3, 2, &methods[..]),
                (9, 2, &methods),
            ] {
                let (mut runs, _) = made_up::rows(&grid(datasets, methods, &fractions[9 - count..], seeds));
                let planned = planned(&runs);
                let mut history = kept_and_traced(&runs);
                for with_more in [false, true] {
                    if with_more {
                        history.static_sets = static_sets(&runs, &long);
                        history.images = images(&runs);
                        // Results and records are missing: long notes.
                        history.selections.retain(|row| row.run_id.as_bytes()[3] % 3 != 0);
                        runs.retain(|run| run.run_id.as_bytes()[2] % 4 != 0);
                    }
                    let input = input(&planned, &runs, &history);
                    let data = Data::new(&input);
                    for (_, kind, _) in KINDS {
                        let kind = FIGURES.iter().find(|registered| registered.name == *kind).unwrap();
                        match (kind.make)(&data) {
                            Ok(drawing) => check_texts(drawing.scene.as_ref().unwrap(), kind.name),
                            Err(error) => assert!(with_more && count < 3, "{}: {error}", kind.name),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_random_first_round_does_not_count() {
        let (runs, _) = made_up::rows(&grid(&["cifar10"], &["random-dynamic", "ucb"], &[0.5], 2));
        let mut planned = planned(&runs);
        let history = kept_and_traced(&runs);
        let rounds = |planned: &[Planned]| {
            let input = input(planned, &runs, &history);
            let data = Data::new(&input);
            let recorded = Recorded::of(&data);
            let groups = recorded.groups.iter();
            groups
                .map(|group| (group.rounds(), group.runs[1].rounds[0].epoch))
                .collect::<Vec<_>>()
        };
        // 40 draws, and 20 rounds of two epochs each.
        assert_eq!(rounds(&planned), [(40, 1), (19, 3)]);
        for run in &mut planned {
            run.settings
                .insert("first_round".to_owned(), crate::Setting::Word("scores".to_owned()));
        }
        assert_eq!(rounds(&planned), [(40, 1), (20, 1)]);
    }

    #[test]
    fn runs_without_a_record_are_named() {
        let (runs, _) = made_up::rows(&grid(&["cifar10"], &["full", "ucb"], &[0.3, 0.5], 2));
        let planned = planned(&runs);
        let mut history = kept_and_traced(&runs);
        let gone = runs
            .iter()
            .position(|run| run.pruned_fraction == 0.5 && run.seed == 1)
            .unwrap();
        history.selections.retain(|row| row.run_id != runs[gone].run_id);
        let input = input(&planned, &runs, &history);
        let data = Data::new(&input);
        let recorded = Recorded::of(&data);
        assert_eq!(recorded.groups.len(), 2);
        let expected = "No usable record of the kept sets, as older versions left none, so not drawn here, 1 of 6 planned \
                        runs: ucb s = 50 % (seed 1).";
        assert_eq!(recorded.gaps("the kept sets").unwrap(), expected);
        let none = recorded.only(|_| false);
        assert!(none.gaps("the kept sets").unwrap().contains("4 of 6 planned runs"));
        assert!(none.or_nothing_to_draw().is_err());
    }

    #[test]
    fn a_sample_is_never_sometimes_or_always_selected() {
        let counts = [0, 0, 1, 4, 5, 5, 5, 5];
        let shares = Frequency::ALL.map(|frequency| frequency.share(&counts, 5));
        assert_eq!(shares, [0.25, 0.25, 0.5]);
    }
}
