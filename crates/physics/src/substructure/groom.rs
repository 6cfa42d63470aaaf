//! Grooming: soft drop, trimming and pruning.

use super::{EVERYTHING, by_hardness, distance, recluster};
use crate::cluster::{Algorithm, Recombination};
use crate::error::{Error, parameter};
use crate::four_vector::FourVector;

/// What grooming leaves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groomed {
    /// The sum of what is left.
    pub momentum: FourVector,
    /// Indices of the constituents that are left, in increasing order.
    pub constituents: Vec<u32>,
    /// Soft drop: the momentum fraction of the softer branch that was kept; 0 where there is none.
    pub z: f64,
    /// Soft drop: the distance of the two branches; 0 where there are none.
    pub delta_r: f64,
}

/// The condition of soft drop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftDrop {
    /// The least momentum fraction of the softer branch at a distance of `radius`.
    pub z_cut: f64,
    /// How the least fraction falls with the distance; 0 is the modified mass drop tagger.
    pub beta: f64,
    /// R0.
    pub radius: f64,
}

/// Soft drop (arXiv:1402.2657): the jet's history under Cambridge/Aachen is followed back along the harder branch until
/// `min(pt1, pt2) / (pt1 + pt2) > z_cut (ΔR12 / R0)^beta`. With `beta = 0` it is mMDT (arXiv:1307.0007). Where no branching
/// passes, the hardest constituent on the way is left (grooming, not tagging).
///
/// Fails for momenta that clustering refuses and for parameters that are not finite.
pub fn soft_drop(constituents: &[FourVector], condition: SoftDrop) -> Result<Groomed, Error> {
    let SoftDrop { z_cut, beta, radius } = condition;
    parameter("z_cut", z_cut, z_cut.is_finite(), "finite")?;
    parameter("beta", beta, beta.is_finite(), "finite")?;
    parameter("R0", radius, radius > 0.0 && radius.is_finite(), "a positive finite number")?;
    let sequence = recluster(constituents, Algorithm::CambridgeAachen, EVERYTHING, Recombination::E)?;
    let Some(mut jet) = sequence.inclusive(0.0).first().copied() else {
        return Ok(Groomed::default());
    };
    let (mut z, mut delta_r) = (0.0, 0.0);
    while let Some((a, b)) = sequence.parents(jet.id) {
        let Some((hard, soft)) = by_hardness(&sequence, a, b) else { break };
        let apart = distance(hard.1, soft.1);
        let fraction = soft.1.pt() / (hard.1.pt() + soft.1.pt());
        if fraction > z_cut * (apart / radius).powf(beta) {
            (z, delta_r) = (fraction, apart);
            break;
        }
        (jet.id, jet.momentum) = hard;
    }
    Ok(Groomed { momentum: jet.momentum, constituents: sequence.constituents(jet.id), z, delta_r })
}

/// Trimming (arXiv:0912.1342): constituents are clustered into kt jets of radius `radius`, and those with less than `fraction`
/// of the jet's transverse momentum are dropped.
///
/// Fails for momenta and radii that clustering refuses, and for a fraction that is not finite.
pub fn trim(constituents: &[FourVector], radius: f64, fraction: f64) -> Result<Groomed, Error> {
    parameter("the fraction", fraction, fraction.is_finite(), "finite")?;
    let least = fraction * constituents.iter().copied().sum::<FourVector>().pt();
    let sequence = recluster(constituents, Algorithm::Kt, radius, Recombination::E)?;
    let mut groomed = Groomed::default();
    for subjet in sequence.inclusive(0.0).iter().filter(|subjet| subjet.momentum.pt() >= least) {
        groomed.momentum += subjet.momentum;
        groomed.constituents.extend(sequence.constituents(subjet.id));
    }
    groomed.constituents.sort_unstable();
    Ok(groomed)
}

