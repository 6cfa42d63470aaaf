//! Expressions against an oracle that knows one number at a time, and against their own normal form.
#![allow(clippy::unwrap_used, clippy::needless_range_loop, reason = "these are tests")]

use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use fiducial_data::expr::{Environment, Expr, Shape};
use fiducial_physics::functions;
use proptest::prelude::*;

/// An expression as the oracle knows it.
#[derive(Debug, Clone)]
enum Number {
    Literal(f64),
    Event,
    Particle(&'static str),
    Negative(Box<Number>),
    Binary(&'static str, Box<Number>, Box<Number>),
    Call(&'static str, Box<Number>, Box<Number>),
    Root(Box<Number>),
    Where(Box<Condition>, Box<Number>, Box<Number>),
    /// Over the particles; the factor `p` makes the argument jagged.
    Sum(Box<Number>),
    Largest(Box<Number>),
}

#[derive(Debug, Clone)]
enum Condition {
    Flag,
    Between(Box<Number>, Box<Number>, Box<Number>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Nan(Box<Number>),
}

use Condition::{And, Between, Flag, Nan, Not, Or};
use Number::{Binary, Call, Event, Largest, Literal, Negative, Particle, Root, Sum, Where};

/// Three rows with two, no and three particles.
const EVENT: [f64; 3] = [1.5, -2.0, 1e3];
const FLAG: [bool; 3] = [true, false, true];
const P: [&[f64]; 3] = [&[0.5, -3.0], &[], &[7.0, 0.0, 1e-3]];
const Q: [&[f64]; 3] = [&[2.0, f64::INFINITY], &[], &[-1.0, 4.0, f64::NAN]];

/// Text with parentheses everywhere.
impl Number {
    fn text(&self) -> String {
        match self {
            Literal(x) => format!("{x:?}"),
            Event => "e".into(),
            Particle(name) => (*name).into(),
            Negative(x) => format!("(-({}))", x.text()),
            Binary(operator, x, y) => format!("(({}) {operator} ({}))", x.text(), y.text()),
            Call(name, x, y) => format!("np.{name}({}, {})", x.text(), y.text()),
            Root(x) => format!("sqrt({})", x.text()),
            Where(c, x, y) => format!("where({}, {}, {})", c.text(), x.text(), y.text()),
            Sum(x) => format!("sum(({}) * p)", x.text()),
            Largest(x) => format!("max(({}) * p, default=-1)", x.text()),
        }
    }

    fn is_jagged(&self) -> bool {
        match self {
            Particle(_) => true,
            Literal(_) | Event | Sum(_) | Largest(_) => false,
            Negative(x) | Root(x) => x.is_jagged(),
            Binary(_, x, y) | Call(_, x, y) => x.is_jagged() || y.is_jagged(),
            Where(c, x, y) => c.is_jagged() || x.is_jagged() || y.is_jagged(),
        }
    }

    fn value(&self, row: usize, particle: usize) -> f64 {
        let at = |x: &Number| x.value(row, particle);
        match self {
            Literal(x) => *x,
            Event => EVENT[row],
            Particle("p") => P[row][particle],
            Particle(_) => Q[row][particle],
            Negative(x) => -at(x),
            Binary("+", x, y) => at(x) + at(y),
            Binary("-", x, y) => at(x) - at(y),
            Binary("*", x, y) => at(x) * at(y),
            Binary(_, x, y) => at(x) / at(y),
            // The functions have tests of their own; a unit in the last place would grow in what follows.
            Call("hypot", x, y) => of_columns(functions::hypot, at(x), at(y)),
            Call("arctan2", x, y) => of_columns(functions::arctan2, at(x), at(y)),
            Call("minimum", x, y) => -larger(-at(x), -at(y)),
            Call(_, x, y) => larger(at(x), at(y)),
            Root(x) => at(x).sqrt(),
            Where(c, x, y) => {
                if c.value(row, particle) {
                    at(x)
                } else {
                    at(y)
                }
            }
            Sum(x) => {
                P[row].iter().enumerate().map(|(i, p)| x.value(row, i) * p).fold(0.0, |sum, term| sum + term)
            }
            Largest(x) => {
                let values = P[row].iter().enumerate().map(|(i, p)| x.value(row, i) * p);
                values.reduce(larger).unwrap_or(-1.0)
            }
        }
    }
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Flag => "b".into(),
            Between(x, y, z) => format!("(({}) < ({}) <= ({}))", x.text(), y.text(), z.text()),
            And(a, b) => format!("(({}) & ({}))", a.text(), b.text()),
            Or(a, b) => format!("({} or {})", a.text(), b.text()),
            Not(a) => format!("(not ({}))", a.text()),
            Nan(x) => format!("isnan({})", x.text()),
        }
    }

    fn is_jagged(&self) -> bool {
        match self {
            Flag => false,
            Between(x, y, z) => x.is_jagged() || y.is_jagged() || z.is_jagged(),
            And(a, b) | Or(a, b) => a.is_jagged() || b.is_jagged(),
            Not(a) => a.is_jagged(),
            Nan(x) => x.is_jagged(),
        }
    }

    fn value(&self, row: usize, particle: usize) -> bool {
        let at = |x: &Number| x.value(row, particle);
        match self {
            Flag => FLAG[row],
            Between(x, y, z) => at(x) < at(y) && at(y) <= at(z),
            And(a, b) => a.value(row, particle) && b.value(row, particle),
            Or(a, b) => a.value(row, particle) || b.value(row, particle),
            Not(a) => !a.value(row, particle),
            Nan(x) => at(x).is_nan(),
        }
    }
}

fn number() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![
        (0.0..1e4_f64).prop_map(Literal),
        prop_oneof![Just(0.0), Just(1.0), Just(2.0), Just(1e300), Just(9007199254740994.0)].prop_map(Literal),
        Just(Event),
        Just(Particle("p")),
        Just(Particle("q")),
    ];
    leaf.prop_recursive(6, 40, 3, |x| {
        let x = x.prop_map(Box::new).boxed();
        let operator = prop_oneof![Just("+"), Just("-"), Just("*"), Just("/")];
        let name = prop_oneof![Just("hypot"), Just("arctan2"), Just("minimum"), Just("maximum")];
        prop_oneof![
            x.clone().prop_map(Negative),
            (operator, x.clone(), x.clone()).prop_map(|(o, a, b)| Binary(o, a, b)),
            (name, x.clone(), x.clone()).prop_map(|(n, a, b)| Call(n, a, b)),
            x.clone().prop_map(Root),
            x.clone().prop_map(Sum),
            x.clone().prop_map(Largest),
            (condition(x.clone()), x.clone(), x).prop_map(|(c, a, b)| Where(Box::new(c), a, b)),
        ]
    })
}

fn condition(x: BoxedStrategy<Box<Number>>) -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        Just(Flag),
        (x.clone(), x.clone(), x.clone()).prop_map(|(a, b, c)| Between(a, b, c)),
        x.prop_map(Nan),
    ];
    leaf.prop_recursive(3, 8, 2, |c| {
        let c = c.prop_map(Box::new);
        prop_oneof![
            (c.clone(), c.clone()).prop_map(|(a, b)| And(a, b)),
            (c.clone(), c.clone()).prop_map(|(a, b)| Or(a, b)),
            c.prop_map(Not),
        ]
    })
}

