//! What the caller passed, against what the model declares.

use std::fmt::Display;

use masque_ir::dim::Bindings;
use masque_ir::plan::{Plan, PlanValue};
use masque_ir::{DType, Type};
use ndarray::{ArrayD, Dimension};

use super::{here, lengths};
use crate::cast::cast;
use crate::data::in_order;
use crate::elements::type_of;
use crate::error::RunError;
use crate::quote::quoted;
use crate::{Tensor, TensorView};

/// Finds the tensor of every input, in order, converts it and binds the symbols of its type.
pub(super) fn bind<N: AsRef<str>>(
    plan: &Plan,
    passed: &[(N, Tensor)],
    bindings: &mut Bindings,
) -> Result<Vec<Tensor>, RunError> {
    check_names(plan, passed)?;
    let mut values = Vec::with_capacity(plan.inputs.len());
    for (place, (_, input)) in plan.input_values().enumerate() {
        let found = passed.iter().find(|(name, _)| name.as_ref() == input.name);
        let (_, tensor) = found.ok_or_else(|| RunError::MissingInput { name: input.name.clone() })?;
        let error = |bindings: &Bindings| RunError::InputType {
            name: input.name.clone(),
            expected: here(&input.ty, bindings),
            found: type_of(&tensor.view()).to_string(),
        };
        if let Some((position, found)) = beyond(tensor, input.ty.dtype) {
            let (name, expected) = (input.name.clone(), here(&input.ty, bindings));
            return Err(RunError::InputRange { name, expected, found, position });
        }
        let value = convert(tensor, input).ok_or_else(|| error(bindings))?;
        if !fits(&input.ty, &value.view(), bindings) {
            let apart = lengths::apart(plan, place, value.shape(), bindings);
            return Err(apart.unwrap_or_else(|| error(bindings)));
        }
        values.push(in_order(value));
    }
    // A size made of several symbols can only be checked once they are all bound.
    for ((_, input), value) in plan.input_values().zip(&values) {
        if input.ty.eval(bindings).as_deref() != Some(value.shape()) {
            let (expected, found) = (here(&input.ty, bindings), type_of(&value.view()).to_string());
            return Err(RunError::InputType { name: input.name.clone(), expected, found });
        }
    }
    Ok(values)
}

/// Exactly the inputs of the model, each once.
fn check_names<N: AsRef<str>>(plan: &Plan, passed: &[(N, Tensor)]) -> Result<(), RunError> {
    let names: Vec<&str> = passed.iter().map(|(name, _)| name.as_ref()).collect();
    let known = |name: &str| plan.input_values().any(|(_, input)| input.name == name);
    let unknown = names.iter().find(|name| !known(name)).map(|name| (name, "does not exist"));
    let mut places = (0..names.len()).map(|place| (&names[place], names[..place].contains(&names[place])));
    let twice = places.find_map(|(name, twice)| twice.then_some((name, "is there twice")));
    let missing = plan.input_values().find(|(_, input)| !names.contains(&input.name.as_str()));
    let missing = missing.map(|(_, input)| (input.name.as_str(), "is missing"));
    let Some((name, trouble)) = unknown.or(twice).map(|(name, trouble)| (*name, trouble)).or(missing) else {
        return Ok(());
    };
    let expected: Vec<String> =
        plan.input_values().map(|(_, input)| format!("{}: {}", quoted(&input.name), input.ty)).collect();
    Err(RunError::InputNames {
        problem: format!("input {} {trouble}", quoted(name)),
        expected: expected.join(", "),
    })
}

/// Does a value have its declared type? Symbols that stand alone and are not bound yet are bound to what was found;
/// other sizes that cannot be computed yet agree with everything.
pub(super) fn fits(declared: &Type, found: &TensorView<'_>, bindings: &mut Bindings) -> bool {
    let size_fits = |(dim, &size): (&masque_ir::Dim, &usize)| {
        let Ok(size) = i64::try_from(size) else { return false };
        match dim.as_symbol() {
            Some(symbol) => *bindings.entry(symbol.clone()).or_insert(size) == size,
            None => dim.eval(bindings).is_none_or(|expected| expected == size),
        }
    };
    declared.dtype == found.dtype()
        && declared.rank() == found.shape().len()
        && declared.shape.iter().zip(found.shape()).all(size_fits)
}

/// The tensor with the input's element type, and with a last axis of size 1 where only that is missing.
fn convert(tensor: &Tensor, input: &PlanValue) -> Option<Tensor> {
    let tensor = as_type(tensor, input.ty.dtype)?;
    let one_short = tensor.shape().len() + 1 == input.ty.rank();
    if one_short && input.ty.shape.last().is_some_and(masque_ir::Dim::is_one) {
        let shape = [tensor.shape(), &[1]].concat();
        return tensor.reshaped(&shape);
    }
    Some(tensor)
}

/// The first number that the wanted type cannot hold, and its position. A float array holds whole numbers as well as an
/// integer array does, and 0 and 1 are truth values.
fn beyond(tensor: &Tensor, wanted: DType) -> Option<(Vec<usize>, String)> {
    let two = |power: i32| 2.0_f64.powi(power);
    let (least, end) = match wanted {
        _ if tensor.dtype() == wanted => return None,
        DType::I32 => (-two(31), two(31)),
        DType::I64 => (-two(63), two(63)),
        DType::Bool => (0.0, 2.0),
        DType::F32 | DType::F64 | DType::Str => return None,
    };
    let holds = |number: f64| number.fract() == 0.0 && (least..end).contains(&number);
    match tensor {
        Tensor::F32(array) => first(array, |&number| !holds(f64::from(number))),
        Tensor::F64(array) => first(array, |&number| !holds(number)),
        Tensor::I32(array) => first(array, |&number| !holds(f64::from(number))),
        Tensor::I64(array) => first(array, |&number| !holds(number as f64)),
        Tensor::Bool(_) | Tensor::Str(_) => None,
    }
}

fn first<T: Display>(array: &ArrayD<T>, is_it: impl Fn(&T) -> bool) -> Option<(Vec<usize>, String)> {
    let (position, found) = array.indexed_iter().find(|(_, element)| is_it(element))?;
    Some((position.slice().to_vec(), found.to_string()))
}

/// The same numbers as another type; `None` where one of the two is text.
fn as_type(tensor: &Tensor, wanted: DType) -> Option<Tensor> {
    match (tensor.dtype(), wanted) {
        (found, wanted) if found == wanted => Some(tensor.clone()),
        (DType::Str, _) | (_, DType::Str) => None,
        _ => cast(&tensor.view(), wanted).ok(),
    }
}

/// The memory of a tensor's elements.
pub(super) fn bytes(tensor: &Tensor) -> u64 {
    let count: usize = tensor.shape().iter().product();
    let each = tensor.dtype().size().unwrap_or(size_of::<String>());
    let texts = tensor.as_str().map_or(0, |texts| texts.iter().map(String::len).sum());
    (count as u64).saturating_mul(each as u64).saturating_add(texts as u64)
}
