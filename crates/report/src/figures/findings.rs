//! Statements about a figure that are computed from its runs, never written by hand.

use std::fmt::Write as _;

use super::data::{Data, Line, dataset_title, percent};
use crate::statistics::Summary;

/// Tables of differences in last-epoch test accuracy: the pruned lines that count against `reference`, at the pruned
/// fractions given for the data set.
pub(super) fn differences(
    data: &Data,
    reference: &str,
    fractions: impl Fn(&str) -> Vec<f64>,
    counts: impl Fn(&Line) -> bool,
) -> String {
    let mut text = String::new();
    for &dataset in &data.datasets {
        let Some(reference) = data.line(dataset, reference) else {
            continue;
        };
        let fractions = fractions(dataset);
        let others = data
            .lines_of(dataset)
            .filter(|line| !line.is_baseline() && line.label != reference.label && counts(line));
        let rows: Vec<String> = others
            .map(|line| {
                let cells = fractions.iter().map(|&s| match (line.at(s), reference.at(s)) {
                    (Some(this), Some(that)) => difference(&this.accuracies(), &that.accuracies()),
                    _ => "no result".to_owned(),
                });
                format!("| {} | {} |", line.label, cells.collect::<Vec<_>>().join(" | "))
            })
            .collect();
        if rows.is_empty() {
            continue;
        }
        let columns: Vec<String> = fractions.iter().map(|&s| format!("s = {} %", percent(s))).collect();
        let _ = writeln!(
            text,
            "{}: test accuracy minus that of `{}`, in percentage points, paired by seed (± half of the 95 % t interval, not \
             adjusted for the number of comparisons).\n",
            dataset_title(dataset),
            reference.label
        );
        let _ = writeln!(
            text,
            "| method | {} |\n|---|{}",
            columns.join(" | "),
            "---|".repeat(columns.len())
        );
        let _ = writeln!(text, "{}\n", rows.join("\n"));
    }
    text
}

/// A paired difference and what it decides: `+1.20 ± 0.40, above`.
fn difference(left: &[(u64, f64)], right: &[(u64, f64)]) -> String {
    let Some(summary) = Summary::of_paired_differences(left, right) else {
        return "no common seed".to_owned();
    };
    match summary.interval() {
        None => format!("{} (n = 1: no interval, undecided)", signed(summary.mean)),
        Some((low, high)) => {
            let verdict = if low > 0.0 {
                "above"
            } else if high < 0.0 {
                "below"
            } else {
                "undecided"
            };
            format!(
                "{} ± {:.2} (n = {}), {verdict}",
                signed(summary.mean),
                (high - low) / 2.0,
                summary.n
            )
        }
    }
}

/// A number with its sign, a minus as typeset.
pub(super) fn signed(value: f64) -> String {
    format!("{value:+.2}").replace('-', "−")
}

/// `74.31 ± 0.42`, or only the mean for one seed.
pub(super) fn with_half_width(summary: &Summary, decimals: usize) -> String {
    match summary.half_width {
        Some(half_width) => format!("{:.decimals$} ± {half_width:.decimals$}", summary.mean),
        None => format!("{:.decimals$}", summary.mean),
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_is_decided_by_its_interval_alone() {
        let runs = |values: &[f64]| (0..).zip(values.iter().copied()).collect::<Vec<(u64, f64)>>();
        let check = |left: &[f64], right: &[f64], expected| assert_eq!(difference(&runs(left), &runs(right)), expected);
        check(&[70.0], &[68.0], "+2.00 (n = 1: no interval, undecided)");
        // t(0.975, 2) = 4.3027; the differences 1.9, 2.0, 2.1 have the deviation 0.1.
        check(&[70.9, 71.0, 71.1], &[69.0, 69.0, 69.0], "+2.00 ± 0.25 (n = 3), above");
        check(&[69.0, 69.0, 69.0], &[70.9, 71.0, 71.1], "−2.00 ± 0.25 (n = 3), below");
        check(
            &[70.0, 69.0, 68.0],
            &[69.0, 69.0, 69.0],
            "+0.00 ± 2.48 (n = 3), undecided",
        );
        check(&[70.0], &[], "no common seed");
    }
}
