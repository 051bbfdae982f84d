//! Archives, `.tar.gz`: what is unpacked is all of the listed members or nothing, and nothing is written outside of the
//! archive's folder.
//!
//! An input is a tar; it is compressed here, as no fuzzer would get past the sums of gzip. Inputs that begin with the bytes
//! of gzip are taken as they are.
#![no_main]

use std::fs;
use std::path::Path;

use dynaprune_datasets::{Archive, FileInfo, parsers};
use dynaprune_fuzz::scratch;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use std::io::Write as _;

/// One file of a known size, one of any size.
const ARCHIVE: Archive = Archive {
    file: unknown("some.tar.gz"),
    folder: "some",
    members: &[
        FileInfo {
            name: "first",
            size: Some(4),
            md5: None,
        },
        unknown("second"),
    ],
};

const fn unknown(name: &'static str) -> FileInfo {
    FileInfo {
        name,
        size: None,
        md5: None,
    }
}

fuzz_target!(|input: &[u8]| {
    let outside = scratch();
    let path = outside.path().join(ARCHIVE.file.name);
    let bytes = if input.starts_with(&[0x1f, 0x8b]) {
        input.to_vec()
    } else {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(input).expect("memory for the input");
        encoder.finish().expect("memory for the input")
    };
    fs::write(&path, bytes).expect("room for the input");
    let root = outside.path().join("root");
    fs::create_dir(&root).expect("room for a folder");

    let unpacked = parsers::unpack(&path, &ARCHIVE, &root);
    assert_eq!(names(outside.path()), ["root", "some.tar.gz"]);
    match unpacked {
        Ok(()) => {
            assert_eq!(names(&root), ["some"]);
            assert_eq!(names(&root.join("some")), ["first", "second"]);
            let size = |name: &str| {
                let file = fs::symlink_metadata(root.join("some").join(name)).expect("a member");
                assert!(file.is_file());
                file.len()
            };
            assert_eq!(size("first"), 4);
            // Stored in the archive as it is, so no larger than that.
            assert!(input[0] == 0x1f || size("second") <= input.len() as u64);
        }
        Err(_) => assert_eq!(names(&root), [""; 0]),
    }
});

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder");
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}
