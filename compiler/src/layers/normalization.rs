//! `Normalization` and `Rescaling`: numbers moved and scaled by constants.

use masque_ir::ops::{Elementwise, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use super::axes::{along, constants, numbers, resolve, sizes, take_numbers};
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, WeightSpec,
};

pub(super) static NORMALIZATION: LayerDef = LayerDef {
    class: "Normalization",
    supports_masking: Supports::Always,
    masks: "keep",
    parse: normalization,
};
pub(super) static RESCALING: LayerDef =
    LayerDef { class: "Rescaling", supports_masking: Supports::Always, masks: "keep", parse: rescaling };

/// The smallest number that is divided by.
const EPSILON: f64 = 1e-7;

/// `(x - mean) / sqrt(variance)`, or the other way round.
#[derive(Debug)]
struct Normalization {
    axes: Vec<i64>,
    given: Option<(Vec<f64>, Vec<f64>)>,
    invert: bool,
}

fn normalization(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    // Keras writes no axis at all as an empty list.
    config.name_null("axis", "none");
    let axes = if config.is("axis", "none") { vec![] } else { super::axes::take(config, &[-1])? };
    let given = match (take_numbers(config, "mean")?, take_numbers(config, "variance")?) {
        (Some(mean), Some(variance)) => Some((mean, variance)),
        (None, None) => None,
        _ => return Err(ConfigError::new("variance", "a mean and a variance, or neither", &().into())),
    };
    Ok(Box::new(Normalization { axes, given, invert: config.bool("invert", false)? }))
}

impl Normalization {
    /// A list has to be as long as the axis is, and that the only one.
    fn check_given(&self, x: &Type) -> Result<(), ShapeError> {
        let Some((mean, variance)) = &self.given else { return Ok(()) };
        let axes = resolve(&self.axes, x)?;
        let mut sizes = sizes(&axes, x)?.into_iter();
        let room = sizes.try_fold(1i64, i64::checked_mul).unwrap_or(0);
        let fits = |list: &[f64]| list.len() == 1 || list.len() as i64 == room;
        if fits(mean) && fits(variance) {
            return Ok(());
        }
        Err(ShapeError::new(
            format!("`mean` and `variance` with {room} numbers"),
            mean.len().max(variance.len()),
        ))
    }

    fn moment(&self, scope: &mut Scope<'_>, name: &str, x: &Type) -> Result<Operand, OpError> {
        let axes = resolve(&self.axes, x).unwrap_or_default();
        let moment = match &self.given {
            Some((mean, _)) if name == "mean" => constants(scope, mean)?,
            Some((_, variance)) => constants(scope, variance)?,
            None => scope.weight(name),
        };
        match moment {
            Operand::Literal(_) => Ok(moment),
            moment => along(scope, &moment, &axes, x),
        }
    }
}

impl Layer for Normalization {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED.in_keras2(false)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        resolve(&self.axes, x)?;
        self.check_given(x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        if self.given.is_some() {
            return Ok(vec![]);
        }
        let x = numbers(arguments)?;
        let sizes = sizes(&resolve(&self.axes, x)?, x)?;
        let names = [("mean", "vars/0"), ("variance", "vars/1")];
        let moments = names.into_iter().map(|(name, place)| WeightSpec::new(name, place, sizes.clone()));
        // How many examples were looked at: in the file, and nothing is computed with it.
        Ok(moments.chain([WeightSpec::new("count", "vars/2", [])]).map(WeightSpec::untrained).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let ty = scope.builder.type_of(&x);
        let mean = self.moment(scope, "mean", &ty)?;
        let variance = self.moment(scope, "variance", &ty)?;
        let deviation = scope.builder.emit(Elementwise::Sqrt, &[variance])?;
        let smallest = scope.builder.number(&deviation, EPSILON);
        let deviation = scope.builder.emit(Elementwise::Max, &[deviation, smallest])?;
        let y = if self.invert {
            let scaled = scope.builder.emit(Elementwise::Mul, &[x, deviation])?;
            scope.builder.emit(Elementwise::Add, &[scaled, mean])?
        } else {
            let centred = scope.builder.emit(Elementwise::Sub, &[x, mean])?;
            scope.builder.emit(Elementwise::Div, &[centred, deviation])?
        };
        Ok(vec![y])
    }
}

/// `x * scale + offset`; lists lie along the last axis.
#[derive(Debug)]
struct Rescaling {
    scale: Vec<f64>,
    offset: Vec<f64>,
}

fn rescaling(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let scale = take_numbers(config, "scale")?;
    let scale =
        scale.ok_or_else(|| ConfigError::new("scale", "a number or a list of numbers", &().into()))?;
    Ok(Box::new(Rescaling { scale, offset: take_numbers(config, "offset")?.unwrap_or_else(|| vec![0.0]) }))
}

impl Layer for Rescaling {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED.in_keras2(false)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        let last = x.shape.last().and_then(masque_ir::Dim::known);
        let lists = [&self.scale, &self.offset];
        match lists.into_iter().find(|list| list.len() > 1 && last != Some(list.len() as i64)) {
            Some(list) => Err(ShapeError::new(format!("a last axis of size {}", list.len()), x)),
            None => Ok(vec![x.with_dtype(DType::F32)]),
        }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let (scale, offset) = (constants(scope, &self.scale)?, constants(scope, &self.offset)?);
        let scaled = scope.builder.emit(Elementwise::Mul, &[x, scale])?;
        Ok(vec![scope.builder.emit(Elementwise::Add, &[scaled, offset])?])
    }
}
