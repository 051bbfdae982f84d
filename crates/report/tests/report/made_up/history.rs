//! Made-up kept sets, score traces and images. Samples are hard or easy, and networks learn the easy ones first.

use std::collections::BTreeMap;

use dynaprune_report::{History, Planned, RunRow, SampleImage, SelectionRow, Setting, StaticSet, TraceRow};

use super::{hash, mix};

/// A figure of each kind that reads these: its id, kind and title.
pub(crate) const FIGURES: &[(&str, &str, &str)] = &[
    ("fig7", "selection-counts", "How often each sample is selected"),
    ("fig8", "turnover", "Turnover of the kept set"),
    (
        "fig9",
        "score-trajectories",
        "Scores of never, sometimes and always selected samples",
    ),
];

/// The scores that static methods would take.
const STATIC: &[&str] = &["forget", "el2n@10", "grand@10"];

const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "aquarium_fish",
];

const TRACED: u32 = 100;

/// Everything for these runs.
pub(crate) fn history(runs: &[RunRow]) -> History {
    History {
        static_sets: static_sets(runs, STATIC),
        images: images(runs),
        ..kept_and_traced(runs)
    }
}

/// The plan that exactly these runs fulfil, with the settings that figures on kept sets look at.
pub(crate) fn planned(runs: &[RunRow]) -> Vec<Planned> {
    let mut planned = super::planned(runs);
    for (planned, run) in planned.iter_mut().zip(runs) {
        if is_scored(run) {
            let word = |word: &str| Setting::Word(word.to_owned());
            planned.settings = BTreeMap::from([
                ("selection_period".to_owned(), Setting::Number(f64::from(period(run)))),
                ("score".to_owned(), word("loss")),
                ("score_source".to_owned(), word("forward-pass")),
                ("first_round".to_owned(), word("random")),
            ]);
        }
    }
    planned
}

/// The kept sets and traces of the runs of dynamic methods.
pub(crate) fn kept_and_traced(runs: &[RunRow]) -> History {
    let mut history = History::default();
    for run in runs {
        if is_scored(run) {
            scored(run, &mut history);
        } else if run.method == "random-dynamic" {
            let draw = |epoch| set(run, epoch, &random(run, epoch), None);
            history.selections.extend((1..=run.epochs).map(draw));
        }
    }
    history
}

fn scored(run: &RunRow, history: &mut History) {
    let samples = run.train_samples as u32;
    let mut traces: Vec<TraceRow> = traced(samples)
        .map(|position| TraceRow {
            run_id: run.run_id.clone(),
            position,
            sample: 3 * position,
            label: class(position),
            epochs: Vec::new(),
            scores: Vec::new(),
        })
        .collect();
    let mut means = vec![0.0; samples as usize];
    for epoch in (1..=run.epochs).step_by(period(run) as usize) {
        if epoch == 1 {
            history.selections.push(set(run, 1, &random(run, 1), None));
            continue;
        }
        let scores: Vec<f32> = (0..samples).map(|sample| score(run, sample, epoch)).collect();
        for (mean, score) in means.iter_mut().zip(&scores) {
            *mean = 0.2 * *mean + 0.8 * f64::from(*score);
        }
        let mut keys = means.clone();
        if run.method == "epsilon-greedy" {
            for (sample, key) in (0..).zip(&mut keys) {
                if noise(&run.run_id, sample, epoch + 7777) > 0.95 {
                    *key += 10.0;
                }
            }
        }
        history
            .selections
            .push(set(run, epoch, &top(&keys, run.kept_samples), Some(&scores)));
        for trace in &mut traces {
            trace.epochs.push(epoch);
            trace.scores.push(scores[trace.position as usize]);
        }
    }
    history.traces.extend(traces);
}

