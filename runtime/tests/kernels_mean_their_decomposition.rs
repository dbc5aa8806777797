//! A kernel is only ever a faster way to say the same: plans of one step, done by the kernel and by the operation's
//! own meaning, for random sizes (0 and 1 among them), options, masks and operands, some of which are weights.
//!
//! Numbers agree within 1e-5, absolute or relative; NaN only with NaN, infinities only with themselves. What is moved, and
//! integers and truth values, are the same.

use masque_ir::activation::Activation;
use masque_ir::dim::Bindings;
use masque_ir::float::Float;
use masque_ir::ops::{
    Activate, Dense, Elementwise, Index, Map, Normalize, Op, Pool, Product, Recurrent, RecurrentOptions,
    Reduce, Shape, Split, Standardize, Text, TokenOutput,
};
use masque_ir::plan::{
    Kernel, Layout, Plan, PlanInput, PlanOutput, PlanValue, PlanWeight, Provenance, Source, Step,
};
use masque_ir::program::{Builder, Literal, Operand};
use masque_ir::{DType, Dim, Semantics, Type};
use masque_runtime::weights::lay_out;
use masque_runtime::{Options, Section, Session, State, Tensor, TensorView, bundle, reference};
use ndarray::{ArrayD, IxDyn};

/// How many cases of every operation are run, and how far two numbers may be apart.
const CASES: u64 = 1_000;
const TOLERANCE: f64 = 1e-5;

/// A source of decisions (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Numbers or truth values of a type.
    fn elements(&mut self, dtype: DType, shape: &[usize]) -> Tensor {
        let mut array =
            |f: &mut dyn FnMut(&mut Random) -> i64| ArrayD::from_shape_simple_fn(IxDyn(shape), || f(self));
        let mut whole = |random: &mut Random| random.pick(&[0, 1, -1, 2, 3, -7, 100, 1 << 20]);
        match dtype {
            DType::F32 => self.floats(shape),
            DType::F64 => match self.floats(shape) {
                Tensor::F32(array) => array.mapv(f64::from).into(),
                other => other,
            },
            DType::I32 => array(&mut whole).mapv(|x| x as i32).into(),
            DType::I64 => array(&mut whole).into(),
            DType::Bool => array(&mut |random| random.below(2) as i64).mapv(|x| x == 1).into(),
            DType::Str => unreachable!("no kernel takes texts of random shapes"),
        }
    }

    fn dtype(&mut self) -> DType {
        self.pick(&[DType::F32, DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool])
    }

    fn shape(&mut self, most: usize) -> Vec<usize> {
        (0..self.below(most + 1)).map(|_| self.size()).collect()
    }

    /// A shape that broadcasts to another one.
    fn narrower(&mut self, shape: &[usize]) -> Vec<usize> {
        let from = self.below(shape.len() + 1);
        shape[from..].iter().map(|&size| if self.once_in(4) { 1 } else { size }).collect()
    }

    fn size(&mut self) -> usize {
        self.pick(&[0, 1, 1, 2, 3, 4, 7, 17])
    }

    /// Numbers between -1 and 1; in some tensors also those where functions break. None is large: of a sum of large
    /// numbers, the exponential shows every bit of its rounding.
    fn floats(&mut self, shape: &[usize]) -> Tensor {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 4.0, 1e-40];
        let has_odd = self.once_in(4);
        let float = || match has_odd && self.once_in(6) {
            true => self.pick(&odd),
            false => self.below(1 << 20) as f32 / (1 << 19) as f32 - 1.0,
        };
        ArrayD::from_shape_simple_fn(IxDyn(shape), float).into()
    }

    /// Masks with gaps, full ones, and rows without a valid step.
    fn mask(&mut self, batch: usize, steps: usize) -> Tensor {
        let mut mask = ArrayD::from_elem(IxDyn(&[batch, steps]), true);
        for mut row in mask.rows_mut() {
            match self.below(4) {
                0 => row.fill(false),
                1 => row.iter_mut().for_each(|valid| *valid = self.once_in(2)),
                2 => {
                    let length = self.below(steps + 1);
                    row.iter_mut().skip(length).for_each(|valid| *valid = false);
                }
                _ => {}
            }
        }
        mask.into()
    }

    fn activation(&mut self) -> Activation {
        use Activation::*;
        self.pick(&[
            Linear,
            Activation::RELU,
            Elu { alpha: Float(0.7) },
            Selu,
            Gelu,
            GeluTanh,
            Silu,
            Softplus,
            Softsign,
            Tanh,
            Sigmoid,
            Exponential,
            HardSigmoid,
            HardSilu,
            HardSigmoidKeras2,
            HardTanh,
            Mish,
            LogSigmoid,
            Celu { alpha: Float(0.7) },
            Relu { negative_slope: Float(0.1), max_value: Some(Float(0.3)), threshold: Float(0.1) },
            TanhShrink,
            HardShrink { threshold: Float(0.3) },
            SoftShrink { threshold: Float(0.3) },
            SparsePlus,
            SparseSigmoid,
            Squareplus { b: Float(4.0) },
            Softmax { axis: -1 },
            LogSoftmax { axis: -1 },
        ])
    }

    /// Between 0 and 1: through other gates, a layer multiplies its rounding errors from step to step.
    fn gate(&mut self) -> Activation {
        self.pick(&[Activation::Sigmoid, Activation::HardSigmoid])
    }
}

