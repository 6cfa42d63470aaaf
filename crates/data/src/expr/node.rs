//! What an expression is made of.

use super::functions::{Function, Setting};

/// A place in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operator {
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
    pub(super) fn symbol(self) -> &'static str {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
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

    pub(super) fn of(symbol: &str) -> Option<Self> {
        Self::ALL.iter().find(|(s, _)| *s == symbol).map(|(_, comparison)| *comparison)
    }

    pub(super) fn symbol(self) -> &'static str {
        Self::ALL.iter().find(|(_, c)| *c == self).map_or("", |(symbol, _)| symbol)
    }
}

/// A float as it stands in the text; its bits, so that nodes can be compared and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Float(u64);

impl Float {
    pub(super) fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    pub(super) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// The value of a setting such as `R=0.8` or `algorithm="anti-kt"`, which is known when the text is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    Integer(i64),
    Number(Float),
    Flag(bool),
    Word(&'static str),
}

/// A call of a function. Its operands are the positional arguments, then those with a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) function: &'static Function,
    pub(super) positional: usize,
    /// The names of the other operands.
    pub(super) names: Vec<String>,
    pub(super) settings: Vec<(&'static str, Constant)>,
}

impl Call {
    pub(super) fn arity(&self) -> usize {
        self.positional + self.names.len()
    }

    fn setting(&self, name: &str) -> Option<Constant> {
        self.settings.iter().find(|(n, _)| *n == name).map(|(_, constant)| *constant)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        match self.setting(name) {
            Some(Constant::Flag(flag)) => flag,
            _ => default,
        }
    }

    /// A setting that is a number, or its default in the table of functions.
    pub(super) fn number(&self, name: &str) -> f64 {
        match (self.setting(name), self.function.setting(name)) {
            (Some(Constant::Number(number)), _) => number.get(),
            (None, Some((_, Setting::Number(default)))) => default.parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.setting(name) {
            Some(Constant::Integer(number)) => Some(number),
            _ => None,
        }
    }

    /// A setting that is a word, or its default.
    pub(super) fn word(&self, name: &str) -> &'static str {
        match (self.setting(name), self.function.setting(name)) {
            (Some(Constant::Word(word)), _) => word,
            (None, Some((_, Setting::Word(words)))) => words.first().copied().unwrap_or_default(),
            _ => "",
        }
    }
}

/// What stands between brackets, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    /// `x[2]`, `x[-1]`: one item of each list.
    At(i64),
    /// `x[1:3]`, with bounds that may be missing.
    Slice(Option<i64>, Option<i64>),
    /// `x[mask]`, `x[index]`: an operand.
    Value,
}

/// One operation. It takes its operands from the results of the steps before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Number(Float),
    Integer(i64),
    Boolean(bool),
    Column(String),
    Negate,
    Not,
    Binary(Operator),
    /// `n` comparisons of `n + 1` neighbours.
    Compare(Vec<Comparison>),
    Call(Call),
    /// Items of lists, from the particles' axis inwards.
    Subscript(Vec<Item>),
    /// `x.pt`
    Field(String),
}

impl Node {
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Number(_) | Self::Integer(_) | Self::Boolean(_) | Self::Column(_) => 0,
            Self::Negate | Self::Not | Self::Field(_) => 1,
            Self::Binary(_) => 2,
            Self::Compare(chain) => chain.len() + 1,
            Self::Call(call) => call.arity(),
            Self::Subscript(items) => 1 + items.iter().filter(|item| **item == Item::Value).count(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) node: Node,
    pub(super) span: Span,
}
