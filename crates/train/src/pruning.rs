//! Which samples an epoch trains on: the selector's calendar and its observations.

use crate::engine::{Engine, Sample, Split};
use crate::error::{Error, Result};
use crate::snapshot::{Array, Snapshot, wrong};
use dynaprune_ops::column;
use dynaprune_selectors::{Cadence, Column, Options, Selector, Setup, State, Value, method};
use dynaprune_spec::{Cell, FirstRound, Score, ScoreSource, Scoring};
use std::collections::BTreeMap;

/// What the names of the selector's single numbers begin with in a snapshot, and those of its numbers for each sample.
const SCALAR: &str = "selector.scalar.";
const COLUMN: &str = "selector.column.";

/// The selector of a run with its calendar.
///
/// Positions count the N samples of the run's training set from 0.
pub(crate) struct Pruning {
    selector: Box<dyn Selector>,
    cadence: Cadence,
    samples: usize,
    kept: usize,
    period: u32,
    scoring: Option<Scoring>,
    seed: u64,
    /// The samples' classes, if selections are balanced over them.
    balanced: Option<Vec<u16>>,
    /// The positions kept now, ascending.
    selected: Vec<u32>,
    /// Room for the scores of a pass.
    observed: Vec<f32>,
}

impl Pruning {
    /// `labels` are those of the N samples, `static_scores` the score table of a `static` method.
    pub(crate) fn new(cell: &Cell, labels: &[u16], static_scores: Option<&[f32]>) -> Result<Self> {
        // The control is full data to its selector; its schedule is the run's business.
        let info = method(match cell.is_shortened() {
            true => "full",
            false => &cell.method.name,
        })?;
        let selection = &cell.selection;
        let given = cell.method.options.iter();
        let options: Options = given.map(|(name, value)| (name.clone(), option(value))).collect();
        let setup = Setup {
            samples: labels.len(),
            seed: cell.seed,
            ema_weight: selection
                .scoring
                .as_ref()
                .map_or(Setup::default().ema_weight, |s| s.ema_weight),
            labels: selection.class_balance.then_some(labels),
            static_scores: static_scores.filter(|_| info.static_scores),
        };
        Ok(Self {
            selector: info.build(&setup, &options)?,
            cadence: info.cadence(&options)?,
            samples: labels.len(),
            kept: cell.kept(labels.len()),
            period: selection.selection_period.unwrap_or(1),
            scoring: selection.scoring.clone().filter(|_| info.scored),
            seed: cell.seed,
            balanced: selection.class_balance.then(|| labels.to_vec()),
            selected: Vec::new(),
            observed: Vec::new(),
        })
    }

    /// Checks that the method has what it needs before any time is spent.
    pub(crate) fn check(cell: &Cell, samples: usize, static_scores: Option<&[f32]>) -> Result<()> {
        match static_scores {
            Some(scores) if scores.len() != samples => Err(Error::Dataset {
                dataset: cell.dataset.name.clone(),
                reason: format!(
                    "expected a score for each of its {samples} samples, found {}",
                    scores.len()
                ),
            }),
            _ => Ok(()),
        }
    }

    /// K.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// Epochs at the beginning that train on all N samples before the first selection.
    pub(crate) fn full_epochs(&self) -> u32 {
        match &self.scoring {
            Some(scoring) if scoring.first_round == FirstRound::Full => self.period,
            _ => 0,
        }
    }

    /// The positions to train on in the current epoch, ascending.
    pub(crate) fn selected(&self) -> &[u32] {
        &self.selected
    }

    /// Scores every sample if epoch `epoch` begins with a round that needs it: a pass over all N in
    /// evaluation mode. `indices` gives each position's image. Returns the samples scored, or nothing if `stops` ended the
    /// pass: then it is as if it had not begun.
    pub(crate) fn score(
        &mut self,
        epoch: u32,
        engine: &mut Engine,
        indices: &[u32],
        stops: &dyn Fn() -> bool,
    ) -> Result<Option<usize>> {
        let Some(scoring) = &self.scoring else {
            return Ok(Some(0));
        };
        let round = epoch.is_multiple_of(self.period);
        if !round || scoring.score_source != ScoreSource::ForwardPass || self.without_scores(epoch) {
            return Ok(Some(0));
        }
        let score = scoring.score;
        self.observed.clear();
        let push = |sample: Sample| self.observed.push(value(score, sample));
        if !engine.look(Split::Train, indices, stops, push)? {
            return Ok(None);
        }
        let positions: Vec<u32> = (0..self.samples as u32).collect();
        self.selector.observe(&positions, &self.observed)?;
        Ok(Some(self.samples))
    }

    /// Writes what changes during a run into `snapshot`.
    pub(crate) fn save(&self, snapshot: &mut Snapshot) {
        let state = self.selector.state();
        for (name, scalar) in state.scalars {
            snapshot.put(format!("{SCALAR}{name}"), vec![scalar]);
        }
        for (name, column) in state.columns {
            let name = format!("{COLUMN}{name}");
            match column {
                Column::F32(numbers) => snapshot.put(name, numbers),
                Column::U32(numbers) => snapshot.put(name, numbers),
            }
        }
        snapshot.put("selected", self.selected.clone());
    }

