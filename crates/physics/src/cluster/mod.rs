//! Jets by sequential recombination: anti-kt, Cambridge/Aachen, kt and their generalisation, for hadron and for
//! electron-positron collisions.
//!
//! The algorithms join the pair with the smallest distance until the smallest is a particle's distance to the beam, which makes
//! that particle a jet. With pt and the distance ΔR in rapidity and azimuth the generalised kt distances are
//! `dij = min(pti^2p, ptj^2p) ΔRij² / R²` and `diB = pti^2p`: p = 1 is kt, 0 Cambridge/Aachen, -1 anti-kt (Cacciari, Salam and
//! Soyez, arXiv:0802.1189). Rapidities, special cases and recombination schemes are those of FastJet
//! (arXiv:1111.6097), so that jets and their constituents are the same.
//!
//! ```
//! use fiducial_physics::cluster::{JetDefinition, cluster};
//! use fiducial_physics::four_vector::FourVectors;
//!
//! let event = FourVectors::from_pt_y_phi_m(
//!     &[50.0, 20.0, 60.0], &[0.0, 0.1, -1.0], &[0.0, 0.2, 3.0], &[0.0, 0.0, 0.0])?;
//! let sequence = cluster(&JetDefinition::anti_kt(0.4), &event)?;
//! let jets = sequence.inclusive(5.0);
//! assert_eq!(jets.len(), 2);
//! assert_eq!(sequence.constituents(jets[0].id), [0, 1]);
//! assert!((jets[0].momentum.pt() - 69.715).abs() < 0.001);
//! # Ok::<(), fiducial_physics::Error>(())
//! ```
//!
//! ## How it is fast
//! FastJet's lemma (hep-ph/0512210): with the smallest `dij`, j is the nearest neighbour of i, where i is the one of lower
//! `pt^2p`. So each particle keeps its nearest neighbour within R and the number `pt_i^2p ΔRij²`. That number stays a lower bound
//! when the neighbour disappears, so a particle looks for a new neighbour only when it comes first in the queue. The queue keeps the
//! smallest value of each block of 32, and of each 32 blocks.
//!
//! | particles left | strategy | a search looks at |
//! |---|---|---|
//! | up to 96 | [`Strategy::Plain`], n² | all, with vector instructions |
//! | more, fewer than 8 in a tile of side R | [`Strategy::Tiled`] | three rows of tiles, one after the other in memory |
//! | more | the same, tiles of R / 2 to R / 8 | rows from the nearest on, until they are further away than what was found |
//!
//! Where R goes over three tiles or more, a new jet is told only to tiles with a jet of lower `pt^2p` whose nearest neighbour is
//! further away than the tile: a few around it, however dense particles are. So up to a density of some jets in a circle of R / 8 a step
//! takes a number of operations that hardly grows with n, and all steps n ln n or so. The choice is made anew each time half of the
//! particles are gone.

mod batch;
mod grid;
mod queue;
mod recombine;
mod sequence;
mod spherical;

pub(crate) use recombine::direction;

pub use batch::{EventJets, cluster_events};
pub use sequence::{ClusterSequence, Jet, Selection, Step};

use crate::error::{Error, bounded, parameter};
use crate::four_vector::{FourVector, FourVectors, Real};

/// Components beyond this are refused: squares of sums of them stay finite.
const LARGEST: f64 = 1e145;

/// Which distance decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    /// p = -1 (arXiv:0802.1189).
    AntiKt,
    /// p = 0 (hep-ph/9707323, hep-ph/9907280).
    CambridgeAachen,
    /// p = 1 (Nucl. Phys. B 406 (1993) 187, hep-ph/9305266).
    Kt,
    /// Any p.
    GeneralisedKt {
        /// The power of pt².
        p: f64,
    },
    /// Durham, for electron-positron collisions: `dij = 2 min(Ei², Ej²) (1 - cos θij)`, no beam, so that it has exclusive jets
    /// alone (Phys. Lett. B 269 (1991) 432). The radius does not count.
    EeKt,
    /// `dij = min(Ei^2p, Ej^2p) (1 - cos θij) / (1 - cos R)`, `diB = Ei^2p`; for R > pi with 3 + cos R instead (arXiv:1111.6097).
    EeGeneralisedKt {
        /// The power of E².
        p: f64,
    },
}

/// How two particles become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recombination {
    /// Four-momenta are added.
    #[default]
    E,
    /// Massless: pt are added, rapidity and azimuth are means weighted with pt. Particles are made massless first, by their
    /// energy. Not for electron-positron algorithms.
    Pt,
    /// Winner takes all: pt are added, rapidity, azimuth and mass are those of the harder one (arXiv:1310.7584). In
    /// electron-positron algorithms momenta are added and the direction is that of the larger one.
    WinnerTakesAll,
}

/// All that defines jets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JetDefinition {
    /// The distance.
    pub algorithm: Algorithm,
    /// R, in (0, 1000].
    pub radius: f64,
    /// How momenta are joined.
    pub recombination: Recombination,
}

impl JetDefinition {
    /// Any algorithm, with momenta added.
    #[must_use]
    pub const fn new(algorithm: Algorithm, radius: f64) -> Self {
        Self { algorithm, radius, recombination: Recombination::E }
    }

