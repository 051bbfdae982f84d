//! The runs of a recipe in a profile that another machine is to make.

use crate::adapted;
use crate::catalog::catalog;
use crate::failure::BadInput;
use crate::library::Library;
use crate::plan::Plan;
use crate::score_store::{ScoreFiles, ScoreStore};
use crate::workspace::{ALL, Workspace, spec_file};
use anyhow::{Result, anyhow};
use dynaprune_report::Results;
use dynaprune_spec::{Profile, Recipe};
use std::path::{Path, PathBuf};

/// What a command asks for.
pub(crate) struct Request<'a> {
    /// A recipe's name, or the path of its file.
    pub(crate) recipe: &'a str,
    /// Likewise a profile's; else the recipe's own.
    pub(crate) profile: Option<&'a str>,
    /// Repetitions; else as many as the profile says.
    pub(crate) seeds: Option<u32>,
}

/// A recipe in a profile, with all its runs.
pub(crate) struct Grid {
    pub(crate) profile: Profile,
    pub(crate) plan: Plan,
    pub(crate) recipe: Named,
    pub(crate) profile_named: Named,
    /// What the profile makes of the recipe otherwise than it says.
    pub(crate) adapted: Vec<String>,
}

/// A recipe or a profile as another folder may name it.
pub(crate) struct Named {
    /// Its own name.
    pub(crate) name: String,
    /// Its name if it is one of the workspace, else the whole path of its file.
    pub(crate) argument: String,
    /// Its file.
    pub(crate) file: PathBuf,
}

impl Grid {
    /// Reads the recipe and the profile, and compares the runs with the results there are. Whether *this* machine could make
    /// them is not asked.
    ///
    /// # Errors
    /// If there is no such recipe or profile, or they do not fit together.
    pub(crate) fn load(request: &Request, workspace: &Workspace, results: &Path, data: PathBuf) -> Result<Self> {
        if request.recipe == ALL {
            let error = BadInput::new("`all` is no recipe: the cells of a job are those of one recipe");
            return Err(error
                .hint("submit the recipes one by one; runs that they share are made once")
                .into());
        }
        let catalog = catalog();
        let file = spec_file("recipe", request.recipe, &workspace.experiments())?;
        let recipe = Recipe::load(&file, &catalog)?;
        let Some(asked) = request.profile.map(str::to_owned).or_else(|| recipe.profile.clone()) else {
            let error = BadInput::new("no profile: this machine cannot say what another one can serve");
            return Err(error.hint("name one with `--profile`").into());
        };
        let profile_file = spec_file("profile", &asked, &workspace.profiles())?;
        let profile = Profile::load(&profile_file, &catalog)?;
        let files = ScoreFiles::default();
        let cells = recipe.cells(&profile, request.seeds, &|path| files.identify(path))?;
        let store = ScoreStore::new(results, &profile.name);
        let found = Results::new(results, &profile.name);
        let plan = Plan::new(cells, &profile, &found, &store, &mut Library::new(data), false)?;
        Ok(Self {
            adapted: adapted::all(&recipe, &profile).collect(),
            recipe: Named::new(recipe.name, request.recipe, &file)?,
            profile_named: Named::new(profile.name.clone(), &asked, &profile_file)?,
            profile,
            plan,
        })
    }

    /// How many runs have a result.
    pub(crate) fn done(&self) -> usize {
        self.plan.runs.len() - self.plan.to_do().count()
    }
}

impl Named {
    fn new(name: String, asked: &str, file: &Path) -> Result<Self> {
        let file = absolute(file)?;
        let argument = match asked.ends_with(".toml") {
            true => super::shell::path(&file)?,
            false => asked.to_owned(),
        };
        Ok(Self { name, argument, file })
    }
}

/// `fig1 --profile smoke`, with `--seeds` if a number is given: what names a grid in a command.
pub(crate) fn words(recipe: &str, profile: &str, seeds: Option<u32>) -> Vec<String> {
    let mut words = [recipe, "--profile", profile].map(str::to_owned).to_vec();
    if let Some(seeds) = seeds {
        words.extend(["--seeds".to_owned(), seeds.to_string()]);
    }
    words
}

/// The path from the root, so that it means the same in every folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| anyhow!("cannot tell where `{}` is: {error}", path.display()))
}
