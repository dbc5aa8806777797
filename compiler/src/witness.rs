//! Witnesses of leaks: two runs of a model that differ in nothing but padding, and answer differently.
//!
//! They are looked for by running the model on made-up sequences, of several lengths and paddings, the same every
//! time. Runs are by the program's meaning. What only padding decides is changed as callers could not help it: other
//! numbers at padded positions of an input; where a mask is born from a number (an `Embedding` with `mask_zero`), other
//! numbers in the row that only this number picks; or more padding.

mod random;
mod trial;

use std::collections::HashSet;

use masque_ir::ops::Op;
use masque_ir::program::{Operand, Program, ProgramOutput, Value};
use masque_ir::{DType, Dim};
use masque_runtime::Tensor;
use ndarray::ArrayD;
use serde::Serialize;

use crate::liveness::view::Reads;
use crate::liveness::{Output, Padding};
use random::Random;
use trial::{Lengths, Maker, Named, padded_further, run};

/// Two runs that differ in padding, and what an output says in each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// What was changed: `content` or `length`.
    pub reads: &'static str,
    /// How many positions of the first sequence are no padding.
    pub valid: usize,
    /// The first run's inputs, by name: a batch, of which the first sequence is looked at.
    pub inputs: serde_json::Value,
    /// What the second run has instead, in words.
    pub changed: Vec<String>,
    /// The second run's inputs.
    pub other: serde_json::Value,
    /// The element of the output that differs most, axis by axis; none if the outputs have other shapes.
    pub element: Vec<usize>,
    /// That element in both runs, or the number of elements of each.
    pub values: [f64; 2],
    /// Did the model come without weights, so that they were made up?
    pub weights_made_up: bool,
}

/// More trials show no more.
const MOST_TRIALS: usize = 32;

/// About how many products of an input and a weight all trials together may take.
const WORK: usize = 600_000_000;

/// How often a trial runs the model, and on about how many positions.
const RUNS: usize = 3 * 12;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// For every output, a witness of each thing that it is said to read.
    Each,
    /// Anything that padding shows in any output.
    Doubt,
}

/// Looks for witnesses: for every output, those of what it is said to read.
pub fn search(padding: &Padding, weights: &Named) -> Vec<Vec<Witness>> {
    look(padding, weights, Goal::Each)
}

/// What witnesses show that an output reads.
pub fn shown(witnesses: &[Witness]) -> Reads {
    let shows = |word: &str| witnesses.iter().any(|witness| witness.reads == word);
    Reads { content: shows("content"), length: shows("length") }
}

/// Are there to be runs that show what an output reads? Not if it takes callers who pad inputs apart.
fn is_wanted(output: &Output) -> bool {
    output.reads.any() && !output.apart
}

/// Looks for anything that padding shows in any output, whatever the outputs are said to read: for whoever does not
/// believe the analysis.
pub fn doubt(padding: &Padding, weights: &Named) -> Vec<Vec<Witness>> {
    look(padding, weights, Goal::Doubt)
}

fn look(padding: &Padding, weights: &Named, goal: Goal) -> Vec<Vec<Witness>> {
    let mut found: Vec<Vec<Witness>> = vec![vec![]; padding.outputs.len()];
    if goal != Goal::Doubt && !padding.outputs.iter().any(is_wanted) {
        return found;
    }
    let program = with_masks(&padding.program);
    let trials = (WORK / RUNS / products(&program).max(1)).clamp(1, MOST_TRIALS);
    for trial in 0..trials {
        let mut random = Random(trial as u64);
        let made_up = weights.is_empty().then(|| made_up(&program, &mut random, trial % 2 == 0));
        let search =
            Search { padding, program: &program, weights: made_up.as_ref().unwrap_or(weights), goal };
        search.try_once(&mut random, trial, made_up.is_some(), &mut found);
        if search.is_done(&found) {
            break;
        }
    }
    found
}

/// As many products take about as long as one element of a value that is made by any operation.
const ELEMENT: usize = 8;

/// About how many products one position takes: one for every element of a weight, but for those of tables, of which it
/// picks rows; and those that its values are worth.
fn products(program: &Program) -> usize {
    let tables: HashSet<Value> =
        program.nodes.iter().filter_map(|node| trial::table(program, node)).collect();
    let weights = program.weights().filter(|(value, _)| !tables.contains(value));
    let elements = |ty: &masque_ir::Type| ty.shape.iter().filter_map(Dim::known).product::<i64>();
    let multiplied: usize = weights.map(|(_, info)| elements(&info.ty).max(0) as usize).sum();
    let operations = program.nodes.iter().filter(|node| !matches!(node.op, Op::Leaf(_)));
    let results = operations.flat_map(|node| &node.results);
    let made: usize = results.map(|result| elements(&result.ty).max(0) as usize).sum();
    multiplied.saturating_add(made.saturating_mul(ELEMENT))
}

