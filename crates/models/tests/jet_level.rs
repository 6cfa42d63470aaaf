//! Networks that read what is known of a jet as a whole: variables, parameters, images.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use fiducial_models::{Inputs, ModelConfig, Network, Optimiser, OptimiserConfig, PaddedGroups};

const CONFIGS: [(&str, &str); 4] = [
    (
        "perceptron",
        "kind = \"multilayer-perceptron\"\nglobals = 3\noutputs = 2\nhidden = [10, 9]\ndropout = 0.1",
    ),
    (
        "parametrised perceptron",
        "kind = \"parametrised-perceptron\"\nglobals = 3\nparameters = 1\noutputs = 2\nhidden = [10]",
    ),
    (
        "Kolmogorov-Arnold network",
        "kind = \"kolmogorov-arnold-network\"\nglobals = 3\noutputs = 2\nhidden = [5]\ngrid = 4\nrange = 1.5",
    ),
    (
        "2-D convolutions",
        "kind = \"convolution-2d\"\nimage = [2, 7, 9]\noutputs = 2\nstages = [[4], [6, 5]]\nhead = [6]",
    ),
];

const JETS: usize = 24;

fn wave(number: usize, phase: f32) -> Vec<f32> {
    (0..number).map(|index| (1.7 * index as f32 + phase + 0.01 * (index * index % 97) as f32).sin()).collect()
}

/// Every other jet has larger values.
fn shifted(mut values: Vec<f32>, each: usize) -> Vec<f32> {
    values.chunks_exact_mut(each).skip(1).step_by(2).flatten().for_each(|value| *value += 0.6);
    values
}

fn inputs(jets: usize) -> Inputs {
    Inputs::pack(&PaddedGroups {
        jets,
        globals: Some(&shifted(wave(jets * 3, 0.1), 3)),
        parameters: Some(&wave(jets, 0.4)),
        images: Some(&shifted(wave(jets * 2 * 7 * 9, 0.2), 2 * 7 * 9)),
        image: [2, 7, 9],
        ..PaddedGroups::default()
    })
    .unwrap()
}

fn network(text: &str) -> Network {
    Network::new(&ModelConfig::from_toml(text).unwrap(), 3).unwrap()
}

fn trained(text: &str, steps: usize) -> (Network, Vec<f64>) {
    let (mut network, mut optimiser) = (network(text), Optimiser::new(OptimiserConfig::default()));
    let (inputs, labels) = (inputs(JETS), (0..JETS).map(|jet| jet as u32 % 2).collect::<Vec<_>>());
    let step = |_| optimiser.step(&mut network, &inputs, &labels, &[1.0; JETS], 1e-2).unwrap().loss;
    let losses = (0..steps).map(step).collect();
    (network, losses)
}

#[test]
fn they_learn_at_any_number_of_threads() {
    for (name, text) in CONFIGS {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| trained(text, 60))
        };
        let (one, losses) = run(1);
        assert!(losses[59] < 0.5 * losses[0], "{name}: {} to {}", losses[0], losses[59]);
        let (three, _) = run(3);
        assert!(one.to_safetensors().unwrap() == three.to_safetensors().unwrap(), "{name}");
        let read = Network::from_safetensors("test", &one.to_safetensors().unwrap()).unwrap();
        assert_eq!(read.logits(&inputs(JETS)).unwrap(), one.logits(&inputs(JETS)).unwrap(), "{name}");
    }
}

#[test]
fn a_jet_does_not_depend_on_its_batch() {
    for (name, text) in CONFIGS {
        let (network, _) = trained(text, 3);
        let (all, some) = (network.logits(&inputs(JETS)).unwrap(), network.logits(&inputs(5)).unwrap());
        for (all, some) in all.iter().zip(some) {
            assert!((all - some).abs() < 1e-5, "{name}: {all} {some}");
        }
    }
}

#[test]
fn moved_images_give_the_same_scores() {
    // A blob far from the edges, moved by as many pixels as all stages together join.
    let network = network(
        "kind = \"convolution-2d\"\nimage = [1, 32, 32]\noutputs = 2\nstages = [[4], [6]]\nhead = [6]",
    );
    let logits = |x: usize, y: usize| {
        let mut image = vec![0.0; 32 * 32];
        for (index, value) in wave(9, 0.3).into_iter().enumerate() {
            image[(y + index / 3) * 32 + x + index % 3] = 3.0 + value;
        }
        let groups = PaddedGroups { jets: 1, images: Some(&image), image: [1, 32, 32], ..Default::default() };
        network.logits(&Inputs::pack(&groups).unwrap()).unwrap()
    };
    let still = logits(10, 12);
    for (x, y) in [(12, 12), (14, 18), (20, 10)] {
        for (still, moved) in still.iter().zip(logits(x, y)) {
            assert!((still - moved).abs() < 1e-5, "{still} {moved}");
        }
    }
    assert!((still[0] - logits(11, 12)[0]).abs() > 1e-7, "half a square");
}

#[test]
fn what_does_not_fit_is_refused() {
    let check = |text: &str, groups: PaddedGroups<'_>, message: &str| {
        let error = network(text).logits(&Inputs::pack(&groups).unwrap()).unwrap_err().to_string();
        assert_eq!(error, message);
    };
    let two = PaddedGroups { jets: 1, globals: Some(&[1.0, 2.0]), ..Default::default() };
    check(CONFIGS[0].1, two, "feed the network: globals are 2 a jet, the network reads 3");
    let none = PaddedGroups { jets: 1, ..Default::default() };
    check(CONFIGS[0].1, none, "feed the network: a multilayer-perceptron needs the group globals");
    check(CONFIGS[3].1, none, "feed the network: a convolution-2d needs the group images");
    let small = PaddedGroups { jets: 1, images: Some(&[0.0; 8]), image: [2, 2, 2], ..Default::default() };
    check(CONFIGS[3].1, small, "feed the network: images are [2, 2, 2], the network reads [2, 7, 9]");
    let wrong = PaddedGroups { jets: 3, globals: Some(&[1.0, 2.0]), ..Default::default() };
    assert!(Inputs::pack(&wrong).is_err());
    let nan = PaddedGroups { jets: 2, globals: Some(&[1.0, f32::NAN]), ..Default::default() };
    let error = Inputs::pack(&nan).unwrap_err().to_string();
    assert_eq!(error, "feed the network: globals of jet 1, variable 0 is NaN");
    let config =
        ModelConfig::from_toml("kind = \"convolution-2d\"\nimage = [1, 3, 3]").unwrap_err().to_string();
    assert!(config.contains("3 stages halve images of 3 x 3 pixels to nothing"), "{config}");
}
