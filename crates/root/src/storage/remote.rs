//! What is common to files on all kinds of servers: a cache for metadata, several requests at once, further attempts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rayon::prelude::*;

use super::plan::{Batch, plan};
use super::{BLOCK, Fault, RemoteOptions, Storage, retry};
use crate::error::{Error, Place, Result};

/// Blocks of metadata that are kept: 2 MiB of a file.
const KEPT: usize = 64;

/// Longer reads pass the cache by: it would hold little else.
const LARGEST_KEPT: u64 = KEPT as u64 / 2 * BLOCK;

/// A file on a server.
pub(crate) struct Remote {
    name: Arc<str>,
    host: String,
    storage: Box<dyn Storage>,
    options: RemoteOptions,
    seed: u64,
    blocks: Mutex<Blocks>,
    /// How many more requests may be made now, for all threads together.
    seats: Mutex<usize>,
    seat_is_free: Condvar,
}

/// A read of one kind, of several that are made together.
pub(crate) struct Wanted {
    pub(crate) seek: u64,
    pub(crate) len: usize,
    /// What is read, for errors.
    pub(crate) object: Arc<str>,
}

impl Wanted {
    /// Its bytes as a range, cut where the file ends.
    fn range(&self, size: u64) -> Range<u64> {
        let start = self.seek.min(size);
        start..start.saturating_add(self.len as u64).min(size)
    }
}

/// Blocks of the file's metadata by number, and when each was last of use.
#[derive(Default)]
struct Blocks {
    blocks: BTreeMap<u64, (Vec<u8>, u64)>,
    uses: u64,
}

impl Blocks {
    /// A range's bytes, if all its blocks are here.
    fn get(&mut self, range: &Range<u64>) -> Option<Vec<u8>> {
        if range.end - range.start > LARGEST_KEPT {
            return None;
        }
        self.uses += 1;
        let mut out = Vec::with_capacity((range.end - range.start) as usize);
        for number in range.start / BLOCK..range.end.div_ceil(BLOCK) {
            let (block, used) = self.blocks.get_mut(&number)?;
            *used = self.uses;
            let start = range.start.saturating_sub(number * BLOCK) as usize;
            let end = (range.end - number * BLOCK).min(BLOCK) as usize;
            out.extend_from_slice(block.get(start..end)?);
        }
        Some(out)
    }

    /// The numbers of the blocks that a range still needs: from the first to the last of them.
    fn missing(&self, range: &Range<u64>) -> Range<u64> {
        let (mut first, mut end) = (range.start / BLOCK, range.end.div_ceil(BLOCK));
        while first + 1 < end && self.blocks.contains_key(&first) {
            first += 1;
        }
        while first + 1 < end && self.blocks.contains_key(&(end - 1)) {
            end -= 1;
        }
        first..end
    }

    /// Keeps what was read from a block's start on. The first block stays; of the others the oldest make room.
    fn keep(&mut self, start: u64, bytes: &[u8]) {
        for (i, block) in bytes.chunks(BLOCK as usize).enumerate() {
            self.uses += 1;
            self.blocks.insert(start / BLOCK + i as u64, (block.to_vec(), self.uses));
        }
        while self.blocks.len() > KEPT {
            let others = self.blocks.iter().filter(|(number, _)| **number != 0);
            let Some(oldest) = others.min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number) else {
                break;
            };
            self.blocks.remove(&oldest);
        }
    }
}

/// A place among the requests that are made at once; given back when dropped.
struct Seat<'a>(&'a Remote);

