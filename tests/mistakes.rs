//! Ordinary mistakes get one line that says what to do, and exit status 2.

use std::fs;
use std::path::{Path, PathBuf};

use masque_tests::command::{Done, run, run_with};
use masque_tests::corpus::case;
use serde_json::{Value, json};
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// A folder with models and inputs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let case = case("seed/embedding-gru-dense");
        fs::copy(case.model(), desk.path("m.keras")).unwrap();
        let archive = fs::read(case.model()).unwrap();
        let archive =
            masque_runtime::zip::Archive::open(&archive, masque_runtime::zip::Limits::MODEL).unwrap();
        desk.write("alone.json", &archive.read("config.json").unwrap());
        desk.write("config.json", &archive.read("config.json").unwrap());
        desk.write("model.weights.h5", &archive.read("model.weights.h5").unwrap());
        desk.write("ids.jsonl", b"[1, 2]\n[3]\n");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn masque(&self, command: &str) -> Done {
        run(Path::new(MASQUE), self.0.path(), &command.split(' ').collect::<Vec<_>>())
    }

    /// What the one line says.
    fn refusal(&self, command: &str) -> String {
        let done = self.masque(command);
        done.refusal().unwrap_or_else(|problem| panic!("{command}: {problem}")).to_owned()
    }

    /// What a model says of inputs; the answers before them go to a file, which is not there then.
    fn refused_inputs(&self, model: &str, file: &str, content: &[u8]) -> String {
        self.write(file, content);
        let refusal = self.refusal(&format!("run {model} --input {file} --output refused.jsonl --quiet"));
        assert!(!self.path("refused.jsonl").exists(), "{refusal}");
        refusal
    }
}

#[test]
fn a_config_is_told_where_its_weights_would_be() {
    let desk = Desk::new();
    assert_eq!(
        desk.refusal("run alone.json --input ids.jsonl"),
        "alone.json: the model came without weights (there is no `alone.weights.h5` or `alone.weights.json` beside \
         it, and --weights names none): masks, dumps and checks work, running does not"
    );
    let pair = desk.masque("run config.json --input ids.jsonl").succeeded().unwrap();
    assert_eq!(pair.stdout, desk.masque("run m.keras --input ids.jsonl").succeeded().unwrap().stdout);
}

#[test]
fn a_wrong_line_is_named_once() {
    let desk = Desk::new();
    for (file, content, message) in [
        ("a.jsonl", &b"[1]\n[1,]"[..], "line 2: not valid JSON: trailing comma at column 4"),
        (
            "a.jsonl",
            b"{\n  \"ids\": [1]\n}\n",
            "line 1: not valid JSON lines: the value goes on in the next line, expected one example a line",
        ),
        ("a.jsonl", b"[1]\n\"\xff\"", "line 2: not UTF-8 text"),
        (
            "a.jsonl",
            b"[1]\n\n[1, 12]",
            "line 3: input \"ids\": 12 is outside of the table of \"embedding\", which has 12 rows",
        ),
        (
            "a.json",
            b"{\"ids\": [[1], [99]]}",
            "example 2: input \"ids\": 99 is outside of the table of \"embedding\", which has 12 rows",
        ),
        ("a.jsonl", b"[3000000000]", "line 1: input \"ids\": expected a 32-bit integer, found 3000000000"),
        (
            "a.csv",
            b"1;2;3;4;5;6",
            "line 1: not valid CSV: the fields are separated by `;`, expected commas; --delimiter names another",
        ),
    ] {
        assert_eq!(desk.refused_inputs("m.keras", file, content), format!("{file}: {message}"));
    }
    let wide = masque_runtime::Tensor::I64(ndarray::arr2(&[[1, 2, 3_000_000_000, 4, 5, 6]]).into_dyn());
    assert_eq!(
        desk.refused_inputs("m.keras", "a.npy", &masque_runtime::npy::write(&wide)),
        "m.keras: input \"ids\": expected i32[B, 6], found 3000000000 at [0, 2]"
    );
    let same = desk.masque("run m.keras --input ids.jsonl").succeeded().unwrap();
    desk.write("bom.jsonl", b"\xef\xbb\xbf[1, 2]\n[3]\n");
    assert_eq!(desk.masque("run m.keras --input bom.jsonl").succeeded().unwrap().stdout, same.stdout);
}

