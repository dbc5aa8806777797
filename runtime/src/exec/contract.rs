//! Contractions, sorted into a batch of matrix products.

use masque_ir::contraction::Contraction;
use masque_ir::ops::{Op, Product};
use ndarray::{ArrayView, ArrayViewD, CowArray, IxDyn};

use super::{Call, Matrix, Writes};
use crate::data::{Elements, Operand};
use crate::error::OpFailure;
use crate::kernels::contract::contract;
use crate::kernels::pack::pack_strided;

/// Of fewer columns a panel is mostly empty, and the operands had better change places.
const FEW_COLUMNS: usize = 8;

#[derive(Debug)]
struct Products {
    axes: Contraction,
    /// The right operand's matrices, where it is a weight: they are the same in every run.
    matrices: Option<Vec<Matrix<'static>>>,
}

pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Option<Box<dyn Writes>> {
    let Op::Product(Product::Contract { axes }) = op else { return None };
    let weight = weights.get(1).copied().flatten().and_then(|weight| Side::new(axes.b(), &weight));
    let matrices = weight.map(|side| {
        let right = Right::new(&side, &Roles::new(axes));
        (0..right.count).map(|i| Matrix::owned(right.panels(i), right.k, right.n)).collect()
    });
    Some(Box::new(Products { axes: axes.clone(), matrices }))
}

impl Writes for Products {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let side = |place: usize, letters| {
            Side::new(letters, &call.operand(place)?).ok_or_else(|| call.unfit(place))
        };
        let (axes, roles) = (&self.axes, Roles::new(&self.axes));
        let (a, b) = (side(0, axes.a())?, side(1, axes.b())?);
        let out = call.out(0)?;
        match &self.matrices {
            Some(matrices) => products(&roles, axes, &a, &b, Some(matrices), out),
            // Products have no sides, and the terms keep the order of `a`: the bits are the same.
            None if b.size(&roles.columns) < FEW_COLUMNS.min(a.size(&roles.rows)) => {
                products(&roles.swapped(), axes, &b, &a, None, out)
            }
            None => products(&roles, axes, &a, &b, None, out),
        }
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

impl<'a> Side<'a> {
    fn new(letters: &'a str, operand: &Operand<'a>) -> Option<Side<'a>> {
        let Elements::F32(elements) = operand.elements else { return None };
        Some(Side { letters, x: ArrayView::from_shape(IxDyn(operand.shape), elements).ok()? })
    }

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
    out: &mut [f32],
) -> Result<(), OpFailure> {
    let Roles { batch, rows, columns, summed } = roles;
    let a = left.arranged(&format!("{batch}{rows}{summed}"));
    let a = a.as_slice().unwrap_or_default();
    let [m, k, n] = [left.size(rows), left.size(summed), right.size(columns)];
    let order = format!("{batch}{rows}{columns}");
    let in_place = order == axes.result();
    let mut elsewhere = if in_place { vec![] } else { vec![0.0; out.len()] };
    let target = if in_place { &mut *out } else { &mut elsewhere };
    match prepared {
        Some(matrices) => contract(a, [m, k, n], |i| &matrices[i].data, target),
        None => {
            let right = Right::new(right, roles);
            contract(a, [m, k, n], |i| right.panels(i), target);
        }
    }
    if in_place {
        return Ok(());
    }
    let shape: Vec<usize> =
        order.chars().filter_map(|letter| left.axis(letter).or(right.axis(letter))).collect();
    let found = ArrayView::from_shape(shape, &elsewhere).map_err(|_| {
        OpFailure::mismatch(format!("operands as {axes} says"), format!("{:?}", left.x.shape()))
    })?;
    let found = in_order(found, &order, axes.result());
    out.copy_from_slice(found.as_slice().unwrap_or_default());
    Ok(())
}
