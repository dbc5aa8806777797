//! Every rule, both sides evaluated: instances of its left side with random shapes, element types and attributes.

use std::collections::HashMap;

use masque::rewrite::rules::{RULES, Rule, When};
use masque::rewrite::{Limits, saturate};
use masque_ir::activation::Activation;
use masque_ir::dim::Bindings;
use masque_ir::float::Float;
use masque_ir::ops::{Activate, Convolve, Dense, Elementwise, Op, Recurrent, RecurrentOptions, Shape};
use masque_ir::program::{Builder, Literal, Operand, Program};
use masque_ir::{DType, Dim, Semantics, Type};

use super::assert_same_meaning;
use super::random::Random;

/// How often every rule must have been seen to hold, and how many instances may be made for that.
const SEEN: usize = 60;
const TRIES: u64 = 20_000;

#[test]
fn names_are_sorted_and_unique() {
    assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn both_sides_give_the_same_bits() {
    for rule in RULES {
        let mut seen = 0;
        for seed in 0..TRIES {
            let mut instance = Instance::new(rule, seed);
            let Some(program) = instance.program() else { continue };
            let saturated = saturate(&program, [rule], Limits::DEFAULT);
            if saturated.report().applied.contains_key(rule.name) {
                let same = assert_same_meaning(&program, &saturated.newest(), &instance.sizes(), seed);
                seen += usize::from(same);
            }
            if seen == SEEN {
                break;
            }
        }
        assert!(seen == SEEN, "{} was seen to hold only {seen} times", rule.name);
    }
}

/// A pattern.
enum Pattern<'a> {
    Leaf(&'a str),
    Apply(&'a str, Vec<Pattern<'a>>),
}

fn parse<'a>(tokens: &mut impl Iterator<Item = &'a str>) -> Option<Pattern<'a>> {
    match tokens.next()? {
        "(" => {
            let mnemonic = tokens.next()?;
            let children = std::iter::from_fn(|| parse(tokens)).collect();
            Some(Pattern::Apply(mnemonic, children))
        }
        ")" => None,
        leaf => Some(Pattern::Leaf(leaf)),
    }
}

/// One program out of a rule's left side.
struct Instance<'a> {
    rule: &'a Rule,
    random: Random,
    builder: Builder,
    operands: HashMap<&'a str, Operand>,
    attributes: HashMap<&'a str, Op>,
    /// What most operands have in common.
    shape: Vec<i64>,
    number: DType,
    /// Sizes of a layer: batch, steps, features, units.
    layer: [i64; 4],
}

