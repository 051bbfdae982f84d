//! Looking at the files of a data set without using them.

use std::io;
use std::path::{Path, PathBuf};

use crate::registry::{DatasetInfo, Layout};
use crate::{Error, Options};

/// What is under the data root of one data set.
#[derive(Debug)]
pub struct Verification {
    /// The data set.
    pub dataset: &'static str,
    /// The layouts of which at least one file is there; the preferred one if there is no file at
    /// all; none if the data set needs no files.
    pub layouts: Vec<LayoutReport>,
    /// The checksum of the data set if it loads, or why it does not.
    pub content: Result<String, Error>,
}

/// What is there of one layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutReport {
    /// The name of the layout.
    pub name: &'static str,
    /// Its files.
    pub files: Vec<FileReport>,
}

/// What is there of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// How it is.
    pub state: FileState,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is not there.
    Missing,
    /// It is right.
    Right {
        /// Whether its MD5 sum is published and was compared; else only its size was.
        md5: bool,
    },
    /// It is there and not what it should be, or cannot be read.
    Wrong {
        /// What differs: `size` or `MD5 sum`; `reading` if it cannot be read.
        place: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// Checks size and MD5 sum of all files of `info` under `root`, and loads it if they are all there.
#[must_use]
pub fn verify(info: &DatasetInfo, root: &Path) -> Verification {
    let report = |layout: &Layout| LayoutReport {
        name: layout.name,
        files: verify_files(layout, root),
    };
    let is_there = |layout: &&Layout| layout.files.iter().any(|file| layout.path(root, file).is_file());
    let mut layouts: Vec<_> = info.layouts.iter().filter(is_there).map(report).collect();
    if layouts.is_empty() {
        layouts.extend(info.layouts.first().map(report));
    }
    let content = info.load(root, &Options::new()).map(|dataset| dataset.checksum);
    Verification {
        dataset: info.name,
        layouts,
        content,
    }
}

pub(crate) fn verify_files(layout: &Layout, root: &Path) -> Vec<FileReport> {
    let report = |file| {
        let path = layout.path(root, file);
        let state = match file.check_file(&path) {
            Ok(()) => FileState::Right {
                md5: file.md5.is_some(),
            },
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => FileState::Missing,
            Err(Error::Malformed {
                place, found, expected, ..
            }) => FileState::Wrong { place, found, expected },
            Err(error) => FileState::Wrong {
                place: "reading".to_owned(),
                found: error.to_string(),
                expected: "a readable file".to_owned(),
            },
        };
        FileReport { path, state }
    };
    layout.files.iter().map(report).collect()
}
