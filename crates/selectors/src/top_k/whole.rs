//! The cut of all samples together: a radix search from the most significant digit down, in counting passes over fixed-size
//! chunks. It stops as soon as a digit's bucket fits whole. Usually that is before the index comes into play, and for scores
//! without ties at the boundary before the tie keys do.

use std::ops::Range;

use rayon::prelude::*;

use super::{Cut, Ranking, Ties, chunks, position_key};

pub(super) struct Search<'a, K> {
    pub(super) samples: usize,
    pub(super) ranking: &'a Ranking<K>,
    pub(super) ties: Ties,
}

impl<K> Search<'_, K>
where
    K: Fn(usize) -> u32 + Sync,
{
    pub(super) fn cut(&self, k: u32) -> Cut {
        let mut cut = Cut::new(k);
        // Wide digits need fewer passes, but the counters should cost little beside the samples.
        let width = if self.samples > 1 << 18 { 16 } else { 11 };
        for (level, bits) in [self.ranking.bits, 32, 32].into_iter().enumerate() {
            let mut shift = bits;
            while shift > 0 && cut.open {
                let digit = Digit {
                    level,
                    width: width.min(shift),
                    shift: shift - width.min(shift),
                };
                shift = digit.shift;
                let counts = self.count(&cut, digit);
                digit.narrow(&mut cut, &counts);
            }
        }
        cut
    }

    /// How many samples inside the cut's bucket have each value of `digit`.
    fn count(&self, cut: &Cut, digit: Digit) -> Vec<u32> {
        let zeros = || vec![0u32; 1 << digit.width];
        chunks(self.samples)
            .fold(
                || (zeros(), Vec::new()),
                |(mut counts, mut ties), chunk| {
                    self.count_chunk(cut, digit, chunk, &mut ties, &mut counts);
                    (counts, ties)
                },
            )
            .map(|(counts, _)| counts)
            .reduce(zeros, |mut sum, counts| {
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                sum
            })
    }

    fn count_chunk(&self, cut: &Cut, digit: Digit, chunk: Range<usize>, ties: &mut Vec<u32>, counts: &mut [u32]) {
        let mut add = |key: u32| {
            if digit.continues(key, cut) {
                counts[digit.of(key)] += 1;
            }
        };
        if digit.level == 0 {
            chunk.for_each(|i| add((self.ranking.key)(i)));
            return;
        }
        let at_cut = |i: usize| (self.ranking.key)(i) == cut.keys[0];
        if !chunk.clone().any(at_cut) {
            return;
        }
        ties.resize(chunk.len(), 0);
        self.ties.fill(chunk.start, ties);
        for (i, &tie) in chunk.zip(ties.iter()).filter(|&(i, _)| at_cut(i)) {
            match digit.level {
                1 => add(tie),
                _ if tie == cut.keys[1] => add(position_key(i)),
                _ => {}
            }
        }
    }
}

/// Bits `shift..shift + width` of the key of one level.
#[derive(Clone, Copy)]
struct Digit {
    level: usize,
    shift: u32,
    width: u32,
}

impl Digit {
    fn of(self, key: u32) -> usize {
        (key >> self.shift) as usize & ((1 << self.width) - 1)
    }

    /// Whether the digits above this one are those of the cut.
    fn continues(self, key: u32, cut: &Cut) -> bool {
        let above = u32::MAX.checked_shl(self.shift + self.width).unwrap_or(0);
        (key ^ cut.keys[self.level]) & above == 0
    }

    /// Has the cut go down into the value of this digit where the last missing sample lies.
    fn narrow(self, cut: &mut Cut, counts: &[u32]) {
        for (value, &count) in counts.iter().enumerate().rev() {
            if count >= cut.missing {
                cut.keys[self.level] |= (value as u32) << self.shift;
                cut.open = count > cut.missing;
                return;
            }
            cut.missing -= count;
        }
    }
}
