//! Images to images: the forward pass and the gradient of the input.

use super::transform::{OUT, POINTS, SIDE};
use super::{Images, Points, ROUND, STRIP, inputs, outputs, products, stride, weights};
use crate::conv2d::kernel::blocks;
use crate::scratch;
use crate::simd::Level;
use rayon::prelude::*;

/// Numbers at the points of a block of tiles that stay in the second-level cache, in and out.
const BLOCK: usize = 128 * 1024;
/// Rows of a block: multiples of this, which every kernel divides.
const ROWS: usize = 24;
/// Pairs of channels from which on the transformed weights leave the cache.
const WIDE: usize = 256 * 256;

/// Images with a border of zeros, and what is made of them.
pub(super) struct Plane {
    pub(super) size: [usize; 2],
    pub(super) channels: usize,
    pub(super) padding: usize,
    pub(super) out: [usize; 2],
    pub(super) out_channels: usize,
    /// Whether the weights are [3, 3, out, in], to be turned by half a turn.
    pub(super) turned: bool,
}

impl Plane {
    /// Convolves the samples `x` with the weights `w` into `y`, or adds to it.
    ///
    /// Every tile is computed for itself, in the same order of channels: how the work is shared out does not show.
    pub(super) fn convolve(&self, x: &[f32], w: &[f32], y: &mut [f32], accumulate: bool) {
        let level = Level::detect();
        assert_eq!(w.len(), 9 * self.channels * self.out_channels);
        assert_eq!(x.len() / self.from() * self.to(), y.len());
        let blocks = blocks(level, self.out_channels).count();
        if self.channels * self.out_channels >= WIDE && blocks >= rayon::current_num_threads() {
            self.by_channels(level, x, w, y, accumulate);
        } else {
            self.by_samples(level, x, w, y, accumulate);
        }
    }

    /// Tasks take samples and all of the weights.
    fn by_samples(&self, level: Level, x: &[f32], w: &[f32], y: &mut [f32], accumulate: bool) {
        let (samples, tiles) = (y.len() / self.to(), self.tiles());
        let block = (BLOCK / (POINTS * (self.channels + self.out_channels)))
            .max(1)
            .next_multiple_of(ROWS);
        let threads = rayon::current_num_threads();
        let group = samples.div_ceil(8 * threads).max(block.div_ceil(tiles));
        let group = group.min(samples.div_ceil(threads)).max(1);
        let block = block.min((group * tiles).next_multiple_of(ROWS));
        let (a, b) = (stride(block, self.channels), stride(block, self.out_channels));
        scratch::with(POINTS * self.channels * self.out_channels, |packed| {
            let (mut rest, mut parts) = (&mut *packed, Vec::new());
            for (start, width) in blocks(level, self.out_channels) {
                let (to, behind) = std::mem::take(&mut rest).split_at_mut(POINTS * self.channels * width);
                parts.push((start, width, to));
                rest = behind;
            }
            let parts = parts.into_par_iter();
            parts.for_each(|(start, width, to)| self.transform(level, w, start, width, to));
            let packed = &*packed;
            let groups = y
                .par_chunks_mut(group * self.to())
                .zip(x.par_chunks(group * self.from()));
            groups.for_each(|(y, x)| {
                self.with_zeros(POINTS * (a + b), |zeros, room| {
                    let (source, result) = room.split_at_mut(POINTS * a);
                    let (input, output) = (self.input(x), self.output(y.as_mut_ptr()));
                    let all = y.len() / self.to() * tiles;
                    for first in (0..all).step_by(block) {
                        let rows = block.min(all - first);
                        let source = Points::new(source, a, rows, self.channels);
                        let result = Points::new(result, b, rows, self.out_channels);
                        // SAFETY: the tiles from `first` on lie in the samples of `x` and `y`, and `block` rows, which
                        // every kernel divides, in the room for the points; the weights are those of the shape. `input`
                        // is read only.
                        unsafe {
                            inputs(level, &input, zeros.as_ptr(), first, &source);
                            products(level, &source, packed.as_ptr(), &result);
                            outputs(level, &result, &output, first, accumulate);
                        }
                    }
                });
            });
        });
    }

