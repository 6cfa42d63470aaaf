//! What the tiles hold at most and at least.

/// What the jets of a tile have at most and at least. Jets that are gone may still count, until all are laid out anew.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// By tile: no jet has a lower scale.
    pub(super) scale: Vec<f64>,
    /// By tile: no jet has its nearest neighbour at a larger squared distance.
    pub(super) distance: Vec<f64>,
    /// The same by row.
    pub(super) in_row: Vec<f64>,
    columns: usize,
}

impl Bounds {
    pub(super) fn reset(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        for (column, length, empty) in [
            (&mut self.scale, rows * columns, f64::INFINITY),
            (&mut self.distance, rows * columns, 0.0),
            (&mut self.in_row, rows, 0.0),
        ] {
            column.clear();
            column.resize(length, empty);
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, tile: usize, scale: f64, distance: f64) {
        self.scale[tile] = self.scale[tile].min(scale);
        self.distance[tile] = self.distance[tile].max(distance);
        let row = &mut self.in_row[tile / self.columns];
        *row = row.max(distance);
    }
}
