//! The legend: beside the panels, never inside one.

use super::scene::{Point, Scene, Text};
use super::theme::{Color, Family, LEGEND_SIZE, MARKER_RADIUS, MethodStyle, NOTE_SIZE, QUIET, Stroke, WHISKER};
use super::{fonts, theme};

const ROW: f64 = 23.0;
const SAMPLE: f64 = 36.0;

/// An entry that is not a method: a reference line, a band.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample {
    Line(Stroke),
    Band,
    Whisker,
    Bar(Color),
}

#[derive(Clone, Debug)]
pub(crate) struct Legend {
    pub(crate) methods: Vec<(String, MethodStyle)>,
    pub(crate) others: Vec<(String, Sample)>,
    /// What stands above the others.
    pub(crate) others_heading: Option<String>,
    /// Whether full data has a marker in the plot.
    pub(crate) baseline_marker: bool,
}

impl Legend {
    /// Two legends that stand side by side: full data and static methods, then dynamic methods and all else; or methods and all
    /// else, if that would leave the first empty.
    pub(crate) fn halves(&self) -> [Self; 2] {
        let is_right = |style: &MethodStyle| style.family == Family::Dynamic;
        let all_right = self.methods.iter().all(|(_, style)| is_right(style));
        let (right, left) = self
            .methods
            .iter()
            .cloned()
            .partition(|(_, style)| is_right(style) && !all_right);
        let half = |methods| Self {
            methods,
            others: Vec::new(),
            others_heading: None,
            baseline_marker: self.baseline_marker,
        };
        let others = Self {
            others: self.others.clone(),
            others_heading: self.others_heading.clone(),
            ..half(right)
        };
        [half(left), others]
    }

    /// The height it takes if it is no wider than `limit`.
    pub(crate) fn height(&self, limit: f64) -> f64 {
        self.draw(&mut Scene::new(limit, 0.0), (0.0, 0.0), limit)
    }

    /// Draws the legend with its top left corner at `at`, no wider than `limit`; gives its lower end.
    pub(crate) fn draw(&self, scene: &mut Scene, at: Point, limit: f64) -> f64 {
        let (left, mut y) = at;
        for family in [Family::Baseline, Family::Static, Family::Dynamic] {
            let members: Vec<_> = self
                .methods
                .iter()
                .filter(|(_, style)| style.family == family)
                .collect();
            if members.is_empty() {
                continue;
            }
            y += NOTE_SIZE;
            scene.text(Text::new(family.heading(), (left, y), NOTE_SIZE).bold().color(QUIET));
            for (label, style) in members {
                y += ROW;
                let middle = y - 0.36 * LEGEND_SIZE;
                scene.line(vec![(left, middle), (left + SAMPLE, middle)], style.stroke());
                if family != Family::Baseline || self.baseline_marker || label != "full" {
                    let at = (left + SAMPLE / 2.0, middle);
                    scene.marker(at, MARKER_RADIUS, style.marker, style.filled(), style.color);
                }
                y = label_lines(scene, label, (left + SAMPLE + 9.0, y), left + limit);
            }
            y += 14.0;
        }
        y += NOTE_SIZE - ROW;
        if let Some(heading) = &self.others_heading {
            y += ROW;
            scene.text(Text::new(heading, (left, y), NOTE_SIZE).bold().color(QUIET));
        }
        for (label, sample) in &self.others {
            y += ROW;
            let middle = y - 0.36 * LEGEND_SIZE;
            match sample {
                Sample::Line(stroke) => scene.line(vec![(left, middle), (left + SAMPLE, middle)], *stroke),
                Sample::Whisker => {
                    let center = left + SAMPLE / 2.0;
                    scene.line(vec![(center, middle - 9.0), (center, middle + 9.0)], WHISKER);
                    scene.line(vec![(center - 9.0, middle), (center + 9.0, middle)], WHISKER);
                }
                Sample::Band | Sample::Bar(_) => {
                    let (top, bottom, right) = (middle - 7.0, middle + 7.0, left + SAMPLE);
                    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
                    let (color, opacity) = match sample {
                        Sample::Bar(color) => (*color, 1.0),
                        _ => (theme::BLACK, theme::BAND_OPACITY),
                    };
                    scene.area(corners, color, opacity);
                }
            }
            y = label_lines(scene, label, (left + SAMPLE + 9.0, y), left + limit);
        }
        y + 0.5 * LEGEND_SIZE
    }
}

/// Writes a label in as many lines as it needs; gives the last baseline.
fn label_lines(scene: &mut Scene, label: &str, (left, first): Point, right: f64) -> f64 {
    let mut y = first;
    for (index, line) in fonts::wrap_tightly(label, LEGEND_SIZE, false, right - left)
        .into_iter()
        .enumerate()
    {
        y = first + index as f64 * (LEGEND_SIZE + 3.0);
        scene.text(Text::new(line, (left, y), LEGEND_SIZE));
    }
    y
}
