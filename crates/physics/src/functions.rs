//! Elementary functions of many numbers at once, by vector instructions.
//!
//! Values are within 4 units in the last place, and the same on every machine with fused multiply and add. What is beyond the
//! range of the quick form, is not finite or undefined, is computed by the C library, and so has its values.
//!
//! ```
//! let mut values = [1.0, std::f64::consts::E, 0.0, -1.0];
//! fiducial_physics::functions::log(&mut values);
//! assert_eq!(values[..3], [0.0, 1.0, f64::NEG_INFINITY]);
//! assert!(values[3].is_nan());
//! ```

use pulp::{Arch, Simd, WithSimd};

use crate::elementary::{Number, exponential, hyperbolic, logarithm, sine_cosine};

/// How many values are computed before one looks whether any is NaN.
const BLOCK: usize = 256;

/// Natural logarithm, in place.
pub fn log(values: &mut [f64]) {
    map(values, logarithm, f64::ln);
}

/// e to the power of each, in place.
pub fn exp(values: &mut [f64]) {
    map(values, exponential, f64::exp);
}

/// Sine, in place.
pub fn sin(values: &mut [f64]) {
    map(values, |x| sine_cosine(x).0, f64::sin);
}

/// Cosine, in place.
pub fn cos(values: &mut [f64]) {
    map(values, |x| sine_cosine(x).1, f64::cos);
}

/// Hyperbolic sine, in place.
pub fn sinh(values: &mut [f64]) {
    map(values, |x| hyperbolic(x).0, f64::sinh);
}

/// Hyperbolic cosine, in place.
pub fn cosh(values: &mut [f64]) {
    map(values, |x| hyperbolic(x).1, f64::cosh);
}

/// Inverse hyperbolic sine, in place. `exact` computes what the quick form leaves: 0, very small, very large and undefined numbers.
pub fn arcsinh(values: &mut [f64], exact: impl Fn(f64) -> f64) {
    let quick = |x: f64| {
        // asinh(x) = log(1 + 2 x (x + sqrt(1 + x²))) / 2 for positive x.
        let size = x.abs();
        let root = (size * size + 1.0).sqrt();
        f64::half_log(2.0 * size, 1.0 / (size + root)).copysign(x)
    };
    map(values, quick, exact);
}

/// `values % divisor` with the sign of the divisor, as in Python, in place. `exact` computes what the quick form leaves.
pub fn remainder(values: &mut [f64], divisor: f64, exact: impl Fn(f64) -> f64) {
    let quick = |x: f64| {
        let quotient = (x / divisor).floor();
        // Exact where the quotient is right: a remainder is a multiple of the smaller one's last place.
        let rest = (-quotient).mul_add(divisor, x);
        let right = (quotient.abs() < 4e15) & (rest >= 0.0) & (rest < divisor);
        if right { rest } else { f64::NAN }
    };
    map(values, quick, exact);
}

/// The angle of the points (x, y) in [-pi, pi], as C's `atan2`.
///
/// # Panics
/// When the columns differ in length.
pub fn arctan2(y: &[f64], x: &[f64], out: &mut [f64]) {
    // Signs of zeros matter to `atan2`.
    let quick = |y: f64, x: f64| if y == 0.0 { f64::NAN } else { f64::angle(y, x) };
    map_two(y, x, out, quick, f64::atan2);
}

/// `sqrt(x² + y²)` without overflow.
///
/// # Panics
/// When the columns differ in length.
pub fn hypot(x: &[f64], y: &[f64], out: &mut [f64]) {
    let quick = |x: f64, y: f64| {
        let squares = x * x + y * y;
        let right = (squares > f64::SMALL) & (squares < f64::LARGE);
        if right { squares.sqrt() } else { f64::NAN }
    };
    map_two(x, y, out, quick, f64::hypot);
}

fn map(values: &mut [f64], quick: impl Fn(f64) -> f64, exact: impl Fn(f64) -> f64) {
    Arch::new().dispatch(Map { values, quick, exact });
}

struct Map<'a, Q, E> {
    values: &'a mut [f64],
    quick: Q,
    exact: E,
}

impl<Q: Fn(f64) -> f64, E: Fn(f64) -> f64> WithSimd for Map<'_, Q, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        // Arrays of a known length that nothing else points to: else the compiler does not use vectors.
        let (mut given, mut found) = ([1.0; BLOCK], [0.0; BLOCK]);
        for values in self.values.chunks_mut(BLOCK) {
            let count = values.len();
            given[..count].copy_from_slice(values);
            for i in 0..BLOCK {
                found[i] = (self.quick)(given[i]);
            }
            if found[..count].iter().fold(false, |any, value| any | value.is_nan()) {
                for i in 0..count {
                    if found[i].is_nan() {
                        found[i] = (self.exact)(given[i]);
                    }
                }
            }
            values.copy_from_slice(&found[..count]);
        }
    }
}

