//! The gallery: written from the results there are, and checked against them.

use crate::folder::{Folder, RECIPE};
use std::fs;

const README: &str =
    "# Mine\n\n<!-- results: begin (written by `cargo xtask report`) -->\nold\n<!-- results: end -->\n\nEnd.\n";

#[test]
fn pages_are_written_and_found_stale() {
    let folder = Folder::new();
    folder.write("README.md", README);
    // A recipe none of whose runs there is.
    folder.write(
        "experiments/other.toml",
        &RECIPE.replace("\"full\", \"random-static\", \"ucb\"", "\"epsilon-greedy\""),
    );
    let outcome = folder.run(&["report"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("no profile has results"), "{}", outcome.stderr);

    folder.reproduce(&[]);
    let outcome = folder.run(&["report", "--check"]);
    assert_eq!(outcome.code, Some(1));
    for file in ["docs/index.md", "docs/figures/tiny/README.md", "README.md"] {
        assert!(outcome.stderr.contains(file), "{file} is not in\n{}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("tiny.md"), "{}", outcome.stderr);

    folder.succeed(&["report"]);
    let gallery = fs::read_to_string(folder.path("docs/figures/tiny/README.md")).unwrap();
    assert!(gallery.contains("(tiny.png)"), "{gallery}");
    assert!(
        gallery.contains("cargo xtask reproduce tiny --profile tiny"),
        "{gallery}"
    );
    assert!(
        gallery.contains("- other: ") && gallery.contains("(no run has a result)"),
        "{gallery}"
    );
    let index = fs::read_to_string(folder.path("docs/index.md")).unwrap();
    assert!(
        index.contains("| tiny | Test accuracy against pruned fraction | A3 | [digits](figures/tiny/tiny.md) |"),
        "{index}"
    );
    let readme = fs::read_to_string(folder.path("README.md")).unwrap();
    assert!(
        readme.starts_with("# Mine\n") && readme.ends_with("\n\nEnd.\n"),
        "{readme}"
    );
    assert!(
        readme.contains("docs/figures/tiny/tiny.png") && !readme.contains("old"),
        "{readme}"
    );
    folder.succeed(&["report", "--check"]);

    // A recipe that the profile cannot serve keeps none of the others from its page.
    folder.write(
        "experiments/never.toml",
        &RECIPE.replace("\"ucb\"]", "{ name = \"static\", scorer = \"el2n\", epoch = 9 }]"),
    );
    folder.succeed(&["report"]);
    let gallery = fs::read_to_string(folder.path("docs/figures/tiny/README.md")).unwrap();
    assert!(
        gallery.contains("(tiny.png)") && gallery.contains("- never: "),
        "{gallery}"
    );

    // A result more, and one page knows of it.
    folder.reproduce(&["--seeds", "2", "--docs", "elsewhere"]);
    folder.succeed(&["report", "--check"]);
    let text = fs::read_to_string(folder.path("experiments/profiles/tiny.toml")).unwrap();
    folder.write(
        "experiments/profiles/tiny.toml",
        &text.replace("seeds = 1", "seeds = 2"),
    );
    let outcome = folder.run(&["report", "--check"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("figures/tiny/tiny.md"), "{}", outcome.stderr);
    folder.succeed(&["report"]);
    folder.succeed(&["report", "--check"]);
}

#[test]
fn all_recipes_share_their_runs() {
    let folder = Folder::new();
    let counting = RECIPE.replace(
        "\"random-static\", \"ucb\"",
        "{ name = \"static\", counts_of = \"ucb\" }",
    );
    folder.write("experiments/counting.toml", &counting);
    let outcome = folder.succeed(&["reproduce", "all", "--profile", "tiny"]);
    assert!(outcome.stderr.contains("5 runs, 0 done, 5 to do"), "{}", outcome.stderr);
    // `full` and the counted runs are there: two runs of `ucb` are planned because they are counted.
    assert!(outcome.stderr.contains("5 runs, 3 done, 2 to do"), "{}", outcome.stderr);
    let (runs, _) = folder.results("results");
    assert_eq!(runs.len(), 7);
    let of = |label: &str| runs.iter().filter(|run| run.method_label == label).collect::<Vec<_>>();
    for (ucb, counting) in of("ucb").into_iter().zip(of("counts of ucb")) {
        assert_eq!(counting.scoring_flops, ucb.scoring_flops + ucb.training_flops);
        assert_eq!(counting.pruned_fraction, ucb.pruned_fraction);
    }
    assert_eq!(of("counts of ucb").len(), 2);

    folder.write("experiments/broken.toml", &RECIPE.replace("digits", "cifar10"));
    let outcome = folder.run(&["reproduce", "all", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("1 of 3 recipes failed: broken"),
        "{}",
        outcome.stderr
    );
    let outcome = folder.run(&["reproduce", "all", "--profile", "tiny", "--fresh"]);
    assert_eq!(outcome.code, Some(2));
}

/// The README and the pages of a workspace are about its own results.
#[test]
fn other_results_are_reported_elsewhere() {
    let folder = Folder::new();
    folder.write("README.md", README);
    folder.succeed(&[
        "reproduce",
        "tiny",
        "--profile",
        "tiny",
        "--results",
        "mine",
        "--docs",
        "mine/docs",
    ]);
    let before = folder.contents("");
    let outcome = folder.run(&["report", "--results", "mine"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("hint: name a folder"), "{}", outcome.stderr);
    assert_eq!(
        folder.run(&["report", "--results", "mine", "--profile", "tiny"]).code,
        Some(2)
    );
    assert_eq!(folder.contents(""), before);
    folder.succeed(&["report", "--results", "mine", "--docs", "mine/docs"]);
    assert!(folder.path("mine/docs/index.md").exists());
    assert_eq!(fs::read_to_string(folder.path("README.md")).unwrap(), README);
}
