//! Requests that cannot be served, and the choice of a profile.

use std::fs;

use crate::folder::{Folder, PROFILE, RECIPE};

#[test]
fn a_bad_recipe_is_shown_in_its_place() {
    let folder = Folder::new();
    folder.write("mine.toml", &RECIPE.replace("\"ucb\"", "\"ubc\""));
    let outcome = folder.run(&["reproduce", "mine.toml", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("mine.toml:8:37"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("^^^^^"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("random-dynamic"),
        "allowed values: {}",
        outcome.stderr
    );
}

#[test]
fn a_bad_profile_is_shown_in_its_place() {
    let folder = Folder::new();
    folder.write(
        "experiments/profiles/tiny.toml",
        &PROFILE.replace("epochs = 2", "epochs = \"two\""),
    );
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("tiny.toml:8:10"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("^^^^^"), "{}", outcome.stderr);
}

#[test]
fn a_recipe_may_be_a_path() {
    let folder = Folder::new();
    folder.write("mine.toml", RECIPE);
    folder.succeed(&["reproduce", "mine.toml", "--profile", "tiny"]);
    assert!(folder.path("docs/figures/tiny/mine.png").is_file());
    let missing = folder.run(&["reproduce", "yours.toml", "--profile", "tiny"]);
    assert_eq!(
        (missing.code, missing.stderr.as_str()),
        (Some(2), "error: no such file: `yours.toml`\n")
    );
}

#[test]
fn a_recipe_runs_in_the_profile_it_is_made_for() {
    let folder = Folder::new();
    // Nor need it bear on a claim of the paper.
    let recipe = RECIPE.replace("claims = [\"A3\"]\n", "");
    folder.write("experiments/own.toml", &format!("profile = \"tiny\"\n{recipe}"));
    let outcome = folder.succeed(&["reproduce", "own"]);
    assert!(
        outcome.stderr.contains("the recipe is made for it"),
        "{}",
        outcome.stderr
    );
    assert!(folder.path("docs/figures/tiny/own.png").is_file());
    // Another that is asked for comes first.
    folder.write("experiments/profiles/other.toml", PROFILE);
    folder.succeed(&["reproduce", "own", "--profile", "other"]);
    assert!(folder.path("docs/figures/other/own.png").is_file());
    folder.write("experiments/own.toml", &format!("profile = \"huge\"\n{RECIPE}"));
    let outcome = folder.run(&["reproduce", "own"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.starts_with("error: unknown profile `huge`"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn unknown_names_list_the_known_ones() {
    let folder = Folder::new();
    folder.write("experiments/fig10.toml", "");
    folder.write("experiments/fig2.toml", "");
    let outcome = folder.run(&["reproduce", "fig99"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.starts_with("error: unknown recipe `fig99`\n\nhint: "),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("`fig2`, `tiny`, `fig10`"), "{}", outcome.stderr);
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "huge"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .starts_with("error: unknown profile `huge`\n\nhint: there are `tiny` in"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_workspace_is_found_from_a_folder_inside() {
    let folder = Folder::new();
    let outcome = folder.run_in(
        "experiments/profiles",
        &["reproduce", "tiny", "--profile", "tiny", "--dry-run"],
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// Such a run rounds otherwise than one that uses all that the processor has.
#[test]
#[cfg(target_arch = "x86_64")]
fn fewer_vector_instructions_are_said_in_the_results() {
    let folder = Folder::new();
    let outcome = folder.run_with("DYNAPRUNE_SIMD", "AVX2", &["status"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let expected = "error: `DYNAPRUNE_SIMD` is `AVX2`: expected `portable`, `avx2` or `avx512`\n";
    assert_eq!(outcome.stderr, expected);
    let arguments = ["reproduce", "tiny", "--profile", "tiny", "--seeds", "1"];
    let outcome = folder.run_with("DYNAPRUNE_SIMD", "portable", &arguments);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let (runs, _) = folder.results("results");
    assert!(
        runs.iter().all(|run| run.device.ends_with(", Portable only")),
        "{}",
        runs[0].device
    );
}

#[test]
fn cuda_is_never_replaced_silently() {
    let folder = Folder::new();
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny", "--device", "cuda"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.starts_with("error: `--device cuda` is not possible: "),
        "{}",
        outcome.stderr
    );

    folder.write(
        "experiments/profiles/big.toml",
        &format!("needs_cuda = true\n{PROFILE}"),
    );
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "big"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("`big` needs CUDA"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("\n\nhint: `--device cpu`"),
        "{}",
        outcome.stderr
    );
    folder.succeed(&["reproduce", "tiny", "--profile", "big", "--device", "cpu", "--dry-run"]);
    // What needs no GPU is done without one: planning, and drawing what there is.
    let outcome = folder.succeed(&["reproduce", "tiny", "--profile", "big", "--dry-run"]);
    assert!(outcome.stdout.contains("GPU"), "{}", outcome.stdout);
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "big", "--no-runs"]);
    assert!(outcome.stderr.contains("none of its"), "{}", outcome.stderr);
}

#[test]
fn without_a_profile_the_largest_possible_is_taken() {
    let folder = Folder::new();
    folder.write("experiments/cifar.toml", &RECIPE.replace("digits", "cifar10"));
    folder.write(
        "experiments/profiles/paper.toml",
        &format!("needs_cuda = true\n{PROFILE}"),
    );
    folder.write("experiments/profiles/laptop.toml", PROFILE);
    folder.write(
        "experiments/profiles/smoke.toml",
        &format!("dataset = \"digits\"\n{PROFILE}"),
    );

    let outcome = folder.succeed(&["reproduce", "cifar", "--dry-run"]);
    assert!(outcome.stderr.contains("profile smoke: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`paper` needs CUDA"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("`laptop` needs `cifar10`, which is not in"),
        "{}",
        outcome.stderr
    );

    let outcome = folder.succeed(&["reproduce", "tiny", "--dry-run"]);
    assert!(outcome.stderr.contains("profile laptop: "), "{}", outcome.stderr);

    // A profile with a data set of its own says what it stands for.
    folder.succeed(&["reproduce", "cifar"]);
    let page = fs::read_to_string(folder.path("docs/figures/smoke/cifar.md")).unwrap();
    assert!(
        page.contains("The profile smoke has digits in the place of cifar10."),
        "{page}"
    );
}

#[test]
fn a_missing_data_set_says_how_to_get_it() {
    let folder = Folder::new();
    folder.write("experiments/cifar.toml", &RECIPE.replace("digits", "cifar10"));
    let outcome = folder.run(&["reproduce", "cifar", "--profile", "tiny", "--data-dir", "elsewhere"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("cargo xtask data fetch cifar10"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("elsewhere"), "{}", outcome.stderr);
}

#[test]
fn a_run_on_no_samples_is_refused() {
    let folder = Folder::new();
    let synthetic = "{ name = \"synthetic\", train_images = 2, test_images = 2 }";
    folder.write("experiments/few.toml", &RECIPE.replace("\"digits\"", synthetic));
    let profile: Vec<&str> = PROFILE.lines().filter(|line| !line.starts_with("subset")).collect();
    folder.write(
        "experiments/profiles/tiny.toml",
        &profile
            .join("\n")
            .replace("epochs = 2", "epochs = 2\nbudget = \"steps\""),
    );
    let outcome = folder.run(&["reproduce", "few", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome
            .stderr
            .ends_with("error: synthetic random-static s=0.8 seed 0: none of 2 samples is kept\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_command_line_is_checked() {
    let folder = Folder::new();
    for wrong in [
        &["reproduce"][..],
        &["reproduce", "tiny", "--seeds", "0"],
        &["reproduce", "tiny", "--threads", "0"],
    ] {
        assert_eq!(folder.run(wrong).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn results_that_cannot_be_written_stop_it_before_any_run() {
    let folder = Folder::new();
    folder.write("results", "not a folder");
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("results"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("test "), "a run was made: {}", outcome.stderr);
}

#[test]
fn threads_are_chosen_before_a_data_set_is_generated() {
    let folder = Folder::new();
    folder.write("mine.toml", &RECIPE.replace("digits", "synthetic"));
    folder.succeed(&[
        "reproduce",
        "mine.toml",
        "--profile",
        "tiny",
        "--threads",
        "2",
        "--dry-run",
    ]);
}

/// What a profile makes of a recipe otherwise than it says is said before runs are made.
#[test]
fn what_a_profile_changes_is_told() {
    let folder = Folder::new();
    let profile = format!("dataset = \"digits\"\npruned_fractions = [0.8]\n{PROFILE}");
    folder.write("experiments/profiles/other.toml", &profile);
    let methods = "methods = [\"full\", \"random-static\", { name = \"ucb\", selection_period = [1, 7] }]";
    let recipe = RECIPE.replace("methods = [\"full\", \"random-static\", \"ucb\"]", methods);
    folder.write("mine.toml", &recipe.replace("\"digits\"", "\"cifar10\""));
    let outcome = folder.succeed(&["reproduce", "mine.toml", "--profile", "other", "--dry-run"]);
    let notes: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("note: "))
        .collect();
    let expected = [
        "note: The profile other has digits in the place of cifar10.",
        "note: Left out, because the profile other runs the pruned fractions 0.8 only: s=0.5.",
        "note: Left out, because a run has 2 epochs only: ucb selection_period=7.",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn no_more_threads_than_machines_have() {
    let folder = Folder::new();
    let outcome = folder.run(&[
        "reproduce",
        "tiny",
        "--profile",
        "tiny",
        "--dry-run",
        "--threads",
        "100000",
    ]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("100000 is not in 1..=1024"),
        "{}",
        outcome.stderr
    );
}
