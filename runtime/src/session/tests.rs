//! Plans run as the operations mean, within their bounds, and give a sentence the same bits in any company.

use masque_ir::DType;
use ndarray::{Array2, ArrayD, arr1, arr2};

use super::*;
use crate::testing::{model, program, tensors};
use crate::{Attached, bundle};

/// A plan with its weights section.
fn section() -> (Plan, Vec<u8>) {
    let (plan, weights) = model();
    let mut bytes = Vec::new();
    bundle::write(&mut bytes, b"", &plan, &weights, &Attached::default()).unwrap();
    let end = plan.weights.last().map_or(0, |weight| weight.offset + weight.bytes);
    bytes.truncate(end as usize);
    (plan, bytes)
}

fn session() -> Session {
    let (plan, weights) = section();
    Session::new(plan, Section::copy(&weights)).unwrap()
}

fn run(inputs: &[(&str, Tensor)], options: Options) -> Result<Outputs, RunError> {
    session().run(&mut State::default(), inputs, options)
}

/// What the operations mean: the output and the mask.
fn meaning(ids: &Tensor) -> Vec<(String, Tensor)> {
    let weights = tensors();
    let weight =
        |name: &str| weights.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor.view());
    crate::reference::run(&program(), &|_| Some(ids.view()), &weight).unwrap()
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
    let native = run(&[("ids", ids.clone())], with_masks()).unwrap();
    let meaning = meaning(&ids);
    assert_eq!(native.outputs[0].0, "output_0");
    assert_eq!(native.outputs[0].1.shape(), [9, 3]);
    for (a, b) in floats(&native).iter().zip(meaning[0].1.as_f32().unwrap()) {
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
    assert_eq!(native.masks[..], meaning[1..]);
    assert_eq!(native.masks[0].0, "embedding:0");
    assert!(!native.masks[0].1.as_bool().unwrap()[[1, 6]]);
}

