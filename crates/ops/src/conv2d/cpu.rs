//! Convolution on the CPU: by tiles where [`winograd`] fits, else directly, as follows.
//!
//! A task takes a block of samples: if there is a border of zeros it copies them with it into its
//! own memory, so that no inner loop tests for the border, and runs the kernel over them. In the channels-last
//! layout the columns of a kernel row read one contiguous run of a row of the image.
//!
//! How samples are put into blocks depends on the shape alone, never on the number of threads, and
//! partial weight gradients are added in block order: the bits do not depend on the threads.

use super::kernel::{Gather, Outer, Run, blocks, padded};
use super::{Shape, winograd};
use crate::scratch;
use crate::simd::Level;
use rayon::prelude::*;

/// A block's padded source stays in the second-level cache: numbers, not bytes.
const BLOCK: usize = 64 * 1024;
/// Blocks that a batch is cut into at least (if it has the samples), so that threads share evenly.
const MIN_BLOCKS: usize = 16;
/// Partial weight gradients, and the numbers they may hold together if there are more than two.
const MAX_PARTIALS: usize = 16;
const PARTIALS: usize = 512 * 1024;
/// Pixels whose rows stay in the first-level cache while all runs pass over them.
const STRIP: usize = 64;

/// A sample with a border: rows, columns and channels of the source, and the border before them.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    height: usize,
    width: usize,
    channels: usize,
    top: usize,
    left: usize,
    framed_height: usize,
    framed_width: usize,
}

impl Frame {
    fn len(&self) -> usize {
        self.framed_height * self.framed_width * self.channels
    }

    /// Samples in a block.
    fn block(&self, samples: usize) -> usize {
        (BLOCK / self.len()).min(samples.div_ceil(MIN_BLOCKS)).max(1)
    }

    /// Calls `f` with whole samples framed, and `slack` numbers of whatever content behind them.
    ///
    /// `behind` is all that lies from the samples on: without a border, nothing need be copied.
    pub(super) fn with<R>(&self, samples: &[f32], behind: &[f32], slack: usize, f: impl FnOnce(&[f32]) -> R) -> R {
        let bare = self.framed_height == self.height && self.framed_width == self.width;
        if let Some(source) = behind.get(..samples.len() + slack).filter(|_| bare) {
            return f(source);
        }
        let len = samples.len() / (self.height * self.width * self.channels) * self.len();
        scratch::with(len + slack, |source| {
            self.fill(samples, source);
            f(source)
        })
    }

    /// Copies whole samples into `to`, zeros around them.
    fn fill(&self, from: &[f32], to: &mut [f32]) {
        let row = self.width * self.channels;
        let samples = from.chunks_exact(self.height * row);
        for (from, to) in samples.zip(to.chunks_exact_mut(self.len())) {
            let mut rows = to.chunks_exact_mut(self.framed_width * self.channels);
            for to in rows.by_ref().take(self.top) {
                to.fill(0.0);
            }
            for (from, to) in from.chunks_exact(row).zip(rows.by_ref()) {
                let left = self.left * self.channels;
                to[..left].fill(0.0);
                to[left..left + row].copy_from_slice(from);
                to[left + row..].fill(0.0);
            }
            for to in rows {
                to.fill(0.0);
            }
        }
    }
}

