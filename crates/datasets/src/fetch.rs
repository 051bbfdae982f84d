//! Getting the files of a data set: from its server, another one, or a folder.
//!
//! What arrives is first written to `NAME.part`. A download that was cut goes on from there, and
//! only what has the right MD5 sum comes into place.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::files::{FileInfo, part_path, write_atomically};
use crate::http::{Answer, Client};
use crate::registry::{Archive, DatasetInfo, Download};
use crate::verify::{FileReport, FileState, verify_files};
use crate::{Error, archive};

/// How often a download that was cut is taken up again before the user has to.
const ATTEMPTS: usize = 5;

/// How the address of a data set on the Hugging Face Hub begins.
const HUB: &str = "hf://datasets/";

/// What [`fetch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The data set is embedded or generated.
    NothingNeeded,
    /// The files were there, and their MD5 sums are right.
    AlreadyThere,
    /// The files were put into place.
    Done,
}

/// What [`fetch`] is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Part of a file has arrived; told again and again.
    Downloading {
        /// The file.
        file: &'a str,
        /// How many bytes of it are there, those of an earlier run included.
        received: u64,
        /// How many there will be, if that is known.
        size: Option<u64>,
    },
    /// A file is there and its MD5 sum is being computed.
    Checking {
        /// The file.
        file: &'a str,
    },
    /// An archive is right and is being unpacked.
    Unpacking {
        /// The archive.
        file: &'a str,
    },
}

/// Puts the files of `info` under `root`, unless they are there already; `watch` is told how it goes.
///
/// `from` is another source than the data set's own: a file, a folder that holds the files, the
/// address of the file, or one ending in `/` that the names of the files are appended to. For CIFAR
/// it may be the binary or the python version of the official archive, or, with the feature `hub`,
/// `hf://datasets/OWNER/NAME` for a repository of the Hugging Face Hub laid out as `uoft-cs/cifar10`
/// or `uoft-cs/cifar100`.
///
/// # Errors
/// [`Error::Download`] if a file cannot be downloaded, with what to do by hand;
/// [`Error::Malformed`] if what came is not the file that was asked for; [`Error::Io`].
///
/// Of several processes that fetch to the same `root` one does, and the others wait for it.
pub fn fetch(
    info: &DatasetInfo,
    root: &Path,
    from: Option<&str>,
    watch: &mut dyn FnMut(Progress),
) -> Result<Fetched, Error> {
    fetch_with(&Client::new(), info, root, from, watch)
}

fn fetch_with(
    client: &Client,
    info: &DatasetInfo,
    root: &Path,
    from: Option<&str>,
    watch: &mut dyn FnMut(Progress),
) -> Result<Fetched, Error> {
    let Some(download) = info.download else {
        return Ok(Fetched::NothingNeeded);
    };
    // Files without a known MD5 sum do not count: what is fetched in their place is surely right.
    let is_right = |file: &FileReport| file.state == FileState::Right { md5: true };
    let is_there = || {
        let layout = info.layout_in(root);
        layout.is_some_and(|layout| verify_files(layout, root).iter().all(is_right))
    };
    if is_there() {
        return Ok(Fetched::AlreadyThere);
    }
    let folder = root.join(download.folder);
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    // Two processes would write the same part of a file. The second waits, and finds what the first has fetched.
    let lock = root.join(".fetch.lock");
    let _lock = dynaprune_files::lock(&lock).map_err(|e| Error::io(&lock, e))?;
    if is_there() {
        return Ok(Fetched::AlreadyThere);
    }
    let mut job = Job {
        client,
        info,
        download,
        root,
        folder,
        watch,
    };
    match from {
        None => job.download_from(download.base_url)?,
        Some(url) if url.starts_with(HUB) => match download.from_hub {
            Some(from_hub) => from_hub(&url[HUB.len()..], root)?,
            None => {
                return Err(Error::invalid(
                    format!("source of `{}`", info.name),
                    url,
                    "a file, a folder or an address",
                ));
            }
        },
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => job.download_from(url)?,
        Some(path) => job.take_from_disk(Path::new(path))?,
    }
    Ok(Fetched::Done)
}

struct Job<'a> {
    client: &'a Client,
    info: &'a DatasetInfo,
    download: Download,
    root: &'a Path,
    /// Where the files go.
    folder: PathBuf,
    watch: &'a mut dyn FnMut(Progress),
}

