//! Laws of jet clustering that need no other program.
#![allow(clippy::unwrap_used)]

mod common;

use std::f64::consts::PI;

use common::Random;
use fiducial_physics::cluster::{
    Algorithm, ClusterSequence, Clusterer, JetDefinition, Recombination, Selection, Strategy, cluster,
    cluster_events,
};
use fiducial_physics::four_vector::{FourVector, FourVectors};
use proptest::prelude::*;

fn columns(event: &[FourVector]) -> FourVectors<f64> {
    event.iter().copied().collect()
}

/// Constituents of the inclusive jets above 5, by constituents.
fn jets(definition: &JetDefinition, event: &[FourVector]) -> Vec<Vec<u32>> {
    let sequence = cluster(definition, &columns(event)).unwrap();
    let mut jets: Vec<_> = sequence.inclusive(5.0).iter().map(|jet| sequence.constituents(jet.id)).collect();
    jets.sort();
    jets
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::AntiKt, Algorithm::CambridgeAachen, Algorithm::Kt];

#[test]
fn order_of_particles_does_not_matter() {
    let mut random = Random(3);
    for algorithm in ALGORITHMS {
        for n in [5, 60, 400] {
            let event = random.event(n);
            let mut order: Vec<usize> = (0..n).collect();
            for i in (1..n).rev() {
                order.swap(i, random.below(i + 1));
            }
            let shuffled: Vec<_> = order.iter().map(|i| event[*i]).collect();
            let definition = JetDefinition::new(algorithm, 0.7);
            let mut found: Vec<Vec<u32>> = jets(&definition, &shuffled)
                .iter()
                .map(|jet| {
                    let mut jet: Vec<u32> = jet.iter().map(|i| order[*i as usize] as u32).collect();
                    jet.sort_unstable();
                    jet
                })
                .collect();
            found.sort();
            assert_eq!(found, jets(&definition, &event), "{algorithm:?}, {n}");
        }
    }
}

#[test]
fn soft_and_collinear_particles_change_no_hard_jet() {
    let mut random = Random(5);
    for n in [20, 150] {
        let event = random.event(n);
        for algorithm in ALGORITHMS {
            let definition = JetDefinition::new(algorithm, 0.6);
            let expected = jets(&definition, &event);
            // Soft: a thousand particles of 1e-60.
            let mut soft = event.clone();
            soft.extend((0..1000).map(|_| random.particle() * 1e-60));
            let found: Vec<Vec<u32>> = jets(&definition, &soft)
                .into_iter()
                .map(|jet| jet.into_iter().filter(|i| (*i as usize) < n).collect())
                .collect();
            assert_eq!(found, expected, "soft, {algorithm:?}, {n}");
            // Collinear: every particle is two halves; the second half has the index i + n.
            let mut split: Vec<_> = event.iter().map(|v| *v * 0.5).collect();
            split.extend(split.clone());
            let found: Vec<Vec<u32>> = jets(&definition, &split)
                .into_iter()
                .map(|jet| {
                    let half = jet.len() / 2;
                    assert!(jet[..half].iter().zip(&jet[half..]).all(|(a, b)| a + n as u32 == *b));
                    jet[..half].to_vec()
                })
                .collect();
            assert_eq!(found, expected, "collinear, {algorithm:?}, {n}");
        }
    }
}

#[test]
fn boosts_along_the_beam_and_turns_change_nothing() {
    let mut random = Random(9);
    for algorithm in ALGORITHMS {
        let event = random.event(120);
        let definition = JetDefinition::new(algorithm, 0.5);
        let moved: Vec<_> =
            event.iter().map(|v| v.boosted([0.0, 0.0, 0.6]).rotated([0.0, 0.0, 1.0], 2.0)).collect();
        assert_eq!(jets(&definition, &event), jets(&definition, &moved), "{algorithm:?}");
    }
    // Electron-positron algorithms follow any rotation.
    let event = random.event(60);
    let turned: Vec<_> = event.iter().map(|v| v.rotated([1.0, 2.0, -0.5], 1.3)).collect();
    let ids = |event: &[FourVector]| {
        let sequence = cluster(&JetDefinition::new(Algorithm::EeKt, 1.0), &columns(event)).unwrap();
        let jets = sequence.exclusive(4).unwrap();
        let mut jets: Vec<_> = jets.iter().map(|jet| sequence.constituents(jet.id)).collect();
        jets.sort();
        jets
    };
    assert_eq!(ids(&event), ids(&turned));
}

