//! The expression language: Python-like arithmetic over the columns of an Arrow batch.
//!
//! A batch holds one row for each event (or jet), and a list column holds one item for each particle, or lists of items again. An
//! expression works on all rows at once. A value is one number for all (*scalar*), one for each event (*event*), or lists to
//! any depth (*jagged*); scalars broadcast over events, events over their particles, and lists over the lists in them. Two jagged
//! values must have lists of equal lengths. `docs/guides/expressions.md` has the rules with examples, and every function.
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
//! # Four-vectors and combinations
//! Between columns and result stand records: four-vectors, and the pairs that `combinations` and `cartesian` make. A result is numbers.
//!
//! ```
//! # use std::sync::Arc;
//! # use arrow_array::{ArrayRef, ListArray, RecordBatch, types::Float64Type};
//! use fiducial_data::expr::{Definitions, Environment, Expr};
//!
//! let lists = |values: [f64; 3]| -> ArrayRef {
//!     let values = values.map(Some).to_vec();
//!     Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some(values), Some(vec![])]))
//! };
//! let batch = RecordBatch::try_from_iter([
//!     ("pt", lists([45.0, 45.0, 10.0])),
//!     ("eta", lists([0.0, 0.0, 1.0])),
//!     ("phi", lists([0.0, std::f64::consts::PI, 1.0])),
//! ])?;
//! let new = Definitions::new(vec![
//!     ("muons".to_owned(), Expr::parse("p4(pt=pt, eta=eta, phi=phi, mass=0.10566)")?),
//!     ("pairs".to_owned(), Expr::parse("combinations(muons, 2)")?),
//! ])?;
//! let environment = Environment::new(&batch).with_definitions(&new);
//! let mass = Expr::parse("max((pairs.a + pairs.b).mass, default=-1)")?.evaluate(&environment)?;
//! assert!((mass.numbers()[0] - 90.0).abs() < 1e-3);
//! assert_eq!(mass.numbers()[1], -1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Numbers
//! A value holds booleans, 64-bit integers or 64-bit floats. `+ - * // %` and comparisons of integers are exact; all else is
//! computed in 64-bit floats, and an integer beyond 2^53 that would become a float is an error, so that an event number is never
//! rounded in silence. Division by zero and the like give infinities and NaN, as in NumPy; integers that overflow are an error. A
//! null among floats is NaN; any other is an error that names the column and the row.
//!
//! # Grammar
//! Precedence is Python's: `or`, `and`, `not`, comparisons (which chain: `550 < jet_pt < 650`), `|`, `&`, `+ -`,
//! `* / // %`, signs and `~`, `**`, then calls, subscripts and fields. Since `&` binds tighter than comparisons, these stand in
//! parentheses: `(a > 1) & (b < 2)`. A name may hold dots (`Jet.PT`); any other column name stands in backquotes.
//! [`functions`] lists the functions, which may carry the prefixes `np.`, `ak.` and `math.`.
//!
//! # How it is evaluated
//! Steps stand in post-order; each subexpression is computed once, on flat values, and the memory of a result that is needed no more
//! is used again. Lists are a stack of offsets beside the values, shared by all that have them. A record is an index into columns:
//! a mask or a combination of four-vectors moves no momentum, and a sum of four-vectors is computed when a quantity of it is asked for.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod arrow;
mod broadcast;
mod calls;
mod combine;
mod display;
mod environment;
mod error;
mod evaluate;
mod fields;
mod four_vectors;
mod functions;
mod kernels;
mod lexer;
mod node;
mod operators;
mod parser;
mod plan;
mod records;
mod reduce;
mod subscript;
mod value;
mod values;

pub use environment::{DefinitionError, Definitions, Environment};
pub use error::ExprError;
pub(crate) use error::near_names;
pub use functions::{FunctionInfo, functions};
pub(crate) use kernels::vectorised;
pub(crate) use records::{VECTOR_MEMBERS, is_vector};
pub use values::{Data, Shape, Values};

use error::Stage;
use node::{Node, Span, Step};
use plan::Planned;

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
    plan: Vec<Planned>,
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
        Ok(Self { text: text.to_owned(), plan: plan::plan(&steps), steps })
    }

    /// The expression that is one column, whatever its name.
    pub fn column(name: &str) -> Self {
        let text = quoted(name);
        let span = Span::new(0, text.len());
        let steps = vec![Step { node: Node::Column(name.to_owned()), span }];
        Self { text, plan: plan::plan(&steps), steps }
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
