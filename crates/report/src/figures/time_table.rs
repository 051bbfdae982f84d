//! What each method costs relative to full data, with and without its scoring, and what share of a full-data run it takes to
//! come within a point of full data's accuracy.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::data::{
    Cell, Data, Line, OPERATIONS, OPERATIONS_WITHOUT_SCORING, SECONDS, SECONDS_WITHOUT_SCORING, dataset_title, percent,
};
use super::findings::with_half_width;
use super::numbers::{Numbers, optional};
use super::{Drawing, FigureKind, provenance};
use crate::statistics::Summary;
use crate::{EpochRow, Error, RunRow};

pub(super) const KIND: FigureKind = FigureKind {
    name: "time-table",
    axes: 0,
    fits_a_column: false,
    needs_history: false,
    make,
};

/// How far below full data's last accuracy the goal is, in percentage points.
const MARGIN: f64 = 1.0;

const COLUMNS: [&str; 15] = [
    "dataset",
    "method",
    "method_label",
    "pruned_fraction",
    "n",
    "relative_flops",
    "relative_flops_without_scoring",
    "speed_up_flops",
    "n_seconds",
    "relative_seconds",
    "relative_seconds_half_width",
    "relative_seconds_without_scoring",
    "speed_up_seconds",
    "n_reached",
    "relative_flops_to_goal",
];

/// A method at a pruned fraction; costs are relative to full data.
struct Row<'a> {
    line: &'a Line<'a>,
    cell: &'a Cell<'a>,
    operations: Option<Summary>,
    operations_without: Option<Summary>,
    seconds: Option<Summary>,
    seconds_without: Option<Summary>,
    /// Runs that reached the goal.
    reached: usize,
    /// The operations that each of them had then taken, as far as they are known.
    to_goal: Vec<f64>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let mut epochs: BTreeMap<&str, Vec<&EpochRow>> = BTreeMap::new();
    for row in data.input.epochs {
        epochs.entry(&row.run_id).or_default().push(row);
    }
    for rows in epochs.values_mut() {
        rows.sort_by_key(|row| row.epoch);
    }
    let mut text = String::new();
    let mut numbers = Vec::new();
    for &dataset in &data.datasets {
        let full = data.full(dataset).ok_or_else(|| Error::MissingBaseline {
            figure: data.input.id.to_owned(),
            dataset: dataset.to_owned(),
        })?;
        let goal = full.accuracy().mean - MARGIN;
        let lines = data.lines.iter().filter(|line| line.dataset == dataset);
        let cells = lines.flat_map(|line| line.points.iter().map(move |cell| (line, cell)));
        let rows: Vec<Row> = cells
            .map(|(line, cell)| Row::new(line, cell, full, goal, &epochs))
            .collect();
        let _ = writeln!(text, "### {}\n\n{}", dataset_title(dataset), table(&rows, goal));
        numbers.extend(rows.iter().map(Row::numbers));
    }
    text += EXPLANATION;
    Ok(Drawing {
        scene: None,
        findings: text,
        numbers: Numbers::new(&COLUMNS, numbers),
    })
}

impl<'a> Row<'a> {
    fn new(
        line: &'a Line<'a>,
        cell: &'a Cell<'a>,
        full: &Cell,
        goal: f64,
        epochs: &BTreeMap<&str, Vec<&EpochRow>>,
    ) -> Self {
        let one = full.summary(RunRow::method_flops).mean;
        let to_goal = cell.runs.iter().filter_map(|run| {
            let epochs = epochs.get(run.run_id.as_str())?;
            Some(operations_to(run, epochs, goal)? / one)
        });
        let to_goal: Vec<f64> = to_goal.collect();
        Self {
            line,
            cell,
            operations: cell.relative(full, OPERATIONS),
            operations_without: cell.relative(full, OPERATIONS_WITHOUT_SCORING),
            seconds: cell.relative(full, SECONDS),
            seconds_without: cell.relative(full, SECONDS_WITHOUT_SCORING),
            reached: to_goal.len(),
            to_goal: to_goal.into_iter().filter(|cost| cost.is_finite()).collect(),
        }
    }

    /// The share of a full-data run: `0.61`, `0.61 (2 of 3 runs)`, `never`.
    fn goal(&self) -> String {
        match (Summary::of(&self.to_goal), self.cell.runs.len()) {
            (None, _) if self.reached > 0 => "?".to_owned(),
            (None, _) => "never".to_owned(),
            (Some(share), runs) if share.n < runs => format!("{:.2} ({} of {runs} runs)", share.mean, share.n),
            (Some(share), _) => format!("{:.2}", share.mean),
        }
    }

    fn numbers(&self) -> Vec<String> {
        let mean = |summary: &Option<Summary>| optional(summary.map(|summary| summary.mean));
        let speed_up = |summary: &Option<Summary>| optional(summary.map(|summary| 1.0 / summary.mean));
        vec![
            self.line.dataset.to_owned(),
            self.line.method.to_owned(),
            self.line.label.to_owned(),
            self.cell.pruned_fraction.to_string(),
            self.cell.runs.len().to_string(),
            mean(&self.operations),
            mean(&self.operations_without),
            speed_up(&self.operations),
            self.seconds.map_or(0, |seconds| seconds.n).to_string(),
            mean(&self.seconds),
            optional(self.seconds.and_then(|seconds| seconds.half_width)),
            mean(&self.seconds_without),
            speed_up(&self.seconds),
            self.reached.to_string(),
            mean(&Summary::of(&self.to_goal)),
        ]
    }
}

