//! CSV files: comma, semicolon or tab between the cells, quotes as in RFC 4180.
//!
//! A column's type is inferred from all of its cells, or declared. No cell is ever changed in silence: a column is of whole
//! numbers only where every cell is one that a 64-bit integer holds, of floats where every cell is a number (and every whole
//! one among them is exact as a double), of booleans where every cell is `true` or `false`; else it is text. An empty
//! cell is missing. A number with zeros before it, such as `007`, is text: its zeros mean something.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use csv::ByteRecord;
use rayon::prelude::*;

use super::bytes::Bytes;
use super::{Error, OpenOptions, Source, check_request, partitions};

/// Rows that one thread parses at a time; where each block begins is kept.
const BLOCK_ROWS: usize = 4096;
/// Up to here every whole number is a double.
const EXACT: u64 = 1 << 53;
/// What may stand between cells.
const SEPARATORS: [u8; 3] = *b"\t;,";
/// A file may have this many columns.
const MOST_COLUMNS: usize = 1 << 16;

/// A CSV file.
pub struct CsvSource {
    path: PathBuf,
    bytes: Bytes,
    separator: u8,
    schema: SchemaRef,
    rows: u64,
    blocks: Vec<Block>,
    /// Where the last row ends.
    end: usize,
}

/// Some rows.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: usize,
    /// Of the first row, from 1.
    line: usize,
}

