//! Whether the sizes that a Parquet file states are possible for a file of its length.
//!
//! Polars reserves memory for what footer and page headers announce before it reads it, and a process that asks for too much
//! is ended by its allocator: no error could be returned. So the announcements are added up first. They are Thrift structures
//! in the compact protocol (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>); the numbers
//! of their fields are in <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// `PAR1`, at both ends.
const MAGIC: usize = 4;
/// The length of the footer, before the second `PAR1`.
const FOOTER_LENGTH: usize = 4;
/// Bytes in memory that any file may ask for, and those that it may for each byte that it has.
const ALLOWED: u64 = 64 << 20;
const ALLOWED_PER_BYTE: u64 = 256;
/// Bytes in memory that a value takes at least, apart from those of its page.
const VALUE: u64 = 16;
/// Structures in structures: a file has six levels.
const DEEPEST: usize = 16;

/// What is wrong with the sizes that the file states, if anything is.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let allowed = ALLOWED + ALLOWED_PER_BYTE * file.len() as u64;
    let mut announced = Announced { bytes: 0, allowed };
    for row_group in footer(file)?.list(4) {
        announced.values(row_group.number(3))?;
        for chunk in row_group.list(1) {
            let metadata = chunk.structure(3).ok_or("a column without metadata")?;
            announced.values(metadata.number(5))?;
            let (data, dictionary) = (metadata.number(9), metadata.number(11));
            let start = match dictionary {
                Some(dictionary) if dictionary > 0 => dictionary.min(data.unwrap_or(dictionary)),
                _ => data.unwrap_or(0),
            };
            let pages = slice(file, start, metadata.number(7).unwrap_or(0))
                .ok_or("a column's pages are outside of the file")?;
            announced.pages(pages)?;
        }
    }
    Ok(())
}

/// The structure `FileMetaData`.
fn footer(file: &[u8]) -> Result<Structure, String> {
    let end = file.len().checked_sub(MAGIC + FOOTER_LENGTH).ok_or("no footer")?;
    let length: [u8; FOOTER_LENGTH] = file[end..end + FOOTER_LENGTH].try_into().map_err(|_| "no footer")?;
    let length = u32::from_le_bytes(length) as usize;
    let start = end.checked_sub(length).ok_or("its footer is longer than the file")?;
    Reader {
        rest: &file[start..end],
    }
    .structure(0)
}

fn slice(file: &[u8], start: i64, length: i64) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    file.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}

/// The memory that a file asks for.
struct Announced {
    bytes: u64,
    allowed: u64,
}

impl Announced {
    fn add(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > self.allowed {
            true => Err("it announces more values than a file of its length can have".to_owned()),
            false => Ok(()),
        }
    }

    fn values(&mut self, number: Option<i64>) -> Result<(), String> {
        let number = u64::try_from(number.unwrap_or(0)).map_err(|_| "a negative number of values")?;
        self.add(number.saturating_mul(VALUE))
    }

    /// The pages of a column: a structure `PageHeader` before each.
    fn pages(&mut self, pages: &[u8]) -> Result<(), String> {
        let mut reader = Reader { rest: pages };
        while !reader.rest.is_empty() {
            let header = reader.structure(0)?;
            let unpacked = u64::try_from(header.number(2).unwrap_or(0)).map_err(|_| "a page of negative size")?;
            self.add(unpacked)?;
            for kind in [5, 7, 8] {
                self.values(header.structure(kind).and_then(|header| header.number(1)))?;
            }
            let packed = usize::try_from(header.number(3).unwrap_or(0)).map_err(|_| "a page of negative size")?;
            reader.take(packed)?;
        }
        Ok(())
    }
}

/// The fields of a structure that say something about sizes.
#[derive(Default)]
struct Structure {
    fields: Vec<(i16, Value)>,
}

enum Value {
    Number(i64),
    List(Vec<Structure>),
    Structure(Structure),
    /// Anything else.
    Other,
}

impl Structure {
    fn get(&self, field: i16) -> Option<&Value> {
        self.fields.iter().find(|(id, _)| *id == field).map(|(_, value)| value)
    }

