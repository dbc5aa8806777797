//! The rules. Each is a named line; the name stands in reports, and a fixture of that name shows what it does.
//!
//! Rules for writing rules:
//! - Both sides must give the same bits at every position, whatever stands there, infinities and NaN included.
//! - The right side is the better form, or as good; only then may it be another order of the same operands.
//! - A rule need not look at shapes: a form whose types are not those of the class it would join is left out.
//!   (`(select ?m ?x ?x)` is `?x` only where `?m` does not broadcast it.)
//! - Numbers are compared by value; attributes are computed in Rust ([`DERIVED`]).

use egg::{Applier, EGraph, ENodeOrVar, Id, Pattern, PatternAst, RecExpr, Rewrite, Subst, Symbol, Var};
use masque_ir::activation::Activation;
use masque_ir::ops::{Activate, Dense, Op, Shape};

use super::folding::TypesAndNumbers;
use super::term::Term;

type Graph = EGraph<Term, TypesAndNumbers>;

/// Rules that are told by their patterns.
pub const PATTERNS: &[(&str, &str, &str)] = &[
    ("and-absorb", "(and ?a (or ?a ?b))", "?a"),
    ("and-same", "(and ?m ?m)", "?m"),
    ("and-swap", "(and ?a ?b)", "(and ?b ?a)"),
    ("max-same", "(max ?x ?x)", "?x"),
    ("min-same", "(min ?x ?x)", "?x"),
    ("neg-neg", "(neg (neg ?x))", "?x"),
    ("not-not", "(not (not ?m))", "?m"),
    ("or-absorb", "(or ?a (and ?a ?b))", "?a"),
    ("or-same", "(or ?m ?m)", "?m"),
    ("or-swap", "(or ?a ?b)", "(or ?b ?a)"),
    ("reshape-reshape", "(reshape (reshape ?x ?a) ?b)", "(reshape ?x ?b)"),
    ("select-not", "(select (not ?m) ?a ?b)", "(select ?m ?b ?a)"),
    ("select-same", "(select ?m ?x ?x)", "?x"),
    ("select-within-false", "(select ?m ?a (select ?m ?b ?c))", "(select ?m ?a ?c)"),
    ("select-within-true", "(select ?m (select ?m ?a ?b) ?c)", "(select ?m ?a ?c)"),
];

/// Rules that hold where an operand is a certain number.
pub const NUMBERS: &[(&str, &str, &str, f64, &str)] = &[
    ("and-false", "(and ?x ?n)", "?n", 0.0, "?n"),
    ("and-true", "(and ?x ?n)", "?n", 1.0, "?x"),
    ("div-one", "(div ?x ?n)", "?n", 1.0, "?x"),
    ("mul-one", "(mul ?x ?n)", "?n", 1.0, "?x"),
    ("or-false", "(or ?x ?n)", "?n", 0.0, "?x"),
    ("or-true", "(or ?x ?n)", "?n", 1.0, "?n"),
    ("select-false", "(select ?n ?a ?b)", "?n", 0.0, "?b"),
    ("select-true", "(select ?n ?a ?b)", "?n", 1.0, "?a"),
    ("sub-zero", "(sub ?x ?n)", "?n", 0.0, "?x"),
];

/// Rules whose right side has attributes that are computed from those of the left side: the variables that are
/// read, how, and the right side, where `?new` stands for the result.
pub const DERIVED: &[(&str, &str, &[&str], Derive, &str)] = &[
    ("dense-activation", "(activate (dense ?x ?k ?b ?d) ?f)", &["?d", "?f"], fuse, "(dense ?x ?k ?b ?new)"),
    (
        "dense-of-rows",
        "(reshape (dense (reshape ?x ?a) ?k ?b ?d) ?s)",
        &["?d"],
        row_wise,
        "(dense ?x ?k ?b ?new)",
    ),
    (
        "transpose-transpose",
        "(transpose (transpose ?x ?a) ?b)",
        &["?a", "?b"],
        compose,
        "(transpose ?x ?new)",
    ),
];

/// Rules that drop an operation with certain attributes: the variables that are read, and when.
pub const DROPPED: &[(&str, &str, &[&str], Holds, &str)] = &[
    ("broadcast-same", "(broadcast ?x ?a)", &[], |_| true, "?x"),
    ("cast-same", "(cast ?x ?a)", &[], |_| true, "?x"),
    ("reshape-same", "(reshape ?x ?a)", &[], |_| true, "?x"),
    ("reverse-reverse", "(reverse (reverse ?x ?a) ?b)", &["?a", "?b"], |ops| ops[0] == ops[1], "?x"),
    ("transpose-same", "(transpose ?x ?a)", &["?a"], is_identity, "?x"),
];

/// Computes attributes; none where the rule does not hold.
pub type Derive = fn(&[&Op]) -> Option<Op>;

/// Does a rule hold for these attributes?
pub type Holds = fn(&[&Op]) -> bool;

/// An activation function behind a layer without one becomes part of the layer.
fn fuse(ops: &[&Op]) -> Option<Op> {
    match ops {
        [
            Op::Dense(Dense::Dense { activation: Activation::Linear }),
            Op::Activate(Activate::Activate { f }),
        ] => Some(Dense::Dense { activation: *f }.into()),
        _ => None,
    }
}

