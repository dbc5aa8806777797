//! Weights as the compiler holds them: tensors by name, and a hash that stands for the content.

use std::collections::BTreeMap;

use masque_ir::facts::Facts;
use masque_ir::float::Float;
use masque_ir::layers::LayerGraph;
use masque_ir::{DType, Dim, Type};
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

use crate::frontend::{WeightError, WeightSource};
use crate::layer::WeightSpec;

/// Reads the weights of all layers, and writes their hashes into the facts.
///
/// # Errors
///
/// Those of [`WeightSource::load`].
pub fn bind(
    graph: &LayerGraph,
    facts: &mut Facts,
    specs: &[Vec<WeightSpec>],
    source: &WeightSource,
) -> Result<BTreeMap<String, Tensor>, WeightError> {
    let layers = graph.layers().iter().zip(specs);
    let weights = source.load(layers.map(|(layer, specs)| (layer.name.as_str(), specs.as_slice())))?;
    for declared in &mut facts.weights {
        declared.hash = weights.get(&declared.name).map(hash);
    }
    Ok(weights)
}

/// Takes weights that somebody gives: writes their hashes into the facts.
///
/// # Errors
///
/// [`WeightError::Given`] names the first that the layers declare and that is not there, or not of its type; then
/// nothing is written.
pub fn give(facts: &mut Facts, weights: &BTreeMap<String, Tensor>) -> Result<(), WeightError> {
    let hashes = facts.weights.iter().map(|declared| {
        let given = weights.get(&declared.name);
        let ty = given.map(type_of);
        given.filter(|_| ty.as_ref() == Some(&declared.ty)).map(hash).ok_or_else(|| WeightError::Given {
            weight: declared.name.clone(),
            expected: declared.ty.to_string(),
            found: ty.map_or_else(|| "none".to_owned(), |ty| ty.to_string()),
        })
    });
    let hashes: Vec<String> = hashes.collect::<Result<_, _>>()?;
    facts.weights.iter_mut().zip(hashes).for_each(|(declared, hash)| declared.hash = Some(hash));
    Ok(())
}

/// The type of a tensor.
pub fn type_of(tensor: &Tensor) -> Type {
    let sizes = tensor.shape().iter().map(|&size| Dim::constant(size as i64));
    Type { dtype: tensor.dtype(), shape: sizes.collect() }
}

/// A hash of element type, shape and elements, in 32 hexadecimal digits (128 bits of BLAKE3).
pub fn hash(tensor: &Tensor) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tensor.dtype().name().as_bytes());
    for size in tensor.shape() {
        hasher.update(&(*size as u64).to_le_bytes());
    }
    match tensor {
        Tensor::F32(array) => numbers(&mut hasher, array),
        Tensor::F64(array) => numbers(&mut hasher, array),
        Tensor::I32(array) => numbers(&mut hasher, array),
        Tensor::I64(array) => numbers(&mut hasher, array),
        Tensor::Bool(array) => array.iter().for_each(|&truth| {
            hasher.update(&[u8::from(truth)]);
        }),
        Tensor::Str(array) => array.iter().for_each(|text| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }),
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn numbers<T: bytemuck::NoUninit>(hasher: &mut blake3::Hasher, array: &ArrayD<T>) {
    match array.as_slice() {
        Some(elements) => {
            hasher.update(bytemuck::cast_slice(elements));
        }
        None => array.iter().for_each(|element| {
            hasher.update(bytemuck::bytes_of(element));
        }),
    }
}

/// A small array of the program as a tensor; its type was checked when the program was built.
pub fn constant(ty: &Type, values: &[Float]) -> Tensor {
    let shape: Vec<usize> = ty.shape.iter().map(|dim| dim.known().map_or(0, |size| size as usize)).collect();
    let shape = IxDyn(&shape);
    let numbers = ArrayD::from_shape_vec(shape.clone(), values.iter().map(|value| value.0).collect());
    let numbers = numbers.unwrap_or_else(|_| ArrayD::zeros(shape));
    match ty.dtype {
        DType::F32 => Tensor::F32(numbers.mapv(|x| x as f32)),
        DType::F64 => Tensor::F64(numbers),
        DType::I32 => Tensor::I32(numbers.mapv(|x| x as i32)),
        DType::I64 => Tensor::I64(numbers.mapv(|x| x as i64)),
        DType::Bool | DType::Str => Tensor::Bool(numbers.mapv(|x| x != 0.0)),
    }
}
