//! The K best samples of N in O(N) time, without sorting and without a copy of the scores.
//!
//! Samples are ordered by three 32-bit keys, one after the other: the score in an
//! order-preserving form, a random tie key, and the index (the smaller first). The order is strict,
//! so there is exactly one set of K best, whatever the number of threads. A radix search finds the
//! keys of the K-th sample, from the most significant digit down, in counting passes over
//! fixed-size chunks; it stops as soon as a digit's bucket fits whole. Usually that is before the
//! index comes into play, and for scores without ties at the boundary before the tie keys do. With
//! classes, each has its own K-th sample, and all are found in the same passes.

use std::ops::Range;

use dynaprune_random::{Purpose, Stream};
use rayon::prelude::*;

/// Samples in a unit of work. Even, so that a chunk's tie keys start at a 64-bit word.
const CHUNK: usize = 1 << 14;

/// The order-preserving form of a score: `a < b` as numbers if and only if so as keys. Both zeros
/// are equal, infinities come last at their ends, and NaN, which marks a sample that was not
/// observed, is above everything.
pub(crate) fn order_key(score: f32) -> u32 {
    if score.is_nan() {
        return u32::MAX;
    }
    // Adding positive zero turns -0.0 into +0.0 and changes nothing else.
    let bits = (score + 0.0).to_bits();
    bits ^ (((bits as i32 >> 31) as u32) | 1 << 31)
}

/// How samples rank: the greatest `key(sample)` first. Keys are below 2^`bits`; fewer bits need
/// fewer passes.
pub(crate) struct Ranking<K> {
    pub(crate) bits: u32,
    pub(crate) key: K,
}

/// The random tie keys of one draw: sample `i` has 32-bit word `i` of the stream.
#[derive(Clone, Copy)]
pub(crate) struct Ties {
    pub(crate) seed: u64,
    pub(crate) purpose: Purpose,
    pub(crate) step: u64,
}

impl Ties {
    fn fill(self, start: usize, keys: &mut [u32]) {
        let mut stream = Stream::new(self.seed, self.purpose, self.step);
        stream.seek_u64(start as u64 / 2);
        for pair in keys.chunks_mut(2) {
            let word = stream.next_u64();
            pair[0] = word as u32;
            if let Some(second) = pair.get_mut(1) {
                *second = (word >> 32) as u32;
            }
        }
    }
}

/// The `quotas[c]` best samples of each class `c`, ascending by index. `class(sample)` is below
/// `quotas.len()`, and no quota exceeds its class.
pub(crate) fn best<K, C>(samples: usize, ranking: &Ranking<K>, class: C, quotas: &[u32], ties: Ties) -> Vec<u32>
where
    K: Fn(usize) -> u32 + Sync,
    C: Fn(usize) -> usize + Sync,
{
    let search = Search {
        samples,
        ranking,
        class,
        ties,
    };
    let cuts = search.cuts(quotas);
    search.collect(&cuts)
}

/// Where the selection of one class ends: its samples with keys of at least `keys` are in.
struct Cut {
    keys: [u32; 3],
    /// How many samples of the bucket that `keys` has narrowed down to are still to be taken.
    missing: u32,
    /// Whether that bucket holds more samples than are missing.
    open: bool,
}

impl Cut {
    fn new(quota: u32) -> Self {
        // No sample has a third key of `u32::MAX` (see `position_key`), so a quota of 0 takes none.
        let keys = if quota == 0 { [u32::MAX; 3] } else { [0; 3] };
        Self {
            keys,
            missing: quota,
            open: quota > 0,
        }
    }

    /// Whether some samples of the first key are in and others are not.
    fn splits_ties(&self) -> bool {
        self.keys[1..] != [0, 0]
    }

    /// Goes down into the digit where the last missing sample lies.
    fn narrow(&mut self, level: usize, shift: u32, counts: &[u32]) {
        for (digit, &count) in counts.iter().enumerate().rev() {
            if count >= self.missing {
                self.keys[level] |= (digit as u32) << shift;
                self.open = count > self.missing;
                return;
            }
            self.missing -= count;
        }
    }
}

/// Grows as the index falls, and is never `u32::MAX`: indices are below `u32::MAX`.
fn position_key(sample: usize) -> u32 {
    u32::MAX - 1 - sample as u32
}

struct Search<'a, K, C> {
    samples: usize,
    ranking: &'a Ranking<K>,
    class: C,
    ties: Ties,
}

