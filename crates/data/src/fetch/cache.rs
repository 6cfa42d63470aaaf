//! Where fetched data is kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Download, FetchError, FetchOptions, Member, Progress, fetch, unpack};

const FORMAT: &str = "fiducial-unpacked/1";
const STAMP: &str = "unpacked.json";

/// The directory for what can be fetched or made again: `FIDUCIAL_CACHE`, or `fiducial` under `XDG_CACHE_HOME`,
/// `HOME/.cache` or `LOCALAPPDATA`. It need not exist yet.
///
/// # Errors
/// If none of these variables is set.
pub fn cache_directory() -> Result<PathBuf, FetchError> {
    cache_directory_from(|name| std::env::var_os(name))
}

fn cache_directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, FetchError> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("FIDUCIAL_CACHE")
        // A relative path here is to be ignored, says the XDG specification.
        .or_else(|| Some(path("XDG_CACHE_HOME").filter(|path| path.is_absolute())?.join("fiducial")))
        .or_else(|| Some(path("HOME")?.join(".cache").join("fiducial")))
        .or_else(|| Some(path("LOCALAPPDATA")?.join("fiducial")))
        .ok_or(FetchError::NoCacheDirectory)
}

/// What was unpacked, written last: the commit point.
#[derive(Debug, Serialize, Deserialize)]
struct Unpacked {
    format: String,
    checksum: String,
    members: Vec<String>,
    files: Vec<UnpackedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct UnpackedFile {
    name: String,
    bytes: u64,
}

/// Fetches a tar archive and takes members out of it, into a directory of its own under `cache`; the archive is removed
/// afterwards. What is there already, under the same checksum, is not fetched again.
///
/// # Errors
/// As [`fetch`], [`Member::parse`] and [`unpack`].
pub fn fetch_archive(
    download: &Download,
    members: &[&str],
    cache: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<PathBuf>, FetchError> {
    let parsed = members.iter().map(|member| Member::parse(member)).collect::<Result<Vec<_>, _>>()?;
    let directory = cache.join("fetched").join(download.checksum.digits());
    if let Some(files) = unpacked_before(download, members, &directory) {
        return Ok(files);
    }
    let archive = directory.join("archive.tar");
    fetch(download, &archive, options, progress)?;
    let files = unpack(&archive, &parsed, &directory, download.max_bytes)?;
    let stamp = Unpacked {
        format: FORMAT.to_owned(),
        checksum: download.checksum.to_string(),
        members: members.iter().map(|&member| member.to_owned()).collect(),
        files: files.iter().filter_map(|path| describe(path)).collect(),
    };
    let path = directory.join(STAMP);
    let aside = directory.join(format!("{STAMP}.part"));
    let text =
        serde_json::to_vec_pretty(&stamp).map_err(|error| FetchError::io("write", &path)(error.into()))?;
    std::fs::write(&aside, text).map_err(FetchError::io("write", &aside))?;
    std::fs::rename(&aside, &path).map_err(FetchError::io("rename", &aside))?;
    std::fs::remove_file(&archive).map_err(FetchError::io("remove", &archive))?;
    Ok(files)
}

fn describe(path: &Path) -> Option<UnpackedFile> {
    let name = path.file_name()?.to_str()?.to_owned();
    Some(UnpackedFile { name, bytes: path.metadata().ok()?.len() })
}

/// The files of an earlier call, if all of them are there in their sizes.
fn unpacked_before(download: &Download, members: &[&str], directory: &Path) -> Option<Vec<PathBuf>> {
    let stamp: Unpacked = serde_json::from_slice(&std::fs::read(directory.join(STAMP)).ok()?).ok()?;
    let same = stamp.format == FORMAT
        && stamp.checksum == download.checksum.to_string()
        && stamp.members.iter().map(String::as_str).eq(members.iter().copied());
    if !same {
        return None;
    }
    let whole = |file: &UnpackedFile| {
        let path = directory.join(Path::new(&file.name).file_name()?);
        (path.metadata().ok()?.len() == file.bytes).then_some(path)
    };
    stamp.files.iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_variables_say() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let lookup = |name: &str| {
                variables
                    .iter()
                    .find(|(variable, _)| *variable == name)
                    .map(|(_, value)| OsString::from(value))
            };
            assert_eq!(cache_directory_from(lookup).ok(), expected.map(PathBuf::from), "{variables:?}");
        };
        check(&[("FIDUCIAL_CACHE", "/a"), ("HOME", "/h")], Some("/a"));
        check(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("/x/fiducial"));
        check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")], Some("/h/.cache/fiducial"));
        check(&[("FIDUCIAL_CACHE", ""), ("HOME", "/h")], Some("/h/.cache/fiducial"));
        check(&[("LOCALAPPDATA", "/l")], Some("/l/fiducial"));
        check(&[], None);
    }
}
