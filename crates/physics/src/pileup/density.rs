//! The median density of transverse momentum, and SoftKiller, on a grid of cells.

use std::f64::consts::TAU;

use crate::error::{Error, bounded, parameter};
use crate::four_vector::FourVector;

/// Cells of nearly equal sides between minus and plus a rapidity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cells {
    max_rapidity: f64,
    rows: usize,
    columns: usize,
}

impl Cells {
    /// The number of rows and columns whose sides come nearest to `side`. Fails for a side or rapidity that is not positive and
    /// finite, and for more than 4,000,000 cells.
    pub fn new(max_rapidity: f64, side: f64) -> Result<Self, Error> {
        parameter(
            "the largest rapidity",
            max_rapidity,
            max_rapidity > 0.0 && max_rapidity <= 100.0,
            "in (0, 100]",
        )?;
        let enough = side > 0.0 && side.is_finite() && 2.0 * max_rapidity * TAU / (side * side) < 4e6;
        parameter("the side of a cell", side, enough, "positive, with fewer than 4,000,000 cells")?;
        let count = |length: f64| ((length / side + 0.5) as usize).max(1);
        Ok(Self { max_rapidity, rows: count(2.0 * max_rapidity), columns: count(TAU) })
    }

    /// How many cells there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// The area of one.
    #[must_use]
    pub fn area(&self) -> f64 {
        2.0 * self.max_rapidity * TAU / self.count() as f64
    }

    /// The cell of a particle; none outside of the band.
    fn cell(&self, v: FourVector) -> Option<usize> {
        let (y, phi) = crate::cluster::direction(v);
        let row = ((y + self.max_rapidity) / (2.0 * self.max_rapidity) * self.rows as f64).floor();
        if !(row >= 0.0 && row < self.rows as f64) {
            return None;
        }
        let column = ((phi / TAU * self.columns as f64) as usize).min(self.columns - 1);
        Some(row as usize * self.columns + column)
    }

    /// The density of transverse momentum: the median over cells of their summed pt, divided by the area of a cell (FastJet's
    /// `GridMedianBackgroundEstimator`, arXiv:1111.6097). Fails for momenta that are not finite or beyond 1e140.
    ///
    /// ```
    /// use fiducial_physics::pileup::Cells;
    ///
    /// // Nothing but one jet: most cells are empty.
    /// let jet = fiducial_physics::four_vector::FourVector::from_pt_y_phi_m(100.0, 0.0, 0.0, 0.0);
    /// assert_eq!(Cells::new(2.5, 0.5)?.density(&[jet])?, 0.0);
    /// # Ok::<(), fiducial_physics::Error>(())
    /// ```
    pub fn density(&self, particles: &[FourVector]) -> Result<f64, Error> {
        let mut sums = self.fold(particles, |sum, pt| sum + pt)?;
        sums.sort_unstable_by(f64::total_cmp);
        let middle = sums.len() / 2;
        let median = if sums.len() % 2 == 1 { sums[middle] } else { 0.5 * (sums[middle - 1] + sums[middle]) };
        Ok(median / self.area())
    }

    fn fold(&self, particles: &[FourVector], join: impl Fn(f64, f64) -> f64) -> Result<Vec<f64>, Error> {
        let flat: Vec<f64> = particles.iter().flat_map(|v| [v.px, v.py, v.pz, v.e]).collect();
        bounded("particles", &flat, 1e140)?;
        let mut cells = vec![0.0; self.count()];
        for v in particles {
            if let Some(cell) = self.cell(*v) {
                cells[cell] = join(cells[cell], v.pt());
            }
        }
        Ok(cells)
    }
}

/// SoftKiller's threshold: the median over cells of the largest pt in each, so that half of the cells become empty (Cacciari, Salam
/// and Soyez, arXiv:1407.0408). Particles above it are kept. Fails for momenta that are not finite or beyond 1e140.
///
/// ```
/// use fiducial_physics::four_vector::FourVector;
/// use fiducial_physics::pileup::{Cells, soft_killer};
///
/// let at = |pt, y| FourVector::from_pt_y_phi_m(pt, y, 1.0, 0.0);
/// // One column of cells.
/// let cells = Cells::new(3.0, 6.0)?;
/// assert_eq!(cells.count(), 1);
/// assert!((soft_killer(&[at(3.0, 1.0), at(1.0, -1.0)], &cells)? - 3.0).abs() < 1e-12);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn soft_killer(particles: &[FourVector], cells: &Cells) -> Result<f64, Error> {
    let mut largest = cells.fold(particles, f64::max)?;
    largest.sort_unstable_by(f64::total_cmp);
    Ok(largest[largest.len() / 2])
}