    /// Anti-kt with momenta added.
    #[must_use]
    pub const fn anti_kt(radius: f64) -> Self {
        Self::new(Algorithm::AntiKt, radius)
    }

    /// Cambridge/Aachen with momenta added.
    #[must_use]
    pub const fn cambridge_aachen(radius: f64) -> Self {
        Self::new(Algorithm::CambridgeAachen, radius)
    }

    /// kt with momenta added.
    #[must_use]
    pub const fn kt(radius: f64) -> Self {
        Self::new(Algorithm::Kt, radius)
    }

    /// The same with another recombination.
    #[must_use]
    pub const fn with(self, recombination: Recombination) -> Self {
        Self { recombination, ..self }
    }

    fn check(&self) -> Result<(), Error> {
        parameter("R", self.radius, self.radius > 0.0 && self.radius <= 1000.0, "above 0 and at most 1000")?;
        if let Algorithm::GeneralisedKt { p } | Algorithm::EeGeneralisedKt { p } = self.algorithm {
            parameter("p", p, p.is_finite(), "a finite number")?;
        }
        let spherical = self.algorithm.is_spherical();
        let allowed = !(spherical && self.recombination == Recombination::Pt);
        parameter("the recombination", 1.0, allowed, "E or winner takes all for electron-positron algorithms")
    }
}

impl Algorithm {
    fn is_spherical(self) -> bool {
        matches!(self, Self::EeKt | Self::EeGeneralisedKt { .. })
    }

    /// `pt^2p` or `E^2p` from the square. Never above 1e300, so that products with distances stay finite.
    #[inline(always)]
    fn scale(self, squared: f64) -> f64 {
        match self {
            Self::AntiKt => {
                if squared > 1e-300 {
                    1.0 / squared
                } else {
                    1e300
                }
            }
            Self::CambridgeAachen => 1.0,
            Self::Kt | Self::EeKt => squared,
            Self::GeneralisedKt { p } | Self::EeGeneralisedKt { p } => {
                let squared = if p <= 0.0 { squared.max(1e-300) } else { squared };
                squared.powf(p).min(1e300)
            }
        }
    }
}

/// Which way nearest neighbours are found; the jets are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// By the number of particles.
    #[default]
    Automatic,
    /// Every particle looks at all others: O(n²), the fastest for few.
    Plain,
    /// A grid of tiles, finer ones where particles are dense, of which only those are looked at that matter: O(n ln n) or so.
    Tiled,
}

/// Reusable memory for clustering one event after the other.
#[derive(Debug, Default)]
pub struct Clusterer {
    grid: grid::Grid,
    sphere: spherical::Sphere,
}

impl Clusterer {
    /// Clusters one event with a given strategy, see [`cluster`]. The strategy does not count for electron-positron algorithms.
    pub fn cluster<T: Real>(
        &mut self,
        definition: &JetDefinition,
        particles: &FourVectors<T>,
        strategy: Strategy,
    ) -> Result<ClusterSequence, Error> {
        definition.check()?;
        let particles: Vec<FourVector> = particles.iter().collect();
        self.run(definition, particles, strategy)
    }

    /// As [`Clusterer::cluster`], with a definition that was checked.
    fn run(
        &mut self,
        definition: &JetDefinition,
        particles: Vec<FourVector>,
        strategy: Strategy,
    ) -> Result<ClusterSequence, Error> {
        check_momenta(&particles)?;
        let mut sequence = ClusterSequence::new(particles);
        if definition.algorithm.is_spherical() {
            self.sphere.cluster(definition, &mut sequence);
        } else {
            self.grid.cluster(definition, strategy, &mut sequence);
        }
        Ok(sequence)
    }
}

fn check_momenta(particles: &[FourVector]) -> Result<(), Error> {
    // NaN is not below anything either.
    let right = particles.iter().all(|v| v.px.abs() + v.py.abs() + v.pz.abs() + v.e.abs() <= LARGEST);
    if particles.len() >= u32::MAX as usize / 4 {
        return Err(Error::Parameter {
            name: "the number of particles",
            value: particles.len() as f64,
            range: "below 2^30",
        });
    }
    if right {
        return Ok(());
    }
    for (name, component) in [
        ("px", (|v: &FourVector| v.px) as fn(&FourVector) -> f64),
        ("py", |v| v.py),
        ("pz", |v| v.pz),
        ("e", |v| v.e),
    ] {
        let column: Vec<f64> = particles.iter().map(component).collect();
        bounded(name, &column, LARGEST / 4.0)?;
    }
    Ok(())
}

/// Clusters one event.
///
/// Equal distances are resolved the same way on every machine, but in no documented order. Fails for a radius or power out of
/// range and for components that are not finite or beyond 2.5e144; there is no other limit on momenta (space-like ones,
/// negative energies and ghosts of 1e-100 GeV are clustered).
pub fn cluster<T: Real>(
    definition: &JetDefinition,
    particles: &FourVectors<T>,
) -> Result<ClusterSequence, Error> {
    Clusterer::default().cluster(definition, particles, Strategy::Automatic)
}