impl CsvSource {
    /// Opens a CSV file, plain or compressed, and reads it once for the types of its columns.
    ///
    /// The first line holds the names, unless all of its cells are numbers: then it is a row, and the columns are
    /// `column_0`, `column_1` and so on.
    ///
    /// # Errors
    /// When the file cannot be read, a row has another number of cells than the first, or a cell is not of the type that
    /// is declared for its column.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let bytes = Bytes::unpack(path)?;
        let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        // What separates the cells the first line says: until then anything may.
        let mut ends = Rows { bytes: &bytes, at: start, line: 1, separator: None };
        let bad = |reason: &str| Error::malformed(path, reason.to_owned());
        let first = ends.next().ok_or_else(|| bad("it is empty"))?;
        let head = bytes.get(first.start..ends.at).unwrap_or_default();
        let separator = separator(head);
        let mut names = ByteRecord::new();
        let mut reader = reader(head, separator);
        reader.read_byte_record(&mut names).map_err(|error| Error::malformed(path, error.to_string()))?;
        if names.len() > MOST_COLUMNS {
            return Err(bad("its first line has more columns than any table"));
        }
        ends.separator = Some(separator);
        let is_row =
            names.iter().all(|cell| matches!(Kinds::of(cell), Kinds { is_float: true, is_empty: false, .. }));
        let names: Vec<String> = if is_row {
            (ends.at, ends.line) = (start, 1);
            (0..names.len()).map(|column| format!("column_{column}")).collect()
        } else {
            let name = |(column, cell)| match std::str::from_utf8(cell).map(str::trim) {
                // Such as that of the index in what pandas writes.
                Ok("") => Ok(format!("column_{column}")),
                name => name.map(str::to_owned),
            };
            names
                .iter()
                .enumerate()
                .map(name)
                .collect::<Result<_, _>>()
                .map_err(|_| bad("the names of its columns are no text"))?
        };
        if let Some(twice) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
            return Err(Error::malformed(path, format!("two columns have the name `{}`", twice.1)));
        }
        let (mut rows, mut blocks) = (0, Vec::new());
        for row in ends {
            if rows % BLOCK_ROWS == 0 {
                blocks.push(row);
            }
            rows += 1;
        }
        let mut source = Self {
            path: path.to_owned(),
            separator,
            schema: Arc::new(Schema::empty()),
            rows: rows as u64,
            blocks,
            end: bytes.len(),
            bytes,
        };
        source.schema = Arc::new(Schema::new(source.fields(&names, &options.types)?));
        Ok(source)
    }

    /// The types of the columns: declared, or inferred from every cell.
    fn fields(&self, names: &[String], declared: &BTreeMap<String, DataType>) -> Result<Vec<Field>, Error> {
        let kinds = (0..self.blocks.len()).into_par_iter().map(|block| {
            let (mut kinds, mut rows) = (vec![Kinds::any(); names.len()], 0);
            self.each(block, names.len(), &mut |_, record| {
                kinds.iter_mut().zip(record).for_each(|(kinds, cell)| kinds.restrict(Kinds::of(cell)));
                rows += 1;
                Ok(())
            })?;
            // Rows are found by rules of their own: where the parser saw others, some would be lost.
            let found = (self.rows as usize - block * BLOCK_ROWS).min(BLOCK_ROWS);
            if rows != found {
                let line = self.blocks[block].line;
                let reason = format!("from line {line} on {found} rows begin, and {rows} can be parsed");
                return Err(Error::malformed(&self.path, reason));
            }
            Ok::<_, Error>(kinds)
        });
        let kinds: Vec<_> = kinds.collect();
        let mut all = vec![Kinds::any(); names.len()];
        for kinds in kinds {
            all.iter_mut().zip(kinds?).for_each(|(all, kinds)| all.restrict(kinds));
        }
        let field = |(name, kinds): (&String, &Kinds)| {
            let data_type = declared.get(name).cloned().unwrap_or_else(|| kinds.data_type());
            Field::new(name, data_type, kinds.is_empty)
        };
        Ok(names.iter().zip(&all).map(field).collect())
    }

    /// Calls `row` with each row of a block and its line.
    fn each(
        &self,
        block: usize,
        cells: usize,
        row: &mut dyn FnMut(usize, &ByteRecord) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Block { start, line } = self.blocks[block];
        let end = self.blocks.get(block + 1).map_or(self.end, |next| next.start);
        let mut reader = reader(self.bytes.get(start..end).unwrap_or_default(), self.separator);
        let mut record = ByteRecord::new();
        loop {
            let line = line + usize::try_from(reader.position().line()).unwrap_or(1) - 1;
            let failed = |reason: String| Error::malformed(&self.path, format!("line {line}: {reason}"));
            if !reader.read_byte_record(&mut record).map_err(|error| failed(error.to_string()))? {
                return Ok(());
            }
            if record.len() != cells {
                return Err(failed(format!(
                    "it has {} cells where the first line has {cells}",
                    record.len()
                )));
            }
            // Empty lines before a row belong to none.
            let line = record.position().map_or(line, |at| self.blocks[block].line + at.line() as usize - 1);
            row(line, &record)?;
        }
    }

    /// Parses some columns of the rows of a block that are within a range of all rows.
    fn parse(&self, block: usize, wanted: &[usize], rows: &Range<u64>) -> Result<RecordBatch, Error> {
        let fields: Vec<Field> = wanted.iter().map(|index| self.schema.field(*index).clone()).collect();
        let mut builders = fields.iter().map(|field| Builder::new(field.data_type()));
        let mut builders = builders
            .by_ref()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Error::malformed(&self.path, "a declared type is not one of CSV's"))?;
        let mut number = (block * BLOCK_ROWS) as u64;
        self.each(block, self.schema.fields().len(), &mut |line, record| {
            if rows.contains(&number) {
                for ((builder, index), field) in builders.iter_mut().zip(wanted).zip(&fields) {
                    let cell = record.get(*index).unwrap_or_default();
                    if !builder.push(cell) {
                        let cell = String::from_utf8_lossy(cell);
                        let reason = format!(
                            "line {line}: `{cell}` is not {}",
                            crate::dataset::type_name(field.data_type())
                        );
                        return Err(Error::column(&self.path, field.name(), reason));
                    }
                }
            }
            number += 1;
            Ok(())
        })?;
        let arrays = builders.into_iter().map(Builder::finish).collect();
        // A declared type may leave cells empty that the inferred one did too.
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

impl Source for CsvSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        let block = BLOCK_ROWS as u64;
        partitions((0..self.rows).step_by(BLOCK_ROWS).map(|row| row..(row + block).min(self.rows)))
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        let wanted: Vec<usize> =
            columns.iter().filter_map(|column| self.schema.index_of(column).ok()).collect();
        let first = rows.start as usize / BLOCK_ROWS;
        let last = (rows.end as usize).div_ceil(BLOCK_ROWS).max(first);
        let parsed: Vec<_> =
            (first..last).into_par_iter().map(|block| self.parse(block, &wanted, &rows)).collect();
        let batches = parsed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let schema =
            self.schema.project(&wanted).map_err(|error| Error::malformed(&self.path, error.to_string()))?;
        concat_batches(&Arc::new(schema), &batches)
            .map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

