//! The files of a figure: sizes, contents, repetition, and what is said about runs that are not there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use dynaprune_report::{EpochRow, Error, FIGURES, FigureFiles, FigureInput, Planned, Published, Rendered, RunRow};

use crate::assert_same_bytes;
use crate::made_up::{self, Grid};

struct Case {
    planned: Vec<Planned>,
    runs: Vec<RunRow>,
    epochs: Vec<EpochRow>,
}

impl Case {
    fn laptop(seeds: u64) -> Self {
        let (runs, epochs) = made_up::laptop(seeds);
        Self {
            planned: made_up::planned(&runs),
            runs,
            epochs,
        }
    }

    fn write(&self, kind: &str, profile: &str, docs: &Path) -> Result<FigureFiles, Error> {
        self.render(kind, profile)?.write(docs)
    }

    fn render(&self, kind: &str, profile: &str) -> Result<Rendered, Error> {
        let input = FigureInput {
            id: "fig1",
            kind,
            title: "Accuracy",
            claim: "Dynamic beats static on {dataset}.",
            how_to_read: "Higher is better.",
            profile,
            command: "cargo xtask reproduce fig1 --profile laptop",
            epochs: &self.epochs,
            ..made_up::input(&self.planned, &self.runs)
        };
        input.render()
    }

    fn page(&self, kind: &str) -> String {
        let docs = tempfile::tempdir().unwrap();
        fs::read_to_string(self.write(kind, "laptop", docs.path()).unwrap().page).unwrap()
    }
}

/// Width, height and pixels of an RGB picture.
fn decode(png: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(png).unwrap()))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, pixels)
}

/// Without pruned runs there is no fraction to name.
#[test]
fn full_data_alone_makes_a_figure() {
    let mut case = Case::laptop(1);
    case.runs.retain(|run| run.method == "full");
    case.planned = made_up::planned(&case.runs);
    let docs = tempfile::tempdir().unwrap();
    let files = case.write("accuracy-vs-epoch", "laptop", docs.path()).unwrap();
    let svg = fs::read_to_string(files.svg.unwrap()).unwrap();
    assert!(svg.contains("Full data; each evaluated epoch"), "{svg}");
    assert!(!svg.contains("s = "), "{svg}");
}

#[test]
fn every_kind_gives_a_picture_with_all_its_colours() {
    let case = Case::laptop(2);
    let docs = tempfile::tempdir().unwrap();
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        let files = case.write(kind.name, "laptop", docs.path()).unwrap();
        assert_eq!(
            files.png.as_deref().unwrap(),
            docs.path().join("figures/laptop/fig1.png")
        );
        let (width, height, pixels) = decode(files.png.as_deref().unwrap());
        let svg = fs::read_to_string(files.svg.as_deref().unwrap()).unwrap();
        let logical = format!("<svg width=\"{}\" height=\"{}\" ", width / 2, height / 2);
        assert!(svg.starts_with(&logical), "{}: {}", kind.name, &svg[..80]);

        let colors: BTreeSet<&[u8]> = pixels.chunks_exact(3).collect();
        // Okabe and Ito's blue, orange, vermillion and sky blue, as their paper gives them.
        for color in [[0, 114, 178], [230, 159, 0], [213, 94, 0], [86, 180, 233]] {
            assert!(colors.contains(&color[..]), "{}: {color:?} is missing", kind.name);
        }
        let white = pixels.chunks_exact(3).filter(|pixel| pixel == &[255; 3]).count();
        let share = white as f64 / f64::from(width * height);
        assert!(
            (0.5..0.97).contains(&share),
            "{}: {share} of the picture is white",
            kind.name
        );
        // A margin of white on all sides: nothing is cut off.
        let row = 3 * width as usize;
        let edge = |at: usize| pixels[at..at + 3] == [255; 3];
        assert!(
            (0..row).step_by(3).all(|x| edge(x) && edge(pixels.len() - row + x)),
            "{}",
            kind.name
        );
        assert!(
            (0..pixels.len()).step_by(row).all(|y| edge(y) && edge(y + row - 3)),
            "{}",
            kind.name
        );
    }
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order() {
    let mut case = Case::laptop(2);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        let one = case.write(kind.name, "laptop", folders[0].path()).unwrap();
        case.runs.reverse();
        case.epochs.reverse();
        let other = case.write(kind.name, "laptop", folders[1].path()).unwrap();
        assert_same_bytes(&one, &other);
    }
}

