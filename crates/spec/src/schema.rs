//! JSON Schemas of recipes and profiles, with which an editor completes and checks them while they are written.
//!
//! A schema is made from a [`Catalog`], so it knows every registered name with its options. It accepts whatever is read
//! without an error, and refuses unknown names, unknown keys, and values of another type or out of their range. What
//! depends on other values (an epoch that a profile does not reach, a method listed twice) is left to reading.
//!
//! Draft 7, which the TOML tools of editors understand. The objects' keys are sorted, so the same catalog gives the same bytes.

use crate::catalog::{Catalog, Entry, MethodEntry, OptionKind, OptionSpec};
use crate::cell::FULL_SHORT;
use crate::changes::Uses;
use crate::choice::{Choice, Value as OptionValue};
use crate::recipe::CLAIMS;
use crate::training::{FIRST_ROUNDS, PRECISIONS, SCORE_SOURCES, SCORES};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The JSON Schema of a recipe, indented, with a line break at its end.
#[must_use]
pub fn recipe_schema(catalog: &Catalog) -> String {
    let names = |names: Vec<&str>| json!({ "enum": names });
    let axes = axes(catalog);
    let file = object(
        &[
            "title",
            "claim",
            "how_to_read",
            "figure",
            "datasets",
            "methods",
            "pruned_fractions",
        ],
        [
            (
                "title",
                text("The figure's title; `{dataset}` stands for the data set's name."),
            ),
            (
                "claims",
                list(json!({ "enum": CLAIMS }), "The claims of the paper that it bears on."),
            ),
            ("claim", text("The claim in words.")),
            ("how_to_read", text("How to read the plot.")),
            (
                "profile",
                text("The profile that it is made for, where it is made for one."),
            ),
            (
                "figure",
                about(
                    names(catalog.figures.iter().map(|figure| figure.name.as_str()).collect()),
                    "The kind of figure.",
                ),
            ),
            (
                "axes",
                list(
                    json!({ "enum": axes }),
                    "The settings on the axes of a figure that draws accuracy against settings.",
                ),
            ),
            (
                "datasets",
                list(datasets(catalog), "The data sets, each with its options."),
            ),
            (
                "methods",
                list(
                    methods(catalog),
                    "The methods; a list in a method's table stands for a method with each of its values.",
                ),
            ),
            (
                "pruned_fractions",
                fractions("The shares s of the training samples that are removed."),
            ),
        ],
    );
    written(
        file,
        "A dynaprune recipe: a claim, a figure, and the grid of runs it is drawn from",
    )
}

/// The JSON Schema of a profile, indented, with a line break at its end.
#[must_use]
pub fn profile_schema(catalog: &Catalog) -> String {
    let subset = object(
        &[],
        [
            (
                "train_samples",
                about(
                    integer(1, u32::MAX.into()),
                    "N, if not all training samples: a class-balanced subset.",
                ),
            ),
            (
                "test_samples",
                about(integer(1, u32::MAX.into()), "Test samples, if not all: likewise."),
            ),
            ("seed", usual(integer(0, i64::MAX), json!(0))),
        ],
    );
    let scoring = object(
        &[],
        [
            (
                "runs",
                about(
                    usual(integer(1, 1000), json!(10)),
                    "Runs whose mean is a score of one checkpoint.",
                ),
            ),
            (
                "epoch",
                about(
                    integer(0, 1_000_000),
                    "The epoch after which a network scores; a tenth of the epochs unless given.",
                ),
            ),
            (
                "forget_runs",
                about(usual(integer(1, 1000), json!(1)), "Runs whose sum is a forget score."),
            ),
        ],
    );
    let models = catalog.models.iter().map(|model| named(model, BTreeMap::new(), false));
    let models = choice(names_of(&catalog.models), models);
    let file = object(
        &["summary", "seeds", "model", "training", "selection"],
        [
            ("summary", text("One line on what it is for.")),
            ("needs_cuda", usual(json!({ "type": "boolean" }), json!(false))),
            (
                "dataset",
                about(datasets(catalog), "The data set that stands in for the recipe's."),
            ),
            (
                "pruned_fractions",
                fractions("The only pruned fractions that are run, if not all of the recipe's."),
            ),
            (
                "seeds",
                about(integer(1, 1000), "Repetitions, with the seeds 0, 1, ..."),
            ),
            ("subset", about(subset, "The reduced data.")),
            ("model", about(models, "The network.")),
            ("training", about(training(), "The training protocol.")),
            ("selection", about(selection(), "How samples are scored and selected.")),
            ("scoring", about(scoring, "The scoring runs of static methods.")),
        ],
    );
    written(file, "A dynaprune profile: the scale at which recipes run")
}

