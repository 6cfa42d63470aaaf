//! The part of Python's pickle format that a state dict is made of, as a parser: nothing is called, and what is not
//! known is an error with its position.
//!
//! A pickle is a program for a stack machine that may name any function of any module and call it. Of a state dict's
//! program only a few instructions are needed, and three functions, whose effect is known here.

use std::collections::HashMap;
use std::rc::Rc;

/// What the numbers of a storage are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float,
    Double,
    Half,
    BFloat16,
    Long,
    Int,
    Short,
    Char,
    Byte,
    Bool,
}

impl Element {
    fn of_class(class: &str) -> Option<Self> {
        Some(match class {
            "FloatStorage" => Self::Float,
            "DoubleStorage" => Self::Double,
            "HalfStorage" => Self::Half,
            "BFloat16Storage" => Self::BFloat16,
            "LongStorage" => Self::Long,
            "IntStorage" => Self::Int,
            "ShortStorage" => Self::Short,
            "CharStorage" => Self::Char,
            "ByteStorage" => Self::Byte,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }
}

/// Numbers that lie beside the pickle under a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) element: Element,
    pub(super) key: String,
    pub(super) length: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The functions and classes that may be named.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    None,
    Bool(bool),
    Integer(i64),
    Real,
    Text(Rc<str>),
    /// With its depth, which is bounded: what is nested without end overflows the stack when it is dropped.
    Tuple(Rc<[Value]>, usize),
    Dict(Vec<(Value, Value)>),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<Tensor>),
    Mark,
}

/// Tuples in tuples; a state dict needs two.
const DEEPEST: usize = 8;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

/// What is wrong, and where.
pub(super) type Failure = String;

