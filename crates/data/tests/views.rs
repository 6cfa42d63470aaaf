//! Views: what is read, what is refused with which key, what they give on a batch.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, Int32Array, ListArray, RecordBatch};
use fiducial_data::view::{Pad, Scaling, Splits, View, ViewError};

const FULL: &str = r#"
format = "fiducial-view/1"
tree = "tree"
selection = ["jet_pt > 550", "jet_pt < 650"]
observers = ["jet_mass", "jet_logpt"]

[splits]
fractions = { train = 0.6, validation = 0.0667, test = 0.3333 }
seed = 20

[columns]
part_py = { unit = "GeV", description = "y component" }
part_px = { unit = "GeV" }

[new_variables]
part_pt = "hypot(part_px, part_py)"
part_logpt = "log(part_pt)"
jet_logpt = "log(jet_pt)"

[inputs.points]
length = 64
pad = "wrap"
variables = ["part_px", "part_py"]

[inputs.features]
length = 64
standardise = "measure"
variables = [
    "part_logpt",
    { name = "part_pt", center = 0.2, scale = 4.0, pad = -1.0 },
    { name = "part_energy", standardise = "none", clip = [0.0, inf] },
]

[inputs.jet]
variables = [{ name = "jet_logpt", center = 6.0, clip = [-1.0, 1.0] }]

[labels]
classes = { top = "is_top == 1", qcd = "is_top == 0", other = "is_top > 1" }

[weights]
event = "weight * 2"
class_balance = true
"#;

#[test]
fn a_full_view_is_read_in_its_order() {
    let view = View::parse(FULL).unwrap();
    assert_eq!(view.text(), FULL);
    assert_eq!(view.tree(), Some("tree"));
    assert_eq!(view.selection().len(), 2);
    assert_eq!(view.observers(), ["jet_mass", "jet_logpt"]);
    let Some(Splits::Fractions { fractions, seed: 20 }) = view.splits() else {
        panic!("{:?}", view.splits())
    };
    assert_eq!(
        fractions.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["train", "validation", "test"]
    );
    assert_eq!(view.columns()[0].unit.as_deref(), Some("GeV"));
    assert_eq!(view.columns().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["part_py", "part_px"]);
    let names: Vec<&str> = view.new_variables().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["part_pt", "part_logpt", "jet_logpt"]);
    assert_eq!(
        view.inputs().iter().map(|g| g.name.as_str()).collect::<Vec<_>>(),
        ["points", "features", "jet"]
    );
    assert_eq!(view.classes().iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["top", "qcd", "other"]);
    assert!(view.weights().class_balance);

    let points = view.input("points").unwrap();
    assert_eq!((points.length, points.pad), (Some(64), Pad::Wrap));
    assert_eq!((points.variables[0].scaling, points.variables[0].clip), (Scaling::None, None));
    let features = &view.input("features").unwrap().variables;
    assert_eq!((features[0].scaling, features[0].clip), (Scaling::Measured, Some((-5.0, 5.0))));
    assert_eq!(features[1].scaling, Scaling::Given { center: 0.2, scale: 4.0 });
    assert_eq!((features[1].clip, features[1].pad), (Some((-5.0, 5.0)), -1.0));
    assert_eq!((features[2].scaling, features[2].clip), (Scaling::None, Some((0.0, f64::INFINITY))));
    let jet = view.input("jet").unwrap();
    assert_eq!((jet.length, jet.variables[0].clip), (None, Some((-1.0, 1.0))));

    let stored = ["part_py", "part_px", "is_top", "jet_mass", "jet_pt", "part_energy", "weight"];
    assert_eq!(view.stored_columns(), stored);
    assert_eq!(view.label_columns().into_iter().collect::<Vec<_>>(), ["is_top"]);

    // The normal form is the same view, and normal.
    let again = View::parse(&view.to_toml()).unwrap();
    assert_eq!(again.to_toml(), view.to_toml());
    assert_eq!(again.inputs(), view.inputs());
    assert_eq!(again.classes(), view.classes());
    assert_eq!(again.splits(), view.splits());
    assert_eq!(again.new_variables(), view.new_variables());
    assert_eq!(again.stored_columns(), view.stored_columns());
}

