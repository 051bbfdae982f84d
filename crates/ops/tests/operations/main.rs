//! Every operation against PyTorch's numbers, against candle's own operations on random shapes, and
//! its gradients against finite differences of a plain definition in f64.

mod batch_norm;
mod conv2d;
mod cross_entropy;
mod inputs;
mod instruction_sets;
mod linear;
#[rustfmt::skip]
#[allow(clippy::approx_constant)] // A norm may well be the square root of 2.
mod literals;
mod norms;
mod pool;
mod sgd;
