//! Image data sets: readers that check every byte they can, the embedded digits, a synthetic set,
//! and batches with augmentation.
//!
//! ```
//! use dynaprune_datasets::{Normalization, Options, fill_batch, find};
//!
//! let digits = find("digits")?.load("data".as_ref(), &Options::new())?;
//! let normalization = Normalization::of(&digits.train);
//! let mut batch = vec![0.0; 2 * digits.train.image_len()];
//! fill_batch(&digits.train, &[0, 5], &normalization, None, &mut batch);
//! assert_eq!((digits.train.len(), digits.train.shape()), (1437, [8, 8, 1]));
//! assert!(batch.iter().any(|&pixel| pixel > 1.0), "normalised by the mean and deviation of the training split");
//! # Ok::<(), dynaprune_datasets::Error>(())
//! ```
//!
//! [`DATASETS`] lists them. A new one is a file with its [`DatasetInfo`] and a line in the list. Pixels stay 8-bit in memory;
//! an [`Augmentation`] is a function of (seed, epoch, sample), not of the order of batches. [`fetch`] gets a data set's files,
//! [`verify`] checks those there are, [`class_balanced_subset`] draws a part of them.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod archive;
mod augment;
mod cifar;
mod digits;
mod error;
mod fetch;
mod files;
mod http;
mod images;
mod mnist;
mod normalization;
mod options;
#[doc(hidden)]
pub mod parsers;
mod registry;
mod subset;
pub mod synthetic;
mod verify;

pub use augment::{Augmentation, Draw, View, fill_batch};
pub use error::Error;
pub use fetch::{Fetched, Progress, fetch};
pub use files::FileInfo;
pub use images::{Dataset, Images};
pub use normalization::Normalization;
pub use options::{OptionInfo, OptionKind, OptionValue, Options};
pub use registry::{Archive, DATASETS, DatasetInfo, Download, Layout, find};
pub use subset::class_balanced_subset;
pub use verify::{FileReport, FileState, LayoutReport, Verification, verify};