/// A dense layer works on rows, however they are arranged, unless its function looks beyond the row.
fn row_wise(ops: &[&Op]) -> Option<Op> {
    match ops {
        [Op::Dense(dense @ Dense::Dense { activation })]
            if activation.axis().is_none_or(|axis| axis == -1) =>
        {
            Some(dense.clone().into())
        }
        _ => None,
    }
}

/// One permutation behind another.
fn compose(ops: &[&Op]) -> Option<Op> {
    match ops {
        [Op::Shape(Shape::Transpose { perm: inner }), Op::Shape(Shape::Transpose { perm: outer })] => {
            let perm = outer.iter().map(|&axis| inner.get(axis as usize).copied()).collect::<Option<_>>()?;
            Some(Shape::Transpose { perm }.into())
        }
        _ => None,
    }
}

fn is_identity(ops: &[&Op]) -> bool {
    matches!(ops, [Op::Shape(Shape::Transpose { perm })] if perm.iter().copied().eq(0..perm.len() as u32))
}

/// All rules, in the order of their names.
pub fn all() -> Vec<Rewrite<Term, TypesAndNumbers>> {
    let pattern =
        |text: &str| -> Pattern<Term> { text.parse().expect("the rules are well formed: a test reads them") };
    let var = |name: &str| -> Var { name.parse().expect("a variable") };
    let vars = |names: &[&str]| names.iter().map(|name| var(name)).collect::<Vec<Var>>();
    let mut rules = vec![];
    let mut add = |name: &str, left: &str, right: &str, condition: Condition| {
        let right = pattern(right).ast;
        let rule = Rewrite::new(name, pattern(left), Typed { condition, right });
        rules.push(rule.expect("a rule's right side uses variables of its left side"));
    };
    for (name, left, right) in PATTERNS {
        add(name, left, right, Condition::Always);
    }
    for (name, left, n, number, right) in NUMBERS {
        add(name, left, right, Condition::Number(var(n), *number));
    }
    for (name, left, read, derive, right) in DERIVED {
        add(name, left, right, Condition::Derive(vars(read), *derive));
    }
    for (name, left, read, holds, right) in DROPPED {
        add(name, left, right, Condition::Holds(vars(read), *holds));
    }
    rules.sort_by_key(|rule| rule.name.to_string());
    rules
}

/// When a rule holds, and what it computes.
enum Condition {
    Always,
    Number(Var, f64),
    Derive(Vec<Var>, Derive),
    Holds(Vec<Var>, Holds),
}

/// Adds the right side, and joins it to the class if both have the same types.
struct Typed {
    condition: Condition,
    right: PatternAst<Term>,
}

impl Typed {
    /// The variable for computed attributes.
    fn new_attributes() -> Option<Var> {
        "?new".parse().ok()
    }

    /// Does the rule hold? Then the variables, with what it computed.
    fn holds(&self, graph: &mut Graph, subst: &Subst) -> Option<Subst> {
        let mut subst = subst.clone();
        match &self.condition {
            Condition::Always => {}
            Condition::Number(var, number) => {
                graph[subst[*var]].data.number.filter(|literal| literal.number.0 == *number)?;
            }
            Condition::Holds(vars, holds) => {
                let ops: Vec<&Op> =
                    vars.iter().map(|var| attributes(graph, subst[*var])).collect::<Option<_>>()?;
                holds(&ops).then_some(())?;
            }
            Condition::Derive(vars, derive) => {
                let ops: Vec<&Op> =
                    vars.iter().map(|var| attributes(graph, subst[*var])).collect::<Option<_>>()?;
                let op = derive(&ops)?;
                let id = graph.add(Term::Attributes(op));
                subst.insert(Typed::new_attributes()?, id);
            }
        }
        Some(subst)
    }
}

fn attributes(graph: &Graph, id: Id) -> Option<&Op> {
    graph[id].nodes.iter().find_map(|term| match term {
        Term::Attributes(op) => Some(op),
        _ => None,
    })
}

impl Applier<Term, TypesAndNumbers> for Typed {
    fn apply_one(
        &self,
        graph: &mut Graph,
        class: Id,
        subst: &Subst,
        _: Option<&PatternAst<Term>>,
        rule: Symbol,
    ) -> Vec<Id> {
        let Some(subst) = self.holds(graph, subst) else { return vec![] };
        let right = instantiate(graph, &self.right, &subst);
        let (left, right) = (graph.find(class), graph.find(right));
        if left == right || graph[left].data.types != graph[right].data.types {
            return vec![];
        }
        graph.union_trusted(left, right, rule);
        vec![left]
    }
}

fn instantiate(graph: &mut Graph, pattern: &RecExpr<ENodeOrVar<Term>>, subst: &Subst) -> Id {
    let mut ids: Vec<Id> = vec![];
    for node in pattern.as_ref() {
        let id = match node {
            ENodeOrVar::Var(var) => subst[*var],
            ENodeOrVar::ENode(term) => {
                let term = egg::Language::map_children(term.clone(), |child| ids[usize::from(child)]);
                graph.add(term)
            }
        };
        ids.push(id);
    }
    ids.last().copied().unwrap_or_default()
}
