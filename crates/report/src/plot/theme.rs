//! Every colour, size, marker and dash. A method looks the same in all figures.
//!
//! Colours are Okabe and Ito's (colour universal design), which stay apart for all common kinds of colour blindness; their
//! yellow is too pale on white and is darkened. Static methods are dashed with open markers, dynamic ones solid with filled
//! markers, so that a print in grey keeps them apart too.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color(pub(crate) u8, pub(crate) u8, pub(crate) u8);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Color,
    pub(crate) width: f64,
    pub(crate) dash: Dash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
    /// Long and short in turn.
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Diamond,
    TriangleUp,
    TriangleDown,
    Pentagon,
    Plus,
}

/// How a method chooses its samples, as far as its looks and the legend are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Baseline,
    Static,
    Dynamic,
}

/// A colour for each value from `low` to `high`: light ones for little, so that a print in grey keeps their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColorScale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Colours at equal distances, with even steps between them.
    stops: &'static [Color],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MethodStyle {
    pub(crate) family: Family,
    pub(crate) color: Color,
    pub(crate) marker: Marker,
}

pub(crate) const WHITE: Color = Color(0xff, 0xff, 0xff);
pub(crate) const INK: Color = Color(0x22, 0x22, 0x22);
pub(crate) const QUIET: Color = Color(0x5f, 0x5f, 0x5f);
pub(crate) const BLACK: Color = Color(0, 0, 0);
const GRAY: Color = Color(0x6e, 0x6e, 0x6e);
const ORANGE: Color = Color(0xe6, 0x9f, 0x00);
const SKY_BLUE: Color = Color(0x56, 0xb4, 0xe9);
const GREEN: Color = Color(0x00, 0x9e, 0x73);
const DARK_YELLOW: Color = Color(0xa8, 0x9a, 0x10);
const BLUE: Color = Color(0x00, 0x72, 0xb2);
const VERMILLION: Color = Color(0xd5, 0x5e, 0x00);
const PURPLE: Color = Color(0xcc, 0x79, 0xa7);
const INDIGO: Color = Color(0x33, 0x22, 0x88);

/// Agreement from the opposite (vermillion) over none (white) to the same (blue).
pub(crate) const CORRELATION: ColorScale = ColorScale {
    low: -1.0,
    high: 1.0,
    stops: &[
        Color(0x8f, 0x3c, 0x00),
        VERMILLION,
        Color(0xf3, 0xb4, 0x86),
        WHITE,
        Color(0x9c, 0xc8, 0xe3),
        BLUE,
        Color(0x00, 0x45, 0x70),
    ],
};
/// A share, from nothing (white) to all (dark green).
pub(crate) const SHARE: ColorScale = ColorScale {
    low: 0.0,
    high: 1.0,
    stops: &[
        WHITE,
        Color(0xd9, 0xf0, 0xea),
        Color(0x99, 0xd8, 0xc7),
        GREEN,
        Color(0x00, 0x59, 0x42),
    ],
};
/// An accuracy, from pale to dark; the ends are to be set with [`ColorScale::between`].
pub(crate) const ACCURACY: ColorScale = ColorScale {
    low: 0.0,
    high: 100.0,
    stops: &[
        Color(0xf7, 0xf4, 0xd0),
        Color(0xb5, 0xdd, 0xb8),
        Color(0x5f, 0xb5, 0xb9),
        Color(0x35, 0x7f, 0xa9),
        Color(0x1f, 0x48, 0x86),
        Color(0x14, 0x20, 0x55),
    ],
};
/// The parts of a cost. No method has these colours, and they get lighter or darker in grey too.
pub(crate) const TRAINING: Color = Color(0x3d, 0x6a, 0x94);
pub(crate) const SCORING: Color = Color(0xe8, 0x9c, 0x3c);
pub(crate) const SELECTION: Color = INK;
pub(crate) const EVALUATION: Color = Color(0xd6, 0xd6, 0xd6);
/// Cells that say nothing.
pub(crate) const EMPTY: Color = Color(0xee, 0xee, 0xee);

