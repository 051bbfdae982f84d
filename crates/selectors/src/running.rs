//! Running statistics of the observed scores, one row for each sample.
//!
//! A mean of NaN marks a sample that was not observed. Updates are computed in double precision
//! and rounded once, so neither an intermediate result nor the statistic itself overflows.

use crate::observation::observe;
use crate::state::{Column, State};
use crate::{Error, Setup};

/// Exponential moving average of each sample's score:
/// m_i <- (1 - a) m_i + a u_i, where a weighs the new value, and m_i = u_i at first.
#[derive(Clone, Debug)]
pub(crate) struct Average {
    weight: f64,
    pub(crate) mean: Vec<f32>,
}

impl Average {
    pub(crate) fn new(setup: &Setup) -> Result<Self, Error> {
        Ok(Self {
            weight: checked_weight(setup)?,
            mean: vec![f32::NAN; setup.samples],
        })
    }

    pub(crate) fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        let weight = self.weight;
        let samples = self.mean.len() as u32;
        observe(self.mean.as_mut_slice(), samples, indices, scores, |mean, i, score| {
            mean[i] = blend(weight, mean[i], score);
        })
    }

    pub(crate) fn save(&self, state: State) -> State {
        state.with_column("mean", Column::F32(self.mean.clone()))
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<(), Error> {
        self.mean.copy_from_slice(mean_column(state)?);
        Ok(())
    }
}

/// What the first observation of a sample adds to its variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FirstVariance {
    Zero,
    Square,
}

/// [`Average`], and the exponential moving variance about it:
/// v_i <- (1 - a) v_i + a (u_i - m_i)^2 with the mean before its update, and v_i = 0 at first.
#[derive(Clone, Debug)]
pub(crate) struct AverageAndVariance {
    weight: f64,
    first: FirstVariance,
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl AverageAndVariance {
    pub(crate) fn new(setup: &Setup, first: FirstVariance) -> Result<Self, Error> {
        Ok(Self {
            weight: checked_weight(setup)?,
            first,
            mean: vec![f32::NAN; setup.samples],
            variance: vec![0.0; setup.samples],
        })
    }

    pub(crate) fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        let (weight, first) = (self.weight, self.first);
        let samples = self.mean.len() as u32;
        let columns = (self.mean.as_mut_slice(), self.variance.as_mut_slice());
        observe(columns, samples, indices, scores, |(mean, variance), i, score| {
            let difference = match (mean[i].is_nan(), first) {
                (false, _) => f64::from(score) - f64::from(mean[i]),
                (true, FirstVariance::Square) => f64::from(score),
                (true, FirstVariance::Zero) => 0.0,
            };
            let updated = (1.0 - weight) * f64::from(variance[i]) + weight * difference * difference;
            variance[i] = to_finite(updated);
            mean[i] = blend(weight, mean[i], score);
        })
    }

    pub(crate) fn save(&self, state: State) -> State {
        state
            .with_column("mean", Column::F32(self.mean.clone()))
            .with_column("variance", Column::F32(self.variance.clone()))
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<(), Error> {
        let mean = mean_column(state)?;
        let expected = "a finite number, not negative";
        let variance = state.f32_column("variance", expected, |v| v.is_finite() && v >= 0.0)?;
        self.mean.copy_from_slice(mean);
        self.variance.copy_from_slice(variance);
        Ok(())
    }
}

/// Arithmetic mean of all scores observed of each sample.
#[derive(Clone, Debug)]
pub(crate) struct ArithmeticMean {
    pub(crate) mean: Vec<f32>,
    observations: Vec<u32>,
}

impl ArithmeticMean {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            mean: vec![f32::NAN; setup.samples],
            observations: vec![0; setup.samples],
        }
    }

    pub(crate) fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        let samples = self.mean.len() as u32;
        let columns = (self.mean.as_mut_slice(), self.observations.as_mut_slice());
        observe(columns, samples, indices, scores, |(mean, observations), i, score| {
            observations[i] = observations[i].saturating_add(1);
            mean[i] = blend(1.0 / f64::from(observations[i]), mean[i], score);
        })
    }

    pub(crate) fn save(&self, state: State) -> State {
        state
            .with_column("mean", Column::F32(self.mean.clone()))
            .with_column("observations", Column::U32(self.observations.clone()))
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<(), Error> {
        let mean = mean_column(state)?;
        let observations = state.u32_column("observations")?;
        let is_odd = |i: &usize| mean[*i].is_nan() != (observations[*i] == 0);
        if let Some(sample) = (0..mean.len()).find(is_odd) {
            return Err(Error::State {
                what: format!("column `observations` of sample {sample}"),
                found: observations[sample].to_string(),
                expected: match mean[sample].is_nan() {
                    true => "0: it has no mean".to_owned(),
                    false => "at least 1: it has a mean".to_owned(),
                },
            });
        }
        self.mean.copy_from_slice(mean);
        self.observations.copy_from_slice(observations);
        Ok(())
    }
}

fn blend(weight: f64, mean: f32, score: f32) -> f32 {
    match mean.is_nan() {
        true => score,
        false => to_finite((1.0 - weight) * f64::from(mean) + weight * f64::from(score)),
    }
}

fn to_finite(x: f64) -> f32 {
    x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn checked_weight(setup: &Setup) -> Result<f64, Error> {
    let weight = setup.ema_weight;
    match weight > 0.0 && weight <= 1.0 {
        true => Ok(weight),
        false => Err(Error::EmaWeight { found: weight }),
    }
}

fn mean_column(state: &State) -> Result<&[f32], Error> {
    state.f32_column("mean", "a finite number, or NaN if not observed", |m| !m.is_infinite())
}
