//! The repository's own rules, so that whatever a reviewer would have to look for is a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use masque::frontend::{LIBRARIES, Library};
use masque::layer::MASK_WORDS;
use masque::layers::LAYERS;
use masque::rewrite::rules;
use masque_tests::imports::Imports;
use masque_tests::root;
use masque_tests::sources::{self, Source};

/// The longest file that owes no reason.
const FILE_LINES: usize = 500;

/// The longest function that owes no reason.
const FUNCTION_LINES: usize = 80;

/// Files and functions (`FILE::FUNCTION`) that are longer, each with the reason.
const LONGER: &[(&str, &str)] = &[
    ("compiler/src/layers.rs", "a list: one line for every layer and operation"),
    ("ir-specs/src/ops/activations.rs::decompose", "a table: the formula of every activation function"),
    ("ir-specs/tests/verify.rs::violations", "a table: one line for every property and how it is violated"),
];

/// The most methods that the trait of layers may have.
const LAYER_METHODS: usize = 10;

/// What is for compiling alone.
const COMPILING: [&str; 5] = ["clap", "egg", "hdf5-reader", "masque", "petgraph"];

/// What of it the runtime needs all the same: masque-ir holds its layer graphs in petgraph, and has no feature to leave
/// them out.
const STILL_NEEDED: [&str; 1] = ["petgraph"];

/// Where `unsafe` stands: what reads and writes the processor's float flags, and what maps memory.
const UNSAFE: [&str; 2] = ["runtime/kernels/src/environment.rs", "runtime/src/bundle.rs"];

/// The packages whose modules import in one direction, and imports that go back all the same, with the reason.
const PACKAGES: [&str; 4] = ["compiler/src", "ir-specs/src", "runtime/src", "runtime/kernels/src"];
const BACK: [(&str, &str, &str, &str); 2] = [
    ("compiler/src", "layer", "layers", "a layer in the settings of another one is looked up by its class"),
    ("ir-specs/src", "program", "ops", "a node has an operation, and the body of a loop is a program"),
];

/// This file names what must not be named.
const THIS: &str = "tests/tidy.rs";

fn nothing(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The lines, with their places, for which this holds.
fn lines_with(sources: &[Source], wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let place =
        |source: &Source, (number, line): (usize, &str)| format!("{}:{}: {line}", source.path, number + 1);
    let lines =
        sources.iter().flat_map(|source| source.text.lines().enumerate().map(move |line| (source, line)));
    lines.filter(|(_, (_, line))| wrong(line)).map(|(source, line)| place(source, line)).collect()
}

/// Is this word in the line, with no letter beside it?
fn has_word(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(letter) && !after.starts_with(letter)
    })
}

#[test]
fn every_file_says_what_it_is() {
    let silent = |source: &Source| {
        let first = source.text.lines().next().unwrap_or_default();
        !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!(")
    };
    let files = sources::rust().into_iter().filter(silent).map(|source| source.path).collect();
    nothing(files, "a file begins with what it is, `//!` or an included page");
}

#[test]
fn no_file_is_called_mod() {
    let files = sources::rust().into_iter().filter(|source| source.stem() == "mod").map(|source| source.path);
    nothing(files.collect(), "a module is `name.rs` beside `name/`");
}

#[test]
fn files_and_functions_are_short() {
    let reasons: BTreeMap<&str, &str> = LONGER.iter().copied().collect();
    let mut long = BTreeSet::new();
    for source in sources::rust() {
        if source.text.lines().count() > FILE_LINES {
            long.insert(source.path.clone());
        }
        let functions = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES);
        long.extend(functions.map(|function| format!("{}::{}", source.path, function.name)));
    }
    let without: Vec<String> =
        long.iter().filter(|name| !reasons.contains_key(name.as_str())).cloned().collect();
    nothing(without, "too long, without a reason in LONGER");
    let stale = reasons.keys().filter(|name| !long.contains(**name)).map(ToString::to_string);
    nothing(stale.collect(), "not too long any more: take it from LONGER");
    assert!(reasons.values().all(|reason| reason.len() > 20), "a reason is a sentence");
}

#[test]
fn unsafe_stands_where_it_may() {
    let mut sources = sources::rust();
    sources
        .retain(|source| source.path != THIS && !UNSAFE.iter().any(|place| source.path.starts_with(place)));
    let forms = [
        "unsafe {",
        "unsafe(",
        "unsafe fn",
        "unsafe impl",
        "unsafe trait",
        "unsafe extern",
        "allow(unsafe_code",
    ];
    let found = lines_with(&sources, |line| forms.iter().any(|form| line.contains(form)));
    nothing(found, "`unsafe` is for float flags and the memory map");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the workspace denies unsafe code");
}

