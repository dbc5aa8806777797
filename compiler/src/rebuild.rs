//! A program made anew, node by node, for passes that replace or leave out some of its nodes.

use masque_ir::by_value::ByValue;
use masque_ir::program::{Builder, Node, Operand, Program, ProgramOutput, Value};

/// A program and what has become of it so far.
pub(crate) struct Rebuild<'a> {
    program: &'a Program,
    /// The new program.
    pub(crate) builder: Builder,
    now: ByValue<Operand>,
}

impl<'a> Rebuild<'a> {
    /// Nothing yet.
    pub(crate) fn of(program: &'a Program) -> Rebuild<'a> {
        let builder = Builder::new(&program.name, program.semantics);
        Rebuild { program, builder, now: ByValue::new(program) }
    }

    /// What an operand of the old program is in the new one.
    pub(crate) fn now(&self, operand: &Operand) -> Operand {
        operand.value().and_then(|value| self.now.get(value).cloned()).unwrap_or_else(|| operand.clone())
    }

    /// What the operands of an old node are.
    pub(crate) fn operands(&self, node: &Node) -> Vec<Operand> {
        node.operands.iter().map(|operand| self.now(operand)).collect()
    }

    /// Keeps a node as it is, for its new operands.
    pub(crate) fn keep(&mut self, place: usize) {
        let node = &self.program.nodes[place];
        let operands = self.operands(node);
        let results = self.builder.copy(node, operands);
        self.replace(place, results);
    }

    /// From here on the results of an old node are these. Masks stay attached.
    pub(crate) fn replace(&mut self, place: usize, results: Vec<Operand>) {
        for (result, operand) in results.into_iter().enumerate() {
            self.replace_value(Value { node: place as u32, result: result as u32 }, operand);
        }
    }

    /// From here on an old value is this.
    pub(crate) fn replace_value(&mut self, value: Value, operand: Operand) {
        if let Some(mask) = self.program.result(value).mask {
            self.builder.set_mask(&operand, self.now(&Operand::Value(mask)).value());
        }
        self.now.insert(value, operand);
    }

    /// The new program, with the outputs of the old one.
    pub(crate) fn finish(self) -> Program {
        let output = |output: &ProgramOutput| ProgramOutput {
            name: output.name.clone(),
            operand: self.now(&output.operand),
        };
        let outputs = self.program.outputs.iter().map(output).collect();
        Program { outputs, ..self.builder.finish() }
    }
}

/// The program without the nodes that no output needs, masks of what is kept among those that are kept.
pub(crate) fn needed(program: &Program) -> Program {
    needed_or(program, |_| false)
}

/// The same, and some others as well.
pub(crate) fn needed_or(program: &Program, others: impl Fn(&Node) -> bool) -> Program {
    let live = program.live(true);
    let mut rebuild = Rebuild::of(program);
    let is_kept = |place: usize| live[place] || others(&program.nodes[place]);
    (0..program.nodes.len()).filter(|&place| is_kept(place)).for_each(|place| rebuild.keep(place));
    rebuild.finish()
}
