//! Figures: a picture (PNG and SVG), its numbers (CSV) and a page (Markdown) from the rows of finished runs.
//!
//! A kind of figure is one file below this folder and one line in [`FIGURES`]. How far scores agree is not read from runs
//! and so has an input of its own, [`AgreementInput`].

mod accuracy_heat_map;
mod accuracy_table;
mod accuracy_vs_epoch;
mod accuracy_vs_fraction;
mod accuracy_vs_setting;
mod accuracy_vs_time;
mod agreement;
mod cost_breakdown;
mod costs;
mod data;
mod findings;
mod history;
mod kept_sets;
mod near_full;
mod numbers;
mod over_epochs;
mod page;
mod provenance;
mod score_trajectories;
mod scoreboard;
mod selection_counts;
mod settings;
mod sheet;
mod time_table;
mod turnover;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::plot::layout::Format;
use crate::plot::scene::Scene;
use crate::{EpochRow, Error, RunRow};
pub use agreement::{Agreement, AgreementInput, Published, ScoreColumn};
use data::Data;
pub(crate) use data::count;
pub use history::{History, SampleImage, StaticSet};
use numbers::Numbers;
pub(crate) use page::{ORIGIN, scale as scale_note};
pub(crate) use scoreboard::explanation as board_explanation;
pub use sheet::FigureFiles;
use sheet::Sheet;

/// Everything that a figure is made from.
#[derive(Clone, Copy, Debug)]
pub struct FigureInput<'a> {
    /// The recipe's name and the stem of all files: `fig1`.
    pub id: &'a str,
    /// A name in [`FIGURES`].
    pub kind: &'a str,
    /// The title; `{dataset}` stands for the data set's name, which a profile may replace. Without it the name is put before
    /// the title.
    pub title: &'a str,
    /// The claims of the paper that it bears on: `A1` to `A8`.
    pub claims: &'a [String],
    /// What the figure is to test, with `{dataset}` as in the title.
    pub claim: &'a str,
    /// How to read the plot, with `{dataset}` as in the title; `{score_floor}` stands for the score below which
    /// `score-trajectories` draws none on a logarithmic axis.
    pub how_to_read: &'a str,
    /// The settings on the plot's axes, for a kind that draws accuracy against settings: names in [`Planned::settings`].
    pub axes: &'a [String],
    /// The profile's name. Every profile but `paper` is marked as reduced in scale.
    pub profile: &'a str,
    /// What the profile is, in a sentence.
    pub profile_summary: &'a str,
    /// The exact command that makes the figure.
    pub command: &'a str,
    /// What else a reader has to know: it stands under the plot and in the page.
    pub notes: &'a [String],
    /// Every run that the recipe asks for, in the order the legend is to have.
    pub planned: &'a [Planned],
    /// Rows of `runs.parquet`; those that were not planned are ignored.
    pub runs: &'a [RunRow],
    /// Rows of `epochs.parquet`; those of runs that were not planned are ignored.
    pub epochs: &'a [EpochRow],
    /// What kinds with [`FigureKind::needs_history`] read besides.
    pub history: &'a History,
}

/// A run that a recipe asks for, whether or not it has a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The run's identity, as in `runs.parquet`.
    pub run_id: String,
    /// The data set's registered name.
    pub dataset: String,
    /// The method's registered name.
    pub method: String,
    /// The method's name with the options that differ from their defaults.
    pub method_label: String,
    /// The share s of the samples removed.
    pub pruned_fraction: f64,
    /// The seed.
    pub seed: u64,
    /// Everything that a recipe can set apart from the above: the method's options, and how it selects
    /// (`selection_period`, `score_source`, `ema_weight`, ...), as far as the method uses it.
    pub settings: BTreeMap<String, Setting>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A word.
    Word(String),
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// A kind of figure.
#[derive(Clone, Copy, Debug)]
pub struct FigureKind {
    /// The name recipes use.
    pub name: &'static str,
    /// How many settings of methods it draws against, [`FigureInput::axes`].
    pub axes: usize,
    /// Whether it reads [`FigureInput::history`].
    pub needs_history: bool,
    /// Whether it is also drawn for a column of a two-column paper; what is too wide for one is not.
    pub fits_a_column: bool,
    make: fn(&Data) -> Result<Drawing, Error>,
}

/// All kinds of figures.
pub const FIGURES: &[FigureKind] = &[
    accuracy_vs_fraction::KIND,
    accuracy_vs_time::KIND,
    accuracy_vs_epoch::KIND,
    cost_breakdown::KIND,
    selection_counts::KIND,
    turnover::KIND,
    score_trajectories::KIND,
    accuracy_vs_setting::KIND,
    accuracy_heat_map::KIND,
    accuracy_table::KIND,
    time_table::KIND,
    scoreboard::KIND,
];

