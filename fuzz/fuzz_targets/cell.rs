//! `Results::cell`: a finished run, a tar of Parquet files. What is read is stored again as the same.
//!
//! An input is a byte and a file: with the byte 0 to 3 the file takes the place of the run's runs, epochs, selections or
//! traces; with another it is the whole tar. The sums in the manifest are made right, as no fuzzer would get past them.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::sync::LazyLock;

use dynaprune_fuzz::{let_panics_be_caught, made_up, scratch};
use dynaprune_report::{Results, Stored};
use libfuzzer_sys::fuzz_target;

const MANIFEST: &str = "manifest.json";
const FILES: [&str; 4] = ["runs.parquet", "epochs.parquet", "selections.parquet", "traces.parquet"];

static WHOLE: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let folder = scratch();
    let results = Results::new(folder.path(), "mine");
    results.store(&made_up::run()).expect("room for a run");
    let bytes = fs::read(results.cell_path(made_up::RUN)).expect("a cell");
    files(&bytes).expect("a tar").into_iter().collect()
});

fuzz_target!(init: let_panics_be_caught(), |input: &[u8]| {
    let Some((&head, bytes)) = input.split_first() else {
        return;
    };
    let cell = match FILES.get(usize::from(head)) {
        Some(name) => {
            let mut files = WHOLE.clone();
            files.insert((*name).to_owned(), bytes.to_vec());
            archive(files)
        }
        None => match files(bytes) {
            Some(files) if files.iter().any(|(name, _)| name == MANIFEST) => archive(files),
            _ => bytes.to_vec(),
        },
    };
    let folder = scratch();
    let results = Results::new(folder.path(), "mine");
    let path = results.cell_path(made_up::RUN);
    fs::create_dir_all(path.parent().expect("a folder")).expect("room for a folder");
    fs::write(&path, cell).expect("room for the cell");

    let _ = results.damaged();
    if let Ok(Some(run)) = results.cell(made_up::RUN) {
        assert_eq!(run.runs.len(), 1);
        let again = Results::new(folder.path(), "again");
        assert_eq!(again.store(&run).expect("rows that were read can be written"), Stored::Now);
        let there = again.cell(made_up::RUN).expect("a cell").expect("a whole cell");
        // In the order of the files; as text, in which NaN is like NaN.
        assert_eq!(again.replace(&there).ok(), Some(()));
        let once_more = again.cell(made_up::RUN).expect("a cell").expect("a whole cell");
        assert_eq!(format!("{there:?}"), format!("{once_more:?}"));
        assert_eq!(
            [run.epochs.len(), run.selections.len(), run.traces.len()],
            [there.epochs.len(), there.selections.len(), there.traces.len()]
        );
    }
});

/// The files of a tar, if they can all be read.
fn files(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(bytes).entries().ok()? {
        let entry = entry.ok()?;
        // Holes are for the code under test.
        if !entry.header().entry_type().is_file() {
            return None;
        }
        let name = entry.path().ok()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.take(1 << 20).read_to_end(&mut content).ok()?;
        files.push((name, content));
    }
    Some(files)
}

/// A tar of these files with a manifest that has their sums.
fn archive(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let files: Vec<_> = files.into_iter().filter(|(name, _)| name != MANIFEST).collect();
    let sum = |(name, bytes): &(String, Vec<u8>)| (name.clone(), blake3::hash(bytes).to_hex().to_string());
    let sums: BTreeMap<String, String> = files.iter().map(sum).collect();
    let manifest = serde_json::json!({ "format": 1, "run_id": made_up::RUN, "blake3": sums }).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in [(MANIFEST.to_owned(), manifest.into_bytes())].into_iter().chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Names that no tar can have are left out.
        let _ = archive.append_data(&mut header, name, bytes.as_slice());
    }
    archive.into_inner().expect("memory for the cell")
}
