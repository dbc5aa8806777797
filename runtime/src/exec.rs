//! From operations to kernels. Kernels are functions over slices; an *adapter* looks at an operation's attributes
//! and operands, makes room for the results and calls the kernel. There is one adapter for each family, and this
//! file has the only list of them.
//!
//! Before an adapter runs, the operation's own type rule is applied to the sizes at hand. So an adapter meets only
//! operands that fit together, and knows the shapes of its results.

mod dense;
mod gather;
mod layer_norm;
mod lookup;
mod pool;
mod product;
mod recurrent;
mod vectorize;

use std::borrow::Cow;

use masque_ir::dim::Bindings;
use masque_ir::ops::{Op, OperandTypes};
use masque_ir::plan::Layout;
use masque_ir::{DType, Dim, Type};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::element::element_count;
use crate::error::OpFailure;
use crate::kernels::pack::{PackedMatrix, pack};
use crate::lookup::Places;
use crate::text::Vocabulary;
use crate::weights::Stored;
use crate::{Tensor, TensorView, reference};

/// How a family's operations are done by kernels.
struct Adapter {
    /// Is there a kernel for this operation on operands of these types?
    takes: fn(&Op, OperandTypes<'_>) -> bool,
    /// The operands that are matrices in panels, where they are weights.
    matrices: fn(&Op) -> &'static [usize],
    /// Turns a weight into something better for this operation, once.
    prepare: fn(&Op, usize, &Stored<'_>) -> Option<Prepared>,
    /// Does it. The operation has been found to take these operands.
    run: fn(&Call<'_>) -> Result<Vec<Tensor>, OpFailure>,
}

fn adapter(op: &Op) -> Option<&'static Adapter> {
    match op {
        Op::Index(_) => Some(&gather::ADAPTER),
        Op::Text(_) => Some(&vectorize::ADAPTER),
        Op::Lookup(_) => Some(&lookup::ADAPTER),
        Op::Activate(_) | Op::Dense(_) => Some(&dense::ADAPTER),
        Op::Normalize(_) => Some(&layer_norm::ADAPTER),
        Op::Pool(_) => Some(&pool::ADAPTER),
        Op::Product(_) => Some(&product::ADAPTER),
        Op::Recurrent(_) => Some(&recurrent::ADAPTER),
        Op::Leaf(_) | Op::Elementwise(_) | Op::Reduce(_) | Op::Shape(_) | Op::Window(_) | Op::Scan(_) => None,
    }
}

/// Is there a kernel for this operation on operands of these types? If not, a plan says
/// [`Kernel::Reference`](masque_ir::plan::Kernel::Reference).
pub fn has_native(op: &Op, operands: OperandTypes<'_>) -> bool {
    op.infer(operands).is_ok() && adapter(op).is_some_and(|adapter| (adapter.takes)(op, operands))
}

/// The layout in which the kernel of an operation wants a weight that is its operand number `place`.
pub fn weight_layout(op: &Op, place: usize, dtype: DType) -> Layout {
    let panels = adapter(op).is_some_and(|adapter| (adapter.matrices)(op).contains(&place));
    match dtype {
        DType::Str => Layout::Texts,
        DType::F32 if panels => Layout::Panels,
        _ => Layout::Rows,
    }
}

/// What an operation made of a weight before the first run.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// A vocabulary to look tokens up in.
    Vocabulary(Vocabulary),
    /// The places of tokens in a list.
    Places(Places),
    /// Several matrices cut out of it, each in panels.
    Matrices(Vec<Matrix<'static>>),
}

/// Prepares a weight for an operation done by a kernel.
pub(crate) fn prepare(op: &Op, place: usize, weight: &Stored<'_>) -> Option<Prepared> {
    adapter(op).and_then(|adapter| (adapter.prepare)(op, place, weight))
}

/// What an operation reads in one place.
#[derive(Clone, Debug)]
pub(crate) enum Argument<'a> {
    /// A tensor row by row.
    Tensor(TensorView<'a>),
    /// A weight, and what was made of it.
    Weight(Stored<'a>, Option<&'a Prepared>),
}

impl Argument<'_> {
    fn ty(&self) -> Type {
        let (dtype, shape) = match self {
            Argument::Tensor(view) => (view.dtype(), view.shape()),
            Argument::Weight(stored, _) => stored.dtype_and_shape(),
        };
        Type::new(dtype, shape.iter().map(|&size| dim(size)).collect::<Vec<_>>())
    }
}

fn dim(size: usize) -> Dim {
    Dim::constant(i64::try_from(size).unwrap_or(i64::MAX))
}

/// An operation with everything that an adapter needs.
pub(crate) struct Call<'a> {
    /// The operation.
    pub(crate) op: &'a Op,
    /// Its operands.
    pub(crate) operands: &'a [Option<Argument<'a>>],
    /// The sizes of this run.
    pub(crate) bindings: &'a Bindings,
    /// How many bytes the results may take.
    pub(crate) budget: u64,
}

