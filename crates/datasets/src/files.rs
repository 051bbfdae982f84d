//! Checked reading: a file is looked at only after its size and MD5 sum are right.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::Error;

/// No file of a known data set is larger (bytes); what has no known size is read up to here.
pub(crate) const LARGEST_FILE: u64 = 1 << 29;

/// A file of a data set, as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The name inside its folder.
    pub name: &'static str,
    /// The size in bytes, where it is the same everywhere.
    pub size: Option<u64>,
    /// The MD5 sum in hexadecimal, where one is published.
    pub md5: Option<&'static str>,
}

impl FileInfo {
    /// A file whose size and MD5 sum are known.
    #[must_use]
    pub const fn new(name: &'static str, size: u64, md5: &'static str) -> Self {
        Self {
            name,
            size: Some(size),
            md5: Some(md5),
        }
    }

    /// Where the file is in `folder`.
    #[must_use]
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.name)
    }

    /// Reads the file from `folder`.
    pub(crate) fn read(&self, folder: &Path) -> Result<Vec<u8>, Error> {
        self.read_at(&self.path(folder))
    }

    /// Reads the file from `path`, whatever it is called there.
    pub(crate) fn read_at(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
        self.check_size(path, size)?;
        let bytes = read_at_most(file, size).map_err(|e| Error::io(path, e))?;
        self.check(path, &bytes)?;
        Ok(bytes)
    }

    /// Checks size and MD5 sum of a file without keeping it in memory.
    pub(crate) fn check_file(&self, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        self.check_size(path, file.metadata().map_err(|e| Error::io(path, e))?.len())?;
        self.check_md5(path, || md5_of(file).map_err(|e| Error::io(path, e)))
    }

    /// Checks size and MD5 sum of the content `bytes`; `path` is for the message.
    pub(crate) fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.check_size(path, bytes.len() as u64)?;
        self.check_md5(path, || Ok(hex(&Md5::digest(bytes))))
    }

    pub(crate) fn check_size(&self, path: &Path, found: u64) -> Result<(), Error> {
        match self.size {
            Some(size) if size != found => Err(Error::malformed(path, "size", bytes(found), bytes(size))),
            None if found > LARGEST_FILE => Err(Error::malformed(
                path,
                "size",
                bytes(found),
                format!("at most {}", bytes(LARGEST_FILE)),
            )),
            _ => Ok(()),
        }
    }

    fn check_md5(&self, path: &Path, found: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
        if let Some(expected) = self.md5 {
            let found = found()?;
            if found != expected {
                return Err(Error::malformed(path, "MD5 sum", found, expected));
            }
        }
        Ok(())
    }
}

fn bytes(n: u64) -> String {
    format!("{n} bytes")
}

/// Reads to the end, or to one byte past `limit`; memory grows with what is read, not with what is
/// announced.
pub(crate) fn read_at_most(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The MD5 sum of what `reader` gives, in hexadecimal.
pub(crate) fn md5_of(mut reader: impl Read) -> io::Result<String> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes a file so that it is either whole or not there.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    dynaprune_files::write(path, content).map_err(|error| Error::io(path, error))
}

/// Where `path` is written before it is complete.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, appendix A.5: MD5 ("message digest").
    const RFC: FileInfo = FileInfo::new("rfc.txt", 14, "f96b697d7cb7938d525a2f31aaf161d0");

    #[test]
    fn size_and_md5_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = RFC.path(folder.path());
        let message = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let read = RFC.read(folder.path()).map_err(|e| e.to_string());
            let check = RFC.check_file(&path).map_err(|e| e.to_string());
            assert_eq!(read.clone().map(drop), check);
            read
        };
        assert_eq!(message("message digest").unwrap(), b"message digest");
        let shown = path.display();
        assert_eq!(
            message("message").unwrap_err(),
            format!("{shown}: size: found 7 bytes, expected 14 bytes")
        );
        assert_eq!(
            message("Message digest").unwrap_err(),
            format!(
                "{shown}: MD5 sum: found {}, expected f96b697d7cb7938d525a2f31aaf161d0",
                // printf 'Message digest' | md5sum
                "65ea651693ca36740289ebb7bd545fce"
            )
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = RFC.read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("rfc.txt"), "{message}");
    }
}