#[test]
fn a_page_says_what_scale_it_is_and_that_it_is_a_reconstruction() {
    let case = Case::laptop(1);
    let docs = tempfile::tempdir().unwrap();
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        let page = |profile| fs::read_to_string(case.write(kind.name, profile, docs.path()).unwrap().page).unwrap();
        let (small, full) = (page("laptop"), page("paper"));
        assert!(small.contains("**Reduced scale.**") && !full.contains("**Reduced scale.**"));
        for page in [small, full] {
            assert!(page.starts_with("# CIFAR-10: accuracy\n"), "{page}");
            assert!(page.contains("Dynamic beats static on CIFAR-10."), "{page}");
            assert!(
                page.contains("\ncargo xtask reproduce fig1 --profile laptop\n"),
                "{page}"
            );
            assert!(
                page.contains("A reconstruction from the abstract of [arXiv 2111.12621]"),
                "{page}"
            );
        }
    }
}

#[test]
fn one_seed_decides_nothing() {
    let page = Case::laptop(1).page("accuracy-vs-fraction");
    assert!(
        page.contains(", undecided (n = 1) |") && !page.contains(", above") && !page.contains("Holm"),
        "{page}"
    );
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_rows() {
    let mut case = Case::laptop(3);
    for run in case
        .runs
        .iter_mut()
        .filter(|run| run.method == "ucb" && run.pruned_fraction == 0.7)
    {
        // The mean is 0.72; t(0.975, 2) = 4.3027, so the half-width is 4.3027 * 0.01 / sqrt(3) = 0.0248.
        run.test_accuracy_last = 0.71 + 0.01 * run.seed as f64;
        run.test_accuracy_best = 0.75;
        run.train_accuracy_last = 0.9912;
        run.samples_seen = 180_000;
        run.total_seconds = 301.0;
    }
    let page = case.page("accuracy-vs-fraction");
    let row = "| CIFAR-10 | ucb | 70 % | 3 | 72.00 ± 2.48 | 75.00 | 99.12 | 18.0 | 301.0 | ";
    assert!(page.contains(row), "{page}");
}

#[test]
fn what_is_near_full_data_is_enlarged_where_something_is_far_below() {
    let picture = |case: &Case| {
        let docs = tempfile::tempdir().unwrap();
        let files = case.write("accuracy-vs-fraction", "laptop", docs.path()).unwrap();
        fs::read_to_string(files.svg.unwrap()).unwrap()
    };
    let mut case = Case::laptop(1);
    for run in &mut case.runs {
        run.test_accuracy_last = 0.8;
    }
    assert!(!picture(&case).contains("CIFAR-10, near full data"));
    let pruned = case.runs.iter_mut().find(|run| run.method == "ucb").unwrap();
    pruned.test_accuracy_last = 0.5;
    assert!(picture(&case).contains("CIFAR-10, near full data"));
    // Where nothing is near it there is nothing to enlarge.
    for run in case.runs.iter_mut().filter(|run| run.method != "full") {
        run.test_accuracy_last = 0.5;
    }
    assert!(!picture(&case).contains("CIFAR-10, near full data"));
}

#[test]
fn how_the_runs_were_made_is_read_from_their_specs() {
    let page = Case::laptop(1).page("accuracy-vs-fraction");
    for row in [
        "| network | resnet18 (width 16), 701,466 parameters |",
        "| data | cifar10: 10,000 training and 10,000 test samples (subset_seed = 0) |",
        "| options: ucb | c = 1.0, first_variance = zero |",
        "| selection: uncertainty, epsilon-greedy, ucb | class_balance = false, scoring = (",
    ] {
        assert!(page.contains(row), "{row} is not in\n{page}");
    }
}

#[test]
fn what_is_unusual_about_the_code_and_the_threads_is_said() {
    let mut case = Case::laptop(1);
    let page = case.page("accuracy-vs-fraction");
    assert!(!page.contains("-dirty") && page.contains("| threads | 2 |"), "{page}");
    case.runs[1].code_version = "0.1.0 (abc-dirty)".to_owned();
    case.runs[1].threads = 0;
    let page = case.page("accuracy-vs-fraction");
    for text in [
        "0.1.0 (abc-dirty) (`-dirty`: with changes that are in no commit; 1 run) |",
        "| threads | 2 / varying |",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
}

#[test]
fn costs_are_relative_only_where_there_is_full_data() {
    let mut case = Case::laptop(1);
    assert!(
        case.page("accuracy-vs-fraction")
            .contains("| relative time | relative operations |")
    );
    case.runs.retain(|run| run.method != "full");
    let page = case.page("accuracy-vs-fraction");
    assert!(
        page.contains("| full epochs | seconds |\n|---|---|---|---|---|---|---|---|---|\n"),
        "{page}"
    );
    assert!(!page.contains("elative time"), "{page}");
}

#[test]
fn a_figure_of_most_kept_samples_waits_for_a_run_on_them() {
    let mut case = Case::laptop(1);
    for run in case.runs.iter_mut().filter(|run| run.method_label == "random-static") {
        (run.method, run.method_label) = ("static".to_owned(), "counts of ucb".to_owned());
    }
    case.planned = made_up::planned(&case.runs);
    case.render("accuracy-vs-fraction", "laptop").unwrap();
    case.runs.retain(|run| run.method_label != "counts of ucb");
    let error = case.render("accuracy-vs-fraction", "laptop").unwrap_err();
    assert!(matches!(error, Error::NothingToCompare { .. }), "{error}");
}

#[test]
fn missing_and_diverged_runs_are_named() {
    let mut case = Case::laptop(2);
    let at = |runs: &[RunRow], method: &str| runs.iter().position(|run| run.method == method).unwrap();
    case.runs.remove(at(&case.runs, "ucb"));
    let index = at(&case.runs, "uncertainty");
    case.runs[index].diverged = true;
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        let docs = tempfile::tempdir().unwrap();
        let rendered = case.render(kind.name, "laptop").unwrap();
        assert_eq!(rendered.missing(), 1);
        let files = rendered.write(docs.path()).unwrap();
        let (page, svg) = (
            fs::read_to_string(files.page).unwrap(),
            fs::read_to_string(files.svg.unwrap()).unwrap(),
        );
        for text in [page, svg] {
            assert!(
                text.contains("No result yet for 1 of 32 planned runs: ucb s = 30 % (seed 0)."),
                "{text}"
            );
            assert!(
                text.contains("Diverged, so not drawn, 1 of 32 planned runs: uncertainty s = 30 % (seed 0)."),
                "{text}"
            );
        }
    }
}

#[test]
fn rows_that_were_not_planned_change_nothing() {
    let mut case = Case::laptop(1);
    let before = case.page("accuracy-vs-fraction");
    let stranger = RunRow {
        run_id: "0123456789abcdef".to_owned(),
        test_accuracy_last: 0.01,
        ..case.runs[0].clone()
    };
    case.runs.push(stranger);
    assert_eq!(case.page("accuracy-vs-fraction"), before);
}

#[test]
fn a_figure_that_cannot_be_drawn_says_why() {
    let docs = tempfile::tempdir().unwrap();
    let mut case = Case::laptop(1);
    let message = case.write("pie", "laptop", docs.path()).unwrap_err().to_string();
    let kinds: Vec<&str> = FIGURES.iter().map(|kind| kind.name).collect();
    let kinds = kinds.join(", ");
    assert!(kinds.starts_with("accuracy-vs-fraction, accuracy-vs-time"), "{kinds}");
    assert_eq!(message, format!("unknown figure kind `pie`, expected one of: {kinds}"));

    case.runs.retain(|run| run.method != "full");
    let error = case.write("accuracy-vs-time", "laptop", docs.path()).unwrap_err();
    assert!(matches!(error, Error::MissingBaseline { .. }), "{error}");

    case.runs.clear();
    let error = case.write("accuracy-vs-epoch", "laptop", docs.path()).unwrap_err();
    assert!(matches!(error, Error::NothingToDraw { planned: 16, .. }), "{error}");
    assert_eq!(
        fs::read_dir(docs.path()).unwrap().count(),
        0,
        "files of failed figures were left"
    );
}

#[test]
fn the_csv_holds_the_points_of_the_plot() {
    let case = Case::laptop(2);
    let docs = tempfile::tempdir().unwrap();
    let lines = |kind: &str| {
        let files = case.write(kind, "laptop", docs.path()).unwrap();
        fs::read_to_string(files.csv)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Full data and five methods at three fractions.
    assert_eq!(lines("accuracy-vs-fraction").len(), 1 + 1 + 5 * 3);
    let full = lines("accuracy-vs-time")
        .into_iter()
        .find(|line| line.contains(",full,"))
        .unwrap();
    assert!(full.ends_with(",1,1"), "{full}");
    // Six curves of 60 epochs at s = 0.7.
    let epochs = lines("accuracy-vs-epoch");
    assert_eq!(epochs.len(), 1 + 6 * 60);
    assert!(
        epochs[1..]
            .iter()
            .all(|line| line.contains(",0.7,") || line.contains(",full,full,0,"))
    );
}

#[test]
fn seconds_of_different_machines_are_said_not_to_compare() {
    let mut case = Case::laptop(1);
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        assert!(
            !case.page(kind.name).contains("Seconds are compared only"),
            "{}",
            kind.name
        );
    }
    for run in &mut case.runs[..3] {
        run.device = "cuda: a made-up card".to_owned();
    }
    case.runs[15].threads = 1;
    case.runs[14].training_seconds = f64::NAN;
    case.runs[14].total_seconds = f64::NAN;
    let docs = tempfile::tempdir().unwrap();
    for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
        let files = case.write(kind.name, "laptop", docs.path()).unwrap();
        let warning = "Seconds are compared only with those of full data on the same machine: there are 3 runs on cuda: a \
                       made-up card (2 threads); 11 runs on cpu: 2 threads of a made-up processor (2 threads); 1 run on \
                       machines that did other work meanwhile, or with scores made on another machine (not timed); 1 run on cpu: 2 threads of a made-up processor \
                       (1 thread). Counted operations compare always.";
        let page = fs::read_to_string(files.page).unwrap();
        assert!(page.contains(&format!("**{warning}**")), "{page}");
        let svg = fs::read_to_string(files.svg.unwrap()).unwrap();
        let shown = svg.contains("Seconds are compared only");
        assert_eq!(shown, kind.name == "accuracy-vs-time", "{}", kind.name);
        if kind.name == "accuracy-vs-time" {
            // Full data is on the card: its seconds compare with those of two runs beside itself, its operations with all.
            let csv = fs::read_to_string(&files.csv).unwrap();
            let columns = |line: &str| line.rsplit(',').map(str::to_owned).take(2).collect::<Vec<_>>();
            let cells: Vec<Vec<String>> = csv.lines().skip(1).map(columns).collect();
            assert_eq!(cells.len(), 16);
            assert!(cells.iter().all(|cell| !cell[0].is_empty()));
            assert_eq!(cells.iter().filter(|cell| !cell[1].is_empty()).count(), 3, "{csv}");
        }
    }
}

