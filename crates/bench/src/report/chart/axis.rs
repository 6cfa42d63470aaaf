//! Axes: from values to positions, and where the ticks go.

/// Linear or logarithmic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// An axis with its range.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A tick; those without a label are short.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: Option<String>,
}

impl Axis {
    /// A linear axis over exactly this range; an empty range is widened.
    pub(crate) fn linear(label: &str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { label: label.to_owned(), scale: Scale::Linear, low, high }
    }

    /// A linear axis that holds all values and ends on ticks.
    pub(crate) fn around(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let margin = 0.04 * (high - low).max(1e-12 * high.abs());
        let step = step(high - low + 2.0 * margin);
        Self::linear(label, ((low - margin) / step).floor() * step, ((high + margin) / step).ceil() * step)
    }

    /// A logarithmic axis over exactly this range, whose bounds must be positive.
    pub(crate) fn log(label: &str, low: f64, high: f64) -> Self {
        let low = if low > 0.0 && low.is_finite() { low } else { 1e-3 };
        let high = if high > low && high.is_finite() { high } else { 10.0 * low };
        Self { label: label.to_owned(), scale: Scale::Log, low, high }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, beyond outside. None for what has no place.
    pub(crate) fn position(&self, value: f64) -> Option<f64> {
        let position = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value <= 0.0 => return None,
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        position.is_finite().then_some(position)
    }

    /// The ticks within the range, rising.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log => self.log_ticks(),
        }
    }

    fn linear_ticks(&self) -> Vec<Tick> {
        let step = step(self.high - self.low);
        let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 9.0) as usize;
        let minor = step / 5.0;
        let inside = |value: f64| value >= self.low - 1e-9 * step && value <= self.high + 1e-9 * step;
        let (first, last) = ((self.low / minor).floor() as i64, (self.high / minor).ceil() as i64);
        (first..=last)
            .map(|i| {
                let value = i as f64 * minor;
                // Not "-0".
                let label = (i % 5 == 0).then(|| minus(&format!("{:.decimals$}", value + 0.0)));
                Tick { value, label }
            })
            .filter(|tick| inside(tick.value))
            .collect()
    }

    fn log_ticks(&self) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (self.high / self.low).log10();
        // Labels of about eight decades at most; 2 and 5 get one where there are few decades.
        let every = (decades / 8.0).ceil().max(1.0) as i32;
        let labelled: &[i32] = if decades < 1.6 { &[1, 2, 5] } else { &[1] };
        let powers = first < -2 || last > 3;
        let mut ticks = Vec::new();
        for exponent in first..=last {
            for digit in 1..10 {
                let value = f64::from(digit) * 10_f64.powi(exponent);
                if value < self.low * (1.0 - 1e-9) || value > self.high * (1.0 + 1e-9) {
                    continue;
                }
                let has_label = labelled.contains(&digit) && exponent.rem_euclid(every) == 0;
                let label = has_label.then(|| power(digit, exponent, powers));
                ticks.push(Tick { value, label });
            }
        }
        ticks
    }
}

/// `digit * 10^exponent`, written out or as a power.
fn power(digit: i32, exponent: i32, powers: bool) -> String {
    if !powers || digit != 1 || (0..2).contains(&exponent) {
        let decimals = usize::try_from(-exponent).unwrap_or(0);
        return grouped(&format!("{:.decimals$}", f64::from(digit) * 10_f64.powi(exponent)));
    }
    power_of_ten(exponent)
}

/// `10⁻³`.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    let superscript = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The others stand together in Unicode.
        _ => char::from_u32('⁰' as u32 + c as u32 - '0' as u32).unwrap_or(c),
    };
    format!("10{}", exponent.to_string().chars().map(superscript).collect::<String>())
}

/// A length of 1, 2 or 5 times a power of ten that divides `range` into four to ten parts.
fn step(range: f64) -> f64 {
    let rough = if range > 0.0 && range.is_finite() { range / 8.0 } else { 1.0 };
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// The smallest and the largest finite value; 0 and 1 where there is none.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// With a minus sign in place of a hyphen.
fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// Digits before the point in groups of three.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks().into_iter().filter_map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (axis, expected) in [
            (Axis::linear("", 0.0, 1.0), "0.0 0.2 0.4 0.6 0.8 1.0"),
            (Axis::linear("", 1.0, 40.0), "5 10 15 20 25 30 35 40"),
            (Axis::linear("", -0.8, 0.8), "−0.8 −0.6 −0.4 −0.2 0.0 0.2 0.4 0.6 0.8"),
            (Axis::linear("", 0.0, 0.001), "0.0000 0.0002 0.0004 0.0006 0.0008 0.0010"),
            (Axis::log("", 1e-4, 1.0), "10⁻⁴ 10⁻³ 10⁻² 10⁻¹ 1"),
            (Axis::log("", 1.0, 2e4), "1 10 10² 10³ 10⁴"),
            (Axis::log("", 0.3, 3.0), "0.5 1 2"),
            (Axis::linear("", 2.0, 2.0), "2.0 2.2 2.4 2.6 2.8 3.0"),
        ] {
            assert_eq!(labels(&axis), expected, "{axis:?}");
        }
    }

    #[test]
    fn positions_are_finite_or_none() {
        let log = Axis::log("", 0.01, 1.0);
        assert!((log.position(0.1).unwrap() - 0.5).abs() < 1e-12);
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(log.position(value), None);
        }
        assert_eq!(Axis::linear("", 0.0, 2.0).position(0.5), Some(0.25));
        assert_eq!(range([f64::NAN]), (0.0, 1.0));
    }

    #[test]
    fn groups_of_three_digits() {
        for (number, expected) in
            [("1234", "1,234"), ("12345", "12,345"), ("1234567.25", "1,234,567.25"), ("7", "7")]
        {
            assert_eq!(grouped(number), expected);
        }
    }
}
