//! `epsilon-greedy`: mostly the samples with the highest score, and some at random.

use crate::options::{OptionInfo, OptionKind};
use crate::population::Population;
use crate::running::Average;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// K - E samples with the highest moving average m_i of their scores, and E drawn uniformly without
/// replacement from all the others, where E = epsilon K, rounded half up. With class balance, K and
/// E are those of each class.
///
/// epsilon = 0 is `uncertainty`, and epsilon = 1 is `random-dynamic`, sample for sample.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "epsilon-greedy",
    family: Family::Dynamic,
    scored: true,
    averages: true,
    static_scores: false,
    options: &[OptionInfo {
        name: "epsilon",
        kind: OptionKind::Float {
            default: 0.1,
            min: 0.0,
            max: 1.0,
        },
    }],
    cadence: |_| Cadence::EveryRound,
    build: EpsilonGreedy::build,
};

#[derive(Debug)]
struct EpsilonGreedy {
    population: Population,
    average: Average,
    epsilon: f64,
}

impl EpsilonGreedy {
    fn build(setup: &Setup, options: &Checked) -> Result<Box<dyn Selector>, Error> {
        let population = Population::new(setup)?;
        let epsilon = options.float("epsilon");
        Ok(Box::new(Self {
            population,
            average: Average::new(setup)?,
            epsilon,
        }))
    }
}

impl Selector for EpsilonGreedy {
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        self.average.observe(indices, scores)
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        let quotas = self.population.quotas(k)?;
        let explored = |&quota: &u32| (self.epsilon * f64::from(quota)).round() as u32;
        let greedy: Vec<u32> = quotas.iter().map(|quota| quota - explored(quota)).collect();
        let selected = self.population.top(&greedy, round, |i| self.average.mean[i]);
        match selected.len() == k {
            true => Ok(selected),
            false => Ok(self.population.fill_up(&selected, &quotas, round)),
        }
    }

    fn state(&self) -> State {
        self.average.save(State::new(INFO.name, self.population.samples))
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.check(INFO.name, self.population.samples, &[], &["mean"])?;
        self.average.restore(state)
    }
}
