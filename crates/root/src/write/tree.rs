//! Writes a tree: clusters of rows, each branch's part in baskets, and at the end the tree's own record.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use rayon::prelude::*;

use super::arrays::same_columns;
use super::columns::{Plan, Shape, plans};
use super::compression::Compression;
use super::counters::{Counter, Counters};
use super::encode::{Pending, append};
use super::file::{KeyOf, RootWriter};
use super::fill::Fill;
use super::record::{TreeRecord, write_tree};
use super::tree_classes::TREE;
use crate::error::{Error, Result};
use crate::prim::Prim;

/// Bytes of a cluster before compression: what is in memory while it is gathered, about twice while it is written.
const CLUSTER_BYTES: u64 = 32 << 20;
/// Bytes of a basket before compression, where entries are smaller: enough for any codec, small enough that several
/// threads share a cluster of few columns.
const BASKET_BYTES: usize = 1 << 20;
const BASKET_VERSION: u16 = 3;

/// Writes a tree batch by batch. Made by [`RootWriter::tree`]; nothing is kept without [`TreeWriter::finish`].
#[derive(Debug)]
pub struct TreeWriter<'a> {
    file: &'a mut RootWriter,
    path: String,
    title: String,
    directory: u64,
    schema: SchemaRef,
    plans: Vec<Plan>,
    pending: Vec<Pending>,
    fill: Fill,
    clusters: Vec<u64>,
    counters: Option<Counters>,
    separate_counters: bool,
    /// One for each plan, then one for each counter that no column holds.
    branches: Vec<Baskets>,
}

/// What a branch has written.
#[derive(Debug, Default, Clone)]
pub(crate) struct Baskets {
    pub(crate) bytes: Vec<i32>,
    /// The first entry of each basket.
    pub(crate) starts: Vec<u64>,
    pub(crate) seeks: Vec<u64>,
    pub(crate) raw_bytes: u64,
    pub(crate) file_bytes: u64,
    /// The largest basket in memory.
    pub(crate) largest: usize,
}

/// A basket of one branch, compressed.
struct Packed {
    branch: usize,
    start: u64,
    extra: Vec<u8>,
    object_len: usize,
    stored: Vec<u8>,
}

impl RootWriter {
    /// Starts a tree, "name" or "directory/name". Columns become branches:
    ///
    /// | Arrow | branch |
    /// |---|---|
    /// | numbers, bool | a leaf |
    /// | `FixedSizeList` of numbers, nested | `x[3][4]` |
    /// | `List` of numbers or of `FixedSizeList` | `x[nx]`, with a counter |
    /// | `Utf8` | `std::string` |
    /// | `List` of `Utf8` or of lists | `std::vector`, nested |
    /// | `Struct`, `List` of `Struct` | the fields, each as "column_field" |
    ///
    /// **Counters.** A jagged column `P_x` is counted by a column `nP_x`, `nP`, `NP` or `P_size` where there is one of type
    /// `Int32` or `UInt32`; otherwise columns of one prefix `P` and of equal lengths share a counter `nP`, and any other
    /// has its own, `nP_x`. Lengths are compared over the first cluster; columns that share a counter and differ later
    /// are an error, [`Error::Lengths`], which [`TreeWriter::separate_counters`] avoids.
    ///
    /// # Errors
    /// [`Error::Unwritable`] for a column that a tree cannot hold, with the reason.
    pub fn tree(&mut self, name: &str, title: &str, schema: &Schema) -> Result<TreeWriter<'_>> {
        let plans = plans(schema).map_err(|(column, reason)| {
            self.unwritable(&format!("column {column} of tree {name}"), reason)
        })?;
        let mut seen = BTreeMap::new();
        for plan in &plans {
            if seen.insert(plan.name.clone(), ()).is_some() {
                let object = format!("column {} of tree {name}", plan.name);
                return Err(self.unwritable(&object, "there are two branches of this name"));
            }
        }
        let directory = self.directory_of(name)?;
        Ok(TreeWriter {
            directory,
            file: self,
            path: name.to_owned(),
            title: title.to_owned(),
            schema: schema.clone().into(),
            pending: plans.iter().map(|_| Pending::default()).collect(),
            branches: vec![Baskets::default(); plans.len()],
            plans,
            fill: Fill::new(CLUSTER_BYTES),
            clusters: Vec::new(),
            counters: None,
            separate_counters: false,
        })
    }
}

