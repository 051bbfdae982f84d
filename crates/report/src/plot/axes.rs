//! A panel: the rectangle data are drawn in, its two axes and its grid.

use super::scene::{Align, Point, Rectangle, Scene, Text, clip_area, clip_line};
use super::theme::{AXIS, BAND_OPACITY, Color, GRID, INK, LABEL_SIZE, Stroke, TICK_SIZE, WHISKER};
use crate::statistics::Summary;

/// Values from which on a mean has a band: the interval of two is so wide that the bands of a few lines cover all else.
const BAND_VALUES: usize = 3;

/// Positive values that span more than this factor are put on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 8.0;

/// Values, the marks on them, and a label with the unit.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) range: (f64, f64),
    pub(crate) ticks: Vec<f64>,
    pub(crate) scale: Scale,
    /// Whether the marks are the values themselves: each has as many decimals as it needs, and numbers that would touch the
    /// one before them are left out.
    pub(crate) at_values: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) inside: Rectangle,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Axis {
    /// An axis over `low..=high` that begins and ends on a mark, with about `count` steps of 1, 2 or 5 times a power of ten.
    pub(crate) fn round(label: impl Into<String>, (low, high): (f64, f64), count: u32) -> Self {
        let step = round_step((high - low).max(1e-9) / f64::from(count));
        let (first, last) = (
            (low / step + 1e-9).floor(),
            (high / step - 1e-9).ceil().max((low / step).floor() + 1.0),
        );
        let ticks = (0..=(last - first) as i64)
            .map(|index| (first + index as f64) * step)
            .collect();
        Self {
            label: label.into(),
            range: (first * step, last * step),
            ticks,
            scale: Scale::Linear,
            at_values: false,
        }
    }

    /// An axis over exactly `range` with the given marks.
    pub(crate) fn with_ticks(label: impl Into<String>, range: (f64, f64), ticks: Vec<f64>) -> Self {
        Self {
            label: label.into(),
            range,
            ticks,
            scale: Scale::Linear,
            at_values: false,
        }
    }

    /// An axis with marks at exactly the `values`, which ascend: logarithmic if they are positive and span more than a
    /// factor [`LOGARITHMIC_FROM`], otherwise linear.
    pub(crate) fn at_values(label: impl Into<String>, values: Vec<f64>) -> Self {
        let (first, last) = (
            values.first().copied().unwrap_or(0.0),
            values.last().copied().unwrap_or(1.0),
        );
        let scale = if first > 0.0 && last > LOGARITHMIC_FROM * first {
            Scale::Logarithmic
        } else {
            Scale::Linear
        };
        let (low, high) = (scale.length(first), scale.length(last));
        let margin = if high > low {
            0.06 * (high - low)
        } else {
            (0.5 * low.abs()).max(0.5)
        };
        Self {
            label: label.into(),
            range: (scale.value(low - margin), scale.value(high + margin)),
            ticks: values,
            scale,
            at_values: true,
        }
    }

    /// A logarithmic axis over `low..=high`, above 0, that begins and ends on a power of ten.
    pub(crate) fn decades(label: impl Into<String>, (low, high): (f64, f64)) -> Self {
        let first = (low.log10() + 1e-9).floor();
        let last = (high.log10() - 1e-9).ceil().max(first + 1.0);
        Self {
            label: label.into(),
            range: (10f64.powf(first), 10f64.powf(last)),
            ticks: (first as i32..=last as i32).map(|power| 10f64.powi(power)).collect(),
            scale: Scale::Logarithmic,
            at_values: true,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let length = |value| self.scale.length(value);
        (length(value) - length(self.range.0)) / (length(self.range.1) - length(self.range.0))
    }

    fn tick_text(&self, tick: f64) -> String {
        if self.at_values {
            number(tick)
        } else {
            format!("{tick:.*}", self.decimals())
        }
    }

    fn decimals(&self) -> usize {
        let whole = |decimals: &i32| {
            let scale = 10f64.powi(*decimals);
            self.ticks
                .iter()
                .all(|tick| (tick * scale - (tick * scale).round()).abs() < 1e-6)
        };
        (0..4).find(whole).unwrap_or(4) as usize
    }
}

impl Scale {
    fn length(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.ln(),
        }
    }

    fn value(self, length: f64) -> f64 {
        match self {
            Self::Linear => length,
            Self::Logarithmic => length.exp(),
        }
    }
}

