//! Where rows begin, and what their cells are.

use csv::{ByteRecord, Reader, ReaderBuilder};

/// What may stand between cells; blanks are the other possibility.
pub(super) const SEPARATORS: [u8; 3] = *b"\t;,";

/// What stands between the cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Byte(u8),
    /// One blank or tab or several, and any before the first cell; then quotes mean nothing.
    Blanks,
}

/// Some rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) start: usize,
    /// Of the first row, from 1.
    pub(super) line: usize,
}

/// Where rows begin, as the parser of their cells sees it: a line end within quotes ends none, a quote in the middle of a cell is
/// a character like any other, and empty lines are none.
pub(super) struct Rows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) line: usize,
    /// None where it is not known yet.
    pub(super) separator: Option<Separator>,
}

/// Where in a cell a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote within quotes: it ends them, unless another one follows.
    Quote,
}

impl Rows<'_> {
    /// Whether a byte may part two cells.
    fn parts(&self, byte: u8) -> bool {
        match self.separator {
            None => SEPARATORS.contains(&byte),
            Some(separator) => separator == Separator::Byte(byte),
        }
    }

    /// Where the row ends that begins the rest of the bytes; counts its lines.
    fn row_end(&mut self, rest: &[u8]) -> usize {
        let mut place = Place::Start;
        let is_quoting = self.separator != Some(Separator::Blanks);
        for (index, byte) in rest.iter().enumerate() {
            self.line += usize::from(*byte == b'\n');
            place = match (place, byte) {
                (Place::Start | Place::Quote, b'"') if is_quoting => Place::Quoted,
                (Place::Quoted, b'"') => Place::Quote,
                (Place::Quoted, _) => Place::Quoted,
                (_, b'\n') => return index + 1,
                // A line may end in "\r" alone.
                (_, b'\r') if rest.get(index + 1) != Some(&b'\n') => return index + 1,
                (_, byte) if self.parts(*byte) => Place::Start,
                _ => Place::Plain,
            };
        }
        rest.len()
    }
}

impl Iterator for Rows<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        loop {
            let bytes = self.bytes;
            let rest = bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
            let block = Block { start: self.at, line: self.line };
            let length = self.row_end(rest);
            self.at += length;
            let is_blank = |byte: &u8| match self.separator {
                Some(Separator::Blanks) => byte.is_ascii_whitespace(),
                _ => matches!(byte, b'\n' | b'\r'),
            };
            if !rest[..length].iter().all(is_blank) {
                return Some(block);
            }
        }
    }
}

/// The rows of some bytes, cell by cell.
pub(super) enum Records<'a> {
    Separated(Box<Reader<&'a [u8]>>, &'a [u8]),
    Blank(Rows<'a>),
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8], separator: Separator) -> Self {
        match separator {
            Separator::Byte(byte) => {
                let mut builder = ReaderBuilder::new();
                builder.has_headers(false).flexible(true).delimiter(byte);
                Self::Separated(Box::new(builder.from_reader(bytes)), bytes)
            }
            Separator::Blanks => Self::Blank(Rows { bytes, at: 0, line: 1, separator: Some(separator) }),
        }
    }

    /// The next row and its line, from 1; nothing behind the last one.
    ///
    /// # Errors
    /// When the row cannot be parsed, with its line.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<usize>, (usize, String)> {
        match self {
            Self::Separated(reader, bytes) => {
                // Empty lines before a row belong to none.
                let at = reader.position();
                let rest = usize::try_from(at.byte()).ok().and_then(|start| bytes.get(start..));
                let ends = rest.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
                let empty = ends.filter(|byte| **byte == b'\n').count();
                let line = usize::try_from(at.line()).unwrap_or(1) + empty;
                let is_row = reader.read_byte_record(record).map_err(|error| (line, error.to_string()))?;
                Ok(is_row.then_some(line))
            }
            Self::Blank(rows) => {
                record.clear();
                let Some(row) = rows.next() else { return Ok(None) };
                rows.bytes[row.start..rows.at]
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .for_each(|word| record.push_field(word));
                Ok(Some(row.line))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_begin_where_the_parser_has_them(text in "[a,\"\n\r;# ]{0,40}") {
            for separator in [Separator::Byte(b','), Separator::Blanks] {
                let rows = Rows { bytes: text.as_bytes(), at: 0, line: 1, separator: Some(separator) };
                let (mut records, mut record) = (Records::new(text.as_bytes(), separator), ByteRecord::new());
                let mut parsed = 0;
                while records.next(&mut record).unwrap().is_some() {
                    parsed += 1;
                }
                proptest::prop_assert_eq!(rows.count(), parsed);
            }
        }
    }
}
