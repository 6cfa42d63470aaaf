//! The expression language: Python-like arithmetic over the columns of an Arrow batch.
//!
//! A batch holds one row for each event (or jet), and a list column holds one item for each particle. An expression
//! works on all rows at once. A value is one number for all (*scalar*), one for each event (*event*), or one for each
//! particle (*jagged*); scalars broadcast over events, and events over their particles. Two jagged values must have
//! equal numbers of particles in every row.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{ArrayRef, Float32Array, ListArray, RecordBatch, types::Float32Type};
//! use fiducial_data::expr::{Environment, Expr};
//!
//! let part_pt = ListArray::from_iter_primitive::<Float32Type, _, _>([
//!     Some(vec![Some(300.0), Some(100.0)]),
//!     Some(vec![Some(250.0)]),
//! ]);
//! let batch = RecordBatch::try_from_iter([
//!     ("jet_pt", Arc::new(Float32Array::from(vec![400.0, 500.0])) as ArrayRef),
//!     ("part_pt", Arc::new(part_pt) as ArrayRef),
//! ])?;
//! let environment = Environment::new(&batch);
//!
//! let fraction = Expr::parse("part_pt / jet_pt")?.evaluate(&environment)?;
//! assert_eq!(fraction.numbers().as_ref(), [0.75, 0.25, 0.5]);
//! assert_eq!(fraction.row_range(0), 0..2);
//!
//! let error = Expr::parse("part_pt / jet_p")?.evaluate(&environment).unwrap_err();
//! assert_eq!(error.position(), 11);
//! assert_eq!(error.hint(), Some("did you mean `jet_pt`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Numbers
//! All arithmetic is done in 64-bit floats. Whole numbers are exact up to 2^53; a column that holds a larger one is an
//! error, so that an event number is never rounded in silence. Booleans stay booleans, and count as 0 and 1 where
//! a number is wanted; `&`, `|`, `~`, `and`, `or` and `not` want booleans. Division by zero and the like give infinities
//! and NaN, as in NumPy. A null is an error that names the column and the row.
//!
//! # Grammar
//! Precedence is Python's: `or`, `and`, `not`, comparisons (which chain: `550 < jet_pt < 650`), `|`, `&`, `+ -`,
//! `* / // %`, signs and `~`, `**`, then calls and indices. Since `&` binds tighter than comparisons, these stand in
//! parentheses: `(a > 1) & (b < 2)`. A name may hold dots (`Jet.PT`); any other column name stands in backquotes.
//! [`functions`] lists the functions, which may carry the prefixes `np.`, `ak.` and `math.`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod environment;
mod error;
mod evaluate;
mod functions;
mod kernels;
mod lexer;
mod parser;
mod values;

pub use environment::{DefinitionError, Definitions, Environment};
pub use error::ExprError;
pub(crate) use error::near_names;
pub use functions::{FunctionInfo, functions};
pub use values::{Data, Shape, Values};

use error::Stage;

/// A place in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    And,
    Or,
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::And => "&",
            Self::Or => "|",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    const ALL: [(&'static str, Self); 6] = [
        ("<", Self::Less),
        ("<=", Self::LessEqual),
        (">", Self::Greater),
        (">=", Self::GreaterEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
    ];

    fn of(symbol: &str) -> Option<Self> {
        Self::ALL.iter().find(|(s, _)| *s == symbol).map(|(_, comparison)| *comparison)
    }

    fn symbol(self) -> &'static str {
        Self::ALL.iter().find(|(_, c)| *c == self).map_or("", |(symbol, _)| symbol)
    }
}

/// One operation. It takes its operands from the results of the steps before it.
#[derive(Debug, Clone)]
enum Node {
    Number(f64),
    Boolean(bool),
    Column(String),
    Negate,
    Not,
    Binary(Operator),
    /// `n` comparisons of `n + 1` neighbours.
    Compare(Vec<Comparison>),
    Call {
        function: &'static functions::Function,
        arity: usize,
    },
    /// `x[i]`: one item of each list.
    Index(i64),
    /// `x[mask]`: the items where the mask holds.
    Filter,
}

impl Node {
    fn arity(&self) -> usize {
        match self {
            Self::Number(_) | Self::Boolean(_) | Self::Column(_) => 0,
            Self::Negate | Self::Not | Self::Index(_) => 1,
            Self::Binary(_) | Self::Filter => 2,
            Self::Compare(chain) => chain.len() + 1,
            Self::Call { arity, .. } => *arity,
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.to_bits() == b.to_bits(),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Column(a), Self::Column(b)) => a == b,
            (Self::Negate, Self::Negate) | (Self::Not, Self::Not) | (Self::Filter, Self::Filter) => true,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::Compare(a), Self::Compare(b)) => a == b,
            (Self::Call { function: f, arity: m }, Self::Call { function: g, arity: n }) => {
                f.name == g.name && m == n
            }
            (Self::Index(a), Self::Index(b)) => a == b,
            _ => false,
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    node: Node,
    span: Span,
}

