//! `Cell::from_json`: what is read is written as JSON that is read as the same, with the same id.
#![no_main]

use dynaprune_spec::{Cell, ScoreSpec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(cell) = Cell::from_json(text) {
        let there = Cell::from_json(&cell.to_json()).expect("the JSON of a cell");
        assert_eq!(there, cell);
        assert_eq!(there.id(), cell.id());
        let _ = (
            cell.label(),
            cell.kept(50_000),
            cell.fixed_steps(50_000),
            ScoreSpec::of(&cell),
        );
    }
});
