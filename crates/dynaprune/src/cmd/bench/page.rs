//! The page with the results: the tables go between two markers, the rest of it is written by hand.

use super::measure::{Measured, Protocol};
use super::table::{Table, figures};
use crate::failure::BadInput;
use crate::machine;
use crate::rows::now;
use anyhow::{Result, anyhow};
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- begin of what `bench --write` writes -->";
const END: &str = "<!-- end of what `bench --write` writes -->";

/// A page with a place for the tables.
#[derive(Debug)]
pub(super) struct Page {
    path: PathBuf,
    before: String,
    after: String,
}

impl Page {
    /// Reads `performance.md` in the folder of the docs.
    pub(super) fn open(docs: &Path) -> Result<Self> {
        let path = docs.join("performance.md");
        let text = fs::read_to_string(&path).map_err(|error| {
            BadInput::new(format!("cannot read `{}`: {error}", path.display()))
                .hint("`--write` puts the tables into a page that is there already")
        })?;
        match split(&text) {
            Some((before, after)) => Ok(Self {
                before: before.to_owned(),
                after: after.to_owned(),
                path,
            }),
            None => Err(
                BadInput::new(format!("`{}` has no place for the tables", path.display()))
                    .hint(format!("it is between the lines\n\n  {BEGIN}\n  {END}"))
                    .into(),
            ),
        }
    }

    /// Puts new text between the markers, and returns where.
    pub(super) fn write(&self, text: &str) -> Result<&Path> {
        let Self { path, before, after } = self;
        let page = format!("{before}\n{}\n{after}", text.trim_end());
        fs::write(path, page).map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
        Ok(path)
    }
}

/// What comes up to the first marker, and what from the second on.
fn split(text: &str) -> Option<(&str, &str)> {
    let begin = text.find(BEGIN)? + BEGIN.len();
    let end = begin + text[begin..].find(END)?;
    Some((&text[..begin], &text[end..]))
}

/// The text: what made the tables, and the tables.
pub(super) fn text(all: &[Measured], tables: &[Table], peak: f64, protocol: &Protocol, command: &str) -> String {
    let date = now();
    let date = date.split('T').next().unwrap_or_default();
    let machine = machine::cpu();
    let processor = machine.strip_prefix("cpu: ").unwrap_or("an unnamed processor");
    let first = all.first();
    let ours = first.map_or("", |measured| measured.ours.program.as_str());
    let peer = first.and_then(|measured| measured.peer.as_ref());
    let mut text = format!("Made on {date} by\n\n```sh\n{command}\n```\n\n| | |\n|---|---|\n");
    let mut line = |name: &str, value: &str| text += &format!("| {name} | {value} |\n");
    line("machine", &format!("{processor}, {OS} {ARCH}"));
    line("threads", &protocol.threads.to_string());
    line("ours", &format!("{ours}, {}", env!("DYNAPRUNE_RUSTC_VERSION")));
    if let Some(peer) = peer {
        line("peer", &peer.side.program);
    }
    line("peak", &format!("{} GFLOP/s", figures(peak)));
    line("rounds", &format!("{} of {} s", protocol.rounds, protocol.seconds));
    for table in tables {
        text += "\n";
        text += &table.to_markdown();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("performance.md");
        fs::write(&path, format!("above\n{BEGIN}\nold\n{END}\nbelow\n")).unwrap();
        for text in ["new", "newer\n"] {
            Page::open(folder.path()).unwrap().write(text).unwrap();
            let expected = format!("above\n{BEGIN}\n{}\n{END}\nbelow\n", text.trim_end());
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }

    #[test]
    fn a_page_without_the_markers_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Page::open(folder.path()).is_err());
        fs::write(folder.path().join("performance.md"), format!("{END}\n{BEGIN}\n")).unwrap();
        let error = Page::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("has no place for the tables\n\nhint: "), "{error}");
    }
}
