//! `status`: how far runs are, wherever they are made.

use crate::cluster::cells::Cells;
use crate::cluster::grid::{Grid, Request, absolute};
use crate::cluster::slurm;
use crate::cluster::submission::{JobFolder, Submission, recorded};
use crate::cmd::runs::profiles_in;
use crate::cmd::submit::{KUBERNETES, SLURM};
use crate::failure::BadInput;
use crate::output::print;
use crate::sweep::scoring_claim;
use crate::workspace::Workspace;
use anyhow::Result;
use dynaprune_report::Results;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The options of `status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipe in `experiments/`, or the path of a TOML file [default: all that was made or submitted]
    recipe: Option<String>,
    /// A profile in `experiments/profiles/`, or the path of a TOML file [default: the recipe's own; without a recipe, all]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Repetitions [default: as many as were submitted last, or as the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), requires = "recipe")]
    seeds: Option<u32>,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Where data sets are [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Where everything is.
struct Places {
    workspace: Workspace,
    results: PathBuf,
    data: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let places = Places {
        results: absolute(&workspace.results(args.results.as_deref()))?,
        data: workspace.data(args.data_dir.as_deref()),
        workspace,
    };
    if let Some(recipe) = &args.recipe {
        return print(&places.recipe(recipe, args)?);
    }
    let profiles = match &args.profile {
        // A profile's name is its file's.
        Some(profile) => vec![file_stem(profile)],
        None => profiles_in(&places.results),
    };
    if profiles.is_empty() {
        let message = format!("nothing was made or submitted in {}", places.results.display());
        let hint = "`cargo xtask reproduce` makes a recipe's runs, `cargo xtask submit` has a cluster make them";
        return Err(BadInput::new(message).hint(hint).into());
    }
    let texts = profiles.iter().map(|profile| places.profile(profile));
    print(&texts.collect::<Result<Vec<_>>>()?.join("\n"))
}

impl Places {
    /// What is known of a recipe in a profile.
    fn recipe(&self, recipe: &str, args: &Args) -> Result<String> {
        let load = |seeds| {
            let profile = args.profile.as_deref();
            let request = Request { recipe, profile, seeds };
            Grid::load(&request, &self.workspace, &self.results, self.data.clone())
        };
        let mut grid = load(args.seeds)?;
        let mut submissions = recorded(&self.results, &grid.profile.name)?;
        submissions.retain(|(_, submission)| file_stem(&submission.recipe) == grid.recipe.name);
        let last = submissions.last().and_then(|(_, submission)| submission.seeds);
        if args.seeds.is_none() && last.is_some() {
            grid = load(last)?;
        }
        let cells = Cells::read(&self.results, &grid.profile.name, SystemTime::now());
        let failed = |id: &str| grid.plan.to_do().any(|run| run.id == id);
        Ok(format!(
            "{}, profile {}: {}{}{}",
            grid.recipe.name,
            grid.profile.name,
            counts(&grid, &cells),
            failures(&cells, failed),
            jobs(&submissions)
        ))
    }

    /// What is known of a profile: all its runs, and the recipes that were submitted.
    fn profile(&self, profile: &str) -> Result<String> {
        let cells = Cells::read(&self.results, profile, SystemTime::now());
        let done = Results::new(&self.results, profile).runs()?.len();
        let (scoring, running): (Vec<&String>, Vec<&String>) =
            cells.running.iter().partition(|id| id.starts_with("scoring-"));
        let mut text = format!(
            "profile {profile}: {done} runs done, {} running{}, {} failed\n",
            running.len(),
            scoring_runs(scoring.len()),
            cells.failed.len()
        );
        text += &failures(&cells, |_| true);
        let submissions = recorded(&self.results, profile)?;
        let asked: BTreeSet<(&String, &String, Option<u32>)> = submissions
            .iter()
            .map(|(_, submission)| (&submission.recipe, &submission.profile, submission.seeds))
            .collect();
        for (recipe, profile, seeds) in asked {
            let profile = Some(profile.as_str());
            let request = Request { recipe, profile, seeds };
            // A recipe may be gone by now.
            let counted = match Grid::load(&request, &self.workspace, &self.results, self.data.clone()) {
                Ok(grid) => counts(&grid, &cells),
                Err(error) => format!("{}\n", error.to_string().lines().next().unwrap_or_default()),
            };
            text += &format!("{}: {counted}", file_stem(recipe));
        }
        Ok(text + &jobs(&submissions))
    }
}

/// A name, or the name of the file that a path ends in.
fn file_stem(asked: &str) -> String {
    match asked.ends_with(".toml") {
        true => Path::new(asked)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        false => asked.to_owned(),
    }
}

/// The runs of a grid, counted by what became of them.
fn counts(grid: &Grid, cells: &Cells) -> String {
    let (all, done) = (grid.plan.runs.len(), grid.done());
    let (running, rest): (Vec<_>, Vec<_>) = grid.plan.to_do().partition(|run| cells.running.contains(&run.id));
    let failed = rest.iter().filter(|run| cells.failed.contains_key(&run.id)).count();
    let scoring = grid
        .plan
        .tables
        .scoring
        .iter()
        .filter_map(|run| run.measurements.first());
    let scoring = scoring
        .filter(|first| cells.running.contains(&scoring_claim(first)))
        .count();
    format!(
        "{all} runs: {done} done, {} running{}, {failed} failed, {} waiting\n",
        running.len(),
        scoring_runs(scoring),
        rest.len() - failed
    )
}

fn scoring_runs(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " and a scoring run".to_owned(),
        count => format!(" and {count} scoring runs"),
    }
}

/// The runs that failed, one by one, and what can be done.
fn failures(cells: &Cells, is_asked_for: impl Fn(&str) -> bool) -> String {
    let lines = cells
        .failed
        .iter()
        .filter(|(id, _)| is_asked_for(id))
        .map(|(id, failure)| {
            let error = failure.error.lines().next().unwrap_or_default();
            format!("  {id}  {}: {error}\n", failure.run)
        });
    match lines.collect::<String>() {
        lines if lines.is_empty() => lines,
        lines => {
            format!("failed:\n{lines}hint: `--retry-failed` of `reproduce` and of `submit` tries what failed again\n")
        }
    }
}

/// What became of submissions, a line each.
fn jobs(submissions: &[(JobFolder, Submission)]) -> String {
    let names: Vec<&str> = submissions
        .iter()
        .filter(|(_, submission)| submission.scheduler == SLURM)
        .map(|(_, submission)| submission.job_name.as_str())
        .collect();
    let queue = slurm::queue(&names);
    let lines = submissions
        .iter()
        .map(|(folder, submission)| job_line(folder, submission, &queue) + "\n");
    match lines.collect::<String>() {
        lines if lines.is_empty() => lines,
        lines => format!("jobs:\n{lines}"),
    }
}

/// What Slurm has in its queue, or why that is not known.
type Queue = Result<BTreeMap<(String, usize), slurm::TaskState>>;

/// A line on a submission: what its scheduler says of it.
fn job_line(folder: &JobFolder, submission: &Submission, queue: &Queue) -> String {
    let name = folder
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if submission.scheduler == KUBERNETES {
        let job = &submission.job_name;
        return format!("  {name}: Kubernetes: `kubectl describe job {job}`");
    }
    let queue = match queue {
        Ok(queue) => queue,
        Err(error) => {
            let error = error.to_string();
            return format!("  {name}: Slurm: {}", error.lines().next().unwrap_or_default());
        }
    };
    let arrays = submission.arrays.iter().map(|array| {
        let states = (0..array.tasks).filter_map(|task| queue.get(&(array.job.clone(), task)));
        let states = states.map(|state| match state.reason.as_str() {
            "None" | "" => state.state.to_lowercase(),
            reason => format!("{} ({reason})", state.state.to_lowercase()),
        });
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        states.for_each(|state| *counts.entry(state).or_default() += 1);
        let ended = array.tasks - counts.values().sum::<usize>();
        let mut parts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let how = slurm::ended(&array.job).map_or(String::new(), |how| format!(" ({how})"));
        parts.push(format!("{ended} ended{how}"));
        format!("job {} of {} tasks: {}", array.job, array.tasks, parts.join(", "))
    });
    format!("  {name}: Slurm {}", arrays.collect::<Vec<_>>().join("; "))
}
