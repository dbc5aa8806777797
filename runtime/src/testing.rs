//! A small model for tests: ids through an embedding, a masked GRU and a softmax, as a plan.

use masque_ir::activation::Activation;
use masque_ir::dim::Dim;
use masque_ir::float::Float;
use masque_ir::ops::{Dense, Elementwise, Index, Op, Recurrent, RecurrentOptions};
use masque_ir::plan::{
    Kernel, Layout, Plan, PlanInput, PlanOutput, PlanResult, PlanWeight, Provenance, Source, Step,
};
use masque_ir::program::Literal;
use masque_ir::{DType, Semantics, Type};
use ndarray::{ArrayD, IxDyn};

use crate::{Tensor, bundle, weights};

/// Rows of the table, its width, units of the GRU, classes.
const SIZES: [usize; 4] = [20, 6, 40, 3];

/// Numbers that look random, the same every time.
pub(crate) fn noise(shape: &[usize], seed: u32) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    })
}

fn tensors() -> Vec<(&'static str, Tensor)> {
    let [rows, width, units, classes] = SIZES;
    let shapes: [(&str, &[usize]); 6] = [
        ("embedding/embeddings", &[rows, width]),
        ("gru/kernel", &[width, 3 * units]),
        ("gru/recurrent_kernel", &[units, 3 * units]),
        ("gru/bias", &[2, 3 * units]),
        ("dense/kernel", &[units, classes]),
        ("dense/bias", &[classes]),
    ];
    let noise =
        |(seed, (name, shape)): (usize, (_, &[usize]))| (name, Tensor::F32(noise(shape, seed as u32)));
    shapes.into_iter().enumerate().map(noise).collect()
}

/// The model's plan and its weights' bytes, every step done by `kernel` where that is possible.
pub(crate) fn model(kernel: Kernel) -> (Plan, Vec<Vec<u8>>) {
    let (mut planned, mut contents) = (vec![], vec![]);
    for (place, (name, tensor)) in tensors().into_iter().enumerate() {
        let panels = kernel == Kernel::Native && [1, 2, 4].contains(&place);
        let layout = if panels { Layout::Panels } else { Layout::Rows };
        let bytes = weights::lay_out(&tensor.view(), layout).expect("a layout of this tensor");
        planned.push(PlanWeight {
            name: name.into(),
            dtype: tensor.dtype(),
            shape: tensor.shape().iter().map(|&size| size as u64).collect(),
            layout,
            offset: 0,
            bytes: bytes.len() as u64,
            hash: String::new(),
        });
        contents.push(bytes);
    }
    bundle::place(&mut planned);
    let ids = ty(DType::I32, &["B".into(), "T".into()]);
    let plan = Plan {
        name: "reviews".into(),
        semantics: Semantics::Keras3_15,
        provenance: Provenance {
            file: "reviews.keras".into(),
            hash: "0123".into(),
            compiler: "masque 0.1.0".into(),
            mask_table: "embedding  born  ne(%ids, 0)\n".into(),
        },
        inputs: vec![PlanInput { name: "ids".into(), ty: ids, pad: Float(0.0), slot: 0 }],
        states: vec![],
        weights: planned,
        slots: 3,
        steps: steps(kernel),
        outputs: vec![output("output_0", DType::F32, &["B".into(), SIZES[3].to_string()], 2)],
        masks: vec![output("embedding:0", DType::Bool, &["B".into(), "T".into()], 1)],
    };
    (plan, contents)
}

fn steps(kernel: Kernel) -> Vec<Step> {
    let [_, width, units, classes] = SIZES.map(|size| size.to_string());
    let (batch, time) = ("B".to_owned(), "T".to_owned());
    let zero = Source::Literal(Literal { dtype: DType::I32, number: Float(0.0) });
    let options = RecurrentOptions {
        activation: Activation::Tanh,
        sequences: false,
        states: false,
        backwards: false,
        zero_masked: false,
    };
    let gru = Recurrent::Gru { options, recurrent_activation: Activation::Sigmoid, reset_after: true };
    let softmax = Dense::Dense { activation: Activation::Softmax { axis: -1 } };
    let (slot, weight) = (Source::Slot, Source::Weight);
    let gru_sources = vec![slot(2), weight(1), weight(2), weight(3), slot(1), Source::Absent];
    let step = |op: Op, kernel, sources, result: PlanResult, release: &[u32]| Step {
        op,
        kernel,
        sources,
        results: vec![result],
        release: release.to_vec(),
    };
    let mask = result("mask", DType::Bool, &[batch.clone(), time.clone()], 1);
    let x = result("x", DType::F32, &[batch.clone(), time, width], 2);
    let h = result("h", DType::F32, &[batch.clone(), units], 0);
    let y = result("y", DType::F32, &[batch, classes], 2);
    vec![
        step(Elementwise::Ne.into(), Kernel::Reference, vec![slot(0), zero], mask, &[]),
        step(Index::Gather.into(), kernel, vec![weight(0), slot(0)], x, &[0]),
        step(gru.into(), kernel, gru_sources, h, &[2]),
        step(softmax.into(), kernel, vec![slot(0), weight(4), weight(5)], y, &[0]),
    ]
}

/// A type from sizes as text.
pub(crate) fn ty(dtype: DType, shape: &[String]) -> Type {
    Type::new(dtype, shape.iter().map(|size| size.parse().expect("a size")).collect::<Vec<Dim>>())
}

fn result(name: &str, dtype: DType, shape: &[String], slot: u32) -> PlanResult {
    PlanResult { name: name.into(), ty: ty(dtype, shape), slot }
}

fn output(name: &str, dtype: DType, shape: &[String], slot: u32) -> PlanOutput {
    PlanOutput { name: name.into(), ty: ty(dtype, shape), source: Source::Slot(slot) }
}
