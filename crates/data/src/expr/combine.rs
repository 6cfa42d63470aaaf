//! New lists out of lists: combinations, pairs, one behind the other.

use std::sync::Arc;

use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, OffsetBuffer, ScalarBuffer};

use super::broadcast::compose;
use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::four_vectors::{CARTESIAN, FourVectors};
use super::node::{Call, Span};
use super::reduce::innermost;
use super::value::{Content, Fields, Index, Named, Record, Value};
use super::values::{Data, Kind, Shape, total};

/// Most items that one batch may be combined into, so that a typing error does not ask for more memory than there is.
const MAX_ITEMS: usize = 1 << 26;
/// Deepest nesting of records.
const MAX_RECORDS: usize = 16;
/// Names of the fields of combinations.
const LETTERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn named(name: &str, operand: &Operation, content: Content) -> Named {
    Named { name: name.to_owned(), content, unit: operand.value.unit.clone() }
}

fn record_value(machine: &Machine<'_>, fields: Fields, shape: Shape, span: Span) -> Result<Value, Fault> {
    if fields.depth > MAX_RECORDS {
        let message = format!("{} nests records more than {MAX_RECORDS} deep", machine.source(span));
        return Err(Fault::new(span, message));
    }
    let content = Content::Record(Record { fields: Arc::new(fields), index: None });
    Ok(Value { content, shape, unit: None })
}

fn too_many(machine: &Machine<'_>, span: Span) -> Fault {
    let message = format!("{} makes more than {MAX_ITEMS} items of one batch", machine.source(span));
    Fault::new(span, message).hint("drop particles first, `x[x.pt > 20]`, or use smaller batches")
}

/// `record(a=x, b=y)`
pub(super) fn record(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let shape = machine.common_shape(operands)?;
    let fields = call.names.iter().zip(operands);
    let fields = fields.map(|(name, operand)| named(name, operand, machine.spread(operand, &shape)));
    let fields = Fields::of_named(machine.length(&shape), fields.collect());
    record_value(machine, fields, shape, span)
}

/// `0, 1, 2, ...` within each list.
pub(super) fn local_index(machine: &Machine<'_>, x: &Operation) -> Result<Value, Fault> {
    machine.lists(x, 1, "an index of items")?;
    let mut indices = Vec::with_capacity(x.value.content.len());
    if let Some(offsets) = x.value.shape.levels().last() {
        for length in offsets.lengths() {
            indices.extend(0..length as i64);
        }
    }
    Ok(Value::plain(Data::Integers(indices.into()), x.value.shape.clone()))
}

/// `combinations(x, n)`
pub(super) fn combinations(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, n] = operands else { return Err(Fault::missing(span)) };
    let count = match &n.value {
        Value { content: Content::Plain(Data::Integers(values)), shape: Shape::Scalar, .. } => values.first(),
        _ => None,
    };
    let count = count.and_then(|n| usize::try_from(*n).ok()).filter(|n| (2..=LETTERS.len()).contains(n));
    let Some(count) = count else {
        let message = format!("how many to combine is a whole number from 2 to {}", LETTERS.len());
        return Err(Fault::new(n.span, message));
    };
    let levels = innermost(machine, call, x, "a combination")?;
    let Some((offsets, outer)) = levels.split_last() else { return Err(Fault::missing(span)) };
    let mut ends = Vec::with_capacity(offsets.len());
    let mut end = 0_usize;
    ends.push(0);
    for length in offsets.lengths() {
        end = choices(length, count)
            .and_then(|choices| end.checked_add(choices))
            .filter(|end| *end <= MAX_ITEMS)
            .ok_or_else(|| too_many(machine, span))?;
        ends.push(end as i32);
    }
    let mut indices: Vec<Vec<u32>> = vec![Vec::with_capacity(end); count];
    for bounds in offsets.windows(2) {
        choose(bounds[0] as u32..bounds[1] as u32, &mut indices);
    }
    let indices = indices.into_iter().map(Index::from);
    let fields =
        LETTERS.iter().zip(indices).map(|(name, index)| named(name, x, x.value.content.gather(&index)));
    let mut levels = outer.to_vec();
    levels.push(OffsetBuffer::new(ends.into()));
    record_value(machine, Fields::of_named(end, fields.collect()), Shape::of_levels(levels), span)
}

/// How many choices of `count` items there are; none where there are too many to count.
fn choices(length: usize, count: usize) -> Option<usize> {
    if length < count {
        return Some(0);
    }
    (0..count).try_fold(1_usize, |choices, i| Some(choices.checked_mul(length - i)? / (i + 1)))
}

