//! A cell's id covers what runs and nothing else.

use crate::written::{PROFILE, RECIPE, edited, no_table, profile, recipe};
use dynaprune_spec::{Cell, RunId, Schedule, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn cells(recipe_text: &str, profile_text: &str) -> Vec<Cell> {
    recipe(recipe_text)
        .unwrap()
        .cells(&profile(profile_text).unwrap(), None, &no_table)
        .unwrap()
}

fn ucb(profile_text: &str) -> Cell {
    cells(RECIPE, profile_text)
        .into_iter()
        .find(|cell| cell.method.name == "ucb")
        .unwrap()
}

fn ids(cells: &[Cell]) -> Vec<RunId> {
    cells.iter().map(Cell::id).collect()
}

/// Committed results are found by these: a change here makes all of them run again.
///
/// ```python
/// import blake3
/// print(blake3.blake3(JSON.encode()).hexdigest()[:16])
/// ```
#[test]
fn the_id_is_the_hash_of_the_canonical_json() {
    const JSON: &str = concat!(
        r#"{"profile":"trial","#,
        r#""dataset":{"name":"cifar10","options":{},"train_samples":null,"test_samples":null,"subset_seed":0},"#,
        r#""model":{"name":"resnet18","options":{"width":16}},"#,
        r#""method":{"name":"ucb","options":{"c":0.5,"first_variance":"zero"}},"#,
        r#""pruned_fraction":0.3,"seed":0,"#,
        r#""training":{"epochs":100,"batch_size":64,"learning_rate":0.1,"momentum":0.9,"nesterov":true,"#,
        r#""weight_decay":0.0005,"label_smoothing":0.0,"#,
        r#""schedule":{"kind":"step","milestones":[30,60,80],"factor":0.2},"#,
        r#""crop_padding":0,"horizontal_flip":false,"budget":"epochs","precision":"f32","evaluate_every":1},"#,
        r#""selection":{"selection_period":5,"class_balance":false,"#,
        r#""scoring":{"score":"loss","score_source":"forward-pass","first_round":"random","ema_weight":0.8}}}"#,
    );
    let cell = ucb(PROFILE);
    assert_eq!(cell.to_json(), JSON);
    assert_eq!(cell.id().as_str(), "5ca426ede706a99a");
}

/// One change of each thing a spec can say, and no two runs have the same id.
#[test]
fn every_change_changes_the_id() {
    let model = "name = \"resnet18\"\nwidth = 16";
    let rate = "learning_rate = 0.1";
    let period = "selection_period = 5";
    let schedule = "kind = \"step\"\nmilestones = [30, 60, 80]\nfactor = 0.2";
    let changes = [
        (model, "name = \"resnet18\""),
        (model, "name = \"cnn\"\nwidth = 16"),
        ("epochs = 100", "epochs = 101"),
        ("batch_size = 64", "batch_size = 65"),
        (rate, "learning_rate = 0.10000000000000002"),
        (rate, "learning_rate = 0.1\nmomentum = 0.8"),
        (rate, "learning_rate = 0.1\nnesterov = false"),
        (rate, "learning_rate = 0.1\nweight_decay = 1e-4"),
        (rate, "learning_rate = 0.1\nlabel_smoothing = 0.1"),
        (rate, "learning_rate = 0.1\ncrop_padding = 4"),
        (rate, "learning_rate = 0.1\nhorizontal_flip = true"),
        (rate, "learning_rate = 0.1\nbudget = \"steps\""),
        (rate, "learning_rate = 0.1\nevaluate_every = 2"),
        (schedule, "kind = \"step\"\nmilestones = [30, 60, 81]\nfactor = 0.2"),
        (schedule, "kind = \"step\"\nmilestones = [30, 60]\nfactor = 0.2"),
        (schedule, "kind = \"step\"\nmilestones = [30, 60, 80]\nfactor = 0.1"),
        (schedule, "kind = \"constant\""),
        (schedule, "kind = \"cosine\""),
        (schedule, "kind = \"cosine\"\nwarmup_epochs = 5"),
        (schedule, "kind = \"cosine\"\nfinal_factor = 0.01"),
        (schedule, "kind = \"one-cycle\""),
        (schedule, "kind = \"one-cycle\"\nwarmup_fraction = 0.2"),
        (schedule, "kind = \"one-cycle\"\nstart_factor = 0.1"),
        (schedule, "kind = \"one-cycle\"\nfinal_factor = 0.1"),
        (period, "selection_period = 6"),
        (period, "selection_period = 5\nclass_balance = true"),
        (period, "selection_period = 5\nscore = \"entropy\""),
        (period, "selection_period = 5\nscore = \"el2n\""),
        (period, "selection_period = 5\nscore = \"one-minus-max-probability\""),
        (period, "selection_period = 5\nscore_source = \"training\""),
        (period, "selection_period = 5\nfirst_round = \"full\""),
        (period, "selection_period = 5\nfirst_round = \"scores\""),
        (period, "selection_period = 5\nema_weight = 1"),
        (period, "selection_period = 5\n[subset]\ntrain_samples = 1000"),
        (period, "selection_period = 5\n[subset]\ntest_samples = 1000"),
        (period, "selection_period = 5\n[subset]\ntrain_samples = 1000\nseed = 1"),
        ("seeds = 2", "seeds = 2\ndataset = \"digits\""),
    ];
    let mut seen: BTreeSet<RunId> = ids(&cells(RECIPE, PROFILE)).into_iter().collect();
    assert_eq!(seen.len(), 14);
    for (from, to) in changes {
        assert!(
            seen.insert(ucb(&edited(PROFILE, from, to)).id()),
            "`{to}` leaves the id as it was"
        );
    }
    let mut other = ucb(PROFILE);
    other.profile = "other".to_owned();
    assert!(seen.insert(other.id()));
    other.method.options.insert("c".to_owned(), Value::Float(2.0));
    assert!(seen.insert(other.id()));
}

/// A spec's tables as lines, so that they can be written in any order.
const TABLES: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["summary = \"a test\"", "seeds = 2"],
        &["needs_cuda = false", "pruned_fractions = [0.3, 0.7, 0.9]"],
    ),
    ("[model]", &["name = \"resnet18\"", "width = 16"], &[]),
    (
        "[training]",
        &["epochs = 100", "batch_size = 64", "learning_rate = 0.1"],
        &[
            "momentum = 0.9",
            "nesterov = true",
            "weight_decay = 0.0005",
            "label_smoothing = -0.0",
            "crop_padding = 0",
            "horizontal_flip = false",
            "budget = \"epochs\"",
            "precision = \"f32\"",
            "evaluate_every = 1",
        ],
    ),
    (
        "[training.schedule]",
        &["kind = \"step\"", "milestones = [30, 60, 80]", "factor = 0.2"],
        &[],
    ),
    (
        "[selection]",
        &["selection_period = 5"],
        &[
            "class_balance = false",
            "score = \"loss\"",
            "score_source = \"forward-pass\"",
            "first_round = \"random\"",
            "ema_weight = 8e-1",
        ],
    ),
    ("[subset]", &[], &["seed = 0"]),
];

