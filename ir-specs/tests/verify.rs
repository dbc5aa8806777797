//! Every property that the verifiers promise: a program that violates it is refused under its label.

use std::collections::BTreeSet;
use std::sync::Arc;

use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::float::Float;
use masque_ir::layers::{Argument, ArgumentValue, Call, CallId, LayerGraph, LayerId, TensorRef};
use masque_ir::mask::MaskId;
use masque_ir::ops::{Leaf, Op, Scan};
use masque_ir::plan::{Kernel, Layout, Plan, PlanState, PlanValue, Source};
use masque_ir::program::{Literal, Node, Operand, Program, ResultInfo, Value};
use masque_ir::text::{Document, parse};
use masque_ir::verify::{self, Violations};
use masque_ir::{DType, Semantics, Type};

const MASKS: &str = r#"masque 1 masks
semantics keras-3.15
model "m"

@embedding/embeddings = weight : f32[20, 6]

%ids = InputLayer() : i32[B, 8]
%embedding = Embedding(%ids) : f32[B, 8, 6] mask ne(%ids, 0) [born -]
%gru, %gru.1 = GRU(%embedding, [%ids], training = false) : f32[B, 5], f32[B, 5] [consumed ne(%ids, 0), -]

return output_0 = %gru
"#;

const TENSOR: &str = r#"masque 1 tensor
semantics keras-3.15
model "m"

%ids = input : i32[B, 8]
%mask = ne(%ids, 0:i32) : bool[B, 8]
@table = weight : f32[20, 6]
%x = gather(@table, %ids) : f32[B, 8, 6] mask %mask
%c = constant {values = [1.0, 0.0]} : bool[2]
%zero = input : f32[B, 6]
%last = scan(%zero, %x) {carried = 1, sequences = 1} : f32[B, 6] body step {
  %h = input : f32[B, 6]
  %x = input : f32[B, 6]
  %sum = add(%h, %x) : f32[B, 6]
  return h = %sum
}

return output_0 = %last
"#;

const PLAN: &str = r#"masque 2 plan
semantics keras-3.15
model "m"

%ids = input {pad = 0} : i32[B, 8]
@table = weight {bytes = 480, hash = "", layout = rows, offset = 0} : f32[20, 6]
@kernel = weight {bytes = 768, hash = "", layout = panels, offset = 512} : f32[6, 2]

%x = gather(@table, %ids) : f32[B, 8, 6] by gather
%mask = ne(%ids, 0:i32) : bool[B, 8] by reference
%y = matmul(%x, @kernel) : f32[B, 8, 2] by matmul
%flat = reshape(%y) {shape = [B, 16]} : f32[B, 16] by alias over %y
%score = activate(%flat) {f = tanh} : f32[B, 16] by activate over %flat

return output_0 = %score : f32[B, 16]
mask x = %mask : bool[B, 8]
"#;

fn labels(result: Result<(), Violations>) -> Vec<&'static str> {
    result.err().map_or(vec![], |Violations(all)| all.iter().map(|violation| violation.label).collect())
}

fn graph(edit: impl Fn(&mut LayerGraph)) -> Vec<&'static str> {
    inferred(|inferred| edit(&mut inferred.graph))
}

fn inferred(edit: impl Fn(&mut InferredGraph)) -> Vec<&'static str> {
    let Ok(Document::Masks(mut inferred)) = parse(MASKS) else { panic!("not a graph") };
    edit(&mut inferred);
    labels(verify::inferred(&inferred))
}

fn program(edit: impl Fn(&mut Program)) -> Vec<&'static str> {
    let Ok(Document::Program(_, mut program)) = parse(TENSOR) else { panic!("not a program") };
    edit(&mut program);
    labels(verify::program(&program))
}

fn plan(edit: impl Fn(&mut Plan)) -> Vec<&'static str> {
    let Ok(Document::Plan(mut plan)) = parse(PLAN) else { panic!("not a plan") };
    edit(&mut plan);
    labels(verify::plan(&plan))
}

