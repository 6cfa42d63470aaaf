//! Exports run by ONNX Runtime, where its library is there, beside our own networks.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use common::{Jets, config};
use fiducial_models::onnx::{Answers, Export, Preprocessing, Proof, Runtime, Transform, export, input_names};
use fiducial_models::{Inputs, KINDS, Loss, LossKind, Network, Optimiser, OptimiserConfig, PaddedGroups};

/// Beside those of `common`: options that change the graph, and networks that read jets as a whole.
const MORE: [(&str, &str); 16] = [
    (
        "ParticleNet with phantoms",
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 3\nneighbours = 6\nconvolutions = [[8, 3], [12, 8]]\nhead = [10]\nphantom_neighbours = true\nfusion = 9",
    ),
    (
        "ParticleNet with a fusion",
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 2\nneighbours = 4\nconvolutions = [[8], [12]]\nhead = []\nfusion = 7",
    ),
    (
        "energy flow network with globals",
        "kind = \"energy-flow-network\"\nglobals = 2\noutputs = 3\nphi = [9]\nhead = []",
    ),
    (
        "transformer with globals",
        "kind = \"transformer\"\nfeatures = 3\nglobals = 2\noutputs = 3\nembed = [8]\nheads = 2\nblocks = 1\nhead = [7]",
    ),
    (
        "transformer of gates and means",
        "kind = \"transformer\"\nfeatures = 3\noutputs = 2\nembed = [8]\nheads = 4\nblocks = 2\nactivation = \"swiglu\"\npooling = \"mean\"",
    ),
    (
        "LorentzNet with scalars",
        "kind = \"lorentz-net\"\nfeatures = 3\nscalars = true\noutputs = 3\nwidth = 7\nblocks = 3\nhead = []\nvector_weight = 0.1\nunit = 0.5",
    ),
    (
        "L-GATr-slim with scalars",
        "kind = \"lgatr-slim\"\nfeatures = 3\nscalars = true\noutputs = 3\nscalar_channels = 8\nvector_channels = 4\nheads = 2\nblocks = 1\nexpansion = 3\nunit = 0.5",
    ),
    (
        "1-D convolutions with globals",
        "kind = \"convolution-1d\"\nfeatures = 3\nglobals = 2\noutputs = 2\nchannels = [6]\nkernel = 7\nhead = []",
    ),
    (
        "long short-term memory in layers",
        "kind = \"recurrent-network\"\nfeatures = 3\nglobals = 2\noutputs = 3\ncell = \"lstm\"\nlayers = [5, 7, 6]\nhead = [6]",
    ),
    ("perceptron", "kind = \"multilayer-perceptron\"\nglobals = 2\noutputs = 2\nhidden = [10, 9]"),
    ("linear scores", "kind = \"multilayer-perceptron\"\nglobals = 2\noutputs = 3\nhidden = []"),
    (
        "parametrised perceptron",
        "kind = \"parametrised-perceptron\"\nglobals = 2\nparameters = 1\noutputs = 2\nhidden = [10]",
    ),
    // Some inputs lie beyond the grid.
    (
        "Kolmogorov-Arnold network",
        "kind = \"kolmogorov-arnold-network\"\nglobals = 2\noutputs = 2\nhidden = [5, 4]\ngrid = 6\nrange = 0.8",
    ),
    (
        "Kolmogorov-Arnold network of degree 7",
        "kind = \"kolmogorov-arnold-network\"\nglobals = 2\noutputs = 2\nhidden = [5]\ngrid = 1\ndegree = 7\nrange = 2.0",
    ),
    // Both sides are odd when they are halved, one of them twice.
    (
        "2-D convolutions",
        "kind = \"convolution-2d\"\nimage = [2, 7, 6]\noutputs = 2\nstages = [[4], [6, 5], [3]]\nhead = [6]",
    ),
    (
        "2-D convolutions with globals",
        "kind = \"convolution-2d\"\nimage = [2, 7, 6]\nglobals = 2\noutputs = 3\nstages = [[4]]\nkernel = 5\nhead = []",
    ),
];

fn networks() -> impl Iterator<Item = (&'static str, &'static str)> {
    common::CONFIGS.into_iter().chain(MORE)
}

