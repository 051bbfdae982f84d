//! Batches: normalised, and augmented on the way.

use dynaprune_random::{Purpose, Stream};
use rayon::prelude::*;

use crate::{Images, Normalization};

const AUGMENTATION: Purpose = Purpose::new("augmentation");

/// Random changes that keep the class: the usual ones for CIFAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// The image is extended by this many pixels on each side, by reflection that does not repeat
    /// the edge (`numpy.pad` mode `reflect`), and an image of the old size is cut out at random. A
    /// padding above 2^30 counts as 2^30.
    pub crop_padding: usize,
    /// The image is mirrored left to right with probability one half.
    pub horizontal_flip: bool,
}

/// An augmentation together with the name of its random numbers.
///
/// What happens to a sample depends on `seed`, `epoch` and the sample's index alone: not on the
/// batch it is in, its place there, or the number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What may be done.
    pub augmentation: Augmentation,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, so that each one sees other crops.
    pub epoch: u64,
}

/// Fills `out` with the images `indices`, normalised, and augmented if a draw is given.
///
/// `out` has shape `indices.len() x height x width x channels`. Nothing is allocated; the samples
/// are shared among the threads of the current rayon pool.
///
/// # Panics
/// If `out` has another length, `normalization` another number of channels, or an index is not
/// below `images.len()`.
pub fn fill_batch(
    images: &Images,
    indices: &[u32],
    normalization: &Normalization,
    draw: Option<&Draw>,
    out: &mut [f32],
) {
    assert_eq!(out.len(), indices.len() * images.image_len(), "length of `out`");
    assert_eq!(
        normalization.tables().len(),
        images.channels,
        "channels of `normalization`"
    );
    out.par_chunks_exact_mut(images.image_len().max(1))
        .zip(indices)
        .with_min_len(SAMPLES_PER_TASK)
        .for_each(|(out, &index)| {
            let image = images.image(index as usize);
            match draw {
                None => write_row(image, normalization.tables(), out),
                Some(draw) => {
                    write_view(images, image, draw.view(index), normalization.tables(), out);
                }
            }
        });
}

/// One sample takes microseconds; fewer than this a task would cost more to hand out than to do.
const SAMPLES_PER_TASK: usize = 16;

/// Which part of the extended image is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The first row, counted from the unextended image's: `-crop_padding ..= crop_padding`.
    pub top: isize,
    /// The first column, likewise.
    pub left: isize,
    /// Whether it is mirrored left to right.
    pub flip: bool,
}

impl Draw {
    /// The view of sample `index`. Each number is drawn whether it is used or not, so that
    /// switching the flip changes no crop.
    #[must_use]
    pub fn view(&self, index: u32) -> View {
        let mut stream = Stream::at(self.seed, AUGMENTATION, self.epoch, u64::from(index));
        let padding = self.augmentation.crop_padding.min(1 << 30);
        let mut offset = || stream.below(2 * padding as u32 + 1) as isize - padding as isize;
        let (top, left) = (offset(), offset());
        let flip = stream.below(2) == 1 && self.augmentation.horizontal_flip;
        View { top, left, flip }
    }
}

fn write_view(images: &Images, image: &[u8], view: View, tables: &[[f32; 256]], out: &mut [f32]) {
    let Images {
        height,
        width,
        channels,
        ..
    } = *images;
    let row_len = width * channels;
    for (y, out) in out.chunks_exact_mut(row_len).enumerate() {
        let y = reflect(y as isize + view.top, height);
        let row = &image[y * row_len..][..row_len];
        if view.left == 0 && !view.flip {
            write_row(row, tables, out);
            continue;
        }
        for (x, out) in out.chunks_exact_mut(channels).enumerate() {
            let x = if view.flip { width - 1 - x } else { x };
            let x = reflect(x as isize + view.left, width);
            write_row(&row[x * channels..][..channels], tables, out);
        }
    }
}

