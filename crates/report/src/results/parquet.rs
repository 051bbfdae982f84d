//! Rows to and from a Parquet file.

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::{DataFrame, ParquetCompression, ParquetReader, ParquetWriter, PolarsResult, SerReader as _};

use super::columns::{Mismatch, Row};
use crate::{Error, atomic};

/// A file's rows, and the names of the columns that nobody asked for.
pub(super) struct Contents<R> {
    pub(super) rows: Vec<R>,
    pub(super) unknown_columns: Vec<String>,
}

pub(super) fn read<R: Row>(path: &Path) -> Result<Contents<R>, Error> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    let frame = decode(bytes).map_err(|reason| Error::Damaged {
        path: path.to_owned(),
        reason,
    })?;
    let names = || frame.get_column_names().into_iter().map(ToString::to_string);
    let rows = R::from_frame(&frame).map_err(|mismatch| {
        let path = path.to_owned();
        match mismatch {
            Mismatch::Missing { column } => Error::MissingColumn {
                path,
                column,
                found: names().collect::<Vec<_>>().join(", "),
            },
            Mismatch::Type {
                column,
                found,
                expected,
            } => Error::ColumnType {
                path,
                column,
                found,
                expected,
            },
            Mismatch::Null { column, row } => Error::NullValue { path, column, row },
            // Polars trusts the footer, and so gives such columns for some damaged files.
            Mismatch::Length {
                column,
                found,
                expected,
            } => {
                let reason = format!("expected {expected} values in column `{column}`, found {found}");
                Error::Damaged { path, reason }
            }
        }
    })?;
    let unknown_columns = names()
        .filter(|name| R::COLUMNS.iter().all(|column| column.name != name))
        .collect();
    Ok(Contents { rows, unknown_columns })
}

/// Replaces the file. The same rows give the same bytes.
pub(super) fn write<R: Row>(path: &Path, rows: &[R]) -> Result<(), Error> {
    atomic::write(path, &encode(R::to_frame(rows), path)?)
}

/// A frame as the bytes of a Parquet file. `path` is for errors.
pub(crate) fn encode(frame: PolarsResult<DataFrame>, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    frame
        .and_then(|mut frame| {
            ParquetWriter::new(&mut bytes)
                .with_compression(ParquetCompression::Zstd(None))
                .finish(&mut frame)
        })
        .map_err(|source| Error::Encode {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>) -> Result<DataFrame, String> {
    if bytes.len() < 12 || !bytes.starts_with(b"PAR1") || !bytes.ends_with(b"PAR1") {
        return Err("expected it to begin and end with `PAR1`".to_owned());
    }
    // Polars asserts on some kinds of damage where it could have returned an error.
    catch_unwind(AssertUnwindSafe(|| ParquetReader::new(Cursor::new(bytes)).finish()))
        .map_err(|_| "its pages contradict its footer".to_owned())?
        .map_err(|error| error.to_string())
}
