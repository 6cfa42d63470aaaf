//! HDF5, NumPy, CSV, LHE and HepMC3 files: values as the field's own readers give them, in any ranges of rows, and an error
//! or a value for any bytes. `make.py` made the fixtures.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic)]

mod bad_files;
mod remote;
mod views;

use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::{Array, BooleanArray};
use arrow_schema::DataType;
use arrow_select::filter::filter_record_batch;
use fiducial_data::convert::{ConvertOptions, convert};
use fiducial_data::source::{self, OpenOptions, Source};
use proptest::prelude::*;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources/fixtures").join(name)
}

/// Every fixture with the tables that are read of it.
const TABLES: [(&str, Option<&str>); 29] = [
    ("plain.h5", None),
    ("gzip.h5", None),
    ("latest.h5", None),
    ("latest.h5", Some("inner")),
    ("records.h5", None),
    ("records.h5", Some("jets")),
    ("user_block.h5", None),
    ("table_blosclz.h5", None),
    ("table_lz4.h5", None),
    ("table_zlib.h5", None),
    ("table_zstd.h5", Some("table")),
    ("frame_fixed.h5", None),
    ("frame_numbers.h5", Some("df")),
    ("blosc.h5", Some("waves")),
    ("blosc.h5", Some("noise")),
    ("fortran.npy", None),
    ("version3.npy", None),
    ("stored.npz", None),
    ("packed.npz", None),
    ("lengths.npz", Some("b")),
    ("hits.csv", None),
    ("hits.csv.gz", None),
    ("hits.tsv", None),
    ("bare.csv", None),
    ("gaps.csv", None),
    ("events.lhe", None),
    ("events.lhe.xz", None),
    ("gev_mm.hepmc3", None),
    ("mev_cm.hepmc3", None),
];

fn open(name: &str, table: Option<&str>) -> Box<dyn Source> {
    source::open(&fixture(name), table).unwrap_or_else(|error| panic!("{name}: failed to {error}"))
}

