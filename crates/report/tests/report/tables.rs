//! Tables of hand-made runs with numbers worked out by hand: accuracies beside published ones, costs, and the scoreboard.

use std::fs;

use dynaprune_report::{EpochRow, Error, FigureFiles, FigureInput, History, Planned, RunRow, SelectionRow};

use crate::made_up::{self, Grid};

/// Samples of the training set.
const SAMPLES: u64 = 100;
const EPOCHS: u32 = 10;
/// Operations and seconds of training on full data.
const FULL_FLOPS: f64 = 1e15;
const FULL_SECONDS: f64 = 200.0;

/// Runs of 10 epochs on 100 samples that cost in proportion to the samples kept.
#[derive(Default)]
struct Case {
    planned: Vec<Planned>,
    runs: Vec<RunRow>,
    epochs: Vec<EpochRow>,
    history: History,
}

impl Case {
    /// Adds a run for each accuracy, in percent, with seeds from 0. The accuracy rises evenly from 0 before the first epoch.
    fn add(&mut self, dataset: &str, label: &str, s: f64, accuracies: &[f64]) -> &mut Self {
        let (template, epochs) = made_up::rows(&Grid {
            profile: "laptop",
            datasets: &["cifar10"],
            methods: &["full"],
            pruned_fractions: &[],
            seeds: 1,
            epochs: EPOCHS,
            train_samples: SAMPLES,
        });
        let kept = ((1.0 - s) * SAMPLES as f64).round() as u64;
        let method = match label.split(['@', ' ']).next().unwrap() {
            "forget" | "el2n" | "grand" | "counts" => "static",
            method => method,
        };
        for (seed, accuracy) in (0..).zip(accuracies) {
            let share = kept as f64 / SAMPLES as f64;
            let run = RunRow {
                run_id: format!("{dataset} {label} {s} {seed}"),
                dataset: dataset.to_owned(),
                method: method.to_owned(),
                method_label: label.to_owned(),
                pruned_fraction: s,
                seed,
                steps: u64::from(EPOCHS) * kept.div_ceil(10),
                samples_seen: u64::from(EPOCHS) * kept,
                kept_samples: kept,
                test_accuracy_last: accuracy / 100.0,
                scoring_seconds: 0.0,
                selection_seconds: 0.0,
                training_seconds: FULL_SECONDS * share,
                scoring_flops: 0.0,
                training_flops: FULL_FLOPS * share,
                spec: r#"{"training":{"epochs":100}}"#.to_owned(),
                ..template[0].clone()
            };
            let epoch = |row: &EpochRow| EpochRow {
                run_id: run.run_id.clone(),
                samples: kept,
                test_accuracy: Some(run.test_accuracy_last * f64::from(row.epoch) / f64::from(EPOCHS)),
                ..row.clone()
            };
            self.epochs.extend(epochs.iter().map(epoch));
            self.planned
                .extend(made_up::history::planned(std::slice::from_ref(&run)));
            self.runs.push(run);
        }
        self
    }

    /// The runs with a label at a pruned fraction.
    fn edit(&mut self, label: &str, s: f64, change: impl Fn(&mut RunRow)) -> &mut Self {
        let chosen = |run: &&mut RunRow| run.method_label == label && run.pruned_fraction == s;
        self.runs.iter_mut().filter(chosen).for_each(change);
        self
    }

    /// Kept sets of all runs with a label, in force from these epochs.
    fn sets(&mut self, label: &str, sets: &[(u32, &[u32])]) -> &mut Self {
        for run in self.runs.iter().filter(|run| run.method_label == label) {
            let set = |&(epoch, positions): &(u32, &[u32])| SelectionRow {
                run_id: run.run_id.clone(),
                epoch,
                train_samples: SAMPLES as u32,
                kept_samples: positions.len() as u32,
                selected: SelectionRow::bits(positions, SAMPLES as usize),
                ..SelectionRow::default()
            };
            self.history.selections.extend(sets.iter().map(set));
        }
        self
    }