impl TreeWriter<'_> {
    /// Sets the bytes of a cluster before compression, 32 MiB if not set: readers take a cluster at a time, and this
    /// many bytes are in memory while it is gathered.
    #[must_use]
    pub fn cluster_bytes(mut self, bytes: u64) -> Self {
        self.fill.limit(bytes);
        self
    }

    /// Gives each jagged column a counter of its own, whatever it is called. To be set before rows are written.
    #[must_use]
    pub fn separate_counters(mut self) -> Self {
        self.separate_counters = true;
        self
    }

    /// Appends rows. How they come in batches does not change the file.
    ///
    /// # Errors
    /// [`Error::Unwritable`] for a batch of another schema and for nulls, [`Error::Lengths`] where columns that share a
    /// counter differ, [`Error::Write`] where the system refuses.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch)?;
        let mut at = 0;
        while at < batch.num_rows() {
            let (rows, bytes) = self.fill.room(batch, at);
            self.gather(&batch.slice(at, rows))?;
            self.fill.add(rows, bytes);
            at += rows;
            if at < batch.num_rows() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn check(&self, batch: &RecordBatch) -> Result<()> {
        match same_columns(&self.schema, batch.schema_ref()) {
            true => Ok(()),
            false => Err(self.unwritable(None, "a batch has other columns than were announced")),
        }
    }

    fn unwritable(&self, plan: Option<&Plan>, reason: impl Into<String>) -> Error {
        let object = match plan {
            Some(plan) => format!("column {} of tree {}", plan.name, self.path),
            None => format!("tree {}", self.path),
        };
        self.file.unwritable(&object, reason)
    }

    fn gather(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let results: Vec<_> = self
            .plans
            .par_iter()
            .zip(&mut self.pending)
            .map(|(plan, pending)| append(plan, batch, pending))
            .collect();
        for (plan, result) in self.plans.iter().zip(results) {
            result.map_err(|reason| {
                self.unwritable(Some(plan), format!("in {}: {reason}", self.fill.next(batch.num_rows())))
            })?;
        }
        Ok(())
    }

    /// Writes the pending rows as a cluster.
    fn flush(&mut self) -> Result<()> {
        if self.fill.rows == 0 {
            return Ok(());
        }
        self.count()?;
        let packed = self.pack()?;
        let name = self.path.rsplit('/').next().unwrap_or(&self.path).to_owned();
        for basket in packed {
            let branch = self.branch_name(basket.branch).to_owned();
            let key = KeyOf {
                class: "TBasket",
                name: &branch,
                title: &name,
                cycle: 0,
                directory: self.directory,
                extra: &basket.extra,
            };
            let raw = (basket.object_len + key.len()) as u64;
            let (seek, _) = self.file.record(&key, &basket.stored, basket.object_len)?;
            let bytes = self.file.position() - seek;
            let written = &mut self.branches[basket.branch];
            written.bytes.push(bytes as i32);
            written.seeks.push(seek);
            written.starts.push(basket.start);
            written.raw_bytes += raw;
            written.file_bytes += bytes;
            written.largest = written.largest.max(raw as usize);
        }
        self.clusters.push(self.fill.close());
        for pending in &mut self.pending {
            pending.data.clear();
            pending.ends.clear();
            pending.counts.clear();
        }
        Ok(())
    }

    /// Chooses the counters with the first cluster, and checks that they still fit with the others.
    fn count(&mut self) -> Result<()> {
        match &mut self.counters {
            None => {
                let counters = Counters::choose(&self.plans, &self.pending, self.separate_counters);
                self.branches.resize(self.plans.len() + counters.own.len(), Baskets::default());
                self.counters = Some(counters);
            }
            Some(counters) => {
                if let Err((plan, other, entry)) =
                    counters.check(&self.plans, &self.pending, self.fill.before)
                {
                    return Err(Error::Lengths {
                        path: self.file.path().to_path_buf(),
                        tree: self.path.clone(),
                        column: self.plans[plan].name.clone(),
                        other,
                        entry,
                    });
                }
            }
        }
        if let Some(counters) = &mut self.counters {
            counters.see(&self.plans, &self.pending);
        }
        Ok(())
    }

    fn branch_name(&self, branch: usize) -> &str {
        match self.plans.get(branch) {
            Some(plan) => &plan.name,
            None => self.counters.as_ref().map_or("", |c| &c.own[branch - self.plans.len()].name),
        }
    }

    /// The cluster's baskets, compressed in parallel, in the order of the branches.
    fn pack(&self) -> Result<Vec<Packed>> {
        let mut tasks = Vec::new();
        let own = self.counters.iter().flat_map(|c| &c.own).map(own_data(&self.pending)).collect::<Vec<_>>();
        let rows = self.fill.rows as usize;
        let columns = self.plans.iter().zip(&self.pending).map(|(plan, p)| {
            let width = match &plan.shape {
                Shape::Fixed { prim, dims } => Some(dims.iter().product::<usize>() * prim.width()),
                _ => None,
            };
            (p.data.as_slice(), p.ends.as_slice(), width)
        });
        let counters = own.iter().map(|data| (data.as_slice(), &[][..], Some(Prim::I32.width())));
        for (branch, (data, ends, width)) in columns.chain(counters).enumerate() {
            tasks.extend(cut(rows, ends, width).into_iter().map(|range| (branch, data, ends, width, range)));
        }
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        let compression = self.file.compression();
        tasks
            .into_par_iter()
            .map(|(branch, data, ends, width, range)| {
                let start = self.fill.before + range.start as u64;
                pack(data, ends, width, range, [self.branch_name(branch), name], compression)
                    .map(|(extra, object_len, stored)| Packed { branch, start, extra, object_len, stored })
                    .map_err(|reason| self.unwritable(self.plans.get(branch), reason))
            })
            .collect()
    }

    /// Writes what is pending, and the tree's own record.
    ///
    /// # Errors
    /// As [`TreeWriter::write`].
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let counters = match self.counters.take() {
            Some(counters) => counters,
            None => {
                let counters = Counters::choose(&self.plans, &self.pending, self.separate_counters);
                self.branches.resize(self.plans.len() + counters.own.len(), Baskets::default());
                counters
            }
        };
        let record = TreeRecord {
            name: self.path.rsplit('/').next().unwrap_or(&self.path),
            title: &self.title,
            entries: self.fill.before,
            clusters: &self.clusters,
            plans: &self.plans,
            counters: &counters,
            branches: &self.branches,
            setting: self.file.compression().setting(),
        };
        self.file.object(&self.path, &self.title, "TTree", TREE, |out| write_tree(&record, out))
    }
}

