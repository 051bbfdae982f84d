//! Writes results and figures of made-up numbers, to see what plots and pages look like.
//!
//! ```text
//! cargo run --release -p dynaprune-report --example made_up_figures -- FOLDER
//! ```

#[path = "../tests/report/made_up/mod.rs"]
mod made_up;

use std::path::Path;

use dynaprune_report::{Error, FigureInput, Planned, Results, RunRow, RunRows};
use made_up::{Grid, MAIN_METHODS, settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder to write to")?;
    let folder = Path::new(&folder);
    let nine: Vec<f64> = (1..=9).map(|tenths| f64::from(tenths) / 10.0).collect();
    let grid = |profile, datasets, methods, pruned_fractions, seeds, epochs, train_samples| Grid {
        profile,
        datasets,
        methods,
        pruned_fractions,
        seeds,
        epochs,
        train_samples,
    };
    let three = &[0.3, 0.5, 0.7][..];
    let all = &[
        "full",
        "random-static",
        "forget",
        "el2n@10",
        "grand@10",
        "random-dynamic",
        "uncertainty",
        "epsilon-greedy",
        "ucb",
    ][..];
    let grids = [
        grid("smoke", &["digits"][..], MAIN_METHODS, three, 2, 20, 1_000),
        grid("laptop", &["cifar10"], MAIN_METHODS, three, 1, 60, 10_000),
        grid("fast", &["cifar10"], MAIN_METHODS, three, 3, 60, 10_000),
        grid("paper", &["cifar10", "cifar100"], all, &nine, 3, 200, 50_000),
    ];
    for grid in &grids {
        let (mut runs, epochs) = made_up::rows(grid);
        let planned = made_up::history::planned(&runs);
        // At full scale a few kept sets are enough to see.
        let is_shown = |s: f64, seed| grid.profile != "paper" || ([0.5, 0.7].contains(&s) && seed < 2);
        let of_history = |run: &&RunRow| is_shown(run.pruned_fraction, run.seed);
        let mut history = made_up::history::history(&runs.iter().filter(of_history).cloned().collect::<Vec<_>>());
        let shown = planned.iter().filter(|run| is_shown(run.pruned_fraction, run.seed));
        let shown: Vec<Planned> = shown.cloned().collect();
        if grid.profile == "fast" {
            // Two runs are missing and one diverged.
            runs.drain(7..9);
            runs[12].diverged = true;
            // And this machine has no data set.
            history.images.clear();
        }
        Results::new(&folder.join("results"), grid.profile).add(&RunRows {
            runs: runs.clone(),
            epochs: epochs.clone(),
            ..RunRows::default()
        })?;
        let on_runs = made_up::FIGURES.iter().map(|figure| (figure, &planned));
        let on_samples = made_up::history::FIGURES.iter().map(|figure| (figure, &shown));
        for ((id, kind, title), planned) in on_runs.chain(on_samples) {
            let command = format!("cargo xtask reproduce {id} --profile {}", grid.profile);
            let input = FigureInput {
                id,
                kind,
                title,
                claim: "Made up.",
                how_to_read: "Higher is better. *These numbers are made up.*",
                profile: grid.profile,
                profile_summary: "made-up numbers",
                command: &command,
                epochs: &epochs,
                history: &history,
                ..made_up::input(planned, &runs)
            };
            println!("{}", input.write(&folder.join("docs"))?.page.display());
        }
    }
    for seeds in [1, 3] {
        let id = |name: &str| format!("{name}-n{seeds}");
        let one = &["cifar10"][..];
        let two = &["cifar10", "cifar100"][..];
        let write =
            |id: &str, kind, axes: &[&str], missing: usize, (planned, mut runs): (Vec<Planned>, Vec<RunRow>)| {
                // Every so many runs there is one without a result.
                let mut index = 0;
                runs.retain(|run| (index += 1, missing == 0 || run.method == "full" || index % missing != 0).1);
                let axes: Vec<String> = axes.iter().map(|&axis| axis.to_owned()).collect();
                let input = FigureInput {
                    id,
                    kind,
                    claim: "Made up.",
                    how_to_read: "*These numbers are made up.*",
                    axes: &axes,
                    profile_summary: "made-up numbers",
                    command: "cargo xtask reproduce",
                    ..made_up::input(&planned, &runs)
                };
                let files = input.write(&folder.join("docs"))?;
                println!("{}", files.page.display());
                Ok::<(), Error>(())
            };
        let (setting, heat_map) = ("accuracy-vs-setting", "accuracy-heat-map");
        write(
            &id("fig5"),
            "cost-breakdown",
            &[],
            0,
            settings::costs(one, three, seeds),
        )?;
        write(
            &id("fig5-two"),
            "cost-breakdown",
            &[],
            7,
            settings::costs(two, three, seeds),
        )?;
        let (planned, mut runs) = settings::costs(one, three, seeds);
        for run in runs.iter_mut().filter(|run| run.method == "static" || seeds > 1) {
            run.device = "cuda: a made-up card".to_owned();
        }
        for run in runs.iter_mut().filter(|run| run.method != "static" && seeds > 1) {
            run.training_seconds = f64::NAN;
        }
        write(&id("fig5-machines"), "cost-breakdown", &[], 0, (planned, runs))?;
        write(
            &id("fig10"),
            setting,
            &["selection_period"],
            0,
            settings::periods(one, seeds),
        )?;
        write(
            &id("fig10-two"),
            setting,
            &["selection_period"],
            5,
            settings::periods(two, seeds),
        )?;
        write(&id("fig11"), setting, &["epsilon"], 0, settings::epsilons(one, seeds))?;
        write(
            &id("fig12"),
            heat_map,
            &["c", "ema_weight"],
            0,
            settings::weights(one, seeds),
        )?;
        write(
            &id("fig12-two"),
            heat_map,
            &["c", "ema_weight"],
            5,
            settings::weights(two, seeds),
        )?;
    }
    for (name, labels) in [
        ("agreement", &made_up::SCORES[..5]),
        ("agreement-of-nine", made_up::SCORES),
    ] {
        let scores = made_up::scores(labels);
        let stem = folder.join("docs/figures/laptop").join(name);
        let files = made_up::agreement(&scores, three).render(&stem)?.write()?;
        println!("{}", files.page.display());
    }
    Ok(())
}
