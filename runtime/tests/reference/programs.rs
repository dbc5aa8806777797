//! Whole programs: how sizes are bound, and how what goes wrong is said.

use std::sync::Arc;

use masque_ir::ops::{Elementwise, Index, Reduce, Scan, Shape};
use masque_ir::program::{Builder, Operand, Program};
use masque_ir::{DType, Dim, Semantics, Type};
use masque_runtime::reference::run;
use masque_runtime::{MAX_RESULT_BYTES, RunError, Tensor};

use crate::{noise, tensor};

fn builder() -> Builder {
    Builder::new("test", Semantics::Keras3_15)
}

fn ty(dtype: DType, shape: &[&str]) -> Type {
    Type::new(dtype, shape.iter().map(|size| size.parse().unwrap()).collect::<Vec<Dim>>())
}

/// Runs a program with tensors by name, which serve as inputs and as weights.
fn go(program: &Program, tensors: &[(&str, &Tensor)]) -> Result<Vec<(String, Tensor)>, RunError> {
    let find = |name: &str| tensors.iter().find(|(other, _)| *other == name).map(|(_, x)| x.view());
    run(program, &find, &find)
}

#[track_caller]
fn message(program: &Program, tensors: &[(&str, &Tensor)]) -> String {
    let message = go(program, tensors).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// Rows of a table for ids `[B, T]`, and how many ids there are.
fn lookup() -> Program {
    let mut b = builder();
    let ids = b.input("ids", ty(DType::I64, &["B", "T"]));
    let table = b.weight("table", ty(DType::F32, &["3", "2"]), None);
    let rows = b.emit(Index::Gather, &[table, ids]).unwrap();
    let shape = vec![Dim::batch(), Dim::symbol("T").floor_div(2)];
    let zero = Operand::Literal(masque_ir::program::Literal { dtype: DType::I32, number: 7.0.into() });
    let filled = b.emit(Shape::Broadcast { shape: shape.into() }, &[zero]).unwrap();
    b.output("rows", rows);
    b.output("filled", filled);
    b.finish()
}

#[test]
fn sizes_come_from_the_inputs() {
    let table = noise(&[3, 2], 1);
    for (batch, time) in [(2, 5), (1, 0), (0, 3)] {
        let ids = tensor(&[batch, time], vec![0i64; batch * time]);
        let found = go(&lookup(), &[("ids", &ids), ("table", &table)]).unwrap();
        assert_eq!(found[0].1.shape(), [batch, time, 2]);
        assert_eq!(found[1], ("filled".to_owned(), tensor(&[batch, time / 2], vec![7; batch * (time / 2)])));
    }
}

#[test]
fn failures_name_what_they_are_about() {
    let (ids, table) = (tensor(&[1, 2], [0i64, 9]), noise(&[3, 2], 1));
    let program = lookup();
    assert_eq!(message(&program, &[("table", &table)]), "input \"ids\" is missing");
    assert_eq!(message(&program, &[("ids", &ids)]), "weight \"table\" is missing");
    assert_eq!(
        message(&program, &[("ids", &ids), ("table", &table)]),
        "step \"gather\" (gather): index 9 at [0, 1] is outside the table, which has 3 rows"
    );
    assert_eq!(
        message(&program, &[("ids", &ids), ("table", &noise(&[4, 2], 1))]),
        "weight \"table\": expected f32[3, 2], found f32[4, 2]"
    );
    assert_eq!(
        message(&program, &[("ids", &noise(&[1, 2], 1)), ("table", &table)]),
        "input \"ids\": expected i64[B, T], found f32[1, 2]"
    );
}

#[test]
fn inputs_that_contradict_each_other() {
    let mut b = builder();
    let x = b.input("x", ty(DType::F32, &["B", "T"]));
    b.input("y", ty(DType::F32, &["B", "2*T + 1"]));
    b.output("x", x);
    let program = b.finish();
    let x = noise(&[2, 3], 1);
    assert!(go(&program, &[("x", &x), ("y", &noise(&[2, 7], 1))]).is_ok());
    assert_eq!(
        message(&program, &[("x", &x), ("y", &noise(&[2, 6], 1))]),
        "input \"y\": expected f32[B, 2*T + 1] (here [2, 7]), found f32[2, 6]"
    );
}

#[test]
fn symbols_bound_by_nothing() {
    let mut b = builder();
    let zero = Operand::Literal(masque_ir::program::Literal { dtype: DType::F32, number: 0.0.into() });
    let y = b.emit(Shape::Broadcast { shape: [Dim::symbol("N")].into() }, &[zero]).unwrap();
    b.output("y", y);
    assert_eq!(
        message(&b.finish(), &[]),
        "step \"broadcast\" (broadcast): the size `N` is unknown, negative or too large in this run"
    );
}

#[test]
fn too_large_is_refused_before_it_is_made() {
    let mut b = builder();
    let x = b.input("x", ty(DType::F32, &["B"]));
    let shape = vec![Dim::constant(1 << 40), Dim::batch()];
    let y = b.emit(Shape::Broadcast { shape: shape.into() }, &[x]).unwrap();
    b.output("y", y);
    let found = message(&b.finish(), &[("x", &noise(&[3], 1))]);
    let expected = format!("a result of {} bytes is above the limit of {MAX_RESULT_BYTES} bytes", 3u64 << 42);
    assert_eq!(found, format!("step \"broadcast\" (broadcast): {expected}"));
}

#[test]
fn a_number_of_steps_is_found_out_by_a_result() {
    let mut b = builder();
    let text = b.input("text", ty(DType::Str, &["B"]));
    let vocabulary = b.weight("vocabulary", ty(DType::Str, &["2"]), None);
    let attributes = serde_json::json!({
        "standardize": "lower", "split": "whitespace", "ngrams": [], "output": "int", "length": "T", "to": "i64"
    });
    let op = masque_ir::ops::Op::from_parts("vectorize", attributes).unwrap();
    let ids = b.emit(op, &[text, vocabulary, Operand::Absent]).unwrap();
    let zero = Operand::Literal(masque_ir::program::Literal { dtype: DType::I64, number: 0.0.into() });
    let shape = vec![Dim::batch(), Dim::symbol("T")];
    let zeros = b.emit(Shape::Broadcast { shape: shape.into() }, &[zero]).unwrap();
    let mask = b.emit(Elementwise::Ne, &[ids, zeros]).unwrap();
    b.output("mask", mask);
    let texts = tensor(&[2], ["A b c", "b"].map(String::from));
    let vocabulary = tensor(&[2], ["a", "b"].map(String::from));
    let found = go(&b.finish(), &[("text", &texts), ("vocabulary", &vocabulary)]).unwrap();
    assert_eq!(found[0].1, tensor(&[2, 3], [true, true, true, true, false, false]));
}

/// Running sums over `[B, T]`, and the largest one of every step's batch.
fn running_sums() -> Program {
    let mut body = Builder::new("step", Semantics::Keras3_15);
    let sum = body.input("sum", ty(DType::F32, &["B"]));
    let x = body.input("x", ty(DType::F32, &["B"]));
    let table = body.input("table", ty(DType::F32, &["1"]));
    let next = body.emit(Elementwise::Add, &[sum, x.clone()]).unwrap();
    let place = body.emit(Elementwise::Cast { to: DType::I32 }, &[x]).unwrap();
    let picked = body.emit(Index::Gather, &[table, place]).unwrap();
    body.output("sum", next);
    body.output("picked", picked);
    let mut b = builder();
    let x = b.input("x", ty(DType::F32, &["B", "T"]));
    let table = b.weight("table", ty(DType::F32, &["1"]), None);
    let start = b.emit(Reduce::Sum { axes: vec![1], keep: false }, std::slice::from_ref(&x)).unwrap();
    let scan = Scan::Scan { carried: 1, sequences: 1, body: Arc::new(body.finish()) };
    for (place, result) in b.emit_all(scan, &[start, x, table]).unwrap().into_iter().enumerate() {
        b.output(format!("output_{place}"), result);
    }
    b.finish()
}

#[test]
fn a_loop_carries_and_collects() {
    let table = tensor(&[1], [5.0f32]);
    let x = tensor(&[2, 2], [0.5f32, 0.25, 0.125, 0.0]);
    let found = go(&running_sums(), &[("x", &x), ("table", &table)]).unwrap();
    assert_eq!(found[0].1, tensor(&[2], [1.5f32, 0.25]));
    assert_eq!(found[1].1, tensor(&[2, 2], [5.0f32; 4]));
    let found = go(&running_sums(), &[("x", &noise(&[2, 0], 1)), ("table", &table)]).unwrap();
    assert_eq!(found[1].1.shape(), [2, 0]);
}

#[test]
fn a_failure_in_a_loop_names_both_steps() {
    let table = tensor(&[1], [5.0f32]);
    let x = tensor(&[1, 2], [0.5f32, 3.0]);
    assert_eq!(
        message(&running_sums(), &[("x", &x), ("table", &table)]),
        "step \"scan\" (scan): within it, step \"gather\" (gather): index 3 at [0] is outside the table, which \
         has 1 rows"
    );
}
