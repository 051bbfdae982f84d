//! Score tables: where they are, the scoring runs they need, and how those are put together.

use crate::catalog::scorer_label;
use crate::plan::operations;
use crate::rows::{Provenance, now};
use anyhow::{Result, anyhow, bail};
use dynaprune_datasets::Dataset;
use dynaprune_report::{ScoreFile, ScoreRow, ScoringRunRow};
use dynaprune_scorers::forget::{ForgetCounter, NeverLearned, forget_scores};
use dynaprune_scorers::{MeanOverRuns, ScoreTable};
use dynaprune_spec::{Cell, Measurement, RunId, ScoreSpec, StaticScores, TableId, Value};
use dynaprune_train::{Measured, Scores, training_samples};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The split whose samples are scored.
pub(crate) const SPLIT: &str = "train";

/// The score tables of a profile: `<results>/<profile>/scores/`.
pub(crate) struct ScoreStore {
    folder: PathBuf,
}

/// A score table with what it cost; NaN if that is not known.
pub(crate) struct Scored {
    pub(crate) table: ScoreTable,
    /// Empty if whoever made the table does not say: its seconds are then taken for those of the machine that uses it.
    pub(crate) device: String,
    pub(crate) threads: u32,
    pub(crate) seconds: f64,
    pub(crate) flops: f64,
}

impl Scored {
    /// Whether a run that is timed has no total because its scores were not timed, or elsewhere.
    pub(crate) fn spoils_time(&self, by: &Provenance) -> bool {
        by.is_timed() && !(self.seconds.is_finite() && self.is_from(by))
    }

    fn is_from(&self, by: &Provenance) -> bool {
        self.device.is_empty() || (self.device == by.device() && self.threads as usize == by.threads())
    }

    /// Forgets the seconds if they were taken elsewhere: they do not add up with those taken here.
    pub(crate) fn timed_by(self, by: &Provenance) -> Self {
        let seconds = if self.is_from(by) { self.seconds } else { f64::NAN };
        Self { seconds, ..self }
    }

    /// What a run with these scores needs.
    pub(crate) fn scores(&self) -> Scores<'_> {
        Scores {
            scores: &self.table.scores,
            seconds: self.seconds,
            flops: self.flops,
        }
    }
}

impl ScoreStore {
    /// Touches nothing on the disk.
    pub(crate) fn new(results: &Path, profile: &str) -> Self {
        Self {
            folder: results.join(profile).join("scores"),
        }
    }

    /// Where a table is: `cifar10-el2n@20-0123456789abcdef.parquet`.
    pub(crate) fn table_path(&self, spec: &ScoreSpec) -> PathBuf {
        let label = scorer_label(&spec.scorer).replace(' ', "-");
        self.folder
            .join(format!("{}-{label}-{}.parquet", spec.dataset.name, spec.id()))
    }

    /// Scoring runs are kept until their table is made, and after: other tables may share them.
    fn run_path(&self, measurement: &Measurement) -> PathBuf {
        self.path_of_run(&measurement.id())
    }

    fn path_of_run(&self, id: &RunId) -> PathBuf {
        self.folder.join("runs").join(format!("{id}.parquet"))
    }

    /// Whether the scoring run with this spec, as [`Measurement::to_json`] gives it, has been made.
    pub(crate) fn has_run_of(&self, spec: &str) -> bool {
        self.path_of_run(&RunId::of(spec)).is_file()
    }

    /// Whether the file is one of the store's, not one of the user's.
    pub(crate) fn has_file(&self, path: &Path) -> bool {
        path.starts_with(&self.folder)
    }

    /// Renames a damaged table or scoring run, so that it counts as not made.
    pub(crate) fn set_aside(path: &Path) -> Result<()> {
        let mut to = path.to_owned().into_os_string();
        to.push(".damaged");
        std::fs::rename(path, to).map_err(|error| anyhow!("cannot rename `{}`: {error}", path.display()))
    }

    /// Whether the scoring run has been made.
    pub(crate) fn has_run(&self, measurement: &Measurement) -> bool {
        self.run_path(measurement).is_file()
    }

