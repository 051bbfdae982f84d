//! Options of a method: which there are, what they may be, and the values chosen.

use std::collections::BTreeMap;
use std::fmt;

use crate::Error;

/// One option of a method.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionInfo {
    /// Its name, `snake_case`.
    pub name: &'static str,
    /// What it may be, and what it is when nobody says.
    pub kind: OptionKind,
}

/// The values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// A number in `[min, max]`.
    Float {
        /// The value when none is given.
        default: f64,
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// One of a few `kebab-case` words.
    Choice {
        /// The value when none is given.
        default: &'static str,
        /// All of them.
        allowed: &'static [&'static str],
    },
}

impl OptionKind {
    /// The value when none is given.
    #[must_use]
    pub fn default_value(&self) -> Value {
        match *self {
            Self::Float { default, .. } => Value::Float(default),
            Self::Choice { default, .. } => Value::Text(default.to_owned()),
        }
    }

    /// `value` in this option's own type (an integer is taken where a number is expected), if it
    /// is one of the allowed values.
    fn accept(&self, value: &Value) -> Option<Value> {
        let value = match (*self, value) {
            (Self::Float { .. }, Value::Int(x)) => Value::Float(*x as f64),
            _ => value.clone(),
        };
        let allowed = match (*self, &value) {
            (Self::Float { min, max, .. }, Value::Float(x)) => (min..=max).contains(x),
            (Self::Choice { allowed, .. }, Value::Text(x)) => allowed.contains(&x.as_str()),
            _ => false,
        };
        allowed.then_some(value)
    }
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float { min, max, .. } => write!(f, "a number from {min} to {max}"),
            Self::Choice { allowed, .. } => write!(f, "{}", quoted(allowed.iter().copied())),
        }
    }
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A word.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(x) => write!(f, "{x}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(x) => write!(f, "{x}"),
        }
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Float(x)
    }
}

impl From<&str> for Value {
    fn from(x: &str) -> Self {
        Self::Text(x.to_owned())
    }
}

/// Chosen values by option name; an option left out has its default.
///
/// ```
/// use dynaprune_selectors::{Options, Value};
///
/// let options = Options::from([("epsilon".into(), 0.2.into())]);
/// assert_eq!(options["epsilon"], Value::Float(0.2));
/// ```
pub type Options = BTreeMap<String, Value>;

/// Options checked against a method's list, every one of them present and in range.
#[derive(Clone, Debug)]
pub(crate) struct Checked(Options);

impl Checked {
    pub(crate) fn new(method: &'static str, known: &[OptionInfo], given: &Options) -> Result<Self, Error> {
        if let Some(option) = given.keys().find(|name| known.iter().all(|o| o.name != **name)) {
            return Err(Error::UnknownOption {
                method,
                option: option.clone(),
                allowed: match known {
                    [] => "none".to_owned(),
                    _ => quoted(known.iter().map(|o| o.name)),
                },
            });
        }
        let value = |info: &OptionInfo| match given.get(info.name) {
            None => Ok(info.kind.default_value()),
            Some(value) => info.kind.accept(value).ok_or_else(|| Error::OptionValue {
                method,
                option: info.name,
                found: value.to_string(),
                expected: info.kind.to_string(),
            }),
        };
        known
            .iter()
            .map(|info| Ok((info.name.to_owned(), value(info)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Each option's value by its name.
    pub(crate) fn in_words(&self) -> BTreeMap<String, String> {
        let named = self.0.iter().map(|(name, value)| (name.clone(), value.to_string()));
        named.collect()
    }

    /// The number `name`, which the method's list must hold as [`OptionKind::Float`].
    pub(crate) fn float(&self, name: &str) -> f64 {
        match self.0[name] {
            Value::Float(x) => x,
            ref other => unreachable!("option {name} is declared as a number and holds {other:?}"),
        }
    }

    /// The word `name`, which the method's list must hold as [`OptionKind::Choice`].
    pub(crate) fn text(&self, name: &str) -> &str {
        match &self.0[name] {
            Value::Text(x) => x,
            other => unreachable!("option {name} is declared as a choice and holds {other:?}"),
        }
    }
}

/// `a`, `b` or `c`, in backticks.
pub(crate) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[OptionInfo] = &[
        OptionInfo {
            name: "rate",
            kind: OptionKind::Float {
                default: 0.5,
                min: 0.0,
                max: 1.0,
            },
        },
        OptionInfo {
            name: "kind",
            kind: OptionKind::Choice {
                default: "a",
                allowed: &["a", "b"],
            },
        },
    ];

    fn check(name: &str, value: Value) -> Result<Value, String> {
        Checked::new("m", KNOWN, &Options::from([(name.to_owned(), value)]))
            .map(|checked| checked.0[name].clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn fills_in_every_default() {
        let checked = Checked::new("m", KNOWN, &Options::new()).unwrap();
        assert_eq!(checked.float("rate"), 0.5);
        assert_eq!(checked.text("kind"), "a");
    }

    #[test]
    fn takes_what_is_allowed() {
        assert_eq!(check("rate", Value::Int(1)), Ok(Value::Float(1.0)));
        assert_eq!(check("kind", Value::Text("b".into())), Ok(Value::Text("b".into())));
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (
                "rat",
                Value::Int(1),
                "method `m` has no option `rat`: expected `rate`, `kind`",
            ),
            (
                "rate",
                Value::Float(1.5),
                "option `rate` of method `m` is `1.5`: expected a number from 0 to 1",
            ),
            (
                "rate",
                Value::Float(f64::NAN),
                "option `rate` of method `m` is `NaN`: expected a number from 0 to 1",
            ),
            (
                "kind",
                Value::Int(1),
                "option `kind` of method `m` is `1`: expected `a`, `b`",
            ),
            (
                "kind",
                Value::Text("c".into()),
                "option `kind` of method `m` is `c`: expected `a`, `b`",
            ),
        ];
        for (name, value, message) in cases {
            assert_eq!(check(name, value), Err(message.to_owned()));
        }
    }
}
