//! From 8-bit pixels to numbers of mean 0 and standard deviation 1.

use rayon::prelude::*;

use crate::{Error, Images};

/// The mean and standard deviation of each channel of `pixel / 255`, with the normalised value of
/// each of the 256 pixel values worked out beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
    tables: Vec<[f32; 256]>,
}

impl Normalization {
    /// A normalisation by given numbers, one mean and one standard deviation a channel.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the two have different lengths, a mean is not finite, or a standard
    /// deviation is not finite and positive.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, Error> {
        if mean.len() != std.len() {
            return Err(Error::invalid(
                "normalization: number of standard deviations",
                std.len(),
                format!("{}, that of the means", mean.len()),
            ));
        }
        for (channel, (&mean, &std)) in mean.iter().zip(&std).enumerate() {
            if !mean.is_finite() || !std.is_finite() || std <= 0.0 {
                return Err(Error::invalid(
                    format!("normalization of channel {channel}"),
                    format!("mean {mean}, standard deviation {std}"),
                    "finite numbers, the second positive",
                ));
            }
        }
        Ok(Self::with_tables(mean, std))
    }

    /// The normalisation of `images`: mean and population standard deviation (divided by the number
    /// of pixels) of each channel. A channel that never changes gets standard deviation 1.
    #[must_use]
    pub fn of(images: &Images) -> Self {
        let moments = moments(images);
        let pixels = (images.len() * images.height * images.width).max(1) as u128;
        let mut mean = Vec::with_capacity(images.channels);
        let mut std = Vec::with_capacity(images.channels);
        for (sum, squares) in moments {
            // Exact in integers, so neither the order of summing nor cancellation can matter.
            let spread = pixels * u128::from(squares) - u128::from(sum).pow(2);
            let scale = pixels as f64 * 255.0;
            mean.push((sum as f64 / scale) as f32);
            std.push(if spread == 0 {
                1.0
            } else {
                ((spread as f64).sqrt() / scale) as f32
            });
        }
        Self::with_tables(mean, std)
    }

    fn with_tables(mean: Vec<f32>, std: Vec<f32>) -> Self {
        let tables = mean
            .iter()
            .zip(&std)
            .map(|(&mean, &std)| {
                let normalized = |pixel| (pixel as f64 / 255.0 - f64::from(mean)) / f64::from(std);
                std::array::from_fn(|pixel| normalized(pixel) as f32)
            })
            .collect();
        Self { mean, std, tables }
    }

    /// The mean of each channel of `pixel / 255`.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation of each channel of `pixel / 255`.
    #[must_use]
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// For each channel, `(pixel / 255 - mean) / std` of the pixel values 0 to 255.
    #[must_use]
    pub fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }
}

/// For each channel, the sum of the pixel values and of their squares.
fn moments(images: &Images) -> Vec<(u64, u64)> {
    let zero = || vec![(0u64, 0u64); images.channels];
    images
        .pixels
        .par_chunks(images.image_len().max(1))
        .fold(zero, |mut sums, image| {
            for pixel in image.chunks_exact(images.channels) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    sum.0 += u64::from(value);
                    sum.1 += u64::from(value).pow(2);
                }
            }
            sums
        })
        .reduce(zero, |mut left, right| {
            for (left, right) in left.iter_mut().zip(right) {
                left.0 += right.0;
                left.1 += right.1;
            }
            left
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy 2:
    /// a = np.array([[[[0, 10], [255, 20]], [[7, 30], [100, 40]]], [[[1, 50], [2, 60]], [[3, 70], [4, 80]]]])
    /// x = a.reshape(-1, 2) / 255; x.mean(0), x.std(0)
    #[test]
    fn moments_agree_with_numpy() {
        let pixels = vec![0, 10, 255, 20, 7, 30, 100, 40, 1, 50, 2, 60, 3, 70, 4, 80];
        let images = Images::new([2, 2, 2], pixels, vec![0, 0]).unwrap();
        let normalization = Normalization::of(&images);
        let close = |a: &[f32], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(b) {
                assert!((f64::from(*a) - b).abs() < 1e-7, "{a} {b}");
            }
        };
        close(normalization.mean(), &[0.18235294117647055, 0.17647058823529413]);
        close(normalization.std(), &[0.33335063392243003, 0.08985442539129099]);
    }

    #[test]
    fn a_constant_channel_is_only_shifted() {
        let images = Images::new([1, 2, 1], vec![51, 51], vec![0]).unwrap();
        let normalization = Normalization::of(&images);
        assert_eq!((normalization.mean(), normalization.std()), (&[0.2][..], &[1.0][..]));
        assert_eq!(normalization.tables()[0][51], (0.2f64 - f64::from(0.2f32)) as f32);
    }

    #[test]
    fn impossible_numbers_are_errors() {
        for (mean, std) in [(vec![0.5], vec![]), (vec![0.5], vec![0.0]), (vec![f32::NAN], vec![1.0])] {
            assert!(Normalization::new(mean, std).is_err());
        }
    }
}
