//! The samples that a selector chooses from: how many, of which classes, and the run's seed.

use dynaprune_random::Purpose;

use crate::classes::{Classes, apportion};
use crate::top_k::{Ranking, Ties, best, best_of_each, order_key};
use crate::{Error, Setup};

/// Orders samples of equal score.
const TIES: Purpose = Purpose::new("selector ties");
/// Orders all samples, for a uniform draw. Not the same as [`TIES`]: samples that lost a tie would
/// be drawn less often than others.
const DRAW: Purpose = Purpose::new("selector draw");

#[derive(Clone, Debug)]
pub(crate) struct Population {
    pub(crate) samples: u32,
    seed: u64,
    classes: Option<Classes>,
}

impl Population {
    pub(crate) fn new(setup: &Setup) -> Result<Self, Error> {
        let samples = u32::try_from(setup.samples)
            .ok()
            .filter(|&samples| samples > 0)
            .ok_or(Error::Samples { found: setup.samples })?;
        let check = |table, length: Option<usize>| match length {
            Some(found) if found != setup.samples => Err(Error::TableLength {
                table,
                found,
                samples: setup.samples,
            }),
            _ => Ok(()),
        };
        check("labels", setup.labels.map(<[_]>::len))?;
        check("static scores", setup.static_scores.map(<[_]>::len))?;
        Ok(Self {
            samples,
            seed: setup.seed,
            classes: setup.labels.map(Classes::new),
        })
    }

    /// How many samples to take from each class; one number when classes are not balanced.
    pub(crate) fn quotas(&self, k: usize) -> Result<Vec<u32>, Error> {
        let total = u32::try_from(k)
            .ok()
            .filter(|&k| k <= self.samples)
            .ok_or(Error::TooMany {
                k,
                samples: self.samples as usize,
            })?;
        Ok(match &self.classes {
            None => vec![total],
            Some(classes) => apportion(total, &classes.sizes),
        })
    }

    /// The samples with the highest scores, NaN above all; equal ones in an order of their own in
    /// every `round`.
    pub(crate) fn top(&self, quotas: &[u32], round: u64, score: impl Fn(usize) -> f32 + Sync) -> Vec<u32> {
        self.best(
            quotas,
            TIES,
            round,
            &Ranking {
                bits: 32,
                key: |i| order_key(score(i)),
            },
        )
    }

    /// A uniformly random set, another one in every `round`.
    pub(crate) fn uniform(&self, quotas: &[u32], round: u64) -> Vec<u32> {
        self.best(quotas, DRAW, round, &Ranking { bits: 0, key: |_| 0 })
    }

    /// `taken` (ascending, no more than `quotas` of a class) and uniformly random others.
    pub(crate) fn fill_up(&self, taken: &[u32], quotas: &[u32], round: u64) -> Vec<u32> {
        let mut set = vec![0u64; self.samples.div_ceil(64) as usize];
        for &sample in taken {
            set[sample as usize / 64] |= 1 << (sample % 64);
        }
        let key = |i: usize| (set[i / 64] >> (i % 64) & 1) as u32;
        self.best(quotas, DRAW, round, &Ranking { bits: 1, key })
    }

    fn best(
        &self,
        quotas: &[u32],
        purpose: Purpose,
        step: u64,
        ranking: &Ranking<impl Fn(usize) -> u32 + Sync>,
    ) -> Vec<u32> {
        let ties = Ties {
            seed: self.seed,
            purpose,
            step,
        };
        match &self.classes {
            None => best(self.samples as usize, ranking, quotas.iter().sum(), ties),
            Some(classes) => best_of_each(classes, ranking, quotas, ties),
        }
    }
}
