//! `checkpoint::decode`: what is read takes no more memory than the file, and is kept and found again as it was.
#![no_main]

use dynaprune_fuzz::scratch;
use dynaprune_train::checkpoint::{Checkpoints, decode};
use dynaprune_train::{Array, Snapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(arrays) = decode(bytes) else { return };
    let size = |array: &Array| match array {
        Array::U8(numbers) => numbers.len(),
        Array::U32(numbers) => 4 * numbers.len(),
        Array::U64(numbers) => 8 * numbers.len(),
        Array::F32(numbers) => 4 * numbers.len(),
        Array::F64(numbers) => 8 * numbers.len(),
    };
    assert!(arrays.values().map(size).sum::<usize>() <= bytes.len());

    let folder = scratch();
    let checkpoints = Checkpoints::new(folder.path().join("run"), "{}".to_owned());
    let snapshot = Snapshot {
        epoch: 3,
        step: 4,
        arrays,
    };
    checkpoints.keep(&snapshot, "note").expect("room for a checkpoint");
    let there = checkpoints.newest(|error| panic!("{error}")).expect("a checkpoint");
    assert_eq!(there.note, "note");
    // As text, in which NaN is like NaN.
    assert_eq!(format!("{:?}", there.snapshot), format!("{snapshot:?}"));
});
