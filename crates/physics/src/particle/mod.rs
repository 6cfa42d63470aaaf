//! Particles: the table of the Particle Data Group, and what an identifier says by itself.
//!
//! Names and charges come from the package `particle` (BSD-3-Clause). Masses and widths are those of the Review of Particle Physics,
//! 2026 edition. The documentation of the PDG's API puts its data of the 2025 edition under CC BY 4.0 (that of 2023 was under CC
//! BY-NC 4.0); a statement for 2026 was not seen when the table was made.
//!
//! ```
//! use fiducial_physics::particle::{Particle, PdgId};
//!
//! let muon = Particle::by_id(PdgId(13)).ok_or("no muon")?;
//! assert_eq!((muon.name, muon.charge()), ("mu-", -1.0));
//! assert!((muon.mass.ok_or("no mass")? - 0.105_658).abs() < 1e-6);
//! // It flies 659 m in its lifetime.
//! assert!((muon.decay_length().ok_or("no width")? / 658_640.0 - 1.0).abs() < 1e-3);
//! assert!(PdgId(-2212).is_baryon() && PdgId(521).has_quark(5));
//! # Ok::<(), &str>(())
//! ```

use std::sync::LazyLock;

/// `ħ c` in GeV mm: a width Γ makes a decay length of `ħ c / Γ` (exact in the SI of 2019, CODATA).
pub const HBAR_C: f64 = 1.973_269_804_593_025e-13;

/// `ħ` in GeV ns: a width Γ makes a lifetime of `ħ / Γ`.
pub const HBAR: f64 = 6.582_119_569_509_066e-16;

/// The speed of light in mm / ns.
pub const SPEED_OF_LIGHT: f64 = 299.792_458;

/// A particle of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Particle {
    /// Its identifier.
    pub id: PdgId,
    /// Its name, with its charge; `~` for antiparticles. A few names stand for several states.
    pub name: &'static str,
    /// Three times its charge.
    pub three_charge: i8,
    /// Mass in GeV; none where it is not known.
    pub mass: Option<f64>,
    /// Width in GeV, 0 of stable particles; none where it is not known.
    pub width: Option<f64>,
}

impl Particle {
    /// The particle of an identifier; none if it is not in the table.
    #[must_use]
    pub fn by_id(id: PdgId) -> Option<&'static Self> {
        TABLE.binary_search_by_key(&id, |particle| particle.id).ok().map(|place| &TABLE[place])
    }

    /// The first particle of a name, by identifier; none if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|particle| particle.name == name)
    }

    /// All particles, by identifier.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &TABLE
    }

    /// Charge in units of the positron's.
    #[must_use]
    pub fn charge(&self) -> f64 {
        f64::from(self.three_charge) / 3.0
    }

    /// Mean lifetime at rest in ns, `ħ / Γ`; infinite for a width of 0.
    #[must_use]
    pub fn lifetime(&self) -> Option<f64> {
        self.width.map(|width| HBAR / width)
    }

    /// `c τ` in mm, `ħ c / Γ`; infinite for a width of 0.
    #[must_use]
    pub fn decay_length(&self) -> Option<f64> {
        self.width.map(|width| HBAR_C / width)
    }
}

/// Masses and widths of the 2026 edition of the Review of Particle Physics; source and licence stand in the file's head.
static TABLE: LazyLock<Vec<Particle>> = LazyLock::new(|| {
    let lines = include_str!("pdg.csv").lines().filter(|line| !line.starts_with('#'));
    // A test reads every line: none is lost here.
    let mut table: Vec<Particle> = lines.filter_map(parse).collect();
    table.sort_by_key(|particle| particle.id);
    table
});

fn parse(line: &'static str) -> Option<Particle> {
    let mut fields = line.split(',');
    let id = PdgId(fields.next()?.parse().ok()?);
    let name = fields.next()?;
    let three_charge = fields.next()?.parse().ok()?;
    let mut number = || fields.next().filter(|text| !text.is_empty()).and_then(|text| text.parse().ok());
    Some(Particle { id, name, three_charge, mass: number(), width: number() })
}

/// An identifier of the Monte Carlo numbering scheme (PDG review "Monte Carlo particle numbering scheme"): the digits
/// `n nr nL nq1 nq2 nq3 nJ`, negative for antiparticles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PdgId(pub i32);

impl PdgId {
    /// Mass in GeV; none where none is known.
    #[must_use]
    pub fn mass(self) -> Option<f64> {
        Particle::by_id(self)?.mass
    }

    /// Width in GeV, 0 of stable particles; none where none is known.
    #[must_use]
    pub fn width(self) -> Option<f64> {
        Particle::by_id(self)?.width
    }

    /// Mean lifetime at rest in ns, infinite of stable particles; none where none is known.
    #[must_use]
    pub fn lifetime(self) -> Option<f64> {
        Particle::by_id(self)?.lifetime()
    }

    /// Charge in units of the positron's, of the table or else from the digits; none where neither says.
    #[must_use]
    pub fn charge(self) -> Option<f64> {
        match Particle::by_id(self) {
            Some(known) => Some(known.charge()),
            None => self.three_charge().map(|charge| f64::from(charge) / 3.0),
        }
    }

