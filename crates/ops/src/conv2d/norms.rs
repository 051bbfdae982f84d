//! The norms of the gradients of the weight that single samples give.
//!
//! A sample's gradient is formed in working memory; or, where it has few pixels for its channels, it is not formed at all: with
//! the patches `x_p` of the input, one for each pixel `p` of the output, and the gradients `dy_p` of these pixels
//! ```text
//! | sum over p of x_p dy_p^T |^2 = sum over p and q of (x_p . x_q) (dy_p . dy_q)
//! ```
//! (Bu, Mao and Xu 2022, arXiv 2205.10683, choose layer by layer, too.)

use super::kernel::Run;
use super::{Shape, cpu};
use crate::simd::dispatch;
use crate::{scratch, squares};
use rayon::prelude::*;

/// Sums of a product of patches that are kept in registers.
const LANES: usize = 32;

/// See [`super::Conv2d::weight_gradient_squares`]. A task takes one sample.
pub(super) fn weight_gradient_squares(x: &[f32], dy: &[f32], s: &Shape, squares: &mut [f32]) {
    let samples = squares
        .par_iter_mut()
        .zip(x.par_chunks_exact(s.h * s.w * s.ci))
        .zip(dy.par_chunks_exact(s.oh * s.ow * s.co));
    let numbers = s.kh * s.kw * s.ci * s.co;
    if pairs_pay(s) {
        let frame = cpu::forward_frame(s);
        let (bases, runs) = (cpu::forward_bases(s, &frame, 1), cpu::forward_runs(s, &frame));
        samples.for_each(|((square, x), dy)| {
            frame.with(x, x, 0, |source| *square += pairs(source, &bases, &runs, dy) as f32);
        });
    } else {
        let alone = Shape { n: 1, ..*s };
        samples.for_each(|((square, x), dy)| {
            scratch::with(numbers, |dw| {
                cpu::grad_weight(x, dy, &alone, dw);
                *square += squares::of(dw) as f32;
            });
        });
    }
}

/// Whether pairs of pixels take fewer multiplications than the gradient, each counted twice: the loop over pairs is slower.
fn pairs_pay(s: &Shape) -> bool {
    let (pixels, patch) = (s.oh * s.ow, s.kh * s.kw * s.ci);
    (pixels + 1) * (patch + s.co) < patch * s.co
}

dispatch! {
    /// The sum over all pairs of pixels; `bases` and `runs` give the patches in `source`, as for [`super::kernel::Gather`].
    fn pairs(source: &[f32], bases: &[u32], runs: &[Run], dy: &[f32]) -> f64 {
        let channels = dy.len() / bases.len();
        let mut sum = 0.0;
        for (p, &a) in bases.iter().enumerate() {
            let gradient = &dy[p * channels..][..channels];
            for (q, &b) in bases[..=p].iter().enumerate() {
                let (mut patches, mut gradients) = ([0.0; LANES], [0.0; LANES]);
                for run in runs {
                    let a = &source[a as usize + run.offset..][..run.len];
                    let b = &source[b as usize + run.offset..][..run.len];
                    add_products(a, b, &mut patches);
                }
                add_products(gradient, &dy[q * channels..][..channels], &mut gradients);
                let product = f64::from(total(patches)) * f64::from(total(gradients));
                sum += if p == q { product } else { 2.0 * product };
            }
        }
        // What is left of terms that cancel may be below 0; a NaN passes.
        if sum < 0.0 { 0.0 } else { sum }
    }
}

#[inline(always)]
fn add_products(a: &[f32], b: &[f32], sums: &mut [f32; LANES]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += a * b;
    }
}

/// The sum of all lanes, halves first: each step is one of whole registers.
#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            sums[l] += sums[l + half];
        }
        half /= 2;
    }
    sums[0]
}
