//! What a column may hold, and the link between a plain struct and a data frame.

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
    /// What an absent or null value reads as, if it may be absent.
    fn null() -> Option<Self> {
        None
    }
}

macro_rules! value {
    ($type:ty, $kind:literal, $get:ident) => {
        impl Value for $type {
            const KIND: &'static str = $kind;
            fn series(name: &str, values: &[Self]) -> Series {
                Series::new(name.into(), values)
            }
            fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
                Ok(column.$get()?.iter().map(|value| value.map(Self::from)).collect())
            }
        }
    };
}

value!(String, "string", str);
value!(bool, "bool", bool);
value!(u32, "uint32", u32);
value!(u64, "uint64", u64);
value!(f32, "float", f32);
value!(f64, "double", f64);

impl Value for Vec<u8> {
    const KIND: &'static str = "binary";
    fn series(name: &str, values: &[Self]) -> Series {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        Series::new(name.into(), values)
    }
    fn values(column: &Column) -> PolarsResult<Vec<Option<Self>>> {
        Ok(column.binary()?.iter().map(|value| value.map(<[u8]>::to_vec)).collect())
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
    fn null() -> Option<Self> {
        Some(None)
    }
}

/// A struct whose fields are the columns of a file.
pub(super) trait Row: Sized + Clone {
    const COLUMNS: &'static [ColumnInfo];
    fn to_frame(rows: &[Self]) -> PolarsResult<DataFrame>;
    fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, Mismatch>;
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

fn parquet_name(dtype: &DataType) -> String {
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
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Row { $($(#[$doc])* pub $field: $type,)* }

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
            ) -> Result<Vec<Self>, $crate::results::columns::Mismatch> {
                $(let $field = $crate::results::columns::read::<$type>(frame, stringify!($field))?;)*
                Ok((0..frame.height()).map(|row| Self { $($field: $field[row].clone()),* }).collect())
            }
        }
    };
}
pub(super) use rows;
