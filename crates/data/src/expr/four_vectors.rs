//! Columns of four-vectors that are computed when they are asked for, and kept.
//!
//! The coordinates that vectors were made of stay as they are, so that `p4(pt=x, ...).pt` is `x`. All others are computed for
//! all items at once. A sum keeps its terms until a column is wanted: the mass of three jets is then computed in one pass, in
//! pieces that stay in the first-level cache, and momenta that nobody asked for are never written.

use std::sync::{Arc, OnceLock};

use arrow_buffer::ScalarBuffer;
use fiducial_physics::four_vector::FourVector;
use fiducial_physics::functions;

use super::kernels::vectorised;
use super::value::{Index, gather};

/// What can be asked of a four-vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Px,
    Py,
    Pz,
    E,
    Pt,
    Phi,
    Eta,
    Rapidity,
    Mass,
    P,
    Mt,
    Et,
}

use Quantity::{E, Eta, Mass, P, Phi, Pt, Px, Py, Pz, Rapidity};

/// Px, py, pz and E.
pub(super) const CARTESIAN: [Quantity; 4] = [Px, Py, Pz, E];
const COUNT: usize = 12;

/// The name of a field or argument, with what it stands for.
const NAMES: [(&str, Quantity); 18] = [
    ("px", Px),
    ("py", Py),
    ("pz", Pz),
    ("E", E),
    ("e", E),
    ("energy", E),
    ("pt", Pt),
    ("phi", Phi),
    ("eta", Eta),
    ("y", Rapidity),
    ("rapidity", Rapidity),
    ("mass", Mass),
    ("m", Mass),
    ("M", Mass),
    ("p", P),
    ("mt", Quantity::Mt),
    ("et", Quantity::Et),
    ("Et", Quantity::Et),
];

impl Quantity {
    pub(super) fn of(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, quantity)| *quantity)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether it has the unit of a momentum.
    pub(super) fn is_momentum(self) -> bool {
        !matches!(self, Phi | Eta | Rapidity)
    }

    /// Of one vector.
    fn of_vector(self, v: FourVector) -> f64 {
        match self {
            Px => v.px,
            Py => v.py,
            Pz => v.pz,
            E => v.e,
            Pt => v.pt(),
            Phi => v.phi(),
            Eta => v.eta(),
            Rapidity => v.rapidity(),
            Mass => v.mass(),
            P => v.p(),
            Self::Mt => v.mt(),
            Self::Et => v.et(),
        }
    }
}

/// Vectors that share memory with others: some items of a base.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) base: Arc<FourVectors>,
    pub(super) index: Option<Index>,
}

/// A term of a sum.
#[derive(Debug, Clone)]
struct Term {
    view: View,
    subtract: bool,
}

#[derive(Debug)]
pub(super) struct FourVectors {
    length: usize,
    /// What the vectors were made of.
    native: [Quantity; 4],
    /// By quantity; the native ones are there from the beginning, but for a sum.
    columns: [OnceLock<ScalarBuffer<f64>>; COUNT],
    /// What they are the sum of.
    terms: Vec<Term>,
    /// How many sums stand within each other.
    depth: usize,
}

/// Items that are worked on together.
const PIECE: usize = 256;
/// Sums of sums are computed at the latest at this depth, since asking them recurses.
const MAX_DEPTH: usize = 16;
/// Most terms of a sum that is computed in one pass.
const MAX_TERMS: usize = 8;

impl FourVectors {
    /// Of columns of one length: px, py or pt, phi; pz, eta or y; E or mass.
    pub(super) fn new(native: [Quantity; 4], values: [ScalarBuffer<f64>; 4]) -> Self {
        let length = values[0].len();
        let columns: [OnceLock<ScalarBuffer<f64>>; COUNT] = Default::default();
        for (quantity, values) in native.into_iter().zip(values) {
            columns[quantity as usize].get_or_init(|| values);
        }
        Self { length, native, columns, terms: Vec::new(), depth: 0 }
    }

    /// From vectors one by one.
    pub(super) fn collect(vectors: &[FourVector]) -> Self {
        let column = |f: fn(&FourVector) -> f64| vectors.iter().map(f).collect();
        Self::new(CARTESIAN, [column(|v| v.px), column(|v| v.py), column(|v| v.pz), column(|v| v.e)])
    }