/// Appends all choices, the last index running fastest.
fn choose(items: std::ops::Range<u32>, indices: &mut [Vec<u32>]) {
    let end = items.end;
    match indices {
        // Two and three are what physics asks for most. Lists are short, so that single pushes beat whole ranges.
        [a, b] => {
            for i in items {
                for j in i + 1..end {
                    a.push(i);
                    b.push(j);
                }
            }
        }
        [a, b, c] => {
            for i in items {
                for j in i + 1..end {
                    for k in j + 1..end {
                        a.push(i);
                        b.push(j);
                        c.push(k);
                    }
                }
            }
        }
        [first, rest @ ..] => {
            for i in items {
                choose(i + 1..end, rest);
                first.resize(rest.last().map_or(0, Vec::len), i);
            }
        }
        [] => {}
    }
}

/// `cartesian(x, y)`
pub(super) fn cartesian(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let [x, y] = operands else {
        return Err(Fault::new(span, format!("pairs are made of two lists, found {}", operands.len())));
    };
    let (left, right) = (innermost(machine, call, x, "a pair")?, innermost(machine, call, y, "a pair")?);
    let (Some((first, outer)), Some((second, other))) = (left.split_last(), right.split_last()) else {
        return Err(Fault::missing(span));
    };
    check_outer(machine, x, outer, y, other)?;
    let mut count = 0_usize;
    for (a, b) in first.lengths().zip(second.lengths()) {
        count = a
            .checked_mul(b)
            .and_then(|pairs| count.checked_add(pairs))
            .filter(|count| *count <= MAX_ITEMS)
            .ok_or_else(|| too_many(machine, span))?;
    }
    // Lists are short: single numbers are written, to places that are there already.
    let (mut a, mut b, mut next) = (vec![0; count], vec![0; count], 0);
    let nested = call.flag("nested", false);
    let lists = if nested { total(first) } else { first.len() - 1 };
    let mut ends = Vec::with_capacity(lists + 1);
    ends.push(0);
    for (xs, ys) in first.windows(2).zip(second.windows(2)) {
        for i in xs[0]..xs[1] {
            for j in ys[0]..ys[1] {
                (a[next], b[next]) = (i as u32, j as u32);
                next += 1;
            }
            if nested {
                ends.push(next as i32);
            }
        }
        if !nested {
            ends.push(next as i32);
        }
    }
    let mut levels = outer.to_vec();
    if nested {
        levels.push(first.clone());
    }
    levels.push(OffsetBuffer::new(ends.into()));
    let name = |i: usize| call.names.get(i).map_or(LETTERS[i], String::as_str);
    let fields = vec![
        named(name(0), x, x.value.content.gather(&a.into())),
        named(name(1), y, y.value.content.gather(&b.into())),
    ];
    record_value(machine, Fields::of_named(count, fields), Shape::of_levels(levels), span)
}

/// Checks that what stands around two lists is the same.
fn check_outer(
    machine: &Machine<'_>,
    x: &Operation,
    outer: &[OffsetBuffer<i32>],
    y: &Operation,
    other: &[OffsetBuffer<i32>],
) -> Result<(), Fault> {
    if outer.len() != other.len() {
        let (a, b) = (machine.source(x.span), machine.source(y.span));
        let message = format!("{a} is {} and {b} is {}", x.value.shape.name(), y.value.shape.name());
        return Err(Fault::new(y.span, message));
    }
    let around = |operand: &Operation, levels: &[OffsetBuffer<i32>]| Operation {
        value: Value { shape: Shape::of_levels(levels.to_vec()), ..operand.value.clone() },
        span: operand.span,
    };
    machine.check_levels(&around(x, outer), &around(y, other))
}

/// `flatten(x)`: the two innermost levels as one.
pub(super) fn flatten(machine: &Machine<'_>, x: Operation) -> Result<Value, Fault> {
    let [outer @ .., first, second] = x.value.shape.levels() else {
        let (source, shape) = (machine.source(x.span), x.value.shape.name());
        let message = format!("flattening wants a list of lists per row, but {source} is {shape}");
        return Err(
            Fault::new(x.span, message).hint("rows stay rows: a list per row has nothing left to flatten")
        );
    };
    let mut levels = outer.to_vec();
    levels.push(compose(first, second));
    Ok(Value { shape: Shape::of_levels(levels), ..x.value })
}