    fn write(&self, kind: &str, profile: &str, docs: &std::path::Path) -> Result<FigureFiles, Error> {
        let input = FigureInput {
            id: "table",
            kind,
            title: "A table",
            profile,
            command: "cargo xtask reproduce table",
            epochs: &self.epochs,
            history: &self.history,
            ..made_up::input(&self.planned, &self.runs)
        };
        input.write(docs)
    }

    /// The page and the CSV.
    fn texts(&self, kind: &str, profile: &str) -> (String, String) {
        let docs = tempfile::tempdir().unwrap();
        let files = self.write(kind, profile, docs.path()).unwrap();
        assert_eq!((&files.png, &files.svg), (&None, &None), "a table has no picture");
        (
            fs::read_to_string(files.page).unwrap(),
            fs::read_to_string(files.csv).unwrap(),
        )
    }

    fn page(&self, kind: &str) -> String {
        self.texts(kind, "laptop").0
    }
}

#[track_caller]
fn has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
}

#[track_caller]
fn has_not(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(!page.contains(text), "{text} is in\n{page}");
    }
}

fn accuracies() -> Case {
    let mut case = Case::default();
    case.add("cifar10", "full", 0.0, &[80.0, 81.0, 82.0])
        .add("cifar10", "full-short", 0.5, &[75.0])
        .add("cifar10", "random-static", 0.5, &[70.0, 71.0, 72.0])
        .add("cifar10", "el2n@10", 0.5, &[65.0])
        .add("cifar10", "el2n@5", 0.5, &[64.0])
        .add("cifar10", "grand@10 parameters=last-layer", 0.5, &[63.0])
        .add("cifar10", "ucb", 0.7, &[60.5, 61.5])
        .add("cifar10", "ucb", 0.5, &[73.25]);
    case
}

#[test]
fn accuracies_stand_beside_what_is_published_of_the_same_method() {
    let page = accuracies().page("accuracy-table");
    has(
        &page,
        &[
            "\n### CIFAR-10\n",
            "\n| method | s | test accuracy (%) | n | published [1] | published [2] |\n",
            "\n| full | 0 % | 81.00 ± 1.00 | 3 | 95.6 |  |\n",
            "\n| full-short | 50 % | 75.00 | 1 |  |  |\n",
            "\n| random-static | 50 % | 71.00 ± 1.00 | 3 | 93.3 | 93.54 |\n",
            // After 10 of 100 epochs, as published after 20 of 200; not after 5, and not with another definition.
            "\n| el2n@10 | 50 % | 65.00 | 1 |  | 95.22 |\n",
            "\n| el2n@5 | 50 % | 64.00 | 1 |  |  |\n",
            "\n| grand@10 parameters=last-layer | 50 % | 63.00 | 1 |  |  |\n",
            // s rises within a method; sqrt(0.5) is the deviation of two.
            "\n| ucb | 50 % | 73.25 | 1 | 94.7 |  |\n| ucb | 70 % | 61.00 ± 0.71 | 2 | 93.9 |  |\n",
            "\n| InfoBatch | 50 % | not run |  | 95.1 |  |\n",
            "\n| SeTa | 70 % | not run |  | 95.0 |  |\n",
            "\n- [1] InfoBatch (ICLR 2024), Table 1",
            "78,000 steps",
            "those of the reduced profile `laptop` are neither a match nor a miss",
            "The same table as [CSV](table.csv) and [Parquet](table.parquet).",
        ],
    );
    has_not(&page, &["ours − [1]"]);
}

#[test]
fn only_full_scale_runs_are_subtracted_from_published_ones() {
    let (page, csv) = accuracies().texts("accuracy-table", "paper");
    has(
        &page,
        &[
            "| published [1] | ours − [1] | published [2] |\n",
            "\n| full | 0 % | 81.00 ± 1.00 | 3 | 95.6 | −14.60 |  |\n",
            "\n| random-static | 50 % | 71.00 ± 1.00 | 3 | 93.3 | −22.30 | 93.54 |\n",
            "\n| InfoBatch | 50 % | not run |  | 95.1 |  |  |\n",
        ],
    );
    has_not(&page, &["neither a match nor a miss"]);
    has(
        &csv,
        &[
            "\ncifar10,static,el2n@10,0.5,1,0.65,,,,0.9522\n",
            "\ncifar10,InfoBatch,InfoBatch,0.5,0,,,,0.951,\n",
        ],
    );
}

