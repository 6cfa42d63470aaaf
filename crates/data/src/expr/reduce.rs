//! What goes over the items of each list: sums, extremes, sorting. The innermost lists are meant always.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, OffsetBuffer, ScalarBuffer};

use super::broadcast::Operand;
use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::four_vectors::{CARTESIAN, FourVectors, View};
use super::kernels;
use super::node::{Call, Span};
use super::value::{Content, Value};
use super::values::{Data, Kind, Shape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    Sum,
    Any,
    All,
    Min,
    Max,
    Mean,
    Product,
    Variance,
    Deviation,
    Count,
    First,
    ArgMin,
    ArgMax,
}

/// The ranges of the items of each list.
fn ranges(offsets: &OffsetBuffer<i32>) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
    offsets.windows(2).map(|list| list[0] as usize..list[1] as usize)
}

/// How many items of a list are true. Those of a short one are counted in a word.
fn true_items(items: &BooleanBuffer, list: &Range<usize>) -> usize {
    match list.len() {
        0 => return 0,
        1..=56 => {}
        _ => return items.slice(list.start, list.len()).count_set_bits(),
    }
    let first = items.offset() + list.start;
    match items.values().get(first / 8..).and_then(|bytes| bytes.first_chunk()) {
        Some(word) => {
            let bits = u64::from_le_bytes(*word) >> (first % 8) & ((1 << list.len()) - 1);
            bits.count_ones() as usize
        }
        None => list.clone().filter(|&item| items.value(item)).count(),
    }
}

/// One value for each list.
struct Reducer<'a> {
    machine: &'a Machine<'a>,
    x: &'a Operation,
    offsets: &'a OffsetBuffer<i32>,
    /// Of the result.
    shape: Shape,
    default: Option<&'a Operation>,
    span: Span,
}

pub(super) fn reduce(
    machine: &Machine<'_>,
    reduction: Reduction,
    call: &Call,
    operands: &[Operation],
    span: Span,
) -> Result<Value, Fault> {
    let (Some(x), default) = (operands.first(), operands.get(1)) else { return Err(Fault::missing(span)) };
    let levels = innermost(machine, call, x, "a reduction")?;
    let Some((offsets, outer)) = levels.split_last() else { return Err(Fault::missing(span)) };
    let shape = Shape::of_levels(outer.to_vec());
    if let Some(default) = default {
        check_default(machine, default, &shape)?;
    }
    let reducer = Reducer { machine, x, offsets, shape, default, span };
    let unit = x.value.unit.clone();
    match reduction {
        Reduction::Count => {
            let counts = offsets.lengths().map(|length| length as i64);
            Ok(Value::plain(Data::Integers(counts.collect()), reducer.shape))
        }
        Reduction::Any | Reduction::All => reducer.truth(reduction),
        Reduction::Sum => reducer.sum().map(|value| value.with_unit(unit)),
        Reduction::Mean => reducer.moment(mean).map(|value| value.with_unit(unit)),
        Reduction::Variance => reducer.moment(variance),
        Reduction::Deviation => {
            reducer.moment(|list| variance(list).sqrt()).map(|value| value.with_unit(unit))
        }
        Reduction::Product => reducer.product(),
        Reduction::First => reducer.first().map(|value| value.with_unit(unit)),
        Reduction::Min | Reduction::Max => reducer.extreme(reduction).map(|value| value.with_unit(unit)),
        Reduction::ArgMin | Reduction::ArgMax => reducer.place(reduction, call.flag("keepdims", false)),
    }
}

/// The levels of a value that has lists; an axis that was named must be the innermost.
pub(super) fn innermost<'x>(
    machine: &Machine<'_>,
    call: &Call,
    x: &'x Operation,
    what: &str,
) -> Result<&'x [OffsetBuffer<i32>], Fault> {
    machine.lists(x, 1, what)?;
    let levels = x.value.shape.levels();
    match call.integer("axis") {
        Some(axis) if axis != levels.len() as i64 => {
            let message = format!(
                "axis {axis} of {} is not its innermost, which is {}",
                machine.source(x.span),
                levels.len()
            );
            Err(Fault::new(x.span, message).hint("leave `axis` out: all goes over the innermost lists"))
        }
        _ => Ok(levels),
    }
}

