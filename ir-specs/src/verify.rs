//! What makes a program well formed: one list of properties for each of the three programs, each checked here
//! and nowhere else.
//!
//! A pass is checked with these in tests and debug builds; a plan read from a file is checked with these before
//! it runs. So all violations are collected, not just the first: a pass author wants to see them together. A
//! node gives at most one, the first that its later checks would only repeat. Checking takes time in the size
//! of what is checked, and never panics whatever is in it.
//!
//! **Layer graphs** ([`layers()`]). What [`LayerGraph`](crate::layers::LayerGraph) itself guarantees (unique
//! layer names, no reference forward) is not checked again.
//! - `LAYERS-1` A call gives at least one tensor.
//! - `LAYERS-2` No two calls are the same call of the same layer.
//! - `LAYERS-3` Positional arguments stand before keywords, and no keyword stands twice.
//! - `LAYERS-4` A list of arguments holds a tensor; what holds none is a constant.
//!
//! **Facts** ([`inferred`]), beside those of the layer graph.
//! - `FACTS-1` There are facts for every call and every output of it, and no others.
//! - `FACTS-2` Every mask that facts name is in the pool, and reads tensors that exist.
//! - `FACTS-3` A mask lies over leading axes: it has at least one and at most those of its tensor.
//! - `FACTS-4` A tensor that is taken as a mask is a bool tensor.
//! - `FACTS-5` The status fits: `none` has no mask on either side; a mask goes out where one was born, carried or
//!   changed; a mask came in where one was carried, changed, consumed or dropped.
//! - `FACTS-6` Weights have different names, and sizes that are known and not negative.
//!
//! **Programs** ([`program()`]).
//! - `PROGRAM-1` A node reads only results of nodes before it.
//! - `PROGRAM-2` An operation fits its operands, and its results have the types that it infers.
//! - `PROGRAM-3` Every value has a name of its own.
//! - `PROGRAM-4` A mask is a bool tensor over leading axes of its value, made before it or by the same node.
//! - `PROGRAM-5` Outputs have different names, and each is a value or a number.
//! - `PROGRAM-6` A number is one of its element type: no text, truth values 0 or 1, integers in range.
//! - `PROGRAM-7` Weights, states and constants have sizes that are known and not negative; constants are not text, and
//!   their elements are numbers of their type.
//! - `PROGRAM-8` The body of a loop is a well-formed program of the same semantics, without weights and states, and
//!   at most 16 loops lie within one another.
//! - `PROGRAM-9` For every state there is an output of its name and type.
//!
//! **Plans** ([`plan()`]). After this a runtime may follow places without checks; sizes that depend on symbols, and
//! the bytes of weights, it must still check itself.
//! - `PLAN-1` Values are numbered in the order in which they are written: inputs, states, the results of the steps.
//! - `PLAN-2` A value is read only after it was written.
//! - `PLAN-3` A value that takes the memory of another one is the first result of a step whose kernel allows it, and
//!   the other one is that operand, of the same size, and made by a step that writes where it is told.
//! - `PLAN-4` A value is not read after another one was written in place of it.
//! - `PLAN-5` A step's operation fits its operands, and its results have the types that it infers; it is not an
//!   input or a weight.
//! - `PLAN-6` Weights are read by places that exist.
//! - `PLAN-7` Weights start at multiples of [`ALIGNMENT`](crate::plan::ALIGNMENT), one after the other.
//! - `PLAN-8` A weight has as many bytes as its shape needs in its layout.
//! - `PLAN-9` Outputs and masks are there at the end, with the type they are said to have; masks are bool.
//! - `PLAN-10` Values, weights, and outputs with masks have different names each.
//! - `PLAN-11` Numbers, constants and bodies are as `PROGRAM-6` to `PROGRAM-8` want them.
//! - `PLAN-12` States have sizes that are known and not negative, and what is kept of each is there at the end, with
//!   its type.
//! - `PLAN-13` A step's kernel takes the operation on operands of these types, and reads its weights in their layouts.

mod layers;
mod plan;
mod program;

use std::collections::HashSet;
use std::fmt;

pub use layers::{inferred, layers};
pub use plan::plan;
pub use program::program;

use crate::ty::{DType, Type};

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The label of the property in the module's list: `PROGRAM-2`.
    pub label: &'static str,
    /// Where: the name of a value, a call, a weight.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { label, place, message } = self;
        write!(f, "{label} at `{}`: {message}", place.escape_debug())
    }
}

/// Everything that does not hold, one a line; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Violations(pub Vec<Violation>);

/// Gathers violations.
#[derive(Default)]
struct Findings(Vec<Violation>);

/// One check: what is wrong, under its label.
type Check = Result<(), (&'static str, String)>;

impl Findings {
    fn add(&mut self, place: impl Into<String>, check: Check) {
        if let Err((label, message)) = check {
            self.0.push(Violation { label, place: place.into(), message });
        }
    }

    /// Every name once.
    fn unique<'a>(&mut self, label: &'static str, names: impl IntoIterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for name in names {
            self.add(name, require(label, seen.insert(name), || "the name is used twice".into()));
        }
    }

    fn finish(self) -> Result<(), Violations> {
        if self.0.is_empty() { Ok(()) } else { Err(Violations(self.0)) }
    }
}

fn require(label: &'static str, holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err((label, message())) }
}

/// Is the mask a bool tensor over leading axes of the type?
pub fn is_mask_of(mask: &Type, ty: &Type) -> bool {
    mask.dtype == DType::Bool && mask.rank() >= 1 && ty.shape.starts_with(&mask.shape)
}

/// Are all sizes known, and not negative?
fn is_static(ty: &Type) -> bool {
    ty.shape.iter().all(|size| size.known().is_some_and(|size| size >= 0))
}