fn call(graph: &mut LayerGraph, index: u32, outputs: u32, arguments: Vec<Argument>) {
    graph.add_call(Call { layer: LayerId(0), index, arguments, outputs }).unwrap();
}

fn argument(keyword: Option<&str>, value: ArgumentValue) -> Argument {
    Argument { keyword: keyword.map(str::to_owned), value }
}

fn text(number: f64) -> Operand {
    Operand::Literal(Literal { dtype: DType::Str, number: Float(number) })
}

fn body(program: &mut Program) -> &mut Program {
    let Op::Scan(Scan::Scan { body, .. }) = &mut program.nodes[6].op else { panic!("not a loop") };
    Arc::make_mut(body)
}

/// Every violated property with what is found; the label is the first one.
fn violations() -> Vec<(&'static str, Vec<&'static str>)> {
    let number = || ArgumentValue::Constant(1.into());
    let missing = Value { node: 9, result: 0 };
    vec![
        ("LAYERS-1", graph(|g| call(g, 1, 0, vec![]))),
        ("LAYERS-2", graph(|g| call(g, 0, 1, vec![]))),
        ("LAYERS-3", graph(|g| call(g, 1, 1, vec![argument(Some("a"), number()), argument(None, number())]))),
        (
            "LAYERS-3",
            graph(|g| call(g, 1, 1, vec![argument(Some("a"), number()), argument(Some("a"), number())])),
        ),
        ("LAYERS-4", graph(|g| call(g, 1, 1, vec![argument(None, ArgumentValue::List(vec![]))]))),
        ("FACTS-1", inferred(|i| i.facts.calls.truncate(2))),
        ("FACTS-1", inferred(|i| i.facts.calls[2].outputs.truncate(1))),
        ("FACTS-2", inferred(|i| i.facts.calls[1].outputs[0].mask = Some(MaskId(7)))),
        (
            "FACTS-2",
            inferred(|i| {
                let nowhere = TensorRef { call: CallId(9), output: 0 };
                i.facts.calls[1].outputs[0].mask = Some(i.facts.masks.tensor(nowhere, 2));
            }),
        ),
        ("FACTS-3", inferred(|i| i.facts.calls[1].outputs[0].ty.shape.truncate(1))),
        (
            "FACTS-4",
            inferred(|i| {
                let ids = TensorRef { call: CallId(0), output: 0 };
                i.facts.calls[1].outputs[0].mask = Some(i.facts.masks.tensor(ids, 2));
            }),
        ),
        ("FACTS-5", inferred(|i| i.facts.calls[0].status = MaskStatus::Carried)),
        ("FACTS-5", inferred(|i| i.facts.calls[1].status = MaskStatus::None)),
        ("FACTS-6", inferred(|i| i.facts.weights.push(i.facts.weights[0].clone()))),
        (
            "FACTS-6",
            inferred(|i| i.facts.weights[0].ty = "B".parse().map(|b| Type::new(DType::F32, [b])).unwrap()),
        ),
        ("PROGRAM-1", program(|p| p.nodes[1].operands[0] = Operand::Value(Value { node: 1, result: 0 }))),
        ("PROGRAM-1", program(|p| p.nodes[1].operands[0] = Operand::Value(Value { node: 0, result: 1 }))),
        ("PROGRAM-2", program(|p| p.nodes[1].operands.truncate(1))),
        ("PROGRAM-2", program(|p| p.nodes[1].results[0].ty.dtype = DType::I32)),
        ("PROGRAM-2", program(|p| p.nodes[0].results.clear())),
        ("PROGRAM-3", program(|p| p.nodes[5].results[0].name = "ids".into())),
        ("PROGRAM-4", program(|p| p.nodes[3].results[0].mask = Some(missing))),
        ("PROGRAM-4", program(|p| p.nodes[3].results[0].mask = Some(Value { node: 0, result: 0 }))),
        ("PROGRAM-4", program(|p| p.nodes[5].results[0].mask = Some(Value { node: 1, result: 0 }))),
        ("PROGRAM-5", program(|p| p.outputs[0].operand = Operand::Value(missing))),
        ("PROGRAM-5", program(|p| p.outputs[0].operand = Operand::Absent)),
        ("PROGRAM-5", program(|p| p.outputs.push(p.outputs[0].clone()))),
        ("PROGRAM-6", program(|p| p.nodes[1].operands[1] = text(0.0))),
        (
            "PROGRAM-6",
            program(|p| {
                p.nodes[1].operands[1] = Operand::Literal(Literal { dtype: DType::I32, number: Float(0.5) });
            }),
        ),
        ("PROGRAM-7", program(|p| p.nodes[2].op = weight("B"))),
        (
            "PROGRAM-7",
            program(|p| {
                let ty = Type::new(DType::Bool, [2.into()]);
                p.nodes[4].op = Leaf::Constant { ty, values: vec![Float(2.0), Float(0.0)] }.into();
            }),
        ),
        ("PROGRAM-8", program(|p| body(p).nodes[0].results.clear())),
        ("PROGRAM-8", program(|p| body(p).outputs[0].operand = Operand::Value(missing))),
        ("PROGRAM-8", program(|p| body(p).nodes[0].op = weight("6"))),
        ("PROGRAM-7", program(|p| p.nodes.push(state("B", "new")))),
        ("PROGRAM-8", program(|p| body(p).nodes.push(state("6", "new")))),
        ("PROGRAM-9", program(|p| p.nodes.push(state("6", "new")))),
        ("PROGRAM-9", program(|p| p.nodes.push(state("6", "output_0")))),
        ("PLAN-1", plan(|p| p.inputs[0].value = 1)),
        ("PLAN-1", plan(|p| p.steps[1].results = vec![])),
        ("PLAN-1", plan(|p| p.values.truncate(5))),
        ("PLAN-2", plan(|p| p.steps[0].operands[1] = Source::Value(1))),
        ("PLAN-2", plan(|p| p.steps[0].operands[1] = Source::Value(u32::MAX))),
        ("PLAN-3", plan(|p| p.values[4].over = None)),
        ("PLAN-3", plan(|p| p.values[4].over = Some(1))),
        ("PLAN-3", plan(|p| p.values[3].over = Some(1))),
        ("PLAN-3", plan(|p| p.values[0].over = Some(0))),
        ("PLAN-3", plan(in_place_of_an_input)),
        ("PLAN-4", plan(|p| p.outputs[0].source = Source::Value(4))),
        ("PLAN-4", plan(|p| p.outputs[0].source = Source::Value(3))),
        ("PLAN-5", plan(|p| p.steps[0].operands.truncate(1))),
        ("PLAN-5", plan(|p| p.steps[0].op = weight("6"))),
        ("PLAN-6", plan(|p| p.steps[0].operands[0] = Source::Weight(2))),
        ("PLAN-7", plan(|p| p.weights[1].offset = 448)),
        ("PLAN-7", plan(|p| p.weights[0].offset = u64::MAX - 63)),
        ("PLAN-8", plan(|p| p.weights[0].bytes = 479)),
        ("PLAN-8", plan(|p| p.weights[1].bytes = 49)),
        ("PLAN-8", plan(|p| p.weights[1].layout = Layout::Texts)),
        ("PLAN-9", plan(|p| p.outputs[0].ty.shape.truncate(1))),
        ("PLAN-9", plan(|p| p.outputs[0].source = Source::Absent)),
        ("PLAN-9", plan(|p| p.masks.push(p.outputs[0].clone()))),
        ("PLAN-10", plan(|p| p.values[2].name = "x".into())),
        (
            "PLAN-11",
            plan(|p| {
                p.steps[1].operands[1] =
                    Source::Literal(Literal { dtype: DType::I32, number: Float(f64::NAN) });
            }),
        ),
        ("PLAN-12", plan(|p| with_state(p, "B", Source::Value(0)))),
        ("PLAN-12", plan(|p| with_state(p, "6", Source::Absent))),
        ("PLAN-13", plan(|p| p.steps[1].kernel = Kernel::Gather)),
        ("PLAN-13", plan(|p| p.steps[4].kernel = Kernel::Reference)),
        ("PLAN-13", plan(|p| p.weights[0].layout = Layout::Panels)),
    ]
}