/// What a kind of figure makes.
struct Drawing {
    /// The picture; a table has none.
    scene: Option<Scene>,
    /// Computed statements for the page, as Markdown; of a table, the table itself.
    findings: String,
    numbers: Numbers,
}

/// A figure that is not written yet.
#[derive(Clone, Debug)]
pub struct Rendered {
    kind: &'static str,
    stem: PathBuf,
    /// The title, which names the data sets.
    pub(crate) title: String,
    /// The title without data sets.
    pub(crate) plain_title: String,
    /// The data sets that it shows: `CIFAR-10 and CIFAR-100`.
    pub(crate) datasets: String,
    /// The claims it bears on: `A3 A5`.
    pub(crate) claims: String,
    /// What it is to test.
    pub(crate) claim: String,
    /// What it shows, as Markdown; of a table, the table itself.
    pub(crate) findings: String,
    /// The command that makes it again.
    pub(crate) command: String,
    /// What its runs took, on what machine, by which version of the code.
    pub(crate) made: String,
    missing: usize,
    sheet: Sheet,
}

impl FigureInput<'_> {
    /// Makes the figure, to be written to `<profile>/<id>.png`, `.svg`, `.csv`, `.parquet` and `.md` below
    /// `<docs>/figures`; a table has no picture. The same input gives the same bytes.
    ///
    /// Runs without a result and runs that diverged are not drawn, and are listed under the plot and in the page.
    ///
    /// # Errors
    /// If the kind is unknown, no planned run can be drawn, or a figure relative to full data lacks full-data runs.
    pub fn render(&self) -> Result<Rendered, Error> {
        let kind = kind(self.kind)?;
        let mut data = Data::new(self);
        if data.is_empty() {
            return Err(Error::NothingToDraw {
                figure: self.id.to_owned(),
                planned: self.planned.len(),
            });
        }
        let drawing = (kind.make)(&data)?;
        let mut column = None;
        if kind.fits_a_column {
            data.format = Format::Column;
            column = (kind.make)(&data)?.scene;
        }
        Ok(Rendered {
            kind: kind.name,
            stem: Path::new(self.profile).join(self.id),
            title: data.title(),
            plain_title: self.title.replace("{dataset}: ", ""),
            datasets: data.text("{dataset}"),
            claims: self.claims.join(" "),
            claim: data.text(self.claim).trim().to_owned(),
            findings: page::findings(&drawing).to_owned(),
            command: self.command.trim().to_owned(),
            made: page::made(&data),
            missing: data.missing.len(),
            sheet: Sheet {
                page: page::markdown(&data, &drawing),
                scene: drawing.scene,
                column,
                numbers: drawing.numbers,
            },
        })
    }

    /// Makes the figure and writes it.
    ///
    /// # Errors
    /// As [`FigureInput::render`], or if a file cannot be written.
    pub fn write(&self, docs: &Path) -> Result<FigureFiles, Error> {
        self.render()?.write(docs)
    }
}

/// The kind of figure called `name`.
///
/// # Errors
/// If there is none; the error lists those there are.
pub fn kind(name: &str) -> Result<&'static FigureKind, Error> {
    FIGURES
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| Error::UnknownFigure {
            found: name.to_owned(),
            expected: FIGURES.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "),
        })
}

impl Rendered {
    /// The recipe's name: `fig1`.
    pub(crate) fn id(&self) -> &str {
        self.stem.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Planned runs without a result.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Whether it has no picture.
    pub(crate) fn is_table(&self) -> bool {
        self.sheet.scene.is_none()
    }

    /// Whether it gives the verdict on every claim.
    pub(crate) fn is_scoreboard(&self) -> bool {
        self.kind == scoreboard::KIND.name
    }

    /// Writes the files, below `docs`.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, docs: &Path) -> Result<FigureFiles, Error> {
        self.sheet.write(&self.place(docs))
    }

    /// The files that are missing below `docs` or do not say what this figure says. Of pictures only the presence is looked
    /// at: their numbers are in the text beside them.
    #[must_use]
    pub fn stale(&self, docs: &Path) -> Vec<PathBuf> {
        self.sheet.stale(&self.place(docs))
    }

    fn place(&self, docs: &Path) -> PathBuf {
        docs.join("figures").join(&self.stem)
    }
}

#[cfg(test)]
mod tests {
    use super::data::Data;
    use super::{Drawing, FIGURES, FigureInput};
    use crate::made_up::{self, Grid};
    use crate::plot::scene::{Rectangle, Scene};
    use crate::{EpochRow, Planned, RunRow};

