//! The kernels that a plan can name: one table, with what each of them takes.
//!
//! A row says which operations on which types a kernel computes, in which layout it reads its weights, and which
//! operand's memory its first result may take. Planning chooses by this table, the verifier holds a plan against it,
//! and the runtime has one implementation for each row. A composite operation that no kernel takes is decomposed
//! while planning; a primitive that no other kernel takes is computed by [`Kernel::Reference`].

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::ops::{
    Activate, Attention, Convolve, Dense, Index, Leaf, Lookup, Op, OperandTypes, Product, Recurrent, Rows,
    Scan, Shape, Text, Window, is_elementwise,
};
use crate::program::{Node, Operand, Program};
use crate::ty::{DType, Type, resolve_axis};

/// How a weight's bytes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Row by row, little-endian.
    Rows,
    /// A matrix in panels of columns, as the matrix product reads it; of more than two axes, all but the last one are
    /// its rows.
    Panels,
    /// Texts: for each its length in bytes (u32), then all bytes.
    Texts,
}

/// A row of the table of kernels.
#[derive(Clone, Copy, Debug)]
pub struct KernelInfo {
    /// The word in the text form.
    pub name: &'static str,
    /// What it computes, in a sentence.
    pub summary: &'static str,
    /// Does it compute this operation on operands of these types?
    takes: fn(&Op, OperandTypes<'_>) -> bool,
    /// Is this operand a matrix in panels, where it is a weight? Of more than two axes, all but the last one are the
    /// matrix' rows.
    matrices: fn(&Op, usize) -> bool,
    /// The operand whose memory the first result may take.
    over: Option<usize>,
    /// Are the results made by the kernel, because their sizes or their elements' sizes are known only after it ran?
    gives: bool,
    /// Is it better served by a thread of its own than by a share of its rows for each thread?
    alone: bool,
}

/// The table: makes the enum and its rows.
macro_rules! kernels {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal { $($field:ident: $value:expr),* $(,)? };)*) => {
        /// A kernel, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kernel { $($(#[doc = $doc])* #[serde(rename = $name)] $variant),* }

        impl Kernel {
            /// Every kernel; of those that take an operation, a plan names the first.
            pub const ALL: &'static [Kernel] = &[$(Kernel::$variant),*];

            const TABLE: &'static [KernelInfo] = &[$(KernelInfo {
                $($field: $value,)*
                ..KernelInfo::row($name, concat!($($doc),*))
            }),*];
        }
    };
}

kernels! {
    /// The same elements under another shape: nothing is moved.
    Alias = "alias" { takes: aliases, over: Some(0) };
    /// Rows of a table, by number.
    Gather = "gather" { takes: gathers };
    /// Elements along an axis, by number.
    GatherAlong = "gather_along" { takes: gathers_along };
    /// Positions along an axis, by ascending element.
    Order = "order" { takes: orders };
    /// Texts to numbers, with a vocabulary that is read once.
    Vectorize = "vectorize" { takes: vectorizes, gives: true };
    /// Tokens to numbers, with a list that is read once.
    LookUp = "look_up" { takes: looks_up, gives: true };
    /// An activation function of every element or of every row.
    Activate = "activate" { takes: activates, over: Some(0) };
    /// Rows times a matrix, with a bias and an activation function.
    Dense = "dense" { takes: is_dense, matrices: second };
    /// Rows times a matrix.
    Matmul = "matmul" { takes: multiplies, matrices: second };
    /// A batch of matrix products.
    Contract = "contract" { takes: contracts };
    /// Convolutions, with a bias and an activation function.
    Conv = "conv" { takes: convolves, matrices: ungrouped };
    /// The largest element or the mean of windows.
    Windows = "windows" { takes: pools };
    /// Attention, one head of one sequence after the other.
    Attention = "attention" { takes: attends };
    /// Attention among the rows of a mask, one head of one sequence after the other.
    AttentionRows = "attention_rows" { takes: attends_rows };
    /// Normalization of rows.
    LayerNorm = "layer_norm" { takes: normalizes };
    /// Means over time of valid steps.
    MeanOverTime = "mean_over_time" { takes: averages };
    /// Element-wise operations in one pass over memory.
    Map = "map" { takes: maps };
    /// Elements moved.
    Move = "move" { takes: moves };
    /// Where a mask is true, or where its runs begin.
    Places = "places" { takes: finds_places, gives: true };
    /// Rows at some places, next to each other.
    Pack = "pack" { takes: packs };
    /// Rows at some places, among others.
    Unpack = "unpack" { takes: unpacks };
    /// Axes folded away.
    Fold = "fold" { takes: folds };
    /// A simple recurrent layer.
    SimpleRnn = "simple_rnn" { takes: is_simple_rnn, matrices: second_and_third, alone: true };
    /// Long short-term memory.
    Lstm = "lstm" { takes: is_lstm, matrices: second_and_third, alone: true };
    /// A gated recurrent unit.
    Gru = "gru" { takes: is_gru, matrices: gru_matrices, alone: true };
    /// A loop over time, the operations of its body by kernels.
    Loop = "loop" { takes: loops, matrices: read_as_matrix };
    /// Any primitive operation by its own meaning, element by element.
    Reference = "reference" { takes: is_primitive, gives: true };
}

