//! The readers on tiny files that Python tools wrote (`tests/data/make.py`).

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

const TINY10: Format = Format {
    dataset: "cifar10",
    classes: names::CIFAR10,
    coarse_classes: None,
    parts: &[
        Part {
            records: 2,
            md5: Some("912fc505a23a12708eb818e7c05ec46b"),
        },
        Part {
            records: 2,
            md5: Some("1bb82c3a196fe57342485a49f4d266d1"),
        },
        Part {
            records: 1,
            md5: Some("8e2ed2a53d652945f5c9f5aef6cae215"),
        },
    ],
};

const TINY100: Format = Format {
    dataset: "cifar100",
    classes: names::CIFAR100,
    coarse_classes: Some(20),
    parts: &[
        Part {
            records: 2,
            md5: Some("3636cc406108f9d24c63274668edef2e"),
        },
        Part {
            records: 1,
            md5: Some("95978e669103e5c7458f488447d12b62"),
        },
    ],
};

const fn unknown(name: &'static str) -> FileInfo {
    FileInfo {
        name,
        size: None,
        md5: None,
    }
}

const BINARY10: Archive = Archive {
    file: unknown("cifar-10-binary.tar.gz"),
    folder: "cifar-10-batches-bin",
    members: &[
        FileInfo::new("data_batch_1.bin", 6146, "912fc505a23a12708eb818e7c05ec46b"),
        FileInfo::new("data_batch_2.bin", 6146, "1bb82c3a196fe57342485a49f4d266d1"),
        FileInfo::new("test_batch.bin", 3073, "8e2ed2a53d652945f5c9f5aef6cae215"),
    ],
};

const PYTHON10: Archive = Archive {
    file: unknown("cifar-10-python.tar.gz"),
    folder: "cifar-10-batches-py",
    members: &[unknown("data_batch_1"), unknown("data_batch_2"), unknown("test_batch")],
};

const BINARY100: Archive = Archive {
    file: unknown("cifar-100-binary.tar.gz"),
    folder: "cifar-100-binary",
    members: &[unknown("train.bin"), unknown("test.bin")],
};

