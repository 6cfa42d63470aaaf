//! Big-endian bytes, as ROOT writes its objects.

use std::collections::HashMap;

const BYTE_COUNT: u32 = 0x4000_0000;
const NEW_CLASS: u32 = 0xFFFF_FFFF;
const CLASS_MASK: u32 = 0x8000_0000;
/// References count from two before the object they point to.
const MAP_OFFSET: usize = 2;
/// A byte count has 30 bits, and ROOT keeps its buffers below this.
const MAX_OBJECT: usize = (1 << 30) - 2;

/// The bytes of a record's object. References within it count the key that stands before it.
#[derive(Debug, Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    key_len: usize,
    classes: HashMap<String, u32>,
}

/// An object that was written, to refer to it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference(u32);

impl Out {
    /// Bytes behind a key of this length.
    pub(crate) fn new(key_len: usize) -> Self {
        Self { key_len, ..Self::default() }
    }

    /// The bytes, unless they are more than a byte count can say.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (self.bytes.len() + self.key_len <= MAX_OBJECT).then_some(self.bytes)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A `TString`: its length in one byte, or 255 and four bytes.
    pub(crate) fn text(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(n) if n < 255 => self.u8(n),
            _ => {
                self.u8(255);
                self.u32(size(text.len()));
            }
        }
        self.bytes(text.as_bytes());
    }

    /// A byte count, a class version and what `body` writes.
    pub(crate) fn versioned(&mut self, version: u16, body: impl FnOnce(&mut Self)) {
        self.counted(|out| {
            out.u16(version);
            body(out);
        });
    }

    fn counted(&mut self, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        body(self);
        let count = size(self.bytes.len() - start - 4) | BYTE_COUNT;
        self.bytes[start..start + 4].copy_from_slice(&count.to_be_bytes());
    }

    /// An object behind a pointer: byte count, class (by name the first time), and what `body` writes.
    pub(crate) fn object(&mut self, class: &str, body: impl FnOnce(&mut Self)) -> Reference {
        let start = self.bytes.len();
        self.counted(|out| {
            match out.classes.get(class) {
                Some(&position) => out.u32(position | CLASS_MASK),
                None => {
                    let position = size(out.bytes.len() + out.key_len + MAP_OFFSET);
                    out.classes.insert(class.to_owned(), position);
                    out.u32(NEW_CLASS);
                    out.bytes(class.as_bytes());
                    out.u8(0);
                }
            }
            body(out);
        });
        Reference(size(start + self.key_len + MAP_OFFSET))
    }

    /// A pointer to an object that was written before, or to nothing.
    pub(crate) fn pointer(&mut self, to: Option<Reference>) {
        self.u32(to.map_or(0, |reference| reference.0));
    }

    /// The base class `TObject`, with its status bits.
    pub(crate) fn t_object(&mut self, bits: u32) {
        self.u16(1);
        self.u32(0);
        self.u32(bits);
    }

    /// The base class `TNamed`.
    pub(crate) fn t_named(&mut self, bits: u32, name: &str, title: &str) {
        self.versioned(1, |out| {
            out.t_object(bits);
            out.text(name);
            out.text(title);
        });
    }

    /// A `TObjArray` of `n` items, which `items` writes.
    pub(crate) fn obj_array(&mut self, n: usize, items: impl FnOnce(&mut Self)) {
        self.versioned(3, |out| {
            out.t_object(BITS);
            out.text("");
            out.u32(size(n));
            out.u32(0);
            items(out);
        });
    }
}

/// The status bits of an object on the heap, as ROOT writes them: "is on heap, not deleted".
pub(crate) const BITS: u32 = 0x0300_0000;

/// Sizes within an object: those beyond 32 bits are caught by [`Out::finish`].
fn size(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
