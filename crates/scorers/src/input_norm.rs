//! The length of the input: a control that needs no network.
//!
//! GraNd scores of an untrained network were found to be little more than this (BlackHC/data_diet, a
//! reproduction of "Deep Learning on a Data Diet").

use crate::Error;
use crate::error::check_length;
use crate::registry::{Needs, ScorerInfo};

pub(crate) const INFO: ScorerInfo = ScorerInfo {
    name: "input-norm",
    needs: Needs::Inputs,
    options: &[],
};

/// The L2 norm of each row of `inputs`, `samples` rows of equal length: pixels as the network gets
/// them, normalised and not augmented.
///
/// # Errors
/// `inputs` cannot be cut into `samples` equal rows.
pub fn input_norm(inputs: &[f32], samples: usize) -> Result<Vec<f32>, Error> {
    let width = inputs.len().checked_div(samples).unwrap_or(0);
    check_length("`inputs`", inputs.len(), samples * width)?;
    let norm = |row: usize| {
        let squares = inputs[row * width..][..width].iter().map(|&x| f64::from(x).powi(2));
        squares.sum::<f64>().sqrt() as f32
    };
    Ok((0..samples).map(norm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.linalg.norm([[1, 2, 2], [0, 0, 3], [-1, -2, 4]], axis=1)`
    #[test]
    fn agrees_with_numpy() {
        let norms = input_norm(&[1.0, 2.0, 2.0, 0.0, 0.0, 3.0, -1.0, -2.0, 4.0], 3).unwrap();
        assert_eq!(norms, [3.0, 3.0, 4.582_576]);
    }

    #[test]
    fn refuses_rows_of_unequal_length() {
        assert_eq!(
            input_norm(&[1.0; 7], 3).unwrap_err().to_string(),
            "the length of `inputs` is 7: expected 6"
        );
        assert!(input_norm(&[1.0], 0).is_err());
    }
}
