//! Residual networks for small images (He et al. 2016, arXiv 1512.03385, as in torchvision: the
//! stride of a bottleneck is on its 3 x 3 convolution), with the CIFAR stem: one 3 x 3 convolution,
//! no pooling. Where a block changes the shape, its shortcut is a 1 x 1 convolution with batch norm.

use crate::error::Result;
use crate::graph::{Builder, Graph, Input, NodeId};

/// What a stage repeats.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3 x 3 convolutions.
    Basic,
    /// 1 x 1, 3 x 3, 1 x 1 to four times the channels.
    Bottleneck,
}

/// ResNet-18: four stages of 2 basic blocks, `width` to `8 width` channels.
///
/// # Errors
/// If the images are too small.
pub(crate) fn resnet18(input: Input, width: usize) -> Result<Graph> {
    resnet("resnet18", input, width, Block::Basic, &[2, 2, 2, 2])
}

/// ResNet-34: four stages of 3, 4, 6 and 3 basic blocks.
///
/// # Errors
/// As [`resnet18`].
pub(crate) fn resnet34(input: Input, width: usize) -> Result<Graph> {
    resnet("resnet34", input, width, Block::Basic, &[3, 4, 6, 3])
}

/// ResNet-50: four stages of 3, 4, 6 and 3 bottleneck blocks.
///
/// # Errors
/// As [`resnet18`].
pub(crate) fn resnet50(input: Input, width: usize) -> Result<Graph> {
    resnet("resnet50", input, width, Block::Bottleneck, &[3, 4, 6, 3])
}

/// ResNet-8: three stages of 1 basic block, `width` to `4 width` channels.
///
/// # Errors
/// As [`resnet18`].
pub(crate) fn resnet8(input: Input, width: usize) -> Result<Graph> {
    resnet("resnet8", input, width, Block::Basic, &[1, 1, 1])
}

/// ResNet-20: three stages of 3 basic blocks.
///
/// # Errors
/// As [`resnet18`].
pub(crate) fn resnet20(input: Input, width: usize) -> Result<Graph> {
    resnet("resnet20", input, width, Block::Basic, &[3, 3, 3])
}

fn resnet(name: &str, input: Input, width: usize, block: Block, stages: &[usize]) -> Result<Graph> {
    let mut b = Builder::new(input);
    let mut x = b.conv("conv1", b.images(), width, 3, 1, 1);
    x = b.batch_norm("bn1", x, None, true);
    for (stage, &blocks) in stages.iter().enumerate() {
        for i in 0..blocks {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            x = residual(
                &mut b,
                &format!("layer{}.{i}", stage + 1),
                x,
                block,
                width << stage,
                stride,
            );
        }
    }
    x = b.global_mean(x);
    b.linear("fc", x, input.classes, true);
    b.finish(name)
}

fn residual(b: &mut Builder, name: &str, input: NodeId, block: Block, width: usize, stride: usize) -> NodeId {
    let (mut x, out) = match block {
        Block::Basic => {
            let x = b.conv(&format!("{name}.conv1"), input, width, 3, stride, 1);
            let x = b.batch_norm(&format!("{name}.bn1"), x, None, true);
            (b.conv(&format!("{name}.conv2"), x, width, 3, 1, 1), "bn2")
        }
        Block::Bottleneck => {
            let x = b.conv(&format!("{name}.conv1"), input, width, 1, 1, 0);
            let x = b.batch_norm(&format!("{name}.bn1"), x, None, true);
            let x = b.conv(&format!("{name}.conv2"), x, width, 3, stride, 1);
            let x = b.batch_norm(&format!("{name}.bn2"), x, None, true);
            (b.conv(&format!("{name}.conv3"), x, 4 * width, 1, 1, 0), "bn3")
        }
    };
    let mut shortcut = input;
    if stride != 1 || b.channels(input) != b.channels(x) {
        let channels = b.channels(x);
        shortcut = b.conv(&format!("{name}.shortcut.conv"), input, channels, 1, stride, 0);
        shortcut = b.batch_norm(&format!("{name}.shortcut.bn"), shortcut, None, false);
    }
    x = b.batch_norm(&format!("{name}.{out}"), x, Some(shortcut), true);
    x
}
