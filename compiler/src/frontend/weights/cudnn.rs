//! Weights of `CuDNNGRU` and `CuDNNLSTM` as those of `GRU` and `LSTM`.
//!
//! The library for NVIDIA's cards wanted each gate's matrix transposed, and two biases of every gate one behind the
//! other in one row. By that row such weights are told from others.

use masque_runtime::Tensor;
use ndarray::{Array1, ArrayD, ArrayView2, Axis, Ix2, concatenate, s};

/// What a weight is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Kernel,
    RecurrentKernel,
    Bias,
}

/// The part that a weight is, by its name in the layer.
pub(super) fn part(name: &str) -> Option<Part> {
    Some(match name.rsplit('/').next()? {
        "kernel" => Part::Kernel,
        "recurrent_kernel" => Part::RecurrentKernel,
        "bias" => Part::Bias,
        _ => return None,
    })
}

/// Is a bias that is stored in this shape one of these layers, where one of the shape `wanted` is expected?
pub(super) fn is_bias(stored: &[usize], wanted: &[usize]) -> bool {
    match (stored, wanted) {
        // A GRU keeps both biases apart, an LSTM adds them up.
        ([size], [2, gates]) => Some(*size) == gates.checked_mul(2),
        ([size], [gates]) => Some(*size) == gates.checked_mul(2) && gates % 4 == 0,
        _ => false,
    }
}

/// The weight in the layout of today; `None` if it does not have the shape of one.
pub(super) fn converted(part: Part, tensor: Tensor, wanted: &[usize], units: usize) -> Option<Tensor> {
    let Tensor::F32(array) = tensor else { return None };
    let array = match part {
        Part::Bias => {
            let (row, half) = (array.into_dimensionality::<ndarray::Ix1>().ok()?, wanted.last().copied()?);
            match wanted.len() {
                2 => row.into_shape_with_order((2, half)).ok()?.into_dyn(),
                _ => (&row.slice(s![..half]) + &row.slice(s![half..])).into_dyn(),
            }
        }
        Part::Kernel => gates(array, units, |gate| {
            // The same numbers in the same order, read row by row and written column by column.
            let (rows, columns) = gate.dim();
            let numbers: Array1<f32> = gate.iter().copied().collect();
            numbers.into_shape_with_order((columns, rows)).ok().map(ndarray::Array2::reversed_axes)
        })?,
        Part::RecurrentKernel => gates(array, units, |gate| Some(gate.t().to_owned()))?,
    };
    (array.shape() == wanted).then(|| Tensor::F32(array.as_standard_layout().into_owned()))
}

/// Each gate's columns, changed.
fn gates(
    array: ArrayD<f32>,
    units: usize,
    change: impl Fn(ArrayView2<'_, f32>) -> Option<ndarray::Array2<f32>>,
) -> Option<ArrayD<f32>> {
    let matrix = array.into_dimensionality::<Ix2>().ok()?;
    if units == 0 || !matrix.ncols().is_multiple_of(units) {
        return None;
    }
    let gates: Vec<_> = matrix.axis_chunks_iter(Axis(1), units).map(change).collect::<Option<_>>()?;
    let views: Vec<_> = gates.iter().map(|gate| gate.view()).collect();
    concatenate(Axis(1), &views).ok().map(ndarray::Array2::into_dyn)
}