    /// `a + b`, or `a - b`, of two of the same length.
    pub(super) fn sum(a: View, b: View, subtract: bool) -> Self {
        let mut terms = match &a {
            // The sum of the first terms is the first step of the longer sum.
            View { base, index: None } if (2..MAX_TERMS).contains(&base.terms.len()) => base.terms.clone(),
            _ => vec![Term { view: a, subtract: false }],
        };
        let length = b.len();
        terms.push(Term { view: b, subtract });
        let depth = 1 + terms.iter().map(|term| term.view.base.depth).max().unwrap_or(0);
        let sum = Self { length, native: CARTESIAN, columns: Default::default(), terms, depth };
        if depth < MAX_DEPTH {
            return sum;
        }
        Self::new(CARTESIAN, CARTESIAN.map(|quantity| sum.column(quantity).clone()))
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn native(&self) -> [Quantity; 4] {
        self.native
    }

    /// The values of a quantity for all items.
    pub(super) fn column(&self, quantity: Quantity) -> &ScalarBuffer<f64> {
        self.columns[quantity as usize].get_or_init(|| {
            if self.terms.is_empty() {
                return self.of_native(quantity);
            }
            if let (Some(px), Some(py), Some(pz), Some(e)) =
                (self.known(Px), self.known(Py), self.known(Pz), self.known(E))
            {
                let at = |i| FourVector::new(px[i], py[i], pz[i], e[i]);
                return (0..self.length).map(|i| quantity.of_vector(at(i))).collect();
            }
            self.of_terms(quantity)
        })
    }

    fn known(&self, quantity: Quantity) -> Option<&ScalarBuffer<f64>> {
        self.columns[quantity as usize].get()
    }

    fn has(&self, quantity: Quantity) -> bool {
        self.native.contains(&quantity)
    }

    fn of_native(&self, quantity: Quantity) -> ScalarBuffer<f64> {
        let column = |quantity| self.column(quantity);
        match quantity {
            Px | Py => self.transverse(quantity),
            Pt => zip(column(Px), column(Py), |px, py| (px * px + py * py).sqrt()),
            Phi => zip(column(Px), column(Py), fiducial_physics::phi),
            Pz if self.has(Eta) => {
                zip(column(Pt), &mapped(column(Eta), functions::sinh), |pt, sinh| pt * sinh)
            }
            Pz if self.has(E) => zip(column(E), column(Rapidity), |e, y| e * y.tanh()),
            Pz => zip(column(Quantity::Mt), &mapped(column(Rapidity), functions::sinh), |mt, sinh| mt * sinh),
            E if self.has(Rapidity) => {
                zip(column(Quantity::Mt), &mapped(column(Rapidity), functions::cosh), |mt, cosh| mt * cosh)
            }
            E => zip(column(P), column(Mass), |p, m| {
                // As ROOT and `vector` have it, a negative mass is that of a space-like vector.
                let squared = m * m.abs() + p * p;
                if squared < 0.0 { 0.0 } else { squared.sqrt() }
            }),
            P if self.has(Px) => {
                let squared = zip(column(Px), column(Py), |px, py| px * px + py * py);
                zip(&squared, column(Pz), |pt2, pz| (pt2 + pz * pz).sqrt())
            }
            P => zip(column(Pt), column(Pz), |pt, pz| (pt * pt + pz * pz).sqrt()),
            Mass => zip(column(E), column(P), |e, p| signed_root((e - p) * (e + p))),
            Quantity::Mt if self.has(Rapidity) && self.has(Mass) => zip(column(Pt), column(Mass), |pt, m| {
                let squared = m * m.abs() + pt * pt;
                if squared < 0.0 { 0.0 } else { squared.sqrt() }
            }),
            Quantity::Mt => zip(column(E), column(Pz), |e, pz| signed_root((e - pz) * (e + pz))),
            Eta if self.has(Px) => {
                let (px, py, pz) = (column(Px), column(Py), column(Pz));
                (0..self.length).map(|i| fiducial_physics::eta(px[i], py[i], pz[i])).collect()
            }
            Eta => zip(column(Pt), column(Pz), |pt, pz| fiducial_physics::eta(pt, 0.0, pz)),
            Rapidity => zip(column(E), column(Pz), fiducial_physics::rapidity),
            Quantity::Et => {
                let fraction = zip(column(Pt), column(P), |pt, p| if p == 0.0 { 0.0 } else { pt / p });
                zip(column(E), &fraction, |e, fraction| e * fraction)
            }
        }
    }

    /// Px or py from pt and phi.
    fn transverse(&self, quantity: Quantity) -> ScalarBuffer<f64> {
        let function = if quantity == Px { functions::cos } else { functions::sin };
        zip(self.column(Pt), &mapped(self.column(Phi), function), |pt, part| pt * part)
    }

    /// Sums, and at once what is wanted of them.
    fn of_terms(&self, quantity: Quantity) -> ScalarBuffer<f64> {
        let needed: &[Quantity] = match quantity {
            Px => &[Px],
            Py => &[Py],
            Pz => &[Pz],
            E => &[E],
            Pt | Phi => &[Px, Py],
            Eta | P => &[Px, Py, Pz],
            Rapidity | Quantity::Mt => &[Pz, E],
            Mass | Quantity::Et => &CARTESIAN,
        };
        let mut out = Vec::with_capacity(self.length);
        let (mut sums, mut found) = ([[0.0; PIECE]; 4], [0.0; PIECE]);
        for start in (0..self.length).step_by(PIECE) {
            let size = PIECE.min(self.length - start);
            for component in needed {
                let sum = &mut sums[*component as usize][..size];
                for (i, term) in self.terms.iter().enumerate() {
                    term.add(*component, start, i == 0, sum);
                }
            }
            let [px, py, pz, e] = &sums;
            let at = |i: usize| FourVector::new(px[i], py[i], pz[i], e[i]);
            match quantity {
                Px | Py | Pz | E => out.extend_from_slice(&sums[quantity as usize][..size]),
                Mass => out.extend_from_slice(computed(&mut found[..size], |i| at(i).mass())),
                Pt => out.extend_from_slice(computed(&mut found[..size], |i| at(i).pt())),
                _ => out.extend((0..size).map(|i| quantity.of_vector(at(i)))),
            }
        }
        out.into()
    }
}

impl Term {
    /// Adds a piece of its column to `sum`, or sets it.
    fn add(&self, quantity: Quantity, start: usize, first: bool, sum: &mut [f64]) {
        let column = self.view.base.column(quantity);
        let size = sum.len();
        let sign = if self.subtract { -1.0 } else { 1.0 };
        match (&self.view.index, first) {
            (None, true) => sum.copy_from_slice(&column[start..start + size]),
            (None, false) => sum.iter_mut().zip(&column[start..]).for_each(|(s, x)| *s += sign * x),
            (Some(index), true) => {
                sum.iter_mut().zip(&index[start..]).for_each(|(s, i)| *s = column[*i as usize]);
            }
            (Some(index), false) => {
                sum.iter_mut().zip(&index[start..]).for_each(|(s, i)| *s += sign * column[*i as usize]);
            }
        }
    }
}

impl View {
    pub(super) fn len(&self) -> usize {
        self.index.as_ref().map_or(self.base.len(), ScalarBuffer::len)
    }