fn reader(bytes: &[u8], separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(bytes)
}

/// What separates the cells: the one among comma, semicolon and tab that the first line has most of.
fn separator(head: &[u8]) -> u8 {
    let count = |separator: &u8| head.iter().filter(|byte| *byte == separator).count();
    // The first of several with one count: `max_by_key` takes the last.
    SEPARATORS.into_iter().max_by_key(count).unwrap_or(b',')
}

/// Where rows begin, as the parser of their cells sees it: a line end within quotes ends none, a quote in the middle of a cell is
/// a character like any other, and empty lines are none.
struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    /// None where it is not known yet.
    separator: Option<u8>,
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
    /// Where the row ends that begins the rest of the bytes; counts its lines.
    fn row_end(&mut self, rest: &[u8]) -> usize {
        let mut place = Place::Start;
        for (index, byte) in rest.iter().enumerate() {
            self.line += usize::from(*byte == b'\n');
            place = match (place, byte) {
                (Place::Start | Place::Quote, b'"') => Place::Quoted,
                (Place::Quoted, b'"') => Place::Quote,
                (Place::Quoted, _) => Place::Quoted,
                (_, b'\n') => return index + 1,
                // A line may end in "\r" alone.
                (_, b'\r') if rest.get(index + 1) != Some(&b'\n') => return index + 1,
                (_, byte) if self.separator.map_or(SEPARATORS.contains(byte), |this| this == *byte) => {
                    Place::Start
                }
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
            if rest[..length].iter().any(|byte| !matches!(byte, b'\n' | b'\r')) {
                return Some(block);
            }
        }
    }
}

/// What the cells of a column can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kinds {
    is_signed: bool,
    is_unsigned: bool,
    is_float: bool,
    is_bool: bool,
    /// Whether a cell is empty.
    is_empty: bool,
    /// Whether there was any cell that is not.
    is_seen: bool,
    /// Whether a whole number is too large to be exact as a double.
    is_large: bool,
    /// Whether a number is not a whole one.
    is_broken: bool,
}

impl Kinds {
    fn any() -> Self {
        Self {
            is_signed: true,
            is_unsigned: true,
            is_float: true,
            is_bool: true,
            is_empty: false,
            is_seen: false,
            is_large: false,
            is_broken: false,
        }
    }

    fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return Self { is_empty: true, ..Self::any() };
        }
        Self::of_digits(cell).unwrap_or_else(|| Self::of_any(cell))
    }

    /// The commonest cells, without parsing them: up to fifteen digits, of which a point may part some.
    fn of_digits(cell: &[u8]) -> Option<Self> {
        let (digits, has_sign, is_negative) = match cell {
            [sign @ (b'-' | b'+'), digits @ ..] => (digits, true, *sign == b'-'),
            digits => (digits, false, false),
        };
        let is_code = matches!(digits, [b'0', second, ..] if second.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 || is_code || (has_sign && !is_negative) {
            return None;
        }
        let mut points = 0;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {}
                b'.' => points += 1,
                _ => return None,
            }
        }
        // A point alone, or one with no digit before or after it, is left to the parser.
        let is_broken = points == 1 && digits.first() != Some(&b'.') && digits.last() != Some(&b'.');
        if points > 0 && !is_broken {
            return None;
        }
        Some(Self {
            is_signed: !is_broken,
            // "-0" is as the parser has it: no unsigned number has a sign.
            is_unsigned: !is_broken && !is_negative,
            is_float: true,
            is_bool: false,
            is_empty: false,
            is_seen: true,
            is_large: false,
            is_broken,
        })
    }

    /// Any cell, which is not empty.
    fn of_any(cell: &[u8]) -> Self {
        let text = std::str::from_utf8(cell).unwrap_or_default();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_code = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let signed = text.parse::<i64>().ok().filter(|_| !is_code);
        let unsigned = text.parse::<u64>().ok().filter(|_| !is_code);
        let float = float(text).filter(|_| !is_code);
        let magnitude = unsigned.or_else(|| signed.map(i64::unsigned_abs));
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            is_signed: signed.is_some(),
            is_unsigned: unsigned.is_some(),
            is_float: float.is_some(),
            is_bool: boolean(text).is_some(),
            is_empty: false,
            is_seen: true,
            is_large: is_whole && magnitude.is_none_or(|magnitude| magnitude > EXACT),
            is_broken: !is_whole,
        }
    }

    fn restrict(&mut self, other: Self) {
        self.is_signed &= other.is_signed;
        self.is_unsigned &= other.is_unsigned;
        self.is_float &= other.is_float;
        self.is_bool &= other.is_bool;
        self.is_empty |= other.is_empty;
        self.is_seen |= other.is_seen;
        self.is_large |= other.is_large;
        self.is_broken |= other.is_broken;
    }

    fn data_type(&self) -> DataType {
        match self {
            Self { is_seen: false, .. } => DataType::Utf8,
            Self { is_signed: true, .. } => DataType::Int64,
            Self { is_unsigned: true, .. } => DataType::UInt64,
            Self { is_float: true, is_large: false, .. } => DataType::Float64,
            Self { is_bool: true, .. } => DataType::Boolean,
            _ => DataType::Utf8,
        }
    }
}

/// A number; one that is too large for a double is none.
fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let is_named = text.bytes().any(|byte| matches!(byte, b'i' | b'I' | b'n' | b'N'));
    (value.is_finite() || is_named).then_some(value)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The values of a column while they are parsed.
enum Builder {
    Signed(Int64Builder),
    Unsigned(UInt64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int64 => Self::Signed(Int64Builder::new()),
            DataType::UInt64 => Self::Unsigned(UInt64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            _ => return None,
        })
    }

    /// Whether the cell is of the column's type.
    fn push(&mut self, cell: &[u8]) -> bool {
        let Ok(whole) = std::str::from_utf8(cell) else { return false };
        let text = whole.trim_ascii();
        let is_there = !text.is_empty();
        let is_value = match self {
            Self::Signed(builder) => {
                let value = text.parse().ok();
                builder.append_option(value);
                value.is_some()
            }
            Self::Unsigned(builder) => {
                let value = text.parse().ok();
                builder.append_option(value);
                value.is_some()
            }
            Self::Float(builder) => {
                let value = float(text);
                builder.append_option(value);
                value.is_some()
            }
            Self::Boolean(builder) => {
                let value = boolean(text);
                builder.append_option(value);
                value.is_some()
            }
            Self::Text(builder) => {
                builder.append_option(is_there.then_some(whole));
                is_there
            }
        };
        is_value == is_there
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Signed(mut builder) => Arc::new(builder.finish()),
            Self::Unsigned(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_begin_where_the_parser_has_them(text in "[a,\"\n\r;]{0,40}") {
            let rows = Rows { bytes: text.as_bytes(), at: 0, line: 1, separator: Some(b',') };
            let parsed = reader(text.as_bytes(), b',').byte_records().count();
            proptest::prop_assert_eq!(rows.count(), parsed);
        }
    }

    #[test]
    fn digits_are_what_the_parser_makes_of_them() {
        let cells = [
            "0",
            "7",
            "-7",
            "-0",
            "00",
            "01",
            "-01",
            "0.5",
            "-0.5",
            "00.5",
            "1.",
            ".5",
            ".",
            "-",
            "-.",
            "1.2.3",
            "12a",
            "999999999999999",
            "-999999999999999",
            "1234567890123456",
            "123456789.12345",
            "-12.5",
            "+1",
            "+1.5",
        ];
        let mut short = 0;
        for cell in cells {
            if let Some(found) = Kinds::of_digits(cell.as_bytes()) {
                assert_eq!(found, Kinds::of_any(cell.as_bytes()), "{cell}");
                short += 1;
            }
        }
        assert_eq!(short, 10);
    }
}
