//! Data sets.

use crate::folder::Folder;
use std::fs;

#[test]
fn list_shows_every_data_set_and_what_is_here() {
    let folder = Folder::new();
    let outcome = folder.succeed(&["data", "list", "--data-dir", "empty"]);
    assert!(outcome.stdout.starts_with("data root: empty\n"), "{}", outcome.stdout);
    for info in dynaprune_datasets::DATASETS {
        let line = outcome
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{} ", info.name)))
            .unwrap();
        let state = if info.layouts.is_empty() {
            "built in"
        } else {
            "not here"
        };
        assert!(line.contains(state), "{line}");
    }
}

#[test]
fn verify_of_an_empty_folder_finds_nothing_wrong() {
    let folder = Folder::new();
    let outcome = folder.succeed(&["data", "verify", "--data-dir", "empty"]);
    assert!(
        outcome.stdout.contains("\ndigits: right, content "),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("\ncifar10: not here\n"), "{}", outcome.stdout);
}

#[test]
fn verify_of_a_named_data_set_wants_it_there() {
    let folder = Folder::new();
    let outcome = folder.run(&["data", "verify", "cifar10", "--data-dir", "empty"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.starts_with("error: not right: cifar10\n\n"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("cargo xtask data fetch cifar10"),
        "{}",
        outcome.stderr
    );

    let outcome = folder.run(&["data", "verify", "cifar11"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("cifar100"), "{}", outcome.stderr);
}

#[test]
fn verify_finds_a_damaged_file() {
    let folder = Folder::new();
    let batches = folder.path("data/cifar-10-batches-bin");
    fs::create_dir_all(&batches).unwrap();
    fs::write(batches.join("data_batch_1.bin"), "short").unwrap();
    let outcome = folder.run(&["data", "verify"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stdout.contains("found 5 bytes, expected 30730000 bytes"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("data_batch_2.bin: missing"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn fetch_refuses_what_is_not_the_data_set() {
    let folder = Folder::new();
    folder.write("archive.tar.gz", "not an archive");
    let outcome = folder.run(&["data", "fetch", "cifar10", "--from", "archive.tar.gz"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("archive.tar.gz"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("cifar-10-binary.tar.gz"), "{}", outcome.stderr);
}

#[test]
fn fetch_of_what_is_built_in_has_nothing_to_do() {
    let outcome = Folder::new().succeed(&["data", "fetch", "digits"]);
    assert_eq!(outcome.stderr, "`digits` is built in: nothing to fetch\n");
}
