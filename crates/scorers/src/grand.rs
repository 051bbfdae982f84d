//! GraNd: the length of the gradient.
//!
//! Paul, Ganguli and Dziugaite (2021), "Deep Learning on a Data Diet", definition 2.1: the expected L2
//! norm of the gradient of a sample's cross-entropy with respect to **all** parameters, over
//! initialisations and early training. Their scores are means over ten independently initialised runs,
//! each at the end of epoch 20 of 200; [`MeanOverRuns`](crate::MeanOverRuns) takes the mean.
//!
//! The gradient is that of the sample alone: with batch norm in evaluation mode, and without the factor
//! 1 / batch of a mean loss, which would make a smaller last batch look harder. `dynaprune-models`
//! computes it (`Net::gradient_norms`); [`last_layer`] is a reference for the last layer that needs no
//! network.
//!
//! At initialisation (`epoch = 0`) the score is known not to rank samples by how much they matter, but
//! about as the norm of the input does (BlackHC/data_diet, a reproduction): a negative control.

use crate::Error;
use crate::error::check_length;
use crate::registry::{EPOCH, Needs, OptionInfo, OptionKind, RUNS, ScorerInfo};

pub(crate) const INFO: ScorerInfo = ScorerInfo {
    name: "grand",
    needs: Needs::Gradients,
    options: &[
        OptionInfo {
            name: "parameters",
            // Last layer: weight and bias of the last linear one.
            kind: OptionKind::Word(&["all", "last-layer"]),
            only_with: None,
        },
        EPOCH,
        RUNS,
    ],
};

/// The L2 norm of the gradient of the last linear layer's weight and bias, from what goes into that
/// layer, and EL2N, the length of what comes back: `el2n * sqrt(|features|^2 + 1)`.
///
/// The gradient of the weight is the outer product of the error vector and the features, that of the
/// bias the error vector. `features` is a row of numbers for each of `el2n.len()` samples.
///
/// # Errors
/// `features` cannot be cut into as many equal rows.
pub fn last_layer(features: &[f32], el2n: &[f32]) -> Result<Vec<f32>, Error> {
    let width = features.len().checked_div(el2n.len()).unwrap_or(0);
    check_length("`features`", features.len(), el2n.len() * width)?;
    let norm = |(row, &el2n): (usize, &f32)| {
        let features = features[row * width..][..width].iter();
        let squares: f64 = features.map(|&x| f64::from(x).powi(2)).sum();
        (f64::from(el2n) * (squares + 1.0).sqrt()) as f32
    };
    Ok(el2n.iter().enumerate().map(norm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outer product written out.
    #[test]
    fn the_last_layer_has_an_outer_product_for_a_gradient() {
        let features = [0.5f32, -2.0, 1.0, 3.0, 0.0, 0.25];
        let errors = [[0.1f32, -0.4, 0.3], [-0.7, 0.2, 0.5]];
        let el2n: Vec<f32> = errors
            .iter()
            .map(|e| e.iter().map(|x| x * x).sum::<f32>().sqrt())
            .collect();
        let norms = last_layer(&features, &el2n).unwrap();
        for (sample, norm) in norms.iter().enumerate() {
            let mut squares = 0.0;
            for error in errors[sample] {
                squares += error * error;
                for feature in &features[3 * sample..3 * sample + 3] {
                    squares += (error * feature).powi(2);
                }
            }
            assert!((norm - squares.sqrt()).abs() < 1e-6, "{norm} {squares}");
        }
        assert_eq!(
            last_layer(&features, &[1.0; 4]).unwrap_err().to_string(),
            "the length of `features` is 6: expected 4"
        );
    }
}
