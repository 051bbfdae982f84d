use crate::inputs::{
    affine, assert_close, assert_derivative, assert_literal, assert_same_bits_for_every_thread_count, differentiated,
    hashed, tensor, unwritten, values, variable, widened,
};
use crate::literals::{BATCH_NORM, BATCH_NORM_EVAL, Literal};
use candle_core::{Result, Tensor};
use dynaprune_ops::BatchNorm;
use proptest::prelude::*;

/// Sums over a few hundred rows in f32, and a difference of the same order, against f64.
const TOLERANCE: f64 = 3e-6;

/// Gamma, beta; running mean, running variance: two tensors [2, c].
fn parameters(c: usize) -> (Tensor, Tensor) {
    let pair = |first: Vec<f32>, second: Vec<f32>| tensor(&[first, second].concat(), &[2, c]);
    let scale = affine("gamma", c, 1.0, 0.5);
    let variance = affine("running_var", c, 1.0, 0.5);
    (
        pair(scale, hashed("beta", c)),
        pair(hashed("running_mean", c), variance),
    )
}

struct Results {
    y: Tensor,
    dx: Tensor,
    dresidual: Option<Tensor>,
    daffine: Tensor,
    running: Tensor,
}

fn run(op: BatchNorm, x: &Tensor, residual: Option<&Tensor>, dy: &Tensor) -> Result<Results> {
    let c = x.dim(3)?;
    let (affine, running) = parameters(c);
    let (y, saved, daffine) = (unwritten(x.dims())?, unwritten(&[2, c])?, unwritten(&[2, c])?);
    op.forward_train(x, residual, &affine, &running, &saved, &y)?;
    let (dx, dresidual) = (dy.copy()?, residual.map(|_| unwritten(x.dims())).transpose()?);
    op.backward(
        &dx,
        x,
        residual.map(|_| &y),
        &affine,
        &saved,
        &daffine,
        dresidual.as_ref().map(|d| (d, false)),
    )?;
    Ok(Results {
        y,
        dx,
        dresidual,
        daffine,
        running,
    })
}

#[test]
fn batch_norm_agrees_with_pytorch() -> Result<()> {
    for case in BATCH_NORM {
        let n = case.shape.iter().product();
        let x = tensor(&affine("x", n, case.offset, case.scale), &case.shape);
        let residual = case.residual.then(|| tensor(&hashed("residual", n), &case.shape));
        let dy = tensor(&hashed("dy", n), &case.shape);
        let found = run(BatchNorm::new(case.relu), &x, residual.as_ref(), &dy)?;
        // The mean is kept in f32: its rounding, seen in units of the standard deviation.
        let spread = f64::from(case.scale) / 3f64.sqrt();
        let tolerance = TOLERANCE.max(f64::from(f32::EPSILON) * f64::from(case.offset.abs()) / spread);
        let name = format!(
            "{:?}, {} + {} u, relu {}",
            case.shape, case.offset, case.scale, case.relu
        );
        let check = |what: &str, found: &[f32], literal: &Literal| {
            assert_literal(&format!("{what} of {name}"), found, literal, tolerance);
        };
        let c = case.shape[3];
        check("y", &values(&found.y), &case.y);
        check("running mean", &values(&found.running)[..c], &case.running_mean);
        check("running variance", &values(&found.running)[c..], &case.running_var);
        check("dx", &values(&found.dx), &case.dx);
        check("dgamma", &values(&found.daffine)[..c], &case.dgamma);
        check("dbeta", &values(&found.daffine)[c..], &case.dbeta);
        assert_eq!(found.dresidual.is_some(), case.dresidual.is_some());
        if let (Some(found), Some(literal)) = (found.dresidual, case.dresidual) {
            check("dresidual", &values(&found), &literal);
        }
    }
    Ok(())
}

#[test]
fn batch_norm_in_evaluation_agrees_with_pytorch() -> Result<()> {
    for case in BATCH_NORM_EVAL {
        let n = case.shape.iter().product();
        let x = tensor(&affine("x", n, case.offset, case.scale), &case.shape);
        let residual = case.residual.then(|| tensor(&hashed("residual", n), &case.shape));
        let (affine, running) = parameters(case.shape[3]);
        let (y, before) = (unwritten(&case.shape)?, values(&running));
        BatchNorm::new(case.relu).forward_eval(&x, residual.as_ref(), &affine, &running, &y)?;
        assert_literal(&format!("y of {:?}", case.shape), &values(&y), &case.y, TOLERANCE);
        assert_eq!(values(&running), before);
    }
    Ok(())
}

