//! `x[0]`, `x[1:3]`, `x[mask]`, `x[index]`: items of lists.
//!
//! Axis 0 are the rows, which are taken whole, axis 1 the particles, and so on inwards. Items of an axis that is not the last
//! are lists, which are taken along.

use arrow_buffer::{BooleanBuffer, OffsetBuffer};

use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::node::{Item, Span};
use super::value::{Content, Value};
use super::values::{Data, Kind, Shape};

/// Some items of an axis.
struct Picked {
    /// Their numbers, counted over all rows.
    items: Vec<u32>,
    /// The lists in which they stand from now on.
    levels: Vec<OffsetBuffer<i32>>,
}

impl Machine<'_> {
    pub(super) fn subscript(
        &self,
        items: &[Item],
        operands: Vec<Operation>,
        span: Span,
    ) -> Result<Value, Fault> {
        let mut operands = operands.into_iter();
        let mut x = operands.next().ok_or_else(|| Fault::missing(span))?;
        let mut axis = 1;
        for item in items {
            let before = x.value.shape.depth();
            let value = match item {
                Item::At(index) => self.at_constant(&x, axis, *index, span)?,
                Item::Slice(from, to) => self.slice(&x, axis, *from, *to)?,
                Item::Value => {
                    let operand = operands.next().ok_or_else(|| Fault::missing(span))?;
                    let alone = items.len() == 1;
                    match self.data(&operand)?.kind() {
                        Kind::Boolean => self.mask(&x, &operand)?,
                        Kind::Integer => self.at_index(&x, axis, alone, &operand, span)?,
                        Kind::Float => {
                            let message = format!(
                                "{} holds numbers where booleans are wanted, or integers as an index",
                                self.source(operand.span)
                            );
                            return Err(Fault::new(operand.span, message)
                                .hint("compare with a number for a mask; `int(x)` gives integers"));
                        }
                    }
                }
            };
            if value.shape.depth() == before {
                axis += 1;
            }
            x = Operation { value, span: x.span };
        }
        Ok(x.value)
    }

    /// The lists of an axis.
    pub(super) fn lists<'v>(
        &self,
        x: &'v Operation,
        axis: usize,
        what: &str,
    ) -> Result<&'v OffsetBuffer<i32>, Fault> {
        x.value.shape.levels().get(axis - 1).ok_or_else(|| {
            let (source, shape) = (self.source(x.span), x.value.shape.name());
            let wanted = if axis == 1 { "a list per row" } else { "lists of lists" };
            Fault::new(x.span, format!("{what} wants {wanted}, but {source} is {shape}"))
        })
    }

    fn at_constant(&self, x: &Operation, axis: usize, index: i64, span: Span) -> Result<Value, Fault> {
        let offsets = self.lists(x, axis, "an index")?;
        let outer = &x.value.shape.levels()[..axis - 1];
        let mut items = Vec::with_capacity(offsets.len() - 1);
        for (list, bounds) in offsets.windows(2).enumerate() {
            let (start, end) = (i64::from(bounds[0]), i64::from(bounds[1]));
            let place = if index < 0 { end.saturating_add(index) } else { start.saturating_add(index) };
            if !(start..end).contains(&place) {
                return Err(self.outside(x, outer, list, index, end - start, span));
            }
            items.push(place as u32);
        }
        Ok(take(&x.value, axis, Picked { items, levels: outer.to_vec() }))
    }

    fn outside(
        &self,
        x: &Operation,
        outer: &[OffsetBuffer<i32>],
        list: usize,
        index: i64,
        length: i64,
        span: Span,
    ) -> Fault {
        self.at_item(&Shape::of_levels(outer.to_vec()), list, |row| {
            let source = self.source(x.span);
            let message =
                format!("index {index} is outside {source}, which has {length} values in row {row}");
            Fault::new(span, message)
                .hint("select rows with enough particles first, or use `first(x, default=0)`")
        })
    }

    fn slice(&self, x: &Operation, axis: usize, from: Option<i64>, to: Option<i64>) -> Result<Value, Fault> {
        let offsets = self.lists(x, axis, "a slice")?;
        if from.is_none() && to.is_none() {
            return Ok(x.value.clone());
        }
        let mut kept = Vec::with_capacity(offsets.len());
        kept.push(0_i32);
        let mut items = Vec::new();
        for bounds in offsets.windows(2) {
            let length = i64::from(bounds[1] - bounds[0]);
            // As in Python, bounds beyond the end are cut.
            let clamp = |bound: i64| {
                let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
                bound.clamp(0, length) as i32
            };
            let (from, to) = (clamp(from.unwrap_or(0)), clamp(to.unwrap_or(length)));
            items.extend((bounds[0] + from..bounds[0] + to.max(from)).map(|item| item as u32));
            kept.push(items.len() as i32);
        }
        let mut levels = x.value.shape.levels()[..axis - 1].to_vec();
        levels.push(OffsetBuffer::new(kept.into()));
        Ok(take(&x.value, axis, Picked { items, levels }))
    }

    /// The items where a mask holds; the depth of the mask says which axis it is for.
    fn mask(&self, x: &Operation, mask: &Operation) -> Result<Value, Fault> {
        self.lists(x, 1, "a mask in brackets")?;
        let offsets = self.lists(mask, 1, "a mask in brackets")?;
        let levels = mask.value.shape.levels();
        if levels.len() > x.value.shape.levels().len() {
            let (x, shape) = (self.source(x.span), x.value.shape.name());
            let message = format!(
                "the mask {} is {}, but {x} is {shape}",
                self.source(mask.span),
                mask.value.shape.name()
            );
            return Err(Fault::new(mask.span, message));
        }
        self.check_levels(x, mask)?;
        let axis = levels.len();
        let keep = self.booleans(mask, &mask.value.shape)?;
        let innermost = levels.last().unwrap_or(offsets);
        let mut outer = levels[..axis - 1].to_vec();
        outer.push(kept(innermost, &keep));
        if let (Content::Plain(data), true) = (&x.value.content, axis == x.value.shape.levels().len()) {
            let content = Content::Plain(filter(data, &keep));
            return Ok(Value { content, shape: Shape::of_levels(outer), unit: x.value.unit.clone() });
        }
        let items = keep.set_indices().map(|item| item as u32).collect();
        Ok(take(&x.value, axis, Picked { items, levels: outer }))
    }

    fn at_index(
        &self,
        x: &Operation,
        axis: usize,
        alone: bool,
        index: &Operation,
        span: Span,
    ) -> Result<Value, Fault> {
        let Data::Integers(values) = self.data(index)? else { return Err(Fault::missing(span)) };
        let offsets = self.lists(x, axis, "an index")?;
        let depth = index.value.shape.depth();
        if let (0, Some(value)) = (depth, values.first()) {
            return self.at_constant(x, axis, *value, span);
        }
        if alone && depth > 1 && x.value.shape.depth() > 2 {
            let (x, index) = (self.source(x.span), self.source(index.span));
            let message = format!(
                "{x} is a list of lists per row, and {index} could count the lists or what is in them"
            );
            return Err(Fault::new(span, message)
                .hint("write `x[:, index]` for the lists, `x[:, :, index]` for what is in them"));
        }
        if depth != axis && depth != axis + 1 {
            let message = format!(
                "the index {} is {}, which does not go with {}, {}",
                self.source(index.span),
                index.value.shape.name(),
                self.source(x.span),
                x.value.shape.name()
            );
            return Err(Fault::new(span, message)
                .hint("an index is one value per list, or a list of values per list"));
        }
        let outer = &x.value.shape.levels()[..axis - 1];
        // Lists of an index may have any length, those around them not.
        let own = Shape::of_levels(index.value.shape.levels()[..axis - 1].to_vec());
        let around = Operation { value: Value { shape: own, ..index.value.clone() }, span: index.span };
        self.check_levels(x, &around)?;
        let lists = index.value.shape.levels().get(axis - 1);
        let mut items = Vec::with_capacity(values.len());
        for (list, bounds) in offsets.windows(2).enumerate() {
            let length = i64::from(bounds[1] - bounds[0]);
            let range = lists.map_or(list..list + 1, |lists| lists[list] as usize..lists[list + 1] as usize);
            for value in &values[range] {
                if !(0..length).contains(value) {
                    return Err(self.outside_index(x, outer, list, *value, length, span));
                }
                items.push((i64::from(bounds[0]) + value) as u32);
            }
        }
        let levels = index.value.shape.levels().to_vec();
        Ok(take(&x.value, axis, Picked { items, levels }))
    }

    fn outside_index(
        &self,
        x: &Operation,
        outer: &[OffsetBuffer<i32>],
        list: usize,
        value: i64,
        length: i64,
        span: Span,
    ) -> Fault {
        let fault = self.outside(x, outer, list, value, length, span);
        if value < 0 {
            // Often -1 stands for "no match": counting it from the end would take the wrong particle in silence.
            return fault.hint(
                "an index that is computed does not count from the end; drop what is negative: `i[i >= 0]`",
            );
        }
        fault
    }
}

