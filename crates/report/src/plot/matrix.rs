//! A table of numbers, each cell in the colour of its number.

use super::fonts;
use super::scene::{Align, Point, Rectangle, Scene, Text};
use super::theme::{AXIS, Color, ColorScale, EMPTY, GRID, LABEL_SIZE, NOTE_SIZE, QUIET, Stroke, TICK_SIZE};

const HEADING: f64 = 32.0;
/// Labels are broken to this width where they have spaces.
const LABEL_WIDTH: f64 = 150.0;
const LABEL_ROW: f64 = 16.0;
const BESIDE_LABELS: f64 = 9.0;
/// Room for what rows or columns are values of.
const TITLE: f64 = 28.0;
/// The smallest cell that holds a number and its uncertainty below it.
const TWO_LINES: f64 = 56.0;
/// White between cells.
const GAP: f64 = 1.0;
const ABOVE_BAR: f64 = 16.0;
const BAR: f64 = 9.0;
const BELOW_BAR: f64 = 24.0;

/// What a matrix shows.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) heading: String,
    /// Row by row.
    pub(crate) cells: Vec<Vec<Cell>>,
    pub(crate) scale: ColorScale,
    /// Marks on the colour bar: value and text. Without any there is no bar.
    pub(crate) marks: Vec<(f64, String)>,
}

/// A cell: its number, which gives the colour, and what is written in it, the first line larger than the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    /// `None` is a number that does not exist.
    pub(crate) value: Option<f64>,
    pub(crate) lines: Vec<String>,
}

/// The labels of rows or columns.
#[derive(Clone, Debug)]
struct Labels {
    /// What they are values of; may be empty.
    title: String,
    /// Each in one or more lines.
    lines: Vec<Vec<String>>,
    width: f64,
    /// The height of the label with the most lines.
    height: f64,
}

/// The labels of rows and columns, and the room that they and the cells take.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    rows: Labels,
    columns: Labels,
    /// Whether the columns' labels are too long to stand level.
    upright: bool,
    cell: f64,
}

impl Labels {
    fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let wrapped = |label: &str| fonts::wrap(label, TICK_SIZE, false, LABEL_WIDTH);
        let lines: Vec<Vec<String>> = labels.into_iter().map(wrapped).collect();
        let widths = lines.iter().flatten().map(|line| fonts::width(line, TICK_SIZE, false));
        Self {
            title: String::new(),
            width: widths.fold(0.0, f64::max),
            height: LABEL_ROW * lines.iter().map(Vec::len).max().unwrap_or(0) as f64,
            lines,
        }
    }

    fn title_room(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { TITLE }
    }
}

