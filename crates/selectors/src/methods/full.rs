//! `full`: every sample, always.

use crate::population::Population;
use crate::{Cadence, Error, Family, MethodInfo, Selector, Setup, State};

/// The whole data set: the baseline that pruning is measured against. S = {0, .., N - 1}.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "full",
    family: Family::Baseline,
    scored: false,
    averages: false,
    static_scores: false,
    options: &[],
    cadence: |_| Cadence::Once,
    build: |setup, _| Ok(Box::new(Full::new(setup)?)),
};

#[derive(Debug)]
struct Full {
    samples: u32,
}

impl Full {
    fn new(setup: &Setup) -> Result<Self, Error> {
        Ok(Self {
            samples: Population::new(setup)?.samples,
        })
    }
}

impl Selector for Full {
    fn observe(&mut self, _: &[u32], _: &[f32]) -> Result<(), Error> {
        Ok(())
    }

    fn select(&mut self, k: usize, _: u64) -> Result<Vec<u32>, Error> {
        match k == self.samples as usize {
            true => Ok((0..self.samples).collect()),
            false => Err(Error::NotAll {
                k,
                samples: self.samples as usize,
            }),
        }
    }

    fn state(&self) -> State {
        State::new(INFO.name, self.samples)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.samples, &[], &[])
    }
}
