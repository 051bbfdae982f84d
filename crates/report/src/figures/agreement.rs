//! How far scores of the same samples agree: in the order they give, and in the samples they keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::data::{FOOTER, dataset_title, percent, scale, thousands};
use super::numbers::Numbers;
use super::page;
use super::sheet::{FigureFiles, Sheet};
use crate::Error;
use crate::plot::layout::{self, MARGIN, Words};
use crate::plot::matrix::{Cell, Frame, Matrix, number};
use crate::plot::scene::Scene;
use crate::plot::theme::{CORRELATION, SHARE};

const MIN_WIDTH: f64 = 720.0;
const BETWEEN: f64 = 56.0;
/// On a colour bar: a mark nearer to an end than this takes the end's place.
const NEAR_END: f64 = 0.3;

const COLUMNS: [&str; 6] = ["a", "b", "spearman", "pruned_fraction", "overlap", "expected_overlap"];

/// Everything that a plot and a page on the agreement of scores are made from.
///
/// Matrices are symmetric, with a row and a column for each score, in the order of `scores`.
#[derive(Clone, Debug)]
pub struct AgreementInput<'a> {
    /// The title; `{dataset}` stands for the data set's name.
    pub title: &'a str,
    /// The data set's registered name.
    pub dataset: &'a str,
    /// The profile's name. Every profile but `paper` is marked as reduced in scale.
    pub profile: &'a str,
    /// What the profile is, in a sentence.
    pub profile_summary: &'a str,
    /// What else a reader has to know, as Markdown; may be empty.
    pub notes: &'a str,
    /// The exact command that makes the page.
    pub command: &'a str,
    /// The scores, at least two.
    pub scores: &'a [ScoreColumn],
    /// The samples that each of them scores.
    pub samples: usize,
    /// Spearman's rank correlation of every pair, NaN where it is not defined.
    pub spearman: Vec<Vec<f64>>,
    /// For each pruned fraction, the share of the kept samples that each pair has in common. The plot shows the fraction in
    /// the middle.
    pub overlaps: Vec<(f64, Vec<Vec<f64>>)>,
    /// What others found; pairs that are not among `scores` are left out.
    pub published: &'a [Published<'a>],
}

/// A score of all samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreColumn {
    /// Its name with the options that differ from their defaults, such as `el2n@10`.
    pub label: String,
    /// How it was made, as Markdown.
    pub details: String,
}

/// Spearman's rank correlation of two scores as somebody else found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Published<'a> {
    /// The label of a score.
    pub a: String,
    /// The label of another score.
    pub b: String,
    /// The number.
    pub spearman: f64,
    /// Who found it and how, as Markdown.
    pub source: &'a str,
}

/// How far scores agree, drawn but not written yet.
#[derive(Clone, Debug)]
pub struct Agreement {
    stem: PathBuf,
    /// The title, which names the data set.
    pub(crate) title: String,
    /// What it shows, as Markdown.
    pub(crate) findings: String,
    sheet: Sheet,
}

impl Agreement {
    /// The name of its files without extension: `scores-cifar10`.
    pub(crate) fn name(&self) -> &str {
        self.stem.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Writes `<stem>.png`, `.svg`, `.csv`, `.parquet` and `.md`, with the folders above them.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self) -> Result<FigureFiles, Error> {
        self.sheet.write(&self.stem)
    }

    /// The files that are missing or say something else, as [`Rendered::stale`](super::Rendered::stale) has it.
    #[must_use]
    pub fn stale(&self) -> Vec<PathBuf> {
        self.sheet.stale(&self.stem)
    }
}

