//! The selectors in a training loop of one's own, written with plain candle: nothing of this crate is used, and of the
//! project only `dynaprune-selectors` is needed for pruning.
//!
//! ```sh
//! cargo run --release --example own_loop
//! ```
//!
//! A multi-layer perceptron learns the embedded digits with AdamW, on all samples and on a share of them that a selector
//! chooses. What a loop has to do for it is marked with PRUNING: tell the selector the loss of each sample, and train on the
//! samples that it names.

use candle_core::{D, DType, Device, Result as CandleResult, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::{AdamW, Linear, Module as _, Optimizer as _, ParamsAdamW};
use dynaprune_datasets::{Images, Normalization, fill_batch, find};
use dynaprune_random::{Purpose, Stream};
use dynaprune_selectors::{Cadence, Options, Selector, Setup, method};
use std::error::Error;
use std::time::Instant;

const EPOCHS: u64 = 60;
const BATCH: usize = 32;
const HIDDEN: usize = 64;
const LEARNING_RATE: f64 = 2e-3;

/// The share of the training samples that is removed.
const PRUNED_FRACTION: f64 = 0.8;
/// Epochs between selection rounds.
const SELECTION_PERIOD: u64 = 5;
const SEEDS: u64 = 3;

const WEIGHTS: Purpose = Purpose::new("example weights");
const SHUFFLE: Purpose = Purpose::new("example shuffle");

fn main() -> Result<(), Box<dyn Error>> {
    let digits = find("digits")?.load("data".as_ref(), &dynaprune_datasets::Options::new())?;
    let normalization = Normalization::of(&digits.train);
    let (train, test) = (
        Split::new(&digits.train, &normalization)?,
        Split::new(&digits.test, &normalization)?,
    );
    let all = digits.train.len();
    let part = ((1.0 - PRUNED_FRACTION) * all as f64).round() as usize;

    println!(
        "{all} digits, {EPOCHS} epochs, {} % of the samples removed, mean of {SEEDS} seeds\n",
        100.0 * PRUNED_FRACTION
    );
    println!("method           trained on   test accuracy   seconds");
    for (name, kept) in [
        ("full", all),
        ("random-static", part),
        ("random-dynamic", part),
        ("ucb", part),
    ] {
        let (mut seen, mut accuracy, clock) = (0, 0.0, Instant::now());
        for seed in 0..SEEDS {
            let (network, samples) = learn(&train, name, kept, seed)?;
            seen += samples;
            accuracy += 100.0 * network.accuracy(&test)? / SEEDS as f32;
        }
        let seen = seen / SEEDS as usize;
        println!(
            "{name:<15}  {seen:>10}   {accuracy:>11.1} %   {:>7.1}",
            clock.elapsed().as_secs_f64() / SEEDS as f64
        );
    }
    Ok(())
}

/// Trains a network under a method that keeps `kept` samples; returns it and how many samples it was trained on.
fn learn(train: &Split, name: &str, kept: usize, seed: u64) -> Result<(Network, usize), Box<dyn Error>> {
    let network = Network::new(train.inputs.dim(1)?, train.classes, seed)?;
    let settings = ParamsAdamW {
        lr: LEARNING_RATE,
        ..ParamsAdamW::default()
    };
    let mut optimizer = AdamW::new(network.parameters.clone(), settings)?;

    // PRUNING: the selector, and one that draws at random for the first round of a method that goes by scores. The losses of
    // a network that has learnt nothing tell classes apart, not samples.
    let samples = train.len();
    let (chosen, options, setup) = (
        method(name)?,
        Options::new(),
        Setup {
            samples,
            seed,
            ..Setup::default()
        },
    );
    let mut selector = chosen.build(&setup, &options)?;
    let mut first = method("random-static")?.build(&setup, &options)?;
    let cadence = chosen.cadence(&options)?;

    let (mut selected, mut seen) = (Vec::new(), 0);
    for epoch in 0..EPOCHS {
        // PRUNING: what to train on until the next time.
        let (round, begins) = (epoch / SELECTION_PERIOD, epoch % SELECTION_PERIOD == 0);
        match cadence {
            Cadence::Once if epoch > 0 => {}
            Cadence::EveryRound if !begins => {}
            Cadence::EveryRound if round == 0 && chosen.scored => selected = first.select(kept, 0)?,
            Cadence::EveryRound => {
                if chosen.scored {
                    observe(selector.as_mut(), &network, train)?;
                }
                selected = selector.select(kept, round)?;
            }
            Cadence::Once | Cadence::EveryEpoch => selected = selector.select(kept, epoch)?,
        }

        let mut order = selected.clone();
        Stream::new(seed, SHUFFLE, epoch).shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            let (inputs, labels) = train.batch(batch)?;
            let losses = network.losses(&inputs, &labels)?;
            optimizer.backward_step(&losses.mean_all()?)?;
            seen += batch.len();
        }
    }
    Ok((network, seen))
}

