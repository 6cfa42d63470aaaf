//! Generated events as text: LHE, HepMC2 and HepMC3.
//!
//! Opening a file finds where each event begins; reading parses the events that are asked for, side by side, and of them
//! only the columns that are asked for. Numbers in text are parsed to the nearest double.

mod hepmc;
mod hepmc2;
mod lhe;
mod sheet;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use rayon::prelude::*;

use super::bytes::Bytes;
use super::{Error, Source, check_request, partitions};
use sheet::{Column, Sheet};

/// Events that one thread parses at a time.
const PIECE: usize = 512;
/// Bytes of text in one partition, unless a single event has more.
const PARTITION_BYTES: usize = 64 << 20;

/// Why an event cannot be read: the line within it, from 0, and the reason.
type Fault = (usize, String);

/// What the formats tell apart.
enum Format {
    Lhe(lhe::Header),
    HepMc(hepmc::Header),
}

/// An LHE or HepMC file.
pub struct EventSource {
    path: PathBuf,
    bytes: Bytes,
    format: Format,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// Where each event begins, and where the last one ends.
    starts: Vec<usize>,
}

/// Whether a file begins as one of the formats does.
pub(super) fn is_events(start: &[u8]) -> bool {
    lhe::is_lhe(start) || hepmc::is_hepmc(start)
}

impl EventSource {
    /// Opens an LHE, HepMC2 or HepMC3 file, plain or compressed, and finds its events.
    ///
    /// # Errors
    /// When the file cannot be read or is of none of these formats.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = Bytes::unpack(path)?;
        let bad = |reason: String| Error::malformed(path, reason);
        let (format, columns, starts) = if lhe::is_lhe(&bytes) {
            let (header, starts) = lhe::index(&bytes).map_err(bad)?;
            (Format::Lhe(header.clone()), lhe::columns(&header), starts)
        } else {
            let (header, starts) = hepmc::index(&bytes).map_err(bad)?;
            (Format::HepMc(header.clone()), hepmc::columns(&header), starts)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
        Ok(Self { path: path.to_owned(), bytes, format, columns, schema, starts })
    }

    /// Parses some events.
    fn parse(&self, events: Range<usize>, wanted: &[usize]) -> Result<RecordBatch, Error> {
        let mut sheet = Sheet::new(&self.columns, wanted);
        for event in events {
            let text = self.bytes.get(self.starts[event]..self.starts[event + 1]).unwrap_or_default();
            let parsed = std::str::from_utf8(text).map_err(|_| (0, "it is not a text".to_owned()));
            let parsed = parsed.and_then(|text| match &self.format {
                Format::Lhe(header) => lhe::event(header, text, &mut sheet),
                Format::HepMc(header) => hepmc::event(header, text, &mut sheet),
            });
            parsed.map_err(|(line, reason)| {
                let before = self.bytes[..self.starts[event]].iter().filter(|byte| **byte == b'\n').count();
                Error::malformed(&self.path, format!("event {event}, line {}: {reason}", before + line + 1))
            })?;
            sheet.end_event();
        }
        sheet.finish(&self.columns, wanted).map_err(|reason| Error::malformed(&self.path, reason))
    }
}

impl Source for EventSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn rows(&self) -> u64 {
        self.starts.len().saturating_sub(1) as u64
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn partitions(&self) -> Vec<Range<u64>> {
        let mut pieces: Vec<Range<u64>> = Vec::new();
        for event in 0..self.starts.len().saturating_sub(1) {
            match pieces.last_mut() {
                Some(last)
                    if self.starts[event + 1] - self.starts[last.start as usize] <= PARTITION_BYTES =>
                {
                    last.end += 1;
                }
                _ => pieces.push(event as u64..event as u64 + 1),
            }
        }
        // One piece alone is cut as any cluster is; several stay as they are.
        if pieces.len() == 1 { partitions(pieces) } else { pieces }
    }

    fn read(&self, columns: &[&str], rows: Range<u64>) -> Result<RecordBatch, Error> {
        if let Some(empty) = check_request(self, columns, &rows)? {
            return Ok(empty);
        }
        let wanted: Vec<usize> = columns
            .iter()
            .filter_map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect();
        let events = rows.start as usize..rows.end as usize;
        let pieces: Vec<Range<usize>> =
            events.clone().step_by(PIECE).map(|start| start..(start + PIECE).min(events.end)).collect();
        let parsed: Vec<_> = pieces.into_par_iter().map(|piece| self.parse(piece, &wanted)).collect();
        // In order, so that of several errors the same one is reported each time.
        let batches = parsed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let schema = wanted.iter().map(|index| self.schema.fields()[*index].clone()).collect::<Vec<_>>();
        concat_batches(&Arc::new(Schema::new(schema)), &batches)
            .map_err(|error| Error::malformed(&self.path, error.to_string()))
    }
}

/// The next word of a line as a number.
fn number<T: std::str::FromStr>(word: Option<&str>, what: &str) -> Result<T, String> {
    let word = word.ok_or_else(|| format!("the {what} is not there"))?;
    word.parse().map_err(|_| format!("the {what} `{word}` is not a number that fits"))
}
