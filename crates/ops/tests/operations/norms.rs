//! What each operation adds to the squared norm of a sample's gradient, against definitions in f64 of the gradient that the
//! sample alone gives.

use crate::inputs::{
    affine, assert_close, assert_derivative, assert_same_bits_for_every_thread_count, hashed, tensor, unwritten,
    values, widened,
};
use candle_core::{DType, Device, Result, Tensor};
use dynaprune_ops::{BatchNorm, Conv2d, CrossEntropy, Linear, column};
use proptest::prelude::*;

fn squared(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum()
}

fn zeros(n: usize) -> Result<Tensor> {
    Tensor::zeros(n, DType::F32, &Device::Cpu)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}

/// The samples of `x` in the order of `of`, in memory of their own.
fn picked(x: &Tensor, of: &[u32]) -> Result<Tensor> {
    x.index_select(&Tensor::new(of, &Device::Cpu)?, 0)
}

/// Asserts that each sample has the same bits alone, in reversed order, and in a part of the batch.
fn assert_same_bits_in_every_batch(n: u32, squares: impl Fn(&[u32]) -> Result<Tensor>) -> Result<()> {
    let all: Vec<u32> = (0..n).collect();
    let whole = bits(&squares(&all)?);
    let reversed: Vec<u32> = all.iter().rev().copied().collect();
    let back: Vec<u32> = bits(&squares(&reversed)?).into_iter().rev().collect();
    assert_eq!(back, whole, "reversed");
    assert_eq!(bits(&squares(&all[3..])?), whole[3..], "without the first three");
    for i in 0..n {
        assert_eq!(bits(&squares(&[i])?), [whole[i as usize]], "sample {i} alone");
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Convolution {
    x: [usize; 4],
    w: [usize; 4],
    op: Conv2d,
}

impl Convolution {
    fn new(x: [usize; 4], kernel: usize, co: usize, stride: usize, padding: usize) -> Self {
        Self {
            x,
            w: [kernel, kernel, x[3], co],
            op: Conv2d { stride, padding },
        }
    }

    fn operands(&self) -> Result<(Tensor, Tensor)> {
        let shape = self.op.output_shape(&self.x, &self.w)?;
        let of = |name, shape: &[usize]| tensor(&hashed(name, shape.iter().product()), shape);
        Ok((of("x", &self.x), of("dy", &shape)))
    }

    fn squares(&self, samples: &[u32]) -> Result<Tensor> {
        let (x, dy) = self.operands()?;
        let squares = zeros(samples.len())?;
        self.op
            .weight_gradient_squares(&picked(&x, samples)?, &picked(&dy, samples)?, &self.w, &squares)?;
        Ok(squares)
    }

    /// The definition, in f64: the squared norm of a sample's gradient, and what it would be if nothing in it cancelled.
    fn definition(&self, x: &[f64], dy: &[f64]) -> (f64, f64) {
        let ([_, h, w, ci], [kh, kw, _, co]) = (self.x, self.w);
        let Conv2d { stride, padding } = self.op;
        let columns = (w + 2 * padding - kw) / stride + 1;
        let mut gradient = vec![0.0; kh * kw * ci * co];
        let mut sizes = 0.0;
        for (pixel, dy) in dy.chunks_exact(co).enumerate() {
            let (top, left) = (pixel / columns * stride, pixel % columns * stride);
            let mut patch = 0.0;
            for (k, gradient) in gradient.chunks_exact_mut(ci * co).enumerate() {
                let (row, column) = (top + k / kw, left + k % kw);
                if row < padding || row >= h + padding || column < padding || column >= w + padding {
                    continue;
                }
                let x = &x[((row - padding) * w + column - padding) * ci..][..ci];
                patch += squared(x.iter().copied());
                for (x, gradient) in x.iter().zip(gradient.chunks_exact_mut(co)) {
                    gradient.iter_mut().zip(dy).for_each(|(g, dy)| *g += x * dy);
                }
            }
            sizes += (patch * squared(dy.iter().copied())).sqrt();
        }
        (squared(gradient), sizes * sizes)
    }

    fn assert_definition(&self) -> Result<()> {
        let (x, dy) = self.operands()?;
        let n = self.x[0];
        let before = affine("before", n, 2.0, 1.0);
        let squares = tensor(&before, &[n]);
        self.op.weight_gradient_squares(&x, &dy, &self.w, &squares)?;
        let (x, dy) = (widened(&values(&x)), widened(&values(&dy)));
        let samples = x.chunks_exact(x.len() / n).zip(dy.chunks_exact(dy.len() / n));
        for (i, ((x, dy), found)) in samples.zip(values(&squares)).enumerate() {
            let (expected, size) = self.definition(x, dy);
            let off = (f64::from(found) - f64::from(before[i]) - expected).abs();
            // A rounding error of the gradient's size as it were if nothing cancelled, times the gradient.
            let tolerance = 1e-6 * (expected * size).sqrt() + 2e-7 * (expected + f64::from(before[i]));
            assert!(
                off <= tolerance,
                "{self:?}, sample {i}: {found} instead of {expected}, off by {:e}",
                off / (expected * size).sqrt()
            );
        }
        Ok(())
    }
}

/// Shapes computed by tiles, by pairs of pixels, and by none of both, with sizes that leave something over.
fn convolutions() -> [Convolution; 16] {
    [
        Convolution::new([1, 1, 1, 1], 1, 1, 1, 0),
        Convolution::new([5, 1, 1, 40], 1, 33, 1, 0),
        Convolution::new([5, 5, 7, 1], 3, 1, 1, 1),
        Convolution::new([5, 7, 5, 3], 3, 17, 2, 1),
        Convolution::new([5, 9, 11, 3], 3, 16, 1, 1),
        Convolution::new([6, 9, 9, 20], 1, 24, 2, 0),
        Convolution::new([5, 16, 16, 16], 3, 32, 1, 1),
        Convolution::new([5, 7, 10, 32], 3, 16, 1, 1),
        Convolution::new([5, 8, 8, 32], 3, 32, 1, 1),
        Convolution::new([1, 4, 4, 128], 3, 128, 1, 1),
        Convolution::new([5, 4, 4, 48], 3, 80, 1, 1),
        Convolution::new([5, 4, 3, 50], 3, 37, 1, 1),
        Convolution::new([5, 5, 3, 65], 3, 70, 2, 1),
        Convolution::new([5, 5, 5, 96], 1, 130, 2, 0),
        Convolution::new([5, 2, 2, 64], 3, 31, 1, 2),
        Convolution::new([5, 3, 3, 40], 3, 64, 1, 0),
    ]
}

#[test]
fn squares_of_a_convolution_are_those_of_each_sample_alone() -> Result<()> {
    convolutions().iter().try_for_each(Convolution::assert_definition)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn squares_of_any_convolution_are_those_of_each_sample_alone(
        (n, h, w, ci) in (1..=4usize, 1..=7usize, 1..=7usize, 1..=40usize),
        (kernel, co, stride, padding) in (1..=3usize, 1..=40usize, 1..=3usize, 0..=2usize),
    ) {
        let kernel = kernel.min(h.min(w) + 2 * padding);
        Convolution::new([n, h, w, ci], kernel, co, stride, padding).assert_definition().expect("runs");
    }

    #[test]
    fn squares_of_a_linear_layer_are_those_of_each_sample_alone(
        n in 1..=9usize, i in 1..=40usize, o in 1..=40usize, bias: bool,
    ) {
        let (x, dy, before) = (hashed("x", n * i), hashed("dy", n * o), affine("before", n, 2.0, 1.0));
        let squares = tensor(&before, &[n]);
        Linear.gradient_squares(&tensor(&x, &[n, i]), &tensor(&dy, &[n, o]), bias, &squares).expect("runs");
        let (x, dy) = (widened(&x), widened(&dy));
        for (k, (found, before)) in values(&squares).into_iter().zip(before).enumerate() {
            let (x, dy) = (&x[k * i..][..i], &dy[k * o..][..o]);
            let weight = squared(x.iter().flat_map(|x| dy.iter().map(move |dy| x * dy)));
            let expected = f64::from(before) + weight + if bias { squared(dy.iter().copied()) } else { 0.0 };
            prop_assert!((f64::from(found) - expected).abs() <= 2e-7 * expected, "{found} instead of {expected}");
        }
    }
}

#[test]
fn squares_of_a_convolution_do_not_depend_on_the_batch_or_the_threads() -> Result<()> {
    for case in convolutions() {
        let case = Convolution {
            x: [7, case.x[1], case.x[2], case.x[3]],
            ..case
        };
        assert_same_bits_in_every_batch(7, |samples| case.squares(samples))?;
        assert_same_bits_for_every_thread_count(|| Ok(vec![case.squares(&[0, 1, 2, 3, 4, 5, 6])?]));
    }
    Ok(())
}

#[test]
fn squares_of_a_linear_layer_do_not_depend_on_the_batch() -> Result<()> {
    let (x, dy) = (
        tensor(&hashed("x", 7 * 65), &[7, 65]),
        tensor(&hashed("dy", 7 * 10), &[7, 10]),
    );
    assert_same_bits_in_every_batch(7, |samples| {
        let squares = zeros(samples.len())?;
        Linear.gradient_squares(&picked(&x, samples)?, &picked(&dy, samples)?, true, &squares)?;
        Ok(squares)
    })
}

/// Gamma, beta; running mean, running variance: two tensors [2, c].
fn parameters(c: usize) -> (Tensor, Tensor) {
    let pair = |first: Vec<f32>, second: Vec<f32>| tensor(&[first, second].concat(), &[2, c]);
    (
        pair(affine("gamma", c, 0.5, 1.0), hashed("beta", c)),
        pair(hashed("running_mean", c), affine("running_var", c, 1.0, 0.9)),
    )
}

struct Normalized {
    y: Tensor,
    dx: Tensor,
    dresidual: Option<Tensor>,
    squares: Tensor,
}

fn normalized(op: BatchNorm, x: &Tensor, residual: Option<&Tensor>, dy: &Tensor) -> Result<Normalized> {
    let (affine, running) = parameters(x.dim(3)?);
    let (y, dx, squares) = (unwritten(x.dims())?, dy.copy()?, zeros(x.dim(0)?)?);
    op.forward_eval(x, residual, &affine, &running, &y)?;
    let dresidual = residual.map(|_| unwritten(x.dims())).transpose()?;
    let to = dresidual.as_ref().map(|d| (d, false));
    op.backward_eval(&dx, x, residual.map(|_| &y), &affine, &running, &squares, to)?;
    Ok(Normalized {
        y,
        dx,
        dresidual,
        squares,
    })
}

/// The definition, in f64, of [.., c] numbers: the output, and `(x - mean) / sqrt(var + eps)`.
fn normal(relu: bool, x: &[f64], residual: Option<&[f64]>, c: usize) -> (Vec<f64>, Vec<f64>) {
    let (affine, running) = parameters(c);
    let (affine, running) = (widened(&values(&affine)), widened(&values(&running)));
    let of = |(at, x): (usize, &f64)| {
        let i = at % c;
        let normal = (x - running[i]) / (running[c + i] + f64::from(1e-5f32)).sqrt();
        let z = affine[i] * normal + affine[c + i] + residual.map_or(0.0, |r| r[at]);
        (if relu { z.max(0.0) } else { z }, normal)
    };
    x.iter().enumerate().map(of).unzip()
}

fn assert_normalized(shape: [usize; 4], relu: bool, residual: bool) -> Result<()> {
    let (len, [n, .., c]) = (shape.iter().product(), shape);
    let (x, dy) = (hashed("x", len), hashed("dy", len));
    let r = residual.then(|| hashed("residual", len));
    let rt = r.as_ref().map(|r| tensor(r, &shape));
    let found = normalized(
        BatchNorm::new(relu),
        &tensor(&x, &shape),
        rt.as_ref(),
        &tensor(&dy, &shape),
    )?;
    let (x, dy, r) = (widened(&x), widened(&dy), r.map(|r| widened(&r)));
    let (y, normals) = normal(relu, &x, r.as_deref(), c);
    assert_close("y", &values(&found.y), &y, 3e-6);
    let output = |x: &[f64], r: Option<&[f64]>| normal(relu, x, r, c).0;
    let what = format!("x of {shape:?}");
    assert_derivative(&what, |x| output(x, r.as_deref()), &x, &dy, &values(&found.dx), 3e-6);
    if let (Some(r), Some(found)) = (&r, &found.dresidual) {
        let what = format!("residual of {shape:?}");
        assert_derivative(&what, |r| output(&x, Some(r)), r, &dy, &values(found), 3e-6);
    }
    let each = len / n;
    for (k, found) in values(&found.squares).into_iter().enumerate() {
        let (mut gradient, mut sizes) = (vec![0.0; 2 * c], vec![0.0; 2 * c]);
        for at in k * each..(k + 1) * each {
            let g = if relu && y[at] <= 0.0 { 0.0 } else { dy[at] };
            for (slot, term) in [(at % c, g * normals[at]), (c + at % c, g)] {
                gradient[slot] += term;
                sizes[slot] += term.abs();
            }
        }
        let (expected, size) = (squared(gradient), squared(sizes));
        let off = (f64::from(found) - expected).abs();
        assert!(
            off <= 1e-6 * (expected * size).sqrt(),
            "{shape:?}, relu {relu}, residual {residual}, sample {k}: {found} instead of {expected}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn squares_of_batch_norm_are_those_of_each_sample_alone(
        (n, h, w, c) in (1..=5usize, 1..=5usize, 1..=5usize, 1..=70usize), relu: bool, residual: bool,
    ) {
        assert_normalized([n, h, w, c], relu, residual).expect("runs");
    }
}

/// Samples so large that they are summed in several parts.
#[test]
fn squares_of_batch_norm_of_large_samples_are_those_of_each_alone() -> Result<()> {
    assert_normalized([2, 41, 40, 24], true, true)?;
    assert_normalized([2, 190, 180, 1], true, false)
}

#[test]
fn squares_of_batch_norm_do_not_depend_on_the_batch_or_the_threads() -> Result<()> {
    for shape in [[7, 9, 9, 17], [7, 40, 40, 24], [7, 4, 4, 64]] {
        let len = shape.iter().product();
        let of = |name| tensor(&hashed(name, len), &shape);
        let (x, residual, dy) = (of("x"), of("residual"), of("dy"));
        let run = |samples: &[u32], residual: Option<&Tensor>| {
            let residual = residual.map(|r| picked(r, samples)).transpose()?;
            let (x, dy) = (picked(&x, samples)?, picked(&dy, samples)?);
            normalized(BatchNorm::new(true), &x, residual.as_ref(), &dy)
        };
        for residual in [None, Some(&residual)] {
            assert_same_bits_in_every_batch(7, |samples| Ok(run(samples, residual)?.squares))?;
            assert_same_bits_for_every_thread_count(|| {
                let found = run(&[0, 1, 2, 3, 4, 5, 6], residual)?;
                Ok([found.dx, found.squares].into_iter().chain(found.dresidual).collect())
            });
        }
    }
    Ok(())
}

/// The gradient passes exactly where the forward pass gave a number above 0: here all numbers are a rounding error away from 0.
#[test]
fn batch_norm_in_evaluation_sees_the_relu_as_the_forward_pass_did() -> Result<()> {
    let (c, rows) = (31, 64);
    let (affine, running) = parameters(c);
    let (affine, running) = (values(&affine), values(&running));
    let x: Vec<f32> = (0..rows * c)
        .map(|at| {
            let i = at % c;
            let zero = running[i] - affine[c + i] * (running[c + i] + 1e-5).sqrt() / affine[i];
            f32::from_bits((zero.to_bits() + (at / c) as u32) - rows as u32 / 2)
        })
        .collect();
    let shape = [2, 1, rows / 2, c];
    let x = tensor(&x, &shape);
    let dy = Tensor::ones(&shape, DType::F32, &Device::Cpu)?;
    let found = normalized(BatchNorm::new(true), &x, None, &dy)?;
    let mut passing = 0;
    for (at, (y, dx)) in values(&found.y).into_iter().zip(values(&found.dx)).enumerate() {
        let i = at % c;
        let scale = affine[i] / (running[c + i] + 1e-5).sqrt();
        assert_eq!(dx, if y > 0.0 { scale } else { 0.0 }, "channel {i}: {y}");
        passing += usize::from(y > 0.0);
    }
    assert!((rows * c / 4..rows * c * 3 / 4).contains(&passing), "{passing}");
    Ok(())
}

#[test]
fn batch_norm_in_evaluation_adds_to_the_gradient_of_the_residual() -> Result<()> {
    let shape = [3, 5, 5, 7];
    let of = |name| tensor(&hashed(name, 3 * 5 * 5 * 7), &shape);
    let (x, residual, dy, before) = (of("x"), of("residual"), of("dy"), of("before"));
    let op = BatchNorm::new(true);
    let found = normalized(op, &x, Some(&residual), &dy)?;
    let (affine, running) = parameters(7);
    let (sum, squares, grad) = (before.copy()?, zeros(3)?, dy.copy()?);
    let to = Some((&sum, true));
    op.backward_eval(&grad, &x, Some(&found.y), &affine, &running, &squares, to)?;
    assert_eq!(values(&sum), values(&(before + found.dresidual.expect("a gradient"))?));
    let (grad, squares) = (dy.copy()?, zeros(3)?);
    op.backward_eval(&grad, &x, Some(&found.y), &affine, &running, &squares, None)?;
    assert_eq!(values(&grad), values(&found.dx));
    assert_eq!(values(&squares), values(&found.squares));
    Ok(())
}

/// A bad number spoils its own sample, and no other.
#[test]
fn squares_pass_on_nan_and_infinity() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let spoilt = |t: &Tensor| -> Result<Tensor> {
            let mut numbers = values(t);
            let second = numbers.len() / t.dim(0)?;
            numbers[second + 1] = bad;
            Ok(tensor(&numbers, t.dims()))
        };
        let check = |what: &str, squares: &Tensor| {
            for (i, square) in values(squares).into_iter().enumerate() {
                assert_eq!(square.is_finite(), i != 1, "{bad}, {what}: sample {i} has {square}");
            }
        };
        for case in convolutions().iter().filter(|case| case.x[0] > 2) {
            let (x, dy) = case.operands()?;
            for (x, dy) in [(spoilt(&x)?, dy.clone()), (x, spoilt(&dy)?)] {
                let squares = zeros(case.x[0])?;
                case.op.weight_gradient_squares(&x, &dy, &case.w, &squares)?;
                check(&format!("{case:?}"), &squares);
            }
        }
        let (x, dy) = (tensor(&hashed("x", 12), &[3, 4]), tensor(&hashed("dy", 15), &[3, 5]));
        for (x, dy) in [(spoilt(&x)?, dy.clone()), (x, spoilt(&dy)?)] {
            let squares = zeros(3)?;
            Linear.gradient_squares(&x, &dy, false, &squares)?;
            check("linear", &squares);
        }
        let shape = [3, 4, 5, 6];
        let (x, dy) = (tensor(&hashed("x", 360), &shape), tensor(&hashed("dy", 360), &shape));
        for (x, dy) in [(spoilt(&x)?, dy.clone()), (x, spoilt(&dy)?)] {
            check("batch norm", &normalized(BatchNorm::new(false), &x, None, &dy)?.squares);
        }
    }
    Ok(())
}

#[test]
fn squares_need_one_number_a_sample_and_shapes_that_fit() -> Result<()> {
    let of = |dims: &[usize]| tensor(&vec![0.0; dims.iter().product()], dims);
    let (op, w) = (Conv2d { stride: 1, padding: 0 }, [3, 3, 3, 2]);
    let (x, dy) = (of(&[2, 4, 4, 3]), of(&[2, 2, 2, 2]));
    op.weight_gradient_squares(&x, &dy, &w, &of(&[2]))?;
    assert!(op.weight_gradient_squares(&x, &dy, &w, &of(&[3])).is_err());
    assert!(op.weight_gradient_squares(&x, &dy, &[3, 3, 2, 2], &of(&[2])).is_err());
    assert!(
        op.weight_gradient_squares(&x, &of(&[2, 2, 2, 3]), &w, &of(&[2]))
            .is_err()
    );
    let (x, dy) = (of(&[2, 3]), of(&[2, 4]));
    Linear.gradient_squares(&x, &dy, true, &of(&[2]))?;
    assert!(Linear.gradient_squares(&x, &dy, true, &of(&[3])).is_err());
    assert!(Linear.gradient_squares(&x, &of(&[1, 4]), true, &of(&[2])).is_err());
    assert!(Linear.grad_input(&dy, &of(&[3, 5]), &x).is_err());
    let (op, x, pair, squares) = (BatchNorm::new(true), of(&[2, 3]), of(&[2, 3]), of(&[2]));
    op.backward_eval(&of(&[2, 3]), &x, None, &pair, &pair, &squares, None)?;
    let fails = |grad: &Tensor, x: &Tensor, squares: &Tensor, to: Option<(&Tensor, bool)>| {
        op.backward_eval(grad, x, None, &pair, &pair, squares, to).is_err()
    };
    assert!(fails(&of(&[2, 3]), &x, &of(&[3]), None));
    assert!(fails(&of(&[3, 2]), &x, &squares, None));
    assert!(fails(&of(&[3]), &of(&[3]), &of(&[3]), None));
    assert!(fails(&of(&[2, 3]), &x, &squares, Some((&of(&[2, 3]), false))));
    Ok(())
}

/// Also where the sample is learnt, so that the probability of the label is 1 in f32.
#[test]
fn gradients_of_samples_have_el2n_as_their_norm() -> Result<()> {
    let (n, classes) = (12, 10);
    let mut logits = affine("logits", n * classes, 0.0, 3.0);
    let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % 10).collect();
    for (i, row) in logits.chunks_exact_mut(classes).enumerate() {
        row[labels[i] as usize] += 2.0 * i as f32;
    }
    let (logits, labels) = (tensor(&logits, &[n, classes]), Tensor::new(labels, &Device::Cpu)?);
    let (dlogits, samples) = (unwritten(&[n, classes])?, unwritten(&[n, column::COLUMNS])?);
    let loss = CrossEntropy::default();
    loss.sample_gradients(&logits, &labels, &dlogits)?;
    loss.forward(&logits, &labels, None, &samples, None)?;
    let el2n = values(&samples.narrow(1, column::EL2N, 1)?);
    assert!(el2n[n - 1] < 1e-6 && el2n[0] > 0.1, "{el2n:?}");
    for (row, el2n) in values(&dlogits).chunks_exact(classes).zip(el2n) {
        let norm = squared(widened(row)).sqrt();
        assert!(
            (norm - f64::from(el2n)).abs() <= 1e-6 * norm,
            "{norm} instead of {el2n}"
        );
        // No probability is lost.
        let sum: f64 = widened(row).iter().sum();
        assert!(sum.abs() <= 5e-6 * norm, "{sum} of {norm}");
    }
    Ok(())
}

