//! `fiducial inspect`.

use arrow_schema::{DataType, Field};
use fiducial_data::source::{self, DESCRIPTION, Source, UNIT};
use fiducial_root::{Axis, Column, Histogram, KeyInfo, Object, RootFile, Table};
use serde::Serialize;

use crate::arguments::Inspect;
use crate::failure::Failure;
use crate::tables::{bytes, count, table};

/// What `--json` prints. Its JSON schema is `schemas/inspect-1.json` in the repository.
#[derive(Serialize)]
struct FileSummary {
    format: &'static str,
    file: String,
    bytes: u64,
    trees: Vec<TreeSummary>,
    objects: Vec<ObjectSummary>,
}

#[derive(Serialize)]
struct TreeSummary {
    /// For a person: a program finds the class among the objects.
    #[serde(skip)]
    kind: &'static str,
    name: String,
    title: String,
    entries: u64,
    compressed_bytes: Option<u64>,
    uncompressed_bytes: Option<u64>,
    columns: Vec<ColumnSummary>,
}

#[derive(Serialize)]
struct ColumnSummary {
    name: String,
    title: String,
    type_name: String,
    arrow_type: Option<String>,
    unreadable: Option<String>,
    unit: Option<String>,
    compressed_bytes: Option<u64>,
    uncompressed_bytes: Option<u64>,
    baskets: usize,
}

#[derive(Serialize)]
struct ObjectSummary {
    path: String,
    class_name: String,
    title: String,
    cycle: i16,
    bytes: u64,
    summary: Option<String>,
    unreadable: Option<String>,
    histogram: Option<HistogramSummary>,
}

#[derive(Serialize)]
struct HistogramSummary {
    axes: Vec<AxisSummary>,
    entries: f64,
    integral: f64,
    profile: bool,
    weighted: bool,
}

#[derive(Serialize)]
struct AxisSummary {
    title: String,
    bins: usize,
    lower: f64,
    upper: f64,
    regular: bool,
    labels: Vec<String>,
}

pub(crate) fn run(options: &Inspect) -> Result<(), Failure> {
    let summary = if source::is_root(&options.file)? {
        let file = RootFile::open(&options.file)?;
        if let Some(name) = &options.object {
            return crate::print(&format!("{}\n", file.object(name)?.to_json()));
        }
        of_root(&file, options)?
    } else {
        if options.object.is_some() {
            let what = format!("look for an object in {}", options.file.display());
            return Err(Failure::usage(what).hint("only ROOT files have objects"));
        }
        of_source(&*source::open(&options.file, options.tree.as_deref())?)
    };
    if options.json {
        let text = serde_json::to_string_pretty(&summary).map_err(Failure::other)?;
        crate::print(&format!("{text}\n"))
    } else {
        crate::print(&for_a_person(&summary, options.tree.is_some()))
    }
}

/// The one table of a file of any other format. How much of the file each column takes is not known.
fn of_source(source: &dyn Source) -> FileSummary {
    let schema = source.schema();
    let described = |field: &Field, key: &str| field.metadata().get(key).cloned();
    let readable = schema.fields().iter().map(|field| ColumnSummary {
        name: field.name().clone(),
        title: described(field, DESCRIPTION).unwrap_or_default(),
        type_name: type_text(field.data_type()),
        arrow_type: Some(type_text(field.data_type())),
        unreadable: None,
        unit: described(field, UNIT),
        compressed_bytes: None,
        uncompressed_bytes: None,
        baskets: 0,
    });
    let unreadable = source.unreadable_columns().into_iter().map(|(name, reason)| ColumnSummary {
        name,
        title: String::new(),
        type_name: String::new(),
        arrow_type: None,
        unreadable: Some(reason),
        unit: None,
        compressed_bytes: None,
        uncompressed_bytes: None,
        baskets: 0,
    });
    let table = TreeSummary {
        kind: "table",
        name: source.table().unwrap_or_default().to_owned(),
        title: String::new(),
        entries: source.rows(),
        compressed_bytes: None,
        uncompressed_bytes: None,
        columns: readable.chain(unreadable).collect(),
    };
    let size = std::fs::metadata(source.path()).map(|file| file.len());
    FileSummary {
        format: "fiducial-inspect/1",
        file: source.path().display().to_string(),
        bytes: size.unwrap_or_default(),
        trees: vec![table],
        objects: Vec::new(),
    }
}

