//! Stages as JSON, for programs that look at models: `docs/dump.schema.json` describes it.

use masque_ir::facts::{InferredGraph, WeightDecl};
use masque_ir::layers::{ArgumentValue, CallId, LayerGraph, LayerId, TensorRef};
use masque_ir::mask::{Band, MaskExpr, MaskId};
use masque_ir::program::{Operand, Program};
use masque_ir::text::{Document, print_mask};
use serde_json::{Value as Json, json};

/// The version of the form: it rises when something that was there is there no more, or means something else.
pub const VERSION: u32 = 1;

/// A document as JSON. The pointers say where each layer stands in the model's config, in the graph's order; none where
/// that is not known.
pub fn of_document(document: &Document, pointers: &[String]) -> Json {
    let mut said = match document {
        Document::Layers(graph) => of_layers(graph, None, pointers),
        Document::Masks(inferred) => of_layers(&inferred.graph, Some(inferred), pointers),
        Document::Program(_, program) => of_program(program),
        Document::Plan(plan) => json!({ "model": plan.name, "plan": plan }),
    };
    said["masque"] = json!(VERSION);
    said["stage"] = json!(document.stage().name());
    said
}

fn of_layers(graph: &LayerGraph, inferred: Option<&InferredGraph>, pointers: &[String]) -> Json {
    let layer = |(place, layer): (usize, &masque_ir::layers::Layer)| {
        let mut said = json!({ "name": layer.name, "class": layer.class, "settings": layer.settings });
        if let Some(pointer) = pointers.get(place) {
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

fn of_program(program: &Program) -> Json {
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
        json!({
            "op": node.op.info().mnemonic,
            "attributes": node.op.attributes(),
            "operands": node.operands.iter().map(operand).collect::<Vec<_>>(),
            "results": results.collect::<Vec<_>>(),
        })
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