    /// The files of all tables, sorted.
    pub(crate) fn tables(&self) -> Vec<PathBuf> {
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
        paths.sort();
        paths
    }

    /// Takes over the tables of another store that this one lacks. One that both have stays as it is here.
    ///
    /// # Errors
    /// If a file cannot be read or a table cannot be written.
    pub(crate) fn take_over(&self, other: &Self) -> Result<TakenOver> {
        let mut taken = TakenOver::default();
        for path in other.tables() {
            let name = path.file_name().unwrap_or_default();
            let bytes = std::fs::read(&path).map_err(|error| anyhow!("cannot read `{}`: {error}", path.display()))?;
            let there = match ScoreFile::of(&path, bytes.clone()) {
                Ok(there) => there,
                Err(error) => {
                    taken.left_out.push(error.to_string());
                    continue;
                }
            };
            let target = self.folder.join(name);
            if !target.is_file() {
                let failed = |error| anyhow!("cannot write `{}`: {error}", target.display());
                std::fs::create_dir_all(&self.folder).map_err(failed)?;
                if dynaprune_files::write_new(&target, &bytes).map_err(failed)? {
                    taken.came += 1;
                    continue;
                }
                // Another process has made it meanwhile.
            }
            match ScoreFile::read(&target) {
                Ok(here) => {
                    let name = name.to_string_lossy();
                    let difference = difference(&here.rows, &there.rows);
                    taken.conflicts.extend(difference.map(|what| (name.into_owned(), what)));
                }
                Err(error) => taken.left_out.push(error.to_string()),
            }
        }
        Ok(taken)
    }

    pub(crate) fn has(&self, spec: &ScoreSpec) -> bool {
        self.table_path(spec).is_file()
    }

    /// Forgets tables and the scoring runs they were made from, so that they are made afresh, however often that is
    /// interrupted.
    pub(crate) fn forget(&self, specs: &[ScoreSpec]) -> Result<()> {
        let runs = specs.iter().flat_map(ScoreSpec::measurements);
        let runs = runs.map(|measurement| self.run_path(&measurement));
        for path in specs.iter().map(|spec| self.table_path(spec)).chain(runs) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    bail!("cannot remove `{}`: {error}", path.display());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The measurements that are still to be made for these tables; those of the same training run together.
    pub(crate) fn missing<'a>(
        &self,
        specs: impl Iterator<Item = &'a ScoreSpec>,
        afresh: bool,
    ) -> Vec<Vec<Measurement>> {
        let mut groups: Vec<Vec<Measurement>> = Vec::new();
        let mut seen = BTreeSet::new();
        for measurement in specs.flat_map(ScoreSpec::measurements) {
            let there = !afresh && self.run_path(&measurement).is_file();
            if there || !seen.insert(measurement.id()) {
                continue;
            }
            match groups.iter_mut().find(|group| group[0].cell == measurement.cell) {
                Some(group) => group.push(measurement),
                None => groups.push(vec![measurement]),
            }
        }
        groups
    }

    /// Keeps what a scoring run measured.
    pub(crate) fn keep(
        &self,
        measurement: &Measurement,
        measured: &Measured,
        dataset: &Dataset,
        by: &Provenance,
    ) -> Result<()> {
        let samples = training_samples(&measurement.cell, dataset)?;
        let (spec, made_at) = (measurement.to_json(), now());
        let row = |(i, &sample): (usize, &u32)| ScoringRunRow {
            sample,
            score: measured.scores[i],
            presentations: measured.presentations[i],
            learned: measured.learned[i],
            dataset_checksum: dataset.checksum.clone(),
            seconds: by.seconds(measured.seconds),
            flops: measured.flops,
            device: by.device(),
            threads: by.threads() as u32,
            code_version: by.code_version(),
            made_at: made_at.clone(),
            spec: spec.clone(),
        };
        let rows: Vec<ScoringRunRow> = samples.iter().enumerate().map(row).collect();
        Ok(ScoringRunRow::write(&self.run_path(measurement), &rows)?)
    }

