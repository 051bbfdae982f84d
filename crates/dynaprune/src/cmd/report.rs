//! `report`: the pages of all figures and the gallery over them, from the results there are.

use crate::agreement::Comparison;
use crate::catalog::catalog;
use crate::cmd::reproduce::command;
use crate::cmd::runs::profiles_in;
use crate::failure::BadInput;
use crate::figure::Figure;
use crate::library::Library;
use crate::profiles::LADDER;
use crate::score_store::{ScoreFiles, ScoreStore};
use crate::workspace::{Workspace, spec_file, spec_names};
use anyhow::{Result, anyhow};
use dynaprune_report::gallery::{self, Page, ProfileGallery};
use dynaprune_report::{Agreement, Error, Rendered, Results};
use dynaprune_spec::{Catalog, Profile, Recipe};
use std::fs;
use std::path::{Path, PathBuf};

/// The pages of the documentation beside the gallery.
const DOCS: &[(&str, &str)] = &[
    (
        "Methodology: the protocol, and what is charged to whom",
        "methodology.md",
    ),
    ("What could make these results wrong", "bias.md"),
    (
        "Operations: sweeps, clusters, what to do when things fail",
        "operations.md",
    ),
    ("NVIDIA GPUs: how to build and run, and what was seen", "cuda.md"),
    (
        "Reliability: what a sweep survives, and how that is tested",
        "reliability.md",
    ),
    ("File formats", "formats.md"),
    ("On a cluster", "cluster.md"),
    ("Performance", "performance.md"),
    ("Building", "building.md"),
];

/// The options of `report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this profile's pages, and no gallery [default: all profiles with results]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Write nothing; fail if a page does not say what the results say
    #[arg(long)]
    check: bool,
    /// Draw every figure again, not only those whose pages do not say what the results say
    #[arg(long, conflicts_with = "check")]
    redraw: bool,
    /// Where results are kept [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Where figures and pages are [default: `docs` in the workspace; the README beside it has a section of results]
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
    /// Where data sets are: some figures show samples [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What is made of a profile's results.
struct Made {
    profile: Profile,
    figures: Vec<Rendered>,
    absent: Vec<(String, String)>,
    agreements: Vec<Agreement>,
}

impl Made {
    fn gallery(&self) -> ProfileGallery<'_> {
        ProfileGallery {
            profile: &self.profile.name,
            summary: &self.profile.summary,
            figures: &self.figures,
            absent: &self.absent,
            agreements: &self.agreements,
        }
    }
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let of_others = args.results.is_some() && args.docs.is_none();
    if of_others && !args.check {
        let error = BadInput::new(
            "`--results` without `--docs` would write other results into this workspace's README and pages",
        );
        return Err(error.hint("name a folder, as in `--docs mine/docs`").into());
    }
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let mut library = Library::new(workspace.data(args.data_dir.as_deref()));
    let folder = workspace.results(args.results.as_deref());
    let docs = workspace.docs(args.docs.as_deref());
    let names = match &args.profile {
        Some(name) => vec![name.clone()],
        None => with_results(&workspace, &folder),
    };
    if names.is_empty() {
        let message = format!("no profile has results in {}", folder.display());
        // Of profiles that are files elsewhere only the names are known here.
        let hint = match profiles_in(&folder).as_slice() {
            [] => "`cargo xtask reproduce all --profile smoke`".to_owned(),
            [name] => format!("there are results of: {name}; name the profile's file, `--profile path/to/{name}.toml`"),
            names => format!(
                "there are results of: {}; name a profile's file, `--profile path/to/{}.toml`",
                names.join(", "),
                names[0]
            ),
        };
        return Err(BadInput::new(message).hint(hint).into());
    }
    let mut made = Vec::new();
    for name in &names {
        let profile = Profile::load(&spec_file("profile", name, &workspace.profiles())?, &catalog)?;
        if !args.check {
            collect(&Results::new(&folder, &profile.name), name);
        }
        made.push(figures(profile, &workspace, &catalog, &folder, &docs, &mut library)?);
    }
    let mut pages: Vec<Page> = made.iter().map(|made| made.gallery().page(&docs)).collect();
    if args.profile.is_none() {
        let galleries: Vec<ProfileGallery> = made.iter().map(Made::gallery).collect();
        pages.push(gallery::index(&docs, &galleries, DOCS));
        pages.extend(readme(&docs, &galleries)?);
    }

    if args.check {
        return check(&made, &pages, &docs);
    }
    let (mut written, mut all) = (0, 0);
    for figure in made.iter().flat_map(|made| &made.figures) {
        all += 1;
        // What shows samples would lose them where the data set is not at hand.
        if args.redraw || !figure.stale(&docs).is_empty() {
            figure.write(&docs)?;
            written += 1;
        }
    }
    for agreement in made.iter().flat_map(|made| &made.agreements) {
        all += 1;
        if args.redraw || !agreement.stale().is_empty() {
            agreement.write()?;
            written += 1;
        }
    }
    eprintln!("wrote {written} of {all} figures and tables");
    for page in pages.iter().filter(|page| page.is_stale()) {
        page.write()?;
        eprintln!("wrote {}", page.path.display());
    }
    Ok(())
}

/// Writes the gallery of one profile, whose figures are drawn already.
pub(crate) fn gallery(
    profile: &str,
    results: Option<&Path>,
    docs: Option<&Path>,
    data_dir: Option<&Path>,
) -> Result<()> {
    run(&Args {
        profile: Some(profile.to_owned()),
        check: false,
        redraw: false,
        results: results.map(Path::to_path_buf),
        docs: docs.map(Path::to_path_buf),
        data_dir: data_dir.map(Path::to_path_buf),
    })
}

