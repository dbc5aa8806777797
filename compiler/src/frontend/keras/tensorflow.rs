//! Functions of TensorFlow that somebody called on tensors of Keras 2: `TFOpLambda`, `SlicingOpLambda` and their kin.
//!
//! Each that computes what an operation of `keras.ops` computes stands in [`FUNCTIONS`], with what became of its
//! parameters; any other is refused by name. Nothing is looked up in TensorFlow, nothing is run.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::super::config::{Node, Result};
use super::super::{RawArgument, RawCall, RawLayer, RawTensor};

/// What became of a parameter.
#[derive(Clone, Copy)]
enum To {
    /// An argument of the operation's call.
    Argument(&'static str),
    /// A setting of the operation.
    Setting(&'static str),
    /// A setting of the operation, said in other words; none if they say nothing that the operation knows.
    Said(&'static str, fn(&Json) -> Option<Json>),
    /// It has to be this, or absent.
    Only(fn() -> Json),
    /// It changes nothing.
    Nothing,
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
const KEEPDIMS: (&str, To) = ("keepdims", To::Setting("keepdims"));
const OF_AXIS: (&str, To) = ("axis", To::Setting("axis"));
const WINDOWS: &[(&str, To)] = &[
    ("ksize", To::Said("pool_size", spatial)),
    ("strides", To::Said("strides", spatial)),
    ("padding", To::Said("padding", small)),
    ("data_format", To::Only(|| Json::Null)),
];
const OF_MATRICES: &[Value] = &[("axis1", || (-2).into()), ("axis2", || (-1).into())];

const ASCENDING: To = To::Only(|| "ASCENDING".into());
const NORM: &[(&str, To)] = &[("ord", To::Said("ord", euclidean)), OF_AXIS, KEEPDIMS];
const PAD: &[(&str, To)] = &[
    ("paddings", To::Setting("pad_width")),
    ("mode", To::Said("mode", small)),
    ("constant_values", To::Argument("constant_values")),
];
/// TensorFlow counts positions in i64, from the first axis if none is named.
const OF_POSITIONS: &[Value] = &[("axis", || 0.into()), ("dtype", || "int64".into())];
/// Without an axis all elements count: there is no such operation, and the word is refused.
const UNIT_LENGTH: &[Value] = &[("axis", || "all".into()), ("epsilon", || json!(1e-6))];

/// Every function known, sorted by name.
#[rustfmt::skip]
const FUNCTIONS: &[Function] = &[
    Function("__operators__.add", "Add", SECOND, SAME),
    Function("__operators__.getitem", "GetItem", &[("slice_spec", To::Argument("key"))], SAME),
    Function("argsort", "Argsort", &[OF_AXIS, ("direction", ASCENDING), ("stable", To::Nothing)], FROM_LAST),
    Function("broadcast_to", "BroadcastTo", &[("shape", To::Setting("shape"))], SAME),
    Function("cast", "Cast", &[("dtype", To::Said("dtype", element_type))], SAME),
    Function("clip_by_value", "Clip", &[("clip_value_min", To::Setting("x_min")), ("clip_value_max", To::Setting("x_max"))], SAME),
    Function("compat.v1.floor_div", "FloorDivide", SECOND, SAME),
    Function("compat.v1.gather", "Take", &[("indices", To::Argument("indices")), OF_AXIS, ("batch_dims", To::Only(|| 0.into()))], FROM_FIRST),
    Function("compat.v1.nn.conv1d", "Conv", &[("filters", To::Argument("kernel")), ("stride", To::Said("strides", spatial)), ("padding", To::Said("padding", small)), ("use_cudnn_on_gpu", To::Nothing), ("data_format", To::Only(|| "NWC".into())), ("dilations", To::Said("dilation_rate", spatial))], SAME),
    Function("compat.v1.nn.embedding_lookup", "Take", &[("ids", To::Argument("indices")), ("partition_strategy", To::Nothing)], FROM_FIRST),
    Function("compat.v1.norm", "Norm", NORM, SAME),
    Function("compat.v1.pad", "Pad", PAD, SAME),
    Function("compat.v1.shape", "Shape", &[("out_type", To::Only(|| "int32".into()))], SAME),
    Function("compat.v1.squeeze", "Squeeze", AXIS, SAME),
    Function("compat.v1.transpose", "Transpose", PERMUTED, SAME),
    Function("concat", "Concatenate", AXIS, SAME),
    Function("ensure_shape", "Copy", &[("shape", To::Nothing)], SAME),
    Function("expand_dims", "ExpandDims", AXIS, SAME),
    Function("gather", "Take", &[("indices", To::Argument("indices")), OF_AXIS, ("batch_dims", To::Only(|| 0.into()))], FROM_FIRST),
    Function("identity", "Copy", ALONE, SAME),
    Function("linalg.cross", "Cross", &[("b", To::Argument("x2"))], SAME),
    Function("linalg.diag_part", "Diagonal", &[("k", To::Only(|| 0.into()))], OF_MATRICES),
    Function("linalg.matmul", "Matmul", &[("b", To::Argument("x2")), ("transpose_a", To::Setting("transpose_x1")), ("transpose_b", To::Setting("transpose_x2")), ("adjoint_a", To::Setting("transpose_x1")), ("adjoint_b", To::Setting("transpose_x2")), ("a_is_sparse", FALSE), ("b_is_sparse", FALSE)], SAME),
    Function("linalg.trace", "Trace", ALONE, OF_MATRICES),
    Function("math.abs", "Absolute", ALONE, SAME),
    Function("math.acos", "Arccos", ALONE, SAME),
    Function("math.acosh", "Arccosh", ALONE, SAME),
    Function("math.add", "Add", SECOND, SAME),
    Function("math.argmax", "Argmax", &[OF_AXIS, ("output_type", To::Said("dtype", element_type))], OF_POSITIONS),
    Function("math.argmin", "Argmin", &[OF_AXIS, ("output_type", To::Said("dtype", element_type))], OF_POSITIONS),
    Function("math.asin", "Arcsin", ALONE, SAME),
    Function("math.asinh", "Arcsinh", ALONE, SAME),
    Function("math.atan", "Arctan", ALONE, SAME),
    Function("math.atan2", "Arctan2", &[("x", To::Argument("x2"))], SAME),
    Function("math.atanh", "Arctanh", ALONE, SAME),
    Function("math.ceil", "Ceil", ALONE, SAME),
    Function("math.cos", "Cos", ALONE, SAME),
    Function("math.cosh", "Cosh", ALONE, SAME),
    Function("math.cumprod", "Cumprod", &[("axis", To::Setting("axis")), ("exclusive", To::Setting("exclusive")), ("reverse", To::Setting("reverse"))], FROM_FIRST),
    Function("math.cumsum", "Cumsum", &[("axis", To::Setting("axis")), ("exclusive", To::Setting("exclusive")), ("reverse", To::Setting("reverse"))], FROM_FIRST),
    Function("math.divide", "TrueDivide", SECOND, SAME),
    Function("math.divide_no_nan", "DivideNoNan", SECOND, SAME),
    Function("math.equal", "Equal", SECOND, SAME),
    Function("math.erf", "Erf", ALONE, SAME),
    Function("math.exp", "Exp", ALONE, SAME),
    Function("math.expm1", "Expm1", ALONE, SAME),
    Function("math.floor", "Floor", ALONE, SAME),
    Function("math.floordiv", "FloorDivide", SECOND, SAME),
    Function("math.floormod", "Mod", SECOND, SAME),
    Function("math.greater", "Greater", SECOND, SAME),
    Function("math.greater_equal", "GreaterEqual", SECOND, SAME),
    Function("math.is_finite", "Isfinite", ALONE, SAME),
    Function("math.is_inf", "Isinf", ALONE, SAME),
    Function("math.is_nan", "Isnan", ALONE, SAME),
    Function("math.l2_normalize", "Normalize", &[("axis", To::Setting("axis")), ("epsilon", To::Said("epsilon", root))], UNIT_LENGTH),
    Function("math.less", "Less", SECOND, SAME),
    Function("math.less_equal", "LessEqual", SECOND, SAME),
    Function("math.log", "Log", ALONE, SAME),
    Function("math.log1p", "Log1p", ALONE, SAME),
    Function("math.log_sigmoid", "LogSigmoid", ALONE, SAME),
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
    Function("math.reduce_euclidean_norm", "Norm", AXES, SAME),
    Function("math.reduce_logsumexp", "Logsumexp", AXES, SAME),
    Function("math.reduce_max", "Max", AXES, SAME),
    Function("math.reduce_mean", "Mean", AXES, SAME),
    Function("math.reduce_min", "Min", AXES, SAME),
    Function("math.reduce_prod", "Prod", AXES, SAME),
    Function("math.reduce_std", "Std", AXES, SAME),
    Function("math.reduce_sum", "Sum", AXES, SAME),
    Function("math.reduce_variance", "Var", AXES, SAME),
    Function("math.round", "Round", ALONE, SAME),
    Function("math.rsqrt", "Rsqrt", ALONE, SAME),
    Function("math.sigmoid", "Sigmoid", ALONE, SAME),
    Function("math.sign", "Sign", ALONE, SAME),
    Function("math.sin", "Sin", ALONE, SAME),
    Function("math.sinh", "Sinh", ALONE, SAME),
    Function("math.softmax", "Softmax", AXIS, FROM_LAST),
    Function("math.softplus", "Softplus", ALONE, SAME),
    Function("math.softsign", "Softsign", ALONE, SAME),
    Function("math.sqrt", "Sqrt", ALONE, SAME),
    Function("math.square", "Square", ALONE, SAME),
    Function("math.subtract", "Subtract", SECOND, SAME),
    Function("math.tan", "Tan", ALONE, SAME),
    Function("math.tanh", "Tanh", ALONE, SAME),
    Function("math.top_k", "TopK", &[("k", To::Setting("k")), ("sorted", To::Setting("sorted")), ("index_type", To::Only(|| "int32".into()))], &[("k", || 1.into())]),
    Function("math.truediv", "TrueDivide", SECOND, SAME),
    Function("nn.avg_pool1d", "AveragePool", WINDOWS, SAME),
    Function("nn.avg_pool2d", "AveragePool", WINDOWS, SAME),
    Function("nn.bias_add", "Add", &[("bias", To::Argument("x2"))], SAME),
    Function("nn.elu", "Elu", ALONE, SAME),
    Function("nn.gelu", "Gelu", &[("approximate", To::Setting("approximate"))], ROUNDED),
    Function("nn.leaky_relu", "LeakyRelu", &[("alpha", To::Setting("negative_slope"))], SAME),
    Function("nn.log_softmax", "LogSoftmax", AXIS, FROM_LAST),
    Function("nn.max_pool1d", "MaxPool", WINDOWS, SAME),
    Function("nn.max_pool2d", "MaxPool", WINDOWS, SAME),
    Function("nn.relu", "Relu", ALONE, SAME),
    Function("nn.relu6", "Relu6", ALONE, SAME),
    Function("nn.selu", "Selu", ALONE, SAME),
    Function("nn.sigmoid", "Sigmoid", ALONE, SAME),
    Function("nn.silu", "Silu", &[("beta", To::Only(|| json!(1.0)))], SAME),
    Function("nn.softmax", "Softmax", AXIS, FROM_LAST),
    Function("nn.softplus", "Softplus", ALONE, SAME),
    Function("nn.softsign", "Softsign", ALONE, SAME),
    Function("nn.tanh", "Tanh", ALONE, SAME),
    Function("norm", "Norm", NORM, SAME),
    Function("one_hot", "OneHot", &[("depth", To::Setting("num_classes")), ("axis", To::Setting("axis"))], FROM_LAST),
    Function("ones_like", "OnesLike", ALONE, SAME),
    Function("pad", "Pad", PAD, SAME),
    Function("repeat", "Repeat", &[("repeats", To::Setting("repeats")), ("axis", To::Setting("axis"))], SAME),
    Function("reshape", "Reshape", &[("shape", To::Setting("newshape"))], SAME),
    Function("reverse", "Flip", AXIS, SAME),
    Function("roll", "Roll", &[("shift", To::Setting("shift")), OF_AXIS], SAME),
    Function("sequence_mask", "SequenceMask", &[("maxlen", To::Setting("maxlen")), ("dtype", To::Said("dtype", element_type))], SAME),
    Function("sort", "Sort", &[OF_AXIS, ("direction", ASCENDING)], FROM_LAST),
    Function("split", "Split", &[("num_or_size_splits", To::Said("indices_or_sections", cuts)), OF_AXIS, ("num", To::Nothing)], FROM_FIRST),
    Function("squeeze", "Squeeze", AXIS, SAME),
    Function("stack", "Stack", AXIS, FROM_FIRST),
    Function("stop_gradient", "StopGradient", ALONE, SAME),
    Function("tensordot", "Tensordot", &[("b", To::Argument("x2")), ("axes", To::Setting("axes"))], SAME),
    Function("tile", "Tile", &[("multiples", To::Setting("repeats"))], SAME),
    Function("transpose", "Transpose", PERMUTED, SAME),
    Function("unstack", "Unstack", &[("axis", To::Setting("axis")), ("num", To::Setting("num"))], FROM_FIRST),
    Function("where", "Where", &[("x", To::Argument("x1")), ("y", To::Argument("x2"))], SAME),
    Function("zeros_like", "ZerosLike", ALONE, SAME),
];

/// What is known of tensors that hold sizes of other tensors, by the layers that make them.
#[derive(Default)]
pub(super) struct Sizes(HashMap<String, Size>);

/// Sizes of a tensor.
enum Size {
    /// Of all its axes.
    All(RawTensor),
    /// Of one axis.
    Of(RawTensor, i64),
}

impl Sizes {
    /// Takes note of a layer that gives sizes.
    fn note(&mut self, raw: &RawLayer) {
        let [call] = raw.calls.as_slice() else { return };
        let size = match (raw.class.as_str(), call.as_slice()) {
            ("ops.Shape", [(None, RawArgument::Tensor(x))]) => Size::All(x.clone()),
            ("ops.GetItem", [(None, RawArgument::Tensor(sizes)), (_, RawArgument::Constant(key))]) => {
                match (self.0.get(&sizes.layer), key.as_i64()) {
                    (Some(Size::All(x)), Some(axis)) => Size::Of(x.clone(), axis),
                    _ => return,
                }
            }
            _ => return,
        };
        self.0.insert(raw.name.clone(), size);
    }

    /// A reshape to sizes some of which are those of tensors.
    fn reshape(&self, raw: &mut RawLayer) -> Option<()> {
        let [call] = raw.calls.as_mut_slice() else { return None };
        let place = call.iter().position(|(keyword, _)| keyword.as_deref() == Some("shape"))?;
        let RawArgument::List(items) = &call[place].1 else { return None };
        let (mut shape, mut axes, mut tensors) = (vec![], vec![], vec![]);
        for item in items {
            match item {
                RawArgument::Constant(size) => shape.push(size.clone()),
                RawArgument::Tensor(tensor) => {
                    let Size::Of(x, axis) = self.0.get(&tensor.layer)? else { return None };
                    shape.push(Json::Null);
                    axes.push(*axis);
                    tensors.push(RawArgument::Tensor(x.clone()));
                }
                RawArgument::List(_) => return None,
            }
        }
        call[place] = (Some("sizes".to_owned()), RawArgument::List(tensors));
        raw.class = "ops.ReshapeTo".to_owned();
        raw.settings =
            Map::from_iter([("newshape".to_owned(), shape.into()), ("axes".to_owned(), axes.into())]);
        Some(())
    }
}

/// A function of TensorFlow as the operation that it is; any other layer as it was.
pub(super) fn translated(mut raw: RawLayer, entry: &Node<'_>, sizes: &mut Sizes) -> Result<RawLayer> {
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
    let name = raw.settings.get("function").and_then(Json::as_str).unwrap_or(&raw.class).to_owned();
    if name == "reshape" && sizes.reshape(&mut raw).is_some() {
        return Ok(raw);
    }
    let Some(function) = FUNCTIONS.iter().find(|function| function.0 == name) else {
        return entry.fail_with(expected, name.as_str());
    };
    let [call] = raw.calls.as_slice() else {
        return entry.fail_with("one call of a function of TensorFlow", raw.calls.len().to_string());
    };
    let mut settings: Map<String, Json> =
        function.3.iter().map(|(key, value)| ((*key).to_owned(), value())).collect();
    raw.calls = vec![function.call(call, &mut settings, entry)?];
    raw.class = format!("ops.{}", function.1);
    raw.settings = settings;
    sizes.note(&raw);
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
                (Some(To::Said(name, say)), RawArgument::Constant(value)) => match say(value) {
                    Some(value) => drop(settings.insert(name.to_owned(), value)),
                    None => return unknown(),
                },
                (Some(To::Only(only)), RawArgument::Constant(value)) if *value == only() => {}
                (Some(To::Nothing), RawArgument::Constant(_)) => {}
                _ => return unknown(),
            }
        }
        Ok(arguments)
    }
}

fn element_type(name: &Json) -> Option<Json> {
    Some(super::settings2::element_type(name))
}

/// One number for each spatial axis; TensorFlow names those of the batch and the channels, too.
fn spatial(sizes: &Json) -> Option<Json> {
    match sizes.as_array().map(Vec::as_slice) {
        None => Some(sizes.clone()),
        Some([batch, between @ .., channels]) if *batch == 1 && *channels == 1 => {
            Some(between.to_vec().into())
        }
        Some(_) => None,
    }
}

/// A word in small letters.
fn small(word: &Json) -> Option<Json> {
    word.as_str().map(|word| word.to_lowercase().into())
}

/// The same length, before its root is taken.
fn root(square: &Json) -> Option<Json> {
    square.as_f64().map(|square| json!(square.sqrt()))
}

/// The order of a norm that is one whatever the axes are.
fn euclidean(order: &Json) -> Option<Json> {
    (order == "euclidean").then_some(Json::Null)
}

/// Where pieces of these sizes end; a number of pieces is one.
fn cuts(sizes: &Json) -> Option<Json> {
    let Some(sizes) = sizes.as_array() else { return Some(sizes.clone()) };
    let mut end = 0;
    let ends: Option<Vec<Json>> = sizes
        .iter()
        .map(|size| {
            end += size.as_i64().filter(|size| (0..1 << 32).contains(size))?;
            Some(end.into())
        })
        .collect();
    let mut ends = ends?;
    ends.pop()?;
    Some(ends.into())
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
