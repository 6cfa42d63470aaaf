//! Small charts as SVG, made for physics: ticks inwards on all four sides, error bars, bands, logarithmic axes.
//!
//! Colours are classes, so that the page's style sheet sets them for light and dark. Each series has a line style of its
//! own: colour is never the only signal. The legend is a list above the frame: it can hide nothing, and
//! wraps on a narrow page.

mod axis;
mod heat;

use std::fmt::Write as _;

use maud::{Markup, html};

pub(crate) use axis::{Axis, Scale, grouped, power_of_ten, range};
pub(crate) use heat::HeatMap;

/// Size of a chart in its own units, which are pixels at full width.
const WIDTH: f64 = 560.0;
const PLOT_HEIGHT: f64 = 310.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 18.0;
const BOTTOM: f64 = 52.0;
const TOP: f64 = 8.0;

/// How a series looks: an index into the palette and the line styles of the style sheet.
pub(crate) type Style = usize;

/// What a chart shows.
pub(crate) enum Mark {
    /// A line through points; a point without a place breaks it.
    Line { points: Vec<(f64, f64)>, style: Style },
    /// The area between two values of y at each x: `(x, low, high)`.
    Band { points: Vec<(f64, f64, f64)>, style: Style },
    /// A histogram: edges (one more than values), values, errors.
    Steps { edges: Vec<f64>, values: Vec<f64>, errors: Vec<f64>, style: Style },
    /// A dot with an error bar `(low, high)`.
    Dot { at: (f64, f64), bar: Option<(f64, f64)>, style: Style },
    /// A vertical line.
    Rule { x: f64 },
    /// A tooltip at a point, which is not seen.
    Tip { at: (f64, f64), text: String },
}

/// The sample beside a legend's entry.
#[derive(Clone, Copy)]
pub(crate) enum Sample {
    Line,
    Band,
    Area,
    Dot,
    Rule,
}

/// A chart.
pub(crate) struct Chart {
    /// Unique in the page.
    pub(crate) id: String,
    /// What a reader who cannot see it is told.
    pub(crate) description: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) marks: Vec<Mark>,
    pub(crate) legend: Vec<(Sample, Style, String)>,
}

/// A coordinate with one decimal.
fn px(x: f64) -> String {
    format!("{x:.1}")
}

impl Chart {
    /// The chart as an SVG element.
    pub(crate) fn render(&self) -> Markup {
        let frame = Frame { top: TOP, bottom: TOP + PLOT_HEIGHT, right: WIDTH - RIGHT };
        let height = frame.bottom + BOTTOM;
        let clip = format!("{}-clip", self.id);
        html! {
            ul class="legend" {
                @for (kind, style, label) in &self.legend { li { (sample(*kind, *style)) (label) } }
            }
            svg class="chart" viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(self.description) {
                clipPath id=(clip) {
                    rect x=(px(LEFT)) y=(px(TOP)) width=(px(frame.right - LEFT)) height=(px(PLOT_HEIGHT)) {}
                }
                g clip-path=(format!("url(#{clip})")) {
                    @for mark in &self.marks { (self.mark(mark, &frame)) }
                }
                (self.axes(&frame))
            }
        }
    }

    fn axes(&self, frame: &Frame) -> Markup {
        let middle = |tick: &axis::Tick, axis: &Axis| axis.position(tick.value).unwrap_or(0.0);
        html! {
            rect class="frame" x=(px(LEFT)) y=(px(frame.top)) width=(px(frame.right - LEFT)) height=(px(PLOT_HEIGHT)) {}
            @for tick in self.x.ticks() {
                @let x = frame.x(middle(&tick, &self.x));
                @let length = if tick.label.is_some() { 8.0 } else { 4.0 };
                path class="tick" d=(format!(
                    "M{0} {1}v{2}M{0} {3}v{4}", px(x), px(frame.bottom), px(-length), px(frame.top), px(length)
                )) {}
                @if let Some(label) = &tick.label {
                    text class="number" x=(px(x)) y=(px(frame.bottom + 19.0)) text-anchor="middle" { (label) }
                }
            }
            @for tick in self.y.ticks() {
                @let y = frame.y(middle(&tick, &self.y));
                @let length = if tick.label.is_some() { 8.0 } else { 4.0 };
                path class="tick" d=(format!(
                    "M{1} {0}h{2}M{3} {0}h{4}", px(y), px(LEFT), px(length), px(frame.right), px(-length)
                )) {}
                @if let Some(label) = &tick.label {
                    text class="number" x=(px(LEFT - 8.0)) y=(px(y + 4.5)) text-anchor="end" { (label) }
                }
            }
            text class="label" x=(px(frame.right)) y=(px(frame.bottom + 42.0)) text-anchor="end" { (self.x.label) }
            text class="label" transform=(format!("translate(15 {}) rotate(-90)", px(frame.top))) text-anchor="end" {
                (self.y.label)
            }
        }
    }