#[test]
fn nothing_is_published_of_digits_and_missing_runs_are_rows() {
    let mut case = Case::default();
    case.add("digits", "full", 0.0, &[97.0])
        .add("digits", "random-static", 0.5, &[90.0, 91.0])
        .add("digits", "ucb", 0.5, &[92.0]);
    case.runs.retain(|run| run.method != "ucb");
    let page = case.page("accuracy-table");
    has(
        &page,
        &[
            "\n| method | s | test accuracy (%) | n |\n",
            "\n| ucb | 50 % | no result | 0 |\n",
            "Nothing is published of these data sets",
            "No result yet for 1 of 4 planned runs: ucb s = 50 % (seed 0).",
        ],
    );
    has_not(&page, &["InfoBatch", "match"]);
}

fn costs() -> Case {
    let mut case = Case::default();
    // The goal is 79 %, first reached after epoch 10 by a run that rises evenly to 80 %.
    case.add("cifar10", "full", 0.0, &[80.0])
        // 95 % * 9 / 10 is above the goal, 95 % * 8 / 10 is not.
        .add("cifar10", "full-short", 0.5, &[95.0])
        .add("cifar10", "forget", 0.5, &[90.0, 60.0, 90.0])
        .add("cifar10", "ucb", 0.5, &[98.0])
        .add("cifar10", "random-dynamic", 0.5, &[70.0]);
    case.edit("forget", 0.5, |run| {
        (run.scoring_flops, run.scoring_seconds) = (0.9 * FULL_FLOPS, 150.0);
    });
    let rounds = r#"{"selection":{"selection_period":2,"scoring":{"first_round":"random"}}}"#;
    case.edit("ucb", 0.5, |run| {
        run.scoring_flops = 0.08 * FULL_FLOPS;
        run.spec = rounds.to_owned();
        run.device = "another".to_owned();
    });
    case.edit("random-dynamic", 0.5, |run| run.training_seconds = f64::NAN);
    case
}

#[test]
fn costs_are_relative_to_full_data_with_and_without_scoring() {
    let (page, csv) = costs().texts("time-table", "laptop");
    has(
        &page,
        &[
            "| seconds without scoring | speed-up (seconds) | to 79.00 % |\n",
            "\n| full | 0 % | 1 | 1.00 | 1.00 | 1.00× | 1.00 | 1.00 | 1.00× | 1.00 |\n",
            // 9 of 10 epochs on half of the samples.
            "\n| full-short | 50 % | 1 | 0.50 | 0.50 | 2.00× | 0.50 | 0.50 | 2.00× | 0.45 |\n",
            // Scores for 0.9 of a full run before training, then 9 epochs; the second run never gets there. 250 of 200 seconds, for
            // the one seed that full data has.
            "\n| forget | 50 % | 3 | 1.40 | 0.50 | 0.71× | 1.25 (n = 1) | 0.50 (n = 1) | 0.80× | 1.35 (2 of 3 runs) |\n",
            // Passes before epochs 3, 5, 7 and 9; 98 % * 9 / 10 is reached after all four: 0.45 + 0.08.
            "\n| ucb | 50 % | 1 | 0.58 | 0.50 | 1.72× | ? | ? | ? | 0.53 |\n",
            "\n| random-dynamic | 50 % | 1 | 0.50 | 0.50 | 2.00× | ? | ? | ? | never |\n",
        ],
    );
    has(
        &csv,
        &[
            "\ncifar10,ucb,ucb,0.5,1,0.58,0.5,1.7241379310344829,0,,,,,1,0.53",
            "\ncifar10,random-dynamic,random-dynamic,0.5,1,0.5,0.5,2,0,,,,,0,\n",
        ],
    );
}