const PYTHON100: Archive = Archive {
    file: unknown("cifar-100-python.tar.gz"),
    folder: "cifar-100-python",
    members: &[unknown("train"), unknown("test")],
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The definition of the tiny images, as in `make.py`.
fn assert_tiny(dataset: &Dataset, train: &[u16], test: &[u16]) {
    assert_eq!(dataset.train.labels, train);
    assert_eq!(dataset.test.labels, test);
    let images = (0..train.len()).map(|i| dataset.train.image(i));
    let images = images.chain((0..test.len()).map(|i| dataset.test.image(i)));
    for (i, image) in images.enumerate() {
        for (p, &value) in image.iter().enumerate() {
            let p = p % 3 * 1024 + p / 3;
            assert_eq!(usize::from(value), (31 * i + 7 * p + p / 256) % 251);
        }
    }
}

#[test]
fn every_version_gives_the_same_data_set() {
    let binary = TINY10.read_archive(&data(), &BINARY10, read_binary).unwrap();
    assert_tiny(&binary, &[6, 9, 3, 0], &[8]);
    assert_eq!(TINY10.read_archive(&data(), &PYTHON10, pickle::read).unwrap(), binary);

    let binary = TINY100.read_archive(&data(), &BINARY100, read_binary).unwrap();
    assert_tiny(&binary, &[19, 99], &[0]);
    assert_eq!(TINY100.read_archive(&data(), &PYTHON100, pickle::read).unwrap(), binary);
}

#[test]
fn an_unpacked_archive_gives_the_same_data_set() {
    let root = tempfile::tempdir().unwrap();
    archive::unpack(&BINARY10.file.path(&data()), &BINARY10, root.path()).unwrap();
    archive::unpack(&PYTHON10.file.path(&data()), &PYTHON10, root.path()).unwrap();
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(root.path().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(""), ["cifar-10-batches-bin", "cifar-10-batches-py"]);
    assert_eq!(
        names(BINARY10.folder),
        ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
    );

    let read = |archive: &Archive, read| {
        TINY10
            .read_folder(&root.path().join(archive.folder), archive.members, read)
            .unwrap()
    };
    let expected = TINY10.read_archive(&data(), &BINARY10, read_binary).unwrap();
    assert_eq!(read(&BINARY10, read_binary), expected);
    assert_eq!(read(&PYTHON10, pickle::read), expected);
}

/// The tiny file of `archive` called `name`.
fn member(archive: &Archive, name: &str) -> Vec<u8> {
    archive::members(&data(), archive).unwrap().remove(name).unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn damage_to_the_binary_version_is_located() {
    let path = Path::new("b.bin");
    let mut bytes = member(&BINARY10, "data_batch_1.bin");
    bytes[3073] = 10;
    assert_eq!(
        message(read_binary(&TINY10, &TINY10.parts[0], path, &bytes)),
        "b.bin: record 1, label: found 10, expected 0 to 9"
    );
    bytes.pop();
    assert_eq!(
        message(read_binary(&TINY10, &TINY10.parts[0], path, &bytes)),
        "b.bin: size: found 6145 bytes, expected 6146 bytes (2 records of 3073)"
    );
    let mut bytes = member(&BINARY100, "train.bin");
    bytes[0] = 20;
    assert_eq!(
        message(read_binary(&TINY100, &TINY100.parts[0], path, &bytes)),
        "b.bin: record 0, coarse label: found 20, expected 0 to 19"
    );
}

fn read_pickle(bytes: &[u8]) -> Result<Records, Error> {
    pickle::read(&TINY10, &TINY10.parts[0], Path::new("p"), bytes)
}

/// `bytes` with the only occurrence of `from` replaced.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at: Vec<_> = (0..bytes.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert_eq!(at.len(), 1, "{from:?}");
    [&bytes[..at[0]], to, &bytes[at[0] + from.len()..]].concat()
}

#[test]
fn damage_to_the_python_version_is_located() {
    let good = member(&PYTHON10, "data_batch_1");
    let changed = |from: &[u8], to: &[u8]| message(read_pickle(&replaced(&good, from, to)));
    assert_eq!(
        changed(b"U\x06labels", b"U\x06lapels"),
        "p: content: found no key `labels`, expected one"
    );
    assert_eq!(
        changed(b"(K\x06K\te", b"(K\x06K\ne"),
        "p: record 1, label: found 10, expected 0 to 9"
    );
    assert_eq!(
        changed(b"(K\x06K\te", b"(K\x06e"),
        "p: number of labels: found 1, expected 2"
    );
    assert_eq!(
        changed(b"(K\x06K\te", b"(K\x06Ne"),
        "p: `labels`, item 1: found None, expected a whole number"
    );
    assert_eq!(
        changed(b"K\x02M\x00\x0c\x86", b"K\x03M\x00\x0c\x86"),
        "p: `data`, shape: found Some([3, 3072]), expected [2, 3072]"
    );
    assert_eq!(
        changed(b"U\x02u1", b"U\x02i1"),
        "p: `data`, type: found `i1`, expected `u1`"
    );
    assert_eq!(
        changed(b"cnumpy.core.multiarray\n_reconstruct\n", b"cos\nsystem\n"),
        "p: `data`, function: found os.system, expected numpy's `_reconstruct`"
    );
    assert_eq!(
        changed(b"\x80\x02}", b"\x80\x02i"),
        "p: byte 2: found instruction 0x69, expected one that a table of images needs"
    );
    // 2 GiB announced where six bytes follow.
    assert_eq!(
        changed(b"U\x06labels", b"T\xff\xff\xff\x7flabels"),
        format!(
            "p: byte 42: found {} bytes to the end, expected 2147483647 more",
            good.len() + 3 - 42
        )
    );

    let mut pixel = good.clone();
    pixel[1000] ^= 1;
    let message = message(read_pickle(&pixel));
    assert!(
        message.starts_with("p: MD5 sum of its records in the binary version: found "),
        "{message}"
    );
    assert!(
        message.ends_with("expected 912fc505a23a12708eb818e7c05ec46b"),
        "{message}"
    );
}

/// A `.tar.gz` with the members `names`, each of which holds `content`.
fn tar_gz(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        // Written directly: `set_path` refuses names that leave the folder.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_cannot_write_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("root");
    fs::create_dir(&inside).unwrap();
    let path = root.path().join("evil.tar.gz");
    let (one, two, test) = (
        member(&BINARY10, "data_batch_1.bin"),
        member(&BINARY10, "data_batch_2.bin"),
        member(&BINARY10, "test_batch.bin"),
    );
    let evil = tar_gz(&[
        ("../evil", b"x"),
        ("cifar-10-batches-bin/../../evil", b"x"),
        ("cifar-10-batches-bin/evil", b"x"),
        ("cifar-10-batches-bin/data_batch_1.bin", &one),
        ("./cifar-10-batches-bin/data_batch_2.bin", &two),
        ("cifar-10-batches-bin/test_batch.bin", &test),
    ]);
    fs::write(&path, evil).unwrap();
    archive::unpack(&path, &BINARY10, &inside).unwrap();
    let mut found: Vec<_> = [root.path(), &inside, &inside.join(BINARY10.folder)]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "cifar-10-batches-bin",
            "data_batch_1.bin",
            "data_batch_2.bin",
            "evil.tar.gz",
            "root",
            "test_batch.bin"
        ]
    );
}

