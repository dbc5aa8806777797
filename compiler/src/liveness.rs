//! Padding liveness: can what stands at padded positions, or how many of them there are, be seen in an output?
//!
//! The analysis walks over the tensor graph and asks every operation two things, see [`masque_ir::flow`]: what
//! becomes of the positions of its operands, and what is known of an element of its result. From the masks of the
//! program ([`roots`]) it knows where padding is; every value is looked at case by case ([`layout`]): where a mask
//! holds, and where it does not. What is known in a case is one small lattice ([`view`]):
//!
//! | known | of each element: a number, not a number, too low to count, nothing |
//! |---|---|
//! | holds | of padded positions: one and the same row, the last valid row carried on, each its own |
//! | reads | of the padding: what stands there, how many there are, nothing |
//!
//! Masks are values like any other: where one does not hold it is 0, so that `select(mask, x, 0)` is 0 there and a
//! sum reads nothing of it. No operation is treated apart for masking.
//!
//! Every fact says which cases of which operands decide it. Along these edges, backward from what a caller sees,
//! runs *liveness*: padded positions that nothing reaches are dead, and need not be computed.
//!
//! What is promised is about sequences padded **behind** their end, with at least one valid position, and ordinary
//! finite numbers under the padding. Where nothing says what is padding, callers may pad all the same: then it is said
//! what an output would read of it, and never that it reads nothing ([`verdict`]).

pub mod derivation;
pub mod layout;
pub mod report;
pub mod roots;
pub mod verdict;
pub mod view;

mod arrange;
mod cycle;
mod frame;
mod joint;
mod needs;
mod observe;
mod through;
mod window;

use std::borrow::Cow;
use std::collections::HashMap;

use masque_ir::flow::Known;
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Node, Operand, Program, Value};

pub use needs::Needs;
pub use observe::{Liveness, Output, Step};
pub use roots::Together;
pub use verdict::Verdict;

use crate::decompose::decompose;
use layout::{Bases, Factor};
use roots::{Roots, Said};
use view::{Fact, Holds, Reads, View};

/// What is known of the padding of every value of a program: a value beside it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where padding comes from.
    pub roots: Roots,
    said: HashMap<Value, Said>,
    views: Vec<Vec<View>>,
}

/// A program with what is known of its padding.
#[derive(Clone, Debug)]
pub struct Padding {
    /// The program.
    pub program: Program,
    /// What is known of its values.
    pub facts: Facts,
    /// What its outputs read of the padding, in order.
    pub outputs: Vec<Output>,
}

impl Padding {
    /// Looks at a program whose inputs may be padded each in its own way, but for those that are padded together.
    pub fn of(program: Program, together: &Together) -> Padding {
        // What compares positions is looked at from inside, where looking back from its parts leads out of it.
        let inside = |_: &Program, node: &Node| node.op.compares_positions();
        let program = match decompose(&program, inside) {
            Ok(Cow::Owned(decomposed)) => decomposed,
            _ => program,
        };
        let facts = Facts::of(&program, together);
        let mut outputs = facts.outputs(&program);
        let apart = facts.bases().all.iter().any(|base| base.masks > 1);
        if apart && outputs.iter().any(|output| output.reads.any()) {
            let alike = Facts::of(&program, &Together::All).outputs(&program);
            for (output, alike) in outputs.iter_mut().zip(alike) {
                output.apart = output.reads.any() && !alike.reads.any();
            }
        }
        Padding { program, facts, outputs }
    }
}

impl Facts {
    /// Finds out what the padded positions of every value hold, and what of the padding decides the others.
    pub fn of(program: &Program, together: &Together) -> Facts {
        let mut facts = Facts::with(program, roots::find(program, together));
        for (other, source, number) in roots::candidates(program, &facts.roots) {
            let other = Facts::with(program, other);
            if !other.pads_with(source, number) {
                facts = other;
            }
        }
        facts
    }

    /// Is a value that number at all padded positions?
    fn pads_with(&self, value: Value, number: f64) -> bool {
        let view = self.view(value);
        let is_number = |fact: &Fact| fact.known == Known::Number(number);
        let padded = |case: &usize| view.layout.is_padded(*case, self.bases());
        (0..view.facts.len()).filter(padded).all(|case| is_number(&view.facts[case]))
    }

    /// The same, where padding comes from these masks.
    fn with(program: &Program, roots: Roots) -> Facts {
        let mut facts = Facts { said: roots.said(), roots, views: vec![] };
        for place in 0..program.nodes.len() {
            let views = facts.node(program, place);
            facts.views.push(views);
        }
        facts
    }

