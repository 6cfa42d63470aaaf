//! Lists and lists of lists against an oracle that works on trees, one list at a time.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use fiducial_data::expr::{Environment, Expr, Values};
use proptest::prelude::*;

/// A value as the oracle knows it.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Leaf(f64),
    List(Vec<Tree>),
}

use Tree::{Leaf, List};

impl Tree {
    /// 0 for a number.
    fn depth(&self) -> usize {
        match self {
            Leaf(_) => 0,
            List(items) => 1 + items.iter().map(Tree::depth).max().unwrap_or(0),
        }
    }

    /// Applies `f` to the lists that are `level` levels above the numbers; all lists have depth `depth`.
    fn at_level(&self, depth: usize, level: usize, f: &impl Fn(&[Tree]) -> Tree) -> Tree {
        match self {
            List(items) if depth == level => f(items),
            List(items) => List(items.iter().map(|item| item.at_level(depth - 1, level, f)).collect()),
            Leaf(x) => Leaf(*x),
        }
    }

    fn map(&self, f: &impl Fn(f64) -> f64) -> Tree {
        match self {
            Leaf(x) => Leaf(f(*x)),
            List(items) => List(items.iter().map(|item| item.map(f)).collect()),
        }
    }

    /// `other` may be less deep.
    fn zip(&self, other: &Tree, f: &impl Fn(f64, f64) -> f64) -> Tree {
        match (self, other) {
            (Leaf(x), Leaf(y)) => Leaf(f(*x, *y)),
            (List(a), List(b)) => List(a.iter().zip(b).map(|(a, b)| a.zip(b, f)).collect()),
            (List(a), leaf) => List(a.iter().map(|a| a.zip(leaf, f)).collect()),
            (leaf, List(_)) => leaf.clone(),
        }
    }
}

fn number(tree: &Tree) -> f64 {
    match tree {
        Leaf(x) => *x,
        List(_) => f64::NAN,
    }
}

/// One step of an expression, on what stands before it. `depth` counts the rows as a level: 2 is a list per row.
#[derive(Debug, Clone, Copy)]
enum Op {
    Negate,
    Double,
    AddEvent,
    AddSum,
    Sort,
    SortDown,
    /// Of the particles' axis.
    Slice(i64, i64),
    /// Of the innermost axis.
    SliceInner(i64),
    Keep(f64),
    /// Keeps the lists whose sum is large.
    KeepLists(f64),
    Pairs,
    Products,
    Nested,
    Best,
    Order,
    Twice,
    Flatten,
    Sum,
    Max,
    Count,
}

impl Op {
    fn text(self, x: &str, depth: usize) -> Option<String> {
        let lists = depth >= 2;
        Some(match self {
            Self::Negate => format!("(-{x})"),
            Self::Double => format!("({x} * 2.0)"),
            Self::AddEvent => format!("({x} + e)"),
            Self::AddSum if lists => format!("({x} + sum({x}))"),
            Self::Sort if lists => format!("sort({x})"),
            Self::SortDown if lists => format!("sort({x}, ascending=False)"),
            Self::Slice(from, to) if lists => format!("({x})[:, {from}:{to}]"),
            Self::SliceInner(from) if depth == 2 => format!("({x})[{from}:]"),
            Self::SliceInner(from) if depth == 3 => format!("({x})[:, :, {from}:]"),
            Self::Keep(least) if lists => format!("({x})[{x} > {least:?}]"),
            Self::KeepLists(least) if depth == 3 => format!("({x})[sum({x}) > {least:?}]"),
            Self::Pairs if lists => format!("(combinations({x}, 2).a - combinations({x}, 2).b)"),
            Self::Products if lists => {
                format!("(cartesian({x}, {x}).a * cartesian(left={x}, right={x}).right)")
            }
            Self::Nested if depth == 2 => {
                format!(
                    "max(cartesian({x}, {x}, nested=True).a - cartesian({x}, {x}, nested=True).b, default=0.0)"
                )
            }
            Self::Best if depth == 2 => format!("({x})[argmin({x}, keepdims=True)]"),
            Self::Order if depth == 2 => format!("({x})[argsort(-{x})]"),
            Self::Order if depth == 3 => format!("({x})[:, :, argsort(-{x})]"),
            Self::Twice if lists => format!("concatenate({x}, -{x})"),
            Self::Flatten if depth == 3 => format!("flatten({x})"),
            Self::Sum if lists => format!("sum({x})"),
            Self::Max if lists => format!("max({x}, default=-1.0)"),
            Self::Count if lists => format!("count({x})"),
            _ => return None,
        })
    }

