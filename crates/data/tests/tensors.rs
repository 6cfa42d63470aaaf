//! Datasets to tensors: padding, clipping, labels, standardisation, order.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use common::{batch, constituents, dataset, jet_pt, view};
use fiducial_data::batches::{Labels, Measured, Standardisation, Tensors, tensors, tensors_of_batch, truth};
use fiducial_data::view::View;
use proptest::prelude::*;

/// A standardisation of the test's view that changes nothing.
fn identity() -> Standardisation {
    let variables = [("part_pt".to_owned(), Measured { center: 0.0, scale: 1e-5 })];
    Standardisation { variables: variables.into(), ..Standardisation::default() }
}

fn of_batch(view: &View, batch: &RecordBatch) -> Tensors {
    tensors_of_batch(view, &identity(), batch, 0, Labels::Required, "test").unwrap()
}

#[test]
fn values_are_padded_clipped_and_counted() {
    // Rows 1 to 6 have as many constituents as their number.
    let found = of_batch(&view(4), &batch(1..7));
    assert_eq!(found.row_ids, [0, 1, 2, 3, 4, 5]);
    let shapes: Vec<_> =
        found.groups.iter().map(|g| (g.name.as_str(), g.variables, g.length, g.data.len())).collect();
    assert_eq!(shapes, [("points", 1, 4, 24), ("features", 2, 4, 48), ("mask", 1, 4, 24), ("jet", 2, 1, 12)]);
    // Row 1 of the batch is row 2: two constituents, of pT 3 and 13, eta -0.75 and -0.5.
    assert_eq!(found.groups[0].row(1), [3.0, 13.0, 3.0, 13.0], "wrapped");
    assert_eq!(found.groups[1].row(1), [-0.5, -0.5, -9.0, -9.0, 3e-5, 13e-5, 0.0, 0.0], "clipped and padded");
    assert_eq!(found.groups[2].row(1), [1.0, 1.0, 0.0, 0.0], "mask");
    assert_eq!(found.groups[3].row(1), [2.5_f32.ln(), 2.5]);
    assert_eq!(found.labels, [1, 0, 1, 0, 1, 0]);
    assert_eq!(found.weights, [1.0; 6]);
    // Rows 5 and 6 lose one and two constituents.
    assert_eq!((found.truncated_rows, found.truncated_constituents), (2, 3));
    // Etas -0.75, -0.5, -0.25 and 0 become -2.5, -2, -1.5 and -1: all are moved to -0.5.
    assert_eq!(found.clipped_values, 1 + 2 + 3 + 4 + 4 + 4);
    assert_eq!(
        found.observers.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(),
        ["jet_pt", "jet_logpt"]
    );
    assert_eq!(found.observers.column(0).as_primitive::<Float32Type>().value(2), jet_pt(3));
    assert_eq!(found.observers.column(1).as_primitive::<Float64Type>().value(2), 3.5_f64.ln());
}

/// Configurations of weaver's say so of variables of the jet: each row is a list of one.
#[test]
fn a_group_of_length_one_takes_single_values() {
    let text = common::VIEW.replace("[inputs.jet]", "[inputs.jet]\nlength = 1").replace("{length}", "4");
    let (without, with) =
        (of_batch(&view(4), &batch(1..7)), of_batch(&View::parse(&text).unwrap(), &batch(1..7)));
    assert_eq!(without.groups[3], with.groups[3]);
    let text = text.replace("\"jet_logpt\", \"jet_pt\"]\n\n[labels]", "\"jet_pt\", \"part_pt\"]\n\n[labels]");
    let batch = batch(1..7);
    let found =
        tensors_of_batch(&View::parse(&text).unwrap(), &identity(), &batch, 0, Labels::Required, "test");
    let error = found.unwrap_err().to_string();
    assert!(error.contains("`jet_pt` has 1 constituents but `part_pt` has 2"), "{error}");
}

#[test]
fn a_row_without_constituents_is_all_padding() {
    let found = of_batch(&view(3), &batch(7..8));
    assert_eq!(found.groups[0].data, [0.0; 3], "nothing to wrap");
    assert_eq!(found.groups[1].data, [-9.0, -9.0, -9.0, 0.0, 0.0, 0.0]);
    assert_eq!(of_batch(&view(3), &batch(0..0)).rows(), 0);
}

#[test]
fn truth_is_what_tensors_have_without_the_inputs() {
    let (_directory, dataset) = dataset();
    let whole = tensors(&view(4), &identity(), &dataset, "test").unwrap();
    let truth = truth(&view(4), &dataset, "test").unwrap();
    assert!(truth.groups.is_empty() && !truth.labels.is_empty());
    assert_eq!(
        (truth.labels, truth.weights, truth.row_ids, truth.observers),
        (whole.labels, whole.weights, whole.row_ids, whole.observers)
    );
}

