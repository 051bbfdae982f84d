//! Files that are either the old ones or the new ones, never half of either.
//!
//! [`write()`] and [`write_new`] write to a temporary name in the same folder, sync the file, put it in place and sync the folder. After a
//! crash at any moment the name holds what it held before, or all of what was written. What a killed process leaves is a
//! file whose name begins with [`TEMPORARY`]; [`sweep`] removes those that are old.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("answer");
//! dynaprune_files::write(&path, b"42")?;
//! assert!(!dynaprune_files::write_new(&path, b"43")?, "it is there already");
//! assert_eq!(std::fs::read(&path)?, b"42");
//! # Ok::<(), std::io::Error>(())
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// What the names of files in the making begin with.
pub const TEMPORARY: &str = ".dynaprune-";

/// Writes `bytes` to `path`, in place of what is there.
///
/// # Errors
/// If the folder is missing, cannot be written or is full; the file is as it was before then.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    written(path, bytes)?.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Writes `bytes` to `path` unless there is a file of that name, and says whether it did. Of several processes that try at
/// the same time one does.
///
/// # Errors
/// As [`write()`].
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match written(path, bytes)?.persist_noclobber(path) {
        Ok(_) => sync_folder(path).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// Removes files in the making from `folder` that nobody has touched for an hour: their makers are dead. What cannot be
/// removed stays. Ages are taken by the file system's own clock, that of a new file in the folder.
pub fn sweep(folder: &Path) {
    sweep_older(folder, Duration::from_secs(3600));
}

fn sweep_older(folder: &Path, age: Duration) {
    let modified = |metadata: io::Result<fs::Metadata>| metadata.and_then(|metadata| metadata.modified()).ok();
    let is_ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(TEMPORARY);
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let left: Vec<fs::DirEntry> = entries.filter(is_ours).collect();
    if left.is_empty() {
        return;
    }
    let Ok(probe) = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder) else {
        return;
    };
    let Some(now) = modified(probe.as_file().metadata()) else {
        return;
    };
    for entry in left {
        let then = modified(entry.metadata());
        if then.is_some_and(|then| now.duration_since(then).is_ok_and(|since| since >= age)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Locks the file `path`, which is made if it is missing, until the answer is dropped; waits for others that have it. Where
/// the system has no locks it is not locked.
///
/// # Errors
/// If the file cannot be opened for writing, or the lock fails.
pub fn lock(path: &Path) -> io::Result<File> {
    // Network file systems lock what is open for writing, and no folders.
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    match file.lock() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        result => result.map(|()| file),
    }
}

/// A temporary file beside `path` with these bytes, synced.
fn written(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // As for any other new file: what the process's mask leaves of it.
    if let Some(permissions) = everyone() {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(unix)]
fn everyone() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn everyone() -> Option<Permissions> {
    None
}

/// Makes a new name last. Where folders cannot be opened or synced, the system does it in its own time.
fn sync_folder(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        result => result,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn of_many_writers_of_a_new_file_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let wins = std::thread::scope(|scope| {
            let writer = |i: u8| {
                scope.spawn({
                    let path = &path;
                    move || write_new(path, &[i]).unwrap()
                })
            };
            let writers: Vec<_> = (0..8).map(writer).collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(wins, 1);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_it_as_any_new_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, b"").unwrap();
        fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn what_a_dead_writer_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!("{TEMPORARY}left"));
        fs::write(&left, b"half").unwrap();
        fs::write(folder.path().join("file"), b"whole").unwrap();
        sweep(folder.path());
        assert!(left.exists(), "its writer may live");
        sweep_older(folder.path(), Duration::ZERO);
        assert!(!left.exists() && folder.path().join("file").exists());
    }
}
