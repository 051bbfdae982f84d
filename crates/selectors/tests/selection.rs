//! Properties of every method, and each method against its definition written out naively.

use std::collections::BTreeMap;

use dynaprune_random::{Purpose, Stream};
use dynaprune_selectors::{Cadence, Column, Error, METHODS, Options, Selector, Setup, State, Value, method};
use proptest::prelude::*;

type Observations = Vec<(Vec<u32>, Vec<f32>)>;

fn options<const N: usize>(given: [(&str, Value); N]) -> Options {
    given
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn build(name: &str, setup: &Setup, options: &Options) -> Box<dyn Selector> {
    method(name).unwrap().build(setup, options).unwrap()
}

fn setup(samples: usize, seed: u64) -> Setup<'static> {
    Setup {
        samples,
        seed,
        ..Setup::default()
    }
}

fn all(samples: usize) -> Vec<u32> {
    (0..samples as u32).collect()
}

/// The methods that rank by observed scores, with unusual options too.
fn scored() -> Vec<(&'static str, Options)> {
    vec![
        ("uncertainty", options([])),
        ("epsilon-greedy", options([("epsilon", Value::Float(0.3))])),
        ("ucb", options([])),
        (
            "ucb",
            options([
                ("c", Value::Float(2.5)),
                ("first_variance", Value::Text("square".into())),
            ]),
        ),
        ("ucb1", options([("c", Value::Float(0.3))])),
    ]
}

/// Numbers with many ties and every special value.
fn any_score() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (0u8..6).prop_map(f32::from),
        4 => -5.0f32..5.0,
        1 => prop::sample::select(vec![
            f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0, 0.0, f32::MIN_POSITIVE,
        ]),
    ]
}

fn any_observations(samples: usize) -> impl Strategy<Value = Observations> {
    let one = prop::collection::vec((0..samples as u32, any_score()), 0..3 * samples);
    prop::collection::vec(one.prop_map(|pairs| pairs.into_iter().unzip()), 0..4)
}

/// (N, observations, K, labels)
fn any_case() -> impl Strategy<Value = (usize, Observations, usize, Vec<u16>)> {
    (1usize..60).prop_flat_map(|n| (Just(n), any_observations(n), 0..=n, prop::collection::vec(0u16..5, n)))
}

fn assert_is_a_selection(selected: &[u32], k: usize, samples: usize) {
    assert_eq!(selected.len(), k);
    assert!(
        selected.is_sorted_by(|a, b| a < b),
        "not ascending or not distinct: {selected:?}"
    );
    assert!(selected.last().is_none_or(|&last| (last as usize) < samples));
}

/// The tie keys by their definition: sample i has word i of the round's stream.
fn words(purpose: &str, seed: u64, round: u64, samples: usize) -> Vec<u32> {
    let mut stream = Stream::new(seed, Purpose::new(purpose), round);
    (0..samples).map(|_| stream.next_u32()).collect()
}

/// The definition of "the K best", by sorting: score (NaN above all), then tie key, both falling,
/// then index rising.
fn best_by_sorting(scores: &[f32], ties: &[u32], members: &[u32], k: usize) -> Vec<u32> {
    let mut order = members.to_vec();
    order.sort_by(|&a, &b| {
        let (x, y) = (scores[a as usize], scores[b as usize]);
        let by_score = match (x.is_nan(), y.is_nan()) {
            (false, false) => y.partial_cmp(&x).unwrap(),
            (x, y) => y.cmp(&x),
        };
        by_score.then(ties[b as usize].cmp(&ties[a as usize])).then(a.cmp(&b))
    });
    order.truncate(k);
    order.sort_unstable();
    order
}

/// A scored method by its definition, one sample at a time; `ucb1` needs its counts beside.
struct Naive {
    weight: f64,
    history: Vec<Vec<f32>>,
}

impl Naive {
    fn new(samples: usize, weight: f64, observations: &Observations) -> Self {
        let mut history = vec![Vec::new(); samples];
        for (indices, scores) in observations {
            for (&i, &score) in indices.iter().zip(scores) {
                if !score.is_nan() {
                    history[i as usize].push(score.clamp(f32::MIN, f32::MAX));
                }
            }
        }
        Self { weight, history }
    }

    fn scores(&self, of: impl Fn(f32, f32) -> f32, first_square: bool) -> Vec<f32> {
        let a = self.weight;
        let saturate = |x: f64| x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        let one = |history: &Vec<f32>| {
            let Some(&first) = history.first() else { return f32::NAN };
            let mut mean = first;
            let mut variance = 0.0;
            if first_square {
                variance = saturate(a * f64::from(first) * f64::from(first));
            }
            for &u in &history[1..] {
                let difference = f64::from(u) - f64::from(mean);
                variance = saturate((1.0 - a) * f64::from(variance) + a * difference * difference);
                mean = saturate((1.0 - a) * f64::from(mean) + a * f64::from(u));
            }
            of(mean, variance)
        };
        self.history.iter().map(one).collect()
    }
}

