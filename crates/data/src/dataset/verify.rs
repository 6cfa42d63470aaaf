//! Every file of a dataset against its manifest.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use rayon::prelude::*;

use super::digest::digest_file;
use super::{MANIFEST, Manifest, ShardFile, type_name};
use crate::source::{Error, ParquetSource, Source};

/// What [`Dataset::verify`](super::Dataset::verify) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// How many files were compared.
    pub files: usize,
    /// Their size, as the manifest has it.
    pub bytes: u64,
    /// The rows, as the manifest has them.
    pub rows: u64,
    /// Everything that is wrong; empty for a sound dataset.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the dataset.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

pub(super) fn verify(root: &Path, manifest: &Manifest) -> Result<VerifyReport, Error> {
    let shards = manifest.files.iter().map(|shard| (&shard.path, shard.bytes, &shard.sha256, Some(shard)));
    let documents = manifest.documents.iter().map(|file| (&file.path, file.bytes, &file.sha256, None));
    let expected: Vec<_> = shards.chain(documents).collect();
    let known: BTreeSet<&str> =
        expected.iter().map(|(path, ..)| path.as_str()).chain(std::iter::once(MANIFEST)).collect();
    let mut problems: Vec<Problem> = expected
        .par_iter()
        .flat_map_iter(|(path, bytes, sha256, shard)| {
            let full = root.join(path);
            let mut reasons = check_bytes(&full, *bytes, sha256);
            if let Some(shard) = shard
                && full.is_file()
            {
                reasons.extend(check_shard(&full, shard, manifest));
            }
            reasons.into_iter().map(|reason| Problem { path: (*path).clone(), reason })
        })
        .collect();
    let mut found = BTreeSet::new();
    list(root, "", &mut found)?;
    problems.extend(
        found.iter().filter(|path| !known.contains(path.as_str())).map(|path| Problem {
            path: path.clone(),
            reason: format!("{MANIFEST} does not know this file"),
        }),
    );
    let bytes = expected.iter().map(|(_, bytes, ..)| bytes).sum();
    Ok(VerifyReport { files: expected.len(), bytes, rows: manifest.total_rows(), problems })
}

/// Size and hash.
fn check_bytes(path: &Path, bytes: u64, sha256: &str) -> Vec<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return vec!["missing".to_owned()],
        Err(error) => return vec![error.to_string()],
        Ok(metadata) if metadata.len() != bytes => {
            return vec![format!("{} bytes, {MANIFEST} says {bytes}", metadata.len())];
        }
        Ok(_) => {}
    }
    match digest_file(path) {
        Err(error) => vec![error.to_string()],
        Ok((_, digest)) if digest != sha256 => {
            vec![format!("its sha256 is {digest}, {MANIFEST} says {sha256}")]
        }
        Ok(_) => Vec::new(),
    }
}

/// Rows and columns, as the shard's own footer has them.
fn check_shard(path: &Path, shard: &ShardFile, manifest: &Manifest) -> Vec<String> {
    let source = match ParquetSource::open(path) {
        Ok(source) => source,
        Err(error) => return vec![error.to_string()],
    };
    let mut reasons = Vec::new();
    if source.rows() != shard.rows {
        reasons.push(format!("{} rows, {MANIFEST} says {}", source.rows(), shard.rows));
    }
    let schema = source.schema();
    let found: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
        .collect();
    let expected: Vec<String> =
        manifest.columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
    if found != expected {
        reasons.push(format!(
            "its columns are {}, {MANIFEST} says {}",
            found.join(", "),
            expected.join(", ")
        ));
    }
    reasons
}

/// What a copy out of a repository has at its top beside the files of the dataset: git's own, and the hub's notes of a download.
const OF_REPOSITORIES: [&str; 4] = [".git", ".gitattributes", ".gitignore", ".cache"];

/// All files below a directory, with `/` between the parts of their paths.
fn list(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) -> Result<(), Error> {
    for entry in std::fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if OF_REPOSITORIES.contains(&name.as_str()) {
            continue;
        }
        // A link is listed as itself: it may lead anywhere, in a circle too.
        if entry.file_type().map_err(Error::io("list", &entry.path()))?.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name);
        }
    }
    Ok(())
}