fn state(size: &str, name: &str) -> Node {
    let ty = Type::new(DType::F32, [size.parse().unwrap()]);
    let results = vec![ResultInfo { name: name.into(), ty: ty.clone(), mask: None }];
    Node { op: Leaf::State { ty }.into(), operands: vec![], results }
}

/// Adds an input, and a step that writes in place of it.
fn in_place_of_an_input(plan: &mut Plan) {
    plan.values[0].ty = Type::new(DType::F32, [16.into()]);
    plan.values.truncate(1);
    plan.values.push(PlanValue { over: Some(0), name: "y".into(), ..plan.values[0].clone() });
    let mut step = plan.steps.remove(4);
    (step.operands, step.results) = (vec![Source::Value(0)], vec![1]);
    plan.steps = vec![step];
}

/// Puts a state of that size in place of everything.
fn with_state(plan: &mut Plan, size: &str, kept: Source) {
    plan.values.truncate(1);
    plan.values[0].ty = Type::new(DType::F32, [size.parse().unwrap()]);
    (plan.inputs, plan.steps) = (vec![], vec![]);
    plan.states = vec![PlanState { value: 0, kept }];
}

fn weight(size: &str) -> Op {
    Leaf::Weight { ty: Type::new(DType::F32, [size.parse().unwrap()]), hash: None }.into()
}