fn written(mut file: Value, title: &str) -> String {
    file["$schema"] = json!(DRAFT);
    file["title"] = json!(title);
    // Maps with text keys and finite numbers always serialise.
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    text
}

fn training() -> Value {
    let share = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
    let flag = json!({ "type": "boolean" });
    object(
        &["epochs", "batch_size", "learning_rate", "schedule"],
        [
            ("epochs", about(integer(1, 1_000_000), "Epochs T.")),
            ("batch_size", about(integer(1, 1 << 20), "Samples in a step.")),
            ("learning_rate", json!({ "type": "number", "exclusiveMinimum": 0 })),
            ("momentum", usual(share.clone(), json!(0.9))),
            ("nesterov", usual(flag.clone(), json!(true))),
            (
                "weight_decay",
                usual(json!({ "type": "number", "minimum": 0 }), json!(5e-4)),
            ),
            ("label_smoothing", usual(share, json!(0.0))),
            ("schedule", about(schedule(), "The learning rate over the run.")),
            ("crop_padding", usual(integer(0, 1024), json!(0))),
            ("horizontal_flip", usual(flag, json!(false))),
            (
                "budget",
                about(
                    usual(json!({ "enum": ["epochs", "steps"] }), json!("epochs")),
                    "What is held equal between methods.",
                ),
            ),
            ("precision", usual(words(PRECISIONS), json!("f32"))),
            (
                "evaluate_every",
                about(
                    usual(integer(1, 1_000_000), json!(1)),
                    "Epochs between evaluations on the test set.",
                ),
            ),
        ],
    )
}

fn schedule() -> Value {
    let kind = |word: &str| json!({ "const": word });
    let factor = || json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let inside = json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 });
    let milestones = json!({ "type": "array", "items": integer(1, 1_000_000), "minItems": 1, "uniqueItems": true });
    let step = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 });
    json!({ "anyOf": [
        object(&["kind"], [("kind", kind("constant"))]),
        object(
            &["kind", "milestones", "factor"],
            [
                ("kind", kind("step")),
                ("milestones", about(milestones, "Epochs, ascending.")),
                ("factor", about(step, "What each milestone multiplies by.")),
            ],
        ),
        object(
            &["kind"],
            [
                ("kind", kind("cosine")),
                ("warmup_epochs", usual(json!({ "type": "number", "minimum": 0 }), json!(0.0))),
                ("final_factor", usual(factor(), json!(0.0))),
            ],
        ),
        object(
            &["kind"],
            [
                ("kind", kind("one-cycle")),
                ("warmup_fraction", usual(inside, json!(0.3))),
                ("start_factor", usual(factor(), json!(0.04))),
                ("final_factor", usual(factor(), json!(4e-6))),
            ],
        ),
    ] })
}

/// The profile's table `[selection]`.
fn selection() -> Value {
    let mut keys = changes(Uses {
        pruned: true,
        scored: true,
        averages: true,
        rounds: true,
    });
    let defaults = [
        ("class_balance", json!(false)),
        ("score", json!("loss")),
        ("score_source", json!("forward-pass")),
        ("first_round", json!("random")),
        ("ema_weight", json!(0.8)),
    ];
    for (key, default) in defaults {
        if let Some(schema) = keys.get_mut(key) {
            schema["default"] = default;
        }
    }
    object(&["selection_period"], keys)
}

/// The keys of `[selection]` that a method with these properties has a use for.
fn changes(uses: Uses) -> BTreeMap<&'static str, Value> {
    let mut keys = BTreeMap::new();
    if uses.scored || uses.rounds {
        let period = integer(1, 1_000_000);
        keys.insert(
            "selection_period",
            about(period, "Epochs between selection rounds, T_p."),
        );
    }
    if uses.pruned {
        let flag = json!({ "type": "boolean" });
        keys.insert("class_balance", about(flag, "Whether K is split over the classes."));
    }
    if uses.scored {
        keys.insert("score", about(words(&SCORES), "What a sample's score is."));
        keys.insert("score_source", about(words(&SCORE_SOURCES), "Where scores come from."));
        keys.insert(
            "first_round",
            about(words(&FIRST_ROUNDS), "What the first selection period trains on."),
        );
    }
    if uses.averages {
        keys.insert(
            "ema_weight",
            about(
                json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }),
                "Weight of the new score in the moving averages.",
            ),
        );
    }
    keys
}

