//! The rows of one HDF5 dataset.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use hdf5_reader::chunk_index::{
    ChunkEntry, collect_implicit_chunk_entries, collect_v2_chunk_entries_storage, single_chunk_entry,
};
use hdf5_reader::extensible_array::collect_extensible_array_chunk_entries_storage;
use hdf5_reader::fixed_array::collect_fixed_array_chunk_entries_storage;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::filter_pipeline::FilterDescription;
use hdf5_reader::messages::layout::{ChunkIndexing, DataLayout};
use hdf5_reader::{Hdf5File, btree_v1};
use rayon::prelude::*;

use super::filters;
use crate::source::bytes::Bytes;

/// The largest chunk that is unpacked.
const LARGEST_CHUNK: u64 = 1 << 28;
/// The most bytes of rows that are put together from chunks at once.
const LARGEST_READ: usize = 1 << 32;

/// A dataset whose first axis is the rows.
pub(crate) struct Dataset {
    file: Arc<Hdf5File>,
    bytes: Bytes,
    /// Where the addresses in the file count from.
    base: u64,
    shape: Vec<u64>,
    max_shape: Option<Vec<u64>>,
    element_bytes: usize,
    row_bytes: usize,
    layout: Layout,
    filters: Vec<FilterDescription>,
    /// What an element holds that was never written; zeros where empty.
    fill: Vec<u8>,
}

enum Layout {
    Compact(Vec<u8>),
    /// Where it begins in the file; none where nothing was ever written.
    Contiguous(Option<usize>),
    Chunked(Chunks),
}

struct Chunks {
    address: u64,
    dims: Vec<u32>,
    indexing: Option<ChunkIndexing>,
    bytes: usize,
    /// By the first row of the chunk; read when first needed.
    index: OnceLock<Result<BTreeMap<u64, Vec<ChunkEntry>>, String>>,
}

impl Dataset {
    /// Looks at a dataset's header. The reason why its rows cannot be read is the error.
    pub(super) fn new(
        file: &Arc<Hdf5File>,
        bytes: &Bytes,
        base: u64,
        found: &hdf5_reader::Dataset,
    ) -> Result<Self, String> {
        let text = |error: hdf5_reader::error::Error| error.to_string();
        let header = file.get_or_parse_header(found.address()).map_err(text)?;
        let (mut layout, mut filters) = (None, Vec::new());
        for message in &header.messages {
            match message {
                HdfMessage::DataLayout(message) => layout = Some(message.layout.clone()),
                HdfMessage::FilterPipeline(message) => filters.clone_from(&message.filters),
                HdfMessage::ExternalFiles(_) => return Err("its values are in other files".to_owned()),
                _ => {}
            }
        }
        let shape = found.shape().to_vec();
        let element_bytes = found.raw_element_size().map_err(text)?;
        let row_bytes = shape.iter().skip(1).try_fold(element_bytes as u64, |all, dim| all.checked_mul(*dim));
        let row_bytes = row_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let row_bytes = row_bytes.filter(|bytes| *bytes <= LARGEST_READ).ok_or("its rows are too long")?;
        let rows = shape.first().copied().ok_or("it has no rows")?;
        let total = rows.checked_mul(row_bytes as u64).ok_or("it claims to be larger than any file")?;
        let layout = match layout.ok_or("it has no layout that can be read")? {
            DataLayout::Compact { data } if data.len() as u64 >= total => Layout::Compact(data),
            DataLayout::Compact { .. } => return Err("its values end too early".to_owned()),
            DataLayout::Contiguous { address, .. } if is_undefined(address) => {
                if total > LARGEST_CHUNK {
                    return Err("it claims many rows that were never written".to_owned());
                }
                Layout::Contiguous(None)
            }
            DataLayout::Contiguous { address, .. } => {
                let start = address.checked_add(base).ok_or("its address is beyond the file")?;
                if start.checked_add(total).is_none_or(|end| end > bytes.len() as u64) {
                    return Err(format!("its {total} bytes at {start} go beyond the end of the file"));
                }
                Layout::Contiguous(Some(usize::try_from(start).map_err(|_| "its address is too large")?))
            }
            DataLayout::Chunked { address, mut dims, chunk_indexing, .. } => {
                dims.truncate(shape.len());
                let size =
                    dims.iter().try_fold(element_bytes as u64, |all, dim| all.checked_mul(u64::from(*dim)));
                let size =
                    size.filter(|size| (1..=LARGEST_CHUNK).contains(size) && dims.len() == shape.len());
                let size = size.ok_or_else(|| format!("chunks of {dims:?} elements cannot be read"))?;
                let index = OnceLock::new();
                Layout::Chunked(Chunks {
                    address,
                    dims,
                    indexing: chunk_indexing,
                    bytes: size as usize,
                    index,
                })
            }
        };
        let fill = found.fill_value().and_then(|fill| fill.value.clone()).unwrap_or_default();
        let fill = if fill.len() == element_bytes { fill } else { Vec::new() };
        let max_shape = found.max_dims().map(<[u64]>::to_vec);
        let (file, bytes) = (file.clone(), bytes.clone());
        Ok(Self { file, bytes, base, shape, max_shape, element_bytes, row_bytes, layout, filters, fill })
    }

    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Rows of a chunk; 1 where there are no chunks.
    pub(crate) fn chunk_rows(&self) -> u64 {
        match &self.layout {
            Layout::Chunked(chunks) => chunks.dims.first().map_or(1, |rows| u64::from(*rows)),
            _ => 1,
        }
    }

