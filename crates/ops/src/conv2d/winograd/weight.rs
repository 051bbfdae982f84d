//! The gradient of the weight.

use super::transform::{OUT, POINTS, SIDE};
use super::{Images, Points, ROUND, STRIP, gradients, inputs, outer, stride, weight_gradients};
use crate::conv2d::Shape;
use crate::scratch;
use crate::simd::Level;
use rayon::prelude::*;

/// Input channels of a part of the gradient: the sums of a part stay in the cache.
const PART: usize = 32;
/// Input channels from which on there are parts.
const PARTS: usize = 256;

/// The gradient of the weight; see [`super::super::cpu::grad_weight`].
///
/// Samples are taken in rounds: all are transformed, then each point sums its products over the round's tiles, in order.
/// The rounds and groups depend on the shape alone.
pub(in crate::conv2d) fn grad_weight(x: &[f32], dy: &[f32], s: &Shape, dw: &mut [f32]) {
    let tiles = s.oh.div_ceil(OUT) * s.ow.div_ceil(OUT);
    let group = (STRIP / tiles).clamp(1, s.n);
    let (a, b) = (stride(group * tiles, s.ci), stride(group * tiles, s.co));
    let sum = Sum {
        level: Level::detect(),
        s,
        tiles,
        group,
        a,
        b,
        part: if s.ci < PARTS { s.ci } else { PART },
    };
    sum.run(x, dy, dw);
}

struct Sum<'a> {
    level: Level,
    s: &'a Shape,
    /// Tiles of a sample.
    tiles: usize,
    /// Samples that one task transforms.
    group: usize,
    /// Numbers between the points of a group: of inputs, and of gradients.
    a: usize,
    b: usize,
    /// Input channels of a part.
    part: usize,
}

impl Sum<'_> {
    fn run(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let Self { s, group, part, .. } = *self;
        let (image, gradient) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
        assert!(x.len() == s.n * image && dy.len() == s.n * gradient && dw.len() == 9 * s.ci * s.co);
        let room = POINTS * (self.a + self.b);
        // Fours, so that a few threads have equal shares.
        let groups = (ROUND / room).next_multiple_of(4).clamp(1, s.n.div_ceil(group));
        let rounds = s.n.div_ceil(groups * group);
        let dw = Rows(dw.as_mut_ptr());
        // Of many rounds, sums are kept for all parts; of one, each part has its own for as long as it takes.
        let kept = if rounds > 1 { POINTS * s.ci * s.co } else { 0 };
        scratch::with(kept + groups * room, |memory| {
            let (sums, points) = memory.split_at_mut(kept);
            let each = x
                .chunks(groups * group * image)
                .zip(dy.chunks(groups * group * gradient));
            for (round, (x, dy)) in each.enumerate() {
                self.transform(x, dy, points);
                let points = &*points;
                let finish = |i: usize, sums: &mut [f32]| {
                    self.add(i * part, x.len() / image, points, sums, round > 0);
                    if round + 1 == rounds {
                        self.hand_over(i * part, sums, &dw);
                    }
                };
                if rounds > 1 {
                    let parts = sums.par_chunks_mut(POINTS * part * s.co).with_max_len(1);
                    parts.enumerate().for_each(|(i, sums)| finish(i, sums));
                } else {
                    (0..s.ci.div_ceil(part)).into_par_iter().with_max_len(1).for_each(|i| {
                        let channels = part.min(s.ci - i * part);
                        scratch::with(POINTS * channels * s.co, |sums| finish(i, sums));
                    });
                }
            }
        });
    }

    /// Transforms samples and their gradients, a group a task.
    fn transform(&self, x: &[f32], dy: &[f32], points: &mut [f32]) {
        let Self { s, a, b, group, .. } = *self;
        let (image, gradient) = (s.h * s.w * s.ci, s.oh * s.ow * s.co);
        let samples = x.par_chunks(group * image).zip(dy.par_chunks(group * gradient));
        points
            .par_chunks_mut(POINTS * (a + b))
            .zip(samples)
            .for_each(|(points, (x, dy))| {
                let rows = x.len() / image * self.tiles;
                let out = [s.oh, s.ow];
                let images = Images::new(x.as_ptr().cast_mut(), [s.h, s.w], s.ci, s.padding, out);
                let outputs = Images::new(dy.as_ptr().cast_mut(), out, s.co, 0, out);
                let (from, to) = points.split_at_mut(POINTS * a);
                let (from, to) = (Points::new(from, a, rows, s.ci), Points::new(to, b, rows, s.co));
                let zeros = SIDE * s.ci.max(s.co);
                scratch::with(zeros, |zeros| {
                    zeros.fill(0.0);
                    // SAFETY: the tiles are those of the group's samples, which are read only, and there is room for the
                    // points of a whole group.
                    unsafe {
                        inputs(self.level, &images, zeros.as_ptr(), 0, &from);
                        gradients(self.level, &outputs, zeros.as_ptr(), 0, &to);
                    }
                });
            });
    }

    /// The sums [points, channels, co] of the input channels from `first` on over `samples` transformed samples, added to
    /// what is there if `add`.
    fn add(&self, first: usize, samples: usize, points: &[f32], sums: &mut [f32], add: bool) {
        let Self { s, a, b, .. } = *self;
        let matrix = sums.len() / POINTS;
        sums.par_chunks_mut(matrix).enumerate().for_each(|(point, sums)| {
            let channels = matrix / s.co;
            for (i, start) in (0..samples).step_by(self.group).enumerate() {
                let rows = self.group.min(samples - start) * self.tiles;
                let points = &points[i * POINTS * (a + b)..];
                let from = &points[point * a + first..][..(rows - 1) * s.ci + channels];
                let to = &points[POINTS * a + point * b..][..rows * s.co];
                let (from, add) = ((from.as_ptr(), s.ci), add || i > 0);
                // SAFETY: `from` and `to` have the rows, and `sums` has one for each of the channels.
                unsafe {
                    outer(
                        self.level,
                        from,
                        to.as_ptr(),
                        rows,
                        channels,
                        s.co,
                        sums.as_mut_ptr(),
                        add,
                    )
                };
            }
        });
    }

    /// The gradients of the input channels from `first` on.
    fn hand_over(&self, first: usize, sums: &[f32], dw: &Rows) {
        let co = self.s.co;
        let matrix = sums.len() / POINTS;
        (0..matrix / co).into_par_iter().with_min_len(16).for_each(|row| {
            let from = &sums[row * co..][..(POINTS - 1) * matrix + co];
            // SAFETY: row `first + row` of each of the nine kernel positions is in `dw` and written by this task alone.
            unsafe {
                let to = dw.at((first + row) * co);
                weight_gradients(self.level, from.as_ptr(), matrix, co, to, self.s.ci * co);
            }
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
