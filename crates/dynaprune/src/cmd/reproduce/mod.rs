//! `reproduce`: from a recipe to its figure.

mod from_run;

use crate::adapted;
use crate::catalog::catalog;
use crate::cmd::report;
use crate::cmd::runs::Where;
use crate::crew::Crew;
use crate::failure::{BadInput, DeviceLost, Stopped, paint};
use crate::figure::Figure;
use crate::hours;
use crate::library::Library;
use crate::machine::{self, Compute, Device};
use crate::plan::{Plan, counted_or_own, with_counted};
use crate::profiles::{self, Chosen};
use crate::progress::Progress;
use crate::rows::Provenance;
use crate::score_store::{self, ScoreFiles, ScoreStore};
use crate::shard::Shard;
use crate::signals::Stop;
use crate::sweep::{self, Settings, Sweep};
use crate::workspace::{ALL, Workspace, spec_file};
use anyhow::{Result, anyhow};
use dynaprune_report::Results;
use dynaprune_spec::{Catalog, Cell, DatasetSpec, Recipe, StaticScores};
use std::path::PathBuf;

/// The options of `reproduce`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipe in `experiments/`, such as `fig1`, the path of a TOML file, or `all`
    #[arg(required_unless_present = "from_run", default_value = "", hide_default_value = true)]
    recipe: String,
    /// Make a recorded run once more, by its exact spec, and compare: nothing is stored or drawn
    #[arg(long, value_name = "ID", conflicts_with_all = ["recipe", "seeds", "dry_run", "fresh", "no_runs", "shard", "cell"])]
    from_run: Option<String>,
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=machine::MOST_THREADS))]
    threads: Option<u16>,
    /// Processes that share each GPU, where one run does not fill it; they use all GPUs there are, and keep no seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with_all = ["dry_run", "no_runs", "from_run", "fresh"])]
    jobs_per_gpu: Option<u32>,
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
    /// Make no run: draw what there is, and say what is missing
    #[arg(long, conflicts_with_all = ["fresh", "dry_run"])]
    no_runs: bool,
    /// Try again what failed before
    #[arg(long)]
    retry_failed: bool,
    /// Make only the runs of the i-th of n parts; every run is in one of them
    #[arg(long, value_name = "i/n")]
    shard: Option<Shard>,
    /// Make only the run of this id; may be given several times
    #[arg(long, value_name = "ID")]
    cell: Vec<String>,
    /// Make runs and draw nothing
    #[arg(long, conflicts_with = "no_runs")]
    no_figure: bool,
    /// Epochs between checkpoints [default: at the end of an epoch if the last one is a minute old]
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint_every: Option<u32>,
    /// Keep no seconds, because other work runs beside: accuracies and counted operations are the same
    #[arg(long)]
    untimed: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    machine::check_device(args.device)?;
    machine::use_threads(args.threads)?;
    let stop = Stop::listen()?;
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let mut library = Library::new(workspace.data(args.data_dir.as_deref()));
    if let Some(id) = &args.from_run {
        let place = Where::new(args.profile.clone(), args.results.clone());
        return from_run::run(id, &place, &mut library, args, &stop);
    }
    let crew = match args.jobs_per_gpu {
        None => None,
        Some(jobs) => Some(crew(jobs, args.device)?),
    };
    let made = make_and_draw(args, &workspace, &catalog, &mut library, &stop);
    match crew {
        // What this process cannot make, those on other GPUs can.
        Some(crew) if made.as_ref().map_or_else(|error| error.is::<DeviceLost>(), |()| true) => {
            crew.wait(&stop).and(made)
        }
        _ => made,
    }
}

/// The processes that make runs beside this one.
fn crew(jobs: u32, device: Device) -> Result<Crew> {
    match (machine::gpus(), device) {
        (gpus, Device::Auto | Device::Cuda) if gpus > 0 => Crew::start(jobs, gpus),
        _ => {
            let reason = machine::without_cuda().unwrap_or_else(|| "a CPU was asked for".to_owned());
            let error = BadInput::new(format!("`--jobs-per-gpu` is not possible: {reason}"));
            Err(error.hint("on a CPU a run uses all threads: leave it out").into())
        }
    }
}