#[test]
fn history_and_momenta_add_up() {
    let mut random = Random(1);
    let event = random.event(300);
    let sequence = cluster(&JetDefinition::kt(0.7), &columns(&event)).unwrap();
    assert_eq!(sequence.history().len(), 300);
    let total: FourVector = event.iter().copied().sum();
    let sum: FourVector = sequence.inclusive(0.0).iter().map(|jet| jet.momentum).sum();
    assert!((total - sum).p() < 1e-9 * total.e);
    for n in [1, 2, 17, 300] {
        let jets = sequence.exclusive(n).unwrap();
        let above = sequence.merging_distance(n) * (1.0 + 1e-12);
        assert!(sequence.exclusive_by_distance(above).len() <= n);
        assert!(jets.len() <= n);
        let labels = sequence.labels(&jets);
        for (place, jet) in jets.iter().enumerate() {
            let members: Vec<u32> = (0..300).filter(|i| labels[*i as usize] == Some(place as u32)).collect();
            assert_eq!(sequence.constituents(jet.id), members);
        }
    }
    assert!(sequence.exclusive(301).is_err());
    assert!(sequence.parents(3).is_none());
    assert!(sequence.constituents(9999).is_empty());
}

#[test]
fn many_events_at_once_are_the_same_as_one_by_one() {
    let mut random = Random(2);
    let events: Vec<_> = (0..70).map(|i| random.event(if i % 7 == 0 { 0 } else { 3 * i })).collect();
    let mut offsets = vec![0];
    for event in &events {
        offsets.push(offsets[offsets.len() - 1] + event.len());
    }
    let all = columns(&events.concat());
    let definition = JetDefinition::anti_kt(0.4).with(Recombination::WinnerTakesAll);
    let hard = Selection::Inclusive { min_pt: 3.0 };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| cluster_events(&definition, &all, &offsets, hard).unwrap())
    };
    let found = run(1);
    assert_eq!(found, run(3));
    for (i, event) in events.iter().enumerate() {
        let sequence = cluster(&definition, &columns(event)).unwrap();
        let jets = sequence.inclusive(3.0);
        let range = found.jet_offsets[i]..found.jet_offsets[i + 1];
        assert_eq!(range.len(), jets.len());
        for (jet, j) in jets.iter().zip(range) {
            assert_eq!(found.jets.get(j), Some(jet.momentum));
            let members = found.constituent_offsets[j]..found.constituent_offsets[j + 1];
            assert_eq!(found.constituents[members], sequence.constituents(jet.id));
        }
    }
    assert!(cluster_events(&definition, &all, &[0, 5, 4], hard).is_err());
    assert!(cluster_events(&definition, &all, &[0, 1 << 40], hard).is_err());
    // Event 7 has no particles, so no two jets.
    let two = cluster_events(&definition, &all, &offsets[1..], Selection::Exclusive { jets: 2 });
    assert!(two.unwrap_err().to_string().ends_with(", in event 6"));
    let some = cluster_events(&definition, &all, &offsets[1..=7], Selection::Exclusive { jets: 2 }).unwrap();
    assert_eq!(some.jet_offsets.len(), 7);
}

#[test]
fn what_is_refused() {
    let one = columns(&[FourVector::new(1.0, 0.0, 0.0, 1.0)]);
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY, 2000.0] {
        assert!(cluster(&JetDefinition::anti_kt(radius), &one).is_err(), "{radius}");
    }
    let p = f64::NAN;
    assert!(cluster(&JetDefinition::new(Algorithm::GeneralisedKt { p }, 0.4), &one).is_err());
    let spherical = JetDefinition::new(Algorithm::EeKt, 0.4).with(Recombination::Pt);
    assert!(cluster(&spherical, &one).is_err());
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        for place in 0..4 {
            let mut v = [1.0; 4];
            v[place] = bad;
            let bad = FourVector::new(v[0], v[1], v[2], v[3]);
            // Good ones after a bad one once hid a NaN, and clustering panicked.
            for after in [0, 1, 30] {
                let mut event = vec![FourVector::default(), bad];
                event.extend(vec![FourVector::new(1.0, 0.0, 0.0, 1.0); after]);
                let error = cluster(&JetDefinition::anti_kt(0.4), &columns(&event)).unwrap_err();
                assert!(
                    error.to_string().contains(&format!("`{}` at index 1", ["px", "py", "pz", "e"][place]))
                );
            }
        }
    }
    let nothing = cluster(&JetDefinition::anti_kt(0.4), &columns(&[])).unwrap();
    assert!(nothing.inclusive(0.0).is_empty() && nothing.exclusive(0).unwrap().is_empty());
}