#[test]
fn the_guides_example_is_a_view() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/views.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let example = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    View::parse(example).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn errors_name_the_key() {
    let check = |rest: &str, expected: &str| {
        let error =
            View::parse(&format!("format = \"fiducial-view/1\"\n{rest}")).expect_err(rest).to_string();
        assert!(error.contains(expected), "{rest}\n{error}");
    };
    let format = View::parse("format = \"fiducial-view/9\"").unwrap_err().to_string();
    assert!(format.contains("`format`: it is \"fiducial-view/9\""), "{format}");
    assert!(View::parse("").unwrap_err().to_string().contains("missing field `format`"));

    // TOML itself.
    check("selction = \"x > 1\"", "unknown field `selction`");
    check("[inputs.a]\nlenght = 3\nvariables = [\"x\"]", "unknown field `lenght`");
    check("[inputs.a]\nvariables = [{ name = \"x\", centre = 1.0 }]", "unknown field `centre`");
    check("[inputs.a]\nvariables = [1]", "a variable's name, or a table with `name`");
    check("[inputs.a]\nlength = -1\nvariables = [\"x\"]", "invalid value");
    check("[inputs.a]\nlength = 3", "missing field `variables`");
    check("selection = [1]", "invalid type: integer `1`");
    check("[weights]\nclass_balanced = true", "unknown field `class_balanced`");
    check("[new_variables]\na = \"1\"\na = \"2\"", "duplicate key");
    check("[columns]\nx = { units = \"GeV\" }", "unknown field `units`");
    // Expressions, with the position.
    check("selection = [\"a > 1\", \"b >\"]", "key `selection[1]`: failed to parse an expression");
    check(
        "[new_variables]\na = \"sqr(b)\"",
        "key `new_variables.a`: failed to parse an expression: no function `sqr`",
    );
    check("[labels]\nclasses = { a = \"x ==\", b = \"y\" }", "key `labels.classes.a`");
    check("[weights]\nevent = \"w w\"", "key `weights.event`");
    // Values.
    check("[new_variables]\na = \"a + 1\"", "`new_variables.a`: it refers to itself");
    check(
        "[new_variables]\na = \"b\"\nb = \"1\"",
        "`new_variables.a`: it refers to `b`, which is defined below it",
    );
    check("[new_variables]\na = \"b\"\n[columns]\na = {}", "`columns.a`: it is a new variable");
    check("[inputs.a]\nvariables = []", "`inputs.a.variables`: there are none");
    check("[inputs.a]\nlength = 0\nvariables = [\"x\"]", "`inputs.a.length`");
    check("[inputs.a]\nlength = 70000\nvariables = [\"x\"]", "`inputs.a.length`");
    check("[inputs.a]\nvariables = [\"x\", \"x\"]", "`inputs.a.variables[1]`: `x` stands twice");
    check("[inputs.a]\nlength = 3\npad = \"zero\"\nvariables = [\"x\"]", "`inputs.a.pad`");
    check("[inputs.a]\npad = \"wrap\"\nvariables = [\"x\"]", "`inputs.a.pad`: without a `length`");
    check(
        "[inputs.pf_mask]\nlength = 3\npad = \"wrap\"\nvariables = [\"x\"]",
        "`inputs.pf_mask.pad`: a mask",
    );
    check("[inputs.a]\nstandardise = \"auto\"\nvariables = [\"x\"]", "`inputs.a.standardise`");
    let variable = |keys: &str, expected: &str| {
        check(&format!("[inputs.a]\nlength = 3\nvariables = [{{ name = \"x\", {keys} }}]"), expected);
    };
    variable("scale = 2.0", "`inputs.a.variables[0].scale`: a scale needs a `center`");
    variable("center = 1.0, scale = 0.0", "`inputs.a.variables[0].scale`");
    variable("center = nan", "`inputs.a.variables[0].center`");
    variable("center = 1.0, standardise = \"measure\"", "`inputs.a.variables[0].standardise`");
    variable("clip = [1.0, 1.0]", "`inputs.a.variables[0].clip`");
    variable("pad = inf", "`inputs.a.variables[0].pad`");
    check("[labels]\nclasses = { a = \"x\" }", "`labels.classes`: there must be at least two");
    check("[labels]\nclasses = { a = \"x\", \"b/c\" = \"y\" }", "`labels.classes.b/c`");
    check("[weights]\nclass_balance = true", "`weights.class_balance`");
    check("observers = [\"x\", \"x\"]", "`observers`: `x` stands twice");
    check("[splits]", "`splits`: give one of");
    check("[splits]\nfractions = { train = 0.5 }", "`splits.fractions`: they sum to 0.5");
    check("[splits]\nfractions = { train = -0.5, test = 1.5 }", "`splits.fractions.train`");
    check("[splits]\nfractions = { train = nan, test = 1.0 }", "`splits.fractions.train`");
    check("[splits]\nfractions = { training = 1.0 }", "`splits.fractions.training`: a split is one of");
    check("[splits]\ncolumn = \"ttv\"", "`column` and `values` belong together");
    check("[splits]\ncolumn = \"t\"\nvalues = { train = 0, test = 0 }", "`splits.values.test`");
    check("[splits]\nseed = 1\nfiles = { train = \"*\" }", "`splits.seed`");
}

