//! Pooling, channels last: maximum and mean of windows, and the mean over the image.

use crate::access::{contiguous, on_gpu, with};
#[cfg(feature = "cuda")]
use crate::cuda::{self, pool::Windows};
use crate::simd::dispatch;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The maximum of square windows, without padding: [n, h, w, c] to [n, oh, ow, c] with
/// `oh = (h - size) / stride + 1`.
///
/// A window's gradient goes to the first of its maxima, row by row, as in PyTorch; a NaN counts as
/// the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of the window.
    pub size: usize,
    /// Step of the window.
    pub stride: usize,
}

impl MaxPool {
    /// The output's shape.
    ///
    /// # Errors
    /// If the input does not have four dimensions or is smaller than a window.
    pub fn output_shape(self, x: &[usize]) -> Result<[usize; 4]> {
        windows("max pool", self.size, self.stride, x)
    }

    /// Writes the maxima of `x` into `y`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward(self, x: &Tensor, y: &Tensor) -> Result<()> {
        let dims = self.checked(x, y)?;
        on_gpu!(x => cuda::pool::maxima(x, &gpu_windows(self.size, self.stride, dims), y));
        with!([y] [x] self.maxima(x, &dims, y))
    }

    /// Writes the gradient of `x` into `dx`, given that of `y`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(self, x: &Tensor, dy: &Tensor, dx: &Tensor) -> Result<()> {
        let dims = self.checked(x, dy)?;
        self.checked(dx, dy)?;
        on_gpu!(x => cuda::pool::spread_maxima(x, dy, &gpu_windows(self.size, self.stride, dims), dx));
        with!([dx] [x, dy] self.spread(x, dy, &dims, dx))
    }

    /// The pooling as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1(self)
    }

    fn checked(self, x: &Tensor, y: &Tensor) -> Result<[usize; 4]> {
        checked("max pool", self.output_shape(x.dims())?, x, y)
    }

    fn maxima(self, x: &[f32], dims: &[usize; 4], y: &mut [f32]) {
        let [n, h, w, c] = *dims;
        y.par_chunks_mut(y.len() / n)
            .zip(x.par_chunks(h * w * c))
            .for_each(|(y, x)| image_maxima(self, x, *dims, y));
    }

    fn spread(self, x: &[f32], dy: &[f32], dims: &[usize; 4], dx: &mut [f32]) {
        let [n, h, w, c] = *dims;
        let images = dx
            .par_chunks_mut(h * w * c)
            .zip(x.par_chunks(h * w * c))
            .zip(dy.par_chunks(dy.len() / n));
        images.for_each(|((dx, x), dy)| image_spread(self, x, dy, *dims, dx));
    }
}

/// Channels of a window that are looked at together.
const LANES: usize = 16;