pub(crate) const GRID: Stroke = Stroke {
    color: Color(0xe4, 0xe4, 0xe4),
    width: 1.0,
    dash: Dash::Solid,
};
pub(crate) const AXIS: Stroke = Stroke {
    color: Color(0x8a, 0x8a, 0x8a),
    width: 1.2,
    dash: Dash::Solid,
};
pub(crate) const REFERENCE: Stroke = Stroke {
    color: QUIET,
    width: 1.4,
    dash: Dash::Dotted,
};
pub(crate) const WHISKER: Stroke = Stroke {
    color: QUIET,
    width: 1.2,
    dash: Dash::Solid,
};
pub(crate) const FRONT: Stroke = Stroke {
    color: Color(0xd9, 0xd2, 0xb8),
    width: 7.0,
    dash: Dash::Solid,
};

pub(crate) const TITLE_SIZE: f64 = 20.0;
pub(crate) const SUBTITLE_SIZE: f64 = 14.0;
pub(crate) const LABEL_SIZE: f64 = 14.5;
pub(crate) const TICK_SIZE: f64 = 14.0;
pub(crate) const LEGEND_SIZE: f64 = 14.0;
pub(crate) const NOTE_SIZE: f64 = 12.0;
pub(crate) const MARKER_RADIUS: f64 = 5.6;
pub(crate) const BAND_OPACITY: f64 = 0.12;

/// The control: full data on a schedule shortened to the steps of a pruned run.
pub(crate) const FULL_SHORT: &str = "full-short";

impl MethodStyle {
    /// The looks of a method, by its registered name and its label. `variant` counts the lines of the same method that the
    /// figure has already (0 for the first): they keep the colour's hue and take other markers.
    pub(crate) fn of(method: &str, label: &str, variant: usize) -> Self {
        use Family::{Baseline, Dynamic, Static};
        let named = match method {
            "full" => (Baseline, BLACK, Marker::Plus),
            FULL_SHORT => (Baseline, BLACK.shade(0.45), Marker::Circle),
            "random-static" => (Static, GRAY, Marker::Square),
            "static" if label.contains("forget") => (Static, GREEN, Marker::Diamond),
            "static" if label.contains("el2n") => (Static, PURPLE, Marker::TriangleUp),
            "static" if label.contains("grand") => (Static, DARK_YELLOW, Marker::TriangleDown),
            "static" => (Static, INDIGO, Marker::Pentagon),
            "random-dynamic" => (Dynamic, BLUE, Marker::Circle),
            "uncertainty" => (Dynamic, SKY_BLUE, Marker::TriangleDown),
            "epsilon-greedy" => (Dynamic, ORANGE, Marker::Square),
            "ucb" => (Dynamic, VERMILLION, Marker::Diamond),
            "ucb1" => (Dynamic, INDIGO, Marker::Pentagon),
            _ => (Dynamic, PURPLE, Marker::TriangleUp),
        };
        let (family, color, marker) = named;
        if variant == 0 {
            return Self { family, color, marker };
        }
        const MARKERS: [Marker; 6] = [
            Marker::Circle,
            Marker::Square,
            Marker::Diamond,
            Marker::TriangleUp,
            Marker::TriangleDown,
            Marker::Pentagon,
        ];
        let first = MARKERS.iter().position(|&other| other == marker).unwrap_or(0);
        let share = [0.0, 0.4, -0.35, 0.6, -0.6][variant % 5];
        Self {
            family,
            color: color.shade(share),
            marker: MARKERS[(first + variant) % MARKERS.len()],
        }
    }

    pub(crate) fn stroke(&self) -> Stroke {
        let dash = if self.family == Family::Static {
            Dash::Dashed
        } else {
            Dash::Solid
        };
        Stroke {
            color: self.color,
            width: 2.4,
            dash,
        }
    }

    pub(crate) fn filled(&self) -> bool {
        self.family != Family::Static
    }
}

impl Family {
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Baseline => "All samples",
            Self::Static => "Static: chosen once",
            Self::Dynamic => "Dynamic: chosen repeatedly",
        }
    }
}

impl Color {
    /// Towards white for a positive share, towards black for a negative one.
    pub(crate) fn shade(self, share: f64) -> Self {
        self.mix(if share > 0.0 { WHITE } else { BLACK }, share.abs())
    }

