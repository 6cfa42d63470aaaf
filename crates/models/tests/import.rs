//! State dicts of PyTorch: networks of weaver-core give the outputs that weaver-core gave, and hostile files an error.
//!
//! `weaver/make_fixtures.py` made the files.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use fiducial_models::import::{Hints, StateDict, from_weaver};
use fiducial_models::{Inputs, Network, PaddedGroups};
use safetensors::SafeTensors;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const NETWORKS: [&str; 4] =
    ["particle_net", "particle_net_fusion", "particle_transformer", "particle_flow_network"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weaver").join(name)
}

fn imported(name: &str) -> Network {
    let weights = StateDict::open(fixture(&format!("{name}.pt"))).unwrap();
    from_weaver(&weights, &Hints { neighbours: Some(4) }).unwrap()
}

#[test]
fn imported_networks_give_weavers_probabilities() {
    let bytes = std::fs::read(fixture("jets.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values = |name: &str| -> Vec<f32> {
        let chunks = tensors.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec();
        chunks.into_iter().map(f32::from_le_bytes).collect()
    };
    let [points, features, vectors, mask] = ["points", "features", "vectors", "mask"].map(values);
    let groups = PaddedGroups {
        jets: 7,
        length: 12,
        points: Some(&points),
        features: &features,
        vectors: Some(&vectors),
        mask: Some(&mask),
    };
    let inputs = Inputs::pack(&groups).unwrap();
    for name in NETWORKS {
        let found = imported(name).probabilities(&inputs).unwrap();
        let expected = values(name);
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-5, "{name}, jet {}: {found} for {expected}", index / 3);
        }
    }
}

#[test]
fn an_imported_network_is_saved_and_read_as_any_other() {
    let inputs = {
        let features = [0.5, -0.25, 0.125, 1.0, 0.5, 0.75];
        let points = [0.1, 0.2, 0.3, 0.4];
        Inputs::pack(&PaddedGroups { jets: 1, length: 2, points: Some(&points), features: &features, ..Default::default() })
            .unwrap()
    };
    let network = imported("particle_net");
    let again = Network::from_safetensors("memory", &network.to_safetensors().unwrap()).unwrap();
    assert_eq!(again.logits(&inputs).unwrap(), network.logits(&inputs).unwrap());
}

#[test]
fn what_does_not_fit_is_named() {
    let weights = StateDict::open(fixture("particle_net.pt")).unwrap();
    let error = from_weaver(&weights, &Hints::default()).unwrap_err().to_string();
    assert!(error.contains("does not say its number of neighbours"), "{error}");
    assert_eq!(weights.shapes().next(), Some(("mod.bn_fts.bias", &[3][..])));

    let error = StateDict::open("no/such/file.pt").unwrap_err().to_string();
    assert!(error.starts_with("read no/such/file.pt"), "{error}");
    for (bytes, expected) in [
        (&b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."[..], "before 1.6"),
        (&[], "it is no zip archive"),
    ] {
        let error = StateDict::parse("old.pt", bytes).unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("load old.pt"), "{error}");
    }
}

/// The archive with each entry as `change` wants it.
fn rewritten(change: impl Fn(&str, Vec<u8>) -> (CompressionMethod, Vec<u8>)) -> Vec<u8> {
    use std::io::Read;
    let bytes = std::fs::read(fixture("particle_flow_network.pt")).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let (method, content) = change(&name, content);
        writer.start_file(&*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn hostile_archives_are_errors() {
    let stored = CompressionMethod::Stored;
    let check = |bytes: &[u8], expected: &str| {
        let error = StateDict::parse("bad.pt", bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    };
    StateDict::parse("same.pt", &rewritten(|_, content| (stored, content))).unwrap();
    // A zip bomb: an entry that is small in the file and large when it is unpacked.
    let bomb = rewritten(|name, content| match name.ends_with("data/0") {
        true => (CompressionMethod::Deflated, vec![0; 64 << 20]),
        false => (stored, content),
    });
    assert!(bomb.len() < 200_000);
    check(&bomb, "is compressed, which PyTorch does not do");
    let bomb = rewritten(|name, content| match name.ends_with("data.pkl") {
        true => (CompressionMethod::Deflated, [b"\x80\x02".to_vec(), vec![b'('; 64 << 20]].concat()),
        false => (stored, content),
    });
    check(&bomb, "is compressed, which PyTorch does not do");
    let shell = b"\x80\x02cposix\nsystem\n(X\x02\x00\x00\x00lstR.".to_vec();
    let shell = rewritten(|name, content| (stored, if name.ends_with("data.pkl") { shell.clone() } else { content }));
    check(&shell, "it names \"posix\" \"system\"");
    let short = rewritten(|name, mut content| {
        content.truncate(if name.ends_with("data/1") { 4 } else { usize::MAX });
        (stored, content)
    });
    check(&short, "its storage has 1 numbers");
    let big = rewritten(|name, content| (stored, if name.ends_with("byteorder") { b"big".to_vec() } else { content }));
    check(&big, "big-endian");
    // Many tensors of the same numbers, which would ask for more memory than the file could fill: shape (32767, 32767)
    // in place of the first vector's shape, without strides.
    let sizes = rewritten(|name, content| {
        let mut content = content;
        if name.ends_with("data.pkl")
            && let Some(place) = content.windows(4).position(|bytes| bytes == b"K\x03\x85q")
        {
            content.splice(place..place + 3, *b"J\xff\xff\xff\x7f\x85");
        }
        (stored, content)
    });
    check(&sizes, "more numbers than it has bytes");
}

#[test]
fn every_mutation_of_a_file_ends() {
    let original = std::fs::read(fixture("particle_flow_network.pt")).unwrap();
    for length in (0..original.len()).step_by(97) {
        assert!(StateDict::parse("cut", &original[..length]).is_err(), "cut to {length} bytes");
    }
    // A generator of our own, so that the same bytes are hit each time.
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..2000 {
        let mut bytes = original.clone();
        for _ in 0..=next(8) {
            let place = next(bytes.len());
            bytes[place] = next(256) as u8;
        }
        if let Ok(weights) = StateDict::parse("mutated", &bytes) {
            // An error or a network; a damaged number may have become anything.
            let _ = from_weaver(&weights, &Hints { neighbours: Some(4) });
        }
    }
}
