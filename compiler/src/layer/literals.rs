//! Numbers and arrays of numbers as a model file has them.

use masque_ir::float::Float;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

/// The most elements that an array in a model's description may have.
const LARGEST_ARRAY: usize = 1 << 20;

/// An array of numbers, as numpy's or as lists; one number is an array without axes.
pub(crate) fn array(value: &Json) -> Option<(Type, Vec<Float>)> {
    let items = value.pointer("/config/value").unwrap_or(value);
    let (mut shape, mut values) = (vec![], vec![]);
    collect(items, 0, &mut shape, &mut values)?;
    let whole = values.iter().all(|value: &Json| value.is_i64() || value.is_boolean());
    let truth = !values.is_empty() && values.iter().all(Json::is_boolean);
    let dtype = match value.pointer("/config/dtype").and_then(Json::as_str) {
        Some(name) => element_type_holding(name)?,
        None if truth => DType::Bool,
        None if whole && !values.is_empty() => match values.iter().all(narrow) {
            true => DType::I32,
            false => DType::I64,
        },
        None => DType::F32,
    };
    let shape: Vec<Dim> = shape.into_iter().map(|size| Dim::constant(size as i64)).collect();
    let values: Option<Vec<Float>> = values.iter().map(|value| number(value).map(Float)).collect();
    Some((Type::new(dtype, shape), values?))
}

fn narrow(value: &Json) -> bool {
    value.as_i64().is_none_or(|number| i32::try_from(number).is_ok())
}

/// Lists in lists, row by row; all lists on one level have one length.
fn collect(value: &Json, depth: usize, shape: &mut Vec<usize>, values: &mut Vec<Json>) -> Option<()> {
    match value {
        Json::Array(items) if values.len() <= LARGEST_ARRAY => {
            match shape.get(depth) {
                None if values.is_empty() => shape.push(items.len()),
                size => size.filter(|&&size| size == items.len()).map(|_| ())?,
            }
            items.iter().try_for_each(|item| collect(item, depth + 1, shape, values))
        }
        value if depth == shape.len() && number(value).is_some() => {
            values.push(value.clone());
            Some(())
        }
        _ => None,
    }
}

/// A number as a model file has it, truth values as 0 and 1.
pub(crate) fn number(value: &Json) -> Option<f64> {
    let value = value.pointer("/config/value").unwrap_or(value);
    value
        .as_bool()
        .map(|truth| f64::from(u8::from(truth)))
        .or_else(|| Float::of_json(value).map(|number| number.0))
}

/// Keras' names of the element types.
const DTYPES: [(&str, DType); 5] = [
    ("bool", DType::Bool),
    ("float32", DType::F32),
    ("float64", DType::F64),
    ("int32", DType::I32),
    ("int64", DType::I64),
];

/// Element types that arrays can have and tensors here cannot, with one that holds the same numbers.
const NARROW_DTYPES: [(&str, DType); 6] = [
    ("bfloat16", DType::F32),
    ("float16", DType::F32),
    ("int16", DType::I32),
    ("int8", DType::I32),
    ("uint16", DType::I32),
    ("uint8", DType::I32),
];

/// The element type that holds all numbers of the type of that name.
pub(crate) fn element_type_holding(name: &str) -> Option<DType> {
    let narrow = NARROW_DTYPES.iter().find(|(known, _)| *known == name).map(|(_, wider)| *wider);
    element_type_named(name).or(narrow)
}

/// Keras' name of an element type.
pub(crate) fn name_of(dtype: DType) -> &'static str {
    DTYPES.iter().find(|(_, known)| *known == dtype).map_or("string", |(name, _)| name)
}

/// The element type of that name.
pub(crate) fn element_type_named(name: &str) -> Option<DType> {
    DTYPES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype)
}
