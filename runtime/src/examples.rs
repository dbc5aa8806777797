//! From examples as people write them to tensors: what an input wants, and the padding of ragged lists.
//!
//! A batch of sentences is rarely a rectangle. Lists may have different lengths along any axis of an example; shorter
//! ones are filled up on the right with the input's padding, to the size that the input demands or else to the longest
//! of the batch. One axis is exempt: the last axis of a floating-point input, if its size is fixed, holds features, and
//! a vector with a feature too few is a mistake, not a short sequence.

use masque_ir::DType;
use ndarray::{ArrayD, IxDyn};

use crate::Tensor;
use crate::element::element_count;
use crate::json::Value;
use crate::quote::quoted;

/// The largest number of elements that padding may make of the examples for one input.
pub const MOST_ELEMENTS: usize = 1 << 28;

/// What one input of a model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// The input's name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// The shape of one example, without the batch axis; `None` is any size.
    pub shape: Vec<Option<usize>>,
    /// What fills up short lists; for text that is always the empty string.
    pub pad: f64,
}

/// Where in the examples something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, counted from 1.
    Line(usize),
    /// A position in a column, counted from 1.
    Example(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(number) => write!(f, "line {number}"),
            Place::Example(number) => write!(f, "example {number}"),
        }
    }
}

/// Why examples are not the inputs of a model. Each message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// The text is not what its format demands.
    #[error("{place}: not valid {format}: {problem}")]
    Syntax {
        /// The line.
        place: Place,
        /// The format.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// There are no examples.
    #[error("there are no examples, expected at least one")]
    Empty,
    /// A value is of the wrong kind, too long, too deep or out of range.
    #[error("{place}: input {input}: expected {expected}, found {found}")]
    Value {
        /// Where it is.
        place: Place,
        /// The input.
        input: String,
        /// What the input takes.
        expected: String,
        /// What there is.
        found: String,
    },
    /// Something other than an object where the inputs need names.
    #[error("{place}: expected an object with the inputs {inputs}, found {found}")]
    NotAnObject {
        /// Where it is.
        place: Place,
        /// The names of the inputs.
        inputs: String,
        /// What there is.
        found: &'static str,
    },
    /// An input without a value.
    #[error("{place}: input {input} is missing")]
    Missing {
        /// Where it is missing.
        place: Place,
        /// The input.
        input: String,
    },
    /// A value for no input.
    #[error("{place}: there is no input {name}, expected {inputs}")]
    Unknown {
        /// Where it is.
        place: Place,
        /// Its name.
        name: String,
        /// The names of the inputs.
        inputs: String,
    },
    /// A field to be kept that has the name of an output.
    #[error("{place}: field {name} cannot be kept, its name is one of the answer's")]
    Taken {
        /// Where it is.
        place: Place,
        /// Its name.
        name: String,
    },
    /// A record of more bytes than one may have.
    #[error("{place}: the record is longer than {most} bytes")]
    TooLong {
        /// Where it begins.
        place: Place,
        /// How many bytes it may have.
        most: usize,
    },
    /// Columns of different lengths.
    #[error("input {input} has {found} examples, expected {expected} like the inputs before it")]
    Columns {
        /// The input.
        input: String,
        /// The length of the first column.
        expected: usize,
        /// The length of this one.
        found: usize,
    },
    /// Padding would make more than [`MOST_ELEMENTS`].
    #[error("input {input} would be padded to shape {shape:?}, expected at most {MOST_ELEMENTS} elements")]
    TooLarge {
        /// The input.
        input: String,
        /// The padded shape, batch first.
        shape: Vec<usize>,
    },
}

/// The examples of each input, in the order of the inputs, each with its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(pub(crate) Vec<Vec<(Place, Value)>>);

impl Columns {
    /// No examples yet, of so many inputs.
    pub(crate) fn of(inputs: usize) -> Columns {
        Columns(vec![Vec::new(); inputs])
    }

