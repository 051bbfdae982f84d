//! `ucb1`: the textbook upper confidence bound.

use crate::options::{OptionInfo, OptionKind};
use crate::population::Population;
use crate::running::ArithmeticMean;
use crate::state::Column;
use crate::{Cadence, Checked, Error, Family, MethodInfo, Selector, Setup, State};

/// The K samples with the highest x_i + c sqrt(2 ln t / n_i): UCB1 of Auer, Cesa-Bianchi and
/// Fischer (2002), "Finite-time Analysis of the Multiarmed Bandit Problem", figure 1, with every
/// sample an arm and K arms played in a round.
///
/// x_i is the arithmetic mean of all scores observed of sample i (no moving average: `ema_weight`
/// has no effect), n_i the number of rounds it was selected in, and t the number of rounds so far (calls of `select`).
/// As in the paper every arm comes first until it was played: samples never selected rank above all
/// others, and those never observed above these. The bound of the paper holds for scores
/// in [0, 1]; for a loss, which has no upper end, `c` sets the scale.
pub(super) const INFO: MethodInfo = MethodInfo {
    name: "ucb1",
    family: Family::Dynamic,
    scored: true,
    averages: false,
    static_scores: false,
    options: &[OptionInfo {
        name: "c",
        // 1 is the textbook's.
        kind: OptionKind::Float {
            default: 1.0,
            min: 0.0,
            max: 1e6,
        },
    }],
    cadence: |_| Cadence::EveryRound,
    build: Ucb1::build,
};

#[derive(Debug)]
struct Ucb1 {
    population: Population,
    average: ArithmeticMean,
    selected: Vec<u32>,
    rounds: u64,
    c: f64,
}

impl Ucb1 {
    fn build(setup: &Setup, options: &Checked) -> Result<Box<dyn Selector>, Error> {
        let population = Population::new(setup)?;
        let average = ArithmeticMean::new(setup);
        let selected = vec![0; setup.samples];
        Ok(Box::new(Self {
            population,
            average,
            selected,
            rounds: 0,
            c: options.float("c"),
        }))
    }
}

impl Selector for Ucb1 {
    fn observe(&mut self, indices: &[u32], scores: &[f32]) -> Result<(), Error> {
        self.average.observe(indices, scores)
    }

    fn select(&mut self, k: usize, round: u64) -> Result<Vec<u32>, Error> {
        let quotas = self.population.quotas(k)?;
        let scale = (self.c * (2.0 * (self.rounds.max(1) as f64).ln()).sqrt()) as f32;
        let bound = |i: usize| match self.selected[i] {
            0 => self.average.mean[i] + f32::INFINITY,
            n => self.average.mean[i] + scale / (n as f32).sqrt(),
        };
        let selection = self.population.top(&quotas, round, bound);
        for &sample in &selection {
            let count = &mut self.selected[sample as usize];
            *count = count.saturating_add(1);
        }
        self.rounds = self.rounds.saturating_add(1);
        Ok(selection)
    }

    fn state(&self) -> State {
        self.average
            .save(State::new(INFO.name, self.population.samples))
            .with_scalar("rounds", self.rounds)
            .with_column("selected", Column::U32(self.selected.clone()))
    }

    fn restore(&mut self, state: &State) -> Result<(), Error> {
        let columns = ["mean", "observations", "selected"];
        state.check(INFO.name, self.population.samples, &["rounds"], &columns)?;
        let (rounds, selected) = (state.scalar("rounds")?, state.u32_column("selected")?);
        if let Some(sample) = selected.iter().position(|&count| u64::from(count) > rounds) {
            return Err(Error::State {
                what: format!("column `selected` of sample {sample}"),
                found: selected[sample].to_string(),
                expected: format!("at most {rounds}, the rounds so far"),
            });
        }
        self.average.restore(state)?;
        self.selected.copy_from_slice(selected);
        self.rounds = rounds;
        Ok(())
    }
}