    /// What it makes of all rows, and their depth.
    fn apply(self, x: &Tree, depth: usize, events: &Tree) -> (Tree, usize) {
        let inner = |f: &dyn Fn(&[Tree]) -> Tree| x.at_level(depth, 1, &|items| f(items));
        let sum = |items: &[Tree]| items.iter().map(number).fold(0.0, |sum, item| sum + item);
        let sorted = |items: &[Tree], sign: f64| {
            let mut numbers: Vec<f64> = items.iter().map(number).collect();
            numbers.sort_by(|a, b| (sign * a).partial_cmp(&(sign * b)).unwrap());
            List(numbers.into_iter().map(Leaf).collect())
        };
        let cut = |items: &[Tree], from: i64, to: i64| {
            let length = items.len() as i64;
            let place =
                |bound: i64| (if bound < 0 { bound + length } else { bound }).clamp(0, length) as usize;
            let (from, to) = (place(from), place(to));
            List(items.get(from..to).unwrap_or(&[]).to_vec())
        };
        match self {
            Self::Negate => (x.map(&|x| -x), depth),
            Self::Double => (x.map(&|x| x * 2.0), depth),
            Self::AddEvent => (x.zip(events, &|x, e| x + e), depth),
            Self::AddSum => (x.zip(&inner(&|items| Leaf(sum(items))), &|x, s| x + s), depth),
            Self::Sort => (inner(&|items| sorted(items, 1.0)), depth),
            Self::SortDown | Self::Order => (inner(&|items| sorted(items, -1.0)), depth),
            Self::Slice(from, to) => (x.at_level(depth, depth - 1, &|items| cut(items, from, to)), depth),
            Self::SliceInner(from) => (inner(&|items| cut(items, from, i64::from(i32::MAX))), depth),
            Self::Keep(least) => {
                (inner(&|items| List(items.iter().filter(|x| number(x) > least).cloned().collect())), depth)
            }
            Self::KeepLists(least) => {
                let large = |list: &&Tree| matches!(list, List(items) if sum(items) > least);
                (x.at_level(depth, 2, &|lists| List(lists.iter().filter(large).cloned().collect())), depth)
            }
            Self::Pairs => {
                let pairs = |items: &[Tree]| {
                    let firsts = items.iter().enumerate();
                    let pairs =
                        firsts.flat_map(|(i, a)| items[i + 1..].iter().map(move |b| number(a) - number(b)));
                    List(pairs.map(Leaf).collect())
                };
                (inner(&pairs), depth)
            }
            Self::Products => {
                let all = |items: &[Tree]| {
                    let all = items.iter().flat_map(|a| items.iter().map(move |b| number(a) * number(b)));
                    List(all.map(Leaf).collect())
                };
                (inner(&all), depth)
            }
            Self::Nested => {
                let lowest = |items: &[Tree]| items.iter().map(number).fold(f64::INFINITY, f64::min);
                let each = |items: &[Tree]| {
                    let low = lowest(items);
                    List(items.iter().map(|a| Leaf(number(a) - low)).collect())
                };
                (inner(&each), depth)
            }
            Self::Best => {
                let best = |items: &[Tree]| {
                    let lowest = items.iter().map(number).reduce(f64::min);
                    List(lowest.map(Leaf).into_iter().collect())
                };
                (inner(&best), depth)
            }
            Self::Twice => {
                let twice = |items: &[Tree]| {
                    List(items.iter().cloned().chain(items.iter().map(|x| Leaf(-number(x)))).collect())
                };
                (inner(&twice), depth)
            }
            Self::Flatten => {
                let flat = |lists: &[Tree]| {
                    List(
                        lists
                            .iter()
                            .flat_map(|list| match list {
                                List(items) => items.clone(),
                                Leaf(_) => Vec::new(),
                            })
                            .collect(),
                    )
                };
                (x.at_level(depth, 2, &flat), depth - 1)
            }
            Self::Sum => (inner(&|items| Leaf(sum(items))), depth - 1),
            Self::Max => {
                (inner(&|items| Leaf(items.iter().map(number).reduce(f64::max).unwrap_or(-1.0))), depth - 1)
            }
            Self::Count => (inner(&|items| Leaf(items.len() as f64)), depth - 1),
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    use Op::*;
    let small = -4..5_i64;
    prop_oneof![
        Just(Negate),
        Just(Double),
        Just(AddEvent),
        Just(AddSum),
        Just(Sort),
        Just(SortDown),
        (small.clone(), small.clone()).prop_map(|(a, b)| Slice(a, b)),
        small.prop_map(SliceInner),
        (-50..50_i32).prop_map(|x| Keep(f64::from(x))),
        (-50..50_i32).prop_map(|x| KeepLists(f64::from(x))),
        Just(Pairs),
        Just(Products),
        Just(Nested),
        Just(Best),
        Just(Order),
        Just(Twice),
        Just(Flatten),
        Just(Sum),
        Just(Max),
        Just(Count),
    ]
}

/// Rows of lists of lists of whole numbers, so that sums are exact in any order.
fn rows() -> impl Strategy<Value = Vec<(f64, Vec<Vec<f64>>)>> {
    let number = (-40..40_i32).prop_map(f64::from);
    let inner = prop::collection::vec(number.clone(), 0..4);
    prop::collection::vec((number, prop::collection::vec(inner, 0..4)), 0..5)
}

/// The columns `e`, `p` (the first numbers of the inner lists, where there are some) and `n`.
fn batch(rows: &[(f64, Vec<Vec<f64>>)]) -> RecordBatch {
    let list = |lengths: Vec<usize>, items: ArrayRef| -> ArrayRef {
        let field = Arc::new(Field::new("item", items.data_type().clone(), false));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, None))
    };
    let numbers = |numbers: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(numbers)) };
    let inner: Vec<&Vec<f64>> = rows.iter().flat_map(|row| &row.1).collect();
    let items = inner.iter().flat_map(|list| (*list).clone()).collect();
    let inner = list(inner.iter().map(|list| list.len()).collect(), numbers(items));
    let firsts = |row: &(f64, Vec<Vec<f64>>)| {
        row.1.iter().filter_map(|list| list.first().copied()).collect::<Vec<_>>()
    };
    RecordBatch::try_from_iter([
        ("e", numbers(rows.iter().map(|row| row.0).collect())),
        (
            "p",
            list(
                rows.iter().map(|row| firsts(row).len()).collect(),
                numbers(rows.iter().flat_map(firsts).collect()),
            ),
        ),
        ("n", list(rows.iter().map(|row| row.1.len()).collect(), inner)),
    ])
    .unwrap()
}

