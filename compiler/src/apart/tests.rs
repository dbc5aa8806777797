//! Programs whose answers are made of one example each, and programs in which examples meet.

use masque_ir::text::{Document, parse};

use super::*;

fn program(lines: &str, output: &str) -> Program {
    let text = format!(
        "masque 1 tensor\nsemantics keras-3.15\nmodel m\n%x = input : f32[B, T, 4]\n{lines}return output_0 = {output}\n"
    );
    match parse(&text) {
        Ok(Document::Program(_, program)) => program,
        other => panic!("{other:?}\n{text}"),
    }
}

#[track_caller]
fn check(lines: &str, output: &str, apart: bool) {
    assert_eq!(is_apart(&program(lines, output), 1), apart, "{lines}");
}

#[test]
fn what_looks_at_one_example_is_apart() {
    check("%y = mul(%x, 2:f32) : f32[B, T, 4]\n", "%y", true);
    check("%y = sum(%x) {axes = [1], keep = false} : f32[B, 4]\n", "%y", true);
    check(
        "%rows = reshape(%x) {shape = [\"B*T\", 4]} : f32[B*T, 4]\n\
         %y = exp(%rows) : f32[B*T, 4]\n\
         %z = reshape(%y) {shape = [B, T, 4]} : f32[B, T, 4]\n",
        "%z",
        true,
    );
}

#[test]
fn what_no_output_needs_is_not_looked_at() {
    let dead = "%first = slice(%x) {axis = 0, start = 0, step = 1, stop = 1} : f32[1, T, 4]\n";
    check(&format!("{dead}%y = exp(%x) : f32[B, T, 4]\n"), "%y", true);
    check(&format!("{dead}%y = sub(%x, %first) : f32[B, T, 4]\n"), "%y", false);
}

#[test]
fn where_examples_meet_it_is_seen() {
    check("%y = sum(%x) {axes = [0], keep = true} : f32[1, T, 4]\n", "%y", false);
    check(
        "%mean = sum(%x) {axes = [0], keep = true} : f32[1, T, 4]\n\
         %y = sub(%x, %mean) : f32[B, T, 4]\n",
        "%y",
        false,
    );
    check("%y = reverse(%x) {axis = 0} : f32[B, T, 4]\n", "%y", false);
    check("%y = activate(%x) {f = {softmax = {axis = 0}}} : f32[B, T, 4]\n", "%y", false);
    check("%y = activate(%x) {f = {softmax = {axis = -1}}} : f32[B, T, 4]\n", "%y", true);
}
