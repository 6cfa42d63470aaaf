//! What the networks promise: padding and the order of constituents do not matter.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{CONFIGS, Jets, config, config_of, network};
use fiducial_models::{Optimiser, OptimiserConfig};

/// Numbers of constituents: none, fewer than there are neighbours, one more, many.
const SIZES: [usize; 10] = [37, 0, 1, 2, 3, 4, 5, 6, 60, 21];

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn padding_changes_nothing() {
    for (name, text) in CONFIGS {
        let jets = Jets::new(&SIZES, 1);
        let (short, long) = (jets.padded(60), jets.padded(128));
        let mut network = network(text);
        let logits = |network: &fiducial_models::Network, inputs| network.logits(inputs).unwrap();
        assert_eq!(logits(&network, &short), logits(&network, &long), "{name}, before training");
        assert!(logits(&network, &short).iter().all(|logit| logit.is_finite()), "{name}");

        // Training steps too: the batch norms' statistics see real constituents only.
        let mut other = network.clone();
        let labels: Vec<u32> = (0..jets.len()).map(|jet| (jet % 2) as u32).collect();
        let weights = vec![1.0; jets.len()];
        for (network, inputs) in [(&mut network, &short), (&mut other, &long)] {
            let mut optimiser = Optimiser::new(OptimiserConfig::default());
            for _ in 0..3 {
                optimiser.step(network, inputs, &labels, &weights, 1e-2).unwrap();
            }
        }
        assert_eq!(network.to_safetensors().unwrap(), other.to_safetensors().unwrap(), "{name}, weights");
        assert_eq!(logits(&network, &short), logits(&other, &long), "{name}, after training");
    }
}

#[test]
fn a_jet_does_not_depend_on_its_batch() {
    for (name, text) in CONFIGS {
        let network = network(text);
        let jets = Jets::new(&SIZES, 2);
        let together = network.logits(&jets.padded(64)).unwrap();
        for jet in 0..jets.len() {
            let alone = network.logits(&jets.only(jet).padded(64)).unwrap();
            let difference = largest_difference(&alone, &together[2 * jet..2 * jet + 2]);
            assert!(difference < 1e-5, "{name}, jet {jet}: {difference}");
        }
    }
}