/// Whoever adds an architecture adds one here. That it has an export at all, the compiler asks for.
#[test]
fn every_architecture_is_among_the_tested() {
    let tested: BTreeSet<&str> = networks().map(|(_, text)| config(text).kind()).collect();
    assert_eq!(tested, KINDS.iter().copied().collect());
}

/// All groups that a network may read.
struct Batch {
    jets: usize,
    constituents: common::Padded,
    globals: Vec<f32>,
    parameters: Vec<f32>,
    images: Vec<f32>,
}

const IMAGE: [usize; 3] = [2, 7, 6];

impl Batch {
    /// Padding is anything: the mask alone says what is real.
    fn new(jets: &Jets, length: usize) -> Self {
        let wave = |number: usize, phase: f32| -> Vec<f32> {
            (0..number).map(|index| (1.7 * index as f32 + phase).sin()).collect()
        };
        Self {
            jets: jets.len(),
            constituents: jets.padding(length, 7.5),
            globals: wave(jets.len() * 2, 0.4),
            parameters: wave(jets.len(), 0.5),
            images: wave(jets.len() * IMAGE.iter().product::<usize>(), 0.6),
        }
    }

    fn groups(&self) -> PaddedGroups<'_> {
        PaddedGroups { jets: self.jets, ..self.of_jets(0..self.jets, self.constituents.groups()) }
    }

    /// One jet alone; `constituents` are those of it.
    fn of_jets<'a>(
        &'a self,
        jets: std::ops::Range<usize>,
        constituents: PaddedGroups<'a>,
    ) -> PaddedGroups<'a> {
        let pixels: usize = IMAGE.iter().product();
        PaddedGroups {
            globals: Some(&self.globals[2 * jets.start..2 * jets.end]),
            parameters: Some(&self.parameters[jets.clone()]),
            images: Some(&self.images[pixels * jets.start..pixels * jets.end]),
            image: IMAGE,
            ..constituents
        }
    }
}

/// The library of the Python package that the tests' environment has.
fn runtime() -> Option<Runtime> {
    let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "FIDUCIAL_TEST_PYTHON is not set");
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with onnxruntime");
        return None;
    };
    let find = "import glob, os, onnxruntime as o; \
                print(glob.glob(os.path.join(os.path.dirname(o.__file__), 'capi', 'libonnxruntime.so*'))[0])";
    let output = Command::new(python).args(["-c", find]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    Some(Runtime::load(&path).unwrap())
}

/// A network whose running moments and biases are not those that it starts with.
fn trained(text: &str) -> Network {
    let mut network = Network::new(&config(text), 11).unwrap();
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    let inputs = Inputs::pack(&Batch::new(&Jets::new(&[5, 12, 1, 7, 9, 3], 5), 12).groups()).unwrap();
    for _ in 0..5 {
        optimiser.step(&mut network, &inputs, &[0, 1, 0, 1, 1, 0], &[1.0; 6], 1e-2).unwrap();
    }
    network
}

/// The largest difference, relative to the network's probability.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / b).fold(0.0, f32::max)
}

#[test]
fn exports_give_what_the_network_gives() {
    let Some(runtime) = runtime() else { return };
    assert!(runtime.version().starts_with("ONNX Runtime 1."), "{}", runtime.version());
    // An empty jet, a lone constituent, fewer than the neighbours, as many, more.
    let jets = Jets::new(&[9, 0, 1, 2, 4, 5, 6, 12, 3], 8);
    for (name, text) in networks() {
        let network = trained(text);
        let file = export(&network, &Export { mask: true, ..Export::default() }).unwrap();
        assert_eq!(file, export(&network, &Export { mask: true, ..Export::default() }).unwrap());
        let mut session = runtime.session(&file, 1).unwrap();
        let batch = Batch::new(&jets, 12);
        let groups = batch.groups();
        let proof = Proof::make(&mut session, &runtime, &network, &Answers::default(), &groups, &groups)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(proof.jets, 9);
        let expected = network.probabilities(&Inputs::pack(&groups).unwrap()).unwrap();
        let together = difference(&session.run(&groups).unwrap(), &expected);
        assert!(together < 1e-5, "{name}: {together:e} together");
        for (jet, expected) in expected.chunks_exact(network.config().outputs()).enumerate() {
            // The length is another one too.
            let alone = jets.only(jet).padding(12 + jet, -3.0);
            let groups = batch.of_jets(jet..jet + 1, alone.groups());
            let alone = difference(&session.run(&groups).unwrap(), expected);
            assert!(alone < 1e-5, "{name}: {alone:e} for jet {jet} alone");
        }

        let file = export(&network, &Export::default()).unwrap();
        let mut session = runtime.session(&file, 1).unwrap();
        let batch = Batch::new(&Jets::new(&[6, 6], 2), 6);
        let groups = PaddedGroups { mask: None, ..batch.groups() };
        Proof::make(&mut session, &runtime, &network, &Answers::default(), &groups, &groups)
            .unwrap_or_else(|error| panic!("{name} without a mask: {error}"));
    }
}

