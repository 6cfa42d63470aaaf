//! CSV files: comma, semicolon, tab or blanks between the cells, quotes as in RFC 4180, remarks before the first row.
//!
//! A column's type is inferred from all of its cells, or declared. No cell is ever changed in silence: a column is of whole
//! numbers only where every cell is one that a 64-bit integer holds, of floats where every cell is a number (and every whole
//! one among them is exact as a double), of booleans where every cell is `true` or `false`; else it is text. An empty
//! cell is missing, and so is one of `NA`, `null` and the like among numbers or booleans. A number with zeros before it, such as `007`, is text: its zeros mean something.

mod builder;
mod head;
mod kinds;
mod rows;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use csv::ByteRecord;
use rayon::prelude::*;

use super::bytes::Bytes;
use super::{Error, OpenOptions, Source, check_request, partitions};
use builder::Builder;
use head::Head;
use kinds::Kinds;
use rows::{Block, Records, Rows, Separator};

/// Rows that one thread parses at a time; where each block begins is kept.
const BLOCK_ROWS: usize = 4096;
/// A file may have this many columns.
const MOST_COLUMNS: usize = 1 << 16;

/// A CSV file.
pub struct CsvSource {
    path: PathBuf,
    bytes: Bytes,
    separator: Separator,
    schema: SchemaRef,
    rows: u64,
    blocks: Vec<Block>,
    /// Where the last row ends.
    end: usize,
}

impl CsvSource {
    /// Opens a CSV file, plain or compressed, and reads it once for the types of its columns.
    ///
    /// The first line holds the names, unless all of its cells are numbers: then it is a row, and the columns are
    /// `column_0`, `column_1` and so on. Lines that begin with `#` may stand before it, and the names in one of them.
    ///
    /// # Errors
    /// When the file cannot be read, a row has another number of cells than the first, or a cell is not of the type that
    /// is declared for its column.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let bytes = Bytes::unpack(path)?;
        let bad = |reason: String| Error::malformed(path, reason);
        let Head { names, separator, start, line } = head::read(&bytes).map_err(bad)?;
        if names.len() > MOST_COLUMNS {
            return Err(bad("its first line has more columns than any table".to_owned()));
        }
        if let Some(twice) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
            return Err(bad(format!("two columns have the name `{}`", twice.1)));
        }
        let ends = Rows { bytes: &bytes, at: start, line, separator: Some(separator) };
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

    /// Whether it has one column alone, of texts.
    pub(super) fn is_plain_text(&self) -> bool {
        self.schema.fields().len() == 1 && self.schema.field(0).data_type() == &DataType::Utf8
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
            let is_nullable = kinds.is_nullable(&data_type);
            Field::new(name, data_type, is_nullable)
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
        let mut records = Records::new(self.bytes.get(start..end).unwrap_or_default(), self.separator);
        let mut record = ByteRecord::new();
        let failed = |within: usize, reason: String| {
            Error::malformed(&self.path, format!("line {}: {reason}", line + within - 1))
        };
        while let Some(within) =
            records.next(&mut record).map_err(|(within, reason)| failed(within, reason))?
        {
            if record.len() != cells {
                let reason = format!("it has {} cells where the first line has {cells}", record.len());
                return Err(failed(within, reason));
            }
            row(line + within - 1, &record)?;
        }
        Ok(())
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
