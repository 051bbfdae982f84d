//! Class-balanced subsets.

use dynaprune_random::{Purpose, Stream};

const ORDER: Purpose = Purpose::new("subset order");
const REMAINDER: Purpose = Purpose::new("subset remainder");

/// `count` sample indices, ascending, with the same number of each class as far as there are
/// enough.
///
/// Where `count` is no multiple of `classes`, the classes that get one sample more are drawn; where
/// a class runs out, the others share what it lacks. All samples if `count` reaches their number.
/// Labels at or above `classes` are never taken. For one seed a smaller subset is part of every
/// larger one, and the subset is a function of the arguments.
#[must_use]
pub fn class_balanced_subset(labels: &[u16], classes: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for (i, &label) in labels.iter().enumerate() {
        if let Some(members) = members.get_mut(usize::from(label)) {
            members.push(i as u32);
        }
    }
    for (class, members) in members.iter_mut().enumerate() {
        Stream::new(seed, ORDER, class as u64).shuffle(members);
    }
    let first_served = Stream::new(seed, REMAINDER, 0).permutation(classes as u32);

    let count = count.min(members.iter().map(Vec::len).sum());
    let mut subset = Vec::with_capacity(count);
    let mut round = 0;
    while subset.len() < count {
        let turn = first_served
            .iter()
            .filter_map(|&class| members[class as usize].get(round));
        subset.extend(turn.take(count - subset.len()));
        round += 1;
    }
    subset.sort_unstable();
    subset
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(labels: &[u16], classes: usize, subset: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &i in subset {
            counts[usize::from(labels[i as usize])] += 1;
        }
        counts
    }

    #[test]
    fn a_class_that_runs_out_is_made_up_for() {
        let labels = [0, 1, 1, 1, 1, 2, 2, 2, 2, 2];
        for seed in 0..20 {
            let subset = class_balanced_subset(&labels, 3, 7, seed);
            assert_eq!(counts(&labels, 3, &subset), [1, 3, 3]);
        }
    }

    /// With 100 samples of one class and 10 taken, each index is in with probability 0.1: over
    /// 4,000 seeds 400 times, standard deviation 19.
    #[test]
    fn every_sample_is_as_likely() {
        let labels = [0; 100];
        let mut times = [0u32; 100];
        for seed in 0..4000 {
            for i in class_balanced_subset(&labels, 1, 10, seed) {
                times[i as usize] += 1;
            }
        }
        assert!(times.iter().all(|&n| (300..500).contains(&n)), "{times:?}");
    }

    proptest! {
        #[test]
        fn balanced_ascending_nested(
            labels in prop::collection::vec(0u16..6, 0..200),
            classes in 0usize..7,
            count in 0usize..220,
            seed: u64,
        ) {
            let subset = class_balanced_subset(&labels, classes, count, seed);
            let sizes = (0..classes)
                .map(|c| labels.iter().filter(|&&l| usize::from(l) == c).count())
                .collect::<Vec<_>>();
            prop_assert_eq!(subset.len(), count.min(sizes.iter().sum()));
            prop_assert!(subset.windows(2).all(|pair| pair[0] < pair[1]));

            let counts = counts(&labels, classes, &subset);
            let most = counts.iter().copied().max().unwrap_or(0);
            for (count, size) in counts.iter().zip(sizes) {
                prop_assert!(*count == size || count + 1 >= most);
            }

            let larger = class_balanced_subset(&labels, classes, count + 1, seed);
            prop_assert!(subset.iter().all(|i| larger.binary_search(i).is_ok()));
        }
    }
}
