//! Units: this project's own are GeV, mm, ns and radians, and this turns others into them and back.
//!
//! With c = 1 masses, momenta and energies share their units. Cross sections are areas of their own kind.

use std::f64::consts::PI;

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Energy,
    Length,
    Time,
    Angle,
    CrossSection,
}

/// The names of all units that are known.
pub const NAMES: [&str; 27] = [
    "GeV", "eV", "keV", "MeV", "TeV", "mm", "fm", "pm", "nm", "um", "cm", "m", "km", "ns", "fs", "ps", "us",
    "ms", "s", "rad", "mrad", "deg", "b", "mb", "nb", "pb", "fb",
];

/// What a unit measures, and the power of ten that one has of GeV, mm, ns, rad or b.
fn unit(name: &str) -> Option<(Kind, i32)> {
    Some(match name {
        "eV" => (Kind::Energy, -9),
        "keV" => (Kind::Energy, -6),
        "MeV" => (Kind::Energy, -3),
        "GeV" => (Kind::Energy, 0),
        "TeV" => (Kind::Energy, 3),
        "fm" => (Kind::Length, -12),
        "pm" => (Kind::Length, -9),
        "nm" => (Kind::Length, -6),
        "um" => (Kind::Length, -3),
        "mm" => (Kind::Length, 0),
        "cm" => (Kind::Length, 1),
        "m" => (Kind::Length, 3),
        "km" => (Kind::Length, 6),
        "fs" => (Kind::Time, -6),
        "ps" => (Kind::Time, -3),
        "ns" => (Kind::Time, 0),
        "us" => (Kind::Time, 3),
        "ms" => (Kind::Time, 6),
        "s" => (Kind::Time, 9),
        "mrad" => (Kind::Angle, -3),
        "rad" | "deg" => (Kind::Angle, 0),
        "fb" => (Kind::CrossSection, -15),
        "pb" => (Kind::CrossSection, -12),
        "nb" => (Kind::CrossSection, -9),
        "mb" => (Kind::CrossSection, -3),
        "b" => (Kind::CrossSection, 0),
        _ => return None,
    })
}

/// How many of one unit are one of another: 0.001 from MeV to GeV. None where they measure different things, or one is not known.
///
/// ```
/// use fiducial_physics::units::factor;
///
/// assert_eq!(factor("MeV", "GeV"), Some(1e-3));
/// assert_eq!(factor("m", "mm"), Some(1e3));
/// assert_eq!(factor("GeV", "mm"), None);
/// ```
#[must_use]
pub fn factor(from: &str, to: &str) -> Option<f64> {
    let ((kind, power), (other, less)) = (unit(from)?, unit(to)?);
    if kind != other {
        return None;
    }
    // A power of ten that is a number is exact, unlike the quotient of two.
    let power = power - less;
    let tens = if power < 0 { 1.0 / 10f64.powi(-power) } else { 10f64.powi(power) };
    let degrees = match (from, to) {
        ("deg", "deg") => 1.0,
        ("deg", _) => PI / 180.0,
        (_, "deg") => 180.0 / PI,
        _ => 1.0,
    };
    Some(tens * degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_turned_into_each_other() {
        for (from, to, expected) in [
            ("TeV", "GeV", Some(1e3)),
            ("eV", "GeV", Some(1e-9)),
            ("cm", "mm", Some(10.0)),
            ("um", "cm", Some(1e-4)),
            ("ps", "ns", Some(1e-3)),
            ("s", "fs", Some(1e15)),
            ("deg", "rad", Some(PI / 180.0)),
            ("mrad", "deg", Some(1e-3 * (180.0 / PI))),
            ("pb", "fb", Some(1e3)),
            ("GeV", "ns", None),
            ("GeV", "furlong", None),
        ] {
            assert_eq!(factor(from, to), expected, "{from} to {to}");
        }
        for name in NAMES {
            assert_eq!(factor(name, name), Some(1.0), "{name}");
        }
    }
}
