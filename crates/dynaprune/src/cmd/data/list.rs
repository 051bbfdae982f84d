//! `data list`.

use super::DataDir;
use crate::library::Library;
use anyhow::Result;
use dynaprune_datasets::DATASETS;
use indicatif::HumanCount;

/// Runs the verb.
pub(crate) fn run(place: &DataDir) -> Result<()> {
    let library = Library::new(place.root()?);
    println!("data root: {}\n", library.root().display());
    println!(
        "{:<14} {:<24} {:>9} {:>9} {:>8} {:>12}  what it is",
        "name", "state", "training", "test", "classes", "image"
    );
    for info in DATASETS {
        let state = match library.layout(info) {
            Some(layout) => format!("here, {}", layout.name),
            None if info.layouts.is_empty() => "built in".to_owned(),
            None => "not here".to_owned(),
        };
        let [height, width, channels] = info.shape;
        println!(
            "{:<14} {state:<24} {:>9} {:>9} {:>8} {:>12}  {}",
            info.name,
            HumanCount(info.train_samples as u64).to_string(),
            HumanCount(info.test_samples as u64).to_string(),
            info.classes,
            format!("{height} x {width} x {channels}"),
            info.summary
        );
    }
    Ok(())
}
