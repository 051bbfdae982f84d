//! What a run remembers of its selections: the kept sets, the scores behind them, and a few samples' scores in full.

use crate::error::Result;
use crate::snapshot::{Snapshot, of_length, wrong};
use dynaprune_datasets::{Dataset, class_balanced_subset};

/// Samples whose scores are kept one by one, at most.
const TRACED: usize = 100;

/// A kept set: what a selection chose.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSet {
    /// The first epoch trained on it, 1 for the first of the run.
    pub epoch: u32,
    /// The samples' positions in the training set, ascending.
    pub positions: Vec<u32>,
    /// The scores that the selection round took of all samples, if it took any.
    pub scores: Option<ScoreSummary>,
}

/// The scores of all samples in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreSummary {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divisor N).
    pub std: f64,
    /// The lowest.
    pub min: f64,
    /// The median: of an even number the lower of the two in the middle.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

/// One traced sample in all selection rounds that scored all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The sample's position in the training set.
    pub position: u32,
    /// Its index in the training split of the data set.
    pub sample: u32,
    /// Its class.
    pub label: u16,
    /// The first epoch after each round, 1 for the first of the run; ascending.
    pub epochs: Vec<u32>,
    /// Its score in each of these rounds, before any averaging.
    pub scores: Vec<f32>,
}

/// Everything remembered so far.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) kept_sets: Vec<KeptSet>,
    /// By position.
    pub(crate) traces: Vec<Trace>,
}

impl History {
    /// `samples` and `labels` are, by position, the indices into the training split and the classes; `traced` are positions.
    pub(crate) fn new(traced: &[u32], samples: &[u32], labels: &[u16]) -> Self {
        let trace = |&position: &u32| Trace {
            position,
            sample: samples[position as usize],
            label: labels[position as usize],
            epochs: Vec::new(),
            scores: Vec::new(),
        };
        Self {
            kept_sets: Vec::new(),
            traces: traced.iter().map(trace).collect(),
        }
    }

    /// Takes in the selection made before epoch `epoch`, the first being 1; `scores` are those of a pass made for it, by
    /// position.
    pub(crate) fn add(&mut self, epoch: u32, selected: &[u32], scores: Option<&[f32]>) {
        for trace in &mut self.traces {
            if let Some(&score) = scores.and_then(|scores| scores.get(trace.position as usize)) {
                trace.epochs.push(epoch);
                trace.scores.push(score);
            }
        }
        self.kept_sets.push(KeptSet {
            epoch,
            positions: selected.to_vec(),
            scores: scores.and_then(ScoreSummary::of),
        });
    }

    /// Writes everything into `snapshot`; the training set has `samples` samples.
    pub(crate) fn save(&self, samples: usize, snapshot: &mut Snapshot) {
        let sets = &self.kept_sets;
        let lengths = sets.iter().map(|set| set.positions.len() as u32);
        snapshot.put("history.epochs", sets.iter().map(|set| set.epoch).collect::<Vec<_>>());
        snapshot.put("history.kept", lengths.collect::<Vec<_>>());
        let sets_as_bits = sets.iter().flat_map(|set| bits(samples, &set.positions));
        snapshot.put("history.sets", sets_as_bits.collect::<Vec<u8>>());
        let scored = sets.iter().map(|set| u8::from(set.scores.is_some()));
        snapshot.put("history.scored", scored.collect::<Vec<_>>());
        let summaries = sets.iter().filter_map(|set| set.scores);
        let summaries = summaries.flat_map(|s| [s.mean, s.std, s.min, s.median, s.max]);
        snapshot.put("history.summaries", summaries.collect::<Vec<_>>());
        // All traces have the same rounds.
        let rounds = self.traces.first().map_or(Vec::new(), |trace| trace.epochs.clone());
        snapshot.put("history.traced_epochs", rounds);
        let scores = self.traces.iter().flat_map(|trace| trace.scores.iter().copied());
        snapshot.put("history.traced_scores", scores.collect::<Vec<_>>());
    }