/// Constituents of the same transverse momentum keep the order of the data, in the file as in the network.
#[test]
fn ties_are_broken_as_in_the_network() {
    let Some(runtime) = runtime() else { return };
    let jets = Jets::new(&[9, 12, 5], 3).transformed(|[_, y, z, energy]| match y > 0.0 {
        true => [0.6, 0.8, z, energy],
        false => [0.8, -0.6, z, energy],
    });
    for name in ["1-D convolutions", "gated recurrent units"] {
        let network = trained(common::config_of(name));
        let file = export(&network, &Export { mask: true, ..Export::default() }).unwrap();
        let batch = Batch::new(&jets, 12);
        let groups = batch.groups();
        let mut session = runtime.session(&file, 1).unwrap();
        Proof::make(&mut session, &runtime, &network, &Answers::default(), &groups, &groups)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn pre_processing_goes_into_the_file() {
    let Some(runtime) = runtime() else { return };
    let transforms: Vec<Transform> = [(0.25, 3.0, Some((-0.8, 0.9))), (-0.1, 0.5, None), (0.5, 2.0, None)]
        .map(|(center, scale, clip)| Transform { center, scale, clip })
        .to_vec();
    let jets = Batch::new(&Jets::new(&[9, 3, 12], 8), 12);
    let raw = jets.groups();
    // Row-major (jets, variables, each).
    let standardised = |values: &[f32], variables: usize, each: usize| -> Vec<f32> {
        let moved = values.iter().enumerate().map(|(index, x)| {
            let Transform { center, scale, clip } = transforms[index / each % variables];
            let x = (f64::from(*x) - center) * scale;
            clip.map_or(x, |(lower, upper)| x.clamp(lower, upper)) as f32
        });
        moved.collect()
    };
    let features = standardised(raw.features, 3, 12);
    let globals = standardised(&jets.globals, 2, 1);
    let parameters = standardised(&jets.parameters, 1, 1);
    let images = standardised(&jets.images, 2, 7 * 6);
    let standardised = PaddedGroups {
        features: &features,
        globals: Some(&globals),
        parameters: Some(&parameters),
        images: Some(&images),
        ..raw
    };
    let preprocessing = Preprocessing {
        features: transforms.clone(),
        globals: transforms[..2].to_vec(),
        parameters: transforms[..1].to_vec(),
        images: transforms[..2].to_vec(),
        ..Preprocessing::default()
    };
    for name in [
        "ParticleNet",
        "transformer with globals",
        "parametrised perceptron",
        "2-D convolutions with globals",
    ] {
        let text = networks().find(|(other, _)| *other == name).unwrap().1;
        let network = trained(text);
        let options = Export { mask: true, preprocessing: preprocessing.clone(), ..Export::default() };
        let mut session = runtime.session(&export(&network, &options).unwrap(), 1).unwrap();
        Proof::make(&mut session, &runtime, &network, &Answers::default(), &raw, &standardised)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // The proof can fail: these are not the same numbers.
        let error = Proof::make(&mut session, &runtime, &network, &Answers::default(), &raw, &raw)
            .unwrap_err()
            .to_string();
        assert!(error.contains("the exported file is not the network: jet 0"), "{name}: {error}");

        let few = Preprocessing {
            features: transforms[..2].to_vec(),
            globals: transforms[..1].to_vec(),
            ..Preprocessing::default()
        };
        let error = export(&network, &Export { preprocessing: few, ..Export::default() }).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("variables, its pre-processing is for"), "{name}: {error}");
    }
}

#[test]
fn regressions_answer_in_the_units_of_their_targets() {
    let network =
        trained("kind = \"transformer\"\nfeatures = 3\noutputs = 2\nembed = [8]\nheads = 2\nblocks = 1");
    let jets = Batch::new(&Jets::new(&[9, 3, 12], 8), 12);
    let groups = jets.groups();
    let logits = network.logits(&Inputs::pack(&groups).unwrap()).unwrap();
    let two = vec![(172.5, 8.0), (-3.0, 0.25)];
    for (kind, targets) in [
        (LossKind::SquaredError {}, two.clone()),
        (LossKind::Huber { delta: 1.0 }, two.clone()),
        (LossKind::Quantile { levels: vec![0.2, 0.9] }, two[..1].to_vec()),
        (LossKind::Gaussian {}, two[..1].to_vec()),
    ] {
        let answers = Answers { loss: Loss::of(kind.clone()).unwrap(), targets };
        let options = Export { mask: true, answers: answers.clone(), ..Export::default() };
        let file = export(&network, &options).unwrap();
        let wrong = Answers { targets: vec![(0.0, 1.0); 3], ..answers.clone() };
        let error = export(&network, &Export { answers: wrong, ..options }).unwrap_err().to_string();
        assert!(error.contains("2 outputs do not fit 3 targets"), "{error}");
        let Some(runtime) = runtime() else { continue };
        let mut session = runtime.session(&file, 1).unwrap();
        let proof = Proof::make(&mut session, &runtime, &network, &answers, &groups, &groups).unwrap();
        assert!(proof.jets == 3 && proof.largest_difference < 1e-5, "{kind:?}: {proof:?}");
        let found = session.run(&groups).unwrap();
        let expected = answers.loss.predictions(&logits[..2], &answers.targets);
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5 * expected.abs().max(1.0), "{kind:?}");
        }
        // The proof can fail: another scale is another number.
        let scaled = Answers {
            targets: answers.targets.iter().map(|(center, scale)| (*center, 1.1 * scale)).collect(),
            ..answers
        };
        let error = Proof::make(&mut session, &runtime, &network, &scaled, &groups, &groups).unwrap_err();
        assert!(error.to_string().contains("is not the network: jet 0 gets"), "{kind:?}: {error}");
    }
}

