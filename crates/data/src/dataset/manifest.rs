//! `dataset.json`: what a dataset holds, where it came from, and the hashes that prove it.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::digest::digest_parts;

/// The format that this code writes. Its JSON schema is `schemas/dataset-1.json` in the repository.
pub const FORMAT: &str = "fiducial-dataset/1";

/// The column with the global number of the row in the order of the sources.
pub const ROW_ID: &str = "row_id";

/// Everything about a dataset that is not in its shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// What a person needs to know: name, description, licence, citation.
    pub about: About,
    /// SHA-256 of the content, see [`Manifest::content_version`].
    pub version: String,
    /// SHA-256 of everything that the content was made from: view, sources, settings.
    pub inputs: String,
    /// The program that wrote it.
    pub created_by: String,
    /// The text of the view that it was prepared with.
    pub view: String,
    /// The source files, in order.
    pub sources: Vec<SourceFile>,
    /// Files that were to be sources but could not be read, or lack a column: none of their rows are here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedFile>,
    /// Columns whose type is not the same in all sources: here they have the one that holds all of their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widened: Vec<Widened>,
    /// The splits, in the order of the view.
    pub splits: Vec<SplitRows>,
    /// The shards.
    pub files: Vec<ShardFile>,
    /// The files beside the shards that say what they are.
    pub documents: Vec<Document>,
    /// The columns.
    pub columns: Vec<ColumnInfo>,
    /// What happened to the rows of each source.
    pub cutflow: Vec<SourceCutflow>,
}

/// What a person needs to know about a dataset. Empty parts are left out of its card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// A short name, such as "jet-tagging-top".
    pub name: String,
    /// What is in it and how it was made, in a few sentences (Markdown).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The licence as its SPDX identifier, such as "CC-BY-4.0".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// How to cite it (BibTeX).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    /// Where it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub creators: Vec<String>,
    /// When it was published, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_published: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

/// A file that rows came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its name, without directories.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, before any selection.
    pub rows: u64,
    /// The `row_id` of its first row.
    pub first_row_id: u64,
}

/// A file that was left out because it could not be read, or lacks a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedFile {
    /// Its name, without directories.
    pub file: String,
    /// How many rows were lost; none where the file does not even tell that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why it was left out.
    pub reason: String,
}

impl SkippedFile {
    /// How many rows were lost, for a person.
    pub fn lost(&self) -> String {
        self.rows.map_or_else(|| "an unknown number of rows".to_owned(), |rows| format!("{rows} rows"))
    }
}

/// A column whose type is not the same in all sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Widened {
    /// The column.
    pub column: String,
    /// Its type in the dataset.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Its types in the sources, in the order in which they were met.
    pub from: Vec<WidenedFrom>,
}

/// One of the types that a column has in the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WidenedFrom {
    /// The type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// How many files have it.
    pub files: u64,
    /// The first of them, without directories.
    pub first: String,
}

impl Widened {
    /// What was of which type, for a person.
    pub fn told(&self) -> String {
        let from = self.from.iter().map(|WidenedFrom { data_type, files, first }| match files {
            1 => format!("{data_type} in {first}"),
            _ => format!("{data_type} in {first} and {} more", files - 1),
        });
        format!("{}: it is {} in the dataset", from.collect::<Vec<_>>().join(", "), self.data_type)
    }
}

/// The rows of one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRows {
    /// Such as "train".
    pub name: String,
    /// How many rows.
    pub rows: u64,
}

/// One Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardFile {
    /// Relative to the dataset, with `/`: `train/00000.parquet`.
    pub path: String,
    /// The split that it is a part of.
    pub split: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
}

/// A file beside the shards: the card, the Croissant metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Relative to the dataset.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// One column: its type, its unit and what values it holds over all splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, such as `float32` or `list<float32>`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Its unit, such as "GeV".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The least finite value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    /// The greatest finite value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    /// How many values there are; for lists, the items of all of them.
    pub values: u64,
    /// How many are missing, lists and items together.
    pub nulls: u64,
    /// How many are not a number.
    pub nans: u64,
    /// How many are infinite.
    pub infinities: u64,
    /// The average number of items of a row, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_length: Option<f64>,
}

/// What happened to the rows of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCutflow {
    /// The name of the file.
    pub source: String,
    /// Its rows.
    pub rows: u64,
    /// Each clause of the selection, in order.
    pub steps: Vec<CutflowStep>,
    /// Where the rows went that are left.
    pub splits: Vec<SplitRows>,
}

/// One step of a cutflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutflowStep {
    /// The clause, as written in the view.
    pub clause: String,
    /// The column whose rows with NaN or infinite values this step dropped; none for a clause of the selection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The rows that came to it.
    pub before: u64,
    /// The rows that passed.
    pub after: u64,
}

impl Manifest {
    /// SHA-256 over the names and types of the columns and the path and hash of each shard: the same content has the
    /// same version, wherever and whenever it was made.
    pub fn content_version(&self) -> String {
        let columns =
            self.columns.iter().flat_map(|column| [column.name.as_str(), column.data_type.as_str()]);
        let files = self.files.iter().flat_map(|file| [file.path.as_str(), file.sha256.as_str()]);
        digest_parts([FORMAT, "columns"].into_iter().chain(columns).chain(["files"]).chain(files))
    }

    /// The rows of a split, or `None` where there is no such split.
    pub fn rows(&self, split: &str) -> Option<u64> {
        self.splits.iter().find(|candidate| candidate.name == split).map(|split| split.rows)
    }

    /// The rows of all splits.
    pub fn total_rows(&self) -> u64 {
        self.splits.iter().map(|split| split.rows).sum()
    }

    /// The cutflow summed over the sources: the rows read, then each step.
    pub fn total_cutflow(&self) -> (u64, Vec<CutflowStep>) {
        let mut total: Vec<CutflowStep> = Vec::new();
        for source in &self.cutflow {
            for (index, step) in source.steps.iter().enumerate() {
                match total.get_mut(index) {
                    Some(sum) => {
                        sum.before += step.before;
                        sum.after += step.after;
                    }
                    None => total.push(step.clone()),
                }
            }
        }
        (self.cutflow.iter().map(|source| source.rows).sum(), total)
    }
}