/// What each score would keep at the pruned fractions and with the seeds of these runs.
pub(crate) fn static_sets(runs: &[RunRow], labels: &[&str]) -> Vec<StaticSet> {
    let mut sets: Vec<StaticSet> = Vec::new();
    for label in labels {
        for run in runs.iter().filter(|run| run.kept_samples < run.train_samples) {
            let place = (&run.dataset, run.pruned_fraction, run.seed);
            if sets
                .iter()
                .any(|set| set.label == *label && (&set.dataset, set.pruned_fraction, set.seed) == place)
            {
                continue;
            }
            let samples = run.train_samples as u32;
            let score = |sample| hardness(sample) + 0.3 * noise(label, sample, 0);
            let scores: Vec<f64> = (0..samples).map(score).collect();
            sets.push(StaticSet {
                dataset: run.dataset.clone(),
                label: (*label).to_owned(),
                pruned_fraction: run.pruned_fraction,
                seed: run.seed,
                train_samples: samples,
                selected: top(&scores, run.kept_samples),
            });
        }
    }
    sets
}

/// Discs of the class's colour before a sky.
pub(crate) fn images(runs: &[RunRow]) -> Vec<SampleImage> {
    const SIDE: i32 = 32;
    let mut images: Vec<SampleImage> = Vec::new();
    for run in runs {
        if images.iter().any(|image| image.dataset == run.dataset) {
            continue;
        }
        images.extend(traced(run.train_samples as u32).map(|position| {
            let class = class(position);
            let (x0, y0) = (10 + position as i32 % 11, 10 + position as i32 % 13);
            let pixel = |index: i32| {
                let (x, y) = (index % SIDE, index / SIDE);
                let inside = (x - x0).pow(2) + (y - y0).pow(2) < 70;
                let hue = mix(u64::from(class)).to_le_bytes();
                match inside {
                    true => [hue[0], hue[1], hue[2]],
                    false => [150 + 2 * y as u8, 180 + y as u8, 235 - y as u8],
                }
            };
            SampleImage {
                dataset: run.dataset.clone(),
                position,
                class: CLASSES[class as usize].to_owned(),
                width: SIDE as u32,
                height: SIDE as u32,
                channels: 3,
                pixels: (0..SIDE * SIDE).flat_map(pixel).collect(),
            }
        }));
    }
    images
}

fn is_scored(run: &RunRow) -> bool {
    matches!(&*run.method, "uncertainty" | "epsilon-greedy" | "ucb")
}

/// Twenty rounds a run.
fn period(run: &RunRow) -> u32 {
    (run.epochs / 20).max(1)
}

fn traced(samples: u32) -> impl Iterator<Item = u32> {
    (0..samples).step_by((samples / TRACED).max(1) as usize)
}

fn class(position: u32) -> u32 {
    (mix(u64::from(position) + 5) % 10) as u32
}

/// From 0 to 1.
fn hardness(sample: u32) -> f64 {
    f64::from(super::any(sample))
}

/// A cross-entropy: the harder the sample, the later it falls.
fn score(run: &RunRow, sample: u32, epoch: u32) -> f32 {
    let time = f64::from(epoch) / f64::from(run.epochs);
    let decay = 12.0 * time * (1.25 - hardness(sample)).powi(2);
    (2.3 * (-decay).exp() * (0.2 + 2.0 * noise(&run.run_id, sample, epoch).powi(2))) as f32
}

fn noise(seed: &str, sample: u32, epoch: u32) -> f64 {
    let bits = mix(hash(seed) ^ mix(u64::from(sample) << 32 | u64::from(epoch)));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn random(run: &RunRow, epoch: u32) -> Vec<u32> {
    let keys: Vec<f64> = (0..run.train_samples as u32)
        .map(|sample| noise(&run.run_id, sample, 100_000 + epoch))
        .collect();
    top(&keys, run.kept_samples)
}

fn top(keys: &[f64], kept: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_by(|&a, &b| keys[b as usize].total_cmp(&keys[a as usize]));
    order.truncate(kept as usize);
    order
}

fn set(run: &RunRow, epoch: u32, kept: &[u32], scores: Option<&[f32]>) -> SelectionRow {
    let samples = run.train_samples as usize;
    let mean = scores.map(|scores| scores.iter().map(|&score| f64::from(score)).sum::<f64>() / samples as f64);
    SelectionRow {
        run_id: run.run_id.clone(),
        epoch,
        train_samples: samples as u32,
        kept_samples: kept.len() as u32,
        selected: SelectionRow::bits(kept, samples),
        score_mean: mean,
        score_std: mean.map(|_| 0.5),
        score_min: mean.map(|_| 0.0),
        score_median: mean,
        score_max: mean.map(|_| 9.0),
    }
}
