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

/// The places of panels, by column and row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    columns: usize,
    rows: usize,
    area: Rectangle,
}

/// A scene with its words and its legend, and the places of its panels. The scene grows with what it has to hold.
pub(crate) fn begin(words: &Words, legend: &Legend, columns: usize, rows: usize) -> (Scene, Grid) {
    let width = if columns == 1 {
        960.0
    } else {
        320.0 + 400.0 * columns as f64
    };
    let above = if columns * rows > 1 { ABOVE_PANEL } else { 0.0 };
    let panels = if rows == 1 { 440.0 } else { 380.0 * rows as f64 };
    let height = panels.max(above + legend.height(LEGEND_WIDTH));

    let (scene, area) = between_words(words, width, height, |scene, area| {
        legend.draw(scene, (area.right - LEGEND_WIDTH, area.top + above), LEGEND_WIDTH);
    });
    (scene, Grid { columns, rows, area })
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
        let Self { columns, rows, area } = self;
        let share = |length: f64, gap: f64, count: usize| (length - gap * (count - 1) as f64) / count as f64;
        let first_left = area.left + LEFT_OF_PANEL;
        let width = share(
            area.right - LEGEND_WIDTH - BEFORE_LEGEND - first_left,
            COLUMN_GAP,
            *columns,
        );
        let height = share(area.height(), ROW_GAP, *rows);
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
