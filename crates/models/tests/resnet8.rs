//! A ResNet-8 against PyTorch: forward pass, all gradients and ten optimiser steps from the same
//! weights. `fixtures/resnet8.py` makes the reference and says what it holds.

use candle_core::{Device, Tensor};
use dynaprune_models::{Input, Mode, Net, find};
use dynaprune_ops::{CrossEntropy, Sgd, column, write};
use std::collections::{BTreeSet, HashMap};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const INPUT: Input = Input {
    height: 11,
    width: 11,
    channels: 3,
    classes: 10,
};
const BATCH: usize = 6;
const LOSS: CrossEntropy = CrossEntropy { label_smoothing: 0.1 };
const SGD: Sgd = Sgd {
    learning_rate: 0.1,
    momentum: 0.9,
    nesterov: true,
    weight_decay: 5e-4,
};

/// PyTorch's own f32 is off by up to 1e-6 of a tensor's largest number after one pass, and by 2e-6
/// after ten steps.
const ONE_PASS: f32 = 5e-6;
const TEN_STEPS: f32 = 1e-5;

struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    fn load() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/resnet8.safetensors");
        Ok(Self(candle_core::safetensors::load(path, &Device::Cpu)?))
    }

    /// A tensor in the layout of this crate: weights [kh, kw, ci, co] and [in, out], images NHWC.
    fn get(&self, name: &str) -> Result<Tensor> {
        let tensor = self.0.get(name).ok_or_else(|| format!("the fixture has no `{name}`"))?;
        let tensor = match tensor.rank() {
            4 if name.starts_with("x.") => tensor.permute((0, 2, 3, 1))?,
            4 => tensor.permute((2, 3, 1, 0))?,
            2 if name.ends_with("fc.weight") => tensor.t()?,
            _ => tensor.clone(),
        };
        Ok(tensor.contiguous()?)
    }

    fn names(&self, prefix: &str) -> BTreeSet<&str> {
        self.0.keys().filter_map(|k| k.strip_prefix(prefix)).collect()
    }

    fn load_batch(&self, net: &mut Net, step: usize) -> Result<()> {
        let images = numbers(&self.get(&format!("x.{step}"))?)?;
        let labels = self.get(&format!("y.{step}"))?.to_vec1::<i64>()?;
        net.load(BATCH, |to, of| {
            to.copy_from_slice(&images);
            for (to, label) in of.iter_mut().zip(labels) {
                *to = label as u32;
            }
        })?;
        Ok(())
    }

    /// A network with the initial parameters and statistics of the reference.
    fn net(&self) -> Result<Net> {
        let info = find("resnet8").ok_or("no resnet8")?;
        // A capacity above the batch: the memory is larger than what is used.
        let net = Net::new((info.build)(INPUT, 4)?, BATCH + 3, 1, &Device::Cpu)?;
        for (name, tensor) in net.parameters()?.into_iter().chain(net.statistics()?) {
            let initial = self.get(&format!("init.{name}"))?;
            assert_eq!(tensor.dims(), initial.dims(), "{name}");
            let initial = numbers(&initial)?;
            write(&tensor, |to: &mut [f32]| {
                to.copy_from_slice(&initial);
                Ok(())
            })?;
        }
        Ok(net)
    }

    /// Compares every tensor of `prefix` with those of the network.
    fn compare(&self, prefix: &str, found: Vec<(&str, Tensor)>, tolerance: f32) -> Result<()> {
        assert_eq!(found.iter().map(|f| f.0).collect::<BTreeSet<_>>(), self.names(prefix));
        for (name, found) in found {
            close(
                &format!("{prefix}{name}"),
                &found,
                &self.get(&format!("{prefix}{name}"))?,
                tolerance,
            )?;
        }
        Ok(())
    }
}

fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Asserts that the numbers differ by at most `tolerance` times the largest expected.
fn close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) -> Result<()> {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (numbers(found)?, numbers(expected)?);
    let largest = expected.iter().fold(0f32, |m, e| m.max(e.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        let off = (f - e).abs() / largest;
        assert!(off <= tolerance, "{what}[{i}]: {f} instead of {e}, off by {off:e}");
    }
    Ok(())
}

#[test]
fn the_first_pass_agrees_with_pytorch() -> Result<()> {
    let fixture = Fixture::load()?;
    let mut net = fixture.net()?;
    fixture.load_batch(&mut net, 0)?;
    close(
        "logits",
        net.forward(Mode::Train)?,
        &fixture.get("logits.train")?,
        ONE_PASS,
    )?;

    let mut net = fixture.net()?;
    fixture.load_batch(&mut net, 0)?;
    let samples = net.forward_backward(LOSS)?;
    let losses = samples.narrow(1, column::LOSS, 1)?.flatten_all()?;
    close("losses", &losses, &fixture.get("losses.0")?, ONE_PASS)?;
    fixture.compare("grad.", net.gradients()?, ONE_PASS)
}

#[test]
fn ten_steps_agree_with_pytorch() -> Result<()> {
    let fixture = Fixture::load()?;
    let mut net = fixture.net()?;
    let means = numbers(&fixture.get("loss.mean")?)?;
    for (step, expected) in means.iter().enumerate() {
        fixture.load_batch(&mut net, step)?;
        let losses = numbers(&net.forward_backward(LOSS)?.narrow(1, column::LOSS, 1)?)?;
        let mean = losses.iter().sum::<f32>() / BATCH as f32;
        assert!(
            (mean - expected).abs() <= TEN_STEPS * expected,
            "step {step}: loss {mean} instead of {expected}"
        );
        net.step(&SGD)?;
        for (after, tolerance) in [(1, ONE_PASS), (10, TEN_STEPS)] {
            if step + 1 == after {
                let found = net.parameters()?.into_iter().chain(net.statistics()?).collect();
                fixture.compare(&format!("after{after}."), found, tolerance)?;
            }
        }
    }
    assert_eq!(means.len(), 10);
    fixture.load_batch(&mut net, 0)?;
    close(
        "logits",
        net.forward(Mode::Evaluate)?,
        &fixture.get("logits.eval")?,
        TEN_STEPS,
    )
}
