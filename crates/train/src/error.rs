//! What can go wrong in a run.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cell names a network that is not registered.
    #[error("unknown network `{name}`, expected one of: {known}")]
    UnknownModel {
        /// The name in the cell.
        name: String,
        /// The registered names.
        known: String,
    },
    /// An option of the cell has another type than its user expects.
    #[error("option `{option}` of `{name}`: {reason}")]
    Option {
        /// Whose option it is.
        name: String,
        /// The option.
        option: String,
        /// What is wrong.
        reason: String,
    },
    /// The cell does not fit the data set.
    #[error("data set `{dataset}`: {reason}")]
    Dataset {
        /// The data set's name.
        dataset: String,
        /// What does not fit.
        reason: String,
    },
    /// The network could not be built or run.
    #[error(transparent)]
    Model(#[from] dynaprune_models::Error),
    /// The selector refused an observation or a selection.
    #[error(transparent)]
    Selector(#[from] dynaprune_selectors::Error),
    /// candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