    /// A scoring run that was kept, if it is of these samples of this data.
    fn run(&self, measurement: &Measurement, samples: &[u32], dataset: &Dataset) -> Result<KeptRun> {
        let path = self.run_path(measurement);
        let rows = ScoringRunRow::read(&path)?;
        let spec = measurement.to_json();
        let right = rows.iter().map(|row| &row.sample).eq(samples)
            && rows
                .iter()
                .all(|row| row.spec == spec && row.dataset_checksum == dataset.checksum);
        match rows.first() {
            Some(made) if right => Ok(KeptRun {
                scores: rows.iter().map(|row| row.score).collect(),
                presentations: rows.iter().map(|row| row.presentations).collect(),
                learned: rows.iter().map(|row| row.learned).collect(),
                made: made.clone(),
            }),
            _ => bail!(
                "{}: expected the {} samples of scoring run {} of this `{}`, found others; `--fresh` makes it again",
                path.display(),
                samples.len(),
                measurement.id(),
                dataset.name
            ),
        }
    }

    /// Makes the table from its scoring runs, which must all be there.
    pub(crate) fn combine(&self, spec: &ScoreSpec, dataset: &Dataset) -> Result<PathBuf> {
        let measurements = spec.measurements();
        let samples = match measurements.first() {
            Some(first) => training_samples(&first.cell, dataset)?,
            None => bail!("score table {}: no scoring runs", spec.id()),
        };
        let mut runs = Vec::with_capacity(measurements.len());
        for measurement in &measurements {
            runs.push(self.run(measurement, &samples, dataset)?);
        }
        let scores = combined(spec, &runs, samples.len())?;
        let seconds = runs.iter().map(|run| run.made.seconds).sum::<f64>();
        let flops = runs.iter().map(|run| run.made.flops).sum::<f64>();
        // Runs may have been found that were made elsewhere.
        let joined = |of: fn(&ScoringRunRow) -> &str| {
            let all: BTreeSet<&str> = runs.iter().map(|run| of(&run.made)).collect();
            all.into_iter().collect::<Vec<_>>().join("; ")
        };
        let (devices, code_versions) = (joined(|row| &row.device), joined(|row| &row.code_version));
        let threads: BTreeSet<u32> = runs.iter().map(|run| run.made.threads).collect();
        let threads = match threads.len() {
            1 => threads.first().copied().unwrap_or(0),
            _ => 0,
        };
        let epoch = spec.scorer.int("epoch").unwrap_or(0);
        // A control needs no training.
        let trained_runs = spec.scorer.int("runs").map_or(0, |_| spec.runs());
        let (json, id, made_at, variant) = (spec.to_json(), spec.id().to_string(), now(), variant(spec));
        let row = |(&sample, score): (&u32, f32)| ScoreRow {
            dataset: spec.dataset.name.clone(),
            split: SPLIT.to_owned(),
            sample,
            label: u32::from(dataset.train.labels[sample as usize]),
            score,
            scorer: spec.scorer.name.clone(),
            variant: variant.clone(),
            runs: trained_runs,
            epoch: u32::try_from(epoch).unwrap_or(0),
            model: spec.model.name.clone(),
            profile: spec.profile.clone(),
            spec_hash: id.clone(),
            dataset_checksum: dataset.checksum.clone(),
            scoring_seconds: seconds,
            scoring_flops: flops,
            device: devices.clone(),
            threads,
            code_version: code_versions.clone(),
            made_at: made_at.clone(),
            spec: json.clone(),
        };
        let rows: Vec<ScoreRow> = samples.iter().zip(scores).map(row).collect();
        let path = self.table_path(spec);
        ScoreRow::write(&path, &rows)?;
        Ok(path)
    }
}

/// What came of taking over the tables of another store.
#[derive(Default)]
pub(crate) struct TakenOver {
    /// Tables that were not here.
    pub(crate) came: usize,
    /// The files of tables that are in both with other scores, and where they differ.
    pub(crate) conflicts: Vec<(String, String)>,
    /// What was wrong with those that could not be read, here or there.
    pub(crate) left_out: Vec<String>,
}

