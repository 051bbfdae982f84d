use crate::inputs::{
    assert_close, assert_derivative, assert_literal, assert_same_bits_for_every_thread_count, differentiated, hashed,
    tensor, unwritten, values, variable, widened,
};
use crate::literals::{POOLING, Pool};
use candle_core::{Result, Tensor};
use dynaprune_ops::{GlobalMean, MaxPool, MeanPool};
use proptest::prelude::*;

/// A maximum is exact; a gradient adds a few numbers at most.
const MAXIMUM: f64 = 2e-7;
/// A mean of up to a few hundred numbers.
const MEAN: f64 = 1e-6;

/// Output and gradient of the input.
fn maximum(op: MaxPool, x: &Tensor, dy: impl Fn(usize) -> Vec<f32>) -> Result<[Tensor; 2]> {
    let shape = op.output_shape(x.dims())?;
    let (y, dx) = (unwritten(&shape)?, unwritten(x.dims())?);
    op.forward(x, &y)?;
    op.backward(x, &tensor(&dy(shape.iter().product()), &shape), &dx)?;
    Ok([y, dx])
}

fn window_mean(op: MeanPool, x: &Tensor) -> Result<[Tensor; 2]> {
    let shape = op.output_shape(x.dims())?;
    let (y, dx) = (unwritten(&shape)?, unwritten(x.dims())?);
    op.forward(x, &y)?;
    op.backward(&tensor(&hashed("dy", y.elem_count()), &shape), &dx)?;
    Ok([y, dx])
}

fn mean(x: &Tensor) -> Result<[Tensor; 2]> {
    let shape = [x.dim(0)?, x.dim(3)?];
    let (y, dx) = (unwritten(&shape)?, unwritten(x.dims())?);
    GlobalMean.forward(x, &y)?;
    GlobalMean.backward(&tensor(&hashed("dy", y.elem_count()), &shape), &dx)?;
    Ok([y, dx])
}

#[test]
fn pooling_agrees_with_pytorch() -> Result<()> {
    for case in POOLING {
        let x = tensor(&hashed("x", case.x.iter().product()), &case.x);
        let ([y, dx], tolerance) = match case.kind {
            Pool::Maximum { size, stride } => (maximum(MaxPool { size, stride }, &x, |n| hashed("dy", n))?, MAXIMUM),
            Pool::Mean { size, stride } => (window_mean(MeanPool { size, stride }, &x)?, MEAN),
            Pool::GlobalMean => (mean(&x)?, MEAN),
        };
        let name = format!("{:?} of {:?}", case.kind, case.x);
        assert_literal(&format!("y, {name}"), &values(&y), &case.y, tolerance);
        assert_literal(&format!("dx, {name}"), &values(&dx), &case.dx, tolerance);
    }
    Ok(())
}

/// The gradient of equal maxima goes to the first, row by row, and that of a NaN to the NaN:
/// `torch.nn.functional.max_pool2d` of [[1, 1], [1, 1]], [[0, 2], [2, 1]], [[3, nan], [4, 0]] and
/// [[-inf, -inf], [-inf, -inf]].
#[test]
fn max_pool_breaks_ties_like_pytorch() -> Result<()> {
    let (nan, low) = (f32::NAN, f32::NEG_INFINITY);
    let x = [
        1.0, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0, 1.0, 3.0, nan, 4.0, 0.0, low, low, low, low,
    ];
    let [y, dx] = maximum(MaxPool { size: 2, stride: 2 }, &tensor(&x, &[4, 2, 2, 1]), |_| {
        vec![1.0, 2.0, 3.0, 4.0]
    })?;
    let y = values(&y);
    assert_eq!((y[0], y[1], y[3]), (1.0, 2.0, low));
    assert!(y[2].is_nan());
    let expected = [
        1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0,
    ];
    assert_eq!(values(&dx), expected);
    Ok(())
}

