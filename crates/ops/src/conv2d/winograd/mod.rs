//! Winograd's convolution F(4 x 4, 3 x 3) for kernels of 3 x 3 with stride 1.
//!
//! A tile of 4 x 4 outputs reads a patch of 6 x 6 inputs. Transformed to 36 points, the convolution is a product at each
//! point, so that a tile costs 36 products a pair of channels instead of 144 (Lavin and Gray 2015, arXiv 1509.09308):
//! ```text
//! y = A^T [ sum over ci of (G w G^T) * (B^T x B) ] A
//! ```
//! At each point the sum over channels is a matrix product [tiles, ci] x [ci, co]. The gradient of the input is the same
//! with the kernel turned by half a turn, that of the weight is `G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G`.
//!
//! Rounding is that of f32 with cancellation: a NaN or an infinity in a patch makes the tile NaN.

mod generic;
mod transform;

use super::Shape;
use super::kernel::blocks;
use crate::scratch;
use crate::simd::{Level, instances};
use rayon::prelude::*;
use transform::{OUT, POINTS, Patch, SIDE};

/// Channels must be whole registers of any instruction set.
const CHANNELS: usize = 16;
/// Numbers at the points of a block of tiles that stay in the second-level cache, in and out.
const BLOCK: usize = 128 * 1024;
/// Tiles of a block: multiples of this.
const ROWS: usize = 24;
/// Numbers at the points, of inputs and gradients, between two sums into the gradient of the weight.
const ROUND: usize = 2 * 1024 * 1024;
/// Tiles whose rows stay in the first-level cache while a product passes over them.
const STRIP: usize = 64;
/// Input channels of a part of a point's matrix, so that there is work for many threads.
const PART: usize = 128;

/// Whether this is the algorithm for a shape.
pub(super) fn fits(s: &Shape) -> bool {
    let whole = s.ci.is_multiple_of(CHANNELS) && s.co.is_multiple_of(CHANNELS);
    // Of a tile that hangs over the image only a part is used.
    let tiles = |h: usize, w: usize| 2 * h.next_multiple_of(OUT) * w.next_multiple_of(OUT) <= 4 * h * w;
    let full = tiles(s.oh, s.ow) && tiles(s.h, s.w);
    s.kh == 3 && s.kw == 3 && s.stride == 1 && s.padding <= 2 && whole && full
}

/// Samples [.., height, width, channels] and the tiles of the outputs.
struct Images {
    data: *mut f32,
    height: usize,
    width: usize,
    channels: usize,
    padding: usize,
    /// Tiles of a sample.
    tile_rows: usize,
    tile_columns: usize,
}

impl Images {
    /// Calls `f` with each tile's number from 0 and its (sample, row, column).
    #[inline(always)]
    fn tiles(&self, first: usize, count: usize, mut f: impl FnMut(usize, (usize, usize, usize))) {
        let (line, sample) = (self.tile_columns, self.tile_columns * self.tile_rows);
        let (mut s, mut y, mut x) = (first / sample, first % sample / line, first % line);
        for tile in 0..count {
            f(tile, (s, y, x));
            x += 1;
            if x == line {
                (x, y) = (0, y + 1);
                if y == self.tile_rows {
                    (y, s) = (0, s + 1);
                }
            }
        }
    }

    /// The patch of `N` rows and columns of a tile, `border` pixels up and left of it.
    #[inline(always)]
    fn patch<const N: usize>(
        &self,
        (sample, y, x): (usize, usize, usize),
        border: usize,
        zeros: *const f32,
    ) -> Patch<N> {
        let mut rows = [zeros; N];
        for (i, row) in rows.iter_mut().enumerate() {
            let at = y * OUT + i;
            if at >= border && at < self.height + border {
                let line = sample * self.height + at - border;
                // The first column may lie before the image: it is not read.
                let pixel = (line * self.width + x * OUT) as isize - border as isize;
                *row = self.data.wrapping_offset(pixel * self.channels as isize);
            }
        }
        let left = border.saturating_sub(x * OUT);
        let right = (self.width + border).saturating_sub(x * OUT).min(N);
        Patch {
            rows,
            columns: (left, right),
        }
    }
}