/// An operation and its operands; those that may be weights are, now and then.
struct Case {
    op: Op,
    operands: Vec<Option<(Tensor, bool)>>,
}

impl Case {
    fn new(op: impl Into<Op>) -> Case {
        Case { op: op.into(), operands: vec![] }
    }

    fn input(mut self, tensor: Tensor) -> Case {
        self.operands.push(Some((tensor, false)));
        self
    }

    fn weight(mut self, random: &mut Random, tensor: Tensor) -> Case {
        self.operands.push(Some((tensor, random.once_in(2))));
        self
    }

    /// An operand that may be left out.
    fn maybe(mut self, random: &mut Random, make: impl FnOnce(&mut Random) -> Tensor) -> Case {
        let operand = if random.once_in(2) { None } else { Some((make(random), false)) };
        self.operands.push(operand);
        self
    }

    /// The plan of this one step, and its weights section.
    fn plan(&self) -> (Plan, Vec<u8>) {
        let types: Vec<Option<Type>> = self.operands.iter().map(|x| x.as_ref().map(|(x, _)| ty(x))).collect();
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let kernel = Kernel::choose(&self.op, &types).filter(|kernel| *kernel != Kernel::Reference);
        let kernel = kernel.unwrap_or_else(|| panic!("no kernel takes {:?} of {types:?}", self.op));
        let (mut inputs, mut values, mut weights, mut contents) = (vec![], vec![], vec![], vec![]);
        let mut operands = vec![];
        for (place, operand) in self.operands.iter().enumerate() {
            operands.push(match operand {
                None => Source::Absent,
                Some((tensor, false)) => {
                    let value = values.len() as u32;
                    values.push(PlanValue { name: format!("x{place}"), ty: ty(tensor), over: None });
                    inputs.push(PlanInput { value, pad: Float(0.0) });
                    Source::Value(value)
                }
                Some((tensor, true)) => {
                    let layout = kernel.layout(&self.op, place, tensor.dtype());
                    contents.push(lay_out(&tensor.view(), layout).unwrap());
                    weights.push(planned(place, tensor, layout, contents[contents.len() - 1].len()));
                    Source::Weight(weights.len() as u32 - 1)
                }
            });
        }
        bundle::place(&mut weights);
        let mut section = vec![];
        for (weight, bytes) in weights.iter().zip(contents) {
            section.resize(weight.offset as usize, 0);
            section.extend(bytes);
        }
        let (mut outputs, mut results) = (vec![], vec![]);
        for ty in self.op.infer(&types).unwrap() {
            let (value, name) = (values.len() as u32, format!("y{}", values.len()));
            outputs.push(PlanOutput { name: name.clone(), ty: ty.clone(), source: Source::Value(value) });
            values.push(PlanValue { name, ty, over: None });
            results.push(value);
        }
        let plan = Plan {
            name: "one step".into(),
            semantics: Semantics::Keras3_15,
            provenance: Provenance::default(),
            outputs,
            steps: vec![Step { op: self.op.clone(), kernel, operands, results }],
            values,
            inputs,
            states: vec![],
            weights,
            masks: vec![],
        };
        (plan, section)
    }

