//! The list of scorers.

use crate::{Error, el2n, forget, input_norm, random};

/// Every scorer, in the order in which tables and legends list them.
pub const SCORERS: &[ScorerInfo] = &[forget::INFO, el2n::INFO, random::INFO, input_norm::INFO];

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
pub struct ScorerInfo {
    /// Its name, `kebab-case`.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// What it is computed from.
    pub needs: Needs,
    /// The ways to count that are found in the field; the first is the original definition.
    pub variants: &'static [VariantInfo],
}

impl ScorerInfo {
    /// The variant called `name`.
    ///
    /// # Errors
    /// [`Error::Unknown`] lists the names there are.
    pub fn variant(&self, name: &str) -> Result<&'static VariantInfo, Error> {
        self.variants
            .iter()
            .find(|variant| variant.name == name)
            .ok_or_else(|| {
                unknown(
                    format!("variant of scorer `{}`", self.name),
                    name,
                    self.variants.iter().map(|v| v.name),
                )
            })
    }
}

/// A variant of a scorer.
#[derive(Clone, Copy, Debug)]
pub struct VariantInfo {
    /// Its name, `kebab-case`.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
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
    /// Whether each sample was classified correctly, at every presentation during training.
    Correctness,
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
    fn finds_scorers_and_variants_by_name() {
        for info in SCORERS {
            assert_eq!(scorer(info.name).unwrap().summary, info.summary);
            for variant in info.variants {
                assert_eq!(info.variant(variant.name).unwrap().summary, variant.summary);
            }
        }
        assert_eq!(
            scorer("el3n").unwrap_err().to_string(),
            "unknown scorer `el3n`: expected one of `forget`, `el2n`, `random`, `input-norm`"
        );
        assert_eq!(
            scorer("el2n").unwrap().variant("sum").unwrap_err().to_string(),
            "unknown variant of scorer `el2n` `sum`: expected one of `mean-over-runs`"
        );
    }
}