    /// What is known of a value.
    pub fn view(&self, value: Value) -> &View {
        &self.views[value.node as usize][value.result as usize]
    }

    /// What is known of an operand; nothing of one that is absent.
    pub fn operand(&self, operand: &Operand) -> Option<View> {
        frame::view_of(operand, &self.views)
    }

    /// The axes of padded sequences.
    pub fn bases(&self) -> &Bases {
        &self.roots.bases
    }

    fn node(&self, program: &Program, place: usize) -> Vec<View> {
        let node = &program.nodes[place];
        let operands: Vec<Option<View>> = node.operands.iter().map(|operand| self.operand(operand)).collect();
        let caller = matches!(node.op, Op::Leaf(Leaf::Input { .. }));
        let mut views = frame::apply(program, node, &operands, self.bases());
        views.iter_mut().for_each(|view| through::refine(self, program, node, view));
        let value = |result: usize| Value { node: place as u32, result: result as u32 };
        views
            .into_iter()
            .enumerate()
            .map(|(result, view)| self.refined(value(result), view, caller))
            .collect()
    }

    /// Adds what masks say of the value that they are, or are made from, and what callers may put under them.
    fn refined(&self, value: Value, mut view: View, caller: bool) -> View {
        let nothing = Said::default();
        let said = self.said.get(&value).unwrap_or(&nothing);
        if said.anywhere {
            view.facts = view
                .facts
                .into_iter()
                .map(|fact| fact.and_own(Reads { content: true, length: true }))
                .collect();
            return view;
        }
        let masks =
            |places: &[usize]| places.iter().map(|&place| &self.roots.masks[place]).collect::<Vec<_>>();
        let (own, made) = (masks(&said.is), masks(&said.decides));
        if let Some(base) = said.assumed {
            view = self.over(view, base);
        }
        for mask in own.iter().chain(&made) {
            view = self.over(view, mask.place.0);
        }
        for mask in own.iter().filter(|mask| !self.roots.is_cut(mask)) {
            self.each(&mut view, mask.place, |fact, holds| {
                // What another mask makes padding of everything says more.
                if !(holds && fact.known == Known::Number(0.0)) {
                    *fact = Fact::number(f64::from(u8::from(holds)));
                }
            });
        }
        for mask in &made {
            let number = mask.source.map_or(0.0, |(_, number)| number);
            let (exact, cut) = (mask.exact, self.roots.is_cut(mask));
            self.each(&mut view, mask.place, |fact, holds| match holds {
                false if cut => *fact = Fact::anything().and_own(Reads::LENGTH),
                false => *fact = Fact::number(number),
                true if exact && fact.known == Known::Anything => fact.known = Known::Not(number),
                true => {}
            });
        }
        if caller && own.is_empty() && made.is_empty() {
            view = self.under_masks(view);
        }
        view
    }

    /// What callers pass at padded positions may be anything.
    fn under_masks(&self, mut view: View) -> View {
        for case in 0..view.facts.len() {
            if view.layout.is_padded(case, self.bases()) {
                let fact = std::mem::take(&mut view.facts[case]);
                view.facts[case] = Fact { holds: Holds::Each, ..fact }.and_own(Reads::CONTENT);
            }
        }
        view
    }

    /// Tells apart the cases of the masks over an axis, in a value whose second axis it is.
    fn over(&self, view: View, base: usize) -> View {
        let size = &self.bases().all[base].size;
        let fits = view.layout.0.get(1).is_some_and(
            |axis| matches!(axis.as_slice(), [factor] if factor.is_plain() && factor.size == *size),
        );
        if !fits {
            return view;
        }
        let mut layout = view.layout.clone();
        layout.0[1] = vec![Factor::over(base, self.bases())];
        let before: usize = layout.0[0].len();
        let facts = (0..layout.cases(self.bases())).map(|case| {
            let mut parts = layout.split(case, self.bases());
            parts[before] = 0;
            view.facts[view.layout.join(&parts, self.bases())].clone()
        });
        let facts = facts.collect();
        View { layout, facts }
    }

    /// Changes the facts of a value by whether a mask over its second axis holds.
    fn each(&self, view: &mut View, (base, bit): (usize, u32), change: impl Fn(&mut Fact, bool)) {
        let before = view.layout.0.first().map_or(0, Vec::len);
        let whole = view
            .layout
            .0
            .get(1)
            .is_some_and(|axis| matches!(axis.as_slice(), [factor] if factor.whole() == Some(base)));
        if !whole {
            return;
        }
        for case in 0..view.facts.len() {
            let bits = view.layout.split(case, self.bases())[before];
            change(&mut view.facts[case], bits >> bit & 1 == 0);
        }
    }
}
