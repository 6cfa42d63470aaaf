//! CSV as it is found: remarks, missing numbers, blanks between cells.

use arrow_array::RecordBatch;
use fiducial_data::source::{self, Error};

fn read(text: &str) -> Result<RecordBatch, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    let source = source::open(&path, None)?;
    let schema = source.schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    source.read(&columns, 0..source.rows())
}

/// The columns of a text as `name: values`, those that are missing as `-`.
fn table(text: &str) -> Vec<String> {
    let batch = read(text).unwrap_or_else(|error| panic!("{text:?}: failed to {error}"));
    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
    let shown = columns.map(|(field, array)| {
        let debug = format!("{array:?}");
        let (kind, values) = debug.split_once("\n[\n").unwrap();
        let kind = kind.trim_start_matches("PrimitiveArray<").trim_end_matches('>').to_lowercase();
        let values: Vec<&str> = values.trim_end_matches(']').split(",\n").map(str::trim).collect();
        format!("{} {kind}: {}", field.name(), values.join(" ").trim().replace("null", "-"))
    });
    shown.collect()
}

/// Remarks before the first row are none of its columns, and numbers, names and gaps are what they mean.
#[test]
fn tables_as_others_write_them() {
    for (text, expected) in [
        // Remarks, then names.
        ("# made by hand\n#\npt,n\n1.5,2\n", vec!["pt float64: 1.5", "n int64: 2"]),
        ("\u{feff}# made by hand\r\n\r\npt,n\r\n1.5,2\r\n", vec!["pt float64: 1.5", "n int64: 2"]),
        // Names in a remark, as numpy.savetxt has them; not those in a sentence with other commas.
        ("# run 7\n# pt,n\n1.5,2\n3,4\n", vec!["pt float64: 1.5 3.0", "n int64: 2 4"]),
        ("# pt,n\n# in GeV, both, of course\n1.5,2\n", vec!["pt float64: 1.5", "n int64: 2"]),
        ("#name,n\nmu,2\ne,3\n", vec!["name stringarray: \"mu\" \"e\"", "n int64: 2 3"]),
        ("# 1,2\n3,4\n", vec!["column_0 int64: 3", "column_1 int64: 4"]),
        ("# at night, by me\npt,n\n1.5,2\n", vec!["pt float64: 1.5", "n int64: 2"]),
        ("# a list of numbers\n1\n2\n", vec!["column_0 int64: 1 2"]),
        ("#pt\n1\n2\n", vec!["pt int64: 1 2"]),
        // Behind the first row a line is a row whatever it begins with.
        ("a,b\n#1,2\n", vec!["a stringarray: \"#1\"", "b int64: 2"]),
        // What is missing.
        (
            "i,x,b,t\n1,NA,true,NA\nNA,2.5,null,ok\n3,<NA>,False,None\n,N/A,,\n",
            vec![
                "i int64: 1 - 3 -",
                "x float64: - 2.5 - -",
                "b booleanarray: true - false -",
                "t stringarray: \"NA\" \"ok\" \"None\" -",
            ],
        ),
        ("x\nNaN\n1\n-1.#IND\n", vec!["x float64: NaN 1.0 NaN"]),
        ("x,y\nNA,1\nNA,2\n", vec!["x stringarray: \"NA\" \"NA\"", "y int64: 1 2"]),
        ("x,y\n007,1\nNA,2\n", vec!["x stringarray: \"007\" \"NA\"", "y int64: 1 2"]),
        // Separators.
        ("a;b\n1;2,5\n", vec!["a int64: 1", "b stringarray: \"2,5\""]),
        ("a\tb\n1\t2 3\n", vec!["a int64: 1", "b stringarray: \"2 3\""]),
        ("  pt  n\n 1.5   2\n\n-3e2\t 4 \n", vec!["pt float64: 1.5 -300.0", "n int64: 2 4"]),
        ("# pt n\n1.5 2\n", vec!["pt float64: 1.5", "n int64: 2"]),
        ("1.5 2\n3 4\n", vec!["column_0 float64: 1.5 3.0", "column_1 int64: 2 4"]),
        ("id pt\n\"a 1.5\nb\" 2\n", vec!["id stringarray: \"\\\"a\" \"b\\\"\"", "pt float64: 1.5 2.0"]),
        // A column of texts with blanks has one column.
        ("full name\nAnn Lee\nBo Ek\n", vec!["full name stringarray: \"Ann Lee\" \"Bo Ek\""]),
        ("time\n12:00 h 3\n", vec!["time stringarray: \"12:00 h 3\""]),
    ] {
        assert_eq!(table(text), expected, "{text:?}");
    }
}

/// A text that is called `.txt` may be anything.
#[test]
fn a_text_without_columns_is_no_table() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, text: &str, is_table: bool| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = source::open(&path, None).err().map(|error| error.to_string());
        assert_eq!(error.is_none(), is_table, "{name}: {error:?}");
        assert!(error.is_none_or(|error| error.contains("one column of texts")));
    };
    check("a.txt", "Dear reader\n\nthis is no table\n", false);
    check("a.csv", "Dear reader\n\nthis is no table\n", true);
    check("b.dat", "1 2\n3 4\n", true);
    check("c.txt", "energy\n1.5\n", true);
}

/// What may be names or a row is neither.
#[test]
fn what_is_ambiguous_is_refused() {
    for (text, expected) in [
        (
            "#name,kind\nmu,lepton\ne,lepton\n",
            "a remark before line 2 and the line itself may have the columns' names",
        ),
        ("# one\n# two\n", "it has remarks and no rows"),
        ("a b\n1 2\n3\n", "line 3: it has 1 cells where the first line has 2"),
        ("# x\n\na,b\n1,2\n\n3\n", "line 6: it has 1 cells where the first line has 2"),
        ("# x,y\n1,2\nNA 3\n", "line 3: it has 1 cells where the first line has 2"),
    ] {
        let error = read(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{text:?}: `{error}` does not say `{expected}`");
    }
}
