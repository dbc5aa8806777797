//! Contractions against loops written down independently.

use masque_ir::ops::Product;
use masque_runtime::OpFailure;
use proptest::prelude::*;

use crate::{apply, floats, noise, result, tensor};

fn contract(axes: &str) -> Product {
    Product::Contract { axes: axes.parse().unwrap() }
}

#[test]
fn sums_run_in_the_order_of_the_first_operand() {
    let (a, b) = (noise(&[2, 3, 4], 1), noise(&[4, 5, 3], 2));
    let (x, y) = (floats(&a), floats(&b));
    let expected = (0..2 * 5).map(|place| {
        let (i, l) = (place / 5, place % 5);
        (0..3 * 4).fold(0.0f32, |sum, term| {
            let (j, k) = (term / 4, term % 4);
            x[(i * 3 + j) * 4 + k].mul_add(y[(k * 5 + l) * 3 + j], sum)
        })
    });
    assert_eq!(result(contract("ijk,klj->il"), &[&a, &b]), tensor(&[2, 5], expected));
}

#[test]
fn letters_in_all_three_lists_run_side_by_side() {
    let (a, b) = (tensor(&[2, 3], 1..7), tensor(&[2, 3], [1, -1, 2, 0, 5, 1]));
    assert_eq!(result(contract("bk,bk->b"), &[&a, &b]), tensor(&[2], [5, 31]));
    assert_eq!(result(contract("bk,bk->kb"), &[&a, &b]), tensor(&[3, 2], [1, 0, -2, 25, 6, 6]));
    let outer = result(contract("i,jk->jik"), &[&tensor(&[2], [2, 3]), &b]);
    assert_eq!(outer, tensor(&[2, 2, 3], [2, -2, 4, 3, -3, 6, 0, 10, 2, 0, 15, 3]));
}

#[test]
fn of_nothing_a_sum_is_zero() {
    assert_eq!(
        result(contract("ij,jk->ik"), &[&noise(&[2, 0], 1), &noise(&[0, 3], 2)]),
        tensor(&[2, 3], [0.0f32; 6])
    );
    assert_eq!(result(contract("ij,jk->ik"), &[&noise(&[0, 2], 1), &noise(&[2, 3], 2)]).shape(), [0, 3]);
}

#[test]
fn sizes_that_disagree_are_refused() {
    let failure = apply(contract("ij,jk->ik"), &[Some(&noise(&[2, 3], 1)), Some(&noise(&[2, 3], 2))]);
    assert!(matches!(failure, Err(OpFailure::Operands(_))), "{failure:?}");
}

proptest! {
    /// Two axes on each side, one of them summed over, in every order.
    #[test]
    fn a_contraction_is_the_matrix_product(rows in 0usize..4, depth in 0usize..5, columns in 0usize..4, seed in 0u32..99) {
        let (a, b) = (noise(&[rows, depth], seed), noise(&[depth, columns], seed + 100));
        let product = result(Product::Matmul, &[&a, &b]);
        prop_assert_eq!(&result(contract("ij,jk->ik"), &[&a, &b]), &product);
        prop_assert_eq!(&result(contract("jk,ij->ik"), &[&b, &a]), &product);
    }
}
