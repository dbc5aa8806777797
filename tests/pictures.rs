//! Pictures of real models: well formed, whole, and usable in a real browser where there is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use masque::diagnostics::UnsupportedMask;
use masque::picture::values::MOST_EXAMPLES;
use masque::picture::{EdgeRole, Picture, Role, dot, of_model, of_program, svg};
use masque::{Inferred, Model, Options};
use masque_tests::browser::{browser, installed, visited};
use masque_tests::command::{Done, bare};
use masque_tests::corpus::{area, case, cases};
use masque_tests::root;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn masque(folder: &Path, arguments: &[&str]) -> Done {
    Done::from(bare(Path::new(MASQUE), folder).args(arguments).output().unwrap())
}

/// The layers of a model as a picture, and its operations.
fn pictures(model: &Path) -> Vec<Picture> {
    let inferred = Model::open(model).unwrap().infer().unwrap();
    vec![layers(&inferred), operations(inferred)]
}

fn layers(inferred: &Inferred) -> Picture {
    let padding = inferred.padding().unwrap();
    let mut findings = inferred.findings(UnsupportedMask::Error);
    findings.extend(inferred.leaks(&padding));
    of_model(inferred, &findings, &padding)
}

fn operations(inferred: Inferred) -> Picture {
    let graph = inferred.graph().graph.clone();
    let options = Options { on_unsupported_mask: UnsupportedMask::Warn, ..Options::default() };
    of_program(inferred.lower(options).unwrap().program(), &graph)
}

/// Is every element closed, and in the right order? The names of the elements.
fn elements(xml: &str) -> Result<Vec<String>, String> {
    let (mut open, mut seen): (Vec<&str>, Vec<String>) = (vec![], vec![]);
    for piece in xml.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').ok_or(format!("a tag without end: {piece}"))?;
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("{last:?} is closed by {name}")),
            }
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        seen.push(name.to_owned());
        if tag.matches('"').count() % 2 == 1 {
            return Err(format!("a quotation without end: {tag}"));
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(seen) } else { Err(format!("never closed: {open:?}")) }
}

#[test]
fn every_golden_model_is_drawn_whole() {
    for case in cases() {
        let inferred = Model::open(case.model()).unwrap().infer().unwrap();
        let picture = layers(&inferred);
        wires_are_masks(&case.name, &inferred, &picture);
        paths_have_no_gaps(&case.name, &picture);
        for picture in [picture, operations(inferred)] {
            let drawn = svg::draw(&picture);
            let elements = elements(&drawn).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let titles = elements.iter().filter(|name| *name == "title").count();
            assert_eq!(
                titles,
                picture.nodes.len() + 1,
                "{}: a title for each box and the picture",
                case.name
            );
        }
    }
}

/// The lines that have a mask's colour are those whose tensor carries it, by the facts of inference.
fn wires_are_masks(name: &str, inferred: &Inferred, picture: &Picture) {
    let (graph, facts) = (&inferred.graph().graph, &inferred.graph().facts);
    let mut carried = vec![];
    for call in graph.calls() {
        for tensor in graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors()) {
            carried.push((tensor, call.0 as usize));
        }
    }
    let outputs = graph.outputs().iter().enumerate();
    carried.extend(outputs.map(|(place, output)| (output.tensor, graph.calls().len() + place)));
    assert_eq!(picture.edges.len(), carried.len(), "{name}");
    let drawn = picture.edges.iter().zip(&carried).filter(|(edge, _)| edge.role != EdgeRole::Mask);
    for (edge, &(tensor, to)) in drawn {
        let masked = facts.tensor(tensor).mask.is_some();
        assert_eq!((edge.from, edge.to, edge.mask.is_some()), (tensor.call.0 as usize, to, masked), "{name}");
    }
}

/// The path that padding takes to an output is drawn from its beginning to the output.
fn paths_have_no_gaps(name: &str, picture: &Picture) {
    let leaking = || picture.edges.iter().filter(|edge| edge.leaks);
    let begins: BTreeSet<usize> = leaking().map(|edge| edge.from).collect();
    let inner: BTreeSet<usize> = leaking().map(|edge| edge.to).collect();
    let ends = inner.iter().filter(|node| picture.nodes[**node].role == Role::Output).count();
    assert!(begins.difference(&inner).count() <= ends, "{name}: more beginnings than outputs");
    assert!(inner.difference(&begins).count() == ends, "{name}: a path ends before an output");
}

