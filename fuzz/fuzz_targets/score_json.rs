//! `ScoreSpec::from_json`: as for `cell_json`.
#![no_main]

use dynaprune_spec::ScoreSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(spec) = ScoreSpec::from_json(text) {
        let there = ScoreSpec::from_json(&spec.to_json()).expect("the JSON of a table");
        assert_eq!(there, spec);
        assert_eq!(there.id(), spec.id());
        assert!(spec.runs() >= 1);
    }
});
