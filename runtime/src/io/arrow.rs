//! Arrow IPC: streams, which are read and written batch by batch, and files, which are a stream with a table of contents
//! behind it.
//!
//! Messages are taken out of the stream here, and every place in them is held against the bytes that are there, before
//! the reader of Arrow's own crates sees them.

use std::io::{self, Read};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_ipc::{CompressionType, Message, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};

use super::rows::{Header, Row, Rows, Sheet, Table};
use super::{FileProblem, Source};
use super::{columns, guarded};

/// For people.
const FORMAT: &str = "Arrow";

/// The longest description of a batch, and the longest batch, compressed or not.
const MOST: (u64, u64) = (1 << 24, 1 << 30);

/// Reads a stream, or a file.
pub(crate) fn read(source: Source) -> Result<Rows, FileProblem> {
    Ok(columns::rows(FORMAT, Batches { source, decoder: StreamDecoder::new(), begun: false }))
}

struct Batches {
    source: Source,
    decoder: StreamDecoder,
    begun: bool,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, FileProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut message = match self.message() {
                Ok(Some(message)) => Buffer::from_vec(message),
                Ok(None) => return None,
                Err(problem) => return Some(Err(problem)),
            };
            let decoder = &mut self.decoder;
            let decode = || decoder.decode(&mut message).map_err(|error| error.to_string());
            match guarded::read(FORMAT, decode) {
                Ok(None) => {}
                other => return other.transpose(),
            }
        }
    }
}

impl Batches {
    /// The next message, whole: how long its description is, the description, and what it describes.
    fn message(&mut self) -> Result<Option<Vec<u8>>, FileProblem> {
        let mut word = self.bytes(4)?;
        if !self.begun && word == *b"ARRO" {
            // Zeros follow, so that what is behind them lies as its writer wants it.
            self.bytes(4)?;
            word = self.bytes(4)?;
            while word == [0; 4] {
                word = self.bytes(4)?;
            }
        }
        self.begun = true;
        let mut message = vec![];
        if word == [0xff; 4] {
            message.extend(word);
            word = self.bytes(4)?;
        }
        let Some(length) = word.first_chunk().map(|length| u64::from(u32::from_le_bytes(*length))) else {
            return if message.is_empty() && word.is_empty() { Ok(None) } else { Err(cut()) };
        };
        message.extend(word);
        if length == 0 {
            return Ok(None);
        }
        if length > MOST.0 {
            return Err(refuse(format!("the description of a batch is longer than {} bytes", MOST.0)));
        }
        let described = self.bytes(length)?;
        message.extend(&described);
        let described = (described.len() as u64 == length).then_some(described).ok_or_else(cut)?;
        let head = root_as_message(&described).map_err(|error| refuse(error.to_string()))?;
        let length = u64::try_from(head.bodyLength()).unwrap_or(u64::MAX);
        if length > MOST.1 {
            return Err(refuse(format!("a batch is longer than {} bytes", MOST.1)));
        }
        let body = self.bytes(length)?;
        if (body.len() as u64) < length {
            return Err(cut());
        }
        check(&head, &body).map_err(refuse)?;
        message.extend(body);
        Ok(Some(message))
    }

    /// So many bytes, or as many as there are.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, FileProblem> {
        let mut bytes = vec![];
        (&mut self.source).take(length).read_to_end(&mut bytes).map_err(|error| self.source.damage(error))?;
        Ok(bytes)
    }
}

/// Do the buffers that a message describes lie in its body, and are they no larger than it may be?
fn check(head: &Message<'_>, body: &[u8]) -> Result<(), String> {
    let batch = head.header_as_record_batch();
    let batch = batch.or_else(|| head.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()));
    let Some(batch) = batch else { return Ok(()) };
    if let Some(other) =
        batch.compression().map(|by| by.codec()).filter(|by| *by != CompressionType::LZ4_FRAME)
    {
        return Err(format!("expected batches that are not compressed or by LZ4, found {other:?}"));
    }
    let mut sum = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let end = start
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, length)| start.checked_add(length));
        let bytes = start.zip(end).and_then(|(start, end)| body.get(start..end));
        let bytes = bytes.ok_or("a column lies outside of its batch")?;
        let size = match bytes.first_chunk().filter(|_| batch.compression().is_some()) {
            Some(size) => u64::try_from(i64::from_le_bytes(*size)).unwrap_or(0),
            None => 0,
        };
        sum = sum.saturating_add(size);
    }
    if sum > MOST.1 {
        return Err(format!("a batch is longer than {} bytes", MOST.1));
    }
    Ok(())
}

fn refuse(problem: String) -> FileProblem {
    FileProblem::Columns { format: FORMAT, problem }
}

fn cut() -> FileProblem {
    refuse("it ends before its data does".to_owned())
}

struct Written<W> {
    header: Header,
    schema: SchemaRef,
    writer: W,
    write: fn(&mut W, &RecordBatch) -> Result<(), ArrowError>,
    finish: fn(&mut W) -> Result<(), ArrowError>,
}

impl<W> Table for Written<W> {
    fn add(&mut self, rows: &[Row]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = columns::batch(&self.schema, &self.header, rows).map_err(io::Error::other)?;
        (self.write)(&mut self.writer, &batch).map_err(io::Error::other)
    }

    fn finish(&mut self) -> io::Result<()> {
        (self.finish)(&mut self.writer).map_err(io::Error::other)
    }
}

/// Begins a stream.
pub(crate) fn stream(header: &Header, sheet: Sheet) -> io::Result<Box<dyn Table>> {
    let schema = columns::schema(header);
    let writer = StreamWriter::try_new(sheet, &schema).map_err(io::Error::other)?;
    let (write, finish) = (StreamWriter::write, StreamWriter::finish);
    Ok(Box::new(Written { header: header.clone(), schema, writer, write, finish }))
}

/// Begins a file.
pub(crate) fn file(header: &Header, sheet: Sheet) -> io::Result<Box<dyn Table>> {
    let schema = columns::schema(header);
    let writer = FileWriter::try_new(sheet, &schema).map_err(io::Error::other)?;
    let (write, finish) = (FileWriter::write, FileWriter::finish);
    Ok(Box::new(Written { header: header.clone(), schema, writer, write, finish }))
}