/// The program with the masks of its outputs behind them.
fn with_masks(program: &Program) -> Program {
    let mut program = program.clone();
    for place in 0..program.outputs.len() {
        let output = &program.outputs[place];
        let mask = output.operand.value().and_then(|value| program.result(value).mask);
        let operand = mask.map_or(output.operand.clone(), Operand::Value);
        let name = format!("{}.mask", output.name);
        program.outputs.push(ProgramOutput { name, operand });
    }
    program
}

/// Weights for a model without: small numbers, all above 0 in every other trial. A variance always is.
fn made_up(program: &Program, random: &mut Random, positive: bool) -> Named {
    let weights: Vec<_> = program.weights().map(|(_, info)| (info.name.clone(), info.ty.clone())).collect();
    let tensor = |random: &mut Random, name: &str, ty: &masque_ir::Type| {
        let low = if positive || name.ends_with("variance") { 0.05 } else { -0.5 };
        let shape: Vec<usize> =
            ty.shape.iter().map(|size| size.known().unwrap_or(1).max(0) as usize).collect();
        let shape = ndarray::IxDyn(&shape);
        let mut number = || random.between(low, 0.5);
        match ty.dtype {
            DType::Str => Tensor::Str(ArrayD::from_shape_fn(shape, |at| format!("word{}", at[0]))),
            DType::Bool => Tensor::Bool(ArrayD::from_elem(shape, true)),
            DType::I32 => Tensor::I32(ArrayD::from_elem(shape, 1)),
            DType::I64 => Tensor::I64(ArrayD::from_elem(shape, 1)),
            DType::F32 => Tensor::F32(ArrayD::from_shape_simple_fn(shape, || number() as f32)),
            DType::F64 => Tensor::F64(ArrayD::from_shape_simple_fn(shape, number)),
        }
    };
    let named = |(name, ty): (String, _)| {
        let tensor = tensor(random, &name, &ty);
        (name, tensor)
    };
    weights.into_iter().map(named).collect()
}

struct Search<'a> {
    padding: &'a Padding,
    program: &'a Program,
    weights: &'a Named,
    goal: Goal,
}

/// Two runs.
struct Pair<'a> {
    reads: &'static str,
    lengths: Lengths,
    inputs: [&'a Named; 2],
    outputs: [&'a [Tensor]; 2],
    changed: Vec<String>,
    /// How many positions are no padding by every mask, and by any.
    valid: [usize; 2],
    made_up: bool,
}

impl Search<'_> {
    /// Is everything found that is looked for?
    fn is_done(&self, found: &[Vec<Witness>]) -> bool {
        let shown = |found: &[Witness], word: &&str| found.iter().any(|witness| witness.reads == *word);
        let done = |(output, found): (&Output, &Vec<Witness>)| match self.goal {
            Goal::Each => output.reads.words().iter().all(|word| shown(found, word)),
            Goal::Doubt => false,
        };
        let mut wanted = self.padding.outputs.iter().zip(found).filter(|(output, _)| is_wanted(output));
        self.goal != Goal::Doubt && wanted.all(done)
    }

    fn try_once(&self, random: &mut Random, trial: usize, made_up: bool, found: &mut [Vec<Witness>]) {
        let maker = Maker::new(self.padding, self.weights);
        let lengths = match maker.fixed() {
            Some(all) => {
                Lengths { valid: 1 + random.below(all.saturating_sub(1).max(1)), all, shift: trial % 3 }
            }
            None => {
                let valid = 2 + trial % 4;
                Lengths { valid, all: valid + trial / 4 % 3 + usize::from(trial == 0), shift: 0 }
            }
        };
        let inputs = maker.inputs(random, lengths);
        let Some(outputs) = run(self.program, &inputs, self.weights) else { return };
        let (mut others, mut weights) = (inputs.clone(), self.weights.clone());
        let changed = maker.changed(random, &mut others, &mut weights, lengths);
        if let Some(other) = run(self.program, &others, &weights).filter(|_| !changed.is_empty()) {
            let pair = Pair {
                reads: "content",
                lengths,
                inputs: [&inputs, &others],
                outputs: [&outputs, &other],
                changed,
                valid: maker.valid(lengths),
                made_up,
            };
            self.compare(&pair, found);
        }
        let longer = Lengths { all: lengths.all + 1 + random.below(4), ..lengths };
        let others = padded_further(&inputs, &maker, random, longer);
        if let Some(other) = run(self.program, &others, self.weights) {
            let changed = vec![format!(
                "{} positions of padding in the place of {}",
                longer.all - longer.valid,
                lengths.all - lengths.valid
            )];
            let pair = Pair {
                reads: "length",
                lengths,
                inputs: [&inputs, &others],
                outputs: [&outputs, &other],
                changed,
                valid: maker.valid(lengths),
                made_up,
            };
            self.compare(&pair, found);
        }
    }

    fn compare(&self, pair: &Pair<'_>, found: &mut [Vec<Witness>]) {
        let count = self.padding.outputs.len();
        for (place, output) in self.padding.outputs.iter().enumerate() {
            let wanted =
                self.goal == Goal::Doubt || is_wanted(output) && output.reads.words().contains(&pair.reads);
            if !wanted || found[place].iter().any(|witness| witness.reads == pair.reads) {
                continue;
            }
            let values = pair.outputs.map(|outputs| outputs.get(place));
            let [Some(a), Some(b)] = values else { continue };
            let masks = pair.outputs.map(|outputs| outputs.get(count + place).and_then(Tensor::as_bool));
            let positions = output.by_position.then_some(Positions { valid: pair.valid, masks });
            if let Some((element, values)) = difference(a, b, positions.as_ref()) {
                found[place].push(Witness {
                    reads: pair.reads,
                    valid: pair.lengths.valid,
                    inputs: as_json(pair.inputs[0]),
                    changed: pair.changed.clone(),
                    other: as_json(pair.inputs[1]),
                    element,
                    values,
                    weights_made_up: pair.made_up,
                });
            }
        }
    }
}

