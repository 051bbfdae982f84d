//! Scoring runs: training on full data that is watched, and what it tells of each sample.

use crate::engine::Split;
use crate::error::{Error, Result};
use crate::record::{Clock, EpochRecord, Watch};
use crate::run::{Run, training_samples};
use dynaprune_datasets::{Dataset, Normalization, fill_batch};
use dynaprune_models::Gradients;
use dynaprune_ops::column;
use dynaprune_scorers::forget::ForgetCounter;
use dynaprune_scorers::input_norm::input_norm;
use dynaprune_scorers::random::random;
use dynaprune_spec::{Cell, Choice, Measurement};

/// Images whose norms are taken together.
const IMAGES: usize = 256;

/// What one scoring run told of the N training samples, in the order of the run's training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The score of each sample in this run; of the scorer `forget` the number of its forgetting events.
    pub scores: Vec<f32>,
    /// How often each sample was presented, for scorers that count presentations; else 0.
    pub presentations: Vec<u32>,
    /// Whether each sample was ever classified correctly, for scorers that count presentations; else true.
    pub learned: Vec<bool>,
    /// Seconds that the scorer would have needed alone: the training it watched, and its own passes.
    pub seconds: f64,
    /// Floating-point operations, likewise.
    pub flops: f64,
}

/// Makes the measurements of one training run: all of `measurements` must have the same cell, on full data.
///
/// The run goes on for as many epochs as the longest measurement needs. `watch` is told of each epoch.
///
/// # Errors
/// If the measurements have different cells, an unknown scorer or option; if the cell does not fit the data set; or if the
/// loss stops being a number.
pub fn measure(measurements: &[Measurement], dataset: &Dataset, watch: &mut dyn Watch) -> Result<Vec<Measured>> {
    let Some(first) = measurements.first() else {
        return Ok(Vec::new());
    };
    let cell = &first.cell;
    if measurements.iter().any(|measurement| measurement.cell != *cell) {
        return Err(Error::OtherRun);
    }
    let samples = training_samples(cell, dataset)?;
    let wanted = measurements.iter().map(|measurement| Wanted::of(&measurement.scorer));
    let wanted = wanted.collect::<Result<Vec<_>>>()?;
    let mut accounts: Vec<Account> = wanted
        .iter()
        .map(|wanted| Account::new(*wanted, samples.len()))
        .collect();
    if wanted.iter().any(|wanted| wanted.epochs(cell).is_some()) {
        train(cell, dataset, &mut accounts, watch)?;
    }
    accounts
        .into_iter()
        .map(|account| account.finish(cell, dataset, &samples))
        .collect()
}

/// The epochs of training that a measurement watches; 0 if it needs no training.
///
/// # Errors
/// If the scorer or an option of it is unknown.
pub fn epochs_watched(measurement: &Measurement) -> Result<u32> {
    Ok(Wanted::of(&measurement.scorer)?.epochs(&measurement.cell).unwrap_or(0))
}

/// The passes over all samples that a measurement makes beside the training it watches: forward, and backward.
///
/// # Errors
/// If the scorer or an option of it is unknown.
pub fn own_passes(measurement: &Measurement) -> Result<(u32, u32)> {
    Ok(Wanted::of(&measurement.scorer)?.passes(&measurement.cell))
}

/// A scorer with the options that matter in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Forget {
        clean_pass: bool,
    },
    El2n {
        epoch: u32,
    },
    /// The mean over the training steps of these epochs, counted from 1.
    El2nOfTraining {
        from: u32,
        to: u32,
    },
    Grand {
        epoch: u32,
        of: Gradients,
    },
    Random,
    InputNorm,
}

