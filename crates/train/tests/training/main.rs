//! Whole runs and scoring runs on small data, stopped and not.

mod resume;
mod run;
mod scoring;

use dynaprune_datasets::{Dataset, Options, find};
use std::path::Path;

/// The embedded digits.
fn digits() -> Dataset {
    find("digits")
        .unwrap()
        .load(Path::new("data"), &Options::new())
        .unwrap()
}
