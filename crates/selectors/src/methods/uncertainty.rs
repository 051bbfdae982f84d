//! `uncertainty`: the samples with the highest score now.

use crate::population::Population;
use crate::running::Average;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// The K samples with the highest moving average m_i of their scores,
/// m_i <- (1 - a) m_i + a u_i with a = `ema_weight`. Greedy: `epsilon-greedy` with epsilon = 0.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "uncertainty",
    family: Family::Dynamic,
    scored: true,
    averages: true,
    static_scores: false,
    options: &[],
    cadence: |_| Cadence::EveryRound,
    build: Uncertainty::build,
};

#[derive(Debug)]
struct Uncertainty {
    population: Population,
    average: Average,
}

impl Uncertainty {
    fn build(setup: &Setup, _: &Checked) -> Result<Box<dyn Selector>, Error> {
        let population = Population::new(setup)?;
        Ok(Box::new(Self {
            population,
            average: Average::new(setup)?,
        }))
    }
}

impl Selector for Uncertainty {
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        self.average.observe(indices, scores)
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        Ok(self
            .population
            .top(&self.population.quotas(k)?, round, |i| self.average.mean[i]))
    }

    fn state(&self) -> State {
        self.average.save(State::new(INFO.name, self.population.samples))
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.population.samples, &[], &["mean"])?;
        self.average.restore(state)
    }
}
