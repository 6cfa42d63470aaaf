//! What a run that was killed leaves for the next: how far it was when its last whole shard was written.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::statistics::Statistics;
use crate::dataset::{ShardFile, SourceCutflow, digest_file};
use crate::source::Error;

/// Its name beside the shards of an unfinished dataset.
pub(super) const STATE: &str = ".state.json";

/// How far a run was. Its rows are those of the partitions before `task`, and rows after them that are in whole shards
/// already, which are read again and not written again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// SHA-256 of the view, the files and the settings: another request begins anew.
    pub(super) request: String,
    /// Sources that turned out to be bad on the way, in the order in which that was found.
    pub(super) left_out: Vec<LeftOut>,
    /// The partition that comes next.
    pub(super) task: usize,
    /// Of the partitions before it.
    pub(super) cutflow: Vec<SourceCutflow>,
    /// Of the partitions before it, for each column.
    pub(super) statistics: Vec<Statistics>,
    /// The whole shards of each split.
    pub(super) shards: Vec<Vec<ShardFile>>,
}

/// A source that turned out to be bad.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    /// Its place among the sources that were left then.
    pub(super) place: usize,
    /// What the matter was.
    pub(super) reason: String,
}

impl State {
    /// What an earlier run left in a directory, if it did the same and all of its shards are right.
    pub(super) fn read(directory: &Path, request: &str) -> Option<Self> {
        let text = std::fs::read(directory.join(STATE)).ok()?;
        let state: Self = serde_json::from_slice(&text).ok()?;
        let is_right = |shard: &ShardFile| {
            let found = digest_file(&directory.join(&shard.path));
            found.is_ok_and(|(bytes, sha256)| bytes == shard.bytes && sha256 == shard.sha256)
        };
        let is_sound = state.request == request && state.shards.par_iter().flatten().all(is_right);
        is_sound.then_some(state)
    }

    /// Written aside and renamed: it is the old one or the new one. The shards that it names are on the disk already.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(STATE);
        let aside = directory.join(".state.json.new");
        let text = serde_json::to_vec(self).map_err(|error| Error::malformed(&path, error.to_string()))?;
        let mut file = File::create(&aside).map_err(Error::io("create", &aside))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(Error::io("write", &aside))?;
        std::fs::rename(&aside, &path).map_err(Error::io("write", &path))?;
        let directory_entries = File::open(directory).map_err(Error::io("open", directory))?;
        directory_entries.sync_all().map_err(Error::io("write", directory))
    }

    /// The shards that it names.
    pub(super) fn paths<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = std::path::PathBuf> + 'a {
        self.shards.iter().flatten().map(|shard| directory.join(&shard.path))
    }
}
