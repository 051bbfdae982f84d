//! `static`: the best of a score table.

use crate::population::Population;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// The K samples with the highest scores of a table made before training
/// (forget, EL2N, GraNd, ...). Infinite scores rank at their ends; NaN is refused.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "static",
    family: Family::Static,
    scored: false,
    averages: false,
    static_scores: true,
    options: &[],
    cadence: |_| Cadence::Once,
    build: Static::build,
};

#[derive(Debug)]
struct Static {
    population: Population,
    scores: Vec<f32>,
}

impl Static {
    fn build(setup: &Setup, _: &Checked) -> Result<Box<dyn Selector>, Error> {
        let population = Population::new(setup)?;
        let scores = setup.static_scores.ok_or(Error::MissingScores { method: INFO.name })?;
        if let Some(sample) = scores.iter().position(|score| score.is_nan()) {
            return Err(Error::NanScore { sample });
        }
        Ok(Box::new(Self {
            population,
            scores: scores.to_vec(),
        }))
    }
}

impl Selector for Static {
    fn observe(&mut self, _: &[u32], _: &[f32]) -> Result<(), Error> {
        Ok(())
    }

    fn select(&mut self, k: usize, _: u64) -> Result<Vec<u32>, Error> {
        Ok(self.population.top(&self.population.quotas(k)?, 0, |i| self.scores[i]))
    }

    fn state(&self) -> State {
        State::new(INFO.name, self.population.samples)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.population.samples, &[], &[])
    }
}
