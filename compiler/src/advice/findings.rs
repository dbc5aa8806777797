//! Which ways there are for a finding: those that its layer names, and those that belong to the finding itself.

use std::collections::HashSet;

use masque_ir::DType;
use masque_ir::facts::InferredGraph;
use masque_ir::layers::{ArgumentValue, CallId, TensorRef};
use masque_ir::mask::MaskId;

use super::change::Line;
use super::expr::{Expr, attached, constant, op};
use super::place::{Candidate, MOST_PASSED, Place};
use crate::diagnostics::Subject;
use crate::layer::Effect;
use crate::layer::Way;
use crate::layer::{Arguments, Kind};

/// As many operations in a row are replaced by layers.
const MOST_LAYERS: usize = 3;

impl<'a> Place<'a> {
    /// The call, what it reads under this mask, and the mask; `None` where the mask cannot be written in Keras, or is of
    /// another model than the call.
    pub(super) fn of(
        subject: &'a Subject<'a>,
        call: CallId,
        x: TensorRef,
        model: &InferredGraph,
        mask: MaskId,
    ) -> Option<Place<'a>> {
        let expr = Expr::mask(model, mask)?;
        let inside = |call: CallId| {
            let name = &model.graph.layer_of(call).name;
            name.rsplit_once('/').map_or(String::new(), |(model, _)| model.to_owned())
        };
        let sources = crate::masks::sources(&model.facts.masks, mask);
        let reachable = sources.iter().all(|source| inside(source.call) == inside(call));
        let rank = model.facts.masks.rank(mask) as usize;
        reachable.then_some(Place { subject, call, x, mask: expr, rank })
    }

    /// For a mask that is lost in a merge, or in an operation.
    pub(super) fn for_lost(&self) -> Vec<Vec<Candidate>> {
        let (explicit, layers) = (self.explicit(self.call), self.layers());
        match self.subject.layer(self.call).kind() == Kind::Operation {
            true => vec![layers, explicit, self.attach_after()],
            false => vec![explicit, self.attach_others(), self.positions()],
        }
    }

    /// An explicit mask for every call after this one that uses it.
    pub(super) fn explicit(&self, start: CallId) -> Vec<Candidate> {
        let axes = self.ty(self.x).shape[..self.rank].to_vec();
        let after = self.subject.after(start, true, |ty| ty.shape.starts_with(&axes));
        self.explicit_for(&after.users, &after.tensors)
    }

    /// An explicit mask for these calls, which read these tensors under it.
    pub(super) fn explicit_for(&self, users: &[CallId], tensors: &HashSet<TensorRef>) -> Vec<Candidate> {
        let (mask, name) = self.named_mask();
        let passed: Option<Vec<Line>> = users.iter().map(|&user| self.passed(user, tensors, &name)).collect();
        let Some(passed) = passed.filter(|lines| (1..=MOST_PASSED).contains(&lines.len())) else {
            return vec![];
        };
        let lines = std::iter::once(mask).chain(passed).collect();
        vec![self.candidate(Way::Explicit, &self.subject.listed(users), lines)]
    }

    /// The mask attached to what a merge reads without one.
    fn attach_others(&self) -> Vec<Candidate> {
        let unmasked: Vec<TensorRef> = self.unmasked();
        let (mask, name) = self.named_mask();
        let attach = |tensor: TensorRef| match unmasked.contains(&tensor) {
            true => attached(Expr::Tensor(tensor), name.clone()),
            false => Expr::Tensor(tensor),
        };
        let call = self.subject.model.graph.call(self.call);
        let arguments = call.arguments.iter();
        let arguments =
            arguments.map(|argument| (argument.keyword.clone(), Expr::of(&argument.value).map(&attach)));
        let lines = vec![mask, Line::Call { call: self.call, arguments: arguments.collect() }];
        let names: Vec<String> = unmasked.iter().map(|tensor| self.quoted(*tensor)).collect();
        vec![self.candidate(Way::Attach, &crate::diagnostics::enumerated(&names), lines)]
    }

    /// What the call reads as data without a mask.
    fn unmasked(&self) -> Vec<TensorRef> {
        let facts = &self.subject.model.facts;
        let layer = self.subject.layer(self.call);
        let bound = Arguments::bind(self.subject.model.graph.call(self.call), layer.signature().parameters);
        let data: Vec<TensorRef> = bound.map_or_else(|_| vec![], |bound| bound.all_data().copied().collect());
        let masks = facts.call(self.call).mask_in.iter();
        data.into_iter().zip(masks).filter(|(_, mask)| mask.is_none()).map(|(tensor, _)| tensor).collect()
    }

    /// The mask attached to what operations give to layers.
    fn attach_after(&self) -> Vec<Candidate> {
        let axes = self.ty(self.x).shape[..self.rank].to_vec();
        let after = self.subject.after(self.call, false, |ty| ty.shape.starts_with(&axes));
        let graph = &self.subject.model.graph;
        let mut ends: Vec<TensorRef> = after.tensors.iter().copied().collect();
        ends.retain(|tensor| {
            let readers = graph.readers(tensor.call);
            self.subject.layer(tensor.call).kind() == Kind::Operation
                && readers.iter().any(|(reader, read)| {
                    read == tensor && self.subject.layer(*reader).kind() != Kind::Operation
                })
        });
        ends.sort();
        let (mask, name) = self.named_mask();
        let attach = |&tensor: &TensorRef| Line::Tensor {
            tensor,
            value: attached(Expr::Tensor(tensor), name.clone()),
        };
        if !(1..=MOST_PASSED).contains(&ends.len()) {
            return vec![];
        }
        let names: Vec<String> = ends.iter().map(|tensor| self.quoted(*tensor)).collect();
        let lines = std::iter::once(mask).chain(ends.iter().map(attach)).collect();
        vec![self.candidate(Way::Attach, &crate::diagnostics::enumerated(&names), lines)]
    }

    /// Layers in place of the operations from this call on.
    fn layers(&self) -> Vec<Candidate> {
        let axes = self.ty(self.x).shape[..self.rank].to_vec();
        let after = self.subject.after(self.call, false, |ty| ty.shape.starts_with(&axes));
        let on_the_way =
            after.passed.into_iter().filter(|call| self.subject.layer(*call).kind() == Kind::Operation);
        let mut operations: Vec<CallId> = std::iter::once(self.call).chain(on_the_way).collect();
        operations.sort();
        operations.dedup();
        if operations.len() > MOST_LAYERS || self.subject.layer(self.call).kind() != Kind::Operation {
            return vec![];
        }
        let (mask, name) = self.named_mask();
        let layer = |&call: &CallId| {
            let value = self.layer_for(call, &name)?;
            Some(Line::Tensor { tensor: TensorRef { call, output: 0 }, value })
        };
        let Some(lines) = operations.iter().map(layer).collect::<Option<Vec<Line>>>() else { return vec![] };
        let named = format!("{lines:?}").contains(&format!("Local({:?})", local(&name)));
        let lines = named.then_some(mask).into_iter().chain(lines).collect();
        vec![self.candidate(Way::Layers, "", lines)]
    }

    /// Positions that are 0 where there is padding, for an embedding that a merge reads without a mask.
    fn positions(&self) -> Vec<Candidate> {
        let graph = &self.subject.model.graph;
        let made = |tensor: TensorRef| {
            let layer = graph.layer_of(tensor.call);
            let ids = match graph.call(tensor.call).arguments.as_slice() {
                [one] => match one.value {
                    ArgumentValue::Tensor(ids) => ids,
                    _ => return None,
                },
                _ => return None,
            };
            let rows = layer.settings.get("input_dim")?.as_i64()?;
            // Features with numbers of their own may be 0 anywhere.
            let given = graph.layer_of(ids.call).class == "InputLayer";
            (layer.class == "Embedding" && !given).then_some((tensor.call, ids, rows))
        };
        let [other] = self.unmasked()[..] else { return vec![] };
        let Some((call, ids, rows)) = made(other) else { return vec![] };
        let (mask, name) = self.named_mask();
        let flags = op("cast", [name]).with("dtype", in_keras(self.ty(ids).dtype));
        let moved = op("multiply", [op("add", [Expr::Tensor(ids), constant(1)]), flags]);
        let settings = vec![("input_dim", (rows + 1).into()), ("mask_zero", true.into())];
        let lines = vec![
            mask,
            Line::Setting { layer: graph.call(call).layer, settings },
            Line::Call { call, arguments: vec![(None, moved)] },
        ];
        vec![self.candidate_at(call, Way::Positions, "", lines)]
    }

    /// For a call that computes with another mask than intended, because another call took it off, or because it is
    /// not filled in.
    pub(super) fn for_differing(&self, taken: Option<CallId>) -> Vec<Vec<Candidate>> {
        let explicit = self.explicit_for(&[self.call], &HashSet::from([self.x]));
        let copy = taken.map_or_else(Vec::new, |taker| self.copy(taker));
        vec![explicit, copy]
    }

    /// A copy for the call that takes masks off what it reads.
    fn copy(&self, taker: CallId) -> Vec<Candidate> {
        let graph = &self.subject.model.graph;
        if self.subject.layer(taker).call_masks(&Arguments::of("", vec![])).effect != Effect::TakesMasks {
            return vec![];
        }
        let x = self.x;
        let copied = Expr::Local(self.name("copy"));
        let read = |tensor: TensorRef| if tensor == x { copied.clone() } else { Expr::Tensor(tensor) };
        let arguments = graph.call(taker).arguments.iter();
        let arguments =
            arguments.map(|argument| (argument.keyword.clone(), Expr::of(&argument.value).map(&read)));
        let identity = attached(Expr::Tensor(x), Expr::Constant(().into()));
        let Expr::New { class, settings, arguments: mut of } = identity else { return vec![] };
        of.truncate(1);
        let lines = vec![
            Line::Let { name: local(&copied), value: Expr::New { class, settings, arguments: of } },
            Line::Call { call: taker, arguments: arguments.collect() },
        ];
        vec![self.candidate_at(taker, Way::Copy, &self.quoted(x), lines)]
    }
}

/// Keras' name of an element type.
fn in_keras(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::Bool => "bool",
        DType::Str => "string",
    }
}

fn local(expr: &Expr) -> String {
    match expr {
        Expr::Local(name) => name.clone(),
        _ => String::new(),
    }
}