impl<'a> Call<'a> {
    /// Does the operation by its own meaning.
    ///
    /// # Errors
    ///
    /// Those of [`reference::evaluate`].
    pub(crate) fn by_reference(&self) -> Result<Vec<Tensor>, OpFailure> {
        // Panels have to be undone before anything but a kernel can read them.
        let undone: Vec<Option<Tensor>> =
            self.operands.iter().map(|operand| operand.as_ref().and_then(undo)).collect();
        let views: Vec<Option<TensorView<'_>>> = self
            .operands
            .iter()
            .zip(&undone)
            .map(|(operand, undone)| match (operand.as_ref()?, undone) {
                (_, Some(tensor)) => Some(tensor.view()),
                (Argument::Tensor(view), None) => Some(view.view()),
                (Argument::Weight(stored, _), None) => stored.tensor(),
            })
            .collect();
        reference::evaluate(self.op, &views, self.bindings)
    }

    /// Does the operation by a kernel, or by its own meaning if there is none for these operands.
    ///
    /// # Errors
    ///
    /// Operands that do not fit together, results above the budget, an index outside its table.
    pub(crate) fn by_kernel(&self) -> Result<Vec<Tensor>, OpFailure> {
        let types: Vec<Option<Type>> =
            self.operands.iter().map(|operand| operand.as_ref().map(Argument::ty)).collect();
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let results = self.op.infer(&types)?;
        let Some(adapter) = adapter(self.op).filter(|adapter| (adapter.takes)(self.op, &types)) else {
            return self.by_reference();
        };
        let bytes = results.iter().fold(0u64, |sum, ty| sum.saturating_add(bytes(ty, self.bindings)));
        if bytes > self.budget {
            return Err(OpFailure::TooLarge { bytes, limit: self.budget });
        }
        (adapter.run)(self)
    }

