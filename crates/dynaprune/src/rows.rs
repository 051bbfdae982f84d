//! What a run leaves in the results.

use crate::catalog;
use crate::machine::{self, Compute};
use dynaprune_report::{EpochRow, RunRow, RunRows, SelectionRow, TraceRow};
use dynaprune_spec::{Cell, Profile, StaticScores};
use dynaprune_train::RunRecord;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// What made a run, besides its cell: it is also kept with a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// When it began, UTC, ISO 8601.
    pub(crate) started_at: String,
    /// Those who had a part in it, in order: several if it was stopped and went on elsewhere.
    #[serde(rename = "by")]
    pub(crate) makers: Vec<Maker>,
}

/// A program on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Maker {
    pub(crate) device: String,
    pub(crate) threads: usize,
    /// Whether seconds are kept: they mean little where other work runs beside.
    pub(crate) timed: bool,
    pub(crate) code_version: String,
}

impl Provenance {
    /// This program on this machine, from now on, with the threads that there are now.
    pub(crate) fn here(compute: &Compute, timed: bool) -> Self {
        Self {
            started_at: now(),
            makers: vec![Maker {
                device: compute.name.clone(),
                threads: rayon::current_num_threads(),
                timed: timed && machine::is_known(&compute.name),
                code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
            }],
        }
    }

    /// The same makers, from now on.
    pub(crate) fn starting_now(&self) -> Self {
        Self {
            started_at: now(),
            ..self.clone()
        }
    }

    /// The device, or the devices.
    pub(crate) fn device(&self) -> String {
        self.joined(|maker| &maker.device)
    }

    /// The version of the code, or the versions.
    pub(crate) fn code_version(&self) -> String {
        self.joined(|maker| &maker.code_version)
    }

    /// The number of threads; 0 if it was not always the same.
    pub(crate) fn threads(&self) -> usize {
        let first = self.makers.first().map_or(0, |maker| maker.threads);
        let same = self.makers.iter().all(|maker| maker.threads == first);
        if same { first } else { 0 }
    }

    /// Whether seconds are kept: all makers keep them, and they add up.
    pub(crate) fn is_timed(&self) -> bool {
        let place = |maker: &Maker| (maker.device.clone(), maker.threads);
        let first = self.makers.first().map(place);
        self.makers
            .iter()
            .all(|maker| maker.timed && Some(place(maker)) == first)
    }

    /// The seconds as they are kept: NaN if they are not.
    pub(crate) fn seconds(&self, seconds: f64) -> f64 {
        if self.is_timed() { seconds } else { f64::NAN }
    }

    fn joined(&self, of: fn(&Maker) -> &str) -> String {
        let mut all: Vec<&str> = Vec::new();
        for text in self.makers.iter().map(of) {
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all.join("; ")
    }
}

/// The time, as results have it: UTC, ISO 8601.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// All rows of a run; `method_label` is what legends call its method.
pub(crate) fn rows(cell: &Cell, method_label: &str, record: &RunRecord, by: &Provenance) -> RunRows {
    RunRows {
        runs: vec![run_row(cell, method_label, record, by)],
        epochs: epoch_rows(cell, record, by),
        selections: selection_rows(cell, record),
        traces: trace_rows(cell, record),
    }
}

/// The rows of `selections.parquet`.
fn selection_rows(cell: &Cell, record: &RunRecord) -> Vec<SelectionRow> {
    let run_id = cell.id().to_string();
    let row = |set: &dynaprune_train::KeptSet| SelectionRow {
        run_id: run_id.clone(),
        epoch: set.epoch,
        train_samples: record.train_samples as u32,
        kept_samples: set.positions.len() as u32,
        selected: SelectionRow::bits(&set.positions, record.train_samples as usize),
        score_mean: set.scores.map(|scores| scores.mean),
        score_std: set.scores.map(|scores| scores.std),
        score_min: set.scores.map(|scores| scores.min),
        score_median: set.scores.map(|scores| scores.median),
        score_max: set.scores.map(|scores| scores.max),
    };
    record.kept_sets.iter().map(row).collect()
}

/// The rows of `traces.parquet`.
fn trace_rows(cell: &Cell, record: &RunRecord) -> Vec<TraceRow> {
    let run_id = cell.id().to_string();
    let row = |trace: &dynaprune_train::Trace| TraceRow {
        run_id: run_id.clone(),
        position: trace.position,
        sample: trace.sample,
        label: u32::from(trace.label),
        epochs: trace.epochs.clone(),
        scores: trace.scores.clone(),
    };
    record.traces.iter().map(row).collect()
}

/// The row of `runs.parquet`.
fn run_row(cell: &Cell, method_label: &str, record: &RunRecord, by: &Provenance) -> RunRow {
    RunRow {
        run_id: cell.id().to_string(),
        profile: cell.profile.clone(),
        dataset: cell.dataset.name.clone(),
        model: cell.model.name.clone(),
        method: cell.method.name.clone(),
        method_label: method_label.to_owned(),
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
        scoring_seconds: by.seconds(record.scoring_seconds),
        selection_seconds: by.seconds(record.selection_seconds),
        training_seconds: by.seconds(record.training_seconds),
        evaluation_seconds: by.seconds(record.evaluation_seconds),
        other_seconds: by.seconds(record.other_seconds),
        total_seconds: by.seconds(record.total_seconds),
        scoring_flops: record.scoring_flops,
        training_flops: record.training_flops,
        evaluation_flops: record.evaluation_flops,
        diverged: record.diverged,
        device: by.device(),
        precision: cell.training.precision.word().to_owned(),
        threads: by.threads() as u32,
        code_version: by.code_version(),
        started_at: by.started_at.clone(),
        spec: cell.to_json(),
    }
}

/// The rows of `epochs.parquet`.
fn epoch_rows(cell: &Cell, record: &RunRecord, by: &Provenance) -> Vec<EpochRow> {
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
        scoring_seconds: by.seconds(epoch.scoring_seconds),
        selection_seconds: by.seconds(epoch.selection_seconds),
        training_seconds: by.seconds(epoch.training_seconds),
        evaluation_seconds: by.seconds(epoch.evaluation_seconds),
        other_seconds: by.seconds(epoch.other_seconds),
    };
    record.epochs.iter().map(row).collect()
}

