//! Means, standard deviations and confidence intervals over a few seeds.
//!
//! With n seeds, the half-width of the 95 % interval of a mean is t(0.975, n - 1) * s / sqrt(n), with s the sample standard
//! deviation (divisor n - 1) and t Student's distribution: runs are few and their spread is estimated from themselves. One
//! seed has no spread, so it has no interval.

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
}

/// The 97.5 % quantile of Student's t distribution.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::Summary;

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
}
