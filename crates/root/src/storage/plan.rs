//! Which ranges are asked for together.

use std::ops::Range;

use super::Limits;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// What is asked for: in the order of the file, apart from each other.
    pub(super) spans: Vec<Range<u64>>,
    /// The ranges that the spans answer.
    pub(super) items: Vec<Item>,
}

/// Where a range lies within its batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The range's number.
    pub(super) index: usize,
    pub(super) span: usize,
    /// The range within the span.
    pub(super) within: Range<usize>,
}

/// Joins neighbouring ranges into spans, and spans into requests, within limits. Depends on the ranges alone.
pub(super) fn plan(wanted: &[(usize, Range<u64>)], limits: &Limits) -> Vec<Batch> {
    let mut order: Vec<_> = wanted.iter().collect();
    order.sort_by_key(|(index, range)| (range.start, range.end, *index));
    let mut batches: Vec<Batch> = Vec::new();
    let mut bytes = 0;
    for (index, range) in order {
        let joined = batches.last_mut().and_then(|batch| {
            let span = batch.spans.last_mut()?;
            let end = span.end.max(range.end);
            let is_near = range.start.saturating_sub(span.end) <= limits.gap;
            let longer = end - span.end;
            (is_near && (longer == 0 || bytes + longer <= limits.bytes)).then(|| {
                bytes += longer;
                span.end = end;
            })
        });
        if joined.is_none() {
            let len = range.end - range.start;
            match batches.last_mut() {
                Some(batch) if batch.spans.len() < limits.spans && bytes + len <= limits.bytes => {
                    batch.spans.push(range.clone());
                    bytes += len;
                }
                _ => {
                    batches.push(Batch { spans: vec![range.clone()], items: Vec::new() });
                    bytes = len;
                }
            }
        }
        if let Some(batch) = batches.last_mut()
            && let Some(span) = batch.spans.last()
        {
            let start = (range.start - span.start) as usize;
            let within = start..start + (range.end - range.start) as usize;
            batch.items.push(Item { index: *index, span: batch.spans.len() - 1, within });
        }
    }
    batches
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is tested")]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_asked_for_together() {
        let limits = |spans| Limits { gap: 10, bytes: 100, spans, parallel: 1 };
        type Row<'a> = (&'a str, usize, &'a [Range<u64>], &'a [&'a [Range<u64>]]);
        let rows: [Row<'_>; 9] = [
            ("nothing", 1, &[], &[]),
            ("neighbours", 1, &[0..5, 5..9], &[&[0..9]]),
            ("out of order", 1, &[20..30, 0..10], &[&[0..30]]),
            ("too far apart", 1, &[0..5, 16..20], &[&[0..5], &[16..20]]),
            ("too far apart, in one request", 2, &[0..5, 16..20], &[&[0..5, 16..20]]),
            ("no more ranges than may be", 2, &[0..5, 16..20, 40..50], &[&[0..5, 16..20], &[40..50]]),
            ("no more bytes than may be", 1, &[0..60, 60..120], &[&[0..60], &[60..120]]),
            ("one range longer than that", 3, &[0..300, 300..301], &[&[0..300], &[300..301]]),
            ("overlaps", 1, &[0..50, 10..20, 40..60, 10..20], &[&[0..60]]),
        ];
        for (what, spans, ranges, expected) in rows {
            let wanted: Vec<_> = ranges.iter().cloned().enumerate().collect();
            let batches = plan(&wanted, &limits(spans));
            let found: Vec<_> = batches.iter().map(|batch| batch.spans.as_slice()).collect();
            assert_eq!(found, expected, "{what}");
            let mut seen = vec![0; ranges.len()];
            for batch in &batches {
                for item in &batch.items {
                    let start = batch.spans[item.span].start;
                    let range = start + item.within.start as u64..start + item.within.end as u64;
                    assert_eq!(range, ranges[item.index], "{what}");
                    seen[item.index] += 1;
                }
            }
            assert!(seen.iter().all(|&n| n == 1), "{what}: {seen:?}");
        }
    }
}
