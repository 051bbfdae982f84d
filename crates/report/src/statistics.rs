//! Means, standard deviations, confidence intervals and tests over a few seeds.
//!
//! With n seeds, the half-width of the 95 % interval of a mean is t(0.975, n - 1) * s / sqrt(n), with s the sample standard
//! deviation (divisor n - 1) and t Student's distribution: runs are few and their spread is estimated from themselves. One
//! seed has no spread, so it has no interval. Fewer than three decide nothing: with one degree of freedom two numbers that happen
//! to be close would pass for a proof.
//!
//! Where several comparisons are made at once, they are decided by p-values adjusted with Holm's step-down method: the chance
//! that any of the true hypotheses of a [family](Test::family) is rejected is at most 5 %, however the comparisons depend on
//! each other. Intervals stay those of one comparison alone and are always called so: simultaneous intervals that agree with
//! Holm's decisions say hardly more than the decisions, and Bonferroni's, which are wide enough for the whole family, include
//! values that Holm's test has rejected. So an interval may leave out the value tested against where the comparison is
//! undecided; the adjusted p-value, which decides, stands beside it.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// A mean and its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation (divisor n - 1); `None` if n = 1.
    pub std: Option<f64>,
    /// Half the width of the 95 % Student-t interval of the mean; `None` if n = 1.
    pub half_width: Option<f64>,
}

impl Summary {
    /// The mean, sample standard deviation and interval of `values`; `None` without values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        if n == 1 {
            return Some(Self {
                n,
                mean,
                std: None,
                half_width: None,
            });
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (squares / (n - 1) as f64).sqrt();
        Some(Self {
            n,
            mean,
            std: Some(std),
            half_width: Some(t_quantile(n - 1) * std / (n as f64).sqrt()),
        })
    }

    /// The differences `left - right`, paired by seed: seeds that only one side has are left out. `None` without a pair.
    ///
    /// Pairing removes what the two sides share (the initial weights, the subset drawn), so the interval is usually narrower
    /// than that of two independent means.
    #[must_use]
    pub fn of_paired_differences(left: &[(u64, f64)], right: &[(u64, f64)]) -> Option<Self> {
        let value_of = |seed| right.iter().find(|(other, _)| *other == seed).map(|(_, value)| value);
        let differences: Vec<f64> = left
            .iter()
            .filter_map(|(seed, value)| Some(value - value_of(*seed)?))
            .collect();
        Self::of(&differences)
    }

    /// The ends of the 95 % interval; `None` if n = 1.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half_width
            .map(|half_width| (self.mean - half_width, self.mean + half_width))
    }

    /// The two-sided p-value of Student's t-test of the hypothesis that the true mean is `null`, not adjusted. For paired
    /// differences and `null = 0` it is the paired t-test.
    ///
    /// `None` if there is no test: for n = 1, if all values are equal, and if one is not finite. Accuracies are counts over a
    /// test set, so a few differences can be equal by chance, which the test would take for certainty.
    #[must_use]
    pub fn p_value(&self, null: f64) -> Option<f64> {
        let std = self.std?;
        let distance = (self.mean - null).abs();
        if !(std.is_finite() && distance.is_finite()) {
            return None;
        }
        if std <= NO_SPREAD * distance.max(self.mean.abs()) {
            return None;
        }
        let t = StudentsT::new(0.0, 1.0, (self.n - 1) as f64).ok()?;
        Some(2.0 * t.sf(distance * (self.n as f64).sqrt() / std))
    }
}

/// Tests with an adjusted p-value below this are decided.
pub const LEVEL: f64 = 0.05;

/// Means of fewer values are not tested.
pub const FEWEST: usize = 3;

/// Spreads below this share of the distance that is tested are rounding errors.
const NO_SPREAD: f64 = 1e-9;

/// A mean that is tested against a value, in a family of such tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// What was measured.
    pub summary: Summary,
    /// The value that the true mean has if the hypothesis that is tested is right: 0 for differences.
    pub null: f64,
    /// The two-sided p-value of the t-test, adjusted for the family; `None` if there is no test.
    pub adjusted_p: Option<f64>,
}

