//! The list of scorers.

use crate::{Error, el2n, forget, grand, input_norm, random};

/// Every scorer, in the order in which tables and legends list them.
pub const SCORERS: &[ScorerInfo] = &[forget::INFO, el2n::INFO, grand::INFO, random::INFO, input_norm::INFO];

/// The scorer called `name`.
///
/// # Errors
/// [`Error::Unknown`] lists the names there are.
pub fn scorer(name: &str) -> Result<&'static ScorerInfo, Error> {
    SCORERS
        .iter()
        .find(|info| info.name == name)
        .ok_or_else(|| unknown("scorer".to_owned(), name, SCORERS.iter().map(|info| info.name)))
}

/// A registered scorer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScorerInfo {
    /// Its name, `kebab-case`.
    pub name: &'static str,
    /// What it is computed from.
    pub needs: Needs,
    /// The ways to count that are found in the field, and the protocol of its runs.
    pub options: &'static [OptionInfo],
}

/// An option of a scorer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionInfo {
    /// Its name, `snake_case`.
    pub name: &'static str,
    /// What it may be.
    pub kind: OptionKind,
    /// The option and its word without which this one has no meaning.
    pub only_with: Option<(&'static str, &'static str)>,
}

/// What an option may be.
#[derive(Clone, Copy, Debug)]
pub enum OptionKind {
    /// One of a few words, `kebab-case`; the first is the original definition.
    Word(&'static [&'static str]),
    /// A whole number from `min` on.
    Number {
        /// When none is given.
        default: u32,
        /// The smallest.
        min: u32,
    },
    /// A whole number that belongs to the protocol of the scoring runs, which scales with the training.
    Protocol {
        /// In the original definition.
        original: u32,
        /// The smallest.
        min: u32,
    },
}

/// What a score is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A seed.
    Nothing,
    /// The inputs of all samples.
    Inputs,
    /// Softmax outputs of a network for all samples.
    Probabilities,
    /// The gradient of each sample's loss.
    Gradients,
    /// Whether each sample was classified correctly, at every presentation during training.
    Correctness,
}

/// The option `runs`, of scores that are a mean over as many independently initialised runs.
pub(crate) const RUNS: OptionInfo = OptionInfo {
    name: "runs",
    kind: OptionKind::Protocol { original: 10, min: 1 },
    only_with: None,
};

/// The option `epoch`, of scores that a checkpoint gives: the epochs of training before it, 20 of 200 in the original
/// definitions. 0 is the initial network.
pub(crate) const EPOCH: OptionInfo = OptionInfo {
    name: "epoch",
    kind: OptionKind::Protocol { original: 20, min: 0 },
    only_with: None,
};

impl ScorerInfo {
    /// `word`, if it is one of those that the option `option` may be.
    ///
    /// # Errors
    /// [`Error::Unknown`] lists the options or the words there are.
    pub fn word(&self, option: &str, word: &str) -> Result<&'static str, Error> {
        let found = self.options.iter().find(|info| info.name == option);
        let of_scorer = |what: &str| format!("{what} of scorer `{}`", self.name);
        let info = found.ok_or_else(|| unknown(of_scorer("option"), option, self.options.iter().map(|o| o.name)))?;
        let words = match info.kind {
            OptionKind::Word(words) => words,
            OptionKind::Number { .. } | OptionKind::Protocol { .. } => &[],
        };
        let found = words.iter().copied().find(|known| *known == word);
        found.ok_or_else(|| unknown(of_scorer(&format!("`{option}`")), word, words.iter().copied()))
    }
}

fn unknown(what: String, name: &str, allowed: impl Iterator<Item = &'static str>) -> Error {
    let allowed: Vec<String> = allowed.map(|name| format!("`{name}`")).collect();
    Error::Unknown {
        what,
        name: name.to_owned(),
        allowed: allowed.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_scorers_and_words_by_name() {
        for info in SCORERS {
            scorer(info.name).unwrap();
            for option in info.options {
                if let OptionKind::Word(words) = option.kind {
                    for word in words {
                        info.word(option.name, word).unwrap();
                    }
                }
            }
        }
        assert_eq!(
            scorer("el3n").unwrap_err().to_string(),
            "unknown scorer `el3n`: expected one of `forget`, `el2n`, `grand`, `random`, `input-norm`"
        );
        let grand = scorer("grand").unwrap();
        assert_eq!(
            grand.word("parameters", "some").unwrap_err().to_string(),
            "unknown `parameters` of scorer `grand` `some`: expected one of `all`, `last-layer`"
        );
        assert_eq!(
            grand.word("layers", "all").unwrap_err().to_string(),
            "unknown option of scorer `grand` `layers`: expected one of `parameters`, `epoch`, `runs`"
        );
    }

    /// An option can only depend on one before it.
    #[test]
    fn options_depend_on_words_that_are_known_by_then() {
        for info in SCORERS {
            for (i, option) in info.options.iter().enumerate() {
                if let Some((other, word)) = option.only_with {
                    assert!(
                        info.options[..i].iter().any(|before| before.name == other),
                        "{}",
                        option.name
                    );
                    info.word(other, word).unwrap();
                }
            }
        }
    }
}