impl Panel {
    pub(crate) fn at(&self, (x, y): Point) -> Point {
        let Rectangle { left, bottom, .. } = self.inside;
        (
            left + self.x.share(x) * self.inside.width(),
            bottom - self.y.share(y) * self.inside.height(),
        )
    }

    /// The grid, the axes, their marks and labels; to be drawn before the data.
    pub(crate) fn draw(&self, scene: &mut Scene) {
        let Rectangle {
            left,
            top,
            right,
            bottom,
        } = self.inside;
        for &tick in &self.y.ticks {
            let (_, y) = self.at((self.x.range.0, tick));
            scene.line(vec![(left, y), (right, y)], GRID);
            let text = self.y.tick_text(tick);
            scene.text(Text::new(text, (left - 9.0, y + 0.36 * TICK_SIZE), TICK_SIZE).align(Align::Right));
        }
        let mut end = f64::NEG_INFINITY;
        for &tick in &self.x.ticks {
            let (x, _) = self.at((tick, self.y.range.0));
            scene.line(vec![(x, top), (x, bottom)], GRID);
            scene.line(vec![(x, bottom), (x, bottom + 5.0)], AXIS);
            let text = Text::new(self.x.tick_text(tick), (x, bottom + 21.0), TICK_SIZE).align(Align::Center);
            let bounds = text.bounds();
            if !self.x.at_values || bounds.left > end + 3.0 {
                end = bounds.right;
                scene.text(text);
            }
        }
        scene.line(vec![(left, top), (left, bottom), (right, bottom)], AXIS);
        let middle = (left + right) / 2.0;
        if !self.x.label.is_empty() {
            scene.text(Text::new(&self.x.label, (middle, bottom + 46.0), LABEL_SIZE).align(Align::Center));
        }
        let beside = (left - 50.0, (top + bottom) / 2.0);
        if !self.y.label.is_empty() {
            scene.text(
                Text::new(&self.y.label, beside, LABEL_SIZE)
                    .align(Align::Center)
                    .upwards(),
            );
        }
    }

    /// A heading above the panel.
    pub(crate) fn heading(&self, scene: &mut Scene, text: &str) {
        let at = (self.inside.left, self.inside.top - 10.0);
        scene.text(Text::new(text, at, LABEL_SIZE).bold().color(INK));
    }

    /// A line through data points.
    pub(crate) fn line(&self, scene: &mut Scene, points: &[Point], stroke: Stroke) {
        scene.line(points.iter().map(|&point| self.at(point)).collect(), stroke);
    }

    /// A line through data points, cut off at the top and the bottom of the panel.
    pub(crate) fn line_inside(&self, scene: &mut Scene, points: &[Point], stroke: Stroke) {
        let points: Vec<Point> = points.iter().map(|&point| self.at(point)).collect();
        for piece in clip_line(&points, (self.inside.top, self.inside.bottom)) {
            scene.line(piece, stroke);
        }
    }

    /// A translucent band over `(x, summary)`, see [`band_of`], cut off at the panel. A point without one parts the band; one
    /// whose neighbours have none gets a whisker.
    pub(crate) fn band(&self, scene: &mut Scene, points: &[(f64, Summary)], color: Color) {
        let ends: Vec<Option<(f64, f64, f64)>> = points
            .iter()
            .map(|&(x, summary)| band_of(&summary).map(|(low, high)| (x, low, high)))
            .collect();
        for part in ends.split(Option::is_none) {
            let part: Vec<(f64, f64, f64)> = part.iter().flatten().copied().collect();
            if let [(x, low, high)] = part[..] {
                self.whisker(scene, (x, low), (x, high), color);
            } else {
                let lower = part.iter().map(|&(x, low, _)| self.at((x, low)));
                let upper = part.iter().rev().map(|&(x, _, high)| self.at((x, high)));
                scene.area(
                    clip_area(lower.chain(upper).collect(), &self.inside),
                    color,
                    BAND_OPACITY,
                );
            }
        }
    }

    /// A thin line from one data point to another, cut off at the panel; gives its ends in the scene.
    pub(crate) fn whisker(&self, scene: &mut Scene, from: Point, to: Point, color: Color) -> [Point; 2] {
        let Rectangle {
            left,
            top,
            right,
            bottom,
        } = self.inside;
        let clamp = |(x, y): Point| (x.clamp(left, right), y.clamp(top, bottom));
        let ends = [clamp(self.at(from)), clamp(self.at(to))];
        scene.line(ends.to_vec(), Stroke { color, ..WHISKER });
        ends
    }
}

