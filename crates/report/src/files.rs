//! Writing files whole, with this crate's errors.

use crate::Error;
use std::path::Path;

/// Writes `bytes` to `path` in place of what is there, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    dynaprune_files::write(path, bytes).map_err(Error::write(path))
}
