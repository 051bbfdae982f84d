//! From results to a figure and its page.

use crate::adapted;
use crate::library::Library;
use crate::rows::method_label;
use crate::score_store::{self, ScoreFiles, ScoreStore};
use anyhow::Result;
use dynaprune_datasets::Dataset;
use dynaprune_report::{
    FIGURES, FigureInput, FigureKind, History, Planned, Rendered, Results, SampleImage, ScoreFile, ScoreRow, Setting,
    StaticSet,
};
use dynaprune_selectors::{Options, Setup, method};
use dynaprune_spec::{Cell, DatasetSpec, FigureEntry, Profile, Recipe, ScoreSpec, StaticScores, Value};
use dynaprune_train::{traced_positions, training_samples};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The kinds of figure there are.
pub(crate) fn kinds() -> Vec<FigureEntry> {
    let entry = |kind: &FigureKind| FigureEntry {
        name: kind.name.to_owned(),
        axes: kind.axes,
    };
    FIGURES.iter().map(entry).collect()
}

/// A recipe in a profile, with all that its figure is made from.
pub(crate) struct Figure<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) profile: &'a Profile,
    pub(crate) cells: &'a [Cell],
    pub(crate) results: &'a Results,
    pub(crate) store: &'a ScoreStore,
    /// The score tables that the recipe names by file.
    pub(crate) files: &'a ScoreFiles,
    /// The command that makes it again.
    pub(crate) command: &'a str,
}

impl Figure<'_> {
    /// Makes the figure from the results there are. Data sets that are not there give no pictures of samples.
    pub(crate) fn render(&self, library: &mut Library) -> Result<Rendered> {
        let planned: Vec<Planned> = self.cells.iter().map(|cell| planned(cell, self.profile)).collect();
        let needs_history = dynaprune_report::figures::kind(&self.recipe.figure)?.needs_history;
        let history = match needs_history {
            true => self.history(library)?,
            false => History::default(),
        };
        let changes = [
            adapted::left_out(self.recipe, self.profile),
            adapted::replaced(self.recipe, self.profile),
        ];
        let notes: Vec<String> = changes.into_iter().flatten().collect();
        let recipe = self.recipe;
        let input = FigureInput {
            id: &recipe.name,
            kind: &recipe.figure,
            title: &recipe.title,
            claims: &recipe.claims,
            claim: &recipe.claim,
            how_to_read: &recipe.how_to_read,
            axes: &recipe.axes,
            profile: &self.profile.name,
            profile_summary: &self.profile.summary,
            command: self.command,
            notes: &notes,
            planned: &planned,
            runs: &self.results.runs()?,
            epochs: &self.results.epochs()?,
            history: &history,
        };
        Ok(input.render()?)
    }

    fn history(&self, library: &mut Library) -> Result<History> {
        let mut history = History {
            selections: self.results.selections()?,
            traces: self.results.traces()?,
            ..History::default()
        };
        let mut datasets: Vec<&DatasetSpec> = Vec::new();
        let mut tables: Vec<(PathBuf, ScoreFile)> = Vec::new();
        for cell in self.cells {
            if !datasets.contains(&&cell.dataset) {
                datasets.push(&cell.dataset);
            }
            let path = match &cell.selection.static_scores {
                Some(StaticScores::Table(id)) => self.files.path(id).ok(),
                _ => ScoreSpec::of(cell)
                    .filter(|spec| self.store.has(spec))
                    .map(|spec| self.store.table_path(&spec)),
            };
            let Some(path) = path else { continue };
            if tables.iter().all(|(of, _)| *of != path) {
                tables.push((path.clone(), ScoreFile::read(&path)?));
            }
            let Some((_, file)) = tables.iter().find(|(of, _)| *of == path) else {
                continue;
            };
            let dataset = match library.has(&cell.dataset.name)? {
                true => Some(library.get(&cell.dataset)?),
                false => None,
            };
            let Some(labels) = labels(&path, file, cell, dataset) else {
                continue;
            };
            let rows = &file.rows;
            history.static_sets.push(StaticSet {
                dataset: cell.dataset.name.clone(),
                label: method_label(cell, self.profile),
                pruned_fraction: cell.pruned_fraction,
                seed: cell.seed,
                train_samples: rows.len() as u32,
                selected: static_set(cell, rows, &labels)?,
            });
        }
        for dataset in datasets {
            if library.has(&dataset.name)? {
                history
                    .images
                    .extend(images(dataset, self.cells, library.get(dataset)?)?);
            }
        }
        Ok(history)
    }
}

