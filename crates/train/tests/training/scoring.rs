//! Scoring runs: what they measure, what they share, and what they cost.

use crate::digits;
use candle_core::Device;
use dynaprune_datasets::synthetic::{Difficulty, SyntheticOptions, generate};
use dynaprune_datasets::{Normalization, fill_batch};
use dynaprune_models::{Gradients, Input, Mode, Net};
use dynaprune_ops::{CrossEntropy, column, read};
use dynaprune_scorers::{OptionKind, auc};
use dynaprune_spec::{Choice, Measurement, ScoreSpec, Value};
use dynaprune_train::{
    EpochRecord, Error, Measured, Scores, Watch, epochs_watched, measure, own_passes, run, training_samples,
};

const SAMPLES: usize = 130;

/// A table of digits for a scorer written as JSON.
fn spec(scorer: &str, epochs: u32, batch_size: u32) -> ScoreSpec {
    let json = format!(
        r#"{{"profile":"test","dataset":{{"name":"digits","options":{{}},"train_samples":{SAMPLES},"test_samples":null,
        "subset_seed":0}},"model":{{"name":"cnn","options":{{"width":4}}}},"training":{{"epochs":{epochs},
        "batch_size":{batch_size},"learning_rate":0.05,"momentum":0.9,"nesterov":true,"weight_decay":0.0005,
        "label_smoothing":0.1,"schedule":{{"kind":"constant"}},"crop_padding":1,"horizontal_flip":false,"budget":"epochs",
        "precision":"f32","evaluate_every":{epochs}}},"scorer":{scorer}}}"#
    );
    ScoreSpec::from_json(&json).unwrap()
}

