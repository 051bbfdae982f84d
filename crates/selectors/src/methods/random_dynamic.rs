//! `random-dynamic`: a new random subset again and again.

use crate::options::{OptionInfo, OptionKind};
use crate::population::Population;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// A uniformly random K-subset, a new one in every epoch, or with `redraw = "period"` in every
/// selection round. Draws are independent of each other and a function of (seed, round).
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "random-dynamic",
    family: Family::Dynamic,
    scored: false,
    averages: false,
    static_scores: false,
    options: &[OptionInfo {
        name: "redraw",
        kind: OptionKind::Choice {
            default: "epoch",
            allowed: &["epoch", "period"],
        },
    }],
    cadence: |options| match options.text("redraw") {
        "period" => Cadence::EveryRound,
        _ => Cadence::EveryEpoch,
    },
    build: RandomDynamic::build,
};

#[derive(Debug)]
struct RandomDynamic(Population);

impl RandomDynamic {
    fn build(setup: &Setup, _: &Checked) -> Result<Box<dyn Selector>, Error> {
        Ok(Box::new(Self(Population::new(setup)?)))
    }
}

impl Selector for RandomDynamic {
    fn observe(&mut self, _: &[u32], _: &[f32]) -> Result<(), Error> {
        Ok(())
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        Ok(self.0.uniform(&self.0.quotas(k)?, round))
    }

    fn state(&self) -> State {
        State::new(INFO.name, self.0.samples)
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.0.samples, &[], &[])
    }
}
