//! Loads elements of columns: finds their pages, fetches these at once, and decodes them in parallel.

use std::borrow::Cow;
use std::ops::Range;

use arrow_buffer::Buffer;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::Ntuple;
use super::columns::{self, ColumnKind, Target};
use super::pages::Page;
use crate::compress;
use crate::error::{Error, Place, Result};
use crate::pool::Block;
use crate::scratch::Scratch;

/// The most bytes of a column in memory for each byte of the file. Pages of equal content are stored once, so that
/// columns can be much larger than files; a column of one value has a page of 1 MiB for some twenty bytes of page list.
const MAX_RATIO: u64 = 16_384;
/// Columns may always have as many bytes as this.
const MIN_LIMIT: u64 = 64 << 20;

/// Elements of one cluster that are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) cluster: usize,
    /// Counted from the start of the cluster.
    pub(crate) range: Range<u64>,
    /// Elements in the cluster, where that is known beforehand.
    pub(crate) total: Option<u64>,
    /// Whether the range is all of the cluster.
    pub(crate) whole: bool,
}

impl Span {
    pub(crate) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// A column of which some elements are wanted, as native numbers in one buffer.
#[derive(PartialEq)]
pub(crate) struct Load<'n> {
    pub(crate) columns: &'n [u32],
    pub(crate) target: Target,
    pub(crate) spans: Vec<Span>,
}

impl Load<'_> {
    /// Of a span, the elements that are read. Where the first list starts is where the one before it ends.
    fn range(&self, span: &Span) -> Range<u64> {
        let before = u64::from(self.target == Target::Index);
        span.range.start.saturating_sub(before)..span.range.end
    }
}

/// A page of which some elements are wanted.
struct Part {
    page: Page,
    kind: ColumnKind,
    wanted: Range<usize>,
    target: Target,
}

impl Part {
    fn bytes(&self) -> usize {
        self.wanted.len() * self.target.width()
    }
}

/// The pages of one load, in order: with zeros where a column was added later.
enum Piece {
    Zeros(usize),
    Part(Part),
}

/// Loads several columns.
pub(crate) fn load(ntuple: &Ntuple, loads: &[Load<'_>]) -> Result<Vec<Buffer>> {
    let plans = loads.iter().map(|load| plan(ntuple, load)).collect::<Result<Vec<_>>>()?;
    let parts = || {
        plans.iter().flatten().filter_map(|piece| match piece {
            Piece::Part(part) => Some(part),
            Piece::Zeros(_) => None,
        })
    };
    let stored = fetch(ntuple, parts().map(|part| part.page))?;
    let mut buffers = Vec::with_capacity(loads.len());
    for (load, plan) in loads.iter().zip(&plans) {
        buffers.push(allocate(ntuple, load, plan)?);
    }
    // Every page gets the place in its column's buffer that is its own.
    let mut targets = Vec::with_capacity(stored.len());
    for (buffer, plan) in buffers.iter_mut().zip(&plans) {
        let mut rest = buffer.numbers::<u8>();
        for piece in plan {
            let bytes = match piece {
                Piece::Zeros(bytes) => *bytes,
                Piece::Part(part) => part.bytes(),
            };
            let (target, after) = rest.split_at_mut(bytes);
            rest = after;
            match piece {
                Piece::Zeros(_) => target.fill(0),
                Piece::Part(_) => targets.push(target),
            }
        }
    }
    let work: Vec<_> = parts().zip(stored).zip(targets).collect();
    work.into_par_iter().try_for_each(|((part, stored), target)| decode(ntuple, part, &stored, target))?;
    Ok(buffers.into_iter().map(Block::finish).collect())
}

/// Decompresses all pages of some columns in the clusters that overlap a range, and drops them: the bytes that they hold.
pub(crate) fn decompress(ntuple: &Ntuple, columns: &[u32], entries: &Range<u64>) -> Result<u64> {
    let mut pages = Vec::new();
    for cluster in &ntuple.clusters {
        if cluster.entries.start < entries.end && entries.start < cluster.entries.end {
            for &id in columns {
                let kind =
                    ColumnKind::of(&ntuple.schema.columns[id as usize]).map_err(|e| ntuple.broken(e))?;
                pages.extend(cluster.pages(id).0.iter().map(|page| (*page, kind.page_len(page.elements))));
            }
        }
    }
    let stored = fetch(ntuple, pages.iter().map(|(page, _)| *page))?;
    let bytes = |((page, len), stored): (&(Page, u64), Cow<'_, [u8]>)| {
        let stored = stored.get(..page.bytes as usize).unwrap_or_default();
        if page.bytes < *len {
            let len = usize::try_from(*len).unwrap_or(usize::MAX);
            compress::decompress_into(stored, len, &mut Scratch::take(), &page_place(ntuple, page))?;
        }
        Ok(*len)
    };
    pages.par_iter().zip(stored).map(bytes).sum()
}

/// The bytes of all pages that are wanted, checksums included: the one place that asks the file for them.
fn fetch<'a>(ntuple: &'a Ntuple, pages: impl Iterator<Item = Page>) -> Result<Vec<Cow<'a, [u8]>>> {
    let blobs: Vec<_> =
        pages.map(|page| (page.seek, page.bytes.saturating_add(if page.checksum { 8 } else { 0 }))).collect();
    ntuple.blobs.read_many(&blobs, &ntuple.page_label)
}