#[test]
fn standardisation_is_measured_on_the_training_split() {
    let (_directory, dataset) = dataset();
    let measured = Standardisation::measure(&view(4), &dataset).unwrap();
    assert_eq!(
        (measured.dataset.as_str(), measured.rows),
        (dataset.version(), dataset.rows("train").unwrap())
    );
    let train = dataset.read("train", &["part_pt"]).unwrap();
    let mut values: Vec<f64> = train
        .column(0)
        .as_list::<i32>()
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .iter()
        .map(|value| f64::from(*value))
        .collect();
    values.sort_by(f64::total_cmp);
    let percentile = |percent: f64| {
        let place = percent / 100.0 * (values.len() - 1) as f64;
        let (below, above) = (values[place as usize], values[(place as usize + 1).min(values.len() - 1)]);
        below + (above - below) * place.fract()
    };
    let (low, center, high) = (percentile(16.0), percentile(50.0), percentile(84.0));
    let part_pt = measured.variables["part_pt"];
    assert_eq!(measured.variables.len(), 1);
    assert!((part_pt.center - center).abs() < 1e-9 * center, "{part_pt:?} {center}");
    assert!((part_pt.scale * (high - center).max(center - low) - 1.0).abs() < 1e-9, "{part_pt:?}");
    // JSON and back, to the last bit.
    let text = serde_json::to_string(&measured).unwrap();
    assert_eq!(serde_json::from_str::<Standardisation>(&text).unwrap(), measured);
    // Without it, values that want it are refused.
    let error = tensors(&view(4), &Standardisation::default(), &dataset, "train").unwrap_err().to_string();
    assert!(error.contains("`part_pt` was not measured"), "{error}");
}

#[test]
fn tensors_do_not_depend_on_threads() {
    let (_directory, dataset) = dataset();
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let measured = Standardisation::measure(&view(4), &dataset).unwrap();
            (tensors(&view(4), &measured, &dataset, "test").unwrap(), measured)
        })
    };
    let (found, measured) = at(1);
    assert_eq!((found.clone(), measured), at(3));
    assert_eq!(found.rows() as u64, dataset.rows("test").unwrap());
    // Each row is where it belongs, and gathering takes it from there.
    let picked = [7_u32, 0, 7, 100];
    let taken = found.gather(&picked);
    for (place, &index) in picked.iter().enumerate() {
        let row = found.row_ids[index as usize] as usize;
        let expected: Vec<f32> = constituents(row).iter().map(|c| c.0).cycle().take(4).collect();
        assert_eq!(taken.groups[0].row(place), expected, "row {row}");
        assert_eq!(taken.labels[place], (row % 2) as u32);
        assert_eq!(taken.groups[3].row(place)[1], jet_pt(row));
    }
    assert!(found.gather(&[]).labels.is_empty());
}

