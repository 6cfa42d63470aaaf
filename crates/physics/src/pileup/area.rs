//! Active areas by ghosts.

use std::f64::consts::TAU;

use crate::cluster::{JetDefinition, cluster};
use crate::error::{Error, parameter};
use crate::four_vector::{FourVector, FourVectors};

/// Infinitely soft particles that cover a band in rapidity. Where they are is random in each cell of a grid, the same for the same
/// seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ghosts {
    /// They go from minus to plus this rapidity.
    pub max_rapidity: f64,
    /// The area of one, at most; the cells of the grid fit a whole number of times.
    pub area: f64,
    /// Another seed, another placement: areas of repeated runs say how sure they are.
    pub seed: u64,
}

impl Default for Ghosts {
    fn default() -> Self {
        Self { max_rapidity: 6.0, area: 0.01, seed: 0 }
    }
}

/// Transverse momentum of a ghost, as in FastJet.
const GHOST_PT: f64 = 1e-100;

/// A jet with its area.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaJet {
    /// Momentum.
    pub momentum: FourVector,
    /// Indices of its particles, in increasing order.
    pub constituents: Vec<u32>,
    /// How many ghosts it took, times the area of one.
    pub area: f64,
    /// The area as a four-vector: the sum of massless vectors of pt 1 at the ghosts, times the area of one.
    pub area_vector: FourVector,
}

impl AreaJet {
    /// The momentum without a density `rho` of transverse momentum: `p - rho A` (Cacciari and Salam, arXiv:0707.1378).
    #[must_use]
    pub fn subtracted(&self, rho: f64) -> FourVector {
        self.momentum - self.area_vector * rho
    }
}

impl Ghosts {
    /// The ghosts and the area of one.
    fn place(&self) -> Result<(Vec<FourVector>, f64), Error> {
        let Self { max_rapidity, area, seed } = *self;
        parameter(
            "the ghosts' rapidity",
            max_rapidity,
            max_rapidity > 0.0 && max_rapidity <= 100.0,
            "in (0, 100]",
        )?;
        let cells = 2.0 * max_rapidity * TAU / area;
        parameter(
            "the ghosts' area",
            area,
            area > 0.0 && cells < 4e6,
            "such that there are fewer than 4,000,000",
        )?;
        let side = area.sqrt();
        let (rows, columns) = ((2.0 * max_rapidity / side).ceil(), (TAU / side).ceil());
        let (dy, dphi) = (2.0 * max_rapidity / rows, TAU / columns);
        let mut random = seed;
        // SplitMix64, the same everywhere.
        let mut uniform = || {
            random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (random ^ (random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut ghosts = Vec::with_capacity((rows * columns) as usize);
        for row in 0..rows as usize {
            for column in 0..columns as usize {
                let y = -max_rapidity + dy * (row as f64 + uniform());
                let phi = dphi * (column as f64 + uniform());
                // A tenth of scatter in pt, so that distances between ghosts are not equal.
                ghosts.push(FourVector::from_pt_y_phi_m(GHOST_PT * (1.0 + 0.1 * uniform()), y, phi, 0.0));
            }
        }
        Ok((ghosts, dy * dphi))
    }
}

/// Inclusive jets of at least `min_pt` with their active areas (Cacciari, Salam and Soyez, arXiv:0802.1188), hardest first.
///
/// Fails as clustering does, and for ghosts that are too many or without a place.
pub fn jets_with_areas(
    definition: &JetDefinition,
    particles: &[FourVector],
    min_pt: f64,
    ghosts: &Ghosts,
) -> Result<Vec<AreaJet>, Error> {
    let (ghosts, area) = ghosts.place()?;
    let all: FourVectors<f64> = particles.iter().chain(&ghosts).copied().collect();
    let sequence = cluster(definition, &all)?;
    let jets = sequence.inclusive(min_pt);
    let mut found: Vec<AreaJet> = jets
        .iter()
        .map(|jet| AreaJet {
            momentum: jet.momentum,
            constituents: Vec::new(),
            area: 0.0,
            area_vector: FourVector::default(),
        })
        .collect();
    for (index, place) in sequence.labels(&jets).into_iter().enumerate() {
        let Some(jet) = place.and_then(|place| found.get_mut(place as usize)) else { continue };
        match index.checked_sub(particles.len()) {
            None => jet.constituents.push(index as u32),
            Some(ghost) => {
                jet.area += area;
                let ghost = ghosts[ghost];
                jet.area_vector += ghost * (area / ghost.pt());
            }
        }
    }
    Ok(found)
}
