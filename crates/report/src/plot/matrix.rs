//! A square table of numbers between the same things, each cell in the colour of its number.

use super::fonts;
use super::scene::{Align, Point, Rectangle, Scene, Text};
use super::theme::{AXIS, Color, ColorScale, EMPTY, GRID, LABEL_SIZE, NOTE_SIZE, QUIET, Stroke, TICK_SIZE};

const HEADING: f64 = 32.0;
/// Labels are broken to this width where they have spaces.
const LABEL_WIDTH: f64 = 150.0;
const LABEL_ROW: f64 = 16.0;
const BESIDE_LABELS: f64 = 9.0;
/// White between cells.
const GAP: f64 = 1.0;
const ABOVE_BAR: f64 = 16.0;
const BAR: f64 = 9.0;
const BELOW_BAR: f64 = 24.0;

/// What a matrix shows.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) heading: String,
    /// Row by row; the diagonal is not shown, and NaN is a number that does not exist.
    pub(crate) values: &'a [Vec<f64>],
    pub(crate) scale: ColorScale,
    /// Marks on the colour bar: value and text.
    pub(crate) marks: Vec<(f64, String)>,
}

/// The labels of rows and columns, and the room that they and the cells take.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Each in one or more lines.
    labels: Vec<Vec<String>>,
    labels_width: f64,
    /// The height of the label with the most lines.
    labels_height: f64,
    /// Whether the columns' labels are too long to stand level.
    upright: bool,
    cell: f64,
}

impl Frame {
    pub(crate) fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let wrapped = |label: &str| fonts::wrap(label, TICK_SIZE, false, LABEL_WIDTH);
        let labels: Vec<Vec<String>> = labels.into_iter().map(wrapped).collect();
        let lines = labels.iter().map(Vec::len).max().unwrap_or(0);
        let widths = labels.iter().flatten().map(|line| fonts::width(line, TICK_SIZE, false));
        let labels_width = widths.fold(0.0, f64::max);
        let labels_height = LABEL_ROW * lines as f64;
        let cell = (420.0 / labels.len() as f64).clamp(48.0, 76.0).max(labels_height + 4.0);
        Self {
            upright: labels_width > cell - 6.0,
            labels,
            labels_width,
            labels_height,
            cell,
        }
    }

    fn side(&self) -> f64 {
        self.cell * self.labels.len() as f64
    }

    /// The room for the columns' labels.
    fn above(&self) -> f64 {
        let length = if self.upright {
            self.labels_width
        } else {
            self.labels_height
        };
        length + BESIDE_LABELS
    }

    pub(crate) fn width(&self, matrix: &Matrix) -> f64 {
        let heading = fonts::width(&matrix.heading, LABEL_SIZE, true);
        self.labels_width + BESIDE_LABELS + self.side().max(heading)
    }

    pub(crate) fn height(&self) -> f64 {
        HEADING + self.above() + self.side() + ABOVE_BAR + BAR + BELOW_BAR
    }

    /// Draws a matrix with its top left corner at `at`.
    pub(crate) fn draw(&self, scene: &mut Scene, matrix: &Matrix, (left, top): Point) {
        let cells_left = left + self.labels_width + BESIDE_LABELS;
        scene.text(Text::new(&matrix.heading, (cells_left, top + LABEL_SIZE), LABEL_SIZE).bold());
        let cells = Rectangle {
            left: cells_left,
            top: top + HEADING + self.above(),
            right: cells_left + self.side(),
            bottom: top + HEADING + self.above() + self.side(),
        };
        self.draw_labels(scene, &cells);
        for (row, values) in matrix.values.iter().enumerate() {
            for (column, &value) in values.iter().enumerate() {
                let corner = (
                    cells.left + column as f64 * self.cell,
                    cells.top + row as f64 * self.cell,
                );
                self.draw_cell(scene, corner, (row != column).then_some(value), matrix.scale);
            }
        }
        rim(scene, &cells, GRID);
        draw_bar(scene, matrix, &cells);
    }

    fn draw_labels(&self, scene: &mut Scene, cells: &Rectangle) {
        for (index, lines) in self.labels.iter().enumerate() {
            let middle = (index as f64 + 0.5) * self.cell;
            for (number, line) in lines.iter().enumerate() {
                let text = |at| Text::new(line, at, TICK_SIZE);
                // The baseline of this line when all lines together are centred on 0.
                let beside = (number as f64 - (lines.len() - 1) as f64 / 2.0) * LABEL_ROW + 0.36 * TICK_SIZE;
                let at = (cells.left - BESIDE_LABELS, cells.top + middle + beside);
                scene.text(text(at).align(Align::Right));
                if self.upright {
                    scene.text(text((cells.left + middle + beside, cells.top - BESIDE_LABELS)).upwards());
                } else {
                    let up = (lines.len() - 1 - number) as f64 * LABEL_ROW + BESIDE_LABELS;
                    scene.text(text((cells.left + middle, cells.top - up)).align(Align::Center));
                }
            }
        }
    }

    fn draw_cell(&self, scene: &mut Scene, (left, top): Point, value: Option<f64>, scale: ColorScale) {
        let square = Rectangle {
            left: left + GAP,
            top: top + GAP,
            right: left + self.cell - GAP,
            bottom: top + self.cell - GAP,
        };
        let value = value.filter(|value| !value.is_nan());
        let color = value.map_or(EMPTY, |value| scale.color(value));
        fill(scene, &square, color);
        if let Some(value) = value {
            let at = (left + self.cell / 2.0, top + self.cell / 2.0 + 0.36 * TICK_SIZE);
            let text = Text::new(number(value, 2), at, TICK_SIZE).align(Align::Center);
            scene.text(text.color(color.ink()));
        }
    }
}

