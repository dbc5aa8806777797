//! Parquet: columns in groups of rows, with a table of contents at the end, so that a file is read in any order and a
//! pipe is read whole first.

use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;

use super::rows::{Header, Row, Rows, Sheet, Table};
use super::{FileProblem, Source};
use super::{columns, guarded};

/// For people.
const FORMAT: &str = "Parquet";

/// How many rows are decoded at a time, and are in a group that is written.
const ROWS: (usize, usize) = (256, 1 << 16);

/// Reads a file.
pub(crate) fn read(source: Source) -> Result<Rows, FileProblem> {
    let mut batches = match source.file() {
        Some(file) => open(file)?,
        None => open(bytes::Bytes::from(source.read_whole()?))?,
    };
    let mut ended = false;
    let batches = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let next = || batches.next().transpose().map_err(|error| error.to_string());
        let batch = guarded::read(FORMAT, next);
        ended = batch.is_err();
        batch.transpose()
    });
    Ok(columns::rows(FORMAT, batches))
}

fn open<R: ChunkReader + 'static>(reader: R) -> Result<ParquetRecordBatchReader, FileProblem> {
    guarded::read(FORMAT, || {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(reader, options);
        let reader = builder.and_then(|builder| builder.with_batch_size(ROWS.0).build());
        reader.map_err(|error| error.to_string())
    })
}

struct Written {
    header: Header,
    schema: SchemaRef,
    writer: ArrowWriter<Sheet>,
}

impl Table for Written {
    fn add(&mut self, rows: &[Row]) -> io::Result<()> {
        let batch: RecordBatch =
            columns::batch(&self.schema, &self.header, rows).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(io::Error::other)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().map(|_| ()).map_err(io::Error::other)
    }
}

/// Begins a file.
pub(crate) fn file(header: &Header, sheet: Sheet) -> io::Result<Box<dyn Table>> {
    let schema = columns::schema(header);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROWS.1))
        .build();
    let writer = ArrowWriter::try_new(sheet, schema.clone(), Some(properties)).map_err(io::Error::other)?;
    Ok(Box::new(Written { header: header.clone(), schema, writer }))
}
