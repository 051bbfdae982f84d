//! How many rounds selected each sample, against the binomial of a random choice: a row of panels for each method, a panel for
//! each pruned fraction.
//!
//! Choosing K of N samples at random in each of R rounds selects every sample Binomial(R, K / N) times.

use std::fmt::Write as _;

use statrs::distribution::{Binomial, Discrete as _};

use super::data::{Data, dataset_title, percent, summary};
use super::kept_sets::{COUNTED, Frequency, Group, NOT_COUNTED, Recorded, in_percent};
use super::numbers::{self, Numbers};
use super::{Drawing, FigureKind, findings};
use crate::Error;
use crate::plot::axes::{Axis, Panel};
use crate::plot::layout::{self, BEFORE_LEGEND, LEFT_OF_PANEL, LEGEND_WIDTH, MARGIN};
use crate::plot::legend::{Legend, Sample};
use crate::plot::scene::{Point, Rectangle, Scene, Text};
use crate::plot::theme::{Color, Dash, INK, LABEL_SIZE, NOTE_SIZE, QUIET, Stroke};
use crate::statistics::Summary;

pub(super) const KIND: FigureKind = FigureKind {
    name: "selection-counts",
    axes: 0,
    fits_a_column: false,
    needs_history: true,
    make,
};

/// Bins between never and always, at most.
const INNER_BINS: u32 = 66;
/// Panels beside each other, at most.
const BESIDE: usize = 4;

const PANEL_HEIGHT: f64 = 150.0;
const BETWEEN_PANELS: f64 = 46.0;
const DATASET_HEADING: f64 = 34.0;
const METHOD_HEADING: f64 = 30.0;
const PANEL_HEADING: f64 = 36.0;
const BELOW_PANEL: f64 = 32.0;
const X_LABEL: f64 = 34.0;

const BINOMIAL: Stroke = Stroke {
    color: INK,
    width: 1.6,
    dash: Dash::Solid,
};

const COLUMNS: [&str; 13] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "rounds",
    "first_count",
    "last_count",
    "n",
    "share_mean",
    "share_std",
    "share_half_width",
    "binomial_share",
    "kept_share",
];

/// How often the samples were selected, as shares of the samples.
struct Histogram<'a> {
    group: &'a Group<'a>,
    /// The first and last count of each bin.
    bins: Vec<(u32, u32)>,
    /// By bin, over the seeds.
    shares: Vec<Summary>,
    binomial: Vec<f64>,
    /// Never, sometimes and always, over the seeds.
    frequencies: [Summary; 3],
    /// The same of the binomial.
    expected: [f64; 3],
    /// The variance of the counts over that of the binomial.
    variance_ratio: Summary,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let recorded = Recorded::of(data).or_nothing_to_draw()?;
    let histograms: Vec<Histogram> = recorded.groups.iter().map(Histogram::of).collect();
    let gaps = recorded.gaps("the kept sets");
    let mut text = gaps.as_ref().map_or_else(String::new, |gaps| format!("**{gaps}**\n\n"));
    text += &table(&recorded, &histograms);

    let mut words = data.words();
    words.subtitles.insert(0, format!("{COUNTED}; of random-dynamic, all"));
    words.notes.extend(gaps);
    Ok(Drawing {
        scene: Some(scene(&words, &recorded, &histograms)),
        findings: text,
        numbers: Numbers::new(&COLUMNS, histograms.iter().flat_map(rows)),
    })
}

