//! The stransverse mass.

use super::FourVector;
use crate::error::{Error, bounded, parameter};

/// How often the interval is halved: from any start to the last digit of a double.
const HALVINGS: usize = 120;

/// The stransverse mass MT2: the smallest mass of a pair of equal parents, each of which decays into a visible system (`a`,
/// `b`) and an invisible particle of mass `invisible_a` or `invisible_b`, that agrees with the missing transverse momentum
/// `missing` (x, y).
///
/// `MT2 = min over qa + qb = missing of max(MT(a, qa), MT(b, qb))` (Lester and Summers, hep-ph/9906349). For a given
/// parent mass each side allows the inside of an ellipse of momenta; the mass at which the two first touch is found by halving
/// (Lester and Nachman, arXiv:1411.4312). The relative precision is 1e-6 or better, but a result near 0 is only good to 1e-4 of
/// the largest momentum. A space-like visible system counts as massless.
///
/// Fails for numbers that are not finite or beyond 1e70, and for negative masses.
///
/// ```
/// use fiducial_physics::four_vector::{FourVector, mt2};
///
/// // Back to back, massless: MT2² = 2 (pt1 pt2 + pt1·pt2) = 0 for the visible alone, so all comes from the invisible mass.
/// let a = FourVector::from_pt_eta_phi_m(100.0, 0.0, 0.3, 10.0);
/// let b = FourVector::from_pt_eta_phi_m(100.0, 1.0, -2.0, 10.0);
/// let missing = [-a.px - b.px, -a.py - b.py];
/// let value = mt2(a, b, missing, 0.0, 0.0)?;
/// assert!(value > 10.0 && value < 200.0);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn mt2(
    a: FourVector,
    b: FourVector,
    missing: [f64; 2],
    invisible_a: f64,
    invisible_b: f64,
) -> Result<f64, Error> {
    bounded("a", &[a.px, a.py, a.pz, a.e], 1e70)?;
    bounded("b", &[b.px, b.py, b.pz, b.e], 1e70)?;
    bounded("missing", &missing, 1e70)?;
    parameter("invisible_a", invisible_a, (0.0..1e70).contains(&invisible_a), "between 0 and 1e70")?;
    parameter("invisible_b", invisible_b, (0.0..1e70).contains(&invisible_b), "between 0 and 1e70")?;
    // Everything of order one, so that the fourth powers below stay within double precision.
    let components =
        [a.px, a.py, b.px, b.py, missing[0], missing[1], a.mass(), b.mass(), invisible_a, invisible_b];
    let scale = components.into_iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if scale == 0.0 {
        return Ok(0.0);
    }
    let side = |v: FourVector, invisible: f64| Side {
        x: v.px / scale,
        y: v.py / scale,
        mass: v.mass().max(0.0) / scale,
        invisible: invisible / scale,
    };
    let problem = Problem {
        a: side(a, invisible_a),
        b: side(b, invisible_b),
        missing: [missing[0] / scale, missing[1] / scale],
    };
    Ok(problem.solve() * scale)
}

/// One visible system and its invisible partner.
#[derive(Clone, Copy)]
struct Side {
    x: f64,
    y: f64,
    mass: f64,
    invisible: f64,
}

impl Side {
    /// The transverse mass with the invisible momentum `q`.
    fn transverse_mass(&self, q: [f64; 2]) -> f64 {
        let visible = (self.mass * self.mass + self.x * self.x + self.y * self.y).sqrt();
        let hidden = (self.invisible * self.invisible + q[0] * q[0] + q[1] * q[1]).sqrt();
        let dot = self.x * q[0] + self.y * q[1];
        let squared =
            self.mass * self.mass + self.invisible * self.invisible + 2.0 * (visible * hidden - dot);
        squared.max(0.0).sqrt()
    }

    /// The smallest transverse mass, `mass + invisible`, belongs to equal velocities.
    fn threshold(&self) -> f64 {
        self.mass + self.invisible
    }

    /// The invisible momentum at the threshold; none where the visible system is massless and the invisible is not, since
    /// then the threshold is only approached at infinity.
    fn at_threshold(&self) -> Option<[f64; 2]> {
        if self.mass > 0.0 {
            let ratio = self.invisible / self.mass;
            Some([self.x * ratio, self.y * ratio])
        } else {
            (self.invisible == 0.0).then_some([0.0, 0.0])
        }
    }

