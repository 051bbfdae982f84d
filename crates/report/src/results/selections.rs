use super::ColumnInfo;
use super::columns::{Row, rows};

rows! {
    /// A kept set of a run and the scores it was chosen by: a row of `selections.parquet`.
    ///
    /// Rows are sorted by run and epoch. A set is in force from its epoch to the epoch before the run's next row. The scores
    /// are those of all samples observed in the round; they are null where a set was chosen without a pass over the samples.
    pub struct SelectionRow {
        /// The run's identity, as in `runs.parquet`.
        pub run_id: String,
        /// The first epoch trained on the set, 1 for the first of the run.
        pub epoch: u32,
        /// N, the samples of the training set.
        pub train_samples: u32,
        /// Samples in the set.
        pub kept_samples: u32,
        /// The set: the sample at position p of the run's training set (see `traces.parquet`) is in it if bit p mod 8 (1 is the
        /// lowest bit's value) of byte p / 8 is 1; N / 8 bytes, rounded up.
        pub selected: Vec<u8>,
        /// Mean score.
        pub score_mean: Option<f64>,
        /// Standard deviation of the scores (divisor N).
        pub score_std: Option<f64>,
        /// The lowest score.
        pub score_min: Option<f64>,
        /// The median score: of an even number the lower of the two in the middle.
        pub score_median: Option<f64>,
        /// The highest score.
        pub score_max: Option<f64>,
    }
}

rows! {
    /// The scores of one traced sample in the selection rounds of a run: a row of `traces.parquet`.
    ///
    /// Rows are sorted by run and position. The traced samples are the same in all runs on the same training set. Whether a
    /// round kept the sample is in the row of `selections.parquet` with the same run and epoch.
    pub struct TraceRow {
        /// The run's identity, as in `runs.parquet`.
        pub run_id: String,
        /// The sample's position in the run's training set, from 0.
        pub position: u32,
        /// The sample's index in the training split of the data set, from 0.
        pub sample: u32,
        /// The sample's class.
        pub label: u32,
        /// For each round that scored all samples, the first epoch after it, 1 for the first of the run; ascending.
        pub epochs: Vec<u32>,
        /// For each of these rounds, what was observed of the sample: its score before any averaging.
        pub scores: Vec<f32>,
    }
}

impl SelectionRow {
    /// The columns of `selections.parquet`, in their order.
    pub const COLUMNS: &'static [ColumnInfo] = <Self as Row>::COLUMNS;

    /// Whether the set has the sample at `position`.
    #[must_use]
    pub fn has(&self, position: u32) -> bool {
        let byte = self.selected.get(position as usize / 8).copied().unwrap_or(0);
        byte >> (position % 8) & 1 == 1
    }

    /// The bit set of ascending or unordered `positions` out of `samples`.
    #[must_use]
    pub fn bits(positions: &[u32], samples: usize) -> Vec<u8> {
        let mut bits = vec![0; samples.div_ceil(8)];
        for &position in positions {
            if let Some(byte) = bits.get_mut(position as usize / 8) {
                *byte |= 1 << (position % 8);
            }
        }
        bits
    }

    /// How many of the first `epochs` epochs of a run trained on each sample, by position. `sets` are all of the run's, by
    /// epoch.
    #[must_use]
    pub fn epochs_selected(sets: &[&Self], epochs: u32) -> Vec<u32> {
        let samples = sets.first().map_or(0, |set| set.train_samples);
        let mut counts = vec![0; samples as usize];
        for (index, set) in sets.iter().enumerate() {
            let end = sets.get(index + 1).map_or(epochs + 1, |next| next.epoch);
            for (position, count) in (0..samples).zip(&mut counts) {
                if set.has(position) {
                    *count += end.saturating_sub(set.epoch);
                }
            }
        }
        counts
    }

    /// Samples that two sets have in common.
    #[must_use]
    pub fn common(&self, other: &Self) -> u32 {
        let pairs = self.selected.iter().zip(&other.selected);
        pairs.map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// The overlap of two sets: the samples in both over the samples in either (Jaccard's index); 1 for two empty sets.
    #[must_use]
    pub fn jaccard(&self, other: &Self) -> f64 {
        let pairs = self.selected.iter().zip(&other.selected);
        let either: u32 = pairs.map(|(a, b)| (a | b).count_ones()).sum();
        if either == 0 {
            return 1.0;
        }
        f64::from(self.common(other)) / f64::from(either)
    }
}

impl TraceRow {
    /// The columns of `traces.parquet`, in their order.
    pub const COLUMNS: &'static [ColumnInfo] = <Self as Row>::COLUMNS;
}

#[cfg(test)]
mod tests {
    use super::SelectionRow;

    fn set(positions: &[u32]) -> SelectionRow {
        SelectionRow {
            epoch: 1,
            train_samples: 19,
            kept_samples: positions.len() as u32,
            selected: SelectionRow::bits(positions, 19),
            ..SelectionRow::default()
        }
    }

    #[test]
    fn bits_are_where_the_format_says() {
        let kept = [0, 7, 8, 18];
        let row = set(&kept);
        assert_eq!(row.selected, [0b1000_0001, 0b0000_0001, 0b0000_0100]);
        let found: Vec<u32> = (0..40).filter(|&position| row.has(position)).collect();
        assert_eq!(found, kept);
    }

    #[test]
    fn a_set_counts_until_the_next_one() {
        let (mut a, mut b) = (set(&[0, 1]), set(&[1, 5]));
        (a.epoch, b.epoch) = (1, 4);
        let counts = SelectionRow::epochs_selected(&[&a, &b], 10);
        assert_eq!(
            (counts.len(), counts[0], counts[1], counts[5], counts[2]),
            (19, 3, 10, 7, 0)
        );
    }

    #[test]
    fn overlap_is_what_is_in_both_over_what_is_in_either() {
        let (a, b) = (set(&[1, 2, 3, 9]), set(&[2, 3, 17]));
        assert_eq!(a.common(&b), 2);
        assert_eq!(a.jaccard(&b), 2.0 / 5.0);
        assert_eq!(a.jaccard(&a), 1.0);
        assert_eq!(set(&[]).jaccard(&set(&[])), 1.0);
    }
}