impl<'a> Histogram<'a> {
    fn of(group: &'a Group<'a>) -> Self {
        let (rounds, samples) = (group.rounds(), f64::from(group.samples()));
        let expected = rounds_selected(group.kept_share(), rounds);
        let counts: Vec<Vec<u32>> = group.runs.iter().map(|chosen| chosen.counts()).collect();
        let over_seeds = |of: &dyn Fn(&[u32]) -> f64| summary(&counts.iter().map(|run| of(run)).collect::<Vec<_>>());
        let share = |&(from, to): &(u32, u32)| {
            over_seeds(&|run| run.iter().filter(|count| (from..=to).contains(count)).count() as f64 / samples)
        };
        let p = group.kept_share();
        let mean = f64::from(rounds) * p;
        let variance = |run: &[u32]| run.iter().map(|&count| (f64::from(count) - mean).powi(2)).sum::<f64>() / samples;
        let bins = bins(rounds);
        Self {
            group,
            shares: bins.iter().map(share).collect(),
            binomial: binned(&expected, &bins),
            frequencies: Frequency::ALL.map(|frequency| over_seeds(&|run| frequency.share(run, rounds))),
            expected: Frequency::ALL.map(|frequency| {
                let members = (0..)
                    .zip(&expected)
                    .filter(|&(count, _)| Frequency::of(count, rounds) == frequency);
                members.map(|(_, share)| share).sum()
            }),
            variance_ratio: over_seeds(&|run| variance(run) / (mean * (1.0 - p))),
            bins,
        }
    }

    fn highest(&self) -> f64 {
        let means = self.shares.iter().map(|share| share.mean);
        means.chain(self.binomial.iter().copied()).fold(0.0, f64::max)
    }

    /// The width of a bin as a share of the rounds.
    fn bin_width(&self) -> f64 {
        f64::from(inner_width(self.group.rounds())) / f64::from(self.group.rounds())
    }
}

/// The probability of being selected in 0, 1, ..., `rounds` rounds.
fn rounds_selected(kept_share: f64, rounds: u32) -> Vec<f64> {
    let binomial = Binomial::new(kept_share, u64::from(rounds));
    (0..=u64::from(rounds))
        .map(|count| binomial.as_ref().map_or(f64::NAN, |binomial| binomial.pmf(count)))
        .collect()
}

/// Counts in one bin between never and always.
fn inner_width(rounds: u32) -> u32 {
    rounds.saturating_sub(1).div_ceil(INNER_BINS).max(1)
}

/// The first and last count of each bin: never and always have bins of their own, those between them are equally wide but for
/// the last.
fn bins(rounds: u32) -> Vec<(u32, u32)> {
    let width = inner_width(rounds);
    let inner = (1..rounds).step_by(width as usize);
    let inner = inner.map(|from| (from, (from + width - 1).min(rounds - 1)));
    std::iter::once((0, 0)).chain(inner).chain([(rounds, rounds)]).collect()
}

fn binned(by_count: &[f64], bins: &[(u32, u32)]) -> Vec<f64> {
    let sum = |&(from, to): &(u32, u32)| by_count[from as usize..=to as usize].iter().sum();
    bins.iter().map(sum).collect()
}

/// The panels of a method on a data set, by pruned fraction.
fn by_method<'a>(recorded: &Recorded, histograms: &'a [Histogram<'a>], dataset: &str) -> Vec<Vec<&'a Histogram<'a>>> {
    let mut methods: Vec<Vec<&Histogram>> = Vec::new();
    for group in recorded.groups_of(dataset) {
        let of_group = |histogram: &&Histogram| std::ptr::eq(histogram.group, group);
        let Some(histogram) = histograms.iter().find(of_group) else {
            continue;
        };
        match methods.last_mut() {
            Some(last) if last[0].group.line.label == group.line.label => last.push(histogram),
            _ => methods.push(vec![histogram]),
        }
    }
    methods
}

