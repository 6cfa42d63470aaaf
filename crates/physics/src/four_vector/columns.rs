//! Many four-vectors as four columns.

use rayon::prelude::*;

use super::kernels::{self, PIECE, fill};
use super::{FourVector, rotation};
use crate::elementary::Number;
use crate::error::{Error, same_length};

/// A floating-point number as arrays hold it, `f32` or `f64`.
pub trait Real: Number + std::fmt::Debug + 'static {
    /// As `f64`, exactly.
    fn widen(self) -> f64;
    /// The nearest value.
    fn narrow(value: f64) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Real for f32 {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value as f32
    }
}

/// What can be asked of each vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Transverse momentum, [`FourVector::pt`].
    Pt,
    /// Azimuthal angle, [`FourVector::phi`].
    Phi,
    /// Pseudorapidity, [`FourVector::eta`].
    Eta,
    /// Rapidity, [`FourVector::rapidity`].
    Rapidity,
    /// Invariant mass, [`FourVector::mass`].
    Mass,
    /// Transverse mass, [`FourVector::mt`].
    Mt,
    /// Transverse energy, [`FourVector::et`].
    Et,
    /// Length of the momentum, [`FourVector::p`].
    P,
}

/// Four-vectors as a structure of arrays, all of one length.
///
/// What is asked of all of them comes from vector instructions. It is within 4 units in the last place of the exact value of
/// these components (angles, rapidities and transverse momenta; a mass is the difference of large numbers, and keeps as many
/// digits as they leave), in single precision too, and may differ in the last digits from what the same function of one
/// [`FourVector`] gives. Where single precision cannot hold a square, double precision is used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FourVectors<T> {
    px: Vec<T>,
    py: Vec<T>,
    pz: Vec<T>,
    e: Vec<T>,
}

impl<T: Real> FourVectors<T> {
    /// From Cartesian columns. Fails where lengths differ.
    pub fn new(px: Vec<T>, py: Vec<T>, pz: Vec<T>, e: Vec<T>) -> Result<Self, Error> {
        same_length("py", px.len(), py.len())?;
        same_length("pz", px.len(), pz.len())?;
        same_length("e", px.len(), e.len())?;
        Ok(Self { px, py, pz, e })
    }

    /// From transverse momenta, pseudorapidities, azimuthal angles and masses, see [`FourVector::from_pt_eta_phi_m`]. Fails
    /// where lengths differ.
    pub fn from_pt_eta_phi_m(pt: &[T], eta: &[T], phi: &[T], m: &[T]) -> Result<Self, Error> {
        let names = ["eta", "phi", "m"];
        Self::converted([pt, eta, phi, m], names, kernels::from_pt_eta_phi_m, FourVector::from_pt_eta_phi_m)
    }

    /// From transverse momenta, rapidities, azimuthal angles and masses, see [`FourVector::from_pt_y_phi_m`]. Fails where
    /// lengths differ.
    pub fn from_pt_y_phi_m(pt: &[T], y: &[T], phi: &[T], m: &[T]) -> Result<Self, Error> {
        let names = ["y", "phi", "m"];
        Self::converted([pt, y, phi, m], names, kernels::from_pt_y_phi_m, FourVector::from_pt_y_phi_m)
    }

    fn converted(
        columns: [&[T]; 4],
        names: [&'static str; 3],
        fast: impl Fn([f64; 4]) -> [f64; 4] + Sync,
        exact: fn(f64, f64, f64, f64) -> FourVector,
    ) -> Result<Self, Error> {
        let [a, b, c, d] = columns;
        for (name, column) in names.into_iter().zip([b, c, d]) {
            same_length(name, a.len(), column.len())?;
        }
        let mut out = Self::zeros(a.len());
        fill(
            columns,
            out.columns_mut(),
            #[inline(always)]
            |values| narrowed(fast(widened(values))),
            |i| components(exact(a[i].widen(), b[i].widen(), c[i].widen(), d[i].widen())),
        );
        Ok(out)
    }

    fn zeros(length: usize) -> Self {
        let column = || vec![T::ZERO; length];
        Self { px: column(), py: column(), pz: column(), e: column() }
    }

    fn columns_mut(&mut self) -> [&mut [T]; 4] {
        [&mut self.px, &mut self.py, &mut self.pz, &mut self.e]
    }

    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.px.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.px.is_empty()
    }

    /// Vector number `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<FourVector> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The columns px, py, pz and E.
    #[must_use]
    pub fn columns(&self) -> [&[T]; 4] {
        [&self.px, &self.py, &self.pz, &self.e]
    }

