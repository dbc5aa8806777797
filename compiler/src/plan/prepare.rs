//! The passes between a packed program and the steps of a plan.

use std::collections::BTreeMap;

use masque_ir::ops::{Op, OpError, Scan};
use masque_ir::program::{Operand, Program};
use masque_runtime::Tensor;

use super::{Growth, PlanError, Products, chosen, fuse, products, rows, stored};
use crate::decompose::decompose;

/// The program whose nodes become steps.
pub(super) struct Prepared {
    pub(super) program: Program,
    /// Weights made for it.
    pub(super) made: BTreeMap<String, Tensor>,
    pub(super) products: Products,
}

/// Makes the program whose nodes become steps, and shows what each pass leaves. Passes that read weights are left out where
/// there are none.
pub(super) fn prepare(
    program: &Program,
    weights: Option<(&BTreeMap<String, Tensor>, Growth)>,
    seen: &mut dyn FnMut(&str, &Program),
) -> Result<Prepared, PlanError> {
    let program = ready(program)?;
    seen("decompose", &program);
    let program = rows::read_tables(&program);
    seen("tables", &program);
    let Some((weights, growth)) = weights else {
        return Ok(Prepared { program, made: BTreeMap::new(), products: Products::default() });
    };
    let (program, mut made) = stored::fold(&program, weights);
    seen("fold", &program);
    let (program, multiplied, products) = products::multiply(&program, &[weights, &made], growth)?;
    made.extend(multiplied);
    seen("products", &program);
    let program = fuse::fuse(&program);
    seen("fuse", &program);
    Ok(Prepared { program, made, products })
}

/// Shows what each pass of planning leaves.
///
/// # Errors
///
/// Those of [`plan`], but for weights that are missing.
pub(crate) fn show(
    program: &Program,
    weights: Option<(&BTreeMap<String, Tensor>, Growth)>,
    seen: &mut dyn FnMut(&str, &Program),
) -> Result<(), PlanError> {
    prepare(program, weights, seen).map(|_| ())
}

/// The program without composites that have no kernel, neither outside of loops nor in their bodies; what is element-wise
/// in a body is fused.
fn ready(program: &Program) -> Result<Program, OpError> {
    let mut program = decompose(program, |program, node| chosen(program, node).is_none())?.into_owned();
    for node in &mut program.nodes {
        if let Op::Scan(Scan::Scan { body, .. }) = &mut node.op {
            *body = fuse::fuse(&ready(body)?).into();
        }
    }
    Ok(program)
}

/// For each node the nodes that read its results; the end of the program counts as one.
pub(super) fn readers(program: &Program) -> Vec<Vec<usize>> {
    let mut readers = vec![vec![]; program.nodes.len()];
    for (place, node) in program.nodes.iter().enumerate() {
        for value in node.operands.iter().filter_map(Operand::value) {
            readers[value.node as usize].push(place);
        }
    }
    for value in program.outputs.iter().filter_map(|output| output.operand.value()) {
        readers[value.node as usize].push(usize::MAX);
    }
    readers
}
