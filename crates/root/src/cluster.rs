//! Clusters: ranges of entries whose baskets lie together.

use std::ops::Range;

use crate::tree::Source;

/// More clusters than this are of no use, and a broken file could ask for billions.
const MAX_CLUSTERS: usize = 1 << 20;

/// Decompressed bytes of all columns between two cuts of a tree whose baskets share no boundaries: many times a basket
/// of each of a thousand columns, so that few of them are cut, and little beside a machine's memory.
const TARGET_BYTES: u64 = 256 << 20;

/// What a tree says of its clusters: ranges of entries, each with clusters of its own size, and the size of what follows.
pub(crate) struct Flushes {
    pub(crate) range_ends: Vec<i64>,
    pub(crate) sizes: Vec<i64>,
    pub(crate) last_size: i64,
}

/// The clusters that a tree tells of; where it says nothing, from its baskets.
pub(crate) fn clusters(entries: u64, flushes: &Flushes, sources: &[Source]) -> Vec<Range<u64>> {
    if entries == 0 {
        return Vec::new();
    }
    let mut bounds = vec![0];
    let ranges =
        flushes.range_ends.iter().zip(&flushes.sizes).map(|(&end, &size)| (end.saturating_add(1), size));
    for (end, size) in ranges.chain([(i64::MAX, flushes.last_size)]) {
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
        // Columns that were filled less often than the tree do not count.
        let branches = sources.iter().map(|source| &source.branch);
        let whole = branches.filter(|branch| branch.entries == entries && branch.baskets() > 0);
        let columns: Vec<_> =
            whole.map(|branch| Baskets { starts: &branch.starts, bytes: branch.total_bytes }).collect();
        bounds = shared(entries, &columns);
    }
    bounds.windows(2).map(|w| w[0]..w[1]).collect()
}

/// Where a tree says nothing of clusters: the entries at which all columns start a basket. Where those are too far
/// apart, or there are none, the range between them is cut where the baskets that a cut goes through are smallest.
fn shared(entries: u64, columns: &[Baskets<'_>]) -> Vec<u64> {
    let cuts = cuts(entries, columns);
    let mut bounds: Vec<u64> = cuts.iter().filter(|cut| cut.bytes == 0).map(|cut| cut.entry).collect();
    let ends = bounds.first() == Some(&0) && bounds.last() == Some(&entries);
    if !ends {
        return vec![0, entries];
    }
    let total = columns.iter().map(|column| column.bytes).fold(0, u64::saturating_add);
    let target = u64::try_from(u128::from(TARGET_BYTES) * u128::from(entries) / u128::from(total.max(1)));
    let target = target.unwrap_or(u64::MAX).max(1);
    let mut more = Vec::new();
    for range in bounds.windows(2) {
        let mut start = range[0];
        while range[1] - start > target.saturating_mul(3) / 2 {
            let window = start.saturating_add(target / 2).max(start + 1)..start.saturating_add(target);
            let from = cuts.partition_point(|cut| cut.entry < window.start);
            let to = cuts.partition_point(|cut| cut.entry <= window.end);
            // Where the columns' baskets are longer than the window, any entry is as good as another.
            let best = cuts[from..to].iter().min_by_key(|cut| (cut.bytes, std::cmp::Reverse(cut.entry)));
            start = best.map_or(window.end, |cut| cut.entry);
            more.push(start);
        }
    }
    bounds.extend(more);
    bounds.sort_unstable();
    bounds
}

/// Where a column's baskets start, and where the last one ends; and how many bytes they all hold.
struct Baskets<'a> {
    starts: &'a [u64],
    bytes: u64,
}

/// An entry at which some column starts a basket, and the decompressed bytes of the others' baskets that go on there:
/// these are read for the range before and again for the range after.
struct Cut {
    entry: u64,
    bytes: u64,
}

/// All entries at which a column starts or ends a basket, in order.
fn cuts(entries: u64, columns: &[Baskets<'_>]) -> Vec<Cut> {
    // At each entry, the bytes of baskets that start there, and of those that end there.
    let mut events: Vec<(u64, i128, i128)> = Vec::new();
    for column in columns {
        for basket in column.starts.windows(2).filter(|w| w[0] < w[1]) {
            // A basket without bytes still may not be cut without a price.
            let part = u128::from(column.bytes) * u128::from(basket[1] - basket[0]);
            let bytes = i128::try_from(part / u128::from(entries)).unwrap_or(i128::MAX >> 32).max(1);
            events.push((basket[0], bytes, 0));
            events.push((basket[1], 0, bytes));
        }
    }
    // Stable, since that makes use of the runs that the columns are.
    events.sort_by_key(|event| event.0);
    let mut open = 0;
    let at_one_entry = events.chunk_by(|a, b| a.0 == b.0);
    let cut = |events: &[(u64, i128, i128)]| {
        let ending: i128 = events.iter().map(|event| event.2).sum();
        let starting: i128 = events.iter().map(|event| event.1).sum();
        let through = open - ending;
        open = through + starting;
        Cut { entry: events[0].0, bytes: u64::try_from(through).unwrap_or(u64::MAX) }
    };
    at_one_entry.map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_go_where_most_baskets_end() {
        // Two columns of 10 entries each basket, and a large one whose baskets end elsewhere.
        let tens: Vec<u64> = (0..=10).map(|i| 10 * i).collect();
        let columns = |bytes| {
            let small = || Baskets { starts: &tens, bytes: 1000 };
            [small(), small(), Baskets { starts: &[0, 30, 55, 100], bytes }]
        };
        assert_eq!(shared(100, &columns(5000)), [0, 30, 100]);
        // Together they are three times the target: at 55 the small columns alone go on.
        assert_eq!(shared(100, &columns(3 * TARGET_BYTES)), [0, 30, 55, 100]);
        // A basket larger than the target is cut anywhere.
        let huge = Baskets { starts: &[0, 100], bytes: 3 * TARGET_BYTES };
        assert_eq!(shared(100, &[huge]), [0, 33, 66, 100]);
        assert_eq!(shared(7, &[]), [0, 7]);
    }

    #[test]
    fn few_baskets_are_read_twice() {
        // A thousand columns whose baskets have each a length of their own, as after TTree::OptimizeBaskets.
        let entries = 100_000;
        let starts: Vec<Vec<u64>> = (0..1000)
            .map(|i| (0..).map(|k| k * (500 + 7 * i)).take_while(|&s| s < entries).chain([entries]).collect())
            .collect();
        let columns: Vec<_> = starts.iter().map(|starts| Baskets { starts, bytes: 1 << 20 }).collect();
        let bounds = shared(entries, &columns);
        assert!(bounds.is_sorted_by(|a, b| a < b) && bounds.len() > 3, "{bounds:?}");
        let twice: f64 = bounds[1..bounds.len() - 1]
            .iter()
            .flat_map(|bound| columns.iter().map(move |c| (bound, c.starts)))
            .map(|(bound, starts)| match starts.binary_search(bound) {
                Ok(_) => 0.0,
                Err(i) => (starts[i] - starts[i - 1]) as f64 / entries as f64 / 1000.0,
            })
            .sum();
        assert!(twice < 0.2, "{twice} of all bytes are decompressed twice, in {} ranges", bounds.len() - 1);
    }
}
