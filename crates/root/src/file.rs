//! The file itself: header, keys and directories.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::compress;
use crate::cursor::Cursor;
use crate::error::{Error, Place, Result};
use crate::objects::classes::Classes;
use crate::pool::Pool;
use crate::rntuple::Ntuple;
use crate::storage::{self, Opened, Remote, RemoteOptions, Url, Wanted};
use crate::streamer::Streamers;
use crate::table::Table;
use crate::tree::Tree;

/// Directories nest no deeper than this; a file that says otherwise is broken.
const MAX_DEPTH: usize = 64;

/// A directory's own record: a version, two dates, two sizes and three positions of 64 bits at most.
const DIRECTORY_LEN: usize = 42;

/// The file's header: a mark of 4 bytes, 7 numbers of 32 bits at most, 3 positions of 64 bits at most, a byte.
const HEADER_LEN: usize = 57;

/// An open ROOT file. Cheap to clone: clones share the mapping.
#[derive(Clone)]
pub struct RootFile {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    bytes: Bytes,
    header: Header,
    streamers: OnceLock<Arc<Streamers>>,
    classes: OnceLock<Arc<Classes>>,
    pool: Arc<Pool>,
}

enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
    Remote(Remote),
}

struct Header {
    version: i32,
    begin: u64,
    names: u64,
    info: u64,
    info_len: usize,
}

/// What a key says of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Directories and name, "dir/name".
    pub path: String,
    /// The C++ class, such as "TTree".
    pub class_name: String,
    /// The object's title.
    pub title: String,
    /// The version of the object: the highest is the newest.
    pub cycle: i16,
    /// Bytes on disk, key included.
    pub bytes: u64,
    pub(crate) seek: u64,
}

/// A TKey: the header of every record.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) bytes: usize,
    pub(crate) object_len: usize,
    pub(crate) key_len: usize,
    cycle: i16,
    seek: u64,
    pub(crate) class_name: String,
    name: String,
    title: String,
}

impl Key {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let (bytes, version, object_len) = (cursor.i32()?, cursor.i16()?, cursor.i32()?);
        let _date = cursor.u32()?;
        let (key_len, cycle) = (cursor.u16()?, cursor.i16()?);
        // Keys beyond 2 GB are written with 64-bit positions and a version above 1000.
        let (seek, _parent) = if version > 1000 {
            (cursor.u64()?, cursor.u64()?)
        } else {
            (u64::from(cursor.u32()?), u64::from(cursor.u32()?))
        };
        let (class_name, name, title) = (cursor.text()?, cursor.text()?, cursor.text()?);
        let key_len = usize::from(key_len);
        match (usize::try_from(bytes), usize::try_from(object_len)) {
            (Ok(bytes), Ok(object_len)) => {
                Ok(Self { bytes, object_len, key_len, cycle, seek, class_name, name, title })
            }
            _ => Err(cursor.error(format!(
                "a key claims {bytes} bytes, {key_len} of them its own, for an object of {object_len}"
            ))),
        }
    }
}

/// A decompressed record, and where it came from.
pub(crate) struct Record<'a> {
    pub(crate) data: Cow<'a, [u8]>,
    pub(crate) key_len: usize,
    pub(crate) place: Place,
}

impl Bytes {
    fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.len() as u64,
            Self::Owned(vec) => vec.len() as u64,
            Self::Remote(remote) => remote.len(),
        }
    }

    fn read(&self, seek: u64, len: usize, place: &Place) -> Result<Cow<'_, [u8]>> {
        let data = match self {
            Self::Mapped(map) => &map[..],
            Self::Owned(vec) => &vec[..],
            Self::Remote(remote) if seek <= remote.len() => {
                return remote.read(seek, len, place).map(Cow::Owned);
            }
            Self::Remote(_) => &[],
        };
        match usize::try_from(seek).ok().and_then(|seek| data.get(seek..)) {
            Some(data) => Ok(Cow::Borrowed(&data[..len.min(data.len())])),
            None => {
                Err(place.error(0, format!("it starts beyond the end of the file, {} bytes", self.len())))
            }
        }
    }
}

