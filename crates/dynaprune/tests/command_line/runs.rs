//! Single runs: listed, shown, exported, removed, merged and made again.

use std::fs;

use crate::folder::{Folder, RECIPE, RUNS};
use dynaprune_report::{Results, ScoreRow};
use serde_json::Value;

/// A workspace with results, and the id of its `ucb` run at s = 0.5.
fn made() -> (Folder, String) {
    let folder = Folder::new();
    folder.reproduce(&["--untimed"]);
    let (runs, _) = folder.results("results");
    let ucb = runs
        .iter()
        .find(|run| run.method == "ucb" && run.pruned_fraction == 0.5);
    let id = ucb.unwrap().run_id.clone();
    (folder, id)
}

#[test]
fn every_run_has_a_line_that_can_be_asked_for() {
    let (folder, id) = made();
    let all = folder.succeed(&["runs", "list"]);
    assert_eq!(all.stdout.lines().count(), RUNS);
    let line = folder
        .succeed(&["runs", "list", "--matching", "ucb", "--matching", "s=0.5"])
        .stdout;
    assert!(
        line.starts_with(&format!("{id}  tiny  digits ucb s=0.5 seed 0  test ")),
        "{line}"
    );
    assert!(line.trim_end().ends_with("not timed"), "{line}");
    assert_eq!(folder.succeed(&["runs", "list", "--state", "failed"]).stdout, "");
}

#[test]
fn a_run_is_shown_as_text_and_as_json() {
    let (folder, id) = made();
    let text = folder.succeed(&["runs", "show", &id[..8]]).stdout;
    let parts = [
        format!("run_id                 {id}\n"),
        "\"name\": \"ucb\"".to_owned(),
        "\n    2  ".to_owned(),
    ];
    for part in parts {
        assert!(text.contains(&part), "{part}: {text}");
    }
    let json: Value = serde_json::from_str(&folder.succeed(&["runs", "show", &id, "--json"]).stdout).unwrap();
    assert_eq!(
        (
            json["run_id"].as_str(),
            json["epochs_in_order"].as_array().unwrap().len()
        ),
        (Some(id.as_str()), 2)
    );
    assert_eq!(json["selections"].as_array().unwrap().len(), 2);

    let none = folder.run(&["runs", "show", "xyz"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr.contains("no run has an id that begins with `xyz`"),
        "{}",
        none.stderr
    );
    let several = folder.run(&["runs", "show", ""]);
    assert!(
        several.stderr.contains("`` is the beginning of 5 ids"),
        "{}",
        several.stderr
    );
}

#[test]
fn exports_have_a_line_a_row_and_every_column() {
    let (folder, _) = made();
    let csv = folder.succeed(&["runs", "export"]).stdout;
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let columns: Vec<&str> = dynaprune_report::RunRow::COLUMNS
        .iter()
        .map(|column| column.name)
        .collect();
    assert_eq!(names, columns);
    assert_eq!(lines.count(), RUNS);
    let (runs, epochs) = folder.results("results");
    let json = folder
        .succeed(&["runs", "export", "--format", "jsonl", "--rows", "epochs"])
        .stdout;
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), epochs.len());
    assert_eq!(
        rows[0]["train_loss"].as_f64(),
        Some(epochs[0].train_loss),
        "numbers keep all their digits"
    );
    assert!(
        rows[0]["training_seconds"].is_null(),
        "what was not timed has no number"
    );
    assert!(csv.contains(&format!("{}", runs[0].test_accuracy_last)));
}

#[test]
fn a_recorded_run_gives_the_same_numbers_again_and_others_are_told() {
    let (folder, id) = made();
    let before = folder.contents("results");
    let again = folder.succeed(&["reproduce", "--from-run", &id]);
    assert!(again.stdout.contains("equal, bit for bit"), "{}", again.stdout);
    let left = |name: &str| {
        let entries = folder
            .path("results/tiny")
            .join(name)
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        // The lock stays.
        entries
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .count()
    };
    assert_eq!((left("checkpoints"), left("leases")), (0, 0));
    let results = |contents: Vec<(std::path::PathBuf, Vec<u8>)>| -> Vec<_> {
        contents
            .into_iter()
            .filter(|(path, _)| !path.ends_with(".lock"))
            .collect()
    };
    assert!(
        results(folder.contents("results")) == results(before),
        "nothing is stored"
    );

    let results = Results::new(&folder.path("results"), "tiny");
    let mut altered = results.run(&id).unwrap().unwrap();
    altered.runs[0].train_loss_last += 0.5;
    altered.runs[0].code_version = "0.0.9 (0123456789ab)".to_owned();
    results.replace(&altered).unwrap();
    let other = folder.run(&["reproduce", "--from-run", &id]);
    assert_eq!(other.code, Some(1));
    assert!(
        other.stderr.contains("gives other numbers: `train_loss_last: "),
        "{}",
        other.stderr
    );
    assert!(other.stderr.contains("`git checkout 0123456789ab`"), "{}", other.stderr);
}

