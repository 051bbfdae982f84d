//! What a column may hold, and the link between a plain struct and a data frame.

use std::collections::BTreeMap;

use blake3::Hasher;
use polars::prelude::{Column, DataFrame, DataType, NamedFrom as _, PolarsResult, Series};

/// A column of a results file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name, the same in Parquet, TOML, Rust and on plots.
    pub name: &'static str,
    /// Its Parquet logical type: `string`, `bool`, `uint32`, `uint64`, `float`, `double`,
    /// `binary`, `list of uint32` or `list of float`.
    pub kind: &'static str,
    /// Whether it may hold nulls. A nullable column may also be absent: it then reads as null.
    pub nullable: bool,
}

/// A Rust type that a column can hold.
pub(super) trait Value: Sized + Clone {
    const KIND: &'static str;
    const NULLABLE: bool = false;
    fn series(name: &str, values: &[Self]) -> Series;
    /// The values, `None` for null.
    fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>>;
    /// The value as JSON; null for a number that JSON does not have.
    fn json(&self) -> serde_json::Value;
    /// Tells `hasher` the value, so that different lists of values give different sums.
    fn feed(&self, hasher: &mut Hasher);
    /// What an absent or null value reads as, if it may be absent.
    fn null() -> Option<Self> {
        None
    }
}

macro_rules! value {
    ($type:ty, $kind:literal, $get:ident, $bytes:expr) => {
        impl Value for $type {
            const KIND: &'static str = $kind;
            fn series(name: &str, values: &[Self]) -> Series {
                Series::new(name.into(), values)
            }
            fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
                Ok(column.$get()?.iter().map(|value| value.map(Self::from)).collect())
            }
            fn json(&self) -> serde_json::Value {
                (*self).into()
            }
            fn feed(&self, hasher: &mut Hasher) {
                let bytes: fn(&Self) -> _ = $bytes;
                hasher.update(&bytes(self));
            }
        }
    };
}

value!(bool, "bool", bool, |value| [u8::from(*value)]);
value!(u32, "uint32", u32, |value| value.to_le_bytes());
value!(u64, "uint64", u64, |value| value.to_le_bytes());
value!(f32, "float", f32, |value| value.to_le_bytes());
value!(f64, "double", f64, |value| value.to_le_bytes());

impl Value for String {
    const KIND: &'static str = "string";
    fn series(name: &str, values: &[Self]) -> Series {
        Series::new(name.into(), values)
    }
    fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
        Ok(column.str()?.iter().map(|value| value.map(Self::from)).collect())
    }
    fn json(&self) -> serde_json::Value {
        self.as_str().into()
    }
    fn feed(&self, hasher: &mut Hasher) {
        feed_bytes(self.as_bytes(), hasher);
    }
}

fn feed_bytes(bytes: &[u8], hasher: &mut Hasher) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

impl Value for Vec<u8> {
    const KIND: &'static str = "binary";
    fn series(name: &str, values: &[Self]) -> Series {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        Series::new(name.into(), values)
    }
    fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
        Ok(column.binary()?.iter().map(|value| value.map(<[u8]>::to_vec)).collect())
    }
    fn json(&self) -> serde_json::Value {
        self.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
    fn feed(&self, hasher: &mut Hasher) {
        feed_bytes(self, hasher);
    }
}

macro_rules! list {
    ($type:ty, $kind:literal, $get:ident, $dtype:ident) => {
        impl Value for Vec<$type> {
            const KIND: &'static str = $kind;
            fn series(name: &str, values: &[Self]) -> Series {
                if values.is_empty() {
                    return Series::new_empty(name.into(), &DataType::List(Box::new(DataType::$dtype)));
                }
                let lists: Vec<Series> = values.iter().map(|list| Series::new("".into(), list)).collect();
                Series::new(name.into(), lists)
            }
            fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
                let lists = column.list()?;
                let list = |row| lists.get_as_series(row);
                let values = |list: Series| Ok(list.$get()?.iter().map(Option::unwrap_or_default).collect());
                (0..lists.len())
                    .map(|row| list(row).map(values).transpose())
                    .collect()
            }
            fn json(&self) -> serde_json::Value {
                self.as_slice().into()
            }
            fn feed(&self, hasher: &mut Hasher) {
                hasher.update(&(self.len() as u64).to_le_bytes());
                self.iter().for_each(|value| value.feed(hasher));
            }
        }
    };
}

list!(u32, "list of uint32", u32, UInt32);
list!(f32, "list of float", f32, Float32);

