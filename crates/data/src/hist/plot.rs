//! A histogram as a picture.

use fiducial_root::{Axis, Histogram};

use super::scene::{Anchor, BLACK, Colour, Scene, Shape};
use super::terminal::{number, statistics};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 480.0;
/// Around the frame: left, right, above, below.
const MARGINS: (f64, f64, f64, f64) = (84.0, 24.0, 36.0, 56.0);
/// On the right of a histogram of two axes: its scale of colours.
const SCALE: f64 = 84.0;
const BLUE: Colour = [0x1F, 0x5A, 0xA6];
const PALE: Colour = [0xD6, 0xE4, 0xF5];
const GREY: Colour = [0xC8, 0xCD, 0xD3];

/// From small to large: the corners of the colour map "viridis" (CC0), which prints well in grey and is safe for most eyes.
const COLOURS: [Colour; 5] =
    [[0x44, 0x01, 0x54], [0x3B, 0x52, 0x8B], [0x21, 0x91, 0x8C], [0x5E, 0xC9, 0x62], [0xFD, 0xE7, 0x25]];

/// The frame, and how numbers on the axes become pixels.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + (value - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)
    }
}

/// Draws a histogram of one axis as steps with the error of each bin (the root of the sum of squared weights), one of two axes as
/// a map of colours. Flow bins are not drawn; the line above the frame counts what is in them.
pub fn scene(histogram: &Histogram) -> Scene {
    let mut scene = Scene { width: WIDTH, height: HEIGHT, shapes: Vec::new() };
    scene.shapes.push(Shape::Rectangle { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT, fill: [255; 3] });
    let (left, right, top, bottom) = MARGINS;
    let frame = Frame {
        left,
        right: WIDTH - right - if histogram.axes.len() == 2 { SCALE } else { 0.0 },
        top,
        bottom: HEIGHT - bottom,
        x: limits(histogram.axes.first()),
        y: limits(histogram.axes.get(1)),
    };
    match histogram.axes.as_slice() {
        [x] => steps(&mut scene, frame, histogram, x),
        [x, y] => map(&mut scene, &frame, histogram, x, y),
        _ => {}
    }
    let text = format!("{}   {}", histogram.name, statistics(histogram));
    scene.text(left, top - 12.0, Anchor::Start, text.trim());
    scene
}

fn limits(axis: Option<&Axis>) -> (f64, f64) {
    let (low, high) = axis.map_or((0.0, 1.0), |axis| (axis.lower, axis.upper));
    if high > low { (low, high) } else { (low, low + 1.0) }
}

/// The values and the variances of the bins within range.
fn contents(histogram: &Histogram) -> (Vec<f64>, Vec<f64>) {
    (histogram.values(), histogram.variances())
}

fn steps(scene: &mut Scene, mut frame: Frame, histogram: &Histogram, axis: &Axis) {
    let (values, variances) = contents(histogram);
    let bins = || (1..=axis.bins).map(|i| (values[i], variances[i].max(0.0).sqrt()));
    let highest = bins().map(|(value, error)| value + error).fold(0.0, f64::max);
    let lowest = bins().map(|(value, error)| value - error).fold(0.0, f64::min);
    frame.y = (lowest * 1.08, if highest > lowest { highest * 1.08 } else { 1.0 });
    let edges = axis.edges();
    let zero = frame.y(0.0);
    let mut outline = vec![(frame.x(edges[0]), zero)];
    for (i, (value, _)) in bins().enumerate() {
        outline.extend([(frame.x(edges[i]), frame.y(value)), (frame.x(edges[i + 1]), frame.y(value))]);
    }
    outline.push((frame.x(edges[axis.bins]), zero));
    scene.shapes.push(Shape::Area { points: outline.clone(), fill: PALE });
    if lowest < 0.0 {
        scene.line(vec![(frame.left, zero), (frame.right, zero)], 1.0, GREY);
    }
    scene.line(outline, 1.6, BLUE);
    for (i, (value, error)) in bins().enumerate().filter(|(_, (_, error))| *error > 0.0) {
        let x = frame.x((edges[i] + edges[i + 1]) / 2.0);
        scene.line(vec![(x, frame.y(value - error)), (x, frame.y(value + error))], 1.0, BLUE);
    }
    let label = if histogram.label.is_empty() { "entries" } else { &histogram.label };
    axes(scene, &frame, axis.title.as_str(), label);
}

