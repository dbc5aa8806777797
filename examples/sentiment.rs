//! The first thing to run: a Keras model becomes one executable, and the executable reads reviews.
//!
//! `cargo run --example sentiment [-- FILE]` compiles `examples/sentiment/sentiment.keras` into an
//! executable (into the target folder, or FILE), runs it as a process of its own on eight reviews, and shows what
//! came out. Colours, bars and progress are for terminals; anything else gets plain text.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use masque::diagnostics::UnsupportedMask;
use masque::session::compile;
use masque::{Model, Options, table};
use masque_examples::{output, sentiment};
use serde_json::Value;

fn main() -> ExitCode {
    masque_examples::finish(show())
}

fn show() -> Result<(), Box<dyn Error>> {
    let model = sentiment("sentiment.keras");
    let reviews = sentiment("reviews.jsonl");
    let program = std::env::args_os().nth(1).map_or_else(|| output("sentiment"), PathBuf::from);

    let inferred = progress("compiling", || Model::open(&model)?.infer())?;
    println!("{} becomes an executable. Its masks:\n", model.display());
    print!("{}", indented(&table::text(inferred.graph())));
    for finding in inferred.diagnostics(UnsupportedMask::Error) {
        println!("\n{}: {}", finding.code.name(), finding.message);
    }

    let (size, weights) = progress("compiling", || {
        let planned = compile(inferred, Options::default(), |_| ())?;
        let size = planned.write_executable(&program)?;
        Ok::<_, masque::Error>((size, planned.section().len()))
    })?;

    let answers = progress("running", || run(&program, &reviews))?;
    let texts = texts(&std::fs::read_to_string(&reviews)?)?;
    println!("\nWhat it thinks of {} (1 is praise, 0 is blame):\n", reviews.display());
    print!("{}", indented(&scores(&texts, &answers, io::stdout().is_terminal())));
    println!("\nKeras' own scores are at most {:.0e} away.", distance(&answers)?);

    println!(
        "\nThe executable: {}, {:.1} MB ({:.2} MB of it weights).",
        program.display(),
        mb(size),
        mb(weights as u64)
    );
    println!("It needs neither Python nor Rust, and no other file. Try");
    let program = callable(&program);
    println!("\n  echo '{{\"text\": \"Not bad at all!\"}}' | {program}");
    println!("  {program} --info");
    println!("  cargo run -- dump {} --stage optimized", model.display());
    println!("  cargo run -- --help");
    Ok(())
}

/// Runs the executable as anybody would; one score for each line.
fn run(program: &Path, reviews: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    // A name without a folder would be searched for in PATH.
    let result = Command::new(std::path::absolute(program)?).arg(reviews).output()?;
    if !result.status.success() {
        return Err(String::from_utf8_lossy(&result.stderr).trim_end().into());
    }
    let score = |line: &str| -> Result<f64, Box<dyn Error>> {
        let answer: Value = serde_json::from_str(line)?;
        let score = answer["output_0"].pointer("/0").unwrap_or(&answer["output_0"]).as_f64();
        score.ok_or_else(|| format!("expected a score, found {line}").into())
    };
    String::from_utf8(result.stdout)?.lines().map(score).collect()
}

fn texts(lines: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let text = |line: &str| -> Result<String, Box<dyn Error>> {
        let review: Value = serde_json::from_str(line)?;
        Ok(review["text"].as_str().unwrap_or_default().to_owned())
    };
    lines.lines().map(text).collect()
}

/// How far the answers are from what Keras answered when the model was made.
fn distance(answers: &[f64]) -> Result<f64, Box<dyn Error>> {
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(sentiment("expected.json"))?)?;
    let expected = expected["reviews"].as_array().ok_or("expected.json has no reviews")?;
    let expected: Vec<f64> = expected.iter().filter_map(|review| review["score"].as_f64()).collect();
    if expected.len() != answers.len() {
        return Err(format!("expected {} scores, found {}", expected.len(), answers.len()).into());
    }
    Ok(answers.iter().zip(&expected).map(|(ours, keras)| (ours - keras).abs()).fold(0.0, f64::max))
}

/// One line for each review: the score, a bar on a terminal, the beginning of the text.
fn scores(texts: &[String], scores: &[f64], terminal: bool) -> String {
    const BAR: usize = 20;
    let coloured = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut table = "score   review\n".to_owned();
    if terminal {
        table = format!("score   {:BAR$}  review\n", "");
    }
    for (text, score) in texts.iter().zip(scores) {
        let most = if terminal { 48 } else { 68 };
        let text = if text.is_empty() { "(nothing)".to_owned() } else { beginning(text, most) };
        let full = "▇".repeat((score * BAR as f64).round() as usize);
        let colour = if *score < 0.5 { "\u{1b}[31m" } else { "\u{1b}[32m" };
        let _ = match (terminal, coloured) {
            (false, _) => writeln!(table, "{score:.4}  {text}"),
            (true, false) => writeln!(table, "{score:.4}  {full:BAR$}  {text}"),
            (true, true) => writeln!(table, "{score:.4}  {colour}{full:BAR$}\u{1b}[0m  {text}"),
        };
    }
    table
}

/// No more than about so many characters, with a mark where something was left out.
fn beginning(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most - 1).collect();
    format!("{} …", cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words))
}

/// Says on a terminal what is being done, for as long as it takes.
fn progress<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let shown = io::stderr().is_terminal();
    if shown {
        eprint!("{what} …");
        // A terminal that cannot be written to shows nothing.
        let _ = io::stderr().flush();
    }
    let result = work();
    if shown {
        eprint!("\r\u{1b}[K");
    }
    result
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The path as a shell wants it: with a folder, or it would look in PATH.
fn callable(program: &Path) -> String {
    let bare = program.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    if bare { format!("./{}", program.display()) } else { program.display().to_string() }
}