fn page_place(ntuple: &Ntuple, page: &Page) -> Place {
    Place::new(ntuple.blobs.file.name(), std::sync::Arc::clone(&ntuple.page_label), page.seek)
}

/// The pages that hold the wanted elements.
fn plan(ntuple: &Ntuple, load: &Load<'_>) -> Result<Vec<Piece>> {
    let mut out = Vec::new();
    let width = load.target.width();
    for span in &load.spans {
        let range = load.range(span);
        let cluster = &ntuple.clusters[span.cluster];
        let id = primary(ntuple, load.columns, span.cluster)?;
        let column = &ntuple.schema.columns[id as usize];
        let field = &ntuple.schema.fields[column.field as usize].name;
        let error = |reason: String| {
            ntuple.broken(format!("column {id} of field {field:?} in cluster {}: {reason}", span.cluster))
        };
        let kind = ColumnKind::of(column).map_err(error)?;
        let (pages, stored) = cluster.pages(id);
        let zeros = match span.total {
            Some(total) if cluster.may_start_late(id, column) => total.saturating_sub(stored),
            _ => 0,
        };
        let elements = zeros + stored;
        if range.end > elements || span.total.is_some_and(|total| total != elements) {
            let needed = span.total.unwrap_or(range.end);
            return Err(error(format!("its pages hold {elements} elements instead of {needed}")));
        }
        // The file is smaller than 2^63 bytes, and so are the numbers of elements that pass what follows.
        let late = range.start.min(zeros)..range.end.min(zeros);
        if !late.is_empty() {
            let bytes =
                (late.end - late.start).checked_mul(width as u64).and_then(|n| usize::try_from(n).ok());
            out.push(Piece::Zeros(bytes.ok_or_else(|| error(format!("{elements} elements are too many")))?));
        }
        let mut start = zeros;
        for page in pages {
            let end = start + u64::from(page.elements);
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let wanted = (from - start) as usize..(to - start) as usize;
                out.push(Piece::Part(Part { page: *page, kind, wanted, target: load.target }));
            }
            start = end;
        }
    }
    Ok(out)
}

/// The column that holds a field's values in a cluster: of several representations the one that is not suppressed.
pub(crate) fn primary(ntuple: &Ntuple, columns: &[u32], cluster: usize) -> Result<u32> {
    let columns_there = &ntuple.clusters[cluster];
    let is_there = |id: &&u32| !columns_there.is_suppressed(**id, &ntuple.schema.columns[**id as usize]);
    match columns.iter().find(is_there) {
        Some(&id) => Ok(id),
        None => Err(ntuple.broken(format!("cluster {cluster} suppresses all of the columns {columns:?}"))),
    }
}

/// Memory for a load, if that much can be there.
fn allocate(ntuple: &Ntuple, load: &Load<'_>, plan: &[Piece]) -> Result<Block> {
    let bytes = plan.iter().try_fold(0usize, |sum, piece| {
        sum.checked_add(match piece {
            Piece::Zeros(bytes) => *bytes,
            Piece::Part(part) => part.bytes(),
        })
    });
    let limit = ntuple.blobs.file.len().saturating_mul(MAX_RATIO).max(MIN_LIMIT);
    let refuse = |what: &str| Err(ntuple.broken(format!("the columns {:?} {what}", load.columns)));
    let Some(bytes) = bytes.filter(|&bytes| bytes as u64 <= limit) else {
        return refuse("claim more bytes than such a file can hold: read fewer entries at once");
    };
    // Arrow's buffers end the process where there is no memory; a vector lets us ask. Unseen, it would be optimised away.
    let mut probe = Vec::<u8>::new();
    let there_is_memory = probe.try_reserve_exact(bytes).is_ok();
    drop(std::hint::black_box(probe));
    if !there_is_memory {
        return refuse(&format!(
            "take {bytes} bytes, for which there is no memory: read fewer entries at once"
        ));
    }
    Ok(ntuple.blobs.file.pool().take::<u8>(bytes))
}

fn decode(ntuple: &Ntuple, part: &Part, stored: &[u8], out: &mut [u8]) -> Result<()> {
    let page = &part.page;
    let place = || page_place(ntuple, page);
    let stored = match (page.checksum, stored.split_last_chunk::<8>()) {
        (false, _) => stored,
        (true, Some((stored, sum))) if u64::from_le_bytes(*sum) == xxh3_64(stored) => stored,
        (true, _) => return Err(place().error(0, "a page's checksum is wrong")),
    };
    let len = part.kind.page_len(page.elements);
    let (elements, skip) = (page.elements as usize, part.wanted.start);
    let describe = |reason: String| -> Error { place().error(0, reason) };
    if page.bytes == len {
        return columns::decode(&part.kind, part.target, stored, elements, skip, out).map_err(describe);
    }
    if page.bytes > len {
        return Err(describe(format!(
            "a page of {elements} elements in {len} bytes is stored in {}",
            page.bytes
        )));
    }
    if part.kind.is_native(part.target) && part.wanted.len() == elements {
        return compress::decompress_to(stored, out, &place());
    }
    let len = usize::try_from(len).map_err(|_| describe(format!("a page of {len} bytes is too large")))?;
    let mut scratch = Scratch::take();
    compress::decompress_into(stored, len, &mut scratch, &place())?;
    columns::decode(&part.kind, part.target, &scratch[..len], elements, skip, out).map_err(describe)
}
