//! Last-epoch test accuracy over two settings of a method: a matrix for each data set, and the methods without these settings
//! beside it, on the same scale of colours.

use std::fmt::Write as _;

use super::data::{Cell as Runs, Data, dataset_title};
use super::findings::with_half_width;
use super::numbers::{self, Numbers};
use super::settings::{Arranged, AxisValues, Reference, Series, SeriesPoint};
use super::{Drawing, FigureKind};
use crate::Error;
use crate::plot::axes::{Axis, number};
use crate::plot::fonts;
use crate::plot::layout::{self, MARGIN};
use crate::plot::matrix::{Cell, Frame, Matrix};
use crate::plot::theme::{ACCURACY, ColorScale, LABEL_SIZE};

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-heat-map",
    axes: 2,
    fits_a_column: false,
    needs_history: false,
    make,
};

const MIN_WIDTH: f64 = 720.0;
const BETWEEN: f64 = 48.0;
/// Between one data set and the next.
const BELOW: f64 = 30.0;

/// A series with what it is compared with.
struct Map {
    heat: (Frame, Matrix),
    /// One column; none without a method to compare with.
    references: Option<(Frame, Matrix)>,
}

fn make(data: &Data) -> Result<Drawing, Error> {
    let arranged = Arranged::new(data, KIND.axes)?;
    let mut maps = Vec::new();
    let mut findings = String::new();
    for series in &arranged.series {
        let references: Vec<&Reference> = arranged.references_of(series.dataset).collect();
        maps.push(Map::new(&arranged, series, &references));
        findings += &statements(&arranged, series, &references);
    }
    findings += &arranged.unnamed();
    findings += &arranged.comparisons(data);

    // What is compared with stands in one column for all maps.
    let of_heat = maps.iter().map(
        |Map {
             heat: (frame, matrix), ..
         }| frame.width(matrix),
    );
    let beside_at = of_heat.fold(0.0, f64::max) + BETWEEN;
    let besides = maps.iter().filter_map(|map| map.references.as_ref());
    let widest = besides.map(|(frame, matrix)| frame.width(matrix)).fold(0.0, f64::max);
    let width = (2.0 * MARGIN + beside_at + widest).max(MIN_WIDTH).ceil();
    let height = maps.iter().map(Map::height).sum::<f64>() + BELOW * (maps.len() - 1) as f64;
    let mut words = data.words();
    words.notes.push(if data.has_intervals() {
        "Cells: test accuracy after the last epoch, ± half of the 95 % t interval of the mean.".to_owned()
    } else {
        "Cells: test accuracy after the last epoch.".to_owned()
    });
    let are_all_planned = arranged.series.iter().all(|series| arranged.plans_all(series));
    if maps.iter().any(Map::has_gap) {
        words.notes.push(match are_all_planned {
            true => "Grey cells: no result.".to_owned(),
            false => "Grey cells: not planned, or no result; the page says which.".to_owned(),
        });
    }
    let (scene, _) = layout::between_words(&words, width, height, |scene, area| {
        let mut top = area.top;
        for map in &maps {
            let (frame, matrix) = &map.heat;
            frame.draw(scene, matrix, (area.left, top));
            if let Some((beside, column)) = &map.references {
                let left = area.left + beside_at;
                beside.draw(scene, column, (left, top + frame.above() - beside.above()));
            }
            top += map.height() + BELOW;
        }
    });
    Ok(Drawing {
        scene: Some(scene),
        findings,
        numbers: numbers_of(&arranged),
    })
}

