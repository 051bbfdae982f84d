//! Files that are either the old ones or the new ones, never half of either.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::Error;

/// Writes `bytes` to `path`: to a temporary name in the same folder, synced, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut temporary = OsString::from(".");
    temporary.push(path.file_name().unwrap_or_default());
    temporary.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(temporary);
    put(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| {
            // The first failure is the one to report.
            let _ = fs::remove_file(&temporary);
            Error::Write {
                path: path.to_owned(),
                source,
            }
        })
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
