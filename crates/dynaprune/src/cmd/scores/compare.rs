//! `scores compare`.

use super::published;
use crate::catalog::catalog;
use crate::failure::BadInput;
use crate::score_store::{self, Scored, cost};
use crate::workspace::Workspace;
use anyhow::Result;
use dynaprune_report::{AgreementInput, ScoreColumn, ScoreRow};
use dynaprune_scorers::{spearman, top_k_overlap};
use dynaprune_spec::{Profile, ScoreSpec, kept};
use std::path::PathBuf;

/// The seed that breaks ties.
const TIES: u64 = 0;
/// Pruned fractions unless others are asked for.
const FRACTIONS: [f64; 3] = [0.3, 0.5, 0.7];

/// The options of `scores compare`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Score tables of the same samples: two or more
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    tables: Vec<PathBuf>,
    /// The pruned fractions whose kept sets are compared
    #[arg(long, value_name = "S", value_delimiter = ',', default_values_t = FRACTIONS, value_parser = fraction)]
    pruned_fractions: Vec<f64>,
    /// Where plot, numbers and page go: a path without extension [default: named after profile and data set, in the docs]
    #[arg(long, value_name = "STEM")]
    out: Option<PathBuf>,
    /// Print only the names of the files written
    #[arg(long, short)]
    quiet: bool,
}

/// A table that was read.
struct Table {
    label: String,
    scored: Scored,
    row: ScoreRow,
    spec: Option<ScoreSpec>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let tables = read(&args.tables)?;
    let first = &tables[0];
    let samples = first.scored.table.samples.len();

    let scores = |table: &Table| table.scored.table.scores.clone();
    let all: Vec<Vec<f32>> = tables.iter().map(scores).collect();
    let matrix = |of: &dyn Fn(&[f32], &[f32]) -> f64| -> Vec<Vec<f64>> {
        all.iter().map(|a| all.iter().map(|b| of(a, b)).collect()).collect()
    };
    // Of scores that are all equal no correlation is defined.
    let correlations = matrix(&|a, b| spearman(a, b).unwrap_or(f64::NAN));
    if let Some(s) = args.pruned_fractions.iter().find(|&&s| kept(samples, s) == 0) {
        let message = format!("`--pruned-fractions`: {s} keeps none of {samples} samples");
        return Err(BadInput::new(message).into());
    }
    let overlap = |&s: &f64| {
        let k = kept(samples, s);
        (s, matrix(&|a, b| top_k_overlap(a, b, k, TIES).unwrap_or(f64::NAN)))
    };
    let overlaps: Vec<_> = args.pruned_fractions.iter().map(overlap).collect();

    if !args.quiet {
        print(&tables, &correlations, &overlaps);
    }

    let columns: Vec<ScoreColumn> = tables.iter().map(column).collect();
    let specs: Vec<_> = tables
        .iter()
        .map(|table| (table.label.as_str(), table.spec.as_ref()))
        .collect();
    let (dataset, profile) = (&first.row.dataset, &first.row.profile);
    let workspace = Workspace::find()?;
    let path = workspace.profiles().join(format!("{profile}.toml"));
    let summary = Profile::load(&path, &catalog()).map_or_else(|_| String::new(), |profile| profile.summary);
    let published = published::of(&specs);
    let notes = match profile.as_str() {
        "paper" => String::new(),
        _ if published.is_empty() => String::new(),
        _ => why_different(&tables),
    };
    let input = AgreementInput {
        title: "How far scores agree on {dataset}",
        dataset,
        profile,
        profile_summary: &summary,
        notes: &notes,
        command: &command(args),
        scores: &columns,
        samples,
        spearman: correlations,
        overlaps,
        published: &published,
    };
    let default = || {
        workspace
            .docs(None)
            .join("figures")
            .join(profile)
            .join(format!("scores-{dataset}"))
    };
    let files = input.write(&args.out.clone().unwrap_or_else(default))?;
    for file in [&files.png, &files.page] {
        println!("wrote {}", file.display());
    }
    Ok(())
}

/// The command that makes the same page again.
fn command(args: &Args) -> String {
    let mut words: Vec<String> = args.tables.iter().map(|path| path.display().to_string()).collect();
    if args.pruned_fractions != FRACTIONS {
        let fractions: Vec<String> = args.pruned_fractions.iter().map(f64::to_string).collect();
        words.push(format!("--pruned-fractions {}", fractions.join(",")));
    }
    if let Some(out) = &args.out {
        words.push(format!("--out {}", out.display()));
    }
    format!("cargo xtask scores compare {}", words.join(" \\\n    "))
}

