//! Two-dimensional convolution, channels last.
//!
//! ```text
//! y[n, oy, ox, co] = sum over ky, kx, ci of
//!     x[n, oy * stride + ky - padding, ox * stride + kx - padding, ci] * w[ky, kx, ci, co]
//! ```
//! with zeros outside the image and `oh = (h + 2 padding - kh) / stride + 1`: the cross-correlation
//! that every framework calls convolution (PyTorch's `conv2d` without groups and dilation).

mod cpu;
mod kernel;
mod norms;
mod winograd;

use crate::access::{contiguous, on_gpu, with};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::squares as per_sample;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape as Dims, Tensor, bail};

/// Stride and zero padding, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Step of the window, at least 1.
    pub stride: usize,
    /// Zeros on each side of the image.
    pub padding: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) n: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) ci: usize,
    pub(crate) kh: usize,
    pub(crate) kw: usize,
    pub(crate) co: usize,
    pub(crate) oh: usize,
    pub(crate) ow: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Conv2d {
    /// The output's shape [n, oh, ow, co] for an input [n, h, w, ci] and a weight [kh, kw, ci, co].
    ///
    /// # Errors
    /// If a shape does not have four dimensions or they do not fit each other.
    pub fn output_shape(self, x: &[usize], w: &[usize]) -> Result<[usize; 4]> {
        let s = self.shape(x, w)?;
        Ok([s.n, s.oh, s.ow, s.co])
    }

    fn shape(self, x: &[usize], weight: &[usize]) -> Result<Shape> {
        let (&[n, h, w, ci], &[kh, kw, wi, co]) = (x, weight) else {
            bail!("conv2d: expected an input [n, h, w, ci] and a weight [kh, kw, ci, co], found {x:?} and {weight:?}")
        };
        let Self { stride, padding } = self;
        if ci != wi {
            bail!("conv2d: the input {x:?} has {ci} channels, the weight {weight:?} expects {wi}")
        }
        if stride == 0 || [n, h, w, ci, kh, kw, co].contains(&0) || h + 2 * padding < kh || w + 2 * padding < kw {
            bail!("conv2d: no output for input {x:?}, weight {weight:?}, stride {stride}, padding {padding}")
        }
        let oh = (h + 2 * padding - kh) / stride + 1;
        let ow = (w + 2 * padding - kw) / stride + 1;
        Ok(Shape {
            n,
            h,
            w,
            ci,
            kh,
            kw,
            co,
            oh,
            ow,
            stride,
            padding,
        })
    }

    fn checked(self, x: &Tensor, w: &[usize], y: &Tensor) -> Result<Shape> {
        let s = self.shape(x.dims(), w)?;
        if y.dims() != [s.n, s.oh, s.ow, s.co] {
            bail!(
                "conv2d: expected an output {:?}, found {:?}",
                [s.n, s.oh, s.ow, s.co],
                y.dims()
            )
        }
        Ok(s)
    }

    /// Writes the convolution of `x` [n, h, w, ci] with `w` [kh, kw, ci, co] into `y` [n, oh, ow, co].
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward(self, x: &Tensor, w: &Tensor, y: &Tensor) -> Result<()> {
        let s = self.checked(x, w.dims(), y)?;
        on_gpu!(x => cuda::conv2d::forward(x, w, &s, y));
        with!([y] [x, w] cpu::forward(x, w, &s, y))
    }

    /// Writes the gradient of the input into `dx` (or adds it, with `accumulate`), given `dy`, the
    /// gradient of the output.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn grad_input(self, dy: &Tensor, w: &Tensor, dx: &Tensor, accumulate: bool) -> Result<()> {
        let s = self.checked(dx, w.dims(), dy)?;
        on_gpu!(dy => cuda::conv2d::grad_input(dy, w, &s, dx, accumulate));
        with!([dx] [dy, w] cpu::grad_input(dy, w, &s, dx, accumulate))
    }

    /// Writes the gradient of the weight into `dw`, given the input and the gradient of the output.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn grad_weight(self, x: &Tensor, dy: &Tensor, dw: &Tensor) -> Result<()> {
        let s = self.checked(x, dw.dims(), dy)?;
        on_gpu!(x => cuda::conv2d::grad_weight(x, dy, &s, dw));
        with!([dw] [x, dy] cpu::grad_weight(x, dy, &s, dw))
    }

    /// Adds to each number of `squares` `[n]` the squared L2 norm of what its sample alone gives as the gradient of the
    /// weight, whose shape is `weight`.
    ///
    /// The number that is added has the same bits whatever the rest of the batch.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn weight_gradient_squares(self, x: &Tensor, dy: &Tensor, weight: &[usize], squares: &Tensor) -> Result<()> {
        let s = self.checked(x, weight, dy)?;
        per_sample::check("conv2d", squares, s.n)?;
        on_gpu!(x => cuda::conv2d::weight_gradient_squares(x, dy, &s, squares));
        with!([squares] [x, dy] norms::weight_gradient_squares(x, dy, &s, squares))
    }

    /// The convolution as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// If the shapes do not fit or a tensor is not f32. Strided tensors are copied first.
    pub fn apply(self, x: &Tensor, w: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op2(&w.contiguous()?, self)
    }
}

/// `y = x w` for matrices: the convolution of `n` images of one pixel.
pub(crate) fn pointwise(x: &[f32], [n, i]: [usize; 2], w: &[f32], [wi, o]: [usize; 2], y: &mut [f32]) -> Result<()> {
    let s = Conv2d { stride: 1, padding: 0 }.shape(&[n, 1, 1, i], &[1, 1, wi, o])?;
    cpu::forward(x, w, &s, y);
    Ok(())
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "dynaprune-conv2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Dims)> {
        let s = self.shape(xl.dims(), wl.dims())?;
        let mut y = vec![0.0; s.n * s.oh * s.ow * s.co];
        cpu::forward(contiguous(x, xl)?, contiguous(w, wl)?, &s, &mut y);
        Ok((CpuStorage::F32(y), Dims::from((s.n, s.oh, s.ow, s.co))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, xl: &Layout, w: &CudaStorage, wl: &Layout) -> Result<(CudaStorage, Dims)> {
        let s = self.shape(xl.dims(), wl.dims())?;
        let y = cuda::conv2d::forward_of_storage((x, xl), (w, wl), &s)?;
        Ok((y, Dims::from((s.n, s.oh, s.ow, s.co))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = (x.zeros_like()?, w.zeros_like()?);
        self.grad_input(&dy, w, &dx, false)?;
        self.grad_weight(x, &dy, &dw)?;
        Ok((Some(dx), Some(dw)))
    }
}
