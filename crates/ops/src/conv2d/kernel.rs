//! The two inner loops of a convolution, generic over the instruction set.
//!
//! Both keep a tile of results in registers. [`Gather`] makes outputs: each is the sum of a few
//! contiguous runs of its source times rows of packed weights (the forward pass and the input
//! gradient). [`Outer`] sums outer products over pixels (the weight gradient).

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Level, Portable, Vector};

/// A contiguous stretch of the source that an output pixel reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Where it starts, relative to the pixel's base, in numbers.
    pub(super) offset: usize,
    /// How many numbers it has.
    pub(super) len: usize,
}

/// Outputs as sums over runs of a source.
pub(super) struct Gather<'a> {
    pub(super) source: &'a [f32],
    /// Where each output pixel's runs are based in `source`.
    pub(super) bases: &'a [u32],
    pub(super) runs: &'a [Run],
    /// As laid out by [`pack_index`].
    pub(super) weights: &'a [f32],
    /// Where each output pixel starts in `out`.
    pub(super) outs: &'a [u32],
    /// Channels of an output pixel.
    pub(super) channels: usize,
    /// Add to `out` instead of overwriting it.
    pub(super) accumulate: bool,
}

/// Sums over pixels of (run of the source) x (row of `rows`).
pub(super) struct Outer<'a> {
    pub(super) source: &'a [f32],
    pub(super) bases: &'a [u32],
    pub(super) runs: &'a [Run],
    /// One row a pixel, `stride` numbers each.
    pub(super) rows: &'a [f32],
    /// Channels rounded up to whole registers.
    pub(super) stride: usize,
}

/// Channels of the widest block.
const MAX_WIDTH: usize = 64;

/// Registers side by side for the channels from `start` on, given `lanes` and `padded` channels in all.
fn registers(level: Level, start: usize, padded: usize) -> usize {
    let left = (padded - start) / lanes(level);
    match level {
        Level::Avx512 if left >= 4 => 4,
        Level::Avx512 | Level::Avx2 if left >= 2 => 2,
        _ => 1,
    }
}

/// Lanes of a register.
pub(super) fn lanes(level: Level) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => Avx2::LANES,
        _ => Portable::LANES,
    }
}

/// Channels rounded up to whole registers.
pub(super) fn padded(level: Level, channels: usize) -> usize {
    channels.next_multiple_of(lanes(level))
}

/// The channel blocks `(start, width)` of packed weights: block `start` begins at `start * rows`
/// and holds `rows` rows of `width` numbers.
pub(super) fn blocks(level: Level, channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let padded = padded(level, channels);
    let mut start = 0;
    std::iter::from_fn(move || {
        (start < padded).then(|| {
            let width = registers(level, start, padded) * lanes(level);
            let block = (start, width);
            start += width;
            block
        })
    })
}

impl Gather<'_> {
    /// Computes every pixel of `outs` into `out`.
    pub(super) fn run(&self, level: Level, out: &mut [f32]) {
        assert!(level <= Level::detect(), "the processor lacks {level:?}");
        assert_eq!(self.bases.len(), self.outs.len());
        let rows: usize = self.runs.iter().map(|r| r.len).sum();
        let reach = self.runs.iter().map(|r| r.offset + r.len).max().unwrap_or(0);
        let base = self.bases.iter().max().map_or(0, |&b| b as usize);
        let end = self.outs.iter().max().map_or(0, |&o| o as usize + self.channels);
        assert!(base + reach <= self.source.len(), "a run leaves the source");
        assert!(end <= out.len(), "a pixel leaves the output");
        assert!(
            padded(level, self.channels) * rows <= self.weights.len(),
            "weights are missing"
        );
        for (start, width) in blocks(level, self.channels) {
            let weights = &self.weights[start * rows..(start + width) * rows];
            // SAFETY: the assertions above bound every read and write of `gather`, and the processor
            // has the instruction set.
            unsafe {
                match (level, width / lanes(level)) {
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, 4) => avx512_gather4(self, start, weights, out),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, 2) => avx512_gather2(self, start, weights, out),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, _) => avx512_gather1(self, start, weights, out),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2, 2) => avx2_gather2(self, start, weights, out),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2, _) => avx2_gather1(self, start, weights, out),
                    _ => gather::<Portable, 4, 1>(self, start, weights, out),
                }
            }
        }
    }
}

