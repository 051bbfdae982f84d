//! Reading a TOML table key by key, so that every mistake can be shown in its place.

use crate::catalog::{Entry, OptionKind};
use crate::choice::{Choice, Value};
use crate::error::{Error, Result, Source, quoted, suggestion};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most tables that a table with lists may stand for.
const MOST_ALTERNATIVES: usize = 1000;

/// A value in its place.
pub(crate) struct Item<'s> {
    pub(crate) span: Range<usize>,
    pub(crate) value: DeValue<'s>,
}

/// A table that is emptied key by key; what is left at the end is unknown.
pub(crate) struct Table<'s> {
    pub(crate) source: &'s Source,
    pub(crate) span: Range<usize>,
    /// Dotted, empty for the file itself.
    name: String,
    entries: Vec<(String, Range<usize>, Item<'s>)>,
    known: Vec<String>,
}

/// Reads the whole file as a table.
pub(crate) fn parse(source: &Source) -> Result<Table<'_>> {
    let parsed = DeTable::parse(&source.text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        source.error(span, format!("not TOML: {}", e.message()), None)
    })?;
    // An error about the file as a whole points at its first line.
    Ok(Table::new(source, 0..0, String::new(), parsed.into_inner()))
}

impl<'s> Table<'s> {
    fn new(source: &'s Source, span: Range<usize>, name: String, table: DeTable<'s>) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let item = Item {
                span: value.span(),
                value: value.into_inner(),
            };
            (key.get_ref().to_string(), key.span(), item)
        });
        Self {
            source,
            span,
            name,
            entries: entries.collect(),
            known: Vec::new(),
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn take(&mut self, key: &str) -> Option<Item<'s>> {
        self.known.push(key.to_owned());
        let at = self.entries.iter().position(|(k, ..)| k == key)?;
        Some(self.entries.swap_remove(at).2)
    }

    pub(crate) fn required(&mut self, key: &str) -> Result<Item<'s>> {
        match self.take(key) {
            Some(item) => Ok(item),
            None => Err(self.missing(key)),
        }
    }

    pub(crate) fn missing(&self, key: &str) -> Error {
        // A key that is nearly this one is likely what was meant.
        let near = self.entries.iter().find(|(k, ..)| suggestion(k, [key]).is_some());
        match near {
            Some((found, span, _)) => {
                let hint = Some(format!("did you mean `{key}`?"));
                self.source
                    .error(span.clone(), format!("`{key}` is missing, found `{found}`"), hint)
            }
            None => self
                .source
                .error(self.span.clone(), format!("`{}` is missing", self.path(key)), None),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.entries.sort_by_key(|e| e.1.start);
        match self.entries.first() {
            None => Ok(()),
            Some((key, span, _)) => {
                let place = if self.name.is_empty() {
                    String::new()
                } else {
                    format!(" in `{}`", self.name)
                };
                let message = format!("unknown key `{key}`{place}, expected one of: {}", quoted(&self.known));
                Err(self.source.error(span.clone(), message, suggestion(key, &self.known)))
            }
        }
    }

    /// A table, if it is there.
    pub(crate) fn table(&mut self, key: &str) -> Result<Option<Table<'s>>> {
        let Some(item) = self.take(key) else { return Ok(None) };
        match item.value {
            DeValue::Table(table) => Ok(Some(Table::new(self.source, item.span, self.path(key), table))),
            _ => Err(wrong(self.source, &item, &self.path(key), "a table")),
        }
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String> {
        let item = self.required(key)?;
        text(self.source, &item, &self.path(key))
    }

    pub(crate) fn optional_text(&mut self, key: &str) -> Result<Option<String>> {
        let path = self.path(key);
        let item = self.take(key);
        item.map(|item| text(self.source, &item, &path)).transpose()
    }

    pub(crate) fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        let path = self.path(key);
        match self.take(key) {
            None => Ok(default),
            Some(Item {
                value: DeValue::Boolean(value),
                ..
            }) => Ok(value),
            Some(item) => Err(wrong(self.source, &item, &path, "`true` or `false`")),
        }
    }

    /// An integer in `[min, max]`; required without a default.
    pub(crate) fn int(&mut self, key: &str, default: Option<u64>, min: u64, max: u64) -> Result<u64> {
        match (self.optional_int(key, min, max)?, default) {
            (Some(value), _) | (None, Some(value)) => Ok(value),
            (None, None) => Err(self.missing(key)),
        }
    }

    pub(crate) fn optional_int(&mut self, key: &str, min: u64, max: u64) -> Result<Option<u64>> {
        let path = self.path(key);
        let Some(item) = self.take(key) else { return Ok(None) };
        let value = int(
            self.source,
            &item,
            &path,
            min as i64,
            i64::try_from(max).unwrap_or(i64::MAX),
        )?;
        Ok(Some(value as u64))
    }

    /// A number that `allowed` accepts; required without a default. `range` describes what is.
    pub(crate) fn float(
        &mut self,
        key: &str,
        default: Option<f64>,
        range: &str,
        allowed: impl Fn(f64) -> bool,
    ) -> Result<f64> {
        let path = self.path(key);
        match (self.take(key), default) {
            (Some(item), _) => float(self.source, &item, &path, range, allowed),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// A value that is read as a key of a table of its own would be, if it is there.
    pub(crate) fn optional<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        match self.entries.iter().any(|(k, ..)| k == key) {
            true => read(self).map(Some),
            false => {
                self.known.push(key.to_owned());
                Ok(None)
            }
        }
    }

    /// One of a few words; required without a default.
    pub(crate) fn word<T: Clone>(&mut self, key: &str, default: Option<T>, words: &[(&str, T)]) -> Result<T> {
        let path = self.path(key);
        match (self.take(key), default) {
            (Some(item), _) => {
                let found = text(self.source, &item, &path)?;
                let named = words.iter().find(|(word, _)| *word == found);
                named.map(|(_, value)| value.clone()).ok_or_else(|| {
                    let names = || words.iter().map(|(word, _)| word);
                    let message = format!("`{path}`: expected one of: {}, found `{found}`", quoted(names()));
                    self.source
                        .error(item.span.clone(), message, suggestion(&found, names()))
                })
            }
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// The elements of a list with at least one; required.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Item<'s>>> {
        let item = self.required(key)?;
        self.elements(key, item)
    }

    pub(crate) fn optional_list(&mut self, key: &str) -> Result<Option<Vec<Item<'s>>>> {
        self.take(key).map(|item| self.elements(key, item)).transpose()
    }

    fn elements(&self, key: &str, item: Item<'s>) -> Result<Vec<Item<'s>>> {
        match item.value {
            DeValue::Array(array) if !array.is_empty() => {
                let element = |v: Spanned<DeValue<'s>>| Item {
                    span: v.span(),
                    value: v.into_inner(),
                };
                Ok(array.into_iter().map(element).collect())
            }
            DeValue::Array(_) => Err(self.source.error(
                item.span,
                format!("`{}`: expected at least one element", self.path(key)),
                None,
            )),
            _ => Err(wrong(self.source, &item, &self.path(key), "a list")),
        }
    }

    /// A registered name with its options: `"name"`, or `{ name = "name", option = value }`.
    pub(crate) fn choice<'e>(
        source: &'s Source,
        item: Item<'s>,
        kind: &str,
        find: impl Fn(&str) -> Option<&'e Entry>,
        names: Vec<&str>,
    ) -> Result<(Choice, Range<usize>)> {
        let (entry, span, mut rest) = Self::named(source, item, kind, find, names)?;
        let options = options(source, entry, &mut rest)?;
        if let Some(table) = rest {
            table.finish()?;
        }
        let name = entry.name.clone();
        Ok((Choice { name, options }, span))
    }

    /// What a registered name stands for, where it is written, and the table of its options, if there is one.
    pub(crate) fn named<'e>(
        source: &'s Source,
        item: Item<'s>,
        kind: &str,
        find: impl Fn(&str) -> Option<&'e Entry>,
        names: Vec<&str>,
    ) -> Result<(&'e Entry, Range<usize>, Option<Table<'s>>)> {
        let span = item.span.clone();
        let (name, name_span, rest) = match item.value {
            DeValue::Table(table) => {
                let mut table = Table::new(source, item.span, kind.to_owned(), table);
                let name = table.required("name")?;
                (text(source, &name, "name")?, name.span, Some(table))
            }
            _ => (text(source, &item, kind)?, item.span, None),
        };
        match find(&name) {
            Some(entry) => Ok((entry, span, rest)),
            None => Err(unknown(source, name_span, kind, &name, &names)),
        }
    }
}

