//! Reads fields over a range of entries: their columns in as few rounds as can be, then the arrays.
//!
//! Which items of a list belong to some entries stands in the column of its ends. For whole clusters that need not be known:
//! all items are wanted. So whole clusters take one round; of a part of a cluster each level of lists takes another.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_buffer::{Buffer, OffsetBuffer};
use rayon::prelude::*;

use super::Ntuple;
use super::arrays;
use super::columns::Target;
use super::load::{Load, Span, load, primary};
use super::node::Node;
use crate::error::Result;

/// A node that is being read.
pub(crate) struct Work<'n> {
    pub(crate) node: &'n Node,
    pub(crate) spans: Vec<Span>,
    /// Which of the loads is its column.
    load: Option<usize>,
    pub(crate) children: Vec<Work<'n>>,
    /// Whether it is known what is wanted of its children.
    opened: bool,
}

/// All that is being read: the columns asked for so far, and those that have come.
struct Rounds<'n> {
    ntuple: &'n Ntuple,
    asked: Vec<Load<'n>>,
    /// Which of those asked for have some columns.
    known: HashMap<&'n [u32], Vec<usize>>,
    loaded: Vec<Buffer>,
}

/// Columns that have come.
pub(crate) struct Loaded {
    buffers: Vec<Buffer>,
    /// Of columns of ends, what Arrow wants instead: made once for all the lists that share it.
    offsets: Vec<Option<OffsetBuffer<i32>>>,
}

/// Reads some nodes over a range of entries.
pub(crate) fn read(ntuple: &Ntuple, nodes: &[&Node], entries: &Range<u64>) -> Result<Vec<ArrayRef>> {
    let spans = spans(ntuple, entries);
    let mut works: Vec<_> = nodes.iter().map(|node| Work::new(node, spans.clone())).collect();
    let mut rounds = Rounds { ntuple, asked: Vec::new(), known: HashMap::new(), loaded: Vec::new() };
    loop {
        for work in &mut works {
            rounds.ask(work)?;
        }
        let new = rounds.loaded.len();
        if rounds.asked.len() == new {
            break;
        }
        let more = load(ntuple, &rounds.asked[new..])?;
        rounds.loaded.extend(more);
    }
    let loaded = rounds.finish()?;
    works.par_iter().map(|work| arrays::array(ntuple, work, &loaded)).collect()
}

/// The clusters that overlap a range of entries, and which entries of each.
fn spans(ntuple: &Ntuple, entries: &Range<u64>) -> Vec<Span> {
    let first = ntuple.clusters.partition_point(|cluster| cluster.entries.end <= entries.start);
    let overlap = ntuple.clusters.iter().enumerate().skip(first);
    let overlap = overlap.take_while(|(_, cluster)| cluster.entries.start < entries.end);
    let span = |(i, cluster): (usize, &super::pages::Cluster)| {
        let (start, end) = (cluster.entries.start, cluster.entries.end);
        let range = entries.start.max(start) - start..entries.end.min(end) - start;
        let total = end - start;
        Span { cluster: i, whole: range == (0..total), range, total: Some(total) }
    };
    overlap.map(span).filter(|span| span.len() > 0).collect()
}

impl<'n> Rounds<'n> {
    /// Asks for all columns of which it is known by now what is wanted.
    fn ask(&mut self, work: &mut Work<'n>) -> Result<()> {
        if work.load.is_none()
            && let Some((columns, target)) = column(work.node)
        {
            work.load = Some(self.number(Load { columns, target, spans: work.spans.clone() }));
        }
        if !work.opened {
            self.open(work)?;
        }
        work.children.iter_mut().try_for_each(|child| self.ask(child))
    }

    fn finish(self) -> Result<Loaded> {
        let offsets = |(load, buffer): (&Load<'_>, &Buffer)| match load.target {
            Target::Index => arrays::offsets(self.ntuple, &load.spans, buffer).map(Some),
            Target::Number(_) | Target::Switch => Ok(None),
        };
        let offsets = self.asked.par_iter().zip(&self.loaded).map(offsets).collect::<Result<_>>()?;
        Ok(Loaded { buffers: self.loaded, offsets })
    }

    /// Where among the loads one is. All fields of a collection have the same column of ends: it is read once.
    fn number(&mut self, load: Load<'n>) -> usize {
        let same = self.known.entry(load.columns).or_default();
        if let Some(&at) = same.iter().find(|&&at| self.asked[at] == load) {
            return at;
        }
        same.push(self.asked.len());
        self.asked.push(load);
        self.asked.len() - 1
    }

    /// Makes the work for a node's children, if it is known what is wanted of them.
    fn open(&self, work: &mut Work<'n>) -> Result<()> {
        let node = work.node;
        let mut children = Vec::new();
        let mut add = |node: &'n Node, spans| children.push(Work::new(node, spans));
        match node {
            Node::Number { .. } | Node::Lengths { .. } => {}
            Node::Record(members) => members.iter().for_each(|member| add(&member.node, work.spans.clone())),
            Node::Array { size, item } => {
                let times = |n: u64| n.checked_mul(*size as u64);
                let larger = |span: &Span| {
                    let range = times(span.range.start)?..times(span.range.end)?;
                    let total = span.total.map(|total| times(total).ok_or(())).transpose().ok()?;
                    Some(Span { range, total, ..span.clone() })
                };
                let spans = work.spans.iter().map(larger).collect::<Option<_>>();
                add(item, spans.ok_or_else(|| self.ntuple.broken("its arrays have too many items".into()))?);
            }
            Node::List { item, .. } => match self.items(work, item)? {
                Some(spans) => add(item, spans),
                None => return Ok(()),
            },
            Node::Variant { items, .. } => {
                for (i, item) in items.iter().enumerate() {
                    match self.alternative(work, item, i)? {
                        Some(spans) => add(item, spans),
                        None => return Ok(()),
                    }
                }
            }
        }
        work.children = children;
        work.opened = true;
        Ok(())
    }

