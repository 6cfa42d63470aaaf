//! Conversions between formats: values, names, what is left out, and failures that leave nothing.
#![allow(clippy::print_stderr, reason = "tests say why they are skipped")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat_batches;
use fiducial_data::convert::{ConvertOptions, RootForm, convert, split_object};
use fiducial_data::source::{self, Source};
use parquet::arrow::ArrowWriter;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks/jet-tagging/top/sample/top_tagging.root")
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Some columns of a source, all rows.
fn rows(source: &dyn Source, columns: &[&str]) -> RecordBatch {
    source.read(columns, 0..source.rows()).expect("it reads")
}

fn same(a: &RecordBatch, b: &RecordBatch) {
    assert_eq!((a.num_rows(), a.num_columns()), (b.num_rows(), b.num_columns()));
    for (i, field) in a.schema().fields().iter().enumerate() {
        assert!(same_array(a.column(i), b.column(i)), "{}", field.name());
    }
}

/// Equal values in equal lists: inner fields have other names and may be nullable by the other format.
fn same_array(a: &ArrayRef, b: &ArrayRef) -> bool {
    let parts = |array: &ArrayRef| {
        let list = array.as_list::<i32>();
        let offsets = list.value_offsets();
        let (first, last) = (offsets[0], offsets[list.len()]);
        let lengths: Vec<_> = offsets.windows(2).map(|w| w[1] - w[0]).collect();
        (lengths, list.values().slice(first as usize, (last - first) as usize))
    };
    match (a.data_type(), b.data_type()) {
        (DataType::List(_), DataType::List(_)) => {
            let ((a_lengths, a_items), (b_lengths, b_items)) = (parts(a), parts(b));
            a_lengths == b_lengths && same_array(&a_items, &b_items)
        }
        (DataType::FixedSizeList(_, n), DataType::FixedSizeList(_, m)) => {
            n == m && same_array(a.as_fixed_size_list().values(), b.as_fixed_size_list().values())
        }
        _ => a == b,
    }
}

fn options(columns: &[&str]) -> ConvertOptions {
    ConvertOptions { columns: columns.iter().map(|&name| name.to_owned()).collect(), ..Default::default() }
}

#[test]
fn tables_come_back_from_each_format() {
    let directory = tempfile::tempdir().expect("there is room");
    let source = source::open(&sample(), None).expect("it opens");
    let columns = ["part_px", "part_deta", "jet_pt", "jet_nparticles", "label"];
    let columns: Vec<_> =
        columns.into_iter().filter(|name| source.schema().column_with_name(name).is_some()).collect();
    assert!(columns.len() > 2, "{columns:?}");
    let original = rows(&*source, &columns);
    for name in ["a.parquet", "a.root"] {
        let path = directory.path().join(name);
        let converted = convert(&*source, &path, "jets", &options(&columns)).expect("it converts");
        assert_eq!((converted.rows, converted.skipped.len()), (source.rows(), 0));
        let back = source::open(&path, None).expect("it opens");
        assert_eq!(back.table(), name.ends_with("root").then_some("jets"));
        same(&original, &rows(&*back, &columns));
        // And once more, to the other format.
        let again = directory.path().join(if name == "a.root" { "b.parquet" } else { "b.root" });
        convert(&*back, &again, "jets", &options(&columns)).expect("it converts");
        same(&original, &rows(&*source::open(&again, None).expect("it opens"), &columns));
    }
    let path = directory.path().join("a.arrow");
    convert(&*source, &path, "jets", &options(&columns)).expect("it converts");
    let file = std::fs::File::open(&path).expect("it opens");
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).expect("it is an Arrow file");
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().expect("it reads");
    let found = concat_batches(&schema, &batches).expect("the batches fit");
    let order: Vec<_> = columns.iter().map(|name| schema.index_of(name).expect("it is there")).collect();
    same(&original, &found.project(&order).expect("it fits"));
}

#[test]
fn entries_and_patterns_choose() {
    let directory = tempfile::tempdir().expect("there is room");
    let source = source::open(&sample(), None).expect("it opens");
    let path = directory.path().join("a.parquet");
    for range in [0..0, 5..17, 9000..20_001, 0..source.rows()] {
        let options = ConvertOptions { rows: Some(range.clone()), ..options(&["part_p?"]) };
        let converted = convert(&*source, &path, "jets", &options).expect("it converts");
        assert_eq!(converted.columns, ["part_px", "part_py", "part_pz"]);
        assert_eq!(converted.rows, range.end - range.start);
        let back = source::open(&path, None).expect("it opens");
        let wanted = source.read(&["part_px"], range).expect("it reads");
        same(&wanted, &rows(&*back, &["part_px"]));
    }
}

