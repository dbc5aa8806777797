//! Dumps: read back at every stage, of every golden model, and as JSON that keeps to its schema.

use std::fs;
use std::path::Path;

use masque_ir::text::{Stage, parse};
use masque_tests::command::{Done, bare};
use masque_tests::corpus::{area, case};
use masque_tests::root;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn dump(folder: &Path, arguments: &[&str]) -> Done {
    Done::from(bare(Path::new(MASQUE), folder).arg("dump").args(arguments).output().unwrap())
}

/// What of a value does not keep to a schema; the words of JSON Schema that `docs/dump.schema.json` uses, and no other.
fn wrong(schema: &Json, root: &Json, value: &Json, place: &str) -> Vec<String> {
    let mut found = vec![];
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(wrong(target, root, value, place));
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Json::Array(types) => types.iter().any(|name| is(name, value)),
                name => is(name, value),
            },
            "required" => {
                rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        found.extend(wrong(rule, root, inner, &format!("{place}/{name}")));
                    }
                }
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(wrong(rule, root, item, &format!("{place}/{number}")));
                }
                true
            }
            "additionalProperties" => value
                .as_object()
                .is_none_or(|fields| fields.keys().all(|name| schema["properties"].get(name).is_some())),
            "$schema" | "title" | "description" | "$defs" => true,
            other => panic!("the schema uses {other}, which nobody checks"),
        };
        if !fits {
            found.push(format!("{place}: {word} {rule}, found {value}"));
        }
    }
    found
}

fn is(name: &Json, value: &Json) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

/// All stages are written, read back, repeated, and gone on from.
#[test]
fn every_stage_is_taken_back() {
    for case in
        area("seed").into_iter().chain([case("field/094-small-gpt"), case("layers/time-distributed-models")])
    {
        let folder = tempfile::tempdir().unwrap();
        let (model, out) = (case.model(), folder.path().join("stages"));
        let all = [model.to_str().unwrap(), "--all", "stages", "--on-unsupported-mask", "warn"];
        dump(folder.path(), &all).succeeded().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let texts: Vec<(Stage, String)> = (Stage::ALL.iter().enumerate())
            .map(|(place, stage)| {
                let file = out.join(format!("{}-{stage}.mq", place + 1));
                (*stage, fs::read_to_string(file).unwrap())
            })
            .collect();
        for (place, (stage, text)) in texts.iter().enumerate() {
            assert_eq!(parse(text).unwrap().stage(), *stage, "{}", case.name);
            let file = format!("stages/{}-{stage}.mq", place + 1);
            let again = dump(folder.path(), &[&file, "--stage", stage.name()]).succeeded().unwrap();
            assert_eq!(again.text(), *text, "{} {stage}", case.name);
            // Operations go on to what they become; a plan needs weights, which are no part of a text.
            for (later, expected) in texts.iter().skip(place + 1).filter(|(later, _)| *later != Stage::Plan) {
                let from = [&file, "--stage", later.name(), "--on-unsupported-mask", "warn"];
                let gone_on =
                    dump(folder.path(), &from).succeeded().unwrap_or_else(|error| panic!("{file}: {error}"));
                let unhashed = |text: &str| text.lines().map(without_hash).collect::<Vec<_>>().join("\n");
                assert_eq!(unhashed(&gone_on.text()), unhashed(expected), "{} {stage} to {later}", case.name);
            }
        }
    }
}

/// A text has no weights, so what is made of it does not know their hashes.
fn without_hash(line: &str) -> String {
    match line.split_once(" = weight ") {
        Some((name, rest)) => format!("{name} = weight {}", rest.split_once("} ").map_or(rest, |(_, ty)| ty)),
        None => line.to_owned(),
    }
}