#[test]
fn values_are_those_of_the_fields_own_readers() {
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set, so no other reader was asked");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for (name, table) in TABLES {
        let source = open(name, table);
        let to = directory.path().join(format!("{name}@{}.parquet", table.unwrap_or_default()));
        let converted = convert(&*source, &to, "table", &ConvertOptions::default());
        let converted = converted.unwrap_or_else(|error| panic!("{name}: failed to {error}"));
        let skipped: Vec<_> = converted.skipped.iter().map(|skipped| skipped.column.as_str()).collect();
        let expected: &[&str] = match (name, table) {
            ("latest.h5", None) => &["inner/deep/words"],
            ("latest.h5", Some(_)) => &["deep/words"],
            _ => &[],
        };
        assert_eq!(skipped, expected, "{name}");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources/check.py");
    let output = Command::new(python).args([&script, &fixture(""), directory.path()]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim().ends_with("ok"), "{out}{err}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever range is read, whatever columns and rows are chosen: the same values as of the whole table.
    #[test]
    fn any_part_is_a_part_of_the_whole(
        place in 0..TABLES.len(),
        (start, end) in (0.0..=1.0, 0.0..=1.0),
        seed in any::<u64>(),
    ) {
        let (name, table) = TABLES[place];
        let source = open(name, table);
        let schema = source.schema();
        let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let whole = source.read(&all, 0..source.rows()).unwrap();
        prop_assert_eq!(whole.schema(), schema.clone());
        let at = |share: f64| (share * source.rows() as f64) as u64;
        let rows = at(f64::min(start, end))..at(f64::max(start, end));
        let columns: Vec<&str> =
            all.iter().enumerate().filter(|(index, _)| seed >> (index % 60) & 1 == 1).map(|(_, name)| *name).rev().collect();
        let indices: Vec<usize> = columns.iter().map(|column| schema.index_of(column).unwrap()).collect();
        let part = whole.slice(rows.start as usize, (rows.end - rows.start) as usize).project(&indices).unwrap();
        let read = source.read(&columns, rows.clone()).unwrap();
        prop_assert_eq!(&read, &part, "{}", name);
        let chosen: BooleanArray = (0..part.num_rows()).map(|row| Some((row as u64).wrapping_mul(7).wrapping_add(seed).is_multiple_of(3))).collect();
        let read = source.read_chosen(&columns, rows, &chosen).unwrap();
        prop_assert_eq!(read, filter_record_batch(&part, &chosen).unwrap(), "{}", name);
    }
}

#[test]
fn partitions_cover_all_rows_in_order() {
    for (name, table) in TABLES {
        let source = open(name, table);
        let mut next = 0;
        for rows in source.partitions() {
            assert!(rows.start == next && rows.start < rows.end, "{name}: {rows:?}");
            next = rows.end;
        }
        assert_eq!(next, source.rows(), "{name}");
    }
}

/// A change of any byte gives an error or other values: never a panic, an endless loop or a huge allocation.
#[test]
fn changed_bytes_are_read_or_refused() {
    const CHANGES: usize = 1000;
    let directory = tempfile::tempdir().unwrap();
    let mut state = 20_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (name, table) in TABLES {
        let good = std::fs::read(fixture(name)).unwrap();
        let path = directory.path().join(name);
        let mut refused = 0;
        for change in 0..CHANGES {
            let mut bytes = good.clone();
            match change % 10 {
                0 => bytes.truncate(random(good.len())),
                1 => {
                    let (from, to) = (random(good.len()), random(good.len()));
                    let size = random(64).min(good.len() - from.max(to));
                    bytes.copy_within(from..from + size, to);
                }
                _ => {
                    // Half of the changes near the front, where most of what describes a file stands.
                    let reach = if change % 2 == 0 { good.len().min(2000) } else { good.len() };
                    for _ in 0..=random(3) {
                        bytes[random(reach)] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
                    }
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            refused += usize::from(!is_readable(&path, table));
        }
        assert!(refused > 0, "{name}: no change was refused");
    }
}

/// Reads everything, a partition at a time; more than a few partitions only of files that say so.
fn is_readable(path: &Path, table: Option<&str>) -> bool {
    let Ok(source) = source::open(path, table) else { return false };
    let schema = source.schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    source.partitions().into_iter().take(4).all(|rows| source.read(&columns, rows).is_ok())
}

#[test]
fn slices_of_arrays_are_columns() {
    let options = OpenOptions {
        arrays: vec![
            ("etarel".to_owned(), "particle_features[:, :, 0]".to_owned()),
            ("first".to_owned(), "particle_features[:, 0, 2]".to_owned()),
            ("every_other".to_owned(), "jet_features[:, 1::2]".to_owned()),
        ],
        ..OpenOptions::default()
    };
    let source = source::open_with(&fixture("plain.h5"), &options).unwrap();
    let batch =
        source.read(&["particle_features", "jet_features", "etarel", "first", "every_other"], 3..7).unwrap();
    let flat = |index: usize| {
        let mut data = batch.column(index).to_data();
        while let Some(child) = data.child_data().first().cloned() {
            data = child;
        }
        arrow_array::make_array(data)
    };
    let features = flat(0).as_any().downcast_ref::<arrow_array::Float32Array>().unwrap().clone();
    let expected: Vec<f32> = (0..4 * 5).map(|particle| features.value(particle * 4)).collect();
    assert_eq!(
        flat(2).as_any().downcast_ref::<arrow_array::Float32Array>().unwrap().values().to_vec(),
        expected
    );
    let expected: Vec<f32> = (0..4).map(|row| features.value(row * 20 + 2)).collect();
    assert_eq!(
        flat(3).as_any().downcast_ref::<arrow_array::Float32Array>().unwrap().values().to_vec(),
        expected
    );
    let jets = flat(1).as_any().downcast_ref::<arrow_array::Float64Array>().unwrap().clone();
    let expected: Vec<f64> =
        (0..4).flat_map(|row| [jets.value(row * 5 + 1), jets.value(row * 5 + 3)]).collect();
    assert_eq!(
        flat(4).as_any().downcast_ref::<arrow_array::Float64Array>().unwrap().values().to_vec(),
        expected
    );
    // A slice of an array in Fortran's order.
    let options = OpenOptions {
        arrays: vec![("z".to_owned(), "fortran[:, :, -1]".to_owned())],
        ..OpenOptions::default()
    };
    let source = source::open_with(&fixture("fortran.npy"), &options).unwrap();
    let field = source.schema().field_with_name("z").unwrap().clone();
    assert!(matches!(field.data_type(), DataType::FixedSizeList(_, 4)), "{field}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let check = |name: &str, options: &OpenOptions, expected: &str| match source::open_with(
        &fixture(name),
        options,
    ) {
        Ok(_) => panic!("{name}: {expected:?} was expected"),
        Err(error) => assert!(error.to_string().contains(expected), "{name}: {error}"),
    };
    let table = |name: &str| OpenOptions::table(Some(name));
    let slice = |text: &str| OpenOptions {
        arrays: vec![("x".to_owned(), text.to_owned())],
        ..OpenOptions::default()
    };
    let typed = |column: &str, data_type: DataType| OpenOptions {
        types: [(column.to_owned(), data_type)].into(),
        ..OpenOptions::default()
    };
    check("blosc.h5", &OpenOptions::default(), "different numbers of rows");
    check("lengths.npz", &OpenOptions::default(), "a 3, b 4");
    check("lengths.npz", &table("c"), "no array `c`");
    check("plain.h5", &table("nothing"), "it has jet_features, particle_features");
    check("plain.h5", &slice("particle_feature[:, 0]"), "particle_features");
    check("plain.h5", &slice("particle_features[:, 9]"), "index 9 of an axis of 5");
    check("events.lhe", &slice("x[:, 0]"), "slices of arrays were asked for");
    check("plain.h5", &typed("x", DataType::Int64), "declared types were asked for");
    let wrong = source::open_with(&fixture("hits.csv"), &typed("x", DataType::Int64)).unwrap();
    let error = wrong.read(&["x"], 0..wrong.rows()).unwrap_err().to_string();
    assert!(
        error.contains("column `x`") && error.contains("line 2:") && error.contains("is not int64"),
        "{error}"
    );
    let text = source::open_with(&fixture("hits.csv"), &typed("hit_id", DataType::Utf8)).unwrap();
    assert_eq!(text.schema().field_with_name("hit_id").unwrap().data_type(), &DataType::Utf8);
}

/// A row with a cell too many or too few is an error with its line, as is an event that does not hold what it promises.
#[test]
fn texts_that_break_off_name_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, text: &str, expected: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let outcome = source::open(&path, None).and_then(|source| {
            let schema = source.schema();
            let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            source.read(&columns, 0..source.rows()).map(drop)
        });
        let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{name}: `{error}` does not say `{expected}`");
    };
    check("a.csv", "a,b\n1,2\n\n\"x\ny\",3\n4\n", "line 6: it has 1 cells where the first line has 2");
    check("b.csv", "a,a\n1,2\n", "two columns have the name `a`");
    check("c.csv", "", "its first bytes");
    let event = "<event>\n 1 1 1.0 91.0 0.1 0.1\n 11 1 0 0 0 0 1. 2. 3. 4. 5. 0. 9.\n</event>\n";
    let lhe = |events: &str| format!("<LesHouchesEvents version=\"3.0\">\n{events}</LesHouchesEvents>\n");
    check("a.lhe", &lhe(&event.replace(" 1 1 1.0", " 2 1 1.0")), "event 0, line 5: ");
    check("b.lhe", &lhe(&event.replace("4. 5.", "4. five")), "event 0, line 4: the particle_mass `five`");
    check("c.lhe", &lhe(&event.replace("</event>", "")), "cut short after 0 events");
    check("d.lhe", &lhe(event).replace("</Les", "<Les"), "cut short after 1 events");
    let good = std::fs::read_to_string(fixture("gev_mm.hepmc3")).unwrap();
    check("a.hepmc", &good.replacen("V -1", "V x", 1), "vertex's id `x`");
    check("b.hepmc", &good.replacen("GEV", "TEV", 1), "unit of energy");
    check(
        "c.hepmc",
        &good.replacen("E 100 2", "E 100 3", 1),
        "2 vertices and 4 particles where 3 and 4 are promised",
    );
    check("d.hepmc", &good.replace("Asciiv3", "IO_GenEvent"), "another format");
    check("e.hepmc", &good[..good.len() / 2], "cut short after");
}
