//! A small convolutional network for small grey images such as the digits.

use crate::error::Result;
use crate::graph::{Builder, Graph, Input};

/// Three 3 x 3 convolutions with batch norm and ReLU (`width`, `2 width`, `2 width` channels), a
/// pooling by 2 after the second, the mean over the image and a linear layer.
///
/// # Errors
/// If the images are too small to be pooled.
pub(crate) fn cnn(input: Input, width: usize) -> Result<Graph> {
    let mut b = Builder::new(input);
    let x = b.conv("conv1", b.images(), width, 3, 1, 1);
    let x = b.batch_norm("bn1", x, None, true);
    let x = b.conv("conv2", x, 2 * width, 3, 1, 1);
    let x = b.batch_norm("bn2", x, None, true);
    let x = b.max_pool(x, 2, 2);
    let x = b.conv("conv3", x, 2 * width, 3, 1, 1);
    let x = b.batch_norm("bn3", x, None, true);
    let x = b.global_mean(x);
    b.linear("fc", x, input.classes, true);
    b.finish("cnn")
}
