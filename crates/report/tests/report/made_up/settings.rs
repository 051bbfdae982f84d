//! Made-up runs of a method with several values of its settings, beside the methods that are compared with it.

use dynaprune_report::{Planned, RunRow, Setting};

use super::Grid;

/// A method whose settings take several values, and what is made up for all combinations of them.
pub(crate) struct Ablation<'a> {
    pub(crate) datasets: &'a [&'a str],
    pub(crate) method: &'a str,
    /// Settings and their values; the first value is the default, which labels leave out.
    pub(crate) settings: &'a [(&'a str, &'a [Setting])],
    pub(crate) pruned_fractions: &'a [f64],
    pub(crate) seeds: u64,
}

/// Methods without the settings.
pub(crate) const REFERENCES: &[&str] = &["full", "full-short", "random-static", "random-dynamic"];

pub(crate) fn numbers(values: &[f64]) -> Vec<Setting> {
    values.iter().copied().map(Setting::Number).collect()
}

pub(crate) fn words(values: &[&str]) -> Vec<Setting> {
    values.iter().map(|word| Setting::Word((*word).to_owned())).collect()
}

/// The plan and the results of all its runs.
pub(crate) fn ablation(ablation: &Ablation) -> (Vec<Planned>, Vec<RunRow>) {
    let rows = |methods: &[&str]| {
        let grid = Grid {
            profile: "laptop",
            datasets: ablation.datasets,
            methods,
            pruned_fractions: ablation.pruned_fractions,
            seeds: ablation.seeds,
            epochs: 10,
            train_samples: 10_000,
        };
        super::rows(&grid).0
    };
    let mut runs = rows(REFERENCES);
    let mut planned = super::planned(&runs);
    for combination in combinations(ablation.settings) {
        let mut label = ablation.method.to_owned();
        for ((name, values), value) in ablation.settings.iter().zip(&combination) {
            if *value != values[0] {
                label += &format!(" {name}={value}");
            }
        }
        for mut run in rows(&[&label]) {
            // A setting has its best value somewhere in the middle, and each selection costs a forward pass.
            let from_best = combination.iter().map(|value| match value {
                Setting::Number(value) => (value - 0.6).abs().min(4.0),
                Setting::Word(_) => 0.2,
            });
            run.test_accuracy_last -= 0.02 * from_best.sum::<f64>();
            run.test_accuracy_best = run.test_accuracy_last + 0.004;
            let number = |wanted: &str| {
                let index = ablation.settings.iter().position(|(name, _)| *name == wanted)?;
                match combination[index] {
                    Setting::Number(value) => Some(value),
                    Setting::Word(_) => None,
                }
            };
            let is_free = combination.contains(&Setting::Word("training".to_owned()));
            let period = number("selection_period").unwrap_or(5.0);
            run.scoring_flops = if is_free {
                0.0
            } else {
                0.21e9 * 10_000.0 * 10.0 / 3.0 / period
            };
            let mut plan = super::planned(std::slice::from_ref(&run));
            for plan in &mut plan {
                let settings = ablation.settings.iter().zip(&combination);
                plan.settings = settings
                    .map(|((name, _), value)| ((*name).to_owned(), value.clone()))
                    .collect();
            }
            planned.extend(plan);
            runs.push(run);
        }
    }
    (planned, runs)
}

/// One value of each setting, the last setting's fastest.
fn combinations(settings: &[(&str, &[Setting])]) -> Vec<Vec<Setting>> {
    let mut all = vec![Vec::new()];
    for (_, values) in settings {
        let longer = all.iter().flat_map(|start: &Vec<Setting>| {
            values.iter().map(move |value| {
                let mut longer = start.clone();
                longer.push(value.clone());
                longer
            })
        });
        all = longer.collect();
    }
    all
}

/// As in the recipe of figure 10.
pub(crate) fn periods(datasets: &[&str], seeds: u64) -> (Vec<Planned>, Vec<RunRow>) {
    ablation(&Ablation {
        datasets,
        method: "ucb",
        settings: &[
            ("score_source", &words(&["forward-pass", "training"])),
            ("selection_period", &numbers(&[5.0, 1.0, 2.0, 10.0, 20.0, 50.0])),
        ],
        pruned_fractions: &[0.7],
        seeds,
    })
}

/// As in the recipe of figure 11.
pub(crate) fn epsilons(datasets: &[&str], seeds: u64) -> (Vec<Planned>, Vec<RunRow>) {
    ablation(&Ablation {
        datasets,
        method: "epsilon-greedy",
        settings: &[("epsilon", &numbers(&[0.1, 0.0, 0.05, 0.2, 0.5, 1.0]))],
        pruned_fractions: &[0.7],
        seeds,
    })
}

/// As in the recipe of figure 12.
pub(crate) fn weights(datasets: &[&str], seeds: u64) -> (Vec<Planned>, Vec<RunRow>) {
    ablation(&Ablation {
        datasets,
        method: "ucb",
        settings: &[
            ("c", &numbers(&[1.0, 0.0, 3.0])),
            ("ema_weight", &numbers(&[0.8, 0.2, 0.5, 1.0])),
        ],
        pruned_fractions: &[0.7],
        seeds,
    })
}

/// The methods of figure 5, static scores as dear as ten scoring runs make them.
pub(crate) fn costs(datasets: &[&str], pruned_fractions: &[f64], seeds: u64) -> (Vec<Planned>, Vec<RunRow>) {
    let methods = [
        "full",
        "full-short",
        "random-static",
        "forget",
        "el2n@10",
        "grand@10",
        "random-dynamic",
        "uncertainty",
        "epsilon-greedy",
        "ucb",
    ];
    let (mut runs, _) = super::rows(&Grid {
        profile: "laptop",
        datasets,
        methods: &methods,
        pruned_fractions,
        seeds,
        epochs: 10,
        train_samples: 10_000,
    });
    for run in &mut runs {
        let full = run.training_flops / run.kept_samples as f64 * run.train_samples as f64;
        let (seconds, kept) = (90.0, run.kept_samples as f64 / run.train_samples as f64);
        let scoring = match run.method_label.as_str() {
            "forget" => 5.0,
            "el2n@10" => 1.0,
            "grand@10" => 1.3,
            "uncertainty" | "epsilon-greedy" | "ucb" => 0.07,
            _ => 0.0,
        };
        run.scoring_flops = scoring * full;
        run.scoring_seconds = 1.1 * scoring * seconds;
        run.training_seconds = kept * seconds * (1.0 + 0.01 * run.seed as f64);
        run.evaluation_flops = 0.06 * full;
        run.evaluation_seconds = 0.08 * seconds;
        run.selection_seconds = if scoring == 0.07 { 0.4 } else { 0.0 };
    }
    (super::planned(&runs), runs)
}
