//! Rows to and from a Parquet file.
//!
//! The file's metadata holds a sum over each column, [`SUMS`], so that a bit that flipped in a page is noticed. It is left
//! out by other programs that rewrite the file, and then not checked.

mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::{
    ArrowDataType, DataFrame, KeyValueMetadata, ParquetCompression, ParquetReader, ParquetWriter, PolarsResult,
    SerReader as _,
};

use super::columns::{Mismatch, Row};
use crate::Error;

/// The key of the sums in the file's metadata: JSON, an object of column names and the first 16 hexadecimal digits of the
/// BLAKE3 hash of the column's values.
const SUMS: &str = "dynaprune.blake3";

/// A file's rows, and the names of the columns that nobody asked for.
pub(super) struct Contents<R> {
    pub(super) rows: Vec<R>,
    pub(super) unknown_columns: Vec<String>,
}

pub(super) fn read<R: Row>(path: &Path) -> Result<Contents<R>, Error> {
    read_bytes(path, fs::read(path).map_err(Error::read(path))?)
}

/// The rows of a file's `bytes`; `path` is for errors.
pub(super) fn read_bytes<R: Row>(path: &Path, bytes: Vec<u8>) -> Result<Contents<R>, Error> {
    contents(path, &decoded(path, bytes, None)?)
}

/// A file's columns, whatever they are.
pub(super) struct Decoded {
    /// Those that were read.
    pub(super) frame: DataFrame,
    /// The names of all.
    names: Vec<String>,
    /// Columns that were to be read and cannot, with their types.
    pub(super) unread: Vec<(String, String)>,
    /// The sums over the columns that were written with them, if they were.
    pub(super) sums: BTreeMap<String, String>,
}

impl Decoded {
    /// Whether the file has a column of this name, read or not.
    pub(super) fn has(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }

    /// Has a column that lacks, because it could not be read, told by its type.
    fn explain<R: Row>(&self, mismatch: &mut Mismatch) {
        let Mismatch::Missing { column } = *mismatch else {
            return;
        };
        let unread = self.unread.iter().find(|(name, _)| name == column);
        let expected = R::COLUMNS.iter().find(|known| known.name == column);
        if let (Some((_, found)), Some(expected)) = (unread, expected) {
            *mismatch = Mismatch::Type {
                column,
                found: found.clone(),
                expected: expected.kind,
            };
        }
    }
}

/// Which columns to read of a file without sums, by the names of all.
pub(super) type Wanted = fn(&[String]) -> Vec<&'static str>;

/// The columns of a file's `bytes`; `path` is for errors. Of a file without sums only those that `of_others` names are read, if
/// that is given: another program may have any type in the others.
pub(super) fn decoded(path: &Path, bytes: Vec<u8>, of_others: Option<Wanted>) -> Result<Decoded, Error> {
    decode(bytes, of_others).map_err(|reason| damaged(path, reason))
}

/// The rows in a file's columns; `path` is for errors.
pub(super) fn contents<R: Row>(path: &Path, decoded: &Decoded) -> Result<Contents<R>, Error> {
    let (frame, written) = (&decoded.frame, &decoded.sums);
    let rows = R::from_frame(frame).map_err(|mut mismatches| {
        mismatches
            .iter_mut()
            .for_each(|mismatch| decoded.explain::<R>(mismatch));
        mismatched(path, decoded, mismatches)
    })?;
    let sums = if written.is_empty() {
        BTreeMap::new()
    } else {
        R::sums(&rows)
    };
    let is_altered = |column: &&str| written.get(*column).is_some_and(|sum| *sum != sums[*column]);
    if let Some(column) = sums.keys().copied().find(|column| is_altered(column)) {
        let reason = format!("the values of column `{column}` are not those that were written");
        return Err(damaged(path, reason));
    }
    let names = frame.get_column_names().into_iter().map(ToString::to_string);
    let unknown_columns = names
        .filter(|name| R::COLUMNS.iter().all(|column| column.name != name))
        .collect();
    Ok(Contents { rows, unknown_columns })
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        reason,
    }
}

/// The error that says how a file's columns are not as expected: all that are missing or of another type at once.
pub(super) fn mismatched(path: &Path, decoded: &Decoded, mismatches: Vec<Mismatch>) -> Error {
    let path = path.to_owned();
    let found = || decoded.names.join(", ");
    let is_of_columns = |mismatch: &Mismatch| matches!(mismatch, Mismatch::Missing { .. } | Mismatch::Type { .. });
    let (mut columns, values): (Vec<_>, Vec<_>) = mismatches.into_iter().partition(is_of_columns);
    if columns.len() > 1 {
        let wrong = wrong_columns(&columns);
        return Error::Columns {
            path,
            wrong,
            found: found(),
        };
    }
    match columns.pop().or_else(|| values.into_iter().next()) {
        Some(Mismatch::Missing { column }) => Error::MissingColumn {
            path,
            column,
            found: found(),
        },
        Some(Mismatch::Type {
            column,
            found,
            expected,
        }) => Error::ColumnType {
            path,
            column,
            found,
            expected,
        },
        Some(Mismatch::Null { column, row }) => Error::NullValue { path, column, row },
        // Polars trusts the footer, and so gives such columns for some damaged files.
        Some(Mismatch::Length {
            column,
            found,
            expected,
        }) => {
            let reason = format!("expected {expected} values in column `{column}`, found {found}");
            Error::Damaged { path, reason }
        }
        None => Error::Damaged {
            path,
            reason: "its columns cannot be read".to_owned(),
        },
    }
}

