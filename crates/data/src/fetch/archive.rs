//! Members of tar archives, taken out by name.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use super::FetchError;

/// The most that the header of an entry (a long name, say) may take in memory.
const LARGEST_HEADER: u64 = 1 << 20;
/// The most entries that are looked at.
const MOST_ENTRIES: usize = 100_000;

/// A file in an archive, by the end of its path.
///
/// `jets/train.root` stands for `jets/train.root` and `public/jets/train.root`. The last part may hold `*` for any
/// characters, and then stands for any number of files, at least one; without `*` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    directories: Vec<String>,
    name: String,
}

impl Member {
    /// Reads a path with `/` between its parts.
    ///
    /// # Errors
    /// If the path is empty, absolute, leads upwards, or has a `*` outside its last part.
    pub fn parse(path: &str) -> Result<Self, FetchError> {
        let refuse = |reason: &str| Err(FetchError::setting(path, reason));
        let mut directories: Vec<String> = path.split('/').map(str::to_owned).collect();
        let name = directories.pop().unwrap_or_default();
        let bad =
            |part: &String| part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']);
        if bad(&name) || directories.iter().any(bad) {
            return refuse("the member of an archive is a relative path");
        }
        if directories.iter().any(|part| part.contains('*')) {
            return refuse("only the last part of the member of an archive may hold `*`");
        }
        Ok(Self { directories, name })
    }

    fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }

    fn matches(&self, path: &[String]) -> bool {
        let Some((name, directories)) = path.split_last() else { return false };
        directories.ends_with(&self.directories) && matches(&self.name, name)
    }

    fn text(&self) -> String {
        self.directories.iter().map(|part| format!("{part}/")).collect::<String>() + &self.name
    }
}

/// Takes members out of a tar archive into the directory `into`, each under its own name without directories.
///
/// Nothing else of the archive is written. Each file appears whole or not at all. The paths come in the order of the
/// names.
///
/// # Errors
/// If a member is not there, is there twice, is a link or anything else but a plain file; if two members have one name;
/// if the members have more than `max_bytes` together; or if the archive is broken.
pub fn unpack(
    archive: &Path,
    members: &[Member],
    into: &Path,
    max_bytes: u64,
) -> Result<Vec<PathBuf>, FetchError> {
    check_headers(archive)?;
    std::fs::create_dir_all(into).map_err(FetchError::io("create", into))?;
    let refuse = |reason: String| FetchError::archive(archive, reason);
    let broken = |error: io::Error| FetchError::archive(archive, error.to_string());
    let file = File::open(archive).map_err(FetchError::io("open", archive))?;
    let mut tar = tar::Archive::new(BufReader::new(file));
    let mut found = vec![0_usize; members.len()];
    let mut written = Vec::new();
    let mut left = max_bytes;
    for entry in tar.entries_with_seek().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let Some(path) = plain_path(&entry.path().map_err(broken)?) else { continue };
        let Some(name) = path.last() else { continue };
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let mut is_wanted = false;
        for (member, count) in members.iter().zip(&mut found) {
            if member.matches(&path) {
                *count += 1;
                is_wanted = true;
            }
        }
        if !is_wanted {
            continue;
        }
        let shown = path.join("/");
        if !entry.header().entry_type().is_file() {
            let kind = entry.header().entry_type();
            return Err(refuse(format!("`{shown}` is not a plain file but {kind:?}")));
        }
        let target = into.join(name);
        if written.contains(&target) {
            return Err(refuse(format!("two members have the name `{name}`")));
        }
        let size = entry.size();
        left = left.checked_sub(size).ok_or_else(|| {
            refuse(format!("`{shown}` has {size} bytes: its members may have {max_bytes} together"))
        })?;
        write_whole(&mut entry, size, &target, archive)?;
        written.push(target);
    }
    for (member, count) in members.iter().zip(found) {
        if count == 0 || (count > 1 && !member.is_pattern()) {
            let text = member.text();
            let held = if count == 0 { "no".to_owned() } else { count.to_string() };
            return Err(refuse(format!("it holds {held} members `{text}`")));
        }
    }
    written.sort();
    Ok(written)
}

/// Copies an entry to a file beside its target and renames it.
fn write_whole(entry: &mut impl Read, size: u64, target: &Path, archive: &Path) -> Result<(), FetchError> {
    let parent = target.parent().unwrap_or_else(|| Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(parent).map_err(FetchError::io("create a file in", parent))?;
    let mut buffer = vec![0; 1 << 18];
    let mut copied = 0;
    loop {
        let read =
            entry.read(&mut buffer).map_err(|error| FetchError::archive(archive, error.to_string()))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(FetchError::io("write", target))?;
        copied += read as u64;
    }
    if copied != size {
        let reason = format!("it ends within `{}`, after {copied} of {size} bytes", target.display());
        return Err(FetchError::archive(archive, reason));
    }
    file.as_file().sync_all().map_err(FetchError::io("write", target))?;
    let file = file.persist(target).map_err(|error| FetchError::io("rename", target)(error.error))?;
    readable(&file).map_err(FetchError::io("write", target))
}

/// Gives a temporary file, which only its owner may read, the usual rights.
#[cfg(unix)]
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> io::Result<()> {
    Ok(())
}

/// Looks at all headers before anything is read into memory: a long name of a gigabyte is refused here.
fn check_headers(archive: &Path) -> Result<(), FetchError> {
    let broken = |error: io::Error| FetchError::archive(archive, error.to_string());
    let file = File::open(archive).map_err(FetchError::io("open", archive))?;
    let length = file.metadata().map_err(FetchError::io("read", archive))?.len();
    let mut tar = tar::Archive::new(BufReader::new(file));
    for (number, entry) in tar.entries_with_seek().map_err(broken)?.raw(true).enumerate() {
        let entry = entry.map_err(broken)?;
        let size = entry.size();
        let start = entry.raw_file_position();
        if start.checked_add(size).is_none_or(|end| end > length) {
            let reason = format!("the entry at byte {start} has {size} bytes, the archive ends at {length}");
            return Err(FetchError::archive(archive, reason));
        }
        let kind = entry.header().entry_type();
        if !kind.is_file() && !kind.is_contiguous() && size > LARGEST_HEADER {
            let reason = format!(
                "the entry at byte {start} ({kind:?}) has {size} bytes, {LARGEST_HEADER} are allowed"
            );
            return Err(FetchError::archive(archive, reason));
        }
        if number >= MOST_ENTRIES {
            return Err(FetchError::archive(archive, format!("it has more than {MOST_ENTRIES} entries")));
        }
    }
    Ok(())
}

/// The parts of a relative path without `..`; none for any other path, which is never a member.
fn plain_path(path: &Path) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

/// Whether a name matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
        }),
    }
}