#[test]
fn failures_leave_what_was_there() {
    let directory = tempfile::tempdir().expect("there is room");
    let source = source::open(&sample(), None).expect("it opens");
    let check = |name: &str, options: ConvertOptions, expected: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, "before").expect("there is room");
        let error = convert(&*source, &path, "jets", &options).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"before");
        std::fs::remove_file(&path).expect("it is there");
        assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 0);
    };
    check("a.csv", options(&[]), "ends in none of .parquet, .arrow, .root");
    check("a.root", options(&["nothing_*"]), "no column fits `nothing_*`");
    check("a.root", ConvertOptions { rows: Some(0..1 << 40), ..options(&[]) }, "rows 0 to 1099511627776");
    let compression = Some("zlib".parse().expect("a setting"));
    check("a.parquet", ConvertOptions { compression, ..options(&[]) }, "not written with zlib");
    check("a.arrow", ConvertOptions { compression, ..options(&[]) }, "without compression");
}

#[test]
fn columns_that_cannot_be_read_are_named() {
    let Some(path) = shared("root/test_FCC_Winter2023.root") else { return };
    let directory = tempfile::tempdir().expect("there is room");
    let source = source::open(&path, Some("events")).expect("it opens");
    let unreadable = source.unreadable_columns();
    for name in ["a.parquet", "a.root"] {
        let target = directory.path().join(name);
        let converted = convert(&*source, &target, "events", &options(&[])).expect("it converts");
        assert!(converted.skipped.len() >= unreadable.len(), "{:?}", converted.skipped);
        for (column, reason) in &unreadable {
            let named = converted.skipped.iter().find(|skipped| skipped.column == *column);
            assert_eq!(named.map(|skipped| &skipped.reason), Some(reason), "{column}");
        }
        let all = converted.columns.len() + converted.skipped.len();
        let schema = source.schema();
        let own = schema.fields().iter().filter(|field| source.original(field.name()).is_none());
        assert_eq!(all, own.count() + unreadable.len());
        let back = source::open(&target, None).expect("it opens");
        assert_eq!(back.rows(), source.rows());
        for (from, to) in &converted.renamed {
            same(&rows(&*source, &[from]), &rows(&*back, &[to]));
        }
    }
}

#[test]
fn objects_without_members_are_left_out_where_they_have_no_form() {
    let Some(path) = shared("root/uproot-issue-123a.root") else { return };
    let directory = tempfile::tempdir().expect("there is room");
    let source = source::open(&path, Some("CollectionTree")).expect("it opens");
    let columns = options(&["AnalysisJets", "EventInfoAuxDyn.mcEventWeights"]);
    for (name, left_out) in [("a.parquet", true), ("a.arrow", false)] {
        let converted = convert(&*source, &directory.path().join(name), "t", &columns).expect("it converts");
        let named = converted.skipped.iter().any(|skipped| skipped.column == "AnalysisJets");
        assert_eq!((named, converted.columns.len()), (left_out, 2 - usize::from(left_out)), "{name}");
    }
}

#[test]
fn nulls_are_written_where_there_is_a_form_for_them() {
    use std::sync::Arc;

    use arrow_array::{Int32Array, StringArray};
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("nulls.parquet");
    // All three are called nullable; one holds a null.
    let never = Int32Array::from(vec![1, 2, 3]);
    let once = StringArray::from(vec![Some("a"), None, Some("c")]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("never", Arc::new(never) as ArrayRef, true),
        ("once", Arc::new(once), true),
    ])
    .expect("the columns fit");
    let file = std::fs::File::create(&path).expect("there is room");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("it starts");
    writer.write(&batch).expect("it writes");
    writer.close().expect("it closes");
    let source = source::open(&path, None).expect("it opens");
    let tree = directory.path().join("tree.root");
    let converted = convert(&*source, &tree, "t", &options(&[])).expect("it converts");
    assert_eq!(converted.columns, ["never"]);
    assert!(converted.skipped[0].column == "once" && converted.skipped[0].reason.contains("holds nulls"));
    let ntuple = directory.path().join("ntuple.root");
    let options = ConvertOptions { form: RootForm::Ntuple, ..options(&[]) };
    let converted = convert(&*source, &ntuple, "t", &options).expect("it converts");
    assert!(converted.columns == ["never", "once"] && converted.skipped.is_empty());
}

