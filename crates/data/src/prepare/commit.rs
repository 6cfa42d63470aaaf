//! Everything that is written: shards, card, metadata, and last the manifest.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;

use super::scan::{Piece, Scan};
use super::shards::ShardWriter;
use super::stage::Stage;
use super::statistics::Statistics;
use super::{CREATED_BY, PrepareOptions};
use crate::dataset::{
    About, CARD, CROISSANT, CutflowStep, Document, FORMAT, HashingFile, MANIFEST, Manifest, SkippedFile,
    SourceCutflow, SourceFile, SplitRows, card, croissant,
};
use crate::source::Error;

/// Where a dataset comes from.
pub(super) struct Provenance<'a> {
    pub(super) inputs: String,
    pub(super) view: &'a str,
    pub(super) sources: Vec<SourceFile>,
    pub(super) skipped: Vec<SkippedFile>,
    pub(super) about: &'a About,
}

/// Consumes the pieces in order.
pub(super) struct Sink {
    root: PathBuf,
    schema: SchemaRef,
    names: Vec<String>,
    writers: Vec<ShardWriter>,
    statistics: Vec<Statistics>,
    cutflow: Vec<SourceCutflow>,
}

impl Sink {
    pub(super) fn new(
        root: &Path,
        scan: &Scan<'_>,
        files: &[SourceFile],
        options: &PrepareOptions,
    ) -> Result<Self, Error> {
        let names = scan.splits.clone();
        let writers = names.iter().map(|name| ShardWriter::new(root, name, scan.schema.clone(), options));
        let steps: Vec<CutflowStep> = scan
            .clauses
            .iter()
            .map(|clause| CutflowStep { clause: clause.expr.text().to_owned(), before: 0, after: 0 })
            .collect();
        let splits: Vec<SplitRows> =
            names.iter().map(|name| SplitRows { name: name.clone(), rows: 0 }).collect();
        let cutflow = files.iter().map(|file| SourceCutflow {
            source: file.file.clone(),
            rows: 0,
            steps: steps.clone(),
            splits: splits.clone(),
        });
        Ok(Self {
            root: root.to_owned(),
            schema: scan.schema.clone(),
            writers: writers.collect::<Result<_, _>>()?,
            statistics: vec![Statistics::default(); scan.schema.fields().len()],
            cutflow: cutflow.collect(),
            names,
        })
    }

    /// Writes the rows of some pieces and adds up their counts.
    pub(super) fn consume(&mut self, pieces: Vec<Piece>) -> Result<(), Error> {
        for piece in pieces {
            let cutflow = &mut self.cutflow[piece.source];
            cutflow.rows += piece.rows;
            let mut before = piece.rows;
            for (step, after) in cutflow.steps.iter_mut().zip(piece.passed) {
                step.before += before;
                step.after += after;
                before = after;
            }
            for (sum, statistics) in self.statistics.iter_mut().zip(&piece.statistics) {
                sum.merge(statistics);
            }
            for (index, batch) in piece.splits.into_iter().enumerate() {
                cutflow.splits[index].rows += batch.num_rows() as u64;
                self.writers[index].push(batch)?;
            }
        }
        Ok(())
    }

    pub(super) fn rows_read(&self) -> u64 {
        self.cutflow.iter().map(|source| source.rows).sum()
    }

    pub(super) fn rows_kept(&self) -> u64 {
        self.cutflow.iter().flat_map(|source| &source.splits).map(|split| split.rows).sum()
    }

    /// Closes the shards, writes the documents and the manifest, and brings the dataset to its place.
    pub(super) fn finish(self, stage: Stage, provenance: Provenance<'_>) -> Result<(), Error> {
        let Provenance { inputs, view, sources, skipped, about } = provenance;
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
            about: about.clone(),
            version: String::new(),
            inputs,
            created_by: CREATED_BY.to_owned(),
            view: view.to_owned(),
            sources,
            skipped,
            splits: splits.collect(),
            files,
            documents: Vec::new(),
            columns: fields
                .zip(&self.statistics)
                .map(|(field, statistics)| statistics.column(field))
                .collect(),
            cutflow: self.cutflow,
        };
        manifest.version = manifest.content_version();
        manifest.documents = vec![
            document(&self.root, CARD, &card(&manifest))?,
            document(&self.root, CROISSANT, &croissant(&manifest))?,
        ];
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| Error::malformed(&self.root.join(MANIFEST), error.to_string()))?;
        document(&self.root, MANIFEST, &(text + "\n"))?;
        stage.commit()
    }
}

fn document(root: &Path, name: &str, text: &str) -> Result<Document, Error> {
    let path = root.join(name);
    let mut file = HashingFile::create(&path)?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", &path))?;
    let (bytes, sha256) = file.finish()?;
    Ok(Document { path: name.to_owned(), sha256, bytes })
}
