//! The text form: printing and parsing are inverse at every stage, and no text can hurt the parser.

mod support;

use masque_ir::text::{Document, ProgramStage, TextError, parse};
use masque_ir::verify;
use proptest::prelude::*;
use support::Choices;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

fn document(bytes: Vec<u8>) -> Document {
    let c = &mut Choices::new(bytes);
    match c.below(4) {
        0 => Document::Layers(support::layer_graph(c)),
        1 => Document::Masks(support::inferred_graph(c)),
        2 => Document::Program(ProgramStage::Tensor, support::program(c)),
        _ => Document::Plan(support::plan(c)),
    }
}

/// Whatever it says, it is one line.
fn one_line(error: &TextError) -> bool {
    let text = error.to_string();
    !text.contains(char::is_control) && text.len() < 2000
}

fn round_trip(document: &Document) -> Result<(), TestCaseError> {
    let text = document.to_string();
    let again = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    prop_assert_eq!(&again, document, "{}", text);
    prop_assert_eq!(again.to_string(), text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layer_graphs_read_back(bytes in bytes()) {
        let graph = support::layer_graph(&mut Choices::new(bytes));
        prop_assert_eq!(verify::layers(&graph), Ok(()));
        let (text, lines) = masque_ir::text::layer_lines(&graph);
        for (call, line) in graph.calls().zip(lines) {
            let class = &graph.layer_of(call).class;
            prop_assert!(text.lines().nth(line - 1).unwrap().contains(class.as_str()));
        }
        round_trip(&Document::Layers(graph))?;
    }

    #[test]
    fn facts_read_back(bytes in bytes()) {
        round_trip(&Document::Masks(support::inferred_graph(&mut Choices::new(bytes))))?;
    }

    #[test]
    fn programs_read_back(bytes in bytes()) {
        let program = support::program(&mut Choices::new(bytes));
        prop_assert_eq!(verify::program(&program), Ok(()));
        round_trip(&Document::Program(ProgramStage::Optimized, program))?;
    }

    #[test]
    fn plans_read_back(bytes in bytes()) {
        let plan = support::plan(&mut Choices::new(bytes));
        prop_assert_eq!(verify::plan(&plan), Ok(()));
        round_trip(&Document::Plan(plan))?;
    }

    #[test]
    fn damaged_texts_are_read_or_refused(bytes in bytes(), edits in edits()) {
        let mut text: Vec<char> = document(bytes).to_string().chars().collect();
        for (place, cut, insert) in edits {
            let place = place.index(text.len() + 1);
            let end = (place + cut).min(text.len());
            text.splice(place..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        match parse(&text) {
            Err(error) => prop_assert!(one_line(&error)),
            Ok(document) => {
                check(&document);
                round_trip(&document)?;
            }
        }
    }

    #[test]
    fn garbage_is_refused_in_one_line(stage in 0..6usize, words in proptest::collection::vec(word(), 0..60)) {
        let stage = masque_ir::text::Stage::ALL[stage];
        let text = format!("masque 1 {stage}\nsemantics keras-3.15\nmodel m\n{}", words.concat());
        if let Err(error) = parse(&text) {
            prop_assert!(one_line(&error));
        }
        prop_assert!(parse(&words.concat()).is_err());
    }
}

/// Verifying must not panic either, whatever it finds.
fn check(document: &Document) {
    let _ = match document {
        Document::Layers(graph) => verify::layers(graph),
        Document::Masks(inferred) => verify::inferred(inferred),
        Document::Program(_, program) => verify::program(program),
        Document::Plan(plan) => verify::plan(plan),
    };
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, String)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), 0..6usize, word()), 1..4)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            "( ) [ ] { } = , : \n ; - 0 1 -1 7 1e9 0.5 true inf %a %ids %\"x y\" @w $0 $1 !0 mask return body f32 \
             bool [B] ne or not scan add gather release slots weight input layer"
                .split(' ')
                .chain([" ", "\n"])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        ),
        "\\PC{0,3}",
    ]
}

/// The texts that are hard on a parser which is not careful.
#[test]
fn hostile_texts_are_refused() {
    let head = |stage: &str| format!("masque 1 {stage}\nsemantics keras-3.15\nmodel m\n");
    let doubling: String = (0..60).map(|k| format!("!{} = concat(1, !{k}, !{k})\n", k + 1)).collect();
    let texts = [
        format!("{}%x = A({}", head("layers"), "[".repeat(1 << 20)),
        format!("{}%x = A() {{a = {}", head("layers"), "{a = ".repeat(1 << 16)),
        format!("{}%x = A() : f32[] mask {}", head("masks"), "not(".repeat(1 << 16)),
        format!("{}%x = scan(%x) body b {{\n", head("tensor")).repeat(200),
        format!("{}%x = input : f32[{}]", head("tensor"), "floor((A+A+B+B)/2)*".repeat(1000)),
        format!("{}!0 = any({}", head("masks"), "!0, ".repeat(1000)),
        format!("{}%x = A() : f32[] mask expand(ones(%x, 4294967295), -1)\nreturn", head("masks")),
        format!("{}%x = A() {{a = 99999999999999999999}}\nreturn", head("layers")),
        format!("{}%\"\\ud800\" = A()\nreturn", head("layers")),
        format!("{}%x:99999999999 = A()\nreturn", head("layers")),
        format!("{}!0 = ne(%x, 0)\n{doubling}!61 = any(!60, -1)\n%x = A() : i32[B, 8, 2]\n", head("masks")),
    ];
    for text in texts {
        assert!(one_line(&parse(&text).unwrap_err()), "{}", &text[..60]);
    }
}

/// Sixty concatenations of a mask with itself, written out, would be longer than any file.
#[test]
fn masks_with_shared_parts_stay_short() {
    let lines: String = (0..60).map(|k| format!("!{} = any(concat(1, !{k}, !{k}), -1)\n", k + 1)).collect();
    let text = format!(
        "masque 1 masks\nsemantics keras-3.15\nmodel m\n\n!0 = ne(%x, 0)\n{lines}\
         %x = A() : i32[B, 8] mask !60 [born]\n\nreturn output_0 = %x\n"
    );
    let document = parse(&text).unwrap();
    assert!(document.to_string().len() < 20_000);
    round_trip(&document).unwrap();
}
