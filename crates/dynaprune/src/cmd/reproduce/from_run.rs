//! `reproduce --from-run`: a recorded run once more, and whether it gives the same numbers.

use super::Args;
use crate::cmd::runs::{Where, find};
use crate::counts;
use crate::failure::Stopped;
use crate::keeper::{Keeper, identity};
use crate::lease::{Claim, Holder, Leases};
use crate::library::Library;
use crate::machine::Compute;
use crate::progress::Progress;
use crate::rows::{Provenance, rows};
use crate::score_store::{self, ScoreStore, Scored};
use crate::signals::Stop;
use crate::work::Work;
use anyhow::{Result, anyhow};
use dynaprune_datasets::Dataset;
use dynaprune_report::{Results, RunRow};
use dynaprune_spec::{Cell, RunId, ScoreSpec, StaticScores};
use dynaprune_train::checkpoint::Checkpoints;
use dynaprune_train::{Error, Watch as _};
use std::fmt::Display;

/// Makes the run that `id` begins, and compares.
///
/// # Errors
/// If there is no such run, it cannot be made, or gives other numbers.
pub(super) fn run(id: &str, place: &Where, library: &mut Library, args: &Args, stop: &Stop) -> Result<()> {
    let (results, row) = find(id, place)?;
    let recorded = results
        .run(&row.run_id)?
        .ok_or_else(|| anyhow!("run {} was removed meanwhile", row.run_id))?;
    if RunId::of(&row.spec).as_str() != row.run_id {
        return Err(anyhow!("the spec of run {} is another run's, by its hash", row.run_id));
    }
    let wrong = |error: &dyn Display| anyhow!("the spec of run {}: {error}", row.run_id);
    let cell = Cell::from_json(&row.spec).map_err(|error| wrong(&error))?;
    dynaprune_train::check(&cell).map_err(|error| wrong(&error))?;
    let here = env!("DYNAPRUNE_CODE_VERSION");
    if row.code_version != here && !args.quiet {
        let recorded = &row.code_version;
        let where_it_is = match recorded.contains("-dirty") {
            true => "no commit has the recorded one".to_owned(),
            false => format!("`git checkout {}` has the recorded one", commit(recorded)),
        };
        eprintln!("note: recorded by version {recorded}, made again by {here}; {where_it_is}");
    }
    let work = Work::of(&cell, &library.size(&cell.dataset)?)?;
    let dataset = library.get(&cell.dataset)?;
    let scores = scores(&cell, &row, dataset, &results)?;
    let compute = Compute::on(args.device)?;
    compute.check(cell.training.precision)?;
    let by = Provenance::here(&compute, !args.untimed);
    let scores = scores.map(|scored| scored.timed_by(&by));
    let scores = scores.as_ref().map(Scored::scores);

    // Beside the run itself, whose claim and checkpoints are its own.
    let name = format!("again-{}", row.run_id);
    let tell = |by: &Holder| {
        if !args.quiet {
            eprintln!("note: {}", by.awaited());
        }
    };
    let lease = match Leases::new(results.folder()).claim_patiently(&name, stop, tell)? {
        Claim::Ours(lease) => lease,
        Claim::Held(by) => return Err(anyhow!("{by} does the same")),
    };
    let mut progress = Progress::new(1, work, args.quiet);
    let label = format!(
        "{} {} s={} seed {}",
        row.dataset, row.method_label, row.pruned_fraction, row.seed
    );
    let watch = progress.begin(label, cell.training.epochs, work);
    let checkpoints = Checkpoints::new(
        results.folder().join("checkpoints").join(name),
        identity(&[row.spec.clone(), format!("code {here}")], dataset, scores.as_ref()),
    );
    let every = args.checkpoint_every;
    let mut keeper = Keeper::new(watch, &progress, checkpoints, every, (stop, &lease), &by);
    let record = match dynaprune_train::run_on(&compute.device, &cell, dataset, scores.as_ref(), &mut keeper) {
        Err(Error::Stopped { .. }) if keeper.stops() => return Err(Stopped.into()),
        record => record?,
    };
    let again = rows(&cell, &row.method_label, &record, keeper.made());
    let watch = keeper.close();
    progress.end(watch, "made again", record.total_seconds);
    progress.close();

    println!("{:<24} {:>16} {:>16}", "", "recorded", "now");
    let now = &again.runs[0];
    for (name, of) in NUMBERS {
        println!("{name:<24} {:>16.6} {:>16.6}", of(&row), of(now));
    }
    match recorded.difference(&again) {
        None => {
            println!("equal, bit for bit, in every number but the seconds");
            Ok(())
        }
        Some(difference) => Err(anyhow!("run {} gives other numbers: {difference}", row.run_id)),
    }
}

/// The commit in a version such as `0.1.0 (0123456789ab-dirty)`.
fn commit(version: &str) -> &str {
    let inside = version.split_once('(').map_or(version, |(_, inside)| inside);
    inside.split(['-', ')', ';']).next().unwrap_or_default()
}

type Number = fn(&RunRow) -> f64;

/// What is shown side by side.
const NUMBERS: [(&str, Number); 6] = [
    ("test_accuracy_last", |run| run.test_accuracy_last),
    ("train_accuracy_last", |run| run.train_accuracy_last),
    ("train_loss_last", |run| run.train_loss_last),
    ("samples_seen", |run| run.samples_seen as f64),
    ("training_seconds", |run| run.training_seconds),
    ("total_seconds", |run| run.total_seconds),
];

/// The scores of a `static` method, which must still be there.
fn scores(cell: &Cell, row: &RunRow, dataset: &Dataset, results: &Results) -> Result<Option<Scored>> {
    let Some(parent) = results.folder().parent() else {
        return Ok(None);
    };
    match &cell.selection.static_scores {
        None => Ok(None),
        Some(StaticScores::Scorer(_)) => {
            let store = ScoreStore::new(parent, &row.profile);
            let path = ScoreSpec::of(cell).map(|spec| store.table_path(&spec));
            path.map(|path| score_store::read_for(&path, cell, dataset)).transpose()
        }
        Some(StaticScores::SelectionCounts { of }) => {
            let counted = results.run(of.id().as_str())?;
            let counted =
                counted.ok_or_else(|| anyhow!("run {}, whose selections it counts, has no result", of.id()))?;
            counts::of(of, dataset, &counted)
        }
        Some(StaticScores::Table(table)) => Err(anyhow!(
            "run {} ({}) was made with scores from a file, of which only the BLAKE3 hash is recorded, {}: make it by its recipe",
            row.run_id,
            row.method_label,
            table.hash
        )),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_commit_is_in_the_version() {
        for version in [
            "0.1.0 (0123456789ab)",
            "0.1.0 (0123456789ab-dirty)",
            "0123456789ab",
            "0.1.0 (0123456789ab); 0.1.0 (0)",
        ] {
            assert_eq!(super::commit(version), "0123456789ab");
        }
    }
}
