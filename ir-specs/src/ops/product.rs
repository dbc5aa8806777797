//! Sums of products.

use super::{Elementwise, Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::contraction::Contraction;
use crate::flow::{Element, Flow, Fold, Joint, Known, Role};
use crate::ty::Type;

family! {
    /// Sums of products.
    Product {
        /// `[…, M, K]` times `[K, N]` gives `[…, M, N]`; each sum runs along K in order, with fused multiply-add.
        Matmul = "matmul" ("a", "b");
        /// An element of the result is the sum of products of elements of `a` and `b`: `"bte,bse->bts"` names the axes of both, then those of the result, and the sum runs over letters that the result lacks, in the order of `a`, with fused multiply-add.
        Contract = "contract" ("a", "b") {
            /// The letters of the axes.
            axes: Contraction,
        };
    }
}

impl Family for Product {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let (roles, rank) = match self {
            Product::Matmul => {
                let rank = operands[0].map_or(1, Type::rank) as u32;
                let mut left = at(0..rank.saturating_sub(1));
                left.push(Role::At(rank));
                (vec![left, vec![Role::At(rank), Role::At(rank.saturating_sub(1))]], rank)
            }
            Product::Contract { axes } => {
                // Axes of the result in its order, then those that are summed over.
                let summed = axes.a().chars().chain(axes.b().chars());
                let mut letters: Vec<char> = axes.result().chars().collect();
                let rank = letters.len() as u32;
                for letter in summed {
                    if !letters.contains(&letter) {
                        letters.push(letter);
                    }
                }
                let place =
                    |letter: char| letters.iter().position(|known| *known == letter).unwrap_or(0) as u32;
                let roles =
                    |side: &str| side.chars().map(|letter| Role::At(place(letter))).collect::<Vec<_>>();
                (vec![roles(axes.a()), roles(axes.b())], rank)
            }
        };
        Flow::Joint(Joint { operands: roles, rank: rank as usize, fold: Fold::SUM })
    }

    fn element(&self, operands: &[Known]) -> Element {
        Elementwise::Mul.element(operands)
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let (a, b) = (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        match self {
            Product::Matmul => self.matmul(a, b),
            Product::Contract { axes } => self.contract(axes, a, b),
        }
    }
}

impl Product {
    fn matmul(&self, a: &Type, b: &Type) -> Result<Vec<Type>, OpError> {
        let fits = a.rank() >= 1
            && b.rank() == 2
            && a.dtype == b.dtype
            && a.dtype.is_float()
            && agree(&a.shape[a.rank() - 1..], &b.shape[..1]);
        if !fits {
            return Err(self.expects("floats [..., K] and [K, N]", format!("{a} and {b}")));
        }
        let mut shape = a.shape.clone();
        shape[a.rank() - 1] = b.shape[1].clone();
        Ok(vec![Type { dtype: a.dtype, shape }])
    }

    fn contract(&self, axes: &Contraction, a: &Type, b: &Type) -> Result<Vec<Type>, OpError> {
        let size =
            |letters: &str, x: &Type, letter: char| letters.find(letter).map(|axis| x.shape[axis].clone());
        let fits = a.dtype == b.dtype
            && (a.dtype.is_float() || a.dtype.is_int())
            && [a.rank(), b.rank()] == [axes.a().len(), axes.b().len()]
            && axes.a().chars().all(|letter| {
                let sizes = size(axes.a(), a, letter).zip(size(axes.b(), b, letter));
                sizes.is_none_or(|(a, b)| agree(&[a], &[b]))
            });
        if !fits {
            let expected = format!("numbers of one type whose sizes agree along the letters of {axes}");
            return Err(self.expects(expected, format!("{a} and {b}")));
        }
        let known = |letter: char| match (size(axes.a(), a, letter), size(axes.b(), b, letter)) {
            (Some(left), Some(right)) if left.known().is_none() && right.known().is_some() => Some(right),
            (left, right) => left.or(right),
        };
        Ok(vec![Type { dtype: a.dtype, shape: axes.result().chars().filter_map(known).collect() }])
    }
}