impl Outer<'_> {
    /// Adds to `sums`: one row of `stride` numbers for each number of each run, in order.
    ///
    /// The source must have [`Outer::SLACK`] numbers behind the last run.
    pub(super) fn run(&self, level: Level, sums: &mut [f32]) {
        assert!(level <= Level::detect(), "the processor lacks {level:?}");
        let rows: usize = self.runs.iter().map(|r| r.len).sum();
        let reach = self.runs.iter().map(|r| r.offset + r.len).max().unwrap_or(0);
        let base = self.bases.iter().max().map_or(0, |&b| b as usize);
        assert!(
            base + reach + Self::SLACK <= self.source.len(),
            "a run leaves the source"
        );
        assert!(self.bases.len() * self.stride <= self.rows.len(), "rows are missing");
        assert!(self.stride.is_multiple_of(lanes(level)) && rows * self.stride <= sums.len());
        for (start, width) in blocks(level, self.stride) {
            // SAFETY: the assertions above bound every read and write of `outer`, and the processor
            // has the instruction set.
            unsafe {
                match (level, width / lanes(level)) {
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, 4) => avx512_outer4(self, start, sums),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, 2) => avx512_outer2(self, start, sums),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx512, _) => avx512_outer1(self, start, sums),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2, 2) => avx2_outer2(self, start, sums),
                    #[cfg(target_arch = "x86_64")]
                    (Level::Avx2, _) => avx2_outer1(self, start, sums),
                    _ => outer::<Portable, 4, 1>(self, start, sums),
                }
            }
        }
    }

    /// Numbers that may be read (not used) behind a run.
    pub(super) const SLACK: usize = 16;
}