#[test]
fn a_model_that_is_called_twice_is_two_groups() {
    let picture = &pictures(&case("layers/time-distributed-models").model())[0];
    let names: BTreeSet<&str> = picture.groups.iter().map(|group| group.name.as_str()).collect();
    assert!(names.contains("time_distributed") && names.contains("time_distributed:1"), "{names:?}");
    let folded = picture.folded(|_| true);
    assert!(folded.nodes.iter().filter(|node| node.role == Role::Group).count() >= 3);
}

#[test]
fn graphviz_takes_what_is_written_for_it() {
    let Some(program) = installed(&["dot"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["seed/stacked-gru", "layers/time-distributed-models", "field/094-small-gpt"] {
        for (place, picture) in pictures(&case(name).model()).iter().enumerate() {
            let file = folder.path().join(format!("{place}.dot"));
            fs::write(&file, dot::write(picture)).unwrap();
            let done =
                Command::new(&program).args(["-Tplain", "-o", "/dev/null"]).arg(&file).output().unwrap();
            assert!(done.status.success() && done.stderr.is_empty(), "{name}: {done:?}");
        }
    }
}

#[test]
fn pictures_of_the_seed_models() {
    for name in ["seed/stacked-gru", "seed/text-gru128-explicit-mask", "seed/flatten-destroys-mask"] {
        let dot = dot::write(&pictures(&case(name).model())[0]);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{}.dot", name.replace('/', "-")), dot);
        });
    }
}

/// A mask that died, a call that is gone, one that is new: in one picture.
#[test]
fn two_models_are_one_picture() {
    let folder = tempfile::tempdir().unwrap();
    let model = |middle: &str| {
        format!(
            "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n\n%ids = InputLayer() {{dtype = int32, shape = [B, 6]}}\n\
             %embedding = Embedding(%ids) {{input_dim = 9, mask_zero = true, output_dim = 4}}\n{middle}\nreturn output_0 = %dense\n"
        )
    };
    let before = "%gru = GRU(%embedding) {units = 3}\n%dense = Dense(%gru) {units = 2}\n";
    let after = "%flat = Flatten(%embedding)\n%dense = Dense(%flat) {units = 3}\n";
    fs::write(folder.path().join("before.mq"), model(before)).unwrap();
    fs::write(folder.path().join("after.mq"), model(after)).unwrap();
    let drawn = masque(folder.path(), &["diff", "before.mq", "after.mq", "--format", "dot"]);
    assert_eq!(drawn.status, Some(1), "{}", drawn.stderr);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("difference.dot", drawn.text());
    });
    let drawn = masque(folder.path(), &["diff", "before.mq", "after.mq", "--format", "svg"]).text();
    assert!(elements(&drawn).is_ok());
    assert_eq!(
        ["added", "removed", "changed"].map(|class| drawn.matches(&format!("call {class}\"")).count()),
        [1, 1, 1]
    );
}

/// The page of two models says what changed, and where a mask died.
#[test]
fn two_models_are_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let model = |name: &str, middle: &str| {
        let text = format!(
            "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n\n%ids = InputLayer() {{dtype = int32, shape = [B, 6]}}\n\
             %e = Embedding(%ids) {{input_dim = 9, mask_zero = true, output_dim = 4}}\n{middle}\n\
             %dense = Dense(%pool) {{units = 2}}\nreturn output_0 = %dense\n"
        );
        fs::write(folder.path().join(name), text).unwrap();
    };
    model("before.mq", "%d = Dense(%e) {units = 4}\n%pool = GlobalAveragePooling1D(%d)");
    model(
        "after.mq",
        "%d = ops.Negative(%e)\n%f = Dense(%d) {units = 4}\n%pool = GlobalAveragePooling1D(%f)",
    );
    let page = masque(folder.path(), &["diff", "before.mq", "after.mq", "--format", "html"]).text();
    let data = page.split("id=\"difference\">").nth(1).and_then(|rest| rest.split("</script>").next());
    let data: Json = serde_json::from_str(&data.unwrap().replace("\\u003c", "<")).unwrap();
    let told = |name: &str| (data["changes"][name]["kind"].clone(), data["changes"][name]["died"].clone());
    let expected = |kind: &str, died: bool| (Json::from(kind), Json::from(died));
    assert_eq!(told("d"), expected("added", true), "{}", data["changes"]);
    assert_eq!(told("d (removed)"), expected("removed", false), "{}", data["changes"]);
    assert_eq!(told("f"), expected("added", false), "{}", data["changes"]);
    assert_eq!(told("pool"), expected("changed", false), "{}", data["changes"]);
    let Some(browser) = browser() else { return };
    let script = r##"<script>{
