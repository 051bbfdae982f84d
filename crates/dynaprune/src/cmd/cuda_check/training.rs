//! The same training on a GPU and on the CPU, step by step.

use super::largest;
use anyhow::Result;
use candle_core::Device;
use dynaprune_models::{Input, Net, Precision, find};
use dynaprune_ops::{CrossEntropy, Sgd, column, read};
use dynaprune_random::{Purpose, Stream};
use serde::Serialize;

const BATCHES: Purpose = Purpose::new("cuda-check batches");

const STEPS: u64 = 50;
const BATCH: usize = 32;
const INPUT: Input = Input {
    height: 16,
    width: 16,
    channels: 3,
    classes: 10,
};
const SGD: Sgd = Sgd {
    learning_rate: 0.02,
    momentum: 0.9,
    nesterov: true,
    weight_decay: 5e-4,
};

/// How the two compare.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Equivalence {
    pub(super) network: &'static str,
    pub(super) precision: &'static str,
    pub(super) steps: u64,
    /// The largest |loss on the GPU − loss on the CPU| / loss on the CPU of the first steps: what one step and the next get
    /// wrong.
    pub(super) first_loss_error: f64,
    pub(super) first_loss_tolerance: f64,
    /// The same of all steps.
    pub(super) loss_error: f64,
    pub(super) loss_tolerance: f64,
    /// ‖parameters on the GPU − on the CPU‖ / ‖on the CPU‖ after the last step.
    pub(super) parameter_error: f64,
    pub(super) parameter_tolerance: f64,
    /// The CPU's loss at the first and the last step: that it learns.
    pub(super) first_loss: f64,
    pub(super) last_loss: f64,
}

impl Equivalence {
    pub(super) fn is_right(&self) -> bool {
        self.first_loss_error <= self.first_loss_tolerance
            && self.loss_error <= self.loss_tolerance
            && self.parameter_error <= self.parameter_tolerance
            && self.last_loss < self.first_loss
    }
}

/// Steps whose losses are hardly touched by the growth of rounding errors.
const FIRST: usize = 3;

/// Trains a small ResNet on both, in f32 and in bf16.
///
/// Rounding errors grow along the way: a ReLU that lets pass here what it does not there turns the path. The kernels of two
/// instruction sets of one CPU end up 0.5 % apart in the last loss and 1.7 % in the parameters (AVX-512 and none). So the
/// first steps are held to what rounding may do, and the whole path to staying near.
pub(super) fn compare(device: &Device) -> Result<Vec<Equivalence>> {
    let (losses, parameters) = train(&Device::Cpu, Precision::F32)?;
    let mut all = Vec::new();
    let cases = [
        (Precision::F32, "f32", [1e-5, 5e-2, 5e-2]),
        (Precision::Bf16, "bf16", [2e-2, 0.15, 0.1]),
    ];
    for (precision, name, [first_loss_tolerance, loss_tolerance, parameter_tolerance]) in cases {
        let precision = if device.is_cuda() { precision } else { Precision::F32 };
        let (found_losses, found) = train(device, precision)?;
        let errors: Vec<f64> = losses
            .iter()
            .zip(&found_losses)
            .map(|(a, b)| ((a - b) / a).abs())
            .collect();
        let off: f64 = parameters
            .iter()
            .zip(&found)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        let size: f64 = parameters.iter().map(|a| f64::from(*a).powi(2)).sum();
        all.push(Equivalence {
            network: "resnet8",
            precision: name,
            steps: STEPS,
            first_loss_error: largest(&errors[..FIRST.min(errors.len())]),
            first_loss_tolerance,
            loss_error: largest(&errors),
            loss_tolerance,
            parameter_error: (off / size).sqrt(),
            parameter_tolerance,
            first_loss: losses.first().copied().unwrap_or(f64::NAN),
            last_loss: losses.last().copied().unwrap_or(f64::NAN),
        });
    }
    Ok(all)
}

/// The loss of each step, and the parameters after the last.
fn train(device: &Device, precision: Precision) -> Result<(Vec<f64>, Vec<f32>)> {
    let model = find("resnet8").ok_or_else(|| anyhow::anyhow!("no network `resnet8`"))?;
    let mut net = Net::with_precision((model.build)(INPUT, 16)?, BATCH, 0, device, precision)?;
    let mut losses = Vec::new();
    for step in 0..STEPS {
        net.load(BATCH, |images, labels| batch(step, images, labels))?;
        let samples = net.forward_backward(CrossEntropy::default())?;
        let loss = read(samples, |samples: &[f32]| {
            let losses = samples.iter().skip(column::LOSS).step_by(column::COLUMNS);
            Ok(losses.map(|&loss| f64::from(loss)).sum::<f64>() / BATCH as f64)
        })?;
        losses.push(loss);
        net.step(&SGD)?;
    }
    let state = net
        .state()?
        .into_iter()
        .filter(|(name, _)| name.starts_with("parameters."));
    Ok((losses, state.flat_map(|(_, numbers)| numbers).collect()))
}

/// Noise with a bright channel that tells the class, so that there is something to learn.
fn batch(step: u64, images: &mut [f32], labels: &mut [u32]) {
    let mut stream = Stream::new(0, BATCHES, step);
    let image = images.len() / labels.len();
    for (image, label) in images.chunks_exact_mut(image).zip(labels) {
        *label = stream.below(INPUT.classes as u32);
        for (i, number) in image.iter_mut().enumerate() {
            let pixel = i / INPUT.channels;
            let bright = pixel % INPUT.classes == *label as usize && i % INPUT.channels == 0;
            *number = stream.normal_f64() as f32 + if bright { 2.0 } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself_and_learns() {
        for equivalence in compare(&Device::Cpu).unwrap() {
            assert_eq!((equivalence.loss_error, equivalence.parameter_error), (0.0, 0.0));
            assert!(equivalence.is_right(), "{equivalence:?}");
        }
    }
}
