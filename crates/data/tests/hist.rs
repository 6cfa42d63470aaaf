//! Histograms: NumPy's and boost-histogram's bins, the same at any number of threads, and pictures.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, ListArray, RecordBatch};
use fiducial_data::expr::Expr;
use fiducial_data::hist::{Filled, Format, Spec, fill, save, scene, to_png, to_svg, to_text};
use fiducial_data::source::{self, Error, Source};
use fiducial_data::view::View;
use fiducial_root::Axis;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/jet-tagging/top/sample/top_tagging.root")
}

fn view(selection: &str) -> View {
    let text = format!(
        "format = \"fiducial-view/1\"\nselection = [{selection}]\n[new_variables]\npart_pt = \"hypot(part_px, part_py)\""
    );
    View::parse(&text).unwrap()
}

fn spec(axes: &[(&str, Axis)], weight: Option<&str>) -> Spec {
    let axes = axes.iter().map(|(text, axis)| (Expr::parse(text).unwrap(), axis.clone())).collect();
    Spec { name: "h".to_owned(), axes, weight: weight.map(|text| Expr::parse(text).unwrap()) }
}

/// The histograms that `hist.py` fills too.
fn three() -> [Spec; 3] {
    let pt = |bins| ("jet_pt", Axis::regular("jet_pt", bins, 560.0, 640.0));
    let edges = Axis::variable("part_pt", vec![0.0, 0.5, 1.0, 5.0, 20.0, 100.0]);
    [
        spec(&[pt(40)], Some("jet_mass")),
        spec(&[("part_pt", edges)], Some("jet_mass")),
        spec(&[pt(10), ("jet_eta", Axis::regular("jet_eta", 8, -2.0, 2.0))], None),
    ]
}

fn filled(spec: &Spec) -> Filled {
    let source = source::open(&sample(), Some("tree")).unwrap();
    fill(&view("\"jet_pt > 560\""), spec, &[source], &mut |_| {}).unwrap()
}

#[test]
fn bins_are_boost_histograms() {
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let ours: Vec<Filled> = three().iter().map(filled).collect();
    let mut files = Vec::new();
    for (i, filled) in ours.iter().enumerate() {
        let path = directory.path().join(format!("{i}.json"));
        save(&filled.histogram, &path, Format::of(&path).unwrap()).unwrap();
        files.push(path);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hist.py");
    let output = Command::new(python).arg(script).arg(sample()).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let flat = |value: &serde_json::Value| -> Vec<f64> {
        let rows = value.as_array().unwrap();
        let row = |row: &serde_json::Value| match row.as_array() {
            Some(row) => row.iter().map(|x| x.as_f64().unwrap()).collect(),
            None => vec![row.as_f64().unwrap()],
        };
        rows.iter().flat_map(row).collect()
    };
    for (i, (name, filled)) in ["one", "items", "two"].iter().zip(&ours).enumerate() {
        for (what, numbers) in
            [("values", filled.histogram.values()), ("variances", filled.histogram.variances())]
        {
            for peer in [flat(&theirs[*name][what]), flat(&theirs["read"][i][what])] {
                assert_eq!(numbers.len(), peer.len(), "{name} {what}");
                let equal = numbers.iter().zip(&peer).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs());
                assert!(equal, "{name} {what}: {numbers:?} and {peer:?}");
            }
        }
    }
}

#[test]
fn threads_do_not_matter_and_files_are_whole() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for spec in three() {
        let one = pool(1).install(|| filled(&spec));
        assert_eq!(one, pool(3).install(|| filled(&spec)));
        assert_eq!((one.rows, one.passed.len()), (40_000, 1));
        let path = directory.path().join("h.root");
        save(&one.histogram, &path, Format::Root).unwrap();
        let read = fiducial_root::RootFile::open(&path).unwrap().object("h").unwrap();
        let fiducial_root::Object::Histogram(read) = read else { panic!("{read:?}") };
        assert_eq!((read.values(), read.sums.clone()), (one.histogram.values(), one.histogram.sums.clone()));
        let picture = to_png(&scene(&one.histogram)).unwrap();
        assert_eq!(picture, to_png(&scene(&one.histogram)).unwrap());
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5000);
        let svg = to_svg(&scene(&one.histogram));
        assert!(svg.ends_with("</svg>\n") && svg.matches("<text").count() > 8, "{svg}");
    }
}

/// A source in memory.
struct Memory(RecordBatch);

impl Source for Memory {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn rows(&self) -> u64 {
        self.0.num_rows() as u64
    }

