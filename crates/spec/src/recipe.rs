//! Recipes: a claim, a figure, and the grid of runs it is drawn from.

use crate::catalog::{Catalog, DatasetEntry, FigureEntry, OptionKind};
use crate::cell::{Cell, FULL_SHORT, kept};
use crate::changes::{SelectionChanges, Uses};
use crate::choice::{Choice, Value};
use crate::error::{Result, Source, quoted};
use crate::profile::Profile;
use crate::schema;
use crate::static_scores::{Scorer, StaticScores, TableId};
use crate::table::{self, Item, Table, float, parse};
use crate::training::{FirstRound, ScoreSource, Selection};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The claims of the abstract.
pub(crate) const CLAIMS: [&str; 8] = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"];

/// A checked recipe.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name: that of its file.
    pub name: String,
    /// The figure's title.
    pub title: String,
    /// The claims of the paper that it bears on, if any: `A1` to `A8`.
    pub claims: Vec<String>,
    /// The claim in words.
    pub claim: String,
    /// How to read the plot.
    pub how_to_read: String,
    /// The profile that it is made for, if it is made for one: the one to run in unless another is asked for.
    pub profile: Option<String>,
    /// The kind of figure.
    pub figure: String,
    /// The settings on the figure's axes, if its kind draws accuracy against settings.
    pub axes: Vec<String>,
    /// The data sets.
    pub datasets: Vec<Choice>,
    /// The methods.
    pub methods: Vec<Method>,
    /// The pruned fractions s, ascending.
    pub pruned_fractions: Vec<f64>,
    source: Shared,
    /// Where the data sets and the fractions are written, for errors found when they meet a profile.
    dataset_spans: Vec<Range<usize>>,
    method_spans: Vec<Range<usize>>,
    fractions_span: Range<usize>,
    axes_span: Range<usize>,
    /// The catalog's sizes of the data sets it was read with.
    sizes: Vec<DatasetEntry>,
}

type Shared = std::sync::Arc<Source>;

/// A method of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Its name and options.
    pub choice: Choice,
    /// Whether it removes samples.
    pub pruned: bool,
    /// Whether it learns from scores observed during training.
    pub scored: bool,
    /// Whether it selects every `selection_period` epochs.
    pub rounds: bool,
    /// The scores that it ranks samples by, if it needs any.
    pub scores: Option<MethodScores>,
    /// How it selects, where that is not as the profile says.
    pub changes: SelectionChanges,
}

/// The scores of a `static` method, as a recipe names them.
#[derive(Clone, Debug, PartialEq)]
pub enum MethodScores {
    /// By scorer.
    Scorer(Scorer),
    /// By file; a path that is not absolute begins in the recipe's folder.
    File(PathBuf),
    /// By how many epochs another method trained on each sample.
    SelectionCounts(Box<Method>),
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// If the file cannot be read, or anything in it is unknown, of the wrong type or impossible;
    /// the error shows the place.
    pub fn load(path: &Path, catalog: &Catalog) -> Result<Self> {
        let source = Shared::new(Source::read(path)?);
        let name = path
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        read(source, name, catalog)
    }

