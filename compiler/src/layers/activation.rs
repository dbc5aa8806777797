//! `Activation`: an activation function on its own.

use masque_ir::activation::Activation as Function;
use masque_ir::ops::{Activate, Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Effect, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Supports,
};

pub(super) static ACTIVATION: LayerDef =
    LayerDef { class: "Activation", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
pub(super) struct Activation {
    applied: Applied,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(Activation { applied: Applied::parse(config)? }))
}

impl Activation {
    /// The layer that applies a function and does nothing else.
    pub(super) fn layer(function: Function) -> Box<dyn Layer> {
        Box::new(Activation { applied: Applied::Function(function) })
    }
}

impl Layer for Activation {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        let is_nothing = self.applied == Applied::Function(Function::Linear);
        let effect = if is_nothing { Effect::GivesInputs } else { Effect::None };
        CallMasks::new(MaskRule::Keep).with_effect(effect)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
        Ok(vec![self.applied.infer(x)?])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![self.applied.lower(scope, arguments.data()[0].clone())?])
    }
}

/// The setting `activation`: a function, or Keras' gated linear unit, which is none as it changes the shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Applied {
    /// A function of every element, or along an axis.
    Function(Function),
    /// The first half of the last axis, times the sigmoid of the second half.
    GatedLinearUnit,
}

/// What a gated linear unit needs.
const HALVES: &str = "numbers whose last axis has an even, known size, for glu";

impl Applied {
    /// Reads the setting.
    pub(super) fn parse(config: &mut Config) -> Result<Applied, ConfigError> {
        config.name_function("activation");
        match config.is("activation", "glu") {
            true => Ok(Applied::GatedLinearUnit),
            false => config.activation("activation", Function::Linear).map(Applied::Function),
        }
    }

    /// The type of what it gives.
    pub(super) fn infer(self, x: &Type) -> Result<Type, ShapeError> {
        match self {
            Applied::Function(function) => {
                if x.dtype == DType::Str || function.axis().is_some() && x.rank() == 0 {
                    return Err(ShapeError::new("numbers", x));
                }
                if !function.fits(x.rank()) {
                    return Err(ShapeError::new(format!("an axis {}", function.axis().unwrap_or(0)), x));
                }
                Ok(if function == Function::Linear { x.clone() } else { x.with_dtype(DType::F32) })
            }
            Applied::GatedLinearUnit => {
                let half = half(x).ok_or_else(|| ShapeError::new(HALVES, x))?;
                let front = &x.shape[..x.rank() - 1];
                Ok(Type::new(DType::F32, front.iter().cloned().chain([half]).collect::<Vec<_>>()))
            }
        }
    }

    /// Applies it.
    pub(super) fn lower(self, scope: &mut Scope<'_>, x: Operand) -> Result<Operand, OpError> {
        match self {
            Applied::Function(function) => lower(scope, function, x),
            Applied::GatedLinearUnit => gated(scope, &x),
        }
    }
}

/// Half the size of the last axis, where it is known and even.
fn half(x: &Type) -> Option<Dim> {
    let size = x.shape.last().and_then(Dim::known).filter(|size| size % 2 == 0 && x.dtype != DType::Str)?;
    Some(Dim::constant(size / 2))
}

fn gated(scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
    let ty = scope.builder.type_of(x);
    let refused = || OpError { op: "slice", expected: HALVES.into(), found: ty.to_string() };
    let half = half(&ty).ok_or_else(refused)?;
    let x = scope.float(x)?;
    let axis = ty.rank() as u32 - 1;
    let mut part = |start: Dim, stop: Dim| {
        scope.builder.emit(Shape::Slice { axis, start, stop, step: 1 }, std::slice::from_ref(&x))
    };
    let whole = ty.shape[axis as usize].clone();
    let (value, gate) = (part(Dim::constant(0), half.clone())?, part(half, whole)?);
    let gate = scope.builder.emit(Activate::Activate { f: Function::Sigmoid }, &[gate])?;
    scope.builder.emit(Elementwise::Mul, &[value, gate])
}

/// Applies an activation function; `linear` is nothing.
pub(super) fn lower(scope: &mut Scope<'_>, function: Function, x: Operand) -> Result<Operand, OpError> {
    if function == Function::Linear {
        return Ok(x);
    }
    let x = scope.float(&x)?;
    scope.builder.emit(Activate::Activate { f: function }, &[x])
}
