//! What to train on next: dynamic data selectors for any training loop.
//!
//! A selector is told the scores of samples as a training run sees them ([`Selector::observe`]) and
//! says which K of the N samples to train on until it is asked again ([`Selector::select`]). It
//! knows nothing of networks or tensors: a score is a number, larger for a sample that is worth
//! more, usually its loss.
//!
//! # In a loop of one's own
//! The crate stands in a workspace beside others and needs none of candle:
//! `dynaprune-selectors = { path = "dynaprune/crates/selectors" }`.
//!
//! ```
//! use dynaprune_random::{Purpose, Stream};
//! use dynaprune_selectors::{Options, Setup, method};
//!
//! // Samples y = 3 x, learnt by a model with one weight.
//! let xs: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0).collect();
//! let loss = |weight: f32, i: u32| (weight * xs[i as usize] - 3.0 * xs[i as usize]).powi(2);
//!
//! let setup = Setup { samples: xs.len(), seed: 7, ..Setup::default() };
//! let options = Options::from([("c".into(), 0.5.into())]);
//! let mut selector = method("ucb")?.build(&setup, &options)?;
//!
//! // s = 0.7 is pruned: K = (1 - s) N.
//! let (kept, selection_period) = (300, 2);
//! let mut weight = 0.0;
//! let mut selected = Vec::new();
//! for epoch in 0..20 {
//!     if epoch % selection_period == 0 {
//!         let round = epoch / selection_period;
//!         // A model that has learnt nothing cannot say which samples matter. In the first round none has a score: it is a
//!         // uniform draw.
//!         if round > 0 {
//!             let all: Vec<u32> = (0..xs.len() as u32).collect();
//!             let scores: Vec<f32> = all.iter().map(|&i| loss(weight, i)).collect();
//!             selector.observe(&all, &scores)?;
//!         }
//!         selected = selector.select(kept, round)?;
//!     }
//!     // Indices come in ascending order.
//!     let mut order = selected.clone();
//!     Stream::new(setup.seed, Purpose::new("order"), epoch).shuffle(&mut order);
//!     for &i in &order {
//!         let x = xs[i as usize];
//!         weight -= 0.01 * 2.0 * (weight * x - 3.0 * x) * x;
//!     }
//! }
//! assert!((weight - 3.0).abs() < 1e-3);
//! assert_eq!(selected.len(), kept);
//!
//! // To go on later: what the selector has learnt, and what it chose last.
//! let saved = (selector.state(), selected);
//! let mut other = method("ucb")?.build(&setup, &options)?;
//! other.restore(&saved.0)?;
//! assert_eq!(other.state(), saved.0);
//! # Ok::<(), dynaprune_selectors::Error>(())
//! ```
//!
//! The pass over all samples before each round costs a forward pass of N. For nothing there are the losses of the training
//! steps: `selector.observe(&batch, &losses)?` after each, and no pass. They are older. A sample that is left out keeps the
//! loss that it had when it was last trained on, and one that was never trained on has none, and ranks first.
//!
//! Loops differ in when they should ask: [`MethodInfo::cadence`] tells, for a method with its options, whether to call
//! [`Selector::select`] once, before every epoch, or before every period.
//! `crates/train/examples/own_loop.rs` does so in a network's loop, written with plain candle and AdamW:
//! `cargo run --release --example own_loop`.
//!
//! # Methods
//! [`METHODS`] lists them.
//! `random-dynamic`, `epsilon-greedy` and `ucb` follow the abstract of arXiv 2111.12621 ("Accelerating
//! Deep Learning with Dynamic Data Pruning"), with choices of our own where it is silent; these are
//! options. A new method is one new file and one line in the list.
//!
//! | method | selects |
//! |---|---|
//! | `full` | all samples |
//! | `random-static` | a uniformly random subset, drawn once |
//! | `static` | the highest scores of a table |
//! | `random-dynamic` | a uniformly random subset, redrawn each epoch or period |
//! | `uncertainty` | the highest m_i |
//! | `epsilon-greedy` | the K - E highest m_i, and E at random from the rest; E = epsilon K, rounded half up |
//! | `ucb` | the highest m_i + c v_i |
//! | `ucb1` | the highest x_i + c sqrt(2 ln t / n_i), those never selected before all others |
//!
//! m_i and v_i are the exponential moving average and variance of sample i's scores u_i. With a = `ema_weight`,
//! - v_i <- (1 - a) v_i + a (u_i - m_i)^2, with m_i before its update,
//! - m_i <- (1 - a) m_i + a u_i.
//!
//! The first score sets m_i = u_i and v_i = 0; v_i = a u_i^2 with `first_variance = "square"`. x_i is the arithmetic mean
//! of the scores, n_i counts the rounds that i was selected in, t the calls of `select` so far.
//!
//! | method | option | what it is | values | default |
//! |---|---|---|---|---|
//! | `random-dynamic` | `redraw` | when a new subset is drawn | `epoch`, `period` | `epoch` |
//! | `epsilon-greedy` | `epsilon` | share of the K samples that is drawn at random | a number from 0 to 1 | `0.1` |
//! | `ucb` | `c` | weight of the moving variance | a number from 0 to 1000000 | `1` |
//! | `ucb` | `first_variance` | what the first score sets v_i to | `zero`, `square` | `zero` |
//! | `ucb1` | `c` | weight of the confidence term | a number from 0 to 1000000 | `1` |
//!
//! `ucb1` is UCB1 of Auer, Cesa-Bianchi and Fischer (2002), "Finite-time Analysis of the Multiarmed Bandit Problem", with
//! every sample an arm and K arms played in a round. Its bound holds for scores in [0, 1]; for a loss, which has no upper end,
//! `c` sets the scale.
//!
//! Not here: weights of samples (as InfoBatch rescales the gradients of those it keeps), a K that changes by a schedule (pass
//! another K, or N for the last epochs), and sets chosen for their diversity, which need features (k-center, herding).
//!
//! # What is defined
//! - **First round.** A selector ranks by what it was told, also where that means nothing yet: the losses of an untrained
//!   network tell classes apart, not samples, and a network trained on a few classes stays there. So draw the first round
//!   at random, or train it on all samples, as in the loop above.
//! - **Order of observations.** Observations of different samples commute, and batches do not
//!   matter; those of one sample are taken in the order given.
//! - **Not observed.** A sample without a score ranks above all others.
//! - **NaN.** An observed score of NaN is no observation: the sample keeps the statistics it has,
//!   and one that has none stays not observed. A score table must not hold NaN.
//! - **Infinity.** An observed infinite score counts as the largest finite `f32` of its sign, so
//!   that a moving average comes back from it, though not soon: with `ema_weight` = 0.8 the mean is down at 1 after 56
//!   scores of 0, the variance of `ucb` after 84. The arithmetic mean of `ucb1` never comes back. In a score table
//!   infinity ranks at its end.
//! - **Ties.** Equal scores are ordered by a random key of each sample, a function of (seed,
//!   round), then by index. -0 equals +0.
//! - **Randomness.** A selection is a function of the seed, the round, the observations, and for
//!   `ucb1` the selections before. The number of threads never matters. Work runs on the current
//!   `rayon` pool.
//! - **Class balance.** With labels, K is split over the classes in proportion to their sizes by
//!   largest remainder, the lower class first among equals, and the method chooses within each
//!   class. The parts sum to K exactly.
//!
//! # Cost
//! Selecting is O(N) in time: passes over the statistics, no sort. Many equal scores at the boundary (counts, say) cost some
//! times as much as none, since their random keys are made. Memory for N samples, in bytes, beside K indices twice over while
//! selecting: 4 N for `static`, `uncertainty` and `epsilon-greedy`, 8 N for `ucb`, 12 N for `ucb1`, none for the others. With
//! labels 6 N more, and while selecting 4 N, or up to 12 N where scores are equal.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod built;
mod classes;
mod error;
mod methods;
mod observation;
mod options;
mod population;
mod running;
mod state;
mod top_k;

