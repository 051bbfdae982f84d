//! Batch normalisation on the CPU.
//!
//! Rows are cut into chunks whose size depends on the shape alone; each chunk gives partial sums per
//! channel, which are added in f64 in chunk order. Rows of few channels are taken several at a time,
//! as one row of up to [`LANES`] numbers, so that the sums stay in registers.

use super::BatchNorm;
use crate::scratch;
use crate::simd::dispatch;
use rayon::prelude::*;

/// Sums that are kept in registers together.
const LANES: usize = 64;
/// Numbers in a chunk, about.
const CHUNK: usize = 32 * 1024;

/// Rows taken as one, and the numbers in a chunk.
fn layout(c: usize) -> (usize, usize) {
    let rows = if c < LANES && LANES.is_multiple_of(c) {
        LANES / c
    } else {
        1
    };
    (rows, (CHUNK / (rows * c)).max(1) * rows * c)
}

/// The mean and 1 / sqrt(variance + eps) of the batch to `saved`; updates the running statistics.
pub(super) fn statistics(settings: &BatchNorm, x: &[f32], c: usize, running: &mut [f32], saved: &mut [f32]) {
    let (_, chunk) = layout(c);
    let chunks = x.len().div_ceil(chunk);
    scratch::with(chunks * 2 * c, |partials| {
        partials
            .par_chunks_mut(2 * c)
            .zip(x.par_chunks(chunk))
            .for_each(|(sums, x)| {
                let (first, second) = sums.split_at_mut(c);
                shifted_sums(x, first, second);
            });
        let total = (x.len() / c) as f64;
        for i in 0..c {
            // Chan, Golub and LeVeque (1979): moments of the parts to moments of the whole.
            let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
            for (sums, x) in partials.chunks_exact(2 * c).zip(x.chunks(chunk)) {
                let n = (x.len() / c) as f64;
                let (first, second) = (f64::from(sums[i]), f64::from(sums[c + i]));
                let part_mean = f64::from(x[i]) + first / n;
                let part_squares = second - first * first / n;
                let delta = part_mean - mean;
                squares += part_squares + delta * delta * count * n / (count + n);
                mean += delta * n / (count + n);
                count += n;
            }
            // `max` would turn a NaN into 0.
            let variance = if squares < 0.0 { 0.0 } else { squares / total };
            saved[i] = mean as f32;
            saved[c + i] = (1.0 / (variance + f64::from(settings.eps)).sqrt()) as f32;
            let unbiased = if total > 1.0 {
                variance * total / (total - 1.0)
            } else {
                variance
            };
            let momentum = f64::from(settings.momentum);
            for (slot, new) in [(i, mean), (c + i, unbiased)] {
                running[slot] = ((1.0 - momentum) * f64::from(running[slot]) + momentum * new) as f32;
            }
        }
    });
}

dispatch! {
    /// Per channel, the sums of `x - x0` and `(x - x0)^2`, where `x0` is the first row: the shift
    /// keeps the second sum from cancelling when the mean is large.
    fn shifted_sums(x: &[f32], first: &mut [f32], second: &mut [f32]) {
        let c = first.len();
        first.fill(0.0);
        second.fill(0.0);
        for (rows, width) in spans(c, x.len()) {
            for start in (0..width).step_by(LANES) {
                if width - start >= LANES {
                    let mut shift = [0.0; LANES];
                    for (l, shift) in shift.iter_mut().enumerate() {
                        *shift = x[(start + l) % c];
                    }
                    let (mut a, mut b) = ([0.0f32; LANES], [0.0f32; LANES]);
                    for row in x[rows.clone()].chunks_exact(width) {
                        let row: &[f32; LANES] = lanes(&row[start..]);
                        for l in 0..LANES {
                            let d = row[l] - shift[l];
                            a[l] += d;
                            b[l] += d * d;
                        }
                    }
                    for l in 0..LANES {
                        first[(start + l) % c] += a[l];
                        second[(start + l) % c] += b[l];
                    }
                } else {
                    for row in x[rows.clone()].chunks_exact(width) {
                        for l in start..width {
                            let d = row[l] - x[l % c];
                            first[l % c] += d;
                            second[l % c] += d * d;
                        }
                    }
                }
            }
        }
    }
}

/// The range of all whole wide rows and their width, then that of the rows left over.
///
/// Not a function that takes a closure: the compiler would not give the closure the instruction set of its caller.
#[inline(always)]
fn spans(c: usize, len: usize) -> [(std::ops::Range<usize>, usize); 2] {
    let (rows, _) = layout(c);
    let whole = len / (rows * c) * (rows * c);
    [(0..whole, rows * c), (whole..len, c)]
}

#[inline(always)]
fn lanes(row: &[f32]) -> &[f32; LANES] {
    match row.first_chunk() {
        Some(lanes) => lanes,
        None => unreachable!("the caller checks the width"),
    }
}

