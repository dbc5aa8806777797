//! The stages whose form is a tensor graph: a line for every node, and the bodies of loops as blocks.

use std::collections::BTreeSet;

use super::part::part;
use super::{Writer, application, literal, name, word};
use crate::ops::{Leaf, Op};
use crate::program::{Node, Operand, Program, ResultInfo, Value};
use crate::text::Stage;

/// The text of a program.
pub(crate) fn program(program: &Program, stage: Stage) -> String {
    written(program, stage).text
}

/// The lines of a program that are of these nodes.
pub(crate) fn part_of_program(program: &Program, stage: Stage, kept: &BTreeSet<usize>) -> String {
    let Writer { text, nodes, .. } = written(program, stage);
    part(&text, |line, _| {
        let node = nodes.partition_point(|lines| lines.end <= line);
        nodes.get(node).filter(|lines| lines.contains(&line)).map(|_| kept.contains(&node))
    })
}

fn written(program: &Program, stage: Stage) -> Writer {
    let mut writer = Writer::with_header(stage, program.semantics, &program.name);
    writer.blank();
    writer.nodes(program);
    writer
}

/// The line of a node, without the body of a loop.
pub(crate) fn node(program: &Program, node: &Node) -> String {
    let names: Vec<String> = node.results.iter().map(|result| name(sigil(&node.op), &result.name)).collect();
    let operands = node.operands.iter().map(|operand| self::operand(program, operand));
    let types: Vec<String> = node.results.iter().map(|result| result_type(program, result)).collect();
    format!("{} = {} : {}", names.join(", "), application(&node.op, operands), types.join(", "))
}

impl Writer {
    /// The nodes of a program or of a body, and what it gives.
    pub(super) fn nodes(&mut self, program: &Program) {
        for node in &program.nodes {
            let first = self.lines + 1;
            self.statement(&self::node(program, node), &node.op);
            if self.indent == 0 {
                self.nodes.push(first..self.lines + 1);
            }
        }
        if self.indent == 0 {
            self.blank();
        }
        let outputs: Vec<String> = program
            .outputs
            .iter()
            .map(|output| {
                let given = operand(program, &output.operand).unwrap_or_else(|| "absent".into());
                format!("{} = {given}", word(&output.name))
            })
            .collect();
        self.line(format!("return {}", outputs.join(", ")).trim_end());
    }
}

/// Weights are told from other values at a glance.
fn sigil(op: &Op) -> char {
    if matches!(op, Op::Leaf(Leaf::Weight { .. })) { '@' } else { '%' }
}

fn value(program: &Program, value: Value) -> String {
    let node = program.nodes.get(value.node as usize);
    let result = node.and_then(|node| Some((sigil(&node.op), node.results.get(value.result as usize)?)));
    // What does not exist has a name that no value can have.
    result.map_or("%\"\"".into(), |(sigil, result)| name(sigil, &result.name))
}

fn operand(program: &Program, operand: &Operand) -> Option<String> {
    match operand {
        Operand::Absent => None,
        Operand::Value(made) => Some(value(program, *made)),
        Operand::Literal(number) => Some(literal(*number)),
    }
}

/// `f32[B, 8, 6] mask %embedding.mask`
fn result_type(program: &Program, result: &ResultInfo) -> String {
    match result.mask {
        Some(mask) => format!("{} mask {}", result.ty, value(program, mask)),
        None => result.ty.to_string(),
    }
}
