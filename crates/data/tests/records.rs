//! Records in files: their members as columns, and four-vectors as they are.
#![allow(clippy::print_stderr, reason = "a test says that it was skipped")]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use arrow_select::filter::filter;
use fiducial_data::expr::Expr;
use fiducial_data::hist::{Spec, fill};
use fiducial_data::source::{self, Source};
use fiducial_data::view::View;
use fiducial_root::Axis;
use parquet::arrow::ArrowWriter;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Two lists of muons: of two and of one.
fn muons() -> Result<ArrayRef> {
    let floats = |values: [f32; 3]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let columns = [
        ("pt", floats([30.0, 20.0, 10.0])),
        ("eta", floats([0.0, 1.0, -1.0])),
        ("phi", floats([0.0, 3.0, 1.0])),
        ("mass", floats([0.1, 0.1, 0.1])),
        ("charge", Arc::new(Int32Array::from(vec![1, -1, 1]))),
        ("algorithm", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
    ];
    let field = |(name, array): (&str, ArrayRef)| {
        (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
    };
    let records: ArrayRef = Arc::new(StructArray::from(columns.map(field).to_vec()));
    let item = Arc::new(Field::new("item", records.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths([2, 1]), records, None)?))
}

/// A vertex for each row, as ROOT keeps a `TLorentzVector`; and one that is missing in the second row.
fn vertices() -> Result<(ArrayRef, ArrayRef)> {
    let floats = |values: [f32; 2]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let number = |name: &str| Field::new(name, DataType::Float32, false);
    let space = Fields::from(vec![number("fX"), number("fY"), number("fZ")]);
    let momentum = StructArray::try_new(
        space.clone(),
        vec![floats([3.0, 0.0]), floats([4.0, 1.0]), floats([0.0, 2.0])],
        None,
    )?;
    let vector = Fields::from(vec![Field::new("fP", DataType::Struct(space), false), number("fE")]);
    let columns: Vec<ArrayRef> = vec![Arc::new(momentum), floats([13.0, 3.0])];
    let there = StructArray::try_new(vector.clone(), columns.clone(), None)?;
    let nulls = NullBuffer::from(vec![true, false]);
    Ok((Arc::new(there), Arc::new(StructArray::try_new(vector, columns, Some(nulls))?)))
}

fn write(path: &Path) -> Result<Box<dyn Source>> {
    let (top, missing) = vertices()?;
    let batch = RecordBatch::try_from_iter([("muon", muons()?), ("top", top), ("missing", missing)])?;
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(source::open(path, None)?)
}

#[test]
fn members_are_columns() -> Result {
    let directory = tempfile::tempdir()?;
    let source = write(&directory.path().join("records.parquet"))?;
    let schema = source.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    for name in
        ["muon", "muon.pt", "muon.algorithm", "muon.energy", "top.fP", "top.fP.fX", "top.fE", "top.mass"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(names.iter().filter(|name| **name == "muon.pt").count(), 1, "a member is not computed again");
    let batch = source.read(&["muon.pt", "top.fP.fX", "top.mass", "muon", "muon.px"], 0..2)?;
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        assert_eq!(Some(field.data_type()), schema.field_with_name(field.name()).ok().map(Field::data_type));
        assert_eq!(field.data_type(), column.data_type());
    }
    let pt = batch.column(0).as_list::<i32>();
    assert_eq!(pt.value_offsets(), [0, 2, 3]);
    assert_eq!(pt.values().as_primitive::<Float32Type>().values().as_ref(), [30.0, 20.0, 10.0]);
    assert_eq!(batch.column(1).as_primitive::<Float32Type>().values().as_ref(), [3.0, 0.0]);
    let mass = batch.column(2).as_primitive::<Float64Type>();
    assert!((mass.value(0) - 12.0).abs() < 1e-12 && (mass.value(1) - 2.0).abs() < 1e-12, "{mass:?}");
    let px = batch.column(4).as_list::<i32>().values().clone();
    let px = px.as_primitive::<Float64Type>();
    assert_eq!(px.value(0), 30.0);
    assert!((px.value(1) - 20.0 * 3f64.cos()).abs() < 1e-12);
    // Rows from the middle of a file, and some of them.
    let batch = source.read(&["muon.charge"], 1..2)?;
    assert_eq!(batch.column(0).as_list::<i32>().value_length(0), 1);
    let batch = source.read_chosen(&["top.pt"], 0..2, &vec![false, true].into())?;
    assert_eq!(batch.column(0).as_primitive::<Float64Type>().values().as_ref(), [1.0]);
    // The members of a record that is missing are missing.
    let batch = source.read(&["missing.fE", "missing.fP.fX"], 0..2)?;
    assert!(batch.columns().iter().all(|column| !column.is_null(0) && column.is_null(1)));
    let error = source.read(&["missing.pt"], 0..2).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("column `missing` is null in row 1"), "{error}");
    let error = source.read(&["muon.ptt"], 0..2).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no such column") && error.contains("muon.pt"), "{error}");
    Ok(())
}

