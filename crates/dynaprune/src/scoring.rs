//! Makes the score tables that are still to be made.

use crate::library::Library;
use crate::plan::Tables;
use crate::progress::Progress;
use crate::rows::Provenance;
use crate::score_store::ScoreStore;
use anyhow::{Result, anyhow};

/// Makes the scoring runs, each kept as soon as it has ended, then the tables. What is made afresh is forgotten first.
pub(crate) fn make(
    tables: &Tables,
    store: &ScoreStore,
    library: &mut Library,
    by: &Provenance,
    progress: &mut Progress,
) -> Result<()> {
    if tables.afresh {
        store.forget(&tables.specs)?;
    }
    for run in &tables.scoring {
        let Some(first) = run.measurements.first() else {
            continue;
        };
        let dataset = library.get(&first.cell.dataset)?;
        let mut watch = progress.begin(run.label(), run.epochs(), run.work);
        let measured = dynaprune_train::measure(&run.measurements, dataset, &mut watch)
            .map_err(|error| anyhow!("{}: {error}", run.label()))?;
        for (measurement, measured) in run.measurements.iter().zip(&measured) {
            store.keep(measurement, measured, dataset, by)?;
        }
        // Each measurement is charged with all the training it watched.
        let seconds = measured.iter().map(|measured| measured.seconds).fold(0.0, f64::max);
        progress.end(watch, "scored", seconds);
    }
    for spec in &tables.specs {
        store.combine(spec, library.get(&spec.dataset)?)?;
    }
    Ok(())
}
