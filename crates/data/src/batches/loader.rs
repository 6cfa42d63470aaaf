//! Batches of a dataset or of files, epoch after epoch, in bounded memory.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_select::concat::concat_batches;
use rayon::prelude::*;

use super::fill::{Balance, Loaded, Spare, fill_into};
use super::gather::gather;
use super::memory::Memory;
use super::plan::Plan;
use super::{Labels, Sampler, Standardisation, Tensors, shuffled};
use crate::dataset::{Dataset, ROW_ID};
use crate::source::{Error, Source};
use crate::view::View;

/// How batches are made.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// Rows in a batch.
    pub batch_size: usize,
    /// The seed of the order; none keeps the order of the files.
    pub shuffle: Option<u64>,
    /// Rows that are held and shuffled together. Where all fit, the order is a shuffle of all of them; else pieces of the files
    /// are drawn in any order, and the rows of as many as make up a window are shuffled.
    pub window: usize,
    /// Which of how many equal shares this process takes: `(rank, processes)`.
    pub share: (usize, usize),
    /// Whether rows that fill no batch are left out, in each epoch others.
    pub drop_last: bool,
    /// Whether labels and weights are computed.
    pub labels: Labels,
    /// Bytes of columns that are kept in memory once they were read, so that later epochs need not read and unpack them again:
    /// pieces of the files, as long as they fit. 2 GiB, or less where a limit of memory leaves less.
    pub keep: u64,
    /// Bytes that all of it may take: the windows, the batches that are made ahead, and what is kept. None: no limit but the sizes
    /// above. The batches do not depend on it.
    pub memory_limit: Option<u64>,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            batch_size: 512,
            shuffle: Some(0),
            window: 1 << 18,
            share: (0, 1),
            drop_last: false,
            labels: Labels::Required,
            keep: 2 << 30,
            memory_limit: None,
        }
    }
}

/// Makes batches. Cloning shares everything.
///
/// The same settings, seed and epoch give the same batches at any number of threads, from any batch on: a run that was broken off
/// goes on with [`Loader::epoch`] from the batch at which it stopped.
#[derive(Clone)]
pub struct Loader(Arc<Inner>);

struct Inner {
    view: View,
    standardisation: Standardisation,
    options: LoaderOptions,
    sources: Vec<Arc<dyn Source>>,
    pieces: Vec<Piece>,
    /// Of a dataset, whose rows have numbers of their own.
    has_row_ids: bool,
    /// Measured on the whole split, where classes are balanced.
    balance: Option<Balance>,
    /// Draws rows of the whole split.
    sampler: Option<Sampler>,
    memory: Memory,
    kept: Mutex<Kept>,
    spare: Spare,
}

/// What is in memory for later epochs.
#[derive(Default)]
struct Kept {
    /// The columns of pieces, by the number of their first row.
    pieces: HashMap<u64, RecordBatch>,
    bytes: u64,
    /// All rows, where one window holds them.
    whole: Option<Arc<Window>>,
}

/// Rows of a source that are read together.
#[derive(Debug, Clone)]
struct Piece {
    source: usize,
    rows: Range<u64>,
    /// The number of its first row among all.
    first: u64,
}

impl Piece {
    fn len(&self) -> u64 {
        self.rows.end - self.rows.start
    }
}

impl Loader {
    /// Batches of a split of a dataset.
    ///
    /// # Errors
    /// When the split or a column is missing, when settings make no sense, when windows and batches take more than the limit of
    /// memory as far as the files tell without being read (else an epoch's first batch is this error), and when the view draws rows by
    /// weights or buckets but the split does not fit into the window.
    pub fn new(
        view: &View,
        standardisation: &Standardisation,
        dataset: &Dataset,
        split: &str,
        options: LoaderOptions,
    ) -> Result<Self, Error> {
        let mut pieces = Vec::new();
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        let mut first = 0;
        for chunk in dataset.chunks(split)? {
            let (source, rows) = chunk.into_parts();
            if sources.last().is_none_or(|last| last.path() != source.path()) {
                sources.push(source);
            }
            first += rows.end - rows.start;
            pieces.push(Piece { source: sources.len() - 1, first: first - (rows.end - rows.start), rows });
        }
        let mut balance = None;
        if options.labels == Labels::Required && view.weights().class_balance {
            let plan = Plan::truth(view)?;
            let truth = super::fill_split(&plan.without_balance(), dataset, split)?;
            balance = Some(Balance::measure(view, &truth.labels, &truth.weights)?);
        }
        let sampler = match view.sampling().is_some() || view.bucketing().is_some() {
            true => Some(Sampler::new(view, dataset, split)?),
            false => None,
        };
        Self::checked(view, standardisation, sources, pieces, options, (true, balance, sampler))
    }

