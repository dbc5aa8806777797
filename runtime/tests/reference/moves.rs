//! Elements moved, picked and folded.

use masque_ir::Dim;
use masque_ir::ops::{Index, Product, Reduce, Shape};
use masque_runtime::{OpFailure, Tensor};

use crate::{apply, floats, noise, result, tensor};

/// 0, 1, 2, … in a shape.
fn counted(shape: &[usize]) -> Tensor {
    tensor(shape, (0..shape.iter().product::<usize>()).map(|x| x as i64))
}

fn dims(shape: &[i64]) -> Vec<Dim> {
    shape.iter().map(|&size| Dim::constant(size)).collect()
}

fn slice(axis: u32, start: i64, stop: i64, step: u32) -> Shape {
    Shape::Slice { axis, start: start.into(), stop: stop.into(), step }
}

#[test]
fn reshape_and_transpose() {
    let x = counted(&[2, 3]);
    assert_eq!(result(Shape::Reshape { shape: dims(&[3, 2]).into() }, &[&x]), counted(&[3, 2]));
    let turned = result(Shape::Transpose { perm: vec![1, 0] }, &[&x]);
    assert_eq!(turned, tensor(&[3, 2], [0i64, 3, 1, 4, 2, 5]));
    assert_eq!(
        result(Shape::Reshape { shape: dims(&[6]).into() }, &[&turned]),
        tensor(&[6], [0i64, 3, 1, 4, 2, 5])
    );
    let cube = result(Shape::Transpose { perm: vec![2, 0, 1] }, &[&counted(&[2, 2, 2])]);
    assert_eq!(cube, tensor(&[2, 2, 2], [0i64, 2, 4, 6, 1, 3, 5, 7]));
}

#[test]
fn broadcast_copies_along_axes() {
    let x = tensor(&[2, 1], [1i64, 2]);
    let wide = result(Shape::Broadcast { shape: dims(&[2, 2, 3]).into() }, &[&x]);
    assert_eq!(wide, tensor(&[2, 2, 3], [1i64, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]));
    assert_eq!(result(Shape::Broadcast { shape: dims(&[2, 0]).into() }, &[&x]).shape(), [2, 0]);
}

#[test]
fn concat_slice_and_reverse() {
    let (a, b) = (counted(&[2, 2]), counted(&[2, 1]));
    let joined = result(Shape::Concat { axis: 1 }, &[&a, &b, &counted(&[2, 0])]);
    assert_eq!(joined, tensor(&[2, 3], [0i64, 1, 0, 2, 3, 1]));
    assert_eq!(result(Shape::Concat { axis: 0 }, &[&a, &a]).shape(), [4, 2]);
    let x = counted(&[2, 5]);
    assert_eq!(result(slice(1, 1, 5, 2), &[&x]), tensor(&[2, 2], [1i64, 3, 6, 8]));
    assert_eq!(result(slice(1, 0, 5, 3), &[&x]), tensor(&[2, 2], [0i64, 3, 5, 8]));
    assert_eq!(result(slice(1, 5, 5, 1), &[&x]).shape(), [2, 0]);
    assert_eq!(result(Shape::Reverse { axis: 0 }, &[&a]), tensor(&[2, 2], [2i64, 3, 0, 1]));
    let outside = apply(slice(1, 2, 6, 1), &[Some(&x)]);
    assert_eq!(outside, Err(OpFailure::SliceOutOfRange { start: 2, stop: 6, size: 5 }));
}

#[test]
fn texts_move_like_numbers() {
    let texts = tensor(&[2, 1], ["a".to_owned(), "b".to_owned()]);
    let joined = result(Shape::Concat { axis: 1 }, &[&texts, &texts]);
    assert_eq!(joined, tensor(&[2, 2], ["a", "a", "b", "b"].map(String::from)));
}

#[test]
fn size_counts_positions() {
    let x = counted(&[2, 0, 3]);
    assert_eq!(result(Shape::Size { axes: vec![0, 2] }, &[&x]), tensor(&[], [6i64]));
    assert_eq!(result(Shape::Size { axes: vec![1] }, &[&x]), tensor(&[], [0i64]));
    assert_eq!(result(Shape::Size { axes: vec![] }, &[&x]), tensor(&[], [1i64]));
}

#[test]
fn gather_takes_rows() {
    let table = counted(&[3, 2]);
    let picked = result(Index::Gather, &[&table, &tensor(&[1, 2], [2i32, 0])]);
    assert_eq!(picked, tensor(&[1, 2, 2], [4i64, 5, 0, 1]));
    assert_eq!(result(Index::Gather, &[&table, &counted(&[0])]).shape(), [0, 2]);
    for index in [3i64, -1] {
        let failure = apply(Index::Gather, &[Some(&table), Some(&tensor(&[1, 2], [0, index]))]);
        assert_eq!(failure, Err(OpFailure::IndexOutOfRange { index, rows: 3, position: vec![0, 1] }));
    }
}

#[test]
fn matmul_sums_in_order() {
    let (a, b) = (noise(&[2, 2, 3], 1), noise(&[3, 4], 2));
    let (rows, columns) = (floats(&a), floats(&b));
    let expected = (0..4).flat_map(|row| {
        let (rows, columns) = (&rows, &columns);
        (0..4).map(move |column| {
            (0..3).fold(0.0f32, |sum, k| rows[row * 3 + k].mul_add(columns[k * 4 + column], sum))
        })
    });
    assert_eq!(result(Product::Matmul, &[&a, &b]), tensor(&[2, 2, 4], expected));
    assert_eq!(result(Product::Matmul, &[&noise(&[3], 1), &b]).shape(), [4]);
}

#[test]
fn folds_along_any_axes() {
    let x = counted(&[2, 3, 2]);
    let sum = |axes: &[u32], keep| result(Reduce::Sum { axes: axes.to_vec(), keep }, &[&x]);
    assert_eq!(sum(&[1], false), tensor(&[2, 2], [6i64, 9, 24, 27]));
    assert_eq!(sum(&[0, 2], true), tensor(&[1, 3, 1], [14i64, 22, 30]));
    assert_eq!(sum(&[], false), x);
    let max = result(Reduce::ReduceMax { axes: vec![0, 1, 2], keep: false }, &[&x]);
    assert_eq!(max, tensor(&[], [11i64]));
    let min = result(Reduce::ReduceMin { axes: vec![0], keep: false }, &[&x]);
    assert_eq!(min, counted(&[3, 2]));
}

#[test]
fn folds_of_nan_and_of_nothing() {
    let x = tensor(&[3, 2], [1.0f32, 5.0, f32::NAN, 3.0, 7.0, 4.0]);
    let max = floats(&result(Reduce::ReduceMax { axes: vec![0], keep: false }, &[&x]));
    let min = floats(&result(Reduce::ReduceMin { axes: vec![0], keep: false }, &[&x]));
    assert!(max[0].is_nan() && min[0].is_nan());
    assert_eq!((max[1], min[1]), (5.0, 3.0));
    let nothing = noise(&[2, 0], 1);
    assert_eq!(floats(&result(Reduce::Sum { axes: vec![1], keep: false }, &[&nothing])), [0.0; 2]);
    let truths = tensor(&[1, 0], [] as [bool; 0]);
    let fold = |op: Reduce| result(op, &[&truths]);
    assert_eq!(fold(Reduce::Any { axes: vec![1], keep: false }), tensor(&[1], [false]));
    assert_eq!(fold(Reduce::All { axes: vec![1], keep: false }), tensor(&[1], [true]));
}