    fn number(&self, field: i16) -> Option<i64> {
        match self.get(field) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn structure(&self, field: i16) -> Option<&Self> {
        match self.get(field) {
            Some(Value::Structure(structure)) => Some(structure),
            _ => None,
        }
    }

    /// The structures of a list; none if there is no such list.
    fn list(&self, field: i16) -> &[Self] {
        match self.get(field) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// Seven bits a byte, the lowest first; the highest bit of a byte says that another follows.
    fn unsigned(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number with more than 64 bits".to_owned())
    }

    /// 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
    fn signed(&mut self) -> Result<i64, String> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of bytes or elements, each of which takes a byte of the file at least.
    fn length(&mut self) -> Result<usize, String> {
        let length = usize::try_from(self.unsigned()?).ok();
        let possible = length.filter(|length| *length <= self.rest.len());
        possible.ok_or_else(|| "a list or text that is longer than the file".to_owned())
    }

    fn structure(&mut self, depth: usize) -> Result<Structure, String> {
        let mut fields = Vec::new();
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Structure { fields });
            }
            id = match head >> 4 {
                0 => self.signed()? as i16,
                step => id.wrapping_add(step.into()),
            };
            // A truth value is in the type.
            let value = match head & 0xf {
                1 | 2 => Value::Other,
                kind => self.value(kind, depth)?,
            };
            fields.push((id, value));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value, String> {
        Ok(match kind {
            1..=3 => {
                self.byte()?;
                Value::Other
            }
            4..=6 => Value::Number(self.signed()?),
            7 => {
                self.take(8)?;
                Value::Other
            }
            8 => {
                let length = self.length()?;
                self.take(length)?;
                Value::Other
            }
            9 | 10 if depth < DEEPEST => {
                let head = self.byte()?;
                let length = match head >> 4 {
                    15 => self.length()?,
                    short => short.into(),
                };
                let mut structures = Vec::new();
                for _ in 0..length {
                    if let Value::Structure(structure) = self.value(head & 0xf, depth + 1)? {
                        structures.push(structure);
                    }
                }
                Value::List(structures)
            }
            12 if depth < DEEPEST => Value::Structure(self.structure(depth + 1)?),
            9 | 10 | 12 => return Err("structures in structures without end".to_owned()),
            // Parquet has no maps.
            other => return Err(format!("a value of type {other}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A file with one page and this footer.
    fn file(page: &[u8], footer: &[u8]) -> Vec<u8> {
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", page, footer, &length, b"PAR1"].concat()
    }

    /// `PageHeader { 1: 0, 2: unpacked, 3: 0, 5: { 1: values } }`, the numbers as they are written.
    fn page(unpacked: &[u8], values: &[u8]) -> Vec<u8> {
        [&[0x15, 0, 0x15], unpacked, &[0x15, 0, 0x2c, 0x15], values, &[0, 0]].concat()
    }

    /// `FileMetaData { 4: [{ 1: [{ 3: { 5: 1, 7: size of the page, 9: 4 } }], 3: rows }] }`.
    fn footer(page: &[u8], rows: &[u8]) -> Vec<u8> {
        let size = 2 * page.len() as u8;
        let chunk = [0x3c, 0x56, 2, 0x26, size, 0x26, 8, 0, 0];
        [&[0x49, 0x1c, 0x19, 0x1c], chunk.as_slice(), &[0x26], rows, &[0, 0]].concat()
    }

    #[test]
    fn what_announces_too_much_is_refused() {
        let checked = |unpacked: &[u8], values: &[u8], rows: &[u8]| {
            let page = page(unpacked, values);
            check(&file(&page, &footer(&page, rows)))
        };
        let one: &[u8] = &[2];
        // 2^31 - 1, doubled as signed numbers are.
        let most: &[u8] = &[0xfe, 0xff, 0xff, 0xff, 0x0f];
        let too_much = Err("it announces more values than a file of its length can have".to_owned());
        assert_eq!(checked(one, one, one), Ok(()));
        assert_eq!(checked(most, one, one), too_much);
        assert_eq!(checked(one, most, one), too_much);
        assert_eq!(checked(one, one, most), too_much);
        // -1
        assert_eq!(checked(one, one, &[1]), Err("a negative number of values".to_owned()));
    }

    #[test]
    fn a_list_is_no_longer_than_the_file() {
        let long = "a list or text that is longer than the file";
        // `FileMetaData { 2: [2^31 - 1 structures`, and with a text of that length.
        let list = file(&[], &[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0]);
        assert_eq!(check(&list), Err(long.to_owned()));
        let text = file(&[], &[0x28, 0xff, 0xff, 0xff, 0xff, 0x07, 0]);
        assert_eq!(check(&text), Err(long.to_owned()));
    }

    #[test]
    fn structures_in_structures_end() {
        assert_eq!(
            check(&file(&[], &[0x1c; 1 << 20])),
            Err("structures in structures without end".to_owned())
        );
        assert_eq!(
            check(&file(&[], &[0x19; 1 << 20])),
            Err("structures in structures without end".to_owned())
        );
    }

    #[test]
    fn the_files_of_this_repository_are_possible() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results")];
        let mut checked = 0;
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "parquet") {
                    assert_eq!(check(&fs::read(&path).unwrap()), Ok(()), "{}", path.display());
                    checked += 1;
                }
            }
        }
        assert!(checked >= 10, "only {checked} files");
    }
}
