//! Laws of all kernels: the order of particles, soft and collinear ones, and numbers that no detector sees.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use fiducial_physics::Error;
use fiducial_physics::cluster::JetDefinition;
use fiducial_physics::emd::{Angles, Emd, EnergyFlow, Linearised, Uniform, connected_graphs, event_isotropy};
use fiducial_physics::four_vector::{FourVector, FourVectors, Quantity, event_shape, mt2, thrust};
use fiducial_physics::pileup::{Cells, Ghosts, Origin, Puppi, jets_with_areas, soft_killer};
use fiducial_physics::substructure::{
    Axes, Ratio, SoftDrop, angularity, energy_correlation, energy_correlation_ratio, lund_plane,
    n_subjettiness, prune, pull, soft_drop, trim,
};
use proptest::prelude::*;

const SOFT_DROP: SoftDrop = SoftDrop { z_cut: 0.1, beta: 0.0, radius: 0.8 };

fn flow(event: &[FourVector]) -> Result<EnergyFlow, Error> {
    let column = |value: fn(FourVector) -> f64| -> Vec<f64> { event.iter().map(|v| value(*v)).collect() };
    EnergyFlow::new(&column(FourVector::pt), &column(FourVector::rapidity), &column(FourVector::phi))
}

/// (name, value, whether soft and collinear particles leave it as it is) of everything that is a number of one jet or event.
fn values(event: &[FourVector]) -> Result<Vec<(String, f64, bool)>, Error> {
    let mut found = Vec::new();
    let mut add = |name: &str, value: f64, safe: bool| found.push((name.to_owned(), value, safe));
    add("thrust", thrust(event)?.value, true);
    add("C", event_shape(event, 1.0)?.c, true);
    add("sphericity", event_shape(event, 2.0)?.sphericity, false);
    add("soft drop", soft_drop(event, SOFT_DROP)?.momentum.pt(), true);
    add("trimming", trim(event, 0.2, 0.03)?.momentum.pt(), true);
    add("pruning", prune(event, 0.1, 0.5)?.momentum.pt(), true);
    for (name, ratio) in [("C1", Ratio::C1), ("D2", Ratio::D2), ("M2", Ratio::M2), ("N2", Ratio::N2)] {
        add(name, energy_correlation_ratio(event, ratio, 1.0)?, true);
    }
    add("e3", energy_correlation(event, 3, 3, 2.0)?, true);
    for axes in [Axes::Kt, Axes::WinnerTakesAllKt, Axes::OnePassKt, Axes::OnePassWinnerTakesAllKt] {
        // Where axes are moved they stop at a minimum that a hair decides.
        let safe = matches!(axes, Axes::Kt | Axes::WinnerTakesAllKt);
        add(&format!("{axes:?}"), n_subjettiness(event, 2, 1.0, 0.8, axes)?, safe);
    }
    add("width", angularity(event, 1.0, 1.0, 0.8)?, true);
    add("pt^D squared", angularity(event, 2.0, 0.0, 0.8)?, false);
    add("pull", pull(event)?[0], true);
    add("Lund plane", lund_plane(event)?.iter().map(|branching| branching.kt).fold(0.0, f64::max), true);
    add("density", Cells::new(5.0, 1.0)?.density(event)?, true);
    add("SoftKiller", soft_killer(event, &Cells::new(5.0, 2.5)?)?, false);
    for uniform in [
        Uniform::Ring { particles: 16 },
        Uniform::Cylinder { columns: 8, max_eta: 3.0 },
        Uniform::Sphere { particles: 24 },
    ] {
        add(&format!("{uniform:?}"), event_isotropy(event, uniform)?, true);
    }
    let flow = flow(event)?;
    let angles = Angles::new(&flow, 1.0)?;
    for graph in connected_graphs(3)? {
        add(&format!("{graph:?}"), angles.efp(&graph)?, true);
    }
    let other = EnergyFlow::new(&[20.0, 5.0], &[0.1, -0.4], &[1.0, 1.5])?;
    for (beta, normalise) in [(1.0, false), (1.0, true), (2.0, true)] {
        let emd = Emd { radius: 5.0, beta, normalise };
        add("EMD", emd.distance(&flow, &other)?, true);
    }
    let emd = Emd { radius: 1.0, beta: 1.0, normalise: true };
    add("slices", emd.sliced_bound(&other, &flow, 8)?, true);
    add("linearised", emd.linearised_bound(&flow, &other, &other)?, true);
    let point = &Linearised::new(&other, 1.0)?.embed(&[flow])?[0];
    add("embedding", point.iter().sum(), true);
    let ghosts = Ghosts { max_rapidity: 3.0, area: 0.1, seed: 1 };
    add("area", jets_with_areas(&JetDefinition::anti_kt(0.7), event, 0.0, &ghosts)?[0].area, true);
    Ok(found)
}

