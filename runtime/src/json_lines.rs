//! Inputs and outputs as JSON.
//!
//! Two forms are read. *Lines* (`.jsonl`): one example a line, an object of input names or, if the model has a single
//! input, a bare value. *Whole* (`.json`): one object with, per input, the list of its examples, or a list of examples as
//! lines have them. Values are nested lists of numbers, strings and truth values; ragged ones are padded, see
//! [`InputSpec`].
//!
//! Outputs are written as lines. A float has the fewest digits that are read back as the same float. `NaN` and the
//! infinities are no JSON numbers and are written as the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, which are
//! accepted where an input takes floats.

use std::fmt::Debug;
use std::io::{self, Write};

use ndarray::{ArrayViewD, Axis};

use crate::classes::{self, Form};
use crate::examples::{Columns, ExampleError, InputSpec, Place, Values};
use crate::json::Value;
use crate::keep::Keep;
use crate::quote::{one_line, quoted};
use crate::{Tensor, TensorView};

/// Reads one example a line; lines of blanks are passed over.
///
/// # Errors
///
/// [`ExampleError`], with the line and the input.
pub fn read_lines(text: &str, inputs: &[InputSpec]) -> Result<Columns, ExampleError> {
    let mut columns = Columns::of(inputs.len());
    let keep = Keep::default();
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    while let Some((index, line)) = lines.next() {
        let place = Place::Line(index + 1);
        let values = example(line, place, lines.peek().is_some(), inputs, &keep)?;
        columns.push(place, values);
    }
    Ok(columns)
}

/// Reads one line that is not blank; is there `more` behind it? Fields that are kept are passed over.
pub(crate) fn example(
    line: &str,
    place: Place,
    more: bool,
    inputs: &[InputSpec],
    keep: &Keep,
) -> Result<Values, ExampleError> {
    let example = Value::parse(line).map_err(|error| match more && error.is_eof() {
        true => goes_on(place),
        false => syntax(place, &error),
    })?;
    of_value(example, place, inputs, keep)
}

/// The values of one example: an object, or the value of the only input.
fn of_value(example: Value, place: Place, inputs: &[InputSpec], keep: &Keep) -> Result<Values, ExampleError> {
    match example {
        Value::Object(fields) => of_fields(fields, place, inputs, keep),
        value if inputs.len() == 1 => Ok(vec![value]),
        value => Err(not_an_object(place, inputs, &value)),
    }
}

/// The values of the inputs among fields; those that are kept are passed over.
pub(crate) fn of_fields(
    fields: Vec<(String, Value)>,
    place: Place,
    inputs: &[InputSpec],
    keep: &Keep,
) -> Result<Values, ExampleError> {
    let mut values = vec![Value::Null; inputs.len()];
    let is_input = |name: &str| inputs.iter().any(|input| input.name == name);
    let fields = fields.into_iter().filter(|(name, _)| is_input(name) || !keep.takes(name, inputs));
    distribute(place, fields, inputs, |index, value| {
        values[index] = value;
        Ok(())
    })?;
    Ok(values)
}

/// Reads one value: an object of columns, per input the list of its examples; or a list of examples.
///
/// # Errors
///
/// [`ExampleError`], with the position of the example and the input.
pub fn read_whole(text: &str, inputs: &[InputSpec]) -> Result<Columns, ExampleError> {
    let place = Place::Line(1);
    let fields = match Value::parse(text).map_err(|error| syntax(Place::Line(error.line()), &error))? {
        Value::Object(fields) => fields,
        Value::List(examples) => return listed(examples, inputs),
        other => return Err(not_an_object(place, inputs, &other)),
    };
    let mut columns = Columns::of(inputs.len());
    distribute(place, fields, inputs, |index, value| match value {
        Value::List(examples) => {
            let places = (1..).map(Place::Example);
            columns.0[index] = places.zip(examples).collect();
            Ok(())
        }
        other => Err(ExampleError::Value {
            place,
            input: quoted(&inputs[index].name),
            expected: "a list of examples".to_owned(),
            found: other.kind().to_owned(),
        }),
    })?;
    Ok(columns)
}

