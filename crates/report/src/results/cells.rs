//! Finished runs, a file each: what the Parquet files of a profile are made from, and can always be made from again.
//!
//! A cell is `cells/<run_id>.tar`: a manifest with the BLAKE3 sum of each of the run's Parquet files, then these files. It is
//! written whole, and once: who comes second finds it there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::Row;
use super::store::RunRows;
use super::{RunRow, parquet};
use crate::Error;

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// A finished run's file name ends so,
const ENDING: &str = ".tar";
/// with this behind it if it was found damaged,
const DAMAGED: &str = ".damaged";
/// and with this if it was to be made afresh.
const REPLACED: &str = ".replaced";

/// The folder of the cells of a profile.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    folder: PathBuf,
}

/// Whether a cell was stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// It was not there before.
    Now,
    /// It was there before with the same numbers; made again, they are not needed.
    Before,
    /// It was there before with other numbers, which stay: this names the first column that differs, what is there and what
    /// came.
    Otherwise(String),
}

/// The first file of a cell.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    run_id: String,
    /// The BLAKE3 sum of each file, by its name.
    blake3: BTreeMap<String, String>,
}

impl Cells {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn path(&self, run_id: &str) -> PathBuf {
        self.folder.join(format!("{run_id}{ENDING}"))
    }