/// Where two tables of one name differ, in words; when and where they were made, and how long it took, do not count.
fn difference(here: &[ScoreRow], there: &[ScoreRow]) -> Option<String> {
    if here.len() != there.len() {
        return Some(format!("{} samples are here, {} there", here.len(), there.len()));
    }
    here.iter().zip(there).find_map(|(a, b)| {
        let texts = |row: &ScoreRow| {
            let ScoreRow {
                dataset,
                dataset_checksum,
                spec,
                ..
            } = row;
            [dataset, dataset_checksum, spec].map(String::clone)
        };
        match () {
            () if (a.sample, a.label) != (b.sample, b.label) => Some(format!(
                "sample {} of class {} is here, sample {} of class {} there",
                a.sample, a.label, b.sample, b.label
            )),
            () if a.score.to_bits() != b.score.to_bits() => Some(format!(
                "the score of sample {} is {} here, {} there",
                a.sample, a.score, b.score
            )),
            () if texts(a) != texts(b) => Some("they are of other data, or have another spec".to_owned()),
            () => None,
        }
    })
}

/// A scoring run that was kept.
struct KeptRun {
    scores: Vec<f32>,
    presentations: Vec<u32>,
    learned: Vec<bool>,
    /// Its first row: how it was made.
    made: ScoringRunRow,
}

/// The scores of all runs, put together.
fn combined(spec: &ScoreSpec, runs: &[KeptRun], samples: usize) -> Result<Vec<f32>> {
    if spec.scorer.name != "forget" {
        let mut mean = MeanOverRuns::new(samples);
        for run in runs {
            mean.add(&run.scores)?;
        }
        return Ok(mean.scores()?);
    }
    let counter = |run: &KeptRun| {
        let events = run.scores.iter().map(|&events| events as u32).collect();
        ForgetCounter::of_counts(events, run.presentations.clone(), &run.learned)
    };
    let counters = runs.iter().map(counter).collect::<Result<Vec<_>, _>>()?;
    Ok(forget_scores(
        &counters,
        NeverLearned::of(spec.scorer.text("never_learned")?)?,
    )?)
}

/// The options that say how the scorer counts, without the protocol's: `counted_on=training never_learned=infinity`.
fn variant(spec: &ScoreSpec) -> String {
    let options = spec.scorer.options.iter();
    let options = options.filter(|(_, value)| matches!(value, Value::Text(_)));
    let words: Vec<String> = options.map(|(name, value)| format!("{name}={value}")).collect();
    words.join(" ")
}

/// Reads a score table.
///
/// # Errors
/// If the file cannot be read, has no rows, or rows of several tables.
pub(crate) fn read(path: &Path) -> Result<(Scored, ScoreRow)> {
    scored(path, &ScoreFile::read(path)?)
}

/// The table in a file that was read; `path` is for errors. With its first row, which says how it was made.
fn scored(path: &Path, file: &ScoreFile) -> Result<(Scored, ScoreRow)> {
    let rows = &file.rows;
    let Some(first) = rows.first() else {
        bail!("{}: expected a score table, found no rows", path.display());
    };
    let place = |row: &ScoreRow| {
        let ScoreRow {
            dataset,
            split,
            spec_hash,
            dataset_checksum,
            ..
        } = row;
        [dataset, split, spec_hash, dataset_checksum].map(String::clone)
    };
    if let Some(at) = rows.iter().position(|row| place(row) != place(first)) {
        bail!("{}: expected one table, row {at} belongs to another", path.display());
    }
    if let Some(at) = rows.windows(2).position(|pair| pair[0].sample >= pair[1].sample) {
        bail!(
            "{}: expected samples in ascending order, found {} after {} in row {}",
            path.display(),
            rows[at + 1].sample,
            rows[at].sample,
            at + 1
        );
    }
    let table = ScoreTable {
        dataset: first.dataset.clone(),
        split: first.split.clone(),
        dataset_checksum: first.dataset_checksum.clone(),
        scorer: first.scorer.clone(),
        variant: first.variant.clone(),
        samples: rows.iter().map(|row| row.sample).collect(),
        scores: rows.iter().map(|row| row.score).collect(),
    };
    let scored = Scored {
        table,
        device: first.device.clone(),
        threads: first.threads,
        seconds: first.scoring_seconds,
        flops: first.scoring_flops,
    };
    Ok((scored, first.clone()))
}

