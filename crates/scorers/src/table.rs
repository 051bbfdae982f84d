//! Scores together with the data they belong to.

use crate::Error;
use crate::error::check_no_nan;

/// One score for each sample of a data set's split, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreTable {
    /// Name of the data set, such as `cifar10`.
    pub dataset: String,
    /// Its split, such as `train`.
    pub split: String,
    /// Hash over all bytes of the data set, hexadecimal.
    pub dataset_checksum: String,
    /// Name of the scorer, one of [`SCORERS`](crate::SCORERS).
    pub scorer: String,
    /// Name of its variant.
    pub variant: String,
    /// Hash of the spec of the scoring runs, hexadecimal; empty for scores that needed none.
    pub spec_hash: String,
    /// The score of each sample, by sample index; the highest are kept. Infinity is allowed, NaN is
    /// not.
    pub scores: Vec<f32>,
}

impl ScoreTable {
    /// Checks that these are scores of that data: by name, split, number of samples and checksum,
    /// in this order, so that the message names the plainest difference.
    ///
    /// # Errors
    /// [`Error::TableMismatch`] says what the table is of; [`Error::Nan`] names a sample without a
    /// score.
    pub fn check(&self, dataset: &str, split: &str, samples: usize, dataset_checksum: &str) -> Result<(), Error> {
        let quoted = |text: &str| format!("`{text}`");
        let length = self.scores.len();
        self.expect("the data set", quoted(&self.dataset), quoted(dataset))?;
        self.expect("the split", quoted(&self.split), quoted(split))?;
        self.expect("the number of samples", length.to_string(), samples.to_string())?;
        self.expect(
            "the checksum of the data set",
            quoted(&self.dataset_checksum),
            quoted(dataset_checksum),
        )?;
        check_no_nan(&self.scores)
    }

    fn expect(&self, what: &'static str, found: String, expected: String) -> Result<(), Error> {
        match found == expected {
            true => Ok(()),
            false => {
                let table = format!("{} ({}) of {}", self.scorer, self.variant, self.dataset);
                Err(Error::TableMismatch {
                    table,
                    what,
                    found,
                    expected,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ScoreTable {
        ScoreTable {
            dataset: "cifar10".into(),
            split: "train".into(),
            dataset_checksum: "ab12".into(),
            scorer: "forget".into(),
            variant: "never-learned-infinity".into(),
            spec_hash: "00ff".into(),
            scores: vec![1.0, f32::INFINITY, 0.0],
        }
    }

    #[test]
    fn accepts_its_own_data() {
        assert_eq!(table().check("cifar10", "train", 3, "ab12"), Ok(()));
    }

    #[test]
    fn refuses_other_data_and_says_why() {
        let message = |result: Result<(), Error>| result.unwrap_err().to_string();
        let head = "score table `forget (never-learned-infinity) of cifar10`: ";
        assert_eq!(
            message(table().check("cifar100", "train", 3, "ab12")),
            format!("{head}the data set is `cifar10`, expected `cifar100`")
        );
        assert_eq!(
            message(table().check("cifar10", "test", 3, "ab12")),
            format!("{head}the split is `train`, expected `test`")
        );
        assert_eq!(
            message(table().check("cifar10", "train", 4, "ab12")),
            format!("{head}the number of samples is 3, expected 4")
        );
        assert_eq!(
            message(table().check("cifar10", "train", 3, "ab13")),
            format!("{head}the checksum of the data set is `ab12`, expected `ab13`")
        );
        let broken = ScoreTable {
            scores: vec![0.0, f32::NAN, 0.0],
            ..table()
        };
        assert_eq!(
            broken.check("cifar10", "train", 3, "ab12"),
            Err(Error::Nan { sample: 1 })
        );
    }
}
