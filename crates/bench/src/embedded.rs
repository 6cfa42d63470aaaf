//! The tasks that the program carries with it, for where there is no checkout.

use std::path::PathBuf;

use fiducial_data::fetch::cache_directory;
use sha2::{Digest, Sha256};

use crate::{Error, files};

struct EmbeddedTask {
    name: &'static str,
    /// Paths in the task's folder, and what is in them. `task.toml` is the last one: it is written last.
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! task_file {
    ($task:literal, $file:literal) => {
        ($file, include_bytes!(concat!("../../../benchmarks/", $task, "/", $file)).as_slice())
    };
}

const TASKS: &[EmbeddedTask] = &[EmbeddedTask {
    name: "jet-tagging/top",
    files: &[
        task_file!("jet-tagging/top", "view.toml"),
        task_file!("jet-tagging/top", "published.toml"),
        task_file!("jet-tagging/top", "recipes/pfn.toml"),
        task_file!("jet-tagging/top", "recipes/particlenet.toml"),
        task_file!("jet-tagging/top", "recipes/part.toml"),
        task_file!("jet-tagging/top", "recipes/trees.toml"),
        task_file!("jet-tagging/top", "recipes/efn.toml"),
        task_file!("jet-tagging/top", "recipes/transformer.toml"),
        task_file!("jet-tagging/top", "recipes/lorentznet.toml"),
        task_file!("jet-tagging/top", "recipes/lgatr-slim.toml"),
        task_file!("jet-tagging/top", "recipes/pfn-disco.toml"),
        task_file!("jet-tagging/top", "recipes/pfn-focal.toml"),
        task_file!("jet-tagging/top", "recipes/pfn-smoothing.toml"),
        task_file!("jet-tagging/top", "sample/top_tagging.root"),
        task_file!("jet-tagging/top", "task.toml"),
    ],
}];

/// The names of the embedded tasks.
pub(crate) fn names() -> Vec<&'static str> {
    TASKS.iter().map(|task| task.name).collect()
}

/// Writes an embedded task into the cache, under the hash of its content, unless it is there. None if there is no such
/// task.
pub(crate) fn unpack(name: &str) -> Result<Option<PathBuf>, Error> {
    let Some(task) = TASKS.iter().find(|task| task.name == name) else { return Ok(None) };
    let mut hash = Sha256::new();
    for (path, bytes) in task.files {
        hash.update(path.as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache_directory()?.join("benchmarks").join(digest).join(name);
    if !folder.join("task.toml").is_file() {
        for (path, bytes) in task.files {
            files::write_whole(&folder.join(path), |file| std::io::Write::write_all(file, bytes))?;
        }
    }
    Ok(Some(folder))
}
