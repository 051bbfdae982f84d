//! Score tables: made, shared, compared, and refused where they do not fit.

use crate::folder::{Folder, PROFILE, RECIPE};
use dynaprune_report::{ScoreRow, ScoringRunRow};
use std::fs;
use std::path::{Path, PathBuf};

/// `full`, and two static methods that share their scoring runs, at two pruned fractions.
fn recipe() -> String {
    RECIPE.replace(
        "\"random-static\", \"ucb\"",
        "{ name = \"static\", scorer = \"el2n\", epoch = 1 }, { name = \"static\", scorer = \"forget\" }",
    )
}

/// Three scoring runs.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("experiments/static.toml", &recipe());
    folder.write(
        "experiments/profiles/tiny.toml",
        &format!("{PROFILE}\n[scoring]\nruns = 3\nepoch = 1\n"),
    );
    folder
}

const REPRODUCE: &[&str] = &["reproduce", "static", "--profile", "tiny"];

fn files(folder: &Folder, place: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path(place))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn scoring_runs_are_made_once_and_charged_to_each_run() {
    let folder = folder();
    let plan = folder.succeed(&[REPRODUCE, &["--dry-run"]].concat());
    assert!(
        plan.stdout.contains("digits scoring el2n@1, forget seed 1000"),
        "{}",
        plan.stdout
    );
    // Of 100 samples: two epochs of the run that forget shares with EL2N, one of two more; then the five runs.
    assert!(
        plan.stdout
            .contains("5 runs, 0 done, 5 to do, 3 scoring runs first: 880 samples"),
        "{}",
        plan.stdout
    );
    let first = folder.succeed(REPRODUCE);
    assert_eq!(first.stderr.lines().filter(|line| line.starts_with('[')).count(), 3 + 5);

    let tables = files(&folder, "results/tiny/scores");
    assert_eq!(tables.len(), 2);
    assert_eq!(files(&folder, "results/tiny/scores/runs").len(), 3 + 1);
    let (runs, epochs) = folder.results("results");
    for table in &tables {
        let rows = ScoreRow::read(table).unwrap();
        assert_eq!(rows.len(), 100);
        let row = &rows[0];
        assert_eq!(
            (row.dataset.as_str(), row.split.as_str(), row.model.as_str()),
            ("digits", "train", "cnn")
        );
        let label = if row.scorer == "el2n" {
            "el2n@1 runs=3"
        } else {
            "forget"
        };
        assert_eq!(
            (row.runs, row.epoch),
            if row.scorer == "el2n" { (3, 1) } else { (1, 0) }
        );
        let users: Vec<_> = runs.iter().filter(|run| run.method_label == label).collect();
        assert_eq!(users.len(), 2);
        for run in users {
            assert_eq!((run.method.as_str(), run.scoring_flops), ("static", row.scoring_flops));
            assert!(run.scoring_seconds >= row.scoring_seconds && row.scoring_seconds > 0.0);
            assert!(run.total_seconds > run.scoring_seconds);
        }
    }
    // Epochs know nothing of what was before them.
    assert!(epochs.iter().all(|epoch| epoch.scoring_seconds < 0.1));

    let contents = folder.contents("results");
    let second = folder.succeed(REPRODUCE);
    assert!(second.stderr.contains("5 runs, all done"), "{}", second.stderr);
    assert_eq!(folder.contents("results"), contents);
}

#[test]
fn an_interrupted_table_goes_on() {
    let folder = folder();
    let score = ["score", "el2n", "forget", "--dataset", "digits", "--profile", "tiny"];
    folder.succeed(&score);
    let tables = files(&folder, "results/tiny/scores");
    let before: Vec<_> = tables.iter().map(scores).collect();

    // As if it had been killed between two runs: one of them and both tables are not there.
    let run = files(&folder, "results/tiny/scores/runs").remove(0);
    fs::remove_file(&run).unwrap();
    tables.iter().for_each(|path| fs::remove_file(path).unwrap());
    let again = folder.succeed(&score);
    assert_eq!(
        again.stderr.lines().filter(|line| line.starts_with('[')).count(),
        1,
        "{}",
        again.stderr
    );
    assert_eq!(files(&folder, "results/tiny/scores"), tables);
    assert_eq!(tables.iter().map(scores).collect::<Vec<_>>(), before);

    // Nothing is left to do, even without the runs.
    fs::remove_dir_all(folder.path("results/tiny/scores/runs")).unwrap();
    let third = folder.succeed(&score);
    assert!(!third.stderr.contains("[1/"), "{}", third.stderr);
    let fresh = folder.succeed(&[&score[..], &["--fresh"]].concat());
    assert_eq!(
        fresh.stderr.lines().filter(|line| line.starts_with('[')).count(),
        3,
        "{}",
        fresh.stderr
    );
    assert_eq!(tables.iter().map(scores).collect::<Vec<_>>(), before);
}

