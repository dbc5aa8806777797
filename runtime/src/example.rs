//! An example that an executable carries with its answers, so that it can tell whether it gives the same ones here.
//!
//! The inputs are made from their types alone: small sizes where any may be, numbers that fit most tables, words of the
//! model's own vocabulary. Several sizes are tried, because a window can want more steps than a few.

use std::fmt::Debug;
use std::io;

use masque_ir::DType;
use masque_ir::dim::Bindings;
use masque_ir::plan::{Plan, PlanValue};
use ndarray::{ArrayD, Dimension, IxDyn};

use crate::element::element_count;
use crate::io::Named;
use crate::npz::{self, NpzError};
use crate::quote::quoted;
use crate::session::{Options, Session, State};
use crate::{RunError, Tensor};

/// An example of more bytes is not carried.
const MOST_BYTES: usize = 1 << 20;

/// What the values of a run may take.
const MEMORY: u64 = 1 << 30;

/// An example with its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The inputs, in the order of the plan.
    inputs: Vec<Tensor>,
    /// The outputs, in the order of the plan.
    outputs: Vec<Tensor>,
}

/// How an example is made.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: i64,
    /// Of an axis that may have any size.
    length: i64,
    /// Are there only zeros and ones, and texts of one word?
    plain: bool,
}

/// What is tried, in this order.
fn sizes() -> impl Iterator<Item = Sizes> {
    let of = |batch, length| [false, true].map(|plain| Sizes { batch, length, plain });
    [2, 1]
        .into_iter()
        .flat_map(move |batch| [4, 16, 64].into_iter().flat_map(move |length| of(batch, length)))
}

impl Example {
    /// An example for a model, with its answers; `None` if the model takes none of those that are tried, or they would be
    /// larger than 1 MiB. The same model gives the same example.
    pub fn of(session: &Session) -> Option<Example> {
        let words = words(session);
        sizes().find_map(|sizes| {
            let inputs = inputs(session.plan(), sizes, &words)?;
            let outputs = run(session, &inputs, 1).ok()?;
            let example = Example { inputs, outputs };
            (example.encode().ok()?.len() <= MOST_BYTES).then_some(example)
        })
    }

    /// An archive of arrays: `input_0` and so on, `output_0` and so on.
    ///
    /// # Errors
    ///
    /// Those of [`npz::write`].
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let named = |prefix: &str, tensors: &[Tensor]| -> Named {
            let name = |(place, tensor): (usize, &Tensor)| (format!("{prefix}_{place}"), tensor.clone());
            tensors.iter().enumerate().map(name).collect()
        };
        npz::write(vec![], &[named("input", &self.inputs), named("output", &self.outputs)].concat())
    }

    /// What [`encode`](Example::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`NpzError`] if it is no archive of arrays.
    pub fn decode(bytes: &[u8]) -> Result<Example, NpzError> {
        let (inputs, outputs): (Named, Named) =
            npz::read(bytes)?.into_iter().partition(|(name, _)| name.starts_with("input"));
        let tensors = |named: Named| named.into_iter().map(|(_, tensor)| tensor).collect();
        Ok(Example { inputs: tensors(inputs), outputs: tensors(outputs) })
    }

    /// How many numbers and texts are compared.
    pub fn elements(&self) -> usize {
        self.outputs.iter().filter_map(|output| element_count(output.shape())).sum()
    }

    /// Runs the example again, and says of each output that is another one what is other about it.
    ///
    /// # Errors
    ///
    /// [`RunError`] if the model does not run.
    pub fn differences(&self, session: &Session, threads: usize) -> Result<Vec<String>, RunError> {
        let found = run(session, &self.inputs, threads)?;
        let names = session.plan().output_names();
        let pairs = names.zip(self.outputs.iter().zip(&found));
        Ok(pairs.filter_map(|(name, (expected, found))| difference(name, expected, found)).collect())
    }
}

fn run(session: &Session, inputs: &[Tensor], threads: usize) -> Result<Vec<Tensor>, RunError> {
    let names = session.plan().input_values().map(|(_, input)| input.name.as_str());
    let inputs: Vec<(&str, Tensor)> = names.zip(inputs.iter().cloned()).collect();
    let options = Options { threads, memory: MEMORY, ..Options::default() };
    let results = session.run(&mut State::default(), &inputs, options)?;
    Ok(results.outputs.into_iter().map(|(_, tensor)| tensor).collect())
}

fn inputs(plan: &Plan, sizes: Sizes, words: &[String]) -> Option<Vec<Tensor>> {
    let mut bindings = Bindings::new();
    for (_, input) in plan.input_values() {
        for (axis, size) in input.ty.shape.iter().enumerate() {
            if let Some(symbol) = size.as_symbol() {
                bindings.insert(symbol.clone(), if axis == 0 { sizes.batch } else { sizes.length });
            }
        }
    }
    plan.input_values().map(|(_, input)| tensor(input, &bindings, sizes, words)).collect()
}