impl KernelInfo {
    const fn row(name: &'static str, summary: &'static str) -> KernelInfo {
        KernelInfo {
            name,
            summary,
            takes: is_primitive,
            matrices: none,
            over: None,
            gives: false,
            alone: false,
        }
    }
}

impl Kernel {
    /// The first kernel that computes an operation on operands of these types; `None` for a composite operation that
    /// has to be decomposed, and for operands that the operation does not take.
    pub fn choose(op: &Op, operands: OperandTypes<'_>) -> Option<Kernel> {
        op.infer(operands).ok()?;
        Kernel::ALL.iter().copied().find(|kernel| kernel.takes(op, operands))
    }

    /// The kernel's row.
    pub fn info(self) -> &'static KernelInfo {
        &Kernel::TABLE[self as usize]
    }

    /// Does it compute this operation on operands of these types? The operation has to take the operands.
    pub fn takes(self, op: &Op, operands: OperandTypes<'_>) -> bool {
        (self.info().takes)(op, operands)
    }

    /// The layout in which it reads a weight that is operand number `place`.
    pub fn layout(self, op: &Op, place: usize, dtype: DType) -> Layout {
        match dtype {
            DType::Str => Layout::Texts,
            DType::F32 if (self.info().matrices)(op, place) => Layout::Panels,
            _ => Layout::Rows,
        }
    }

    /// The operand whose memory the first result may take.
    pub fn over(self) -> Option<usize> {
        self.info().over
    }

    /// Is it better served by a thread of its own than by a share of its rows for each thread? Recurrent layers read
    /// their whole matrix at every step, however few their rows.
    pub fn alone(self) -> bool {
        self.info().alone
    }

    /// Are the results made by the kernel, because their sizes are known only after it ran?
    pub fn gives(self) -> bool {
        self.info().gives
    }
}

fn none(_: &Op, _: usize) -> bool {
    false
}

fn second(_: &Op, place: usize) -> bool {
    place == 1
}

fn second_and_third(_: &Op, place: usize) -> bool {
    matches!(place, 1 | 2)
}

/// A GRU that resets before the product multiplies two parts of its matrix at different times.
fn gru_matrices(op: &Op, place: usize) -> bool {
    let resets_before = matches!(op, Op::Recurrent(Recurrent::Gru { reset_after: false, .. }));
    place == 1 || place == 2 && !resets_before
}

/// Groups of channels have a matrix each.
fn ungrouped(op: &Op, place: usize) -> bool {
    let one = matches!(
        op,
        Op::Window(Window::Conv { groups: 1, .. }) | Op::Convolve(Convolve::Convolve { groups: 1, .. })
    );
    one && place == 1
}

