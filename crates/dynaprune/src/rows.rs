//! What a run leaves in the results.

use crate::catalog;
use dynaprune_report::{EpochRow, RunRow};
use dynaprune_spec::{Cell, Choice, Precision};
use dynaprune_train::RunRecord;
use std::time::SystemTime;

/// What made a run, besides its cell.
pub(crate) struct Provenance {
    pub(crate) device: String,
    pub(crate) threads: usize,
}

/// The row of `runs.parquet`.
pub(crate) fn run_row(cell: &Cell, record: &RunRecord, started: SystemTime, by: &Provenance) -> RunRow {
    RunRow {
        run_id: cell.id().to_string(),
        profile: cell.profile.clone(),
        dataset: cell.dataset.name.clone(),
        model: cell.model.name.clone(),
        method: cell.method.name.clone(),
        method_label: method_label(&cell.method),
        pruned_fraction: cell.pruned_fraction,
        seed: cell.seed,
        epochs: record.epochs.len() as u32,
        steps: record.steps,
        samples_seen: record.samples_seen,
        unique_samples_seen: record.unique_samples_seen,
        train_samples: record.train_samples,
        kept_samples: record.kept,
        test_samples: record.test_samples,
        parameters: record.parameters,
        test_accuracy_last: record.test_accuracy_last,
        test_accuracy_best: record.test_accuracy_best,
        train_accuracy_last: record.train_accuracy_last,
        train_loss_last: record.train_loss_last,
        scoring_seconds: record.scoring_seconds,
        selection_seconds: record.selection_seconds,
        training_seconds: record.training_seconds,
        evaluation_seconds: record.evaluation_seconds,
        other_seconds: record.other_seconds,
        total_seconds: record.total_seconds,
        scoring_flops: record.scoring_flops,
        training_flops: record.training_flops,
        evaluation_flops: record.evaluation_flops,
        diverged: record.diverged,
        device: by.device.clone(),
        precision: match cell.training.precision {
            Precision::F32 => "f32".to_owned(),
        },
        threads: by.threads as u32,
        code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
        started_at: humantime::format_rfc3339_seconds(started).to_string(),
        spec: cell.to_json(),
    }
}

/// The rows of `epochs.parquet`.
pub(crate) fn epoch_rows(cell: &Cell, record: &RunRecord) -> Vec<EpochRow> {
    let run_id = cell.id().to_string();
    let row = |epoch: &dynaprune_train::EpochRecord| EpochRow {
        run_id: run_id.clone(),
        epoch: epoch.epoch,
        samples: epoch.samples,
        steps: epoch.steps,
        learning_rate: epoch.learning_rate,
        train_loss: epoch.train_loss,
        train_accuracy: epoch.train_accuracy,
        test_accuracy: epoch.test_accuracy,
        test_loss: epoch.test_loss,
        scoring_seconds: epoch.scoring_seconds,
        selection_seconds: epoch.selection_seconds,
        training_seconds: epoch.training_seconds,
        evaluation_seconds: epoch.evaluation_seconds,
        other_seconds: epoch.other_seconds,
    };
    record.epochs.iter().map(row).collect()
}

/// The method's name with the options that differ from their defaults: `ucb c=2`.
pub(crate) fn method_label(method: &Choice) -> String {
    let mut label = method.name.clone();
    for (name, value) in catalog::changed_options(method) {
        label += &format!(" {name}={value}");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynaprune_spec::Value;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_differs_from_the_default_is_in_the_label() {
        let label = |c: f64| {
            method_label(&Choice {
                name: "ucb".to_owned(),
                options: BTreeMap::from([("c".to_owned(), Value::Float(c))]),
            })
        };
        assert_eq!(label(1.0), "ucb");
        assert_eq!(label(0.5), "ucb c=0.5");
    }
}