    /// Spin, where the digits say it: [`PdgId::spin_states`].
    #[must_use]
    pub fn spin(self) -> Option<f64> {
        self.spin_states().map(|states| (f64::from(states) - 1.0) / 2.0)
    }

    /// Digit number `place`, from the right, of the absolute value.
    fn digit(self, place: u32) -> u32 {
        self.0.unsigned_abs() / 10_u32.pow(place) % 10
    }

    /// The digits of quarks, nq1 nq2 nq3.
    fn quarks(self) -> [u32; 3] {
        [self.digit(3), self.digit(2), self.digit(1)]
    }

    /// The quarks of a tetraquark or pentaquark, `±1 nr nL nq1 nq2 nq3 nq4 nq5 nJ`. A tetraquark is two quarks, 0 and two antiquarks,
    /// a pentaquark four quarks and an antiquark.
    fn exotic(self) -> Option<[u32; 5]> {
        let quarks = [5, 4, 3, 2, 1].map(|place| self.digit(place));
        let [a, b, c, d, e] = quarks;
        let ordered = if c == 0 {
            let diagonal = (a, b) == (d, e);
            a >= b && d >= e && (a > d || b > e || diagonal && self.0 > 0)
        } else {
            a >= b && b >= c && c >= d
        };
        let whole = ![a, b, d, e, self.digit(0)].contains(&0);
        (self.0.unsigned_abs() / 100_000_000 == 1 && whole && ordered).then_some(quarks)
    }

    /// Whether the digits describe a hadron or a diquark: no nucleus and nothing beyond the standard model.
    fn is_composite(self) -> bool {
        let size = self.0.unsigned_abs();
        let beyond = matches!(size / 1_000_000 % 10, 1..=8) && size < 9_000_000;
        size > 100 && size < 10_000_000 && !beyond
    }

    /// Quarks, generations 1 to 4.
    #[must_use]
    pub fn is_quark(self) -> bool {
        matches!(self.0.unsigned_abs(), 1..=8)
    }

    /// Leptons, neutrinos among them, generations 1 to 4.
    #[must_use]
    pub fn is_lepton(self) -> bool {
        matches!(self.0.unsigned_abs(), 11..=18)
    }

    /// Neutrinos.
    #[must_use]
    pub fn is_neutrino(self) -> bool {
        matches!(self.0.unsigned_abs(), 12 | 14 | 16 | 18)
    }

    /// Gluon, photon, Z, W and Higgs.
    #[must_use]
    pub fn is_boson(self) -> bool {
        matches!(self.0.unsigned_abs(), 9 | 21..=25)
    }

    /// Mesons, the neutral kaons 130 and 310 and tetraquarks among them. What is its own antiparticle has no negative identifier.
    #[must_use]
    pub fn is_meson(self) -> bool {
        let [first, second, third] = self.quarks();
        let plain = self.is_composite() && first == 0 && second != 0 && third != 0 && self.digit(0) != 0;
        matches!(self.0.unsigned_abs(), 130 | 310 | 150 | 350 | 510 | 530)
            || plain && (self.0 > 0 || second != third)
            || self.exotic().is_some_and(|quarks| quarks[2] == 0)
    }

    /// Baryons, pentaquarks among them, the nucleons' identifiers as nuclei not.
    #[must_use]
    pub fn is_baryon(self) -> bool {
        self.is_composite() && self.quarks().iter().all(|quark| *quark != 0) && self.digit(0) != 0
            || self.exotic().is_some_and(|quarks| quarks[2] != 0)
    }

    /// Pairs of quarks, as in generators.
    #[must_use]
    pub fn is_diquark(self) -> bool {
        let [first, second, third] = self.quarks();
        self.is_composite() && first != 0 && second != 0 && third == 0 && self.0.unsigned_abs() < 10_000
    }

    /// Mesons and baryons.
    #[must_use]
    pub fn is_hadron(self) -> bool {
        self.is_meson() || self.is_baryon()
    }

    /// Nuclei, `±10LZZZAAAI`, and the proton.
    #[must_use]
    pub fn is_nucleus(self) -> bool {
        self.0.unsigned_abs() == 2212 || matches!(self.0.unsigned_abs(), 1_000_000_000..=1_099_999_999)
    }

    /// (protons, nucleons) of a nucleus.
    #[must_use]
    pub fn nucleus(self) -> Option<(u32, u32)> {
        let size = self.0.unsigned_abs();
        match size {
            2212 => Some((1, 1)),
            _ if self.is_nucleus() => Some((size / 10_000 % 1000, size / 10 % 1000)),
            _ => None,
        }
    }

    /// Whether a hadron, diquark or quark holds a quark or antiquark of flavour `quark` (1 to 6 for d, u, s, c, b, t).
    #[must_use]
    pub fn has_quark(self, quark: u32) -> bool {
        let hadron = self.is_hadron() || self.is_diquark();
        let inside = match self.exotic() {
            Some(quarks) => quarks.contains(&quark),
            None => self.quarks().contains(&quark),
        };
        self.0.unsigned_abs() == quark && self.is_quark() || hadron && quark != 0 && inside
    }

