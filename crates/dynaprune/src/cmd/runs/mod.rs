//! `runs`: single runs, whatever recipe they belong to.

mod export;
mod list;
mod merge;
mod rebuild;
mod remove;
mod show;

use crate::cmd::report::has_results;
use crate::failure::BadInput;
use crate::failures::Failures;
use crate::workspace::{Workspace, spec_file};
use anyhow::Result;
use dynaprune_report::{Results, RunRow};
use std::path::{Path, PathBuf};

/// What to do with runs.
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// A line a run: finished, diverged, failed, or being made
    List(list::Args),
    /// Everything that is recorded of one run
    Show(show::Args),
    /// Removes runs: their results, checkpoints and failures
    Rm(remove::Args),
    /// Writes the runs' rows as CSV or JSON lines to stdout
    Export(export::Args),
    /// Takes over the finished runs and score tables of another results folder, and tells of those that are in both with other
    /// numbers
    Merge(merge::Args),
    /// Makes the Parquet files of results again, from the finished runs one by one
    Rebuild(rebuild::Args),
}

/// Where to look.
#[derive(clap::Args)]
pub(crate) struct Where {
    /// Only this profile, by its name or the path of its TOML file [default: all with results]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::List(args) => list::run(args),
        Verb::Show(args) => show::run(args),
        Verb::Rm(args) => remove::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Rebuild(args) => rebuild::run(args),
    }
}

impl Where {
    /// The results of every profile that is looked at.
    fn all(&self) -> Result<Vec<(String, Results)>> {
        let folder = Workspace::find()?.results(self.results.as_deref());
        // Where nothing was made yet there is no folder; one that was named is meant to be there.
        if self.results.is_some() && !folder.is_dir() {
            let error = BadInput::new(format!("no such folder: `{}`", folder.display()));
            return Err(error
                .hint("`--results` is the folder that holds those of the profiles")
                .into());
        }
        let names = match &self.profile {
            Some(asked) => vec![profile_with_results(asked, &folder)?],
            None => profiles_in(&folder),
        };
        Ok(names
            .into_iter()
            .map(|name| (name.clone(), Results::new(&folder, &name)))
            .collect())
    }
}

/// The name of the profile that `asked` means, by its name or the path of its TOML file.
///
/// # Errors
/// If there is no such file, or nothing of the profile in `folder`.
pub(crate) fn profile_with_results(asked: &str, folder: &Path) -> Result<String> {
    let name = match asked.ends_with(".toml") {
        true => {
            let file = spec_file("profile", asked, folder)?;
            file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
        }
        false => asked.to_owned(),
    };
    if folder.join(&name).is_dir() {
        return Ok(name);
    }
    let error = BadInput::new(format!("no results of a profile `{name}` in `{}`", folder.display()));
    Err(match profiles_in(folder).as_slice() {
        [] => error.into(),
        known => error.hint(format!("there are results of: {}", known.join(", "))).into(),
    })
}

/// The profiles below a folder: those with results, or with what a sweep that has none yet leaves.
pub(crate) fn profiles_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| {
            let has = |name: &str| entry.path().join(name).is_dir();
            has_results(&entry.path()) || has("failed") || has("leases") || has("jobs") || has("scores")
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The run that `asked` means: its id, or the beginning of it that no other has.
pub(crate) fn find(asked: &str, place: &Where) -> Result<(Results, RunRow)> {
    let mut found = Vec::new();
    for (_, results) in place.all()? {
        for run in results.runs()? {
            if run.run_id.starts_with(asked) {
                found.push((results.clone(), run));
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if let Some(failed) = failed(asked, place)? => Err(failed),
        0 => Err(BadInput::new(format!("no run has an id that begins with `{asked}`"))
            .hint("`cargo xtask runs list` lists them")
            .into()),
        runs => Err(BadInput::new(format!("`{asked}` is the beginning of {runs} ids: give more of it")).into()),
    }
}

/// What became of a run that failed, and has no result to be found.
fn failed(asked: &str, place: &Where) -> Result<Option<anyhow::Error>> {
    for (_, results) in place.all()? {
        let failures = Failures::new(results.folder()).all();
        if let Some((id, failure)) = failures.into_iter().find(|(id, _)| id.starts_with(asked)) {
            let (run, error) = (failure.run, failure.error);
            let error = BadInput::new(format!("run {id} ({run}) failed, and has no result: {error}"));
            return Ok(Some(
                error
                    .hint("`cargo xtask reproduce` tries it again with `--retry-failed`")
                    .into(),
            ));
        }
    }
    Ok(None)
}

impl Where {
    /// Where `--profile` and `--results` say.
    pub(crate) fn new(profile: Option<String>, results: Option<PathBuf>) -> Self {
        Self { profile, results }
    }
}

/// `12.5 s`, `3 min 20 s`, or nothing if it was not kept.
fn seconds(seconds: f64) -> String {
    match seconds.is_finite() {
        true if seconds < 60.0 => format!("{seconds:.1} s"),
        true => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
        false => "not timed".to_owned(),
    }
}