fn of_root(file: &RootFile, options: &Inspect) -> Result<FileSummary, Failure> {
    let names = file.table_names()?;
    if let Some(wanted) = &options.tree
        && !names.contains(wanted)
    {
        let what = format!("find tree or ntuple \"{wanted}\" in {}", fiducial_root::shown(&options.file));
        return Err(Failure::input(what).hint(format!(
            "the file has {}",
            if names.is_empty() { "no tree and no ntuple".to_owned() } else { names.join(", ") }
        )));
    }
    let wanted = |name: &&String| options.tree.as_ref().is_none_or(|tree| tree == *name);
    let trees: Vec<TreeSummary> = names
        .iter()
        .filter(wanted)
        .map(|name| Ok(summarise(&file.table(name)?)))
        .collect::<Result<_, Failure>>()?;
    // Of a remote file each object would be a request, and a file may have thousands.
    let contents = options.contents || !fiducial_root::is_url(&options.file);
    Ok(FileSummary {
        format: "fiducial-inspect/1",
        file: fiducial_root::shown(&options.file),
        bytes: file.size(),
        trees,
        objects: file.keys()?.iter().map(|key| object(file, key, contents)).collect(),
    })
}

fn summarise(table: &Table) -> TreeSummary {
    let columns: Vec<ColumnSummary> = table.columns().iter().map(column).collect();
    TreeSummary {
        kind: match table {
            Table::Tree(_) => "tree",
            Table::Ntuple(_) => "ntuple",
        },
        name: table.name().to_owned(),
        title: table.title().to_owned(),
        entries: table.entries(),
        compressed_bytes: columns.iter().map(|column| column.compressed_bytes).sum(),
        uncompressed_bytes: columns.iter().map(|column| column.uncompressed_bytes).sum(),
        columns,
    }
}

fn column(column: &Column) -> ColumnSummary {
    ColumnSummary {
        name: column.name.clone(),
        title: column.title.clone(),
        type_name: column.type_name.clone(),
        arrow_type: column.kind.as_ref().ok().map(type_text),
        unreadable: column.kind.as_ref().err().cloned(),
        unit: column.unit.clone(),
        compressed_bytes: Some(column.compressed_bytes),
        uncompressed_bytes: Some(column.uncompressed_bytes),
        baskets: column.baskets,
    }
}