macro_rules! instance {
    ($features:literal, $vector:ident, $gather:ident $gather_tile:literal, $outer:ident $outer_tile:literal, $nv:literal) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        unsafe fn $gather(g: &Gather, start: usize, weights: &[f32], out: &mut [f32]) {
            // SAFETY: passed on to the caller.
            unsafe { gather::<$vector, $gather_tile, $nv>(g, start, weights, out) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        unsafe fn $outer(o: &Outer, start: usize, sums: &mut [f32]) {
            // SAFETY: passed on to the caller.
            unsafe { outer::<$vector, $outer_tile, $nv>(o, start, sums) }
        }
    };
}

// Pixels (or numbers of a run) by registers of channels: as many as the registers hold beside the
// weights and a splat, and as there are address registers for the pixels.
instance!("avx512f,avx512vl,avx512bw,avx512dq", Avx512, avx512_gather4 6, avx512_outer4 6, 4);
instance!("avx512f,avx512vl,avx512bw,avx512dq", Avx512, avx512_gather2 8, avx512_outer2 12, 2);
instance!("avx512f,avx512vl,avx512bw,avx512dq", Avx512, avx512_gather1 12, avx512_outer1 12, 1);
instance!("avx2,fma", Avx2, avx2_gather2 6, avx2_outer2 6, 2);
instance!("avx2,fma", Avx2, avx2_gather1 12, avx2_outer1 12, 1);

/// All pixels, for the `NV` registers of channels from `start` on, `MR` pixels at a time.
///
/// # Safety
/// The instruction set of `V` is there; every run of every base lies in the source, every pixel in
/// `out`, and `weights` holds a row of `NV * LANES` for each number of the runs.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Constant indices keep the sums in registers.
unsafe fn gather<V: Vector, const MR: usize, const NV: usize>(
    g: &Gather,
    start: usize,
    weights: &[f32],
    out: &mut [f32],
) {
    let source = g.source.as_ptr();
    let valid = (g.channels - start).min(NV * V::LANES);
    for (bases, outs) in g.bases.chunks(MR).zip(g.outs.chunks(MR)) {
        let mut pixels = [source; MR];
        for (p, pixel) in pixels.iter_mut().enumerate() {
            // A tile that is not full repeats its last pixel and does not store it twice.
            let base = bases[p.min(bases.len() - 1)];
            // SAFETY: bases lie in the source.
            *pixel = unsafe { source.add(base as usize) };
        }
        // SAFETY: see the contract.
        let mut sums = unsafe { [[V::zero(); NV]; MR] };
        let mut row = weights.as_ptr();
        for run in g.runs {
            let mut from = pixels;
            for pixel in &mut from {
                // SAFETY: the run lies in the source.
                *pixel = unsafe { pixel.add(run.offset) };
            }
            for k in 0..run.len {
                // SAFETY: `row` has NV registers, and `k` lies in the run.
                unsafe {
                    let mut w = [V::zero(); NV];
                    for (v, w) in w.iter_mut().enumerate() {
                        *w = V::load(row.add(v * V::LANES));
                    }
                    for p in 0..MR {
                        let x = V::splat(from[p].add(k));
                        for v in 0..NV {
                            sums[p][v] = sums[p][v].add_product(x, w[v]);
                        }
                    }
                    row = row.add(NV * V::LANES);
                }
            }
        }
        // Constant indices throughout: sums that are indexed at run time would leave the registers.
        if outs.len() == MR && valid == NV * V::LANES {
            for p in 0..MR {
                let to = out[outs[p] as usize + start..][..NV * V::LANES].as_mut_ptr();
                for v in 0..NV {
                    // SAFETY: the pixel has all NV registers.
                    unsafe {
                        let to = to.add(v * V::LANES);
                        let sum = if g.accumulate {
                            V::load(to).add(sums[p][v])
                        } else {
                            sums[p][v]
                        };
                        sum.store(to);
                    }
                }
            }
        } else {
            let mut edge = [[0.0; MAX_WIDTH]; MR];
            for p in 0..MR {
                for v in 0..NV {
                    // SAFETY: a row of `edge` holds the widest block.
                    unsafe { sums[p][v].store(edge[p].as_mut_ptr().add(v * V::LANES)) };
                }
            }
            for (sums, &at) in edge.iter().zip(outs) {
                for (to, sum) in out[at as usize + start..][..valid].iter_mut().zip(sums) {
                    *to = if g.accumulate { *to + sum } else { *sum };
                }
            }
        }
    }
}

/// All runs, for the `NV` registers of channels from `start` on, `MR` numbers of a run at a time.
///
/// # Safety
/// The instruction set of `V` is there; every run of every base, and `SLACK` more, lies in the
/// source; `rows` has a row of `stride` for each base and `sums` one for each number of the runs.
#[inline(always)]
unsafe fn outer<V: Vector, const MR: usize, const NV: usize>(o: &Outer, start: usize, sums: &mut [f32]) {
    const { assert!(MR <= Outer::SLACK) };
    let mut first = 0;
    for run in o.runs {
        for k in (0..run.len).step_by(MR) {
            // SAFETY: see the contract.
            let mut tile = unsafe { [[V::zero(); NV]; MR] };
            // SAFETY: the run lies in the source.
            let source = unsafe { o.source.as_ptr().add(run.offset + k) };
            for (i, &base) in o.bases.iter().enumerate() {
                // SAFETY: `MR` numbers of the run or of the slack behind it; NV registers of a row.
                unsafe {
                    let x = source.add(base as usize);
                    let row = o.rows.as_ptr().add(i * o.stride + start);
                    let mut g = [V::zero(); NV];
                    for (v, g) in g.iter_mut().enumerate() {
                        *g = V::load(row.add(v * V::LANES));
                    }
                    for (p, tile) in tile.iter_mut().enumerate() {
                        let x = V::splat(x.add(p));
                        for v in 0..NV {
                            tile[v] = tile[v].add_product(x, g[v]);
                        }
                    }
                }
            }
            for (p, tile) in tile.iter().enumerate().take(run.len - k) {
                for (v, &sum) in tile.iter().enumerate() {
                    let to = sums[(first + k + p) * o.stride + start + v * V::LANES..].as_mut_ptr();
                    // SAFETY: the row of `sums` has all NV registers.
                    unsafe { V::load(to).add(sum).store(to) };
                }
            }
        }
        first += run.len;
    }
}