    /// The runs it asks for in a profile, `seeds` of each (or as many as the profile says): seed by
    /// seed, data set by data set, fraction by fraction. `full` appears once for each data set and
    /// seed, with a pruned fraction of 0.
    ///
    /// # Errors
    /// If the profile leaves none of the fractions, asks for more samples than there are, does not reach the epoch of a
    /// scorer, or a fraction would keep none of the samples; if no run has the settings on the figure's axes, or one is no
    /// number; or if `table` cannot tell what is in a file of scores.
    pub fn cells(
        &self,
        profile: &Profile,
        seeds: Option<u32>,
        table: &dyn Fn(&Path) -> std::result::Result<TableId, String>,
    ) -> Result<Vec<Cell>> {
        let mut static_scores = Vec::with_capacity(self.methods.len());
        for (method, span) in self.methods.iter().zip(&self.method_spans) {
            let found = match &method.scores {
                None => Ok(None),
                Some(MethodScores::Scorer(scorer)) => profile
                    .scorer(scorer)
                    .map(|choice| Some(StaticScores::Scorer(choice)))
                    .map_err(|error| format!("profile `{}`: {error}", profile.name)),
                Some(MethodScores::File(path)) => table(path).map(|id| Some(StaticScores::Table(id))),
                // They are known only together with the data set, the fraction and the seed.
                Some(MethodScores::SelectionCounts(_)) => Ok(None),
            };
            let found = found.map_err(|message| self.source.error(span.clone(), message, None))?;
            let scoring = method.changes.scoring(profile);
            let asks_for_scores =
                (scoring.score_source, scoring.first_round) == (ScoreSource::Training, FirstRound::Scores);
            if method.scored && asks_for_scores {
                let message = format!(
                    "in profile `{}` this has `score_source = \"training\"`, which has no scores for `first_round = \"scores\"`",
                    profile.name
                );
                let hint = "`first_round` may be \"random\" or \"full\" here".to_owned();
                return Err(self.source.error(span.clone(), message, Some(hint)));
            }
            // What the profile decides may make equal what was written differently.
            let same = |(other, scores): (&Method, &Option<StaticScores>)| {
                selects_alike(other, method, profile) && is_same(scores.as_ref(), found.as_ref())
            };
            if self.methods.iter().zip(&static_scores).any(same) {
                let message = format!("in profile `{}` this is a method that is listed already", profile.name);
                return Err(self.source.error(span.clone(), message, None));
            }
            static_scores.push(found);
        }
        let methods = || {
            let methods = self.methods.iter().zip(&static_scores);
            methods.filter(|(method, _)| is_possible(method, profile))
        };
        let fractions = self.fractions(profile)?;
        let datasets = match &profile.dataset {
            Some(dataset) => vec![dataset.clone()],
            None => self.datasets.clone(),
        };
        for (i, dataset) in datasets.iter().enumerate() {
            self.check_size(i, dataset, &fractions, profile)?;
        }
        let mut cells = Vec::new();
        for seed in 0..u64::from(seeds.unwrap_or(profile.seeds)) {
            for dataset in &datasets {
                let whole = methods().filter(|(m, _)| !m.pruned).map(|m| (0.0, m));
                let pruned = fractions
                    .iter()
                    .flat_map(|&s| methods().filter(|(m, _)| m.pruned).map(move |m| (s, m)));
                for (pruned_fraction, (method, scores)) in whole.chain(pruned) {
                    cells.push(cell(profile, dataset, method, scores.as_ref(), pruned_fraction, seed));
                }
            }
        }
        self.check_axes(&cells, profile)?;
        Ok(cells)
    }

    /// Refuses axes that the figure could not be drawn with, before anything is run for it.
    fn check_axes(&self, cells: &[Cell], profile: &Profile) -> Result<()> {
        if self.axes.is_empty() {
            return Ok(());
        }
        let refused = |message| Err(self.source.error(self.axes_span.clone(), message, None));
        for axis in &self.axes {
            let word = cells.iter().find_map(|cell| match setting(cell, axis) {
                Some(Value::Text(word)) => Some((&cell.method.name, word)),
                _ => None,
            });
            if let Some((method, word)) = word {
                return refused(format!(
                    "`axes`: expected settings that are numbers, `{axis}` of `{method}` is `{word}`"
                ));
            }
        }
        let has_all = |cell: &Cell| self.axes.iter().all(|axis| setting(cell, axis).is_some());
        match cells.iter().any(has_all) {
            true => Ok(()),
            false => {
                let axes: Vec<String> = self.axes.iter().map(|axis| format!("`{axis}`")).collect();
                refused(format!(
                    "`axes`: in profile `{}` no method here has {}",
                    profile.name,
                    axes.join(" and ")
                ))
            }
        }
    }