/// `y = x * w`. Shapes: `x` [n, h, w, ci], `w` [kh, kw, ci, co], `y` [n, oh, ow, co].
pub(super) fn forward(x: &[f32], w: &[f32], s: &Shape, y: &mut [f32]) {
    if winograd::fits(s) {
        return winograd::forward(x, w, s, y);
    }
    let level = Level::detect();
    let frame = forward_frame(s);
    let block = frame.block(s.n);
    let bases = forward_bases(s, &frame, block);
    let outs: Vec<u32> = (0..bases.len()).map(|i| (i * s.co) as u32).collect();
    let runs = forward_runs(s, &frame);
    scratch::with(padded(level, s.co) * s.kh * s.kw * s.ci, |weights| {
        pack(level, s.co, s.kh * s.kw * s.ci, weights, |row, c| w[row * s.co + c]);
        let weights = &*weights;
        let image = s.oh * s.ow * s.co;
        (y.par_chunks_mut(block * image), x.par_chunks(block * s.h * s.w * s.ci))
            .into_par_iter()
            .for_each(|(y, x)| {
                let samples = y.len() / image;
                frame.with(x, x, 0, |source| {
                    let pixels = samples * s.oh * s.ow;
                    let gather = Gather {
                        source,
                        bases: &bases[..pixels],
                        runs: &runs,
                        weights,
                        outs: &outs[..pixels],
                        channels: s.co,
                        accumulate: false,
                    };
                    gather.run(level, y);
                });
            });
    });
}

/// The gradient of the input: `dx[iy] = sum over ky, oy with oy * stride + ky = iy + padding`.
///
/// The input pixels of one residue class modulo the stride read the same taps; each class is a
/// dense convolution of the framed `dy`.
pub(super) fn grad_input(dy: &[f32], w: &[f32], s: &Shape, dx: &mut [f32], accumulate: bool) {
    if winograd::fits(s) {
        return winograd::grad_input(dy, w, s, dx, accumulate);
    }
    let level = Level::detect();
    let rows = taps(s.kh, s.stride, s.padding, s.h);
    let columns = taps(s.kw, s.stride, s.padding, s.w);
    let (top, bottom) = border(&rows, s.stride, s.h, s.oh);
    let (left, right) = border(&columns, s.stride, s.w, s.ow);
    let frame = Frame {
        height: s.oh,
        width: s.ow,
        channels: s.co,
        top,
        left,
        framed_height: s.oh + top + bottom,
        framed_width: s.ow + left + right,
    };
    let block = frame.block(s.n);
    let mut phases = Vec::new();
    let mut packed = 0;
    for (py, row_taps) in rows.iter().enumerate() {
        for (px, column_taps) in columns.iter().enumerate() {
            let phase = Phase::new(s, &frame, block, (py, row_taps), (px, column_taps), packed);
            packed += padded(level, s.ci) * phase.order.len() * s.co;
            phases.push(phase);
        }
    }
    scratch::with(packed, |weights| {
        for phase in &phases {
            let len = padded(level, s.ci) * phase.order.len() * s.co;
            let weights = &mut weights[phase.weights..phase.weights + len];
            pack(level, s.ci, phase.order.len() * s.co, weights, |row, c| {
                let (ky, kx) = phase.order[row / s.co];
                w[((ky * s.kw + kx) * s.ci + c) * s.co + row % s.co]
            });
        }
        let weights = &*weights;
        // Classes that no tap reaches, as under a kernel that is smaller than its stride.
        let unreached = phases.iter().any(|phase| phase.order.is_empty());
        let image = s.h * s.w * s.ci;
        (
            dx.par_chunks_mut(block * image),
            dy.par_chunks(block * s.oh * s.ow * s.co),
        )
            .into_par_iter()
            .for_each(|(dx, dy)| {
                let samples = dx.len() / image;
                if unreached && !accumulate {
                    dx.fill(0.0);
                }
                frame.with(dy, dy, 0, |source| {
                    for phase in phases.iter().filter(|phase| !phase.order.is_empty()) {
                        let pixels = phase.bases.len() / block * samples;
                        let gather = Gather {
                            source,
                            bases: &phase.bases[..pixels],
                            runs: &phase.runs,
                            weights: &weights[phase.weights..],
                            outs: &phase.outs[..pixels],
                            channels: s.ci,
                            accumulate,
                        };
                        gather.run(level, dx);
                    }
                });
            });
    });
}

