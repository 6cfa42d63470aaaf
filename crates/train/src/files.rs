//! Files that appear whole or not at all, and the faults that tests inject into them.
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;

/// Named points of the write path at which a test can make the training fail, as a kill would.
///
/// The points are `write PART`, `sync PART`, `rename PART` (each before it happens) and `clean`, where `PART` is
/// the file's name without its number. Outside tests this is empty and costs nothing.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

type Hook = dyn Fn(&str) -> io::Result<()> + Send + Sync;

impl Faults {
    /// Calls `hook` at each point; an error from it stops the training there.
    pub fn new(hook: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn at(&self, action: &str, part: &str) -> io::Result<()> {
        match &self.0 {
            Some(hook) => hook(format!("{action} {part}").trim_end()),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(hook)" } else { "Faults(none)" })
    }
}

/// Writes `bytes` to `path`: to a temporary file beside it, synced, then renamed over it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_whole_with(path, "", bytes, &Faults::default())
}

pub(crate) fn write_whole_with(path: &Path, part: &str, bytes: &[u8], faults: &Faults) -> Result<(), Error> {
    let aside = aside(path);
    let write = || -> io::Result<()> {
        let mut file = File::create(&aside)?;
        // Two halves, so that a fault can leave the first one behind.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        file.write_all(first)?;
        faults.at("write", part)?;
        file.write_all(second)?;
        faults.at("sync", part)?;
        file.sync_all()?;
        faults.at("rename", part)?;
        fs::rename(&aside, path)?;
        sync_parent(path)
    };
    write().map_err(Error::io("write", path))
}

/// `DIR/NAME` becomes `DIR/.NAME.tmp`: one fixed name, so that what a kill leaves behind is overwritten next time.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// A rename is on disk only once its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::io("read", path))
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io("create directory", path))
}

/// The SHA-256 of some bytes, as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_leaves_the_old_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_whole(&path, b"old").unwrap();
        for point in ["write a", "sync a", "rename a"] {
            let faults =
                Faults::new(move |at| if at == point { Err(io::Error::other("fault")) } else { Ok(()) });
            let error = write_whole_with(&path, "a", b"new and longer", &faults).unwrap_err();
            assert!(error.to_string().ends_with("a.json: fault"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), b"old", "{point}");
        }
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(!aside(&path).exists());
    }

    #[test]
    fn sha256_of_nothing_is_the_published_value() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