/// What a test says of the true mean and the value that it is tested against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The mean is above it.
    Above,
    /// The mean is below it.
    Below,
    /// It may be either.
    Undecided,
}

impl Test {
    /// Tests of several means at once, each with the value that it is tested against. Only those of [`FEWEST`] values or more
    /// that can be tested (see [`Summary::p_value`]) count as members of the family.
    #[must_use]
    pub fn family(members: &[(Summary, f64)]) -> Vec<Self> {
        let p_value = |(summary, null): &(Summary, f64)| summary.p_value(*null).filter(|_| summary.n >= FEWEST);
        let p_values: Vec<Option<f64>> = members.iter().map(p_value).collect();
        let test = |(&(summary, null), adjusted_p)| Self {
            summary,
            null,
            adjusted_p,
        };
        members.iter().zip(holm(&p_values)).map(test).collect()
    }

    /// What the adjusted p-value decides.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self.adjusted_p {
            Some(p) if p < LEVEL && self.summary.mean > self.null => Decision::Above,
            Some(p) if p < LEVEL && self.summary.mean < self.null => Decision::Below,
            _ => Decision::Undecided,
        }
    }

    /// The decision in words; the reason if nothing was tested: `above`, `undecided (n = 1)`.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match (self.decision(), self.adjusted_p) {
            (Decision::Above, _) => "above",
            (Decision::Below, _) => "below",
            (Decision::Undecided, Some(_)) => "undecided",
            (Decision::Undecided, None) if self.summary.n == 1 => "undecided (n = 1)",
            (Decision::Undecided, None) if self.summary.n < FEWEST => "undecided (n = 2)",
            (Decision::Undecided, None) => "undecided (no spread)",
        }
    }
}

/// P-values adjusted by Holm's step-down method (Holm 1979): the i-th smallest of m is multiplied by m - i + 1, and is at least
/// as large as those adjusted before it, at most 1. Places without a p-value stay so and do not count in m.
#[must_use]
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut ranked: Vec<(usize, f64)> = p_values
        .iter()
        .enumerate()
        .filter_map(|(index, p)| Some((index, (*p)?)))
        .collect();
    ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut adjusted = vec![None; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, (index, p)) in ranked.iter().enumerate() {
        largest = largest.max(((ranked.len() - rank) as f64 * p).min(1.0));
        adjusted[*index] = Some(largest);
    }
    adjusted
}