fn make_and_draw(
    args: &Args,
    workspace: &Workspace,
    catalog: &Catalog,
    library: &mut Library,
    stop: &Stop,
) -> Result<()> {
    if args.recipe != ALL {
        let recipe = Recipe::load(&spec_file("recipe", &args.recipe, &workspace.experiments())?, catalog)?;
        return reproduce(&recipe, &args.recipe, workspace, catalog, library, (args, stop));
    }
    if args.fresh {
        let error = BadInput::new("`all --fresh` would make runs anew that recipes share, once for each");
        return Err(error
            .hint("write to other folders: `--results mine --docs mine/docs`")
            .into());
    }
    let mut recipes = workspace.recipes(catalog)?;
    recipes.retain(|recipe| recipe.profile.is_none());
    let mut failed: Vec<String> = Vec::new();
    for recipe in &recipes {
        // The runs are made in the order of the recipes; what one cannot have must not keep the others from theirs.
        if let Err(error) = reproduce(recipe, &recipe.name, workspace, catalog, library, (args, stop)) {
            if error.is::<Stopped>() || error.is::<DeviceLost>() {
                return Err(error);
            }
            eprintln!("{} {}: {error}", paint("error:", "1;31"), recipe.name);
            failed.push(recipe.name.clone());
        }
        tell(args, String::new);
    }
    // The gallery is that of the profile as it is.
    let is_usual = args.seeds.is_none() && !args.dry_run && !args.no_figure;
    if let Some(profile) = args.profile.as_ref().filter(|_| is_usual) {
        let (results, docs, data) = (&args.results, &args.docs, &args.data_dir);
        report::gallery(profile, results.as_deref(), docs.as_deref(), data.as_deref())?;
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(anyhow!(
            "{} of {} recipes failed: {}",
            failed.len(),
            recipes.len(),
            failed.join(", ")
        )),
    }
}

/// Runs what one recipe needs and draws its figure; `name` is how the command named it.
fn reproduce(
    recipe: &Recipe,
    name: &str,
    workspace: &Workspace,
    catalog: &Catalog,
    library: &mut Library,
    (args, stop): (&Args, &Stop),
) -> Result<()> {
    let device = (!args.dry_run && !args.no_runs).then_some(args.device);
    let chosen = match (&args.profile, &recipe.profile) {
        (Some(name), _) => profiles::asked(name, workspace, catalog, device)?,
        (None, Some(name)) => profiles::own(name, workspace, catalog, device)?,
        (None, None) => profiles::largest(recipe, workspace, catalog, args.device, library)?,
    };
    tell(args, || introduction(recipe, &chosen));

    let profile = &chosen.profile;
    let files = ScoreFiles::default();
    let cells = recipe.cells(profile, args.seeds, &|path| files.identify(path))?;
    let folder = workspace.results(args.results.as_deref());
    let results = Results::new(&folder, &profile.name);
    let store = ScoreStore::new(&folder, &profile.name);
    let planned = |library: &mut Library, afresh| -> Result<Plan> {
        let chosen = chosen_cells(cells.clone(), args)?;
        Plan::new(chosen, profile, &results, &store, library, afresh)
    };
    let plan = planned(library, args.fresh)?;
    if args.dry_run {
        check_tables(&plan, library, &files)?;
        plan.print();
        if profile.needs_cuda {
            println!("{}", hours::on_one_gpu(&plan.work(), &results.runs()?));
        }
        return Ok(());
    }
    let mut failed = Vec::new();
    if !args.no_runs {
        failed = match make_runs(&plan, library, &results, &store, &files, (args, stop)) {
            // Another process has begun afresh: its runs may be ours to make, or to wait for.
            Err(error) if error.is::<sweep::Gone>() => {
                let plan = planned(library, false)?;
                make_runs(&plan, library, &results, &store, &files, (args, stop))?
            }
            made => made?,
        };
    }
    stop.check()?;
    if args.no_figure {
        return some_failed(&failed);
    }

    let docs = workspace.docs(args.docs.as_deref());
    let figure = Figure {
        recipe,
        profile,
        cells: &cells,
        results: &results,
        store: &store,
        files: &files,
        command: &command(name, args.profile.as_deref().unwrap_or(&profile.name), args.seeds),
    };
    let written = figure.render(library)?.write(&docs)?;
    tell(args, || {
        format!(
            "wrote {}\n      {}",
            written.png.as_deref().unwrap_or(&written.csv).display(),
            written.page.display()
        )
    });
    some_failed(&failed)
}

/// An error that lists what failed, if anything has.
fn some_failed(failed: &[String]) -> Result<()> {
    match failed {
        [] => Ok(()),
        failed => Err(anyhow!(
            "{} failed:\n  {}\n\nhint: `--retry-failed` tries what failed again",
            if failed.len() == 1 {
                "1 run".to_owned()
            } else {
                format!("{} runs", failed.len())
            },
            failed.join("\n  ")
        )),
    }
}

