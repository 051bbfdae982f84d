//! How far two scores of the same samples agree.

use dynaprune_selectors::{Options, Setup, method};

use crate::Error;
use crate::error::{check_length, check_no_nan};

/// Spearman's rank correlation of two scores: Pearson's correlation of their ranks, in
/// `[-1, 1]`. Infinite scores rank at their ends.
///
/// # Errors
/// The lists differ in length or hold NaN; or one of them has no two different scores, and no
/// correlation is defined.
pub fn spearman(a: &[f32], b: &[f32]) -> Result<f64, Error> {
    check_length("the second scores", b.len(), a.len())?;
    let (a, b) = (ranks(a)?, ranks(b)?);
    // Ranks with ties averaged have the mean of 1..n, whatever the ties.
    let middle = (a.len() as f64 + 1.0) / 2.0;
    let covariance = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum() };
    let (of_a, of_b) = (covariance(&a, &a), covariance(&b, &b));
    match of_a > 0.0 && of_b > 0.0 {
        true => Ok((covariance(&a, &b) / (of_a * of_b).sqrt()).clamp(-1.0, 1.0)),
        false => Err(Error::AllEqual),
    }
}

/// The rank of each score, 1 for the lowest; equal scores share the mean of their ranks.
///
/// # Errors
/// [`Error::Nan`] names the first score that is NaN.
fn ranks(scores: &[f32]) -> Result<Vec<f64>, Error> {
    check_no_nan(scores)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut below = 0.0;
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let count = tied.len() as f64;
        for &sample in tied {
            ranks[sample] = below + (count + 1.0) / 2.0;
        }
        below += count;
    }
    Ok(ranks)
}

/// The area under the ROC curve of a score that is to find the marked samples: the probability that a marked sample scores
/// higher than another, ties counting half. 1 finds them all first, 0.5 is chance, 0 finds them last.
///
/// # Errors
/// The lists differ in length, a score is NaN, or all samples are marked, or none.
pub fn auc(scores: &[f32], marked: &[bool]) -> Result<f64, Error> {
    check_length("the marks", marked.len(), scores.len())?;
    let ranks = ranks(scores)?;
    let positive = marked.iter().filter(|&&marked| marked).count() as f64;
    let negative = marked.len() as f64 - positive;
    if positive == 0.0 || negative == 0.0 {
        return Err(Error::AllEqual);
    }
    // Mann and Whitney (1947).
    let sum: f64 = ranks
        .iter()
        .zip(marked)
        .filter(|(_, marked)| **marked)
        .map(|(rank, _)| rank)
        .sum();
    Ok((sum - positive * (positive + 1.0) / 2.0) / (positive * negative))
}

