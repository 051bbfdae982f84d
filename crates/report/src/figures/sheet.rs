//! What is drawn and written, and the files it becomes.

use std::fs;
use std::path::{Path, PathBuf};

use super::numbers::Numbers;
use crate::plot::render;
use crate::plot::scene::Scene;
use crate::{Error, files};

/// The files of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureFiles {
    /// The picture, twice its logical size; a table has none.
    pub png: Option<PathBuf>,
    /// The picture as vectors; a table has none.
    pub svg: Option<PathBuf>,
    /// The picture for a column of a two-column paper, if it fits one: PNG, twice its logical size, and SVG.
    pub column: Option<[PathBuf; 2]>,
    /// The numbers in the picture or table, as text.
    pub csv: PathBuf,
    /// The same numbers as Parquet.
    pub parquet: PathBuf,
    /// The page.
    pub page: PathBuf,
}

/// A picture, its numbers and its page, not written yet.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    /// The picture; a table has none.
    pub(super) scene: Option<Scene>,
    /// The picture for a column of a two-column paper, if it fits one.
    pub(super) column: Option<Scene>,
    pub(super) numbers: Numbers,
    /// The page, as Markdown.
    pub(super) page: String,
}

impl Sheet {
    /// Where its files are: `<stem>.png` and so on.
    pub(super) fn files(&self, stem: &Path) -> FigureFiles {
        // A stem may have a dot, after which `Path::with_extension` would cut.
        let path = |extension: &str| stem.with_added_extension(extension);
        let drawn = |extension| self.scene.is_some().then(|| path(extension));
        FigureFiles {
            png: drawn("png"),
            svg: drawn("svg"),
            column: self
                .column
                .is_some()
                .then(|| ["png", "svg"].map(|extension| path(&format!("column.{extension}")))),
            csv: path("csv"),
            parquet: path("parquet"),
            page: path("md"),
        }
    }

    /// Writes the files, with the folders above them.
    pub(super) fn write(&self, stem: &Path) -> Result<FigureFiles, Error> {
        let files = self.files(stem);
        if let Some(folder) = stem.parent() {
            fs::create_dir_all(folder).map_err(Error::write(folder))?;
        }
        if let (Some(scene), Some(png), Some(svg)) = (&self.scene, &files.png, &files.svg) {
            render::png(scene, png)?;
            render::svg(scene, svg)?;
        }
        if let (Some(scene), Some([png, svg])) = (&self.column, &files.column) {
            render::png(scene, png)?;
            render::svg(scene, svg)?;
        }
        files::write(&files.csv, self.numbers.csv().as_bytes())?;
        files::write(&files.parquet, &self.numbers.parquet(&files.parquet)?)?;
        files::write(&files.page, self.page.as_bytes())?;
        Ok(files)
    }

    /// The files that are missing or do not say what this one says. Of pictures only the presence is looked at: their
    /// numbers are in the text beside them.
    pub(super) fn stale(&self, stem: &Path) -> Vec<PathBuf> {
        let files = self.files(stem);
        let mut stale: Vec<PathBuf> = [files.png, files.svg, Some(files.parquet)]
            .into_iter()
            .flatten()
            .chain(files.column.into_iter().flatten())
            .filter(|path| !path.is_file())
            .collect();
        for (path, text) in [(files.csv, self.numbers.csv()), (files.page, self.page.clone())] {
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                stale.push(path);
            }
        }
        stale
    }
}
