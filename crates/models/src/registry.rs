//! The networks that a spec may name.

use crate::error::Result;
use crate::graph::{Graph, Input};
use crate::{cnn, resnet, resnet9};

/// A network that a spec may name.
#[derive(Clone, Copy, Debug)]
pub struct ModelInfo {
    /// Its name in specs, results and plots.
    pub name: &'static str,
    /// Channels of the first stage unless the spec says otherwise.
    pub default_width: usize,
    /// Describes the network for an input and a width.
    pub build: fn(Input, usize) -> Result<Graph>,
}

/// Every network, by name.
pub const MODELS: &[ModelInfo] = &[
    ModelInfo {
        name: "cnn",
        default_width: 16,
        build: cnn::cnn,
    },
    ModelInfo {
        name: "resnet8",
        default_width: 16,
        build: resnet::resnet8,
    },
    ModelInfo {
        name: "resnet9",
        default_width: 64,
        build: resnet9::resnet9,
    },
    ModelInfo {
        name: "resnet18",
        default_width: 64,
        build: resnet::resnet18,
    },
    ModelInfo {
        name: "resnet20",
        default_width: 16,
        build: resnet::resnet20,
    },
    ModelInfo {
        name: "resnet34",
        default_width: 64,
        build: resnet::resnet34,
    },
    ModelInfo {
        name: "resnet50",
        default_width: 64,
        build: resnet::resnet50,
    },
];

/// The network of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ModelInfo> {
    MODELS.iter().find(|m| m.name == name)
}
