//! The table and the identifiers beside the Python package `particle`.
#![allow(clippy::unwrap_used)]

use fiducial_physics::particle::{Particle, PdgId};

/// Where the digits say another thing here, and why.
const DIFFERENT: [(i32, &str); 10] = [
    (7, "the fourth generation has spin 1/2, there none is told"),
    (8, "the same"),
    (17, "the same"),
    (18, "the same"),
    (110, "reggeons and pomerons are no mesons"),
    (990, "the same"),
    (2112, "a neutron is no nucleus"),
    (1_000_000_010, "nor is it one of 0 protons; and no baryon in this form"),
    (1_000_010_010, "a nucleus, not also a baryon"),
    (1_112_118, "what starts with 1 is a sparticle or holds one"),
];

fn close(found: Option<f64>, expected: &str) -> bool {
    let expected = (!expected.is_empty()).then(|| expected.parse::<f64>().unwrap());
    match (found, expected) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-9 * b.abs(),
        (a, b) => a == b,
    }
}

/// The file was made by `particle_golden.py`.
#[test]
fn what_the_package_particle_says() {
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in include_str!("particle_golden.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [number, kinds, charge, spin, flavours, mass, width, lifetime, ctau] = fields[..] else {
            panic!("{line}");
        };
        let id = PdgId(number.parse().unwrap());
        rows += 1;
        if DIFFERENT.iter().any(|(different, _)| *different == id.0.abs()) {
            continue;
        }
        let mut found: Vec<&str> = [
            ("quark", id.is_quark()),
            ("lepton", id.is_lepton()),
            ("meson", id.is_meson()),
            ("baryon", id.is_baryon()),
            ("hadron", id.is_hadron()),
            ("diquark", id.is_diquark()),
            ("nucleus", id.is_nucleus()),
        ]
        .into_iter()
        .filter_map(|(kind, holds)| holds.then_some(kind))
        .collect();
        found.sort_unstable();
        let mut expected: Vec<&str> = kinds.split('+').filter(|kind| !kind.is_empty()).collect();
        expected.sort_unstable();
        if found != expected {
            wrong.push(format!("{number}: kinds {found:?}, not {expected:?}"));
        }
        if let Some(three) = id.three_charge()
            && three.to_string() != charge
        {
            wrong.push(format!("{number}: three times the charge {three}, not {charge}"));
        }
        if let Some(states) = id.spin_states()
            && states.to_string() != spin
        {
            wrong.push(format!("{number}: {states} spin states, not {spin}"));
        }
        if id.is_hadron() || id.is_diquark() {
            let found: Vec<String> = (1..=6).filter(|q| id.has_quark(*q)).map(|q| q.to_string()).collect();
            if found.join("+") != flavours {
                wrong.push(format!("{number}: flavours {found:?}, not {flavours}"));
            }
        }
        let length = Particle::by_id(id).and_then(Particle::decay_length);
        for (name, found, expected) in [
            ("mass", id.mass(), mass),
            ("width", id.width(), width),
            ("lifetime", id.lifetime(), lifetime),
            ("decay length", length, ctau),
        ] {
            if !close(found, expected) {
                wrong.push(format!("{number}: {name} {found:?}, not {expected}"));
            }
        }
    }
    assert!(rows > 700, "{rows}");
    assert!(wrong.is_empty(), "{}\n{} differ", wrong.join("\n"), wrong.len());
}
