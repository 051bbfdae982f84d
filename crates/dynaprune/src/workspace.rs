//! Where things are.

use crate::failure::BadInput;
use anyhow::Result;
use dynaprune_spec::{Catalog, Recipe};
use std::env;
use std::path::{Path, PathBuf};

/// The file with the JSON Schema of recipes, in their folder.
pub(crate) const RECIPE_SCHEMA: &str = "recipe.schema.json";
/// That of profiles, in theirs.
const PROFILE_SCHEMA: &str = "profile.schema.json";

/// The name that stands for all recipes.
pub(crate) const ALL: &str = "all";

/// The folder with the recipes, and by default with data, results and docs.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// `DYNAPRUNE_ROOT` if it is set; else the nearest folder with `experiments/profiles` from the current folder upwards;
    /// else from the program upwards.
    pub(crate) fn find() -> Result<Self> {
        if let Some(root) = env::var_os("DYNAPRUNE_ROOT") {
            return Ok(Self { root: root.into() });
        }
        let starts = [env::current_dir(), env::current_exe()];
        let found = starts
            .iter()
            .flatten()
            .flat_map(|start| start.ancestors())
            .find(|folder| folder.join("experiments/profiles").is_dir());
        match found {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => Err(BadInput::new(
                "no workspace here: expected a folder with `experiments/profiles` in it or above",
            )
            .hint("change into the workspace, or set `DYNAPRUNE_ROOT` to it")
            .into()),
        }
    }

    /// The folder that all others are in by default.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the recipes.
    pub(crate) fn experiments(&self) -> PathBuf {
        self.root.join("experiments")
    }

    /// All recipes, figures first.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub(crate) fn recipes(&self, catalog: &Catalog) -> Result<Vec<Recipe>> {
        let folder = self.experiments();
        let load = |name: String| Ok(Recipe::load(&folder.join(format!("{name}.toml")), catalog)?);
        spec_names(&folder).into_iter().map(load).collect()
    }

    /// The folder of the profiles.
    pub(crate) fn profiles(&self) -> PathBuf {
        self.root.join("experiments/profiles")
    }

    /// The JSON Schema of recipes.
    pub(crate) fn recipe_schema(&self) -> PathBuf {
        self.experiments().join(RECIPE_SCHEMA)
    }

    /// The JSON Schema of profiles.
    pub(crate) fn profile_schema(&self) -> PathBuf {
        self.profiles().join(PROFILE_SCHEMA)
    }

    /// `given`, else `results` in the workspace.
    pub(crate) fn results(&self, given: Option<&Path>) -> PathBuf {
        given.map_or_else(|| self.root.join("results"), Path::to_path_buf)
    }

    /// `given`, else `docs` in the workspace.
    pub(crate) fn docs(&self, given: Option<&Path>) -> PathBuf {
        given.map_or_else(|| self.root.join("docs"), Path::to_path_buf)
    }

    /// `given`, else the environment's `DYNAPRUNE_DATA`, else `data` in the workspace.
    pub(crate) fn data(&self, given: Option<&Path>) -> PathBuf {
        let environment = || env::var_os("DYNAPRUNE_DATA").filter(|value| !value.is_empty());
        match given {
            Some(given) => given.to_owned(),
            None => environment().map_or_else(|| self.root.join("data"), PathBuf::from),
        }
    }
}

/// The TOML file that `asked` means: a path if it ends in `.toml`, else the file of that name in `folder`.
pub(crate) fn spec_file(kind: &str, asked: &str, folder: &Path) -> Result<PathBuf> {
    if asked.ends_with(".toml") {
        let path = PathBuf::from(asked);
        return match path.is_file() {
            true => Ok(path),
            false => Err(BadInput::new(format!("no such file: `{asked}`")).into()),
        };
    }
    let known = spec_names(folder);
    if known.iter().any(|name| name == asked) {
        return Ok(folder.join(format!("{asked}.toml")));
    }
    let list = match known.as_slice() {
        [] => "none".to_owned(),
        names => names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    Err(BadInput::new(format!("unknown {kind} `{asked}`"))
        .hint(format!(
            "there are {list} in {}; a path must end in `.toml`",
            folder.display()
        ))
        .into())
}

/// The names of the TOML files in `folder`, sorted so that `fig2` comes before `fig10`.
pub(crate) fn spec_names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}