/// The tensors of a pickled state dict by name, in order. Where the file holds a dictionary with one of the entries
/// `state_dict`, `model_state_dict` or `model`, as training scripts save it, those are the tensors of that entry.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Rc<Tensor>)>, Failure> {
    let mut machine = Machine { bytes, at: 0, start: 0, stack: Vec::new(), memo: HashMap::new() };
    let Value::Dict(mut entries) = machine.run()? else {
        return Err("it holds no dictionary".to_owned());
    };
    let inner = entries.iter().position(|(key, value)| {
        let is_name = |name: &str| matches!(name, "state_dict" | "model_state_dict" | "model");
        matches!(value, Value::Dict(_)) && matches!(key, Value::Text(key) if is_name(key))
    });
    if let Some(inner) = inner
        && let (_, Value::Dict(found)) = entries.swap_remove(inner)
    {
        entries = found;
    }
    let tensors = entries.into_iter().map(|entry| match entry {
        (Value::Text(name), Value::Tensor(tensor)) => Ok((name.to_string(), tensor)),
        (Value::Text(name), _) => Err(format!("its entry {name:?} is no tensor")),
        _ => Err("it has a key that is no text".to_owned()),
    });
    tensors.collect()
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the instruction at hand begins.
    start: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    fn fail<T>(&self, reason: impl std::fmt::Display) -> Result<T, Failure> {
        Err(format!("{reason} (byte {} of its pickle)", self.start))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        match rest.split_at_checked(length) {
            Some((taken, _)) => {
                self.at += length;
                Ok(taken)
            }
            None => self.fail(format!("it ends in the middle of an instruction that needs {length} bytes")),
        }
    }

    fn number(&mut self, bytes: usize) -> Result<u64, Failure> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, Failure> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return self.fail("it ends in the middle of a name");
        };
        let line = self.take(length + 1)?;
        std::str::from_utf8(&line[..length]).or_else(|_| self.fail("a name is not UTF-8"))
    }

    fn text(&mut self, length: u64) -> Result<Value, Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(_) => self.fail("a text is not UTF-8"),
        }
    }

    fn pop(&mut self) -> Result<Value, Failure> {
        match self.stack.pop() {
            None | Some(Value::Mark) => self.fail("its stack lacks a value"),
            Some(value) => Ok(value),
        }
    }

    /// All values above the last mark, which goes too.
    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Failure> {
        match self.stack.iter().rposition(|value| *value == Value::Mark) {
            Some(mark) => {
                let values = self.stack.split_off(mark + 1);
                self.stack.pop();
                Ok(values)
            }
            None => self.fail("its stack lacks a mark"),
        }
    }

    fn run(&mut self) -> Result<Value, Failure> {
        loop {
            self.start = self.at;
            let code = self.take(1)?[0];
            match code {
                // PROTO
                0x80 => {
                    let version = self.take(1)?[0];
                    if !(2..=5).contains(&version) {
                        return self.fail(format!("it is of protocol {version}"));
                    }
                }
                // FRAME
                0x95 => {
                    self.take(8)?;
                }
                b'(' => self.stack.push(Value::Mark),
                // STOP
                b'.' => return self.pop(),
                b'N' => self.stack.push(Value::None),
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'K' | b'M' | b'J' | 0x8a | b'G' | b'X' | 0x8c => {
                    let value = self.literal(code)?;
                    self.stack.push(value);
                }
                b')' | b't' | 0x85..=0x87 => self.tuple(code)?,
                b'}' => self.stack.push(Value::Dict(Vec::new())),
                b's' | b'u' => self.set_items(code == b'u')?,
                b'q' | b'r' | 0x94 => self.put(code)?,
                b'h' | b'j' => self.get(code)?,
                // GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let global = self.global(module, name)?;
                    self.stack.push(global);
                }
                // STACK_GLOBAL
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(module), Value::Text(name)) = (module, name) else {
                        return self.fail("it names a function without a text");
                    };
                    let global = self.global(&module, &name)?;
                    self.stack.push(global);
                }
                // BINPERSID
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(&id)?;
                    self.stack.push(storage);
                }
                // REDUCE
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let value = self.call(&function, arguments)?;
                    self.stack.push(value);
                }
                // BUILD: what hangs on the dictionary of a state dict are version numbers of its modules.
                b'b' => {
                    self.pop()?;
                    if !matches!(self.stack.last(), Some(Value::Dict(_))) {
                        return self.fail("it gives attributes to something else than a dictionary");
                    }
                }
                code => {
                    return self.fail(format!("a state dict does not need the instruction {code:#04x}"));
                }
            }
        }
    }

    fn literal(&mut self, code: u8) -> Result<Value, Failure> {
        match code {
            b'K' => Ok(Value::Integer(self.number(1)? as i64)),
            b'M' => Ok(Value::Integer(self.number(2)? as i64)),
            b'J' => Ok(Value::Integer(i64::from(self.number(4)? as u32 as i32))),
            0x8a => {
                let length = usize::from(self.take(1)?[0]);
                if length > 8 {
                    return self.fail("it holds a number of more than eight bytes");
                }
                let shift = 64 - 8 * length as u32;
                let value = self.number(length)?;
                Ok(Value::Integer(if length == 0 { 0 } else { (value << shift) as i64 >> shift }))
            }
            b'G' => {
                self.take(8)?;
                Ok(Value::Real)
            }
            b'X' => {
                let length = self.number(4)?;
                self.text(length)
            }
            _ => {
                let length = self.number(1)?;
                self.text(length)
            }
        }
    }

    fn tuple(&mut self, code: u8) -> Result<(), Failure> {
        let values = match code {
            b')' => Vec::new(),
            b't' => self.pop_to_mark()?,
            _ => {
                let mut values = (0..=code - 0x85).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                values.reverse();
                values
            }
        };
        let mut depth = 1;
        for value in &values {
            match value {
                Value::Tuple(_, inner) => depth = depth.max(inner + 1),
                Value::Dict(entries) if !entries.is_empty() => {
                    return self.fail("a dictionary is part of a tuple");
                }
                _ => {}
            }
        }
        if depth > DEEPEST {
            return self.fail(format!("tuples are nested more than {DEEPEST} deep"));
        }
        self.stack.push(Value::Tuple(values.into(), depth));
        Ok(())
    }

    fn set_items(&mut self, many: bool) -> Result<(), Failure> {
        let values = if many {
            self.pop_to_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        if values.len() % 2 == 1 {
            return self.fail("a key has no value");
        }
        // Dictionaries in dictionaries: a checkpoint has two levels, and what is deeper must not overflow the stack.
        let deep = |value: &Value| match value {
            Value::Dict(entries) => entries.iter().any(|(_, value)| match value {
                Value::Dict(entries) => entries.iter().any(|(_, value)| matches!(value, Value::Dict(_))),
                _ => false,
            }),
            _ => false,
        };
        if values.iter().any(deep) {
            return self.fail("dictionaries are nested too deep");
        }
        let Some(Value::Dict(entries)) = self.stack.last_mut() else {
            return self.fail("it sets an item of something else than a dictionary");
        };
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    fn put(&mut self, code: u8) -> Result<(), Failure> {
        let place = match code {
            b'q' => self.number(1)? as u32,
            b'r' => self.number(4)? as u32,
            _ => self.memo.len() as u32,
        };
        let value = match self.stack.last() {
            None | Some(Value::Mark) => return self.fail("it keeps a value that is not there"),
            // A dictionary grows after it was kept, and a state dict has no use for one twice.
            Some(Value::Dict(_)) => Value::Mark,
            Some(value) => value.clone(),
        };
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, code: u8) -> Result<(), Failure> {
        let place = self.number(if code == b'h' { 1 } else { 4 })? as u32;
        match self.memo.get(&place) {
            None => self.fail(format!("it asks for the value {place}, which it did not keep")),
            Some(Value::Mark) => self.fail("it uses a dictionary twice"),
            Some(value) => {
                self.stack.push(value.clone());
                Ok(())
            }
        }
    }

    fn global(&self, module: &str, name: &str) -> Result<Value, Failure> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", class) => Element::of_class(class).map(Global::Storage),
            _ => None,
        };
        match global {
            Some(global) => Ok(Value::Global(global)),
            None => self.fail(format!(
                "it names {module:?} {name:?}: a state dict holds tensors alone, and nothing else is made of a pickle here"
            )),
        }
    }

    fn storage(&self, id: &Value) -> Result<Value, Failure> {
        if let Value::Tuple(parts, _) = id
            && let [Value::Text(what), Value::Global(Global::Storage(element)), Value::Text(key), _, length] =
                &parts[..]
            && &**what == "storage"
        {
            let length = self.size(length)?;
            return Ok(Value::Storage(Rc::new(Storage { element: *element, key: key.to_string(), length })));
        }
        self.fail("it refers to something else than a storage")
    }

    fn call(&self, function: &Value, arguments: Value) -> Result<Value, Failure> {
        let Value::Tuple(arguments, _) = arguments else {
            return self.fail("it calls a function without arguments");
        };
        match (function, &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Ok(Value::Dict(Vec::new())),
            (
                Value::Global(Global::RebuildTensor),
                [Value::Storage(storage), offset, Value::Tuple(shape, _), Value::Tuple(strides, _), _, ..],
            ) => {
                if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
                    return self.fail(format!("a tensor has {} dimensions", shape.len()));
                }
                let sizes = |values: &[Value]| {
                    values.iter().map(|value| self.size(value)).collect::<Result<Vec<usize>, _>>()
                };
                let tensor = Tensor {
                    storage: Rc::clone(storage),
                    offset: self.size(offset)?,
                    shape: sizes(shape)?,
                    strides: sizes(strides)?,
                };
                Ok(Value::Tensor(Rc::new(tensor)))
            }
            (Value::Global(Global::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            _ => self.fail("it calls something with arguments that a state dict does not need"),
        }
    }

    fn size(&self, value: &Value) -> Result<usize, Failure> {
        match value {
            Value::Integer(value) => {
                usize::try_from(*value).or_else(|_| self.fail(format!("a size is {value}")))
            }
            _ => self.fail("a size is no number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"w": tensor of shape (2, 3)}` as `torch.save` writes it.
    pub(super) fn state_dict() -> Vec<u8> {
        let mut bytes = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00wq\x02".to_vec();
        bytes.extend_from_slice(b"ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04");
        bytes.extend_from_slice(
            b"ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K\x06tQ",
        );
        bytes.extend_from_slice(b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89h\x00)Rq\x0atq\x0bRq\x0cu.");
        bytes
    }

    #[test]
    fn a_state_dict_is_read() {
        let tensors = parse(&state_dict()).unwrap();
        assert_eq!(tensors.len(), 1);
        assert_eq!(tensors[0].0, "w");
        let tensor = &tensors[0].1;
        assert_eq!((&tensor.shape[..], &tensor.strides[..], tensor.offset), (&[2, 3][..], &[3, 1][..], 0));
        assert_eq!(*tensor.storage, Storage { element: Element::Float, key: "0".to_owned(), length: 6 });
    }

    #[test]
    fn what_a_state_dict_does_not_need_is_refused_with_its_place() {
        let check = |bytes: &[u8], expected: &str| {
            let error = parse(bytes).unwrap_err();
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        };
        // Python's classic: a call of the system's shell.
        check(b"\x80\x02cposix\nsystem\n(X\x02\x00\x00\x00lstR.", "\"posix\" \"system\"");
        check(b"\x80\x02cposix\nsystem\n(X\x02\x00\x00\x00lstR.", "byte 2 of its pickle");
        check(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "\"builtins\" \"eval\"");
        check(b"\x80\x02ctorch\nload\n.", "\"torch\" \"load\"");
        // Old protocols, and instructions that make objects.
        check(b"\x80\x01}.", "protocol 1");
        check(b"\x80\x02i__main__\nx\n.", "instruction 0x69");
        check(b"\x80\x02(o.", "instruction 0x6f");
        check(b"\x80\x02\x82\x01.", "instruction 0x82");
        check(b"\x80\x02).", "no dictionary");
        check(b"\x80\x02}", "ends in the middle");
        check(b"\x80\x02h\x07.", "value 7, which it did not keep");
        check(b"\x80\x02}q\x00h\x00.", "a dictionary twice");
        check(b"\x80\x02t.", "lacks a mark");
        check(b"\x80\x02(.", "lacks a value");
        check(b"\x80\x02X\xff\xff\xff\xffx.", "needs 4294967295 bytes");
        check(b"\x80\x02K\x01K\x02s.", "something else than a dictionary");
        // Nested without end; doubled at each step.
        check(&[b"\x80\x02)".to_vec(), vec![0x85; 100_000]].concat(), "nested more than 8 deep");
        let doubled: Vec<u8> = (0..60_u8).flat_map(|i| [b'q', i, b'h', i, 0x86]).collect();
        check(&[b"\x80\x02)".to_vec(), doubled].concat(), "nested more than 8 deep");
        let dicts: Vec<u8> = b"}K\x01".repeat(50);
        check(&[b"\x80\x02".to_vec(), dicts, b"}".to_vec(), vec![b's'; 50]].concat(), "nested too deep");
        // A tensor of a negative size.
        let negative = state_dict();
        let place = negative.windows(4).position(|bytes| bytes == b"K\x02K\x03").unwrap();
        let negative = [&negative[..place], b"J\xff\xff\xff\xff", &negative[place + 2..]].concat();
        check(&negative, "a size is -1");
    }

    #[test]
    fn every_mutation_ends() {
        let original = state_dict();
        for length in 0..original.len() {
            assert!(parse(&original[..length]).is_err(), "cut to {length}");
        }
        for place in 0..original.len() {
            for byte in 0..=255 {
                let mut bytes = original.clone();
                bytes[place] = byte;
                let _ = parse(&bytes);
            }
        }
    }
}
