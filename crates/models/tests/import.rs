//! State dicts of PyTorch: networks of weaver-core give the outputs that weaver-core gave, and hostile files an error.
//!
//! `weaver/make_fixtures.py` made the files.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};

use fiducial_models::import::{Hints, StateDict, from_weaver};
use fiducial_models::{Inputs, Network, PaddedGroups};
use safetensors::SafeTensors;

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
        ..PaddedGroups::default()
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
        Inputs::pack(&PaddedGroups {
            jets: 1,
            length: 2,
            points: Some(&points),
            features: &features,
            ..Default::default()
        })
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
    for (bytes, expected) in
        [(&b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."[..], "before 1.6"), (&[], "no zip archive")]
    {
        let error = StateDict::parse("old.pt", bytes).unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("load old.pt"), "{error}");
    }
}

/// A zip archive of entries with their method: 0 for stored, 8 for deflated. Sums are left out.
fn archive(entries: &[(String, u16, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, method, content) in entries {
        let at = file.len() as u32;
        let common = [
            &[20, 0, 0, 0][..],
            &method.to_le_bytes(),
            &[0; 8],
            &(content.len() as u32).to_le_bytes(),
            &(content.len() as u32).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        directory.extend(
            [b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat(),
        );
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
    }
    let at = (file.len() as u32).to_le_bytes();
    let number = (entries.len() as u16).to_le_bytes();
    let length = (directory.len() as u32).to_le_bytes();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &number, &number, &length, &at, &[0; 2]].concat()
}

/// The pickle and the storages of a small file, as `change` wants them.
fn rewritten(change: impl Fn(&str, Vec<u8>) -> (u16, Vec<u8>)) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n".to_vec();
    pickle.extend(b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x03tQ");
    pickle.extend(b"K\0K\x03\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.");
    let numbers = [1.0_f32, 2.0, -3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let entries = [("a/data.pkl", pickle), ("a/byteorder", b"little".to_vec()), ("a/data/0", numbers)];
    let entries = entries.map(|(name, content)| {
        let (method, content) = change(name, content);
        (name.to_owned(), method, content)
    });
    archive(&entries)
}

#[test]
fn hostile_archives_are_errors() {
    let check = |bytes: &[u8], expected: &str| {
        let error = StateDict::parse("bad.pt", bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    };
    let whole = StateDict::parse("whole.pt", &rewritten(|_, content| (0, content))).unwrap();
    assert_eq!(whole.shapes().collect::<Vec<_>>(), [("w", &[3][..])]);
    // A zip bomb is small because it is packed, and nothing here is unpacked.
    let is = |name: &str, part: &str| name.ends_with(part);
    let packed = rewritten(|name, content| (if is(name, "data/0") { 8 } else { 0 }, content));
    check(&packed, "is compressed, which PyTorch does not do");
    let shell = b"\x80\x02cposix\nsystem\n(X\x02\x00\x00\x00lstR.".to_vec();
    let shell = rewritten(|name, content| (0, if is(name, "data.pkl") { shell.clone() } else { content }));
    check(&shell, "it names \"posix\" \"system\"");
    let short =
        rewritten(|name, content| (0, if is(name, "data/0") { content[..4].to_vec() } else { content }));
    check(&short, "its storage has 1 numbers, not 3");
    let big = rewritten(|name, content| (0, if is(name, "byteorder") { b"big".to_vec() } else { content }));
    check(&big, "big-endian");
    // A tensor without strides asks for two milliard copies of one number.
    let sizes = rewritten(|name, content| {
        let mut content = content;
        if is(name, "data.pkl") {
            let place = content.windows(4).position(|bytes| bytes == b"K\x03\x85K").unwrap();
            content.splice(place..place + 5, *b"J\xff\xff\xff\x7f\x85K\x00");
        }
        (0, content)
    });
    check(&sizes, "more numbers than it has bytes");
    check(&archive(&[]), "no data.pkl");
    let twice = [("x".to_owned(), 0, vec![1]), ("x".to_owned(), 0, vec![2])];
    check(&archive(&twice), "the entry x twice");
    // A flipped bit of the numbers of a file with sums.
    let mut damaged = std::fs::read(fixture("particle_net.pt")).unwrap();
    let place = damaged.windows(13).position(|bytes| bytes == b"particle_net/").unwrap() + 5000;
    damaged[place] ^= 1;
    check(&damaged, "is damaged: its CRC-32 is");
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