/// What is the same in every step of a loop is a matrix where every operation that reads it says so.
fn read_as_matrix(op: &Op, place: usize) -> bool {
    let Op::Scan(Scan::Scan { carried, sequences, body }) = op else { return false };
    let input = body.inputs().nth(place).map(|(value, _)| Operand::Value(value));
    let Some(input) = input.filter(|_| place >= *carried as usize + *sequences as usize) else {
        return false;
    };
    let mut reads = body.nodes.iter().flat_map(|node| {
        let reads = node.operands.iter().enumerate().filter(|(_, operand)| **operand == input);
        reads.map(move |(at, _)| (node, at))
    });
    let is_matrix = |(node, at): (&Node, usize)| {
        let kernel = inside(body, node);
        kernel.is_some_and(|kernel| kernel.layout(&node.op, at, DType::F32) == Layout::Panels)
    };
    let read = body.nodes.iter().any(|node| node.operands.contains(&input));
    read && reads.all(is_matrix) && body.outputs.iter().all(|output| output.operand != input)
}

/// The kernel of an operation of a body.
fn inside(body: &Program, node: &Node) -> Option<Kernel> {
    let types = body.operand_types(node);
    Kernel::choose(&node.op, &types.iter().map(Option::as_ref).collect::<Vec<_>>())
}

fn is_primitive(op: &Op, _: OperandTypes<'_>) -> bool {
    !op.is_composite()
}

fn aliases(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Shape(Shape::Reshape { .. })) && !has_texts(operands)
}

fn gathers(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Index(Index::Gather)) && !has_texts(operands)
}

fn gathers_along(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Index(Index::GatherAlong { .. })) && !has_texts(operands)
}

fn orders(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Index(Index::Order { .. })) && !has_texts(operands)
}

fn vectorizes(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Text(Text::Vectorize { .. }))
}

fn looks_up(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Lookup(Lookup::Find { .. }))
}

fn activates(op: &Op, operands: OperandTypes<'_>) -> bool {
    let Op::Activate(Activate::Activate { f }) = op else { return false };
    floats_and_masks(operands) && has_function(f, rank(operands, 0))
}

fn is_dense(op: &Op, operands: OperandTypes<'_>) -> bool {
    let Op::Dense(Dense::Dense { activation }) = op else { return false };
    floats_and_masks(operands) && has_function(activation, rank(operands, 0))
}

fn multiplies(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Product(Product::Matmul)) && floats(operands)
}

fn contracts(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Product(Product::Contract { .. })) && floats(operands)
}

fn convolves(op: &Op, operands: OperandTypes<'_>) -> bool {
    floats(operands)
        && match op {
            Op::Window(Window::Conv { .. }) => true,
            Op::Convolve(layer @ Convolve::Convolve { activation, same, .. }) => {
                !(*same && layer.is_padded()) && has_function(activation, rank(operands, 0))
            }
            _ => false,
        }
}

fn pools(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Window(op) if !matches!(op, Window::Conv { .. })) && floats(operands)
}

fn attends(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Attention(Attention::Attention { .. })) && floats_and_masks(operands)
}

fn attends_rows(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Attention(Attention::Rows { .. })) && floats_and_masks(operands)
}

fn normalizes(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Normalize(_)) && floats_and_masks(operands)
}

fn averages(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Pool(_)) && floats_and_masks(operands)
}

fn maps(op: &Op, operands: OperandTypes<'_>) -> bool {
    (matches!(op, Op::Map(_)) || matches!(op, Op::Elementwise(_)) && is_elementwise(op))
        && !has_texts(operands)
}

fn moves(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Shape(_)) && !has_texts(operands)
}

fn finds_places(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Rows(Rows::Places { .. } | Rows::Runs { .. }))
}

fn packs(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Rows(Rows::Pack))
}

fn unpacks(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Rows(Rows::Unpack { .. } | Rows::UnpackRuns))
}

fn folds(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Reduce(_)) && !has_texts(operands)
}

