//! Programs as text, before and after: the files of `tests/rewrite/`.
//!
//! A fixture's first line says what it shows: `; rule NAME`, which is the file's own name, or `; scenario: …`. Then
//! come a program, a line `; ---- expected`, and the program that it becomes. `MASQUE_BLESS=1` writes that anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use masque::rewrite::rules::RULES;
use masque::rewrite::{Limits, optimize};
use masque_ir::program::Program;
use masque_ir::text::{Document, parse};
use masque_ir::verify;

use super::text;

const SEPARATOR: &str = "; ---- expected\n";

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rewrite");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn stem(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).unwrap()
}

fn program(text: &str) -> Result<Program, String> {
    match parse(text).map_err(|error| error.to_string())? {
        Document::Program(_, program) => {
            verify::program(&program).map_err(|wrong| wrong.to_string()).map(|()| program)
        }
        other => Err(format!("a program was expected, not stage {}", other.stage())),
    }
}

/// What is wrong with a fixture.
fn check(file: &Path) -> Result<(), String> {
    let whole = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let (before, expected) = whole.split_once(SEPARATOR).unwrap_or((&whole, ""));
    let (optimized, report) = optimize(&program(before)?, Limits::DEFAULT);
    let first = whole.lines().next().unwrap_or_default();
    if let Some(rule) = first.strip_prefix("; rule ") {
        if rule != stem(file) || !report.applied.contains_key(rule) {
            return Err(format!("`{rule}` is not what it shows: {:?} were applied", report.applied));
        }
    } else if !first.starts_with("; scenario: ") || RULES.iter().any(|rule| rule.name == stem(file)) {
        return Err(format!("the first line says neither `; rule {}` nor `; scenario: …`", stem(file)));
    }
    let found = text(&optimized);
    if found != expected && env::var_os("MASQUE_BLESS").is_some() {
        return fs::write(file, format!("{before}{SEPARATOR}{found}")).map_err(|error| error.to_string());
    }
    if found != expected {
        return Err(format!("expected:\n{expected}\nfound:\n{found}"));
    }
    Ok(())
}

#[test]
fn programs_become_what_is_expected() {
    let wrong = files()
        .into_iter()
        .filter_map(|file| check(&file).err().map(|wrong| format!("{}: {wrong}", file.display())));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}\n(MASQUE_BLESS=1 accepts what was found)", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_fixture() {
    let files = files();
    let shown: BTreeSet<&str> = files.iter().map(|file| stem(file)).collect();
    let missing: Vec<&str> =
        RULES.iter().map(|rule| rule.name).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "without a fixture: {missing:?}");
}
