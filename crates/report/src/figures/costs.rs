//! Costs relative to full data: where they compare, and what is more and what is less.

use super::data::{Cost, Data};
use crate::statistics::{Decision, FEWEST, Summary, Test};

/// Costs within one percent count as equal: two runs on the same number of samples never take exactly the same time.
pub(super) const SAME_COST: f64 = 1.01;

/// What is said where wall-clock time is left out.
pub(super) const NO_SECONDS: &str = "Seconds are not drawn: no pruned run was timed on the same device with as many threads as a \
                                     timed run on full data.";

/// How costs are compared with that of full data.
pub(super) const TIME_TESTS: &str = "Operations are exact, and equal within 1 %. Seconds are ratios to full data of the same seed, \
                                     with their 95 % t intervals; *more* and *less* are decided by t-tests against 1, adjusted \
                                     with Holm's method for all that are listed; fewer than three seeds decide nothing.";

/// Whether the cost of any pruned run compares with that of full data.
pub(super) fn any_compares(data: &Data, cost: Cost) -> bool {
    data.datasets.iter().any(|dataset| compares(data, dataset, cost))
}

/// The same on one data set.
pub(super) fn compares(data: &Data, dataset: &str, cost: Cost) -> bool {
    let pruned = data.lines_of(dataset).filter(|line| !line.is_baseline());
    let mut points = pruned.flat_map(|line| &line.points);
    data.full(dataset)
        .is_some_and(|full| points.any(|point| point.relative(full, cost).is_some()))
}

/// A verdict with the number of runs behind it, unless it says that itself.
pub(super) fn with_pairs(cost: &Summary, verdict: &str) -> String {
    match (cost.n, verdict.strip_suffix(')')) {
        (n, _) if n < FEWEST => verdict.to_owned(),
        (n, None) => format!("{verdict} (n = {n})"),
        (n, Some(open)) => format!("{open}, n = {n})"),
    }
}

/// Whether each of a figure's relative costs is `more` or `less` than that of full data. Operations are exact: within one
/// percent they are `equal`. Seconds are measured: they are tested against 1, all of them as one family.
pub(super) fn verdicts(costs: &[Option<Summary>], cost: Cost) -> Vec<&'static str> {
    let known: Vec<(Summary, f64)> = costs.iter().flatten().map(|&summary| (summary, 1.0)).collect();
    let mut tests = Test::family(&known).into_iter();
    let mut verdict = |test: Test| match (cost.is_time, test.decision()) {
        (false, _) => exact_verdict(test.summary.mean),
        (true, Decision::Above) => "more",
        (true, Decision::Below) => "less",
        (true, Decision::Undecided) => test.verdict(),
    };
    costs
        .iter()
        .map(|cost| cost.and_then(|_| tests.next()).map_or("?", &mut verdict))
        .collect()
}

/// The same for one cost that is counted.
pub(super) fn exact_verdict(cost: f64) -> &'static str {
    match cost {
        cost if cost > SAME_COST => "more",
        cost if SAME_COST * cost < 1.0 => "less",
        _ => "equal",
    }
}

#[cfg(test)]
mod tests {
    use super::verdicts;
    use crate::figures::data::{OPERATIONS, SECONDS};
    use crate::statistics::Summary;

    #[test]
    fn operations_are_exact_and_seconds_are_tested() {
        let summary = |values: &[f64]| Summary::of(values);
        let costs = [
            summary(&[1.2]),
            None,
            summary(&[0.8, 0.81, 0.79]),
            summary(&[1.2, 1.1, 0.9]),
            summary(&[1.3, 1.31, 1.32]),
            summary(&[1.005, 1.005, 1.005]),
        ];
        assert_eq!(
            verdicts(&costs, OPERATIONS),
            ["more", "?", "less", "more", "more", "equal"]
        );
        assert_eq!(
            verdicts(&costs, SECONDS),
            [
                "undecided (n = 1)",
                "?",
                "less",
                "undecided",
                "more",
                "undecided (no spread)"
            ]
        );
        // t = 4.91 with two degrees of freedom: p = 1 - t / sqrt(t^2 + 2) = 0.039 alone, three times that in a family of three.
        let near = summary(&[1.03, 1.04, 1.06]);
        assert_eq!(verdicts(&[near], SECONDS), ["more"]);
        assert_eq!(verdicts(&[near; 3], SECONDS), ["undecided"; 3]);
    }
}
