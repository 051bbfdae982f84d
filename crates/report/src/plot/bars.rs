//! Stacked level bars in named groups: the names stand once to the left of all panels, the bars in a panel each.

use super::axes::Panel;
use super::fonts;
use super::scene::{Align, Point, Rectangle, Scene, Text};
use super::theme::{BLACK, Color, Dash, GRID, NOTE_SIZE, QUIET, Stroke, TICK_SIZE, WHITE};

/// From one bar to the next.
const PITCH: f64 = 15.0;
const THICKNESS: f64 = 11.0;
/// Between groups.
const GAP: f64 = 9.0;
/// Group names are broken to this width where they have spaces.
const NAME_WIDTH: f64 = 150.0;
const NAME_ROW: f64 = 16.0;
const BESIDE: f64 = 9.0;

/// Bars that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// What stands beside each bar; may be empty.
    pub(crate) labels: Vec<String>,
}

/// A bar: lengths in units of the panel's x axis, from the left, and what is written at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bar {
    pub(crate) parts: Vec<(f64, Color)>,
    pub(crate) text: String,
}

/// The groups and the room they take.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Name in lines, and labels.
    groups: Vec<(Vec<String>, Vec<String>)>,
    names_width: f64,
    labels_width: f64,
}

impl Bar {
    pub(crate) fn length(&self) -> f64 {
        self.parts.iter().map(|(length, _)| length).sum()
    }
}

impl Rows {
    pub(crate) fn new(groups: &[Group]) -> Self {
        let width = |text: &String, size| fonts::width(text, size, false);
        let wrapped = |group: &Group| fonts::wrap_tightly(&group.name, TICK_SIZE, false, NAME_WIDTH);
        let groups: Vec<_> = groups
            .iter()
            .map(|group| (wrapped(group), group.labels.clone()))
            .collect();
        let names = groups.iter().flat_map(|(lines, _)| lines);
        let labels = groups.iter().flat_map(|(_, labels)| labels);
        Self {
            names_width: names.map(|line| width(line, TICK_SIZE)).fold(0.0, f64::max),
            labels_width: labels.map(|label| width(label, NOTE_SIZE)).fold(0.0, f64::max),
            groups,
        }
    }

    /// The room to the left of the first panel.
    pub(crate) fn left(&self) -> f64 {
        self.names_width + BESIDE + self.labels_width + BESIDE
    }

    pub(crate) fn height(&self) -> f64 {
        self.tops().last().copied().unwrap_or(0.0)
    }

    /// The upper end of each group, and the lower end of all.
    fn tops(&self) -> Vec<f64> {
        let mut tops = vec![0.0];
        for (lines, labels) in &self.groups {
            let needed = (labels.len() as f64 * PITCH).max(lines.len() as f64 * NAME_ROW);
            tops.push(tops.last().copied().unwrap_or(0.0) + needed + GAP);
        }
        tops
    }

    /// The middles of a group's bars.
    fn middles(top: f64, bottom: f64, count: usize) -> impl Iterator<Item = f64> {
        let first = (top + bottom - count as f64 * PITCH) / 2.0;
        (0..count).map(move |index| first + (index as f64 + 0.5) * PITCH)
    }

    /// Writes names and labels to the left of `panel`, whose height is [`Rows::height`].
    pub(crate) fn draw_names(&self, scene: &mut Scene, panel: &Rectangle) {
        let tops = self.tops();
        let label_right = panel.left - BESIDE;
        let name_right = label_right - self.labels_width - BESIDE;
        for ((lines, labels), ends) in self.groups.iter().zip(tops.windows(2)) {
            let (top, bottom) = (panel.top + ends[0], panel.top + ends[1]);
            for (number, line) in lines.iter().enumerate() {
                let offset = (number as f64 - (lines.len() - 1) as f64 / 2.0) * NAME_ROW + 0.36 * TICK_SIZE;
                let at = (name_right, (top + bottom) / 2.0 + offset);
                scene.text(Text::new(line, at, TICK_SIZE).align(Align::Right));
            }
            for (label, middle) in labels.iter().zip(Self::middles(top, bottom, labels.len())) {
                let at = (label_right, middle + 0.36 * NOTE_SIZE);
                if !label.is_empty() {
                    scene.text(Text::new(label, at, NOTE_SIZE).align(Align::Right).color(QUIET));
                }
            }
        }
    }

