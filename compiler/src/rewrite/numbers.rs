//! Literals and tensors of one number. A number has one literal: the shortest that reads back to it.

use masque_ir::DType;
use masque_ir::program::Literal;
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

/// The largest integer below which every integer is a float of its own.
const EXACT: i64 = 1 << 53;

/// The one literal that stands for the same number.
pub(super) fn canonical(number: Literal) -> Literal {
    tensor(number).and_then(|tensor| literal(&tensor)).unwrap_or(number)
}

/// The number as a tensor without axes.
pub(super) fn tensor(literal: Literal) -> Option<Tensor> {
    let number = literal.number.0;
    let shape = IxDyn(&[]);
    Some(match literal.dtype {
        DType::F32 => Tensor::F32(ArrayD::from_elem(shape, number as f32)),
        DType::F64 => Tensor::F64(ArrayD::from_elem(shape, number)),
        DType::I32 => Tensor::I32(ArrayD::from_elem(shape, number as i32)),
        DType::I64 => Tensor::I64(ArrayD::from_elem(shape, number as i64)),
        DType::Bool => Tensor::Bool(ArrayD::from_elem(shape, number != 0.0)),
        DType::Str => return None,
    })
}

/// The first element; none where no literal says it.
pub(super) fn literal(tensor: &Tensor) -> Option<Literal> {
    let number = match tensor {
        Tensor::F32(array) => shortest(*array.first()?),
        Tensor::F64(array) => *array.first()?,
        Tensor::I32(array) => f64::from(*array.first()?),
        Tensor::I64(array) => {
            let exact = array.first().filter(|number| (-EXACT..=EXACT).contains(*number));
            exact.map(|number| *number as f64)?
        }
        Tensor::Bool(array) => f64::from(u8::from(*array.first()?)),
        Tensor::Str(_) => return None,
    };
    Some(Literal { dtype: tensor.dtype(), number: number.into() })
}

/// `0.1` and not `0.10000000149011612`, which is the same `f32`.
fn shortest(number: f32) -> f64 {
    let read: Option<f64> = number.to_string().parse().ok();
    read.filter(|read| (*read as f32).to_bits() == number.to_bits()).unwrap_or(f64::from(number))
}
