//! What every call gives in one run, to be looked at: shapes, ranges, the first example's numbers, masks.

use std::collections::BTreeMap;

use masque_ir::program::{Operand, Program, ProgramOutput, Value};
use masque_runtime::{Outputs, Tensor};
use ndarray::ArrayD;
use serde::Serialize;

use crate::origins::Origins;
use crate::{Error, Inferred, InferredGraph, Options, Planned};

/// What calls gave, by the calls' names.
pub type Values = BTreeMap<String, Vec<Seen>>;

/// One tensor of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Its name in the tensor graph.
    pub name: String,
    /// Its type with the sizes of this run, such as `f32[2, 5, 32]`.
    pub ty: String,
    /// The smallest and the largest finite number in it, if there is any.
    pub range: Option<[f32; 2]>,
    /// How many numbers are infinite or none.
    pub not_finite: usize,
    /// The numbers of the first example as rows, the last axis along each: at most [`MOST_ROWS`] rows of [`MOST_COLUMNS`];
    /// none of texts.
    pub first: Vec<Vec<f32>>,
    /// The first texts, of a tensor of texts.
    pub texts: Vec<String>,
    /// The mask that it carries: for each example, `1` for a valid step and `0` for a padded one.
    pub mask: Vec<String>,
}

/// The most rows that are kept of an example.
pub const MOST_ROWS: usize = 64;

/// The most numbers that are kept of a row.
pub const MOST_COLUMNS: usize = 96;

/// The most texts, and the most examples of a mask, that are kept.
pub const MOST_EXAMPLES: usize = 16;

/// The most characters of a text, and the most steps of a mask.
const LONGEST: usize = 200;

/// Compiles a model so that a run gives what every call gives, and the masks of that, behind the outputs.
///
/// # Errors
///
/// Those of compiling.
pub fn compile(inferred: &Inferred, options: Options) -> Result<Planned, Error> {
    let graph = &inferred.graph().graph;
    let names: Vec<String> = graph.calls().map(|call| graph.call_name(call)).collect();
    let mut lowered = inferred.lowered(options, inferred.weights.clone().unwrap_or_default())?;
    for value in given(&lowered.program, &Origins::of(graph), &names) {
        let result = lowered.program.result(value);
        let (name, mask) = (result.name.clone(), result.mask);
        let outputs = &mut lowered.program.outputs;
        outputs.push(ProgramOutput { name: format!("{VALUE}{name}"), operand: Operand::Value(value) });
        outputs.extend(
            mask.map(|mask| ProgramOutput { name: format!("{MASK}{name}"), operand: Operand::Value(mask) }),
        );
    }
    lowered.outputs = lowered.program.outputs.len();
    lowered.optimize().plan()
}

const VALUE: &str = "value of ";
const MASK: &str = "mask of ";

/// The values that calls give: those with the names of calls, or of their outputs.
fn given(program: &Program, origins: &Origins, calls: &[String]) -> Vec<Value> {
    let mut found = vec![];
    for (node, made) in program.nodes.iter().enumerate() {
        for (result, info) in made.results.iter().enumerate() {
            let Some(call) = origins.call(&info.name) else { continue };
            let rest = &info.name[calls[call.0 as usize].len()..];
            let is_output = rest.strip_prefix('.').is_some_and(|place| place.parse::<u32>().is_ok());
            if rest.is_empty() || is_output {
                found.push(Value { node: node as u32, result: result as u32 });
            }
        }
    }
    found
}

/// What a run of [such a plan](compile) gave.
pub fn seen(inferred: &InferredGraph, outputs: &Outputs) -> Values {
    let origins = Origins::of(&inferred.graph);
    let masks: BTreeMap<&str, &Tensor> = outputs
        .outputs
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(MASK)?, tensor)))
        .collect();
    let mut values = Values::new();
    for (name, tensor) in &outputs.outputs {
        let Some(name) = name.strip_prefix(VALUE) else { continue };
        let Some(call) = origins.call(name) else { continue };
        let seen = one(name, tensor, masks.get(name).copied());
        values.entry(inferred.graph.call_name(call)).or_default().push(seen);
    }
    values
}

fn one(name: &str, tensor: &Tensor, mask: Option<&Tensor>) -> Seen {
    let numbers = tensor.numbers();
    let finite = numbers.iter().flatten().map(|&number| number as f32).filter(|number| number.is_finite());
    let range = finite.fold(None, |range: Option<[f32; 2]>, number| {
        let [least, most] = range.unwrap_or([number; 2]);
        Some([least.min(number), most.max(number)])
    });
    let texts = tensor.as_str().into_iter().flatten().take(MOST_EXAMPLES);
    Seen {
        name: name.to_owned(),
        ty: format!("{}{:?}", tensor.dtype(), tensor.shape()),
        range,
        not_finite: numbers.iter().flatten().filter(|number| !number.is_finite()).count(),
        first: numbers.as_ref().map(first).unwrap_or_default(),
        texts: texts.map(|text| text.chars().take(LONGEST).collect()).collect(),
        mask: mask.and_then(Tensor::as_bool).map(strips).unwrap_or_default(),
    }
}

/// The rows of the first example.
fn first(numbers: &ArrayD<f64>) -> Vec<Vec<f32>> {
    let Some(example) =
        numbers.shape().first().filter(|size| **size > 0).map(|_| numbers.index_axis(ndarray::Axis(0), 0))
    else {
        return vec![];
    };
    let width = example.shape().last().copied().unwrap_or(1);
    let all: Vec<f32> = example.iter().map(|&number| number as f32).collect();
    // JSON has no NaN: what is not finite is left out of the picture as null is, and counted beside it.
    let row = |row: &[f32]| row.iter().take(MOST_COLUMNS).copied().collect();
    all.chunks(width.max(1)).take(MOST_ROWS).map(row).collect()
}

/// A mask of steps, example by example.
fn strips(mask: &ArrayD<bool>) -> Vec<String> {
    let strip = |example: ndarray::ArrayViewD<'_, bool>| {
        example.iter().take(LONGEST).map(|&valid| if valid { '1' } else { '0' }).collect()
    };
    match mask.ndim() {
        0 => vec![],
        _ => mask.outer_iter().take(MOST_EXAMPLES).map(strip).collect(),
    }
}
