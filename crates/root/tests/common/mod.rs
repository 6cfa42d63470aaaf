//! The Rust half of the comparison with uproot.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::print_stderr, reason = "tests say why they are skipped")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrowPrimitiveType, types};
use arrow_schema::{DataType, Field};
use arrow_select::filter::filter;
use fiducial_root::{RootFile, Table};
use xxhash_rust::xxh64::Xxh64;

/// The interpreter with uproot, or `None` with a word why the test is skipped.
pub fn python() -> Option<String> {
    let python = std::env::var("FIDUCIAL_TEST_PYTHON").ok();
    if python.is_none() {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set to a Python with uproot");
    }
    python
}

/// Real files beside the checkout, sorted; empty where they are not there.
pub fn shared_files() -> Vec<PathBuf> {
    root_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/root"))
}

/// Real ntuples beside the checkout.
pub fn shared_ntuples() -> Vec<PathBuf> {
    root_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/rntuple"))
}

/// The small files that `make_fixtures.py` and `make_ntuples.py` make.
pub fn fixtures() -> Vec<PathBuf> {
    root_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"))
}

/// The ROOT files of a directory, sorted.
pub fn root_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        eprintln!("skipped: {} is not there", dir.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "root"));
    files.sort();
    files
}

/// What became of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both read it, and agree in type, values and offsets.
    Equal,
    /// Both read it, and do not agree.
    Different,
    /// uproot reads it and we do not.
    Missing,
    /// We read it and uproot does not.
    OnlyHere,
    /// Neither reads it.
    Neither,
}

/// A column of the comparison.
#[derive(Debug)]
pub struct Row {
    pub tree: String,
    pub column: String,
    pub outcome: Outcome,
    pub detail: String,
}

/// The table that is being compared, and how often each name was seen in it.
type Open = (String, Result<Table, fiducial_root::Error>, BTreeMap<String, usize>);

/// Compares a file column by column with what uproot reads from it; of the tables all, or only the ntuples.
pub fn compare(
    python: &str,
    path: &Path,
    only_ntuples: bool,
) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uproot_digests.py");
    let output = std::process::Command::new(python)
        .arg(script)
        .args(only_ntuples.then_some("--ntuples"))
        .arg(path)
        .stderr(std::process::Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(format!("uproot_digests.py ended with {}", output.status).into());
    }
    let file = RootFile::open(path);
    let mut open: Option<Open> = None;
    let mut rows = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let theirs: serde_json::Value = serde_json::from_str(line)?;
        let text = |key: &str| theirs[key].as_str().unwrap_or_default().to_owned();
        let (name, column) = (text("tree"), text("column"));
        let file = match &file {
            Ok(file) => file,
            Err(e) => {
                let outcome = if theirs["error"].is_null() { Outcome::Missing } else { Outcome::Neither };
                rows.push(Row { tree: name, column, outcome, detail: e.to_string() });
                continue;
            }
        };
        if open.as_ref().is_none_or(|(open, ..)| *open != name) {
            open = Some((name.clone(), file.table(&name), BTreeMap::new()));
        }
        let Some((_, tree, seen)) = &mut open else { continue };
        let ours = match tree {
            Ok(tree) => read(tree, &column, seen),
            Err(e) => Err(e.to_string()),
        };
        let kind = (text("kind"), text("digest"));
        let wide = (text("wide_kind"), text("wide_digest"));
        let is_ntuple = matches!(tree, Ok(Table::Ntuple(_)));
        let (outcome, detail) = match (ours, theirs["error"].as_str()) {
            (Ok(ours), None)
                if ours.plain == kind
                    || ((kind.0.contains("unknown") || ours.plain.0.contains("unknown"))
                        && ours.plain.1 == kind.1) =>
            {
                (Outcome::Equal, ours.plain.0)
            }
            // uproot takes the types of an ntuple's columns; here those of the C++ fields count, such as double and char.
            (Ok(ours), None) if is_ntuple && ours.wide == wide => {
                (Outcome::Equal, format!("{} for {}", ours.plain.0, kind.0))
            }
            (Ok(ours), None) => (Outcome::Different, format!("{} instead of {}", ours.plain.0, kind.0)),
            (Ok(ours), Some(error)) => (Outcome::OnlyHere, format!("{}; uproot: {error}", ours.plain.0)),
            (Err(reason), None) => (Outcome::Missing, format!("{reason}; uproot: {}", text("how"))),
            (Err(reason), Some(_)) => (Outcome::Neither, reason),
        };
        rows.push(Row { tree: name, column, outcome, detail });
    }
    Ok(rows)
}

/// Type and digest, and those of the wide form: real numbers of any size as 64 bits, characters without a sign.
struct Digests {
    plain: (String, String),
    wide: (String, String),
}

