//! Checkpoints: snapshots on the disk, the last two of a run.
//!
//! A checkpoint is two files in the run's folder: `<epoch>-<step>.safetensors` with the numbers, readable with any
//! safetensors library (`parameters.…` are the weights), and `<epoch>-<step>.json`, the manifest, written after it. A
//! checkpoint without a manifest, or whose numbers do not have the size and BLAKE3 sum that the manifest says, or whose
//! manifest does not have its own, is damaged: it is set aside under a name that ends in `.damaged`, and the one before it
//! is used. Files are written whole or not at all.

use crate::error::{Error, Result};
use crate::snapshot::{Array, Snapshot};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The version of the layout; one with another is refused.
const FORMAT: u32 = 1;
/// Checkpoints of a run that are kept.
const KEPT: usize = 2;
/// A manifest with more bytes is damaged.
const LARGEST_MANIFEST: u64 = 1 << 20;
const NUMBERS: &str = "safetensors";
const MANIFEST: &str = "json";
const DAMAGED: &str = "damaged";

/// The checkpoints of one run: a folder.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    run: String,
}

/// A checkpoint as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The state of the run.
    pub snapshot: Snapshot,
    /// What was kept with it.
    pub note: String,
}

/// The file beside the numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The spec of the run.
    run: String,
    epoch: u32,
    step: u64,
    /// Of the file with the numbers.
    bytes: u64,
    blake3: String,
    note: String,
    /// Of this manifest with an empty text here.
    manifest_blake3: String,
}

impl Manifest {
    fn sum(&self) -> serde_json::Result<String> {
        let unsigned = Self {
            run: self.run.clone(),
            blake3: self.blake3.clone(),
            note: self.note.clone(),
            manifest_blake3: String::new(),
            ..*self
        };
        Ok(hash(&serde_json::to_vec(&unsigned)?))
    }
}

impl Checkpoints {
    /// Those in `folder`, of the run that `run` identifies: its spec in full. Touches nothing on the disk.
    #[must_use]
    pub fn new(folder: PathBuf, run: String) -> Self {
        Self { folder, run }
    }

    /// The spec of the run whose checkpoints are in `folder`, as the newest of their manifests that can be read says.
    #[must_use]
    pub fn run_in(folder: &Path) -> Option<String> {
        let those = Self::new(folder.to_owned(), String::new());
        let run = |name: &String| {
            let path = folder.join(format!("{name}.{MANIFEST}"));
            let text = read_at_most(&path, LARGEST_MANIFEST).ok()?;
            Some(serde_json::from_slice::<Manifest>(&text).ok()?.run)
        };
        those.names().iter().rev().find_map(run)
    }

