//! What a picture shows, before it is SVG or PNG.

/// A picture: shapes in the order in which they are painted. The origin is the upper left corner; lengths are pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What it shows.
    pub(super) shapes: Vec<Shape>,
}

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        fill: Colour,
    },
    /// What straight lines from point to point enclose.
    Area {
        points: Vec<(f64, f64)>,
        fill: Colour,
    },
    /// Straight lines from point to point.
    Line {
        points: Vec<(f64, f64)>,
        width: f64,
        colour: Colour,
    },
    Text {
        x: f64,
        y: f64,
        size: f64,
        anchor: Anchor,
        vertical: bool,
        text: String,
    },
}

/// Which part of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) const BLACK: Colour = [0x1B, 0x1F, 0x24];

impl Scene {
    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, width: f64, colour: Colour) {
        self.shapes.push(Shape::Line { points, width, colour });
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Text { x, y, size: 13.0, anchor, vertical: false, text: text.into() });
    }
}