fn scene(words: &layout::Words, recorded: &Recorded, histograms: &[Histogram]) -> Scene {
    let datasets: Vec<(&str, Vec<Vec<&Histogram>>)> = recorded
        .datasets()
        .into_iter()
        .map(|dataset| (dataset, by_method(recorded, histograms, dataset)))
        .collect();
    let fractions = datasets.iter().flat_map(|(_, methods)| methods).map(Vec::len).max();
    let fractions = fractions.unwrap_or(1);
    let columns = fractions.div_ceil(fractions.div_ceil(BESIDE));
    let panel_width = match columns {
        1 => 460.0,
        2 => 330.0,
        _ => 270.0,
    };
    let x = x_axis(histograms);
    let panels_width = columns as f64 * (panel_width + BETWEEN_PANELS) - BETWEEN_PANELS;
    let width = 2.0 * MARGIN + LEFT_OF_PANEL + panels_width + BEFORE_LEGEND + LEGEND_WIDTH;

    let several = datasets.len() > 1;
    let line_height = PANEL_HEADING + PANEL_HEIGHT + BELOW_PANEL;
    let method_height = |panels: usize| METHOD_HEADING + panels.div_ceil(columns) as f64 * line_height;
    let block_height = |methods: &[Vec<&Histogram>]| {
        let heading = if several { DATASET_HEADING } else { 0.0 };
        let methods = methods.iter().map(|panels| method_height(panels.len()));
        heading + methods.sum::<f64>() + X_LABEL
    };
    let height = datasets.iter().map(|(_, methods)| block_height(methods)).sum::<f64>();
    let legend = legend();

    let (scene, _) = layout::between_words(words, width, height.max(legend.height(LEGEND_WIDTH)), |scene, area| {
        legend.draw(
            scene,
            (area.right - LEGEND_WIDTH, area.top + METHOD_HEADING),
            LEGEND_WIDTH,
        );
        let left = area.left + LEFT_OF_PANEL;
        let mut y = area.top;
        for (dataset, methods) in &datasets {
            if several {
                y += DATASET_HEADING;
                let at = (area.left, y - 14.0);
                scene.text(Text::new(dataset_title(dataset), at, LABEL_SIZE + 2.5).bold());
            }
            for (index, panels) in methods.iter().enumerate() {
                method_heading(scene, panels[0].group, (left, y + METHOD_HEADING - 13.0));
                let y_axis = y_axis(panels);
                for (position, histogram) in panels.iter().enumerate() {
                    let (column, line) = (position % columns, position / columns);
                    let left = left + column as f64 * (panel_width + BETWEEN_PANELS);
                    let top = y + METHOD_HEADING + line as f64 * line_height + PANEL_HEADING;
                    let is_lowest = index + 1 == methods.len() && position + columns >= panels.len();
                    let label = |axis: &Axis, shown: bool| Axis {
                        label: if shown { axis.label.clone() } else { String::new() },
                        ..axis.clone()
                    };
                    let panel = Panel {
                        inside: Rectangle {
                            left,
                            top,
                            right: left + panel_width,
                            bottom: top + PANEL_HEIGHT,
                        },
                        x: label(&x, is_lowest),
                        y: label(&y_axis, column == 0),
                    };
                    draw(scene, histogram, &panel);
                }
                y += method_height(panels.len());
            }
            y += X_LABEL;
        }
    });
    scene
}

fn legend() -> Legend {
    Legend {
        methods: Vec::new(),
        others: vec![
            (
                "Samples: mean share over the seeds".to_owned(),
                Sample::Bar(bar_color(QUIET)),
            ),
            (
                "Choosing at random: Binomial(R, K/N)".to_owned(),
                Sample::Line(BINOMIAL),
            ),
        ],
        others_heading: None,
        baseline_marker: false,
    }
}

/// The method and R, in the method's colour.
fn method_heading(scene: &mut Scene, group: &Group, (left, y): Point) {
    let bar = Rectangle {
        left,
        top: y - 0.74 * LABEL_SIZE,
        right: left + 14.0,
        bottom: y + 1.0,
    };
    rectangle(scene, &bar, bar_color(group.line.style.color));
    let text = format!("{}: R = {} rounds", group.line.label, group.rounds());
    scene.text(Text::new(text, (left + 22.0, y), LABEL_SIZE).bold());
}