    /// By the kernel, in memory that another run has left behind.
    fn by_kernel(&self) -> Result<Vec<Tensor>, String> {
        let (plan, section) = self.plan();
        let named = self.operands.iter().enumerate().filter_map(|(place, operand)| match operand {
            Some((tensor, false)) => Some((format!("x{place}"), tensor.clone())),
            _ => None,
        });
        let named: Vec<(String, Tensor)> = named.collect();
        let session = Session::new(plan, Section::copy(&section)).expect("the plan is sound");
        let mut state = State::default();
        let mut run = || session.run(&mut state, &named, Options::default());
        let first = run().map_err(|error| error.to_string())?;
        let again = run().map_err(|error| error.to_string())?;
        let bits = |tensor: &Tensor| match tensor {
            Tensor::F32(array) => array.iter().map(|x| x.to_bits()).collect(),
            _ => vec![],
        };
        for ((_, a), (_, b)) in first.outputs.iter().zip(&again.outputs) {
            assert_eq!(bits(a), bits(b), "a second run of {:?} gives other bits", self.op);
        }
        Ok(first.outputs.into_iter().map(|(_, tensor)| tensor).collect())
    }

    /// By the operation's own meaning.
    fn by_reference(&self) -> Result<Vec<Tensor>, String> {
        let views: Vec<Option<TensorView<'_>>> =
            self.operands.iter().map(|operand| operand.as_ref().map(|(tensor, _)| tensor.view())).collect();
        reference::evaluate(&self.op, &views, &Bindings::new()).map_err(|error| error.to_string())
    }
}

fn planned(place: usize, tensor: &Tensor, layout: Layout, bytes: usize) -> PlanWeight {
    PlanWeight {
        name: format!("w{place}"),
        dtype: tensor.dtype(),
        shape: tensor.shape().iter().map(|&size| size as u64).collect(),
        layout,
        offset: 0,
        bytes: bytes as u64,
        hash: String::new(),
    }
}

fn ty(tensor: &Tensor) -> Type {
    let shape: Vec<Dim> = tensor.shape().iter().map(|&size| Dim::constant(size as i64)).collect();
    Type::new(tensor.dtype(), shape)
}

/// The elements, if they are floats.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor {
        Tensor::F32(array) => Some(array.iter().map(|&x| f64::from(x)).collect()),
        Tensor::F64(array) => Some(array.iter().copied().collect()),
        _ => None,
    }
}

/// How far apart two numbers are, relative to the second one where that is large.
fn distance(found: f64, expected: f64) -> f64 {
    if found == expected || found.is_nan() && expected.is_nan() {
        return 0.0;
    }
    let distance = (found - expected).abs() / expected.abs().max(1.0);
    if distance.is_nan() { f64::INFINITY } else { distance }
}

/// Runs random cases of one operation both ways, and says how far apart they were at most.
fn compare(name: &str, make: impl Fn(&mut Random) -> Case) {
    let mut worst = 0.0f64;
    for seed in 0..CASES {
        let case = make(&mut Random(seed));
        let (kernel, reference) = match (case.by_kernel(), case.by_reference()) {
            (Ok(kernel), Ok(reference)) => (kernel, reference),
            (Err(_), Err(_)) => continue,
            (kernel, reference) => panic!("case {seed}, {:?}: {kernel:?} and {reference:?}", case.op),
        };
        assert_eq!(kernel.len(), reference.len());
        for (result, (kernel, reference)) in kernel.iter().zip(&reference).enumerate() {
            assert_eq!(kernel.shape(), reference.shape(), "case {seed}, result {result} of {:?}", case.op);
            let (Some(found), Some(expected)) = (floats(kernel), floats(reference)) else {
                assert_eq!(kernel, reference, "case {seed}, {:?}", case.op);
                continue;
            };
            for (found, expected) in found.into_iter().zip(expected) {
                let distance = distance(found, expected);
                assert!(
                    distance <= TOLERANCE,
                    "case {seed}, result {result}: {found} is not {expected}\n{:?}\n{:?}",
                    case.op,
                    case.operands
                );
                worst = worst.max(distance);
            }
        }
    }
    say(&format!("{name}: {worst:.1e} apart at most"));
}

#[allow(clippy::print_stderr, reason = "shown with --nocapture")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[test]
fn activate() {
    compare("activate", |random| {
        let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        let scale = random.pick(&[1.0, 10.0, 100.0]);
        let x = random.floats(&shape).as_f32().unwrap().mapv(|x| x * scale);
        Case::new(Activate::Activate { f: random.activation() }).input(x.into())
    });
}

