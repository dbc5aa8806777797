//! Are these the numbers, and the masks, of Keras?

use std::collections::BTreeMap;

use masque_ir::DType;
use masque_ir::dim::Bindings;
use masque_ir::ops::Elementwise;
use masque_runtime::{Tensor, reference};

use crate::corpus::{Case, Tolerance};

/// Are these numbers equal, as far as the tolerance asks? NaN is equal to NaN, an infinity to itself.
fn near(found: f64, expected: f64, Tolerance { rtol, atol }: Tolerance) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || expected.is_finite() && (found - expected).abs() <= atol + rtol * expected.abs()
}

/// The same numbers as another element type.
///
/// # Panics
///
/// If they are texts.
pub fn cast(tensor: &Tensor, to: DType) -> Tensor {
    if tensor.dtype() == to {
        return tensor.clone();
    }
    let cast = Elementwise::Cast { to }.into();
    let results = reference::evaluate(&cast, &[Some(tensor.view())], &Bindings::new()).expect("numbers");
    results.into_iter().next().expect("one result")
}

/// Why a tensor is not the expected one, if it is not. Truth values, whole numbers and texts have to be the same.
fn difference(found: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Option<String> {
    if found.shape() != expected.shape() {
        return Some(format!("shape {:?}, expected {:?}", found.shape(), expected.shape()));
    }
    if found.dtype() != expected.dtype() {
        return Some(format!("type {}, expected {}", found.dtype().name(), expected.dtype().name()));
    }
    if expected.dtype() == DType::Str {
        return (found != expected).then(|| "the texts differ".to_owned());
    }
    let exact = !matches!(expected.dtype(), DType::F32 | DType::F64);
    let tolerance = if exact { Tolerance { rtol: 0.0, atol: 0.0 } } else { tolerance };
    let [found, expected] = [found, expected].map(|tensor| cast(tensor, DType::F64));
    let pairs = found.as_f64()?.iter().zip(expected.as_f64()?);
    let wrong: Vec<_> = pairs.enumerate().filter(|(_, (a, b))| !near(**a, **b, tolerance)).collect();
    let (place, (first, wanted)) = wrong.first()?;
    Some(format!("{} elements differ; element {place} is {first}, expected {wanted}", wrong.len()))
}

/// Holds outputs against those of Keras.
///
/// # Errors
///
/// The first difference.
pub fn outputs(case: &Case, found: &[(String, Tensor)]) -> Result<(), String> {
    numbers(&case.arrays("expected.npz"), found, case.expected.tolerance)
}

/// Holds outputs against arrays by the same names.
///
/// # Errors
///
/// The first difference.
pub fn numbers(
    expected: &BTreeMap<String, Tensor>,
    found: &[(String, Tensor)],
    tolerance: Tolerance,
) -> Result<(), String> {
    let names = |tensors: &mut dyn Iterator<Item = &String>| tensors.cloned().collect::<Vec<_>>();
    let found_names = names(&mut found.iter().map(|(name, _)| name));
    let in_order: Vec<String> = (0..expected.len()).map(|place| format!("output_{place}")).collect();
    if found_names != in_order {
        return Err(format!("outputs {found_names:?}, expected {in_order:?}"));
    }
    for (name, tensor) in found {
        if let Some(difference) = difference(tensor, &expected[name], tolerance) {
            return Err(format!("{name}: {difference}"));
        }
    }
    Ok(())
}

/// Holds masks against those of Keras: exactly these calls, exactly these bits.
///
/// Inside nested models (`/` in the key) Keras tells no masks. On the result of an operation that gives back its very
/// argument a mask may stay; there it may be listed or not.
///
/// # Errors
///
/// The first difference.
pub fn masks(case: &Case, found: &[(String, Tensor)]) -> Result<(), String> {
    let found: BTreeMap<&str, &Tensor> =
        found.iter().filter(|(key, _)| !key.contains('/')).map(|(key, mask)| (key.as_str(), mask)).collect();
    let is_operation = |key: &str| {
        let layer = key.split(':').next().unwrap_or_default();
        case.expected.calls.iter().any(|call| call.layer == layer && !call.is_layer)
    };
    let mut expected = case.arrays("masks.npz");
    expected.retain(|key, _| found.contains_key(key.as_str()) || !is_operation(key));
    if !found.keys().copied().eq(expected.keys().map(String::as_str)) {
        let (found, expected) = (found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        return Err(format!("masks {found:?}, expected {expected:?}"));
    }
    match expected.iter().find(|(key, mask)| found[key.as_str()] != *mask) {
        Some((key, mask)) => Err(format!("mask {key}: {:?}, expected {mask:?}", found[key.as_str()])),
        None => Ok(()),
    }
}

/// Holds a loss against that of Keras.
///
/// # Errors
///
/// Both numbers.
pub fn loss(found: f64, expected: f64) -> Result<(), String> {
    let tolerance = Tolerance { rtol: 1e-4, atol: 1e-5 };
    if near(found, expected, tolerance) { Ok(()) } else { Err(format!("loss {found}, expected {expected}")) }
}

/// The bits of a tensor, so that NaN is equal to NaN and the zeros differ.
///
/// # Panics
///
/// If it holds texts.
pub fn bits(tensor: &Tensor) -> Vec<u64> {
    let numbers = cast(tensor, DType::F64);
    numbers.as_f64().into_iter().flatten().map(|number| number.to_bits()).collect()
}
