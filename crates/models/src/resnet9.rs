//! ResNet-9, the network of the DAWNBench entry "How to Train Your ResNet" (D. Page, 2018): two
//! residual stages, max pooling, a global maximum and scaled logits.

use crate::error::Result;
use crate::graph::{Builder, Graph, Input, NodeId};

/// The factor on the logits.
const LOGIT_SCALE: f32 = 0.125;

/// Page's network with `width` (64 in the original) to `8 width` channels.
///
/// # Errors
/// If the images are not square or too small.
pub(crate) fn resnet9(input: Input, width: usize) -> Result<Graph> {
    let mut b = Builder::new(input);
    let x = b.images();
    let x = conv_bn(&mut b, "prep", x, width);
    let x = stage(&mut b, "layer1", x, 2 * width, true);
    let x = stage(&mut b, "layer2", x, 4 * width, false);
    let x = stage(&mut b, "layer3", x, 8 * width, true);
    let x = b.global_max(x);
    let x = b.linear("fc", x, input.classes, false);
    b.scale(x, LOGIT_SCALE);
    b.finish("resnet9")
}

fn stage(b: &mut Builder, name: &str, x: NodeId, channels: usize, residual: bool) -> NodeId {
    let x = conv_bn(b, name, x, channels);
    let x = b.max_pool(x, 2, 2);
    if !residual {
        return x;
    }
    let inner = conv_bn(b, &format!("{name}.residual.0"), x, channels);
    let inner = conv_bn(b, &format!("{name}.residual.1"), inner, channels);
    b.add(x, inner)
}

fn conv_bn(b: &mut Builder, name: &str, x: NodeId, channels: usize) -> NodeId {
    let x = b.conv(&format!("{name}.conv"), x, channels, 3, 1, 1);
    b.batch_norm(&format!("{name}.bn"), x, None, true)
}
