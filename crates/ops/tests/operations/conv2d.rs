use crate::inputs::{
    assert_close, assert_derivative, assert_literal, assert_same_bits_for_every_thread_count, differentiated, hashed,
    tensor, unwritten, values, variable, widened,
};
use crate::literals::CONV2D;
use candle_core::{Result, Tensor};
use dynaprune_ops::Conv2d;
use proptest::prelude::*;

/// A sum of up to a thousand products in f32, in any order, against one in f64.
const TOLERANCE: f64 = 2e-6;

/// Output, gradient of the input and gradient of the weight.
fn run(op: Conv2d, x: &Tensor, w: &Tensor, dy: impl Fn(usize) -> Vec<f32>) -> Result<[Tensor; 3]> {
    let shape = op.output_shape(x.dims(), w.dims())?;
    let (y, dx, dw) = (unwritten(&shape)?, unwritten(x.dims())?, unwritten(w.dims())?);
    let dy = tensor(&dy(shape.iter().product()), &shape);
    op.forward(x, w, &y)?;
    op.grad_input(&dy, w, &dx, false)?;
    op.grad_weight(x, &dy, &dw)?;
    Ok([y, dx, dw])
}

#[test]
fn conv2d_agrees_with_pytorch() -> Result<()> {
    for case in CONV2D {
        let op = Conv2d {
            stride: case.stride,
            padding: case.padding,
        };
        let x = tensor(&hashed("x", case.x.iter().product()), &case.x);
        let shape = [case.kernel, case.kernel, case.x[3], case.co];
        let w = tensor(&hashed("weight", shape.iter().product()), &shape);
        assert_eq!(op.output_shape(x.dims(), w.dims())?, case.y_shape);
        let [y, dx, dw] = run(op, &x, &w, |n| hashed("dy", n))?;
        let name = format!("{:?} x {shape:?} {op:?}", case.x);
        assert_literal(&format!("y of {name}"), &values(&y), &case.y, TOLERANCE);
        assert_literal(&format!("dx of {name}"), &values(&dx), &case.dx, TOLERANCE);
        assert_literal(&format!("dweight of {name}"), &values(&dw), &case.dweight, TOLERANCE);

        let added = tensor(&hashed("before", dx.elem_count()), dx.dims());
        let dy = tensor(&hashed("dy", y.elem_count()), y.dims());
        let expected: Vec<f64> = values(&added)
            .iter()
            .zip(values(&dx))
            .map(|(&a, b)| f64::from(a) + f64::from(b))
            .collect();
        op.grad_input(&dy, &w, &added, true)?;
        assert_close(
            &format!("accumulated dx of {name}"),
            &values(&added),
            &expected,
            TOLERANCE,
        );
    }
    Ok(())
}

