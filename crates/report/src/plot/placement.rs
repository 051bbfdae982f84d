//! Labels of points, put where they cover nothing.

use super::scene::{Align, Point, Rectangle, Text};

/// The least distance between labels on a line.
const BETWEEN: f64 = 6.0;

/// What is already drawn and must stay visible.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    boxes: Vec<Rectangle>,
}

impl Taken {
    pub(crate) fn marker(&mut self, (x, y): Point, radius: f64) {
        self.boxes.push(Rectangle {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        });
    }

    /// A line, as a chain of small boxes.
    pub(crate) fn line(&mut self, points: &[Point]) {
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let steps = ((x1 - x0).hypot(y1 - y0) / 3.0).ceil().max(1.0) as u32;
            for step in 0..=steps {
                let share = f64::from(step) / f64::from(steps);
                self.marker((x0 + share * (x1 - x0), y0 + share * (y1 - y0)), 1.5);
            }
        }
    }

    pub(crate) fn is_free(&self, bounds: &Rectangle) -> bool {
        self.boxes.iter().all(|taken| !taken.overlaps(bounds))
    }

    /// The label beside the point, inside `inside`, where nothing is covered; `None` if there is no such place.
    pub(crate) fn place(&mut self, label: Text, (x, y): Point, inside: &Rectangle) -> Option<Text> {
        let (near, up) = (10.0, 0.36 * label.size);
        let candidates = [
            (x, y - near, Align::Center),
            (x, y + near + 2.0 * up, Align::Center),
            (x + near, y + up, Align::Left),
            (x - near, y + up, Align::Right),
            (x + near, y - near + up, Align::Left),
            (x - near, y - near + up, Align::Right),
            (x + near, y + near + up, Align::Left),
            (x - near, y + near + up, Align::Right),
        ];
        let free = |text: &Text| inside.contains(&text.bounds()) && self.is_free(&text.bounds());
        let texts = candidates.into_iter().map(|(x, y, align)| {
            Text {
                at: (x, y),
                ..label.clone()
            }
            .align(align)
        });
        let placed = texts.into_iter().find(free)?;
        // Two labels must not read as one.
        let bounds = placed.bounds();
        self.boxes.push(Rectangle {
            left: bounds.left - BETWEEN,
            right: bounds.right + BETWEEN,
            ..bounds
        });
        Some(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::Taken;
    use crate::plot::scene::{Rectangle, Text};

    const WINDOW: Rectangle = Rectangle {
        left: 0.0,
        top: 0.0,
        right: 200.0,
        bottom: 200.0,
    };

    #[test]
    fn labels_avoid_markers_lines_and_each_other() {
        let mut taken = Taken::default();
        let points: Vec<_> = (0..6).map(|i| (40.0 + 25.0 * f64::from(i), 100.0)).collect();
        taken.line(&points);
        for &point in &points {
            taken.marker(point, 6.0);
        }
        let label = || Text::new("70 %", (0.0, 0.0), 12.0);
        let placed: Vec<_> = points
            .iter()
            .filter_map(|&point| taken.place(label(), point, &WINDOW))
            .collect();
        assert!(placed.len() >= 4, "only {} of 6 labels found a place", placed.len());
        for (index, text) in placed.iter().enumerate() {
            assert!(WINDOW.contains(&text.bounds()));
            assert!(
                placed[..index]
                    .iter()
                    .all(|other| !other.bounds().overlaps(&text.bounds()))
            );
        }
    }

    #[test]
    fn no_place_gives_no_label() {
        let mut taken = Taken::default();
        taken.marker((100.0, 100.0), 90.0);
        assert!(
            taken
                .place(Text::new("70 %", (0.0, 0.0), 12.0), (100.0, 100.0), &WINDOW)
                .is_none()
        );
    }
}
