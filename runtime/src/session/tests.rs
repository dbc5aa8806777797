//! Plans run as the operations mean, within their bounds, and give a sentence the same bits in any company.

use masque_ir::plan::Kernel;
use masque_ir::{DType, Dim};
use ndarray::{Array2, ArrayD, arr1, arr2};

use super::*;
use crate::bundle;
use crate::testing::model;

/// A plan with its weights section.
fn section(kernel: Kernel) -> (Plan, Vec<u8>) {
    let (plan, weights) = model(kernel);
    let mut bytes = Vec::new();
    bundle::write(&mut bytes, b"", &plan, &weights).unwrap();
    let end = plan.weights.last().map_or(0, |weight| weight.offset + weight.bytes);
    bytes.truncate(end as usize);
    (plan, bytes)
}

fn run(kernel: Kernel, inputs: &[(&str, Tensor)], options: Options) -> Result<Outputs, RunError> {
    let (plan, weights) = section(kernel);
    Session::new(&plan, &weights).unwrap().run(inputs, options)
}

fn with_masks() -> Options {
    Options { masks: true, ..Options::default() }
}

/// Sentences of different lengths, padded with 0.
fn sentences(batch: usize, time: usize) -> Array2<i32> {
    Array2::from_shape_fn((batch, time), |(row, step)| {
        let inside = step < time - row % (time - 1);
        if inside { 1 + ((7 * row + 3 * step) % 19) as i32 } else { 0 }
    })
}

fn floats(outputs: &Outputs) -> ArrayD<f32> {
    outputs.outputs[0].1.as_f32().unwrap().clone()
}