/// The result as a tree.
fn tree_of(values: &Values) -> Tree {
    let mut items: Vec<Tree> = values.numbers().iter().map(|x| Leaf(*x)).collect();
    for offsets in values.shape().levels().iter().rev() {
        items =
            offsets.windows(2).map(|ends| List(items[ends[0] as usize..ends[1] as usize].to_vec())).collect();
    }
    List(items)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn lists_of_lists_equal_the_oracle(
        rows in rows(),
        nested in any::<bool>(),
        ops in prop::collection::vec(op(), 1..5),
    ) {
        let events = List(rows.iter().map(|row| Leaf(row.0)).collect());
        let leaves = |numbers: &[f64]| List(numbers.iter().map(|x| Leaf(*x)).collect());
        let (mut text, mut tree, mut depth) = if nested {
            let tree = rows.iter().map(|row| List(row.1.iter().map(|list| leaves(list)).collect()));
            ("n".to_owned(), List(tree.collect()), 3)
        } else {
            let firsts = rows.iter().map(|row| row.1.iter().filter_map(|list| list.first().copied()).collect::<Vec<_>>());
            ("p".to_owned(), List(firsts.map(|list| leaves(&list)).collect()), 2)
        };
        for op in ops {
            // Pairs of pairs grow without bound.
            if let Some(longer) = op.text(&text, depth).filter(|text| text.len() < 3000) {
                (tree, depth) = op.apply(&tree, depth, &events);
                text = longer;
            }
        }
        let batch = batch(&rows);
        let expr = Expr::parse(&text).unwrap();
        let values = expr.evaluate(&Environment::new(&batch)).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(tree_of(&values), tree.clone(), "{}", text);
        prop_assert!(tree.depth() <= depth);
        prop_assert_eq!(values.shape().levels().len() + 1, depth);
        prop_assert_eq!(Expr::parse(&expr.to_string()).unwrap(), expr);
        prop_assert_eq!(values.to_array(rows.len()).len(), rows.len());
    }
}
