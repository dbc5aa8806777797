//! Where a finding is: the call, the tensor it reads, the mask, and the calls after it that use the mask.

use std::collections::HashSet;

use masque_ir::layers::{CallId, TensorRef};
use masque_ir::{DType, Type};

use super::change::Line;
use super::expr::{Expr, attached, constant, op};
use super::python::{Python, identifier};
use crate::diagnostics::{After, Subject};
use crate::layer::Way;
use crate::layer::{Arguments, Reads};
use crate::masks;

/// A way at a place, and how it changes the model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) way: Way,
    pub(super) text: String,
    pub(super) lines: Vec<Line>,
}

/// As many calls are passed a mask one by one; more are better served by one mask attached to what they read.
pub(super) const MOST_PASSED: usize = 4;

/// A call, and the mask that is lost there or that it should know.
pub(super) struct Place<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) call: CallId,
    /// What the call reads under the mask.
    pub(super) x: TensorRef,
    /// How the mask is computed.
    pub(super) mask: Expr,
    /// The number of axes that the mask covers.
    pub(super) rank: usize,
}

impl Place<'_> {
    pub(super) fn ty(&self, tensor: TensorRef) -> &Type {
        &self.subject.model.facts.tensor(tensor).ty
    }

    /// The call's first output.
    pub(super) fn y(&self) -> TensorRef {
        TensorRef { call: self.call, output: 0 }
    }

    pub(super) fn class(&self) -> &str {
        &self.subject.model.graph.layer_of(self.call).class
    }

    pub(super) fn setting(&self, key: &str) -> Option<&serde_json::Value> {
        self.subject.model.graph.layer_of(self.call).settings.get(key)
    }

    /// Does the call give what it gives for every position at that position?
    pub(super) fn keeps_positions(&self) -> bool {
        let (x, y) = (self.ty(self.x), self.ty(self.y()));
        y.rank() > self.rank && y.shape[..self.rank] == x.shape[..self.rank]
    }

    /// A name that no call has.
    pub(super) fn name(&self, wanted: &str) -> String {
        let graph = &self.subject.model.graph;
        let taken: HashSet<String> = graph.calls().map(|call| identifier(&graph.call_name(call))).collect();
        let mut names =
            std::iter::once(wanted.to_owned()).chain((2..).map(|number| format!("{wanted}_{number}")));
        names.find(|name| !taken.contains(name)).unwrap_or_default()
    }

    /// The line that names the mask, and the name.
    pub(super) fn named_mask(&self) -> (Line, Expr) {
        let name = self.name("mask");
        (Line::Let { name: name.clone(), value: self.mask.clone() }, Expr::Local(name))
    }

    /// The mask with an axis of size 1 for every further axis of a tensor.
    pub(super) fn wide(&self, mask: Expr, x: TensorRef) -> Expr {
        let axes = self.ty(x).rank().saturating_sub(self.rank);
        (0..axes).fold(mask, |mask, _| op("expand_dims", [mask]).with("axis", -1))
    }

    /// The tensor with a number in place of its padding.
    pub(super) fn filled(&self, mask: Expr, x: TensorRef, number: f64) -> Option<Expr> {
        let number = match self.ty(x).dtype {
            DType::F32 | DType::F64 => constant(number),
            DType::I32 | DType::I64 => constant(number as i64),
            _ => return None,
        };
        Some(op("where", [self.wide(mask, x), Expr::Tensor(x), number]))
    }

    /// The call's arguments with something else in place of what it reads under the mask.
    pub(super) fn reading(&self, new: &Expr) -> Vec<(Option<String>, Expr)> {
        let x = self.x;
        let arguments = self.subject.model.graph.call(self.call).arguments.iter();
        let arguments = arguments.filter(|argument| argument.keyword.as_deref() != Some("mask"));
        let changed = |tensor: TensorRef| if tensor == x { new.clone() } else { Expr::Tensor(tensor) };
        arguments
            .map(|argument| (argument.keyword.clone(), Expr::of(&argument.value).map(&changed)))
            .collect()
    }

    /// A way at this call.
    pub(super) fn candidate(&self, way: Way, x: &str, lines: Vec<Line>) -> Candidate {
        self.candidate_at(self.call, way, x, lines)
    }

    /// A way that changes another call.
    pub(super) fn candidate_at(&self, call: CallId, way: Way, x: &str, lines: Vec<Line>) -> Candidate {
        let text = way.text().replace("{call}", &self.subject.model.graph.call_name(call)).replace("{x}", x);
        Candidate { way, text, lines }
    }

    /// `` `x` ``
    pub(super) fn quoted(&self, tensor: TensorRef) -> String {
        format!("`{}`", Python { graph: &self.subject.model.graph }.tensor(tensor))
    }

    /// Gives the mask to what uses it after the call and gets none: an argument for each of a few calls, or else a mask
    /// attached to what the call gives. Nothing where nothing uses it.
    pub(super) fn restored(&self, mask: &Expr) -> Vec<Line> {
        let Some(after) = self.after() else { return vec![] };
        self.given_to(&after.users, &after, mask)
    }

    /// The same for calls that get the mask now.
    pub(super) fn restored_to_all(&self, mask: &Expr) -> Vec<Line> {
        let Some(after) = self.after() else { return vec![] };
        let graph = &self.subject.model.graph;
        let readers = after.tensors.iter().flat_map(|tensor| graph.readers(tensor.call));
        let mut users: Vec<CallId> =
            readers.filter(|(_, read)| after.tensors.contains(read)).map(|(reader, _)| reader).collect();
        users.retain(|&user| masks::uses(self.subject.layer(user)));
        users.sort();
        users.dedup();
        self.given_to(&users, &after, mask)
    }

    /// What comes after the call, as far as its outputs have the axes of the mask.
    fn after(&self) -> Option<After> {
        let y = self.ty(self.y());
        let axes = (y.rank() > self.rank).then(|| y.shape[..self.rank].to_vec())?;
        Some(self.subject.after(self.call, true, |ty| ty.shape.starts_with(&axes)))
    }

    fn given_to(&self, users: &[CallId], after: &After, mask: &Expr) -> Vec<Line> {
        let lines: Option<Vec<Line>> =
            users.iter().map(|&user| self.passed(user, &after.tensors, mask)).collect();
        match lines.filter(|lines| lines.len() <= MOST_PASSED) {
            Some(lines) => lines,
            None => {
                vec![Line::Tensor { tensor: self.y(), value: attached(Expr::Tensor(self.y()), mask.clone()) }]
            }
        }
    }

    /// A call with the mask of these tensors passed explicitly; `None` where it takes none.
    pub(super) fn passed(&self, user: CallId, tensors: &HashSet<TensorRef>, mask: &Expr) -> Option<Line> {
        let (model, layer) = (self.subject.model, self.subject.layer(user));
        let call = model.graph.call(user);
        let bound = Arguments::bind(call, layer.signature().parameters).ok()?;
        let mut arguments: Vec<(Option<String>, Expr)> = call
            .arguments
            .iter()
            .map(|argument| (argument.keyword.clone(), Expr::of(&argument.value)))
            .collect();
        let mut pass = |keyword: String, value: Expr| {
            arguments.retain(|(other, _)| other.as_ref() != Some(&keyword));
            arguments.push((Some(keyword), value));
        };
        let concerned = |tensor: &TensorRef| tensors.contains(tensor);
        match masks::reads(layer) {
            Reads::Nothing => return None,
            Reads::Argument => match bound.data() {
                [_] => pass("mask".to_owned(), mask.clone()),
                several => {
                    let own = |tensor: &TensorRef| model.facts.tensor(*tensor).mask;
                    let masks = several.iter().map(|tensor| match (concerned(tensor), own(tensor)) {
                        (true, _) => mask.clone(),
                        (false, Some(own)) => Expr::mask(model, own).unwrap_or(Expr::Constant(().into())),
                        (false, None) => Expr::Constant(().into()),
                    });
                    pass("mask".to_owned(), Expr::List(masks.collect()));
                }
            },
            Reads::Each { .. } => {
                // A mask for the query only changes what padded positions get.
                let names = bound.data_parameters().into_iter().filter(|name| *name != "query");
                let names: Vec<String> = names
                    .filter(|name| bound.tensors(name).iter().any(concerned))
                    .map(|name| format!("{name}_mask"))
                    .collect();
                names.into_iter().for_each(|name| pass(name, mask.clone()));
            }
            Reads::Own => {
                let masked = |tensor: TensorRef| match tensors.contains(&tensor) {
                    true => attached(Expr::Tensor(tensor), mask.clone()),
                    false => Expr::Tensor(tensor),
                };
                arguments.iter_mut().for_each(|(_, value)| *value = value.map(&masked));
            }
        }
        Some(Line::Call { call: user, arguments })
    }
}
