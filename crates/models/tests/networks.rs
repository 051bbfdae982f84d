//! Every network against PyTorch: its parameters, its operations, and a training pass with all
//! gradients. `fixtures/networks.py` makes the reference and says what it holds.

mod hashed;

use candle_core::{Device, Tensor};
use dynaprune_models::{Input, MODELS, Mode, Net, find};
use dynaprune_ops::{CrossEntropy, column};
use hashed::{hashed, like, numbers, set_parameters};
use std::collections::{BTreeSet, HashMap};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Network, width, side of the images, channels, classes, parameters, operations forward and backward.
type Row = (&'static str, usize, usize, usize, usize, usize, u64, u64);

const COUNTS: &[Row] = &[
    ("cnn", 16, 32, 3, 10, 14_746, 15_041_152, 29_197_568),
    ("resnet8", 16, 32, 3, 10, 78_042, 25_003_264, 49_121_792),
    ("resnet9", 64, 32, 3, 10, 6_573_120, 758_523_904, 1_513_508_864),
    ("resnet18", 64, 32, 3, 10, 11_173_962, 1_110_845_440, 2_218_151_936),
    ("resnet20", 16, 32, 3, 10, 272_474, 81_626_368, 162_368_000),
    ("resnet34", 64, 32, 3, 10, 21_282_122, 2_318_804_992, 4_634_071_040),
    ("resnet50", 64, 32, 3, 10, 23_520_842, 2_595_659_776, 5_187_780_608),
    ("resnet8", 16, 32, 3, 100, 83_892, 25_014_784, 49_144_832),
    ("resnet18", 64, 32, 3, 100, 11_220_132, 1_110_937_600, 2_218_336_256),
    ("resnet50", 64, 32, 3, 100, 23_705_252, 2_596_028_416, 5_188_517_888),
    ("cnn", 16, 8, 1, 10, 14_458, 903_808, 1_789_184),
    ("resnet8", 4, 11, 3, 10, 5_214, 225_176, 424_216),
    ("resnet18", 16, 32, 3, 10, 701_466, 70_093_312, 139_301_888),
    ("resnet9", 16, 28, 1, 10, 412_656, 34_438_144, 68_650_496),
];

#[test]
fn parameters_and_operations_agree_with_pytorch() -> Result<()> {
    let counted: BTreeSet<_> = COUNTS.iter().map(|row| row.0).collect();
    assert_eq!(counted, MODELS.iter().map(|m| m.name).collect());
    for &(name, width, side, channels, classes, parameters, forward, backward) in COUNTS {
        let info = find(name).ok_or(name)?;
        let input = Input {
            height: side,
            width: side,
            channels,
            classes,
        };
        let graph = (info.build)(input, width)?;
        assert_eq!(graph.parameter_count(), parameters, "{name}");
        assert_eq!(graph.forward_flops(), forward as f64, "{name}");
        assert_eq!(graph.backward_flops(), backward as f64, "{name}");
    }
    Ok(())
}

/// The first row of a network in the table is the network as published.
#[test]
fn default_widths_are_those_of_the_published_networks() -> Result<()> {
    for model in MODELS {
        let row = COUNTS.iter().find(|row| row.0 == model.name).ok_or(model.name)?;
        assert_eq!(model.default_width, row.1, "{}", model.name);
    }
    Ok(())
}

const INPUT: Input = Input {
    height: 16,
    width: 16,
    channels: 3,
    classes: 5,
};
const SAMPLES: usize = 4;
const WIDTH: usize = 4;

/// The network `name` with the parameters and the batch of the reference.
fn net(name: &str, capacity: usize) -> Result<Net> {
    let info = find(name).ok_or(name)?;
    let mut net = Net::new((info.build)(INPUT, WIDTH)?, capacity, 0, &Device::Cpu)?;
    set_parameters(&net)?;
    let images = hashed("x", &[SAMPLES, INPUT.channels, INPUT.height, INPUT.width])?;
    let images = numbers(&images.permute((0, 2, 3, 1))?)?;
    net.load(SAMPLES, |to, labels| {
        to.copy_from_slice(&images);
        labels.copy_from_slice(&[0, 3, 1, 4]);
    })?;
    Ok(net)
}

const LOSS: CrossEntropy = CrossEntropy { label_smoothing: 0.1 };

/// Batch norm over 16 numbers a channel makes rounding errors grow with the depth: PyTorch's own f32
/// is off by 2e-6 for most of these networks, 1e-5 for ResNet-34 and 3e-5 for ResNet-50.
fn tolerance(name: &str) -> f32 {
    match name {
        "resnet50" => 1e-4,
        "resnet34" => 4e-5,
        _ => 1e-5,
    }
}

#[test]
fn a_training_pass_agrees_with_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/networks.safetensors");
    let reference: HashMap<String, Tensor> = candle_core::safetensors::load(path, &Device::Cpu)?;
    for model in MODELS {
        let name = model.name;
        let get = |what: &str| {
            let tensor = reference.get(&format!("{name}.{what}"));
            numbers(tensor.ok_or_else(|| candle_core::Error::Msg(format!("no `{name}.{what}`")))?)
        };
        let check = |what: &str, found: &[f32], expected: &[f32], size: f32| {
            assert_eq!(found.len(), expected.len(), "{name} {what}");
            for (found, expected) in found.iter().zip(expected) {
                let off = (found - expected).abs() / size;
                assert!(
                    off <= tolerance(name),
                    "{name} {what}: {found} instead of {expected}, off by {off:e}"
                );
            }
        };
        let largest = |values: &[f32]| values.iter().fold(0f32, |m, v| m.max(v.abs()));

        let mut net = net(name, SAMPLES)?;
        let (found, expected) = (numbers(net.forward(Mode::Train)?)?, get("logits")?);
        check("logits", &found, &expected, largest(&expected));
        let found = numbers(&net.forward_backward(LOSS)?.narrow(1, column::LOSS, 1)?)?;
        let expected = get("losses")?;
        check("losses", &found, &expected, largest(&expected));

        let prefix = format!("{name}.grad.");
        let names: BTreeSet<&str> = reference
            .keys()
            .filter_map(|k| k.strip_prefix(prefix.as_str()))
            .collect();
        let gradients = net.gradients()?;
        assert_eq!(gradients.iter().map(|g| g.0).collect::<BTreeSet<_>>(), names, "{name}");
        for (parameter, (key, gradient)) in net.graph().parameters().iter().zip(&gradients) {
            let direction = numbers(&like(parameter, &format!("direction of {key}"))?)?;
            let gradient = numbers(gradient)?;
            let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                gradient
                    .iter()
                    .zip(&direction)
                    .map(|(&g, &d)| f(f64::from(g), f64::from(d)))
                    .sum()
            };
            let found = [sum(&|g, _| g * g).sqrt() as f32, sum(&|g, d| g * d) as f32];
            let expected = get(&format!("grad.{key}"))?;
            check(key, &found, &expected, expected[0]);
        }
    }
    Ok(())
}

