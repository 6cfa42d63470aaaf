//! The table of functions.

use std::hash::{Hash, Hasher};

use super::broadcast::Operand;
use super::error::Fault;
use super::evaluate::{Machine, Operation};
use super::node::{Call, Span};
use super::value::Value;

mod elementwise;
mod energy_flow;
mod events;
mod jets;
mod lists;
mod particles;
mod per_list;
mod substructure;
mod vectors;

pub(super) use vectors::native_of;

/// A function of the language. Several may share a name and differ in what they take.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Other names, as NumPy, awkward, `vector` and Python's `math` have them.
    pub(super) aliases: &'static [&'static str],
    pub(super) parameters: &'static [&'static str],
    pub(super) rest: Rest,
    pub(super) settings: &'static [(&'static str, Setting)],
    pub(super) summary: &'static str,
    pub(super) action: Action,
}

/// What a function takes beside its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    /// More positional arguments.
    Positional,
    /// Arguments with any name.
    Named,
}

/// What may stand behind a name in a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setting {
    /// An expression.
    Value,
    /// An axis, which is the innermost.
    Axis,
    /// True or False, with the default.
    Flag(bool),
    /// A number, with the default as it is shown.
    Number(&'static str),
    /// One of these words; the first is the default.
    Word(&'static [&'static str]),
}

/// What is done with the unit of the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitRule {
    /// All must have the same, which is the result's: `minimum`.
    Same,
    /// All must have the same, and the result has none: `arctan2`.
    Ratio,
    /// The result has none: `sqrt`.
    None,
}

#[derive(Clone, Copy)]
pub(super) enum Action {
    /// Floats to floats, in place.
    Unary(UnitRule, fn(&mut [f64])),
    /// Floats of one common length to floats.
    Floats(UnitRule, fn(&[Operand<f64>], usize) -> Vec<f64>),
    /// As above, and for integers alone to integers.
    Numbers(fn(&[Operand<f64>], usize) -> Vec<f64>, fn(&[Operand<i64>], usize) -> Vec<i64>),
    /// Anything else of one operand, whose memory may be used again.
    One(fn(&Machine<'_>, &Call, Operation, Span) -> Result<Value, Fault>),
    /// Anything else.
    Run(fn(&Machine<'_>, &Call, &[Operation], Span) -> Result<Value, Fault>),
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Action")
    }
}

/// Each function stands once in the tables.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Function {
    /// How it is called: `clip(x, low, high)`.
    pub(super) fn signature(&self) -> String {
        let mut parts: Vec<String> = self.parameters.iter().map(|name| (*name).to_owned()).collect();
        match self.rest {
            Rest::Nothing => {}
            Rest::Positional => parts.push("...".to_owned()),
            Rest::Named => parts.push("name=value, ...".to_owned()),
        }
        let settings = self.settings.iter().filter_map(|(name, setting)| match setting {
            Setting::Value => Some(format!("{name}=value")),
            Setting::Axis => None,
            Setting::Flag(default) => Some(format!("{name}={}", if *default { "True" } else { "False" })),
            Setting::Number(default) => Some(format!("{name}={default}")),
            Setting::Word(words) => Some(format!("{name}=\"{}\"", words.first()?)),
        });
        let settings: Vec<String> = settings.collect();
        let optional =
            if settings.is_empty() { String::new() } else { format!("[, {}]", settings.join(", ")) };
        format!("{}({}{optional})", self.name, parts.join(", "))
    }

    /// Whether it can be called with so many positional arguments.
    pub(super) fn takes(&self, positional: usize) -> bool {
        match self.rest {
            Rest::Nothing => positional == self.parameters.len(),
            Rest::Positional => positional >= self.parameters.len(),
            Rest::Named => positional == self.parameters.len() || positional == 0,
        }
    }

    /// Whether its arguments may stand in a list, as awkward wants them: `ak.concatenate([x, y], axis=1)`.
    pub(super) fn takes_a_list(&self) -> bool {
        ["concatenate", "cartesian"].contains(&self.name)
    }

    pub(super) fn setting(&self, name: &str) -> Option<(&'static str, Setting)> {
        self.settings.iter().find(|(known, _)| *known == name).copied()
    }
}

/// An entry of a table: name, other names, parameters, summary, action.
macro_rules! function {
    ($name:literal $([$($alias:literal),+])?, ($($parameter:literal),*), $summary:literal, $action:expr) => {
        function!($name $([$($alias),+])?, ($($parameter),*), Rest::Nothing, [], $summary, $action)
    };
    ($name:literal $([$($alias:literal),+])?, ($($parameter:literal),*), $rest:expr, [$(($setting:literal, $kind:expr)),*],
        $summary:literal, $action:expr) => {
        Function {
            name: $name,
            aliases: &[$($($alias),+)?],
            parameters: &[$($parameter),*],
            rest: $rest,
            settings: &[$(($setting, $kind)),*],
            summary: $summary,
            action: $action,
        }
    };
}
use function;

/// The tables, in the order of the documentation, each with its heading.
static TABLES: [(&str, &[Function]); 8] = [
    ("Numbers", elementwise::FUNCTIONS),
    ("Lists", lists::FUNCTIONS),
    ("Four-vectors", vectors::FUNCTIONS),
    ("Jets", jets::FUNCTIONS),
    ("Substructure", substructure::FUNCTIONS),
    ("Events and pile-up", events::FUNCTIONS),
    ("Energy flow", energy_flow::FUNCTIONS),
    ("Particles", particles::FUNCTIONS),
];

fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().flat_map(|(_, functions)| functions.iter())
}

/// A function of the language, for tables and help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// What it is about, such as "Numbers" or "Jets".
    pub group: &'static str,
    /// How it is called: `clip(x, low, high)`.
    pub signature: String,
    /// What it gives, in a few words.
    pub summary: &'static str,
}

/// All functions, in the order of the documentation. Some names stand twice, with different arguments.
///
/// ```
/// let names: Vec<&str> = fiducial_data::expr::functions().iter().map(|f| f.name).collect();
/// assert!(names.contains(&"hypot"));
/// ```
pub fn functions() -> Vec<FunctionInfo> {
    let info = |group, f: &Function| FunctionInfo {
        name: f.name,
        aliases: f.aliases,
        group,
        signature: f.signature(),
        summary: f.summary,
    };
    TABLES.iter().flat_map(|(group, functions)| functions.iter().map(|f| info(*group, f))).collect()
}

/// The name without the prefix of a Python package, and whether there was one.
fn without_prefix(name: &str) -> (&str, bool) {
    ["np.", "numpy.", "ak.", "awkward.", "math."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .map_or((name, false), |bare| (bare, true))
}

/// All functions of a name.
pub(super) fn find(name: &str) -> impl Iterator<Item = &'static Function> {
    let (bare, _) = without_prefix(name);
    all().filter(move |f| f.name == bare || f.aliases.contains(&bare))
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|f| f.name)
}

/// `np.pi` and its like. They need a prefix, since `e` and `pi` are good names for columns.
pub(super) fn constant(name: &str) -> Option<f64> {
    match without_prefix(name) {
        ("pi", true) => Some(std::f64::consts::PI),
        ("e", true) => Some(std::f64::consts::E),
        ("inf", true) => Some(f64::INFINITY),
        ("nan", true) => Some(f64::NAN),
        _ => None,
    }
}