/// Results may come from elsewhere.
#[test]
fn a_recorded_spec_that_is_wrong_is_told() {
    let (folder, id) = made();
    let results = Results::new(&folder.path("results"), "tiny");
    let add = |id_of: fn(&str, &str) -> String| {
        let mut rows = results.run(&id).unwrap().unwrap();
        let spec = rows.runs[0].spec.replace("\"batch_size\":16", "\"batch_size\":0");
        let wrong = id_of(&id, &spec);
        rows.runs[0].spec = spec;
        rows.runs[0].run_id.clone_from(&wrong);
        rows.epochs.iter_mut().for_each(|row| row.run_id.clone_from(&wrong));
        rows.selections.iter_mut().for_each(|row| row.run_id.clone_from(&wrong));
        rows.traces.iter_mut().for_each(|row| row.run_id.clone_from(&wrong));
        results.add(&rows).unwrap();
        let outcome = folder.run(&["reproduce", "--from-run", &wrong]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        outcome.stderr
    };
    let stderr = add(|_, spec| dynaprune_spec::RunId::of(spec).to_string());
    let expected = "option `batch_size` of `training`: expected at least 1, found 0";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = add(|id, _| id.to_owned());
    assert!(stderr.contains("is another run's, by its hash"), "{stderr}");
}

#[test]
fn a_removed_run_is_gone_and_made_again() {
    let (folder, id) = made();
    let unknown = folder.run(&["runs", "rm", &id[..8]]);
    assert_eq!(
        unknown.code,
        Some(2),
        "the beginning of an id is not enough to remove a run"
    );
    assert_eq!(folder.results("results").0.len(), RUNS);
    folder.succeed(&["runs", "rm", &id]);
    assert_eq!(folder.results("results").0.len(), RUNS - 1);
    let outcome = folder.reproduce(&["--untimed"]);
    assert!(outcome.stderr.contains("5 runs, 4 done, 1 to do"), "{}", outcome.stderr);
    assert_eq!(folder.results("results").0.len(), RUNS);
}

/// A run whose selections another one counts is made where that one is, and nowhere else.
#[test]
fn a_counted_run_is_made_by_one_shard() {
    let folder = Folder::new();
    let counts = RECIPE.replace("\"ucb\"]", "\"ucb\", { name = \"static\", counts_of = \"ucb\" }]");
    folder.write("experiments/tiny.toml", &counts);
    let options = ["--untimed", "--no-figure", "--seeds", "2"];
    let plan = folder.reproduce(&[&options[..], &["--dry-run"]].concat()).stdout;
    let mut planned: Vec<&str> = plan.lines().take(2 * (RUNS + 2)).map(|line| &line[..16]).collect();
    let mut made = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        folder.reproduce(&[&options[..], &["--shard", shard, "--results", &shard.replace('/', "-")]].concat());
        made.extend(
            folder
                .results(&shard.replace('/', "-"))
                .0
                .into_iter()
                .map(|run| run.run_id),
        );
    }
    planned.sort_unstable();
    made.sort_unstable();
    assert_eq!(made, planned);
}