#[test]
fn dense() {
    compare("dense", |random| {
        let (inner, columns) = (random.size(), random.size());
        let mut shape: Vec<usize> = (0..random.below(3)).map(|_| random.size()).collect();
        shape.push(inner);
        let (x, kernel) = (random.floats(&shape), random.floats(&[inner, columns]));
        Case::new(Dense::Dense { activation: random.activation() })
            .input(x)
            .weight(random, kernel)
            .maybe(random, |random| random.floats(&[columns]))
    });
}

/// Each axis of the result, and those summed over, in one or both operands, everything in any order.
#[test]
fn contract() {
    compare("contract", |random| {
        let (mut a, mut b, mut result) = (vec![], vec![], vec![]);
        for letter in 'a'..'g' {
            let size = random.size();
            let (left, right, kept) = random.pick(&[
                (true, true, true),
                (true, true, false),
                (true, false, true),
                (false, true, true),
            ]);
            for (list, stands) in [(&mut a, left), (&mut b, right), (&mut result, kept)] {
                if stands {
                    list.insert(random.below(list.len() + 1), (letter, size));
                }
            }
            if a.len() + b.len() > 4 {
                break;
            }
        }
        let letters = |list: &[(char, usize)]| list.iter().map(|(letter, _)| *letter).collect::<String>();
        let sizes = |list: &[(char, usize)]| list.iter().map(|(_, size)| *size).collect::<Vec<_>>();
        let axes = format!("{},{}->{}", letters(&a), letters(&b), letters(&result)).parse().unwrap();
        let (x, y) = (random.floats(&sizes(&a)), random.floats(&sizes(&b)));
        Case::new(Product::Contract { axes }).input(x).weight(random, y)
    });
}

#[test]
fn layer_norm() {
    compare("layer_norm", |random| {
        let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        let axes = 1 + random.below(shape.len());
        let inner = shape[shape.len() - axes..].to_vec();
        let epsilon = Float(random.pick(&[1e-3, 1e-6, 0.1]));
        Case::new(Normalize::LayerNorm { axes: axes as u32, epsilon })
            .input(random.floats(&shape))
            .maybe(random, |random| random.floats(&inner))
            .maybe(random, |random| random.floats(&inner))
    });
}

#[test]
fn mean_over_time() {
    compare("mean_over_time", |random| {
        let mut shape: Vec<usize> = (0..2 + random.below(3)).map(|_| random.size()).collect();
        shape[0] = shape[0].min(4);
        Case::new(Pool::MeanOverTime { keep: random.once_in(2) })
            .input(random.floats(&shape))
            .maybe(random, |random| random.mask(shape[0], shape[1]))
    });
}

#[test]
fn gather() {
    compare("gather", |random| {
        let mut shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        shape[0] = shape[0].max(1);
        let ids: Vec<usize> = (0..random.below(3)).map(|_| random.size()).collect();
        // Now and then a number outside the table.
        let rows = shape[0] + usize::from(random.once_in(10));
        let ids = ArrayD::from_shape_simple_fn(IxDyn(&ids), || random.below(rows) as i64);
        let ids = if random.once_in(2) { ids.into() } else { ids.mapv(|id| id as i32).into() };
        let table = random.floats(&shape);
        Case::new(Index::Gather).weight(random, table).input(ids)
    });
}

/// A recurrent layer: sizes, weights, and what may be left out.
fn recurrent(random: &mut Random, op: Recurrent, bias_rows: usize) -> Case {
    let [batch, steps, features, units] = std::array::from_fn(|_| random.size().min(9));
    let columns = op.gates() as usize * units;
    let states = op.states();
    let x = random.floats(&[batch, steps, features]);
    let (kernel, inner) = (random.floats(&[features, columns]), random.floats(&[units, columns]));
    let bias: &[usize] = if bias_rows == 2 { &[2, columns] } else { &[columns] };
    let mut case = Case::new(op)
        .input(x)
        .weight(random, kernel)
        .weight(random, inner)
        .maybe(random, |random| random.floats(bias))
        .maybe(random, |random| random.mask(batch, steps));
    for _ in 0..states {
        case = case.maybe(random, |random| random.floats(&[batch, units]));
    }
    case
}

