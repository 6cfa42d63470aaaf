//! Clusters: ranges of entries whose baskets lie together.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::tree::Source;

/// More clusters than this are of no use, and a broken file could ask for billions.
const MAX_CLUSTERS: usize = 1 << 20;

/// From what the tree says of its clusters; where it says nothing, from the boundaries that its baskets share.
pub(crate) fn clusters(
    entries: u64,
    (ends, sizes): &(Vec<i64>, Vec<i64>),
    flush: i64,
    sources: &[Source],
) -> Vec<Range<u64>> {
    if entries == 0 {
        return Vec::new();
    }
    let mut bounds = vec![0];
    // Each range of clusters has its own size; what follows the last range has the size of the automatic flushes.
    let ranges = ends.iter().zip(sizes).map(|(&end, &size)| (end.saturating_add(1), size));
    for (end, size) in ranges.chain([(i64::MAX, flush)]) {
        let (Ok(end), Ok(size)) = (u64::try_from(end), u64::try_from(size)) else { continue };
        let start = bounds.last().copied().unwrap_or(0);
        let end = end.min(entries);
        if size == 0
            || end.saturating_sub(start) / size > (MAX_CLUSTERS - bounds.len().min(MAX_CLUSTERS)) as u64
        {
            continue;
        }
        let mut at = start;
        while at < end {
            at = at.saturating_add(size).min(end);
            bounds.push(at);
        }
    }
    if bounds.last() != Some(&entries) {
        bounds = shared(entries, sources);
    }
    bounds.windows(2).map(|w| w[0]..w[1]).collect()
}

/// The entries at which all columns start a basket; if there are none but the ends, the boundaries of the largest column.
fn shared(entries: u64, sources: &[Source]) -> Vec<u64> {
    let whole = || sources.iter().map(|s| &s.branch).filter(|b| b.entries == entries && b.baskets() > 0);
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    let mut columns = 0;
    for branch in whole() {
        columns += 1;
        let mut starts = branch.starts.clone();
        starts.dedup();
        for start in starts {
            *counts.entry(start).or_default() += 1;
        }
    }
    let mut bounds: Vec<u64> =
        counts.into_iter().filter(|&(_, n)| n == columns).map(|(start, _)| start).collect();
    if bounds.len() <= 2 {
        let largest = whole().max_by_key(|b| b.total_bytes);
        bounds = largest.map(|b| b.starts.clone()).unwrap_or_default();
        bounds.dedup();
    }
    if bounds.first() == Some(&0) && bounds.last() == Some(&entries) { bounds } else { vec![0, entries] }
}
