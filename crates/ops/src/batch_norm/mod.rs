//! Batch normalisation over the last dimension, with an optional residual and ReLU behind it.
//!
//! ```text
//! y = max(0, gamma * (x - mean) / sqrt(var + eps) + beta + residual)
//! ```
//! where `mean` and the biased `var` are those of the batch in training and the running ones in
//! evaluation (Ioffe and Szegedy 2015, algorithm 1). As in PyTorch, the running variance is fed with
//! the unbiased one. A channel's parameters travel in pairs: `affine` is [gamma; beta], `running` is
//! [mean; variance], `saved` is [mean; 1 / sqrt(var + eps)] of the batch, all of shape [2, c].

mod cpu;

use crate::access::{contiguous, on_gpu, read, with, write};
#[cfg(feature = "cuda")]
use crate::cuda::{self, batch_norm::Pair};
use crate::squares;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::sync::Mutex;

/// Batch normalisation's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance; 1e-5 in PyTorch.
    pub eps: f32,
    /// The weight of the new value in the running statistics; 0.1 in PyTorch.
    pub momentum: f32,
    /// Whether a ReLU follows; its gradient at exactly 0 is 0, as in PyTorch.
    pub relu: bool,
}

impl BatchNorm {
    /// PyTorch's defaults.
    #[must_use]
    pub const fn new(relu: bool) -> Self {
        Self {
            eps: 1e-5,
            momentum: 0.1,
            relu,
        }
    }

    /// Normalises `x` [.., c] by the statistics of the batch into `y`, and updates `running`.
    ///
    /// # Errors
    /// If the shapes do not fit, or a tensor is not a contiguous f32 tensor (on a GPU, bf16 is another).
    pub fn forward_train(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        affine: &Tensor,
        running: &Tensor,
        saved: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        let c = channels(x, residual, y, &[affine, running, saved])?;
        self.statistics(x, c, running, saved)?;
        self.forward_again(x, residual, affine, saved, y)
    }

    fn statistics(&self, x: &Tensor, c: usize, running: &Tensor, saved: &Tensor) -> Result<()> {
        on_gpu!(x => cuda::batch_norm::statistics(self, x, c, running, saved));
        with!([saved, running] [x] cpu::statistics(self, x, c, running, saved))
    }

    /// Writes into `y` what [`Self::forward_train`] wrote, from the statistics it saved: for those who would rather compute
    /// than keep it.
    ///
    /// # Errors
    /// As [`Self::forward_train`].
    pub fn forward_again(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        affine: &Tensor,
        saved: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        let c = channels(x, residual, y, &[affine, saved])?;
        on_gpu!(x => cuda::batch_norm::normalize(self, x, residual, c, affine, (saved, Pair::Saved), y));
        with_residual(residual, |residual| {
            with!([y] [x, affine, saved] {
                let scale = |i: usize| affine[i] * saved[c + i];
                cpu::normalize(self.relu, x, residual, c, |i| (saved[i], scale(i), affine[c + i]), y);
            })
        })
    }

    /// Normalises `x` [.., c] by the running statistics into `y`.
    ///
    /// # Errors
    /// As [`Self::forward_train`].
    pub fn forward_eval(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        affine: &Tensor,
        running: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        let c = channels(x, residual, y, &[affine, running])?;
        on_gpu!(x => cuda::batch_norm::normalize(self, x, residual, c, affine, (running, Pair::Running), y));
        with_residual(residual, |residual| {
            with!([y] [x, affine, running] {
                let scale = |i: usize| self.eval_scale(affine[i], running[c + i]);
                cpu::normalize(self.relu, x, residual, c, |i| (running[i], scale(i), affine[c + i]), y);
            })
        })
    }