#[test]
fn the_order_of_constituents_does_not_matter() {
    for (name, text) in CONFIGS {
        let network = network(text);
        let jets = Jets::new(&SIZES, 3);
        let straight = network.logits(&jets.padded(64)).unwrap();
        let shuffled = network.logits(&jets.reversed().padded(64)).unwrap();
        let difference = largest_difference(&straight, &shuffled);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}

#[test]
fn values_under_the_mask_are_never_read() {
    let (_, text) = CONFIGS[1];
    let jets = Jets::new(&SIZES, 4);
    let network = network(text);
    let clean = network.logits(&jets.padded_with(70, 0.0)).unwrap();
    let dirty = network.logits(&jets.padded_with(70, f32::NAN)).unwrap();
    assert_eq!(clean, dirty);
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let jets = Jets::new(&[3, 2], 5);
    let check = |text: &str, inputs: &fiducial_models::Inputs, message: &str| {
        let error = network(text).logits(inputs).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    check(CONFIGS[1].1, &jets.without_points(), "a particle-net needs the group points");
    check(CONFIGS[2].1, &jets.without_vectors(), "a particle-transformer needs the group vectors");
    let wrong = config(CONFIGS[0].1).with_shape(5, 2);
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "build a particle-flow-network: the configuration has 3 features, the data has 5"
    );
}

/// A rotation about an axis in space, then a boost along another.
fn lorentz(angle: f64, rapidity: f64, axis: usize) -> impl Fn([f64; 4]) -> [f64; 4] {
    move |mut p| {
        let (a, b, c) = (axis, (axis + 1) % 3, (axis + 2) % 3);
        (p[b], p[c]) = (p[b] * angle.cos() - p[c] * angle.sin(), p[b] * angle.sin() + p[c] * angle.cos());
        (p[a], p[3]) = (
            p[a] * rapidity.cosh() + p[3] * rapidity.sinh(),
            p[a] * rapidity.sinh() + p[3] * rapidity.cosh(),
        );
        p
    }
}

/// A network some steps away from its start, where attention counts for little.
fn trained(text: &str) -> fiducial_models::Network {
    let mut network = network(text);
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    let jets = Jets::new(&[12; 40], 9).flattened().padded(12);
    let labels: Vec<u32> = (0..40).map(|jet| jet % 2).collect();
    for _ in 0..40 {
        optimiser.step(&mut network, &jets, &labels, &[1.0; 40], 1e-2).unwrap();
    }
    network
}

#[test]
fn boosts_and_rotations_change_nothing() {
    for name in ["LorentzNet", "L-GATr-slim"] {
        let network = trained(config_of(name));
        let jets = Jets::new(&SIZES, 6);
        let still = network.logits(&jets.padded(64)).unwrap();
        let spread = largest_difference(&still, &[still[0], still[1]].repeat(SIZES.len()));
        assert!(spread > 0.03, "{name}: {spread}");
        let mut moved = jets.clone();
        for (turn, (angle, rapidity)) in
            [(0.7, 0.5), (2.0, -1.1), (-1.3, 0.8), (0.4, -0.6)].into_iter().enumerate()
        {
            moved = moved.transformed(lorentz(angle, rapidity, turn % 3));
            let difference = largest_difference(&still, &network.logits(&moved.padded(64)).unwrap());
            assert!(
                difference < 1e-4 * (1.0 + spread),
                "{name}, transformation {turn}: {difference} of {spread}"
            );
        }
        // What is no Lorentz transformation does change the scores.
        let stretched = jets.transformed(|p| [2.0 * p[0], p[1], p[2], 2.0 * p[3]]);
        let difference = largest_difference(&still, &network.logits(&stretched.padded(64)).unwrap());
        assert!(difference > 1e-2 * spread, "{name}: {difference} of {spread}");
    }
}

type Change = fn([f64; 4]) -> [f64; 4];

/// Changes of all four-vectors by name.
const CHANGES: [(&str, Change); 6] = [
    ("rotation about the beam", |p| lorentz(1.1, 0.0, 2)(p)),
    ("rotation of the beam", |p| lorentz(1.1, 0.0, 0)(p)),
    ("boost along the beam", |p| lorentz(0.0, 0.6, 2)(p)),
    ("boost across the beam", |p| lorentz(0.0, 0.6, 1)(p)),
    ("mirror along the beam", |p| [p[0], p[1], -p[2], p[3]]),
    ("mirror across the beam", |p| [-p[0], p[1], p[2], p[3]]),
];

#[test]
fn reference_vectors_leave_what_they_promise() {
    // Which of CHANGES change nothing.
    for (reference, kept) in [
        ("none", [true, true, true, true, true, true]),
        ("time", [true, true, false, false, true, true]),
        ("time-and-beam", [true, false, false, false, true, true]),
    ] {
        let text = config_of("L-GATr-slim with references").replace("time-and-beam", reference);
        let network = trained(&text);
        let jets = Jets::new(&SIZES, 6);
        let still = network.logits(&jets.padded(64)).unwrap();
        let spread = largest_difference(&still, &[still[0], still[1]].repeat(SIZES.len()));
        for ((name, change), kept) in CHANGES.into_iter().zip(kept) {
            let moved = jets.clone().transformed(change);
            let difference = largest_difference(&still, &network.logits(&moved.padded(64)).unwrap());
            let limit = if kept { 1e-4 * (1.0 + spread) } else { 1e-2 * spread };
            assert!((difference < limit) == kept, "{reference}, {name}: {difference} of {spread}");
        }
    }
}

#[test]
fn energy_flow_is_infrared_and_collinear_safe() {
    let name = "energy flow network";
    let network = network(config_of(name));
    let jets = Jets::new(&[20, 1, 2, 40], 7);
    let logits = |jets: &Jets| network.logits(&jets.padded(100)).unwrap();
    let before = logits(&jets);
    let collinear = largest_difference(&before, &logits(&jets.clone().split(0.3)));
    assert!(collinear < 1e-5, "splitting: {collinear}");
    let other = Jets::new(&[5, 5, 5, 5], 8);
    let differences: Vec<f32> = [1e-2, 1e-4, 1e-7]
        .map(|scale| largest_difference(&before, &logits(&jets.clone().with(&other, scale))))
        .to_vec();
    assert!(
        differences[2] < 1e-5 && differences[0] > 10.0 * differences[1],
        "soft emissions: {differences:?}"
    );
    // A particle flow network promises neither.
    let flow = common::network(config_of("particle flow network"));
    let split = flow.logits(&jets.clone().split(0.3).padded(100)).unwrap();
    assert!(largest_difference(&flow.logits(&jets.padded(100)).unwrap(), &split) > 1e-3);
}

#[test]
fn sizes_of_what_is_not_read_are_refused() {
    let error = fiducial_models::ModelConfig::from_toml("kind = \"lorentz-net\"\nfeatures = 3").unwrap_err();
    assert_eq!(error.to_string(), "build a lorentz-net: it reads no features, which are 3");
}
