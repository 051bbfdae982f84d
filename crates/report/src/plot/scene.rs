//! A picture as a list of shapes, in logical pixels from the top left, drawn in order.

use super::fonts;
use super::theme::{Color, Dash, INK, Marker, Stroke, WHITE};

pub(crate) type Point = (f64, f64);

#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Area {
        points: Vec<Point>,
        color: Color,
        opacity: f64,
    },
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    Text(Text),
    Picture(Picture),
}

/// A photograph, each of its pixels an upright rectangle of one colour. Nothing is drawn over it.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) at: Rectangle,
    /// Pixels from left to right.
    pub(crate) width: u32,
    /// Pixels from top to bottom.
    pub(crate) height: u32,
    /// Row by row from the top.
    pub(crate) pixels: Vec<Color>,
}

/// A line of text. `at` is on its baseline, at the end or middle that `align` names.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) at: Point,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) color: Color,
    pub(crate) align: Align,
    /// Reads upwards.
    pub(crate) upwards: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// An upright rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rectangle {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Text {
    pub(crate) fn new(text: impl Into<String>, at: Point, size: f64) -> Self {
        Self {
            text: text.into(),
            at,
            size,
            bold: false,
            color: INK,
            align: Align::Left,
            upwards: false,
        }
    }

    pub(crate) fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    pub(crate) fn color(self, color: Color) -> Self {
        Self { color, ..self }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    /// What the text covers, from the tops of its capitals to the ends of its descenders.
    pub(crate) fn bounds(&self) -> Rectangle {
        let length = fonts::width(&self.text, self.size, self.bold);
        let before = match self.align {
            Align::Left => 0.0,
            Align::Center => length / 2.0,
            Align::Right => length,
        };
        let (above, below) = (0.74 * self.size, 0.22 * self.size);
        let (x, y) = self.at;
        if self.upwards {
            Rectangle {
                left: x - above,
                right: x + below,
                top: y + before - length,
                bottom: y + before,
            }
        } else {
            Rectangle {
                left: x - before,
                right: x - before + length,
                top: y - above,
                bottom: y + below,
            }
        }
    }
}

impl Rectangle {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            shapes: Vec::new(),
        }
    }

    pub(crate) fn area(&mut self, points: Vec<Point>, color: Color, opacity: f64) {
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, color, opacity });
        }
    }

    pub(crate) fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, stroke });
        }
    }

    pub(crate) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }

    pub(crate) fn picture(&mut self, picture: Picture) {
        self.shapes.push(Shape::Picture(picture));
    }

    /// A marker of the given half-width: filled with a white rim, or open with a coloured one.
    pub(crate) fn marker(&mut self, at: Point, radius: f64, marker: Marker, filled: bool, color: Color) {
        let outline = |radius: f64| -> Vec<Point> {
            marker
                .outline()
                .into_iter()
                .map(|(x, y)| (at.0 + radius * x, at.1 + radius * y))
                .collect()
        };
        let mut rim = outline(radius);
        rim.extend_from_within(..2);
        if filled {
            self.line(
                rim,
                Stroke {
                    color: WHITE,
                    width: 2.0,
                    dash: Dash::Solid,
                },
            );
            self.area(outline(radius), color, 1.0);
        } else {
            self.area(outline(radius), WHITE, 1.0);
            self.line(
                rim,
                Stroke {
                    color,
                    width: 1.8,
                    dash: Dash::Solid,
                },
            );
        }
    }

    #[cfg(test)]
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.shapes.iter().filter_map(|shape| {
            if let Shape::Text(text) = shape {
                Some(text)
            } else {
                None
            }
        })
    }
}

/// The part of a polygon inside a rectangle (Sutherland and Hodgman 1974).
pub(crate) fn clip_area(points: Vec<Point>, inside: &Rectangle) -> Vec<Point> {
    let swap = |(x, y): Point| (y, x);
    let points = keep_above(points, inside.top, 1.0);
    let points = keep_above(points, inside.bottom, -1.0);
    let turned: Vec<Point> = points.into_iter().map(swap).collect();
    let turned = keep_above(turned, inside.left, 1.0);
    let turned = keep_above(turned, inside.right, -1.0);
    turned.into_iter().map(swap).collect()
}

