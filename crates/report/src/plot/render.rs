//! Scenes to PNG and SVG, with plotters' bitmap and SVG back ends.

use std::fmt::Write as _;
use std::path::Path;

use plotters::prelude::{BitMapBackend, Color as _, DrawingBackend, FontTransform, RGBColor, SVGBackend, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::fonts;
use super::scene::{Align, Picture, Point, Scene, Shape, Text};
use super::theme::{Color, Stroke};
use crate::{Error, files};

/// Pixels of a PNG for one logical pixel.
pub(crate) const PNG_SCALE: u32 = 2;
/// A PNG is drawn this much larger and then averaged: every edge and glyph comes out smooth.
const OVERSAMPLING: u32 = 3;
/// Units of an SVG for one logical pixel: plotters' coordinates are whole numbers.
const SVG_UNITS: u32 = 20;

/// Writes the scene as an 8-bit RGB PNG at twice its logical size.
pub(crate) fn png(scene: &Scene, path: &Path) -> Result<(), Error> {
    let failed = |reason: String| Error::Draw {
        path: path.to_owned(),
        reason,
    };
    let scale = PNG_SCALE * OVERSAMPLING;
    let size = (scene.width as u32 * scale, scene.height as u32 * scale);
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    {
        let mut bitmap = Bitmap {
            backend: BitMapBackend::with_buffer(&mut pixels, size),
            scale: f64::from(scale),
        };
        draw(&mut bitmap, scene).map_err(failed)?;
    }
    let pixels = average(&pixels, size.0 as usize);
    let bytes = encode(&pixels, size.0 / OVERSAMPLING, size.1 / OVERSAMPLING).map_err(failed)?;
    files::write(path, &bytes)
}

/// RGB pixels as a PNG.
fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Balanced);
    // Flat areas and repeated rows compress best as they are.
    encoder.set_filter(png::Filter::NoFilter);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Writes the scene as SVG.
pub(crate) fn svg(scene: &Scene, path: &Path) -> Result<(), Error> {
    let failed = |reason: String| Error::Draw {
        path: path.to_owned(),
        reason,
    };
    let size = (scene.width as u32 * SVG_UNITS, scene.height as u32 * SVG_UNITS);
    let mut text = String::new();
    let pictures = {
        let mut vector = Vector {
            backend: SVGBackend::with_string(&mut text, size),
            pictures: String::new(),
        };
        draw(&mut vector, scene).map_err(failed)?;
        vector.backend.present().map_err(|error| failed(error.to_string()))?;
        vector.pictures
    };
    // Plotters has no embedded pictures. Nothing is drawn over them, so they can come last.
    text.insert_str(text.rfind("</svg>").unwrap_or(text.len()), &pictures);
    // The view box keeps the fine units; the picture's own size is the logical one.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let logical = format!("width=\"{}\" height=\"{}\"", scene.width, scene.height);
    files::write(path, text.replacen(&fine, &logical, 1).as_bytes())
}

/// What a scene needs from a back end.
trait Canvas {
    fn area(&mut self, points: &[Point], color: Color, opacity: f64) -> Result<(), String>;
    fn line(&mut self, points: &[Point], color: Color, width: f64) -> Result<(), String>;
    fn text(&mut self, text: &Text) -> Result<(), String>;
    fn picture(&mut self, picture: &Picture) -> Result<(), String>;
}

fn draw(canvas: &mut impl Canvas, scene: &Scene) -> Result<(), String> {
    for shape in &scene.shapes {
        match shape {
            Shape::Area { points, color, opacity } => canvas.area(points, *color, *opacity)?,
            Shape::Line {
                points,
                stroke: Stroke { color, width, dash },
            } => {
                for piece in dashes(points, dash.pattern()) {
                    canvas.line(&piece, *color, *width)?;
                }
            }
            Shape::Text(text) => canvas.text(text)?,
            Shape::Picture(picture) => canvas.picture(picture)?,
        }
    }
    Ok(())
}

/// The inked pieces of a line.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece = vec![points[0]];
    let (mut turn, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length < left {
                left -= length;
                piece.push(to);
                break;
            }
            let share = left / length;
            from = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            piece.push(from);
            if turn % 2 == 0 {
                pieces.push(std::mem::take(&mut piece));
            }
            turn += 1;
            left = pattern[turn % pattern.len()];
            piece = vec![from];
        }
    }
    if turn % 2 == 0 && left < pattern[turn % pattern.len()] {
        pieces.push(piece);
    }
    pieces
}

struct Bitmap<'a> {
    backend: BitMapBackend<'a>,
    scale: f64,
}