/// Items of an axis, with all that is in them.
fn take(value: &Value, axis: usize, picked: Picked) -> Value {
    let Picked { mut items, mut levels } = picked;
    for offsets in &value.shape.levels()[axis..] {
        let (lists, inner) = expand(offsets, &items);
        levels.push(lists);
        items = inner;
    }
    Value {
        content: value.content.gather(&items.into()),
        shape: Shape::of_levels(levels),
        unit: value.unit.clone(),
    }
}

/// Lists picked by number: their lengths, and the numbers of their items.
fn expand(offsets: &OffsetBuffer<i32>, lists: &[u32]) -> (OffsetBuffer<i32>, Vec<u32>) {
    let mut ends = Vec::with_capacity(lists.len() + 1);
    let mut items = Vec::new();
    ends.push(0);
    for list in lists {
        let list = *list as usize;
        items.extend(offsets[list] as u32..offsets[list + 1] as u32);
        ends.push(items.len() as i32);
    }
    (OffsetBuffer::new(ends.into()), items)
}

/// How many items are left in each list.
fn kept(offsets: &OffsetBuffer<i32>, keep: &BooleanBuffer) -> OffsetBuffer<i32> {
    let mut ends = Vec::with_capacity(offsets.len());
    let mut end = 0;
    ends.push(0);
    for bounds in offsets.windows(2) {
        // Lists are short: looking at each bit beats setting up a count over words.
        end += (bounds[0]..bounds[1]).map(|i| i32::from(keep.value(i as usize))).sum::<i32>();
        ends.push(end);
    }
    OffsetBuffer::new(ends.into())
}

fn filter(data: &Data, keep: &BooleanBuffer) -> Data {
    match data {
        Data::Numbers(values) => Data::Numbers(keep.set_indices().map(|i| values[i]).collect()),
        Data::Integers(values) => Data::Integers(keep.set_indices().map(|i| values[i]).collect()),
        Data::Booleans(values) => {
            let kept: Vec<bool> = keep.set_indices().map(|i| values.value(i)).collect();
            Data::Booleans(kept.into())
        }
    }
}
