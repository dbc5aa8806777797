//! Notation for what several operations do together: softmax, the scores and weights of attention, means. A pattern is
//! written by its name only where every operation of it is there.

use masque_ir::activation::Activation;
use masque_ir::ops::attend::Blind;
use masque_ir::ops::{Activate, Elementwise, Op, Product, Reduce, Shape};
use masque_ir::program::{Operand, Value};

use super::equations::{Equations, moves};
use super::formula::{Formula, Var};
use super::known;
use super::print::Form;

/// Masked scores become at most this.
const LOW: f64 = -1e8;

/// A condition that takes more columns gets an equation of its own.
const CONDITION: usize = 40;

/// A function along axes.
pub(super) struct Softmax {
    pub(super) function: Activation,
    pub(super) axes: Vec<usize>,
    /// What it is taken of, without its mask.
    scores: Operand,
    /// Which positions take part, and what becomes of a row without any.
    given: Option<(Operand, Blind)>,
}

impl Equations<'_> {
    /// The activation function of an operand that a value is.
    pub(super) fn activation(&self, frame: usize, value: Value) -> Option<(Activation, Operand)> {
        let at = &self.frames[frame];
        match &at.node(value).op {
            Op::Activate(Activate::Activate { f: Activation::Linear }) => None,
            Op::Activate(Activate::Activate { f }) => Some((*f, at.node(value).operands[0].clone())),
            _ => known::find(at.program, value, self.functions),
        }
    }

    /// The function along axes that a value is, with the mask that it is under.
    pub(super) fn softmax(&self, frame: usize, value: Value) -> Option<Softmax> {
        let at = &self.frames[frame];
        let node = at.node(value);
        if let (Op::Elementwise(Elementwise::Select), [mask, inner, Operand::Literal(zero)]) =
            (&node.op, node.operands.as_slice())
            && zero.number.0 == 0.0
            && at.made(inner).is_some()
            && let Some(softmax) = inner.value().and_then(|inner| self.softmax(frame, inner))
        {
            let (own, _) = softmax.given.clone()?;
            let same = self.source(frame, &own) == self.source(frame, mask);
            return same.then_some(Softmax { given: Some((own, Blind::Nothing)), ..softmax });
        }
        let (function, axes, x) = self.bare_softmax(frame, value)?;
        let (scores, given) = match (function, self.masked(frame, &x)) {
            (Activation::Softmax { .. }, Some((scores, mask, blind))) => (scores, Some((mask, blind))),
            _ => (x, None),
        };
        Some(Softmax { function, axes, scores, given })
    }

    fn bare_softmax(&self, frame: usize, value: Value) -> Option<(Activation, Vec<usize>, Operand)> {
        let at = &self.frames[frame];
        if let Some((function, x)) = self.activation(frame, value) {
            let axis = masque_ir::ty::resolve_axis(i64::from(function.axis()?), at.ty(&x).rank())?;
            return Some((function, vec![axis as usize], x));
        }
        // exp(x - max(x)) / sum(exp(x - max(x)))
        let [exp, sum] = self.parts(frame, &Operand::Value(value), &Elementwise::Div)?;
        let [shifted] = self.parts(frame, &exp, &Elementwise::Exp)?;
        let [x, top] = self.parts(frame, &shifted, &Elementwise::Sub)?;
        let (sum, top) = (at.made(&sum)?, at.made(&top)?);
        match (&sum.op, &top.op) {
            (
                Op::Reduce(Reduce::Sum { axes, keep: true }),
                Op::Reduce(Reduce::ReduceMax { axes: others, keep: true }),
            ) if axes == others && sum.operands[0] == exp && top.operands[0] == x => {
                let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
                Some((Activation::Softmax { axis: *axes.last()? as i32 }, axes, x))
            }
            _ => None,
        }
    }

    /// The operands of a value that is made by this operation.
    fn parts<const N: usize>(
        &self,
        frame: usize,
        operand: &Operand,
        op: &Elementwise,
    ) -> Option<[Operand; N]> {
        let node = match operand {
            Operand::Value(value) => self.frames[frame].node(*value),
            _ => return None,
        };
        (node.op == Op::Elementwise(op.clone())).then(|| node.operands.clone().try_into().ok()).flatten()
    }

    /// Scores under a mask: the scores, the mask, and what becomes of a row that is masked altogether.
    fn masked(&self, frame: usize, x: &Operand) -> Option<(Operand, Operand, Blind)> {
        let low = |operand: &Operand| matches!(operand, Operand::Literal(literal) if literal.number.0 < LOW);
        self.frames[frame].made(x)?;
        if let Some([scores, below]) = self.parts(frame, x, &Elementwise::Add) {
            let [mask, zero, number] = self.parts(frame, &below, &Elementwise::Select)?;
            let zero = matches!(zero, Operand::Literal(literal) if literal.number.0 == 0.0);
            return (zero && low(&number)).then_some((scores, mask, Blind::Lowered));
        }
        let [mask, scores, hidden] = self.parts(frame, x, &Elementwise::Select)?;
        if low(&hidden) {
            return Some((scores, mask, Blind::Mean));
        }
        let [sees, number, lowered] = self.parts(frame, &hidden, &Elementwise::Select)?;
        let [same, by] = self.parts(frame, &lowered, &Elementwise::Sub)?;
        let high = matches!(by, Operand::Literal(literal) if literal.number.0 > -LOW);
        let fits = same == scores && low(&number) && high;
        (fits && self.any_of(frame, &sees, &mask)).then_some((scores, mask, Blind::Lowered))
    }

    /// Is it whether anything in a mask is true, along some axes?
    fn any_of(&self, frame: usize, any: &Operand, mask: &Operand) -> bool {
        self.source(frame, any) == self.source(frame, mask)
    }

    /// What an operand is made of by moving elements and asking whether any is true.
    fn source(&self, frame: usize, operand: &Operand) -> Operand {
        let mut operand = operand.clone();
        while let Some(node) = operand.value().map(|value| self.frames[frame].node(value)) {
            match &node.op {
                Op::Shape(Shape::Reshape { .. } | Shape::Transpose { .. } | Shape::Broadcast { .. })
                | Op::Reduce(Reduce::Any { .. }) => operand = node.operands[0].clone(),
                _ => break,
            }
        }
        operand
    }

    /// The second operand of a product with weights: without the zeros that replace what has no weight anyway.
    pub(super) fn seen(&self, frame: usize, weights: &Operand, value: &Operand) -> Operand {
        let replaced = || {
            let at = &self.frames[frame];
            let weights = weights.value().filter(|_| weights != value)?;
            let (mask, _) = self.softmax(frame, weights)?.given?;
            at.made(value)?;
            let [seen, value, zero] = self.parts(frame, value, &Elementwise::Select)?;
            let zero = matches!(zero, Operand::Literal(literal) if literal.number.0 == 0.0);
            (zero && self.any_of(frame, &seen, &mask)).then_some(value)
        };
        replaced().unwrap_or_else(|| value.clone())
    }

    /// The weighted sum that a value is, where rows that see nothing are told apart only for the sake of zeros.
    pub(super) fn attended(&self, frame: usize, value: Value) -> Option<Operand> {
        let [sees, sum, _] = self.parts(frame, &Operand::Value(value), &Elementwise::Select)?;
        let product = self.frames[frame].node(sum.value()?);
        let (Op::Product(Product::Contract { .. }), [weights, _]) =
            (&product.op, product.operands.as_slice())
        else {
            return None;
        };
        let (mask, blind) = self.softmax(frame, weights.value()?)?.given?;
        (blind != Blind::Nothing && self.any_of(frame, &sees, &mask)).then_some(sum)
    }

    /// A mean along axes that stay: what it is called.
    pub(super) fn means(&self, frame: usize, value: Value) -> Option<&'static str> {
        let at = &self.frames[frame];
        let [sum, count] = self.parts(frame, &Operand::Value(value), &Elementwise::Div)?;
        let Op::Reduce(Reduce::Sum { keep: true, .. }) = &at.made(&sum)?.op else { return None };
        let count = at.made(&count)?;
        let size = at.made(count.operands.first()?)?;
        if !matches!(
            (&count.op, &size.op),
            (Op::Elementwise(Elementwise::Cast { .. }), Op::Shape(Shape::Size { .. }))
        ) {
            return None;
        }
        let summed = &at.made(&sum)?.operands[0];
        match self.parts(frame, summed, &Elementwise::Mul) {
            Some([a, b]) if a == b => {
                let centred = self.parts::<2>(frame, &a, &Elementwise::Sub).is_some();
                Some(if centred { "variance" } else { "mean_square" })
            }
            _ => Some("mean"),
        }
    }

    /// The operands that are written where a value is.
    pub(super) fn written_of(&self, frame: usize, value: Value) -> Vec<Operand> {
        if let Some(softmax) = self.softmax(frame, value) {
            return std::iter::once(softmax.scores).chain(softmax.given.map(|(mask, _)| mask)).collect();
        }
        if let Some((_, inner)) = self.activation(frame, value) {
            return vec![inner];
        }
        if let Some(sum) = self.attended(frame, value) {
            return vec![sum];
        }
        let node = self.frames[frame].node(value);
        match (&node.op, node.operands.as_slice()) {
            (Op::Product(_), [a, b]) => vec![a.clone(), self.seen(frame, a, b)],
            // No element is read.
            (Op::Shape(Shape::Positions { .. } | Shape::Size { .. }), _) => vec![],
            (_, operands) => operands.to_vec(),
        }
    }

    /// A function along axes. Its scores get an equation, and so do what they are products of.
    pub(super) fn along(&mut self, frame: usize, softmax: Softmax, index: &[Formula]) -> Formula {
        let Softmax { function, axes, scores, given } = softmax;
        self.attention_names(frame, &scores);
        let depth = self.scope.len();
        let mut at = index.to_vec();
        let mut over: Vec<Var> = vec![];
        for &axis in &axes {
            if let Formula::Index(var) = &at[axis] {
                over.push(var.clone());
            } else if let Some(size) = self.frames[frame].ty(&scores).shape.get(axis).cloned() {
                at[axis] = self.running("j", &size, &mut over);
            }
        }
        let of = self.element(frame, &scores, at.clone());
        let given = given.map(|(mask, blind)| {
            let ty = self.frames[frame].ty(&mask);
            let result = self.frames[frame].ty(&scores);
            let place = super::indices::aligned(&at, &ty, &result);
            let mut condition = self.element(frame, &mask, place.clone());
            if condition.text(Form::Plain).chars().count() > CONDITION
                && let Some(value) = mask.value()
            {
                self.hoist(frame, value, Some(&place), Some("sees"));
                condition = self.element(frame, &mask, place);
            }
            if !always_sees(&condition, &over) {
                self.note(&blind_note(blind, &over));
            }
            (Box::new(condition), blind)
        });
        self.scope.truncate(depth);
        Formula::Along { function, over, given, of: Box::new(of) }
    }

    /// The value that an operand shows in another shape.
    fn unmoved(&self, frame: usize, operand: &Operand) -> Option<Value> {
        let mut operand = operand.clone();
        while let Some(node) = self.frames[frame].made(&operand).filter(|node| moves(&node.op)) {
            operand = node.operands.first()?.clone();
        }
        self.frames[frame].made(&operand).and(operand.value())
    }

    /// A name for an operand that is computed.
    fn hint(&mut self, frame: usize, operand: &Operand, name: &'static str) {
        if let Some(value) = operand.value().filter(|_| self.unmoved(frame, operand).is_some()) {
            self.frames[frame].hints.entry(value).or_insert(name);
        }
    }

    /// Names for scores, and for the queries and keys that they are products of.
    fn attention_names(&mut self, frame: usize, scores: &Operand) {
        if self.frames[frame].made(scores).is_none_or(|node| moves(&node.op)) {
            return;
        }
        self.hint(frame, scores, "scores");
        let mut product = scores.clone();
        while let Some(node) = self.frames[frame].made(&product) {
            match (&node.op, node.operands.as_slice()) {
                (Op::Product(Product::Contract { axes }), [query, key]) => {
                    let own =
                        |a: &str, b: &str| a.chars().any(|c| axes.result().contains(c) && !b.contains(c));
                    if own(axes.a(), axes.b()) && own(axes.b(), axes.a()) {
                        let query = self.unscaled(frame, query);
                        self.hint(frame, &query, "query");
                        self.hint(frame, key, "key");
                    }
                    return;
                }
                (Op::Elementwise(Elementwise::Mul), [first, _]) => product = first.clone(),
                (op, [first, ..]) if moves(op) => product = first.clone(),
                _ => return,
            }
        }
    }

    /// Names for weights and what they weigh.
    pub(super) fn weights_names(&mut self, frame: usize, weights: &Operand, value: &Operand) {
        if weights.value().is_some_and(|weights| self.softmax(frame, weights).is_some()) {
            self.hint(frame, weights, "weights");
            self.hint(frame, value, "value");
        }
    }

    /// Is it a sum of values by weights?
    pub(super) fn is_weighted(&self, frame: usize, value: Value) -> bool {
        let node = self.frames[frame].node(value);
        let weights = node.operands.first().and_then(Operand::value);
        matches!(node.op, Op::Product(Product::Contract { .. }))
            && weights.is_some_and(|weights| self.softmax(frame, weights).is_some())
    }

    /// The letters of weights, and of what they give: positions that look, and positions that are seen.
    pub(super) fn attention_letters(&self, frame: usize, value: Value) -> Option<&'static [&'static str]> {
        if self.is_weighted(frame, value) {
            let four = self.frames[frame].program.result(value).ty.rank() == 4;
            return four.then_some(&["b", "t", "h", "d"]);
        }
        let softmax = self.softmax(frame, value)?;
        let scores = self.frames[frame].made(&softmax.scores);
        let products = scores.is_some_and(|node| matches!(node.op, Op::Product(_) | Op::Reduce(_)));
        if !products && softmax.given.is_none() {
            return None;
        }
        match self.frames[frame].ty(&softmax.scores).rank() {
            3 => Some(&["b", "t", "s"]),
            4 => Some(&["b", "h", "t", "s"]),
            _ => None,
        }
    }

    /// An operand without the number that it is multiplied by.
    fn unscaled(&self, frame: usize, operand: &Operand) -> Operand {
        match self.frames[frame].made(operand).map(|node| (&node.op, node.operands.as_slice())) {
            Some((Op::Elementwise(Elementwise::Mul), [first, Operand::Literal(_)])) => first.clone(),
            // Heads in groups are another shape of what is multiplied.
            Some((op, [first, ..])) if moves(op) => match self.unscaled(frame, first) {
                same if same == *first => operand.clone(),
                inner => inner,
            },
            _ => operand.clone(),
        }
    }
}

/// Is it a condition that the first position fulfils, as `s ≤ t`?
fn always_sees(condition: &Formula, over: &[Var]) -> bool {
    let Formula::Apply(Elementwise::Le, sides) = condition else { return false };
    matches!(sides.as_slice(), [Formula::Index(seen), Formula::Index(_)] if over.contains(seen))
}

/// What becomes of a row without any position that takes part.
fn blind_note(blind: Blind, over: &[Var]) -> String {
    let letters: Vec<&str> = over.iter().map(|var| var.name.as_str()).collect();
    let row = format!("Where the condition holds for no {}", letters.join(", "));
    match blind {
        Blind::Mean => format!("{row}, all of them have the same weight."),
        Blind::Lowered => {
            format!("{row}, it is the softmax of the scores - 1e9: about the same weight for all in float32.")
        }
        Blind::Nothing => format!("{row}, all weights are 0."),
    }
}
