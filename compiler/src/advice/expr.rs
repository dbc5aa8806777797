//! What a change of a model is made of: expressions over its tensors, with operations and layers of Keras.

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{ArgumentValue, LayerId, Settings, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};
use serde_json::{Value as Json, json};

/// A value of the changed model.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// A tensor of the model.
    Tensor(TensorRef),
    /// What an earlier line gave this name.
    Local(String),
    /// Anything without tensors.
    Constant(Json),
    /// A list.
    List(Vec<Expr>),
    /// `ops.not_equal(x, 0)`: a function of `keras.ops`.
    Op {
        /// Name of the function.
        name: &'static str,
        /// Its operands.
        operands: Vec<Expr>,
        /// Its other arguments.
        settings: Vec<(&'static str, Json)>,
    },
    /// `x[:, 1::2]`: begin and step along each axis, from the front.
    Slice {
        /// What it is a part of.
        of: Box<Expr>,
        /// Begin, end and step along each axis.
        axes: Vec<[Option<i64>; 3]>,
    },
    /// `GRU(3)(x, mask=mask)`: a call of a new layer.
    New {
        /// Class of the layer.
        class: String,
        /// Its settings.
        settings: Settings,
        /// The call's arguments.
        arguments: Vec<(Option<String>, Expr)>,
    },
    /// `embedding(x)`: one more call of a layer of the model.
    Again {
        /// The layer.
        layer: LayerId,
        /// The call's arguments.
        arguments: Vec<(Option<String>, Expr)>,
    },
}

/// A function of `keras.ops`.
pub(super) fn op(name: &'static str, operands: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Op { name, operands: operands.into_iter().collect(), settings: vec![] }
}

/// A number, a word, or anything else without tensors.
pub(super) fn constant(value: impl Into<Json>) -> Expr {
    Expr::Constant(value.into())
}

/// A new layer, called on one tensor or list.
pub(super) fn new(class: &str, settings: Json, x: Expr) -> Expr {
    let settings = settings.as_object().cloned().unwrap_or_default().into_iter().collect();
    Expr::New { class: class.to_owned(), settings, arguments: vec![(None, x)] }
}

/// A tensor with a mask attached: no number changes.
pub(super) fn attached(x: Expr, mask: Expr) -> Expr {
    let identity = json!({ "layer": { "class_name": "Identity", "config": {} } });
    new("TimeDistributed", identity, x).passed("mask", mask)
}

impl Expr {
    /// The same operation with one more argument by name.
    pub(super) fn with(mut self, key: &'static str, value: impl Into<Json>) -> Expr {
        if let Expr::Op { settings, .. } = &mut self {
            settings.push((key, value.into()));
        }
        self
    }

    /// The same call with one more argument by name.
    pub(super) fn passed(mut self, keyword: &str, value: Expr) -> Expr {
        if let Expr::New { arguments, .. } | Expr::Again { arguments, .. } = &mut self {
            arguments.push((Some(keyword.to_owned()), value));
        }
        self
    }

    /// What a call of the model is passed.
    pub(super) fn of(value: &ArgumentValue) -> Expr {
        match value {
            ArgumentValue::Tensor(tensor) => Expr::Tensor(*tensor),
            ArgumentValue::List(items) => Expr::List(items.iter().map(Expr::of).collect()),
            ArgumentValue::Constant(json) => Expr::Constant(json.clone()),
        }
    }

    /// The same with something else in place of each tensor.
    pub(super) fn map(&self, f: &impl Fn(TensorRef) -> Expr) -> Expr {
        match self {
            Expr::Tensor(tensor) => f(*tensor),
            Expr::List(items) => Expr::List(items.iter().map(|item| item.map(f)).collect()),
            other => other.clone(),
        }
    }

    /// How a mask is computed; `None` for one that Keras makes inside a layer.
    pub(super) fn mask(model: &InferredGraph, mask: MaskId) -> Option<Expr> {
        let part = |part: &MaskId| Expr::mask(model, *part);
        let folded = |name: &'static str, parts: &[MaskId]| {
            let mut parts = parts.iter().map(part);
            let first = parts.next().flatten()?;
            parts.try_fold(first, |all, part| Some(op(name, [all, part?])))
        };
        Some(match model.facts.masks.get(mask) {
            MaskExpr::Tensor(flags) => Expr::Tensor(*flags),
            MaskExpr::NotEqual(x, number) => {
                let number = match model.facts.tensor(*x).ty.dtype.is_int() {
                    true => json!(number.0 as i64),
                    false => json!(number.0),
                };
                op("not_equal", [Expr::Tensor(*x), Expr::Constant(number)])
            }
            MaskExpr::AnyLast(inner) => op("any", [part(inner)?]).with("axis", -1),
            MaskExpr::Not(inner) => op("logical_not", [part(inner)?]),
            MaskExpr::Or(parts) => folded("logical_or", parts)?,
            MaskExpr::And(parts) => folded("logical_and", parts)?,
            MaskExpr::Reverse(axis, inner) => op("flip", [part(inner)?]).with("axis", *axis),
            MaskExpr::Expand(axis, inner) => op("expand_dims", [part(inner)?]).with("axis", *axis),
            MaskExpr::Spread(inner, x) => {
                let wide = op("ones_like", [Expr::Tensor(*x)]).with("dtype", "bool");
                op("logical_and", [op("expand_dims", [part(inner)?]).with("axis", -1), wide])
            }
            MaskExpr::Concat(axis, parts) => {
                let parts: Option<Vec<Expr>> = parts.iter().map(part).collect();
                op("concatenate", [Expr::List(parts?)]).with("axis", *axis)
            }
            MaskExpr::Ones(x, rank) => filled(model, "ones_like", *x, *rank)?,
            MaskExpr::Zeros(x, rank) => filled(model, "zeros_like", *x, *rank)?,
            MaskExpr::Band(..) | MaskExpr::Fold(_) | MaskExpr::Unfold(..) | MaskExpr::Unknown(..) => {
                return None;
            }
        })
    }
}

/// True or false over the first axes of a tensor.
fn filled(model: &InferredGraph, name: &'static str, x: TensorRef, rank: u32) -> Option<Expr> {
    let all = model.facts.tensor(x).ty.rank() as u32;
    let flags = op(name, [Expr::Tensor(x)]).with("dtype", "bool");
    match all.checked_sub(rank)? {
        0 => Some(flags),
        1 => Some(op("any", [flags]).with("axis", -1)),
        _ => None,
    }
}