impl RootFile {
    /// Opens a file: a path, which is mapped into memory, or the address of a remote file.
    ///
    /// Addresses are `https://HOST/PATH`, `http://`, `s3://BUCKET/KEY` and `root://HOST[:PORT]//PATH`. Of a remote file
    /// only what is asked for is read.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened, [`Error::Remote`] where a server does not hand it out,
    /// [`Error::Malformed`] where it is no ROOT file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &RemoteOptions::default())
    }

    /// As [`RootFile::open`], with another patience for servers than the default.
    ///
    /// # Errors
    /// As [`RootFile::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &RemoteOptions) -> Result<Self> {
        let path = path.as_ref();
        if let Some(url) = Url::of(path) {
            let bytes = match storage::open(&url, options)? {
                Opened::Remote(remote) => Bytes::Remote(remote),
                Opened::Whole(bytes) => Bytes::Owned(bytes),
            };
            return Self::new(&url.shown(), bytes);
        }
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        let bytes = if file.metadata().map_err(io)?.len() == 0 {
            Bytes::Owned(Vec::new())
        } else {
            // SAFETY: the mapping is read-only and private to us. As with every reader that maps its input, another
            // process that truncates the file meanwhile ends this one: data files are not to be changed while read.
            Bytes::Mapped(unsafe { memmap2::Mmap::map(&file) }.map_err(io)?)
        };
        Self::new(&path.display().to_string(), bytes)
    }

    /// Reads a file that is already in memory; `name` stands in for its path in errors.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the bytes are no ROOT file.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self> {
        Self::new(name, Bytes::Owned(bytes))
    }

    fn new(name: &str, bytes: Bytes) -> Result<Self> {
        let name: Arc<str> = name.into();
        let place = Place::new(&name, "the header", 0);
        let header = Header::read(&bytes.read(0, HEADER_LEN, &place)?, &place)?;
        let (streamers, classes, pool) = (OnceLock::new(), OnceLock::new(), Arc::default());
        Ok(Self { inner: Arc::new(Inner { name, bytes, header, streamers, classes, pool }) })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.inner.name
    }

    /// ROOT's version number that wrote the file, such as 62206 for 6.22/06.
    pub fn version(&self) -> u32 {
        (self.inner.header.version % 1_000_000).unsigned_abs()
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.inner.bytes.len()
    }

    /// Some of the file's bytes as they are; fewer than `len` where the file ends before.
    ///
    /// # Errors
    /// [`Error::Remote`] where a server does not hand them out, [`Error::Malformed`] where `seek` lies beyond the end.
    pub fn bytes(&self, seek: u64, len: usize) -> Result<Cow<'_, [u8]>> {
        self.read(seek, len, &Place::new(self.name(), "bytes", seek))
    }

    /// The file's size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.inner.bytes.len()
    }

    /// Up to `len` bytes from `seek` on: fewer where the file ends before.
    pub(crate) fn read(&self, seek: u64, len: usize, place: &Place) -> Result<Cow<'_, [u8]>> {
        self.inner.bytes.read(seek, len, place)
    }

    /// Gives back the memory of dropped arrays, which is kept to be used again: for a file that stays open, but of which nothing
    /// is read for a while.
    pub fn release_memory(&self) {
        self.inner.pool.clear();
    }

    /// The memory of arrays that were dropped.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.inner.pool
    }

    /// Whether its bytes come from a server.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.inner.bytes, Bytes::Remote(_))
    }

    /// Reads several ranges and hands the bytes of each, with its number, to `each`, in parallel; the results stand in
    /// the order of `wanted`. From a server they come in few requests, and not more of them at once than memory has
    /// a bound for; on this machine they are read where they lie. Ranges that lie near each other need not be joined.
    pub(crate) fn read_each<'a, T: Send>(
        &'a self,
        wanted: &[Wanted],
        each: impl Fn(usize, Cow<'a, [u8]>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        if let Bytes::Remote(remote) = &self.inner.bytes {
            return remote.read_each(wanted, each);
        }
        let read = |(i, wanted): (usize, &Wanted)| {
            let place = Place::new(self.name(), Arc::clone(&wanted.object), wanted.seek);
            each(i, self.read(wanted.seek, wanted.len, &place)?)
        };
        wanted.par_iter().enumerate().map(read).collect()
    }

    /// Reads the record of `len` bytes whose key stands at `seek`, decompressed.
    pub(crate) fn record(&self, seek: u64, len: usize, object: &str) -> Result<Record<'_>> {
        let place = Place::new(self.name(), object, seek);
        let data = self.read(seek, len, &place)?;
        let key = Key::read(&mut Cursor::new(&data, &place))?;
        let data = payload(data, &key, &place)?;
        Ok(Record { data, key_len: key.key_len, place })
    }

    /// The streamer list: how each class was written. Read once; a list that cannot be read counts as empty, since
    /// the classes of trees are also built in.
    pub(crate) fn streamers(&self) -> Arc<Streamers> {
        let read = || Arc::new(self.streamer_record().map(|list| Streamers::read(&list)).unwrap_or_default());
        Arc::clone(self.inner.streamers.get_or_init(read))
    }

    /// The record of the streamer list, if there is one that can be read.
    pub(crate) fn streamer_record(&self) -> Option<Record<'_>> {
        let header = &self.inner.header;
        if header.info == 0 {
            return None;
        }
        self.record(header.info, header.info_len, "the streamer list").ok()
    }

    /// The same list for objects of any kind, which need more of it.
    pub(crate) fn classes(&self) -> Arc<Classes> {
        let read = || Arc::new(Classes::new(&self.streamers()));
        Arc::clone(self.inner.classes.get_or_init(read))
    }

    /// Every object of the file, directories walked: in the order of the file, parents before children.
    ///
    /// # Errors
    /// [`Error::Malformed`] where a directory cannot be read, or contains itself.
    pub fn keys(&self) -> Result<Vec<KeyInfo>> {
        let header = &self.inner.header;
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        let root = header.begin.checked_add(header.names);
        let place = Place::new(self.name(), "the top directory", header.begin);
        let root = root.ok_or_else(|| place.error(0, "its position overflows"))?;
        // Names repeat in the paths of all that is below them; a broken file could make that endless.
        let mut paths = usize::try_from(self.len()).unwrap_or(usize::MAX).saturating_mul(64);
        self.directory(root, "", 0, &mut seen, &mut paths, &mut out)?;
        Ok(out)
    }

    fn directory(
        &self,
        seek: u64,
        path: &str,
        depth: usize,
        seen: &mut BTreeSet<u64>,
        paths: &mut usize,
        out: &mut Vec<KeyInfo>,
    ) -> Result<()> {
        let label: Arc<str> = match path {
            "" => "the top directory".into(),
            path => format!("directory {path}").into(),
        };
        let place = Place::new(self.name(), Arc::clone(&label), seek);
        if depth > MAX_DEPTH {
            return Err(place.error(0, format!("directories nest deeper than {MAX_DEPTH}")));
        }
        let data = self.read(seek, DIRECTORY_LEN, &place)?;
        let mut cursor = Cursor::new(&data, &place);
        let version = cursor.i16()?;
        let _dates = cursor.u64()?;
        let keys_len = cursor.u32()? as usize;
        let _names_len = cursor.u32()?;
        let keys = if version > 1000 {
            cursor.take(16)?;
            cursor.u64()?
        } else {
            cursor.take(8)?;
            u64::from(cursor.u32()?)
        };
        if keys == 0 {
            return Ok(());
        }
        if !seen.insert(keys) {
            return Err(
                place.error(0, "its list of keys has been seen before: directories contain each other")
            );
        }
        let place = Place::new(self.name(), label, keys);
        let data = self.read(keys, keys_len, &place)?;
        let mut cursor = Cursor::new(&data, &place);
        let list = Key::read(&mut cursor)?;
        cursor.seek(list.key_len)?;
        // A key takes 26 bytes at least.
        for _ in 0..cursor.count(26)? {
            let start = cursor.pos();
            let key = Key::read(&mut cursor)?;
            // The length of a key is that at the object: in the list its class may have a longer name, since ROOT writes
            // "TDirectoryFile" there of what it wrote as "TDirectory" before. So keys follow each other without gaps.
            let full = if path.is_empty() { key.name } else { format!("{path}/{}", key.name) };
            *paths = match paths.checked_sub(full.len()) {
                Some(left) => left,
                None => return Err(place.error(start, "the names of its directories are too long")),
            };
            let is_directory = matches!(key.class_name.as_str(), "TDirectory" | "TDirectoryFile");
            let (seek, key_len) = (key.seek, key.key_len as u64);
            out.push(KeyInfo {
                path: full.clone(),
                class_name: key.class_name,
                title: key.title,
                cycle: key.cycle,
                bytes: key.bytes as u64,
                seek,
            });
            if is_directory {
                let inner =
                    seek.checked_add(key_len).ok_or_else(|| place.error(start, "a position overflows"))?;
                self.directory(inner, &full, depth + 1, seen, paths, out)?;
            }
        }
        Ok(())
    }

    /// The trees of the file (TTree, TNtuple, TNtupleD), each once, as "dir/name".
    ///
    /// # Errors
    /// As [`RootFile::keys`].
    pub fn tree_names(&self) -> Result<Vec<String>> {
        self.names(is_tree)
    }

    /// The ntuples of the file (ROOT's RNTuple), each once, as "dir/name".
    ///
    /// # Errors
    /// As [`RootFile::keys`].
    pub fn ntuple_names(&self) -> Result<Vec<String>> {
        self.names(is_ntuple)
    }

    /// The trees and ntuples of the file, each once, as "dir/name", in the order of the file.
    ///
    /// # Errors
    /// As [`RootFile::keys`].
    pub fn table_names(&self) -> Result<Vec<String>> {
        self.names(|key| is_tree(key) || is_ntuple(key))
    }

    fn names(&self, is_wanted: impl Fn(&KeyInfo) -> bool) -> Result<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut names: Vec<_> = self.keys()?.into_iter().filter(is_wanted).map(|key| key.path).collect();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// Reads the description of a tree: "dir/name", or "dir/name;cycle" for another than the highest cycle.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Malformed`] where its record cannot be read.
    pub fn tree(&self, name: &str) -> Result<Tree> {
        Tree::open(self, &self.find("tree", name, is_tree)?)
    }

    /// Reads the description of an ntuple, named as trees are.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Malformed`] where it cannot be read.
    pub fn ntuple(&self, name: &str) -> Result<Ntuple> {
        Ntuple::open(self, &self.find("ntuple", name, is_ntuple)?)
    }

    /// Reads the description of a tree or an ntuple, whichever has the name.
    ///
    /// # Errors
    /// As [`RootFile::tree`] and [`RootFile::ntuple`].
    pub fn table(&self, name: &str) -> Result<Table> {
        let key = self.find("tree or ntuple", name, |key| is_tree(key) || is_ntuple(key))?;
        match is_tree(&key) {
            true => Tree::open(self, &key).map(Table::Tree),
            false => Ntuple::open(self, &key).map(Table::Ntuple),
        }
    }

    /// The key of a name, "dir/name" or "dir/name;cycle".
    fn find(&self, kind: &str, name: &str, is_wanted: impl Fn(&KeyInfo) -> bool) -> Result<KeyInfo> {
        let (path, cycle) = match name.rsplit_once(';') {
            Some((path, cycle)) => (path, cycle.parse::<i16>().ok()),
            None => (name, None),
        };
        let mut found = BTreeMap::new();
        for key in self.keys()?.into_iter().filter(&is_wanted) {
            if key.path == path && cycle.is_none_or(|cycle| cycle == key.cycle) {
                found.insert(key.cycle, key);
            }
        }
        match found.pop_last() {
            Some((_, key)) => Ok(key),
            None => {
                let names = self.names(is_wanted)?.join(", ");
                let what =
                    format!("{kind} {name:?} (it has: {})", if names.is_empty() { "none" } else { &names });
                Err(Error::NotFound { file: Arc::clone(self.name()), what })
            }
        }
    }
}

