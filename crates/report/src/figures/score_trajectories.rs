//! Scores of traced samples during training: for each method a panel of those never, sometimes and always selected, and
//! pictures of such samples below.
//!
//! Shown is, of each method, the first seed that has traces, at the largest pruned fraction. Whether the pictures are there is
//! said in the picture alone: the page and its numbers are the same on machines without the data set.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::data::{Data, dataset_title, joined, percent};
use super::kept_sets::{COUNTED, Chosen, Frequency, Group, NOT_COUNTED, Recorded, in_percent};
use super::numbers::{Numbers, optional};
use super::{Drawing, FigureKind, SampleImage, Setting, findings};
use crate::plot::axes::{Axis, Panel};
use crate::plot::fonts;
use crate::plot::layout::{self, BEFORE_LEGEND, BELOW_PANEL, LEFT_OF_PANEL, LEGEND_WIDTH, MARGIN, Words};
use crate::plot::legend::{Legend, Sample};
use crate::plot::scene::{Align, Picture, Point, Rectangle, Scene, Text};
use crate::plot::theme::{Color, Dash, LABEL_SIZE, NOTE_SIZE, QUIET, Stroke};
use crate::{Error, TraceRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "score-trajectories",
    axes: 0,
    fits_a_column: false,
    needs_history: true,
    make,
};

/// Thin lines in a panel, at most.
const LINES: usize = 15;
/// Pictures below a panel, at most.
const PICTURES: usize = 8;
const PICTURES_BESIDE: usize = 4;
/// On a logarithmic axis, lower scores are drawn here: a cross-entropy can be 0, and below this one the probability of the
/// right class is above 99.999 %.
pub(super) const FLOOR: f64 = 1e-5;
/// Fewer samples have no line for their median.
const FEWEST: usize = 3;
/// The ratio of the highest to the lowest score that calls for a logarithmic axis.
const WIDE: f64 = 100.0;

const PANEL_WIDTH: f64 = 300.0;
const PANEL_HEIGHT: f64 = 230.0;
const BETWEEN_PANELS: f64 = 62.0;
const RUN_HEADING: f64 = 30.0;
const PANEL_HEADING: f64 = 40.0;
const PICTURE: f64 = 60.0;
const PICTURE_ROW: f64 = 98.0;
const NAME_LINES: usize = 2;

const COLUMNS: [&str; 14] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "seed",
    "position",
    "sample",
    "label",
    "frequency",
    "rounds_selected",
    "rounds",
    "epoch",
    "score",
    "selected",
];

/// The traced samples of a run.
struct Traced<'a> {
    group: &'a Group<'a>,
    chosen: &'a Chosen<'a>,
    /// By position.
    samples: Vec<Trajectory<'a>>,
}

struct Trajectory<'a> {
    trace: &'a TraceRow,
    /// In how many rounds it was selected.
    count: u32,
    frequency: Frequency,
}

/// How scores are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScoreAxis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Whether scores are below the axis and drawn at its lower end.
    cut: bool,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let mut traces: BTreeMap<&str, Vec<&TraceRow>> = BTreeMap::new();
    for trace in &data.input.history.traces {
        traces.entry(&trace.run_id).or_default().push(trace);
    }
    let recorded = Recorded::of(data)
        .scored()
        .only(|chosen| traces.contains_key(&*chosen.run.run_id))
        .at_largest_fraction()
        .or_nothing_to_draw()?;
    let gaps: Vec<String> = recorded
        .gaps("scores and kept sets")
        .into_iter()
        .chain(recorded.other_fractions())
        .collect();
    let shown: Vec<Traced> = recorded
        .groups
        .iter()
        .filter_map(|group| Traced::of(group, &traces))
        .collect();

    let mut words = data.words_of("one seed of each method");
    let seeds = joined(shown.iter().map(|run| run.chosen.run.seed.to_string()));
    let fractions = joined(shown.iter().map(|run| percent(run.group.pruned_fraction)));
    words.subtitles.insert(
        0,
        format!(
            "s = {fractions} %, seed {seeds}; never, sometimes or always kept, counted from the first round that had scores"
        ),
    );
    words.notes.extend(gaps.iter().cloned());
    Ok(Drawing {
        scene: Some(scene(data, words, &shown)),
        findings: statements(&shown, &gaps),
        numbers: Numbers::new(&COLUMNS, shown.iter().flat_map(rows)),
    })
}

