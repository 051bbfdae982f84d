//! A random score: the control that any score must beat.

use dynaprune_random::{Purpose, Stream};

use crate::registry::{Needs, ScorerInfo};

pub(crate) const INFO: ScorerInfo = ScorerInfo {
    name: "random",
    needs: Needs::Nothing,
    options: &[],
};

const SCORES: Purpose = Purpose::new("random scores");

/// Independent uniform numbers in `[0, 1)`, a function of the seed.
#[must_use]
pub fn random(samples: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, SCORES, 0);
    (0..samples).map(|_| stream.uniform_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spearman;

    #[test]
    fn is_a_function_of_the_seed_and_of_nothing_else() {
        assert_eq!(random(100, 1), random(200, 1)[..100]);
        // Under independence the coefficient has standard deviation 1 / sqrt(n - 1).
        let rho = spearman(&random(10_000, 1), &random(10_000, 2)).unwrap();
        assert!(rho.abs() < 0.04, "{rho}");
        let index: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
        let rho = spearman(&random(10_000, 1), &index).unwrap();
        assert!(rho.abs() < 0.04, "{rho}");
    }
}
