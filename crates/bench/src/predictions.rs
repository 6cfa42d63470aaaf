//! Predictions on disk: a Parquet file with `row_id`, a score for each class or the numbers of a regression, and observers.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::{Error, files};

/// The name of the column that ties a prediction to a row of the dataset.
pub const ROW_ID: &str = "row_id";

/// What is predicted for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The rows of the dataset that the values belong to, `(n)`.
    pub row_ids: Vec<u64>,
    /// `(n, columns)`, row after row. Scores need not be probabilities.
    pub values: Vec<f64>,
    /// The number of columns: of classes, or what a regression gives.
    pub columns: usize,
}

/// The columns of the scores of some classes.
fn score_names(classes: &[String]) -> Vec<String> {
    classes.iter().map(|class| format!("score_{class}")).collect()
}

impl Predictions {
    /// Reads scores that any framework wrote: `row_id`, and `score_CLASS` for each of `classes`; or, for two
    /// classes, `score`, which rises towards the class with index `signal`.
    ///
    /// A lone `score` is taken as a probability `s` where it lies in [0, 1] (the other class gets `1 - s`), else as a log
    /// odds (the other class gets `-s`), so that its highest score is the predicted class in both cases.
    ///
    /// # Errors
    /// As [`Predictions::read_columns`].
    pub fn read(path: &Path, classes: &[String], signal: usize) -> Result<Self, Error> {
        let wanted = score_names(classes);
        let names = column_names(&open(path)?);
        let has = |column: &str| names.iter().any(|name| name == column);
        if classes.len() == 2 && !has(&wanted[0]) && has("score") {
            let Self { row_ids, values, .. } = Self::read_columns(path, &["score".to_owned()])?;
            return Ok(Self { row_ids, values: both_sides(&values, signal), columns: 2 });
        }
        Self::read_columns(path, &wanted)
    }

    /// Reads `row_id` and columns of these names, in this order.
    ///
    /// # Errors
    /// If the file is no Parquet, a column is missing or of another type, or a value is null or not finite.
    pub fn read_columns(path: &Path, columns: &[String]) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Predictions { path: path.to_path_buf(), reason };
        let builder = open(path)?;
        let names = column_names(&builder);
        for column in std::iter::once(ROW_ID).chain(columns.iter().map(String::as_str)) {
            if !names.iter().any(|name| name == column) {
                return Err(refuse(format!("there is no column \"{column}\", only {}", names.join(", "))));
            }
        }
        let indices = names
            .iter()
            .enumerate()
            .filter(|(_, name)| *name == ROW_ID || columns.contains(name))
            .map(|(index, _)| index);
        let mask = ProjectionMask::roots(builder.parquet_schema(), indices);
        let reader = builder.with_projection(mask).build().map_err(|error| refuse(error.to_string()))?;