    /// Batches of files as they are: no row is selected, and rows are numbered through all of them.
    ///
    /// # Errors
    /// As [`Loader::new`]; and where the view balances classes or draws rows, which takes a dataset.
    pub fn of_sources(
        view: &View,
        standardisation: &Standardisation,
        sources: Vec<Box<dyn Source>>,
        options: LoaderOptions,
    ) -> Result<Self, Error> {
        if view.weights().class_balance || view.sampling().is_some() || view.bucketing().is_some() {
            let reason = "the view balances classes or draws rows by weights or buckets: prepare a dataset";
            return Err(Error::settings("make batches of files", reason));
        }
        let mut pieces = Vec::new();
        let mut first = 0;
        for (index, source) in sources.iter().enumerate() {
            for rows in source.partitions() {
                pieces.push(Piece { source: index, first, rows: rows.clone() });
                first += rows.end - rows.start;
            }
        }
        let sources = sources.into_iter().map(Arc::from).collect();
        Self::checked(view, standardisation, sources, pieces, options, (false, None, None))
    }

    fn checked(
        view: &View,
        standardisation: &Standardisation,
        sources: Vec<Arc<dyn Source>>,
        pieces: Vec<Piece>,
        options: LoaderOptions,
        (has_row_ids, balance, sampler): (bool, Option<Balance>, Option<Sampler>),
    ) -> Result<Self, Error> {
        let refuse = |reason: &str| Err(Error::settings("make batches", reason));
        if options.batch_size == 0 || options.window == 0 {
            return refuse("a batch and a window hold one row at least");
        }
        if options.share.0 >= options.share.1 {
            return refuse("a share is one of several: its number is below theirs");
        }
        let rows: u64 = pieces.iter().map(Piece::len).sum();
        if sampler.is_some() && (rows > options.window as u64 || options.share.1 > 1) {
            return refuse(
                "the view draws rows by weights or buckets, which takes all rows of the split in one window, in one process",
            );
        }
        // What the view lacks is found now, not in the first batch.
        let columns = Plan::new(view, standardisation, options.labels)?.columns;
        let share = rows.div_ceil(options.share.1 as u64);
        let memory =
            Memory::new(view, &options, share, rows <= options.window as u64 && options.share.1 == 1);
        memory.keep(known_bytes(&sources, &pieces, &columns) / rows.max(1) as f64)?;
        let (view, standardisation) = (view.clone(), standardisation.clone());
        let (kept, spare) = (Mutex::default(), Spare::default());
        let inner = Inner {
            view,
            standardisation,
            options,
            sources,
            pieces,
            has_row_ids,
            balance,
            sampler,
            memory,
            kept,
            spare,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// How many batches an epoch has: the same in every process.
    pub fn batches(&self, epoch: u64) -> u64 {
        let Inner { options, .. } = &*self.0;
        let size = options.batch_size as u64;
        let shares = options.share.1;
        let rows_of = |rank| self.0.share(epoch, rank).iter().map(Piece::len).sum::<u64>();
        // Shares differ by a piece; all stop where the smallest ends.
        let rows = (0..shares).map(rows_of).min().unwrap_or(0);
        if options.drop_last || shares > 1 { rows / size } else { rows.div_ceil(size) }
    }

    /// Takes the memory of a batch that is done with, for the next ones: fresh memory has to be mapped page by page.
    pub fn recycle(&self, batch: Tensors) {
        self.0.spare.give(batch.groups.into_iter().map(|group| group.data));
    }

    /// The batches of an epoch, from one of them on. They are made ahead, on rayon's threads, while the caller works.
    pub fn epoch(&self, epoch: u64, first_batch: u64) -> Epoch {
        let (sender, receiver) = sync_channel(ahead());
        let loader = Self(Arc::clone(&self.0));
        let thread = std::thread::Builder::new().name("batches".to_owned());
        let started = thread.spawn(move || {
            let mut work = Work::new(&loader.0, epoch, first_batch, loader.batches(epoch));
            // A receiver that is gone wants no more.
            while let Some(batches) = work.next() {
                for batch in batches {
                    let stop = batch.is_err();
                    if sender.send(batch).is_err() || stop {
                        return;
                    }
                }
            }
        });
        let failed = started.err().map(|error| Error::settings("start a thread", error.to_string()));
        Epoch { receiver, failed }
    }
}

/// Batches that are made side by side; as many may wait for the caller. No more than threads: tensors of many are written to memory
/// and read again, where those of few stay in the processor's cache.
pub(super) fn ahead() -> usize {
    rayon::current_num_threads()
}

/// The batches of an epoch; each is [`Tensors`] of `batch_size` rows, and the last one may be of fewer.
pub struct Epoch {
    receiver: Receiver<Result<Tensors, Error>>,
    failed: Option<Error>,
}

impl Iterator for Epoch {
    type Item = Result<Tensors, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        self.receiver.recv().ok()
    }
}

/// An epoch that is being made.
struct Work<'a> {
    inner: &'a Inner,
    epoch: u64,
    /// The pieces of each window that is still to come, and its number.
    windows: VecDeque<(u64, Vec<Piece>)>,
    /// Rows of the next windows that come before the first batch.
    skip: u64,
    /// Rows that are read and belong to the next batches, in order: windows, of which the first may be used in part.
    rows: VecDeque<Rows>,
    /// Batches that are left.
    batches: u64,
}