fn forget(counted_on: &str) -> String {
    format!(r#"{{"name":"forget","options":{{"counted_on":"{counted_on}","never_learned":"infinity","runs":1}}}}"#)
}

fn el2n(epoch: u32) -> String {
    format!(r#"{{"name":"el2n","options":{{"measured":"checkpoint","epoch":{epoch},"runs":1}}}}"#)
}

fn grand(epoch: u32, parameters: &str) -> String {
    format!(r#"{{"name":"grand","options":{{"parameters":"{parameters}","epoch":{epoch},"runs":1}}}}"#)
}

fn measurements(scorers: &[String], epochs: u32, batch_size: u32) -> Vec<Measurement> {
    let first = |scorer: &String| spec(scorer, epochs, batch_size).measurements().remove(0);
    scorers.iter().map(first).collect()
}

fn measured(scorers: &[String], epochs: u32, batch_size: u32) -> Vec<Measured> {
    measure(&measurements(scorers, epochs, batch_size), &digits(), &mut ()).unwrap()
}

/// What a network with the cell's initial parameters tells of the samples, in batches of another size and another order.
fn of_initial_network(measurement: &Measurement, of: impl Fn(&mut Net) -> Vec<f32>) -> Vec<f32> {
    let dataset = digits();
    let [height, width, channels] = dataset.train.shape();
    let input = Input {
        height,
        width,
        channels,
        classes: dataset.classes.len(),
    };
    let graph = (dynaprune_models::find("cnn").unwrap().build)(input, 4).unwrap();
    let mut net = Net::new(graph, 7, measurement.cell.seed, &Device::Cpu).unwrap();
    let samples = training_samples(&measurement.cell, &dataset).unwrap();
    let normalization = Normalization::of(&dataset.train);
    let mut scores = vec![0.0; samples.len()];
    let order: Vec<usize> = (0..samples.len()).rev().collect();
    for positions in order.chunks(7) {
        let indices: Vec<u32> = positions.iter().map(|&p| samples[p]).collect();
        net.load(indices.len(), |pixels, labels| {
            fill_batch(&dataset.train, &indices, &normalization, None, pixels);
            for (label, &i) in labels.iter_mut().zip(&indices) {
                *label = u32::from(dataset.train.labels[i as usize]);
            }
        })
        .unwrap();
        for (&p, score) in positions.iter().zip(of(&mut net)) {
            scores[p] = score;
        }
    }
    scores
}

/// Batches of 130 = 4 x 32 + 2 on one side, of 7 and in reverse on the other: the same bits, and the partial last batch is not
/// inflated.
#[test]
fn scores_do_not_depend_on_batches_and_order() {
    let scorers = [el2n(0), grand(0, "all"), grand(0, "last-layer")];
    let measurement = measurements(&scorers, 3, 32).remove(0);
    let found = measured(&scorers, 3, 32);
    let expected = of_initial_network(&measurement, |net| {
        let samples = net.evaluate(CrossEntropy::default(), Mode::Evaluate).unwrap().clone();
        read(&samples, |s: &[f32]| {
            Ok(s.chunks_exact(column::COLUMNS).map(|s| s[column::EL2N]).collect())
        })
        .unwrap()
    });
    assert_eq!(found[0].scores, expected);
    for (found, gradients) in found[1..].iter().zip([Gradients::All, Gradients::LastLayer]) {
        let expected = of_initial_network(&measurement, |net| {
            net.gradient_norms(gradients).unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(found.scores, expected);
    }
    let whole = measured(&scorers, 3, 130);
    for (a, b) in found.iter().zip(&whole) {
        assert_eq!(a.scores, b.scores, "batches of 32 and of 130");
    }
}

struct Epochs(Vec<EpochRecord>);

impl Watch for Epochs {
    fn epoch_finished(&mut self, record: &EpochRecord, _: u32) {
        self.0.push(record.clone());
    }
}

#[test]
fn a_scoring_run_is_the_beginning_of_the_full_data_run() {
    let measurements = measurements(&[el2n(2)], 4, 32);
    let (mut scoring, mut training) = (Epochs(Vec::new()), Epochs(Vec::new()));
    measure(&measurements, &digits(), &mut scoring).unwrap();
    run(&measurements[0].cell, &digits(), None, &mut training).unwrap();
    assert_eq!(scoring.0.len(), 2);
    for (a, b) in scoring.0.iter().zip(&training.0) {
        assert_eq!(
            (a.epoch, a.steps, a.train_loss.to_bits()),
            (b.epoch, b.steps, b.train_loss.to_bits())
        );
    }
}

/// After two epochs a sample that was ever right is right now, or was forgotten: the training accuracy tells how many.
#[test]
fn forgetting_is_counted_at_every_presentation() {
    let measurements = measurements(&[forget("training")], 2, 32);
    let mut watch = Epochs(Vec::new());
    let found = measure(&measurements, &digits(), &mut watch).unwrap().remove(0);
    assert_eq!(found.presentations, vec![2; SAMPLES]);
    let learned = found.learned.iter().filter(|&&learned| learned).count();
    let events: f32 = found.scores.iter().sum();
    let right = watch.0[1].train_accuracy * SAMPLES as f64;
    assert_eq!(right.round(), learned as f64 - f64::from(events));
    assert!(
        events > 0.0 && learned < SAMPLES,
        "nothing to count: {events} {learned}"
    );
}

#[test]
fn scorers_share_a_run_and_are_charged_as_if_alone() {
    let all = [
        forget("training"),
        el2n(2),
        grand(1, "all"),
        forget("clean-pass"),
        r#"{"name":"el2n","options":{"measured":"training","from_epoch":2,"epoch":3,"runs":1}}"#.to_owned(),
        r#"{"name":"input-norm","options":{}}"#.to_owned(),
        r#"{"name":"random","options":{}}"#.to_owned(),
    ];
    let together = measured(&all, 4, 32);
    for (scorer, shared) in all.iter().zip(&together) {
        let alone = measured(std::slice::from_ref(scorer), 4, 32).remove(0);
        assert_eq!((&alone.scores, alone.flops), (&shared.scores, shared.flops), "{scorer}");
        assert_eq!(
            (&alone.presentations, &alone.learned),
            (&shared.presentations, &shared.learned)
        );
    }
    // Two epochs and a pass forward; one epoch and a pass forward and backward; four epochs; and with four passes.
    let flops: Vec<f64> = together.iter().map(|measured| measured.flops).collect();
    let epoch = flops[0] / 4.0;
    let forward = (flops[3] - flops[0]) / 4.0;
    assert!(forward > 0.0 && (flops[1] - 2.0 * epoch - forward).abs() < 1.0);
    assert!((flops[2] - 2.0 * epoch).abs() < 1.0);
    assert!((flops[4] - 3.0 * epoch).abs() < 1.0);
    assert_eq!(flops[5..], [0.0, 0.0]);
    assert!(together.iter().all(|measured| measured.seconds > 0.0));
    assert!(
        together[4]
            .scores
            .iter()
            .all(|&score| score > 0.0 && score <= std::f32::consts::SQRT_2)
    );
    assert_ne!(
        together[0].scores, together[3].scores,
        "training and clean passes see different images"
    );
}

#[test]
fn scores_do_not_depend_on_threads() {
    let scorers = [forget("clean-pass"), el2n(2), grand(2, "all")];
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let measured = pool.install(|| measured(&scorers, 2, 32));
        measured
            .into_iter()
            .flat_map(|measured| measured.scores)
            .map(f32::to_bits)
            .collect::<Vec<_>>()
    };
    let once = with(1);
    assert_eq!(with(2), once);
    assert_eq!(with(3), once);
}

#[test]
fn a_static_run_keeps_the_top_and_pays_for_its_scores() {
    let mut cell = measurements(&[el2n(1)], 2, 32).remove(0).cell;
    cell.method.name = "static".to_owned();
    cell.pruned_fraction = 0.6;
    let scores: Vec<f32> = (0..SAMPLES).map(|i| (i * 37 % SAMPLES) as f32).collect();
    let table = Scores {
        scores: &scores,
        seconds: 12.5,
        flops: 3e9,
    };
    let record = run(&cell, &digits(), Some(&table), &mut ()).unwrap();
    // The same 52 at the top are all that matters; the 52 at the bottom are others.
    let trained = |scores: Vec<f32>| {
        let table = Scores {
            scores: &scores,
            ..table
        };
        run(&cell, &digits(), Some(&table), &mut ()).unwrap().train_loss_last
    };
    let kept = |score: f32| score >= (SAMPLES - 52) as f32;
    let below: Vec<f32> = scores
        .iter()
        .map(|&s| if kept(s) { 1e6 - s } else { s - 1e6 })
        .collect();
    assert_eq!(trained(below), record.train_loss_last);
    assert_ne!(
        trained(scores.iter().map(|score| -score).collect()),
        record.train_loss_last
    );
    assert_eq!((record.kept, record.unique_samples_seen), (52, 52));
    assert_eq!(record.scoring_flops, 3e9);
    // No round of this run scores, but there is a moment to see that.
    assert!(
        (12.5..12.6).contains(&record.scoring_seconds),
        "{}",
        record.scoring_seconds
    );
    let accounts = record.scoring_seconds + record.selection_seconds + record.training_seconds;
    let rest = record.evaluation_seconds + record.other_seconds;
    assert!((record.total_seconds - accounts - rest).abs() < 1e-9 && record.total_seconds > 12.5);

    let short = Scores {
        scores: &scores[1..],
        ..table
    };
    let error = run(&cell, &digits(), Some(&short), &mut ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "data set `digits`: expected a score for each of its 130 samples, found 129"
    );
    assert!(run(&cell, &digits(), None, &mut ()).is_err(), "no scores to rank by");
}

#[test]
fn every_registered_scorer_can_be_measured() {
    for info in dynaprune_scorers::SCORERS {
        let mut options = std::collections::BTreeMap::new();
        for option in info.options {
            let value = match option.kind {
                OptionKind::Word(words) => Value::Text(words[0].to_owned()),
                OptionKind::Number { .. } | OptionKind::Protocol { .. } => Value::Int(1),
            };
            options.insert(option.name.to_owned(), value);
        }
        let mut measurement = measurements(&[el2n(1)], 2, 32).remove(0);
        measurement.scorer = Choice {
            name: info.name.to_owned(),
            options,
        };
        let measured = measure(&[measurement.clone()], &digits(), &mut ()).unwrap();
        assert_eq!(measured[0].scores.len(), SAMPLES, "{}", info.name);
        // What is counted before is what is counted on the way: an epoch has a forward and a backward pass.
        let (forward, backward) = own_passes(&measurement).unwrap();
        let epochs = epochs_watched(&measurement).unwrap();
        let el2n = self::measured(&[el2n(0), el2n(1)], 2, 32);
        let (pass, epoch) = (el2n[0].flops, el2n[1].flops - el2n[0].flops);
        let expected = f64::from(epochs) * epoch + f64::from(forward) * pass + f64::from(backward) * (epoch - pass);
        assert!((measured[0].flops - expected).abs() <= 1e-9 * expected, "{}", info.name);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = measurements(&[el2n(1)], 2, 32).remove(0);
    let two = measurements(&[el2n(1)], 2, 16).remove(0);
    assert!(matches!(
        measure(&[one.clone(), two], &digits(), &mut ()),
        Err(Error::OtherRun)
    ));
    let mut unknown = one.clone();
    unknown.scorer.name = "el3n".to_owned();
    let error = measure(&[unknown], &digits(), &mut ()).unwrap_err();
    assert!(error.to_string().starts_with("unknown scorer `el3n`"), "{error}");
    let mut empty = one.clone();
    empty.scorer.options = [
        ("measured".to_owned(), Value::Text("training".to_owned())),
        ("from_epoch".to_owned(), Value::Int(2)),
        ("epoch".to_owned(), Value::Int(1)),
    ]
    .into();
    let error = measure(&[empty], &digits(), &mut ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "option `from_epoch` of `el2n`: expected 1 to 1, the last epoch, found 2"
    );
    let mut wild = one;
    wild.cell.training.learning_rate = 1e30;
    let error = measure(&[wild], &digits(), &mut ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the scoring run with seed 1000 diverged in epoch 1: its scores mean nothing"
    );
    assert_eq!(measure(&[], &digits(), &mut ()).unwrap(), []);
}

/// On the synthetic set the mislabelled samples rank at the top, and copies of easy ones at the bottom.
#[test]
fn scores_find_the_samples_that_are_known_to_be_hard() {
    let options = SyntheticOptions {
        train_images: 600,
        test_images: 20,
        ..SyntheticOptions::default()
    };
    let synthetic = generate(&options).unwrap();
    let mut all = measurements(&[forget("training"), el2n(6), grand(6, "all")], 16, 32);
    for measurement in &mut all {
        measurement.cell.dataset.name = "synthetic".to_owned();
        measurement.cell.dataset.train_samples = None;
    }
    let measured = measure(&all, &synthetic.dataset, &mut ()).unwrap();
    for (measurement, measured) in all.iter().zip(&measured) {
        let of = |kind: fn(&Difficulty) -> bool| {
            let marked: Vec<bool> = synthetic.difficulty.iter().map(kind).collect();
            // Those that were never learned are the hardest.
            let score = |(&score, &learned): (&f32, &bool)| if learned { score } else { f32::INFINITY };
            let scores: Vec<f32> = measured.scores.iter().zip(&measured.learned).map(score).collect();
            auc(&scores, &marked).unwrap()
        };
        let mislabelled = of(|kind| matches!(kind, Difficulty::Mislabelled { .. }));
        let duplicated = of(|kind| matches!(kind, Difficulty::Duplicated { .. }));
        let name = &measurement.scorer.name;
        println!("{name}: AUC of mislabelled {mislabelled:.3}, of duplicated {duplicated:.3}");
        assert!(
            mislabelled > 0.9 && duplicated < 0.5,
            "{name}: {mislabelled} {duplicated}"
        );
    }
}
