//! Figures on the samples themselves: kept sets, traced scores and pictures.

use std::fs;
use std::path::Path;

use dynaprune_report::{
    Error, FigureFiles, FigureInput, History, Planned, RunRow, SelectionRow, Setting, StaticSet, TraceRow,
};

use crate::assert_same_bytes;
use crate::made_up::history::FIGURES;
use crate::made_up::{self, Grid};

struct Case {
    planned: Vec<Planned>,
    runs: Vec<RunRow>,
    history: History,
}

impl Case {
    fn made_up(methods: &[&str], seeds: u64) -> Self {
        let (runs, _) = made_up::rows(&Grid {
            profile: "laptop",
            datasets: &["cifar10"],
            methods,
            pruned_fractions: &[0.5, 0.7],
            seeds,
            epochs: 40,
            train_samples: 400,
        });
        Self {
            planned: made_up::history::planned(&runs),
            history: made_up::history::history(&runs),
            runs,
        }
    }

    /// One method, one seed, ten samples, half of them kept: a random first set, then these.
    fn by_hand(method: &str, kept: &[[u32; 5]]) -> Self {
        let (mut runs, _) = made_up::rows(&Grid {
            profile: "laptop",
            datasets: &["cifar10"],
            methods: &[method],
            pruned_fractions: &[0.5],
            seeds: 1,
            epochs: 10 * kept.len() as u32,
            train_samples: 10,
        });
        runs.truncate(1);
        let set = |(index, kept): (u32, &[u32; 5])| SelectionRow {
            run_id: runs[0].run_id.clone(),
            epoch: 10 * index + 1,
            train_samples: 10,
            kept_samples: 5,
            selected: SelectionRow::bits(kept, 10),
            score_mean: (index > 0).then(|| 2.0 / f64::from(index)),
            ..SelectionRow::default()
        };
        let history = History {
            selections: (0..).zip(kept).map(set).collect(),
            ..History::default()
        };
        Self {
            planned: made_up::history::planned(&runs),
            runs,
            history,
        }
    }

    fn write(&self, kind: &str, docs: &Path) -> Result<FigureFiles, Error> {
        let input = FigureInput {
            id: "fig7",
            kind,
            title: "Samples",
            history: &self.history,
            ..made_up::input(&self.planned, &self.runs)
        };
        input.write(docs)
    }