/// The axis that shows all bins of all panels.
fn x_axis(histograms: &[Histogram]) -> Axis {
    let margins = histograms
        .iter()
        .map(|histogram| 100.0 * (histogram.bin_width() - 0.5 / f64::from(histogram.group.rounds())));
    let margin = margins.fold(0.0, f64::max) + 1.0;
    Axis::with_ticks(
        "Rounds that selected the sample (% of R)",
        (-margin, 100.0 + margin),
        vec![0.0, 25.0, 50.0, 75.0, 100.0],
    )
}

fn y_axis(panels: &[&Histogram]) -> Axis {
    let highest = panels.iter().map(|histogram| histogram.highest()).fold(0.0, f64::max);
    Axis::round("Samples (%)", (0.0, 100.0 * highest.max(1e-3)), 4)
}

fn draw(scene: &mut Scene, histogram: &Histogram, panel: &Panel) {
    panel.draw(scene);
    let Rectangle { left, top, .. } = panel.inside;
    let fraction = format!("s = {} %", percent(histogram.group.pruned_fraction));
    scene.text(Text::new(fraction, (left, top - 25.0), LABEL_SIZE).bold());
    let shares = Frequency::ALL.iter().zip(&histogram.frequencies);
    let shares = shares.map(|(frequency, share)| format!("{} {:.1} %", frequency.name(), 100.0 * share.mean));
    let shares = Text::new(shares.collect::<Vec<_>>().join(" · "), (left, top - 8.0), NOTE_SIZE);
    scene.text(shares.color(QUIET));

    let rounds = f64::from(histogram.group.rounds());
    let width = f64::from(inner_width(histogram.group.rounds()));
    let edges = |index: usize, (from, to): (u32, u32)| {
        let (from, to) = (f64::from(from) - 0.5, f64::from(to) + 0.5);
        // The outer bins hold one count and are drawn as wide as the others, outwards.
        match index {
            0 => (to - width, to),
            _ if index + 1 == histogram.bins.len() => (from, from + width),
            _ => (from, to),
        }
    };
    let mut line = Vec::new();
    for (index, &bin) in histogram.bins.iter().enumerate() {
        let (from, to) = edges(index, bin);
        let gap = 0.08 * (to - from);
        let (from, to) = (100.0 * from / rounds, 100.0 * to / rounds);
        let gap = 100.0 * gap / rounds;
        let corner = panel.at((from + gap, 100.0 * histogram.shares[index].mean));
        let end = panel.at((to - gap, 0.0));
        let bar = Rectangle {
            left: corner.0,
            top: corner.1,
            right: end.0,
            bottom: end.1,
        };
        rectangle(scene, &bar, bar_color(histogram.group.line.style.color));
        line.push(((from + to) / 2.0, 100.0 * histogram.binomial[index]));
    }
    panel.line(scene, &line, BINOMIAL);
}

fn bar_color(color: Color) -> Color {
    color.shade(0.3)
}

fn rectangle(scene: &mut Scene, rectangle: &Rectangle, color: Color) {
    let Rectangle {
        left,
        top,
        right,
        bottom,
    } = *rectangle;
    scene.area(
        vec![(left, top), (right, top), (right, bottom), (left, bottom)],
        color,
        1.0,
    );
}

