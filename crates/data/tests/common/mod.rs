//! Small sources and views for the tests of the pipeline.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field};
use fiducial_data::dataset::Dataset;
use fiducial_data::prepare::{PrepareOptions, prepare};
use fiducial_data::source::Error;
use fiducial_data::view::View;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// Selects, splits, pads to `{length}` both ways, clips, standardises.
pub(crate) const VIEW: &str = r#"
format = "fiducial-view/1"
selection = ["jet_pt > 10", "count(part_pt) > 0"]
observers = ["jet_pt", "jet_logpt"]

[splits]
fractions = { train = 0.6, validation = 0.1, test = 0.3 }
seed = 20

[columns]
jet_pt = { unit = "GeV", description = "transverse momentum | of the jet" }

[new_variables]
jet_logpt = "log(jet_pt)"
part_mask = "ones_like(part_pt)"

[inputs.points]
length = {length}
pad = "wrap"
variables = ["part_pt"]
[inputs.features]
length = {length}
variables = [
  { name = "part_eta", center = 0.5, scale = 2.0, clip = [-0.5, 0.5], pad = -9.0 },
  { name = "part_pt", standardise = "measure" },
]
[inputs.mask]
length = {length}
variables = ["part_mask"]
[inputs.jet]
variables = ["jet_logpt", "jet_pt"]

[labels]
classes = { even = "kind == 0", odd = "kind == 1" }
"#;

pub(crate) fn view(length: usize) -> View {
    View::parse(&VIEW.replace("{length}", &length.to_string())).unwrap()
}

/// A jet's columns, from its number alone.
pub(crate) fn jet_pt(row: usize) -> f32 {
    (row % 97) as f32 + 0.5
}

pub(crate) fn constituents(row: usize) -> Vec<(f32, f32)> {
    let count = row % 7;
    (0..count).map(|i| ((row + 10 * i) as f32 + 1.0, (i as f32 - 3.0) / 4.0)).collect()
}

pub(crate) fn batch(rows: std::ops::Range<usize>) -> RecordBatch {
    let item = || Arc::new(Field::new("item", DataType::Float32, false));
    let list = |pick: &dyn Fn(&(f32, f32)) -> f32| {
        let mut builder = ListBuilder::new(Float32Builder::new()).with_field(item());
        for row in rows.clone() {
            constituents(row).iter().for_each(|constituent| builder.values().append_value(pick(constituent)));
            builder.append(true);
        }
        Arc::new(builder.finish()) as ArrayRef
    };
    let columns: [(&str, ArrayRef); 5] = [
        ("jet_pt", Arc::new(Float32Array::from_iter_values(rows.clone().map(jet_pt)))),
        ("kind", Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| (row % 2) as i32)))),
        ("part_pt", list(&|c| c.0)),
        ("part_eta", list(&|c| c.1)),
        ("unused", Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| row as i32)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(crate) fn write(path: &Path, batch: &RecordBatch) {
    // Small row groups, so that there are several partitions.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(9000)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Two files in a directory: rows 0 to 20,000 and 20,000 to 30,000.
pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    let files = vec![directory.join("a.parquet"), directory.join("b.parquet")];
    write(&files[0], &batch(0..20_000));
    write(&files[1], &batch(20_000..30_000));
    files
}

pub(crate) fn options() -> PrepareOptions {
    let mut options = PrepareOptions { row_group_rows: 1000, shard_rows: 5000, ..PrepareOptions::default() };
    options.about.name = "toy".to_owned();
    options
}

pub(crate) fn make(view: &View, files: &[PathBuf], out: &Path) -> Result<Dataset, Error> {
    prepare(view, files, out, &options(), &mut |_| {})
}

/// A dataset in a new directory.
pub(crate) fn dataset() -> (tempfile::TempDir, Dataset) {
    let directory = tempfile::tempdir().unwrap();
    let files = sources(directory.path());
    let dataset = make(&view(4), &files, &directory.path().join("toy")).unwrap();
    (directory, dataset)
}
