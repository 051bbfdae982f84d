//! What a selector has learnt, as plain named data, so that a run can stop and go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Everything about a selector that changes while it runs.
///
/// Restored into a selector built from the same [`Setup`](crate::Setup) and options, it gives the
/// same further selections. What a selector was built with is in it by name, so that another one
/// refuses it. The samples selected last are not: keep them too, if a loop stops within a period.
///
/// With any `serde` format, text ones included, numbers survive bit for bit: `f32` columns are
/// written as their IEEE-754 bit patterns, since NaN marks a sample that was not observed and JSON
/// has no NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Name of the method that saved it.
    pub method: String,
    /// Number of samples in the data set.
    pub samples: u32,
    /// What the selector was built with, in words: the seed, the options, `ema_weight` if it counts, and checksums of labels
    /// and of the score table.
    pub settings: BTreeMap<String, String>,
    /// Single numbers by name.
    pub scalars: BTreeMap<String, u64>,
    /// Per-sample columns by name, each as long as the data set.
    pub columns: BTreeMap<String, Column>,
}

/// One number for each sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Single-precision numbers.
    F32(#[serde(with = "bit_patterns")] Vec<f32>),
    /// Counts.
    U32(Vec<u32>),
}

impl PartialEq for Column {
    /// Whether all numbers have the same bits: what marks a sample that was not observed is equal to itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
            (Self::U32(a), Self::U32(b)) => a == b,
            _ => false,
        }
    }
}

impl State {
    pub(crate) fn new(method: &str, samples: u32) -> Self {
        Self {
            method: method.to_owned(),
            samples,
            settings: BTreeMap::new(),
            scalars: BTreeMap::new(),
            columns: BTreeMap::new(),
        }
    }

    pub(crate) fn with_scalar(mut self, name: &str, value: u64) -> Self {
        self.scalars.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn with_column(mut self, name: &str, column: Column) -> Self {
        self.columns.insert(name.to_owned(), column);
        self
    }

    /// Checks that `method` over `samples` samples saved this, with exactly these parts.
    pub(crate) fn check(&self, method: &str, samples: u32, scalars: &[&str], columns: &[&str]) -> Result<(), Error> {
        let expect = |what: &str, found: String, expected: String| match found == expected {
            true => Ok(()),
            false => Err(Error::State {
                what: what.to_owned(),
                found,
                expected,
            }),
        };
        expect("the method", format!("`{}`", self.method), format!("`{method}`"))?;
        expect("the number of samples", self.samples.to_string(), samples.to_string())?;
        expect("the list of scalars", listed(self.scalars.keys()), listed(scalars))?;
        expect("the list of columns", listed(self.columns.keys()), listed(columns))
    }

    pub(crate) fn scalar(&self, name: &str) -> Result<u64, Error> {
        self.scalars.get(name).copied().ok_or_else(|| Error::State {
            what: format!("scalar `{name}`"),
            found: "missing".to_owned(),
            expected: "a number".to_owned(),
        })
    }

    /// A column of `f32`, each entry of which must be `allowed`.
    pub(crate) fn f32_column(&self, name: &str, expected: &str, allowed: fn(f32) -> bool) -> Result<&[f32], Error> {
        let Some(Column::F32(values)) = self.columns.get(name) else {
            return Err(self.wrong_kind(name, "f32"));
        };
        self.check_length(name, values.len())?;
        match values.iter().position(|&value| !allowed(value)) {
            None => Ok(values),
            Some(sample) => Err(Error::State {
                what: format!("column `{name}` of sample {sample}"),
                found: values[sample].to_string(),
                expected: expected.to_owned(),
            }),
        }
    }

    /// A column of `u32`.
    pub(crate) fn u32_column(&self, name: &str) -> Result<&[u32], Error> {
        let Some(Column::U32(values)) = self.columns.get(name) else {
            return Err(self.wrong_kind(name, "u32"));
        };
        self.check_length(name, values.len())?;
        Ok(values)
    }

    fn wrong_kind(&self, name: &str, expected: &str) -> Error {
        Error::State {
            what: format!("column `{name}`"),
            found: match self.columns.get(name) {
                None => "missing",
                Some(Column::F32(_)) => "a column of f32",
                Some(Column::U32(_)) => "a column of u32",
            }
            .to_owned(),
            expected: format!("a column of {expected}"),
        }
    }

    fn check_length(&self, name: &str, length: usize) -> Result<(), Error> {
        match length == self.samples as usize {
            true => Ok(()),
            false => Err(Error::State {
                what: format!("the length of column `{name}`"),
                found: length.to_string(),
                expected: self.samples.to_string(),
            }),
        }
    }
}

fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.sort_unstable();
    match names.as_slice() {
        [] => "empty".to_owned(),
        _ => names.join(", "),
    }
}

mod bit_patterns {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| value.to_bits()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
        Ok(Vec::<u32>::deserialize(from)?.into_iter().map(f32::from_bits).collect())
    }
}