#[test]
fn json_keeps_to_its_schema() {
    let schema: Json =
        serde_json::from_str(&fs::read_to_string(root().join("docs/dump.schema.json")).unwrap()).unwrap();
    for case in ["seed", "attention", "masked"].into_iter().flat_map(area) {
        for stage in ["layers", "masks", "tensor", "packed"] {
            let arguments =
                ["model.keras", "--stage", stage, "--format", "json", "--on-unsupported-mask", "warn"];
            let text = dump(&case.folder, &arguments).succeeded().unwrap().text();
            let said: Json = serde_json::from_str(&text).unwrap();
            let found = wrong(&schema, &schema, &said, "");
            assert!(found.is_empty(), "{} {stage}: {}", case.name, found.join("\n"));
        }
    }
    let mut said = serde_json::json!({ "masque": 1, "stage": "masks", "model": 3, "other": 0 });
    assert_eq!(wrong(&schema, &schema, &said, "").len(), 2, "{:?}", wrong(&schema, &schema, &said, ""));
    said["calls"] = serde_json::json!([{ "name": "a", "layer": 0, "arguments": [], "outputs": [{}] }]);
    assert_eq!(wrong(&schema, &schema, &said, "").len(), 3);
}

#[test]
fn stages_are_compared() {
    let folder = case("seed/embedding-gru-dense").folder;
    let text = dump(&folder, &["model.keras", "--diff", "tensor", "optimized"]).succeeded().unwrap().text();
    let (gone, new) = (
        text.lines().filter(|line| line.starts_with('-')),
        text.lines().filter(|line| line.starts_with('+')),
    );
    assert!(gone.count() > 0 && new.count() > 0, "{text}");
    assert!(text.contains("+ masque 1 optimized") && text.contains("- masque 1 tensor"), "{text}");
}

#[test]
fn a_focus_leaves_the_rest_out() {
    let folder = case("seed/stacked-gru").folder;
    let focus = |hops: &str| {
        let arguments = ["model.keras", "--format", "dot", "--focus", "second", "--hops", hops];
        dump(&folder, &arguments).succeeded().unwrap().text()
    };
    assert_eq!(["0", "1", "2", "99"].map(|hops| focus(hops).matches("label=").count()), [1, 3, 5, 6]);
    let done = dump(&folder, &["model.keras", "--format", "dot", "--focus", "third"]);
    let said = "--focus third: there is no box of this name; `--format text` has the names";
    assert_eq!(done.refusal(), Ok(said));
}

#[test]
fn what_is_for_pictures_is_refused_elsewhere() {
    let folder = case("seed/stacked-gru").folder;
    let said = Ok("--collapse and --focus are for pictures: --format svg or dot");
    assert_eq!(dump(&folder, &["model.keras", "--collapse"]).refusal(), said);
    assert_eq!(dump(&folder, &["model.keras", "--focus", "first", "--format", "json"]).refusal(), said);
}

#[test]
fn a_stage_that_a_text_does_not_lead_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = case("seed/stacked-gru").model();
    dump(folder.path(), &[model.to_str().unwrap(), "--all", "."]).succeeded().unwrap();
    let done = dump(folder.path(), &["4-optimized.mq", "--stage", "tensor"]);
    let said = "4-optimized.mq: expected stage tensor; from this text there are only optimized";
    assert_eq!(done.refusal(), Ok(said));
    let done = dump(folder.path(), &["5-packed.mq", "--stage", "plan"]);
    let said = "5-packed.mq: expected stage plan; from this text there are only packed";
    assert_eq!(done.refusal(), Ok(said));
    // What is no text of a model stays as it is.
    fs::write(folder.path().join("2-masks.mq"), "notes of mine\n").unwrap();
    assert!(dump(folder.path(), &[model.to_str().unwrap(), "--all", "."]).refusal().is_ok());
    assert_eq!(fs::read_to_string(folder.path().join("2-masks.mq")).unwrap(), "notes of mine\n");
    dump(folder.path(), &[model.to_str().unwrap(), "--all", ".", "--force"]).succeeded().unwrap();
}
