//! Elementary functions that the compiler turns into vector instructions: no branches, no calls, no tables.
//!
//! In a loop inside of `pulp`'s dispatch each becomes instructions on whole vectors. Products are fused with sums where it says so
//! (`mul_add`, which every machine rounds alike) and nowhere else, so that values are the same at every width and on every
//! machine; processors without that instruction are slow here. Each knows the range in which it is right; outside of it, and
//! where its argument is not finite, it gives NaN, and whoever calls it asks the C library instead.
//!
//! Errors, in units in the last place, are those that the tests below find and refuse to see grow. Coefficients are those of
//! near-minimax (Chebyshev) approximations, computed with 50 digits.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, LOG2_E, PI};
use std::ops::{Add, Div, Mul, Sub};

/// A number with the functions that kernels are made of.
pub trait Number:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Send
    + Sync
{
    /// 0.
    const ZERO: Self;
    /// What is not a number.
    const NAN: Self;
    /// Squares between this and [`Number::LARGE`] have lost nothing to the ends of the range, nor do their products with 8.
    const SMALL: Self;
    /// See [`Number::SMALL`].
    const LARGE: Self;

    /// `self · factor + term`, rounded once.
    fn fused(self, factor: Self, term: Self) -> Self;
    /// Square root.
    fn root(self) -> Self;
    /// Absolute value.
    fn magnitude(self) -> Self;
    /// This absolute value with the sign of another number.
    fn signed(self, sign: Self) -> Self;
    /// Angle of the point (x, y) in (-pi, pi]: of -0 and 0 as `y` both are 0, and the origin is at 0.
    fn angle(y: Self, x: Self) -> Self;
    /// `log(1 + n / d) / 2` for positive `n` and `d`.
    fn half_log(n: Self, d: Self) -> Self;
    /// `sqrt(e² - px² - py² - pz²)`, minus the root of the absolute value where that is negative.
    fn mass(vector: [Self; 4]) -> Self;
}

/// Horner's rule, coefficients from the lowest.
#[inline(always)]
fn polynomial<T: Number, const N: usize>(x: T, coefficients: [T; N]) -> T {
    let mut sum = coefficients[N - 1];
    for k in (0..N - 1).rev() {
        sum = sum.fused(x, coefficients[k]);
    }
    sum
}

/// `t + t³ P(t²)`.
#[inline(always)]
fn odd<T: Number, const N: usize>(t: T, coefficients: [T; N]) -> T {
    let square = t * t;
    (t * square).fused(polynomial(square, coefficients), t)
}

