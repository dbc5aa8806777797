//! Where the examples find the bundled model. The programs themselves lie beside this file, one each:
//!
//! | program | what it shows |
//! |---|---|
//! | `sentiment` | a model becomes an executable, and the executable runs |
//! | `masks` | the mask table and what is wrong with the masks, in ten lines |
//! | `own_layers` | custom layers in Rust: a registry, a model with them opened, checked and run |
//! | `own_pipeline` | every stage of the compiler, printed |
//! | `run_in_process` | compile once, run often, without an executable |
//! | `startup` | how long an executable takes from its start to its first answer |
//! | `compile_time` | how the time of compiling grows with the model |
//!
//! `cargo run --example sentiment` runs the first.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file of the bundled sentiment model: `sentiment.keras`, `reviews.jsonl` or `expected.json`. The path is
/// relative to the current folder where it lies below it, so that it reads well and can be typed again.
pub fn sentiment(file: &str) -> PathBuf {
    near(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sentiment").join(file))
}

/// A file of the model with custom layers: `model.keras` or `expected.json`. The path is as that of [`sentiment`].
pub fn own_layers(file: &str) -> PathBuf {
    near(&Path::new(env!("CARGO_MANIFEST_DIR")).join("own_layers").join(file))
}

/// Where an example writes what it makes: the target folder that the running program itself lies in, or the
/// folder for temporary files if it lies in none.
pub fn output(file: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    // target/release/examples/sentiment
    let folder =
        program.ancestors().nth(3).filter(|_| program.parent().is_some_and(|at| at.ends_with("examples")));
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
    near(&folder.join(format!("{file}{}", std::env::consts::EXE_SUFFIX)))
}

/// A path as one would type it here.
fn near(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_path_buf()
}

/// How a program ends: what went wrong is one line for people, not the dump that `main` would make of an error.
pub fn finish(result: Result<(), impl Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program's last words")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}
