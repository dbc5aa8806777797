//! Records and answers as rows of named columns: what stands between the formats by columns and everything else.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use masque_ir::DType;

use super::{FileProblem, Format, Source};
use crate::Tensor;
use crate::json::Value;

/// A record: its fields by name.
pub(crate) type Fields = Vec<(String, Value)>;

/// Records as they are read, some at a time.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Vec<Fields>, FileProblem>> + Send>;

/// Opens a file of rows.
pub(crate) type Reader = fn(Source) -> Result<Rows, FileProblem>;

/// Begins a file of rows.
pub(crate) type Writer = fn(&Header, Sheet) -> io::Result<Box<dyn Table>>;

/// The columns of answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Header {
    /// The fields that are kept, as texts.
    pub(crate) kept: Vec<String>,
    /// The outputs: the name, the type of the elements, and how deep their lists are.
    pub(crate) outputs: Vec<(String, DType, usize)>,
    /// Is there one for errors?
    pub(crate) errors: bool,
}

/// An answer.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "arrow"), expect(dead_code, reason = "only formats by columns look at it"))]
pub(crate) struct Row {
    /// The fields that are kept, in the order of the header.
    pub(crate) kept: Vec<Option<String>>,
    /// The outputs without a batch axis, in the order of the header; or why there are none.
    pub(crate) answer: Result<Vec<Tensor>, String>,
}

/// A file of rows that is being written.
pub(crate) trait Table {
    /// Adds rows behind those that are there.
    fn add(&mut self, rows: &[Row]) -> io::Result<()>;

    /// Writes what stands behind all rows.
    fn finish(&mut self) -> io::Result<()>;
}

/// Where a table leaves its bytes until somebody takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    /// The bytes since the last time.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A table, where it leaves its bytes, and its columns.
pub(crate) struct Writing {
    pub(crate) table: Box<dyn Table>,
    pub(crate) sheet: Sheet,
    pub(crate) header: Header,
}

impl Writing {
    /// Begins a table.
    ///
    /// # Errors
    ///
    /// A format that has no columns; those of the writer.
    pub(crate) fn begin(format: Format, header: Header) -> io::Result<Writing> {
        let sheet = Sheet::default();
        let writer = format.writer().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Writing { table: writer(&header, sheet.clone())?, sheet, header })
    }
}

/// What the outputs of a batch say of one example.
pub(crate) fn of_outputs(outputs: &[(String, Tensor)], index: usize) -> Vec<Tensor> {
    outputs.iter().map(|(_, tensor)| tensor.example(index)).collect()
}

/// Writes the outputs of one batch.
///
/// # Errors
///
/// Outputs that are no batch; those of `out`.
pub(crate) fn write(format: Format, out: &mut impl Write, outputs: &[(String, Tensor)]) -> io::Result<()> {
    let batch = outputs.first().and_then(|(_, tensor)| tensor.shape().first().copied());
    crate::json_lines::check_batch(outputs, batch)?;
    let column = |(name, tensor): &(String, Tensor)| {
        (name.clone(), tensor.dtype(), tensor.shape().len().saturating_sub(1))
    };
    let header = Header { outputs: outputs.iter().map(column).collect(), ..Header::default() };
    let mut writing = Writing::begin(format, header)?;
    let row = |index| Row { kept: vec![], answer: Ok(of_outputs(outputs, index)) };
    let rows: Vec<Row> = (0..batch.unwrap_or(0)).map(row).collect();
    writing.table.add(&rows)?;
    writing.table.finish()?;
    out.write_all(&writing.sheet.take())
}