fn options(random: &mut Random) -> RecurrentOptions {
    RecurrentOptions {
        activation: random.pick(&[Activation::Tanh, Activation::Sigmoid, Activation::RELU]),
        sequences: random.once_in(2),
        states: random.once_in(2),
        backwards: random.once_in(2),
        zero_masked: random.once_in(2),
    }
}

#[test]
fn gru() {
    compare("gru", |random| {
        let reset_after = random.once_in(2);
        let recurrent_activation = random.gate();
        let op = Recurrent::Gru { options: options(random), recurrent_activation, reset_after };
        recurrent(random, op, if reset_after { 2 } else { 1 })
    });
}

#[test]
fn lstm() {
    compare("lstm", |random| {
        let recurrent_activation = random.gate();
        let op = Recurrent::Lstm { options: options(random), recurrent_activation };
        recurrent(random, op, 1)
    });
}

#[test]
fn simple_rnn() {
    compare("simple_rnn", |random| {
        let op = Recurrent::SimpleRnn { options: options(random) };
        recurrent(random, op, 1)
    });
}

#[test]
fn vectorize() {
    let words = ["dog", "cat", "bird", "A dog,", "a CAT!", "", "no such word"];
    let texts = |random: &mut Random, count: usize| {
        ArrayD::from_shape_simple_fn(IxDyn(&[count]), || random.pick(&words).to_owned())
    };
    compare("vectorize", |random| {
        let (length, output) = random.pick(&[("2", TokenOutput::Int), ("5", TokenOutput::MultiHot)]);
        let op = Text::Vectorize {
            standardize: Standardize::LowerAndStripPunctuation,
            split: Split::Whitespace,
            ngrams: vec![],
            output,
            length: length.parse().unwrap(),
            to: DType::I64,
        };
        let count = random.size();
        let vocabulary =
            ArrayD::from_shape_vec(IxDyn(&[3]), ["dog", "cat", "bird"].map(str::to_owned).to_vec());
        let mut case = Case::new(op).input(texts(random, count).into());
        case.operands.extend([Some((vocabulary.unwrap().into(), true)), None]);
        case
    });
}

/// An operation that takes operands of some element type, its operands' types, and how it is called.
fn elementwise(random: &mut Random) -> (Elementwise, Vec<DType>) {
    use Elementwise::*;
    let dtype = random.dtype();
    let one = random.pick(&[Neg, Abs, Sign]);
    let two = random.pick(&[Add, Sub, Mul, Max, Min, Eq, Ne, Lt, Le, Gt, Ge]);
    let to = random.dtype();
    match (dtype, random.below(6)) {
        (dtype, 0) => (Cast { to }, vec![dtype]),
        (dtype, 1) => (Select, vec![DType::Bool, dtype, dtype]),
        (DType::Bool, 2) => (Not, vec![dtype]),
        (DType::Bool, _) => (random.pick(&[And, Or, Eq, Ne]), vec![dtype; 2]),
        (DType::F32 | DType::F64, 2) => {
            (random.pick(&[Exp, Log, Sqrt, Tanh, Sin, Cos, Erf, Floor]), vec![dtype])
        }
        (DType::F32 | DType::F64, 3) => (random.pick(&[Div, Mod, Atan2]), vec![dtype; 2]),
        (DType::I32 | DType::I64, 3) => (random.pick(&[Gcd, BitAnd]), vec![dtype; 2]),
        (dtype, 4) => (one, vec![dtype]),
        (dtype, _) => (two, vec![dtype; 2]),
    }
}

#[test]
fn element_by_element() {
    compare("elementwise", |random| {
        let (op, dtypes) = elementwise(random);
        let shape = random.shape(4);
        let mut case = Case::new(op);
        for dtype in dtypes {
            let shape = random.narrower(&shape);
            case = case.input(random.elements(dtype, &shape));
        }
        case
    });
}

