use super::*;
use crate::{ModelConfig, NormMoments};

const SHAPE: [usize; 2] = [6, 4];

fn network() -> Network {
    // phi.0 is a matrix of 6 x 4 inside the network, for Muon: it is neither the first nor the last.
    let text = "kind = \"particle-flow-network\"\nphi = [6, 4]\nhead = []";
    Network::new(&ModelConfig::from_toml(text).unwrap().with_shape(3, 2).unwrap(), 1).unwrap()
}

fn matrix(network: &Network) -> (String, Vec<f32>) {
    let found = network.named_parameters().into_iter().find(|(_, it)| it.shape == SHAPE).unwrap();
    (found.0, found.1.values)
}

fn gradient(name: &str, step: u32) -> BatchGradient {
    let at = |i: f64| (0.7 * i + 0.05 * i * i + 1.3 * f64::from(step)).sin() * (1.0 + 0.1 * f64::from(step));
    let values = (0..24).map(|i| at(f64::from(i)) as f32).collect();
    let values = BTreeMap::from([(name.to_owned(), values)]);
    BatchGradient { loss: 0.0, weight: 1.0, values, moments: NormMoments::default() }
}

const KINDS: [(OptimiserKind, &str); 4] = [
    (OptimiserKind::AdamW, "adamw"),
    (OptimiserKind::Lion, "lion"),
    (OptimiserKind::Muon, "muon"),
    (OptimiserKind::Ranger, "ranger"),
];

fn start() -> (String, Network) {
    let mut network = network();
    let (name, _) = matrix(&network);
    let start = (0..24).map(|i| (0.3 * f64::from(i)).cos() as f32).collect();
    network.set_parameters(BTreeMap::from([(name.clone(), start)]));
    (name, network)
}

#[test]
fn weights_are_those_of_the_reference() {
    let text = include_str!("../../tests/fixtures/optimisers.json");
    let reference: BTreeMap<String, Vec<Vec<f64>>> = serde_json::from_str(text).unwrap();
    for (kind, key) in KINDS {
        let (name, mut network) = start();
        let config = OptimiserConfig { weight_decay: 0.1, ..OptimiserConfig::of(kind) };
        let mut optimiser = Optimiser::new(config);
        for step in 1..=13 {
            optimiser.apply(&mut network, gradient(&name, step), 0.01).unwrap();
        }
        let expected = reference[key].last().unwrap();
        for (found, expected) in matrix(&network).1.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 3e-6, "{key}: {found} for {expected}");
        }
    }
}

#[test]
fn a_state_comes_back_bit_by_bit_and_serves_no_other_rule() {
    for (kind, key) in KINDS {
        let (name, mut network) = start();
        let config = OptimiserConfig::of(kind);
        let mut whole = Optimiser::new(config.clone());
        for step in 1..=4 {
            whole.apply(&mut network, gradient(&name, step), 0.01).unwrap();
        }
        let bytes = whole.to_bytes().unwrap();
        let mut resumed = Optimiser::from_bytes(config.clone(), &network, &bytes).unwrap();
        let mut other = network.clone();
        for step in 5..=14 {
            whole.apply(&mut network, gradient(&name, step), 0.01).unwrap();
            resumed.apply(&mut other, gradient(&name, step), 0.01).unwrap();
        }
        assert!(network.to_safetensors().unwrap() == other.to_safetensors().unwrap(), "{key}");
        assert!(whole.to_bytes().unwrap() == resumed.to_bytes().unwrap(), "{key}");
        for (another, name) in KINDS.iter().filter(|(another, _)| *another != kind) {
            let error = Optimiser::from_bytes(OptimiserConfig::of(*another), &network, &bytes);
            assert!(error.is_err(), "the state of {key} taken for one of {name}");
        }
    }
}

#[test]
fn parameters_without_a_learning_rate_stay_and_others_take_their_own() {
    for (kind, key) in KINDS {
        let (name, before) = start();
        let run = |factor: f64, rate: f64| {
            let mut network = before.clone();
            let mut config = OptimiserConfig::of(kind);
            config.rate_factors.insert(name.clone(), factor);
            let mut optimiser = Optimiser::new(config.clone());
            let report = optimiser.apply(&mut network, gradient(&name, 1), rate).unwrap();
            let bytes = optimiser.to_bytes().unwrap();
            assert!(Optimiser::from_bytes(config, &network, &bytes).is_ok());
            (matrix(&network).1, report.gradient_norm)
        };
        assert_eq!(run(0.0, 0.1), (matrix(&before).1, 0.0), "{key}");
        assert_eq!(run(0.5, 0.1).0, run(1.0, 0.05).0, "{key}");
        assert_ne!(run(0.5, 0.1).0, run(1.0, 0.1).0, "{key}");
    }
}

#[test]
fn a_gradient_of_another_network_is_refused() {
    let (name, mut network) = start();
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    let before = network.to_safetensors().unwrap();
    let mut other = gradient(&name, 1);
    other.values.insert("nobody".into(), vec![1.0]);
    assert!(optimiser.apply(&mut network, other, 0.1).is_err());
    let mut short = gradient(&name, 1);
    short.values.get_mut(&name).unwrap().pop();
    assert!(optimiser.apply(&mut network, short, 0.1).is_err());
    assert!(before == network.to_safetensors().unwrap());
}

#[test]
fn the_average_follows_the_weights() {
    let (name, mut network) = start();
    let mut average = WeightAverage::new(0.5, &network);
    let value = |network: &Network| f64::from(network.named_parameters()[&name].values[0]);
    let mut expected = value(&network);
    for step in 1..=20_u64 {
        let new = vec![step as f32; 24];
        network.set_parameters(BTreeMap::from([(name.clone(), new)]));
        average.update(&network, step);
        let kept = f64::min(0.5, (1.0 + step as f64) / (10.0 + step as f64));
        expected = kept * expected + (1.0 - kept) * step as f64;
    }
    assert!((value(&average.network(&network)) - expected).abs() < 1e-5);
    // It goes on from the network that it made, bit by bit.
    let mut again = WeightAverage::new(0.5, &average.network(&network));
    average.update(&network, 21);
    again.update(&network, 21);
    assert!(value(&average.network(&network)) == value(&again.network(&network)));
}