impl Map {
    fn new(arranged: &Arranged, series: &Series, references: &[&Reference]) -> Self {
        let (scale, marks) = scale(series, references);
        let [x, y] = [0, 1].map(|axis| &arranged.axes[axis]);
        let texts = |values: &[f64]| values.iter().map(|&value| number(value)).collect::<Vec<_>>();
        let (columns, rows) = (texts(&x.values), texts(&y.values));
        let frame = Frame::table(rows.iter().map(String::as_str), columns.iter().map(String::as_str));
        let title = |axis: &AxisValues| {
            let room = frame.cell() * axis.values.len() as f64;
            match axis.title() {
                title if fonts::width(&title, LABEL_SIZE, false) <= room => title,
                _ => axis.setting.to_owned(),
            }
        };
        let (rows_title, columns_title) = (title(y), title(x));
        let frame = frame.with_titles(rows_title, columns_title);
        let row = |&y: &f64| {
            let at = |&x: &f64| cell(runs_at(series, x, y));
            x.values.iter().map(at).collect()
        };
        let heat = Matrix {
            heading: format!("{}, {}: test accuracy (%)", dataset_title(series.dataset), series.label),
            cells: y.values.iter().map(row).collect(),
            scale,
            marks,
        };
        let beside = (!references.is_empty()).then(|| {
            let labels = references.iter().map(|reference| reference.label.as_str());
            let beside = Frame::table(labels, [""]).with_cell(frame.cell());
            let column = Matrix {
                heading: "To compare with".to_owned(),
                cells: references
                    .iter()
                    .map(|reference| vec![cell(Some(&reference.cell))])
                    .collect(),
                scale,
                marks: Vec::new(),
            };
            (beside, column)
        });
        Self {
            heat: (frame, heat),
            references: beside,
        }
    }

    fn height(&self) -> f64 {
        let (frame, _) = &self.heat;
        let beside = self.references.as_ref();
        // The two begin at the same height below their labels.
        frame
            .height()
            .max(beside.map_or(0.0, |(beside, _)| frame.above() - beside.above() + beside.height()))
    }

    fn has_gap(&self) -> bool {
        self.heat.1.cells.iter().flatten().any(|cell| cell.value.is_none())
    }
}

fn runs_at<'a>(series: &'a Series, x: f64, y: f64) -> Option<&'a Runs<'a>> {
    let point = series.points.iter().find(|point| point.place == [x, y])?;
    Some(&point.cell)
}

/// The mean and, if there is one, half of the interval.
fn cell(runs: Option<&Runs>) -> Cell {
    let Some(accuracy) = runs.map(Runs::accuracy) else {
        return Cell::default();
    };
    let mut lines = vec![format!("{:.2}", accuracy.mean)];
    lines.extend(accuracy.half_width.map(|half_width| format!("± {half_width:.2}")));
    Cell {
        value: Some(accuracy.mean),
        lines,
    }
}

/// Colours over all accuracies of a map, and the marks at the ends and the middle.
fn scale(series: &Series, references: &[&Reference]) -> (ColorScale, Vec<(f64, String)>) {
    let cells = series.points.iter().map(|point| &point.cell);
    let cells = cells.chain(references.iter().map(|reference| &reference.cell));
    let means: Vec<f64> = cells.map(|cell| cell.accuracy().mean).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = Axis::round("", if low <= high { (low, high) } else { (0.0, 100.0) }, 10).range;
    let marks = [low, (low + high) / 2.0, high].map(|value| (value, number((100.0 * value).round() / 100.0)));
    (ACCURACY.between(low, high), marks.into())
}

fn statements(arranged: &Arranged, series: &Series, references: &[&Reference]) -> String {
    let [x, y] = [0, 1].map(|axis| &arranged.axes[axis]);
    let mut text = format!(
        "{}, {}: test accuracy after the last epoch (%, mean ± half of the 95 % t interval).\n\n| {} \\ {} |",
        dataset_title(series.dataset),
        series.label,
        y.setting,
        x.setting
    );
    for &value in &x.values {
        let _ = write!(text, " {} |", number(value));
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(x.values.len()));
    for &row in &y.values {
        let _ = write!(text, "| {} |", number(row));
        for &column in &x.values {
            let runs = runs_at(series, column, row);
            let shown = runs.map_or_else(
                || series.gap(&[column, row]),
                |runs| with_half_width(&runs.accuracy(), 2),
            );
            let _ = write!(text, " {shown} |");
        }
        text.push('\n');
    }
    let mean = |point: &&SeriesPoint| point.cell.accuracy().mean;
    let best = series.points.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)));
    let worst = series.points.iter().min_by(|a, b| mean(a).total_cmp(&mean(b)));
    if let (Some(best), Some(worst)) = (best, worst) {
        let at = |point: &SeriesPoint| {
            let names = arranged.axes.iter().zip(&point.place);
            let names: Vec<String> = names
                .map(|(axis, &value)| format!("{} = {}", axis.setting, number(value)))
                .collect();
            format!(
                "{} % at {}",
                with_half_width(&point.cell.accuracy(), 2),
                names.join(", ")
            )
        };
        let _ = writeln!(
            text,
            "\nThe means of {} cells reach from {} to {}; the best was chosen on the test set.",
            series.points.len(),
            at(worst),
            at(best)
        );
    }
    let others: Vec<String> = references
        .iter()
        .map(|reference| {
            let accuracy = with_half_width(&reference.cell.accuracy(), 2);
            format!("{} {accuracy} %", reference.label)
        })
        .collect();
    if !others.is_empty() {
        let _ = writeln!(text, "\nTo compare with: {}.", others.join(", "));
    }
    text + "\n"
}

