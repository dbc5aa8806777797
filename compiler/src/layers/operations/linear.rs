//! Linear algebra of small square matrices: elimination with the largest pivot of each column, written out step by step.

use masque_ir::ops::{Elementwise, Index, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim};

use super::along::{extreme_place, positions};
use super::built::{Built, Outcome, dtype_of, emit, given, literal, of_one, refuse, shape_of};
use super::def;
use super::formula::{Term, term};
use super::pieces::part;
use super::products::matched;
use super::shapes::{permuted, with_axis, without_axis};
use crate::layer::{LayerDef, Scope};

/// The most rows of a matrix: the steps of each of them stand in the program.
const MOST_ROWS: i64 = 16;

pub(in crate::layers) static CHOLESKY: LayerDef = def("ops.Cholesky", |config| {
    let upper = config.bool("upper", false)?;
    of_one(move |scope, x| {
        let lower = cholesky(scope, x)?;
        if upper { turned(scope, &lower) } else { Ok(lower) }
    })
});
pub(in crate::layers) static DET: LayerDef = def("ops.Det", |_| of_one(determinant));
pub(in crate::layers) static INV: LayerDef = def("ops.Inv", |_| {
    of_one(|scope, x| {
        let rows = rows(scope, x)?;
        let (row, column) =
            (positions(scope, x, rank(scope, x) - 2)?, positions(scope, x, rank(scope, x) - 1)?);
        let one = term(&row).equals(term(&column)).cast(dtype_of(scope, x)).build(scope)?;
        let one = emit(scope, Shape::Broadcast { shape: shape_of(scope, x) }, &[&one])?;
        solved(scope, x, &one, rows)
    })
});
pub(in crate::layers) static SOLVE: LayerDef = def("ops.Solve", |_| {
    let solve = Built::new(&["a", "b"], |scope, arguments| {
        let both = [given(scope, arguments, "a")?, given(scope, arguments, "b")?];
        let both = matched(scope, &both)?;
        let (a, b) = (&both[0], &both[1]);
        let rows = rows(scope, a)?;
        if rank(scope, b) == rank(scope, a) {
            return solved(scope, a, b, rows);
        }
        let last = rank(scope, b);
        let b = with_axis(scope, b, last)?;
        let y = solved(scope, a, &b, rows)?;
        without_axis(scope, &y, last)
    });
    solve.boxed()
});

fn rank(scope: &Scope<'_>, x: &Operand) -> usize {
    shape_of(scope, x).len()
}

/// The number of rows of square matrices.
fn rows(scope: &Scope<'_>, x: &Operand) -> Outcome<i64> {
    let ty = scope.builder.type_of(x);
    match ty.shape.as_slice() {
        [.., rows, columns] if rows == columns && ty.dtype.is_float() => match rows.known() {
            Some(rows @ 1..=MOST_ROWS) => Ok(rows),
            _ => refuse(format!("matrices of 1 to {MOST_ROWS} rows"), ty),
        },
        _ => refuse("square matrices of floats", ty),
    }
}

/// Rows with columns.
fn turned(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    let rank = rank(scope, x) as u32;
    permuted(scope, x, (0..rank - 2).chain([rank - 1, rank - 2]).collect())
}

/// One row of each matrix, or one column, as a matrix.
fn line(scope: &mut Scope<'_>, x: &Operand, from_behind: usize, place: i64) -> Outcome {
    let axis = rank(scope, x) - from_behind;
    part(scope, x, axis as u32, Dim::constant(place), Dim::constant(place + 1))
}

/// The element of a row and a column, as a matrix.
fn element(scope: &mut Scope<'_>, x: &Operand, row: i64, column: i64) -> Outcome {
    let row = line(scope, x, 2, row)?;
    line(scope, &row, 1, column)
}

/// Which rows take part in a step.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    Below,
    All,
}