#[test]
fn errors_name_the_variable_and_the_row() {
    let check = |view: &str, expected: &[&str]| {
        let view = View::parse(&format!("format = \"fiducial-view/1\"\n{view}")).unwrap();
        let error = tensors_of_batch(&view, &identity(), &batch(0..6), 1000, Labels::Required, "six");
        let error = error.unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` in: {error}");
        }
    };
    let labels = "[labels]\nclasses = { even = \"kind == 0\", odd = \"kind == 1\" }";
    let features = |variable: &str| {
        format!(
            "[new_variables]\n{variable}\n[inputs.features]\nlength = 4\nvariables = [\"part_pt\", \"x\"]\n{labels}"
        )
    };
    check(&features("x = \"log(part_pt - 3)\""), &["`x`", "NaN", "constituent 0", "row 1001"]);
    check(&features("x = \"1 / (part_pt - 15)\""), &["`x`", "inf", "constituent 1", "row 1004"]);
    check(&features("x = \"jet_pt\""), &["`x`", "one value per row", "`features`", "six"]);
    check(&features("x = \"part_pt[part_pt > 4]\""), &["`part_pt`", "`x`", "constituents", "row 1001"]);
    check(&features("x = \"part_pz\""), &["part_pz"]);
    check("[inputs.jet]\nvariables = [\"jet_pt\"]", &["neither classes nor targets"]);
    check(
        &format!("[inputs.jet]\nvariables = [\"part_pt\"]\n{labels}"),
        &["`part_pt`", "a list per row", "`jet`"],
    );
    check(
        "[inputs.jet]\nvariables = [\"jet_pt\"]\n[labels]\nclasses = { a = \"kind == 0\", b = \"unused < 3\" }",
        &["row 1000"],
    );
    check(
        "[inputs.jet]\nvariables = [\"jet_pt\"]\n[labels]\nclasses = { a = \"kind == 2\", b = \"kind == 1\" }",
        &["row 1000"],
    );
    check(
        &format!("[inputs.jet]\nvariables = [\"jet_pt\"]\n[weights]\nevent = \"1 / unused\"\n{labels}"),
        &["weights.event", "row 1000"],
    );
}

#[test]
fn images_have_all_of_their_pixels() {
    let text = "format = \"fiducial-view/1\"\n[inputs.images]\nshape = [2, 3]\nvariables = [\"pixels\"]\n\
        [targets]\nmass = \"2 * energy\"\nlevel = \"energy + 1\"";
    let view = View::parse(text).unwrap();
    assert_eq!(
        (view.input("images").unwrap().shape, view.input("images").unwrap().length),
        (Some([2, 3]), Some(6))
    );
    let batch = |lengths: &[usize]| {
        let mut pixels = ListBuilder::new(Float32Builder::new());
        for (row, length) in lengths.iter().enumerate() {
            (0..*length).for_each(|pixel| pixels.values().append_value((10 * row + pixel) as f32));
            pixels.append(true);
        }
        let energies = Float32Array::from((0..lengths.len()).map(|row| row as f32).collect::<Vec<_>>());
        let columns: [(&str, ArrayRef); 2] =
            [("pixels", Arc::new(pixels.finish())), ("energy", Arc::new(energies))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let found = of_batch(&view, &batch(&[6, 6]));
    assert_eq!(found.groups[0].row(1), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    // Targets row by row, and those of gathered rows.
    assert_eq!(found.targets, [0.0, 1.0, 2.0, 2.0]);
    assert_eq!(found.gather(&[1, 1, 0]).targets, [2.0, 2.0, 2.0, 2.0, 0.0, 1.0]);
    let error = tensors_of_batch(&view, &identity(), &batch(&[6, 5]), 0, Labels::Required, "x").unwrap_err();
    assert!(error.to_string().contains("`pixels` has 5 values, images of shape [2, 3] have 6"), "{error}");
    let both = text.replace("shape = [2, 3]", "shape = [2, 3]\nlength = 6");
    let error = View::parse(&both).unwrap_err().to_string();
    assert!(error.contains("give this or `length`, but not both"), "{error}");
    assert!(View::parse(&text.replace("[2, 3]", "[300, 300]")).is_err(), "too many pixels");
}

#[test]
fn weights_and_absent_labels() {
    let text = "format = \"fiducial-view/1\"\n[inputs.jet]\nvariables = [\"jet_pt\"]\n\
        [weights]\nevent = \"unused + 1\"\nclass_balance = true\n\
        [labels]\nclasses = { even = \"kind == 0\", odd = \"kind == 1\" }";
    let view = View::parse(text).unwrap();
    let found = of_batch(&view, &batch(0..4));
    // Weights 1 to 4: the classes have 4 and 6 before, 5 each after.
    assert_eq!(found.weights, [1.25, 2.0 * 5.0 / 6.0, 3.75, 4.0 * 5.0 / 6.0]);
    let jets: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0]));
    let unlabelled = RecordBatch::try_from_iter([("jet_pt", jets.clone())]).unwrap();
    let found = tensors_of_batch(&view, &identity(), &unlabelled, 5, Labels::Absent, "new").unwrap();
    assert_eq!((found.labels.len(), found.weights, found.row_ids), (0, vec![1.0, 1.0], vec![5, 6]));
    // A class whose weights cancel cannot be balanced.
    let columns: [(&str, ArrayRef); 3] = [
        ("jet_pt", jets),
        ("kind", Arc::new(Int32Array::from(vec![0, 1]))),
        ("unused", Arc::new(Int32Array::from(vec![-1, 1]))),
    ];
    let cancelled = RecordBatch::try_from_iter(columns).unwrap();
    let error =
        tensors_of_batch(&view, &identity(), &cancelled, 0, Labels::Required, "x").unwrap_err().to_string();
    assert!(error.contains("`even`") && error.contains("add up to 0"), "{error}");
}

proptest! {
    /// A row has the same values whatever length it is padded to.
    #[test]
    fn longer_padding_changes_no_value(first in 0_usize..50_000, rows in 1_usize..40) {
        let batch = batch(first..first + rows);
        let (short, long) = (of_batch(&view(6), &batch), of_batch(&view(16), &batch));
        prop_assert_eq!(short.truncated_rows + long.truncated_rows, 0);
        prop_assert_eq!(&short.groups[3], &long.groups[3]);
        for (short, long) in short.groups.iter().zip(&long.groups).take(3) {
            for (a, b) in short.data.chunks(6).zip(long.data.chunks(16)) {
                prop_assert_eq!(a, &b[..6]);
            }
        }
        // Padding is where the mask is zero, and nowhere else.
        for row in 0..rows {
            let real = constituents(first + row).len();
            prop_assert!(long.groups[2].row(row).iter().enumerate().all(|(i, value)| *value == f32::from(i < real)));
        }
    }
}
