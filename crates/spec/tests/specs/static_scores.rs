//! Scores made before training: how a recipe names them, and what a table is called.

use crate::written::{PROFILE, RECIPE, catalog, edited, no_table, profile, recipe};
use dynaprune_spec::{Cell, ScoreSpec, StaticScores, TableId, Value};
use std::path::Path;

/// The cells of RECIPE with only this static method.
fn cells(method: &str, profile_text: &str) -> Vec<Cell> {
    let text = edited(
        RECIPE,
        "\"full\", \"random-static\", \"random-dynamic\", { name = \"ucb\", c = 0.5 }",
        method,
    );
    recipe(&text)
        .unwrap()
        .cells(&profile(profile_text).unwrap(), None, &no_table)
        .unwrap()
}

fn spec(method: &str, profile_text: &str) -> ScoreSpec {
    ScoreSpec::of(&cells(method, profile_text)[0]).unwrap()
}

const EL2N: &str = "{ name = \"static\", scorer = \"el2n\" }";

#[test]
fn the_profile_decides_what_the_recipe_leaves_open() {
    let options = |method: &str, profile: &str| spec(method, profile).scorer.options;
    let of = |epoch, runs| {
        [
            ("epoch".to_owned(), Value::Int(epoch)),
            ("measured".to_owned(), Value::Text("checkpoint".to_owned())),
            ("runs".to_owned(), Value::Int(runs)),
        ]
        .into()
    };
    assert_eq!(options(EL2N, PROFILE), of(10, 10), "a tenth of 100 epochs, ten runs");
    let own = format!("{PROFILE}\n[scoring]\nruns = 3\nepoch = 20\n");
    assert_eq!(options(EL2N, &own), of(20, 3));
    let method = "{ name = \"static\", scorer = \"el2n\", epoch = 0 }";
    assert_eq!(options(method, &own), of(0, 3));
}

#[test]
fn every_fraction_and_seed_shares_one_table() {
    let cells = cells(EL2N, PROFILE);
    assert_eq!(cells.len(), 4);
    let specs: Vec<ScoreSpec> = cells.iter().map(|cell| ScoreSpec::of(cell).unwrap()).collect();
    assert!(specs.iter().all(|spec| *spec == specs[0]));
    // What no score depends on makes no other table.
    let other = edited(
        PROFILE,
        "learning_rate = 0.1",
        "learning_rate = 0.1\nevaluate_every = 7",
    );
    let other = other.replace("seeds = 2", "seeds = 2\nsubset = { test_samples = 9 }");
    assert_eq!(spec(EL2N, &other).id(), specs[0].id());
    let other = edited(PROFILE, "learning_rate = 0.1", "learning_rate = 0.2");
    assert_ne!(spec(EL2N, &other).id(), specs[0].id());
    assert_eq!(ScoreSpec::from_json(&specs[0].to_json()).unwrap(), specs[0]);
}

#[test]
fn scoring_runs_are_full_data_runs_with_seeds_of_their_own() {
    let measurements = spec(EL2N, PROFILE).measurements();
    let seeds: Vec<u64> = measurements.iter().map(|m| m.cell.seed).collect();
    assert_eq!(seeds, (1000..1010).collect::<Vec<_>>());
    for measurement in &measurements {
        assert_eq!(
            (measurement.cell.method.name.as_str(), measurement.cell.pruned_fraction),
            ("full", 0.0)
        );
        assert!(!measurement.scorer.options.contains_key("runs"));
    }
    // More runs only add to those there are.
    let more = spec("{ name = \"static\", scorer = \"el2n\", runs = 12 }", PROFILE).measurements();
    assert_eq!(more[..10], measurements);
    // Another option measures something else in the same training run.
    let other = spec(
        "{ name = \"static\", scorer = \"el2n\", measured = \"training\" }",
        PROFILE,
    )
    .measurements();
    assert_eq!(other[0].cell, measurements[0].cell);
    assert_ne!(other[0].id(), measurements[0].id());
}