    /// All vectors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FourVector> + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    #[inline(always)]
    fn at(&self, i: usize) -> FourVector {
        FourVector::new(self.px[i].widen(), self.py[i].widen(), self.pz[i].widen(), self.e[i].widen())
    }

    /// One number for each vector.
    #[must_use]
    pub fn quantity(&self, quantity: Quantity) -> Vec<T> {
        let mut out = vec![T::ZERO; self.len()];
        self.fill(quantity, &mut out);
        out
    }

    /// As [`FourVectors::quantity`], into memory that is there already. Fails where its length is another.
    pub fn quantity_into(&self, quantity: Quantity, out: &mut [T]) -> Result<(), Error> {
        same_length("out", self.len(), out.len())?;
        self.fill(quantity, out);
        Ok(())
    }

    fn fill(&self, quantity: Quantity, out: &mut [T]) {
        let Self { px, py, pz, e } = self;
        let one = |value: f64| [T::narrow(value)];
        match quantity {
            Quantity::Pt => fill([px, py], [out], |v| [kernels::pt(v)], |i| one(self.at(i).pt())),
            Quantity::Phi => fill([px, py], [out], |v| [kernels::phi(v)], |i| one(self.at(i).phi())),
            Quantity::Eta => fill([px, py, pz], [out], |v| [kernels::eta(v)], |i| one(self.at(i).eta())),
            Quantity::Rapidity => {
                fill([pz, e], [out], |v| [kernels::rapidity(v)], |i| one(self.at(i).rapidity()));
            }
            Quantity::Mass => fill([px, py, pz, e], [out], |v| [T::mass(v)], |i| one(self.at(i).mass())),
            Quantity::Mt => fill([pz, e], [out], |v| [kernels::mt(v)], |i| one(self.at(i).mt())),
            Quantity::Et => fill([px, py, pz, e], [out], |v| [kernels::et(v)], |i| one(self.at(i).et())),
            Quantity::P => fill([px, py, pz], [out], |v| [kernels::p(v)], |i| one(self.at(i).p())),
        }
    }

    /// The sum of all vectors, added in double precision. 0 of none.
    #[must_use]
    pub fn sum(&self) -> FourVector {
        let pieces: Vec<FourVector> = (0..self.len().div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| self.sum_of(piece * PIECE..self.len().min((piece + 1) * PIECE)))
            .collect();
        pieces.into_iter().sum()
    }

    /// The sum of each run of vectors: run `i` holds those from `offsets[i]` to `offsets[i + 1]`, as in a list array. Fails
    /// where offsets decrease or go beyond the end.
    ///
    /// ```
    /// use fiducial_physics::four_vector::FourVectors;
    ///
    /// let unit = vec![1.0, 1.0, 1.0];
    /// let vectors = FourVectors::new(unit.clone(), unit.clone(), unit.clone(), unit)?;
    /// let sums = vectors.sums(&[0, 2, 2, 3])?;
    /// assert_eq!(sums.columns()[0], [2.0, 0.0, 1.0]);
    /// # Ok::<(), fiducial_physics::Error>(())
    /// ```
    pub fn sums(&self, offsets: &[usize]) -> Result<Self, Error> {
        self.check_offsets(offsets)?;
        let sums: Vec<FourVector> =
            offsets.par_windows(2).with_min_len(1024).map(|pair| self.sum_of(pair[0]..pair[1])).collect();
        Ok(Self::from_iter(sums))
    }

