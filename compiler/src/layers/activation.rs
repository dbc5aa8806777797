//! `Activation`: an activation function on its own.

use masque_ir::activation::Activation as Function;
use masque_ir::ops::{Activate, Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Arguments, Config, ConfigError, Effect, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports,
};

pub(super) static ACTIVATION: LayerDef =
    LayerDef { class: "Activation", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
pub(super) struct Activation {
    function: Function,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    if config.is("activation", "glu") {
        return Ok(Box::new(GatedLinearUnit));
    }
    Ok(Box::new(Activation { function: config.activation("activation", Function::Linear)? }))
}

impl Activation {
    /// The layer that applies a function and does nothing else.
    pub(super) fn layer(function: Function) -> Box<dyn Layer> {
        Box::new(Activation { function })
    }
}

impl Layer for Activation {
    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Keep
    }

    fn effect(&self, _: &Arguments<Type>) -> Effect {
        if self.function == Function::Linear { Effect::GivesInputs } else { Effect::None }
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        match arguments.first() {
            Some(x) if x.dtype != DType::Str && (self.function.axis().is_none() || x.rank() > 0) => {
                Ok(vec![if self.function == Function::Linear { x.clone() } else { x.with_dtype(DType::F32) }])
            }
            Some(x) => Err(ShapeError::new("numbers", x)),
            None => Err(ShapeError::new("a tensor", "none")),
        }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![lower(scope, self.function, arguments.data()[0].clone())?])
    }
}

/// `activation="glu"`: the first half of the last axis, times the sigmoid of the second half. It changes the shape,
/// and so it is no [`Function`].
#[derive(Debug)]
struct GatedLinearUnit;

impl Layer for GatedLinearUnit {
    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Keep
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let expected = "numbers whose last axis has an even, known size";
        let x = arguments.first().ok_or_else(|| ShapeError::new(expected, "none"))?;
        let half = x
            .shape
            .last()
            .and_then(Dim::known)
            .filter(|size| size % 2 == 0)
            .map(|size| Dim::constant(size / 2));
        match (half, x.dtype) {
            (Some(half), dtype) if dtype != DType::Str => {
                let front = &x.shape[..x.rank() - 1];
                Ok(vec![Type::new(DType::F32, front.iter().cloned().chain([half]).collect::<Vec<_>>())])
            }
            _ => Err(ShapeError::new(expected, x)),
        }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let shape = scope.builder.type_of(&x).shape;
        let axis = shape.len() as u32 - 1;
        let (whole, half) = (shape[axis as usize].clone(), shape[axis as usize].floor_div(2));
        let mut part = |start: Dim, stop: Dim| {
            scope.builder.emit(Shape::Slice { axis, start, stop, step: 1 }, std::slice::from_ref(&x))
        };
        let (value, gate) = (part(Dim::constant(0), half.clone())?, part(half, whole)?);
        let gate = scope.builder.emit(Activate::Activate { f: Function::Sigmoid }, &[gate])?;
        Ok(vec![scope.builder.emit(Elementwise::Mul, &[value, gate])?])
    }
}

/// Applies an activation function; `linear` is nothing.
pub(super) fn lower(scope: &mut Scope<'_>, function: Function, x: Operand) -> Result<Operand, OpError> {
    if function == Function::Linear {
        return Ok(x);
    }
    let x = scope.float(&x)?;
    scope.builder.emit(Activate::Activate { f: function }, &[x])
}
