//! Figures over the settings of methods and over the parts of their cost: numbers, statements, errors.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use dynaprune_report::{Error, FigureFiles, FigureInput, Planned, RunRow, Setting};

use crate::made_up::settings::{costs, epsilons, periods, weights};
use crate::{assert_same_bytes, made_up};

struct Case {
    kind: &'static str,
    axes: &'static [&'static str],
    planned: Vec<Planned>,
    runs: Vec<RunRow>,
}

impl Case {
    fn new(kind: &'static str, axes: &'static [&'static str], (planned, runs): (Vec<Planned>, Vec<RunRow>)) -> Self {
        Self {
            kind,
            axes,
            planned,
            runs,
        }
    }

    fn write(&self, docs: &Path) -> Result<FigureFiles, Error> {
        let axes: Vec<String> = self.axes.iter().map(|&axis| axis.to_owned()).collect();
        let input = FigureInput {
            kind: self.kind,
            title: "Costs",
            axes: &axes,
            command: "cargo xtask reproduce fig",
            ..made_up::input(&self.planned, &self.runs)
        };
        input.write(docs)
    }

    /// Page, CSV and SVG.
    fn texts(&self) -> [String; 3] {
        let docs = tempfile::tempdir().unwrap();
        let files = self.write(docs.path()).unwrap();
        [files.page, files.csv, files.svg.unwrap()].map(|path| fs::read_to_string(path).unwrap())
    }

    fn error(&self) -> String {
        let docs = tempfile::tempdir().unwrap();
        let error = self.write(docs.path()).unwrap_err();
        assert_eq!(fs::read_dir(docs.path()).unwrap().count(), 0);
        error.to_string()
    }

    /// Sets the accuracies of the runs with this label, in percent, by seed.
    fn set(&mut self, label: &str, accuracies: &[f64]) {
        let runs = self.runs.iter_mut().filter(|run| run.method_label == label);
        let mut set = 0;
        for run in runs {
            run.test_accuracy_last = accuracies[run.seed as usize] / 100.0;
            set += 1;
        }
        assert_eq!(set, accuracies.len(), "{label}");
    }
}

fn check(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

fn all() -> [Case; 4] {
    let two = &["cifar10", "cifar100"];
    [
        Case::new("cost-breakdown", &[], costs(two, &[0.3, 0.7], 2)),
        Case::new("accuracy-vs-setting", &["selection_period"], periods(two, 2)),
        Case::new("accuracy-vs-setting", &["epsilon"], epsilons(two, 2)),
        Case::new("accuracy-heat-map", &["c", "ema_weight"], weights(two, 2)),
    ]
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order() {
    for mut case in all() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let one = case.write(folders[0].path()).unwrap();
        case.runs.reverse();
        let other = case.write(folders[1].path()).unwrap();
        assert_same_bytes(&one, &other);
    }
}

#[test]
fn pictures_have_their_colours_and_a_margin() {
    let expected: [&[[u8; 3]]; 4] = [
        // Training, scoring, evaluation.
        &[[0x3d, 0x6a, 0x94], [0xe8, 0x9c, 0x3c], [0xd6, 0xd6, 0xd6]],
        // Okabe and Ito's vermillion (ucb) and blue (random-dynamic); full data.
        &[[213, 94, 0], [0, 114, 178], [0, 0, 0]],
        &[[230, 159, 0], [0, 114, 178], [0, 0, 0]],
        &[],
    ];
    for (case, expected) in all().iter().zip(expected) {
        let docs = tempfile::tempdir().unwrap();
        let png = case.write(docs.path()).unwrap().png.unwrap();
        let mut reader = png::Decoder::new(BufReader::new(File::open(png).unwrap()))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let width = reader.next_frame(&mut pixels).unwrap().width as usize;
        let colors: BTreeSet<&[u8]> = pixels.chunks_exact(3).collect();
        for color in expected {
            assert!(colors.contains(&color[..]), "{}: {color:?} is missing", case.kind);
        }
        let white = |from: usize, step: usize| {
            let pixels = pixels[from..].chunks_exact(3).step_by(step);
            pixels.take(width).all(|pixel| pixel == [255; 3])
        };
        let right = 3 * (width - 1);
        assert!(white(0, 1) && white(pixels.len() - 3 * width, 1), "{}", case.kind);
        assert!(white(0, width) && white(right, width), "{}", case.kind);
    }
}

#[test]
fn axes_that_cannot_be_drawn_are_refused() {
    let case = |axes| Case::new("accuracy-vs-setting", axes, periods(&["cifar10"], 1)).error();
    assert_eq!(case(&[]), "cannot draw `fig`: expected 1 setting in `axes`, found 0");
    assert_eq!(
        case(&["selection_period", "c"]),
        "cannot draw `fig`: expected 1 setting in `axes`, found 2"
    );
    assert_eq!(
        case(&["score_source"]),
        "cannot draw `fig`: expected the setting `score_source` in `axes` to be a number, found `forward-pass` for `ucb`"
    );
    assert_eq!(
        case(&["epsilon"]),
        "cannot draw `fig`: expected a planned run with `epsilon`, found only: score_source, selection_period"
    );

    let mut case = Case::new("accuracy-heat-map", &["c"], weights(&["cifar10"], 1));
    assert_eq!(
        case.error(),
        "cannot draw `fig`: expected 2 settings in `axes`, found 1"
    );
    case.axes = &["c", "ema_weight"];
    for planned in &mut case.planned {
        planned.settings.clear();
    }
    assert_eq!(
        case.error(),
        "cannot draw `fig`: expected a planned run with `c` and `ema_weight`, found only: no settings at all"
    );
}

#[test]
fn figures_relative_to_full_data_need_it() {
    for mut case in all().into_iter().take(3) {
        case.runs.retain(|run| run.method != "full");
        let error = case.error();
        assert!(error.contains("no run of method `full` on `cifar10`"), "{error}");
    }
}

#[test]
fn accuracies_stand_at_their_values() {
    let mut case = Case::new("accuracy-vs-setting", &["selection_period"], periods(&["cifar10"], 3));
    // t(0.975, 2) = 4.3027; a deviation of 0.1 gives the half-width 4.3027 * 0.1 / sqrt(3) = 0.25.
    case.set("random-dynamic", &[69.0, 69.0, 69.0]);
    case.set("ucb", &[70.9, 71.0, 71.1]);
    case.set("ucb selection_period=2", &[68.0, 70.0, 69.0]);
    case.set("ucb score_source=training selection_period=20", &[68.9, 68.8, 68.7]);
    // Half of these have no result.
    case.runs
        .retain(|run| run.method_label != "ucb selection_period=1" || run.seed == 1);
    case.set_one("ucb selection_period=1", 64.5);
    case.runs
        .retain(|run| run.method_label != "ucb score_source=training selection_period=50");
    let [page, csv, svg] = case.texts();
    check(
        &page,
        &[
            "\n| selection_period | ucb score_source=forward-pass | ucb score_source=training |\n|---|---|---|\n| 1 | 64.50; 0.63 | ",
            // Training on 0.3 of the data, and a forward pass (a third of an epoch) every five epochs.
            "\n| 5 | 71.00 ± 0.25; 0.37 | ",
            "\n| 2 | 69.00 ± 2.48; 0.47 | ",
            " | 68.80 ± 0.25; 0.30 |\n",
            " | no result |\n",
            "\n| *random-dynamic* | 69.00 ± 0.00; 0.30 | 69.00 ± 0.00; 0.30 |\n",
            "\n- Best mean of ucb score_source=forward-pass: selection_period = 5, 71.00 ± 0.25 % (the best of 6, chosen on the \
             test set).\n",
            "a setting is the default: selection_period = 5.",
            "\n| ucb | +2.00 ± 0.25",
            "\n| ucb selection_period=1 | ",
        ],
    );
    assert_eq!(csv.lines().count(), 1 + 4 + 6 + 5);
    check(
        &csv,
        &[
            "\ncifar10,random-dynamic,random-dynamic,random-dynamic,selection_period,,0.7,3,0.69,0,0,",
            "\ncifar10,ucb,ucb score_source=forward-pass,ucb selection_period=1,selection_period,1,0.7,1,0.645,,,",
        ],
    );
    check(
        &svg,
        &[
            "full-short, random-static and random-dynamic cost the same, 0.30: their lines lie on each other.",
            "selection_period (epochs from one selection to the next)",
            "n = 1 to 3 seeds",
        ],
    );
}

#[test]
fn equal_means_are_all_named_and_what_is_not_planned_is_no_gap() {
    let mut case = Case::new("accuracy-vs-setting", &["selection_period"], periods(&["cifar10"], 1));
    for label in ["ucb", "ucb selection_period=2"] {
        case.set_one(label, 99.0);
    }
    let unplanned = "ucb score_source=training selection_period=50";
    case.planned.retain(|run| run.method_label != unplanned);
    let missing = "ucb score_source=training selection_period=20";
    case.runs.retain(|run| run.method_label != missing);
    let [page, ..] = case.texts();
    check(
        &page,
        &[
            "\n- Best mean of ucb score_source=forward-pass, equal at 2 of 6 values: selection_period = 2, 99.00 %; \
             selection_period = 5, 99.00 % (chosen on the test set; n = 1).\n",
        ],
    );
    let row = |value: &str| {
        let mut rows = page.lines().filter(|line| line.starts_with(&format!("| {value} | ")));
        rows.next().unwrap().to_owned()
    };
    assert!(row("20").ends_with(" | no result |"), "{}", row("20"));
    assert!(row("50").ends_with(" |  |"), "{}", row("50"));
}

#[test]
fn cells_of_a_heat_map_that_are_not_planned_are_no_gaps() {
    let mut case = Case::new("accuracy-heat-map", &["c", "ema_weight"], weights(&["cifar10"], 1));
    case.planned.retain(|run| run.method_label != "ucb c=3 ema_weight=1");
    let [page, _, svg] = case.texts();
    assert!(page.contains(" |  |\n") && !page.contains("no result"), "{page}");
    check(&svg, &["Grey cells: not planned, or no result; the page says which."]);
}

impl Case {
    /// Sets the accuracy of all runs with this label, in percent.
    fn set_one(&mut self, label: &str, accuracy: f64) {
        for run in self.runs.iter_mut().filter(|run| run.method_label == label) {
            run.test_accuracy_last = accuracy / 100.0;
        }
    }
}

/// A method that has the setting at one value only is a point, not a line across.
#[test]
fn one_value_is_a_series_too() {
    let mut case = Case::new("accuracy-vs-setting", &["selection_period"], periods(&["cifar10"], 1));
    let rename = |name: &str| if name == "random-static" { "uncertainty" } else { name }.to_owned();
    for planned in &mut case.planned {
        planned.method = rename(&planned.method);
        if planned.method == "uncertainty" {
            planned.method_label = rename(&planned.method_label);
            planned
                .settings
                .insert("selection_period".to_owned(), Setting::Number(5.0));
        }
    }
    let [page, csv, _] = case.texts();
    check(
        &page,
        &["\n| selection_period | uncertainty | ucb score_source=forward-pass |"],
    );
    check(
        &csv,
        &["\ncifar10,uncertainty,uncertainty,uncertainty,selection_period,5,0.7,"],
    );
}

#[test]
fn a_heat_map_shows_means_and_gaps() {
    let mut case = Case::new("accuracy-heat-map", &["c", "ema_weight"], weights(&["cifar10"], 3));
    case.set("ucb", &[70.9, 71.0, 71.1]);
    case.set("ucb c=0 ema_weight=0.2", &[50.0, 51.0, 52.0]);
    case.runs.retain(|run| run.method_label != "ucb c=3 ema_weight=1");
    let [page, csv, svg] = case.texts();
    check(
        &page,
        &[
            "\n| ema_weight \\ c | 0 | 1 | 3 |\n|---|---|---|---|\n| 0.2 | 51.00 ± 2.48 | ",
            " | no result |\n",
            "The means of 11 cells reach from 51.00 ± 2.48 % at c = 0, ema_weight = 0.2 to 71.00 ± 0.25 % at c = 1, \
             ema_weight = 0.8; the best was chosen on the test set.",
            "a setting is the default: c = 1, ema_weight = 0.8.",
            "\n| ucb c=0 ema_weight=0.2 | −",
        ],
    );
    check(
        &csv,
        &[
            "\ncifar10,full,full,full,c,,ema_weight,,0,3,",
            "\ncifar10,ucb,ucb,ucb,c,1,ema_weight,0.8,0.7,3,0.71,",
        ],
    );
    assert_eq!(csv.lines().count(), 1 + 4 + 11);
    check(
        &svg,
        &["± 2.48", "Grey cells: no result.", "c (weight of the variance)"],
    );

    case.runs.retain(|run| run.seed == 0);
    let [page, _, svg] = case.texts();
    check(&page, &["undecided (n = 1)"]);
    assert!(!svg.contains('±'), "{svg}");
}

#[test]
fn parts_of_the_cost_add_up_and_static_scoring_is_held_against_full_data() {
    let mut case = Case::new("cost-breakdown", &[], costs(&["cifar10"], &[0.3, 0.7], 1));
    let [page, csv, svg] = case.texts();
    // Forget scores cost 5 full trainings, EL2N 1, GraNd 1.3; a round of scoring 0.07. Seconds of scoring: 1.1 times as many.
    check(
        &page,
        &[
            "- In counted operations, 6 of 18 settings cost more than training on full data: forget at s = 30, 70 %; el2n@10 at \
             s = 30, 70 %; grand@10 at s = 30, 70 %. Without scoring, 0 would.\n",
            "- In seconds nothing is decided of 18 settings.\n",
            "\n| forget | 70 % | 0.30 | 5.30 | more | 0.30 | 5.80 | undecided (n = 1) |\n",
            "\n| full-short | 30 % | 0.70 | 0.70 | less | 0.70 | 0.70 | undecided (n = 1) |\n",
            // 63 s of training, 0.4 s of selection and 6.93 s of scoring, over 90 s.
            "\n| ucb | 30 % | 0.70 | 0.77 | less | 0.70 | 0.78 | undecided (n = 1) |\n",
        ],
    );
    // Full data at one fraction, nine methods at two, four parts each.
    assert_eq!(csv.lines().count(), 1 + 4 * (1 + 9 * 2));
    check(
        &csv,
        &[
            "dataset,method,method_label,pruned_fraction,n,part,flops,relative_flops,seconds,relative_seconds\n\
             cifar10,full,full,0,1,training,21000000000000,1,90,1\n\
             cifar10,full,full,0,1,scoring,0,0,0,0\n",
            "\ncifar10,static,forget,0.7,1,scoring,105000000000000,5,495,5.5\n",
            "\ncifar10,ucb,ucb,0.3,1,selection,0,0,0.4,0.0044444444444444444\n",
        ],
    );
    check(
        &svg,
        &[
            "CIFAR-10: seconds",
            "5.80",
            "selection",
            "Broken bars are longer than drawn.",
        ],
    );

    // On another machine: no seconds to compare.
    for run in case.runs.iter_mut().filter(|run| run.method == "ucb") {
        run.threads = 1;
    }
    let [page, _, svg] = case.texts();
    check(
        &page,
        &[
            "\n| ucb | 30 % | 0.70 | 0.77 | less | ? | ? | ? |\n",
            "- In seconds nothing is decided of 16 settings.\n",
        ],
    );
    check(
        &svg,
        &[
            "?: not timed, or on another machine than full data.",
            "Seconds are compared only",
        ],
    );

    for run in case.runs.iter_mut().filter(|run| run.method != "full") {
        run.training_seconds = f64::NAN;
    }
    let [page, _, svg] = case.texts();
    check(&page, &["- In seconds nothing compares with full data.\n"]);
    check(&svg, &["Seconds are not drawn: no pruned run was timed"]);
    assert!(
        !svg.contains("CIFAR-10: seconds") && !svg.contains("selection<"),
        "{svg}"
    );
}

/// A table of another program need not say what its scores cost: no figure may.
#[test]
fn a_cost_that_nobody_knows_is_not_claimed() {
    for kind in [
        "cost-breakdown",
        "accuracy-vs-time",
        "time-table",
        "accuracy-vs-fraction",
        "scoreboard",
    ] {
        let mut case = Case::new(kind, &[], costs(&["cifar10"], &[0.3, 0.7], 2));
        for run in case.runs.iter_mut().filter(|run| run.method_label == "forget") {
            (run.scoring_flops, run.scoring_seconds, run.total_seconds) = (f64::NAN, f64::NAN, f64::NAN);
        }
        let docs = tempfile::tempdir().unwrap();
        let files = case.write(docs.path()).unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (page, csv) = (read(&files.page), read(&files.csv));
        check(&page, &["What the scores of forget cost is not known"]);
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|letter: char| !letter.is_alphanumeric());
            words
                .filter(|word| ["NaN", "inf"].contains(word))
                .map(str::to_owned)
                .collect()
        };
        assert!(
            words(&page).is_empty() && words(&csv).is_empty(),
            "{kind}: {page}\n{csv}"
        );
        if kind == "accuracy-vs-time" {
            check(&page, &["\n| forget | 70 % | ? | ? | ? |\n"]);
        }
    }
}

