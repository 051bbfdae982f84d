//! Options of a data set: declared in the registry, filled in by name.

use std::collections::BTreeMap;

use crate::Error;

/// An option that a data set understands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionInfo {
    /// The name, in snake case.
    pub name: &'static str,
    /// Its values.
    pub kind: OptionKind,
}

/// The values of an option; the bounds are included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// A whole number.
    Int {
        /// The value where none is given.
        default: i64,
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
    },
    /// A real number.
    Float {
        /// The value where none is given.
        default: f64,
        /// The smallest value.
        min: f64,
        /// The largest value.
        max: f64,
    },
}

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionValue {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
}

/// Values by option name; what is not there has its default.
pub type Options = BTreeMap<String, OptionValue>;

/// Checks that every option given is declared and in its bounds, and fills in the defaults.
///
/// # Errors
/// [`Error::Invalid`] naming data set and option.
pub(crate) fn resolve(dataset: &str, declared: &[OptionInfo], given: &Options) -> Result<Options, Error> {
    let place = |name: &str| format!("`{dataset}`: option `{name}`");
    if let Some(name) = given.keys().find(|name| declared.iter().all(|o| o.name != **name)) {
        let known: Vec<_> = declared.iter().map(|o| format!("`{}`", o.name)).collect();
        let expected = match known.as_slice() {
            [] => "no option".to_owned(),
            known => format!("one of {}", known.join(", ")),
        };
        return Err(Error::invalid(
            format!("`{dataset}`"),
            format!("option `{name}`"),
            expected,
        ));
    }
    let mut resolved = Options::new();
    for option in declared {
        let value = match (option.kind, given.get(option.name)) {
            (OptionKind::Int { default, .. }, None) => OptionValue::Int(default),
            (OptionKind::Float { default, .. }, None) => OptionValue::Float(default),
            (OptionKind::Int { min, max, .. }, Some(&OptionValue::Int(value))) => {
                if !(min..=max).contains(&value) {
                    let expected = format!("{min} to {max}");
                    return Err(Error::invalid(place(option.name), value, expected));
                }
                OptionValue::Int(value)
            }
            (OptionKind::Int { .. }, Some(OptionValue::Float(value))) => {
                return Err(Error::invalid(place(option.name), value, "a whole number"));
            }
            (OptionKind::Float { min, max, .. }, Some(&value)) => {
                let value = match value {
                    OptionValue::Int(value) => value as f64,
                    OptionValue::Float(value) => value,
                };
                if !(min..=max).contains(&value) {
                    let expected = format!("{min} to {max}");
                    return Err(Error::invalid(place(option.name), value, expected));
                }
                OptionValue::Float(value)
            }
        };
        resolved.insert(option.name.to_owned(), value);
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[OptionInfo] = &[
        OptionInfo {
            name: "samples",
            kind: OptionKind::Int {
                default: 5,
                min: 1,
                max: 9,
            },
        },
        OptionInfo {
            name: "fraction",
            kind: OptionKind::Float {
                default: 0.5,
                min: 0.0,
                max: 1.0,
            },
        },
    ];

    fn resolved(given: &[(&str, OptionValue)]) -> Result<Options, String> {
        let given = given.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        resolve("set", DECLARED, &given).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_filled_in() {
        let options = resolved(&[("fraction", OptionValue::Int(1))]).unwrap();
        assert_eq!(options["samples"], OptionValue::Int(5));
        assert_eq!(options["fraction"], OptionValue::Float(1.0));
    }

    #[test]
    fn what_is_not_declared_is_an_error() {
        let message = |name, value| resolved(&[(name, value)]).unwrap_err();
        assert_eq!(
            message("sample", OptionValue::Int(1)),
            "`set`: found option `sample`, expected one of `samples`, `fraction`"
        );
        assert_eq!(
            message("samples", OptionValue::Int(10)),
            "`set`: option `samples`: found 10, expected 1 to 9"
        );
        assert_eq!(
            message("samples", OptionValue::Float(2.5)),
            "`set`: option `samples`: found 2.5, expected a whole number"
        );
        assert_eq!(
            message("fraction", OptionValue::Float(f64::NAN)),
            "`set`: option `fraction`: found NaN, expected 0 to 1"
        );
    }
}
