//! Rows as bytes in Arrow's streaming format, for another process.

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;

/// The rows as a stream of one batch. Of a slice its own rows alone are written.
///
/// # Errors
/// When a column has a type that the format has not.
pub fn to_bytes(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref())?;
    writer.write(batch)?;
    writer.into_inner()
}

/// The rows of what [`to_bytes`] gave.
///
/// # Errors
/// When the bytes are none of such a stream, or hold no batch.
pub fn from_bytes(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    reader.next().unwrap_or_else(|| Err(ArrowError::IpcError("there are no rows in the stream".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, ListArray, RecordBatchOptions, StringArray};
    use arrow_schema::Schema;

    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
            (0..100).map(|row| (row % 7 != 0).then(|| (0..row % 5).map(Some).collect::<Vec<_>>())),
        );
        let texts: StringArray = (0..100).map(|row| (row % 3 != 0).then(|| row.to_string())).collect();
        let columns = [("lists", Arc::new(lists) as ArrayRef), ("texts", Arc::new(texts))];
        let whole = RecordBatch::try_from_iter(columns).unwrap();
        let some = whole.slice(90, 3);
        let bytes = to_bytes(&some).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap(), some);
        assert!(bytes.len() < to_bytes(&whole).unwrap().len() / 2);
        let options = RecordBatchOptions::new().with_row_count(Some(7));
        let empty =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
        assert_eq!(from_bytes(&to_bytes(&empty).unwrap()).unwrap().num_rows(), 7);
        assert!(from_bytes(&bytes[..40]).is_err() && from_bytes(&[]).is_err());
    }
}