impl Wanted {
    fn of(scorer: &Choice) -> Result<Self> {
        let number = |name: &str| -> Result<u32> {
            let wrong = |reason: String| Error::Option {
                name: scorer.name.clone(),
                option: name.to_owned(),
                reason,
            };
            let value = scorer.int(name).map_err(|e| wrong(e.to_string()))?;
            u32::try_from(value).map_err(|e| wrong(e.to_string()))
        };
        let info = dynaprune_scorers::scorer(&scorer.name)?;
        let word = |option: &str| -> Result<&str> {
            let text = scorer.text(option).map_err(|e| Error::Option {
                name: scorer.name.clone(),
                option: option.to_owned(),
                reason: e.to_string(),
            })?;
            Ok(info.word(option, text)?.word)
        };
        Ok(match info.name {
            "forget" => Self::Forget {
                clean_pass: word("counted_on")? == "clean-pass",
            },
            "el2n" if word("measured")? == "training" => {
                let (from, to) = (number("from_epoch")?, number("epoch")?);
                if from == 0 || from > to {
                    return Err(Error::Option {
                        name: scorer.name.clone(),
                        option: "from_epoch".to_owned(),
                        reason: format!("expected 1 to {to}, the last epoch, found {from}"),
                    });
                }
                Self::El2nOfTraining { from, to }
            }
            "el2n" => Self::El2n {
                epoch: number("epoch")?,
            },
            "grand" => Self::Grand {
                epoch: number("epoch")?,
                of: match word("parameters")? {
                    "last-layer" => Gradients::LastLayer,
                    _ => Gradients::All,
                },
            },
            "random" => Self::Random,
            "input-norm" => Self::InputNorm,
            name => {
                return Err(Error::Option {
                    name: name.to_owned(),
                    option: "scorer".to_owned(),
                    reason: "no scoring run can measure it".to_owned(),
                });
            }
        })
    }

    /// Passes over all samples beside the training it watches: forward, and backward.
    fn passes(self, cell: &Cell) -> (u32, u32) {
        match self {
            Self::Forget { clean_pass: true } => (cell.training.epochs, 0),
            Self::El2n { .. }
            | Self::Grand {
                of: Gradients::LastLayer,
                ..
            } => (1, 0),
            Self::Grand { of: Gradients::All, .. } => (1, 1),
            Self::Forget { clean_pass: false } | Self::El2nOfTraining { .. } | Self::Random | Self::InputNorm => (0, 0),
        }
    }

    /// The epochs of training it watches; `None` if it needs no network.
    fn epochs(self, cell: &Cell) -> Option<u32> {
        match self {
            Self::Forget { .. } => Some(cell.training.epochs),
            Self::El2n { epoch } | Self::Grand { epoch, .. } | Self::El2nOfTraining { to: epoch, .. } => Some(epoch),
            Self::Random | Self::InputNorm => None,
        }
    }
}

/// A measurement in the making.
struct Account {
    wanted: Wanted,
    counter: ForgetCounter,
    sums: Vec<f64>,
    scores: Vec<f32>,
    /// Of its own passes, then also of the training it watched.
    seconds: f64,
    flops: f64,
}

impl Account {
    fn new(wanted: Wanted, samples: usize) -> Self {
        let length = |used: bool| if used { samples } else { 0 };
        Self {
            wanted,
            counter: ForgetCounter::new(length(matches!(wanted, Wanted::Forget { .. }))),
            sums: vec![0.0; length(matches!(wanted, Wanted::El2nOfTraining { .. }))],
            scores: Vec::with_capacity(samples),
            seconds: 0.0,
            flops: 0.0,
        }
    }

    /// Takes in what a training step of epoch `epoch`, counted from 1, told of a sample.
    fn step(&mut self, epoch: u32, position: u32, sample: &[f32; column::COLUMNS]) -> Result<()> {
        match self.wanted {
            Wanted::Forget { clean_pass: false } => {
                self.counter.observe(&[position], &[sample[column::CORRECT] == 1.0])?;
            }
            Wanted::El2nOfTraining { from, to } if (from..=to).contains(&epoch) => {
                self.sums[position as usize] += f64::from(sample[column::EL2N]);
            }
            _ => {}
        }
        Ok(())
    }

