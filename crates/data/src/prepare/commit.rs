//! Everything that is written: shards, card, metadata, and last the manifest.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::inputs::Inputs;
use super::scan::{Piece, Scan};
use super::shards::ShardWriter;
use super::state::{LeftOut, State};
use super::statistics::Statistics;
use super::{CREATED_BY, PrepareOptions};
use crate::dataset::{
    CARD, CROISSANT, Document, FORMAT, HashingFile, MANIFEST, Manifest, SourceCutflow, SourceFile, SplitRows,
    Widened, card, croissant,
};
use crate::source::Error;
use crate::view::View;

/// Consumes the pieces in order.
pub(super) struct Sink {
    root: PathBuf,
    schema: SchemaRef,
    names: Vec<String>,
    writers: Vec<ShardWriter>,
    statistics: Vec<Statistics>,
    cutflow: Vec<SourceCutflow>,
    /// The partitions that were consumed.
    task: usize,
    /// For each split where the rows begin that are in no whole shard yet.
    begun: Vec<Option<Arc<Mark>>>,
    request: String,
    left_out: Vec<LeftOut>,
    widened: Vec<Widened>,
}

/// What was counted before a partition.
struct Mark {
    task: usize,
    source: usize,
    cutflow: SourceCutflow,
    statistics: Vec<Statistics>,
}

impl Sink {
    /// Begins anew, or where an earlier run was.
    pub(super) fn new(
        root: &Path,
        scan: &Scan<'_>,
        inputs: &Inputs,
        options: &PrepareOptions,
        request: &str,
        state: Option<State>,
    ) -> Result<Self, Error> {
        let names = scan.splits.clone();
        let state = state.unwrap_or_else(|| State {
            request: request.to_owned(),
            left_out: inputs.left_out.clone(),
            task: 0,
            cutflow: empty_cutflow(scan, &inputs.files),
            statistics: vec![Statistics::default(); scan.schema.fields().len()],
            shards: vec![Vec::new(); names.len()],
        });
        let writers = names.iter().zip(state.shards).enumerate().map(|(index, (name, shards))| {
            let whole: u64 = shards.iter().map(|shard| shard.rows).sum();
            let before: u64 = state.cutflow.iter().map(|source| source.splits[index].rows).sum();
            // A shard begins at or after the partition that comes next.
            let skip = usize::try_from(whole.saturating_sub(before)).unwrap_or(usize::MAX);
            ShardWriter::new(root, name, scan.schema.clone(), options, (shards, skip))
        });
        Ok(Self {
            root: root.to_owned(),
            schema: scan.schema.clone(),
            writers: writers.collect::<Result<_, _>>()?,
            statistics: state.statistics,
            cutflow: state.cutflow,
            task: state.task,
            begun: vec![None; names.len()],
            request: request.to_owned(),
            left_out: inputs.left_out.clone(),
            widened: scan.widened.clone(),
            names,
        })
    }

    /// Writes the rows of some pieces and adds up their counts.
    pub(super) fn consume(&mut self, pieces: Vec<Piece>) -> Result<(), Error> {
        pieces.into_iter().try_for_each(|piece| self.consume_one(piece))
    }

    fn consume_one(&mut self, piece: Piece) -> Result<(), Error> {
        let before = Arc::new(Mark {
            task: self.task,
            source: piece.source,
            cutflow: self.cutflow[piece.source].clone(),
            statistics: self.statistics.clone(),
        });
        let cutflow = &mut self.cutflow[piece.source];
        cutflow.rows += piece.rows;
        let mut rows = piece.rows;
        for (step, after) in cutflow.steps.iter_mut().zip(piece.passed) {
            step.before += rows;
            step.after += after;
            rows = after;
        }
        for (sum, statistics) in self.statistics.iter_mut().zip(&piece.statistics) {
            sum.merge(statistics);
        }
        let mut is_new = false;
        for (index, batch) in piece.splits.into_iter().enumerate() {
            cutflow.splits[index].rows += batch.num_rows() as u64;
            let writer = &mut self.writers[index];
            let shards = writer.done().len();
            writer.push(&batch)?;
            let is_closed = writer.done().len() > shards;
            is_new |= is_closed;
            let begun = &mut self.begun[index];
            if writer.is_whole() {
                *begun = None;
            } else if is_closed || begun.is_none() {
                *begun = Some(before.clone());
            }
        }
        self.task += 1;
        if is_new { self.save(piece.source) } else { Ok(()) }
    }

