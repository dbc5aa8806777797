//! A file below `programs/` is a test under its own name: `cargo test -p masque-tests --test programs -- masks/union`.
//! What is in a file is told in `src/programs.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use masque::diagnostics::Code;
use masque_tests::programs::{check_example, check_file};
use masque_tests::root;

fn main() {
    let folder = root().join("tests/programs");
    let mut trials = vec![];
    for file in files(&folder) {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("").display().to_string();
        trials.push(Trial::test(name, move || check_file(&file).map_err(Failed::from)));
    }
    for &code in Code::ALL {
        trials.push(Trial::test(format!("explain/{code}"), move || check_page(code).map_err(Failed::from)));
    }
    trials.push(Trial::test("every-code", move || every_code(&folder).map_err(Failed::from)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The fixtures in order; a file of another kind is left alone.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.extension().is_some_and(|ending| ending == "mq") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// A page's examples have the findings that they say; one has that of the page, and the last one has none.
fn check_page(code: Code) -> Result<(), String> {
    let page = code.page();
    if !page.starts_with(&format!("# {code}\n")) {
        return Err(format!("the page does not begin with `# {code}`"));
    }
    let test = match code {
        Code::MaskLate | Code::NoMask | Code::PaddingApart | Code::PaddingLeak | Code::StepsUnmasked => {
            "leaks"
        }
        Code::LossUnmasked => "check\nset loss = mean_squared_error",
        _ => "check",
    };
    let examples: Vec<&str> =
        page.split("\n```masque\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    let found = examples.iter().map(|example| check_example(test, example)).collect::<Result<Vec<_>, _>>()?;
    match found.as_slice() {
        [.., last] if found.iter().flatten().any(|name| name == code.name()) && last.is_empty() => Ok(()),
        _ => Err(format!("an example that has `{code}`, and at the end one that is mended: {found:?}")),
    }
}

/// Every code is expected by a fixture.
fn every_code(folder: &Path) -> Result<(), String> {
    let texts: Vec<String> = files(folder).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let expected =
        |code: &Code| texts.iter().any(|text| text.lines().any(|line| line.ends_with(&format!(": {code}"))));
    let missing: BTreeSet<&str> =
        Code::ALL.iter().filter(|code| !expected(code)).map(|code| code.name()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without a fixture: {missing:?}")) }
}
