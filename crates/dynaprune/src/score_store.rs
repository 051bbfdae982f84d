//! Score tables: where they are, the scoring runs they need, and how those are put together.

use crate::catalog::scorer_label;
use crate::plan::operations;
use crate::rows::Provenance;
use anyhow::{Context as _, Result, anyhow, bail};
use dynaprune_datasets::Dataset;
use dynaprune_report::{ScoreRow, ScoringRunRow};
use dynaprune_scorers::forget::{ForgetCounter, NeverLearned, forget_scores};
use dynaprune_scorers::{MeanOverRuns, ScoreTable};
use dynaprune_spec::{Cell, Measurement, ScoreSpec, TableId, Value};
use dynaprune_train::{Measured, Scores, training_samples};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The split whose samples are scored.
const SPLIT: &str = "train";

/// The score tables of a profile: `<results>/<profile>/scores/`.
pub(crate) struct ScoreStore {
    folder: PathBuf,
}

/// A score table with what it cost.
pub(crate) struct Scored {
    pub(crate) table: ScoreTable,
    device: String,
    threads: u32,
    pub(crate) seconds: f64,
    pub(crate) flops: f64,
}

impl Scored {
    /// Forgets the seconds if they were taken elsewhere: they do not add up with those taken here.
    pub(crate) fn timed_by(self, by: &Provenance) -> Self {
        let here = self.device == by.device && self.threads as usize == by.threads;
        let seconds = if here { self.seconds } else { f64::NAN };
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
        self.folder.join("runs").join(format!("{}.parquet", measurement.id()))
    }

    pub(crate) fn has(&self, spec: &ScoreSpec) -> bool {
        self.table_path(spec).is_file()
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
            seconds: by.seconds(measured.seconds),
            flops: measured.flops,
            device: by.device.clone(),
            threads: by.threads as u32,
            code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
            made_at: made_at.clone(),
            spec: spec.clone(),
        };
        let rows: Vec<ScoringRunRow> = samples.iter().enumerate().map(row).collect();
        Ok(ScoringRunRow::write(&self.run_path(measurement), &rows)?)
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
            let path = self.run_path(measurement);
            let rows = ScoringRunRow::read(&path)?;
            let of_these = rows.iter().map(|row| &row.sample).eq(&samples);
            if !of_these || rows.iter().any(|row| row.spec != measurement.to_json()) {
                bail!(
                    "{}: expected the {} samples of scoring run {}, found other rows; remove the file to make it again",
                    path.display(),
                    samples.len(),
                    measurement.id()
                );
            }
            runs.push(rows);
        }
        let scores = combined(spec, &runs, samples.len())?;
        let first = |of: fn(&ScoringRunRow) -> f64| runs.iter().filter_map(|rows| rows.first()).map(of).sum::<f64>();
        let (seconds, flops) = (first(|row| row.seconds), first(|row| row.flops));
        // Runs of another machine, found in the cache, are named.
        let devices: BTreeSet<&str> = runs.iter().flatten().map(|row| row.device.as_str()).collect();
        let devices = devices.into_iter().collect::<Vec<_>>().join("; ");
        // Runs with different numbers of threads have none in common.
        let threads: BTreeSet<u32> = runs.iter().flatten().map(|row| row.threads).collect();
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
            code_version: env!("DYNAPRUNE_CODE_VERSION").to_owned(),
            made_at: made_at.clone(),
            spec: json.clone(),
        };
        let rows: Vec<ScoreRow> = samples.iter().zip(scores).map(row).collect();
        let path = self.table_path(spec);
        ScoreRow::write(&path, &rows)?;
        Ok(path)
    }
}

/// The scores of all runs, put together.
fn combined(spec: &ScoreSpec, runs: &[Vec<ScoringRunRow>], samples: usize) -> Result<Vec<f32>> {
    if spec.scorer.name != "forget" {
        let mut mean = MeanOverRuns::new(samples);
        for rows in runs {
            mean.add(&rows.iter().map(|row| row.score).collect::<Vec<_>>())?;
        }
        return Ok(mean.scores()?);
    }
    let counter = |rows: &Vec<ScoringRunRow>| {
        ForgetCounter::of_counts(
            rows.iter().map(|row| row.score as u32).collect(),
            rows.iter().map(|row| row.presentations).collect(),
            &rows.iter().map(|row| row.learned).collect::<Vec<_>>(),
        )
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
    let rows = ScoreRow::read(path)?;
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
        spec_hash: first.spec_hash.clone(),
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
/// If it cannot be read, or is one of other samples than those the cell trains on.
pub(crate) fn read_for(path: &Path, cell: &Cell, dataset: &Dataset) -> Result<Scored> {
    let (scored, _) = read(path)?;
    let samples = training_samples(cell, dataset)?;
    scored
        .table
        .check(&dataset.name, SPLIT, &samples, &dataset.checksum)
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    Ok(scored)
}

/// What identifies a table that a recipe names by its file.
pub(crate) fn identify(path: &Path) -> Result<TableId> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let (_, row) = read(path)?;
    Ok(TableId {
        label: label(&row),
        hash: blake3::hash(&bytes).to_hex().to_string(),
    })
}

/// What a table cost, for people: `62.1 s and 1.20 TFLOP of scoring on cpu`.
pub(crate) fn cost(scored: &Scored, row: &ScoreRow) -> String {
    let flops = operations(scored.flops);
    match scored.seconds.is_finite() {
        true => format!("{:.1} s and {flops} of scoring on {}", scored.seconds, row.device),
        false => format!("{flops} of scoring on {}, not timed", row.device),
    }
}

/// The scorer of a table as legends name it.
pub(crate) fn label(row: &ScoreRow) -> String {
    match ScoreSpec::from_json(&row.spec) {
        Ok(spec) => scorer_label(&spec.scorer),
        // A table made elsewhere.
        Err(_) if row.variant.is_empty() => row.scorer.clone(),
        Err(_) => format!("{} {}", row.scorer, row.variant),
    }
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
