use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when results are read or written and figures are made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of results is not what it should be, or was cut off or altered.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        reason: String,
    },
    /// A required column is not in the file.
    #[error("`{}`: expected a column `{column}`, found only: {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
        /// The columns of the file, separated by commas.
        found: String,
    },
    /// A column holds another type than this version writes.
    #[error("`{}`: expected column `{column}` to hold {expected}, found {found}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its type in the file.
        found: String,
        /// Its type in this version.
        expected: &'static str,
    },
    /// Several required columns are not in the file, or hold another type than expected.
    #[error("`{}`: {wrong}; found only: {found}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// What was expected of which columns.
        wrong: String,
        /// The columns of the file, separated by commas.
        found: String,
    },
    /// A column of a score table holds what no such table can have there.
    #[error("`{}`: expected {expected} in column `{column}`, found {found}", path.display())]
    ColumnValue {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// What it holds, and in which row, counted from 0.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// A column that is never null has a null.
    #[error("`{}`: expected a value in column `{column}`, found null in row {row}", path.display())]
    NullValue {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The row, counted from 0.
        row: usize,
    },
    /// A file has columns this version does not know: rewriting it would lose them.
    #[error(
        "cannot add rows to `{}`: found columns unknown to this version, which rewriting would lose: {columns}\n\n\
         hint: update dynaprune, or write to another folder with `--results`",
        path.display()
    )]
    UnknownColumns {
        /// The file.
        path: PathBuf,
        /// The unknown columns, separated by commas.
        columns: String,
    },
    /// There are no finished runs to make files from.
    #[error("no finished runs in `{}`: nothing to make the Parquet files from", folder.join("cells").display())]
    NoCells {
        /// The profile's folder.
        folder: PathBuf,
    },
    /// What was to be stored is not one run.
    #[error("expected the rows of one run, found {found}")]
    NotOneRun {
        /// Rows of `runs.parquet`.
        found: usize,
    },
    /// Parquet could not be encoded.
    #[error("cannot encode `{}` as parquet: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What polars said.
        source: polars::error::PolarsError,
    },
    /// A recipe asks for a kind of figure that does not exist.
    #[error("unknown figure kind `{found}`, expected one of: {expected}")]
    UnknownFigure {
        /// The kind asked for.
        found: String,
        /// The registered kinds, separated by commas.
        expected: String,
    },
    /// None of the planned runs has a result.
    #[error("cannot draw `{figure}`: none of its {planned} planned runs has a result that can be plotted")]
    NothingToDraw {
        /// The figure's name.
        figure: String,
        /// The number of planned runs.
        planned: usize,
    },
    /// What a figure compares has too few results yet.
    #[error("cannot draw `{figure}`: {reason}")]
    NothingToCompare {
        /// The figure's name.
        figure: String,
        /// What is missing.
        reason: String,
    },
    /// A figure relative to full data has no full-data runs.
    #[error(
        "cannot draw `{figure}`: it is relative to full data, and no run of method `full` on `{dataset}` has a result"
    )]
    MissingBaseline {
        /// The figure's name.
        figure: String,
        /// The data set.
        dataset: String,
    },
    /// The settings on a figure's axes are missing, unknown or no numbers.
    #[error("cannot draw `{figure}`: {reason}")]
    Axes {
        /// The figure's name.
        figure: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// Scores cannot be compared with what was given.
    #[error("cannot draw the agreement of scores: {reason}")]
    Agreement {
        /// What was expected.
        reason: String,
    },
    /// The plotting library failed.
    #[error("cannot draw `{}`: {reason}", path.display())]
    Draw {
        /// The picture.
        path: PathBuf,
        /// What plotters or the encoder said.
        reason: String,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
