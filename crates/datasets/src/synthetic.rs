//! A generated data set whose training samples carry a known difficulty, for tests of what selects
//! samples.
//!
//! Each class has a pattern: in every channel a sum of plane waves with drawn directions and
//! phases. A sample is its pattern with a drawn contrast and brightness, plus noise on every pixel.

use std::f64::consts::TAU;

use dynaprune_random::{Purpose, Stream};
use rayon::prelude::*;

use crate::options::{OptionInfo, OptionKind, OptionValue, Options};
use crate::{Dataset, DatasetInfo, Error, Images};

/// The entry of the registry.
pub(crate) const SYNTHETIC: DatasetInfo = DatasetInfo {
    name: "synthetic",
    summary: "generated patterns, 16 x 16 colour; some samples ambiguous, mislabelled or duplicated",
    classes: CLASSES,
    shape: [SIDE, SIDE, CHANNELS],
    train_samples: 2_000,
    test_samples: 500,
    options: &[
        OptionInfo {
            name: "train_images",
            kind: OptionKind::Int {
                default: 2_000,
                min: 1,
                max: MOST_IMAGES,
            },
        },
        OptionInfo {
            name: "test_images",
            kind: OptionKind::Int {
                default: 500,
                min: 1,
                max: MOST_IMAGES,
            },
        },
        OptionInfo {
            name: "ambiguous_fraction",
            kind: OptionKind::Float {
                default: 0.1,
                min: 0.0,
                max: 1.0,
            },
        },
        OptionInfo {
            name: "mislabelled_fraction",
            kind: OptionKind::Float {
                default: 0.1,
                min: 0.0,
                max: 1.0,
            },
        },
        OptionInfo {
            name: "duplicated_fraction",
            kind: OptionKind::Float {
                default: 0.1,
                min: 0.0,
                max: 1.0,
            },
        },
        OptionInfo {
            name: "data_seed",
            kind: OptionKind::Int {
                default: 0,
                min: 0,
                max: i64::MAX,
            },
        },
    ],
    layouts: &[],
    download: None,
    load: |_, options| Ok(generate(&SyntheticOptions::from(options))?.dataset),
};

const CLASSES: usize = 10;
const SIDE: usize = 16;
const CHANNELS: usize = 3;
const PIXELS: usize = SIDE * SIDE * CHANNELS;
const MOST_IMAGES: i64 = 1_000_000;

const WAVES: usize = 4;
/// Pixel values are this plus the pattern, whose standard deviation is [`CONTRAST`], plus noise.
const BRIGHTNESS: f64 = 128.0;
const CONTRAST: f64 = 40.0;
const NOISE: f64 = 12.0;
/// The share of its own class in an ambiguous sample; the other class has the rest.
const OWN_SHARE: f64 = 0.55;

const PATTERN: Purpose = Purpose::new("synthetic pattern");
const ROLE: Purpose = Purpose::new("synthetic role");
const TRAIN: Purpose = Purpose::new("synthetic train");
const TEST: Purpose = Purpose::new("synthetic test");

/// What [`generate`] makes. Fractions are shares of the training images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SyntheticOptions {
    /// The number of training images.
    pub train_images: usize,
    /// The number of test images, all of them easy.
    pub test_images: usize,
    /// The share of [`Difficulty::Ambiguous`] images.
    pub ambiguous_fraction: f64,
    /// The share of [`Difficulty::Mislabelled`] images.
    pub mislabelled_fraction: f64,
    /// The share of [`Difficulty::Duplicated`] images.
    pub duplicated_fraction: f64,
    /// The seed of patterns and samples.
    pub seed: u64,
}

impl Default for SyntheticOptions {
    fn default() -> Self {
        Self {
            train_images: 2_000,
            test_images: 500,
            ambiguous_fraction: 0.1,
            mislabelled_fraction: 0.1,
            duplicated_fraction: 0.1,
            seed: 0,
        }
    }
}

