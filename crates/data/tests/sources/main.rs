//! HDF5, NumPy, CSV, LHE and HepMC files: values as the field's own readers give them, in any ranges of rows, and an error
//! or a value for any bytes. `make.py` made the fixtures.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic)]

mod bad_files;
mod remote;
mod views;
mod wild_csv;

use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type};
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
const TABLES: [(&str, Option<&str>); 33] = [
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
    ("missing.csv", None),
    ("savetxt.txt", None),
    ("events.lhe", None),
    ("events.lhe.xz", None),
    ("gev_mm.hepmc3", None),
    ("mev_cm.hepmc3", None),
    ("gev_mm.hepmc2", None),
    ("mev_cm.hepmc2", None),
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
    check("lengths.npz", &OpenOptions::default(), "a 3, b 4");
    check("lengths.npz", &table("c"), "no array `c`");
    check("", &OpenOptions::default(), "it is a directory: name the files in it");
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
    check("c.csv", "", "it is empty");
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
    check("d.hepmc", &good.replace("Asciiv3", "IO_Ascii"), "another format than what can be read");
    check("e.hepmc", &good[..good.len() / 2], "cut short after");
    let two = std::fs::read_to_string(fixture("gev_mm.hepmc2")).unwrap();
    check("f.hepmc", &[good.as_str(), &two].concat(), "another format than what the file begins with");
    check("g.hepmc", &two[..two.len() / 2], "cut short after 5 events");
    let lines: Vec<&str> = two.split_inclusive('\n').collect();
    let without = |start: &str| {
        let gone = lines.iter().rposition(|line| line.starts_with(start)).unwrap();
        [&lines[..gone], &lines[gone + 1..]].concat().concat()
    };
    check("h.hepmc", &without("P 1000"), "the vertex -3 has 2 outgoing particles where 3 are promised");
    check("i.hepmc", &without("P 10002"), "the vertex -1 has 1 incoming particles where 2 are promised");
    check("j.hepmc", &without("V -3"), "it has 1 vertices where 2 are promised");
    check("k.hepmc", &without("U "), "it has no units before its vertices");
    check("l.hepmc", &two.replacen("N 2", "N 3", 1), "it names 2 weights where 3 are promised");
    check("m.hepmc", &two.replacen("scale up", "nominal", 1), "two weights have one name");
    let last = two.rfind("\"scale up\"").unwrap();
    let renamed = [&two[..last], "\"other\"", &two[last + 10..]].concat();
    check("n.hepmc", &renamed, "weight `scale up` is not there");
    check("o.hepmc", &two.replacen(" 10002 0 2 ", " 10002 0 3 ", 1), "3 are promised");
}

/// `cat a.hepmc b.hepmc` is a file that HepMC3 reads, and the events of the second one were left out in silence.
#[test]
fn listings_one_behind_the_other_are_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("both.hepmc");
    let (gev, mev) = (fixture("gev_mm.hepmc3"), fixture("mev_cm.hepmc3"));
    let good = std::fs::read_to_string(&gev).unwrap();
    let all = |source: &dyn Source| {
        let schema = source.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        source.read(&columns, 0..source.rows())
    };
    let (one, two) = (open("gev_mm.hepmc3", None), open("mev_cm.hepmc3", None));
    std::fs::write(&path, [good.as_str(), &std::fs::read_to_string(&mev).unwrap()].concat()).unwrap();
    let both = source::open(&path, None).unwrap();
    let (first, second) = (all(&*one).unwrap(), all(&*two).unwrap());
    let expected = arrow_select::concat::concat_batches(&first.schema(), [&first, &second]).unwrap();
    assert_eq!(all(&*both).unwrap(), expected);

    let check = |text: &str, expected: &str| {
        std::fs::write(&path, text).unwrap();
        let error = source::open(&path, None).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "`{error}` does not say `{expected}`");
    };
    let renamed = good.replacen("\nW ", "\nW x", 1);
    check(&[good.as_str(), &renamed].concat(), "its weights have other names from event");
    check(&[good.as_str(), "E 1 0 0\n"].concat(), "something follows the end of the events, at byte");
    check(&[good.as_str(), &good[..good.len() / 2]].concat(), "cut short after");
}