    /// Twice the spin plus one, the last digit; none where the digit does not say (K⁰L, K⁰S, nuclei and elementary ones but quarks
    /// and leptons).
    #[must_use]
    pub fn spin_states(self) -> Option<u32> {
        if self.is_quark() || self.is_lepton() {
            return Some(2);
        }
        let hadron = (self.is_hadron() || self.is_diquark()) && self.digit(0) != 0;
        hadron.then(|| self.digit(0))
    }

    /// Three times the charge, from the digits; none for what has none in the scheme of quarks, leptons, bosons, hadrons and nuclei.
    #[must_use]
    pub fn three_charge(self) -> Option<i32> {
        let sign = self.0.signum();
        if let (Some((protons, _)), false) = (self.nucleus(), self.0.unsigned_abs() == 2212) {
            return Some(sign * 3 * protons as i32);
        }
        let quark = |flavour: u32| if flavour.is_multiple_of(2) { 2 } else { -1 };
        if let Some([a, b, c, d, e]) = self.exotic() {
            // The last is an antiquark, and so is the one before it in a tetraquark.
            let others = if c == 0 { -quark(d) } else { quark(c) + quark(d) };
            return Some(sign * (quark(a) + quark(b) + others - quark(e)));
        }
        let [first, second, third] = self.quarks();
        let charge = match self.0.unsigned_abs() {
            size @ 1..=8 => quark(size),
            11 | 13 | 15 | 17 => -3,
            12 | 14 | 16 | 18 | 9 | 21..=23 | 25 => 0,
            24 => 3,
            _ if self.is_baryon() => quark(first) + quark(second) + quark(third),
            _ if self.is_diquark() => quark(first) + quark(second),
            // The heavier flavour comes first; it is the quark if it is up-like, and the antiquark if it is down-like.
            _ if self.is_meson() && !second.is_multiple_of(2) => quark(third) - quark(second),
            _ if self.is_meson() => quark(second) - quark(third),
            _ => return None,
        };
        Some(sign * charge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_particle_whose_digits_tell_its_charge() {
        let lines = include_str!("pdg.csv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(Particle::all().len(), lines);
        assert!(lines > 600);
        let mut told = 0;
        for particle in Particle::all() {
            assert_eq!(Particle::by_id(particle.id), Some(particle));
            if let Some(charge) = particle.id.three_charge() {
                assert_eq!(charge, i32::from(particle.three_charge), "{particle:?}");
                told += 1;
            }
            if let Some(anti) = Particle::by_id(PdgId(-particle.id.0)) {
                assert_eq!(anti.three_charge, -particle.three_charge);
                assert_eq!((anti.mass, anti.width), (particle.mass, particle.width));
            }
        }
        assert!(told > lines - 30, "{told} of {lines}");
    }

    #[test]
    fn what_identifiers_say() {
        let rows = [
            (1, "quark", Some(-1), Some(2)),
            (-13, "lepton", Some(3), Some(2)),
            (22, "boson", Some(0), None),
            (211, "meson", Some(3), Some(1)),
            (-521, "meson", Some(-3), Some(1)),
            (130, "meson", Some(0), None),
            (443, "meson", Some(0), Some(3)),
            (2212, "baryon", Some(3), Some(2)),
            (-3334, "baryon", Some(3), Some(4)),
            (2203, "diquark", Some(4), Some(3)),
            (-111, "", None, None),
            (100_420_413, "meson", Some(3), Some(3)),
            (-100_420_413, "meson", Some(-3), Some(3)),
            (100_422_144, "baryon", Some(3), Some(4)),
            (1_000_020_040, "nucleus", Some(6), None),
            (1_000_021, "", None, None),
            (0, "", None, None),
            (i32::MIN, "", None, None),
        ];
        for (id, kind, charge, spin) in rows {
            let id = PdgId(id);
            let kinds = [
                ("quark", id.is_quark()),
                ("lepton", id.is_lepton()),
                ("boson", id.is_boson()),
                ("meson", id.is_meson()),
                ("baryon", id.is_baryon()),
                ("diquark", id.is_diquark()),
                ("nucleus", id.is_nucleus() && id.0 != 2212),
            ];
            for (name, holds) in kinds {
                assert_eq!(holds, name == kind, "{id:?}: {name}");
            }
            assert_eq!(id.three_charge(), charge, "{id:?}");
            assert_eq!(id.spin_states(), spin, "{id:?}");
        }
        assert!(PdgId(511).has_quark(5) && !PdgId(511).has_quark(4) && PdgId(4122).has_quark(4));
        assert_eq!(Particle::by_name("K+").map(|particle| particle.id), Some(PdgId(321)));
        let muon = Particle::by_id(PdgId(13)).and_then(Particle::lifetime).unwrap();
        assert!((muon / 2196.98 - 1.0).abs() < 1e-4);
    }
}
