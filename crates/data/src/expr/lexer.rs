//! Text to tokens.

use super::error::Fault;
use super::node::Span;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A whole number, written without point and exponent.
    Integer(i64),
    /// What stands in quotes, for settings: `"anti-kt"`.
    Text(String),
    /// A name, dots included: `part_px`, `np.sqrt`, `Jet.PT`, `pair.a`.
    Name(String),
    /// A name in backquotes, which is always a column: `` `fatjet pt` ``.
    Quoted(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

/// Longest first, so that `**` is not read as two `*`.
const SYMBOLS: [&str; 25] = [
    "**", "//", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "~", "(", ")", "[", "]",
    ",", ":", "=", "^", ".",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Fault> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            number(rest, at)?
        } else if is_name_start(first) {
            let length = name_length(rest);
            (Token::Name(rest[..length].to_owned()), length)
        } else if first == '`' {
            let Some(end) = rest[1..].find('`') else {
                return Err(Fault::new(Span::new(at, at + 1), "a quoted name has no closing backquote"));
            };
            if end == 0 {
                return Err(Fault::new(Span::new(at, at + 2), "a quoted name is empty"));
            }
            (Token::Quoted(rest[1..=end].to_owned()), end + 2)
        } else if first == '"' || first == '\'' {
            let Some(end) = rest[1..].find(first) else {
                return Err(Fault::new(Span::new(at, at + 1), "a text has no closing quote"));
            };
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Token::Symbol(symbol), symbol.len())
        } else {
            let fault =
                Fault::new(Span::new(at, at + first.len_utf8()), format!("unexpected character {first:?}"));
            return Err(match first {
                '!' => fault.hint("write `not x`, or `~x`"),
                _ => fault,
            });
        };
        out.push((token, Span::new(at, at + length)));
        at += length;
    }
    out.push((Token::End, Span::new(text.len(), text.len())));
    Ok(out)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the name at the start of `text`; a dot belongs to it where another name follows.
fn name_length(text: &str) -> usize {
    let mut previous = 0;
    loop {
        let rest = &text[previous..];
        let length = previous + rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
        let mut after = text[length..].chars();
        if after.next() == Some('.') && after.next().is_some_and(is_name_start) {
            previous = length + 1;
        } else {
            return length;
        }
    }
}

/// Whether `text` reads as one name without quotes.
pub(super) fn is_plain_name(text: &str) -> bool {
    text.starts_with(is_name_start) && name_length(text) == text.len()
}

fn number(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = text.as_bytes();
    let mut length = 0;
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'_').count();
    length += digits(length);
    if bytes.get(length) == Some(&b'.') {
        length += 1;
        length += digits(length);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let span = Span::new(at, at + length);
    let literal = &text[..length];
    if text[length..].starts_with(is_name_part) {
        let end = length + text[length..].find(|c| !is_name_part(c)).unwrap_or(text.len() - length);
        return Err(Fault::new(Span::new(at, at + end), format!("`{}` is no number", &text[..end])));
    }
    let digits = literal.replace('_', "");
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let value = digits.parse().map_err(|_| {
            Fault::new(span, format!("the whole number `{literal}` is beyond {}, the largest one", i64::MAX))
                .hint("with a point, `1.0`, a number is a float")
        })?;
        return Ok((Token::Integer(value), length));
    }
    let value: f64 = digits.parse().map_err(|_| Fault::new(span, format!("`{literal}` is no number")))?;
    if value.is_infinite() {
        return Err(Fault::new(span, format!("`{literal}` is too large for a 64-bit float"))
            .hint("infinity is `np.inf`"));
    }
    Ok((Token::Number(value), length))
}