/// What XML lets stand before the events and in their tags; remarks and empty lines among particles; an id that two weights have.
#[test]
fn lhe_files_may_begin_as_xml_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.lhe");
    let text = "<?xml version=\"1.0\"?>\n<!-- made <by> hand -->\n<LesHouchesEvents version=\"3.0\">\n\
        <init>\n<weight pdfid='7' id = 'up'> MUR=2 </weight>\n</init>\n<event>\n\n 2 1 1.5 91.0 0.1 0.1\n# who\n \
        11 1 0 0 0 0 1. 2. 3. 4. 5. 0. 9. # an electron\n\n -11 1 0 0 0 0 1. 2. 3. 4. 5. 0. 9.\n<weights> 2.5 </weights>\n\
        </event>\n</LesHouchesEvents>\n";
    std::fs::write(&path, text).unwrap();
    let source = source::open(&path, None).unwrap();
    let batch = source.read(&["weight", "weight_up"], 0..1).unwrap();
    let numbers: Vec<f64> =
        batch.columns().iter().map(|column| column.as_primitive::<Float64Type>().value(0)).collect();
    assert_eq!(numbers, [1.5, 2.5]);
    let ids = source.read(&["particle_id"], 0..1).unwrap().column(0).as_list::<i32>().values().clone();
    assert_eq!(ids.as_primitive::<Int32Type>().values().to_vec(), [11, -11]);

    let weights = "<rwgt><wgt id='a'> 1 </wgt><wgt id='a'> 2 </wgt><wgt id='b'>3</wgt></rwgt>";
    let twice = text.replace("<weights> 2.5 </weights>", weights);
    std::fs::write(&path, &twice).unwrap();
    let source = source::open(&path, None).unwrap();
    let batch = source.read(&["weight_a", "weight_a_2", "weight_b"], 0..1).unwrap();
    let numbers: Vec<f64> =
        batch.columns().iter().map(|column| column.as_primitive::<Float64Type>().value(0)).collect();
    assert_eq!(numbers, [1.0, 2.0, 3.0]);
}

/// Rows were counted by other rules than their cells are parsed by: behind a quote in the middle of a cell, and where lines end in
/// "\r", rows were lost in silence.
#[test]
fn rows_of_csv_are_counted_as_they_are_parsed() {
    let directory = tempfile::tempdir().unwrap();
    let check = |text: &str, column: &str, expected: &[&str]| {
        let path = directory.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let options =
            OpenOptions { types: [(column.to_owned(), DataType::Utf8)].into(), ..OpenOptions::default() };
        let source = source::open_with(&path, &options).unwrap();
        let batch = source.read(&[column], 0..source.rows()).unwrap();
        let found: Vec<&str> = batch.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(found, expected, "{text:?}");
    };
    check("a,b\n1,5\"x\n2,y\n3,z\"\n", "b", &["5\"x", "y", "z\""]);
    check("a,b\r1,x\r2,y\r\r3,z", "b", &["x", "y", "z"]);
    check("a;b\r\n1;\"x\r\n;y\"\r\n\r\n2;\"a \"\"q\"\" b\"\r\n", "b", &["x\r\n;y", "a \"q\" b"]);
    check("a;b\n\"x\" y \";z\n\"\";w,\"\n3;v", "b", &["z", "w,\"", "v"]);
    // As pandas writes a frame with its index; several cells without a name were one name twice.
    check(",pt,\n0,x,y\n1,z,w\n", "column_2", &["y", "w"]);
    check(",pt,\n0,x,y\n1,z,w\n", "column_0", &["0", "1"]);
}

/// An NPY file.
fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

/// A structured array of NumPy's was refused, as was an archive that holds a number beside its arrays.
#[test]
fn records_of_numpy_are_columns() {
    let directory = tempfile::tempdir().unwrap();
    let descr =
        "[('shape', '<f4'), ('', '|V3'), ('hits', '>i2', (2,)), ('p', [('x', '<f8')]), ('when', '<M8[ns]')]";
    let record = |x: f32, hits: [i16; 2], px: f64| {
        [
            &x.to_le_bytes()[..],
            &[0; 3],
            &hits[0].to_be_bytes(),
            &hits[1].to_be_bytes(),
            &px.to_le_bytes(),
            &[0; 8],
        ]
        .concat()
    };
    let values = [record(1.5, [1, -2], 0.25), record(2.5, [3, 4], -0.5)].concat();
    let check = |source: &dyn Source, prefix: &str| {
        let columns = ["shape", "hits", "p.x"].map(|name| format!("{prefix}{name}"));
        let columns = columns.each_ref().map(String::as_str);
        let schema = source.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names[..3], columns);
        let batch = source.read(&columns, 0..2).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Float32Type>().values().to_vec(), [1.5, 2.5]);
        let hits = batch.column(1).as_fixed_size_list().values().clone();
        assert_eq!(hits.as_primitive::<Int16Type>().values().to_vec(), [1, -2, 3, 4]);
        assert_eq!(batch.column(2).as_primitive::<Float64Type>().values().to_vec(), [0.25, -0.5]);
        assert!(source.unreadable(&format!("{prefix}when")).unwrap().contains("<M8[ns]"));
    };
    let path = directory.path().join("jets.npy");
    std::fs::write(&path, npy(descr, "(2,)", &values)).unwrap();
    check(&*source::open(&path, None).unwrap(), "");

    let path = directory.path().join("jets.npz");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, content: Vec<u8>| {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &content).unwrap();
    };
    add("jets.npy", npy(descr, "(2,)", &values));
    add("label.npy", npy("'|i1'", "(2,)", &[0, 1]));
    add("version.npy", npy("'<f8'", "()", &1.0_f64.to_le_bytes()));
    archive.finish().unwrap();
    let source = source::open(&path, None).unwrap();
    check(&*source, "jets.");
    assert!(source.unreadable("version").unwrap().contains("single value"));
    check(&*source::open(&path, Some("jets")).unwrap(), "");
    std::fs::write(&path, npy("'<f8'", "()", &1.0_f64.to_le_bytes())).unwrap();
    let error = source::open(&path, None).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("single value"), "{error}");
}