prop_compose! {
    /// Components of any size and sign: what no detector sees, and no kernel may hang on.
    fn absurd()(exponent in -300.0..140.0_f64, signs in 0_u8..81, zero in 0_u8..16) -> FourVector {
        let size = 10.0_f64.powf(exponent);
        let component = |k: u32| {
            let sign = f64::from(signs / 3_u8.pow(k) % 3) - 1.0;
            if zero >> k & 1 == 1 { sign } else { sign * size }
        };
        FourVector::new(component(0), component(1), component(2), component(3))
    }
}

proptest! {
    #[test]
    fn absurd_particles_are_clustered_all_the_same(event in prop::collection::vec(absurd(), 0..40), which in 0..8_usize) {
        let algorithm = [
            Algorithm::AntiKt, Algorithm::CambridgeAachen, Algorithm::Kt, Algorithm::GeneralisedKt { p: -7.0 },
            Algorithm::GeneralisedKt { p: 5.0 }, Algorithm::EeKt, Algorithm::EeGeneralisedKt { p: -1.0 },
            Algorithm::EeGeneralisedKt { p: 3.0 },
        ][which];
        for recombination in [Recombination::E, Recombination::Pt, Recombination::WinnerTakesAll] {
            let definition = JetDefinition::new(algorithm, 0.7).with(recombination);
            for strategy in [Strategy::Plain, Strategy::Tiled] {
                let Ok(sequence) = Clusterer::default().cluster(&definition, &columns(&event), strategy) else {
                    continue;
                };
                prop_assert_eq!(sequence.history().len(), event.len());
                let jets = sequence.inclusive(0.0);
                let members: usize = jets.iter().map(|jet| sequence.constituents(jet.id).len()).sum();
                prop_assert_eq!(members, event.len());
            }
        }
    }

    #[test]
    fn strategies_agree(seed in 0_u64..1000, n in 1..300_usize, radius in 0.05..4.0_f64) {
        let event = columns(&Random(seed).event(n));
        for algorithm in ALGORITHMS {
            let definition = JetDefinition::new(algorithm, radius);
            let run = |strategy| Clusterer::default().cluster(&definition, &event, strategy).unwrap();
            let (plain, tiled) = (run(Strategy::Plain), run(Strategy::Tiled));
            // Cambridge/Aachen declares all jets at the same distance, in any order.
            let merged = |sequence: &ClusterSequence| -> Vec<(u32, Option<u32>)> {
                sequence.history().iter().filter(|s| s.second.is_some()).map(|s| (s.first, s.second)).collect()
            };
            prop_assert_eq!(merged(&plain), merged(&tiled));
        }
    }
}

/// Dense enough for tiles of R / 8, where tiles are left out that cannot hold what is looked for.
#[test]
fn strategies_agree_where_particles_are_dense() {
    let mut random = Random(77);
    for (n, radius) in [(2500, 1.0), (6000, 0.7)] {
        let event = columns(&random.event(n));
        for algorithm in ALGORITHMS {
            let definition = JetDefinition::new(algorithm, radius);
            let run = |strategy| {
                let sequence = Clusterer::default().cluster(&definition, &event, strategy).unwrap();
                let jets = sequence.inclusive(0.0).into_iter().map(|jet| sequence.constituents(jet.id));
                let mut jets: Vec<Vec<u32>> = jets.collect();
                jets.sort();
                jets
            };
            assert!(run(Strategy::Plain) == run(Strategy::Tiled), "{n}, {algorithm:?}");
        }
    }
}

#[test]
fn two_particles_at_the_edge_of_the_azimuth() {
    let event = [0.05, 2.0 * PI - 0.05].map(|phi| FourVector::from_pt_y_phi_m(10.0, 0.3, phi, 0.0));
    assert_eq!(jets(&JetDefinition::anti_kt(0.4), &event), [[0, 1]]);
}