    /// Draws the bars of each group into the panel, after its grid. Longer ones than `limit` are broken; `reference` is a value
    /// with a line behind the numbers.
    pub(crate) fn draw_bars(
        &self,
        scene: &mut Scene,
        panel: &Panel,
        bars: &[Vec<Bar>],
        limit: f64,
        reference: (f64, Stroke),
    ) {
        let inside = panel.inside;
        let tops = self.tops();
        for top in &tops[1..tops.len().saturating_sub(1).max(1)] {
            let y = inside.top + top;
            scene.line(vec![(inside.left, y), (inside.right, y)], GRID);
        }
        let mut texts = Vec::new();
        for (bars, ends) in bars.iter().zip(tops.windows(2)) {
            let (top, bottom) = (inside.top + ends[0], inside.top + ends[1]);
            for (bar, middle) in bars.iter().zip(Self::middles(top, bottom, bars.len())) {
                let end = draw_bar(scene, panel, bar, limit, middle);
                let at = (end + 4.0, middle + 0.36 * NOTE_SIZE);
                texts.push(Text::new(&bar.text, at, NOTE_SIZE));
            }
        }
        let (value, stroke) = reference;
        let (x, _) = panel.at((value, panel.y.range.0));
        scene.line(vec![(x, inside.top), (x, inside.bottom)], stroke);
        for text in texts.into_iter().filter(|text| !text.text.is_empty()) {
            let Rectangle {
                left,
                top,
                right,
                bottom,
            } = text.bounds();
            let corners = vec![
                (left - 2.0, top),
                (right + 2.0, top),
                (right + 2.0, bottom),
                (left - 2.0, bottom),
            ];
            scene.area(corners, WHITE, 1.0);
            scene.text(text);
        }
    }
}

/// Draws a bar from 0; gives its right end. One that is longer than `limit` is broken in its longest part.
fn draw_bar(scene: &mut Scene, panel: &Panel, bar: &Bar, limit: f64, middle: f64) -> f64 {
    let (parts, broken) = shortened(&bar.parts, limit);
    let x = |value: f64| panel.at((value, panel.y.range.0)).0;
    let (top, bottom) = (middle - THICKNESS / 2.0, middle + THICKNESS / 2.0);
    let mut from = 0.0;
    for (index, &(length, color)) in parts.iter().enumerate() {
        let (left, right) = (x(from), x(from + length));
        if right > left {
            scene.area(
                vec![(left, top), (right, top), (right, bottom), (left, bottom)],
                color,
                1.0,
            );
        }
        if broken == Some(index) {
            break_mark(scene, (left + 0.8 * (right - left), middle));
        }
        from += length;
    }
    x(from)
}

/// The parts, of which the longest gives way if all together are longer than `limit`, and its index then.
fn shortened(parts: &[(f64, Color)], limit: f64) -> (Vec<(f64, Color)>, Option<usize>) {
    let mut parts = parts.to_vec();
    let excess = parts.iter().map(|(length, _)| length).sum::<f64>() - limit;
    let longest = (0..parts.len()).max_by(|&a, &b| parts[a].0.total_cmp(&parts[b].0));
    let Some(longest) = longest.filter(|_| excess > 1e-9) else {
        return (parts, None);
    };
    parts[longest].0 = (parts[longest].0 - excess).max(0.0);
    // What is still too long ends at the limit.
    let mut left = limit;
    for (length, _) in &mut parts {
        *length = length.min(left);
        left -= *length;
    }
    (parts, Some(longest))
}

/// Two slanted lines with white between them.
fn break_mark(scene: &mut Scene, (x, y): Point) {
    let (half, reach, slant) = (2.5, THICKNESS / 2.0 + 1.5, 3.0);
    let at = |side: f64, end: f64| (x + side * half - end * slant, y + end * reach);
    scene.area(
        vec![at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)],
        WHITE,
        1.0,
    );
    let stroke = Stroke {
        color: BLACK,
        width: 1.0,
        dash: Dash::Solid,
    };
    for side in [-1.0, 1.0] {
        scene.line(vec![at(side, -1.0), at(side, 1.0)], stroke);
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;
    use crate::plot::theme::{BLACK, WHITE};

    #[test]
    fn the_longest_part_of_a_long_bar_gives_way() {
        let lengths = |parts: &[f64], limit| {
            let parts: Vec<_> = parts.iter().map(|&length| (length, BLACK)).collect();
            let (parts, broken) = shortened(&parts, limit);
            (parts.into_iter().map(|(length, _)| length).collect::<Vec<_>>(), broken)
        };
        assert_eq!(lengths(&[0.5, 1.0, 0.25], 2.0), (vec![0.5, 1.0, 0.25], None));
        assert_eq!(lengths(&[0.5, 5.0, 0.25], 2.0), (vec![0.5, 1.25, 0.25], Some(1)));
        assert_eq!(lengths(&[4.0, 5.0, 0.25], 2.0), (vec![2.0, 0.0, 0.0], Some(1)));
        assert_eq!(shortened(&[], 1.0), (vec![], None));
        assert_eq!(shortened(&[(3.0, WHITE)], 1.0), (vec![(1.0, WHITE)], Some(0)));
    }
}