impl<'a> Traced<'a> {
    /// The first seed.
    fn of(group: &'a Group<'a>, traces: &BTreeMap<&str, Vec<&'a TraceRow>>) -> Option<Self> {
        let chosen = group.runs.first()?;
        let counts = chosen.counts();
        let trajectory = |trace: &&'a TraceRow| {
            let count = *counts.get(trace.position as usize)?;
            Some(Trajectory {
                trace,
                count,
                frequency: Frequency::of(count, group.rounds()),
            })
        };
        let mut samples: Vec<Trajectory> = traces.get(&*chosen.run.run_id)?.iter().filter_map(trajectory).collect();
        samples.sort_by_key(|sample| sample.trace.position);
        Some(Self { group, chosen, samples })
    }

    fn members(&self, frequency: Frequency) -> Vec<&Trajectory<'a>> {
        self.samples
            .iter()
            .filter(|sample| sample.frequency == frequency)
            .collect()
    }

    /// `loss`, or whatever the scores are.
    fn score(&self) -> String {
        match self.chosen.planned.settings.get("score") {
            Some(Setting::Word(word)) => word.replace('-', " "),
            _ => "score".to_owned(),
        }
    }

    fn axis(&self) -> ScoreAxis {
        let scores = self
            .samples
            .iter()
            .flat_map(|sample| sample.points())
            .map(|(_, score)| score);
        ScoreAxis::of(scores)
    }
}

impl Trajectory<'_> {
    /// Epochs and scores.
    fn points(&self) -> impl Iterator<Item = (u32, f64)> {
        let scores = self.trace.scores.iter().map(|&score| f64::from(score));
        self.trace
            .epochs
            .iter()
            .copied()
            .zip(scores)
            .filter(|(_, score)| score.is_finite())
    }
}

/// The median of the samples' scores at each epoch.
fn medians(samples: &[&Trajectory]) -> Vec<(u32, f64)> {
    let mut by_epoch: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (epoch, score) in samples.iter().flat_map(|sample| sample.points()) {
        by_epoch.entry(epoch).or_default().push(score);
    }
    let median = |(epoch, scores): (u32, Vec<f64>)| Some((epoch, median(scores)?));
    by_epoch.into_iter().filter_map(median).collect()
}

/// The value in the middle, or the mean of the two there.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

impl ScoreAxis {
    fn of(scores: impl Iterator<Item = f64>) -> Self {
        let (low, high) = scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| {
            (low.min(score), high.max(score))
        });
        if low > high {
            return Self::linear(0.0, 1.0);
        }
        let floor = low.max(FLOOR);
        match low >= 0.0 && high > WIDE * floor {
            true => Self {
                low: floor,
                high,
                logarithmic: true,
                cut: low < floor,
            },
            false => Self::linear(low.min(0.0), high),
        }
    }

    fn linear(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            logarithmic: false,
            cut: false,
        }
    }

    fn axis(&self, label: &str) -> Axis {
        match self.logarithmic {
            true => Axis::decades(label, (self.low, self.high)),
            false => Axis::round(label, (self.low, self.high), 6),
        }
    }

    /// Where a score is on the axis.
    fn at(&self, score: f64) -> f64 {
        match self.logarithmic {
            true => score.max(self.low),
            false => score,
        }
    }
}

fn scene(data: &Data, mut words: Words, shown: &[Traced]) -> Scene {
    let pictured: Vec<&str> = data
        .datasets
        .iter()
        .copied()
        .filter(|dataset| has_images(data, dataset))
        .collect();
    let lacking = joined(
        shown
            .iter()
            .map(|run| run.group.line.dataset)
            .filter(|dataset| !pictured.contains(dataset))
            .map(|dataset| dataset_title(dataset).to_owned()),
    );
    if !lacking.is_empty() {
        let note = format!("No pictures of samples: {lacking} was not on the machine that drew this.");
        words.notes.push(note);
    }
    if shown.iter().any(|run| run.axis().cut) {
        words
            .notes
            .push(format!("Scores below {FLOOR:e} are drawn at {FLOOR:e}."));
    }
    let row_height = |run: &Traced| {
        let pictures = if pictured.contains(&run.group.line.dataset) {
            picture_rows(run) as f64 * PICTURE_ROW + 8.0
        } else {
            0.0
        };
        RUN_HEADING + PANEL_HEADING + PANEL_HEIGHT + BELOW_PANEL + pictures + 14.0
    };
    let legend = legend(shown);
    let width = 2.0 * MARGIN + LEFT_OF_PANEL + 3.0 * PANEL_WIDTH + 2.0 * BETWEEN_PANELS + BEFORE_LEGEND + LEGEND_WIDTH;
    let height = shown
        .iter()
        .map(row_height)
        .sum::<f64>()
        .max(legend.height(LEGEND_WIDTH));
    let (scene, _) = layout::between_words(&words, width, height, |scene, area| {
        let below_heading = area.top + RUN_HEADING + PANEL_HEADING;
        legend.draw(scene, (area.right - LEGEND_WIDTH, below_heading), LEGEND_WIDTH);
        let mut top = area.top;
        for run in shown {
            draw_run(scene, data, run, (area.left + LEFT_OF_PANEL, top));
            top += row_height(run);
        }
    });
    scene
}