#[test]
fn a_sentence_gives_the_same_bits_in_any_company_on_any_number_of_threads() {
    let batch = sentences(64, 12);
    let all = run(&[("ids", Tensor::I32(batch.clone().into_dyn()))], Options::default());
    let all = floats(&all.unwrap());
    let threads = Options { threads: 2, ..Options::default() };
    let threaded = run(&[("ids", Tensor::I32(batch.clone().into_dyn()))], threads).unwrap();
    assert_eq!(floats(&threaded), all);
    for row in [0, 5, 63] {
        let mut alone = Array2::zeros((1, 30));
        alone.slice_mut(ndarray::s![0, ..12]).assign(&batch.row(row));
        let alone = run(&[("ids", Tensor::I32(alone.into_dyn()))], Options::default());
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
    let wanted = run(&[("ids", Tensor::I32(arr2(&[[3, 4]]).into_dyn()))], with_masks());
    let wide = run(&[("ids", Tensor::I64(arr2(&[[3, 4]]).into_dyn()))], with_masks());
    assert_eq!(wanted, wide);
    assert_eq!(wanted, run(&[("ids", Tensor::F32(arr2(&[[3.0, 4.0]]).into_dyn()))], with_masks()));
    assert_eq!(wanted, run(&[("ids", Tensor::F64(arr2(&[[3.0, 4.0]]).into_dyn()))], with_masks()));
    for tensor in [
        Tensor::I64(arr2(&[[3, 1 << 40]]).into_dyn()),
        Tensor::F32(arr2(&[[3.5]]).into_dyn()),
        Tensor::F64(arr2(&[[f64::NAN]]).into_dyn()),
        Tensor::F64(arr2(&[[2_147_483_648.0]]).into_dyn()),
        Tensor::Str(arr2(&[["a".to_owned()]]).into_dyn()),
        Tensor::I32(arr1(&[3, 4]).into_dyn()),
    ] {
        let error = run(&[("ids", tensor)], Options::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(r#"input "ids": expected i32[B, T], found "#), "{message}");
    }
}

#[test]
fn a_number_that_its_input_cannot_hold_is_named_with_its_place() {
    let session = Session::new(plan_of(FLAGS), Section::copy(&[])).unwrap();
    let attempt =
        |tensor: Tensor| session.run(&mut State::default(), &[("flags", tensor)], Options::default());
    for tensor in [Tensor::I32(arr2(&[[0, 1]]).into_dyn()), Tensor::F64(arr2(&[[0.0, 1.0]]).into_dyn())] {
        let outputs = attempt(tensor).unwrap().outputs;
        assert_eq!(outputs[0].1, Tensor::Bool(arr2(&[[true, false]]).into_dyn()));
    }
    let refusal = attempt(Tensor::F64(arr2(&[[0.0, 0.5]]).into_dyn())).unwrap_err().to_string();
    assert_eq!(refusal, r#"input "flags": expected bool[B, T], found 0.5 at [0, 1]"#);
    let refusal = attempt(Tensor::I64(arr2(&[[2]]).into_dyn())).unwrap_err().to_string();
    assert_eq!(refusal, r#"input "flags": expected bool[B, T], found 2 at [0, 0]"#);
}

#[test]
fn inputs_have_to_be_those_of_the_model() {
    let ids = || Tensor::I32(arr2(&[[1]]).into_dyn());
    let message = |inputs: &[(&str, Tensor)]| run(inputs, Options::default()).unwrap_err().to_string();
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
    let message = run(&[("ids", ids)], small).unwrap_err().to_string();
    assert!(message.contains("is above the limit"), "{message}");
}

#[test]
fn an_empty_batch_and_no_time_are_no_trouble() {
    for (batch, time) in [(0, 4), (2, 0), (0, 0)] {
        let ids = Tensor::I32(Array2::zeros((batch, time)).into_dyn());
        let native = run(&[("ids", ids.clone())], with_masks()).unwrap();
        assert_eq!(native.outputs[0].1.shape(), meaning(&ids)[0].1.shape());
    }
}

#[test]
fn a_symbol_has_one_size_in_a_run() {
    let text = ADD.replace("NAME", "\"ids\"");
    let session = Session::new(plan_of(&text), Section::copy(&[])).unwrap();
    let attempt = |time: usize| {
        let ids = ("ids", Tensor::I32(Array2::ones((2, 3)).into_dyn()));
        let more = ("more", Tensor::I32(Array2::ones((2, time)).into_dyn()));
        session.run(&mut State::default(), &[more, ids], Options::default())
    };
    assert!(attempt(4).is_ok());
    let message = attempt(3).unwrap_err().to_string();
    assert_eq!(message, r#"input "more": expected i32[B, T + 1] (here [2, 4]), found i32[2, 3]"#);
}

const ADD: &str = r#"masque 2 plan
semantics keras-3.15
model "sum"

%ids = input {pad = 0} : i32[B, T]
%more = input {pad = 0} : i32[B, T + 1]

%sum = add(%ids, 1:i32) : i32[B, T] by reference

return output_0 = %sum : i32[B, T]
"#;

const FLAGS: &str = r#"masque 2 plan
semantics keras-3.15
model "not"

%flags = input {pad = 0} : bool[B, T]

%not = not(%flags) : bool[B, T] by reference

return output_0 = %not : bool[B, T]
"#;

fn plan_of(text: &str) -> Plan {
    match masque_ir::text::parse(text) {
        Ok(masque_ir::text::Document::Plan(plan)) => plan,
        other => panic!("a plan, found {other:?}"),
    }
}

#[test]
fn steps_for_masks_alone_are_passed_over() {
    let (mut plan, _) = section();
    assert_eq!(Schedule::of(&plan, false).steps, [0, 1, 2, 3]);
    plan.steps[2].operands[4] = Source::Absent;
    assert_eq!(Schedule::of(&plan, false).steps, [1, 2, 3]);
    assert_eq!(Schedule::of(&plan, true).steps, [0, 1, 2, 3]);
}

/// One product of every number, and of the exponentials.
const SMALL: &str = r#"masque 2 plan
semantics keras-3.15
model "small"

%x = input {pad = 0} : f32[B]

%half = mul(%x, 0.5:f32) : f32[B] by map
%odds = activate(%x) {f = {softmax = {axis = -1}}} : f32[B] by activate

return output_0 = %half : f32[B]
return output_1 = %odds : f32[B]
"#;

#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn subnormals_are_kept_where_the_caller_flushes_them() {
    use crate::kernels::environment::{Environment, under};

    let session = Session::new(plan_of(SMALL), Section::copy(&[])).unwrap();
    let x = Tensor::F32(arr1(&[f32::MIN_POSITIVE, 1e-40, 0.0, -90.0]).into_dyn());
    let run = |threads| {
        let options = Options { threads, ..Options::default() };
        session.run(&mut State::default(), &[("x", x.clone())], options).unwrap()
    };
    let usual = run(1);
    let [half, odds] = [0, 1].map(|output: usize| usual.outputs[output].1.as_f32().unwrap().clone());
    assert!(half[0].is_subnormal() && half[1].is_subnormal() && odds[3].is_subnormal());
    // The pool's threads are started by a thread that flushes, too.
    under(Environment::FLUSHING, || (1..=2).for_each(|threads| assert_eq!(run(threads), usual)));
}

const OPTIONS: &str = "{options = {activation = tanh, backwards = false, in_order = false, sequences = true, \
                       states = false, zero_masked = false}, recurrent_activation = sigmoid, reset_after = true}";

/// Three layers over the same input, and two of which one reads the other.
const BESIDE: &str = r#"masque 2 plan
semantics keras-3.15
model "beside"

%x = input {pad = 0} : f32[B, T, 3]
@w = weight {bytes = 384, hash = "", layout = panels, offset = 0} : f32[3, 6]
@r = weight {bytes = 768, hash = "", layout = panels, offset = 384} : f32[2, 6]

%a = gru(%x, @w, @r) OPTIONS : f32[B, T, 2] by gru
%b = gru(%x, @w, @r) OPTIONS : f32[B, T, 2] by gru
%c = gru(%x, @w, @r) OPTIONS : f32[B, T, 2] by gru
%sum = add(%a, %b) : f32[B, T, 2] by map
%both = concat(%sum, %c) {axis = 2} : f32[B, T, 4] by move
%d = gru(%x, @w, @r) OPTIONS : f32[B, T, 2] by gru
%e = gru(%d, @r, @r) OPTIONS : f32[B, T, 2] by gru

return output_0 = %both : f32[B, T, 4]
return output_1 = %e : f32[B, T, 2]
"#;

#[test]
fn steps_beside_each_other_are_a_group() {
    let plan = plan_of(&BESIDE.replace("OPTIONS", OPTIONS));
    let schedule = Schedule::of(&plan, false);
    let [stage] = schedule.stages.as_slice() else { panic!("one stage") };
    assert_eq!(stage.groups, [0..3, 3..4, 4..5, 5..6, 6..7]);
    // What a group writes is there from its beginning to its end, whoever reads it.
    let lives: Vec<[usize; 2]> = stage.values.iter().map(|life| [life.first, life.last]).collect();
    assert_eq!(lives[..3], [[0, 3], [0, 3], [0, 4]]);
}

/// Two layers that are worth a thread each.
const WIDE: &str = r#"masque 2 plan
semantics keras-3.15
model "wide"

%x = input {pad = 0} : f32[B, T, 16]
@w = weight {bytes = 12288, hash = "", layout = panels, offset = 0} : f32[16, 192]
@r = weight {bytes = 49152, hash = "", layout = panels, offset = 12288} : f32[64, 192]

%a = gru(%x, @w, @r) OPTIONS : f32[B, T, 64] by gru
%b = gru(%x, @w, @r) OPTIONS : f32[B, T, 64] by gru
%c = sub(%a, %b) : f32[B, T, 64] by map

return output_0 = %a : f32[B, T, 64]
return output_1 = %c : f32[B, T, 64]
"#;

#[test]
fn a_group_on_several_threads_gives_the_same_bits() {
    let plan = plan_of(&WIDE.replace("OPTIONS", OPTIONS));
    let weights: Vec<u8> =
        crate::testing::noise(&[15360], 5).iter().flat_map(|x| (x / 8.0).to_le_bytes()).collect();
    let session = Session::new(plan, Section::copy(&weights)).unwrap();
    let inputs = [("x", Tensor::F32(crate::testing::noise(&[8, 40, 16], 6)))];
    let run = |threads| {
        let options = Options { threads, ..Options::default() };
        session.run(&mut State::default(), &inputs, options).unwrap().outputs
    };
    let alone = run(1);
    assert!(alone[0].1.as_f32().unwrap().iter().any(|x| x.abs() > 0.1));
    assert!(alone[1].1.as_f32().unwrap().iter().all(|x| *x == 0.0), "both layers are the same");
    for threads in [2, 3] {
        assert_eq!(run(threads), alone);
    }
}

/// Sizes that only a step finds out: what comes after it is placed when they are known.
#[test]
fn a_run_has_a_stage_for_every_size_that_a_step_binds() {
    let softsign = |x: f32| x / (x.abs() + 1.0);
    let plan = plan_of(STAGES);
    let schedule = Schedule::of(&plan, false);
    assert_eq!(schedule.stages.iter().map(|stage| stage.steps.clone()).collect::<Vec<_>>(), [0..1, 1..3]);
    let session = Session::new(plan, Section::copy(&words())).unwrap();
    let mut state = State::default();
    let mut run = |texts: &[&str]| {
        let texts = arr1(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        let outputs = session.run(&mut state, &[("text", Tensor::Str(texts.into_dyn()))], Options::default());
        floats(&outputs.unwrap())
    };
    for _ in 0..2 {
        assert_eq!(run(&["b a b", "a"]), arr2(&[[3.0, 2.0, 3.0], [2.0, 0.0, 0.0]]).into_dyn().mapv(softsign));
        assert_eq!(run(&["a"]), arr2(&[[softsign(2.0)]]).into_dyn());
        assert_eq!(run(&["b b b b"]), arr2(&[[softsign(3.0); 4]]).into_dyn());
    }
}

const STAGES: &str = r#"masque 2 plan
semantics keras-3.15
model "stages"

%text = input {pad = 0} : str[B]
@words = weight {bytes = 10, hash = "", layout = texts, offset = 0} : str[2]
@table = weight {bytes = 16, hash = "", layout = rows, offset = 64} : f32[4]

%ids = vectorize(%text, @words) {length = T, ngrams = [], output = int, split = whitespace, standardize = keep, to = i64} : i64[B, T] by vectorize
%numbers = gather(@table, %ids) : f32[B, T] by gather
%bent = activate(%numbers) {f = softsign} : f32[B, T] by activate over %numbers

return output_0 = %bent : f32[B, T]
"#;

/// The words "a" and "b", and a table of 0, 1, 2 and 3.
fn words() -> Vec<u8> {
    let mut bytes = vec![];
    for length in [1u32, 1] {
        bytes.extend(length.to_le_bytes());
    }
    bytes.extend(b"ab");
    bytes.resize(64, 0);
    for number in [0.0f32, 1.0, 2.0, 3.0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

const SUM: &str = r#"masque 2 plan
semantics keras-3.15
model "sum"

%x = input {pad = 0.0} : f32[2]
%seen = state : f32[2]

%sum = add(%seen, %x) : f32[2] by reference

keep seen = %sum
return output_0 = %sum : f32[2]
"#;

/// What a run keeps the next one finds, until it is forgotten; a run that fails keeps nothing.
#[test]
fn states_go_from_run_to_run() {
    let session = Session::new(plan_of(SUM), Section::copy(&[])).unwrap();
    let (mut state, mut other) = (State::default(), State::default());
    let inputs = [("x", Tensor::from(arr1(&[1.0f32, 2.0]).into_dyn()))];
    let next =
        |state: &mut State| session.run(state, &inputs, Options::default()).map(|outputs| floats(&outputs));
    assert_eq!(next(&mut state).unwrap(), arr1(&[1.0, 2.0]).into_dyn());
    assert_eq!(next(&mut state).unwrap(), arr1(&[2.0, 4.0]).into_dyn());
    assert_eq!(next(&mut other).unwrap(), arr1(&[1.0, 2.0]).into_dyn());
    let tight = Options { memory: 20, ..Options::default() };
    assert!(matches!(session.run(&mut state, &inputs, tight), Err(RunError::Step { .. })));
    assert_eq!(next(&mut state).unwrap(), arr1(&[3.0, 6.0]).into_dyn());
    state.reset();
    assert_eq!(next(&mut state).unwrap(), arr1(&[1.0, 2.0]).into_dyn());
}

#[test]
fn a_session_runs_on_several_threads_at_once() {
    let session = session();
    let ids = Tensor::I32(sentences(9, 7).into_dyn());
    let expected = run(&[("ids", ids.clone())], Options::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut state = State::default();
                let inputs = [("ids", ids.clone())];
                let found = session.run(&mut state, &inputs, Options::default()).unwrap();
                assert_eq!(found, expected);
            });
        }
    });
}

#[test]
fn unsound_plans_are_refused() {
    let (plan, weights) = section();
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        Session::new(plan, Section::copy(&weights)).unwrap_err().to_string()
    };
    assert!(refused(&|plan| plan.values.truncate(2)).contains("PLAN-1"));
    assert!(refused(&|plan| plan.steps[1].operands[1] = Source::Value(4)).contains("PLAN-2"));
    assert!(refused(&|plan| plan.steps[1].operands.truncate(1)).contains("PLAN-5"));
    assert!(refused(&|plan| plan.values[2].ty.dtype = DType::F64).contains("PLAN-5"));
    assert!(refused(&|plan| plan.outputs[0].source = Source::Absent).contains("PLAN-9"));
    assert!(refused(&|plan| plan.weights[5].offset = 1 << 40).contains("weights section"));
    assert!(refused(&|plan| plan.weights[4].bytes -= 160).contains("not those of its type"));
    let short = Session::new(plan, Section::copy(&weights[..weights.len() - 1])).unwrap_err().to_string();
    assert!(short.contains("does not lie in the weights section"), "{short}");
}
