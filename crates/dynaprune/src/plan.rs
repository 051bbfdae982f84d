//! Which runs a recipe needs, and which of them have been made.

use crate::catalog::scorer_label;
use crate::library::Library;
use crate::rows::method_label;
use crate::score_store::ScoreStore;
use crate::work::Work;
use anyhow::Result;
use dynaprune_report::{Results, RunRow, RunRows};
use dynaprune_selectors::Family;
use dynaprune_spec::{Cell, Measurement, Profile, ScoreSpec, StaticScores};
use indicatif::HumanCount;
use std::collections::BTreeSet;

/// A run that a recipe needs.
pub(crate) struct Planned {
    pub(crate) cell: Cell,
    /// The method as legends call it.
    pub(crate) method: String,
    pub(crate) id: String,
    pub(crate) work: Work,
    /// Whether its result is there.
    pub(crate) done: bool,
}

impl Planned {
    /// What a person would call it: `cifar10 ucb s=0.7 seed 0`.
    pub(crate) fn label(&self) -> String {
        let Cell {
            dataset,
            pruned_fraction,
            seed,
            ..
        } = &self.cell;
        let method = &self.method;
        format!("{} {method} s={pruned_fraction} seed {seed}", dataset.name)
    }
}

/// A scoring run that score tables still need: what is measured in it.
pub(crate) struct PlannedScoring {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) work: Work,
}

impl PlannedScoring {
    /// What a person would call it: `cifar10 scoring el2n@20, grand@20 seed 1000`.
    pub(crate) fn label(&self) -> String {
        let Some(first) = self.measurements.first() else {
            return String::new();
        };
        let scorers: Vec<String> = self.measurements.iter().map(|m| scorer_label(&m.scorer)).collect();
        let cell = &first.cell;
        format!(
            "{} scoring {} seed {}",
            cell.dataset.name,
            scorers.join(", "),
            cell.seed
        )
    }

    /// What names it: a hash of what is measured in it.
    pub(crate) fn id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for measurement in &self.measurements {
            hasher.update(measurement.id().as_str().as_bytes());
        }
        format!("scoring-{}", &hasher.finalize().to_hex()[..16])
    }

    /// The epochs that it trains.
    pub(crate) fn epochs(&self) -> u32 {
        let epochs = self.measurements.iter().map(dynaprune_train::epochs_watched);
        epochs.flatten().max().unwrap_or(0)
    }
}

/// The score tables that are still to be made, and the scoring runs they need.
pub(crate) struct Tables {
    pub(crate) specs: Vec<ScoreSpec>,
    pub(crate) scoring: Vec<PlannedScoring>,
    /// Whether what there is of them is not to be used.
    pub(crate) afresh: bool,
}

impl Tables {
    /// Compares what is needed with the tables and scoring runs there are, or with none if they are to be made afresh.
    pub(crate) fn new(specs: Vec<ScoreSpec>, store: &ScoreStore, library: &mut Library, afresh: bool) -> Result<Self> {
        let mut to_do: Vec<ScoreSpec> = Vec::new();
        for spec in specs {
            if (afresh || !store.has(&spec)) && !to_do.contains(&spec) {
                to_do.push(spec);
            }
        }
        let mut scoring = Vec::new();
        for measurements in store.missing(to_do.iter(), afresh) {
            let size = library.size(&measurements[0].cell.dataset)?;
            scoring.push(PlannedScoring {
                work: Work::of_scoring(&measurements, &size)?,
                measurements,
            });
        }
        Ok(Self {
            specs: to_do,
            scoring,
            afresh,
        })
    }

    /// The work of the scoring runs.
    pub(crate) fn work(&self) -> Work {
        self.scoring.iter().map(|run| run.work).sum()
    }
}

/// All runs of a recipe in a profile, in the order in which they are made: scoring runs first.
pub(crate) struct Plan {
    pub(crate) tables: Tables,
    pub(crate) runs: Vec<Planned>,
}

