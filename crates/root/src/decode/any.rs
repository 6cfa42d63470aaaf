//! Collections of objects of any class: each object is read as a tree of values, which becomes JSON text.

use super::Decoder;
use crate::error::Result;
use crate::objects::reader::Reader;
use crate::shape::Any;

/// Characters of text that a byte may stand for: the names of classes and members stand beside each value.
const CHARACTERS_A_BYTE: usize = 256;

impl Decoder<'_> {
    /// Appends the collection as text.
    pub(super) fn any(&mut self, any: &Any, out: &mut Vec<u8>) -> Result<()> {
        let start = self.cursor.pos();
        let mut reader = Reader::within(self.cursor.clone(), self.key_len, &any.classes, self.budget);
        // An entry refers to classes that were named before.
        self.classes.iter().for_each(|(number, name)| reader.name(*number, name));
        let value = if any.pointer { reader.item()? } else { reader.top(&any.class)? };
        let (end, budget) = reader.rest();
        self.cursor.seek(end)?;
        self.budget = budget;
        let text = value.to_json();
        if text.len() > (end - start).saturating_mul(CHARACTERS_A_BYTE) {
            return Err(self
                .cursor
                .error(format!("a {} takes more text than its bytes can stand for", any.class)));
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