    /// Bytes that hold some rows one after another, and where the first begins.
    pub(crate) fn rows(&self, rows: &Range<u64>) -> Result<(Cow<'_, [u8]>, usize), String> {
        let at = |row: u64| usize::try_from(row).ok().and_then(|row| row.checked_mul(self.row_bytes));
        let start = at(rows.start).ok_or("a row is too far away")?;
        match &self.layout {
            Layout::Compact(data) => Ok((Cow::Borrowed(data), start)),
            Layout::Contiguous(Some(first)) => Ok((Cow::Borrowed(&self.bytes), first + start)),
            Layout::Contiguous(None) => Ok((Cow::Owned(self.filled(rows)?), 0)),
            Layout::Chunked(chunks) => Ok((Cow::Owned(self.assemble(chunks, rows)?), 0)),
        }
    }

    /// Rows that hold the fill value alone.
    fn filled(&self, rows: &Range<u64>) -> Result<Vec<u8>, String> {
        let size =
            usize::try_from(rows.end - rows.start).ok().and_then(|rows| rows.checked_mul(self.row_bytes));
        let size = size.filter(|size| *size <= LARGEST_READ);
        let size = size.ok_or("the rows that are read at once are too long together")?;
        let mut bytes = vec![0; size];
        if self.fill.iter().any(|byte| *byte != 0) {
            bytes
                .chunks_exact_mut(self.element_bytes)
                .for_each(|element| element.copy_from_slice(&self.fill));
        }
        Ok(bytes)
    }

