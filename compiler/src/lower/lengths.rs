//! Sizes that have to be the same when a model runs get one name.
//!
//! Every open size of every input has a symbol of its own. Where an operation runs along two of them at once (tokens
//! and positions are added), the model only works if they are equal; told so, masks of both lie over one axis.

use std::sync::Arc;

use masque_ir::dim::Names;
use masque_ir::flow::{Arrangement, Flow, Role};
use masque_ir::program::{Node, Program};
use masque_ir::{Dim, Type};

/// The program with one symbol for sizes that have to be the same: `T` rather than `T2`.
pub(super) fn unify(program: Program) -> Program {
    let mut names = Names::new();
    let symbols = program.inputs().flat_map(|(_, info)| info.ty.shape.iter().filter_map(Dim::as_symbol));
    let mut order: Vec<Arc<str>> = symbols.cloned().collect();
    order.sort_by_key(|symbol| (symbol.len(), symbol.clone()));
    let place = |symbol: &Arc<str>| order.iter().position(|other| other == symbol);
    for node in &program.nodes {
        for [one, other] in equal(&program, node) {
            let [one, other] = [one, other].map(|symbol| names.get(&symbol).unwrap_or(&symbol).clone());
            let (Some(a), Some(b)) = (place(&one), place(&other)) else { continue };
            let (first, second) = if a <= b { (one, other) } else { (other, one) };
            names.values_mut().filter(|name| **name == second).for_each(|name| *name = first.clone());
            if first != second {
                names.insert(second, first);
            }
        }
    }
    if names.is_empty() { program } else { program.renamed(&names) }
}

/// Pairs of symbols that an operation runs along at once.
fn equal(program: &Program, node: &Node) -> Vec<[Arc<str>; 2]> {
    let types = program.operand_types(node);
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let mut along: Vec<(u32, Arc<str>)> = vec![];
    let mut add =
        |letter: u32, size: &Dim| along.extend(size.as_symbol().map(|symbol| (letter, symbol.clone())));
    match node.op.flow(&types) {
        Flow::Joint(joint) => {
            for (roles, ty) in joint.operands.iter().zip(&types) {
                for (role, size) in roles.iter().zip(ty.iter().flat_map(|ty| ty.shape.iter())) {
                    if let Role::At(letter) = role {
                        add(*letter, size);
                    }
                }
            }
        }
        Flow::Arranged(Arrangement::Joined(joined)) => {
            let sizes = types.iter().flatten().flat_map(|ty| (0..).zip(ty.shape.iter()));
            sizes.filter(|(axis, _)| *axis != joined).for_each(|(axis, size)| add(axis, size));
        }
        _ => {}
    }
    along.sort();
    along.dedup();
    let pairs = along.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    pairs.map(|pair| [pair[0].1.clone(), pair[1].1.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use masque_ir::ops::{Elementwise, Op, Product, Shape};
    use masque_ir::program::Builder;
    use masque_ir::{DType, Semantics};

    use super::*;

    /// The sizes of the axis 1 of four inputs, of which an operation takes the first two and another its result and the
    /// third.
    fn sizes(one: Op, other: Op) -> Vec<String> {
        let mut builder = Builder::new("m", Semantics::Keras3_15);
        let inputs = ["T", "T2", "T3", "T4"].map(|length| {
            let shape = vec![Dim::batch(), Dim::symbol(length), Dim::constant(4)];
            builder.input(&format!("in_{length}"), Type::new(DType::F32, shape))
        });
        let [a, b, c, _] = inputs;
        let first = builder.emit(one, &[a, b]).expect("it fits");
        let second = builder.emit(other, &[first, c]).expect("it fits");
        builder.output("output_0", second);
        let program = unify(builder.finish());
        program.input_types().iter().map(|ty| ty.shape[1].to_string()).collect()
    }

    #[test]
    fn what_runs_side_by_side_has_one_length() {
        let add = || Op::from(Elementwise::Add);
        let beside = || Op::from(Shape::Concat { axis: 2 });
        let behind = || Op::from(Shape::Concat { axis: 1 });
        assert_eq!(sizes(add(), add()), ["T", "T", "T", "T4"]);
        assert_eq!(sizes(beside(), beside()), ["T", "T", "T", "T4"]);
        assert_eq!(sizes(behind(), add()), ["T", "T2", "T3", "T4"]);
        let scores = Op::from(Product::Contract { axes: "abc,adc->abd".parse().expect("a contraction") });
        assert_eq!(sizes(scores, add()), ["T", "T2", "T", "T4"]);
    }
}
