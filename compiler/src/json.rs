//! Stages as JSON, for programs that look at models: `docs/dump.schema.json` describes it.

use std::collections::BTreeMap;

use masque_ir::dim::Dim;
use masque_ir::facts::{InferredGraph, WeightDecl};
use masque_ir::layers::{ArgumentValue, CallId, LayerGraph, LayerId, TensorRef};
use masque_ir::mask::{Band, MaskExpr, MaskId};
use masque_ir::program::{Operand, Program};
use masque_ir::text::{Document, print_mask};
use serde_json::{Value as Json, json};

use crate::costs::Cost;
use crate::diagnostics::Diagnostic;
use crate::origins::Origins;
use crate::{Error, Inferred};

/// The version of the form: it rises when something that was there is there no more, or means something else.
pub const VERSION: u32 = 1;

/// Where the parts of a document come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The layer graph.
    pub graph: &'a LayerGraph,
    /// JSON pointers to the layers in the model's config, in the graph's order; empty if there is no config.
    pub pointers: &'a [String],
}

impl Source<'_> {
    /// JSON pointer to a layer; a model that is a text has none.
    fn pointer(&self, LayerId(place): LayerId) -> Option<&str> {
        let pointer = self.pointers.get(place as usize).map(String::as_str);
        pointer.filter(|pointer| pointer.starts_with('/'))
    }
}

/// A document as JSON. Without a source, it does not say where its parts come from.
pub fn of_document(document: &Document, source: Option<Source<'_>>) -> Json {
    let mut said = match document {
        Document::Layers(graph) => of_layers(graph, None, source),
        Document::Masks(inferred) => of_layers(&inferred.graph, Some(inferred), source),
        Document::Program(_, program) => of_program(program, source),
        Document::Plan(plan) => json!({ "model": plan.name, "plan": plan }),
    };
    said["masque"] = json!(VERSION);
    said["stage"] = json!(document.stage().name());
    said
}

/// The stage `masks` of a model with what its text does not say: findings, and the multiply-adds of every call, with and
/// without the padding that nobody sees, as formulas in the sizes that only a run knows; null where there is no formula.
///
/// # Errors
///
/// Those of [`Inferred::costs`].
pub fn of_model(inferred: &Inferred, findings: &[Diagnostic]) -> Result<Json, Error> {
    let costs = inferred.costs()?;
    let document = Document::Masks(inferred.graph().clone());
    let graph = &inferred.graph().graph;
    let mut said = of_document(&document, Some(Source { graph, pointers: &inferred.pointers }));
    let none = Some(Dim::constant(0));
    let formula = |costs: &BTreeMap<String, Cost>, call: &str| {
        costs.get(call).unwrap_or(&none).as_ref().map(ToString::to_string)
    };
    for (id, call) in graph.calls().zip(said["calls"].as_array_mut().into_iter().flatten()) {
        let name = graph.call_name(id);
        call["multiply_adds"] =
            json!({ "all": formula(&costs.dense, &name), "packed": formula(&costs.packed, &name) });
    }
    said["findings"] = json!(findings);
    Ok(said)
}

fn of_layers(graph: &LayerGraph, inferred: Option<&InferredGraph>, source: Option<Source<'_>>) -> Json {
    let layer = |(place, layer): (usize, &masque_ir::layers::Layer)| {
        let mut said = json!({ "name": layer.name, "class": layer.class, "settings": layer.settings });
        if let Some(pointer) = source.as_ref().and_then(|source| source.pointer(LayerId(place as u32))) {
            said["pointer"] = json!(pointer);
        }
        said
    };
    let mut said = json!({
        "model": graph.name,
        "semantics": graph.semantics.to_string(),
        "layers": graph.layers().iter().enumerate().map(layer).collect::<Vec<_>>(),
        "calls": graph.calls().map(|id| call(graph, inferred, id)).collect::<Vec<_>>(),
        "outputs": graph.outputs().iter()
            .map(|output| json!({ "name": output.name, "tensor": graph.tensor_name(output.tensor) }))
            .collect::<Vec<_>>(),
    });
    if let Some(inferred) = inferred {
        let masks = inferred.facts.masks.iter().map(|(id, expression)| mask(inferred, id, expression));
        said["masks"] = masks.collect();
        said["mask_source"] = json!(inferred.facts.source.name());
        let weight =
            |weight: &WeightDecl| json!({ "name": weight.name, "type": weight.ty, "hash": weight.hash });
        said["weights"] = inferred.facts.weights.iter().map(weight).collect();
    }
    said
}

