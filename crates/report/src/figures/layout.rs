//! Panels in columns and rows, with the legend to their right.

use crate::plot::scene::{Point, Rectangle};

const LEGEND: f64 = 196.0;
const LEFT: f64 = 44.0;
const GAP: f64 = 74.0;
const BELOW: f64 = 54.0;
const ABOVE: f64 = 22.0;

pub(super) struct Layout {
    columns: usize,
    rows: usize,
}

impl Layout {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns: columns.max(1), rows: rows.max(1) }
    }

    pub(super) fn width(&self) -> f64 {
        if self.columns == 1 { 960.0 } else { 340.0 + 430.0 * self.columns as f64 }
    }

    pub(super) fn height(&self) -> f64 {
        if self.rows == 1 { 440.0 } else { 400.0 * self.rows as f64 }
    }

    pub(super) fn legend_width(&self) -> f64 {
        LEGEND
    }

    /// The top left corner of the legend.
    pub(super) fn legend(&self, area: &Rectangle) -> Point {
        (area.right - LEGEND, area.top + if self.heads() { ABOVE } else { 0.0 })
    }

    /// The inside of a panel.
    pub(super) fn panel(&self, area: &Rectangle, column: usize, row: usize) -> Rectangle {
        let above = if self.heads() { ABOVE } else { 0.0 };
        let right = area.right - LEGEND - 26.0;
        let left = area.left + LEFT;
        let width = (right - left - GAP * (self.columns - 1) as f64) / self.columns as f64;
        let height = area.height() / self.rows as f64;
        let (left, top) = (left + column as f64 * (width + GAP), area.top + row as f64 * height);
        Rectangle { left, top: top + above, right: left + width, bottom: top + height - BELOW }
    }

    /// Whether panels have headings.
    fn heads(&self) -> bool {
        self.columns * self.rows > 1
    }
}
