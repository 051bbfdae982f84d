//! Labelled images in memory: 8-bit pixels, channels last.

use md5::{Digest, Md5};

use crate::Error;

/// Labelled images of one size.
///
/// Pixels stay 8-bit (CIFAR-10's training set is 154 MB this way, 614 MB as `f32`) and are
/// normalised batch by batch, see [`fill_batch`](crate::fill_batch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Rows of one image.
    pub height: usize,
    /// Columns of one image.
    pub width: usize,
    /// Values of one pixel: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// All pixels, `len() x height x width x channels`.
    pub pixels: Vec<u8>,
    /// The class of each image, counted from 0.
    pub labels: Vec<u16>,
}

impl Images {
    /// Puts pixels and labels together; `shape` is height, width, channels.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a dimension is 0 or the number of pixels is not that of the labels.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u16>) -> Result<Self, Error> {
        let [height, width, channels] = shape;
        let size = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        if shape.contains(&0) || size.is_none() {
            return Err(Error::invalid(
                "shape of an image",
                format!("{height} x {width} x {channels}"),
                "three positive numbers",
            ));
        }
        let expected = size.and_then(|size| size.checked_mul(labels.len()));
        if expected != Some(pixels.len()) {
            return Err(Error::invalid(
                format!("pixels of {} images of {height} x {width} x {channels}", labels.len()),
                pixels.len(),
                expected.map_or("fewer images".to_owned(), |n| n.to_string()),
            ));
        }
        Ok(Self {
            height,
            width,
            channels,
            pixels,
            labels,
        })
    }

    /// The number of images, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height, width, channels.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The number of values of one image, height x width x channels.
    #[must_use]
    pub fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The pixels of image `i`, rows first, channels last.
    ///
    /// # Panics
    /// If `i` is not below `len()`.
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        &self.pixels[i * self.image_len()..][..self.image_len()]
    }

    /// The images `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    /// If an index is not below `len()`.
    #[must_use]
    pub fn subset(&self, indices: &[u32]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        for &i in indices {
            pixels.extend_from_slice(self.image(i as usize));
        }
        let labels = indices.iter().map(|&i| self.labels[i as usize]).collect();
        Self {
            pixels,
            labels,
            ..*self
        }
    }

    /// How many images each of the first `classes` classes has.
    #[must_use]
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }
}

/// A data set: two sets of images and the names of their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The registered name, such as `cifar10`.
    pub name: String,
    /// The name of each class; the position is the label.
    pub classes: Vec<String>,
    /// What is trained on.
    pub train: Images,
    /// What is tested on.
    pub test: Images,
    /// MD5 over shapes, labels and pixels of both sets, in hexadecimal: two sources of one data set
    /// that give the same samples in the same order have the same checksum.
    pub checksum: String,
}

impl Dataset {
    /// Puts a data set together and computes its checksum.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the two sets have different shapes or a label has no class.
    pub fn new(name: &str, classes: Vec<String>, train: Images, test: Images) -> Result<Self, Error> {
        if train.shape() != test.shape() {
            return Err(Error::invalid(
                format!("`{name}`: shape of the test images"),
                format!("{:?}", test.shape()),
                format!("{:?}, that of the training images", train.shape()),
            ));
        }
        for (split, images) in [("train", &train), ("test", &test)] {
            let bad = images
                .labels
                .iter()
                .position(|&label| usize::from(label) >= classes.len());
            if let Some(i) = bad {
                return Err(Error::invalid(
                    format!("`{name}`: {split} label of sample {i}"),
                    images.labels[i],
                    format!("a class below {}", classes.len()),
                ));
            }
        }
        let checksum = checksum(&[&train, &test]);
        Ok(Self {
            name: name.to_owned(),
            classes,
            train,
            test,
            checksum,
        })
    }
}

fn checksum(splits: &[&Images]) -> String {
    let mut hash = Md5::new();
    for images in splits {
        for n in [images.len(), images.height, images.width, images.channels] {
            hash.update((n as u64).to_le_bytes());
        }
        let labels: Vec<u8> = images.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        hash.update(labels);
        hash.update(&images.pixels);
    }
    crate::files::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Images {
        Images::new([1, 2, 1], vec![1, 2, 3, 4, 5, 6, 7, 8], vec![0, 1, 0, 2]).unwrap()
    }

    #[test]
    fn a_subset_keeps_order_and_repeats() {
        let subset = four().subset(&[2, 0, 2]);
        assert_eq!(subset.pixels, [5, 6, 1, 2, 5, 6]);
        assert_eq!(subset.labels, [0, 0, 0]);
        assert_eq!(four().class_counts(3), [2, 1, 1]);
    }

    #[test]
    fn impossible_images_are_errors() {
        let message = |shape, pixels: usize, labels: usize| {
            Images::new(shape, vec![0; pixels], vec![0; labels])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message([2, 2, 1], 7, 2),
            "pixels of 2 images of 2 x 2 x 1: found 7, expected 8"
        );
        assert_eq!(
            message([0, 2, 1], 0, 2),
            "shape of an image: found 0 x 2 x 1, expected three positive numbers"
        );
        assert!(message([usize::MAX, 2, 1], 0, 2).contains("shape of an image"));
    }

    #[test]
    fn a_label_without_a_class_is_an_error() {
        let classes = || vec!["a".to_owned(), "b".to_owned()];
        let error = Dataset::new("x", classes(), four(), four()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`x`: train label of sample 3: found 2, expected a class below 2"
        );
    }

    #[test]
    fn the_checksum_sees_every_part() {
        let classes = || (0..3).map(|c| c.to_string()).collect();
        let sum = |train, test| Dataset::new("x", classes(), train, test).unwrap().checksum;
        let base = sum(four(), four());
        assert_eq!(base, sum(four(), four()));
        let mut pixel = four();
        pixel.pixels[7] ^= 1;
        let mut label = four();
        label.labels[0] = 1;
        let tall = Images {
            height: 2,
            width: 1,
            ..four()
        };
        assert_ne!(base, sum(pixel.clone(), four()));
        assert_ne!(sum(pixel.clone(), four()), sum(four(), pixel));
        assert_ne!(base, sum(label, four()));
        assert_ne!(base, sum(tall.clone(), tall));
    }
}
