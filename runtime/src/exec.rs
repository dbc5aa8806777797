//! From steps to kernels. Kernels are functions over slices; what stands here looks at an operation's attributes and
//! operands, and calls the kernel. Each kernel of the table in [`masque_ir::kernel`] has a file, and this file has the only
//! list of them.
//!
//! A step is made ready once, with what it can compute from its weights alone. When it runs, its operands have the
//! types that the plan declares: the session has held the sizes of the inputs against them.

mod activate;
mod along;
mod attention;
mod contract;
mod conv;
mod dense;
mod fold;
mod gather;
mod layer_norm;
mod look_up;
mod loops;
mod map;
mod mean_over_time;
mod moves;
mod recurrent;
mod reference;
mod rows;
mod vectorize;
mod windows;

use std::borrow::Cow;
use std::fmt::Debug;

use masque_ir::Type;
use masque_ir::activation::Activation;
use masque_ir::dim::Bindings;
use masque_ir::kernel::Kernel;
use masque_ir::ops::Op;

use crate::Tensor;
use crate::data::{Elements, ElementsMut, Operand, Room};
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;
use crate::kernels::pack::{PackedMatrix, pack};

/// A step made ready.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Nothing is done: the result is the operand under another shape.
    Alias,
    /// It writes its results where it is told.
    Writes(Box<dyn Writes>),
    /// It makes its results, because their sizes are known only after it ran.
    Gives(Box<dyn Gives>),
}

/// A kernel that writes its results where it is told.
pub(crate) trait Writes: Debug + Send + Sync {
    /// Computes the results.
    ///
    /// # Errors
    ///
    /// Operands that the kernel does not take, numbers that name nothing.
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure>;

    /// About how many floating-point operations it takes, of a kernel that is to have a thread of its own.
    fn flops(&self, _call: &Call<'_>) -> usize {
        0
    }
}

/// A kernel that makes its results.
pub(crate) trait Gives: Debug + Send + Sync {
    /// Computes the results.
    ///
    /// # Errors
    ///
    /// Operands that the kernel does not take, numbers that name nothing, results above a limit.
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure>;
}

/// Makes a step ready. `weights` has the operands that are weights or numbers, `types` those of all.
pub(crate) fn prepare(
    kernel: Kernel,
    op: &Op,
    weights: &[Option<Operand<'_>>],
    types: &[Option<&Type>],
) -> Prepared {
    let made: Option<Box<dyn Writes>> = match kernel {
        Kernel::Alias => return Prepared::Alias,
        Kernel::Vectorize => return Prepared::Gives(vectorize::prepare(op, weights)),
        Kernel::Places => return Prepared::Gives(Box::new(rows::Places)),
        Kernel::LookUp => return Prepared::Gives(look_up::prepare(op, weights)),
        Kernel::Reference => None,
        Kernel::Gather => Some(Box::new(gather::Gather)),
        Kernel::GatherAlong => Some(Box::new(along::GatherAlong)),
        Kernel::Order => Some(Box::new(along::Order)),
        Kernel::Activate => activate::prepare(op),
        Kernel::Dense => dense::prepare(op),
        Kernel::Matmul => Some(Box::new(dense::LINEAR)),
        Kernel::Contract => contract::prepare(op, weights),
        Kernel::Conv => conv::prepare(op, weights),
        Kernel::Windows => Some(Box::new(windows::Windows)),
        Kernel::Attention => Some(Box::new(attention::Attention)),
        Kernel::AttentionRows => Some(Box::new(attention::AttentionRows)),
        Kernel::LayerNorm => layer_norm::prepare(op),
        Kernel::MeanOverTime => Some(Box::new(mean_over_time::MeanOverTime)),
        Kernel::Map => map::prepare(op, types),
        Kernel::Move => Some(Box::new(moves::Moves)),
        Kernel::Pack => Some(Box::new(rows::Pack)),
        Kernel::Unpack => Some(Box::new(rows::Unpack)),
        Kernel::Fold => Some(Box::new(fold::Folds)),
        Kernel::Loop => loops::prepare(op, weights),
        Kernel::SimpleRnn | Kernel::Lstm | Kernel::Gru => recurrent::prepare(op, weights),
    };
    made.map_or_else(|| Prepared::Gives(Box::new(reference::Reference)), Prepared::Writes)
}

/// An operation with everything that a kernel needs.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The operation.
    pub(crate) op: &'a Op,
    /// What it reads. The operand in whose place the first result is written is absent.
    pub(crate) operands: &'a [Option<Operand<'a>>],
    /// Where its results go, unless it makes them itself.
    pub(crate) results: &'a mut [Room<'a>],
    /// The sizes of this run.
    pub(crate) bindings: &'a Bindings,
    /// The bytes that the call may take beside its results.
    pub(crate) free: u64,
}

