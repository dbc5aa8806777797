//! What the cases of a value do not show, because it compares positions with one another: found by looking back
//! through the operations that it is made of.
//!
//! Two such things decide whether attention reads padding. A causal mask lets every valid position see at least
//! itself: a mask of pairs is true on its *diagonal*. And weights that sum to one take of rows that are all the same
//! that very row, however many there are, but for rounding: a value is *uniform* along an axis.

use std::cell::Cell;
use std::collections::BTreeSet;

use masque_ir::activation::Activation;
use masque_ir::contraction::Contraction;
use masque_ir::flow::{Arrangement, Flow, Role};
use masque_ir::ops::{Activate, Elementwise, Op, Product, Reduce, Shape};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{Dim, Type};

use super::Facts;
use super::layout::Layout;
use super::view::{Fact, Holds, Reads, View};

/// How many operations are looked through for one answer. Who attends stands near to what is attended to.
const MOST_LOOKS: usize = 256;

/// Adds to what is known of the result of an operation what looking through its operands shows.
pub(super) fn refine(facts: &Facts, program: &Program, node: &Node, view: &mut View) {
    let through = Through { facts, program, left: Cell::new(MOST_LOOKS) };
    match &node.op {
        Op::Reduce(Reduce::Any { axes, keep }) => {
            if let [Operand::Value(x)] = node.operands.as_slice() {
                through.any(*x, axes, *keep, view);
            }
        }
        Op::Product(Product::Contract { axes }) => {
            if let [Operand::Value(a), Operand::Value(b)] = node.operands.as_slice() {
                through.mean([*a, *b], axes, view);
            }
        }
        _ => {}
    }
}

struct Through<'a> {
    facts: &'a Facts,
    program: &'a Program,
    left: Cell<usize>,
}

/// The two axes of a diagonal in a value, where it has them.
type Diagonal = [Option<usize>; 2];

