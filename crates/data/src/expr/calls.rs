//! Calls of functions: which one, and what its arguments mean.

use super::error::{Fault, near_names};
use super::functions::{self, Function, Rest, Setting};
use super::lexer::Token;
use super::node::{Call, Constant, Float, Node, Span};
use super::parser::Parser;

/// The arguments of a call as they stand in the text.
#[derive(Default)]
struct Arguments {
    positional: usize,
    names: Vec<String>,
    settings: Vec<(&'static str, Constant)>,
}

impl Parser {
    /// `name(a, b, key=value)`; the name was read already.
    pub(super) fn call(&mut self, name: &str, start: Span) -> Result<Span, Fault> {
        let candidates: Vec<&'static Function> = functions::find(name).collect();
        let Some(first) = candidates.first() else { return Err(no_function(name, start)) };
        self.expect("(")?;
        let mut arguments = Arguments::default();
        while !matches!(self.peek(), Token::Symbol(")")) {
            match self.keyword() {
                Some(keyword) => self.named_argument(&candidates, &keyword, &mut arguments)?,
                None if !arguments.names.is_empty() || !arguments.settings.is_empty() => {
                    return Err(self.unexpected("`)`").hint("arguments with a name come last"));
                }
                None if first.takes_a_list() && arguments.positional == 0 && self.take("[").is_some() => {
                    arguments.positional = self.list()?;
                }
                None => {
                    self.expression(0)?;
                    arguments.positional += 1;
                }
            }
            if self.take(",").is_none() {
                break;
            }
        }
        let span = start.to(self.expect(")")?);
        let Arguments { positional, names, settings } = arguments;
        let has = |f: &Function, name: &str| f.rest == Rest::Named || f.setting(name).is_some();
        let function = candidates.iter().copied().find(|f| {
            f.takes(positional)
                && names.iter().all(|name| has(f, name))
                && settings.iter().all(|(name, _)| has(f, name))
        });
        let Some(function) = function else { return Err(wrong_count(first, &candidates, positional, span)) };
        if function.parameters.is_empty() && names.is_empty() && positional == 0 {
            return Err(Fault::new(span, format!("`{}` wants arguments", function.name))
                .hint(format!("it is `{}`", function.signature())));
        }
        Ok(self.emit(Node::Call(Call { function, positional, names, settings }), span))
    }

    /// What stands in a list that has begun, up to its end; how many expressions they are.
    fn list(&mut self) -> Result<usize, Fault> {
        let mut count = 0;
        while self.take("]").is_none() {
            self.expression(0)?;
            count += 1;
            if self.take(",").is_none() {
                self.expect("]")?;
                break;
            }
        }
        Ok(count)
    }

    /// The name in `name=value`, when that comes next.
    fn keyword(&self) -> Option<String> {
        match (self.peek(), self.token_after()) {
            (Token::Name(name), Some(Token::Symbol("="))) => Some(name.clone()),
            _ => None,
        }
    }

    fn named_argument(
        &mut self,
        candidates: &[&'static Function],
        keyword: &str,
        arguments: &mut Arguments,
    ) -> Result<(), Fault> {
        let place = self.advance();
        self.advance();
        let twice = arguments.names.iter().any(|name| name == keyword)
            || arguments.settings.iter().any(|(name, _)| *name == keyword);
        if twice {
            return Err(Fault::new(place, format!("the argument `{keyword}` is given twice")));
        }
        let setting = candidates.iter().find_map(|f| f.setting(keyword));
        match setting {
            Some((_, Setting::Value)) => {
                self.expression(0)?;
                arguments.names.push(keyword.to_owned());
            }
            Some((name, setting)) => {
                let constant = self.constant(setting)?;
                // Naming the innermost axis changes nothing.
                if !(matches!(setting, Setting::Axis) && constant == Constant::Integer(-1)) {
                    arguments.settings.push((name, constant));
                }
            }
            None if candidates.iter().any(|f| f.rest == Rest::Named) => {
                self.expression(0)?;
                arguments.names.push(keyword.to_owned());
            }
            None => {
                let Some(function) = candidates.first() else { return Ok(()) };
                let message = format!("`{}` takes no argument `{keyword}` here", function.name);
                return Err(Fault::new(place, message).hint(format!("it is `{}`", function.signature())));
            }
        }
        Ok(())
    }

    /// The value of a setting, which must stand in the text itself.
    fn constant(&mut self, setting: Setting) -> Result<Constant, Fault> {
        let start = self.span();
        let negative = self.take("-").is_some();
        let token = self.peek().clone();
        let span = start.to(self.advance());
        let sign: i32 = if negative { -1 } else { 1 };
        let wrong = |wanted: &str| Err(Fault::new(span, format!("expected {wanted} here")));
        match (setting, token) {
            (Setting::Axis, Token::Integer(axis)) if axis > 0 && (!negative || axis == 1) => {
                Ok(Constant::Integer(i64::from(sign) * axis))
            }
            (Setting::Axis, _) => Err(Fault::new(
                span,
                "reductions go over the particle axis alone, or the innermost of several",
            )
            .hint("leave `axis` out")),
            (Setting::Number(_), Token::Number(value)) => {
                Ok(Constant::Number(Float::new(value * f64::from(sign))))
            }
            (Setting::Number(_), Token::Integer(value)) => {
                Ok(Constant::Number(Float::new(value as f64 * f64::from(sign))))
            }
            (Setting::Number(_), _) => wrong("a number"),
            (Setting::Flag(_), Token::Name(name)) if name == "True" => Ok(Constant::Flag(true)),
            (Setting::Flag(_), Token::Name(name)) if name == "False" => Ok(Constant::Flag(false)),
            (Setting::Flag(_), _) => wrong("True or False"),
            (Setting::Word(words), Token::Text(text)) => {
                let usual = fiducial_physics::usual_spelling(&text);
                match words.iter().find(|word| **word == usual) {
                    Some(word) => Ok(Constant::Word(word)),
                    None => wrong(&format!("one of {}", quoted_words(words))),
                }
            }
            (Setting::Word(words), _) => wrong(&format!("one of {}", quoted_words(words))),
            (Setting::Value, _) => wrong("a value"),
        }
    }
}

fn quoted_words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn no_function(name: &str, span: Span) -> Fault {
    let fault = Fault::new(span, format!("no function `{name}`"));
    if let Some((object, method)) = name.rsplit_once('.')
        && functions::find(method).next().is_some()
    {
        return fault.hint(format!("functions are no methods: write `{method}({object}, ...)`"));
    }
    match near_names(name, functions::names()) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn wrong_count(first: &Function, candidates: &[&Function], found: usize, span: Span) -> Fault {
    let counts: Vec<String> = candidates.iter().map(|f| f.parameters.len().to_string()).collect();
    let plural = if counts.len() == 1 && counts[0] == "1" { "" } else { "s" };
    let message = format!("`{}` takes {} argument{plural}, found {found}", first.name, counts.join(" or "));
    let signatures: Vec<String> = candidates.iter().map(|f| format!("`{}`", f.signature())).collect();
    Fault::new(span, message).hint(format!("it is {}", signatures.join(" or ")))
}