fn check_default(machine: &Machine<'_>, default: &Operation, shape: &Shape) -> Result<(), Fault> {
    if default.value.shape.depth() > shape.depth() {
        let (source, found) = (machine.source(default.span), default.value.shape.name());
        let message = format!("a default is one value per row or list that is left, but {source} is {found}");
        return Err(Fault::new(default.span, message));
    }
    let around = Value { shape: shape.clone(), ..default.value.clone() };
    machine.check_levels(&Operation { value: around, span: default.span }, default)
}

impl Reducer<'_> {
    fn empty_list(&self, list: usize) -> Fault {
        self.machine.at_item(&self.shape, list, |row| {
            let source = self.machine.source(self.x.span);
            Fault::new(self.span, format!("{source} has no values in row {row}"))
                .hint("give a value for empty lists: `default=0`")
        })
    }

    fn truth(&self, reduction: Reduction) -> Result<Value, Fault> {
        let items = self.machine.booleans(self.x, &self.x.value.shape)?;
        let result: Vec<bool> = ranges(self.offsets)
            .map(|list| match reduction {
                Reduction::Any => true_items(&items, &list) > 0,
                _ => true_items(&items, &list) == list.len(),
            })
            .collect();
        Ok(Value::plain(Data::Booleans(result.into()), self.shape.clone()))
    }

    fn sum(&self) -> Result<Value, Fault> {
        let data = match &self.x.value.content {
            Content::Record(record) => {
                let Some(view) = record.view() else {
                    return self.machine.data(self.x).map(|_| Value::number(0.0));
                };
                let sums = sums_of_vectors(&view, self.offsets);
                return Ok(Value::vectors(sums, self.shape.clone(), record.fields.unit.clone()));
            }
            // From 0: the sum of nothing is 0, where `Iterator::sum` gives -0.
            Content::Plain(Data::Numbers(items)) => Data::Numbers(
                ranges(self.offsets)
                    .map(|list| items[list].iter().fold(0.0, |sum, item| sum + item))
                    .collect(),
            ),
            Content::Plain(Data::Booleans(items)) => {
                Data::Integers(ranges(self.offsets).map(|list| true_items(items, &list) as i64).collect())
            }
            Content::Plain(Data::Integers(items)) => {
                let mut sums = Vec::with_capacity(self.offsets.len() - 1);
                for (i, list) in ranges(self.offsets).enumerate() {
                    let sum = items[list].iter().try_fold(0_i64, |sum, item| sum.checked_add(*item));
                    sums.push(sum.ok_or_else(|| {
                        self.machine.at_item(&self.shape, i, |row| {
                            let source = self.machine.source(self.x.span);
                            Fault::new(
                                self.span,
                                format!("the sum of {source} in row {row} is beyond the largest integer"),
                            )
                        })
                    })?);
                }
                Data::Integers(sums.into())
            }
        };
        Ok(Value::plain(data, self.shape.clone()))
    }

    /// The values that stand for empty lists, for a common kind.
    fn default_kind(&self) -> Result<Kind, Fault> {
        let own = self.machine.kind(self.x)?;
        Ok(match &self.default {
            Some(default) => own.max(self.machine.kind(default)?),
            None => own,
        })
    }

    fn moment(&self, f: impl Fn(&[f64]) -> f64) -> Result<Value, Fault> {
        let items = self.machine.floats(self.x, &self.x.value.shape)?.into_values();
        let default = self.default.map(|d| self.machine.floats(d, &self.shape)).transpose()?;
        let moments = self.each(&items, default.as_ref(), f)?;
        Ok(Value::plain(Data::Numbers(moments), self.shape.clone()))
    }

    fn product(&self) -> Result<Value, Fault> {
        let items = self.machine.floats(self.x, &self.x.value.shape)?.into_values();
        let products = ranges(self.offsets).map(|list| items[list].iter().product()).collect();
        Ok(Value::plain(Data::Numbers(products), self.shape.clone()))
    }

    /// `f` of each list that is not empty.
    fn each<T: ArrowNativeType>(
        &self,
        items: &[T],
        default: Option<&Operand<T>>,
        f: impl Fn(&[T]) -> T,
    ) -> Result<ScalarBuffer<T>, Fault> {
        let mut results = Vec::with_capacity(self.offsets.len() - 1);
        for (i, list) in ranges(self.offsets).enumerate() {
            results.push(match (list.is_empty(), default) {
                (false, _) => f(&items[list]),
                (true, Some(default)) => default.at(i),
                (true, None) => return Err(self.empty_list(i)),
            });
        }
        Ok(results.into())
    }

    fn extreme(&self, reduction: Reduction) -> Result<Value, Fault> {
        let shape = &self.x.value.shape;
        let is_min = reduction == Reduction::Min;
        let default = self.default;
        let data = if self.default_kind()? == Kind::Float {
            let items = self.machine.floats(self.x, shape)?.into_values();
            let default = default.map(|d| self.machine.floats(d, &self.shape)).transpose()?;
            let pick = if is_min { kernels::minimum } else { kernels::maximum };
            Data::Numbers(self.each(&items, default.as_ref(), |list| {
                list.iter().copied().reduce(pick).unwrap_or_default()
            })?)
        } else {
            let items = self.machine.integers(self.x, shape)?.into_values();
            let default = default.map(|d| self.machine.integers(d, &self.shape)).transpose()?;
            let pick = if is_min { i64::min } else { i64::max };
            Data::Integers(self.each(&items, default.as_ref(), |list| {
                list.iter().copied().reduce(pick).unwrap_or_default()
            })?)
        };
        Ok(Value::plain(self.as_booleans(data)?, self.shape.clone()))
    }

    /// Integers again as booleans, where both items and default were booleans.
    fn as_booleans(&self, data: Data) -> Result<Data, Fault> {
        match (self.default_kind()?, &data) {
            (Kind::Boolean, Data::Integers(values)) => {
                Ok(Data::Booleans(BooleanBuffer::collect_bool(values.len(), |i| values[i] != 0)))
            }
            _ => Ok(data),
        }
    }

    fn first(&self) -> Result<Value, Fault> {
        if let (Content::Record(_), None) = (&self.x.value.content, &self.default) {
            let mut items = Vec::with_capacity(self.offsets.len() - 1);
            for (i, list) in ranges(self.offsets).enumerate() {
                if list.is_empty() {
                    let fault = self.empty_list(i);
                    return Err(fault.hint("select rows with enough particles first, or take `x[:1]`"));
                }
                items.push(list.start as u32);
            }
            let content = self.x.value.content.gather(&items.into());
            return Ok(Value { content, shape: self.shape.clone(), unit: None });
        }
        let shape = &self.x.value.shape;
        let default = self.default;
        let data = if self.default_kind()? == Kind::Float {
            let items = self.machine.floats(self.x, shape)?.into_values();
            let default = default.map(|d| self.machine.floats(d, &self.shape)).transpose()?;
            Data::Numbers(self.each(&items, default.as_ref(), |list| list[0])?)
        } else {
            let items = self.machine.integers(self.x, shape)?.into_values();
            let default = default.map(|d| self.machine.integers(d, &self.shape)).transpose()?;
            Data::Integers(self.each(&items, default.as_ref(), |list| list[0])?)
        };
        Ok(Value::plain(self.as_booleans(data)?, self.shape.clone()))
    }

    /// Where the smallest or largest item stands.
    fn place(&self, reduction: Reduction, keep: bool) -> Result<Value, Fault> {
        let is_min = reduction == Reduction::ArgMin;
        let find: Box<dyn Fn(Range<usize>) -> usize> = match self.machine.data(self.x)? {
            Data::Numbers(items) => {
                let before = if is_min { |a: f64, b: f64| a < b } else { |a: f64, b: f64| a > b };
                // As with `min` and in NumPy, NaN wins: the first one.
                Box::new(move |list| best(&items[list], |a, b| !b.is_nan() && (a.is_nan() || before(a, b))))
            }
            Data::Integers(items) => {
                Box::new(move |list| best(&items[list], |a, b| if is_min { a < b } else { a > b }))
            }
            Data::Booleans(items) => Box::new(move |list| {
                let items: Vec<bool> = list.map(|i| items.value(i)).collect();
                best(&items, |a, b| if is_min { !a & b } else { a & !b })
            }),
        };
        if keep {
            let lengths = self.offsets.lengths().map(|length| length.min(1));
            let items = ranges(self.offsets).filter(|list| !list.is_empty()).map(|list| find(list) as i64);
            let mut levels = self.shape.levels().to_vec();
            levels.push(OffsetBuffer::from_lengths(lengths));
            return Ok(Value::plain(Data::Integers(items.collect()), Shape::of_levels(levels)));
        }
        let default = self.default.map(|d| self.machine.integers(d, &self.shape)).transpose()?;
        let mut places = Vec::with_capacity(self.offsets.len() - 1);
        for (i, list) in ranges(self.offsets).enumerate() {
            places.push(match (list.is_empty(), &default) {
                (false, _) => find(list) as i64,
                (true, Some(default)) => default.at(i),
                (true, None) => {
                    let fault = self.empty_list(i);
                    return Err(fault.hint("with `keepdims=True` it is a list, which is empty then"));
                }
            });
        }
        Ok(Value::plain(Data::Integers(places.into()), self.shape.clone()))
    }
}