/// The definition, in f64, of rows `x` with `c` channels.
fn definition(relu: bool, x: &[f64], residual: Option<&[f64]>, affine: &[f64]) -> Vec<f64> {
    let c = affine.len() / 2;
    let rows = (x.len() / c) as f64;
    let mut y = vec![0.0; x.len()];
    for i in 0..c {
        let channel = || x.iter().skip(i).step_by(c);
        let mean = channel().sum::<f64>() / rows;
        let variance = channel().map(|x| (x - mean).powi(2)).sum::<f64>() / rows;
        for at in (i..x.len()).step_by(c) {
            let normal = (x[at] - mean) / (variance + f64::from(1e-5f32)).sqrt();
            let z = affine[i] * normal + affine[c + i] + residual.map_or(0.0, |r| r[at]);
            y[at] = if relu { z.max(0.0) } else { z };
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batch_norm_is_its_definition_and_the_gradients_its_derivatives(
        (n, h, w, c) in (4..=6usize, 1..=4usize, 1..=4usize, 1..=20usize), relu: bool, residual: bool,
    ) {
        let (shape, len) = ([n, h, w, c], n * h * w * c);
        let x = hashed("x", len);
        let r = residual.then(|| hashed("residual", len));
        let dy = hashed("dy", len);
        let rt = r.as_ref().map(|r| tensor(r, &shape));
        let found = run(BatchNorm::new(relu), &tensor(&x, &shape), rt.as_ref(), &tensor(&dy, &shape)).expect("runs");
        let (x, r, dy, affine) = (widened(&x), r.map(|r| widened(&r)), widened(&dy), widened(&values(&parameters(c).0)));
        assert_close("y", &values(&found.y), &definition(relu, &x, r.as_deref(), &affine), TOLERANCE);
        // With few rows the gradient of x is what a cancellation leaves.
        let few = 10.0 * TOLERANCE;
        assert_derivative("x", |x| definition(relu, x, r.as_deref(), &affine), &x, &dy, &values(&found.dx), few);
        assert_derivative("affine", |a| definition(relu, &x, r.as_deref(), a), &affine, &dy, &values(&found.daffine), few);
        if let (Some(r), Some(found)) = (&r, &found.dresidual) {
            assert_derivative("residual", |r| definition(relu, &x, Some(r), &affine), r, &dy, &values(found), few);
        }
    }

    /// The same computed by candle in many small steps, on strided views of the inputs.
    #[test]
    fn batch_norm_agrees_with_candle(
        (n, h, w, c) in (4..=6usize, 1..=6usize, 1..=6usize, 1..=80usize), relu: bool, residual: bool,
    ) {
        let run = || -> Result<_> {
            let (x, r) = (variable("x", &[n, c, h, w])?, variable("residual", &[n, c, h, w])?);
            let pairs = variable("affine", &[c, 2])?;
            let (rows, rest, pair) = (x.permute((0, 2, 3, 1))?, r.permute((0, 2, 3, 1))?, pairs.t()?);
            let ours = BatchNorm::new(relu).apply(&rows, residual.then_some(&rest), &pair, &parameters(c).1)?;

            let mean = rows.mean_keepdim((0, 1, 2))?;
            let centred = rows.broadcast_sub(&mean)?;
            let deviation = (centred.sqr()?.mean_keepdim((0, 1, 2))? + 1e-5)?.sqrt()?;
            let normal = centred.broadcast_div(&deviation)?;
            let theirs = normal.broadcast_mul(&pair.get(0)?)?.broadcast_add(&pair.get(1)?)?;
            let theirs = if residual { (theirs + &rest)? } else { theirs };
            let theirs = if relu { theirs.relu()? } else { theirs };
            let all = [&x, &pairs, &r];
            let variables = &all[..if residual { 3 } else { 2 }];
            Ok((differentiated(&ours, variables)?, differentiated(&theirs, variables)?))
        };
        let (ours, theirs) = run().expect("both run");
        for (what, (ours, theirs)) in ["y", "dx", "daffine", "dresidual"].into_iter().zip(ours.iter().zip(&theirs)) {
            assert_close(what, ours, &widened(theirs), 10.0 * TOLERANCE);
        }
    }
}

#[test]
fn batch_norm_adds_to_the_gradient_of_the_residual() -> Result<()> {
    let shape = [3, 5, 5, 7];
    let of = |name| tensor(&hashed(name, 3 * 5 * 5 * 7), &shape);
    let (x, residual, dy, before) = (of("x"), of("residual"), of("dy"), of("before"));
    let op = BatchNorm::new(true);
    let alone = run(op, &x, Some(&residual), &dy)?.dresidual.expect("a gradient");
    let (affine, running) = parameters(7);
    let (y, saved, daffine) = (unwritten(&shape)?, unwritten(&[2, 7])?, unwritten(&[2, 7])?);
    op.forward_train(&x, Some(&residual), &affine, &running, &saved, &y)?;
    let sum = before.copy()?;
    op.backward(&dy.copy()?, &x, Some(&y), &affine, &saved, &daffine, Some((&sum, true)))?;
    assert_eq!(values(&sum), values(&(before + alone)?));
    Ok(())
}

/// The gradient of the input is the same whether that of the residual is asked for or not.
#[test]
fn batch_norm_need_not_give_the_gradient_of_the_residual() -> Result<()> {
    let shape = [3, 5, 5, 7];
    let of = |name| tensor(&hashed(name, 3 * 5 * 5 * 7), &shape);
    let (x, residual, dy) = (of("x"), of("residual"), of("dy"));
    let op = BatchNorm::new(true);
    let both = run(op, &x, Some(&residual), &dy)?;
    let (affine, running) = parameters(7);
    let (y, saved, daffine) = (unwritten(&shape)?, unwritten(&[2, 7])?, unwritten(&[2, 7])?);
    op.forward_train(&x, Some(&residual), &affine, &running, &saved, &y)?;
    op.backward(&dy, &x, Some(&y), &affine, &saved, &daffine, None)?;
    assert_eq!(values(&dy), values(&both.dx));
    assert_eq!(values(&daffine), values(&both.daffine));
    let again = of("before");
    op.forward_again(&x, Some(&residual), &affine, &saved, &again)?;
    assert_eq!(values(&again), values(&both.y));
    Ok(())
}

#[test]
fn batch_norm_does_not_depend_on_the_number_of_threads() {
    for shape in [[33, 9, 9, 17], [70, 20, 20, 3], [16, 12, 12, 64]] {
        let n = shape.iter().product();
        let of = |name| tensor(&hashed(name, n), &shape);
        let (x, residual, dy) = (of("x"), of("residual"), of("dy"));
        assert_same_bits_for_every_thread_count(|| {
            let r = run(BatchNorm::new(true), &x, Some(&residual), &dy)?;
            Ok(vec![r.y, r.dx, r.dresidual.expect("a gradient"), r.daffine, r.running])
        });
    }
}

/// A bad number spoils its channel, not the others; a ReLU does not hide a NaN.
#[test]
fn batch_norm_passes_on_nan_and_infinity() -> Result<()> {
    let shape = [3, 4, 5, 6];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [2, 200] {
            let channel = at % 6;
            let mut x = hashed("x", 360);
            x[at] = bad;
            let dy = tensor(&hashed("dy", 360), &shape);
            let found = run(BatchNorm::new(true), &tensor(&x, &shape), None, &dy)?;
            for (what, t) in [
                ("y", &found.y),
                ("dx", &found.dx),
                ("daffine", &found.daffine),
                ("running", &found.running),
            ] {
                // dbeta alone does not read x, but the ReLU's gradient at NaN is the one that came.
                for (i, v) in values(t)
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| what != "daffine" || *i < 6)
                {
                    assert_eq!(v.is_finite(), i % 6 != channel, "{bad}: {what}[{i}] is {v}");
                }
            }
        }
        let mut dy = hashed("dy", 360);
        dy[123] = bad;
        let found = run(
            BatchNorm::new(false),
            &tensor(&hashed("x", 360), &shape),
            None,
            &tensor(&dy, &shape),
        )?;
        for (i, v) in values(&found.dx).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i % 6 != 123 % 6, "{bad} in dy: dx[{i}] is {v}");
        }
    }
    Ok(())
}

