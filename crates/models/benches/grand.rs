//! Time of the GraNd score: [`Net::gradient_norms`] beside a training step and beside the plain way, a training pass over one
//! image at a time and the norm of its gradient.
//!
//! `cargo bench -p dynaprune-models --bench grand`. CIFAR images in batches of 64; the four are timed in turn. Medians, with the
//! fastest and the slowest round; the ratio is to a training step.

use candle_core::Device;
use dynaprune_models::{Gradients, Input, Net, find};
use dynaprune_ops::{CrossEntropy, Sgd, read};
use dynaprune_random::{Purpose, Stream};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is timed, on the network with the loaded batch.
type Job<'a> = &'a mut dyn FnMut(&mut Net) -> Result<()>;

const INPUT: Input = Input {
    height: 32,
    width: 32,
    channels: 3,
    classes: 10,
};
const SAMPLES: usize = 64;
const SGD: Sgd = Sgd {
    learning_rate: 0.01,
    momentum: 0.9,
    nesterov: true,
    weight_decay: 5e-4,
};

fn main() -> Result<()> {
    // Without `--bench` this is a test that the bench runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        11
    } else {
        1
    };
    println!("{} threads, {rounds} rounds", rayon::current_num_threads());
    bench("resnet18", 16, rounds)?;
    bench("resnet8", 16, rounds)
}

fn bench(name: &str, width: usize, rounds: usize) -> Result<()> {
    let model = find(name).ok_or("no such network")?;
    let net = |capacity| Net::new((model.build)(INPUT, width)?, capacity, 0, &Device::Cpu);
    let (mut batch, mut single) = (net(SAMPLES)?, net(1)?);
    let mut stream = Stream::new(1, Purpose::new("bench"), 0);
    let image = INPUT.height * INPUT.width * INPUT.channels;
    let images: Vec<f32> = (0..SAMPLES * image).map(|_| stream.normal_f64() as f32).collect();
    batch.load(SAMPLES, |to, labels| {
        to.copy_from_slice(&images);
        labels.iter_mut().zip(0..).for_each(|(label, i)| *label = i % 10);
    })?;

    let mut jobs: [(&str, Job); 4] = [
        ("training step", &mut |net| {
            net.forward_backward(CrossEntropy::default())?;
            Ok(net.step(&SGD)?)
        }),
        ("gradient norms", &mut |net| {
            net.gradient_norms(Gradients::All)?;
            Ok(())
        }),
        ("gradient norms, last layer", &mut |net| {
            net.gradient_norms(Gradients::LastLayer)?;
            Ok(())
        }),
        ("one image at a time", &mut |_| {
            for (i, image) in images.chunks_exact(image).enumerate() {
                single.load(1, |to, labels| {
                    to.copy_from_slice(image);
                    labels[0] = i as u32 % 10;
                })?;
                single.forward_backward(CrossEntropy::default())?;
                std::hint::black_box(norm(&single)?);
            }
            Ok(())
        }),
    ];
    let mut times = vec![Vec::new(); jobs.len()];
    // The first round takes the memory.
    for round in 0..=rounds {
        for ((_, job), times) in jobs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            job(&mut batch)?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() / SAMPLES as f64);
            }
        }
    }

    println!("\n{name}, width {width}, batches of {SAMPLES}");
    println!(
        "{:28} {:>12} {:>10} {:>10} {:>8}",
        "", "us per image", "fastest", "slowest", "ratio"
    );
    times
        .iter_mut()
        .for_each(|times| times.sort_unstable_by(f64::total_cmp));
    let step = times[0][rounds / 2];
    for ((what, _), times) in jobs.iter().zip(&times) {
        let [median, fastest, slowest] = [times[rounds / 2], times[0], times[rounds - 1]].map(|s| s * 1e6);
        let ratio = times[rounds / 2] / step;
        println!("{what:28} {median:12.1} {fastest:10.1} {slowest:10.1} {ratio:7.2}x");
    }
    Ok(())
}

/// The norm of the gradient of all parameters.
fn norm(net: &Net) -> Result<f64> {
    let mut squares = 0.0;
    for (_, gradient) in net.gradients()? {
        squares += read(&gradient, |g: &[f32]| {
            Ok(g.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>())
        })?;
    }
    Ok(squares.sqrt())
}
