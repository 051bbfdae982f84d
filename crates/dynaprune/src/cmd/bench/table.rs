//! The tables that people read: aligned on a terminal, Markdown in a page.

use super::cases::Work;
use super::measure::{Measured, Side};
use super::row::megabytes;
use indicatif::HumanCount;

/// A title, and rows of cells of which the first is a name and the others are numbers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    title: &'static str,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// What a column shows of a row, given the machine's peak in GFLOP/s; `None` where nothing is known.
type Column = (&'static str, fn(&Measured, f64) -> Option<String>);

const OF_NETWORKS: &[Column] = &[
    ("images/s", |row, _| Some(figures(row.speed(&row.ours)))),
    ("peer", |row, _| Some(figures(row.speed(peer(row)?)))),
    ("ratio", |row, _| ratio(row)),
    ("GFLOP/s", |row, _| Some(figures(row.gflops(&row.ours)))),
    ("of peak", |row, peak| Some(percent(row.gflops(&row.ours) / peak))),
    ("peer", |row, peak| Some(percent(row.gflops(peer(row)?) / peak))),
    ("MB", |row, _| Some(figures(megabytes(row.ours.memory?)))),
    ("peer", |row, _| Some(figures(megabytes(peer(row)?.memory?)))),
    ("ratio", |row, _| Some(format!("{:.2}", row.memory_ratio()?))),
];

const OF_OPERATIONS: &[Column] = &[
    ("GFLOP/s", |row, _| Some(figures(row.gflops(&row.ours)))),
    ("peer", |row, _| Some(figures(row.gflops(peer(row)?)))),
    ("ratio", |row, _| ratio(row)),
    ("of peak", |row, peak| Some(percent(row.gflops(&row.ours) / peak))),
    ("peer", |row, peak| Some(percent(row.gflops(peer(row)?) / peak))),
];

/// One table for each kind of work that was measured. `peak` is in GFLOP/s.
pub(super) fn tables(all: &[Measured], peak: f64) -> Vec<Table> {
    let of = |title, columns: &[Column], wanted: fn(&Work) -> bool| {
        let rows: Vec<&Measured> = all.iter().filter(|measured| wanted(&measured.work)).collect();
        Table::new(title, columns, &rows, peak)
    };
    let mut tables = vec![
        of("training step", OF_NETWORKS, |work| matches!(work, Work::Step(_))),
        of("inference", OF_NETWORKS, |work| matches!(work, Work::Inference(_))),
        of("single operations", OF_OPERATIONS, |work| work.network().is_none()),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

impl Table {
    fn new(title: &'static str, columns: &[Column], rows: &[&Measured], peak: f64) -> Self {
        let known = |(_, cell): &&Column| rows.iter().any(|row| cell(row, peak).is_some());
        let columns: Vec<&Column> = columns.iter().filter(known).collect();
        let cells = |row: &Measured| -> Vec<String> {
            let numbers = columns.iter().map(|(_, cell)| cell(row, peak).unwrap_or_default());
            [row.work.name()].into_iter().chain(numbers).collect()
        };
        Self {
            title,
            header: ["name"]
                .into_iter()
                .chain(columns.iter().map(|column| column.0))
                .collect(),
            rows: rows.iter().map(|row| cells(row)).collect(),
        }
    }

    /// For a terminal.
    pub(super) fn to_text(&self) -> String {
        let width = |i: usize| {
            let cells = self.rows.iter().map(|row| row[i].chars().count());
            cells.chain([self.header[i].len()]).max().unwrap_or(0)
        };
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.enumerate().map(|(i, cell)| match i {
                0 => format!("  {cell:<width$}", width = width(i)),
                _ => format!("{cell:>width$}", width = width(i)),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let mut text = format!("{}\n", self.title);
        text += &line(&mut self.header.iter().copied());
        for row in &self.rows {
            text += &line(&mut row.iter().map(String::as_str));
        }
        text
    }

    /// For a page, below a heading of the third level.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("### {}\n\n| {} |\n", capitalised(self.title), self.header.join(" | "));
        text += &format!("|---|{}\n", "--:|".repeat(self.header.len() - 1));
        for row in &self.rows {
            let mut cells = row.clone();
            cells[0] = format!("`{}`", cells[0]);
            text += &format!("| {} |\n", cells.join(" | "));
        }
        text
    }
}

fn peer(row: &Measured) -> Option<&Side> {
    Some(&row.peer.as_ref()?.side)
}

fn ratio(row: &Measured) -> Option<String> {
    let ratio = row.peer.as_ref()?.ratio;
    Some(format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high))
}

/// Three figures or more: `0.123`, `12.3`, `1,234`.
pub(super) fn figures(number: f64) -> String {
    match number {
        n if n >= 99.95 => HumanCount(n.round() as u64).to_string(),
        n if n >= 9.995 => format!("{n:.1}"),
        n if n >= 0.9995 => format!("{n:.2}"),
        n => format!("{n:.3}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures_or_more() {
        for (number, text) in [
            (0.1234, "0.123"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (99.96, "100"),
            (12345.6, "12,346"),
        ] {
            assert_eq!(figures(number), text);
        }
    }

    #[test]
    fn a_table_is_aligned() {
        let table = Table {
            title: "inference",
            header: vec!["name", "images/s"],
            rows: vec![
                vec!["a".to_owned(), "1".to_owned()],
                vec!["long".to_owned(), "2,345".to_owned()],
            ],
        };
        assert_eq!(
            table.to_text(),
            "inference\n  name  images/s\n  a            1\n  long     2,345\n"
        );
        assert_eq!(
            table.to_markdown(),
            "### Inference\n\n| name | images/s |\n|---|--:|\n| `a` | 1 |\n| `long` | 2,345 |\n"
        );
    }
}