/// `y = (x - mean) * scale + shift (+ residual) (then ReLU)`; `of(i)` gives a channel's
/// (mean, scale, shift).
pub(super) fn normalize(
    relu: bool,
    x: &[f32],
    residual: Option<&[f32]>,
    c: usize,
    of: impl Fn(usize) -> (f32, f32, f32),
    y: &mut [f32],
) {
    let (rows, chunk) = layout(c);
    let width = rows * c;
    scratch::with(3 * width, |parameters| {
        for l in 0..width {
            (parameters[l], parameters[width + l], parameters[2 * width + l]) = of(l % c);
        }
        let parameters = &*parameters;
        let chunks = y.par_chunks_mut(chunk).zip(x.par_chunks(chunk));
        match residual {
            None => chunks.for_each(|(y, x)| affine_map(x, &[], parameters, relu, y)),
            Some(r) => {
                chunks
                    .zip(r.par_chunks(chunk))
                    .for_each(|((y, x), r)| affine_map(x, r, parameters, relu, y));
            }
        }
    });
}

dispatch! {
    fn affine_map(x: &[f32], residual: &[f32], parameters: &[f32], relu: bool, y: &mut [f32]) {
        let width = parameters.len() / 3;
        let (mean, rest) = parameters.split_at(width);
        let (scale, shift) = rest.split_at(width);
        for (i, (y, x)) in y.chunks_mut(width).zip(x.chunks(width)).enumerate() {
            if residual.is_empty() {
                for (l, (y, x)) in y.iter_mut().zip(x).enumerate() {
                    *y = (x - mean[l]) * scale[l] + shift[l];
                }
            } else {
                let residual = &residual[i * width..][..x.len()];
                for (l, (y, x)) in y.iter_mut().zip(x).enumerate() {
                    *y = (x - mean[l]) * scale[l] + shift[l] + residual[l];
                }
            }
            if relu {
                for y in y {
                    // Not `max`: a NaN must stay one.
                    *y = if *y <= 0.0 { 0.0 } else { *y };
                }
            }
        }
    }
}

/// `grad`: gradient of `y` in, gradient of `x` out.
#[allow(clippy::too_many_arguments)] // The operands of the operation.
pub(super) fn backward(
    relu: bool,
    grad: &mut [f32],
    x: &[f32],
    y: Option<&[f32]>,
    c: usize,
    affine: &[f32],
    saved: &[f32],
    daffine: &mut [f32],
    dresidual: Option<(&mut [f32], bool)>,
) {
    let (rows, chunk) = layout(c);
    let width = rows * c;
    let chunks = x.len().div_ceil(chunk);
    scratch::with(chunks * 2 * c, |partials| {
        partial_sums(relu, grad, x, y, affine, saved, dresidual, partials);
        let count = (x.len() / c) as f64;
        scratch::with(4 * width, |parameters| {
            for i in 0..c {
                let (dz, dzx) = totals(partials, c, i);
                let inverse = f64::from(saved[c + i]);
                daffine[i] = (dzx * inverse) as f32;
                daffine[c + i] = dz as f32;
                // dx = gamma * inverse * (dz - mean(dz) - xhat * mean(dz * xhat))
                let scale = f64::from(affine[i]) * inverse;
                for l in (i..width).step_by(c) {
                    parameters[l] = saved[i];
                    parameters[width + l] = scale as f32;
                    parameters[2 * width + l] = (-scale * inverse * inverse * dzx / count) as f32;
                    parameters[3 * width + l] = (-scale * dz / count) as f32;
                }
            }
            let parameters = &*parameters;
            grad.par_chunks_mut(chunk)
                .zip(x.par_chunks(chunk))
                .for_each(|(grad, x)| input_gradient(grad, x, parameters));
        });
    });
}