        let mut row_ids = Vec::new();
        let mut found: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
        for batch in reader {
            let batch = batch.map_err(|error| refuse(error.to_string()))?;
            let column = |name: &str| {
                batch.column_by_name(name).ok_or_else(|| refuse(format!("there is no column \"{name}\"")))
            };
            row_ids.extend(identifiers(column(ROW_ID)?).map_err(&refuse)?);
            for (name, values) in columns.iter().zip(&mut found) {
                let more = finite(name, column(name)?, values.len()).map_err(&refuse)?;
                values.extend(more);
            }
        }
        let row = |row: usize| found.iter().map(move |column| column[row]);
        let values = (0..row_ids.len()).flat_map(row).collect();
        Ok(Self { row_ids, values, columns: columns.len() })
    }

    /// Writes predictions under these names, and observers (as many rows) beside them; the file appears whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written, or an observer has the name of another column.
    pub fn write(&self, path: &Path, names: &[String], observers: &RecordBatch) -> Result<(), Error> {
        let refuse = |reason: String| Error::Predictions { path: path.to_path_buf(), reason };
        let mut fields = vec![Field::new(ROW_ID, DataType::UInt64, false)];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(self.row_ids.clone()))];
        for (index, name) in names.iter().enumerate() {
            let values: Vec<f64> = self.values.iter().skip(index).step_by(self.columns).copied().collect();
            fields.push(Field::new(name, DataType::Float64, false));
            columns.push(Arc::new(Float64Array::from(values)));
        }
        for (field, column) in observers.schema().fields().iter().zip(observers.columns()) {
            if fields.iter().any(|other| other.name() == field.name()) {
                return Err(refuse(format!(
                    "an observer is called \"{}\" as another column is",
                    field.name()
                )));
            }
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| refuse(error.to_string()))?;
        let level = ZstdLevel::try_new(3).map_err(|error| refuse(error.to_string()))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        files::write_whole(path, |file| {
            let mut writer =
                ArrowWriter::try_new(file, schema, Some(properties)).map_err(std::io::Error::other)?;
            writer.write(&batch).map_err(std::io::Error::other)?;
            writer.close().map(drop).map_err(std::io::Error::other)
        })
    }

    /// The values in the order of `row_ids`, which each must be there exactly once, and no other.
    ///
    /// # Errors
    /// A reason that counts the rows that are missing, unknown or there twice, and names the first of each.
    pub fn aligned(&self, row_ids: &[u64]) -> Result<Vec<f64>, String> {
        let mut position = HashMap::with_capacity(self.row_ids.len());
        for (index, row_id) in self.row_ids.iter().enumerate() {
            if position.insert(*row_id, index).is_some() {
                return Err(format!("row_id {row_id} is there twice"));
            }
        }
        let missing: Vec<u64> =
            row_ids.iter().filter(|row_id| !position.contains_key(row_id)).copied().collect();
        if let Some(first) = missing.first() {
            let (count, all) = (missing.len(), row_ids.len());
            return Err(format!(
                "{count} of the split's {all} rows have no prediction, the first is row_id {first}"
            ));
        }
        if self.row_ids.len() != row_ids.len() {
            let known: std::collections::HashSet<&u64> = row_ids.iter().collect();
            let unknown = self.row_ids.iter().find(|row_id| !known.contains(row_id));
            return Err(format!(
                "{} rows are not in the split, the first is row_id {}",
                self.row_ids.len() - row_ids.len(),
                unknown.copied().unwrap_or_default()
            ));
        }
        let row = |row_id: &u64| {
            let start = position[row_id] * self.columns;
            self.values[start..start + self.columns].iter().copied()
        };
        Ok(row_ids.iter().flat_map(row).collect())
    }
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    let file = File::open(path).map_err(Error::io("read predictions", path))?;
    let refuse = |reason: String| Error::Predictions { path: path.to_path_buf(), reason };
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| refuse(error.to_string()))
}

fn column_names(builder: &ParquetRecordBatchReaderBuilder<File>) -> Vec<String> {
    builder.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// Both classes' scores from the signal's, see [`Predictions::read`].
fn both_sides(score: &[f64], signal: usize) -> Vec<f64> {
    let are_probabilities = score.iter().all(|score| (0.0..=1.0).contains(score));
    let other = |score: f64| if are_probabilities { 1.0 - score } else { -score };
    score
        .iter()
        .flat_map(|&score| if signal == 0 { [score, other(score)] } else { [other(score), score] })
        .collect()
}

fn identifiers(column: &ArrayRef) -> Result<Vec<u64>, String> {
    if column.null_count() > 0 {
        return Err(format!("column \"{ROW_ID}\" has {} nulls", column.null_count()));
    }
    let negative = |_| format!("column \"{ROW_ID}\" has a negative value");
    match column.data_type() {
        DataType::UInt64 => Ok(column.as_primitive::<UInt64Type>().values().to_vec()),
        DataType::UInt32 => {
            Ok(column.as_primitive::<UInt32Type>().values().iter().map(|id| u64::from(*id)).collect())
        }
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|id| u64::try_from(*id).map_err(negative))
            .collect(),
        DataType::Int32 => column
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .map(|id| u64::try_from(*id).map_err(negative))
            .collect(),
        other => Err(format!("column \"{ROW_ID}\" has type {other}: it must be an integer")),
    }
}

