//! The masks that Keras writes into a file by itself.
//!
//! When a functional model is built in Keras 3, a layer with a `mask` argument that is called on one tensor alone gets
//! the tensor's symbolic mask as an argument, and the file keeps it. Whoever changes the model builds it anew, and the
//! argument is then another. So a change is tried without these arguments, and gets them back as Keras would give them.

use masque_ir::Semantics;
use masque_ir::facts::{Facts, InferredGraph};
use masque_ir::layers::{CallId, LayerGraph, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};

use super::change::{self, Line};
use super::expr::{Expr, op};
use crate::frontend::{RawModel, text};
use crate::layer::Layer;

/// The model without the masks that Keras filled in when it was built; `symbolic` are the masks of its symbolic graph.
pub(super) fn without(graph: &LayerGraph, symbolic: &Facts) -> Option<RawModel> {
    let mut raw = text::raw(graph).ok()?;
    // Keras' order of calls is found out anew.
    raw.schedule.clear();
    if graph.semantics == Semantics::Keras2 {
        return Some(raw);
    }
    for id in graph.calls() {
        let call = graph.call(id);
        let passed = symbolic.call(id).mask_in.first().copied().flatten();
        // Keras fills in nothing where more is passed than one tensor.
        let plain = call.arguments.len() == 2 && call.keyword("mask").is_some();
        if plain && passed.is_some() && passed == own(graph, symbolic, id) {
            let arguments = &mut raw.layers[call.layer.0 as usize].calls[call.index as usize];
            arguments.retain(|(keyword, _)| keyword.as_deref() != Some("mask"));
        }
    }
    Some(raw)
}

/// The model with the masks that Keras fills in when it is built.
pub(super) fn with(model: &InferredGraph, layers: &[Box<dyn Layer>]) -> Option<RawModel> {
    let graph = &model.graph;
    let mut raw = text::raw(graph).ok()?;
    raw.schedule.clear();
    if graph.semantics == Semantics::Keras2 {
        return Some(raw);
    }
    let filled = graph.calls().filter_map(|id| {
        let call = graph.call(id);
        let layer = layers[call.layer.0 as usize].as_ref();
        let plain = call.arguments.len() == 1 && call.arguments[0].keyword.is_none();
        let mask = own(graph, &model.facts, id)
            .filter(|_| plain && layer.signature().parameters.contains(&"mask"))?;
        Some(Line::Call {
            call: id,
            arguments: vec![
                (None, Expr::of(&call.arguments[0].value)),
                (Some("mask".to_owned()), written(model, call.positional().next()?.tensors()[0], mask)?),
            ],
        })
    });
    let lines: Vec<Line> = filled.collect();
    Some(change::apply(graph, raw, &lines))
}

/// The mask of a tensor as Keras writes it down: of a `Concatenate`, from those of its inputs, over their features.
fn written(model: &InferredGraph, x: TensorRef, mask: MaskId) -> Option<Expr> {
    let (graph, facts) = (&model.graph, &model.facts);
    let joined = graph.layer_of(x.call).class == "Concatenate";
    if !joined || !matches!(facts.masks.get(mask), MaskExpr::Or(_)) {
        return Expr::mask(model, mask);
    }
    let part = |input: TensorRef| {
        let wide = op("expand_dims", [Expr::mask(model, facts.tensor(input).mask?)?]).with("axis", -1);
        let features = op("zeros_like", [Expr::Tensor(input)]).with("dtype", "bool");
        Some(op("logical_or", [wide, features]))
    };
    let inputs = graph.call(x.call).positional().flat_map(|value| value.tensors());
    let parts: Option<Vec<Expr>> = inputs.map(part).collect();
    let all = op("concatenate", [Expr::List(parts?)]).with("axis", -1);
    Some(op("any", [all]).with("axis", -1))
}

/// The mask of the one tensor that a call reads.
fn own(graph: &LayerGraph, facts: &Facts, id: CallId) -> Option<MaskId> {
    let mut data = graph.call(id).positional().flat_map(|value| value.tensors());
    let tensor: TensorRef = data.next()?;
    facts.tensor(tensor).mask.filter(|_| data.next().is_none())
}
