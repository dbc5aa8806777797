//! Text to numbers, exactly as Keras does it; `data/make_text.py` made the cases.

use masque_ir::dim::Bindings;
use masque_ir::ops::Op;
use masque_runtime::reference::evaluate;
use masque_runtime::text::Vocabulary;
use masque_runtime::{OpFailure, Tensor};
use serde_json::Value as Json;

use crate::{apply, floats, tensor};

/// Texts nested one or two levels deep, as a tensor.
fn texts(json: &Json) -> Tensor {
    let rows = json.as_array().unwrap();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    match rows[0].as_array() {
        None => tensor(&[rows.len()], rows.iter().map(text)),
        Some(first) => {
            let all = rows.iter().flat_map(|row| row.as_array().unwrap()).map(text);
            tensor(&[rows.len(), first.len()], all)
        }
    }
}

fn op(attributes: &Json) -> Op {
    Op::from_parts("vectorize", attributes.clone()).unwrap()
}

#[test]
fn keras_numbers() {
    let golden: Json = serde_json::from_str(include_str!("../data/text.json")).unwrap();
    let vocabulary = texts(&golden["vocabulary"]);
    for case in golden["cases"].as_array().unwrap() {
        let weights: Option<Vec<f32>> = serde_json::from_value(case["weights"].clone()).unwrap();
        let weights = weights.map(|weights| tensor(&[weights.len()], weights));
        let operands = [Some(&texts(&case["texts"])), Some(&vocabulary), weights.as_ref()];
        let found = apply(op(&case["attributes"]), &operands).unwrap().swap_remove(0);
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        let expected: Vec<f32> = serde_json::from_value(case["result"].clone()).unwrap();
        let found_floats = match &found {
            Tensor::I64(numbers) => numbers.iter().map(|&number| number as f32).collect(),
            other => floats(other),
        };
        assert_eq!(found.shape(), shape, "{}", case["attributes"]);
        assert_eq!(found_floats, expected, "{} of {}", case["attributes"], case["texts"]);
    }
}

fn attributes(split: &str, output: &str, length: impl Into<Json>) -> Json {
    serde_json::json!({
        "standardize": "keep", "split": split, "ngrams": [], "output": output, "length": length.into(), "to": "i32"
    })
}

#[test]
fn the_longest_text_gives_the_length() {
    let vocabulary = tensor(&[1], ["a".to_owned()]);
    let texts = tensor(&[2], ["a b".to_owned(), String::new()]);
    let found = apply(op(&attributes("whitespace", "int", "N")), &[Some(&texts), Some(&vocabulary), None]);
    assert_eq!(found.unwrap()[0], tensor(&[2, 2], [2, 1, 0, 0]));
    let none = tensor(&[0], [] as [String; 0]);
    let found = apply(op(&attributes("whitespace", "int", "N")), &[Some(&none), Some(&vocabulary), None]);
    assert_eq!(found.unwrap()[0].shape(), [0, 0]);
}

#[test]
fn columns_and_rows_that_do_not_fit() {
    let vocabulary = tensor(&[2], ["a".to_owned(), "b".to_owned()]);
    let texts = tensor(&[1, 2], ["a b".to_owned(), "b".to_owned()]);
    let narrow = apply(op(&attributes("whole", "count", 2)), &[Some(&texts), Some(&vocabulary), None]);
    assert!(matches!(narrow, Err(OpFailure::ShapeMismatch { .. })), "{narrow:?}");
    let several = apply(op(&attributes("whitespace", "int", 2)), &[Some(&texts), Some(&vocabulary), None]);
    assert!(matches!(several, Err(OpFailure::Operands(_))), "{several:?}");
    let unweighted = apply(op(&attributes("whole", "tf_idf", 3)), &[Some(&texts), Some(&vocabulary), None]);
    assert!(matches!(unweighted, Err(OpFailure::Operands(_))), "{unweighted:?}");
    let huge = op(&attributes("whole", "int", i64::MAX));
    let huge = evaluate(&huge, &[Some(texts.view()), Some(vocabulary.view()), None], &Bindings::new());
    assert!(matches!(huge, Err(OpFailure::TooLarge { .. })), "{huge:?}");
}

#[test]
fn a_vocabulary_counts_from_one() {
    let vocabulary = Vocabulary::new(["the", "cat", "the"]);
    assert_eq!(["the", "cat", "dog"].map(|token| vocabulary.number(token)), [1, 2, 0]);
    assert_eq!(vocabulary.numbers(), 4);
}