fn scores(path: impl AsRef<Path>) -> Vec<(u32, u32)> {
    let rows = ScoreRow::read(path.as_ref()).unwrap();
    rows.iter().map(|row| (row.sample, row.score.to_bits())).collect()
}

#[test]
fn a_scoring_run_that_was_changed_is_not_used() {
    let folder = folder();
    let score = ["score", "el2n", "--dataset", "digits", "--profile", "tiny"];
    folder.succeed(&score);
    fs::remove_file(files(&folder, "results/tiny/scores").remove(0)).unwrap();
    let run = files(&folder, "results/tiny/scores/runs").remove(0);
    let mut rows = ScoringRunRow::read(&run).unwrap();
    rows.truncate(99);
    ScoringRunRow::write(&run, &rows).unwrap();
    let refused = || {
        let outcome = folder.run(&score);
        assert_eq!(outcome.code, Some(1));
        let message = "expected the 100 samples of scoring run";
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(run.to_str().unwrap()), "{}", outcome.stderr);
    };
    refused();
    // Nor is one of the same samples of other data.
    folder.succeed(&[&score[..], &["--fresh"]].concat());
    fs::remove_file(files(&folder, "results/tiny/scores").remove(0)).unwrap();
    let mut rows = ScoringRunRow::read(&run).unwrap();
    rows.iter_mut().for_each(|row| row.dataset_checksum = "00ff".to_owned());
    ScoringRunRow::write(&run, &rows).unwrap();
    refused();
}

