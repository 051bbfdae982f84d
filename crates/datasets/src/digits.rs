//! The embedded data set: optical recognition of handwritten digits.
//!
//! E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
//! <https://doi.org/10.24432/C50P49>, CC BY 4.0: 1,797 grey images of 8 x 8 pixels. UCI's file has
//! no split of these, so ours is fixed here: 36 images of each digit, drawn without replacement,
//! are the test set (360), the other 1,437 are the training set; both keep the file's order.

use std::path::Path;

use flate2::read::GzDecoder;

use crate::files::{FileInfo, read_at_most};
use crate::{Dataset, DatasetInfo, Error, Images, class_balanced_subset};

const FILE: FileInfo = FileInfo::new("digits.csv.gz", 57_523, "9b335364a7bfd63947c7480a5bd51f2d");
static BYTES: &[u8] = include_bytes!("../data/digits.csv.gz");

const SIDE: usize = 8;
const LARGEST_VALUE: u32 = 16;
const CLASSES: usize = 10;
const SAMPLES: usize = 1_797;
const TEST_SAMPLES: usize = 360;
const SPLIT_SEED: u64 = 0;

/// The entry of the registry.
pub(crate) const DIGITS: DatasetInfo = DatasetInfo {
    name: "digits",
    summary: "handwritten digits, 8 x 8 grey, embedded (UCI, Alpaydin and Kaynak 1998, CC BY 4.0)",
    classes: CLASSES,
    shape: [SIDE, SIDE, 1],
    train_samples: SAMPLES - TEST_SAMPLES,
    test_samples: TEST_SAMPLES,
    options: &[],
    layouts: &[],
    download: None,
    load: |_, _| load(),
};

fn load() -> Result<Dataset, Error> {
    let path = Path::new("embedded").join(FILE.name);
    FILE.check(&path, BYTES)?;
    let csv = read_at_most(GzDecoder::new(BYTES), 1 << 20).map_err(|e| Error::io(&path, e))?;
    let all = parse(&path, &csv)?;

    let test = class_balanced_subset(&all.labels, CLASSES, TEST_SAMPLES, SPLIT_SEED);
    let train: Vec<u32> = (0..all.len() as u32)
        .filter(|i| test.binary_search(i).is_err())
        .collect();
    let classes = (0..CLASSES).map(|digit| digit.to_string()).collect();
    Dataset::new(DIGITS.name, classes, all.subset(&train), all.subset(&test))
}

fn parse(path: &Path, csv: &[u8]) -> Result<Images, Error> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let text = String::from_utf8_lossy(csv);
    for (number, line) in (1..).zip(text.lines()) {
        let at = |field: usize| format!("line {number}, field {field}");
        let fields = line.split(',').count();
        if fields != SIDE * SIDE + 1 {
            let expected = format!("{} fields", SIDE * SIDE + 1);
            return Err(Error::malformed(
                path,
                format!("line {number}"),
                format!("{fields} fields"),
                expected,
            ));
        }
        for (field, text) in (1..).zip(line.split(',')) {
            let largest = if field == fields {
                CLASSES as u32 - 1
            } else {
                LARGEST_VALUE
            };
            let value = text
                .parse()
                .ok()
                .filter(|&value: &u32| value <= largest)
                .ok_or_else(|| Error::malformed(path, at(field), format!("`{text}`"), format!("0 to {largest}")))?;
            if field == fields {
                labels.push(value as u16);
            } else {
                pixels.push(scale(value));
            }
        }
    }
    if labels.len() != SAMPLES {
        return Err(Error::malformed(path, "lines", labels.len(), SAMPLES));
    }
    Images::new([SIDE, SIDE, 1], pixels, labels)
}

/// 0 to 16 become 0 to 255: `value x 255 / 16`, rounded to the nearest (half up).
fn scale(value: u32) -> u8 {
    ((value * 255 + LARGEST_VALUE / 2) / LARGEST_VALUE) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.x: d = load_digits(); d.images[0]; d.target[:10]; np.bincount(d.target)
    /// np.int64(d.data.sum())
    #[test]
    fn agrees_with_scikit_learn() {
        let csv = read_at_most(GzDecoder::new(BYTES), 1 << 20).unwrap();
        let all = parse(Path::new("digits"), &csv).unwrap();
        let first: [u32; 64] = [
            0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0, 0,
            5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0,
        ];
        assert_eq!(all.image(0), first.map(scale));
        assert_eq!(all.labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(all.class_counts(10), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let total: u64 = all.pixels.iter().map(|&p| (u64::from(p) * 16 + 127) / 255).sum();
        assert_eq!(total, 561_718);
    }

    #[test]
    fn scaling_spans_the_whole_range() {
        assert_eq!([0, 1, 8, 15, 16].map(scale), [0, 16, 128, 239, 255]);
    }

    #[test]
    fn the_split_is_fixed_and_balanced() {
        let dataset = load().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (1_437, 360));
        assert_eq!(dataset.test.class_counts(10), [36; 10]);
        // Frozen: recorded results rest on this split.
        assert_eq!(dataset.checksum, "0fd2c9426f5cecb4502585bc900705f7");
    }

    #[test]
    fn damage_is_located() {
        let message = |csv: &str| parse(Path::new("d.csv"), csv.as_bytes()).unwrap_err().to_string();
        let good = ["1"; 65].join(",");
        assert_eq!(message("1,2"), "d.csv: line 1: found 2 fields, expected 65 fields");
        let bad = good.replacen("1,1", "1,17", 1);
        assert_eq!(
            message(&format!("{good}\n{bad}")),
            "d.csv: line 2, field 2: found `17`, expected 0 to 16"
        );
        assert_eq!(message(&good), "d.csv: lines: found 1, expected 1797");
    }
}
