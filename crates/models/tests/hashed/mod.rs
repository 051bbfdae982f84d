//! Numbers that the tests make as the scripts in `fixtures` do.

use crate::Result;
use candle_core::{Device, Tensor};
use dynaprune_models::{Net, Parameter};
use dynaprune_ops::write;

/// Multiples of 2^-23 in [-1, 1): a function of the tensor's name and the element's index.
pub(crate) fn hashed(name: &str, shape: &[usize]) -> Result<Tensor> {
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
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i| (hash(i) >> 8) as f32 / (1 << 23) as f32 - 1.0)
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// `hashed` numbers in PyTorch's layout of a parameter, brought to ours.
pub(crate) fn like(parameter: &Parameter, name: &str) -> Result<Tensor> {
    let tensor = match *parameter.shape.as_slice() {
        [kh, kw, ci, co] => hashed(name, &[co, ci, kh, kw])?.permute((2, 3, 1, 0))?,
        [inputs, outputs] => hashed(name, &[outputs, inputs])?.t()?,
        _ => hashed(name, &parameter.shape)?,
    };
    Ok(tensor.contiguous()?)
}

pub(crate) fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

pub(crate) fn fill(tensor: &Tensor, values: &Tensor) -> Result<()> {
    let values = numbers(values)?;
    write(tensor, |to: &mut [f32]| {
        to.copy_from_slice(&values);
        Ok(())
    })?;
    Ok(())
}

/// Gives every parameter the numbers that `set_parameters` of `fixtures/networks.py` gives it.
pub(crate) fn set_parameters(net: &Net) -> Result<()> {
    for (parameter, (name, tensor)) in net.graph().parameters().iter().zip(net.parameters()?) {
        let values = like(parameter, name)?;
        let values = match (parameter.shape.len(), name.ends_with("weight")) {
            (1, true) => ((values / 2.0)? + 1.0)?,
            (1, false) | (4, _) => (values / 4.0)?,
            _ => values,
        };
        fill(&tensor, &values)?;
    }
    Ok(())
}