fn call(graph: &LayerGraph, inferred: Option<&InferredGraph>, id: CallId) -> Json {
    let LayerId(layer) = graph.call(id).layer;
    let arguments = graph.call(id).arguments.iter().map(|argument| {
        let mut said = value(graph, &argument.value);
        if let Some(keyword) = &argument.keyword {
            said["keyword"] = json!(keyword);
        }
        said
    });
    let output = |output: u32| {
        let tensor = TensorRef { call: id, output };
        let mut said = json!({ "name": graph.tensor_name(tensor) });
        if let Some(inferred) = inferred {
            let fact = inferred.facts.tensor(tensor);
            said["type"] = json!(fact.ty);
            said["mask"] = json!(fact.mask.map(|mask| mask.0));
        }
        said
    };
    let mut said = json!({
        "name": graph.call_name(id),
        "layer": layer,
        "arguments": arguments.collect::<Vec<_>>(),
        "outputs": (0..graph.call(id).outputs).map(output).collect::<Vec<_>>(),
    });
    if let Some(inferred) = inferred {
        let fact = inferred.facts.call(id);
        said["status"] = json!(fact.status);
        said["mask_in"] = fact.mask_in.iter().map(|mask| json!(mask.map(|mask| mask.0))).collect();
    }
    said
}

fn value(graph: &LayerGraph, value: &ArgumentValue) -> Json {
    match value {
        ArgumentValue::Tensor(tensor) => json!({ "tensor": graph.tensor_name(*tensor) }),
        ArgumentValue::List(items) => {
            json!({ "list": items.iter().map(|item| self::value(graph, item)).collect::<Vec<_>>() })
        }
        ArgumentValue::Constant(constant) => json!({ "constant": constant }),
    }
}

/// A mask: its text, what it is made of, and from which tensors.
fn mask(inferred: &InferredGraph, id: MaskId, expression: &MaskExpr) -> Json {
    let tensor = |tensor: &TensorRef| inferred.graph.tensor_name(*tensor);
    let (rule, tensors) = match expression {
        MaskExpr::Tensor(flags) => ("tensor", vec![tensor(flags)]),
        MaskExpr::NotEqual(x, _) => ("ne", vec![tensor(x)]),
        MaskExpr::AnyLast(_) => ("any", vec![]),
        MaskExpr::Or(_) => ("or", vec![]),
        MaskExpr::And(_) => ("and", vec![]),
        MaskExpr::Not(_) => ("not", vec![]),
        MaskExpr::Ones(x, _) => ("ones", vec![tensor(x)]),
        MaskExpr::Zeros(x, _) => ("zeros", vec![tensor(x)]),
        MaskExpr::Unknown(x, _) => ("unknown", vec![tensor(x)]),
        MaskExpr::Expand(..) => ("expand", vec![]),
        MaskExpr::Spread(_, x) => ("spread", vec![tensor(x)]),
        MaskExpr::Concat(..) => ("concat", vec![]),
        MaskExpr::Reverse(..) => ("reverse", vec![]),
        MaskExpr::Fold(_) => ("fold", vec![]),
        MaskExpr::Unfold(_, x) => ("unfold", vec![tensor(x)]),
        MaskExpr::Band(Band::Causal, x, y) => ("causal", vec![tensor(x), tensor(y)]),
        MaskExpr::Band(Band::Within(_), x, y) => ("within", vec![tensor(x), tensor(y)]),
    };
    json!({
        "text": print_mask(&inferred.graph, &inferred.facts, id),
        "rule": rule,
        "parts": expression.parts().iter().map(|part| part.0).collect::<Vec<_>>(),
        "tensors": tensors,
    })
}

fn of_program(program: &Program, source: Option<Source<'_>>) -> Json {
    let origins = source.map(|source| (source, Origins::of(source.graph)));
    let operand = |operand: &Operand| match operand {
        Operand::Absent => Json::Null,
        Operand::Value(value) => json!({ "value": program.result(*value).name }),
        Operand::Literal(literal) => json!({ "literal": literal.number, "dtype": literal.dtype }),
    };
    let nodes = program.nodes.iter().map(|node| {
        let results = node.results.iter().map(|result| {
            let mask = result.mask.map(|mask| program.result(mask).name.as_str());
            json!({ "name": result.name, "type": result.ty, "mask": mask })
        });
        let mut said = json!({
            "op": node.op.info().mnemonic,
            "attributes": node.op.attributes(),
            "operands": node.operands.iter().map(operand).collect::<Vec<_>>(),
            "results": results.collect::<Vec<_>>(),
        });
        if let Some((source, origins)) = &origins
            && let Some(call) = origins.call(&node.results[0].name)
        {
            said["call"] = json!(source.graph.call_name(call));
            if let Some(pointer) = source.pointer(source.graph.call(call).layer) {
                said["pointer"] = json!(pointer);
            }
        }
        said
    });
    json!({
        "model": program.name,
        "semantics": program.semantics.to_string(),
        "nodes": nodes.collect::<Vec<_>>(),
        "outputs": program.outputs.iter()
            .map(|output| json!({ "name": output.name, "operand": operand(&output.operand) }))
            .collect::<Vec<_>>(),
    })
}