/// The share of the `k` highest scores that two scores have in common, in `[0, 1]`; independent
/// scores of N samples without ties at the k-th share k / N on average.
///
/// The k highest are those that the method `static` would train on. `seed` breaks ties, in both
/// scores alike, so scores that tie in many samples share more than k / N.
///
/// # Errors
/// The lists differ in length or hold NaN, or `k` is 0 or more than their length.
pub fn top_k_overlap(a: &[f32], b: &[f32], k: usize, seed: u64) -> Result<f64, Error> {
    check_length("the second scores", b.len(), a.len())?;
    check_no_nan(a)?;
    check_no_nan(b)?;
    let wrong_k = Error::TopK { k, samples: a.len() };
    if k == 0 {
        return Err(wrong_k);
    }
    let top = |scores: &[f32]| {
        let setup = Setup {
            samples: scores.len(),
            seed,
            static_scores: Some(scores),
            ..Setup::default()
        };
        let selector = method("static").and_then(|info| info.build(&setup, &Options::new()));
        selector
            .and_then(|mut selector| selector.select(k, 0))
            .map_err(|_| wrong_k.clone())
    };
    let (a, b) = (top(a)?, top(b)?);
    let common = a.iter().filter(|sample| b.binary_search(sample).is_ok()).count();
    Ok(common as f64 / k as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: [f32; 8] = [0.3, 1.2, 1.2, -4.0, 7.5, 0.3, 0.3, 2.0];
    const B: [f32; 8] = [1.0, 3.0, 2.0, -1.0, f32::INFINITY, 0.0, 1.0, f32::INFINITY];

    /// ```python
    /// from scipy.stats import rankdata, spearmanr
    /// rankdata(A), rankdata(B), spearmanr(A, B).statistic
    /// spearmanr([3,0,0,1,5,2,2,2,0,9], [1,0,2,1,4,0,2,3,1,3]).statistic
    /// ```
    #[test]
    fn agrees_with_scipy() {
        assert_eq!(ranks(&A).unwrap(), [3.0, 5.5, 5.5, 1.0, 8.0, 3.0, 3.0, 7.0]);
        assert_eq!(ranks(&B).unwrap(), [3.5, 6.0, 5.0, 1.0, 7.5, 2.0, 3.5, 7.5]);
        assert!((spearman(&A, &B).unwrap() - 0.969_112_356_167_331_4).abs() < 1e-14);
        let x = [3.0, 0.0, 0.0, 1.0, 5.0, 2.0, 2.0, 2.0, 0.0, 9.0];
        let y = [1.0, 0.0, 2.0, 1.0, 4.0, 0.0, 2.0, 3.0, 1.0, 3.0];
        assert!((spearman(&x, &y).unwrap() - 0.552_383_735_878_698).abs() < 1e-14);
    }

    /// ```python
    /// from sklearn.metrics import roc_auc_score
    /// roc_auc_score([0, 1, 1, 0, 1, 0, 0, 1], A), roc_auc_score([1, 0, 1, 0, 1, 0, 1, 0], A)
    /// ```
    #[test]
    fn the_area_agrees_with_scikit_learn() {
        let marked = [false, true, true, false, true, false, false, true];
        assert_eq!(auc(&A, &marked), Ok(1.0));
        let marked = [true, false, true, false, true, false, true, false];
        assert_eq!(auc(&A, &marked), Ok(0.593_75));
        assert_eq!(auc(&[f32::INFINITY, 1.0, 2.0], &[true, false, false]), Ok(1.0));
        assert_eq!(auc(&A, &[true; 8]), Err(Error::AllEqual));
        assert!(auc(&A, &[true; 3]).is_err());
    }

    #[test]
    fn both_zeros_are_tied() {
        assert_eq!(ranks(&[0.0, -0.0, -1.0]).unwrap(), [2.5, 2.5, 1.0]);
    }

    #[test]
    fn overlap_counts_what_the_top_sets_share() {
        let a = [9.0, 8.0, 7.0, 1.0, 2.0, 3.0];
        let b = [9.0, 1.0, 7.0, 8.0, 2.0, 3.0];
        assert_eq!(top_k_overlap(&a, &b, 1, 0), Ok(1.0));
        assert_eq!(top_k_overlap(&a, &b, 2, 0), Ok(0.5));
        assert_eq!(top_k_overlap(&a, &b, 3, 0), Ok(2.0 / 3.0));
        assert_eq!(top_k_overlap(&a, &b, 6, 0), Ok(1.0));
        assert_eq!(
            top_k_overlap(&[1.0; 50], &[2.0; 50], 10, 3),
            Ok(1.0),
            "ties broken alike"
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), Err(Error::AllEqual));
        assert_eq!(spearman(&[], &[]), Err(Error::AllEqual));
        assert_eq!(spearman(&[1.0, f32::NAN], &[1.0, 2.0]), Err(Error::Nan { sample: 1 }));
        assert_eq!(
            spearman(&[1.0, 2.0], &[1.0]).unwrap_err().to_string(),
            "the length of the second scores is 1: expected 2"
        );
        for k in [0, 3] {
            assert_eq!(
                top_k_overlap(&[1.0, 2.0], &[1.0, 2.0], k, 0).unwrap_err().to_string(),
                format!("asked for the {k} highest of 2 scores: expected 1 to 2")
            );
        }
    }

    proptest! {
        #[test]
        fn a_rising_map_changes_nothing_and_a_falling_one_the_sign(
            pairs in prop::collection::vec((-9i8..9, -9i8..9), 2..60), k in 1usize..60,
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().map(|&(a, b)| (f32::from(a), f32::from(b))).unzip();
            let Ok(rho) = spearman(&a, &b) else { return Ok(()) };
            let cubed: Vec<f32> = a.iter().map(|x| x.powi(3)).collect();
            let negated: Vec<f32> = b.iter().map(|x| -x).collect();
            prop_assert!((spearman(&cubed, &b).unwrap() - rho).abs() < 1e-12);
            prop_assert!((spearman(&b, &a).unwrap() - rho).abs() < 1e-12);
            prop_assert!((spearman(&a, &negated).unwrap() + rho).abs() < 1e-12);
            prop_assert!((spearman(&a, &a).unwrap() - 1.0).abs() < 1e-12);
            let k = k.min(a.len());
            prop_assert_eq!(top_k_overlap(&a, &cubed, k, 1).unwrap(), 1.0);
        }
    }
}
