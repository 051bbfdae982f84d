//! GraNd, the norm of the gradient of each sample's loss: against PyTorch's per-sample gradients (`fixtures/grand.py` makes the
//! reference and says what it holds), against finite differences of a plain network in f64, and against itself in other batches.

mod hashed;

use candle_core::{Device, Tensor};
use dynaprune_models::{Gradients, Input, MODELS, Mode, Net, find};
use dynaprune_ops::{CrossEntropy, Sgd, column};
use hashed::{fill, hashed, like, numbers, set_parameters};
use std::collections::HashMap;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a test asks of a network, in evaluation: EL2N, GraNd, and GraNd of the last layer.
fn scores(net: &mut Net) -> Result<[Vec<f32>; 3]> {
    let el2n = net.evaluate(CrossEntropy::default(), Mode::Evaluate)?;
    let el2n = numbers(&el2n.narrow(1, column::EL2N, 1)?)?;
    let all = numbers(net.gradient_norms(Gradients::All)?)?;
    let last = numbers(net.gradient_norms(Gradients::LastLayer)?)?;
    Ok([el2n, all, last])
}

struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    fn load() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/grand.safetensors");
        Ok(Self(candle_core::safetensors::load(path, &Device::Cpu)?))
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        Ok(self.0.get(name).ok_or_else(|| format!("the fixture has no `{name}`"))?)
    }

    /// Asserts that the scores are those of the reference, each up to `tolerance` times itself.
    fn compare(&self, prefix: &str, found: [Vec<f32>; 3], tolerance: f32) -> Result<()> {
        for (what, found) in ["el2n", "grand", "last"].into_iter().zip(found) {
            let expected = numbers(self.get(&format!("{prefix}{what}"))?)?;
            assert_eq!(found.len(), expected.len(), "{prefix}{what}");
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let off = (found - expected).abs() / expected;
                assert!(
                    off <= tolerance,
                    "{prefix}{what} of sample {i}: {found} instead of {expected}, off by {off:e}"
                );
            }
        }
        Ok(())
    }
}

#[test]
fn scores_of_a_trained_network_agree_with_pytorch() -> Result<()> {
    let fixture = Fixture::load()?;
    let images = fixture.get("x")?.permute((0, 2, 3, 1))?;
    let (samples, height, width, channels) = images.dims4()?;
    let input = Input {
        height,
        width,
        channels,
        classes: 10,
    };
    let info = find("resnet8").ok_or("no resnet8")?;
    // A capacity above the batch: the memory is larger than what is used.
    let mut net = Net::new((info.build)(input, 4)?, samples + 3, 1, &Device::Cpu)?;
    for (name, tensor) in net.parameters()?.into_iter().chain(net.statistics()?) {
        let values = fixture.get(&format!("net.{name}"))?;
        let values = match values.rank() {
            4 => values.permute((2, 3, 1, 0))?,
            2 => values.t()?,
            _ => values.clone(),
        };
        assert_eq!(tensor.dims(), values.dims(), "{name}");
        fill(&tensor, &values)?;
    }
    let labels = fixture.get("y")?.to_vec1::<i64>()?;
    let images = numbers(&images)?;
    net.load(samples, |to, of| {
        to.copy_from_slice(&images);
        of.iter_mut().zip(labels).for_each(|(to, label)| *to = label as u32);
    })?;
    fixture.compare("", scores(&mut net)?, 1e-5)
}

const INPUT: Input = Input {
    height: 16,
    width: 16,
    channels: 3,
    classes: 5,
};
const SAMPLES: usize = 8;

/// Gives the running statistics the numbers that `network` of `fixtures/grand.py` gives them.
fn set_statistics(net: &Net) -> Result<()> {
    for (statistic, (name, tensor)) in net.graph().statistics().iter().zip(net.statistics()?) {
        let values = like(statistic, name)?;
        let values = match name.strip_suffix(".running_var") {
            Some(norm) => {
                let weight = format!("{}.weight", norm.replace("bn", "conv"));
                let weight = net.graph().parameters().iter().find(|p| p.name == weight);
                let weight = weight.ok_or_else(|| format!("{name} has no convolution"))?;
                let count = weight.len() / weight.shape[3];
                (((values / 2.0)? + 1.0)? * (count as f64 / 16.0))?
            }
            None => (values / 4.0)?,
        };
        fill(&tensor, &values)?;
    }
    Ok(())
}

/// The images and labels of the reference, or some of them, by their number.
fn load(net: &mut Net, of: &[usize]) -> Result<()> {
    let images = hashed("x", &[SAMPLES, INPUT.channels, INPUT.height, INPUT.width])?;
    let images = numbers(&images.permute((0, 2, 3, 1))?)?;
    let image = images.len() / SAMPLES;
    net.load(of.len(), |to, labels| {
        for ((to, label), &i) in to.chunks_exact_mut(image).zip(labels).zip(of) {
            to.copy_from_slice(&images[i * image..][..image]);
            *label = (i * 3 % INPUT.classes) as u32;
        }
    })?;
    Ok(())
}