    /// The momenta whose transverse mass is at most `mass`: with the visible transverse energy E and
    /// D = (mass² - m² - i²) / 2 those with `E sqrt(i² + q²) <= D + p·q`.
    fn allowed(&self, mass: f64) -> Ellipse {
        let d = 0.5 * (mass * mass - self.mass * self.mass - self.invisible * self.invisible);
        let m2 = self.mass * self.mass;
        let p2 = self.x * self.x + self.y * self.y;
        let e2 = m2 + p2;
        // E²(i² + q²) - (D + p·q)² as a quadratic form in (qx, qy, 1).
        Ellipse {
            xx: e2 - self.x * self.x,
            yy: e2 - self.y * self.y,
            xy: -self.x * self.y,
            x: -d * self.x,
            y: -d * self.y,
            one: e2 * self.invisible * self.invisible - d * d,
        }
    }
}

/// The conic `xx qx² + 2 xy qx qy + yy qy² + 2 x qx + 2 y qy + one <= 0`.
#[derive(Clone, Copy)]
struct Ellipse {
    xx: f64,
    xy: f64,
    yy: f64,
    x: f64,
    y: f64,
    one: f64,
}

impl Ellipse {
    /// The same conic in `missing - q`.
    fn mirrored(self, missing: [f64; 2]) -> Self {
        let [mx, my] = missing;
        let x = -(self.xx * mx + self.xy * my + self.x);
        let y = -(self.xy * mx + self.yy * my + self.y);
        let one = self.one
            + self.xx * mx * mx
            + 2.0 * self.xy * mx * my
            + self.yy * my * my
            + 2.0 * (self.x * mx + self.y * my);
        Self { x, y, one, ..self }
    }

    fn determinant(self) -> f64 {
        self.xx * (self.yy * self.one - self.y * self.y) - self.xy * (self.xy * self.one - self.y * self.x)
            + self.x * (self.xy * self.y - self.yy * self.x)
    }

    /// The term of det(l self + other) that is linear in `other`: the sum of its entries times the cofactors of `self`.
    fn mixed(self, other: Self) -> f64 {
        other.xx * (self.yy * self.one - self.y * self.y)
            + other.yy * (self.xx * self.one - self.x * self.x)
            + other.one * (self.xx * self.yy - self.xy * self.xy)
            + 2.0 * other.xy * (self.x * self.y - self.xy * self.one)
            + 2.0 * other.x * (self.xy * self.y - self.yy * self.x)
            + 2.0 * other.y * (self.xy * self.x - self.xx * self.y)
    }

    /// Whether the insides have no point in common: det(l self + other) has two different roots of the
    /// sign that separates them (Etayo et al., Computer Aided Geometric Design 23 (2006) 324, theorem 3).
    fn disjoint_from(self, other: Self) -> bool {
        let (c3, c0) = (self.determinant(), other.determinant());
        let (c2, c1) = (self.mixed(other), other.mixed(self));
        if c3.abs() >= c0.abs() { disjoint(c3, c2, c1, c0) } else { disjoint(c0, c1, c2, c3) }
    }
}

fn disjoint(c3: f64, c2: f64, c1: f64, c0: f64) -> bool {
    if c3 == 0.0 {
        return false;
    }
    let (a, b, c) = (c2 / c3, c1 / c3, c0 / c3);
    if a * a - 3.0 * b <= 0.0 {
        return false;
    }
    let discriminant =
        -27.0 * c * c + 18.0 * c * a * b + a * a * b * b - 4.0 * a * a * a * c - 4.0 * b * b * b;
    discriminant > 0.0 && (a < 0.0 || 3.0 * a * c + b * a * a - 4.0 * b * b < 0.0)
}

struct Problem {
    a: Side,
    b: Side,
    missing: [f64; 2],
}

impl Problem {
    fn larger(&self, q: [f64; 2]) -> f64 {
        let rest = [self.missing[0] - q[0], self.missing[1] - q[1]];
        self.a.transverse_mass(q).max(self.b.transverse_mass(rest))
    }

    fn solve(&self) -> f64 {
        let mut low = self.a.threshold().max(self.b.threshold());
        // An upper bound from a few splittings; the threshold points settle the unbalanced case exactly.
        let half = [0.5 * self.missing[0], 0.5 * self.missing[1]];
        let mut starts = vec![half, [0.0, 0.0], self.missing];
        starts.extend(self.a.at_threshold());
        starts.extend(self.b.at_threshold().map(|q| [self.missing[0] - q[0], self.missing[1] - q[1]]));
        let mut high = starts.into_iter().map(|q| self.larger(q)).fold(f64::INFINITY, f64::min);
        if high <= low * (1.0 + 4.0 * f64::EPSILON) {
            return low;
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            let ellipse = self.b.allowed(middle).mirrored(self.missing);
            if self.a.allowed(middle).disjoint_from(ellipse) {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}