#[test]
fn lengths_that_differ_late_give_counters_of_their_own() {
    use std::sync::Arc;

    use arrow_array::ListArray;
    use arrow_array::types::Float64Type;
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("lists.parquet");
    // Equal over the first cluster of 32 MiB; the last row differs.
    let list = |last: usize| -> ArrayRef {
        let rows = (0..200).map(|i| Some(vec![Some(0.0); if i == 199 { last } else { 20_000 }]));
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
    };
    let batch = RecordBatch::try_from_iter([("a_x", list(1)), ("a_y", list(2))]).expect("200 rows");
    let file = std::fs::File::create(&path).expect("there is room");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("it starts");
    writer.write(&batch).expect("it writes");
    writer.close().expect("it closes");
    let source = source::open(&path, None).expect("it opens");
    let target = directory.path().join("a.root");
    convert(&*source, &target, "t", &options(&[])).expect("it converts");
    let back = source::open(&target, None).expect("it opens");
    let names: Vec<_> = back.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["na_x", "a_x", "na_y", "a_y"]);
}

#[test]
fn real_files_come_back_from_trees() {
    let directory = tempfile::tempdir().expect("there is room");
    for (file, tree) in
        [("root/nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events"), ("root/uproot-HZZ-zstd.root", "events")]
    {
        let Some(path) = shared(file) else { continue };
        let source = source::open(&path, Some(tree)).expect("it opens");
        for form in [RootForm::Tree, RootForm::Ntuple] {
            let target = directory.path().join("a.root");
            let options = ConvertOptions { form, ..options(&[]) };
            let converted = convert(&*source, &target, tree, &options).expect("it converts");
            assert!(converted.skipped.is_empty(), "{:?}", converted.skipped);
            if form == RootForm::Ntuple {
                continue;
            }
            let back = source::open(&target, None).expect("it opens");
            // No counter is added: NanoAOD has its own.
            assert_eq!(back.schema().fields().len(), source.schema().fields().len(), "{file}");
            for field in source.schema().fields() {
                let name = field.name().as_str();
                same(&rows(&*source, &[name]), &rows(&*back, &[name]));
            }
        }
    }
}

#[test]
fn files_and_objects_are_told_apart() {
    for (text, file, object) in [
        ("a.root", "a.root", None),
        ("a.root:Events", "a.root", Some("Events")),
        ("a.root:dir/Events;2", "a.root", Some("dir/Events;2")),
        ("root://host:1094//x/a.root", "root://host:1094//x/a.root", None),
        ("root://host:1094//x/a.root:Events", "root://host:1094//x/a.root", Some("Events")),
        ("https://host:8080/a.root:t", "https://host:8080/a.root", Some("t")),
        ("C:/x.parquet", "C:/x.parquet", None),
        ("a.root:", "a.root:", None),
    ] {
        assert_eq!(split_object(text), (PathBuf::from(file), object.map(str::to_owned)), "{text}");
    }
}

/// pyarrow fails on a fixed-size list that cannot be null in a record that is ("Expected all lists to be of size=2"), not on one that
/// can: of records that may be null such lists may be null too.
#[test]
fn arrays_in_records_that_may_be_null_are_nullable_in_parquet() {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let pair = FixedSizeListArray::new(
        item,
        2,
        Arc::new(Float32Array::from(vec![1.0, 2.0, 0.0, 0.0, 3.0, 4.0])),
        None,
    );
    let members = vec![Field::new("p", pair.data_type().clone(), false)];
    let record = |nulls: Option<Vec<bool>>| {
        let arrays = vec![Arc::new(pair.clone()) as ArrayRef];
        Arc::new(StructArray::new(members.clone().into(), arrays, nulls.map(Into::into))) as ArrayRef
    };
    let records = record(Some(vec![true, false, true]));
    let item = Arc::new(Field::new("item", records.data_type().clone(), true));
    let ends = OffsetBuffer::from_lengths([2, 0, 1]);
    let lists = Arc::new(ListArray::new(item, ends, records.clone(), None)) as ArrayRef;
    let columns = [("one", records, true), ("many", lists, false), ("sure", record(None), false)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("it is a batch");
    let directory = tempfile::tempdir().expect("there is room");
    let (from, to) = (directory.path().join("a.parquet"), directory.path().join("b.parquet"));
    let file = std::fs::File::create(&from).expect("it can be written");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("it begins");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it ends");
    convert(&*source::open(&from, None).expect("it opens"), &to, "table", &options(&[]))
        .expect("it converts");
    let made = source::open(&to, None).expect("it opens");
    let made = rows(&*made, &["one", "many", "sure"]);
    for (column, is_nullable) in [("one", true), ("many", true), ("sure", false)] {
        let array = made.column_by_name(column).expect("it is there");
        let records = array.as_list_opt::<i32>().map_or(array, |list| list.values()).as_struct();
        assert_eq!(records.fields()[0].is_nullable(), is_nullable, "{column}");
        assert_eq!(records.null_count(), usize::from(is_nullable), "{column}");
        let pairs = records.column(0).as_fixed_size_list();
        assert_eq!(pairs.value(2).as_primitive::<Float32Type>().values(), &[3.0, 4.0], "{column}");
    }
}
