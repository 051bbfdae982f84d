//! Hugging Face's version: Parquet files with a column `img` of PNG files and columns of labels.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use candle_datasets::hub as candle_hub;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use rayon::prelude::*;

use super::{CHANNELS, Format, PARQUET, PIXELS, Part, Records, SIDE, names, planes_first};
use crate::registry::Archive;
use crate::{Dataset, Error, archive};

/// Reads the two Parquet files in `folder`.
pub(super) fn read_parquet(format: &Format, folder: &Path) -> Result<Dataset, Error> {
    let (test, train) = format.parts.split_last().expect("a format has parts");
    let mut parts = Vec::new();
    for (file, split) in PARQUET.iter().zip([train, std::slice::from_ref(test)]) {
        let path = file.path(folder);
        let reader = File::open(&path).map_err(|e| Error::io(&path, e))?;
        let reader = SerializedFileReader::new(reader).map_err(|e| damaged(&path, e))?;
        parts.extend(read_split(format, split, &path, &reader)?);
    }
    format.assemble(parts)
}

/// Downloads a repository into the cache of the Hugging Face Hub and writes what it holds as the
/// binary version, `archive`'s folder, under `root`.
pub(super) fn from_hub(format: &Format, archive: &Archive, repository: &str, root: &Path) -> Result<(), Error> {
    let failed = |e: candle_hub::Error| Error::Download {
        url: format!("hf://datasets/{repository}"),
        reason: e.to_string(),
        hint: "the official archives hold the same images: fetch without a source".to_owned(),
    };
    let client = hf_hub::HFClientSync::new().map_err(|e| failed(e.into()))?;
    let readers = candle_hub::from_hub(&client, repository.to_owned()).map_err(failed)?;
    write_binary_version(
        format,
        archive,
        Path::new(repository),
        &readers,
        &root.join(archive.folder),
    )
}

/// Writes the records of `readers`, one a split in any order, as the files of the binary version.
pub(super) fn write_binary_version(
    format: &Format,
    archive: &Archive,
    path: &Path,
    readers: &[impl FileReader],
    folder: &Path,
) -> Result<(), Error> {
    let (test, train) = format.parts.split_last().expect("a format has parts");
    let mut contents = Vec::new();
    for split in [train, std::slice::from_ref(test)] {
        let rows: usize = split.iter().map(|part| part.records).sum();
        let reader = readers
            .iter()
            .find(|reader| reader.metadata().file_metadata().num_rows() == rows as i64);
        let reader = reader.ok_or_else(|| {
            Error::malformed(
                path,
                "Parquet files",
                format!("none of {rows} rows"),
                "one for each split",
            )
        })?;
        contents.extend(read_split(format, split, path, reader)?.iter().map(Records::to_binary));
    }
    for file in &archive.members[contents.len()..] {
        let text = |names: &[&str], end: &str| (names.join("\n") + end).into_bytes();
        contents.push(match file.name {
            "batches.meta.txt" => text(names::CIFAR10, "\n\n"),
            "fine_label_names.txt" => text(names::CIFAR100, "\n"),
            _ => text(names::CIFAR100_COARSE, "\n"),
        });
    }
    let mut files = BTreeMap::new();
    for (file, content) in archive.members.iter().zip(contents) {
        file.check(&path.join(file.name), &content)?;
        files.insert(file.name, content);
    }
    archive::place(&files, folder)
}

impl Records {
    /// The content of the binary version's file.
    fn to_binary(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pixels.len() + 2 * self.labels.len());
        for (i, (label, pixels)) in self.labels.iter().zip(self.pixels.chunks_exact(PIXELS)).enumerate() {
            bytes.extend(self.coarse.get(i));
            bytes.push(*label);
            bytes.extend(planes_first(pixels));
        }
        bytes
    }
}

/// Reads a split and cuts it into the official files, in their order.
fn read_split(format: &Format, parts: &[Part], path: &Path, reader: &dyn FileReader) -> Result<Vec<Records>, Error> {
    let mut rest = read_rows(format, parts, path, reader)?;
    let mut found = Vec::new();
    // All files of a split have as many records, so the cuts are the same in any order.
    for part in parts {
        let tail = rest.split_off(part.records);
        found.push(std::mem::replace(&mut rest, tail));
    }
    let mut sums: Vec<Option<String>> = found.par_iter().map(|records| Some(records.md5())).collect();
    let order = parts.iter().map(|part| {
        let matches = |sum: &Option<String>| sum.is_some() && (part.md5.is_none() || sum.as_deref() == part.md5);
        let at = sums.iter().position(matches).ok_or_else(|| {
            let sums: Vec<_> = sums.iter().flatten().cloned().collect();
            let expected = format!("{} among them", part.md5.unwrap_or_default());
            Error::malformed(
                path,
                "MD5 sums of its records in the binary version",
                sums.join(", "),
                expected,
            )
        })?;
        sums[at] = None;
        Ok(at)
    });
    let order = order.collect::<Result<Vec<_>, Error>>()?;
    let mut found: Vec<_> = found.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| found[at].take()).collect())
}