fn datasets(catalog: &Catalog) -> Value {
    let entries = catalog.datasets.iter().map(|dataset| &dataset.entry);
    let tables = entries.clone().map(|entry| named(entry, BTreeMap::new(), false));
    choice(entries.map(|entry| entry.name.as_str()).collect(), tables)
}

/// An element of `methods`.
fn methods(catalog: &Catalog) -> Value {
    let alone = catalog.methods.iter().filter(|method| !method.static_scores);
    let alone = alone.map(|method| method.entry.name.as_str()).collect();
    let tables: Vec<Value> = catalog
        .methods
        .iter()
        .flat_map(|method| match method.static_scores {
            true => ranking(method, catalog),
            false => vec![named(&method.entry, changes(uses(method)), true)],
        })
        .collect();
    choice(alone, tables.into_iter().chain(several(catalog)))
}

/// A table whose name is a list: it may have what any of the methods has.
fn several(catalog: &Catalog) -> Option<Value> {
    let methods = catalog.methods.iter().filter(|method| !method.static_scores);
    let names: Vec<&str> = methods.clone().map(|method| method.entry.name.as_str()).collect();
    let keys = methods.flat_map(|method| {
        let options = method.entry.options.iter().map(|option| option.name.as_str());
        options.chain(changes(uses(method)).into_keys()).collect::<Vec<_>>()
    });
    let mut properties: Map<String, Value> = keys.map(|key| (key.to_owned(), json!({}))).collect();
    properties.insert(
        "name".to_owned(),
        list(json!({ "enum": names }), "Methods that have the same options."),
    );
    (!names.is_empty()).then(|| {
        json!({
            "type": "object",
            "required": ["name"],
            "properties": properties,
            "additionalProperties": false,
        })
    })
}

/// A method that ranks samples by scores made before training: a table for each way to name them.
fn ranking(method: &MethodEntry, catalog: &Catalog) -> Vec<Value> {
    let options = method.entry.options.iter();
    let options = options.map(|option| (option.name.as_str(), value(&option.kind)));
    let usual = grids(options.chain(changes(uses(method))));
    let table = |key: &str, what: Value, more: BTreeMap<String, Value>, dependencies: Value| {
        let mut properties: Map<String, Value> = usual.clone().into_iter().chain(more).collect();
        properties.insert("name".to_owned(), grid(json!({ "const": method.entry.name })));
        properties.insert(key.to_owned(), what);
        json!({
            "type": "object",
            "required": ["name", key],
            "properties": properties,
            "additionalProperties": false,
            "dependencies": dependencies,
        })
    };
    let options = |scorer: &Entry| -> BTreeMap<String, Value> {
        let options = scorer.options.iter();
        options
            .map(|option| (option.name.clone(), grid(value(&option.kind))))
            .collect()
    };
    let mut tables = Vec::new();
    for scorer in &catalog.scorers {
        let is = json!({ "const": scorer.name });
        tables.push(table("scorer", is, options(scorer), dependencies(&scorer.options)));
    }
    let any: BTreeMap<String, Value> = catalog
        .scorers
        .iter()
        .flat_map(options)
        .map(|(key, _)| (key, json!({})))
        .collect();
    let several = list(
        json!({ "enum": names_of(&catalog.scorers) }),
        "Scorers, a method for each.",
    );
    tables.push(table("scorer", several, any, json!({})));
    let file = about(
        grid(json!({ "type": "string" })),
        "A file of scores; a relative path begins in the recipe's folder.",
    );
    tables.push(table("scores", file, BTreeMap::new(), json!({})));
    let counted = catalog
        .methods
        .iter()
        .filter(|method| uses(method).scored || uses(method).rounds);
    let names = counted
        .clone()
        .filter(|method| method.scored || (method.rounds)(&defaults(method)));
    let names = names.map(|method| method.entry.name.as_str()).collect();
    let counted = choice(
        names,
        counted.map(|method| named(&method.entry, changes(uses(method)), false)),
    );
    let counted = about(
        grid(counted),
        "A method, whose run of the same seed says how often it trained on each sample.",
    );
    tables.push(table("counts_of", counted, BTreeMap::new(), json!({})));
    tables
}

