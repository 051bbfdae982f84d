//! Figures: a picture (PNG and SVG), its numbers (CSV) and a page (Markdown) from the rows of finished runs.
//!
//! A kind of figure is one file below this folder and one line in [`FIGURES`]. How far scores agree is not read from runs
//! and so has an input of its own, [`AgreementInput`].

mod accuracy_vs_epoch;
mod accuracy_vs_fraction;
mod accuracy_vs_time;
mod agreement;
mod csv;
mod data;
mod findings;
mod page;
mod provenance;

use std::fs;
use std::path::{Path, PathBuf};

use crate::plot::render;
use crate::plot::scene::Scene;
use crate::{EpochRow, Error, RunRow, atomic};
pub use agreement::{AgreementFiles, AgreementInput, Published, ScoreColumn};
use data::Data;

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
    /// What the figure is to test, with `{dataset}` as in the title.
    pub claim: &'a str,
    /// How to read the plot.
    pub how_to_read: &'a str,
    /// The profile's name. Every profile but `paper` is marked as reduced in scale.
    pub profile: &'a str,
    /// What the profile is, in a sentence.
    pub profile_summary: &'a str,
    /// The exact command that makes the figure.
    pub command: &'a str,
    /// Every run that the recipe asks for, in the order the legend is to have.
    pub planned: &'a [Planned],
    /// Rows of `runs.parquet`; those that were not planned are ignored.
    pub runs: &'a [RunRow],
    /// Rows of `epochs.parquet`; those of runs that were not planned are ignored.
    pub epochs: &'a [EpochRow],
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
}

/// A kind of figure.
#[derive(Clone, Copy, Debug)]
pub struct FigureKind {
    /// The name recipes use.
    pub name: &'static str,
    /// What it shows, in a line.
    pub summary: &'static str,
    make: fn(&Data) -> Result<Drawing, Error>,
}

/// All kinds of figures.
pub const FIGURES: &[FigureKind] = &[
    accuracy_vs_fraction::KIND,
    accuracy_vs_time::KIND,
    accuracy_vs_epoch::KIND,
];

/// The files of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureFiles {
    /// The picture, twice its logical size.
    pub png: PathBuf,
    /// The picture as vectors.
    pub svg: PathBuf,
    /// The numbers in the picture.
    pub csv: PathBuf,
    /// The page.
    pub page: PathBuf,
    /// Planned runs without a result.
    pub missing: usize,
    /// Planned runs that diverged and so are not drawn.
    pub diverged: usize,
}

/// What a kind of figure makes.
struct Drawing {
    scene: Scene,
    /// Computed statements for the page, as Markdown.
    findings: String,
    csv: String,
}

impl FigureInput<'_> {
    /// Writes `<docs>/figures/<profile>/<id>.png`, `.svg`, `.csv` and `.md`. The same input gives the same bytes.
    ///
    /// Runs without a result and runs that diverged are not drawn, and are listed under the plot and in the page.
    ///
    /// # Errors
    /// If the kind is unknown, no planned run can be drawn, a figure relative to full data lacks full-data runs, or a file
    /// cannot be written.
    pub fn write(&self, docs: &Path) -> Result<FigureFiles, Error> {
        let kind = FIGURES
            .iter()
            .find(|kind| kind.name == self.kind)
            .ok_or_else(|| Error::UnknownFigure {
                found: self.kind.to_owned(),
                expected: FIGURES.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "),
            })?;
        let data = Data::new(self);
        if data.is_empty() {
            return Err(Error::NothingToDraw {
                figure: self.id.to_owned(),
                planned: self.planned.len(),
            });
        }
        let drawing = (kind.make)(&data)?;

        let folder = docs.join("figures").join(self.profile);
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        let path = |extension: &str| folder.join(format!("{}.{extension}", self.id));
        let files = FigureFiles {
            png: path("png"),
            svg: path("svg"),
            csv: path("csv"),
            page: path("md"),
            missing: data.missing.len(),
            diverged: data.diverged.len(),
        };
        render::png(&drawing.scene, &files.png)?;
        render::svg(&drawing.scene, &files.svg)?;
        atomic::write(&files.csv, drawing.csv.as_bytes())?;
        atomic::write(&files.page, page::markdown(&data, &drawing.findings).as_bytes())?;
        Ok(files)
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
            id: "fig",
            kind,
            title: "{dataset}: a title that is so long that it has to be broken, since many data sets are named in it",
            claim: "",
            how_to_read: "",
            profile: "laptop",
            profile_summary: "",
            command: "",
            planned,
            runs,
            epochs,
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
        for kind in FIGURES {
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
                    check_texts(&draw(kind.name, &planned, &runs, &epochs).scene, kind.name);
                    // Half of the results are missing: a long note.
                    let mut index = 0;
                    runs.retain(|run| (index += 1, run.method == "full" || index % 2 == 0).1);
                    check_texts(&draw(kind.name, &planned, &runs, &epochs).scene, kind.name);
                    // And they are from different machines.
                    for run in runs.iter_mut().step_by(3) {
                        run.device = "cuda: another made-up machine with a name that is not short".to_owned();
                    }
                    check_texts(&draw(kind.name, &planned, &runs, &epochs).scene, kind.name);
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
            id: "",
            kind: "",
            title: "",
            claim: "",
            how_to_read: "",
            profile: "",
            profile_summary: "",
            command: "",
            planned: &planned,
            runs: &runs,
            epochs: &epochs,
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
