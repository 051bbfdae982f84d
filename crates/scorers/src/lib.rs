//! Static scores: how much each sample of a data set matters, measured once, before training.
//!
//! A scorer gives one `f32` for each sample, larger for a sample that is worth more; keeping the K
//! highest is the method `static` of `dynaprune_selectors`. The scorers here take what a training
//! run or a data set has to offer (which samples were classified correctly, probabilities, pixels)
//! and know nothing of networks, so they can be called from any loop.
//!
//! | scorer | score of a sample |
//! |---|---|
//! | [`forget`] | how often training lost it again after it had been classified correctly |
//! | [`el2n`] | length of the error vector, softmax minus one-hot |
//! | [`grand`] | length of the gradient of its loss |
//! | [`random`] | a random number: the control that any score must beat |
//! | [`input_norm`] | length of the input vector: a control that needs no network |
//!
//! [`SCORERS`] lists them with their options: implementations of one score in the field disagree,
//! so each way to count is a named option, and the default is the original definition. A new scorer
//! is one new file and one line in the list, and a case in `dynaprune-train`, which measures it.
//!
//! Scores travel as a [`ScoreTable`], which knows the data they belong to. [`spearman`] and
//! [`top_k_overlap`] say how far two of them agree, [`auc`] how well one finds samples that are known
//! to be hard.
//!
//! ```
//! use dynaprune_scorers::forget::{ForgetCounter, NeverLearned, forget_scores};
//!
//! // Three samples over four epochs: learnt for good, learnt and lost twice, never learnt.
//! let mut counter = ForgetCounter::new(3);
//! for correct in [[false, true, false], [true, false, false], [true, true, false], [true, false, false]] {
//!     counter.observe(&[0, 1, 2], &correct)?;
//! }
//! assert_eq!(forget_scores(&[counter], NeverLearned::Infinity)?, [0.0, 2.0, f32::INFINITY]);
//! # Ok::<(), dynaprune_scorers::Error>(())
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod agreement;
pub mod el2n;
mod error;
pub mod forget;
pub mod grand;
pub mod input_norm;
pub mod random;
mod registry;
mod runs;
mod table;

pub use agreement::{auc, spearman, top_k_overlap};
pub use error::Error;
pub use registry::{Needs, OptionInfo, OptionKind, SCORERS, ScorerInfo, scorer};
pub use runs::MeanOverRuns;
pub use table::ScoreTable;
