//! A small model for tests: ids through an embedding, a masked GRU and a softmax, as a program and as a plan.

use masque_ir::plan::{Layout, Plan, PlanWeight};
use masque_ir::program::Program;
use masque_ir::text::{Document, parse};
use ndarray::{ArrayD, IxDyn};

use crate::{Tensor, bundle, weights};

/// Rows of the table, its width, units of the GRU, classes.
const SIZES: [usize; 4] = [20, 6, 40, 3];

const PROGRAM: &str = r#"masque 1 tensor
semantics keras-3.15
model reviews
%ids = input : i32[B, T]
@embedding/embeddings = weight : f32[20, 6]
@gru/kernel = weight : f32[6, 120]
@gru/recurrent_kernel = weight : f32[40, 120]
@gru/bias = weight : f32[2, 120]
@dense/kernel = weight : f32[40, 3]
@dense/bias = weight : f32[3]
%mask = ne(%ids, 0:i32) : bool[B, T]
%x = gather(@embedding/embeddings, %ids) : f32[B, T, 6]
%h = gru(%x, @gru/kernel, @gru/recurrent_kernel, bias = @gru/bias, mask = %mask) OPTIONS : f32[B, 40]
%y = dense(%h, @dense/kernel, bias = @dense/bias) {activation = {softmax = {axis = -1}}} : f32[B, 3]
return output_0 = %y, "embedding:0" = %mask
"#;

const PLAN: &str = r#"masque 2 plan
semantics keras-3.15
model reviews
provenance {apart = false, compiler = "masque 0.1.0", file = reviews.keras, hash = "0123", mask_table = "embedding  born  ne(%ids, 0)\n", output_names = [], padding = unknown}
%ids = input {pad = 0} : i32[B, T]
%mask = ne(%ids, 0:i32) : bool[B, T] by reference
%x = gather(@embedding/embeddings, %ids) : f32[B, T, 6] by gather
%h = gru(%x, @gru/kernel, @gru/recurrent_kernel, bias = @gru/bias, mask = %mask) OPTIONS : f32[B, 40] by gru
%y = dense(%h, @dense/kernel, bias = @dense/bias) {activation = {softmax = {axis = -1}}} : f32[B, 3] by dense
return output_0 = %y : f32[B, 3]
mask "embedding:0" = %mask : bool[B, T]
"#;

const OPTIONS: &str = "{options = {activation = tanh, backwards = false, in_order = false, sequences = false, states = false, \
                       zero_masked = false}, recurrent_activation = sigmoid, reset_after = true}";

/// Numbers that look random, the same every time.
pub(crate) fn noise(shape: &[usize], seed: u32) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    })
}

/// The weights by name.
pub(crate) fn tensors() -> Vec<(&'static str, Tensor)> {
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

/// The model's plan and its weights' bytes.
pub(crate) fn model() -> (Plan, Vec<Vec<u8>>) {
    let (mut planned, mut contents) = (vec![], vec![]);
    for (name, tensor) in tensors() {
        let layout = if name.ends_with("kernel") { Layout::Panels } else { Layout::Rows };
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
    let lines = planned.iter().map(|weight| {
        let PlanWeight { name, bytes, offset, .. } = weight;
        let layout = if weight.layout == Layout::Panels { "panels" } else { "rows" };
        let ty = format!("f32{:?}", weight.shape);
        format!(
            "@{name} = weight {{bytes = {bytes}, hash = \"\", layout = {layout}, offset = {offset}}} : {ty}\n"
        )
    });
    let text = PLAN
        .replace("OPTIONS", OPTIONS)
        .replace("%mask = ne", &format!("{}%mask = ne", lines.collect::<String>()));
    let Ok(Document::Plan(plan)) = parse(&text) else { panic!("a plan, {:?}", parse(&text)) };
    (plan, contents)
}

/// The program that the plan computes.
pub(crate) fn program() -> Program {
    match parse(&PROGRAM.replace("OPTIONS", OPTIONS)) {
        Ok(Document::Program(_, program)) => program,
        other => panic!("a program, found {other:?}"),
    }
}