/// The colours from the lowest to the highest value, under the cells.
fn draw_bar(scene: &mut Scene, matrix: &Matrix, cells: &Rectangle) {
    const STEPS: u32 = 120;
    let ColorScale { low, high, .. } = matrix.scale;
    let top = cells.bottom + ABOVE_BAR;
    let bar = Rectangle {
        top,
        bottom: top + BAR,
        ..*cells
    };
    for step in 0..STEPS {
        let share = f64::from(step) / f64::from(STEPS);
        // Each reaches to the end and is covered by the next, so that no seam shows.
        let rest = Rectangle {
            left: bar.left + share * bar.width(),
            ..bar
        };
        let middle = share + 0.5 / f64::from(STEPS);
        fill(scene, &rest, matrix.scale.color(low + middle * (high - low)));
    }
    rim(scene, &bar, AXIS);
    for (value, text) in &matrix.marks {
        let x = bar.left + (value - low) / (high - low) * bar.width();
        scene.line(vec![(x, bar.bottom), (x, bar.bottom + 4.0)], AXIS);
        // Near an end, the text stays beside the bar's middle.
        let align = match (value - low) / (high - low) {
            share if share < 0.25 => Align::Left,
            share if share > 0.75 => Align::Right,
            _ => Align::Center,
        };
        let text = Text::new(text, (x, bar.bottom + 6.0 + NOTE_SIZE), NOTE_SIZE);
        scene.text(text.align(align).color(QUIET));
    }
}

fn fill(scene: &mut Scene, rectangle: &Rectangle, color: Color) {
    scene.area(corners(rectangle), color, 1.0);
}

fn rim(scene: &mut Scene, rectangle: &Rectangle, stroke: Stroke) {
    let mut points = corners(rectangle);
    points.extend_from_within(..2);
    scene.line(points, stroke);
}

fn corners(rectangle: &Rectangle) -> Vec<Point> {
    let Rectangle {
        left,
        top,
        right,
        bottom,
    } = *rectangle;
    vec![(left, top), (right, top), (right, bottom), (left, bottom)]
}

/// A number with so many decimals and a minus as typeset, never `−0.00`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => format!("−{digits}"),
        Some(digits) => digits.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_a_sign_only_if_they_are_not_zero() {
        assert_eq!(
            [0.985, -0.024, -0.004, 0.0, 1.0].map(|value| number(value, 2)),
            ["0.98", "−0.02", "0.00", "0.00", "1.00"]
        );
    }
}