/// Reads a score table that is to be used for `cell`.
///
/// # Errors
/// If it cannot be read, is another than that the cell was planned with, one of other samples than those the cell trains on or
/// with other labels, or of another spec than the cell's scorer has.
pub(crate) fn read_for(path: &Path, cell: &Cell, dataset: &Dataset) -> Result<Scored> {
    let file = ScoreFile::read(path)?;
    // Scores under the id of others would be a wrong result.
    if let Some(StaticScores::Table(planned)) = &cell.selection.static_scores
        && planned.hash != file.hash
    {
        bail!(
            "{}: the table was changed since the run was planned: expected BLAKE3 hash {}, found {}; the same command takes the \
             table as it is now",
            path.display(),
            planned.hash,
            file.hash
        );
    }
    fits(path, &file, cell, dataset)
}

/// The table in a file that was read, if it is one of the samples that `cell` trains on.
///
/// # Errors
/// As [`read_for`].
pub(crate) fn fits(path: &Path, file: &ScoreFile, cell: &Cell, dataset: &Dataset) -> Result<Scored> {
    let (scored, row) = scored(path, file)?;
    let samples = training_samples(cell, dataset)?;
    scored
        .table
        .check(&dataset.name, SPLIT, &samples, &dataset.checksum)
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    if let Some(spec) = ScoreSpec::of(cell).filter(|spec| spec.to_json() != row.spec) {
        bail!(
            "{}: expected score table {}, found {}; `--fresh` makes it again",
            path.display(),
            spec.id(),
            row.spec_hash
        );
    }
    if file.has_labels {
        check_labels(path, &file.rows, dataset)?;
    }
    Ok(scored)
}

/// Refuses rows whose labels are not those of the data set: they are of other samples, or were moved.
fn check_labels(path: &Path, rows: &[ScoreRow], dataset: &Dataset) -> Result<()> {
    for row in rows {
        let expected = dataset.train.labels.get(row.sample as usize).copied().map(u32::from);
        if expected.is_some_and(|expected| expected != row.label) {
            bail!(
                "{}: the label of sample {} is {}, expected {}, which it has in `{}`",
                path.display(),
                row.sample,
                row.label,
                expected.unwrap_or_default(),
                dataset.name
            );
        }
    }
    Ok(())
}