    fn mark(&self, mark: &Mark, frame: &Frame) -> Markup {
        match mark {
            Mark::Line { points, style } => {
                html! { path class=(format!("line s{style}")) d=(self.line(points, frame)) {} }
            }
            Mark::Band { points, style } => {
                html! { path class=(format!("band s{style}")) d=(self.band(points, frame)) {} }
            }
            Mark::Steps { edges, values, errors, style } => self.steps(edges, values, errors, *style, frame),
            Mark::Dot { at, bar, style } => {
                let Some((x, y)) = self.place(*at, frame) else { return html! {} };
                let end = |value| frame.y(self.y.position(value).unwrap_or(0.0).clamp(-1.0, 2.0));
                html! {
                    @if let Some((low, high)) = bar {
                        path class=(format!("bar s{style}"))
                            d=(format!("M{0} {1}V{2}", px(x), px(end(*low)), px(end(*high)))) {}
                    }
                    circle class=(format!("dot s{style}")) cx=(px(x)) cy=(px(y)) r="4" {}
                }
            }
            Mark::Rule { x } => {
                let Some(position) = self.x.position(*x) else { return html! {} };
                let path = format!("M{:.1} {:.1}V{:.1}", frame.x(position), frame.top, frame.bottom);
                html! { path class="rule" d=(path) {} }
            }
            Mark::Tip { at, text } => {
                let Some((x, y)) = self.place(*at, frame) else { return html! {} };
                html! { circle class="tip" cx=(px(x)) cy=(px(y)) r="7" { title { (text) } } }
            }
        }
    }

    /// The position of a point, within reach of the frame (SVG clips the rest).
    fn place(&self, (x, y): (f64, f64), frame: &Frame) -> Option<(f64, f64)> {
        let (x, y) = (self.x.position(x)?, self.y.position(y)?);
        Some((frame.x(x.clamp(-1.0, 2.0)), frame.y(y.clamp(-1.0, 2.0))))
    }

    fn line(&self, points: &[(f64, f64)], frame: &Frame) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for &point in points {
            pen = match self.place(point, frame) {
                Some((x, y)) => {
                    let _ = write!(path, "{pen}{x:.1} {y:.1}");
                    'L'
                }
                None => 'M',
            };
        }
        path
    }

    /// A bound without a place (zero on a logarithmic axis, infinity) is drawn at that end of the axis.
    fn band(&self, points: &[(f64, f64, f64)], frame: &Frame) -> String {
        let y = |value: f64| match self.y.position(value) {
            Some(position) => frame.y(position.clamp(-1.0, 2.0)),
            None if value == f64::INFINITY => frame.y(2.0),
            None => frame.y(-1.0),
        };
        let placed = || points.iter().filter_map(|point| Some((frame.x(self.x.position(point.0)?), point)));
        let upper = placed().map(|(x, point)| (x, y(point.2)));
        let lower = placed().rev().map(|(x, point)| (x, y(point.1)));
        let mut path = String::new();
        for (i, (x, y)) in upper.chain(lower).enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        if !path.is_empty() {
            path.push('Z');
        }
        path
    }

    fn steps(&self, edges: &[f64], values: &[f64], errors: &[f64], style: Style, frame: &Frame) -> Markup {
        let x = |value: f64| frame.x(self.x.position(value).unwrap_or(0.0));
        let y = |value: f64| frame.y(self.y.position(value).unwrap_or(0.0).clamp(-1.0, 2.0));
        let bins = || edges.windows(2).zip(values.iter().zip(errors));
        let mut outline = String::new();
        let mut bars = String::new();
        for (edge, (&value, &error)) in bins() {
            let pen = if outline.is_empty() { 'M' } else { 'L' };
            let _ = write!(outline, "{pen}{:.1} {:.1}H{:.1}", x(edge[0]), y(value), x(edge[1]));
            if error > 0.0 && value > 0.0 {
                let middle = 0.5 * (x(edge[0]) + x(edge[1]));
                let _ = write!(bars, "M{middle:.1} {:.1}V{:.1}", y(value - error), y(value + error));
            }
        }
        let area = match (edges.first(), edges.last()) {
            (Some(&first), Some(&last)) if !outline.is_empty() => {
                format!("{outline}V{0:.1}H{1:.1}Z", frame.bottom, x(first).min(x(last)))
            }
            _ => String::new(),
        };
        html! {
            path class=(format!("area s{style}")) d=(area) {}
            path class=(format!("line s{style}")) d=(outline) {}
            path class=(format!("bar s{style}")) d=(bars) {}
        }
    }
}

/// The rectangle that the axes span.
struct Frame {
    top: f64,
    bottom: f64,
    right: f64,
}

impl Frame {
    fn x(&self, position: f64) -> f64 {
        LEFT + position * (self.right - LEFT)
    }

    fn y(&self, position: f64) -> f64 {
        self.bottom - position * (self.bottom - self.top)
    }
}

/// The sample of a legend's entry, a small picture of its own.
fn sample(sample: Sample, style: Style) -> Markup {
    html! {
        svg class="sample" viewBox="0 0 30 14" width="30" height="14" aria-hidden="true" {
            @match sample {
                Sample::Line => path class=(format!("line s{style}")) d="M0 7h30" {},
                Sample::Rule => path class="rule" d="M15 0v14" {},
                Sample::Dot => circle class=(format!("dot s{style}")) cx="15" cy="7" r="4" {},
                Sample::Band => {
                    rect class=(format!("band s{style}")) width="30" height="14" {}
                    path class=(format!("line s{style}")) d="M0 7h30" {}
                },
                Sample::Area => {
                    rect class=(format!("area s{style}")) x="1" y="1" width="28" height="12" {}
                    rect class=(format!("line s{style}")) x="1" y="1" width="28" height="12" {}
                },
            }
        }
    }
}
