//! `Concatenate`, and what the layers that make one tensor of several have in common.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Type};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Signature, Supports, Takes,
};

pub(super) static CONCATENATE: LayerDef = LayerDef {
    class: "Concatenate",
    supports_masking: Supports::Always,
    masks: "concat(axis)",
    parse: concatenate,
};

/// At least two tensors, none of text.
pub(super) fn several(arguments: &Arguments<Type>) -> Result<&[Type], ShapeError> {
    let inputs = arguments.data();
    match inputs.iter().find(|x| x.dtype == DType::Str) {
        Some(text) => Err(ShapeError::new("numbers", text)),
        None if inputs.len() < 2 => Err(ShapeError::new("a list of at least two tensors", inputs.len())),
        None => Ok(inputs),
    }
}

/// The element type that numbers of several types are computed in.
pub(super) fn common_dtype(inputs: &[Type]) -> DType {
    let first = inputs[0].dtype;
    match inputs.iter().all(|x| x.dtype == first) {
        true => first,
        false if inputs.iter().all(|x| !x.dtype.is_float()) => DType::I64,
        false => DType::F32,
    }
}

/// The types in a line.
pub(super) fn listed(inputs: &[Type]) -> String {
    inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The inputs in their common element type.
pub(super) fn converted(scope: &mut Scope<'_>, inputs: &[Operand]) -> Result<Vec<Operand>, OpError> {
    let types: Vec<Type> = inputs.iter().map(|x| scope.builder.type_of(x)).collect();
    let dtype = common_dtype(&types);
    inputs.iter().map(|x| scope.cast(x, dtype)).collect()
}

#[derive(Debug)]
struct Concatenate {
    axis: i64,
}

fn concatenate(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(Concatenate { axis: config.integer("axis", Some(-1))? }))
}

impl Concatenate {
    fn axis(&self, inputs: &[Type]) -> Result<usize, ShapeError> {
        let rank = inputs[0].rank();
        resolve_axis(self.axis, rank)
            .ok_or_else(|| ShapeError::new(format!("`axis` below {rank}, the rank of the inputs"), self.axis))
    }
}

impl Layer for Concatenate {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs"]).taking(&[("inputs", Takes::Tensors)])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let rule = match arguments.data() {
            [] => MaskRule::Lost,
            inputs => self.axis(inputs).map_or(MaskRule::Lost, |axis| MaskRule::Concat { axis }),
        };
        rule.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let inputs = several(arguments)?;
        let axis = self.axis(inputs)? as u32;
        let dtype = common_dtype(inputs);
        let types: Vec<Type> = inputs.iter().map(|x| x.with_dtype(dtype)).collect();
        let operands: Vec<Option<&Type>> = types.iter().map(Some).collect();
        masque_ir::ops::Op::from(Shape::Concat { axis })
            .infer(&operands)
            .map_err(|error| ShapeError { expected: error.expected, found: error.found })
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let inputs = converted(scope, arguments.data())?;
        let rank = scope.builder.type_of(&inputs[0]).rank();
        let axis = resolve_axis(self.axis, rank).unwrap_or(0) as u32;
        Ok(vec![scope.builder.emit(Shape::Concat { axis }, &inputs)?])
    }
}
