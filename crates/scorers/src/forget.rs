//! Forget scores: how often training loses a sample again.
//!
//! Toneva et al. (2019), "An Empirical Study of Example Forgetting during Deep Neural Network
//! Learning": a forgetting event of a sample is a change from correctly to wrongly classified
//! between two consecutive presentations of it; what other samples do in between does not matter.
//! A sample that was never classified correctly has no such event and yet is the hardest of all, so
//! it gets a score of its own, see [`NeverLearned`].

use crate::Error;
use crate::error::check_length;
use crate::registry::{Needs, OptionInfo, OptionKind, ScorerInfo};

pub(crate) const INFO: ScorerInfo = ScorerInfo {
    name: "forget",
    needs: Needs::Correctness,
    options: &[
        OptionInfo {
            name: "counted_on",
            // The presentations of the training steps, augmented, by the network that the step then changes; or one after
            // each epoch, in evaluation mode and not augmented.
            kind: OptionKind::Word(&["training", "clean-pass"]),
            only_with: None,
        },
        OptionInfo {
            name: "never_learned",
            kind: OptionKind::Word(&["infinity", "presentations", "zero"]),
            only_with: None,
        },
        OptionInfo {
            name: "runs",
            // Of full length; their events are summed.
            kind: OptionKind::Protocol { original: 1, min: 1 },
            only_with: None,
        },
    ],
};

/// Counts the forgetting events of one training run.
///
/// To be told of every presentation: in original scores those of (augmented) training, with the
/// network as it was in the step that trained on the sample.
#[derive(Clone, Debug)]
pub struct ForgetCounter {
    /// Forgetting events of each sample.
    events: Vec<u32>,
    /// Presentations of each sample.
    presentations: Vec<u32>,
    status: Vec<Status>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    /// Never classified correctly.
    NeverLearned = 0,
    /// Classified correctly at its last presentation.
    Correct = 1,
    /// Classified correctly before, but not at its last presentation.
    Forgotten = 2,
}

impl ForgetCounter {
    /// A counter for a data set of `samples` samples, none of them presented yet.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self {
            events: vec![0; samples],
            presentations: vec![0; samples],
            status: vec![Status::NeverLearned; samples],
        }
    }

    /// What was counted before, by sample: a counter to combine with others. It is not for counting on, since how the last
    /// presentations went is not among it; a [`ForgetCounter::state`] is.
    ///
    /// # Errors
    /// The lists differ in length.
    pub fn of_counts(events: Vec<u32>, presentations: Vec<u32>, learned: &[bool]) -> Result<Self, Error> {
        check_length("`presentations`", presentations.len(), events.len())?;
        check_length("`learned`", learned.len(), events.len())?;
        let status = learned.iter().map(|&learned| match learned {
            true => Status::Correct,
            false => Status::NeverLearned,
        });
        Ok(Self {
            status: status.collect(),
            events,
            presentations,
        })
    }

    /// Takes in presentations of samples: `correct[j]` says whether sample `indices[j]` was
    /// classified correctly. Presentations of one sample count in the order given.
    ///
    /// # Errors
    /// The lists differ in length, or an index is not below the number of samples; nothing is
    /// counted then.
    pub fn observe(&mut self, indices: &[u32], correct: &[bool]) -> Result<(), Error> {
        check_length("`correct`", correct.len(), indices.len())?;
        let samples = self.events.len();
        if let Some(position) = indices.iter().position(|&index| index as usize >= samples) {
            return Err(Error::IndexOutOfRange {
                index: indices[position],
                position,
                samples,
            });
        }
        for (&index, &correct) in indices.iter().zip(correct) {
            let i = index as usize;
            self.presentations[i] = self.presentations[i].saturating_add(1);
            self.status[i] = match (self.status[i], correct) {
                (_, true) => Status::Correct,
                (Status::Correct, false) => {
                    self.events[i] = self.events[i].saturating_add(1);
                    Status::Forgotten
                }
                (status, false) => status,
            };
        }
        Ok(())
    }

    /// All that was counted so far, by sample: events, presentations, and how the sample stands (0 never classified
    /// correctly, 1 correctly at its last presentation, 2 correctly before); see [`ForgetCounter::restored`].
    #[must_use]
    pub fn state(&self) -> (&[u32], &[u32], Vec<u8>) {
        let status = self.status.iter().map(|status| *status as u8).collect();
        (&self.events, &self.presentations, status)
    }

    /// A counter that goes on from a [`ForgetCounter::state`].
    ///
    /// # Errors
    /// The lists differ in length, or a status is not 0, 1 or 2.
    pub fn restored(events: Vec<u32>, presentations: Vec<u32>, status: &[u8]) -> Result<Self, Error> {
        check_length("`presentations`", presentations.len(), events.len())?;
        check_length("`status`", status.len(), events.len())?;
        let known = |(sample, &status): (usize, &u8)| match status {
            0 => Ok(Status::NeverLearned),
            1 => Ok(Status::Correct),
            2 => Ok(Status::Forgotten),
            found => Err(Error::Status { sample, found }),
        };
        Ok(Self {
            status: status.iter().enumerate().map(known).collect::<Result<_, _>>()?,
            events,
            presentations,
        })
    }

    /// Forgetting events of each sample; 0 for one that was never learned.
    #[must_use]
    pub fn events(&self) -> &[u32] {
        &self.events
    }

    /// How often each sample was presented.
    #[must_use]
    pub fn presentations(&self) -> &[u32] {
        &self.presentations
    }

    /// Whether each sample was classified correctly at least once.
    pub fn learned(&self) -> impl ExactSizeIterator<Item = bool> {
        self.status.iter().map(|&status| status != Status::NeverLearned)
    }
}

