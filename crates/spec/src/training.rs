//! How a network is trained, and how samples are scored and selected meanwhile.

use crate::static_scores::StaticScores;
use serde::{Deserialize, Serialize};

/// The training protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Epochs T; an epoch is one pass over the samples kept at the time.
    pub epochs: u32,
    /// Samples in a step.
    pub batch_size: u32,
    /// The learning rate that the schedule multiplies.
    pub learning_rate: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// Weight decay, on all parameters, added to the gradient.
    pub weight_decay: f64,
    /// Share of the target spread over all classes.
    pub label_smoothing: f64,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// Pixels by which an image is reflected at each side before a crop of its old size, 0 for none.
    pub crop_padding: u32,
    /// Whether half of the images are mirrored.
    pub horizontal_flip: bool,
    /// What is held equal between methods.
    pub budget: Budget,
    /// The numbers' format.
    pub precision: Precision,
    /// Epochs between evaluations on the test set; the last epoch always ends with one.
    pub evaluate_every: u32,
}

/// The learning rate over the run, as a factor on `learning_rate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// 1 throughout.
    Constant,
    /// Times `factor` at each milestone.
    Step {
        /// Epochs, ascending.
        milestones: Vec<u32>,
        /// What each milestone multiplies by.
        factor: f64,
    },
    /// A linear rise over `warmup_epochs`, then half a cosine from 1 to `final_factor`.
    Cosine {
        /// Epochs of the rise.
        warmup_epochs: f64,
        /// Where it ends.
        final_factor: f64,
    },
    /// Half a cosine up from `start_factor` to 1, then one down to `final_factor`.
    OneCycle {
        /// Share of the run spent rising.
        warmup_fraction: f64,
        /// Where it starts.
        start_factor: f64,
        /// Where it ends.
        final_factor: f64,
    },
}

/// What is held equal between methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// The number of epochs: pruned runs take fewer steps, and save time.
    Epochs,
    /// The number of steps: pruned runs make more passes over fewer samples, and save nothing.
    Steps,
}

/// The numbers' format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit throughout.
    F32,
    /// 32-bit, but the factors of convolutions are rounded to 10 bits (TF32). GPUs only.
    Tf32,
    /// Activations and the factors of products in bfloat16; parameters, statistics and sums in 32 bits. GPUs only.
    Bf16,
}

impl Precision {
    /// Its name in a profile.
    #[must_use]
    pub fn word(self) -> &'static str {
        PRECISIONS
            .iter()
            .find(|(_, precision)| *precision == self)
            .map_or("", |(word, _)| word)
    }
}

/// Each precision by its name in a profile.
pub(crate) const PRECISIONS: &[(&str, Precision)] = &[
    ("f32", Precision::F32),
    ("tf32", Precision::Tf32),
    ("bf16", Precision::Bf16),
];

/// How samples are selected, as far as the method uses it: what it does not use is absent, so that
/// it cannot change the cell's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Epochs between selection rounds, T_p.
    pub selection_period: Option<u32>,
    /// Whether K is split over the classes in proportion to their size.
    pub class_balance: bool,
    /// How samples are scored, for methods that learn from scores.
    pub scoring: Option<Scoring>,
    /// The scores made before training, for methods that rank samples by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_scores: Option<StaticScores>,
}

/// How samples are scored during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    /// What a sample's score is.
    pub score: Score,
    /// Where it comes from.
    pub score_source: ScoreSource,
    /// What the first selection period trains on.
    pub first_round: FirstRound,
    /// Weight of the new score in the moving averages, a.
    pub ema_weight: f64,
}

impl Scoring {
    /// Its settings that are words, each under the name it has in a spec.
    #[must_use]
    pub fn words(&self) -> [(&'static str, &'static str); 3] {
        let word = |found: Option<&'static str>| found.unwrap_or_default();
        [
            ("score", word(word_of(&SCORES, self.score))),
            ("score_source", word(word_of(&SCORE_SOURCES, self.score_source))),
            ("first_round", word(word_of(&FIRST_ROUNDS, self.first_round))),
        ]
    }
}

/// The words of [`Score`] in a spec.
pub(crate) const SCORES: [(&str, Score); 4] = [
    ("loss", Score::Loss),
    ("one-minus-max-probability", Score::OneMinusMaxProbability),
    ("entropy", Score::Entropy),
    ("el2n", Score::El2n),
];

/// The words of [`ScoreSource`] in a spec.
pub(crate) const SCORE_SOURCES: [(&str, ScoreSource); 2] = [
    ("forward-pass", ScoreSource::ForwardPass),
    ("training", ScoreSource::Training),
];

/// The words of [`FirstRound`] in a spec.
pub(crate) const FIRST_ROUNDS: [(&str, FirstRound); 3] = [
    ("random", FirstRound::Random),
    ("full", FirstRound::Full),
    ("scores", FirstRound::Scores),
];

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: T) -> Option<&'static str> {
    words.iter().find(|(_, known)| *known == value).map(|(word, _)| *word)
}

/// What a sample's score is; larger for a sample the network is less sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Cross-entropy against the label.
    Loss,
    /// 1 minus the largest class probability.
    OneMinusMaxProbability,
    /// Entropy of the predicted distribution.
    Entropy,
    /// L2 norm of softmax minus the one-hot label.
    El2n,
}

/// Where scores come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreSource {
    /// A pass over all samples in evaluation mode at each round; its time is charged to the method.
    ForwardPass,
    /// The training steps themselves; samples not selected keep their old scores.
    Training,
}

/// What the first selection period trains on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstRound {
    /// A random draw of K samples.
    Random,
    /// All samples.
    Full,
    /// The K samples that the initial network ranks highest.
    Scores,
}