    /// The backward pass of [`Self::forward_train`], in place: `grad` holds the gradient of `y` and
    /// receives that of `x`.
    ///
    /// `y` is the output where a residual was added, and `None` where none was: then it is not needed. Writes the gradient of
    /// `affine` to `daffine`, and, if it is asked for, the gradient of the residual to the tensor in `dresidual`, adding to
    /// what is there if the flag beside it is set.
    ///
    /// # Errors
    /// As [`Self::forward_train`], or if the gradient of a residual is asked for without the output.
    #[allow(clippy::too_many_arguments)] // The operands of the operation.
    pub fn backward(
        &self,
        grad: &Tensor,
        x: &Tensor,
        y: Option<&Tensor>,
        affine: &Tensor,
        saved: &Tensor,
        daffine: &Tensor,
        dresidual: Option<(&Tensor, bool)>,
    ) -> Result<()> {
        let c = channels(x, y, grad, &[affine, saved, daffine])?;
        check_residual(x, y, dresidual)?;
        on_gpu!(x => cuda::batch_norm::backward(self, grad, x, y, c, affine, saved, daffine, dresidual));
        match (y, dresidual) {
            (None, _) => with!([grad, daffine] [x, affine, saved]
                cpu::backward(self.relu, grad, x, None, c, affine, saved, daffine, None)),
            (Some(y), None) => with!([grad, daffine] [x, y, affine, saved]
                cpu::backward(self.relu, grad, x, Some(y), c, affine, saved, daffine, None)),
            (Some(y), Some((to, add))) => with!([to, grad, daffine] [x, y, affine, saved]
                    cpu::backward(self.relu, grad, x, Some(y), c, affine, saved, daffine, Some((to, add)))),
        }
    }

    /// The backward pass of [`Self::forward_eval`], in place: `grad` holds the gradient of `y` and receives that of `x`
    /// [n, .., c].
    ///
    /// Adds to each number of `squares` `[n]` the squared L2 norm of what its sample alone gives as the gradient of `affine`.
    /// The number that is added has the same bits whatever the rest of the batch. `y` and `dresidual` are as in
    /// [`Self::backward`].
    ///
    /// # Errors
    /// As [`Self::backward`].
    #[allow(clippy::too_many_arguments)] // The operands of the operation.
    pub fn backward_eval(
        &self,
        grad: &Tensor,
        x: &Tensor,
        y: Option<&Tensor>,
        affine: &Tensor,
        running: &Tensor,
        squares: &Tensor,
        dresidual: Option<(&Tensor, bool)>,
    ) -> Result<()> {
        let c = channels(x, y, grad, &[affine, running])?;
        let &[n, _, ..] = x.dims() else {
            bail!("batch norm: expected samples [n, .., c], found {:?}", x.dims())
        };
        squares::check("batch norm", squares, n)?;
        check_residual(x, y, dresidual)?;
        on_gpu!(x => cuda::batch_norm::backward_eval(self, grad, x, y, c, affine, running, squares, dresidual));
        match (y, dresidual) {
            (None, _) => with!([grad, squares] [x, affine, running]
                cpu::backward_eval(self, grad, x, None, c, affine, running, squares, None)),
            (Some(y), None) => with!([grad, squares] [x, y, affine, running]
                cpu::backward_eval(self, grad, x, Some(y), c, affine, running, squares, None)),
            (Some(y), Some((to, add))) => with!([to, grad, squares] [x, y, affine, running]
                    cpu::backward_eval(self, grad, x, Some(y), c, affine, running, squares, Some((to, add)))),
        }
    }

    /// The factor of a channel in evaluation.
    fn eval_scale(&self, gamma: f32, variance: f32) -> f32 {
        gamma / (variance + self.eps).sqrt()
    }

    /// Training-mode batch norm as an operation that candle's own `backward` differentiates.
    ///
    /// # Errors
    /// As [`Self::forward_train`], but strided tensors are copied first.
    pub fn apply(self, x: &Tensor, residual: Option<&Tensor>, affine: &Tensor, running: &Tensor) -> Result<Tensor> {
        let op = Differentiable {
            settings: self,
            running: running.clone(),
            saved: Mutex::new(None),
        };
        let (x, affine) = (x.contiguous()?, affine.contiguous()?);
        match residual {
            None => x.apply_op2(&affine, op),
            Some(residual) => x.apply_op3(&affine, &residual.contiguous()?, op),
        }
    }
}

/// The gradient of a residual needs the output, and room of the input's shape.
fn check_residual(x: &Tensor, y: Option<&Tensor>, dresidual: Option<(&Tensor, bool)>) -> Result<()> {
    match (y, dresidual) {
        (None, Some(_)) => bail!("batch norm: the gradient of a residual needs the output"),
        (_, Some((to, _))) => channels(x, None, to, &[]).map(|_| ()),
        (_, None) => Ok(()),
    }
}

fn with_residual<R>(residual: Option<&Tensor>, f: impl FnOnce(Option<&[f32]>) -> Result<R>) -> Result<R> {
    match residual {
        Some(residual) => read(residual, |r| f(Some(r))),
        None => f(None),
    }
}

