//! MNIST (Y. LeCun, C. Cortes, C. Burges) and Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf 2017):
//! 28 x 28 grey pixels, 60,000 training and 10,000 test images, in IDX files, plain or gzipped.
//!
//! An IDX file is two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of
//! dimensions, each dimension as a big-endian 32-bit number, and the values, the last dimension
//! running fastest.

use std::path::Path;

use flate2::read::GzDecoder;

use crate::files::{FileInfo, LARGEST_FILE, read_at_most};
use crate::registry::{Download, Layout};
use crate::{Dataset, DatasetInfo, Error, Images};

const SIDE: usize = 28;
const TRAIN: usize = 60_000;
const TEST: usize = 10_000;

/// The entry of the registry for MNIST.
pub(crate) const MNIST: DatasetInfo = DatasetInfo {
    name: "mnist",
    summary: "handwritten digits, 28 x 28 grey",
    classes: 10,
    shape: [SIDE, SIDE, 1],
    train_samples: TRAIN,
    test_samples: TEST,
    options: &[],
    layouts: &[
        Layout {
            name: "IDX files, gzipped",
            folder: "mnist",
            files: MNIST_GZ,
            read: |folder| read(MNIST.name, MNIST_CLASSES, folder, MNIST_GZ, [TRAIN, TEST]),
        },
        Layout {
            name: "IDX files",
            folder: "mnist",
            files: PLAIN,
            read: |folder| read(MNIST.name, MNIST_CLASSES, folder, PLAIN, [TRAIN, TEST]),
        },
    ],
    download: Some(Download {
        base_url: "https://ossci-datasets.s3.amazonaws.com/mnist/",
        folder: "mnist",
        files: MNIST_GZ,
        archives: &[],
        from_hub: None,
    }),
    load: |root, _| MNIST.load_files(root),
};

/// The entry of the registry for Fashion-MNIST.
pub(crate) const FASHION_MNIST: DatasetInfo = DatasetInfo {
    name: "fashion-mnist",
    summary: "pieces of clothing, 28 x 28 grey",
    classes: 10,
    shape: [SIDE, SIDE, 1],
    train_samples: TRAIN,
    test_samples: TEST,
    options: &[],
    layouts: &[
        Layout {
            name: "IDX files, gzipped",
            folder: "fashion-mnist",
            files: FASHION_GZ,
            read: |folder| read(FASHION_MNIST.name, FASHION_CLASSES, folder, FASHION_GZ, [TRAIN, TEST]),
        },
        Layout {
            name: "IDX files",
            folder: "fashion-mnist",
            files: PLAIN,
            read: |folder| read(FASHION_MNIST.name, FASHION_CLASSES, folder, PLAIN, [TRAIN, TEST]),
        },
    ],
    download: Some(Download {
        base_url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        folder: "fashion-mnist",
        files: FASHION_GZ,
        archives: &[],
        from_hub: None,
    }),
    load: |root, _| FASHION_MNIST.load_files(root),
};