fn is_tree(key: &KeyInfo) -> bool {
    matches!(key.class_name.as_str(), "TTree" | "TNtuple" | "TNtupleD")
}

fn is_ntuple(key: &KeyInfo) -> bool {
    key.class_name == "ROOT::RNTuple"
}

/// The object's bytes behind a key: as they are where the sizes agree, else decompressed.
pub(crate) fn payload<'a>(data: Cow<'a, [u8]>, key: &Key, place: &Place) -> Result<Cow<'a, [u8]>> {
    let data = match data {
        Cow::Borrowed(data) => data,
        Cow::Owned(data) => {
            return payload(Cow::Borrowed(&data), key, place).map(|data| Cow::Owned(data.into_owned()));
        }
    };
    let stored = body(data, key, place)?;
    if stored.len() == key.object_len {
        Ok(Cow::Borrowed(stored))
    } else {
        Ok(Cow::Owned(compress::decompress(stored, key.object_len, place)?))
    }
}

/// The bytes of a record that follow its key, as they are stored.
pub(crate) fn body<'a>(data: &'a [u8], key: &Key, place: &Place) -> Result<&'a [u8]> {
    data.get(key.key_len..key.bytes).ok_or_else(|| {
        let reason =
            format!("its key of {} of {} bytes does not fit the {} left", key.key_len, key.bytes, data.len());
        place.error(0, reason)
    })
}