impl Plan {
    /// Compares what is needed with the results there are, or with none if they are to be made afresh. A run whose selections
    /// another one counts comes before it.
    pub(crate) fn new(
        cells: Vec<Cell>,
        profile: &Profile,
        results: &Results,
        store: &ScoreStore,
        library: &mut Library,
        afresh: bool,
    ) -> Result<Self> {
        let (finished, recorded) = (results.runs()?, results.with_selections()?);
        let whole: BTreeSet<String> = finished
            .into_iter()
            .filter(|run| !lacks_selections(run, recorded.contains(&run.run_id)))
            .map(|run| run.run_id)
            .collect();
        let mut runs: Vec<Planned> = Vec::with_capacity(cells.len());
        for cell in cells.into_iter().flat_map(with_counted) {
            let id = cell.id().to_string();
            if runs.iter().any(|run| run.id == id) {
                continue;
            }
            runs.push(Planned {
                work: Work::of(&cell, &library.size(&cell.dataset)?)?,
                done: !afresh && whole.contains(&id),
                method: method_label(&cell, profile),
                id,
                cell,
            });
        }
        let specs = runs
            .iter()
            .filter(|run| !run.done)
            .filter_map(|run| ScoreSpec::of(&run.cell));
        let tables = Tables::new(specs.collect(), store, library, afresh)?;
        Ok(Self { tables, runs })
    }

    /// The runs still to be made.
    pub(crate) fn to_do(&self) -> impl Iterator<Item = &Planned> {
        self.runs.iter().filter(|run| !run.done)
    }

    /// For people: a line a run, then the sums.
    pub(crate) fn print(&self) {
        let scoring = self.tables.scoring.iter().map(|run| {
            // Several measurements share it: it has no name of its own.
            (String::new(), run.label(), "to do", run.work)
        });
        let runs = self.runs.iter().map(|run| {
            let state = if run.done { "done" } else { "to do" };
            (run.id.clone(), run.label(), state, run.work)
        });
        let lines: Vec<_> = scoring.chain(runs).collect();
        let width = lines
            .iter()
            .map(|(_, label, ..)| label.chars().count())
            .max()
            .unwrap_or(0);
        for (id, label, state, Work { samples, flops }) in &lines {
            println!(
                "{id:<16}  {label:<width$}  {state:<5}  {:>13} samples  {:>10}",
                HumanCount(*samples).to_string(),
                operations(*flops)
            );
        }
        let to_do = self.to_do().count();
        let Work { samples, flops } = self.work();
        println!(
            "{} runs, {} done, {to_do} to do{}: {} samples to train on, {} in all",
            self.runs.len(),
            self.runs.len() - to_do,
            self.scoring_to_do(),
            HumanCount(samples),
            operations(flops)
        );
    }

    /// `, 10 scoring runs first`, or nothing.
    pub(crate) fn scoring_to_do(&self) -> String {
        match self.tables.scoring.len() {
            0 => String::new(),
            1 => ", 1 scoring run first".to_owned(),
            runs => format!(", {runs} scoring runs first"),
        }
    }

    /// All that is still to be done.
    pub(crate) fn work(&self) -> Work {
        [self.tables.work()]
            .into_iter()
            .chain(self.to_do().map(|run| run.work))
            .sum()
    }
}

/// The run whose selections the cell counts, if it does, then the cell itself.
pub(crate) fn with_counted(cell: Cell) -> Vec<Cell> {
    match &cell.selection.static_scores {
        Some(StaticScores::SelectionCounts { of }) => vec![(**of).clone(), cell],
        _ => vec![cell],
    }
}

/// The run whose selections the cell counts, if it does, else the cell itself: what decides who makes it, so that nobody else
/// makes the other.
pub(crate) fn counted_or_own(cell: &Cell) -> &Cell {
    match &cell.selection.static_scores {
        Some(StaticScores::SelectionCounts { of }) => of,
        _ => cell,
    }
}

/// Whether a result has all that this version records of a run.
pub(crate) fn is_whole(result: &RunRows) -> bool {
    let mut runs = result.runs.iter();
    runs.all(|run| !lacks_selections(run, !result.selections.is_empty()))
}

/// Whether the kept set changed during the run, and a version made it that did not record kept sets. What a run selected that
/// diverged means nothing.
fn lacks_selections(run: &RunRow, are_recorded: bool) -> bool {
    let is_dynamic = || dynaprune_selectors::method(&run.method).is_ok_and(|info| info.family == Family::Dynamic);
    !are_recorded && !run.diverged && is_dynamic()
}

/// `1.24 TFLOP`: a count of operations, not a speed.
pub(crate) fn operations(flops: f64) -> String {
    let units = ["MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"];
    let mut value = flops / 1e6;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_a_unit() {
        assert_eq!(operations(2.5e6), "2.50 MFLOP");
        assert_eq!(operations(1.234e12), "1.23 TFLOP");
        assert_eq!(operations(5e21), "5000.00 EFLOP");
    }
}
