//! Every mistake is shown in its place.

use crate::written::{PROFILE, RECIPE, edited, no_table, profile, recipe};
use dynaprune_spec::{Error, Place, Recipe};
use std::path::Path;

fn place<T>(result: Result<T, Error>) -> Place {
    match result {
        Err(Error::Spec(place)) => *place,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing is found wrong"),
    }
}

/// What the caret underlines.
fn underlined(place: &Place) -> String {
    place.text.chars().skip(place.column - 1).take(place.width).collect()
}

struct Mistake {
    from: &'static str,
    to: &'static str,
    message: &'static str,
    underlined: &'static str,
    hint: Option<&'static str>,
}

const fn mistake(from: &'static str, to: &'static str, message: &'static str, underlined: &'static str) -> Mistake {
    Mistake {
        from,
        to,
        message,
        underlined,
        hint: None,
    }
}

impl Mistake {
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn check(&self, place: &Place) {
        assert_eq!(place.message, self.message, "for `{}`", self.to);
        assert_eq!(underlined(place), self.underlined, "for `{}`", self.to);
        assert_eq!(place.hint.as_deref(), self.hint, "for `{}`", self.to);
    }
}

const METHODS: &str = "`full`, `random-static`, `static`, `random-dynamic`, `epsilon-greedy`, `ucb`";