fn legend(shown: &[Traced]) -> Legend {
    let color = match shown {
        [only] => only.group.line.style.color,
        _ => QUIET,
    };
    let others = [
        (format!("A traced sample; at most {LINES} are drawn"), thin(color)),
        ("Median of all traced samples of the group".to_owned(), thick(color)),
    ];
    Legend {
        methods: Vec::new(),
        others: others.map(|(text, stroke)| (text, Sample::Line(stroke))).into(),
        others_heading: None,
        baseline_marker: false,
    }
}

fn thin(color: Color) -> Stroke {
    Stroke {
        color: color.shade(0.6),
        width: 1.0,
        dash: Dash::Solid,
    }
}

fn thick(color: Color) -> Stroke {
    Stroke {
        color,
        width: 3.0,
        dash: Dash::Solid,
    }
}

/// The panels of a run and its pictures, from `at` down.
fn draw_run(scene: &mut Scene, data: &Data, run: &Traced, (left, top): Point) {
    let line = run.group.line;
    let dataset = match data.datasets.len() {
        1 => String::new(),
        _ => format!("{}: ", dataset_title(line.dataset)),
    };
    let heading = format!(
        "{dataset}{}, s = {} %, seed {}",
        line.label,
        percent(run.group.pruned_fraction),
        run.chosen.run.seed
    );
    scene.text(Text::new(heading, (left, top + RUN_HEADING - 13.0), LABEL_SIZE + 1.0).bold());
    let scale = run.axis();
    let counts = run.chosen.counts();
    for (column, frequency) in Frequency::ALL.into_iter().enumerate() {
        let left = left + column as f64 * (PANEL_WIDTH + BETWEEN_PANELS);
        let panel_top = top + RUN_HEADING + PANEL_HEADING;
        let label = match column {
            0 => format!("Score before the round ({})", run.score()),
            _ => String::new(),
        };
        let panel = Panel {
            inside: Rectangle {
                left,
                top: panel_top,
                right: left + PANEL_WIDTH,
                bottom: panel_top + PANEL_HEIGHT,
            },
            x: epochs(run),
            y: scale.axis(&label),
        };
        let members = run.members(frequency);
        draw_panel(scene, run, &members, scale, &panel);
        let text = format!(
            "{}: {} of {} traced samples",
            capitalised(frequency.name()),
            members.len(),
            run.samples.len()
        );
        scene.text(Text::new(text, (left, panel_top - 27.0), LABEL_SIZE).bold());
        let share = 100.0 * frequency.share(&counts, run.group.rounds());
        let text = format!("{share:.1} % of all samples in this run");
        scene.text(Text::new(text, (left, panel_top - 9.0), NOTE_SIZE).color(QUIET));
        let pictures_top = panel.inside.bottom + BELOW_PANEL + 8.0;
        draw_pictures(scene, &images(data, line.dataset, &members), (left, pictures_top));
    }
}

fn epochs(run: &Traced) -> Axis {
    let last = run.samples.iter().flat_map(|sample| &sample.trace.epochs).max();
    let last = f64::from(last.copied().unwrap_or(1));
    let mut x = Axis::round("Epoch", (0.0, last), 5);
    x.range.1 = 1.02 * last;
    x.ticks.retain(|tick| *tick <= last);
    x
}

fn draw_panel(scene: &mut Scene, run: &Traced, members: &[&Trajectory], scale: ScoreAxis, panel: &Panel) {
    panel.draw(scene);
    if members.is_empty() {
        let Rectangle {
            left,
            right,
            top,
            bottom,
        } = panel.inside;
        let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
        let text = Text::new("none of the traced samples", middle, LABEL_SIZE).align(Align::Center);
        scene.text(text.color(QUIET));
        return;
    }
    let on_axis = |(epoch, score): (u32, f64)| (f64::from(epoch), scale.at(score));
    let color = run.group.line.style.color;
    for sample in members.iter().take(LINES) {
        panel.line(scene, &sample.points().map(on_axis).collect::<Vec<_>>(), thin(color));
    }
    if members.len() >= FEWEST {
        let medians: Vec<Point> = medians(members).into_iter().map(on_axis).collect();
        panel.line(scene, &medians, thick(color));
    }
}

