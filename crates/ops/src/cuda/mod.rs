//! The operations on NVIDIA GPUs.
//!
//! Convolutions are cuDNN's; all else are kernels of this crate, compiled by NVRTC for the GPU at hand when a device is first
//! used. Tensors are f32, or bf16 with sums and statistics in f32; weights of convolutions may lie in memory as
//! [co, kh, kw, ci], which is what cuDNN reads. Work is queued on the stream of the device and errors of a kernel show when
//! something is read. Nothing is added in an order that may change.
//!
//! Devices should come from [`device`]: it gives each its own stream, which can be captured, and keeps freed memory.

pub(crate) mod batch_norm;
mod context;
pub(crate) mod conv2d;
mod copy;
pub(crate) mod cross_entropy;
mod device;
pub(crate) mod elementwise;
mod graph;
mod images;
pub(crate) mod linear;
pub(crate) mod operand;
pub(crate) mod pool;
pub(crate) mod sgd;

pub use copy::{Number, copy_from, copy_to, fill_zero};
pub use device::{Slot, advance, allow_tf32, check, count, device, name, synchronize};
pub use elementwise::{square_roots, to_bf16};
pub use graph::Graph;
pub use images::{Order, ResidentImages, View};
pub use sgd::Mixed;
