//! The planned runs and their results, arranged by the settings on a figure's axes.

use std::collections::{BTreeMap, BTreeSet};

use super::data::{Cell, Data, FULL_SHORT, Line, percent};
use super::findings::{self, Against};
use super::{Planned, Setting};
use crate::plot::axes::number;
use crate::plot::theme::MethodStyle;
use crate::{Error, RunRow};

/// The settings on the axes that fill a figure.
pub(super) struct Arranged<'a> {
    pub(super) axes: Vec<AxisValues<'a>>,
    /// In planned order; one whose runs have no result yet has no points.
    pub(super) series: Vec<Series<'a>>,
    /// In planned order.
    pub(super) references: Vec<Reference<'a>>,
}

/// A setting and the values that are planned, ascending.
pub(super) struct AxisValues<'a> {
    pub(super) setting: &'a str,
    pub(super) values: Vec<f64>,
}

/// The runs of a method on a data set that differ in the settings on the axes only.
pub(super) struct Series<'a> {
    pub(super) dataset: &'a str,
    pub(super) method: &'a str,
    /// The method's name with the other settings that vary among its planned runs.
    pub(super) label: String,
    pub(super) style: MethodStyle,
    /// The values of the axes that are planned.
    planned: Vec<Vec<f64>>,
    /// By ascending place; every point has a run.
    pub(super) points: Vec<SeriesPoint<'a>>,
}

pub(super) struct SeriesPoint<'a> {
    /// The value of each axis.
    pub(super) place: Vec<f64>,
    pub(super) method_label: &'a str,
    pub(super) cell: Cell<'a>,
}

/// The runs of a method without the settings on the axes: they are the same all along them.
pub(super) struct Reference<'a> {
    pub(super) dataset: &'a str,
    pub(super) method: &'a str,
    /// The method's label, with its pruned fraction if there are several.
    pub(super) label: String,
    pub(super) method_label: &'a str,
    pub(super) style: MethodStyle,
    /// Which of the planned pruned fractions above 0 it has, counted from 0 in ascending order.
    pub(super) rank: usize,
    pub(super) cell: Cell<'a>,
}

impl<'a> Arranged<'a> {
    /// Arranges the drawn runs by the figure's axes, of which there have to be `count`.
    ///
    /// # Errors
    /// If there are more or fewer axes, no planned run has their settings, or one is not a number.
    pub(super) fn new(data: &Data<'a>, count: usize) -> Result<Self, Error> {
        let refused = |reason| Error::Axes {
            figure: data.input.id.to_owned(),
            reason,
        };
        let (axes, planned) = (data.input.axes, data.input.planned);
        if axes.len() != count {
            let settings = if count == 1 { "setting" } else { "settings" };
            let found = axes.len();
            return Err(refused(format!("expected {count} {settings} in `axes`, found {found}")));
        }
        let mut places: Vec<Option<Vec<f64>>> = Vec::new();
        for run in planned {
            places.push(place(run, axes).map_err(refused)?);
        }
        let members: Vec<(&Planned, &Vec<f64>)> = planned
            .iter()
            .zip(&places)
            .filter_map(|(run, place)| Some((run, place.as_ref()?)))
            .collect();
        if members.is_empty() {
            return Err(refused(unknown(axes, planned)));
        }

        let values = |axis: usize| ascending(members.iter().map(|(_, place)| place[axis]));
        let mut arranged = Self {
            axes: axes
                .iter()
                .enumerate()
                .map(|(axis, setting)| AxisValues {
                    setting,
                    values: values(axis),
                })
                .collect(),
            series: Vec::new(),
            references: Vec::new(),
        };
        let runs: BTreeMap<&str, &RunRow> = data.runs().map(|run| (run.run_id.as_str(), run)).collect();
        let fractions = ascending(planned.iter().map(|run| run.pruned_fraction).filter(|s| *s > 0.0));
        let several = fractions.len() > 1;
        let varying = Varying::new(&members, axes);
        for (run, place) in planned.iter().zip(&places) {
            let row = runs.get(run.run_id.as_str()).copied();
            if !data.datasets.contains(&run.dataset.as_str()) {
                continue;
            }
            match (place, row) {
                (Some(place), row) => arranged.put(run, place, varying.label(run, several), row),
                (None, Some(row)) => arranged.put_reference(data, run, &fractions, row),
                (None, None) => {}
            }
        }
        for series in &mut arranged.series {
            let by_place = |a: &SeriesPoint, b: &SeriesPoint| a.place.partial_cmp(&b.place);
            series
                .points
                .sort_by(|a, b| by_place(a, b).unwrap_or(std::cmp::Ordering::Equal));
        }
        let cells = arranged.series.iter_mut().flat_map(|series| &mut series.points);
        let cells = cells.map(|point| &mut point.cell);
        for cell in cells.chain(arranged.references.iter_mut().map(|reference| &mut reference.cell)) {
            cell.runs.sort_by_key(|run| run.seed);
        }
        arranged.check(data)?;
        Ok(arranged)
    }

