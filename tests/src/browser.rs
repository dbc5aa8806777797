//! A real browser without a window, where one is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Does the system ask for dark colours?
    pub dark: bool,
}

impl Window {
    /// A wide window in light colours.
    pub const WIDE: Window = Window { width: 1200, height: 900, dark: false };
}

/// The first of these programs that is installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = names.iter().find_map(|name| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("not tested: none of {} is installed", names.join(", "));
    }
    found
}

/// Chromium, or what is made of it.
pub fn browser() -> Option<PathBuf> {
    installed(&["chromium", "chromium-browser", "google-chrome", "chrome"])
}

/// Runs a script at the end of a page in a wide window; what it leaves in `document.body.dataset.seen`. Errors of the page
/// are in `window.wrong`. The script does not wait for anything.
pub fn visited(browser: &Path, page: &str, script: &str) -> Json {
    visit(browser, Window::WIDE, page, script, &[])
}

/// The same in a window of another kind. The script may wait, for up to 60 seconds of the page's time, which is not the
/// clock's.
pub fn visited_in(browser: &Path, window: Window, page: &str, script: &str) -> Json {
    visit(browser, window, page, script, &["--virtual-time-budget=60000"])
}

fn visit(browser: &Path, window: Window, page: &str, script: &str, options: &[&str]) -> Json {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("page.html");
    let watched = page.replacen(
        "<head>",
        "<head><script>window.wrong = []; addEventListener('error', (event) => window.wrong.push(event.message));\
         addEventListener('unhandledrejection', (event) => window.wrong.push(String(event.reason)));</script>",
        1,
    );
    let (before, _) = watched.rsplit_once("</body>").expect("the end of a page");
    fs::write(&file, format!("{before}{script}</body></html>")).expect("a page to visit");
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]).args(options);
    command.arg(format!("--window-size={},{}", window.width, window.height));
    if window.dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    let done = command.arg(format!("file://{}", file.display())).output().expect("a browser that starts");
    let dom = String::from_utf8_lossy(&done.stdout).into_owned();
    let seen = dom.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next());
    let seen =
        seen.unwrap_or_else(|| panic!("the script did not end: {}", String::from_utf8_lossy(&done.stderr)));
    let seen = seen.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).expect("JSON")
}