impl<'s> Item<'s> {
    /// A table with lists among its values stands for all tables with one element of each list in its place, the first list's
    /// elements outermost; anything else stands for itself.
    ///
    /// # Errors
    /// If a list is empty, or there are more than [`MOST_ALTERNATIVES`].
    pub(crate) fn alternatives(self, source: &Source) -> Result<Vec<Item<'s>>> {
        let DeValue::Table(table) = self.value else {
            return Ok(vec![self]);
        };
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut tables = vec![DeTable::new()];
        for (key, value) in entries {
            let span = value.span();
            let values = match value.into_inner() {
                DeValue::Array(array) if array.is_empty() => {
                    let message = format!("`{}`: expected at least one element", key.get_ref());
                    return Err(source.error(span, message, None));
                }
                DeValue::Array(array) => array.into_iter().collect(),
                value => vec![Spanned::new(span, value)],
            };
            if tables.len().saturating_mul(values.len()) > MOST_ALTERNATIVES {
                let message = format!("its lists stand for more than {MOST_ALTERNATIVES} tables");
                return Err(source.error(self.span, message, None));
            }
            let with = |table: &DeTable<'s>, value: &Spanned<DeValue<'s>>| {
                let mut table = table.clone();
                table.insert(key.clone(), value.clone());
                table
            };
            tables = tables
                .iter()
                .flat_map(|table| values.iter().map(move |value| with(table, value)))
                .collect();
        }
        let item = |table| Item {
            span: self.span.clone(),
            value: DeValue::Table(table),
        };
        Ok(tables.into_iter().map(item).collect())
    }
}