#[test]
fn the_list_is_complete_and_well_formed() {
    let names: Vec<&str> = METHODS.iter().map(|info| info.name).collect();
    assert_eq!(
        names,
        [
            "full",
            "random-static",
            "static",
            "random-dynamic",
            "uncertainty",
            "epsilon-greedy",
            "ucb",
            "ucb1"
        ]
    );
    for info in METHODS {
        let scores = [0.0; 3];
        let setup = Setup {
            samples: 3,
            static_scores: Some(&scores),
            ..Setup::default()
        };
        let mut selector = info.build(&setup, &Options::new()).unwrap();
        assert_eq!(selector.select(3, 0).unwrap(), [0, 1, 2], "{}", info.name);
        assert_eq!(selector.state().method, info.name);
    }
}

#[test]
fn the_documented_options_are_those_there_are() {
    let documentation = include_str!("../src/lib.rs");
    let documented = |line: &&str| line.starts_with("//! | `") && line.matches(" | ").count() == 5;
    let mut lines = documentation.lines().filter(documented);
    for info in METHODS {
        for option in info.options {
            let line = lines.next().unwrap();
            let begin = format!("//! | `{}` | `{}` | ", info.name, option.name);
            let end = format!(" | {} | `{}` |", option.kind, option.kind.default_value());
            assert!(line.starts_with(&begin) && line.ends_with(&end), "{line}");
        }
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn cadence_follows_the_redraw_option() {
    let cadence = |name: &str, options: &Options| method(name).unwrap().cadence(options).unwrap();
    assert_eq!(cadence("random-static", &Options::new()), Cadence::Once);
    assert_eq!(cadence("ucb", &Options::new()), Cadence::EveryRound);
    assert_eq!(cadence("random-dynamic", &Options::new()), Cadence::EveryEpoch);
    let period = options([("redraw", Value::Text("period".into()))]);
    assert_eq!(cadence("random-dynamic", &period), Cadence::EveryRound);
}

/// a = 0.8 and the scores 1, 2, 0.5 of sample 0, by hand:
/// m = 1, then 0.2 + 1.6 = 1.8, then 0.36 + 0.4 = 0.76;
/// v = 0, then 0.8 * 1^2 = 0.8, then 0.16 + 0.8 * 1.3^2 = 1.512.
/// With `square`: v = 0.8, then 0.16 + 0.8 = 0.96, then 0.192 + 1.352 = 1.544.
#[test]
fn moving_statistics_follow_a_trace_made_by_hand() {
    for (first, variances) in [("zero", [0.0, 0.8, 1.512]), ("square", [0.8, 0.96, 1.544])] {
        let given = options([("first_variance", Value::Text(first.into()))]);
        let mut selector = build("ucb", &setup(2, 0), &given);
        for ((score, mean), variance) in [1.0, 2.0, 0.5].into_iter().zip([1.0, 1.8, 0.76]).zip(variances) {
            selector.observe(&[0], &[score]).unwrap();
            let state = selector.state();
            assert!((f32s(&state, "mean")[0] - mean).abs() < 1e-6);
            assert!(
                (f32s(&state, "variance")[0] - variance).abs() < 1e-6,
                "{first}: {state:?}"
            );
            assert!(f32s(&state, "mean")[1].is_nan(), "sample 1 was not observed");
        }
    }
}

/// Sample 0 has mean 1 and variance 0; sample 1 has mean 0.76 and variance 1.512.
#[test]
fn c_weighs_the_variance() {
    for (c, best) in [(0.0, 0), (0.15, 0), (0.17, 1), (1.0, 1)] {
        let mut selector = build("ucb", &setup(2, 0), &options([("c", Value::Float(c))]));
        for score in [1.0, 2.0, 0.5] {
            selector.observe(&[0, 1], &[1.0, score]).unwrap();
        }
        assert_eq!(selector.select(1, 0).unwrap(), [best], "c = {c}");
    }
}

/// Three arms of mean 0.6, 0.5 and 0.1, one played a round, each once first; then t = 3 and
/// n = 1 each: the widths are equal and arm 0 wins. At t = 4 it has n = 2, so its bound is
/// 0.6 + sqrt(2 ln 4 / 2) = 1.777 against 0.5 + sqrt(2 ln 4) = 2.165 of arm 1, which wins; at t = 5
/// arm 2 wins: 0.1 + sqrt(2 ln 5) = 1.894 against 0.6 + 1.269 = 1.869 and 0.5 + 1.269 = 1.769.
#[test]
fn ucb1_plays_the_arms_of_the_textbook() {
    let mut selector = build("ucb1", &setup(3, 0), &Options::new());
    selector.observe(&[0, 1, 2], &[0.6, 0.5, 0.1]).unwrap();
    let mut first: Vec<u32> = (0..3).flat_map(|round| selector.select(1, round).unwrap()).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
    let played: Vec<u32> = (3..6).flat_map(|round| selector.select(1, round).unwrap()).collect();
    assert_eq!(played, [0, 1, 2]);
}

#[test]
fn ucb1_averages_all_scores_alike() {
    let mut selector = build("ucb1", &setup(1, 0), &Options::new());
    for score in [1.0, 2.0, 6.0] {
        selector.observe(&[0], &[score]).unwrap();
    }
    assert_eq!(f32s(&selector.state(), "mean"), [3.0]);
}

#[test]
fn static_keeps_the_highest_with_infinity_above_all() {
    let scores = [0.5, f32::INFINITY, -1.0, f32::NEG_INFINITY, 3.0];
    let setup = Setup {
        static_scores: Some(&scores),
        ..setup(5, 0)
    };
    let mut selector = build("static", &setup, &Options::new());
    for (k, expected) in [(1, vec![1]), (2, vec![1, 4]), (3, vec![0, 1, 4]), (4, vec![0, 1, 2, 4])] {
        assert_eq!(selector.select(k, 9).unwrap(), expected);
    }
}

#[test]
fn both_zeros_are_tied() {
    let scores: Vec<f32> = (0..2).map(|i| [0.0, -0.0][i]).collect();
    let mut negative_zero_won = 0;
    for seed in 0..200 {
        let setup = Setup {
            static_scores: Some(&scores),
            ..setup(2, seed)
        };
        negative_zero_won += build("static", &setup, &Options::new()).select(1, 0).unwrap()[0];
    }
    assert!((60..140).contains(&negative_zero_won), "{negative_zero_won} of 200");
}

#[test]
fn samples_not_observed_come_first() {
    for (name, options) in scored() {
        if name == "epsilon-greedy" {
            continue;
        }
        let mut selector = build(name, &setup(6, 1), &options);
        selector.observe(&[0, 2, 5], &[f32::INFINITY, f32::MAX, 1e30]).unwrap();
        assert_eq!(selector.select(3, 0).unwrap(), [1, 3, 4], "{name}");
    }
}

#[test]
fn nan_is_no_observation() {
    for (name, options) in scored() {
        let [mut with, mut without] = [(); 2].map(|()| build(name, &setup(4, 1), &options));
        for round in 0..5u8 {
            let scores = [1.0, 2.0, 3.0].map(|x: f32| x * f32::from(round + 1));
            with.observe(&[0, 1, 2, 3], &[scores[0], scores[1], scores[2], f32::NAN])
                .unwrap();
            with.observe(&[0, 1], &[f32::NAN, f32::NAN]).unwrap();
            without.observe(&[0, 1, 2], &scores).unwrap();
        }
        assert_eq!(json(&with.state()), json(&without.state()), "{name}");
        assert!(f32s(&with.state(), "mean")[3].is_nan());
    }
}

/// One infinite score leads for a while, and ordinary ones bring the average back.
#[test]
fn a_moving_average_comes_back_from_infinity() {
    for (infinity, first) in [(f32::INFINITY, 0), (f32::NEG_INFINITY, 1)] {
        let mut selector = build("uncertainty", &setup(2, 0), &Options::new());
        selector.observe(&[0, 1], &[infinity, 1.0]).unwrap();
        assert_eq!(selector.select(1, 0).unwrap(), [first]);
        for _ in 0..80 {
            selector.observe(&[0], &[0.5]).unwrap();
        }
        let mean = f32s(&selector.state(), "mean")[0];
        assert!((mean - 0.5).abs() < 1e-6, "{mean}");
    }
}

/// The largest number is 10^38.53, and each score takes a mean down by 0.2 = 10^-0.699: after 56 it is below 1. The variance
/// is at its largest, 10^38.53, too, as long as the mean's square is above it.
#[test]
fn how_long_infinity_is_remembered() {
    let mut selector = build("ucb", &setup(1, 0), &Options::new());
    selector.observe(&[0], &[f32::INFINITY]).unwrap();
    let mut last = [0, 0];
    for scores in 1..=100 {
        selector.observe(&[0], &[0.0]).unwrap();
        for (last, column) in last.iter_mut().zip(["mean", "variance"]) {
            if f32s(&selector.state(), column)[0] > 1.0 {
                *last = scores;
            }
        }
    }
    assert_eq!(last, [55, 83]);
}

#[test]
fn no_observation_makes_a_statistic_infinite_or_nan() {
    for (name, options) in scored() {
        let mut selector = build(name, &setup(2, 0), &options);
        for score in [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::INFINITY] {
            selector.observe(&[0, 1], &[score, -score]).unwrap();
            for (column, values) in columns(&selector.state()) {
                assert!(
                    values.iter().all(|value| value.is_finite()),
                    "{name} {column} {values:?}"
                );
            }
        }
    }
}

#[test]
fn wrong_calls_are_errors_and_change_nothing() {
    for (name, options) in scored() {
        let mut selector = build(name, &setup(3, 0), &options);
        selector.observe(&[0], &[1.0]).unwrap();
        let before = json(&selector.state());
        assert_eq!(
            selector.observe(&[0, 1], &[1.0]).unwrap_err(),
            Error::ObservedLengths { indices: 2, scores: 1 }
        );
        assert_eq!(
            selector.observe(&[0, 3], &[1.0, 2.0]).unwrap_err().to_string(),
            "observed sample index 3 at position 1: expected an index below 3"
        );
        assert_eq!(
            selector.select(4, 0).unwrap_err().to_string(),
            "asked to select 4 of 3 samples: expected at most 3"
        );
        assert_eq!(json(&selector.state()), before, "{name}");
    }
}

#[test]
fn wrong_setups_are_errors() {
    let error = |name: &str, setup: Setup| {
        method(name)
            .unwrap()
            .build(&setup, &Options::new())
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        error("ucb", setup(0, 0)),
        "the data set has 0 samples: expected 1 to 4294967295"
    );
    assert_eq!(
        error("full", setup(1 << 32, 0)),
        "the data set has 4294967296 samples: expected 1 to 4294967295"
    );
    assert_eq!(
        error(
            "ucb",
            Setup {
                labels: Some(&[0, 1]),
                ..setup(3, 0)
            }
        ),
        "labels have 2 entries: expected one for each of the 3 samples"
    );
    assert_eq!(
        error(
            "static",
            Setup {
                static_scores: Some(&[0.0]),
                ..setup(3, 0)
            }
        ),
        "static scores have 1 entries: expected one for each of the 3 samples"
    );
    assert_eq!(
        error("static", setup(3, 0)),
        "method `static` ranks samples by a score table: `static_scores` is missing"
    );
    assert_eq!(
        error(
            "static",
            Setup {
                static_scores: Some(&[0.0, f32::NAN]),
                ..setup(2, 0)
            }
        ),
        "the static score of sample 1 is NaN: expected a number, infinity allowed"
    );
    for ema_weight in [0.0, -0.1, 1.1, f64::NAN] {
        let wrong = Setup {
            ema_weight,
            ..setup(3, 0)
        };
        assert!(error("uncertainty", wrong).starts_with("`ema_weight` is "));
    }
    assert!(
        method("ucb2")
            .unwrap_err()
            .to_string()
            .starts_with("unknown method `ucb2`: expected one of `full`, ")
    );
    assert_eq!(
        build("full", &setup(3, 0), &Options::new())
            .select(2, 0)
            .unwrap_err()
            .to_string(),
        "method `full` selects every sample: asked for 2, expected 3"
    );
}

/// Every one of the 20 subsets of 3 out of 6 samples is as likely as any other: over 20,000 seeds,
/// or rounds, chi-square with 19 degrees of freedom stays under its 99.99 % point
/// (`scipy.stats.chi2.ppf(0.9999, 19)`).
fn assert_uniform(draws: impl Iterator<Item = Vec<u32>>) {
    let mut counts = BTreeMap::<Vec<u32>, f64>::new();
    let mut total = 0.0;
    for subset in draws {
        *counts.entry(subset).or_default() += 1.0;
        total += 1.0;
    }
    assert_eq!(counts.len(), 20);
    let expected = total / 20.0;
    let chi2: f64 = counts.values().map(|count| (count - expected).powi(2) / expected).sum();
    assert!(chi2 < 50.795, "chi-square {chi2}");
}

#[test]
fn a_random_subset_is_uniform_over_seeds() {
    assert_uniform((0..20_000).map(|seed| {
        build("random-static", &setup(6, seed), &Options::new())
            .select(3, 0)
            .unwrap()
    }));
}

#[test]
fn a_random_subset_is_uniform_over_rounds() {
    let mut selector = build("random-dynamic", &setup(6, 5), &Options::new());
    assert_uniform((0..20_000).map(|round| selector.select(3, round).unwrap()));
}

#[test]
fn epsilon_one_is_a_uniform_draw() {
    let mut selector = build("epsilon-greedy", &setup(6, 5), &options([("epsilon", Value::Int(1))]));
    selector.observe(&all(6), &[5.0, 0.0, 1.0, 9.0, 2.0, 2.0]).unwrap();
    assert_uniform((0..20_000).map(|round| selector.select(3, round).unwrap()));
}

#[test]
fn ties_are_broken_uniformly() {
    let mut selector = build("uncertainty", &setup(6, 5), &Options::new());
    selector.observe(&all(6), &[1.5; 6]).unwrap();
    assert_uniform((0..20_000).map(|round| selector.select(3, round).unwrap()));
}

#[test]
fn samples_not_observed_are_drawn_uniformly() {
    let mut selector = build("ucb", &setup(8, 5), &Options::new());
    selector.observe(&[6, 7], &[1.0, 2.0]).unwrap();
    assert_uniform((0..20_000).map(|round| selector.select(3, round).unwrap()));
}

/// Greedy takes one of two tied samples first; the random one of the others must not avoid or
/// prefer the loser: every pair with the winner is as likely. Six samples, K = 2, one of it random.
#[test]
fn exploration_is_uniform_even_over_those_that_lost_a_tie() {
    let mut selector = build(
        "epsilon-greedy",
        &setup(6, 5),
        &options([("epsilon", Value::Float(0.5))]),
    );
    selector.observe(&all(6), &[7.0, 7.0, 1.0, 2.0, 3.0, 4.0]).unwrap();
    let rounds = 20_000;
    let both = (0..rounds)
        .filter(|&round| selector.select(2, round).unwrap() == [0, 1])
        .count();
    let (expected, deviation) = (0.2 * rounds as f64, (rounds as f64 * 0.2 * 0.8).sqrt());
    assert!(
        (both as f64 - expected).abs() < 4.0 * deviation,
        "{both}, expected {expected}"
    );
}

/// (epsilon, K) -> samples drawn at random, E: the K - E best are always in, and the next best is
/// drawn like any other, in few of 100 rounds.
#[test]
fn epsilon_sets_how_many_are_explored() {
    let n = 1000;
    let scores: Vec<f32> = (0..n).map(|i| i as f32).collect();
    for (epsilon, k, explored) in [(0.1, 100, 10), (0.1, 5, 1), (0.1, 4, 0), (0.25, 10, 3), (0.5, 1, 1)] {
        let mut selector = build(
            "epsilon-greedy",
            &setup(n, 3),
            &options([("epsilon", Value::Float(epsilon))]),
        );
        selector.observe(&all(n), &scores).unwrap();
        let greedy = all(n).split_off(n - (k - explored));
        let next_best = (n - greedy.len() - 1) as u32;
        let mut next_best_drawn = 0;
        for round in 0..100 {
            let selected = selector.select(k, round).unwrap();
            assert_is_a_selection(&selected, k, n);
            assert!(selected.ends_with(&greedy), "epsilon {epsilon}, k {k}: {selected:?}");
            next_best_drawn += usize::from(selected.contains(&next_best));
        }
        assert!(next_best_drawn < 15, "epsilon {epsilon}, k {k}: {next_best_drawn}");
    }
}

#[test]
fn class_balance_takes_the_best_of_each_class() {
    // Class 1 has all the high scores; by scores alone no other class would be taken.
    let labels = [0, 1, 0, 1, 0, 1, 0, 1, 4, 4];
    let scores = [0.1, 9.0, 0.4, 8.0, 0.3, 7.0, 0.2, 6.0, 0.0, -1.0];
    let setup = Setup {
        labels: Some(&labels),
        ..setup(10, 0)
    };
    let mut selector = build("uncertainty", &setup, &Options::new());
    selector.observe(&all(10), &scores).unwrap();
    assert_eq!(selector.select(5, 0).unwrap(), [1, 2, 3, 4, 8]);
    assert_eq!(selector.select(1, 0).unwrap(), [2], "equal remainders: the lower class");
    assert_eq!(selector.select(10, 0).unwrap(), all(10));
    assert!(selector.select(0, 0).unwrap().is_empty());
}

/// More classes than fit the search's wide digits, one sample in most of them.
#[test]
fn class_balance_with_a_class_for_every_sample() {
    let labels: Vec<u16> = (0..3000).collect();
    let balanced = Setup {
        labels: Some(&labels),
        ..setup(3000, 0)
    };
    let mut selector = build("uncertainty", &balanced, &Options::new());
    selector.observe(&all(3000), &[1.0; 3000]).unwrap();
    assert_eq!(selector.select(1234, 0).unwrap(), all(1234));

    let labels: Vec<u16> = (0..6000).map(|i| i / 2).collect();
    let scores: Vec<f32> = (0..6000).map(|i| (i * 7919 % 6007) as f32).collect();
    let balanced = Setup {
        labels: Some(&labels),
        ..setup(6000, 0)
    };
    let mut selector = build("uncertainty", &balanced, &Options::new());
    selector.observe(&all(6000), &scores).unwrap();
    let expected: Vec<u32> = (0..3000)
        .map(|c| 2 * c + u32::from(scores[2 * c as usize] < scores[2 * c as usize + 1]))
        .collect();
    assert_eq!(selector.select(3000, 0).unwrap(), expected);
}

/// Several chunks of work, so that threads have something to race for.
#[test]
fn the_number_of_threads_does_not_matter() {
    let n = 300_001;
    let scores: Vec<f32> = words("test", 1, 0, n).iter().map(|w| (w % 1000) as f32).collect();
    let labels: Vec<u16> = words("test", 2, 0, n).iter().map(|w| (w % 7) as u16).collect();
    for labels in [None, Some(labels.as_slice())] {
        let setup = Setup {
            labels,
            static_scores: Some(&scores),
            ..setup(n, 3)
        };
        for info in METHODS {
            let k = if info.name == "full" { n } else { 45_678 };
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut selector = info.build(&setup, &Options::new()).unwrap();
                    selector.observe(&all(n), &scores).unwrap();
                    let first = selector.select(k, 0).unwrap();
                    let some: Vec<u32> = (0..n as u32).step_by(3).collect();
                    let other: Vec<f32> = some.iter().map(|&i| scores[n - 1 - i as usize]).collect();
                    selector.observe(&some, &other).unwrap();
                    (first, selector.select(k, 1).unwrap(), json(&selector.state()))
                })
            };
            let one = run(1);
            assert_is_a_selection(&one.0, k, n);
            assert_is_a_selection(&one.1, k, n);
            assert!(one == run(2), "{} differs with 2 threads", info.name);
            assert!(one == run(3), "{} differs with 3 threads", info.name);
        }
    }
}

