//! A plain tree of values: what any object is made of.

use std::sync::Arc;

/// A value as it is stored, whatever its class.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A pointer to nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number with a sign.
    Int(i64),
    /// A whole number without a sign.
    UInt(u64),
    /// A real number. A `float` stands as the `double` of the same value.
    Float(f64),
    /// A `TString`, `std::string` or `char*`; what is not UTF-8 is replaced.
    Text(String),
    /// An array of whole numbers with signs, or of `bool`s as 0 and 1.
    Ints(Vec<i64>),
    /// An array of whole numbers without signs.
    UInts(Vec<u64>),
    /// An array of real numbers.
    Floats(Vec<f64>),
    /// The items of a collection.
    List(Vec<Value>),
    /// The keys and values of a `TMap` or `std::map`, in the order of the file.
    Map(Vec<(Value, Value)>),
    /// An object with its members.
    Object(Box<Members>),
    /// An object that stands earlier in the same record, or around this value: the one with this [`Members::number`].
    Reference(u32),
    /// What could not be read, with its class and the reason.
    Unread(String),
}

/// The members of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    /// The C++ class.
    pub class_name: Arc<str>,
    /// Objects that a pointer leads to are numbered from 1 in the order of the file; 0 for those that stand in place.
    pub number: u32,
    /// Names and values: those of base classes first, in the order of the file.
    pub members: Vec<(Arc<str>, Value)>,
}

impl Members {
    /// A member by its name. Of two with one name it is that of the derived class.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.iter().rev().find(|(member, _)| &**member == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn float(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::Float(x) => Some(*x),
            Value::Int(n) => Some(*n as f64),
            Value::UInt(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// A member that counts something.
    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        match self.get(name)? {
            Value::Int(n) => usize::try_from(*n).ok(),
            Value::UInt(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(n) => Some(*n),
            Value::UInt(n) => i64::try_from(*n).ok(),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Members> {
        match self.get(name)? {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Numbers of any kind as `double`s; empty where there is no such array.
    pub(crate) fn floats(&self, name: &str) -> Vec<f64> {
        match self.get(name) {
            Some(Value::Floats(values)) => values.clone(),
            Some(Value::Ints(values)) => values.iter().map(|&n| n as f64).collect(),
            Some(Value::UInts(values)) => values.iter().map(|&n| n as f64).collect(),
            _ => Vec::new(),
        }
    }
}
