//! Stochastic gradient descent with momentum, as PyTorch's `torch.optim.SGD`.

use crate::access::{on_gpu, with};
use crate::simd::dispatch;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// The settings of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f32,
    /// Momentum, 0 for none. The buffer starts at 0, without dampening.
    pub momentum: f32,
    /// Whether the step looks ahead (Nesterov).
    pub nesterov: bool,
    /// Weight decay, added to the gradient (coupled).
    pub weight_decay: f32,
}

/// Numbers a task updates.
const CHUNK: usize = 16 * 1024;

impl Sgd {
    /// Updates `weights` and the momentum `buffer` in place, in one pass:
    ///
    /// ```text
    /// g = gradient + weight_decay * w;  b = momentum * b + g
    /// w = w - learning_rate * (nesterov ? g + momentum * b : b)
    /// ```
    ///
    /// # Errors
    /// If the tensors differ in size or are not contiguous f32 tensors.
    pub fn step(&self, weights: &Tensor, gradient: &Tensor, buffer: &Tensor) -> Result<()> {
        self.check(weights, gradient, buffer)?;
        on_gpu!(weights => crate::cuda::sgd::step(self, weights, gradient, buffer, crate::cuda::Mixed::default()));
        with!([weights, buffer] [gradient] {
            let parts = weights.par_chunks_mut(CHUNK).zip(buffer.par_chunks_mut(CHUNK));
            parts.zip(gradient.par_chunks(CHUNK)).for_each(|((w, b), g)| update(self, w, b, g));
        })
    }

    /// The step with what half precision needs beside the f32 numbers, on a GPU.
    ///
    /// # Errors
    /// As [`Self::step`], or if a tensor is not on the GPU.
    #[cfg(feature = "cuda")]
    pub fn step_mixed(
        &self,
        weights: &Tensor,
        gradient: &Tensor,
        buffer: &Tensor,
        mixed: crate::cuda::Mixed,
    ) -> Result<()> {
        self.check(weights, gradient, buffer)?;
        crate::cuda::sgd::step(self, weights, gradient, buffer, mixed)
    }

    fn check(&self, weights: &Tensor, gradient: &Tensor, buffer: &Tensor) -> Result<()> {
        if weights.elem_count() != gradient.elem_count() || weights.elem_count() != buffer.elem_count() {
            bail!(
                "sgd: {} weights, {} gradients, {} in the buffer",
                weights.elem_count(),
                gradient.elem_count(),
                buffer.elem_count()
            )
        }
        Ok(())
    }
}

dispatch! {
    fn update(settings: &Sgd, weights: &mut [f32], buffer: &mut [f32], gradient: &[f32]) {
        let Sgd { learning_rate, momentum, nesterov, weight_decay } = *settings;
        for ((w, b), g) in weights.iter_mut().zip(buffer).zip(gradient) {
            let g = g + weight_decay * *w;
            *b = momentum * *b + g;
            *w -= learning_rate * if nesterov { g + momentum * *b } else { *b };
        }
    }
}