impl<'a> Seat<'a> {
    fn take(remote: &'a Remote) -> Self {
        let mut free = lock(&remote.seats);
        while *free == 0 {
            free = remote.seat_is_free.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Self(remote)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        *lock(&self.0.seats) += 1;
        self.0.seat_is_free.notify_one();
    }
}

/// Nothing that these locks guard can be left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    /// `first` are the file's first bytes: a whole block, or the whole file.
    pub(super) fn new(
        name: &Arc<str>,
        host: &str,
        storage: Box<dyn Storage>,
        options: &RemoteOptions,
        first: &[u8],
    ) -> Self {
        let mut blocks = Blocks::default();
        blocks.keep(0, first);
        Self {
            name: Arc::clone(name),
            host: host.to_owned(),
            seats: Mutex::new(storage.limits().parallel.max(1)),
            storage,
            options: options.clone(),
            seed: retry::seed(name),
            blocks: Mutex::new(blocks),
            seat_is_free: Condvar::new(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.storage.len()
    }

    /// One request, with further attempts.
    fn request(&self, spans: &[Range<u64>], place: &Place) -> Result<Vec<Vec<u8>>> {
        let lens = || spans.iter().map(|span| span.end - span.start);
        let answer = retry::run(&self.options, self.seed, |attempt| {
            // A seat is not kept during the pauses.
            let _seat = Seat::take(self);
            let answer = self.storage.read(spans, attempt)?;
            if answer.iter().map(|bytes| bytes.len() as u64).eq(lens()) {
                Ok(answer)
            } else {
                Err(Fault::again("the answer has another length than was asked for"))
            }
        });
        answer.map_err(|failure| failure.at(place, &self.host))
    }

    fn one_range(&self, range: Range<u64>, place: &Place) -> Result<Vec<u8>> {
        self.request(std::slice::from_ref(&range), place).map(|mut answer| answer.swap_remove(0))
    }

    /// Reads metadata: small reads, one after the other, near each other. Fewer bytes than `len` where the file ends.
    pub(crate) fn read(&self, seek: u64, len: usize, place: &Place) -> Result<Vec<u8>> {
        let range = Wanted { seek, len, object: Arc::clone(&place.object) }.range(self.len());
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(bytes) = lock(&self.blocks).get(&range) {
            return Ok(bytes);
        }
        if range.end - range.start > LARGEST_KEPT {
            return self.one_range(range, place);
        }
        let size = self.len();
        let (missing, has_end) = {
            let blocks = lock(&self.blocks);
            (blocks.missing(&range), blocks.blocks.contains_key(&((size - 1) / BLOCK)))
        };
        let start = missing.start * BLOCK;
        let mut end = missing.end.saturating_mul(BLOCK).min(size);
        // The list of keys, the classes and often the trees stand together at the file's end.
        if size - end <= 2 * BLOCK && !has_end {
            end = size;
        }
        let bytes = self.one_range(start..end, place)?;
        let mut blocks = lock(&self.blocks);
        blocks.keep(start, &bytes);
        let found = blocks.get(&range);
        drop(blocks);
        match found {
            Some(bytes) => Ok(bytes),
            // Other threads read so much meanwhile that a block is gone again.
            None => self.one_range(range, place),
        }
    }

    /// Reads ranges in few requests, several at once, and hands the bytes of each to `each`, in parallel on rayon's pool.
    /// The results stand in the order of `wanted`.
    ///
    /// Memory is bounded: each of the requests that are made at once holds [`super::Limits::bytes`] or one range, and
    /// one more answer waits to be handed on. Of several errors the one that lies first in the file is returned.
    pub(crate) fn read_each<'a, T: Send>(
        &self,
        wanted: &[Wanted],
        each: impl Fn(usize, Cow<'a, [u8]>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let mut out: Vec<Option<T>> = wanted.iter().map(|_| None).collect();
        let mut missing = Vec::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let range = wanted.range(self.len());
            let known = if range.is_empty() { Some(Vec::new()) } else { lock(&self.blocks).get(&range) };
            match known {
                Some(bytes) => out[index] = Some(each(index, Cow::Owned(bytes))?),
                None => missing.push((index, range)),
            }
        }
        let batches = plan(&missing, &self.storage.limits());
        let fetching = Fetching {
            remote: self,
            wanted,
            batches: &batches,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        };
        let mut first: Option<(usize, Error)> = None;
        fetching.answers(|number, answer| {
            let batch = &batches[number];
            let values = answer.and_then(|spans| {
                let of = |item: &super::plan::Item| {
                    let bytes = spans[item.span][item.within.clone()].to_vec();
                    Ok((item.index, each(item.index, Cow::Owned(bytes))?))
                };
                batch.items.par_iter().map(of).collect::<Result<Vec<_>>>()
            });
            match values {
                Ok(values) => values.into_iter().for_each(|(index, value)| out[index] = Some(value)),
                Err(error) => {
                    // Requests are handed out in order: all before this one have been made and will be heard of.
                    fetching.stop.store(true, Ordering::Relaxed);
                    if first.as_ref().is_none_or(|(n, _)| number < *n) {
                        first = Some((number, error));
                    }
                }
            }
        });
        if let Some((_, error)) = first {
            return Err(error);
        }
        let all = out.into_iter().collect::<Option<Vec<_>>>();
        all.ok_or_else(|| Place::new(&self.name, "some ranges", 0).error(0, "an answer is missing"))
    }
}

/// Several requests that are being made.
struct Fetching<'a> {
    remote: &'a Remote,
    wanted: &'a [Wanted],
    batches: &'a [Batch],
    next: AtomicUsize,
    stop: AtomicBool,
}