impl Through<'_> {
    fn node(&self, value: Value) -> &Node {
        &self.program.nodes[value.node as usize]
    }

    fn ty(&self, value: Value) -> &Type {
        &self.program.result(value).ty
    }

    /// May one more operation be looked at?
    fn look(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// The axis of padded sequences that an axis of a value is, as a whole and in order.
    fn base(&self, layout: &Layout, axis: usize) -> Option<usize> {
        match layout.0.get(axis)?.as_slice() {
            [factor] => factor.whole(),
            _ => None,
        }
    }

    /// Whether anything is true along an axis: it is wherever the diagonal with another axis is true. Further axes have
    /// one position.
    fn any(&self, x: Value, axes: &[u32], keep: bool, view: &mut View) {
        let of = &self.facts.view(x).layout;
        let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
        let long: Vec<usize> =
            axes.iter().copied().filter(|&axis| !self.ty(x).shape[axis].is_one()).collect();
        let [axis] = long[..] else { return };
        let Some(base) = self.base(of, axis) else { return };
        for other in
            (0..of.0.len()).filter(|other| !axes.contains(other) && self.base(of, *other) == Some(base))
        {
            let gone = axes.iter().filter(|&&axis| !keep && axis < other).count();
            let at = other - gone;
            if self.base(&view.layout, at) != Some(base) {
                continue;
            }
            for case in 0..view.facts.len() {
                let bits = self.part(&view.layout, case, at);
                if self.holds(x, [Some(other), Some(axis)], base, bits) {
                    view.facts[case] = Fact::number(1.0);
                }
            }
        }
    }

    /// The case of an axis of one factor.
    fn part(&self, layout: &Layout, case: usize, axis: usize) -> usize {
        let before: usize = layout.0[..axis].iter().map(Vec::len).sum();
        layout.split(case, self.facts.bases())[before]
    }

    /// Is a truth value true on its diagonal, where these masks do not hold?
    fn holds(&self, value: Value, axes: Diagonal, base: usize, bits: usize) -> bool {
        if !self.look() {
            return false;
        }
        let view = self.facts.view(value);
        let along: Vec<usize> = axes.into_iter().flatten().collect();
        let is_there = |case: usize| {
            along.iter().all(|&axis| {
                self.base(&view.layout, axis) != Some(base) || self.part(&view.layout, case, axis) == bits
            })
        };
        let mut there = (0..view.facts.len()).filter(|&case| is_there(case));
        if there.all(|case| view.facts[case].known.number().is_some_and(|number| number != 0.0)) {
            return true;
        }
        let node = self.node(value);
        let operand = |place: usize| self.operand(value, place, axes);
        let true_at = |place: usize| match operand(place) {
            Some((Operand::Value(value), axes)) => self.holds(value, axes, base, bits),
            Some((Operand::Literal(literal), _)) => literal.number.0 != 0.0,
            _ => false,
        };
        match &node.op {
            Op::Elementwise(Elementwise::And) => true_at(0) && true_at(1),
            Op::Elementwise(Elementwise::Or) => true_at(0) || true_at(1),
            Op::Elementwise(Elementwise::Ge | Elementwise::Le | Elementwise::Eq) => {
                self.distance(value, axes, base)
            }
            Op::Elementwise(Elementwise::Lt) => {
                let near = matches!(operand(1), Some((Operand::Literal(bound), _)) if bound.number.0 > 0.0);
                let apart = operand(0).and_then(|(operand, axes)| Some((operand.value()?, axes)));
                near && apart.is_some_and(|(apart, axes)| self.is_zero(apart, axes, base))
            }
            Op::Shape(Shape::Reshape { .. }) => true_at(0),
            _ => false,
        }
    }

    /// Is it `|a - b|` of the two positions?
    fn is_zero(&self, value: Value, axes: Diagonal, base: usize) -> bool {
        match &self.node(value).op {
            Op::Elementwise(Elementwise::Sub) => self.distance(value, axes, base),
            Op::Elementwise(Elementwise::Abs) => {
                let inner = self.operand(value, 0, axes).and_then(|(x, axes)| Some((x.value()?, axes)));
                inner.is_some_and(|(inner, axes)| self.is_zero(inner, axes, base))
            }
            _ => false,
        }
    }

    /// Are the operands the numbers of the positions along one axis of the diagonal and along the other? On the
    /// diagonal they are the same number.
    fn distance(&self, value: Value, axes: Diagonal, base: usize) -> bool {
        let along = |place: usize| {
            let (operand, axes) = self.operand(value, place, axes)?;
            self.positions(operand.value()?, axes, base)
        };
        along(0).zip(along(1)).is_some_and(|(a, b)| a != b)
    }

    /// The axis of the diagonal, 0 or 1, whose positions' numbers a value is.
    fn positions(&self, value: Value, axes: Diagonal, base: usize) -> Option<usize> {
        let node = self.node(value);
        match &node.op {
            Op::Shape(Shape::Positions { axis }) => {
                let x = node.operands.first()?.value()?;
                let is_base = self.base(&self.facts.view(x).layout, *axis as usize) == Some(base);
                is_base.then(|| axes.iter().position(|axis| *axis == Some(0))).flatten()
            }
            Op::Shape(Shape::Reshape { .. }) if self.look() => {
                let (operand, axes) = self.operand(value, 0, axes)?;
                self.positions(operand.value()?, axes, base)
            }
            _ => None,
        }
    }

    /// An operand of an elementwise operation or of a reshape, and the axes of the diagonal in it.
    fn operand(&self, value: Value, place: usize, axes: Diagonal) -> Option<(Operand, Diagonal)> {
        let node = self.node(value);
        let operand = node.operands.get(place)?.clone();
        let Some(ty) = self.program.operand_type(&operand) else { return Some((operand, [None, None])) };
        let of = self.ty(value);
        let inside = |axis: usize| match &node.op {
            Op::Shape(Shape::Reshape { .. }) => reshaped(&of.shape, &ty.shape, axis).map(Some),
            _ => {
                let axis = (axis + ty.rank()).checked_sub(of.rank());
                Some(axis.filter(|&axis| !ty.shape[axis].is_one()))
            }
        };
        let mut found = [None, None];
        for (found, axis) in found.iter_mut().zip(axes) {
            *found = axis.map_or(Some(None), inside)?;
        }
        Some((operand, found))
    }

    /// A product that sums along an axis whose weights sum to one, with rows that are all the same: that row.
    fn mean(&self, operands: [Value; 2], axes: &Contraction, view: &mut View) {
        for (weights, rows) in [(0, 1), (1, 0)] {
            let letters = [axes.a(), axes.b()];
            let Op::Activate(Activate::Activate { f: Activation::Softmax { axis } }) =
                &self.node(operands[weights]).op
            else {
                continue;
            };
            let letter = usize::try_from(*axis).ok().and_then(|axis| letters[weights].chars().nth(axis));
            let summed = letter.filter(|letter| axes.summed().chars().eq([*letter]));
            let Some(along) = summed.and_then(|letter| letters[rows].find(letter)) else { continue };
            let of = self.facts.view(operands[rows]);
            let lone = of.layout.sequences(0, self.facts.bases()).iter().all(|(axis, _)| *axis == along);
            if lone && self.is_uniform(operands[rows], along) {
                let row = &of.facts[0];
                let fact = Fact {
                    own: Reads::NOTHING,
                    holds: Holds::Same,
                    from: BTreeSet::from([(rows, 0)]),
                    copy: None,
                    ..row.clone()
                };
                view.facts.fill(fact);
                return;
            }
        }
    }

    /// Is a value the same all along an axis?
    fn is_uniform(&self, value: Value, axis: usize) -> bool {
        let (ty, view) = (self.ty(value), self.facts.view(value));
        if ty.shape[axis].is_one() || view.all().known.number().is_some() {
            return true;
        }
        if !self.look() {
            return false;
        }
        let node = self.node(value);
        let types = self.program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let uniform = |operand: &Operand, axis: usize| match operand {
            Operand::Value(value) => self.is_uniform(*value, axis),
            _ => true,
        };
        let by_row = |axis: usize| {
            let rows = node.op.rows(&types).filter(|_| axis < 2);
            rows.is_some_and(|rows| rows.iter().all(|&place| uniform(&node.operands[place], axis)))
        };
        match node.op.flow(&types) {
            Flow::Meaning => by_row(axis),
            Flow::Joint(joint) => {
                let chosen = self.chosen(node);
                let present =
                    node.operands.iter().enumerate().filter(|(_, operand)| **operand != Operand::Absent);
                present
                    .zip(&joint.operands)
                    .filter(|((place, _), _)| chosen.is_none_or(|only| *place == only))
                    .all(|((_, operand), roles)| {
                        roles.iter().enumerate().all(|(own, role)| match role {
                            Role::At(letter) => *letter as usize != axis || uniform(operand, own),
                            Role::Window { to, .. } | Role::Scattered(to) => *to as usize != axis,
                            Role::Picked => true,
                        })
                    })
            }
            Flow::Arranged(Arrangement::Reshaped(_)) => {
                let before = types[0].and_then(|before| reshaped(&ty.shape, &before.shape, axis));
                before.map_or_else(|| by_row(axis), |axis| uniform(&node.operands[0], axis))
            }
            _ => false,
        }
    }

    /// The operand that a choice takes everywhere, if that is known.
    fn chosen(&self, node: &Node) -> Option<usize> {
        let (Op::Elementwise(Elementwise::Select), Some(Operand::Value(condition))) =
            (&node.op, node.operands.first())
        else {
            return None;
        };
        let number = self.facts.view(*condition).all().known.number()?;
        Some(if number != 0.0 { 1 } else { 2 })
    }
}

/// Where an axis was before a reshape that only adds and takes away axes of size 1.
fn reshaped(after: &[Dim], before: &[Dim], axis: usize) -> Option<usize> {
    let of = |shape: &[Dim]| -> Vec<(usize, Dim)> {
        shape.iter().cloned().enumerate().filter(|(_, size)| !size.is_one()).collect()
    };
    let (after, before) = (of(after), of(before));
    let same = after.len() == before.len() && after.iter().zip(&before).all(|((_, a), (_, b))| a == b);
    let place = after.iter().position(|(at, _)| *at == axis)?;
    same.then(|| before[place].0)
}