/// The backward pass of evaluation: `grad` as in [`backward`]; adds what a sample gives as the gradient of `affine`, squared, to
/// its number of `squares`.
#[allow(clippy::too_many_arguments)] // The operands of the operation.
pub(super) fn backward_eval(
    settings: &BatchNorm,
    grad: &mut [f32],
    x: &[f32],
    y: Option<&[f32]>,
    c: usize,
    affine: &[f32],
    running: &[f32],
    squares: &mut [f32],
    dresidual: Option<(&mut [f32], bool)>,
) {
    let (rows, chunk) = layout(c);
    let sample = x.len() / squares.len();
    let partials = sample.div_ceil(chunk) * 2 * c;
    scratch::with((4 + rows) * c, |parameters| {
        // As if gamma were 1 and the whole factor that of the statistics: the ReLU is then seen by the arithmetic that
        // [`BatchNorm::forward_eval`] used.
        let (saved, rest) = parameters.split_at_mut(2 * c);
        let (unit, scale) = rest.split_at_mut(2 * c);
        for i in 0..c {
            (saved[i], saved[c + i]) = (running[i], settings.eval_scale(affine[i], running[c + i]));
            (unit[i], unit[c + i]) = (1.0, affine[c + i]);
        }
        for (l, scale) in scale.iter_mut().enumerate() {
            *scale = saved[c + l % c];
        }
        let (saved, unit, scale) = (&*saved, &*unit, &*scale);
        let pass = |i: usize, square: &mut f32, grad: &mut [f32], dresidual: Option<(&mut [f32], bool)>| {
            let at = i * sample..(i + 1) * sample;
            let (x, y) = (&x[at.clone()], y.map(|y| &y[at]));
            scratch::with(partials, |partials| {
                partial_sums(settings.relu, grad, x, y, unit, saved, dresidual, partials);
                let mut sum = 0.0;
                for j in 0..c {
                    let (dz, dzx) = totals(partials, c, j);
                    let inverse = 1.0 / (f64::from(running[c + j]) + f64::from(settings.eps)).sqrt();
                    sum += dz * dz + dzx * inverse * dzx * inverse;
                }
                *square += sum as f32;
            });
            multiply(grad, scale);
        };
        let samples = squares.par_iter_mut().zip(grad.par_chunks_mut(sample)).enumerate();
        match dresidual {
            None => samples.for_each(|(i, (square, grad))| pass(i, square, grad, None)),
            Some((to, add)) => samples
                .zip(to.par_chunks_mut(sample))
                .for_each(|((i, (square, grad)), to)| pass(i, square, grad, Some((to, add)))),
        }
    });
}

/// For each chunk, the sums of the gradient behind the ReLU, which takes the place of `grad` and goes to the residual, and of
/// its product with `x - mean`.
#[allow(clippy::too_many_arguments)] // The operands of the operation.
fn partial_sums(
    relu: bool,
    grad: &mut [f32],
    x: &[f32],
    y: Option<&[f32]>,
    affine: &[f32],
    saved: &[f32],
    dresidual: Option<(&mut [f32], bool)>,
    partials: &mut [f32],
) {
    let (_, chunk) = layout(saved.len() / 2);
    let parts = partials.par_chunks_mut(saved.len()).zip(grad.par_chunks_mut(chunk));
    let parts = parts.zip(x.par_chunks(chunk));
    match (y, dresidual) {
        (None, _) => parts.for_each(|((sums, grad), x)| gradient_sums(relu, grad, x, affine, saved, sums)),
        (Some(y), None) => parts
            .zip(y.par_chunks(chunk))
            .for_each(|(((sums, grad), x), y)| output_sums(relu, grad, x, y, saved, sums)),
        (Some(y), Some((to, add))) => parts
            .zip(y.par_chunks(chunk))
            .zip(to.par_chunks_mut(chunk))
            .for_each(|((((sums, grad), x), y), to)| residual_sums(relu, add, grad, x, y, to, saved, sums)),
    }
}

/// Both sums of channel `i` over all chunks.
fn totals(partials: &[f32], c: usize, i: usize) -> (f64, f64) {
    let sum = |at: usize| partials.chunks_exact(2 * c).map(|p| f64::from(p[at])).sum();
    (sum(i), sum(c + i))
}

dispatch! {
    /// Multiplies the rows of `x` by `factors`.
    fn multiply(x: &mut [f32], factors: &[f32]) {
        for x in x.chunks_mut(factors.len()) {
            for (x, factor) in x.iter_mut().zip(factors) {
                *x *= factor;
            }
        }
    }
}

dispatch! {
    /// Sets the gradient to 0 where the ReLU did, and sums it and `grad * (x - mean)` per channel.
    ///
    /// Where the ReLU set 0 is told by `x`, by the arithmetic of [`normalize`]: the output need not be read.
    fn gradient_sums(relu: bool, grad: &mut [f32], x: &[f32], affine: &[f32], saved: &[f32], sums: &mut [f32]) {
        if relu {
            sums_of::<INPUT, NONE>(grad, x, &[], &mut [], affine, saved, sums);
        } else {
            sums_of::<NONE, NONE>(grad, x, &[], &mut [], affine, saved, sums);
        }
    }
}

dispatch! {
    /// As [`gradient_sums`], where the output tells of the ReLU: a residual was added.
    fn output_sums(relu: bool, grad: &mut [f32], x: &[f32], y: &[f32], saved: &[f32], sums: &mut [f32]) {
        if relu {
            sums_of::<OUTPUT, NONE>(grad, x, y, &mut [], &[], saved, sums);
        } else {
            sums_of::<NONE, NONE>(grad, x, &[], &mut [], &[], saved, sums);
        }
    }
}

