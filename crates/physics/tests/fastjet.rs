//! The same jets as FastJet: the same constituents, the same momenta.
#![allow(clippy::unwrap_used)]

mod common;

use common::Random;
use fiducial_physics::cluster::{Algorithm, Clusterer, JetDefinition, Recombination, Strategy};
use fiducial_physics::four_vector::{FourVector, FourVectors};
use serde_json::{Value, json};

/// Events of all kinds: sprays, ghosts, duplicates, single particles, particles along the beam, equal distances.
fn events(count: usize) -> Vec<Vec<FourVector>> {
    let mut random = Random(1);
    (0..count)
        .map(|i| {
            let n = 2 + random.below(70);
            let mut event = random.event(n);
            match i % 10 {
                0 => event.truncate(1),
                // Not so light that pt^4 is 0: then all distances of the second generalised kt below are equal.
                1 => event.extend((0..n).map(|_| random.particle() * 1e-60)),
                2 => event.extend(event.clone()),
                3 => {
                    for sign in [1.0, -1.0, 0.0] {
                        event.push(FourVector::new(0.0, 0.0, sign * 100.0, sign.abs() * 100.0));
                    }
                }
                // Four equal particles at equal distances from a harder one, far from each other.
                4 => {
                    event = [(0.0, 0.0), (0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3)]
                        .iter()
                        .enumerate()
                        .map(|(k, (y, phi))| {
                            FourVector::from_pt_y_phi_m(if k == 0 { 50.0 } else { 1.0 }, *y, 3.0 + phi, 0.0)
                        })
                        .collect();
                }
                5 if i % 200 == 5 => event = random.event(1200),
                _ => {}
            }
            event
        })
        .collect()
}

fn write(path: &std::path::Path, events: &[Vec<FourVector>]) {
    let mut bytes = (events.len() as u64).to_le_bytes().to_vec();
    bytes.extend(events.iter().flat_map(|event| (event.len() as u64).to_le_bytes()));
    for v in events.iter().flatten() {
        bytes.extend([v.px, v.py, v.pz, v.e].iter().flat_map(|value| value.to_le_bytes()));
    }
    std::fs::write(path, bytes).unwrap();
}

enum Select {
    Inclusive(f64),
    Exclusive(usize),
    ByDistance(f64),
}

/// Jets as (constituents, momentum), by constituents.
fn ours(
    definition: &JetDefinition,
    strategy: Strategy,
    select: &Select,
    event: &[FourVector],
) -> Vec<(Vec<u32>, FourVector)> {
    let particles: FourVectors<f64> = event.iter().copied().collect();
    let sequence = Clusterer::default().cluster(definition, &particles, strategy).unwrap();
    let jets = match select {
        Select::Inclusive(min_pt) => sequence.inclusive(*min_pt),
        Select::Exclusive(n) => sequence.exclusive((*n).min(event.len())).unwrap(),
        Select::ByDistance(dcut) => sequence.exclusive_by_distance(*dcut),
    };
    let mut jets: Vec<_> = jets.iter().map(|jet| (sequence.constituents(jet.id), jet.momentum)).collect();
    jets.sort_by(|a, b| a.0.cmp(&b.0));
    jets
}

fn theirs(event: &Value) -> Vec<(Vec<u32>, FourVector)> {
    let mut jets: Vec<_> = event
        .as_array()
        .unwrap()
        .iter()
        .map(|jet| {
            let x: Vec<f64> = (0..4).map(|i| jet[i].as_f64().unwrap()).collect();
            let members = jet[4].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect();
            (members, FourVector::new(x[0], x[1], x[2], x[3]))
        })
        .collect();
    jets.sort_by(|a: &(Vec<u32>, _), b| a.0.cmp(&b.0));
    jets
}

fn close(a: FourVector, b: FourVector) -> bool {
    let scale = a.e.abs().max(a.p()) * 1e-10;
    let difference = a - b;
    difference.p() <= scale && difference.e.abs() <= scale
}

