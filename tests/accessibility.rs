//! Pages as they are read by a screen reader, by a keyboard, by day and by night: axe-core finds nothing to object to.

use std::fs;
use std::path::Path;

use masque_tests::browser::{Window, browser, visited_in};
use masque_tests::command::{Done, bare};
use masque_tests::corpus::case;
use masque_tests::root;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// A narrow window is as narrow as the browser makes one.
const WINDOWS: [Window; 4] = [
    Window { width: 1400, height: 900, dark: false },
    Window { width: 1400, height: 900, dark: true },
    Window { width: 500, height: 800, dark: false },
    Window { width: 500, height: 800, dark: true },
];

/// Takes the steps of a visit, and lets axe-core look at the page after each.
const LOOK: &str = r##"<script>(async () => {
const seen = { dark: matchMedia("(prefers-color-scheme: dark)").matches, width: innerWidth, checks: 0, found: [] };
for (const [name, step] of Object.entries(steps)) {
  step();
  const looked = await axe.run(document, { resultTypes: ["violations"] });
  seen.checks += looked.passes.length;
  for (const { id, help, nodes } of looked.violations)
    seen.found.push(`${name}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join("; ")}`);
}
seen.found.push(...window.wrong);
document.body.dataset.seen = JSON.stringify(seen);
})().catch((error) => (document.body.dataset.seen = JSON.stringify({ found: [String(error)] })));</script>"##;

/// Looks at a page in every window. The steps are an object of functions.
fn looked_at(page: &Done, steps: &str) {
    let Some(browser) = browser() else { return };
    let page = page.text();
    let axe = fs::read_to_string(root().join("tests/axe-core/axe.min.js")).unwrap();
    let script = format!("<script>{axe}</script><script>const steps = {steps};</script>{LOOK}");
    for window in WINDOWS {
        let seen = visited_in(&browser, window, &page, &script);
        assert_eq!(seen["found"], Json::Array(vec![]), "{window:?}");
        assert_eq!((&seen["dark"], &seen["width"]), (&window.dark.into(), &window.width.into()));
        assert!(seen["checks"].as_u64() > Some(20), "{seen}");
    }
}

fn masque(folder: &Path, arguments: &[&str]) -> Done {
    Done::from(bare(Path::new(MASQUE), folder).args(arguments).output().unwrap())
}

#[test]
fn a_page_has_no_violation() {
    let folder = case("seed/flatten-destroys-mask").folder;
    let options = ["--format", "html", "--on-unsupported-mask", "warn", "--input", "input.npz"];
    let page = masque(&folder, &[&["dump", "model.keras"][..], &options].concat()).succeeded().unwrap();
    looked_at(
        &page,
        r##"{
  opened: () => {},
  chosen: () => choose("flatten"),
  lit: () => document.querySelector("#panel .mask").click(),
  played: () => document.getElementById("leaks").click(),
  found: () => { document.getElementById("search").value = "e"; search(); },
  another: () => change(3),
}"##,
    );
}

#[test]
fn a_folded_page_has_no_violation() {
    let folder = case("field/022-translation-right-cross-mask").folder;
    let page = masque(&folder, &["dump", "model.keras", "--format", "html"]).succeeded().unwrap();
    looked_at(&page, r##"{ folded: () => change(1), inside: () => show(1, 2), chosen: () => go("cross") }"##);
}

#[test]
fn a_page_of_two_models_has_no_violation() {
    let folder = root().join("tests/golden/seed");
    let models = ["embedding-gru-dense/model.keras", "stacked-gru/model.keras"];
    let page = masque(&folder, &[&["diff"], &models[..], &["--format", "html"]].concat());
    assert_eq!(page.status, Some(1), "{}", page.stderr);
    looked_at(
        &page,
        r##"{ opened: () => {}, chosen: () => document.querySelector("#panel .change").click() }"##,
    );
}
