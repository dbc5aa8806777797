//! What the command says of itself: help, manual, completions, layers.

use std::path::Path;

use masque::layers::LAYERS;
use masque_tests::command::{Done, bare};
use masque_tests::root;

fn said(arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_masque-under-test"));
    Done::from(bare(program, &root()).args(arguments).output().unwrap()).succeeded().unwrap().text()
}

/// The commands that help lists.
fn commands() -> Vec<String> {
    let help = said(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What a command needs to be looked at any further; no file of these names is there.
fn needed(command: &str) -> &'static [&'static str] {
    match command {
        "bench" => &["none.keras", "--input", "none.npz"],
        "build" => &["none.keras", "--output", "target/none"],
        "diff" => &["none.keras", "none.keras"],
        "evaluate" => &["none.keras", "--input", "none.npz", "--target", "none.npz"],
        "layers" => &[],
        _ => &["none.keras"],
    }
}

/// Help of a command shows an option exactly if the command does not refuse it.
#[test]
fn help_offers_what_means_something() {
    let options = [
        ("--on-unsupported-mask", "warn"),
        ("--semantics", "keras-2"),
        ("--masks", "keras"),
        ("--weights", "none.h5"),
        ("--layers", "none.mq"),
        ("--opaque", "Mine=keep"),
        ("--threads", "1"),
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_masque-under-test"));
    for command in commands() {
        let help = said(&[&command, "--help"]);
        for (option, value) in options {
            let mut asked = bare(program, &root());
            let done = asked.arg(&command).args(needed(&command)).args([option, value]).output().unwrap();
            let refused = Done::from(done).stderr.contains("means nothing to");
            assert_eq!(help.contains(&format!("{option} <")), !refused, "{command} {option}");
        }
        assert!(help.contains("--color"), "{command}");
    }
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    assert!(commands().len() > 10, "{:?}", commands());
    for command in commands() {
        let page = said(&["generate", "man", &command]);
        assert!(page.contains(&format!(".TH masque-{command} 1")), "{page}");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let page = said(&["generate", "man"]);
    assert!(page.contains(".TH masque 1") && page.contains("masque\\-dump(1)"), "{page}");
    assert!(!page.contains("generate"), "{page}");
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&["generate", shell]);
        assert!(script.contains("on-unsupported-mask") && script.contains("summary"), "{shell}");
    }
}

/// The table keeps to 100 columns, and one layer is told with the meaning of its words.
#[test]
fn layers_are_told() {
    let table = said(&["layers"]);
    let widest = table.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 100, "{widest}");
    for def in LAYERS {
        assert!(said_once(&table, def.class), "{}", def.class);
    }
    let lstm = said(&["layers", "lstm"]);
    assert_eq!(lstm, said(&["layers", "LSTM"]));
    assert!(lstm.starts_with("LSTM\nsupports masking: yes\nmask of the outputs: "), "{lstm}");
    assert!(lstm.contains("\n  keep: that of the first input\n"), "{lstm}");
    let json: serde_json::Value =
        serde_json::from_str(&said(&["layers", "TransformerEncoder", "--format", "json"])).unwrap();
    assert_eq!(json[0]["layer"], "keras_hub>TransformerEncoder");
}

/// Is it the first cell of a row?
fn said_once(table: &str, class: &str) -> bool {
    table.lines().any(|line| line.split_whitespace().next() == Some(class))
}

/// The version is the package's; a build for development says no more.
#[test]
fn the_version_is_said() {
    let version = said(&["--version"]);
    let rest = version.strip_prefix(&format!("masque {}", env!("CARGO_PKG_VERSION"))).unwrap().trim_end();
    assert!(rest.is_empty() || (rest.starts_with(" (") && rest.ends_with(')')), "{version}");
}
