//! The embedded typeface: plots look the same on every machine and need no system font.

use std::sync::LazyLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

/// The family under which the faces are registered. An SVG carries it as its CSS font stack, hence the fallbacks.
const FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";

static REGISTERED: LazyLock<bool> = LazyLock::new(|| {
    let regular = include_bytes!("../../fonts/Inter-Regular.otf");
    let bold = include_bytes!("../../fonts/Inter-SemiBold.otf");
    register_font(FAMILY, FontStyle::Normal, regular).is_ok() && register_font(FAMILY, FontStyle::Bold, bold).is_ok()
});

/// Inter's ascent and descent together, in ems: plotters' bitmap text is sized by them.
pub(crate) const EM_HEIGHT: f64 = 1.21;

/// The face at a size in plotters' sense.
pub(crate) fn face(size: f64, bold: bool) -> FontDesc<'static> {
    debug_assert!(*REGISTERED, "the embedded fonts are valid");
    LazyLock::force(&REGISTERED);
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), size, style)
}

/// The width of a line of text whose em is `size` pixels.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    // Layouts are in whole pixels, so measure large.
    const MEASURED: f64 = 1000.0;
    let layout = face(MEASURED * EM_HEIGHT, bold).layout_box(text);
    layout.map_or(0.0, |((left, _), (right, _))| f64::from(right - left) * size / MEASURED)
}

/// Breaks a text between words into lines of at most `limit` pixels; a longer word stays whole.
pub(crate) fn wrap(text: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, bold) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// As much of a line as fits into `limit` pixels, with an ellipsis if that is not all.
pub(crate) fn cut(line: &str, size: f64, bold: bool, limit: f64) -> String {
    if width(line, size, bold) <= limit {
        return line.to_owned();
    }
    let mut kept = line.to_owned();
    while kept.pop().is_some() {
        let shortened = format!("{}…", kept.trim_end());
        if width(&shortened, size, bold) <= limit {
            return shortened;
        }
    }
    String::new()
}
