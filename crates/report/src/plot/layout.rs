//! Where everything stands: words above and below, panels in columns and rows, the legend to their right.

use super::fonts;
use super::legend::Legend;
use super::scene::{Align, Rectangle, Scene, Text};
use super::theme::{Color, INK, NOTE_SIZE, QUIET, SUBTITLE_SIZE, TITLE_SIZE};

pub(crate) const MARGIN: f64 = 22.0;
pub(crate) const LEGEND_WIDTH: f64 = 196.0;
pub(crate) const BEFORE_LEGEND: f64 = 26.0;
/// Room for what belongs to a panel but stands outside it: marks, labels, heading.
pub(crate) const LEFT_OF_PANEL: f64 = 52.0;
pub(crate) const BELOW_PANEL: f64 = 54.0;
const ABOVE_PANEL: f64 = 22.0;
const COLUMN_GAP: f64 = 78.0;
const ROW_GAP: f64 = 26.0;

/// The words round a figure.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) title: String,
    pub(crate) subtitles: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) footer: String,
}

/// What a picture is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page on a screen: panels side by side, the legend to their right.
    #[default]
    Page,
    /// A column of a two-column paper: panels one below the other, the legend below them. Printed 84 mm wide, its letters have
    /// 7 points.
    Column,
}

/// The places of panels, by column and row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    columns: usize,
    rows: usize,
    area: Rectangle,
    format: Format,
}

/// The width of a picture for a column.
const NARROW: f64 = 480.0;
/// Between the panels and a legend below them.
const ABOVE_LEGEND: f64 = 8.0;
/// Between the two halves of a legend.
const LEGEND_GAP: f64 = 18.0;

/// A scene with its words and its legend, and the places of its panels. The scene grows with what it has to hold.
pub(crate) fn begin(words: &Words, legend: &Legend, format: Format, columns: usize, rows: usize) -> (Scene, Grid) {
    let above = if columns * rows > 1 { ABOVE_PANEL } else { 0.0 };
    let grid = |area| Grid {
        columns,
        rows,
        area,
        format,
    };
    match format {
        Format::Page => {
            let width = if columns == 1 {
                960.0
            } else {
                320.0 + 400.0 * columns as f64
            };
            let panels = if rows == 1 { 440.0 } else { 380.0 * rows as f64 };
            let height = panels.max(above + legend.height(LEGEND_WIDTH));
            let (scene, area) = between_words(words, width, height, |scene, area| {
                legend.draw(scene, (area.right - LEGEND_WIDTH, area.top + above), LEGEND_WIDTH);
            });
            (scene, grid(area))
        }
        Format::Column => {
            // More than two below each other are lower, for the page.
            let each = if columns * rows > 2 { 290.0 } else { 370.0 };
            let panels = each * (columns * rows) as f64;
            let limit = (NARROW - 2.0 * MARGIN - LEGEND_GAP) / 2.0;
            let halves = legend.halves();
            let below = halves
                .each_ref()
                .map(|half| half.height(limit))
                .into_iter()
                .fold(0.0, f64::max);
            let height = panels + ABOVE_LEGEND + below;
            let (scene, area) = between_words(words, NARROW, height, |scene, area| {
                let top = area.top + panels + ABOVE_LEGEND;
                for (half, left) in halves.iter().zip([area.left, area.left + limit + LEGEND_GAP]) {
                    half.draw(scene, (left, top), limit);
                }
            });
            let bottom = area.top + panels;
            (scene, grid(Rectangle { bottom, ..area }))
        }
    }
}

/// A scene with its words and what `draw` draws between them, in an area of the given height. Gives the area.
pub(crate) fn between_words(
    words: &Words,
    width: f64,
    height: f64,
    draw: impl FnOnce(&mut Scene, &Rectangle),
) -> (Scene, Rectangle) {
    let mut scene = Scene::new(width, 0.0);
    let mut y = MARGIN - 4.0;
    y = write(&mut scene, &[&words.title], TITLE_SIZE, true, INK, y);
    y = write(&mut scene, &words.subtitles, SUBTITLE_SIZE, false, QUIET, y);
    let area = Rectangle {
        left: MARGIN,
        top: y + 22.0,
        right: width - MARGIN,
        bottom: y + 22.0 + height,
    };
    draw(&mut scene, &area);
    y = write(&mut scene, &words.notes, NOTE_SIZE, false, INK, area.bottom + 4.0);
    y += NOTE_SIZE + 10.0;
    let footer = Text::new(&words.footer, (width - MARGIN, y), NOTE_SIZE - 1.0).color(QUIET);
    scene.text(footer.align(Align::Right));
    scene.height = (y + 14.0).ceil();
    (scene, area)
}

impl Grid {
    /// The inside of a panel.
    pub(crate) fn panel(&self, column: usize, row: usize) -> Rectangle {
        let area = &self.area;
        let share = |length: f64, gap: f64, count: usize| (length - gap * (count - 1) as f64) / count as f64;
        let (columns, rows, column, row, right) = match self.format {
            Format::Page => {
                let right = area.right - LEGEND_WIDTH - BEFORE_LEGEND;
                (self.columns, self.rows, column, row, right)
            }
            Format::Column => (1, self.columns * self.rows, 0, column + row * self.columns, area.right),
        };
        let first_left = area.left + LEFT_OF_PANEL;
        let width = share(right - first_left, COLUMN_GAP, columns);
        let height = share(area.height(), ROW_GAP, rows);
        let left = first_left + column as f64 * (width + COLUMN_GAP);
        let top = area.top + row as f64 * (height + ROW_GAP);
        let above = if self.has_headings() { ABOVE_PANEL } else { 0.0 };
        Rectangle {
            left,
            top: top + above,
            right: left + width,
            bottom: top + height - BELOW_PANEL,
        }
    }

    /// Whether panels of a row stand side by side, so that one label of the axis serves all.
    pub(crate) fn is_side_by_side(&self) -> bool {
        self.format == Format::Page
    }

    /// Whether there is more than one panel, so that each needs a heading.
    pub(crate) fn has_headings(&self) -> bool {
        self.columns * self.rows > 1
    }
}

/// Writes lines, broken where needed, below `y`; gives the last baseline.
fn write(scene: &mut Scene, texts: &[impl AsRef<str>], size: f64, bold: bool, color: Color, mut y: f64) -> f64 {
    let limit = scene.width - 2.0 * MARGIN;
    for line in texts
        .iter()
        .flat_map(|text| fonts::wrap(text.as_ref(), size, bold, limit))
    {
        y += size + 6.0;
        let text = Text::new(line, (MARGIN, y), size).color(color);
        scene.text(if bold { text.bold() } else { text });
    }
    y
}