#[test]
fn seconds_of_several_seeds_are_tested_against_full_data() {
    let case = Case::new("cost-breakdown", &[], costs(&["cifar10", "cifar100"], &[0.3, 0.7], 3));
    let [page, ..] = case.texts();
    check(
        &page,
        &[
            "- In seconds, 6 of 18 settings cost more than training on full data: forget at s = 30, 70 %; el2n@10 at s = 30, 70 \
             %; grand@10 at s = 30, 70 %.\n",
            // Scoring takes 495 s, full data 90, 90.9 and 91.8 s: 0.3 + 5.5 / (1, 1.01, 1.02), deviation 0.0539; t(0.975, 2) = 4.3027.
            "\n| forget | 70 % | 0.30 | 5.30 | more | 0.30 ± 0.00 | 5.75 ± 0.13 | more (n = 3) |\n",
            "\n| full-short | 30 % | 0.70 | 0.70 | less | 0.70 ± 0.00 | 0.70 ± 0.00 | undecided (no spread, n = 3) |\n",
        ],
    );
}

#[test]
fn bars_that_are_planned_and_missing_are_named() {
    let mut case = Case::new("cost-breakdown", &[], costs(&["cifar10"], &[0.3, 0.7], 1));
    case.runs
        .retain(|run| run.method != "ucb" || run.pruned_fraction != 0.7);
    let [page, _, svg] = case.texts();
    check(
        &page,
        &["No result yet for 1 of 19 planned runs: ucb s = 70 % (seed 0)."],
    );
    // In both rows of panels.
    assert_eq!(svg.matches("no result").count(), 2, "{svg}");
}
