//! Methods that select otherwise than the profile says, and lists that stand for several methods.

use crate::written::{PROFILE, RECIPE, edited, no_table, profile, recipe};
use dynaprune_spec::{Cell, Error, FULL_SHORT, FirstRound, ScoreSource, StaticScores, Value};

const METHODS: &str = "\"full\", \"random-static\", \"random-dynamic\", { name = \"ucb\", c = 0.5 }";

fn cells(methods: &str) -> Result<Vec<Cell>, Error> {
    recipe(&edited(RECIPE, METHODS, methods))?.cells(&profile(PROFILE).unwrap(), Some(1), &no_table)
}

fn message(methods: &str) -> String {
    cells(methods).unwrap_err().to_string()
}

/// The cells at s = 0.3.
fn some(methods: &str) -> Vec<Cell> {
    let mut cells = cells(methods).unwrap();
    cells.retain(|cell| cell.pruned_fraction == 0.3);
    cells
}

#[test]
fn lists_are_grids_with_the_first_one_outermost() {
    let cells = some("{ name = \"ucb\", selection_period = [1, 20], c = [0, 2.5, 7] }");
    let found: Vec<_> = cells
        .iter()
        .map(|cell| (cell.selection.selection_period, cell.method.options["c"].clone()))
        .collect();
    let expected = |period, c| (Some(period), Value::Float(c));
    assert_eq!(
        found,
        [
            expected(1, 0.0),
            expected(1, 2.5),
            expected(1, 7.0),
            expected(20, 0.0),
            expected(20, 2.5),
            expected(20, 7.0)
        ]
    );
    let names = some("{ name = [\"ucb\", \"epsilon-greedy\"], ema_weight = 0.5 }");
    let names: Vec<&str> = names.iter().map(|cell| cell.method.name.as_str()).collect();
    assert_eq!(names, ["ucb", "epsilon-greedy"]);
    assert!(message("{ name = \"ucb\", c = [] }").contains("`c`: expected at least one element"));
}

#[test]
fn a_grid_has_an_end() {
    let list = |i: usize| format!("k{i} = [0, 1]");
    let lists: Vec<String> = (0..64).map(list).collect();
    let message = message(&format!("{{ name = \"ucb\", {} }}", lists.join(", ")));
    assert!(
        message.starts_with("its lists stand for more than 1000 tables\n"),
        "{message}"
    );
}

#[test]
fn what_a_method_says_replaces_what_the_profile_says() {
    let cells = some(
        "\"ucb\", { name = \"ucb\", score_source = \"training\", first_round = \"full\", ema_weight = 0.25, \
         selection_period = 10, class_balance = true }",
    );
    let [usual, own] = cells.as_slice() else { panic!() };
    assert_eq!(usual.selection.selection_period, Some(5));
    let scoring = own.selection.scoring.as_ref().unwrap();
    assert_eq!(own.selection.selection_period, Some(10));
    assert!(own.selection.class_balance);
    assert_eq!(
        (scoring.score_source, scoring.first_round, scoring.ema_weight),
        (ScoreSource::Training, FirstRound::Full, 0.25)
    );
    // What the profile says anyway makes no other run.
    let said = some("{ name = \"ucb\", selection_period = 5, ema_weight = 0.8 }");
    assert_eq!(said[0].id(), usual.id());
    let twice = message("\"ucb\", { name = \"ucb\", selection_period = 5 }");
    assert!(twice.contains("is listed already"), "{twice}");
}

#[test]
fn what_a_method_has_no_use_for_is_refused() {
    for (method, key) in [
        ("{ name = \"random-static\", selection_period = 3 }", "selection_period"),
        ("{ name = \"random-dynamic\", ema_weight = 0.5 }", "ema_weight"),
        ("{ name = \"full\", class_balance = true }", "class_balance"),
    ] {
        let message = message(method);
        assert!(message.contains(&format!("unknown key `{key}`")), "{message}");
    }
    let message = message("{ name = \"ucb\", score_source = \"trainig\" }");
    assert!(message.contains("did you mean `training`?"), "{message}");
}

/// The profile has 100 epochs.
#[test]
fn a_period_longer_than_the_run_is_left_out() {
    let text = edited(RECIPE, METHODS, "{ name = \"ucb\", selection_period = [50, 100, 101] }");
    let (recipe, profile) = (recipe(&text).unwrap(), profile(PROFILE).unwrap());
    let left_out: Vec<_> = recipe
        .left_out(&profile)
        .map(|method| method.changes.selection_period)
        .collect();
    assert_eq!(left_out, [Some(101)]);
    assert_eq!(recipe.cells(&profile, Some(1), &no_table).unwrap().len(), 2 * 2);
}

#[test]
fn counts_are_those_of_the_run_at_the_same_fraction_and_seed() {
    let cells = cells("\"ucb\", { name = \"static\", counts_of = { name = \"ucb\", c = 2 } }").unwrap();
    for (ucb, counting) in cells
        .iter()
        .filter(|cell| cell.method.name == "ucb")
        .zip(cells.iter().filter(|cell| cell.method.name == "static"))
    {
        let Some(StaticScores::SelectionCounts { of }) = &counting.selection.static_scores else {
            panic!("{counting:?}")
        };
        assert_eq!((of.pruned_fraction, of.seed), (counting.pruned_fraction, counting.seed));
        assert_eq!(of.method.options["c"], Value::Float(2.0));
        assert_ne!(of.id(), ucb.id());
        assert_eq!(Cell::from_json(&counting.to_json()).unwrap(), *counting);
    }
    let message = message("{ name = \"static\", counts_of = \"random-static\" }");
    assert!(
        message.contains("expected a method that selects in rounds"),
        "{message}"
    );
    let both = "{ name = \"static\", counts_of = \"ucb\", scorer = \"el2n\" }";
    assert!(self::message(both).contains("found two"));
}

#[test]
fn the_short_control_keeps_all_samples_and_the_steps_of_a_pruned_run() {
    let mut cell = some("\"random-static\"").remove(0);
    assert_eq!((cell.kept(1000), cell.fixed_steps(1000)), (700, None));
    cell.method.name = FULL_SHORT.to_owned();
    // 100 epochs of ceil(700 / 64) = 11 steps.
    assert_eq!((cell.kept(1000), cell.fixed_steps(1000)), (1000, Some(1100)));
}

#[test]
fn counted_methods_are_told_apart_by_what_they_are_in_the_profile() {
    // The profile's period is 5.
    let twice = message(
        "{ name = \"static\", counts_of = \"ucb\" }, \
         { name = \"static\", counts_of = { name = \"ucb\", selection_period = 5 } }",
    );
    assert!(twice.contains("is listed already"), "{twice}");
    let text = edited(
        RECIPE,
        METHODS,
        "\"full\", { name = \"static\", counts_of = { name = \"ucb\", selection_period = 101 } }",
    );
    let (recipe, profile) = (recipe(&text).unwrap(), profile(PROFILE).unwrap());
    assert_eq!(recipe.left_out(&profile).count(), 1);
}
