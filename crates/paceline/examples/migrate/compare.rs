//! Whether what was written holds the rows of the CSV, read by another CSV reader than the converter's.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::Failed;

/// Compares one file with its Parquet files, which must also equal each other; its rows.
pub(crate) fn compare(csv: &[u8], parquets: &[Bytes]) -> Result<u64, Failed> {
    let mut first = None;
    for parquet in parquets {
        let batches: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(parquet.clone())?
            .build()?
            .collect::<Result<_, _>>()?;
        match &first {
            None => first = Some(batches),
            Some(first) if *first == batches => {}
            Some(_) => return Err("two ways wrote different rows".into()),
        }
    }
    rows_are_those(csv, &first.unwrap_or_default())
}

fn rows_are_those(csv: &[u8], batches: &[RecordBatch]) -> Result<u64, Failed> {
    let mut reader = csv::Reader::from_reader(csv);
    let names = reader.headers()?.clone();
    let mut records = reader.records();
    let mut rows = 0_u64;
    for batch in batches {
        let schema = batch.schema();
        if !schema
            .fields()
            .iter()
            .map(|field| &**field.name())
            .eq(&names)
        {
            return Err("the columns have other names".into());
        }
        for row in 0..batch.num_rows() {
            let record = records
                .next()
                .ok_or("there are more rows than in the CSV")??;
            rows += 1;
            for (column, text) in batch.columns().iter().zip(&record) {
                if !holds(column, row, text)? {
                    return Err(format!("row {rows} has another value than {text:?}").into());
                }
            }
        }
    }
    match records.next() {
        Some(_) => Err(format!("there are but {rows} rows").into()),
        None => Ok(rows),
    }
}

/// Whether a value is what the CSV says. Numbers are compared as such: 2.50 is 2.5.
fn holds(column: &dyn Array, row: usize, text: &str) -> Result<bool, Failed> {
    if column.is_null(row) {
        return Ok(text.is_empty());
    }
    Ok(match column.data_type() {
        DataType::Int64 => text.parse() == Ok(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => text.parse() == Ok(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => column.as_string::<i32>().value(row) == text,
        _ => {
            let shown = ArrayFormatter::try_new(column, &FormatOptions::default())?;
            shown.value(row).to_string().eq_ignore_ascii_case(text)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::convert;

    const CSV: &str = "n,x,word,day,ok\n1,2.50,a,2026-03-01,true\n-7,,\"b, c\",2025-12-31,FALSE\n";

    fn parquet(csv: &str) -> Bytes {
        let converted = convert(csv.as_bytes()).expect("it is CSV");
        assert_eq!(converted.rows as usize + 1, csv.lines().count());
        converted.parquet
    }

    #[test]
    fn finds_the_rows_of_the_csv() {
        let same = [parquet(CSV), parquet(CSV)];
        assert_eq!(compare(CSV.as_bytes(), &same).expect("it is the same"), 2);
    }

    #[test]
    fn finds_every_difference() {
        for (was, is) in [
            ("1,2.50", "2,2.50"),
            ("2.50", "2.51"),
            ("b, c", "b,c"),
            ("2026-03-01", "2026-03-02"),
            ("FALSE", "true"),
            ("-7,,", "-7,1.5,"),
            ("word,", "words,"),
            ("1,2.50,a,2026-03-01,true\n", ""),
            ("-7,", "-7,,x,2026-03-01,true\n8,"),
        ] {
            let other = parquet(&CSV.replacen(was, is, 1));
            assert!(
                compare(CSV.as_bytes(), std::slice::from_ref(&other)).is_err(),
                "{is}"
            );
            assert!(
                compare(CSV.as_bytes(), &[parquet(CSV), other]).is_err(),
                "{is}"
            );
        }
    }
}
