//! Scoring runs: training on full data that is watched, and what it tells of each sample.

use crate::engine::{Sample, Split};
use crate::error::{Error, Result};
use crate::record::{Clock, Watch};
use crate::run::{Run, begun, training_samples};
use crate::snapshot::{Snapshot, of_length};
use candle_core::Device;
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

/// Makes the measurements of one training run on the CPU: all of `measurements` must have the same cell, on full data.
///
/// The run goes on for as many epochs as the longest measurement needs. `watch` is told of each epoch, and may stop the run
/// and have it go on later.
///
/// # Errors
/// If the measurements have different cells, an unknown scorer or option; if the cell does not fit the data set; if the
/// loss stops being a number; or [`Error::Stopped`] if `watch` stopped it.
pub fn measure(measurements: &[Measurement], dataset: &Dataset, watch: &mut dyn Watch) -> Result<Vec<Measured>> {
    measure_on(&Device::Cpu, measurements, dataset, watch)
}

/// As [`measure`], on any device, as [`run_on`](crate::run_on).
///
/// # Errors
/// As [`measure`], or if the device does not compute in the cell's precision.
pub fn measure_on(
    device: &Device,
    measurements: &[Measurement],
    dataset: &Dataset,
    watch: &mut dyn Watch,
) -> Result<Vec<Measured>> {
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
        train(device, cell, dataset, &mut accounts, watch)?;
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
            Ok(info.word(option, text)?)
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
    fn step(&mut self, epoch: u32, position: u32, sample: Sample) -> Result<()> {
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

    /// The passes over all samples that are due after `epoch` epochs. False if `stops` ended one: it is then as if it had not
    /// begun.
    fn pass(&mut self, epoch: u32, run: &mut Run, stops: &dyn Fn() -> bool) -> Result<bool> {
        let samples = run.train.len() as f64;
        let graph = run.engine.net().graph();
        let (forward, backward) = (samples * graph.forward_flops(), samples * graph.backward_flops());
        match self.wanted {
            Wanted::Forget { clean_pass: true } if epoch > 0 => {
                let mut correct = Vec::with_capacity(run.train.len());
                let push = |sample: Sample| correct.push(sample[column::CORRECT] == 1.0);
                if !run.engine.look(Split::Train, &run.train, stops, push)? {
                    return Ok(false);
                }
                let positions: Vec<u32> = (0..run.train.len() as u32).collect();
                self.counter.observe(&positions, &correct)?;
                self.flops += forward;
            }
            Wanted::El2n { epoch: due } if due == epoch => {
                self.scores.clear();
                let push = |sample: Sample| self.scores.push(sample[column::EL2N]);
                if !run.engine.look(Split::Train, &run.train, stops, push)? {
                    return Ok(false);
                }
                self.flops += forward;
            }
            Wanted::Grand { epoch: due, of } if due == epoch => {
                self.scores.clear();
                let push = |norm| self.scores.push(norm);
                if !run.engine.gradient_norms(&run.train, of, stops, push)? {
                    return Ok(false);
                }
                self.flops += match of {
                    Gradients::All => forward + backward,
                    // What the last layer's gradient takes is not counted beside a convolution.
                    Gradients::LastLayer => forward,
                };
            }
            _ => {}
        }
        Ok(true)
    }

    /// Writes what was measured so far into `snapshot`; `account` tells it from the others.
    fn save(&self, account: usize, snapshot: &mut Snapshot) {
        let name = |part: &str| format!("account{account}.{part}");
        let (events, presentations, status) = self.counter.state();
        snapshot.put(name("events"), events.to_vec());
        snapshot.put(name("presentations"), presentations.to_vec());
        snapshot.put(name("status"), status);
        snapshot.put(name("sums"), self.sums.clone());
        snapshot.put(name("scores"), self.scores.clone());
        snapshot.put(name("costs"), vec![self.seconds, self.flops]);
    }

    /// Goes on from what was saved.
    fn restore(&mut self, account: usize, snapshot: &Snapshot) -> Result<()> {
        let name = |part: &str| format!("account{account}.{part}");
        let counted = self.counter.events().len();
        let events = of_length(&name("events"), snapshot.u32s(&name("events"))?, counted)?;
        let presentations = snapshot.u32s(&name("presentations"))?;
        let status = snapshot.u8s(&name("status"))?;
        self.counter = ForgetCounter::restored(events.to_vec(), presentations.to_vec(), status)?;
        let sums = snapshot.f64s(&name("sums"))?;
        self.sums = of_length(&name("sums"), sums, self.sums.len())?.to_vec();
        self.scores = snapshot.f32s(&name("scores"))?.to_vec();
        [self.seconds, self.flops] = snapshot.f64s_exactly(&name("costs"))?;
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

/// Trains for as many epochs as any of the accounts watches, from the beginning or from a state that `watch` has kept.
fn train(
    device: &Device,
    cell: &Cell,
    dataset: &Dataset,
    accounts: &mut [Account],
    watch: &mut dyn Watch,
) -> Result<()> {
    let mut progress = Progress::default();
    let (mut run, is_resumed) = begun(device, cell, dataset, None, watch, |run, snapshot| {
        progress = Progress::restored(snapshot, accounts)?;
        run.restore_training(snapshot)
    })?;
    if !is_resumed {
        // What a state that was refused has left.
        progress = Progress::default();
        accounts
            .iter_mut()
            .for_each(|account| *account = Account::new(account.wanted, run.train.len()));
        run.pruning.select(0)?;
        run.open(1);
    }
    let epochs = accounts.iter().filter_map(|account| account.wanted.epochs(cell));
    let epochs = epochs.max().unwrap_or(0);
    loop {
        if !progress.passes(cell, accounts, &mut run, &|| watch.stops())? {
            return stopped(&progress, accounts, &run, watch);
        }
        if progress.epoch == epochs {
            return Ok(());
        }
        if progress.epoch > 0 && run.opened().steps == 0 && watch.keeps(progress.epoch) {
            watch.keep(progress.snapshot(accounts, &run)?);
        }
        if !progress.train(cell, accounts, &mut run, &|| watch.stops())? {
            return stopped(&progress, accounts, &run, watch);
        }
        watch.epoch_finished(run.opened(), epochs);
        run.open(progress.epoch + 1);
    }
}

/// Keeps the state of a scoring run that is to stop.
fn stopped(progress: &Progress, accounts: &[Account], run: &Run, watch: &mut dyn Watch) -> Result<()> {
    let snapshot = progress.snapshot(accounts, run)?;
    let (epoch, step) = (snapshot.epoch, snapshot.step);
    watch.keep(snapshot);
    Err(Error::Stopped { epoch, step })
}

/// How far a scoring run is.
#[derive(Default)]
struct Progress {
    /// Finished epochs of training.
    epoch: u32,
    /// The accounts that have made the passes that are due after them.
    passed: usize,
    /// Of the training so far, which every scorer that watched it would have needed. As in a training run, building the
    /// network and telling of progress are charged to nobody.
    seconds: f64,
}

impl Progress {
    /// The passes that are due now, of the accounts that have not made them. False if stopped.
    fn passes(
        &mut self,
        cell: &Cell,
        accounts: &mut [Account],
        run: &mut Run,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let graph = run.engine.net().graph();
        let per_epoch = run.train.len() as f64 * (graph.forward_flops() + graph.backward_flops());
        let mut clock = Clock::start();
        for account in accounts.iter_mut().skip(self.passed) {
            if !account.pass(self.epoch, run, stops)? {
                return Ok(false);
            }
            clock.charge(&mut account.seconds);
            if account.wanted.epochs(cell) == Some(self.epoch) {
                account.seconds += self.seconds;
                account.flops += f64::from(self.epoch) * per_epoch;
            }
            self.passed += 1;
        }
        Ok(true)
    }

    /// The open epoch of training, from its next step on. False if stopped.
    fn train(
        &mut self,
        cell: &Cell,
        accounts: &mut [Account],
        run: &mut Run,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let mut clock = Clock::start();
        let mut failure = Ok(());
        let epoch = self.epoch + 1;
        let is_whole = run.train(self.epoch, stops, &mut |position, sample| {
            for account in accounts.iter_mut() {
                if failure.is_ok() {
                    failure = account.step(epoch, position, sample);
                }
            }
        })?;
        failure?;
        let mut seconds = 0.0;
        clock.charge(&mut seconds);
        self.seconds += seconds;
        run.opened().training_seconds += seconds;
        if !is_whole {
            return Ok(false);
        }
        if !run.opened().train_loss.is_finite() {
            return Err(Error::Diverged { seed: cell.seed, epoch });
        }
        (self.epoch, self.passed) = (epoch, 0);
        Ok(true)
    }

    fn snapshot(&self, accounts: &[Account], run: &Run) -> Result<Snapshot> {
        let mut snapshot = run.training_snapshot(self.epoch)?;
        snapshot.put("passed", vec![self.passed as u64]);
        snapshot.put("seconds", vec![self.seconds]);
        for (i, account) in accounts.iter().enumerate() {
            account.save(i, &mut snapshot);
        }
        Ok(snapshot)
    }

    fn restored(snapshot: &Snapshot, accounts: &mut [Account]) -> Result<Self> {
        let [passed] = snapshot.u64s_exactly("passed")?;
        let [seconds] = snapshot.f64s_exactly("seconds")?;
        for (i, account) in accounts.iter_mut().enumerate() {
            account.restore(i, snapshot)?;
        }
        Ok(Self {
            epoch: snapshot.epoch,
            passed: passed as usize,
            seconds,
        })
    }
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