fn tensor(input: &PlanValue, bindings: &Bindings, sizes: Sizes, words: &[String]) -> Option<Tensor> {
    fn filled<T>(shape: &[usize], element: impl Fn(usize) -> T) -> Option<ArrayD<T>> {
        let count = element_count(shape).filter(|&count| count <= MOST_BYTES)?;
        ArrayD::from_shape_vec(IxDyn(shape), (0..count).map(element).collect()).ok()
    }
    let shape = input.ty.eval(bindings)?;
    // Steps that are prime to the ranges: all numbers come, and neighbours differ.
    let number = |place: usize| (place * 7 + 1) % if sizes.plain { 2 } else { 8 };
    let fraction = |place: usize| match sizes.plain {
        true => number(place) as f32,
        false => (place * 37 % 64) as f32 / 64.0 - 0.5,
    };
    let text = |place: usize| {
        let word = |next: usize| words[(place + next) % words.len()].as_str();
        (0..if sizes.plain { 1 } else { 3 }).map(word).collect::<Vec<_>>().join(" ")
    };
    Some(match input.ty.dtype {
        DType::F32 => Tensor::F32(filled(&shape, fraction)?),
        DType::F64 => Tensor::F64(filled(&shape, |place| f64::from(fraction(place)))?),
        DType::I32 => Tensor::I32(filled(&shape, |place| number(place) as i32)?),
        DType::I64 => Tensor::I64(filled(&shape, |place| number(place) as i64)?),
        DType::Bool => Tensor::Bool(filled(&shape, |place| place % 3 != 1)?),
        DType::Str => Tensor::Str(filled(&shape, text)?),
    })
}

/// Words of the model's first vocabulary; others if it has none.
fn words(session: &Session) -> Vec<String> {
    const MOST: usize = 8;
    let is_word = |text: &&str| text.chars().any(char::is_alphanumeric) && !text.starts_with('[');
    let known: Vec<String> = session.texts().filter(is_word).take(MOST).map(str::to_owned).collect();
    match known.is_empty() {
        true => ["not", "bad", "at", "all"].map(str::to_owned).to_vec(),
        false => known,
    }
}

/// For people: what is other about an output, if anything is. All NaN are one.
fn difference(name: &str, expected: &Tensor, found: &Tensor) -> Option<String> {
    let name = quoted(name);
    if (expected.dtype(), expected.shape()) != (found.dtype(), found.shape()) {
        let ty = |tensor: &Tensor| format!("{}{:?}", tensor.dtype(), tensor.shape());
        return Some(format!("output {name}: expected {}, found {}", ty(expected), ty(found)));
    }
    let same_bits = |x: f64, y: f64| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
    let others = match (expected, found) {
        (Tensor::F32(x), Tensor::F32(y)) => others(x, y, |&x, &y| same_bits(x.into(), y.into())),
        (Tensor::F64(x), Tensor::F64(y)) => others(x, y, |&x, &y| same_bits(x, y)),
        (Tensor::I32(x), Tensor::I32(y)) => others(x, y, PartialEq::eq),
        (Tensor::I64(x), Tensor::I64(y)) => others(x, y, PartialEq::eq),
        (Tensor::Bool(x), Tensor::Bool(y)) => others(x, y, PartialEq::eq),
        (Tensor::Str(x), Tensor::Str(y)) => others(x, y, PartialEq::eq),
        _ => None,
    };
    Some(format!("output {name}: {}", others?))
}

fn others<T: Debug>(
    expected: &ArrayD<T>,
    found: &ArrayD<T>,
    same: impl Fn(&T, &T) -> bool,
) -> Option<String> {
    let mut others = expected.indexed_iter().zip(found).filter(|((_, x), y)| !same(x, y));
    let ((place, first), instead) = others.next()?;
    let (count, place) = (1 + others.count(), place.slice());
    let all = expected.len();
    Some(format!("{count} of {all} are other, first at {place:?}: expected {first:?}, found {instead:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model;
    use crate::{Attached, Section, bundle};

    fn session() -> Session {
        let (plan, contents) = model();
        let mut bytes = vec![];
        bundle::write(&mut bytes, b"", &plan, &contents, &Attached::default()).unwrap();
        Session::new(plan, Section::copy(&bytes)).unwrap()
    }

    #[test]
    fn an_example_gives_its_answers_again() {
        let session = session();
        let example = Example::of(&session).unwrap();
        assert_eq!(Example::of(&session).unwrap(), example);
        assert_eq!(example.inputs[0].shape(), [2, 4]);
        assert_eq!(Example::decode(&example.encode().unwrap()).unwrap(), example);
        assert_eq!(example.elements(), 6);
        for threads in [1, 2] {
            assert_eq!(example.differences(&session, threads).unwrap(), [""; 0]);
        }
        assert!(Example::decode(b"PK").is_err());
    }

    #[test]
    fn one_bit_is_another_answer() {
        let session = session();
        let mut example = Example::of(&session).unwrap();
        let Tensor::F32(output) = &mut example.outputs[0] else { panic!("floats") };
        let found = output[[1, 2]];
        output[[1, 2]] = f32::from_bits(found.to_bits() ^ 1);
        let expected = output[[1, 2]];
        let message = format!(
            "output \"output_0\": 1 of 6 are other, first at [1, 2]: expected {expected}, found {found}"
        );
        assert_eq!(example.differences(&session, 1).unwrap(), [message]);
        example.outputs[0] = Tensor::I32(ndarray::arr1(&[1]).into_dyn());
        let other = example.differences(&session, 1).unwrap();
        assert_eq!(other, ["output \"output_0\": expected i32[1], found f32[2, 3]"]);
        let floats = |x: f32| Tensor::F32(ndarray::arr1(&[x]).into_dyn());
        assert_eq!(difference("y", &floats(f32::NAN), &floats(-f32::NAN)), None);
        assert!(difference("y", &floats(0.0), &floats(-0.0)).is_some());
    }
}
