//! Which ways there are for an output that depends on the padding.

use std::collections::{HashMap, HashSet, VecDeque};

use masque_ir::layers::TensorRef;

use super::change::Line;
use super::expr::Expr;
use super::place::{Candidate, Place};
use crate::layer::Way;
use crate::layer::{Kind, Reads};
use crate::masks;

/// As far back a softmax is looked for.
const MOST_BEFORE: usize = 16;

impl<'a> Place<'a> {
    /// For an output that depends on the padding: at the call where padding comes to be read.
    pub(super) fn for_leak(&self) -> Vec<Vec<Candidate>> {
        let layer = self.subject.layer(self.call);
        let one = |way: Way| self.candidates(way);
        let before = self.softmax_before().map_or_else(Vec::new, |place| place.candidates(Way::LowScores));
        let own = match self.class() {
            "ops.Max" | "ops.Amax" => vec![one(Way::Low)],
            "ops.Mean" => vec![one(Way::Average)],
            "ops.Softmax" => vec![one(Way::LowScores)],
            class if class.ends_with("Normalization") => vec![one(Way::Normalize)],
            _ if layer.kind() == Kind::Operation => vec![one(Way::Zero)],
            _ if masks::reads(layer) == Reads::Own || self.subject.data(self.call).len() > 1 => {
                vec![self.zero_each()]
            }
            _ if masks::uses(layer) => vec![self.explicit_from_here()],
            _ if layer.masking().supported => vec![],
            _ => layer.masking().advice.ways.iter().map(|&way| self.candidates(way)).collect(),
        };
        std::iter::once(before).chain(own).collect()
    }

    /// An explicit mask for this call, and for those after it that use it.
    fn explicit_from_here(&self) -> Vec<Candidate> {
        let axes = self.ty(self.x).shape[..self.rank].to_vec();
        let mut after = self.subject.after(self.call, true, |ty| ty.shape.starts_with(&axes));
        after.users.insert(0, self.call);
        after.tensors.insert(self.x);
        self.explicit_for(&after.users, &after.tensors)
    }

    /// The padding of everything that a merge reads set to 0, each under its own mask.
    pub(super) fn zero_each(&self) -> Vec<Candidate> {
        let model = self.subject.model;
        let (mut lines, mut zeroed) = (vec![], HashMap::new());
        for tensor in self.subject.data(self.call) {
            let own = model.facts.tensor(tensor).mask.filter(|&mask| self.subject.says_something(Some(mask)));
            let Some(value) = own.and_then(|mask| Expr::mask(model, mask)) else { continue };
            let (name, rank) = (self.name(&format!("mask_{}", zeroed.len() + 1)), self.rank);
            let mask = Expr::Local(name.clone());
            let place = Place { subject: self.subject, call: self.call, x: tensor, mask: mask.clone(), rank };
            let Some(filled) = place.filled(mask, tensor, 0.0) else { return vec![] };
            lines.push(Line::Let { name, value });
            zeroed.insert(tensor, filled);
        }
        let read = |tensor: TensorRef| zeroed.get(&tensor).cloned().unwrap_or(Expr::Tensor(tensor));
        let call = model.graph.call(self.call);
        let arguments = call.arguments.iter();
        let arguments =
            arguments.map(|argument| (argument.keyword.clone(), Expr::of(&argument.value).map(&read)));
        lines.push(Line::Call { call: self.call, arguments: arguments.collect() });
        let given = model.facts.tensor(self.y()).mask.and_then(|mask| Expr::mask(model, mask));
        if let Some(value) = given {
            let name = self.name("mask");
            let after = self.restored_to_all(&Expr::Local(name.clone()));
            lines.extend((!after.is_empty()).then_some(Line::Let { name, value }));
            lines.extend(after);
        }
        vec![self.candidate(Way::Zero, "", lines)]
    }

    /// The softmax whose weights the call sums up, with the mask of what it weighs.
    fn softmax_before(&self) -> Option<Place<'a>> {
        let model = self.subject.model;
        let mut open = VecDeque::from([self.call]);
        let mut seen = HashSet::new();
        while let Some(call) = open.pop_front() {
            let layer = model.graph.layer_of(call);
            let softmax = match layer.class.as_str() {
                "Activation" => layer.settings.get("activation").is_some_and(|name| name == "softmax"),
                class => class == "Softmax" || class == "ops.Softmax",
            };
            if softmax {
                let x = *self.subject.data(call).first()?;
                let axis = layer.settings.get("axis").map_or(Some(-1), serde_json::Value::as_i64)?;
                let axis = masque_ir::ty::resolve_axis(axis, self.ty(x).rank())?;
                let size = self.ty(x).shape[axis].clone();
                let mask = self.subject.mask_where(x, |shape| shape.len() == 2 && shape[1] == size)?;
                return Place::of(self.subject, call, x, model, mask);
            }
            if seen.len() < MOST_BEFORE && seen.insert(call) {
                open.extend(self.subject.data(call).into_iter().map(|tensor| tensor.call));
            }
        }
        None
    }
}
