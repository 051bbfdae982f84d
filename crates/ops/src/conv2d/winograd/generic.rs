//! The passes of the algorithm over blocks of tiles, generic over the instruction set.

use super::transform::{
    OUT, POINTS, Place, SIDE, gradient_tile, input_tile, output_tile, weight_gradient_tile, weight_tile,
};
use super::{CHANNELS, Images, Points};
use crate::conv2d::kernel::blocks;
use crate::simd::{Level, Vector};

/// Transforms the tiles from `first` on, as many as `to` has rows in use: the patches of inputs.
///
/// # Safety
/// The processor has the instruction set of `V`, whose lanes divide the channels; the pointers of `images` and `to`
/// are good for the tiles, and `zeros` for a row of a patch.
#[inline(always)]
pub(super) unsafe fn inputs<V: Vector>(images: &Images, zeros: *const f32, first: usize, to: &Points) {
    // SAFETY: passed on to the caller.
    unsafe {
        images.tiles(first, to.rows, |tile, at| {
            let patch = images.patch::<SIDE>(at, images.padding, zeros);
            input_tile::<V>(&patch, images.channels, images.pitch, to.row(tile), to.stride);
        });
    }
}

/// As [`inputs`], of gradients of outputs.
///
/// # Safety
/// As [`inputs`].
#[inline(always)]
pub(super) unsafe fn gradients<V: Vector>(images: &Images, zeros: *const f32, first: usize, to: &Points) {
    // SAFETY: passed on to the caller.
    unsafe {
        images.tiles(first, to.rows, |tile, at| {
            let patch = images.patch::<OUT>(at, 0, zeros);
            gradient_tile::<V>(&patch, images.channels, images.pitch, to.row(tile), to.stride);
        });
    }
}

/// Writes the tiles from `first` on to `images`, or adds them.
///
/// # Safety
/// As [`inputs`]; `images` may be written.
#[inline(always)]
pub(super) unsafe fn outputs<V: Vector>(from: &Points, images: &Images, first: usize, add: bool) {
    // SAFETY: passed on to the caller.
    unsafe {
        images.tiles(first, from.rows, |tile, (sample, y, x)| {
            let (top, left) = (y * OUT, x * OUT);
            let pixel = (sample * images.height + top) * images.width + left;
            let place = Place {
                to: images.data.add(pixel * images.pitch),
                pitch: images.pitch,
                row: images.width * images.pitch,
                rows: (images.height - top).min(OUT),
                columns: (images.width - left).min(OUT),
            };
            if add {
                output_tile::<V, true>(from.row(tile), from.stride, images.channels, &place);
            } else {
                output_tile::<V, false>(from.row(tile), from.stride, images.channels, &place);
            }
        });
    }
}

/// At each point, `to = from * weights`: [rows, channels of `from`] times [channels of `from`, channels of `to`].
///
/// # Safety
/// The processor has the instruction set of `V`; the rows of `from` and `to`, rounded up to a multiple of `ROWS`, may be
/// read and written; `weights` holds the blocks of channels as [`weights`](super::weights) packs them.
#[inline(always)]
pub(super) unsafe fn products<V: Vector>(from: &Points, weights: *const f32, to: &Points) {
    let (inner, channels) = (from.channels, to.channels);
    for point in 0..POINTS {
        for (start, width) in blocks(V::LEVEL, channels) {
            // SAFETY: see the contract.
            unsafe {
                let b = weights.add(start * POINTS * inner + point * inner * width);
                let (a, c) = (
                    from.data.add(point * from.stride),
                    to.data.add(point * to.stride + start),
                );
                match width / V::LANES {
                    4 => product::<V, 6, 4>(a, b, c, from.rows, inner, channels),
                    2 if V::LEVEL == Level::Avx512 => product::<V, 8, 2>(a, b, c, from.rows, inner, channels),
                    2 => product::<V, 6, 2>(a, b, c, from.rows, inner, channels),
                    _ => product::<V, 8, 1>(a, b, c, from.rows, inner, channels),
                }
            }
        }
    }
}

/// `c = a b`: [rows, inner] times [inner, `NV` registers], to the first registers of rows of `channels`.
///
/// # Safety
/// As [`products`].
#[inline(always)]
unsafe fn product<V: Vector, const MR: usize, const NV: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    rows: usize,
    inner: usize,
    channels: usize,
) {
    for first in (0..rows).step_by(MR) {
        // SAFETY: see the contract.
        unsafe {
            let mut sums = [[V::zero(); NV]; MR];
            let mut from = [a; MR];
            for (p, from) in from.iter_mut().enumerate() {
                *from = a.add((first + p) * inner);
            }
            let mut b = b;
            for k in 0..inner {
                let mut w = [V::zero(); NV];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = V::load(b.add(v * V::LANES));
                }
                for p in 0..MR {
                    let x = V::splat(from[p].add(k));
                    for v in 0..NV {
                        sums[p][v] = sums[p][v].add_product(x, w[v]);
                    }
                }
                b = b.add(NV * V::LANES);
            }
            for (p, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    sum.store(c.add((first + p) * channels + v * V::LANES));
                }
            }
        }
    }
}