/// Rows of some pieces in the order of the files.
struct Window {
    /// The columns of each piece, one at least. They stay apart: rows are moved once, when they are put in order.
    parts: Vec<RecordBatch>,
    /// For each piece how many rows come before it.
    starts: Vec<usize>,
    row_ids: Vec<u64>,
    path: PathBuf,
}

/// Rows of a window in the order in which they are used. They are put in order batch by batch: that is done on all threads, and
/// what was moved is still in the cache when it is used.
struct Rows {
    window: Arc<Window>,
    /// None for the order of the files.
    order: Option<Vec<u32>>,
    /// How many are used up.
    used: usize,
}

impl Rows {
    fn len(&self) -> usize {
        self.order.as_ref().map_or(self.window.row_ids.len(), Vec::len) - self.used
    }

    /// Adds some of the rows that are left.
    fn add(
        &self,
        range: Range<usize>,
        batches: &mut Vec<RecordBatch>,
        row_ids: &mut Vec<u64>,
    ) -> Result<(), Error> {
        let range = range.start + self.used..range.end + self.used;
        let Some(order) = &self.order else {
            batches.extend(self.window.slices(&range));
            row_ids.extend(&self.window.row_ids[range]);
            return Ok(());
        };
        let order = &order[range];
        row_ids.extend(order.iter().map(|row| self.window.row_ids[*row as usize]));
        batches.push(self.window.gather(order)?);
        Ok(())
    }
}

impl Window {
    /// Rows in the order of the files.
    fn slices(&self, range: &Range<usize>) -> impl Iterator<Item = RecordBatch> {
        self.parts.iter().zip(&self.starts).filter_map(|(part, start)| {
            let (from, to) = (range.start.max(*start), range.end.min(start + part.num_rows()));
            (from < to).then(|| part.slice(from - start, to - from))
        })
    }

