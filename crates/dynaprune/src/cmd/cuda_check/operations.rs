//! Every operation on a GPU against the same on the CPU.

use anyhow::{Result, anyhow};
use candle_core::{DType, Device, Tensor};
use dynaprune_ops::{BatchNorm, Conv2d, CrossEntropy, GlobalMean, Linear, MaxPool, MeanPool, Sgd, column, scale};
use dynaprune_random::{Purpose, Stream};
use serde::Serialize;
use std::cell::Cell;

const INPUTS: Purpose = Purpose::new("cuda-check inputs");

/// What is computed in, and the largest ‖found − expected‖ / ‖expected‖ that is allowed.
#[derive(Clone, Copy)]
struct Precision {
    name: &'static str,
    dtype: DType,
    /// Whether matrix units may round the factors of f32 convolutions.
    tf32: bool,
    tolerance: f64,
}

const F32: Precision = Precision {
    name: "f32",
    dtype: DType::F32,
    tf32: false,
    tolerance: 1e-5,
};
const TF32: Precision = Precision {
    name: "tf32",
    tf32: true,
    tolerance: 1e-3,
    ..F32
};
const BF16: Precision = Precision {
    name: "bf16",
    dtype: DType::BF16,
    tf32: false,
    tolerance: 2e-2,
};

/// How one operation compares.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) operation: &'static str,
    pub(super) precision: &'static str,
    /// ‖found − expected‖ / ‖expected‖ of the result that is furthest off.
    pub(super) error: Option<f64>,
    pub(super) tolerance: f64,
    /// Whether a second call gave the same bits.
    pub(super) reproducible: bool,
    /// Why it could not be compared.
    pub(super) failure: Option<String>,
}

impl Comparison {
    pub(super) fn is_right(&self) -> bool {
        self.failure.is_none() && self.reproducible && self.error.is_some_and(|error| error <= self.tolerance)
    }
}

/// Compares all operations in f32 and bf16, convolutions in TF32 too.
pub(super) fn compare(device: &Device) -> Vec<Comparison> {
    let convolutions = CONVOLUTIONS
        .iter()
        .flat_map(|case| [F32, TF32, BF16].map(|precision| (case, precision)));
    let others = OTHERS
        .iter()
        .flat_map(|case| [F32, BF16].map(|precision| (case, precision)));
    let all = convolutions.chain(others);
    all.map(|((operation, case), precision)| {
        let (error, reproducible, failure) = match pair(device, precision, *case) {
            Ok((error, reproducible)) => (Some(error), reproducible, None),
            Err(error) => (None, false, Some(format!("{error:#}"))),
        };
        Comparison {
            operation,
            precision: precision.name,
            error,
            tolerance: precision.tolerance,
            reproducible,
            failure,
        }
    })
    .collect()
}

/// A CPU has no TF32.
#[cfg_attr(not(feature = "cuda"), allow(unused_variables))]
fn allow_tf32(device: &Device, allow: bool) -> Result<()> {
    #[cfg(feature = "cuda")]
    if device.is_cuda() {
        dynaprune_ops::cuda::allow_tf32(device, allow)?;
    }
    Ok(())
}

/// The largest error of a case's results, and whether they came twice.
fn pair(device: &Device, Precision { dtype, tf32, .. }: Precision, case: Case) -> Result<(f64, bool)> {
    allow_tf32(device, tf32)?;
    let expected = case(&Place::new(&Device::Cpu, dtype))?;
    let found = case(&Place::new(device, dtype))?;
    let again = case(&Place::new(device, dtype))?;
    allow_tf32(device, false)?;
    let mut largest: f64 = 0.0;
    let mut same = true;
    for ((expected, found), again) in expected.iter().zip(&found).zip(&again) {
        let (expected, found, again) = (numbers(expected)?, numbers(found)?, numbers(again)?);
        if expected.len() != found.len() {
            return Err(anyhow!("found {} numbers, expected {}", found.len(), expected.len()));
        }
        let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
        let off = squares(&mut expected.iter().zip(&found).map(|(a, b)| f64::from(a - b)));
        let size = squares(&mut expected.iter().map(|&a| f64::from(a)));
        // A NaN is no number to be right about.
        let error = (off / size.max(f64::MIN_POSITIVE)).sqrt();
        largest = if error.is_nan() {
            f64::INFINITY
        } else {
            largest.max(error)
        };
        same &= found.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits());
    }
    Ok((largest, same))
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    let here = tensor.to_device(&Device::Cpu)?;
    Ok(here.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// Where a case is computed. Its inputs are the same everywhere: random, and rounded to the type that the GPU computes with.
struct Place<'a> {
    device: &'a Device,
    dtype: DType,
    drawn: Cell<u64>,
}

