//! Which runs a recipe needs, and which of them have been made.

use crate::library::Library;
use crate::work::Work;
use anyhow::Result;
use dynaprune_report::RunRow;
use dynaprune_spec::Cell;
use std::collections::BTreeSet;

/// A run that a recipe needs.
pub(crate) struct Planned {
    pub(crate) cell: Cell,
    pub(crate) id: String,
    pub(crate) work: Work,
    /// Whether its result is there.
    pub(crate) done: bool,
}

/// All runs of a recipe in a profile, in the order in which they are made.
pub(crate) struct Plan {
    pub(crate) runs: Vec<Planned>,
}

impl Plan {
    /// Compares what is needed with the results there are.
    pub(crate) fn new(cells: Vec<Cell>, results: &[RunRow], library: &mut Library) -> Result<Self> {
        let finished: BTreeSet<&str> = results.iter().map(|row| row.run_id.as_str()).collect();
        let mut runs = Vec::with_capacity(cells.len());
        for cell in cells {
            let id = cell.id().to_string();
            runs.push(Planned {
                work: Work::of(&cell, &library.size(&cell.dataset)?)?,
                done: finished.contains(id.as_str()),
                id,
                cell,
            });
        }
        Ok(Self { runs })
    }

    /// Forgets that results are there.
    pub(crate) fn start_afresh(&mut self) {
        self.runs.iter_mut().for_each(|run| run.done = false);
    }

    /// The runs still to be made.
    pub(crate) fn to_do(&self) -> impl Iterator<Item = &Planned> {
        self.runs.iter().filter(|run| !run.done)
    }

    /// For people: a line a run, then the sums.
    pub(crate) fn print(&self) {
        let label = |run: &Planned| run.cell.label();
        let width = self
            .runs
            .iter()
            .map(|run| label(run).chars().count())
            .max()
            .unwrap_or(0);
        for run in &self.runs {
            let state = if run.done { "done" } else { "to do" };
            let Work { samples, flops } = run.work;
            println!(
                "{}  {:<width$}  {state:<5}  {:>13} samples  {:>10}",
                run.id,
                label(run),
                thousands(samples),
                operations(flops)
            );
        }
        let to_do: Vec<&Planned> = self.to_do().collect();
        let samples = to_do.iter().map(|run| run.work.samples).sum();
        let flops = to_do.iter().map(|run| run.work.flops).sum();
        println!(
            "{} runs, {} done, {} to do: {} samples to train on, {} in all",
            self.runs.len(),
            self.runs.len() - to_do.len(),
            to_do.len(),
            thousands(samples),
            operations(flops)
        );
    }
}

/// `12,500`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.24 TFLOP`: a count of operations, not a speed.
fn operations(flops: f64) -> String {
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
    fn numbers_are_grouped() {
        let groups = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in groups {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn operations_have_a_unit() {
        assert_eq!(operations(2.5e6), "2.50 MFLOP");
        assert_eq!(operations(1.234e12), "1.23 TFLOP");
        assert_eq!(operations(5e21), "5000.00 EFLOP");
    }
}