#[test]
fn an_archive_with_other_content_is_an_error_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.tar.gz");
    let shown = path.display();
    let unpacked = |members: &[(&str, &[u8])]| {
        fs::write(&path, tar_gz(members)).unwrap();
        let message = message(archive::unpack(&path, &BINARY10, root.path()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        message
    };
    let name = "cifar-10-batches-bin/data_batch_1.bin";
    let good = member(&BINARY10, "data_batch_1.bin");
    assert_eq!(
        unpacked(&[(name, &good)]),
        format!(
            "{shown}: members: found no `cifar-10-batches-bin/data_batch_2.bin`, \
             expected `cifar-10-batches-bin/data_batch_2.bin`"
        )
    );
    assert_eq!(
        unpacked(&[(name, &good), (name, &good)]),
        format!("{shown}/{name}: member: found a second one of that name, expected one")
    );
    assert_eq!(
        unpacked(&[(name, b"short")]),
        format!("{shown}/{name}: size: found 5 bytes, expected 6146 bytes")
    );
}

/// A file with some bytes changed and perhaps its end cut off.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 0..4);
    (changes, prop::option::of(0..len)).prop_map(move |(changes, end)| {
        let mut bytes = good.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(end.unwrap_or(len));
        bytes
    })
}

/// The file without its pixels, so that damage hits what is read as instructions or headers.
fn damaged_pickle() -> impl Strategy<Value = Vec<u8>> {
    let good = member(&PYTHON10, "data_batch_1");
    let start = good
        .windows(5)
        .position(|window| window == b"T\x00\x18\x00\x00")
        .unwrap()
        + 5;
    let (head, pixels, tail) = (
        good[..start].to_vec(),
        good[start..][..6144].to_vec(),
        good[start + 6144..].to_vec(),
    );
    (damaged(head.clone()), damaged(tail.clone()), 0..3).prop_map(move |(bad_head, bad_tail, which)| match which {
        0 => [&bad_head, &pixels[..], &tail].concat(),
        1 => [&head, &pixels[..], &bad_tail].concat(),
        _ => [bad_head, bad_tail].concat(),
    })
}

fn damaged_tar() -> impl Strategy<Value = Vec<u8>> {
    let mut tar = Vec::new();
    GzDecoder::new(fs::File::open(BINARY10.file.path(&data())).unwrap())
        .read_to_end(&mut tar)
        .unwrap();
    // Half of the changes hit the first header.
    let first = damaged(tar[..512].to_vec());
    let tail = tar[512..].to_vec();
    prop_oneof![
        damaged(tar),
        first.prop_map(move |first| [first, tail.clone()].concat())
    ]
    .prop_map(|tar| {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut gz, &tar).unwrap();
        gz.finish().unwrap()
    })
}

