//! The fully connected layer.

use crate::access::{contiguous, on_gpu, with};
use crate::conv2d::{self, Conv2d};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::squares;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// `y = x w + b`: [n, i] times [i, o] plus `[o]`. A convolution of 1 x 1 images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linear;

const POINTWISE: Conv2d = Conv2d { stride: 1, padding: 0 };

impl Linear {
    /// Writes the layer's output into `y` [n, o]; `b` may be absent.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward(self, x: &Tensor, w: &Tensor, b: Option<&Tensor>, y: &Tensor) -> Result<()> {
        check_bias("a bias", w, b)?;
        on_gpu!(x => checked(x, w, y).and_then(|()| cuda::linear::forward(x, w, b, y)));
        POINTWISE.forward(&image(x)?, &kernel(w)?, &image(y)?)?;
        let Some(b) = b else { return Ok(()) };
        with!([y] [b] add_bias(b, y))
    }

    /// Writes the gradients of the weight and the bias, and that of `x` into `dx` if it is given.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(
        self,
        x: &Tensor,
        w: &Tensor,
        dy: &Tensor,
        dw: &Tensor,
        db: Option<&Tensor>,
        dx: Option<&Tensor>,
    ) -> Result<()> {
        check_bias("a gradient of the bias", w, db)?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            checked(x, dw, dy)?;
            cuda::linear::grad_weight(x, dy, dw, db)?;
            return dx.map_or(Ok(()), |dx| self.grad_input(dy, w, dx));
        }
        POINTWISE.grad_weight(&image(x)?, &image(dy)?, &kernel(dw)?)?;
        if let Some(dx) = dx {
            self.grad_input(dy, w, dx)?;
        }
        let Some(db) = db else { return Ok(()) };
        with!([db] [dy] {
            db.fill(0.0);
            for dy in dy.chunks_exact(db.len()) {
                for (db, dy) in db.iter_mut().zip(dy) {
                    *db += dy;
                }
            }
        })
    }

    /// Writes the gradient of the input into `dx`, given `dy`, that of the output.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn grad_input(self, dy: &Tensor, w: &Tensor, dx: &Tensor) -> Result<()> {
        on_gpu!(dy => checked(dx, w, dy).and_then(|()| cuda::linear::grad_input(dy, w, dx)));
        POINTWISE.grad_input(&image(dy)?, &kernel(w)?, &image(dx)?, false)
    }

    /// Adds to each number of `squares` `[n]` the squared L2 norm of what its sample alone gives as the gradient of the
    /// weight and, with `bias`, of the bias: `|x|^2 |dy|^2 + |dy|^2` (Goodfellow 2015, arXiv 1510.01799).
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn gradient_squares(self, x: &Tensor, dy: &Tensor, bias: bool, squares: &Tensor) -> Result<()> {
        let ((n, i), (samples, o)) = (x.dims2()?, dy.dims2()?);
        if samples != n || [n, i, o].contains(&0) {
            bail!("linear: found an input [{n}, {i}] and a gradient [{samples}, {o}]")
        }
        squares::check("linear", squares, n)?;
        on_gpu!(x => cuda::linear::gradient_squares(x, dy, bias, squares));
        with!([squares] [x, dy] {
            // A bias is the weight of an input that is always 1.
            let one = if bias { 1.0 } else { 0.0 };
            for ((square, x), dy) in squares.iter_mut().zip(x.chunks_exact(i)).zip(dy.chunks_exact(o)) {
                *square += ((squares::of(x) + one) * squares::of(dy)) as f32;
            }
        })
    }

    /// The layer as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn apply(self, x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, self)
    }
}

fn check_bias(what: &str, w: &Tensor, b: Option<&Tensor>) -> Result<()> {
    let (_, o) = w.dims2()?;
    match b.filter(|b| b.dims() != [o]) {
        Some(b) => bail!("linear: expected {what} [{o}], found {:?}", b.dims()),
        None => Ok(()),
    }
}

/// Fails unless [n, i] times [i, o] is [n, o].
#[cfg(feature = "cuda")]
fn checked(x: &Tensor, w: &Tensor, y: &Tensor) -> Result<()> {
    let ((n, i), (wi, o), found) = (x.dims2()?, w.dims2()?, y.dims2()?);
    if i != wi || found != (n, o) || [n, i, o].contains(&0) {
        bail!("linear: found [{n}, {i}] times [{wi}, {o}] for {found:?}")
    }
    Ok(())
}

fn image(x: &Tensor) -> Result<Tensor> {
    let (n, c) = x.dims2()?;
    x.reshape((n, 1, 1, c))
}

fn kernel(w: &Tensor) -> Result<Tensor> {
    let (i, o) = w.dims2()?;
    w.reshape((1, 1, i, o))
}

fn add_bias(b: &[f32], y: &mut [f32]) {
    for y in y.chunks_exact_mut(b.len()) {
        for (y, b) in y.iter_mut().zip(b) {
            *y += b;
        }
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "dynaprune-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, i), (wi, o)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        if bl.dims() != [o] {
            bail!("linear: expected a bias [{o}], found {:?}", bl.dims())
        }
        let mut y = vec![0.0; n * o];
        conv2d::pointwise(contiguous(x, xl)?, [n, i], contiguous(w, wl)?, [wi, o], &mut y)?;
        add_bias(contiguous(b, bl)?, &mut y);
        Ok((CpuStorage::F32(y), Shape::from((n, o))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        w: &CudaStorage,
        wl: &Layout,
        b: &CudaStorage,
        bl: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let ((n, i), (wi, o)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        if i != wi || bl.dims() != [o] {
            bail!("linear: found [{n}, {i}] times [{wi}, {o}] plus {:?}", bl.dims())
        }
        let y = cuda::linear::forward_of_storage((x, xl), (w, wl), (b, bl), [n, i, o])?;
        Ok((y, Shape::from((n, o))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, db) = (x.zeros_like()?, w.zeros_like()?, b.zeros_like()?);
        self.backward(x, w, &dy.contiguous()?, &dw, Some(&db), Some(&dx))?;
        Ok((Some(dx), Some(dw), Some(db)))
    }
}