/// The labels of a table's samples, if the table is the one that the cell was planned with, is of its samples as far as that
/// can be told, and there are any if classes are to be balanced.
fn labels(path: &Path, file: &ScoreFile, cell: &Cell, dataset: Option<&Dataset>) -> Option<Vec<u16>> {
    if let Some(StaticScores::Table(planned)) = &cell.selection.static_scores {
        let fits = |dataset| score_store::fits(path, file, cell, dataset).is_ok();
        if planned.hash != file.hash || !dataset.is_none_or(fits) {
            return None;
        }
    }
    let rows = file.rows.iter();
    match dataset {
        _ if file.has_labels => Some(rows.map(|row| row.label as u16).collect()),
        Some(dataset) => {
            let label = |row: &ScoreRow| dataset.train.labels.get(row.sample as usize).copied();
            rows.map(label).collect()
        }
        None => (!cell.selection.class_balance).then(Vec::new),
    }
}

/// What a cell keeps of the samples of its score table.
fn static_set(cell: &Cell, rows: &[ScoreRow], labels: &[u16]) -> Result<Vec<u32>> {
    let scores: Vec<f32> = rows.iter().map(|row| row.score).collect();
    let setup = Setup {
        samples: rows.len(),
        seed: cell.seed,
        labels: cell.selection.class_balance.then_some(labels),
        static_scores: Some(&scores),
        ..Setup::default()
    };
    let mut selector = method(&cell.method.name)?.build(&setup, &Options::new())?;
    Ok(selector.select(cell.kept(rows.len()), 0)?)
}

/// The samples that runs on `spec` trace, as pictures.
fn images(spec: &DatasetSpec, cells: &[Cell], dataset: &Dataset) -> Result<Vec<SampleImage>> {
    let Some(cell) = cells.iter().find(|cell| &cell.dataset == spec) else {
        return Ok(Vec::new());
    };
    let samples = training_samples(cell, dataset)?;
    let positions = traced_positions(&samples, dataset, spec.subset_seed);
    let [height, width, channels] = dataset.train.shape().map(|side| side as u32);
    let image = |position: u32| {
        let index = samples[position as usize] as usize;
        SampleImage {
            dataset: spec.name.clone(),
            position,
            class: dataset.classes[usize::from(dataset.train.labels[index])].clone(),
            width,
            height,
            channels,
            pixels: dataset.train.image(index).to_vec(),
        }
    };
    Ok(positions.into_iter().map(image).collect())
}

fn planned(cell: &Cell, profile: &Profile) -> Planned {
    Planned {
        run_id: cell.id().to_string(),
        dataset: cell.dataset.name.clone(),
        method: cell.method.name.clone(),
        method_label: method_label(cell, profile),
        pruned_fraction: cell.pruned_fraction,
        seed: cell.seed,
        settings: settings(cell),
    }
}

/// What a recipe can set of a run besides its data, method, fraction and seed.
fn settings(cell: &Cell) -> BTreeMap<String, Setting> {
    let mut settings: BTreeMap<String, Setting> = BTreeMap::new();
    for (name, value) in &cell.method.options {
        settings.insert(name.clone(), setting(value));
    }
    if let Some(period) = cell.selection.selection_period {
        settings.insert("selection_period".to_owned(), Setting::Number(f64::from(period)));
    }
    if let Some(scoring) = &cell.selection.scoring {
        settings.insert("ema_weight".to_owned(), Setting::Number(scoring.ema_weight));
        for (name, word) in scoring.words() {
            settings.insert(name.to_owned(), Setting::Word(word.to_owned()));
        }
    }
    settings
}

fn setting(value: &Value) -> Setting {
    match value {
        Value::Int(number) => Setting::Number(*number as f64),
        Value::Float(number) => Setting::Number(*number),
        Value::Text(word) => Setting::Word(word.clone()),
    }
}
