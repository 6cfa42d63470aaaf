//! The few Protocol Buffers messages that an ONNX file is made of, written by hand: nothing else of the format is needed,
//! and a code generator with its crates would weigh more than this page. Field numbers are those of `onnx.proto3`.

/// A message that is being written: fields in the order in which they are put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    pub(crate) fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        self.varint(value as u64);
        self
    }

    pub(crate) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// A repeated field of whole numbers, packed.
    pub(crate) fn integers(self, field: u32, values: &[i64]) -> Self {
        let mut packed = Self::new();
        for &value in values {
            packed.varint(value as u64);
        }
        self.message(field, &packed)
    }
}

/// `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Float = 1,
    ShortInteger = 6,
    Integer = 7,
    Double = 11,
}

/// `TensorProto`, its numbers as raw little-endian bytes.
pub(crate) fn tensor(name: &str, data_type: Type, shape: &[i64], raw: &[u8]) -> Message {
    Message::new().integers(1, shape).integer(2, data_type as i64).text(8, name).bytes(9, raw)
}

/// A dimension of an input or output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dimension {
    Fixed(usize),
    /// One that each call may choose, by its name.
    Free(&'static str),
}

/// `ValueInfoProto` of a float tensor.
pub(crate) fn value_info(name: &str, shape: &[Dimension]) -> Message {
    let mut dimensions = Message::new();
    for dimension in shape {
        let dimension = match *dimension {
            Dimension::Fixed(size) => Message::new().integer(1, size as i64),
            Dimension::Free(name) => Message::new().text(2, name),
        };
        dimensions = dimensions.message(1, &dimension);
    }
    let tensor = Message::new().integer(1, Type::Float as i64).message(2, &dimensions);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}

/// The value of a node's attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attribute<'a> {
    Float(f32),
    Integer(i64),
    Integers(&'a [i64]),
}

impl Attribute<'_> {
    /// `AttributeProto`.
    pub(crate) fn message(self, name: &str) -> Message {
        let message = Message::new().text(1, name);
        match self {
            Self::Float(value) => message.float(2, value).integer(20, 1),
            Self::Integer(value) => message.integer(3, value).integer(20, 2),
            Self::Integers(values) => {
                values.iter().fold(message, |message, &value| message.integer(8, value)).integer(20, 7)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_wire_format() {
        // The examples of Protocol Buffers' own page on its encoding: 150 as field 1, "testing" as field 2.
        assert_eq!(Message::new().integer(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::new().text(2, "testing").into_bytes();
        assert_eq!(text, [0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g']);
        // A negative number takes ten bytes.
        assert_eq!(Message::new().integer(1, -1).into_bytes().len(), 11);
        assert_eq!(
            Message::new().integers(6, &[3, 270, 86_942]).into_bytes(),
            [0x32, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5]
        );
    }
}