    /// Refuses a picture of one setting where several are planned: there is nothing to compare yet.
    fn check(&self, data: &Data) -> Result<(), Error> {
        let has_several = |series: &Series| series.points.len() > 1;
        if self.axes.iter().any(|axis| axis.values.len() > 1) && !self.series.iter().any(has_several) {
            let settings: Vec<&str> = self.axes.iter().map(|axis| axis.setting).collect();
            return Err(Error::NothingToCompare {
                figure: data.input.id.to_owned(),
                reason: format!("no two values of {} have a result", settings.join(" and ")),
            });
        }
        Ok(())
    }

    fn put(&mut self, planned: &'a Planned, place: &[f64], label: String, row: Option<&'a RunRow>) {
        let is_same = |series: &Series| series.dataset == planned.dataset && series.label == label;
        let index = self.series.iter().position(is_same).unwrap_or_else(|| {
            let style = self.style(&planned.method, &label);
            self.series.push(Series {
                dataset: &planned.dataset,
                method: &planned.method,
                label,
                style,
                planned: Vec::new(),
                points: Vec::new(),
            });
            self.series.len() - 1
        });
        let places = &mut self.series[index].planned;
        if places.iter().all(|known| known != place) {
            places.push(place.to_vec());
        }
        let Some(row) = row else { return };
        let points = &mut self.series[index].points;
        match points.iter_mut().find(|point| point.place == place) {
            Some(point) => point.cell.runs.push(row),
            None => points.push(SeriesPoint {
                place: place.to_vec(),
                method_label: &planned.method_label,
                cell: Cell {
                    pruned_fraction: planned.pruned_fraction,
                    runs: vec![row],
                },
            }),
        }
    }

    /// The looks of a series: the same on all data sets, and others than those of the same method's other series.
    fn style(&self, method: &str, label: &str) -> MethodStyle {
        if let Some(known) = self.series.iter().find(|series| series.label == label) {
            return known.style;
        }
        let others: BTreeSet<&str> = self
            .series
            .iter()
            .filter(|series| series.method == method)
            .map(|series| series.label.as_str())
            .collect();
        MethodStyle::of(method, label, others.len())
    }

    fn put_reference(&mut self, data: &Data<'a>, planned: &'a Planned, fractions: &[f64], row: &'a RunRow) {
        let label = with_fraction(&planned.method_label, planned.pruned_fraction, fractions.len() > 1);
        let is_same = |other: &&mut Reference| other.dataset == planned.dataset && other.label == label;
        if let Some(reference) = self.references.iter_mut().find(is_same) {
            reference.cell.runs.push(row);
            return;
        }
        let line = data.line(&planned.dataset, &planned.method_label);
        let style = line.map(|line| line.style);
        self.references.push(Reference {
            dataset: &planned.dataset,
            method: &planned.method,
            label,
            method_label: &planned.method_label,
            style: style.unwrap_or_else(|| MethodStyle::of(&planned.method, &planned.method_label, 0)),
            rank: fractions
                .iter()
                .position(|&fraction| fraction == planned.pruned_fraction)
                .unwrap_or(0),
            cell: Cell {
                pruned_fraction: planned.pruned_fraction,
                runs: vec![row],
            },
        });
    }

