//! An operation with its operands, computed by a kernel and by its own meaning.

use masque_ir::dim::Bindings;
use masque_ir::float::Float;
use masque_ir::ops::Op;
use masque_ir::plan::{
    Kernel, Layout, Plan, PlanInput, PlanOutput, PlanValue, PlanWeight, Provenance, Source, Step,
};
use masque_ir::{Dim, Semantics, Type};
use masque_runtime::weights::lay_out;
use masque_runtime::{Options, Section, Session, State, Tensor, TensorView, bundle, reference};

use crate::random::Random;

/// How many cases of every operation are run, and how far two numbers may be apart.
const CASES: u64 = 1_000;
const TOLERANCE: f64 = 1e-5;

/// An operation and its operands; those that may be weights are, now and then.
pub(crate) struct Case {
    pub(crate) op: Op,
    pub(crate) operands: Vec<Option<(Tensor, bool)>>,
}

impl Case {
    pub(crate) fn new(op: impl Into<Op>) -> Case {
        Case { op: op.into(), operands: vec![] }
    }

    pub(crate) fn input(mut self, tensor: Tensor) -> Case {
        self.operands.push(Some((tensor, false)));
        self
    }

    pub(crate) fn weight(mut self, random: &mut Random, tensor: Tensor) -> Case {
        self.operands.push(Some((tensor, random.once_in(2))));
        self
    }

    /// An operand that may be left out.
    pub(crate) fn maybe(mut self, random: &mut Random, make: impl FnOnce(&mut Random) -> Tensor) -> Case {
        let operand = if random.once_in(2) { None } else { Some((make(random), false)) };
        self.operands.push(operand);
        self
    }

    /// An operand that is left out.
    pub(crate) fn absent(mut self) -> Case {
        self.operands.push(None);
        self
    }

    /// The plan of this one step, and its weights section.
    pub(crate) fn plan(&self) -> (Plan, Vec<u8>) {
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
    pub(crate) fn by_kernel(&self) -> Result<Vec<Tensor>, String> {
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
    pub(crate) fn by_reference(&self) -> Result<Vec<Tensor>, String> {
        let views: Vec<Option<TensorView<'_>>> =
            self.operands.iter().map(|operand| operand.as_ref().map(|(tensor, _)| tensor.view())).collect();
        reference::evaluate(&self.op, &views, &Bindings::new()).map_err(|error| error.to_string())
    }
}

pub(crate) fn planned(place: usize, tensor: &Tensor, layout: Layout, bytes: usize) -> PlanWeight {
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

pub(crate) fn ty(tensor: &Tensor) -> Type {
    let shape: Vec<Dim> = tensor.shape().iter().map(|&size| Dim::constant(size as i64)).collect();
    Type::new(tensor.dtype(), shape)
}

/// The elements, if they are floats.
pub(crate) fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor {
        Tensor::F32(array) => Some(array.iter().map(|&x| f64::from(x)).collect()),
        Tensor::F64(array) => Some(array.iter().copied().collect()),
        _ => None,
    }
}

/// How far apart two numbers are, relative to the second one where that is large.
pub(crate) fn distance(found: f64, expected: f64) -> f64 {
    if found == expected || found.is_nan() && expected.is_nan() {
        return 0.0;
    }
    let distance = (found - expected).abs() / expected.abs().max(1.0);
    if distance.is_nan() { f64::INFINITY } else { distance }
}

/// Runs random cases of one operation both ways, and says how far apart they were at most.
pub(crate) fn compare(name: &str, make: impl Fn(&mut Random) -> Case) {
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
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
