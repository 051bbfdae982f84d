//! Errors that point at the place.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// A place in a spec is wrong.
    #[error("{0}")]
    Spec(Box<Place>),
    /// A cell's JSON, as stored with a result, cannot be read.
    #[error("not a cell's JSON: {0}")]
    Json(String),
    /// An option is not there, or of another type than its reader expects.
    #[error("option `{name}` of `{owner}`: expected {expected}, found {found}")]
    Option {
        /// Whose option it is.
        owner: String,
        /// The option.
        name: String,
        /// What the reader expects.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The source line.
    pub text: String,
    /// Characters the caret underlines, at least 1.
    pub width: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}", self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.path.display(), self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.text)?;
        write!(
            f,
            "{margin} | {}{}",
            " ".repeat(self.column - 1),
            "^".repeat(self.width)
        )?;
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A spec's text with its name.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                path: path.to_owned(),
                text,
            }),
            Err(e) => Err(Error::Read {
                path: path.to_owned(),
                reason: e.to_string(),
            }),
        }
    }

    /// An error at the bytes `span`.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Error {
        let clamp = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (clamp(span.start), clamp(span.end));
        let line_start = self.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[line_start..]
            .find('\n')
            .map_or(self.text.len(), |i| line_start + i);
        let text = self.text[line_start..line_end]
            .trim_end_matches('\r')
            .replace('\t', " ");
        let width = self.text[start..end.min(line_end).max(start)].chars().count().max(1);
        Error::Spec(Box::new(Place {
            path: self.path.clone(),
            line: self.text[..line_start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text,
            width,
            message: message.into(),
            hint,
        }))
    }
}

/// `a`, `b` and `c` for a message.
pub(crate) fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names.into_iter().map(|n| format!("`{}`", n.as_ref())).collect();
    names.join(", ")
}

/// "did you mean `x`?" for the name nearest to `found`, if one is near.
pub(crate) fn suggestion<S: AsRef<str>>(found: &str, names: impl IntoIterator<Item = S>) -> Option<String> {
    let near = names
        .into_iter()
        .map(|n| (distance(found, n.as_ref()), n.as_ref().to_owned()))
        .min()?;
    (near.0 <= 1 + found.chars().count() / 4).then(|| format!("did you mean `{}`?", near.1))
}

/// The edits between two names: insertions, deletions, replacements and swaps of neighbours (optimal
/// string alignment); `-`, `_` and case do not count.
fn distance(a: &str, b: &str) -> usize {
    let plain = |s: &str| -> Vec<char> {
        s.chars()
            .map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() })
            .collect()
    };
    let (a, b) = (plain(a), plain(b));
    // Row i holds the edits from the first i characters of `a` to each beginning of `b`.
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = rows[i][j] + usize::from(a[i] != b[j]);
            let mut edits = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                edits = edits.min(rows[i - 1][j - 1] + 1);
            }
            row.push(edits);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
