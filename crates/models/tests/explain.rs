//! Integrated gradients add up to the difference that they explain (completeness), in every architecture.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Jets, config};
use fiducial_models::{Network, Optimiser, OptimiserConfig};

/// One convolution on the points, so that no neighbour changes along the path.
const PARTICLE_NET: &str = "kind = \"particle-net\"\nfeatures = 3\nclasses = 2\nneighbours = 4\nconvolutions = [[8, 9, 5]]\nhead = [10]";

fn trained(text: &str) -> Network {
    let mut network = Network::new(&config(text), 11).unwrap();
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    for _ in 0..5 {
        let inputs = Jets::new(&[5, 12, 1, 7], 5).padded(12);
        optimiser.step(&mut network, &inputs, &[0, 1, 0, 1], &[1.0; 4], 1e-2).unwrap();
    }
    network
}

#[test]
fn the_parts_add_up_to_the_whole() {
    let inputs = Jets::new(&[9, 1, 4, 12], 8).padded(12);
    // Where a layer norm comes first, nearly all changes close to the baseline, and the path needs more steps.
    let networks =
        [(common::CONFIGS[0], 256), (("ParticleNet", PARTICLE_NET), 256), (common::CONFIGS[2], 1024)];
    for ((name, text), many) in networks {
        let network = trained(text);
        let gap = |steps: usize| -> f64 {
            let found = network.integrated_gradients(&inputs, [1, 0], steps).unwrap();
            assert_eq!(found.values.len(), 26 * 3);
            let gaps =
                found.differences.iter().enumerate().map(|(jet, whole)| (found.sum(jet) - whole).abs());
            gaps.fold(0.0, f64::max)
        };
        let whole = network.integrated_gradients(&inputs, [1, 0], 1).unwrap().differences;
        assert!(
            whole.iter().any(|whole| whole.abs() > 0.02),
            "{name} does not depend on its features: {whole:?}"
        );
        let (coarse, fine) = (gap(2), gap(many));
        assert!(fine < 2e-3, "{name}: {fine} is missing with {many} steps");
        assert!(coarse > 2.0 * fine, "{name}: two steps ({coarse}) are as good as {many} ({fine})");
        // The other way round it is the opposite.
        let there = network.integrated_gradients(&inputs, [1, 0], 4).unwrap();
        let back = network.integrated_gradients(&inputs, [0, 1], 4).unwrap();
        assert!(there.values.iter().zip(&back.values).all(|(a, b)| (a + b).abs() < 1e-5), "{name}");
    }
    let error = trained(common::CONFIGS[0].1).integrated_gradients(&inputs, [2, 0], 4).unwrap_err();
    assert!(error.to_string().contains("no class 2"), "{error}");
}
