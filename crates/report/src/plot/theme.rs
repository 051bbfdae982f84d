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

impl MethodStyle {
    /// The looks of a method, by its registered name and its label. `variant` counts the lines of the same method that the
    /// figure has already (0 for the first): they keep the colour's hue and take other markers.
    pub(crate) fn of(method: &str, label: &str, variant: usize) -> Self {
        use Family::{Baseline, Dynamic, Static};
        let named = match method {
            "full" => (Baseline, BLACK, Marker::Plus),
            "random-static" => (Static, GRAY, Marker::Square),
            "static" if label.contains("forget") => (Static, GREEN, Marker::Diamond),
            "static" if label.contains("el2n") => (Static, PURPLE, Marker::TriangleUp),
            "static" => (Static, DARK_YELLOW, Marker::TriangleDown),
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
    fn shade(self, share: f64) -> Self {
        let target = if share > 0.0 { 255.0 } else { 0.0 };
        let mix = |channel: u8| (f64::from(channel) + share.abs() * (target - f64::from(channel))).round() as u8;
        Self(mix(self.0), mix(self.1), mix(self.2))
    }
}

impl Dash {
    /// Lengths of ink and gap in turn, in pixels; empty for a solid line.
    pub(crate) fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[7.0, 4.5],
            Self::Dotted => &[2.0, 4.0],
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
