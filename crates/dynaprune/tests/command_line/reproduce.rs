//! Recipes that are run.

use crate::folder::{Folder, RUNS};
use dynaprune_report::{EpochRow, Results, RunRow, RunRows};

#[test]
fn makes_results_and_a_figure_and_only_once() {
    let folder = Folder::new();
    let first = folder.reproduce(&[]);
    let finished = first.stderr.lines().filter(|line| line.starts_with('[')).count();
    assert_eq!(finished, RUNS, "{}", first.stderr);

    let (runs, epochs) = folder.results("results");
    assert_eq!(runs.len(), RUNS);
    assert_eq!(epochs.len(), 2 * RUNS);
    for run in &runs {
        assert_eq!(run.train_samples, 100);
        assert_eq!(run.kept_samples, ((1.0 - run.pruned_fraction) * 100.0).round() as u64);
        assert_eq!(run.samples_seen, 2 * run.kept_samples);
        assert!(!run.diverged && run.test_accuracy_last > 0.0, "{run:?}");
        let cell = dynaprune_spec::Cell::from_json(&run.spec).unwrap();
        assert_eq!(cell.id().as_str(), run.run_id);
        assert!(humantime::parse_rfc3339(&run.started_at).is_ok(), "{}", run.started_at);
    }
    let png = std::fs::read(folder.path("docs/figures/tiny/tiny.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n"));
    let page = std::fs::read_to_string(folder.path("docs/figures/tiny/tiny.md")).unwrap();
    assert!(page.contains("cargo xtask reproduce tiny --profile tiny"), "{page}");

    let (results, docs) = (folder.contents("results"), folder.contents("docs"));
    let second = folder.reproduce(&[]);
    assert!(second.stderr.contains("5 runs, all done"), "{}", second.stderr);
    assert_eq!(folder.contents("results"), results);
    assert_eq!(folder.contents("docs"), docs);
}

#[test]
fn goes_on_from_what_was_interrupted() {
    let folder = Folder::new();
    folder.reproduce(&["--results", "whole"]);
    let (mut runs, mut epochs) = folder.results("whole");
    // As if it had been killed after the second run, and between the two files of the third.
    let third = epochs
        .iter()
        .filter(|epoch| epoch.run_id == runs[2].run_id)
        .cloned()
        .collect::<Vec<_>>();
    runs.truncate(2);
    epochs.retain(|epoch| runs.iter().any(|run| run.run_id == epoch.run_id));
    epochs.extend(third);
    Results::new(&folder.path("part"), "tiny")
        .add(&RunRows {
            runs: runs.clone(),
            epochs,
            ..RunRows::default()
        })
        .unwrap();

    let outcome = folder.reproduce(&["--results", "part"]);
    assert!(outcome.stderr.contains("5 runs, 2 done, 3 to do"), "{}", outcome.stderr);
    let (all, all_epochs) = folder.results("part");
    assert_eq!(all_epochs.len(), 2 * RUNS);
    let kept = |run: &&RunRow| all.contains(run);
    assert_eq!(
        runs.iter().filter(kept).count(),
        2,
        "finished runs stay as they were, times included"
    );
    let whole = folder.results("whole");
    assert_eq!(without_times((all, all_epochs)), without_times(whole));
}