    /// Adds an example.
    pub(crate) fn push(&mut self, place: Place, values: Values) {
        self.0.iter_mut().zip(values).for_each(|(column, value)| column.push((place, value)));
    }

    /// A tensor per input, in their order, with the batch as its first axis; ragged examples are padded.
    ///
    /// # Errors
    ///
    /// [`ExampleError`]: columns of different lengths or none, a value that does not fit its input.
    pub fn tensors(&self, inputs: &[InputSpec]) -> Result<Vec<Tensor>, ExampleError> {
        let batch = self.0.first().map_or(0, Vec::len);
        for (input, column) in inputs.iter().zip(&self.0) {
            if column.len() != batch {
                let input = quoted(&input.name);
                return Err(ExampleError::Columns { input, expected: batch, found: column.len() });
            }
        }
        if batch == 0 {
            return Err(ExampleError::Empty);
        }
        inputs.iter().zip(&self.0).map(|(input, column)| tensor(input, column)).collect()
    }

    /// Where the example of this number stands, counted from 0.
    pub fn place(&self, input: usize, example: usize) -> Option<Place> {
        self.0.get(input)?.get(example).map(|(place, _)| *place)
    }
}

/// The values of one example, input by input.
pub(crate) type Values = Vec<Value>;

/// The tensors of one example, with a batch of one.
///
/// # Errors
///
/// [`ExampleError::Value`] if a value does not fit its input, [`ExampleError::TooLarge`].
pub(crate) fn alone(inputs: &[InputSpec], place: Place, values: Values) -> Result<Vec<Tensor>, ExampleError> {
    inputs.iter().zip(values).map(|(input, value)| tensor(input, &[(place, value)])).collect()
}

/// The tensor of the values that the examples have for one input.
///
/// # Errors
///
/// [`ExampleError::Value`] names the first value that does not fit, [`ExampleError::TooLarge`] a batch that padding
/// would blow up.
fn tensor(spec: &InputSpec, examples: &[(Place, Value)]) -> Result<Tensor, ExampleError> {
    let mut shape = vec![examples.len()];
    shape.extend(spec.shape.iter().map(|size| size.unwrap_or(0)));
    for (place, value) in examples {
        measure(&Cursor { spec, place: *place, axis: 0 }, value, &mut shape)?;
    }
    if element_count(&shape).is_none_or(|count| count > MOST_ELEMENTS) {
        return Err(ExampleError::TooLarge { input: quoted(&spec.name), shape });
    }
    let pad = spec.pad;
    match spec.dtype {
        DType::F32 => fill(spec, examples, &shape, pad as f32, |value| float(value).map(|x| x as f32)),
        DType::F64 => fill(spec, examples, &shape, pad, float),
        DType::I32 => fill(spec, examples, &shape, pad as i32, |value| i32::try_from(integer(value)?).ok()),
        DType::I64 => fill(spec, examples, &shape, pad as i64, integer),
        DType::Bool => fill(spec, examples, &shape, pad != 0.0, truth),
        DType::Str => fill(spec, examples, &shape, String::new(), |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }),
    }
}

/// A position in the nested lists of one example.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    spec: &'a InputSpec,
    place: Place,
    axis: usize,
}

