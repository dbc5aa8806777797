//! A committed mask table, and what is said when the model is no longer the one it was made of.

use std::fs;
use std::path::Path;

use masque_tests::command::{Done, run};
use masque_tests::corpus::case;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// `masque masks` on a seed model, held against a file.
fn check(model: &str, file: &Path, more: &[&str]) -> Done {
    let file = file.to_string_lossy().into_owned();
    let arguments = [&["masks", "model.keras", "--check", &file], more].concat();
    run(Path::new(MASQUE), &case(&format!("seed/{model}")).folder, &arguments)
}

#[test]
fn a_table_is_blessed_then_accepted_then_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.masks");
    let missing = check("stacked-gru", &file, &[]);
    assert!(missing.refusal().unwrap().contains("--bless"), "{}", missing.stderr);

    check("stacked-gru", &file, &["--bless"]).succeeded().unwrap();
    let written = fs::read_to_string(&file).unwrap();
    check("stacked-gru", &file, &[]).succeeded().unwrap();
    // As git hands it out on other systems.
    fs::write(&file, written.replace('\n', "\r\n")).unwrap();
    check("stacked-gru", &file, &[]).succeeded().unwrap();

    let other = check("lstm-sequences", &file, &["--color", "always"]);
    assert_eq!((other.status, other.text().as_str()), (Some(1), ""));
    let shown = |mark: char, color: u8, line: &str| {
        assert!(other.stderr.contains(&format!("\u{1b}[{color}m{mark} {line}")), "{}", other.stderr);
    };
    shown('-', 31, "second                  GRU ");
    shown('+', 32, "lstm                    LSTM ");
    check("lstm-sequences", &file, &["--bless"]).succeeded().unwrap();
    assert_ne!(fs::read_to_string(&file).unwrap(), written);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn what_is_no_table_is_refused_or_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.masks");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    check("stacked-gru", &file, &[]).refusal().unwrap();
    fs::write(&file, "call\u{1b}[2J\n").unwrap();
    let done = check("stacked-gru", &file, &["--color", "never"]);
    assert_eq!(done.status, Some(1));
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    check("stacked-gru", folder.path(), &["--bless"]).refusal().unwrap();
}
