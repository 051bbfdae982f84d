//! Sums and multiples of whole tensors.

use crate::access::with;
use candle_core::{Result, Tensor, bail};

/// Writes `factor * x` into `y`, or adds it to `y` with `accumulate`.
///
/// # Errors
/// If the tensors differ in size or are not contiguous f32 tensors on the CPU.
pub fn scale(x: &Tensor, factor: f32, y: &Tensor, accumulate: bool) -> Result<()> {
    if x.elem_count() != y.elem_count() {
        bail!(
            "scale: expected as many numbers as in {:?}, found {:?}",
            x.dims(),
            y.dims()
        )
    }
    with!([y] [x] {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if accumulate { *y + factor * x } else { factor * x };
        }
    })
}
