//! Every `[model]` in the guide is read, built and trained for a step; so is every kind with its defaults.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;

use fiducial_models::{Inputs, KINDS, ModelConfig, Network, Optimiser, OptimiserConfig, PaddedGroups, Shape};

const GUIDE: &str = include_str!("../../../docs/guides/models.md");

fn step(config: ModelConfig) {
    let shape = Shape { features: 3, globals: 2, parameters: 1, image: [1, 8, 8], outputs: 2 };
    let config = config.for_data(shape).unwrap();
    let mut network = Network::new(&config, 1).unwrap();
    let values = |number: usize| -> Vec<f32> { (0..number).map(|i| (1.3 * i as f32).sin()).collect() };
    let mut vectors = values(2 * 4 * 3);
    vectors.chunks_exact_mut(12).for_each(|jet| jet[9..].iter_mut().for_each(|energy| *energy = 2.0));
    let groups = PaddedGroups {
        jets: 2,
        length: 3,
        points: Some(&values(2 * 2 * 3)),
        features: &values(2 * 3 * 3),
        vectors: Some(&vectors),
        mask: None,
        globals: Some(&values(2 * 2)),
        parameters: Some(&values(2)),
        images: Some(&values(2 * 64)),
        image: [1, 8, 8],
    };
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    let inputs = Inputs::pack(&groups).unwrap();
    let report = optimiser.step(&mut network, &inputs, &[0, 1], &[1.0, 1.0], 1e-3).unwrap();
    assert!(report.gradient_norm > 0.0, "{}", config.kind());
}

#[test]
fn examples_are_trained_for_a_step() {
    let blocks = GUIDE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut seen = BTreeSet::new();
    for block in blocks.filter(|block| block.contains("[model]")) {
        let table: toml::Table = toml::from_str(block).unwrap();
        let config = ModelConfig::from_toml(&toml::to_string(&table["model"]).unwrap()).unwrap();
        seen.insert(config.kind());
        step(config);
    }
    let missing: Vec<&&str> = KINDS.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert_eq!(missing, [&"particle-flow-network"], "it has the keys of the energy flow network");
}

#[test]
fn the_guide_gives_the_defaults() {
    let blocks = GUIDE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for block in blocks.filter(|block| block.contains("[model]")) {
        let table: toml::Table = toml::from_str(block).unwrap();
        let config = ModelConfig::from_toml(&toml::to_string(&table["model"]).unwrap()).unwrap();
        let defaults = ModelConfig::from_toml(&format!("kind = \"{}\"", config.kind())).unwrap();
        assert_eq!(config, defaults);
    }
}

#[test]
fn every_kind_is_in_the_table() {
    for kind in KINDS {
        assert!(GUIDE.contains(&format!("| `{kind}` |")), "{kind}");
    }
    step(ModelConfig::from_toml("kind = \"particle-flow-network\"").unwrap());
}