/// Transformed tiles: for each point, rows of channels.
struct Points {
    data: *mut f32,
    /// Numbers between points.
    stride: usize,
    /// Rows in use.
    rows: usize,
    channels: usize,
}

impl Points {
    /// The first point of a tile.
    #[inline(always)]
    unsafe fn row(&self, tile: usize) -> *mut f32 {
        // SAFETY: the caller asks for a row in use.
        unsafe { self.data.add(tile * self.channels) }
    }
}

/// Numbers between points for `rows` tiles: not a power of two, lest all points fall into the same cache lines.
fn stride(rows: usize, channels: usize) -> usize {
    rows * channels + 16
}

instances! {
    fn inputs(images: &Images, zeros: *const f32, first: usize, to: &Points);
    fn gradients(images: &Images, zeros: *const f32, first: usize, to: &Points);
    fn outputs(from: &Points, images: &Images, first: usize, add: bool);
    fn products(from: &Points, weights: *const f32, to: &Points);
    fn outer(x: (*const f32, usize), y: *const f32, rows: usize, ci: usize, co: usize, sums: *mut f32);
    fn weights(w: *const f32, inner: usize, channels: usize, start: usize, width: usize, turned: bool, to: *mut f32);
    fn weight_gradients(from: *const f32, point: usize, co: usize, to: *mut f32, stride: usize);
}

/// `y = x * w`; see [`super::cpu::forward`].
pub(super) fn forward(x: &[f32], w: &[f32], s: &Shape, y: &mut [f32]) {
    let plane = Plane {
        size: [s.h, s.w],
        channels: s.ci,
        padding: s.padding,
        out: [s.oh, s.ow],
        out_channels: s.co,
    };
    with_weights(w, s.ci, s.co, false, |weights| plane.convolve(x, weights, y, false));
}

/// The gradient of the input; see [`super::cpu::grad_input`].
pub(super) fn grad_input(dy: &[f32], w: &[f32], s: &Shape, dx: &mut [f32], accumulate: bool) {
    let plane = Plane {
        size: [s.oh, s.ow],
        channels: s.co,
        padding: 2 - s.padding,
        out: [s.h, s.w],
        out_channels: s.ci,
    };
    with_weights(w, s.co, s.ci, true, |weights| {
        plane.convolve(dy, weights, dx, accumulate)
    });
}

/// Calls `f` with the transformed weights: for each block of output channels, [points, inner, width].
fn with_weights(w: &[f32], inner: usize, channels: usize, turned: bool, f: impl FnOnce(&[f32])) {
    assert_eq!(w.len(), 9 * inner * channels);
    let level = Level::detect();
    scratch::with(POINTS * inner * channels, |packed| {
        let (start, width) = (0, blocks(level, channels).next().map_or(channels, |b| b.1));
        // Blocks narrower than the first come last.
        let whole = channels / width;
        let (wide, mut rest) = packed.split_at_mut(whole * width * POINTS * inner);
        let transform = |start: usize, width: usize, to: &mut [f32]| {
            assert_eq!(to.len(), POINTS * inner * width);
            // SAFETY: the assertions give the weights and the room for the block's points.
            unsafe {
                weights(
                    level,
                    w.as_ptr(),
                    inner,
                    channels,
                    start,
                    width,
                    turned,
                    to.as_mut_ptr(),
                )
            }
        };
        wide.par_chunks_mut(width * POINTS * inner)
            .enumerate()
            .for_each(|(block, to)| transform(start + block * width, width, to));
        for (start, width) in blocks(level, channels).skip(whole) {
            let (to, behind) = std::mem::take(&mut rest).split_at_mut(width * POINTS * inner);
            transform(start, width, to);
            rest = behind;
        }
        f(packed);
    });
}