fn compare(event: &[FourVector], changed: &[FourVector], tolerance: f64, all: bool, what: &str) {
    for ((name, a, safe), (_, b, _)) in values(event).unwrap().into_iter().zip(values(changed).unwrap()) {
        if all || safe {
            assert!((a - b).abs() <= tolerance * a.abs().max(1e-3), "{name}, {what}: {a} and {b}");
        }
    }
}

/// A jet in the band of all grids, not around the edge of the azimuth.
fn jet(random: &mut Random, n: usize) -> Vec<FourVector> {
    (0..n)
        .map(|_| {
            let pt = 1.0 + 50.0 * random.uniform(0.0, 1.0).powi(3);
            FourVector::from_pt_y_phi_m(pt, random.uniform(-0.6, 0.6), random.uniform(1.0, 2.0), 0.0)
        })
        .collect()
}

#[test]
fn order_does_not_matter() {
    let mut random = Random(31);
    for n in [3, 8, 20] {
        let event = jet(&mut random, n);
        let mut order = event.clone();
        for i in (1..n).rev() {
            order.swap(i, random.below(i + 1));
        }
        compare(&event, &order, 1e-9, true, "in another order");
    }
}

#[test]
fn soft_and_collinear_particles_do_not_matter() {
    let mut random = Random(32);
    for n in [4, 9, 15] {
        let event = jet(&mut random, n);
        let mut soft = event.clone();
        soft.extend(jet(&mut random, 5).iter().map(|v| *v * 1e-12));
        compare(&event, &soft, 1e-6, false, "with soft particles");
        let mut split: Vec<FourVector> = event.iter().map(|v| *v * 0.3).collect();
        split.extend(event.iter().map(|v| *v * 0.7));
        compare(&event, &split, 1e-6, false, "with collinear particles");
    }
}

/// What depends on differences of rapidity and azimuth and on transverse momenta alone.
#[test]
fn boosts_along_the_beam_and_turns_around_it_do_not_matter() {
    const MOVED: [&str; 13] = [
        "soft drop",
        "trimming",
        "pruning",
        "C1",
        "D2",
        "M2",
        "N2",
        "e3",
        "Kt",
        "WinnerTakesAllKt",
        "width",
        "pt^D squared",
        "Lund plane",
    ];
    let mut random = Random(34);
    let moved = |event: &[FourVector]| -> Vec<FourVector> {
        event.iter().map(|v| v.boosted([0.0, 0.0, 0.4]).rotated([0.0, 0.0, 1.0], 0.3)).collect()
    };
    for n in [3, 8, 20] {
        let (event, other) = (jet(&mut random, n), jet(&mut random, 5));
        let mut compared = 0;
        for ((name, a, _), (_, b, _)) in
            values(&event).unwrap().into_iter().zip(values(&moved(&event)).unwrap())
        {
            // Graphs of energy flow polynomials stand in brackets.
            if MOVED.contains(&name.as_str()) || name.starts_with('[') {
                assert!((a - b).abs() <= 1e-8 * a.abs().max(1e-3), "{name}: {a} and {b}");
                compared += 1;
            }
        }
        assert_eq!(compared, MOVED.len() + connected_graphs(3).unwrap().len());
        let emd = Emd { radius: 1.5, beta: 1.5, normalise: false };
        let distance =
            |a: &[FourVector], b: &[FourVector]| emd.distance(&flow(a).unwrap(), &flow(b).unwrap()).unwrap();
        let (a, b) = (distance(&event, &other), distance(&moved(&event), &moved(&other)));
        assert!((a - b).abs() <= 1e-9 * a, "{a} and {b}");
    }
}