/// The score of a sample that was never classified correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeverLearned {
    /// Infinite: above all others (the original definition).
    Infinity,
    /// The number of its presentations: as if forgotten at each (the code of Toneva et al.).
    Presentations,
    /// Zero, the opposite: among the samples that were never forgotten (DeepCore, CCS, DUAL).
    Zero,
}

impl NeverLearned {
    /// The meaning of a word of the option `never_learned`.
    ///
    /// # Errors
    /// [`Error::Unknown`] lists the words there are.
    pub fn of(word: &str) -> Result<Self, Error> {
        Ok(match INFO.word("never_learned", word)? {
            "presentations" => Self::Presentations,
            "zero" => Self::Zero,
            _ => Self::Infinity,
        })
    }
}

/// Forget scores: the events of all scoring runs, summed.
///
/// A sum cannot hold an infinite term without losing everything else: one run that never learned a
/// sample would set it above one that all runs forgot again and again. So with
/// [`NeverLearned::Infinity`] a sample is infinite if *no* run learned it; if some did, each of the
/// others adds its number of presentations, the most that a run can add.
///
/// # Errors
/// There is no run, runs differ in their number of samples, or a sample was not presented in one.
pub fn forget_scores(runs: &[ForgetCounter], never_learned: NeverLearned) -> Result<Vec<f32>, Error> {
    let samples = runs.first().ok_or(Error::NoRuns)?.events.len();
    let mut sums = vec![0u64; samples];
    let mut learned_by_any = vec![false; samples];
    for (run, counter) in runs.iter().enumerate() {
        check_length("the counter of a scoring run", counter.events.len(), samples)?;
        for (sample, learned) in counter.learned().enumerate() {
            let presentations = counter.presentations[sample];
            if presentations == 0 {
                return Err(Error::NotPresented { sample, run });
            }
            learned_by_any[sample] |= learned;
            sums[sample] += u64::from(match never_learned {
                NeverLearned::Infinity | NeverLearned::Presentations if !learned => presentations,
                _ => counter.events[sample],
            });
        }
    }
    let score = |(sum, learned): (u64, bool)| match never_learned {
        NeverLearned::Infinity if !learned => f32::INFINITY,
        _ => sum as f32,
    };
    Ok(sums.into_iter().zip(learned_by_any).map(score).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynaprune_random::{Purpose, Stream};
    use proptest::prelude::*;

    /// Accuracy histories made by hand, one row a sample, one column an epoch.
    const HISTORY: [(&str, u32); 8] = [
        ("111111", 0),
        ("000111", 0),
        ("101010", 3),
        ("010101", 2),
        ("110011", 1),
        ("000001", 0),
        ("100000", 1),
        ("000000", 0),
    ];
    const UNLEARNED: usize = 7;

    fn presented(histories: &[&str]) -> ForgetCounter {
        let mut counter = ForgetCounter::new(histories.len());
        for epoch in 0..histories[0].len() {
            for (sample, history) in histories.iter().enumerate() {
                counter
                    .observe(&[sample as u32], &[&history[epoch..=epoch] == "1"])
                    .unwrap();
            }
        }
        counter
    }

    fn counter() -> ForgetCounter {
        presented(&HISTORY.map(|(history, _)| history))
    }

    #[test]
    fn counts_the_events_of_histories_made_by_hand() {
        assert_eq!(counter().events(), HISTORY.map(|(_, events)| events));
        assert_eq!(counter().presentations(), [6; 8]);
        let learned: Vec<bool> = counter().learned().collect();
        assert_eq!(learned, [true, true, true, true, true, true, true, false]);
    }

    #[test]
    fn every_variant_scores_samples_never_learned_in_its_way() {
        let words = ["infinity", "presentations", "zero"];
        for (variant, unlearned) in words.into_iter().zip([f32::INFINITY, 6.0, 0.0]) {
            let never_learned = NeverLearned::of(variant).unwrap();
            let scores = forget_scores(&[counter()], never_learned).unwrap();
            let mut expected = HISTORY.map(|(_, events)| events as f32);
            expected[UNLEARNED] = unlearned;
            assert_eq!(scores, expected, "{variant}");
        }
    }

    #[test]
    fn a_restored_counter_goes_on_as_if_it_had_never_stopped() {
        for stop in 0..=6 {
            let first = HISTORY.map(|(history, _)| &history[..stop]);
            let stopped = if stop > 0 {
                presented(&first)
            } else {
                ForgetCounter::new(first.len())
            };
            let (events, presentations, status) = stopped.state();
            let mut counter = ForgetCounter::restored(events.to_vec(), presentations.to_vec(), &status).unwrap();
            for epoch in stop..6 {
                for (sample, (history, _)) in HISTORY.iter().enumerate() {
                    let correct = &history[epoch..=epoch] == "1";
                    counter.observe(&[sample as u32], &[correct]).unwrap();
                }
            }
            assert_eq!(counter.state(), self::counter().state(), "stopped after {stop}");
        }
        let error = ForgetCounter::restored(vec![0], vec![0], &[3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the saved status of sample 0 is 3: expected 0, 1 or 2"
        );
    }

    #[test]
    fn counts_that_were_stored_score_as_before() {
        let learned: Vec<bool> = counter().learned().collect();
        let (events, presentations) = (counter().events().to_vec(), counter().presentations().to_vec());
        let stored = ForgetCounter::of_counts(events.clone(), presentations, &learned).unwrap();
        for word in ["infinity", "presentations", "zero"] {
            let never_learned = NeverLearned::of(word).unwrap();
            assert_eq!(
                forget_scores(&[stored.clone(), counter()], never_learned),
                forget_scores(&[counter(), counter()], never_learned)
            );
        }
        assert!(ForgetCounter::of_counts(events, vec![], &learned).is_err());
    }

    #[test]
    fn infinity_in_one_run_does_not_swallow_the_others() {
        // Sample 0: never learned in one run of two. Sample 1: in none. Sample 2: forgotten a lot.
        let runs = [
            presented(&["0000", "0000", "1010"]),
            presented(&["1101", "0000", "1010"]),
        ];
        let scores = |never_learned| forget_scores(&runs, never_learned).unwrap();
        assert_eq!(scores(NeverLearned::Infinity), [5.0, f32::INFINITY, 4.0]);
        assert_eq!(scores(NeverLearned::Presentations), [5.0, 8.0, 4.0]);
        assert_eq!(scores(NeverLearned::Zero), [1.0, 0.0, 4.0]);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let mut counter = ForgetCounter::new(2);
        assert_eq!(
            counter.observe(&[0, 1], &[true]).unwrap_err().to_string(),
            "the length of `correct` is 1: expected 2"
        );
        assert_eq!(
            counter.observe(&[0, 2], &[true, true]).unwrap_err().to_string(),
            "sample index 2 at position 1: expected an index below 2"
        );
        assert_eq!(counter.presentations(), [0, 0]);
        counter.observe(&[0], &[true]).unwrap();
        assert_eq!(
            forget_scores(&[counter], NeverLearned::Zero).unwrap_err().to_string(),
            "sample 1 was not presented in run 0: expected at least once"
        );
        assert_eq!(forget_scores(&[], NeverLearned::Zero), Err(Error::NoRuns));
        let runs = [presented(&["1"]), presented(&["1", "1"])];
        assert!(matches!(
            forget_scores(&runs, NeverLearned::Zero),
            Err(Error::Length { .. })
        ));
        assert!(NeverLearned::of("never").is_err());
    }

    proptest! {
        /// Against the definition: "10" counted in the history of each sample; batches of any size,
        /// samples in another order in every epoch.
        #[test]
        fn batches_and_order_do_not_matter(
            n in 1usize..30, epochs in 1usize..12, batch in 1usize..40, seed: u64,
        ) {
            let mut stream = Stream::new(seed, Purpose::new("test"), 0);
            let histories: Vec<String> = (0..n)
                .map(|_| (0..epochs).map(|_| ["0", "1"][stream.below(2) as usize]).collect())
                .collect();
            let mut counter = ForgetCounter::new(n);
            for epoch in 0..epochs {
                let order = Stream::new(seed, Purpose::new("test"), 1 + epoch as u64).permutation(n as u32);
                for indices in order.chunks(batch) {
                    let correct: Vec<bool> =
                        indices.iter().map(|&i| &histories[i as usize][epoch..=epoch] == "1").collect();
                    counter.observe(indices, &correct).unwrap();
                }
            }
            let expected: Vec<f32> = histories
                .iter()
                .map(|history| match history.contains('1') {
                    true => history.matches("10").count() as f32,
                    false => f32::INFINITY,
                })
                .collect();
            prop_assert_eq!(forget_scores(&[counter], NeverLearned::Infinity).unwrap(), expected);
        }
    }
}
