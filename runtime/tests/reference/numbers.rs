//! Arithmetic of single elements, and how shapes broadcast.

use masque_ir::DType;
use masque_ir::ops::Elementwise::*;
use masque_runtime::{OpFailure, Tensor};
use proptest::prelude::*;

use crate::{apply, floats, noise, result, tensor};

#[test]
fn larger_and_smaller_show_nan() {
    let (a, b) = (tensor(&[3], [f32::NAN, 1.0, 2.0]), tensor(&[3], [0.0, f32::NAN, 5.0]));
    for (op, last) in [(Max, 5.0), (Min, 2.0)] {
        let found = floats(&result(op, &[&a, &b]));
        assert!(found[0].is_nan() && found[1].is_nan());
        assert_eq!(found[2], last);
    }
}

#[test]
fn signs_and_roundings() {
    let x = tensor(&[4], [-1.5f32, 0.0, 0.5, f32::NAN]);
    let found = floats(&result(Sign, &[&x]));
    assert_eq!(found[..3], [-1.0, 0.0, 1.0]);
    assert!(found[3].is_nan());
    assert_eq!(floats(&result(Floor, &[&x]))[..3], [-2.0, 0.0, 0.0]);
    let x = tensor(&[3], [i32::MIN, -3, 4]);
    assert_eq!(result(Abs, &[&x]), tensor(&[3], [i32::MIN, 3, 4]));
    assert_eq!(result(Sign, &[&x]), tensor(&[3], [-1, -1, 1]));
    assert_eq!(result(Add, &[&x, &x]), tensor(&[3], [0, -6, 8]));
}

#[test]
fn functions_of_floats() {
    let x = tensor(&[1], [0.75f32]);
    let values = [(Exp, 0.75f64.exp()), (Log, 0.75f64.ln()), (Sqrt, 0.75f64.sqrt()), (Tanh, 0.75f64.tanh())];
    for (op, expected) in values {
        crate::assert_close(&result(op, &[&x]), &[expected]);
    }
    crate::assert_close(&result(Pow, &[&x, &tensor(&[], [3.0f32])]), &[0.421875]);
    crate::assert_close(&result(Div, &[&x, &tensor(&[], [0.0f32])]), &[f64::INFINITY]);
}

#[test]
fn angles_of_points() {
    let (y, x) =
        (tensor(&[5], [1.0f64, -1.0, 0.0, -0.0, f64::NAN]), tensor(&[5], [1.0, -1.0, -1.0, 2.0, 0.0]));
    let Tensor::F64(found) = result(Atan2, &[&y, &x]) else { panic!("other elements") };
    let found: Vec<f64> = found.iter().copied().collect();
    let quarter = std::f64::consts::FRAC_PI_4;
    assert_eq!(found[..4], [quarter, -3.0 * quarter, 4.0 * quarter, -0.0]);
    assert!(found[4].is_nan());
}

#[test]
fn arithmetic_of_integers() {
    let (a, b) = (tensor(&[5], [7, -7, 7, i32::MIN, 0]), tensor(&[5], [2, 2, -2, -1, 3]));
    assert_eq!(result(FloorDiv, &[&a, &b]), tensor(&[5], [3, -4, -4, i32::MIN, 0]));
    assert!(matches!(apply(FloorDiv, &[Some(&b), Some(&a)]), Err(OpFailure::ShapeMismatch { .. })));
    let (a, b) = (tensor(&[4], [12i64, -18, 0, i64::MIN]), tensor(&[4], [18i64, 12, -5, 6]));
    assert_eq!(result(Gcd, &[&a, &b]), tensor(&[4], [6i64, 6, 5, 2]));
    assert_eq!(result(BitAnd, &[&a, &b]), tensor(&[4], [0i64, 12, 0, 0]));
}