    /// The runs that have a cell.
    pub(super) fn ids(&self) -> Result<BTreeSet<String>, Error> {
        let entries = match self.folder.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(Error::read(&self.folder))?,
        };
        let mut ids = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(Error::read(&self.folder))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            // Temporary files begin with a dot.
            ids.extend(id.filter(|id| !id.starts_with('.')).map(str::to_owned));
        }
        Ok(ids)
    }

    /// Stores a run unless it is there. A damaged cell in its place is set aside.
    pub(super) fn store(&self, run_id: &str, rows: &RunRows) -> Result<Stored, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let path = self.path(run_id);
        let bytes = encode(&path, run_id, rows)?;
        loop {
            if dynaprune_files::write_new(&path, &bytes).map_err(Error::write(&path))? {
                return Ok(Stored::Now);
            }
            match self.read(run_id) {
                Ok(there) => {
                    return Ok(match difference(&there, rows) {
                        None => Stored::Before,
                        Some(difference) => Stored::Otherwise(difference),
                    });
                }
                Err(Error::Damaged { .. }) => self.set_aside_damaged(run_id)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Stores a run in place of what is there.
    pub(super) fn replace(&self, run_id: &str, rows: &RunRows) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let path = self.path(run_id);
        dynaprune_files::write(&path, &encode(&path, run_id, rows)?).map_err(Error::write(&path))
    }

    /// The rows of a run.
    pub(super) fn read(&self, run_id: &str) -> Result<RunRows, Error> {
        let path = self.path(run_id);
        decode(&path, run_id, &fs::read(&path).map_err(Error::read(&path))?)
    }

    /// Renames a cell that is to be made afresh, so that its run counts as not made; nothing if there is none.
    pub(super) fn set_aside(&self, run_id: &str) -> Result<(), Error> {
        self.rename(run_id, REPLACED).map(drop)
    }

    /// Renames a damaged cell likewise. A whole one, which another process may have put in its place since it was read, goes
    /// back.
    pub(super) fn set_aside_damaged(&self, run_id: &str) -> Result<(), Error> {
        let (path, aside) = (self.path(run_id), self.rename(run_id, DAMAGED)?);
        match fs::read(&aside) {
            Ok(bytes) if decode(&path, run_id, &bytes).is_ok() => {
                dynaprune_files::write_new(&path, &bytes).map_err(Error::write(&path))?;
                fs::remove_file(&aside).map_err(Error::write(&aside))
            }
            _ => Ok(()),
        }
    }

    /// Adds an ending to a cell's name, which it gives, if there is the cell.
    fn rename(&self, run_id: &str, ending: &str) -> Result<PathBuf, Error> {
        let path = self.path(run_id);
        let mut to = path.clone().into_os_string();
        to.push(ending);
        match fs::rename(&path, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(&path)(error)),
            _ => Ok(to.into()),
        }
    }

    /// Removes a cell, if it is there.
    pub(super) fn remove(&self, run_id: &str) -> Result<(), Error> {
        let path = self.path(run_id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Shows whether cells can be stored.
    pub(super) fn probe(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let path = self.folder.join(format!("{}probe", dynaprune_files::TEMPORARY));
        dynaprune_files::write(&path, b"").map_err(Error::write(&self.folder))?;
        // Another process may have had the same idea.
        let _ = fs::remove_file(&path);
        Ok(())
    }

    /// Removes what dead processes left half written.
    pub(super) fn sweep(&self) {
        dynaprune_files::sweep(&self.folder);
    }
}

/// Where two results of the same run differ, in words; when and where they were made, and how long it took, do not count.
pub(super) fn difference(there: &RunRows, new: &RunRows) -> Option<String> {
    let (there, new) = (timeless(there), timeless(new));
    let lines = |rows: &RunRows| -> Vec<String> {
        let runs = rows.runs.iter().map(|row| format!("{row:#?}"));
        let epochs = rows.epochs.iter().map(|row| format!("{row:#?}"));
        let selections = rows.selections.iter().map(|row| format!("{row:?}"));
        let traces = rows.traces.iter().map(|row| format!("{row:?}"));
        let all = runs.chain(epochs).chain(selections).chain(traces);
        all.flat_map(|text| {
            text.lines()
                .map(|line| line.trim().trim_end_matches(',').to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
    };
    let (there, new) = (lines(&there), lines(&new));
    let short = |line: Option<&String>| line.map_or("nothing".to_owned(), |line| line.chars().take(80).collect());
    (0..there.len().max(new.len()))
        .find(|&i| there.get(i) != new.get(i))
        .map(|i| format!("`{}` is there, `{}` came", short(there.get(i)), short(new.get(i))))
}

/// The rows without what differs from one making to another.
fn timeless(rows: &RunRows) -> RunRows {
    let mut rows = rows.clone().sorted();
    for run in &mut rows.runs {
        run.scoring_seconds = 0.0;
        run.selection_seconds = 0.0;
        run.training_seconds = 0.0;
        run.evaluation_seconds = 0.0;
        run.other_seconds = 0.0;
        run.total_seconds = 0.0;
        run.threads = 0;
        for text in [&mut run.device, &mut run.code_version, &mut run.started_at] {
            text.clear();
        }
    }
    for epoch in &mut rows.epochs {
        epoch.scoring_seconds = 0.0;
        epoch.selection_seconds = 0.0;
        epoch.training_seconds = 0.0;
        epoch.evaluation_seconds = 0.0;
        epoch.other_seconds = 0.0;
    }
    rows
}

/// A cell's bytes: the same rows give the same.
fn encode(path: &Path, run_id: &str, rows: &RunRows) -> Result<Vec<u8>, Error> {
    let rows = rows.clone().sorted();
    let files = [
        ("runs.parquet", parquet::to_bytes(path, &rows.runs)?),
        ("epochs.parquet", parquet::to_bytes(path, &rows.epochs)?),
        ("selections.parquet", parquet::to_bytes(path, &rows.selections)?),
        ("traces.parquet", parquet::to_bytes(path, &rows.traces)?),
    ];
    let sum = |(name, bytes): &(&str, Vec<u8>)| ((*name).to_owned(), blake3::hash(bytes).to_hex().to_string());
    let manifest = Manifest {
        format: FORMAT,
        run_id: run_id.to_owned(),
        blake3: files.iter().map(sum).collect(),
    };
    let write = || -> io::Result<Vec<u8>> {
        let manifest = serde_json::to_vec(&manifest)?;
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in [(MANIFEST, &manifest)]
            .into_iter()
            .chain(files.iter().map(|(n, b)| (*n, b)))
        {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes.as_slice())?;
        }
        archive.into_inner()
    };
    write().map_err(Error::write(path))
}

/// The rows of a cell's bytes. No more memory is taken than a small multiple of theirs.
fn decode(path: &Path, run_id: &str, bytes: &[u8]) -> Result<RunRows, Error> {
    let damaged = |reason: String| Error::Damaged {
        path: path.to_owned(),
        reason,
    };
    let mut files = entries(bytes).map_err(|error| damaged(error.to_string()))?;
    let manifest = files
        .remove(MANIFEST)
        .ok_or_else(|| damaged("it has no manifest".to_owned()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| damaged(error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(damaged(format!("expected format {FORMAT}, found {}", manifest.format)));
    }
    if manifest.run_id != run_id {
        return Err(damaged(format!("expected run {run_id}, found {}", manifest.run_id)));
    }
    let mut take = |name: &str| -> Result<Vec<u8>, Error> {
        let bytes = files
            .remove(name)
            .ok_or_else(|| damaged(format!("`{name}` is missing")))?;
        let is_whole = manifest
            .blake3
            .get(name)
            .is_some_and(|sum| *sum == blake3::hash(&bytes).to_hex().as_str());
        match is_whole {
            true => Ok(bytes),
            false => Err(damaged(format!(
                "`{name}` does not have the BLAKE3 sum of the manifest"
            ))),
        }
    };
    let rows = RunRows {
        runs: rows(path, take("runs.parquet")?)?,
        epochs: rows(path, take("epochs.parquet")?)?,
        selections: rows(path, take("selections.parquet")?)?,
        traces: rows(path, take("traces.parquet")?)?,
    };
    match rows.runs.as_slice() {
        [RunRow { run_id: found, .. }] if found == run_id => Ok(rows),
        others => Err(damaged(format!(
            "expected a row of run {run_id}, found {} rows",
            others.len()
        ))),
    }
}

fn rows<R: Row>(path: &Path, bytes: Vec<u8>) -> Result<Vec<R>, Error> {
    Ok(parquet::read_bytes(path, bytes)?.rows)
}

/// The files of an archive by name.
fn entries(bytes: &[u8]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        // Others may say that they are larger than their archive.
        if !entry.header().entry_type().is_file() {
            return Err(io::Error::other(format!("`{name}` is no plain file")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_cell_that_came_meanwhile_is_not_set_aside_as_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(folder.path().join("cells"));
        let run = crate::made_up::laptop(1).0.remove(0);
        let (id, path) = (run.run_id.clone(), cells.path(&run.run_id));
        let rows = RunRows {
            runs: vec![run],
            ..RunRows::default()
        };
        cells.store(&id, &rows).unwrap();
        cells.set_aside_damaged(&id).unwrap();
        assert_eq!(cells.read(&id).unwrap(), rows);
        assert_eq!(cells.folder.read_dir().unwrap().count(), 1);
        fs::write(&path, b"half").unwrap();
        cells.set_aside_damaged(&id).unwrap();
        assert!(!path.exists() && path.with_added_extension("damaged").exists());
    }
}
