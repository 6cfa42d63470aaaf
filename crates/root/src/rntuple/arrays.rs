//! Arrow arrays from loaded columns.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, ListArray, PrimitiveArray, StringArray, StructArray, UInt8Array,
    UInt32Array, types,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use arrow_select::take::take;

use super::Ntuple;
use super::load::Span;
use super::node::{Lists, Member, Node, variant_fields};
use super::read::{Loaded, Work};
use crate::build::booleans;
use crate::decode;
use crate::error::Result;
use crate::prim::Prim;

/// The array of a node whose columns are loaded.
pub(crate) fn array(ntuple: &Ntuple, work: &Work<'_>, loaded: &Loaded) -> Result<ArrayRef> {
    let children =
        || work.children.iter().map(|child| array(ntuple, child, loaded)).collect::<Result<Vec<_>>>();
    let arrow = |error: ArrowError| ntuple.broken(error.to_string());
    match work.node {
        Node::Number { prim, .. } => Ok(numbers(*prim, work.buffer(loaded))),
        Node::Lengths { wide, .. } => {
            let lengths = work.offsets(loaded);
            let lengths = lengths.lengths();
            Ok(match wide {
                true => {
                    Arc::new(PrimitiveArray::<types::UInt64Type>::from_iter_values(lengths.map(|n| n as u64)))
                }
                false => Arc::new(UInt32Array::from_iter_values(lengths.map(|n| n as u32))),
            })
        }
        Node::List { item, of, .. } => {
            let offsets = work.offsets(loaded);
            let values = first(ntuple, children()?)?;
            if offsets.last().copied() != i32::try_from(values.len()).ok() {
                return Err(ntuple.broken(format!(
                    "its lists end at {:?} of {} items",
                    offsets.last(),
                    values.len()
                )));
            }
            match of {
                Lists::Items => Ok(Arc::new(
                    ListArray::try_new(item.field("item"), offsets, values, None).map_err(arrow)?,
                )),
                Lists::Text => {
                    let text = StringArray::try_new(offsets, values.to_data().buffers()[0].clone(), None);
                    Ok(Arc::new(text.map_err(|e| ntuple.broken(format!("its text is not UTF-8: {e}")))?))
                }
                Lists::Optional => optional(ntuple, &offsets, values),
                Lists::Streamed(shape) => {
                    let (values, place) = (values.to_data(), &ntuple.place);
                    decode::streamed(shape, &values.buffers()[0], &offsets, place)?.finish(
                        shape,
                        place,
                        ntuple.blobs.file.pool(),
                    )
                }
            }
        }
        Node::Array { size, item } => {
            let values = first(ntuple, children()?)?;
            let array =
                FixedSizeListArray::try_new_with_length(item.field("item"), *size, values, None, work.len());
            Ok(Arc::new(array.map_err(arrow)?))
        }
        Node::Record(members) => {
            let fields = members.iter().map(|Member { name, node, .. }| node.field(&**name)).collect();
            let array = StructArray::try_new_with_length(fields, children()?, None, work.len());
            Ok(Arc::new(array.map_err(arrow)?))
        }
        Node::Variant { items, .. } => {
            let rows = work.buffer(loaded);
            let mut columns = vec![tags(ntuple, &rows, items.len())?];
            for (i, (child, values)) in work.children.iter().zip(children()?).enumerate() {
                let indices = positions(ntuple, work, child, &rows, i)?;
                columns.push(take(&values, &indices, None).map_err(arrow)?);
            }
            let array = StructArray::try_new_with_length(variant_fields(items), columns, None, work.len());
            Ok(Arc::new(array.map_err(arrow)?))
        }
    }
}

fn first(ntuple: &Ntuple, arrays: Vec<ArrayRef>) -> Result<ArrayRef> {
    arrays.into_iter().next().ok_or_else(|| ntuple.broken("a list has no items".into()))
}

fn numbers(prim: Prim, buffer: Buffer) -> ArrayRef {
    macro_rules! array {
        ($arrow:ty) => {
            Arc::new(PrimitiveArray::<$arrow>::new(ScalarBuffer::from(buffer), None))
        };
    }
    match prim {
        Prim::Bool => Arc::new(booleans(&buffer)),
        Prim::I8 => array!(types::Int8Type),
        Prim::U8 => array!(types::UInt8Type),
        Prim::I16 => array!(types::Int16Type),
        Prim::U16 => array!(types::UInt16Type),
        Prim::I32 => array!(types::Int32Type),
        Prim::U32 => array!(types::UInt32Type),
        Prim::I64 => array!(types::Int64Type),
        Prim::U64 => array!(types::UInt64Type),
        Prim::F32 => array!(types::Float32Type),
        // The builder makes no packed numbers: their columns hold plain ones.
        Prim::F64 | Prim::Packed(_) => array!(types::Float64Type),
    }
}

