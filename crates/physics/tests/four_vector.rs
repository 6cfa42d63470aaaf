//! Four-vectors beside the package `vector`, and laws that hold for all.
#![allow(clippy::unwrap_used)]

mod common;

use std::f64::consts::PI;

use common::Random;
use fiducial_physics::four_vector::{
    FourVector, FourVectors, Quantity, event_shape, mt2, thrust, transverse_mass,
};
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Vec<FourVector> {
    let mut random = Random(7);
    let mut rows: Vec<FourVector> = (0..400).map(|_| random.particle()).collect();
    rows.extend([
        FourVector::new(0.0, 0.0, 5.0, 5.0),
        FourVector::new(0.0, 0.0, -5.0, 7.0),
        FourVector::new(3.0, 4.0, 0.0, 5.0),
        FourVector::new(3.0, 4.0, 1.0, 2.0),
        FourVector::new(-1.0, 0.0, 0.0, 1.0),
        FourVector::new(1e-6, 0.0, 1e3, 1e3 + 1e-3),
    ]);
    rows
}

/// Equal to `tolerance` of the largest component, infinite on both sides, or undefined there and defined here.
fn agrees(value: f64, expected: &Value, scale: f64, tolerance: f64) -> bool {
    match expected.as_f64() {
        Some(expected) => (value - expected).abs() <= tolerance * scale.max(expected.abs()),
        None => match expected.as_str() {
            Some("inf") => value == f64::INFINITY,
            Some("-inf") => value == f64::NEG_INFINITY,
            _ => true,
        },
    }
}

