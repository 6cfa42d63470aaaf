//! Tokens to steps in post-order: precedence climbing, with Python's precedences.

use super::error::Fault;
use super::functions;
use super::lexer::{Token, tokens};
use super::node::{Comparison, Float, Item, Node, Operator, Span, Step};

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

pub(super) struct Parser {
    tokens: Vec<(Token, Span)>,
    next: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(Span::new(0, 0), |(_, span)| *span)
    }

    pub(super) fn advance(&mut self) -> Span {
        let span = self.span();
        self.next += 1;
        span
    }

    pub(super) fn take(&mut self, symbol: &str) -> Option<Span> {
        matches!(self.peek(), Token::Symbol(s) if *s == symbol).then(|| self.advance())
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<Span, Fault> {
        self.take(symbol).ok_or_else(|| self.unexpected(&format!("`{symbol}`")))
    }

    pub(super) fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.peek() {
            Token::Number(value) => format!("`{value}`"),
            Token::Integer(value) => format!("`{value}`"),
            Token::Name(name) | Token::Quoted(name) | Token::Text(name) => format!("`{name}`"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end".to_owned(),
        };
        Fault::new(self.span(), format!("expected {wanted}, found {found}"))
    }

    pub(super) fn emit(&mut self, node: Node, span: Span) -> Span {
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
    pub(super) fn expression(&mut self, minimum: u8) -> Result<Span, Fault> {
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

    /// A primary with the subscripts and fields that follow it.
    fn postfix(&mut self) -> Result<Span, Fault> {
        let mut value = self.primary()?;
        loop {
            if self.take("[").is_some() {
                let items = self.items()?;
                let end = self.expect("]")?;
                value = self.emit(Node::Subscript(items), value.to(end));
            } else if self.take(".").is_some() {
                let Token::Name(names) = self.peek().clone() else {
                    return Err(self.unexpected("the name of a field"));
                };
                let end = self.advance();
                for name in names.split('.') {
                    value = self.emit(Node::Field(name.to_owned()), value.to(end));
                }
            } else {
                return Ok(value);
            }
        }
    }

    /// What stands between brackets. Rows are always taken whole: `x[:, 0]` and `x[0]` are the same.
    fn items(&mut self) -> Result<Vec<Item>, Fault> {
        let start = self.span();
        let mut items = vec![self.item()?];
        while self.take(",").is_some() {
            items.push(self.item()?);
        }
        if items.len() > 1 {
            let rows = items.remove(0);
            if rows != Item::Slice(None, None) {
                return Err(Fault::new(
                    start,
                    "the first of several subscripts goes over the rows, which are taken whole",
                )
                .hint("write `x[:, 0]` for the first particle, `x[:, 0, 1]` for the second part of it"));
            }
        }
        Ok(items)
    }

    fn item(&mut self) -> Result<Item, Fault> {
        let from = self.bound();
        if self.take(":").is_some() {
            let to = self.bound();
            if matches!(self.peek(), Token::Symbol(":")) {
                return Err(self.unexpected("`]`").hint("slices go in steps of one: `x[1:3]`"));
            }
            return Ok(Item::Slice(from, to));
        }
        if let Some(index) = from {
            return Ok(Item::At(index));
        }
        let operand = self.expression(0)?;
        if matches!(self.steps.last(), Some(Step { node: Node::Number(_) | Node::Boolean(_), .. })) {
            return Err(Fault::new(operand, "expected a whole number or a mask of booleans, or a slice"));
        }
        Ok(Item::Value)
    }

    /// A whole number that is all that stands before the next `:`, `,` or `]`, such as `-1` in `x[-1]`.
    fn bound(&mut self) -> Option<i64> {
        let negative = matches!(self.peek(), Token::Symbol("-"));
        let at = self.next + usize::from(negative);
        match (self.tokens.get(at), self.tokens.get(at + 1)) {
            (Some((Token::Integer(value), _)), Some((Token::Symbol("]" | "," | ":"), _))) => {
                let value = if negative { -value } else { *value };
                self.next = at + 1;
                Some(value)
            }
            _ => None,
        }
    }

    fn primary(&mut self) -> Result<Span, Fault> {
        match self.peek().clone() {
            Token::Number(value) => {
                let span = self.advance();
                Ok(self.emit(Node::Number(Float::new(value)), span))
            }
            Token::Integer(value) => {
                let span = self.advance();
                Ok(self.emit(Node::Integer(value), span))
            }
            Token::Text(_) => Err(Fault::new(self.span(), "strings cannot be used in expressions")
                .hint("they stand for settings alone, as in `cluster_jets(p, R=0.8, algorithm=\"kt\")`")),
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
                        Some(value) => Node::Number(Float::new(value)),
                        None => Node::Column(name),
                    },
                };
                Ok(self.emit(node, span))
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    pub(super) fn token_after(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1).map(|(token, _)| token)
    }
}

pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, "and" | "or" | "not" | "if" | "else" | "in" | "is" | "lambda" | "for")
}
