//! What a run will cost, counted before it starts.

use crate::failure::BadInput;
use crate::library::Size;
use anyhow::{Result, anyhow};
use dynaprune_models::Graph;
use dynaprune_spec::{Cell, FirstRound, Measurement, ScoreSource, kept};

/// The counted work of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Samples trained on, counted each time.
    pub(crate) samples: u64,
    /// Floating-point operations of training, scoring and evaluation.
    pub(crate) flops: f64,
}

impl Work {
    /// The work of `cell` on a data set of this size, if it does not diverge.
    ///
    /// # Errors
    /// If no sample is kept, or the network cannot be built for such images.
    pub(crate) fn of(cell: &Cell, size: &Size) -> Result<Self> {
        if kept(size.train_samples, cell.pruned_fraction) == 0 {
            let message = format!("{}: none of {} samples is kept", cell.label(), size.train_samples);
            return Err(BadInput::new(message).into());
        }
        let graph = graph(cell, size)?;
        let passes = Passes::of(cell, size);
        let backward = passes.trained as f64 * graph.backward_flops();
        let forward = (passes.trained + passes.looked_at) as f64 * graph.forward_flops();
        Ok(Self {
            samples: passes.trained,
            flops: forward + backward,
        })
    }

    /// The training that these measurements share, and their own passes over the samples.
    ///
    /// # Errors
    /// As [`Work::of`], or if a scorer is unknown.
    pub(crate) fn of_scoring(measurements: &[Measurement], size: &Size) -> Result<Self> {
        let Some(first) = measurements.first() else {
            return Ok(Self::default());
        };
        let epochs = measurements.iter().map(dynaprune_train::epochs_watched);
        let epochs = epochs.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
        let graph = graph(&first.cell, size)?;
        let (mut forward, mut backward) = (epochs, epochs);
        for measurement in measurements {
            let own = dynaprune_train::own_passes(measurement)?;
            (forward, backward) = (forward + own.0, backward + own.1);
        }
        let passes = f64::from(forward) * graph.forward_flops() + f64::from(backward) * graph.backward_flops();
        Ok(Self {
            samples: u64::from(epochs) * size.train_samples as u64,
            flops: size.train_samples as f64 * passes,
        })
    }
}

fn graph(cell: &Cell, size: &Size) -> Result<Graph> {
    let info = dynaprune_models::find(&cell.model.name).ok_or_else(|| anyhow!("unknown network"))?;
    let width = usize::try_from(cell.model.int("width")?)?;
    Ok((info.build)(size.input, width)?)
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), |sum, work| Self {
            samples: sum.samples + work.samples,
            flops: sum.flops + work.flops,
        })
    }
}

/// Samples that pass through the network.
struct Passes {
    /// Forward and backward.
    trained: u64,
    /// Forward only, to score or to evaluate.
    looked_at: u64,
}

impl Passes {
    fn of(cell: &Cell, size: &Size) -> Self {
        let (all, kept) = (size.train_samples, cell.kept(size.train_samples));
        let batch = cell.training.batch_size as usize;
        // Passes over the samples, and steps, of which the tighter limit ends the run.
        let (epochs, budget) = match cell.fixed_steps(all) {
            None => (u64::from(cell.training.epochs), u64::MAX),
            Some(steps) => (u64::MAX, steps),
        };
        let period = u64::from(cell.selection.selection_period.unwrap_or(1));
        let scoring = cell.selection.scoring.as_ref();
        let first_round = scoring.map_or(FirstRound::Scores, |scoring| scoring.first_round);
        let forward_pass = scoring.is_some_and(|scoring| scoring.score_source == ScoreSource::ForwardPass);

        // The last look at the training set.
        let mut passes = Self {
            trained: 0,
            looked_at: all as u64,
        };
        let (mut epoch, mut steps_left) = (0, budget);
        while epoch < epochs && steps_left > 0 {
            let unscored = epoch < period && first_round != FirstRound::Scores;
            if forward_pass && epoch % period == 0 && !unscored {
                passes.looked_at += all as u64;
            }
            let samples = if unscored && first_round == FirstRound::Full {
                all
            } else {
                kept
            };
            let samples = (samples as u64).min(steps_left.saturating_mul(batch as u64));
            passes.trained += samples;
            steps_left -= samples.div_ceil(batch as u64);
            epoch += 1;
            let last = epoch == epochs || steps_left == 0;
            if last || epoch.is_multiple_of(u64::from(cell.training.evaluate_every)) {
                passes.looked_at += size.test_samples as u64;
            }
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;
    use dynaprune_spec::{
        Budget, Choice, DatasetSpec, Precision, Schedule, Score, Scoring, Selection, Training, Value,
    };
    use std::collections::BTreeMap;

    fn cell() -> Cell {
        let choice = |name: &str, options: &[(&str, Value)]| Choice {
            name: name.to_owned(),
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        };
        Cell {
            profile: "test".to_owned(),
            dataset: DatasetSpec {
                name: "digits".to_owned(),
                options: BTreeMap::new(),
                train_samples: Some(70),
                test_samples: Some(30),
                subset_seed: 0,
            },
            model: choice("cnn", &[("width", Value::Int(1))]),
            method: choice("uncertainty", &[]),
            pruned_fraction: 0.6,
            seed: 0,
            training: Training {
                epochs: 5,
                batch_size: 16,
                learning_rate: 0.01,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.0,
                label_smoothing: 0.0,
                schedule: Schedule::Constant,
                crop_padding: 0,
                horizontal_flip: false,
                budget: Budget::Epochs,
                precision: Precision::F32,
                evaluate_every: 2,
            },
            selection: Selection {
                selection_period: Some(2),
                class_balance: false,
                static_scores: None,
                scoring: Some(Scoring {
                    score: Score::Loss,
                    score_source: ScoreSource::ForwardPass,
                    first_round: FirstRound::Random,
                    ema_weight: 0.8,
                }),
            },
        }
    }

    /// What is counted before is what is counted on the way.
    #[test]
    fn the_count_comes_true() {
        let mut library = Library::new("nowhere".into());
        for (first_round, budget) in [
            (FirstRound::Random, Budget::Epochs),
            (FirstRound::Full, Budget::Epochs),
            (FirstRound::Scores, Budget::Epochs),
            (FirstRound::Random, Budget::Steps),
            (FirstRound::Scores, Budget::Steps),
        ] {
            for score_source in [ScoreSource::ForwardPass, ScoreSource::Training] {
                let mut cell = cell();
                let scoring = cell.selection.scoring.as_mut().unwrap();
                scoring.first_round = first_round;
                scoring.score_source = score_source;
                cell.training.budget = budget;
                let work = Work::of(&cell, &library.size(&cell.dataset).unwrap()).unwrap();
                let record = dynaprune_train::run(&cell, library.get(&cell.dataset).unwrap(), None, &mut ()).unwrap();
                let what = format!("{first_round:?} {score_source:?} {budget:?}");
                assert_eq!(work.samples, record.samples_seen, "{what}");
                let spent = record.training_flops + record.scoring_flops + record.evaluation_flops;
                assert!(
                    (work.flops / spent - 1.0).abs() < 1e-12,
                    "{what}: {} {spent}",
                    work.flops
                );
            }
        }
    }
}