/// Only where the folder is not ours to write is a figure drawn without what others have left.
#[test]
fn finished_runs_that_cannot_be_collected_are_an_error() {
    let folder = Folder::new();
    folder.reproduce(&["--no-figure"]);
    let lock = folder.path("results/tiny/.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let parts = ["5 runs, all done", "error: cannot write `", "/.lock`: "];
    assert!(
        parts.iter().all(|part| outcome.stderr.contains(part)),
        "{}",
        outcome.stderr
    );
    assert!(!folder.path("docs").exists());
}

#[test]
fn draws_what_there_is_when_told() {
    let folder = Folder::new();
    folder.reproduce(&[]);
    let (mut runs, epochs) = folder.results("results");
    let lost = runs.pop().unwrap();
    std::fs::remove_dir_all(folder.path("results")).unwrap();
    Results::new(&folder.path("results"), "tiny")
        .add(&RunRows {
            runs: runs.clone(),
            epochs,
            ..RunRows::default()
        })
        .unwrap();
    let contents = folder.contents("results");
    let outcome = folder.reproduce(&["--no-runs"]);
    assert!(!outcome.stderr.contains("[1/"), "{}", outcome.stderr);
    assert_eq!(folder.contents("results"), contents);
    let page = std::fs::read_to_string(folder.path("docs/figures/tiny/tiny.md")).unwrap();
    assert!(page.contains("1 of 5") && page.contains(&lost.method), "{page}");
}

#[test]
fn runs_again_when_told() {
    let folder = Folder::new();
    folder.reproduce(&[]);
    let first = folder.results("results");
    let outcome = folder.reproduce(&["--fresh"]);
    assert!(outcome.stderr.contains("5 runs, 0 done, 5 to do"), "{}", outcome.stderr);
    let again = folder.results("results");
    assert_ne!(first, again, "the times differ");
    assert_eq!(without_times(first), without_times(again));
}

#[test]
fn numbers_do_not_depend_on_threads() {
    let folder = Folder::new();
    folder.reproduce(&["--threads", "1", "--results", "one"]);
    folder.reproduce(&["--threads", "2", "--results", "two"]);
    let (one, two) = (folder.results("one"), folder.results("two"));
    assert!(one.0.iter().all(|run| run.threads == 1));
    assert!(two.0.iter().all(|run| run.threads == 2));
    assert_eq!(without_times(one), without_times(two));
}

#[test]
fn more_seeds_are_more_runs() {
    let folder = Folder::new();
    folder.reproduce(&[]);
    let outcome = folder.reproduce(&["--seeds", "2"]);
    assert!(
        outcome.stderr.contains("10 runs, 5 done, 5 to do"),
        "{}",
        outcome.stderr
    );
    let (runs, _) = folder.results("results");
    assert_eq!(runs.iter().filter(|run| run.seed == 1).count(), RUNS);
}

#[test]
fn a_run_that_diverges_is_recorded() {
    let folder = Folder::new();
    let profile = crate::folder::PROFILE.replace("learning_rate = 0.05", "learning_rate = 1e30");
    folder.write("experiments/profiles/tiny.toml", &profile);
    let outcome = folder.run(&["reproduce", "tiny", "--profile", "tiny"]);
    assert!(outcome.stderr.contains("diverged"), "{}", outcome.stderr);
    let (runs, _) = folder.results("results");
    assert_eq!(runs.len(), RUNS);
    assert!(runs.iter().all(|run| run.diverged));
}

#[test]
fn quiet_prints_nothing() {
    let folder = Folder::new();
    let outcome = folder.reproduce(&["--quiet"]);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn a_dry_run_counts_the_work_and_does_none() {
    let folder = Folder::new();
    let plan = folder.reproduce(&["--dry-run"]);
    assert_eq!(plan.stdout.lines().count(), RUNS + 1);
    assert!(plan.stdout.contains("digits ucb s=0.8 seed 0"), "{}", plan.stdout);
    // 100 samples, then two methods with 50 and 20: twice.
    assert!(
        plan.stdout.contains("5 runs, 0 done, 5 to do: 480 samples"),
        "{}",
        plan.stdout
    );
    assert!(!folder.path("results").exists() && !folder.path("docs").exists());

    folder.reproduce(&[]);
    let (runs, _) = folder.results("results");
    let spent: f64 = runs.iter().map(all_flops).sum();
    let total = plan.stdout.lines().last().unwrap();
    assert!(
        total.ends_with(&format!("{:.2} MFLOP in all", spent / 1e6)),
        "{total}: {spent}"
    );
    assert!(
        folder
            .reproduce(&["--dry-run"])
            .stdout
            .contains("5 runs, 5 done, 0 to do: 0 samples")
    );
}

fn all_flops(run: &RunRow) -> f64 {
    run.training_flops + run.scoring_flops + run.evaluation_flops
}

/// Everything that a cell determines, bit by bit (a NaN equals itself in this form).
fn without_times((runs, epochs): (Vec<RunRow>, Vec<EpochRow>)) -> Vec<String> {
    let runs = runs.into_iter().map(|run| {
        let run = RunRow {
            scoring_seconds: 0.0,
            selection_seconds: 0.0,
            training_seconds: 0.0,
            evaluation_seconds: 0.0,
            other_seconds: 0.0,
            total_seconds: 0.0,
            threads: 0,
            started_at: String::new(),
            ..run
        };
        format!("{run:?}")
    });
    let epochs = epochs.into_iter().map(|epoch| {
        let epoch = EpochRow {
            scoring_seconds: 0.0,
            selection_seconds: 0.0,
            training_seconds: 0.0,
            evaluation_seconds: 0.0,
            other_seconds: 0.0,
            ..epoch
        };
        format!("{epoch:?}")
    });
    runs.chain(epochs).collect()
}
