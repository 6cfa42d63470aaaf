//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::Error;

/// How the names of files begin that are being written.
pub(crate) const ASIDE: &str = ".fiducial-";

/// Writes a file beside `path`, syncs it, and gives it its name. What is no file (`/dev/null`, `/dev/stdout`, a pipe) is
/// written to as it is: a rename would put a file in its place.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        let open = || std::fs::OpenOptions::new().write(true).open(path);
        return open().and_then(|mut file| write(&mut file)).map_err(Error::io("write", path));
    }
    let commit = || {
        std::fs::create_dir_all(folder)?;
        let mut aside = tempfile::Builder::new().prefix(ASIDE).tempfile_in(folder)?;
        write(aside.as_file_mut())?;
        aside.as_file().sync_all()?;
        let named = aside.persist(path)?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        named.set_permissions(permissions)
    };
    commit().map_err(Error::io("write", path))
}

pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_whole(path, |file| file.write_all(text.as_bytes()))
}

/// Writes JSON, indented, with a newline at its end.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write_whole(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::FileTypeExt;

    use super::*;

    /// As root, a rename onto /dev/null would break the machine.
    #[test]
    fn a_device_stays_a_device() {
        write_text(Path::new("/dev/null"), "gone").unwrap();
        assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
