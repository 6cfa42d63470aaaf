//! Heat maps with a logarithmic colour scale.

use maud::{Markup, html};

use super::{Axis, px};

/// Steps of the colour scale: classes `h0` (lowest) to `h15` of the style sheet.
const LEVELS: usize = 16;

const WIDTH: f64 = 560.0;
const SIDE: f64 = 400.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 30.0;
const BAR_LEFT: f64 = LEFT + SIDE + 16.0;
const BAR_WIDTH: f64 = 16.0;

/// A square map of cells.
pub(crate) struct HeatMap<'a> {
    pub(crate) description: String,
    pub(crate) title: String,
    /// Both axes have the same range.
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// The colour scale.
    pub(crate) z: Axis,
    pub(crate) bins: usize,
    /// `(bins, bins)`, the first row is the lowest.
    pub(crate) values: &'a [f64],
    /// Whether a line shows where x and y are equal.
    pub(crate) diagonal: bool,
}

impl HeatMap<'_> {
    /// The map as an SVG element.
    pub(crate) fn render(&self) -> Markup {
        let bottom = TOP + SIDE;
        let height = bottom + 50.0;
        html! {
            svg class="chart" viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(self.description) {
                text class="entry strong" x=(px(LEFT)) y=(px(TOP - 11.0)) { (self.title) }
                rect class="h0" x=(px(LEFT)) y=(px(TOP)) width=(px(SIDE)) height=(px(SIDE)) {}
                g class="cells" { @for row in 0..self.bins { (self.row(row)) } }
                @if self.diagonal {
                    path class="equal" d=(format!("M{} {}L{} {}", px(LEFT), px(bottom), px(LEFT + SIDE), px(TOP))) {}
                }
                rect class="frame" x=(px(LEFT)) y=(px(TOP)) width=(px(SIDE)) height=(px(SIDE)) {}
                @for tick in self.x.ticks().into_iter().filter(|tick| tick.label.is_some()) {
                    @let x = LEFT + SIDE * self.x.position(tick.value).unwrap_or(0.0);
                    path class="tick" d=(format!("M{0} {1}v5", px(x), px(bottom))) {}
                    text class="number" x=(px(x)) y=(px(bottom + 20.0)) text-anchor="middle" { (tick.label.unwrap_or_default()) }
                }
                @for tick in self.y.ticks().into_iter().filter(|tick| tick.label.is_some()) {
                    @let y = bottom - SIDE * self.y.position(tick.value).unwrap_or(0.0);
                    path class="tick" d=(format!("M{0} {1}h-5", px(LEFT), px(y))) {}
                    text class="number" x=(px(LEFT - 8.0)) y=(px(y + 4.5)) text-anchor="end" { (tick.label.unwrap_or_default()) }
                }
                text class="label" x=(px(LEFT + SIDE)) y=(px(bottom + 42.0)) text-anchor="end" { (self.x.label) }
                text class="label" transform=(format!("translate(14 {}) rotate(-90)", px(TOP))) text-anchor="end" { (self.y.label) }
                (self.colour_bar())
            }
        }
    }

    /// Cells of one row; neighbours of the same colour are one rectangle, and the lowest colour is the ground.
    fn row(&self, row: usize) -> Markup {
        let cell = SIDE / self.bins as f64;
        let values = self.values.iter().skip(row * self.bins).take(self.bins);
        let levels: Vec<usize> = values.map(|&value| self.level(value)).collect();
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (column, &level) in levels.iter().enumerate() {
            match runs.last_mut() {
                Some((start, length, last)) if *last == level && *start + *length == column => *length += 1,
                _ => runs.push((column, 1, level)),
            }
        }
        let y = TOP + SIDE - (row + 1) as f64 * cell;
        html! {
            @for (start, length, level) in runs.into_iter().filter(|run| run.2 > 0) {
                rect class=(format!("h{level}")) x=(px(LEFT + start as f64 * cell)) y=(px(y))
                    width=(px(length as f64 * cell)) height=(px(cell)) {}
            }
        }
    }

    fn level(&self, value: f64) -> usize {
        let position = self.z.position(value).unwrap_or(0.0).clamp(0.0, 1.0);
        ((position * LEVELS as f64) as usize).min(LEVELS - 1)
    }

    fn colour_bar(&self) -> Markup {
        let step = SIDE / LEVELS as f64;
        html! {
            g class="cells" {
                @for level in 0..LEVELS {
                    rect class=(format!("h{level}")) x=(px(BAR_LEFT)) y=(px(TOP + SIDE - (level + 1) as f64 * step))
                        width=(px(BAR_WIDTH)) height=(px(step)) {}
                }
            }
            rect class="frame" x=(px(BAR_LEFT)) y=(px(TOP)) width=(px(BAR_WIDTH)) height=(px(SIDE)) {}
            @for tick in self.z.ticks().into_iter().filter(|tick| tick.label.is_some()) {
                @let y = TOP + SIDE * (1.0 - self.z.position(tick.value).unwrap_or(0.0));
                path class="tick" d=(format!("M{0} {1}h5", px(BAR_LEFT + BAR_WIDTH), px(y))) {}
                text class="number" x=(px(BAR_LEFT + BAR_WIDTH + 8.0)) y=(px(y + 4.5)) { (tick.label.unwrap_or_default()) }
            }
            text class="label" text-anchor="end" transform=(format!("translate({} {}) rotate(-90)", px(WIDTH - 8.0), px(TOP))) {
                (self.z.label)
            }
        }
    }
}