    /// Checks that offsets increase and end within the vectors.
    pub(crate) fn check_offsets(&self, offsets: &[usize]) -> Result<(), Error> {
        let end = offsets.last().copied().unwrap_or(0);
        if let Some(index) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            let value = offsets[index + 1] as f64;
            return Err(Error::Value {
                name: "offsets",
                index: index + 1,
                value,
                problem: "less than the one before",
            });
        }
        if end > self.len() {
            let index = offsets.len() - 1;
            return Err(Error::Value {
                name: "offsets",
                index,
                value: end as f64,
                problem: "beyond the vectors",
            });
        }
        Ok(())
    }

    /// Some of the vectors, in order; the range must lie within.
    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> Vec<FourVector> {
        range.map(|index| self.at(index)).collect()
    }

    fn sum_of(&self, range: std::ops::Range<usize>) -> FourVector {
        range.map(|index| self.at(index)).sum()
    }

    /// All vectors boosted by one velocity, see [`FourVector::boosted`].
    #[must_use]
    pub fn boosted(&self, beta: [f64; 3]) -> Self {
        self.each(
            #[inline(always)]
            |vector| vector.boosted(beta),
        )
    }

    /// All vectors turned around one axis, see [`FourVector::rotated`].
    #[must_use]
    pub fn rotated(&self, axis: [f64; 3], angle: f64) -> Self {
        let [x, y, z] = rotation(axis, angle);
        self.each(
            #[inline(always)]
            |v| {
                let turn = |row: [f64; 3]| row[0] * v.px + row[1] * v.py + row[2] * v.pz;
                FourVector::new(turn(x), turn(y), turn(z), v.e)
            },
        )
    }

    /// Sums of vectors at the same place. Fails where lengths differ.
    pub fn plus(&self, other: &Self) -> Result<Self, Error> {
        same_length("other", self.len(), other.len())?;
        let add = |a: &[T], b: &[T]| a.iter().zip(b).map(|(a, b)| T::narrow(a.widen() + b.widen())).collect();
        Ok(Self {
            px: add(&self.px, &other.px),
            py: add(&self.py, &other.py),
            pz: add(&self.pz, &other.pz),
            e: add(&self.e, &other.e),
        })
    }

    fn each(&self, function: impl Fn(FourVector) -> FourVector + Sync) -> Self {
        let mut out = Self::zeros(self.len());
        fill(
            self.columns(),
            out.columns_mut(),
            #[inline(always)]
            |values| {
                let [px, py, pz, e] = widened(values);
                components(function(FourVector::new(px, py, pz, e)))
            },
            |i| components(function(self.at(i))),
        );
        out
    }
}

#[inline(always)]
fn components<T: Real>(v: FourVector) -> [T; 4] {
    narrowed([v.px, v.py, v.pz, v.e])
}

/// Not `map`, which is a call, and calls keep the compiler from using vectors.
#[inline(always)]
fn widened<T: Real>([a, b, c, d]: [T; 4]) -> [f64; 4] {
    [a.widen(), b.widen(), c.widen(), d.widen()]
}

#[inline(always)]
fn narrowed<T: Real>([a, b, c, d]: [f64; 4]) -> [T; 4] {
    [T::narrow(a), T::narrow(b), T::narrow(c), T::narrow(d)]
}

impl<T: Real> FromIterator<FourVector> for FourVectors<T> {
    fn from_iter<I: IntoIterator<Item = FourVector>>(vectors: I) -> Self {
        let vectors = vectors.into_iter();
        let capacity = vectors.size_hint().0;
        let column = || Vec::with_capacity(capacity);
        let mut out = Self { px: column(), py: column(), pz: column(), e: column() };
        for v in vectors {
            out.px.push(T::narrow(v.px));
            out.py.push(T::narrow(v.py));
            out.pz.push(T::narrow(v.pz));
            out.e.push(T::narrow(v.e));
        }
        out
    }
}

/// Transverse momenta of columns, see [`crate::pt`]. Fails where lengths differ.
pub fn pt<T: Real>(px: &[T], py: &[T]) -> Result<Vec<T>, Error> {
    same_length("py", px.len(), py.len())?;
    let mut out = vec![T::ZERO; px.len()];
    let exact = |i: usize| [T::narrow(crate::pt(px[i].widen(), py[i].widen()))];
    fill([px, py], [&mut out], |v| [kernels::pt(v)], exact);
    Ok(out)
}

/// Azimuthal angles of columns, see [`crate::phi`]. Fails where lengths differ.
pub fn phi<T: Real>(px: &[T], py: &[T]) -> Result<Vec<T>, Error> {
    same_length("py", px.len(), py.len())?;
    let mut out = vec![T::ZERO; px.len()];
    let exact = |i: usize| [T::narrow(crate::phi(px[i].widen(), py[i].widen()))];
    fill([px, py], [&mut out], |v| [kernels::phi(v)], exact);
    Ok(out)
}

/// Pseudorapidities of columns, see [`crate::eta`]. Fails where lengths differ.
///
/// ```
/// use fiducial_physics::four_vector::{eta, phi, pt};
/// let (px, py, pz) = ([3.0, 0.0], [4.0, 1.0], [0.0, -0.0]);
/// assert_eq!((pt(&px, &py)?, eta(&px, &py, &pz)?), (vec![5.0, 1.0], vec![0.0, 0.0]));
/// assert_eq!(phi(&px, &py)?[1], std::f64::consts::FRAC_PI_2);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn eta<T: Real>(px: &[T], py: &[T], pz: &[T]) -> Result<Vec<T>, Error> {
    same_length("py", px.len(), py.len())?;
    same_length("pz", px.len(), pz.len())?;
    let mut out = vec![T::ZERO; px.len()];
    let exact = |i: usize| [T::narrow(crate::eta(px[i].widen(), py[i].widen(), pz[i].widen()))];
    fill([px, py, pz], [&mut out], |v| [kernels::eta(v)], exact);
    Ok(out)
}