    /// The passes over all samples that are due after `epoch` epochs.
    fn pass(&mut self, epoch: u32, run: &mut Run) -> Result<()> {
        let samples = run.train.len() as f64;
        let graph = run.engine.net().graph();
        let (forward, backward) = (samples * graph.forward_flops(), samples * graph.backward_flops());
        match self.wanted {
            Wanted::Forget { clean_pass: true } if epoch > 0 => {
                let mut correct = Vec::with_capacity(run.train.len());
                run.engine.look(Split::Train, &run.train, |sample| {
                    correct.push(sample[column::CORRECT] == 1.0);
                })?;
                let positions: Vec<u32> = (0..run.train.len() as u32).collect();
                self.counter.observe(&positions, &correct)?;
                self.flops += forward;
            }
            Wanted::El2n { epoch: due } if due == epoch => {
                let scores = &mut self.scores;
                run.engine
                    .look(Split::Train, &run.train, |sample| scores.push(sample[column::EL2N]))?;
                self.flops += forward;
            }
            Wanted::Grand { epoch: due, of } if due == epoch => {
                let scores = &mut self.scores;
                run.engine.gradient_norms(&run.train, of, |norm| scores.push(norm))?;
                self.flops += match of {
                    Gradients::All => forward + backward,
                    // What the last layer's gradient takes is not counted beside a convolution.
                    Gradients::LastLayer => forward,
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, cell: &Cell, dataset: &Dataset, samples: &[u32]) -> Result<Measured> {
        let mut clock = Clock::start();
        match self.wanted {
            Wanted::Forget { .. } => self.scores = self.counter.events().iter().map(|&events| events as f32).collect(),
            Wanted::El2nOfTraining { from, to } => {
                let epochs = f64::from(to - from + 1);
                self.scores = self.sums.iter().map(|sum| (sum / epochs) as f32).collect();
            }
            Wanted::Random => self.scores = random(samples.len(), cell.seed),
            Wanted::InputNorm => self.scores = norms(dataset, samples)?,
            Wanted::El2n { .. } | Wanted::Grand { .. } => {}
        }
        clock.charge(&mut self.seconds);
        if let Some(sample) = self.scores.iter().position(|score| score.is_nan()) {
            return Err(dynaprune_scorers::Error::Nan { sample }.into());
        }
        let forget = matches!(self.wanted, Wanted::Forget { .. });
        Ok(Measured {
            presentations: match forget {
                true => self.counter.presentations().to_vec(),
                false => vec![0; samples.len()],
            },
            learned: match forget {
                true => self.counter.learned().collect(),
                false => vec![true; samples.len()],
            },
            scores: self.scores,
            seconds: self.seconds,
            flops: self.flops,
        })
    }
}

/// Trains for as many epochs as any of the accounts watches.
fn train(cell: &Cell, dataset: &Dataset, accounts: &mut [Account], watch: &mut dyn Watch) -> Result<()> {
    let mut run = Run::new(cell, dataset, None)?;
    run.pruning.select(0)?;
    let epochs = accounts
        .iter()
        .filter_map(|account| account.wanted.epochs(cell))
        .max()
        .unwrap_or(0);
    let graph = run.engine.net().graph();
    let per_epoch = run.train.len() as f64 * (graph.forward_flops() + graph.backward_flops());
    // Of the training so far, which every scorer that watched it would have needed. As in a training run, building the
    // network and telling of progress are charged to nobody.
    let (mut seconds, mut other) = (0.0, 0.0);
    let mut clock = Clock::start();
    for epoch in 0..=epochs {
        if epoch > 0 {
            let mut record = EpochRecord {
                epoch,
                ..EpochRecord::default()
            };
            let mut failure = Ok(());
            run.train(epoch - 1, &mut record, &mut |position, sample| {
                for account in accounts.iter_mut() {
                    if failure.is_ok() {
                        failure = account.step(epoch, position, sample);
                    }
                }
            })?;
            failure?;
            if !record.train_loss.is_finite() {
                return Err(Error::Diverged { seed: cell.seed, epoch });
            }
            clock.charge(&mut record.training_seconds);
            seconds += record.training_seconds;
            watch.epoch_finished(&record, epochs);
        }
        clock.charge(&mut other);
        for account in accounts.iter_mut() {
            account.pass(epoch, &mut run)?;
            clock.charge(&mut account.seconds);
            if account.wanted.epochs(cell) == Some(epoch) {
                account.seconds += seconds;
                account.flops += f64::from(epoch) * per_epoch;
            }
        }
    }
    Ok(())
}

/// The norm of each sample as the network gets it: normalised, not augmented.
fn norms(dataset: &Dataset, samples: &[u32]) -> Result<Vec<f32>> {
    let images = &dataset.train;
    let normalization = Normalization::of(images);
    let mut pixels = vec![0.0; IMAGES * images.image_len()];
    let mut norms = Vec::with_capacity(samples.len());
    for samples in samples.chunks(IMAGES) {
        let pixels = &mut pixels[..samples.len() * images.image_len()];
        fill_batch(images, samples, &normalization, None, pixels);
        norms.extend(input_norm(pixels, samples.len())?);
    }
    Ok(norms)
}