impl<'a> Place<'a> {
    fn new(device: &'a Device, dtype: DType) -> Self {
        Self {
            device,
            dtype,
            drawn: Cell::new(0),
        }
    }

    fn draw(&self, shape: &[usize]) -> Result<Tensor> {
        let number = self.drawn.replace(self.drawn.get() + 1);
        let mut stream = Stream::new(0, INPUTS, number);
        let len = shape.iter().product();
        let numbers: Vec<f32> = (0..len).map(|_| stream.normal_f64() as f32).collect();
        Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?)
    }

    /// Random activations: of the type computed with on the GPU, f32 numbers of the same values on the CPU.
    fn activations(&self, shape: &[usize]) -> Result<Tensor> {
        let rounded = self.draw(shape)?.to_dtype(self.dtype)?;
        match self.device.is_cpu() {
            true => Ok(rounded.to_dtype(DType::F32)?),
            false => self.there(&rounded),
        }
    }

    /// A tensor of the CPU, where the case is computed.
    fn there(&self, tensor: &Tensor) -> Result<Tensor> {
        let there = tensor.to_device(self.device)?;
        // candle does not wait for its copies, and not every GPU copies pageable memory before the call returns.
        self.device.synchronize()?;
        Ok(there)
    }

    /// Random f32 numbers.
    fn f32s(&self, shape: &[usize]) -> Result<Tensor> {
        self.there(&self.draw(shape)?)
    }

    /// Room for activations, with numbers that must be overwritten.
    fn room(&self, shape: &[usize]) -> Result<Tensor> {
        let dtype = if self.device.is_cpu() { DType::F32 } else { self.dtype };
        self.there(&Tensor::full(f32::NAN, shape, &Device::Cpu)?.to_dtype(dtype)?)
    }

    fn f32_room(&self, shape: &[usize]) -> Result<Tensor> {
        self.there(&Tensor::full(f32::NAN, shape, &Device::Cpu)?)
    }

    /// A random convolution's weight [kh, kw, ci, co]; on a GPU it lies as [co, kh, kw, ci] if `reordered`.
    fn filter(&self, shape: &[usize; 4], reordered: bool) -> Result<Tensor> {
        if self.device.is_cpu() || !reordered {
            return self.activations(shape);
        }
        let weight = self
            .draw(shape)?
            .to_dtype(self.dtype)?
            .permute((3, 0, 1, 2))?
            .contiguous()?;
        Ok(self.there(&weight)?.permute((1, 2, 3, 0))?)
    }

    fn labels(&self, n: usize, classes: u32) -> Result<Tensor> {
        let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % classes).collect();
        self.there(&Tensor::from_vec(labels, n, &Device::Cpu)?)
    }
}

/// What a case gives: its results.
type Case = fn(&Place) -> Result<Vec<Tensor>>;

const CONVOLUTIONS: &[(&str, Case)] = &[
    ("convolution 3x3", |place| {
        convolution(place, [16, 16, 16, 64], 3, 64, 1, 1, true)
    }),
    ("convolution 3x3, weight as described", |place| {
        convolution(place, [16, 16, 16, 64], 3, 64, 1, 1, false)
    }),
    ("convolution 3x3, stride 2", |place| {
        convolution(place, [16, 16, 16, 64], 3, 128, 2, 1, true)
    }),
    ("convolution 1x1, stride 2", |place| {
        convolution(place, [16, 16, 16, 64], 1, 128, 2, 0, true)
    }),
    ("convolution of images", |place| {
        convolution(place, [16, 32, 32, 8], 3, 64, 1, 1, true)
    }),
    ("convolution of a last batch", |place| {
        convolution(place, [5, 8, 8, 256], 3, 256, 1, 1, true)
    }),
    ("convolution 1x1, stride 2, of a whole batch", |place| {
        convolution(place, [128, 32, 32, 64], 1, 128, 2, 0, true)
    }),
    ("convolution of images to 32 channels", |place| {
        convolution(place, [64, 32, 32, 8], 3, 32, 1, 1, true)
    }),
    ("convolution, added gradient", added_gradient),
];

const OTHERS: &[(&str, Case)] = &[
    ("convolution, gradient norms of samples", conv_squares),
    ("batch norm", |place| batch_norm(place, [64, 16, 16, 64], false, true)),
    ("batch norm, no relu", |place| {
        batch_norm(place, [32, 8, 8, 128], false, false)
    }),
    ("batch norm, residual", |place| {
        batch_norm(place, [32, 8, 8, 512], true, true)
    }),
    ("batch norm, odd channels", |place| {
        batch_norm(place, [7, 5, 3, 10], true, true)
    }),
    ("batch norm, evaluation", batch_norm_eval),
    ("max pool 2x2", |place| max_pool(place, [16, 16, 16, 64], 2, 2)),
    ("max pool 3x3, stride 2", |place| max_pool(place, [9, 15, 15, 24], 3, 2)),
    ("mean pool", mean_pool),
    ("global mean", global_mean),
    ("linear", linear),
    ("cross-entropy, 10 classes", |place| cross_entropy(place, 128, 10)),
    ("cross-entropy, 100 classes", |place| cross_entropy(place, 100, 100)),
    ("as candle's operations, forward", applied),
    ("sum of multiples", multiples),
    ("sgd", sgd),
];