/// A run that gets there early has paid for the passes before it only, and epochs that were not evaluated do not count.
#[test]
fn scoring_counts_as_it_falls_due() {
    let mut case = costs();
    for row in case.epochs.iter_mut().filter(|row| row.run_id.contains(" ucb ")) {
        // 1, 2: below; 3: not evaluated; 4: above.
        row.test_accuracy = [Some(0.5), Some(0.6), None]
            .get(row.epoch as usize - 1)
            .copied()
            .unwrap_or(Some(0.9));
    }
    // 4 epochs of 0.05; one pass of four, before the third epoch.
    has(&case.page("time-table"), &["| 1.72× | ? | ? | ? | 0.22 |\n"]);
    case.edit("ucb", 0.5, |run| run.spec = run.spec.replace("random", "scores"));
    // Two of five passes, before the first and the third epoch.
    has(&case.page("time-table"), &["| 1.72× | ? | ? | ? | 0.23 |\n"]);
}

#[test]
fn costs_need_full_data() {
    let mut case = costs();
    case.runs.retain(|run| run.method != "full");
    let docs = tempfile::tempdir().unwrap();
    let error = case.write("time-table", "laptop", docs.path()).unwrap_err();
    assert!(matches!(error, Error::MissingBaseline { .. }), "{error}");
}

/// A grid in which each claim has what tests it; `spread` moves the accuracies of the seeds apart, in points.
fn claims(seeds: usize, spread: f64) -> Case {
    let around = |accuracy: f64, sign: f64| -> Vec<f64> {
        let offset = |seed: usize| sign * spread * (seed as f64 - (seeds as f64 - 1.0) / 2.0);
        (0..seeds).map(|seed| accuracy + offset(seed)).collect()
    };
    let mut case = Case::default();
    case.add("cifar10", "full", 0.0, &around(80.0, 0.0));
    for s in [0.5, 0.7] {
        let lost = 10.0 * (s - 0.5);
        case.add("cifar10", "full-short", s, &around(76.0 - lost, 0.0))
            .add("cifar10", "random-static", s, &around(70.0 - lost, 0.0))
            .add("cifar10", "forget", s, &around(71.0 - lost, 0.0))
            .add("cifar10", "el2n@10", s, &around(69.0 - lost, 0.0))
            .add("cifar10", "grand@10", s, &around(66.0 - lost, 0.0))
            .add("cifar10", "counts of ucb", s, &around(73.0 - lost, 0.0))
            .add("cifar10", "random-dynamic", s, &around(75.0 - lost, 1.0))
            .add("cifar10", "epsilon-greedy", s, &around(77.0 - lost, 2.0))
            .add("cifar10", "ucb", s, &around(79.5 - lost, -1.0))
            .edit("forget", s, |run| run.scoring_flops = 0.8 * FULL_FLOPS)
            .edit("el2n@10", s, |run| run.scoring_flops = 0.6 * FULL_FLOPS)
            .edit("grand@10", s, |run| run.scoring_flops = 0.1 * FULL_FLOPS);
    }
    // Two samples are always kept, three sometimes.
    let sets: [(u32, &[u32]); 4] = [(1, &[7, 8, 9]), (3, &[0, 1, 2]), (5, &[0, 1, 3]), (7, &[0, 1, 4])];
    case.sets("ucb", &sets).sets("epsilon-greedy", &sets);
    case
}