fn table(rows: &[Row], goal: f64) -> String {
    let mut text = format!(
        "| method | s | n | operations | operations without scoring | speed-up (operations) | seconds | seconds without scoring | \
         speed-up (seconds) | to {goal:.2} % |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    // Fewer seeds may compare in seconds than there are.
    let cost = |summary: &Option<Summary>, n: usize| match summary {
        None => "?".to_owned(),
        Some(cost) if cost.n < n => format!("{} (n = {})", with_half_width(cost, 2), cost.n),
        Some(cost) => with_half_width(cost, 2),
    };
    let exact = |summary: &Option<Summary>| summary.map_or_else(|| "?".to_owned(), |cost| format!("{:.2}", cost.mean));
    let speed_up =
        |summary: &Option<Summary>| summary.map_or_else(|| "?".to_owned(), |cost| format!("{:.2}×", 1.0 / cost.mean));
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} % | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.line.label,
            percent(row.cell.pruned_fraction),
            row.cell.runs.len(),
            exact(&row.operations),
            exact(&row.operations_without),
            speed_up(&row.operations),
            cost(&row.seconds, row.cell.runs.len()),
            cost(&row.seconds_without, row.cell.runs.len()),
            speed_up(&row.seconds),
            row.goal(),
        );
    }
    text
}

const EXPLANATION: &str = "Costs are those of full data = 1, evaluation left out; means over n seeds, seconds, over those of \
    full data of the same seed, ± half of their 95 % t interval; ? where no seconds compare: they were not kept, or are of \
    another machine or number of threads. *Operations* are counted, and exact: scoring + training; *seconds*: scoring + selection + training. *Without scoring* is what \
    the method would cost if its scores were free. *Speed-up* is 1 / cost, scoring included.\n\n\
    The last column is the cost, in operations, after which a run first reached full data's mean last accuracy minus 1 point, \
    in epochs that were evaluated; *never* if none of the runs did. Its scoring is counted as it falls due: that of a static \
    method before the first epoch, a round's pass over all samples before the round. A run that comes there early had a learning \
    rate that was to fall further: it is no run that was planned to end there.\n";

/// The operations that a run had taken at the end of the first evaluated epoch whose test accuracy is at least `goal`
/// percent; `None` if there is none. `epochs` are in order.
///
/// A run's training operations are the same for every sample, so those of its first epochs are in proportion to the samples
/// trained on. Scores made before training are paid before the first epoch; the passes of rounds cost the same each, so the
/// operations of a run that scores in rounds are spread evenly over them.
fn operations_to(run: &RunRow, epochs: &[&EpochRow], goal: f64) -> Option<f64> {
    let reached = epochs
        .iter()
        .find(|row| row.test_accuracy.is_some_and(|accuracy| 100.0 * accuracy >= goal))?;
    let samples: u64 = epochs
        .iter()
        .take_while(|row| row.epoch <= reached.epoch)
        .map(|row| row.samples)
        .sum();
    let training = run.training_flops * samples as f64 / run.samples_seen as f64;
    let scoring = match Rounds::of(run) {
        None => run.scoring_flops,
        Some(rounds) => match rounds.before(run.epochs) {
            0 => run.scoring_flops,
            all => run.scoring_flops * f64::from(rounds.before(reached.epoch)) / f64::from(all),
        },
    };
    Some(training + scoring)
}

/// When a run passes over all samples to score them, as its spec says.
struct Rounds {
    period: u32,
    /// The first epoch that begins with a pass, counted from 0.
    first: u32,
}

impl Rounds {
    /// `None` for a run whose scores, if it has any, are made before training.
    fn of(run: &RunRow) -> Option<Self> {
        let selection = provenance::section(run, &["selection"])?;
        let period = selection.get("selection_period")?.as_u64()?;
        let scoring = selection.get("scoring")?.as_object()?;
        let period = u32::try_from(period).ok()?.max(1);
        let is_scored = scoring.get("first_round").and_then(Value::as_str) == Some("scores");
        Some(Self {
            period,
            first: if is_scored { 0 } else { period },
        })
    }

    /// The passes made before the end of the first `epochs` epochs.
    fn before(&self, epochs: u32) -> u32 {
        match epochs.checked_sub(self.first + 1) {
            Some(more) => more / self.period + 1,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rounds;

    #[test]
    fn a_round_counts_from_the_epoch_before_which_it_scores() {
        let random = Rounds { period: 3, first: 3 };
        // Epochs counted from 0: passes before 3, 6, 9.
        assert_eq!(
            [0, 1, 3, 4, 6, 7, 10].map(|epochs| random.before(epochs)),
            [0, 0, 0, 1, 1, 2, 3]
        );
        let scores = Rounds { period: 3, first: 0 };
        assert_eq!(
            [0, 1, 3, 4, 6, 7].map(|epochs| scores.before(epochs)),
            [0, 1, 1, 2, 2, 3]
        );
    }
}
