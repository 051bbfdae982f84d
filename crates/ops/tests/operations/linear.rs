use crate::inputs::{
    assert_close, assert_derivative, assert_literal, assert_same_bits_for_every_thread_count, differentiated, hashed,
    tensor, unwritten, values, variable, widened,
};
use crate::literals::LINEAR;
use candle_core::{Result, Tensor};
use dynaprune_ops::Linear;
use proptest::prelude::*;

/// A sum of up to 512 products in f32 against one in f64.
const TOLERANCE: f64 = 2e-6;

/// Output and the gradients of input, weight and, if there is one, bias.
fn run(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Vec<Tensor>> {
    let (n, o) = (x.dim(0)?, w.dim(1)?);
    let (y, dx, dw, db) = (
        unwritten(&[n, o])?,
        unwritten(x.dims())?,
        unwritten(w.dims())?,
        unwritten(&[o])?,
    );
    Linear.forward(x, w, b, &y)?;
    Linear.backward(
        x,
        w,
        &tensor(&hashed("dy", n * o), &[n, o]),
        &dw,
        b.map(|_| &db),
        Some(&dx),
    )?;
    Ok([y, dx, dw].into_iter().chain(b.map(|_| db)).collect())
}

#[test]
fn linear_agrees_with_pytorch() -> Result<()> {
    for case in LINEAR {
        let (n, i, o) = (case.n, case.ci, case.co);
        let x = tensor(&hashed("x", n * i), &[n, i]);
        let w = tensor(&hashed("weight", i * o), &[i, o]);
        let b = case.dbias.map(|_| tensor(&hashed("bias", o), &[o]));
        let found = run(&x, &w, b.as_ref())?;
        let expected = [case.y, case.dx, case.dweight].into_iter().chain(case.dbias);
        for ((what, found), expected) in ["y", "dx", "dweight", "dbias"].into_iter().zip(&found).zip(expected) {
            assert_literal(
                &format!("{what} of {n} x {i} x {o}"),
                &values(found),
                &expected,
                TOLERANCE,
            );
        }
    }
    Ok(())
}

/// The definition, in f64.
fn definition(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let (o, i) = (b.len(), w.len() / b.len());
    let product = |row: &[f64], k: usize| row.iter().enumerate().map(|(j, x)| x * w[j * o + k]).sum::<f64>();
    x.chunks_exact(i)
        .flat_map(|row| (0..o).map(move |k| product(row, k) + b[k]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_is_its_definition_and_the_gradients_its_derivatives(n in 1..=9usize, i in 1..=40usize, o in 1..=40usize) {
        let (x, w, b) = (hashed("x", n * i), hashed("w", i * o), hashed("b", o));
        let found = run(&tensor(&x, &[n, i]), &tensor(&w, &[i, o]), Some(&tensor(&b, &[o]))).expect("runs");
        let (x, w, b, dy) = (widened(&x), widened(&w), widened(&b), widened(&hashed("dy", n * o)));
        assert_close("y", &values(&found[0]), &definition(&x, &w, &b), TOLERANCE);
        assert_derivative("x", |x| definition(x, &w, &b), &x, &dy, &values(&found[1]), TOLERANCE);
        assert_derivative("w", |w| definition(&x, w, &b), &w, &dy, &values(&found[2]), TOLERANCE);
        assert_derivative("b", |b| definition(&x, &w, b), &b, &dy, &values(&found[3]), TOLERANCE);
    }

    /// On strided views: candle's transposes are not contiguous.
    #[test]
    fn linear_agrees_with_candle(n in 1..=9usize, i in 1..=40usize, o in 1..=40usize) {
        let run = || -> Result<_> {
            let (x, w, b) = (variable("x", &[i, n])?, variable("w", &[o, i])?, variable("b", &[o])?);
            let (rows, matrix) = (x.t()?, w.t()?);
            let ours = Linear.apply(&rows, &matrix, &b)?;
            let theirs = rows.matmul(&matrix)?.broadcast_add(&b)?;
            let all = [&x, &w, &b];
            Ok((differentiated(&ours, &all)?, differentiated(&theirs, &all)?))
        };
        let (ours, theirs) = run().expect("both run");
        for (what, (ours, theirs)) in ["y", "dx", "dw", "db"].into_iter().zip(ours.iter().zip(&theirs)) {
            assert_close(what, ours, &widened(theirs), 2.0 * TOLERANCE);
        }
    }
}

#[test]
fn linear_does_not_depend_on_the_number_of_threads() {
    let x = tensor(&hashed("x", 100 * 129), &[100, 129]);
    let (w, b) = (
        tensor(&hashed("w", 129 * 33), &[129, 33]),
        tensor(&hashed("b", 33), &[33]),
    );
    assert_same_bits_for_every_thread_count(|| run(&x, &w, Some(&b)));
}

#[test]
fn linear_passes_on_nan_and_infinity() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = hashed("x", 5 * 7);
        x[2 * 7 + 3] = bad;
        let found = run(&tensor(&x, &[5, 7]), &tensor(&hashed("w", 7 * 10), &[7, 10]), None)?;
        for (i, v) in values(&found[0]).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i / 10 != 2, "{bad}: y[{i}] is {v}");
        }
        for (i, v) in values(&found[2]).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i / 10 != 3, "{bad}: dw[{i}] is {v}");
        }
    }
    Ok(())
}

#[test]
fn linear_rejects_shapes_that_do_not_fit() {
    let zeros = |dims: &[usize]| tensor(&vec![0.0; dims.iter().product()], dims);
    let (x, w, y) = (zeros(&[2, 3]), zeros(&[3, 4]), zeros(&[2, 4]));
    assert!(Linear.forward(&x, &zeros(&[4, 3]), None, &y).is_err());
    assert!(Linear.forward(&x, &w, None, &zeros(&[2, 3])).is_err());
    assert!(Linear.forward(&x, &w, Some(&zeros(&[3])), &y).is_err());
    assert!(Linear.forward(&zeros(&[1, 2, 3]), &w, None, &y).is_err());
    assert!(Linear.backward(&x, &w, &y, &zeros(&[4, 3]), None, None).is_err());
    assert!(Linear.backward(&x, &w, &y, &w, Some(&zeros(&[3])), None).is_err());
}