    /// Unpacks the chunks that hold some rows, side by side, and puts the rows together.
    fn assemble(&self, chunks: &Chunks, rows: &Range<u64>) -> Result<Vec<u8>, String> {
        let index = chunks.index.get_or_init(|| self.index(chunks)).as_ref().map_err(Clone::clone)?;
        let mut out = self.filled(rows)?;
        let height = self.chunk_rows().max(1);
        let first = rows.start / height * height;
        let bands: Vec<(u64, &[ChunkEntry])> =
            index.range(first..rows.end).map(|(row, entries)| (*row, entries.as_slice())).collect();
        // Bands of chunks do not share rows: each fills a part of its own.
        let mut parts = Vec::with_capacity(bands.len());
        let mut rest = out.as_mut_slice();
        let mut done = rows.start;
        for (row, entries) in bands {
            let band = row.max(rows.start)..row.saturating_add(height).min(rows.end);
            let skip = (band.start - done) as usize * self.row_bytes;
            let size = (band.end - band.start) as usize * self.row_bytes;
            let (part, after) = rest.split_at_mut(skip).1.split_at_mut(size);
            (rest, done) = (after, band.end);
            parts.push((part, row, band, entries));
        }
        parts.into_par_iter().try_for_each(|(part, row, band, entries)| {
            entries.iter().try_for_each(|entry| {
                let chunk = self.unpack(chunks, entry)?;
                self.place(chunks, &chunk, entry, row, &band, part);
                Ok::<(), String>(())
            })
        })?;
        Ok(out)
    }