const seen = {};
const buttons = () => [...document.querySelectorAll("#panel .change")];
seen.changes = buttons().map((button) => button.textContent);
buttons().find((button) => button.textContent.startsWith("d (removed)")).click();
seen.chosen = [...document.querySelectorAll(".chosen")].map((node) => node.dataset.node);
seen.panel = document.getElementById("panel").textContent;
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
}</script>"##;
    let seen = visited(&browser, &page, script);
    let changes = ["d: added, a mask dies here", "d (removed): removed", "f: added", "pool: changed"];
    assert_eq!(seen["changes"], serde_json::json!(changes));
    assert_eq!(seen["chosen"], serde_json::json!(["d (removed)"]));
    assert!(seen["panel"].as_str().unwrap().contains("Between the models: removed"), "{seen}");
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
}

/// What docs/viewers.md counts in pictures of masque's is there.
#[test]
fn the_page_of_viewers_counts_right() {
    let page = fs::read_to_string(root().join("docs/viewers.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 5, "{rows:?}");
    for row in rows {
        let picture = &pictures(&case(row[0].trim_matches('`')).model())[0];
        let masked = picture.edges.iter().filter(|edge| edge.mask.is_some()).count();
        let counted = [picture.nodes.len(), picture.edges.len(), picture.groups.len(), masked];
        let counted = counted.map(|count| count.to_string()).join(", ");
        assert_eq!(row[2], counted, "{}", row[0]);
        assert!(picture.nodes.iter().all(|node| !node.types.is_empty()), "{}", row[0]);
    }
}

/// The picture in the README is made by the command beside it.
#[test]
fn the_picture_of_the_readme_is_current() {
    let folder = case("seed/flatten-destroys-mask").folder;
    let drawn = masque(&folder, &["dump", "model.keras", "--format", "svg"]).succeeded().unwrap().text();
    let committed = root().join("docs/pictures/flatten-destroys-mask.svg");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(&committed, &drawn).unwrap();
    }
    assert!(drawn == fs::read_to_string(committed).unwrap(), "INSTA_UPDATE=always draws it anew");
}

#[test]
fn a_stage_without_a_picture_is_named() {
    let folder = case("seed/stacked-gru").folder;
    let done = masque(&folder, &["dump", "model.keras", "--stage", "plan", "--format", "svg"]);
    assert_eq!(done.refusal(), Ok("a plan has no picture: --stage packed draws what it computes"));
}

/// What a visitor does on the page, and what is to be seen then.
const VISIT: &str = r##"<script>{
const seen = {};
const node = (name) => [...document.querySelectorAll(".node")].find((node) => node.dataset.node === name);
const press = (found) => found.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const stage = (name) => press([...document.querySelectorAll(".stages button")].find((button) => button.textContent === name));
seen.stages = [...document.querySelectorAll(".stages button")].map((button) => button.textContent);
seen.boxes = document.querySelectorAll(".node").length;
document.getElementById("search").value = "GRU";
document.getElementById("search").dispatchEvent(new Event("input"));
seen.found = [...document.querySelectorAll("#found button")].map((button) => button.textContent);
press(document.querySelector("#found button"));
seen.chosen = [...document.querySelectorAll(".chosen")].map((node) => node.dataset.node);
seen.panel = [...document.querySelectorAll("#panel h2, #panel h3")].map((head) => head.textContent);
const light = document.querySelector("#panel .mask");
press(light);
seen.pressed = light.getAttribute("aria-pressed");
seen.lit = [...document.querySelectorAll(".line.lit")].map((line) => `${line.dataset.from} ${line.dataset.to}`);
stage("optimized");
seen.same = [...document.querySelectorAll(".chosen")].map((node) => node.dataset.node);
seen.inside = document.querySelectorAll(".node").length;
document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
seen.after = document.querySelectorAll(".chosen").length;
stage("masks");
seen.focusable = [...document.querySelectorAll(".node")].every((node) => node.tabIndex === 0 && node.querySelector("title"));
seen.requests = performance.getEntriesByType("resource").length;
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
}</script>"##;

#[test]
fn a_page_works_in_a_browser() {
    let Some(browser) = browser() else { return };
    let folder = case("seed/stacked-gru").folder;
    let page = masque(&folder, &["dump", "model.keras", "--format", "html"]).succeeded().unwrap().text();
    let seen = visited(&browser, &page, VISIT);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("page-visit", serde_json::to_string_pretty(&seen).unwrap());
    });
}

