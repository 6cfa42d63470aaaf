//! Values that tell their own length: strings, and collections within collections.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use crate::build::{self, Piece, Spans};
use crate::cursor::Cursor;
use crate::error::{Place, Result};
use crate::layout::{Item, Shape};
use crate::object::IS_REFERENCED;
use crate::prim::Prim;

/// Values of one shape, gathered entry by entry. Numbers stay big-endian until all are there.
pub(crate) enum Nested {
    Numbers { prim: Prim, bytes: Vec<u8> },
    Text { ends: Vec<usize>, bytes: Vec<u8> },
    List { ends: Vec<usize>, items: Box<Nested> },
}

impl Nested {
    pub(crate) fn new(shape: &Shape) -> Self {
        match shape {
            Shape::Number(prim) => Self::Numbers { prim: *prim, bytes: Vec::new() },
            Shape::Bits => Self::Numbers { prim: Prim::U32, bytes: Vec::new() },
            Shape::Text | Shape::LongText => Self::Text { ends: Vec::new(), bytes: Vec::new() },
            Shape::List(item) | Shape::Rest(item) => {
                Self::List { ends: Vec::new(), items: Box::new(Self::new(item)) }
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers { prim, bytes } => bytes.len() / prim.width(),
            Self::Text { ends, .. } | Self::List { ends, .. } => ends.len(),
        }
    }

    /// Reads one entry, which starts at `at` in its basket.
    pub(crate) fn entry(
        &mut self,
        shape: &Shape,
        bytes: &[u8],
        at: usize,
        header: usize,
        place: &Place,
    ) -> Result<()> {
        let mut cursor = Cursor::new(bytes, place);
        let located = |cursor: &Cursor<'_>, reason: &str| place.error(at + cursor.pos(), reason);
        if bytes.is_empty() && matches!(shape, Shape::Rest(_)) {
            return self.read(shape, &mut cursor);
        }
        cursor.take(header).map_err(|_| located(&cursor, "an entry is shorter than its header"))?;
        self.read(shape, &mut cursor)?;
        if cursor.remaining() > 0 {
            return Err(located(&cursor, &format!("an entry has {} bytes too many", cursor.remaining())));
        }
        Ok(())
    }

    /// Reads entries that follow each other without offsets, and keeps the wanted ones.
    pub(crate) fn in_a_row(
        &mut self,
        shape: &Shape,
        bytes: &[u8],
        header: usize,
        entries: usize,
        wanted: &Range<usize>,
        place: &Place,
    ) -> Result<()> {
        let mut cursor = Cursor::new(bytes, place);
        if matches!(shape, Shape::Rest(_)) {
            return Err(place.error(0, "it has no entry offsets, so that its entries do not end"));
        }
        let mut before = Self::new(shape);
        for entry in 0..entries.min(wanted.end) {
            cursor.take(header)?;
            if entry < wanted.start {
                before.read(shape, &mut cursor)?;
            } else {
                self.read(shape, &mut cursor)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, shape: &Shape, cursor: &mut Cursor<'_>) -> Result<()> {
        match (self, shape) {
            (Self::Numbers { bytes, .. }, Shape::Bits) => {
                let flags = cursor.take(4)?;
                bytes.extend_from_slice(flags);
                if u32::from(flags[3]) & IS_REFERENCED != 0 {
                    cursor.take(2)?;
                }
            }
            (Self::Numbers { prim, bytes }, _) => bytes.extend_from_slice(cursor.take(prim.width())?),
            (Self::Text { ends, bytes }, shape) => {
                let text = match shape {
                    Shape::LongText => {
                        let n = cursor.count(1)?;
                        cursor.take(n)?
                    }
                    _ => cursor.text_bytes()?,
                };
                bytes.extend_from_slice(text);
                ends.push(bytes.len());
            }
            (Self::List { ends, items }, Shape::List(item)) => {
                match (items.as_mut(), item.as_ref()) {
                    (Self::Numbers { prim, bytes }, _) => {
                        let n = cursor.count(prim.width())?;
                        bytes.extend_from_slice(cursor.take(n * prim.width())?);
                    }
                    (items, item) => {
                        for _ in 0..cursor.count(1)? {
                            items.read(item, cursor)?;
                        }
                    }
                }
                ends.push(items.len());
            }
            (Self::List { ends, items }, Shape::Rest(item)) => {
                while cursor.remaining() > 0 {
                    items.read(item, cursor)?;
                }
                ends.push(items.len());
            }
            (Self::List { .. }, _) => {
                return Err(cursor.error("a list where none belongs"));
            }
        }
        Ok(())
    }

    /// Puts the values of several baskets together.
    pub(crate) fn concat(shape: &Shape, parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut out = parts.next().unwrap_or_else(|| Self::new(shape));
        parts.for_each(|part| out.append(part));
        out
    }

    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Numbers { bytes, .. }, Self::Numbers { bytes: more, .. }) => {
                bytes.extend_from_slice(&more);
            }
            (Self::Text { ends, bytes }, Self::Text { ends: more_ends, bytes: more }) => {
                let base = bytes.len();
                ends.extend(more_ends.into_iter().map(|end| end + base));
                bytes.extend_from_slice(&more);
            }
            (Self::List { ends, items }, Self::List { ends: more_ends, items: more }) => {
                let base = items.len();
                ends.extend(more_ends.into_iter().map(|end| end + base));
                items.append(*more);
            }
            // All parts were made from one shape.
            _ => {}
        }
    }