    fn draw(kind: &str, planned: &[Planned], runs: &[RunRow], epochs: &[EpochRow]) -> Drawing {
        let input = FigureInput {
            kind,
            title: "{dataset}: a title that is so long that it has to be broken, since many data sets are named in it",
            epochs,
            ..made_up::input(planned, runs)
        };
        let kind = FIGURES.iter().find(|registered| registered.name == kind).unwrap();
        (kind.make)(&Data::new(&input)).unwrap()
    }

    /// Every text is inside the picture and no two touch.
    pub(super) fn check_texts(scene: &Scene, what: &str) {
        let picture = Rectangle {
            left: 4.0,
            top: 4.0,
            right: scene.width - 4.0,
            bottom: scene.height - 4.0,
        };
        let texts: Vec<_> = scene.texts().map(|text| (&text.text, text.bounds())).collect();
        assert!(texts.len() > 10, "{what}: only {} texts", texts.len());
        for (index, (text, bounds)) in texts.iter().enumerate() {
            assert!(
                picture.contains(bounds),
                "{what}: `{text}` leaves the picture: {bounds:?}"
            );
            for (other, others) in &texts[..index] {
                assert!(!bounds.overlaps(others), "{what}: `{text}` covers `{other}`");
            }
        }
    }

    #[test]
    fn no_text_is_clipped_or_covered() {
        let methods = [
            "full",
            "random-static",
            "forget",
            "el2n@10",
            "grand@10",
            "random-dynamic",
            "uncertainty",
            "epsilon-greedy",
            "ucb (c = 2, ema_weight = 0.5, first_variance = square)",
        ];
        let fractions: Vec<f64> = (1..=9).map(|tenths| f64::from(tenths) / 10.0).collect();
        for kind in FIGURES.iter().filter(|kind| made_up::draws(kind.name)) {
            for datasets in [&["cifar10"][..], &["cifar10", "cifar100"]] {
                for (count, seeds) in [(1, 1), (3, 2), (9, 3)] {
                    let pruned_fractions = &fractions[9 - count..];
                    let grid = Grid {
                        profile: "laptop",
                        datasets,
                        methods: &methods,
                        pruned_fractions,
                        seeds,
                        epochs: 40,
                        train_samples: 10_000,
                    };
                    let (mut runs, epochs) = made_up::rows(&grid);
                    let planned = made_up::planned(&runs);
                    check_texts(
                        draw(kind.name, &planned, &runs, &epochs).scene.as_ref().unwrap(),
                        kind.name,
                    );
                    // Half of the results are missing: a long note.
                    let mut index = 0;
                    runs.retain(|run| (index += 1, run.method == "full" || index % 2 == 0).1);
                    check_texts(
                        draw(kind.name, &planned, &runs, &epochs).scene.as_ref().unwrap(),
                        kind.name,
                    );
                    // And they are from different machines.
                    for run in runs.iter_mut().step_by(3) {
                        run.device = "cuda: another made-up machine with a name that is not short".to_owned();
                    }
                    check_texts(
                        draw(kind.name, &planned, &runs, &epochs).scene.as_ref().unwrap(),
                        kind.name,
                    );
                    // And none was timed.
                    for run in &mut runs {
                        (run.training_seconds, run.total_seconds) = (f64::NAN, f64::NAN);
                    }
                    check_texts(
                        draw(kind.name, &planned, &runs, &epochs).scene.as_ref().unwrap(),
                        kind.name,
                    );
                }
            }
        }
    }

    #[test]
    fn methods_look_different_and_families_alike() {
        let methods = [
            "full",
            "random-static",
            "forget",
            "el2n@10",
            "grand@10",
            "random-dynamic",
            "uncertainty",
            "epsilon-greedy",
            "ucb",
            "ucb (c = 2)",
            "ucb (c = 0)",
            "grand@0",
            "input-norm",
        ];
        let grid = Grid {
            profile: "laptop",
            datasets: &["cifar10"],
            methods: &methods,
            pruned_fractions: &[0.5],
            seeds: 1,
            epochs: 3,
            train_samples: 100,
        };
        let (runs, epochs) = made_up::rows(&grid);
        let planned = made_up::planned(&runs);
        let input = FigureInput {
            epochs: &epochs,
            ..made_up::input(&planned, &runs)
        };
        let data = Data::new(&input);
        assert_eq!(data.lines.len(), methods.len());
        for (index, line) in data.lines.iter().enumerate() {
            let looks = (line.style.color, line.style.marker);
            assert!(
                data.lines[..index]
                    .iter()
                    .all(|other| (other.style.color, other.style.marker) != looks),
                "{}",
                line.label
            );
            let is_static = matches!(line.method, "static" | "random-static");
            assert_eq!(line.style.filled(), !is_static, "{}", line.label);
        }
    }
}