    /// The series on the data set that have a point.
    pub(super) fn series_of(&self, dataset: &str) -> impl Iterator<Item = &Series<'a>> {
        self.series
            .iter()
            .filter(move |series| series.dataset == dataset && !series.points.is_empty())
    }

    pub(super) fn references_of(&self, dataset: &str) -> impl Iterator<Item = &Reference<'a>> {
        self.references
            .iter()
            .filter(move |reference| reference.dataset == dataset)
    }

    /// Whether a series has a planned run at all values of two axes.
    pub(super) fn plans_all(&self, series: &Series) -> bool {
        let [x, y] = &*self.axes else { return true };
        let mut places = x.values.iter().flat_map(|&x| y.values.iter().map(move |&y| [x, y]));
        places.all(|place| series.plans(&place))
    }

    /// Whether a method's label belongs to a series.
    pub(super) fn has_label(&self, method_label: &str) -> bool {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        points.any(|point| point.method_label == method_label)
    }

    /// Tables of differences in accuracy of the settings: from random pruning, from the control, and from the method's own
    /// default, if it is among them.
    pub(super) fn comparisons(&self, data: &Data) -> String {
        let is_setting = |line: &Line| self.has_label(line.label);
        let mut methods: Vec<&str> = self.series.iter().map(|series| series.method).collect();
        methods.sort_unstable();
        methods.dedup();
        let of_method: Vec<_> = methods
            .iter()
            .map(|method| move |line: &Line| is_setting(line) && line.method == *method)
            .collect();
        let mut tables: Vec<Against> = ["random-dynamic", FULL_SHORT]
            .map(|reference| Against {
                reference,
                counts: &is_setting,
            })
            .into();
        // The default has no settings in its label.
        tables.extend(
            methods
                .iter()
                .zip(&of_method)
                .map(|(reference, counts)| Against { reference, counts }),
        );
        findings::comparisons(data, &tables, |dataset| data.pruned_fractions(dataset))
    }

    /// What the labels of runs do not say: the values of the axes that are the default.
    pub(super) fn unnamed(&self) -> String {
        let mut defaults = Vec::new();
        for (index, axis) in self.axes.iter().enumerate() {
            let named = format!("{}=", axis.setting);
            let points = self.series.iter().flat_map(|series| &series.points);
            let unnamed = points.filter(|point| !point.method_label.split(' ').any(|word| word.starts_with(&named)));
            let values = ascending(unnamed.map(|point| point.place[index]));
            let values: Vec<String> = values.into_iter().map(number).collect();
            if !values.is_empty() {
                defaults.push(format!("{} = {}", axis.setting, values.join(" or ")));
            }
        }
        match defaults.is_empty() {
            true => String::new(),
            false => format!(
                "Where a label does not name it, a setting is the default: {}.\n\n",
                defaults.join(", ")
            ),
        }
    }
}

impl AxisValues<'_> {
    /// The setting's name and, where it is known, what it is.
    pub(super) fn title(&self) -> String {
        let what = match self.setting {
            "selection_period" => "epochs from one selection to the next",
            "epsilon" => "share of the kept samples drawn at random",
            "ema_weight" => "weight of the new score",
            "c" => "weight of the variance",
            _ => return self.setting.to_owned(),
        };
        format!("{} ({what})", self.setting)
    }
}

impl Series<'_> {
    /// Whether a run is planned at these values of the axes.
    pub(super) fn plans(&self, place: &[f64]) -> bool {
        self.planned.iter().any(|planned| planned == place)
    }

    /// What a table says where there is no result: that it is missing, or nothing where none is planned.
    pub(super) fn gap(&self, place: &[f64]) -> String {
        match self.plans(place) {
            true => "no result".to_owned(),
            false => String::new(),
        }
    }
}

impl SeriesPoint<'_> {
    /// The value of the first axis.
    pub(super) fn x(&self) -> f64 {
        self.place.first().copied().unwrap_or(f64::NAN)
    }
}