fn table(recorded: &Recorded, histograms: &[Histogram]) -> String {
    let mut text = format!(
        "How many of R rounds selected a sample, as shares of all samples in percent: mean over the seeds ± half of the 95 % t \
         interval, beside what choosing K of N samples at random in each round would give. {COUNTED}: \
         {NOT_COUNTED}; every draw of `random-dynamic` counts. *Variance*: that of the counts over that of the binomial, 1 for a random choice; the more a \
         method keeps wanting the same samples, the larger.\n\n"
    );
    for dataset in recorded.datasets() {
        let _ = writeln!(
            text,
            "| {} | s | n | R | never | random | sometimes | random | always | random | variance |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            dataset_title(dataset)
        );
        for histogram in by_method(recorded, histograms, dataset).into_iter().flatten() {
            let group = histogram.group;
            let shares = histogram
                .frequencies
                .iter()
                .zip(histogram.expected)
                .map(|(share, expected)| {
                    format!(
                        "{} | {:.2}",
                        findings::with_half_width(&in_percent(share), 2),
                        100.0 * expected
                    )
                });
            let _ = writeln!(
                text,
                "| {} | {} % | {} | {} | {} | {} |",
                group.line.label,
                percent(group.pruned_fraction),
                group.runs.len(),
                group.rounds(),
                shares.collect::<Vec<_>>().join(" | "),
                findings::with_half_width(&histogram.variance_ratio, 2),
            );
        }
        text.push('\n');
    }
    text
}

fn rows<'a>(histogram: &'a Histogram) -> impl Iterator<Item = Vec<String>> + 'a {
    let group = histogram.group;
    let line = group.line;
    (0..histogram.bins.len()).map(move |index| {
        let (from, to) = histogram.bins[index];
        let mut row = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
        row.push(group.pruned_fraction.to_string());
        row.extend([group.rounds(), from, to].map(|number| number.to_string()));
        row.extend(numbers::summary(&histogram.shares[index]));
        row.extend([probability(histogram.binomial[index]), group.kept_share().to_string()]);
        row
    })
}

/// In scientific notation where it is tiny, as far from the mean it is.
fn probability(value: f64) -> String {
    if value < 1e-6 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{binned, bins, probability, rounds_selected};

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-10 * expected,
            "{found} is not {expected}"
        );
    }

    /// Literals by SciPy 1.17:
    /// ```python
    /// from scipy import stats
    /// print([stats.binom.pmf(k, 19, 0.3) for k in (0, 1, 6, 19)])
    /// b = stats.binom(100, 0.7)
    /// print([b.pmf(k) + b.pmf(k + 1) for k in (69, 71)])
    /// ```
    #[test]
    fn a_random_choice_agrees_with_scipy() {
        let by_count = rounds_selected(0.3, 19);
        assert_eq!(by_count.len(), 20);
        for (count, expected) in [
            (0, 0.0011398895185373125),
            (1, 0.00928195750808956),
            (6, 0.19163898275344243),
            (19, 1.1622614669999992e-10),
        ] {
            close(by_count[count], expected);
        }
        let bins = bins(100);
        let shares = binned(&rounds_selected(0.7, 100), &bins);
        let share = |bin| shares[bins.iter().position(|&other| other == bin).unwrap()];
        close(share((69, 70)), 0.1707682499986814);
        close(share((71, 72)), 0.165973575457619);
        close(shares.iter().sum(), 1.0);
    }

    #[test]
    fn tiny_probabilities_are_short_numbers() {
        for (value, text) in [(0.25, "0.25"), (0.0, "0e0"), (5.2e-53, "5.2e-53")] {
            assert_eq!(probability(value), text);
            assert_eq!(text.parse(), Ok(value));
        }
    }

    #[test]
    fn every_count_is_in_one_bin_and_the_ends_are_alone() {
        assert_eq!(bins(1), [(0, 0), (1, 1)]);
        assert_eq!(bins(3), [(0, 0), (1, 1), (2, 2), (3, 3)]);
        for rounds in 1..=250 {
            let bins = bins(rounds);
            assert!(bins.len() <= 68, "{rounds}: {} bins", bins.len());
            assert_eq!((bins[0], bins[bins.len() - 1]), ((0, 0), (rounds, rounds)));
            let counts: Vec<u32> = bins.into_iter().flat_map(|(from, to)| from..=to).collect();
            assert_eq!(counts, (0..=rounds).collect::<Vec<_>>());
        }
    }
}