    /// Writes down what the whole shards hold, and from where on rows are in none.
    fn save(&self, source: usize) -> Result<(), Error> {
        let now = || Mark {
            task: self.task,
            source,
            cutflow: self.cutflow[source].clone(),
            statistics: self.statistics.clone(),
        };
        let oldest = self.begun.iter().flatten().min_by_key(|mark| mark.task).cloned();
        let mark = oldest.unwrap_or_else(|| Arc::new(now()));
        let mut cutflow = self.cutflow.clone();
        cutflow[mark.source] = mark.cutflow.clone();
        // Sources that come after it, of which some partitions may be consumed already.
        for later in &mut cutflow[mark.source + 1..] {
            later.rows = 0;
            later.splits.iter_mut().for_each(|split| split.rows = 0);
            later.steps.iter_mut().for_each(|step| (step.before, step.after) = (0, 0));
        }
        let state = State {
            request: self.request.clone(),
            left_out: self.left_out.clone(),
            task: mark.task,
            cutflow,
            statistics: mark.statistics.clone(),
            shards: self.writers.iter().map(|writer| writer.done().to_vec()).collect(),
        };
        state.write(&self.root)
    }

    pub(super) fn rows_read(&self) -> u64 {
        self.cutflow.iter().map(|source| source.rows).sum()
    }

    pub(super) fn rows_kept(&self) -> u64 {
        self.cutflow.iter().flat_map(|source| &source.splits).map(|split| split.rows).sum()
    }

    /// Closes the shards, and writes the documents and the manifest.
    pub(super) fn finish(self, inputs: &Inputs, view: &View, options: &PrepareOptions) -> Result<(), Error> {
        let mut files = Vec::new();
        for writer in self.writers {
            files.extend(writer.finish()?);
        }
        let splits = self.names.iter().enumerate().map(|(index, name)| SplitRows {
            name: name.clone(),
            rows: self.cutflow.iter().map(|source| source.splits[index].rows).sum(),
        });
        let fields = self.schema.fields().iter();
        let mut manifest = Manifest {
            format: FORMAT.to_owned(),
            about: options.about.clone(),
            version: String::new(),
            inputs: inputs.digest(view, options),
            created_by: CREATED_BY.to_owned(),
            view: view.text().to_owned(),
            sources: inputs.files.clone(),
            skipped: inputs.skipped.clone(),
            widened: self.widened,
            splits: splits.collect(),
            files,
            documents: Vec::new(),
            columns: fields
                .zip(&self.statistics)
                .map(|(field, statistics)| statistics.column(field))
                .collect(),
            cutflow: without_idle_checks(self.cutflow),
        };
        manifest.version = manifest.content_version();
        manifest.documents = vec![
            document(&self.root, CARD, &card(&manifest))?,
            document(&self.root, CROISSANT, &croissant(&manifest))?,
        ];
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| Error::malformed(&self.root.join(MANIFEST), error.to_string()))?;
        document(&self.root, MANIFEST, &(text + "\n")).map(drop)
    }
}

/// The cutflow of each source before any row.
fn empty_cutflow(scan: &Scan<'_>, files: &[SourceFile]) -> Vec<SourceCutflow> {
    let steps = scan.cutflow();
    let splits: Vec<SplitRows> =
        scan.splits.iter().map(|name| SplitRows { name: name.clone(), rows: 0 }).collect();
    let cutflow = files.iter().map(|file| SourceCutflow {
        source: file.file.clone(),
        rows: 0,
        steps: steps.clone(),
        splits: splits.clone(),
    });
    cutflow.collect()
}

/// Of the columns in which bad values are looked for, only those stay that had one in some source.
fn without_idle_checks(mut cutflow: Vec<SourceCutflow>) -> Vec<SourceCutflow> {
    let steps = cutflow.first().map_or(0, |source| source.steps.len());
    let is_told: Vec<bool> = (0..steps)
        .map(|index| {
            let mut of_sources = cutflow.iter().map(|source| &source.steps[index]);
            of_sources.any(|step| step.column.is_none() || step.after < step.before)
        })
        .collect();
    for source in &mut cutflow {
        let mut is_told = is_told.iter();
        source.steps.retain(|_| is_told.next().is_some_and(|is_told| *is_told));
    }
    cutflow
}

fn document(root: &Path, name: &str, text: &str) -> Result<Document, Error> {
    let path = root.join(name);
    let mut file = HashingFile::create(&path)?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", &path))?;
    let (bytes, sha256) = file.finish()?;
    Ok(Document { path: name.to_owned(), sha256, bytes })
}