/// The profile, with its lines and tables in some order, some of the defaults written out, and
/// comments between.
fn rewritten() -> impl Strategy<Value = String> {
    let table = |(header, required, defaults): &(&'static str, &'static [&'static str], &'static [&'static str])| {
        let (header, required) = (*header, *required);
        let chosen = prop::sample::subsequence(defaults.to_vec(), 0..=defaults.len());
        chosen
            .prop_map(move |chosen| [required, &chosen].concat())
            .prop_shuffle()
            .prop_map(move |lines| format!("# c = 2\n{header} # seeds = 9\n{}\n\n", lines.join("  # epochs = 3\n")))
    };
    let first = table(&TABLES[0]);
    let rest: Vec<_> = TABLES[1..].iter().map(table).collect();
    (first, rest.prop_shuffle()).prop_map(|(first, rest)| first + &rest.concat())
}

fn numbers() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |x| x.is_finite())
}

proptest! {
    #[test]
    fn the_way_of_writing_does_not_matter(text in rewritten()) {
        prop_assert_eq!(ids(&cells(RECIPE, &text)), ids(&cells(RECIPE, PROFILE)));
    }

    #[test]
    fn the_order_of_a_recipe_does_not_matter(lines in Just(RECIPE.lines().collect::<Vec<_>>()).prop_shuffle()) {
        prop_assert_eq!(ids(&cells(&lines.join("\n"), PROFILE)), ids(&cells(RECIPE, PROFILE)));
    }

    #[test]
    fn json_gives_the_cell_back(
        rate in numbers(), decay in numbers(), factor in numbers(), c in numbers(), width: i64, seed: u64,
        path: String, milestones: Vec<u32>, balance: bool, samples: Option<usize>,
    ) {
        let mut cell = ucb(PROFILE);
        cell.training.learning_rate = rate;
        cell.training.weight_decay = decay;
        cell.training.schedule = Schedule::Step { milestones, factor };
        cell.method.options.insert("c".to_owned(), Value::Float(c));
        cell.method.options.insert("scores".to_owned(), Value::Text(path));
        cell.model.options.insert("width".to_owned(), Value::Int(width));
        cell.seed = seed;
        cell.dataset.train_samples = samples;
        cell.selection.class_balance = balance;
        let back = Cell::from_json(&cell.to_json()).unwrap();
        prop_assert_eq!(back.id(), cell.id());
        prop_assert_eq!(back, cell);
    }
}

#[test]
fn other_json_is_refused() {
    let json = ucb(PROFILE).to_json();
    for (from, to) in [
        ("\"seed\":0", "\"sed\":0"),
        ("\"epochs\":100", "\"epochs\":\"100\""),
        ("\"kind\":\"step\"", "\"kind\":\"stop\""),
    ] {
        let message = Cell::from_json(&edited(&json, from, to)).unwrap_err().to_string();
        assert!(message.starts_with("not a cell's JSON: "), "{message}");
    }
}
