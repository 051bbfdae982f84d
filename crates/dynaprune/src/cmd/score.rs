//! `score`: makes score tables.

use crate::catalog::{catalog, scorer_label};
use crate::failure::{BadInput, paint};
use crate::library::Library;
use crate::machine::{self, Compute, Device};
use crate::plan::Tables;
use crate::profiles;
use crate::progress::Progress;
use crate::rows::Provenance;
use crate::score_store::{self, ScoreStore, Scored};
use crate::signals::Stop;
use crate::sweep::{Settings, Sweep};
use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use dynaprune_datasets::synthetic::{Difficulty, SyntheticOptions, generate};
use dynaprune_report::Results;
use dynaprune_scorers::auc;
use dynaprune_spec::{Catalog, ScoreSpec, Scorer};
use std::path::{Path, PathBuf};

/// The options of `score`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scorers, each with options of its own if need be: `el2n`, `grand:epoch=0,runs=3`, `forget:never_learned=zero`
    #[arg(required = true, value_name = "SCORER[:OPTION=VALUE,...]")]
    scorers: Vec<String>,
    /// The data set [default: that of the profile]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// The profile whose training the scoring runs follow, or the path of a TOML file
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// What computes
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
    /// CPU threads; scores do not depend on it [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=machine::MOST_THREADS))]
    threads: Option<u16>,
    /// Where results are kept: tables go to `<results>/<profile>/scores` [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Where data sets are [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Make again what is there
    #[arg(long)]
    fresh: bool,
    /// Epochs between checkpoints [default: at the end of an epoch if the last one is a minute old]
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint_every: Option<u32>,
    /// Keep no seconds, because other work runs beside: scores and counted operations are the same
    #[arg(long)]
    untimed: bool,
    /// Print nothing but the tables' files
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    machine::check_device(args.device)?;
    machine::use_threads(args.threads)?;
    let workspace = Workspace::find()?;
    let catalog = catalog();
    let profile = profiles::asked(&args.profile, &workspace, &catalog, Some(args.device))?.profile;
    let dataset = match (&args.dataset, &profile.dataset) {
        (Some(name), _) => catalog.dataset_named(name)?,
        (None, Some(dataset)) => dataset.clone(),
        (None, None) => {
            let message = format!("profile `{}` is for any data set: name one", profile.name);
            return Err(BadInput::new(message).hint("`--dataset cifar10`").into());
        }
    };
    let mut specs = Vec::with_capacity(args.scorers.len());
    for scorer in &args.scorers {
        specs.push(profile.score_spec(&dataset, &parse(scorer, &catalog)?)?);
    }
    let folder = workspace.results(args.results.as_deref());
    let (results, store) = (
        Results::new(&folder, &profile.name),
        ScoreStore::new(&folder, &profile.name),
    );
    let mut library = Library::new(workspace.data(args.data_dir.as_deref()));
    for spec in &specs {
        library.get(&spec.dataset)?;
    }
    let tables = Tables::new(specs.clone(), &store, &mut library, args.fresh)?;
    let compute = Compute::on(args.device)?;
    compute.check(profile.training.precision)?;
    let progress = Progress::new(tables.scoring.len(), tables.work(), args.quiet);
    let settings = Settings {
        // Who asks for a table by name wants to see the error, not that there was one.
        retry_failed: true,
        checkpoint_every: args.checkpoint_every,
        stop: &Stop::listen()?,
        by: Provenance::here(&compute, !args.untimed),
        compute,
    };
    let failed = Sweep::new(&mut library, &results, &store, settings, progress).tables(&tables)?;
    if !failed.is_empty() {
        return Err(anyhow!("{}", failed.join("\n")));
    }
    for spec in &specs {
        let path = store.table_path(spec);
        println!("{}", path.display());
        if !args.quiet {
            describe(spec, &path)?;
        }
    }
    Ok(())
}

/// `name:option=value,...`.
fn parse(text: &str, catalog: &Catalog) -> Result<Scorer> {
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    let mut lines = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let Some((key, value)) = option.split_once('=') else {
            let message = format!("`{text}`: expected `option=value` after the colon, found `{option}`");
            return Err(BadInput::new(message).into());
        };
        // A word needs no quotes here.
        let value = match value.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => format!("{value:?}"),
        };
        lines.push(format!("{key} = {value}"));
    }
    Ok(catalog.scorer(name, &lines)?)
}

/// What a table holds, for people.
fn describe(spec: &ScoreSpec, path: &Path) -> Result<()> {
    let (scored, row) = score_store::read(path)?;
    let label = scorer_label(&spec.scorer);
    let mut sorted = scored.table.scores.clone();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    eprintln!(
        "  {}: {} samples, scores {} to {}, median {}; {}",
        paint(&label, "1"),
        sorted.len(),
        at(0.0),
        at(1.0),
        at(0.5),
        score_store::cost(&scored, &row)
    );
    if spec.dataset.name == "synthetic" {
        describe_difficulty(spec, &scored)?;
    }
    Ok(())
}

/// How well the scores tell the samples whose difficulty is known.
fn describe_difficulty(spec: &ScoreSpec, scored: &Scored) -> Result<()> {
    let options = crate::library::options(&spec.dataset)?;
    let difficulty = generate(&SyntheticOptions::from(&options))?.difficulty;
    let of = |kind: fn(&Difficulty) -> bool| -> String {
        let samples = scored.table.samples.iter();
        let marked: Vec<bool> = samples.map(|&sample| kind(&difficulty[sample as usize])).collect();
        auc(&scored.table.scores, &marked).map_or_else(|_| "none".to_owned(), |auc| format!("{auc:.3}"))
    };
    eprintln!(
        "  ranked high (AUC; 0.5 is chance): mislabelled {}, ambiguous {}, duplicated {}",
        of(|kind| matches!(kind, Difficulty::Mislabelled { .. })),
        of(|kind| matches!(kind, Difficulty::Ambiguous { .. })),
        of(|kind| matches!(kind, Difficulty::Duplicated { .. })),
    );
    Ok(())
}
