//! The numbers behind a picture, so that anybody can draw it again.

use std::fmt::Write as _;
use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom as _, Series};

use super::data::{Data, OPERATIONS, SECONDS};
use crate::results::parquet;
use crate::statistics::Summary;
use crate::{Error, csv};

/// A data frame: rows of cells, an empty cell where there is no value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbers {
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Numbers {
    pub(super) fn new(header: &[&'static str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self {
            header: header.to_vec(),
            rows: rows.into_iter().collect(),
        }
    }

    /// As text, quoted where needed (RFC 4180).
    pub(super) fn csv(&self) -> String {
        let mut text = self.header.join(",");
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| csv::field(cell)).collect();
            let _ = writeln!(text, "{}", cells.join(","));
        }
        text
    }

    /// As Parquet: a column of which all values are numbers is one of doubles, every other is text. `path` is for errors.
    pub(super) fn parquet(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let columns = self
            .header
            .iter()
            .enumerate()
            .map(|(index, name)| self.column(index, name));
        parquet::encode(DataFrame::new(self.rows.len(), columns.collect()), None, path)
    }

    fn column(&self, index: usize, name: &str) -> Column {
        let cells = || {
            let cells = self.rows.iter().map(|row| row.get(index).map_or("", String::as_str));
            cells.map(|cell| (!cell.is_empty()).then_some(cell))
        };
        let numbers: Option<Vec<Option<f64>>> = cells().map(|cell| cell.map(str::parse).transpose().ok()).collect();
        match numbers {
            Some(numbers) => Series::new(name.into(), numbers).into(),
            None => Series::new(name.into(), cells().collect::<Vec<Option<&str>>>()).into(),
        }
    }
}

/// A row for each method and pruned fraction.
pub(super) fn by_fraction(data: &Data) -> Numbers {
    let header = [
        "dataset",
        "method",
        "method_label",
        "pruned_fraction",
        "n",
        "test_accuracy_mean",
        "test_accuracy_std",
        "test_accuracy_half_width",
        "relative_seconds",
        "relative_flops",
    ];
    let rows = data.lines.iter().flat_map(|line| {
        let full = data.full(line.dataset);
        line.points.iter().map(move |point| {
            let relative = |cost| point.relative(full?, cost).map(|relative| relative.mean);
            let mut row = vec![line.dataset.to_owned(), line.method.to_owned(), line.label.to_owned()];
            row.push(point.pruned_fraction.to_string());
            row.extend(summary(&point.summary(|run| run.test_accuracy_last)));
            row.extend([SECONDS, OPERATIONS].map(|cost| optional(relative(cost))));
            row
        })
    });
    Numbers::new(&header, rows)
}

/// The cells of `n`, mean, standard deviation and half-width.
pub(super) fn summary(summary: &Summary) -> [String; 4] {
    [
        summary.n.to_string(),
        summary.mean.to_string(),
        optional(summary.std),
        optional(summary.half_width),
    ]
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn commas_quotes_and_line_ends_are_quoted() {
        let rows = [vec!["ucb (c = 2, ema_weight = 0.5)".to_owned(), "a \"b\"\r".to_owned()]];
        assert_eq!(
            Numbers::new(&["x", "y"], rows).csv(),
            "x,y\n\"ucb (c = 2, ema_weight = 0.5)\",\"a \"\"b\"\"\r\"\n"
        );
    }
}