const ALL: [usize; SAMPLES] = [0, 1, 2, 3, 4, 5, 6, 7];

/// The network `name` of width 16 with the parameters and statistics of the reference, and its batch.
///
/// So wide, it has convolutions by tiles and by pairs of pixels.
fn net(name: &str) -> Result<Net> {
    let info = find(name).ok_or(name)?;
    let mut net = Net::new((info.build)(INPUT, 16)?, SAMPLES, 0, &Device::Cpu)?;
    set_parameters(&net)?;
    set_statistics(&net)?;
    load(&mut net, &ALL)?;
    Ok(net)
}

#[test]
fn scores_of_every_network_agree_with_pytorch() -> Result<()> {
    let fixture = Fixture::load()?;
    for model in MODELS {
        let found = scores(&mut net(model.name)?)?;
        fixture.compare(&format!("{}.", model.name), found, 1e-5)?;
    }
    Ok(())
}

#[test]
fn scores_depend_on_nothing_but_the_sample() -> Result<()> {
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    for model in MODELS {
        let name = model.name;
        let mut net = net(name)?;
        let whole = scores(&mut net)?.map(|v| bits(&v));
        // Alone, in batches of three of which the last is not full, in reversed order, and all once more.
        let batches: [Vec<Vec<usize>>; 4] = [
            ALL.iter().map(|&i| vec![i]).collect(),
            ALL.chunks(3).map(<[usize]>::to_vec).collect(),
            vec![ALL.iter().rev().copied().collect()],
            vec![ALL.to_vec()],
        ];
        for batch in batches.iter().flatten() {
            load(&mut net, batch)?;
            for (what, (found, whole)) in ["el2n", "grand", "last"]
                .iter()
                .zip(scores(&mut net)?.iter().zip(&whole))
            {
                let expected: Vec<u32> = batch.iter().map(|&i| whole[i]).collect();
                assert_eq!(bits(found), expected, "{name}: {what} of {batch:?}");
            }
        }
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let found = pool.install(|| scores(&mut net).map_err(|e| e.to_string()))?;
            assert!(found.map(|v| bits(&v)) == whole, "{name} with {threads} threads");
        }
    }
    Ok(())
}

/// Everything that a network shows of itself.
fn state(net: &Net) -> Result<Vec<Vec<u32>>> {
    let all = [net.parameters()?, net.statistics()?, net.gradients()?];
    let bits = |(_, tensor): (&str, Tensor)| {
        let numbers = numbers(&tensor)?;
        Ok(numbers.into_iter().map(f32::to_bits).collect())
    };
    all.into_iter().flatten().map(bits).collect()
}

/// Parameters, statistics and gradients are as before, and so is what the momentum makes of the next step.
#[test]
fn the_pass_leaves_no_trace() -> Result<()> {
    let sgd = Sgd {
        learning_rate: 0.05,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 5e-4,
    };
    for model in MODELS {
        let step = |net: &mut Net| -> Result<()> {
            net.forward_backward(CrossEntropy { label_smoothing: 0.1 })?;
            Ok(net.step(&sgd)?)
        };
        let (mut with, mut without) = (net(model.name)?, net(model.name)?);
        step(&mut with)?;
        step(&mut without)?;
        let before = state(&with)?;
        for of in [Gradients::All, Gradients::LastLayer] {
            with.gradient_norms(of)?;
            assert!(state(&with)? == before, "{}: {of:?}", model.name);
        }
        step(&mut with)?;
        step(&mut without)?;
        assert!(state(&with)? == state(&without)?, "{}: the step after it", model.name);
        assert!(state(&with)? != before, "{}", model.name);
    }
    Ok(())
}

#[test]
fn a_bad_sample_spoils_its_own_norm_only() -> Result<()> {
    let mut net = net("resnet18")?;
    let expected = scores(&mut net)?;
    // What is loaded stays.
    net.load(SAMPLES, |images, labels| {
        images[3 * images.len() / SAMPLES + 100] = f32::NAN;
        labels[6] = 5;
    })?;
    for (found, expected) in scores(&mut net)?.iter().zip(&expected) {
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            if i == 3 || i == 6 {
                assert!(found.is_nan(), "sample {i}: {found}");
            } else {
                assert_eq!(found, expected, "sample {i}");
            }
        }
    }
    Ok(())
}

/// An image in f64: rows, columns, channels.
struct Image {
    size: [usize; 3],
    values: Vec<f64>,
}

impl Image {
    /// A convolution of 3 x 3 with a border of one zero.
    fn convolved(&self, weights: &[f64], channels: usize) -> Self {
        let [height, width, ci] = self.size;
        let mut values = vec![0.0; height * width * channels];
        for (pixel, to) in values.chunks_exact_mut(channels).enumerate() {
            for k in 0..9 {
                let (row, column) = (pixel / width + k / 3, pixel % width + k % 3);
                if (1..=height).contains(&row) && (1..=width).contains(&column) {
                    let from = &self.values[((row - 1) * width + column - 1) * ci..][..ci];
                    for (x, weights) in from.iter().zip(weights[k * ci * channels..].chunks_exact(channels)) {
                        to.iter_mut().zip(weights).for_each(|(to, w)| *to += x * w);
                    }
                }
            }
        }
        let size = [height, width, channels];
        Self { size, values }
    }