/// The interval of a mean, where it is drawn as a band.
pub(crate) fn band_of(summary: &Summary) -> Option<(f64, f64)> {
    summary.interval().filter(|_| summary.n >= BAND_VALUES)
}

/// The range of an axis that shows all `values`, and of the `intervals` round them as much as leaves the values readable.
pub(crate) fn padded_range(values: &[f64], intervals: &[(f64, f64)], limits: (f64, f64)) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spread = (high - low).max(1e-3 * high.abs()).max(1e-9);
    let lowest = intervals
        .iter()
        .map(|interval| interval.0)
        .fold(low - 0.05 * spread, f64::min);
    let highest = intervals
        .iter()
        .map(|interval| interval.1)
        .fold(high + 0.05 * spread, f64::max);
    (
        lowest.max(low - 0.4 * spread).max(limits.0),
        highest.min(high + 0.4 * spread).min(limits.1),
    )
}

/// A number without needless digits, a minus as typeset; below a thousandth as `1e−5`.
pub(crate) fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size > 0.0 && size < 1e-3 => format!("{value:e}"),
        _ => value.to_string(),
    };
    text.replace('-', "−")
}

fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let mantissa = step / power;
    let rounded = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|rounded| mantissa <= rounded * 1.0001)
        .unwrap_or(10.0);
    rounded * power
}

#[cfg(test)]
mod tests {
    use super::{Axis, padded_range};

    #[test]
    fn marks_are_round_and_enclose_the_values() {
        let axis = Axis::round("accuracy (%)", (52.3, 81.9), 6);
        assert_eq!(axis.ticks, [50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0]);
        assert_eq!(axis.range, (50.0, 85.0));
        assert_eq!(axis.decimals(), 0);
        let axis = Axis::round("time", (0.0, 1.13), 6);
        assert!(axis.range.0 == 0.0 && (axis.range.1 - 1.2).abs() < 1e-12, "{axis:?}");
        assert_eq!(axis.decimals(), 1);
    }

    #[test]
    fn a_single_value_still_has_an_axis() {
        let range = padded_range(&[0.5], &[], (0.0, 1.0));
        let axis = Axis::round("x", range, 5);
        assert!(
            axis.range.0 < 0.5 && axis.range.1 > 0.5 && axis.ticks.len() >= 2,
            "{axis:?}"
        );
    }

    #[test]
    fn wide_positive_values_are_logarithmic() {
        let periods = Axis::at_values("selection_period", vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        // 10 is as far from 1 as 100 is from 10.
        let share = |value| periods.share(value);
        assert!((share(10.0) - share(1.0) - (share(100.0) - share(10.0))).abs() < 1e-12);
        assert!(share(1.0) > 0.0 && share(50.0) < 1.0);
        for values in [vec![0.0, 0.05, 1.0], vec![1.0, 8.0], vec![-1.0, 100.0], vec![3.0]] {
            let axis = Axis::at_values("x", values.clone());
            let middle = (axis.range.0 + axis.range.1) / 2.0;
            assert!((axis.share(middle) - 0.5).abs() < 1e-12, "{values:?} are not linear");
            assert!(
                values.iter().all(|&value| (0.01..0.99).contains(&axis.share(value))),
                "{axis:?}"
            );
        }
    }

    #[test]
    fn marks_at_values_have_their_own_decimals() {
        let axis = Axis::at_values("epsilon", vec![0.0, 0.05, 0.1, 1.0]);
        let texts: Vec<String> = axis.ticks.iter().map(|&tick| axis.tick_text(tick)).collect();
        assert_eq!(texts, ["0", "0.05", "0.1", "1"]);
    }

    #[test]
    fn huge_intervals_do_not_flatten_the_values() {
        assert_eq!(
            padded_range(&[10.0, 20.0], &[(-500.0, 500.0)], (0.0, 100.0)),
            (6.0, 24.0)
        );
        assert_eq!(
            padded_range(&[90.0, 99.0], &[(89.0, 120.0)], (0.0, 100.0)),
            (89.0, 100.0)
        );
    }
}