/// A parsed expression.
///
/// It is kept as a list of steps in post-order rather than as a tree, so that a sum of ten thousand terms is evaluated,
/// shown and dropped without recursion. Two expressions are equal when their steps are, whatever their spelling.
///
/// ```
/// use fiducial_data::expr::Expr;
///
/// let expr: Expr = "np.hypot(px,py) > 10 and not veto".parse()?;
/// assert_eq!(expr.to_string(), "(hypot(px, py) > 10) & ~veto");
/// assert_eq!(expr.columns().into_iter().collect::<Vec<_>>(), ["px", "py", "veto"]);
/// # Ok::<(), fiducial_data::expr::ExprError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expr {
    text: String,
    steps: Vec<Step>,
}

impl Expr {
    /// Parses a text of at most 64 KiB.
    ///
    /// # Errors
    /// Where the text is no expression, with the position.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let steps = parser::parse(text).map_err(|fault| {
            let shown = if text.len() > parser::MAX_TEXT { "" } else { text };
            fault.at(Stage::Parse, shown)
        })?;
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The expression that is one column, whatever its name.
    pub fn column(name: &str) -> Self {
        let text = quoted(name);
        let span = Span::new(0, text.len());
        Self { text, steps: vec![Step { node: Node::Column(name.to_owned()), span }] }
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the columns that the expression reads.
    pub fn columns(&self) -> BTreeSet<String> {
        let columns = self.steps.iter().filter_map(|step| match &step.node {
            Node::Column(name) => Some(name.clone()),
            _ => None,
        });
        columns.collect()
    }

    /// Evaluates the expression on all rows of the environment's batch.
    ///
    /// # Errors
    /// Where a column is missing, holds a null or has a type that is no number, where shapes do not fit, and where a list
    /// is too short; each with the place in the text and, where one is to blame, the row.
    pub fn evaluate(&self, environment: &Environment<'_>) -> Result<Values, ExprError> {
        evaluate::evaluate(self, environment)
    }
}

/// A column's name as it stands in an expression. A name that holds a backquote cannot be written at all.
fn quoted(name: &str) -> String {
    let plain = lexer::is_plain_name(name)
        && !parser::is_reserved(name)
        && !matches!(name, "True" | "False")
        && functions::constant(name).is_none();
    if plain { name.to_owned() } else { format!("`{name}`") }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(a, b)| a.node == b.node)
    }
}

impl FromStr for Expr {
    type Err = ExprError;

    fn from_str(text: &str) -> Result<Self, ExprError> {
        Self::parse(text)
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// In normal form: prefixes dropped, no parentheses but those needed, `and`, `or` and `not` as `&`, `|` and `~`.
/// Parsing it again gives an equal expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Binding strengths: comparison 1, `|` 2, `&` 3, sum 4, product 5, sign 6, power 7, atom 8.
        const SIGN: u8 = 6;
        const ATOM: u8 = 8;
        fn at_least((text, strength): (String, u8), minimum: u8) -> String {
            if strength < minimum { format!("({text})") } else { text }
        }
        let mut stack: Vec<(String, u8)> = Vec::new();
        for Step { node, .. } in &self.steps {
            let mut operands = stack.split_off(stack.len().saturating_sub(node.arity())).into_iter();
            let mut operand = |minimum| operands.next().map_or_else(String::new, |o| at_least(o, minimum));
            let shown = match node {
                Node::Number(value) if value.is_nan() => ("np.nan".to_owned(), ATOM),
                Node::Number(value) if value.is_infinite() => ("np.inf".to_owned(), ATOM),
                Node::Number(value) => {
                    let text = format!("{value:?}");
                    // Larger whole numbers keep their point: without it the parser refuses them as inexact.
                    let whole = (*value <= values::EXACT).then(|| text.strip_suffix(".0")).flatten();
                    (whole.unwrap_or(&text).to_owned(), ATOM)
                }
                Node::Boolean(value) => (if *value { "True" } else { "False" }.to_owned(), ATOM),
                Node::Column(name) => (quoted(name), ATOM),
                Node::Negate => (format!("-{}", operand(SIGN)), SIGN),
                Node::Not => (format!("~{}", operand(SIGN)), SIGN),
                Node::Binary(operator) => {
                    let (left, right, strength) = match operator {
                        Operator::Or => (2, 3, 2),
                        Operator::And => (3, 4, 3),
                        Operator::Add | Operator::Subtract => (4, 5, 4),
                        Operator::Power => (ATOM, SIGN, 7),
                        _ => (5, 6, 5),
                    };
                    let mut text = operand(left);
                    text.push_str(&format!(" {} ", operator.symbol()));
                    text.push_str(&operand(right));
                    (text, strength)
                }
                Node::Compare(chain) => {
                    let mut text = operand(2);
                    for comparison in chain {
                        text.push_str(&format!(" {} {}", comparison.symbol(), operand(2)));
                    }
                    (text, 1)
                }
                Node::Call { function, arity } => {
                    let mut text = format!("{}(", function.name);
                    for i in 0..*arity {
                        text.push_str(if i > 0 { ", " } else { "" });
                        text.push_str(if i == function.parameters.len() { "default=" } else { "" });
                        text.push_str(&operand(0));
                    }
                    text.push(')');
                    (text, ATOM)
                }
                Node::Index(index) => (format!("{}[{index}]", operand(ATOM)), ATOM),
                Node::Filter => (format!("{}[{}]", operand(ATOM), operand(0)), ATOM),
            };
            stack.push(shown);
        }
        f.write_str(stack.last().map_or("", |(text, _)| text))
    }
}
