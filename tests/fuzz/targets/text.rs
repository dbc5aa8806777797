//! A text of the IR, of any stage: what is read prints to a text that reads back to the same, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque::frontend::Descriptions;
use masque_fuzz::within_budget;
use masque_ir::text::{self, Document};
use masque_ir::verify;

fuzz_target!(|data: &[u8]| within_budget(data, |bytes| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(described) = text::parse_descriptions(text) {
        let printed = text::print_descriptions(&described);
        let again = text::parse_descriptions(&printed).expect("what was printed can be read");
        assert_eq!(again, described, "descriptions print to what they are");
        let _ = Descriptions::default().add(bytes);
    }
    let Ok(document) = text::parse(text) else { return };
    let sound = match &document {
        Document::Layers(graph) => verify::layers(graph).is_ok(),
        Document::Masks(graph) => verify::inferred(graph).is_ok(),
        Document::Program(_, program) => verify::program(program).is_ok(),
        Document::Plan(plan) => verify::plan(plan).is_ok(),
    };
    if sound {
        let printed = document.to_string();
        let again = text::parse(&printed).expect("what was printed can be read");
        assert_eq!(again.to_string(), printed, "what was printed prints to itself");
    }
}));
