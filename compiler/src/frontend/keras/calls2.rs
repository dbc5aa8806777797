//! Calls as Keras 2 writes them: a list of `[layer, call, output, keywords]`, one for each tensor of the first
//! argument, the keywords repeated on each.

use serde_json::Value as Json;

use super::super::config::{Node, Result};
use super::super::{RawArgument, RawCall};

/// A number or an array where a tensor would stand.
const CONSTANT: &str = "_CONSTANT_VALUE";

/// Keras 2 passes the states that a recurrent layer begins with behind its data, in one list.
const TAKES_STATES: &[&str] =
    &["Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "RNN", "SimpleRNN"];

/// One call of a layer of that class.
pub(super) fn call(node: &Node<'_>, class: &str) -> Result<RawCall> {
    let mut keywords = None;
    let mut data = data(node, &mut keywords)?;
    // A list of one tensor is that tensor.
    if let RawArgument::List(items) = &mut data
        && items.len() == 1
        && let Some(one) = items.pop()
    {
        data = one;
    }
    let mut call: RawCall = vec![];
    match data {
        RawArgument::List(mut items) if items.len() > 1 && TAKES_STATES.contains(&class) => {
            let states = items.split_off(1);
            call.extend(items.into_iter().map(|data| (None, data)));
            call.push((Some("initial_state".to_owned()), RawArgument::List(states)));
        }
        data => call.push((None, data)),
    }
    let Some(keywords) = keywords.filter(|keywords| !keywords.value.is_null()) else { return Ok(call) };
    for (key, value) in keywords.object()? {
        let given = call.iter().any(|(known, _)| known.as_ref() == Some(key));
        if !(given && value.is_null()) {
            call.push((Some(key.clone()), keyword(&keywords.get(key))?));
        }
    }
    Ok(call)
}

/// The first argument. The keywords are those beside its first tensor.
fn data<'a>(node: &Node<'a>, keywords: &mut Option<Node<'a>>) -> Result<RawArgument> {
    let items = match node.value {
        Json::Object(_) => node.sorted()?,
        _ => node
            .list()
            .or_else(|_| node.fail("a call as Keras 2 writes it: [[layer, call, output, …], …]"))?,
    };
    match items.as_slice() {
        [name, place, value, rest @ ..] if node.value.is_array() && name.value.is_string() => {
            if let (None, Some(found)) = (&keywords, rest.first()) {
                *keywords = Some(found.clone());
            }
            match name.value.as_str() == Some(CONSTANT) && place.value == -1 {
                true => Ok(RawArgument::Constant(value.value.clone())),
                false => node.tensor().map(RawArgument::Tensor),
            }
        }
        items => {
            let items = items.iter().map(|item| data(item, keywords)).collect::<Result<_>>()?;
            Ok(RawArgument::List(items))
        }
    }
}

/// Any other argument: a tensor is `[layer, call, output]` there, at any depth.
fn keyword(node: &Node<'_>) -> Result<RawArgument> {
    let items = match node.value {
        Json::Array(parts) => match parts.as_slice() {
            [Json::String(_), Json::Number(_), Json::Number(_)] => {
                return node.tensor().map(RawArgument::Tensor);
            }
            _ => node.list()?,
        },
        Json::Object(_) => node.sorted()?,
        value => return Ok(RawArgument::Constant(value.clone())),
    };
    let items: Vec<RawArgument> = items.iter().map(keyword).collect::<Result<_>>()?;
    let constant = items.iter().all(|item| matches!(item, RawArgument::Constant(_)));
    Ok(if constant { RawArgument::Constant(node.value.clone()) } else { RawArgument::List(items) })
}