impl Cursor<'_> {
    fn deeper(self) -> Self {
        Cursor { axis: self.axis + 1, ..self }
    }

    fn refuse<T>(&self, expected: String, found: String) -> Result<T, ExampleError> {
        Err(ExampleError::Value { place: self.place, input: quoted(&self.spec.name), expected, found })
    }

    /// Whether this axis holds features rather than positions.
    fn is_exact(&self) -> bool {
        let float = matches!(self.spec.dtype, DType::F32 | DType::F64);
        float && self.axis + 1 == self.spec.shape.len()
    }

    /// The items of the list at this position. A model with inputs of shape `[1]` is given bare values by everybody.
    fn items<'v>(&self, value: &'v Value) -> Result<&'v [Value], ExampleError> {
        match value {
            Value::List(items) => Ok(items),
            Value::Object(_) | Value::Null => self.refuse(self.wanted(), value.kind().to_owned()),
            bare if self.spec.shape == [Some(1)] => Ok(std::slice::from_ref(bare)),
            bare => self.refuse(self.wanted(), bare.kind().to_owned()),
        }
    }

    /// What the input takes at this position, in words.
    fn wanted(&self) -> String {
        let element = match self.spec.dtype {
            DType::F32 | DType::F64 => "number",
            DType::I32 => "32-bit integer",
            DType::I64 => "64-bit integer",
            DType::Bool => "truth value",
            DType::Str => "string",
        };
        let bare = self.spec.shape == [Some(1)];
        match self.spec.shape.len() - self.axis {
            0 | 1 if bare => format!("a {element}"),
            0 => format!("a {element}"),
            1 => format!("a list of {element}s"),
            depth => format!("lists of {element}s, {depth} deep"),
        }
    }
}

/// Raises every free size to the length of the lists along it, and holds the fixed ones against theirs.
fn measure(cursor: &Cursor<'_>, value: &Value, shape: &mut [usize]) -> Result<(), ExampleError> {
    let Some(&size) = cursor.spec.shape.get(cursor.axis) else {
        return Ok(());
    };
    let items = cursor.items(value)?;
    let limit = size.unwrap_or(usize::MAX);
    let longest = &mut shape[cursor.axis + 1];
    if items.len() > limit || (size.is_some() && cursor.is_exact() && items.len() != limit) {
        let most = if cursor.is_exact() { "" } else { "at most " };
        let expected = format!("{most}{limit} items along axis {}", cursor.axis);
        return cursor.refuse(expected, items.len().to_string());
    }
    *longest = (*longest).max(items.len());
    items.iter().try_for_each(|item| measure(&cursor.deeper(), item, shape))
}

fn fill<T: Clone>(
    spec: &InputSpec,
    examples: &[(Place, Value)],
    shape: &[usize],
    pad: T,
    element: impl Fn(&Value) -> Option<T>,
) -> Result<Tensor, ExampleError>
where
    Tensor: From<ArrayD<T>>,
{
    let mut elements = vec![pad; element_count(shape).unwrap_or(0)];
    let stride = element_count(&shape[1..]).unwrap_or(0);
    for (index, (place, value)) in examples.iter().enumerate() {
        let cursor = Cursor { spec, place: *place, axis: 0 };
        place_values(
            &cursor,
            value,
            &mut elements[index * stride..(index + 1) * stride],
            &shape[1..],
            &element,
        )?;
    }
    let array = ArrayD::from_shape_vec(IxDyn(shape), elements);
    array
        .map(Tensor::from)
        .map_err(|_| ExampleError::TooLarge { input: quoted(&spec.name), shape: shape.to_vec() })
}

/// Writes the values of one list to the front of its room; what it does not reach keeps the padding.
fn place_values<T>(
    cursor: &Cursor<'_>,
    value: &Value,
    room: &mut [T],
    shape: &[usize],
    element: &impl Fn(&Value) -> Option<T>,
) -> Result<(), ExampleError> {
    let Some((_, inner)) = shape.split_first() else {
        let found = || shown(value);
        room[0] = element(value).map_or_else(|| cursor.refuse(cursor.wanted(), found()), Ok)?;
        return Ok(());
    };
    let stride = element_count(inner).unwrap_or(0);
    for (index, item) in cursor.items(value)?.iter().enumerate() {
        let room = &mut room[index * stride..(index + 1) * stride];
        place_values(&cursor.deeper(), item, room, inner, element)?;
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => quoted(text),
        other => other.kind().to_owned(),
    }
}

/// Numbers, and the names that [`json_lines`](crate::json_lines) writes for those that JSON cannot express.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Text(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    /// 2^63, the first float above every `i64`.
    const END: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Float(number) if number.fract() == 0.0 && (-END..END).contains(number) => Some(*number as i64),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Int(number @ (0 | 1)) => Some(*number == 1),
        _ => None,
    }
}