/// Images with a border of zeros, and what is made of them.
struct Plane {
    size: [usize; 2],
    channels: usize,
    padding: usize,
    out: [usize; 2],
    out_channels: usize,
}

impl Plane {
    /// Convolves the samples `x` with transformed weights.
    ///
    /// Every tile is computed for itself, so it does not matter how samples are shared out.
    fn convolve(&self, x: &[f32], weights: &[f32], y: &mut [f32], accumulate: bool) {
        let level = Level::detect();
        let (from, to) = (
            self.size[0] * self.size[1] * self.channels,
            self.out[0] * self.out[1] * self.out_channels,
        );
        let samples = y.len() / to;
        assert!(x.len() == samples * from && y.len() == samples * to);
        assert_eq!(weights.len(), POINTS * self.channels * self.out_channels);
        let tiles = self.out[0].div_ceil(OUT) * self.out[1].div_ceil(OUT);
        let block = (BLOCK / (POINTS * (self.channels + self.out_channels))).next_multiple_of(ROWS);
        let threads = rayon::current_num_threads();
        let group = samples.div_ceil(8 * threads).max(block.div_ceil(tiles));
        let group = group.min(samples.div_ceil(threads)).max(1);
        let block = block.min((group * tiles).next_multiple_of(ROWS));
        let (a, b) = (stride(block, self.channels), stride(block, self.out_channels));
        y.par_chunks_mut(group * to)
            .zip(x.par_chunks(group * from))
            .for_each(|(y, x)| {
                scratch::with(POINTS * (a + b) + SIDE * self.channels, |room| {
                    let (zeros, room) = room.split_at_mut(SIDE * self.channels);
                    zeros.fill(0.0);
                    let (source, result) = room.split_at_mut(POINTS * a);
                    let input = Images {
                        data: x.as_ptr().cast_mut(),
                        height: self.size[0],
                        width: self.size[1],
                        channels: self.channels,
                        padding: self.padding,
                        tile_rows: self.out[0].div_ceil(OUT),
                        tile_columns: self.out[1].div_ceil(OUT),
                    };
                    let output = Images {
                        data: y.as_mut_ptr(),
                        height: self.out[0],
                        width: self.out[1],
                        channels: self.out_channels,
                        padding: 0,
                        ..input
                    };
                    let all = y.len() / to * tiles;
                    for first in (0..all).step_by(block) {
                        let rows = block.min(all - first);
                        let source = Points {
                            data: source.as_mut_ptr(),
                            stride: a,
                            rows,
                            channels: self.channels,
                        };
                        let result = Points {
                            data: result.as_mut_ptr(),
                            stride: b,
                            rows,
                            channels: self.out_channels,
                        };
                        // SAFETY: the tiles from `first` on lie in the samples of `x` and `y`, and `block` rows, a multiple
                        // of every kernel's, in the room for the points; the weights are those of the shape. `input` is read
                        // only.
                        unsafe {
                            inputs(level, &input, zeros.as_ptr(), first, &source);
                            products(level, &source, weights.as_ptr(), &result);
                            outputs(level, &result, &output, first, accumulate);
                        }
                    }
                });
            });
    }
}

/// Memory in which tasks write rows of their own.
struct Rows(*mut f32);

// SAFETY: a pointer may be sent; that no two tasks write the same row is for those who use it.
unsafe impl Sync for Rows {}

impl Rows {
    /// # Safety
    /// The number lies in the memory.
    unsafe fn at(&self, number: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.0.add(number) }
    }
}

