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
    let fits = |text: &str| width(text, size, bold) <= limit;
    lines(text, &fits, |word| vec![word.to_owned()])
}

/// As [`wrap`], for places that cannot grow: a word that is too long is broken after equals signs and, where that is not
/// enough, after hyphens.
pub(crate) fn wrap_tightly(text: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let fits = |text: &str| width(text, size, bold) <= limit;
    lines(text, &fits, |word| pieces(word, &fits))
}

fn lines(text: &str, fits: &impl Fn(&str) -> bool, pieces: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        for (index, piece) in pieces(word).into_iter().enumerate() {
            match lines.last_mut() {
                Some(line) if index == 0 && fits(&format!("{line} {piece}")) => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

/// The pieces of a word that go on lines of their own.
fn pieces(word: &str, fits: &impl Fn(&str) -> bool) -> Vec<String> {
    if fits(word) {
        return vec![word.to_owned()];
    }
    let mut pieces: Vec<String> = Vec::new();
    for part in word.split_inclusive('=') {
        if fits(part) {
            pieces.push(part.to_owned());
            continue;
        }
        let mut syllables = part.split_inclusive('-');
        pieces.extend(syllables.next().map(str::to_owned));
        for syllable in syllables {
            match pieces.last_mut() {
                Some(piece) if fits(&format!("{piece}{syllable}")) => piece.push_str(syllable),
                _ => pieces.push(syllable.to_owned()),
            }
        }
    }
    pieces
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

#[cfg(test)]
mod tests {
    use super::{wrap, wrap_tightly};

    #[test]
    fn long_words_break_where_they_may() {
        let lines = |text: &str| wrap_tightly(text, 14.0, false, 150.0);
        assert_eq!(lines("ucb c=2"), ["ucb c=2"]);
        assert_eq!(
            lines("ucb score_source=forward-pass c=2"),
            ["ucb score_source=", "forward-pass c=2"]
        );
        assert_eq!(lines("ucb score_source=training"), ["ucb", "score_source=training"]);
        assert_eq!(
            lines("ucb score=one-minus-max-probability"),
            ["ucb score=", "one-minus-max-", "probability"]
        );
        assert_eq!(wrap("score=one-minus-max-probability", 14.0, false, 150.0).len(), 1);
        let long = "averyveryverylongwordwithoutabreak";
        assert_eq!(lines(&format!("a {long}")), ["a", long]);
    }
}
