use crate::inputs::{
    affine, assert_close, assert_derivative, assert_literal, differentiated, hashed, tensor, unwritten, values,
    variable, widened,
};
use crate::literals::CROSS_ENTROPY;
use candle_core::{D, DType, Device, Result, Tensor};
use dynaprune_ops::CrossEntropy;
use dynaprune_ops::column::{COLUMNS, CORRECT, CROSS_ENTROPY as PLAIN, EL2N, ENTROPY, LOSS, P_LABEL, P_MAX, PREDICTED};
use proptest::prelude::*;

/// A softmax over at most 100 classes; logits of size 100 lose a factor of 100 to f32.
const TOLERANCE: f64 = 1e-6;

fn labels(n: usize, classes: usize) -> Tensor {
    let labels: Vec<u32> = (0..n).map(|i| ((7 * i + 3) % classes) as u32).collect();
    Tensor::new(labels, &Device::Cpu).expect("labels")
}

/// The table of the samples and the gradient of the logits.
fn run(smoothing: f32, logits: &Tensor, labels: &Tensor, weights: Option<&Tensor>) -> Result<[Tensor; 2]> {
    let (samples, dlogits) = (unwritten(&[logits.dim(0)?, COLUMNS])?, unwritten(logits.dims())?);
    CrossEntropy {
        label_smoothing: smoothing,
    }
    .forward(logits, labels, weights, &samples, Some(&dlogits))?;
    Ok([samples, dlogits])
}

fn column(samples: &Tensor, column: usize) -> Vec<f32> {
    values(samples).into_iter().skip(column).step_by(COLUMNS).collect()
}

#[test]
fn cross_entropy_agrees_with_pytorch() -> Result<()> {
    for case in CROSS_ENTROPY {
        let (n, classes) = (case.n, case.classes);
        let logits = tensor(&affine("logits", n * classes, 0.0, case.scale), &[n, classes]);
        let weights = tensor(&affine("weights", n, 1.0, 0.5), &[n]);
        let [samples, dlogits] = run(case.smoothing, &logits, &labels(n, classes), Some(&weights))?;
        let name = format!("{n} x {classes}, scale {}, smoothing {}", case.scale, case.smoothing);
        let columns = [
            ("loss", LOSS, case.loss),
            ("cross-entropy", PLAIN, case.cross_entropy),
            ("p of the label", P_LABEL, case.p_label),
            ("largest p", P_MAX, case.p_max),
            ("entropy", ENTROPY, case.entropy),
            ("el2n", EL2N, case.el2n),
            ("predicted", PREDICTED, case.predicted),
        ];
        let tolerance = TOLERANCE * f64::from(case.scale).max(1.0);
        for (what, at, expected) in columns {
            assert_literal(
                &format!("{what} of {name}"),
                &column(&samples, at),
                &expected,
                tolerance,
            );
        }
        // The gradients of a row add up to 0: their size is that of the weights.
        assert_literal(
            &format!("dlogits of {name}"),
            &values(&dlogits),
            &case.dlogits,
            tolerance,
        );

        let alone = unwritten(&[n, COLUMNS])?;
        CrossEntropy {
            label_smoothing: case.smoothing,
        }
        .forward(&logits, &labels(n, classes), None, &alone, None)?;
        assert_eq!(
            values(&alone),
            values(&samples),
            "the samples do not depend on weights or gradient"
        );
        let ones = tensor(&vec![1.0; n], &[n]);
        let unweighted = run(case.smoothing, &logits, &labels(n, classes), None)?;
        let weighted = run(case.smoothing, &logits, &labels(n, classes), Some(&ones))?;
        assert_eq!(values(&unweighted[1]), values(&weighted[1]));
    }
    Ok(())
}

