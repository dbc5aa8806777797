//! `Pipeline`: layers one behind the other, as one layer. Keras says that it supports no masks, and warns; the layers
//! inside carry them on all the same.

use masque_ir::Type;
use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use serde_json::{Value as Json, json};

use crate::infer::autocast;
use crate::layer::classes::{class_inside, group_name};
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Effect, Layer, LayerDef, MaskRule, Parse, Reads, Scope,
    ShapeError, Signature, Supports, WeightPlace, WeightSpec,
};
use crate::masks;

pub(super) static PIPELINE: LayerDef = LayerDef {
    class: "Pipeline",
    supports_masking: Supports::Never,
    masks: "those of the layers inside",
    parse,
};

/// A layer of the pipeline, and its group in a weights file.
#[derive(Debug)]
struct Inner {
    class: String,
    group: String,
    layer: Box<dyn Layer>,
}

#[derive(Debug)]
struct Pipeline {
    layers: Vec<Inner>,
}

/// Classes that are no single step.
const NOT_INSIDE: &[&str] = &["Functional", "InputLayer", "Pipeline", "Sequential"];

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("layers").unwrap_or(Json::Null);
    let expected = "a list of layers with class_name and config";
    let entries = value.as_array().ok_or_else(|| ConfigError::new("layers", expected, &value))?;
    let (mut layers, mut canonical): (Vec<Inner>, Vec<Json>) = (vec![], vec![]);
    for entry in entries {
        let settings = entry.get("config").and_then(Json::as_object);
        let (Some(class), Some(settings)) = (class_inside(entry), settings) else {
            return Err(ConfigError::new("layers", expected, entry));
        };
        let parse = step(config, &class)?;
        let mut inner = config.inside(settings.clone())?;
        let layer = parse(&mut inner)?;
        if layer.outputs(&Default::default()) != 1 || masks::reads(layer.as_ref()) != Reads::Nothing {
            let expected = "layers that give one tensor and compute nothing with masks";
            return Err(ConfigError::new("layers", expected, &class.into()));
        }
        canonical.push(json!({"class_name": class, "config": inner.finish()?}));
        let earlier = layers.iter().filter(|inner| inner.class == class).count();
        layers.push(Inner { group: group_name(&class, earlier), class, layer });
    }
    config.keep("layers", canonical);
    Ok(Box::new(Pipeline { layers }))
}

/// What reads a layer inside.
fn step(config: &Config, class: &str) -> Result<Parse, ConfigError> {
    let parse = config.reader(class).filter(|_| !class.starts_with("ops."));
    let parse = parse.ok_or_else(|| {
        ConfigError::new("layers", format!("known layers ({})", super::refusal(class)), &class.into())
    })?;
    match NOT_INSIDE.contains(&class) {
        true => Err(ConfigError::new("layers", "layers that are one step each", &class.into())),
        false => Ok(parse),
    }
}

impl Inner {
    fn call<T>(&self, x: T) -> Arguments<T> {
        Arguments::of(self.layer.signature().parameters.first().copied().unwrap_or("inputs"), vec![x])
    }
}

impl Pipeline {
    /// What each layer is called on, in order, and what the last one gives.
    fn types(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
        let mut types = vec![x.clone()];
        for inner in &self.layers {
            let input = autocast(inner.layer.as_ref(), &types[types.len() - 1]);
            types.extend(inner.layer.infer(&inner.call(input))?);
        }
        Ok(types)
    }

    /// Each layer with what it is called on; nothing if the types do not fit.
    fn calls(&self, arguments: &Arguments<Type>) -> Vec<(&Inner, Arguments<Type>)> {
        let types = self.types(arguments).unwrap_or_default();
        self.layers.iter().zip(types).map(|(inner, x)| (inner, inner.call(x))).collect()
    }
}

impl Layer for Pipeline {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training", "mask"])
    }

    /// The mask comes through if it comes through every layer; the first one may make it. The very input comes through
    /// if each layer gives its own.
    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let calls = self.calls(arguments);
        let calls: Vec<CallMasks> = calls.iter().map(|(inner, call)| inner.layer.call_masks(call)).collect();
        let effect = match calls.iter().all(|masks| masks.effect == Effect::GivesInputs) {
            true => Effect::GivesInputs,
            false => Effect::None,
        };
        let rule = calls.into_iter().fold(MaskRule::Keep, |before, masks| match (before, masks.rule) {
            (MaskRule::Lost, _) => MaskRule::Lost,
            (before, MaskRule::Keep) => before,
            (_, rule @ MaskRule::Born(_)) => rule,
            _ => MaskRule::Lost,
        });
        CallMasks::new(rule).with_effect(effect)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let types = self.types(arguments)?;
        let calls = self.calls(arguments);
        let born = |(inner, call): &(&Inner, Arguments<Type>)| {
            matches!(inner.layer.call_masks(call).rule, MaskRule::Born(_))
        };
        if let Some((inner, _)) = calls.iter().skip(1).find(|call| born(call)) {
            return Err(ShapeError::new(
                "a layer that makes a mask only as the first of a Pipeline",
                &inner.class,
            ));
        }
        Ok(types.into_iter().next_back().into_iter().collect())
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let mut weights = vec![];
        for (inner, call) in self.calls(arguments) {
            for spec in inner.layer.weights(&call)? {
                if matches!(spec.place, WeightPlace::Vocabulary { .. } | WeightPlace::IdfWeights { .. }) {
                    return Err(ShapeError::new("layers without a vocabulary in a Pipeline", &inner.class));
                }
                weights.push(spec.inside(&inner.group, &format!("layers/{}", inner.group)));
            }
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        for inner in &self.layers {
            let ty = autocast(inner.layer.as_ref(), &scope.builder.type_of(&x));
            x = scope.cast(&x, ty.dtype)?;
            let mut outputs = inner.layer.lower(&mut scope.inside(&inner.group), &inner.call(x))?;
            x = outputs.swap_remove(0);
        }
        Ok(vec![x])
    }
}