/// Reads the tables, which must be of the same samples.
fn read(paths: &[PathBuf]) -> Result<Vec<Table>> {
    let mut tables: Vec<Table> = Vec::with_capacity(paths.len());
    for path in paths {
        let (scored, row) = score_store::read(path)?;
        if let Some(first) = tables.first() {
            let of = &first.scored.table;
            scored
                .table
                .check(&of.dataset, &of.split, &of.samples, &of.dataset_checksum)
                .map_err(|error| {
                    let message = format!("{}: {error}", path.display());
                    BadInput::new(message).hint(format!(
                        "only scores of the samples of {} compare with it",
                        paths[0].display()
                    ))
                })?;
        }
        let mut label = score_store::label(&row);
        // The same scorer by another protocol: the file tells them apart.
        if tables.iter().any(|table| table.label == label) {
            let stem = path.file_stem().unwrap_or_default();
            label += &format!(" ({})", stem.to_string_lossy());
        }
        tables.push(Table {
            label,
            spec: ScoreSpec::from_json(&row.spec).ok(),
            scored,
            row,
        });
    }
    Ok(tables)
}

fn column(table: &Table) -> ScoreColumn {
    let row = &table.row;
    let mut details = format!("{} of {}", row.scorer, row.model);
    if !row.variant.is_empty() {
        details += &format!(", {}", row.variant);
    }
    if row.runs > 0 {
        details += &format!(", epoch {}, runs {}", row.epoch, row.runs);
    }
    details += &format!("; {}; spec {}", cost(&table.scored, row), row.spec_hash);
    ScoreColumn {
        label: table.label.clone(),
        details,
    }
}

/// What sets these scores apart from the published ones, which are of full scale.
fn why_different(tables: &[Table]) -> String {
    let mut text = String::from(
        "The published numbers are of the full ResNet-18 on all of CIFAR-10, scored at a tenth of 200 epochs.",
    );
    if let Some(spec) = tables.iter().find_map(|table| table.spec.as_ref()) {
        let options = spec.model.options.iter().map(|(name, value)| format!("{name} {value}"));
        text += &format!(
            " Here {} ({}) trains on {} samples for {} epochs.",
            spec.model.name,
            options.collect::<Vec<_>>().join(", "),
            tables[0].scored.table.samples.len(),
            spec.training.epochs
        );
    }
    text += " With a narrower network and fewer samples a score depends more on the random weights of its runs, at initialisation \
             too, and its mean over a few runs says less of the sample. That would lower every correlation between scores of \
             different kinds; that it is the cause is not tested here.";
    for table in tables.iter().filter(|table| table.row.scorer == "forget") {
        let scores = &table.scored.table.scores;
        let never = scores.iter().filter(|score| score.is_infinite()).count();
        let mut values: Vec<u32> = scores.iter().map(|score| score.to_bits()).collect();
        values.sort_unstable();
        values.dedup();
        let share = 100.0 * never as f64 / scores.len() as f64;
        let ties = match never {
            0 => String::new(),
            _ => format!(", and {share:.1} % of the samples tie at the highest, never learned"),
        };
        text += &format!(
            " `{}` has {} different values only{ties}: no order of single samples can agree with it fully.",
            table.label,
            values.len(),
        );
    }
    text
}

/// A line a pair.
fn print(tables: &[Table], correlations: &[Vec<f64>], overlaps: &[(f64, Vec<Vec<f64>>)]) {
    let pairs = || (0..tables.len()).flat_map(|a| (a + 1..tables.len()).map(move |b| (a, b)));
    let name = |(a, b): (usize, usize)| format!("{} - {}", tables[a].label, tables[b].label);
    let width = pairs().map(|pair| name(pair).chars().count()).max().unwrap_or(0);
    let heads: Vec<String> = overlaps.iter().map(|(s, _)| format!("  overlap s={s}")).collect();
    println!("{:width$}  spearman{}", "", heads.concat());
    for (a, b) in pairs() {
        let cells = overlaps
            .iter()
            .zip(&heads)
            .map(|((_, matrix), head)| format!("{:>1$.3}", matrix[a][b], head.chars().count()));
        println!(
            "{:width$}  {:>8.3}{}",
            name((a, b)),
            correlations[a][b],
            cells.collect::<String>()
        );
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.0..1.0).contains(&s) => Ok(s),
        _ => Err("expected a number from 0 to below 1".to_owned()),
    }
}
