use std::fs;
use std::path::Path;

use polars::prelude::{Column, DataType, PolarsResult};

use super::columns::{Mismatch, parquet_name};
use super::parquet::{self, Decoded};
use super::scores::ScoreRow;
use crate::Error;

/// A score table as a file holds it: one that dynaprune made, or one of another program.
///
/// A table that dynaprune made, told by its column `spec_hash`, has all columns of [`ScoreRow`]. One of another program needs
/// two: `sample`, integers, and `score`, numbers, in any order of the rows. `label` (integers), `dataset`,
/// `dataset_checksum`, `scorer`, `variant`, `device` (texts), `threads`, `scoring_seconds` and `scoring_flops` (numbers) are
/// read if they are there; all but `label` hold one value in all rows. Others are ignored.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreFile {
    /// The rows. Those of another program are sorted by sample; what its table does not say is an empty text, a cost of
    /// NaN, and 0 else. A scorer that it does not name is called like the file, without the ending.
    pub rows: Vec<ScoreRow>,
    /// Whether the file says the samples' labels.
    pub has_labels: bool,
    /// Whether the file names its scorer.
    pub names_scorer: bool,
    /// The BLAKE3 hash of the very bytes that the rows were read from, hexadecimal.
    pub hash: String,
}

impl ScoreFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, lacks columns or holds other types in them, which are all named; or if a table of
    /// another program has no value, or an impossible one, in a column that is read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of(path, fs::read(path).map_err(Error::read(path))?)
    }

    /// Reads the `bytes` of a file; `path` names it.
    ///
    /// # Errors
    /// As [`ScoreFile::read`].
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let decoded = parquet::decoded(path, bytes, Some(wanted))?;
        if is_ours(&decoded) {
            return Ok(Self {
                rows: parquet::contents(path, &decoded)?.rows,
                has_labels: true,
                names_scorer: true,
                hash,
            });
        }
        let columns = Columns::of(&decoded).map_err(|wrong| parquet::mismatched(path, &decoded, wrong))?;
        Ok(Self {
            rows: columns.rows(path)?,
            has_labels: columns.label.is_some(),
            names_scorer: columns.scorer.is_some(),
            hash,
        })
    }
}

/// The column by which a table that dynaprune made is told: no other has the hash of a spec.
const OURS: &str = "spec_hash";

/// The columns that are read of another program's table.
const OF_OTHERS: [&str; 11] = [
    "sample",
    "score",
    "label",
    "dataset",
    "dataset_checksum",
    "scorer",
    "variant",
    "device",
    "threads",
    "scoring_seconds",
    "scoring_flops",
];

/// The columns to read of a table without sums. A copy of ours by another program has none; all its columns are read.
fn wanted(names: &[String]) -> Vec<&'static str> {
    match names.iter().any(|name| name == OURS) {
        true => ScoreRow::COLUMNS.iter().map(|column| column.name).collect(),
        false => OF_OTHERS.to_vec(),
    }
}

/// Whether dynaprune made the table.
fn is_ours(decoded: &Decoded) -> bool {
    decoded.has(OURS) || !decoded.sums.is_empty()
}

/// The values of a column, `None` for null.
type Values<T> = Vec<Option<T>>;

/// What is read of a table of another program.
struct Columns {
    sample: Values<i64>,
    score: Values<f64>,
    label: Option<Values<i64>>,
    dataset: Option<Values<String>>,
    dataset_checksum: Option<Values<String>>,
    scorer: Option<Values<String>>,
    variant: Option<Values<String>>,
    device: Option<Values<String>>,
    threads: Option<Values<i64>>,
    scoring_seconds: Option<Values<f64>>,
    scoring_flops: Option<Values<f64>>,
}

impl Columns {
    fn of(decoded: &Decoded) -> Result<Self, Vec<Mismatch>> {
        let mut read = Reader {
            decoded,
            wrong: Vec::new(),
        };
        let columns = Self {
            sample: read.needed("sample", integers),
            score: read.needed("score", numbers),
            label: read.optional("label", integers),
            dataset: read.optional("dataset", texts),
            dataset_checksum: read.optional("dataset_checksum", texts),
            scorer: read.optional("scorer", texts),
            variant: read.optional("variant", texts),
            device: read.optional("device", texts),
            threads: read.optional("threads", integers),
            scoring_seconds: read.optional("scoring_seconds", numbers),
            scoring_flops: read.optional("scoring_flops", numbers),
        };
        // Seconds are those of a device with so many threads.
        if columns.device.is_some() && !decoded.has("threads") {
            read.wrong.push(Mismatch::Missing { column: "threads" });
        }
        match read.wrong.is_empty() {
            true => Ok(columns),
            false => Err(read.wrong),
        }
    }

