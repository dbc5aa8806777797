//! Rows as batches of Arrow, and back: what the formats by columns have in common.
//!
//! A list is a ragged sequence, of lists if it is deeper; numbers, truth values and texts are its elements. Fields that
//! are kept are texts: those that are none as JSON.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use masque_ir::DType;
use ndarray::{ArrayViewD, Axis};

use super::FileProblem;
use super::rows::{Fields, Header, Row, Rows};
use crate::json::Value;
use crate::quote::quoted;
use crate::{Tensor, TensorView};

/// How many rows are made of a batch at a time.
const AT_A_TIME: usize = 64;

/// The rows of batches, some at a time.
pub(crate) fn rows(
    format: &'static str,
    batches: impl Iterator<Item = Result<RecordBatch, FileProblem>> + Send + 'static,
) -> Rows {
    let of_batch = move |batch: Result<RecordBatch, FileProblem>| {
        let (batch, problem) =
            batch.map_or_else(|problem| (None, Some(Err(problem))), |batch| (Some(batch), None));
        let pieces = batch.into_iter().flat_map(|batch| {
            let starts = (0..batch.num_rows()).step_by(AT_A_TIME);
            starts.map(move |start| batch.slice(start, AT_A_TIME.min(batch.num_rows() - start)))
        });
        let refuse = move |problem| FileProblem::Columns { format, problem };
        pieces.map(move |piece| fields(&piece).map_err(refuse)).chain(problem)
    };
    Box::new(batches.flat_map(of_batch))
}

fn fields(batch: &RecordBatch) -> Result<Vec<Fields>, String> {
    let mut rows = vec![Fields::new(); batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let values =
            values(column).map_err(|problem| format!("column {}: {problem}", quoted(field.name())))?;
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push((field.name().clone(), value)));
    }
    Ok(rows)
}

/// The values of an array.
fn values(array: &dyn Array) -> Result<Vec<Value>, String> {
    /// Element by element.
    fn each<A: Array + ?Sized>(
        array: &A,
        value: impl Fn(usize) -> Result<Value, String>,
    ) -> Result<Vec<Value>, String> {
        let one = |index| if array.is_null(index) { Ok(Value::Null) } else { value(index) };
        (0..array.len()).map(one).collect()
    }
    macro_rules! numbers {
        ($type:ty, $value:expr) => {{
            let numbers = array.as_primitive::<$type>();
            each(array, |index| Ok($value(numbers.value(index))))
        }};
    }
    let list = |inner: ArrayRef| values(&inner).map(Value::List);
    let text = |text: &str| Ok(Value::Text(text.to_owned()));
    match array.data_type() {
        DataType::Null => Ok(vec![Value::Null; array.len()]),
        DataType::Boolean => each(array, |index| Ok(Value::Bool(array.as_boolean().value(index)))),
        DataType::Int8 => numbers!(Int8Type, |x| Value::Int(i64::from(x))),
        DataType::Int16 => numbers!(Int16Type, |x| Value::Int(i64::from(x))),
        DataType::Int32 => numbers!(Int32Type, |x| Value::Int(i64::from(x))),
        DataType::Int64 => numbers!(Int64Type, Value::Int),
        DataType::UInt8 => numbers!(UInt8Type, |x| Value::Int(i64::from(x))),
        DataType::UInt16 => numbers!(UInt16Type, |x| Value::Int(i64::from(x))),
        DataType::UInt32 => numbers!(UInt32Type, |x| Value::Int(i64::from(x))),
        DataType::UInt64 => each(array, |index| {
            let number = array.as_primitive::<UInt64Type>().value(index);
            let number =
                i64::try_from(number).map_err(|_| format!("expected a 64-bit integer, found {number}"));
            number.map(Value::Int)
        }),
        DataType::Float16 => numbers!(Float16Type, |x| Value::Float(f64::from(x))),
        DataType::Float32 => numbers!(Float32Type, |x| Value::Float(f64::from(x))),
        DataType::Float64 => numbers!(Float64Type, Value::Float),
        DataType::Utf8 => each(array, |index| text(array.as_string::<i32>().value(index))),
        DataType::LargeUtf8 => each(array, |index| text(array.as_string::<i64>().value(index))),
        DataType::Utf8View => each(array, |index| text(array.as_string_view().value(index))),
        DataType::List(_) => each(array, |index| list(array.as_list::<i32>().value(index))),
        DataType::LargeList(_) => each(array, |index| list(array.as_list::<i64>().value(index))),
        DataType::FixedSizeList(..) => each(array, |index| list(array.as_fixed_size_list().value(index))),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.normalized_keys();
            each(array, |index| {
                let value = keys.get(index).filter(|&&key| key < dictionary.values().len());
                let value = value.map(|&key| values(&dictionary.values().slice(key, 1))).transpose()?;
                value.and_then(|mut value| value.pop()).ok_or_else(|| "a key has no value".to_owned())
            })
        }
        other => Err(format!("expected numbers, truth values, texts or lists of them, found {other}")),
    }
}

