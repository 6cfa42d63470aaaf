//! A directory that appears whole or not at all.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::source::Error;

/// A hidden directory beside its target. What a killed run left in it is removed by the next run; two runs at once are
/// kept apart by a lock, which the system releases when a process ends however it ends.
pub(super) struct Stage {
    target: PathBuf,
    partial: PathBuf,
    replaced: PathBuf,
    /// Held until the end.
    lock: Option<File>,
}

const LOCK: &str = ".lock";

impl Stage {
    /// Makes an empty directory beside `target`.
    pub(super) fn begin(target: &Path) -> Result<Self, Error> {
        let name = target.file_name().ok_or_else(|| {
            Error::settings("prepare a dataset", format!("{} has no name of its own", target.display()))
        })?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let sibling = |suffix: &str| parent.join(format!(".{}.{suffix}", name.to_string_lossy()));
        let (partial, replaced) = (sibling("partial"), sibling("replaced"));
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
        stage.clean()?;
        Ok(stage)
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// Removes what an earlier run left, the lock apart. If it was killed between the two renames of
    /// [`Stage::commit`], the old dataset stands aside, and goes back to its place.
    fn clean(&self) -> Result<(), Error> {
        if self.replaced.exists() {
            if self.target.exists() {
                std::fs::remove_dir_all(&self.replaced).map_err(Error::io("remove", &self.replaced))?;
            } else {
                std::fs::rename(&self.replaced, &self.target).map_err(Error::io("restore", &self.target))?;
            }
        }
        for entry in std::fs::read_dir(&self.partial).map_err(Error::io("list", &self.partial))? {
            let entry = entry.map_err(Error::io("list", &self.partial))?;
            let path = entry.path();
            if entry.file_name() == LOCK {
                continue;
            }
            let is_directory = entry.file_type().map_err(Error::io("inspect", &path))?.is_dir();
            let removed =
                if is_directory { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// Moves the directory to its place, in which an older one is replaced.
    pub(super) fn commit(mut self) -> Result<(), Error> {
        let lock_path = self.partial.join(LOCK);
        std::fs::remove_file(&lock_path).map_err(Error::io("remove", &lock_path))?;
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
    /// An error on the way leaves nothing behind.
    fn drop(&mut self) {
        if self.lock.is_some() && self.partial.exists() {
            // Nobody is left to tell, and the next run tries again.
            let _ = std::fs::remove_dir_all(&self.partial);
        }
    }
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
        // Killed: what is left is cleared away.
        std::fs::create_dir_all(parent.path().join(".data.partial/train")).unwrap();
        std::fs::write(parent.path().join(".data.partial/train/half"), "1").unwrap();
        let stage = Stage::begin(&target).unwrap();
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