dispatch! {
    /// As [`output_sums`], and hands the gradient on to the residual.
    #[allow(clippy::too_many_arguments)] // The operands of the operation.
    fn residual_sums(
        relu: bool,
        add: bool,
        grad: &mut [f32],
        x: &[f32],
        y: &[f32],
        to: &mut [f32],
        saved: &[f32],
        sums: &mut [f32],
    ) {
        match (relu, add) {
            (true, true) => sums_of::<OUTPUT, ADD>(grad, x, y, to, &[], saved, sums),
            (true, false) => sums_of::<OUTPUT, WRITE>(grad, x, y, to, &[], saved, sums),
            (false, true) => sums_of::<NONE, ADD>(grad, x, &[], to, &[], saved, sums),
            (false, false) => sums_of::<NONE, WRITE>(grad, x, &[], to, &[], saved, sums),
        }
    }
}

const NONE: u8 = 0;
/// What tells where the ReLU set 0.
const INPUT: u8 = 1;
const OUTPUT: u8 = 2;
/// What is done with the gradient of the residual.
const WRITE: u8 = 1;
const ADD: u8 = 2;

/// Per lane of a row: the batch's mean, and what `normalize` makes of a number.
struct Lanes {
    mean: [f32; LANES],
    scale: [f32; LANES],
    shift: [f32; LANES],
}

#[inline(always)]
fn sums_of<const RELU: u8, const TO: u8>(
    grad: &mut [f32],
    x: &[f32],
    y: &[f32],
    to: &mut [f32],
    affine: &[f32],
    saved: &[f32],
    sums: &mut [f32],
) {
    let c = saved.len() / 2;
    sums.fill(0.0);
    let (first, second) = sums.split_at_mut(c);
    for (rows, width) in spans(c, x.len()) {
        for start in (0..width).step_by(LANES) {
            let end = (start + LANES).min(width);
            let mut of = Lanes {
                mean: [0.0; LANES],
                scale: [0.0; LANES],
                shift: [0.0; LANES],
            };
            for l in 0..end - start {
                let i = (start + l) % c;
                of.mean[l] = saved[i];
                if RELU == INPUT {
                    (of.scale[l], of.shift[l]) = (affine[i] * saved[c + i], affine[c + i]);
                }
            }
            let (mut a, mut b) = ([0.0f32; LANES], [0.0f32; LANES]);
            for row in rows.clone().step_by(width) {
                let at = row + start..row + end;
                let y = if RELU == OUTPUT { &y[at.clone()] } else { &[] };
                let to = if TO == NONE { &mut [] } else { &mut to[at.clone()] };
                let (grad, x) = (&mut grad[at.clone()], &x[at]);
                if end - start == LANES {
                    lane_sums::<RELU, TO>(LANES, grad, x, y, to, &of, &mut a, &mut b);
                } else {
                    lane_sums::<RELU, TO>(end - start, grad, x, y, to, &of, &mut a, &mut b);
                }
            }
            for l in 0..end - start {
                first[(start + l) % c] += a[l];
                second[(start + l) % c] += b[l];
            }
        }
    }
}

/// One row's share of [`sums_of`].
#[inline(always)]
#[allow(clippy::too_many_arguments)] // The operands of the operation.
fn lane_sums<const RELU: u8, const TO: u8>(
    lanes: usize,
    grad: &mut [f32],
    x: &[f32],
    y: &[f32],
    to: &mut [f32],
    of: &Lanes,
    a: &mut [f32; LANES],
    b: &mut [f32; LANES],
) {
    let (grad, x) = (&mut grad[..lanes], &x[..lanes]);
    let y = if RELU == OUTPUT { &y[..lanes] } else { y };
    let to = if TO == NONE { to } else { &mut to[..lanes] };
    for l in 0..lanes {
        let off = x[l] - of.mean[l];
        let y = match RELU {
            INPUT => off * of.scale[l] + of.shift[l],
            OUTPUT => y[l],
            _ => 1.0,
        };
        let g = if y <= 0.0 { 0.0 } else { grad[l] };
        if RELU != NONE {
            grad[l] = g;
        }
        a[l] += g;
        b[l] += g * off;
        match TO {
            WRITE => to[l] = g,
            ADD => to[l] += g,
            _ => {}
        }
    }
}

dispatch! {
    fn input_gradient(grad: &mut [f32], x: &[f32], parameters: &[f32]) {
        let width = parameters.len() / 4;
        let (mean, rest) = parameters.split_at(width);
        let (scale, rest) = rest.split_at(width);
        let (slope, offset) = rest.split_at(width);
        for (grad, x) in grad.chunks_mut(width).zip(x.chunks(width)) {
            for (l, (grad, x)) in grad.iter_mut().zip(x).enumerate() {
                *grad = *grad * scale[l] + ((x - mean[l]) * slope[l] + offset[l]);
            }
        }
    }
}