/// A body of several operations, each on operands, numbers and results before it.
#[test]
fn several_operations_in_one() {
    compare("map", |random| {
        let mut body = Builder::new("body", Semantics::Keras3_15);
        let shape = random.shape(4);
        let mut operands = vec![];
        let mut values: Vec<(DType, Operand)> = vec![];
        for place in 0..1 + random.below(3) {
            let dtype = random.dtype();
            let narrower = random.narrower(&shape);
            operands.push(random.elements(dtype, &narrower));
            values.push((dtype, body.input(&format!("x{place}"), Type::scalar(dtype))));
        }
        for _ in 0..random.below(8) {
            let (op, dtypes) = elementwise(random);
            let mut chosen = vec![];
            for dtype in dtypes {
                let known: Vec<&Operand> =
                    values.iter().filter(|(known, _)| *known == dtype).map(|(_, operand)| operand).collect();
                chosen.push(match known.as_slice() {
                    [] => Operand::Literal(Literal { dtype, number: Float(1.0) }),
                    _ if random.once_in(6) => Operand::Literal(Literal { dtype, number: Float(0.0) }),
                    known => (*random.pick(known)).clone(),
                });
            }
            let result = body.emit(op, &chosen).unwrap();
            values.push((body.type_of(&result).dtype, result));
        }
        for output in 0..1 + random.below(3) {
            let (_, operand) = random.pick(&values);
            body.output(format!("y{output}"), operand);
        }
        let mut case = Case::new(Map::Map { body: body.finish().into() });
        for operand in operands {
            case = case.input(operand);
        }
        case
    });
}

#[test]
fn what_is_moved_is_the_same() {
    compare("move", |random| {
        let mut shape = random.shape(4);
        shape.push(random.size());
        let rank = shape.len();
        let dtype = random.dtype();
        let x = random.elements(dtype, &shape);
        let axis = random.below(rank);
        let op = match random.below(7) {
            0 => {
                let mut perm: Vec<u32> = (0..rank as u32).collect();
                (1..rank).rev().for_each(|place| perm.swap(place, random.below(place + 1)));
                Shape::Transpose { perm }
            }
            1 => {
                let mut wide: Vec<usize> =
                    shape.iter().map(|&size| if size == 1 { random.size() } else { size }).collect();
                (0..random.below(3)).for_each(|_| wide.insert(0, random.size()));
                Shape::Broadcast { shape: wide.iter().map(|&size| Dim::constant(size as i64)).collect() }
            }
            2 => {
                let start = random.below(shape[axis] + 1);
                let stop = start + random.below(shape[axis] + 1 - start);
                let [start, stop] = [start, stop].map(|place| Dim::constant(place as i64));
                Shape::Slice { axis: axis as u32, start, stop, step: 1 + random.below(3) as u32 }
            }
            3 => Shape::Reverse { axis: axis as u32 },
            4 => Shape::Positions { axis: axis as u32 },
            5 => Shape::Size { axes: vec![axis as u32] },
            _ => return concat_or_pad(random, x, &shape, axis),
        };
        Case::new(op).input(x)
    });
}

fn concat_or_pad(random: &mut Random, x: Tensor, shape: &[usize], axis: usize) -> Case {
    let dtype = x.dtype();
    if random.once_in(2) {
        let mut case = Case::new(Shape::Concat { axis: axis as u32 }).input(x);
        for _ in 0..random.below(3) {
            let mut part = shape.to_vec();
            part[axis] = random.size();
            case = case.input(random.elements(dtype, &part));
        }
        return case;
    }
    let mut margin =
        || -> Vec<i64> { shape.iter().map(|&size| random.below(5) as i64 - i64::from(size > 2)).collect() };
    let (low, high) = (margin(), margin());
    let spread = shape.iter().map(|_| random.below(3) as u32).collect();
    let value = random.elements(dtype, &[]);
    Case::new(Shape::Pad { low, high, spread }).input(x).input(value)
}

#[test]
fn folds() {
    compare("fold", |random| {
        let shape = random.shape(4);
        let dtype = random.dtype();
        let axes: Vec<u32> = (0..shape.len() as u32).filter(|_| random.once_in(2)).collect();
        let keep = random.once_in(2);
        let op = match (dtype, random.below(4)) {
            (DType::Bool, place) if place < 2 => Reduce::Any { axes, keep },
            (DType::Bool, _) => Reduce::All { axes, keep },
            (_, 0) => Reduce::Sum { axes, keep },
            (_, 1) => Reduce::Product { axes, keep },
            (_, 2) => Reduce::ReduceMax { axes, keep },
            _ => Reduce::ReduceMin { axes, keep },
        };
        Case::new(op).input(random.elements(dtype, &shape))
    });
}
