//! Sums of squares, of which a gradient's L2 norm is made sample by sample.

use crate::simd::dispatch;
use candle_core::{Result, Tensor, bail};

/// Sums that are kept in registers together.
const LANES: usize = 32;

dispatch! {
    /// The sum of the squares of all numbers, in f64.
    pub(crate) fn of(x: &[f32]) -> f64 {
        let mut sums = [0.0f64; LANES];
        let (lines, rest) = x.as_chunks::<LANES>();
        for line in lines {
            for (sum, &x) in sums.iter_mut().zip(line) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        for (sum, &x) in sums.iter_mut().zip(rest) {
            *sum += f64::from(x) * f64::from(x);
        }
        sums.iter().sum()
    }
}
/// Fails unless `squares` has one number for each of `n` samples.
pub(crate) fn check(operation: &str, squares: &Tensor, n: usize) -> Result<()> {
    if squares.dims() != [n] {
        bail!(
            "{operation}: expected one sum of squares for each of {n} samples, found {:?}",
            squares.dims()
        )
    }
    Ok(())
}
