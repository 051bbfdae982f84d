//! The scoreboard: for every claim of the abstract and every data set the statistic that tests it, its interval and the
//! verdict.
//!
//! What tests a claim is in [`claims`]; here are the verdicts and how they are written down. The comparisons that test one
//! claim on one data set are a family: they are decided by t-tests with Holm's correction (see [`crate::statistics`]).

mod claims;
mod rounds;

use std::fmt::Write as _;

use self::claims::CLAIMS;
use super::data::{Data, dataset_title, is_reduced, percent};
use super::findings::{p_value, signed};
use super::kept_sets::Recorded;
use super::numbers::{Numbers, optional};
use super::{Drawing, FigureKind};
use crate::Error;
use crate::published::{self, INFOBATCH, TIME_SAVED};
use crate::statistics::{Decision, FEWEST, Summary, Test};

pub(super) const KIND: FigureKind = FigureKind {
    name: "scoreboard",
    axes: 0,
    fits_a_column: false,
    needs_history: true,
    make,
};

const COLUMNS: [&str; 14] = [
    "claim",
    "dataset",
    "compared",
    "pruned_fraction",
    "unit",
    "n",
    "value",
    "half_width",
    "tested_against",
    "p_holm",
    "decision",
    "part_of_verdict",
    "claim_value",
    "claim_verdict",
];

/// A claim and how it is tested.
struct Claim {
    id: &'static str,
    /// What the abstract says.
    says: &'static str,
    /// The statistic in a few words.
    statistic: &'static str,
    /// What is measured and what gives which verdict.
    rule: &'static str,
    /// What goes with the word *supported*, where it says less than it seems to; empty where it does not.
    supported_by: &'static str,
    /// What the rows beside the tests hold; empty if there are none.
    beside: &'static str,
    /// Differences of published accuracies that bear on it.
    published: &'static [PublishedDifference],
    test: fn(&Sources, &str) -> Finding,
}

/// Two methods of one published table, the first minus the second.
struct PublishedDifference {
    method: &'static str,
    minus: &'static str,
    /// The pruned fractions at which it bears on the claim.
    pruned_fractions: &'static [f64],
}

/// What claims are tested on.
struct Sources<'a> {
    data: &'a Data<'a>,
    /// The kept sets of the runs.
    recorded: Recorded<'a>,
}

/// What the rows say of a claim on a data set.
struct Finding {
    evidence: Vec<Evidence>,
    /// What is no part of the verdict but belongs beside it.
    beside: Vec<Evidence>,
    /// The value in words, where it is not the range of the evidence.
    value: Option<String>,
    verdict: Verdict,
}

/// A number that bears on a claim.
struct Evidence {
    what: String,
    /// What has to be found in favour of the claim at least once: a method.
    group: String,
    pruned_fraction: f64,
    unit: Unit,
    measure: Measure,
}

enum Measure {
    /// Counted: the same in all of n runs.
    Exact { value: f64, n: usize },
    /// Measured, but not tested.
    Mean(Summary),
    /// A member of a family of tests.
    Tested(Test),
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    /// Differences of accuracies in percentage points.
    Points,
    /// Shares in percent.
    Percent,
    /// Over what full data has.
    Ratio,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Supported,
    NotSupported,
    /// With the reason, if there is a better one than that the intervals are wide.
    Undecided(String),
    /// With what is missing.
    NoResult(String),
}

/// A line of the board.
struct Outcome<'a> {
    claim: &'static Claim,
    dataset: &'a str,
    finding: Finding,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let sources = Sources {
        data,
        recorded: Recorded::of(data),
    };
    let mut outcomes = Vec::new();
    for claim in CLAIMS {
        for &dataset in &data.datasets {
            outcomes.push(Outcome {
                claim,
                dataset,
                finding: (claim.test)(&sources, dataset),
            });
        }
    }
    let scale = if is_reduced(data.input.profile) {
        " at this scale"
    } else {
        ""
    };
    let findings = board(&outcomes, scale) + &without_result(data) + &published_beside(&outcomes) + &details(&outcomes);
    Ok(Drawing {
        scene: None,
        findings,
        numbers: Numbers::new(&COLUMNS, outcomes.iter().flat_map(|outcome| numbers(outcome, scale))),
    })
}