    /// The rows by ascending sample.
    fn rows(&self, path: &Path) -> Result<Vec<ScoreRow>, Error> {
        let place = Place { path };
        let text = |column, values: &Option<Values<String>>| place.same(column, values).map(Option::unwrap_or_default);
        let cost = |column, values: &Option<Values<f64>>| {
            // A cost that is null is not known. Bits, by which NaN is NaN.
            let bits = |cost: &Option<f64>| cost.filter(|cost| !cost.is_nan()).unwrap_or(f64::NAN).to_bits();
            let bits: Option<Values<u64>> = values
                .as_ref()
                .map(|values| values.iter().map(|cost| Some(bits(cost))).collect());
            let cost = place.same(column, &bits)?.map_or(f64::NAN, f64::from_bits);
            match cost < 0.0 || cost.is_infinite() {
                true => Err(place.wrong(column, format!("{cost}"), "a cost of 0 or more")),
                false => Ok(cost),
            }
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let threads = place.same("threads", &self.threads)?.unwrap_or(0);
        let same = ScoreRow {
            dataset: text("dataset", &self.dataset)?,
            split: "train".to_owned(),
            scorer: place.same("scorer", &self.scorer)?.unwrap_or(stem),
            variant: text("variant", &self.variant)?,
            dataset_checksum: text("dataset_checksum", &self.dataset_checksum)?,
            scoring_seconds: cost("scoring_seconds", &self.scoring_seconds)?,
            scoring_flops: cost("scoring_flops", &self.scoring_flops)?,
            device: text("device", &self.device)?,
            threads: u32::try_from(threads)
                .map_err(|_| place.wrong("threads", threads.to_string(), "a number of threads"))?,
            ..ScoreRow::default()
        };
        let mut rows = Vec::with_capacity(self.sample.len());
        for (row, (&sample, &score)) in self.sample.iter().zip(&self.score).enumerate() {
            let label = match &self.label {
                Some(labels) => place.index("label", row, labels[row])?,
                None => 0,
            };
            rows.push(ScoreRow {
                sample: place.index("sample", row, sample)?,
                label,
                score: place.value("score", row, score)? as f32,
                ..same.clone()
            });
        }
        rows.sort_by_key(|row| row.sample);
        match rows.windows(2).find(|pair| pair[0].sample == pair[1].sample) {
            Some(pair) => Err(place.wrong("sample", format!("{} twice", pair[0].sample), "each sample once")),
            None => Ok(rows),
        }
    }
}

/// The file that errors name.
struct Place<'a> {
    path: &'a Path,
}

impl Place<'_> {
    fn wrong(&self, column: &'static str, found: String, expected: &'static str) -> Error {
        Error::ColumnValue {
            path: self.path.to_owned(),
            column,
            found,
            expected,
        }
    }

    fn value<T>(&self, column: &'static str, row: usize, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::NullValue {
            path: self.path.to_owned(),
            column,
            row,
        })
    }

    /// An index that counts from 0.
    fn index(&self, column: &'static str, row: usize, value: Option<i64>) -> Result<u32, Error> {
        let value = self.value(column, row, value)?;
        u32::try_from(value)
            .map_err(|_| self.wrong(column, format!("{value} in row {row}"), "numbers that count from 0"))
    }

    /// The one value of a column that is the same in all rows; `None` if the column is not there.
    fn same<T: Clone + PartialEq>(&self, column: &'static str, values: &Option<Values<T>>) -> Result<Option<T>, Error> {
        let Some(values) = values else { return Ok(None) };
        let mut first: Option<T> = None;
        for (row, value) in values.iter().enumerate() {
            let value = self.value(column, row, value.clone())?;
            match &first {
                Some(first) if *first != value => {
                    return Err(self.wrong(column, format!("another in row {row}"), "one value in all rows"));
                }
                Some(_) => {}
                None => first = Some(value),
            }
        }
        Ok(first)
    }
}

/// Reads columns, and collects what is wrong with them.
struct Reader<'a> {
    decoded: &'a Decoded,
    wrong: Vec<Mismatch>,
}

/// The values of a column of a kind, or the kind in words.
type Kind<T> = fn(&Column) -> Result<Values<T>, &'static str>;

impl Reader<'_> {
    fn needed<T>(&mut self, name: &'static str, kind: Kind<T>) -> Values<T> {
        if !self.decoded.has(name) {
            self.wrong.push(Mismatch::Missing { column: name });
        }
        self.optional(name, kind).unwrap_or_default()
    }

    fn optional<T>(&mut self, name: &'static str, kind: Kind<T>) -> Option<Values<T>> {
        if let Some((_, found)) = self.decoded.unread.iter().find(|(unread, _)| unread == name) {
            self.wrong.push(Mismatch::Type {
                column: name,
                found: found.clone(),
                expected: "numbers of 32 or 64 bits",
            });
        }
        let frame = &self.decoded.frame;
        let column = frame.column(name).ok()?;
        match kind(column) {
            // Polars trusts the footer, and so gives such columns for some damaged files.
            Ok(values) if values.len() != frame.height() => self.wrong.push(Mismatch::Length {
                column: name,
                found: values.len(),
                expected: frame.height(),
            }),
            Ok(values) => return Some(values),
            Err(expected) => self.wrong.push(Mismatch::Type {
                column: name,
                found: parquet_name(column.dtype()),
                expected,
            }),
        }
        None
    }
}

fn integers(column: &Column) -> Result<Values<i64>, &'static str> {
    let read = || -> PolarsResult<Values<i64>> {
        let column = column.strict_cast(&DataType::Int64)?;
        Ok(column.i64()?.iter().collect())
    };
    let values = column.dtype().is_integer().then(read).and_then(Result::ok);
    values.ok_or("integers")
}

fn numbers(column: &Column) -> Result<Values<f64>, &'static str> {
    let read = || -> PolarsResult<Values<f64>> {
        let column = column.strict_cast(&DataType::Float64)?;
        Ok(column.f64()?.iter().collect())
    };
    let values = column.dtype().is_primitive_numeric().then(read).and_then(Result::ok);
    values.ok_or("numbers")
}

fn texts(column: &Column) -> Result<Values<String>, &'static str> {
    let values = column
        .str()
        .map(|texts| texts.iter().map(|text| text.map(str::to_owned)).collect());
    values.map_err(|_| "string")
}