/// The columns of answers.
pub(crate) fn schema(header: &Header) -> SchemaRef {
    let kept = header.kept.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let output = |(name, dtype, depth): &(String, DType, usize)| {
        Field::new(name, of_depth(*dtype, *depth), header.errors)
    };
    let errors = header.errors.then(|| Field::new("error", DataType::Utf8, true));
    let fields: Vec<Field> = kept.chain(header.outputs.iter().map(output)).chain(errors).collect();
    Arc::new(Schema::new(fields))
}

/// Elements in lists so deep.
fn of_depth(dtype: DType, depth: usize) -> DataType {
    let element = match dtype {
        DType::F32 => DataType::Float32,
        DType::F64 => DataType::Float64,
        DType::I32 => DataType::Int32,
        DType::I64 => DataType::Int64,
        DType::Bool => DataType::Boolean,
        DType::Str => DataType::Utf8,
    };
    (0..depth).fold(element, |inner, _| DataType::List(item(inner)))
}

fn item(inner: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(inner, false))
}

/// Rows as a batch.
pub(crate) fn batch(schema: &SchemaRef, header: &Header, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![];
    for place in 0..header.kept.len() {
        let texts = rows.iter().map(|row| row.kept.get(place).and_then(Option::as_deref));
        columns.push(Arc::new(StringArray::from_iter(texts)));
    }
    for (place, (_, dtype, depth)) in header.outputs.iter().enumerate() {
        let answers = rows.iter().map(|row| row.answer.as_ref().ok().and_then(|answer| answer.get(place)));
        let answers: Vec<Option<&Tensor>> = answers.collect();
        columns.push(column(*dtype, *depth, &answers)?);
    }
    if header.errors {
        columns.push(Arc::new(StringArray::from_iter(rows.iter().map(|row| row.answer.as_ref().err()))));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// The values of one output.
fn column<'t>(dtype: DType, depth: usize, rows: &[Option<&'t Tensor>]) -> Result<ArrayRef, ArrowError> {
    macro_rules! of {
        ($variant:ident, $array:ty, $value:expr) => {{
            let view = |row: &Option<&'t Tensor>| match (*row)?.view() {
                TensorView::$variant(view) => Some(view),
                _ => None,
            };
            let views = rows.iter().map(view).collect();
            nested(views, depth, &|values| {
                Arc::new(values.map(|value| value.map($value)).collect::<$array>())
            })
        }};
    }
    match dtype {
        DType::F32 => of!(F32, Float32Array, |&value| value),
        DType::F64 => of!(F64, Float64Array, |&value| value),
        DType::I32 => of!(I32, Int32Array, |&value| value),
        DType::I64 => of!(I64, Int64Array, |&value| value),
        DType::Bool => of!(Bool, BooleanArray, |&value| value),
        DType::Str => of!(Str, StringArray, String::as_str),
    }
}

/// Lists so deep; `leaf` makes an array of elements.
fn nested<'v, T>(
    views: Vec<Option<ArrayViewD<'v, T>>>,
    depth: usize,
    leaf: &dyn Fn(&mut dyn Iterator<Item = Option<&'v T>>) -> ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    if depth == 0 {
        return Ok(leaf(&mut views.into_iter().map(|view| view.and_then(|view| view.into_iter().next()))));
    }
    let lengths = views.iter().map(|view| view.as_ref().map_or(0, |view| view.len_of(Axis(0))));
    let offsets = OffsetBuffer::try_from_lengths(lengths);
    let offsets = offsets.map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
    let nulls: NullBuffer = views.iter().map(Option::is_some).collect();
    let views = views.into_iter().flatten();
    let inner = match depth {
        1 => leaf(&mut views.flat_map(|view| view.into_iter().map(Some))),
        _ => nested(views.flat_map(rows_of).map(Some).collect(), depth - 1, leaf)?,
    };
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    Ok(Arc::new(ListArray::try_new(item(inner.data_type().clone()), offsets, inner, nulls)?))
}

fn rows_of<'v, T>(view: ArrayViewD<'v, T>) -> Vec<ArrayViewD<'v, T>> {
    (0..view.len_of(Axis(0))).map(|row| view.clone().index_axis_move(Axis(0), row)).collect()
}