#[test]
fn a_file_of_scores_is_told_by_its_content() {
    let text = edited(
        RECIPE,
        "{ name = \"ucb\", c = 0.5 }",
        "{ name = \"static\", scores = \"a/b.parquet\" }",
    );
    let (recipe, profile) = (recipe(&text).unwrap(), profile(PROFILE).unwrap());
    let id = |path: &Path| {
        assert!(
            path.ends_with("a/b.parquet") && path != Path::new("a/b.parquet"),
            "beside the recipe: {path:?}"
        );
        Ok(TableId {
            label: "el2n@20".to_owned(),
            hash: "00ff".to_owned(),
        })
    };
    let cells = recipe.cells(&profile, None, &id).unwrap();
    let cell = cells.iter().find(|cell| cell.method.name == "static").unwrap();
    assert!(matches!(&cell.selection.static_scores, Some(StaticScores::Table(table)) if table.hash == "00ff"));
    // Its name in legends is no part of the run.
    assert!(!cell.to_json().contains("el2n@20"), "{}", cell.to_json());
    assert_eq!(Cell::from_json(&cell.to_json()).unwrap().id(), cell.id());
    assert_eq!(ScoreSpec::of(cell), None);
    let error = recipe.cells(&profile, None, &no_table).unwrap_err().to_string();
    assert!(error.starts_with("no table at ") && error.contains("^^^"), "{error}");
}

#[test]
fn an_epoch_that_is_not_reached_is_refused() {
    let found = |method: &str| {
        let text = edited(RECIPE, "{ name = \"ucb\", c = 0.5 }", method);
        let error = recipe(&text)
            .unwrap()
            .cells(&profile(PROFILE).unwrap(), None, &no_table)
            .unwrap_err();
        error.to_string().lines().next().unwrap().to_owned()
    };
    assert_eq!(
        found("{ name = \"static\", scorer = \"el2n\", epoch = 101 }"),
        "profile `trial`: option `epoch` of `el2n`: expected at most the epochs of the profile, found 101"
    );
    assert_eq!(
        found("{ name = \"static\", scorer = \"el2n\", measured = \"training\", from_epoch = 11 }"),
        "profile `trial`: option `from_epoch` of `el2n`: expected at most `epoch`, found 11"
    );
}

#[test]
fn the_same_scores_are_refused_twice_however_they_are_written() {
    let found = |methods: &str, table: &dyn Fn(&Path) -> Result<TableId, String>| {
        let text = edited(RECIPE, "{ name = \"ucb\", c = 0.5 }", methods);
        let result = recipe(&text).unwrap().cells(&profile(PROFILE).unwrap(), None, table);
        result.map_err(|error| error.to_string().lines().next().unwrap().to_owned())
    };
    let again = Err("in profile `trial` this is a method that is listed already".to_owned());
    let methods = format!("{EL2N}, {{ name = \"static\", scorer = \"el2n\", epoch = 10 }}");
    assert_eq!(found(&methods, &no_table), again);
    let methods = format!("{EL2N}, {{ name = \"static\", scorer = \"el2n\", epoch = 9 }}");
    assert_eq!(found(&methods, &no_table).unwrap().len(), 2 * (1 + 2 * 4));
    // Files of the same content, and files that legends could not tell apart.
    let methods = "{ name = \"static\", scores = \"a.parquet\" }, { name = \"static\", scores = \"b.parquet\" }";
    let id = |label: &str, hash: &str| TableId {
        label: label.to_owned(),
        hash: hash.to_owned(),
    };
    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    assert_eq!(found(methods, &|path| Ok(id(&stem(path), "00ff"))), again);
    assert_eq!(found(methods, &|path| Ok(id("el2n", &stem(path)))), again);
    assert!(found(methods, &|path| Ok(id(&stem(path), &stem(path)))).is_ok());
}

#[test]
fn a_command_line_names_scorers_too() {
    let scorer = catalog().scorer("el2n", &["runs = 2".to_owned()]).unwrap();
    assert_eq!(scorer.choice.options["runs"], Value::Int(2));
    assert_eq!(scorer.open, [("epoch".to_owned(), "epoch".to_owned())]);
    let error = catalog()
        .scorer("el2n", &["rums = 2".to_owned()])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did you mean `runs`?") && error.contains("command line:2"),
        "{error}"
    );
    assert_eq!(catalog().dataset_named("cifar10").unwrap().name, "cifar10");
    assert!(catalog().dataset_named("cifar").is_err());
}