/// The definitions, in f64.
fn maxima(MaxPool { size, stride }: MaxPool, x: &[f64], [n, h, w, c]: [usize; 4]) -> Vec<f64> {
    let mut y = Vec::new();
    for sample in 0..n {
        for oy in (0..=h - size).step_by(stride) {
            for ox in (0..=w - size).step_by(stride) {
                for channel in 0..c {
                    let window = (0..size * size).map(|i| (oy + i / size, ox + i % size));
                    let pixels = window.map(|(row, column)| x[((sample * h + row) * w + column) * c + channel]);
                    y.push(pixels.fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
    }
    y
}

fn window_means(MeanPool { size, stride }: MeanPool, x: &[f64], [n, h, w, c]: [usize; 4]) -> Vec<f64> {
    let mut y = Vec::new();
    for sample in 0..n {
        for oy in (0..=h - size).step_by(stride) {
            for ox in (0..=w - size).step_by(stride) {
                for channel in 0..c {
                    let window = (0..size * size).map(|i| (oy + i / size, ox + i % size));
                    let pixels = window.map(|(row, column)| x[((sample * h + row) * w + column) * c + channel]);
                    y.push(pixels.sum::<f64>() / (size * size) as f64);
                }
            }
        }
    }
    y
}

fn means(x: &[f64], [n, h, w, c]: [usize; 4]) -> Vec<f64> {
    let pixels = h * w;
    let value = |sample: usize, channel: usize| (0..pixels).map(move |p| (sample * pixels + p) * c + channel);
    (0..n * c)
        .map(|i| value(i / c, i % c).map(|at| x[at]).sum::<f64>() / pixels as f64)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pooling_is_its_definition_and_the_gradients_its_derivatives(
        shape in [1..=3usize, 1..=7usize, 1..=7usize, 1..=20usize], size in 1..=4usize, stride in 1..=4usize,
    ) {
        let op = MaxPool { size: size.min(shape[1]).min(shape[2]), stride };
        let x = hashed("x", shape.iter().product());
        let [y, dx] = maximum(op, &tensor(&x, &shape), |n| hashed("dy", n)).expect("runs");
        let [m, dm] = mean(&tensor(&x, &shape)).expect("runs");
        let windows = MeanPool { size: op.size, stride };
        let [v, dv] = window_mean(windows, &tensor(&x, &shape)).expect("runs");
        let x = widened(&x);
        let dy = |t: &Tensor| widened(&hashed("dy", t.elem_count()));
        assert_close("maxima", &values(&y), &maxima(op, &x, shape), 0.0);
        assert_derivative("x of the maxima", |x| maxima(op, x, shape), &x, &dy(&y), &values(&dx), MEAN);
        assert_close("window means", &values(&v), &window_means(windows, &x, shape), MEAN);
        assert_derivative("x of the window means", |x| window_means(windows, x, shape), &x, &dy(&v), &values(&dv), MEAN);
        assert_close("means", &values(&m), &means(&x, shape), MEAN);
        assert_derivative("x of the means", |x| means(x, shape), &x, &dy(&m), &values(&dm), MEAN);
    }

    /// On a strided view of the input. The gradient of candle's own maximum is not compared: candle
    /// 0.11.1 shares it among all pixels of a window, whether they are the maximum or not, and then
    /// keeps the maximum's share alone (1 / size^2).
    #[test]
    fn pooling_agrees_with_candle(
        n in 1..=3usize, c in 1..=20usize, size in 1..=3usize, stride in 1..=3usize, h in 3..=9usize, w in 3..=9usize,
    ) {
        let run = || -> Result<_> {
            let x = variable("x", &[n, c, h, w])?;
            let rows = x.permute((0, 2, 3, 1))?;
            let maxima = MaxPool { size, stride }.apply(&rows)?.permute((0, 3, 1, 2))?;
            let maxima = (values(&maxima), values(&x.max_pool2d_with_stride(size, stride)?));
            let (ours, theirs) = (GlobalMean.apply(&rows)?, rows.mean((1, 2))?);
            let mut means = vec![(differentiated(&ours, &[&x])?, differentiated(&theirs, &[&x])?)];
            let ours = MeanPool { size, stride }.apply(&rows)?.permute((0, 3, 1, 2))?;
            let theirs = x.avg_pool2d_with_stride(size, stride)?;
            if size == stride && h % size == 0 && w % size == 0 {
                means.push((differentiated(&ours, &[&x])?, differentiated(&theirs, &[&x])?));
            } else {
                // candle 0.11.1 has the gradient of windows that tile the image, and of no others.
                means.push((vec![values(&ours)], vec![values(&theirs)]));
            }
            Ok((maxima, means))
        };
        let (maxima, means) = run().expect("all run");
        prop_assert_eq!(maxima.0, maxima.1);
        for (ours, theirs) in means {
            for (what, (ours, theirs)) in ["y", "dx"].into_iter().zip(ours.iter().zip(&theirs)) {
                assert_close(what, ours, &widened(theirs), MEAN);
            }
        }
    }

    /// The operation differentiated by candle is the one in place.
    #[test]
    fn max_pool_applied_agrees_with_max_pool_in_place(
        shape in [1..=3usize, 3..=7usize, 3..=7usize, 1..=20usize], size in 1..=3usize, stride in 1..=3usize,
    ) {
        let op = MaxPool { size, stride };
        let x = variable("x", &shape).expect("a variable");
        let [y, dx] = maximum(op, &x, |n| hashed("dy", n)).expect("runs");
        let applied = op.apply(&x).and_then(|y| differentiated(&y, &[&x])).expect("runs");
        prop_assert_eq!(applied, [values(&y), values(&dx)]);
    }
}

#[test]
fn pooling_does_not_depend_on_the_number_of_threads() {
    let x = tensor(&hashed("x", 33 * 8 * 8 * 17), &[33, 8, 8, 17]);
    let op = MaxPool { size: 2, stride: 2 };
    let means = MeanPool { size: 3, stride: 2 };
    assert_same_bits_for_every_thread_count(|| {
        let maxima = maximum(op, &x, |n| hashed("dy", n))?;
        Ok([maxima, window_mean(means, &x)?, mean(&x)?].concat())
    });
}

/// A bad number reaches its window, or its image and channel, and nothing else.
#[test]
fn pooling_passes_on_nan_and_infinity() -> Result<()> {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = hashed("x", 2 * 4 * 4 * 3);
        x[(16 + 2 * 4 + 1) * 3 + 1] = bad;
        let x = tensor(&x, &[2, 4, 4, 3]);
        let [y, dx] = maximum(MaxPool { size: 2, stride: 2 }, &x, |n| hashed("dy", n))?;
        for (i, v) in values(&y).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i != (4 + 2) * 3 + 1, "{bad}: maximum {i} is {v}");
        }
        assert!(values(&dx).iter().all(|v| v.is_finite()));
        for (i, v) in values(&window_mean(MeanPool { size: 2, stride: 2 }, &x)?[0])
            .into_iter()
            .enumerate()
        {
            assert_eq!(v.is_finite(), i != (4 + 2) * 3 + 1, "{bad}: window mean {i} is {v}");
        }
        for (i, v) in values(&mean(&x)?[0]).into_iter().enumerate() {
            assert_eq!(v.is_finite(), i != 4, "{bad}: mean {i} is {v}");
        }
    }
    Ok(())
}

#[test]
fn pooling_rejects_shapes_that_do_not_fit() -> Result<()> {
    let zeros = |dims: &[usize]| tensor(&vec![0.0; dims.iter().product()], dims);
    let op = MaxPool { size: 3, stride: 1 };
    assert!(op.output_shape(&[1, 2, 4, 1]).is_err());
    assert!(op.output_shape(&[4, 4, 1]).is_err());
    assert!(MaxPool { size: 1, stride: 0 }.output_shape(&[1, 4, 4, 1]).is_err());
    assert!(MaxPool { size: 0, stride: 1 }.output_shape(&[1, 4, 4, 1]).is_err());
    let x = zeros(&[1, 4, 4, 2]);
    assert!(op.forward(&x, &zeros(&[1, 4, 4, 2])).is_err());
    assert!(op.forward(&x.transpose(1, 2)?, &zeros(&[1, 2, 2, 2])).is_err());
    assert!(MeanPool { size: 3, stride: 0 }.output_shape(&[1, 4, 4, 1]).is_err());
    assert!(
        MeanPool { size: 5, stride: 1 }
            .forward(&x, &zeros(&[1, 1, 1, 2]))
            .is_err()
    );
    assert!(GlobalMean.forward(&x, &zeros(&[1, 4])).is_err());
    assert!(GlobalMean.forward(&zeros(&[4, 4, 2]), &zeros(&[4, 2])).is_err());
    Ok(())
}