/// Every operation of the body has a kernel, the sizes of its results are known before it runs, and there are no texts.
fn loops(op: &Op, _: OperandTypes<'_>) -> bool {
    let Op::Scan(Scan::Scan { body, .. }) = op else { return false };
    let known = |node: &Node| match &node.op {
        Op::Leaf(leaf) => matches!(leaf, Leaf::Input { .. } | Leaf::Constant { .. }),
        Op::Rows(Rows::Places { .. } | Rows::Runs { .. }) => false,
        _ => inside(body, node).is_some(),
    };
    let numbers = |node: &Node| node.results.iter().all(|result| result.ty.dtype != DType::Str);
    let given = body.outputs.iter().all(|output| output.operand != Operand::Absent);
    given && body.nodes.iter().all(|node| known(node) && numbers(node))
}

fn is_simple_rnn(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Recurrent(op @ Recurrent::SimpleRnn { .. }) if steps_alone(op, operands))
}

fn is_lstm(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Recurrent(op @ Recurrent::Lstm { .. }) if steps_alone(op, operands))
}

fn is_gru(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Recurrent(op @ Recurrent::Gru { .. }) if steps_alone(op, operands))
}

/// Do its activation functions look at every element by itself, and its mask at whole steps?
fn steps_alone(op: &Recurrent, operands: OperandTypes<'_>) -> bool {
    // What says which rows and which places is integers.
    let numbers = op.rows().map_or(operands, |rows| &operands[..rows]);
    floats_and_masks(numbers)
        && rank(operands, 4) <= 2
        && op.activations().all(|activation| activation.axis().is_none() && has_function(activation, 2))
}

/// Is there a function for slices of rows? There is none along another axis than the last.
fn has_function(activation: &Activation, rank: usize) -> bool {
    match activation {
        // The function clips at 0 as well, below which the meaning of the operation goes on.
        Activation::Relu { max_value: Some(_), threshold, .. } => threshold.0 >= 0.0,
        Activation::Sparsemax { .. } => false,
        _ => activation
            .axis()
            .is_none_or(|axis| resolve_axis(i64::from(axis), rank).is_some_and(|axis| axis + 1 == rank)),
    }
}

fn rank(operands: OperandTypes<'_>, place: usize) -> usize {
    operands[place].map_or(0, Type::rank)
}

fn floats(operands: OperandTypes<'_>) -> bool {
    operands.iter().flatten().all(|ty| ty.dtype == DType::F32)
}

fn floats_and_masks(operands: OperandTypes<'_>) -> bool {
    operands.iter().flatten().all(|ty| matches!(ty.dtype, DType::F32 | DType::Bool))
}

fn has_texts(operands: OperandTypes<'_>) -> bool {
    operands.iter().flatten().any(|ty| ty.dtype == DType::Str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::Dim;
    use crate::float::Float;
    use crate::ops::Elementwise;

    fn matrix(dtype: DType) -> Type {
        Type::new(dtype, [Dim::symbol("B"), 4.into()])
    }

    #[test]
    fn rows_stand_in_the_order_of_the_kernels() {
        for kernel in Kernel::ALL {
            assert_eq!(serde_json::to_value(kernel).unwrap(), kernel.info().name);
        }
    }

    #[test]
    fn the_first_kernel_that_takes_an_operation_is_chosen() {
        let (floats, wide) = (matrix(DType::F32), matrix(DType::F64));
        let chosen = |op: Op, x: &Type| Kernel::choose(&op, &[Some(x)]);
        let softmax = |axis| Op::from(Activate::Activate { f: Activation::Softmax { axis } });
        assert_eq!(chosen(softmax(-1), &floats), Some(Kernel::Activate));
        assert_eq!(chosen(softmax(0), &floats), None);
        assert_eq!(chosen(softmax(-1), &wide), None);
        assert_eq!(chosen(Elementwise::Neg.into(), &wide), Some(Kernel::Map));
        assert_eq!(chosen(Elementwise::Not.into(), &wide), None);
        let bent = Activation::Relu {
            negative_slope: Float(0.0),
            max_value: Some(Float(6.0)),
            threshold: Float(-1.0),
        };
        assert_eq!(chosen(Activate::Activate { f: bent }.into(), &floats), None);
    }
}