/// A row for each cell; methods to compare with have no values.
fn numbers_of(arranged: &Arranged) -> Numbers {
    let header = [
        "dataset",
        "method",
        "series",
        "method_label",
        "x_setting",
        "x_value",
        "y_setting",
        "y_value",
        "pruned_fraction",
        "n",
        "test_accuracy_mean",
        "test_accuracy_std",
        "test_accuracy_half_width",
    ];
    let row = |dataset: &str, names: [&str; 3], place: &[f64], cell: &Runs| {
        let mut row = vec![dataset.to_owned()];
        row.extend(names.map(str::to_owned));
        for (index, axis) in arranged.axes.iter().enumerate() {
            row.push(axis.setting.to_owned());
            row.push(numbers::optional(place.get(index).copied()));
        }
        row.push(cell.pruned_fraction.to_string());
        row.extend(numbers::summary(&cell.summary(|run| run.test_accuracy_last)));
        row
    };
    let references = arranged.references.iter().map(|reference| {
        let names = [reference.method, &reference.label, reference.method_label];
        row(reference.dataset, names, &[], &reference.cell)
    });
    let series = arranged.series.iter().flat_map(|series| {
        series.points.iter().map(move |point| {
            let names = [series.method, &series.label, point.method_label];
            row(series.dataset, names, &point.place, &point.cell)
        })
    });
    Numbers::new(&header, references.chain(series))
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::figures::settings::tests::draw;
    use crate::figures::tests::check_texts;
    use crate::made_up::settings::{Ablation, ablation, numbers, weights, words};

    const KIND: &str = "accuracy-heat-map";
    const AXES: &[&str] = &["c", "ema_weight"];

    #[test]
    fn no_text_is_clipped_or_covered() {
        for datasets in [&["cifar10"][..], &["cifar10", "cifar100"]] {
            for seeds in [1, 3] {
                let (planned, mut runs) = weights(datasets, seeds);
                check_texts(&draw(KIND, AXES, &planned, &runs).unwrap().scene.unwrap(), "all");
                let mut index = 0;
                runs.retain(|run| (index += 1, run.method == "full" || index % 3 != 0).1);
                check_texts(&draw(KIND, AXES, &planned, &runs).unwrap().scene.unwrap(), "with gaps");
                runs.retain(|run| run.method == "full");
                let drawing = draw(KIND, AXES, &planned, &runs);
                assert!(matches!(drawing, Err(Error::NothingToCompare { .. })), "no cell");
            }
        }
    }

    #[test]
    fn no_text_is_clipped_or_covered_in_any_shape() {
        let values: Vec<f64> = (0..9).map(|index| 0.125 * f64::from(index)).collect();
        for (columns, rows, sources) in [(1, 1, 1), (9, 1, 1), (1, 9, 1), (9, 9, 2), (2, 3, 2)] {
            let (planned, runs) = ablation(&Ablation {
                datasets: &["cifar10"],
                method: "ucb",
                settings: &[
                    ("score_source", &words(&["forward-pass", "training"][..sources])),
                    ("c", &numbers(&values[..columns])),
                    ("ema_weight", &numbers(&values[..rows])),
                ],
                pruned_fractions: &[0.7],
                seeds: 2,
            });
            let what = format!("{columns} by {rows}");
            check_texts(&draw(KIND, AXES, &planned, &runs).unwrap().scene.unwrap(), &what);
        }
    }
}
