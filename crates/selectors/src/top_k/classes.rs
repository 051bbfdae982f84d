//! The cuts of classes, each found alone. Random tie keys are made only if the scores leave a choice in some class.

use rayon::prelude::*;

use super::{CHUNK, Cut, Ranking, Ties, position_key};
use crate::classes::Classes;

/// The cut of each class.
pub(super) fn cuts<K>(classes: &Classes, ranking: &Ranking<K>, quotas: &[u32], ties: Ties) -> Vec<Cut>
where
    K: Fn(usize) -> u32 + Sync,
{
    let mut cuts: Vec<Cut> = quotas
        .par_iter()
        .enumerate()
        .map(|(class, &quota)| by_score(classes.members(class), ranking, quota))
        .collect();
    if cuts.iter().any(|cut| cut.open) {
        let mut tie_keys = vec![0; classes.labels.len()];
        tie_keys
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, keys)| ties.fill(chunk * CHUNK, keys));
        cuts.par_iter_mut()
            .enumerate()
            .filter(|(_, cut)| cut.open)
            .for_each(|(class, cut)| by_tie(cut, classes.members(class), ranking, &tie_keys));
    }
    cuts
}

/// The cut by the scores alone; open if too many have the last one.
fn by_score<K>(members: &[u32], ranking: &Ranking<K>, quota: u32) -> Cut
where
    K: Fn(usize) -> u32,
{
    let mut cut = Cut::new(quota);
    cut.open = false;
    if quota == 0 || quota as usize == members.len() {
        return cut;
    }
    let mut keys: Vec<u32> = members.iter().map(|&i| (ranking.key)(i as usize)).collect();
    let (above, &mut last, below) = keys.select_nth_unstable_by(quota as usize - 1, |a, b| b.cmp(a));
    cut.keys[0] = last;
    cut.missing = 1 + above.iter().filter(|&&key| key == last).count() as u32;
    cut.open = below.contains(&last);
    cut
}

/// Closes a cut among those that have the last score.
fn by_tie<K>(cut: &mut Cut, members: &[u32], ranking: &Ranking<K>, tie_keys: &[u32])
where
    K: Fn(usize) -> u32,
{
    let tied = members
        .iter()
        .map(|&i| i as usize)
        .filter(|&i| (ranking.key)(i) == cut.keys[0]);
    let mut tied: Vec<[u32; 2]> = tied.map(|i| [tie_keys[i], position_key(i)]).collect();
    let (_, &mut [tie, position], _) = tied.select_nth_unstable_by(cut.missing as usize - 1, |a, b| b.cmp(a));
    cut.keys = [cut.keys[0], tie, position];
    cut.open = false;
}
