//! Weight files: what was written comes back, and what is not ours is an error.

mod common;

use common::{CONFIGS, Jets, config, network};
use fiducial_models::{ModelConfig, Network, Optimiser, OptimiserConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn weights_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in CONFIGS {
        let path = folder.path().join("model.safetensors");
        let network = network(text);
        network.save_safetensors(&path).unwrap();
        let other = Network::open(&path).unwrap();
        assert_eq!(other.config(), network.config(), "{name}");
        let inputs = Jets::new(&[3, 9], 1).padded(10);
        assert_eq!(network.logits(&inputs).unwrap(), other.logits(&inputs).unwrap(), "{name}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{name}: a file was left beside");
    }
}

#[test]
fn names_are_stable() {
    let header = |text: &str| {
        let bytes = network(text).to_safetensors().unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names: Vec<String> =
            file.tensors().iter().map(|(name, view)| format!("{name} {:?}", view.shape())).collect();
        names.sort();
        names
    };
    let expected = [
        "head.hidden.0.bias [10]",
        "head.hidden.0.weight [24, 10]",
        "head.output.bias [2]",
        "head.output.weight [10, 2]",
        "phi.0.bias [20]",
        "phi.0.weight [3, 20]",
        "phi.1.bias [24]",
        "phi.1.weight [20, 24]",
    ];
    assert_eq!(header(CONFIGS[0].1), expected);
    let names = header(CONFIGS[1].1);
    for name in [
        "norm.running_mean [3]",
        "convolutions.0.first [6, 8]",
        "convolutions.0.layers.0.weight [8, 9]",
        "convolutions.0.norms.1.running_variance [9]",
        "convolutions.0.shortcut.weight [3, 9]",
        "convolutions.0.shortcut_norm.weight [9]",
    ] {
        assert!(names.iter().any(|other| other == name), "{name} is not in {names:?}");
    }
}

#[test]
fn damaged_files_are_errors() {
    for (name, text) in CONFIGS {
        let bytes = network(text).to_safetensors().unwrap();
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            assert!(Network::from_safetensors("cut", &bytes[..length]).is_err(), "{name}: {length} bytes");
        }
        // Any byte of the header may be wrong; whatever comes of it, it is not a panic.
        for place in 0..2_000.min(bytes.len()) {
            for flip in [0x01, 0x10, 0x80] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let _ = Network::from_safetensors("flipped", &damaged);
            }
        }
        let mut poisoned = bytes.clone();
        let end = poisoned.len();
        poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let error = Network::from_safetensors("poisoned", &poisoned).unwrap_err().to_string();
        assert!(error.starts_with("load poisoned: tensor "), "{error}");
    }
}

#[test]
fn the_weights_of_another_network_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    network(CONFIGS[0].1).save_safetensors(&path).unwrap();
    let mut other = network(CONFIGS[1].1);
    let before = other.to_safetensors().unwrap();
    assert!(other.load_safetensors(&path).unwrap_err().to_string().contains("the network is ParticleNet"));
    assert!(before == other.to_safetensors().unwrap());
    assert!(Network::open(folder.path().join("none")).unwrap_err().to_string().starts_with("read "));

    let state = Optimiser::new(OptimiserConfig::default());
    let network = network(CONFIGS[0].1);
    let bytes = state.to_bytes().unwrap();
    assert!(Optimiser::from_bytes(OptimiserConfig::default(), &network, &bytes).is_ok());
    assert!(Optimiser::from_bytes(OptimiserConfig::default(), &network, &bytes[..9]).is_err());
    assert!(Network::from_safetensors("the state", &bytes).is_err());
}