#[test]
fn casts_go_toward_zero() {
    let x = tensor(&[6], [-1.9f32, 1.9, 0.0, f32::NAN, f32::INFINITY, -0.0]);
    let cast = |to| result(Cast { to }, &[&x]);
    assert_eq!(cast(DType::I32), tensor(&[6], [-1, 1, 0, 0, i32::MAX, 0]));
    assert_eq!(cast(DType::Bool), tensor(&[6], [true, true, false, true, true, false]));
    let wide = tensor(&[2], [(1i64 << 32) + 7, -1]);
    assert_eq!(result(Cast { to: DType::I32 }, &[&wide]), tensor(&[2], [7, -1]));
    assert_eq!(result(Cast { to: DType::F64 }, &[&tensor(&[2], [true, false])]), tensor(&[2], [1.0f64, 0.0]));
}

#[test]
fn comparisons_with_nan_are_false() {
    let x = tensor(&[1], [f32::NAN]);
    for (op, expected) in [(Eq, false), (Ne, true), (Lt, false), (Le, false), (Gt, false), (Ge, false)] {
        assert_eq!(result(op, &[&x, &x]), tensor(&[1], [expected]));
    }
}

#[test]
fn truth_tables() {
    let (a, b) = (tensor(&[4], [false, false, true, true]), tensor(&[4], [false, true, false, true]));
    assert_eq!(result(And, &[&a, &b]), tensor(&[4], [false, false, false, true]));
    assert_eq!(result(Or, &[&a, &b]), tensor(&[4], [false, true, true, true]));
    assert_eq!(result(Not, &[&a]), tensor(&[4], [true, true, false, false]));
}

#[test]
fn shapes_that_do_not_broadcast() {
    let failure = apply(Add, &[Some(&noise(&[2, 3], 1)), Some(&noise(&[4], 2))]);
    assert!(matches!(failure, Err(OpFailure::Operands(_))), "{failure:?}");
}

/// A shape, and for two operands which of its axes they lack in front or have with size 1.
fn shapes() -> impl Strategy<Value = (Vec<usize>, [Vec<usize>; 2])> {
    let axis = (0usize..4, any::<bool>(), any::<bool>());
    (prop::collection::vec(axis, 0..4), 0usize..4, 0usize..4).prop_map(|(axes, cut_a, cut_b)| {
        let whole: Vec<usize> = axes.iter().map(|&(size, a, b)| if a && b { 1 } else { size }).collect();
        let a: Vec<usize> = axes.iter().map(|&(size, one, _)| if one { 1 } else { size }).collect();
        let b: Vec<usize> = axes.iter().map(|&(size, _, one)| if one { 1 } else { size }).collect();
        let (cut_a, cut_b) = (cut_a.min(a.len()), cut_b.min(b.len()));
        // Only one of them lacks axes, so that the other one still has them all.
        if cut_a > cut_b { (whole.clone(), [a[cut_a..].to_vec(), whole]) } else { (whole, [a, b]) }
    })
}

/// The element of a smaller tensor that stands at a place of the whole.
fn element(x: &[f32], shape: &[usize], whole: &[usize], mut place: usize) -> f32 {
    let (mut offset, mut stride) = (0, 1);
    for axis in (0..whole.len()).rev() {
        let position = place % whole[axis];
        place /= whole[axis];
        if let Some(own) = (axis + shape.len()).checked_sub(whole.len()) {
            offset += stride * position.min(shape[own] - 1);
            stride *= shape[own];
        }
    }
    x[offset]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn broadcasting_repeats_elements((whole, [a, b]) in shapes()) {
        let (x, y) = (noise(&a, 1), noise(&b, 2));
        let found = result(Sub, &[&x, &y]);
        prop_assert_eq!(found.shape(), &whole[..]);
        for (place, found) in floats(&found).into_iter().enumerate() {
            let (x, y) = (floats(&x), floats(&y));
            let expected = element(&x, &a, &whole, place) - element(&y, &b, &whole, place);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn select_does_not_look_at_the_other_side(mask in prop::collection::vec(any::<bool>(), 0..20)) {
        let side = |shown: bool| -> Tensor {
            tensor(&[mask.len()], mask.iter().map(|&m| if m == shown { 1.0 + f32::from(u8::from(m)) } else { f32::NAN }))
        };
        let found = result(Select, &[&tensor(&[mask.len()], mask.clone()), &side(true), &side(false)]);
        let expected: Vec<f32> = mask.iter().map(|&m| if m { 2.0 } else { 1.0 }).collect();
        prop_assert_eq!(floats(&found), expected);
    }
}
