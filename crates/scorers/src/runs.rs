//! The mean of a score over scoring runs.

use crate::Error;
use crate::error::check_length;

/// Mean over runs of each sample's score, in double precision until the end.
///
/// Only finite scores have a mean worth the name: an infinite one would outweigh all other runs.
/// Forget scores, which can be infinite, are combined by
/// [`forget_scores`](crate::forget::forget_scores) instead.
#[derive(Clone, Debug)]
pub struct MeanOverRuns {
    sums: Vec<f64>,
    runs: u32,
}

impl MeanOverRuns {
    /// No runs yet, of a data set of `samples` samples.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self {
            sums: vec![0.0; samples],
            runs: 0,
        }
    }

    /// Adds the scores of one run, by sample index.
    ///
    /// # Errors
    /// Another number of scores than samples, or a score that is infinite or NaN; nothing is added
    /// then.
    pub fn add(&mut self, scores: &[f32]) -> Result<(), Error> {
        check_length("the scores of a run", scores.len(), self.sums.len())?;
        if let Some(sample) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NotFinite {
                sample,
                found: scores[sample],
            });
        }
        self.sums
            .iter_mut()
            .zip(scores)
            .for_each(|(sum, &score)| *sum += f64::from(score));
        self.runs += 1;
        Ok(())
    }

    /// The mean score of each sample.
    ///
    /// # Errors
    /// [`Error::NoRuns`] if none was added.
    pub fn scores(&self) -> Result<Vec<f32>, Error> {
        match self.runs {
            0 => Err(Error::NoRuns),
            runs => Ok(self.sums.iter().map(|sum| (sum / f64::from(runs)) as f32).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_mean() {
        let mut mean = MeanOverRuns::new(2);
        assert_eq!(mean.scores(), Err(Error::NoRuns));
        for scores in [[1.0, 0.5], [2.0, -0.5], [6.0, 3.0]] {
            mean.add(&scores).unwrap();
        }
        assert_eq!(mean.scores().unwrap(), [3.0, 1.0]);
    }

    #[test]
    fn refuses_what_has_no_mean_and_adds_nothing() {
        let mut mean = MeanOverRuns::new(2);
        mean.add(&[1.0, 2.0]).unwrap();
        assert_eq!(
            mean.add(&[5.0, f32::INFINITY]).unwrap_err().to_string(),
            "the score of sample 1 is inf: expected a finite number"
        );
        assert!(mean.add(&[f32::NAN, 1.0]).is_err());
        assert_eq!(
            mean.add(&[1.0]).unwrap_err().to_string(),
            "the length of the scores of a run is 1: expected 2"
        );
        assert_eq!(mean.scores().unwrap(), [1.0, 2.0]);
    }
}
