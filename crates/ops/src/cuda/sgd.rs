//! The optimiser's step over all parameters in one launch.

use super::context::launch;
use super::operand::{Element, Operand, context, f32s, u32s};
use crate::kernels;
use crate::sgd::Sgd;
use candle_core::{Result, Tensor};

/// What a step in half precision needs beside the f32 numbers, and where it finds its learning rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mixed<'a> {
    /// Gradients in bf16, added to those in f32; a parameter has its gradient in one of the two, and zeros in the other.
    pub half_gradient: Option<&'a Tensor>,
    /// The weights in bf16 that the passes use; written anew.
    pub working: Option<&'a Tensor>,
    /// The learning rates of all steps, and the number of this step (u32): so that a captured step can be replayed. Without
    /// them the settings' own learning rate is used.
    pub schedule: Option<(&'a Tensor, &'a Tensor)>,
}

/// See [`Sgd::step`].
pub(crate) fn step(settings: &Sgd, weights: &Tensor, gradient: &Tensor, buffer: &Tensor, mixed: Mixed) -> Result<()> {
    let weights_at = Operand::of(weights)?.expect(Element::F32)?;
    let (gradient, buffer) = (f32s(gradient)?, f32s(buffer)?);
    let half = |tensor: Option<&Tensor>| -> Result<u64> {
        tensor.map_or(Ok(0), |tensor| Ok(Operand::of(tensor)?.expect(Element::Bf16)?.address))
    };
    let (half_gradient, working) = (half(mixed.half_gradient)?, half(mixed.working)?);
    let (rates, number) = match mixed.schedule {
        Some((rates, number)) => (f32s(rates)?, u32s(number)?),
        None => (0, 0),
    };
    let context = context(weights)?;
    let kernel = context.kernel("sgd", None)?;
    launch!(context, kernel, kernels::sgd(weights_at.len);
        weights_at.address, gradient, half_gradient, buffer, working, weights_at.len as u64, rates, number,
        settings.learning_rate, settings.momentum, u32::from(settings.nesterov), settings.weight_decay);
    Ok(())
}