    /// The values of a quantity for all items of the view.
    pub(super) fn column(&self, quantity: Quantity) -> ScalarBuffer<f64> {
        let Some(index) = &self.index else { return self.base.column(quantity).clone() };
        if self.base.known(quantity).is_none() && 2 * index.len() < self.base.len() {
            return self.compact().column(quantity).clone();
        }
        gather(self.base.column(quantity), index)
    }

    /// The same vectors without those that the view leaves out.
    fn compact(&self) -> FourVectors {
        let native = self.base.native();
        let values = native.map(|quantity| match &self.index {
            Some(index) if self.base.terms.is_empty() => gather(self.base.column(quantity), index),
            Some(index) => self.base.sums_at(quantity, index),
            None => self.base.column(quantity).clone(),
        });
        FourVectors::new(native, values)
    }

    /// One after the other, for kernels that take vectors.
    pub(super) fn vectors(&self) -> Vec<FourVector> {
        let [px, py, pz, e] = CARTESIAN.map(|quantity| self.column(quantity));
        (0..self.len()).map(|i| FourVector::new(px[i], py[i], pz[i], e[i])).collect()
    }
}

impl FourVectors {
    /// A component of the sum for some items alone.
    fn sums_at(&self, quantity: Quantity, index: &Index) -> ScalarBuffer<f64> {
        if let Some(known) = self.known(quantity) {
            return gather(known, index);
        }
        let mut sums = vec![0.0; index.len()];
        for (number, term) in self.terms.iter().enumerate() {
            let column = term.view.base.column(quantity);
            let sign = if term.subtract { -1.0 } else { 1.0 };
            for (sum, item) in sums.iter_mut().zip(index.iter()) {
                let place = term.view.index.as_ref().map_or(*item, |own| own[*item as usize]);
                let value = column[place as usize];
                *sum = if number == 0 { value } else { *sum + sign * value };
            }
        }
        sums.into()
    }
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> ScalarBuffer<f64> {
    let mut values = a.to_vec();
    vectorised(
        #[inline(always)]
        || values.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b)),
    );
    values.into()
}

/// What a function makes of each place, by vector instructions.
#[inline(always)]
fn computed(places: &mut [f64], f: impl Fn(usize) -> f64) -> &[f64] {
    vectorised(
        #[inline(always)]
        || places.iter_mut().enumerate().for_each(|(i, value)| *value = f(i)),
    );
    places
}

/// The values after a function that works in place.
fn mapped(values: &[f64], function: fn(&mut [f64])) -> Vec<f64> {
    let mut values = values.to_vec();
    function(&mut values);
    values
}

/// Root of the absolute value, with the sign of the value.
fn signed_root(squared: f64) -> f64 {
    squared.abs().sqrt().copysign(squared + 0.0)
}
