//! Scores by how often another run trained on each sample.

use crate::score_store::{SPLIT, Scored};
use anyhow::{Result, anyhow};
use dynaprune_datasets::Dataset;
use dynaprune_report::{RunRows, SelectionRow};
use dynaprune_scorers::ScoreTable;
use dynaprune_spec::Cell;
use dynaprune_train::training_samples;

/// What `of` tells of the samples of `dataset`: how many of its epochs trained on each. They cost what that run cost, its
/// evaluation left out. `None` if the run diverged: its selections mean nothing.
///
/// # Errors
/// If none of its kept sets are recorded.
pub(crate) fn of(of: &Cell, dataset: &Dataset, result: &RunRows) -> Result<Option<Scored>> {
    let Some(run) = result.runs.first().filter(|run| !run.diverged) else {
        return Ok(None);
    };
    let sets: Vec<&SelectionRow> = result.selections.iter().collect();
    if sets.is_empty() {
        return Err(anyhow!(
            "expected the kept sets of run {} ({}), found none",
            of.id(),
            of.label()
        ));
    }
    let counts = SelectionRow::epochs_selected(&sets, run.epochs);
    Ok(Some(Scored {
        table: ScoreTable {
            dataset: dataset.name.clone(),
            split: SPLIT.to_owned(),
            dataset_checksum: dataset.checksum.clone(),
            scorer: "selection-counts".to_owned(),
            variant: String::new(),
            samples: training_samples(of, dataset)?,
            scores: counts.iter().map(|&count| count as f32).collect(),
        },
        device: run.device.clone(),
        threads: run.threads,
        seconds: run.method_seconds(),
        flops: run.method_flops(),
    }))
}