    /// Tasks take output channels and all of the samples: they transform the weights of their own channels, and use them
    /// while they are in the cache.
    fn by_channels(&self, level: Level, x: &[f32], w: &[f32], y: &mut [f32], accumulate: bool) {
        let (samples, tiles) = (y.len() / self.to(), self.tiles());
        // Samples whose tiles are transformed together, and how many such groups before products are made of them.
        let group = STRIP.div_ceil(tiles).min(samples);
        let rows = (group * tiles).next_multiple_of(ROWS);
        let a = stride(rows, self.channels);
        let round = (2 * ROUND / (POINTS * a)).clamp(1, samples.div_ceil(group));
        self.with_zeros(round * POINTS * a, |zeros, room| {
            let rounds = y
                .chunks_mut(round * group * self.to())
                .zip(x.chunks(round * group * self.from()));
            for (y, x) in rounds {
                let groups = room.par_chunks_mut(POINTS * a).zip(x.par_chunks(group * self.from()));
                groups.for_each(|(room, x)| {
                    let points = Points::new(room, a, x.len() / self.from() * tiles, self.channels);
                    // SAFETY: the tiles are those of the samples, which are read only, and the room has their rows.
                    unsafe { inputs(level, &self.input(x), zeros.as_ptr(), 0, &points) };
                });
                let room = &*room;
                let all: Vec<_> = blocks(level, self.out_channels).collect();
                let output = self.output(y.as_mut_ptr());
                all.into_par_iter().with_max_len(1).for_each(|(start, width)| {
                    let (packed, b) = (POINTS * self.channels * width, stride(rows, width));
                    scratch::with(packed + POINTS * b, |scratch| {
                        let (packed, result) = scratch.split_at_mut(packed);
                        self.transform(level, w, start, width, packed);
                        for (i, x) in x.chunks(group * self.from()).enumerate() {
                            let rows = x.len() / self.from() * tiles;
                            let source = Points {
                                data: room[i * POINTS * a..].as_ptr().cast_mut(),
                                stride: a,
                                rows,
                                channels: self.channels,
                            };
                            let result = Points::new(result, b, rows, width);
                            // SAFETY: as in `by_samples`; `source` is read only, and of `y` no other task writes the
                            // channels from `start` on.
                            unsafe {
                                products(level, &source, packed.as_ptr(), &result);
                                let output = output.part(i * group * self.to() + start, width);
                                outputs(level, &result, &output, 0, accumulate);
                            }
                        }
                    });
                });
            }
        });
    }

    /// Numbers of a sample.
    fn from(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Numbers of a sample's result.
    fn to(&self) -> usize {
        self.out[0] * self.out[1] * self.out_channels
    }

    /// Tiles of a sample.
    fn tiles(&self) -> usize {
        self.out[0].div_ceil(OUT) * self.out[1].div_ceil(OUT)
    }

    /// Calls `f` with zeros for rows outside the image, and with room for `len` numbers.
    fn with_zeros(&self, len: usize, f: impl FnOnce(&[f32], &mut [f32])) {
        let zeros = SIDE * self.channels;
        scratch::with(zeros + len, |room| {
            let (zeros, room) = room.split_at_mut(zeros);
            zeros.fill(0.0);
            f(zeros, room);
        });
    }

    fn input(&self, x: &[f32]) -> Images {
        Images::new(x.as_ptr().cast_mut(), self.size, self.channels, self.padding, self.out)
    }

    fn output(&self, data: *mut f32) -> Images {
        Images::new(data, self.out, self.out_channels, 0, self.out)
    }

    /// Transforms the weights of the `width` output channels from `start` on.
    fn transform(&self, level: Level, w: &[f32], start: usize, width: usize, to: &mut [f32]) {
        let (inner, channels) = (self.channels, self.out_channels);
        assert!(w.len() == 9 * inner * channels && start + width <= channels && to.len() == POINTS * inner * width);
        // SAFETY: the assertion gives the weights and the room for the block's points.
        unsafe {
            weights(
                level,
                w.as_ptr(),
                inner,
                channels,
                start,
                width,
                self.turned,
                to.as_mut_ptr(),
            )
        }
    }
}