impl<'a> Instance<'a> {
    fn new(rule: &'a Rule, seed: u64) -> Instance<'a> {
        let mut random = Random::new(seed);
        let shape = (0..random.below(4)).map(|_| random.pick(&[0, 1, 2, 2, 3, 3])).collect();
        let number = random.pick(&[DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool]);
        let layer = std::array::from_fn(|_| random.pick(&[0, 1, 2, 3]));
        let builder = Builder::new("instance", Semantics::Keras3_15);
        let (operands, attributes) = (HashMap::new(), HashMap::new());
        Instance { rule, random, builder, operands, attributes, shape, number, layer }
    }

    /// Every size also has a symbol.
    fn sizes(&self) -> Bindings {
        (0..=12).map(|size| (format!("s{size}").as_str().into(), size)).collect()
    }

    fn program(&mut self) -> Option<Program> {
        let spaced = self.rule.left.replace('(', " ( ").replace(')', " ) ");
        let spaced: &'a str = spaced.leak();
        let pattern = parse(&mut spaced.split_whitespace())?;
        let results = self.apply(&pattern)?;
        for (place, result) in results.into_iter().enumerate() {
            self.builder.output(format!("output_{place}"), result);
        }
        Some(self.builder.clone().finish())
    }

    fn apply(&mut self, pattern: &Pattern<'a>) -> Option<Vec<Operand>> {
        let Pattern::Apply(mnemonic, children) = pattern else { return None };
        let info = Op::table().find(|info| info.mnemonic == *mnemonic)?;
        let (operands, attributes) =
            children.split_at(children.len() - usize::from(!info.attributes.is_empty()));
        let operands = operands.iter().enumerate().map(|(place, child)| match child {
            Pattern::Leaf(name) => Some(self.operand(name, mnemonic, place)),
            inner => self.apply(inner).map(|mut results| results.swap_remove(0)),
        });
        let operands: Vec<Operand> = operands.collect::<Option<_>>()?;
        let op = match attributes {
            [Pattern::Leaf(name)] => match self.attributes.get(name) {
                Some(op) => op.clone(),
                None => {
                    let op = self.some_attributes(mnemonic, &operands)?;
                    self.attributes.entry(name).or_insert(op).clone()
                }
            },
            _ => Op::from_parts(mnemonic, serde_json::json!({})).ok()?,
        };
        self.builder.emit_all(op, &operands).ok()
    }

    fn operand(&mut self, name: &'a str, mnemonic: &str, place: usize) -> Operand {
        if let Some(operand) = self.operands.get(name) {
            return operand.clone();
        }
        let ty = self.some_type(mnemonic, place);
        let operand = match (self.rule.when, ty) {
            (_, None) => Operand::Absent,
            (When::Number(number, value), Some(ty)) if number == name => self.number(value, ty),
            (_, Some(ty)) => self.builder.input(name.trim_start_matches('?'), ty),
        };
        self.operands.insert(name, operand.clone());
        operand
    }

    /// The number that a rule asks for, or (where it must not hold) one that is only equal to it.
    fn number(&mut self, value: f64, ty: Type) -> Operand {
        let value =
            if value == 0.0 && ty.dtype.is_float() { self.random.pick(&[value, -value]) } else { value };
        let literal = Operand::Literal(Literal { dtype: ty.dtype, number: Float(value) });
        let recurrent = self.rule.left.contains("?k");
        if !recurrent && self.random.once_in(2) {
            return literal;
        }
        // Only the symbols of inputs are bound.
        self.builder.input("beside", ty.with_dtype(DType::Bool));
        self.builder.emit(Shape::Broadcast { shape: ty.shape }, &[literal]).expect("a number fits everywhere")
    }

    /// A type for one operand of an operation; none to leave it out.
    fn some_type(&mut self, mnemonic: &str, place: usize) -> Option<Type> {
        let [batch, steps, features, units] = self.layer;
        let gates = match mnemonic {
            "gru" => 3,
            "lstm" => 4,
            _ => 1,
        };
        let (dtype, shape) = match (mnemonic, place) {
            ("gru" | "lstm" | "simple_rnn", 0) => (DType::F32, vec![batch, steps, features]),
            ("gru" | "lstm" | "simple_rnn", 1) => (DType::F32, vec![features, gates * units]),
            ("gru" | "lstm" | "simple_rnn", 2) => (DType::F32, vec![units, gates * units]),
            ("gru" | "lstm" | "simple_rnn", 4) => (DType::Bool, vec![batch, steps]),
            ("gru" | "lstm" | "simple_rnn", 5..) => {
                (DType::F32, self.random.once_in(2).then(|| vec![batch, units])?)
            }
            ("gru" | "lstm" | "simple_rnn", _) => {
                (DType::F32, self.random.once_in(2).then(|| vec![gates * units])?)
            }
            ("convolve", 0) => (DType::F32, vec![batch, steps, features]),
            ("convolve", 1) => (DType::F32, vec![1 + self.random.below(2) as i64, features, units]),
            ("convolve", 2) => (DType::F32, self.random.once_in(2).then(|| vec![units])?),
            ("dense", 1) => (DType::F32, vec![self.shape.last().copied().unwrap_or(1), units]),
            ("dense", 2) => (DType::F32, self.random.once_in(2).then(|| vec![units])?),
            ("and" | "or" | "not", _) | ("select", 0) => (DType::Bool, self.some_shape()),
            _ if self.rule.left.contains("dense") || mnemonic == "activate" => {
                (DType::F32, self.some_shape())
            }
            _ => (self.number, self.some_shape()),
        };
        let shape: Vec<Dim> = shape.into_iter().map(|size| self.some_size(size)).collect();
        Some(Type::new(dtype, shape))
    }

    /// The common shape, or one that broadcasts to it.
    fn some_shape(&mut self) -> Vec<i64> {
        let mut shape = self.shape.clone();
        if self.random.once_in(3) {
            shape = shape.split_off(self.random.below(shape.len() + 1));
            shape.iter_mut().for_each(|size| *size = if self.random.once_in(3) { 1 } else { *size });
        }
        shape
    }

    /// A size as a number or as a symbol.
    fn some_size(&mut self, size: i64) -> Dim {
        if self.random.once_in(4) { Dim::symbol(&format!("s{size}")) } else { Dim::constant(size) }
    }

    fn some_attributes(&mut self, mnemonic: &str, operands: &[Operand]) -> Option<Op> {
        let shape = self.builder.type_of(operands.first()?).shape;
        let axis = self.random.below(shape.len()) as u32;
        let random = &mut self.random;
        Some(match mnemonic {
            "activate" => Activate::Activate { f: activation(random) }.into(),
            "broadcast" => {
                let front = random.below(2);
                Shape::Broadcast {
                    shape: std::iter::repeat_n(Dim::constant(2), front).chain(shape).collect(),
                }
                .into()
            }
            "cast" => {
                let types = [DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool];
                let other = random.pick(&types);
                Elementwise::Cast { to: random.pick(&[other, self.number]) }.into()
            }
            "concat" => Shape::Concat { axis }.into(),
            "convolve" => {
                let same = random.once_in(2);
                let mut zeros = || if same { 0 } else { random.below(3) as u32 };
                let (low, high, spread) = (zeros().into(), zeros().into(), zeros());
                Convolve::Convolve {
                    strides: vec![1 + random.below(2) as u32],
                    dilation: vec![1 + random.below(2) as u32],
                    groups: 1,
                    same,
                    low: vec![low],
                    high: vec![high],
                    spread: vec![spread],
                    activation: if random.once_in(4) { activation(random) } else { Activation::Linear },
                }
                .into()
            }
            "dense" => {
                let f = if random.once_in(4) { activation(random) } else { Activation::Linear };
                Dense::Dense { activation: f }.into()
            }
            "gru" => Recurrent::Gru {
                options: options(random),
                recurrent_activation: Activation::Sigmoid,
                reset_after: false,
            }
            .into(),
            "lstm" => {
                Recurrent::Lstm { options: options(random), recurrent_activation: Activation::Sigmoid }.into()
            }
            "simple_rnn" => Recurrent::SimpleRnn { options: options(random) }.into(),
            "reshape" => Shape::Reshape { shape: self.reshaped(shape.to_vec())?.into() }.into(),
            "reverse" => Shape::Reverse { axis }.into(),
            "slice" => {
                let start = Dim::constant(random.pick(&[0, 0, 1]));
                let stop = shape.get(axis as usize)?.clone();
                Shape::Slice { axis, start, stop, step: random.pick(&[1, 1, 2]) }.into()
            }
            "transpose" => {
                let mut perm: Vec<u32> = (0..shape.len() as u32).collect();
                let turn = random.below(perm.len());
                perm.rotate_left(turn);
                Shape::Transpose { perm }.into()
            }
            _ => return None,
        })
    }

    /// Another shape for as many elements.
    fn reshaped(&mut self, shape: Vec<Dim>) -> Option<Vec<Dim>> {
        let all = shape.iter().fold(Dim::constant(1), |product, dim| &product * dim);
        let last = shape.last().cloned()?;
        Some(match self.random.below(4) {
            0 => vec![all],
            1 => vec![all.exact_div(&last)?, last],
            2 => shape,
            _ => {
                // Back to the axes that the input had, behind a product.
                let first = self.operands.get("?x").map(|x| self.builder.type_of(x).shape)?;
                let (_, leading) = first.split_last()?;
                [leading, &[last]].concat()
            }
        })
    }
}

fn activation(random: &mut Random) -> Activation {
    random.pick(&[
        Activation::Linear,
        Activation::RELU,
        Activation::Tanh,
        Activation::Gelu,
        Activation::Softmax { axis: -1 },
        Activation::Softmax { axis: 0 },
    ])
}

fn options(random: &mut Random) -> RecurrentOptions {
    RecurrentOptions {
        activation: Activation::Tanh,
        sequences: random.once_in(2),
        states: random.once_in(2),
        backwards: random.once_in(2),
        in_order: random.once_in(2),
        zero_masked: random.once_in(2),
    }
}