fn channels(x: &Tensor, residual: Option<&Tensor>, y: &Tensor, pairs: &[&Tensor]) -> Result<usize> {
    let c = match x.dims().last() {
        Some(&c) if x.elem_count() > 0 => c,
        _ => bail!("batch norm: found an empty input {:?}", x.dims()),
    };
    for other in residual.into_iter().chain([y]) {
        if other.dims() != x.dims() {
            bail!(
                "batch norm: expected the input's shape {:?}, found {:?}",
                x.dims(),
                other.dims()
            )
        }
    }
    for pair in pairs {
        if pair.dims() != [2, c] {
            bail!(
                "batch norm: expected a pair of channel vectors [2, {c}], found {:?}",
                pair.dims()
            )
        }
    }
    Ok(c)
}

struct Differentiable {
    settings: BatchNorm,
    running: Tensor,
    saved: Mutex<Option<Tensor>>,
}

impl Differentiable {
    fn forward(
        &self,
        x: &[f32],
        residual: Option<&[f32]>,
        affine: &[f32],
        shape: &Shape,
    ) -> Result<(CpuStorage, Shape)> {
        let c = affine.len() / 2;
        if shape.dims().last() != Some(&c) || residual.is_some_and(|r| r.len() != x.len()) {
            bail!("batch norm: found an input {shape:?} with {c} channels in `affine`, or another residual")
        }
        let mut saved = vec![0.0; 2 * c];
        write(&self.running, |running| {
            cpu::statistics(&self.settings, x, c, running, &mut saved);
            Ok(())
        })?;
        let mut y = vec![0.0; x.len()];
        let of = |i: usize| (saved[i], affine[i] * saved[c + i], affine[c + i]);
        cpu::normalize(self.settings.relu, x, residual, c, of, &mut y);
        let saved = Tensor::from_vec(saved, (2, c), &candle_core::Device::Cpu)?;
        *self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(saved);
        Ok((CpuStorage::F32(y), shape.clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_forward(
        &self,
        x: (&CudaStorage, &Layout),
        residual: Option<(&CudaStorage, &Layout)>,
        affine: (&CudaStorage, &Layout),
    ) -> Result<(CudaStorage, Shape)> {
        let c = affine.1.shape().elem_count() / 2;
        let shape = x.1.shape();
        if shape.dims().last() != Some(&c) || residual.is_some_and(|r| r.1.shape() != shape) {
            bail!("batch norm: found an input {shape:?} with {c} channels in `affine`, or another residual")
        }
        let device = candle_core::Device::Cuda(x.0.device.clone());
        let saved = Tensor::zeros((2, c), candle_core::DType::F32, &device)?;
        let y = cuda::batch_norm::forward_of_storage(&self.settings, x, residual, affine, &self.running, &saved)?;
        *self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(saved);
        Ok((y, shape.clone()))
    }

    fn backward(&self, x: &Tensor, affine: &Tensor, residual: bool, y: &Tensor, dy: &Tensor) -> Result<[Tensor; 3]> {
        let saved = self
            .saved
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let Some(saved) = saved else {
            bail!("batch norm: backward before forward")
        };
        let (grad, daffine, dresidual) = (dy.copy()?, affine.zeros_like()?, x.zeros_like()?);
        let to = residual.then_some((&dresidual, false));
        let y = residual.then_some(y);
        self.settings.backward(&grad, x, y, affine, &saved, &daffine, to)?;
        Ok([grad, daffine, dresidual])
    }
}

impl CustomOp2 for Differentiable {
    fn name(&self) -> &'static str {
        "dynaprune-batch-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, a: &CpuStorage, al: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(contiguous(x, xl)?, None, contiguous(a, al)?, xl.shape())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, xl: &Layout, a: &CudaStorage, al: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda_forward((x, xl), None, (a, al))
    }

    fn bwd(&self, x: &Tensor, a: &Tensor, y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, da, _] = self.backward(x, a, false, y, dy)?;
        Ok((Some(dx), Some(da)))
    }
}

impl CustomOp3 for Differentiable {
    fn name(&self) -> &'static str {
        "dynaprune-batch-norm-residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        a: &CpuStorage,
        al: &Layout,
        r: &CpuStorage,
        rl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(
            contiguous(x, xl)?,
            Some(contiguous(r, rl)?),
            contiguous(a, al)?,
            xl.shape(),
        )
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        a: &CudaStorage,
        al: &Layout,
        r: &CudaStorage,
        rl: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.cuda_forward((x, xl), Some((r, rl)), (a, al))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        _residual: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, da, dr] = self.backward(x, a, true, y, dy)?;
        Ok((Some(dx), Some(da), Some(dr)))
    }
}
