//! What stands round the panels of every figure: title, where the numbers come from, notes.

use super::fonts;
use super::scene::{Align, Rectangle, Scene, Text};
use super::theme::{Color, INK, NOTE_SIZE, QUIET, SUBTITLE_SIZE, TITLE_SIZE};

const MARGIN: f64 = 22.0;

/// The words round a figure.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) title: String,
    pub(crate) subtitles: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) footer: String,
}

/// An empty scene of the given width whose panels and legend, together `height` high, go into the rectangle.
pub(crate) fn begin(words: &Words, width: f64, height: f64) -> (Scene, Rectangle) {
    let limit = width - 2.0 * MARGIN;
    let wrap = |texts: &[String], size: f64| -> Vec<String> {
        texts.iter().flat_map(|text| fonts::wrap(text, size, false, limit)).collect()
    };
    let titles = fonts::wrap(&words.title, TITLE_SIZE, true, limit);
    let subtitles = wrap(&words.subtitles, SUBTITLE_SIZE);
    let notes = wrap(&words.notes, NOTE_SIZE);

    let mut scene = Scene::new(width, 0.0);
    let mut y = MARGIN - 4.0;
    let mut put = |lines: Vec<String>, size: f64, bold: bool, color: Color, y: &mut f64| {
        for line in lines {
            *y += size + 6.0;
            let text = Text::new(line, (MARGIN, *y), size).color(color);
            scene.text(if bold { text.bold() } else { text });
        }
    };
    put(titles, TITLE_SIZE, true, INK, &mut y);
    put(subtitles, SUBTITLE_SIZE, false, QUIET, &mut y);
    let top = y + 22.0;
    let bottom = top + height;
    y = bottom + 4.0;
    put(notes, NOTE_SIZE, false, INK, &mut y);
    y += NOTE_SIZE + 10.0;
    scene.text(Text::new(&words.footer, (width - MARGIN, y), NOTE_SIZE - 1.0).color(QUIET).align(Align::Right));
    scene.height = (y + 14.0).ceil();
    (scene, Rectangle { left: MARGIN, top, right: width - MARGIN, bottom })
}
