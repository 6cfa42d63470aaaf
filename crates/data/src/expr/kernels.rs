//! Scalar functions whose edge cases follow NumPy's rather than Rust's, and vector instructions for loops.

/// Runs `work` compiled for the widest vectors of this processor. Closures stay calls, for any processor, unless they are marked:
/// `vectorised(#[inline(always)] || ...)`.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The smaller value; NaN if one is NaN.
pub(super) fn minimum(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// The larger value; NaN if one is NaN.
pub(super) fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// -1, 0 or 1; `f64::signum` gives 1 for 0.
pub(super) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        // 0 for both zeros, NaN for NaN.
        x + 0.0
    }
}

/// Inverse hyperbolic sine, odd and without cancellation: `asinh(|x|) = log1p(|x| + x² / (1 + sqrt(1 + x²)))`.
/// Beyond 2^28 the square adds nothing and would overflow: `log(2 |x|)`.
pub(super) fn arcsinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let result = if magnitude > (1u64 << 28) as f64 {
        magnitude.ln() + std::f64::consts::LN_2
    } else {
        let square = magnitude * magnitude;
        (magnitude + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
    };
    result.copysign(x)
}

/// `a % b` with the sign of `b`, as Python's.
pub(super) fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (rest < 0.0) == (b < 0.0) {
        rest
    } else {
        rest + b
    }
}

/// `a // b`, rounded down so that `(a // b) * b + a % b` is `a`. The plain quotient can round up to the next whole number
/// (`1 // 0.1` is 9, but `1 / 0.1` is 10.0), so it is computed from the remainder, as NumPy does.
pub(super) fn floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let quotient = (a - remainder(a, b)) / b;
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// `a // b` of integers, rounded down; none where there is no such integer.
pub(super) fn integer_floor_divide(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// `a % b` of integers with the sign of `b`; none where `b` is 0.
pub(super) fn integer_remainder(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b).or(if b == -1 { Some(0) } else { None })?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

/// `a ** b`; a square is one multiplication.
pub(super) fn power(a: f64, b: f64) -> f64 {
    if b == 2.0 { a * a } else { a.powf(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_follows_python() {
        // Rows from Python: `a // b`, `a % b`.
        let rows = [
            (7.0, 2.0, 3.0, 1.0),
            (-7.0, 2.0, -4.0, 1.0),
            (7.0, -2.0, -4.0, -1.0),
            (-7.0, -2.0, 3.0, -1.0),
            (1.0, 0.1, 9.0, 0.09999999999999995),
            (-0.5, 0.25, -2.0, 0.0),
            (5.5, 5.5, 1.0, 0.0),
            (-1e-20, 1.0, -1.0, 1.0),
        ];
        for (a, b, quotient, rest) in rows {
            assert_eq!((floor_divide(a, b), remainder(a, b)), (quotient, rest), "{a} and {b}");
        }
        assert!(remainder(1.0, 0.0).is_nan());
        assert_eq!(floor_divide(1.0, 0.0), f64::INFINITY);
    }

    #[test]
    fn arcsinh_is_accurate_and_odd() {
        // Values from Python's decimal at 60 digits.
        let rows = [
            (1e-300, 1e-300),
            (1e-8, 1e-8),
            (0.1, 0.09983407889920756),
            (1.0, 0.881373587019543),
            (1000.0, 7.600902709541988),
            (1e10, 23.7189981105004),
            (1e300, 691.4686750787737),
        ];
        for (x, expected) in rows {
            assert!((arcsinh(x) / expected - 1.0).abs() < 4e-16, "{x}: {} {expected}", arcsinh(x));
            assert_eq!(arcsinh(-x), -arcsinh(x));
        }
        assert_eq!(arcsinh(f64::INFINITY), f64::INFINITY);
        assert!(arcsinh(f64::NAN).is_nan());
    }

    #[test]
    fn minimum_and_maximum_carry_nan() {
        assert!(minimum(f64::NAN, 1.0).is_nan() && minimum(1.0, f64::NAN).is_nan());
        assert!(maximum(f64::NAN, 1.0).is_nan() && maximum(1.0, f64::NAN).is_nan());
        assert_eq!((minimum(1.0, 2.0), maximum(1.0, 2.0)), (1.0, 2.0));
    }
}
