//! What `masque check` says of padding, and what it does not say: verdicts, what they rest on, exit statuses.

use std::path::Path;

use masque_tests::command::{Done, bare};
use masque_tests::root;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// Tokens and positions, each with a mask of its own.
const TWO: &str = "masque 1 layers
semantics keras-3.15
model \"two\"

%tokens = InputLayer() {dtype = int32, shape = [B, T]}
%positions = InputLayer() {dtype = int32, shape = [B, T]}
%words = Embedding(%tokens) {input_dim = 9, mask_zero = true, output_dim = 4}
%places = Embedding(%positions) {input_dim = 9, mask_zero = true, output_dim = 4}
%sum = Add([%words, %places])
%average = GlobalAveragePooling1D(%sum)

return output_0 = %average
";

/// No mask, and every position by itself.
const UNMASKED: &str = "masque 1 layers
semantics keras-3.15
model \"unmasked\"

%ids = InputLayer() {dtype = int32, shape = [B, T]}
%words = Embedding(%ids) {input_dim = 9, output_dim = 4}
%dense = Dense(%words) {units = 2}

return output_0 = %dense
";

/// A mask that does not fit the softmax.
const MISFIT: &str = "masque 1 layers
semantics keras-3.15
model \"misfit\"

%ids = InputLayer() {dtype = int32, shape = [B, T]}
%words = Embedding(%ids) {input_dim = 9, mask_zero = true, output_dim = 1}
%weights = Softmax(%words) {axis = 1}

return output_0 = %weights
";

/// What the command does with a model that is given as text.
fn masque(model: &str, command: &str, more: &[&str]) -> Done {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.mq"), model).unwrap();
    bare(Path::new(MASQUE), folder.path()).args([command, "model.mq"]).args(more).output().unwrap().into()
}

/// What is said in JSON of the first output, and all else.
fn said(done: &Done) -> (String, Json) {
    let said: Json = serde_json::from_str(&done.text()).unwrap_or_else(|_| panic!("{}", done.stderr));
    (said["outputs"][0]["padding"].as_str().unwrap().to_owned(), said)
}

#[test]
fn nothing_is_cleared_where_nothing_is_known_to_be_padding() {
    let (verdict, all) = said(&masque(UNMASKED, "check", &["--format", "json"]));
    assert_eq!((verdict.as_str(), &all["diagnostics"]), ("unknown", &Json::Array(vec![])));
    for command in ["check", "masks"] {
        let done = masque(UNMASKED, command, &[]);
        let text = format!("{}{}", done.text(), done.stderr);
        assert!(text.contains("nothing is known to be padding"), "{text}");
        assert!(!text.contains("no padding reaches"), "{text}");
    }
}

#[test]
fn an_all_clear_names_what_it_rests_on() {
    let masked = UNMASKED.replace("output_dim", "mask_zero = true, output_dim");
    let (verdict, all) = said(&masque(&masked, "check", &["--format", "json"]));
    assert_eq!(verdict, "clean");
    assert!(all["assumptions"].to_string().contains("padded at their end"), "{all}");
    let text = masque(&masked, "check", &[]).stderr;
    assert!(text.contains("no padding reaches an output, as long as sequences"), "{text}");
}

#[test]
fn inputs_are_padded_together_if_the_caller_says_so() {
    let (verdict, all) = said(&masque(TWO, "check", &["--format", "json"]));
    assert_eq!((verdict.as_str(), &all["diagnostics"][0]["code"]), ("possible", &"padding-apart".into()));
    let together = masque(TWO, "check", &["--format", "json", "--padded-together", "tokens,positions"]);
    let (verdict, all) = said(&together);
    assert_eq!((verdict.as_str(), &all["diagnostics"]), ("clean", &Json::Array(vec![])));
    let unknown = masque(TWO, "check", &["--padded-together", "tokens,letters"]);
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("letters: expected inputs of the model: tokens, positions"));
}

#[test]
fn a_mask_that_does_not_fit_is_an_error_of_every_command() {
    for command in ["check", "masks", "dump"] {
        let more: &[&str] = if command == "dump" { &["--stage", "tensor"] } else { &[] };
        let done = masque(MISFIT, command, more);
        assert_eq!(done.status, Some(1), "{command}: {}", done.stderr);
        assert!(done.stderr.contains("mask-rank"), "{command}: {}", done.stderr);
    }
}

/// Sentences of words: the mask of the output has three axes.
const SENTENCES: &str = "masque 1 layers
semantics keras-3.15
model \"sentences\"

%ids = InputLayer() {dtype = int32, shape = [B, T, 3]}
%words = Embedding(%ids) {input_dim = 9, mask_zero = true, output_dim = 4}
%norm = UnitNormalization(%words) {axis = [1]}

return output_0 = %norm
";

#[test]
fn runs_are_compared_under_masks_of_any_number_of_axes() {
    let done = masque(SENTENCES, "check", &[]);
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("no-mask"), "{}", done.stderr);
}

#[test]
fn a_dump_has_the_masks_that_are_asked_for() {
    let folder = root().join("tests/golden/leaks/146-post-ln-block-x2-tokens-out");
    let dump = |masks: &str| {
        let done = bare(Path::new(MASQUE), &folder).args(["dump", "model.keras", "--masks", masks]).output();
        Done::from(done.unwrap()).succeeded().unwrap().text()
    };
    assert_ne!(dump("keras"), dump("intended"));
}

/// A model of which the mask ends before the output, compiled with a loss for each step.
const AUTOENCODER: &str = r#"{"class_name": "Sequential", "keras_version": "2.15.0",
    "compile_config": {"loss": "mse"}, "config": {"name": "m", "layers": [
    {"class_name": "Masking", "config": {"name": "gaps", "batch_input_shape": [null, 6, 3], "dtype": "float32"}},
    {"class_name": "LSTM", "config": {"name": "code", "units": 4}},
    {"class_name": "RepeatVector", "config": {"name": "again", "n": 6}},
    {"class_name": "LSTM", "config": {"name": "back", "units": 3, "return_sequences": true}}]}}"#;

#[test]
fn the_loss_that_a_model_is_compiled_with_may_count_padding() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| -> Json {
        std::fs::write(folder.path().join("model.json"), text).unwrap();
        let arguments = ["check", "model.json", "--format", "json"];
        let done = bare(Path::new(MASQUE), folder.path()).args(arguments).output().unwrap();
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let finding = check(AUTOENCODER)["diagnostics"][0].clone();
    assert_eq!((&finding["code"], &finding["layer"]), (&"loss-unmasked".into(), &"code".into()));
    let nothing = Json::Array(vec![]);
    for loss in ["null", "\"dice\"", "\"my_masked_loss\""] {
        assert_eq!(check(&AUTOENCODER.replace("\"mse\"", loss))["diagnostics"], nothing, "{loss}");
    }
}
