//! Nothing of the user's is lost by a slip: no command changes a byte of a file that it reads, or of a file of another
//! kind, under whatever name.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use masque_tests::command::{Done, run};
use masque_tests::corpus::case;
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// Somebody's folder: a model as an archive and as a config with its weights, inputs, an executable, notes; and links.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let case = case("seed/embedding-gru-dense");
        fs::copy(case.model(), desk.path("m.keras")).unwrap();
        fs::copy(case.folder.join("input.npz"), desk.path("in.npz")).unwrap();
        let archive = fs::read(case.model()).unwrap();
        let archive =
            masque_runtime::zip::Archive::open(&archive, masque_runtime::zip::Limits::MODEL).unwrap();
        fs::write(desk.path("c.json"), archive.read("config.json").unwrap()).unwrap();
        fs::write(desk.path("c.weights.h5"), archive.read("model.weights.h5").unwrap()).unwrap();
        fs::create_dir(desk.path("open")).unwrap();
        for member in ["config.json", "metadata.json", "model.weights.h5"] {
            fs::write(desk.path("open").join(member), archive.read(member).unwrap()).unwrap();
        }
        fs::write(desk.path("notes.txt"), "things to remember\n").unwrap();
        fs::write(desk.path("notes.npz"), "things to remember\n").unwrap();
        fs::write(desk.path("ids.jsonl"), "[1, 2]\n[3]\n").unwrap();
        desk.masque(&["build", "m.keras", "-o", "exe", "-q"]).succeeded().unwrap();
        for (file, hard, soft) in
            [("m.keras", "hard.keras", "soft.keras"), ("in.npz", "hard.npz", "soft.npz")]
        {
            fs::hard_link(desk.path(file), desk.path(hard)).unwrap();
            symlink(file, desk.path(soft)).unwrap();
        }
        fs::hard_link(desk.path("ids.jsonl"), desk.path("hard.jsonl")).unwrap();
        symlink("ids.jsonl", desk.path("soft.jsonl")).unwrap();
        symlink("c.weights.h5", desk.path("soft.h5")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn masque(&self, arguments: &[&str]) -> Done {
        run(Path::new(MASQUE), self.0.path(), arguments)
    }

    /// Every file with what it holds, and where it leads if it is a link.
    fn everything(&self) -> BTreeMap<PathBuf, (Vec<u8>, Option<PathBuf>)> {
        let folders = [self.path(""), self.path("open")];
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let files = entries.map(|entry| entry.unwrap().path()).filter(|path| !path.is_dir());
        let state = |path: PathBuf| (fs::read(&path).unwrap(), fs::read_link(&path).ok());
        files.map(|path| (path.clone(), state(path))).collect()
    }

    /// Refused in one line that holds these words, and everything is as it was.
    fn keeps(&self, before: &BTreeMap<PathBuf, (Vec<u8>, Option<PathBuf>)>, slip: &str, words: &str) {
        let arguments: Vec<&str> = slip.split(' ').collect();
        let done = match arguments[0] {
            "exe" => run(&self.path("exe"), self.0.path(), &arguments[1..]),
            _ => self.masque(&arguments),
        };
        let message = done.refusal().unwrap_or_else(|problem| panic!("{slip}: {problem}"));
        assert!(message.contains(words), "{slip}: {message}");
        assert!(self.everything() == *before, "{slip}: a file is not what it was");
    }
}

#[test]
fn an_input_is_never_an_output() {
    let desk = Desk::new();
    let before = desk.everything();
    let lost = "is the same file and would be lost";
    let models = ["m.keras", "./m.keras", "hard.keras", "soft.keras"];
    let npz = ["in.npz", "./in.npz", "hard.npz", "soft.npz"];
    let lines = ["ids.jsonl", "./ids.jsonl", "hard.jsonl", "soft.jsonl"];
    for force in ["", " --force"] {
        for model in models {
            desk.keeps(&before, &format!("build m.keras -o {model}{force}"), lost);
            desk.keeps(&before, &format!("build {model} -o m.keras{force}"), lost);
        }
        for weights in ["c.weights.h5", "soft.h5", "c.json"] {
            desk.keeps(&before, &format!("build c.json -o {weights}{force}"), lost);
            desk.keeps(&before, &format!("build c.json --weights soft.h5 -o {weights}{force}"), lost);
        }
        for member in ["config.json", "model.weights.h5"] {
            desk.keeps(&before, &format!("build open -o open/{member}{force}"), lost);
        }
        desk.keeps(&before, &format!("masks c.json --check c.json --bless{force}"), lost);
        for input in npz {
            desk.keeps(&before, &format!("run m.keras --input in.npz --output {input}{force}"), lost);
            desk.keeps(&before, &format!("run m.keras --input {input} --output in.npz{force}"), lost);
            desk.keeps(&before, &format!("run m.keras --input in.npz --masks {input}{force}"), lost);
            desk.keeps(&before, &format!("exe in.npz -o {input}{force}"), lost);
            desk.keeps(&before, &format!("exe {input} --masks in.npz{force}"), lost);
        }
        for input in lines {
            desk.keeps(&before, &format!("run m.keras --input {input} --output ids.jsonl{force}"), lost);
            desk.keeps(&before, &format!("exe ids.jsonl -o {input}{force}"), lost);
        }
        let twice = "two outputs would be written to this file";
        desk.keeps(
            &before,
            &format!("run m.keras --input in.npz --output x.npz --masks x.npz{force}"),
            twice,
        );
        desk.keeps(&before, &format!("exe in.npz -o x.npz --masks ./x.npz{force}"), twice);
    }
}

#[test]
fn a_file_of_another_kind_is_kept_unless_it_is_said() {
    let desk = Desk::new();
    let before = desk.everything();
    for other in ["notes.npz", "in.npz", "hard.keras", "soft.jsonl"] {
        desk.keeps(&before, &format!("build c.json -o {other}"), "not an executable of masque's; --force");
    }
    desk.keeps(&before, "build m.keras -o notes.txt", "not an executable of masque's; --force");
    desk.keeps(&before, "masks m.keras --check notes.txt --bless", "not a mask table; --force");
    desk.keeps(
        &before,
        "run m.keras --input in.npz --output notes.npz",
        "not an .npz archive of arrays; --force",
    );
    desk.keeps(&before, "exe in.npz -o notes.npz", "not an .npz archive of arrays; --force");
    desk.keeps(&before, "exe in.npz --masks notes.npz", "not an .npz archive of arrays; --force");
    for said in [
        "build m.keras -o notes.txt --force",
        "build m.keras -o exe",
        "masks m.keras --check notes.txt --bless --force",
        "masks m.keras --check notes.txt --bless",
        "run m.keras --input in.npz --output notes.npz --force",
        "run m.keras --input in.npz --output notes.npz",
    ] {
        desk.masque(&said.split(' ').collect::<Vec<_>>())
            .succeeded()
            .unwrap_or_else(|error| panic!("{said}: {error}"));
    }
}

#[test]
fn a_missing_folder_is_named_before_anything_is_computed() {
    let desk = Desk::new();
    // None of these models is there: what cannot be written is found before anything is read.
    for command in [
        "build gone.keras -o gone/exe",
        "masks gone.keras --check gone/masks --bless",
        "run gone.keras --input gone.npz --output gone/out.npz",
        "run gone.keras --input gone.npz --masks gone/out.npz",
        "exe gone.npz -o gone/out.npz",
        "exe gone.npz --masks gone/masks.npz",
    ] {
        desk.keeps(&desk.everything(), command, "there is no folder \"gone\"");
    }
}
