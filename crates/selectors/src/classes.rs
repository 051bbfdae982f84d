//! Class-balanced selection: how many samples each class gives.

/// The class of every sample.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) labels: Vec<u16>,
    /// Samples in each class; a class between others may be empty.
    pub(crate) sizes: Vec<u32>,
    /// All samples, class after class, ascending in each.
    members: Vec<u32>,
    /// Where each class begins in `members`.
    starts: Vec<usize>,
}

impl Classes {
    pub(crate) fn new(labels: &[u16]) -> Self {
        let count = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
        let mut sizes = vec![0; count];
        for &label in labels {
            sizes[usize::from(label)] += 1;
        }
        let mut end = 0;
        let starts: Vec<usize> = sizes
            .iter()
            .map(|&size: &u32| {
                let start = end;
                end += size as usize;
                start
            })
            .collect();
        let (mut members, mut next) = (vec![0; labels.len()], starts.clone());
        for (sample, &label) in labels.iter().enumerate() {
            let place = &mut next[usize::from(label)];
            members[*place] = sample as u32;
            *place += 1;
        }
        Self {
            labels: labels.to_vec(),
            sizes,
            members,
            starts,
        }
    }

    /// The samples of a class, ascending.
    pub(crate) fn members(&self, class: usize) -> &[u32] {
        let start = self.starts[class];
        &self.members[start..start + self.sizes[class] as usize]
    }
}

/// Splits `k` over classes of `sizes` samples in proportion to their sizes, by largest remainder
/// (Hamilton's method): class c of n_c samples out of N first gets floor(k n_c / N); those left
/// over go, one each, to the classes with the largest fractional parts, the lower class first
/// among equals. The parts sum to `k`, which is at most the sum of `sizes`, and no part exceeds its
/// class.
pub(crate) fn apportion(k: u32, sizes: &[u32]) -> Vec<u32> {
    let total: u64 = sizes.iter().map(|&size| u64::from(size)).sum();
    let shares: Vec<u64> = sizes.iter().map(|&size| u64::from(k) * u64::from(size)).collect();
    let mut quotas: Vec<u32> = shares.iter().map(|share| (share / total) as u32).collect();
    let left = k - quotas.iter().sum::<u32>();
    let mut classes: Vec<usize> = (0..sizes.len()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(shares[class] % total));
    for &class in &classes[..left as usize] {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_know_their_members() {
        let classes = Classes::new(&[2, 0, 2, 4, 0, 2]);
        let members: Vec<&[u32]> = (0..5).map(|class| classes.members(class)).collect();
        assert_eq!(members, [&[1, 4][..], &[], &[0, 2, 5], &[], &[3]]);
    }

    #[test]
    fn equal_classes_get_equal_parts_and_the_first_get_the_rest() {
        assert_eq!(apportion(30, &[100, 100, 100]), [10, 10, 10]);
        assert_eq!(apportion(32, &[100, 100, 100]), [11, 11, 10]);
    }

    /// The textbook example of Hamilton's method (Wikipedia, largest remainder method: votes in
    /// thousands 47, 16, 15.8, 12, 6.1, 3.1; ten seats): 5, 2, 1, 1, 1, 0.
    #[test]
    fn agrees_with_the_textbook_example() {
        assert_eq!(
            apportion(10, &[47_000, 16_000, 15_800, 12_000, 6_100, 3_100]),
            [5, 2, 1, 1, 1, 0]
        );
    }

    #[test]
    fn degenerate_classes() {
        assert_eq!(apportion(0, &[3, 4]), [0, 0]);
        assert_eq!(apportion(7, &[3, 4]), [3, 4]);
        assert_eq!(apportion(1, &[1, 1, 1]), [1, 0, 0]);
        assert_eq!(apportion(3, &[0, 5, 0, 1]), [0, 3, 0, 0]);
        assert_eq!(apportion(4, &[9]), [4]);
        assert_eq!(apportion(u32::MAX - 1, &[u32::MAX - 2, 2]), [u32::MAX - 3, 2]);
    }

    proptest! {
        #[test]
        fn parts_sum_to_k_and_are_within_one_of_the_exact_share(
            sizes in prop::collection::vec(0u32..500, 1..20),
            part in 0.0f64..=1.0,
        ) {
            let total: u32 = sizes.iter().sum();
            prop_assume!(total > 0);
            let k = (part * f64::from(total)) as u32;
            let quotas = apportion(k, &sizes);
            prop_assert_eq!(quotas.iter().sum::<u32>(), k);
            for (&quota, &size) in quotas.iter().zip(&sizes) {
                let exact = f64::from(k) * f64::from(size) / f64::from(total);
                prop_assert!((f64::from(quota) - exact).abs() < 1.0);
                prop_assert!(quota <= size);
            }
        }
    }
}