/// Several chunks of work against the definition, with ties across all of them.
#[test]
fn many_samples_agree_with_sorting() {
    let n = 300_000;
    for distinct in [1, 300, u32::MAX] {
        let scores: Vec<f32> = words("test", 1, 0, n)
            .iter()
            .map(|w| (w % distinct) as f32 - 100.0)
            .collect();
        let mut selector = build("uncertainty", &setup(n, 3), &Options::new());
        selector.observe(&all(n), &scores).unwrap();
        let ties = words("selector ties", 3, 8, n);
        for k in [1, 12_345, n - 1] {
            assert!(
                selector.select(k, 8).unwrap() == best_by_sorting(&scores, &ties, &all(n), k),
                "{distinct} {k}"
            );
        }
    }
}

/// A long list in any order, with samples that come twice, against the same in short lists.
#[test]
fn long_lists_need_no_order() {
    let n = 40_000;
    let mut indices = Stream::new(1, Purpose::new("test"), 0).permutation(n as u32);
    indices.extend_from_within(..n / 2);
    let scores: Vec<f32> = words("test", 2, 0, indices.len())
        .iter()
        .map(|w| (w % 100) as f32)
        .collect();
    for (name, options) in scored() {
        let [mut long, mut short] = [(); 2].map(|()| build(name, &setup(n, 1), &options));
        long.observe(&indices, &scores).unwrap();
        for (indices, scores) in indices.chunks(999).zip(scores.chunks(999)) {
            short.observe(indices, scores).unwrap();
        }
        assert!(json(&long.state()) == json(&short.state()), "{name}");
    }
}

