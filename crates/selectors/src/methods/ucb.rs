//! `ucb`: an upper confidence bound from the moving variance.

use crate::options::{OptionInfo, OptionKind};
use crate::population::Population;
use crate::running::{AverageAndVariance, FirstVariance};
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// The K samples with the highest m_i + c v_i, where for each observation u_i, with
/// a = `ema_weight`,
///
/// - v_i <- (1 - a) v_i + a (u_i - m_i)^2, with m_i before its update,
/// - m_i <- (1 - a) m_i + a u_i.
///
/// The first observation sets m_i = u_i, and v_i = 0 with `first_variance = "zero"`. With
/// `"square"`, as if the mean had been 0 before, it sets v_i = a u_i^2. v_i is a variance, in the
/// square of the score's unit, and there is no term in the number of rounds; `ucb1` has one.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "ucb",
    family: Family::Dynamic,
    scored: true,
    averages: true,
    static_scores: false,
    options: &[
        OptionInfo {
            name: "c",
            kind: OptionKind::Float {
                default: 1.0,
                min: 0.0,
                max: 1e6,
            },
        },
        OptionInfo {
            name: "first_variance",
            kind: OptionKind::Choice {
                default: "zero",
                allowed: &["zero", "square"],
            },
        },
    ],
    cadence: |_| Cadence::EveryRound,
    build: Ucb::build,
};

#[derive(Debug)]
struct Ucb {
    population: Population,
    statistics: AverageAndVariance,
    c: f32,
}

impl Ucb {
    fn build(setup: &Setup, options: &Checked) -> Result<Box<dyn Selector>, Error> {
        let population = Population::new(setup)?;
        let first = match options.text("first_variance") {
            "square" => FirstVariance::Square,
            _ => FirstVariance::Zero,
        };
        let statistics = AverageAndVariance::new(setup, first)?;
        Ok(Box::new(Self {
            population,
            statistics,
            c: options.float("c") as f32,
        }))
    }
}

impl Selector for Ucb {
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        self.statistics.observe(indices, scores)
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        let AverageAndVariance { mean, variance, .. } = &self.statistics;
        let bound = |i: usize| mean[i] + self.c * variance[i];
        Ok(self.population.top(&self.population.quotas(k)?, round, bound))
    }

    fn state(&self) -> State {
        self.statistics.save(State::new(INFO.name, self.population.samples))
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.population.samples, &[], &["mean", "variance"])?;
        self.statistics.restore(state)
    }
}
