//! Numbers that the tests and `generate.py` make alike, and their comparison with literals.

use crate::literals::Literal;
use candle_core::{Device, Result, Tensor, Var};

/// Multiples of 2^-23 in [-1, 1): a function of the tensor's name and the element's index.
pub(crate) fn hashed(name: &str, n: usize) -> Vec<f32> {
    let salt = name.bytes().enumerate().fold(0u32, |salt, (i, byte)| {
        salt.wrapping_add(u32::from(byte) << (8 * (i % 4)))
    });
    let hash = |i: usize| {
        let mut h = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(salt);
        h ^= h >> 16;
        h = h.wrapping_mul(0x7feb_352d);
        h ^= h >> 15;
        h = h.wrapping_mul(0x846c_a68b);
        h ^ (h >> 16)
    };
    (0..n).map(|i| (hash(i) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// `offset + scale * hashed`, rounded after each operation.
pub(crate) fn affine(name: &str, n: usize, offset: f32, scale: f32) -> Vec<f32> {
    hashed(name, n).into_iter().map(|v| offset + scale * v).collect()
}

pub(crate) fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).expect("the shape fits")
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("an f32 tensor")
}

/// Asserts that `found` is what PyTorch computed: each number up to `tolerance` times the largest of
/// the tensor, the sums up to `tolerance` times the sum of all absolute values.
pub(crate) fn assert_literal(what: &str, found: &[f32], expected: &Literal, tolerance: f64) {
    assert_eq!(found.len(), expected.len, "{what}");
    let largest = found.iter().fold(0.0, |m: f64, &v| m.max(f64::from(v).abs()));
    for &(i, v) in expected.at {
        let off = (f64::from(found[i]) - v).abs();
        assert!(
            off <= tolerance * largest,
            "{what}[{i}]: {} instead of {v}, off by {:e}",
            found[i],
            off / largest
        );
    }
    let total: f64 = found.iter().map(|&v| f64::from(v).abs()).sum();
    let sum: f64 = found.iter().map(|&v| f64::from(v)).sum();
    let weighted: f64 = found
        .iter()
        .enumerate()
        .map(|(i, &v)| f64::from(v) * (i as f64).cos())
        .sum();
    for (kind, found, expected) in [
        ("sum", sum, expected.sum),
        ("weighted sum", weighted, expected.weighted),
    ] {
        let off = (found - expected).abs();
        assert!(
            off <= tolerance * total,
            "{what}: {kind} {found} instead of {expected}, off by {:e}",
            off / total
        );
    }
}

/// Asserts that `found` and `expected` differ by at most `tolerance` times the largest of `expected`,
/// or times 1, the size of the terms of every sum here: a few numbers may all cancel.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0, |m: f64, &v| m.max(v.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(f) - e).abs();
        assert!(
            off <= tolerance * largest,
            "{what}[{i}]: {f} instead of {e}, off by {:e}",
            off / largest
        );
    }
}

pub(crate) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that `gradient`, given by the operation for `sum(f(x) * dy)`, is the slope of that sum
/// along a direction through `x`, by central differences of the definition `f` in f64.
///
/// The tolerance is relative to the terms of that slope, none taken as less than the largest `dy`.
pub(crate) fn assert_derivative(
    what: &str,
    f: impl Fn(&[f64]) -> Vec<f64>,
    x: &[f64],
    dy: &[f64],
    gradient: &[f32],
    tolerance: f64,
) {
    const STEP: f64 = 1e-6;
    let direction = widened(&hashed(what, x.len()));
    let value = |sign: f64| {
        let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + sign * STEP * d).collect();
        dot(&f(&moved), dy)
    };
    let expected = (value(1.0) - value(-1.0)) / (2.0 * STEP);
    let gradient = widened(gradient);
    assert_eq!(gradient.len(), x.len(), "{what}");
    let found = dot(&gradient, &direction);
    let least = dy.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let scale: f64 = gradient
        .iter()
        .zip(&direction)
        .map(|(g, d)| g.abs().max(least) * d.abs())
        .sum();
    let off = (found - expected).abs();
    assert!(
        off <= tolerance * scale,
        "gradient of {what}: {found} instead of {expected}, off by {:e}",
        off / scale
    );
}

/// Asserts that `run` gives the same bits with 1, 2 and 3 threads.
pub(crate) fn assert_same_bits_for_every_thread_count(run: impl Fn() -> Result<Vec<Tensor>> + Sync) {
    let bits = |threads| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        let results = pool.install(&run).expect("the operation runs");
        results
            .iter()
            .map(|t| values(t).into_iter().map(f32::to_bits).collect())
            .collect()
    };
    let one = bits(1);
    assert!(one == bits(2), "2 threads");
    assert!(one == bits(3), "3 threads");
}

/// Memory that held something before: every number is NaN until it is written.
pub(crate) fn unwritten(shape: &[usize]) -> Result<Tensor> {
    Tensor::full(f32::NAN, shape, &Device::Cpu)
}

/// `sum(y * dy)` differentiated by candle: `y` and the gradients of the variables.
pub(crate) fn differentiated(y: &Tensor, variables: &[&Var]) -> Result<Vec<Vec<f32>>> {
    let dy = tensor(&hashed("dy", y.elem_count()), y.dims());
    let store = (y * &dy)?.sum_all()?.backward()?;
    let gradients = variables.iter().map(|v| store.get(v).map(values).expect("a gradient"));
    Ok([values(y)].into_iter().chain(gradients).collect())
}

pub(crate) fn variable(name: &str, shape: &[usize]) -> Result<Var> {
    Var::from_tensor(&tensor(&hashed(name, shape.iter().product()), shape))
}