/// Two machines make a half each, and one takes over the other's.
#[test]
fn shards_make_every_run_once_and_are_merged() {
    let folder = Folder::new();
    folder.reproduce(&["--untimed", "--no-figure", "--results", "whole"]);
    let mut sizes = Vec::new();
    for (shard, results) in [("1/2", "one"), ("2/2", "two")] {
        folder.reproduce(&["--untimed", "--no-figure", "--shard", shard, "--results", results]);
        sizes.push(folder.results(results).0.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), RUNS);
    assert!(!folder.path("docs").exists(), "nothing was to be drawn");
    folder.succeed(&["runs", "merge", "two", "--results", "one"]);
    let all = |name| Results::new(&folder.path(name), "tiny");
    for run in folder.results("whole").0 {
        let (here, there) = (all("one").run(&run.run_id), all("whole").run(&run.run_id));
        assert_eq!(there.unwrap().unwrap().difference(&here.unwrap().unwrap()), None);
    }
    assert_eq!(folder.results("one").0.len(), RUNS);

    // A run that the two made differently.
    let mut altered = all("two").run(&folder.results("two").0[0].run_id).unwrap().unwrap();
    altered.runs[0].test_accuracy_last = 0.0;
    all("two").replace(&altered).unwrap();
    let conflict = folder.run(&["runs", "merge", "two", "--results", "one"]);
    assert_eq!(conflict.code, Some(1));
    assert!(
        conflict.stderr.contains("is in both with other numbers, ours stays"),
        "{}",
        conflict.stderr
    );
    let none = folder.run(&["runs", "merge", "nowhere"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
}

/// Tables of the shards come along; of one that both have, the scores must be the same.
#[test]
fn score_tables_are_merged_too() {
    let folder = Folder::new();
    let score = |scorer: &str, results: &str| {
        let made = folder.succeed(&[
            "score",
            scorer,
            "--dataset",
            "digits",
            "--profile",
            "tiny",
            "--results",
            results,
            "-q",
        ]);
        folder.path(made.stdout.trim())
    };
    let (here, there) = (score("input-norm", "one"), score("input-norm", "two"));
    let other = score("random", "two");
    let merge = || folder.run(&["runs", "merge", "two", "--results", "one"]);
    let merged = merge();
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    assert!(
        merged.stderr.contains("tiny: 0 runs and 1 score tables came"),
        "{}",
        merged.stderr
    );
    let came = folder.path("one/tiny/scores").join(other.file_name().unwrap());
    assert_eq!(std::fs::read(came).unwrap(), std::fs::read(&other).unwrap());
    // Nothing is left to come; that it was made at another time is no difference.
    let mut rows = ScoreRow::read(&there).unwrap();
    rows.iter_mut()
        .for_each(|row| row.made_at = "2026-01-31T12:00:00Z".to_owned());
    ScoreRow::write(&there, &rows).unwrap();
    let merged = merge();
    assert!(
        merged.code == Some(0) && merged.stderr.ends_with("tiny: 0 runs came\n"),
        "{}",
        merged.stderr
    );

    let before = std::fs::read(&here).unwrap();
    rows[7].score = 0.5;
    ScoreRow::write(&there, &rows).unwrap();
    let conflict = merge();
    assert_eq!(conflict.code, Some(1));
    assert!(
        conflict
            .stderr
            .contains("is in both with other scores, ours stays: the score of sample ")
            && conflict.stderr.contains(there.file_name().unwrap().to_str().unwrap()),
        "{}",
        conflict.stderr
    );
    assert_eq!(std::fs::read(&here).unwrap(), before);
}

#[test]
fn a_profile_may_be_named_by_its_file() {
    let folder = Folder::new();
    std::fs::rename(folder.path("experiments/profiles/tiny.toml"), folder.path("mine.toml")).unwrap();
    folder.succeed(&[
        "reproduce",
        "tiny",
        "--profile",
        "mine.toml",
        "--untimed",
        "--no-figure",
    ]);
    let all = folder.succeed(&["runs", "list", "--profile", "mine.toml"]);
    assert_eq!(all.stdout.lines().count(), RUNS);
    folder.succeed(&[
        "runs",
        "merge",
        "results",
        "--profile",
        "mine.toml",
        "--results",
        "other",
    ]);
    let report = folder.run(&["report"]);
    assert_eq!(report.code, Some(2));
    assert!(
        report.stderr.contains("no profile has results in")
            && report
                .stderr
                .contains("there are results of: mine; name the profile's file, `--profile path/to/mine.toml`"),
        "{}",
        report.stderr
    );
    for wrong in [&["list"][..], &["merge", "results"]] {
        let unknown = folder.run(&[&["runs"], wrong, &["--profile", "yours"]].concat());
        assert_eq!(unknown.code, Some(2));
        assert!(
            unknown.stderr.contains("no results of a profile `yours` in")
                && unknown.stderr.contains("hint: there are results of: mine"),
            "{}",
            unknown.stderr
        );
    }
}

#[test]
fn a_results_folder_that_is_not_there_is_told() {
    let folder = Folder::new();
    for verb in ["list", "export", "rebuild"] {
        let outcome = folder.run(&["runs", verb, "--results", "typo"]);
        assert_eq!(outcome.code, Some(2), "{verb}");
        assert!(outcome.stderr.contains("no such folder: `typo`"), "{}", outcome.stderr);
        // Before anything is made there is none.
        folder.succeed(&["runs", verb]);
    }
}

#[test]
fn single_cells_are_made_by_id() {
    let folder = Folder::new();
    let plan = folder.reproduce(&["--dry-run"]).stdout;
    let ids: Vec<&str> = plan.lines().take(RUNS).map(|line| &line[..16]).collect();
    folder.reproduce(&["--cell", ids[0], "--cell", ids[3], "--no-figure"]);
    let (runs, _) = folder.results("results");
    let mut made: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
    let mut asked = vec![ids[0], ids[3]];
    made.sort_unstable();
    asked.sort_unstable();
    assert_eq!(made, asked);
    let unknown = folder.run(&["reproduce", "tiny", "--profile", "tiny", "--cell", "0000"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown
            .stderr
            .contains("`--cell 0000`: no run of the recipe has this id"),
        "{}",
        unknown.stderr
    );
    let shard = folder.run(&["reproduce", "tiny", "--shard", "3/2"]);
    assert!(
        shard.stderr.contains("expected `i/n` with i from 1 to n"),
        "{}",
        shard.stderr
    );
}

#[test]
fn what_became_of_a_run_that_failed_is_shown() {
    let folder = Folder::new();
    folder.reproduce(&[]);
    let failure = r#"{"run":"digits ucb","error":"no luck","at":"","code_version":"","attempts":1}"#;
    fs::create_dir_all(folder.path("results/tiny/failed")).unwrap();
    folder.write("results/tiny/failed/0123456789abcdef.json", failure);
    let outcome = folder.run(&["runs", "show", "0123"]);
    assert_eq!(outcome.code, Some(2));
    let expected = "error: run 0123456789abcdef (digits ucb) failed, and has no result: no luck\n";
    assert!(outcome.stderr.starts_with(expected), "{}", outcome.stderr);
}
