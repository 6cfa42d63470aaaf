//! A picture as PNG, with a font of its own: what is drawn does not depend on the machine.

use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

use super::scene::{Anchor, BLACK, Colour, Scene, Shape};
use crate::source::Error;

/// DejaVu Sans, of which Latin, Greek and signs are left. Its licence stands beside it.
const FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");

/// Pixels of the file for each pixel of the scene: screens are fine today.
const SCALE: f32 = 2.0;

/// The picture as a PNG file, twice as large as its scene says.
///
/// # Errors
/// When it is too large for memory.
pub fn to_png(scene: &Scene) -> Result<Vec<u8>, Error> {
    let failed = |reason: String| Error::settings("draw a picture", reason);
    let (width, height) = ((scene.width as f32 * SCALE) as u32, (scene.height as f32 * SCALE) as u32);
    let mut picture = Pixmap::new(width, height)
        .ok_or_else(|| failed(format!("{width} x {height} pixels are no picture")))?;
    let face = Face::parse(FONT, 0).map_err(|error| failed(error.to_string()))?;
    let scale = Transform::from_scale(SCALE, SCALE);
    for shape in &scene.shapes {
        match shape {
            Shape::Rectangle { x, y, width, height, fill } => {
                let rectangle = Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32);
                if let Some(rectangle) = rectangle {
                    picture.fill_rect(rectangle, &paint(*fill), scale, None);
                }
            }
            Shape::Area { points, fill } => {
                if let Some(path) = path(points) {
                    picture.fill_path(&path, &paint(*fill), FillRule::Winding, scale, None);
                }
            }
            Shape::Line { points, width, colour } => {
                if let Some(path) = path(points) {
                    let stroke = Stroke { width: *width as f32, ..Stroke::default() };
                    picture.stroke_path(&path, &paint(*colour), &stroke, scale, None);
                }
            }
            Shape::Text { x, y, size, anchor, vertical, text } => {
                let turn = if *vertical { -90.0 } else { 0.0 };
                let place =
                    scale.pre_translate(*x as f32, *y as f32).pre_concat(Transform::from_rotate(turn));
                write(&mut picture, &face, text, *size as f32, *anchor, place);
            }
        }
    }
    picture.encode_png().map_err(|error| failed(error.to_string()))
}

/// Straight lines from point to point; none of fewer than two points.
fn path(points: &[(f64, f64)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.finish()
}

fn paint([red, green, blue]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(red, green, blue, 255));
    paint.anti_alias = true;
    paint
}

/// Draws a line of text whose anchor stands at the origin of `place`.
fn write(picture: &mut Pixmap, face: &Face<'_>, text: &str, size: f32, anchor: Anchor, place: Transform) {
    let unit = size / f32::from(face.units_per_em());
    // What the font has no glyph for shows as its sign for that.
    let glyph = |c: char| face.glyph_index(c).or(face.glyph_index('\u{FFFD}')).unwrap_or_default();
    let advance = |c: char| f32::from(face.glyph_hor_advance(glyph(c)).unwrap_or(0)) * unit;
    let length: f32 = text.chars().map(advance).sum();
    let mut at = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -length / 2.0,
        Anchor::End => -length,
    };
    for c in text.chars() {
        let mut outline = Outline(PathBuilder::new());
        face.outline_glyph(glyph(c), &mut outline);
        if let Some(path) = outline.0.finish() {
            // Fonts count upwards.
            let place = place.pre_translate(at, 0.0).pre_scale(unit, -unit);
            picture.fill_path(&path, &paint(BLACK), FillRule::Winding, place, None);
        }
        at += advance(c);
    }
}

struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
