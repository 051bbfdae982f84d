//! `reproduce`: from a recipe to its figure.

use crate::catalog::catalog;
use crate::cmd::report;
use crate::failure::{BadInput, paint};
use crate::figure::Figure;
use crate::library::Library;
use crate::plan::Plan;
use crate::profiles::{self, Chosen};
use crate::progress::Progress;
use crate::rows::{Provenance, rows};
use crate::score_store::{self, ScoreStore};
use crate::scoring;
use crate::workspace::{Workspace, spec_file, spec_names};
use crate::{counts, machine};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use dynaprune_report::{Results, RunRows};
use dynaprune_spec::{Catalog, Profile, Recipe, ScoreSpec, StaticScores, TableId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The options of `reproduce`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipe in `experiments/`, such as `fig1`, the path of a TOML file, or `all`
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
    /// Make no run: draw what there is, and say what is missing
    #[arg(long, conflicts_with_all = ["fresh", "dry_run"])]
    no_runs: bool,
    /// Keep no seconds, because other work runs beside: accuracies and counted operations are the same
    #[arg(long)]
    untimed: bool,
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

/// The name that stands for all recipes.
pub(crate) const ALL: &str = "all";

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    machine::check_device(args.device)?;
    machine::use_threads(args.threads)?;
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let mut library = Library::new(workspace.data(args.data_dir.as_deref()));
    if args.recipe != ALL {
        let recipe = Recipe::load(&spec_file("recipe", &args.recipe, &workspace.experiments())?, &catalog)?;
        return reproduce(&recipe, &args.recipe, &workspace, &catalog, &mut library, args);
    }
    if args.fresh {
        let error = BadInput::new("`all --fresh` would make runs anew that recipes share, once for each");
        return Err(error
            .hint("write to other folders: `--results mine --docs mine/docs`")
            .into());
    }
    let recipes = catalogue(&workspace, &catalog)?;
    let mut failed: Vec<String> = Vec::new();
    for recipe in &recipes {
        // The runs are made in the order of the recipes; what one cannot have must not keep the others from theirs.
        if let Err(error) = reproduce(recipe, &recipe.name, &workspace, &catalog, &mut library, args) {
            eprintln!("{} {}: {error}", paint("error:", "1;31"), recipe.name);
            failed.push(recipe.name.clone());
        }
        tell(args, String::new);
    }
    // The gallery is that of the profile as it is.
    let is_usual = args.seeds.is_none() && !args.dry_run;
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

/// All recipes that are made for any profile, figures first.
pub(crate) fn catalogue(workspace: &Workspace, catalog: &Catalog) -> Result<Vec<Recipe>> {
    let folder = workspace.experiments();
    let mut recipes = Vec::new();
    for name in spec_names(&folder) {
        let recipe = Recipe::load(&folder.join(format!("{name}.toml")), catalog)?;
        if recipe.profile.is_none() {
            recipes.push(recipe);
        }
    }
    Ok(recipes)
}

/// Runs what one recipe needs and draws its figure; `name` is how the command named it.
fn reproduce(
    recipe: &Recipe,
    name: &str,
    workspace: &Workspace,
    catalog: &Catalog,
    library: &mut Library,
    args: &Args,
) -> Result<()> {
    let chosen = match (&args.profile, &recipe.profile) {
        (Some(name), _) => profiles::asked(name, workspace, catalog, args.device)?,
        (None, Some(name)) => profiles::own(name, workspace, catalog, args.device)?,
        (None, None) => profiles::largest(recipe, workspace, catalog, args.device, library)?,
    };
    tell(args, || introduction(recipe, &chosen));

    let profile = &chosen.profile;
    let files = ScoreFiles::default();
    let cells = recipe.cells(profile, args.seeds, &|path| files.identify(path))?;
    let folder = workspace.results(args.results.as_deref());
    let results = Results::new(&folder, &profile.name);
    let store = ScoreStore::new(&folder, &profile.name);
    let plan = Plan::new(cells.clone(), profile, &results, &store, library, args.fresh)?;
    if args.dry_run {
        plan.print();
        return Ok(());
    }
    if !args.no_runs {
        make_runs(&plan, profile, library, &results, &store, &files, args)?;
    }

    let docs = workspace.docs(args.docs.as_deref());
    let figure = Figure {
        recipe,
        profile,
        cells: &cells,
        results: &results,
        store: &store,
        command: &command(name, args.profile.as_deref().unwrap_or(&profile.name), args.seeds),
    };
    let files = figure.render(library)?.write(&docs)?;
    tell(args, || {
        format!(
            "wrote {}\n      {}",
            files.png.as_deref().unwrap_or(&files.csv).display(),
            files.page.display()
        )
    });
    Ok(())
}

/// The score tables that a recipe names by file, by what is in them.
#[derive(Default)]
pub(crate) struct ScoreFiles(RefCell<BTreeMap<String, PathBuf>>);

impl ScoreFiles {
    pub(crate) fn identify(&self, path: &Path) -> Result<TableId, String> {
        let id = score_store::identify(path).map_err(|error| format!("{error:#}"))?;
        self.0.borrow_mut().insert(id.hash.clone(), path.to_owned());
        Ok(id)
    }

    fn path(&self, id: &TableId) -> Result<PathBuf> {
        let found = self.0.borrow().get(&id.hash).cloned();
        found.ok_or_else(|| anyhow!("no file of scores with the hash {}", id.hash))
    }
}

/// Makes the runs that have no result yet. Each is stored as soon as it has ended, so that what was interrupted goes on
/// from there.
fn make_runs(
    plan: &Plan,
    profile: &Profile,
    library: &mut Library,
    results: &Results,
    store: &ScoreStore,
    files: &ScoreFiles,
    args: &Args,
) -> Result<()> {
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
        let dataset = library.get(&run.cell.dataset)?;
        if let Some(StaticScores::Table(id)) = &run.cell.selection.static_scores {
            score_store::read_for(&files.path(id)?, &run.cell, dataset)?;
        }
    }
    // So should a folder that cannot be written.
    if to_do > 0 {
        results.add(&RunRows::default())?;
    }
    let provenance = Provenance::here(!args.untimed);
    let mut progress = Progress::new(plan.tables.scoring.len() + to_do, plan.work(), args.quiet);
    scoring::make(&plan.tables, store, library, &provenance, &mut progress)?;
    for run in plan.to_do() {
        let cell = &run.cell;
        let dataset = library.get(&cell.dataset)?;
        let scores = match &cell.selection.static_scores {
            None => None,
            Some(StaticScores::Table(id)) => Some(score_store::read_for(&files.path(id)?, cell, dataset)?),
            Some(StaticScores::Scorer(_)) => ScoreSpec::of(cell)
                .map(|spec| score_store::read_for(&store.table_path(&spec), cell, dataset))
                .transpose()?,
            Some(StaticScores::SelectionCounts { of }) => match counts::of(of, dataset, results)? {
                Some(scored) => Some(scored),
                None => {
                    progress.note(&format!("{}: left out, the run that it counts diverged", run.label()));
                    continue;
                }
            },
        };
        if scores.as_ref().is_some_and(|scored| scored.spoils_time(&provenance)) {
            progress.note(&format!(
                "{}: its scores were not timed here, so it has no total time",
                run.label()
            ));
        }
        // What another machine took is no cost here.
        let scores = scores.map(|scored| scored.timed_by(&provenance));
        let (started, clock) = (SystemTime::now(), Instant::now());
        let mut watch = progress.begin(run.label(), cell.training.epochs, run.work);
        let scores = scores.as_ref().map(|scored| scored.scores());
        let record = dynaprune_train::run(cell, dataset, scores.as_ref(), &mut watch)
            .map_err(|error| anyhow!("run {} ({}): {error}", run.id, run.label()))?;
        results.add(&rows(cell, profile, &record, started, &provenance))?;
        let outcome = match record.diverged {
            true => "diverged".to_owned(),
            false => format!(
                "test {:.2} %, train {:.2} %",
                100.0 * record.test_accuracy_last,
                100.0 * record.train_accuracy_last
            ),
        };
        progress.end(watch, &outcome, clock.elapsed().as_secs_f64());
    }
    progress.close();
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
pub(crate) fn command(recipe: &str, profile: &str, seeds: Option<u32>) -> String {
    let seeds = seeds.map_or(String::new(), |seeds| format!(" --seeds {seeds}"));
    format!("cargo xtask reproduce {recipe} --profile {profile}{seeds}")
}
