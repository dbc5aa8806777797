//! Sums of products. A contraction is sorted into a batch of matrix products; a matrix product is a dense layer
//! without anything around it.

use masque_ir::DType;
use masque_ir::contraction::Contraction;
use masque_ir::ops::{Op, OperandTypes, Product};
use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};

use super::{Adapter, Call, Matrix, Prepared, elements, missing, tensor};
use crate::Tensor;
use crate::error::OpFailure;
use crate::kernels::activation::Activation;
use crate::kernels::contract::contract;
use crate::kernels::dense::dense;
use crate::kernels::pack::pack_strided;
use crate::weights::Stored;

pub(super) const ADAPTER: Adapter = Adapter { takes, matrices, prepare, run };

/// Of fewer columns a panel is mostly empty, and the operands had better change places.
const FEW_COLUMNS: usize = 8;

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Product(_)) && operands.iter().flatten().all(|ty| ty.dtype == DType::F32)
}

fn matrices(op: &Op) -> &'static [usize] {
    if matches!(op, Op::Product(Product::Matmul)) { &[1] } else { &[] }
}

/// A weight on the right side of a contraction is the same matrices in every run.
fn prepare(op: &Op, place: usize, weight: &Stored<'_>) -> Option<Prepared> {
    match (op, weight.to_tensor()) {
        (Op::Product(Product::Contract { axes }), Tensor::F32(array)) if place == 1 => {
            let side = Side { letters: axes.b(), x: array.view() };
            let right = Right::new(&side, &Roles::new(axes));
            let matrix = |i| Matrix { data: right.panels(i).into(), k: right.k, n: right.n };
            Some(Prepared::Matrices((0..right.count).map(matrix).collect()))
        }
        _ => None,
    }
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    match call.op {
        Op::Product(Product::Matmul) => matmul(call).map(|y| vec![y]),
        Op::Product(Product::Contract { axes }) => contraction(call, axes).map(|y| vec![y]),
        _ => call.by_reference(),
    }
}

fn matmul(call: &Call<'_>) -> Result<Tensor, OpFailure> {
    let shape = call.shape(0);
    let (x, matrix) = (call.required(0)?, call.matrix(1)?);
    let w = matrix.packed()?;
    let leading = &shape[..shape.len().saturating_sub(1)];
    let rows = elements(leading);
    let mut out = vec![0.0; rows.saturating_mul(w.n())];
    dense(&x, rows, w, None, Activation::Linear, &mut out);
    tensor(&leading.iter().copied().chain([w.n()]).collect::<Vec<_>>(), out)
}

fn contraction(call: &Call<'_>, axes: &Contraction) -> Result<Tensor, OpFailure> {
    let (a, b) = (call.required(0)?, call.required(1)?);
    let side = |place: usize, letters, elements| {
        let x = ArrayViewD::from_shape(IxDyn(call.shape(place)), elements);
        x.map(|x| Side { letters, x }).map_err(|_| missing(call.op, place))
    };
    let (a, b) = (side(0, axes.a(), &a)?, side(1, axes.b(), &b)?);
    let roles = Roles::new(axes);
    match call.prepared(1) {
        Some(Prepared::Matrices(matrices)) => products(&roles, axes, &a, &b, Some(matrices)),
        // Products have no sides, and the terms keep the order of `a`: the bits are the same.
        _ if b.size(&roles.columns) < FEW_COLUMNS.min(a.size(&roles.rows)) => {
            products(&roles.swapped(), axes, &b, &a, None)
        }
        _ => products(&roles, axes, &a, &b, None),
    }
}

/// What the letters of a contraction are to a batch of matrix products.
struct Roles {
    batch: String,
    rows: String,
    columns: String,
    summed: String,
}

impl Roles {
    fn new(axes: &Contraction) -> Roles {
        let those = |in_a: bool, in_b: bool| {
            axes.result()
                .chars()
                .filter(|&c| axes.a().contains(c) == in_a && axes.b().contains(c) == in_b)
                .collect()
        };
        let (batch, rows, columns) = (those(true, true), those(true, false), those(false, true));
        Roles { batch, rows, columns, summed: axes.summed() }
    }