/// The settings that vary among the planned runs of each method, apart from those on the axes.
struct Varying<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Varying<'a> {
    fn new(members: &[(&'a Planned, &Vec<f64>)], axes: &[String]) -> Self {
        let mut varying: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut first: BTreeMap<&str, &Planned> = BTreeMap::new();
        for (run, _) in members {
            let first = *first.entry(run.method.as_str()).or_insert(run);
            let names = run.settings.keys().chain(first.settings.keys());
            let differ = names.filter(|name| run.settings.get(*name) != first.settings.get(*name));
            let names = differ.filter(|name| !axes.contains(name)).map(String::as_str);
            varying.entry(run.method.as_str()).or_default().extend(names);
        }
        Self(varying)
    }

    /// `ucb score_source=training`
    fn label(&self, run: &Planned, several_fractions: bool) -> String {
        let mut label = run.method.clone();
        for name in self.0.get(run.method.as_str()).into_iter().flatten() {
            let value = run.settings.get(*name).map_or("none".to_owned(), Setting::to_string);
            label += &format!(" {name}={value}");
        }
        with_fraction(&label, run.pruned_fraction, several_fractions)
    }
}

fn with_fraction(label: &str, pruned_fraction: f64, several: bool) -> String {
    if several && pruned_fraction > 0.0 {
        format!("{label} s = {} %", percent(pruned_fraction))
    } else {
        label.to_owned()
    }
}

/// The values of the axes for a run; `None` if it lacks one of the settings.
fn place(run: &Planned, axes: &[String]) -> Result<Option<Vec<f64>>, String> {
    let mut place = Vec::new();
    for setting in axes {
        match run.settings.get(setting) {
            None => return Ok(None),
            Some(Setting::Number(value)) => place.push(*value),
            Some(Setting::Word(word)) => {
                let method = &run.method;
                return Err(format!(
                    "expected the setting `{setting}` in `axes` to be a number, found `{word}` for `{method}`"
                ));
            }
        }
    }
    Ok(Some(place))
}

fn unknown(axes: &[String], planned: &[Planned]) -> String {
    let names: BTreeSet<&str> = planned
        .iter()
        .flat_map(|run| run.settings.keys())
        .map(String::as_str)
        .collect();
    let quoted: Vec<String> = axes.iter().map(|name| format!("`{name}`")).collect();
    let found = match names.len() {
        0 => "no settings at all".to_owned(),
        _ => names.into_iter().collect::<Vec<_>>().join(", "),
    };
    format!(
        "expected a planned run with {}, found only: {found}",
        quoted.join(" and ")
    )
}

fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

#[cfg(test)]
pub(super) mod tests {
    use super::Arranged;
    use crate::figures::data::Data;
    use crate::figures::{Drawing, FIGURES, FigureInput};
    use crate::made_up;
    use crate::made_up::settings::{Ablation, ablation, numbers, words};
    use crate::{Error, Planned, RunRow};

    fn with_data<T>(kind: &str, axes: &[&str], planned: &[Planned], runs: &[RunRow], of: impl Fn(&Data) -> T) -> T {
        let axes: Vec<String> = axes.iter().map(|&axis| axis.to_owned()).collect();
        let input = FigureInput {
            kind,
            title: "{dataset}: a title that is so long that it has to be broken, since many data sets are named in it",
            axes: &axes,
            ..made_up::input(planned, runs)
        };
        of(&Data::new(&input))
    }

    /// A figure with settings on its axes.
    pub(in crate::figures) fn draw(
        kind: &str,
        axes: &[&str],
        planned: &[Planned],
        runs: &[RunRow],
    ) -> Result<Drawing, Error> {
        let registered = FIGURES.iter().find(|registered| registered.name == kind).unwrap();
        with_data(kind, axes, planned, runs, |data| (registered.make)(data))
    }

    /// Two words, three numbers, two fractions: what varies parts the series, the axis does not.
    #[test]
    fn runs_are_grouped_by_what_is_not_on_the_axes() {
        let (planned, runs) = ablation(&Ablation {
            datasets: &["cifar10"],
            method: "ucb",
            settings: &[
                ("score", &words(&["loss"])),
                ("score_source", &words(&["forward-pass", "training"])),
                ("selection_period", &numbers(&[5.0, 20.0, 1.0])),
            ],
            pruned_fractions: &[0.3, 0.7],
            seeds: 2,
        });
        with_data("accuracy-vs-setting", &["selection_period"], &planned, &runs, |data| {
            let arranged = Arranged::new(data, 1).unwrap();
            let labels: Vec<&str> = arranged.series.iter().map(|series| series.label.as_str()).collect();
            assert_eq!(
                labels,
                [
                    "ucb score_source=forward-pass s = 30 %",
                    "ucb score_source=forward-pass s = 70 %",
                    "ucb score_source=training s = 30 %",
                    "ucb score_source=training s = 70 %",
                ]
            );
            for series in &arranged.series {
                let xs: Vec<f64> = series.points.iter().map(|point| point.x()).collect();
                assert_eq!(xs, [1.0, 5.0, 20.0], "{}", series.label);
                assert!(series.points.iter().all(|point| point.cell.runs.len() == 2));
            }
            let mut looks: Vec<_> = arranged.series.iter().map(|series| series.style).collect();
            looks.dedup();
            assert_eq!(looks.len(), 4, "two series look the same");
            let references: Vec<&str> = arranged
                .references
                .iter()
                .map(|reference| reference.label.as_str())
                .collect();
            assert_eq!(
                references,
                [
                    "full",
                    "full-short s = 30 %",
                    "full-short s = 70 %",
                    "random-static s = 30 %",
                    "random-static s = 70 %",
                    "random-dynamic s = 30 %",
                    "random-dynamic s = 70 %",
                ]
            );
            assert_eq!(
                arranged.unnamed(),
                "Where a label does not name it, a setting is the default: selection_period = 5.\n\n"
            );
        });
    }
}