/// The 97.5 % quantile of Student's t distribution.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::{Decision, Summary, Test, holm};

    const UCB: [f64; 3] = [0.7421, 0.7387, 0.7502];
    const RANDOM: [f64; 3] = [0.7310, 0.7295, 0.7441];

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs(), "{a} is not {b}");
    }

    fn seeded(values: &[f64]) -> Vec<(u64, f64)> {
        (0..).zip(values.iter().copied()).collect()
    }

    /// Literals by SciPy 1.17:
    /// ```python
    /// import numpy as np; from scipy import stats
    /// x = np.array([0.7421, 0.7387, 0.7502])
    /// print(x.mean(), x.std(ddof=1), stats.sem(x) * stats.t.ppf(0.975, len(x) - 1))
    /// y = [1.5, -2.0, 3.25, 4.0, 0.125, 7.0, 2.0, -1.0, 0.5, 3.0]; print(np.mean(y), np.std(y, ddof=1), stats.sem(y) * stats.t.ppf(0.975, 9))
    /// z = [1.0, 2.5]; print(np.mean(z), np.std(z, ddof=1), stats.sem(z) * stats.t.ppf(0.975, 1))
    /// ```
    #[test]
    fn mean_deviation_and_interval_agree_with_scipy() {
        let check = |values: &[f64], mean, std, half_width| {
            let summary = Summary::of(values).unwrap();
            close(summary.mean, mean);
            close(summary.std.unwrap(), std);
            close(summary.half_width.unwrap(), half_width);
        };
        check(&UCB, 0.7436666666666666, 0.005907904309764428, 0.014676047893298119);
        check(
            &[1.5, -2.0, 3.25, 4.0, 0.125, 7.0, 2.0, -1.0, 0.5, 3.0],
            1.8375,
            2.631308557015353,
            1.8823247480006373,
        );
        check(&[1.0, 2.5], 1.75, 1.0606601717798212, 9.52965355213102);
    }

    /// Literals by SciPy 1.17:
    /// ```python
    /// d = np.array([0.7421, 0.7387, 0.7502]) - np.array([0.7310, 0.7295, 0.7441])
    /// print(d.mean(), *stats.ttest_1samp(d, 0).confidence_interval(0.95))
    /// ```
    #[test]
    fn paired_differences_agree_with_scipy() {
        let summary = Summary::of_paired_differences(&seeded(&UCB), &seeded(&RANDOM)).unwrap();
        let (low, high) = summary.interval().unwrap();
        close(summary.mean, 0.008799999999999994);
        close(low, 0.002530319873479271);
        close(high, 0.015069680126520716);
    }

    #[test]
    fn only_seeds_of_both_sides_are_paired() {
        let left = [(0, 1.0), (1, 2.0), (2, 4.0)];
        let right = [(2, 1.0), (0, 0.5), (7, 9.0)];
        let summary = Summary::of_paired_differences(&left, &right).unwrap();
        assert_eq!((summary.n, summary.mean), (2, 1.75));
        assert_eq!(Summary::of_paired_differences(&left, &[(9, 1.0)]), None);
    }

    #[test]
    fn one_value_has_no_interval_and_no_values_no_mean() {
        let one = Summary::of(&[0.5]).unwrap();
        assert_eq!(
            (one.n, one.mean, one.std, one.half_width, one.interval()),
            (1, 0.5, None, None, None)
        );
        assert_eq!(Summary::of(&[]), None);
    }

    /// Literals by SciPy 1.17:
    /// ```python
    /// d = np.array([0.7421, 0.7387, 0.7502]) - np.array([0.7310, 0.7295, 0.7441])
    /// print(stats.ttest_1samp(d, 0).pvalue, stats.ttest_1samp(d, 0.01).pvalue)
    /// y = [1.5, -2.0, 3.25, 4.0, 0.125, 7.0, 2.0, -1.0, 0.5, 3.0]
    /// print(stats.ttest_1samp(y, 0).pvalue, stats.ttest_1samp(y, -40.0).pvalue)
    /// print(stats.ttest_1samp([1.0, 2.5], 0).pvalue)
    /// ```
    #[test]
    fn p_values_agree_with_scipy() {
        let differences = Summary::of_paired_differences(&seeded(&UCB), &seeded(&RANDOM)).unwrap();
        close(differences.p_value(0.0).unwrap(), 0.026340546404472864);
        close(differences.p_value(0.01).unwrap(), 0.4967864115586404);
        let ten = Summary::of(&[1.5, -2.0, 3.25, 4.0, 0.125, 7.0, 2.0, -1.0, 0.5, 3.0]).unwrap();
        close(ten.p_value(0.0).unwrap(), 0.054597577460738206);
        close(ten.p_value(-40.0).unwrap(), 2.443494727842776e-12);
        close(
            Summary::of(&[1.0, 2.5]).unwrap().p_value(0.0).unwrap(),
            0.2577621168183132,
        );
    }

    #[test]
    fn two_values_decide_nothing() {
        let two = Summary::of(&[1.0, 1.001]).unwrap();
        assert!(two.p_value(0.0).unwrap() < 0.001);
        let family = Test::family(&[(two, 0.0), (Summary::of(&UCB).unwrap(), 0.7)]);
        assert_eq!((family[0].adjusted_p, family[0].verdict()), (None, "undecided (n = 2)"));
        assert_eq!(family[1].verdict(), "above");
    }

    #[test]
    fn what_is_not_finite_is_not_tested() {
        for wrong in [f64::NAN, f64::INFINITY] {
            let summary = Summary::of(&[wrong, 1.0, 2.0]).unwrap();
            assert_eq!(summary.p_value(0.0), None);
            assert_eq!(Test::family(&[(summary, 0.0)])[0].decision(), Decision::Undecided);
        }
        assert_eq!(Summary::of(&[1.0, 2.0]).unwrap().p_value(f64::NAN), None);
    }

    /// A p-value below 0.05 and an interval without the value tested against are the same thing.
    #[test]
    fn one_test_alone_decides_as_its_interval_does() {
        for shift in -40..40 {
            let values: Vec<f64> = UCB.iter().map(|value| value - 0.7 - 0.005 * f64::from(shift)).collect();
            let summary = Summary::of(&values).unwrap();
            let (low, high) = summary.interval().unwrap();
            let decision = Test::family(&[(summary, 0.0)])[0].decision();
            let expected = match (low > 0.0, high < 0.0) {
                (true, _) => Decision::Above,
                (_, true) => Decision::Below,
                _ => Decision::Undecided,
            };
            assert_eq!(decision, expected, "{summary:?}");
        }
    }

    /// Literals by statsmodels 0.15:
    /// ```python
    /// from statsmodels.stats.multitest import multipletests
    /// print(multipletests([0.01, 0.04, 0.03, 0.005, 0.6, 0.02], 0.05, method="holm")[1])
    /// print(multipletests([0.2, 0.2, 0.9], 0.05, method="holm")[1])
    /// print(multipletests([0.01, 0.02, 0.022, 0.09], 0.05, method="holm")[1])
    /// ```
    #[test]
    fn adjusted_p_values_agree_with_statsmodels() {
        let check = |p_values: &[f64], expected: &[f64]| {
            let given: Vec<Option<f64>> = p_values.iter().copied().map(Some).collect();
            let adjusted = holm(&given);
            assert_eq!(adjusted.len(), expected.len());
            for (found, expected) in adjusted.iter().zip(expected) {
                close(found.unwrap(), *expected);
            }
        };
        check(
            &[0.01, 0.04, 0.03, 0.005, 0.6, 0.02],
            &[0.05, 0.09, 0.09, 0.03, 0.6, 0.08],
        );
        check(&[0.2, 0.2, 0.9], &[0.6, 0.6, 0.9]);
        check(&[0.01, 0.02, 0.022, 0.09], &[0.04, 0.06, 0.06, 0.09]);
        assert_eq!(holm(&[]), []);
        assert_eq!(holm(&[None, Some(0.02), None]), [None, Some(0.02), None]);
    }

    #[test]
    fn a_family_decides_less_than_each_test_alone() {
        let summary = Summary::of_paired_differences(&seeded(&UCB), &seeded(&RANDOM)).unwrap();
        let verdicts = |members: &[(Summary, f64)]| -> Vec<&str> {
            let family = Test::family(members);
            family.iter().map(Test::verdict).collect()
        };
        // 2 * 0.026 is above 0.05.
        assert_eq!(verdicts(&[(summary, 0.0)]), ["above"]);
        assert_eq!(verdicts(&[(summary, 0.0), (summary, 0.01)]), ["undecided", "undecided"]);
        let one = Summary::of(&[3.0]).unwrap();
        assert_eq!(verdicts(&[(summary, 0.0), (one, 0.0)]), ["above", "undecided (n = 1)"]);
        assert_eq!(verdicts(&[(summary, 0.02)]), ["below"]);
        // 71.1 - 69 and 70.1 - 68 differ by a rounding error only.
        let equal = Summary::of(&[71.1 - 69.0, 70.1 - 68.0, 70.1 - 68.0]).unwrap();
        assert_eq!(verdicts(&[(equal, 0.0)]), ["undecided (no spread)"]);
        let zero = Summary::of(&[0.0; 3]).unwrap();
        assert_eq!(verdicts(&[(zero, 0.0)]), ["undecided (no spread)"]);
    }
}