    /// The same with the operands in each other's place.
    fn swapped(self) -> Roles {
        Roles { rows: self.columns, columns: self.rows, ..self }
    }
}

/// An operand: the letters of its axes, and its elements.
struct Side<'a> {
    letters: &'a str,
    x: ArrayViewD<'a, f32>,
}

impl Side<'_> {
    /// The size of the axis of that letter, if there is one.
    fn axis(&self, letter: char) -> Option<usize> {
        self.letters.find(letter).map(|axis| self.x.shape()[axis])
    }

    /// The number of positions along some axes together.
    fn size(&self, letters: &str) -> usize {
        letters.chars().filter_map(|letter| self.axis(letter)).product()
    }

    /// The elements row by row, with the axes in another order.
    fn arranged(&self, order: &str) -> CowArray<'_, f32, IxDyn> {
        in_order(self.x.view(), self.letters, order)
    }
}

fn in_order<'x>(x: ArrayViewD<'x, f32>, letters: &str, order: &str) -> CowArray<'x, f32, IxDyn> {
    let perm: Vec<usize> = order.chars().filter_map(|letter| letters.find(letter)).collect();
    let x = x.permuted_axes(perm);
    if x.is_standard_layout() { x.into() } else { x.as_standard_layout().into_owned().into() }
}

/// The right operand as matrices one after the other, each `[k, n]` or the other way round.
struct Right<'a> {
    elements: CowArray<'a, f32, IxDyn>,
    count: usize,
    k: usize,
    n: usize,
    strides: [usize; 2],
}

impl<'a> Right<'a> {
    fn new(side: &'a Side<'_>, roles: &Roles) -> Right<'a> {
        let Roles { batch, columns, summed, .. } = roles;
        let (count, k, n) = (side.size(batch), side.size(summed), side.size(columns));
        let turned = format!("{batch}{columns}{summed}");
        let (order, strides) = if side.letters == turned {
            (turned, [1, k])
        } else {
            (format!("{batch}{summed}{columns}"), [n, 1])
        };
        Right { elements: side.arranged(&order), count, k, n, strides }
    }

    fn panels(&self, i: usize) -> Vec<f32> {
        let elements = self.elements.as_slice().unwrap_or_default();
        pack_strided(&elements[i * self.k * self.n..][..self.k * self.n], [self.k, self.n], self.strides)
    }
}

/// All products, their elements in the order of the result's axes.
fn products(
    roles: &Roles,
    axes: &Contraction,
    left: &Side<'_>,
    right: &Side<'_>,
    prepared: Option<&Vec<Matrix<'static>>>,
) -> Result<Tensor, OpFailure> {
    let Roles { batch, rows, columns, summed } = roles;
    let a = left.arranged(&format!("{batch}{rows}{summed}"));
    let a = a.as_slice().unwrap_or_default();
    let [count, m, k, n] = [left.size(batch), left.size(rows), left.size(summed), right.size(columns)];
    let mut out = vec![0.0; count.saturating_mul(m).saturating_mul(n)];
    match prepared {
        Some(matrices) => contract(a, [m, k, n], |i| &matrices[i].data, &mut out),
        None => {
            let right = Right::new(right, roles);
            contract(a, [m, k, n], |i| right.panels(i), &mut out);
        }
    }
    let order = format!("{batch}{rows}{columns}");
    let shape: Vec<usize> =
        order.chars().filter_map(|letter| left.axis(letter).or(right.axis(letter))).collect();
    let out = ArrayD::from_shape_vec(shape, out).map_err(|_| {
        OpFailure::mismatch(format!("operands as {axes} says"), format!("{:?}", left.x.shape()))
    })?;
    let out =
        if order == axes.result() { out } else { in_order(out.view(), &order, axes.result()).into_owned() };
    Ok(Tensor::F32(out))
}