/// Differences `a - b` of azimuthal angles in (-pi, pi], see [`crate::delta_phi`]. Fails where lengths differ.
///
/// ```
/// let found = fiducial_physics::four_vector::delta_phi(&[3.0_f32, 0.5], &[-3.0, 0.2])?;
/// assert!((found[0] - (6.0 - std::f32::consts::TAU)).abs() < 1e-6 && (found[1] - 0.3).abs() < 1e-6);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn delta_phi<T: Real>(a: &[T], b: &[T]) -> Result<Vec<T>, Error> {
    same_length("b", a.len(), b.len())?;
    let mut out = vec![T::ZERO; a.len()];
    fill(
        [a, b],
        [&mut out],
        |[a, b]| [T::narrow(kernels::delta_phi(a.widen(), b.widen()))],
        |i| [T::narrow(crate::delta_phi(a[i].widen(), b[i].widen()))],
    );
    Ok(out)
}

/// Distances in pseudorapidity (or rapidity) and azimuth, see [`crate::delta_r`]. Fails where lengths differ.
///
/// ```
/// let found = fiducial_physics::four_vector::delta_r(&[0.0], &[0.0], &[0.3], &[0.4])?;
/// assert_eq!(found, [0.5]);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn delta_r<T: Real>(eta1: &[T], phi1: &[T], eta2: &[T], phi2: &[T]) -> Result<Vec<T>, Error> {
    for (name, column) in [("phi1", phi1), ("eta2", eta2), ("phi2", phi2)] {
        same_length(name, eta1.len(), column.len())?;
    }
    let mut out = vec![T::ZERO; eta1.len()];
    fill(
        [eta1, phi1, eta2, phi2],
        [&mut out],
        #[inline(always)]
        |values| [kernels::delta_r(widened(values), T::narrow)],
        |i| [T::narrow(crate::delta_r(eta1[i].widen(), phi1[i].widen(), eta2[i].widen(), phi2[i].widen()))],
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTITIES: [Quantity; 8] = [
        Quantity::Pt,
        Quantity::Phi,
        Quantity::Eta,
        Quantity::Rapidity,
        Quantity::Mass,
        Quantity::Mt,
        Quantity::Et,
        Quantity::P,
    ];

    /// Equal, both NaN, or apart by no more than a few units in the last place.
    fn agree(found: f64, expected: f64, unit: f64) -> bool {
        found == expected
            || found.is_nan() && expected.is_nan()
            || (found - expected).abs() <= 4.0 * unit * expected.abs()
    }

    /// Columns and single vectors agree wherever floating point goes: all sizes of numbers, zeros, infinities, NaN.
    fn check<T: Real>(unit: f64) {
        let mut values: Vec<f64> =
            vec![0.0, -0.0, 1.0, -1.0, 3.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for size in [1e-40_f64, 1e-30, 1e-18, 1e-5, 1e5, 1e17, 1e20, 1e37] {
            values.extend([size * 1.7_f64, size * -2.3_f64]);
        }
        let mut rows: Vec<[f64; 4]> = Vec::new();
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                for (k, c) in values.iter().enumerate() {
                    rows.push([*a, *b, *c, values[(i * 7 + j * 3 + k) % values.len()]]);
                }
            }
        }
        let vectors: FourVectors<T> = rows.iter().map(|v| FourVector::new(v[0], v[1], v[2], v[3])).collect();
        for quantity in QUANTITIES {
            let found = vectors.quantity(quantity);
            for (v, found) in vectors.iter().zip(found) {
                let expected = match quantity {
                    Quantity::Pt => v.pt(),
                    Quantity::Phi => v.phi(),
                    Quantity::Eta => v.eta(),
                    Quantity::Rapidity => v.rapidity(),
                    Quantity::Mass => v.mass(),
                    Quantity::Mt => v.mt(),
                    Quantity::Et => v.et(),
                    Quantity::P => v.p(),
                };
                let (expected, found) = (T::narrow(expected).widen(), found.widen());
                // Of a difference of squares the rounding of the squares is left, and what is exact in one way is not in another.
                let squares = found * found.abs() - expected * expected.abs();
                if quantity == Quantity::Mass && squares.abs() <= 1e-15 * (v.e * v.e + v.p() * v.p()) {
                    continue;
                }
                assert!(agree(found, expected, unit), "{quantity:?} of {v:?}: {found:?}, not {expected}");
            }
        }
    }

    #[test]
    fn columns_are_right_at_the_ends_of_the_range() {
        check::<f64>(f64::EPSILON);
        check::<f32>(f64::from(f32::EPSILON));
    }
}
