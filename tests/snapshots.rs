//! Whole documents, pinned: what the seed models look like at every stage, and what is said to people.
//!
//! A snapshot says what masque does, not that it is right; the golden models say that. Here a change of wording or of
//! a dump's form shows itself to whoever reads the diff. To accept one: `INSTA_UPDATE=always cargo test -p masque-tests
//! --test snapshots`, and then read `git diff tests/snapshots`.

use std::fs;
use std::path::Path;

use masque::table;
use masque_tests::command::{Done, bare};
use masque_tests::corpus::{area, case};
use masque_tests::programs::rendered;
use masque_tests::root;
use masque_tests::stages::{KERAS, Stages};

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn pin(name: String, text: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The outputs of the command, run where the model is.
fn masque(folder: &Path, arguments: &[&str]) -> Done {
    bare(Path::new(MASQUE), folder).args(arguments).output().unwrap().into()
}

#[test]
fn mask_tables_of_the_seed_models() {
    for case in area("seed") {
        let stages = Stages::of(&case.model(), KERAS).unwrap();
        pin(format!("{}.table", case.name.replace('/', "-")), table::text(&stages.masks));
    }
}

#[test]
fn dumps_of_the_seed_models() {
    for case in area("seed") {
        let options = masque::Options { mask_outputs: false, ..KERAS };
        for document in Stages::of(&case.model(), options).unwrap().documents().into_iter().take(4) {
            pin(format!("{}.{}", case.name.replace('/', "-"), document.stage()), document.to_string());
        }
    }
}

/// Shapes, parameters, costs and masks: of nested models, of convolutions, of a model that is packed in part.
#[test]
fn summaries() {
    for name in ["seed/text-gru128", "layers/time-distributed-models", "field/025-recommender-causal-last"] {
        let done = masque(&case(name).folder, &["summary", "model.keras", "--format", "text"]);
        assert_eq!(done.status, Some(0), "{}", done.stderr);
        pin(format!("{}.summary", name.replace('/', "-")), done.text());
    }
    let done = masque(
        &case("field/025-recommender-causal-last").folder,
        &["summary", "model.keras", "--format", "text"],
    );
    let page = fs::read_to_string(root().join("docs/pictures.md")).unwrap();
    assert!(page.contains(&done.text()), "docs/pictures.md shows another summary");
    let sizes = ["summary", "model.keras", "--format", "text", "--shape", "B=32,T=100"];
    let done = masque(&case("field/098-wavenet-nested-outputs").folder, &sizes);
    pin("field-098-wavenet-nested-outputs.summary".into(), done.text());
    // An initial state for a batch of its own: what is computed is known only when the sizes agree.
    let done = masque(&case("layers/constants").folder, &["summary", "model.keras", "--format", "text"]);
    pin("layers-constants.summary".into(), done.text());
    let done = masque(&case("seed/text-gru128").folder, &["summary", "model.keras", "--shape", "B"]);
    let said = "--shape B: expected sizes by name, such as B=32,T=128,N=1024";
    assert_eq!(done.refusal(), Ok(said));
}

#[test]
fn a_mask_that_is_not_supported() {
    let done =
        masque(&case("seed/flatten-destroys-mask").folder, &["check", "model.keras", "--color", "never"]);
    assert_eq!((done.status, done.text().as_str()), (Some(1), ""));
    pin("check-flatten".into(), done.stderr);
}

/// What people read of each finding: of every fixture of `programs/check/` and `programs/leaks/` that has one.
#[test]
fn findings_as_people_see_them() {
    let folders = ["check", "leaks"].map(|folder| root().join("tests/programs").join(folder));
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let file = entry.unwrap().path();
        let text = rendered(&fs::read_to_string(&file).unwrap()).unwrap();
        if !text.is_empty() {
            pin(format!("finding-{}", file.file_stem().unwrap().display()), text);
        }
    }
}

/// Why an output reads nothing of the padding, and why another one does.
#[test]
fn what_an_output_reads() {
    for (name, model) in [
        ("gru", "seed/embedding-gru-dense"),
        ("attention", "leaks/120-attention-x-x"),
        ("leak", "leaks/043-adaptiveaveragepooling1d-1"),
    ] {
        let folder = root().join("tests/golden").join(model);
        let done = masque(&folder, &["explain", "model.keras", "--padding", "output_0"]).succeeded().unwrap();
        pin(format!("padding-{name}"), done.text());
    }
}

/// Where the masks of a running Keras model are not the intended ones.
#[test]
fn what_was_meant() {
    let folder = root().join("tests/golden/leaks/146-post-ln-block-x2-tokens-out");
    let done = masque(&folder, &["diff", "model.keras"]);
    assert_eq!(done.status, Some(1));
    pin("diff-intended".into(), done.text());
}

/// Every mask once, with what is known of it.
#[test]
fn what_is_known_of_masks() {
    let folder = case("wide/concatenate-masks").folder;
    let done = masque(&folder, &["masks", "model.keras", "--distinct"]).succeeded().unwrap();
    pin("distinct-masks".into(), done.text());
}

/// The mathematics of a seed model, in every form.
#[test]
fn what_a_model_computes() {
    let folder = case("seed/embedding-gru-dense").folder;
    for form in ["text", "latex", "markdown"] {
        let done = masque(&folder, &["explain", "model.keras", "--format", form]).succeeded().unwrap();
        pin(format!("explain.{form}"), done.text());
    }
    for (model, call) in
        [("masking-lstm32", "masking"), ("masking-lstm32", "lstm"), ("flatten-destroys-mask", "dense")]
    {
        let folder = case(&format!("seed/{model}")).folder;
        let done = masque(&folder, &["explain", "model.keras", call]).succeeded().unwrap();
        pin(format!("explain-{model}-{call}"), done.text());
    }
}
