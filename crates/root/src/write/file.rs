//! A file that is being written: records, directories, and what stands at its two ends.
//!
//! A file is a header of 100 bytes, then records one after the other, each behind a key. Header, top directory and
//! sub-directories have room for the positions that are known last; everything else is written once, front to back.
//! Positions have 64 bits throughout, so that files beyond 2 GB are no special case.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::classes::{Class, streamer_list};
use super::compression::Compression;
use super::out::Out;
use crate::error::{Error, Result};

/// Where the first record stands.
const BEGIN: u64 = 100;
/// Versions above a million announce positions of 64 bits; the rest is the ROOT version whose classes are written.
const VERSION: u32 = 1_000_000 + 63_200;
const KEY_VERSION: u16 = 1004;
const DIRECTORY_VERSION: u16 = 1005;
const FREE_VERSION: u16 = 1001;
/// A date in every record, to the second: the first of January 1995, where ROOT's time begins. The time of writing
/// would make the bytes of equal files differ.
const DATE: u32 = 1 << 22 | 1 << 17;
/// A key without its texts: 34 bytes of numbers.
const KEY_NUMBERS: usize = 34;
/// The version of a TUUID and its 16 bytes.
const UUID_LEN: usize = 18;
/// The name that the top directory has within the file; readers show the path that they opened.
const FILE_NAME: &str = "fiducial.root";
/// Keys, and so the texts in them, have lengths of 16 bits.
const MAX_TEXT: usize = 10_000;

/// What can be written to: a file, or in tests something that fails.
pub(crate) trait Storage: Write + Seek + Send + Sync {}

impl<T: Write + Seek + Send + Sync> Storage for T {}

/// A ROOT file that is being written. It appears at its path when [`RootWriter::finish`] has succeeded, and not before;
/// a writer that is dropped leaves nothing.
///
/// Equal contents give equal bytes: dates are fixed (1 January 1995), and the file's UUID is a hash of what it holds.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Float32Array, RecordBatch};
/// use fiducial_root::{Compression, RootFile, RootWriter};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("out.root");
/// let pt = Arc::new(Float32Array::from(vec![31.5, 20.25]));
/// let batch = RecordBatch::try_from_iter([("pt", pt as _)]).unwrap();
///
/// let mut file = RootWriter::create(&path, Compression::zstd(5))?;
/// let mut tree = file.tree("events", "two events", &batch.schema())?;
/// tree.write(&batch)?;
/// tree.finish()?;
/// let mut ntuple = file.ntuple("same", &batch.schema())?;
/// ntuple.write(&batch)?;
/// ntuple.finish()?;
/// file.finish()?;
///
/// let tree = RootFile::open(&path)?.tree("events")?;
/// assert_eq!(tree.read(&["pt"], 0..2)?.columns(), batch.columns());
/// # Ok::<(), fiducial_root::Error>(())
/// ```
pub struct RootWriter {
    storage: Box<dyn Storage>,
    aside: Option<tempfile::TempPath>,
    path: PathBuf,
    position: u64,
    digest: Box<xxhash_rust::xxh3::Xxh3>,
    compression: Compression,
    /// The first is the top directory.
    directories: Vec<Directory>,
    classes: Vec<&'static Class>,
    /// A write failed: what follows would stand at the wrong place.
    failed: bool,
}

struct Directory {
    path: String,
    name: String,
    title: String,
    parent: usize,
    /// Its record, the length of what comes before its numbers, and those.
    seek: u64,
    names_len: usize,
    keys: Vec<Vec<u8>>,
    cycles: BTreeMap<String, u16>,
}

/// What a record's key says.
pub(crate) struct KeyOf<'a> {
    pub(crate) class: &'a str,
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) cycle: u16,
    pub(crate) directory: u64,
    /// What a basket appends to its key.
    pub(crate) extra: &'a [u8],
}