#[test]
fn what_is_sound_is_accepted() {
    assert_eq!(graph(|_| {}), Vec::<&str>::new());
    assert_eq!(program(|_| {}), Vec::<&str>::new());
    assert_eq!(plan(|_| {}), Vec::<&str>::new());
}

#[test]
fn what_violates_a_property_is_refused_under_its_label() {
    for (place, (label, found)) in violations().into_iter().enumerate() {
        assert!(found.contains(&label), "violation {place} of {label} is refused as {found:?}");
    }
}

/// The list in the module's documentation is complete, and each of its properties is tested.
#[test]
fn every_property_of_the_list_is_tested() {
    let page = include_str!("../src/verify.rs");
    let promised: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("//! - `")?.split('`').next()).collect();
    let tested: BTreeSet<&str> = violations().into_iter().map(|(label, _)| label).collect();
    assert_eq!(promised, tested);
}

/// A loop within a loop, ever deeper, is refused before the stack ends.
#[test]
fn loops_within_one_another_are_bounded() {
    let mut text = String::new();
    for _ in 0..17 {
        text.push_str("%h = input : f32[B]\n%x = input : f32[B, 1]\n%y = scan(%h, %x) ");
        text.push_str("{carried = 0, sequences = 1} : f32[B] body b {\n");
    }
    text.push_str("return\n");
    for _ in 0..17 {
        text.push_str("}\nreturn\n");
    }
    let text = format!("masque 1 tensor\nsemantics keras-3.15\nmodel m\n{text}");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("more than 16 loops"), "{error}");
    let mut deep = Program::new("b", Semantics::Keras3_15);
    for _ in 0..17 {
        let op = Scan::Scan { carried: 0, sequences: 1, body: Arc::new(deep) }.into();
        deep = Program::new("b", Semantics::Keras3_15);
        deep.nodes.push(Node { op, operands: vec![], results: vec![] });
    }
    let error = verify::program(&deep).unwrap_err().to_string();
    assert!(error.contains("more than 16 loops"), "{error}");
}