/// What a run gives is on the page: the shapes, and the masks that Keras had for the same inputs.
#[test]
fn a_page_shows_a_run() {
    for case in area("seed") {
        let input = case.expected.input.clone().unwrap();
        let options = ["--format", "html", "--on-unsupported-mask", "warn", "--input", &input];
        let dumped = masque(&case.folder, &[&["dump", "model.keras"][..], &options].concat());
        let page = dumped.succeeded().unwrap().text();
        let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        let data: Json = serde_json::from_str(&data.replace("\\u003c", "<")).unwrap();
        for (name, expected) in case.arrays("masks.npz") {
            let shown = &data["values"][name.trim_end_matches(":0")][0]["mask"];
            let rows = expected.as_bool().unwrap().outer_iter().take(MOST_EXAMPLES);
            let strips = rows.map(|row| row.iter().map(|&valid| if valid { '1' } else { '0' }).collect());
            assert_eq!(*shown, Json::from(strips.collect::<Vec<String>>()), "{}: {name}", case.name);
        }
    }
    let folder = case("seed/stacked-gru").folder;
    let done = masque(&folder, &["dump", "model.keras", "--input", "input.npz"]);
    assert_eq!(done.refusal(), Ok("--input is for pages: --format html, or --open"));
}

#[test]
fn a_run_is_drawn_in_a_browser() {
    let Some(browser) = browser() else { return };
    let folder = case("seed/stacked-gru").folder;
    let page = masque(&folder, &["dump", "model.keras", "--format", "html", "--input", "input.npz"]);
    let script = r##"<script>{
const seen = {};
choose("embedding");
const heat = document.querySelector("#panel canvas");
const row = heat.getContext("2d").getImageData(0, 0, heat.width, 1).data;
seen.heat = [heat.width, heat.height, heat.getAttribute("aria-label")];
seen.painted = row.some((part) => part > 0);
seen.strips = document.querySelector("#panel .strips").textContent.split("\n");
seen.shape = data.values.embedding[0].ty;
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
}</script>"##;
    let seen = visited(&browser, &page.succeeded().unwrap().text(), script);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("page-run", serde_json::to_string_pretty(&seen).unwrap());
    });
}

/// Two stages beside each other: what is chosen in one is found in the other, a mask is lit in both, formulas are typeset.
#[test]
fn two_stages_are_side_by_side() {
    let Some(browser) = browser() else { return };
    let folder = case("seed/stacked-gru").folder;
    let page = masque(&folder, &["dump", "model.keras", "--format", "html"]).succeeded().unwrap().text();
    let script = r##"<script>{
const seen = {};
const chosen = () => panes.map((pane) => pane.drawn(".chosen, .same").map((node) => node.dataset.node));
beside();
seen.stages = panes.map((pane) => data.stages[pane.place]);
choose("second");
seen.chosen = chosen();
document.querySelector("#panel .mask").click();
seen.lit = panes.map((pane) => pane.drawn(".node.lit").length);
panes[1].root.dispatchEvent(new PointerEvent("pointerdown"));
seen.active = panes.map((pane) => pane.root.classList.contains("active"));
go("embedding");
seen.after = chosen();
seen.formulas = [document.querySelectorAll("#panel math mtr").length, document.querySelectorAll("merror").length];
beside();
seen.alone = document.querySelectorAll(".pane").length;
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
}</script>"##;
    let seen = visited(&browser, &page, script);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("page-beside", serde_json::to_string_pretty(&seen).unwrap());
    });
}

/// Nothing that a file calls itself becomes a part of the page.
#[test]
fn names_are_text_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let name = "</script><script>alert(1)</script>";
    let config = serde_json::json!({
        "class_name": "Sequential",
        "config": { "name": name, "layers": [
            { "class_name": "InputLayer", "config": { "batch_shape": [null, 4], "dtype": "float32", "name": name } },
            { "class_name": "Dense", "config": { "name": "<img src=x>", "units": 2 } },
        ] },
    });
    fs::write(folder.path().join("m.json"), config.to_string()).unwrap();
    let page = masque(folder.path(), &["dump", "m.json", "--format", "html"]).succeeded().unwrap().text();
    assert_eq!(page.matches("<script").count(), 7, "its own, its data, its calls, and one for each stage");
    assert!(!page.contains("<img"), "{page}");
}
