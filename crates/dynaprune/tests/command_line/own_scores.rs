//! Score tables of other programs, named in a recipe by their files.
//!
//! Those in `tables/` were written by pandas 3.1.1 with pyarrow 26.0.1; `made` is a table of `score random --profile tiny`:
//!
//! ```python
//! table = pd.DataFrame({"sample": made["sample"].astype("int64"), "label": made["label"].astype("int64")})
//! table["score"] = np.sqrt(np.arange(len(table)) % 17)
//! minimal = table[["sample", "score"]].assign(rank=np.uint8(7), at=pd.Timestamp("2026-01-31"))
//! minimal.sample(frac=1, random_state=0).to_parquet("minimal.parquet")
//! table.assign(label=table["label"].astype("uint8")).to_parquet("narrow.parquet", index=False)
//! table.assign(label=np.roll(table["label"], 1)).to_parquet("shifted.parquet", index=False)
//! table.assign(scorer="margin", scoring_seconds=2, scoring_flops=1.5e9, dataset="digits",
//!              dataset_checksum=made["dataset_checksum"]).to_parquet("priced.parquet", index=False)
//! table[["sample", "score"]].assign(dataset="others").to_parquet("elsewhere.parquet", index=False)
//! table[["sample", "score"]].assign(made_at=pd.Timestamp("2026-01-31"), spec=1, epoch=np.uint8(3)).to_parquet("dated.parquet", index=False)
//! table[["sample", "score"]].assign(device="cpu").to_parquet("threadless.parquet", index=False)
//! scores = np.where(np.arange(len(table)) == 7, np.nan, table["score"])
//! pq.write_table(pa.table({"sample": table["sample"], "score": scores}), "nan.parquet")
//! table[["sample", "score"]].head(99).to_parquet("fewer.parquet", index=False)
//! pd.DataFrame({"index": table["sample"], "score": table["score"].astype(str)}).to_parquet("unnamed.parquet", index=False)
//! ```

use crate::folder::{Folder, Outcome, PROFILE, RECIPE};
use dynaprune_report::{RunRow, ScoreRow};
use std::fs;
use std::path::Path;

/// A workspace with one of the tables as `mine.parquet` and a recipe that names it.
fn folder(table: &str) -> Folder {
    let folder = Folder::new();
    folder.write("mine.toml", &recipe("accuracy-vs-fraction"));
    take(&folder, table);
    folder
}

fn recipe(figure: &str) -> String {
    let recipe = RECIPE.replace("\"ucb\"", "{ name = \"static\", scores = \"mine.parquet\" }");
    recipe.replace("accuracy-vs-fraction", figure)
}

fn take(folder: &Folder, table: &str) {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command_line/tables");
    fs::copy(tables.join(table), folder.path("mine.parquet")).unwrap();
}

fn reproduce(folder: &Folder, recipe: &str, options: &[&str]) -> Outcome {
    folder.run(&[&["reproduce", recipe, "--profile", "tiny"], options].concat())
}

fn on_scores(folder: &Folder) -> Vec<RunRow> {
    let (mut runs, _) = folder.results("results");
    runs.retain(|run| run.method == "static");
    runs
}

