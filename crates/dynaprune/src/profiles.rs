//! Which profile to run a recipe in.

use crate::failure::BadInput;
use crate::library::Library;
use crate::machine::{self, Device};
use crate::workspace::{Workspace, spec_file, spec_names};
use anyhow::Result;
use dynaprune_spec::{Catalog, Precision, Profile, Recipe};

/// The profiles at which every recipe can be made, from the largest to the smallest.
pub(crate) const LADDER: &[&str] = &["paper", "fast", "laptop", "smoke"];

/// A profile, and why it was taken if nobody asked for it.
pub(crate) struct Chosen {
    pub(crate) profile: Profile,
    pub(crate) because: Option<String>,
}

/// The profile that was asked for, if this machine can serve it. `device` is what runs are to be made on; any profile will do
/// where none are made.
pub(crate) fn asked(name: &str, workspace: &Workspace, catalog: &Catalog, device: Option<Device>) -> Result<Chosen> {
    let profile = Profile::load(&spec_file("profile", name, &workspace.profiles())?, catalog)?;
    match device.and_then(|device| lacks_device(&profile, device)) {
        // A CPU by name is an answer to the question, however long it takes.
        Some(reason) if device != Some(Device::Cpu) => {
            let hint = match profile.training.precision {
                Precision::F32 => "`--device cpu` runs it on the CPU all the same, which may take very long",
                _ => "a copy of the profile with `precision = \"f32\"` runs on a CPU, which may take very long",
            };
            Err(BadInput::new(reason).hint(hint).into())
        }
        _ => Ok(Chosen { profile, because: None }),
    }
}

/// The profile that a recipe is made for, as [`asked`].
pub(crate) fn own(name: &str, workspace: &Workspace, catalog: &Catalog, device: Option<Device>) -> Result<Chosen> {
    let chosen = asked(name, workspace, catalog, device)?;
    Ok(Chosen {
        because: Some("the recipe is made for it".to_owned()),
        ..chosen
    })
}

/// The largest profile that this machine can serve.
pub(crate) fn largest(
    recipe: &Recipe,
    workspace: &Workspace,
    catalog: &Catalog,
    device: Device,
    library: &Library,
) -> Result<Chosen> {
    let there = spec_names(&workspace.profiles());
    let mut reasons = Vec::new();
    for name in LADDER.iter().filter(|name| there.iter().any(|there| there == *name)) {
        let profile = Profile::load(&workspace.profiles().join(format!("{name}.toml")), catalog)?;
        match lacks_device(&profile, device).or(lacks_data(&profile, recipe, library)?) {
            Some(reason) => reasons.push(reason),
            None => {
                let because = match reasons.as_slice() {
                    [] => "the largest there is".to_owned(),
                    reasons => format!("the largest that this machine can serve: {}", reasons.join("; ")),
                };
                return Ok(Chosen {
                    profile,
                    because: Some(because),
                });
            }
        }
    }
    let message = match reasons.as_slice() {
        [] => format!(
            "no profile to choose from: none of {} is in {}",
            LADDER.join(", "),
            workspace.profiles().display()
        ),
        reasons => format!("this machine can serve no profile: {}", reasons.join("; ")),
    };
    Err(BadInput::new(message).hint("name one with `--profile`").into())
}

fn lacks_device(profile: &Profile, device: Device) -> Option<String> {
    let reason = match device {
        Device::Cpu => "a CPU was asked for".to_owned(),
        Device::Auto | Device::Cuda => machine::without_cuda()?,
    };
    profile
        .needs_cuda
        .then(|| format!("`{}` needs CUDA, and {reason}", profile.name))
}

fn lacks_data(profile: &Profile, recipe: &Recipe, library: &Library) -> Result<Option<String>> {
    let datasets = profile
        .dataset
        .as_ref()
        .map_or(recipe.datasets.as_slice(), std::slice::from_ref);
    for dataset in datasets {
        if !library.has(&dataset.name)? {
            let (profile, dataset, root) = (&profile.name, &dataset.name, library.root().display());
            return Ok(Some(format!("`{profile}` needs `{dataset}`, which is not in {root}")));
        }
    }
    Ok(None)
}