/// A quotient whose arc tangent is the angle of (x, y) up to turns by eighths: (quotient in [-1/3, 1/2], whether 1/8 is to be
/// added, whether it is then counted from the y axis).
#[inline(always)]
fn reduced<T: Number>(y: T, x: T, one: T, half: T) -> (T, bool, bool) {
    let (ax, ay) = (x.magnitude(), y.magnitude());
    let steep = ay > ax;
    let (small, large) = if steep { (ax, ay) } else { (ay, ax) };
    // Above 1/2 the difference is exact, and atan(s / l) = pi / 4 + atan((s - l) / (s + l)).
    let folded = small > half * large;
    let top = if folded { small - large } else { small };
    let bottom = if folded { small + large } else { large };
    let bottom = if large == T::ZERO { one } else { bottom };
    let quotient = top / bottom;
    // Not so large that a sum of both overflows; not NaN.
    let quotient = if large < T::LARGE { quotient } else { T::NAN };
    (quotient, folded, steep)
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    const NAN: Self = f64::NAN;
    const SMALL: Self = 1e-280;
    const LARGE: Self = 1e280;

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        self.mul_add(factor, term)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn signed(self, sign: Self) -> Self {
        self.copysign(sign)
    }

    /// Within 2 units in the last place.
    #[inline(always)]
    fn angle(y: Self, x: Self) -> Self {
        const ARC_TANGENT: [f64; 13] = [
            -0.333_333_333_333_333_3,
            0.199_999_999_999_994_88,
            -0.142_857_142_855_991_88,
            0.111_111_111_009_173_76,
            -0.090_909_086_203_225_23,
            0.076_922_947_125_402_85,
            -0.066_664_356_772_359_48,
            0.058_795_784_294_255_82,
            -0.052_400_995_079_947_13,
            0.046_280_248_685_701_53,
            -0.038_066_536_720_573_66,
            0.025_006_503_566_489_507,
            -0.009_215_792_047_089_858,
        ];
        /// What pi lacks in double precision.
        const REST: f64 = 1.224_646_799_147_353_2e-16;
        let (quotient, folded, steep) = reduced(y, x, 1.0, 0.5);
        let angle = odd(quotient, ARC_TANGENT);
        let angle = if folded { FRAC_PI_4 + (angle + 0.25 * REST) } else { angle };
        let angle = if steep { FRAC_PI_2 - (angle - 0.5 * REST) } else { angle };
        let angle = if x < 0.0 { PI - (angle - REST) } else { angle };
        angle.copysign(y + 0.0)
    }

    /// Within 4 units in the last place, if `n` and `d` are exact: their sum is rounded.
    #[inline(always)]
    fn half_log(n: Self, d: Self) -> Self {
        const AREA_TANGENT: [f64; 8] = [
            0.333_333_333_333_333_3,
            0.200_000_000_000_083_64,
            0.142_857_142_817_73,
            0.111_111_118_174_487_61,
            0.090_908_470_583_737_82,
            0.076_952_560_145_198_26,
            0.065_895_444_123_918_78,
            0.069_159_437_359_418_51,
        ];
        /// Half of log(2), the first part short enough that its product with any exponent is exact.
        const HALF_LOG_2: (f64, f64) = (0.346_573_590_184_561_9, 9.541_074_646_352_938e-11);
        const BITS: u32 = f64::MANTISSA_DIGITS - 1;
        let sum = d + n;
        // The power of 2 nearest to sum / d: bit patterns are logarithms in pieces of straight lines.
        let power = sum.to_bits().wrapping_sub(d.to_bits()).wrapping_add(1 << (BITS - 1)) >> BITS;
        let scaled = f64::from_bits(d.to_bits().wrapping_add(power << BITS));
        // atanh((s - d) / (s + d)) = log(s / d) / 2, where s - d is n itself if nothing was scaled.
        let difference = if power == 0 { n } else { sum - scaled };
        let log = odd(difference / (sum + scaled), AREA_TANGENT);
        // A small whole number in the last bits of 2^52 is that number more.
        let power = f64::from_bits(power | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
        let log = power.fused(HALF_LOG_2.0, power.fused(HALF_LOG_2.1, log));
        let right = (d > Self::SMALL) & (sum < Self::LARGE) & (n > Self::SMALL);
        if right { log } else { f64::NAN }
    }

    #[inline(always)]
    fn mass([px, py, pz, e]: [Self; 4]) -> Self {
        // One root, and the error is a part of the square of the transverse momentum, not of the energy's.
        let squared = (e - pz).mul_add(e + pz, -(px * px + py * py));
        squared.abs().sqrt().copysign(squared + 0.0)
    }
}

impl Number for f32 {
    const ZERO: Self = 0.0;
    const NAN: Self = f32::NAN;
    const SMALL: Self = 1e-30;
    const LARGE: Self = 1e36;

    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        self.mul_add(factor, term)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn signed(self, sign: Self) -> Self {
        self.copysign(sign)
    }

    /// Within 2 units in the last place.
    #[inline(always)]
    fn angle(y: Self, x: Self) -> Self {
        const ARC_TANGENT: [f32; 6] =
            [-0.333_333_34, 0.199_998_75, -0.142_798, 0.110_068_806, -0.082_355_06, 0.042_256_86];
        /// What pi lacks in single precision.
        const REST: f32 = -8.742_278e-8;
        let (quotient, folded, steep) = reduced(y, x, 1.0, 0.5);
        let angle = odd(quotient, ARC_TANGENT);
        let angle = if folded { std::f32::consts::FRAC_PI_4 + (angle + 0.25 * REST) } else { angle };
        let angle = if steep { std::f32::consts::FRAC_PI_2 - (angle - 0.5 * REST) } else { angle };
        let angle = if x < 0.0 { std::f32::consts::PI - (angle - REST) } else { angle };
        angle.copysign(y + 0.0)
    }

    /// Within 4 units in the last place, if `n` and `d` are exact: their sum is rounded.
    #[inline(always)]
    fn half_log(n: Self, d: Self) -> Self {
        const AREA_TANGENT: [f32; 4] = [0.333_333_34, 0.200_002_16, 0.142_616_06, 0.119_640_864];
        const HALF_LOG_2: (f32, f32) = (0.346_569_06, 4.529_000_3e-6);
        const BITS: u32 = f32::MANTISSA_DIGITS - 1;
        let sum = d + n;
        let power = sum.to_bits().wrapping_sub(d.to_bits()).wrapping_add(1 << (BITS - 1)) >> BITS;
        let scaled = f32::from_bits(d.to_bits().wrapping_add(power << BITS));
        let difference = if power == 0 { n } else { sum - scaled };
        let log = odd(difference / (sum + scaled), AREA_TANGENT);
        let power = f32::from_bits(power | 0x4B00_0000) - 8_388_608.0;
        let log = power.fused(HALF_LOG_2.0, power.fused(HALF_LOG_2.1, log));
        let right = (d > Self::SMALL) & (sum < Self::LARGE) & (n > Self::SMALL);
        if right { log } else { f32::NAN }
    }

    /// Squares of single precision are exact in double precision, so the difference keeps all digits that there are.
    #[inline(always)]
    fn mass([px, py, pz, e]: [Self; 4]) -> Self {
        let (px, py, pz, e) = (f64::from(px), f64::from(py), f64::from(pz), f64::from(e));
        let exact = (e * e - pz * pz) - (px * px + py * py);
        let squared = exact as f32;
        let root = squared.abs().sqrt().copysign(squared + 0.0);
        let size = squared.abs();
        let right = (size > Self::SMALL) & (size < Self::LARGE) | (exact == 0.0);
        if right { root } else { f32::NAN }
    }
}

/// Natural logarithm of a normal positive number, within 2 units in the last place.
#[inline(always)]
pub(crate) fn logarithm(x: f64) -> f64 {
    /// `atanh(t) = t + t³ P(t²)` for |t| up to 1/5.
    const AREA_TANGENT: [f64; 8] = [
        0.333_333_333_333_333_3,
        0.200_000_000_000_083_64,
        0.142_857_142_817_73,
        0.111_111_118_174_487_61,
        0.090_908_470_583_737_82,
        0.076_952_560_145_198_26,
        0.065_895_444_123_918_78,
        0.069_159_437_359_418_51,
    ];
    /// log(2), the first part short enough that its product with any exponent is exact.
    const LOG_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    const BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: u64 = 1023;
    // The nearest power of 2, so that what is left lies in [3/4, 3/2).
    let power = x.to_bits().wrapping_add(1 << (BITS - 1)) >> BITS;
    let rest = f64::from_bits(x.to_bits().wrapping_sub(power.wrapping_sub(BIAS) << BITS));
    let log = 2.0 * odd((rest - 1.0) / (rest + 1.0), AREA_TANGENT);
    // A small whole number in the last bits of 2^52 is that number more.
    let power = f64::from_bits(power | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + BIAS as f64);
    let log = power.fused(LOG_2.0, power.fused(LOG_2.1, log));
    // `contains` would branch.
    #[allow(clippy::manual_range_contains)]
    let right = (x >= f64::MIN_POSITIVE) & (x < f64::INFINITY);
    if right { log } else { f64::NAN }
}

/// e to the power x, for |x| up to 700, within 2 units in the last place.
#[inline(always)]
pub(crate) fn exponential(x: f64) -> f64 {
    /// `e^r = 1 + r + r² P(r)` for |r| up to log(2) / 2.
    const EXPONENTIAL: [f64; 11] = [
        0.5,
        0.166_666_666_666_666_7,
        0.041_666_666_666_666_67,
        0.008_333_333_333_326_084,
        0.001_388_888_888_888_371_1,
        0.000_198_412_698_750_022_8,
        2.480_158_732_567_746e-5,
        2.755_725_517_000_089e-6,
        2.755_727_347_871_858e-7,
        2.510_531_272_962_210_3e-8,
        2.091_475_532_589_32e-9,
    ];
    const LOG_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let shifted = x * LOG2_E + 6_755_399_441_055_744.0;
    let power = shifted - 6_755_399_441_055_744.0;
    let near = x - power * LOG_2.0;
    let step = power * LOG_2.1;
    let rest = near - step;
    let lost = (near - rest) - step;
    let value = 1.0 + (rest + (rest * rest * polynomial(rest, EXPONENTIAL) + lost));
    let value = f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52));
    if x.abs() < 700.0 { value } else { f64::NAN }
}

