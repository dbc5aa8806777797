//! Lowering: every layer becomes operations, every mask an ordinary bool tensor.

mod lengths;
pub mod logits;

use std::collections::HashMap;

use masque_ir::facts::{Facts, InferredGraph};
use masque_ir::layers::{CallId, LayerGraph, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};
use masque_ir::ops::{Elementwise, OpError, Reduce, Shape};
use masque_ir::program::{Builder, Literal, Operand, Program};
use masque_ir::verify::is_mask_of;
use masque_ir::{DType, Dim, Type};

use crate::layer::{Arguments, Layer, Scope};
use crate::{layers, masks};

/// A layer built an operation that does not fit, or gives another tensor than it says: a mistake in the layer, never in
/// the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lowering of layer `{layer}` ({class}): {source}")]
pub struct LowerError {
    /// The call.
    pub layer: String,
    /// Its layer's class.
    pub class: String,
    /// What does not fit.
    pub source: OpError,
}

impl LowerError {
    /// Whose mistake it is.
    pub(crate) fn whose(&self) -> &'static str {
        if layers::find(&self.class).is_some() { "masque" } else { "the code of this layer" }
    }
}

/// Lowers a graph. Mask outputs, if asked for, stand behind the model's outputs, named `LAYER:CALL[:OUTPUT]`. Output number
/// i is zero where the mask of the tensor `zeroed[i]` is false, and stays as it is if there is none.
pub fn lower(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    mask_outputs: bool,
    zeroed: &[Option<TensorRef>],
) -> Result<Program, LowerError> {
    let graph = &model.graph;
    let mut lowering = Lowering::new(graph, &model.facts);
    let failed = |call: CallId, source: OpError| LowerError {
        layer: graph.call_name(call),
        class: graph.layer_of(call).class.clone(),
        source,
    };
    for id in graph.calls() {
        let layer = layers[graph.call(id).layer.0 as usize].as_ref();
        lowering.call(id, layer).map_err(|source| failed(id, source))?;
    }
    for (place, output) in graph.outputs().iter().enumerate() {
        let masked = zeroed.get(place).copied().flatten();
        let operand = lowering.zero_outside(output.tensor, masked);
        lowering.builder.output(&output.name, operand.map_err(|source| failed(output.tensor.call, source))?);
    }
    if mask_outputs {
        for (name, operand) in lowering.mask_outputs() {
            lowering.builder.output(name, operand);
        }
    }
    let mut program = lengths::unify(lowering.builder.finish());
    drop_misfits(&mut program);
    Ok(program)
}

/// Takes the masks off tensors that they do not fit, to which Keras carries some: they are nothing to write beside them.
fn drop_misfits(program: &mut Program) {
    let mut misfits = vec![];
    for (place, node) in program.nodes.iter().enumerate() {
        for (result, info) in node.results.iter().enumerate() {
            if info.mask.is_some_and(|mask| !is_mask_of(&program.result(mask).ty, &info.ty)) {
                misfits.push((place, result));
            }
        }
    }
    for (place, result) in misfits {
        program.nodes[place].results[result].mask = None;
    }
}

/// Types in a line.
fn listed<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    let types: Vec<String> = types.into_iter().map(Type::to_string).collect();
    if types.is_empty() { "no tensor".to_owned() } else { types.join(", ") }
}

/// The key of a call's mask: `LAYER:CALL`, with `:OUTPUT` behind it where a call has several outputs.
pub fn mask_key(graph: &LayerGraph, tensor: TensorRef) -> String {
    let call = graph.call(tensor.call);
    let key = format!("{}:{}", graph.layer(call.layer).name, call.index);
    if call.outputs > 1 { format!("{key}:{}", tensor.output) } else { key }
}