/// The gradient of the weight, [kh, kw, ci, co].
pub(super) fn grad_weight(x: &[f32], dy: &[f32], s: &Shape, dw: &mut [f32]) {
    if winograd::fits(s) {
        return winograd::grad_weight(x, dy, s, dw);
    }
    let level = Level::detect();
    let frame = forward_frame(s);
    let block = frame.block(s.n);
    let bases = forward_bases(s, &frame, block);
    let runs = forward_runs(s, &frame);
    let stride = padded(level, s.co);
    let rows = s.kh * s.kw * s.ci;
    let len = rows * stride;
    // A small gradient stays cached while strips of pixels pass; a large one is written once a block.
    let strip = if len <= BLOCK { STRIP } else { usize::MAX };
    // A power of two, so that a few threads have equal shares.
    let groups = (PARTIALS / len).clamp(2, MAX_PARTIALS).ilog2();
    let groups = (1 << groups).min(s.n.div_ceil(block));
    let group = s.n.div_ceil(block).div_ceil(groups) * block;
    let groups = s.n.div_ceil(group);
    let (image, gradient) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    scratch::with(groups * len, |partials| {
        partials
            .par_chunks_mut(len)
            .zip(x.par_chunks(group * image))
            .zip(dy.par_chunks(group * gradient))
            .for_each(|((sums, x), dy)| {
                sums.fill(0.0);
                let padded = if stride == s.co {
                    0
                } else {
                    block * s.oh * s.ow * stride
                };
                scratch::with(padded, |padded| {
                    for (i, dy) in dy.chunks(block * gradient).enumerate() {
                        let behind = &x[i * block * image..];
                        let samples = &behind[..dy.len() / gradient * image];
                        frame.with(samples, behind, Outer::SLACK, |source| {
                            let rows = if stride == s.co {
                                dy
                            } else {
                                widen(dy, s.co, stride, padded)
                            };
                            let pixels = dy.len() / s.co;
                            let strip = strip.min(pixels);
                            for (bases, rows) in bases[..pixels].chunks(strip).zip(rows.chunks(strip * stride)) {
                                Outer {
                                    source,
                                    bases,
                                    runs: &runs,
                                    rows,
                                    stride,
                                }
                                .run(level, sums);
                            }
                        });
                    }
                });
            });
        let partials = &*partials;
        dw.par_chunks_mut(s.co)
            .enumerate()
            .with_min_len(64)
            .for_each(|(row, dw)| {
                dw.copy_from_slice(&partials[row * stride..][..s.co]);
                for partial in partials.chunks_exact(len).skip(1) {
                    for (sum, part) in dw.iter_mut().zip(&partial[row * stride..]) {
                        *sum += part;
                    }
                }
            });
    });
}

pub(super) fn forward_frame(s: &Shape) -> Frame {
    Frame {
        height: s.h,
        width: s.w,
        channels: s.ci,
        top: s.padding,
        left: s.padding,
        framed_height: s.h + 2 * s.padding,
        framed_width: s.w + 2 * s.padding,
    }
}

/// Where the window of each output pixel of a block starts in the framed block.
pub(super) fn forward_bases(s: &Shape, frame: &Frame, block: usize) -> Vec<u32> {
    let mut bases = Vec::with_capacity(block * s.oh * s.ow);
    for sample in 0..block {
        for oy in 0..s.oh {
            for ox in 0..s.ow {
                let pixel = oy * s.stride * frame.framed_width + ox * s.stride;
                bases.push((sample * frame.len() + pixel * s.ci) as u32);
            }
        }
    }
    bases
}

/// One run for each row of the kernel.
pub(super) fn forward_runs(s: &Shape, frame: &Frame) -> Vec<Run> {
    (0..s.kh)
        .map(|ky| Run {
            offset: ky * frame.framed_width * s.ci,
            len: s.kw * s.ci,
        })
        .collect()
}