/// Where an output is looked at.
struct Positions<'a> {
    valid: [usize; 2],
    masks: [Option<&'a ArrayD<bool>>; 2],
}

impl Positions<'_> {
    fn has(&self, element: &[usize]) -> bool {
        let Some(&step) = element.get(1) else { return true };
        let holds = |mask: &Option<&ArrayD<bool>>| {
            mask.and_then(|mask| mask.get(element.get(..mask.ndim())?)).is_none_or(|&holds| holds)
        };
        let until = self.valid[usize::from(self.masks[0].is_some())];
        step < until && self.masks.iter().all(holds)
    }
}

/// The element of the first sequence that differs most, in both.
fn difference(a: &Tensor, b: &Tensor, positions: Option<&Positions<'_>>) -> Option<(Vec<usize>, [f64; 2])> {
    let [a, b] = [a, b].map(Tensor::numbers);
    let (a, b) = (a?, b?);
    let rest = |array: &ArrayD<f64>| array.shape().get(1..).unwrap_or_default().to_vec();
    if positions.is_none() && rest(&a) != rest(&b) {
        let size = |array: &ArrayD<f64>| rest(array).iter().product::<usize>() as f64;
        return Some((vec![], [size(&a), size(&b)]));
    }
    let mut most: Option<(Vec<usize>, [f64; 2])> = None;
    for (at, &one) in a.indexed_iter() {
        let element = ndarray::Dimension::slice(&at);
        let seen = element.first() == Some(&0) && positions.is_none_or(|positions| positions.has(element));
        let Some(&other) = b.get(at.clone()).filter(|_| seen) else { continue };
        let apart = (one - other).abs();
        if apart > 0.0 && most.as_ref().is_none_or(|(_, [x, y])| apart > (x - y).abs()) {
            most = Some((element.to_vec(), [one, other]));
        }
    }
    most
}

/// Tensors as nested lists.
fn as_json(tensors: &Named) -> serde_json::Value {
    let list = |tensor: &Tensor| match tensor {
        Tensor::F32(array) => nested(array.view(), &|number| serde_json::json!(number)),
        Tensor::F64(array) => nested(array.view(), &|number| serde_json::json!(number)),
        Tensor::I32(array) => nested(array.view(), &|number| serde_json::json!(number)),
        Tensor::I64(array) => nested(array.view(), &|number| serde_json::json!(number)),
        Tensor::Bool(array) => nested(array.view(), &|truth| serde_json::json!(truth)),
        Tensor::Str(array) => nested(array.view(), &|text| serde_json::json!(text)),
    };
    tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), list(tensor)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn nested<T>(
    array: ndarray::ArrayViewD<'_, T>,
    element: &dyn Fn(&T) -> serde_json::Value,
) -> serde_json::Value {
    match array.ndim() {
        0 => array.first().map_or(serde_json::Value::Null, element),
        _ => array.outer_iter().map(|part| nested(part, element)).collect::<Vec<_>>().into(),
    }
}