/// Pruning (arXiv:0903.5081): constituents are clustered again with Cambridge/Aachen, and at each step the softer of two is
/// dropped if `min(pt1, pt2) / pt12 < z_cut` and `ΔR12 > factor 2 m / pt` with the jet's mass and transverse momentum.
///
/// Takes a time of n² to n³. Fails for momenta that clustering refuses, for more than 4,096 constituents, and for parameters
/// that are not finite.
pub fn prune(constituents: &[FourVector], z_cut: f64, factor: f64) -> Result<Groomed, Error> {
    parameter("z_cut", z_cut, z_cut.is_finite(), "finite")?;
    parameter("the factor", factor, factor.is_finite(), "finite")?;
    let count = constituents.len();
    parameter("the number of constituents", count as f64, count <= 4096, "at most 4096")?;
    for v in constituents {
        crate::error::bounded("constituents", &[v.px, v.py, v.pz, v.e], 1e140)?;
    }
    let total: FourVector = constituents.iter().copied().sum();
    let cut = if total.pt() > 0.0 { factor * 2.0 * total.mass().max(0.0) / total.pt() } else { 0.0 };
    let mut open: Vec<Branch> =
        constituents.iter().enumerate().map(|(i, v)| Branch::new(*v, vec![i as u32])).collect();
    let mut nearest: Vec<(f64, usize)> = (0..open.len()).map(|i| search(&open, i)).collect();
    while open.len() > 1 {
        let first = (0..open.len()).fold(0, |best, i| if nearest[i].0 < nearest[best].0 { i } else { best });
        let (low, high) = (first.min(nearest[first].1), first.max(nearest[first].1));
        let apart = nearest[first].0.sqrt();
        let (b, a) = (open.swap_remove(high), open.swap_remove(low));
        nearest.swap_remove(high);
        nearest.swap_remove(low);
        open.push(a.join(b, z_cut, apart > cut));
        nearest.push((f64::INFINITY, 0));
        // Places moved: whoever had one of the moved or joined as nearest looks again.
        let moved = [low, high, open.len() - 1, open.len()];
        let last = open.len() - 1;
        for i in 0..open.len() {
            if moved.contains(&nearest[i].1) || i == last {
                nearest[i] = search(&open, i);
            } else {
                let d = open[i].squared_distance(&open[last]);
                if d < nearest[i].0 {
                    nearest[i] = (d, last);
                }
            }
        }
    }
    let mut groomed = Groomed::default();
    if let Some(mut last) = open.pop() {
        last.members.sort_unstable();
        (groomed.momentum, groomed.constituents) = (last.momentum, last.members);
    }
    Ok(groomed)
}

/// A jet on the way of pruning.
struct Branch {
    momentum: FourVector,
    y: f64,
    phi: f64,
    members: Vec<u32>,
}

impl Branch {
    fn new(momentum: FourVector, members: Vec<u32>) -> Self {
        let (y, phi) = super::direction(momentum);
        Self { momentum, y, phi, members }
    }

    fn squared_distance(&self, other: &Self) -> f64 {
        let (dy, dp) = (self.y - other.y, crate::delta_phi(self.phi, other.phi));
        dy * dy + dp * dp
    }

    /// One of two; if `wide`, the softer one is dropped where it is too soft.
    fn join(mut self, other: Self, z_cut: f64, wide: bool) -> Self {
        let sum = self.momentum + other.momentum;
        let softer = self.momentum.pt().min(other.momentum.pt());
        if wide && softer < z_cut * sum.pt() {
            return if self.momentum.pt() < other.momentum.pt() { other } else { self };
        }
        self.members.extend(other.members);
        Self::new(sum, self.members)
    }
}

/// The nearest other.
fn search(open: &[Branch], i: usize) -> (f64, usize) {
    let others = (0..open.len()).filter(|j| *j != i);
    others.fold((f64::INFINITY, 0), |best, j| {
        let d = open[i].squared_distance(&open[j]);
        if d < best.0 { (d, j) } else { best }
    })
}