fn map_two(
    a: &[f64],
    b: &[f64],
    out: &mut [f64],
    quick: impl Fn(f64, f64) -> f64,
    exact: impl Fn(f64, f64) -> f64,
) {
    assert!(a.len() == out.len() && b.len() == out.len(), "columns of one length");
    Arch::new().dispatch(MapTwo { a, b, out, quick, exact });
}

struct MapTwo<'a, Q, E> {
    a: &'a [f64],
    b: &'a [f64],
    out: &'a mut [f64],
    quick: Q,
    exact: E,
}

impl<Q: Fn(f64, f64) -> f64, E: Fn(f64, f64) -> f64> WithSimd for MapTwo<'_, Q, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (mut first, mut second, mut found) = ([1.0; BLOCK], [1.0; BLOCK], [0.0; BLOCK]);
        let columns = self.a.chunks(BLOCK).zip(self.b.chunks(BLOCK));
        for (out, (a, b)) in self.out.chunks_mut(BLOCK).zip(columns) {
            let count = out.len();
            first[..count].copy_from_slice(a);
            second[..count].copy_from_slice(b);
            for i in 0..BLOCK {
                found[i] = (self.quick)(first[i], second[i]);
            }
            if found[..count].iter().fold(false, |any, value| any | value.is_nan()) {
                for i in 0..count {
                    if found[i].is_nan() {
                        found[i] = (self.exact)(a[i], b[i]);
                    }
                }
            }
            out.copy_from_slice(&found[..count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of all sizes and signs, with what is special.
    fn values() -> Vec<f64> {
        let sizes = (-310..309).flat_map(|power| [1.0, 2.7, 7.9].map(|x| x * 10f64.powi(power)));
        let special = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 1.0, -1.0];
        sizes.flat_map(|x| [x, -x]).chain(special).collect()
    }

    fn check(name: &str, found: &[f64], expected: &[f64]) {
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            let near = (a - b).abs() <= 4.0 * f64::EPSILON * b.abs();
            assert!(near || a == b || (a.is_nan() && b.is_nan()), "{name} at {i}: {a} and {b}");
        }
    }

    #[test]
    fn functions_of_one_number() {
        type Row = (&'static str, fn(&mut [f64]), fn(f64) -> f64);
        let rows: [Row; 7] = [
            ("log", log, f64::ln),
            ("exp", exp, f64::exp),
            ("sin", sin, f64::sin),
            ("cos", cos, f64::cos),
            ("sinh", sinh, f64::sinh),
            ("cosh", cosh, f64::cosh),
            ("arcsinh", |values| arcsinh(values, f64::asinh), f64::asinh),
        ];
        for (name, function, exact) in rows {
            let mut found = values();
            // What the standard library gives is not more exact for these.
            if name == "arcsinh" {
                found.retain(|x| x.abs() > 1e-3 && x.abs() < 1e8 || *x == 0.0 || !x.is_finite());
            }
            let expected: Vec<f64> = found.iter().map(|x| exact(*x)).collect();
            function(&mut found);
            check(name, &found, &expected);
        }
    }

    #[test]
    fn functions_of_two_numbers() {
        let all = values();
        for shift in [0, 1, 2, 5, 600, 1200] {
            let (mut a, mut b) = (all.clone(), all.clone());
            a.rotate_left(shift);
            b.rotate_right(3 * shift);
            let mut found = vec![0.0; a.len()];
            arctan2(&a, &b, &mut found);
            let expected: Vec<f64> = a.iter().zip(&b).map(|(y, x)| y.atan2(*x)).collect();
            check("arctan2", &found, &expected);
            hypot(&a, &b, &mut found);
            let expected: Vec<f64> = a.iter().zip(&b).map(|(x, y)| x.hypot(*y)).collect();
            check("hypot", &found, &expected);
        }
    }

    #[test]
    fn remainders_are_exact() {
        let python = |x: f64, divisor: f64| {
            let rest = x % divisor;
            if rest != 0.0 && (rest < 0.0) != (divisor < 0.0) { rest + divisor } else { rest }
        };
        for divisor in [std::f64::consts::TAU, 0.1, 1.0, 3e10] {
            let given = values();
            let mut found = given.clone();
            remainder(&mut found, divisor, |x| python(x, divisor));
            for (x, rest) in given.iter().zip(&found) {
                let expected = python(*x, divisor);
                assert!(
                    *rest == expected || rest.is_nan() && expected.is_nan(),
                    "{x} % {divisor}: {rest} {expected}"
                );
            }
        }
    }
}
