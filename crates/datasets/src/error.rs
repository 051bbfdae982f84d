//! What can go wrong, named by file and field.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate. The message names the file, the place in it, what was found and what
/// was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {place}: found {found}, expected {expected}", path.display())]
    Malformed {
        /// The file; a member of an archive is written `ARCHIVE/MEMBER`.
        path: PathBuf,
        /// The byte, line or field.
        place: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// Values that do not make a set of images.
    #[error("{place}: found {found}, expected {expected}")]
    Invalid {
        /// The argument or field.
        place: String,
        /// What was given.
        found: String,
        /// What is possible.
        expected: String,
    },
    /// No file of the data set is under the data root, or some are missing.
    #[error("`{dataset}`: {missing} not found under {}\n\n{hint}", root.display())]
    NotFound {
        /// The data set.
        dataset: String,
        /// What is missing.
        missing: String,
        /// The data root that was searched.
        root: PathBuf,
        /// How to get the files.
        hint: String,
    },
    /// A file cannot be downloaded.
    #[error("{url}: {reason}\n\n{hint}")]
    Download {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
        /// How to get the file otherwise.
        hint: String,
    },
    /// The program was built without something it would need.
    #[error(
        "{what} needs the feature `{feature}`, which this program was built without\n\nbuild it with it: `DYNAPRUNE_FEATURES={feature} cargo xtask ...`, or `cargo build --release --package dynaprune --features {feature}`"
    )]
    NeedsFeature {
        /// What was asked for.
        what: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// The registry holds no such data set.
    #[error("`{name}`: no such data set, expected one of {known}")]
    UnknownDataset {
        /// What was asked for.
        name: String,
        /// The registered names.
        known: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, place: impl Display, found: impl Display, expected: impl Display) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            place: place.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    pub(crate) fn invalid(place: impl Display, found: impl Display, expected: impl Display) -> Self {
        Self::Invalid {
            place: place.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