#[test]
fn modules_import_in_one_direction() {
    let sources = sources::rust();
    for package in PACKAGES {
        let mut imports = Imports::of(package, &sources);
        for (_, from, to, _) in BACK.iter().filter(|(of, ..)| *of == package) {
            assert!(imports.excuse(from, to), "{from} of {package} does not import {to}");
        }
        nothing(imports.circles(), "modules import each other in a circle");
    }
}

#[test]
fn nothing_is_left_to_do() {
    let mut sources = sources::rust();
    sources.retain(|source| source.path != THIS);
    let found = lines_with(&sources, |line| {
        ["todo!", "unimplemented!", "dbg!"].iter().any(|word| line.contains(word))
    });
    nothing(found, "what is not done is an error that says so, or a line of a list");
}

#[test]
fn texts_speak_of_the_project_alone() {
    let mut sources = sources::all();
    sources.retain(|source| source.path != THIS);
    let parts = ["/work/", "/tmp/", "shared/golden", "/home/", "/root/"];
    let found =
        lines_with(&sources, |line| parts.iter().any(|part| line.contains(part)) || has_word(line, "AI"));
    nothing(
        found,
        "a text names a place outside of the repository, or something that is none of its business",
    );
}

#[test]
fn a_layer_is_a_few_methods() {
    let text = fs::read_to_string(root().join("compiler/src/layer.rs")).unwrap();
    let (_, body) = text.split_once("\npub trait Layer: ").expect("the trait is where this test looks");
    let (body, _) = body.split_once("\n}\n").unwrap();
    let methods = body.lines().filter(|line| line.starts_with("    fn ")).count();
    assert!(
        (5..=LAYER_METHODS).contains(&methods),
        "{methods} methods in `Layer`: group what belongs together"
    );
}

#[test]
fn every_layer_is_in_the_registry() {
    let sources = sources::rust();
    let registry = &sources.iter().find(|source| source.path == "compiler/src/layers.rs").unwrap().text;
    let is_layer = |source: &&Source| source.path.starts_with("compiler/src/layers/");
    let (mut missing, mut registered) = (vec![], 0);
    for source in sources.iter().filter(is_layer) {
        let inside = source.path["compiler/src/layers/".len()..].contains('/');
        if !inside && !registry.contains(&format!("\nmod {};\n", source.stem())) {
            missing.push(format!("{}: no `mod {};`", source.path, source.stem()));
        }
        for line in source.text.lines() {
            let Some(name) = declared_layer(line) else { continue };
            registered += 1;
            if !registry.contains(&format!("::{name},\n")) {
                missing.push(format!("{}: {name} is not in LAYERS", source.path));
            }
        }
    }
    nothing(missing, "a layer is declared and registered in compiler/src/layers.rs");
    assert_eq!(registered, LAYERS.len(), "LAYERS has as many lines as there are layers");
    assert!(LAYERS.is_sorted_by(|a, b| a.class < b.class), "LAYERS is sorted by class, each once");
}

/// The layer that a line declares: `static NAME: LayerDef`, `losing!(NAME, …)`, or `NAME = "Class", …` in a family's
/// table.
fn declared_layer(line: &str) -> Option<&str> {
    let alone =
        line.split_once("static ").and_then(|(_, rest)| rest.split_once(": LayerDef")).map(|(name, _)| name);
    let in_table = line.trim_start().split_once(" = \"").map(|(name, _)| name);
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let losing = line.split_once("losing!(").and_then(|(_, rest)| rest.split_once(',')).map(|(name, _)| name);
    alone.or(losing).or(in_table).filter(is_name)
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    assert!(rules::RULES.len() > 20, "the rules are where this test looks");
    assert!(rules::RULES.is_sorted_by(|a, b| a.name < b.name), "the rules are sorted by name, each once");
}

/// `docs/layers.md`, made from the registry.
fn page_of_layers() -> String {
    let mut page = String::from(
        "# Layers\n\nEvery layer and operation that masque knows, made from its registry (`compiler/src/layers.rs`) by \
         `MASQUE_BLESS=1 cargo\ntest -p masque-tests --test tidy`. The masks of the outputs, in the words of the \
         [specification](../ir-specs/spec/masks.md):\n\n",
    );
    for (place, (word, meaning)) in MASK_WORDS.iter().enumerate() {
        let end = if place + 1 == MASK_WORDS.len() { "." } else { ";" };
        page.push_str(&format!("- *{word}*: {meaning}{end}\n"));
    }
    page.push_str(
        "\n\
         A layer that gets a mask and does not support masking is an error, unless `--on-unsupported-mask` says \
         otherwise. An operation\n(`keras.ops`) drops masks without a word, as in Keras.\n\n\
         | class | supports masking | masks of the outputs | an operation |\n| --- | --- | --- | --- |\n",
    );
    for def in LAYERS {
        let operation = if def.class.starts_with("ops.") { "yes" } else { "" };
        let masks = def.masks.replace('|', "\\|");
        page.push_str(&format!("| `{}` | {} | {masks} | {operation} |\n", def.class, def.supports_masking));
    }
    page
}

