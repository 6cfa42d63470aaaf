//! The energy mover's distance beside `wasserstein`, and laws that hold for all.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use fiducial_physics::emd::{
    Angles, Emd, EnergyFlow, Linearised, Uniform, connected_graphs, event_isotropy, squared_distance,
};
use fiducial_physics::four_vector::FourVector;
use proptest::prelude::*;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn flow(value: &Value) -> EnergyFlow {
    EnergyFlow::new(&numbers(&value[0]), &numbers(&value[1]), &numbers(&value[2])).unwrap()
}

/// The file was made by `emd_golden.py`, which needs another numpy than the other tests.
#[test]
fn the_values_of_wasserstein_and_energyflow() {
    let golden: Value = serde_json::from_str(include_str!("emd_golden.json")).unwrap();
    let mut checked = 0;
    for case in golden["cases"].as_array().unwrap() {
        let (a, b) = (flow(&case["a"]), flow(&case["b"]));
        for row in case["values"].as_array().unwrap() {
            let emd = Emd {
                radius: row["radius"].as_f64().unwrap(),
                beta: row["beta"].as_f64().unwrap(),
                normalise: row["normalise"].as_bool().unwrap(),
            };
            let (found, expected) = (emd.distance(&a, &b).unwrap(), row["emd"].as_f64().unwrap());
            assert!((found - expected).abs() <= 1e-9 * expected.max(1.0), "{emd:?}: {found}, not {expected}");
            let back = emd.distance(&b, &a).unwrap();
            assert!((found - back).abs() <= 1e-12 * expected.max(1.0));
            checked += 1;
        }
        for row in case["efp"].as_array().into_iter().flatten() {
            let edges: Vec<(usize, usize)> = row["edges"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| (e[0].as_u64().unwrap() as usize, e[1].as_u64().unwrap() as usize))
                .collect();
            let found = Angles::new(&a, row["beta"].as_f64().unwrap()).unwrap().efp(&edges).unwrap();
            let expected = row["efp"].as_f64().unwrap();
            assert!(
                (found - expected).abs() <= 1e-9 * expected.max(1e-6),
                "{edges:?}: {found}, not {expected}"
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

fn random_flow(random: &mut Random, n: usize) -> EnergyFlow {
    let event: Vec<FourVector> = random.event(n);
    let column = |value: fn(FourVector) -> f64| -> Vec<f64> { event.iter().map(|v| value(*v)).collect() };
    EnergyFlow::new(&column(FourVector::pt), &column(FourVector::rapidity), &column(FourVector::phi)).unwrap()
}

#[test]
fn batches_are_the_single_ones() {
    let mut random = Random(4);
    let mut flows: Vec<_> = (0..9).map(|i| random_flow(&mut random, 4 * i + 1)).collect();
    flows.push(EnergyFlow::default());
    let emd = Emd { radius: 5.0, ..Emd::default() };
    let pairwise = emd.pairwise(&flows).unwrap();
    let between = emd.between(&flows, &flows).unwrap();
    let mut k = 0;
    for i in 0..flows.len() {
        assert_eq!(emd.distances(&flows[i..=i], &flows[i..=i]).unwrap(), [between[i * flows.len() + i]]);
        for j in i + 1..flows.len() {
            let single = emd.distance(&flows[i], &flows[j]).unwrap();
            assert_eq!((pairwise[k], between[i * flows.len() + j]), (single, single));
            k += 1;
        }
    }
    assert_eq!(emd.distance(&flows[3], &flows[9]).unwrap(), flows[3].total());
}

#[test]
fn flows_move_what_there_is() {
    let mut random = Random(8);
    let (a, b) = (random_flow(&mut random, 20), random_flow(&mut random, 33));
    let emd = Emd { normalise: true, ..Emd::default() };
    let transport = emd.transport(&a, &b).unwrap();
    let moved: f64 = transport.flows.iter().map(|(_, _, flow)| flow).sum();
    assert!((moved - 1.0).abs() < 1e-12);
    assert!((transport.distance - emd.distance(&a, &b).unwrap()).abs() < 1e-15);
}

#[test]
fn what_is_refused() {
    let one = [1.0];
    assert!(EnergyFlow::new(&one, &[], &one).is_err());
    assert!(EnergyFlow::new(&[-1.0], &one, &one).is_err());
    assert!(EnergyFlow::new(&[f64::NAN], &one, &one).is_err());
    assert!(EnergyFlow::new(&one, &one, &[f64::INFINITY]).is_err());
    assert!(EnergyFlow::new(&[1.0; 20_000], &[1.0; 20_000], &[1.0; 20_000]).is_err());
    let a = EnergyFlow::new(&one, &one, &one).unwrap();
    for (radius, beta) in [(0.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, f64::INFINITY)] {
        assert!(Emd { radius, beta, normalise: false }.distance(&a, &a).is_err());
    }
    assert!(connected_graphs(6).is_err());
    assert!(Angles::new(&a, 1.0).unwrap().efp(&[(1, 1)]).is_err());
}

#[test]
fn graphs_of_each_shape() {
    for (degree, expected) in [(1, 1), (2, 2), (3, 5), (4, 12), (5, 33)] {
        assert_eq!(connected_graphs(degree).unwrap().len(), expected);
    }
}

#[test]
fn isotropy_of_isotropic_events_and_of_pairs() {
    let ring: Vec<FourVector> = (0..64)
        .map(|i| FourVector::from_pt_eta_phi_m(1.0, 0.0, (f64::from(i) + 0.5) * 0.098_174_770_424_681, 0.0))
        .collect();
    assert!(event_isotropy(&ring, Uniform::Ring { particles: 64 }).unwrap() < 1e-12);
    let pair = [FourVector::new(0.0, 3.0, 4.0, 5.0), FourVector::new(0.0, -3.0, -4.0, 5.0)];
    let found = event_isotropy(&pair, Uniform::Sphere { particles: 400 }).unwrap();
    assert!((found - 1.0).abs() < 1e-2, "{found}");
}

#[test]
fn isotropy_as_defined() {
    let event: Vec<FourVector> = (0..7)
        .map(f64::from)
        .map(|i| FourVector::from_pt_eta_phi_m(10.0 + 3.0 * i, 0.5 * i - 1.4, 0.9 * i, 0.0))
        .collect();
    // From scipy's linear programming (HiGHS) with the points and distances of the package `event-isotropy`.
    for (uniform, expected) in [
        (Uniform::Ring { particles: 16 }, 0.20301627019056354),
        (Uniform::Cylinder { columns: 16, max_eta: 2.0 }, 0.2405476425677031),
    ] {
        let found = event_isotropy(&event, uniform).unwrap();
        assert!((found - expected).abs() < 1e-9, "{uniform:?}: {found}, not {expected}");
    }
    for uniform in [
        Uniform::Ring { particles: 1 },
        Uniform::Cylinder { columns: 100_000, max_eta: 2.0 },
        Uniform::Cylinder { columns: 16, max_eta: f64::NAN },
    ] {
        assert!(event_isotropy(&event, uniform).is_err());
    }
}

prop_compose! {
    fn any_flow()(rows in prop::collection::vec((0.0..50.0_f64, -2.0..2.0_f64, 0.0..6.2_f64), 1..25)) -> EnergyFlow {
        let column = |k: usize| -> Vec<f64> { rows.iter().map(|r| [r.0, r.1, r.2][k]).collect() };
        EnergyFlow::new(&column(0), &column(1), &column(2)).unwrap()
    }
}

proptest! {
    #[test]
    fn a_metric(a in any_flow(), b in any_flow(), c in any_flow()) {
        // Half of the largest distance is below 2.6.
        let emd = Emd { radius: 2.6, ..Emd::default() };
        let d = |a, b| emd.distance(a, b).unwrap();
        let (ab, bc, ac) = (d(&a, &b), d(&b, &c), d(&a, &c));
        let scale = a.total() + b.total() + c.total() + 1e-9;
        prop_assert!(d(&a, &a) <= 1e-12 * scale);
        prop_assert!((ab - d(&b, &a)).abs() <= 1e-11 * scale);
        prop_assert!(ac <= ab + bc + 1e-11 * scale);
        prop_assert!(ab >= (a.total() - b.total()).abs() - 1e-11 * scale);
    }

    #[test]
    fn slices_are_below(seed in 0_u64..500, beta in 1.0..2.0_f64) {
        let mut random = Random(seed);
        let mut narrow = || {
            let n = 1 + random.below(20);
            let mut column = |low, high| -> Vec<f64> { (0..n).map(|_| random.uniform(low, high)).collect() };
            EnergyFlow::new(&column(0.0, 10.0), &column(-0.5, 0.5), &column(0.1, 1.1)).unwrap()
        };
        let (a, b) = (narrow(), narrow());
        let emd = Emd { radius: 0.8, beta, normalise: true };
        let (bound, exact) = (emd.sliced_bound(&a, &b, 16).unwrap(), emd.distance(&a, &b).unwrap());
        prop_assert!(bound > 0.0 && bound <= exact + 1e-12, "{bound}, {exact}");
    }

    #[test]
    fn linearised_is_above(seed in 0_u64..300, beta in 0.5..2.0_f64) {
        let mut random = Random(seed);
        let mut narrow = || {
            let n = 1 + random.below(15);
            let mut column = |low, high| -> Vec<f64> { (0..n).map(|_| random.uniform(low, high)).collect() };
            EnergyFlow::new(&column(0.1, 10.0), &column(-0.5, 0.5), &column(1.0, 2.0)).unwrap()
        };
        let (a, b, reference) = (narrow(), narrow(), narrow());
        let emd = Emd { radius: 0.8, beta, normalise: true };
        let (bound, exact) = (emd.linearised_bound(&a, &b, &reference).unwrap(), emd.distance(&a, &b).unwrap());
        prop_assert!(bound >= exact - 1e-12, "{bound}, {exact}");
        let points = Linearised::new(&reference, 0.8).unwrap().embed(&[a.clone(), b.clone()]).unwrap();
        let near = squared_distance(&points[0], &points[1]).unwrap();
        let bound = Emd { beta: 2.0, ..emd }.linearised_bound(&a, &b, &reference).unwrap();
        prop_assert!(near <= bound + 1e-12, "{near}, {bound}");
    }
}