fn listed(examples: Vec<Value>, inputs: &[InputSpec]) -> Result<Columns, ExampleError> {
    let mut columns = Columns::of(inputs.len());
    let keep = Keep::default();
    for (index, example) in examples.into_iter().enumerate() {
        let place = Place::Example(index + 1);
        columns.push(place, of_value(example, place, inputs, &keep)?);
    }
    Ok(columns)
}

/// Writes one object an example, with every output under its name.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] if an output has no batch axis or another batch than the first; errors of `out`.
pub fn write_lines<W: Write>(out: &mut W, outputs: &[(String, Tensor)]) -> io::Result<()> {
    write_formed(out, outputs, &[])
}

/// The same, with each output in its form; whole, if there is none for it.
pub(crate) fn write_formed<W: Write>(
    out: &mut W,
    outputs: &[(String, Tensor)],
    forms: &[Form],
) -> io::Result<()> {
    let batch = outputs.first().and_then(|(_, tensor)| tensor.shape().first().copied());
    check_batch(outputs, batch)?;
    for index in 0..batch.unwrap_or(0) {
        out.write_all(b"{")?;
        write_outputs(out, outputs, forms, index)?;
        out.write_all(b"}\n")?;
    }
    out.flush()
}

/// Are all outputs a batch of that many examples?
pub(crate) fn check_batch(outputs: &[(String, Tensor)], batch: Option<usize>) -> io::Result<()> {
    let other = |(_, tensor): &&(String, Tensor)| batch.is_none() || tensor.shape().first().copied() != batch;
    let Some((name, tensor)) = outputs.iter().find(other) else { return Ok(()) };
    let (name, shape) = (quoted(name), tensor.shape());
    let message = format!("output {name} of shape {shape:?} is not a batch like the others");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Writes what the outputs say of one example, each in its form, as the inside of an object.
pub(crate) fn write_outputs<W: Write>(
    out: &mut W,
    outputs: &[(String, Tensor)],
    forms: &[Form],
    index: usize,
) -> io::Result<()> {
    for (position, (name, tensor)) in outputs.iter().enumerate() {
        out.write_all(if position == 0 { b"" } else { b", " })?;
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b": ")?;
        write_example(out, tensor, forms.get(position).unwrap_or(&Form::Whole), index)?;
    }
    Ok(())
}

/// Gives each field to the input of its name; every input gets one.
fn distribute(
    place: Place,
    fields: impl IntoIterator<Item = (String, Value)>,
    inputs: &[InputSpec],
    mut give: impl FnMut(usize, Value) -> Result<(), ExampleError>,
) -> Result<(), ExampleError> {
    let mut missing: Vec<bool> = vec![true; inputs.len()];
    for (name, value) in fields {
        let Some(index) = inputs.iter().position(|input| input.name == name) else {
            return Err(ExampleError::Unknown { place, name: quoted(&name), inputs: names(inputs) });
        };
        missing[index] = false;
        give(index, value)?;
    }
    match missing.iter().position(|&missing| missing) {
        Some(index) => Err(ExampleError::Missing { place, input: quoted(&inputs[index].name) }),
        None => Ok(()),
    }
}

fn names(inputs: &[InputSpec]) -> String {
    let names: Vec<_> = inputs.iter().take(8).map(|input| quoted(&input.name)).collect();
    names.join(", ")
}

fn not_an_object(place: Place, inputs: &[InputSpec], found: &Value) -> ExampleError {
    ExampleError::NotAnObject { place, inputs: names(inputs), found: found.kind() }
}

/// The parser counts lines from where it began; the place says which it is in the file.
fn syntax(place: Place, error: &serde_json::Error) -> ExampleError {
    let (text, column) = (error.to_string(), error.column());
    let problem = text.strip_suffix(&format!(" at line {} column {column}", error.line()));
    let problem = problem.map_or(text.clone(), |problem| format!("{problem} at column {column}"));
    ExampleError::Syntax { place, format: "JSON", problem: one_line(&problem) }
}