impl KeyOf<'_> {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        let texts = [self.class, self.name, self.title];
        let texts: usize = texts.iter().map(|text| text.len() + if text.len() < 255 { 1 } else { 5 }).sum();
        KEY_NUMBERS + texts + self.extra.len()
    }

    fn bytes(&self, position: u64, stored: usize, object: usize) -> Option<Vec<u8>> {
        let len = u16::try_from(self.len()).ok()?;
        let mut out = Out::default();
        out.i32(i32::try_from(self.len() + stored).ok()?);
        out.u16(KEY_VERSION);
        out.i32(i32::try_from(object).ok()?);
        out.u32(DATE);
        out.u16(len);
        out.u16(self.cycle);
        out.u64(position);
        out.u64(self.directory);
        out.text(self.class);
        out.text(self.name);
        out.text(self.title);
        out.bytes(self.extra);
        out.finish()
    }
}

impl std::fmt::Debug for RootWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RootWriter")
            .field("path", &self.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl RootWriter {
    /// Starts a file beside `path`, which must lie in a directory that exists.
    ///
    /// # Errors
    /// [`Error::Write`] where the file cannot be made.
    pub fn create(path: impl AsRef<Path>, compression: Compression) -> Result<Self> {
        let path = path.as_ref();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".writing-");
        // As any file that a program makes: the user's mask decides who may read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let aside = builder
            .tempfile_in(parent)
            .map_err(|source| Error::Write { path: path.to_path_buf(), source })?;
        let (file, aside) = aside.into_parts();
        Self::new(Box::new(file), Some(aside), path, compression)
    }

    pub(crate) fn new(
        storage: Box<dyn Storage>,
        aside: Option<tempfile::TempPath>,
        path: &Path,
        compression: Compression,
    ) -> Result<Self> {
        let mut writer = Self {
            storage,
            aside,
            path: path.to_path_buf(),
            position: 0,
            digest: Box::default(),
            compression,
            directories: Vec::new(),
            classes: Vec::new(),
            failed: false,
        };
        writer.append(&[0; BEGIN as usize])?;
        writer.add_directory(String::new(), FILE_NAME.to_owned(), 0)?;
        Ok(writer)
    }

    /// The path that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// An error about something that cannot be written.
    pub(crate) fn unwritable(&self, object: &str, reason: impl Into<String>) -> Error {
        Error::Unwritable { path: self.path.clone(), object: object.to_owned(), reason: reason.into() }
    }

    /// Writes bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.digest.update(bytes);
        self.position += bytes.len() as u64;
        self.io(|storage| storage.write_all(bytes))
    }

    fn io(&mut self, write: impl FnOnce(&mut dyn Storage) -> std::io::Result<()>) -> Result<()> {
        let result = match self.failed {
            false => write(&mut *self.storage),
            true => Err(std::io::Error::other("an earlier write failed")),
        };
        self.failed |= result.is_err();
        result.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Writes a record of an object of `object_len` bytes, which are `stored` when compressed; gives its position and
    /// its key.
    pub(crate) fn record(
        &mut self,
        key: &KeyOf<'_>,
        stored: &[u8],
        object_len: usize,
    ) -> Result<(u64, Vec<u8>)> {
        let position = self.position;
        let Some(bytes) = key.bytes(position, stored.len(), object_len) else {
            return Err(self.unwritable(key.name, format!("its {object_len} bytes do not fit a record")));
        };
        self.append(&bytes)?;
        self.append(stored)?;
        Ok((position, bytes))
    }

    /// Writes an object, "name" or "directory/name", with the descriptions of its classes. A second object of one
    /// name gets the next cycle.
    ///
    /// `body` gets the bytes to write to, since references within an object count its key.
    pub(crate) fn object(
        &mut self,
        path: &str,
        title: &str,
        class: &str,
        classes: &[&'static Class],
        body: impl FnOnce(&mut Out),
    ) -> Result<()> {
        let (directory, name) = self.place(path)?;
        self.check_text(path, title)?;
        let cycle = self.directories[directory].cycles.get(name).map_or(1, |cycle| cycle + 1);
        let seek = self.directories[directory].seek;
        let key = KeyOf { class, name, title, cycle, directory: seek, extra: &[] };
        let mut out = Out::new(key.len());
        body(&mut out);
        let Some(bytes) = out.finish() else {
            return Err(self.unwritable(path, "its description is larger than 1 GiB"));
        };
        let (compression, len) = (self.compression, bytes.len());
        let stored = compression.compress(bytes).map_err(|reason| self.unwritable(path, reason))?;
        let (_, key) = self.record(&key, &stored, len)?;
        let directory = &mut self.directories[directory];
        directory.keys.push(key);
        directory.cycles.insert(name.to_owned(), cycle);
        self.describe(classes);
        Ok(())
    }

    /// The classes that the streamer list will describe.
    fn describe(&mut self, classes: &[&'static Class]) {
        for class in classes {
            if !self.classes.iter().any(|known| known.name == class.name) {
                self.classes.push(class);
            }
        }
    }

    /// Where the directory of an object stands, made where there is none yet: baskets name it.
    pub(crate) fn directory_of(&mut self, path: &str) -> Result<u64> {
        let (directory, _) = self.place(path)?;
        Ok(self.directories[directory].seek)
    }

    /// The directory of a path, made where there is none yet, and the name within it.
    fn place<'a>(&mut self, path: &'a str) -> Result<(usize, &'a str)> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.check_text(path, path)?;
        if path.split('/').any(str::is_empty) {
            return Err(self.unwritable(path, "a name is empty"));
        }
        let mut directory = 0;
        for end in
            parents.match_indices('/').map(|(at, _)| at).chain((!parents.is_empty()).then_some(parents.len()))
        {
            let parent = &parents[..end];
            directory = match self.directories.iter().position(|known| known.path == parent) {
                Some(known) => known,
                None => self.add_directory(parent.to_owned(), last_name(parent).to_owned(), directory)?,
            };
        }
        Ok((directory, name))
    }

    fn check_text(&self, object: &str, text: &str) -> Result<()> {
        match text.len() {
            0..=MAX_TEXT => Ok(()),
            n => {
                let start: String = object.chars().take(40).collect();
                Err(self.unwritable(&start, format!("a name or title of {n} bytes is too long")))
            }
        }
    }

    /// Writes the record of a directory with zeros, to be filled in at the end.
    fn add_directory(&mut self, path: String, name: String, parent: usize) -> Result<usize> {
        let is_top = self.directories.is_empty();
        let mut directory = Directory {
            title: if is_top { String::new() } else { name.clone() },
            path,
            name,
            parent,
            seek: self.position,
            names_len: 0,
            keys: Vec::new(),
            cycles: BTreeMap::new(),
        };
        let above = if is_top { 0 } else { self.directories[parent].seek };
        let mut out = Out::default();
        // The top directory's record starts with name and title once more.
        if is_top {
            out.text(&directory.name);
            out.text(&directory.title);
        }
        let before = out.finish().unwrap_or_default();
        let body = [before.as_slice(), &directory.numbers(0, 0, above, &[0; UUID_LEN])].concat();
        let (class, cycle) = (directory.class(), 1);
        let key = KeyOf {
            class,
            name: &directory.name,
            title: &directory.title,
            cycle,
            directory: above,
            extra: &[],
        };
        directory.names_len = key.len() + before.len();
        let (_, key) = self.record(&key, &body, body.len())?;
        if !is_top {
            self.directories[parent].keys.push(key);
            self.directories[parent].cycles.insert(directory.name.clone(), 1);
        }
        self.directories.push(directory);
        Ok(self.directories.len() - 1)
    }

    /// Writes what stands at the end and at the start, and puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Write`] where the system refuses; there is no file at the path then, or the one that was there before.
    pub fn finish(mut self) -> Result<()> {
        let info = self.write_streamers()?;
        let mut lists = Vec::new();
        for i in 0..self.directories.len() {
            lists.push(self.write_keys(i)?);
        }
        let free = self.write_free()?;
        let uuid = uuid(self.digest.digest128());
        for (i, &(seek, len)) in lists.iter().enumerate() {
            let directory = &self.directories[i];
            let parent = if i == 0 { 0 } else { self.directories[directory.parent].seek };
            let bytes = directory.numbers(seek, len, parent, &uuid);
            self.patch(directory.seek + directory.names_len as u64, &bytes)?;
        }
        let header = self.header(free, info, &uuid);
        self.patch(0, &header)?;
        self.io(|storage| storage.flush())?;
        match self.aside.take() {
            Some(aside) => aside
                .persist(&self.path)
                .map_err(|error| Error::Write { path: self.path.clone(), source: error.error }),
            None => Ok(()),
        }
    }

    fn patch(&mut self, position: u64, bytes: &[u8]) -> Result<()> {
        self.io(|storage| {
            storage.seek(SeekFrom::Start(position))?;
            storage.write_all(bytes)
        })
    }

    fn write_streamers(&mut self) -> Result<(u64, u32)> {
        let (name, title) = ("StreamerInfo", "Doubly linked list");
        let key = KeyOf { class: "TList", name, title, cycle: 1, directory: BEGIN, extra: &[] };
        let Some(bytes) = streamer_list(&self.classes, key.len()) else {
            return Err(self.unwritable(name, "it is larger than 1 GiB"));
        };
        let len = bytes.len();
        let stored = self.compression.compress(bytes).map_err(|reason| self.unwritable(name, reason))?;
        let (position, _) = self.record(&key, &stored, len)?;
        Ok((position, (self.position - position) as u32))
    }

    /// A directory's list: the keys of its objects once more. Gives its position and length.
    fn write_keys(&mut self, directory: usize) -> Result<(u64, u32)> {
        let directory = &self.directories[directory];
        let mut body = (directory.keys.len() as u32).to_be_bytes().to_vec();
        directory.keys.iter().for_each(|key| body.extend_from_slice(key));
        let (class, name, title) = (directory.class(), directory.name.clone(), directory.title.clone());
        let key =
            KeyOf { class, name: &name, title: &title, cycle: 1, directory: directory.seek, extra: &[] };
        let (position, _) = self.record(&key, &body, body.len())?;
        Ok((position, (self.position - position) as u32))
    }

    /// The list of free segments: one, from the end of the file on.
    fn write_free(&mut self) -> Result<(u64, u32)> {
        const SEGMENT_LEN: u64 = 18;
        const STEP: u64 = 1_000_000_000;
        let key =
            KeyOf { class: "TFile", name: FILE_NAME, title: "", cycle: 1, directory: BEGIN, extra: &[] };
        let end = self.position + key.len() as u64 + SEGMENT_LEN;
        let mut out = Out::default();
        out.u16(FREE_VERSION);
        out.u64(end);
        out.u64((end / STEP + 2) * STEP);
        let body = out.finish().unwrap_or_default();
        let (position, _) = self.record(&key, &body, body.len())?;
        Ok((position, (self.position - position) as u32))
    }

    fn header(&self, free: (u64, u32), info: (u64, u32), uuid: &[u8; UUID_LEN]) -> Vec<u8> {
        const FREE_SEGMENTS: u32 = 1;
        const POSITION_BYTES: u8 = 8;
        let mut out = Out::default();
        out.bytes(b"root");
        out.u32(VERSION);
        out.u32(BEGIN as u32);
        out.u64(self.position);
        out.u64(free.0);
        out.u32(free.1);
        out.u32(FREE_SEGMENTS);
        out.u32(self.directories.first().map_or(0, |top| top.names_len as u32));
        out.u8(POSITION_BYTES);
        out.u32(self.compression.setting());
        out.u64(info.0);
        out.u32(info.1);
        out.bytes(uuid);
        out.finish().unwrap_or_default()
    }
}

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The file's hash as a UUID of version 8, with the version of TUUID before it.
fn uuid(hash: u128) -> [u8; UUID_LEN] {
    let mut out = [0; UUID_LEN];
    out[1] = 1;
    out[2..].copy_from_slice(&hash.to_be_bytes());
    out[8] = out[8] & 0x0F | 0x80;
    out[10] = out[10] & 0x3F | 0x80;
    out
}

impl Directory {
    fn class(&self) -> &'static str {
        if self.path.is_empty() { "TFile" } else { "TDirectoryFile" }
    }

    /// Version, dates, sizes, positions and UUID.
    fn numbers(&self, keys: u64, keys_len: u32, parent: u64, uuid: &[u8; UUID_LEN]) -> Vec<u8> {
        let mut out = Out::default();
        out.u16(DIRECTORY_VERSION);
        out.u32(DATE);
        out.u32(DATE);
        out.u32(keys_len);
        out.u32(self.names_len as u32);
        out.u64(self.seek);
        out.u64(parent);
        out.u64(keys);
        out.bytes(uuid);
        out.finish().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use arrow_array::{Float32Array, Int32Array, RecordBatch};

    use super::*;
    use crate::RootFile;

    /// Takes so many bytes, then says that the disk is full.
    struct Full {
        room: usize,
        inner: io::Cursor<Vec<u8>>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= bytes.len();
            self.inner.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.inner.seek(to)
        }
    }

    fn batch() -> RecordBatch {
        let x = Float32Array::from_iter_values((0..500).map(|i| i as f32));
        let n = Int32Array::from_iter_values(0..500);
        RecordBatch::try_from_iter([("x", Arc::new(x) as _), ("n", Arc::new(n) as _)]).expect("two columns")
    }

    /// Writes a tree and an RNTuple in several clusters.
    fn write(mut file: RootWriter) -> Result<()> {
        let mut tree = file.tree("a/tree", "", &batch().schema())?.cluster_bytes(1000);
        tree.write(&batch())?;
        tree.finish()?;
        let mut ntuple = file.ntuple("ntuple", &batch().schema())?.cluster_bytes(1000);
        ntuple.write(&batch())?;
        ntuple.finish()?;
        file.finish()
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("out.root");
        let attempt = |room: usize| {
            let aside = tempfile::NamedTempFile::new_in(directory.path()).expect("there is room");
            let storage = Box::new(Full { room, inner: io::Cursor::new(Vec::new()) });
            RootWriter::new(storage, Some(aside.into_temp_path()), &path, Compression::zstd(1))
                .and_then(write)
        };
        let mut room = 0;
        let mut failures = 0;
        while let Err(error) = attempt(room) {
            let text = error.to_string();
            assert!(text.contains("write") && text.contains("out.root"), "{text}");
            let left = std::fs::read_dir(directory.path()).expect("it is there").count();
            assert_eq!(left, 0, "with room for {room} bytes");
            failures += 1;
            room += 97;
        }
        assert!(failures > 50, "{failures} failures");
        assert!(path.exists(), "with room for all of it the file is there");
    }

    #[test]
    fn positions_beyond_four_gigabytes() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("out.root");
        let mut file = RootWriter::create(&path, Compression::NONE).expect("it starts");
        // A hole, which takes no room on disk.
        file.position += 5 << 30;
        let position = file.position;
        file.io(|storage| storage.seek(SeekFrom::Start(position)).map(|_| ())).expect("it seeks");
        write(file).expect("it writes");
        let file = RootFile::open(&path).expect("it opens");
        assert!(file.size() > 5 << 30);
        for name in ["a/tree", "ntuple"] {
            let table = file.table(name).expect("it opens");
            let found = table.read(&["x", "n"], 0..500).expect("it reads");
            assert_eq!(found.columns(), batch().columns(), "{name}");
        }
    }
}
