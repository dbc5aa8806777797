//! Element-wise operations, fused into one.

use std::sync::Arc;

use super::scan::bounded;
use super::{Elementwise, Family, Leaf, Op, OpError, OpInfo, OperandTypes, Shape, family};
use crate::by_value::ByValue;
use crate::program::{Builder, Node, Operand, Program, Value};
use crate::ty::{DType, Sizes, Type, broadcast};

family! {
    /// Element-wise operations, fused.
    Map {
        /// Applies `body` to the elements of the operands, whose shapes broadcast from the right. The body takes
        /// numbers, a value without axes for each operand, and gives numbers: the elements of the results, all in the
        /// shape that the operands broadcast to. It holds element-wise operations and activation functions alone.
        Map = "map" ("operands*") {
            /// What becomes of elements.
            #[serde(deserialize_with = "bounded")]
            body: Arc<Program>,
        };
    }
}

/// Does an operation work on every element by itself, so that the body of a map may hold it? What may fail for some
/// numbers may not: it would not be known where.
pub fn is_elementwise(op: &Op) -> bool {
    match op {
        Op::Elementwise(op) => *op != Elementwise::FloorDiv,
        Op::Activate(super::Activate::Activate { f }) => f.axis().is_none(),
        _ => false,
    }
}

impl Map {
    /// What becomes of elements.
    pub fn body(&self) -> &Program {
        let Map::Map { body } = self;
        body
    }

    fn check(&self, types: &[&Type]) -> Result<(), OpError> {
        let body = self.body();
        let elements: Vec<DType> = types.iter().map(|ty| ty.dtype).collect();
        let takes: Vec<DType> = body.inputs().map(|(_, info)| info.ty.dtype).collect();
        if takes != elements || elements.contains(&DType::Str) {
            return Err(self.expects(format!("operands of {takes:?}"), format!("{elements:?}")));
        }
        let fits = |node: &&Node| {
            let scalar = node.results.iter().all(|result| result.ty.rank() == 0);
            scalar && (is_elementwise(&node.op) || matches!(node.op, Op::Leaf(Leaf::Input { .. })))
        };
        if let Some(node) = body.nodes.iter().find(|node| !fits(node)) {
            return Err(self.expects("a body of element-wise operations on numbers", node.op.info().mnemonic));
        }
        if body.outputs.is_empty() || body.outputs.iter().any(|output| output.operand == Operand::Absent) {
            return Err(self.expects("a body with results", "none"));
        }
        Ok(())
    }
}

impl Family for Map {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let types: Vec<&Type> = operands.iter().flatten().copied().collect();
        self.check(&types)?;
        let joined = types.iter().try_fold(Sizes::default(), |shape, ty| broadcast(&shape, &ty.shape));
        let shape = joined.ok_or_else(|| {
            let shapes: Vec<String> = types.iter().map(ToString::to_string).collect();
            self.expects("shapes that broadcast", shapes.join(", "))
        })?;
        let result = |ty: Type| Type { dtype: ty.dtype, shape: shape.clone() };
        Ok(self.body().output_types().into_iter().map(result).collect())
    }

    fn is_composite(&self) -> bool {
        true
    }

    /// The body's operations on the operands themselves.
    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        Some(inlined(self, builder, operands))
    }
}

fn inlined(map: &Map, builder: &mut Builder, operands: &[Operand]) -> Result<Vec<Operand>, OpError> {
    let body = map.body();
    let types: Vec<Type> = operands.iter().map(|operand| builder.type_of(operand)).collect();
    let results = map.infer(&types.iter().map(Some).collect::<Vec<_>>())?;
    let mut values: ByValue<Operand> = ByValue::new(body);
    let mut given = operands.iter();
    for (place, node) in body.nodes.iter().enumerate() {
        let operands: Vec<Operand> = node.operands.iter().map(|operand| now(&values, operand)).collect();
        let result = match &node.op {
            Op::Leaf(_) => given.next().cloned().unwrap_or(Operand::Absent),
            op => builder.emit(op.clone(), &operands)?,
        };
        values.insert(Value { node: place as u32, result: 0 }, result);
    }
    let outputs = body.outputs.iter().zip(results).map(|(output, ty)| {
        let result = now(&values, &output.operand);
        match builder.type_of(&result).shape == ty.shape {
            true => Ok(result),
            false => builder.emit(Shape::Broadcast { shape: ty.shape }, &[result]),
        }
    });
    outputs.collect()
}

fn now(values: &ByValue<Operand>, operand: &Operand) -> Operand {
    operand.value().and_then(|value| values.get(value).cloned()).unwrap_or_else(|| operand.clone())
}