#[test]
fn the_values_of_vector() {
    let Some(python) = common::python() else { return };
    let rows = vectors();
    let folder = std::env::temp_dir().join(format!("fiducial-vector-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["vectors", "values"].map(|name| folder.join(name));
    let flat: Vec<[f64; 4]> = rows.iter().map(|v| [v.px, v.py, v.pz, v.e]).collect();
    std::fs::write(&paths[0], serde_json::to_vec(&flat).unwrap()).unwrap();
    common::run(&python, "vector_twin.py", &paths);
    let expected: Value = serde_json::from_slice(&std::fs::read(&paths[1]).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();

    let columns: FourVectors<f64> = rows.iter().copied().collect();
    let single: FourVectors<f32> = rows.iter().copied().collect();
    let mut failures = Vec::new();
    let mut check = |name: &str, i: usize, value: f64, scale: f64, tolerance: f64| {
        if !agrees(value, &expected[name][i], scale, tolerance) {
            failures.push(format!("{name} of {:?}: {value}, not {}", rows[i], expected[name][i]));
        }
    };
    let quantities = [
        ("pt", Quantity::Pt),
        ("phi", Quantity::Phi),
        ("eta", Quantity::Eta),
        ("rapidity", Quantity::Rapidity),
        ("mass", Quantity::Mass),
        ("mt", Quantity::Mt),
        ("et", Quantity::Et),
        ("p", Quantity::P),
    ];
    for (name, quantity) in quantities {
        let (double, single) = (columns.quantity(quantity), single.quantity(quantity));
        for (i, v) in rows.iter().enumerate() {
            // A mass is the root of a difference of squares: half of the digits are lost, in `vector` too.
            let angle = matches!(quantity, Quantity::Phi | Quantity::Eta | Quantity::Rapidity);
            let lossy = matches!(quantity, Quantity::Mass | Quantity::Mt | Quantity::Rapidity);
            let scale = if angle { 1.0 } else { v.e };
            check(name, i, double[i], scale, if lossy { 1e-6 } else { 1e-12 });
            if !lossy && i < 400 {
                check(name, i, f64::from(single[i]), scale, 1e-6);
            }
        }
    }
    for (i, a) in rows.iter().enumerate() {
        let b = rows[(i + 1) % rows.len()];
        let energy = a.e + b.e;
        // Half a turn is pi here and -pi there.
        let half = a.delta_phi(b) == PI;
        check("delta_phi", i, if half { -PI } else { a.delta_phi(b) }, 1.0, 1e-12);
        check("delta_r", i, a.delta_r(b), 1.0, 1e-12);
        check("angle", i, a.angle(b), 1.0, 1e-7);
        check("sum_mass", i, (*a + b).mass(), energy, 1e-6);
        check("dot", i, a.dot(b), a.e * b.e, 1e-12);
        let boosted = a.boosted([0.3, -0.2, 0.5]);
        check("boosted_px", i, boosted.px, a.e, 1e-12);
        check("boosted_e", i, boosted.e, a.e, 1e-12);
        let turned = a.rotated([1.0, -2.0, 0.5], 0.7);
        check("turned_px", i, turned.px, a.e, 1e-12);
        check("turned_pz", i, turned.pz, a.e, 1e-12);
        let polar = FourVector::from_pt_eta_phi_m(a.px.abs(), a.py / 50.0, a.pz / 50.0, a.e.abs());
        check("polar_px", i, polar.px, polar.e, 1e-12);
        check("polar_pz", i, polar.pz, polar.e, 1e-12);
        check("polar_e", i, polar.e, polar.e, 1e-12);
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
}

/// The stransverse mass by a fine search, as its definition says.
fn mt2_by_search(a: FourVector, b: FourVector, missing: [f64; 2], ma: f64, mb: f64) -> f64 {
    let transverse = |v: FourVector, m: f64, q: [f64; 2]| {
        let visible = v.mass().max(0.0).hypot(v.pt());
        let hidden = (m * m + q[0] * q[0] + q[1] * q[1]).sqrt();
        let mv = v.mass().max(0.0);
        (mv * mv + m * m + 2.0 * (visible * hidden - v.px * q[0] - v.py * q[1])).max(0.0).sqrt()
    };
    let value =
        |q: [f64; 2]| transverse(a, ma, q).max(transverse(b, mb, [missing[0] - q[0], missing[1] - q[1]]));
    // Convex in both components together, so the smallest value over one is convex in the other.
    smallest(|x| smallest(|y| value([x, y])))
}

/// The smallest value of a convex function, by thirds.
fn smallest(function: impl Fn(f64) -> f64) -> f64 {
    // Far out: a massless visible system likes an invisible one that is much faster.
    let (mut low, mut high) = (-1e6, 1e6);
    for _ in 0..110 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if function(left) < function(right) { high = right } else { low = left }
    }
    function(0.5 * (low + high))
}

#[test]
fn stransverse_mass_is_the_minimum() {
    let mut random = Random(11);
    for trial in 0..60 {
        let mut visible = || {
            let mass = if trial % 3 == 0 { 0.0 } else { random.uniform(0.0, 50.0) };
            let (pt, phi) = (random.uniform(5.0, 200.0), random.uniform(0.0, 6.2));
            FourVector::from_pt_eta_phi_m(pt, random.uniform(-2.0, 2.0), phi, mass)
        };
        let (a, b) = (visible(), visible());
        let missing = [random.uniform(-200.0, 200.0), random.uniform(-200.0, 200.0)];
        let hidden = if trial % 2 == 0 { 0.0 } else { random.uniform(0.0, 100.0) };
        let found = mt2(a, b, missing, hidden, hidden).unwrap();
        let expected = mt2_by_search(a, b, missing, hidden, hidden);
        // Near 0 half of the digits are lost, as documented; elsewhere the search is the less precise one.
        let tolerance = if expected < 1.0 { 2e-2 } else { 1e-6 * expected };
        assert!((found - expected).abs() < tolerance, "trial {trial}: {found}, not {expected}");
    }
}

#[test]
fn shapes_of_events() {
    let mut random = Random(3);
    for n in [1, 2, 3, 5, 9] {
        let event: Vec<FourVector> = (0..n).map(|_| random.particle()).collect();
        // All signs tried: the definition.
        let total: f64 = event.iter().map(|v| v.p()).sum();
        let best = (0..1_u32 << n)
            .map(|signs| {
                event
                    .iter()
                    .enumerate()
                    .map(|(i, v)| if signs >> i & 1 == 0 { *v } else { -*v })
                    .sum::<FourVector>()
                    .p()
            })
            .fold(0.0, f64::max);
        let found = thrust(&event).unwrap();
        assert!((found.value - best / total).abs() < 1e-12, "{n}: {} not {}", found.value, best / total);
        let turned: Vec<FourVector> = event.iter().map(|v| v.rotated([0.3, 1.0, -2.0], 1.1)).collect();
        assert!((thrust(&turned).unwrap().value - found.value).abs() < 1e-12);
        for r in [1.0, 2.0] {
            let (a, b) = (event_shape(&event, r).unwrap(), event_shape(&turned, r).unwrap());
            assert!((a.eigenvalues.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (a, b) in a.eigenvalues.iter().zip(b.eigenvalues) {
                assert!((a - b).abs() < 1e-12);
            }
        }
    }
    let nothing: [FourVector; 0] = [];
    assert_eq!(thrust(&nothing).unwrap().value, 0.0);
    assert_eq!(event_shape(&nothing, 2.0).unwrap().sphericity, 0.0);
    assert!(thrust(&[FourVector::new(f64::NAN, 0.0, 0.0, 1.0)]).is_err());
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let isotropic: Vec<_> = axes
        .iter()
        .flat_map(|a| [1.0, -1.0].map(|s| FourVector::new(s * a[0], s * a[1], s * a[2], 1.0)))
        .collect();
    let shape = event_shape(&isotropic, 2.0).unwrap();
    assert!((shape.sphericity - 1.0).abs() < 1e-15 && (shape.aplanarity - 0.5).abs() < 1e-15);
    assert!((shape.c - 1.0).abs() < 1e-15 && (shape.d - 1.0).abs() < 1e-15);
}

#[test]
fn sums_do_not_depend_on_threads() {
    let mut random = Random(5);
    let vectors: FourVectors<f32> = (0..200_000).map(|_| random.particle()).collect();
    let sum = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| vectors.sum())
    };
    assert_eq!(sum(1), sum(3));
    let sums = vectors.sums(&[0, 10, 10, 200_000]).unwrap();
    assert_eq!(sums.get(1), Some(FourVector::default()));
    assert!(vectors.sums(&[0, 10, 9]).is_err());
    assert!(vectors.sums(&[0, 200_001]).is_err());
}

prop_compose! {
    fn vector()(px in -1e3..1e3_f64, py in -1e3..1e3_f64, pz in -1e3..1e3_f64, m in 0.0..1e2_f64) -> FourVector {
        FourVector::new(px, py, pz, (px * px + py * py + pz * pz + m * m).sqrt())
    }
}

proptest! {
    #[test]
    fn products_are_invariant(a in vector(), b in vector(), x in -0.5..0.5_f64, y in -0.5..0.5_f64, z in -0.5..0.5_f64) {
        let scale = a.e * b.e * 10.0;
        let boosted = a.boosted([x, y, z]).dot(b.boosted([x, y, z]));
        prop_assert!((boosted - a.dot(b)).abs() < 1e-10 * scale);
        let turned = a.rotated([x, y, z], 2.0).dot(b.rotated([x, y, z], 2.0));
        prop_assert!((turned - a.dot(b)).abs() < 1e-10 * scale);
        let back = a.boosted([x, y, z]).boosted([-x, -y, -z]) - a;
        prop_assert!(back.p() < 1e-10 * a.e);
    }

    #[test]
    fn stransverse_mass_does_not_turn(a in vector(), b in vector(), angle in -3.0..3.0_f64) {
        let turn = |v: FourVector| v.rotated([0.0, 0.0, 1.0], angle);
        let missing = FourVector::new(30.0, -20.0, 0.0, 0.0);
        let turned = turn(missing);
        let before = mt2(a, b, [missing.px, missing.py], 5.0, 0.0).unwrap();
        let after = mt2(turn(a), turn(b), [turned.px, turned.py], 5.0, 0.0).unwrap();
        prop_assert!((before - after).abs() < 1e-6 * (a.e + b.e), "{before}, {after}");
    }

    #[test]
    fn transverse_mass_of_two_is_below_the_mass(a in vector(), b in vector()) {
        prop_assert!(transverse_mass(a, b) <= (a + b).mass() * (1.0 + 1e-6) + 1e-2);
    }

    #[test]
    fn coordinates_come_back(pt in 1e-3..1e3_f64, eta in -6.0..6.0_f64, phi in -3.1..3.1_f64, m in 0.0..1e2_f64) {
        let v = FourVector::from_pt_eta_phi_m(pt, eta, phi, m);
        prop_assert!((v.pt() - pt).abs() < 1e-12 * pt);
        prop_assert!((v.eta() - eta).abs() < 1e-12);
        prop_assert!((v.phi() - phi).abs() < 1e-12);
        prop_assert!((v.mass() - m).abs() < 1e-6 * v.e);
        let w = FourVector::from_pt_y_phi_m(pt, eta, phi, m);
        prop_assert!((w.rapidity() - eta).abs() < 1e-9);
    }
}
