//! Values as JSON text. A writer of our own: it takes a page, and the crate then needs no other.

use std::fmt::Write;

use crate::objects::value::{Members, Value};

/// A JSON text under construction.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
}

impl Json {
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// `{"key": ..., ...}`; `write` gets each value's key and says what it is.
    pub(crate) fn object<'k>(&mut self, fields: impl IntoIterator<Item = (&'k str, Field<'k>)>) {
        self.text.push('{');
        for (i, (key, write)) in fields.into_iter().enumerate() {
            self.comma(i);
            self.string(key);
            self.text.push(':');
            write(self);
        }
        self.text.push('}');
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.text.push('[');
        for (i, item) in items.into_iter().enumerate() {
            self.comma(i);
            write(self, item);
        }
        self.text.push(']');
    }

    fn comma(&mut self, i: usize) {
        if i > 0 {
            self.text.push(',');
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                c if u32::from(c) < 0x20 => self.raw(format_args!("\\u{:04x}", u32::from(c))),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    /// A real number so that it reads back as the same `double`. JSON has no word for what is not finite; the names are
    /// those that Python's `json` writes and reads.
    pub(crate) fn float(&mut self, x: f64) {
        match x {
            _ if x.is_nan() => self.text.push_str("NaN"),
            f64::INFINITY => self.text.push_str("Infinity"),
            f64::NEG_INFINITY => self.text.push_str("-Infinity"),
            // With a point or an exponent, so that it stays a real number.
            _ => self.raw(format_args!("{x:?}")),
        }
    }

    pub(crate) fn raw(&mut self, text: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "{text}");
    }

    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.raw("null"),
            Value::Bool(flag) => self.raw(flag),
            Value::Int(n) => self.raw(n),
            Value::UInt(n) => self.raw(n),
            Value::Float(x) => self.float(*x),
            Value::Text(text) => self.string(text),
            Value::Ints(values) => self.list(values, Self::raw),
            Value::UInts(values) => self.list(values, Self::raw),
            Value::Floats(values) => self.list(values, |json, x| json.float(*x)),
            Value::List(values) => self.list(values, Self::value),
            Value::Map(pairs) => {
                self.list(pairs, |json, (key, value)| json.list([key, value], Self::value));
            }
            Value::Object(object) => self.members(object),
            Value::Reference(number) => self.object([("_reference", boxed(|json| json.raw(number)))]),
            Value::Unread(reason) => self.object([("_unread", boxed(|json| json.string(reason)))]),
        }
    }

    fn members(&mut self, object: &Members) {
        let class = ("_class", boxed(|json: &mut Self| json.string(&object.class_name)));
        let number = ("_number", boxed(|json: &mut Self| json.raw(object.number)));
        let own = object
            .members
            .iter()
            .map(|(name, value)| (&**name, boxed(move |json: &mut Self| json.value(value))));
        self.object([class].into_iter().chain((object.number > 0).then_some(number)).chain(own));
    }
}

/// What writes the value of a field.
pub(crate) type Field<'a> = Box<dyn FnOnce(&mut Json) + 'a>;

pub(crate) fn boxed<'a>(write: impl FnOnce(&mut Json) + 'a) -> Field<'a> {
    Box::new(write)
}

impl Value {
    /// The value as JSON text.
    ///
    /// An object is `{"_class": ..., "_number": ..., member: ...}`, without a number where it stands in place; a map is a
    /// list of pairs; a reference is `{"_reference": number}`, and what could not be read `{"_unread": reason}`. Real
    /// numbers read back as the same `double`; those that are not finite stand as `NaN`, `Infinity` and `-Infinity`, as
    /// Python's `json` has them.
    pub fn to_json(&self) -> String {
        let mut json = Json::default();
        json.value(self);
        json.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let object = Members {
            class_name: "T".into(),
            number: 2,
            members: vec![("a".into(), Value::Null), ("b".into(), Value::Reference(1))],
        };
        for (value, expected) in [
            (Value::Bool(true), "true"),
            (Value::Int(-3), "-3"),
            (Value::UInt(u64::MAX), "18446744073709551615"),
            (Value::Float(1.0), "1.0"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1e300), "1e300"),
            (Value::Floats(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), "[NaN,Infinity,-Infinity]"),
            (Value::Text("a\"\\\n\u{1}é".into()), "\"a\\\"\\\\\\n\\u0001é\""),
            (Value::List(vec![Value::Int(1), Value::Ints(vec![])]), "[1,[]]"),
            (Value::Map(vec![(Value::Text("k".into()), Value::Int(1))]), "[[\"k\",1]]"),
            (Value::Object(Box::new(object)), r#"{"_class":"T","_number":2,"a":null,"b":{"_reference":1}}"#),
            (Value::Unread("no".into()), r#"{"_unread":"no"}"#),
        ] {
            assert_eq!(value.to_json(), expected);
        }
    }
}