/// Looks up whole pixels.
fn write_row(pixels: &[u8], tables: &[[f32; 256]], out: &mut [f32]) {
    match tables {
        [grey] => {
            for (out, &pixel) in out.iter_mut().zip(pixels) {
                *out = grey[usize::from(pixel)];
            }
        }
        [red, green, blue] => {
            for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<3>().0) {
                out[0] = red[usize::from(pixel[0])];
                out[1] = green[usize::from(pixel[1])];
                out[2] = blue[usize::from(pixel[2])];
            }
        }
        _ => {
            for (out, (pixel, table)) in out.iter_mut().zip(pixels.iter().zip(tables.iter().cycle())) {
                *out = table[usize::from(*pixel)];
            }
        }
    }
}

/// The position in `0..n` that position `i` of the infinitely reflected image shows: it runs
/// 0 1 2 .. n-1 n-2 .. 1 0 1 and so on in both directions.
fn reflect(i: isize, n: usize) -> usize {
    // The usual case first: most of the image is not extension.
    if (i as usize) < n {
        return i as usize;
    }
    let last = n as isize - 1;
    if last == 0 {
        return 0;
    }
    let i = i.rem_euclid(2 * last);
    (if i > last { 2 * last - i } else { i }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(n: usize, shape: [usize; 3]) -> Images {
        let pixels = (0..n * shape.iter().product::<usize>())
            .map(|i| (i * 37 + i / 251) as u8)
            .collect();
        Images::new(shape, pixels, vec![0; n]).unwrap()
    }

    fn draw(crop_padding: usize, horizontal_flip: bool) -> Draw {
        Draw {
            augmentation: Augmentation {
                crop_padding,
                horizontal_flip,
            },
            seed: 5,
            epoch: 2,
        }
    }

    /// numpy 2: np.pad(np.arange(4), 3, mode="reflect"), np.pad(np.arange(3), 5, mode="reflect"),
    /// np.pad(np.arange(1), 2, mode="reflect")
    #[test]
    fn reflection_agrees_with_numpy() {
        let padded = |n: usize, padding: isize| -> Vec<usize> {
            (-padding..n as isize + padding).map(|i| reflect(i, n)).collect()
        };
        assert_eq!(padded(4, 3), [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(padded(3, 5), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(padded(1, 2), [0, 0, 0, 0, 0]);
    }

    /// numpy 2: x = np.arange(12).reshape(3, 4); p = np.pad(x, 2, mode="reflect");
    /// p[0:3, 1:5], p[4:7, 4:8][:, ::-1]
    #[test]
    fn views_agree_with_numpy() {
        let images = Images::new([3, 4, 1], (0..12).collect(), vec![0]).unwrap();
        let tables = [std::array::from_fn(|pixel| pixel as f32)];
        let view = |view| {
            let mut out = [0.0; 12];
            write_view(&images, images.image(0), view, &tables, &mut out);
            out.map(|v| v as u8)
        };
        assert_eq!(
            view(View {
                top: -2,
                left: -1,
                flip: false
            }),
            [9, 8, 9, 10, 5, 4, 5, 6, 1, 0, 1, 2]
        );
        assert_eq!(
            view(View {
                top: 2,
                left: 2,
                flip: true
            }),
            [9, 10, 11, 10, 5, 6, 7, 6, 1, 2, 3, 2]
        );
    }

    /// The definition, one step after the other: pad, crop, flip, normalise.
    fn reference(images: &Images, image: &[u8], padding: usize, view: View, normalization: &Normalization) -> Vec<f32> {
        let [height, width, channels] = images.shape();
        let (tall, wide) = (height + 2 * padding, width + 2 * padding);
        let mirror = |i: usize, n: usize| {
            let i = i.abs_diff(padding);
            if i < n { i } else { 2 * (n - 1) - i }
        };
        let mut padded = vec![0; tall * wide * channels];
        for y in 0..tall {
            for x in 0..wide {
                for c in 0..channels {
                    padded[(y * wide + x) * channels + c] =
                        image[(mirror(y, height) * width + mirror(x, width)) * channels + c];
                }
            }
        }
        let (top, left) = (
            (view.top + padding as isize) as usize,
            (view.left + padding as isize) as usize,
        );
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let x = if view.flip { width - 1 - x } else { x };
                for c in 0..channels {
                    let pixel = padded[((top + y) * wide + left + x) * channels + c];
                    out.push((f32::from(pixel) / 255.0 - normalization.mean()[c]) / normalization.std()[c]);
                }
            }
        }
        out
    }

    #[test]
    fn every_view_agrees_with_pad_crop_flip_normalize() {
        for shape in [[6, 7, 3], [8, 8, 1], [5, 6, 2]] {
            let images = images(3, shape);
            let normalization = Normalization::of(&images);
            let padding = 4;
            let mut out = vec![0.0; images.image_len()];
            for top in -4..=4 {
                for left in -4..=4 {
                    for flip in [false, true] {
                        let view = View { top, left, flip };
                        write_view(&images, images.image(1), view, normalization.tables(), &mut out);
                        let expected = reference(&images, images.image(1), padding, view, &normalization);
                        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 4.0 * f32::EPSILON * (1.0 + b.abs());
                        assert!(out.iter().zip(&expected).all(close), "{shape:?} {view:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_augmentation_it_is_the_normalized_image() {
        let images = images(5, [4, 3, 3]);
        let normalization = Normalization::new(vec![0.4914, 0.4822, 0.4465], vec![0.2470, 0.2435, 0.2616]).unwrap();
        let indices = [4, 0, 4];
        let mut out = vec![0.0; 3 * 36];
        fill_batch(&images, &indices, &normalization, None, &mut out);
        for (&i, out) in indices.iter().zip(out.chunks(36)) {
            for (p, (&pixel, &out)) in images.image(i as usize).iter().zip(out).enumerate() {
                let (mean, std) = (normalization.mean()[p % 3], normalization.std()[p % 3]);
                let exact = (f64::from(pixel) / 255.0 - f64::from(mean)) / f64::from(std);
                assert!((f64::from(out) - exact).abs() <= f64::from(f32::EPSILON) * exact.abs());
            }
        }
    }

    #[test]
    fn batch_order_and_threads_change_nothing() {
        let images = images(200, [6, 6, 3]);
        let normalization = Normalization::of(&images);
        let draw = draw(2, true);
        let fill = |indices: &[u32]| {
            let mut out = vec![f32::NAN; indices.len() * images.image_len()];
            fill_batch(&images, indices, &normalization, Some(&draw), &mut out);
            out
        };
        let ordered: Vec<u32> = (0..200).collect();
        let expected = fill(&ordered);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| fill(&ordered)), expected);
        }
        let shuffled = Stream::new(1, AUGMENTATION, 0).permutation(200);
        for (&i, out) in shuffled.iter().zip(fill(&shuffled).chunks(images.image_len())) {
            assert_eq!(out, &expected[i as usize * images.image_len()..][..images.image_len()]);
        }
    }

    /// 60,000 views: offsets uniform on 9 x 9 (chi-square with 80 degrees of freedom under its
    /// 99.99 % point), flips half of them (four standard deviations).
    #[test]
    fn views_are_uniform() {
        let draw = draw(4, true);
        let (mut counts, mut flips) = ([0f64; 81], 0);
        for i in 0..60_000 {
            let view = draw.view(i);
            counts[((view.top + 4) * 9 + view.left + 4) as usize] += 1.0;
            flips += i32::from(view.flip);
        }
        let expected = 60_000.0 / 81.0;
        let chi2: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
        assert!(chi2 < 136.0, "chi-square {chi2}");
        assert!((flips - 30_000).abs() < 490, "{flips}");
    }

    #[test]
    fn seed_epoch_and_sample_name_a_view() {
        let base = draw(4, true);
        let views = |draw: Draw, from: u32| (from..from + 50).map(|i| draw.view(i)).collect::<Vec<_>>();
        assert_eq!(views(base, 0), views(base, 0));
        assert_ne!(views(base, 0), views(base, 1));
        assert_ne!(views(base, 0), views(Draw { seed: 6, ..base }, 0));
        assert_ne!(views(base, 0), views(Draw { epoch: 3, ..base }, 0));
        let unflipped = views(base, 0)
            .into_iter()
            .map(|view| View { flip: false, ..view })
            .collect::<Vec<_>>();
        assert_eq!(views(draw(4, false), 0), unflipped);
    }
}