#[test]
fn a_file_is_named_in_errors() {
    let missing = View::read("no/such/view.toml").unwrap_err();
    assert!(matches!(missing, ViewError::Read { .. }) && missing.to_string().contains("no/such/view.toml"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("view.toml");
    std::fs::write(&path, "format = 3").unwrap();
    assert!(View::read(&path).unwrap_err().to_string().contains("view.toml"));
    std::fs::write(&path, FULL).unwrap();
    assert_eq!(View::read(&path).unwrap(), View::parse(FULL).unwrap());
}

fn batch() -> RecordBatch {
    let pt = ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(30.0), Some(10.0)]),
        Some(vec![]),
        Some(vec![Some(5.0)]),
        Some(vec![Some(40.0)]),
    ]);
    RecordBatch::try_from_iter([
        ("part_pt", Arc::new(pt) as ArrayRef),
        ("jet_pt", Arc::new(Float64Array::from(vec![600.0, 610.0, f64::NAN, 700.0])) as ArrayRef),
        ("is_top", Arc::new(Int32Array::from(vec![1, 0, 2, 1])) as ArrayRef),
    ])
    .unwrap()
}

fn view(rest: &str) -> View {
    View::parse(&format!("format = \"fiducial-view/1\"\n{rest}")).unwrap()
}

#[test]
fn a_later_clause_sees_only_rows_that_are_left() {
    let batch = batch();
    let check = |clauses: &str, mask: [bool; 4], passed: &[u64]| {
        let selection =
            view(&format!("selection = {clauses}\n[new_variables]\nlead = \"part_pt[0]\"")).select(&batch, 0);
        let selection = selection.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(selection.mask.iter().collect::<Vec<_>>(), mask, "{clauses}");
        assert_eq!(selection.passed, passed, "{clauses}");
    };
    check("[]", [true; 4], &[]);
    check("\"jet_pt < 650\"", [true, true, false, false], &[2]);
    check("[\"jet_pt > 500\", \"True\", \"jet_pt < 650\"]", [true, true, false, false], &[3, 3, 2]);
    // The second row has no particles: the index alone would fail there.
    check("[\"count(part_pt) > 0\", \"part_pt[0] > 20\"]", [true, false, false, true], &[3, 2]);
    check("[\"count(part_pt) > 0\", \"lead > 20\", \"lead < 40\"]", [true, false, false, false], &[3, 2, 1]);

    let fails =
        |clauses: &str| view(&format!("selection = {clauses}")).select(&batch, 100).unwrap_err().to_string();
    let error = fails("[\"is_top != 1\", \"part_pt[0] > 20\"]");
    assert!(error.contains("`selection[1]`") && error.contains("in row 101"), "{error}");
    let error = fails("[\"is_top != 0\", \"part_pt[1] > 0\"]");
    assert!(error.contains("has 1 values in row 102"), "{error}");
    assert!(fails("\"jet_pt\"").contains("`jet_pt` gives numbers"));
    assert!(fails("\"part_pt > 1\"").contains("gives a list per row"));
    assert!(fails("\"jet_p > 1\"").contains("did you mean `jet_pt`?"));
}

