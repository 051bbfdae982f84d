//! Sums and multiples of whole tensors.

use crate::access::{on_gpu, with};
use crate::simd::dispatch;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Numbers of a task.
const CHUNK: usize = 16 * 1024;

/// Writes `factor * x` into `y`, or adds it to `y` with `accumulate`.
///
/// # Errors
/// If the tensors differ in size or are not contiguous f32 tensors (on a GPU, bf16 are others).
pub fn scale(x: &Tensor, factor: f32, y: &Tensor, accumulate: bool) -> Result<()> {
    if x.elem_count() != y.elem_count() {
        bail!(
            "scale: expected as many numbers as in {:?}, found {:?}",
            x.dims(),
            y.dims()
        )
    }
    on_gpu!(x => crate::cuda::elementwise::scale(x, factor, y, accumulate));
    with!([y] [x] {
        let parts = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
        parts.for_each(|(y, x)| if accumulate { add(factor, x, y) } else { write(factor, x, y) });
    })
}

dispatch! {
    fn add(factor: f32, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += factor * x;
        }
    }
}

dispatch! {
    fn write(factor: f32, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = factor * x;
        }
    }
}
