//! The Rust half of the comparison with uproot.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::print_stderr, reason = "tests say why they are skipped")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrowPrimitiveType, types};
use arrow_schema::DataType;
use fiducial_root::{RootFile, Tree};
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

/// The small files that `make_fixtures.py` makes.
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

/// The tree that is being compared, and how often each name was seen in it.
type Open = (String, Result<Tree, fiducial_root::Error>, BTreeMap<String, usize>);

/// Compares a file column by column with what uproot reads from it.
pub fn compare(python: &str, path: &Path) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uproot_digests.py");
    let output = std::process::Command::new(python)
        .arg(script)
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
            let tree = if name.is_empty() { file.tree("") } else { file.tree(&name) };
            open = Some((name.clone(), tree, BTreeMap::new()));
        }
        let Some((_, tree, seen)) = &mut open else { continue };
        let ours = match tree {
            Ok(tree) => read(tree, &column, seen),
            Err(e) => Err(e.to_string()),
        };
        let kind = (text("kind"), text("digest"));
        let (outcome, detail) = match (ours, theirs["error"].as_str()) {
            (Ok(ours), None)
                if ours == kind
                    || ((kind.0.contains("unknown") || ours.0.contains("unknown")) && ours.1 == kind.1) =>
            {
                (Outcome::Equal, ours.0)
            }
            (Ok(ours), None) => (Outcome::Different, format!("{} instead of {}", ours.0, kind.0)),
            (Ok(ours), Some(error)) => (Outcome::OnlyHere, format!("{}; uproot: {error}", ours.0)),
            (Err(reason), None) => (Outcome::Missing, format!("{reason}; uproot: {}", text("how"))),
            (Err(reason), Some(_)) => (Outcome::Neither, reason),
        };
        rows.push(Row { tree: name, column, outcome, detail });
    }
    Ok(rows)
}

/// The type and digest of a column: of those with the same name in uproot, the one that was seen `times` times before.
fn read(tree: &Tree, name: &str, seen: &mut BTreeMap<String, usize>) -> Result<(String, String), String> {
    let times = seen.entry(name.to_owned()).and_modify(|n| *n += 1).or_insert(1);
    let name = if *times > 1 { format!("{name};{times}") } else { name.to_owned() };
    let column = tree.column(&name).ok_or("there is no such column")?;
    column.kind.clone()?;
    let batch = tree.read(&[&name], 0..column.entries).map_err(|e| e.to_string())?;
    Ok(digest_of(batch.column(0).as_ref()))
}

/// The type of an array, and the digest of its values and offsets.
pub fn digest_of(array: &dyn Array) -> (String, String) {
    let mut state = Xxh64::new(0);
    let kind = digest(array, &mut state);
    (kind, format!("{:016x}", state.digest()))
}

fn digest(array: &dyn Array, state: &mut Xxh64) -> String {
    if let Some(nulls) = array.nulls() {
        nulls.iter().for_each(|valid| state.update(&[u8::from(valid)]));
        return format!("?{}", values(array, state));
    }
    values(array, state)
}

fn values(array: &dyn Array, state: &mut Xxh64) -> String {
    match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().values().iter().for_each(|value| state.update(&[u8::from(value)]));
            "bool".into()
        }
        DataType::Int8 => numbers::<types::Int8Type>(array, state, "i1"),
        DataType::UInt8 => numbers::<types::UInt8Type>(array, state, "u1"),
        DataType::Int16 => numbers::<types::Int16Type>(array, state, "i2"),
        DataType::UInt16 => numbers::<types::UInt16Type>(array, state, "u2"),
        DataType::Int32 => numbers::<types::Int32Type>(array, state, "i4"),
        DataType::UInt32 => numbers::<types::UInt32Type>(array, state, "u4"),
        DataType::Int64 => numbers::<types::Int64Type>(array, state, "i8"),
        DataType::UInt64 => numbers::<types::UInt64Type>(array, state, "u8"),
        DataType::Float32 => numbers::<types::Float32Type>(array, state, "f4"),
        DataType::Float64 => numbers::<types::Float64Type>(array, state, "f8"),
        DataType::Utf8 => {
            let text = array.as_string::<i32>();
            offsets(text.offsets(), state);
            state.update(text.value_data());
            "text".into()
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>();
            offsets(bytes.offsets(), state);
            state.update(bytes.value_data());
            "bytes".into()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            offsets(list.offsets(), state);
            format!("list[{}]", digest(list.values().as_ref(), state))
        }
        DataType::FixedSizeList(_, n) => {
            format!("{n}*{}", digest(array.as_fixed_size_list().values().as_ref(), state))
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let fields: Vec<_> =
                columns.map(|(f, c)| format!("{}:{}", f.name(), digest(c.as_ref(), state))).collect();
            format!("{{{}}}", fields.join(","))
        }
        // Objects of a class that the file does not describe: there are none.
        DataType::Null => "unknown".into(),
        other => format!("{other}"),
    }
}

fn numbers<T: ArrowPrimitiveType>(array: &dyn Array, state: &mut Xxh64, name: &str) -> String {
    // The digest is of little-endian bytes, as the native ones are on every machine that this project builds for.
    state.update(array.as_primitive::<T>().values().inner().as_slice());
    name.into()
}

fn offsets(offsets: &[i32], state: &mut Xxh64) {
    offsets.iter().for_each(|&offset| state.update(&i64::from(offset).to_le_bytes()));
}