fn goes_on(place: Place) -> ExampleError {
    let problem = "the value goes on in the next line, expected one example a line".to_owned();
    ExampleError::Syntax { place, format: "JSON lines", problem }
}

fn write_example<W: Write>(out: &mut W, tensor: &Tensor, form: &Form, index: usize) -> io::Result<()> {
    match tensor.view() {
        TensorView::F32(array) => write_floats(out, &array.index_axis(Axis(0), index), form),
        TensorView::F64(array) => write_floats(out, &array.index_axis(Axis(0), index), form),
        TensorView::I32(array) => {
            write_array(out, &array.index_axis(Axis(0), index), &mut |out, x| write!(out, "{x}"))
        }
        TensorView::I64(array) => {
            write_array(out, &array.index_axis(Axis(0), index), &mut |out, x| write!(out, "{x}"))
        }
        TensorView::Bool(array) => {
            write_array(out, &array.index_axis(Axis(0), index), &mut |out, x| write!(out, "{x}"))
        }
        TensorView::Str(array) => write_array(out, &array.index_axis(Axis(0), index), &mut |out, x| {
            serde_json::to_writer(out, x).map_err(io::Error::from)
        }),
    }
}

fn write_floats<W: Write, T: Copy + Debug + Into<f64>>(
    out: &mut W,
    array: &ArrayViewD<'_, T>,
    form: &Form,
) -> io::Result<()> {
    match form {
        Form::Best { most, labels } if array.ndim() > 0 => write_best(out, array, *most, labels.as_deref()),
        _ => write_array(out, array, &mut |out, &x| write_float(out, x)),
    }
}

fn write_float<W: Write, T: Copy + Debug + Into<f64>>(out: &mut W, x: T) -> io::Result<()> {
    let value: f64 = x.into();
    if value.is_finite() {
        write!(out, "{x:?}")
    } else if value.is_nan() {
        write!(out, "\"NaN\"")
    } else if value > 0.0 {
        write!(out, "\"Infinity\"")
    } else {
        write!(out, "\"-Infinity\"")
    }
}

/// Writes the best of the scores along the last axis, each with its label or its index.
fn write_best<W: Write, T: Copy + Debug + Into<f64>>(
    out: &mut W,
    array: &ArrayViewD<'_, T>,
    most: usize,
    labels: Option<&[String]>,
) -> io::Result<()> {
    if array.ndim() > 1 {
        return write_list(out, array.axis_iter(Axis(0)), |out, item| write_best(out, &item, most, labels));
    }
    let scores: Vec<f64> = array.iter().map(|&score| score.into()).collect();
    write_list(out, classes::best(&scores, most).into_iter(), |out, class| {
        match labels.and_then(|labels| labels.get(class)) {
            Some(label) => {
                out.write_all(b"{\"label\": ")?;
                serde_json::to_writer(&mut *out, label)?;
            }
            None => write!(out, "{{\"index\": {class}")?,
        }
        out.write_all(b", \"score\": ")?;
        array.get([class]).map_or(Ok(()), |&score| write_float(out, score))?;
        out.write_all(b"}")
    })
}

fn write_array<W: Write, T>(
    out: &mut W,
    array: &ArrayViewD<'_, T>,
    element: &mut impl FnMut(&mut W, &T) -> io::Result<()>,
) -> io::Result<()> {
    if let (0, Some(value)) = (array.ndim(), array.first()) {
        return element(out, value);
    }
    write_list(out, array.axis_iter(Axis(0)), |out, item| write_array(out, &item, element))
}

fn write_list<W: Write, I>(
    out: &mut W,
    items: impl Iterator<Item = I>,
    mut write: impl FnMut(&mut W, I) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.write_all(b", ")?;
        }
        write(out, item)?;
    }
    out.write_all(b"]")
}

#[cfg(test)]
mod tests;
