//! `TimeDistributed`: a layer on every step, as if each were an example of its own.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};
use serde_json::json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports, WeightSpec,
};

pub(super) static TIME_DISTRIBUTED: LayerDef =
    LayerDef { class: "TimeDistributed", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct TimeDistributed {
    layer: Box<dyn Layer>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let (class, settings) = config.layer("layer")?;
    let def = super::find(&class).filter(|def| !["InputLayer", "TextVectorization"].contains(&def.class));
    let def = def.ok_or_else(|| ConfigError::new("layer", "a supported layer", &class.clone().into()))?;
    let mut inner = Config::new(settings)?;
    let layer = (def.parse)(&mut inner)?;
    config.keep("layer", json!({"class_name": class, "config": inner.finish()?}));
    Ok(Box::new(TimeDistributed { layer }))
}

/// Batch and steps as one axis.
fn fold(shape: &[Dim]) -> Vec<Dim> {
    std::iter::once(&shape[0] * &shape[1]).chain(shape[2..].iter().cloned()).collect()
}

/// The steps of the sequences as a batch.
fn steps(arguments: &Arguments<Type>) -> Result<(Arguments<Type>, Vec<Dim>), ShapeError> {
    let expected = "one tensor [batch, steps, ...] with at least three axes";
    match arguments.data() {
        [x] if x.rank() >= 3 => {
            let inner = Arguments::of("inputs", vec![Type::new(x.dtype, fold(&x.shape))]);
            Ok((inner, x.shape[..2].to_vec()))
        }
        [x] => Err(ShapeError::new(expected, x)),
        other => Err(ShapeError::new(expected, format!("{} tensors", other.len()))),
    }
}

/// The inner layer's outputs with batch and steps apart again.
fn unfold(front: &[Dim], shape: &[Dim]) -> Vec<Dim> {
    front.iter().chain(shape.iter().skip(1)).cloned().collect()
}

impl Layer for TimeDistributed {
    fn parameters(&self) -> &'static [&'static str] {
        &["inputs", "training", "mask"]
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, arguments: &Arguments<Type>) -> MaskRule {
        let inner = steps(arguments).map_or(MaskRule::Keep, |(inner, _)| self.layer.mask_rule(&inner));
        MaskRule::OverSteps(Box::new(inner))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let (inner, front) = steps(arguments)?;
        let outputs = self.layer.infer(&inner)?;
        match outputs.as_slice() {
            [output] if output.rank() > 0 => Ok(vec![Type::new(output.dtype, unfold(&front, &output.shape))]),
            _ => Err(ShapeError::new("a layer with one output", format!("{} outputs", outputs.len()))),
        }
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let specs = self.layer.weights(&steps(arguments)?.0)?;
        Ok(specs.into_iter().map(|spec| spec.inside("layer", "layer")).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let shape = scope.builder.type_of(&x).shape;
        let folded = scope.builder.emit(Shape::Reshape { shape: fold(&shape) }, &[x])?;
        let mut inner = Arguments::of("inputs", vec![folded]);
        if let (Some(mask), true) = (arguments.mask(), self.layer.parameters().contains(&"mask")) {
            let mask_shape = scope.builder.type_of(mask).shape;
            if mask_shape.len() > 2 {
                let mask = scope
                    .builder
                    .emit(Shape::Reshape { shape: fold(&mask_shape) }, std::slice::from_ref(mask))?;
                inner.masks = vec![Some(mask)];
            }
        }
        let outputs = self.layer.lower(&mut scope.inside("layer"), &inner)?;
        let output = scope.builder.type_of(&outputs[0]).shape;
        Ok(vec![scope.builder.emit(Shape::Reshape { shape: unfold(&shape[..2], &output) }, &outputs[..1])?])
    }
}
