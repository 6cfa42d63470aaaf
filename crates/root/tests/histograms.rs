//! Histograms and other objects: as ROOT itself describes them, and as uproot and boost-histogram read them.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fiducial_root::{Histogram, Members, Object, RootFile, Value};
use serde_json::Value as Json;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open() -> RootFile {
    RootFile::open(fixture("histograms.root")).expect("the fixture opens")
}

/// What a Python script of this directory answers to a text.
fn ask(python: &str, script: &str, text: &str) -> String {
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    // The script reads all before it answers.
    child.stdin.take().expect("it has an input").write_all(text.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).expect("it prints text")
}

#[allow(clippy::panic, reason = "it is a part of tests")]
fn histogram(file: &RootFile, name: &str) -> Histogram {
    match file.object(name) {
        Ok(Object::Histogram(histogram)) => *histogram,
        found => panic!("{name}: {found:?}"),
    }
}

/// A number of the expected values; "nan" and "inf" are texts.
fn number(value: &Json) -> f64 {
    match value.as_str() {
        Some(text) => text.parse().expect("the expected text is a number"),
        None => value.as_f64().expect("the expected value is a number"),
    }
}

/// Equal but for the last digits, which depend on the order of operations.
fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
        let same =
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1e-3);
        assert!(same, "{what}[{i}]: {a} instead of {b}");
    }
}

#[test]
fn histograms_are_what_root_says() {
    let file = open();
    let text = std::fs::read_to_string(fixture("histograms.json")).expect("the expected values are there");
    let expected: Json = serde_json::from_str(&text).expect("the expected values are JSON");
    for (name, expected) in expected.as_object().expect("an object") {
        let found = histogram(&file, name);
        let list =
            |key: &str| -> Vec<f64> { expected[key].as_array().into_iter().flatten().map(number).collect() };
        assert_eq!(found.class_name, expected["class"], "{name}");
        assert_eq!(found.title, expected["title"], "{name}");
        assert_eq!(found.entries, number(&expected["entries"]), "{name}");
        assert_eq!(found.axes.len(), expected["axes"].as_array().map_or(0, Vec::len), "{name}");
        for (axis, expected) in found.axes.iter().zip(expected["axes"].as_array().into_iter().flatten()) {
            assert_eq!(axis.title, expected["title"], "{name}");
            let edges: Vec<f64> = expected["edges"].as_array().into_iter().flatten().map(number).collect();
            close(&axis.edges(), &edges, name);
            assert_eq!(serde_json::to_value(&axis.labels).expect("it is JSON"), expected["labels"], "{name}");
        }
        close(&found.values(), &list("values"), &format!("{name}: values"));
        close(&found.variances(), &list("variances"), &format!("{name}: variances"));
        close(&[found.integral()], &[number(&expected["integral"])], &format!("{name}: integral"));
        if found.is_profile() {
            close(&found.effective_entries(), &list("bin_entries"), &format!("{name}: entries"));
        }
    }
}

