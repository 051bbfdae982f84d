//! `Profile::load`, and a recipe in that profile: as for `recipe`.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use dynaprune_fuzz::catalog::{CATALOG, RECIPE};
use dynaprune_fuzz::scratch;
use dynaprune_spec::{Cell, MethodScores, Profile, Recipe, ScoreSpec, TableId};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static PLACE: LazyLock<(TempDir, PathBuf, Recipe)> = LazyLock::new(|| {
    let folder = scratch();
    let path = folder.path().join("recipe.toml");
    fs::write(&path, RECIPE).expect("room for a recipe");
    let recipe = Recipe::load(&path, &CATALOG).expect("a recipe");
    let profile = folder.path().join("profile.toml");
    (folder, profile, recipe)
});

fuzz_target!(|text: &[u8]| {
    let (_, path, recipe) = &*PLACE;
    fs::write(path, text).expect("room for the input");
    let profile = match Profile::load(path, &CATALOG) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let table = TableId {
        hash: "0123".to_owned(),
        label: "table".to_owned(),
    };
    let _ = recipe.left_out(&profile).count();
    match recipe.cells(&profile, Some(1), &|_| Ok(table.clone())) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(cells) => {
            for cell in cells {
                let there = Cell::from_json(&cell.to_json()).expect("the JSON of a cell");
                assert_eq!(there.to_json(), cell.to_json());
                assert_eq!(there.id(), cell.id());
            }
        }
    }
    for method in &recipe.methods {
        let Some(MethodScores::Scorer(scorer)) = &method.scores else {
            continue;
        };
        if let Ok(spec) = profile.score_spec(&recipe.datasets[0], scorer) {
            assert_eq!(spec.measurements().len(), spec.runs() as usize);
            assert_eq!(
                ScoreSpec::from_json(&spec.to_json()).expect("the JSON of a table"),
                spec
            );
        }
    }
});
