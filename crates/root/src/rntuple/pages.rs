//! Clusters, and where the pages of each column in each cluster lie.

use std::ops::Range;

use rayon::prelude::*;

use super::anchor::{Blobs, Link};
use super::envelope::{Envelope, Frame, Kind};
use super::schema::{ColumnRecord, Schema};
use crate::error::Result;

/// Flag of a cluster that is spread over several files, which the format keeps for later.
const SHARDED: u64 = 1 << 56;

/// A piece of a column: the unit of compression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) seek: u64,
    /// Bytes in the file, without the checksum.
    pub(crate) bytes: u64,
    pub(crate) elements: u32,
    /// Whether eight bytes of checksum follow.
    pub(crate) checksum: bool,
}

/// The pages of one column in one cluster.
#[derive(Debug, Clone)]
struct PageRange {
    pages: Range<usize>,
    elements: u64,
    suppressed: bool,
}

/// The entries that were written together, and their pages.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) entries: Range<u64>,
    /// By column; those that were added later are missing.
    columns: Vec<PageRange>,
    pages: Vec<Page>,
}

impl Cluster {
    /// The pages of a column, and how many elements they hold. Empty for a column that was added later.
    pub(crate) fn pages(&self, column: u32) -> (&[Page], u64) {
        match self.columns.get(column as usize) {
            Some(range) => (&self.pages[range.pages.clone()], range.elements),
            None => (&[], 0),
        }
    }

    /// Whether another representation of its field holds the values of this column here.
    pub(crate) fn is_suppressed(&self, id: u32, column: &ColumnRecord) -> bool {
        match self.columns.get(id as usize) {
            Some(range) => range.suppressed,
            None => column.first.is_some_and(|first| first < 0),
        }
    }

    /// Whether the pages may hold fewer elements than there are, so that zeros stand before them.
    pub(crate) fn may_start_late(&self, id: u32, column: &ColumnRecord) -> bool {
        column.first.is_some() || id as usize >= self.columns.len()
    }
}

/// Reads the footer: extends the schema and lists the clusters, in the order of their entries.
pub(crate) fn footer(
    blobs: &Blobs,
    link: &Link,
    header_checksum: u64,
    schema: &mut Schema,
    ntuple: &str,
) -> Result<Vec<Cluster>> {
    let envelope = Envelope::open(blobs, link, Kind::Footer, &format!("the footer of ntuple {ntuple}"))?;
    let mut frame = envelope.frame();
    frame.feature_flags()?;
    same_header(&mut frame, header_checksum)?;
    // Nothing at all stands for a schema without extension.
    frame.record(|extension| if extension.is_empty() { Ok(()) } else { schema.extend(extension) })?;
    let links = frame.items(|list| {
        list.record(|group| {
            let (_first_entry, _entries, clusters) = (group.u64()?, group.u64()?, group.u32()?);
            Ok((clusters, group.link()?))
        })
    })?;
    let groups = links.par_iter().map(|(clusters, link)| {
        let object = format!("a page list of ntuple {ntuple}");
        page_list(&Envelope::open(blobs, link, Kind::PageList, &object)?, header_checksum, *clusters)
    });
    let mut clusters: Vec<_> = groups.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    clusters.sort_by_key(|cluster| (cluster.entries.start, cluster.entries.end));
    let mut next = 0;
    for cluster in &clusters {
        if cluster.entries.start != next {
            let reason =
                format!("a cluster starts at entry {}, the one before ends at {next}", cluster.entries.start);
            return Err(frame.error(reason));
        }
        next = cluster.entries.end;
    }
    Ok(clusters)
}

fn same_header(frame: &mut Frame<'_>, expected: u64) -> Result<()> {
    let found = frame.u64()?;
    match found == expected {
        true => Ok(()),
        false => {
            Err(frame
                .error(format!("it belongs to a header with checksum {found:016x}, not {expected:016x}")))
        }
    }
}

fn page_list(envelope: &Envelope<'_>, header_checksum: u64, clusters: u32) -> Result<Vec<Cluster>> {
    let mut frame = envelope.frame();
    same_header(&mut frame, header_checksum)?;
    let summaries = frame.items(|list| list.record(summary))?;
    let (n, mut locations) = frame.list()?;
    if summaries.len() != clusters as usize || n != clusters {
        let reason =
            format!("it lists {} clusters and the pages of {n}, the footer says {clusters}", summaries.len());
        return Err(frame.error(reason));
    }
    let mut out = Vec::new();
    for entries in summaries {
        out.push(cluster(&mut locations, entries)?);
    }
    Ok(out)
}

fn summary(record: &mut Frame<'_>) -> Result<Range<u64>> {
    let (first, entries) = (record.u64()?, record.u64()?);
    if entries & SHARDED != 0 {
        return Err(record.error("clusters that are spread over files are not read"));
    }
    let entries = entries & (SHARDED - 1);
    match first.checked_add(entries) {
        Some(end) if i64::try_from(end).is_ok() => Ok(first..end),
        _ => Err(record.error(format!("a cluster starts at entry {first} and has {entries}"))),
    }
}

fn cluster(locations: &mut Frame<'_>, entries: Range<u64>) -> Result<Cluster> {
    let mut pages = Vec::new();
    let columns = locations.items(|list| {
        let start = pages.len();
        let mut elements = 0;
        let (n, mut inner) = list.list()?;
        for _ in 0..n {
            let page = page(&mut inner)?;
            // At most 2^32 pages of 2^31 elements: this cannot overflow.
            elements += u64::from(page.elements);
            pages.push(page);
        }
        let suppressed = inner.i64()? < 0;
        if suppressed && elements > 0 {
            return Err(inner.error("a column that is said to be suppressed has pages"));
        }
        Ok(PageRange { pages: start..pages.len(), elements, suppressed })
    })?;
    Ok(Cluster { entries, columns, pages })
}

fn page(list: &mut Frame<'_>) -> Result<Page> {
    let elements = list.i32()?;
    let (seek, bytes) = list.locator()?;
    Ok(Page { seek, bytes, elements: elements.unsigned_abs(), checksum: elements < 0 })
}

/// What a column takes, over all clusters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) compressed: u64,
    pub(crate) uncompressed: u64,
    pub(crate) pages: usize,
}

/// The totals of each column.
pub(crate) fn totals(clusters: &[Cluster], schema: &Schema) -> Vec<Totals> {
    let mut out = vec![Totals::default(); schema.columns.len()];
    for cluster in clusters {
        let listed = out.iter_mut().zip(&schema.columns).take(cluster.columns.len());
        for (id, (totals, column)) in listed.enumerate() {
            let (pages, elements) = cluster.pages(id as u32);
            totals.pages += pages.len();
            totals.compressed =
                pages.iter().fold(totals.compressed, |sum, page| sum.saturating_add(page.bytes));
            let bytes = elements.saturating_mul(u64::from(column.bits)).div_ceil(8);
            totals.uncompressed = totals.uncompressed.saturating_add(bytes);
        }
    }
    out
}
