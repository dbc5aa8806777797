//! `TimeDistributed`: a layer on every step, as if each were an example of its own.
//!
//! Keras calls the layer inside step by step. As long as it treats each example by itself, all steps of all examples
//! are one large batch for it. What a mask says behind its first two axes is the inner layer's mask.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};
use serde_json::{Value as Json, json};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Signature, Supports, WeightSpec,
};
use crate::masks;

pub(super) static TIME_DISTRIBUTED: LayerDef =
    LayerDef { class: "TimeDistributed", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct TimeDistributed {
    layer: Box<dyn Layer>,
    /// The axes that its settings name.
    axes: Vec<i64>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    // Around a model, which the front end took apart.
    if config.has("outputs") {
        return super::scope::parse(config);
    }
    let (class, settings) = config.layer("layer")?;
    let unfit = ["Functional", "InputLayer", "Sequential", "TextVectorization"];
    let fits = !unfit.contains(&class.as_str()) && !class.starts_with("ops.");
    let parse = config.reader(&class).filter(|_| fits);
    let parse = parse.ok_or_else(|| super::unfit("layer", "a supported layer", &class))?;
    let mut inner = config.inside(settings)?;
    let layer = parse(&mut inner)?;
    let kept = inner.finish()?;
    let axes = match kept.get("axis") {
        Some(Json::Array(axes)) => axes.iter().filter_map(Json::as_i64).collect(),
        axis => axis.and_then(Json::as_i64).into_iter().collect(),
    };
    let (stateful, time_major) = (keeps_states(&kept), sets(&kept, "time_major"));
    let kept = json!({"class_name": class, "config": kept});
    if stateful {
        let expected = "a layer without `stateful`: steps would go on where the one before them ended";
        return Err(ConfigError::new("layer", expected, &kept));
    }
    if time_major {
        return Err(ConfigError::new("layer", "a layer whose first axis is the batch", &kept));
    }
    config.keep("layer", kept);
    Ok(Box::new(TimeDistributed { layer, axes }))
}

/// Does a layer with these settings, or one inside of it, keep its states?
pub(crate) fn keeps_states<'a>(settings: impl IntoIterator<Item = (&'a String, &'a Json)>) -> bool {
    sets(settings, "stateful")
}

/// Is a setting true in a layer with these settings, or in one inside of it?
fn sets<'a>(settings: impl IntoIterator<Item = (&'a String, &'a Json)>, key: &str) -> bool {
    fn inside(json: &Json, key: &str) -> bool {
        match json {
            Json::Object(map) => sets(map, key),
            Json::Array(items) => items.iter().any(|item| inside(item, key)),
            _ => false,
        }
    }
    settings.into_iter().any(|(name, value)| name == key && value == true || inside(value, key))
}

impl TimeDistributed {
    /// The arguments of the layer inside, and the sizes of batch and steps.
    fn steps(&self, arguments: &Arguments<Type>) -> Result<(Arguments<Type>, Vec<Dim>), ShapeError> {
        let expected = "one tensor [batch, steps, ...] with at least three axes";
        let x = match arguments.data() {
            [x] if x.rank() >= 3 => x,
            [x] => return Err(ShapeError::new(expected, x)),
            other => return Err(ShapeError::new(expected, format!("{} tensors", other.len()))),
        };
        let rank = x.rank() as i64 - 1;
        if let Some(axis) = self.axes.iter().find(|&&axis| axis == 0 || axis == -rank) {
            return Err(ShapeError::new(
                "a layer that looks along axes behind the batch",
                format!("axis {axis}"),
            ));
        }
        let mut inner = self.call(Type::new(x.dtype, fold(&x.shape)));
        if let Some(mask) = arguments.mask() {
            check_mask(mask, x)?;
            inner.masks = self.handed_on(Type::new(mask.dtype, fold(&mask.shape)));
        }
        Ok((inner, x.shape[..2].to_vec()))
    }

    /// A call of the layer inside.
    fn call<T>(&self, x: T) -> Arguments<T> {
        Arguments::of(self.layer.signature().parameters.first().copied().unwrap_or("inputs"), vec![x])
    }

    /// The masks of the layer inside, if it has a parameter for one.
    fn handed_on<T>(&self, mask: T) -> Vec<Option<T>> {
        if self.layer.signature().parameters.contains(&"mask") { vec![Some(mask)] } else { vec![] }
    }
}

/// A mask says of each step whether it is there; what it says behind these two axes is the inner layer's business.
fn check_mask(mask: &Type, x: &Type) -> Result<(), ShapeError> {
    let agrees = |axis: usize| match (mask.shape[axis].known(), x.shape[axis].known()) {
        (Some(mask), Some(size)) => mask == size,
        _ => true,
    };
    if mask.rank() >= 2 && agrees(0) && agrees(1) {
        return Ok(());
    }
    Err(ShapeError::new(format!("a mask whose first axes are [{}, {}]", x.shape[0], x.shape[1]), mask))
}

/// Batch and steps as one axis.
pub(super) fn fold(shape: &[Dim]) -> Vec<Dim> {
    std::iter::once(&shape[0] * &shape[1]).chain(shape[2..].iter().cloned()).collect()
}

/// The inner layer's outputs with batch and steps apart again.
pub(super) fn unfold(front: &[Dim], shape: &[Dim]) -> Vec<Dim> {
    front.iter().chain(shape.iter().skip(1)).cloned().collect()
}

impl Layer for TimeDistributed {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.used_at_inference(masks::uses(self.layer.as_ref()))
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let inner = self.steps(arguments);
        let rule = inner.map_or(MaskRule::Keep, |(inner, _)| self.layer.call_masks(&inner).rule);
        MaskRule::OverSteps(Box::new(rule)).into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let (inner, front) = self.steps(arguments)?;
        let outputs = self.layer.infer(&inner)?;
        match outputs.as_slice() {
            [output] if output.rank() > 0 => Ok(vec![Type::new(output.dtype, unfold(&front, &output.shape))]),
            _ => Err(ShapeError::new("a layer with one output", format!("{} outputs", outputs.len()))),
        }
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let specs = self.layer.weights(&self.steps(arguments)?.0)?;
        Ok(specs.into_iter().map(|spec| spec.inside("layer", "layer")).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let shape = scope.builder.type_of(&x).shape;
        let folded = scope.builder.emit(Shape::Reshape { shape: fold(&shape).into() }, &[x])?;
        let mut inner = self.call(folded);
        if let Some(mask) = arguments.mask() {
            let shape = fold(&scope.builder.type_of(mask).shape);
            let mask =
                scope.builder.emit(Shape::Reshape { shape: shape.into() }, std::slice::from_ref(mask))?;
            inner.masks = self.handed_on(mask);
        }
        let outputs = self.layer.lower(&mut scope.inside("layer"), &inner)?;
        let output = scope.builder.type_of(&outputs[0]).shape;
        Ok(vec![
            scope
                .builder
                .emit(Shape::Reshape { shape: unfold(&shape[..2], &output).into() }, &outputs[..1])?,
        ])
    }
}
