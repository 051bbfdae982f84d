//! A registered name with all its options.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A registered name with every option filled in, defaults included: what really ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The name.
    pub name: String,
    /// The options by name.
    pub options: BTreeMap<String, Value>,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Choice {
    /// The integer called `option`.
    ///
    /// # Errors
    /// If there is none.
    pub fn int(&self, option: &str) -> Result<i64> {
        match self.options.get(option) {
            Some(Value::Int(value)) => Ok(*value),
            other => Err(self.mismatch(option, "an integer", other)),
        }
    }

    /// The text called `option`.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&self, option: &str) -> Result<&str> {
        match self.options.get(option) {
            Some(Value::Text(value)) => Ok(value),
            other => Err(self.mismatch(option, "a text", other)),
        }
    }

    fn mismatch(&self, option: &str, expected: &'static str, found: Option<&Value>) -> Error {
        Error::Option {
            owner: self.name.clone(),
            name: option.to_owned(),
            expected,
            found: found.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`")),
        }
    }
}