struct Lowering<'a> {
    graph: &'a LayerGraph,
    facts: &'a Facts,
    builder: Builder,
    weights: HashMap<String, Operand>,
    /// By call: its outputs.
    tensors: Vec<Vec<Operand>>,
    masks: Vec<Option<Operand>>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a LayerGraph, facts: &'a Facts) -> Lowering<'a> {
        let mut builder = Builder::new(&graph.name, graph.semantics);
        let weights = facts.weights.iter().map(|weight| {
            let operand = builder.weight(&weight.name, weight.ty.clone(), weight.hash.clone());
            (weight.name.clone(), operand)
        });
        let weights = weights.collect();
        let (tensors, masks) = (vec![vec![]; graph.calls().len()], vec![None; facts.masks.iter().count()]);
        Lowering { graph, facts, builder, weights, tensors, masks }
    }

    fn tensor(&self, tensor: TensorRef) -> Operand {
        self.tensors[tensor.call.0 as usize][tensor.output as usize].clone()
    }

    fn call(&mut self, id: CallId, layer: &dyn Layer) -> Result<(), OpError> {
        let call = self.graph.call(id);
        let name = self.graph.call_name(id);
        self.builder.set_scope(&name);
        let Ok(references) = Arguments::bind(call, layer.signature().parameters) else { return Ok(()) };
        let mut arguments = self.arguments(layer, &references)?;
        arguments.masks = self.used_masks(id, layer, &references)?;
        // A mask is an expression over what the call reads: it is there before the call's outputs are.
        let carried: Vec<Option<MaskId>> =
            self.facts.call(id).outputs.iter().map(|output| output.mask).collect();
        let carried: Vec<Option<Operand>> = carried
            .into_iter()
            .map(|mask| mask.map(|mask| self.named_mask(mask)).transpose())
            .collect::<Result<_, _>>()?;
        let before = self.builder.program().nodes.len() as u32;
        let prefix = format!("{}/", self.graph.layer(call.layer).name);
        let mut scope = Scope::new(&mut self.builder, &self.weights, prefix);
        let outputs = layer.lower(&mut scope, &arguments)?;
        self.check(id, &outputs)?;
        for (output, operand) in outputs.into_iter().enumerate() {
            let tensor = TensorRef { call: id, output: output as u32 };
            // A layer that gives its very input leaves the name where it is.
            if operand.value().is_some_and(|value| value.node >= before) {
                self.builder.rename(&operand, &self.graph.tensor_name(tensor));
            }
            // A mask that is made behind the very input that a layer gives is not written beside it.
            let made = |mask: &Operand| {
                mask.value().map(|mask| mask.node) <= operand.value().map(|value| value.node)
            };
            if let Some(mask) = carried[output].clone().filter(made) {
                self.builder.set_mask(&operand, mask.value());
            }
            self.tensors[id.0 as usize].push(operand);
        }
        Ok(())
    }

    /// Does a layer give what it said that it would? Sizes may be written in another way.
    fn check(&self, id: CallId, outputs: &[Operand]) -> Result<(), OpError> {
        let said = self.facts.call(id).outputs.iter().map(|output| &output.ty);
        let said: Vec<&Type> = said.collect();
        let found: Vec<Type> = outputs.iter().map(|output| self.builder.type_of(output)).collect();
        let same = |(said, found): (&Dim, &Dim)| {
            said.known().zip(found.known()).is_none_or(|(said, found)| said == found)
        };
        let agrees = |(said, found): (&&Type, &Type)| {
            said.dtype == found.dtype
                && said.rank() == found.rank()
                && said.shape.iter().zip(&found.shape).all(same)
        };
        if said.len() == found.len() && said.iter().zip(&found).all(agrees) {
            return Ok(());
        }
        let expected = format!("{}, as the layer's own rule for types says", listed(said));
        Err(OpError { op: "lower", expected, found: listed(found.iter()) })
    }

    /// The operands of a call; floats wider than the layer computes in are converted.
    fn arguments(
        &mut self,
        layer: &dyn Layer,
        references: &Arguments<TensorRef>,
    ) -> Result<Arguments<Operand>, OpError> {
        let mut failed = Ok(());
        let arguments = references.map(|&tensor| {
            let operand = self.tensor(tensor);
            let ty = &self.facts.tensor(tensor).ty;
            let wanted = crate::infer::autocast(layer, ty).dtype;
            if wanted == ty.dtype {
                return operand;
            }
            match self.builder.emit(Elementwise::Cast { to: wanted }, std::slice::from_ref(&operand)) {
                Ok(cast) => cast,
                Err(error) => {
                    failed = Err(error);
                    operand
                }
            }
        });
        failed.map(|()| arguments)
    }

    /// The masks that the layer computes with.
    fn used_masks(
        &mut self,
        call: CallId,
        layer: &dyn Layer,
        references: &Arguments<TensorRef>,
    ) -> Result<Vec<Option<Operand>>, OpError> {
        let rules = masks::Rules::of(self.graph, self.facts);
        let by_hand = masks::explicit(rules, layer, references);
        let used = masks::used(rules, layer, references, &self.facts.call(call).mask_in);
        let operand = |(place, mask): (usize, Option<MaskId>)| match by_hand.get(place).copied().flatten() {
            // A mask passed by hand is a tensor of the graph; it is passed as it is, as truth values.
            Some(tensor) => {
                let tensor = self.tensor(tensor);
                self.truth(&tensor).map(Some)
            }
            None => mask.map(|mask| self.mask(mask)).transpose(),
        };
        used.into_iter().enumerate().map(operand).collect()
    }

    fn truth(&mut self, mask: &Operand) -> Result<Operand, OpError> {
        match self.builder.type_of(mask).dtype {
            DType::Bool => Ok(mask.clone()),
            _ => self.builder.emit(Elementwise::Cast { to: DType::Bool }, std::slice::from_ref(mask)),
        }
    }

    /// A mask that a tensor carries, named after the tensor whose values decide it.
    fn named_mask(&mut self, id: MaskId) -> Result<Operand, OpError> {
        let before = self.builder.program().nodes.len() as u32;
        let operand = self.mask(id)?;
        if operand.value().is_some_and(|value| value.node >= before) {
            let decides =
                masks::sources(&self.facts.masks, id).first().map(|&tensor| self.graph.tensor_name(tensor));
            self.builder.rename(&operand, &format!("{}.mask", decides.unwrap_or_else(|| "all".into())));
        }
        Ok(operand)
    }

    /// A symbolic mask as a value; every mask is built once.
    fn mask(&mut self, id: MaskId) -> Result<Operand, OpError> {
        if let Some(known) = &self.masks[id.0 as usize] {
            return Ok(known.clone());
        }
        let parts: Vec<MaskId> = self.facts.masks.get(id).parts().to_vec();
        let parts: Vec<Operand> = parts.into_iter().map(|part| self.mask(part)).collect::<Result<_, _>>()?;
        let operand = self.mask_node(id, &parts)?;
        self.masks[id.0 as usize] = Some(operand.clone());
        Ok(operand)
    }

    fn mask_node(&mut self, id: MaskId, parts: &[Operand]) -> Result<Operand, OpError> {
        let rank = self.facts.masks.rank(id) as usize;
        let tensor = |lowering: &Self, tensor: &TensorRef| lowering.tensor(*tensor);
        match self.facts.masks.get(id).clone() {
            MaskExpr::Tensor(x) => self.truth(&tensor(self, &x)),
            MaskExpr::NotEqual(x, number) => {
                let x = tensor(self, &x);
                self.builder.differs(&x, number.0)
            }
            MaskExpr::AnyLast(_) => {
                self.builder.emit(Reduce::Any { axes: vec![rank as u32], keep: false }, parts)
            }
            MaskExpr::Or(_) => self.fold(Elementwise::Or, parts),
            MaskExpr::And(_) => self.fold(Elementwise::And, parts),
            MaskExpr::Not(_) => self.builder.emit(Elementwise::Not, parts),
            MaskExpr::Ones(x, rank) => self.filled(&x, rank as usize, 1.0),
            MaskExpr::Zeros(x, rank) => self.filled(&x, rank as usize, 0.0),
            // What a call that is not known gives is a hole, and so is its mask.
            MaskExpr::Unknown(x, rank) => {
                let shape = self.facts.tensor(x).ty.shape[..rank as usize].to_vec();
                let name = format!("{}.mask", self.graph.tensor_name(x));
                Ok(self.builder.input(&name, Type::new(DType::Bool, shape)))
            }
            MaskExpr::Expand(axis, _) => self.builder.insert_axis(&parts[0], axis as usize),
            MaskExpr::Band(band, rows, columns) => {
                let (rows, columns) = (tensor(self, &rows), tensor(self, &columns));
                let band = masque_ir::ops::attend::band(&mut self.builder, [&rows, &columns], 1, band)?;
                self.builder.insert_axis(&band, 0)
            }
            MaskExpr::Spread(_, x) => {
                let column = self.builder.trail_axes(&parts[0], rank)?;
                let shape = self.facts.tensor(x).ty.shape[..rank].to_vec();
                self.builder.emit(Shape::Broadcast { shape: shape.into() }, &[column])
            }
            MaskExpr::Reverse(axis, _) => self.builder.emit(Shape::Reverse { axis }, parts),
            MaskExpr::Fold(_) | MaskExpr::Unfold(..) => {
                let types = |tensor: TensorRef| self.facts.tensor(tensor).ty.clone();
                let shape = masks::type_of(&self.facts.masks, id, &types).shape;
                self.builder.emit(Shape::Reshape { shape }, parts)
            }
            MaskExpr::Concat(axis, _) => self.builder.emit(Shape::Concat { axis }, parts),
        }
    }

    fn fold(&mut self, op: Elementwise, parts: &[Operand]) -> Result<Operand, OpError> {
        let mut all = parts[0].clone();
        for part in &parts[1..] {
            all = self.builder.emit(op.clone(), &[all, part.clone()])?;
        }
        Ok(all)
    }

    fn filled(&mut self, x: &TensorRef, rank: usize, truth: f64) -> Result<Operand, OpError> {
        let shape = self.facts.tensor(*x).ty.shape[..rank].to_vec();
        let literal = Literal { dtype: DType::Bool, number: masque_ir::float::Float(truth) };
        self.builder.emit(Shape::Broadcast { shape: shape.into() }, &[Operand::Literal(literal)])
    }

    /// A tensor, zero where the mask of another one is false, if that has one.
    fn zero_outside(&mut self, tensor: TensorRef, masked: Option<TensorRef>) -> Result<Operand, OpError> {
        let x = self.tensor(tensor);
        let ty = self.builder.type_of(&x);
        let mask = masked.and_then(|tensor| self.facts.tensor(tensor).mask);
        let mask = mask.and_then(|mask| self.masks[mask.0 as usize].clone());
        let Some(mask) = mask.filter(|mask| is_mask_of(&self.builder.type_of(mask), &ty)) else {
            return Ok(x);
        };
        if ty.dtype == DType::Str {
            return Ok(x);
        }
        self.builder.set_scope(self.graph.call_name(tensor.call));
        let valid = self.builder.trail_axes(&mask, ty.rank())?;
        let zero = self.builder.number(&x, 0.0);
        let zeroed = self.builder.emit(Elementwise::Select, &[valid, x, zero])?;
        self.builder.set_scope("");
        self.builder.set_mask(&zeroed, mask.value());
        Ok(zeroed)
    }

    /// Every mask that a call's output carries.
    fn mask_outputs(&self) -> Vec<(String, Operand)> {
        let mut outputs = vec![];
        for call in self.graph.calls() {
            for (output, fact) in self.facts.call(call).outputs.iter().enumerate() {
                let tensor = TensorRef { call, output: output as u32 };
                if let Some(operand) = fact.mask.and_then(|mask| self.masks[mask.0 as usize].as_ref()) {
                    outputs.push((mask_key(self.graph, tensor), operand.clone()));
                }
            }
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Options;
    use crate::frontend::builder::ModelBuilder;

    /// `Identity` gives its very input, which was there before the mask that was passed by hand.
    #[test]
    fn a_mask_made_behind_its_tensor_is_not_written_beside_it() {
        let mut model = ModelBuilder::new("m");
        let (x, padding) =
            (model.input("x", "float32", &[None, Some(3)]), model.input("padding", "bool", &[None]));
        let mask = model.layer("ops.LogicalNot", "mask", json!({}), &[&padding]);
        let same = model.layer_with("Identity", "same", json!({}), &[&x], &[("mask", (&mask).into())]);
        let inferred = model.finish(&[&same]).unwrap().infer().unwrap();
        let lowered = inferred.lower(Options { mask_outputs: true, ..Options::default() }).unwrap();
        assert!(masque_ir::verify::program(lowered.program()).is_ok());
        assert_eq!(lowered.program().outputs.len(), 2, "the mask is given all the same");
    }
}