/// The type and digest of a column: of those with the same name in uproot, the one that was seen `times` times before.
fn read(table: &Table, name: &str, seen: &mut BTreeMap<String, usize>) -> Result<Digests, String> {
    let times = seen.entry(name.to_owned()).and_modify(|n| *n += 1).or_insert(1);
    let name = if *times > 1 { format!("{name};{times}") } else { name.to_owned() };
    let column = table.column(&name).ok_or("there is no such column")?;
    column.kind.clone()?;
    let batch = table.read(&[&name], 0..column.entries).map_err(|e| e.to_string())?;
    let of = |wide| digest_of(batch.schema_ref().field(0), batch.column(0).as_ref(), wide);
    Ok(Digests { plain: of(false), wide: of(true) })
}

/// The type of an array, and the digest of its values and offsets.
pub fn digest_of(field: &Field, array: &dyn Array, wide: bool) -> (String, String) {
    let mut state = Digest { state: Xxh64::new(0), wide };
    let kind = state.field(field, array);
    (kind, format!("{:016x}", state.state.digest()))
}

struct Digest {
    state: Xxh64,
    wide: bool,
}

impl Digest {
    /// A field that may be null: which values are there, and then those.
    fn field(&mut self, field: &Field, array: &dyn Array) -> String {
        if !field.is_nullable() {
            return self.values(array);
        }
        let valid: arrow_array::BooleanArray = (0..array.len()).map(|i| Some(array.is_valid(i))).collect();
        valid.values().iter().for_each(|value| self.state.update(&[u8::from(value)]));
        let there = filter(array, &valid).expect("the lengths agree");
        format!("?{}", self.values(there.as_ref()))
    }

    fn values(&mut self, array: &dyn Array) -> String {
        match array.data_type() {
            DataType::Boolean => {
                array.as_boolean().values().iter().for_each(|value| self.state.update(&[u8::from(value)]));
                "bool".into()
            }
            DataType::Int8 => self.numbers::<types::Int8Type>(array, if self.wide { "n1" } else { "i1" }),
            DataType::UInt8 => self.numbers::<types::UInt8Type>(array, if self.wide { "n1" } else { "u1" }),
            DataType::Int16 => self.numbers::<types::Int16Type>(array, "i2"),
            DataType::UInt16 => self.numbers::<types::UInt16Type>(array, "u2"),
            DataType::Int32 => self.numbers::<types::Int32Type>(array, "i4"),
            DataType::UInt32 => self.numbers::<types::UInt32Type>(array, "u4"),
            DataType::Int64 => self.numbers::<types::Int64Type>(array, "i8"),
            DataType::UInt64 => self.numbers::<types::UInt64Type>(array, "u8"),
            DataType::Float32 if self.wide => {
                let values = array.as_primitive::<types::Float32Type>().values();
                values.iter().for_each(|&x| self.state.update(&f64::from(x).to_le_bytes()));
                "f8".into()
            }
            DataType::Float32 => self.numbers::<types::Float32Type>(array, "f4"),
            DataType::Float64 => self.numbers::<types::Float64Type>(array, "f8"),
            DataType::Utf8 => {
                let text = array.as_string::<i32>();
                offsets(text.offsets(), &mut self.state);
                let (first, last) = (text.offsets()[0] as usize, text.offsets()[text.len()] as usize);
                self.state.update(&text.value_data()[first..last]);
                "text".into()
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                offsets(bytes.offsets(), &mut self.state);
                let (first, last) = (bytes.offsets()[0] as usize, bytes.offsets()[bytes.len()] as usize);
                self.state.update(&bytes.value_data()[first..last]);
                "bytes".into()
            }
            // Objects of a class that the file does not describe: there are none.
            DataType::Null => "unknown".into(),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                offsets(list.offsets(), &mut self.state);
                let (first, last) = (list.offsets()[0] as usize, list.offsets()[list.len()] as usize);
                format!("list[{}]", self.field(item, list.values().slice(first, last - first).as_ref()))
            }
            DataType::FixedSizeList(item, n) => {
                format!("{n}*{}", self.field(item, array.as_fixed_size_list().values().as_ref()))
            }
            DataType::Struct(fields) => {
                let mut columns: Vec<_> = fields.iter().zip(array.as_struct().columns()).collect();
                columns.sort_by(|(a, _), (b, _)| a.name().cmp(b.name()));
                let fields =
                    columns.into_iter().map(|(f, c)| format!("{}:{}", f.name(), self.field(f, c.as_ref())));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            other => format!("{other}"),
        }
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, array: &dyn Array, name: &str) -> String {
        // The digest is of little-endian bytes, as the native ones are on every machine that this project builds for.
        self.state.update(array.as_primitive::<T>().values().inner().as_slice());
        name.into()
    }
}

fn offsets(offsets: &[i32], state: &mut Xxh64) {
    offsets.iter().for_each(|&offset| state.update(&i64::from(offset - offsets[0]).to_le_bytes()));
}
