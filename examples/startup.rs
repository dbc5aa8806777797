//! How long does an executable take from its start to its first answer? `cargo run --release --example startup`
//!
//! Compiles the sentiment model and starts the executable again and again, each time with one review. What is
//! measured is processor time, in user and kernel mode together and over all threads: what the machine spent,
//! whoever else was using it. Linux adds it up for children that have ended (`/proc/self/stat`, in hundredths of a
//! second), so the starts are counted in groups; the median of the groups is the figure. Linux only.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use masque::session::compile;
use masque::{Model, Options};
use masque_examples::{output, sentiment};

/// How many groups there are; their median is the figure.
const GROUPS: usize = 50;
/// How many starts are in a group: one hundredth of a second over so many is the resolution.
const STARTS: usize = 20;
/// What the figures should stay below.
const MOST_MILLISECONDS: f64 = 20.0;
const MOST_MEGABYTES: f64 = 8.0;

fn main() -> ExitCode {
    masque_examples::finish(measure())
}

fn measure() -> Result<(), Box<dyn Error>> {
    let program = output("sentiment-startup");
    let planned = compile(Model::open(sentiment("sentiment.keras"))?.infer()?, Options::default(), |_| ())?;
    let size = planned.write_executable(&program)?;
    let weights: u64 = planned.plan.weights.iter().map(|weight| weight.bytes).sum();

    let review = program.with_file_name("sentiment-startup.jsonl");
    let reviews = fs::read_to_string(sentiment("reviews.jsonl"))?;
    fs::write(&review, reviews.lines().next().unwrap_or_default())?;

    start(&program, &review)?;
    let (mut processor, mut elapsed) = (vec![], vec![]);
    for _ in 0..GROUPS {
        let (before, clock) = (children_seconds()?, Instant::now());
        for _ in 0..STARTS {
            start(&program, &review)?;
        }
        processor.push((children_seconds()? - before) * 1e3 / STARTS as f64);
        elapsed.push(clock.elapsed().as_secs_f64() * 1e3 / STARTS as f64);
    }
    let overhead = (size - weights) as f64 / 1e6;
    let processor = median(processor);
    println!("from the start to the first answer, median of {GROUPS} groups of {STARTS} starts:");
    println!("  processor time  {processor:6.2} ms  (at most {MOST_MILLISECONDS} ms)");
    println!("  elapsed time    {:6.2} ms", median(elapsed));
    println!("size of the executable without its {weights} bytes of weights:");
    println!("  overhead        {overhead:6.2} MB  (at most {MOST_MEGABYTES} MB)");
    if processor < MOST_MILLISECONDS && overhead <= MOST_MEGABYTES {
        return Ok(());
    }
    Err("more than it should be".into())
}

/// Starts the executable, and waits until it has answered and ended.
fn start(program: &Path, review: &Path) -> Result<(), Box<dyn Error>> {
    let status = Command::new(std::path::absolute(program)?).arg(review).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", program.display()).into()) }
}

/// The processor time of all children that have ended, in seconds.
fn children_seconds() -> Result<f64, Box<dyn Error>> {
    // Behind the name, which may hold blanks: fields 3 and on; `cutime` and `cstime` are 16 and 17.
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let hundredths = fields.skip(13).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(hundredths / 100.0)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