impl Job<'_> {
    fn take_from_disk(&mut self, path: &Path) -> Result<(), Error> {
        if !self.download.archives.is_empty() {
            let (path, archive) = self.archive_at(path)?;
            (self.watch)(Progress::Unpacking {
                file: archive.file.name,
            });
            return archive::unpack(&path, archive, self.root);
        }
        for file in self.download.files {
            let path = if path.is_dir() {
                file.path(path)
            } else {
                path.to_owned()
            };
            (self.watch)(Progress::Checking { file: file.name });
            write_atomically(&file.path(&self.folder), &file.read_at(&path)?)?;
        }
        Ok(())
    }

    /// The archive that `path` is, or that the folder `path` holds. A file is told by its size, as
    /// it may have been renamed; a wrong one is found out by its MD5 sum later.
    fn archive_at(&self, path: &Path) -> Result<(PathBuf, &'static Archive), Error> {
        let archives = self.download.archives;
        if path.is_dir() {
            let inside = |archive: &&Archive| archive.file.path(path).is_file();
            return match archives.iter().find(inside) {
                Some(archive) => Ok((archive.file.path(path), archive)),
                None => Err(Error::malformed(
                    path,
                    "folder",
                    "no archive",
                    list(archives, |a| a.file.name.to_owned()),
                )),
            };
        }
        let size = fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let fits = |archive: &&Archive| archive.file.size.is_none_or(|expected| expected == size);
        match archives.iter().find(fits) {
            Some(archive) => Ok((path.to_owned(), archive)),
            None => {
                let one = |a: &Archive| format!("{} ({})", a.file.size.unwrap_or_default(), a.file.name);
                Err(Error::malformed(path, "size in bytes", size, list(archives, one)))
            }
        }
    }

    fn download_from(&mut self, from: &str) -> Result<(), Error> {
        let url_of = |file: &FileInfo| {
            if from.ends_with('/') {
                format!("{from}{}", file.name)
            } else {
                from.to_owned()
            }
        };
        if let Some(first) = self.download.archives.first() {
            let archive = self
                .download
                .archives
                .iter()
                .find(|archive| from.contains(archive.file.name))
                .unwrap_or(first);
            let part = self.get(&archive.file, &url_of(&archive.file))?;
            (self.watch)(Progress::Unpacking {
                file: archive.file.name,
            });
            archive::unpack(&part, archive, self.root)?;
            return fs::remove_file(&part).map_err(|e| Error::io(&part, e));
        }
        if self.download.files.len() > 1 && !from.ends_with('/') {
            return self.download_from(&format!("{from}/"));
        }
        for file in self.download.files {
            let target = file.path(&self.folder);
            if file.check_file(&target).is_ok() {
                continue;
            }
            let part = self.get(file, &url_of(file))?;
            fs::rename(&part, &target).map_err(|e| Error::io(&target, e))?;
        }
        Ok(())
    }

    /// Downloads a file to its `.part`, checks it, and says where it is.
    fn get(&mut self, file: &FileInfo, url: &str) -> Result<PathBuf, Error> {
        let part = part_path(&file.path(&self.folder));
        let mut attempt = 1;
        while let Err(stop) = self.receive(file, url, &part) {
            match stop {
                Stop::Cut(_) if attempt < ATTEMPTS => attempt += 1,
                Stop::Cut(reason) | Stop::Refused(reason) => {
                    return Err(Error::Download {
                        url: url.to_owned(),
                        reason,
                        hint: self.info.how_to_get(self.root),
                    });
                }
                Stop::Disk(error) => return Err(Error::io(&part, error)),
            }
        }
        (self.watch)(Progress::Checking { file: file.name });
        file.check_file(&part).inspect_err(|_| {
            // Going on from a wrong beginning never gets right; the error that counts is the check's.
            let _ = fs::remove_file(&part);
        })?;
        Ok(part)
    }

    /// Receives what is still missing of a file, as far as it comes.
    fn receive(&mut self, file: &FileInfo, url: &str, part: &Path) -> Result<(), Stop> {
        let mut received = match fs::metadata(part) {
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
        if file.size == Some(received) {
            return Ok(());
        }
        if file.size.is_some_and(|size| received > size) {
            received = 0;
        }
        let Answer {
            status,
            starts_at,
            mut body,
        } = self.client.get(url, received).map_err(match received {
            0 => Stop::Refused,
            // It did answer before.
            _ => Stop::Cut,
        })?;
        match status {
            206 if starts_at == Some(received) => {}
            // No part was asked for, or the server does not know about parts: this is the whole.
            200 => received = 0,
            // The server has another idea of where the file ends.
            206 | 416 if received > 0 => {
                fs::remove_file(part)?;
                return Err(Stop::Cut(format!("the server cannot go on from byte {received}")));
            }
            _ => return Err(Stop::Refused(format!("HTTP status {status}"))),
        }

        let mut out = OpenOptions::new()
            .create(true)
            .write(true)
            .append(received > 0)
            .truncate(received == 0)
            .open(part)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.watch)(Progress::Downloading {
                file: file.name,
                received,
                size: file.size,
            });
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Stop::Cut(format!("cut after {received} bytes: {e}"))),
            };
            received += n as u64;
            if file.size.is_some_and(|size| received > size) {
                drop(out);
                fs::remove_file(part)?;
                return Err(Stop::Refused(format!(
                    "more than the {} bytes of the file",
                    file.size.unwrap_or_default()
                )));
            }
            out.write_all(&buffer[..n])?;
        }
        out.sync_all()?;
        match file.size {
            Some(size) if received < size => Err(Stop::Cut(format!("cut after {received} of {size} bytes"))),
            _ => Ok(()),
        }
    }
}

/// Why a download stopped.
enum Stop {
    /// The connection broke; going on may help.
    Cut(String),
    /// Trying again would not help.
    Refused(String),
    Disk(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn list(archives: &[Archive], show: impl Fn(&Archive) -> String) -> String {
    archives.iter().map(show).collect::<Vec<_>>().join(" or ")
}

#[cfg(all(test, feature = "fetch"))]
mod tests;