/// `concatenate(x, y, ...)`
pub(super) fn concatenate(
    machine: &Machine<'_>,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let unit = machine.same_unit(operands, span)?;
    let Some((x, rest)) = operands.split_first() else { return Err(Fault::missing(span)) };
    let levels = innermost(machine, call, x, "concatenating")?;
    let Some((_, outer)) = levels.split_last() else { return Err(Fault::missing(span)) };
    let mut offsets = Vec::with_capacity(operands.len());
    for operand in operands {
        let levels = innermost(machine, call, operand, "concatenating")?;
        let Some((last, other)) = levels.split_last() else { return Err(Fault::missing(span)) };
        check_outer(machine, x, outer, operand, other)?;
        offsets.push(last);
    }
    let mut content = x.value.content.clone();
    for operand in rest {
        content = joined(machine, &content, &operand.value.content, operand)?;
    }
    if content.len() > MAX_ITEMS {
        return Err(too_many(machine, span));
    }
    // Where the items of each operand begin in the joined content.
    let starts: Vec<u32> = operands
        .iter()
        .scan(0, |start, operand| {
            let this = *start;
            *start += operand.value.content.len() as u32;
            Some(this)
        })
        .collect();
    let mut items: Vec<u32> = Vec::with_capacity(content.len());
    let mut ends = Vec::with_capacity(offsets[0].len());
    ends.push(0);
    for list in 0..offsets[0].len() - 1 {
        for (start, offsets) in starts.iter().zip(&offsets) {
            for item in offsets[list]..offsets[list + 1] {
                items.push(start + item as u32);
            }
        }
        ends.push(items.len() as i32);
    }
    let mut levels = outer.to_vec();
    levels.push(OffsetBuffer::new(ends.into()));
    Ok(Value { content: content.gather(&items.into()), shape: Shape::of_levels(levels), unit })
}

/// All items of one, then all of another.
fn joined(machine: &Machine<'_>, a: &Content, b: &Content, operand: &Operation) -> Result<Content, Fault> {
    let unlike = |what: String| {
        Fault::new(
            operand.span,
            format!("{} does not go with what stands before it: {what}", machine.source(operand.span)),
        )
    };
    let (a, b) = match (a, b) {
        (Content::Plain(a), Content::Plain(b)) => {
            let floats = a.kind().max(b.kind()) == Kind::Float;
            if floats && (a.first_inexact().is_some() || b.first_inexact().is_some()) {
                return Err(unlike("one holds integers beyond 2^53, the other floats".to_owned()));
            }
            return Ok(Content::Plain(joined_data(a, b)));
        }
        (Content::Record(a), Content::Record(b)) => (a, b),
        _ => return Err(unlike("one holds numbers, the other records".to_owned())),
    };
    let names =
        |record: &Record| record.fields.named.iter().map(|named| named.name.clone()).collect::<Vec<_>>();
    let (left, right) = (names(a), names(b));
    if left.len() != right.len() || left.iter().any(|name| !right.contains(name)) {
        return Err(unlike(format!("its fields are {right:?}, the others {left:?}")));
    }
    let mut fields = Vec::with_capacity(left.len());
    for name in left {
        if let (Some((x, ux)), Some((y, uy))) = (a.named(&name), b.named(&name)) {
            if let (Some(x), Some(y)) = (&ux, &uy)
                && x != y
            {
                return Err(unlike(format!("the field `{name}` is in {y}, the other in {x}")));
            }
            fields.push(Named { content: joined(machine, &x, &y, operand)?, unit: ux.or(uy), name });
        }
    }
    let length = a.len() + b.len();
    let mut result = Fields::of_named(length, fields);
    match (a.view(), b.view()) {
        (Some(x), Some(y)) => {
            let (ux, uy) = (&a.fields.unit, &b.fields.unit);
            if let (Some(x), Some(y)) = (ux, uy)
                && x != y
            {
                return Err(unlike(format!("it is in {y}, the other in {x}")));
            }
            let native = if x.base.native() == y.base.native() { x.base.native() } else { CARTESIAN };
            let columns = native.map(|quantity| {
                let (x, y) = (x.column(quantity), y.column(quantity));
                x.iter().chain(y.iter()).copied().collect::<ScalarBuffer<f64>>()
            });
            result.unit = ux.clone().or_else(|| uy.clone());
            result.vector = Some(Arc::new(FourVectors::new(native, columns)));
        }
        (None, None) => {}
        _ => return Err(unlike("one is a four-vector, the other not".to_owned())),
    }
    Ok(Content::Record(Record { fields: Arc::new(result), index: None }))
}

fn joined_data(a: &Data, b: &Data) -> Data {
    fn chain<T: ArrowNativeType>(a: &[T], b: &[T]) -> ScalarBuffer<T> {
        a.iter().chain(b).copied().collect()
    }
    match (a, b, a.kind().max(b.kind())) {
        (Data::Booleans(a), Data::Booleans(b), _) => {
            let mut builder = BooleanBufferBuilder::new(a.len() + b.len());
            builder.append_buffer(a);
            builder.append_buffer(b);
            Data::Booleans(builder.finish())
        }
        (_, _, Kind::Float) => Data::Numbers(chain(&a.floats(), &b.floats())),
        _ => {
            let whole = |data: &Data| match data {
                Data::Integers(values) => values.clone(),
                other => other.floats().iter().map(|value| *value as i64).collect(),
            };
            Data::Integers(chain(&whole(a), &whole(b)))
        }
    }
}
