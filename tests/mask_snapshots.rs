//! Two versions of a model: a committed mask table that is no longer the model's, and what changed between two files.

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

/// Names that Keras counted through a process are counted through the model; the masks are the same.
#[test]
fn a_table_by_structure_does_not_know_the_process() {
    let folder = case("field/018-transformer-classifier-mask-gone").folder;
    let table = |more: &[&str]| {
        let arguments = [&["masks", "model.keras", "--format", "text"], more].concat();
        run(Path::new(MASQUE), &folder, &arguments).text()
    };
    let (named, counted) = (table(&[]), table(&["--by-structure"]));
    for (before, after) in [("ones_like_4", "ones_like"), ("dropout_5", "dropout"), ("add_3", "add_1")] {
        let has = |table: &str, name: &str| table.lines().any(|line| line.starts_with(&format!("{name} ")));
        assert!(has(&named, before) && !has(&named, after), "{named}");
        assert!(has(&counted, after) && !has(&counted, before), "{counted}");
    }
    let masks = |table: &str| table.lines().filter(|line| line.contains("%tokens != 0")).count();
    assert_eq!(masks(&named), masks(&counted));
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

const BEFORE: &str = "masque 1 layers
semantics keras-3.15
model \"tagger\"

%ids = InputLayer() {dtype = int32, shape = [B, 8]}
%embedding = Embedding(%ids) {input_dim = 9, mask_zero = true, output_dim = 4}
%dropout = Dropout(%embedding)
%gru = GRU(%dropout) {units = 3}
%dense = Dense(%gru) {units = 2}

return output_0 = %dense
";

/// A convolution more, a dropout less, one setting changed, one name.
fn after() -> String {
    BEFORE
        .replace("%dropout = Dropout(", "%convolution = Conv1D(")
        .replace("(%embedding)\n", "(%embedding) {filters = 4, kernel_size = [3], padding = same}\n")
        .replace("GRU(%dropout) {units = 3}", "GRU(%convolution) {units = 5}")
        .replace("%dense", "%score")
}

#[test]
fn what_changed_between_two_models() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("before.mq"), BEFORE).unwrap();
    fs::write(folder.path().join("after.mq"), after()).unwrap();
    let diff = |arguments: &[&str]| run(Path::new(MASQUE), folder.path(), &[&["diff"], arguments].concat());

    let done = diff(&["before.mq", "after.mq"]);
    assert_eq!(done.status, Some(1));
    insta::assert_snapshot!(done.text(), @r"
    + convolution: Conv1D, mask dropped %ids != 0
    - dropout: Dropout
    ~ gru
        units: 3 → 5
        reads: %dropout → %convolution
        gives: f32[B, 3] → f32[B, 5]
        mask: consumed %ids != 0 → none
    ~ score
        name: dense → score
    ");
    let colored = diff(&["before.mq", "after.mq", "--color", "always"]).text();
    assert!(colored.contains("\u{1b}[32m+ convolution"), "{colored}");
    let json: serde_json::Value =
        serde_json::from_str(&diff(&["before.mq", "after.mq", "--format", "json"]).text()).unwrap();
    assert_eq!(json["changes"][0]["change"], "added");
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(4));

    let same = diff(&["after.mq", "after.mq"]).succeeded().unwrap();
    assert_eq!(same.text(), "");
    diff(&["after.mq", "missing.mq"]).refusal().unwrap();
}

#[test]
fn a_code_is_explained_and_a_call_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.mq"), BEFORE).unwrap();
    let explain =
        |arguments: &[&str]| run(Path::new(MASQUE), folder.path(), &[&["explain"], arguments].concat());
    assert!(explain(&["mask-lost"]).succeeded().unwrap().text().starts_with("# mask-lost\n"));
    assert!(explain(&["model.mq", "gur"]).refusal().unwrap().contains("`gur`"));
    assert!(explain(&["mask-losst"]).refusal().is_ok());
}
