//! The python version: pickled dictionaries with a numpy array of bytes and lists of labels.
//!
//! A pickle is a program for a machine that builds Python objects. This one knows the instructions
//! that these files use, and builds plain values: a call of a Python function is kept as a note of
//! what was called, nothing is ever executed.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Format, PIXELS, Part, Records, planes_last};
use crate::Error;

/// The most instructions of a file; CIFAR-100's training set needs about 500,000.
const MOST_INSTRUCTIONS: usize = 1 << 22;

/// Reads a file of the python version.
pub(super) fn read(format: &Format, part: &Part, path: &Path, bytes: &[u8]) -> Result<Records, Error> {
    let pickle = Pickle::parse(path, bytes)?;
    let coarse = match format.coarse_classes {
        Some(_) => pickle.labels("coarse_labels")?,
        None => Vec::new(),
    };
    let labels = pickle.labels(if format.coarse_classes.is_some() {
        "fine_labels"
    } else {
        "labels"
    })?;
    let planes = pickle.array("data", [part.records, PIXELS])?;
    let mut pixels = vec![0; planes.len()];
    for (planes, out) in planes.chunks_exact(PIXELS).zip(pixels.chunks_exact_mut(PIXELS)) {
        planes_last(planes, out);
    }
    let records = Records { coarse, labels, pixels };
    format.check(part, path, &records)?;
    format.check_md5(part, path, &records)?;
    Ok(records)
}

/// A value, or the place of one: lists are filled after they were noted down, so values are
/// referred to by their position in [`Pickle::values`].
#[derive(Clone, Debug)]
enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Bytes(&'a [u8]),
    Tuple(Vec<usize>),
    List(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    /// A Python function or class, `module name`.
    Global(&'a [u8], &'a [u8]),
    /// What calling a function with arguments would give, and the state set on it afterwards.
    Call {
        function: usize,
        arguments: usize,
        state: Option<usize>,
    },
}

struct Pickle<'a> {
    path: &'a Path,
    values: Vec<Value<'a>>,
    /// The value that the program leaves.
    result: usize,
}

impl<'a> Pickle<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut machine = Machine {
            path,
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
        };
        let result = machine.run()?;
        Ok(Self {
            path,
            values: machine.values,
            result,
        })
    }

    /// The value of `key` in the dictionary that the file holds.
    fn get(&self, key: &str) -> Result<&Value<'a>, Error> {
        let Value::Dict(items) = &self.values[self.result] else {
            return Err(self.wrong("content", self.result, "a dictionary"));
        };
        let is_key = |value: &Value| matches!(value, Value::Bytes(name) if *name == key.as_bytes());
        match items.iter().rev().find(|(name, _)| is_key(&self.values[*name])) {
            Some(&(_, value)) => Ok(&self.values[value]),
            None => Err(Error::malformed(self.path, "content", format!("no key `{key}`"), "one")),
        }
    }

    /// A list of labels. Whether they are in range is checked later; here they must fit a byte.
    fn labels(&self, key: &str) -> Result<Vec<u8>, Error> {
        let place = |i| format!("`{key}`, item {i}");
        match self.get(key)? {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, &item)| match self.values[item] {
                    Value::Int(label) => {
                        u8::try_from(label).map_err(|_| Error::malformed(self.path, place(i), label, "0 to 255"))
                    }
                    _ => Err(self.wrong(&place(i), item, "a whole number")),
                })
                .collect(),
            other => Err(Error::malformed(self.path, format!("`{key}`"), other.kind(), "a list")),
        }
    }

    /// The bytes of a numpy array of type `u1` (`numpy.ndarray.__reduce__`): a call of
    /// `_reconstruct` with the state (version, shape, type, Fortran order, bytes).
    fn array(&self, key: &str, shape: [usize; 2]) -> Result<&'a [u8], Error> {
        let place = |what: &str| format!("`{key}`, {what}");
        let malformed =
            |what: &str, found: String, expected: String| Error::malformed(self.path, place(what), found, expected);
        let value = self.get(key)?;
        let (function, state) = match value {
            Value::Call {
                function,
                state: Some(state),
                ..
            } => (*function, *state),
            other => return Err(malformed("value", other.kind().to_owned(), "a numpy array".to_owned())),
        };
        match self.values[function] {
            Value::Global(b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => {}
            Value::Global(module, name) => {
                let found = format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                return Err(malformed("function", found, "numpy's `_reconstruct`".to_owned()));
            }
            _ => return Err(self.wrong(&place("function"), function, "numpy's `_reconstruct`")),
        }
        let state = match &self.values[state] {
            Value::Tuple(items) => <[usize; 5]>::try_from(items.as_slice()).ok(),
            _ => None,
        };
        let Some([_, dimensions, kind, fortran, data]) = state else {
            return Err(malformed(
                "state",
                "something else".to_owned(),
                "five values".to_owned(),
            ));
        };

        let dimensions: Option<Vec<i64>> = match &self.values[dimensions] {
            Value::Tuple(items) => items.iter().map(|&item| self.int(item)).collect(),
            _ => None,
        };
        let expected = shape.map(|n| n as i64);
        if dimensions.as_deref() != Some(&expected) {
            return Err(malformed("shape", format!("{dimensions:?}"), format!("{expected:?}")));
        }
        let kind_name = match self.values[kind] {
            Value::Call { arguments, .. } => match &self.values[arguments] {
                Value::Tuple(items) => items.first().map(|&item| &self.values[item]),
                _ => None,
            },
            _ => None,
        };
        match kind_name {
            Some(Value::Bytes(b"u1")) => {}
            Some(Value::Bytes(name)) => {
                return Err(malformed(
                    "type",
                    format!("`{}`", String::from_utf8_lossy(name)),
                    "`u1`".to_owned(),
                ));
            }
            _ => return Err(self.wrong(&place("type"), kind, "numpy's type `u1`")),
        }
        if !matches!(self.values[fortran], Value::Bool(false) | Value::Int(0)) {
            return Err(self.wrong(&place("Fortran order"), fortran, "False"));
        }
        match self.values[data] {
            Value::Bytes(bytes) if bytes.len() == shape[0] * shape[1] => Ok(bytes),
            Value::Bytes(bytes) => Err(malformed(
                "bytes",
                bytes.len().to_string(),
                (shape[0] * shape[1]).to_string(),
            )),
            _ => Err(self.wrong(&place("bytes"), data, "a string")),
        }
    }

    fn int(&self, value: usize) -> Option<i64> {
        match self.values[value] {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    fn wrong(&self, place: &str, found: usize, expected: &str) -> Error {
        Error::malformed(self.path, place, self.values[found].kind(), expected)
    }
}

impl Value<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a whole number",
            Self::Bytes(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(..) => "a function",
            Self::Call { .. } => "an object",
        }
    }
}

