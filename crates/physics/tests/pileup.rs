//! Areas, densities and what removes pile-up.
#![allow(clippy::unwrap_used)]

mod common;

use std::f64::consts::PI;

use common::Random;
use fiducial_physics::cluster::JetDefinition;
use fiducial_physics::four_vector::FourVector;
use fiducial_physics::pileup::{Cells, Ghosts, Origin, Puppi, jets_with_areas, soft_killer};
use serde_json::Value;

#[test]
fn hard_jets_are_circles_and_areas_fill_the_plane() {
    let at = |pt, y, phi| FourVector::from_pt_y_phi_m(pt, y, phi, 0.0);
    let event = [at(100.0, 0.0, 1.0), at(1.0, 0.1, 1.0), at(80.0, -2.0, 4.0)];
    for radius in [0.4, 0.7] {
        let ghosts = Ghosts { area: 0.002, ..Ghosts::default() };
        let jets = jets_with_areas(&JetDefinition::anti_kt(radius), &event, 10.0, &ghosts).unwrap();
        assert_eq!(jets.len(), 2);
        assert_eq!(jets[0].constituents, [0, 1]);
        for jet in &jets {
            assert!((jet.area / (PI * radius * radius) - 1.0).abs() < 0.02, "{}", jet.area);
            assert!((jet.area_vector.phi() - jet.momentum.phi()).sin().abs() < 0.02);
        }
        assert!(jets[0].subtracted(10.0).pt() < jets[0].momentum.pt() - 9.0 * jets[0].area);
    }
    // Without a threshold the areas of all jets are that of the band.
    let ghosts = Ghosts { max_rapidity: 2.0, area: 0.05, seed: 3 };
    let jets = jets_with_areas(&JetDefinition::kt(0.5), &event, 0.0, &ghosts).unwrap();
    let sum: f64 = jets.iter().map(|jet| jet.area).sum();
    assert!((sum - 8.0 * PI).abs() < 1e-9);
    assert_ne!(
        jets,
        jets_with_areas(&JetDefinition::kt(0.5), &event, 0.0, &Ghosts { seed: 4, ..ghosts }).unwrap()
    );
    for area in [0.0, -1.0, f64::NAN, 1e-9] {
        assert!(jets_with_areas(&JetDefinition::kt(0.5), &event, 0.0, &Ghosts { area, ..ghosts }).is_err());
    }
}

#[test]
fn the_density_of_fastjet() {
    let Some(python) = common::python() else { return };
    let mut random = Random(17);
    let events: Vec<Vec<FourVector>> =
        [10, 300, 2000].map(|n| (0..n).map(|_| random.particle()).collect()).into();
    let folder = std::env::temp_dir().join(format!("fiducial-density-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["events", "values"].map(|name| folder.join(name));
    let flat: Vec<Vec<[f64; 4]>> =
        events.iter().map(|event| event.iter().map(|v| [v.px, v.py, v.pz, v.e]).collect()).collect();
    std::fs::write(&paths[0], serde_json::to_vec(&flat).unwrap()).unwrap();
    common::run(&python, "density_twin.py", &paths);
    let expected: Value = serde_json::from_slice(&std::fs::read(&paths[1]).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for (i, event) in events.iter().enumerate() {
        for (k, side) in [0.55, 0.8, 1.5].into_iter().enumerate() {
            let found = Cells::new(4.0, side).unwrap().density(event).unwrap();
            let expected = expected[i][k].as_f64().unwrap();
            assert!((found - expected).abs() <= 1e-9 * expected, "{i}, {side}: {found}, not {expected}");
        }
    }
}

#[test]
fn half_of_the_cells_become_empty() {
    let mut random = Random(6);
    let event: Vec<FourVector> = (0..3000).map(|_| random.particle()).collect();
    let cells = Cells::new(4.0, 0.5).unwrap();
    let threshold = soft_killer(&event, &cells).unwrap();
    let kept: Vec<FourVector> = event.iter().copied().filter(|v| v.pt() > threshold).collect();
    assert!(kept.len() > 10);
    assert_eq!(soft_killer(&kept, &cells).unwrap(), 0.0);
    assert_eq!(cells.density(&kept).unwrap(), 0.0);
    assert!(
        Cells::new(0.0, 0.5).is_err() && Cells::new(4.0, f64::NAN).is_err() && Cells::new(4.0, 1e-9).is_err()
    );
    assert!(cells.density(&[FourVector::new(f64::NAN, 0.0, 0.0, 0.0)]).is_err());
}

#[test]
fn puppi_tells_pileup_from_a_jet() {
    let mut random = Random(12);
    let (mut particles, mut origins) = (Vec::new(), Vec::new());
    let at = |pt, y, phi| FourVector::from_pt_y_phi_m(pt, y, phi, 0.0);
    for i in 0..400 {
        let pt = random.uniform(0.2, 1.5);
        particles.push(at(pt, random.uniform(-2.4, 2.4), random.uniform(0.0, 2.0 * PI)));
        origins.push(if i % 3 == 0 { Origin::Unknown } else { Origin::Pileup });
    }
    // Soft tracks of the leading vertex everywhere, and one hard jet with neutrals.
    for _ in 0..60 {
        particles.push(at(0.3, random.uniform(-2.4, 2.4), random.uniform(0.0, 2.0 * PI)));
        origins.push(Origin::Leading);
    }
    for i in 0..20 {
        particles.push(at(10.0, random.uniform(-0.1, 0.1), random.uniform(1.0, 1.2)));
        origins.push(if i % 2 == 0 { Origin::Leading } else { Origin::Unknown });
    }
    let weights = Puppi::default().weights(&particles, &origins).unwrap();
    assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
    let mean = |range: std::ops::Range<usize>| {
        let unknown: Vec<f64> =
            range.filter(|i| origins[*i] == Origin::Unknown).map(|i| weights[i]).collect();
        unknown.iter().sum::<f64>() / unknown.len() as f64
    };
    assert!(mean(460..480) > 0.9, "{}", mean(460..480));
    assert!(mean(0..400) < 0.5, "{}", mean(0..400));
    assert!(Puppi::default().weights(&particles, &origins[1..]).is_err());
    assert_eq!(Puppi::default().weights(&particles[..1], &[Origin::Unknown]).unwrap(), [1.0]);
}