    /// Goes on from what was saved.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        // The cell says which method it is.
        let mut state = State {
            scalars: BTreeMap::new(),
            columns: BTreeMap::new(),
            ..self.selector.state()
        };
        for (name, array) in &snapshot.arrays {
            if let Some(scalar) = name.strip_prefix(SCALAR) {
                let [value] = snapshot.u64s_exactly(name)?;
                state.scalars.insert(scalar.to_owned(), value);
            } else if let Some(column) = name.strip_prefix(COLUMN) {
                let column = (
                    column.to_owned(),
                    match array {
                        Array::F32(numbers) => Column::F32(numbers.clone()),
                        _ => Column::U32(snapshot.u32s(name)?.to_vec()),
                    },
                );
                state.columns.extend([column]);
            }
        }
        let selected = snapshot.u32s("selected")?;
        let ascending = selected.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || selected.last().is_some_and(|&last| last as usize >= self.samples) {
            let expected = format!("ascending positions below {}", self.samples);
            return Err(wrong("selected", "others", &expected));
        }
        self.selector.restore(&state)?;
        self.selected = selected.to_vec();
        Ok(())
    }

    /// The scores of the last pass, by position.
    pub(crate) fn observed(&self) -> &[f32] {
        &self.observed
    }

    /// Whether the kept set changes during a run.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.cadence != Cadence::Once
    }

    /// Chooses the samples of epoch `epoch`, if it is time to, and says whether it did.
    pub(crate) fn select(&mut self, epoch: u32) -> Result<bool> {
        let round = epoch.is_multiple_of(self.period);
        let due = match self.cadence {
            Cadence::Once => epoch == 0,
            Cadence::EveryEpoch => true,
            Cadence::EveryRound => round,
        };
        if !due {
            return Ok(false);
        }
        if self.without_scores(epoch) {
            self.selected = match self.scoring.as_ref().map(|s| s.first_round) {
                Some(FirstRound::Full) => (0..self.samples as u32).collect(),
                _ => {
                    let setup = Setup {
                        samples: self.samples,
                        seed: self.seed,
                        labels: self.balanced.as_deref(),
                        ..Setup::default()
                    };
                    method("random-static")?
                        .build(&setup, &Options::new())?
                        .select(self.kept, 0)?
                }
            };
            return Ok(true);
        }
        let draw = if self.cadence == Cadence::EveryRound {
            epoch / self.period
        } else {
            epoch
        };
        self.selected = self.selector.select(self.kept, u64::from(draw))?;
        Ok(true)
    }

    /// Whether training steps feed the selector, and what one does.
    pub(crate) fn training_score(&self) -> Option<Score> {
        self.scoring
            .as_ref()
            .filter(|s| s.score_source == ScoreSource::Training)
            .map(|s| s.score)
    }

    /// Takes in the scores of one training step.
    pub(crate) fn observe(&mut self, positions: &[u32], scores: &[f32]) -> Result<()> {
        Ok(self.selector.observe(positions, scores)?)
    }

    /// Whether the epoch belongs to a first round that is drawn without scores: an untrained
    /// network ranks whole classes, not samples.
    fn without_scores(&self, epoch: u32) -> bool {
        epoch < self.period
            && self
                .scoring
                .as_ref()
                .is_some_and(|s| s.first_round != FirstRound::Scores)
    }
}

/// A sample's score: larger for a sample the network is less sure of.
pub(crate) fn value(score: Score, sample: Sample) -> f32 {
    match score {
        Score::Loss => sample[column::CROSS_ENTROPY],
        Score::OneMinusMaxProbability => 1.0 - sample[column::P_MAX],
        Score::Entropy => sample[column::ENTROPY],
        Score::El2n => sample[column::EL2N],
    }
}

fn option(value: &dynaprune_spec::Value) -> Value {
    match value {
        dynaprune_spec::Value::Int(i) => Value::Int(*i),
        dynaprune_spec::Value::Float(f) => Value::Float(*f),
        dynaprune_spec::Value::Text(t) => Value::Text(t.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(class_balance: bool) -> Cell {
        let json = r#"{"profile":"test","dataset":{"name":"digits","options":{},"train_samples":null,
            "test_samples":null,"subset_seed":0},"model":{"name":"cnn","options":{"width":4}},
            "method":{"name":"ucb","options":{}},"pruned_fraction":0.5,"seed":3,"training":{"epochs":4,
            "batch_size":8,"learning_rate":0.1,"momentum":0.9,"nesterov":true,"weight_decay":0.0,
            "label_smoothing":0.0,"schedule":{"kind":"constant"},"crop_padding":0,"horizontal_flip":false,
            "budget":"epochs","precision":"f32","evaluate_every":1},"selection":{"selection_period":2,
            "class_balance":CLASS_BALANCE,"scoring":{"score":"loss","score_source":"forward-pass",
            "first_round":"random","ema_weight":0.8}}}"#;
        Cell::from_json(&json.replace("CLASS_BALANCE", &class_balance.to_string())).unwrap()
    }

    #[test]
    fn a_static_method_keeps_the_highest_scores() {
        let mut cell = cell(false);
        cell.method.name = "static".to_owned();
        cell.pruned_fraction = 0.6;
        (cell.selection.scoring, cell.selection.selection_period) = (None, None);
        let scores = [0.5, 9.0, f32::INFINITY, -1.0, 3.0, 2.0, 8.0, 0.0, 1.0, 4.0];
        let mut pruning = Pruning::new(&cell, &[0; 10], Some(&scores)).unwrap();
        for epoch in 0..4 {
            pruning.select(epoch).unwrap();
            assert_eq!(pruning.selected(), [1, 2, 6, 9]);
        }
    }

    #[test]
    fn the_first_round_is_balanced_too() {
        let labels: Vec<u16> = (0..100).map(|i| u16::from(i % 5 == 0)).collect();
        let rare = |class_balance| {
            let mut pruning = Pruning::new(&cell(class_balance), &labels, None).unwrap();
            pruning.select(0).unwrap();
            assert_eq!(pruning.selected().len(), 50);
            pruning.selected().iter().filter(|&&i| labels[i as usize] == 1).count()
        };
        assert_eq!(rare(true), 10);
        assert_ne!(rare(false), 10, "chance gave the balanced count: take another seed");
    }
}
