//! Biases of several axes, added as Keras adds them.
//!
//! Under TensorFlow `keras.ops.add` takes whatever can be squeezed to a vector for the bias of a convolution: if the
//! vector is as long as the last axis of `x` it goes along that one, else if it is as long as axis 1 along axis 1, and
//! wherever broadcasting would have put it does not count. A bias `[heads, 1]` then goes along the *steps* of `x`
//! `[batch, steps, heads, 1]` where there are as many steps as heads. (`keras/src/backend/tensorflow/numpy.py`, Keras
//! 3.15.) It is a defect, and Keras' numbers are what is promised.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use crate::layer::Scope;

/// `x + bias`; an absent bias is nothing.
pub(super) fn add(scope: &mut Scope<'_>, x: Operand, bias: Operand) -> Result<Operand, OpError> {
    if bias == Operand::Absent {
        return Ok(x);
    }
    let (ty, of_bias) = (scope.builder.type_of(&x), scope.builder.type_of(&bias));
    let bias = match vector_axis(&ty, &of_bias) {
        Some((axis, size)) => {
            let mut shape = vec![Dim::constant(1); ty.rank()];
            shape[axis] = size;
            scope.builder.emit(Shape::Reshape { shape: shape.into() }, &[bias])?
        }
        None => bias,
    };
    scope.builder.emit(Elementwise::Add, &[x, bias])
}

/// Is the bias added along another axis than broadcasting has it?
pub(super) fn goes_astray(x: &Type, bias: &Type) -> bool {
    vector_axis(x, bias).is_some_and(|(axis, _)| axis + 1 != x.rank())
}

/// The axis of `x` along which a bias of several axes goes that is taken for a vector, and its size.
fn vector_axis(x: &Type, bias: &Type) -> Option<(usize, Dim)> {
    let mut wide = bias.shape.iter().filter(|size| size.known() != Some(1));
    let size = wide.next().filter(|_| bias.rank() > 1)?;
    if wide.next().is_some() || x.rank() < 2 {
        return None;
    }
    let axis = [x.rank() - 1, 1].into_iter().find(|&axis| x.shape[axis] == *size)?;
    Some((axis, size.clone()))
}

#[cfg(test)]
mod tests {
    use masque_ir::DType;

    use super::*;

    fn floats(shape: &[i64]) -> Type {
        Type::new(DType::F32, shape.iter().map(|&size| Dim::constant(size)).collect::<Vec<_>>())
    }

    #[test]
    fn a_vector_goes_where_its_length_fits() {
        let axis = |x: &[i64], bias: &[i64]| vector_axis(&floats(x), &floats(bias)).map(|(axis, _)| axis);
        assert_eq!(axis(&[3, 2, 2, 1], &[2, 1]), Some(1));
        assert_eq!(axis(&[3, 5, 2, 1], &[2, 1]), None);
        assert_eq!(axis(&[3, 5, 2, 2], &[2, 1]), Some(3));
        assert_eq!(axis(&[3, 2, 2, 4], &[2, 4]), None);
        assert_eq!(axis(&[3, 2, 1, 1], &[1, 1]), None);
        assert_eq!(axis(&[3, 2, 4], &[4]), None);
    }
}
