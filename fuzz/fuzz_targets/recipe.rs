//! `Recipe::load` and `Recipe::cells`: what is read makes runs that are told apart by their ids, whose JSON is read as the
//! same run; what is not has an error that shows a place.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use dynaprune_fuzz::catalog::{CATALOG, PROFILE};
use dynaprune_fuzz::scratch;
use dynaprune_spec::{Cell, Profile, Recipe, TableId};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// More runs than this are not looked at.
const MOST: usize = 1000;

static PLACE: LazyLock<(TempDir, PathBuf, Profile)> = LazyLock::new(|| {
    let folder = scratch();
    let path = folder.path().join("profile.toml");
    fs::write(&path, PROFILE).expect("room for a profile");
    let profile = Profile::load(&path, &CATALOG).expect("a profile");
    let recipe = folder.path().join("recipe.toml");
    (folder, recipe, profile)
});

fuzz_target!(|text: &[u8]| {
    let (_, path, profile) = &*PLACE;
    fs::write(path, text).expect("room for the input");
    let recipe = match Recipe::load(path, &CATALOG) {
        Ok(recipe) => recipe,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(recipe.name, "recipe");
    if recipe.methods.len() * recipe.datasets.len() * recipe.pruned_fractions.len() > MOST {
        return;
    }
    let table = |path: &std::path::Path| match path.ends_with("table.parquet") {
        true => Ok(TableId {
            hash: "0123".to_owned(),
            label: "table".to_owned(),
        }),
        false => Err("no such table".to_owned()),
    };
    match recipe.cells(profile, Some(1), &table) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(cells) => {
            let mut ids = BTreeSet::new();
            for cell in cells {
                assert!((0.0..1.0).contains(&cell.pruned_fraction));
                assert!((1..=1000).contains(&cell.kept(1000)));
                let _ = (
                    cell.label(),
                    cell.fixed_steps(1000),
                    dynaprune_spec::ScoreSpec::of(&cell),
                );
                assert!(ids.insert(cell.id()), "two runs of the id {}", cell.id());
                // A table's label is no part of its JSON.
                let there = Cell::from_json(&cell.to_json()).expect("the JSON of a cell");
                assert_eq!(there.to_json(), cell.to_json());
            }
        }
    }
});