pub use error::Error;
pub use methods::{Cadence, Family, METHODS, MethodInfo, method};
pub(crate) use options::Checked;
pub use options::{OptionInfo, OptionKind, Options, Value};
pub use state::{Column, State};

/// Chooses the samples to train on.
pub trait Selector: std::fmt::Debug + Send {
    /// Takes in scores of some samples, as seen now: `scores[j]` belongs to sample `indices[j]`.
    ///
    /// # Errors
    /// The lists differ in length, or an index is not below the number of samples; nothing was
    /// taken in then. Methods that use no scores look at neither list.
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error>;

    /// `k` distinct sample indices, ascending: shuffle them before they are trained on. `round` names
    /// the draw, usually an epoch or a selection round: the same one draws the same numbers.
    ///
    /// # Errors
    /// `k` is more than the number of samples; or not equal to it for `full`.
    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error>;

    /// All that changes from call to call.
    fn state(&self) -> State;

    /// Goes on from `state`, which a selector with the same setup and options has saved.
    ///
    /// # Errors
    /// [`Error::State`] says in which way the state does not fit; the selector is unchanged then.
    fn restore(&mut self, state: &State) -> Result<(), Error>;
}

/// What a selector is built for.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Number of samples N in the data set, 1 to 4,294,967,295.
    pub samples: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Weight a of the new score in the moving averages, in (0, 1].
    pub ema_weight: f64,
    /// The class of each sample, if classes are to be balanced.
    pub labels: Option<&'a [u16]>,
    /// A score for each sample, for the method `static`.
    pub static_scores: Option<&'a [f32]>,
}

impl Default for Setup<'_> {
    /// No samples, seed 0, `ema_weight` 0.8, classes not balanced, no score table.
    fn default() -> Self {
        Self {
            samples: 0,
            seed: 0,
            ema_weight: 0.8,
            labels: None,
            static_scores: None,
        }
    }
}
