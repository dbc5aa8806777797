//! The pages of the specification are run: what they show is parsed, verified, and printed back to itself; what
//! they call an error is one, with the words they promise.

use std::fs;
use std::path::{Path, PathBuf};

use masque_ir::ops::{Arity, Op};
use masque_ir::text::{Document, parse, parse_descriptions, print_descriptions};
use masque_ir::verify;

/// A fenced block of a page.
struct Block {
    place: String,
    kind: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn blocks() -> Vec<Block> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(root().join("spec")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages.iter().flat_map(|page| blocks_of(page)).collect()
}

fn blocks_of(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = vec![];
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let inside: String =
            lines.by_ref().map_while(|(_, line)| (line != "```").then(|| format!("{line}\n"))).collect();
        let place = format!("{}:{}", page.file_name().unwrap().display(), number + 1);
        blocks.push(Block { place, kind: kind.to_owned(), text: inside });
    }
    blocks
}

/// The first thing that is wrong with a text, or the document.
fn checked(text: &str) -> Result<Document, String> {
    let document = parse(text).map_err(|error| error.to_string())?;
    let verified = match &document {
        Document::Layers(graph) => verify::layers(graph),
        Document::Masks(inferred) => verify::inferred(inferred),
        Document::Program(_, program) => verify::program(program),
        Document::Plan(plan) => verify::plan(plan),
    };
    verified.map(|()| document).map_err(|violations| violations.to_string())
}

#[test]
fn examples_print_to_themselves() {
    let examples: Vec<Block> = blocks().into_iter().filter(|block| block.kind == "masque").collect();
    assert!(examples.len() >= 8, "only {} examples", examples.len());
    for Block { place, text, .. } in examples {
        match checked(&text) {
            Ok(document) => assert_eq!(document.to_string(), text, "{place} is printed in another way"),
            Err(error) => panic!("{place}: {error}"),
        }
    }
}

#[test]
fn errors_say_what_the_page_says() {
    for Block { place, text, .. } in blocks().into_iter().filter(|block| block.kind == "masque-error") {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("; error: "));
        let expected = expected.unwrap_or_else(|| panic!("{place} does not begin with `; error: `"));
        match checked(&text) {
            Ok(_) => panic!("{place} is accepted, but should say: {expected}"),
            Err(error) => assert_eq!(error, expected, "{place}"),
        }
    }
}

#[test]
fn descriptions_print_to_themselves_or_are_refused() {
    let of = |kind: &'static str| blocks().into_iter().filter(move |block| block.kind == kind);
    let mut examples = 0;
    for Block { place, text, .. } in of("masque-described") {
        let read = parse_descriptions(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(print_descriptions(&read), text, "{place} is printed in another way");
        examples += 1;
    }
    assert!(examples >= 3, "only {examples} descriptions");
    for Block { place, text, .. } in of("masque-described-error") {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("; error: "));
        let found = parse_descriptions(&text).err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected, "{place}");
    }
}

/// The table of operations, as the page holds it.
fn table() -> String {
    let mut table = String::from("| operation | attributes | what it does |\n| --- | --- | --- |\n");
    for row in Op::table() {
        let operands: Vec<String> = row
            .operands
            .iter()
            .enumerate()
            .map(|(place, operand)| match operand.arity {
                Arity::One => operand.name.to_owned(),
                Arity::Optional if !row.is_named(place) => format!("[{}]", operand.name),
                Arity::Optional => format!("{} = …", operand.name),
                Arity::Many => format!("{}…", operand.name),
            })
            .collect();
        let list = if operands.is_empty() { String::new() } else { format!("({})", operands.join(", ")) };
        let attributes: Vec<String> = row.attributes.iter().map(|name| format!("`{name}`")).collect();
        let summary = row.summary.trim().replace('|', "\\|");
        table.push_str(&format!("| `{}{list}` | {} | {summary} |\n", row.mnemonic, attributes.join(", ")));
    }
    table
}

#[test]
fn the_table_of_operations_is_current() {
    const MARKS: [&str; 2] = ["<!-- table -->\n", "<!-- end of table -->\n"];
    let page = root().join("spec/ops.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).expect("the page has a mark before the table");
    let (_, tail) = rest.split_once(MARKS[1]).expect("the page has a mark behind the table");
    let current = format!("{head}{}{}{}{tail}", MARKS[0], table(), MARKS[1]);
    if std::env::var_os("MASQUE_BLESS").is_some() {
        fs::write(&page, current).unwrap();
    } else {
        assert_eq!(text, current, "run with MASQUE_BLESS=1 and read the diff");
    }
}