/// What a method can make use of, whatever its options are.
fn uses(method: &MethodEntry) -> Uses {
    let usual = defaults(method);
    let with = |option: &OptionSpec, word: &String| {
        let mut choice = usual.clone();
        choice
            .options
            .insert(option.name.clone(), OptionValue::Text(word.clone()));
        choice
    };
    let words = method.entry.options.iter().flat_map(|option| match &option.kind {
        OptionKind::Choice { allowed, .. } => allowed.iter().map(|word| with(option, word)).collect(),
        _ => Vec::new(),
    });
    Uses {
        pruned: method.pruned && method.entry.name != FULL_SHORT,
        scored: method.scored,
        averages: method.averages,
        rounds: words.chain([usual.clone()]).any(|choice| (method.rounds)(&choice)),
    }
}

fn defaults(method: &MethodEntry) -> Choice {
    let options = method.entry.options.iter();
    let options = options.filter_map(|option| Some((option.name.clone(), option.kind.default_value()?)));
    Choice {
        name: method.entry.name.clone(),
        options: options.collect(),
    }
}

/// The settings that can stand on an axis.
pub(crate) fn axes(catalog: &Catalog) -> Vec<String> {
    let options = catalog.methods.iter().flat_map(|method| &method.entry.options);
    let mut axes: Vec<String> = options.map(|option| option.name.clone()).collect();
    axes.extend(["selection_period", "ema_weight", "score", "score_source", "first_round"].map(str::to_owned));
    axes.sort();
    axes.dedup();
    axes
}

fn names_of(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

/// A registered name, or a table with a name and options.
fn choice(names: Vec<&str>, tables: impl IntoIterator<Item = Value>) -> Value {
    let mut ways = vec![json!({ "enum": names })];
    ways.extend(tables);
    json!({ "anyOf": ways })
}

/// The table of a registered name with its options and `more` keys; with `grids`, each may be a list of values.
fn named(entry: &Entry, more: BTreeMap<&str, Value>, with_grids: bool) -> Value {
    let options = entry
        .options
        .iter()
        .map(|option| (option.name.as_str(), value(&option.kind)));
    let keys = options.chain(more);
    let mut properties: Map<String, Value> = match with_grids {
        true => grids(keys).into_iter().collect(),
        false => keys.map(|(key, schema)| (key.to_owned(), schema)).collect(),
    };
    properties.insert("name".to_owned(), json!({ "const": entry.name }));
    json!({
        "type": "object",
        "required": ["name"],
        "properties": properties,
        "additionalProperties": false,
        "dependencies": dependencies(&entry.options),
    })
}

/// The options that must be given with another: those that have no meaning with its default.
fn dependencies(options: &[OptionSpec]) -> Value {
    let with = options.iter().filter_map(|option| {
        let (other, word) = option.only_with.as_ref()?;
        let usual = options
            .iter()
            .find(|option| &option.name == other)?
            .kind
            .default_value();
        (usual != Some(OptionValue::Text(word.clone()))).then(|| (option.name.clone(), json!([other])))
    });
    Value::Object(with.collect())
}

fn value(kind: &OptionKind) -> Value {
    match kind {
        OptionKind::Float { default, min, max } => usual(
            json!({ "type": "number", "minimum": min, "maximum": max }),
            json!(default),
        ),
        OptionKind::Int { default, min, max } => usual(integer(*min, *max), json!(default)),
        OptionKind::Profile { key, min, max } => about(
            integer(*min, *max),
            &format!("`{key}` of the profile's table `[scoring]` unless given."),
        ),
        OptionKind::Choice { default, allowed } => usual(json!({ "enum": allowed }), json!(default)),
    }
}

/// Each key's value, or a list of such values.
fn grids<'k>(keys: impl IntoIterator<Item = (&'k str, Value)>) -> BTreeMap<String, Value> {
    let keys = keys.into_iter();
    keys.map(|(key, schema)| (key.to_owned(), grid(schema))).collect()
}

fn grid(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "array", "items": schema, "minItems": 1 }] })
}

fn object<'k>(required: &[&str], keys: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn list(items: Value, description: &str) -> Value {
    about(json!({ "type": "array", "items": items, "minItems": 1 }), description)
}

fn fractions(description: &str) -> Value {
    let fraction = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
    let mut fractions = list(fraction, description);
    fractions["uniqueItems"] = json!(true);
    fractions
}

fn text(description: &str) -> Value {
    about(json!({ "type": "string" }), description)
}

fn integer(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn words<T>(words: &[(&'static str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words })
}

fn about(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

fn usual(mut schema: Value, default: Value) -> Value {
    schema["default"] = default;
    schema
}
