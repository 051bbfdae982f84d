//! Profiles: the scale at which recipes run.

use crate::catalog::Catalog;
use crate::cell::DatasetSpec;
use crate::changes::{EMA_WEIGHT, is_ema_weight};
use crate::choice::{Choice, Value};
use crate::error::{Error, Result, Source};
use crate::recipe::fractions;
use crate::static_scores::{ScoreSpec, Scorer};
use crate::table::{Table, int, parse};
use crate::training::{
    Budget, FIRST_ROUNDS, FirstRound, PRECISIONS, Precision, SCORE_SOURCES, SCORES, Schedule, Score, ScoreSource,
    Scoring, Training,
};
use std::path::Path;

/// A checked profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its name: that of its file.
    pub name: String,
    /// One line on what it is for.
    pub summary: String,
    /// Whether it is meant for a CUDA device only.
    pub needs_cuda: bool,
    /// The data set that stands in for the recipe's, if any.
    pub dataset: Option<Choice>,
    /// The only pruned fractions that are run, if not all of the recipe's.
    pub pruned_fractions: Option<Vec<f64>>,
    /// Repetitions, with seeds from 0.
    pub seeds: u32,
    /// N, if not all training samples.
    pub train_samples: Option<usize>,
    /// Test samples, if not all.
    pub test_samples: Option<usize>,
    /// The seed of the subsets.
    pub subset_seed: u64,
    /// The network.
    pub model: Choice,
    /// The training protocol.
    pub training: Training,
    /// Epochs between selection rounds.
    pub selection_period: u32,
    /// Whether selections are balanced over the classes.
    pub class_balance: bool,
    /// How samples are scored.
    pub scoring: Scoring,
    /// The scoring runs of static methods.
    pub scoring_runs: ScoringRuns,
}

/// The scoring runs that make static scores: the table `[scoring]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoringRuns {
    /// Runs whose mean is a score of one checkpoint; 10 in the original definitions.
    pub runs: u32,
    /// The epoch after which a network scores; 20 of 200 in the original definitions, a tenth of the epochs unless given.
    pub epoch: u32,
    /// Runs whose sum is a forget score.
    pub forget_runs: u32,
}

impl ScoringRuns {
    fn value(self, key: &str) -> Option<u32> {
        match key {
            "runs" => Some(self.runs),
            "epoch" => Some(self.epoch),
            "forget_runs" => Some(self.forget_runs),
            _ => None,
        }
    }
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// If the file cannot be read, or anything in it is unknown, of the wrong type or impossible;
    /// the error shows the place.
    pub fn load(path: &Path, catalog: &Catalog) -> Result<Self> {
        let source = Source::read(path)?;
        let name = path
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        read(&source, name, catalog)
    }

    /// The data of a run on `dataset` in this profile.
    #[must_use]
    pub fn dataset_spec(&self, dataset: &Choice) -> DatasetSpec {
        DatasetSpec {
            name: dataset.name.clone(),
            options: dataset.options.clone(),
            train_samples: self.train_samples,
            test_samples: self.test_samples,
            subset_seed: self.subset_seed,
        }
    }

    /// The scorer with what this profile decides filled in.
    ///
    /// # Errors
    /// If it looks at an epoch that the profile's runs do not reach, or at a range of epochs that is empty.
    pub fn scorer(&self, scorer: &Scorer) -> Result<Choice> {
        let mut choice = scorer.choice.clone();
        for (option, key) in &scorer.open {
            if let Some(value) = self.scoring_runs.value(key) {
                choice.options.insert(option.clone(), Value::Int(i64::from(value)));
            }
        }
        let number = |name: &str| choice.options.get(name).and_then(|_| choice.int(name).ok());
        let refuse = |name: &str, expected, found: i64| Error::Option {
            owner: choice.name.clone(),
            name: name.to_owned(),
            expected,
            found: found.to_string(),
        };
        if let Some(epoch) = number("epoch") {
            if epoch > i64::from(self.training.epochs) {
                return Err(refuse("epoch", "at most the epochs of the profile", epoch));
            }
            if let Some(first) = number("from_epoch").filter(|first| *first > epoch) {
                return Err(refuse("from_epoch", "at most `epoch`", first));
            }
        }
        Ok(choice)
    }