#[test]
fn the_jets_of_fastjet() {
    let Some(python) = common::python() else { return };
    let new = JetDefinition::new;
    let wta = Recombination::WinnerTakesAll;
    let rows = [
        (new(Algorithm::AntiKt, 0.4), Select::Inclusive(0.0), 10_000),
        (new(Algorithm::AntiKt, 0.8), Select::Inclusive(5.0), 1000),
        (new(Algorithm::Kt, 0.6), Select::Inclusive(0.0), 1000),
        (new(Algorithm::CambridgeAachen, 0.8), Select::Inclusive(0.0), 1000),
        (new(Algorithm::GeneralisedKt { p: -0.5 }, 1.2), Select::Inclusive(0.0), 500),
        (new(Algorithm::GeneralisedKt { p: 2.0 }, 3.5), Select::Inclusive(0.0), 500),
        (new(Algorithm::AntiKt, 0.4).with(Recombination::Pt), Select::Inclusive(1.0), 500),
        (new(Algorithm::AntiKt, 0.4).with(wta), Select::Inclusive(1.0), 500),
        (new(Algorithm::Kt, 1.0).with(wta), Select::Exclusive(3), 500),
        (new(Algorithm::Kt, 1.0), Select::Exclusive(4), 500),
        (new(Algorithm::Kt, 1.0), Select::ByDistance(25.0), 500),
        (new(Algorithm::CambridgeAachen, 1.0), Select::ByDistance(0.3), 500),
        (new(Algorithm::EeKt, 1.0), Select::Exclusive(3), 500),
        (new(Algorithm::EeKt, 1.0), Select::ByDistance(10.0), 500),
        (new(Algorithm::EeGeneralisedKt { p: -1.0 }, 0.7), Select::Inclusive(0.0), 500),
        (new(Algorithm::EeGeneralisedKt { p: 1.0 }, 4.0).with(wta), Select::Inclusive(0.0), 500),
    ];
    let described: Vec<Value> = rows
        .iter()
        .map(|(definition, select, events)| {
            let (algorithm, p) = match definition.algorithm {
                Algorithm::GeneralisedKt { p } => ("GeneralisedKt".to_owned(), p),
                Algorithm::EeGeneralisedKt { p } => ("EeGeneralisedKt".to_owned(), p),
                other => (format!("{other:?}"), 0.0),
            };
            let (select, value) = match select {
                Select::Inclusive(value) => ("inclusive", *value),
                Select::Exclusive(n) => ("exclusive", *n as f64),
                Select::ByDistance(value) => ("by distance", *value),
            };
            let recombination = format!("{:?}", definition.recombination);
            json!({"algorithm": algorithm, "p": p, "radius": definition.radius, "recombination": recombination,
                "select": select, "value": value, "events": events})
        })
        .collect();
    let events = events(10_000);
    let folder = std::env::temp_dir().join(format!("fiducial-fastjet-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["events", "rows", "jets"].map(|name| folder.join(name));
    write(&paths[0], &events);
    std::fs::write(&paths[1], serde_json::to_vec(&described).unwrap()).unwrap();
    common::run(&python, "fastjet_twin.py", &paths);
    let expected: Value = serde_json::from_slice(&std::fs::read(&paths[2]).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let mut failures = Vec::new();
    for (index, (definition, select, count)) in rows.iter().enumerate() {
        for (number, event) in events.iter().take(*count).enumerate() {
            // Duplicates and particles without pt have distances of exactly 0, one as good as the other: which of them
            // are joined when three jets are left, nothing says.
            if matches!(select, Select::Exclusive(_)) && matches!(number % 10, 2 | 3) {
                continue;
            }
            let expected = theirs(&expected[index][number]);
            for strategy in [Strategy::Plain, Strategy::Tiled] {
                let found = ours(definition, strategy, select, event);
                let same = found.len() == expected.len()
                    && found.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
                if !same {
                    failures.push((index, number, strategy));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures, such as {:?}",
        failures.len(),
        &failures[..failures.len().min(20)]
    );
}