/// The definition, in f64.
fn definition(op: Conv2d, x: &[f64], xs: [usize; 4], w: &[f64], ws: [usize; 4]) -> Vec<f64> {
    let ([n, h, width, ci], [kh, kw, _, co]) = (xs, ws);
    let out = |size: usize, kernel: usize| (size + 2 * op.padding - kernel) / op.stride + 1;
    let mut y = Vec::new();
    for sample in 0..n {
        for oy in 0..out(h, kh) {
            for ox in 0..out(width, kw) {
                for o in 0..co {
                    let mut sum = 0.0;
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let row = (oy * op.stride + ky).checked_sub(op.padding).filter(|&r| r < h);
                            let column = (ox * op.stride + kx).checked_sub(op.padding).filter(|&c| c < width);
                            let (Some(row), Some(column)) = (row, column) else {
                                continue;
                            };
                            for c in 0..ci {
                                sum += x[((sample * h + row) * width + column) * ci + c]
                                    * w[((ky * kw + kx) * ci + c) * co + o];
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    w: [usize; 4],
    op: Conv2d,
}

/// Shapes up to `size` pixels a side and `channels` channels, with every kernel, stride and padding
/// that leaves an output.
fn cases(size: usize, channels: usize) -> impl Strategy<Value = Case> {
    (
        1..=4usize,
        1..=size,
        1..=size,
        1..=channels,
        1..=4usize,
        1..=4usize,
        1..=channels,
        1..=3usize,
        0..=2usize,
    )
        .prop_map(|(n, h, w, ci, kh, kw, co, stride, padding)| Case {
            x: [n, h, w, ci],
            w: [kh.min(h + 2 * padding), kw.min(w + 2 * padding), ci, co],
            op: Conv2d { stride, padding },
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The forward pass is the definition, and both gradients are its derivatives along a direction.
    #[test]
    fn conv2d_is_its_definition_and_the_gradients_its_derivatives(case in cases(6, 9)) {
        let Case { x: xs, w: ws, op } = case;
        let (x, w) = (hashed("x", xs.iter().product()), hashed("w", ws.iter().product()));
        let [y, dx, dw] = run(op, &tensor(&x, &xs), &tensor(&w, &ws), |n| hashed("dy", n)).expect("runs");
        let (x, w) = (widened(&x), widened(&w));
        assert_close("y", &values(&y), &definition(op, &x, xs, &w, ws), TOLERANCE);

        let dy = widened(&hashed("dy", y.elem_count()));
        assert_derivative("x", |x| definition(op, x, xs, &w, ws), &x, &dy, &values(&dx), TOLERANCE);
        assert_derivative("w", |w| definition(op, &x, xs, w, ws), &w, &dy, &values(&dw), TOLERANCE);
    }

    /// candle's own convolution and its `backward`, on strided views of both inputs.
    #[test]
    fn conv2d_agrees_with_candle(case in cases(9, 40)) {
        agrees_with_candle(case);
    }

    /// The same for channels and kernels that are computed by tiles.
    #[test]
    fn conv2d_by_tiles_agrees_with_candle(
        n in 1..=5usize, h in 3..=13usize, w in 0..=6usize, ci in 1..=4usize, co in 1..=5usize, padding in 0..=2usize,
    ) {
        agrees_with_candle(Case {
            x: [n, h, w, 16 * ci],
            w: [3, 3, 16 * ci, 16 * co],
            op: Conv2d { stride: 1, padding },
        });
    }
}

fn agrees_with_candle(case: Case) {
    let Case {
        x: [n, h, w, ci],
        w: [kh, _, _, co],
        op,
    } = case;
    // candle's backward pads rows and columns by what the last window leaves of the rows, so that
    // the windows must leave as much of the columns.
    let w = h + w / op.stride * op.stride;
    let k = kh.min(h + 2 * op.padding);
    let run = || -> Result<_> {
        let (x, weight) = (variable("x", &[n, ci, h, w])?, variable("w", &[co, ci, k, k])?);
        let theirs = x.conv2d(&weight, op.padding, op.stride, 1, 1)?;
        let ours = op.apply(&x.permute((0, 2, 3, 1))?, &weight.permute((2, 3, 1, 0))?)?;
        let ours = ours.permute((0, 3, 1, 2))?;
        Ok((
            differentiated(&ours, &[&x, &weight])?,
            differentiated(&theirs, &[&x, &weight])?,
        ))
    };
    let (ours, theirs) = run().expect("both run");
    for (what, (ours, theirs)) in ["y", "dx", "dw"].into_iter().zip(ours.iter().zip(&theirs)) {
        // Both have an error.
        assert_close(what, ours, &widened(theirs), 2.0 * TOLERANCE);
    }
}

#[test]
fn conv2d_does_not_depend_on_the_number_of_threads() {
    // Batches large enough to be cut into several blocks.
    let cases = [
        ([33, 9, 9, 5], [3, 3, 5, 17], Conv2d { stride: 1, padding: 1 }),
        ([40, 8, 8, 16], [3, 3, 16, 32], Conv2d { stride: 2, padding: 1 }),
        ([19, 16, 16, 24], [1, 1, 24, 8], Conv2d { stride: 2, padding: 0 }),
        // By tiles: groups of samples, rounds, and parts of the channels.
        ([33, 16, 16, 16], [3, 3, 16, 48], Conv2d { stride: 1, padding: 1 }),
        ([70, 8, 8, 64], [3, 3, 64, 32], Conv2d { stride: 1, padding: 1 }),
        ([70, 4, 4, 256], [3, 3, 256, 256], Conv2d { stride: 1, padding: 1 }),
    ];
    for (xs, ws, op) in cases {
        let x = tensor(&hashed("x", xs.iter().product()), &xs);
        let w = tensor(&hashed("w", ws.iter().product()), &ws);
        assert_same_bits_for_every_thread_count(|| Ok(run(op, &x, &w, |n| hashed("dy", n))?.to_vec()));
    }
}

/// A sample's output has the same bits whatever the rest of its batch.
#[test]
fn conv2d_of_a_sample_does_not_depend_on_its_batch() -> Result<()> {
    for (op, h, width, ci, co) in [
        (Conv2d { stride: 2, padding: 1 }, 7, 5, 6, 20),
        (Conv2d { stride: 1, padding: 1 }, 7, 10, 16, 48),
        (Conv2d { stride: 1, padding: 1 }, 4, 4, 256, 256),
    ] {
        let w = tensor(&hashed("w", 3 * 3 * ci * co), &[3, 3, ci, co]);
        let x = tensor(&hashed("x", 37 * h * width * ci), &[37, h, width, ci]);
        let [y, dx, _] = run(op, &x, &w, |n| hashed("dy", n))?;
        for i in [0, 1, 17, 36] {
            let alone = tensor(&values(&x.narrow(0, i, 1)?), &[1, h, width, ci]);
            let each = y.elem_count() / 37;
            let [yi, dxi, _] = run(op, &alone, &w, |n| {
                hashed("dy", 37 * n)[i * each..(i + 1) * each].to_vec()
            })?;
            assert_eq!(values(&y.narrow(0, i, 1)?), values(&yi), "y of sample {i}");
            assert_eq!(values(&dx.narrow(0, i, 1)?), values(&dxi), "dx of sample {i}");
        }
    }
    Ok(())
}

/// By tiles, one bad number reaches all that depends on it, and of the rest at most what shares a tile with that.
#[test]
fn conv2d_by_tiles_passes_on_nan_and_infinity() -> Result<()> {
    let op = Conv2d { stride: 1, padding: 1 };
    let (ci, co, side) = (16, 32, 12);
    let w = tensor(&hashed("w", 9 * ci * co), &[3, 3, ci, co]);
    let shape = [2, side, side, ci];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = hashed("x", 2 * side * side * ci);
        // Row 5 and column 3: read by tiles of the second row, in the first and the second column.
        x[((side + 5) * side + 3) * ci + 7] = bad;
        let [y, _, dw] = run(op, &tensor(&x, &shape), &w, |n| hashed("dy", n))?;
        for (i, v) in values(&y).into_iter().enumerate() {
            let (sample, row, column) = (i / (co * side * side), i / (co * side) % side, i / co % side);
            let depends = sample == 1 && (4..=6).contains(&row) && (2..=4).contains(&column);
            let shares = sample == 1 && row / 4 == 1 && column / 4 <= 1;
            let place = format!("{bad} at row {row}, column {column} of sample {sample}: {v}");
            assert!(!depends || !v.is_finite(), "{place}");
            assert!(shares || v.is_finite(), "{place}");
        }
        for (i, v) in values(&dw).into_iter().enumerate() {
            assert_eq!(
                v.is_finite(),
                i / co % ci != 7,
                "{bad} in the gradient of weight {i}: {v}"
            );
        }
        let [_, dx, dw] = run(op, &tensor(&hashed("x", 2 * side * side * ci), &shape), &w, |n| {
            let mut dy = hashed("dy", n);
            dy[(9 * side + 9) * co + 31] = bad;
            dy
        })?;
        for (i, v) in values(&dx).into_iter().enumerate() {
            let (sample, row, column) = (i / (ci * side * side), i / (ci * side) % side, i / ci % side);
            let depends = sample == 0 && (8..=10).contains(&row) && (8..=10).contains(&column);
            let shares = sample == 0 && row / 4 == 2 && column / 4 == 2;
            assert!(
                !depends || !v.is_finite(),
                "{bad} in the gradient of the input, {i}: {v}"
            );
            assert!(shares || v.is_finite(), "{bad} in the gradient of the input, {i}: {v}");
        }
        for (i, v) in values(&dw).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i % co != 31, "{bad} in the gradient of weight {i}: {v}");
        }
    }
    Ok(())
}

/// One bad number reaches what depends on it, and nothing else.
#[test]
fn conv2d_passes_on_nan_and_infinity() -> Result<()> {
    let op = Conv2d { stride: 1, padding: 1 };
    let w = tensor(&hashed("w", 3 * 3 * 5 * 19), &[3, 3, 5, 19]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = hashed("x", 3 * 6 * 6 * 5);
        x[((6 + 2) * 6 + 3) * 5 + 4] = bad;
        let x = tensor(&x, &[3, 6, 6, 5]);
        let [y, _, dw] = run(op, &x, &w, |n| hashed("dy", n))?;
        for (i, v) in values(&y).into_iter().enumerate() {
            let (sample, row, column) = (i / (19 * 36), i / (19 * 6) % 6, i / 19 % 6);
            let touched = sample == 1 && (1..=3).contains(&row) && (2..=4).contains(&column);
            assert_eq!(
                v.is_finite(),
                !touched,
                "{bad} at sample {sample}, row {row}, column {column}: {v}"
            );
        }
        for (i, v) in values(&dw).into_iter().enumerate() {
            assert_eq!(
                v.is_finite(),
                i / 19 % 5 != 4,
                "{bad} in the gradient of weight {i}: {v}"
            );
        }
        let [_, dx, _] = run(op, &tensor(&hashed("x", 3 * 6 * 6 * 5), &[3, 6, 6, 5]), &w, |n| {
            let mut dy = hashed("dy", n);
            dy[(36 + 6 + 5) * 19 + 18] = bad;
            dy
        })?;
        for (i, v) in values(&dx).into_iter().enumerate() {
            let (sample, row, column) = (i / (5 * 36), i / (5 * 6) % 6, i / 5 % 6);
            let touched = sample == 1 && row <= 2 && column >= 4;
            assert_eq!(v.is_finite(), !touched, "{bad} in the gradient of the input, {i}: {v}");
        }
    }
    Ok(())
}

#[test]
fn conv2d_rejects_shapes_that_do_not_fit() {
    let op = Conv2d { stride: 1, padding: 0 };
    let message = |op: Conv2d, x: &[usize], w: &[usize]| op.output_shape(x, w).expect_err("no output").to_string();
    assert!(message(op, &[1, 4, 4, 3], &[3, 3, 4, 8]).contains("expects 4"));
    assert!(message(op, &[4, 4, 3], &[3, 3, 3, 8]).contains("[n, h, w, ci]"));
    assert!(message(op, &[1, 2, 4, 3], &[3, 3, 3, 8]).contains("no output"));
    assert!(message(Conv2d { stride: 0, padding: 0 }, &[1, 4, 4, 3], &[3, 3, 3, 8]).contains("stride 0"));
    assert!(message(op, &[0, 4, 4, 3], &[3, 3, 3, 8]).contains("no output"));

    let (x, w) = (tensor(&[0.0; 48], &[1, 4, 4, 3]), tensor(&[0.0; 27], &[3, 3, 3, 1]));
    let wrong = tensor(&[0.0; 9], &[1, 3, 3, 1]);
    assert!(op.forward(&x, &w, &wrong).is_err());
    let y = tensor(&[0.0; 4], &[1, 2, 2, 1]);
    let strided = x.transpose(1, 2).expect("a view");
    let message = op.forward(&strided, &w, &y).expect_err("a strided input").to_string();
    assert!(message.contains("contiguous"), "{message}");
}
