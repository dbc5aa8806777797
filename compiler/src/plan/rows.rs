//! Recurrent layers behind an embedding read its rows where they are: no position is copied, and none of padding read.

use masque_ir::ops::{Index, Op};
use masque_ir::program::{Node, Operand, Program};

use crate::rebuild::Rebuild;

/// The program with such layers reading from tables.
pub(super) fn read_tables(program: &Program) -> Program {
    let mut rebuild = Rebuild::of(program);
    for (place, node) in program.nodes.iter().enumerate() {
        let Some((rows, table, ids)) = looked_up(program, node) else {
            rebuild.keep(place);
            continue;
        };
        let mut operands = rebuild.operands(node);
        (operands[0], operands[rows]) = (rebuild.now(table), rebuild.now(ids));
        let made = rebuild.builder.copy(node, operands);
        rebuild.replace(place, made);
    }
    rebuild.finish()
}

/// For a recurrent layer whose steps are rows of a table: the operand that says which, the table, and what it says.
fn looked_up<'a>(program: &'a Program, node: &Node) -> Option<(usize, &'a Operand, &'a Operand)> {
    let Op::Recurrent(op) = &node.op else { return None };
    let rows = op.rows().filter(|rows| node.operands[*rows] == Operand::Absent)?;
    let gather = &program.nodes[node.operands[0].value()?.node as usize];
    let ([table, ids], Op::Index(Index::Gather)) = (gather.operands.as_slice(), &gather.op) else {
        return None;
    };
    let two = |operand| program.operand_type(operand).is_some_and(|ty| ty.rank() == 2);
    (two(table) && two(ids)).then_some((rows, table, ids))
}
