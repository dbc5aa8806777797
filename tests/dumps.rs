//! Dumps: read back at every stage, of every golden model, and as JSON that keeps to its schema.

use std::fs;
use std::path::Path;

use masque_ir::text::{Stage, parse};
use masque_tests::command::{Done, bare};
use masque_tests::corpus::{area, case};
use masque_tests::schema::Schema;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn dump(folder: &Path, arguments: &[&str]) -> Done {
    Done::from(bare(Path::new(MASQUE), folder).arg("dump").args(arguments).output().unwrap())
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

/// A pass that changes something has a file between the stages, the text of `--after`, which is taken back.
#[test]
fn every_pass_is_written_and_taken_back() {
    let model = case("seed/embedding-gru-dense").model();
    let folder = tempfile::tempdir().unwrap();
    let file = model.to_str().unwrap();
    dump(folder.path(), &[file, "--all", "."]).succeeded().unwrap();
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string());
    let mut names: Vec<String> = names.map(Result::unwrap).collect();
    names.sort();
    let between: Vec<&str> = names
        .iter()
        .filter(|name| name.contains('.') && !name[1..].starts_with('-'))
        .map(String::as_str)
        .collect();
    assert_eq!(between, ["5.3-tables.mq"], "{names:?}");
    for name in between {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        let pass = name.split_once('-').unwrap().1.trim_end_matches(".mq");
        let after = dump(folder.path(), &[file, "--after", pass]).succeeded().unwrap().text();
        assert_eq!(after, text, "{name}");
        let again = dump(folder.path(), &[name, "--stage", "packed"]).succeeded().unwrap().text();
        assert_eq!(again, text, "{name}");
    }
}

/// What each pass of planning is for is seen in what it leaves.
#[test]
fn a_pass_does_what_it_is_called_for() {
    let after = |name: &str, pass: &str| {
        let arguments = ["model.keras", "--after", pass, "--on-unsupported-mask", "drop"];
        dump(&case(name).folder, &arguments).succeeded().unwrap().text()
    };
    for (name, [before, pass], has, words) in [
        ("seed/embedding-gru-dense", ["decompose", "tables"], true, "rows = %ids"),
        ("field/094-small-gpt", ["tables", "fold"], false, "reshape(@"),
        ("field/085-embedding-constant-initializer", ["fold", "products"], true, ".product"),
        ("field/098-wavenet-nested-outputs", ["products", "fuse"], true, "map("),
    ] {
        let [before, after] = [before, pass].map(|pass| after(name, pass));
        assert_eq!([before.contains(words), after.contains(words)], [!has, has], "{name} {pass}: {after}");
    }
    let gru = |pass| after("seed/embedding-gru-dense", pass);
    let stages = ["rewrite-1", "pack", "decompose", "tables", "fold", "products", "fuse"];
    let headers = stages.map(|pass| gru(pass).lines().next().unwrap().to_owned());
    assert_eq!(headers[0], "masque 1 tensor");
    assert!(headers[1..].iter().all(|header| header == "masque 1 packed"), "{headers:?}");
    let optimized = dump(&case("seed/embedding-gru-dense").folder, &["model.keras", "--stage", "optimized"]);
    let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(body(&gru("rewrite-1")), body(&optimized.succeeded().unwrap().text()));
}

#[test]
fn weights_grow_for_products_as_far_as_they_may() {
    let folder = case("seed/embedding-gru-dense").folder;
    let stored = |more: &[&str]| {
        let arguments = [&["model.keras", "--after", "products"], more].concat();
        dump(&folder, &arguments).succeeded().unwrap().text().contains(".product")
    };
    assert!(!stored(&[]) && !stored(&["--fold-tables", "0"]) && stored(&["--fold-tables", "1"]));
}

