//! What the bench and its workers say to each other: one JSON object a line, each request answered by one reply.
//!
//! Our worker is `worker.rs`, the peer's is `peer.py`, which the documentation of the fields is also for.

use super::cases::Work;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// What a worker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub(super) enum Request {
    /// The first: start the threads, note the memory in use, build the work and warm up.
    Start {
        work: Work,
        threads: NonZeroUsize,
        /// For at least so many seconds, and at least 3 steps.
        warm_up: f64,
    },
    /// A round: do the work again and again for about so many seconds, and at least 3 times.
    Run { seconds: f64 },
    /// The last.
    Finish,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(super) enum Reply {
    /// To `Start`.
    Ready {
        /// What computes, with its version.
        program: String,
        /// How it was set, where it had a choice.
        setting: Option<String>,
        /// Numbers that a network learns: both sides must have the same.
        parameters: Option<u64>,
    },
    /// To `Run`.
    Ran {
        steps: u64,
        /// The median.
        seconds_per_step: f64,
    },
    /// To `Finish`.
    Finished {
        /// Bytes that were resident at the peak beyond those before the work was built; `None` where the system
        /// does not tell.
        peak_memory: Option<u64>,
    },
    /// To anything; the worker ends.
    Failed { message: String },
}
