//! What is measured.

use serde::{Deserialize, Serialize};

/// The side of the square matrices whose product gives the machine's peak.
const PRODUCT: usize = 2048;

/// One piece of work, done again and again. Both workers build it from this description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Work {
    /// Forward, mean cross-entropy, backward, SGD.
    Step(Network),
    /// A forward pass in evaluation mode.
    Inference(Network),
    /// One pass of a 3 x 3 convolution with padding 1.
    Convolution(Convolution),
    /// A product of two square matrices.
    Product {
        /// Rows and columns.
        size: usize,
    },
}

/// A network and the batch it is fed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Network {
    pub(super) model: String,
    pub(super) width: usize,
    pub(super) batch: usize,
    /// Rows and columns of an image.
    pub(super) side: usize,
    pub(super) channels: usize,
    pub(super) classes: usize,
}

/// A layer and the pass of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Convolution {
    /// Rows and columns of the input.
    pub(super) side: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Rows and columns of the kernel; the border has half of it.
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) batch: usize,
    pub(super) pass: Pass,
}

/// What a convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// Everything, in the order of the tables; the product comes first, because the others are compared with it.
pub(super) fn all() -> Vec<Work> {
    let mut all = vec![Work::Product { size: PRODUCT }];
    all.extend(networks().into_iter().map(Work::Step));
    all.extend(networks().into_iter().map(Work::Inference));
    // The four stages of ResNet-18, and the first change of resolution with its shortcut.
    for (side, inputs, outputs, size, stride) in [
        (32, 64, 64, 3, 1),
        (16, 128, 128, 3, 1),
        (8, 256, 256, 3, 1),
        (4, 512, 512, 3, 1),
        (32, 64, 128, 3, 2),
        (32, 64, 128, 1, 2),
    ] {
        for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
            all.push(Work::Convolution(Convolution {
                side,
                inputs,
                outputs,
                size,
                stride,
                batch: 64,
                pass,
            }));
        }
    }
    all
}

fn networks() -> Vec<Network> {
    let cifar = |model: &str, width, batch| Network {
        model: model.to_owned(),
        width,
        batch,
        side: 32,
        channels: 3,
        classes: 10,
    };
    let digits = |width| Network {
        side: 8,
        channels: 1,
        ..cifar("cnn", width, 32)
    };
    vec![
        cifar("resnet18", 64, 64),
        cifar("resnet18", 64, 128),
        cifar("resnet18", 16, 128),
        cifar("resnet8", 16, 128),
        cifar("resnet9", 64, 128),
        // The width unless a spec says otherwise, and that of the `smoke` profile.
        digits(16),
        digits(8),
    ]
}

impl Work {
    /// The name of the row with its speed.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Step(network) => format!("step/{}", network.name()),
            Self::Inference(network) => format!("inference/{}", network.name()),
            Self::Convolution(layer) => format!("conv/{}/{}", layer.name(), layer.pass.name()),
            Self::Product { size } => format!("gemm/{size}"),
        }
    }

    /// The name of the row with its memory, if that is measured.
    pub(super) fn memory_name(&self) -> Option<String> {
        match self {
            Self::Step(_) | Self::Inference(_) => Some(format!("{}/memory", self.name())),
            Self::Convolution(_) | Self::Product { .. } => None,
        }
    }

    /// The network, if it is one.
    pub(super) fn network(&self) -> Option<&Network> {
        match self {
            Self::Step(network) | Self::Inference(network) => Some(network),
            Self::Convolution(_) | Self::Product { .. } => None,
        }
    }
}

impl Network {
    fn name(&self) -> String {
        format!("{}-w{}-b{}", self.model, self.width, self.batch)
    }
}

impl Convolution {
    /// Channels @ resolution, such as `64@32x32`, `64-128@32x32-s2` or `64-128@32x32-1x1-s2`.
    pub(super) fn name(&self) -> String {
        let Self {
            side,
            inputs,
            outputs,
            size,
            stride,
            ..
        } = self;
        let channels = match inputs == outputs {
            true => inputs.to_string(),
            false => format!("{inputs}-{outputs}"),
        };
        let stride = match stride {
            1 => String::new(),
            stride => format!("-s{stride}"),
        };
        let kernel = match size {
            3 => String::new(),
            size => format!("-{size}x{size}"),
        };
        format!("{channels}@{side}x{side}{kernel}{stride}")
    }

    /// Floating-point operations of a direct convolution, which every pass has alike: two a multiply-add.
    pub(super) fn flops(&self) -> f64 {
        let outputs = (self.side - 1) / self.stride + 1;
        (2 * self.size * self.size * self.inputs * self.outputs * self.batch * outputs * outputs) as f64
    }
}

impl Pass {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input-gradient",
            Self::WeightGradient => "weight-gradient",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_tell_the_work_apart() {
        let all = all();
        let names: BTreeSet<String> = all.iter().map(Work::name).collect();
        assert_eq!(names.len(), all.len());
        for name in [
            "gemm/2048",
            "step/resnet18-w64-b64",
            "inference/cnn-w16-b32",
            "conv/64@32x32/forward",
            "conv/64-128@32x32-s2/weight-gradient",
            "conv/64-128@32x32-1x1-s2/input-gradient",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn a_layer_counts_as_a_direct_convolution() {
        let layer = |stride| Convolution {
            side: 32,
            inputs: 64,
            outputs: 128,
            size: 3,
            stride,
            batch: 64,
            pass: Pass::Forward,
        };
        assert_eq!(layer(1).flops(), 2.0 * 9.0 * 64.0 * 128.0 * 64.0 * 1024.0);
        assert_eq!(layer(2).flops(), layer(1).flops() / 4.0);
    }
}