/// `expected columns `a` and `b`; expected column `c` to hold float, found double`.
fn wrong_columns(mismatches: &[Mismatch]) -> String {
    let mut missing = Vec::new();
    let mut types = Vec::new();
    for mismatch in mismatches {
        match mismatch {
            Mismatch::Missing { column } => missing.push(format!("`{column}`")),
            Mismatch::Type {
                column,
                found,
                expected,
            } => types.push(format!("expected column `{column}` to hold {expected}, found {found}")),
            Mismatch::Null { .. } | Mismatch::Length { .. } => {}
        }
    }
    let missing = match missing.len() {
        0 => None,
        1 => Some(format!("expected a column {}", missing[0])),
        _ => Some(format!("expected columns {}", missing.join(", "))),
    };
    missing.into_iter().chain(types).collect::<Vec<_>>().join("; ")
}

/// The different texts in a column, of which alone the file is read; none if there is no file.
pub(super) fn texts(path: &Path, column: &str) -> Result<BTreeSet<String>, Error> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        bytes => bytes.map_err(Error::read(path))?,
    };
    let damaged = |reason: String| damaged(path, reason);
    sizes::check(&bytes).map_err(damaged)?;
    let read = || -> PolarsResult<BTreeSet<String>> {
        let reader = ParquetReader::new(Cursor::new(bytes)).with_columns(Some(vec![column.to_owned()]));
        let frame = reader.finish()?;
        let texts = frame.column(column)?.str()?;
        Ok(texts.iter().flatten().map(str::to_owned).collect())
    };
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| damaged("its pages contradict its footer".to_owned()))?
        .map_err(|error| damaged(error.to_string()))
}

/// Replaces the file. The same rows give the same bytes.
pub(super) fn write<R: Row>(path: &Path, rows: &[R]) -> Result<(), Error> {
    dynaprune_files::write(path, &to_bytes(path, rows)?).map_err(Error::write(path))
}

/// The bytes of a file with these rows; `path` is for errors.
pub(super) fn to_bytes<R: Row>(path: &Path, rows: &[R]) -> Result<Vec<u8>, Error> {
    let sums = serde_json::to_value(R::sums(rows)).unwrap_or_default().to_string();
    let metadata = KeyValueMetadata::from_static(vec![(SUMS.to_owned(), sums)]);
    encode(R::to_frame(rows), Some(metadata), path)
}

/// A frame as the bytes of a Parquet file. `path` is for errors.
pub(crate) fn encode(
    frame: PolarsResult<DataFrame>,
    metadata: Option<KeyValueMetadata>,
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    frame
        .and_then(|mut frame| {
            ParquetWriter::new(&mut bytes)
                .with_compression(ParquetCompression::Zstd(None))
                .with_key_value_metadata(metadata)
                .finish(&mut frame)
        })
        .map_err(|source| Error::Encode {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

/// The columns of a file, as [`decoded`], or what is wrong with it.
fn decode(bytes: Vec<u8>, of_others: Option<Wanted>) -> Result<Decoded, String> {
    if bytes.len() < 12 || !bytes.starts_with(b"PAR1") || !bytes.ends_with(b"PAR1") {
        return Err("expected it to begin and end with `PAR1`".to_owned());
    }
    sizes::check(&bytes)?;
    let read = || {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let metadata = reader.get_metadata()?.key_value_metadata().clone();
        let sums = metadata.into_iter().flatten().find(|entry| entry.key == SUMS);
        let schema = reader.schema()?;
        let names: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        let mut unread = Vec::new();
        if let Some(wanted) = of_others.filter(|_| sums.is_none()) {
            let (wanted, mut columns) = (wanted(&names), Vec::new());
            for (name, field) in schema.iter().filter(|(name, _)| wanted.contains(&name.as_str())) {
                match field.dtype() {
                    // Polars has these as an option that nothing else here needs.
                    kind @ (ArrowDataType::Int8
                    | ArrowDataType::Int16
                    | ArrowDataType::UInt8
                    | ArrowDataType::UInt16) => {
                        unread.push((name.to_string(), format!("{kind:?}").to_lowercase()));
                    }
                    _ => columns.push(name.to_string()),
                }
            }
            reader = reader.with_columns(Some(columns));
        }
        Ok::<_, polars::error::PolarsError>((reader.finish()?, names, unread, sums))
    };
    // Polars asserts on some kinds of damage where it could have returned an error.
    let (frame, names, unread, sums) = catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| "its pages contradict its footer".to_owned())?
        .map_err(|error| error.to_string())?;
    let sums = match sums.and_then(|entry| entry.value) {
        None => BTreeMap::new(),
        Some(text) => {
            serde_json::from_str(&text).map_err(|error| format!("the sums of its columns cannot be read: {error}"))?
        }
    };
    Ok(Decoded {
        frame,
        names,
        unread,
        sums,
    })
}