impl AgreementInput<'_> {
    /// Makes picture, numbers and page, to be written to `stem` with their extensions. The same input gives the same bytes.
    ///
    /// # Errors
    /// If there are fewer than two scores, or a matrix has another size.
    pub fn render(&self, stem: &Path) -> Result<Agreement, Error> {
        self.check()?;
        let name = stem.file_name().unwrap_or_default().to_string_lossy();
        Ok(Agreement {
            stem: stem.to_owned(),
            title: self.title(),
            findings: self.findings(),
            sheet: Sheet {
                scene: Some(self.scene()),
                column: None,
                numbers: self.numbers(),
                page: self.markdown(&name),
            },
        })
    }

    fn title(&self) -> String {
        self.title.replace("{dataset}", dataset_title(self.dataset))
    }

    fn check(&self) -> Result<(), Error> {
        let count = self.scores.len();
        let refused = |reason| Err(Error::Agreement { reason });
        if count < 2 {
            return refused(format!("expected at least 2 scores, found {count}"));
        }
        for matrix in std::iter::once(&self.spearman).chain(self.overlaps.iter().map(|(_, matrix)| matrix)) {
            if matrix.len() != count || matrix.iter().any(|row| row.len() != count) {
                return refused(format!("expected {count} rows of {count} numbers in each matrix"));
            }
        }
        Ok(())
    }

    fn label(&self, score: usize) -> &str {
        &self.scores[score].label
    }

    /// Every pair once.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.scores.len();
        (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
    }

    /// The overlaps by rising pruned fraction.
    fn overlaps(&self) -> Vec<&(f64, Vec<Vec<f64>>)> {
        let mut overlaps: Vec<_> = self.overlaps.iter().collect();
        overlaps.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        overlaps
    }

    fn scene(&self) -> Scene {
        let mut matrices = vec![Matrix {
            heading: "Spearman's rank correlation".to_owned(),
            cells: cells(&self.spearman),
            scale: CORRELATION,
            marks: [-1.0, 0.0, 1.0].map(|value| (value, number(value, 0))).into(),
        }];
        let overlaps = self.overlaps();
        if let Some((s, values)) = overlaps.get(overlaps.len() / 2) {
            let expected = expected_overlap(*s);
            let mut marks = vec![(expected, format!("{expected} (chance)"))];
            let ends = [0.0, 1.0].into_iter().filter(|end| (expected - end).abs() >= NEAR_END);
            marks.extend(ends.map(|end| (end, number(end, 0))));
            matrices.push(Matrix {
                heading: format!("Overlap of the kept sets at s = {} %", percent(*s)),
                cells: cells(values),
                scale: SHARE,
                marks,
            });
        }
        let frame = Frame::square(self.scores.iter().map(|score| score.label.as_str()));
        let widths: Vec<f64> = matrices.iter().map(|matrix| frame.width(matrix)).collect();
        let content = widths.iter().sum::<f64>() + BETWEEN * (widths.len() - 1) as f64;
        let width = (2.0 * MARGIN + content).max(MIN_WIDTH).ceil();
        let (scene, _) = layout::between_words(&self.words(), width, frame.height(), |scene, area| {
            let mut left = area.left;
            for (matrix, width) in matrices.iter().zip(widths) {
                frame.draw(scene, matrix, (left, area.top));
                left += width + BETWEEN;
            }
        });
        scene
    }

    fn words(&self) -> Words {
        let undefined = self.pairs().any(|(a, b)| self.spearman[a][b].is_nan());
        let note = "Pairs without a number: not defined, because a score is the same for all samples.";
        Words {
            title: self.title(),
            subtitles: std::iter::once(format!(
                "{} samples · {} scores",
                thousands(self.samples as u64),
                self.scores.len()
            ))
            // Tables of other programs are of no profile.
            .chain((!self.profile.is_empty()).then(|| scale(self.profile)))
            .collect(),
            notes: undefined.then(|| note.to_owned()).into_iter().collect(),
            footer: FOOTER.to_owned(),
        }
    }

    fn numbers(&self) -> Numbers {
        let cell = |value: f64| {
            if value.is_nan() {
                String::new()
            } else {
                value.to_string()
            }
        };
        let overlaps = self.overlaps();
        let rows = self.pairs().flat_map(|(a, b)| {
            let start = [
                self.label(a).to_owned(),
                self.label(b).to_owned(),
                cell(self.spearman[a][b]),
            ];
            let row = |rest: [String; 3]| start.iter().cloned().chain(rest).collect::<Vec<_>>();
            if overlaps.is_empty() {
                return vec![row(Default::default())];
            }
            let at = |(s, overlap): &&(f64, Vec<Vec<f64>>)| {
                row([s.to_string(), cell(overlap[a][b]), expected_overlap(*s).to_string()])
            };
            overlaps.iter().map(at).collect()
        });
        Numbers::new(&COLUMNS, rows)
    }

    fn markdown(&self, name: &str) -> String {
        let title = self.title();
        let mut page = format!("# {title}\n\n");
        if !self.profile.is_empty() {
            page += &page::scale(self.profile, self.profile_summary);
        }
        let _ = writeln!(page, "![{title}]({name}.png)\n");
        let _ = writeln!(
            page,
            "The same plot as [vectors]({name}.svg); its numbers as [CSV]({name}.csv) and [Parquet]({name}.parquet).\n"
        );
        let _ = writeln!(
            page,
            "## How to read it\n\n{}\n",
            how_to_read(!self.overlaps.is_empty())
        );
        if !self.notes.trim().is_empty() {
            let _ = writeln!(page, "{}\n", self.notes.trim());
        }
        let _ = writeln!(page, "## What it shows here\n\n{}\n", self.findings());
        let _ = writeln!(page, "## Spearman's rank correlation\n\n{}", self.spearman_table());
        if !self.overlaps.is_empty() {
            let _ = writeln!(page, "## Overlap of the kept sets\n\n{}", self.overlap_table());
        }
        let _ = writeln!(page, "## How each score was made\n");
        for ScoreColumn { label, details } in self.scores {
            let _ = writeln!(page, "- **{label}**: {}", details.trim());
        }
        let _ = writeln!(page, "\nTo make it again:\n\n```\n{}\n```\n", self.command.trim());
        page + page::ORIGIN
    }

    fn findings(&self) -> String {
        let mut pairs: Vec<(f64, (usize, usize))> = self
            .pairs()
            .map(|(a, b)| (self.spearman[a][b], (a, b)))
            .filter(|(rho, _)| !rho.is_nan())
            .collect();
        pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let named = |&(rho, (a, b)): &(f64, (usize, usize))| {
            format!("`{}` and `{}` ({})", self.label(a), self.label(b), number(rho, 3))
        };
        match &pairs[..] {
            [] => "No pair has a rank correlation.".to_owned(),
            [only] => format!("The only rank correlation is that of {}.", named(only)),
            [least, .., most] => format!(
                "By rank, the most alike are {}, the least alike {}.",
                named(most),
                named(least)
            ),
        }
    }

    fn spearman_table(&self) -> String {
        let pairs: Vec<_> = self.pairs().map(|(a, b)| (a, b, self.published(a, b))).collect();
        let compared = pairs.iter().any(|(.., found)| !found.is_empty());
        let mut text = String::from("| score | score | here |");
        text += if compared {
            " published | source |\n|---|---|---|---|---|\n"
        } else {
            "\n|---|---|---|\n"
        };
        for (a, b, found) in &pairs {
            let here = defined(self.spearman[*a][*b]);
            let _ = write!(text, "| {} | {} | {here} |", self.label(*a), self.label(*b));
            if compared {
                let joined =
                    |of: fn(&Published) -> String| found.iter().map(|it| of(it)).collect::<Vec<_>>().join("; ");
                let numbers = joined(|it| number(it.spearman, 3));
                let sources = joined(|it| it.source.trim().replace('|', "\\|"));
                let _ = write!(text, " {numbers} | {sources} |");
            }
            text.push('\n');
        }
        text
    }

    /// What others found for a pair, named in either order.
    fn published(&self, a: usize, b: usize) -> Vec<&Published<'_>> {
        let pair = (self.label(a), self.label(b));
        let is_pair = |it: &&Published| (&*it.a, &*it.b) == pair || (&*it.b, &*it.a) == pair;
        self.published.iter().filter(is_pair).collect()
    }

    fn overlap_table(&self) -> String {
        let overlaps = self.overlaps();
        let mut text = String::from("| score | score |");
        for (s, _) in &overlaps {
            let _ = write!(text, " s = {} % |", percent(*s));
        }
        let _ = write!(text, "\n|---|---|{}\n| *chance* | |", "---|".repeat(overlaps.len()));
        for (s, _) in &overlaps {
            let _ = write!(text, " *{:.3}* |", expected_overlap(*s));
        }
        text.push('\n');
        for (a, b) in self.pairs() {
            let _ = write!(text, "| {} | {} |", self.label(a), self.label(b));
            for (_, overlap) in &overlaps {
                let _ = write!(text, " {} |", defined(overlap[a][b]));
            }
            text.push('\n');
        }
        text
    }
}