fn finite(name: &str, column: &ArrayRef, first_row: usize) -> Result<Vec<f64>, String> {
    if column.null_count() > 0 {
        return Err(format!("column \"{name}\" has {} nulls", column.null_count()));
    }
    let values: Vec<f64> = match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().values().to_vec(),
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().values().iter().map(|x| f64::from(*x)).collect()
        }
        other => return Err(format!("column \"{name}\" has type {other}: it must be float32 or float64")),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(format!("column \"{name}\" is {} in row {}", values[row], first_row + row)),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<String> {
        vec!["qcd".to_owned(), "top".to_owned()]
    }

    fn predictions() -> Predictions {
        Predictions { row_ids: vec![7, 3, 5], values: vec![0.9, 0.1, 0.2, 0.8, 0.5, 0.5], columns: 2 }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        let masses: ArrayRef = Arc::new(Float64Array::from(vec![80.0, 173.0, 91.0]));
        let observers = RecordBatch::try_from_iter([("jet_mass", masses)]).unwrap();
        predictions().write(&path, &score_names(&classes()), &observers).unwrap();
        assert_eq!(Predictions::read(&path, &classes(), 1).unwrap(), predictions());
    }

    #[test]
    fn a_lone_score_gives_both_classes() {
        let check = |score: &[f64], signal: usize, expected: &[f64]| {
            assert_eq!(both_sides(score, signal), expected, "{score:?} with signal {signal}");
        };
        check(&[0.25, 1.0], 1, &[0.75, 0.25, 0.0, 1.0]);
        check(&[0.25, 1.0], 0, &[0.25, 0.75, 1.0, 0.0]);
        check(&[-2.0, 3.0], 1, &[2.0, -2.0, -3.0, 3.0]);
    }

    #[test]
    fn each_row_must_be_there_once() {
        assert_eq!(predictions().aligned(&[3, 5, 7]).unwrap(), [0.2, 0.8, 0.5, 0.5, 0.9, 0.1]);
        let refused = |predictions: &Predictions, row_ids: &[u64], part: &str| {
            let reason = predictions.aligned(row_ids).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        refused(
            &predictions(),
            &[3, 5, 7, 9],
            "1 of the split's 4 rows have no prediction, the first is row_id 9",
        );
        refused(&predictions(), &[3, 5], "1 rows are not in the split, the first is row_id 7");
        let twice = Predictions { row_ids: vec![3, 3, 5], ..predictions() };
        refused(&twice, &[3, 5, 7], "row_id 3 is there twice");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.parquet");
        let check = |columns: Vec<(&str, ArrayRef)>, part: &str| {
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let mut writer =
                ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let error = Predictions::read(&path, &classes(), 1).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        let ids: ArrayRef = Arc::new(UInt64Array::from(vec![0, 1]));
        let scores: ArrayRef = Arc::new(Float64Array::from(vec![0.5, f64::NAN]));
        let words: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["a", "b"]));
        check(vec![("score", Arc::clone(&scores))], "there is no column \"row_id\", only score");
        check(vec![("row_id", Arc::clone(&ids))], "there is no column \"score_qcd\"");
        check(vec![("row_id", Arc::clone(&ids)), ("score", scores)], "column \"score\" is NaN in row 1");
        check(vec![("row_id", ids), ("score", words)], "must be float32 or float64");
        std::fs::write(&path, b"not parquet").unwrap();
        assert!(Predictions::read(&path, &classes(), 1).is_err());
    }
}
