//! How far score tables agree.

use crate::catalog::catalog;
use crate::failure::BadInput;
use crate::published;
use crate::score_store::{self, ScoreStore, Scored, cost};
use crate::workspace::Workspace;
use anyhow::Result;
use dynaprune_report::{Agreement, AgreementInput, ScoreColumn, ScoreRow};
use dynaprune_scorers::{SCORERS, spearman, top_k_overlap};
use dynaprune_spec::{Profile, ScoreSpec, kept};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The seed that breaks ties.
const TIES: u64 = 0;
/// Pruned fractions unless others are asked for.
pub(crate) const FRACTIONS: [f64; 3] = [0.3, 0.5, 0.7];

/// A table that was read.
struct Table {
    path: PathBuf,
    label: String,
    scored: Scored,
    row: ScoreRow,
    spec: Option<ScoreSpec>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let (scored, row) = score_store::read(path)?;
        Ok(Self {
            path: path.to_owned(),
            label: score_store::label(&row),
            spec: ScoreSpec::from_json(&row.spec).ok(),
            scored,
            row,
        })
    }

    /// An error unless it is of the samples of `other`.
    fn check(&self, other: &Self) -> Result<()> {
        let of = &other.scored.table;
        let table = &self.scored.table;
        let checked = table.check(&of.dataset, &of.split, &of.samples, &of.dataset_checksum);
        checked.map_err(|error| {
            let message = format!("{}: {error}", self.path.display());
            let hint = format!("only scores of the samples of {} compare with it", other.path.display());
            BadInput::new(message).hint(hint).into()
        })
    }

    fn samples(&self) -> usize {
        self.scored.table.samples.len()
    }

    /// Its place on a page: as the scorers are listed, late epochs first.
    fn place(&self) -> (usize, Reverse<u32>, &str, &Path) {
        let scorer = SCORERS.iter().position(|info| info.name == self.row.scorer);
        let scorer = scorer.unwrap_or(SCORERS.len());
        (scorer, Reverse(self.row.epoch), &self.label, &self.path)
    }
}

/// Tables of the same samples beside each other.
pub(crate) struct Comparison {
    tables: Vec<Table>,
    correlations: Vec<Vec<f64>>,
    overlaps: Vec<(f64, Vec<Vec<f64>>)>,
}

impl Comparison {
    /// Compares the tables at these paths, two or more, and the kept sets at these pruned fractions.
    ///
    /// # Errors
    /// If a table cannot be read or is of other samples than another, or a fraction leaves no sample.
    pub(crate) fn read(paths: &[PathBuf], pruned_fractions: &[f64]) -> Result<Self> {
        let tables = paths.iter().map(|path| Table::read(path));
        let tables = tables.collect::<Result<Vec<_>>>()?;
        // With each other: a table that does not say of which data set it is fits those of several.
        for (number, table) in tables.iter().enumerate() {
            tables[..number].iter().try_for_each(|other| table.check(other))?;
        }
        let samples = tables[0].samples();
        if let Some(s) = pruned_fractions.iter().find(|&&s| kept(samples, s) == 0) {
            let message = format!("`--pruned-fractions`: {s} keeps none of {samples} samples");
            return Err(BadInput::new(message).into());
        }
        Ok(Self::of(tables, pruned_fractions))
    }

    /// Compares the tables of a profile: a comparison for each data set with two tables or more, by name. What cannot be read
    /// or is of other samples than the first is left out, with a note.
    pub(crate) fn of_store(store: &ScoreStore, profile: &str) -> Vec<Self> {
        let mut datasets: BTreeMap<String, Vec<Table>> = BTreeMap::new();
        for path in store.tables() {
            match Table::read(&path) {
                Ok(table) => datasets.entry(table.row.dataset.clone()).or_default().push(table),
                Err(error) => eprintln!("note: {profile}: {error}: left out of the comparison of scores"),
            }
        }
        let mut comparisons = Vec::new();
        for mut tables in datasets.into_values() {
            tables.sort_by(|a, b| a.place().cmp(&b.place()));
            let mut same: Vec<Table> = Vec::with_capacity(tables.len());
            for table in tables {
                match same.iter().try_for_each(|other| table.check(other)) {
                    Ok(()) => same.push(table),
                    Err(error) => eprintln!("note: {profile}: {error}: left out of the comparison of scores"),
                }
            }
            if same.len() > 1 {
                let samples = same[0].samples();
                let fractions: Vec<f64> = FRACTIONS.into_iter().filter(|&s| kept(samples, s) > 0).collect();
                comparisons.push(Self::of(same, &fractions));
            }
        }
        comparisons
    }

