//! The transforms of F(4 x 4, 3 x 3), one register of channels at a time.
//!
//! The interpolation points are 0, ±1/sqrt(2), ±sqrt(2) and infinity: they come in reciprocal pairs, so the entries of
//! the matrices stay small, and in f32 the error is a fraction of that of the usual points 0, ±1, ±2 (Barabasz, Anderson,
//! Soodhalter and Gregg 2020, arXiv 1803.10986).

use crate::simd::{Vector, prefetch};

/// Side of a tile of outputs.
pub(super) const OUT: usize = 4;
/// Side of the patch of inputs that a tile reads, and of a transformed tile.
pub(super) const SIDE: usize = 6;
/// Products a tile takes for each pair of channels; a direct convolution takes 9 * 16.
pub(super) const POINTS: usize = SIDE * SIDE;

/// Pixels that are asked for ahead of those read: those of the tile after the next.
const AHEAD: usize = 8;

const ROOT: f32 = std::f32::consts::SQRT_2;

/// `B^T d`: six inputs to six points.
///
/// # Safety
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn input<V: Vector>(d: [V; 6]) -> [V; 6] {
    // SAFETY: the instruction set is there.
    unsafe {
        let by = |x: V, factor: f32, y: V| x.add_product(V::of(factor), y);
        let (even, odd) = (by(d[4], -2.0, d[2]), by(d[3].times(0.5 * ROOT), -ROOT, d[1]));
        let (even2, odd2) = (by(d[4], -0.5, d[2]), by(d[3].times(ROOT), -0.5 * ROOT, d[1]));
        [
            by(d[0].add(d[4]), -2.5, d[2]),
            even.add(odd),
            even.sub(odd),
            even2.add(odd2),
            even2.sub(odd2),
            by(d[1].add(d[5]), -2.5, d[3]),
        ]
    }
}

/// `A^T m`: six points to four outputs.
///
/// # Safety
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn output<V: Vector>(m: [V; 6]) -> [V; 4] {
    // SAFETY: the instruction set is there.
    unsafe {
        let by = |x: V, factor: f32, y: V| x.add_product(V::of(factor), y);
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum).add(sum2),
            by(difference.times(0.5 * ROOT), ROOT, difference2),
            by(sum.times(0.5), 2.0, sum2),
            by(by(m[5], 0.25 * ROOT, difference), 2.0 * ROOT, difference2),
        ]
    }
}

/// `A y`: four gradients of outputs to six points, the transpose of [`output`].
///
/// # Safety
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn gradient<V: Vector>(y: [V; 4]) -> [V; 6] {
    // SAFETY: the instruction set is there.
    unsafe {
        let by = |x: V, factor: f32, y: V| x.add_product(V::of(factor), y);
        let (even, odd) = (by(y[0], 0.5, y[2]), by(y[1].times(0.5 * ROOT), 0.25 * ROOT, y[3]));
        let (even2, odd2) = (by(y[0], 2.0, y[2]), by(y[1].times(ROOT), 2.0 * ROOT, y[3]));
        [
            y[0],
            even.add(odd),
            even.sub(odd),
            even2.add(odd2),
            even2.sub(odd2),
            y[3],
        ]
    }
}

/// `G g`: three weights to six points.
///
/// # Safety
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn weight<V: Vector>(g: [V; 3]) -> [V; 6] {
    // SAFETY: the instruction set is there.
    unsafe {
        let by = |x: V, factor: f32, y: V| x.add_product(V::of(factor), y);
        let (even, odd) = (by(g[0].times(-2.0 / 3.0), -1.0 / 3.0, g[2]), g[1].times(ROOT / 3.0));
        let (even2, odd2) = (by(g[0].times(1.0 / 6.0), 1.0 / 3.0, g[2]), g[1].times(ROOT / 6.0));
        [
            g[0],
            even.sub(odd),
            even.add(odd),
            even2.add(odd2),
            even2.sub(odd2),
            g[2],
        ]
    }
}

/// `G^T u`: six points to three gradients of weights, the transpose of [`weight`].
///
/// # Safety
/// The processor has the instruction set of `V`.
#[inline(always)]
unsafe fn weight_gradient<V: Vector>(u: [V; 6]) -> [V; 3] {
    // SAFETY: the instruction set is there.
    unsafe {
        let by = |x: V, factor: f32, y: V| x.add_product(V::of(factor), y);
        let (sum, difference) = (u[1].add(u[2]), u[2].sub(u[1]));
        let (sum2, difference2) = (u[3].add(u[4]), u[3].sub(u[4]));
        [
            by(by(u[0], -2.0 / 3.0, sum), 1.0 / 6.0, sum2),
            by(difference.times(ROOT / 3.0), ROOT / 6.0, difference2),
            by(by(u[5], -1.0 / 3.0, sum), 1.0 / 3.0, sum2),
        ]
    }
}

/// A tile's place: its rows of the image, and which of its columns lie inside.
///
/// Rows outside the image point to zeros.
#[derive(Clone, Copy)]
pub(super) struct Patch<const N: usize> {
    pub(super) rows: [*const f32; N],
    pub(super) columns: (usize, usize),
}