struct Machine<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<usize>,
    /// The heights of the stack at which groups of items begin.
    marks: Vec<usize>,
    memo: BTreeMap<u32, usize>,
}

impl<'a> Machine<'a> {
    /// Runs to the end and gives the value on top of the stack. The instructions and their codes
    /// are those of Python's `pickletools`.
    fn run(&mut self) -> Result<usize, Error> {
        for _ in 0..MOST_INSTRUCTIONS {
            let start = self.at;
            match self.take(1)?[0] {
                // PROTO
                0x80 => {
                    let version = self.take(1)?[0];
                    if version > 3 {
                        return Err(self.error(start, format!("protocol {version}"), "0 to 3"));
                    }
                }
                // STOP
                b'.' => return self.pop(start),
                // MARK
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                // BININT1, BININT2, BININT, LONG1
                b'K' => {
                    let value = self.number(1)?;
                    self.push(Value::Int(value));
                }
                b'M' => {
                    let value = self.number(2)?;
                    self.push(Value::Int(value));
                }
                b'J' => {
                    let value = self.number(4)? as i32;
                    self.push(Value::Int(value.into()));
                }
                0x8a => {
                    let size = self.take(1)?[0];
                    let mut bytes = [0; 8];
                    let digits = self.take(size.into())?;
                    let Some(low) = bytes.get_mut(..digits.len()) else {
                        return Err(self.error(start, format!("a number of {size} bytes"), "8 at most"));
                    };
                    low.copy_from_slice(digits);
                    if digits.last().is_some_and(|&top| top >= 0x80) {
                        bytes[digits.len()..].fill(0xff);
                    }
                    self.push(Value::Int(i64::from_le_bytes(bytes)));
                }
                // SHORT_BINSTRING, SHORT_BINBYTES; BINSTRING, BINUNICODE, BINBYTES
                b'U' | b'C' => self.string(1)?,
                b'T' | b'X' | b'B' => self.string(4)?,
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                // TUPLE, TUPLE1, TUPLE2, TUPLE3
                b't' => {
                    let items = self.pop_group(start)?;
                    self.push(Value::Tuple(items));
                }
                code @ 0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0x84..code {
                        items.push(self.pop(start)?);
                    }
                    items.reverse();
                    self.push(Value::Tuple(items));
                }
                // APPEND, APPENDS
                b'a' => {
                    let item = self.pop(start)?;
                    self.append(start, vec![item])?;
                }
                b'e' => {
                    let items = self.pop_group(start)?;
                    self.append(start, items)?;
                }
                // SETITEM, SETITEMS
                b's' => {
                    let value = self.pop(start)?;
                    let key = self.pop(start)?;
                    self.set(start, &[key, value])?;
                }
                b'u' => {
                    let items = self.pop_group(start)?;
                    self.set(start, &items)?;
                }
                // GLOBAL, REDUCE, BUILD
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(module, name));
                }
                b'R' => {
                    let arguments = self.pop(start)?;
                    let function = self.pop(start)?;
                    self.push(Value::Call {
                        function,
                        arguments,
                        state: None,
                    });
                }
                b'b' => {
                    let new = self.pop(start)?;
                    let object = self.top(start)?;
                    match &mut self.values[object] {
                        Value::Call { state, .. } => *state = Some(new),
                        other => {
                            let kind = other.kind();
                            return Err(self.error(start, format!("state for {kind}"), "for an object"));
                        }
                    }
                }
                // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
                code @ (b'q' | b'r') => {
                    let key = self.number(if code == b'q' { 1 } else { 4 })? as u32;
                    let value = self.top(start)?;
                    self.memo.insert(key, value);
                }
                code @ (b'h' | b'j') => {
                    let key = self.number(if code == b'h' { 1 } else { 4 })? as u32;
                    match self.memo.get(&key) {
                        Some(&value) => self.stack.push(value),
                        None => return Err(self.error(start, format!("memo {key}, never set"), "a known one")),
                    }
                }
                code => {
                    let found = format!("instruction {code:#04x}");
                    return Err(self.error(start, found, "one that a table of images needs"));
                }
            }
        }
        Err(self.error(self.at, "more instructions".to_owned(), "the end"))
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn string(&mut self, size_bytes: usize) -> Result<(), Error> {
        let size = self.number(size_bytes)? as usize;
        let bytes = self.take(size)?;
        self.push(Value::Bytes(bytes));
        Ok(())
    }

    /// Takes the top of the stack, but nothing from below the last mark.
    fn pop(&mut self, start: usize) -> Result<usize, Error> {
        let value = self.top(start)?;
        self.stack.pop();
        Ok(value)
    }

    fn top(&self, start: usize) -> Result<usize, Error> {
        match self.stack.last() {
            Some(&value) if self.stack.len() > self.marks.last().copied().unwrap_or(0) => Ok(value),
            _ => Err(self.error(start, "an empty stack".to_owned(), "a value")),
        }
    }

    fn pop_group(&mut self, start: usize) -> Result<Vec<usize>, Error> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => Err(self.error(start, "no mark".to_owned(), "one")),
        }
    }

    fn append(&mut self, start: usize, new: Vec<usize>) -> Result<(), Error> {
        let list = self.top(start)?;
        match &mut self.values[list] {
            Value::List(items) => {
                items.extend(new);
                Ok(())
            }
            other => {
                let kind = other.kind();
                Err(self.error(start, format!("items for {kind}"), "for a list"))
            }
        }
    }

    fn set(&mut self, start: usize, new: &[usize]) -> Result<(), Error> {
        let dict = self.top(start)?;
        match &mut self.values[dict] {
            Value::Dict(items) if new.len().is_multiple_of(2) => {
                items.extend(new.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            other => {
                let found = format!("{} keys and values for {}", new.len(), other.kind());
                Err(self.error(start, found, "pairs for a dictionary"))
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.at..];
        if n > rest.len() {
            let found = format!("{} bytes to the end", rest.len());
            return Err(self.error(self.at, found, format!("{n} more")));
        }
        self.at += n;
        Ok(&rest[..n])
    }

    /// An unsigned number of `n` bytes, lowest first.
    fn number(&mut self, n: usize) -> Result<i64, Error> {
        Ok(self
            .take(n)?
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | i64::from(byte)))
    }

    fn line(&mut self) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            None => Err(self.error(self.at, "no end of line".to_owned(), "one")),
        }
    }

    fn error(&self, at: usize, found: String, expected: impl Into<String>) -> Error {
        Error::malformed(self.path, format!("byte {at}"), found, expected.into())
    }
}
