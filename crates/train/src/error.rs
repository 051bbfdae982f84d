//! What can go wrong in a run.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// Measurements of different training runs were asked for at once.
    #[error("measurements of different scoring runs cannot be made together")]
    OtherRun,
    /// The loss of a scoring run stopped being a number.
    #[error("the scoring run with seed {seed} diverged in epoch {epoch}: its scores mean nothing")]
    Diverged {
        /// The run's seed.
        seed: u64,
        /// The epoch, counted from 1.
        epoch: u32,
    },
    /// The run was asked to stop, and has kept its state.
    #[error("stopped as asked, after {epoch} epochs and {step} steps of the next; the state was kept")]
    Stopped {
        /// Finished epochs.
        epoch: u32,
        /// Finished steps of the epoch after them.
        step: u64,
    },
    /// A kept state does not fit the run.
    #[error("kept state: expected {expected} as `{what}`, found {found}")]
    Snapshot {
        /// Which part.
        what: String,
        /// What the state holds.
        found: String,
        /// What the run needs.
        expected: String,
    },
    /// A checkpoint could not be written or read.
    #[error("checkpoint `{}`: {reason}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A scorer refused what it was given.
    #[error(transparent)]
    Scorer(#[from] dynaprune_scorers::Error),
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