/// The definition, in f64: the losses of rows of logits.
fn definition(smoothing: f64, logits: &[f64], labels: &[u32]) -> Vec<f64> {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.map(|(row, &label)| {
        let sum: f64 = row.iter().map(|l| l.exp()).sum();
        let target = |k| smoothing / classes as f64 + if k == label as usize { 1.0 - smoothing } else { 0.0 };
        row.iter()
            .enumerate()
            .map(|(k, l)| -target(k) * (l.exp() / sum).ln())
            .sum()
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cross_entropy_is_its_definition_and_the_gradient_its_derivative(
        n in 1..=9usize, classes in 1..=30usize, scale in 0.1f32..5.0, smoothing in 0.0f32..0.5,
    ) {
        let logits = affine("logits", n * classes, 0.0, scale);
        let labels = labels(n, classes);
        let [samples, dlogits] = run(smoothing, &tensor(&logits, &[n, classes]), &labels, None).expect("runs");
        let (logits, labels) = (widened(&logits), labels.to_vec1::<u32>().expect("labels"));
        let losses = |logits: &[f64]| definition(f64::from(smoothing), logits, &labels);
        // One class leaves nothing: its loss is 0 up to the rounding of the logits.
        let found = column(&samples, LOSS);
        for (i, (found, expected)) in found.iter().zip(losses(&logits)).enumerate() {
            let off = (f64::from(*found) - expected).abs();
            prop_assert!(off <= 3e-6 * expected.max(1.0), "loss {i}: {found} instead of {expected}");
        }
        if classes > 1 {
            let mean = vec![1.0 / n as f64; n];
            assert_derivative("logits", losses, &logits, &mean, &values(&dlogits), 1e-5);
        }
    }

    /// candle's log-softmax in small steps, on strided views.
    #[test]
    fn cross_entropy_agrees_with_candle(n in 1..=9usize, classes in 2..=30usize, smoothing in 0.0f32..0.5) {
        let labels = labels(n, classes);
        let run = || -> Result<_> {
            let x = variable("logits", &[classes, n])?;
            let logits = x.t()?;
            let ours = CrossEntropy { label_smoothing: smoothing }.apply(&logits, &labels)?;
            let log_sum = logits.exp()?.sum_keepdim(D::Minus1)?.log()?;
            let log_p = logits.broadcast_sub(&log_sum)?;
            let picked = log_p.contiguous()?.gather(&labels.unsqueeze(1)?, 1)?.squeeze(1)?;
            let even = log_p.mean(D::Minus1)?;
            let smoothing = f64::from(smoothing);
            let theirs = ((picked * (smoothing - 1.0))? - (even * smoothing)?)?;
            Ok((differentiated(&ours, &[&x])?, differentiated(&theirs, &[&x])?))
        };
        let (ours, theirs) = run().expect("both run");
        for (what, (ours, theirs)) in ["losses", "dlogits"].into_iter().zip(ours.iter().zip(&theirs)) {
            assert_close(what, ours, &widened(theirs), 3e-6);
        }
    }

    /// Paul, Ganguli and Dziugaite 2021, and the inequalities that tie the scores of a sample.
    #[test]
    fn scores_of_a_sample_keep_their_bounds(n in 1..=9usize, classes in 2..=30usize, scale in 0.1f32..60.0) {
        let logits = tensor(&affine("logits", n * classes, 0.0, scale), &[n, classes]);
        let samples = values(&run(0.0, &logits, &labels(n, classes), None).expect("runs")[0]);
        let predicted = logits.argmax(D::Minus1).and_then(|p| p.to_vec1::<u32>()).expect("indices");
        let labels = labels(n, classes).to_vec1::<u32>().expect("labels");
        for ((sample, predicted), label) in samples.chunks_exact(COLUMNS).zip(predicted).zip(labels) {
            prop_assert!(sample[LOSS] >= 0.0 && sample[LOSS] == sample[PLAIN]);
            prop_assert!(0.0 <= sample[P_LABEL] && sample[P_LABEL] <= sample[P_MAX] && sample[P_MAX] <= 1.0 + 1e-6);
            prop_assert!(sample[P_MAX] * classes as f32 >= 1.0 - 1e-5);
            prop_assert!(sample[ENTROPY] >= -1e-6 && sample[ENTROPY] <= (classes as f32).ln() + 1e-5);
            prop_assert!(sample[EL2N] >= (1.0 - sample[P_LABEL]) * (1.0 - 1e-5) - 1e-6);
            prop_assert!(sample[EL2N] <= 2f32.sqrt() + 1e-6);
            prop_assert_eq!(sample[PREDICTED], predicted as f32);
            prop_assert_eq!(sample[CORRECT], f32::from(predicted == label));
        }
    }
}

/// The loss depends on differences of logits alone: it must not lose digits to their size, or learnt
/// samples collapse into ties. Exact: `ln(1 + 9 exp(-gap))`, for ten classes of which one leads by
/// `gap`.
#[test]
fn small_losses_keep_their_digits() -> Result<()> {
    for (gap, offset) in [
        (4.0, 0.0),
        (4.0, 100.0),
        (8.0, 3.0),
        (8.0, 20.0),
        (12.0, 0.0),
        (12.0, 500.0),
    ] {
        let mut logits = vec![offset; 10];
        logits[3] = offset + gap;
        let labels = Tensor::new(&[3u32], &Device::Cpu)?;
        let [samples, _] = run(0.0, &tensor(&logits, &[1, 10]), &labels, None)?;
        let exact = (9.0 * (-f64::from(gap)).exp()).ln_1p();
        let found = f64::from(column(&samples, LOSS)[0]);
        // The rounding of ten sums near 1, which PyTorch's f32 has as well.
        let off = (found - exact).abs();
        assert!(
            off <= 6e-7 + 1e-6 * exact,
            "gap {gap} at {offset}: {found:e} instead of {exact:e}"
        );
    }
    Ok(())
}

/// Logits that overflow `exp`: PyTorch's losses of [1000, 0, -1000] are 0, 1000 and 2000.
#[test]
fn large_logits_do_not_overflow() -> Result<()> {
    let logits = tensor(&[1000.0, 0.0, -1000.0].repeat(3), &[3, 3]);
    let [samples, dlogits] = run(0.0, &logits, &Tensor::new(&[0u32, 1, 2], &Device::Cpu)?, None)?;
    assert_eq!(column(&samples, LOSS), [0.0, 1000.0, 2000.0]);
    assert_eq!(column(&samples, P_LABEL), [1.0, 0.0, 0.0]);
    assert_eq!(column(&samples, ENTROPY), [0.0; 3]);
    assert_eq!(column(&samples, PREDICTED), [0.0; 3]);
    let third = 1.0 / 3.0;
    assert_eq!(
        values(&dlogits),
        [0.0, 0.0, 0.0, third, -third, 0.0, third, 0.0, -third]
    );
    Ok(())
}

#[test]
fn equal_logits_predict_the_first_class() -> Result<()> {
    let [samples, _] = run(
        0.0,
        &tensor(&[1.0, 2.0, 2.0, 0.5, 0.5, 0.5], &[2, 3]),
        &labels(2, 3),
        None,
    )?;
    assert_eq!(column(&samples, PREDICTED), [1.0, 0.0]);
    Ok(())
}

/// A bad logit spoils its own sample only.
#[test]
fn cross_entropy_passes_on_nan_and_infinity() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY] {
        for at in [0, 1, 4] {
            let mut logits = hashed("logits", 3 * 5);
            logits[5 + at] = bad;
            let [samples, dlogits] = run(0.1, &tensor(&logits, &[3, 5]), &labels(3, 5), None)?;
            for what in [LOSS, PLAIN, P_LABEL, P_MAX, ENTROPY, EL2N] {
                let found = column(&samples, what);
                assert!(
                    found[1].is_nan() && found[0].is_finite() && found[2].is_finite(),
                    "{bad}: {found:?}"
                );
            }
            for (i, v) in values(&dlogits).into_iter().enumerate() {
                assert_eq!(v.is_finite(), i / 5 != 1, "{bad}: dlogits[{i}] is {v}");
            }
        }
    }
    // A class that is ruled out has no part in the sum; as a label its loss is infinite.
    let logits = tensor(&[0.0, f32::NEG_INFINITY, 0.0, 0.0, f32::NEG_INFINITY, 0.0], &[2, 3]);
    let [samples, dlogits] = run(0.0, &logits, &Tensor::new(&[0u32, 1], &Device::Cpu)?, None)?;
    assert!((column(&samples, LOSS)[0] - 2f32.ln()).abs() < 1e-6);
    assert!((column(&samples, ENTROPY)[0] - 2f32.ln()).abs() < 1e-6);
    assert_eq!(column(&samples, LOSS)[1], f32::INFINITY);
    assert_eq!(values(&dlogits), [-0.25, 0.0, 0.25, 0.25, -0.5, 0.25]);
    Ok(())
}

