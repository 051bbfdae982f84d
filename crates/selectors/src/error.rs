//! What can go wrong, in words that name what was found and what was expected.

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No method of this name is registered.
    #[error("unknown method `{name}`: expected one of {allowed}")]
    UnknownMethod {
        /// The name asked for.
        name: String,
        /// The registered names.
        allowed: String,
    },
    /// The method has no such option.
    #[error("method `{method}` has no option `{option}`: expected {allowed}")]
    UnknownOption {
        /// The method's name.
        method: &'static str,
        /// The option's name.
        option: String,
        /// The options it has.
        allowed: String,
    },
    /// An option has a value of another kind, or one out of range.
    #[error("option `{option}` of method `{method}` is `{found}`: expected {expected}")]
    OptionValue {
        /// The method's name.
        method: &'static str,
        /// The option's name.
        option: &'static str,
        /// The value given.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// The number of samples cannot be indexed by `u32`, or is zero.
    #[error("the data set has {found} samples: expected 1 to 4294967295")]
    Samples {
        /// The number given.
        found: usize,
    },
    /// The weight of the exponential moving average is not in (0, 1].
    #[error("`ema_weight` is {found}: expected a number above 0 and at most 1")]
    EmaWeight {
        /// The weight given.
        found: f64,
    },
    /// A per-sample table has another length than the data set.
    #[error("{table} have {found} entries: expected one for each of the {samples} samples")]
    TableLength {
        /// Which table: `labels` or `static scores`.
        table: &'static str,
        /// Its length.
        found: usize,
        /// The number of samples.
        samples: usize,
    },
    /// The method ranks by a score table and got none.
    #[error("method `{method}` ranks samples by a score table: `static_scores` is missing")]
    MissingScores {
        /// The method's name.
        method: &'static str,
    },
    /// A score table holds NaN, which has no rank.
    #[error("the static score of sample {sample} is NaN: expected a number, infinity allowed")]
    NanScore {
        /// The first such sample.
        sample: usize,
    },
    /// `observe` got lists of different lengths.
    #[error("observed {scores} scores for {indices} sample indices: expected as many")]
    ObservedLengths {
        /// Number of indices.
        indices: usize,
        /// Number of scores.
        scores: usize,
    },
    /// `observe` got an index past the end of the data set.
    #[error("observed sample index {index} at position {position}: expected an index below {samples}")]
    IndexOutOfRange {
        /// The index.
        index: u32,
        /// Where it stands in the list.
        position: usize,
        /// The number of samples.
        samples: usize,
    },
    /// More samples were asked for than there are.
    #[error("asked to select {k} of {samples} samples: expected at most {samples}")]
    TooMany {
        /// Number asked for.
        k: usize,
        /// The number of samples.
        samples: usize,
    },
    /// `full` was asked for a part of the data set.
    #[error("method `full` selects every sample: asked for {k}, expected {samples}")]
    NotAll {
        /// Number asked for.
        k: usize,
        /// The number of samples.
        samples: usize,
    },
    /// A state does not fit the selector it is restored into.
    #[error("saved selector state: {what} is {found}, expected {expected}")]
    State {
        /// Which part of the state.
        what: String,
        /// What the state holds.
        found: String,
        /// What the selector needs.
        expected: String,
    },
}
