//! Recipes that are begun as a copy of another.

use crate::folder::{Folder, RECIPE};
use std::fs;

#[test]
fn a_copy_runs_and_keeps_its_comments() {
    let folder = Folder::new();
    folder.write("experiments/tiny.toml", &format!("# Why this one.{RECIPE}"));
    let outcome = folder.succeed(&["new", "my-figure", "--from", "tiny"]);
    assert!(
        outcome
            .stderr
            .contains("cargo xtask reproduce my-figure --profile smoke"),
        "{}",
        outcome.stderr
    );
    let text = fs::read_to_string(folder.path("experiments/my-figure.toml")).unwrap();
    let recipe = RECIPE.replace("title = \"", "title = \"TO EDIT: ");
    assert_eq!(text, format!("#:schema ./recipe.schema.json\n# Why this one.{recipe}"));
    folder.succeed(&["reproduce", "my-figure", "--profile", "tiny"]);
    let page = fs::read_to_string(folder.path("docs/figures/tiny/my-figure.md")).unwrap();
    assert!(page.contains("TO EDIT"), "{page}");
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new();
    let before = folder.contents("experiments");
    let outcome = folder.run(&["new", "tiny", "--from", "tiny"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("tiny.toml` is there already"),
        "{}",
        outcome.stderr
    );
    assert_eq!(folder.contents("experiments"), before);
}

#[test]
fn bad_names_are_refused() {
    let folder = Folder::new();
    let before = folder.contents("");
    for name in ["", "My-figure", "a b", "../a", "a.toml", "1st", "all"] {
        let outcome = folder.run(&["new", name, "--from", "tiny"]);
        assert_eq!(outcome.code, Some(2), "{name}");
        assert!(
            outcome.stderr.starts_with(&format!("error: `{name}` ")),
            "{}",
            outcome.stderr
        );
    }
    assert_eq!(folder.contents(""), before);
}

#[test]
fn a_source_must_be_there_and_right() {
    let folder = Folder::new();
    let outcome = folder.run(&["new", "mine", "--from", "fig99"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .starts_with("error: unknown recipe `fig99`\n\nhint: there are `tiny` in"),
        "{}",
        outcome.stderr
    );
    folder.write("broken.toml", &RECIPE.replace("\"ucb\"", "\"ubc\""));
    let outcome = folder.run(&["new", "mine", "--from", "broken.toml"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("broken.toml:8:37"), "{}", outcome.stderr);
    assert!(!folder.path("experiments/mine.toml").exists());
}