impl Records {
    fn split_off(&mut self, records: usize) -> Self {
        Self {
            coarse: self.coarse.split_off(records.min(self.coarse.len())),
            labels: self.labels.split_off(records),
            pixels: self.pixels.split_off(records * PIXELS),
        }
    }
}

fn read_rows(format: &Format, parts: &[Part], path: &Path, reader: &dyn FileReader) -> Result<Records, Error> {
    let whole = Part {
        records: parts.iter().map(|part| part.records).sum(),
        md5: None,
    };
    let rows = reader.metadata().file_metadata().num_rows();
    if rows != whole.records as i64 {
        return Err(Error::malformed(path, "number of rows", rows, whole.records));
    }
    let mut records = Records {
        coarse: Vec::new(),
        labels: Vec::new(),
        pixels: Vec::new(),
    };
    let mut rows = reader.get_row_iter(None).map_err(|e| damaged(path, e))?;
    for number in 0..whole.records {
        let row = rows
            .next()
            .ok_or_else(|| Error::malformed(path, "rows", number, whole.records))?;
        let row = row.map_err(|e| damaged(path, e))?;
        let place = |column: &str| format!("row {number}, column `{column}`");
        if format.coarse_classes.is_some() {
            records.coarse.push(
                label(&row, "coarse_label").map_err(|(f, e)| Error::malformed(path, place("coarse_label"), f, e))?,
            );
        }
        let column = if format.coarse_classes.is_some() {
            "fine_label"
        } else {
            "label"
        };
        records
            .labels
            .push(label(&row, column).map_err(|(f, e)| Error::malformed(path, place(column), f, e))?);
        records
            .pixels
            .extend(image(&row).map_err(|(f, e)| Error::malformed(path, place("img"), f, e))?);
    }
    format.check(&whole, path, &records)?;
    Ok(records)
}

/// What was found, and what was expected.
type Mismatch = (String, &'static str);

fn field<'a>(row: &'a Row, column: &str) -> Result<&'a Field, Mismatch> {
    let mut columns = row.get_column_iter();
    columns
        .find(|(name, _)| *name == column)
        .map(|(_, field)| field)
        .ok_or(("no such column".to_owned(), "one"))
}

fn label(row: &Row, column: &str) -> Result<u8, Mismatch> {
    match field(row, column)? {
        Field::Long(label) => u8::try_from(*label).map_err(|_| (label.to_string(), "0 to 255")),
        other => Err((other.to_string(), "a 64-bit number")),
    }
}

/// The pixels of the PNG file in the field `bytes` of the column `img`, channels last.
fn image(row: &Row) -> Result<[u8; PIXELS], Mismatch> {
    let Field::Group(group) = field(row, "img")? else {
        return Err(("no group".to_owned(), "a group with the field `bytes`"));
    };
    let Field::Bytes(bytes) = field(group, "bytes")? else {
        return Err(("no bytes".to_owned(), "a PNG file"));
    };
    let limits = png::Limits { bytes: 1 << 20 };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes.data()), limits);
    let not_png = |e: png::DecodingError| (e.to_string(), "a PNG file");
    let mut reader = decoder.read_info().map_err(not_png)?;
    let info = reader.info();
    let found = (
        info.width as usize,
        info.height as usize,
        info.color_type,
        info.bit_depth,
    );
    if found != (SIDE, SIDE, png::ColorType::Rgb, png::BitDepth::Eight) {
        let (width, height, color, depth) = found;
        return Err((
            format!("{width} x {height}, {color:?}, {depth:?}"),
            "32 x 32, Rgb, Eight",
        ));
    }
    let mut pixels = [0; CHANNELS * SIDE * SIDE];
    reader.next_frame(&mut pixels).map_err(not_png)?;
    Ok(pixels)
}

fn damaged(path: &Path, error: ParquetError) -> Error {
    Error::malformed(path, "content", error, "a Parquet file")
}