macro_rules! spread {
    ($(#[$doc:meta])* $name:ident, $transform:ident, $side:ident) => {
        $(#[$doc])*
        ///
        /// Pixels are `pitch` numbers apart; point `p` of channel `c` goes to `to + p * stride + c`.
        ///
        /// # Safety
        /// The processor has the instruction set of `V`; `channels`, a multiple of its lanes, may be read at each pixel
        /// of the patch that lies inside, and written at each point.
        #[inline(always)]
        pub(super) unsafe fn $name<V: Vector>(
            patch: &Patch<$side>,
            channels: usize,
            pitch: usize,
            to: *mut f32,
            stride: usize,
        ) {
            for c in (0..channels).step_by(V::LANES) {
                // SAFETY: see the contract.
                unsafe {
                    let mut half = [[V::zero(); $side]; SIDE];
                    for column in patch.columns.0..patch.columns.1 {
                        let mut d = [V::zero(); $side];
                        for (d, row) in d.iter_mut().zip(&patch.rows) {
                            *d = V::load(row.wrapping_add(column * pitch + c));
                            prefetch(row.wrapping_add((column + AHEAD) * pitch + c));
                        }
                        for (half, d) in half.iter_mut().zip($transform(d)) {
                            half[column] = d;
                        }
                    }
                    for (i, half) in half.into_iter().enumerate() {
                        for (j, point) in $transform(half).into_iter().enumerate() {
                            point.store(to.add((i * SIDE + j) * stride + c));
                        }
                    }
                }
            }
        }
    };
}

spread!(
    /// `B^T d B`: a patch of inputs to points.
    input_tile, input, SIDE
);
spread!(
    /// `A y A^T`: a tile of gradients of outputs to points.
    gradient_tile, gradient, OUT
);

/// Where a tile of outputs goes: its first pixel, the numbers between pixels and rows, and how many of its rows and columns
/// there are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) to: *mut f32,
    pub(super) pitch: usize,
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// `A^T m A`: points to a tile of outputs, which are overwritten, or added to if `ADD`.
///
/// # Safety
/// The processor has the instruction set of `V`; `channels`, a multiple of its lanes, may be read at each point of `from`
/// and written at each pixel of the place.
#[inline(always)]
pub(super) unsafe fn output_tile<V: Vector, const ADD: bool>(
    from: *const f32,
    stride: usize,
    channels: usize,
    place: &Place,
) {
    for c in (0..channels).step_by(V::LANES) {
        // SAFETY: see the contract.
        unsafe {
            let mut half = [[V::zero(); SIDE]; OUT];
            for j in 0..SIDE {
                let mut m = [V::zero(); SIDE];
                for (i, m) in m.iter_mut().enumerate() {
                    *m = V::load(from.add((i * SIDE + j) * stride + c));
                }
                for (half, y) in half.iter_mut().zip(output(m)) {
                    half[j] = y;
                }
            }
            for (y, half) in half.into_iter().enumerate().take(place.rows) {
                let row = place.to.add(y * place.row + c);
                for (x, sum) in output(half).into_iter().enumerate().take(place.columns) {
                    let to = row.add(x * place.pitch);
                    let sum = if ADD { V::load(to).add(sum) } else { sum };
                    sum.store(to);
                }
            }
        }
    }
}

/// `G g G^T` for a register of outputs: `g[ky][kx]` to points.
///
/// # Safety
/// The processor has the instruction set of `V`, and a register may be written at `to + p * stride` for each point.
#[inline(always)]
pub(super) unsafe fn weight_tile<V: Vector>(g: [[V; 3]; 3], to: *mut f32, stride: usize) {
    // SAFETY: see the contract.
    unsafe {
        let mut half = [[V::zero(); 3]; SIDE];
        for kx in 0..3 {
            for (half, u) in half.iter_mut().zip(weight([g[0][kx], g[1][kx], g[2][kx]])) {
                half[kx] = u;
            }
        }
        for (i, half) in half.into_iter().enumerate() {
            for (j, u) in weight(half).into_iter().enumerate() {
                u.store(to.add((i * SIDE + j) * stride));
            }
        }
    }
}

/// `G^T u G` for a register of outputs: points to `[ky][kx]`.
///
/// # Safety
/// The processor has the instruction set of `V`, and a register may be read at `from + p * stride` for each point.
#[inline(always)]
pub(super) unsafe fn weight_gradient_tile<V: Vector>(from: *const f32, stride: usize) -> [[V; 3]; 3] {
    // SAFETY: see the contract.
    unsafe {
        let mut half = [[V::zero(); SIDE]; 3];
        for j in 0..SIDE {
            let mut u = [V::zero(); SIDE];
            for (i, u) in u.iter_mut().enumerate() {
                *u = V::load(from.add((i * SIDE + j) * stride));
            }
            for (half, g) in half.iter_mut().zip(weight_gradient(u)) {
                half[j] = g;
            }
        }
        let mut g = [[V::zero(); 3]; 3];
        for (g, half) in g.iter_mut().zip(half) {
            *g = weight_gradient(half);
        }
        g
    }
}
