//! The numbers behind a picture.

use std::fmt::Write as _;

use super::data::{Data, OPERATIONS, SECONDS};
use crate::statistics::Summary;

/// The cells of a data frame of text, quoted where needed (RFC 4180).
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = header.join(",");
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = row.into_iter().map(quoted).collect();
        let _ = writeln!(text, "{}", cells.join(","));
    }
    text
}

/// A row for each method and pruned fraction.
pub(super) fn by_fraction(data: &Data) -> String {
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
    table(&header, rows)
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

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn commas_and_quotes_are_quoted() {
        let rows = [vec!["ucb (c = 2, ema_weight = 0.5)".to_owned(), "a \"b\"".to_owned()]];
        assert_eq!(
            table(&["x", "y"], rows),
            "x,y\n\"ucb (c = 2, ema_weight = 0.5)\",\"a \"\"b\"\"\"\n"
        );
    }
}
