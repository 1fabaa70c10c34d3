//! One CSV file, in memory, to one Parquet file.

use std::sync::Arc;

use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::Failed;

/// A converted file.
pub(crate) struct Converted {
    pub(crate) parquet: Bytes,
    pub(crate) rows: u64,
}

/// The columns are named by the first row; their types are those that all of their values have.
pub(crate) fn convert(csv: &[u8]) -> Result<Converted, Failed> {
    let format = Format::default().with_header(true);
    let (inferred, _) = format.infer_schema(csv, None)?;
    let schema = Arc::new(settle(&inferred));
    let reader = ReaderBuilder::new(Arc::clone(&schema))
        .with_format(format)
        .build(csv)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    Ok(Converted {
        parquet: writer.into_inner()?.into(),
        rows,
    })
}

/// Points in time stay text, since a CSV may write them in more ways than one, and so does a column
/// without a single value.
fn settle(inferred: &Schema) -> Schema {
    let fields = inferred.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Timestamp(..) | DataType::Null => DataType::Utf8,
            kind => kind.clone(),
        };
        Field::new(field.name(), kind, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}
