//! `random-static`: one random subset for the whole run.

use crate::population::Population;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// A uniformly random K-subset, drawn once: the control for every static score.
///
/// The order that K cuts depends on the seed alone, so without class balance a smaller K gives a subset of a
/// larger one.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "random-static",
    family: Family::Static,
    scored: false,
    averages: false,
    static_scores: false,
    options: &[],
    cadence: |_| Cadence::Once,
    build: RandomStatic::build,
};

#[derive(Debug)]
struct RandomStatic(Population);

impl RandomStatic {
    fn build(setup: &Setup, _: &Checked) -> Result<Box<dyn Selector>, Error> {
        Ok(Box::new(Self(Population::new(setup)?)))
    }
}

impl Selector for RandomStatic {
    fn observe(&mut self, _: &[u32], _: &[f32]) -> Result<(), Error> {
        Ok(())
    }

    fn select(&mut self, k: usize, _: u64) -> Result<Vec<u32>, Error> {
        Ok(self.0.uniform(&self.0.quotas(k)?, 0))
    }

    fn state(&self) -> State {
        State::new(INFO.name, self.0.samples)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.0.samples, &[], &[])
    }
}
