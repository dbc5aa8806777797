//! Functions of TensorFlow that somebody called on tensors of Keras 2: `TFOpLambda`, `SlicingOpLambda` and their kin.
//!
//! Each that computes what an operation of `keras.ops` computes stands in [`FUNCTIONS`], with what became of its
//! parameters; any other is refused by name. Nothing is looked up in TensorFlow, nothing is run.

use serde_json::{Map, Value as Json, json};

use super::super::config::{Node, Result};
use super::super::{RawArgument, RawCall, RawLayer};

/// What became of a parameter.
#[derive(Clone, Copy)]
enum To {
    /// An argument of the operation's call.
    Argument(&'static str),
    /// A setting of the operation.
    Setting(&'static str),
    /// It has to be this, or absent.
    Only(fn() -> Json),
}

/// A setting and its value.
type Value = (&'static str, fn() -> Json);

/// A function: TensorFlow's name, the operation's, parameters behind the first one, settings that are the same always.
struct Function(&'static str, &'static str, &'static [(&'static str, To)], &'static [Value]);

const ALONE: &[(&str, To)] = &[];
const SECOND: &[(&str, To)] = &[("y", To::Argument("x2"))];
const AXES: &[(&str, To)] = &[("axis", To::Setting("axis")), ("keepdims", To::Setting("keepdims"))];
const AXIS: &[(&str, To)] = &[("axis", To::Setting("axis"))];
const FROM_FIRST: &[Value] = &[("axis", || 0.into())];
const FROM_LAST: &[Value] = &[("axis", || (-1).into())];
const PERMUTED: &[(&str, To)] = &[("perm", To::Setting("axes")), ("conjugate", To::Only(|| false.into()))];
const ROUNDED: &[Value] = &[("approximate", || false.into())];
const SAME: &[Value] = &[];
const FALSE: To = To::Only(|| Json::Bool(false));

/// Every function known, sorted by name.
#[rustfmt::skip]
const FUNCTIONS: &[Function] = &[
    Function("__operators__.add", "Add", SECOND, SAME),
    Function("__operators__.getitem", "GetItem", &[("slice_spec", To::Argument("key"))], SAME),
    Function("broadcast_to", "BroadcastTo", &[("shape", To::Setting("shape"))], SAME),
    Function("cast", "Cast", &[("dtype", To::Setting("dtype"))], SAME),
    Function("clip_by_value", "Clip", &[("clip_value_min", To::Setting("x_min")), ("clip_value_max", To::Setting("x_max"))], SAME),
    Function("compat.v1.squeeze", "Squeeze", AXIS, SAME),
    Function("compat.v1.transpose", "Transpose", PERMUTED, SAME),
    Function("concat", "Concatenate", AXIS, SAME),
    Function("expand_dims", "ExpandDims", AXIS, SAME),
    Function("identity", "Copy", ALONE, SAME),
    Function("linalg.matmul", "Matmul", &[("b", To::Argument("x2")), ("transpose_a", FALSE), ("transpose_b", FALSE), ("adjoint_a", FALSE), ("adjoint_b", FALSE), ("a_is_sparse", FALSE), ("b_is_sparse", FALSE)], SAME),
    Function("math.abs", "Absolute", ALONE, SAME),
    Function("math.add", "Add", SECOND, SAME),
    Function("math.ceil", "Ceil", ALONE, SAME),
    Function("math.cos", "Cos", ALONE, SAME),
    Function("math.cumprod", "Cumprod", &[("axis", To::Setting("axis")), ("exclusive", FALSE), ("reverse", FALSE)], FROM_FIRST),
    Function("math.cumsum", "Cumsum", &[("axis", To::Setting("axis")), ("exclusive", FALSE), ("reverse", FALSE)], FROM_FIRST),
    Function("math.divide", "TrueDivide", SECOND, SAME),
    Function("math.equal", "Equal", SECOND, SAME),
    Function("math.erf", "Erf", ALONE, SAME),
    Function("math.exp", "Exp", ALONE, SAME),
    Function("math.floor", "Floor", ALONE, SAME),
    Function("math.floordiv", "FloorDivide", SECOND, SAME),
    Function("math.floormod", "Mod", SECOND, SAME),
    Function("math.greater", "Greater", SECOND, SAME),
    Function("math.greater_equal", "GreaterEqual", SECOND, SAME),
    Function("math.is_finite", "Isfinite", ALONE, SAME),
    Function("math.is_nan", "Isnan", ALONE, SAME),
    Function("math.less", "Less", SECOND, SAME),
    Function("math.less_equal", "LessEqual", SECOND, SAME),
    Function("math.log", "Log", ALONE, SAME),
    Function("math.logical_and", "LogicalAnd", SECOND, SAME),
    Function("math.logical_not", "LogicalNot", ALONE, SAME),
    Function("math.logical_or", "LogicalOr", SECOND, SAME),
    Function("math.logical_xor", "LogicalXor", SECOND, SAME),
    Function("math.maximum", "Maximum", SECOND, SAME),
    Function("math.minimum", "Minimum", SECOND, SAME),
    Function("math.multiply", "Multiply", SECOND, SAME),
    Function("math.negative", "Negative", ALONE, SAME),
    Function("math.not_equal", "NotEqual", SECOND, SAME),
    Function("math.pow", "Power", SECOND, SAME),
    Function("math.reciprocal", "Reciprocal", ALONE, SAME),
    Function("math.reduce_all", "All", AXES, SAME),
    Function("math.reduce_any", "Any", AXES, SAME),
    Function("math.reduce_logsumexp", "Logsumexp", AXES, SAME),
    Function("math.reduce_max", "Max", AXES, SAME),
    Function("math.reduce_mean", "Mean", AXES, SAME),
    Function("math.reduce_min", "Min", AXES, SAME),
    Function("math.reduce_prod", "Prod", AXES, SAME),
    Function("math.reduce_std", "Std", AXES, SAME),
    Function("math.reduce_sum", "Sum", AXES, SAME),
    Function("math.reduce_variance", "Var", AXES, SAME),
    Function("math.rsqrt", "Rsqrt", ALONE, SAME),
    Function("math.sigmoid", "Sigmoid", ALONE, SAME),
    Function("math.sign", "Sign", ALONE, SAME),
    Function("math.sin", "Sin", ALONE, SAME),
    Function("math.softplus", "Softplus", ALONE, SAME),
    Function("math.sqrt", "Sqrt", ALONE, SAME),
    Function("math.square", "Square", ALONE, SAME),
    Function("math.subtract", "Subtract", SECOND, SAME),
    Function("math.tanh", "Tanh", ALONE, SAME),
    Function("math.truediv", "TrueDivide", SECOND, SAME),
    Function("nn.elu", "Elu", ALONE, SAME),
    Function("nn.gelu", "Gelu", &[("approximate", To::Setting("approximate"))], ROUNDED),
    Function("nn.leaky_relu", "LeakyRelu", &[("alpha", To::Setting("negative_slope"))], SAME),
    Function("nn.log_softmax", "LogSoftmax", AXIS, FROM_LAST),
    Function("nn.relu", "Relu", ALONE, SAME),
    Function("nn.relu6", "Relu6", ALONE, SAME),
    Function("nn.selu", "Selu", ALONE, SAME),
    Function("nn.sigmoid", "Sigmoid", ALONE, SAME),
    Function("nn.silu", "Silu", &[("beta", To::Only(|| json!(1.0)))], SAME),
    Function("nn.softmax", "Softmax", AXIS, FROM_LAST),
    Function("nn.softplus", "Softplus", ALONE, SAME),
    Function("nn.softsign", "Softsign", ALONE, SAME),
    Function("nn.tanh", "Tanh", ALONE, SAME),
    Function("one_hot", "OneHot", &[("depth", To::Setting("num_classes")), ("axis", To::Setting("axis"))], FROM_LAST),
    Function("ones_like", "OnesLike", ALONE, SAME),
    Function("repeat", "Repeat", &[("repeats", To::Setting("repeats")), ("axis", To::Setting("axis"))], SAME),
    Function("reshape", "Reshape", &[("shape", To::Setting("newshape"))], SAME),
    Function("reverse", "Flip", AXIS, SAME),
    Function("squeeze", "Squeeze", AXIS, SAME),
    Function("stack", "Stack", AXIS, FROM_FIRST),
    Function("tile", "Tile", &[("multiples", To::Setting("repeats"))], SAME),
    Function("transpose", "Transpose", PERMUTED, SAME),
    Function("unstack", "Unstack", &[("axis", To::Setting("axis")), ("num", To::Setting("num"))], FROM_FIRST),
    Function("where", "Where", &[("x", To::Argument("x1")), ("y", To::Argument("x2"))], SAME),
    Function("zeros_like", "ZerosLike", ALONE, SAME),
];

/// A function of TensorFlow as the operation that it is; any other layer as it was.
pub(super) fn translated(mut raw: RawLayer, entry: &Node<'_>) -> Result<RawLayer> {
    if !matches!(
        raw.class.as_str(),
        "ClassMethod"
            | "InstanceMethod"
            | "InstanceProperty"
            | "SlicingOpLambda"
            | "TFOpLambda"
            | "TensorFlowOpLayer"
    ) {
        return Ok(raw);
    }
    let expected = "a function of TensorFlow that is also one of keras.ops";
    let name = raw.settings.get("function").and_then(Json::as_str).unwrap_or(&raw.class);
    let Some(function) = FUNCTIONS.iter().find(|function| function.0 == name) else {
        return entry.fail_with(expected, name);
    };
    let [call] = raw.calls.as_slice() else {
        return entry.fail_with("one call of a function of TensorFlow", raw.calls.len().to_string());
    };
    let mut settings: Map<String, Json> =
        function.3.iter().map(|(key, value)| ((*key).to_owned(), value())).collect();
    raw.calls = vec![function.call(call, &mut settings, entry)?];
    raw.class = format!("ops.{}", function.1);
    raw.settings = settings;
    Ok(raw)
}

impl Function {
    /// The operation's call; constants that are settings of the operation become such.
    fn call(&self, call: &RawCall, settings: &mut Map<String, Json>, entry: &Node<'_>) -> Result<RawCall> {
        let mut arguments: RawCall = vec![];
        for (keyword, value) in call {
            let Some(key) = keyword else {
                arguments.push((None, value.clone()));
                continue;
            };
            let nothing = matches!(value, RawArgument::Constant(Json::Null));
            if nothing || key == "name" {
                continue;
            }
            let unknown = || {
                entry.fail_with(
                    "an argument that the function has in keras.ops too",
                    format!("`{key}` of {}", self.0),
                )
            };
            match (self.2.iter().find(|(name, _)| name == key).map(|(_, to)| *to), value) {
                (Some(To::Argument("key")), RawArgument::Constant(spec)) => {
                    arguments.push((Some("key".to_owned()), RawArgument::Constant(slices(spec))));
                }
                (Some(To::Argument(name)), value) => arguments.push((Some(name.to_owned()), value.clone())),
                (Some(To::Setting(name)), RawArgument::Constant(value)) => {
                    settings.insert(name.to_owned(), value.clone());
                }
                (Some(To::Only(only)), RawArgument::Constant(value)) if *value == only() => {}
                _ => return unknown(),
            }
        }
        Ok(arguments)
    }
}

/// A key of Python's indexing, with slices as Keras 3 writes them.
fn slices(spec: &Json) -> Json {
    match spec {
        Json::Array(items) => items.iter().map(slices).collect(),
        Json::Object(slice) if slice.contains_key("step") && !slice.contains_key("class_name") => {
            json!({ "class_name": "__slice__", "config": slice })
        }
        item => item.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;
    use crate::layers;

    #[test]
    fn functions_are_sorted_and_lead_to_operations() {
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.0));
        for function in FUNCTIONS {
            assert!(layers::find(&format!("ops.{}", function.1)).is_some(), "{}", function.1);
        }
    }
}