impl From<&Options> for SyntheticOptions {
    /// Takes what is there, and the defaults for the rest.
    fn from(options: &Options) -> Self {
        let int = |name: &str, default: u64| match options.get(name) {
            Some(OptionValue::Int(value)) => value.unsigned_abs(),
            _ => default,
        };
        let float = |name: &str, default| match options.get(name) {
            Some(OptionValue::Float(value)) => *value,
            _ => default,
        };
        let default = Self::default();
        Self {
            train_images: int("train_images", default.train_images as u64) as usize,
            test_images: int("test_images", default.test_images as u64) as usize,
            ambiguous_fraction: float("ambiguous_fraction", default.ambiguous_fraction),
            mislabelled_fraction: float("mislabelled_fraction", default.mislabelled_fraction),
            duplicated_fraction: float("duplicated_fraction", default.duplicated_fraction),
            seed: int("data_seed", default.seed),
        }
    }
}

/// A generated data set with what is known about its training samples.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// The data set, called `synthetic`.
    pub dataset: Dataset,
    /// The difficulty of each training sample.
    pub difficulty: Vec<Difficulty>,
}

/// How hard a training sample is to learn, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difficulty {
    /// The pattern of its label.
    Easy,
    /// Almost halfway between the pattern of its label and another one.
    Ambiguous {
        /// The other class.
        other: u16,
    },
    /// An easy image with a wrong label.
    Mislabelled {
        /// The class whose pattern it shows.
        truth: u16,
    },
    /// The very pixels and label of an easy sample.
    Duplicated {
        /// The index of that sample.
        of: u32,
    },
}

/// Generates a data set; a function of `options` alone.
///
/// The number of samples of each kind is its fraction of `train_images`, rounded half up; the rest
/// is easy. Samples of all kinds and classes are mixed.
///
/// # Errors
/// [`Error::Invalid`] if a number of images is 0 or above a million, a fraction is not in [0, 1],
/// or no easy sample is left.
pub fn generate(options: &SyntheticOptions) -> Result<Synthetic, Error> {
    let difficulty = difficulties(options)?;
    let patterns: Vec<_> = (0..CLASSES).map(|class| pattern(options.seed, class)).collect();
    let images = |samples: usize, sample: &(dyn Fn(usize) -> ([u8; PIXELS], u16) + Sync)| {
        let (pixels, labels): (Vec<_>, Vec<_>) = (0..samples).into_par_iter().map(sample).unzip();
        Images::new([SIDE, SIDE, CHANNELS], pixels.concat(), labels)
    };

    let train = images(options.train_images, &|i| {
        let source = match difficulty[i] {
            Difficulty::Duplicated { of } => of as usize,
            _ => i,
        };
        // Classes take turns; the difficulties are shuffled, so each kind has all classes.
        let label = (source % CLASSES) as u16;
        let shown = |class: u16| &patterns[usize::from(class)];
        let pixels = match difficulty[source] {
            Difficulty::Ambiguous { other } => {
                let mixed = std::array::from_fn(|p| OWN_SHARE * shown(label)[p] + (1.0 - OWN_SHARE) * shown(other)[p]);
                sample(options.seed, TRAIN, source, &mixed)
            }
            Difficulty::Mislabelled { truth } => sample(options.seed, TRAIN, source, shown(truth)),
            _ => sample(options.seed, TRAIN, source, shown(label)),
        };
        (pixels, label)
    })?;
    let test = images(options.test_images, &|i| {
        (
            sample(options.seed, TEST, i, &patterns[i % CLASSES]),
            (i % CLASSES) as u16,
        )
    })?;
    let classes = (0..CLASSES).map(|class| format!("pattern {class}")).collect();
    Ok(Synthetic {
        dataset: Dataset::new(SYNTHETIC.name, classes, train, test)?,
        difficulty,
    })
}

