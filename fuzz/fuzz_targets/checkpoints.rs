//! `Checkpoints::newest`: of a whole checkpoint and a newer one that is broken, the whole one is found, and the other is set
//! aside.
//!
//! An input is a manifest, a byte 0, and what is written over the newer checkpoint's numbers, if that is not empty. Where
//! the manifest is JSON with the right fields, its sums are made right, as no fuzzer would get past them.
#![no_main]

use std::fs;

use dynaprune_fuzz::scratch;
use dynaprune_train::checkpoint::Checkpoints;
use dynaprune_train::{Array, Snapshot};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (manifest, numbers) = (&input[..end], input.get(end + 1..).unwrap_or_default());

    let folder = scratch();
    let checkpoints = Checkpoints::new(folder.path().to_owned(), "{}".to_owned());
    let snapshot = |step| Snapshot {
        epoch: 3,
        step,
        arrays: [("weights".to_owned(), Array::F32(vec![0.5, 1.5]))].into(),
    };
    for step in [4, 5] {
        checkpoints
            .keep(&snapshot(step), "note")
            .expect("room for a checkpoint");
    }
    let name = |ending: &str| folder.path().join(format!("000003-000000005.{ending}"));
    if !numbers.is_empty() {
        fs::write(name("safetensors"), numbers).expect("room for the numbers");
    }
    let written = fs::read(name("safetensors")).expect("numbers");
    fs::write(name("json"), summed(manifest, &written)).expect("room for the manifest");

    let mut damaged = 0;
    let found = checkpoints.newest(|error| {
        assert!(!error.to_string().is_empty());
        damaged += 1;
    });
    let found = found.expect("the older one is whole");
    match damaged {
        // It was whole, and is what the input says.
        0 => assert!(name("json").exists()),
        1 => {
            assert_eq!((found.snapshot, found.note.as_str()), (snapshot(4), "note"));
            assert!(!name("json").exists() && !name("safetensors").exists());
            assert!(name("json.damaged").exists() && name("safetensors.damaged").exists());
        }
        more => panic!("{more} of 2 are damaged"),
    }
});

/// A manifest with the sums and the size of `numbers`, and its own sum.
fn summed(manifest: &[u8], numbers: &[u8]) -> Vec<u8> {
    const FIELDS: [&str; 8] = [
        "format",
        "run",
        "epoch",
        "step",
        "bytes",
        "blake3",
        "note",
        "manifest_blake3",
    ];
    let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(manifest) else {
        return manifest.to_vec();
    };
    if fields.len() != FIELDS.len() || FIELDS.iter().any(|name| !fields.contains_key(*name)) {
        return manifest.to_vec();
    }
    let sum = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    fields["bytes"] = numbers.len().into();
    fields["blake3"] = sum(numbers).into();
    fields["manifest_blake3"] = "".into();
    // Its sum is that of the fields in their order.
    let text: Vec<String> = FIELDS
        .iter()
        .map(|name| format!("\"{name}\":{}", fields[*name]))
        .collect();
    let text = format!("{{{}}}", text.join(","));
    fields["manifest_blake3"] = sum(text.as_bytes()).into();
    Value::Object(fields).to_string().into_bytes()
}
