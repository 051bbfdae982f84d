//! How the kept set of a run changes from round to round.

use crate::SelectionRow;
use crate::figures::kept_sets::{Frequency, counts};

/// How many samples were kept in none, some and all of a run's counted rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) never: u32,
    pub(super) sometimes: u32,
    pub(super) always: u32,
    /// Rounds that were looked at.
    pub(super) rounds: u32,
    /// Samples kept in the last of them.
    pub(super) kept_samples: u32,
}

impl Kept {
    /// `None` with fewer than two rounds.
    pub(super) fn of(rounds: &[&SelectionRow]) -> Option<Self> {
        let last = rounds.last().filter(|_| rounds.len() > 1)?;
        let (counts, all) = (counts(rounds), rounds.len() as u32);
        let of = |frequency| {
            let members = counts.iter().filter(|&&count| Frequency::of(count, all) == frequency);
            members.count() as u32
        };
        Some(Self {
            never: of(Frequency::Never),
            sometimes: of(Frequency::Sometimes),
            always: of(Frequency::Always),
            rounds: all,
            kept_samples: last.kept_samples,
        })
    }

    /// Of the samples that were kept at least once the share, in percent, that was not always kept.
    pub(super) fn sometimes_of_kept(&self) -> f64 {
        100.0 * f64::from(self.sometimes) / f64::from(self.sometimes + self.always)
    }

    /// Of all samples the share, in percent, that was kept in some rounds but not in all.
    pub(super) fn sometimes_of_all(&self) -> f64 {
        100.0 * f64::from(self.sometimes) / f64::from(self.never + self.sometimes + self.always)
    }

    /// What [`Kept::sometimes_of_kept`] would be on average for sets drawn at random: how often a sample is kept is then
    /// binomial.
    pub(super) fn sometimes_by_chance(&self) -> f64 {
        let q = f64::from(self.kept_samples) / f64::from(self.never + self.sometimes + self.always);
        let (always, never) = (q.powf(f64::from(self.rounds)), (1.0 - q).powf(f64::from(self.rounds)));
        100.0 * (1.0 - always - never) / (1.0 - never)
    }
}

/// The overlap (Jaccard's index, in percent) of the last of a run's counted rounds with the first, and that of two random sets
/// of the same size on average, to first order; `None` with fewer than two rounds.
pub(super) fn first_and_last(rounds: &[&SelectionRow]) -> Option<(f64, f64)> {
    let (first, last) = rounds.first().zip(rounds.last()).filter(|_| rounds.len() > 1)?;
    let q = f64::from(last.kept_samples) / f64::from(last.train_samples);
    Some((100.0 * first.jaccard(last), 100.0 * q / (2.0 - q)))
}

#[cfg(test)]
mod tests {
    use super::{Kept, first_and_last};
    use crate::SelectionRow;

    fn set(epoch: u32, positions: &[u32]) -> SelectionRow {
        SelectionRow {
            epoch,
            train_samples: 10,
            kept_samples: positions.len() as u32,
            selected: SelectionRow::bits(positions, 10),
            ..SelectionRow::default()
        }
    }

    #[test]
    fn samples_are_counted_over_the_rounds() {
        let sets = [set(3, &[0, 1, 2, 3]), set(5, &[0, 1, 2, 4]), set(7, &[0, 1, 4, 9])];
        let sets: Vec<&SelectionRow> = sets.iter().collect();
        let kept = Kept::of(&sets).unwrap();
        // Always 0 and 1; sometimes 2, 3, 4 and 9.
        assert_eq!(
            kept,
            Kept {
                never: 4,
                sometimes: 4,
                always: 2,
                rounds: 3,
                kept_samples: 4
            }
        );
        assert!((kept.sometimes_of_kept() - 100.0 * 4.0 / 6.0).abs() < 1e-9);
        assert_eq!(kept.sometimes_of_all(), 40.0);
        // 1 - 0.4^3 - 0.6^3 = 0.72 of 1 - 0.6^3 = 0.784.
        assert!((kept.sometimes_by_chance() - 100.0 * 0.72 / 0.784).abs() < 1e-9);
        // 0 and 1 of 0, 1, 2, 3, 4, 9; by chance 0.4 / 1.6.
        let (overlap, chance) = first_and_last(&sets).unwrap();
        assert!((overlap - 100.0 / 3.0).abs() < 1e-9 && (chance - 25.0).abs() < 1e-9);
    }

    #[test]
    fn one_round_says_nothing() {
        let sets = [set(3, &[1])];
        let sets: Vec<&SelectionRow> = sets.iter().collect();
        assert_eq!(Kept::of(&sets), None);
        assert_eq!(first_and_last(&sets), None);
        assert_eq!(Kept::of(&[]), None);
    }
}