impl Value for Option<f64> {
    const KIND: &'static str = "double";
    const NULLABLE: bool = true;
    fn series(name: &str, values: &[Self]) -> Series {
        Series::new(name.into(), values)
    }
    fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
        Ok(column.f64()?.iter().map(Some).collect())
    }
    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
    fn feed(&self, hasher: &mut Hasher) {
        hasher.update(&[u8::from(self.is_some())]);
        self.iter().for_each(|value| value.feed(hasher));
    }
    fn null() -> Option<Self> {
        Some(None)
    }
}

/// A struct whose fields are the columns of a file.
pub(super) trait Row: Sized + Clone {
    const COLUMNS: &'static [ColumnInfo];
    fn to_frame(rows: &[Self]) -> PolarsResult<DataFrame>;
    /// The rows, or all that is not as expected.
    fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, Vec<Mismatch>>;
    /// A sum over the values of each column.
    fn sums(rows: &[Self]) -> BTreeMap<&'static str, String>;
}

/// The sum over a column: the first 16 hexadecimal digits of the BLAKE3 hash of its values.
pub(super) fn sum<'a, T: Value + 'a>(values: impl Iterator<Item = &'a T>) -> String {
    let mut hasher = Hasher::new();
    values.for_each(|value| value.feed(&mut hasher));
    hasher.finalize().to_hex()[..16].to_owned()
}

/// How a file differs from what was expected.
pub(super) enum Mismatch {
    Missing {
        column: &'static str,
    },
    Type {
        column: &'static str,
        found: String,
        expected: &'static str,
    },
    Null {
        column: &'static str,
        row: usize,
    },
    Length {
        column: &'static str,
        found: usize,
        expected: usize,
    },
}

/// The values of the column `name`, one for each row of the frame.
pub(super) fn read<T: Value>(frame: &DataFrame, name: &'static str) -> Result<Vec<T>, Mismatch> {
    let Ok(column) = frame.column(name) else {
        let null = T::null().ok_or(Mismatch::Missing { column: name })?;
        return Ok(vec![null; frame.height()]);
    };
    if column.len() != frame.height() {
        return Err(Mismatch::Length {
            column: name,
            found: column.len(),
            expected: frame.height(),
        });
    }
    let wrong_type = |_| Mismatch::Type {
        column: name,
        found: parquet_name(column.dtype()),
        expected: T::KIND,
    };
    let values = T::values(column).map_err(wrong_type)?;
    let present = |(row, value): (usize, Option<T>)| value.ok_or(Mismatch::Null { column: name, row });
    values.into_iter().enumerate().map(present).collect()
}

pub(super) fn parquet_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Float64 => "double".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Declares a struct together with its columns: the field's name is the column's name.
macro_rules! rows {
    ($(#[$meta:meta])* pub struct $Row:ident { $($(#[$doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $Row { $($(#[$doc])* pub $field: $type,)* }

        impl $Row {
            /// The columns' names and values in their order; null for what is absent or a number that JSON does not have.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, serde_json::Value)> {
                vec![$((stringify!($field), $crate::results::columns::Value::json(&self.$field))),*]
            }
        }

        impl $crate::results::columns::Row for $Row {
            const COLUMNS: &'static [$crate::results::ColumnInfo] = &[$($crate::results::ColumnInfo {
                name: stringify!($field),
                kind: <$type as $crate::results::columns::Value>::KIND,
                nullable: <$type as $crate::results::columns::Value>::NULLABLE,
            }),*];

            fn to_frame(rows: &[Self]) -> polars::error::PolarsResult<polars::frame::DataFrame> {
                let columns = vec![$({
                    let values: Vec<$type> = rows.iter().map(|row| row.$field.clone()).collect();
                    $crate::results::columns::Value::series(stringify!($field), &values).into()
                }),*];
                polars::frame::DataFrame::new(rows.len(), columns)
            }

            fn from_frame(
                frame: &polars::frame::DataFrame,
            ) -> Result<Vec<Self>, Vec<$crate::results::columns::Mismatch>> {
                let mut mismatches = Vec::new();
                $(let $field = $crate::results::columns::read::<$type>(frame, stringify!($field))
                    .unwrap_or_else(|mismatch| {
                        mismatches.push(mismatch);
                        Vec::new()
                    });)*
                if !mismatches.is_empty() {
                    return Err(mismatches);
                }
                Ok((0..frame.height()).map(|row| Self { $($field: $field[row].clone()),* }).collect())
            }

            fn sums(rows: &[Self]) -> std::collections::BTreeMap<&'static str, String> {
                std::collections::BTreeMap::from([$((
                    stringify!($field),
                    $crate::results::columns::sum(rows.iter().map(|row| &row.$field)),
                )),*])
            }
        }
    };
}
pub(super) use rows;
