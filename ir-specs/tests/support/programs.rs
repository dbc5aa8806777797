//! Tensor graphs, made by the builder; and plans that follow them node by node.

use std::collections::HashMap;

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::{
    Activate, Elementwise, Index, Leaf, Normalize, Op, Product, Recurrent, RecurrentOptions, Reduce, Shape,
};
use masque_ir::plan::{
    Kernel, Layout, Plan, PlanInput, PlanOutput, PlanState, PlanValue, PlanWeight, Provenance, Source, Step,
};
use masque_ir::program::{Builder, Literal, Operand, Program, Value};
use masque_ir::{DType, Dim, Semantics, Type};

use super::Choices;

fn sizes(text: &str) -> Vec<Dim> {
    text.split_whitespace().map(|size| size.parse().unwrap()).collect()
}

pub(crate) fn program(c: &mut Choices) -> Program {
    let mut b = Builder::new(c.name(), Semantics::Keras3_15);
    let ids = b.input("ids", Type::new(DType::I32, sizes("B T")));
    if c.chance() {
        let kept = b.state("kept", Type::new(DType::F32, sizes("4 6")));
        b.state("as it was", Type::new(DType::I32, sizes("2")));
        let more = b.number(&kept, 1.0);
        let more = b.emit(Elementwise::Add, &[kept, more]).unwrap();
        b.keep("kept", more);
    }
    let zero = b.number(&ids, 0.0);
    let mask = b.emit(Elementwise::Ne, &[ids.clone(), zero]).unwrap();
    let table = b.weight("embedding/embeddings", Type::new(DType::F32, sizes("20 6")), Some("c0ffee".into()));
    let x = b.emit(Index::Gather, &[table, ids]).unwrap();
    b.set_mask(&x, mask.value());
    let mut sequences = vec![x];
    let mut others = vec![];
    for _ in 0..c.below(12) {
        b.set_scope(c.name());
        let x = c.pick(&sequences);
        let made = match c.below(8) {
            0 => recurrent(c, &mut b, &x, &mask),
            1 => constants(c, &mut b),
            2 => b.emit_all(activate(c), &[x]).unwrap(),
            3 => {
                let axes = c.pick(&[vec![1], vec![0, 2]]);
                b.emit_all(Reduce::Sum { axes, keep: c.chance() }, &[x]).unwrap()
            }
            4 => b.emit_all(Shape::Concat { axis: 1 }, &[x.clone(), x]).unwrap(),
            5 => {
                let number = b.number(&x, c.pick(&[0.5, -0.0, f64::NEG_INFINITY, f64::NAN, 1e-7]));
                b.emit_all(c.pick(&[Elementwise::Add, Elementwise::Ge]), &[x, number]).unwrap()
            }
            6 => {
                let norm = Normalize::LayerNorm { axes: 1, epsilon: Float(1e-6) };
                b.emit_all(norm, &[x, Operand::Absent, Operand::Absent]).unwrap()
            }
            _ => b.emit_all(Elementwise::Add, &[x.clone(), x]).unwrap(),
        };
        if c.chance() {
            b.rename(&made[0], &c.name());
        }
        for value in made {
            let ty = b.type_of(&value);
            if ty == b.type_of(&sequences[0]) {
                b.set_mask(&value, mask.value().filter(|_| c.chance()));
                sequences.push(value);
            } else {
                others.push(value);
            }
        }
    }
    others.push(c.pick(&sequences));
    for place in 0..c.below(3) {
        b.output(format!("{}{place}", c.name()), c.pick(&others));
    }
    if c.chance() {
        b.output("number", Operand::Literal(Literal { dtype: DType::Bool, number: Float(1.0) }));
    }
    b.finish()
}

fn activate(c: &mut Choices) -> Op {
    let relu = Activation::Relu {
        negative_slope: Float(0.1),
        max_value: Some(Float(f64::INFINITY)),
        threshold: Float(0.0),
    };
    let f = c.pick(&[Activation::Tanh, Activation::RELU, Activation::Softmax { axis: -1 }, relu]);
    Activate::Activate { f }.into()
}

fn constants(c: &mut Choices, b: &mut Builder) -> Vec<Operand> {
    let dtype = c.pick(&[DType::F32, DType::I64, DType::Bool]);
    let values = vec![Float(1.0), Float(0.0), Float(1.0)];
    b.emit_all(Leaf::Constant { ty: Type::new(dtype, sizes("3")), values }, &[]).unwrap()
}

/// A recurrent layer as one operation, or as the loop that it means.
fn recurrent(c: &mut Choices, b: &mut Builder, x: &Operand, mask: &Operand) -> Vec<Operand> {
    let options = RecurrentOptions {
        activation: Activation::Tanh,
        sequences: c.chance(),
        states: c.chance(),
        backwards: c.chance(),
        in_order: c.chance(),
        zero_masked: c.chance(),
    };
    let recurrent_activation = Activation::Sigmoid;
    let gru = c.chance();
    let (op, columns) = if gru {
        (Recurrent::Gru { options, recurrent_activation, reset_after: true }, "15")
    } else {
        (Recurrent::Lstm { options, recurrent_activation }, "20")
    };
    let kernel = b.weight("kernel", Type::new(DType::F32, sizes(&format!("6 {columns}"))), None);
    let (x, kernel) = match c.chance() {
        true => (x.clone(), kernel),
        false => (b.emit(Product::Matmul, &[x.clone(), kernel]).unwrap(), Operand::Absent),
    };
    let inner = b.weight(
        "recurrent kernel",
        Type::new(DType::F32, sizes(&format!("5 {columns}"))),
        Some("a b".into()),
    );
    let mask = if c.chance() { mask.clone() } else { Operand::Absent };
    let mut operands = vec![x, kernel, inner, Operand::Absent, mask, Operand::Absent];
    operands.extend((!gru).then_some(Operand::Absent));
    operands.extend([Operand::Absent, Operand::Absent]);
    if c.chance() {
        b.emit_all(op, &operands).unwrap()
    } else {
        Op::from(op).decompose(b, &operands).unwrap().unwrap()
    }
}

