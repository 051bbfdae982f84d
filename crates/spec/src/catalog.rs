//! What the names in a spec may be. The registries of the other crates fill it.

use crate::choice::{Choice, Value};

/// Everything that can be named in a spec.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Data sets.
    pub datasets: Vec<DatasetEntry>,
    /// Networks.
    pub models: Vec<Entry>,
    /// Methods.
    pub methods: Vec<MethodEntry>,
    /// Scorers, which give a `static` method its scores.
    pub scorers: Vec<Entry>,
    /// Kinds of figure.
    pub figures: Vec<FigureEntry>,
}

/// A kind of figure.
#[derive(Clone, Debug)]
pub struct FigureEntry {
    /// Its name.
    pub name: String,
    /// How many settings of methods it draws against.
    pub axes: usize,
}

/// A name and its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Its options.
    pub options: Vec<OptionSpec>,
}

/// A data set.
#[derive(Clone, Debug)]
pub struct DatasetEntry {
    /// Its name and options.
    pub entry: Entry,
    /// Training samples, where they do not depend on an option.
    pub train_samples: Option<usize>,
    /// Test samples, likewise.
    pub test_samples: Option<usize>,
}

/// A method of choosing samples.
#[derive(Clone, Debug)]
pub struct MethodEntry {
    /// Its name and options.
    pub entry: Entry,
    /// Whether it removes samples; `full` does not.
    pub pruned: bool,
    /// Whether it learns from scores observed during training.
    pub scored: bool,
    /// Whether it keeps moving averages of them, so that `ema_weight` counts.
    pub averages: bool,
    /// Whether it ranks samples by scores made before training: a scorer or a table must be named.
    pub static_scores: bool,
    /// Whether it selects every `selection_period` epochs, given its options.
    pub rounds: fn(&Choice) -> bool,
}

/// An option.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSpec {
    /// Its name, `snake_case`.
    pub name: String,
    /// What it may be.
    pub kind: OptionKind,
    /// The option and its value without which this one has no meaning: then it is absent, and refused if given.
    pub only_with: Option<(String, String)>,
}

/// The values an option takes.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionKind {
    /// A number in `[min, max]`.
    Float {
        /// When none is given.
        default: f64,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// An integer in `[min, max]`.
    Int {
        /// When none is given.
        default: i64,
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// An integer in `[min, max]` that the profile's table `[scoring]` decides, if nothing is given.
    Profile {
        /// Its key there.
        key: String,
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// One of a few words.
    Choice {
        /// When none is given.
        default: String,
        /// All of them.
        allowed: Vec<String>,
    },
}

impl OptionKind {
    /// The value when none is given; `None` if the profile decides.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        match self {
            Self::Float { default, .. } => Some(Value::Float(*default)),
            Self::Int { default, .. } => Some(Value::Int(*default)),
            Self::Profile { .. } => None,
            Self::Choice { default, .. } => Some(Value::Text(default.clone())),
        }
    }
}
