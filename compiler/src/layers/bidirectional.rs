//! `Bidirectional`: a layer over time forwards and one backwards over the same sequences, merged step by step.

use masque_ir::Type;
use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use serde_json::{Map, Value as Json, json};

use super::recurrent::Recurrent;
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Constants, Layer, LayerDef, MaskRule, Masking, Scope,
    ShapeError, Signature, Supports, Takes, WeightSpec,
};

pub(super) static BIDIRECTIONAL: LayerDef = LayerDef {
    class: "Bidirectional",
    supports_masking: Supports::Always,
    masks: "keep, if return_sequences (each output, if merge_mode is none); else ends; states: ends",
    parse,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Merge {
    Concat,
    Sum,
    Average,
    Product,
    Apart,
}

#[derive(Debug)]
struct Bidirectional {
    forward: Recurrent,
    backward: Recurrent,
    merge: Merge,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    // Read through its inner layers.
    config.ignore(&["return_sequences", "return_state", "stateful", "go_backwards", "zero_output_for_mask"]);
    let merge = merge_mode(config)?;
    let inner = config.layer("layer")?;
    let mirrored = inner.clone();
    let mut forward = direction(config, "layer", inner)?;
    let given = config.take("backward_layer").filter(|layer| layer.get("config").is_some());
    let mut backward = match given {
        Some(layer) => {
            let mut nested = Config::new(Map::from_iter([("backward_layer".to_owned(), layer)]))?;
            let inner = nested.layer("backward_layer")?;
            direction(config, "backward_layer", inner)?
        }
        None => {
            let mut mirrored = over_time("layer", mirrored)?.1;
            mirrored.walk.backwards = !forward.walk.backwards;
            mirrored
        }
    };
    let (f, b) = (&forward.walk, &backward.walk);
    let same = f.sequences == b.sequences && f.states == b.states && f.stateful == b.stateful;
    if !same || forward.time_major != backward.time_major || f.backwards == b.backwards {
        let expected =
            "return_sequences, return_state, stateful and time_major as in `layer`, and the other direction";
        return Err(ConfigError::new("backward_layer", expected, &"other settings".into()));
    }
    if f.stateful && f.states {
        let expected = "false in a stateful layer: Keras fails when it computes the masks of the states";
        return Err(ConfigError::new("layer.return_state", expected, &true.into()));
    }
    for layer in [&mut forward, &mut backward] {
        layer.walk.zero_masked = layer.walk.sequences;
    }
    Ok(Box::new(Bidirectional { forward, backward, merge }))
}

fn merge_mode(config: &mut Config) -> Result<Merge, ConfigError> {
    let words = [
        ("concat", Merge::Concat),
        ("sum", Merge::Sum),
        ("ave", Merge::Average),
        ("mul", Merge::Product),
        ("none", Merge::Apart),
    ];
    config.name_null("merge_mode", "none");
    config.word("merge_mode", Merge::Concat, &words)
}

/// A layer inside; its settings are read, and kept, like any layer's.
fn direction(
    config: &mut Config,
    key: &str,
    inner: (String, Map<String, Json>),
) -> Result<Recurrent, ConfigError> {
    let (kept, layer) = over_time(key, inner)?;
    config.keep(key, kept);
    Ok(layer)
}

/// Reads a layer over time: its settings to be kept, and the layer.
fn over_time(
    key: &str,
    (class, settings): (String, Map<String, Json>),
) -> Result<(Json, Recurrent), ConfigError> {
    if !Recurrent::is_class(&class) {
        return Err(super::unfit(key, format!("one of {}", Recurrent::classes()), &class));
    }
    let mut inner = Config::new(settings)?;
    let layer = Recurrent::parse(&class, &mut inner)?;
    Ok((json!({"class_name": class, "config": inner.finish()?}), layer))
}

impl Bidirectional {
    fn merge(
        &self,
        scope: &mut Scope<'_>,
        forward: Operand,
        backward: Operand,
    ) -> Result<Vec<Operand>, OpError> {
        let b = &mut *scope.builder;
        let merged = match self.merge {
            Merge::Apart => return Ok(vec![forward, backward]),
            Merge::Concat => {
                let axis = b.type_of(&forward).rank() as u32 - 1;
                b.emit(Shape::Concat { axis }, &[forward, backward])?
            }
            Merge::Sum => b.emit(Elementwise::Add, &[forward, backward])?,
            Merge::Product => b.emit(Elementwise::Mul, &[forward, backward])?,
            Merge::Average => {
                let sum = b.emit(Elementwise::Add, &[forward, backward])?;
                let half = b.number(&sum, 0.5);
                b.emit(Elementwise::Mul, &[sum, half])?
            }
        };
        Ok(vec![merged])
    }

    /// The arguments of one direction: the same data and mask, its part of the initial states.
    fn part(&self, arguments: &Arguments<Type>, first: bool) -> Result<Arguments<Type>, ShapeError> {
        let states = arguments.tensors("initial_state");
        let (front, back) = (self.forward.steps.count(), self.backward.steps.count());
        if !states.is_empty() && states.len() != front + back {
            return Err(ShapeError::new(
                format!("{} tensors as `initial_state`", front + back),
                states.len(),
            ));
        }
        let (front, back) = states.split_at(front.min(states.len()));
        let part = if first { front } else { back };
        let mut own =
            Arguments::of("sequences", arguments.data().to_vec()).with("initial_state", part.to_vec());
        own.masks.clone_from(&arguments.masks);
        Ok(own)
    }
}

impl Layer for Bidirectional {
    fn signature(&self) -> Signature {
        Signature::of(&["sequences", "initial_state", "mask", "training"])
            .taking(&[("initial_state", Takes::Tensors)])
    }

    fn outputs(&self, constants: &Constants) -> u32 {
        let merged = if self.merge == Merge::Apart { 0 } else { 1 };
        self.forward.outputs(constants) + self.backward.outputs(constants) - merged
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        let output = if self.forward.walk.sequences { MaskRule::Keep } else { MaskRule::Ends };
        let outputs = if self.merge == Merge::Apart { 2 } else { 1 };
        MaskRule::PerOutput(vec![output; outputs]).into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let mut forward = self.forward.infer(&self.part(arguments, true)?)?;
        let mut backward = self.backward.infer(&self.part(arguments, false)?)?;
        let (states, others) = (forward.split_off(1), backward.split_off(1));
        let mut outputs = forward;
        match self.merge {
            Merge::Apart => outputs.extend(backward),
            Merge::Concat => {
                let last = outputs[0].rank() - 1;
                outputs[0].shape[last] = &outputs[0].shape[last] + &backward[0].shape[last];
            }
            _ if outputs != backward => {
                return Err(ShapeError::new(format!("{} from both directions", outputs[0]), &backward[0]));
            }
            _ => {}
        }
        Ok([outputs, states, others].concat())
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let mut weights = vec![];
        for (layer, first, name) in [(&self.forward, true, "forward"), (&self.backward, false, "backward")] {
            let group = format!("{name}_layer");
            let specs = layer.weights(&self.part(arguments, first)?)?;
            weights.extend(specs.into_iter().map(|spec| spec.inside(name, &group)));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let (x, mask) = (&arguments.data()[0], arguments.mask());
        let states = arguments.tensors("initial_state").to_vec();
        let (front, back) = states.split_at(self.forward.steps.count().min(states.len()));
        let mut forward = self.forward.build(&mut scope.inside("forward"), x, mask, front)?;
        let mut backward = self.backward.build(&mut scope.inside("backward"), x, mask, back)?;
        let (ahead, behind) = (forward.remove(0), backward.remove(0));
        // The second direction's sequence comes in its own order; turned round it stands step beside step.
        let axis = self.backward.time_axis();
        let behind = match self.backward.walk.sequences {
            true => scope.builder.emit(Shape::Reverse { axis }, &[behind])?,
            false => behind,
        };
        let merged = self.merge(scope, ahead, behind)?;
        Ok([merged, forward, backward].concat())
    }
}