    fn of(mut tables: Vec<Table>, pruned_fractions: &[f64]) -> Self {
        let mut labels = BTreeSet::new();
        for table in &mut tables {
            // The same scorer by another protocol: the file tells them apart.
            if !labels.insert(table.label.clone()) {
                let stem = table.path.file_stem().unwrap_or_default();
                table.label += &format!(" ({})", stem.to_string_lossy());
            }
        }
        let samples = tables[0].samples();
        let all: Vec<&[f32]> = tables.iter().map(|table| &*table.scored.table.scores).collect();
        let matrix = |of: &dyn Fn(&[f32], &[f32]) -> f64| -> Vec<Vec<f64>> {
            all.iter().map(|a| all.iter().map(|b| of(a, b)).collect()).collect()
        };
        // Of scores that are all equal no correlation is defined.
        let correlations = matrix(&|a, b| spearman(a, b).unwrap_or(f64::NAN));
        let overlap = |&s: &f64| {
            let k = kept(samples, s);
            (s, matrix(&|a, b| top_k_overlap(a, b, k, TIES).unwrap_or(f64::NAN)))
        };
        let overlaps = pruned_fractions.iter().map(overlap).collect();
        Self {
            tables,
            correlations,
            overlaps,
        }
    }

    /// The data set whose samples are scored.
    pub(crate) fn dataset(&self) -> &str {
        let mut names = self.tables.iter().map(|table| table.row.dataset.as_str());
        names.find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// Makes plot, numbers and page, to be written to `stem`; `command` is what makes them again.
    pub(crate) fn render(&self, workspace: &Workspace, command: &str, stem: &Path) -> Result<Agreement> {
        let first = self.tables.iter().find(|table| !table.row.profile.is_empty());
        let first = first.unwrap_or(&self.tables[0]);
        let columns: Vec<ScoreColumn> = self.tables.iter().map(column).collect();
        let specs: Vec<_> = self
            .tables
            .iter()
            .map(|table| (table.label.as_str(), table.spec.as_ref()))
            .collect();
        let profile = &first.row.profile;
        let path = workspace.profiles().join(format!("{profile}.toml"));
        let summary = Profile::load(&path, &catalog()).map_or_else(|_| String::new(), |profile| profile.summary);
        let published = published::of(&specs);
        let notes = match profile.as_str() {
            "paper" => String::new(),
            _ if published.is_empty() => ties(&self.tables).trim_start().to_owned(),
            _ => why_different(&self.tables),
        };
        let input = AgreementInput {
            title: "How far scores agree on {dataset}",
            dataset: self.dataset(),
            profile,
            profile_summary: &summary,
            notes: &notes,
            command,
            scores: &columns,
            samples: first.samples(),
            spearman: self.correlations.clone(),
            overlaps: self.overlaps.clone(),
            published: &published,
        };
        Ok(input.render(stem)?)
    }

    /// Prints a line a pair.
    pub(crate) fn print(&self) {
        let Self {
            tables,
            correlations,
            overlaps,
        } = self;
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
}

fn column(table: &Table) -> ScoreColumn {
    let row = &table.row;
    let mut details = row.scorer.clone();
    if !row.model.is_empty() {
        details += &format!(" of {}", row.model);
    }
    if !row.variant.is_empty() {
        details += &format!(", {}", row.variant);
    }
    if row.runs > 0 {
        let epoch = match row.scorer.as_str() {
            "forget" => "over the whole run".to_owned(),
            _ => format!("epoch {}", row.epoch),
        };
        details += &format!(", {epoch}, runs {}", row.runs);
    }
    details += &format!("; {}", cost(&table.scored, row));
    if !row.spec_hash.is_empty() {
        details += &format!("; spec {}", row.spec_hash);
    }
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
            tables[0].samples(),
            spec.training.epochs
        );
    }
    text += " With a narrower network, fewer samples or fewer epochs a score depends more on the random weights of its runs, and its \
             mean over a few runs says less of the sample. That would lower every correlation between scores of different kinds; \
             that it is the cause is not tested here.";
    text + &ties(tables)
}

/// Which scores have so few values that they order no single samples.
fn ties(tables: &[Table]) -> String {
    let mut text = String::new();
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