/// For each residue of the input position: the taps `(d, k)` that reach it, by ascending `d`, where
/// input position `a * stride + residue` reads output position `a + d` through kernel position `k`.
fn taps(kernel: usize, stride: usize, padding: usize, size: usize) -> Vec<Vec<(isize, usize)>> {
    (0..stride.min(size))
        .map(|residue| {
            let reach = |k: usize| (residue + padding) as isize - k as isize;
            let hits = (0..kernel).rev().filter(|&k| reach(k).rem_euclid(stride as isize) == 0);
            hits.map(|k| (reach(k).div_euclid(stride as isize), k)).collect()
        })
        .collect()
}

/// Zeros needed before and behind the output positions so that every tap stays inside.
fn border(taps: &[Vec<(isize, usize)>], stride: usize, size: usize, out: usize) -> (usize, usize) {
    let (mut before, mut behind) = (0, 0);
    for (residue, taps) in taps.iter().enumerate() {
        let last = ((size - 1 - residue) / stride) as isize;
        for &(d, _) in taps {
            before = before.max(-d);
            behind = behind.max(last + d - (out as isize - 1));
        }
    }
    (before as usize, behind as usize)
}

/// The input pixels of one residue class.
struct Phase {
    runs: Vec<Run>,
    bases: Vec<u32>,
    outs: Vec<u32>,
    /// Kernel positions in the order of the runs.
    order: Vec<(usize, usize)>,
    /// Where its packed weights begin.
    weights: usize,
}

impl Phase {
    fn new(
        s: &Shape,
        frame: &Frame,
        block: usize,
        (py, rows): (usize, &Vec<(isize, usize)>),
        (px, columns): (usize, &Vec<(isize, usize)>),
        weights: usize,
    ) -> Self {
        let at = |d: isize, border: usize| (d + border as isize) as usize;
        let mut runs = Vec::new();
        let mut order = Vec::new();
        if let Some(&(first, _)) = columns.first() {
            for &(dy, ky) in rows {
                // Successive taps of a class lie one output column apart: one run.
                let offset = (at(dy, frame.top) * frame.framed_width + at(first, frame.left)) * s.co;
                runs.push(Run {
                    offset,
                    len: columns.len() * s.co,
                });
                order.extend(columns.iter().map(|&(_, kx)| (ky, kx)));
            }
        }
        let mut bases = Vec::new();
        let mut outs = Vec::new();
        for sample in 0..block {
            for (a, iy) in (py..s.h).step_by(s.stride).enumerate() {
                for (b, ix) in (px..s.w).step_by(s.stride).enumerate() {
                    bases.push((sample * frame.len() + (a * frame.framed_width + b) * s.co) as u32);
                    outs.push((((sample * s.h + iy) * s.w + ix) * s.ci) as u32);
                }
            }
        }
        Self {
            runs,
            bases,
            outs,
            order,
            weights,
        }
    }
}

/// Packs `rows` rows of `channels` weights in channel blocks, zeros behind the last channel.
fn pack(level: Level, channels: usize, rows: usize, packed: &mut [f32], weight: impl Fn(usize, usize) -> f32 + Sync) {
    let mut rest = packed;
    let mut parts = Vec::new();
    for (start, width) in blocks(level, channels) {
        let (part, behind) = rest.split_at_mut(width * rows);
        rest = behind;
        parts.push((start, width, part));
    }
    parts.into_par_iter().for_each(|(start, width, part)| {
        for (row, to) in part.chunks_exact_mut(width).enumerate() {
            for (c, to) in to.iter_mut().enumerate() {
                *to = if start + c < channels {
                    weight(row, start + c)
                } else {
                    0.0
                };
            }
        }
    });
}

/// Rows of `channels` numbers widened to `stride`, zeros behind.
fn widen<'a>(from: &[f32], channels: usize, stride: usize, to: &'a mut [f32]) -> &'a [f32] {
    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(stride)) {
        to[..channels].copy_from_slice(from);
        to[channels..].fill(0.0);
    }
    to
}