/// The gradient of the weight; see [`super::cpu::grad_weight`].
///
/// Samples are taken in rounds: all are transformed, then each point sums its products over the round's tiles, in order.
/// The rounds and groups depend on the shape alone.
pub(super) fn grad_weight(x: &[f32], dy: &[f32], s: &Shape, dw: &mut [f32]) {
    let level = Level::detect();
    let (image, gradient) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
    assert!(x.len() == s.n * image && dy.len() == s.n * gradient && dw.len() == 9 * s.ci * s.co);
    let tiles = s.oh.div_ceil(OUT) * s.ow.div_ceil(OUT);
    // Samples whose tiles are transformed by one task, and tasks in a round.
    let group = (STRIP / tiles).clamp(1, s.n);
    let (a, b) = (stride(group * tiles, s.ci), stride(group * tiles, s.co));
    let round = (ROUND / (POINTS * (a + b))).clamp(1, s.n.div_ceil(group));
    let zeros = SIDE * s.ci.max(s.co);
    let matrix = s.ci * s.co;
    scratch::with(zeros + POINTS * matrix + round * POINTS * (a + b), |room| {
        let (zeros, room) = room.split_at_mut(zeros);
        zeros.fill(0.0);
        let (zeros, (sums, room)) = (&*zeros, room.split_at_mut(POINTS * matrix));
        sums.fill(0.0);
        let rounds = x.chunks(round * group * image).zip(dy.chunks(round * group * gradient));
        for (x, dy) in rounds {
            room.par_chunks_mut(POINTS * (a + b))
                .zip(x.par_chunks(group * image).zip(dy.par_chunks(group * gradient)))
                .for_each(|(room, (x, dy))| {
                    let rows = x.len() / image * tiles;
                    let images = Images {
                        data: x.as_ptr().cast_mut(),
                        height: s.h,
                        width: s.w,
                        channels: s.ci,
                        padding: s.padding,
                        tile_rows: s.oh.div_ceil(OUT),
                        tile_columns: s.ow.div_ceil(OUT),
                    };
                    let outputs = Images {
                        data: dy.as_ptr().cast_mut(),
                        height: s.oh,
                        width: s.ow,
                        channels: s.co,
                        padding: 0,
                        ..images
                    };
                    let (from, to) = room.split_at_mut(POINTS * a);
                    let from = Points {
                        data: from.as_mut_ptr(),
                        stride: a,
                        rows,
                        channels: s.ci,
                    };
                    let to = Points {
                        data: to.as_mut_ptr(),
                        stride: b,
                        rows,
                        channels: s.co,
                    };
                    // SAFETY: the tiles are those of the group's samples, which are read only, and the room holds the
                    // points of a whole group.
                    unsafe {
                        inputs(level, &images, zeros.as_ptr(), 0, &from);
                        gradients(level, &outputs, zeros.as_ptr(), 0, &to);
                    }
                });
            let room = &*room;
            sums.par_chunks_mut(matrix).enumerate().for_each(|(point, sums)| {
                sums.par_chunks_mut(PART * s.co).enumerate().for_each(|(part, sums)| {
                    let channels = sums.len() / s.co;
                    for (room, x) in room.chunks(POINTS * (a + b)).zip(x.chunks(group * image)) {
                        let rows = x.len() / image * tiles;
                        let from = &room[point * a + part * PART..][..(rows - 1) * s.ci + channels];
                        let to = &room[POINTS * a + point * b..][..rows * s.co];
                        let from = (from.as_ptr(), s.ci);
                        // SAFETY: `from` and `to` have the rows, and `sums` has one for each of the channels.
                        unsafe { outer(level, from, to.as_ptr(), rows, channels, s.co, sums.as_mut_ptr()) };
                    }
                });
            });
        }
        let sums = &*sums;
        let to = Rows(dw.as_mut_ptr());
        (0..s.ci).into_par_iter().with_min_len(16).for_each(|row| {
            let from = &sums[row * s.co..][..(POINTS - 1) * matrix + s.co];
            // SAFETY: row `row` of each of the nine kernel positions is in `dw` and written by this task alone.
            unsafe { weight_gradients(level, from.as_ptr(), matrix, s.co, to.at(row * s.co), matrix) }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Conv2d, Shape};
    use super::*;
    use dynaprune_random::{Purpose, Stream};

    fn numbers(stream: &mut Stream, count: usize) -> Vec<f32> {
        (0..count).map(|_| stream.normal_f64() as f32).collect()
    }

    /// Calls `f` with (x, w, y) indices of every product of the convolution.
    fn products(s: &Shape, mut f: impl FnMut(usize, usize, usize)) {
        for n in 0..s.n {
            for (oy, ox) in (0..s.oh).flat_map(|y| (0..s.ow).map(move |x| (y, x))) {
                for (ky, kx) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                    let (iy, ix) = ((oy + ky).wrapping_sub(s.padding), (ox + kx).wrapping_sub(s.padding));
                    if iy >= s.h || ix >= s.w {
                        continue;
                    }
                    for (ci, co) in (0..s.ci).flat_map(|i| (0..s.co).map(move |o| (i, o))) {
                        f(
                            ((n * s.h + iy) * s.w + ix) * s.ci + ci,
                            ((ky * 3 + kx) * s.ci + ci) * s.co + co,
                            ((n * s.oh + oy) * s.ow + ox) * s.co + co,
                        );
                    }
                }
            }
        }
    }

    /// The largest difference, relative to the root mean square.
    fn error(found: &[f32], expected: &[f64]) -> f64 {
        let square: f64 = expected.iter().map(|e| e * e).sum::<f64>() / expected.len() as f64;
        let differences = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs());
        differences.fold(0.0, f64::max) / square.sqrt()
    }

    #[test]
    fn it_is_the_convolution_defined_in_f64() {
        let mut stream = Stream::new(7, Purpose::new("test"), 0);
        for (n, [h, w], padding, [ci, co]) in [
            (1, [4, 4], 1, [16, 16]),
            (3, [8, 8], 1, [16, 48]),
            (2, [7, 10], 1, [32, 16]),
            (5, [6, 11], 0, [16, 32]),
            (1, [9, 12], 2, [32, 112]),
            (70, [3, 4], 1, [16, 16]),
            (2, [16, 16], 1, [80, 64]),
            (3, [5, 8], 1, [144, 16]),
        ] {
            let conv = Conv2d { stride: 1, padding };
            let s = conv.shape(&[n, h, w, ci], &[3, 3, ci, co]).unwrap();
            assert!(fits(&s), "{s:?}");
            let (x, weight) = (numbers(&mut stream, n * h * w * ci), numbers(&mut stream, 9 * ci * co));
            let dy = numbers(&mut stream, n * s.oh * s.ow * co);
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
            products(&s, |i, k, o| {
                let (x, w, dy) = (f64::from(x[i]), f64::from(weight[k]), f64::from(dy[o]));
                y[o] += x * w;
                dx[i] += dy * w;
                dw[k] += dy * x;
            });
            let mut found = vec![f32::NAN; y.len()];
            forward(&x, &weight, &s, &mut found);
            let errors = [error(&found, &y)];
            assert!(errors[0] < 2e-6 * (ci as f64).sqrt(), "{s:?}: y {errors:?}");
            let mut found = vec![f32::NAN; x.len()];
            grad_input(&dy, &weight, &s, &mut found, false);
            assert!(error(&found, &dx) < 1e-5, "{s:?}: dx {}", error(&found, &dx));
            grad_input(&dy, &weight, &s, &mut found, true);
            let twice: Vec<f64> = dx.iter().map(|d| 2.0 * d).collect();
            assert!(
                error(&found, &twice) < 1e-5,
                "{s:?}: twice dx {}",
                error(&found, &twice)
            );
            let mut found = vec![f32::NAN; weight.len()];
            grad_weight(&x, &dy, &s, &mut found);
            assert!(error(&found, &dw) < 1e-5, "{s:?}: dw {}", error(&found, &dw));
            println!("{s:?}: {errors:?}");
        }
    }
}
