//! Histograms that are written: as we read them back, and as uproot and, where it is there, ROOT do.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fiducial_root::{Axis, Bins, Compression, Histogram, Object, RootFile, RootWriter};

/// Numbers that are none of those by which mistakes hide: no two are equal.
fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i * i) as f64 * 0.25 - 3.0).collect()
}

fn axes(n: usize) -> Vec<Axis> {
    let mut middle = Axis::variable("y [cm]", vec![-1.0, 0.5, 0.75, 8.0]);
    middle.labels = vec![(0, "low".into()), (2, "high \"ü\"".into())];
    let mut last = Axis::regular("z", 2, 0.0, 1.0);
    last.labels = vec![(0, "no".into()), (1, "yes".into())];
    [Axis::regular("x [GeV]", 4, -2.0, 6.0), middle, last][..n].to_vec()
}

/// A histogram of each kind that can be written, by the name that it gets.
fn histograms() -> Vec<(String, Histogram)> {
    let mut out = Vec::new();
    for dimensions in 1..=3 {
        for weighted in [false, true] {
            for letter in ["F", "D"] {
                let axes = axes(dimensions);
                let cells = axes.iter().map(|axis| axis.bins + 2).product();
                let squares = weighted.then(|| numbers(cells).iter().map(|x| x * x + 1.0).collect());
                let name = format!("h{dimensions}{}{}", letter.to_lowercase(), u8::from(weighted));
                let mut histogram = Histogram::new(&name, "a title", axes, numbers(cells), squares)
                    .expect("the parts fit together");
                histogram.class_name = format!("TH{dimensions}{letter}");
                histogram.label = "events".into();
                // A histogram of three dimensions has no axis left for it.
                if dimensions == 3 {
                    histogram.label.clear();
                }
                out.push((format!("plots/{name}"), histogram));
            }
        }
    }
    // Labels along the only axis, and names longer than a byte can count.
    let long = "x".repeat(300);
    let mut histogram = Histogram::new(&long, &long, vec![Axis::regular("", 1, 0.0, 1.0)], numbers(3), None)
        .expect("the parts fit together");
    histogram.entries = 17.5;
    histogram.sums = vec![1.0, 2.0, 3.0, 4.0];
    out.push((long, histogram));
    out
}

fn write(path: &Path, compression: Compression) {
    let mut writer = RootWriter::create(path, compression).expect("the file can be made");
    for (name, histogram) in histograms() {
        writer.histogram(&name, &histogram).expect("the histogram is written");
    }
    writer.finish().expect("the file is finished");
}

#[test]
fn written_histograms_are_read_back_equal() {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    for (i, compression) in [Compression::NONE, Compression::zstd(5)].into_iter().enumerate() {
        let path = dir.path().join(format!("{i}.root"));
        write(&path, compression);
        let file = RootFile::open(&path).expect("it opens");
        for (name, expected) in histograms() {
            match file.object(&name) {
                Ok(Object::Histogram(found)) => assert_eq!(*found, expected, "{name}"),
                found => panic!("{name}: {found:?}"),
            }
        }
    }
}

#[test]
fn what_was_read_can_be_written() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/histograms.root");
    let file = RootFile::open(fixture).expect("the fixture opens");
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let path = dir.path().join("copies.root");
    let mut writer = RootWriter::create(&path, Compression::zlib(1)).expect("the file can be made");
    let mut written = Vec::new();
    for key in file.keys().expect("the fixture is right") {
        let Ok(Object::Histogram(histogram)) = file.object_at(&key) else { continue };
        if key.path == "cycles" && key.cycle == 1 {
            continue; // a later cycle hides it
        }
        match writer.histogram(&key.path, &histogram) {
            Ok(()) => written.push((key.path, *histogram)),
            Err(error) => {
                assert!(histogram.is_profile(), "{error}");
                assert!(error.to_string().contains("profiles are not written"), "{error}");
            }
        }
    }
    writer.finish().expect("the file is finished");
    let copies = RootFile::open(&path).expect("it opens");
    assert!(written.len() > 20);
    for (name, mut expected) in written {
        let Ok(Object::Histogram(found)) = copies.object(&name) else { panic!("{name}") };
        // Numbers of other types become doubles.
        if !expected.class_name.ends_with('F') {
            expected.class_name = format!("TH{}D", expected.axes.len());
        }
        // What is not a number is not equal to itself.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{name}");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let path = dir.path().join("refused.root");
    let mut writer = RootWriter::create(&path, Compression::NONE).expect("the file can be made");
    let (_, good) = histograms().swap_remove(0);
    let cut = Bins::Sums { values: vec![1.0], squares: None };
    for (histogram, reason) in [
        (Histogram { bins: cut, ..good.clone() }, "need 6 values"),
        (Histogram { axes: Vec::new(), ..good }, "one to three axes"),
    ] {
        let error = writer.histogram("h", &histogram).expect_err("it does not fit").to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// uproot, and ROOT where this Python has it, read what was written: a line for each difference.
#[test]
fn others_read_what_was_written() {
    let Some(python) = common::python() else { return };
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let path = dir.path().join("written.root");
    write(&path, Compression::zstd(5));
    let mut lines = String::new();
    for (name, histogram) in histograms() {
        let edges: Vec<Vec<f64>> = histogram.axes.iter().map(Axis::edges).collect();
        let labels: Vec<_> = histogram.axes.iter().map(|axis| &axis.labels).collect();
        let titles: Vec<_> = histogram.axes.iter().map(|axis| &axis.title).collect();
        let expected = serde_json::json!({
            "path": name, "class": histogram.class_name, "name": histogram.name, "title": histogram.title,
            "shape": histogram.shape(), "edges": edges, "labels": labels, "titles": titles, "label": histogram.label,
            "entries": histogram.entries, "sums": histogram.sums, "values": histogram.values(),
            "variances": histogram.variances(),
        });
        lines += &format!("{expected}\n");
    }
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/written_histograms.py"))
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    child.stdin.take().expect("it has an input").write_all(lines.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the script failed");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
