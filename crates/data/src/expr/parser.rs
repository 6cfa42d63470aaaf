//! Tokens to steps in post-order: precedence climbing, with Python's precedences.

use super::error::{Fault, near_names};
use super::functions::{self, Function, Kind};
use super::lexer::{Token, tokens};
use super::{Comparison, Node, Operator, Span, Step};

/// Longest text that is parsed, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;

/// Deepest nesting of brackets and unary operators; the parser recurses, so this bounds its use of the stack.
const MAX_DEPTH: usize = 200;

/// Binding strength, weakest first. `&` and `|` bind tighter than comparisons, as in Python.
mod level {
    pub(super) const LOGICAL_OR: u8 = 1;
    pub(super) const LOGICAL_AND: u8 = 2;
    pub(super) const LOGICAL_NOT: u8 = 3;
    pub(super) const COMPARE: u8 = 4;
    pub(super) const OR: u8 = 5;
    pub(super) const AND: u8 = 6;
    pub(super) const SUM: u8 = 7;
    pub(super) const PRODUCT: u8 = 8;
}

pub(super) fn parse(text: &str) -> Result<Vec<Step>, Fault> {
    if text.len() > MAX_TEXT {
        let message = format!("the text has {} bytes, more than the {MAX_TEXT} that are allowed", text.len());
        return Err(Fault::new(Span::new(0, 0), message));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, steps: Vec::new() };
    if parser.tokens.len() == 1 {
        return Err(Fault::new(Span::new(0, text.len()), "the expression is empty"));
    }
    parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(parser.steps),
        Token::Symbol("=") => Err(parser.unexpected("the end").hint("equality is `==`")),
        Token::Symbol("^") => Err(parser.unexpected("the end").hint("a power is `**`")),
        Token::Name(name) if name == "if" => {
            Err(parser.unexpected("the end").hint("use `where(condition, a, b)`"))
        }
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    next: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(Span::new(0, 0), |(_, span)| *span)
    }

    fn advance(&mut self) -> Span {
        let span = self.span();
        self.next += 1;
        span
    }

    fn take(&mut self, symbol: &str) -> Option<Span> {
        matches!(self.peek(), Token::Symbol(s) if *s == symbol).then(|| self.advance())
    }

    fn expect(&mut self, symbol: &str) -> Result<Span, Fault> {
        self.take(symbol).ok_or_else(|| self.unexpected(&format!("`{symbol}`")))
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.peek() {
            Token::Number(value) => format!("`{value}`"),
            Token::Name(name) => format!("`{name}`"),
            Token::Quoted(name) => format!("`{name}`"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end".to_owned(),
        };
        Fault::new(self.span(), format!("expected {wanted}, found {found}"))
    }

    fn emit(&mut self, node: Node, span: Span) -> Span {
        self.steps.push(Step { node, span });
        span
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::new(self.span(), format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// An expression whose operators bind at least as tightly as `minimum`.
    fn expression(&mut self, minimum: u8) -> Result<Span, Fault> {
        self.deeper(|parser| {
            let mut left = match parser.peek() {
                Token::Name(name) if name == "not" && minimum <= level::LOGICAL_NOT => {
                    let start = parser.advance();
                    let operand = parser.expression(level::LOGICAL_NOT)?;
                    parser.emit(Node::Not, start.to(operand))
                }
                _ => parser.unary()?,
            };
            while let Some((level, operator)) = parser.operator() {
                if level < minimum {
                    break;
                }
                left = if level == level::COMPARE {
                    parser.comparisons(left)?
                } else {
                    parser.advance();
                    let right = parser.expression(level + 1)?;
                    parser.emit(Node::Binary(operator), left.to(right))
                };
            }
            Ok(left)
        })
    }

    /// The binary operator that comes next; of comparisons the level alone counts.
    fn operator(&self) -> Option<(u8, Operator)> {
        Some(match self.peek() {
            Token::Name(name) if name == "or" => (level::LOGICAL_OR, Operator::Or),
            Token::Name(name) if name == "and" => (level::LOGICAL_AND, Operator::And),
            Token::Symbol("|") => (level::OR, Operator::Or),
            Token::Symbol("&") => (level::AND, Operator::And),
            Token::Symbol("+") => (level::SUM, Operator::Add),
            Token::Symbol("-") => (level::SUM, Operator::Subtract),
            Token::Symbol("*") => (level::PRODUCT, Operator::Multiply),
            Token::Symbol("/") => (level::PRODUCT, Operator::Divide),
            Token::Symbol("//") => (level::PRODUCT, Operator::FloorDivide),
            Token::Symbol("%") => (level::PRODUCT, Operator::Remainder),
            Token::Symbol(symbol) if Comparison::of(symbol).is_some() => (level::COMPARE, Operator::And),
            _ => return None,
        })
    }

    /// `a < b <= c`: all neighbours must hold, each operand is computed once.
    fn comparisons(&mut self, first: Span) -> Result<Span, Fault> {
        let mut chain = Vec::new();
        let mut last = first;
        while let Token::Symbol(symbol) = self.peek()
            && let Some(comparison) = Comparison::of(symbol)
        {
            self.advance();
            chain.push(comparison);
            last = self.expression(level::COMPARE + 1)?;
        }
        Ok(self.emit(Node::Compare(chain), first.to(last)))
    }

    /// Signs and `~`, which bind weaker than `**`: `-x**2` is `-(x**2)`.
    fn unary(&mut self) -> Result<Span, Fault> {
        self.deeper(|parser| {
            for (symbol, node) in [("-", Some(Node::Negate)), ("~", Some(Node::Not)), ("+", None)] {
                if let Some(start) = parser.take(symbol) {
                    let operand = parser.unary()?;
                    let span = start.to(operand);
                    return Ok(node.map_or(span, |node| parser.emit(node, span)));
                }
            }
            let base = parser.postfix()?;
            if parser.take("**").is_none() {
                return Ok(base);
            }
            let exponent = parser.unary()?;
            Ok(parser.emit(Node::Binary(Operator::Power), base.to(exponent)))
        })
    }

    /// A primary and the indices that follow it.
    fn postfix(&mut self) -> Result<Span, Fault> {
        let mut value = self.primary()?;
        while self.take("[").is_some() {
            // awkward writes `x[:, 0]` where we write `x[0]`: the axis of the events is always taken whole.
            if self.take(":").is_some() {
                self.expect(",")?;
            }
            let node = match self.integer() {
                Some(index) => Node::Index(index),
                None => {
                    let mask = self.expression(0)?;
                    if matches!(self.steps.last(), Some(Step { node: Node::Number(_) | Node::Negate, .. })) {
                        return Err(Fault::new(mask, "expected a whole number or a mask of booleans"));
                    }
                    Node::Filter
                }
            };
            let end = self.expect("]")?;
            value = self.emit(node, value.to(end));
        }
        Ok(value)
    }

    /// A whole number that fills the brackets, such as `-1` in `x[-1]`.
    fn integer(&mut self) -> Option<i64> {
        let negative = matches!(self.peek(), Token::Symbol("-"));
        let at = self.next + usize::from(negative);
        match (self.tokens.get(at), self.tokens.get(at + 1)) {
            (Some((Token::Number(value), _)), Some((Token::Symbol("]"), _)))
                if value.fract() == 0.0 && *value <= f64::from(i32::MAX) =>
            {
                self.next = at + 1;
                let value = *value as i64;
                Some(if negative { -value } else { value })
            }
            _ => None,
        }
    }

    fn primary(&mut self) -> Result<Span, Fault> {
        match self.peek().clone() {
            Token::Number(value) => {
                let span = self.advance();
                Ok(self.emit(Node::Number(value), span))
            }
            Token::Quoted(name) => {
                let span = self.advance();
                Ok(self.emit(Node::Column(name), span))
            }
            Token::Symbol("(") => {
                let start = self.advance();
                self.expression(0)?;
                let end = self.expect(")")?;
                Ok(start.to(end))
            }
            Token::Name(name) if !is_reserved(&name) => {
                let span = self.advance();
                if matches!(self.peek(), Token::Symbol("(")) {
                    return self.call(&name, span);
                }
                let node = match name.as_str() {
                    "True" => Node::Boolean(true),
                    "False" => Node::Boolean(false),
                    _ => match functions::constant(&name) {
                        Some(value) => Node::Number(value),
                        None => Node::Column(name),
                    },
                };
                Ok(self.emit(node, span))
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn call(&mut self, name: &str, start: Span) -> Result<Span, Fault> {
        let Some(mut function) = functions::find(name) else {
            let fault = Fault::new(start, format!("no function `{name}`"));
            return Err(match near_names(name, functions::names()) {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        };
        self.expect("(")?;
        let mut positional = 0;
        let mut default = false;
        while !matches!(self.peek(), Token::Symbol(")")) {
            match self.keyword() {
                Some(keyword) => self.keyword_argument(function, &keyword, &mut default)?,
                None if default => return Err(self.unexpected("`)`")),
                None => {
                    self.expression(0)?;
                    positional += 1;
                }
            }
            if self.take(",").is_none() {
                break;
            }
        }
        let span = start.to(self.expect(")")?);
        // As in Python, `min(x)` goes over the items of a list and `min(a, b)` compares values.
        if positional == 2 && !default && matches!(function.name, "min" | "max") {
            let elementwise = if function.name == "min" { "minimum" } else { "maximum" };
            function = functions::find(elementwise).unwrap_or(function);
        }
        if positional != function.parameters.len() {
            let message = format!(
                "`{}` takes {} argument{}, found {positional}",
                function.name,
                function.parameters.len(),
                if function.parameters.len() == 1 { "" } else { "s" }
            );
            return Err(Fault::new(span, message).hint(format!("it is `{}`", function.signature())));
        }
        Ok(self.emit(Node::Call { function, arity: positional + usize::from(default) }, span))
    }

    /// The name in `name=value`, when that comes next.
    fn keyword(&mut self) -> Option<String> {
        match (self.tokens.get(self.next), self.tokens.get(self.next + 1)) {
            (Some((Token::Name(name), _)), Some((Token::Symbol("="), _))) => Some(name.clone()),
            _ => None,
        }
    }

    fn keyword_argument(
        &mut self,
        function: &Function,
        keyword: &str,
        default: &mut bool,
    ) -> Result<(), Fault> {
        let reduction = matches!(function.kind, Kind::Reduce(_));
        match keyword {
            // The particle axis is the only one that can be reduced, so naming it changes nothing.
            "axis" if reduction => {
                self.advance();
                self.advance();
                let start = self.span();
                self.take("-");
                let value = self.peek().clone();
                let end = self.advance();
                match value {
                    Token::Number(1.0) => Ok(()),
                    _ => Err(Fault::new(start.to(end), "reductions go over the particle axis alone")
                        .hint("leave `axis` out")),
                }
            }
            "default" if function.takes_default() && !*default => {
                self.advance();
                self.advance();
                *default = true;
                self.expression(0).map(|_| ())
            }
            _ => Err(Fault::new(
                self.span(),
                format!("`{}` takes no argument `{keyword}` here", function.name),
            )
            .hint(format!("it is `{}`", function.signature()))),
        }
    }
}

pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, "and" | "or" | "not" | "if" | "else" | "in" | "is" | "lambda" | "for")
}
