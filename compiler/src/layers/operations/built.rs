//! Operations that are nothing but what they build: their types are those of the program they build, and their masks
//! are lost.

use std::fmt;

use masque_ir::float::Float;
use masque_ir::ops::{Leaf, Op, OpError};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Sizes, Type};
use serde_json::Value as Json;

pub(super) use crate::layer::literals::{array, element_type_named, number};

use super::common;
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Constants, Effect, Kind, Layer, MaskRule, Passed, Scope,
    ShapeError, Signature, Takes, infer_by_lowering,
};

/// What an operation gives, or why it does not fit.
pub(super) type Outcome<T = Operand> = Result<T, OpError>;

/// How an operation builds its results from its arguments.
type Make = dyn Fn(&mut Scope<'_>, &Arguments<Operand>) -> Outcome<Vec<Operand>> + Send + Sync;

/// An operation with its settings.
pub(super) struct Built {
    signature: Signature,
    outputs: u32,
    /// Does it give its very argument for such types? Only then the mask stays.
    keeps: fn(&Type, &Type) -> bool,
    /// What becomes of masks where it gives something new.
    masks: MaskRule,
    make: Box<Make>,
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Built").field("parameters", &self.signature.parameters).finish_non_exhaustive()
    }
}

impl Built {
    /// An operation with one result.
    pub(super) fn new(
        parameters: &'static [&'static str],
        make: impl Fn(&mut Scope<'_>, &Arguments<Operand>) -> Outcome + Send + Sync + 'static,
    ) -> Built {
        Built::several(parameters, 1, move |scope, arguments| Ok(vec![make(scope, arguments)?]))
    }

    /// An operation with several results; those beyond `outputs` are left out.
    pub(super) fn several(
        parameters: &'static [&'static str],
        outputs: u32,
        make: impl Fn(&mut Scope<'_>, &Arguments<Operand>) -> Outcome<Vec<Operand>> + Send + Sync + 'static,
    ) -> Built {
        Built {
            signature: Signature::of(parameters),
            outputs,
            keeps: |_, _| false,
            masks: MaskRule::Lost,
            make: Box::new(make),
        }
    }

    /// The same, but its first argument's mask stays where the types of argument and result say that both are one.
    pub(super) fn keeping(self, keeps: fn(&Type, &Type) -> bool) -> Built {
        Built { keeps, ..self }
    }

    /// The same, but masks are not lost.
    pub(super) fn with_masks(self, masks: MaskRule) -> Built {
        Built { masks, ..self }
    }

    /// The same, but these parameters take other things than one tensor or numbers.
    pub(super) fn taking(self, takes: &'static [(&'static str, Takes)]) -> Built {
        Built { signature: self.signature.taking(takes), ..self }
    }

    /// The same as a layer.
    pub(super) fn boxed(self) -> Result<Box<dyn Layer>, ConfigError> {
        Ok(Box::new(self))
    }
}

