//! A loop over time as a recurrence: what is carried at step `t`, by what was carried at `t-1`. Before the first step,
//! which is step 0, it is step -1.

use masque_ir::dim::Dim;
use masque_ir::ops::{Op, Scan, Shape};
use masque_ir::program::{Operand, Program, Value};

use super::equations::{Equations, Frame, Input};
use super::formula::{Equation, Formula, Var};
use super::known;

impl<'a> Equations<'a> {
    /// An element of a result of a loop.
    pub(super) fn looped(
        &mut self,
        frame: usize,
        value: Value,
        scan: &'a Scan,
        index: &[Formula],
    ) -> Formula {
        let Scan::Scan { carried, sequences, .. } = scan;
        if !self.frames[frame].loops.contains_key(&value.node) {
            let names = self.unrolled(frame, value, scan);
            self.frames[frame].loops.insert(value.node, names);
        }
        let name =
            self.frames[frame].loops[&value.node].get(value.result as usize).cloned().unwrap_or_default();
        let mut index = self.frames[frame].stepped(index.to_vec());
        if value.result < *carried {
            let steps = self.steps(frame, value, (*carried, *sequences));
            let last = Formula::size(&(&steps - &Dim::constant(1)));
            index.insert(index.len().min(1), last);
        }
        Formula::Element(name, index)
    }

    /// How many steps there are.
    fn steps(&self, frame: usize, value: Value, (carried, _): (u32, u32)) -> Dim {
        let sequence = &self.frames[frame].node(value).operands[carried as usize];
        self.frames[frame].ty(sequence).shape[1].clone()
    }

    /// Writes the equations of a loop; gives the names of its results.
    fn unrolled(&mut self, frame: usize, value: Value, scan: &'a Scan) -> Vec<String> {
        let Scan::Scan { carried, sequences, body } = scan;
        let body: &'a Program = body;
        let node = self.frames[frame].node(value);
        let size = self.steps(frame, value, (*carried, *sequences));
        let step = Var { name: super::indices::fresh("t", &self.steps_around(frame)), size };
        let inner = self.frames.len();
        let mut inside = Frame::new(body, Some(step));
        let (carried, sequences) = (*carried as usize, *sequences as usize);
        let inputs: Vec<(Value, String)> =
            body.inputs().map(|(value, info)| (value, info.name.clone())).collect();
        inside.hints = gates(body, self.functions);
        let mut states = vec![];
        for (place, (operand, (input, name))) in node.operands.iter().zip(&inputs).enumerate() {
            let stands = if place < carried {
                let name = self.name(Some(name));
                states.push((*input, name.clone(), operand));
                Input::Carried(name)
            } else if place < carried + sequences {
                Input::Sequence(frame, operand)
            } else {
                Input::Constant(frame, operand)
            };
            inside.inputs.insert(*input, stands);
        }
        self.frames.push(inside);
        body.outputs.iter().for_each(|output| self.count(inner, &output.operand));
        for (operand, (input, _)) in node.operands.iter().zip(&inputs).skip(carried) {
            if self.frames[inner].uses.get(input).is_some_and(|uses| *uses > 1) {
                self.count(frame, operand);
            }
        }
        for (input, name, operand) in &states {
            if self.frames[inner].uses.contains_key(input) {
                self.start(frame, inner, *input, name, operand);
            }
        }
        let read: Vec<bool> =
            states.iter().map(|(input, ..)| self.frames[inner].uses.contains_key(input)).collect();
        let names: Vec<String> = states.into_iter().map(|(_, name, _)| name).collect();
        for (output, name) in body.outputs.iter().zip(&names) {
            if let Some(value) =
                output.operand.value().filter(|value| !self.frames[inner].inputs.contains_key(value))
            {
                self.frames[inner].states.entry(value).or_insert_with(|| name.clone());
            }
        }
        self.gates_first(inner);
        let found = body.outputs.iter().enumerate().map(|(place, output)| {
            let name = names.get(place).cloned();
            let found = self.stepping(inner, &output.operand, name.clone(), &output.name);
            if let Some(name) = name.filter(|name| *name != found && read.get(place) == Some(&true)) {
                self.follows(inner, &output.operand, &name, &found);
            }
            found
        });
        let found: Vec<String> = found.collect();
        let written = std::mem::take(&mut self.frames[inner].equations);
        self.frames[frame].equations.extend(written);
        found
    }