/// At one point, `sums = x^T y`, or added to it: [rows, ci], rows `stride` apart, and [rows, co] to [ci, co].
///
/// # Safety
/// The processor has the instruction set of `V`, whose lanes divide `co`; 8 divides `ci`; all may be read or written.
#[inline(always)]
pub(super) unsafe fn outer<V: Vector>(
    (x, stride): (*const f32, usize),
    y: *const f32,
    rows: usize,
    ci: usize,
    co: usize,
    sums: *mut f32,
    add: bool,
) {
    for (start, width) in blocks(V::LEVEL, co) {
        // SAFETY: see the contract.
        unsafe {
            let (y, sums) = (y.add(start), sums.add(start));
            match width / V::LANES {
                4 => outer_block::<V, 4, 4>((x, stride), y, rows, ci, co, sums, add),
                2 => outer_block::<V, 4, 2>((x, stride), y, rows, ci, co, sums, add),
                _ => outer_block::<V, 8, 1>((x, stride), y, rows, ci, co, sums, add),
            }
        }
    }
}

/// [`outer`] for the first `NV` registers of channels.
///
/// # Safety
/// As [`outer`].
#[inline(always)]
unsafe fn outer_block<V: Vector, const MR: usize, const NV: usize>(
    (x, stride): (*const f32, usize),
    y: *const f32,
    rows: usize,
    ci: usize,
    co: usize,
    sums: *mut f32,
    add: bool,
) {
    for i in (0..ci).step_by(MR) {
        // SAFETY: see the contract.
        unsafe {
            let mut tile = [[V::zero(); NV]; MR];
            let (mut x, mut y) = (x.add(i), y);
            for _ in 0..rows {
                let mut g = [V::zero(); NV];
                for (v, g) in g.iter_mut().enumerate() {
                    *g = V::load(y.add(v * V::LANES));
                }
                for (p, tile) in tile.iter_mut().enumerate() {
                    let x = V::splat(x.add(p));
                    for v in 0..NV {
                        tile[v] = tile[v].add_product(x, g[v]);
                    }
                }
                (x, y) = (x.add(stride), y.add(co));
            }
            for (p, tile) in tile.iter().enumerate() {
                for (v, &sum) in tile.iter().enumerate() {
                    let to = sums.add((i + p) * co + v * V::LANES);
                    let sum = if add { V::load(to).add(sum) } else { sum };
                    sum.store(to);
                }
            }
        }
    }
}

/// Transforms the weights [3, 3, inner, channels] of the output channels from `start` on, a block of them, to
/// [points, inner, width].
///
/// With `turned`, `w` is [3, 3, channels, inner], and its kernel is turned by half a turn: the weights of the gradient of
/// the input.
///
/// # Safety
/// The processor has the instruction set of `V`, whose lanes divide `width`; the weights of the block may be read and `to`
/// written.
#[inline(always)]
pub(super) unsafe fn weights<V: Vector>(
    w: *const f32,
    inner: usize,
    channels: usize,
    start: usize,
    width: usize,
    turned: bool,
    to: *mut f32,
) {
    if turned {
        // SAFETY: passed on to the caller.
        return unsafe { turned_weights::<V>(w, inner, channels, start, width, to) };
    }
    let kernel = inner * channels;
    for row in 0..inner {
        for c in (0..width).step_by(V::LANES) {
            // SAFETY: see the contract.
            unsafe {
                let mut g = [[V::zero(); 3]; 3];
                for (position, g) in g.iter_mut().flatten().enumerate() {
                    *g = V::load(w.add(position * kernel + row * channels + start + c));
                }
                weight_tile::<V>(g, to.add(row * width + c), inner * width);
            }
        }
    }
}

/// [`weights`] that are [3, 3, channels, inner], by squares that are transposed in the first-level cache.
///
/// # Safety
/// As [`weights`]; [`CHANNELS`] divides `inner`.
#[inline(always)]
unsafe fn turned_weights<V: Vector>(
    w: *const f32,
    inner: usize,
    channels: usize,
    start: usize,
    width: usize,
    to: *mut f32,
) {
    let kernel = inner * channels;
    let mut squares = [[[0.0f32; CHANNELS]; CHANNELS]; 9];
    for c in (0..width).step_by(V::LANES) {
        for first in (0..inner).step_by(CHANNELS) {
            // SAFETY: see the contract.
            unsafe {
                for (position, square) in squares.iter_mut().enumerate() {
                    for lane in 0..V::LANES {
                        let from = w.add((8 - position) * kernel + (start + c + lane) * inner + first);
                        for (row, to) in square.iter_mut().enumerate() {
                            to[lane] = *from.add(row);
                        }
                    }
                }
                for row in 0..CHANNELS {
                    let mut g = [[V::zero(); 3]; 3];
                    for (g, square) in g.iter_mut().flatten().zip(&squares) {
                        *g = V::load(square[row].as_ptr());
                    }
                    weight_tile::<V>(g, to.add((first + row) * width + c), inner * width);
                }
            }
        }
    }
}

/// The gradients of the weights of one input channel, [9, `co`] with `stride` numbers between kernel positions, from those
/// at the points, `point` numbers apart.
///
/// # Safety
/// The processor has the instruction set of `V`, whose lanes divide `co`; all may be read or written.
#[inline(always)]
pub(super) unsafe fn weight_gradients<V: Vector>(
    from: *const f32,
    point: usize,
    co: usize,
    to: *mut f32,
    stride: usize,
) {
    for c in (0..co).step_by(V::LANES) {
        // SAFETY: see the contract.
        unsafe {
            let g = weight_gradient_tile::<V>(from.add(c), point);
            for (position, g) in g.iter().flatten().enumerate() {
                g.store(to.add(position * stride + c));
            }
        }
    }
}