#[test]
fn of_recipes() {
    let method = "{ name = \"ucb\", c = 0.5 }";
    let mistakes = [
        mistake(
            "claims =",
            "colour = 1\nclaims =",
            "unknown key `colour`, expected one of: `title`, `claims`, `claim`, `how_to_read`, `profile`, `figure`, `axes`, `datasets`, `methods`, `pruned_fractions`",
            "colour",
        ),
        mistake("title = ", "tilte = ", "`title` is missing, found `tilte`", "tilte").hint("did you mean `title`?"),
        mistake(
            "pruned_fractions =",
            "pruned_fraction =",
            "`pruned_fractions` is missing, found `pruned_fraction`",
            "pruned_fraction",
        )
        .hint("did you mean `pruned_fractions`?"),
        mistake(
            "[0.7, 0.3]",
            "[0.7, 1.0]",
            "`pruned_fractions`: expected a number from 0 to below 1, found `1.0`",
            "1.0",
        ),
        mistake(
            "[0.7, 0.3]",
            "[0.7, -0.1]",
            "`pruned_fractions`: expected a number from 0 to below 1, found `-0.1`",
            "-0.1",
        ),
        mistake(
            "[0.7, 0.3]",
            "[nan]",
            "`pruned_fractions`: expected a number from 0 to below 1, found `nan`",
            "nan",
        ),
        mistake(
            "[0.7, 0.3]",
            "[\"0.7\"]",
            "`pruned_fractions`: expected a number from 0 to below 1, found `\"0.7\"`",
            "\"0.7\"",
        ),
        mistake(
            "[0.7, 0.3]",
            "[0.7, 0.3, 0.70]",
            "pruned fraction 0.7 is listed twice",
            "0.70",
        ),
        mistake(
            "[0.7, 0.3]",
            "[]",
            "`pruned_fractions`: expected at least one element",
            "[]",
        ),
        mistake(
            "[0.7, 0.3]",
            "0.7",
            "`pruned_fractions`: expected a list, found `0.7`",
            "0.7",
        ),
        mistake("[\"cifar10\"]", "[]", "`datasets`: expected at least one element", "[]"),
        mistake(
            "[\"cifar10\"]",
            "[\"cifar10\", \"cifar10\"]",
            "data set `cifar10` is listed twice",
            "\"cifar10\"",
        ),
        mistake(
            "[\"cifar10\"]",
            "[\"CIFAR-10\"]",
            "unknown data set `CIFAR-10`, expected one of: `digits`, `cifar10`, `cifar100`",
            "\"CIFAR-10\"",
        )
        .hint("did you mean `cifar10`?"),
        mistake(
            "[\"cifar10\"]",
            "[10]",
            "`data set`: expected a text in quotes, found `10`",
            "10",
        ),
        mistake(
            "accuracy-by-fraction",
            "accuracy-by-fractions",
            "`figure`: expected one of: `accuracy-by-fraction`, `accuracy-by-time`, `accuracy-by-setting`, `accuracy-by-settings`, found `accuracy-by-fractions`",
            "\"accuracy-by-fractions\"",
        )
        .hint("did you mean `accuracy-by-fraction`?"),
        mistake(
            "[\"A3\", \"A5\"]",
            "[\"A3\", 5]",
            "`claims`: expected a text in quotes, found `5`",
            "5",
        ),
        mistake(
            "\"full\", ",
            "\"full\", \"full\", ",
            "method `full` is listed twice",
            "\"full\"",
        ),
        mistake(
            "\"A5\"]",
            "\"A9\"]",
            "unknown claim `A9`, expected one of: `A1`, `A2`, `A3`, `A4`, `A5`, `A6`, `A7`, `A8`",
            "\"A9\"",
        )
        .hint("did you mean `A1`?"),
        mistake(
            "datasets =",
            "axes = [\"c\"]\ndatasets =",
            "`axes`: figure `accuracy-by-fraction` draws against 0 of them, found 1",
            "\"c\"",
        ),
        mistake(
            "figure = \"accuracy-by-fraction\"",
            "figure = \"accuracy-by-setting\"\naxes = [\"selection_periods\"]",
            "unknown setting `selection_periods`, expected one of: `c`, `ema_weight`, `epsilon`, `first_round`, `first_variance`, `redraw`, `score`, `score_source`, `selection_period`",
            "\"selection_periods\"",
        )
        .hint("did you mean `selection_period`?"),
        mistake(
            "figure = \"accuracy-by-fraction\"",
            "figure = \"accuracy-by-setting\"\naxes = [\"c\", \"ema_weight\"]",
            "`axes`: figure `accuracy-by-setting` draws against 1 of them, found 2",
            "\"ema_weight\"",
        ),
        mistake(
            "figure = \"accuracy-by-fraction\"",
            "figure = \"accuracy-by-settings\"\naxes = [\"epsilon\", \"epsilon\"]",
            "`axes`: setting `epsilon` is listed twice",
            "\"epsilon\"",
        ),
        mistake(
            "0.5 }",
            "0.5 }, \"ucb\", { name = \"ucb\", c = 1 }",
            "method `ucb` is listed twice",
            "{ name = \"ucb\", c = 1 }",
        ),
        mistake(
            "\"full\", ",
            "\"static\", ",
            "method `static` needs a scorer, or a file of scores",
            "\"static\"",
        )
        .hint("`{ name = \"static\", scorer = \"...\" }` with one of `el2n`, `input-norm`; or `scores = \"file.parquet\"`; or `counts_of = \"ucb\"`"),
        mistake(
            method,
            "{ name = \"static\", scorer = \"el3n\" }",
            "unknown scorer `el3n`, expected one of: `el2n`, `input-norm`",
            "\"el3n\"",
        )
        .hint("did you mean `el2n`?"),
        mistake(
            method,
            "{ name = \"static\", scorer = \"el2n\", scores = \"a.parquet\" }",
            "expected one of `scorer`, `scores` and `counts_of`, found two",
            "\"a.parquet\"",
        ),
        mistake(
            method,
            "{ name = \"static\", scorer = \"el2n\", from_epoch = 2 }",
            "`from_epoch` has a meaning with `measured = \"training\"` only",
            "2",
        ),
        mistake(
            method,
            "{ name = \"static\", scorer = \"el2n\", runs = 0 }",
            "`runs`: expected an integer from 1 to 1000, found `0`",
            "0",
        ),
        mistake(
            method,
            "{ name = \"static\", scorer = \"input-norm\", runs = 2 }",
            "unknown key `runs` in `method`, expected one of: `name`, `scorer`, `scores`, `counts_of`, `class_balance`",
            "runs",
        ),
        mistake(
            "c = 0.5",
            "c = -1",
            "`c`: expected a number from 0 to 1000000, found `-1`",
            "-1",
        ),
        mistake(
            "c = 0.5",
            "c = inf",
            "`c`: expected a number from 0 to 1000000, found `inf`",
            "inf",
        ),
        mistake(
            "c = 0.5",
            "first_variance = 1",
            "`first_variance`: expected a text in quotes, found `1`",
            "1",
        ),
        mistake(
            "c = 0.5",
            "first_variacne = \"zero\"",
            "unknown key `first_variacne` in `method`, expected one of: `name`, `c`, `first_variance`, `selection_period`, `class_balance`, \
             `score`, `score_source`, `first_round`, `ema_weight`",
            "first_variacne",
        )
        .hint("did you mean `first_variance`?"),
        mistake(
            "name = \"ucb\", c = 0.5",
            "c = 0.5",
            "`method.name` is missing",
            "{ c = 0.5 }",
        ),
        mistake(
            method,
            "{ name = \"epsilon-greedy\", epsilon = 1.5 }",
            "`epsilon`: expected a number from 0 to 1, found `1.5`",
            "1.5",
        ),
        mistake(
            method,
            "{ name = \"random-dynamic\", redraw = \"epochs\" }",
            "`redraw`: expected one of: `epoch`, `period`, found `epochs`",
            "\"epochs\"",
        )
        .hint("did you mean `epoch`?"),
        mistake(
            method,
            "{ name = \"random-static\", redraw = \"epoch\" }",
            "unknown key `redraw` in `method`, expected one of: `name`, `class_balance`",
            "redraw",
        ),
    ];
    for mistake in mistakes {
        mistake.check(&place(recipe(&edited(RECIPE, mistake.from, mistake.to))));
    }
    for (name, hint) in [
        ("ubc", Some("did you mean `ucb`?")),
        ("random_static", Some("did you mean `random-static`?")),
        ("craig", None),
    ] {
        let found = place(recipe(&edited(RECIPE, "\"full\"", &format!("\"{name}\""))));
        assert_eq!(
            found.message,
            format!("unknown method `{name}`, expected one of: {METHODS}")
        );
        assert_eq!(underlined(&found), format!("\"{name}\""));
        assert_eq!(found.hint.as_deref(), hint);
    }
}

