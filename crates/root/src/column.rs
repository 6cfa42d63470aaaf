//! Columns of trees and ntuples, by number and by name.

use std::collections::{BTreeMap, HashMap};

use arrow_schema::{DataType, Field};

/// A column of a tree or an ntuple.
#[derive(Debug, Clone)]
pub struct Column {
    /// The path of the branch, "branch" or "branch/sub-branch"; the name of the field. Of equal names the second is "name;2".
    pub name: String,
    /// The branch's title, often its description; the field's description.
    pub title: String,
    /// The C++ type, such as "float[]" or "std::vector<int32_t>".
    pub type_name: String,
    /// The Arrow type, or the reason why the column cannot be read.
    pub kind: Result<DataType, String>,
    /// Whether entries may have no value.
    pub nullable: bool,
    /// Entries in the column: the tree's, unless the branch was filled less often.
    pub entries: u64,
    /// Bytes in the file.
    pub compressed_bytes: u64,
    /// Bytes when decompressed.
    pub uncompressed_bytes: u64,
    /// Baskets or pages, the units of reading.
    pub baskets: usize,
    /// The unit, where the title gives one, as `[GeV]`.
    pub unit: Option<String>,
}

impl Column {
    /// The field of a schema: with the metadata "title", "cpp_type" and "unit".
    pub(crate) fn field(&self, name: &str, kind: DataType, nullable: bool) -> Field {
        let mut metadata = HashMap::new();
        metadata.insert("title".to_owned(), self.title.clone());
        metadata.insert("cpp_type".to_owned(), self.type_name.clone());
        metadata.extend(self.unit.clone().map(|unit| ("unit".to_owned(), unit)));
        Field::new(name, kind, nullable).with_metadata(metadata)
    }
}

/// Columns and where they stand.
pub(crate) struct Columns {
    pub(crate) list: Vec<Column>,
    by_name: BTreeMap<String, usize>,
}

impl Columns {
    /// Of equal names the second becomes "name;2".
    pub(crate) fn new(mut list: Vec<Column>) -> Self {
        let mut by_name = BTreeMap::new();
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for (i, column) in list.iter_mut().enumerate() {
            let n = times.entry(column.name.clone()).and_modify(|n| *n += 1).or_insert(1);
            if *n > 1 {
                column.name = format!("{};{n}", column.name);
            }
            by_name.entry(column.name.clone()).or_insert(i);
        }
        Self { list, by_name }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Column> {
        Some(&self.list[*self.by_name.get(name)?])
    }

    /// The position of a name. An error is what is missing, with what may have been meant: names that differ in upper and
    /// lower case alone, and those of members without what they are in, which stands before the last `separator`.
    pub(crate) fn index(&self, name: &str, separator: char) -> Result<usize, String> {
        if let Some(&i) = self.by_name.get(name) {
            return Ok(i);
        }
        let path = name.replace(['/', '.'], &separator.to_string());
        let close = |column: &&Column| {
            let last = column.name.rsplit(separator).next().unwrap_or_default();
            column.name.eq_ignore_ascii_case(name)
                || column.name.eq_ignore_ascii_case(&path)
                || last.eq_ignore_ascii_case(name)
        };
        let hint = self.list.iter().find(close).map(|column| format!(" (did you mean {:?}?)", column.name));
        Err(format!("column {name:?}{}", hint.unwrap_or_default()))
    }
}