    /// Writes the gates of a step in the order of their blocks.
    fn gates_first(&mut self, inner: usize) {
        let frame = &self.frames[inner];
        let mut gates: Vec<(Value, &'static str)> =
            frame.hints.iter().map(|(value, name)| (*value, *name)).collect();
        gates.retain(|(value, _)| frame.uses.contains_key(value));
        gates.sort();
        for (value, name) in gates {
            self.hoist(inner, value, None, Some(name));
        }
    }

    /// The letters of the steps around.
    fn steps_around(&self, frame: usize) -> Vec<String> {
        self.frames[frame].step.iter().map(|step| step.name.clone()).collect()
    }

    /// What is carried before the first step.
    fn start(&mut self, frame: usize, inner: usize, input: Value, name: &str, operand: &Operand) {
        let ty = self.frames[inner].program.result(input).ty.clone();
        let index = self.indices(inner, &ty, None);
        let right = self.alone(frame, index.clone(), |all| all.element(frame, operand, index.clone()));
        let mut at = self.frames[frame].stepped(index);
        at.insert(at.len().min(1), Formula::Number(-1.0));
        let left = Formula::Element(name.to_owned(), at);
        self.frames[frame].equations.push(Equation { left, right });
    }

    /// A state that is another one from the first step on.
    fn follows(&mut self, inner: usize, operand: &Operand, name: &str, other: &str) {
        let index = self.indices(inner, &self.frames[inner].ty(operand), None);
        let at = self.frames[inner].stepped(index);
        let (left, right) =
            (Formula::Element(name.to_owned(), at.clone()), Formula::Element(other.to_owned(), at));
        self.frames[inner].equations.push(Equation { left, right });
    }

    /// What a step gives: the equation of a state, or of what is collected; its name.
    fn stepping(&mut self, inner: usize, operand: &Operand, state: Option<String>, wanted: &str) -> String {
        let known = operand.value().and_then(|value| self.frames[inner].named.get(&value).cloned());
        if let Some(known) = known {
            return known;
        }
        let name = state.unwrap_or_else(|| self.name(Some(wanted)));
        let ty = self.frames[inner].ty(operand);
        let index = self.indices(inner, &ty, None);
        let right = self.alone(inner, index.clone(), |all| match operand {
            Operand::Value(value) if !all.frames[inner].inputs.contains_key(value) => {
                all.produced(inner, *value, &index)
            }
            operand => all.element(inner, operand, index.clone()),
        });
        let left = Formula::Element(name.clone(), self.frames[inner].stepped(index));
        self.frames[inner].equations.push(Equation { left, right });
        if let Some(value) = operand.value().filter(|value| !self.frames[inner].inputs.contains_key(value)) {
            self.frames[inner].named.insert(value, name.clone());
        }
        name
    }
}

/// The gates of a step, by the blocks of columns that they are made of.
fn gates(
    body: &Program,
    functions: &[masque_ir::activation::Activation],
) -> std::collections::HashMap<Value, &'static str> {
    let width = |name: &str| {
        let input = body.inputs().find(|(_, info)| info.name == name)?.1;
        input.ty.shape.last()?.known()
    };
    let blocks: &[&str] = match width("x").zip(width("h")) {
        Some((x, h)) if x == 4 * h => &["input", "forget", "candidate", "output"],
        Some((x, h)) if x == 3 * h => &["update", "reset", "candidate"],
        _ => return Default::default(),
    };
    let mut found = std::collections::HashMap::new();
    for (node, contents) in body.nodes.iter().enumerate() {
        let value = Value { node: node as u32, result: 0 };
        let is_weight = |operand: &Operand| body.operand_type(operand).is_some_and(|ty| ty.rank() < 2);
        if contents.operands.is_empty() || contents.operands.iter().all(is_weight) {
            continue;
        }
        let gate = known::find(body, value, functions).and_then(|(_, inner)| first_slice(body, &inner));
        let gate = gate.and_then(|(start, width)| blocks.get(usize::try_from(start / width.max(1)).ok()?));
        found.extend(gate.map(|gate| (value, *gate)));
    }
    found
}

/// The first block of columns in a sum: where it starts, and how wide it is.
fn first_slice(body: &Program, operand: &Operand) -> Option<(i64, i64)> {
    let node = &body.nodes[operand.value()?.node as usize];
    match &node.op {
        Op::Shape(Shape::Slice { start, stop, .. }) => Some((start.known()?, stop.known()? - start.known()?)),
        Op::Elementwise(masque_ir::ops::Elementwise::Add) => {
            node.operands.iter().find_map(|operand| first_slice(body, operand))
        }
        _ => None,
    }
}