/// The bins of a histogram of 10 GeV width from 0 to 100.
fn histogram(source: Box<dyn Source>, view: &str, expression: &str) -> Result<Vec<f64>> {
    let view = View::parse(&format!("format = \"fiducial-view/1\"\n{view}"))?;
    let axes = vec![(Expr::parse(expression)?, Axis::regular("", 10, 0.0, 100.0))];
    let spec = Spec { name: "test".to_owned(), axes, weight: None };
    Ok(fill(&view, &spec, &[source], &mut |_| {})?.histogram.values())
}

#[test]
fn records_are_four_vectors() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("records.parquet");
    let source = || write(&path);
    // 30 and 20 GeV, back to back but for 0.14 in phi and 1 in eta: m = sqrt(2 * 600 * (cosh 1 - cos 3)).
    let mass: f64 = (1200.0 * (1f64.cosh() - 3f64.cos())).sqrt();
    let pairs = "[new_variables]\nmuons = \"muon\"\npairs = \"combinations(muons, 2)\"";
    let values = histogram(source()?, pairs, "(pairs.a + pairs.b).mass")?;
    let mut expected = [0.0; 12];
    expected[1 + (mass / 10.0) as usize] = 1.0;
    assert_eq!(values, expected);
    let values = histogram(source()?, "selection = \"any(muon.charge < 0)\"", "muon.pt[muon.charge > 0]")?;
    assert_eq!(values[4], 1.0);
    assert_eq!(values.iter().sum::<f64>(), 1.0);
    let values = histogram(source()?, "", "muon[muon.pt > 15].pt")?;
    assert_eq!((values[3], values[4], values.iter().sum::<f64>()), (1.0, 1.0, 2.0));
    // A record's four-vector is made of its members, whatever they are called.
    let values = histogram(source()?, "", "(top.mass + top.pt) * 2")?;
    assert_eq!((values[1 + 3], values[1]), (1.0, 1.0));
    Ok(())
}

#[test]
fn four_vectors_of_root() -> Result {
    let path = Path::new("../../../shared/data/root/uproot-HZZ-objects.root");
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return Ok(());
    }
    let source = source::open(path, Some("events"))?;
    let (rows, names) = (source.rows(), ["muonp4.pt", "muonp4.fP.fX", "muonp4.fP.fY", "muonp4.mass"]);
    let batch = source.read(&names, 0..rows)?;
    let lists = |i: usize| batch.column(i).as_list::<i32>().values().clone();
    let [pt, x, y, mass] = [0, 1, 2, 3].map(lists);
    let numbers = |array: &ArrayRef| array.as_primitive::<Float64Type>().values().to_vec();
    let (pt, x, y, mass) = (numbers(&pt), numbers(&x), numbers(&y), numbers(&mass));
    assert_eq!(pt.len(), 3825);
    assert!(pt.iter().zip(x.iter().zip(&y)).all(|(pt, (x, y))| (pt - x.hypot(*y)).abs() < 1e-9 * pt));
    assert!(mass.iter().all(|mass| (0.0..1.0).contains(&mass.abs())), "{mass:?}");
    Ok(())
}

/// `TTree::Draw` and uproot understand `Jet.PT` for the branch `Jet/Jet.PT` of Delphes; here it was no column.
#[test]
fn branches_within_others_have_short_names() -> Result {
    let fixtures = Path::new("../root/tests/fixtures");
    let source = source::open(&fixtures.join("objects.root"), Some("objects"))?;
    let (short, full) = ("split_hits.id", "split_hits/split_hits.id");
    assert_eq!((source.original(short), source.original(full)), (Some(full), None));
    let rows = source.rows();
    let batch = source.read(&[short, "split_hits.plain", full, short], 0..rows)?;
    assert_eq!(batch.schema().field(0).name(), short);
    assert_eq!(batch.schema().field(2).name(), full);
    assert_eq!((batch.column(0), batch.column(0)), (batch.column(2), batch.column(3)));
    assert_eq!(batch.column(1), source.read(&["split_hits/split_hits.plain"], 0..rows)?.column(0));
    let chosen: BooleanArray = (0..rows).map(|row| Some(row % 2 == 1)).collect();
    let odd = source.read_chosen(&[short], 0..rows, &chosen)?;
    assert_eq!(odd.column(0), &filter(batch.column(0), &chosen)?);
    assert_eq!(source.decoded_bytes(&[short], &(0..rows)), source.decoded_bytes(&[full], &(0..rows)));
    // Those who want all columns get each once.
    let all = source::matching_columns(&*source, &["*"])?;
    assert!(all.iter().any(|name| name == full) && all.iter().all(|name| source.original(name).is_none()));
    assert_eq!(source::matching_columns(&*source, &["*_hits.id"])?, [full]);
    assert_eq!(source::matching_columns(&*source, &["split_hits.i*"])?, [short]);
    Ok(())
}
