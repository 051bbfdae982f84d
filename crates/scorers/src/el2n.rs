//! EL2N: the length of the error vector.
//!
//! Paul, Ganguli and Dziugaite (2021), "Deep Learning on a Data Diet": the L2 norm of
//! p(x) - onehot(y), where p is the softmax output of a network early in training. Their scores are
//! means over ten independently initialised runs, each in evaluation mode at the end of epoch 20 of
//! 200, without augmentation; [`MeanOverRuns`](crate::MeanOverRuns) takes the mean.

use crate::Error;
use crate::error::check_length;
use crate::registry::{EPOCH, Needs, OptionInfo, OptionKind, RUNS, ScorerInfo};

pub(crate) const INFO: ScorerInfo = ScorerInfo {
    name: "el2n",
    needs: Needs::Probabilities,
    options: &[
        OptionInfo {
            name: "measured",
            // Once, after `epoch` epochs, in evaluation mode and not augmented; or the mean over the outputs of the training
            // steps, augmented, from one epoch to another.
            kind: OptionKind::Word(&["checkpoint", "training"]),
            only_with: None,
        },
        OptionInfo {
            name: "from_epoch",
            // Counted from 1.
            kind: OptionKind::Number { default: 1, min: 1 },
            only_with: Some(("measured", "training")),
        },
        EPOCH,
        RUNS,
    ],
};

/// How far a row of probabilities may sum from 1: room for half precision.
const SUM_TOLERANCE: f64 = 5e-3;

/// The L2 norm of softmax minus one-hot, in `[0, sqrt(2)]`, for each of `labels.len()` samples.
///
/// `probabilities` is a row of `classes` softmax outputs for each sample. A sample's score depends
/// on its own row alone, so any batch size and order gives the same bits.
///
/// # Errors
/// Lengths do not fit, a label is not below `classes`, or a row is not a distribution (logits given
/// by mistake). A softmax applied twice cannot be told from its output.
pub fn el2n(probabilities: &[f32], labels: &[u16], classes: usize) -> Result<Vec<f32>, Error> {
    check_length(
        "`probabilities`",
        probabilities.len(),
        labels.len().saturating_mul(classes),
    )?;
    labels
        .iter()
        .enumerate()
        .map(|(row, &label)| {
            if usize::from(label) >= classes {
                return Err(Error::LabelOutOfRange { row, label, classes });
            }
            let probabilities = &probabilities[row * classes..][..classes];
            check_distribution(row, probabilities)?;
            let squares = probabilities.iter().enumerate().map(|(class, &p)| {
                let target = if class == usize::from(label) { 1.0 } else { 0.0 };
                (f64::from(p) - target).powi(2)
            });
            Ok(squares.sum::<f64>().sqrt() as f32)
        })
        .collect()
}

fn check_distribution(row: usize, probabilities: &[f32]) -> Result<(), Error> {
    let sum: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
    // A NaN entry makes the sum NaN, and fails the comparison.
    let sums_to_one = (sum - 1.0).abs() <= SUM_TOLERANCE;
    let smallest = match sum.is_nan() {
        true => f32::NAN,
        false => probabilities.iter().copied().fold(f32::INFINITY, f32::min),
    };
    match sums_to_one && smallest >= 0.0 {
        true => Ok(()),
        false => Err(Error::NotProbabilities { row, smallest, sum }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBABILITIES: [f32; 18] = [
        0.7,
        0.2,
        0.1,
        0.1,
        0.1,
        0.8,
        1.0,
        0.0,
        0.0,
        0.0,
        1.0,
        0.0,
        1.0 / 3.0,
        1.0 / 3.0,
        1.0 / 3.0,
        0.05,
        0.9,
        0.05,
    ];
    const LABELS: [u16; 6] = [0, 0, 0, 0, 2, 1];

    /// ```python
    /// p = np.array(PROBABILITIES, dtype=np.float32).reshape(6, 3)
    /// np.linalg.norm(p - np.eye(3, dtype=np.float32)[LABELS], axis=1).tolist()
    /// ```
    const NUMPY: [f32; 6] = [
        0.374_165_77,
        1.208_304_6,
        0.0,
        std::f32::consts::SQRT_2,
        0.816_496_55,
        0.122_474_51,
    ];

    #[test]
    fn agrees_with_numpy() {
        let scores = el2n(&PROBABILITIES, &LABELS, 3).unwrap();
        for (score, expected) in scores.iter().zip(NUMPY) {
            assert!((score - expected).abs() <= 2e-7, "{score} {expected}");
        }
    }

    #[test]
    fn batches_and_order_do_not_matter() {
        let whole = el2n(&PROBABILITIES, &LABELS, 3).unwrap();
        for batch in 1..=6 {
            let pieces: Vec<f32> = PROBABILITIES
                .chunks(3 * batch)
                .zip(LABELS.chunks(batch))
                .flat_map(|(probabilities, labels)| el2n(probabilities, labels, 3).unwrap())
                .collect();
            assert_eq!(whole, pieces);
        }
        let reversed: Vec<f32> = PROBABILITIES.chunks(3).rev().flatten().copied().collect();
        let labels: Vec<u16> = LABELS.iter().rev().copied().collect();
        let mut scores = el2n(&reversed, &labels, 3).unwrap();
        scores.reverse();
        assert_eq!(whole, scores);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |probabilities: &[f32], labels: &[u16]| el2n(probabilities, labels, 2).unwrap_err().to_string();
        assert_eq!(
            message(&[0.5, 0.5, 0.5], &[0, 0]),
            "the length of `probabilities` is 3: expected 4"
        );
        assert_eq!(
            message(&[0.5, 0.5, 0.5, 0.5], &[0, 2]),
            "row 1 has label 2: expected a label below 2"
        );
        assert!(
            message(&[2.0, -1.0], &[0])
                .starts_with("row 0 is no distribution: its smallest entry is -1 and its sum 1,")
        );
        assert!(
            message(&[2.5, 1.5], &[0])
                .starts_with("row 0 is no distribution: its smallest entry is 1.5 and its sum 4,")
        );
        assert!(message(&[f32::NAN, 1.0], &[0]).starts_with("row 0 is no distribution: its smallest entry is NaN"));
    }
}