#[test]
fn labels_are_exclusive_and_complete() {
    let batch = batch();
    let labels = |classes: &str| {
        let view = view(&format!("[labels]\nclasses = {classes}"));
        let environment = view.environment(&batch).with_first_row(10);
        view.labels_of(&environment).map_err(|error| error.to_string())
    };
    let three = "{ b = \"is_top == 0\", a = \"is_top == 1\", c = \"is_top == 2\" }";
    assert_eq!(labels(three), Ok(vec![1, 0, 2, 1]));
    // Columns of zeros and ones are conditions too.
    assert_eq!(labels("{ a = \"1 - (is_top == 1)\", b = \"is_top == 1\" }"), Ok(vec![1, 0, 0, 1]));
    let error = labels("{ a = \"is_top == 0\", b = \"is_top == 1\" }").unwrap_err();
    assert!(error.contains("`labels.classes` in row 12: the row belongs to no class"), "{error}");
    let error = labels("{ a = \"is_top > 0\", b = \"is_top < 2\" }").unwrap_err();
    assert!(error.contains("`labels.classes.b` in row 10: the row belongs to `a` too"), "{error}");
    let error = labels("{ a = \"is_top\", b = \"is_top == 0\" }").unwrap_err();
    assert!(error.contains("`labels.classes.a` in row 12: the value is 2"), "{error}");
    let error = labels("{ a = \"part_pt > 0\", b = \"False\" }").unwrap_err();
    assert!(error.contains("`labels.classes.a`: it must give one value per row"), "{error}");
}

#[test]
fn weights_are_finite() {
    let batch = batch();
    let weights = |rest: &str| {
        let view = view(rest);
        view.weights_of(&view.environment(&batch)).map_err(|error| error.to_string())
    };
    assert_eq!(weights(""), Ok(vec![1.0; 4]));
    assert_eq!(weights("[weights]\nevent = \"-2\""), Ok(vec![-2.0; 4]));
    assert_eq!(weights("[weights]\nevent = \"is_top - 1\""), Ok(vec![0.0, -1.0, 1.0, 0.0]));
    let error = weights("[weights]\nevent = \"jet_pt\"").unwrap_err();
    assert!(error.contains("`weights.event` in row 2: the weight is NaN"), "{error}");
}

#[test]
fn columns_are_checked_before_reading() {
    let view =
        view("selection = \"jt_pt > 1\"\n[new_variables]\nx = \"y + 1\"\n[inputs.a]\nvariables = [\"x\"]");
    let check = |available: &[&str], expected: &str| {
        let error = view.check_columns(available.iter().copied()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &["y", "jet_pt"],
        "`selection[0]`: the data have no column `jt_pt`\n  hint: did you mean `jet_pt`?",
    );
    check(&["jt_pt"], "`new_variables.x`: the data have no column `y`");
    check(&["jt_pt", "x", "y"], "`new_variables.x`: the data have a column of this name already");
    assert!(view.check_columns(["y", "jt_pt"]).is_ok());
}