fn mean(list: &[f64]) -> f64 {
    list.iter().sum::<f64>() / list.len() as f64
}

/// The mean square of what the items differ from their mean by, as NumPy and awkward have it.
fn variance(list: &[f64]) -> f64 {
    let mean = mean(list);
    list.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / list.len() as f64
}

/// The place of the item that comes before all others, the first of equal ones.
fn best<T: Copy>(items: &[T], before: impl Fn(T, T) -> bool) -> usize {
    (1..items.len()).fold(0, |best, i| if before(items[i], items[best]) { i } else { best })
}

fn sums_of_vectors(view: &View, offsets: &OffsetBuffer<i32>) -> FourVectors {
    let columns = CARTESIAN.map(|quantity| {
        let column = view.column(quantity);
        ranges(offsets).map(|list| column[list].iter().fold(0.0, |sum, item| sum + item)).collect()
    });
    FourVectors::new(CARTESIAN, columns)
}

/// Each list in order, or (not `values`) the indices that bring it there.
pub(super) fn sort(machine: &Machine<'_>, call: &Call, x: Operation, values: bool) -> Result<Value, Fault> {
    let levels = innermost(machine, call, &x, "sorting")?;
    let Some(offsets) = levels.last() else { return Err(Fault::missing(x.span)) };
    let ascending = call.flag("ascending", true);
    let order = match machine.data(&x)? {
        Data::Numbers(items) => order(offsets, |a, b| by_number(items[a], items[b], ascending)),
        Data::Integers(items) => order(offsets, |a, b| directed(items[a].cmp(&items[b]), ascending)),
        Data::Booleans(items) => {
            order(offsets, |a, b| directed(items.value(a).cmp(&items.value(b)), ascending))
        }
    };
    let shape = x.value.shape.clone();
    if values {
        return Ok(Value { content: x.value.content.gather(&order.into()), shape, unit: x.value.unit });
    }
    let mut indices = Vec::with_capacity(order.len());
    for list in ranges(offsets) {
        indices.extend(order[list.clone()].iter().map(|item| i64::from(*item) - list.start as i64));
    }
    Ok(Value::plain(Data::Integers(indices.into()), shape))
}

fn directed(ordering: Ordering, ascending: bool) -> Ordering {
    if ascending { ordering } else { ordering.reverse() }
}

fn by_number(a: f64, b: f64, ascending: bool) -> Ordering {
    match a.partial_cmp(&b) {
        Some(ordering) => directed(ordering, ascending),
        // NaN last, whichever way.
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

/// The items of all lists, sorted within each; equal ones stay as they stand.
fn order(offsets: &OffsetBuffer<i32>, compare: impl Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut order: Vec<u32> = (0..offsets.last().map_or(0, |last| *last as u32)).collect();
    for list in ranges(offsets) {
        order[list].sort_by(|a, b| compare(*a as usize, *b as usize));
    }
    order
}