    fn tensor(&self, place: usize) -> Option<TensorView<'_>> {
        match self.operands.get(place)?.as_ref()? {
            Argument::Tensor(view) => Some(view.view()),
            Argument::Weight(stored, _) => stored.tensor(),
        }
    }

    fn prepared(&self, place: usize) -> Option<&'a Prepared> {
        match self.operands.get(place)?.as_ref()? {
            Argument::Weight(_, prepared) => *prepared,
            Argument::Tensor(_) => None,
        }
    }

    /// The shape of an operand; empty if it is absent.
    fn shape(&self, place: usize) -> &[usize] {
        match self.operands.get(place).and_then(Option::as_ref) {
            Some(Argument::Tensor(view)) => view.shape(),
            Some(Argument::Weight(stored, _)) => stored.dtype_and_shape().1,
            None => &[],
        }
    }

    /// The elements of an operand in order, if it is there and holds `f32`.
    fn floats(&self, place: usize) -> Option<Cow<'_, [f32]>> {
        match self.operands.get(place)?.as_ref()? {
            Argument::Tensor(TensorView::F32(array)) => Some(in_order(array)),
            Argument::Weight(Stored::Rows(TensorView::F32(array)), _) => Some(in_order(array)),
            Argument::Weight(stored, _) => match stored.to_tensor() {
                Tensor::F32(array) => Some(Cow::Owned(array.into_iter().collect())),
                _ => None,
            },
            Argument::Tensor(_) => None,
        }
    }

    /// The elements of a required operand.
    fn required(&self, place: usize) -> Result<Cow<'_, [f32]>, OpFailure> {
        self.floats(place).ok_or_else(|| missing(self.op, place))
    }

    /// The truth values of an operand in order, if it is there.
    fn flags(&self, place: usize) -> Option<Cow<'_, [bool]>> {
        match self.operands.get(place)?.as_ref()? {
            Argument::Tensor(TensorView::Bool(array)) => Some(in_order(array)),
            Argument::Weight(stored, _) => match stored.to_tensor() {
                Tensor::Bool(array) => Some(Cow::Owned(array.into_iter().collect())),
                _ => None,
            },
            Argument::Tensor(_) => None,
        }
    }

    /// A matrix in panels; one that is not there yet is packed now.
    fn matrix(&self, place: usize) -> Result<Matrix<'_>, OpFailure> {
        let &[k, n] = self.shape(place) else { return Err(missing(self.op, place)) };
        if let Some(Some(Argument::Weight(Stored::Panels { data, .. }, _))) = self.operands.get(place) {
            return Ok(Matrix { data: Cow::Borrowed(data), k, n });
        }
        Ok(Matrix { data: Cow::Owned(pack(&self.required(place)?, k, n)), k, n })
    }
}

fn undo(argument: &Argument<'_>) -> Option<Tensor> {
    match argument {
        Argument::Weight(stored @ Stored::Panels { .. }, _) => Some(stored.to_tensor()),
        _ => None,
    }
}

fn missing(op: &Op, place: usize) -> OpFailure {
    let name = op.info().operands.get(place).map_or("operand", |row| row.name);
    OpFailure::mismatch(format_args!("an operand `{name}` for the kernel"), "another")
}

/// The bytes of a value; sizes that nobody knows yet count as one position, too large ones as all there are.
fn bytes(ty: &Type, bindings: &Bindings) -> u64 {
    let element = ty.dtype.size().unwrap_or(size_of::<String>()) as u64;
    ty.shape.iter().fold(element, |product, dim| {
        let size = dim.eval(bindings).map_or(1, |size| size.unsigned_abs());
        product.saturating_mul(size)
    })
}

/// A matrix in panels, borrowed or not.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<'a> {
    data: Cow<'a, [f32]>,
    k: usize,
    n: usize,
}

impl Matrix<'_> {
    fn packed(&self) -> Result<PackedMatrix<'_>, OpFailure> {
        PackedMatrix::new(&self.data, self.k, self.n)
            .ok_or_else(|| OpFailure::mismatch("a matrix in panels", "another number of elements"))
    }
}

fn in_order<'v, T: Clone>(array: &'v ArrayViewD<'_, T>) -> Cow<'v, [T]> {
    match array.as_slice() {
        Some(elements) => Cow::Borrowed(elements),
        None => Cow::Owned(array.iter().cloned().collect()),
    }
}

fn elements(shape: &[usize]) -> usize {
    element_count(shape).unwrap_or(usize::MAX)
}

fn tensor(shape: &[usize], elements: Vec<f32>) -> Result<Tensor, OpFailure> {
    let found = elements.len();
    ArrayD::from_shape_vec(IxDyn(shape), elements)
        .map(Tensor::F32)
        .map_err(|_| OpFailure::mismatch(format_args!("elements for {shape:?}"), found))
}

fn all_f32(operands: OperandTypes<'_>) -> bool {
    operands.iter().flatten().all(|ty| matches!(ty.dtype, DType::F32 | DType::Bool))
}

fn no_matrices(_: &Op) -> &'static [usize] {
    &[]
}

fn nothing_to_prepare(_: &Op, _: usize, _: &Stored<'_>) -> Option<Prepared> {
    None
}

#[cfg(test)]
mod tests;