#[test]
fn a_table_under_the_name_of_another_is_not_used() {
    let folder = folder();
    folder.succeed(REPRODUCE);
    let [el2n, forget] = &files(&folder, "results/tiny/scores")[..] else {
        panic!("two tables")
    };
    fs::copy(forget, el2n).unwrap();
    let outcome = folder.run(&[REPRODUCE, &["--seeds", "2"]].concat());
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("expected score table") && outcome.stderr.contains(el2n.to_str().unwrap()),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_is_interrupted_while_it_is_made_afresh_is_not_there() {
    let folder = folder();
    let score = ["score", "el2n", "--dataset", "digits", "--profile", "tiny"];
    folder.succeed(&score);
    // The first scoring run cannot be kept.
    let runs = folder.path("results/tiny/scores/runs");
    fs::remove_dir_all(&runs).unwrap();
    fs::write(&runs, "not a folder").unwrap();
    let outcome = folder.run(&[&score[..], &["--fresh"]].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(files(&folder, "results/tiny/scores").iter().all(|path| *path == runs));
    fs::remove_file(&runs).unwrap();
    let again = folder.succeed(&score);
    assert_eq!(again.stderr.lines().filter(|line| line.starts_with('[')).count(), 3);
}

#[test]
fn seconds_that_mean_nothing_are_not_kept() {
    let folder = folder();
    folder.succeed(&[REPRODUCE, &["--untimed"]].concat());
    let (runs, epochs) = folder.results("results");
    let seconds = |run: &dynaprune_report::RunRow| [run.scoring_seconds, run.training_seconds, run.total_seconds];
    assert!(
        runs.iter()
            .all(|run| seconds(run).iter().all(|seconds| seconds.is_nan()))
    );
    assert!(epochs.iter().all(|epoch| epoch.training_seconds.is_nan()));
    assert!(runs.iter().all(|run| run.training_flops > 0.0));
    let page = fs::read_to_string(folder.path("docs/figures/tiny/static.md")).unwrap();
    assert!(page.contains("(not timed)") && !page.contains("NaN"), "{page}");

    // Runs that are timed have no total if their scores were not.
    let timed = folder.succeed(&[REPRODUCE, &["--seeds", "2"]].concat());
    assert!(
        timed.stderr.contains("its scores were not timed here") && !timed.stderr.contains("NaN"),
        "{}",
        timed.stderr
    );
    let (runs, _) = folder.results("results");
    for run in runs.iter().filter(|run| run.seed == 1) {
        assert!(run.training_seconds > 0.0);
        assert_eq!(run.total_seconds.is_nan(), run.method == "static");
    }
    // Nor if they were timed with other threads.
    folder.succeed(&[
        "score",
        "el2n",
        "forget",
        "--dataset",
        "digits",
        "--profile",
        "tiny",
        "--fresh",
        "--threads",
        "1",
    ]);
    let outcome = folder.succeed(&[REPRODUCE, &["--seeds", "3", "--threads", "2"]].concat());
    assert!(
        outcome.stderr.contains("its scores were not timed here"),
        "{}",
        outcome.stderr
    );
    let outcome = folder.succeed(&[REPRODUCE, &["--seeds", "4", "--threads", "1"]].concat());
    assert!(
        !outcome.stderr.contains("its scores were not timed here"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_recipe_may_name_a_table_by_its_file() {
    let folder = folder();
    let made = folder.succeed(&[
        "score",
        "el2n:runs=2",
        "--dataset",
        "digits",
        "--profile",
        "tiny",
        "--quiet",
    ]);
    let table = PathBuf::from(made.stdout.trim());
    fs::create_dir(folder.path("tables")).unwrap();
    fs::rename(&table, folder.path("tables/mine.parquet")).unwrap();
    let recipe = RECIPE.replace("\"ucb\"", "{ name = \"static\", scores = \"tables/mine.parquet\" }");
    folder.write("mine.toml", &recipe);
    folder.succeed(&["reproduce", "mine.toml", "--profile", "tiny"]);
    let (runs, _) = folder.results("results");
    let by_file = runs.iter().filter(|run| run.method == "static").collect::<Vec<_>>();
    assert_eq!(by_file.len(), 2);
    assert!(
        by_file
            .iter()
            .all(|run| run.method_label == "el2n@1 runs=2 (mine)" && run.scoring_flops > 0.0)
    );

    // The same recipe with other samples, or on other data.
    folder.write(
        "experiments/profiles/less.toml",
        &PROFILE.replace("train_samples = 100", "train_samples = 90"),
    );
    let outcome = folder.run(&["reproduce", "mine.toml", "--profile", "less"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("mine.parquet") && outcome.stderr.contains("the number of samples is 100, expected 90"),
        "{}",
        outcome.stderr
    );
    folder.write("other.toml", &recipe.replace("\"digits\"", "\"synthetic\""));
    let outcome = folder.run(&["reproduce", "other.toml", "--profile", "tiny"]);
    assert!(
        outcome
            .stderr
            .contains("the data set is `digits`, expected `synthetic`"),
        "{}",
        outcome.stderr
    );
    fs::write(folder.path("tables/mine.parquet"), "no table").unwrap();
    let outcome = folder.run(&["reproduce", "mine.toml", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("mine.toml:8:") && outcome.stderr.contains("mine.parquet"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn tables_are_compared() {
    let folder = folder();
    let scorers = ["el2n", "grand", "grand:epoch=0", "random", "input-norm"];
    let made = folder.succeed(
        &[
            &["score", "--dataset", "digits", "--profile", "tiny", "-q"],
            &scorers[..],
        ]
        .concat(),
    );
    let tables: Vec<&str> = made.stdout.lines().collect();
    assert_eq!(tables.len(), 5);
    // The last one twice: the file tells them apart.
    let compare = [&["scores", "compare"], &tables[..], &tables[4..]].concat();
    folder.succeed(&compare);
    assert!(!folder.path("docs").exists(), "nothing is written unless asked for");
    let outcome = folder.succeed(&[&compare[..], &["--out", "mine/of-digits"]].concat());
    let line = |pair: &str| {
        outcome
            .stdout
            .lines()
            .find(|line| line.starts_with(pair))
            .unwrap()
            .to_owned()
    };
    let number = |line: &str, at: usize| line.split_whitespace().rev().nth(at).unwrap().parse::<f64>().unwrap();
    // Spearman, then the overlaps at three fractions.
    let same = line("input-norm - input-norm (digits-input-norm-");
    assert_eq!([3, 2, 1, 0].map(|at| number(&same, at)), [1.0; 4], "{}", outcome.stdout);
    assert!(
        number(&line("el2n@1 runs=3 - random"), 3).abs() < 0.4,
        "{}",
        outcome.stdout
    );
    assert!(
        number(&line("grand@1 runs=3 - random"), 2) > 0.5,
        "30 of 100 removed: {}",
        outcome.stdout
    );
    let page = fs::read_to_string(folder.path("mine/of-digits.md")).unwrap();
    assert!(
        page.contains("grand@0")
            && page.contains("cargo xtask scores compare")
            && page.contains("--out mine/of-digits"),
        "{page}"
    );
    assert!(folder.path("mine/of-digits.png").is_file());
    assert!(!page.contains("data_diet"), "published numbers are of CIFAR-10");

    folder.write(
        "experiments/profiles/less.toml",
        &PROFILE.replace("train_samples = 100", "train_samples = 90"),
    );
    let other = folder.succeed(&["score", "input-norm", "--dataset", "digits", "--profile", "less", "-q"]);
    let outcome = folder.run(&["scores", "compare", tables[0], other.stdout.trim()]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("the number of samples is 90, expected 100") && outcome.stderr.contains("hint: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_gallery_says_how_far_scores_agree() {
    let folder = folder();
    let score = |scorers: &[&str], profile: &str| {
        let made = folder.succeed(&[&["score", "--dataset", "digits", "--profile", profile, "-q"], scorers].concat());
        made.stdout.lines().map(PathBuf::from).collect::<Vec<_>>()
    };
    let check = || folder.run(&["report", "--profile", "tiny", "--check"]);
    score(&["input-norm"], "tiny");
    folder.succeed(&["report", "--profile", "tiny"]);
    assert!(
        !folder.path("docs/figures/tiny/scores-digits.md").exists(),
        "one score agrees with none"
    );

    score(&["grand:epoch=0", "grand"], "tiny");
    let outcome = check();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("tiny/scores-digits.csv"), "{}", outcome.stderr);
    folder.succeed(&["report", "--profile", "tiny"]);
    let page = fs::read_to_string(folder.path("docs/figures/tiny/scores-digits.md")).unwrap();
    assert!(
        page.contains("\n| grand@1 runs=3 | grand@0 runs=3 |") && page.contains("\n| grand@0 runs=3 | input-norm |"),
        "{page}"
    );
    let gallery = fs::read_to_string(folder.path("docs/figures/tiny/README.md")).unwrap();
    assert!(gallery.contains("(scores-digits.png)](scores-digits.md)"), "{gallery}");
    assert_eq!(check().code, Some(0));

    // What does not belong there, or cannot be read, is named and changes nothing.
    folder.write(
        "experiments/profiles/less.toml",
        &PROFILE.replace("train_samples = 100", "train_samples = 90"),
    );
    let other = &score(&["random"], "less")[0];
    fs::copy(other, folder.path("results/tiny/scores/other.parquet")).unwrap();
    folder.write("results/tiny/scores/torn.parquet", "PAR1");
    let outcome = check();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for part in [
        "the number of samples is 90, expected 100",
        "torn.parquet",
        "left out of the comparison",
    ] {
        assert!(outcome.stderr.contains(part), "{part} is not in\n{}", outcome.stderr);
    }

    // Another score, and the page is behind.
    score(&["random"], "tiny");
    assert_eq!(check().code, Some(1));
}

#[test]
fn the_difficulty_of_synthetic_samples_is_told() {
    let folder = folder();
    folder.write(
        "experiments/profiles/tiny.toml",
        &PROFILE.replace("subset = { train_samples = 100, test_samples = 50 }\n", ""),
    );
    let outcome = folder.succeed(&["score", "random", "--dataset", "synthetic", "--profile", "tiny"]);
    assert!(
        outcome
            .stderr
            .contains("ranked high (AUC; 0.5 is chance): mislabelled 0.48"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn requests_for_scores_are_checked() {
    let folder = folder();
    let message = |arguments: &[&str]| {
        let outcome = folder.run(&[&["score"], arguments, &["--profile", "tiny"]].concat());
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        outcome.stderr
    };
    assert!(message(&["el3n", "--dataset", "digits"]).contains("did you mean `el2n`?"));
    assert!(
        message(&["el2n:epoch=3", "--dataset", "digits"])
            .contains("expected at most the epochs of the profile, found 3")
    );
    assert!(
        message(&["el2n:epoch", "--dataset", "digits"])
            .contains("expected `option=value` after the colon, found `epoch`")
    );
    assert!(message(&["forget:never_learned=never", "--dataset", "digits"]).contains("`presentations`"));
    assert!(message(&["el2n"]).contains("profile `tiny` is for any data set: name one"));
    assert!(message(&["el2n", "--dataset", "digit"]).contains("did you mean `digits`?"));
}
