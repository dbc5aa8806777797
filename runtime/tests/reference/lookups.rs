//! Tokens to numbers; the bins are those that TensorFlow 2.21 gives.

use masque_ir::ops::{Lookup, Spread};
use masque_runtime::{OpFailure, Tensor};

use crate::{apply, result, tensor};

fn texts(texts: &[&str]) -> Tensor {
    tensor(&[texts.len()], texts.iter().map(|&text| text.to_owned()))
}

fn integers(numbers: &[i64]) -> Tensor {
    tensor(&[numbers.len()], numbers.iter().copied())
}

#[test]
fn the_first_place_in_a_list_or_none() {
    let list = texts(&["a", "", "a", "b"]);
    let found = result(Lookup::Find { required: false }, &[&texts(&["b", "a", "c", ""]), &list]);
    assert_eq!(found, integers(&[3, 0, -1, 1]));
    let narrow: Tensor = tensor(&[2], [7i32, -7]);
    let found = result(Lookup::Find { required: false }, &[&narrow, &tensor(&[3], [1i32, 7, 7])]);
    assert_eq!(found, integers(&[1, -1]));
    assert_eq!(result(Lookup::Find { required: true }, &[&texts(&[]), &list]), integers(&[]));
}

#[test]
fn what_has_to_be_in_a_list_and_is_not() {
    let (list, x) = (texts(&["a"]), texts(&["a", "ze\nbra"]));
    let failed = apply(Lookup::Find { required: true }, &[Some(&x), Some(&list)]);
    let expected = OpFailure::Unknown { token: r#""ze\nbra""#.into(), position: vec![1] };
    assert_eq!(failed, Err(expected));
}

#[test]
fn bins_of_texts_and_integers() {
    let bins = |by, x: &Tensor| result(Lookup::Bucket { bins: 1000, by }, &[x]);
    let sip = Spread::Sip { first: 133, second: 137 };
    assert_eq!(bins(Spread::Farm, &integers(&[12])), bins(Spread::Farm, &texts(&["12"])));
    assert_eq!(bins(sip, &integers(&[-3])), bins(sip, &texts(&["-3"])));
    let found = result(Lookup::Bucket { bins: 3, by: Spread::Remainder }, &[&integers(&[7, -8, i64::MIN])]);
    assert_eq!(found, integers(&[1, 1, 1]));
    let all = Lookup::Bucket { bins: i64::MAX, by: Spread::Farm };
    assert_eq!(result(all, &[&texts(&["", "a"])]), integers(&[1936946117179621456, 3694432073954588132]));
}

#[test]
fn bins_of_pairs() {
    let cross = |parts: &[&Tensor]| result(Lookup::Cross { bins: 1 << 62 }, parts);
    let (a, c) = (texts(&["a", "b"]), texts(&["c", "d"]));
    assert_eq!(cross(&[&a, &c]), integers(&[1265624096873407566, 2292520902626215646]));
    let (one, three) = (integers(&[1, 2]), integers(&[3, -4]));
    assert_eq!(cross(&[&one, &three]), integers(&[197663391106339939, 916311775537730542]));
    assert_eq!(cross(&[&a, &integers(&[3, 4])]), integers(&[4604664512548673774, 1054300358010319978]));
    let e = texts(&["e", "f"]);
    assert_eq!(cross(&[&a, &c, &e]), integers(&[3702179146613491279, 3207095760474714519]));
}

#[test]
fn counts_and_sums() {
    let x: Tensor = tensor(&[2, 3], [0i64, 1, 1, 5, 2, i64::MAX]);
    let counts: Tensor = tensor(&[2, 3], [1i64, 2, 0, 0, 0, 1]);
    assert_eq!(apply(Lookup::Tally { size: 3 }, &[Some(&x), None]), Ok(vec![counts]));
    let weights: Tensor = tensor(&[2, 3], [0.5f32, 2.0, 4.0, 1.0, 8.0, 1.0]);
    let sums: Tensor = tensor(&[2, 3], [0.5f32, 6.0, 0.0, 0.0, 0.0, 8.0]);
    assert_eq!(apply(Lookup::Tally { size: 3 }, &[Some(&x), Some(&weights)]), Ok(vec![sums]));
    let negative: Tensor = tensor(&[1, 2], [0i64, -1]);
    let failed = apply(Lookup::Tally { size: 3 }, &[Some(&negative), None]);
    assert_eq!(failed, Err(OpFailure::Negative { number: -1, position: vec![0, 1] }));
}
