//! Which files are meant: one, a list, a pattern, an address.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use fiducial_root::{RemoteFile, RemoteOptions};

use super::{Error, OpenOptions, ParquetSource, RootSource, Source};
use crate::convert::fits;

/// Bytes of a remote file that are asked for at once.
const PIECE: usize = 8 << 20;

/// The files that some texts mean: an address stands for itself, as does the name of a file that is there; in any other,
/// `*` stands for any characters of a name and `?` for one. What a pattern means comes in the order of the names.
///
/// # Errors
/// When no file fits a pattern, or a directory cannot be listed; and when a file is meant twice, whose rows would count twice.
pub fn expand(texts: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in texts {
        let is_pattern = path.to_string_lossy().contains(['*', '?']);
        if !is_pattern || fiducial_root::is_url(path) || path.exists() {
            files.push(path.clone());
            continue;
        }
        let mut found = vec![PathBuf::new()];
        for part in path.components() {
            let part = part.as_os_str();
            let name = part.to_string_lossy();
            if name.contains(['*', '?']) {
                let lists: Vec<_> =
                    found.iter().map(|base| matching(base, &name)).collect::<Result<_, _>>()?;
                found = lists.into_iter().flatten().collect();
            } else {
                found.iter_mut().for_each(|base| base.push(part));
                found.retain(|path| path.as_os_str().is_empty() || path.exists());
            }
        }
        found.sort();
        if found.is_empty() {
            return Err(Error::malformed(path, "no file fits this pattern"));
        }
        files.append(&mut found);
    }
    let mut known = HashMap::with_capacity(files.len());
    for file in &files {
        if let Some(earlier) = known.insert(place(file), file) {
            let reason = match earlier == file {
                true => "it is named twice: its rows would count twice".to_owned(),
                false => {
                    format!("it is named twice, also as {}: its rows would count twice", earlier.display())
                }
            };
            return Err(Error::malformed(file, reason));
        }
    }
    Ok(files)
}

/// Where a file is, whatever it is called; an address is what it says.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Refuses an output that is the file of a source: it would be lost, or with it what is not written.
///
/// # Errors
/// When it is.
pub fn check_output<'a>(output: &Path, sources: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
    let output_place = place(output);
    match sources.into_iter().any(|source| place(source) == output_place) {
        true => Err(Error::settings("choose an output", format!("{} is what is read", output.display()))),
        false => Ok(()),
    }
}

/// The entries of a directory whose names fit a pattern. As in a shell, names that begin with a dot are not meant unless
/// the pattern begins with one too.
fn matching(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let list = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !list.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(list).map_err(Error::io("list", list))? {
        let name = entry.map_err(Error::io("list", list))?.file_name();
        let text = name.to_string_lossy();
        if fits(pattern, &text) && (pattern.starts_with('.') || !text.starts_with('.')) {
            found.push(directory.join(&name));
        }
    }
    Ok(found)
}

/// The first bytes of a file behind an address.
pub(super) fn remote_start(url: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Root { path: url.to_owned(), source: Box::new(source) };
    RemoteFile::open(url, &RemoteOptions::default()).and_then(|file| file.bytes(0, 4)).map_err(failed)
}

/// Opens a file behind an address. Of ROOT and Parquet files only what is needed is fetched. Any other is fetched whole,
/// to a temporary file: nobody can tell whether an earlier copy is still right.
pub(super) fn open_remote(url: &Path, options: &OpenOptions) -> Result<Box<dyn Source>, Error> {
    let is_xrootd = ["root://", "xroot://"].iter().any(|scheme| url.to_string_lossy().starts_with(scheme));
    let has_more = !options.arrays.is_empty() || !options.types.is_empty();
    let failed = |source| Error::Root { path: url.to_owned(), source: Box::new(source) };
    if is_xrootd && !has_more {
        return Ok(Box::new(RootSource::open(url, options.table.as_deref())?));
    }
    let file = RemoteFile::open(url, &RemoteOptions::default()).map_err(failed)?;
    let magic = file.bytes(0, 4).map_err(failed)?;
    if magic == b"root" && !has_more {
        return Ok(Box::new(RootSource::open(url, options.table.as_deref())?));
    }
    if magic == b"PAR1" && !has_more {
        return Ok(Box::new(ParquetSource::open_remote(url, file)?));
    }
    let copy = local(url, &file)?;
    let source = super::open_local(copy.path(), url, options)?;
    Ok(Box::new(Fetched { url: url.to_owned(), copy, source }))
}