    pub(crate) fn finish(self, place: &Place) -> Result<ArrayRef> {
        match self {
            Self::Numbers { prim, bytes } => {
                let item = Item { prim, dims: Vec::new() };
                let items = bytes.len() / prim.width();
                build::items(&item, &[Piece { bytes: &bytes, spans: Spans::All, items }], place)
            }
            Self::Text { ends, bytes } => {
                let offsets = offsets(ends, place)?;
                let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), None);
                Ok(Arc::new(array.map_err(|e| place.error(0, format!("its text is not UTF-8: {e}")))?))
            }
            Self::List { ends, items } => build::list(offsets(ends, place)?, items.finish(place)?, place),
        }
    }
}

fn offsets(ends: Vec<usize>, place: &Place) -> Result<OffsetBuffer<i32>> {
    if ends.last().is_some_and(|&last| i32::try_from(last).is_err()) {
        return Err(place.error(0, "a column holds more than 2^31 items: read fewer entries at once"));
    }
    let offsets: Vec<i32> = std::iter::once(0).chain(ends.into_iter().map(|end| end as i32)).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    fn check(shape: &Shape, header: usize, entries: &[&[u8]]) -> std::result::Result<ArrayRef, String> {
        let place = Place::new(&"test".into(), "a basket", 100);
        let mut nested = Nested::new(shape);
        let mut at = 0;
        for entry in entries {
            nested.entry(shape, entry, at, header, &place).map_err(|e| e.to_string())?;
            at += entry.len();
        }
        nested.finish(&place).map_err(|e| e.to_string())
    }

    #[test]
    fn nested_values_are_read_by_hand() {
        let list = |item| Shape::List(Box::new(item));
        let shape = list(list(Shape::Number(Prim::U16)));
        let entries: [&[u8]; 2] = [&[0, 0, 0, 2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 2, 1, 0, 0, 9], &[0, 0, 0, 0]];
        let array = check(&shape, 0, &entries).expect("this is right");
        let outer = array.as_list::<i32>();
        assert_eq!(outer.offsets().to_vec(), [0, 2, 2]);
        let inner = outer.values().as_list::<i32>();
        assert_eq!(inner.offsets().to_vec(), [0, 1, 3]);
        assert_eq!(
            inner.values().as_primitive::<arrow_array::types::UInt16Type>().values().to_vec(),
            [7, 256, 9]
        );

        let strings = check(&list(Shape::Text), 2, &[&[9, 9, 0, 0, 0, 2, 1, b'a', 0], &[9, 9, 0, 0, 0, 0]]);
        let strings = strings.expect("this is right");
        let texts: Vec<_> = strings.as_list::<i32>().values().as_string::<i32>().iter().flatten().collect();
        assert_eq!(texts, ["a", ""]);
    }

    #[test]
    fn broken_values_say_where() {
        let list = Shape::List(Box::new(Shape::Text));
        for (shape, header, entry, part) in [
            (
                &list,
                0,
                [0x7F, 0xFF, 0xFF, 0xFF, 0].as_slice(),
                "a count of 2147483647 does not fit the 1 bytes left",
            ),
            (&list, 0, &[0, 0, 0, 1, 9, b'a'], "9 bytes are needed, 1 are left"),
            (&list, 0, &[0, 0, 0, 0, 1], "an entry has 1 bytes too many"),
            (&list, 6, &[0, 0], "an entry is shorter than its header"),
            (&Shape::Text, 0, &[1, 0xFF], "its text is not UTF-8"),
        ] {
            let error = check(shape, header, &[entry]).expect_err("this is broken");
            assert!(
                error.contains(part) && error.contains("test at byte 100"),
                "{error:?} should contain {part:?}"
            );
        }
    }
}