/// Among 200,000 random keys of 32 bits a few are equal; cut right between two such samples.
#[test]
fn equal_tie_keys_are_ordered_by_index() {
    let n = 200_000;
    let ties = words("selector draw", 4, 0, n);
    let mut keys = ties.clone();
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let cuts: Vec<usize> = (1..n).filter(|&k| keys[k - 1] == keys[k]).collect();
    assert!(!cuts.is_empty());
    let mut selector = build("random-static", &setup(n, 4), &Options::new());
    for k in cuts {
        assert!(
            selector.select(k, 0).unwrap() == best_by_sorting(&vec![0.0; n], &ties, &all(n), k),
            "{k}"
        );
    }
}

proptest! {
    #[test]
    fn every_method_gives_k_distinct_ascending_samples(
        (n, observations, k, labels) in any_case(), seed: u64, round: u64, balanced: bool,
    ) {
        let table: Vec<f32> = (0..n).map(|i| (i % 3) as f32).collect();
        let labels = balanced.then_some(labels.as_slice());
        let setup = Setup { samples: n, seed, labels, static_scores: Some(&table), ..Setup::default() };
        for info in METHODS {
            let k = if info.name == "full" { n } else { k };
            let mut selector = info.build(&setup, &Options::new()).unwrap();
            for (indices, scores) in &observations {
                selector.observe(indices, scores).unwrap();
                assert_is_a_selection(&selector.select(k, round).unwrap(), k, n);
            }
            assert_is_a_selection(&selector.select(k, round).unwrap(), k, n);
            assert_eq!(selector.select(n, round).unwrap(), all(n));
        }
    }

    #[test]
    fn every_ranking_agrees_with_its_definition_by_sorting(
        (n, observations, k, labels) in any_case(), seed: u64, round: u64, balanced: bool,
        ema_weight in 0.01f64..=1.0, c in 0.0f32..3.0, square: bool,
    ) {
        let naive = Naive::new(n, ema_weight, &observations);
        let first = if square { "square" } else { "zero" };
        let ucb = options([("c", Value::Float(f64::from(c))), ("first_variance", Value::Text(first.into()))]);
        let cases = [
            ("uncertainty", Options::new(), naive.scores(|m, _| m, false)),
            ("ucb", ucb, naive.scores(|m, v| m + c * v, square)),
        ];
        for (name, options, scores) in cases {
            let ties = words("selector ties", seed, round, n);
            let labels = balanced.then_some(labels.as_slice());
            let setup = Setup { samples: n, seed, ema_weight, labels, static_scores: None };
            let mut selector = build(name, &setup, &options);
            for (indices, scores) in &observations {
                selector.observe(indices, scores).unwrap();
            }
            let selected = selector.select(k, round).unwrap();
            let expected = match labels {
                None => best_by_sorting(&scores, &ties, &all(n), k),
                Some(labels) => {
                    let mut expected = Vec::new();
                    for class in 0..5 {
                        let of_class = |list: &[u32]| -> Vec<u32> {
                            list.iter().copied().filter(|&i| labels[i as usize] == class).collect()
                        };
                        let quota = of_class(&selected).len();
                        expected.extend(best_by_sorting(&scores, &ties, &of_class(&all(n)), quota));
                        let exact = k as f64 * of_class(&all(n)).len() as f64 / n as f64;
                        prop_assert!((quota as f64 - exact).abs() < 1.0);
                    }
                    expected.sort_unstable();
                    expected
                }
            };
            prop_assert_eq!(selected, expected, "{}", name);
        }
    }

    #[test]
    fn epsilon_zero_is_greedy_and_epsilon_one_is_random(
        (n, observations, k, labels) in any_case(), seed: u64, round: u64, balanced: bool,
    ) {
        let labels = balanced.then_some(labels.as_slice());
        let setup = Setup { samples: n, seed, labels, ..Setup::default() };
        let select = |name: &str, given: Options| {
            let mut selector = build(name, &setup, &given);
            for (indices, scores) in &observations {
                selector.observe(indices, scores).unwrap();
            }
            selector.select(k, round).unwrap()
        };
        let epsilon = |value: i64| select("epsilon-greedy", options([("epsilon", Value::Int(value))]));
        prop_assert_eq!(epsilon(0), select("uncertainty", Options::new()));
        prop_assert_eq!(epsilon(1), select("random-dynamic", Options::new()));
    }

    /// Batches cut anywhere and samples in any order, each sample's own scores in theirs.
    #[test]
    fn order_and_batches_of_observations_do_not_matter(
        n in 1usize..50, scores in prop::collection::vec(any_score(), 100), batch in 1usize..60, seed: u64,
    ) {
        for (name, options) in scored() {
            let mut whole = build(name, &setup(n, seed), &options);
            let mut pieces = build(name, &setup(n, seed), &options);
            for round in 0..2u64 {
                let scores = &scores[round as usize * n..][..n];
                whole.observe(&all(n), scores).unwrap();
                let order = Stream::new(seed, Purpose::new("test"), round).permutation(n as u32);
                for indices in order.chunks(batch) {
                    let scores: Vec<f32> = indices.iter().map(|&i| scores[i as usize]).collect();
                    pieces.observe(indices, &scores).unwrap();
                }
                prop_assert_eq!(whole.select(n.div_ceil(3), round).unwrap(), pieces.select(n.div_ceil(3), round).unwrap());
            }
            prop_assert_eq!(json(&whole.state()), json(&pieces.state()));
        }
    }

    #[test]
    fn a_restored_selector_goes_on_as_the_saved_one(
        (n, observations, k, labels) in any_case(), seed: u64, balanced: bool,
    ) {
        let table: Vec<f32> = (0..n).map(|i| (i % 3) as f32).collect();
        let labels = balanced.then_some(labels.as_slice());
        let setup = Setup { samples: n, seed, labels, static_scores: Some(&table), ..Setup::default() };
        for info in METHODS {
            let k = if info.name == "full" { n } else { k };
            let mut saved = info.build(&setup, &Options::new()).unwrap();
            for (round, (indices, scores)) in observations.iter().enumerate() {
                saved.observe(indices, scores).unwrap();
                saved.select(k, round as u64).unwrap();
            }
            let text = json(&saved.state());
            let mut restored = info.build(&setup, &Options::new()).unwrap();
            restored.restore(&serde_json::from_str(&text).unwrap()).unwrap();
            for (round, (indices, scores)) in observations.iter().enumerate() {
                let round = 100 + round as u64;
                prop_assert_eq!(saved.select(k, round).unwrap(), restored.select(k, round).unwrap());
                saved.observe(indices, scores).unwrap();
                restored.observe(indices, scores).unwrap();
            }
            prop_assert_eq!(json(&saved.state()), json(&restored.state()));
        }
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let saved = |name: &str, samples: usize| {
        let mut selector = build(name, &setup(samples, 0), &Options::new());
        selector.observe(&[0], &[1.0]).unwrap();
        selector.state()
    };
    let changed = |name: &str, change: fn(&mut State)| {
        let mut state = saved(name, 3);
        change(&mut state);
        state
    };
    let cases = [
        (
            "ucb",
            saved("uncertainty", 3),
            "saved selector state: the method is `uncertainty`, expected `ucb`",
        ),
        (
            "ucb",
            saved("ucb", 4),
            "saved selector state: the number of samples is 4, expected 3",
        ),
        (
            "ucb",
            changed("ucb", |s| drop(s.columns.remove("variance"))),
            "saved selector state: the list of columns is `mean`, expected `mean`, `variance`",
        ),
        (
            "ucb1",
            changed("ucb1", |s| s.scalars.clear()),
            "saved selector state: the list of scalars is empty, expected `rounds`",
        ),
        (
            "ucb",
            changed("ucb", |s| {
                drop(s.columns.insert("variance".into(), Column::U32(vec![0; 3])))
            }),
            "saved selector state: column `variance` is a column of u32, expected a column of f32",
        ),
        (
            "ucb",
            changed("ucb", |s| {
                drop(s.columns.insert("variance".into(), Column::F32(vec![0.0; 2])))
            }),
            "saved selector state: the length of column `variance` is 2, expected 3",
        ),
        (
            "ucb",
            changed("ucb", |s| {
                drop(s.columns.insert("variance".into(), Column::F32(vec![0.0, -1.0, 0.0])))
            }),
            "saved selector state: column `variance` of sample 1 is -1, expected a finite number, not negative",
        ),
        (
            "uncertainty",
            changed("uncertainty", |s| {
                drop(s.columns.insert("mean".into(), Column::F32(vec![f32::INFINITY; 3])))
            }),
            "saved selector state: column `mean` of sample 0 is inf, expected a finite number, or NaN if not observed",
        ),
        (
            "ucb1",
            changed("ucb1", |s| {
                drop(s.columns.insert("selected".into(), Column::F32(vec![0.0; 3])))
            }),
            "saved selector state: column `selected` is a column of f32, expected a column of u32",
        ),
        (
            "ucb1",
            changed("ucb1", |s| {
                drop(s.columns.insert("selected".into(), Column::U32(vec![0, 1, 0])))
            }),
            "saved selector state: column `selected` of sample 1 is 1, expected at most 0, the rounds so far",
        ),
        (
            "ucb1",
            changed("ucb1", |s| {
                drop(s.columns.insert("observations".into(), Column::U32(vec![1, 2, 0])))
            }),
            "saved selector state: column `observations` of sample 1 is 2, expected 0: it has no mean",
        ),
        (
            "ucb",
            changed("ucb", |s| drop(s.settings.insert("seed".into(), "1".into()))),
            "saved selector state: the setting `seed` is `1`, expected `0`",
        ),
        (
            "ucb",
            changed("ucb", |s| drop(s.settings.remove("c"))),
            "saved selector state: the setting `c` is missing, expected `1`",
        ),
        (
            "uncertainty",
            changed("uncertainty", |s| drop(s.settings.insert("labels".into(), "0".into()))),
            "saved selector state: the setting `labels` is `0`, expected missing",
        ),
    ];
    for (name, state, message) in cases {
        let mut selector = build(name, &setup(3, 0), &Options::new());
        selector.observe(&[1], &[2.0]).unwrap();
        let before = json(&selector.state());
        assert_eq!(selector.restore(&state).unwrap_err().to_string(), message);
        assert_eq!(json(&selector.state()), before);
    }
}

#[test]
fn a_state_names_what_its_selector_was_built_with() {
    let settings = |name: &str, change: &dyn Fn(&mut Setup)| {
        let mut setup = Setup {
            static_scores: Some(&[0.0, 1.0, 2.0]),
            ..setup(3, 5)
        };
        change(&mut setup);
        build(name, &setup, &Options::new()).state().settings
    };
    let same = |name: &str, change: &dyn Fn(&mut Setup)| settings(name, &|_| {}) == settings(name, change);
    assert!(!same("random-static", &|setup| setup.seed = 6));
    assert!(!same("random-static", &|setup| setup.labels = Some(&[0, 1, 0])));
    assert!(!same("ucb", &|setup| setup.ema_weight = 0.5));
    assert!(same("ucb1", &|setup| setup.ema_weight = 0.5));
    assert!(!same("static", &|setup| setup.static_scores = Some(&[0.0, 1.0, 3.0])));
    assert!(same("ucb", &|setup| setup.static_scores = Some(&[0.0, 1.0, 3.0])));
    let options = Options::from([("epsilon".into(), 0.2.into())]);
    let epsilon = build("epsilon-greedy", &setup(3, 5), &options).state();
    assert_eq!(epsilon.settings["epsilon"], "0.2");
    assert_eq!(epsilon.settings["ema_weight"], "0.8");
}

fn json(state: &State) -> String {
    serde_json::to_string(state).unwrap()
}

fn f32s<'a>(state: &'a State, name: &str) -> &'a [f32] {
    match &state.columns[name] {
        Column::F32(values) => values,
        Column::U32(_) => panic!("{name} holds counts"),
    }
}

fn columns(state: &State) -> impl Iterator<Item = (&str, &[f32])> {
    state.columns.iter().filter_map(|(name, column)| match column {
        Column::F32(values) => Some((name.as_str(), values.as_slice())),
        Column::U32(_) => None,
    })
}