#[test]
fn one_seed_supports_only_what_is_counted() {
    let page = claims(1, 0.0).page("scoreboard");
    has(
        &page,
        &[
            "| claim | data set | tested by | s | value | 95 % interval | n | for / against | verdict |\n",
            // 50 of 100 steps in 10 epochs, and 3 of 10 batches of 10 at s = 0.7.
            " | 50 to 70 % | steps 0.30× to 0.50×; scoring 0.10× to 0.80× | exact | 1 |  | supported (by counting) |\n",
            // 1.3 and 1.1 for forget, 1.1 and 0.9 for EL2N, 0.6 and 0.4 for GraNd.
            " | 50 to 70 % | 3 of 6 cost more; 0.40× to 1.30× | exact | 1 |  | supported (by counting) |\n",
            // At the largest s: 73 against 68, 69, 67 and 64.
            "\n| A3 | CIFAR-10 | random-dynamic minus each static method | 70 % | +4.00 to +9.00 | none | 1 | 0 / 0 of 4 | undecided (n = 1) |\n",
            "\n| A4 | CIFAR-10 | samples kept sometimes, of those ever kept (random sets would pass too) | 50 to 70 % | 60.0 % | none | 1 | 0 / 0 of 4 | undecided (n = 1) |\n",
            "\n| A5 | CIFAR-10 | epsilon-greedy and ucb minus random-dynamic | 50 to 70 % | +2.00 to +4.50 | none | 1 | 0 / 0 of 4 | undecided (n = 1) |\n",
            "\n| A6 | CIFAR-10 | what was run |  | full, forget, el2n@10, grand@10 |  |  |  | supported (run here) |\n",
            // All halve the operations at s = 0.5: 75, 77 and 79.5 against 80.
            "\n| A7 | CIFAR-10 | dynamic methods at 2x or more, minus full data | 50 % | −5.00 to −0.50 | none | 1 | 0 / 0 of 3 | undecided (n = 1) |\n",
            "\n| A8 | CIFAR-10 | ucb minus the static set that it kept most | 50 to 70 % | +6.50 | none | 1 | 0 / 0 of 2 | undecided (n = 1) |\n",
            "\n| control | CIFAR-10 | dynamic methods minus full-short | 50 to 70 % | −1.00 to +3.50 | none | 1 | 0 / 0 of 6 | undecided (n = 1) |\n",
            "\n- **A5**: Epsilon-greedy and UCB reach an even higher accuracy than random dynamic pruning.\n",
            "\n| CIFAR-10 | `ucb` minus `random-dynamic` | 70 % | +4.50 | none | 1 |  | undecided (n = 1) |\n",
        ],
    );
    has_not(&page, &["| not supported", "nan", "NaN"]);
}

#[test]
fn three_seeds_that_agree_support_the_claims() {
    let case = claims(3, 0.1);
    let (page, csv) = case.texts("scoreboard", "laptop");
    // The differences of random-dynamic are 0.1 apart: a half-width of 4.3027 * 0.1 / sqrt(3) = 0.25. t = 5 / 0.0577 = 86.6,
    // p = 1 - t / sqrt(t^2 + 2) = 0.000133. The largest of four p is that of +4.00: t = 69.3, p = 0.000208.
    has(
        &page,
        &[
            "| 70 % | +4.00 to +9.00 | +3.75 to +9.25 | 3 | 4 / 0 of 4 | supported |\n",
            "\n| CIFAR-10 | `random-dynamic` minus `random-static` | 70 % | +5.00 | +4.75 to +5.25 | 3 | < 0.001 | above |\n",
            // Epsilon-greedy is 0.1, ucb 0.2 wider apart from seed to seed than random-dynamic.
            "| +2.00 to +4.50 | +1.75 to +5.00 | 3 | 4 / 0 of 4 | supported |\n",
            // Only ucb is above -1 point: t = 0.5 / 0.0577 = 8.66, p = 1 - 8.66 / sqrt(77) = 0.0131.
            "| 50 % | −5.00 to −0.50 | −5.25 to −0.25 | 3 | 1 / 2 of 3 | supported |\n",
            "\n| CIFAR-10 | `ucb` at 2.00× the speed minus `full` | 50 % | −0.50 | −0.75 to −0.25 | 3 | 0.013 | above −1.00 |\n",
            "\n| CIFAR-10 | `random-dynamic` at 2.00× the speed minus `full` | 50 % | −5.00 | −5.25 to −4.75 | 3 | < 0.001 | below −1.00 |\n",
            "\n| CIFAR-10 | `random-dynamic` minus `full-short` | 50 % | −1.00 | −1.25 to −0.75 | 3 | 0.007 | below |\n",
            "\n| A8 | CIFAR-10 | ucb minus the static set that it kept most | 50 to 70 % | +6.50 | +6.25 to +6.75 | 3 | 2 / 0 of 2 | supported |\n",
            // Below for random-dynamic, above for epsilon-greedy (1 point: t = 8.66, p = 0.0131, doubled by Holm) and ucb.
            "\n| control | CIFAR-10 | dynamic methods minus full-short | 50 to 70 % | −1.00 to +3.50 | −1.25 to +3.75 | 3 | 4 / 2 of 6 | supported (somewhere) |\n",
            // Beside A8.
            "\n| CIFAR-10 | `random-dynamic` minus `random-static` | 50 % | +5.00 | +4.75 to +5.25 | 3 | < 0.001 | above |\n",
            // The same sets in all runs have no spread.
            "| 60.0 % | 60.0 % to 60.0 % | 3 | 0 / 0 of 4 | undecided |\n",
            "\n| CIFAR-10 | `ucb` | 50 % | 60.0 % | 60.0 % to 60.0 % | 3 |  | undecided (no spread) |\n",
            "\n| CIFAR-10 | `ucb`, of all samples | 50 % | 3.0 % | 3.0 % to 3.0 % | 3 |  |  |\n",
            // 0 and 1 of 0, 1, 2 and 4.
            "\n| CIFAR-10 | `ucb`, first and last set | 70 % | 50.0 % | 50.0 % to 50.0 % | 3 |  |  |\n",
        ],
    );
    has(
        &csv,
        &["\nA6,cifar10,,,,,,,,,,,\"full, forget, el2n@10, grand@10\",supported (run here)\n"],
    );
    let line = csv.lines().find(|line| line.starts_with("A5,cifar10,`ucb` minus"));
    let cells: Vec<&str> = line.unwrap().split(',').collect();
    assert_eq!(
        (cells[3], cells[4], cells[5], cells[11]),
        ("0.5", "percentage points", "3", "true")
    );
    // Four tests with p = 0.0024 for ucb (t = 4.5 / 0.1155 = 38.97: p = 0.000658) and 0.000832 for epsilon-greedy: Holm leaves
    // 4 * 0.000658 for the smallest.
    let p: f64 = cells[9].parse().unwrap();
    assert!((p - 4.0 * 0.000_657_9).abs() < 1e-6, "{p}");
}