fn difficulties(options: &SyntheticOptions) -> Result<Vec<Difficulty>, Error> {
    let samples = options.train_images;
    for (name, count) in [("train_images", samples), ("test_images", options.test_images)] {
        if count == 0 || count > MOST_IMAGES as usize {
            return Err(Error::invalid(
                format!("`{name}`"),
                count,
                format!("1 to {MOST_IMAGES}"),
            ));
        }
    }
    let count = |name: &str, fraction: f64| {
        if (0.0..=1.0).contains(&fraction) {
            Ok((fraction * samples as f64).round() as usize)
        } else {
            Err(Error::invalid(format!("`{name}`"), fraction, "0 to 1"))
        }
    };
    let ambiguous = count("ambiguous_fraction", options.ambiguous_fraction)?;
    let mislabelled = count("mislabelled_fraction", options.mislabelled_fraction)?;
    let duplicated = count("duplicated_fraction", options.duplicated_fraction)?;
    let special = ambiguous + mislabelled + duplicated;
    if special >= samples {
        let found = format!("{special} of {samples} samples");
        return Err(Error::invalid(
            "samples that are not easy",
            found,
            "at least one easy sample",
        ));
    }

    let order = Stream::new(options.seed, ROLE, 0).permutation(samples as u32);
    let (special, easy) = order.split_at(special);
    let mut difficulty = vec![Difficulty::Easy; samples];
    for (rank, &i) in special.iter().enumerate() {
        let mut stream = Stream::at(options.seed, ROLE, 1, u64::from(i));
        // Any class but its own: a step of 1 to CLASSES - 1 round the circle of classes.
        let step = 1 + stream.below(CLASSES as u32 - 1);
        let other = ((i + step) % CLASSES as u32) as u16;
        difficulty[i as usize] = if rank < ambiguous {
            Difficulty::Ambiguous { other }
        } else if rank < ambiguous + mislabelled {
            Difficulty::Mislabelled { truth: other }
        } else {
            Difficulty::Duplicated {
                of: easy[stream.below(easy.len() as u32) as usize],
            }
        };
    }
    Ok(difficulty)
}

/// The pattern of a class, with mean 0 and standard deviation 1.
fn pattern(seed: u64, class: usize) -> [f64; PIXELS] {
    let mut stream = Stream::new(seed, PATTERN, class as u64);
    let mut pattern = [0.0; PIXELS];
    for channel in 0..CHANNELS {
        for _ in 0..WAVES {
            // At most three periods an image, so that neighbouring pixels are alike.
            let mut periods = || 6.0 * stream.uniform_f64() - 3.0;
            let (down, across) = (periods(), periods());
            let phase = stream.uniform_f64();
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let turns = (down * y as f64 + across * x as f64) / SIDE as f64 + phase;
                    pattern[(y * SIDE + x) * CHANNELS + channel] += (TAU * turns).sin();
                }
            }
        }
    }
    let mean = pattern.iter().sum::<f64>() / PIXELS as f64;
    let variance = pattern.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / PIXELS as f64;
    pattern.map(|v| (v - mean) / variance.sqrt())
}