#[test]
fn configurations_are_checked() {
    let check = |text: &str, message: &str| {
        let error = ModelConfig::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    };
    check("kind = \"particle-net\"\nneighbors = 7", "unknown field `neighbors`");
    check("kind = \"particle-not\"", "unknown variant `particle-not`");
    check("features = 7", "missing field `kind`");
    check("kind = \"particle-net\"\nneighbours = 0", "neighbours must lie between 1 and 16384, not 0");
    check(
        "kind = \"particle-net\"\nconvolutions = [[]]",
        "the number of layers in convolutions must lie between 1",
    );
    check("kind = \"particle-flow-network\"\ndropout = 1.0", "dropout must lie in [0, 1), not 1");
    check("kind = \"particle-flow-network\"\nphi = [9999999999]", "phi must lie between 1 and 16384");
    check(
        "kind = \"particle-transformer\"\nheads = 7",
        "the last width of embed is 128, which 7 heads do not divide",
    );
    let text = "kind = \"particle-flow-network\"";
    let error = Network::new(&ModelConfig::from_toml(text).unwrap(), 0).unwrap_err().to_string();
    assert!(error.starts_with("build a particle-flow-network: features is 0; set it"), "{error}");
    for (_, text) in CONFIGS {
        let config = ModelConfig::from_toml(text).unwrap();
        assert_eq!(ModelConfig::from_toml(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
}

#[test]
fn published_sizes() {
    let parameters = |text: &str, features: usize| {
        let config = ModelConfig::from_toml(text).unwrap().with_shape(features, 2).unwrap();
        Network::new(&config, 0).unwrap().parameters()
    };
    // arXiv:1902.08570, table 5 (7 features): 366 thousand and, lite, 26 thousand; arXiv:2202.03772, table 5 with 17
    // features and 10 classes: 2.14 million.
    let full = parameters("kind = \"particle-net\"", 7);
    assert!((360_000..372_000).contains(&full), "{full}");
    let lite =
        "kind = \"particle-net\"\nneighbours = 7\nconvolutions = [[32, 32, 32], [64, 64, 64]]\nhead = [128]";
    let lite = parameters(lite, 7);
    assert!((25_000..27_500).contains(&lite), "{lite}");
    let transformer = parameters("kind = \"particle-transformer\"", 17);
    assert!((2_080_000..2_200_000).contains(&transformer), "{transformer}");
}

#[test]
fn a_network_starts_from_the_weights_of_another() {
    let body = "kind = \"particle-flow-network\"\nfeatures = 3\nphi = [6, 5]\nhead = [4]\n";
    let source = network(&format!("{body}classes = 4"));
    let bytes = source.to_safetensors().unwrap();
    let mut target = Network::new(&config(&format!("{body}classes = 2")), 99).unwrap();
    let before = target.to_safetensors().unwrap();

    let error = target.start_from("source", &bytes, &|_| false).unwrap_err().to_string();
    assert!(error.contains("load source: 2 tensors do not fit: "), "{error}");
    assert!(error.contains("head.output.weight is [4, 4] there and [4, 2] here"), "{error}");
    assert!(before == target.to_safetensors().unwrap());

    let taken = target.start_from("source", &bytes, &|name| name.starts_with("head.output")).unwrap();
    assert_eq!(taken.fresh, ["head.output.bias", "head.output.weight"]);
    assert_eq!(taken.unused, ["head.output.bias", "head.output.weight"]);
    assert_eq!(taken.loaded.len(), 6);
    // What was loaded is the source's, what was not is still its own.
    let mut again = source.clone();
    let taken = again
        .start_from("target", &target.to_safetensors().unwrap(), &|name| name.starts_with("head.output"));
    assert!(taken.is_ok() && again.to_safetensors().unwrap() == bytes);
    let mut own = Network::new(&config(&format!("{body}classes = 2")), 99).unwrap();
    own.start_from("target", &target.to_safetensors().unwrap(), &|name| !name.starts_with("head.output"))
        .unwrap();
    assert!(own.to_safetensors().unwrap() == before);
    assert!(target.start_from("source", &bytes, &|_| true).is_err());
    assert!(target.start_from("source", &bytes[..bytes.len() / 2], &|_| false).is_err());
}

/// Every mutation of a file is read or refused, and never takes more memory than the file has.
#[test]
fn mutated_files_are_refused_or_read() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let small =
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 2\nneighbours = 2\nconvolutions = [[4]]\nhead = []";
    let network = network(small);
    let weights = network.to_safetensors().unwrap();
    let header = usize::try_from(u64::from_le_bytes(weights[..8].try_into().unwrap())).unwrap();
    let state = Optimiser::new(OptimiserConfig::default()).to_bytes().unwrap();
    for lying in [u64::MAX, u64::MAX / 2, 1 << 40, header as u64 + 1, header as u64 - 1, 0] {
        let mut bytes = weights.clone();
        bytes[..8].copy_from_slice(&lying.to_le_bytes());
        assert!(Network::from_safetensors("lying", &bytes).is_err(), "{lying}");
    }
    let mut refused = 0;
    for round in 0..2000 {
        for (original, place) in [(&weights, 8 + header), (&state, state.len())] {
            let mut bytes = original.clone();
            // Most of them in the header, where the lengths and the configuration are.
            for _ in 0..=round % 3 {
                let end = if round % 4 == 0 { bytes.len() } else { place.min(bytes.len()) };
                let at = random.random_range(0..end);
                match round % 5 {
                    0 => bytes[at] ^= 1 << random.random_range(0..8),
                    1 => bytes[at] = b'9',
                    2 => drop(bytes.remove(at)),
                    3 => bytes.insert(at, random.random()),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let mut target = network.clone();
            refused += usize::from(Network::from_safetensors("mutated", &bytes).is_err());
            let _ = target.start_from("mutated", &bytes, &|_| false);
            let _ = Optimiser::from_bytes(OptimiserConfig::default(), &network, &bytes);
        }
    }
    assert!(refused > 1000, "{refused}");
}