/// A plan that does what a program says; composites for which there is no kernel are left out, and with them what reads
/// them.
pub(crate) fn plan(c: &mut Choices) -> Plan {
    let program = program(c);
    let mut plan = Plan {
        name: program.name.clone(),
        semantics: program.semantics,
        provenance: c.pick(&[
            Provenance::default(),
            Provenance { file: "my model.keras".into(), mask_table: "a\nb".into(), ..Provenance::default() },
        ]),
        inputs: vec![],
        states: vec![],
        weights: vec![],
        values: vec![],
        steps: vec![],
        outputs: vec![],
        masks: vec![],
    };
    let mut sources = HashMap::new();
    given(c, &program, &mut plan, &mut sources);
    for place in 0..program.nodes.len() {
        step(&program, place as u32, &mut plan, &mut sources);
    }
    for output in &program.outputs {
        let Some(source) = source(&sources, &output.operand) else { continue };
        let ty = program.operand_type(&output.operand).unwrap();
        let state = plan.states.iter().position(|state| plan.value(state.value).name == output.name);
        match state {
            Some(state) => plan.states[state].kept = source,
            None => plan.outputs.push(PlanOutput { name: output.name.clone(), ty, source }),
        }
    }
    for state in 0..plan.states.len() {
        if plan.states[state].kept == Source::Absent {
            plan.states[state].kept = Source::Value(plan.states[state].value);
        }
    }
    plan
}

/// Inputs, then states; the weights beside them.
fn given(c: &mut Choices, program: &Program, plan: &mut Plan, sources: &mut HashMap<Value, Source>) {
    for states in [false, true] {
        for (place, node) in program.nodes.iter().enumerate() {
            let (value, info) = (plan.values.len() as u32, &node.results[0]);
            match &node.op {
                Op::Leaf(Leaf::Input { .. }) if !states => {
                    plan.inputs.push(PlanInput { value, pad: Float(c.pick(&[0.0, -1.0])) });
                }
                Op::Leaf(Leaf::State { .. }) if states => {
                    plan.states.push(PlanState { value, kept: Source::Absent });
                }
                _ => continue,
            }
            plan.values.push(PlanValue { name: info.name.clone(), ty: info.ty.clone(), over: None });
            sources.insert(Value { node: place as u32, result: 0 }, Source::Value(value));
        }
    }
}

fn step(program: &Program, place: u32, plan: &mut Plan, sources: &mut HashMap<Value, Source>) {
    let node = &program.nodes[place as usize];
    let types: Vec<Option<Type>> =
        node.operands.iter().map(|operand| program.operand_type(operand)).collect();
    let kernel = Kernel::choose(&node.op, &types.iter().map(Option::as_ref).collect::<Vec<_>>());
    let (Some(kernel), false) = (kernel, sources.contains_key(&Value { node: place, result: 0 })) else {
        return;
    };
    let mut operands = vec![];
    for (at, operand) in node.operands.iter().enumerate() {
        let value = operand.value();
        let weight = value.map(|value| &program.nodes[value.node as usize]);
        if let Some(Op::Leaf(Leaf::Weight { ty, hash })) = weight.map(|weight| &weight.op) {
            let layout = kernel.layout(&node.op, at, ty.dtype);
            let name = format!("{}.{at}.{place}", weight.map_or("", |weight| &weight.results[0].name));
            operands.push(Source::Weight(plan.weights.len() as u32));
            plan.weights.push(self::weight(
                &plan.weights,
                name,
                ty,
                layout,
                hash.clone().unwrap_or_default(),
            ));
            continue;
        }
        let Some(source) = source(sources, operand) else { return };
        operands.push(source);
    }
    if matches!(node.op, Op::Leaf(Leaf::Weight { .. })) {
        return;
    }
    let over = match (kernel, operands.first()) {
        (Kernel::Alias, Some(Source::Value(over))) => Some(*over),
        (Kernel::Alias, _) => return,
        _ => None,
    };
    let first = plan.values.len() as u32;
    for (result, info) in node.results.iter().enumerate() {
        sources.insert(Value { node: place, result: result as u32 }, Source::Value(first + result as u32));
        plan.values.push(PlanValue { name: info.name.clone(), ty: info.ty.clone(), over });
    }
    let results = (first..plan.values.len() as u32).collect();
    plan.steps.push(Step { op: node.op.clone(), kernel, operands, results });
}

fn source(sources: &HashMap<Value, Source>, operand: &Operand) -> Option<Source> {
    match operand {
        Operand::Absent => Some(Source::Absent),
        Operand::Value(value) => sources.get(value).copied(),
        Operand::Literal(literal) => Some(Source::Literal(*literal)),
    }
}

fn weight(before: &[PlanWeight], name: String, ty: &Type, layout: Layout, hash: String) -> PlanWeight {
    let shape: Vec<u64> = ty.shape.iter().map(|size| size.known().unwrap() as u64).collect();
    let elements = match (layout, shape.as_slice()) {
        (Layout::Panels, [rows, columns]) => rows * columns.next_multiple_of(32),
        (_, shape) => shape.iter().product::<u64>(),
    };
    let end = before.last().map_or(0, |last| last.offset + last.bytes);
    let offset = end.next_multiple_of(masque_ir::plan::ALIGNMENT);
    PlanWeight { name, dtype: ty.dtype, shape, layout, offset, bytes: elements * 4, hash }
}
