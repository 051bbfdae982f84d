//! `reproduce`: from a recipe to its figure.

use crate::catalog::catalog;
use crate::failure::{BadInput, paint};
use crate::library::Library;
use crate::plan::Plan;
use crate::profiles::{self, Chosen};
use crate::progress::Progress;
use crate::rows::{Provenance, epoch_rows, run_row};
use crate::workspace::{Workspace, spec_file};
use crate::{figure, machine};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use dynaprune_report::Results;
use dynaprune_spec::Recipe;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::SystemTime;

/// The options of `reproduce`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipe in `experiments/`, such as `fig1`, or the path of a TOML file
    recipe: String,
    /// A profile in `experiments/profiles/`, or the path of a TOML file [default: the recipe's own, or the
    /// largest this machine can serve]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// What computes
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
    /// Repetitions, with the seeds 0, 1, ... [default: as many as the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
    /// CPU threads; results do not depend on it [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Where figures and pages go [default: `docs` in the workspace]
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
    /// Where data sets are [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print what would be run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Run again what has results
    #[arg(long)]
    fresh: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    /// CUDA if the program and the machine have it, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU; an error if there is none.
    Cuda,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let (Device::Cuda, Some(reason)) = (args.device, machine::without_cuda()) {
        let error = BadInput::new(format!("`--device cuda` is not possible: {reason}"));
        return Err(error.hint("leave it out, or use `--device cpu`").into());
    }
    // Before anything uses the pool.
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()?;
    }
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let recipe = Recipe::load(&spec_file("recipe", &args.recipe, &workspace.experiments())?, &catalog)?;
    let mut library = Library::new(workspace.data(args.data_dir.as_deref()));
    let chosen = match (&args.profile, &recipe.profile) {
        (Some(name), _) => profiles::asked(name, &workspace, &catalog, args.device)?,
        (None, Some(name)) => profiles::own(name, &workspace, &catalog, args.device)?,
        (None, None) => profiles::largest(&recipe, &workspace, &catalog, args.device, &library)?,
    };
    tell(args, || introduction(&recipe, &chosen));

    let profile = &chosen.profile;
    refuse_score_tables(&recipe)?;
    let cells = recipe.cells(profile, args.seeds)?;
    let results = Results::new(&workspace.results(args.results.as_deref()), &profile.name);
    let mut plan = Plan::new(cells, &results.runs()?, &mut library)?;
    if args.fresh {
        plan.start_afresh();
    }
    if args.dry_run {
        plan.print();
        return Ok(());
    }
    make_runs(&plan, &mut library, &results, args)?;

    let cells: Vec<_> = plan.runs.iter().map(|run| run.cell.clone()).collect();
    let docs = workspace.docs(args.docs.as_deref());
    let files = figure::draw(&recipe, profile, &cells, &results, &docs, &command(args, &profile.name))?;
    tell(args, || {
        format!(
            "wrote {}
      {}",
            files.png.display(),
            files.page.display()
        )
    });
    Ok(())
}

/// Makes the runs that have no result yet. Each is stored as soon as it has ended, so that what was interrupted goes on
/// from there.
fn make_runs(plan: &Plan, library: &mut Library, results: &Results, args: &Args) -> Result<()> {
    let (all, to_do) = (plan.runs.len(), plan.to_do().count());
    tell(args, || match to_do {
        0 => format!("{all} runs, all done"),
        _ => format!("{all} runs, {} done, {to_do} to do", all - to_do),
    });
    // A data set that is missing should stop the command now, not after hours.
    for run in plan.to_do() {
        library.get(&run.cell.dataset)?;
    }
    // So should a folder that cannot be written.
    if to_do > 0 {
        results.add(&[], &[])?;
    }
    let provenance = Provenance {
        device: machine::cpu(),
        threads: rayon::current_num_threads(),
    };
    let mut progress = Progress::new(plan, args.quiet);
    for run in plan.to_do() {
        let cell = &run.cell;
        let dataset = library.get(&cell.dataset)?;
        let started = SystemTime::now();
        let mut watch = progress.begin(run);
        let record = dynaprune_train::run(cell, dataset, None, &mut watch)
            .map_err(|error| anyhow!("run {} ({}): {error}", run.id, cell.label()))?;
        results.add(
            &[run_row(cell, &record, started, &provenance)],
            &epoch_rows(cell, &record),
        )?;
        progress.end(run, &record, watch);
    }
    progress.close();
    Ok(())
}

/// A method that ranks samples by a table has none to rank them by.
fn refuse_score_tables(recipe: &Recipe) -> Result<()> {
    for method in &recipe.methods {
        let name = &method.choice.name;
        if dynaprune_selectors::method(name)?.static_scores {
            return Err(BadInput::new(format!(
                "method `{name}` needs a table of scores, which recipes cannot name"
            ))
            .into());
        }
    }
    Ok(())
}

fn tell(args: &Args, line: impl FnOnce() -> String) {
    if !args.quiet {
        eprintln!("{}", line());
    }
}

fn introduction(recipe: &Recipe, chosen: &Chosen) -> String {
    let profile = &chosen.profile;
    let claims = match recipe.claims.as_slice() {
        [] => String::new(),
        claims => format!(" ({})", claims.join(" ")),
    };
    let mut text = format!("{}: {}{claims}\n", paint(&recipe.name, "1"), recipe.title);
    text += &format!("profile {}: {}", paint(&profile.name, "1"), profile.summary);
    if let Some(because) = &chosen.because {
        text += &format!("\n(chosen as {because})");
    }
    text
}

/// The command that makes the same figure again. What changes only where files are or how fast it goes is left out.
fn command(args: &Args, profile: &str) -> String {
    let profile = args.profile.as_deref().unwrap_or(profile);
    let seeds = args.seeds.map_or(String::new(), |seeds| format!(" --seeds {seeds}"));
    format!("cargo xtask reproduce {} --profile {profile}{seeds}", args.recipe)
}