    fn mix(self, other: Self, share: f64) -> Self {
        let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The colour of a text on this one that reads best: the contrasts of WCAG 2, section 1.4.3.
    pub(crate) fn ink(self) -> Self {
        if self.contrast(BLACK) >= self.contrast(WHITE) {
            BLACK
        } else {
            WHITE
        }
    }

    /// The ratio of luminances, 1 to 21.
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance() + 0.05, other.luminance() + 0.05);
        (a / b).max(b / a)
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| match f64::from(channel) / 255.0 {
            dark if dark <= 0.04045 => dark / 12.92,
            light => ((light + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

impl ColorScale {
    /// The same colours for other values.
    pub(crate) fn between(self, low: f64, high: f64) -> Self {
        Self { low, high, ..self }
    }

    /// The colour of a value; values beyond the ends take the ends'.
    pub(crate) fn color(&self, value: f64) -> Color {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let at = share * (self.stops.len() - 1) as f64;
        let index = (at as usize).min(self.stops.len() - 2);
        self.stops[index].mix(self.stops[index + 1], at - index as f64)
    }
}

impl Dash {
    /// Lengths of ink and gap in turn, in pixels; empty for a solid line.
    pub(crate) fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[7.0, 4.5],
            Self::Dotted => &[2.0, 4.0],
            Self::Mixed => &[9.0, 3.5, 2.0, 3.5],
        }
    }
}

impl Marker {
    /// The outline round the origin. Radii differ so that all shapes look equally large.
    pub(crate) fn outline(self) -> Vec<(f64, f64)> {
        let regular = |corners: u32, radius: f64, first_degrees: f64| -> Vec<(f64, f64)> {
            let angle =
                |corner| first_degrees.to_radians() + std::f64::consts::TAU * f64::from(corner) / f64::from(corners);
            (0..corners)
                .map(|corner| (radius * angle(corner).cos(), radius * angle(corner).sin()))
                .collect()
        };
        match self {
            Self::Circle => regular(40, 1.0, 0.0),
            Self::Square => regular(4, 1.27, 45.0),
            Self::Diamond => regular(4, 1.32, 0.0),
            Self::TriangleUp => regular(3, 1.38, -90.0).into_iter().map(|(x, y)| (x, y + 0.2)).collect(),
            Self::TriangleDown => regular(3, 1.38, 90.0).into_iter().map(|(x, y)| (x, y - 0.2)).collect(),
            Self::Pentagon => regular(5, 1.2, -90.0),
            Self::Plus => {
                let (arm, half) = (1.3, 0.42);
                let quarter = [(half, -arm), (half, -half), (arm, -half)];
                (0..4)
                    .flat_map(|turn| quarter.map(|(x, y)| [(x, y), (-y, x), (-x, -y), (y, -x)][turn]))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ACCURACY, CORRELATION, EVALUATION, SCORING, SELECTION, SHARE, TRAINING, WHITE};

    #[test]
    fn nothing_is_white_and_every_number_can_be_read() {
        assert_eq!((CORRELATION.color(0.0), SHARE.color(0.0)), (WHITE, WHITE));
        assert_eq!(CORRELATION.color(-7.0), CORRELATION.color(-1.0));
        for scale in [CORRELATION, SHARE, ACCURACY.between(61.0, 84.0)] {
            for step in 0..=100 {
                let value = scale.low + f64::from(step) / 100.0 * (scale.high - scale.low);
                let color = scale.color(value);
                let contrast = color.contrast(color.ink());
                assert!(contrast >= 4.5, "{value}: {color:?} has the contrast {contrast}");
            }
        }
    }

    #[test]
    fn the_order_of_accuracies_survives_a_print_in_grey() {
        let luminances: Vec<f64> = (0..=100)
            .map(|value| ACCURACY.color(f64::from(value)).luminance())
            .collect();
        assert!(luminances.windows(2).all(|pair| pair[0] > pair[1]), "{luminances:?}");
    }

    #[test]
    fn the_parts_of_a_cost_differ_in_grey() {
        let parts = [SELECTION, TRAINING, SCORING, EVALUATION, WHITE];
        for pair in parts.windows(2) {
            let contrast = pair[0].contrast(pair[1]);
            assert!(contrast > 1.4, "{pair:?} have the contrast {contrast}");
        }
    }
}
