//! The work in our own crates. All that the bench uses of them is here.

use super::cases::{Convolution, Network, Pass, Work};
use anyhow::{Result, anyhow};
use candle_core::{Device, Tensor};
use dynaprune_models::{Graph, Input, Mode, Net, find};
use dynaprune_ops::simd::Level;
use dynaprune_ops::{Conv2d, CrossEntropy, Sgd, column, read};
use dynaprune_random::{Purpose, Stream};

const SGD: Sgd = Sgd {
    learning_rate: 0.01,
    momentum: 0.9,
    nesterov: true,
    weight_decay: 5e-4,
};

/// Work that was built and can be done.
pub(super) trait Subject {
    /// Does it once.
    fn once(&mut self) -> Result<()>;

    /// Numbers that it learns.
    fn parameters(&self) -> Option<u64> {
        None
    }

    /// The mean loss of the last training step.
    fn loss(&self) -> Result<Option<f64>> {
        Ok(None)
    }
}

/// Builds the work, with a batch of noise.
pub(super) fn build(work: &Work) -> Result<Box<dyn Subject>> {
    Ok(match work {
        Work::Step(network) => Box::new(Training {
            net: net(network)?,
            samples: None,
        }),
        Work::Inference(network) => Box::new(Inference { net: net(network)? }),
        Work::Convolution(layer) => Box::new(Layer::new(layer)?),
        Work::Product { size } => Box::new(Product {
            a: noise(&[*size, *size])?,
            b: noise(&[*size, *size])?,
        }),
    })
}

/// What computes, as results name it.
pub(super) fn program() -> String {
    let level = match Level::detect() {
        Level::Portable => "portable",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX512",
    };
    format!("dynaprune {} ({level})", env!("DYNAPRUNE_CODE_VERSION"))
}

/// Floating-point operations of doing the work once: two a multiply-add of convolutions and products.
pub(super) fn flops(work: &Work) -> Result<f64> {
    Ok(match work {
        Work::Step(network) => {
            let graph = graph(network)?;
            network.batch as f64 * (graph.forward_flops() + graph.backward_flops())
        }
        Work::Inference(network) => network.batch as f64 * graph(network)?.forward_flops(),
        Work::Convolution(layer) => layer.flops(),
        Work::Product { size } => 2.0 * (*size as f64).powi(3),
    })
}

struct Training {
    net: Net,
    samples: Option<Tensor>,
}

impl Subject for Training {
    fn once(&mut self) -> Result<()> {
        let samples = self.net.forward_backward(CrossEntropy::default())?.clone();
        self.samples = Some(samples);
        Ok(self.net.step(&SGD)?)
    }

    fn parameters(&self) -> Option<u64> {
        Some(self.net.graph().parameter_count() as u64)
    }

    fn loss(&self) -> Result<Option<f64>> {
        let Some(samples) = &self.samples else { return Ok(None) };
        let losses: Vec<f64> = read(samples, |rows: &[f32]| {
            let losses = rows
                .chunks_exact(column::COLUMNS)
                .map(|row| f64::from(row[column::LOSS]));
            Ok(losses.collect())
        })?;
        Ok(Some(losses.iter().sum::<f64>() / losses.len() as f64))
    }
}

struct Inference {
    net: Net,
}

impl Subject for Inference {
    fn once(&mut self) -> Result<()> {
        self.net.forward(Mode::Evaluate)?;
        Ok(())
    }

    fn parameters(&self) -> Option<u64> {
        Some(self.net.graph().parameter_count() as u64)
    }
}

fn graph(network: &Network) -> Result<Graph> {
    let Network {
        ref model,
        width,
        side,
        channels,
        classes,
        ..
    } = *network;
    let info = find(model).ok_or_else(|| anyhow!("no network `{model}`"))?;
    let input = Input {
        height: side,
        width: side,
        channels,
        classes,
    };
    Ok((info.build)(input, width)?)
}

fn net(network: &Network) -> Result<Net> {
    let mut net = Net::new(graph(network)?, network.batch, 0, &Device::Cpu)?;
    let mut stream = stream();
    net.load(network.batch, |images, labels| {
        images.fill_with(|| stream.normal_f64() as f32);
        labels.fill_with(|| stream.below(network.classes as u32));
    })?;
    Ok(net)
}

struct Layer {
    conv: Conv2d,
    pass: Pass,
    x: Tensor,
    w: Tensor,
    y: Tensor,
    /// What the pass writes.
    result: Tensor,
}

impl Layer {
    fn new(layer: &Convolution) -> Result<Self> {
        let conv = Conv2d {
            stride: layer.stride,
            padding: layer.size / 2,
        };
        let x = noise(&[layer.batch, layer.side, layer.side, layer.inputs])?;
        let w = noise(&[layer.size, layer.size, layer.inputs, layer.outputs])?;
        let y = noise(&conv.output_shape(x.dims(), w.dims())?)?;
        let result = match layer.pass {
            Pass::Forward => y.zeros_like()?,
            Pass::InputGradient => x.zeros_like()?,
            Pass::WeightGradient => w.zeros_like()?,
        };
        Ok(Self {
            conv,
            pass: layer.pass,
            x,
            w,
            y,
            result,
        })
    }
}

impl Subject for Layer {
    fn once(&mut self) -> Result<()> {
        let Self {
            conv, x, w, y, result, ..
        } = self;
        match self.pass {
            Pass::Forward => conv.forward(x, w, result)?,
            Pass::InputGradient => conv.grad_input(y, w, result, false)?,
            Pass::WeightGradient => conv.grad_weight(x, y, result)?,
        }
        Ok(())
    }
}

/// candle's own product, which is the `gemm` crate.
struct Product {
    a: Tensor,
    b: Tensor,
}

impl Subject for Product {
    fn once(&mut self) -> Result<()> {
        self.a.matmul(&self.b)?;
        Ok(())
    }
}

fn noise(shape: &[usize]) -> Result<Tensor> {
    let mut stream = stream();
    let numbers: Vec<f32> = (0..shape.iter().product())
        .map(|_| stream.normal_f64() as f32)
        .collect();
    Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?)
}

fn stream() -> Stream {
    Stream::new(0, Purpose::new("bench"), 0)
}