#[test]
fn of_profiles() {
    let rate = "learning_rate = 0.1";
    let step = "kind = \"step\"\nmilestones = [30, 60, 80]\nfactor = 0.2";
    let period = "selection_period = 5";
    let mistakes = [
        mistake("seeds = 2", "seeds = 0", "`seeds`: expected an integer from 1 to 1000, found `0`", "0"),
        mistake("seeds = 2", "seeds = 2.0", "`seeds`: expected an integer from 1 to 1000, found `2.0`", "2.0"),
        mistake("seeds = 2", "seeds = 99999999999999999999", "`seeds`: expected an integer from 1 to 1000, found `99999999999999999999`", "99999999999999999999"),
        mistake("seeds = 2", "seeds = 2\nneeds_cuda = \"no\"", "`needs_cuda`: expected `true` or `false`, found `\"no\"`", "\"no\""),
        mistake("seeds = 2", "seeds = 2\npruned_fractions = []", "`pruned_fractions`: expected at least one element", "[]"),
        mistake("seeds = 2", "seeds = 2\npruned_fractions = [1]", "`pruned_fractions`: expected a number from 0 to below 1, found `1`", "1"),
        mistake("seeds = 2", "seeds = 2\nsubset = 5", "`subset`: expected a table, found `5`", "5"),
        mistake("seeds = 2", "seeds = 2\nsubset = { seed = 5 }", "`subset.seed` draws nothing without `train_samples` or `test_samples`", "5"),
        mistake("seeds = 2", "seeds = 2\nsubset = { train_samples = 0 }", "`subset.train_samples`: expected an integer from 1 to 4294967295, found `0`", "0"),
        mistake(
            "seeds = 2",
            "seeds = 2\ndataset = \"digits\"\nsubset = { train_samples = 1438 }",
            "`subset.train_samples`: expected an integer from 1 to 1437, found `1438`",
            "1438",
        ),
        mistake("seeds = 2", "seeds = 2\nsubset = { samples = 9 }", "unknown key `samples` in `subset`, expected one of: `train_samples`, `test_samples`, `seed`", "samples"),
        mistake("\"resnet18\"", "\"resnet81\"", "unknown model `resnet81`, expected one of: `cnn`, `resnet18`", "\"resnet81\"").hint("did you mean `resnet18`?"),
        mistake("width = 16", "width = 0", "`width`: expected an integer from 1 to 1024, found `0`", "0"),
        mistake("width = 16", "depth = 16", "unknown key `depth` in `model`, expected one of: `name`, `width`", "depth"),
        mistake("[model]\nname = \"resnet18\"\nwidth = 16\n", "", "`model` is missing", "s"),
        mistake("[training]\n", "[trainnig]\n", "`training.epochs` is missing", "training"),
        mistake("epochs = 100", "epochs = 0", "`training.epochs`: expected an integer from 1 to 1000000, found `0`", "0"),
        mistake("epochs = 100", "epoch = 100", "`epochs` is missing, found `epoch`", "epoch").hint("did you mean `epochs`?"),
        mistake("batch_size = 64", "batch_size = 0", "`training.batch_size`: expected an integer from 1 to 1048576, found `0`", "0"),
        mistake("batch_size = 64", "batch_size = -1", "`training.batch_size`: expected an integer from 1 to 1048576, found `-1`", "-1"),
        mistake("batch_size = 64", "batch_size = \"64\"", "`training.batch_size`: expected an integer from 1 to 1048576, found `\"64\"`", "\"64\""),
        mistake(rate, "learning_rate = 0", "`training.learning_rate`: expected a number above 0, found `0`", "0"),
        mistake(rate, "learning_rate = inf", "`training.learning_rate`: expected a number above 0, found `inf`", "inf"),
        mistake(rate, "learning_rate = nan", "`training.learning_rate`: expected a number above 0, found `nan`", "nan"),
        mistake(rate, "learning_rate = 0.1\nmomentum = 1.0", "`training.momentum`: expected a number from 0 to below 1, found `1.0`", "1.0"),
        mistake(rate, "learning_rate = 0.1\nweight_decay = -1e-4", "`training.weight_decay`: expected a number of at least 0, found `-1e-4`", "-1e-4"),
        mistake(rate, "learning_rate = 0.1\nlabel_smoothing = 1", "`training.label_smoothing`: expected a number from 0 to below 1, found `1`", "1"),
        mistake(rate, "learning_rate = 0.1\nbudget = \"step\"", "`training.budget`: expected one of: `epochs`, `steps`, found `step`", "\"step\"").hint("did you mean `steps`?"),
        mistake(rate, "learning_rate = 0.1\nprecision = \"f16\"", "`training.precision`: expected one of: `f32`, `tf32`, `bf16`, found `f16`", "\"f16\"").hint("did you mean `bf16`?"),
        mistake(rate, "learning_rate = 0.1\nevaluate_every = 101", "`training.evaluate_every`: expected an integer from 1 to 100, found `101`", "101"),
        mistake(rate, "learning_rate = 0.1\nnestrov = true", "unknown key `nestrov` in `training`, expected one of: `epochs`, `batch_size`, `learning_rate`, `momentum`, `nesterov`, `weight_decay`, `label_smoothing`, `schedule`, `crop_padding`, `horizontal_flip`, `budget`, `precision`, `evaluate_every`", "nestrov").hint("did you mean `nesterov`?"),
        mistake("\"step\"", "\"steps\"", "`training.schedule.kind`: expected one of: `constant`, `step`, `cosine`, `one-cycle`, found `steps`", "\"steps\"").hint("did you mean `step`?"),
        mistake("[30, 60, 80]", "[30, 30]", "`milestones`: expected an integer from 31 to 99, found `30`", "30"),
        mistake("[30, 60, 80]", "[60, 30]", "`milestones`: expected an integer from 61 to 99, found `30`", "30"),
        mistake("[30, 60, 80]", "[30, 100]", "`milestones`: expected an integer from 31 to 99, found `100`", "100"),
        mistake("[30, 60, 80]", "[99, 100]", "`milestones`: no epoch is left below 100, the epochs", "100"),
        mistake("[30, 60, 80]", "[0]", "`milestones`: expected an integer from 1 to 99, found `0`", "0"),
        mistake("[30, 60, 80]", "[]", "`training.schedule.milestones`: expected at least one element", "[]"),
        mistake("factor = 0.2", "factor = 0", "`training.schedule.factor`: expected a number above 0 and at most 1, found `0`", "0"),
        mistake(step, "kind = \"constant\"\nfactor = 1", "unknown key `factor` in `training.schedule`, expected one of: `kind`", "factor"),
        mistake(step, "kind = \"cosine\"\nwarmup_epochs = 100", "`training.schedule.warmup_epochs`: expected a number from 0 to below 100, the epochs, found `100`", "100"),
        mistake(step, "kind = \"one-cycle\"\nwarmup_fraction = 1.0", "`training.schedule.warmup_fraction`: expected a number above 0 and below 1, found `1.0`", "1.0"),
        mistake(period, "selection_period = 0", "`selection.selection_period`: expected an integer from 1 to 100, found `0`", "0"),
        mistake(period, "selection_period = 101", "`selection.selection_period`: expected an integer from 1 to 100, found `101`", "101"),
        mistake(period, "selection_period = 5\nema_weight = 0.0", "`selection.ema_weight`: expected a number above 0 and at most 1, found `0.0`", "0.0"),
        mistake(period, "selection_period = 5\nema_weight = 1.1", "`selection.ema_weight`: expected a number above 0 and at most 1, found `1.1`", "1.1"),
        mistake(period, "selection_period = 5\nscore = \"el2\"", "`selection.score`: expected one of: `loss`, `one-minus-max-probability`, `entropy`, `el2n`, found `el2`", "\"el2\"").hint("did you mean `el2n`?"),
        mistake(period, "selection_period = 5\nscore_source = \"forward_pass\"", "`selection.score_source`: expected one of: `forward-pass`, `training`, found `forward_pass`", "\"forward_pass\"").hint("did you mean `forward-pass`?"),
        mistake(period, "selection_period = 5\nfirst_round = 1", "`selection.first_round`: expected a text in quotes, found `1`", "1"),
        mistake(period, "selection_period = 5\n[extra]", "unknown key `extra`, expected one of: `summary`, `needs_cuda`, `dataset`, `pruned_fractions`, `seeds`, `subset`, `model`, `training`, `selection`, `scoring`", "extra"),
        mistake(period, "selection_period = 5\n[scoring]\nruns = 0", "`scoring.runs`: expected an integer from 1 to 1000, found `0`", "0"),
        mistake(period, "selection_period = 5\n[scoring]\nepoch = 101", "`scoring.epoch`: expected an integer from 0 to 100, found `101`", "101"),
        mistake(period, "selection_period = 5\n[scoring]\nseeds = 3", "unknown key `seeds` in `scoring`, expected one of: `runs`, `epoch`, `forget_runs`", "seeds"),
    ];
    for mistake in mistakes {
        mistake.check(&place(profile(&edited(PROFILE, mistake.from, mistake.to))));
    }
}