/// An operation of one tensor `x` with one result.
pub(super) fn of_one(
    make: impl Fn(&mut Scope<'_>, &Operand) -> Outcome + Send + Sync + 'static,
) -> Result<Box<dyn Layer>, ConfigError> {
    Built::new(&["x"], move |scope, arguments| make(scope, &tensor(arguments, "x")?)).boxed()
}

impl Layer for Built {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        self.signature
    }

    fn outputs(&self, _: &Constants) -> u32 {
        self.outputs
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let result = self.infer(arguments);
        let effect = match (arguments.first(), result.as_deref()) {
            (Some(x), Ok([y])) if (self.keeps)(x, y) => Effect::GivesInputs,
            _ => Effect::None,
        };
        CallMasks::new(self.masks.clone()).with_effect(effect)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let results = infer_by_lowering(self, arguments)?;
        if results.len() < self.outputs as usize {
            return Err(ShapeError::new(format!("{} results", self.outputs), results.len()));
        }
        Ok(results)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Outcome<Vec<Operand>> {
        let mut results = (self.make)(scope, arguments)?;
        results.truncate(self.outputs as usize);
        Ok(results)
    }
}

/// An error of an operation; its name stands in the place that is named around it.
pub(super) fn refuse<T>(expected: impl Into<String>, found: impl ToString) -> Outcome<T> {
    Err(OpError { op: "operation", expected: expected.into(), found: found.to_string() })
}

/// The one tensor passed for a parameter.
pub(super) fn tensor(arguments: &Arguments<Operand>, parameter: &str) -> Outcome {
    match arguments.get(parameter) {
        Some(Passed::Tensor(x)) => Ok(x.clone()),
        Some(Passed::List(_)) => refuse(format!("a tensor for `{parameter}`"), "a list"),
        Some(Passed::Constant(value)) => {
            refuse(format!("a tensor for `{parameter}`"), crate::layer::config::brief(value))
        }
        None => refuse(format!("a tensor for `{parameter}`"), "nothing"),
    }
}

/// The tensor or number passed for a parameter, numbers in an element type.
pub(super) fn tensor_or_number(arguments: &Arguments<Operand>, parameter: &str, dtype: DType) -> Outcome {
    match arguments.get(parameter) {
        Some(Passed::Constant(value)) => match number(value) {
            Some(number) => Ok(literal(dtype, number)),
            None => refuse(format!("a tensor or a number for `{parameter}`"), value),
        },
        _ => tensor(arguments, parameter),
    }
}

/// The tensor, array or number passed for a parameter; numbers without a type of their own are i32 and f32.
pub(super) fn given(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, parameter: &str) -> Outcome {
    let Some(Passed::Constant(value)) = arguments.get(parameter) else { return tensor(arguments, parameter) };
    match array(value) {
        Some((ty, values)) => scope.builder.emit(Leaf::Constant { ty, values }, &[]),
        None => refuse(format!("a tensor or numbers for `{parameter}`"), crate::layer::config::brief(value)),
    }
}

/// The same, where it may be left out.
pub(super) fn maybe(
    scope: &mut Scope<'_>,
    arguments: &Arguments<Operand>,
    parameter: &str,
) -> Outcome<Option<Operand>> {
    arguments.get(parameter).map(|_| given(scope, arguments, parameter)).transpose()
}

/// Two tensors, arrays or numbers in the element type that they have in common: a number has that of the other side.
pub(super) fn both(
    scope: &mut Scope<'_>,
    arguments: &Arguments<Operand>,
    parameters: [&str; 2],
) -> Outcome<[Operand; 2]> {
    let [a, b] = parameters.map(|parameter| given(scope, arguments, parameter));
    let sides = [a?, b?];
    let types = sides.each_ref().map(|side| dtype_of(scope, side));
    if types.contains(&DType::Str) {
        return refuse("numbers", "texts");
    }
    let number = parameters.map(|parameter| {
        matches!(arguments.get(parameter), Some(Passed::Constant(value)) if number(value).is_some())
    });
    let dtype = match (number, types) {
        ([true, false], [DType::I32, other]) | ([false, true], [other, DType::I32]) => other,
        (_, [a, b]) => common(a, b),
    };
    let [a, b] = sides.map(|side| scope.cast(&side, dtype));
    Ok([a?, b?])
}

/// A number as an operand.
pub(super) fn literal(dtype: DType, number: f64) -> Operand {
    Operand::Literal(masque_ir::program::Literal { dtype, number: Float(number) })
}

/// Applies one operation of the tensor graph.
pub(super) fn emit(scope: &mut Scope<'_>, op: impl Into<Op>, operands: &[&Operand]) -> Outcome {
    scope.emit(op, operands)
}

/// The shape of an operand.
pub(super) fn shape_of(scope: &Scope<'_>, x: &Operand) -> Sizes {
    scope.builder.type_of(x).shape
}

/// The element type of an operand.
pub(super) fn dtype_of(scope: &Scope<'_>, x: &Operand) -> DType {
    scope.builder.type_of(x).dtype
}

/// The same numbers as floats; floats stay what they are.
pub(super) fn real(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    if dtype_of(scope, x).is_float() { Ok(x.clone()) } else { scope.float(x) }
}

/// The same numbers; truth values as integers.
pub(super) fn numeric(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    if dtype_of(scope, x) == DType::Bool { scope.cast(x, DType::I32) } else { Ok(x.clone()) }
}

/// An axis of `x`, from the front.
pub(super) fn axis_of(scope: &Scope<'_>, x: &Operand, axis: i64) -> Outcome<u32> {
    let ty = scope.builder.type_of(x);
    match resolve_axis(axis, ty.rank()) {
        Some(axis) => Ok(axis as u32),
        None => refuse(format!("`axis` to name an axis of {ty}"), axis),
    }
}

/// A setting that is an integer, a list of integers, or absent.
pub(super) fn integers(config: &mut Config, key: &str) -> Result<Option<Vec<i64>>, ConfigError> {
    let Some(value) = config.take(key) else { return Ok(None) };
    let integers: Option<Vec<i64>> = match &value {
        Json::Array(items) => items.iter().map(Json::as_i64).collect(),
        item => item.as_i64().map(|item| vec![item]),
    };
    let integers =
        integers.ok_or_else(|| ConfigError::new(key, "an integer or a list of integers", &value))?;
    config.keep(key, value);
    Ok(Some(integers))
}

/// A setting that is an integer or absent.
pub(super) fn optional_integer(config: &mut Config, key: &str) -> Result<Option<i64>, ConfigError> {
    let found = integers(config, key)?;
    match found.as_deref() {
        None => Ok(None),
        Some([one]) => Ok(Some(*one)),
        Some(several) => Err(ConfigError::new(key, "one integer", &several.into())),
    }
}

/// A setting that is a number or absent.
pub(super) fn optional_number(config: &mut Config, key: &str) -> Result<Option<f64>, ConfigError> {
    let Some(value) = config.take(key) else { return Ok(None) };
    let number = number(&value).ok_or_else(|| ConfigError::new(key, "a number", &value))?;
    config.keep(key, value);
    Ok(Some(number))
}

/// A setting that names an element type, if it is there.
pub(super) fn element_type(config: &mut Config) -> Result<Option<DType>, ConfigError> {
    let Some(dtype) = config.take("dtype") else { return Ok(None) };
    let found = dtype.as_str().and_then(element_type_named);
    let expected = "bool, float32, float64, int32 or int64";
    let found = found.ok_or_else(|| ConfigError::new("dtype", expected, &dtype))?;
    config.keep("dtype", dtype);
    Ok(Some(found))
}
