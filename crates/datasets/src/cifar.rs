//! CIFAR-10 and CIFAR-100 (A. Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny
//! Images"; <https://www.cs.toronto.edu/~kriz/cifar.html>).
//!
//! 32 x 32 pixels in red, green and blue; 50,000 training and 10,000 test images. A record of the
//! binary version is the label (CIFAR-100: first the coarse, then the fine one) and 3,072 pixels,
//! plane by plane. The other versions hold the same records in other wrappings, so whatever is read
//! is held against the MD5 sums of the binary version; and as Hugging Face stores CIFAR-10's five
//! training files in another order, they are put back into the official one.

#[cfg(feature = "hub")]
mod hub;
mod names;
mod pickle;
#[cfg(test)]
mod tests;

use std::path::Path;

use md5::{Digest, Md5};
use rayon::prelude::*;

use crate::archive;
use crate::files::{FileInfo, hex};
use crate::registry::{Archive, Download, Layout};
use crate::{Dataset, DatasetInfo, Error, Images};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PLANE: usize = SIDE * SIDE;
const PIXELS: usize = CHANNELS * PLANE;

/// The layouts of a data set, best first: either version, unpacked or as its archive, and the Parquet files of Hugging Face, in
/// either of two folders.
macro_rules! layouts {
    ($format:ident, $binary:ident, $python:ident, $parquet:literal, $repository:literal) => {
        &[
            Layout {
                name: "binary version, unpacked",
                folder: $binary.folder,
                files: $binary.members,
                read: |folder| $format.read_folder(folder, $binary.members, read_binary),
            },
            Layout {
                name: "binary version, official archive",
                folder: "",
                files: &[$binary.file],
                read: |root| $format.read_archive(root, &$binary, read_binary),
            },
            Layout {
                name: "python version, unpacked",
                folder: $python.folder,
                files: $python.members,
                read: |folder| $format.read_folder(folder, $python.members, pickle::read),
            },
            Layout {
                name: "python version, official archive",
                folder: "",
                files: &[$python.file],
                read: |root| $format.read_archive(root, &$python, pickle::read),
            },
            Layout {
                name: "Parquet files of Hugging Face",
                folder: $parquet,
                files: PARQUET,
                read: |folder| read_parquet(&$format, folder),
            },
            Layout {
                name: "Parquet files of Hugging Face, folder of the repository",
                folder: $repository,
                files: PARQUET,
                read: |folder| read_parquet(&$format, folder),
            },
        ]
    };
}

/// The entry of the registry for CIFAR-10.
pub(crate) const CIFAR10: DatasetInfo = DatasetInfo {
    name: CIFAR10_FORMAT.dataset,
    summary: "photographs of 10 kinds of animals and vehicles, 32 x 32 colour",
    classes: 10,
    shape: [SIDE, SIDE, CHANNELS],
    train_samples: 50_000,
    test_samples: 10_000,
    options: &[],
    layouts: layouts!(
        CIFAR10_FORMAT,
        CIFAR10_BINARY,
        CIFAR10_PYTHON,
        "cifar10",
        "cifar10/plain_text"
    ),
    download: Some(Download {
        base_url: BASE_URL,
        folder: "",
        files: &[CIFAR10_BINARY.file],
        archives: &[CIFAR10_BINARY, CIFAR10_PYTHON],
        from_hub: Some(|repository, root| from_hub(&CIFAR10_FORMAT, &CIFAR10_BINARY, repository, root)),
    }),
    load: |root, _| CIFAR10.load_files(root),
};