/// Beyond this angle reduction by two and a half parts of pi / 2 is no longer exact.
const LARGEST_ANGLE: f64 = 1e5;

/// Sine and cosine for |x| up to 1e5, within 2 units in the last place.
#[inline(always)]
pub(crate) fn sine_cosine(x: f64) -> (f64, f64) {
    const SINE: [f64; 6] = [
        -0.166_666_666_666_666_66,
        0.008_333_333_333_330_936,
        -0.000_198_412_698_367_405_32,
        2.755_731_609_319_840_4e-6,
        -2.505_112_989_645_018_5e-8,
        1.591_798_897_939_743_5e-10,
    ];
    const COSINE: [f64; 6] = [
        0.041_666_666_666_666_664,
        -0.001_388_888_888_888_738_9,
        2.480_158_729_875_44e-5,
        -2.755_731_726_587_808e-7,
        2.087_614_504_941_318e-9,
        -1.138_254_464_534_925e-11,
    ];
    /// pi / 2 in three parts, the first two of 33 bits.
    const QUARTER: [f64; 3] =
        [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21];
    let x = if x.abs() < LARGEST_ANGLE { x } else { f64::NAN };
    // Adding 1.5 · 2^52 rounds to a whole number, which stands in the last bits.
    let shifted = x * FRAC_2_PI + 6_755_399_441_055_744.0;
    let quarter = shifted.to_bits();
    let turns = shifted - 6_755_399_441_055_744.0;
    let near = x - turns * QUARTER[0];
    let step = turns * QUARTER[1];
    let rest = near - step;
    // What was lost in that difference, and the third part.
    let lost = ((near - rest) - step) - turns * QUARTER[2];
    let angle = rest + lost;
    let lost = (rest - angle) + lost;
    let square = angle * angle;
    let sine = angle + (angle * square * polynomial(square, SINE) + lost);
    let half = 0.5 * square;
    let whole = 1.0 - half;
    let cosine =
        whole + (((1.0 - whole) - half) + (square * square * polynomial(square, COSINE) - angle * lost));
    let (sine, cosine) = if quarter & 1 == 0 { (sine, cosine) } else { (cosine, sine) };
    // Signs: sine in the quarters 2 and 3, cosine in 1 and 2.
    let flip = |value: f64, quarter: u64| f64::from_bits(value.to_bits() ^ (quarter & 2) << 62);
    (flip(sine, quarter), flip(cosine, quarter.wrapping_add(1)))
}