    /// Rows by their numbers.
    fn gather(&self, rows: &[u32]) -> Result<RecordBatch, Error> {
        let places = rows.iter().map(|row| {
            let row = *row as usize;
            // The first one starts at 0; of empty ones at one place the last counts, which holds the row.
            let part = self.starts.partition_point(|start| *start <= row) - 1;
            (part, row - self.starts[part])
        });
        let places: Vec<(usize, usize)> = places.collect();
        let gathered = gather(self.parts[0].schema_ref(), &self.parts, &places);
        gathered.map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

impl<'a> Work<'a> {
    fn new(inner: &'a Inner, epoch: u64, first_batch: u64, batches: u64) -> Self {
        let mut windows = VecDeque::from(inner.windows(epoch));
        let mut skip = first_batch.saturating_mul(inner.options.batch_size as u64);
        while let Some((_, pieces)) = windows.front() {
            let rows: u64 = pieces.iter().map(Piece::len).sum();
            if rows > skip {
                break;
            }
            skip -= rows;
            windows.pop_front();
        }
        let rows = VecDeque::new();
        Self { inner, epoch, windows, skip, rows, batches: batches.saturating_sub(first_batch) }
    }

    /// Some of the next batches, as many as there are threads.
    fn next(&mut self) -> Option<Vec<Result<Tensors, Error>>> {
        if self.batches == 0 {
            return None;
        }
        let size = self.inner.options.batch_size;
        let wanted = usize::try_from(self.batches).unwrap_or(usize::MAX).min(ahead());
        while self.held() < wanted * size {
            let Some((number, pieces)) = self.windows.pop_front() else { break };
            if let Err(error) = self.read(number, &pieces) {
                self.batches = 0;
                return Some(vec![Err(error)]);
            }
        }
        let held = self.held();
        let count = wanted.min(held.div_ceil(size));
        let batches = (0..count).into_par_iter().map(|i| self.batch(i * size..held.min((i + 1) * size)));
        let batches: Vec<_> = batches.collect();
        self.batches -= count as u64;
        self.use_up(held.min(count * size));
        (count > 0).then_some(batches)
    }

    fn held(&self) -> usize {
        self.rows.iter().map(Rows::len).sum()
    }

    fn use_up(&mut self, mut count: usize) {
        while let Some(first) = self.rows.front_mut() {
            let used = count.min(first.len());
            first.used += used;
            count -= used;
            if first.len() > 0 {
                break;
            }
            self.rows.pop_front();
        }
    }

    /// Reads a window, decides on the order of its rows, and adds them to those that are held.
    fn read(&mut self, number: u64, pieces: &[Piece]) -> Result<(), Error> {
        let mut more = self.inner.rows(self.epoch, number, pieces)?;
        more.used = usize::try_from(self.skip).unwrap_or(usize::MAX).min(more.len());
        self.skip = 0;
        self.rows.push_back(more);
        Ok(())
    }

    fn batch(&self, range: Range<usize>) -> Result<Tensors, Error> {
        let Inner { view, standardisation, options, balance, spare, .. } = self.inner;
        let plan = Plan::new(view, standardisation, options.labels)?.without_balance();
        let (batch, row_ids, path) = self.gather(range)?;
        let size = row_ids.len();
        let loaded = Mutex::new(Some(Loaded { batch, row_ids, path }));
        let mut tensors = fill_into(&plan, &[size], spare, |_| {
            let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.take().ok_or_else(|| Error::settings("make batches", "rows were asked for twice"))
        })?;
        if let Some(balance) = balance {
            balance.apply(&tensors.labels, &mut tensors.weights);
        }
        Ok(tensors)
    }

    /// Rows that are held, out of one window or the end of one and the beginning of the next.
    fn gather(&self, range: Range<usize>) -> Result<(RecordBatch, Vec<u64>, &Path), Error> {
        let (mut parts, mut row_ids, mut start) = (Vec::new(), Vec::new(), 0);
        let mut path = Path::new("");
        for rows in &self.rows {
            let end = start + rows.len();
            let wanted = range.start.max(start)..range.end.min(end);
            if !wanted.is_empty() {
                rows.add(wanted.start - start..wanted.end - start, &mut parts, &mut row_ids)?;
                path = &rows.window.path;
            }
            start = end;
        }
        let batch = match parts.as_slice() {
            [only] => only.clone(),
            several => {
                let schema = several.first().map(RecordBatch::schema);
                let schema = schema.ok_or_else(|| Error::settings("make batches", "a batch has no rows"))?;
                concat_batches(&schema, several).map_err(|error| Error::malformed(path, error.to_string()))?
            }
        };
        Ok((batch, row_ids, path))
    }
}

impl Inner {
    /// The pieces that one of the processes takes in an epoch, in the order in which they are drawn.
    fn share(&self, epoch: u64, rank: usize) -> Vec<Piece> {
        let count = self.pieces.len() as u32;
        let order = match self.options.shuffle {
            Some(seed) => shuffled(count, seed ^ PIECES, epoch),
            None => (0..count).collect(),
        };
        let own = order.into_iter().skip(rank).step_by(self.options.share.1);
        own.map(|place| self.pieces[place as usize].clone()).collect()
    }

    /// The windows of an epoch, each with its number and its pieces.
    fn windows(&self, epoch: u64) -> Vec<(u64, Vec<Piece>)> {
        let mut windows: Vec<(u64, Vec<Piece>)> = Vec::new();
        let mut rows = 0;
        for piece in self.share(epoch, self.options.share.0) {
            if windows.is_empty() || rows + piece.len() > self.options.window as u64 {
                windows.push((windows.len() as u64, Vec::new()));
                rows = 0;
            }
            rows += piece.len();
            if let Some((_, pieces)) = windows.last_mut() {
                pieces.push(piece);
            }
        }
        windows
    }

    /// The rows of a window in their order.
    fn rows(&self, epoch: u64, number: u64, pieces: &[Piece]) -> Result<Rows, Error> {
        let window = self.window(pieces)?;
        let rows = window.row_ids.len() as u32;
        let order = match (&self.sampler, self.options.shuffle) {
            (Some(sampler), Some(seed)) => Some(sampler.order(self.options.batch_size, seed, epoch)),
            (_, Some(seed)) => Some(shuffled(rows, seed.wrapping_add(number), epoch)),
            (_, None) => None,
        };
        Ok(Rows { window, order, used: 0 })
    }

    /// The rows of some pieces, in the order of the files.
    fn window(&self, pieces: &[Piece]) -> Result<Arc<Window>, Error> {
        let is_whole = pieces.len() == self.pieces.len();
        if is_whole && let Some(whole) = &self.kept().whole {
            return Ok(Arc::clone(whole));
        }
        let mut columns = Plan::new(&self.view, &self.standardisation, self.options.labels)?.columns;
        if self.has_row_ids {
            columns.insert(ROW_ID.to_owned());
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        // In the order of the files, so that the order of a shuffle of all rows does not depend on how they are cut.
        let mut pieces = pieces.to_vec();
        pieces.sort_unstable_by_key(|piece| piece.first);
        let read = |piece: &Piece| self.read(piece, &columns, is_whole);
        let parts: Vec<RecordBatch> = pieces.par_iter().map(read).collect::<Result<_, _>>()?;
        let path = pieces.first().map_or(Path::new(""), |piece| self.sources[piece.source].path()).to_owned();
        if parts.is_empty() {
            return Err(Error::settings("make batches", "a window has no rows"));
        }
        let (mut starts, mut row_ids) = (Vec::with_capacity(parts.len()), Vec::new());
        for (piece, part) in pieces.iter().zip(&parts) {
            starts.push(row_ids.len());
            row_ids.extend(self.row_ids(piece, part)?);
        }
        let bytes: usize = parts.iter().map(RecordBatch::get_array_memory_size).sum();
        let keep = self.memory.keep(bytes as f64 / row_ids.len().max(1) as f64)?;
        let window = Arc::new(Window { parts, starts, row_ids, path });
        if is_whole && bytes as u64 <= keep {
            self.kept().whole = Some(Arc::clone(&window));
        }
        Ok(window)
    }

    /// The numbers of the rows of a piece: those that its dataset gave them, else they are counted through all files.
    fn row_ids(&self, piece: &Piece, part: &RecordBatch) -> Result<Vec<u64>, Error> {
        let path = self.sources[piece.source].path();
        if part.num_rows() as u64 != piece.len() {
            return Err(Error::malformed(path, "its number of rows changed while it was read"));
        }
        match part.column_by_name(ROW_ID).filter(|_| self.has_row_ids) {
            Some(ids) => {
                let ids = ids.as_primitive_opt::<UInt64Type>();
                Ok(ids.ok_or_else(|| Error::column(path, ROW_ID, "it must be uint64"))?.values().to_vec())
            }
            None => Ok((piece.first..piece.first + piece.len()).collect()),
        }
    }

    /// The columns of a piece, which are kept where there is room, unless the whole window is to be.
    fn read(&self, piece: &Piece, columns: &[&str], is_whole: bool) -> Result<RecordBatch, Error> {
        if let Some(known) = self.kept().pieces.get(&piece.first) {
            return Ok(known.clone());
        }
        let batch = self.sources[piece.source].read(columns, piece.rows.clone())?;
        let bytes = batch.get_array_memory_size() as u64;
        // A window that is too large is an error once all of it was read.
        let keep = self.memory.keep(bytes as f64 / piece.len().max(1) as f64).unwrap_or(0);
        let mut kept = self.kept();
        if !is_whole && kept.bytes + bytes <= keep {
            kept.bytes += bytes;
            kept.pieces.insert(piece.first, batch.clone());
        }
        Ok(batch)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the columns of all pieces take, as far as the files tell.
fn known_bytes(sources: &[Arc<dyn Source>], pieces: &[Piece], columns: &BTreeSet<String>) -> f64 {
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let known = pieces.iter().map(|piece| sources[piece.source].decoded_bytes(&columns, &piece.rows));
    known.map(|bytes| bytes.unwrap_or(0) as f64).sum()
}

/// Sets the order of pieces apart from that of rows.
const PIECES: u64 = 0x5069_6563_6573;