impl Frame {
    /// A table between the same things.
    pub(crate) fn square<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let labels = Labels::new(labels);
        Self::of(labels.clone(), labels, 48.0)
    }

    /// A table between different things. Its cells have room for two lines.
    pub(crate) fn table<'a>(
        rows: impl IntoIterator<Item = &'a str>,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::of(Labels::new(rows), Labels::new(columns), TWO_LINES)
    }

    /// Says what rows and columns are values of.
    pub(crate) fn with_titles(mut self, rows: String, columns: String) -> Self {
        self.rows.title = rows;
        self.columns.title = columns;
        self
    }

    fn of(rows: Labels, columns: Labels, smallest: f64) -> Self {
        let most = rows.lines.len().max(columns.lines.len());
        let cell = (420.0 / most as f64).clamp(smallest, 76.0);
        let cell = cell.max(rows.height.max(columns.height) + 4.0);
        Self {
            upright: columns.width > cell - 6.0,
            rows,
            columns,
            cell,
        }
    }

    /// The size of a cell in place of the usual one.
    pub(crate) fn with_cell(self, cell: f64) -> Self {
        Self { cell, ..self }
    }

    pub(crate) fn cell(&self) -> f64 {
        self.cell
    }

    fn left(&self) -> f64 {
        self.rows.title_room() + self.rows.width + BESIDE_LABELS
    }

    /// The room for the heading and the columns' labels.
    pub(crate) fn above(&self) -> f64 {
        let length = if self.upright {
            self.columns.width
        } else {
            self.columns.height
        };
        HEADING + self.columns.title_room() + length + BESIDE_LABELS
    }

    pub(crate) fn width(&self, matrix: &Matrix) -> f64 {
        let heading = fonts::width(&matrix.heading, LABEL_SIZE, true);
        self.left() + (self.cell * self.columns.lines.len() as f64).max(heading)
    }

    pub(crate) fn height(&self) -> f64 {
        self.above() + self.cell * self.rows.lines.len() as f64 + ABOVE_BAR + BAR + BELOW_BAR
    }

    /// Draws a matrix with its top left corner at `at`.
    pub(crate) fn draw(&self, scene: &mut Scene, matrix: &Matrix, (left, top): Point) {
        let (cells_left, cells_top) = (left + self.left(), top + self.above());
        scene.text(Text::new(&matrix.heading, (cells_left, top + LABEL_SIZE), LABEL_SIZE).bold());
        let cells = Rectangle {
            left: cells_left,
            top: cells_top,
            right: cells_left + self.cell * self.columns.lines.len() as f64,
            bottom: cells_top + self.cell * self.rows.lines.len() as f64,
        };
        self.draw_titles(scene, &cells, (left, top));
        self.draw_row_labels(scene, &cells);
        self.draw_column_labels(scene, &cells);
        for (row, values) in matrix.cells.iter().enumerate() {
            for (column, cell) in values.iter().enumerate() {
                let corner = (
                    cells.left + column as f64 * self.cell,
                    cells.top + row as f64 * self.cell,
                );
                self.draw_cell(scene, corner, cell, matrix.scale);
            }
        }
        rim(scene, &cells, GRID);
        if !matrix.marks.is_empty() {
            draw_bar(scene, matrix, &cells);
        }
    }

    fn draw_titles(&self, scene: &mut Scene, cells: &Rectangle, (left, top): Point) {
        if !self.columns.title.is_empty() {
            let at = ((cells.left + cells.right) / 2.0, top + HEADING + LABEL_SIZE - 4.0);
            scene.text(Text::new(&self.columns.title, at, LABEL_SIZE).align(Align::Center));
        }
        if !self.rows.title.is_empty() {
            let at = (left + LABEL_SIZE, (cells.top + cells.bottom) / 2.0);
            let text = Text::new(&self.rows.title, at, LABEL_SIZE);
            scene.text(text.align(Align::Center).upwards());
        }
    }

    fn draw_row_labels(&self, scene: &mut Scene, cells: &Rectangle) {
        for (index, lines) in self.rows.lines.iter().enumerate() {
            for (number, line) in lines.iter().enumerate() {
                let middle = cells.top + (index as f64 + 0.5) * self.cell;
                let at = (cells.left - BESIDE_LABELS, middle + centred(number, lines.len()));
                scene.text(Text::new(line, at, TICK_SIZE).align(Align::Right));
            }
        }
    }

    fn draw_column_labels(&self, scene: &mut Scene, cells: &Rectangle) {
        for (index, lines) in self.columns.lines.iter().enumerate() {
            let middle = cells.left + (index as f64 + 0.5) * self.cell;
            for (number, line) in lines.iter().enumerate() {
                let text = |at| Text::new(line, at, TICK_SIZE);
                if self.upright {
                    let x = middle + centred(number, lines.len());
                    scene.text(text((x, cells.top - BESIDE_LABELS)).upwards());
                } else {
                    let up = (lines.len() - 1 - number) as f64 * LABEL_ROW + BESIDE_LABELS;
                    scene.text(text((middle, cells.top - up)).align(Align::Center));
                }
            }
        }
    }

    fn draw_cell(&self, scene: &mut Scene, (left, top): Point, cell: &Cell, scale: ColorScale) {
        let square = Rectangle {
            left: left + GAP,
            top: top + GAP,
            right: left + self.cell - GAP,
            bottom: top + self.cell - GAP,
        };
        let color = cell.value.map_or(EMPTY, |value| scale.color(value));
        let ink = cell.value.map_or(QUIET, |_| color.ink());
        fill(scene, &square, color);
        let middle = (left + self.cell / 2.0, top + self.cell / 2.0);
        for (number, line) in cell.lines.iter().enumerate() {
            let size = if number == 0 { TICK_SIZE } else { NOTE_SIZE };
            let at = (middle.0, middle.1 + centred(number, cell.lines.len()));
            scene.text(Text::new(line, at, size).align(Align::Center).color(ink));
        }
    }
}

/// Where the baseline of a line stands when all `count` lines together are centred on 0.
fn centred(number: usize, count: usize) -> f64 {
    (number as f64 - (count - 1) as f64 / 2.0) * LABEL_ROW + 0.36 * TICK_SIZE
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
