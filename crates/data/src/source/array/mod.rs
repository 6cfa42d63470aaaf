//! Tables whose columns are arrays: HDF5 and NumPy files.
//!
//! Each column is a strided look into a block of rows: a whole array, a slice of one, a member of a record. Arrays with
//! more axes than the rows become fixed-size lists.

mod element;
mod slice;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::bytes::Bytes;
use super::hdf5::Dataset;
use super::{Error, OpenOptions, Source, check_request};
pub(crate) use element::{Element, Kind, Padding, trimmed};
use element::{Places, values};
use slice::Slice;

/// Bytes of a partition, of all columns together, unless a single row or chunk has more.
const PARTITION_BYTES: u64 = 64 << 20;
/// Rows of a partition at most, as for other sources.
const PARTITION_ROWS: u64 = 4 * super::PARTITION_ROWS;
/// More rows than any file has: a limit on what a damaged header may make of itself.
const MOST_ROWS: u64 = 1 << 36;
/// Values that a row of one column may have.
const MOST_VALUES: usize = 1 << 24;

/// Where rows lie.
pub(crate) enum Block {
    /// In mapped bytes, from `start` on.
    Mapped { bytes: Bytes, start: usize, row_stride: usize },
    /// In an HDF5 dataset, possibly in packed chunks.
    Hdf5(Box<Dataset>),
}

impl Block {
    /// The bytes that hold some rows, where the first of them begins, and how far it is from one row to the next.
    fn rows(&self, rows: &Range<u64>) -> Result<(Cow<'_, [u8]>, usize, usize), String> {
        match self {
            Self::Mapped { bytes, start, row_stride } => {
                let at = usize::try_from(rows.start).ok().and_then(|row| row.checked_mul(*row_stride));
                let at =
                    at.and_then(|at| at.checked_add(*start)).ok_or("its rows end outside of the file")?;
                Ok((Cow::Borrowed(bytes), at, *row_stride))
            }
            Self::Hdf5(dataset) => {
                let (bytes, start) = dataset.rows(rows)?;
                Ok((bytes, start, dataset.row_bytes()))
            }
        }
    }

    /// Bytes of a row.
    fn row_bytes(&self, rows: u64) -> u64 {
        match self {
            Self::Mapped { bytes, start, .. } => ((bytes.len() - start) as u64).div_ceil(rows.max(1)),
            Self::Hdf5(dataset) => dataset.row_bytes() as u64,
        }
    }

    /// Rows that are best read together.
    fn chunk_rows(&self) -> u64 {
        match self {
            Self::Mapped { .. } => 1,
            Self::Hdf5(dataset) => dataset.chunk_rows(),
        }
    }
}

/// A look into a block.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The index of the block.
    pub(crate) block: usize,
    pub(crate) element: Element,
    /// The first value of a row, behind the row's start.
    pub(crate) origin: usize,
    /// The axes after that of the rows, and how far it is along each from one value to the next.
    pub(crate) dims: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl Column {
    /// A column whose values lie one after another.
    pub(crate) fn dense(
        name: String,
        block: usize,
        element: Element,
        origin: usize,
        dims: Vec<usize>,
    ) -> Self {
        let strides = dense_strides(&dims, element.size);
        Self { name, block, element, origin, dims, strides }
    }

    fn data_type(&self) -> Result<DataType, String> {
        let mut data_type = self.element.data_type().ok_or_else(|| {
            format!("{:?} values of {} bytes have no type here", self.element.kind, self.element.size)
        })?;
        let values = self.dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        if values.is_none_or(|values| values == 0 || values > MOST_VALUES) {
            return Err(format!("rows of {:?} values cannot be read", self.dims));
        }
        for dim in self.dims.iter().rev() {
            let length = i32::try_from(*dim).map_err(|_| "a list is too long".to_owned())?;
            data_type = DataType::FixedSizeList(Arc::new(Field::new("item", data_type, false)), length);
        }
        Ok(data_type)
    }

    /// For each value of a row, how far it lies behind the row's start.
    fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![self.origin];
        for (dim, stride) in self.dims.iter().zip(&self.strides) {
            offsets = offsets.iter().flat_map(|at| (0..*dim).map(move |index| at + index * stride)).collect();
        }
        offsets
    }

    fn slice(&self, name: &str, slice: &Slice) -> Result<Self, String> {
        let (origin, dims, strides) = slice.take(&self.dims, &self.strides)?;
        Ok(Self { name: name.to_owned(), origin: self.origin + origin, dims, strides, ..self.clone() })
    }
}

/// How far it is along each axis from one value to the next where nothing lies between them.
pub(crate) fn dense_strides(dims: &[usize], size: usize) -> Vec<usize> {
    let mut strides = vec![0; dims.len()];
    let mut stride = size;
    for (place, dim) in strides.iter_mut().zip(dims).rev() {
        *place = stride;
        stride = stride.saturating_mul(*dim);
    }
    strides
}

/// Whether a text is a slice of an array; the reason why not is the error.
pub(crate) fn check_slice(text: &str) -> Result<(), String> {
    Slice::parse(text).map(drop)
}

/// What a reader found in a file.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) table: Option<String>,
    pub(crate) rows: u64,
    pub(crate) blocks: Vec<Block>,
    pub(crate) columns: Vec<Column>,
    pub(crate) unreadable: Vec<(String, String)>,
}

/// An HDF5 or NumPy file.
pub struct ArraySource {
    path: PathBuf,
    table: Option<String>,
    rows: u64,
    blocks: Vec<Block>,
    columns: Vec<Column>,
    schema: SchemaRef,
    unreadable: Vec<(String, String)>,
}

