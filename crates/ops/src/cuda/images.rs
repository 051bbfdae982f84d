//! A data set that lives on the device as 8-bit pixels; batches are cropped, mirrored and normalised there.

use super::context::launch;
use super::device::{Slot, synchronize};
use super::operand::{Operand, context, u32s};
use crate::kernels;
use candle_core::{Device, Result, Tensor, bail};

/// Images with their labels in device memory.
#[derive(Debug)]
pub struct ResidentImages {
    pixels: Tensor,
    labels: Tensor,
    tables: Tensor,
    /// Height, width, channels.
    shape: [usize; 3],
}

/// How an image is shown: what is cut out of the image that reflection extends, and whether mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The first row, counted from the image's own, -32768 to 32767.
    pub top: i32,
    /// The first column, likewise, -16384 to 16383.
    pub left: i32,
    /// Whether it is mirrored left to right.
    pub flip: bool,
}

impl View {
    /// The view as the device is given it.
    #[must_use]
    pub fn pack(self) -> u32 {
        kernels::pack_view(self.top, self.left, self.flip)
    }
}

/// The samples of an epoch, in the order in which they are trained on.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Indices of images (u32).
    pub indices: &'a Tensor,
    /// A packed [`View`] of each (u32), if they are augmented.
    pub views: Option<&'a Tensor>,
    /// The batch to load, if it is not the first.
    pub slot: Option<Slot<'a>>,
}

impl ResidentImages {
    /// Copies a data set to the device.
    ///
    /// `pixels` [n, height, width, channels], a label for each image, and for each channel the number of each of the 256 pixel
    /// values.
    ///
    /// # Errors
    /// If the lengths do not fit each other or the memory cannot be had.
    pub fn new(
        pixels: &[u8],
        labels: &[u32],
        shape: [usize; 3],
        tables: &[[f32; 256]],
        device: &Device,
    ) -> Result<Self> {
        let image: usize = shape.iter().product();
        if image == 0 || pixels.len() != labels.len() * image || tables.len() != shape[2] {
            bail!(
                "expected {} pixels of {} images {shape:?} and {} tables, found {} and {}",
                labels.len() * image,
                labels.len(),
                shape[2],
                pixels.len(),
                tables.len()
            )
        }
        let images = Self {
            pixels: Tensor::from_slice(pixels, pixels.len(), device)?,
            labels: Tensor::from_slice(labels, labels.len(), device)?,
            tables: Tensor::from_slice(tables.as_flattened(), tables.len() * 256, device)?,
            shape,
        };
        // candle does not wait for its copies, and not every GPU copies pageable memory before the call returns.
        if device.is_cuda() {
            synchronize(device)?;
        }
        Ok(images)
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.elem_count()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a batch: as many images as `images` [n, height, width, c] has room for (channels beyond those of the images
    /// become 0), and their labels (u32) `[n]`.
    ///
    /// Indices must be below [`Self::len`]: the device does not check them.
    ///
    /// # Errors
    /// If the shapes do not fit or a tensor is not a contiguous one on the device.
    pub fn load(&self, order: &Order, images: &Tensor, labels: &Tensor) -> Result<()> {
        let (n, h, w, channels) = images.dims4()?;
        let [height, width, own] = self.shape;
        if [h, w] != [height, width] || channels < own || labels.dims() != [n] {
            bail!(
                "expected room for images {:?} and as many labels, found {:?} and {:?}",
                self.shape,
                images.dims(),
                labels.dims()
            )
        }
        let out = Operand::of(images)?.expect_real()?.expect_aligned(channels)?;
        let (all_labels, indices, labels) = (u32s(&self.labels)?, u32s(order.indices)?, u32s(labels)?);
        let views = order.views.map_or(Ok(0), u32s)?;
        let (step, batch) = Slot::parts(order.slot)?;
        let (pixels, tables) = (Operand::of(&self.pixels)?.address, Operand::of(&self.tables)?.address);
        let context = context(images)?;
        let kernel = context.kernel("load_images", Some(out.element))?;
        launch!(context, kernel, kernels::load_images(n, h, w);
            pixels, all_labels, indices, views, step, batch, tables, out.address, labels, n as u32, h as u32, w as u32,
            own as u32, channels as u32);
        Ok(())
    }
}
