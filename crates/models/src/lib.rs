//! Networks built on `dynaprune-ops`: their description, initialisation and an ordered parameter
//! list.
//!
//! A network is a function that describes a [`Graph`] with a [`Builder`] (one file a family, one
//! line in [`MODELS`]); a [`Net`] holds its parameters and memory and runs it.
//!
//! ```
//! use candle_core::Device;
//! use dynaprune_models::{Input, Net, find};
//! use dynaprune_ops::{CrossEntropy, Sgd};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = find("resnet8").ok_or("no such model")?;
//! let input = Input { height: 8, width: 8, channels: 3, classes: 2 };
//! let mut net = Net::new((model.build)(input, 4)?, 16, 0, &Device::Cpu)?;
//! net.load(2, |images, labels| {
//!     images[..192].fill(1.0);
//!     images[192..].fill(-1.0);
//!     labels.copy_from_slice(&[0, 1]);
//! })?;
//! let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4 };
//! net.forward_backward(CrossEntropy::default())?;
//! net.step(&sgd)?;
//! assert_eq!(net.graph().parameters()[0].shape, [3, 3, 3, 4]);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod cnn;
mod error;
mod graph;
mod net;
mod precision;
mod registry;
mod resnet;
mod resnet9;
mod storage;

pub use error::{Error, Result};
pub use graph::{Builder, Graph, Init, Input, NodeId, Parameter};
pub use net::{Batch, Gradients, Mode, Net};
pub use precision::Precision;
pub use registry::{MODELS, ModelInfo, find};