    /// The methods that the profile has too few epochs for: their selection period is longer. They are left out of its runs.
    pub fn left_out<'a>(&'a self, profile: &'a Profile) -> impl Iterator<Item = &'a Method> {
        self.methods.iter().filter(|method| !is_possible(method, profile))
    }

    fn fractions(&self, profile: &Profile) -> Result<Vec<f64>> {
        let Some(wanted) = &profile.pruned_fractions else {
            return Ok(self.pruned_fractions.clone());
        };
        let both: Vec<f64> = self
            .pruned_fractions
            .iter()
            .copied()
            .filter(|s| wanted.contains(s))
            .collect();
        if both.is_empty() {
            let message = format!(
                "profile `{}` runs the pruned fractions {wanted:?} only, none of these",
                profile.name
            );
            return Err(self.source.error(self.fractions_span.clone(), message, None));
        }
        Ok(both)
    }

    fn check_size(&self, index: usize, dataset: &Choice, fractions: &[f64], profile: &Profile) -> Result<()> {
        let Some(known) = self.sizes.iter().find(|d| d.entry.name == dataset.name) else {
            return Ok(());
        };
        let span = || {
            self.dataset_spans
                .get(index)
                .or(self.dataset_spans.first())
                .cloned()
                .unwrap_or(0..0)
        };
        let pairs = [
            (profile.train_samples, known.train_samples, "training"),
            (profile.test_samples, known.test_samples, "test"),
        ];
        for (asked, there, split) in pairs {
            if let (Some(asked), Some(there)) = (asked, there)
                && asked > there
            {
                let message = format!(
                    "profile `{}` asks for {asked} {split} samples, data set `{}` has {there}",
                    profile.name, dataset.name
                );
                return Err(self.source.error(span(), message, None));
            }
        }
        let Some(samples) = profile.train_samples.or(known.train_samples) else {
            return Ok(());
        };
        match fractions.iter().find(|&&s| kept(samples, s) == 0) {
            Some(s) => {
                let message = format!(
                    "pruned fraction {s} keeps none of the {samples} samples of `{}`",
                    dataset.name
                );
                Err(self.source.error(self.fractions_span.clone(), message, None))
            }
            None => Ok(()),
        }
    }
}

/// The value of a setting that a run has, if it has it.
fn setting(cell: &Cell, name: &str) -> Option<Value> {
    let selection = &cell.selection;
    if let Some(value) = cell.method.options.get(name) {
        return Some(value.clone());
    }
    match (name, &selection.scoring) {
        ("selection_period", _) => selection.selection_period.map(|period| Value::Int(i64::from(period))),
        ("ema_weight", Some(scoring)) => Some(Value::Float(scoring.ema_weight)),
        (_, Some(scoring)) => {
            let mut words = scoring.words().into_iter();
            let word = words.find(|(known, _)| *known == name);
            word.map(|(_, word)| Value::Text(word.to_owned()))
        }
        (_, None) => None,
    }
}

fn is_possible(method: &Method, profile: &Profile) -> bool {
    let period = method.changes.selection_period;
    period.is_none_or(|period| period <= profile.training.epochs)
        && counted(method).is_none_or(|method| is_possible(method, profile))
}

/// Whether two methods choose samples in the same way in a profile, apart from the scores that they rank them by.
fn selects_alike(a: &Method, b: &Method, profile: &Profile) -> bool {
    let balance = |method: &Method| method.changes.class_balance.unwrap_or(profile.class_balance);
    a.choice == b.choice
        && a.changes.period(profile) == b.changes.period(profile)
        && a.changes.scoring(profile) == b.changes.scoring(profile)
        && balance(a) == balance(b)
        && match (counted(a), counted(b)) {
            (Some(a), Some(b)) => selects_alike(a, b, profile),
            (a, b) => a.is_none() && b.is_none(),
        }
}

/// The method whose selections a method counts.
fn counted(method: &Method) -> Option<&Method> {
    match &method.scores {
        Some(MethodScores::SelectionCounts(counted)) => Some(counted),
        _ => None,
    }
}