/// Memory is shared between steps, samples and gradients; none of it may show.
#[test]
fn a_pass_does_not_depend_on_what_ran_before_or_on_the_capacity() -> Result<()> {
    for model in MODELS {
        let pass = |net: &mut Net| -> Result<Vec<Vec<u32>>> {
            let samples = numbers(net.forward_backward(LOSS)?)?;
            let gradients = net.gradients()?.into_iter().map(|(_, g)| Ok(numbers(&g)?));
            let all = std::iter::once(Ok(samples))
                .chain(gradients)
                .collect::<Result<Vec<_>>>()?;
            Ok(all
                .into_iter()
                .map(|v| v.into_iter().map(f32::to_bits).collect())
                .collect())
        };
        let mut fresh = net(model.name, SAMPLES)?;
        let first = pass(&mut fresh)?;
        assert!(pass(&mut fresh)? == first, "{}: a second pass differs", model.name);

        let mut large = net(model.name, 3 * SAMPLES)?;
        let (images, labels) = batch(&mut large, SAMPLES)?;
        large.load(3 * SAMPLES, |to, of| {
            to.fill(f32::NAN);
            of.fill(2);
        })?;
        large.evaluate(LOSS, Mode::Evaluate)?;
        large.load(SAMPLES, |to, of| {
            to.copy_from_slice(&images);
            of.copy_from_slice(&labels);
        })?;
        assert!(pass(&mut large)? == first, "{}: a larger network differs", model.name);
    }
    Ok(())
}

/// The images and labels that are loaded.
fn batch(net: &mut Net, samples: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    net.load(samples, |to, of| {
        images = to.to_vec();
        labels = of.to_vec();
    })?;
    Ok((images, labels))
}

#[test]
fn a_pass_does_not_depend_on_the_number_of_threads() -> Result<()> {
    for model in MODELS {
        let bits = |threads| -> Vec<u32> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            let run = || -> Result<Vec<u32>> {
                let mut net = net(model.name, SAMPLES)?;
                net.forward_backward(LOSS)?;
                let mut bits = Vec::new();
                for (_, gradient) in net.gradients()? {
                    bits.extend(numbers(&gradient)?.into_iter().map(f32::to_bits));
                }
                Ok(bits)
            };
            pool.install(|| run().map_err(|e| e.to_string()))
                .expect("the pass runs")
        };
        let one = bits(1);
        assert!(one == bits(2) && one == bits(3), "{}", model.name);
    }
    Ok(())
}

#[test]
fn images_that_do_not_fit_are_refused() -> Result<()> {
    let message = |name: &str, height: usize, width: usize| -> Result<String> {
        let input = Input { height, width, ..INPUT };
        let info = find(name).ok_or(name)?;
        let error = (info.build)(input, WIDTH).err().ok_or("it was accepted")?;
        Ok(error.to_string())
    };
    assert!(message("resnet9", 32, 24)?.contains("square"));
    assert!(message("resnet9", 4, 4)?.contains("resnet9"));
    assert!(message("resnet18", 0, 32)?.contains("empty"));
    assert!(message("cnn", 1, 1)?.contains("cnn"));
    Ok(())
}