/// `convert` wrote the members of records beside the records, all values twice.
#[test]
fn members_of_records_are_converted_where_they_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let numbers = |values: [f64; 2]| {
        std::sync::Arc::new(arrow_array::Float64Array::from_iter_values(values)) as arrow_array::ArrayRef
    };
    let field = |name: &str| std::sync::Arc::new(arrow_schema::Field::new(name, DataType::Float64, false));
    let members = ["px", "py", "pz", "E"].map(|name| (field(name), numbers([1.0, 2.0])));
    let records = arrow_array::StructArray::from(members.to_vec());
    let batch = arrow_array::RecordBatch::try_from_iter([
        ("p", std::sync::Arc::new(records) as arrow_array::ArrayRef),
        ("w", numbers([3.0, 4.0])),
    ]);
    let batch = batch.unwrap();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None)
            .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let source = source::open(&path, None).unwrap();
    let converted = |patterns: &[&str]| {
        let options = ConvertOptions {
            columns: patterns.iter().map(|p| (*p).to_owned()).collect(),
            ..ConvertOptions::default()
        };
        convert(&*source, &directory.path().join("b.parquet"), "t", &options).unwrap().columns
    };
    assert_eq!(converted(&[]), ["p", "w"]);
    assert_eq!(converted(&["*"]), ["p", "w"]);
    assert_eq!(converted(&["p.p?", "w"]), ["w", "p.pt", "p.px", "p.py", "p.pz"]);
    assert_eq!(source::matching_columns(&*source, &["p*"]).unwrap(), ["p"]);
    assert_eq!(source::matching_columns(&*source, &["p.mass", "*"]).unwrap(), ["p.mass", "p", "w"]);
}

/// gzip, which Spark and pandas offer, was refused for the whole file, as was any file with one column that cannot be unpacked.
#[test]
fn columns_of_parquet_are_unpacked_or_named() {
    let source = open("packed.parquet", None);
    let schema = source.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["gzip", "snappy"]);
    let batch = source.read(&["gzip", "snappy"], 0..3).unwrap();
    assert_eq!(
        batch.column(0).as_list::<i32>().values().as_primitive::<Float64Type>().values().to_vec(),
        [1.5, -2.0, 0.25]
    );
    assert_eq!(batch.column(0).to_data().child_data(), batch.column(1).to_data().child_data());
    let error = source.read(&["brotli"], 0..3).unwrap_err().to_string();
    assert!(error.contains("packed with Brotli"), "{error}");
    assert_eq!(source.unreadable_columns().len(), 1);
}

/// Of ATLAS's files for flavour tagging neither jets and tracks together could be read, nor anything without naming a table, because
/// of counters that have rows of their own.
#[test]
fn arrays_of_one_length_are_a_table_beside_others() {
    let names = |source: &dyn Source| {
        let schema = source.schema();
        schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    let source = open("counters.h5", None);
    assert_eq!(source.rows(), 4);
    assert_eq!(names(&*source), ["jets.pt", "jets.flavour", "tracks.d0", "tracks.valid", "weights/nominal"]);
    let reason = source.unreadable("cutBookkeeper/nominal/counts").unwrap();
    assert_eq!(reason, "it has 2 rows, where `jets` has 4");
    let two = open("counters.h5", Some("tracks, weights/nominal"));
    assert_eq!(names(&*two), ["tracks.d0", "tracks.valid", "weights/nominal"]);
    assert_eq!(names(&*open("counters.h5", Some("cutBookkeeper/nominal/counts"))), ["nEventsProcessed"]);
    assert_eq!(names(&*open("stored.npz", Some("X,y"))), ["X", "y"]);
    let check = |name: &str, table: &str, expected: &str| {
        let error = source::open(&fixture(name), Some(table))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains(expected), "`{error}` does not say `{expected}`");
    };
    check("counters.h5", "jets,track", "find `track`");
    check(
        "counters.h5",
        "jets,cutBookkeeper/nominal/counts",
        "different numbers of rows (jets [4], cutBookkeeper/nominal/counts [2])",
    );
    check("stored.npz", "X,z", "no array `z`");
}
