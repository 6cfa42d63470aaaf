//! Exports run by ONNX Runtime, where its library is there, beside our own networks.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Jets, config};
use fiducial_models::onnx::{Export, Preprocessing, Proof, Runtime, Transform, export};
use fiducial_models::{Network, PaddedGroups};

/// Beside those of `common`: phantom neighbours, a fusion, a convolution without shortcut.
const MORE: [(&str, &str); 2] = [
    (
        "ParticleNet with phantoms",
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 3\nneighbours = 6\nconvolutions = [[8, 3], [12, 8]]\nhead = [10]\nphantom_neighbours = true\nfusion = 9",
    ),
    (
        "ParticleNet with a fusion",
        "kind = \"particle-net\"\nfeatures = 3\nclasses = 2\nneighbours = 4\nconvolutions = [[8], [12]]\nhead = []\nfusion = 7",
    ),
];

/// The networks of `common` that can be exported.
fn exported() -> impl Iterator<Item = (&'static str, &'static str)> {
    let kinds = ["particle-flow-network", "particle-net", "particle-transformer"];
    common::CONFIGS.into_iter().chain(MORE).filter(move |(_, text)| kinds.contains(&config(text).kind()))
}

#[test]
fn what_has_no_export_says_so() {
    let perceptron = "kind = \"multilayer-perceptron\"\nglobals = 3\noutputs = 2";
    let network = Network::new(&config(perceptron), 1).unwrap();
    let error = export(&network, &Export::default()).unwrap_err().to_string();
    assert!(error.contains("multilayer-perceptron: it has no export to ONNX yet"), "{error}");
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
    use fiducial_models::{Optimiser, OptimiserConfig};
    let mut network = Network::new(&config(text), 11).unwrap();
    let mut optimiser = Optimiser::new(OptimiserConfig::default());
    let jets = Jets::new(&[5, 12, 1, 7, 9, 3], 5);
    for _ in 0..5 {
        optimiser.step(&mut network, &jets.padded(12), &[0, 1, 0, 1, 1, 0], &[1.0; 6], 1e-2).unwrap();
    }
    network
}

#[test]
fn exports_give_what_the_network_gives() {
    let Some(runtime) = runtime() else { return };
    assert!(runtime.version().starts_with("ONNX Runtime 1."), "{}", runtime.version());
    // An empty jet, a lone constituent, fewer than the neighbours, as many, more.
    let jets = Jets::new(&[9, 0, 1, 2, 4, 5, 6, 12, 3], 8);
    for (name, text) in exported() {
        let network = trained(text);
        // Padding is anything: the mask alone says what is real.
        let padded = jets.padding(12, 7.5);
        let file = export(&network, &Export { mask: true, ..Export::default() }).unwrap();
        assert_eq!(file, export(&network, &Export { mask: true, ..Export::default() }).unwrap());
        let mut session = runtime.session(&file, 1).unwrap();
        let groups = padded.groups();
        let proof = Proof::make(&mut session, &runtime, &network, &groups, &groups)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(proof.jets, 9);
        assert!(proof.largest_difference > 0.0 && proof.largest_difference < 2e-6, "{name}: {proof:?}");

        let file = export(&network, &Export::default()).unwrap();
        let mut session = runtime.session(&file, 1).unwrap();
        let padded = Jets::new(&[6, 6], 2).padding(6, 0.0);
        let groups = PaddedGroups { mask: None, ..padded.groups() };
        Proof::make(&mut session, &runtime, &network, &groups, &groups)
            .unwrap_or_else(|error| panic!("{name} without a mask: {error}"));
    }
}

#[test]
fn pre_processing_goes_into_the_file() {
    let Some(runtime) = runtime() else { return };
    let network = trained(common::CONFIGS[1].1);
    let (jets, clip) = (Jets::new(&[9, 3, 12], 8).padding(12, 0.0), Some((-0.8, 0.9)));
    let transform = Transform { center: 0.25, scale: 3.0, clip };
    let preprocessing = Preprocessing { features: vec![transform; 3], ..Preprocessing::default() };
    let file = export(&network, &Export { mask: true, preprocessing, ..Export::default() }).unwrap();
    let raw = jets.groups();
    let standardised: Vec<f32> =
        raw.features.iter().map(|x| ((f64::from(*x) - 0.25) * 3.0).clamp(-0.8, 0.9) as f32).collect();
    let standardised = PaddedGroups { features: &standardised, ..raw };
    let mut session = runtime.session(&file, 1).unwrap();
    Proof::make(&mut session, &runtime, &network, &raw, &standardised).unwrap();
    // The proof can fail: these are not the same numbers.
    let error = Proof::make(&mut session, &runtime, &network, &raw, &raw).unwrap_err().to_string();
    assert!(error.contains("the exported file is not the network: jet 0"), "{error}");

    let preprocessing = Preprocessing { features: vec![transform; 2], ..Preprocessing::default() };
    let error = export(&network, &Export { mask: true, preprocessing, ..Export::default() }).unwrap_err();
    assert!(error.to_string().contains("3 variables, its pre-processing is for 2"), "{error}");
}

#[test]
fn pythons_checker_accepts_the_files() {
    let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with onnx");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (index, (_, text)) in exported().enumerate() {
        let metadata = vec![("classes".to_owned(), "a,b".to_owned())];
        let file = export(&trained(text), &Export { mask: true, metadata, ..Export::default() }).unwrap();
        std::fs::write(folder.path().join(format!("{index}.onnx")), file).unwrap();
    }
    let script = "import sys, glob, onnx\n\
                  for path in glob.glob(sys.argv[1] + '/*.onnx'):\n\
                  \x20   model = onnx.load(path); onnx.checker.check_model(model, full_check=True)\n\
                  \x20   assert model.producer_name == 'fiducial' and model.metadata_props[0].key == 'classes'\n\
                  \x20   shape = model.graph.input[0].type.tensor_type.shape.dim\n\
                  \x20   assert shape[0].dim_param == 'batch' and shape[2].dim_param == 'constituents', shape\n";
    let output = Command::new(python).args(["-c", script]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_library_that_is_none_is_an_error() {
    let error = Runtime::load(std::path::Path::new("no/such/library.so")).unwrap_err().to_string();
    assert!(error.starts_with("check the export:") && error.contains("no/such/library.so"), "{error}");
}