#[test]
fn a_pass_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = case("seed/stacked-gru").model();
    let after = |file: &str, pass: &str| dump(folder.path(), &[file, "--after", pass]);
    dump(folder.path(), &[model.to_str().unwrap(), "--all", "."]).succeeded().unwrap();
    let passes = "rewrite-1, pack, decompose, tables, fold, products, fuse";
    let said = format!("{}: --after inline: expected one of {passes}", model.display());
    assert_eq!(after(model.to_str().unwrap(), "inline").refusal(), Ok(said.as_str()));
    // A text has no weights to fold.
    let said = "5-packed.mq: --after fold: expected one of decompose, tables";
    assert_eq!(after("5-packed.mq", "fold").refusal(), Ok(said));
    let said = "6-plan.mq: --after fold: no pass follows the stage of this text";
    assert_eq!(after("6-plan.mq", "fold").refusal(), Ok(said));
}

/// A text has no weights, so what is made of it does not know their hashes.
fn without_hash(line: &str) -> String {
    match line.split_once(" = weight ") {
        Some((name, rest)) => format!("{name} = weight {}", rest.split_once("} ").map_or(rest, |(_, ty)| ty)),
        None => line.to_owned(),
    }
}

/// Through the command, with findings and costs; `text_form` looks at every golden model.
#[test]
fn json_keeps_to_its_schema() {
    let schema = Schema::read();
    for case in ["seed", "leaks"].into_iter().flat_map(area) {
        for stage in ["layers", "masks", "tensor", "packed"] {
            let arguments =
                ["model.keras", "--stage", stage, "--format", "json", "--on-unsupported-mask", "warn"];
            let text = dump(&case.folder, &arguments).succeeded().unwrap().text();
            let said: Json = serde_json::from_str(&text).unwrap();
            let found = schema.wrong(&said);
            assert!(found.is_empty(), "{} {stage}: {}", case.name, found.join("\n"));
        }
    }
    let mut said = serde_json::json!({ "masque": 1, "stage": "masks", "model": 3, "other": 0 });
    assert_eq!(schema.wrong(&said).len(), 2, "{:?}", schema.wrong(&said));
    said["calls"] = serde_json::json!([{ "name": "a", "layer": 0, "arguments": [], "outputs": [{}] }]);
    assert_eq!(schema.wrong(&said).len(), 3);
}

/// What a script looks for: costs as formulas, findings, and where in the config a layer and an operation come from.
#[test]
fn json_says_what_a_script_looks_for() {
    let said = |name: &str, stage: &str| -> Json {
        let arguments = ["model.keras", "--stage", stage, "--format", "json"];
        serde_json::from_str(&dump(&case(name).folder, &arguments).succeeded().unwrap().text()).unwrap()
    };
    let masks = said("field/025-recommender-causal-last", "masks");
    let cost = |call: &str| {
        let calls = masks["calls"].as_array().unwrap();
        calls.iter().find(|said| said["name"] == call).unwrap()["multiply_adds"].clone()
    };
    assert_eq!(cost("att"), serde_json::json!({ "all": "2112*B", "packed": "1344*B + 128*N" }));
    assert_eq!(cost("item"), serde_json::json!({ "all": "0", "packed": "0" }));
    let flatten = said("seed/flatten-destroys-mask", "masks");
    let codes: Vec<&Json> =
        flatten["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert_eq!(codes, ["mask-unsupported", "padding-leak"]);
    assert_eq!(flatten["layers"][2]["pointer"], "/config/layers/2");
    let tensor = said("seed/stacked-gru", "tensor");
    let gru = tensor["nodes"].as_array().unwrap().iter().find(|node| node["op"] == "gru").unwrap();
    let layers = said("seed/stacked-gru", "layers");
    let layer =
        layers["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == gru["call"]).unwrap();
    assert!(layer["pointer"].is_string() && layer["pointer"] == gru["pointer"], "{gru}");
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

/// The lines of what is near, of every stage that has names; how many lie between; no model.
#[test]
fn a_text_is_shown_in_part() {
    let folder = case("seed/stacked-gru").folder;
    let part = |stage: &str, name: &str, hops: &str| {
        let arguments = ["model.keras", "--stage", stage, "--focus", name, "--hops", hops];
        dump(&folder, &arguments)
    };
    for stage in ["layers", "masks", "tensor"] {
        let text = part(stage, "first", "1").succeeded().unwrap().text();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("part.{stage}"), text);
        });
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("part.mq"), text).unwrap();
        let said = dump(other.path(), &["part.mq"]);
        assert!(said.refusal().unwrap().contains("found a part of one: dump it without --focus"));
    }
    for stage in ["optimized", "packed"] {
        let whole = dump(&folder, &["model.keras", "--stage", stage]).succeeded().unwrap().text();
        let all = part(stage, "%first", "99").succeeded().unwrap().text();
        assert_eq!(all.replacen(" part\n", "\n", 1), whole, "nothing is further away");
    }
    let said = "--focus third: there is none of this name; without --focus the text has the names";
    assert_eq!(part("masks", "third", "1").refusal(), Ok(said));
    let said = "--focus: a plan has no neighbours: --stage packed shows what it computes";
    assert_eq!(part("plan", "first", "1").refusal(), Ok(said));
    let both = dump(&folder, &["model.keras", "--collapse", "--focus", "first"]);
    assert_eq!(both.refusal(), Ok("--focus and --collapse go together in pictures only"));
}