    /// The score table of a scorer on `dataset` in this profile.
    ///
    /// # Errors
    /// As [`Profile::scorer`].
    pub fn score_spec(&self, dataset: &Choice, scorer: &Scorer) -> Result<ScoreSpec> {
        let scorer = self.scorer(scorer)?;
        let dataset = self.dataset_spec(dataset);
        Ok(ScoreSpec::new(
            self.name.clone(),
            dataset,
            self.model.clone(),
            &self.training,
            scorer,
        ))
    }
}

fn read(source: &Source, name: String, catalog: &Catalog) -> Result<Profile> {
    let mut file = parse(source)?;
    let summary = file.text("summary")?;
    let needs_cuda = file.flag("needs_cuda", false)?;
    let dataset = match file.take("dataset") {
        Some(item) => Some(catalog.dataset(source, item)?.0),
        None => None,
    };
    let pruned_fractions = file
        .optional_list("pruned_fractions")?
        .map(|items| fractions(source, items))
        .transpose()?;
    let seeds = file.int("seeds", None, 1, 1000)? as u32;

    let (mut train_samples, mut test_samples, mut subset_seed) = (None, None, 0);
    if let Some(mut subset) = file.table("subset")? {
        // The recipe's data sets are not known yet, that of the profile is.
        let known = dataset
            .as_ref()
            .and_then(|choice| catalog.datasets.iter().find(|d| d.entry.name == choice.name));
        let most = |samples: Option<usize>| samples.map_or(u64::from(u32::MAX), |n| n as u64);
        train_samples = subset
            .optional_int("train_samples", 1, most(known.and_then(|d| d.train_samples)))?
            .map(|n| n as usize);
        test_samples = subset
            .optional_int("test_samples", 1, most(known.and_then(|d| d.test_samples)))?
            .map(|n| n as usize);
        if let Some(item) = subset.take("seed") {
            subset_seed = int(source, &item, "subset.seed", 0, i64::MAX)? as u64;
            if subset_seed != 0 && (train_samples, test_samples) == (None, None) {
                let message = "`subset.seed` draws nothing without `train_samples` or `test_samples`";
                return Err(source.error(item.span, message, None));
            }
        }
        subset.finish()?;
    }
    let model = match file.take("model") {
        None => return Err(file.missing("model")),
        Some(item) => {
            let find = |name: &str| catalog.models.iter().find(|m| m.name == name);
            Table::choice(
                source,
                item,
                "model",
                find,
                catalog.models.iter().map(|m| m.name.as_str()).collect(),
            )?
            .0
        }
    };
    let training = match file.table("training")? {
        None => return Err(file.missing("training")),
        Some(table) => training(table)?,
    };
    let mut selection = match file.table("selection")? {
        None => return Err(file.missing("selection")),
        Some(table) => table,
    };
    let selection_period = selection.int("selection_period", None, 1, u64::from(training.epochs))? as u32;
    let class_balance = selection.flag("class_balance", false)?;
    let scoring = scoring(&mut selection)?;
    selection.finish()?;
    let scoring_runs = scoring_runs(file.table("scoring")?, training.epochs)?;
    file.finish()?;
    Ok(Profile {
        name,
        summary,
        needs_cuda,
        dataset,
        pruned_fractions,
        seeds,
        train_samples,
        test_samples,
        subset_seed,
        model,
        training,
        selection_period,
        class_balance,
        scoring,
        scoring_runs,
    })
}

fn scoring_runs(table: Option<Table>, epochs: u32) -> Result<ScoringRuns> {
    let mut runs = ScoringRuns {
        runs: 10,
        epoch: (epochs / 10).max(1),
        forget_runs: 1,
    };
    if let Some(mut table) = table {
        let defaults = runs;
        runs.runs = table.int("runs", Some(u64::from(defaults.runs)), 1, 1000)? as u32;
        runs.epoch = table.int("epoch", Some(u64::from(defaults.epoch)), 0, u64::from(epochs))? as u32;
        runs.forget_runs = table.int("forget_runs", Some(u64::from(defaults.forget_runs)), 1, 1000)? as u32;
        table.finish()?;
    }
    Ok(runs)
}

