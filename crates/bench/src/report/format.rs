//! Numbers as a person reads them.

use super::chart::grouped;

/// `13,333`.
pub(crate) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// `8.4 s`, `4 min 12 s`, `2 h 05 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{:.1} s", seconds.max(0.0)),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1.21 GB`; a kB has 1000 bytes.
pub(crate) fn bytes(n: u64) -> String {
    scaled(n as f64, &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// `5.07 kJ (1.41 Wh)`.
pub(crate) fn energy(joules: f64) -> String {
    let joule = scaled(joules, &[(1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J")]);
    let watt_hours = scaled(joules / 3600.0, &[(1e6, "MWh"), (1e3, "kWh"), (1.0, "Wh"), (1e-3, "mWh")]);
    format!("{joule} ({watt_hours})")
}

/// Three significant digits with the first unit that is not larger than the value.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let unit = units.iter().find(|unit| value >= unit.0 * 0.9995).or(units.last());
    let Some((factor, name)) = unit else { return value.to_string() };
    let value = value / factor;
    let decimals = match value {
        _ if *name == "B" => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {name}")
}

/// `94.2 %` of a whole.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "–".to_owned() }
}

/// Four significant digits, without zeros that say nothing.
pub(crate) fn short(x: f64) -> String {
    let size = x.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{x:.3e}").replace('-', "\u{2212}");
    }
    let decimals = if size == 0.0 { 0 } else { (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize };
    let text = format!("{x:.decimals$}");
    let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_the_value() {
        for (text, expected) in [
            (duration(8.44), "8.4 s"),
            (duration(252.0), "4 min 12 s"),
            (duration(7501.0), "2 h 05 min"),
            (bytes(999), "999 B"),
            (bytes(1_213_000_000), "1.21 GB"),
            (bytes(11_500_000), "11.5 MB"),
            (energy(5070.0), "5.07 kJ (1.41 Wh)"),
            (energy(3.6e6), "3.60 MJ (1.00 kWh)"),
            (percent(1.0, 0.0), "–"),
            (count(13_333), "13,333"),
            (short(0.0), "0"),
            (short(0.682_689), "0.6827"),
            (short(-1200.0), "\u{2212}1200"),
            (short(12.5), "12.5"),
            (short(3.0e7), "3.000e7"),
        ] {
            assert_eq!(text, expected);
        }
    }
}