#[test]
fn a_guessed_header_is_told() {
    let desk = Desk::new();
    desk.write("a.csv", b"a,b,c,d,e,f\n1,2,3,4,5,6\n");
    let done = desk.masque("run m.keras --input a.csv").succeeded().unwrap();
    let guess = "a.csv: line 1, \"a,b,c,d,e,f\", is taken for a header; --header no reads it as an example";
    assert_eq!(done.stderr, format!("note: {guess}\n"));
    let said = desk.masque("run m.keras --input a.csv --header yes").succeeded().unwrap();
    assert!(said.stderr.is_empty() && said.stdout == done.stdout);
    let example = desk.refusal("run m.keras --input a.csv --header no");
    assert!(example.contains("line 1: input \"ids\": expected a 32-bit integer, found \"a\""), "{example}");
    assert!(
        desk.refusal("run m.keras --input ids.jsonl --header no")
            .ends_with("--header is for tables, .csv and .tsv")
    );
    desk.masque("build m.keras -o exe -q").succeeded().unwrap();
    let exe = |arguments: &[&str]| run(&desk.path("exe"), desk.0.path(), arguments);
    assert_eq!(exe(&["a.csv"]).succeeded().unwrap().stderr, done.stderr);
    assert!(exe(&["a.csv", "--header", "yes"]).succeeded().unwrap().stderr.is_empty());
    let line = exe(&["ids.jsonl", "-i", "a.csv"]);
    assert_eq!(line.refusal().unwrap(), "--input is given twice");
    let late = run_with(&desk.path("exe"), desk.0.path(), &["-o", "late.jsonl"], b"[1]\n[12]\n");
    assert_eq!(
        late.refusal().unwrap(),
        "standard input: line 2: input \"ids\": 12 is outside of the table of \"embedding\", which has 12 rows"
    );
}

/// Two sequences that a layer joins.
const JOINED: &str = r#"masque 1 layers
semantics keras-3.15
model "joined"

%title = InputLayer() {shape = [B, T, 3]}
%body = InputLayer() {shape = [B, T2, 3]}
%together = Add([%title, %body])

return output_0 = %together
"#;

#[test]
fn inputs_of_different_lengths_are_named_with_the_layer_that_joins_them() {
    let desk = Desk::new();
    desk.write("joined.mq", JOINED.as_bytes());
    let lines = br#"{"title": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "body": [[1, 2, 3], [4, 5, 6]]}"#;
    assert_eq!(
        desk.refused_inputs("joined.mq", "a.jsonl", lines),
        "a.jsonl: line 1: inputs of different lengths, which \"together\" joins: \"title\" has 3, \"body\" has 2; expected \
         the same length"
    );
}

/// A model that was compiled with functions of its owner's. What else it was compiled with is not worth a line then.
#[test]
fn a_loss_of_ones_own_is_told_to_be_that() {
    let desk = Desk::new();
    let mut config: Value = serde_json::from_slice(&fs::read(desk.path("config.json")).unwrap()).unwrap();
    let own = |name: &str| json!({"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"});
    config["compile_config"] = json!({"loss": own("team>focal"), "metrics": [own("team>masked_acc")]});
    desk.write("config.json", config.to_string().as_bytes());
    let message = desk.refusal("evaluate config.json --input ids.jsonl --target t.npz");
    assert!(message.contains("`team>focal`, is not one of Keras' own"), "{message}");
    assert!(message.ends_with("name a loss of Keras' with --loss, such as --loss mse"), "{message}");
}

#[test]
fn options_are_not_passed_over() {
    let desk = Desk::new();
    for (command, words) in [
        ("check m.keras --threads 2", "--threads means nothing to `check`, only to bench, evaluate, run"),
        ("generate man nothing", "unknown command `nothing`: expected one of bench, build, check"),
        ("generate bash dump", "dump: a script is for all commands; only `man` takes one"),
        ("layers Lstmm", "unknown layer `Lstmm`: expected a class that `masque layers` lists"),
        (
            "layers lstm1d",
            "unknown layer `lstm1d`: expected a class that `masque layers` lists, or ConvLSTM1D",
        ),
        ("--weights x.h5 layers", "--weights means nothing to `layers`"),
        ("diff m.keras --masks keras", "--masks means nothing to `diff` with one model"),
        ("explain m.keras --on-unsupported-mask warn", "--on-unsupported-mask means nothing to `explain`"),
        ("run m.keras --input a.jsonl --masks keras --masks intended", "--masks is given twice"),
        ("run m.keras --input a.jsonl --input b.jsonl", "cannot be used multiple times"),
        ("check m.keras --masks m.npz", "only `run` writes masks"),
    ] {
        let done = desk.masque(command);
        assert_eq!(done.status, Some(2), "{command}: {}", done.stderr);
        assert!(
            done.stderr.starts_with("error: ") && done.stderr.contains(words),
            "{command}: {}",
            done.stderr
        );
    }
    let masks = desk.masque("dump m.keras --masks intended").succeeded().unwrap();
    assert!(!masks.text().is_empty());
}

#[test]
fn an_unknown_word_gets_the_list_of_those_there_are() {
    let message = Desk::new().refusal("explain padding");
    assert!(
        message.starts_with("padding: neither a file nor a code nor a word; the codes are "),
        "{message}"
    );
    for code in masque::diagnostics::Code::ALL {
        assert!(message.contains(code.name()), "{message}");
    }
    let words = message.split("the words are ").nth(1).unwrap();
    for status in masque_ir::facts::MaskStatus::ALL {
        assert!(words.contains(status.name()), "{status}: {words}");
    }
    for word in words.trim_end().split(", ") {
        let done = Desk::new().masque(&format!("explain {word}")).succeeded().unwrap();
        assert!(done.text().starts_with(&format!("{word}: ")), "{word}");
    }
}