/// Whether two methods rank samples by the same scores, or look the same in figures.
fn is_same(a: Option<&StaticScores>, b: Option<&StaticScores>) -> bool {
    match (a, b) {
        (Some(StaticScores::Table(a)), Some(StaticScores::Table(b))) => a.hash == b.hash || a.label == b.label,
        _ => a == b,
    }
}

fn cell(
    profile: &Profile,
    dataset: &Choice,
    method: &Method,
    scores: Option<&StaticScores>,
    pruned_fraction: f64,
    seed: u64,
) -> Cell {
    let changes = &method.changes;
    let counts = counted(method).map(|counted| StaticScores::SelectionCounts {
        of: Box::new(cell(profile, dataset, counted, None, pruned_fraction, seed)),
    });
    Cell {
        profile: profile.name.clone(),
        dataset: profile.dataset_spec(dataset),
        model: profile.model.clone(),
        method: method.choice.clone(),
        pruned_fraction,
        seed,
        training: profile.training.clone(),
        selection: Selection {
            selection_period: (method.scored || method.rounds).then(|| changes.period(profile)),
            class_balance: method.pruned
                && method.choice.name != FULL_SHORT
                && changes.class_balance.unwrap_or(profile.class_balance),
            scoring: method.scored.then(|| changes.scoring(profile)),
            static_scores: counts.or_else(|| scores.cloned()),
        },
    }
}

fn read(shared: Shared, name: String, catalog: &Catalog) -> Result<Recipe> {
    let source: &Source = &shared;
    let mut file = parse(source)?;
    let title = file.text("title")?;
    let claims = file.optional_list("claims")?.unwrap_or_default();
    let claims = named(source, &claims, "claims", "claim", &CLAIMS)?;
    let claim = file.text("claim")?;
    let how_to_read = file.text("how_to_read")?;
    let profile = file.optional_text("profile")?;
    let figures: Vec<(&str, &FigureEntry)> = catalog.figures.iter().map(|f| (f.name.as_str(), f)).collect();
    let figure = file.word("figure", None, &figures)?;
    let (axes, axes_span) = axes(source, &mut file, figure, catalog)?;
    let figure = figure.name.clone();
    let mut datasets = Vec::new();
    let mut dataset_spans = Vec::new();
    for item in file.list("datasets")? {
        let (choice, span) = catalog.dataset(source, item)?;
        if datasets.contains(&choice) {
            return Err(source.error(span, format!("data set `{}` is listed twice", choice.name), None));
        }
        datasets.push(choice);
        dataset_spans.push(span);
    }
    let mut methods: Vec<Method> = Vec::new();
    let mut method_spans = Vec::new();
    let items = file.list("methods")?.into_iter();
    let items: Vec<Vec<Item>> = items.map(|item| item.alternatives(source)).collect::<Result<_>>()?;
    for item in items.into_iter().flatten() {
        let (method, span) = catalog.method(source, item)?;
        if methods.contains(&method) {
            return Err(source.error(span, format!("method `{}` is listed twice", method.choice.name), None));
        }
        methods.push(method);
        method_spans.push(span);
    }
    let items = file.list("pruned_fractions")?;
    let fractions_span = match (items.first(), items.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    };
    let pruned_fractions = fractions(source, items)?;
    file.finish()?;
    Ok(Recipe {
        name,
        title,
        claims,
        claim,
        how_to_read,
        profile,
        figure,
        axes,
        datasets,
        methods,
        pruned_fractions,
        dataset_spans,
        method_spans,
        fractions_span,
        axes_span,
        sizes: catalog.datasets.clone(),
        source: shared,
    })
}

