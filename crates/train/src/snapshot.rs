//! All that changes while a run goes on, as plain named numbers, so that it can stop and go on.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A run in the middle, between two steps.
///
/// Restored into a run of the same cell on the same data, it gives the same further steps, bit for bit. What never changes
/// (cell, data, static scores) is not in it; random numbers are named by seed, epoch and sample, so that there is no
/// generator whose state would have to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Finished epochs.
    pub epoch: u32,
    /// Finished steps of the epoch that has begun.
    pub step: u64,
    /// Lists of numbers by name.
    pub arrays: BTreeMap<String, Array>,
}

/// A list of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Bytes, or flags.
    U8(Vec<u8>),
    /// Counts and positions.
    U32(Vec<u32>),
    /// Large counts.
    U64(Vec<u64>),
    /// Single-precision numbers.
    F32(Vec<f32>),
    /// Double-precision numbers.
    F64(Vec<f64>),
}

macro_rules! array {
    ($($get:ident, $variant:ident, $type:ty, $words:literal;)*) => {
        $(impl From<Vec<$type>> for Array {
            fn from(numbers: Vec<$type>) -> Self {
                Self::$variant(numbers)
            }
        })*

        impl Snapshot {
            $(pub(crate) fn $get(&self, name: &str) -> Result<&[$type]> {
                match self.arrays.get(name) {
                    Some(Array::$variant(numbers)) => Ok(numbers),
                    other => Err(wrong(name, other.map_or("nothing", Array::words), $words)),
                }
            })*
        }

        impl Array {
            /// How many numbers there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(numbers) => numbers.len(),)*
                }
            }

            fn words(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $words,)*
                }
            }
        }
    };
}

array! {
    u8s, U8, u8, "a list of u8";
    u32s, U32, u32, "a list of u32";
    u64s, U64, u64, "a list of u64";
    f32s, F32, f32, "a list of f32";
    f64s, F64, f64, "a list of f64";
}

impl Array {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Snapshot {
    pub(crate) fn put(&mut self, name: impl Into<String>, numbers: impl Into<Array>) {
        self.arrays.insert(name.into(), numbers.into());
    }

    /// The numbers `name` if there are `N` of them.
    pub(crate) fn u64s_exactly<const N: usize>(&self, name: &str) -> Result<[u64; N]> {
        exactly(name, self.u64s(name)?)
    }

    /// The numbers `name` if there are `N` of them.
    pub(crate) fn f64s_exactly<const N: usize>(&self, name: &str) -> Result<[f64; N]> {
        exactly(name, self.f64s(name)?)
    }
}

/// `numbers` if there are `expected` of them.
pub(crate) fn of_length<'a, T>(name: &str, numbers: &'a [T], expected: usize) -> Result<&'a [T]> {
    match numbers.len() == expected {
        true => Ok(numbers),
        false => Err(wrong(
            name,
            &format!("{} numbers", numbers.len()),
            &expected.to_string(),
        )),
    }
}

fn exactly<T: Copy, const N: usize>(name: &str, numbers: &[T]) -> Result<[T; N]> {
    let found = || wrong(name, &format!("{} numbers", numbers.len()), &N.to_string());
    numbers.try_into().map_err(|_| found())
}

pub(crate) fn wrong(name: &str, found: &str, expected: &str) -> Error {
    Error::Snapshot {
        what: name.to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}
