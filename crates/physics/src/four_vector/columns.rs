//! Many four-vectors as four columns.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{FourVector, rotation};
use crate::error::{Error, same_length};

/// How many vectors one piece of parallel work holds; sums of pieces are added in order, so that no result depends on the
/// number of threads.
const PIECE: usize = 1 << 15;

/// A floating-point number as arrays hold it. Everything is computed in `f64` and rounded once, so that `f32` columns neither
/// overflow in squares nor lose a mass in the difference of two energies.
pub trait Real: Copy + Send + Sync + std::fmt::Debug + 'static {
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
        Self::converted([pt, eta, phi, m], ["eta", "phi", "m"], FourVector::from_pt_eta_phi_m)
    }

    /// From transverse momenta, rapidities, azimuthal angles and masses, see [`FourVector::from_pt_y_phi_m`]. Fails where
    /// lengths differ.
    pub fn from_pt_y_phi_m(pt: &[T], y: &[T], phi: &[T], m: &[T]) -> Result<Self, Error> {
        Self::converted([pt, y, phi, m], ["y", "phi", "m"], FourVector::from_pt_y_phi_m)
    }

    fn converted(
        columns: [&[T]; 4],
        names: [&'static str; 3],
        convert: fn(f64, f64, f64, f64) -> FourVector,
    ) -> Result<Self, Error> {
        let [a, b, c, d] = columns;
        for (name, column) in names.into_iter().zip([b, c, d]) {
            same_length(name, a.len(), column.len())?;
        }
        let vectors = (0..a.len()).into_par_iter().with_min_len(PIECE);
        let vectors = vectors.map(|i| convert(a[i].widen(), b[i].widen(), c[i].widen(), d[i].widen()));
        let ((px, py), (pz, e)) =
            vectors.map(|v| ((T::narrow(v.px), T::narrow(v.py)), (T::narrow(v.pz), T::narrow(v.e)))).unzip();
        Ok(Self { px, py, pz, e })
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
        let mut out = vec![T::narrow(0.0); self.len()];
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
        match quantity {
            Quantity::Pt => self.map(out, FourVector::pt),
            Quantity::Phi => self.map(out, FourVector::phi),
            Quantity::Eta => self.map(out, FourVector::eta),
            Quantity::Rapidity => self.map(out, FourVector::rapidity),
            Quantity::Mass => self.map(out, FourVector::mass),
            Quantity::Mt => self.map(out, FourVector::mt),
            Quantity::Et => self.map(out, FourVector::et),
            Quantity::P => self.map(out, FourVector::p),
        }
    }

    fn map(&self, out: &mut [T], function: impl Fn(FourVector) -> f64 + Sync + Copy) {
        let pieces = out.par_chunks_mut(PIECE).zip(self.px.par_chunks(PIECE));
        let others = self.py.par_chunks(PIECE).zip(self.pz.par_chunks(PIECE)).zip(self.e.par_chunks(PIECE));
        pieces.zip(others).for_each(|((out, px), ((py, pz), e))| {
            Arch::new().dispatch(Map { px, py, pz, e, out, function });
        });
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
        self.each(|vector| vector.boosted(beta))
    }

    /// All vectors turned around one axis, see [`FourVector::rotated`].
    #[must_use]
    pub fn rotated(&self, axis: [f64; 3], angle: f64) -> Self {
        let [x, y, z] = rotation(axis, angle);
        self.each(|v| {
            let turn = |row: [f64; 3]| row[0] * v.px + row[1] * v.py + row[2] * v.pz;
            FourVector::new(turn(x), turn(y), turn(z), v.e)
        })
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
        let mut out = self.clone();
        let columns = out.px.par_chunks_mut(PIECE).zip(out.py.par_chunks_mut(PIECE));
        let columns = columns.zip(out.pz.par_chunks_mut(PIECE).zip(out.e.par_chunks_mut(PIECE)));
        columns.for_each(|((px, py), (pz, e))| {
            for (((px, py), pz), e) in px.iter_mut().zip(py).zip(pz).zip(e) {
                let v = function(FourVector::new(px.widen(), py.widen(), pz.widen(), e.widen()));
                (*px, *py, *pz, *e) = (T::narrow(v.px), T::narrow(v.py), T::narrow(v.pz), T::narrow(v.e));
            }
        });
        out
    }
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

/// One function of each vector, compiled for the widest vectors of this processor.
struct Map<'a, T, F> {
    px: &'a [T],
    py: &'a [T],
    pz: &'a [T],
    e: &'a [T],
    out: &'a mut [T],
    function: F,
}

impl<T: Real, F: Fn(FourVector) -> f64> WithSimd for Map<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let n = self.out.len();
        // Slices of one known length let the compiler drop the checks of bounds, which would keep it from using vectors.
        let (px, py, pz, e) = (&self.px[..n], &self.py[..n], &self.pz[..n], &self.e[..n]);
        for (i, out) in self.out.iter_mut().enumerate() {
            let vector = FourVector::new(px[i].widen(), py[i].widen(), pz[i].widen(), e[i].widen());
            *out = T::narrow((self.function)(vector));
        }
    }
}