/// The entry of the registry for CIFAR-100.
pub(crate) const CIFAR100: DatasetInfo = DatasetInfo {
    name: CIFAR100_FORMAT.dataset,
    summary: "photographs of 100 kinds of things (fine labels), 32 x 32 colour",
    classes: 100,
    shape: [SIDE, SIDE, CHANNELS],
    train_samples: 50_000,
    test_samples: 10_000,
    options: &[],
    layouts: layouts!(
        CIFAR100_FORMAT,
        CIFAR100_BINARY,
        CIFAR100_PYTHON,
        "cifar100",
        "cifar100/cifar100"
    ),
    download: Some(Download {
        base_url: BASE_URL,
        folder: "",
        files: &[CIFAR100_BINARY.file],
        archives: &[CIFAR100_BINARY, CIFAR100_PYTHON],
        from_hub: Some(|repository, root| from_hub(&CIFAR100_FORMAT, &CIFAR100_BINARY, repository, root)),
    }),
    load: |root, _| CIFAR100.load_files(root),
};

const BASE_URL: &str = "https://www.cs.toronto.edu/~kriz/";

/// The splits come first, training before test, as in [`Format::parts`].
const CIFAR10_BINARY: Archive = Archive {
    file: FileInfo::new(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c32a1d4ab5d03f1284b67883e8d87530",
    ),
    folder: "cifar-10-batches-bin",
    members: &[
        FileInfo::new("data_batch_1.bin", 30_730_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
        FileInfo::new("data_batch_2.bin", 30_730_000, "5ea93a67294ea407fff1d09f752e9692"),
        FileInfo::new("data_batch_3.bin", 30_730_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
        FileInfo::new("data_batch_4.bin", 30_730_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
        FileInfo::new("data_batch_5.bin", 30_730_000, "53f37980c15c3d472c316c40844f3f0d"),
        FileInfo::new("test_batch.bin", 30_730_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),
        FileInfo::new("batches.meta.txt", 61, "728051cd483f366e254dddb25bead8b3"),
    ],
};

const CIFAR10_PYTHON: Archive = Archive {
    file: FileInfo::new(
        "cifar-10-python.tar.gz",
        170_498_071,
        "c58f30108f718f92721af3b95e74349a",
    ),
    folder: "cifar-10-batches-py",
    members: &[
        python_file("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        python_file("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        python_file("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        python_file("data_batch_4", "634d18415352ddfa80567beed471001a"),
        python_file("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        python_file("test_batch", "40351d587109b95175f43aff81a1287e"),
    ],
};

const CIFAR100_BINARY: Archive = Archive {
    file: FileInfo::new(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "03b5dce01913d631647c71ecec9e9cb8",
    ),
    folder: "cifar-100-binary",
    members: &[
        FileInfo::new("train.bin", 153_700_000, "6172c7755cfe09b2fe270c85cebc1b15"),
        FileInfo::new("test.bin", 30_740_000, "4499cfba6c016c1be1438163640a0898"),
        FileInfo::new("fine_label_names.txt", 725, "b517b835c830bc54413daa4cf904aad9"),
        FileInfo::new("coarse_label_names.txt", 328, "50d7751bb0bc2085059b59e23eb6f789"),
    ],
};

const CIFAR100_PYTHON: Archive = Archive {
    file: FileInfo::new(
        "cifar-100-python.tar.gz",
        169_001_437,
        "eb9058c3a382ffc7106e4002c42a8d85",
    ),
    folder: "cifar-100-python",
    members: &[
        python_file("train", "16019d7e3df5f24257cddd939b257f8d"),
        python_file("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    ],
};

/// The training split, then the test split.
const PARQUET: &[FileInfo] = &[
    FileInfo {
        name: "train-00000-of-00001.parquet",
        size: None,
        md5: None,
    },
    FileInfo {
        name: "test-00000-of-00001.parquet",
        size: None,
        md5: None,
    },
];

const fn python_file(name: &'static str, md5: &'static str) -> FileInfo {
    FileInfo {
        name,
        size: None,
        md5: Some(md5),
    }
}

const CIFAR10_FORMAT: Format = Format {
    dataset: "cifar10",
    classes: names::CIFAR10,
    coarse_classes: None,
    parts: &[
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[0].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[1].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[2].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[3].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[4].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR10_BINARY.members[5].md5,
        },
    ],
};

const CIFAR100_FORMAT: Format = Format {
    dataset: "cifar100",
    classes: names::CIFAR100,
    coarse_classes: Some(20),
    parts: &[
        Part {
            records: 50_000,
            md5: CIFAR100_BINARY.members[0].md5,
        },
        Part {
            records: 10_000,
            md5: CIFAR100_BINARY.members[1].md5,
        },
    ],
};

/// What the versions of a data set have in common.
#[derive(Debug)]
struct Format {
    dataset: &'static str,
    classes: &'static [&'static str],
    /// The number of coarse classes, where records have a coarse label.
    coarse_classes: Option<usize>,
    /// The files in order; the last one is the test split.
    parts: &'static [Part],
}

/// A file of a version.
#[derive(Debug)]
struct Part {
    records: usize,
    /// The MD5 sum of the binary version's file.
    md5: Option<&'static str>,
}

/// The content of one file.
#[derive(Debug, PartialEq)]
struct Records {
    /// Empty where records have no coarse label.
    coarse: Vec<u8>,
    labels: Vec<u8>,
    /// Channels last.
    pixels: Vec<u8>,
}

/// Reads the content of a file of one version; the path is for messages.
type ReadRecords = fn(&Format, &Part, &Path, &[u8]) -> Result<Records, Error>;

impl Format {
    fn read_folder(&self, folder: &Path, files: &[FileInfo], read: ReadRecords) -> Result<Dataset, Error> {
        let read_file = |(part, file): (&Part, &FileInfo)| read(self, part, &file.path(folder), &file.read(folder)?);
        let records = self.parts.iter().zip(files).map(read_file).collect::<Result<_, _>>()?;
        for file in files.iter().skip(self.parts.len()) {
            file.check_file(&file.path(folder))?;
        }
        self.assemble(records)
    }

    fn read_archive(&self, root: &Path, archive: &Archive, read: ReadRecords) -> Result<Dataset, Error> {
        let inside = archive.file.path(root).join(archive.folder);
        let mut contents = archive::members(root, archive)?;
        let records = self
            .parts
            .iter()
            .zip(archive.members)
            .map(|(part, member)| {
                let bytes = contents.remove(member.name).unwrap_or_default();
                read(self, part, &inside.join(member.name), &bytes)
            })
            .collect::<Result<_, _>>()?;
        self.assemble(records)
    }

    fn assemble(&self, mut parts: Vec<Records>) -> Result<Dataset, Error> {
        let test = parts.pop().into_iter().collect();
        let classes = self.classes.iter().map(|&class| class.to_owned()).collect();
        Dataset::new(self.dataset, classes, joined(parts)?, joined(test)?)
    }

    /// Checks labels, number of labels and number of pixels of what was read from `path`, and its
    /// MD5 sum where it is not that of a file already checked.
    fn check(&self, part: &Part, path: &Path, records: &Records) -> Result<(), Error> {
        let coarse = self
            .coarse_classes
            .map(|classes| ("coarse label", &records.coarse, classes));
        let fine = Some(("label", &records.labels, self.classes.len()));
        for (name, labels, classes) in [coarse, fine].into_iter().flatten() {
            if labels.len() != part.records {
                let place = format!("number of {name}s");
                return Err(Error::malformed(path, place, labels.len(), part.records));
            }
            if let Some(i) = labels.iter().position(|&label| usize::from(label) >= classes) {
                let (place, expected) = (format!("record {i}, {name}"), format!("0 to {}", classes - 1));
                return Err(Error::malformed(path, place, labels[i], expected));
            }
        }
        if records.pixels.len() != part.records * PIXELS {
            let expected = part.records * PIXELS;
            return Err(Error::malformed(
                path,
                "number of pixels",
                records.pixels.len(),
                expected,
            ));
        }
        Ok(())
    }

    /// Checks that records that came in another wrapping are those of the binary version.
    fn check_md5(&self, part: &Part, path: &Path, records: &Records) -> Result<(), Error> {
        let found = records.md5();
        match part.md5 {
            Some(expected) if found != expected => Err(Error::malformed(
                path,
                "MD5 sum of its records in the binary version",
                found,
                expected,
            )),
            _ => Ok(()),
        }
    }
}

impl Records {
    /// The MD5 sum of the binary version's file with these records.
    fn md5(&self) -> String {
        let mut hash = Md5::new();
        for (i, (label, pixels)) in self.labels.iter().zip(self.pixels.chunks_exact(PIXELS)).enumerate() {
            if let Some(coarse) = self.coarse.get(i) {
                hash.update([*coarse]);
            }
            hash.update([*label]);
            hash.update(planes_first(pixels));
        }
        hex(&hash.finalize())
    }
}

/// The images in the content of a file of the binary or the python version, of CIFAR-100 if records have a coarse label;
/// no MD5 sum is checked.
pub(crate) fn parse(bytes: &[u8], records: usize, coarse: bool, python: bool) -> Result<Images, Error> {
    let format = if coarse { CIFAR100_FORMAT } else { CIFAR10_FORMAT };
    let read = if python { pickle::read } else { read_binary };
    let part = Part { records, md5: None };
    joined(vec![read(&format, &part, Path::new("bytes"), bytes)?])
}

#[cfg(feature = "hub")]
use hub::{from_hub, read_parquet};

#[cfg(not(feature = "hub"))]
fn read_parquet(_format: &Format, folder: &Path) -> Result<Dataset, Error> {
    Err(Error::NeedsFeature {
        what: format!("reading {}", PARQUET[0].path(folder).display()),
        feature: "hub",
    })
}

#[cfg(not(feature = "hub"))]
fn from_hub(_format: &Format, _archive: &Archive, repository: &str, _root: &Path) -> Result<(), Error> {
    Err(Error::NeedsFeature {
        what: format!("downloading {repository} from Hugging Face"),
        feature: "hub",
    })
}

/// Reads a file of the binary version.
fn read_binary(format: &Format, part: &Part, path: &Path, bytes: &[u8]) -> Result<Records, Error> {
    let labels = 1 + usize::from(format.coarse_classes.is_some());
    let record = labels + PIXELS;
    if bytes.len() != part.records * record {
        let (found, expected) = (bytes.len(), part.records * record);
        let expected = format!("{expected} bytes ({} records of {record})", part.records);
        return Err(Error::malformed(path, "size", format!("{found} bytes"), expected));
    }
    let chunks = bytes.par_chunks_exact(record);
    let mut pixels = vec![0; part.records * PIXELS];
    pixels
        .par_chunks_exact_mut(PIXELS)
        .zip(chunks)
        .for_each(|(out, record)| planes_last(&record[labels..], out));
    let column = |i| bytes.chunks_exact(record).map(|record| record[i]).collect();
    let records = Records {
        coarse: if labels == 2 { column(0) } else { Vec::new() },
        labels: column(labels - 1),
        pixels,
    };
    format.check(part, path, &records)?;
    Ok(records)
}

fn joined(parts: Vec<Records>) -> Result<Images, Error> {
    let labels = parts
        .iter()
        .flat_map(|part| &part.labels)
        .map(|&label| u16::from(label))
        .collect();
    let pixels: Vec<Vec<u8>> = parts.into_iter().map(|part| part.pixels).collect();
    Images::new([SIDE, SIDE, CHANNELS], pixels.concat(), labels)
}

/// Red, green and blue planes become pixels of three values.
fn planes_last(planes: &[u8], out: &mut [u8]) {
    for (i, pixel) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
        *pixel = [planes[i], planes[PLANE + i], planes[2 * PLANE + i]];
    }
}

/// The opposite of [`planes_last`].
fn planes_first(pixels: &[u8]) -> [u8; PIXELS] {
    let mut planes = [0; PIXELS];
    for (i, pixel) in pixels.as_chunks::<CHANNELS>().0.iter().enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            planes[channel * PLANE + i] = value;
        }
    }
    planes
}
