//! What is behind the readers' checks of sizes and MD5 sums, on bytes: for programs that try broken input, as in `fuzz/`.
//! No part of the interface.

use std::path::Path;

use crate::registry::Archive;
use crate::{Error, Images, archive, cifar, mnist};

/// The images of a file of CIFAR's binary version with `records` records; of CIFAR-100 if they have a coarse label.
///
/// # Errors
/// [`Error::Malformed`] if it is something else.
pub fn cifar_binary(bytes: &[u8], records: usize, coarse: bool) -> Result<Images, Error> {
    cifar::parse(bytes, records, coarse, false)
}

/// The images of a file of CIFAR's python version, likewise.
///
/// # Errors
/// [`Error::Malformed`] if it is something else.
pub fn cifar_python(bytes: &[u8], records: usize, coarse: bool) -> Result<Images, Error> {
    cifar::parse(bytes, records, coarse, true)
}

/// The values of an IDX file of unsigned bytes that must have dimensions `shape`.
///
/// # Errors
/// [`Error::Malformed`] if it is something else, [`Error::Io`] if it is `gzipped` and cannot be unpacked.
pub fn idx(bytes: Vec<u8>, shape: &[usize], gzipped: bool) -> Result<Vec<u8>, Error> {
    mnist::parse_file(Path::new(if gzipped { "bytes.gz" } else { "bytes" }), bytes, shape)
}

/// Unpacks the archive at `path` to its folder under `root`: all of it or nothing.
///
/// # Errors
/// [`Error::Malformed`] if it is not what it should be, [`Error::Io`] if it cannot be read or written.
pub fn unpack(path: &Path, archive: &Archive, root: &Path) -> Result<(), Error> {
    archive::unpack(path, archive, root)
}