#[test]
fn seeds_that_disagree_decide_nothing() {
    let page = claims(3, 20.0).page("scoreboard");
    has(
        &page,
        &[
            "| 3 | 0 / 0 of 4 | undecided |\n",
            "| 50 % | −5.00 to −0.50 | −102.37 to +96.37 | 3 | 0 / 0 of 3 | undecided |",
        ],
    );
}

#[test]
fn a_failing_claim_is_said_to_fail_at_its_scale_beside_published_numbers() {
    let mut case = claims(3, 0.1);
    case.edit("ucb", 0.7, |run| run.test_accuracy_last -= 0.2);
    for s in [0.5, 0.7] {
        case.edit("ucb", s, |run| run.scoring_flops = 0.0);
        for label in ["random-dynamic", "epsilon-greedy", "ucb"] {
            case.edit(label, s, |run| run.test_accuracy_last -= 0.3);
        }
    }
    let (page, _) = case.texts("scoreboard", "laptop");
    has(
        &page,
        &[
            // One comparison against it is enough.
            "| 3 | 3 / 1 of 4 | not supported at this scale |\n",
            "\n| A3 | CIFAR-10 | dynamic random minus static random | +0.2 | +1.2 | +2.8 |\n",
            "\n| A5 | CIFAR-10 | epsilon-greedy minus dynamic random | +0.4 | +0.4 | +1.1 |\n",
            "\n| A5 | CIFAR-10 | UCB minus dynamic random | +0.5 | +0.2 | +0.9 |\n",
            "\n| A7 | CIFAR-10 | UCB minus full data |  | −0.9 | −1.7 |\n",
            "saved 36.4 % of the time, of 40 % claimed, at a test accuracy of 95.30 % against 95.47 % of full data.",
        ],
    );
    let (full, _) = case.texts("scoreboard", "paper");
    has(&full, &["| not supported |\n"]);
    has_not(&full, &["at this scale"]);
    has_not(&claims(3, 0.1).page("scoreboard"), &["junia3", "dynamic random minus"]);
}