/// What only shows when recipe and profile meet.
#[test]
fn of_recipe_and_profile_together() {
    let found = |fractions: &str, profile_line: &str| {
        let recipe = recipe(&edited(RECIPE, "[0.7, 0.3]", fractions)).unwrap();
        place(recipe.cells(
            &profile(&format!("{profile_line}\n{PROFILE}")).unwrap(),
            None,
            &no_table,
        ))
    };
    let none_left = found("[0.7, 0.3]", "pruned_fractions = [0.5]");
    assert_eq!(
        none_left.message,
        "profile `trial` runs the pruned fractions [0.5] only, none of these"
    );
    assert_eq!(underlined(&none_left), "0.7, 0.3");

    let too_many = found("[0.7, 0.3]", "subset.train_samples = 50_001");
    assert_eq!(
        too_many.message,
        "profile `trial` asks for 50001 training samples, data set `cifar10` has 50000"
    );
    assert_eq!(underlined(&too_many), "\"cifar10\"");

    let nothing_kept = found("[0.3, 0.98]", "subset.train_samples = 20");
    assert_eq!(
        nothing_kept.message,
        "pruned fraction 0.98 keeps none of the 20 samples of `cifar10`"
    );
    assert_eq!(underlined(&nothing_kept), "0.3, 0.98");
}

