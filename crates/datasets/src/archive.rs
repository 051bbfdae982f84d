//! Reading the known members of a `.tar.gz`.
//!
//! Only members that the data set lists are read, and what is written goes under the names of that
//! list, so an archive has no say in where its content ends up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::Error;
use crate::files::{FileInfo, part_path, read_at_most, write_atomically};
use crate::registry::Archive;

/// The most that is decompressed of an archive, in bytes; the largest known one holds 187 MB.
const LARGEST_CONTENT: u64 = 1 << 28;

/// The content of the listed members of the archive in `folder`, by name, all checked.
pub(crate) fn members(folder: &Path, archive: &Archive) -> Result<BTreeMap<&'static str, Vec<u8>>, Error> {
    let path = archive.file.path(folder);
    let bytes = archive.file.read(folder)?;
    read_members(&path, &bytes, archive)
}

fn read_members(path: &Path, bytes: &[u8], archive: &Archive) -> Result<BTreeMap<&'static str, Vec<u8>>, Error> {
    let io = |e| Error::io(path, e);
    let mut tar = tar::Archive::new(GzDecoder::new(bytes).take(LARGEST_CONTENT));
    let mut members = BTreeMap::new();
    for entry in tar.entries().map_err(io)? {
        let entry = entry.map_err(io)?;
        let Some(member) = listed(&entry.path_bytes(), archive) else {
            continue;
        };
        let shown = path.join(archive.folder).join(member.name);
        // A link has its content elsewhere, and a sparse file may say that it is larger than the archive.
        let kind = entry.header().entry_type();
        if !kind.is_file() {
            return Err(Error::malformed(
                &shown,
                "kind of member",
                format!("{kind:?}"),
                "a plain file",
            ));
        }
        member.check_size(&shown, entry.size())?;
        let size = entry.size();
        let content = read_at_most(entry, size).map_err(|e| Error::io(&shown, e))?;
        member.check(&shown, &content)?;
        if members.insert(member.name, content).is_some() {
            return Err(Error::malformed(&shown, "member", "a second one of that name", "one"));
        }
    }
    match archive.members.iter().find(|member| !members.contains_key(member.name)) {
        Some(member) => {
            let name = format!("{}/{}", archive.folder, member.name);
            Err(Error::malformed(
                path,
                "members",
                format!("no `{name}`"),
                format!("`{name}`"),
            ))
        }
        None => Ok(members),
    }
}

fn listed(path: &[u8], archive: &Archive) -> Option<&'static FileInfo> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let name = path.strip_prefix(archive.folder.as_bytes())?.strip_prefix(b"/")?;
    archive.members.iter().find(|member| member.name.as_bytes() == name)
}

/// Unpacks the archive at `path` to its folder under `root`: all of it or nothing.
pub(crate) fn unpack(path: &Path, archive: &Archive, root: &Path) -> Result<(), Error> {
    let bytes = archive.file.read_at(path)?;
    place(&read_members(path, &bytes, archive)?, &root.join(archive.folder))
}

/// Writes the files of a folder: all of them or nothing. If there is such a folder already, they
/// are put into it one by one.
pub(crate) fn place(files: &BTreeMap<&'static str, Vec<u8>>, folder: &Path) -> Result<(), Error> {
    let write_to = |folder: &Path| {
        files
            .iter()
            .try_for_each(|(name, content)| write_atomically(&folder.join(name), content))
    };
    if folder.exists() {
        return write_to(folder);
    }
    let part = part_path(folder);
    let io = |e| Error::io(&part, e);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io)?;
    }
    fs::create_dir_all(&part).map_err(io)?;
    write_to(&part)
        .and_then(|()| fs::rename(&part, folder).map_err(io))
        .inspect_err(|_| {
            // The error that counts is that of the writing.
            let _ = fs::remove_dir_all(&part);
        })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, EntryType, Header};

    use super::*;

    const ARCHIVE: Archive = Archive {
        file: unknown("some.tar.gz"),
        folder: "some",
        members: &[unknown("file")],
    };

    const fn unknown(name: &'static str) -> FileInfo {
        FileInfo {
            name,
            size: None,
            md5: None,
        }
    }

    /// What is wrong with an archive of one member.
    fn message(header: &mut Header) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Builder::new(Vec::new());
        tar.append_data(header, "some/file", std::io::empty()).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        fs::write(ARCHIVE.file.path(folder.path()), gzip.finish().unwrap()).unwrap();
        let error = members(folder.path(), &ARCHIVE).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_member_that_is_no_plain_file_is_an_error() {
        // 512 MB of holes: it would be read as so many zeros.
        let mut sparse = Header::new_gnu();
        sparse.set_size(0);
        sparse.set_entry_type(EntryType::GNUSparse);
        let gnu = sparse.as_gnu_mut().unwrap();
        gnu.realsize = *b"04000000000\0";
        (gnu.sparse[0].offset, gnu.sparse[0].numbytes) = (*b"04000000000\0", *b"00000000000\0");
        assert_eq!(
            message(&mut sparse),
            "some.tar.gz/some/file: kind of member: found GNUSparse, expected a plain file"
        );
        let mut link = Header::new_gnu();
        link.set_size(0);
        link.set_entry_type(EntryType::Symlink);
        link.set_link_name("../elsewhere").unwrap();
        assert_eq!(
            message(&mut link),
            "some.tar.gz/some/file: kind of member: found Symlink, expected a plain file"
        );
    }
}
