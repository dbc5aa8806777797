//! A table with a row for each value of a program, found by its place and without a hash.

use crate::program::{Program, Value};

/// What is noted of some values of a program.
#[derive(Clone, Debug)]
pub struct ByValue<T> {
    /// By node: the row of its first result.
    starts: Vec<u32>,
    rows: Vec<Option<T>>,
}

impl<T> ByValue<T> {
    /// A table with nothing noted.
    pub fn new(program: &Program) -> ByValue<T> {
        let (mut starts, mut rows) = (Vec::with_capacity(program.nodes.len()), vec![]);
        for node in &program.nodes {
            starts.push(rows.len() as u32);
            rows.extend(node.results.iter().map(|_| None));
        }
        ByValue { starts, rows }
    }

    fn row(&self, value: Value) -> usize {
        (self.starts[value.node as usize] + value.result) as usize
    }

    /// What was noted of a value of the program.
    pub fn get(&self, value: Value) -> Option<&T> {
        self.rows[self.row(value)].as_ref()
    }

    /// Notes something of a value of the program, instead of what was noted before.
    pub fn insert(&mut self, value: Value, noted: T) {
        let row = self.row(value);
        self.rows[row] = Some(noted);
    }
}

#[cfg(test)]
mod tests {
    use super::ByValue;
    use crate::program::{Node, Program, ResultInfo, Value};
    use crate::{DType, Semantics, Type, ops};

    #[test]
    fn every_result_of_every_node_has_a_row_of_its_own() {
        let mut program = Program::new("p", Semantics::Keras3_15);
        for results in [1, 0, 3, 1] {
            let result = ResultInfo { name: String::new(), ty: Type::scalar(DType::F32), mask: None };
            let op = ops::Op::Leaf(ops::Leaf::Input { ty: Type::scalar(DType::F32) });
            program.nodes.push(Node { op, operands: vec![], results: vec![result; results] });
        }
        let values = [(0, 0), (2, 0), (2, 1), (2, 2), (3, 0)].map(|(node, result)| Value { node, result });
        let mut table = ByValue::new(&program);
        assert!(values.iter().all(|value| table.get(*value).is_none()));
        values.iter().for_each(|value| table.insert(*value, *value));
        assert!(values.iter().all(|value| table.get(*value) == Some(value)));
    }
}