/// Of the ends of lists: where the first list of a span starts, the ends of its lists, and the ends that belong to later
/// spans.
pub(crate) fn ends<'a>(ends: &'a [[u8; 8]], span: &Span) -> (u64, &'a [[u8; 8]], &'a [[u8; 8]]) {
    let before = usize::from(span.range.start > 0);
    let (own, later) = ends.split_at((span.len() as usize + before).min(ends.len()));
    let start = own.first().filter(|_| before > 0).map_or(0, |end| u64::from_le_bytes(*end));
    (start, own.get(before..).unwrap_or_default(), later)
}

/// The offsets of the lists of all spans, one after the other.
pub(crate) fn offsets(ntuple: &Ntuple, spans: &[Span], buffer: &Buffer) -> Result<OffsetBuffer<i32>> {
    let mut rest = buffer.as_chunks::<8>().0;
    let mut out = Vec::with_capacity(rest.len() + 1);
    out.push(0);
    let mut total = 0u64;
    for span in spans {
        let (start, own, later) = ends(rest, span);
        rest = later;
        // Arrow's lists count with 32 bits. What does not fit shows in the last end, as long as none is below the one before.
        let (base, mut last, mut falls) = (total.wrapping_sub(start), start, false);
        out.extend(own.iter().map(|end| {
            let end = u64::from_le_bytes(*end);
            falls |= end < last;
            last = end;
            base.wrapping_add(end) as i32
        }));
        if falls {
            return Err(ntuple.broken(format!("in cluster {} a list ends before it starts", span.cluster)));
        }
        total = total.saturating_add(last - start);
        if i32::try_from(total).is_err() {
            let reason =
                format!("{total} items are more than a list column can hold: read fewer entries at once");
            return Err(ntuple.broken(reason));
        }
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(out)))
}

/// Lists of one item or none as values that may be missing.
fn optional(ntuple: &Ntuple, offsets: &OffsetBuffer<i32>, values: ArrayRef) -> Result<ArrayRef> {
    if let Some(n) = offsets.lengths().find(|&n| n > 1) {
        return Err(ntuple.broken(format!("an optional value holds {n} items")));
    }
    if offsets.len() == values.len() + 1 {
        return Ok(values);
    }
    let valid = BooleanBuffer::collect_bool(offsets.len() - 1, |i| offsets[i] < offsets[i + 1]);
    let at: Vec<u32> = offsets[..offsets.len() - 1].iter().map(|&at| at as u32).collect();
    let indices = UInt32Array::new(at.into(), Some(NullBuffer::new(valid)));
    take(&values, &indices, None).map_err(|error| ntuple.broken(error.to_string()))
}

/// Where a variant's value is among those of its type, and which type that is.
pub(crate) fn switch(row: &[u8; 12]) -> (u64, u32) {
    let [a, b, c, d, e, f, g, h, tag @ ..] = *row;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes(tag))
}

fn tags(ntuple: &Ntuple, rows: &Buffer, alternatives: usize) -> Result<ArrayRef> {
    let tag = |row: &[u8; 12]| match switch(row).1 {
        tag if tag as usize <= alternatives => Ok(tag as u8),
        tag => Err(ntuple.broken(format!("a variant of {alternatives} types holds type {tag}"))),
    };
    let tags = rows.as_chunks().0.iter().map(tag).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(UInt8Array::from(tags)))
}

/// For each entry of a variant its position among the values of one type, or nothing where it holds another.
fn positions(
    ntuple: &Ntuple,
    work: &Work<'_>,
    child: &Work<'_>,
    rows: &Buffer,
    i: usize,
) -> Result<UInt32Array> {
    let mut rest = rows.as_chunks::<12>().0;
    let mut out = Vec::with_capacity(work.len());
    let mut before = 0;
    for (span, values) in work.spans.iter().zip(&child.spans) {
        let (own, later) = rest.split_at((span.len() as usize).min(rest.len()));
        rest = later;
        for row in own {
            let (at, tag) = switch(row);
            if tag as usize != i + 1 {
                out.push(None);
                continue;
            }
            let at = values.range.contains(&at).then(|| before + (at - values.range.start));
            match at.and_then(|at| u32::try_from(at).ok()) {
                Some(at) => out.push(Some(at)),
                None => return Err(ntuple.broken("a variant points to a value that is not there".into())),
            }
        }
        before += values.len();
    }
    Ok(UInt32Array::from(out))
}
