//! What can go wrong when a network is built or run.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input does not fit the network.
    #[error("network `{network}`: {reason}")]
    Shape {
        /// The network's name.
        network: String,
        /// What does not fit.
        reason: String,
    },
    /// A batch has more samples than the network was made for, or none.
    #[error("expected a batch of 1 to {capacity} samples, found {samples}")]
    Batch {
        /// The largest batch.
        capacity: usize,
        /// The samples asked for.
        samples: usize,
    },
    /// A batch that was made for another network.
    #[error("expected a batch with room for {expected} numbers, found one made for {found}")]
    OtherBatch {
        /// The numbers of the largest batch of the network's images.
        expected: usize,
        /// The numbers that there is room for.
        found: usize,
    },
    /// A CPU computes in f32 only.
    #[error("a CPU does not compute in {precision:?}: it needs a GPU")]
    Precision {
        /// What was asked for.
        precision: crate::Precision,
    },
    /// A saved state is not one of this network.
    #[error("saved network: expected {expected} numbers `{name}`, found {}", found.map_or("none".to_owned(), |found| found.to_string()))]
    State {
        /// The name of the numbers.
        name: String,
        /// How many there are in the state, if any.
        found: Option<usize>,
        /// How many the network has.
        expected: usize,
    },
    /// candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
