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
    let path = file.path(folder);
    let bytes = file.read(folder)?;
    if !file.name.ends_with(".gz") {
        return parse_idx(&path, bytes, shape);
    }
    let unpacked = read_at_most(GzDecoder::new(bytes.as_slice()), LARGEST_FILE).map_err(|e| Error::io(&path, e))?;
    parse_idx(&path, unpacked, shape)
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
