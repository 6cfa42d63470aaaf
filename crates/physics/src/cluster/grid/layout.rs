//! Which tile is where.

use std::f64::consts::TAU;

use super::Live;

/// Particles beyond this rapidity share the outermost row of tiles.
const ROW_LIMIT: f64 = 10.0;
/// So many jets in a tile are enough: where R holds more, tiles become smaller.
const IN_TILE: f64 = 8.0;
/// The most tiles that R goes over.
const REACH: usize = 8;

/// Tiles of one row (in rapidity) follow each other in azimuth.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) columns: usize,
    lowest: f64,
    /// The height of a row.
    size: f64,
    per_rapidity: f64,
    per_phi: f64,
    /// The width of a column.
    pub(super) width: f64,
    pub(super) radius: f64,
    /// How many tiles R goes over, at most.
    pub(super) reach: usize,
    /// First slot of each tile, then the end.
    pub(super) starts: Vec<u32>,
}

impl Layout {
    /// A grid for `live` jets, not more tiles than jets: as wide as `radius`, or a whole part of it where jets are dense.
    pub(super) fn choose(&mut self, live: &[Live], radius: f64, tiled: bool) {
        let inside = live.iter().map(|jet| jet.rapidity.clamp(-ROW_LIMIT, ROW_LIMIT));
        let (low, high) =
            inside.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let extent = (high - low).max(1e-3);
        let each = extent * TAU / live.len().max(1) as f64;
        let reach = (radius / (IN_TILE * each).sqrt()).clamp(1.0, REACH as f64).floor();
        // A hair more than R, since tiles are found by rounding a product.
        let size = (radius / reach * 1.000_001).max(each.sqrt());
        (self.reach, self.radius, self.size) = (reach as usize, radius, size);
        let columns = (TAU / size).floor() as usize;
        let rows = (extent / size).ceil().max(1.0) as usize;
        // With fewer columns those to the left are those to the right.
        let columns = if columns < 2 * self.reach + 2 { 1 } else { columns };
        let (rows, columns) = if tiled { (rows, columns) } else { (1, 1) };
        self.rows = rows;
        self.columns = columns;
        self.lowest = low;
        self.per_rapidity = 1.0 / size;
        self.per_phi = columns as f64 / TAU;
        self.width = TAU / columns as f64;
    }

    #[inline(always)]
    pub(super) fn row(&self, rapidity: f64) -> usize {
        // Conversion saturates: below the grid it gives 0.
        (((rapidity - self.lowest) * self.per_rapidity) as usize).min(self.rows - 1)
    }

    #[inline(always)]
    pub(super) fn column(&self, phi: f64) -> usize {
        ((phi * self.per_phi) as usize).min(self.columns - 1)
    }

    #[inline(always)]
    pub(super) fn tile(&self, rapidity: f64, phi: f64) -> usize {
        self.row(rapidity) * self.columns + self.column(phi)
    }

    /// How far in rapidity the jets of a row are from a place at least.
    #[inline(always)]
    pub(super) fn to_row(&self, row: usize, rapidity: f64) -> f64 {
        let low = self.lowest + row as f64 * self.size;
        // The outermost rows hold all that is beyond.
        let below = if row == 0 { 0.0 } else { low - rapidity };
        let above = if row + 1 == self.rows { 0.0 } else { rapidity - (low + self.size) };
        // A hair less, for rounding.
        (below.max(above) * 0.999_999 - 1e-9).max(0.0)
    }

    /// The runs of tiles of one row, to both sides of an azimuth: one, or two in the order of tiles, or the whole row.
    #[inline(always)]
    pub(super) fn runs(&self, row: usize, phi: f64, width: f64) -> ([(usize, usize); 2], usize) {
        let (first, end) = (row * self.columns, (row + 1) * self.columns);
        let columns = self.columns as isize;
        // A hair more. Conversion rounds towards 0, so that one turn is added before.
        let (place, width) = (phi * self.per_phi, width * self.per_phi * 1.000_001 + 1e-9);
        let low = (place - width + self.columns as f64) as isize - columns;
        let high = (place + width) as isize;
        let at = |column: isize| first + column as usize;
        if high - low + 1 >= columns {
            ([(first, end), (0, 0)], 1)
        } else if low < 0 {
            ([(first, at(high + 1)), (at(low + columns), end)], 2)
        } else if high >= columns {
            ([(first, at(high - columns + 1)), (at(low), end)], 2)
        } else {
            ([(at(low), at(high + 1)), (0, 0)], 1)
        }
    }

    /// The slots of a run of tiles: the first, and how many.
    #[inline(always)]
    pub(super) fn slots(&self, (from, to): (usize, usize)) -> (usize, usize) {
        let start = self.starts[from] as usize;
        (start, self.starts[to] as usize - start)
    }
}