#[test]
fn weights_follow_their_particles() {
    let mut random = Random(33);
    let event = jet(&mut random, 60);
    let origins: Vec<Origin> =
        (0..60).map(|i| [Origin::Leading, Origin::Pileup, Origin::Unknown][i % 3]).collect();
    let weights = Puppi::default().weights(&event, &origins).unwrap();
    let (back, places): (Vec<FourVector>, Vec<Origin>) = event.iter().copied().zip(origins).rev().unzip();
    let reversed = Puppi::default().weights(&back, &places).unwrap();
    assert!(weights.iter().zip(reversed.iter().rev()).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(weights.iter().any(|weight| *weight > 0.0 && *weight < 1.0));
}

prop_compose! {
    /// Components of any size and sign, infinite ones and NaN among them.
    fn absurd()(exponent in -320.0..310.0_f64, digits in 0_u32..2401) -> FourVector {
        let component = |k: u32| match digits / 7_u32.pow(k) % 7 {
            0 => 0.0,
            1 => 10.0_f64.powf(exponent),
            2 => -10.0_f64.powf(exponent),
            3 => 1.0,
            4 => -1.0,
            5 => 10.0_f64.powf(exponent / 3.0),
            _ if exponent > 250.0 => f64::NAN,
            _ if exponent < -250.0 => f64::INFINITY,
            _ => 3.0,
        };
        FourVector::new(component(0), component(1), component(2), component(3))
    }
}

proptest! {
    #[test]
    fn absurd_events_are_refused_or_give_numbers(event in prop::collection::vec(absurd(), 0..12)) {
        // Whatever comes, it comes back.
        let _ = values(&event);
        let _ = (event_shape(&event, 0.3), soft_drop(&event, SOFT_DROP), trim(&event, 0.2, 0.03));
        let _ = (prune(&event, 0.1, 0.5), lund_plane(&event), pull(&event), angularity(&event, 0.5, 3.0, 0.4));
        let _ = (energy_correlation(&event, 4, 2, 0.1), n_subjettiness(&event, 3, 0.5, 1.0, Axes::OnePassKt));
        let cells = Cells::new(4.0, 0.7).unwrap();
        let _ = (cells.density(&event), soft_killer(&event, &cells));
        let ghosts = Ghosts { max_rapidity: 2.0, area: 0.5, seed: 1 };
        let _ = jets_with_areas(&JetDefinition::anti_kt(0.7), &event, 1.0, &ghosts);
        for uniform in [Uniform::Ring { particles: 5 }, Uniform::Cylinder { columns: 5, max_eta: 3.0 }] {
            if let Ok(found) = event_isotropy(&event, uniform) {
                prop_assert!(found >= -1e-9);
            }
        }
        if let Ok(flow) = flow(&event) {
            let emd = Emd { radius: 0.5, beta: 1.5, normalise: false };
            let _ = (emd.distance(&flow, &flow), emd.sliced_bound(&flow, &flow, 3), emd.pairwise(&[flow]));
        }
        let finite = event.iter().all(|v| v.p().is_finite());
        if let Ok(found) = thrust(&event) {
            prop_assert!(finite && found.value <= 1.0 + 1e-12);
        }
        let (a, b) = (event.first().copied().unwrap_or_default(), event.last().copied().unwrap_or_default());
        if let Ok(found) = mt2(a, b, [a.px, b.py], 1.0, 2.0) {
            prop_assert!(found >= 0.0);
        }
        let _ = Puppi::default().weights(&event, &vec![Origin::Unknown; event.len()]);
        let columns: FourVectors<f64> = event.iter().copied().collect();
        let single: FourVectors<f32> = event.iter().copied().collect();
        for quantity in [Quantity::Pt, Quantity::Phi, Quantity::Eta, Quantity::Rapidity, Quantity::Mass] {
            prop_assert_eq!(columns.quantity(quantity).len(), event.len());
            prop_assert_eq!(single.quantity(quantity).len(), event.len());
        }
    }
}