/// The pieces of a line between two heights.
pub(crate) fn clip_line(points: &[Point], (top, bottom): (f64, f64)) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let share = |y: f64| (y - from.1) / (to.1 - from.1);
        // Where the segment is between the heights, as shares of its length.
        let (first, last) = match to.1 - from.1 {
            0.0 if (top..=bottom).contains(&from.1) => (0.0, 1.0),
            0.0 => continue,
            rise if rise > 0.0 => (share(top).max(0.0), share(bottom).min(1.0)),
            _ => (share(bottom).max(0.0), share(top).min(1.0)),
        };
        if first >= last {
            continue;
        }
        // A point that is kept is the same to the bit, so that pieces hang together.
        let at = |share: f64| match share {
            1.0 => to,
            _ => (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)),
        };
        match pieces.last_mut().filter(|piece| piece.last() == Some(&at(first))) {
            Some(piece) => piece.push(at(last)),
            None => pieces.push(vec![at(first), at(last)]),
        }
    }
    pieces
}

/// The part of a polygon where `sign * (y - limit) >= 0`.
fn keep_above(points: Vec<Point>, limit: f64, sign: f64) -> Vec<Point> {
    let mut kept = Vec::with_capacity(points.len() + 2);
    for (index, &to) in points.iter().enumerate() {
        let from = points[(index + points.len() - 1) % points.len()];
        let (before, after) = (sign * (from.1 - limit), sign * (to.1 - limit));
        if (before < 0.0) != (after < 0.0) {
            let share = before / (before - after);
            kept.push((from.0 + share * (to.0 - from.0), limit));
        }
        if after >= 0.0 {
            kept.push(to);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Rectangle, Scene, Text, clip_area, clip_line};

    fn area(points: &[(f64, f64)]) -> f64 {
        let next = points.iter().cycle().skip(1);
        points
            .iter()
            .zip(next)
            .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
            .sum::<f64>()
            .abs()
            / 2.0
    }

    #[test]
    fn clipping_keeps_exactly_the_part_inside() {
        let window = Rectangle {
            left: 0.0,
            top: 0.0,
            right: 2.0,
            bottom: 1.0,
        };
        // A triangle of area 8 that covers the window's lower left half and more.
        let clipped = clip_area(vec![(-1.0, 1.5), (-1.0, -0.5), (3.0, 1.5)], &window);
        assert!(
            clipped
                .iter()
                .all(|(x, y)| (0.0..=2.0).contains(x) && (0.0..=1.0).contains(y)),
            "{clipped:?}"
        );
        // Inside, the edge runs from (0, 0) to (2, 1).
        assert!((area(&clipped) - 1.0).abs() < 1e-12, "{clipped:?}");
        assert!(clip_area(vec![(5.0, 5.0), (6.0, 5.0), (6.0, 6.0)], &window).is_empty());
    }

    #[test]
    fn a_line_is_cut_where_it_leaves_and_comes_back() {
        let line = [(0.0, 2.0), (1.0, 2.0), (2.0, 10.0), (3.0, 2.0), (4.0, -2.0)];
        assert_eq!(
            clip_line(&line, (0.0, 6.0)),
            [
                vec![(0.0, 2.0), (1.0, 2.0), (1.5, 6.0)],
                vec![(2.5, 6.0), (3.0, 2.0), (3.5, 0.0)]
            ]
        );
        assert!(clip_line(&line, (20.0, 30.0)).is_empty());
        let inside = [(0.1, 0.3), (0.7, 0.1), (0.2, 0.9), (1.1, 0.6)];
        assert_eq!(clip_line(&inside, (0.0, 1.0)), [inside.to_vec()]);
    }

    #[test]
    fn rotated_text_covers_a_rotated_box() {
        let text = Text::new("accuracy", (50.0, 50.0), 10.0);
        let (level, upright) = (text.clone().bounds(), text.upwards().bounds());
        assert!((level.width() - upright.height()).abs() < 1e-9 && (level.height() - upright.width()).abs() < 1e-9);
    }

    #[test]
    fn lines_of_one_point_are_left_out() {
        let mut scene = Scene::new(10.0, 10.0);
        scene.line(vec![(1.0, 1.0)], super::super::theme::GRID);
        assert!(scene.shapes.is_empty());
    }
}
