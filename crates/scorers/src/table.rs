//! Scores together with the data they belong to.

use crate::Error;
use crate::error::{check_length, check_no_nan};

/// The scores of samples of a data set's split, and where they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreTable {
    /// Name of the data set, such as `cifar10`; empty if whoever made the table does not say.
    pub dataset: String,
    /// Its split, such as `train`.
    pub split: String,
    /// Hash over all bytes of the data set, hexadecimal; empty if whoever made the table does not say.
    pub dataset_checksum: String,
    /// Name of the scorer, one of [`SCORERS`](crate::SCORERS).
    pub scorer: String,
    /// Its variant: the options that say how it counts.
    pub variant: String,
    /// The index of each sample in the split, ascending: all samples, or those of a reduced training set.
    pub samples: Vec<u32>,
    /// The score of each sample, in the order of `samples`; the highest are kept. Infinity is allowed, NaN is
    /// not.
    pub scores: Vec<f32>,
}

impl ScoreTable {
    /// Checks that these are scores of that data: by name, split, number of samples, checksum and the samples
    /// themselves, in this order, so that the message names the plainest difference. A name or checksum that is empty on
    /// either side is not known, and not compared.
    ///
    /// # Errors
    /// [`Error::TableMismatch`] says what the table is of; [`Error::Nan`] names a sample without a
    /// score.
    pub fn check(&self, dataset: &str, split: &str, samples: &[u32], dataset_checksum: &str) -> Result<(), Error> {
        check_length("the scores of a table", self.scores.len(), self.samples.len())?;
        let quoted = |text: &str| format!("`{text}`");
        let length = self.samples.len();
        let are_known = |one: &str, other: &str| !one.is_empty() && !other.is_empty();
        if are_known(&self.dataset, dataset) {
            self.expect("the data set", quoted(&self.dataset), quoted(dataset))?;
        }
        self.expect("the split", quoted(&self.split), quoted(split))?;
        self.expect("the number of samples", length.to_string(), samples.len().to_string())?;
        if are_known(&self.dataset_checksum, dataset_checksum) {
            self.expect(
                "the checksum of the data set",
                quoted(&self.dataset_checksum),
                quoted(dataset_checksum),
            )?;
        }
        if let Some(position) = (0..length).find(|&i| self.samples[i] != samples[i]) {
            let (found, expected) = (self.samples[position].to_string(), samples[position].to_string());
            self.expect("the index of a sample", found, expected)?;
        }
        check_no_nan(&self.scores)
    }

    fn expect(&self, what: &'static str, found: String, expected: String) -> Result<(), Error> {
        match found == expected {
            true => Ok(()),
            false => {
                let mut table = self.scorer.clone();
                if !self.variant.is_empty() {
                    table += &format!(" ({})", self.variant);
                }
                if !self.dataset.is_empty() {
                    table += &format!(" of {}", self.dataset);
                }
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
            variant: "never_learned=infinity".into(),
            samples: vec![4, 7, 9],
            scores: vec![1.0, f32::INFINITY, 0.0],
        }
    }

    #[test]
    fn accepts_its_own_data() {
        assert_eq!(table().check("cifar10", "train", &[4, 7, 9], "ab12"), Ok(()));
    }

    #[test]
    fn what_a_table_does_not_say_is_not_compared() {
        let table = ScoreTable {
            dataset: String::new(),
            dataset_checksum: String::new(),
            scorer: "mine".into(),
            variant: String::new(),
            ..table()
        };
        assert_eq!(table.check("cifar100", "train", &[4, 7, 9], "ff00"), Ok(()));
        let error = table.check("cifar100", "train", &[4, 7], "ff00").unwrap_err();
        assert_eq!(
            error.to_string(),
            "score table `mine`: the number of samples is 3, expected 2"
        );
    }

    #[test]
    fn refuses_other_data_and_says_why() {
        let message = |result: Result<(), Error>| result.unwrap_err().to_string();
        let head = "score table `forget (never_learned=infinity) of cifar10`: ";
        let samples = &[4, 7, 9];
        assert_eq!(
            message(table().check("cifar100", "train", samples, "ab12")),
            format!("{head}the data set is `cifar10`, expected `cifar100`")
        );
        assert_eq!(
            message(table().check("cifar10", "test", samples, "ab12")),
            format!("{head}the split is `train`, expected `test`")
        );
        assert_eq!(
            message(table().check("cifar10", "train", &[0, 1, 2, 3], "ab12")),
            format!("{head}the number of samples is 3, expected 4")
        );
        assert_eq!(
            message(table().check("cifar10", "train", samples, "ab13")),
            format!("{head}the checksum of the data set is `ab12`, expected `ab13`")
        );
        assert_eq!(
            message(table().check("cifar10", "train", &[4, 8, 9], "ab12")),
            format!("{head}the index of a sample is 7, expected 8")
        );
        let broken = ScoreTable {
            scores: vec![0.0, f32::NAN, 0.0],
            ..table()
        };
        assert_eq!(
            broken.check("cifar10", "train", samples, "ab12"),
            Err(Error::Nan { sample: 1 })
        );
    }
}
