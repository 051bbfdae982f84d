//! Differentiable operations for training convolutional networks on candle.
//!
//! candle gives the tensors; its stock operations for training a CNN are slow (a scalar backward
//! convolution, batch norm as fifteen small steps, no per-sample loss). The operations here are few
//! and fat, and come in two forms:
//!
//! * *in place*: they write into tensors that the caller owns, so that a training step uses the same
//!   memory again and again; `dynaprune-models` is built on these;
//! * `apply`: the same arithmetic as candle custom operations, so that candle's own `backward`
//!   differentiates them in anybody's model.
//!
//! Images are **channels last**: [n, h, w, c]; convolution weights are [kh, kw, ci, co], linear
//! weights [in, out]. All numbers are f32. Results do not depend on the number of threads. A tensor
//! that an operation writes must not share memory with another of its operands: candle locks a
//! tensor's memory, and the call would wait for itself.
//!
//! With the feature `cuda` the same calls work on tensors of an NVIDIA GPU (module `cuda`), where activations and weights may
//! be bf16 too; parameters of batch norm, biases, gradients of linear weights and what is told of samples stay f32.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use dynaprune_ops::Conv2d;
//!
//! # fn main() -> candle_core::Result<()> {
//! let x = Tensor::ones((2, 8, 8, 3), candle_core::DType::F32, &Device::Cpu)?;
//! let w = Var::ones((3, 3, 3, 16), candle_core::DType::F32, &Device::Cpu)?;
//! let y = Conv2d { stride: 1, padding: 1 }.apply(&x, &w)?;
//! assert_eq!(y.dims(), [2, 8, 8, 16]);
//! let gradients = y.sum_all()?.backward()?;
//! assert_eq!(gradients.get(&w).map(|g| g.dims().to_vec()), Some(vec![3, 3, 3, 16]));
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod access;
mod batch_norm;
mod conv2d;
mod cross_entropy;
#[cfg(feature = "cuda")]
pub mod cuda;
mod elementwise;
#[cfg(any(test, feature = "cuda"))]
mod kernels;
mod linear;
mod pool;
mod scratch;
mod sgd;
pub mod simd;
mod squares;

pub use access::{Element, Number, read, write, zeros};
pub use batch_norm::BatchNorm;
pub use conv2d::Conv2d;
pub use cross_entropy::{CrossEntropy, column};
pub use elementwise::scale;
pub use linear::Linear;
pub use pool::{GlobalMean, MaxPool, MeanPool};
pub use sgd::Sgd;
