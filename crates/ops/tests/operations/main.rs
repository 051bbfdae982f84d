//! Every operation against PyTorch's numbers, against candle's own operations on random shapes, and
//! its gradients against finite differences of a plain definition in f64.

mod conv2d;
mod inputs;
mod instruction_sets;
#[rustfmt::skip]
mod literals;