    fn schema(&self) -> arrow_schema::SchemaRef {
        self.0.schema()
    }

    fn partitions(&self) -> Vec<std::ops::Range<u64>> {
        (0..self.rows()).map(|row| row..row + 1).collect()
    }

    fn read(&self, columns: &[&str], rows: std::ops::Range<u64>) -> Result<RecordBatch, Error> {
        let places: Vec<usize> = columns.iter().map(|name| self.0.schema().index_of(name).unwrap()).collect();
        Ok(self.0.project(&places).unwrap().slice(rows.start as usize, (rows.end - rows.start) as usize))
    }
}

fn memory() -> [Box<dyn Source>; 1] {
    let list = |rows: &[&[f64]]| {
        let rows = rows.iter().map(|row| Some(row.iter().map(|x| Some(*x)).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows)) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter([
        ("x", list(&[&[0.5, 1.5, f64::NAN], &[], &[2.5]])),
        ("other", list(&[&[1.0], &[], &[2.0]])),
        ("w", Arc::new(Float64Array::from(vec![2.0, f64::NAN, -1.0])) as ArrayRef),
    ]);
    [Box::new(Memory(batch.unwrap()))]
}

#[test]
fn items_weights_and_what_is_not_a_number() {
    let view = View::parse("format = \"fiducial-view/1\"").unwrap();
    let axis = Axis::regular("x", 2, 0.0, 2.0);
    let filled = fill(&view, &spec(&[("x", axis.clone())], Some("w")), &memory(), &mut |_| {}).unwrap();
    // The NaN of the first row's list counts; the weight of the row without items is never used.
    assert_eq!((filled.nan, filled.histogram.entries), (1, 3.0));
    assert_eq!(filled.histogram.values(), [0.0, 2.0, 2.0, -1.0]);
    assert_eq!(filled.histogram.variances(), [0.0, 4.0, 4.0, 1.0]);
    let rows =
        fill(&view, &spec(&[("w", Axis::regular("w", 1, 0.0, 5.0))], None), &memory(), &mut |_| {}).unwrap();
    assert_eq!((rows.nan, rows.histogram.values()), (1, vec![1.0, 1.0, 0.0]));
    let error =
        fill(&view, &spec(&[("x", axis.clone()), ("other", axis.clone())], None), &memory(), &mut |_| {});
    let error = error.unwrap_err().to_string();
    let expected = "`x` has 3 items and `other` has 1: axes and weight need equal numbers of items";
    assert!(error.contains(expected) && error.contains("row 0 of memory"), "{error}");
    // Items of an outer list count for all that is in its inner lists.
    let nested = spec(&[("cartesian(x, other, nested=True).b", axis.clone())], Some("ones_like(x) * 2"));
    let filled = fill(&view, &nested, &memory(), &mut |_| {}).unwrap();
    assert_eq!(filled.histogram.values(), [0.0, 0.0, 6.0, 2.0]);
    let error = fill(&view, &spec(&[], None), &memory(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("0 axes"), "{error}");
    let real = source::open(&sample(), Some("tree")).unwrap();
    let error = fill(&view, &spec(&[("nothing", axis)], None), &[real], &mut |_| {}).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("nothing"), "{error}");
}

#[test]
fn a_terminal_shows_it() {
    let view = View::parse("format = \"fiducial-view/1\"").unwrap();
    let filled =
        fill(&view, &spec(&[("x", Axis::regular("x", 4, 0.0, 4.0))], None), &memory(), &mut |_| {}).unwrap();
    let text = to_text(&filled.histogram, 30);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 19, "{text}");
    assert_eq!(lines[0], "         1│████████████", "{text}");
    assert_eq!(lines[16], "          └────────────────", "{text}");
    assert_eq!(lines[17], "           0      x       4", "{text}");
    assert_eq!(lines[18], "x: 3 entries, 3 ± 1.7 within range, mean 1.50 ± 0.47, width 0.82", "{text}");

    // Bins of other widths say so, and of one entry no mean has an error.
    let uneven = Axis::variable("x", vec![0.0, 1.0, 10.0]);
    let filled = fill(&view, &spec(&[("x[1:2]", uneven)], None), &memory(), &mut |_| {}).unwrap();
    let text = to_text(&filled.histogram, 80);
    assert!(text.contains("bins differ in width and are drawn alike: 0, 1, 10\n"), "{text}");
    assert!(text.contains("mean ") && !text.contains("± 0,"), "{text}");
}