/// What identifies a table that a recipe names by its file.
pub(crate) fn identify(path: &Path) -> Result<TableId> {
    let file = ScoreFile::read(path)?;
    let (scored, row) = scored(path, &file)?;
    if let Some(at) = scored.table.scores.iter().position(|score| score.is_nan()) {
        bail!(
            "{}: the score of sample {} is NaN: expected a number, infinity allowed",
            path.display(),
            scored.table.samples[at]
        );
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(TableId {
        label: match file.names_scorer {
            true => format!("{} ({stem})", label(&row)),
            false => stem.into_owned(),
        },
        hash: file.hash,
    })
}

/// The score tables that a recipe names by file, by what is in them.
#[derive(Default)]
pub(crate) struct ScoreFiles(RefCell<BTreeMap<String, PathBuf>>);

impl ScoreFiles {
    pub(crate) fn identify(&self, path: &Path) -> Result<TableId, String> {
        let id = identify(path).map_err(|error| format!("{error:#}"))?;
        self.0.borrow_mut().insert(id.hash.clone(), path.to_owned());
        Ok(id)
    }

    pub(crate) fn path(&self, id: &TableId) -> Result<PathBuf> {
        let found = self.0.borrow().get(&id.hash).cloned();
        found.ok_or_else(|| anyhow!("no file of scores with the hash {}", id.hash))
    }
}

/// What a table cost, for people: `62.1 s and 1.20 TFLOP of scoring on cpu`.
pub(crate) fn cost(scored: &Scored, row: &ScoreRow) -> String {
    let flops = match scored.flops.is_finite() {
        true => operations(scored.flops),
        false => "an unknown number of operations".to_owned(),
    };
    let device = match row.device.as_str() {
        "" => String::new(),
        device => format!(" on {device}"),
    };
    match scored.seconds.is_finite() {
        true => format!("{:.1} s and {flops} of scoring{device}", scored.seconds),
        false => format!("{flops} of scoring{device}, not timed"),
    }
}

/// The scorer of a table as legends name it.
pub(crate) fn label(row: &ScoreRow) -> String {
    match ScoreSpec::from_json(&row.spec) {
        Ok(spec) if spec.scorer.name == row.scorer => scorer_label(&spec.scorer),
        // A copy whose scorer was named anew, with the variant of the old one.
        Ok(spec) if row.variant == variant(&spec) => row.scorer.clone(),
        // A table made elsewhere.
        _ if row.variant.is_empty() => row.scorer.clone(),
        _ => format!("{} {}", row.scorer, row.variant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::catalog;
    use crate::library::Library;
    use dynaprune_spec::{Profile, Recipe};

    const RECIPE: &str = r#"
title = "A table of my own"
claim = "It is as it was."
how_to_read = "Higher is better."
figure = "accuracy-vs-fraction"
datasets = ["digits"]
methods = [{ name = "static", scores = "mine.parquet" }]
pruned_fractions = [0.5]
"#;
    const PROFILE: &str = r#"
summary = "a tiny one"
seeds = 1
model = { name = "cnn", width = 2 }

[training]
epochs = 1
batch_size = 16
learning_rate = 0.05
schedule = { kind = "constant" }

[selection]
selection_period = 1
"#;

    /// Its scores would else be stored under the id of the others.
    #[test]
    fn a_table_that_was_changed_since_it_was_planned_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("mine.toml"), RECIPE).unwrap();
        std::fs::write(path("tiny.toml"), PROFILE).unwrap();
        let recipe = Recipe::load(&path("mine.toml"), &catalog()).unwrap();
        let profile = Profile::load(&path("tiny.toml"), &catalog()).unwrap();
        let mut library = Library::new(path("data"));
        let spec = profile.dataset_spec(&recipe.datasets[0]);
        let dataset = library.get(&spec).unwrap();
        let table = path("mine.parquet");
        let write = |score: fn(u32) -> f32| {
            let row = |sample: u32| ScoreRow {
                dataset: "digits".to_owned(),
                split: SPLIT.to_owned(),
                sample,
                label: u32::from(dataset.train.labels[sample as usize]),
                score: score(sample),
                scorer: "mine".to_owned(),
                dataset_checksum: dataset.checksum.clone(),
                ..ScoreRow::default()
            };
            let rows: Vec<ScoreRow> = (0..dataset.train.len() as u32).map(row).collect();
            ScoreRow::write(&table, &rows).unwrap();
        };

        write(|sample| sample as f32);
        let files = ScoreFiles::default();
        let cells = recipe.cells(&profile, None, &|path| files.identify(path)).unwrap();
        assert_eq!(read_for(&table, &cells[0], dataset).unwrap().table.scores[7], 7.0);
        write(|sample| -(sample as f32));
        let error = read_for(&table, &cells[0], dataset).err().unwrap().to_string();
        assert!(
            error.contains("mine.parquet: the table was changed since the run was planned: expected BLAKE3 hash "),
            "{error}"
        );
        // Planned anew, it is another run.
        let again = recipe.cells(&profile, None, &|path| files.identify(path)).unwrap();
        assert_eq!(read_for(&table, &again[0], dataset).unwrap().table.scores[7], -7.0);
        assert_ne!(again[0].id(), cells[0].id());
    }
}