/// Such a figure could not be drawn once its runs are made.
#[test]
fn of_axes_that_no_run_has() {
    let cells = |axes: &str| {
        let figure = format!("figure = \"accuracy-by-settings\"\naxes = [{axes}]");
        let recipe = recipe(&edited(RECIPE, "figure = \"accuracy-by-fraction\"", &figure)).unwrap();
        recipe.cells(&profile(PROFILE).unwrap(), None, &no_table)
    };
    cells("\"c\", \"ema_weight\"").unwrap();
    cells("\"selection_period\", \"c\"").unwrap();
    let apart = place(cells("\"c\", \"epsilon\""));
    assert_eq!(
        apart.message,
        "`axes`: in profile `trial` no method here has `c` and `epsilon`"
    );
    assert_eq!(underlined(&apart), "\"c\", \"epsilon\"");
    let word = place(cells("\"c\", \"score_source\""));
    assert_eq!(
        word.message,
        "`axes`: expected settings that are numbers, `score_source` of `ucb` is `forward-pass`"
    );
}

/// An untrained network has no losses of training steps.
#[test]
fn of_a_first_round_by_scores_that_nobody_makes() {
    let method = "{ name = \"ucb\", c = 0.5 }";
    let cells = |method_written: &str| {
        let recipe = recipe(&edited(RECIPE, method, method_written)).unwrap();
        recipe.cells(&profile(PROFILE).unwrap(), None, &no_table)
    };
    cells("{ name = \"ucb\", score_source = \"forward-pass\", first_round = \"scores\" }").unwrap();
    let wrong = "{ name = \"ucb\", score_source = \"training\", first_round = \"scores\" }";
    let found = place(cells(wrong));
    assert_eq!(
        found.message,
        "in profile `trial` this has `score_source = \"training\"`, which has no scores for `first_round = \"scores\"`"
    );
    assert_eq!(underlined(&found), wrong);
    assert_eq!(
        found.hint.as_deref(),
        Some("`first_round` may be \"random\" or \"full\" here")
    );
}