dispatch! {
    /// The maxima of one image.
    fn image_maxima(pool: MaxPool, x: &[f32], dims: [usize; 4], y: &mut [f32]) {
        let [_, _, w, c] = dims;
        let columns = (w - pool.size) / pool.stride + 1;
        for (window, y) in y.chunks_exact_mut(c).enumerate() {
            let start = (window / columns * pool.stride * w + window % columns * pool.stride) * c;
            y.fill(f32::NEG_INFINITY);
            for row in 0..pool.size {
                for column in 0..pool.size {
                    let x = &x[start + (row * w + column) * c..][..y.len()];
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = if x > *y || x.is_nan() { x } else { *y };
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Adds each gradient of one image's maxima to the number that was the maximum.
    fn image_spread(pool: MaxPool, x: &[f32], dy: &[f32], dims: [usize; 4], dx: &mut [f32]) {
        let [_, _, w, c] = dims;
        let columns = (w - pool.size) / pool.stride + 1;
        dx.fill(0.0);
        for (window, dy) in dy.chunks_exact(c).enumerate() {
            let start = (window / columns * pool.stride * w + window % columns * pool.stride) * c;
            for (lanes, dy) in dy.chunks(LANES).enumerate() {
                let start = start + lanes * LANES;
                let (mut best, mut at) = ([f32::NEG_INFINITY; LANES], [0u32; LANES]);
                for row in 0..pool.size {
                    for column in 0..pool.size {
                        let pixel = (row * w + column) as u32;
                        let x = &x[start + (row * w + column) * c..][..dy.len()];
                        for ((best, at), &x) in best.iter_mut().zip(&mut at).zip(x) {
                            let better = x > *best || x.is_nan();
                            *at = if better { pixel } else { *at };
                            *best = if better { x } else { *best };
                        }
                    }
                }
                for row in 0..pool.size {
                    for column in 0..pool.size {
                        let pixel = (row * w + column) as u32;
                        let dx = &mut dx[start + (row * w + column) * c..][..dy.len()];
                        for ((dx, &at), dy) in dx.iter_mut().zip(&at).zip(dy) {
                            *dx += if at == pixel { *dy } else { 0.0 };
                        }
                    }
                }
            }
        }
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "dynaprune-max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let shape = self.output_shape(layout.dims())?;
        let mut y = vec![0.0; shape.iter().product()];
        let (n, h, w, c) = layout.shape().dims4()?;
        self.maxima(contiguous(x, layout)?, &[n, h, w, c], &mut y);
        Ok((CpuStorage::F32(y), Shape::from(shape.to_vec())))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let shape = self.output_shape(layout.dims())?;
        let (n, h, w, c) = layout.shape().dims4()?;
        let y = cuda::pool::forward_of_storage(
            "max_pool",
            (x, layout),
            &gpu_windows(self.size, self.stride, [n, h, w, c]),
        )?;
        Ok((y, Shape::from(shape.to_vec())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dx = x.zeros_like()?;
        self.backward(x, &dy.contiguous()?, &dx)?;
        Ok(Some(dx))
    }
}

/// The mean of square windows, without padding: [n, h, w, c] to [n, oh, ow, c] with `oh = (h - size) / stride + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanPool {
    /// Side of the window.
    pub size: usize,
    /// Step of the window.
    pub stride: usize,
}

impl MeanPool {
    /// The output's shape.
    ///
    /// # Errors
    /// If the input does not have four dimensions or is smaller than a window.
    pub fn output_shape(self, x: &[usize]) -> Result<[usize; 4]> {
        windows("mean pool", self.size, self.stride, x)
    }

    /// Writes the means of `x` into `y`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward(self, x: &Tensor, y: &Tensor) -> Result<()> {
        let dims = self.checked(x, y)?;
        on_gpu!(x => cuda::pool::means(x, &gpu_windows(self.size, self.stride, dims), y));
        with!([y] [x] self.means(x, dims, y))
    }

    /// Writes the gradient of `x` into `dx`, given that of `y`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(self, dy: &Tensor, dx: &Tensor) -> Result<()> {
        let dims = self.checked(dx, dy)?;
        on_gpu!(dy => cuda::pool::spread_means(dy, &gpu_windows(self.size, self.stride, dims), dx));
        let [n, h, w, c] = dims;
        with!([dx] [dy] {
            let images = dx.par_chunks_mut(h * w * c).zip(dy.par_chunks(dy.len() / n));
            images.for_each(|(dx, dy)| image_mean_spread(self, dy, dims, dx));
        })
    }

    /// The pooling as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1(self)
    }

    fn checked(self, x: &Tensor, y: &Tensor) -> Result<[usize; 4]> {
        checked("mean pool", self.output_shape(x.dims())?, x, y)
    }

    fn means(self, x: &[f32], dims: [usize; 4], y: &mut [f32]) {
        let [n, h, w, c] = dims;
        let images = y.par_chunks_mut(y.len() / n).zip(x.par_chunks(h * w * c));
        images.for_each(|(y, x)| image_means(self, x, dims, y));
    }
}

dispatch! {
    /// The means of one image.
    fn image_means(pool: MeanPool, x: &[f32], dims: [usize; 4], y: &mut [f32]) {
        let [_, _, w, c] = dims;
        let columns = (w - pool.size) / pool.stride + 1;
        let share = 1.0 / (pool.size * pool.size) as f32;
        for (window, y) in y.chunks_exact_mut(c).enumerate() {
            let start = (window / columns * pool.stride * w + window % columns * pool.stride) * c;
            y.fill(0.0);
            for row in 0..pool.size {
                for column in 0..pool.size {
                    let x = &x[start + (row * w + column) * c..][..y.len()];
                    for (y, x) in y.iter_mut().zip(x) {
                        *y += x;
                    }
                }
            }
            for y in y {
                *y *= share;
            }
        }
    }
}

dispatch! {
    /// Spreads each gradient of one image's means over its window.
    fn image_mean_spread(pool: MeanPool, dy: &[f32], dims: [usize; 4], dx: &mut [f32]) {
        let [_, _, w, c] = dims;
        let columns = (w - pool.size) / pool.stride + 1;
        let share = 1.0 / (pool.size * pool.size) as f32;
        dx.fill(0.0);
        for (window, dy) in dy.chunks_exact(c).enumerate() {
            let start = (window / columns * pool.stride * w + window % columns * pool.stride) * c;
            for row in 0..pool.size {
                for column in 0..pool.size {
                    let dx = &mut dx[start + (row * w + column) * c..][..dy.len()];
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        *dx += share * dy;
                    }
                }
            }
        }
    }
}

impl CustomOp1 for MeanPool {
    fn name(&self) -> &'static str {
        "dynaprune-mean-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let shape = self.output_shape(layout.dims())?;
        let mut y = vec![0.0; shape.iter().product()];
        let (n, h, w, c) = layout.shape().dims4()?;
        self.means(contiguous(x, layout)?, [n, h, w, c], &mut y);
        Ok((CpuStorage::F32(y), Shape::from(shape.to_vec())))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let shape = self.output_shape(layout.dims())?;
        let (n, h, w, c) = layout.shape().dims4()?;
        let y = cuda::pool::forward_of_storage(
            "mean_pool",
            (x, layout),
            &gpu_windows(self.size, self.stride, [n, h, w, c]),
        )?;
        Ok((y, Shape::from(shape.to_vec())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dx = x.zeros_like()?;
        self.backward(&dy.contiguous()?, &dx)?;
        Ok(Some(dx))
    }
}

/// The output's shape of a pooling.
fn windows(name: &str, size: usize, stride: usize, x: &[usize]) -> Result<[usize; 4]> {
    match *x {
        [n, h, w, c] if size > 0 && stride > 0 && h >= size && w >= size && n * c > 0 => {
            Ok([n, (h - size) / stride + 1, (w - size) / stride + 1, c])
        }
        _ => bail!("{name}: no windows of {size} with stride {stride} in {x:?}"),
    }
}

/// The input's dimensions, if the output is of that shape.
fn checked(name: &str, shape: [usize; 4], x: &Tensor, y: &Tensor) -> Result<[usize; 4]> {
    if y.dims() != shape {
        bail!("{name}: expected an output {shape:?}, found {:?}", y.dims())
    }
    Ok(x.dims4()?.into())
}

#[cfg(feature = "cuda")]
fn gpu_windows(size: usize, stride: usize, dims: [usize; 4]) -> Windows {
    Windows { dims, size, stride }
}

/// The mean over the image: [n, h, w, c] to [n, c].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalMean;

impl GlobalMean {
    /// Writes the means of `x` into `y`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward(self, x: &Tensor, y: &Tensor) -> Result<()> {
        let (pixels, c) = global(x, y)?;
        on_gpu!(x => cuda::pool::global_means(x, [y.dim(0)?, pixels, c], y));
        with!([y] [x] means(x, pixels, c, y))
    }

    /// Writes the gradient of `x` into `dx`, given that of `y`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(self, dy: &Tensor, dx: &Tensor) -> Result<()> {
        let (pixels, c) = global(dx, dy)?;
        on_gpu!(dy => cuda::pool::spread_global_means(dy, [dy.dim(0)?, pixels, c], dx));
        with!([dx] [dy] {
            dx.par_chunks_mut(pixels * c).zip(dy.par_chunks(c)).for_each(|(dx, dy)| {
                for dx in dx.chunks_exact_mut(c) {
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        *dx = dy / pixels as f32;
                    }
                }
            });
        })
    }

    /// The mean as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1(self)
    }
}

