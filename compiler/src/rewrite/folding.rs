//! What the e-graph knows of every class: its types and, where it is one number, which. Numbers are folded as soon
//! as they are known.

use egg::{Analysis, DidMerge, EGraph, Id};
use masque_ir::ops::Op;
use masque_ir::program::Literal;
use masque_ir::{DType, Type};
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

use super::term::{Term, plain};

/// The analysis: types and numbers.
#[derive(Clone, Debug, Default)]
pub struct TypesAndNumbers;

/// What is known of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The types of the results; none for attributes and for what is absent.
    pub types: Vec<Type>,
    /// The number that it is.
    pub number: Option<Literal>,
}

impl Analysis<Term> for TypesAndNumbers {
    type Data = Facts;

    fn make(egraph: &mut EGraph<Term, Self>, term: &Term, _: Id) -> Facts {
        let known = |types: Vec<Type>| Facts { types, number: None };
        match term {
            Term::Absent | Term::Attributes(_) => known(vec![]),
            Term::Literal(literal) => {
                Facts { types: vec![Type::scalar(literal.dtype)], number: Some(*literal) }
            }
            Term::Leaf(_, leaf) => known(Op::from(leaf.clone()).infer(&[]).unwrap_or_default()),
            Term::Result(result, of) => {
                known(egraph[*of].data.types.get(*result as usize).cloned().into_iter().collect())
            }
            Term::Apply(mnemonic, children) => apply(egraph, mnemonic, children),
        }
    }

    fn merge(&mut self, to: &mut Facts, from: Facts) -> DidMerge {
        let learned = to.number.is_none() && from.number.is_some();
        let differs = to.number.is_some() && from.number.is_none();
        if learned {
            to.number = from.number;
        }
        DidMerge(learned, differs)
    }

    fn modify(egraph: &mut EGraph<Term, Self>, id: Id) {
        let facts = &egraph[id].data;
        if let Some(literal) = facts.number.filter(|_| facts.types.iter().all(|ty| ty.rank() == 0)) {
            let folded = egraph.add(Term::Literal(literal));
            egraph.union(id, folded);
        }
    }
}

/// The operation of a term.
pub(super) fn operation(
    egraph: &EGraph<Term, TypesAndNumbers>,
    mnemonic: &'static str,
    children: &[Id],
) -> Op {
    let attributes = children.last().and_then(|last| {
        egraph[*last].nodes.iter().find_map(|term| match term {
            Term::Attributes(op) if op.info().mnemonic == mnemonic => Some(op.clone()),
            _ => None,
        })
    });
    attributes.unwrap_or_else(|| plain(mnemonic))
}

fn apply(egraph: &EGraph<Term, TypesAndNumbers>, mnemonic: &'static str, children: &[Id]) -> Facts {
    let op = operation(egraph, mnemonic, children);
    let operands = children.len() - usize::from(!op.info().attributes.is_empty());
    let operands = &children[..operands];
    let types: Vec<Option<&Type>> = operands.iter().map(|child| egraph[*child].data.types.first()).collect();
    let number = fold(egraph, &op, operands);
    Facts { types: op.infer(&types).unwrap_or_default(), number }
}

/// The number that an element-wise operation on numbers gives.
fn fold(egraph: &EGraph<Term, TypesAndNumbers>, op: &Op, operands: &[Id]) -> Option<Literal> {
    let Op::Elementwise(_) = op else { return None };
    let tensors: Option<Vec<Tensor>> =
        operands.iter().map(|child| scalar(egraph[*child].data.number?)).collect();
    let tensors = tensors?;
    let views: Vec<_> = tensors.iter().map(|tensor| Some(tensor.view())).collect();
    let results = masque_runtime::reference::evaluate(op, &views, &Default::default()).ok()?;
    literal(results.first()?)
}

fn scalar(literal: Literal) -> Option<Tensor> {
    let number = literal.number.0;
    let shape = IxDyn(&[]);
    Some(match literal.dtype {
        DType::F32 => Tensor::F32(ArrayD::from_elem(shape, number as f32)),
        DType::F64 => Tensor::F64(ArrayD::from_elem(shape, number)),
        DType::I32 => Tensor::I32(ArrayD::from_elem(shape, number as i32)),
        DType::I64 => Tensor::I64(ArrayD::from_elem(shape, number as i64)),
        DType::Bool => Tensor::Bool(ArrayD::from_elem(shape, number != 0.0)),
        DType::Str => return None,
    })
}

/// The largest integer below which every integer is a float of its own.
const EXACT: i64 = 1 << 53;

fn literal(tensor: &Tensor) -> Option<Literal> {
    let number = match tensor {
        Tensor::F32(array) => f64::from(*array.first()?),
        Tensor::F64(array) => *array.first()?,
        Tensor::I32(array) => f64::from(*array.first()?),
        Tensor::I64(array) => {
            array.first().filter(|number| number.abs() <= EXACT).map(|number| *number as f64)?
        }
        Tensor::Bool(array) => f64::from(u8::from(*array.first()?)),
        Tensor::Str(_) => return None,
    };
    Some(Literal { dtype: tensor.dtype(), number: number.into() })
}