/// Fetches a remote file into a temporary one, which goes away when it is dropped.
///
/// # Errors
/// When the server does not hand it out, or it cannot be written.
fn local(url: &Path, file: &RemoteFile) -> Result<tempfile::NamedTempFile, Error> {
    let failed = |source| Error::Root { path: url.to_owned(), source: Box::new(source) };
    let mut copy = tempfile::NamedTempFile::new().map_err(Error::io("create a copy of", url))?;
    let mut seek = 0;
    while seek < file.size() {
        let piece = file.bytes(seek, PIECE).map_err(failed)?;
        if piece.is_empty() {
            return Err(Error::malformed(url, format!("it ends at byte {seek}")));
        }
        seek += piece.len() as u64;
        copy.write_all(&piece).map_err(Error::io("copy", url))?;
    }
    Ok(copy)
}

/// A remote file that was fetched whole.
struct Fetched {
    url: PathBuf,
    copy: tempfile::NamedTempFile,
    source: Box<dyn Source>,
}

impl Source for Fetched {
    fn path(&self) -> &Path {
        &self.url
    }

    fn table(&self) -> Option<&str> {
        self.source.table()
    }

    fn rows(&self) -> u64 {
        self.source.rows()
    }

    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn original<'c>(&'c self, column: &'c str) -> Option<&'c str> {
        self.source.original(column)
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.source.unreadable(column)
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        self.source.unreadable_columns()
    }

    fn partitions(&self) -> Vec<std::ops::Range<u64>> {
        self.source.partitions()
    }

    fn decoded_bytes(&self, columns: &[&str], rows: &std::ops::Range<u64>) -> Option<u64> {
        self.source.decoded_bytes(columns, rows)
    }

    fn release(&self) {
        self.source.release();
    }

    fn digest(&self) -> Result<(u64, String), Error> {
        crate::dataset::digest_file(self.copy.path())
    }

    fn read(&self, columns: &[&str], rows: std::ops::Range<u64>) -> Result<arrow_array::RecordBatch, Error> {
        self.source.read(columns, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "b/jets_2.root",
            "b/jets_10.root",
            "a/jets_1.root",
            "a/.jets_0.root",
            "a/other.root",
            "odd[1]?.root",
        ] {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let check = |pattern: &str, expected: Option<&[&str]>| {
            let found = expand(&[directory.path().join(pattern)]).ok();
            let found = found.map(|files| {
                let inner =
                    |file: &PathBuf| file.strip_prefix(directory.path()).unwrap().display().to_string();
                files.iter().map(inner).collect::<Vec<_>>()
            });
            assert_eq!(
                found,
                expected.map(|files| files.iter().map(|file| (*file).to_owned()).collect()),
                "{pattern}"
            );
        };
        check("*/jets_*.root", Some(&["a/jets_1.root", "b/jets_10.root", "b/jets_2.root"]));
        check("a/*.root", Some(&["a/jets_1.root", "a/other.root"]));
        check("a/.jets*", Some(&["a/.jets_0.root"]));
        check("?/jets_?.root", Some(&["a/jets_1.root", "b/jets_2.root"]));
        check("odd[1]?.root", Some(&["odd[1]?.root"]));
        check("missing.root", Some(&["missing.root"]));
        check("c/*.root", None);
        check("*/missing*", None);
        let address = PathBuf::from("https://example.org/a?b=*");
        assert_eq!(expand(std::slice::from_ref(&address)).unwrap(), [address]);
    }
}
