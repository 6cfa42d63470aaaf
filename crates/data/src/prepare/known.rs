//! Hashes of sources that a run which was killed had made already, so that the next need not read every byte again.
//!
//! A file counts as the same if it has the same place, size, and times of its last change of content and of state, to the
//! nanosecond, and the same number in its file system where there is one. The time of a change of state cannot be set by hand. Times of file systems
//! are coarse, two seconds at worst: of a file that was changed just before it was hashed nothing is kept.

use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::source::{Error, Source};

/// Its name beside the shards of an unfinished dataset.
pub(super) const KNOWN: &str = ".sources.json";

/// How coarse the times of a file system may be.
const COARSE: Duration = Duration::from_secs(2);

/// A source and its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hashed {
    path: PathBuf,
    stamp: Stamp,
    sha256: String,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    bytes: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The change of its state: names, rights, times, content. Where the system does not tell, as `modified`.
    changed: (i64, i64),
    /// 0 where the system does not tell.
    number: u64,
}

impl Stamp {
    /// Of a file on this machine.
    fn of(path: &Path) -> Option<Self> {
        if fiducial_root::is_url(path) {
            return None;
        }
        let metadata = std::fs::metadata(path).ok()?;
        let modified = parts(metadata.modified().ok()?)?;
        let (changed, number) = system(&metadata, modified);
        Some(Self { bytes: metadata.len(), modified, changed, number })
    }

    /// Whether the last change lies far enough back that another one would have another time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let limit = now.checked_sub(COARSE).and_then(parts);
        limit.is_some_and(|limit| self.modified < limit && self.changed < limit)
    }
}

fn parts(time: SystemTime) -> Option<(i64, i64)> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some((i64::try_from(since.as_secs()).ok()?, i64::from(since.subsec_nanos())))
}

#[cfg(unix)]
fn system(metadata: &Metadata, _: (i64, i64)) -> ((i64, i64), u64) {
    use std::os::unix::fs::MetadataExt;
    ((metadata.ctime(), metadata.ctime_nsec()), metadata.ino())
}

#[cfg(not(unix))]
fn system(_: &Metadata, modified: (i64, i64)) -> ((i64, i64), u64) {
    (modified, 0)
}

/// What an earlier run hashed.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Hashed>);

impl Known {
    /// What lies in the directory of an unfinished dataset; nothing where none does or it cannot be read.
    pub(super) fn read(directory: &Path) -> Self {
        let text = std::fs::read(directory.join(KNOWN)).ok();
        Self(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    /// The size and SHA-256 of a source, which is read only if it is not known; and what to remember of it, if it may be.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn digest(&self, source: &dyn Source) -> Result<((u64, String), Option<Hashed>), Error> {
        let now = SystemTime::now();
        let path = std::path::absolute(source.path()).ok();
        let stamp = Stamp::of(source.path());
        let known = self
            .0
            .iter()
            .find(|known| Some(&known.path) == path.as_ref() && Some(&known.stamp) == stamp.as_ref());
        if let Some(known) = known {
            return Ok(((known.stamp.bytes, known.sha256.clone()), Some(known.clone())));
        }
        let digest = source.digest()?;
        let remembered = path.zip(stamp).filter(|(_, stamp)| {
            // It was not changed while it was read either.
            stamp.is_settled(now)
                && stamp.bytes == digest.0
                && Stamp::of(source.path()).as_ref() == Some(stamp)
        });
        let sha256 = digest.1.clone();
        Ok((digest, remembered.map(|(path, stamp)| Hashed { path, stamp, sha256 })))
    }
}

/// Leaves hashes for the next run, written aside and renamed.
pub(super) fn write(hashed: &[Hashed], directory: &Path) -> Result<(), Error> {
    let path = directory.join(KNOWN);
    let aside = directory.join(".sources.json.new");
    // A path that is no text is not remembered.
    let texts: Vec<&Hashed> = hashed.iter().filter(|hashed| hashed.path.to_str().is_some()).collect();
    let text = serde_json::to_vec(&texts).map_err(|error| Error::malformed(&path, error.to_string()))?;
    let mut file = std::fs::File::create(&aside).map_err(Error::io("create", &aside))?;
    file.write_all(&text).map_err(Error::io("write", &aside))?;
    std::fs::rename(&aside, &path).map_err(Error::io("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_just_now_may_change_again_unseen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = Stamp::of(file.path()).unwrap();
        let now = SystemTime::now();
        assert!(!stamp.is_settled(now));
        assert!(stamp.is_settled(now + 2 * COARSE));
        // Its time put back, which changes its state.
        file.as_file().set_modified(now - 9 * COARSE).unwrap();
        let put_back = Stamp::of(file.path()).unwrap();
        assert_ne!(put_back, stamp);
        assert_eq!(put_back.is_settled(now), cfg!(not(unix)));
        assert_eq!(Stamp::of("https://example.org/a.root".as_ref()), None);
    }
}