proptest! {
    /// Whatever reads without an error is the right thing: its MD5 sum was compared.
    #[test]
    fn a_damaged_pickle_is_an_error(bytes in damaged_pickle()) {
        let good = pickle::read(&TINY10, &TINY10.parts[0], Path::new("p"), &member(&PYTHON10, "data_batch_1"));
        if let Ok(records) = read_pickle(&bytes) {
            prop_assert_eq!(records, good.unwrap());
        }
    }

    #[test]
    fn a_damaged_archive_is_an_error(
        bytes in prop_oneof![damaged(fs::read(BINARY10.file.path(&data())).unwrap()), damaged_tar()]
    ) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(BINARY10.file.path(folder.path()), bytes).unwrap();
        if let Ok(members) = archive::members(folder.path(), &BINARY10) {
            prop_assert_eq!(members, archive::members(&data(), &BINARY10).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_pickle(&bytes).is_err());
        prop_assert!(read_binary(&TINY10, &TINY10.parts[0], Path::new("b"), &bytes).is_err());
    }

    #[test]
    fn planes_there_and_back(pixels in prop::collection::vec(any::<u8>(), PIXELS)) {
        let mut back = [0; PIXELS];
        planes_last(&planes_first(&pixels), &mut back);
        prop_assert_eq!(&back[..], &pixels);
    }
}

#[cfg(feature = "hub")]
mod parquet_files {
    use parquet::file::reader::SerializedFileReader;

    use super::*;

    /// A folder with the tiny Parquet files under the names that Hugging Face gives them.
    fn folder(dataset: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, split) in PARQUET.iter().zip(["train", "test"]) {
            fs::copy(
                data().join(format!("{dataset}-{split}.parquet")),
                file.path(folder.path()),
            )
            .unwrap();
        }
        folder
    }

    #[test]
    fn they_give_the_same_data_set_in_the_official_order() {
        let ten = folder("cifar10");
        let expected = TINY10.read_archive(&data(), &BINARY10, read_binary).unwrap();
        assert_eq!(read_parquet(&TINY10, ten.path()).unwrap(), expected);
        let hundred = folder("cifar100");
        let expected = TINY100.read_archive(&data(), &BINARY100, read_binary).unwrap();
        assert_eq!(read_parquet(&TINY100, hundred.path()).unwrap(), expected);
    }

    #[test]
    fn they_are_written_as_the_binary_version() {
        let root = tempfile::tempdir().unwrap();
        let files = ["test", "train"].map(|split| {
            let file = fs::File::open(data().join(format!("cifar10-{split}.parquet"))).unwrap();
            SerializedFileReader::new(file).unwrap()
        });
        hub::write_binary_version(&TINY10, &BINARY10, Path::new("hub"), &files, &root.path().join("out")).unwrap();
        for file in BINARY10.members {
            assert!(file.read(&root.path().join("out")).is_ok());
        }
    }

    #[test]
    fn another_data_set_is_an_error() {
        let hundred = folder("cifar100");
        let message = message(read_parquet(&TINY10, hundred.path()));
        assert!(message.contains("number of rows: found 2, expected 4"), "{message}");
    }

    proptest! {
        #[test]
        fn damage_is_an_error(bytes in damaged(fs::read(data().join("cifar10-train.parquet")).unwrap())) {
            let folder = folder("cifar10");
            let expected = read_parquet(&TINY10, folder.path()).unwrap();
            fs::write(PARQUET[0].path(folder.path()), bytes).unwrap();
            if let Ok(dataset) = read_parquet(&TINY10, folder.path()) {
                prop_assert_eq!(dataset, expected);
            }
        }
    }
}

#[cfg(not(feature = "hub"))]
#[test]
fn parquet_files_say_which_feature_reads_them() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar10/plain_text");
    fs::create_dir_all(&folder).unwrap();
    PARQUET
        .iter()
        .for_each(|file| fs::write(file.path(&folder), "").unwrap());
    let message = message(CIFAR10.load_files(root.path()));
    assert!(
        message.contains("`DYNAPRUNE_FEATURES=hub cargo xtask ...`"),
        "{message}"
    );
}

/// Whoever fetches from the hub gets these files written from the names here.
#[test]
fn the_names_are_those_of_the_official_files() {
    let check = |file: &FileInfo, text: String| file.check(Path::new(file.name), text.as_bytes()).unwrap();
    check(&super::CIFAR10_BINARY.members[6], names::CIFAR10.join("\n") + "\n\n");
    check(&super::CIFAR100_BINARY.members[2], names::CIFAR100.join("\n") + "\n");
    check(
        &super::CIFAR100_BINARY.members[3],
        names::CIFAR100_COARSE.join("\n") + "\n",
    );
}