#[test]
fn what_was_not_run_has_no_result() {
    let mut case = Case::default();
    case.add("digits", "full", 0.0, &[97.0])
        .add("digits", "random-static", 0.3, &[90.0])
        .add("digits", "random-dynamic", 0.3, &[92.0])
        .add("digits", "ucb", 0.3, &[91.0])
        .add("cifar100", "full", 0.0, &[97.0]);
    case.runs.retain(|run| run.dataset == "digits");
    let page = case.page("scoreboard");
    has(
        &page,
        &[
            "|  |  |  |  |  | no result (no run on static scores) |\n",
            "\n| A3 | digits | random-dynamic minus each static method | 30 % | +2.00 | none | 1 | 0 / 0 of 1 | no result (no run on static scores) |\n",
            "no result (no kept sets are recorded) |\n",
            "| 30 % | −1.00 | none | 1 | 0 / 0 of 1 | undecided (n = 1) |\n",
            "| full |  |  |  | no result (neither CIFAR-10 nor CIFAR-100) |\n",
            // Nothing was pruned by half.
            "| 30 % | −6.00 to −5.00 | none | 1 | 0 / 0 of 2 | undecided (no run at 2×) |\n",
            "no result (no run on a set of most-kept samples) |\n",
            "no result (no run of full-short) |\n",
            "**No run on CIFAR-100 has a result yet: nothing is said of it.**",
        ],
    );
    // Without full data nothing is relative to it.
    case.runs.retain(|run| run.method != "full");
    has(&case.page("scoreboard"), &["no result (no run on full data) |\n"]);
}

#[test]
fn a_method_without_runs_leaves_its_claim_open() {
    let mut case = claims(3, 0.1);
    case.runs
        .retain(|run| run.method != "epsilon-greedy" && run.method_label != "grand@10");
    let page = case.page("scoreboard");
    has(
        &page,
        &[
            "| 3 | 2 / 0 of 2 | undecided (no result of epsilon-greedy) |\n",
            "| 3 | 3 / 0 of 3 | undecided (no result of grand@10) |\n",
            "| full, forget, el2n@10 |  |  |  | no result (without grand) |\n",
        ],
    );
}

#[test]
fn the_same_rows_give_the_same_tables_in_any_order() {
    let mut case = claims(3, 0.1);
    for kind in ["accuracy-table", "time-table", "scoreboard"] {
        let before = case.texts(kind, "laptop");
        case.runs.reverse();
        case.epochs.reverse();
        case.history.selections.reverse();
        assert_eq!(case.texts(kind, "laptop"), before, "{kind}");
    }
}

/// The tables below a plot of accuracies: all comparisons of the figure are one family.
#[test]
fn methods_are_compared_with_full_data_on_a_shortened_schedule() {
    let mut case = Case::default();
    case.add("cifar10", "full", 0.0, &[80.0, 80.0, 80.0])
        .add("cifar10", "full-short", 0.5, &[76.0, 76.0, 76.0])
        .add("cifar10", "random-static", 0.5, &[70.0, 70.0, 70.0])
        .add("cifar10", "ucb", 0.5, &[77.9, 78.0, 78.1]);
    let docs = tempfile::tempdir().unwrap();
    let files = case.write("accuracy-vs-fraction", "laptop", docs.path()).unwrap();
    let page = fs::read_to_string(files.page).unwrap();
    has(
        &page,
        &[
            "adjusted with Holm's method for the 2 comparisons tested here",
            "CIFAR-10: test accuracy minus that of `random-static`.\n\n| method | s = 50 % |\n|---|---|\n| ucb | +8.00 ± 0.25 (n = 3, p < 0.001), above |\n",
            // t = 2 / 0.0577 = 34.6, p = 0.00083, the larger of two.
            "CIFAR-10: test accuracy minus that of `full-short`.\n\n| method | s = 50 % |\n|---|---|\n\
             | random-static | −6.00 ± 0.00 (n = 3), undecided (no spread) |\n| ucb | +2.00 ± 0.25 (n = 3, p < 0.001), above |\n",
        ],
    );
}
