//! What can go wrong, in words that name what was found and what was expected.

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No scorer, or no variant of one, has this name.
    #[error("unknown {what} `{name}`: expected one of {allowed}")]
    Unknown {
        /// What was named.
        what: String,
        /// The name asked for.
        name: String,
        /// The names there are.
        allowed: String,
    },
    /// Two lists that belong together differ in length.
    #[error("the length of {what} is {found}: expected {expected}")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// An index is past the end of the data set.
    #[error("sample index {index} at position {position}: expected an index below {samples}")]
    IndexOutOfRange {
        /// The index.
        index: u32,
        /// Where it stands in the list.
        position: usize,
        /// The number of samples.
        samples: usize,
    },
    /// A label names no class.
    #[error("row {row} has label {label}: expected a label below {classes}")]
    LabelOutOfRange {
        /// The row.
        row: usize,
        /// Its label.
        label: u16,
        /// The number of classes.
        classes: usize,
    },
    /// A row of numbers is not a probability distribution.
    #[error(
        "row {row} is no distribution: its smallest entry is {smallest} and its sum {sum}, expected none below 0 and a sum of 1 (softmax outputs, not logits)"
    )]
    NotProbabilities {
        /// The row.
        row: usize,
        /// Its smallest entry, NaN if it holds NaN.
        smallest: f32,
        /// The sum of its entries.
        sum: f64,
    },
    /// A score that must be a finite number is not.
    #[error("the score of sample {sample} is {found}: expected a finite number")]
    NotFinite {
        /// The sample.
        sample: usize,
        /// Its score.
        found: f32,
    },
    /// A score is NaN, which has no rank.
    #[error("the score of sample {sample} is NaN: expected a number, infinity allowed")]
    Nan {
        /// The sample.
        sample: usize,
    },
    /// A sample was never presented, so nothing is known of it.
    #[error("sample {sample} was not presented in run {run}: expected at least once")]
    NotPresented {
        /// The sample.
        sample: usize,
        /// The scoring run, counted from 0.
        run: usize,
    },
    /// A saved counter holds a status that there is not.
    #[error("the saved status of sample {sample} is {found}: expected 0, 1 or 2")]
    Status {
        /// The sample.
        sample: usize,
        /// Its status.
        found: u8,
    },
    /// There are no scoring runs to combine.
    #[error("no scoring runs: expected at least one")]
    NoRuns,
    /// All scores, or all marks, are equal, so they rank nothing.
    #[error("all are equal: no ranking can be compared")]
    AllEqual,
    /// More samples were asked for than there are.
    #[error("asked for the {k} highest of {samples} scores: expected 1 to {samples}")]
    TopK {
        /// Number asked for.
        k: usize,
        /// Number of scores.
        samples: usize,
    },
    /// A score table belongs to other data.
    #[error("score table `{table}`: {what} is {found}, expected {expected}")]
    TableMismatch {
        /// The table, as scorer, variant and data set.
        table: String,
        /// Which part differs.
        what: &'static str,
        /// What the table says.
        found: String,
        /// What the data set has.
        expected: String,
    },
}

pub(crate) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Length { what, found, expected }),
    }
}

pub(crate) fn check_no_nan(scores: &[f32]) -> Result<(), Error> {
    match scores.iter().position(|score| score.is_nan()) {
        None => Ok(()),
        Some(sample) => Err(Error::Nan { sample }),
    }
}