impl<K, C> Search<'_, K, C>
where
    K: Fn(usize) -> u32 + Sync,
    C: Fn(usize) -> usize + Sync,
{
    fn cuts(&self, quotas: &[u32]) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = quotas.iter().map(|&quota| Cut::new(quota)).collect();
        // Wide digits need fewer passes, but the counters of all classes should stay in the cache
        // and cost little beside the samples.
        let width = match quotas.len() {
            1 if self.samples > 1 << 18 => 16,
            1..=1024 => 11,
            _ => 8,
        };
        for (level, bits) in [self.ranking.bits, 32, 32].into_iter().enumerate() {
            let mut shift = bits;
            while shift > 0 && cuts.iter().any(|cut| cut.open) {
                let digit = Digit {
                    level,
                    width: width.min(shift),
                    shift: shift - width.min(shift),
                };
                shift = digit.shift;
                let counts = self.count(&cuts, digit);
                for (cut, counts) in cuts.iter_mut().zip(counts.chunks(1 << digit.width)) {
                    if cut.open {
                        cut.narrow(level, shift, counts);
                    }
                }
            }
        }
        cuts
    }

    /// For each class, how many samples inside its cut's bucket have each value of `digit`.
    fn count(&self, cuts: &[Cut], digit: Digit) -> Vec<u32> {
        let zeros = || vec![0u32; cuts.len() << digit.width];
        self.chunks()
            .fold(
                || (zeros(), Vec::new()),
                |(mut counts, mut ties), chunk| {
                    self.count_chunk(cuts, digit, chunk, &mut ties, &mut counts);
                    (counts, ties)
                },
            )
            .map(|(counts, _)| counts)
            .reduce(zeros, |mut sum, counts| {
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                sum
            })
    }

    fn count_chunk(&self, cuts: &[Cut], digit: Digit, chunk: Range<usize>, ties: &mut Vec<u32>, counts: &mut [u32]) {
        let mut add = |class: usize, key: u32| {
            if digit.continues(key, &cuts[class]) {
                counts[class << digit.width | digit.of(key)] += 1;
            }
        };
        if digit.level == 0 {
            chunk.for_each(|i| add((self.class)(i), (self.ranking.key)(i)));
            return;
        }
        let at_cut = |i: usize| {
            let cut = &cuts[(self.class)(i)];
            cut.open && (self.ranking.key)(i) == cut.keys[0]
        };
        if !chunk.clone().any(at_cut) {
            return;
        }
        ties.resize(chunk.len(), 0);
        self.ties.fill(chunk.start, ties);
        for (i, &tie) in chunk.zip(ties.iter()).filter(|&(i, _)| at_cut(i)) {
            let class = (self.class)(i);
            match digit.level {
                1 => add(class, tie),
                _ if tie == cuts[class].keys[1] => add(class, position_key(i)),
                _ => {}
            }
        }
    }

    fn collect(&self, cuts: &[Cut]) -> Vec<u32> {
        let parts: Vec<Vec<u32>> = self
            .chunks()
            .map_init(
                || (vec![0u32; CHUNK], Vec::new()),
                |(selected, ties), chunk| {
                    let count = self.collect_chunk(cuts, chunk, ties, selected);
                    selected[..count].to_vec()
                },
            )
            .collect();
        parts.concat()
    }

    /// Writes the selected samples of a chunk to the front of `selected`; returns their number.
    fn collect_chunk(&self, cuts: &[Cut], chunk: Range<usize>, ties: &mut Vec<u32>, selected: &mut [u32]) -> usize {
        let mut count = 0;
        // Written always, kept if selected: no branch to mispredict.
        let mut put = |i: usize, keep: bool| {
            selected[count] = i as u32;
            count += usize::from(keep);
        };
        let splits_ties = |i: usize| {
            let cut = &cuts[(self.class)(i)];
            cut.splits_ties() && (self.ranking.key)(i) == cut.keys[0]
        };
        if cuts.iter().any(Cut::splits_ties) && chunk.clone().any(splits_ties) {
            ties.resize(chunk.len(), 0);
            self.ties.fill(chunk.start, ties);
            for (i, &tie) in chunk.zip(ties.iter()) {
                put(
                    i,
                    [(self.ranking.key)(i), tie, position_key(i)] >= cuts[(self.class)(i)].keys,
                );
            }
        } else {
            chunk.for_each(|i| put(i, (self.ranking.key)(i) >= cuts[(self.class)(i)].keys[0]));
        }
        count
    }

    fn chunks(&self) -> impl IndexedParallelIterator<Item = Range<usize>> {
        let samples = self.samples;
        (0..samples.div_ceil(CHUNK))
            .into_par_iter()
            .map(move |chunk| chunk * CHUNK..samples.min((chunk + 1) * CHUNK))
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
        cut.open && (key ^ cut.keys[self.level]) & above == 0
    }
}
