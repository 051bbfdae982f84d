//! From results to a figure and its page.

use crate::rows::method_label;
use anyhow::Result;
use dynaprune_report::{FIGURES, FigureFiles, FigureInput, Planned, Results};
use dynaprune_spec::{Cell, Profile, Recipe};
use std::path::Path;

/// The kinds of figure there are.
pub(crate) fn kinds() -> Vec<String> {
    FIGURES.iter().map(|kind| kind.name.to_owned()).collect()
}

/// Draws the recipe's figure from the results of `cells` into `docs`; `command` is what made it.
pub(crate) fn draw(
    recipe: &Recipe,
    profile: &Profile,
    cells: &[Cell],
    results: &Results,
    docs: &Path,
    command: &str,
) -> Result<FigureFiles> {
    let planned: Vec<Planned> = cells.iter().map(planned).collect();
    let input = FigureInput {
        id: &recipe.name,
        kind: &recipe.figure,
        title: &recipe.title,
        claim: &recipe.claim,
        how_to_read: &recipe.how_to_read,
        profile: &profile.name,
        profile_summary: &profile.summary,
        command,
        planned: &planned,
        runs: &results.runs()?,
        epochs: &results.epochs()?,
    };
    Ok(input.write(docs)?)
}

fn planned(cell: &Cell) -> Planned {
    Planned {
        run_id: cell.id().to_string(),
        dataset: cell.dataset.name.clone(),
        method: cell.method.name.clone(),
        method_label: method_label(cell),
        pruned_fraction: cell.pruned_fraction,
        seed: cell.seed,
    }
}