    /// Of a list, the items that are wanted; `None` where that is not known yet.
    fn items(&self, work: &Work<'_>, item: &Node) -> Result<Option<Vec<Span>>> {
        if let Some(spans) = self.all(work, item)? {
            return Ok(Some(spans));
        }
        let Some(buffer) = work.load.and_then(|load| self.loaded.get(load)) else { return Ok(None) };
        let mut ends = buffer.as_chunks::<8>().0;
        let mut spans = Vec::new();
        for span in &work.spans {
            let (start, now, later) = arrays::ends(ends, span);
            ends = later;
            let end = now.last().map_or(start, |end| u64::from_le_bytes(*end));
            if end < start {
                return Err(self
                    .ntuple
                    .broken(format!("in cluster {} lists end before they start", span.cluster)));
            }
            spans.push(Span { range: start..end, total: None, ..span.clone() });
        }
        Ok(Some(spans))
    }

    /// Of a variant, the values of one type that are wanted; `None` where that is not known yet.
    fn alternative(&self, work: &Work<'_>, item: &Node, i: usize) -> Result<Option<Vec<Span>>> {
        if let Some(spans) = self.all(work, item)? {
            return Ok(Some(spans));
        }
        let Some(buffer) = work.load.and_then(|load| self.loaded.get(load)) else { return Ok(None) };
        let mut rows = buffer.as_chunks::<12>().0;
        let mut spans = Vec::new();
        for span in &work.spans {
            let (now, later) = rows.split_at((span.len() as usize).min(rows.len()));
            rows = later;
            let own =
                || now.iter().map(arrays::switch).filter(|(_, tag)| *tag as usize == i + 1).map(|(at, _)| at);
            let range = match (own().min(), own().max()) {
                (Some(first), Some(last)) => first..last.saturating_add(1),
                _ => 0..0,
            };
            spans.push(Span { range, total: None, ..span.clone() });
        }
        Ok(Some(spans))
    }

    /// All items of whole clusters, where the pages of the items tell how many there are.
    fn all(&self, work: &Work<'_>, item: &Node) -> Result<Option<Vec<Span>>> {
        let mut out = Vec::new();
        for span in &work.spans {
            match (span.whole, self.elements(item, span.cluster)?) {
                (true, Some(n)) => out.push(Span { range: 0..n, total: Some(n), ..span.clone() }),
                _ => return Ok(None),
            }
        }
        Ok(Some(out))
    }

    /// How many values a node within lists has in a cluster, if its pages tell.
    fn elements(&self, node: &Node, cluster: usize) -> Result<Option<u64>> {
        match node {
            Node::Array { size, item } => {
                let elements = self.elements(item, cluster)?;
                Ok(elements.filter(|_| *size > 0).map(|n| n / *size as u64))
            }
            Node::Record(members) => {
                for member in members {
                    if let Some(n) = self.elements(&member.node, cluster)? {
                        return Ok(Some(n));
                    }
                }
                Ok(None)
            }
            _ => match column(node) {
                Some((columns, _)) => {
                    let id = primary(self.ntuple, columns, cluster)?;
                    Ok(Some(self.ntuple.clusters[cluster].pages(id).1))
                }
                None => Ok(None),
            },
        }
    }
}

impl<'n> Work<'n> {
    fn new(node: &'n Node, spans: Vec<Span>) -> Self {
        Self { node, spans, load: None, children: Vec::new(), opened: false }
    }

    /// The column's numbers.
    pub(crate) fn buffer(&self, loaded: &Loaded) -> Buffer {
        let buffer = self.load.and_then(|load| loaded.buffers.get(load)).cloned();
        buffer.unwrap_or_else(|| Buffer::from_vec(Vec::<u8>::new()))
    }

    /// Where its lists start and end.
    pub(crate) fn offsets(&self, loaded: &Loaded) -> OffsetBuffer<i32> {
        let offsets = self.load.and_then(|load| loaded.offsets.get(load)).cloned().flatten();
        offsets.unwrap_or_else(OffsetBuffer::new_empty)
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        self.spans.iter().map(|span| span.len() as usize).sum()
    }
}

/// A node's own column, and what its elements are.
fn column(node: &Node) -> Option<(&[u32], Target)> {
    match node {
        Node::Number { columns, prim } => Some((columns, Target::Number(*prim))),
        Node::List { ends, .. } | Node::Lengths { ends, .. } => Some((ends, Target::Index)),
        Node::Variant { switch, .. } => Some((switch, Target::Switch)),
        Node::Array { .. } | Node::Record(_) => None,
    }
}