/// Hyperbolic sine and cosine for |x| up to 700, within 2 units in the last place.
#[inline(always)]
pub(crate) fn hyperbolic(x: f64) -> (f64, f64) {
    const SINE: [f64; 7] = [
        0.166_666_666_666_666_66,
        0.008_333_333_333_333_3,
        0.000_198_412_698_413_241_98,
        2.755_731_919_138_181_6e-6,
        2.505_211_769_590_782_3e-8,
        1.605_767_962_380_163_8e-10,
        7.746_178_593_018_827e-13,
    ];
    const EXPONENTIAL: [f64; 11] = [
        0.5,
        0.166_666_666_666_666_7,
        0.041_666_666_666_666_67,
        0.008_333_333_333_326_084,
        0.001_388_888_888_888_371_1,
        0.000_198_412_698_750_022_8,
        2.480_158_732_567_746e-5,
        2.755_725_517_000_089e-6,
        2.755_727_347_871_858e-7,
        2.510_531_272_962_210_3e-8,
        2.091_475_532_589_32e-9,
    ];
    const LOG_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let size = x.abs();
    let shifted = size * LOG2_E + 6_755_399_441_055_744.0;
    let power = shifted - 6_755_399_441_055_744.0;
    let near = size - power * LOG_2.0;
    let step = power * LOG_2.1;
    let rest = near - step;
    let lost = (near - rest) - step;
    // Half of e^size: 1 + rest + rest² P(rest), times 2^(power - 1).
    let value = 1.0 + (rest + (rest * rest * polynomial(rest, EXPONENTIAL) + lost));
    let half = f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52).wrapping_sub(1 << 52));
    let inverse = 0.25 / half;
    let sine = if size < 1.0 { odd(size, SINE) } else { half - inverse };
    let right = size < 700.0;
    (if right { sine.copysign(x) } else { f64::NAN }, if right { half + inverse } else { f64::NAN })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }

        fn uniform(&mut self, low: f64, high: f64) -> f64 {
            low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Any size between the powers of ten, any sign.
        fn sized(&mut self, low: f64, high: f64) -> f64 {
            let size = 10.0_f64.powf(self.uniform(low, high));
            if self.bits() & 1 == 0 { size } else { -size }
        }
    }

    /// Distance in units in the last place of the expected value, for single or double precision.
    fn ulps(found: f64, expected: f64, digits: u32) -> f64 {
        if found == expected {
            return 0.0;
        }
        let unit = 2.0_f64.powi(expected.abs().log2().floor() as i32 + 1 - digits as i32);
        (found - expected).abs() / unit
    }

    const DOUBLE: u32 = f64::MANTISSA_DIGITS;
    const SINGLE: u32 = f32::MANTISSA_DIGITS;
    const TRIALS: usize = 400_000;

    /// The C library is within 1 unit, so what is found is within one more than the bound.
    fn within(name: &str, worst: f64, bound: f64) {
        assert!(worst <= bound, "{name}: {worst} units in the last place, more than {bound}");
        assert!(worst > 0.0, "{name}: nothing was tried");
    }

    #[test]
    fn logarithms_and_exponentials() {
        let mut random = Random(7);
        let (mut log, mut near_one, mut exp) = (0.0_f64, 0.0_f64, 0.0_f64);
        for _ in 0..TRIALS {
            let x = random.sized(-300.0, 300.0).abs();
            log = log.max(ulps(logarithm(x), x.ln(), DOUBLE));
            let x = 1.0 + random.sized(-12.0, -0.4);
            near_one = near_one.max(ulps(logarithm(x), x.ln(), DOUBLE));
            let x = random.uniform(-650.0, 690.0);
            exp = exp.max(ulps(exponential(x), x.exp(), DOUBLE));
        }
        within("log", log, 2.0);
        within("log near 1", near_one, 3.0);
        within("exp", exp, 2.0);
        assert_eq!((logarithm(1.0), exponential(0.0)), (0.0, 1.0));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324] {
            assert!(logarithm(bad).is_nan(), "{bad}");
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 710.0, -745.0] {
            assert!(exponential(bad).is_nan(), "{bad}");
        }
    }

    #[test]
    fn angles() {
        let mut random = Random(1);
        let (mut double, mut single) = (0.0_f64, 0.0_f64);
        for trial in 0..TRIALS {
            // Of one size, or of very different ones.
            let spread = if trial % 2 == 0 { 1.0 } else { 250.0 };
            let (y, x) = (random.sized(-spread, spread), random.sized(-spread, spread));
            double = double.max(ulps(f64::angle(y, x), y.atan2(x), DOUBLE));
            let spread = spread.min(16.0);
            let (y, x) = (random.sized(-spread, spread) as f32, random.sized(-spread, spread) as f32);
            single = single.max(ulps(f64::from(f32::angle(y, x)), f64::from(y).atan2(f64::from(x)), SINGLE));
        }
        within("angle, f64", double, 2.0);
        within("angle, f32", single, 2.0);
        for (y, x, expected) in [
            (0.0, 0.0, 0.0),
            (-0.0, -0.0, 0.0),
            (0.0, -1.0, PI),
            (-0.0, -1.0, PI),
            (0.0, 1.0, 0.0),
            (1.0, 0.0, FRAC_PI_2),
            (-1.0, -0.0, -FRAC_PI_2),
            (2.0, 2.0, FRAC_PI_4),
            (-3.0, 3.0, -FRAC_PI_4),
            (3.0, -3.0, 3.0 * FRAC_PI_4),
            (5e-324, 5e-324, FRAC_PI_4),
            (5e-324, -1.0, PI),
        ] {
            assert_eq!(f64::angle(y, x), expected, "angle({y}, {x})");
            let found = f32::angle(y as f32, x as f32);
            assert!((found - expected as f32).abs() <= 2.4e-7 || y == 5e-324, "angle({y}, {x}) = {found}");
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            assert!(
                f64::angle(bad, 1.0).is_nan()
                    && f64::angle(1.0, bad).is_nan()
                    && f64::angle(bad, bad).is_nan()
            );
            let bad = bad as f32;
            assert!(f32::angle(bad, 1.0).is_nan() && f32::angle(1.0, bad).is_nan());
        }
    }

    #[test]
    fn logarithms() {
        let mut random = Random(2);
        let (mut double, mut single) = (0.0_f64, 0.0_f64);
        for _ in 0..TRIALS {
            // Sums that are exact.
            let d = (random.bits() >> 12) as f64 + 1.0;
            let n = (random.bits() >> (12 + random.bits() % 50)) as f64;
            // The quotient's rounding adds at most one unit.
            double = double.max(ulps(f64::half_log(n, d), 0.5 * (n / d).ln_1p(), DOUBLE));
            let (n, d) = (random.sized(-15.0, 15.0).abs() as f32, random.sized(-15.0, 15.0).abs() as f32);
            let expected = 0.5 * (f64::from(n) / f64::from(d)).ln_1p();
            single = single.max(ulps(f64::from(f32::half_log(n, d)), expected, SINGLE));
        }
        within("half_log, f64", double, 4.0);
        within("half_log, f32", single, 4.0);
        for (n, d) in
            [(1.0, 0.0), (1.0, -1.0), (1.0, f64::NAN), (f64::NAN, 1.0), (f64::INFINITY, 1.0), (1e-300, 1.0)]
        {
            assert!(f64::half_log(n, d).is_nan(), "half_log({n}, {d})");
            assert!(f32::half_log(n as f32, d as f32).is_nan(), "half_log({n}, {d})");
        }
    }

    #[test]
    fn sines_and_hyperbolic_sines() {
        let mut random = Random(3);
        let mut worst = [0.0_f64; 4];
        for trial in 0..TRIALS {
            let x = match trial % 3 {
                0 => random.uniform(-7.0, 7.0),
                1 => random.sized(-300.0, 4.9),
                // Next to where a sine or a cosine is 0.
                _ => random.uniform(-6e4, 6e4).floor() * FRAC_PI_2,
            };
            let (sine, cosine) = sine_cosine(x);
            worst[0] = worst[0].max(ulps(sine, x.sin(), DOUBLE));
            worst[1] = worst[1].max(ulps(cosine, x.cos(), DOUBLE));
            let x = if trial % 3 == 0 { random.uniform(-3.0, 3.0) } else { random.sized(-300.0, 2.84) };
            let (sine, cosine) = hyperbolic(x);
            worst[2] = worst[2].max(ulps(sine, x.sinh(), DOUBLE));
            worst[3] = worst[3].max(ulps(cosine, x.cosh(), DOUBLE));
        }
        for (name, worst) in ["sine", "cosine", "hyperbolic sine", "hyperbolic cosine"].into_iter().zip(worst)
        {
            within(name, worst, 2.0);
        }
        for x in [f64::NAN, f64::INFINITY, 1e6] {
            assert!(sine_cosine(x).0.is_nan() && sine_cosine(-x).1.is_nan());
            assert!(hyperbolic(x).0.is_nan() && hyperbolic(-x).1.is_nan());
        }
        assert_eq!(sine_cosine(0.0), (0.0, 1.0));
        assert!(hyperbolic(-0.0).0.is_sign_negative());
    }
}