fn has_images(data: &Data, dataset: &str) -> bool {
    data.input.history.images.iter().any(|image| image.dataset == dataset)
}

/// The pictures of the first members, by position.
fn images<'a>(data: &Data<'a>, dataset: &str, members: &[&Trajectory]) -> Vec<&'a SampleImage> {
    let image = |sample: &&Trajectory| {
        let mut images = data.input.history.images.iter();
        images.find(|image| image.dataset == dataset && image.position == sample.trace.position)
    };
    members.iter().filter_map(image).take(PICTURES).collect()
}

/// Rows of pictures below the panels of a run.
fn picture_rows(run: &Traced) -> usize {
    let most = Frequency::ALL
        .map(|frequency| run.members(frequency).len())
        .into_iter()
        .max();
    most.unwrap_or(0).min(PICTURES).div_ceil(PICTURES_BESIDE)
}

fn draw_pictures(scene: &mut Scene, images: &[&SampleImage], (left, top): Point) {
    let cell = PANEL_WIDTH / PICTURES_BESIDE as f64;
    for (index, image) in images.iter().enumerate() {
        let column = (index % PICTURES_BESIDE) as f64;
        let middle = left + (column + 0.5) * cell;
        let top = top + (index / PICTURES_BESIDE) as f64 * PICTURE_ROW;
        let at = Rectangle {
            left: middle - PICTURE / 2.0,
            top,
            right: middle + PICTURE / 2.0,
            bottom: top + PICTURE,
        };
        scene.picture(Picture {
            at,
            width: image.width,
            height: image.height,
            pixels: colors(image),
        });
        for (number, line) in name(&image.class, cell - 4.0).into_iter().enumerate() {
            let y = at.bottom + 14.0 + 13.0 * number as f64;
            scene.text(
                Text::new(line, (middle, y), NOTE_SIZE - 1.0)
                    .align(Align::Center)
                    .color(QUIET),
            );
        }
    }
}

/// One colour a pixel; missing pixels are white.
fn colors(image: &SampleImage) -> Vec<Color> {
    let pixels = (image.width * image.height) as usize;
    let channels = image.channels.max(1) as usize;
    let color = |pixel: usize| {
        let channel = |index: usize| image.pixels.get(pixel * channels + index.min(channels - 1)).copied();
        let [red, green, blue] = [0, 1, 2].map(|index| channel(index).unwrap_or(255));
        Color(red, green, blue)
    };
    (0..pixels).map(color).collect()
}

/// A class's name in lines no wider than `limit`; what does not fit is cut.
fn name(class: &str, limit: f64) -> Vec<String> {
    let size = NOTE_SIZE - 1.0;
    let mut lines = fonts::wrap(&class.replace('_', " "), size, false, limit);
    lines.truncate(NAME_LINES);
    lines.iter().map(|line| fonts::cut(line, size, false, limit)).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}

fn statements(shown: &[Traced], gaps: &[String]) -> String {
    let mut text: String = gaps.iter().map(|gap| format!("**{gap}**\n\n")).collect();
    for run in shown {
        let (group, line) = (run.group, run.group.line);
        let _ = writeln!(
            text,
            "{}: `{}` at s = {} %. {COUNTED}: {NOT_COUNTED}; here R = {}. *Share*: of all samples, mean over {} seed{} ± half of the 95 % t \
             interval. *Traced* and scores ({}): of the run with seed {}.\n",
            dataset_title(line.dataset),
            line.label,
            percent(group.pruned_fraction),
            group.rounds(),
            group.runs.len(),
            if group.runs.len() == 1 { "" } else { "s" },
            run.score(),
            run.chosen.run.seed,
        );
        text += "| selected | share (%) | traced samples | median first score | median last score |\n|---|---|---|---|---|\n";
        for frequency in Frequency::ALL {
            let share = group.summary(|chosen| frequency.share(&chosen.counts(), group.rounds()));
            let members = run.members(frequency);
            let medians = medians(&members);
            let score =
                |point: Option<&(u32, f64)>| point.map_or_else(|| "none".to_owned(), |(_, score)| significant(*score));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                frequency.name(),
                findings::with_half_width(&in_percent(&share), 1),
                members.len(),
                score(medians.first()),
                score(medians.last()),
            );
        }
        let means: Vec<(u32, f64)> = run
            .chosen
            .rounds
            .iter()
            .filter_map(|set| Some((set.epoch, set.score_mean?)))
            .collect();
        if let (Some(first), Some(last)) = (means.first(), means.last()) {
            let _ = writeln!(
                text,
                "\nMean score of all samples in this run: {} before epoch {}, {} before epoch {}.",
                significant(first.1),
                first.0,
                significant(last.1),
                last.0
            );
        }
        text.push('\n');
    }
    text
}