#[test]
fn batch_norm_rejects_shapes_that_do_not_fit() -> Result<()> {
    let op = BatchNorm::new(true);
    let (affine, running) = parameters(3);
    let zeros = |dims: &[usize]| tensor(&vec![0.0; dims.iter().product()], dims);
    let (x, y, saved) = (zeros(&[2, 2, 2, 3]), zeros(&[2, 2, 2, 3]), zeros(&[2, 3]));
    op.forward_train(&x, None, &affine, &running, &saved, &y)?;
    assert!(
        op.forward_train(&x, None, &affine, &running, &saved, &zeros(&[2, 2, 2, 4]))
            .is_err()
    );
    assert!(
        op.forward_train(&x, Some(&zeros(&[2, 2, 2])), &affine, &running, &saved, &y)
            .is_err()
    );
    assert!(
        op.forward_train(&x, None, &zeros(&[3, 2]), &running, &saved, &y)
            .is_err()
    );
    assert!(op.forward_train(&x, None, &affine, &running, &zeros(&[3]), &y).is_err());
    assert!(
        op.backward(&zeros(&[24]), &x, None, &affine, &saved, &zeros(&[2, 3]), None)
            .is_err()
    );
    let blind = op.backward(&y, &x, None, &affine, &saved, &zeros(&[2, 3]), Some((&x, false)));
    assert!(blind.is_err_and(|e| e.to_string().contains("needs the output")));
    assert!(
        op.forward_train(&x.transpose(1, 2)?, None, &affine, &running, &saved, &y)
            .is_err()
    );
    Ok(())
}