#[test]
fn a_label_outside_the_classes_has_no_loss() -> Result<()> {
    let logits = tensor(&hashed("logits", 6), &[2, 3]);
    let [samples, _] = run(0.0, &logits, &Tensor::new(&[2u32, 3], &Device::Cpu)?, None)?;
    let losses = column(&samples, LOSS);
    assert!(losses[0].is_finite() && losses[1].is_nan());
    Ok(())
}

#[test]
fn cross_entropy_rejects_shapes_that_do_not_fit() -> Result<()> {
    let zeros = |dims: &[usize]| tensor(&vec![0.0; dims.iter().product()], dims);
    let (op, logits, samples) = (CrossEntropy::default(), zeros(&[2, 3]), zeros(&[2, COLUMNS]));
    op.forward(&logits, &labels(2, 3), None, &samples, None)?;
    assert!(op.forward(&logits, &labels(3, 3), None, &samples, None).is_err());
    assert!(
        op.forward(&logits, &labels(2, 3), None, &zeros(&[2, COLUMNS - 1]), None)
            .is_err()
    );
    assert!(
        op.forward(&logits, &labels(2, 3), None, &samples, Some(&zeros(&[3, 2])))
            .is_err()
    );
    assert!(
        op.forward(
            &logits,
            &labels(2, 3),
            Some(&zeros(&[3])),
            &samples,
            Some(&zeros(&[2, 3]))
        )
        .is_err()
    );
    assert!(op.forward(&zeros(&[6]), &labels(2, 3), None, &samples, None).is_err());
    let floats = labels(2, 3).to_dtype(DType::F32)?;
    assert!(op.forward(&logits, &floats, None, &samples, None).is_err());
    assert!(
        op.forward(&zeros(&[2, 0]), &labels(2, 3), None, &samples, None)
            .is_err()
    );
    Ok(())
}
