use crate::inputs::{assert_literal, assert_same_bits_for_every_thread_count, hashed, tensor, values};
use crate::literals::SGD;
use candle_core::Result;
use dynaprune_ops::Sgd;

/// Four updates of numbers of size 1.
const TOLERANCE: f64 = 3e-7;

#[test]
fn sgd_agrees_with_pytorch() -> Result<()> {
    for case in SGD {
        let (weights, buffer) = (tensor(&hashed("parameter", 11), &[11]), tensor(&[0.0; 11], &[11]));
        for (step, learning_rate) in [0.1, 0.1, 0.05, 0.2].into_iter().enumerate() {
            let gradient = tensor(&hashed(&format!("gradient {step}"), 11), &[11]);
            let sgd = Sgd {
                learning_rate,
                momentum: case.momentum,
                nesterov: case.nesterov,
                weight_decay: case.weight_decay,
            };
            sgd.step(&weights, &gradient, &buffer)?;
        }
        assert_literal(&format!("{case:?}"), &values(&weights), &case.parameter, TOLERANCE);
    }
    Ok(())
}

const SETTINGS: Sgd = Sgd {
    learning_rate: 0.1,
    momentum: 0.9,
    nesterov: true,
    weight_decay: 5e-4,
};

#[test]
fn sgd_does_not_depend_on_the_number_of_threads() {
    let n = 50_001;
    let gradient = tensor(&hashed("gradient", n), &[n]);
    assert_same_bits_for_every_thread_count(|| {
        let (weights, buffer) = (tensor(&hashed("weights", n), &[n]), tensor(&hashed("buffer", n), &[n]));
        SETTINGS.step(&weights, &gradient, &buffer)?;
        Ok(vec![weights, buffer])
    });
}

#[test]
fn sgd_passes_on_nan_and_infinity() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut gradient = hashed("gradient", 40);
        gradient[17] = bad;
        let (weights, buffer) = (tensor(&hashed("weights", 40), &[40]), tensor(&[0.0; 40], &[40]));
        SETTINGS.step(&weights, &tensor(&gradient, &[40]), &buffer)?;
        for (i, (w, b)) in values(&weights).into_iter().zip(values(&buffer)).enumerate() {
            assert_eq!((w.is_finite(), b.is_finite()), (i != 17, i != 17), "{bad} at {i}");
        }
    }
    Ok(())
}

#[test]
fn sgd_rejects_sizes_that_differ() {
    let zeros = |n: usize| tensor(&vec![0.0; n], &[n]);
    assert!(SETTINGS.step(&zeros(3), &zeros(4), &zeros(3)).is_err());
    assert!(SETTINGS.step(&zeros(3), &zeros(3), &zeros(4)).is_err());
}