/// The numbers as they are drawn: the diagonal is left out, as is what is not defined.
fn cells(matrix: &[Vec<f64>]) -> Vec<Vec<Cell>> {
    let cell = |row, column, value: f64| match row == column || value.is_nan() {
        true => Cell::default(),
        false => Cell {
            value: Some(value),
            lines: vec![number(value, 2)],
        },
    };
    let cells = |(row, values): (usize, &Vec<f64>)| {
        let values = values.iter().enumerate();
        values.map(|(column, &value)| cell(row, column, value)).collect()
    };
    matrix.iter().enumerate().map(cells).collect()
}

fn how_to_read(overlaps: bool) -> String {
    let mut text =
        "Spearman's rank correlation compares the orders that two scores give all samples: 1 is the same order, 0 \
                    no relation, −1 the opposite order. Equal scores share the mean of their ranks."
            .to_owned();
    if overlaps {
        text += "\n\nPruning with s keeps the highest scores, 1 − s of the samples. The overlap is the share of the samples kept \
                 by one score that the other keeps too. Scores that have nothing to do with each other have 1 − s of them in \
                 common by chance (marked on the bar): only more than that is agreement.";
    }
    text
}

/// The share of the kept samples that two independent scores have in common on average, without the rounding errors of
/// `1.0 - s`.
fn expected_overlap(pruned_fraction: f64) -> f64 {
    ((1.0 - pruned_fraction) * 1e12).round() / 1e12
}

fn defined(value: f64) -> String {
    if value.is_nan() {
        "not defined".to_owned()
    } else {
        number(value, 3)
    }
}

#[cfg(test)]
mod tests {
    use crate::figures::tests::check_texts;
    use crate::made_up;

    #[test]
    fn no_text_is_clipped_or_covered() {
        let labels = made_up::SCORES;
        let with_long: Vec<&str> = labels[..5].iter().chain(&labels[8..]).copied().collect();
        for labels in [&labels[..2], &labels[..5], &with_long[..], labels] {
            let scores = made_up::scores(labels);
            for fractions in [&[][..], &[0.5], &[0.1], &[0.7], &[0.3, 0.9, 0.95]] {
                let mut input = made_up::agreement(&scores, fractions);
                check_texts(&input.scene(), &format!("{labels:?}"));
                input.spearman[0][1] = f64::NAN;
                check_texts(&input.scene(), &format!("{labels:?} with a gap"));
            }
        }
    }
}