    /// A chunk's elements.
    fn unpack(&self, chunks: &Chunks, entry: &ChunkEntry) -> Result<Cow<'_, [u8]>, String> {
        // A chunk without filters may have no size of its own in the index.
        let size = if self.filters.is_empty() || entry.size == 0 { chunks.bytes as u64 } else { entry.size };
        let start = entry.address.checked_add(self.base);
        let end = start.and_then(|start| start.checked_add(size));
        let packed = match (start, end) {
            (Some(start), Some(end)) if end <= self.bytes.len() as u64 => {
                &self.bytes[start as usize..end as usize]
            }
            _ => return Err(format!("the chunk at {:?} goes beyond the end of the file", entry.offsets)),
        };
        let chunk = filters::undo(&self.filters, entry.filter_mask, packed, chunks.bytes, self.element_bytes);
        let chunk = chunk.map_err(|reason| format!("the chunk at {:?}: {reason}", entry.offsets))?;
        if chunk.len() == chunks.bytes {
            Ok(chunk)
        } else {
            let (has, wants) = (chunk.len(), chunks.bytes);
            Err(format!("the chunk at {:?} has {has} bytes, it should have {wants}", entry.offsets))
        }
    }

    /// Copies what a chunk holds of some rows to where these rows are put together.
    fn place(
        &self,
        chunks: &Chunks,
        chunk: &[u8],
        entry: &ChunkEntry,
        chunk_row: u64,
        band: &Range<u64>,
        out: &mut [u8],
    ) {
        let chunk_dims: Vec<usize> = chunks.dims.iter().skip(1).map(|dim| *dim as usize).collect();
        let chunk_row_bytes = chunk_dims.iter().product::<usize>() * self.element_bytes;
        if self.shape.len() == 1
            || (chunk_row_bytes == self.row_bytes && entry.offsets[1..].iter().all(|at| *at == 0))
        {
            let start = (band.start - chunk_row) as usize * chunk_row_bytes;
            out.copy_from_slice(&chunk[start..start + out.len()]);
            return;
        }
        let dims: Vec<usize> = self.shape[1..].iter().map(|dim| *dim as usize).collect();
        let offsets: Vec<usize> = entry.offsets[1..].iter().map(|at| *at as usize).collect();
        // What of the chunk lies within the dataset, along each axis after the rows.
        let inside: Vec<usize> = dims
            .iter()
            .zip(&offsets)
            .zip(&chunk_dims)
            .map(|((dim, at), size)| (*size).min(dim - at))
            .collect();
        let strides = crate::source::array::dense_strides(&dims, self.element_bytes);
        let chunk_strides = crate::source::array::dense_strides(&chunk_dims, self.element_bytes);
        let (last, outer) = match inside.split_last() {
            Some((last, outer)) => (*last * self.element_bytes, outer),
            None => return,
        };
        let origin: usize = offsets.iter().zip(&strides).map(|(at, stride)| at * stride).sum();
        let lines: usize = outer.iter().product();
        for row in 0..(band.end - band.start) as usize {
            let from_row = (row + (band.start - chunk_row) as usize) * chunk_row_bytes;
            for line in 0..lines {
                let (mut from, mut to, mut left) = (from_row, row * self.row_bytes + origin, line);
                for axis in (0..outer.len()).rev() {
                    let place = left % outer[axis];
                    left /= outer[axis];
                    from += place * chunk_strides[axis];
                    to += place * strides[axis];
                }
                out[to..to + last].copy_from_slice(&chunk[from..from + last]);
            }
        }
    }

    /// Reads the index of the chunks.
    fn index(&self, chunks: &Chunks) -> Result<BTreeMap<u64, Vec<ChunkEntry>>, String> {
        let mut index: BTreeMap<u64, Vec<ChunkEntry>> = BTreeMap::new();
        if is_undefined(chunks.address) {
            return Ok(index);
        }
        let entries =
            self.entries(chunks).map_err(|error| format!("read the index of its chunks: {error}"))?;
        for entry in entries {
            let fits = entry.offsets.len() == self.shape.len()
                && entry.offsets.iter().zip(&chunks.dims).all(|(at, dim)| at.is_multiple_of(u64::from(*dim)));
            if !fits {
                return Err(format!("a chunk at {:?} is in no place for chunks", entry.offsets));
            }
            // A dataset that was cut shorter may keep chunks outside of it.
            if entry.offsets.iter().zip(&self.shape).all(|(at, dim)| at < dim) && !is_undefined(entry.address)
            {
                index.entry(entry.offsets[0]).or_default().push(entry);
            }
        }
        Ok(index)
    }

    fn entries(&self, chunks: &Chunks) -> Result<Vec<ChunkEntry>, hdf5_reader::error::Error> {
        let (storage, block) = (self.file.storage(), self.file.superblock());
        let (offset_size, length_size) = (block.offset_size, block.length_size);
        let (address, shape, dims) = (chunks.address, &self.shape, &chunks.dims);
        let rank = shape.len();
        match &chunks.indexing {
            None => {
                let leaves = btree_v1::collect_btree_v1_leaves_storage(
                    storage,
                    address,
                    offset_size,
                    length_size,
                    Some(rank as u32),
                    dims,
                    None,
                )?;
                let entry = |(key, address): (btree_v1::BTreeV1Key, u64)| match key {
                    btree_v1::BTreeV1Key::RawData { chunk_size, filter_mask, mut offsets } => {
                        offsets.truncate(rank);
                        Some(ChunkEntry { address, size: u64::from(chunk_size), filter_mask, offsets })
                    }
                    btree_v1::BTreeV1Key::Group { .. } => None,
                };
                Ok(leaves.into_iter().filter_map(entry).collect())
            }
            Some(ChunkIndexing::SingleChunk { filtered_size, filters }) => {
                Ok(vec![single_chunk_entry(address, *filtered_size, *filters, rank)])
            }
            Some(ChunkIndexing::Implicit) => {
                collect_implicit_chunk_entries(address, shape, dims, self.element_bytes, None, storage.len())
            }
            Some(ChunkIndexing::FixedArray { .. }) => collect_fixed_array_chunk_entries_storage(
                storage,
                address,
                offset_size,
                length_size,
                shape,
                dims,
                None,
            ),
            Some(ChunkIndexing::ExtensibleArray { .. }) => collect_extensible_array_chunk_entries_storage(
                storage,
                address,
                offset_size,
                length_size,
                shape,
                self.max_shape.as_deref(),
                dims,
                None,
            ),
            Some(ChunkIndexing::BTreeV2) => collect_v2_chunk_entries_storage(
                storage,
                address,
                offset_size,
                length_size,
                rank as u32,
                dims,
                None,
            ),
        }
    }
}

/// The address of what was never written: all bits set, in any of the sizes that addresses have.
fn is_undefined(address: u64) -> bool {
    [u64::from(u16::MAX), u64::from(u32::MAX), u64::MAX].contains(&address)
}
