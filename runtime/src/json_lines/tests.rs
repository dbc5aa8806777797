//! Examples as people write them: ragged, bare, by name; and the line where one is wrong.

use masque_ir::DType;
use ndarray::{arr1, arr2, arr3};

use super::*;

fn input(name: &str, dtype: DType, shape: &[Option<usize>]) -> InputSpec {
    InputSpec { name: name.into(), dtype, shape: shape.to_vec(), pad: 0.0 }
}

fn lines(text: &str, inputs: &[InputSpec]) -> Result<Vec<Tensor>, ExampleError> {
    read_lines(text, inputs)?.tensors(inputs)
}

fn columns(text: &str, inputs: &[InputSpec]) -> Result<Vec<Tensor>, ExampleError> {
    read_whole(text, inputs)?.tensors(inputs)
}

fn one_line_of(error: ExampleError) -> String {
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn lines_refused(text: &str, inputs: &[InputSpec]) -> String {
    one_line_of(lines(text, inputs).unwrap_err())
}

#[test]
fn ragged_lines_are_padded_to_the_longest() {
    let ids = [InputSpec { pad: -1.0, ..input("ids", DType::I32, &[None]) }];
    let expected = vec![Tensor::I32(arr2(&[[4, 5, 6], [7, -1, -1], [-1, -1, -1]]).into_dyn())];
    assert_eq!(lines("[4, 5, 6]\n\n{\"ids\": [7.0]}\n[]\n", &ids).unwrap(), expected);
    assert_eq!(columns(r#"{"ids": [[4, 5, 6], [7], []]}"#, &ids).unwrap(), expected);
}

#[test]
fn fixed_sizes_are_filled_up_and_never_exceeded() {
    let ids = [input("ids", DType::I64, &[Some(2), None])];
    let read = lines("[[1], [2, 3]]\n[[4]]", &ids).unwrap();
    assert_eq!(read, [Tensor::I64(arr3(&[[[1, 0], [2, 3]], [[4, 0], [0, 0]]]).into_dyn())]);
    let message = lines_refused("[[1]]\n[[1], [2], [3]]", &ids);
    assert_eq!(message, "line 2: input \"ids\": expected at most 2 items along axis 0, found 3");
}

#[test]
fn a_feature_vector_is_not_padded() {
    let x = [input("x", DType::F32, &[None, Some(2)])];
    let read = lines("[[1, 2.5]]\n[[3, \"NaN\"], [\"-Infinity\", 1e3]]", &x).unwrap();
    let array = read[0].as_f32().unwrap();
    assert_eq!(array.shape(), [2, 2, 2]);
    assert!(array[[1, 0, 1]].is_nan());
    assert_eq!((array[[0, 1, 0]], array[[1, 1, 0]]), (0.0, f32::NEG_INFINITY));
    let message = lines_refused("[[1, 2], [3]]", &x);
    assert_eq!(message, "line 1: input \"x\": expected 2 items along axis 1, found 1");
}

#[test]
fn text_and_scalars_may_be_bare() {
    let text = [input("text", DType::Str, &[Some(1)])];
    let expected = Tensor::Str(arr2(&[["the cat"], [""]]).mapv(str::to_owned).into_dyn());
    for text_lines in
        ["\"the cat\"\n\"\"", "[\"the cat\"]\n[]", "{\"text\": \"the cat\"}\n{\"text\": [\"\"]}"]
    {
        assert_eq!(lines(text_lines, &text).unwrap(), std::slice::from_ref(&expected));
    }
    assert_eq!(columns(r#"{"text": ["the cat", [""]]}"#, &text).unwrap(), [expected]);
    let flag = [input("flag", DType::Bool, &[])];
    assert_eq!(lines("true\n0", &flag).unwrap(), [Tensor::Bool(arr1(&[true, false]).into_dyn())]);
}

#[test]
fn several_inputs_go_by_name() {
    let inputs = [input("a", DType::F64, &[]), input("b", DType::Str, &[None])];
    let read = lines("{\"b\": [\"x\"], \"a\": 1}\n{\"a\": 2.5, \"b\": []}", &inputs).unwrap();
    assert_eq!(read[0], Tensor::F64(arr1(&[1.0, 2.5]).into_dyn()));
    assert_eq!(read[1], Tensor::Str(arr2(&[["x"], [""]]).mapv(str::to_owned).into_dyn()));
    assert_eq!(lines_refused("{\"a\": 1}", &inputs), "line 1: input \"b\" is missing");
    let unknown = lines_refused("{\"a\": 1, \"c\": 2}", &inputs);
    assert_eq!(unknown, "line 1: there is no input \"c\", expected \"a\", \"b\"");
    let bare = lines_refused("3", &inputs);
    assert_eq!(bare, "line 1: expected an object with the inputs \"a\", \"b\", found a number");
    let twice = lines_refused("{\"a\": 1, \"a\": 2}", &inputs);
    assert!(twice.contains("\"a\" is there twice"), "{twice}");
    let uneven = columns(r#"{"a": [1, 2], "b": [[]]}"#, &inputs).unwrap_err();
    assert_eq!(one_line_of(uneven), "input \"b\" has 1 examples, expected 2 like the inputs before it");
}

#[test]
fn values_that_do_not_fit_are_named() {
    let cases = [
        (DType::I32, "1.5", "expected a 32-bit integer, found 1.5"),
        (DType::I32, "2147483648", "expected a 32-bit integer, found 2147483648"),
        (DType::I64, "9223372036854775808", "expected a 64-bit integer, found 9223372036854776000"),
        (DType::F32, "null", "expected a number, found null"),
        (DType::F32, "[1]", "expected a number, found a list"),
        (DType::Str, "1", "expected a string, found 1"),
        (DType::Bool, "2", "expected a truth value, found 2"),
        (DType::F32, "\"1\"", "expected a number, found \"1\""),
    ];
    for (dtype, value, message) in cases {
        assert_eq!(
            lines_refused(value, &[input("x", dtype, &[])]),
            format!("line 1: input \"x\": {message}")
        );
    }
    let flat = lines_refused("7", &[input("x", DType::I32, &[None])]);
    assert_eq!(flat, "line 1: input \"x\": expected a list of 32-bit integers, found a number");
    let object = lines_refused("{\"x\": {}}", &[input("x", DType::I32, &[Some(1)])]);
    assert_eq!(object, "line 1: input \"x\": expected a 32-bit integer, found an object");
}

#[test]
fn a_place_is_told_once() {
    let ids = [input("ids", DType::I32, &[None])];
    assert_eq!(lines_refused("[1]\n[1, }", &ids), "line 2: not valid JSON: expected value at column 5");
    assert_eq!(
        lines_refused("[1]\n[1, ", &ids),
        "line 2: not valid JSON: EOF while parsing a value at column 4"
    );
    let goes_on =
        "line 1: not valid JSON lines: the value goes on in the next line, expected one example a line";
    for pretty in ["{\n  \"ids\": [1, 2]\n}\n", "[\n  1,\n  2\n]\n"] {
        assert_eq!(lines_refused(pretty, &ids), goes_on);
    }
    let text = [input("text", DType::Str, &[Some(1)])];
    for null in ["null", "{\"text\": null}"] {
        assert_eq!(lines_refused(null, &text), "line 1: input \"text\": expected a string, found null");
    }
}

#[test]
fn hostile_text_is_refused() {
    let ids = [input("ids", DType::I64, &[None, None])];
    assert_eq!(lines_refused("", &ids), "there are no examples, expected at least one");
    assert!(lines_refused("[[1]", &ids).starts_with("line 1: not valid JSON"));
    lines_refused(&"[".repeat(100_000), &ids);
    one_line_of(columns(&format!("{{\"ids\": {}", "[".repeat(100_000)), &ids).unwrap_err());
    lines_refused("[[NaN]]", &ids);
    // A long row and a tall column, each small, whose rectangle is not.
    let row = format!("[[{}1]]", "1,".repeat(50_000));
    let column = format!("[{}[]]", "[],".repeat(50_000));
    assert!(lines_refused(&format!("{row}\n{column}"), &ids).contains("padded to shape [2, 50001, 50001]"));
    let fixed = [input("x", DType::I32, &[Some(usize::MAX)])];
    assert!(matches!(lines("[]", &fixed), Err(ExampleError::TooLarge { .. })));
}

#[test]
fn outputs_are_written_as_they_are_read() {
    let outputs = [
        ("output_0".to_owned(), Tensor::F32(arr2(&[[0.1, 1.0], [f32::NAN, 1e-30]]).into_dyn())),
        ("output_1".to_owned(), Tensor::Str(arr1(&["a\n\"", "é"]).mapv(str::to_owned).into_dyn())),
        ("output_2".to_owned(), Tensor::Bool(arr1(&[true, false]).into_dyn())),
    ];
    let mut written = Vec::new();
    write_lines(&mut written, &outputs).unwrap();
    let written = String::from_utf8(written).unwrap();
    let expected = [
        r#"{"output_0": [0.1, 1.0], "output_1": "a\n\"", "output_2": true}"#,
        r#"{"output_0": ["NaN", 1e-30], "output_1": "é", "output_2": false}"#,
    ];
    assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    let ragged = [
        ("a".to_owned(), Tensor::I32(arr1(&[1, 2]).into_dyn())),
        ("b".to_owned(), Tensor::I32(arr1(&[1]).into_dyn())),
    ];
    assert!(write_lines(&mut Vec::new(), &ragged).is_err());
    assert!(write_lines(&mut Vec::new(), &[]).is_ok());
}

#[test]
fn every_float_is_read_back_as_it_was() {
    let mut state = 3_u64;
    let floats = (0..20_000).map(|_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f64::from_bits(state ^ state >> 29)
    });
    let floats: Vec<f64> = floats.filter(|x| !x.is_nan()).collect();
    let tensor = Tensor::F64(arr1(&floats).into_dyn());
    let mut written = Vec::new();
    write_lines(&mut written, &[("x".to_owned(), tensor.clone())]).unwrap();
    let read = lines(std::str::from_utf8(&written).unwrap(), &[input("x", DType::F64, &[])]).unwrap();
    assert_eq!(read, [tensor]);
}

#[test]
fn the_best_classes_are_written_in_place_of_all_scores() {
    let scores = arr2(&[[0.25, f32::NAN, 0.5, 0.25], [0.0, f32::INFINITY, 1e-30, -1.0]]);
    let steps = scores.clone().into_shape_with_order((1, 2, 4)).unwrap();
    let labels = ["cat", "\"dog\"", "cow", "é"].map(str::to_owned);
    let written = |tensor: Tensor, most, labels: Option<&[String]>| {
        let form = Form::Best { most, labels: labels.map(Into::into) };
        let outputs = [("y".to_owned(), tensor), ("z".to_owned(), Tensor::Bool(arr1(&[true; 2]).into_dyn()))];
        let outputs = if outputs[0].1.shape()[0] == 2 { &outputs[..] } else { &outputs[..1] };
        let mut written = Vec::new();
        write_formed(&mut written, outputs, &[form, Form::Whole]).unwrap();
        String::from_utf8(written).unwrap()
    };
    assert_eq!(
        written(Tensor::F32(scores.clone().into_dyn()), 2, Some(&labels)),
        "{\"y\": [{\"label\": \"cow\", \"score\": 0.5}, {\"label\": \"cat\", \"score\": 0.25}], \"z\": true}\n\
         {\"y\": [{\"label\": \"\\\"dog\\\"\", \"score\": \"Infinity\"}, {\"label\": \"cow\", \"score\": 1e-30}], \"z\": true}\n"
    );
    assert_eq!(
        written(Tensor::F32(steps.into_dyn()), 1, None),
        "{\"y\": [[{\"index\": 2, \"score\": 0.5}], [{\"index\": 1, \"score\": \"Infinity\"}]]}\n"
    );
    let all = written(Tensor::F32(scores.into_dyn()), 9, None);
    assert!(all.starts_with("{\"y\": [{\"index\": 2, \"score\": 0.5}, {\"index\": 0, \"score\": 0.25}, {\"index\": 3, \"score\": 0.25}, {\"index\": 1, \"score\": \"NaN\"}], "), "{all}");
}
