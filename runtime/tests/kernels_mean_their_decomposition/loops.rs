//! Loops over time, and elements along an axis.

use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Index, Product, Scan, Shape};
use masque_ir::program::{Builder, Literal, Operand};
use masque_ir::{DType, Dim, Semantics, Type};
use masque_runtime::Tensor;

use crate::case::{Case, compare, ty};

/// Two carried values that change places now and then, a sequence, a mask, a matrix that is a weight or not, and a number
/// that is computed from what is the same in every step.
#[test]
fn a_loop_does_in_each_step_what_its_body_says() {
    compare("loop", |random| {
        let (batch, steps, width) = (random.size(), random.size(), 1 + random.below(5));
        let rows = [batch, width];
        let carried = [random.floats(&rows), random.elements(DType::I64, &rows)];
        let x = random.floats(&[batch, steps, width]);
        let mask = random.mask(batch, steps);
        let (matrix, row) = (random.floats(&[width, width]), random.floats(&[width]));
        let step = |tensor: &Tensor| {
            let mut ty = ty(tensor);
            ty.shape.remove(1);
            ty
        };
        let mut body = Builder::new("step", Semantics::Keras3_15);
        let h = body.input("h", ty(&carried[0]));
        let n = body.input("n", ty(&carried[1]));
        let position = body.input("x", step(&x));
        let valid = body.input("mask", step(&mask));
        let u = body.input("u", ty(&matrix));
        let b = body.input("b", ty(&row));
        let emit = |body: &mut Builder, op: masque_ir::ops::Op, operands: &[&Operand]| {
            body.emit(op, &operands.iter().map(|&operand| operand.clone()).collect::<Vec<_>>()).unwrap()
        };
        let product = emit(&mut body, Product::Matmul.into(), &[&h, &u]);
        let negative = emit(&mut body, Elementwise::Neg.into(), &[&b]);
        let sum = emit(&mut body, Elementwise::Add.into(), &[&product, &position]);
        let sum = emit(&mut body, Elementwise::Add.into(), &[&sum, &negative]);
        let next = emit(&mut body, Elementwise::Tanh.into(), &[&sum]);
        let column = Type::new(DType::Bool, [Dim::constant(batch as i64), 1.into()]).shape;
        let valid = emit(&mut body, Shape::Reshape { shape: column }.into(), &[&valid]);
        let next = emit(&mut body, Elementwise::Select.into(), &[&valid, &next, &h]);
        let one = Operand::Literal(Literal { dtype: DType::I64, number: Float(1.0) });
        let counted = emit(&mut body, Elementwise::Add.into(), &[&n, &one]);
        body.output("h", if random.once_in(3) { h.clone() } else { next.clone() });
        body.output("n", if random.once_in(3) { n } else { counted.clone() });
        for (place, operand) in [&h, &next, &position, &counted, &valid].into_iter().enumerate() {
            if random.once_in(2) {
                body.output(format!("y{place}"), operand.clone());
            }
        }
        let body = body.finish().into();
        let [h, n] = carried;
        Case::new(Scan::Scan { carried: 2, sequences: 2, body })
            .input(h)
            .input(n)
            .input(x)
            .input(mask)
            .weight(random, matrix)
            .weight(random, row)
    });
}

#[test]
fn elements_are_picked_and_ordered() {
    compare("along", |random| {
        let mut shape = random.shape(3);
        shape.push(random.size());
        let axis = random.below(shape.len());
        let dtype = random.dtype();
        let x = random.elements(dtype, &shape);
        match random.below(3) {
            0 => {
                let ids = random.indices(shape[0], &[3, 2]);
                Case::new(Index::Gather).input(x).input(ids)
            }
            1 => {
                let size = shape[axis];
                shape[axis] = random.size();
                let ids = random.indices(size, &shape);
                Case::new(Index::GatherAlong { axis: axis as u32 }).input(x).input(ids)
            }
            _ => Case::new(Index::Order { axis: axis as u32 }).input(x),
        }
    });
}
