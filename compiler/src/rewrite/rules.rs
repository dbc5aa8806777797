//! The rules. Each is a named line; the name stands in reports, and a fixture of that name shows what it does.
//!
//! Rules for writing rules:
//! - Both sides must give the same bits at every position, whatever stands there, infinities, NaN and -0.0 included,
//!   wherever the left side can be run. A test evaluates every rule. (All NaNs are one NaN.)
//! - The right side is the better form, or as good; only then may it be another order of the same operands.
//! - A rule need not look at shapes: a form whose types are not those of the class it would join is left out.
//!   (`(select ?m ?x ?x)` is `?x` only where `?m` does not broadcast it.)
//! - A number is compared by its bits (`x - 0.0` is `x`, `x - -0.0` is not), and stands for a tensor that is this
//!   number everywhere as well. Attributes are computed in Rust.
//! - A rule that would do work a second time where somebody else reads a part of its left side says
//!   `once`.
//!
//! What is not here: dropping an all-true mask of `mean_over_time` (beyond 2^24 steps a sum of ones is no longer their
//! number), `x + 0.0` (-0.0 becomes 0.0), `not(lt)` (NaN is neither less nor not less), and moving transposes through
//! operations (it helps only where they meet, and doubles the e-graph where they do not).

use masque_ir::DType;
use masque_ir::activation::Activation;
use masque_ir::ops::{Activate, Convolve, Dense, Elementwise, Op, Shape};

/// A rule: where the left side stands, the right side may.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The name.
    pub name: &'static str,
    /// A pattern over operations: operands, then attributes.
    pub left: &'static str,
    /// A pattern over the same variables; `_` is an operand that is not there.
    pub right: &'static str,
    /// What must hold besides.
    pub when: When,
    /// A part of the left side that nobody else may read.
    pub once: Option<&'static str>,
}

/// When a rule holds.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Always.
    Always,
    /// Where the operand is this number.
    Number(&'static str, f64),
    /// For certain attributes.
    Holds(&'static [&'static str], Holds),
    /// For certain attributes, from which those of the right side are computed: `?new`.
    Derive(&'static [&'static str], Derive),
}

/// Does a rule hold for these attributes?
pub type Holds = fn(&[&Op]) -> bool;

/// Computes attributes; none where the rule does not hold.
pub type Derive = fn(&[&Op]) -> Option<Op>;

const fn rule(name: &'static str, left: &'static str, right: &'static str) -> Rule {
    Rule { name, left, right, when: When::Always, once: None }
}

impl Rule {
    const fn when(self, when: When) -> Rule {
        Rule { when, ..self }
    }

    const fn once(self, part: &'static str) -> Rule {
        Rule { once: Some(part), ..self }
    }
}

use When::{Derive as Derived, Holds as Holding, Number};

