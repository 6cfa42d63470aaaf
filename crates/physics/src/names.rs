//! How choices are spelt where text makes them, the same in Python and in expressions.

use crate::cluster::{Algorithm, Recombination};
use crate::substructure::{Axes, Ratio};

/// Other spellings that are understood: those of FastJet.
const OTHER: [(&str, &str); 4] = [
    ("antikt", "anti-kt"),
    ("cambridge", "cambridge-aachen"),
    ("genkt", "generalised-kt"),
    ("ee-genkt", "ee-generalised-kt"),
];

/// The spelling of a name among those of this module: an underscore is as good as a hyphen, and `antikt`, `cambridge`, `genkt` and
/// `ee_genkt` are FastJet's.
///
/// ```
/// use fiducial_physics::usual_spelling;
///
/// assert_eq!(usual_spelling("winner_takes_all"), "winner-takes-all");
/// assert_eq!(usual_spelling("antikt"), "anti-kt");
/// ```
#[must_use]
pub fn usual_spelling(name: &str) -> String {
    let name = name.replace('_', "-");
    let usual = OTHER.iter().find(|(other, _)| *other == name);
    usual.map_or(name, |(_, usual)| (*usual).to_owned())
}

impl Algorithm {
    /// The names of all.
    pub const NAMES: [&'static str; 6] =
        ["anti-kt", "cambridge-aachen", "kt", "generalised-kt", "ee-kt", "ee-generalised-kt"];

    /// The algorithm of a name, in any spelling; the generalised ones have the power `p`. None if there is none.
    #[must_use]
    pub fn named(name: &str, p: f64) -> Option<Self> {
        Some(match usual_spelling(name).as_str() {
            "anti-kt" => Self::AntiKt,
            "cambridge-aachen" => Self::CambridgeAachen,
            "kt" => Self::Kt,
            "generalised-kt" => Self::GeneralisedKt { p },
            "ee-kt" => Self::EeKt,
            "ee-generalised-kt" => Self::EeGeneralisedKt { p },
            _ => return None,
        })
    }
}

impl Recombination {
    /// The names of all.
    pub const NAMES: [&'static str; 3] = ["E", "pt", "winner-takes-all"];

    /// The recombination of a name, in any spelling; none if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::E, Self::Pt, Self::WinnerTakesAll];
        place(&Self::NAMES, name).map(|place| all[place])
    }
}

impl Axes {
    /// The names of all.
    pub const NAMES: [&'static str; 4] = ["onepass-wta-kt", "wta-kt", "onepass-kt", "kt"];

    /// The axes of a name, in any spelling; none if there are none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::OnePassWinnerTakesAllKt, Self::WinnerTakesAllKt, Self::OnePassKt, Self::Kt];
        place(&Self::NAMES, name).map(|place| all[place])
    }
}

impl Ratio {
    /// The names of all.
    pub const NAMES: [&'static str; 8] = ["D2", "C1", "C2", "C3", "M2", "M3", "N2", "N3"];

    /// The ratio of a name; none if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::D2, Self::C1, Self::C2, Self::C3, Self::M2, Self::M3, Self::N2, Self::N3];
        place(&Self::NAMES, name).map(|place| all[place])
    }
}

fn place(names: &[&str], name: &str) -> Option<usize> {
    let usual = usual_spelling(name);
    names.iter().position(|known| *known == usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_choice() {
        fn check<T: std::fmt::Debug + PartialEq>(names: &[&str], named: impl Fn(&str) -> Option<T>) {
            let all: Vec<T> = names.iter().map(|name| named(name).unwrap()).collect();
            for (i, choice) in all.iter().enumerate() {
                assert!(!all[..i].contains(choice), "{choice:?}");
            }
            assert_eq!(named("best"), None);
        }
        check(&Algorithm::NAMES, |name| Algorithm::named(name, 0.5));
        check(&Recombination::NAMES, Recombination::named);
        check(&Axes::NAMES, Axes::named);
        check(&Ratio::NAMES, Ratio::named);
        for (name, algorithm) in [
            ("antikt", Algorithm::AntiKt),
            ("anti_kt", Algorithm::AntiKt),
            ("cambridge", Algorithm::CambridgeAachen),
            ("genkt", Algorithm::GeneralisedKt { p: 0.5 }),
            ("ee_kt", Algorithm::EeKt),
            ("ee_genkt", Algorithm::EeGeneralisedKt { p: 0.5 }),
        ] {
            assert_eq!(Algorithm::named(name, 0.5), Some(algorithm));
        }
        assert_eq!(Recombination::named("winner_takes_all"), Some(Recombination::WinnerTakesAll));
        assert_eq!(Axes::named("onepass_wta_kt"), Some(Axes::OnePassWinnerTakesAllKt));
    }
}