fn sample(seed: u64, purpose: Purpose, index: usize, pattern: &[f64; PIXELS]) -> [u8; PIXELS] {
    let mut stream = Stream::new(seed, purpose, index as u64);
    let contrast = CONTRAST * (0.75 + 0.5 * stream.uniform_f64());
    let brightness = BRIGHTNESS + 40.0 * (stream.uniform_f64() - 0.5);
    pattern.map(|v| {
        let value = brightness + contrast * v + NOISE * stream.normal_f64();
        value.round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: SyntheticOptions = SyntheticOptions {
        train_images: 600,
        test_images: 100,
        ambiguous_fraction: 0.2,
        mislabelled_fraction: 0.15,
        duplicated_fraction: 0.1,
        seed: 3,
    };

    /// A classifier that knows nothing of the patterns: the classes by falling correlation with
    /// their mean easy training image.
    struct Classifier(Vec<Vec<f64>>);

    impl Classifier {
        fn of(synthetic: &Synthetic) -> Self {
            let train = &synthetic.dataset.train;
            let mut sums = vec![vec![0.0; PIXELS]; CLASSES];
            for i in (0..train.len()).filter(|&i| synthetic.difficulty[i] == Difficulty::Easy) {
                let sum = &mut sums[usize::from(train.labels[i])];
                sum.iter_mut()
                    .zip(train.image(i))
                    .for_each(|(sum, &v)| *sum += f64::from(v));
            }
            Self(sums.into_iter().map(Self::centred).collect())
        }

        fn centred(image: Vec<f64>) -> Vec<f64> {
            let mean = image.iter().sum::<f64>() / image.len() as f64;
            let centred: Vec<f64> = image.iter().map(|v| v - mean).collect();
            let norm = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
            centred.into_iter().map(|v| v / norm).collect()
        }

        fn ranked(&self, image: &[u8]) -> Vec<u16> {
            let image = Self::centred(image.iter().map(|&v| f64::from(v)).collect());
            let correlation = |mean: &Vec<f64>| mean.iter().zip(&image).map(|(a, b)| a * b).sum::<f64>();
            let mut ranked: Vec<(f64, u16)> = self.0.iter().map(correlation).zip(0..).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            ranked.into_iter().map(|(_, class)| class).collect()
        }
    }

    #[test]
    fn samples_are_as_difficult_as_they_say() {
        let synthetic = generate(&OPTIONS).unwrap();
        let train = &synthetic.dataset.train;
        let classifier = Classifier::of(&synthetic);
        let mut counts = [0; 4];
        for (i, difficulty) in synthetic.difficulty.iter().enumerate() {
            let label = train.labels[i];
            let ranked = classifier.ranked(train.image(i));
            let kind = match *difficulty {
                Difficulty::Easy => {
                    assert_eq!(ranked[0], label);
                    0
                }
                Difficulty::Ambiguous { other } => {
                    let mut nearest = [ranked[0], ranked[1]];
                    nearest.sort_unstable();
                    let mut both = [label, other];
                    both.sort_unstable();
                    assert_eq!(nearest, both);
                    1
                }
                Difficulty::Mislabelled { truth } => {
                    assert_eq!(ranked[0], truth);
                    assert_ne!(truth, label);
                    2
                }
                Difficulty::Duplicated { of } => {
                    assert_eq!(synthetic.difficulty[of as usize], Difficulty::Easy);
                    assert_eq!(train.image(i), train.image(of as usize));
                    assert_eq!(label, train.labels[of as usize]);
                    3
                }
            };
            counts[kind] += 1;
        }
        assert_eq!(counts, [330, 120, 90, 60]);

        let test = &synthetic.dataset.test;
        let right = (0..test.len())
            .filter(|&i| classifier.ranked(test.image(i))[0] == test.labels[i])
            .count();
        assert_eq!(right, 100);
    }

    #[test]
    fn it_is_a_function_of_its_options() {
        let checksum = |seed| {
            generate(&SyntheticOptions { seed, ..OPTIONS })
                .unwrap()
                .dataset
                .checksum
        };
        assert_eq!(checksum(3), checksum(3));
        assert_ne!(checksum(3), checksum(4));
    }

    #[test]
    fn the_registry_has_the_same_defaults() {
        let from_registry = SYNTHETIC.load("".as_ref(), &Options::new()).unwrap();
        assert_eq!(from_registry, generate(&SyntheticOptions::default()).unwrap().dataset);
        assert_eq!(from_registry.train.len(), SYNTHETIC.train_samples);
        assert_eq!(from_registry.test.len(), SYNTHETIC.test_samples);
    }

    #[test]
    fn impossible_options_are_errors() {
        let message = |options| generate(&options).unwrap_err().to_string();
        assert_eq!(
            message(SyntheticOptions {
                mislabelled_fraction: 0.7,
                ..OPTIONS
            }),
            "samples that are not easy: found 600 of 600 samples, expected at least one easy sample"
        );
        assert_eq!(
            message(SyntheticOptions {
                ambiguous_fraction: f64::NAN,
                ..OPTIONS
            }),
            "`ambiguous_fraction`: found NaN, expected 0 to 1"
        );
        assert_eq!(
            message(SyntheticOptions {
                test_images: 0,
                ..OPTIONS
            }),
            "`test_images`: found 0, expected 1 to 1000000"
        );
    }
}