/// PRUNING: tells the selector the loss of every sample.
fn observe(selector: &mut dyn Selector, network: &Network, train: &Split) -> Result<(), Box<dyn Error>> {
    let indices: Vec<u32> = (0..train.len() as u32).collect();
    let losses: Vec<f32> = network.losses(&train.inputs, &train.labels)?.detach().to_vec1()?;
    Ok(selector.observe(&indices, &losses)?)
}

/// A hidden layer and an output layer.
struct Network {
    hidden: Linear,
    output: Linear,
    parameters: Vec<Var>,
}

impl Network {
    /// Weights are uniform with the bound 1 / sqrt(inputs), from a stream of our own: candle's cannot be seeded on a CPU.
    fn new(inputs: usize, classes: usize, seed: u64) -> CandleResult<Self> {
        let mut stream = Stream::new(seed, WEIGHTS, 0);
        let mut parameters = Vec::new();
        let mut linear = |inputs: usize, outputs: usize| {
            let bound = 1.0 / (inputs as f32).sqrt();
            let mut draw = |count: usize, shape: &[usize]| {
                let values = (0..count).map(|_| bound * (2.0 * stream.uniform_f32() - 1.0)).collect();
                Var::from_vec(values, shape, &Device::Cpu)
            };
            let (weight, bias) = (draw(outputs * inputs, &[outputs, inputs])?, draw(outputs, &[outputs])?);
            parameters.extend([weight.clone(), bias.clone()]);
            CandleResult::Ok(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())))
        };
        let (hidden, output) = (linear(inputs, HIDDEN)?, linear(HIDDEN, classes)?);
        Ok(Self {
            hidden,
            output,
            parameters,
        })
    }

    /// [n, classes] from [n, pixels].
    fn logits(&self, inputs: &Tensor) -> CandleResult<Tensor> {
        self.output.forward(&self.hidden.forward(inputs)?.relu()?)
    }

    /// The cross-entropy of each sample, [n].
    fn losses(&self, inputs: &Tensor, labels: &Tensor) -> CandleResult<Tensor> {
        let log_probabilities = log_softmax(&self.logits(inputs)?, D::Minus1)?;
        log_probabilities.gather(&labels.unsqueeze(1)?, 1)?.squeeze(1)?.neg()
    }

    fn accuracy(&self, split: &Split) -> CandleResult<f32> {
        let predicted = self.logits(&split.inputs)?.argmax(D::Minus1)?;
        predicted
            .eq(&split.labels)?
            .to_dtype(DType::F32)?
            .mean_all()?
            .to_scalar()
    }
}

/// A split of the data set as tensors.
struct Split {
    /// [n, pixels].
    inputs: Tensor,
    /// [n].
    labels: Tensor,
    classes: usize,
}

impl Split {
    fn new(images: &Images, normalization: &Normalization) -> CandleResult<Self> {
        let indices: Vec<u32> = (0..images.len() as u32).collect();
        let mut pixels = vec![0.0; images.len() * images.image_len()];
        fill_batch(images, &indices, normalization, None, &mut pixels);
        let labels: Vec<u32> = images.labels.iter().map(|&label| u32::from(label)).collect();
        Ok(Self {
            inputs: Tensor::from_vec(pixels, (images.len(), images.image_len()), &Device::Cpu)?,
            labels: Tensor::new(labels, &Device::Cpu)?,
            classes: usize::from(images.labels.iter().copied().max().unwrap_or(0)) + 1,
        })
    }

    fn len(&self) -> usize {
        self.labels.elem_count()
    }

    fn batch(&self, samples: &[u32]) -> CandleResult<(Tensor, Tensor)> {
        let samples = Tensor::new(samples, &Device::Cpu)?;
        Ok((
            self.inputs.index_select(&samples, 0)?,
            self.labels.index_select(&samples, 0)?,
        ))
    }
}