fn map(scene: &mut Scene, frame: &Frame, histogram: &Histogram, x: &Axis, y: &Axis) {
    let (values, _) = contents(histogram);
    let value = |i: usize, j: usize| values[(i + 1) * (y.bins + 2) + j + 1];
    let all = (0..x.bins).flat_map(|i| (0..y.bins).map(move |j| value(i, j)));
    let (low, high) = all.fold((0.0f64, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
    let span = if high > low { high - low } else { 1.0 };
    let (x_edges, y_edges) = (x.edges(), y.edges());
    for i in 0..x.bins {
        for j in (0..y.bins).filter(|j| value(i, *j) != 0.0) {
            let (left, right) = (frame.x(x_edges[i]), frame.x(x_edges[i + 1]));
            let (upper, lower) = (frame.y(y_edges[j + 1]), frame.y(y_edges[j]));
            let fill = colour((value(i, j) - low) / span);
            let (width, height) = (right - left, lower - upper);
            scene.shapes.push(Shape::Rectangle { x: left, y: upper, width, height, fill });
        }
    }
    axes(scene, frame, &x.title, &y.title);
    let scale = Frame { left: frame.right + 18.0, right: frame.right + 34.0, y: (low, low + span), ..*frame };
    const SHADES: usize = 64;
    for shade in 0..SHADES {
        let part = |shade: usize| low + span * shade as f64 / SHADES as f64;
        let (upper, lower) = (scale.y(part(shade + 1)), scale.y(part(shade)));
        let fill = colour((shade as f64 + 0.5) / SHADES as f64);
        // A little overlap, or the seams would show.
        let (width, height) = (scale.right - scale.left, lower - upper + 0.5);
        scene.shapes.push(Shape::Rectangle { x: scale.left, y: upper, width, height, fill });
    }
    for tick in ticks(scale.y) {
        scene.text(scale.right + 6.0, scale.y(tick) + 4.5, Anchor::Start, number(tick));
    }
}

/// A colour for a number from 0 to 1.
fn colour(part: f64) -> Colour {
    let place = part.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let below = (place as usize).min(COLOURS.len() - 2);
    let rest = place - below as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * rest).round() as u8;
    std::array::from_fn(|i| mix(COLOURS[below][i], COLOURS[below + 1][i]))
}

/// The frame with ticks, their numbers and the names of both axes.
fn axes(scene: &mut Scene, frame: &Frame, x_title: &str, y_title: &str) {
    let Frame { left, right, top, bottom, .. } = *frame;
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    scene.line(corners, 1.0, BLACK);
    for tick in ticks(frame.x) {
        let x = frame.x(tick);
        scene.line(vec![(x, bottom), (x, bottom - 6.0)], 1.0, BLACK);
        scene.text(x, bottom + 18.0, Anchor::Middle, number(tick));
    }
    for tick in ticks(frame.y) {
        let y = frame.y(tick);
        scene.line(vec![(left, y), (left + 6.0, y)], 1.0, BLACK);
        scene.text(left - 8.0, y + 4.5, Anchor::End, number(tick));
    }
    scene.text(right, bottom + 40.0, Anchor::End, x_title);
    scene.shapes.push(Shape::Text {
        x: 18.0,
        y: top,
        size: 13.0,
        anchor: Anchor::End,
        vertical: true,
        text: y_title.to_owned(),
    });
}

/// Round numbers within limits, some five of them.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough);
    let Some(step) = step.filter(|step| step.is_normal()) else { return Vec::new() };
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Whole multiples: sums of steps would gather rounding errors.
    (first..=last).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        near(ticks((0.0, 200.0)), &[0.0, 50.0, 100.0, 150.0, 200.0]);
        near(ticks((-0.3, 0.95)), &[0.0, 0.5]);
        near(ticks((15.0, 60.0)), &[20.0, 30.0, 40.0, 50.0, 60.0]);
    }

    #[test]
    fn colours_go_from_end_to_end() {
        assert_eq!((colour(-1.0), colour(0.5), colour(2.0)), (COLOURS[0], COLOURS[2], COLOURS[4]));
    }
}