/// A score with about three digits that count.
fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 1e-3 => format!("{value:.1e}"),
        small if small < 0.1 => format!("{value:.4}"),
        small if small < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    }
}

fn rows<'a>(run: &'a Traced) -> impl Iterator<Item = Vec<String>> + 'a {
    let line = run.group.line;
    let selected: BTreeMap<u32, &crate::SelectionRow> = run.chosen.rounds.iter().map(|set| (set.epoch, *set)).collect();
    run.samples.iter().flat_map(move |sample| {
        let trace = sample.trace;
        let mut start = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
        start.push(run.group.pruned_fraction.to_string());
        start.push(run.chosen.run.seed.to_string());
        start.extend([trace.position, trace.sample, trace.label].map(|number| number.to_string()));
        start.push(sample.frequency.name().to_owned());
        start.extend([sample.count, run.group.rounds()].map(|number| number.to_string()));
        let row = |(&epoch, &score): (&u32, &f32)| {
            let is_in = selected
                .get(&epoch)
                .map(|set| f64::from(u8::from(set.has(trace.position))));
            let end = [epoch.to_string(), score.to_string(), optional(is_in)];
            start.iter().cloned().chain(end).collect()
        };
        trace
            .epochs
            .iter()
            .zip(&trace.scores)
            .map(row)
            .collect::<Vec<Vec<String>>>()
    })
}

#[cfg(test)]
mod tests {
    use super::{FLOOR, ScoreAxis, colors, median, name, significant};
    use crate::SampleImage;
    use crate::plot::theme::Color;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![5.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![5.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn scores_over_decades_are_drawn_on_logarithms() {
        let of = |scores: &[f64]| ScoreAxis::of(scores.iter().copied());
        let wide = of(&[0.0, 0.5, 4.0]);
        assert!(wide.logarithmic && wide.cut, "{wide:?}");
        assert_eq!((wide.at(0.0), wide.at(1.0), wide.at(100.0)), (FLOOR, 1.0, 100.0));
        let narrow = of(&[0.5, 2.0]);
        assert!(
            !narrow.logarithmic && !narrow.cut && narrow.at(2.0) == 2.0,
            "{narrow:?}"
        );
        let above = of(&[0.01, 2.0]);
        assert!(above.logarithmic && !above.cut, "{above:?}");
        assert!(!of(&[-1.0, 1000.0]).logarithmic);
        assert_eq!(of(&[]), ScoreAxis::linear(0.0, 1.0));
    }

    #[test]
    fn grey_pixels_have_three_equal_channels() {
        let mut image = SampleImage {
            dataset: String::new(),
            position: 0,
            class: String::new(),
            width: 2,
            height: 1,
            channels: 1,
            pixels: vec![7, 9],
        };
        assert_eq!(colors(&image), [Color(7, 7, 7), Color(9, 9, 9)]);
        (image.channels, image.pixels) = (3, vec![1, 2, 3, 4, 5, 6]);
        assert_eq!(colors(&image), [Color(1, 2, 3), Color(4, 5, 6)]);
    }

    #[test]
    fn long_names_are_broken_and_then_cut() {
        assert_eq!(name("aquarium_fish", 60.0), ["aquarium", "fish"]);
        assert_eq!(name("cat", 60.0), ["cat"]);
        let cut = name("pneumonoultramicroscopic_silico_volcano", 60.0);
        assert!(
            cut.len() == 2 && cut[0].ends_with('…') && cut[0].starts_with("pneumo"),
            "{cut:?}"
        );
    }

    #[test]
    fn scores_have_about_three_digits() {
        let texts = [0.0, 1.6e-7, 0.00213, 0.0713, 2.3126, 123.4].map(significant);
        assert_eq!(texts, ["0", "1.6e-7", "0.0021", "0.0713", "2.313", "123.4"]);
    }
}