type Answer = (usize, Result<Vec<Vec<u8>>>);

impl Fetching<'_> {
    /// Hands each answer on as it comes.
    fn answers(&self, mut answer: impl FnMut(usize, Result<Vec<Vec<u8>>>)) {
        let threads = self.remote.storage.limits().parallel.min(self.batches.len());
        if threads < 2 {
            while let Some((number, spans)) = self.one() {
                answer(number, spans);
            }
            return;
        }
        thread::scope(|scope| {
            let (send, receive) = sync_channel(1);
            for _ in 0..threads {
                let send = send.clone();
                // Threads of our own: they wait for the network, for which rayon's are too few. Where the system has
                // no more of them, those that there are do it all.
                let _ = thread::Builder::new().spawn_scoped(scope, move || self.work(&send));
            }
            drop(send);
            for (number, spans) in receive {
                answer(number, spans);
            }
        });
        while let Some((number, spans)) = self.one() {
            answer(number, spans);
        }
    }

    fn work(&self, send: &SyncSender<Answer>) {
        while let Some(answer) = self.one() {
            if send.send(answer).is_err() {
                break;
            }
        }
    }

    /// Makes the next request, if there is one.
    fn one(&self) -> Option<Answer> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let batch = self.batches.get(number)?;
        let first = &self.wanted[batch.items.first()?.index];
        let place = Place::new(&self.remote.name, Arc::clone(&first.object), first.seek);
        let answer = self.remote.request(&batch.spans, &place);
        if answer.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        Some((number, answer))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Limits;
    use super::*;

    /// Bytes that count up, and the requests that were made for them.
    struct Counting {
        len: u64,
        /// Requests that touch this byte fail.
        bad: Option<u64>,
        requests: Arc<Mutex<Vec<Vec<Range<u64>>>>>,
    }

    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    impl Storage for Counting {
        fn len(&self) -> u64 {
            self.len
        }

        fn limits(&self) -> Limits {
            Limits { gap: 100, bytes: 10_000, spans: 2, parallel: 3 }
        }

        fn read(&self, spans: &[Range<u64>], _attempt: u32) -> std::result::Result<Vec<Vec<u8>>, Fault> {
            lock(&self.requests).push(spans.to_vec());
            match self.bad {
                Some(bad) if spans.iter().any(|span| span.contains(&bad)) => Err(Fault::again("it is lost")),
                _ => Ok(spans.iter().map(|span| span.clone().map(byte).collect()).collect()),
            }
        }
    }

    type Requests = Arc<Mutex<Vec<Vec<Range<u64>>>>>;

    fn remote(len: u64, bad: Option<u64>) -> (Remote, Requests) {
        let requests = Arc::default();
        let storage = Counting { len, bad, requests: Arc::clone(&requests) };
        let options =
            RemoteOptions { attempts: 2, backoff: Duration::from_micros(1), ..RemoteOptions::default() };
        let first: Vec<_> = (0..len.min(BLOCK)).map(byte).collect();
        (Remote::new(&"test".into(), "host", Box::new(storage), &options, &first), requests)
    }

    fn wanted(ranges: &[(u64, usize)]) -> Vec<Wanted> {
        let object: Arc<str> = "a column".into();
        ranges.iter().map(|&(seek, len)| Wanted { seek, len, object: Arc::clone(&object) }).collect()
    }

    #[test]
    fn metadata_is_read_in_blocks_and_kept() {
        let (remote, requests) = remote(20 * BLOCK + 5, None);
        let place = Place::new(&"test".into(), "a key", 0);
        for (seek, len, expected) in [
            (0, 100, None),
            (BLOCK - 10, 10, None),
            (5 * BLOCK + 1, 10, Some(5 * BLOCK..6 * BLOCK)),
            (5 * BLOCK + 100, 500, None),
            (7 * BLOCK - 1, 2, Some(6 * BLOCK..8 * BLOCK)),
            (5 * BLOCK, 4 * BLOCK as usize, Some(8 * BLOCK..9 * BLOCK)),
            (3 * BLOCK, 3 * BLOCK as usize, Some(3 * BLOCK..5 * BLOCK)),
            (18 * BLOCK, 1, Some(18 * BLOCK..20 * BLOCK + 5)),
            (20 * BLOCK, 100, None),
            (20 * BLOCK + 5, 100, None),
            (0, 18 * BLOCK as usize, Some(BLOCK..18 * BLOCK)),
        ] {
            lock(&requests).clear();
            let bytes = remote.read(seek, len, &place).expect("it can be read");
            let end = (seek + len as u64).min(remote.len());
            assert_eq!(bytes, (seek..end).map(byte).collect::<Vec<_>>(), "{seek} {len}");
            let found: Vec<_> = lock(&requests).iter().flatten().cloned().collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{seek} {len}");
        }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_the_first_block() {
        let (remote, requests) = remote(300 * BLOCK, None);
        let place = Place::new(&"test".into(), "a key", 0);
        for block in 1..=100 {
            remote.read(block * BLOCK, 1, &place).expect("it can be read");
        }
        assert_eq!(lock(&remote.blocks).blocks.len(), KEPT);
        lock(&requests).clear();
        for (block, count) in [(0, 0), (100, 0), (1, 1)] {
            remote.read(block * BLOCK, 1, &place).expect("it can be read");
            assert_eq!(lock(&requests).len(), count, "block {block}");
        }
    }

    #[test]
    fn many_ranges_come_in_few_requests_and_in_order() {
        let (remote, requests) = remote(100 * BLOCK, None);
        let many: Vec<_> =
            (0..400u64).rev().map(|i| (2 * BLOCK + i * 997, 900)).chain([(5, 10), (0, 0)]).collect();
        let wanted = wanted(&many);
        let sums = remote.read_each(&wanted, |i, bytes| {
            assert_eq!(bytes.len(), many[i].1);
            Ok(bytes.iter().map(|&b| u64::from(b)).sum::<u64>())
        });
        let expected: Vec<u64> = many
            .iter()
            .map(|&(seek, len)| (seek..seek + len as u64).map(|at| u64::from(byte(at))).sum())
            .collect();
        assert_eq!(sums.expect("all can be read"), expected);
        // 400 ranges of 900 bytes, 97 bytes apart: ten of them make a request of 10,000 bytes.
        assert_eq!(lock(&requests).len(), 40);
    }

    #[test]
    fn the_first_error_of_the_file_is_returned() {
        let many: Vec<_> = (0..50u64).map(|i| (2 * BLOCK + i * 20_000, 9_000)).collect();
        for _ in 0..20 {
            let (remote, requests) = remote(100 * BLOCK, Some(2 * BLOCK + 10 * 20_000));
            let error = remote.read_each(&wanted(&many), |i, _| match i {
                12.. => Err(Place::new(&"test".into(), "a basket", many[i].0).error(0, "it is broken")),
                _ => Ok(()),
            });
            let error = error.expect_err("one range cannot be read").to_string();
            assert!(error.contains("it is lost") && error.contains("2 attempts"), "{error}");
            assert!(error.contains("a column of test at byte 265536"), "{error}");
            assert!(lock(&requests).len() < 30, "it goes on after an error");
        }
    }
}
