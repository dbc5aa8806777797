//! The language of the e-graph: terms over the operations of the IR, without a second list of them.
//!
//! An operation is its mnemonic and its operands; its attributes, if it has any, are one more child at the end. So
//! a pattern binds attributes as it binds operands: `(transpose ?x ?a)`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use egg::{EGraph, FromOp, Id, Language};
use masque_ir::ops::{Arity, Leaf, Op};
use masque_ir::program::Literal;
use smallvec::SmallVec;

/// A node of the e-graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Term {
    /// An optional operand that is not there.
    Absent,
    /// A number.
    Literal(Literal),
    /// An operation with its attributes, its operands left out: the last child of [`Term::Apply`].
    Attributes(Arc<Op>),
    /// Where a program starts: the name keeps apart what is not the same tensor. Shared, as egg keeps terms several times.
    Leaf(Arc<(String, Leaf)>),
    /// An operation, by mnemonic, applied: operands, then attributes.
    Apply(&'static str, Children),
    /// One result of an operation with several.
    Result(u32, Id),
    /// What the program gives: the one reader of a value that is no operation.
    Outputs(Vec<Id>),
}

/// Few operations have more children; egg keeps every term several times.
pub(super) type Children = SmallVec<[Id; 4]>;

impl Term {
    /// Where a program starts. Two inputs of one type are two tensors; two equal constants are one.
    pub(super) fn leaf(leaf: &Leaf, name: &str) -> Term {
        let name = if matches!(leaf, Leaf::Constant { .. }) { "" } else { name };
        Term::Leaf(Arc::new((name.to_owned(), leaf.clone())))
    }

    /// An operation applied to operands.
    pub(super) fn apply<N: egg::Analysis<Term>>(
        op: &Op,
        mut operands: Children,
        graph: &mut EGraph<Term, N>,
    ) -> Term {
        if !op.info().attributes.is_empty() {
            operands.push(graph.add(Term::Attributes(Arc::new(op.clone()))));
        }
        Term::Apply(op.info().mnemonic, operands)
    }
}

/// The operation with that mnemonic, which has no attributes.
pub(super) fn plain(mnemonic: &str) -> Op {
    static PLAIN: LazyLock<HashMap<&str, Op>> = LazyLock::new(|| {
        let plain = Op::table().filter(|info| info.attributes.is_empty());
        let plain = plain.filter_map(|info| {
            let op = Op::from_parts(info.mnemonic, serde_json::Value::Object(Default::default()));
            op.ok().map(|op| (info.mnemonic, op))
        });
        plain.collect()
    });
    let op = PLAIN.get(mnemonic).cloned();
    op.expect("a term without attributes has the mnemonic of an operation without attributes")
}

impl Language for Term {
    type Discriminant = (u8, &'static str);

    fn discriminant(&self) -> Self::Discriminant {
        match self {
            Term::Absent => (0, ""),
            Term::Literal(_) => (1, ""),
            Term::Attributes(op) => (2, op.info().mnemonic),
            Term::Leaf(..) => (3, ""),
            Term::Apply(mnemonic, _) => (4, mnemonic),
            Term::Result(..) => (5, ""),
            Term::Outputs(_) => (6, ""),
        }
    }

    fn matches(&self, other: &Term) -> bool {
        match (self, other) {
            (Term::Apply(a, left), Term::Apply(b, right)) => a == b && left.len() == right.len(),
            (Term::Result(a, _), Term::Result(b, _)) => a == b,
            (Term::Outputs(left), Term::Outputs(right)) => left.len() == right.len(),
            _ => self.is_leaf() && self == other,
        }
    }

    fn children(&self) -> &[Id] {
        match self {
            Term::Apply(_, children) => children,
            Term::Outputs(children) => children,
            Term::Result(_, of) => std::slice::from_ref(of),
            _ => &[],
        }
    }

    fn children_mut(&mut self) -> &mut [Id] {
        match self {
            Term::Apply(_, children) => children,
            Term::Outputs(children) => children,
            Term::Result(_, of) => std::slice::from_mut(of),
            _ => &mut [],
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Absent => f.write_str("_"),
            Term::Literal(literal) => write!(f, "{}:{}", literal.number, literal.dtype),
            Term::Attributes(op) => write!(f, "{{{}}}", op.attributes()),
            Term::Leaf(leaf) if leaf.0.is_empty() => write!(f, "{:?}", leaf.1),
            Term::Leaf(leaf) => write!(f, "%{}", leaf.0),
            Term::Apply(mnemonic, _) => f.write_str(mnemonic),
            Term::Result(result, _) => write!(f, "result-{result}"),
            Term::Outputs(_) => f.write_str("outputs"),
        }
    }
}

/// A rule names an operation that does not exist, or gives it the wrong number of operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule's `{op}` with {children} children is no operation of the IR")]
pub(super) struct NoSuchTerm {
    op: String,
    children: usize,
}

/// Reads a rule's terms: operations, and `_` for an operand that is not there.
impl FromOp for Term {
    type Error = NoSuchTerm;

    fn from_op(op: &str, children: Vec<Id>) -> Result<Term, NoSuchTerm> {
        let wrong = || NoSuchTerm { op: op.to_owned(), children: children.len() };
        if op == "_" && children.is_empty() {
            return Ok(Term::Absent);
        }
        let info = Op::table().find(|info| info.mnemonic == op).ok_or_else(wrong)?;
        let expected = info.operands.len() + usize::from(!info.attributes.is_empty());
        let many = info.operands.last().is_some_and(|last| last.arity == Arity::Many);
        if children.len() == expected || many && children.len() + 1 >= expected {
            Ok(Term::Apply(info.mnemonic, children.into()))
        } else {
            Err(wrong())
        }
    }
}