fn convolution(
    place: &Place,
    x: [usize; 4],
    size: usize,
    co: usize,
    stride: usize,
    padding: usize,
    reordered: bool,
) -> Result<Vec<Tensor>> {
    let conv = Conv2d { stride, padding };
    let w = [size, size, x[3], co];
    let output = conv.output_shape(&x, &w)?;
    let (x, w, dy) = (
        place.activations(&x)?,
        place.filter(&w, reordered)?,
        place.activations(&output)?,
    );
    let (y, dx) = (place.room(&output)?, place.room(x.dims())?);
    let dw = place.filter(&[size, size, x.dim(3)?, co], reordered)?;
    conv.forward(&x, &w, &y)?;
    conv.grad_input(&dy, &w, &dx, false)?;
    conv.grad_weight(&x, &dy, &dw)?;
    Ok(vec![y, dx, dw])
}

fn added_gradient(place: &Place) -> Result<Vec<Tensor>> {
    let conv = Conv2d { stride: 1, padding: 1 };
    let shape = [8, 8, 8, 32];
    let (dy, dx) = (place.activations(&shape)?, place.activations(&shape)?);
    conv.grad_input(&dy, &place.filter(&[3, 3, 32, 32], true)?, &dx, true)?;
    Ok(vec![dx])
}

fn conv_squares(place: &Place) -> Result<Vec<Tensor>> {
    let mut all = Vec::new();
    for (stride, size, side) in [(1, 3, 8), (2, 3, 4), (2, 1, 4)] {
        let conv = Conv2d {
            stride,
            padding: size / 2,
        };
        let (x, dy) = (
            place.activations(&[6, 8, 8, 24])?,
            place.activations(&[6, side, side, 80])?,
        );
        let squares = place.f32s(&[6])?;
        conv.weight_gradient_squares(&x, &dy, &[size, size, 24, 80], &squares)?;
        all.push(squares);
    }
    Ok(all)
}

fn batch_norm(place: &Place, shape: [usize; 4], residual: bool, relu: bool) -> Result<Vec<Tensor>> {
    let (norm, c) = (BatchNorm::new(relu), shape[3]);
    let (x, dy) = (place.activations(&shape)?, place.activations(&shape)?);
    let residual = residual.then(|| place.activations(&shape)).transpose()?;
    let (affine, running) = (place.f32s(&[2, c])?, place.f32s(&[2, c])?);
    let (saved, daffine, y) = (place.f32_room(&[2, c])?, place.f32_room(&[2, c])?, place.room(&shape)?);
    norm.forward_train(&x, residual.as_ref(), &affine, &running, &saved, &y)?;
    let dresidual = place.room(&shape)?;
    let output = residual.is_some().then_some(&y);
    let to = residual.is_some().then_some((&dresidual, false));
    norm.backward(&dy, &x, output, &affine, &saved, &daffine, to)?;
    let mut all = vec![y.clone(), running, saved, dy, daffine];
    if residual.is_some() {
        all.push(dresidual);
    }
    Ok(all)
}

fn batch_norm_eval(place: &Place) -> Result<Vec<Tensor>> {
    let (norm, shape) = (BatchNorm::new(true), [12, 8, 8, 64]);
    let (x, dy) = (place.activations(&shape)?, place.activations(&shape)?);
    let (residual, dresidual) = (place.activations(&shape)?, place.activations(&shape)?);
    let affine = place.f32s(&[2, 64])?;
    let running = place.there(&place.draw(&[2, 64])?.abs()?)?;
    let (y, squares) = (place.room(&shape)?, place.f32s(&[12])?);
    norm.forward_eval(&x, Some(&residual), &affine, &running, &y)?;
    norm.backward_eval(&dy, &x, Some(&y), &affine, &running, &squares, Some((&dresidual, true)))?;
    Ok(vec![y, dy, squares, dresidual])
}

fn max_pool(place: &Place, shape: [usize; 4], size: usize, stride: usize) -> Result<Vec<Tensor>> {
    let pool = MaxPool { size, stride };
    let output = pool.output_shape(&shape)?;
    let (x, dy) = (place.activations(&shape)?, place.activations(&output)?);
    let (y, dx) = (place.room(&output)?, place.room(&shape)?);
    pool.forward(&x, &y)?;
    pool.backward(&x, &dy, &dx)?;
    Ok(vec![y, dx])
}