#[test]
fn samples_and_scores_are_enough_and_no_cost_is_claimed() {
    let folder = folder("minimal.parquet");
    let outcome = reproduce(&folder, "mine.toml", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let runs = on_scores(&folder);
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_eq!(run.method_label, "mine");
        assert!(run.scoring_flops.is_nan() && run.scoring_seconds.is_nan() && run.training_flops > 0.0);
    }
    for figure in ["accuracy-vs-time", "cost-breakdown", "time-table", "scoreboard"] {
        folder.write("mine.toml", &recipe(figure));
        let outcome = reproduce(&folder, "mine.toml", &["--no-runs"]);
        assert_eq!(outcome.code, Some(0), "{figure}: {}", outcome.stderr);
        let page = fs::read_to_string(folder.path("docs/figures/tiny/mine.md")).unwrap();
        assert!(page.contains("What the scores of mine cost is not known"), "{page}");
        assert!(!page.contains("NaN") && !page.contains(" inf "), "{page}");
    }
    // It stays with the run that the table has no path in it.
    let again = folder.run(&["reproduce", "--from-run", &runs[0].run_id]);
    assert_eq!(again.code, Some(1));
    let expected = format!(
        "run {} (mine) was made with scores from a file, of which only",
        runs[0].run_id
    );
    assert!(again.stderr.contains(&expected), "{}", again.stderr);

    // The same scores in order, and what they cost.
    take(&folder, "priced.parquet");
    let outcome = reproduce(&folder, "mine.toml", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mut priced = on_scores(&folder);
    priced.retain(|run| run.method_label == "margin (mine)");
    for (run, same) in priced.iter().zip(&runs) {
        assert_eq!(run.scoring_flops, 1.5e9);
        assert!(run.scoring_seconds >= 2.0 && run.total_seconds > run.scoring_seconds);
        assert_eq!(run.train_loss_last, same.train_loss_last);
    }
    assert_eq!(priced.len(), 2);
}

#[test]
fn tables_that_do_not_fit_are_refused_when_runs_are_planned() {
    for (table, code, expected) in [
        (
            "fewer.parquet",
            1,
            "score table `mine`: the number of samples is 99, expected 100",
        ),
        ("shifted.parquet", 1, "mine.parquet: the label of sample "),
        (
            "narrow.parquet",
            2,
            "expected column `label` to hold numbers of 32 or 64 bits, found uint8",
        ),
        ("nan.parquet", 2, " is NaN: expected a number, infinity allowed"),
        ("threadless.parquet", 2, "expected a column `threads`"),
        (
            "unnamed.parquet",
            2,
            "expected a column `sample`; expected column `score` to hold numbers, found string",
        ),
    ] {
        let folder = folder(table);
        for options in [&["--dry-run"][..], &[]] {
            let outcome = reproduce(&folder, "mine.toml", options);
            assert_eq!(outcome.code, Some(code), "{table}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(expected), "{table}: {}", outcome.stderr);
        }
        assert!(!folder.path("results").exists(), "{table}: a run was made");
    }
    // What cannot be looked at is not refused.
    let folder = folder("fewer.parquet");
    folder.write(
        "mine.toml",
        &recipe("accuracy-vs-fraction").replace("digits", "cifar10"),
    );
    let outcome = reproduce(&folder, "mine.toml", &["--dry-run", "--data-dir", "none"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn a_copy_of_ours_is_called_by_its_new_scorer() {
    let folder = folder("minimal.parquet");
    let made = folder.succeed(&["score", "el2n:runs=1", "--dataset", "digits", "--profile", "tiny", "-q"]);
    let mut rows = ScoreRow::read(Path::new(made.stdout.trim())).unwrap();
    for row in &mut rows {
        row.scorer = "margin".to_owned();
        row.score = -row.score;
    }
    ScoreRow::write(&folder.path("mine.parquet"), &rows).unwrap();
    let outcome = reproduce(&folder, "mine.toml", &["--dry-run"]);
    assert!(
        outcome.stdout.contains("digits margin (mine) s=0.5"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn turnover_compares_with_tables_by_file() {
    let folder = folder("minimal.parquet");
    let turnover = recipe("turnover").replace(
        "\"random-static\"",
        "\"random-dynamic\", { name = \"static\", counts_of = \"ucb\" }",
    );
    folder.write("mine.toml", &turnover);
    let outcome = reproduce(&folder, "mine.toml", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let page = fs::read_to_string(folder.path("docs/figures/tiny/mine.md")).unwrap();
    assert!(!page.contains("No table of scores yet"), "{page}");
    let csv = fs::read_to_string(folder.path("docs/figures/tiny/mine.csv")).unwrap();
    assert!(csv.contains("random-dynamic,random-dynamic,0.8,mine,"), "{csv}");
}

/// Names that tables of ours have mean nothing in one of another program.
#[test]
fn columns_that_nobody_asks_for_may_be_anything() {
    let folder = folder("dated.parquet");
    let outcome = reproduce(&folder, "mine.toml", &["--dry-run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// The classes are those of the data set, where it is at hand.
#[test]
fn turnover_balances_the_classes_of_a_table_without_labels() {
    let folder = folder("minimal.parquet");
    let profile = PROFILE.replace("selection_period = 1", "selection_period = 1\nclass_balance = true");
    folder.write("experiments/profiles/tiny.toml", &profile);
    folder.write(
        "mine.toml",
        &recipe("turnover").replace("\"random-static\"", "\"random-dynamic\""),
    );
    let outcome = reproduce(&folder, "mine.toml", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let csv = fs::read_to_string(folder.path("docs/figures/tiny/mine.csv")).unwrap();
    assert!(csv.contains("random-dynamic,random-dynamic,0.8,mine,"), "{csv}");
}

/// Neither a picture nor a page names a profile that the tables are of.
#[test]
fn tables_of_other_programs_alone_compare() {
    let folder = folder("minimal.parquet");
    fs::rename(folder.path("mine.parquet"), folder.path("a.parquet")).unwrap();
    take(&folder, "dated.parquet");
    folder.succeed(&["scores", "compare", "a.parquet", "mine.parquet", "--out", "mine/both"]);
    let page = fs::read_to_string(folder.path("mine/both.md")).unwrap();
    assert!(!page.contains("profile"), "{page}");
    assert!(
        !fs::read_to_string(folder.path("mine/both.svg"))
            .unwrap()
            .contains("profile")
    );
}

/// A table that does not say of which data set it is compares with each, but not they with one another.
#[test]
fn tables_of_different_data_sets_do_not_compare() {
    let folder = Folder::new();
    let mut words = vec!["scores", "compare"];
    for (name, table) in [
        ("a.parquet", "minimal.parquet"),
        ("b.parquet", "priced.parquet"),
        ("c.parquet", "elsewhere.parquet"),
    ] {
        take(&folder, table);
        fs::rename(folder.path("mine.parquet"), folder.path(name)).unwrap();
        words.push(name);
    }
    folder.succeed(&words[..4]);
    let outcome = folder.run(&words);
    assert_eq!(outcome.code, Some(2));
    let expected = "the data set is `others`, expected `digits`";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}