/// Pruned fractions, each in [0, 1), ascending.
pub(crate) fn fractions(source: &Source, items: Vec<Item>) -> Result<Vec<f64>> {
    let mut fractions: Vec<f64> = Vec::new();
    for item in items {
        let s = float(source, &item, "pruned_fractions", "a number from 0 to below 1", |s| {
            (0.0..1.0).contains(&s)
        })?;
        if fractions.contains(&s) {
            return Err(source.error(item.span, format!("pruned fraction {s} is listed twice"), None));
        }
        fractions.push(s);
    }
    fractions.sort_by(f64::total_cmp);
    Ok(fractions)
}

/// The settings that a figure draws against, as many as it needs, and where they are written.
fn axes(
    source: &Source,
    file: &mut Table,
    figure: &FigureEntry,
    catalog: &Catalog,
) -> Result<(Vec<String>, Range<usize>)> {
    let items = file.optional_list("axes")?.unwrap_or_default();
    if items.is_empty() && figure.axes > 0 {
        return Err(file.missing("axes"));
    }
    let known = schema::axes(catalog);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let axes = named(source, &items, "axes", "setting", &known)?;
    let twice = (1..axes.len()).find(|&index| axes[..index].contains(&axes[index]));
    if let Some(index) = twice {
        let message = format!("`axes`: setting `{}` is listed twice", axes[index]);
        return Err(source.error(items[index].span.clone(), message, None));
    }
    let span = match (items.first(), items.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    };
    match items.get(figure.axes).or(items.last()) {
        Some(item) if items.len() != figure.axes => {
            let message = format!(
                "`axes`: figure `{}` draws against {} of them, found {}",
                figure.name,
                figure.axes,
                items.len()
            );
            Err(source.error(item.span.clone(), message, None))
        }
        _ => Ok((axes, span)),
    }
}

/// Texts that are among the names of something.
fn named(source: &Source, items: &[Item], path: &str, kind: &str, names: &[&str]) -> Result<Vec<String>> {
    let name = |item: &Item| {
        let found = table::text(source, item, path)?;
        match names.contains(&found.as_str()) {
            true => Ok(found),
            false => Err(table::unknown(source, item.span.clone(), kind, &found, names)),
        }
    };
    items.iter().map(name).collect()
}