/// Adds what sweeps have finished to the Parquet files. Pages can be made without, so that results that cannot be written can
/// be looked at.
fn collect(results: &Results, profile: &str) {
    match results.collect() {
        Ok(0) => {}
        Ok(1) => eprintln!("{profile}: 1 finished run collected"),
        Ok(runs) => eprintln!("{profile}: {runs} finished runs collected"),
        Err(error) => eprintln!("note: {profile}: finished runs are not collected: {error}"),
    }
    for damage in results.damaged().into_iter().flatten() {
        eprintln!("note: {profile}: {damage}: the run is left out");
    }
}

/// The profiles that have results: the ladder, then others.
fn with_results(workspace: &Workspace, results: &Path) -> Vec<String> {
    let mut names = spec_names(&workspace.profiles());
    names.retain(|name| has_results(&results.join(name)));
    let place = |name: &String| LADDER.iter().position(|known| known == name).unwrap_or(LADDER.len());
    names.sort_by_key(|name| (place(name), name.clone()));
    names
}

/// Whether a profile's folder has results.
pub(crate) fn has_results(folder: &Path) -> bool {
    folder.join("runs.parquet").is_file() || folder.join("cells").is_dir()
}

/// Makes all figures of a profile that have a run to show, and says how far its scores agree.
fn figures(
    profile: Profile,
    workspace: &Workspace,
    catalog: &Catalog,
    folder: &Path,
    docs: &Path,
    library: &mut Library,
) -> Result<Made> {
    let results = Results::new(folder, &profile.name);
    let store = ScoreStore::new(folder, &profile.name);
    let (mut figures, mut absent) = (Vec::new(), Vec::new());
    for recipe in &recipes(&profile, workspace, catalog)? {
        let files = ScoreFiles::default();
        let title = recipe.title.replace("{dataset}: ", "");
        let mut is_absent = |reason: &str| absent.push((recipe.name.clone(), format!("{title} ({reason})")));
        // What the profile cannot serve must not keep the others from their pages.
        let cells = match recipe.cells(&profile, None, &|path| files.identify(path)) {
            Ok(cells) => cells,
            Err(error) => {
                let error = error.to_string();
                is_absent(error.lines().next().unwrap_or_default());
                continue;
            }
        };
        let figure = Figure {
            recipe,
            profile: &profile,
            cells: &cells,
            results: &results,
            store: &store,
            files: &files,
            command: &command(&recipe.name, &profile.name, None),
        };
        match figure.render(library) {
            Ok(rendered) => figures.push(rendered),
            Err(error) => match error.downcast_ref() {
                Some(Error::NothingToDraw { .. }) => is_absent("no run has a result"),
                Some(Error::NothingToCompare { reason, .. }) => is_absent(reason),
                Some(Error::MissingBaseline { .. }) => is_absent("no run on full data has a result"),
                _ => return Err(anyhow!("{} in profile {}: {error}", recipe.name, profile.name)),
            },
        }
    }
    Ok(Made {
        agreements: agreements(&profile, workspace, &store, docs)?,
        profile,
        figures,
        absent,
    })
}

/// The recipes of a profile: the catalogue, and those that are made for it. One that is for recipes of its own, and no rung of
/// the ladder, has these alone.
fn recipes(profile: &Profile, workspace: &Workspace, catalog: &Catalog) -> Result<Vec<Recipe>> {
    let all = workspace.recipes(catalog)?;
    let is_own = |recipe: &Recipe| recipe.profile.as_ref() == Some(&profile.name);
    let (own, others): (Vec<Recipe>, Vec<Recipe>) = all.into_iter().partition(is_own);
    if !own.is_empty() && !LADDER.contains(&profile.name.as_str()) {
        return Ok(own);
    }
    let catalogue = others.into_iter().filter(|recipe| recipe.profile.is_none());
    Ok(catalogue.chain(own).collect())
}

/// How far the profile's scores agree: a page for each data set with two score tables or more.
fn agreements(profile: &Profile, workspace: &Workspace, store: &ScoreStore, docs: &Path) -> Result<Vec<Agreement>> {
    let folder = docs.join("figures").join(&profile.name);
    let command = format!("cargo xtask report --profile {}", profile.name);
    let render = |comparison: &Comparison| {
        let stem = folder.join(format!("scores-{}", comparison.dataset()));
        comparison.render(workspace, &command, &stem)
    };
    let comparisons = Comparison::of_store(store, &profile.name);
    comparisons.iter().map(render).collect()
}

/// The README beside the docs with its results section, if it has one.
fn readme(docs: &Path, galleries: &[ProfileGallery]) -> Result<Option<Page>> {
    let path = docs.parent().unwrap_or(Path::new("")).join("README.md");
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|error| anyhow!("cannot read `{}`: {error}", path.display()))?;
    let section = gallery::results_section(galleries);
    Ok(gallery::splice(&text, &section).map(|text| Page { path, text }))
}

/// Fails if a file does not say what the results say.
fn check(made: &[Made], pages: &[Page], docs: &Path) -> Result<()> {
    let figures = made.iter().flat_map(|made| &made.figures);
    let mut stale: Vec<PathBuf> = figures.flat_map(|figure| figure.stale(docs)).collect();
    let agreements = made.iter().flat_map(|made| &made.agreements);
    stale.extend(agreements.flat_map(Agreement::stale));
    stale.extend(
        pages
            .iter()
            .filter(|page| page.is_stale())
            .map(|page| page.path.clone()),
    );
    if stale.is_empty() {
        eprintln!("all pages say what the results say");
        return Ok(());
    }
    let files: Vec<String> = stale.iter().map(|path| format!("  {}", path.display())).collect();
    Err(anyhow!(
        "{} files do not say what the results say:\n{}\n\nhint: `cargo xtask report` writes them",
        stale.len(),
        files.join("\n")
    ))
}
