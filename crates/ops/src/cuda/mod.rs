//! The operations on NVIDIA GPUs.
//!
//! Convolutions are cuDNN's; all else are kernels of this crate, compiled by NVRTC for the GPU at hand when a device is first
//! used. Tensors are f32, or bf16 with sums and statistics in f32; weights of convolutions may lie in memory as
//! [co, kh, kw, ci], which is what cuDNN reads. Work is queued on the stream of the device and errors of a kernel show when
//! something is read. Nothing is added in an order that may change.
//!
//! Devices should come from [`device`]: it gives each its own stream, which can be captured, and keeps freed memory.

pub(crate) mod plan;

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod nvrtc;

#[cfg(feature = "cuda")]
pub(crate) mod batch_norm;
#[cfg(feature = "cuda")]
mod context;
#[cfg(feature = "cuda")]
pub(crate) mod conv2d;
#[cfg(feature = "cuda")]
mod copy;
#[cfg(feature = "cuda")]
pub(crate) mod cross_entropy;
#[cfg(feature = "cuda")]
mod device;
#[cfg(feature = "cuda")]
pub(crate) mod elementwise;
#[cfg(feature = "cuda")]
mod graph;
#[cfg(feature = "cuda")]
mod images;
#[cfg(feature = "cuda")]
pub(crate) mod linear;
#[cfg(feature = "cuda")]
pub(crate) mod operand;
#[cfg(feature = "cuda")]
pub(crate) mod pool;
#[cfg(feature = "cuda")]
pub(crate) mod sgd;

#[cfg(feature = "cuda")]
pub use copy::{Number, copy_from, copy_to, fill_zero};
#[cfg(feature = "cuda")]
pub use device::{Slot, advance, allow_tf32, count, device, name, synchronize};
#[cfg(feature = "cuda")]
pub use elementwise::{square_roots, to_bf16};
#[cfg(feature = "cuda")]
pub use graph::Graph;
#[cfg(feature = "cuda")]
pub use images::{Order, ResidentImages, View};
#[cfg(feature = "cuda")]
pub use sgd::Mixed;