/// `--open` hands a page to what opens pages here, and writes none of its own into the folder.
#[cfg(target_os = "linux")]
#[test]
fn a_page_is_opened() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let opener = folder.path().join("xdg-open");
    fs::write(&opener, "#!/bin/sh\ncp \"$1\" \"${0%/*}/opened.html\"\n").unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let model = case("seed/stacked-gru").model();
    let opened = |path: &str| {
        let mut command = bare(Path::new(MASQUE), folder.path());
        command.args(["dump", "--open"]).arg(&model).env("PATH", path).env("TMPDIR", folder.path());
        Done::from(command.output().unwrap()).succeeded().unwrap().stderr
    };
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    assert!(opened(&path).ends_with("html is open\n"));
    let page = fs::read_to_string(folder.path().join("opened.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("second"), "{page}");
    assert!(opened("/nowhere").ends_with("html could not be opened: open it in a browser\n"));
}

#[test]
fn what_is_for_pictures_is_refused_elsewhere() {
    let folder = case("seed/stacked-gru").folder;
    let said = Ok("--focus is for texts and pictures: --format text, svg or dot");
    assert_eq!(dump(&folder, &["model.keras", "--focus", "first", "--format", "json"]).refusal(), said);
    let said = Ok("--collapse is for pictures, and for the texts of the stages layers and masks");
    for other in [["--format", "json"], ["--stage", "tensor"], ["--after", "pack"]] {
        assert_eq!(dump(&folder, &[&["model.keras", "--collapse"], &other[..]].concat()).refusal(), said);
    }
}

/// Two blocks of a GPT are one, with the names of the calls of the other; its picture has a box for both.
#[test]
fn blocks_that_are_repeated_are_folded() {
    let folder = case("field/094-small-gpt").folder;
    for stage in ["layers", "masks"] {
        let text =
            dump(&folder, &["model.keras", "--collapse", "--stage", stage]).succeeded().unwrap().text();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("folded.{stage}"), text);
        });
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("folded.mq"), text).unwrap();
        let said = dump(other.path(), &["folded.mq"]);
        assert!(said.refusal().unwrap().contains("found a folded one"), "{}", said.stderr);
    }
    let drawn = dump(&folder, &["model.keras", "--collapse", "--format", "dot"]).succeeded().unwrap().text();
    assert!(drawn.contains("2 × 7 calls") && drawn.contains("14 calls"), "{drawn}");
    assert!(!drawn.contains("MultiHeadAttention"), "{drawn}");
    // A model that repeats nothing is shown as it is.
    let folder = case("seed/stacked-gru").folder;
    let [whole, folded] = [&["model.keras"][..], &["model.keras", "--collapse"]]
        .map(|arguments| dump(&folder, arguments).succeeded().unwrap().text());
    assert_eq!(whole, folded);
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
