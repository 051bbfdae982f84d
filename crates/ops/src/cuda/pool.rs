//! Pooling.

use super::context::{Context, launch};
use super::operand::{Operand, Output, context, context_of};
use crate::kernels;
use candle_core::{CudaStorage, Layout, Result, Tensor};

/// The shape of the pooled images [n, h, w, c], and the square window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) dims: [usize; 4],
    pub(crate) size: usize,
    pub(crate) stride: usize,
}

impl Windows {
    fn channels(&self) -> usize {
        self.dims[3]
    }

    fn outputs(&self) -> usize {
        let [n, h, w, c] = self.dims;
        let along = |size: usize| (size - self.size) / self.stride + 1;
        n * along(h) * along(w) * c
    }

    fn inputs(&self) -> usize {
        self.dims.iter().product()
    }
}

pub(crate) fn maxima(x: &Tensor, windows: &Windows, y: &Tensor) -> Result<()> {
    forward("max_pool", x, windows, y)
}

pub(crate) fn means(x: &Tensor, windows: &Windows, y: &Tensor) -> Result<()> {
    forward("mean_pool", x, windows, y)
}

fn forward(name: &'static str, x: &Tensor, windows: &Windows, y: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(windows.channels())?;
    let y = x_at.beside_aligned(Some(y), windows.channels())?;
    forward_at(name, &*context(x)?, x_at, windows, y)
}

/// One of the pools of windows, by its kernel's name.
pub(crate) fn forward_of_storage(
    name: &'static str,
    (x, layout): (&CudaStorage, &Layout),
    windows: &Windows,
) -> Result<CudaStorage> {
    let x_at = Operand::of_storage(x, layout)?
        .expect_real()?
        .expect_aligned(windows.channels())?;
    let y = Output::new(&x.device, x_at.element, windows.outputs())?;
    forward_at(name, &*context_of(x)?, x_at, windows, y.address)?;
    Ok(y.storage)
}

fn forward_at(name: &'static str, context: &Context, x: Operand, windows: &Windows, y: u64) -> Result<()> {
    let [n, h, w, c] = windows.dims.map(|size| size as u32);
    let kernel = context.kernel(name, Some(x.element))?;
    launch!(context, kernel, kernels::pool(windows.outputs(), windows.channels());
        x.address, y, n, h, w, c, windows.size as u32, windows.stride as u32);
    Ok(())
}

pub(crate) fn spread_maxima(x: &Tensor, dy: &Tensor, windows: &Windows, dx: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(windows.channels())?;
    let beside = |tensor| x_at.beside_aligned(Some(tensor), windows.channels());
    let (dy, dx) = (beside(dy)?, beside(dx)?);
    let context = context(x)?;
    let [n, h, w, c] = windows.dims.map(|size| size as u32);
    let kernel = context.kernel("max_pool_grad", Some(x_at.element))?;
    launch!(context, kernel, kernels::max_pool_grad(windows.dims, windows.size, windows.stride);
        x_at.address, dy, dx, n, h, w, c, windows.size as u32, windows.stride as u32);
    Ok(())
}

pub(crate) fn spread_means(dy: &Tensor, windows: &Windows, dx: &Tensor) -> Result<()> {
    let dy_at = Operand::of(dy)?.expect_real()?.expect_aligned(windows.channels())?;
    let dx = dy_at.beside_aligned(Some(dx), windows.channels())?;
    let context = context(dy)?;
    let [n, h, w, c] = windows.dims.map(|size| size as u32);
    let kernel = context.kernel("mean_pool_grad", Some(dy_at.element))?;
    launch!(context, kernel, kernels::pool(windows.inputs(), windows.channels());
        dy_at.address, dx, n, h, w, c, windows.size as u32, windows.stride as u32);
    Ok(())
}

/// Means over whole images: `x` [n, pixels, c], `y` [n, c].
pub(crate) fn global_means(x: &Tensor, dims: [usize; 3], y: &Tensor) -> Result<()> {
    let x_at = Operand::of(x)?.expect_real()?.expect_aligned(dims[2])?;
    let y = x_at.beside_aligned(Some(y), dims[2])?;
    global_means_at(&*context(x)?, x_at, dims, y)
}

pub(crate) fn global_means_of_storage((x, layout): (&CudaStorage, &Layout), dims: [usize; 3]) -> Result<CudaStorage> {
    let x_at = Operand::of_storage(x, layout)?.expect_real()?.expect_aligned(dims[2])?;
    let y = Output::new(&x.device, x_at.element, dims[0] * dims[2])?;
    global_means_at(&*context_of(x)?, x_at, dims, y.address)?;
    Ok(y.storage)
}

fn global_means_at(context: &Context, x: Operand, [n, pixels, c]: [usize; 3], y: u64) -> Result<()> {
    let kernel = context.kernel("global_mean", Some(x.element))?;
    launch!(context, kernel, kernels::global_mean(n, c); x.address, y, n as u32, pixels as u32, c as u32);
    Ok(())
}

pub(crate) fn spread_global_means(dy: &Tensor, [n, pixels, c]: [usize; 3], dx: &Tensor) -> Result<()> {
    let dy_at = Operand::of(dy)?.expect_real()?.expect_aligned(c)?;
    let dx = dy_at.beside_aligned(Some(dx), c)?;
    let context = context(dy)?;
    let kernel = context.kernel("global_mean_grad", Some(dy_at.element))?;
    launch!(context, kernel, kernels::pool(n * pixels * c, c); dy_at.address, dx, n as u32, pixels as u32, c as u32);
    Ok(())
}