#[test]
fn gradients_of_samples_are_those_of_the_mean_times_their_number() -> Result<()> {
    let (n, classes) = (9, 7);
    let logits = tensor(&affine("logits", n * classes, 0.0, 2.0), &[n, classes]);
    let labels = Tensor::new(vec![0u32, 3, 6, 2, 2, 5, 1, 4, 0], &Device::Cpu)?;
    for label_smoothing in [0.0, 0.3] {
        let loss = CrossEntropy { label_smoothing };
        let (each, mean) = (unwritten(&[n, classes])?, unwritten(&[n, classes])?);
        loss.sample_gradients(&logits, &labels, &each)?;
        let samples = unwritten(&[n, column::COLUMNS])?;
        loss.forward(&logits, &labels, None, &samples, Some(&mean))?;
        let expected: Vec<f64> = values(&mean).iter().map(|&d| f64::from(d) * n as f64).collect();
        assert_close("gradients", &values(&each), &expected, 1e-6);
    }
    let labels = Tensor::new(vec![0u32, 3, 7, 2, 2, 5, 1, 4, 0], &Device::Cpu)?;
    let each = unwritten(&[n, classes])?;
    CrossEntropy::default().sample_gradients(&logits, &labels, &each)?;
    for (i, row) in values(&each).chunks_exact(classes).enumerate() {
        assert!(row.iter().all(|g| g.is_nan() == (i == 2)), "{row:?}");
    }
    let wrong = unwritten(&[n, classes + 1])?;
    assert!(loss_fails(&logits, &labels, &wrong) && loss_fails(&each.narrow(0, 0, 3)?, &labels, &each));
    Ok(())
}

fn loss_fails(logits: &Tensor, labels: &Tensor, dlogits: &Tensor) -> bool {
    CrossEntropy::default()
        .sample_gradients(logits, labels, dlogits)
        .is_err()
}
