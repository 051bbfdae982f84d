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
//! A NaN or an infinity reaches every number that depends on it, as it must, and may make others of the same tile NaN.

mod generic;
mod plane;
mod transform;
mod weight;

use super::Shape;
use crate::simd::instances;
use plane::Plane;
use transform::{OUT, POINTS, Patch};
pub(super) use weight::grad_weight;

/// Channels must be whole registers of any instruction set.
const CHANNELS: usize = 16;
/// Numbers at the points of all tiles that are transformed before products are made of them.
const ROUND: usize = 2 * 1024 * 1024;
/// Tiles whose rows stay in the first-level cache while a product passes over them.
const STRIP: usize = 64;

/// Whether this is the algorithm for a shape.
pub(super) fn fits(s: &Shape) -> bool {
    let whole = s.ci.is_multiple_of(CHANNELS) && s.co.is_multiple_of(CHANNELS);
    // Of a tile that hangs over the image only a part is used: at least half of all is.
    let tiles = |h: usize, w: usize| h.next_multiple_of(OUT) * w.next_multiple_of(OUT) <= 2 * h * w;
    let full = tiles(s.oh, s.ow) && tiles(s.h, s.w);
    s.kh == 3 && s.kw == 3 && s.stride == 1 && s.padding <= 2 && whole && full
}

/// Samples [.., height, width, channels] and the tiles of the outputs.
#[derive(Clone, Copy)]
struct Images {
    data: *mut f32,
    height: usize,
    width: usize,
    /// Channels in use, and numbers between pixels.
    channels: usize,
    pitch: usize,
    padding: usize,
    /// Tiles of a sample.
    tile_rows: usize,
    tile_columns: usize,
}

impl Images {
    /// Whole samples of [height, width, channels] at `data`, `padding` zeros around them, for tiles of outputs of `out`.
    fn new(data: *mut f32, [height, width]: [usize; 2], channels: usize, padding: usize, out: [usize; 2]) -> Self {
        Self {
            data,
            height,
            width,
            channels,
            pitch: channels,
            padding,
            tile_rows: out[0].div_ceil(OUT),
            tile_columns: out[1].div_ceil(OUT),
        }
    }

    /// `channels` channels, `offset` numbers further on.
    fn part(&self, offset: usize, channels: usize) -> Self {
        Self {
            data: self.data.wrapping_add(offset),
            channels,
            ..*self
        }
    }

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
                *row = self.data.wrapping_offset(pixel * self.pitch as isize);
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

// SAFETY: a pointer may be sent; that no two tasks write the same number is for those who use it.
unsafe impl Sync for Images {}

/// Transformed tiles: for each point, rows of channels.
#[derive(Clone, Copy)]
struct Points {
    data: *mut f32,
    /// Numbers between points.
    stride: usize,
    /// Rows in use.
    rows: usize,
    channels: usize,
}

impl Points {
    /// Room for `stride` numbers a point, of which `rows` rows are in use.
    fn new(room: &mut [f32], stride: usize, rows: usize, channels: usize) -> Self {
        assert!(
            rows * channels <= stride && POINTS * stride <= room.len(),
            "points do not fit"
        );
        Self {
            data: room.as_mut_ptr(),
            stride,
            rows,
            channels,
        }
    }

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
    fn outer(x: (*const f32, usize), y: *const f32, rows: usize, ci: usize, co: usize, sums: *mut f32, add: bool);
    fn weights(w: *const f32, inner: usize, channels: usize, start: usize, width: usize, turned: bool, to: *mut f32);
    fn weight_gradients(from: *const f32, point: usize, co: usize, to: *mut f32, stride: usize);
}

/// `y = x * w`; see [`super::cpu::forward`].
pub(super) fn forward(x: &[f32], w: &[f32], s: &Shape, y: &mut [f32]) {
    Plane {
        size: [s.h, s.w],
        channels: s.ci,
        padding: s.padding,
        out: [s.oh, s.ow],
        out_channels: s.co,
        turned: false,
    }
    .convolve(x, w, y, false);
}

/// The gradient of the input; see [`super::cpu::grad_input`].
pub(super) fn grad_input(dy: &[f32], w: &[f32], s: &Shape, dx: &mut [f32], accumulate: bool) {
    Plane {
        size: [s.oh, s.ow],
        channels: s.co,
        padding: 2 - s.padding,
        out: [s.h, s.w],
        out_channels: s.ci,
        turned: true,
    }
    .convolve(dy, w, dx, accumulate);
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
            (5, [4, 4], 1, [272, 256]),
            // A block of tiles of so many channels is larger than the cache.
            (1, [4, 4], 1, [16, 3648]),
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
            // Rounding grows with the root of the number of terms.
            let close = |what: &str, found: &[f32], expected: &[f64], terms: usize| {
                let off = error(found, expected);
                assert!(off < 2e-6 * (terms as f64).sqrt().max(6.0), "{s:?}: {what} {off}");
            };
            let mut found = vec![f32::NAN; y.len()];
            forward(&x, &weight, &s, &mut found);
            close("y", &found, &y, 9 * ci);
            let mut found = vec![f32::NAN; x.len()];
            grad_input(&dy, &weight, &s, &mut found, false);
            close("dx", &found, &dx, 9 * co);
            grad_input(&dy, &weight, &s, &mut found, true);
            let twice: Vec<f64> = dx.iter().map(|d| 2.0 * d).collect();
            close("twice dx", &found, &twice, 9 * co);
            let mut found = vec![f32::NAN; weight.len()];
            grad_weight(&x, &dy, &s, &mut found);
            close("dw", &found, &dw, n * s.oh * s.ow);
        }
    }
}