/// The method's name with the options that differ from their defaults and the ways of selecting that differ from the
/// profile's: `ucb c=2`; of a `static` method its scores.
pub(crate) fn method_label(cell: &Cell, profile: &Profile) -> String {
    let mut label = match &cell.selection.static_scores {
        Some(StaticScores::SelectionCounts { of }) => match method_label(of, profile) {
            counted if counted.contains(' ') => format!("counts of ({counted})"),
            counted => format!("counts of {counted}"),
        },
        Some(StaticScores::Scorer(scorer)) => catalog::scorer_label(scorer),
        Some(StaticScores::Table(table)) => table.label.clone(),
        None => cell.method.name.clone(),
    };
    for (name, value) in catalog::changed_options(&cell.method) {
        label += &format!(" {name}={value}");
    }
    let selection = &cell.selection;
    if let Some(period) = selection
        .selection_period
        .filter(|period| *period != profile.selection_period)
    {
        label += &format!(" selection_period={period}");
    }
    if let Some(scoring) = &selection.scoring {
        let usual = profile.scoring.words();
        for (name, word) in scoring.words().into_iter().filter(|word| !usual.contains(word)) {
            label += &format!(" {name}={word}");
        }
        if scoring.ema_weight != profile.scoring.ema_weight {
            label += &format!(" ema_weight={}", scoring.ema_weight);
        }
    }
    let pruned = cell.pruned_fraction > 0.0 && !cell.is_shortened();
    if pruned && selection.class_balance != profile.class_balance {
        label += &format!(" class_balance={}", selection.class_balance);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::catalog;
    use dynaprune_spec::{Profile, Recipe};
    use std::fs;

    #[test]
    fn only_what_differs_from_the_default_is_in_the_label() {
        let folder = tempfile::tempdir().unwrap();
        let (recipe, profile) = (folder.path().join("r.toml"), folder.path().join("p.toml"));
        let methods = [
            ("\"ucb\"", "ucb"),
            ("{ name = \"ucb\", c = 1.0 }", "ucb"),
            ("{ name = \"ucb\", c = 0.5 }", "ucb c=0.5"),
            (
                "{ name = \"ucb\", selection_period = 4, ema_weight = 0.5, score_source = \"training\" }",
                "ucb selection_period=4 score_source=training ema_weight=0.5",
            ),
            ("{ name = \"ucb\", selection_period = 1, score = \"loss\" }", "ucb"),
            (
                "{ name = \"random-static\", class_balance = true }",
                "random-static class_balance=true",
            ),
            (
                "{ name = \"static\", counts_of = { name = \"ucb\", c = 2 } }",
                "counts of (ucb c=2)",
            ),
            ("{ name = \"static\", scorer = \"el2n\" }", "el2n@2"),
            (
                "{ name = \"static\", scorer = \"el2n\", runs = 3, epoch = 5 }",
                "el2n@5 runs=3",
            ),
            ("{ name = \"static\", scorer = \"forget\" }", "forget"),
            (
                "{ name = \"static\", scorer = \"forget\", never_learned = \"zero\" }",
                "forget never_learned=zero",
            ),
            (
                "{ name = \"static\", scorer = \"grand\", parameters = \"last-layer\", epoch = 0 }",
                "grand@0 parameters=last-layer",
            ),
            ("{ name = \"static\", scorer = \"input-norm\" }", "input-norm"),
        ];
        fs::write(
            &profile,
            "summary = \"\"\nseeds = 1\nmodel = { name = \"cnn\" }\n[training]\nepochs = 20\nbatch_size = 8\n\
             learning_rate = 0.1\nschedule = { kind = \"constant\" }\n[selection]\nselection_period = 1\n",
        )
        .unwrap();
        for (method, label) in methods {
            fs::write(
                &recipe,
                format!(
                    "title = \"\"\nclaim = \"\"\nhow_to_read = \"\"\nfigure = \"accuracy-vs-epoch\"\ndatasets = [\"digits\"]\n\
                     pruned_fractions = [0.5]\nmethods = [{method}]\n"
                ),
            )
            .unwrap();
            let recipe = Recipe::load(&recipe, &catalog()).unwrap();
            let profile = Profile::load(&profile, &catalog()).unwrap();
            let cells = recipe.cells(&profile, None, &|_| Err(String::new())).unwrap();
            assert_eq!(method_label(&cells[0], &profile), label);
        }
    }
}