/// The table that is the scoreboard.
fn board(outcomes: &[Outcome], scale: &str) -> String {
    let mut text = String::from(
        "| claim | data set | tested by | s | value | 95 % interval | n | for / against | verdict |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let verdict = |outcome: &Outcome| outcome.finding.verdict.text(scale, outcome.claim.supported_by);
    for outcome in outcomes {
        let Outcome {
            claim,
            dataset,
            finding,
        } = outcome;
        let cells = [
            claim.id.to_owned(),
            dataset_title(dataset).to_owned(),
            claim.statistic.to_owned(),
            fractions(&finding.evidence),
            finding.value(),
            interval(&finding.evidence),
            runs(&finding.evidence),
            counts(&finding.evidence),
            verdict(outcome),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    format!("{text}\n{}", explanation())
}

/// What is tested and how the board is read: the same in every profile.
pub(crate) fn explanation() -> String {
    let mut text = String::new();
    for claim in CLAIMS {
        let _ = writeln!(text, "- **{}**: {}", claim.id, claim.says);
    }
    text + "\n*s* is the share of the samples that each epoch leaves out, n counts seeds. A claim that several comparisons test has \
            the lowest and the highest of their values, and an interval from the lowest to the highest end of those that have one; \
            *for / against* counts those that were decided in favour of the claim and against it. Intervals are 95 % t intervals of \
            each comparison alone. Decisions are made by t-tests, paired by seed, with Holm's correction over the comparisons that \
            test one claim on one data set: p below 0.05. Fewer than three seeds decide nothing. Counted quantities are exact and \
            need no test. Pages of figures test some of the same differences among others, and may decide them otherwise: of the \
            claims, this table decides.\n\n"
}

/// Which planned data sets have no result at all.
fn without_result(data: &Data) -> String {
    let mut names: Vec<&str> = Vec::new();
    for planned in data.input.planned {
        let name = dataset_title(&planned.dataset);
        if !data.datasets.contains(&planned.dataset.as_str()) && !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => String::new(),
        names => format!(
            "**No run on {} has a result yet: nothing is said of it.**\n\n",
            names.join(" and ")
        ),
    }
}

/// What others have published where a claim fails here.
fn published_beside(outcomes: &[Outcome]) -> String {
    const SHOWN: [f64; 3] = [0.3, 0.5, 0.7];
    let failing = outcomes
        .iter()
        .filter(|outcome| outcome.finding.verdict == Verdict::NotSupported);
    let mut rows = String::new();
    let mut time = String::new();
    for Outcome { claim, dataset, .. } in failing {
        for difference in claim.published {
            let cell = |s: f64| {
                let of = |method, s| published::accuracy(&INFOBATCH, dataset, method, s);
                let shown = difference.pruned_fractions.contains(&s);
                let other = of(difference.minus, s).or_else(|| of(difference.minus, 0.0));
                let value = of(difference.method, s).zip(other).filter(|_| shown);
                value.map_or_else(String::new, |(this, that)| {
                    format!("{:+.1}", this - that).replace('-', "−")
                })
            };
            let cells = SHOWN.map(cell);
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(
                    rows,
                    "| {} | {} | {} minus {} | {} |",
                    claim.id,
                    dataset_title(dataset),
                    difference.method,
                    difference.minus,
                    cells.join(" | ")
                );
            }
        }
        if claim.id == TIME_SAVED.claim && *dataset == TIME_SAVED.dataset {
            let _ = writeln!(time, "{}\n", TIME_SAVED.sentence());
        }
    }
    if rows.is_empty() {
        return time;
    }
    format!(
        "Beside the claims that are not supported here stand differences of published test accuracies, in points, of full-scale \
         runs by others ({}). A reduced profile neither matches nor misses them.\n\n\
         | claim | data set | published | s = 30 % | s = 50 % | s = 70 % |\n|---|---|---|---|---|---|\n{rows}\n{time}",
        INFOBATCH.details
    )
}

/// How each claim is tested, with all numbers.
fn details(outcomes: &[Outcome]) -> String {
    let mut text = String::from("<details><summary>How each claim is tested, and every comparison</summary>\n\n");
    for claim in CLAIMS {
        let of_claim = || outcomes.iter().filter(|outcome| outcome.claim.id == claim.id);
        let _ = writeln!(text, "**{}.** {}\n", claim.id, claim.rule);
        text += &rows(of_claim().map(|outcome| (outcome.dataset, &outcome.finding.evidence)));
        let beside = rows(of_claim().map(|outcome| (outcome.dataset, &outcome.finding.beside)));
        if !beside.is_empty() {
            let _ = write!(text, "{}\n\n{beside}", claim.beside);
        }
    }
    text + "</details>\n"
}

/// A table of evidence; empty without any.
fn rows<'a>(of: impl Iterator<Item = (&'a str, &'a Vec<Evidence>)>) -> String {
    let mut text = String::new();
    for (dataset, evidence) in of {
        for evidence in evidence {
            let (p, decision) = match &evidence.measure {
                Measure::Tested(test) => (
                    test.adjusted_p.map_or_else(String::new, |p| {
                        let text = p_value(p);
                        text.trim_start_matches(['p', '=', ' ']).to_owned()
                    }),
                    decision(test, evidence.unit),
                ),
                _ => (String::new(), String::new()),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} % | {} | {} | {} | {p} | {decision} |",
                dataset_title(dataset),
                evidence.what,
                percent(evidence.pruned_fraction),
                evidence.unit.text(evidence.value()),
                interval(std::slice::from_ref(evidence)),
                evidence.n(),
            );
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "| data set | compared | s | value | 95 % interval | n | p (Holm) | decided |\n|---|---|---|---|---|---|---|---|\n{text}\n"
    )
}

/// `above`, `below −1.00`, `undecided (n = 1)`.
fn decision(test: &Test, unit: Unit) -> String {
    match test.decision() {
        Decision::Undecided => test.verdict().to_owned(),
        _ if test.null == 0.0 => test.verdict().to_owned(),
        _ => format!("{} {}", test.verdict(), unit.text(test.null)),
    }
}

/// The pruned fractions of the evidence: `70 %`, `30 to 70 %`.
fn fractions(evidence: &[Evidence]) -> String {
    let all = range(evidence.iter().map(|evidence| evidence.pruned_fraction));
    all.map_or_else(String::new, |(low, high)| {
        format!("{} %", between(percent(low), percent(high)))
    })
}

/// From the lowest to the highest end of all intervals; empty without intervals.
fn interval(evidence: &[Evidence]) -> String {
    let is_exact = |evidence: &Evidence| matches!(evidence.measure, Measure::Exact { .. });
    let Some(first) = evidence.first() else {
        return String::new();
    };
    if evidence.iter().all(is_exact) {
        return "exact".to_owned();
    }
    // A share cannot be below none or above all.
    let possible = |(low, high): (f64, f64)| match first.unit {
        Unit::Percent => (low.max(0.0), high.min(100.0)),
        Unit::Points | Unit::Ratio => (low, high),
    };
    let ends = || {
        evidence
            .iter()
            .filter_map(|evidence| Some(possible(evidence.summary()?.interval()?)))
    };
    let of = match (ends().count(), evidence.len()) {
        (some, all) if some < all => format!(" ({some} of {all})"),
        _ => String::new(),
    };
    let ends = range(ends().map(|(low, _)| low)).zip(range(ends().map(|(_, high)| high)));
    ends.map_or_else(
        || "none".to_owned(),
        |((low, _), (_, high))| format!("{} to {}{of}", first.unit.text(low), first.unit.text(high)),
    )
}

/// The numbers of seeds: `3`, `2 to 3`.
fn runs(evidence: &[Evidence]) -> String {
    let all = range(evidence.iter().map(|evidence| evidence.n() as f64));
    all.map_or_else(String::new, |(low, high)| between(low.to_string(), high.to_string()))
}

/// Decisions in favour and against: `2 / 0 of 6`; empty without tests.
fn counts(evidence: &[Evidence]) -> String {
    let decided = |wanted| {
        evidence
            .iter()
            .filter(|evidence| evidence.decision() == Some(wanted))
            .count()
    };
    let tests = evidence.iter().filter(|evidence| evidence.decision().is_some()).count();
    match tests {
        0 => String::new(),
        tests => format!("{} / {} of {tests}", decided(Decision::Above), decided(Decision::Below)),
    }
}

/// `low to high`, or one of them if they are written alike.
fn between(low: String, high: String) -> String {
    if low == high { low } else { format!("{low} to {high}") }
}

/// The lowest and the highest; `None` without values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// A row for each piece of evidence, and one for a finding without.
fn numbers(outcome: &Outcome, scale: &str) -> Vec<Vec<String>> {
    let finding = &outcome.finding;
    let start = || vec![outcome.claim.id.to_owned(), outcome.dataset.to_owned()];
    let end = || {
        let verdict = finding.verdict.text(scale, outcome.claim.supported_by);
        [finding.value(), verdict]
    };
    let row = |evidence: &Evidence, is_part: bool| {
        let test = match &evidence.measure {
            Measure::Tested(test) => Some(test),
            _ => None,
        };
        let mut row = start();
        row.extend([
            evidence.what.clone(),
            evidence.pruned_fraction.to_string(),
            evidence.unit.name().to_owned(),
            evidence.n().to_string(),
            evidence.value().to_string(),
            optional(evidence.summary().and_then(|summary| summary.half_width)),
            optional(test.map(|test| test.null)),
            optional(test.and_then(|test| test.adjusted_p)),
            test.map_or_else(String::new, |test| test.verdict().to_owned()),
            is_part.to_string(),
        ]);
        row.extend(end());
        row
    };
    let mut rows: Vec<Vec<String>> = finding.evidence.iter().map(|evidence| row(evidence, true)).collect();
    rows.extend(finding.beside.iter().map(|evidence| row(evidence, false)));
    if rows.is_empty() {
        let mut row = start();
        row.resize(COLUMNS.len() - 2, String::new());
        row.extend(end());
        rows.push(row);
    }
    rows
}

impl Finding {
    /// The value in the board: in words, or from the lowest to the highest.
    fn value(&self) -> String {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let values = range(self.evidence.iter().map(Evidence::value));
        let text = |(first, (low, high)): (&Evidence, (f64, f64))| between(first.unit.text(low), first.unit.text(high));
        self.evidence.first().zip(values).map_or_else(String::new, text)
    }
}

impl Evidence {
    fn value(&self) -> f64 {
        match &self.measure {
            Measure::Exact { value, .. } => *value,
            Measure::Mean(summary) => summary.mean,
            Measure::Tested(test) => test.summary.mean,
        }
    }

    fn n(&self) -> usize {
        match &self.measure {
            Measure::Exact { n, .. } => *n,
            Measure::Mean(summary) => summary.n,
            Measure::Tested(test) => test.summary.n,
        }
    }

    fn summary(&self) -> Option<&Summary> {
        match &self.measure {
            Measure::Exact { .. } => None,
            Measure::Mean(summary) => Some(summary),
            Measure::Tested(test) => Some(&test.summary),
        }
    }

    /// `None` if it is not tested.
    fn decision(&self) -> Option<Decision> {
        match &self.measure {
            Measure::Tested(test) => Some(test.decision()),
            _ => None,
        }
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Points => signed(value),
            Self::Percent => format!("{value:.1} %"),
            Self::Ratio => format!("{value:.2}×"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Points => "percentage points",
            Self::Percent => "percent",
            Self::Ratio => "over full data",
        }
    }
}

impl Verdict {
    /// The verdict that tested evidence gives: one decision against the claim is enough to reject it; to support it, each of
    /// `groups` needs one in favour.
    fn of(evidence: &[Evidence], groups: &[String]) -> Self {
        let decided = |evidence: &Evidence, wanted| evidence.decision() == Some(wanted);
        let in_favour = |group: &String| {
            let mut of_group = evidence.iter().filter(|evidence| evidence.group == *group);
            of_group.any(|evidence| decided(evidence, Decision::Above))
        };
        if evidence.iter().any(|evidence| decided(evidence, Decision::Below)) {
            Self::NotSupported
        } else if !groups.is_empty() && groups.iter().all(in_favour) {
            Self::Supported
        } else {
            Self::undecided(evidence, groups)
        }
    }

    /// Undecided, and why.
    fn undecided(evidence: &[Evidence], groups: &[String]) -> Self {
        let is_missing = |group: &&String| evidence.iter().all(|evidence| evidence.group != **group);
        let missing: Vec<&str> = groups.iter().filter(is_missing).map(String::as_str).collect();
        Self::Undecided(if evidence.iter().all(|evidence| evidence.n() < FEWEST) {
            format!("n = {}", runs(evidence))
        } else if missing.is_empty() {
            String::new()
        } else {
            format!("no result of {}", missing.join(", "))
        })
    }

    fn text(&self, scale: &str, supported_by: &str) -> String {
        match self {
            Self::Supported if supported_by.is_empty() => "supported".to_owned(),
            Self::Supported => format!("supported ({supported_by})"),
            Self::NotSupported => format!("not supported{scale}"),
            Self::Undecided(reason) if reason.is_empty() => "undecided".to_owned(),
            Self::Undecided(reason) => format!("undecided ({reason})"),
            Self::NoResult(missing) => format!("no result ({missing})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Measure, Unit, interval};
    use crate::statistics::Summary;

    #[test]
    fn shares_end_at_none_and_all() {
        let of = |unit, values: &[f64]| {
            interval(&[Evidence {
                what: String::new(),
                group: String::new(),
                pruned_fraction: 0.5,
                unit,
                measure: Measure::Mean(Summary::of(values).unwrap()),
            }])
        };
        // t(0.975, 2) = 4.3027: half-widths of 2.484 for a deviation of 1.
        assert_eq!(of(Unit::Percent, &[98.0, 99.0, 100.0]), "96.5 % to 100.0 %");
        assert_eq!(of(Unit::Percent, &[0.0, 1.0, 2.0]), "0.0 % to 3.5 %");
        assert_eq!(of(Unit::Percent, &[49.0, 50.0, 51.0]), "47.5 % to 52.5 %");
        assert_eq!(of(Unit::Points, &[0.0, 1.0, 2.0]), "−1.48 to +3.48");
    }

    #[test]
    fn intervals_of_some_say_of_how_many() {
        let evidence = |values: &[f64]| Evidence {
            what: String::new(),
            group: String::new(),
            pruned_fraction: 0.5,
            unit: Unit::Points,
            measure: Measure::Mean(Summary::of(values).unwrap()),
        };
        let some = [evidence(&[0.0, 1.0, 2.0]), evidence(&[-48.0])];
        assert_eq!(interval(&some), "−1.48 to +3.48 (1 of 2)");
        assert_eq!(interval(&some[1..]), "none");
    }
}
