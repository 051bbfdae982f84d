//! Batch norm: sums over the batch in two steps of fixed order, then one pass that writes.

use super::context::{Context, Scratch, launch};
use super::operand::{Element, Operand, Output, context, context_of, f32s};
use crate::batch_norm::BatchNorm;
use crate::kernels;
use candle_core::{CudaStorage, Layout, Result, Tensor};

/// The statistics of the batch, into `saved` and `running`.
pub(crate) fn statistics(settings: &BatchNorm, x: &Tensor, c: usize, running: &Tensor, saved: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(c)?;
    statistics_at(&*context(x)?, settings, x_at, c, f32s(running)?, f32s(saved)?)
}

fn statistics_at(
    context: &Context,
    settings: &BatchNorm,
    x: Operand,
    c: usize,
    running: u64,
    saved: u64,
) -> Result<()> {
    let rows = x.len / c;
    let (sums, blocks) = kernels::bn_sums(rows, c);
    let partials = context.scratch(Scratch::Partials, blocks * 2 * c * 4)?;
    let (rows, blocks, c32) = (rows as u32, blocks as u32, c as u32);
    let kernel = context.kernel("bn_sums", Some(x.element))?;
    launch!(context, kernel, sums; x.address, partials, rows, c32);
    let kernel = context.kernel("bn_finish", Some(x.element))?;
    launch!(context, kernel, kernels::bn_finish(c);
        x.address, partials, blocks, running, saved, rows, c32, settings.eps, settings.momentum);
    Ok(())
}

/// What a channel's statistics are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Mean and 1 / sqrt(var + eps) of the batch.
    Saved = 0,
    /// Running mean and variance.
    Running = 1,
}

pub(crate) fn normalize(
    settings: &BatchNorm,
    x: &Tensor,
    residual: Option<&Tensor>,
    c: usize,
    affine: &Tensor,
    (pair, of): (&Tensor, Pair),
    y: &Tensor,
) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(c)?;
    let residual = x_at.beside_aligned(residual, c)?;
    let y = x_at.beside_aligned(Some(y), c)?;
    let (affine, pair) = (f32s(affine)?, f32s(pair)?);
    normalize_at(&*context(x)?, settings, x_at, residual, c, affine, (pair, of), y)
}

#[allow(clippy::too_many_arguments)] // The operands of the operation.
fn normalize_at(
    context: &Context,
    settings: &BatchNorm,
    x: Operand,
    residual: u64,
    c: usize,
    affine: u64,
    (pair, of): (u64, Pair),
    y: u64,
) -> Result<()> {
    let rows = x.len / c;
    let kernel = context.kernel("bn_apply", Some(x.element))?;
    launch!(context, kernel, kernels::bn_apply(rows, c);
        x.address, residual, affine, pair, of as u32, y, rows as u32, c as u32, settings.eps, u32::from(settings.relu));
    Ok(())
}

/// Batch norm in training mode into new memory.
pub(crate) fn forward_of_storage(
    settings: &BatchNorm,
    (x, xl): (&CudaStorage, &Layout),
    residual: Option<(&CudaStorage, &Layout)>,
    (affine, al): (&CudaStorage, &Layout),
    running: &Tensor,
    saved: &Tensor,
) -> Result<CudaStorage> {
    let affine = Operand::of_storage(affine, al)?.expect(Element::F32)?;
    let c = affine.len / 2;
    let x_at = Operand::of_storage(x, xl)?.expect_real()?.expect_aligned(c)?;
    let residual = match residual {
        Some((residual, layout)) => {
            let residual = Operand::of_storage(residual, layout)?.expect(x_at.element)?;
            residual.expect_aligned(c)?.address
        }
        None => 0,
    };
    let (context, saved) = (context_of(x)?, f32s(saved)?);
    let y = Output::new(&x.device, x_at.element, x_at.len)?;
    statistics_at(&context, settings, x_at, c, f32s(running)?, saved)?;
    normalize_at(
        &context,
        settings,
        x_at,
        residual,
        c,
        affine.address,
        (saved, Pair::Saved),
        y.address,
    )?;
    Ok(y.storage)
}

#[allow(clippy::too_many_arguments)] // The operands of the operation.
pub(crate) fn backward(
    settings: &BatchNorm,
    grad: &Tensor,
    x: &Tensor,
    y: Option<&Tensor>,
    c: usize,
    affine: &Tensor,
    saved: &Tensor,
    daffine: &Tensor,
    dresidual: Option<(&Tensor, bool)>,
) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(c)?;
    let (grad, y) = (x_at.beside_aligned(Some(grad), c)?, x_at.beside_aligned(y, c)?);
    let to = x_at.beside_aligned(dresidual.map(|(to, _)| to), c)?;
    let add = u32::from(dresidual.is_some_and(|(_, add)| add));
    let (affine, saved, daffine) = (f32s(affine)?, f32s(saved)?, f32s(daffine)?);
    let context = context(x)?;
    let rows = x_at.len / c;
    let (sums, blocks) = kernels::bn_grad_sums(rows, c);
    let partials = context.scratch(Scratch::Partials, blocks * 2 * c * 4)?;
    let (rows32, c32, relu) = (rows as u32, c as u32, u32::from(settings.relu));
    let kernel = context.kernel("bn_grad_sums", Some(x_at.element))?;
    launch!(context, kernel, sums; grad, x_at.address, y, affine, saved, partials, rows32, c32, relu);
    let kernel = context.kernel("bn_grad_finish", None)?;
    launch!(context, kernel, kernels::bn_grad_finish(c); partials, blocks as u32, daffine, c32);
    let kernel = context.kernel("bn_grad_apply", Some(x_at.element))?;
    launch!(context, kernel, kernels::bn_grad_apply(rows, c);
        grad, x_at.address, y, affine, saved, daffine, to, add, rows32, c32, relu);
    Ok(())
}

#[allow(clippy::too_many_arguments)] // The operands of the operation.
pub(crate) fn backward_eval(
    settings: &BatchNorm,
    grad: &Tensor,
    x: &Tensor,
    y: Option<&Tensor>,
    c: usize,
    affine: &Tensor,
    running: &Tensor,
    squares: &Tensor,
    dresidual: Option<(&Tensor, bool)>,
) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(c)?;
    let (grad, y) = (x_at.beside_aligned(Some(grad), c)?, x_at.beside_aligned(y, c)?);
    let to = x_at.beside_aligned(dresidual.map(|(to, _)| to), c)?;
    let add = u32::from(dresidual.is_some_and(|(_, add)| add));
    let n = squares.elem_count();
    let (affine, running, squares) = (f32s(affine)?, f32s(running)?, f32s(squares)?);
    let context = context(x)?;
    let pixels = x_at.len / n / c;
    let kernel = context.kernel("bn_grad_eval", Some(x_at.element))?;
    launch!(context, kernel, kernels::bn_grad_eval(n);
        grad, x_at.address, y, affine, running, squares, to, add, n as u32, pixels as u32, c as u32, settings.eps,
        u32::from(settings.relu));
    Ok(())
}