impl CustomOp1 for GlobalMean {
    fn name(&self) -> &'static str {
        "dynaprune-global-mean"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let mut y = vec![0.0; n * c];
        means(contiguous(x, layout)?, h * w, c, &mut y);
        Ok((CpuStorage::F32(y), Shape::from((n, c))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let y = cuda::pool::global_means_of_storage((x, layout), [n, h * w, c])?;
        Ok((y, Shape::from((n, c))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dx = x.zeros_like()?;
        self.backward(&dy.contiguous()?, &dx)?;
        Ok(Some(dx))
    }
}

/// Pixels of an image and channels.
fn global(x: &Tensor, y: &Tensor) -> Result<(usize, usize)> {
    let (n, h, w, c) = x.dims4()?;
    if y.dims() != [n, c] || n * h * w * c == 0 {
        bail!(
            "global mean: expected an output [{n}, {c}] of a non-empty input, found {:?} of {:?}",
            y.dims(),
            x.dims()
        )
    }
    Ok((h * w, c))
}

fn means(x: &[f32], pixels: usize, c: usize, y: &mut [f32]) {
    y.par_chunks_mut(c).zip(x.par_chunks(pixels * c)).for_each(|(y, x)| {
        y.fill(0.0);
        for x in x.chunks_exact(c) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += x;
            }
        }
        for y in y {
            *y /= pixels as f32;
        }
    });
}
