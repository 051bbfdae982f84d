//! Sums, multiples and casts of whole tensors.

use super::context::launch;
use super::operand::{Element, Operand, context, f32s};
use crate::kernels;
use candle_core::{Result, Tensor, bail};

pub(crate) fn scale(x: &Tensor, factor: f32, y: &Tensor, accumulate: bool) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?;
    let y = x_at.beside(Some(y))?;
    let context = context(x)?;
    let kernel = context.kernel("scale", Some(x_at.element))?;
    launch!(context, kernel, kernels::elementwise(x_at.len); x_at.address, factor, y, u32::from(accumulate), x_at.len as u64);
    Ok(())
}

/// Writes the f32 numbers of `x`, rounded to the nearest, to the bf16 numbers of `y`.
///
/// # Errors
/// If they differ in number or type, or are not contiguous tensors on a GPU.
pub fn to_bf16(x: &Tensor, y: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect(Element::F32)?;
    let y_at = Operand::of(y)?.expect(Element::Bf16)?;
    if x_at.len != y_at.len {
        bail!("expected as many numbers as in {:?}, found {:?}", x.dims(), y.dims())
    }
    let context = context(x)?;
    let kernel = context.kernel("to_bf16", None)?;
    launch!(context, kernel, kernels::elementwise(x_at.len); x_at.address, y_at.address, x_at.len as u64);
    Ok(())
}

/// Replaces f32 numbers by their square roots.
///
/// # Errors
/// If they are not in a contiguous tensor on a GPU.
pub fn square_roots(x: &Tensor) -> Result<()> {
    let (at, len) = (f32s(x)?, x.elem_count());
    let context = context(x)?;
    let kernel = context.kernel("square_roots", None)?;
    launch!(context, kernel, kernels::elementwise(len); at, len as u64);
    Ok(())
}