    /// The page, the numbers and the vectors.
    fn texts(&self, kind: &str) -> [String; 3] {
        let docs = tempfile::tempdir().unwrap();
        let files = self.write(kind, docs.path()).unwrap();
        [files.page, files.csv, files.svg.unwrap()].map(|path| fs::read_to_string(path).unwrap())
    }
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

const SETS: [[u32; 5]; 5] = [
    [5, 6, 7, 8, 9],
    [0, 1, 2, 3, 4],
    [0, 1, 2, 3, 5],
    [0, 1, 2, 5, 6],
    [0, 1, 5, 6, 7],
];

#[test]
fn counts_are_those_of_the_rounds_after_the_first() {
    let [page, csv, _] = Case::by_hand("ucb", &SETS).texts("selection-counts");
    // Of four rounds, samples 0 and 1 are in all, 8 and 9 in none, 2 and 5 in three, 3 and 6 in two, 4 and 7 in one. At
    // random: 1/16, 4/16, 6/16, 4/16, 1/16. Counts have the variance (4 + 4 + 1 + 1 + 0 + 0 + 1 + 1 + 4 + 4) / 10 = 2, the
    // binomial 4 / 2 / 2 = 1.
    contains(
        &page,
        &["\n| ucb | 50 % | 1 | 4 | 20.00 | 6.25 | 60.00 | 87.50 | 20.00 | 6.25 | 2.00 |\n"],
    );
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(rows.len(), 5);
    for (count, random) in [0.0625, 0.25, 0.375, 0.25, 0.0625].into_iter().enumerate() {
        let cells: Vec<&str> = rows[count].split(',').collect();
        let start = format!("cifar10,ucb,ucb,0.5,4,{count},{count},1,0.2,,,");
        assert!(rows[count].starts_with(&start), "{csv}");
        assert!((cells[11].parse::<f64>().unwrap() - random).abs() < 1e-12, "{csv}");
        assert_eq!(cells[12], "0.5");
    }
    // Without scores, all rounds count: 5 to 7 are in one more.
    let [page, ..] = Case::by_hand("random-dynamic", &SETS).texts("selection-counts");
    contains(
        &page,
        &["\n| random-dynamic | 50 % | 1 | 5 | 0.00 | 3.12 | 100.00 | 93.75 | 0.00 | 3.12 | "],
    );
}

#[test]
fn overlaps_are_those_of_the_sets() {
    let mut case = Case::by_hand("ucb", &SETS);
    let set = |label: &str, seed: u64, selected: [u32; 5]| StaticSet {
        dataset: "cifar10".to_owned(),
        label: label.to_owned(),
        pruned_fraction: 0.5,
        seed,
        train_samples: 10,
        selected: selected.to_vec(),
    };
    case.history.static_sets = vec![
        // Another seed's is not looked at.
        set("forget", 1, [5, 6, 7, 8, 9]),
        set("forget", 0, [0, 1, 2, 3, 9]),
        set("el2n@10", 0, [5, 6, 7, 8, 9]),
    ];
    let [page, csv, svg] = case.texts("turnover");
    // Successive sets have 4 of 6 samples in common; two random ones 5 / (20 - 5) of them.
    contains(
        &page,
        &[
            "\n| ucb | 50 % | 1 | 0.667 | 0.667 | +0.000, undecided (n = 1) | 0.667 | 0.333 |\n",
            "\n| forget | ucb | 50 % | 1 | 0.800 | 0.400 | −0.400, undecided (n = 1) | 0.650 | 0.500 |\n",
            "\n| el2n@10 | ucb | 50 % | 1 | 0.000 | 0.600 | +0.600, undecided (n = 1) | 0.300 | 0.500 |\n",
            "\n- `ucb` at s = 50 %: of its last kept set, 40.0 % were in its first (n = 1); two random sets share 50.0 %, \
             undecided (n = 1).\n",
        ],
    );
    assert_eq!(csv.lines().count(), 1 + 3 + 4 + 4);
    contains(
        &csv,
        &["cifar10,ucb,ucb,0.5,previous,21,1,0.6666666666666666,,,0.3333333333333333\n"],
    );
    contains(&csv, &["cifar10,ucb,ucb,0.5,forget,31,1,0.6,,,0.5\n"]);
    contains(&svg, &["With the kept set before", "With the static set of el2n@10"]);
}

#[test]
fn intervals_decide_at_several_seeds() {
    let case = Case::made_up(&["random-dynamic", "ucb"], 6);
    let [page, csv, _] = case.texts("turnover");
    let line = |start: &str| page.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(
        line("| random-dynamic | 70 % | 6 |").contains(", undecided |"),
        "{page}"
    );
    contains(
        &line("- `ucb` at s = 70 %"),
        &["(n = 6); two random sets share 30.0 % (p = 0.008), more than random."],
    );
    // Changes of the two methods in four panels, and what is left of their first sets.
    contains(
        &page,
        &["adjusted with Holm's method for the 10 comparisons tested here"],
    );
    contains(&line("| forget | ucb |"), &[" ± "]);
    assert!(csv.lines().skip(1).all(|row| row.contains(",0.7,")), "{csv}");
}

#[test]
fn static_methods_give_sets_and_no_lines() {
    let mut case = Case::made_up(&["forget", "el2n@10", "ucb"], 1);
    case.history.static_sets.retain(|set| set.label == "forget");
    let [page, csv, svg] = case.texts("turnover");
    let note = "No table of scores yet, so no panel, for el2n@10 (CIFAR-10).";
    contains(&page, &[note]);
    contains(&svg, &[note, "With the static set of forget"]);
    assert!(!svg.contains("With the static set of el2n@10"));
    assert!(csv.lines().skip(1).all(|row| row.starts_with("cifar10,ucb,")), "{csv}");
}

/// It has no table: no panel of it can be missing.
#[test]
fn counts_of_another_run_lack_no_table() {
    let mut case = Case::made_up(&["ucb", "static"], 1);
    for run in case.planned.iter_mut().filter(|run| run.method == "static") {
        run.method_label = "counts of ucb".to_owned();
    }
    let [page, _, svg] = case.texts("turnover");
    assert!(
        !page.contains("No table of scores yet") && !svg.contains("No table of scores yet"),
        "{page}"
    );
}

#[test]
fn fractions_that_are_not_shown_are_told() {
    let note = "Of the planned pruned fractions, 50, 70 %, only s = 70 % is shown.";
    for kind in ["turnover", "score-trajectories"] {
        let mut case = Case::made_up(&["ucb"], 1);
        let [page, _, svg] = case.texts(kind);
        assert!(page.contains(note) && svg.contains(note), "{kind}: {page}");
        case.planned.retain(|run| run.pruned_fraction == 0.7);
        let [page, ..] = case.texts(kind);
        assert!(!page.contains("planned pruned fractions"), "{kind}: {page}");
    }
}

#[test]
fn the_words_name_the_floor_of_the_plot() {
    let case = traced();
    let input = FigureInput {
        id: "fig9",
        kind: "score-trajectories",
        title: "Samples",
        how_to_read: "Scores below {score_floor} are drawn there.",
        history: &case.history,
        ..made_up::input(&case.planned, &case.runs)
    };
    let docs = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(input.write(docs.path()).unwrap().page).unwrap();
    assert!(page.contains("Scores below 1e-5 are drawn there."), "{page}");
}

fn traced() -> Case {
    let mut case = Case::by_hand("ucb", &SETS);
    let trace = |position: u32, scores: [f32; 4]| TraceRow {
        run_id: case.runs[0].run_id.clone(),
        position,
        sample: 100 + position,
        label: position % 3,
        epochs: vec![11, 21, 31, 41],
        scores: scores.to_vec(),
    };
    case.history.traces = vec![
        trace(9, [0.5, 0.25, 0.0, 0.0]),
        trace(2, [2.0, 2.0, 1.0, 0.5]),
        trace(3, [2.5, 1.5, 0.5, 0.25]),
        trace(4, [4.0, 0.5, 0.5, 0.125]),
        trace(5, [1.0, 2.0, 2.0, 2.5]),
    ];
    case
}

#[test]
fn trajectories_are_grouped_by_how_often_a_sample_was_selected() {
    let [page, csv, svg] = traced().texts("score-trajectories");
    contains(
        &page,
        &[
            "\n| never | 20.0 | 1 | 0.500 | 0 |\n",
            // First 1, 2, 2.5, 4; last 0.125, 0.25, 0.5, 2.5.
            "\n| sometimes | 60.0 | 4 | 2.250 | 0.375 |\n",
            "\n| always | 20.0 | 0 | none | none |\n",
            "\nMean score of all samples in this run: 2.000 before epoch 11, 0.500 before epoch 41.\n",
        ],
    );
    assert_eq!(csv.lines().count(), 1 + 5 * 4);
    contains(
        &csv,
        &[
            "\ncifar10,ucb,ucb,0.5,0,2,102,2,sometimes,3,4,11,2,1\n",
            "\ncifar10,ucb,ucb,0.5,0,2,102,2,sometimes,3,4,41,0.5,0\n",
            "\ncifar10,ucb,ucb,0.5,0,9,109,0,never,0,4,31,0,0\n",
        ],
    );
    contains(
        &svg,
        &[
            "none of the traced samples",
            "Sometimes: 4 of 5 traced samples",
            "Scores below 1e-5 are drawn at 1e-5.",
        ],
    );
}

#[test]
fn page_and_numbers_do_not_depend_on_pictures() {
    let case = Case::made_up(&["ucb"], 2);
    let without = Case {
        history: History {
            images: Vec::new(),
            ..case.history.clone()
        },
        ..Case::made_up(&["ucb"], 2)
    };
    let [page, csv, svg] = case.texts("score-trajectories");
    let [other_page, other_csv, other_svg] = without.texts("score-trajectories");
    assert!(page == other_page && csv == other_csv);
    let note = "No pictures of samples: CIFAR-10 was not on the machine that drew this.";
    assert!(other_svg.contains(note) && !other_svg.contains("<image"), "{other_svg}");
    assert!(!svg.contains(note));
    // Up to eight in each group.
    let pictures = svg.matches("<image").count();
    assert!((9..=24).contains(&pictures), "{pictures} pictures");
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order() {
    let mut case = Case::made_up(&["random-dynamic", "ucb", "uncertainty"], 2);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (_, kind, _) in FIGURES {
        let one = case.write(kind, folders[0].path()).unwrap();
        case.runs.reverse();
        case.history.selections.reverse();
        case.history.traces.reverse();
        case.history.images.reverse();
        let other = case.write(kind, folders[1].path()).unwrap();
        assert_same_bytes(&one, &other);
    }
}

#[test]
fn runs_without_a_record_are_named_and_none_at_all_draws_nothing() {
    let mut case = Case::made_up(&["uncertainty", "ucb"], 2);
    let gone = |run: &RunRow| run.method == "ucb" && run.seed == 1 && run.pruned_fraction == 0.7;
    let gone = case.runs.iter().find(|run| gone(run)).unwrap().run_id.clone();
    case.history.selections.retain(|row| row.run_id != gone);
    for (_, kind, _) in FIGURES {
        let [page, _, svg] = case.texts(kind);
        let names = "1 of 8 planned runs: ucb s = 70 % (seed 1).";
        contains(&page, &["No usable record of ", names]);
        contains(&svg, &["No usable record of "]);
    }
    case.history.selections.clear();
    let docs = tempfile::tempdir().unwrap();
    for (_, kind, _) in FIGURES {
        let error = case.write(kind, docs.path()).unwrap_err();
        assert!(
            matches!(error, Error::NothingToDraw { planned: 8, .. }),
            "{kind}: {error}"
        );
    }
    // Kept sets without traces make no trajectories.
    case = Case::made_up(&["ucb"], 1);
    case.history.traces.clear();
    assert!(case.write("turnover", docs.path()).is_ok());
    assert!(case.write("score-trajectories", docs.path()).is_err());
}

#[test]
fn methods_without_scores_have_no_trajectories_to_lack() {
    let [page, csv, _] = Case::made_up(&["random-dynamic", "ucb"], 1).texts("score-trajectories");
    assert!(!page.contains("No usable record"), "{page}");
    assert!(csv.lines().skip(1).all(|row| row.starts_with("cifar10,ucb,")), "{csv}");
}

#[test]
fn a_first_round_with_scores_counts() {
    let mut case = Case::by_hand("ucb", &SETS);
    let scores = Setting::Word("scores".to_owned());
    case.planned[0].settings.insert("first_round".to_owned(), scores);
    let [page, ..] = case.texts("selection-counts");
    contains(&page, &["\n| ucb | 50 % | 1 | 5 | 0.00 | 3.12 | "]);
}