fn batch() -> RecordBatch {
    let list = |rows: [&[f64]; 3]| -> ArrayRef {
        let rows = rows.map(|row| Some(row.iter().map(|x| Some(*x)).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
    };
    let field = Arc::new(Field::new("item", list(P).data_type().clone(), false));
    RecordBatch::try_from_iter([
        ("e", Arc::new(Float64Array::from(EVENT.to_vec())) as ArrayRef),
        ("b", Arc::new(BooleanArray::from(FLAG.to_vec())) as ArrayRef),
        ("p", list(P)),
        ("q", list(Q)),
        ("i", Arc::new(Int64Array::from(vec![-1, i64::MIN, 1]))),
        ("n", Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1, 0, 2]), list(P), None))),
    ])
    .unwrap()
}

/// The larger number, the second of equal ones: of 0 and -0 that decides on which side a quotient or an angle falls.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a > b {
        a
    } else {
        b
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// What a careless hand may type: pieces of the language in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "e",
        "b",
        "p",
        "q",
        "missing",
        "1",
        "2.5",
        "(",
        ")",
        "[",
        "]",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "<",
        "==",
        "&",
        "|",
        "~",
        "and",
        "or",
        "not",
        ",",
        ":",
        "sum(",
        "max(",
        "where(",
        "np.hypot(",
        "default=",
        "axis=",
        "keepdims=True",
        "n",
        "i",
        "p4(",
        "pt=",
        "eta=",
        "phi=",
        "mass=",
        "combinations(",
        "cartesian(",
        "nested=True",
        "concatenate(",
        "argsort(",
        "argmax(",
        "local_index(",
        "flatten(",
        "cluster_jets(",
        "R=0.4",
        "algorithm=\"kt\"",
        "record(",
        ".a",
        ".pt",
        ".",
        "p[:, 1:]",
        "[:2]",
        "[0]",
        "x=",
        "3",
        "9223372036854775807",
        "`",
        "é",
    ]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.join(" "))
}