/// The cells that are asked for, of a shard or by id.
fn chosen_cells(mut cells: Vec<Cell>, args: &Args) -> Result<Vec<Cell>> {
    if !args.cell.is_empty() {
        // A run whose selections another one counts can be asked for, also where it is no run of the recipe itself.
        cells = cells.into_iter().flat_map(with_counted).collect();
    }
    let ids: Vec<String> = cells.iter().map(|cell| cell.id().to_string()).collect();
    if let Some(unknown) = args.cell.iter().find(|asked| !ids.contains(asked)) {
        let message = format!("`--cell {unknown}`: no run of the recipe has this id");
        return Err(BadInput::new(message).hint("`--dry-run` lists the runs").into());
    }
    if !args.cell.is_empty() {
        cells.retain(|cell| args.cell.contains(&cell.id().to_string()));
    }
    if let Some(shard) = args.shard {
        cells.retain(|cell| shard.has(counted_or_own(cell).id().as_str()));
    }
    Ok(cells)
}

/// Makes the runs that have no result yet, and gives what failed, in words. Each is stored as soon as it has ended, so that
/// what was interrupted goes on from there.
fn make_runs(
    plan: &Plan,
    library: &mut Library,
    results: &Results,
    store: &ScoreStore,
    files: &ScoreFiles,
    (args, stop): (&Args, &Stop),
) -> Result<Vec<String>> {
    let (all, to_do) = (plan.runs.len(), plan.to_do().count());
    tell(args, || match to_do {
        0 => format!("{all} runs, all done"),
        _ => format!(
            "{all} runs, {} done, {to_do} to do{}",
            all - to_do,
            plan.scoring_to_do()
        ),
    });
    // A data set that is missing should stop the command now, not after hours; so should a table of other scores.
    for run in plan.to_do() {
        library.get(&run.cell.dataset)?;
    }
    check_tables(plan, library, files)?;
    for damage in results.damaged()? {
        tell(args, || format!("note: {damage}: the run is made again"));
    }
    sweep::tidy(results, store);
    if to_do == 0 {
        // Tasks that draw nothing have made them, or a process that was killed before it came to this.
        if !args.no_figure
            && let Err(error) = results.collect()
        {
            // Results that cannot be written can be looked at.
            if !may_not_write(&error) {
                return Err(error.into());
            }
            tell(args, || format!("note: finished runs are not collected: {error}"));
        }
        return Ok(Vec::new());
    }
    let compute = Compute::on(args.device)?;
    for run in plan.to_do() {
        compute.check(run.cell.training.precision)?;
    }
    // So should a folder that cannot be written.
    results.prepare()?;
    results.uncollect(&plan.to_do().map(|run| run.id.as_str()).collect())?;
    let progress = Progress::new(plan.tables.scoring.len() + to_do, plan.work(), args.quiet);
    let settings = Settings {
        retry_failed: args.retry_failed,
        checkpoint_every: args.checkpoint_every,
        stop,
        by: Provenance::here(&compute, !args.untimed && args.jobs_per_gpu.is_none()),
        compute,
    };
    let made = Sweep::new(library, results, store, settings, progress).runs(plan, &|id| files.path(id));
    if made.as_ref().is_err_and(anyhow::Error::is::<Stopped>) {
        // There may be little time left; the next command does what is not done here.
        if args.fresh {
            tell(args, || {
                "note: `--fresh` would begin anew: leave it out to go on from here".to_owned()
            });
        }
        return made;
    }
    sweep::tidy(results, store);
    // What was made is collected even if the sweep ended with an error; tasks that draw nothing leave that to others.
    let collected = if args.no_figure { Ok(0) } else { results.collect() };
    let failed = made?;
    collected?;
    Ok(failed)
}

/// Checks the score tables that the recipe names by file against the data that they are to be used with, as far as it is at
/// hand.
fn check_tables(plan: &Plan, library: &mut Library, files: &ScoreFiles) -> Result<()> {
    let mut checked: Vec<(&str, &DatasetSpec)> = Vec::new();
    for run in plan.to_do() {
        let cell = &run.cell;
        let Some(StaticScores::Table(id)) = &cell.selection.static_scores else {
            continue;
        };
        let pair = (id.hash.as_str(), &cell.dataset);
        if checked.contains(&pair) || !library.has(&cell.dataset.name)? {
            continue;
        }
        checked.push(pair);
        score_store::read_for(&files.path(id)?, cell, library.get(&cell.dataset)?)?;
    }
    Ok(())
}

/// Whether it is a place that is not ours to write.
fn may_not_write(error: &dynaprune_report::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match error {
        dynaprune_report::Error::Write { source, .. } => matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem),
        _ => false,
    }
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
    for change in adapted::all(recipe, profile) {
        text += &format!("\nnote: {change}");
    }
    text
}

/// The command that makes the same figure again. What changes only where files are or how fast it goes is left out.
pub(crate) fn command(recipe: &str, profile: &str, seeds: Option<u32>) -> String {
    let seeds = seeds.map_or(String::new(), |seeds| format!(" --seeds {seeds}"));
    format!("cargo xtask reproduce {recipe} --profile {profile}{seeds}")
}