/// What a key leads to. Objects that this project knows are read where their contents are to be told; they are small.
fn object(file: &RootFile, key: &KeyInfo, contents: bool) -> ObjectSummary {
    let read = (contents && Object::is_typed(&key.class_name)).then(|| file.object_at(key));
    let (object, unreadable) = match read {
        Some(Ok(object)) => (Some(object), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    ObjectSummary {
        path: key.path.clone(),
        class_name: key.class_name.clone(),
        title: key.title.clone(),
        cycle: key.cycle,
        bytes: key.bytes,
        summary: object.as_ref().map(Object::summary),
        unreadable,
        histogram: match &object {
            Some(Object::Histogram(histogram)) => Some(histogram_summary(histogram)),
            _ => None,
        },
    }
}

fn histogram_summary(histogram: &Histogram) -> HistogramSummary {
    let axis = |axis: &Axis| AxisSummary {
        title: axis.title.clone(),
        bins: axis.bins,
        lower: axis.lower,
        upper: axis.upper,
        regular: axis.edges.is_none(),
        labels: axis.labels.iter().map(|(_, label)| label.clone()).collect(),
    };
    HistogramSummary {
        axes: histogram.axes.iter().map(axis).collect(),
        entries: histogram.entries,
        integral: histogram.integral(),
        profile: histogram.is_profile(),
        weighted: histogram.is_weighted(),
    }
}

/// `list<float32>` and the like, shorter than Arrow's own text.
fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => format!("list<{}>", type_text(item.data_type())),
        DataType::FixedSizeList(item, length) => format!("{}[{length}]", type_text(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name(), type_text(field.data_type())))
                .collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Utf8 => "string".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn for_a_person(summary: &FileSummary, one_tree: bool) -> String {
    let mut text = format!("{} ({})\n", summary.file, bytes(summary.bytes));
    for tree in &summary.trees {
        text += &format!(
            "\n{} {}{}\n{} entries, {} columns{}\n\n",
            tree.kind,
            tree.name,
            if tree.title.is_empty() || tree.title == tree.name {
                String::new()
            } else {
                format!(": {}", tree.title)
            },
            count(tree.entries),
            count(tree.columns.len() as u64),
            match (tree.compressed_bytes, tree.uncompressed_bytes) {
                (Some(packed), Some(unpacked)) => {
                    format!(", {} on disk, {} in memory", bytes(packed), bytes(unpacked))
                }
                _ => String::new(),
            },
        );
        text += &if tree.kind == "table" { columns(&tree.columns) } else { columns_of_root(&tree.columns) };
        let unreadable: Vec<&ColumnSummary> =
            tree.columns.iter().filter(|column| column.unreadable.is_some()).collect();
        if !unreadable.is_empty() {
            text += &format!("\n{} columns cannot be read:\n", unreadable.len());
            for column in unreadable {
                text += &format!("  {}: {}\n", column.name, column.unreadable.as_deref().unwrap_or_default());
            }
        }
    }
    let others: Vec<&ObjectSummary> =
        summary.objects.iter().filter(|object| !is_table(&object.class_name)).collect();
    if !one_tree && !others.is_empty() {
        text += "\nother objects\n";
        let rows: Vec<Vec<String>> = others
            .iter()
            .map(|object| {
                vec![
                    format!("{};{}", object.path, object.cycle),
                    object.class_name.clone(),
                    bytes(object.bytes),
                    shorten(object.summary.as_deref().unwrap_or_default()),
                ]
            })
            .collect();
        text += &table(&["object", "class", "on disk", "holds"], &[false, false, true, false], &rows);
        for object in others {
            if let Some(reason) = &object.unreadable {
                text += &format!("\n{} cannot be read: failed to {reason}\n", object.path);
            }
        }
    }
    text
}

/// Types as Arrow has them. Of objects they can be thousands of characters long: JSON has them whole.
fn arrow_type(column: &ColumnSummary) -> String {
    shorten(column.arrow_type.as_deref().unwrap_or("unreadable"))
}

/// The columns of a file that says neither what class they are of nor what each of them takes.
fn columns(columns: &[ColumnSummary]) -> String {
    let rows = columns.iter().map(|column| {
        let unit = column.unit.clone().unwrap_or_default();
        vec![column.name.clone(), arrow_type(column), unit, column.title.clone()]
    });
    table(&["column", "type", "unit", "description"], &[false; 4], &rows.collect::<Vec<_>>())
}

fn columns_of_root(columns: &[ColumnSummary]) -> String {
    let size = |size: Option<u64>| size.map_or_else(|| "-".to_owned(), bytes);
    let rows = columns.iter().map(|column| {
        vec![
            column.name.clone(),
            arrow_type(column),
            shorten(&column.type_name),
            column.unit.clone().unwrap_or_default(),
            size(column.compressed_bytes),
            size(column.uncompressed_bytes),
        ]
    });
    table(
        &["column", "type", "C++ type", "unit", "on disk", "in memory"],
        &[false, false, false, false, true, true],
        &rows.collect::<Vec<_>>(),
    )
}

/// The first line of a text, as far as a table has room for it.
fn shorten(text: &str) -> String {
    const ROOM: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

fn is_table(class_name: &str) -> bool {
    matches!(class_name, "TTree" | "TNtuple" | "TNtupleD" | "ROOT::RNTuple")
}
