//! An expression in normal form.

use std::fmt;

use super::node::{Call, Constant, Item, Node, Operator, Step};
use super::{Expr, quoted};

// Binding strengths: comparison 1, `|` 2, `&` 3, sum 4, product 5, sign 6, power 7, atom 8.
const SIGN: u8 = 6;
const ATOM: u8 = 8;

/// In normal form: prefixes dropped, no parentheses but those needed, `and`, `or` and `not` as `&`, `|` and `~`.
/// Parsing it again gives an equal expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stack: Vec<(String, u8)> = Vec::new();
        for Step { node, .. } in &self.steps {
            let operands = stack.split_off(stack.len().saturating_sub(node.arity()));
            stack.push(show(node, Operands(operands.into_iter())));
        }
        f.write_str(stack.last().map_or("", |(text, _)| text))
    }
}

struct Operands(std::vec::IntoIter<(String, u8)>);

impl Operands {
    /// The next operand, in parentheses where it binds more weakly than `minimum`.
    fn next(&mut self, minimum: u8) -> String {
        match self.0.next() {
            Some((text, strength)) if strength < minimum => format!("({text})"),
            Some((text, _)) => text,
            None => String::new(),
        }
    }
}

fn show(node: &Node, mut operands: Operands) -> (String, u8) {
    match node {
        Node::Number(value) => (number(value.get()), ATOM),
        Node::Integer(value) => (value.to_string(), ATOM),
        Node::Boolean(value) => (flag(*value).to_owned(), ATOM),
        Node::Column(name) => (quoted(name), ATOM),
        Node::Negate => (format!("-{}", operands.next(SIGN)), SIGN),
        Node::Not => (format!("~{}", operands.next(SIGN)), SIGN),
        Node::Binary(operator) => {
            let (left, right, strength) = match operator {
                Operator::Or => (2, 3, 2),
                Operator::And => (3, 4, 3),
                Operator::Add | Operator::Subtract => (4, 5, 4),
                Operator::Power => (ATOM, SIGN, 7),
                _ => (5, 6, 5),
            };
            // The left operand's text grows on, so that a long sum takes no quadratic time.
            let mut text = operands.next(left);
            text.push_str(&format!(" {} ", operator.symbol()));
            text.push_str(&operands.next(right));
            (text, strength)
        }
        Node::Compare(chain) => {
            let mut text = operands.next(2);
            for comparison in chain {
                text.push_str(&format!(" {} {}", comparison.symbol(), operands.next(2)));
            }
            (text, 1)
        }
        Node::Call(call) => (show_call(call, operands), ATOM),
        Node::Field(name) => {
            let value = operands.next(ATOM);
            // `x.pt` would be read as the name of a column, and `2.pt` as a number.
            let value = if value.ends_with([')', ']']) { value } else { format!("({value})") };
            (format!("{value}.{name}"), ATOM)
        }
        Node::Subscript(items) => {
            let mut text = operands.next(ATOM);
            let bound = |bound: &Option<i64>| bound.map_or_else(String::new, |bound| bound.to_string());
            let items = items.iter().map(|item| match item {
                Item::At(index) => index.to_string(),
                Item::Slice(from, to) => format!("{}:{}", bound(from), bound(to)),
                Item::Value => operands.next(0),
            });
            let items: Vec<String> = items.collect();
            text.push_str(&format!("[{}{}]", if items.len() > 1 { ":, " } else { "" }, items.join(", ")));
            (text, ATOM)
        }
    }
}

fn show_call(call: &Call, mut operands: Operands) -> String {
    let positional = (0..call.positional).map(|_| (None, 0)).collect::<Vec<(Option<&str>, u8)>>();
    let named = call.names.iter().map(|name| (Some(name.as_str()), 0));
    let mut arguments = Vec::new();
    for (name, minimum) in positional.into_iter().chain(named) {
        let value = operands.next(minimum);
        arguments.push(name.map_or_else(|| value.clone(), |name| format!("{name}={value}")));
    }
    for (name, constant) in &call.settings {
        arguments.push(match constant {
            Constant::Integer(value) => format!("{name}={value}"),
            Constant::Number(value) => format!("{name}={}", number(value.get())),
            Constant::Flag(value) => format!("{name}={}", flag(*value)),
            Constant::Word(word) => format!("{name}=\"{word}\""),
        });
    }
    format!("{}({})", call.function.name, arguments.join(", "))
}

fn flag(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "np.nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "np.inf" } else { "-np.inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}