impl Bitmap<'_> {
    /// Fills the pixels whose centres are inside, each exactly once: plotters' own polygons blend some edge pixels twice,
    /// which shows in translucent areas.
    fn fill(&mut self, points: &[Point], color: Color, opacity: f64) -> Result<(), String> {
        let color = RGBColor(color.0, color.1, color.2).mix(opacity);
        let points: Vec<Point> = points
            .iter()
            .map(|&(x, y)| (x * self.scale - 0.5, y * self.scale - 0.5))
            .collect();
        let rows = points.iter().map(|point| point.1);
        let (top, bottom) = rows.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        let (_, height) = self.backend.get_size();
        for row in top.ceil().max(0.0) as i32..=bottom.floor().min(f64::from(height) - 1.0) as i32 {
            let y = f64::from(row);
            let next = points.iter().cycle().skip(1);
            let crossing = |(a, b): (&Point, &Point)| {
                ((a.1 <= y) != (b.1 <= y)).then(|| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
            };
            let mut crossings: Vec<f64> = points.iter().zip(next).filter_map(crossing).collect();
            crossings.sort_by(f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                let (from, to) = (span[0].ceil() as i32, span[1].ceil() as i32 - 1);
                if from <= to {
                    self.backend
                        .draw_line((from, row), (to, row), &color)
                        .map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }
}

impl Canvas for Bitmap<'_> {
    fn area(&mut self, points: &[Point], color: Color, opacity: f64) -> Result<(), String> {
        self.fill(points, color, opacity)
    }

    fn line(&mut self, points: &[Point], color: Color, width: f64) -> Result<(), String> {
        let half = width / 2.0;
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).hypot(y1 - y0);
            if length > 0.0 {
                let (dx, dy) = (half * (y0 - y1) / length, half * (x1 - x0) / length);
                let quad = [
                    (x0 + dx, y0 + dy),
                    (x1 + dx, y1 + dy),
                    (x1 - dx, y1 - dy),
                    (x0 - dx, y0 - dy),
                ];
                self.fill(&quad, color, 1.0)?;
            }
        }
        // Round joints; the ends stay flat.
        for &(x, y) in points.get(1..points.len() - 1).unwrap_or_default() {
            let corner = |turn: u32| (x + half * angle(turn).cos(), y + half * angle(turn).sin());
            self.fill(&(0..12).map(corner).collect::<Vec<_>>(), color, 1.0)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &Text) -> Result<(), String> {
        let size = text.size * fonts::EM_HEIGHT * self.scale;
        // Plotters puts the baseline half a font size below the top of a bitmap text.
        text_at(&mut self.backend, text, self.scale, size, size / 2.0)
    }

    fn picture(&mut self, picture: &Picture) -> Result<(), String> {
        let Picture { at, width, height, .. } = picture;
        let x = |column: u32| at.left + at.width() * f64::from(column) / f64::from(*width);
        let y = |row: u32| at.top + at.height() * f64::from(row) / f64::from(*height);
        let places = (0..*height).flat_map(|row| (0..*width).map(move |column| (column, row)));
        for ((column, row), &color) in places.zip(&picture.pixels) {
            let (left, top, right, bottom) = (x(column), y(row), x(column + 1), y(row + 1));
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            self.fill(&corners, color, 1.0)?;
        }
        Ok(())
    }
}

fn angle(twelfths: u32) -> f64 {
    std::f64::consts::TAU * f64::from(twelfths) / 12.0
}

struct Vector<'a> {
    backend: SVGBackend<'a>,
    /// The elements of the pictures, to be put in at the end.
    pictures: String,
}

impl Canvas for Vector<'_> {
    fn area(&mut self, points: &[Point], color: Color, opacity: f64) -> Result<(), String> {
        let style = RGBColor(color.0, color.1, color.2).mix(opacity);
        self.backend
            .fill_polygon(points.iter().map(svg_point), &style)
            .map_err(|error| error.to_string())
    }

    fn line(&mut self, points: &[Point], color: Color, width: f64) -> Result<(), String> {
        let width = (width * f64::from(SVG_UNITS)).round() as u32;
        let style = RGBColor(color.0, color.1, color.2).stroke_width(width);
        self.backend
            .draw_path(points.iter().map(svg_point), &style)
            .map_err(|error| error.to_string())
    }

    fn text(&mut self, text: &Text) -> Result<(), String> {
        let em = text.size * f64::from(SVG_UNITS);
        // Plotters writes a font size of `size / 1.24` and moves the baseline of a text hung by its top down by 0.76 em.
        text_at(&mut self.backend, text, f64::from(SVG_UNITS), em * 1.24, em * 0.76)
    }

    fn picture(&mut self, picture: &Picture) -> Result<(), String> {
        let bytes: Vec<u8> = picture
            .pixels
            .iter()
            .flat_map(|color| [color.0, color.1, color.2])
            .collect();
        let png = encode(&bytes, picture.width, picture.height)?;
        let (left, top) = svg_point(&(picture.at.left, picture.at.top));
        let (right, bottom) = svg_point(&(picture.at.right, picture.at.bottom));
        let _ = writeln!(
            self.pictures,
            "<image x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>",
            right - left,
            bottom - top,
            base64(&png)
        );
        Ok(())
    }
}