const MNIST_CLASSES: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const FASHION_CLASSES: &[&str] = &[
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// Images and labels of the training split, then of the test split.
const MNIST_GZ: &[FileInfo] = &[
    FileInfo::new(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    FileInfo::new("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    FileInfo::new(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    FileInfo::new("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
];

/// Likewise.
const FASHION_GZ: &[FileInfo] = &[
    FileInfo::new(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ),
    FileInfo::new("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    FileInfo::new(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "bef4ecab320f06d8554ea6380940ec79",
    ),
    FileInfo::new("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
];

/// The same, unpacked; no MD5 sums of these are published.
const PLAIN: &[FileInfo] = &[
    FileInfo {
        name: "train-images-idx3-ubyte",
        size: Some(47_040_016),
        md5: None,
    },
    FileInfo {
        name: "train-labels-idx1-ubyte",
        size: Some(60_008),
        md5: None,
    },
    FileInfo {
        name: "t10k-images-idx3-ubyte",
        size: Some(7_840_016),
        md5: None,
    },
    FileInfo {
        name: "t10k-labels-idx1-ubyte",
        size: Some(10_008),
        md5: None,
    },
];

fn read(
    name: &str,
    classes: &[&str],
    folder: &Path,
    files: &[FileInfo],
    samples: [usize; 2],
) -> Result<Dataset, Error> {
    let mut splits = Vec::new();
    for (pair, samples) in files.chunks_exact(2).zip(samples) {
        let pixels = read_idx(folder, &pair[0], &[samples, SIDE, SIDE])?;
        let labels = read_idx(folder, &pair[1], &[samples])?;
        if let Some(i) = labels.iter().position(|&label| usize::from(label) >= classes.len()) {
            let expected = format!("0 to {}", classes.len() - 1);
            return Err(Error::malformed(
                &pair[1].path(folder),
                format!("label {i}"),
                labels[i],
                expected,
            ));
        }
        let labels = labels.into_iter().map(u16::from).collect();
        splits.push(Images::new([SIDE, SIDE, 1], pixels, labels)?);
    }
    let mut splits = splits.into_iter();
    let (Some(train), Some(test)) = (splits.next(), splits.next()) else {
        return Err(Error::invalid("files", files.len(), 4));
    };
    Dataset::new(
        name,
        classes.iter().map(|&class| class.to_owned()).collect(),
        train,
        test,
    )
}

fn read_idx(folder: &Path, file: &FileInfo, shape: &[usize]) -> Result<Vec<u8>, Error> {
    parse_file(&file.path(folder), file.read(folder)?, shape)
}

/// The values of an IDX file, gzipped if the name in `path` says so.
pub(crate) fn parse_file(path: &Path, bytes: Vec<u8>, shape: &[usize]) -> Result<Vec<u8>, Error> {
    if path.extension().is_none_or(|ending| ending != "gz") {
        return parse_idx(path, bytes, shape);
    }
    let unpacked = read_at_most(GzDecoder::new(bytes.as_slice()), LARGEST_FILE).map_err(|e| Error::io(path, e))?;
    parse_idx(path, unpacked, shape)
}

/// The values of an IDX file of unsigned bytes that must have dimensions `shape`.
fn parse_idx(path: &Path, mut bytes: Vec<u8>, shape: &[usize]) -> Result<Vec<u8>, Error> {
    let header_len = 4 * (1 + shape.len());
    let Some(header) = bytes.get(..header_len) else {
        let found = format!("{} bytes", bytes.len());
        return Err(Error::malformed(path, "header", found, format!("{header_len} bytes")));
    };
    let words: Vec<usize> = header
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&word| u32::from_be_bytes(word) as usize)
        .collect();
    let magic = 0x800 + shape.len();
    if words[0] != magic {
        let found = format!("{:#010x}", words[0]);
        return Err(Error::malformed(
            path,
            "byte 0, magic number",
            found,
            format!("{magic:#010x}"),
        ));
    }
    for (i, (&found, &expected)) in words[1..].iter().zip(shape).enumerate() {
        if found != expected {
            let place = format!("byte {}, dimension {i}", 4 * (i + 1));
            return Err(Error::malformed(path, place, found, expected));
        }
    }
    let expected = header_len + shape.iter().product::<usize>();
    if bytes.len() != expected {
        let found = format!("{} bytes", bytes.len());
        return Err(Error::malformed(path, "size", found, format!("{expected} bytes")));
    }
    bytes.drain(..header_len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Python: struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12))
    const IMAGES: &[u8] = b"\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x03\
                            \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b";

    const TINY: [usize; 2] = [3, 2];

    /// Three training and two test images under the official names, plain or gzipped.
    fn write_tiny(folder: &Path, gz: bool, last_label: u8) -> Vec<FileInfo> {
        let images = |count: u8| {
            let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28];
            bytes.extend((0..u32::from(count) * 784).map(|i| (i % 253) as u8));
            bytes
        };
        let labels = |labels: &[u8]| [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8], labels].concat();
        let contents = [images(3), labels(&[7, 0, 9]), images(2), labels(&[1, last_label])];
        let names = if gz { MNIST_GZ } else { PLAIN };
        let write = |(file, content): (&FileInfo, Vec<u8>)| {
            let mut out = fs::File::create(file.path(folder)).unwrap();
            if gz {
                GzEncoder::new(out, Compression::fast()).write_all(&content).unwrap();
            } else {
                out.write_all(&content).unwrap();
            }
            FileInfo {
                size: None,
                md5: None,
                ..*file
            }
        };
        names.iter().zip(contents).map(write).collect()
    }

    #[test]
    fn plain_and_gzipped_files_give_the_same_data_set() {
        let folder = tempfile::tempdir().unwrap();
        let load = |gz| {
            let files = write_tiny(folder.path(), gz, 2);
            read("mnist", MNIST_CLASSES, folder.path(), &files, TINY).unwrap()
        };
        let plain = load(false);
        assert_eq!(plain, load(true));
        assert_eq!(
            (&plain.train.labels[..], &plain.test.labels[..]),
            (&[7, 0, 9][..], &[1, 2][..])
        );
        assert_eq!(plain.train.image(1)[0], (784 % 253) as u8);
        assert_eq!(plain.test.shape(), [28, 28, 1]);
    }

    #[test]
    fn damage_is_located() {
        let message = |bytes: &[u8], shape: &[usize]| {
            parse_idx(Path::new("i"), bytes.to_vec(), shape)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            parse_idx(Path::new("i"), IMAGES.to_vec(), &[2, 2, 3]).unwrap(),
            (0..12).collect::<Vec<u8>>()
        );
        assert_eq!(
            message(IMAGES, &[2, 3, 3]),
            "i: byte 8, dimension 1: found 2, expected 3"
        );
        assert_eq!(
            message(IMAGES, &[2]),
            "i: byte 0, magic number: found 0x00000803, expected 0x00000801"
        );
        assert_eq!(
            message(&IMAGES[..27], &[2, 2, 3]),
            "i: size: found 27 bytes, expected 28 bytes"
        );
        assert_eq!(
            message(&IMAGES[..9], &[2, 2, 3]),
            "i: header: found 9 bytes, expected 16 bytes"
        );

        let folder = tempfile::tempdir().unwrap();
        let files = write_tiny(folder.path(), false, 10);
        let message = read("mnist", MNIST_CLASSES, folder.path(), &files, TINY)
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("t10k-labels-idx1-ubyte: label 1: found 10, expected 0 to 9"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn damaged_files_are_read_or_refused(
            at in 0..IMAGES.len(),
            value: u8,
            end in 0..=IMAGES.len(),
        ) {
            let mut bytes = IMAGES.to_vec();
            bytes[at] = value;
            bytes.truncate(end);
            let parsed = parse_idx(Path::new("i"), bytes.clone(), &[2, 2, 3]);
            prop_assert_eq!(parsed.is_ok(), end == IMAGES.len() && bytes[..16] == IMAGES[..16]);
        }

        #[test]
        fn damaged_gzip_is_an_error(at in 0usize..1000, value: u8, end in 0usize..1000) {
            let folder = tempfile::tempdir().unwrap();
            let files = write_tiny(folder.path(), true, 2);
            let path = files[1].path(folder.path());
            let mut bytes = fs::read(&path).unwrap();
            let good = read_idx(folder.path(), &files[1], &[3]).unwrap();
            let len = bytes.len();
            bytes[at % len] = value;
            bytes.truncate(len - end % len);
            fs::write(&path, bytes).unwrap();
            if let Ok(labels) = read_idx(folder.path(), &files[1], &[3]) {
                prop_assert_eq!(labels, good);
            }
        }
    }
}
