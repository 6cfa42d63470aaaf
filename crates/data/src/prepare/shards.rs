//! The Parquet shards of one split.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::PrepareOptions;
use crate::dataset::{HashingFile, ShardFile};
use crate::source::Error;

/// Collects batches into row groups of one size, and row groups into shards.
pub(super) struct ShardWriter {
    root: PathBuf,
    split: String,
    schema: SchemaRef,
    properties: WriterProperties,
    group_rows: usize,
    shard_rows: u64,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    open: Option<Shard>,
    done: Vec<ShardFile>,
    /// Rows that come again and are in whole shards already.
    skip: usize,
}

/// A shard that is being written.
struct Shard {
    path: PathBuf,
    relative: String,
    writer: SerializedFileWriter<HashingFile>,
    factory: ArrowRowGroupWriterFactory,
    rows: u64,
}

impl ShardWriter {
    /// Makes the directory of the split. An earlier run may have `done` some shards, of which `skip` rows will come again.
    pub(super) fn new(
        root: &Path,
        split: &str,
        schema: SchemaRef,
        options: &PrepareOptions,
        (done, skip): (Vec<ShardFile>, usize),
    ) -> Result<Self, Error> {
        let directory = root.join(split);
        std::fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        let level = ZstdLevel::try_new(options.compression_level)
            .map_err(|error| Error::settings("compress shards", error.to_string()))?;
        // Physical values hardly ever repeat, so a dictionary costs time and saves nothing where they are floats; the
        // writer falls back by itself, but only after a megabyte of each column.
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        Ok(Self {
            root: root.to_owned(),
            split: split.to_owned(),
            schema,
            properties,
            group_rows: options.row_group_rows.max(1),
            shard_rows: options.shard_rows.max(1),
            pending: Vec::new(),
            pending_rows: 0,
            open: None,
            done,
            skip,
        })
    }

    /// The shards that are whole.
    pub(super) fn done(&self) -> &[ShardFile] {
        &self.done
    }

    /// Whether all rows that came are in whole shards.
    pub(super) fn is_whole(&self) -> bool {
        self.open.is_none() && self.pending_rows == 0
    }

    /// Takes rows, and writes the row groups that are full.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let known = self.skip.min(batch.num_rows());
        self.skip -= known;
        let mut start = known;
        while start < batch.num_rows() {
            let take = (self.group_rows - self.pending_rows).min(batch.num_rows() - start);
            let rows = batch.slice(start, take);
            start += take;
            if self.pending_rows == 0 && take == self.group_rows {
                self.write_group(&rows)?;
                continue;
            }
            self.pending_rows += take;
            // What waits must not keep the memory of all rows that it came with.
            self.pending.push(if take == batch.num_rows() { rows } else { self.copy(&rows)? });
            if self.pending_rows == self.group_rows {
                let group = self.take_pending()?;
                self.write_group(&group)?;
            }
        }
        Ok(())
    }

    /// Writes what is left and closes the last shard. A split without rows has one shard without rows, so that
    /// whoever loads it finds its columns.
    pub(super) fn finish(mut self) -> Result<Vec<ShardFile>, Error> {
        if self.pending_rows > 0 {
            let rest = self.take_pending()?;
            self.write_group(&rest)?;
        }
        if self.open.is_none() && self.done.is_empty() {
            self.open = Some(self.open_shard()?);
        }
        self.close_shard()?;
        Ok(self.done)
    }

    fn take_pending(&mut self) -> Result<RecordBatch, Error> {
        self.pending_rows = 0;
        let batches = std::mem::take(&mut self.pending);
        concat_batches(&self.schema, &batches).map_err(|error| self.malformed(&error))
    }

    /// Rows in memory of their own.
    fn copy(&self, rows: &RecordBatch) -> Result<RecordBatch, Error> {
        let places = UInt32Array::from_iter_values(0..rows.num_rows() as u32);
        take_record_batch(rows, &places).map_err(|error| self.malformed(&error))
    }

    fn malformed(&self, error: &ArrowError) -> Error {
        Error::malformed(&self.root.join(&self.split), error.to_string())
    }

    /// Encodes the columns of a row group side by side, and writes them in order.
    fn write_group(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut shard = match self.open.take() {
            Some(shard) => shard,
            None => self.open_shard()?,
        };
        let failed = |error| Error::parquet("write", &shard.path)(error);
        let fields = self.schema.fields().iter().zip(batch.columns());
        let leaves = fields
            .map(|(field, array)| compute_leaves(field, array))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let group = shard.writer.flushed_row_groups().len();
        let writers = shard.factory.create_column_writers(group).map_err(failed)?;
        let leaves: Vec<_> = leaves.into_iter().flatten().collect();
        let chunks: Vec<_> = writers
            .into_par_iter()
            .zip(leaves)
            .map(|(mut writer, leaf)| writer.write(&leaf).and_then(|()| writer.close()))
            .collect();
        let mut rows = shard.writer.next_row_group().map_err(Error::parquet("write", &shard.path))?;
        for chunk in chunks {
            let appended = chunk.and_then(|chunk| chunk.append_to_row_group(&mut rows));
            appended.map_err(Error::parquet("write", &shard.path))?;
        }
        rows.close().map_err(Error::parquet("write", &shard.path))?;
        shard.rows += batch.num_rows() as u64;
        let is_full = shard.rows >= self.shard_rows;
        self.open = Some(shard);
        if is_full { self.close_shard() } else { Ok(()) }
    }

    fn open_shard(&self) -> Result<Shard, Error> {
        let relative = format!("{}/{:05}.parquet", self.split, self.done.len());
        let path = self.root.join(&relative);
        let file = HashingFile::create(&path)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(self.properties.clone()));
        let (writer, factory) =
            writer.and_then(ArrowWriter::into_serialized_writer).map_err(Error::parquet("write", &path))?;
        Ok(Shard { path, relative, writer, factory, rows: 0 })
    }

    fn close_shard(&mut self) -> Result<(), Error> {
        let Some(Shard { path, relative, writer, rows, .. }) = self.open.take() else { return Ok(()) };
        let file = writer.into_inner().map_err(Error::parquet("write", &path))?;
        let (bytes, sha256) = file.finish()?;
        self.done.push(ShardFile { path: relative, split: self.split.clone(), sha256, bytes, rows });
        Ok(())
    }
}
