//! The runs that recipe and profile ask for together.

use crate::written::{PROFILE, RECIPE, edited, no_table, profile, recipe};
use dynaprune_spec::{Cell, Value, kept};
use proptest::prelude::*;

fn cells(recipe_text: &str, profile_text: &str) -> Vec<Cell> {
    recipe(recipe_text)
        .unwrap()
        .cells(&profile(profile_text).unwrap(), None, &no_table)
        .unwrap()
}

#[test]
fn the_grid_has_full_data_once_for_each_seed() {
    let labels: Vec<String> = cells(RECIPE, PROFILE).iter().map(Cell::label).collect();
    assert_eq!(
        labels[..7],
        [
            "cifar10 full s=0 seed 0",
            "cifar10 random-static s=0.3 seed 0",
            "cifar10 random-dynamic s=0.3 seed 0",
            "cifar10 ucb s=0.3 seed 0",
            "cifar10 random-static s=0.7 seed 0",
            "cifar10 random-dynamic s=0.7 seed 0",
            "cifar10 ucb s=0.7 seed 0",
        ]
    );
    assert_eq!(labels.len(), 14);
    assert_eq!(labels.iter().filter(|label| label.contains(" full ")).count(), 2);
}

#[test]
fn more_seeds_only_add_runs() {
    let (recipe, profile) = (recipe(RECIPE).unwrap(), profile(PROFILE).unwrap());
    let five = recipe.cells(&profile, Some(5), &no_table).unwrap();
    assert_eq!(five.len(), 35);
    assert_eq!(five[..14], recipe.cells(&profile, None, &no_table).unwrap());
}

#[test]
fn options_left_out_are_filled_in() {
    let cells = cells(RECIPE, PROFILE);
    assert_eq!(cells[3].method.options["c"], Value::Float(0.5));
    assert_eq!(cells[3].method.text("first_variance").unwrap(), "zero");
    assert_eq!(cells[2].method.options["redraw"], Value::Text("epoch".to_owned()));
    assert_eq!(cells[0].model.int("width").unwrap(), 16);
    let message = cells[0].model.text("width").unwrap_err().to_string();
    assert_eq!(message, "option `width` of `resnet18`: expected a text, found `16`");
}

/// A profile's data set, subset and fractions come before the recipe's.
#[test]
fn a_profile_replaces_data_and_limits_fractions() {
    let text =
        format!("dataset = \"digits\"\npruned_fractions = [0.1, 0.7]\n{PROFILE}\n[subset]\ntrain_samples = 500\n");
    let cells = cells(&edited(RECIPE, r#"["cifar10"]"#, r#"["cifar10", "cifar100"]"#), &text);
    assert!(
        cells
            .iter()
            .all(|cell| cell.dataset.name == "digits" && cell.dataset.train_samples == Some(500))
    );
    assert!(cells.iter().all(|cell| [0.0, 0.7].contains(&cell.pruned_fraction)));
    assert_eq!(cells.len(), 8);
}

/// A setting that a method does not use is not part of its runs.
#[test]
fn a_cell_holds_what_its_method_uses() {
    let ids = |from, to| {
        cells(RECIPE, &edited(PROFILE, from, to))
            .iter()
            .map(Cell::id)
            .collect::<Vec<_>>()
    };
    let changed = |from, to| {
        let methods = ["full", "random-static", "random-dynamic", "ucb"];
        let (old, new) = (ids("seeds = 2", "seeds = 1"), ids(from, to));
        methods
            .into_iter()
            .zip(old.iter().zip(&new))
            .filter(|(_, (a, b))| a != b)
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let period = "selection_period = 5";
    assert_eq!(changed(period, "selection_period = 4"), ["ucb"]);
    assert_eq!(changed(period, "selection_period = 5\nema_weight = 0.5"), ["ucb"]);
    assert_eq!(changed(period, "selection_period = 5\nscore = \"el2n\""), ["ucb"]);
    assert_eq!(
        changed(period, "selection_period = 5\nclass_balance = true"),
        ["random-static", "random-dynamic", "ucb"]
    );

    let by_period = edited(
        RECIPE,
        r#""random-dynamic""#,
        r#"{ name = "random-dynamic", redraw = "period" }"#,
    );
    let period_of = |period: &str| cells(&by_period, &edited(PROFILE, "selection_period = 5", period))[2].id();
    assert_ne!(period_of("selection_period = 5"), period_of("selection_period = 4"));
}

/// K = round((1 - s) N), by hand; halves go up.
#[test]
fn kept_rounds_as_documented() {
    for (samples, pruned_fraction, expected) in [
        (50_000, 0.0, 50_000),
        (50_000, 0.7, 15_000),
        (50_000, 0.9, 5_000),
        (1_437, 0.3, 1_006),
        (10, 0.7, 3),
        (5, 0.1, 5),
        (5, 0.3, 4),
        (1_005, 0.7, 302),
        (1, 0.6, 0),
        (1, 0.5, 1),
    ] {
        assert_eq!(
            kept(samples, pruned_fraction),
            expected,
            "N = {samples}, s = {pruned_fraction}"
        );
    }
}

proptest! {
    /// Against integer arithmetic, for fractions of whole per mille.
    #[test]
    fn kept_agrees_with_integers(samples in 0usize..10_000_000, per_mille in 0usize..1000) {
        let exact = ((1000 - per_mille) * samples * 2 + 1000) / 2000;
        prop_assert_eq!(kept(samples, per_mille as f64 / 1000.0), exact);
    }
}