/// All rules, in the order of their names.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("activate-linear", "(activate ?x ?f)", "?x").when(Holding(&["?f"], is_linear)),
    rule("and-absorb", "(and ?a (or ?a ?b))", "?a"),
    rule("and-false", "(and ?x ?n)", "?n").when(Number("?n", 0.0)),
    rule("and-same", "(and ?m ?m)", "?m"),
    rule("and-swap", "(and ?a ?b)", "(and ?b ?a)"),
    rule("and-true", "(and ?x ?n)", "?x").when(Number("?n", 1.0)),
    rule("broadcast-same", "(broadcast ?x ?a)", "?x"),
    rule("cast-cast", "(cast (cast ?x ?a) ?b)", "?x").when(Holding(&["?a", "?b"], is_lossless)),
    rule("cast-same", "(cast ?x ?a)", "?x"),
    rule("concat-one", "(concat ?x ?a)", "?x"),
    rule("convolve-activation", "(activate (convolve ?x ?k ?b ?c) ?f)", "(convolve ?x ?k ?b ?new)").when(Derived(&["?c", "?f"], fuse)),
    rule("dense-activation", "(activate (dense ?x ?k ?b ?d) ?f)", "(dense ?x ?k ?b ?new)")
        .when(Derived(&["?d", "?f"], fuse)).once("(dense ?x ?k ?b ?d)"),
    rule("dense-of-rows", "(reshape (dense (reshape ?x ?a) ?k ?b ?d) ?s)", "(dense ?x ?k ?b ?d)")
        .when(Holding(&["?d"], is_row_wise)).once("(dense (reshape ?x ?a) ?k ?b ?d)"),
    rule("div-one", "(div ?x ?n)", "?x").when(Number("?n", 1.0)),
    rule("gru-all-valid", "(gru ?x ?k ?r ?b ?n ?h ?w _ ?o)", "(gru ?x ?k ?r ?b _ ?h ?w _ ?o)").when(Number("?n", 1.0)),
    rule("gru-in-order", "(reverse (gru ?x ?k ?r ?b ?m ?h ?w _ ?o) ?a)", "(gru ?x ?k ?r ?b ?m ?h ?w _ ?new)")
        .when(Derived(&["?a", "?o"], in_order)).once("(gru ?x ?k ?r ?b ?m ?h ?w _ ?o)"),
    rule("lstm-all-valid", "(lstm ?x ?k ?r ?b ?n ?h ?c ?w _ ?o)", "(lstm ?x ?k ?r ?b _ ?h ?c ?w _ ?o)").when(Number("?n", 1.0)),
    rule("lstm-in-order", "(reverse (lstm ?x ?k ?r ?b ?m ?h ?c ?w _ ?o) ?a)", "(lstm ?x ?k ?r ?b ?m ?h ?c ?w _ ?new)")
        .when(Derived(&["?a", "?o"], in_order)).once("(lstm ?x ?k ?r ?b ?m ?h ?c ?w _ ?o)"),
    rule("max-same", "(max ?x ?x)", "?x"),
    rule("min-same", "(min ?x ?x)", "?x"),
    rule("mul-one", "(mul ?x ?n)", "?x").when(Number("?n", 1.0)),
    rule("neg-neg", "(neg (neg ?x))", "?x"),
    rule("not-eq", "(not (eq ?a ?b))", "(ne ?a ?b)"),
    rule("not-ne", "(not (ne ?a ?b))", "(eq ?a ?b)"),
    rule("not-not", "(not (not ?m))", "?m"),
    rule("or-absorb", "(or ?a (and ?a ?b))", "?a"),
    rule("or-false", "(or ?x ?n)", "?x").when(Number("?n", 0.0)),
    rule("or-same", "(or ?m ?m)", "?m"),
    rule("or-swap", "(or ?a ?b)", "(or ?b ?a)"),
    rule("or-true", "(or ?x ?n)", "?n").when(Number("?n", 1.0)),
    rule("reshape-reshape", "(reshape (reshape ?x ?a) ?b)", "(reshape ?x ?b)"),
    rule("reshape-same", "(reshape ?x ?a)", "?x"),
    rule("reverse-reverse", "(reverse (reverse ?x ?a) ?a)", "?x"),
    rule("select-false", "(select ?n ?a ?b)", "?b").when(Number("?n", 0.0)),
    rule("select-not", "(select (not ?m) ?a ?b)", "(select ?m ?b ?a)"),
    rule("select-same", "(select ?m ?x ?x)", "?x"),
    rule("select-true", "(select ?n ?a ?b)", "?a").when(Number("?n", 1.0)),
    rule("select-within-false", "(select ?m ?a (select ?m ?b ?c))", "(select ?m ?a ?c)"),
    rule("select-within-true", "(select ?m (select ?m ?a ?b) ?c)", "(select ?m ?a ?c)"),
    rule("simple-rnn-all-valid", "(simple_rnn ?x ?k ?r ?b ?n ?h ?w _ ?o)", "(simple_rnn ?x ?k ?r ?b _ ?h ?w _ ?o)").when(Number("?n", 1.0)),
    rule("simple-rnn-in-order", "(reverse (simple_rnn ?x ?k ?r ?b ?m ?h ?w _ ?o) ?a)", "(simple_rnn ?x ?k ?r ?b ?m ?h ?w _ ?new)")
        .when(Derived(&["?a", "?o"], in_order)).once("(simple_rnn ?x ?k ?r ?b ?m ?h ?w _ ?o)"),
    rule("slice-whole", "(slice ?x ?a)", "?x"),
    rule("sub-zero", "(sub ?x ?n)", "?x").when(Number("?n", 0.0)),
    rule("transpose-same", "(transpose ?x ?a)", "?x").when(Holding(&["?a"], is_identity)),
    rule("transpose-transpose", "(transpose (transpose ?x ?a) ?b)", "(transpose ?x ?new)").when(Derived(&["?a", "?b"], compose)),
];

fn is_linear(ops: &[&Op]) -> bool {
    matches!(ops, [Op::Activate(Activate::Activate { f: Activation::Linear })])
}

/// An activation function behind a layer without one becomes part of the layer.
fn fuse(ops: &[&Op]) -> Option<Op> {
    match ops {
        [
            Op::Dense(Dense::Dense { activation: Activation::Linear }),
            Op::Activate(Activate::Activate { f }),
        ] => Some(Dense::Dense { activation: *f }.into()),
        [
            Op::Convolve(layer @ Convolve::Convolve { activation: Activation::Linear, .. }),
            Op::Activate(Activate::Activate { f }),
        ] => {
            let mut layer = layer.clone();
            let Convolve::Convolve { activation, .. } = &mut layer;
            *activation = *f;
            Some(layer.into())
        }
        _ => None,
    }
}

/// Steps that a layer gives from the last to the first, the other way round.
fn in_order(ops: &[&Op]) -> Option<Op> {
    let [Op::Shape(Shape::Reverse { axis: 1 }), Op::Recurrent(layer)] = ops else { return None };
    let options = layer.options();
    if !options.backwards || options.in_order || !options.sequences {
        return None;
    }
    let mut layer = layer.clone();
    layer.options_mut().in_order = true;
    Some(layer.into())
}

/// A dense layer works on rows, however they are arranged, unless its function looks beyond the row.
fn is_row_wise(ops: &[&Op]) -> bool {
    matches!(ops, [Op::Dense(Dense::Dense { activation })] if activation.axis().is_none_or(|axis| axis == -1))
}

/// Does every element survive the way to another type and back? The types of the rule say that the way ends where
/// it began.
fn is_lossless(ops: &[&Op]) -> bool {
    use DType::{Bool, F32, F64, I32, I64};
    let [Op::Elementwise(Elementwise::Cast { to: there }), Op::Elementwise(Elementwise::Cast { to: back })] =
        ops
    else {
        return false;
    };
    match back {
        Bool => true,
        F32 => matches!(there, F32 | F64),
        I32 => matches!(there, I32 | I64 | F64),
        F64 | I64 => there == back,
        DType::Str => false,
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
