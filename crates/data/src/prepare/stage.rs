//! A directory that appears whole or not at all.
//!
//! What a killed run left beside it is looked at by the next one, which says what of it is to stay.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::known::KNOWN;
use super::state::STATE;
use crate::source::Error;

/// A hidden directory beside its target. Two runs at once are kept apart by a lock, which the system releases when a process
/// ends however it ends.
pub(super) struct Stage {
    target: PathBuf,
    partial: PathBuf,
    replaced: PathBuf,
    /// Held until the end.
    lock: Option<File>,
}

const LOCK: &str = ".lock";

impl Stage {
    /// Makes a directory beside `target`, or takes the one that an earlier run left there.
    pub(super) fn begin(target: &Path) -> Result<Self, Error> {
        let sibling = |suffix: &str| sibling(target, suffix);
        let (Some(partial), Some(replaced)) = (sibling("partial"), sibling("replaced")) else {
            let reason = format!("{} has no name of its own", target.display());
            return Err(Error::settings("prepare a dataset", reason));
        };
        std::fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
        let lock_path = partial.join(LOCK);
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = format!("another run is writing {} right now", target.display());
                return Err(Error::settings("prepare a dataset", reason));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock_path)(error)),
        }
        let stage = Self { target: target.to_owned(), partial, replaced, lock: Some(lock) };
        stage.restore()?;
        Ok(stage)
    }

    /// The directory in which a run that was broken off left what it had, if there is one.
    pub(super) fn unfinished(target: &Path) -> Option<PathBuf> {
        sibling(target, "partial").filter(|partial| partial.is_dir())
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// If a run was killed between the two renames of [`Stage::commit`], the old dataset stands aside: it goes back to its
    /// place.
    fn restore(&self) -> Result<(), Error> {
        if !self.replaced.exists() {
            Ok(())
        } else if self.target.exists() {
            std::fs::remove_dir_all(&self.replaced).map_err(Error::io("remove", &self.replaced))
        } else {
            std::fs::rename(&self.replaced, &self.target).map_err(Error::io("restore", &self.target))
        }
    }

    /// Removes what an earlier run left, the lock and what is to be kept apart.
    pub(super) fn clean(&self, keep: impl IntoIterator<Item = PathBuf>) -> Result<(), Error> {
        let mut keep: HashSet<PathBuf> = keep.into_iter().collect();
        keep.insert(self.partial.join(LOCK));
        clean(&self.partial, &keep)
    }

    /// Moves the directory to its place, in which an older one is replaced.
    pub(super) fn commit(mut self) -> Result<(), Error> {
        for name in [STATE, KNOWN, LOCK] {
            let path = self.partial.join(name);
            if path.exists() {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        for entry in std::fs::read_dir(&self.partial).map_err(Error::io("list", &self.partial))? {
            let path = entry.map_err(Error::io("list", &self.partial))?.path();
            if path.is_dir() {
                sync(&path)?;
            }
        }
        sync(&self.partial)?;
        let is_replacing = self.target.exists();
        if is_replacing {
            std::fs::rename(&self.target, &self.replaced).map_err(Error::io("replace", &self.target))?;
        }
        std::fs::rename(&self.partial, &self.target).map_err(Error::io("create", &self.target))?;
        if let Some(parent) = self.partial.parent() {
            sync(parent)?;
        }
        self.lock = None;
        if is_replacing {
            std::fs::remove_dir_all(&self.replaced).map_err(Error::io("remove", &self.replaced))?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    /// An error on the way leaves nothing behind, unless there are whole shards with which the next run can go on.
    fn drop(&mut self) {
        if self.lock.is_some() && self.partial.exists() && !self.partial.join(STATE).exists() {
            // Nobody is left to tell, and the next run tries again.
            let _ = std::fs::remove_dir_all(&self.partial);
        }
    }
}

/// A hidden directory beside another.
fn sibling(target: &Path, suffix: &str) -> Option<PathBuf> {
    let name = format!(".{}.{suffix}", target.file_name()?.to_string_lossy());
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some(parent.unwrap_or(Path::new(".")).join(name))
}

/// Removes the files in and below a directory that are not to be kept, and directories that are empty then.
fn clean(directory: &Path, keep: &HashSet<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let path = entry.path();
        let is_directory = entry.file_type().map_err(Error::io("inspect", &path))?.is_dir();
        if is_directory {
            clean(&path, keep)?;
            let mut rest = std::fs::read_dir(&path).map_err(Error::io("list", &path))?;
            if rest.next().is_none() {
                std::fs::remove_dir(&path).map_err(Error::io("remove", &path))?;
            }
        } else if !keep.contains(&path) {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Brings the entries of a directory to the disk.
fn sync(directory: &Path) -> Result<(), Error> {
    let file = File::open(directory).map_err(Error::io("open", directory))?;
    file.sync_all().map_err(Error::io("write", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("data");
        let entries = || {
            let names = std::fs::read_dir(parent.path()).unwrap();
            let mut names: Vec<_> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        // Given up: nothing is left.
        let stage = Stage::begin(&target).unwrap();
        std::fs::write(stage.path().join("a"), "1").unwrap();
        assert!(Stage::begin(&target).err().unwrap().to_string().contains("another run"));
        drop(stage);
        assert!(entries().is_empty());
        // Killed: what is left is cleared away, but for what is kept.
        let partial = parent.path().join(".data.partial");
        let whole = partial.join("train/whole");
        std::fs::create_dir_all(partial.join("train/empty")).unwrap();
        std::fs::write(partial.join("train/half"), "1").unwrap();
        std::fs::write(&whole, "1").unwrap();
        let stage = Stage::begin(&target).unwrap();
        stage.clean([whole.clone()]).unwrap();
        assert!(whole.exists() && std::fs::read_dir(partial.join("train")).unwrap().count() == 1);
        // An error leaves what a state speaks of.
        std::fs::write(partial.join(STATE), "{}").unwrap();
        drop(stage);
        assert!(whole.exists());
        let stage = Stage::begin(&target).unwrap();
        stage.clean([]).unwrap();
        assert!(!whole.exists());
        std::fs::write(stage.path().join("a"), "2").unwrap();
        stage.commit().unwrap();
        assert_eq!(entries(), ["data"]);
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);
        // Killed between the two renames: the old one comes back.
        std::fs::rename(&target, parent.path().join(".data.replaced")).unwrap();
        drop(Stage::begin(&target).unwrap());
        assert_eq!(std::fs::read_to_string(target.join("a")).unwrap(), "2");
        // Replaced.
        let stage = Stage::begin(&target).unwrap();
        std::fs::write(stage.path().join("b"), "3").unwrap();
        stage.commit().unwrap();
        assert_eq!(entries(), ["data"]);
        assert!(!target.join("a").exists() && target.join("b").exists());
    }
}
