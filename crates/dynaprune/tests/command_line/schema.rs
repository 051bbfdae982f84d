//! The JSON Schemas know what the reader of specs knows: its complaints are the other source.

use crate::folder::{Folder, PROFILE, RECIPE};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

type Names = BTreeSet<String>;

fn schemas(folder: &Folder) -> (Value, Value) {
    folder.succeed(&["schema"]);
    let read = |name: &str| serde_json::from_str(&fs::read_to_string(folder.path(name)).unwrap()).unwrap();
    (
        read("experiments/recipe.schema.json"),
        read("experiments/profiles/profile.schema.json"),
    )
}

/// The keys that a schema of a table allows.
fn keys(table: &Value) -> Names {
    assert_eq!(table["additionalProperties"], false, "{table}");
    table["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The words of an enumeration.
fn words(schema: &Value) -> Names {
    let words = schema["enum"].as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The table among the alternatives where `key` is `word`.
fn table<'a>(alternatives: &'a Value, key: &str, word: &str) -> &'a Value {
    let mut tables = alternatives["anyOf"].as_array().unwrap().iter();
    let found = tables.find(|table| table["properties"][key]["const"] == word);
    found.unwrap_or_else(|| panic!("no table for {key} = {word}"))
}

/// What the program says it expects instead of what it found.
fn expected(folder: &Folder, recipe: &str, profile: &str) -> Names {
    folder.write("experiments/tiny.toml", recipe);
    folder.write("experiments/profiles/tiny.toml", profile);
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny", "--dry-run"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let (_, names) = outcome
        .stderr
        .split_once("expected one of: ")
        .unwrap_or_else(|| panic!("{}", outcome.stderr));
    let names = names.lines().next().unwrap();
    let names = names.split(", found").next().unwrap().split(", ");
    names.map(|name| name.trim_matches('`').to_owned()).collect()
}

fn edited(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

#[test]
fn a_profile_has_the_keys_that_are_read() {
    let folder = Folder::new();
    let (_, schema) = schemas(&folder);
    let top = &schema["properties"];
    let wrong = |from: &str, to: &str| expected(&folder, RECIPE, &edited(PROFILE, from, to));
    assert_eq!(wrong("seeds = 1", "seeds = 1\nnonsense = 1"), keys(&schema));
    for (table, from, to) in [
        ("training", "epochs = 2", "epochs = 2\nnonsense = 1"),
        (
            "selection",
            "selection_period = 1",
            "selection_period = 1\nnonsense = 1",
        ),
        ("subset", "test_samples = 50", "nonsense = 1"),
        ("scoring", "[selection]", "[scoring]\nnonsense = 1\n[selection]"),
    ] {
        assert_eq!(wrong(from, to), keys(&top[table]), "{table}");
    }
    let schedules = &top["training"]["properties"]["schedule"];
    for (kind, needs) in [
        ("constant", ""),
        ("step", "milestones = [1], factor = 0.1, "),
        ("cosine", ""),
        ("one-cycle", ""),
    ] {
        let read = wrong(
            "kind = \"constant\"",
            &format!("kind = \"{kind}\", {needs}nonsense = 1"),
        );
        assert_eq!(read, keys(table(schedules, "kind", kind)), "{kind}");
    }
    for key in ["budget", "precision"] {
        let read = wrong("epochs = 2", &format!("epochs = 2\n{key} = \"nonsense\""));
        assert_eq!(read, words(&top["training"]["properties"][key]), "{key}");
    }
    for key in ["score", "score_source", "first_round"] {
        let read = wrong(
            "selection_period = 1",
            &format!("selection_period = 1\n{key} = \"nonsense\""),
        );
        assert_eq!(read, words(&top["selection"]["properties"][key]), "{key}");
    }
    let models = &top["model"];
    assert_eq!(wrong("\"cnn\"", "\"nonsense\""), words(&models["anyOf"][0]));
    assert_eq!(wrong("width = 2", "nonsense = 2"), keys(table(models, "name", "cnn")));
}

#[test]
fn a_recipe_has_the_names_and_keys_that_are_read() {
    let folder = Folder::new();
    let (schema, _) = schemas(&folder);
    let top = &schema["properties"];
    let wrong = |from: &str, to: &str| expected(&folder, &edited(RECIPE, from, to), PROFILE);
    assert_eq!(wrong("claims =", "nonsense = 1\nclaims ="), keys(&schema));
    assert_eq!(wrong("accuracy-vs-fraction", "nonsense"), words(&top["figure"]));

    let datasets = &top["datasets"]["items"];
    let names = words(&datasets["anyOf"][0]);
    assert_eq!(wrong("\"digits\"", "\"nonsense\""), names);
    for name in &names {
        let read = wrong("\"digits\"", &format!("{{ name = \"{name}\", nonsense = 1 }}"));
        assert_eq!(read, keys(table(datasets, "name", name)), "{name}");
    }

    let methods = &top["methods"]["items"];
    let mut names = words(&methods["anyOf"][0]);
    for name in &names {
        // It selects in rounds only then.
        let more = if name == "random-dynamic" {
            "redraw = \"period\", "
        } else {
            ""
        };
        let read = wrong("\"full\"", &format!("{{ name = \"{name}\", {more}nonsense = 1 }}"));
        assert_eq!(read, keys(table(methods, "name", name)), "{name}");
    }
    // It needs scores, and so a table.
    names.insert("static".to_owned());
    assert_eq!(wrong("\"ucb\"", "\"nonsense\""), names);
    let mut scorers = wrong("\"ucb\"", "{ name = \"static\", scorer = \"nonsense\" }");
    assert!(scorers.len() > 3);
    for scorer in std::mem::take(&mut scorers) {
        let mut read = wrong(
            "\"ucb\"",
            &format!("{{ name = \"static\", scorer = \"{scorer}\", nonsense = 1 }}"),
        );
        // They are other ways to name scores.
        assert!(read.remove("scores") && read.remove("counts_of"));
        assert_eq!(read, keys(table(methods, "scorer", &scorer)), "{scorer}");
    }
}

#[test]
fn a_stale_schema_is_told() {
    let folder = Folder::new();
    let check = || folder.run(&["schema", "--check"]);
    assert_eq!(check().code, Some(1), "there are none");
    schemas(&folder);
    assert_eq!(check().code, Some(0));
    let before = folder.contents("experiments");
    folder.write("experiments/recipe.schema.json", "{}\n");
    let outcome = check();
    assert_eq!(outcome.code, Some(1));
    let text = &outcome.stderr;
    assert!(
        text.contains("recipe.schema.json")
            && !text.contains("profile.schema.json")
            && text.contains("cargo xtask schema"),
        "{text}"
    );
    folder.succeed(&["schema"]);
    assert_eq!(folder.contents("experiments"), before);
}

#[test]
fn the_schemas_of_this_repository_are_written_and_named_by_its_specs() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outcome = Folder::new().run_in(env!("CARGO_MANIFEST_DIR"), &["schema", "--check"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for (folder, schema) in [
        ("../../experiments", "recipe.schema.json"),
        ("../../experiments/profiles", "profile.schema.json"),
    ] {
        let entries = fs::read_dir(here.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with(&format!("#:schema ./{schema}\n")),
                "{}",
                path.display()
            );
        }
    }
}