#[test]
fn the_message_shows_the_line() {
    let text = edited(RECIPE, "\"random-static\"", "\"random-statik\"");
    let found = place(recipe(&text));
    let expected = format!(
        "unknown method `random-statik`, expected one of: {METHODS}
 --> {}:7:20
  |
7 | methods = [\"full\", \"random-statik\", \"random-dynamic\", {{ name = \"ucb\", c = 0.5 }}]
  |                    ^^^^^^^^^^^^^^^

hint: did you mean `random-static`?",
        found.path.display()
    );
    assert_eq!(found.to_string(), expected);
}

/// Columns count characters, and carets stay under their text with tabs and Windows line ends.
#[test]
fn carets_line_up() {
    let text = edited(
        RECIPE,
        "title = \"Accuracy against the pruned fraction\"",
        "title = \"Größe\" x",
    )
    .replace('\n', "\r\n");
    let found = place(recipe(&text));
    assert_eq!((found.line, found.column), (1, 17));
    assert_eq!(
        (found.text.as_str(), underlined(&found).as_str()),
        ("title = \"Größe\" x", "x")
    );

    let text = edited(RECIPE, "figure =", "figure\t=\t7 #");
    let found = place(recipe(&text));
    assert_eq!((found.line, found.column, underlined(&found).as_str()), (5, 10, "7"));
}

/// What is not TOML at all is the parser's to explain; the place is ours.
#[test]
fn of_syntax() {
    for (from, to, line, column, what) in [
        ("claims = ", "claims ", 2, 8, "="),
        ("0.3]", "0.3", 8, 29, "array"),
        ("figure =", "title = 1\nfigure =", 5, 1, "duplicate key"),
        ("better\"", "better", 4, 32, "string"),
    ] {
        let found = place(recipe(&edited(RECIPE, from, to)));
        assert!(
            found.message.starts_with("not TOML: ") && found.message.contains(what),
            "{found}"
        );
        assert_eq!((found.line, found.column), (line, column), "{found}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let message = Recipe::load(Path::new("no/such.toml"), &crate::written::catalog())
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("cannot read `no/such.toml`: "), "{message}");
}