#[test]
fn the_page_of_custom_layers_names_those_that_are_described() {
    let page = fs::read_to_string(root().join("docs/own-layers.md")).unwrap();
    for known in LIBRARIES.iter().flat_map(Library::descriptions) {
        let name = known.class.rsplit('>').next().unwrap_or_default();
        assert!(page.contains(&format!("`{name}`")), "docs/own-layers.md does not name {name}");
    }
}

#[test]
fn the_page_of_layers_is_current() {
    let page = root().join("docs/layers.md");
    if std::env::var_os("MASQUE_BLESS").is_some() {
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        fs::write(&page, page_of_layers()).unwrap();
    }
    let text = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        text == page_of_layers(),
        "docs/layers.md is not current: run with MASQUE_BLESS=1 and read the diff"
    );
}

/// The names of all packages that a package needs to be built on this machine, itself among them.
fn needs(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_runtime_knows_nothing_of_compiling() {
    let needed = needs("masque-runtime");
    assert!(needed.contains("masque-ir") && needed.contains("ndarray"), "{needed:?}");
    let found: Vec<&str> = COMPILING.into_iter().filter(|name| needed.contains(*name)).collect();
    assert_eq!(found, STILL_NEEDED, "what masque-runtime needs of what is for compiling");
}

/// The texts of a list in a file of TOML.
fn listed(text: &str, name: &str) -> BTreeSet<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
    line.unwrap_or_default().split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Can everything be had under licences that are allowed? `A OR B` and `A/B` give a choice, `A AND B` asks for both.
fn is_allowed(licence: &str, allowed: &BTreeSet<String>) -> bool {
    licence
        .replace(['(', ')'], "")
        .split(" AND ")
        .all(|part| part.replace('/', " OR ").split(" OR ").any(|choice| allowed.contains(choice.trim())))
}

#[test]
fn dependencies_are_what_deny_toml_allows() {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let tree = |features: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "tree",
            "--offline",
            "--locked",
            "--workspace",
            "--prefix",
            "none",
            "--format",
            "{l}|{p}",
        ]);
        cargo.args(features).current_dir(root()).output().unwrap()
    };
    // What only features need has not been downloaded everywhere.
    let all = tree(&["--all-features"]);
    let whole = all.status.success();
    let output = if whole { all } else { tree(&[]) };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<(&str, &str)> = lines.lines().filter_map(|line| line.split_once('|')).collect();
    assert!(lines.len() > 50, "{lines:?}");
    let allowed = listed(&deny, "allow");
    let wrong = lines.iter().filter(|(licence, _)| !is_allowed(licence, &allowed));
    nothing(wrong.map(|(licence, name)| format!("{name}: {licence}")).collect(), "deny.toml does not allow");
    let unused = allowed.iter().filter(|licence| {
        whole && {
            let others: BTreeSet<String> = allowed.iter().filter(|other| other != licence).cloned().collect();
            lines.iter().all(|(licence, _)| is_allowed(licence, &others))
        }
    });
    nothing(unused.cloned().collect(), "deny.toml allows what nothing needs");
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let elsewhere = sources.filter(|source| !source.contains("github.com/rust-lang/crates.io-index"));
    nothing(elsewhere.map(str::to_owned).collect(), "a dependency is not from crates.io");
}

#[test]
fn versions_stand_in_one_place() {
    // What is for fuzzing is a workspace of its own.
    let ours = |path: &str| path.ends_with("/Cargo.toml") && !path.starts_with("tests/fuzz/");
    let manifests: Vec<Source> = sources::all().into_iter().filter(|source| ours(&source.path)).collect();
    assert!(manifests.len() >= 5);
    for Source { path, text } in manifests {
        let mut table = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix('[') {
                Some(header) => table = header.trim_end_matches(']'),
                None if table.ends_with("dependencies") => {
                    let inherits = line.contains(".workspace = true") || line.contains("workspace = true");
                    assert!(
                        inherits && !line.contains("version"),
                        "{path}: `{line}` has a version of its own"
                    );
                }
                None if ["version", "edition", "rust-version"].iter().any(|key| line.starts_with(key)) => {
                    assert!(line.ends_with(".workspace = true"), "{path}: `{line}` is not the workspace's");
                }
                None => {}
            }
        }
    }
}