#[test]
fn kernels_give_what_the_operations_mean() {
    let ids = Tensor::I32(sentences(9, 7).into_dyn());
    let native = run(Kernel::Native, &[("ids", ids.clone())], with_masks()).unwrap();
    let reference = run(Kernel::Reference, &[("ids", ids)], with_masks()).unwrap();
    assert_eq!(native.outputs[0].0, "output_0");
    assert_eq!(native.outputs[0].1.shape(), [9, 3]);
    for (a, b) in floats(&native).iter().zip(&floats(&reference)) {
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
    assert_eq!(native.masks, reference.masks);
    assert_eq!(native.masks[0].0, "embedding:0");
    assert!(!native.masks[0].1.as_bool().unwrap()[[1, 6]]);
}

#[test]
fn a_sentence_gives_the_same_bits_in_any_company_on_any_number_of_threads() {
    let batch = sentences(64, 12);
    let all = run(Kernel::Native, &[("ids", Tensor::I32(batch.clone().into_dyn()))], Options::default());
    let all = floats(&all.unwrap());
    let threads = Options { threads: 2, ..Options::default() };
    let threaded = run(Kernel::Native, &[("ids", Tensor::I32(batch.clone().into_dyn()))], threads).unwrap();
    assert_eq!(floats(&threaded), all);
    for row in [0, 5, 63] {
        let mut alone = Array2::zeros((1, 30));
        alone.slice_mut(ndarray::s![0, ..12]).assign(&batch.row(row));
        let alone = run(Kernel::Native, &[("ids", Tensor::I32(alone.into_dyn()))], Options::default());
        assert_eq!(floats(&alone.unwrap()).row_of(0), all.row_of(row));
    }
}

trait Row {
    fn row_of(&self, row: usize) -> Vec<u32>;
}

impl Row for ArrayD<f32> {
    fn row_of(&self, row: usize) -> Vec<u32> {
        self.index_axis(ndarray::Axis(0), row).iter().map(|x| x.to_bits()).collect()
    }
}

#[test]
fn numbers_of_another_type_are_converted_if_they_fit() {
    let wanted = run(Kernel::Native, &[("ids", Tensor::I32(arr2(&[[3, 4]]).into_dyn()))], with_masks());
    let wide = run(Kernel::Native, &[("ids", Tensor::I64(arr2(&[[3, 4]]).into_dyn()))], with_masks());
    assert_eq!(wanted, wide);
    for tensor in [
        Tensor::I64(arr2(&[[3, 1 << 40]]).into_dyn()),
        Tensor::F32(arr2(&[[3.0, 4.0]]).into_dyn()),
        Tensor::Str(arr2(&[["a".to_owned()]]).into_dyn()),
        Tensor::I32(arr1(&[3, 4]).into_dyn()),
    ] {
        let error = run(Kernel::Native, &[("ids", tensor)], Options::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(r#"input "ids": expected i32[B, T], found "#), "{message}");
    }
}

#[test]
fn inputs_have_to_be_those_of_the_model() {
    let ids = || Tensor::I32(arr2(&[[1]]).into_dyn());
    let message =
        |inputs: &[(&str, Tensor)]| run(Kernel::Native, inputs, Options::default()).unwrap_err().to_string();
    let expected = r#"the model expects "ids": i32[B, T]"#;
    assert_eq!(message(&[]), format!(r#"input "ids" is missing; {expected}"#));
    assert_eq!(
        message(&[("ids", ids()), ("x\n", ids())]),
        format!(r#"input "x\n" does not exist; {expected}"#)
    );
    assert_eq!(
        message(&[("ids", ids()), ("ids", ids())]),
        format!(r#"input "ids" is there twice; {expected}"#)
    );
    let outside = message(&[("ids", Tensor::I32(arr2(&[[1, 99]]).into_dyn()))]);
    assert!(outside.contains("99") && outside.contains("\"x\""), "{outside}");
}

#[test]
fn too_much_memory_is_refused_before_it_is_taken() {
    let ids = Tensor::I32(sentences(9, 7).into_dyn());
    let small = Options { memory: 1000, ..Options::default() };
    let message = run(Kernel::Native, &[("ids", ids)], small).unwrap_err().to_string();
    assert!(message.contains("is above the limit"), "{message}");
}

#[test]
fn an_empty_batch_and_no_time_are_no_trouble() {
    for (batch, time) in [(0, 4), (2, 0), (0, 0)] {
        let ids = Tensor::I32(Array2::zeros((batch, time)).into_dyn());
        let native = run(Kernel::Native, &[("ids", ids.clone())], with_masks()).unwrap();
        let reference = run(Kernel::Reference, &[("ids", ids)], with_masks()).unwrap();
        assert_eq!(native.outputs[0].1.shape(), reference.outputs[0].1.shape());
    }
}

#[test]
fn a_symbol_has_one_size_in_a_run() {
    let (mut plan, weights) = section(Kernel::Native);
    let mut second = plan.inputs[0].clone();
    second.name = "more".into();
    second.slot = plan.slots;
    second.ty.shape[1] = &Dim::symbol("T") + &Dim::constant(1);
    plan.slots += 1;
    plan.inputs.push(second);
    let mut session = Session::new(&plan, &weights).unwrap();
    let mut attempt = |time: usize| {
        let ids = ("ids", Tensor::I32(Array2::ones((2, 3)).into_dyn()));
        session.run(&[("more", Tensor::I32(Array2::ones((2, time)).into_dyn())), ids], Options::default())
    };
    assert!(attempt(4).is_ok());
    let message = attempt(3).unwrap_err().to_string();
    assert_eq!(message, r#"input "more": expected i32[B, T + 1] (here [2, 4]), found i32[2, 3]"#);
}

#[test]
fn steps_for_masks_alone_are_passed_over() {
    let (plan, _) = section(Kernel::Native);
    let mut without_use = plan.clone();
    without_use.steps[2].sources[4] = Source::Absent;
    let needed = live::needed(&without_use);
    assert!(!needed.is(0, false) && needed.is(0, true) && needed.is(1, false));
    assert!(live::needed(&plan).is(0, false));
}

const SUM: &str = r#"masque 1 plan
semantics keras-3.15
model "sum"
slots 3

$0 %x = input {pad = 0.0} : f32[2]
$1 %seen = state : f32[2]

$2 %sum = reference add($1, $0) : f32[2] release $0, $1

keep seen = $2
return output_0 = $2 : f32[2]
"#;

/// What a run keeps the next one finds, until it is forgotten; a run that fails keeps nothing.
#[test]
fn states_go_from_run_to_run() {
    let Ok(masque_ir::text::Document::Plan(plan)) = masque_ir::text::parse(SUM) else { panic!("no plan") };
    let mut session = Session::new(&plan, &[]).unwrap();
    let x = || Tensor::from(arr1(&[1.0f32, 2.0]).into_dyn());
    let mut next = || session.run(&[("x", x())], Options::default()).map(|outputs| floats(&outputs));
    assert_eq!(next().unwrap(), arr1(&[1.0, 2.0]).into_dyn());
    assert_eq!(next().unwrap(), arr1(&[2.0, 4.0]).into_dyn());
    let tight = Options { memory: 20, ..Options::default() };
    assert!(matches!(session.run(&[("x", x())], tight), Err(RunError::Step { .. })));
    let mut next = || session.run(&[("x", x())], Options::default()).map(|outputs| floats(&outputs));
    assert_eq!(next().unwrap(), arr1(&[3.0, 6.0]).into_dyn());
    session.reset_states();
    let outputs = session.run(&[("x", x())], Options::default()).unwrap();
    assert_eq!(floats(&outputs), arr1(&[1.0, 2.0]).into_dyn());
}

#[test]
fn unsound_plans_are_refused() {
    let (plan, weights) = section(Kernel::Native);
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        Session::new(&plan, &weights).unwrap_err().to_string()
    };
    assert!(refused(&|plan| plan.slots = 1 << 30).contains("PLAN-1"));
    assert!(refused(&|plan| plan.steps[1].sources[1] = Source::Slot(2)).contains("PLAN-2"));
    assert!(refused(&|plan| plan.steps[1].sources.truncate(1)).contains("PLAN-5"));
    assert!(refused(&|plan| plan.steps[1].results[0].ty.dtype = DType::F64).contains("PLAN-5"));
    assert!(refused(&|plan| plan.outputs[0].source = Source::Absent).contains("PLAN-9"));
    assert!(refused(&|plan| plan.weights[5].offset = 1 << 40).contains("weights section"));
    assert!(refused(&|plan| plan.weights[4].bytes -= 160).contains("not those of its type"));
    let short = Session::new(&plan, &weights[..weights.len() - 1]).unwrap_err().to_string();
    assert!(short.contains("does not lie in the weights section"), "{short}");
}