    /// Keeps a snapshot with a note, and removes all but the last two.
    ///
    /// # Errors
    /// If the folder cannot be written or is full; the checkpoints before are still there then.
    pub fn keep(&self, snapshot: &Snapshot, note: &str) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| self.wrong(&self.folder, error))?;
        let name = format!("{:06}-{:09}", snapshot.epoch, snapshot.step);
        let numbers = self.folder.join(format!("{name}.{NUMBERS}"));
        let path = self.folder.join(format!("{name}.{MANIFEST}"));
        let bytes = encode(snapshot).map_err(|error| self.wrong(&numbers, error))?;
        let mut manifest = Manifest {
            format: FORMAT,
            run: self.run.clone(),
            epoch: snapshot.epoch,
            step: snapshot.step,
            bytes: bytes.len() as u64,
            blake3: hash(&bytes),
            note: note.to_owned(),
            manifest_blake3: String::new(),
        };
        manifest.manifest_blake3 = manifest.sum().map_err(|error| self.wrong(&path, error))?;
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| self.wrong(&path, error))?;
        // A manifest of the same name would not fit the numbers until it is replaced.
        remove(&path).map_err(|error| self.wrong(&path, error))?;
        dynaprune_files::write(&numbers, &bytes).map_err(|error| self.wrong(&numbers, error))?;
        dynaprune_files::write(&path, &text).map_err(|error| self.wrong(&path, error))?;
        for old in self.names().iter().rev().skip(KEPT) {
            self.remove(old).map_err(|error| self.wrong(&self.folder, error))?;
        }
        Ok(())
    }

    /// The newest checkpoint that is whole and of this run. Newer ones that are not are set aside, and `damaged` is told of
    /// each.
    pub fn newest(&self, mut damaged: impl FnMut(&Error)) -> Option<Checkpoint> {
        for name in self.names().iter().rev() {
            match self.read(name) {
                Ok(checkpoint) => return Some(checkpoint),
                Err(error) => {
                    damaged(&error);
                    self.set_aside(name);
                }
            }
        }
        None
    }

    /// Sets the newest checkpoint aside: it cannot be used.
    pub fn refuse(&self) {
        if let Some(name) = self.names().last() {
            self.set_aside(name);
        }
    }

    /// Removes all checkpoints of the run, and its folder. What cannot be removed stays.
    pub fn clear(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The checkpoints there are, whole or not, the oldest first.
    fn names(&self) -> Vec<String> {
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let file = entry.file_name();
                let (name, kind) = file.to_str()?.rsplit_once('.')?;
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let (epoch, step) = name.split_once('-')?;
                let is_ours = (kind == NUMBERS || kind == MANIFEST) && digits(epoch) && digits(step);
                is_ours.then(|| name.to_owned())
            })
            .collect();
        let place = |name: &String| {
            let (epoch, step) = name.split_once('-').unwrap_or_default();
            (epoch.parse::<u64>().unwrap_or(0), step.parse::<u64>().unwrap_or(0))
        };
        names.sort_by_key(place);
        names.dedup();
        names
    }

    fn read(&self, name: &str) -> Result<Checkpoint> {
        let path = self.folder.join(format!("{name}.{MANIFEST}"));
        let text = read_at_most(&path, LARGEST_MANIFEST).map_err(|error| self.wrong(&path, error))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| self.wrong(&path, error))?;
        let sum = manifest.sum().map_err(|error| self.wrong(&path, error))?;
        if sum != manifest.manifest_blake3 {
            return Err(self.wrong(&path, "its BLAKE3 sum is not the one it names: it was altered"));
        }
        if manifest.format != FORMAT {
            let reason = format!("expected format {FORMAT}, found {}", manifest.format);
            return Err(self.wrong(&path, reason));
        }
        if manifest.run != self.run {
            return Err(self.wrong(&path, "it is of another run"));
        }
        let path = self.folder.join(format!("{name}.{NUMBERS}"));
        let bytes = read_at_most(&path, manifest.bytes).map_err(|error| self.wrong(&path, error))?;
        if bytes.len() as u64 != manifest.bytes || hash(&bytes) != manifest.blake3 {
            let reason = format!(
                "expected {} bytes with the BLAKE3 sum {}, found {} with {}",
                manifest.bytes,
                manifest.blake3,
                bytes.len(),
                hash(&bytes)
            );
            return Err(self.wrong(&path, reason));
        }
        Ok(Checkpoint {
            snapshot: Snapshot {
                epoch: manifest.epoch,
                step: manifest.step,
                arrays: decode(&bytes).map_err(|reason| self.wrong(&path, reason))?,
            },
            note: manifest.note,
        })
    }

    fn set_aside(&self, name: &str) {
        for kind in [NUMBERS, MANIFEST] {
            let path = self.folder.join(format!("{name}.{kind}"));
            // If it cannot be renamed it must not be found again, or nothing would ever be found.
            if fs::rename(&path, self.folder.join(format!("{name}.{kind}.{DAMAGED}"))).is_err() {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        // The manifest first: numbers alone are no checkpoint.
        remove(&self.folder.join(format!("{name}.{MANIFEST}")))?;
        remove(&self.folder.join(format!("{name}.{NUMBERS}")))
    }

    fn wrong(&self, path: &Path, reason: impl std::fmt::Display) -> Error {
        Error::Checkpoint {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The whole file if it has no more than `limit` bytes; one byte more of it if it has.
fn read_at_most(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The arrays of a snapshot as a safetensors file, each a vector.
fn encode(snapshot: &Snapshot) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
    let little: Vec<(&String, Dtype, usize, Vec<u8>)> = snapshot
        .arrays
        .iter()
        .map(|(name, array)| {
            let (dtype, bytes) = match array {
                Array::U8(numbers) => (Dtype::U8, numbers.clone()),
                Array::U32(numbers) => (Dtype::U32, numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
                Array::U64(numbers) => (Dtype::U64, numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
                Array::F32(numbers) => (Dtype::F32, numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
                Array::F64(numbers) => (Dtype::F64, numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
            };
            (name, dtype, array.len(), bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(little.len());
    for (name, dtype, length, bytes) in &little {
        views.push((name.as_str(), TensorView::new(*dtype, vec![*length], bytes)?));
    }
    safetensors::serialize(views, None)
}

/// The arrays of a safetensors file.
///
/// Reads untrusted bytes: no more memory is taken than the bytes' own number.
///
/// # Errors
/// What is wrong with the file: its header, a tensor of a type that no snapshot has, or of several dimensions.
pub fn decode(bytes: &[u8]) -> std::result::Result<BTreeMap<String, Array>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut arrays = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        if view.shape().len() != 1 {
            return Err(format!(
                "expected `{name}` to be a vector, found the shape {:?}",
                view.shape()
            ));
        }
        macro_rules! numbers {
            ($variant:ident, $type:ty) => {{
                let words = view.data().as_chunks::<{ size_of::<$type>() }>().0;
                Array::$variant(words.iter().map(|word| <$type>::from_le_bytes(*word)).collect())
            }};
        }
        let array = match view.dtype() {
            Dtype::U8 => Array::U8(view.data().to_vec()),
            Dtype::U32 => numbers!(U32, u32),
            Dtype::U64 => numbers!(U64, u64),
            Dtype::F32 => numbers!(F32, f32),
            Dtype::F64 => numbers!(F64, f64),
            other => {
                return Err(format!(
                    "expected `{name}` to hold u8, u32, u64, f32 or f64, found {other:?}"
                ));
            }
        };
        arrays.insert(name, array);
    }
    Ok(arrays)
}