/// A name that is not registered.
pub(crate) fn unknown(source: &Source, span: Range<usize>, kind: &str, name: &str, names: &[&str]) -> Error {
    let message = format!("unknown {kind} `{name}`, expected one of: {}", quoted(names));
    source.error(span, message, suggestion(name, names))
}

/// The options of an entry, taken from a table, defaults filled in. Those that the profile decides are absent unless given.
pub(crate) fn options(source: &Source, entry: &Entry, table: &mut Option<Table>) -> Result<BTreeMap<String, Value>> {
    let mut options = BTreeMap::new();
    for option in &entry.options {
        let given = table.as_mut().and_then(|table| table.take(&option.name));
        if let Some((other, needed)) = &option.only_with
            && options.get(other) != Some(&Value::Text(needed.clone()))
        {
            if let Some(item) = given {
                let message = format!("`{}` has a meaning with `{other} = \"{needed}\"` only", option.name);
                return Err(source.error(item.span, message, None));
            }
            continue;
        }
        let value = match given {
            Some(item) => Some(option_value(source, &item, &option.name, &option.kind)?),
            None => option.kind.default_value(),
        };
        options.extend(value.map(|value| (option.name.clone(), value)));
    }
    Ok(options)
}

fn option_value(source: &Source, item: &Item, path: &str, kind: &OptionKind) -> Result<Value> {
    Ok(match kind {
        OptionKind::Float { min, max, .. } => {
            let range = format!("a number from {min} to {max}");
            Value::Float(float(source, item, path, &range, |v| (*min..=*max).contains(&v))?)
        }
        OptionKind::Int { min, max, .. } | OptionKind::Profile { min, max, .. } => {
            Value::Int(int(source, item, path, *min, *max)?)
        }
        OptionKind::Choice { allowed, .. } => {
            let found = text(source, item, path)?;
            if !allowed.contains(&found) {
                let message = format!("`{path}`: expected one of: {}, found `{found}`", quoted(allowed));
                return Err(source.error(item.span.clone(), message, suggestion(&found, allowed)));
            }
            Value::Text(found)
        }
    })
}

pub(crate) fn text(source: &Source, item: &Item, path: &str) -> Result<String> {
    match &item.value {
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(wrong(source, item, path, "a text in quotes")),
    }
}

pub(crate) fn int(source: &Source, item: &Item, path: &str, min: i64, max: i64) -> Result<i64> {
    let expected = match (min, max) {
        (min, i64::MAX) => format!("an integer of at least {min}"),
        (min, max) => format!("an integer from {min} to {max}"),
    };
    let DeValue::Integer(value) = &item.value else {
        return Err(wrong(source, item, path, &expected));
    };
    match i64::from_str_radix(value.as_str(), value.radix()) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(wrong(source, item, path, &expected)),
    }
}

pub(crate) fn float(
    source: &Source,
    item: &Item,
    path: &str,
    range: &str,
    allowed: impl Fn(f64) -> bool,
) -> Result<f64> {
    let value = match &item.value {
        DeValue::Float(value) => value.as_str().parse::<f64>().ok(),
        DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix())
            .ok()
            .map(|v| v as f64),
        _ => None,
    };
    // -0 and 0 would give different ids.
    value
        .filter(|v| v.is_finite() && allowed(*v))
        .map(|v| v + 0.0)
        .ok_or_else(|| wrong(source, item, path, range))
}

pub(crate) fn wrong(source: &Source, item: &Item, path: &str, expected: &str) -> Error {
    let found = match &item.value {
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        _ => source
            .text
            .get(item.span.clone())
            .map_or_else(String::new, |text| format!("`{text}`")),
    };
    source.error(
        item.span.clone(),
        format!("`{path}`: expected {expected}, found {found}"),
        None,
    )
}