#[test]
fn pythons_checker_accepts_the_files() {
    let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with onnx");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (index, (_, text)) in networks().enumerate() {
        let network = trained(text);
        let metadata = vec![("inputs".to_owned(), input_names(network.config(), true).join(","))];
        let file = export(&network, &Export { mask: true, metadata, ..Export::default() }).unwrap();
        std::fs::write(folder.path().join(format!("{index}.onnx")), file).unwrap();
    }
    let script = "import sys, glob, onnx\n\
                  for path in glob.glob(sys.argv[1] + '/*.onnx'):\n\
                  \x20   model = onnx.load(path); onnx.checker.check_model(model, full_check=True)\n\
                  \x20   assert model.producer_name == 'fiducial' and model.metadata_props[0].key == 'inputs'\n\
                  \x20   inputs = model.graph.input\n\
                  \x20   assert model.metadata_props[0].value.split(',') == [i.name for i in inputs]\n\
                  \x20   for input in inputs:\n\
                  \x20       shape = [d.dim_param or d.dim_value for d in input.type.tensor_type.shape.dim]\n\
                  \x20       assert shape[0] == 'batch', shape\n\
                  \x20       assert ('constituents' in shape[2:]) == input.name.startswith('pf_'), shape\n";
    let output = Command::new(python).args(["-c", script]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_library_that_is_none_is_an_error() {
    let error = Runtime::load(std::path::Path::new("no/such/library.so")).unwrap_err().to_string();
    assert!(error.starts_with("check the export:") && error.contains("no/such/library.so"), "{error}");
}