fn mean_pool(place: &Place) -> Result<Vec<Tensor>> {
    let (pool, shape) = (MeanPool { size: 2, stride: 2 }, [8, 8, 8, 48]);
    let output = pool.output_shape(&shape)?;
    let (x, dy) = (place.activations(&shape)?, place.activations(&output)?);
    let (y, dx) = (place.room(&output)?, place.room(&shape)?);
    pool.forward(&x, &y)?;
    pool.backward(&dy, &dx)?;
    Ok(vec![y, dx])
}

fn global_mean(place: &Place) -> Result<Vec<Tensor>> {
    let shape = [64, 4, 4, 512];
    let (x, dy) = (place.activations(&shape)?, place.activations(&[64, 512])?);
    let (y, dx) = (place.room(&[64, 512])?, place.room(&shape)?);
    GlobalMean.forward(&x, &y)?;
    GlobalMean.backward(&dy, &dx)?;
    Ok(vec![y, dx])
}

fn linear(place: &Place) -> Result<Vec<Tensor>> {
    let (n, i, o) = (128, 512, 10);
    let (x, w, dy) = (
        place.activations(&[n, i])?,
        place.activations(&[i, o])?,
        place.activations(&[n, o])?,
    );
    let b = place.f32s(&[o])?;
    let (y, dx) = (place.room(&[n, o])?, place.room(&[n, i])?);
    let (dw, db, squares) = (place.f32_room(&[i, o])?, place.f32_room(&[o])?, place.f32s(&[n])?);
    Linear.forward(&x, &w, Some(&b), &y)?;
    Linear.backward(&x, &w, &dy, &dw, Some(&db), Some(&dx))?;
    Linear.gradient_squares(&x, &dy, true, &squares)?;
    Ok(vec![y, dw, db, dx, squares])
}

fn cross_entropy(place: &Place, n: usize, classes: usize) -> Result<Vec<Tensor>> {
    let loss = CrossEntropy { label_smoothing: 0.1 };
    let (logits, labels) = (place.activations(&[n, classes])?, place.labels(n, classes as u32)?);
    let (samples, dlogits) = (place.f32_room(&[n, column::COLUMNS])?, place.room(&[n, classes])?);
    let own = place.room(&[n, classes])?;
    loss.forward(&logits, &labels, None, &samples, Some(&dlogits))?;
    loss.sample_gradients(&logits, &labels, &own)?;
    Ok(vec![samples, dlogits, own])
}

/// The forms that candle differentiates; their backward passes are the calls that the other cases make.
fn applied(place: &Place) -> Result<Vec<Tensor>> {
    let images = || place.activations(&[6, 8, 8, 16]);
    let (affine, running) = (place.f32s(&[2, 16])?, place.f32s(&[2, 16])?);
    let norm = BatchNorm::new(true);
    let (x, w, b) = (
        place.activations(&[6, 16])?,
        place.activations(&[16, 10])?,
        place.f32s(&[10])?,
    );
    let labels = place.labels(6, 10)?;
    Ok(vec![
        Conv2d { stride: 1, padding: 1 }.apply(&images()?, &place.activations(&[3, 3, 16, 24])?)?,
        norm.apply(&images()?, None, &affine, &running)?,
        norm.apply(&images()?, Some(&images()?), &affine, &running)?,
        MaxPool { size: 2, stride: 2 }.apply(&images()?)?,
        MeanPool { size: 2, stride: 2 }.apply(&images()?)?,
        GlobalMean.apply(&images()?)?,
        Linear.apply(&x, &w, &b)?,
        CrossEntropy::default().apply(&place.activations(&[6, 10])?, &labels)?,
    ])
}

fn multiples(place: &Place) -> Result<Vec<Tensor>> {
    let (x, y, z) = (
        place.activations(&[1, 1031])?,
        place.activations(&[1, 1031])?,
        place.room(&[1, 1031])?,
    );
    scale(&x, 0.5, &y, true)?;
    scale(&x, 3.0, &z, false)?;
    Ok(vec![y, z])
}

fn sgd(place: &Place) -> Result<Vec<Tensor>> {
    let settings = Sgd {
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 5e-4,
    };
    let (weights, gradient, buffer) = (place.f32s(&[10_007])?, place.f32s(&[10_007])?, place.f32s(&[10_007])?);
    settings.step(&weights, &gradient, &buffer)?;
    Ok(vec![weights, buffer])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against itself the CPU is right in everything: the cases are well formed, and nothing is left unwritten.
    #[test]
    fn the_cpu_agrees_with_itself() {
        for comparison in compare(&Device::Cpu) {
            assert_eq!(comparison.error, Some(0.0), "{comparison:?}");
            assert!(comparison.is_right(), "{comparison:?}");
        }
    }
}