impl Catalog {
    pub(crate) fn dataset<'s>(&self, source: &'s Source, item: Item<'s>) -> Result<(Choice, Range<usize>)> {
        let find = |name: &str| self.datasets.iter().map(|d| &d.entry).find(|d| d.name == name);
        Table::choice(
            source,
            item,
            "data set",
            find,
            self.datasets.iter().map(|d| d.entry.name.as_str()).collect(),
        )
    }

    fn method<'s>(&self, source: &'s Source, item: Item<'s>) -> Result<(Method, Range<usize>)> {
        let entry = |name: &str| self.methods.iter().find(|m| m.entry.name == name);
        let find = |name: &str| entry(name).map(|m| &m.entry);
        let names = self.methods.iter().map(|m| m.entry.name.as_str()).collect();
        let (found, span, mut rest) = Table::named(source, item, "method", find, names)?;
        let options = table::options(source, found, &mut rest)?;
        let choice = Choice {
            name: found.name.clone(),
            options,
        };
        let (pruned, scored, rounds, ranks) = entry(&choice.name).map_or((true, false, false, false), |m| {
            (m.pruned, m.scored, (m.rounds)(&choice), m.static_scores)
        });
        let averages = entry(&choice.name).is_some_and(|m| m.averages);
        let scores = match ranks {
            true => Some(self.scores(source, &span, &choice.name, &mut rest)?),
            false => None,
        };
        let uses = Uses {
            pruned: pruned && choice.name != FULL_SHORT,
            scored,
            averages,
            rounds,
        };
        let changes = match &mut rest {
            Some(table) => SelectionChanges::read(table, uses)?,
            None => SelectionChanges::default(),
        };
        if let Some(table) = rest {
            table.finish()?;
        }
        let method = Method {
            choice,
            pruned,
            scored,
            rounds,
            scores,
            changes,
        };
        Ok((method, span))
    }

    /// `scorer = "name"` with the scorer's options, `scores = "file"`, or `counts_of = method`.
    fn scores(
        &self,
        source: &Source,
        span: &Range<usize>,
        method: &str,
        table: &mut Option<Table>,
    ) -> Result<MethodScores> {
        let mut take = |key: &str| table.as_mut().and_then(|table| table.take(key));
        match (take("scorer"), take("scores"), take("counts_of")) {
            (Some(scorer), None, None) => self.scorer_of(source, &scorer, table).map(MethodScores::Scorer),
            (None, None, Some(counted)) => {
                let (counted, span) = self.method(source, counted)?;
                if !counted.scored && !counted.rounds {
                    let message = format!(
                        "`counts_of`: expected a method that selects in rounds, found `{}`",
                        counted.choice.name
                    );
                    return Err(source.error(span, message, None));
                }
                Ok(MethodScores::SelectionCounts(Box::new(counted)))
            }
            (None, Some(file), None) => {
                let folder = source.path.parent().unwrap_or(Path::new(""));
                let path = folder.join(table::text(source, &file, "scores")?);
                Ok(MethodScores::File(path))
            }
            (None, None, None) => {
                let message = format!("method `{method}` needs a scorer, or a file of scores");
                let names = quoted(self.scorers.iter().map(|scorer| scorer.name.as_str()));
                let hint = format!(
                    "`{{ name = \"{method}\", scorer = \"...\" }}` with one of {names}; or `scores = \"file.parquet\"`; or \
                     `counts_of = \"ucb\"`"
                );
                Err(source.error(span.clone(), message, Some(hint)))
            }
            (Some(_), Some(second), _) | (_, Some(_), Some(second)) | (Some(_), None, Some(second)) => {
                let message = "expected one of `scorer`, `scores` and `counts_of`, found two";
                Err(source.error(second.span, message, None))
            }
        }
    }

    fn scorer_of(&self, source: &Source, name: &Item, table: &mut Option<Table>) -> Result<Scorer> {
        let found = table::text(source, name, "scorer")?;
        let Some(entry) = self.scorers.iter().find(|scorer| scorer.name == found) else {
            let names: Vec<&str> = self.scorers.iter().map(|scorer| scorer.name.as_str()).collect();
            return Err(table::unknown(source, name.span.clone(), "scorer", &found, &names));
        };
        let options = table::options(source, entry, table)?;
        let open = entry
            .options
            .iter()
            .filter(|option| !options.contains_key(&option.name));
        let open = open.filter_map(|option| match &option.kind {
            OptionKind::Profile { key, .. } => Some((option.name.clone(), key.clone())),
            _ => None,
        });
        Ok(Scorer {
            open: open.collect(),
            choice: Choice { name: found, options },
        })
    }

    /// The data set `name` with its default options.
    ///
    /// # Errors
    /// If there is none of this name, or it has an option without a default.
    pub fn dataset_named(&self, name: &str) -> Result<Choice> {
        let source = command_line(format!("dataset = {name:?}"));
        let item = parse(&source)?.required("dataset")?;
        Ok(self.dataset(&source, item)?.0)
    }

    /// The scorer `name` with options written as in a recipe, `option = value` each.
    ///
    /// # Errors
    /// As for a scorer in a recipe; the error shows the place in a text made of `name` and `options`.
    pub fn scorer(&self, name: &str, options: &[String]) -> Result<Scorer> {
        let mut text = format!("scorer = {name:?}");
        for option in options {
            text += "\n";
            text += option;
        }
        let source = command_line(text);
        let mut table = parse(&source)?;
        let name = table.required("scorer")?;
        let mut table = Some(table);
        let scorer = self.scorer_of(&source, &name, &mut table)?;
        if let Some(table) = table {
            table.finish()?;
        }
        Ok(scorer)
    }
}

/// A spec that stands in no file.
fn command_line(text: String) -> Source {
    Source {
        path: PathBuf::from("command line"),
        text,
    }
}
