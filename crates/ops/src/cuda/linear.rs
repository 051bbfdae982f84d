//! The fully connected layer: small beside the convolutions, so plain kernels.

use super::context::{Context, launch};
use super::operand::{Element, Operand, Output, context, context_of, f32s};
use crate::kernels;
use candle_core::{CudaStorage, Layout, Result, Tensor};

pub(crate) fn forward(x: &Tensor, w: &Tensor, b: Option<&Tensor>, y: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?;
    let w_at = x_at.beside(Some(w))?;
    let y_at = x_at.beside(Some(y))?;
    let b = b.map_or(Ok(0), f32s)?;
    let ((n, i), (_, o)) = (x.dims2()?, w.dims2()?);
    forward_at(&*context(x)?, x_at, w_at, b, y_at, [n, i, o])
}

pub(crate) fn forward_of_storage(
    (x, xl): (&CudaStorage, &Layout),
    (w, wl): (&CudaStorage, &Layout),
    (b, bl): (&CudaStorage, &Layout),
    dims: [usize; 3],
) -> Result<CudaStorage> {
    let x_at = Operand::of_storage(x, xl)?.expect_real()?;
    let w = Operand::of_storage(w, wl)?.expect(x_at.element)?.address;
    let b = Operand::of_storage(b, bl)?.expect(Element::F32)?.address;
    let y = Output::new(&x.device, x_at.element, dims[0] * dims[2])?;
    forward_at(&*context_of(x)?, x_at, w, b, y.address, dims)?;
    Ok(y.storage)
}

fn forward_at(context: &Context, x: Operand, w: u64, b: u64, y: u64, [n, i, o]: [usize; 3]) -> Result<()> {
    let kernel = context.kernel("linear", Some(x.element))?;
    launch!(context, kernel, kernels::linear(n, o); x.address, w, b, y, n as u32, i as u32, o as u32);
    Ok(())
}

/// Gradients of the weight and the bias, in f32 whatever the type of the activations.
pub(crate) fn grad_weight(x: &Tensor, dy: &Tensor, dw: &Tensor, db: Option<&Tensor>) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?;
    let dy_at = x_at.beside(Some(dy))?;
    let (dw, db) = (f32s(dw)?, db.map_or(Ok(0), f32s)?);
    let ((n, i), (_, o)) = (x.dims2()?, dy.dims2()?);
    let context = context(x)?;
    let kernel = context.kernel("linear_grad_weight", Some(x_at.element))?;
    launch!(context, kernel, kernels::linear_grad_weight(i, o); x_at.address, dy_at, dw, db, n as u32, i as u32, o as u32);
    Ok(())
}

pub(crate) fn grad_input(dy: &Tensor, w: &Tensor, dx: &Tensor) -> Result<()> {
    let dy_at = Operand::of(dy)?.expect_real()?;
    let (w_at, dx_at) = (dy_at.beside(Some(w))?, dy_at.beside(Some(dx))?);
    let ((n, i), (_, o)) = (dx.dims2()?, dy.dims2()?);
    let context = context(dy)?;
    let kernel = context.kernel("linear_grad_input", Some(dy_at.element))?;
    launch!(context, kernel, kernels::linear_grad_input(n, i); dy_at.address, w_at, dx_at, n as u32, i as u32, o as u32);
    Ok(())
}

pub(crate) fn gradient_squares(x: &Tensor, dy: &Tensor, bias: bool, squares: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?;
    let dy_at = x_at.beside(Some(dy))?;
    let squares = f32s(squares)?;
    let ((n, i), (_, o)) = (x.dims2()?, dy.dims2()?);
    let context = context(x)?;
    let kernel = context.kernel("linear_squares", Some(x_at.element))?;
    launch!(context, kernel, kernels::linear_squares(n);
        x_at.address, dy_at, squares, n as u32, i as u32, o as u32, u32::from(bias));
    Ok(())
}
