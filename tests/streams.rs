//! Executables that answer while they read: through pipes line by line, with the same bits in any company, and with
//! nothing half written when they are ended.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use masque_tests::command::{Done, bare, run, run_with};
use masque_tests::corpus::case;
use masque_tests::root;
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// Nothing takes that long; a test that waits longer fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with the sentiment model and its executable.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::copy(root().join("examples/sentiment/sentiment.keras"), desk.path("sentiment.keras")).unwrap();
        let build = ["build", "sentiment.keras", "-o", "sentiment"];
        run(Path::new(MASQUE), desk.0.path(), &build).succeeded().unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn answers(&self, arguments: &[&str], input: &str) -> Done {
        run_with(&self.path("sentiment"), self.0.path(), arguments, input.as_bytes())
    }

    fn files(&self) -> BTreeSet<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(self.0.path()).unwrap().map(name).collect()
    }
}

/// A program that is talked to.
struct Talk {
    child: Child,
    lines: Receiver<String>,
}

impl Talk {
    fn with(mut command: Command) -> Talk {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let (to_test, lines) = channel();
        thread::spawn(move || answers.lines().map_while(Result::ok).try_for_each(|line| to_test.send(line)));
        Talk { child, lines }
    }

    fn say(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn hear(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("an answer")
    }

    /// The exit status; none if a signal ended it.
    fn end(&mut self, time: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < time {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
        panic!("it did not end within {time:?}");
    }
}

const TEXTS: [&str; 6] = [
    "Not bad at all!",
    "",
    "a very long text about nothing in particular, which goes on and on until nobody listens",
    "bad",
    "?!",
    "what a wonderful, wonderful film",
];

fn lines(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect()
}

#[test]
fn a_question_is_answered_before_the_next_one_is_asked() {
    let desk = Desk::new();
    let together = desk.answers(&[], &lines(&TEXTS)).succeeded().unwrap();
    let expected: Vec<String> = together.text().lines().map(str::to_owned).collect();
    let mut of_executable = bare(&desk.path("sentiment"), desk.0.path());
    of_executable.args(["--threads", "1"]);
    let mut of_run = bare(Path::new(MASQUE), desk.0.path());
    of_run.args(["run", "sentiment.keras"]);
    for command in [of_executable, of_run] {
        let mut talk = Talk::with(command);
        for (text, expected) in TEXTS.iter().zip(&expected) {
            talk.say(&lines(&[text]));
            assert_eq!(talk.hear(), *expected, "{text}");
        }
        drop(talk.child.stdin.take());
        assert_eq!(talk.end(PATIENCE), Some(0));
    }
}

#[test]
fn an_answer_is_the_same_alone_in_a_batch_and_in_another_order() {
    let desk = Desk::new();
    let texts: Vec<&str> = TEXTS.iter().cycle().take(500).copied().collect();
    let answers = |arguments: &[&str], texts: &[&str]| {
        desk.answers(arguments, &lines(texts)).succeeded().unwrap().text()
    };
    let exact = answers(&["--exact"], &texts);
    assert_eq!(exact.lines().count(), texts.len());
    for arguments in
        [&[][..], &["--window", "10"], &["--batch-size", "7", "--threads", "1"], &["--max-tokens", "20"]]
    {
        assert!(answers(arguments, &texts) == exact, "{arguments:?}");
    }
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    assert!(answers(&[], &reversed).lines().rev().eq(exact.lines()));
}

#[test]
fn a_command_line_is_that_of_masque_run() {
    let desk = Desk::new();
    fs::write(desk.path("in.csv"), "id,text\n1,good\n2\n3,bad\n").unwrap();
    fs::write(
        desk.path("in.jsonl"),
        "{\"text\": \"good\", \"id\": [1]}\n\n{\"text\": 3, \"id\": 2}\n\"bad\"\n",
    )
    .unwrap();
    for arguments in [
        &["in.jsonl", "--keep", "id", "--on-error", "mark"][..],
        &["-i", "in.jsonl", "--keep-all", "--on-error", "skip", "--window", "2"],
        &["--input", "in.csv", "--keep", "id", "--on-error", "mark", "--exact"],
        &["in.jsonl", "--keep", "id"],
        &["in.jsonl", "--keep", "id", "-o", "out.npz"],
        &["in.jsonl", "--on-error", "perhaps"],
    ] {
        let of_executable = run(&desk.path("sentiment"), desk.0.path(), arguments);
        let of_run =
            run(Path::new(MASQUE), desk.0.path(), &[&["run", "sentiment.keras"], arguments].concat());
        assert_eq!(of_executable.text(), of_run.text(), "{arguments:?}");
        assert_eq!(of_executable.status, of_run.status, "{arguments:?}: {of_executable:?} {of_run:?}");
        let first = |said: &str| said.lines().next().map(str::to_owned);
        assert_eq!(first(&of_executable.stderr), first(&of_run.stderr), "{arguments:?}");
    }
}

#[test]
fn the_input_may_come_from_the_file_that_would_be_lost() {
    let desk = Desk::new();
    fs::write(desk.path("texts.jsonl"), "{\"text\": \"good\"}\n").unwrap();
    let mut command = bare(&desk.path("sentiment"), desk.0.path());
    let input = File::open(desk.path("texts.jsonl")).unwrap();
    let output = command.args(["-o", "texts.jsonl", "--force"]).stdin(input).output().unwrap();
    assert!(Done::from(output).refusal().unwrap().contains("would be lost"));
    assert_eq!(fs::read_to_string(desk.path("texts.jsonl")).unwrap(), "{\"text\": \"good\"}\n");
}

#[test]
fn a_file_is_whole_or_as_it_was() {
    let desk = Desk::new();
    let old = "{\"output_0\": [0.5]}\n";
    fs::write(desk.path("out.jsonl"), old).unwrap();
    let before = desk.files();
    let begin = || {
        // A program heeds no signal that it was started to ignore, as those behind an `&` are.
        let mut command = bare(Path::new("/usr/bin/env"), desk.0.path());
        command.args(["--default-signal=INT,TERM", "./sentiment", "-o", "out.jsonl"]);
        let mut talk = Talk::with(command);
        talk.say(&lines(&TEXTS));
        // A file that shows for a moment only tells that the folder takes files.
        let start = Instant::now();
        let mut seen = 0;
        while seen < 10 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(2));
            seen = if desk.files() == before { 0 } else { seen + 1 };
        }
        assert_ne!(desk.files(), before, "nothing is written");
        talk
    };
    let end = |talk: &mut Talk, signal: &str| {
        let kill = Command::new("kill").args([signal, &talk.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(talk.end(PATIENCE), None, "{signal}");
        assert_eq!(fs::read_to_string(desk.path("out.jsonl")).unwrap(), old, "{signal}");
    };
    for signal in ["-INT", "-TERM"] {
        end(&mut begin(), signal);
        assert_eq!(desk.files(), before, "{signal}");
    }
    end(&mut begin(), "-KILL");
    let left: Vec<String> = desk.files().difference(&before).cloned().collect();
    let [left] = &left[..] else { panic!("{left:?}") };
    assert!(left.starts_with("out.jsonl.") && left.ends_with(".unfinished"), "{left}");
    let minute = SystemTime::now() - Duration::from_secs(60);
    File::options().write(true).open(desk.path(left)).unwrap().set_modified(minute).unwrap();
    desk.answers(&["-o", "out.jsonl"], &lines(&TEXTS)).succeeded().unwrap();
    assert_eq!(desk.files(), before);
    assert_eq!(fs::read_to_string(desk.path("out.jsonl")).unwrap().lines().count(), TEXTS.len());
    // A record that stops the run leaves the old file, too.
    let done = desk.answers(&["-o", "out.jsonl"], "{\"text\": \"good\"}\n{\"text\": 1}\n");
    assert!(done.refusal().unwrap().starts_with("standard input: line 2: "));
    assert_eq!(fs::read_to_string(desk.path("out.jsonl")).unwrap().lines().count(), TEXTS.len());
    assert_eq!(desk.files(), before);
}

/// The commands of a page with what they print, in one folder; `masque` is the command under test.
#[test]
fn the_page_on_running_is_true() {
    let desk = Desk::new();
    fs::copy(case("field/058-slots-and-intent").model(), desk.path("intents.keras")).unwrap();
    let commands = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(MASQUE, commands.path().join("masque")).unwrap();
    let path = format!("{}:{}", commands.path().display(), std::env::var("PATH").unwrap());
    let page = root().join("docs/running.md");
    let text = fs::read_to_string(&page).unwrap();
    let mut found = String::new();
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        found.push_str(line);
        found.push('\n');
        inside = line == "```console" || (inside && line != "```");
        let Some(command) = line.strip_prefix("$ ").filter(|_| inside) else { continue };
        while lines.next_if(|line| !line.starts_with("$ ") && *line != "```").is_some() {}
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(desk.0.path()).env("PATH", &path);
        let shell = shell.output().unwrap();
        found.push_str(&String::from_utf8(shell.stdout).unwrap());
        found.push_str(&String::from_utf8(shell.stderr).unwrap());
    }
    if std::env::var_os("MASQUE_BLESS").is_some() {
        return fs::write(&page, &found).unwrap();
    }
    let changes = masque::diff::lines(&text, &found);
    assert!(text == found, "MASQUE_BLESS=1 accepts this:\n{}", masque::diff::render(&changes, false));
}
