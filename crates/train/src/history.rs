//! What a run remembers of its selections: the kept sets, the scores behind them, and a few samples' scores in full.

use crate::error::Result;
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

    /// What is to be kept; samples that were never scored leave no trace.
    pub(crate) fn finish(self) -> (Vec<KeptSet>, Vec<Trace>) {
        let scored = self.traces.into_iter().filter(|trace| !trace.epochs.is_empty());
        (self.kept_sets, scored.collect())
    }
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
///
/// # Errors
/// Never for such samples.
pub fn traced_positions(samples: &[u32], dataset: &Dataset, seed: u64) -> Result<Vec<u32>> {
    let labels: Vec<u16> = samples
        .iter()
        .map(|&index| dataset.train.labels[index as usize])
        .collect();
    let count = TRACED.min(labels.len());
    Ok(class_balanced_subset(&labels, dataset.classes.len(), count, seed))
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
