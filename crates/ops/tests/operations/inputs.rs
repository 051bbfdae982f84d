//! Numbers that the tests and `generate.py` make alike, and their comparison with literals.

use crate::literals::Literal;
use candle_core::{Device, Tensor};

/// Multiples of 2^-23 in [-1, 1): a function of the tensor's name and the element's index.
pub fn hashed(name: &str, n: usize) -> Vec<f32> {
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
pub fn affine(name: &str, n: usize, offset: f32, scale: f32) -> Vec<f32> {
    hashed(name, n).into_iter().map(|v| offset + scale * v).collect()
}

pub fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).expect("the shape fits")
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("an f32 tensor")
}

/// Asserts that `found` is what PyTorch computed: each number up to `tolerance` times the largest of
/// the tensor, the sums up to `tolerance` times the sum of all absolute values.
pub fn assert_literal(what: &str, found: &[f32], expected: &Literal, tolerance: f64) {
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

/// Asserts that `found` and `expected` differ by at most `tolerance` times the largest of `expected`.
pub fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0, |m: f64, &v| m.max(v.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(f) - e).abs();
        assert!(
            off <= tolerance * largest,
            "{what}[{i}]: {f} instead of {e}, off by {:e}",
            off / largest
        );
    }
}