/// The matrices with zeros below, or in all other places of, their first columns; and where rows were exchanged.
fn eliminated(
    scope: &mut Scope<'_>,
    x: &Operand,
    rows: i64,
    others: Others,
) -> Outcome<(Operand, Vec<Term>)> {
    let axis = rank(scope, x) - 2;
    let places = positions(scope, x, axis)?;
    let place = term(&places);
    let (mut x, mut exchanged) = (x.clone(), vec![]);
    for step in 0..rows {
        let column = line(scope, &x, 1, step)?;
        let sizes = term(&column).abs().if_so(place.above((step - 1) as f64), -1.0).build(scope)?;
        let pivot = extreme_place(scope, &sizes, axis as u32, true, true)?;
        let pivot = term(&scope.cast(&pivot, DType::I64)?);
        let back = Term::from(step as f64).if_so(place.equals(&pivot), &place);
        let order = pivot.if_so(place.equals(step as f64), back).build(scope)?;
        let order = emit(scope, Shape::Broadcast { shape: shape_of(scope, &x) }, &[&order])?;
        x = emit(scope, Index::GatherAlong { axis: axis as u32 }, &[&x, &order])?;
        exchanged.push(pivot.differs(step as f64));
        let (row, column) = (term(&line(scope, &x, 2, step)?), term(&line(scope, &x, 1, step)?));
        let pivot = term(&element(scope, &x, step, step)?);
        let stays = match others {
            Others::Below => place.at_most(step as f64),
            Others::All => place.equals(step as f64),
        };
        // Without a pivot there is nothing to take away.
        let stays = stays.or(pivot.equals(0.0));
        let share = Term::from(0.0).if_so(stays, column / &pivot);
        x = (term(&x) - share * &row).build(scope)?;
    }
    Ok((x, exchanged))
}

fn determinant(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    let rows = rows(scope, x)?;
    let (x, exchanged) = eliminated(scope, x, rows, Others::Below)?;
    let dtype = dtype_of(scope, &x);
    let mut all = Term::from(&term(&literal(dtype, 1.0)));
    for (step, exchanged) in exchanged.iter().enumerate() {
        let pivot = term(&element(scope, &x, step as i64, step as i64)?);
        let sign = exchanged.cast(dtype) * -2.0 + 1.0;
        all = all * (pivot * sign);
    }
    let all = all.build(scope)?;
    let all = without_axis(scope, &all, rank(scope, &x) - 1)?;
    without_axis(scope, &all, rank(scope, &x) - 2)
}

/// What the matrices `a` times it are `b`.
fn solved(scope: &mut Scope<'_>, a: &Operand, b: &Operand, rows: i64) -> Outcome {
    let last = rank(scope, a) as u32 - 1;
    let both = emit(scope, Shape::Concat { axis: last }, &[a, b])?;
    let (both, _) = eliminated(scope, &both, rows, Others::All)?;
    let mut lines = vec![];
    for row in 0..rows {
        let pivot = element(scope, &both, row, row)?;
        let line = line(scope, &both, 2, row)?;
        lines.push(emit(scope, Elementwise::Div, &[&line, &pivot])?);
    }
    let lines = scope.builder.emit(Shape::Concat { axis: last - 1 }, &lines)?;
    let end = shape_of(scope, &lines)[last as usize].clone();
    part(scope, &lines, last, Dim::constant(rows), end)
}

/// The lower triangles that give the matrices when they are multiplied by themselves, turned.
fn cholesky(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    let rows = rows(scope, x)?;
    let place = term(&positions(scope, x, rank(scope, x) - 2)?);
    let mut columns: Vec<Operand> = vec![];
    for step in 0..rows {
        let mut left = term(&line(scope, x, 1, step)?);
        for column in &columns {
            left = left - term(column) * term(&line(scope, column, 2, step)?);
        }
        let left = left.build(scope)?;
        let root = term(&line(scope, &left, 2, step)?).sqrt();
        let column = Term::from(0.0).if_so(place.below(step as f64), term(&left) / root);
        columns.push(column.build(scope)?);
    }
    let last = rank(scope, x) as u32 - 1;
    scope.builder.emit(Shape::Concat { axis: last }, &columns)
}
