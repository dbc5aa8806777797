//! What the e-graph knows of every class: its types and, where all its elements are one number, which. A single
//! number is written down as soon as it is known.

use egg::{Analysis, DidMerge, Id};
use masque_ir::Type;
use masque_ir::dim::Bindings;
use masque_ir::ops::{Op, Shape};
use masque_ir::program::{Literal, Program};
use masque_runtime::Tensor;
use smallvec::{SmallVec, smallvec};

use super::Graph;
use super::numbers;
use super::term::{Term, plain};

/// The analysis: types and numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    /// Every symbol that the inputs bind. A tensor whose size only some operation finds out (the longest text of a
    /// batch) is never taken for a number: nothing might be left that binds its symbol.
    sizes: Bindings,
}

impl Knowledge {
    pub(super) fn of(program: &Program) -> Knowledge {
        let dims = program.input_types().into_iter().flat_map(|ty| &ty.shape);
        Knowledge { sizes: dims.flat_map(|dim| dim.symbols()).map(|symbol| (symbol, 1)).collect() }
    }

    fn binds(&self, ty: &Type) -> bool {
        ty.shape.iter().flat_map(|dim| dim.symbols()).all(|symbol| self.sizes.contains_key(&symbol))
    }
}

/// What is known of a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// The types of the results; none for what is no value, and for terms that a rule made of operands that do not
    /// fit: those are equal to nothing.
    pub(super) types: SmallVec<[Type; 1]>,
    /// The number that every element is.
    pub(super) number: Option<Literal>,
}

impl Analysis<Term> for Knowledge {
    type Data = Facts;

    fn make(graph: &mut Graph, term: &Term, _: Id) -> Facts {
        let known = |types: SmallVec<[Type; 1]>| Facts { types, number: None };
        match term {
            Term::Absent | Term::Attributes(_) | Term::Outputs(_) => Facts::default(),
            Term::Literal(literal) => {
                Facts { types: smallvec![Type::scalar(literal.dtype)], number: Some(*literal) }
            }
            Term::Leaf(leaf) => known(Op::from(leaf.1.clone()).infer(&[]).unwrap_or_default().into()),
            Term::Result(result, of) => {
                known(graph[*of].data.types.get(*result as usize).cloned().into_iter().collect())
            }
            Term::Apply(mnemonic, children) => applied(graph, mnemonic, children),
        }
    }

    fn merge(&mut self, to: &mut Facts, from: Facts) -> DidMerge {
        debug_assert_eq!(to.types, from.types, "equal values have one type");
        debug_assert!(to.number.is_none() || from.number.is_none() || to.number == from.number);
        let learned = to.number.is_none() && from.number.is_some();
        let taught = to.number.is_some() && from.number.is_none();
        to.number = to.number.or(from.number);
        DidMerge(learned, taught)
    }

    fn modify(graph: &mut Graph, id: Id) {
        let Facts { types, number } = &graph[id].data;
        if let (Some(literal), true) = (*number, types.iter().all(|ty| ty.rank() == 0)) {
            let written = graph.add(Term::Literal(literal));
            graph.union(id, written);
        }
    }
}

/// The operation of an applied term, and how many of its children are operands.
pub(super) fn operation(graph: &Graph, mnemonic: &'static str, children: &[Id]) -> (Op, usize) {
    let attributes = children.last().and_then(|last| attributes(graph, *last));
    match attributes {
        Some(op) => (op.clone(), children.len() - 1),
        None => (plain(mnemonic), children.len()),
    }
}

/// The attributes that a class is; none for every other class.
pub(super) fn attributes(graph: &Graph, id: Id) -> Option<&Op> {
    graph[id].nodes.iter().find_map(|term| match term {
        Term::Attributes(op) => Some(op.as_ref()),
        _ => None,
    })
}

fn applied(graph: &Graph, mnemonic: &'static str, children: &[Id]) -> Facts {
    let (op, operands) = operation(graph, mnemonic, children);
    let operands: Vec<&Facts> = children[..operands].iter().map(|child| &graph[*child].data).collect();
    let types: Vec<Option<&Type>> = operands.iter().map(|operand| operand.types.first()).collect();
    let types = op.infer(&types).unwrap_or_default();
    let number = operands.iter().map(|operand| operand.number).collect::<Option<Vec<_>>>();
    let number = number.filter(|_| types.iter().all(|ty| graph.analysis.binds(ty)));
    Facts { number: number.and_then(|numbers| fold(&op, &numbers)), types: types.into() }
}

/// The number that an operation gives everywhere, of operands that are numbers everywhere.
fn fold(op: &Op, operands: &[Literal]) -> Option<Literal> {
    match op {
        Op::Elementwise(_) => {
            let tensors: Vec<Tensor> =
                operands.iter().map(|operand| numbers::tensor(*operand)).collect::<Option<_>>()?;
            let views: Vec<_> = tensors.iter().map(|tensor| Some(tensor.view())).collect();
            let results = masque_runtime::reference::evaluate(op, &views, &Bindings::new()).ok()?;
            numbers::literal(results.first()?)
        }
        Op::Shape(Shape::Size { .. }) => None,
        Op::Shape(_) => {
            let (first, rest) = operands.split_first()?;
            rest.iter().all(|other| other == first).then_some(*first)
        }
        _ => None,
    }
}
