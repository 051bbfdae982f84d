//! Softmax cross-entropy, a warp a sample.

use super::Slot;
use super::context::launch;
use super::copy::copy_to;
use super::operand::{Element, Operand, Output, context, context_of, f32s, u32s};
use crate::cross_entropy::CrossEntropy;
use crate::cross_entropy::column::{self, COLUMNS};
use crate::kernels;
use candle_core::{CudaStorage, DType, Device, Layout, Result, Tensor, bail};

/// Writes what the logits tell of each sample to the rows of `samples` that `slot` names, or to the first ones.
pub(crate) fn forward(
    settings: CrossEntropy,
    logits: &Tensor,
    labels: &Tensor,
    weights: Option<&Tensor>,
    (samples, slot): (&Tensor, Option<Slot>),
    dlogits: Option<&Tensor>,
) -> Result<()> {
    let (n, classes) = logits.dims2()?;
    let logits_at = Operand::of(logits)?.expect_real()?;
    let dlogits = logits_at.beside(dlogits)?;
    let (labels, samples) = (u32s(labels)?, f32s(samples)?);
    let weights = weights.map_or(Ok(0), f32s)?;
    let (step, batch) = Slot::parts(slot)?;
    let context = context(logits)?;
    let kernel = context.kernel("cross_entropy", Some(logits_at.element))?;
    launch!(context, kernel, kernels::cross_entropy(n);
        logits_at.address, labels, weights, samples, dlogits, n as u32, classes as u32, settings.label_smoothing, step, batch);
    Ok(())
}

pub(crate) fn sample_gradients(
    settings: CrossEntropy,
    logits: &Tensor,
    labels: &Tensor,
    dlogits: &Tensor,
) -> Result<()> {
    let (n, classes) = logits.dims2()?;
    let logits_at = Operand::of(logits)?.expect_real()?;
    let dlogits = logits_at.beside(Some(dlogits))?;
    let labels = u32s(labels)?;
    let context = context(logits)?;
    let kernel = context.kernel("cross_entropy_gradients", Some(logits_at.element))?;
    launch!(context, kernel, kernels::cross_entropy(n);
        logits_at.address, labels, dlogits, n as u32, classes as u32, settings.label_smoothing);
    Ok(())
}

/// The samples' losses in new memory.
pub(crate) fn losses_of_storage(
    settings: CrossEntropy,
    (logits, layout): (&CudaStorage, &Layout),
    labels: &[u32],
    classes: usize,
) -> Result<CudaStorage> {
    let n = labels.len();
    let logits_at = Operand::of_storage(logits, layout)?.expect_real()?;
    if logits_at.len != n * classes {
        bail!(
            "cross-entropy: found {n} labels for {} logits of {classes} classes",
            logits_at.len
        )
    }
    let device = Device::Cuda(logits.device.clone());
    let there = Tensor::zeros(n, DType::U32, &device)?;
    copy_to(&there, labels)?;
    let samples = Output::new(&logits.device, Element::F32, n * COLUMNS)?;
    let losses = Output::new(&logits.device, Element::F32, n)?;
    let context = context_of(logits)?;
    let kernel = context.kernel("cross_entropy", Some(logits_at.element))?;
    launch!(context, kernel, kernels::cross_entropy(n);
        logits_at.address, u32s(&there)?, 0u64, samples.address, 0u64, n as u32, classes as u32,
        settings.label_smoothing, 0u64, 0u32);
    let kernel = context.kernel("take_column", None)?;
    launch!(context, kernel, kernels::elementwise(n); samples.address, losses.address, COLUMNS as u32, column::LOSS as u32, n as u64);
    Ok(losses.storage)
}