/// Bytes as text (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let length = chunk.len();
        (0..4).map(move |index| match index <= length {
            true => char::from(DIGITS[(bits >> (18 - 6 * index) & 63) as usize]),
            false => '=',
        })
    };
    bytes.chunks(3).flat_map(digits).collect()
}

fn svg_point(&(x, y): &Point) -> (i32, i32) {
    (
        (x * f64::from(SVG_UNITS)).round() as i32,
        (y * f64::from(SVG_UNITS)).round() as i32,
    )
}

/// Draws a text, hung by its top, `drop` units above its baseline.
fn text_at<B: DrawingBackend>(backend: &mut B, text: &Text, scale: f64, size: f64, drop: f64) -> Result<(), String> {
    let horizontal = match text.align {
        Align::Left => HPos::Left,
        Align::Center => HPos::Center,
        Align::Right => HPos::Right,
    };
    let (x, y) = (text.at.0 * scale, text.at.1 * scale);
    let (transform, (x, y)) = if text.upwards {
        (FontTransform::Rotate270, (x - drop, y))
    } else {
        (FontTransform::None, (x, y - drop))
    };
    let color = RGBColor(text.color.0, text.color.1, text.color.2);
    let style = TextStyle::from(fonts::face(size, text.bold).transform(transform))
        .color(&color)
        .pos(Pos::new(horizontal, VPos::Top));
    backend
        .draw_text(&text.text, &style, (x.round() as i32, y.round() as i32))
        .map_err(|error| error.to_string())
}

/// The picture at a third of its size, each pixel the mean of the nine it was drawn as.
fn average(pixels: &[u8], width: usize) -> Vec<u8> {
    let side = OVERSAMPLING as usize;
    let row = 3 * width;
    let mut averaged = Vec::with_capacity(pixels.len() / (side * side));
    for block in pixels.chunks_exact(row * side) {
        for x in (0..row).step_by(3 * side) {
            for channel in 0..3 {
                let sum: u32 = (0..side)
                    .flat_map(|dy| (0..side).map(move |dx| u32::from(block[dy * row + x + 3 * dx + channel])))
                    .sum();
                let count = (side * side) as u32;
                averaged.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    averaged
}

#[cfg(test)]
mod tests {
    use super::{base64, dashes, png, svg};
    use crate::plot::scene::{Picture, Rectangle, Scene};
    use crate::plot::theme::Color;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_agrees_with_its_standard() {
        let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|word| base64(word.as_bytes()));
        assert_eq!(words, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_picture_keeps_its_pixels() {
        let colors = [
            [250, 0, 0],
            [0, 250, 0],
            [0, 0, 250],
            [250, 250, 0],
            [1, 2, 3],
            [9, 9, 9],
        ];
        let mut scene = Scene::new(40.0, 30.0);
        scene.picture(Picture {
            at: Rectangle {
                left: 5.0,
                top: 5.0,
                right: 35.0,
                bottom: 25.0,
            },
            width: 3,
            height: 2,
            pixels: colors.map(|[r, g, b]| Color(r, g, b)).to_vec(),
        });
        let folder = tempfile::tempdir().unwrap();
        let (drawn, vectors) = (folder.path().join("a.png"), folder.path().join("a.svg"));
        png(&scene, &drawn).unwrap();
        svg(&scene, &vectors).unwrap();

        let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(drawn).unwrap()))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        for y in 0..60 {
            for x in 0..80 {
                // Two pixels for a logical one; a tile is 20 by 20 pixels and begins at (10, 10).
                let inside = (10..70).contains(&x) && (10..50).contains(&y);
                let expected = match inside {
                    true => colors[(y - 10) / 20 * 3 + (x - 10) / 20],
                    false => [255; 3],
                };
                let at = 3 * (80 * y + x);
                assert_eq!(pixels[at..at + 3], expected, "({x}, {y})");
            }
        }
        let text = std::fs::read_to_string(vectors).unwrap();
        let element = "<image x=\"100\" y=\"100\" width=\"600\" height=\"400\" preserveAspectRatio=\"none\" \
                       style=\"image-rendering:pixelated\" href=\"data:image/png;base64,iVBORw0KGgo";
        assert!(text.contains(element) && text.trim_end().ends_with("</svg>"), "{text}");
    }

    #[test]
    fn dashes_carry_over_corners() {
        let pieces = dashes(&[(0.0, 0.0), (3.0, 0.0), (3.0, 5.0)], &[2.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (2.0, 0.0)], vec![(3.0, 1.0), (3.0, 3.0)]]);
    }

    #[test]
    fn a_dash_bends_round_a_corner() {
        let pieces = dashes(&[(0.0, 0.0), (1.0, 0.0), (1.0, 4.0)], &[2.0, 1.0]);
        assert_eq!(
            pieces,
            [vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)], vec![(1.0, 2.0), (1.0, 4.0)]]
        );
    }
}