fn of_columns(function: fn(&[f64], &[f64], &mut [f64]), x: f64, y: f64) -> f64 {
    let mut out = [0.0];
    function(&[x], &[y], &mut out);
    out[0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn evaluation_equals_the_oracle(tree in number()) {
        let batch = batch();
        let expr = Expr::parse(&tree.text()).unwrap();
        let values = expr.evaluate(&Environment::new(&batch)).unwrap();
        prop_assert_eq!(values.is_jagged(), tree.is_jagged());
        let numbers = values.numbers();
        for row in 0..3 {
            let range = values.row_range(row);
            let expected = if tree.is_jagged() { P[row].len() } else { 1 };
            prop_assert_eq!(range.len(), expected);
            for (particle, place) in range.enumerate() {
                let (ours, oracle) = (numbers[place], tree.value(row, particle));
                prop_assert!(same(ours, oracle), "{}\nrow {}: {} and {}", tree.text(), row, ours, oracle);
            }
        }
        if let Shape::Jagged(levels) = values.shape() {
            prop_assert_eq!(levels.len(), 1);
            prop_assert_eq!(&levels[0][..], &[0, 2, 2, 5]);
        }
    }

    /// Truths are counted in words where lists are short: lists of up to 150 items, of a batch that begins anywhere in a longer one.
    #[test]
    fn truths_of_lists_are_those_of_their_items(
        lists in prop::collection::vec(prop::collection::vec(-3_i8..4, 0..150), 1..12),
        empty in 0_usize..12,
        first in 0_usize..12,
    ) {
        let mut lists = lists;
        lists.insert(empty.min(lists.len()), Vec::new());
        let first = first.min(lists.len() - 1);
        let column = ListArray::from_iter_primitive::<Float64Type, _, _>(
            lists.iter().map(|list| Some(list.iter().map(|x| Some(f64::from(*x))))),
        );
        let batch = RecordBatch::try_from_iter([("p", Arc::new(column) as ArrayRef)]).unwrap();
        let batch = batch.slice(first, lists.len() - first);
        let evaluate = |text: &str| {
            let values = Expr::parse(text).unwrap().evaluate(&Environment::new(&batch)).unwrap();
            values.numbers().to_vec()
        };
        let expected = |f: fn(&[i8]) -> usize| lists[first..].iter().map(|list| f(list) as f64).collect::<Vec<_>>();
        let positive = |list: &[i8]| list.iter().filter(|x| **x > 0).count();
        prop_assert_eq!(evaluate("sum(p > 0)"), expected(positive));
        prop_assert_eq!(evaluate("sum(0 < p)"), expected(positive));
        prop_assert_eq!(evaluate("sum(p * p > p)"), expected(|list| list.iter().filter(|x| **x * **x > **x).count()));
        prop_assert_eq!(evaluate("any(p > 2)"), expected(|list| usize::from(list.contains(&3))));
        prop_assert_eq!(evaluate("all(p > -3)"), expected(|list| usize::from(!list.contains(&-3))));
    }

    #[test]
    fn the_normal_form_is_the_same_expression(tree in number()) {
        let expr = Expr::parse(&tree.text()).unwrap();
        let normal = expr.to_string();
        let again = Expr::parse(&normal).unwrap();
        prop_assert_eq!(&again, &expr, "{}", normal);
        prop_assert_eq!(again.to_string(), normal);
    }

    #[test]
    fn no_text_panics(text in prop_oneof![soup(), "\\PC{0,40}", ".{0,40}"]) {
        let batch = batch();
        match Expr::parse(&text) {
            Ok(expr) => {
                let normal = expr.to_string();
                prop_assert_eq!(Expr::parse(&normal).unwrap_or_else(|e| panic!("{text}\n{e}")), expr.clone());
                if let Err(error) = expr.evaluate(&Environment::new(&batch)) {
                    prop_assert!(!error.to_string().is_empty());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
