//! Large models: their pages open folded, and are small.

use std::fs;
use std::path::Path;

use masque_tests::browser::{Window, browser, visited, visited_in};
use masque_tests::command::{Done, bare};
use masque_tests::corpus::case;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// How many bytes the page of 3000 calls may have.
const PAGE: usize = 8 << 20;

fn masque(folder: &Path, arguments: &[&str]) -> Done {
    Done::from(bare(Path::new(MASQUE), folder).args(arguments).output().unwrap())
}

/// A model of many boxes opens folded.
#[test]
fn a_large_model_opens_folded() {
    let Some(browser) = browser() else { return };
    let folder = case("field/022-translation-right-cross-mask").folder;
    let page = masque(&folder, &["dump", "model.keras", "--format", "html"]).succeeded().unwrap().text();
    let script = r##"<script>{
const seen = {};
const press = (found) => found.dispatchEvent(new MouseEvent("click", { bubbles: true }));
press([...document.querySelectorAll(".stages button")].find((button) => button.textContent === "tensor"));
seen.folded = document.querySelectorAll(".node.folded").length > 0;
const folded = document.querySelector(".node.folded");
seen.group = folded.dataset.node;
press(folded);
seen.inside = document.querySelectorAll(".node.call").length > 0;
seen.trail = [...document.querySelectorAll(".trail button")].map((button) => button.textContent);
press(document.querySelector(".trail button"));
seen.back = document.querySelectorAll(".node.folded").length > 0;
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
}</script>"##;
    let seen = visited(&browser, &page, script);
    assert_eq!(
        (&seen["folded"], &seen["inside"], &seen["back"]),
        (&true.into(), &true.into(), &true.into()),
        "{seen}"
    );
    assert_eq!(seen["trail"][0], "folded", "{seen}");
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
}

/// Blocks that a large model repeats are one box when its page opens.
#[test]
fn a_large_model_opens_with_its_blocks_folded() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n\n\
                    %x = InputLayer() {dtype = float32, shape = [B, T, 4]}\n"
        .to_owned();
    let mut last = "x".to_owned();
    for block in 0..30 {
        text.push_str(&format!(
            "%enc_{block}_n = LayerNormalization(%{last})\n%enc_{block}_d = Dense(%enc_{block}_n) {{units = 4}}\n\
             %enc_{block}_a = Add([%{last}, %enc_{block}_d])\n"
        ));
        last = format!("enc_{block}_a");
    }
    fs::write(folder.path().join("m.mq"), format!("{text}return output_0 = %{last}\n")).unwrap();
    let page = masque(folder.path(), &["dump", "m.mq", "--format", "html"]).succeeded().unwrap().text();
    let data = page.split("id=\"masks\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let data: Json = serde_json::from_str(&data.replace("\\u003c", "<")).unwrap();
    let names: Vec<&Json> = data["views"].as_array().unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(names, ["folded", "30 × enc (3 calls)", "whole"]);
    let drawn = data["views"][0]["svg"].as_str().unwrap();
    assert_eq!(drawn.matches("class=\"node").count(), 3, "{drawn}");
    let text = masque(folder.path(), &["dump", "m.mq", "--stage", "layers", "--collapse"]).text();
    assert_eq!(text.lines().count(), 11, "{text}");
}

/// A model of 3000 calls that repeats nothing: long stages are compressed, and unpacked when they are looked at.
#[test]
fn a_page_of_3000_calls_unpacks_what_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n\n\
                    %c0 = InputLayer() {dtype = float32, shape = [B, T, 4]}\n"
        .to_owned();
    let mut chance = 1_u64;
    for call in 1..3000 {
        chance = chance * 48271 % 2_147_483_647;
        let last = call - 1;
        text.push_str(&match chance.is_multiple_of(2) {
            true => format!("%c{call} = Add([%c{last}, %c{}])\n", last - last.min(chance % 5)),
            false => format!("%c{call} = Dense(%c{last}) {{units = 4}}\n"),
        });
    }
    fs::write(folder.path().join("m.mq"), format!("{text}return output_0 = %c2999\n")).unwrap();
    let page = masque(folder.path(), &["dump", "m.mq", "--format", "html"]).succeeded().unwrap().text();
    assert!(page.len() < PAGE, "{} bytes", page.len());
    assert!(page.contains("<script type=\"application/gzip\" id=\"tensor\">"));
    let Some(browser) = browser() else { return };
    let script = r##"<script>{
panes[0].drawing.getBoundingClientRect();
const boxes = document.querySelectorAll(".node").length;
document.body.dataset.seen = JSON.stringify({ boxes });
}</script>"##;
    let seen = visited(&browser, &page, script);
    assert!(seen["boxes"].as_u64() > Some(1000), "{seen}");
    let script = r##"<script>(async () => {
const seen = {};
go("c1000");
await unpack("calls").then(details);
seen.panel = document.querySelector("#panel h2").textContent;
seen.formulas = document.querySelectorAll("#panel math").length;
await change(1);
seen.stage = data.stages[now.pane.place];
seen.chosen = now.pane.drawn(".chosen").map((node) => node.dataset.node);
seen.errors = window.wrong;
document.body.dataset.seen = JSON.stringify(seen);
})();</script>"##;
    let expected = serde_json::json!({
        "panel": "c1000", "formulas": 1, "stage": "tensor", "chosen": ["c1000"], "errors": []
    });
    assert_eq!(visited_in(&browser, Window::WIDE, &page, script), expected);
}