impl ArraySource {
    /// Opens an HDF5 file; the table of `options` is a group, a dataset or the key of a pandas frame.
    ///
    /// # Errors
    /// When the file cannot be read, or holds several tables and none is named.
    pub fn open_hdf5(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Self::new(path, super::hdf5::open(path, options.table.as_deref())?, options)
    }

    /// Opens an NPY or NPZ file, plain or compressed.
    ///
    /// # Errors
    /// When the file cannot be read, or its arrays have different numbers of rows.
    pub fn open_numpy(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Self::new(path, super::numpy::open(path, options.table.as_deref())?, options)
    }

    fn new(path: &Path, found: Found, options: &OpenOptions) -> Result<Self, Error> {
        let Found { table, rows, blocks, mut columns, mut unreadable } = found;
        if rows > MOST_ROWS {
            return Err(Error::malformed(path, format!("it claims to have {rows} rows")));
        }
        for (name, text) in &options.arrays {
            let failed = |reason: String| Error::column(path, name, reason);
            let slice = Slice::parse(text).map_err(failed)?;
            let Some(array) = columns.iter().find(|column| column.name == slice.array) else {
                let near = crate::expr::near_names(&slice.array, columns.iter().map(|c| c.name.as_str()));
                let near = near.map(|near| format!("; {near}")).unwrap_or_default();
                return Err(failed(format!("the file has no array `{}`{near}", slice.array)));
            };
            let column = array.slice(name, &slice).map_err(failed)?;
            columns.retain(|column| column.name != *name);
            columns.push(column);
        }
        let mut fields = Vec::new();
        columns.retain(|column| match column.data_type() {
            Ok(data_type) => {
                fields.push(Field::new(&column.name, data_type, false));
                true
            }
            Err(reason) => {
                unreadable.push((column.name.clone(), reason));
                false
            }
        });
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { path: path.to_owned(), table, rows, blocks, columns, schema, unreadable })
    }

    /// The column at an index, over rows that `data` holds.
    fn array(
        &self,
        index: usize,
        rows: &Range<u64>,
        (bytes, start, row_stride): (&[u8], usize, usize),
    ) -> Result<ArrayRef, Error> {
        let column = &self.columns[index];
        let failed = |reason: String| Error::column(&self.path, &column.name, reason);
        let offsets = column.offsets();
        let first = offsets.first().copied().unwrap_or(0);
        let relative: Vec<usize> = offsets.iter().map(|offset| offset - first).collect();
        let count = usize::try_from(rows.end - rows.start)
            .map_err(|_| failed("more rows than fit into memory".to_owned()))?;
        let places = Places { bytes, start: start + first, rows: count, row_stride, offsets: &relative };
        if !places.check(column.element.size) {
            let reason = format!("the column `{}`: row {} lies beyond its end", column.name, rows.end - 1);
            return Err(Error::malformed(&self.path, reason));
        }
        let mut array = values(&column.element, &places).map_err(|(index, reason)| Error::Value {
            action: format!("read the column `{}`", column.name),
            reason,
            row: rows.start + (index / relative.len().max(1)) as u64,
            path: self.path.clone(),
        })?;
        for dim in column.dims.iter().rev() {
            let item = Arc::new(Field::new("item", array.data_type().clone(), false));
            let length = i32::try_from(*dim).map_err(|_| failed("a list is too long".to_owned()))?;
            array = FixedSizeListArray::try_new(item, length, array, None)
                .map(Arc::new)
                .map_err(|error| failed(error.to_string()))?;
        }
        Ok(array)
    }
}

impl Source for ArraySource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn unreadable(&self, column: &str) -> Option<String> {
        self.unreadable.iter().find(|(name, _)| name == column).map(|(_, reason)| reason.clone())
    }

    fn unreadable_columns(&self) -> Vec<(String, String)> {
        self.unreadable.clone()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        let row_bytes: u64 = self.blocks.iter().map(|block| block.row_bytes(self.rows)).sum();
        let chunk = self.blocks.iter().map(Block::chunk_rows).max().unwrap_or(1).clamp(1, self.rows.max(1));
        let most = (PARTITION_BYTES / row_bytes.max(1)).clamp(1, PARTITION_ROWS);
        // Whole chunks, as many as fit: a chunk that two partitions share would be unpacked twice.
        let size = if chunk >= most { chunk } else { most / chunk * chunk };
        (0..self.rows.div_ceil(size)).map(|part| part * size..((part + 1) * size).min(self.rows)).collect()
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        let wanted: Vec<usize> = columns
            .iter()
            .filter_map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect();
        let mut blocks: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &index in &wanted {
            blocks.entry(self.columns[index].block).or_default().push(index);
        }
        let read = blocks.into_par_iter().map(|(block, indices)| {
            let column = |index: &usize| self.columns[*index].name.as_str();
            let name = indices.first().map_or("", column);
            let found = self.blocks[block].rows(&rows);
            let failed =
                |reason: String| Error::malformed(&self.path, format!("the column `{name}`: {reason}"));
            let (bytes, start, stride) = found.map_err(failed)?;
            let array = |index: usize| Ok((index, self.array(index, &rows, (&bytes, start, stride))?));
            indices.into_iter().map(array).collect::<Result<Vec<_>, Error>>()
        });
        let arrays: BTreeMap<usize, ArrayRef> =
            read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let fields: Vec<_> = wanted.iter().map(|index| self.schema.fields()[*index].clone()).collect();
        let arrays = wanted.iter().filter_map(|index| arrays.get(index).cloned()).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}