#[test]
fn other_objects_have_known_values() {
    let file = open();
    let object = |name: &str| file.object(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (name, class, expected) in [
        ("lumi", "TParameter<double>", Value::Float(137.5)),
        ("runs", "TParameter<int>", Value::Int(-3)),
        ("events", "TParameter<Long64_t>", Value::Int(1 << 40)),
        ("is_data", "TParameter<bool>", Value::Bool(true)),
    ] {
        let Object::Parameter(found) = object(name) else { panic!("{name}") };
        assert_eq!((found.class_name.as_str(), found.name.as_str(), found.value), (class, name, expected));
    }
    for (name, class, own, text) in [
        ("tag", "TNamed", "tag", "v15"),
        ("text", "TObjString", "", "hello"),
        ("std_string", "string", "", "a string"),
    ] {
        let Object::Text(found) = object(name) else { panic!("{name}") };
        assert_eq!((found.class_name.as_str(), found.name.as_str(), found.text.as_str()), (class, own, text));
    }
    let (low, high) = (vec![0.1, 0.2, 0.3], vec![0.4, 0.5, 0.6]);
    for (name, class, x_errors, y_errors) in [
        ("graph", "TGraph", None, None),
        ("graph_errors", "TGraphErrors", Some((&low, &low)), Some((&high, &high))),
        ("graph_asymm", "TGraphAsymmErrors", Some((&low, &high)), Some((&high, &low))),
    ] {
        let Object::Graph(found) = object(name) else { panic!("{name}") };
        let owned =
            |pair: Option<(&Vec<f64>, &Vec<f64>)>| pair.map(|(low, high)| (low.clone(), high.clone()));
        assert_eq!((found.class_name.as_str(), found.name.as_str()), (class, name));
        assert_eq!((found.x, found.y), (vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.5]));
        assert_eq!((found.x_errors, found.y_errors), (owned(x_errors), owned(y_errors)), "{name}");
    }
    let Object::Efficiency(efficiency) = object("efficiency") else { panic!("efficiency") };
    assert_eq!((efficiency.title.as_str(), efficiency.statistic), ("half", 6));
    assert_eq!((efficiency.prior, efficiency.weight), ((1.0, 1.0), 1.0));
    assert!((efficiency.confidence - 0.682_689_492_137).abs() < 1e-12, "{}", efficiency.confidence);
    let halves = efficiency.total.values().into_iter().map(|n| Some((n / 2.0).floor() / n));
    assert_eq!(efficiency.values(), halves.collect::<Vec<_>>());
    for (name, class, json) in
        [("floats", "vector<float>", "[1.0,2.5]"), ("map", "map<string,int>", r#"[["a",1],["b",2]]"#)]
    {
        let Object::Other(found) = object(name) else { panic!("{name}") };
        assert_eq!((found.class_name.as_str(), found.value.to_json().as_str()), (class, json));
    }
    for (name, elements) in [
        ("vector", vec![0.5, 1.5, 2.5]),
        ("matrix", vec![0.0, 1.0, 10.0, 11.0]),
        // The diagonal and what is above it.
        ("symmetric", vec![0.0, 1.0, 2.0]),
    ] {
        let Object::Other(found) = object(name) else { panic!("{name}") };
        let Value::Object(members) = &found.value else { panic!("{name}: {found:?}") };
        assert_eq!(members.get("fElements"), Some(&Value::Floats(elements)), "{name}");
    }
}

#[test]
fn what_is_in_a_list_can_be_looked_at_as_what_it_is() {
    let file = open();
    let items = |name: &str| match file.object(name) {
        Ok(Object::Other(other)) => other.value,
        found => panic!("{name}: {found:?}"),
    };
    let Value::List(list) = items("list") else { panic!("list") };
    let [Value::Object(inner), Value::Object(shared), again] = &list[..] else { panic!("{list:?}") };
    let Ok(Object::Histogram(inner)) = inner.typed() else { panic!("{inner:?}") };
    assert_eq!((inner.name.as_str(), inner.entries, inner.axes[0].bins), ("inner", 60.0, 2));
    assert_eq!(shared.get("fTitle"), Some(&Value::Text("once".into())));
    assert_eq!(*again, Value::Reference(shared.number));
    let text = |members: &Members| members.get("fString").cloned();
    let Value::List(array) = items("array") else { panic!("array") };
    let [Value::Object(item)] = &array[..] else { panic!("{array:?}") };
    assert_eq!(text(item), Some(Value::Text("value".into())));
    let Value::Map(pairs) = items("pairs") else { panic!("pairs") };
    let [(Value::Object(key), Value::Object(value))] = &pairs[..] else { panic!("{pairs:?}") };
    assert_eq!(
        (text(key), text(value)),
        (Some(Value::Text("key".into())), Some(Value::Text("value".into())))
    );
}

#[test]
fn the_highest_cycle_is_read_unless_another_is_asked_for() {
    let file = open();
    for (name, title) in [("cycles", "second"), ("cycles;2", "second"), ("cycles;1", "first")] {
        assert_eq!(histogram(&file, name).title, title, "{name}");
    }
    for (name, part) in
        [("cycles;3", "there is a TH1D, cycle"), ("nothing", "\"nothing\""), ("plots", "TDirectory")]
    {
        let error = file.object(name).expect_err("there is no such object").to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
}

/// What stands around the first value that could not be read.
fn unread(json: &str) -> &str {
    let at = json.find("_unread").unwrap_or(0);
    let end = json[at..].char_indices().nth(150).map_or(json.len(), |(end, _)| at + end);
    &json[at..end]
}

/// Every object of the real files is read, or is named here with the reason.
#[test]
fn objects_of_real_files_are_read() {
    let known = [
        "TGeoManager", // its volumes and shapes have streamers of their own
    ];
    for path in common::shared_files().into_iter().chain([fixture("histograms.root")]) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(file) = RootFile::open(&path) else { continue };
        let Ok(keys) = file.keys() else { continue };
        let skipped = ["TTree", "TNtuple", "TDirectory", "TDirectoryFile", "ROOT::RNTuple"];
        for key in keys.iter().filter(|key| !skipped.contains(&key.class_name.as_str())) {
            let object = file.object_at(key).unwrap_or_else(|error| panic!("{name}: {error}"));
            if let Object::Other(other) = &object {
                let json = other.value.to_json();
                let fine = !json.contains("_unread") || known.contains(&key.class_name.as_str());
                assert!(fine, "{name}: {}: {}", key.path, unread(&json));
            }
        }
    }
}

/// boost-histogram reads our UHI, which fits the schema, and has the values that uproot gives it.
#[test]
fn boost_histogram_reads_what_uproot_reads() {
    let Some(python) = common::python() else { return };
    let mut lines = String::new();
    let mut compared = 0;
    for path in common::shared_files().into_iter().chain([fixture("histograms.root")]) {
        let Ok(file) = RootFile::open(&path) else { continue };
        let Ok(keys) = file.keys() else { continue };
        for key in &keys {
            if let Ok(Object::Histogram(histogram)) = file.object_at(key) {
                let name = format!("{};{}", key.path, key.cycle);
                lines += &format!("{}\n{name}\n{}\n", path.display(), histogram.to_uhi_json());
                compared += 1;
            }
        }
    }
    let wrong = ask(&python, "uhi_compare.py", &lines);
    assert!(wrong.is_empty(), "of {compared}:\n{wrong}");
    assert!(compared > 30, "{compared} histograms were compared");
}

/// ROOT itself shows these numbers (`make_buffered.py`).
#[test]
fn fills_in_a_buffer_are_put_into_bins() {
    let file = RootFile::open(fixture("buffered.root")).expect("the fixture opens");
    let tenth = f64::from(0.1f32);
    let check = |name: &str, entries: f64, values: &[f64], squares: Option<&[f64]>, sums: &[f64]| {
        let found = histogram(&file, name);
        assert_eq!((found.entries, found.values()), (entries, values.to_vec()), "{name}");
        assert_eq!(found.is_weighted(), squares.is_some(), "{name}");
        if let Some(squares) = squares {
            assert_eq!(found.variances(), squares, "{name}");
        }
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs();
        assert!(found.sums.len() == sums.len() && found.sums.iter().zip(sums).all(close), "{:?}", found.sums);
    };
    let weights = [1.0, 1.0, tenth, 0.0, 2.25, 4.0];
    let squares = [1.0, 1.0, 0.1 * 0.1, 0.0, 5.0625, 10.0];
    check("ignored", 6.0, &weights, Some(&squares), &[3.35, 6.0725, 9.649775, 36.4732000225]);
    check("considered", 6.0, &weights, Some(&squares), &[8.35, 17.0725, 39.649775, 296.4732000225]);
    let mut two = [0.0; 20];
    for (x, y, n) in [(1, 1, 1.0), (2, 3, 2.0), (3, 2, 1.0), (1, 0, 1.0)] {
        two[5 * x + y] = n;
    }
    check("two", 5.0, &two, None, &[3.0, 3.0, 6.5, 18.25, 5.7, 13.79, 15.85]);
    let mut three = [0.0; 60];
    for (x, y, z) in [(1, 1, 1), (2, 3, 1), (3, 2, 1)] {
        three[15 * x + 3 * y + z] = 1.0;
    }
    let sums = [2.0, 2.0, 3.5, 9.25, 3.0, 6.5, 7.75, 0.7, 0.29, 0.85, 0.75];
    check("three", 3.0, &three, None, &sums);
    let error = file.object("limits").expect_err("limits are chosen by ROOT").to_string();
    assert!(error.contains("3 fills are still in its buffer"), "{error}");
}