    /// Goes on from what was saved of a history with the same traced samples.
    pub(crate) fn restore(&mut self, samples: usize, snapshot: &Snapshot) -> Result<()> {
        let epochs = snapshot.u32s("history.epochs")?;
        let rounds = epochs.len();
        let kept = of_length("history.kept", snapshot.u32s("history.kept")?, rounds)?;
        let bytes = samples.div_ceil(8);
        let sets = of_length("history.sets", snapshot.u8s("history.sets")?, rounds * bytes)?;
        let scored = of_length("history.scored", snapshot.u8s("history.scored")?, rounds)?;
        let with_scores = scored.iter().filter(|&&scored| scored != 0).count();
        let summaries = snapshot.f64s("history.summaries")?;
        let mut summaries = of_length("history.summaries", summaries, 5 * with_scores)?.chunks_exact(5);
        let mut kept_sets = Vec::with_capacity(rounds);
        for (round, &epoch) in epochs.iter().enumerate() {
            let positions = positions(samples, &sets[round * bytes..(round + 1) * bytes]);
            if positions.len() != kept[round] as usize {
                let found = format!("a set of {}", positions.len());
                return Err(wrong("history.sets", &found, &format!("one of {}", kept[round])));
            }
            let summary = |numbers: &[f64]| ScoreSummary {
                mean: numbers[0],
                std: numbers[1],
                min: numbers[2],
                median: numbers[3],
                max: numbers[4],
            };
            kept_sets.push(KeptSet {
                epoch,
                positions,
                scores: (scored[round] != 0).then(|| summaries.next().map(summary)).flatten(),
            });
        }
        let traced = snapshot.u32s("history.traced_epochs")?;
        let scores = snapshot.f32s("history.traced_scores")?;
        let scores = of_length("history.traced_scores", scores, self.traces.len() * traced.len())?;
        for (i, trace) in self.traces.iter_mut().enumerate() {
            trace.epochs = traced.to_vec();
            trace.scores = scores[i * traced.len()..(i + 1) * traced.len()].to_vec();
        }
        self.kept_sets = kept_sets;
        Ok(())
    }

    /// What is to be kept; samples that were never scored leave no trace.
    pub(crate) fn finish(self) -> (Vec<KeptSet>, Vec<Trace>) {
        let scored = self.traces.into_iter().filter(|trace| !trace.epochs.is_empty());
        (self.kept_sets, scored.collect())
    }
}

/// A set of positions below `samples` as bits, the lowest of each byte first.
pub(crate) fn bits(samples: usize, positions: &[u32]) -> Vec<u8> {
    let mut bits = vec![0; samples.div_ceil(8)];
    for &position in positions {
        bits[position as usize / 8] |= 1 << (position % 8);
    }
    bits
}

/// The positions below `samples` whose bits are set, ascending.
fn positions(samples: usize, bits: &[u8]) -> Vec<u32> {
    let is_set = |&position: &u32| bits[position as usize / 8] >> (position % 8) & 1 == 1;
    (0..samples as u32).filter(is_set).collect()
}

impl ScoreSummary {
    fn of(scores: &[f32]) -> Option<Self> {
        let mut sorted = scores.to_vec();
        sorted.sort_by(f32::total_cmp);
        let (min, max) = (f64::from(*sorted.first()?), f64::from(*sorted.last()?));
        let count = scores.len() as f64;
        let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / count;
        let squares: f64 = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum();
        Some(Self {
            mean,
            std: (squares / count).sqrt(),
            min,
            median: f64::from(sorted[(sorted.len() - 1) / 2]),
            max,
        })
    }
}

/// The positions whose scores are traced: a class-balanced, seeded subset, the same for all runs on the same training set.
///
/// `samples` are the indices of the training set into the training split of `dataset`, as
/// [`training_samples`](crate::training_samples) gives them; `seed` is that of the data set's subset.
#[must_use]
pub fn traced_positions(samples: &[u32], dataset: &Dataset, seed: u64) -> Vec<u32> {
    let labels: Vec<u16> = samples
        .iter()
        .map(|&index| dataset.train.labels[index as usize])
        .collect();
    let count = TRACED.min(labels.len());
    class_balanced_subset(&labels, dataset.classes.len(), count, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_leaves_its_set_its_scores_and_its_traces() {
        let mut history = History::new(&[1, 3], &[0, 10, 20, 30], &[5, 6, 7, 8]);
        history.add(1, &[0, 3], None);
        history.add(3, &[1, 2], Some(&[4.0, 1.0, 3.0, 0.0]));
        history.add(5, &[1, 2], Some(&[4.0, 2.0, 3.0, 0.5]));
        let (kept_sets, traces) = history.finish();
        assert_eq!((kept_sets[0].epoch, kept_sets[0].scores), (1, None));
        let scores = kept_sets[1].scores.unwrap();
        assert_eq!(
            (scores.mean, scores.min, scores.median, scores.max),
            (2.0, 0.0, 1.0, 4.0)
        );
        assert!((scores.std - 2.5f64.sqrt()).abs() < 1e-12);
        let traces: Vec<_> = traces
            .iter()
            .map(|t| (t.sample, t.label, &t.epochs[..], &t.scores[..]))
            .collect();
        assert_eq!(
            traces,
            [(10, 6, &[3, 5][..], &[1.0, 2.0][..]), (30, 8, &[3, 5], &[0.0, 0.5])]
        );
        assert!(History::new(&[0], &[0], &[0]).finish().1.is_empty());
    }
}