fn own_data(pending: &[Pending]) -> impl Fn(&Counter) -> Vec<u8> + '_ {
    |counter| pending[counter.of].counts.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// The rows of each basket.
fn cut(rows: usize, ends: &[usize], width: Option<usize>) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < rows {
        let begin = if start == 0 { 0 } else { ends.get(start - 1).copied().unwrap_or(0) };
        let taken = match width {
            Some(width) => BASKET_BYTES / width.max(1),
            None => ends[start..].partition_point(|&end| end - begin <= BASKET_BYTES),
        };
        let end = start.saturating_add(taken.max(1)).min(rows);
        out.push(start..end);
        start = end;
    }
    out
}

/// A basket's addition to its key, its size, and its compressed bytes.
fn pack(
    data: &[u8],
    ends: &[usize],
    width: Option<usize>,
    rows: std::ops::Range<usize>,
    [branch, tree]: [&str; 2],
    compression: Compression,
) -> std::result::Result<(Vec<u8>, usize, Vec<u8>), String> {
    const EXTRA_LEN: usize = 19;
    let key =
        KeyOf { class: "TBasket", name: branch, title: tree, cycle: 0, directory: 0, extra: &[0; EXTRA_LEN] };
    let key_len = key.len();
    let n = rows.len();
    let bytes = match width {
        Some(width) => rows.start * width..rows.end * width,
        None => (if rows.start == 0 { 0 } else { ends[rows.start - 1] })..ends[rows.end - 1],
    };
    let values = data.get(bytes.clone()).ok_or("its values are not all there")?;
    let mut body = values.to_vec();
    if width.is_none() {
        // Where each entry starts, the key counted; the last number is not used.
        body.extend_from_slice(&(n as u32 + 1).to_be_bytes());
        let mut start = bytes.start;
        for &end in &ends[rows] {
            let offset = u32::try_from(key_len + start - bytes.start).map_err(|e| e.to_string())?;
            body.extend_from_slice(&offset.to_be_bytes());
            start = end;
        }
        body.extend_from_slice(&[0; 4]);
    }
    let too_large = |_| format!("a basket of {} bytes does not fit, entries must be smaller", values.len());
    let last = i32::try_from(key_len + values.len()).map_err(too_large)?;
    let size = i32::try_from(key_len + body.len()).map_err(too_large)?;
    let entry = width.map_or(n as i32 + 1, |width| width as i32);
    let mut extra = Vec::with_capacity(EXTRA_LEN);
    extra.extend_from_slice(&BASKET_VERSION.to_be_bytes());
    for number in [size, entry, n as i32, last] {
        extra.extend_from_slice(&number.to_be_bytes());
    }
    extra.push(0);
    let object_len = body.len();
    Ok((extra, object_len, compression.compress(body)?))
}
