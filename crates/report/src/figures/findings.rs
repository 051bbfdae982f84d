//! Statements about a figure that are computed from its runs, never written by hand.

use std::fmt::Write as _;

use super::data::{Data, Line, count, dataset_title, percent};
use crate::statistics::{FEWEST, LEVEL, Summary, Test};

/// A table of differences for each data set: pruned lines against a line.
pub(super) struct Against<'a> {
    /// The label of the line that is subtracted.
    pub(super) reference: &'a str,
    /// Which of the others are shown.
    pub(super) counts: &'a dyn Fn(&Line) -> bool,
}

/// A table whose comparisons are still to be decided.
struct Table<'a> {
    /// What stands above the rows.
    head: String,
    /// The label and the cells of each row.
    rows: Vec<(&'a str, Vec<Compared>)>,
}

/// A comparison of two cells.
enum Compared {
    /// One of the cells, or a seed of both, is missing: why.
    Not(&'static str),
    /// The member of the figure's family of tests with this index.
    Member(usize),
}

/// Tables of differences in last-epoch test accuracy, at the pruned fractions given for each data set. All comparisons of all
/// tables are one family: what is decided is decided by p-values that are adjusted for their number.
pub(super) fn comparisons(data: &Data, tables: &[Against], fractions: impl Fn(&str) -> Vec<f64>) -> String {
    let mut members: Vec<(Summary, f64)> = Vec::new();
    let mut shown: Vec<Table> = Vec::new();
    for against in tables {
        for &dataset in &data.datasets {
            let Some(reference) = data.line(dataset, against.reference) else {
                continue;
            };
            let fractions = fractions(dataset);
            let others = data
                .lines_of(dataset)
                .filter(|line| !line.is_baseline() && line.label != reference.label && (against.counts)(line));
            let rows: Vec<(&str, Vec<Compared>)> = others
                .map(|line| {
                    let cells = fractions.iter().map(|&s| compare(line, reference, s, &mut members));
                    (line.label, cells.collect())
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            let columns: Vec<String> = fractions.iter().map(|&s| format!("s = {} %", percent(s))).collect();
            let head = format!(
                "{}: test accuracy minus that of `{}`.\n\n| method | {} |\n|---|{}\n",
                dataset_title(dataset),
                reference.label,
                columns.join(" | "),
                "---|".repeat(columns.len())
            );
            shown.push(Table { head, rows });
        }
    }
    if shown.is_empty() {
        return String::new();
    }
    let family = Test::family(&members);
    let mut text = explanation(&family);
    for table in shown {
        text += &table.head;
        for (label, cells) in table.rows {
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| match cell {
                    Compared::Not(reason) => (*reason).to_owned(),
                    Compared::Member(index) => family.get(*index).map_or_else(String::new, difference),
                })
                .collect();
            let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text
}

fn compare(line: &Line, reference: &Line, s: f64, members: &mut Vec<(Summary, f64)>) -> Compared {
    let (Some(this), Some(that)) = (line.at(s), reference.at(s)) else {
        return Compared::Not("no result");
    };
    match Summary::of_paired_differences(&this.accuracies(), &that.accuracies()) {
        None => Compared::Not("no common seed"),
        Some(summary) => {
            members.push((summary, 0.0));
            Compared::Member(members.len() - 1)
        }
    }
}

/// What the tables below hold and how they decide.
fn explanation(family: &[Test]) -> String {
    let tested = family.iter().filter(|test| test.adjusted_p.is_some()).count();
    let differences = "Differences in last-epoch test accuracy, in percentage points, paired by seed";
    match tested {
        0 => format!("{differences}; n is the number of pairs. Fewer than {FEWEST} decide nothing.\n\n"),
        _ => format!(
            "{differences}, ± half of the 95 % t interval of that comparison alone; n is the number of pairs. What is above or \
             below is decided by p, of the paired t-test, adjusted with Holm's method for the {} tested here: it has to be \
             below {LEVEL}. Beside more or fewer comparisons the same difference can be decided otherwise on another page.\n\n",
            count(tested, "comparison")
        ),
    }
}

/// A paired difference and what it decides: `+1.20 ± 0.40 (n = 3, p = 0.012), above`.
fn difference(test: &Test) -> String {
    let value = signed(test.summary.mean);
    let half_width = test
        .summary
        .half_width
        .map_or_else(String::new, |half| format!(" ± {half:.2}"));
    match test.adjusted_p {
        // The verdict says why there is no test.
        None if test.summary.n < FEWEST => format!("{value}{half_width}, {}", test.verdict()),
        None => format!("{value}{half_width} (n = {}), {}", test.summary.n, test.verdict()),
        Some(p) => format!(
            "{value}{half_width} (n = {}, {}), {}",
            test.summary.n,
            p_value(p),
            test.verdict()
        ),
    }
}

/// `p = 0.012`, `p < 0.001`, `p = 1`.
pub(super) fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p > 0.999 => "p = 1".to_owned(),
        p => format!("p = {p:.3}"),
    }
}

/// A number with its sign, a minus as typeset.
pub(super) fn signed(value: f64) -> String {
    // What rounds to nothing has no sign to lose.
    let value = if value.abs() < 0.005 { 0.0 } else { value };
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
    use super::{difference, p_value};
    use crate::statistics::{Summary, Test};

    #[test]
    fn a_difference_is_decided_by_its_p_value() {
        let check = |values: &[f64], expected| {
            let summary = Summary::of(values).unwrap();
            assert_eq!(difference(&Test::family(&[(summary, 0.0)])[0]), expected);
        };
        check(&[2.0], "+2.00, undecided (n = 1)");
        // t(0.975, 2) = 4.3027; the deviation is 0.1, so t = 2 / (0.1 / sqrt(3)) = 34.6 with p = 2 (1 - 34.6 / sqrt(34.6^2 + 2)) / 2.
        check(&[1.9, 2.0, 2.1], "+2.00 ± 0.25 (n = 3, p < 0.001), above");
        check(&[-1.9, -2.0, -2.1], "−2.00 ± 0.25 (n = 3, p < 0.001), below");
        // t = sqrt(3), p = 1 - sqrt(3) / sqrt(5).
        check(&[0.0, 1.0, 2.0], "+1.00 ± 2.48 (n = 3, p = 0.225), undecided");
        check(&[1.0, 0.0, -1.0], "+0.00 ± 2.48 (n = 3, p = 1), undecided");
        check(&[0.5, 0.5, 0.5], "+0.50 ± 0.00 (n = 3), undecided (no spread)");
        check(&[0.5, 0.6], "+0.55 ± 0.64, undecided (n = 2)");
    }

    #[test]
    fn a_p_value_has_three_decimals() {
        assert_eq!(
            [0.0004, 0.0124, 0.9996].map(p_value),
            ["p < 0.001", "p = 0.012", "p = 1"]
        );
    }
}