#[test]
fn scoring_before_training_is_held_against_static_methods() {
    let (mut runs, epochs) = made_up::rows(&Grid {
        profile: "laptop",
        datasets: &["cifar10"],
        methods: &["full", "random-static", "forget"],
        pruned_fractions: &[0.3, 0.7],
        seeds: 3,
        epochs: 60,
        train_samples: 10_000,
    });
    for run in &mut runs {
        let kept = 1.0 - run.pruned_fraction;
        run.selection_seconds = 0.0;
        (run.training_seconds, run.training_flops) = (100.0 * kept, 1e15 * kept);
        (run.scoring_seconds, run.scoring_flops) = if run.method == "static" {
            // 59, 60 and 61: the ratios have a deviation of 0.01, so a half-width of 4.3027 * 0.01 / sqrt(3).
            (59.0 + run.seed as f64, 0.3e15)
        } else {
            (0.0, 0.0)
        };
    }
    let mut case = Case {
        planned: made_up::planned(&runs),
        runs,
        epochs,
    };
    let page = case.page("accuracy-vs-time");
    for text in [
        "in wall-clock time the mean of 1 of 2 settings is above 1, and 1 are found to cost more, in counted operations 0 of 2 \
         settings cost more.",
        "\n| forget | 30 % | 30 % | 1.30 ± 0.02, more (n = 3) | 1.00, equal |\n",
        "\n| forget | 70 % | 50 % | 0.90 ± 0.02, less (n = 3) | 0.60, less |\n",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(!page.contains("| random-static | 30 % | 0 %"), "{page}");
    // Seconds of one seed decide nothing; nor does full data of another seed compare.
    case.runs.retain(|run| run.seed == 1 || run.method == "full");
    let page = case.page("accuracy-vs-time");
    assert!(
        page.contains("| forget | 30 % | 30 % | 1.30, undecided (n = 1) | 1.00, equal |"),
        "{page}"
    );
    case.runs.retain(|run| run.seed != 1 || run.method != "full");
    let page = case.page("accuracy-vs-time");
    assert!(page.contains("| forget | 30 % | 30 % | ? | 1.00, equal |"), "{page}");
    // Without times there is nothing to say of them.
    let mut untimed = case;
    for run in &mut untimed.runs {
        (run.training_seconds, run.total_seconds) = (f64::NAN, f64::NAN);
    }
    let docs = tempfile::tempdir().unwrap();
    let files = untimed.write("accuracy-vs-time", "laptop", docs.path()).unwrap();
    let svg = fs::read_to_string(files.svg.unwrap()).unwrap();
    assert!(
        svg.contains("Seconds are not drawn") && !svg.contains("wall-clock time"),
        "{svg}"
    );
    let page = untimed.page("accuracy-vs-time");
    for text in [
        "in wall-clock time none compares, in counted operations 0 of 2 settings cost more.",
        "\nNothing here compares in wall-clock time.\n",
        "\n| forget | 30 % | 30 % | ? | 1.00, equal |\n",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(!Case::laptop(1).page("accuracy-vs-time").contains("scoring's share"));
}

#[test]
fn an_agreement_page_has_its_numbers_and_the_published_ones() {
    let scores = made_up::scores(&made_up::SCORES[..5]);
    let mut input = made_up::agreement(&scores, &[0.7, 0.3, 0.5]);
    (input.spearman[0][1], input.spearman[0][2], input.spearman[1][2]) = (0.8512, f64::NAN, -0.0241);
    input.overlaps[0].1[0][1] = 0.625;
    let published = |a: &str, b: &str, spearman| Published {
        a: a.to_owned(),
        b: b.to_owned(),
        spearman,
        source: "BlackHC/data_diet, 200 epochs",
    };
    let found = [
        published("el2n@10", "forget", 0.894),
        published("el2n@10", "nobody's", 0.5),
    ];
    input.published = &found;
    let docs = tempfile::tempdir().unwrap();
    let stem = docs.path().join("figures/agreement-0.5");
    let agreement = input.render(&stem).unwrap();
    assert_eq!(agreement.stale().len(), 5);
    let files = agreement.write().unwrap();
    assert!(agreement.stale().is_empty());
    assert_eq!(files.page, docs.path().join("figures/agreement-0.5.md"));

    let page = fs::read_to_string(&files.page).unwrap();
    for text in [
        "# CIFAR-10: how far scores agree\n\n> **Reduced scale.** This is the `laptop` profile: few samples.",
        "\n| forget | el2n@10 | 0.851 | 0.894 | BlackHC/data_diet, 200 epochs |\n",
        "\n| forget | grand@10 | not defined |  |  |\n",
        "\n| el2n@10 | grand@10 | −0.024 |  |  |\n",
        "\n| score | score | s = 30 % | s = 50 % | s = 70 % |\n|---|---|---|---|---|\n",
        "\n| *chance* | | *0.700* | *0.500* | *0.300* |\n",
        " | 0.625 |\n",
        "\n- **el2n@10**: mean over 3 runs; made up\n",
        "\n```\ndynaprune agreement --made-up\n```\n",
        "*These numbers are made up.*",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(!page.contains("nobody's"), "{page}");

    let csv = fs::read_to_string(&files.csv).unwrap();
    assert_eq!(csv.lines().count(), 1 + 10 * 3);
    assert!(csv.contains("\nforget,el2n@10,0.8512,0.7,0.625,0.3\n"), "{csv}");
    assert!(
        csv.lines().any(|line| line.starts_with("forget,grand@10,,0.3,")),
        "{csv}"
    );

    let (png, svg) = (files.png.unwrap(), files.svg.unwrap());
    let text = fs::read_to_string(&svg).unwrap();
    assert!(text.contains("Overlap of the kept sets at s = 50 %"), "{text}");
    decode(&png);

    let again = input
        .render(&docs.path().join("again/agreement-0.5"))
        .and_then(|agreement| agreement.write())
        .unwrap();
    for (one, other) in [
        (&png, &again.png.unwrap()),
        (&svg, &again.svg.unwrap()),
        (&files.csv, &again.csv),
        (&files.page, &again.page),
    ] {
        assert!(
            fs::read(one).unwrap() == fs::read(other).unwrap(),
            "{} differs",
            one.display()
        );
    }
}

#[test]
fn scores_that_cannot_be_compared_are_refused() {
    let docs = tempfile::tempdir().unwrap();
    let stem = docs.path().join("agreement");
    let scores = made_up::scores(&made_up::SCORES[..3]);
    let mut input = made_up::agreement(&scores, &[0.5]);
    input.overlaps[0].1[2].pop();
    let message = input.render(&stem).unwrap_err().to_string();
    assert_eq!(
        message,
        "cannot draw the agreement of scores: expected 3 rows of 3 numbers in each matrix"
    );
    let message = made_up::agreement(&scores[..1], &[])
        .render(&stem)
        .unwrap_err()
        .to_string();
    assert!(message.ends_with("expected at least 2 scores, found 1"), "{message}");
    assert_eq!(fs::read_dir(docs.path()).unwrap().count(), 0);
}
