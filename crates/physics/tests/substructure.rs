//! Substructure beside FastJet and fastjet-contrib.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use fiducial_physics::cluster::{JetDefinition, cluster};
use fiducial_physics::four_vector::{FourVector, FourVectors};
use fiducial_physics::substructure::{
    Axes, Ratio, SoftDrop, angularity, energy_correlation, energy_correlation_ratio, lund_plane,
    n_subjettiness, prune, pull, soft_drop, trim,
};
use serde_json::Value;

/// Constituents of the hardest anti-kt jets of made-up events, with 5 to 40 constituents.
fn jets(count: usize) -> Vec<Vec<FourVector>> {
    let mut random = Random(21);
    let mut jets = Vec::new();
    while jets.len() < count {
        let event = random.event(120);
        let sequence =
            cluster(&JetDefinition::anti_kt(0.8), &event.iter().copied().collect::<FourVectors<f64>>())
                .unwrap();
        let members = sequence.constituents(sequence.inclusive(0.0)[0].id);
        if (5..=40).contains(&members.len()) {
            jets.push(members.iter().map(|i| event[*i as usize]).collect());
        }
    }
    jets
}

#[test]
fn the_values_of_fastjet() {
    let Some(python) = common::python() else { return };
    let jets = jets(150);
    let folder = std::env::temp_dir().join(format!("fiducial-substructure-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["jets", "values"].map(|name| folder.join(name));
    let flat: Vec<Vec<[f64; 4]>> =
        jets.iter().map(|jet| jet.iter().map(|v| [v.px, v.py, v.pz, v.e]).collect()).collect();
    std::fs::write(&paths[0], serde_json::to_vec(&flat).unwrap()).unwrap();
    common::run(&python, "substructure_twin.py", &paths);
    let expected: Value = serde_json::from_slice(&std::fs::read(&paths[1]).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();

    let mut failures = Vec::new();
    let mut check = |name: &str, i: usize, found: f64, expected: &Value, tolerance: f64| {
        let expected = expected.as_f64().unwrap_or(f64::NAN);
        if (found - expected).abs() > tolerance * expected.abs().max(1e-3) || expected.is_nan() {
            failures.push(format!("{name} of jet {i}: {found}, not {expected}"));
        }
    };
    for (i, jet) in jets.iter().enumerate() {
        for beta in [0.0, 1.0, -1.0] {
            let groomed = soft_drop(jet, SoftDrop { z_cut: 0.1, beta, radius: 0.8 }).unwrap();
            let at = |name: &str| &expected[format!("soft_drop_{name} {beta:?}")][i];
            check("soft drop, pt", i, groomed.momentum.pt(), at("pt"), 1e-9);
            check("soft drop, constituents", i, groomed.constituents.len() as f64, at("count"), 1e-9);
            if groomed.constituents.len() > 1 {
                check("soft drop, z", i, groomed.z, at("z"), 1e-9);
                check("soft drop, distance", i, groomed.delta_r, at("delta"), 1e-9);
            }
        }
        let axes = [
            ("KT_Axes", Axes::Kt, false),
            ("WTA_KT_Axes", Axes::WinnerTakesAllKt, false),
            ("OnePass_KT_Axes", Axes::OnePassKt, true),
            ("OnePass_WTA_KT_Axes", Axes::OnePassWinnerTakesAllKt, true),
        ];
        for (name, axes, one_pass) in axes {
            for beta in [1.0, 2.0] {
                for n in 1..=3 {
                    let found = n_subjettiness(jet, n, beta, 0.8, axes).unwrap();
                    let expected = &expected[format!("tau {name} {beta:?}")][i][n - 1];
                    if one_pass {
                        // A minimum is where the iteration stops, and theirs stops earlier.
                        let start = if axes == Axes::OnePassKt { Axes::Kt } else { Axes::WinnerTakesAllKt };
                        assert!(found <= n_subjettiness(jet, n, beta, 0.8, start).unwrap());
                        check(name, i, found, expected, 0.1);
                    } else {
                        check(name, i, found, expected, 1e-9);
                    }
                }
            }
        }
        for (points, angles) in [(2, 1), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2)] {
            let found = energy_correlation(jet, points, angles, 1.5).unwrap();
            let name = format!("ecf {points} {angles}");
            let expected = &expected[&name][i];
            // Relative, small as they are.
            let value = expected.as_f64().unwrap();
            check(&name, i, found / value, &Value::from(1.0), 1e-8);
        }
        let plane = lund_plane(jet).unwrap();
        assert_eq!(expected["lund_delta"][i].as_array().unwrap().len(), plane.len());
        for (k, branching) in plane.iter().enumerate() {
            check("Lund plane, delta", i, branching.delta, &expected["lund_delta"][i][k], 1e-9);
            check("Lund plane, kt", i, branching.kt, &expected["lund_kt"][i][k], 1e-9);
        }
        for (name, groomed) in [("trim", trim(jet, 0.2, 0.03)), ("prune", prune(jet, 0.1, 0.5))] {
            let groomed = groomed.unwrap();
            let expected = &expected[name][i];
            check(name, i, groomed.momentum.pt(), &expected[0], 1e-9);
            check(name, i, groomed.constituents.len() as f64, &expected[2], 1e-9);
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures[..failures.len().min(30)].join("\n")
    );
}

#[test]
fn ratios_and_sums_follow_their_formulas() {
    for jet in jets(10) {
        let e = |points, angles| energy_correlation(&jet, points, angles, 1.0).unwrap();
        let ratio = |ratio| energy_correlation_ratio(&jet, ratio, 1.0).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.abs(), "{a}, not {b}");
        close(e(1, 0), 1.0);
        close(ratio(Ratio::C1), e(2, 1));
        close(ratio(Ratio::D2), e(3, 3) / e(2, 1).powi(3));
        close(ratio(Ratio::N2), e(3, 2) / e(2, 1).powi(2));
        close(ratio(Ratio::M2), e(3, 1) / e(2, 1));
        close(angularity(&jet, 1.0, 0.0, 0.8).unwrap(), 1.0);
        // Turned around the beam, nothing changes.
        let turned: Vec<_> = jet.iter().map(|v| v.rotated([0.0, 0.0, 1.0], 2.5)).collect();
        let (a, b) = (pull(&jet).unwrap(), pull(&turned).unwrap());
        assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9);
        close(angularity(&turned, 2.0, 1.0, 0.8).unwrap(), angularity(&jet, 2.0, 1.0, 0.8).unwrap());
    }
}

#[test]
fn nothing_and_nonsense() {
    assert_eq!(
        soft_drop(&[], SoftDrop { z_cut: 0.1, beta: 0.0, radius: 0.8 }).unwrap().constituents.len(),
        0
    );
    assert_eq!(prune(&[], 0.1, 0.5).unwrap().constituents.len(), 0);
    assert_eq!(n_subjettiness(&[], 1, 1.0, 0.8, Axes::OnePassKt).unwrap(), 0.0);
    assert_eq!(energy_correlation(&[], 2, 1, 1.0).unwrap(), 0.0);
    assert!(lund_plane(&[]).unwrap().is_empty());
    let bad = [FourVector::new(f64::NAN, 0.0, 0.0, 1.0)];
    assert!(soft_drop(&bad, SoftDrop { z_cut: 0.1, beta: 0.0, radius: 0.8 }).is_err());
    assert!(trim(&bad, 0.2, 0.03).is_err() && prune(&bad, 0.1, 0.5).is_err());
    assert!(energy_correlation(&bad, 2, 1, 1.0).is_err() && pull(&bad).is_err());
    assert!(energy_correlation(&[], 5, 1, 1.0).is_err() && energy_correlation(&[], 3, 4, 1.0).is_err());
    assert!(n_subjettiness(&[], 0, 1.0, 0.8, Axes::Kt).is_err());
}
