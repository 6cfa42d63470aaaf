//! The guide to the expression language is what the code does: its examples, and its table of functions.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{Field, Schema};
use fiducial_data::expr::{Data, Environment, Expr, Values, functions};
use fiducial_data::source::UNIT;

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/expressions.md")
}

fn list(lengths: &[usize], items: ArrayRef) -> ArrayRef {
    let field = Arc::new(Field::new("item", items.data_type().clone(), false));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), items, None))
}

/// The events of the guide.
fn batch() -> RecordBatch {
    let floats = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let integers = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let jets = |values: &[f64]| list(&[3, 0, 2], floats(values));
    let columns = [
        ("event", integers(&[1, 2, 9_007_199_254_740_993]), None),
        ("MET_pt", floats(&[20.0, 45.0, 60.0]), None),
        ("Jet_pt", jets(&[50.0, 30.0, 20.0, 80.0, 40.0]), Some("GeV")),
        ("Jet_eta", jets(&[0.5, -2.0, 1.0, 0.0, 2.5]), None),
        ("Jet_phi", jets(&[0.0, 1.0, 3.0, -3.0, 0.5]), None),
        ("Jet_mass", jets(&[5.0, 4.0, 3.0, 10.0, 6.0]), Some("GeV")),
        ("Jet_muon", list(&[3, 0, 2], integers(&[-1, 0, -1, -1, -1])), None),
        ("Muon_pt", list(&[1, 2, 0], floats(&[25.0, 40.0, 30.0])), None),
        ("Muon_charge", list(&[1, 2, 0], integers(&[1, 1, -1])), None),
        ("vertex_z", floats(&[0.5, -1.0, 2.0]), Some("mm")),
        ("cell", list(&[3, 0, 2], list(&[2, 1, 0, 1, 2], floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))), None),
    ];
    let fields = columns.iter().map(|(name, array, unit)| {
        let metadata = unit.map(|unit: &str| (UNIT.to_owned(), unit.to_owned()));
        Field::new(*name, array.data_type().clone(), false).with_metadata(metadata.into_iter().collect())
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.map(|(_, array, _)| array).to_vec()).unwrap()
}

/// As the guide writes values: `[[1.0], []]`.
fn show(values: &Values) -> String {
    let mut items: Vec<String> = match values.data() {
        Data::Numbers(numbers) => numbers.iter().map(|x| format!("{x:?}")).collect(),
        Data::Integers(integers) => integers.iter().map(i64::to_string).collect(),
        Data::Booleans(booleans) => booleans.iter().map(|b| b.to_string()).collect(),
    };
    if !values.is_jagged() && *values.shape() == fiducial_data::expr::Shape::Scalar {
        return items.remove(0);
    }
    for offsets in values.shape().levels().iter().rev() {
        let lists = offsets
            .windows(2)
            .map(|ends| format!("[{}]", items[ends[0] as usize..ends[1] as usize].join(", ")));
        items = lists.collect();
    }
    format!("[{}]", items.join(", "))
}

#[test]
fn the_examples_give_what_they_say() {
    let text = std::fs::read_to_string(guide()).unwrap();
    let batch = batch();
    let environment = Environment::new(&batch);
    let mut checked = 0;
    let blocks = text.split("```expr\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for line in blocks.flat_map(str::lines) {
        let (expression, expected) = line.rsplit_once(" # ").unwrap_or_else(|| panic!("no result: {line}"));
        let result = Expr::parse(expression.trim()).and_then(|expr| expr.evaluate(&environment));
        match (expected.strip_prefix("error: "), result) {
            (None, Ok(values)) => assert_eq!(show(&values), expected, "{line}"),
            (Some(message), Err(error)) => assert!(error.message().starts_with(message), "{line}\n{error}"),
            (_, result) => panic!("{line}\n{result:?}"),
        }
        checked += 1;
    }
    assert!(checked >= 40, "{checked}");
}

/// The tables of the guide, as they should be.
fn tables() -> String {
    let mut tables = String::new();
    let mut group = "";
    for function in functions() {
        if function.group != group {
            group = function.group;
            write!(tables, "### {group}\n| function | gives | other names |\n|---|---|---|\n").unwrap();
        }
        let aliases: Vec<String> = function.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        // A bar would end the cell.
        let summary = function.summary.replace('|', "\\|");
        writeln!(tables, "| `{}` | {summary} | {} |", function.signature, aliases.join(", ")).unwrap();
    }
    tables
}

/// `FIDUCIAL_UPDATE_GUIDE=1` writes the tables instead.
#[test]
fn the_guide_lists_every_function() {
    let (begin, end) = ("<!-- functions -->\n", "<!-- end of functions -->");
    let text = std::fs::read_to_string(guide()).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if std::env::var_os("FIDUCIAL_UPDATE_GUIDE").is_some() {
        std::fs::write(guide(), format!("{before}{begin}{}{end}{after}", tables())).unwrap();
        return;
    }
    assert_eq!(found, tables(), "run this test with FIDUCIAL_UPDATE_GUIDE=1");
}