fn training(mut table: Table) -> Result<Training> {
    let positive = |v: f64| v > 0.0;
    let share = |v: f64| (0.0..1.0).contains(&v);
    let epochs = table.int("epochs", None, 1, 1_000_000)? as u32;
    let training = Training {
        epochs,
        batch_size: table.int("batch_size", None, 1, 1 << 20)? as u32,
        learning_rate: table.float("learning_rate", None, "a number above 0", positive)?,
        momentum: table.float("momentum", Some(0.9), "a number from 0 to below 1", share)?,
        nesterov: table.flag("nesterov", true)?,
        weight_decay: table.float("weight_decay", Some(5e-4), "a number of at least 0", |v| v >= 0.0)?,
        label_smoothing: table.float("label_smoothing", Some(0.0), "a number from 0 to below 1", share)?,
        schedule: match table.table("schedule")? {
            None => return Err(table.missing("schedule")),
            Some(schedule) => read_schedule(schedule, epochs)?,
        },
        crop_padding: table.int("crop_padding", Some(0), 0, 1024)? as u32,
        horizontal_flip: table.flag("horizontal_flip", false)?,
        budget: table.word(
            "budget",
            Some(Budget::Epochs),
            &[("epochs", Budget::Epochs), ("steps", Budget::Steps)],
        )?,
        precision: table.word("precision", Some(Precision::F32), PRECISIONS)?,
        evaluate_every: table.int("evaluate_every", Some(1), 1, u64::from(epochs))? as u32,
    };
    table.finish()?;
    Ok(training)
}

fn read_schedule(mut table: Table, epochs: u32) -> Result<Schedule> {
    let kinds = [("constant", 0), ("step", 1), ("cosine", 2), ("one-cycle", 3)];
    let factor = |v: f64| (0.0..=1.0).contains(&v);
    const FACTOR: &str = "a number from 0 to 1";
    let schedule = match table.word("kind", None, &kinds)? {
        0 => Schedule::Constant,
        1 => Schedule::Step {
            milestones: milestones(&mut table, epochs)?,
            factor: table.float("factor", None, "a number above 0 and at most 1", |v| {
                v > 0.0 && v <= 1.0
            })?,
        },
        2 => {
            let below = f64::from(epochs);
            let range = format!("a number from 0 to below {epochs}, the epochs");
            Schedule::Cosine {
                warmup_epochs: table.float("warmup_epochs", Some(0.0), &range, |v| (0.0..below).contains(&v))?,
                final_factor: table.float("final_factor", Some(0.0), FACTOR, factor)?,
            }
        }
        _ => Schedule::OneCycle {
            warmup_fraction: table.float("warmup_fraction", Some(0.3), "a number above 0 and below 1", |v| {
                v > 0.0 && v < 1.0
            })?,
            start_factor: table.float("start_factor", Some(0.04), FACTOR, factor)?,
            final_factor: table.float("final_factor", Some(4e-6), FACTOR, factor)?,
        },
    };
    table.finish()?;
    Ok(schedule)
}

fn milestones(table: &mut Table, epochs: u32) -> Result<Vec<u32>> {
    let source = table.source;
    let mut milestones: Vec<u32> = Vec::new();
    for item in table.list("milestones")? {
        let least = milestones.last().map_or(1, |last| i64::from(*last) + 1);
        let most = i64::from(epochs) - 1;
        if least > most {
            let message = format!("`milestones`: no epoch is left below {epochs}, the epochs");
            return Err(source.error(item.span, message, None));
        }
        milestones.push(crate::table::int(source, &item, "milestones", least, most)? as u32);
    }
    Ok(milestones)
}

fn scoring(table: &mut Table) -> Result<Scoring> {
    Ok(Scoring {
        score: table.word("score", Some(Score::Loss), &SCORES)?,
        score_source: table.word("score_source", Some(ScoreSource::ForwardPass), &SCORE_SOURCES)?,
        first_round: table.word("first_round", Some(FirstRound::Random), &FIRST_ROUNDS)?,
        ema_weight: table.float("ema_weight", Some(0.8), EMA_WEIGHT, is_ema_weight)?,
    })
}
