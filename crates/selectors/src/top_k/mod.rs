//! The K best samples of N in O(N) time, without sorting and without a copy of all scores.
//!
//! Samples are ordered by three 32-bit keys, one after the other: the score in an
//! order-preserving form, a random tie key, and the index (the smaller first). The order is strict,
//! so there is exactly one set of K best, whatever the number of threads. First the keys of the K-th
//! sample are found ([`Cut`]), then those of at least these keys are collected. With classes, each
//! has its own K-th sample.

mod classes;
mod whole;

use std::ops::Range;

use dynaprune_random::{Purpose, Stream};
use rayon::prelude::*;

use crate::classes::Classes;

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

/// The `k` best of `samples` samples, ascending by index.
pub(crate) fn best<K>(samples: usize, ranking: &Ranking<K>, k: u32, ties: Ties) -> Vec<u32>
where
    K: Fn(usize) -> u32 + Sync,
{
    let cut = whole::Search { samples, ranking, ties }.cut(k);
    collect(samples, ranking, ties, cut.splits_ties(), |_| &cut)
}

/// The `quotas[c]` best samples of each class `c`, ascending by index. No quota exceeds its class.
pub(crate) fn best_of_each<K>(classes: &Classes, ranking: &Ranking<K>, quotas: &[u32], ties: Ties) -> Vec<u32>
where
    K: Fn(usize) -> u32 + Sync,
{
    let cuts = classes::cuts(classes, ranking, quotas, ties);
    let (labels, splits_ties) = (&classes.labels, cuts.iter().any(Cut::splits_ties));
    collect(labels.len(), ranking, ties, splits_ties, |i| {
        &cuts[usize::from(labels[i])]
    })
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
}

/// Grows as the index falls, and is never `u32::MAX`: indices are below `u32::MAX`.
fn position_key(sample: usize) -> u32 {
    u32::MAX - 1 - sample as u32
}

/// The samples that are in by the cut of their class, ascending; `splits_ties` says whether some cut does.
fn collect<'c, K>(
    samples: usize,
    ranking: &Ranking<K>,
    ties: Ties,
    splits_ties: bool,
    cut: impl Fn(usize) -> &'c Cut + Sync,
) -> Vec<u32>
where
    K: Fn(usize) -> u32 + Sync,
{
    let parts: Vec<Vec<u32>> = chunks(samples)
        .map_init(
            || (vec![0u32; CHUNK], Vec::new()),
            |(selected, tie_keys), chunk| {
                let at_cut = |i: usize| cut(i).splits_ties() && (ranking.key)(i) == cut(i).keys[0];
                if splits_ties && chunk.clone().any(at_cut) {
                    tie_keys.resize(chunk.len(), 0);
                    ties.fill(chunk.start, tie_keys);
                    let ties = tie_keys.iter();
                    let is_in = |(i, &tie)| [(ranking.key)(i), tie, position_key(i)] >= cut(i).keys;
                    return keep(chunk.clone(), chunk.zip(ties).map(is_in), selected);
                }
                let is_in = |i| (ranking.key)(i) >= cut(i).keys[0];
                keep(chunk.clone(), chunk.map(is_in), selected)
            },
        )
        .collect();
    parts.concat()
}

/// Those of `samples` that are in; `room` is for as many as there are.
fn keep(samples: Range<usize>, is_in: impl Iterator<Item = bool>, room: &mut [u32]) -> Vec<u32> {
    let mut count = 0;
    for (i, is_in) in samples.zip(is_in) {
        // Written always, kept if it is in: no branch to mispredict.
        room[count] = i as u32;
        count += usize::from(is_in);
    }
    room[..count].to_vec()
}

fn chunks(samples: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    (0..samples.div_ceil(CHUNK))
        .into_par_iter()
        .map(move |chunk| chunk * CHUNK..samples.min((chunk + 1) * CHUNK))
}