impl Header {
    fn read(data: &[u8], place: &Place) -> Result<Self> {
        let mut cursor = Cursor::new(data, place);
        if cursor.take(4)? != b"root" {
            return Err(place.error(0, "a ROOT file starts with \"root\", this one does not"));
        }
        // Signed, as ROOT has it: versions below 0 are found in the wild, in files of positions of 32 bits.
        let (version, begin) = (cursor.i32()?, u64::from(cursor.u32()?));
        let big = version >= 1_000_000;
        cursor.take(if big { 16 } else { 8 })?; // the end, the list of free segments
        let _free = cursor.u64()?;
        let names = u64::from(cursor.u32()?);
        let _units = cursor.u8()?;
        let _compress = cursor.u32()?;
        let info = if big { cursor.u64()? } else { u64::from(cursor.u32()?) };
        let info_len = cursor.u32()? as usize;
        Ok(Self { version, begin, names, info, info_len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../tests/fixtures/codecs.root");

    fn keys_of(bytes: Vec<u8>) -> String {
        let keys = RootFile::from_bytes("test", bytes).and_then(|file| file.keys());
        keys.expect_err("this is broken").to_string()
    }

    #[test]
    fn directories_that_contain_each_other_are_an_error() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let header = &file.inner.header;
        let top = (header.begin + header.names) as usize;
        let inner = file.keys().expect("the fixture is right")[0].clone();
        let place = Place::new(file.name(), "test", 0);
        let key = Key::read(&mut Cursor::new(&FIXTURE[inner.seek as usize..], &place))
            .expect("the fixture is right");
        let inner = inner.seek as usize + key.key_len;
        // A directory is a version, two dates, two sizes and three positions of 32 bits; the last is its list of keys.
        let mut bytes = FIXTURE.to_vec();
        bytes.copy_within(top + 26..top + 30, inner + 26);
        let error = keys_of(bytes);
        assert!(error.contains("directory uncompressed") && error.contains("contain each other"), "{error}");
    }

    /// ROOT wrote directories as "TDirectory" once. Where it writes their list anew it calls them "TDirectoryFile", and leaves the length
    /// of the key that stands at the directory.
    #[test]
    fn keys_in_a_list_may_be_longer_than_they_say() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let place = Place::new(file.name(), "test", 0);
        let inner = file.keys().expect("the fixture is right")[0].seek as usize;
        let key = Key::read(&mut Cursor::new(&FIXTURE[inner..], &place)).expect("the fixture is right");
        let list = inner + key.key_len + 26;
        let list = u32::from_be_bytes([0, 1, 2, 3].map(|i| FIXTURE[list + i])) as usize;
        let key = Key::read(&mut Cursor::new(&FIXTURE[list..], &place)).expect("the fixture is right");
        let first = list + key.key_len + 4;
        let mut bytes = FIXTURE.to_vec();
        // The length follows the bytes, the version, the length of the object and the date.
        bytes[first + 15] -= 4;
        let changed = RootFile::from_bytes("test", bytes).expect("it opens");
        assert_eq!(changed.tree_names().ok(), file.tree_names().ok());
    }

    /// Files of CMS were found whose header has a version of -938200.
    #[test]
    fn a_version_below_zero_is_one_of_small_files() {
        let mut bytes = FIXTURE.to_vec();
        bytes[4..8].copy_from_slice(&(-938_200i32).to_be_bytes());
        let file = RootFile::from_bytes("test", bytes).expect("it opens");
        assert!(file.tree_names().is_ok_and(|names| !names.is_empty()));
    }

    #[test]
    fn a_list_of_keys_that_lies_about_its_length_is_an_error() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let top = (file.inner.header.begin + file.inner.header.names) as usize;
        let list = u32::from_be_bytes([26, 27, 28, 29].map(|i| FIXTURE[top + i])) as usize;
        let place = Place::new(file.name(), "test", 0);
        let key = Key::read(&mut Cursor::new(&FIXTURE[list..], &place)).expect("the fixture is right");
        let mut bytes = FIXTURE.to_vec();
        bytes[list + key.key_len] = 0x7F;
        let error = keys_of(bytes);
        let expected = format!("read the top directory of test at byte {list}+{}", key.key_len + 4);
        assert!(error.contains(&expected) && error.contains("does not fit"), "{error}");
    }
}