    /// Batch norm by the running statistics, and a ReLU.
    fn normalized(mut self, affine: &[f64], running: &[f64]) -> Self {
        let c = self.size[2];
        for (at, x) in self.values.iter_mut().enumerate() {
            let i = at % c;
            let normal = (*x - running[i]) / (running[c + i] + 1e-5).sqrt();
            *x = (affine[i] * normal + affine[c + i]).max(0.0);
        }
        self
    }

    /// The maxima of windows of 2 x 2.
    fn pooled(&self) -> Self {
        let [height, width, c] = self.size;
        let size = [height / 2, width / 2, c];
        let at = |row: usize, column: usize, i: usize| self.values[(row * width + column) * c + i];
        let maximum = |to: usize| {
            let (row, column, i) = (to / c / size[1] * 2, to / c % size[1] * 2, to % c);
            let of_row = |row| at(row, column, i).max(at(row, column + 1, i));
            of_row(row).max(of_row(row + 1))
        };
        Self {
            size,
            values: (0..size.iter().product()).map(maximum).collect(),
        }
    }
}

/// The cross-entropy of one image by the network `cnn`, in evaluation; parameters and statistics in the network's order.
fn plain_loss(width: usize, mut parameters: &[f64], mut statistics: &[f64], image: Image, label: usize) -> f64 {
    let take = |from: &mut &[f64], count: usize| -> Vec<f64> {
        let (taken, rest) = from.split_at(count);
        *from = rest;
        taken.to_vec()
    };
    let mut x = image;
    for (channels, pool) in [(width, false), (2 * width, true), (2 * width, false)] {
        let weights = take(&mut parameters, 9 * x.size[2] * channels);
        let affine = take(&mut parameters, 2 * channels);
        let running = take(&mut statistics, 2 * channels);
        x = x.convolved(&weights, channels).normalized(&affine, &running);
        x = if pool { x.pooled() } else { x };
    }
    let [height, width, c] = x.size;
    let mean = |i: usize| x.values.iter().skip(i).step_by(c).sum::<f64>() / (height * width) as f64;
    let classes = parameters.len() / (c + 1);
    let (weights, mut logits) = (take(&mut parameters, c * classes), parameters.to_vec());
    for (i, weights) in weights.chunks_exact(classes).enumerate() {
        logits.iter_mut().zip(weights).for_each(|(l, w)| *l += mean(i) * w);
    }
    logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[label]
}

#[test]
fn the_norm_is_that_of_finite_differences_in_f64() -> Result<()> {
    let (width, samples) = (2, 4);
    let input = Input {
        height: 6,
        width: 5,
        channels: 2,
        classes: 3,
    };
    let info = find("cnn").ok_or("no cnn")?;
    let mut net = Net::new((info.build)(input, width)?, samples, 3, &Device::Cpu)?;
    set_parameters(&net)?;
    set_statistics(&net)?;
    let images = numbers(&hashed("x", &[samples, 6, 5, 2])?)?;
    net.load(samples, |to, labels| {
        to.copy_from_slice(&images);
        labels.copy_from_slice(&[0, 1, 2, 1]);
    })?;
    let [_, found, last] = scores(&mut net)?;

    let flat = |list: Vec<(&str, Tensor)>| -> Result<Vec<f64>> {
        let mut flat = Vec::new();
        for (_, tensor) in list {
            flat.extend(numbers(&tensor)?.into_iter().map(f64::from));
        }
        Ok(flat)
    };
    let (parameters, statistics) = (flat(net.parameters()?)?, flat(net.statistics()?)?);
    let of_last = parameters.len() - (2 * width + 1) * input.classes;
    let image = images.len() / samples;
    for (i, label) in [0, 1, 2, 1].into_iter().enumerate() {
        let mut moved = parameters.clone();
        let mut slope = |at: usize| {
            const STEP: f64 = 1e-6;
            let mut loss = |by: f64| {
                moved[at] = parameters[at] + by;
                let image = Image {
                    size: [6, 5, 2],
                    values: images[i * image..][..image].iter().map(|&x| f64::from(x)).collect(),
                };
                plain_loss(width, &moved, &statistics, image, label)
            };
            let slope = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            moved[at] = parameters[at];
            slope
        };
        let squares: Vec<f64> = (0..parameters.len()).map(|at| slope(at).powi(2)).collect();
        for (what, found, squares) in [("all", &found, &squares[..]), ("last", &last, &squares[of_last..])] {
            let expected = squares.iter().sum::<f64>().sqrt();
            let off = (f64::from(found[i]) - expected).abs() / expected;
            assert!(
                off < 2e-6,
                "{what} of sample {i}: {} instead of {expected}, off by {off:e}",
                found[i]
            );
        }
    }
    Ok(())
}