impl<'a> Call<'a> {
    /// An operand that is there.
    fn operand(&self, place: usize) -> Result<Operand<'a>, OpFailure> {
        self.maybe(place).ok_or_else(|| self.unfit(place))
    }

    fn maybe(&self, place: usize) -> Option<Operand<'a>> {
        self.operands.get(place).copied().flatten()
    }

    fn unfit(&self, place: usize) -> OpFailure {
        let name = self.op.info().operands.get(place).map_or("operand", |row| row.name);
        OpFailure::mismatch(format_args!("an operand `{name}` for the kernel"), "another")
    }

    /// The elements of an operand that is there and holds `f32`.
    fn floats(&self, place: usize) -> Result<&'a [f32], OpFailure> {
        match self.operand(place)?.elements {
            Elements::F32(elements) => Ok(elements),
            _ => Err(self.unfit(place)),
        }
    }

    /// The same, where it may be absent.
    fn maybe_floats(&self, place: usize) -> Result<Option<&'a [f32]>, OpFailure> {
        self.maybe(place).map(|_| self.floats(place)).transpose()
    }

    /// The truth values of an operand, if it is there.
    fn maybe_flags(&self, place: usize) -> Result<Option<&'a [bool]>, OpFailure> {
        match self.maybe(place).map(|operand| operand.elements) {
            None => Ok(None),
            Some(Elements::Bool(elements)) => Ok(Some(elements)),
            Some(_) => Err(self.unfit(place)),
        }
    }

    /// A matrix in panels; one that is not there yet is packed now.
    fn matrix(&self, place: usize) -> Result<Matrix<'a>, OpFailure> {
        let operand = self.operand(place)?;
        match (operand.elements, operand.shape) {
            (Elements::Panels(matrix), _) => Ok(Matrix::borrowed(matrix)),
            (Elements::F32(elements), &[k, n]) => Ok(Matrix::owned(pack(elements, k, n), k, n)),
            _ => Err(self.unfit(place)),
        }
    }

    /// The shape of a result.
    fn result_shape(&self, place: usize) -> &'a [usize] {
        self.results.get(place).map_or(&[], |room| room.shape)
    }

    /// Where a result of `f32` goes.
    fn out(&mut self, place: usize) -> Result<&mut [f32], OpFailure> {
        match self.results.get_mut(place).map(|room| &mut room.elements) {
            Some(ElementsMut::F32(elements)) => Ok(elements),
            _ => Err(OpFailure::mismatch(format_args!("a result {place} of f32"), "another")),
        }
    }
}

/// A matrix in panels, borrowed or not.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<'a> {
    data: Cow<'a, [f32]>,
    k: usize,
    n: usize,
}

impl<'a> Matrix<'a> {
    fn owned(data: Vec<f32>, k: usize, n: usize) -> Matrix<'a> {
        Matrix { data: data.into(), k, n }
    }

    fn borrowed(matrix: PackedMatrix<'a>) -> Matrix<'a> {
        Matrix { data: matrix.data().into(), k: matrix.k(), n: matrix.n() }
    }

    fn packed(&self) -> Result<PackedMatrix<'_>, OpFailure> {
        PackedMatrix::new(&self.data, self.k, self.n)
            .ok_or_else(|| OpFailure::mismatch("a matrix in panels", "another number of elements"))
    }
}

/// The kernel of an activation function; the table of kernels has said that there is one.
fn function(activation: &Activation) -> Option<Function> {
    if *activation == Activation::RELU {
        return Some(Function::Relu);
    }
    Some(match *activation {
        Activation::Linear => Function::Linear,
        Activation::Relu { negative_slope, max_value, threshold } => Function::ReluWith {
            negative_slope: negative_slope.0 as f32,
            max_value: max_value.map(|max| max.0 as f32),
            threshold: threshold.0 as f32,
        },
        Activation::Elu { alpha } => Function::Elu { alpha: alpha.0 as f32 },
        Activation::Celu { alpha } => Function::Celu { alpha: alpha.0 as f32 },
        Activation::Selu => Function::Selu,
        Activation::Gelu => Function::Gelu,
        Activation::GeluTanh => Function::GeluTanh,
        Activation::Silu => Function::Silu,
        Activation::Softplus => Function::Softplus,
        Activation::Softsign => Function::Softsign,
        Activation::Tanh => Function::Tanh,
        Activation::Sigmoid => Function::Sigmoid,
        Activation::Exponential => Function::Exponential,
        Activation::HardSigmoid => Function::HardSigmoid,
        Activation::HardSigmoidKeras2 => Function::HardSigmoidKeras2,
        Activation::HardSilu => Function::HardSilu,
        Activation::HardTanh => Function::HardTanh,
        Activation::Mish => Function::Mish,
        Activation::LogSigmoid => Function::LogSigmoid,
        Activation::TanhShrink => Function::TanhShrink,
        Activation::HardShrink { threshold } => Function::HardShrink { threshold: threshold.0 as f32 },
        Activation::SoftShrink { threshold } => Function::SoftShrink { threshold: threshold.0 as f32 },
        Activation::SparsePlus => Function::SparsePlus,
        Activation::SparseSigmoid => Function::SparseSigmoid,
        Activation::Squareplus { b } => Function::Squareplus { b: b.0 as f32 },
        Activation::Softmax { .. } => Function::Softmax,
        Activation::LogSoftmax { .. } => Function::LogSoftmax,
        Activation::Sparsemax { .. } => return None,
    })
}

/// The number of elements of a shape.
fn elements(shape: &[usize]) -> usize {
    crate::element::element_count(shape).unwrap_or(usize::MAX)
}
